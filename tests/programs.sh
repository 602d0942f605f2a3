# SPDX-License-Identifier: MIT
# programs.sh: what tests of the programs share, sourced by them: a folder of their own, running a program, and what
# they expect of it. Started from the root of the repository; needs no network and no data. Prints what fails.
set -u
export LC_ALL=C
bin=${PROGRAMS:-examples/bin}
dir=$(mktemp -d "${TMPDIR:-/tmp}/convnet-programs.XXXXXX") || exit 1
trap 'rm -rf "$dir"' EXIT
trap 'exit 1' INT TERM
checks=0 failures=0

# run CODE PROGRAM [ARGUMENT]...: runs it, keeps its output, and expects that exit code.
run() {
    want=$1
    shift
    line="convnet-$*"
    program=$1
    shift
    "$bin/convnet-$program" "$@" >"$dir/out" 2>"$dir/err"
    code=$?
    checks=$((checks + 1))
    [ "$code" -eq "$want" ] || fail "exit code $code instead of $want: $(head -3 "$dir/err")"
}

fail() {
    failures=$((failures + 1))
    printf 'FAIL %s\n     %s\n' "$line" "$1"
}

# says out|err TEXT: the last program wrote that.
says() {
    checks=$((checks + 1))
    grep -qF -e "$2" "$dir/$1" || fail "standard $1 lacks: $2"
}

silent() {
    checks=$((checks + 1))
    [ ! -s "$dir/$1" ] || fail "standard $1 is not empty: $(head -1 "$dir/$1")"
}

expect() { # expect TEST-ARGUMENTS...
    checks=$((checks + 1))
    test "$@" || fail "not so: $*"
}

# mistake TEXT PROGRAM [ARGUMENT]...: a mistake on the command line, explained on standard error alone.
mistake() {
    text=$1
    shift
    run 2 "$@"
    says err "convnet-$1: "
    says err "$text"
    silent out
}

# await PATTERN: until that is in what the last program prints, or half a minute has passed.
await() {
    tries=0
    until grep -q "$1" "$dir/out" || [ $tries -ge 600 ]; do
        sleep 0.05
        tries=$((tries + 1))
    done
}

# signalled NAME PATTERN [ARGUMENT]...: runs convnet-train in the foreground, since shells have what runs in the
# background ignore Ctrl-C; sends it the signal when the pattern is in what it prints; leaves the exit code in $code.
signalled() {
    signal=$1 pattern=$2
    shift 2
    line="convnet-train $* (SIG$signal)"
    : >"$dir/out"
    rm -f "$dir/pid"
    {
        await "$pattern"
        kill "-$signal" "$(cat "$dir/pid")"
    } 2>"$dir/killer" &
    sh -c 'echo $$ >"$0"; exec "$@"' "$dir/pid" "$bin/convnet-train" "$@" >"$dir/out" 2>"$dir/err"
    code=$?
    wait
}

# done_with NAME: adds up; its exit code, the last, says whether anything failed.
done_with() {
    echo "$1: $checks checks, $failures failures"
    [ "$failures" -eq 0 ]
}
