#!/bin/sh
# SPDX-License-Identifier: MIT
# run.sh: runs test programs and scripts side by side and adds up what they found.
#
#   run.sh [-j N] [-o SUMMARY] [-x WRAPPER] [-1 'PROGRAM...'] TEST...
#
# A Check suite runs once for each instruction set or layout that it names when asked (testing.h), those after -1 only once;
# where that is not the best instruction set, with AGAIN, unless WHOLE is set. A script (*.sh) runs once and counts as one test.
# N run at a time, as many as there are processors if not said. What one of them prints comes when it ends. The last line is
# `N passed, N failed`, also written to SUMMARY.
set -u

# One test, in a process of its own: run.sh --one DIRECTORY ISA BEST TEST leaves DIRECTORY/TEST.ISA with its two counts.
one() {
    directory=$1 isa=$2 best=$3 test=$4 begin=$(date +%s)
    name=$(basename "$test")
    output=$directory/$name.$isa.output
    [ "$isa" = any ] && title=$name || title="$name ($isa)"
    case $test in
    *.sh) "$test" ;;
    *)  case $isa in
        any) ;;
        channels) export TEST_CHANNELS=1 ;;
        "$best") export CONVNET_MAX_ISA="$isa" ;;
        *)  export CONVNET_MAX_ISA="$isa"
            [ "${WHOLE:-}" ] || export AGAIN=1 ;;
        esac
        $WRAPPER "$test" ;;
    esac >"$output" 2>&1
    code=$?
    case $test in
    *.sh) checks=1 bad=$((code != 0)) said=$(tail -n 1 "$output") ;;
    *) # Check's summary line; a suite that ended without one, or badly, has failed
        set -- $(sed -n 's/^[0-9]*%: Checks: \([0-9]*\), Failures: \([0-9]*\), Errors: \([0-9]*\)$/\1 \2 \3/p' "$output")
        checks=${1:-1} bad=$((${2:-1} + ${3:-0}))
        [ "$code" -eq 0 ] || [ "$bad" -gt 0 ] || bad=1 checks=$((checks + 1))
        said="$checks checks" ;;
    esac
    if [ "$bad" -eq 0 ]; then
        printf '%-40s %s, %d s\n' "$title" "$said" $(($(date +%s) - begin)) >"$output.shown"
    else
        { printf '%-40s FAILED, exit code %d\n' "$title" "$code" && cat "$output"; } >"$output.shown"
    fi
    until mkdir "$directory/printing" 2>/dev/null; do sleep 0.05 || sleep 1; done
    cat "$output.shown"
    rmdir "$directory/printing"
    echo "$((checks - bad)) $bad" >"$directory/$name.$isa.counts"
    rm -f "$output" "$output.shown"
}

if [ "${1:-}" = --one ]; then
    one "$2" "$3" "$4" "$5"
    exit 0
fi

jobs=$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 1) summary=/dev/null WRAPPER='' once=''
while getopts j:o:x:1: option; do
    case $option in
    j) jobs=$OPTARG ;;
    o) summary=$OPTARG ;;
    x) WRAPPER=$OPTARG ;;
    1) once=" $OPTARG " ;;
    *) exit 2 ;;
    esac
done
shift $((OPTIND - 1))
export WRAPPER

# What tests write lies in memory where that has room and runs programs, since file systems on disks make them wait.
if [ -z "${TMPDIR:-}" ] && probe=$(mktemp /dev/shm/convnet-tests.XXXXXX 2>/dev/null); then
    printf '#!/bin/sh\ndf -Pk "$0" | awk "NR == 2 { exit \\$4 < 4000000 }"\n' >"$probe"
    chmod +x "$probe"
    ! "$probe" 2>/dev/null || export TMPDIR=/dev/shm
    rm -f "$probe"
fi
directory=$(mktemp -d "${TMPDIR:-/tmp}/convnet-tests.XXXXXX") || exit 1
trap 'rm -rf "$directory"' EXIT
trap 'exit 130' INT TERM HUP

for test in "$@"; do
    isas=any
    case $test$once in
    *.sh*) ;;
    *" $test "*) ;;
    *) isas=$(TEST_ISAS=1 $WRAPPER "$test") || isas=any ;;
    esac
    [ "$isas" != portable ] || isas=any
    best=$(echo "$isas" | grep -v channels | tail -n 1) # they are told in order
    for isa in $isas; do
        echo "$isa $best $test"
    done
done >"$directory/list"
xargs -P "$jobs" -L 1 "$0" --one "$directory" <"$directory/list"

wanted=$(wc -l <"$directory/list")
result=$(cat "$directory"/*.counts 2>/dev/null | awk -v wanted="$((wanted))" '{ passed += $1; failed += $2 }
    END { print passed + 0 " passed, " failed + wanted - NR " failed" }')
mkdir -p "$(dirname "$summary")"
echo "$result" | tee "$summary"
case $result in *' 0 failed') ;; *) exit 1 ;; esac
