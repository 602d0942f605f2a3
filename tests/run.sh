#!/bin/sh
# run.sh DIR: runs the suites in DIR once per instruction set of the machine, then the shell tests; ends with one line
# of totals. SUITES_ONLY leaves the shell tests out, QUICK runs one instruction set, WRAPPER goes before each suite.
dir=${1:?usage: run.sh DIR}
passed=0 failed=0
isas="portable avx2 avx512"
[ -z "${QUICK:-}" ] || isas=${CONVNET_MAX_ISA:-best}
run() { # NAME COMMAND...: counts Check's own totals, or 1 for a script
    name=$1
    shift
    output=$("$@" 2>&1)
    code=$?
    echo "$output" | grep -v '^Running suite' | sed "s|^|$name: |"
    checks=$(echo "$output" | sed -n 's/.*Checks: \([0-9]*\), Failures: \([0-9]*\), Errors: \([0-9]*\).*/\1 \2 \3/p' | tail -n 1)
    if [ -n "$checks" ]; then
        set -- $checks
        bad=$(($2 + $3))
        passed=$((passed + $1 - bad))
        [ "$bad" -gt 0 ] || [ "$code" -eq 0 ] || bad=1
        failed=$((failed + bad))
    elif [ "$code" -eq 0 ]; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
    fi
}
has() { # the machine offers this instruction set
    case $1 in
    avx2) grep -qw avx2 /proc/cpuinfo 2>/dev/null ;;
    avx512) grep -qw avx512vl /proc/cpuinfo 2>/dev/null ;;
    *) true ;;
    esac
}
for isa in $isas; do
    has "$isa" || continue
    [ "$isa" = best ] || export CONVNET_MAX_ISA="$isa"
    for suite in "$dir"/test_*; do
        # shellcheck disable=SC2086
        run "$isa $(basename "$suite")" ${WRAPPER:-} "$suite"
    done
done
unset CONVNET_MAX_ISA
if [ -z "${SUITES_ONLY:-}" ]; then
    for script in tests/test_*.sh; do
        run "$(basename "$script")" sh "$script"
    done
fi
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
