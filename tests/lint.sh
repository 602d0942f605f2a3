#!/bin/sh
# SPDX-License-Identifier: MIT
# lint.sh [TOOL...]: what analysers find: with `warnings` GCC's that the build does without, with `analyzer` its -fanalyzer,
# with `clang-tidy` and `cppcheck` those; all that are here, if none is named. Fails if any finds anything. What is wrong
# of them is silenced where it stands, one line at a time and with the reason; of -fanalyzer, which has no comments for
# that, in analyzer.txt. CFLAGS_LINT are the flags that the library is compiled with; as many run at a time as there are
# processors, or JOBS.
set -u
cd "$(dirname "$0")/.." || exit 1
jobs=${JOBS:-$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 1)}
flags="${CFLAGS_LINT:?}"
mpi=$(mpicc -show 2>/dev/null | tr ' ' '\n' | grep '^-I' | tr '\n' ' ') # without MPI what needs it is left out
flags="$flags $mpi" left_out='^$'
[ -n "$mpi" ] || left_out='^(src|tests)/mpi/|^examples/mpi.c'
directory=$(mktemp -d) || exit 1
trap 'rm -rf "$directory"' EXIT
trap 'exit 130' INT TERM HUP

# The pieces of models written as C are C99 and get their warnings when test_export.c compiles them. Kernels are compiled
# for one instruction set. What is only included has no rule of its own.
# `list` and more conditions of find's: the files.
list() {
    find src examples tests -name '*.c' ! -path 'src/export/functions/*' ! -path 'tests/foreign/*' ! -name export_arm.c "$@" |
        grep -vE "$left_out" | sort
}

# For each file in the list a command, whose last argument it is.
each() {
    xargs -P "$jobs" -n 1 "$@"
}

# What the compiler may find that takes time or is a matter of taste: none of it, in the library.
warnings() {
    # shellcheck disable=SC2086
    list -path 'src/*' | each ${CC:-gcc} $flags -Wno-psabi -DCN__ISA=1 -fsyntax-only -Wconversion -Wno-sign-conversion \
        -Wfloat-conversion -Wwrite-strings -Wpointer-arith -Wundef -Wvla -Walloca -Wlogical-op -Wduplicated-cond \
        -Wduplicated-branches -Wmissing-prototypes -Wold-style-definition -Wnested-externs -Wunused-macros -Wformat=2 \
        -Wno-format-nonliteral 2>&1
}

# Kernels have neither memory nor files nor errors, and are unrolled to what takes it hours.
analyzer() {
    # shellcheck disable=SC2086
    list -path 'src/*' ! -path 'src/kernels/isa/*' | each ${CC:-gcc} $flags -fanalyzer -O1 -c -o /dev/null 2>&1
}

# One file at a time: with several it takes the second's va_list for uninitialised.
clang_tidy() {
    # shellcheck disable=SC2086
    list -path 'src/*' ! -path 'src/kernels/isa/*' | xargs -P "$jobs" -I FILE clang-tidy --quiet FILE -- $flags 2>/dev/null
}

# Kernels are written in the compiler's vectors, which it does not know, and tests in Check's macros.
cppcheck_all() {
    cppcheck -j "$jobs" --quiet --std=c11 --enable=warning,performance,portability --inline-suppr \
        --template='{file}:{line}: {severity}: {message} [{id}]' -Iinclude -Isrc -DCN_WITH_IMAGES=1 $(list ! -path 'src/kernels/isa/*' ! -path 'tests/*') 2>&1
}

offers() {
    case $1 in
    warnings | analyzer) ${CC:-gcc} --version 2>/dev/null | grep -qi 'gcc\|free software foundation' ;;
    clang-tidy | cppcheck) command -v "$1" >/dev/null ;;
    *) echo "lint.sh: there is no '$1': warnings, cppcheck, clang-tidy or analyzer" >&2 && exit 2 ;;
    esac
}

status=0
wrong=$(grep -v '^#' tests/analyzer.txt | paste -s -d '|')
for tool in "${@:-all}"; do
    [ "$tool" = all ] && set -- warnings cppcheck clang-tidy analyzer && break
done
for tool in "$@"; do
    if ! offers "$tool"; then
        echo "$tool: not here, left out"
        continue
    fi
    case $tool in
    clang-tidy) clang_tidy ;;
    cppcheck) cppcheck_all ;;
    *) "$tool" ;;
    esac >"$directory/$tool"
    findings=$(grep -E '(warning|error|portability|performance|style):' "$directory/$tool" | grep -vE "$wrong" | sort -u | wc -l)
    echo "$tool: $findings findings"
    [ "$findings" -eq 0 ] || { cat "$directory/$tool"; status=1; }
done
exit $status
