#!/bin/sh
# run.sh: runs test programs and scripts and adds up what they found.
#
#   run.sh [-o SUMMARY] [-x WRAPPER] [-1 'PROGRAM...'] TEST...
#
# A Check suite runs once for each instruction set the processor has, those after -1 only once; a script (*.sh) runs
# once and counts as one test. The last line is `N passed, N failed`, also written to SUMMARY.
set -u
summary=/dev/null wrapper='' once=''
while getopts o:x:1: option; do
    case $option in
    o) summary=$OPTARG ;;
    x) wrapper=$OPTARG ;;
    1) once=" $OPTARG " ;;
    *) exit 2 ;;
    esac
done
shift $((OPTIND - 1))

isas=portable
flags=" $(sed -n '/^flags/{s/.*: //p;q;}' /proc/cpuinfo 2>/dev/null) "
case $flags in *' fma '*) case $flags in *' avx2 '*) isas="$isas avx2" ;; esac ;; esac
case $isas$flags in *avx2*' avx512vl '*) isas="$isas avx512" ;; esac

passed=0 failed=0
output=$(mktemp) || exit 1
trap 'rm -f "$output"' EXIT

# count NAME CODE: adds up Check's summary line in $output; a suite that ended without one, or badly, has failed.
count() {
    set -- "$1" "$2" $(sed -n 's/^[0-9]*%: Checks: \([0-9]*\), Failures: \([0-9]*\), Errors: \([0-9]*\)$/\1 \2 \3/p' "$output")
    checks=${3:-1} bad=$((${4:-1} + ${5:-0}))
    if [ "$2" -ne 0 ] && [ $bad -eq 0 ]; then
        bad=1 checks=$((checks + 1))
    fi
    if [ "$2" -eq 0 ] && [ $bad -eq 0 ]; then
        printf '%-40s %s checks\n' "$1" "$checks"
    else
        printf '%-40s FAILED, exit code %s\n' "$1" "$2"
        cat "$output"
    fi
    failed=$((failed + bad)) passed=$((passed + checks - bad))
}

run_suite() { # NAME COMMAND...
    title=$1
    shift
    "$@" >"$output" 2>&1
    count "$title" $?
}

for test in "$@"; do
    name=$(basename "$test")
    case $test in
    *.sh)
        if "$test" >"$output" 2>&1; then
            passed=$((passed + 1))
            printf '%-40s %s\n' "$name" "$(tail -n 1 "$output")"
        else
            failed=$((failed + 1))
            printf '%-40s FAILED\n' "$name"
            cat "$output"
        fi
        continue
        ;;
    esac
    case $once in
    *" $test "*) run_suite "$name" $wrapper "$test" ;;
    *)
        for isa in $isas; do
            run_suite "$name ($isa)" env "CONVNET_MAX_ISA=$isa" $wrapper "$test"
        done
        ;;
    esac
done

mkdir -p "$(dirname "$summary")"
echo "$passed passed, $failed failed" | tee "$summary"
[ "$failed" -eq 0 ]
