#!/bin/sh
# SPDX-License-Identifier: MIT
# builds.sh: `make check-builds`: the library, programs and tests in other ways than the usual one, without a warning.
# Several minutes of compiling; each build lies in build/NAME.
set -u
make=${MAKE:-make}
passed=0 failed=0
log=$(mktemp) || exit 1
trap 'rm -f "$log"' EXIT

# build NAME VARIABLE=VALUE...: everything, then the suite of src/base, with warnings as errors.
build() {
    name=$1
    shift
    if "$make" CONFIG="$name" "$@" all test-programs >"$log" 2>&1 && "build/$name/tests-bin/test_base" >>"$log" 2>&1; then
        passed=$((passed + 1))
        printf '%-10s builds with %s\n' "$name" "$*"
    else
        failed=$((failed + 1))
        printf '%-10s FAILED with %s\n' "$name" "$*"
        tail -n 40 "$log"
    fi
}

build gcc CC=gcc CFLAGS='-O2 -Werror'
command -v clang >/dev/null && build clang CC=clang CFLAGS='-O3 -Werror'
build debug CFLAGS='-O0 -g -Werror'
build ndebug CFLAGS='-O3 -DNDEBUG -Werror'
build lto CC=gcc AR=gcc-ar CFLAGS='-O2 -flto=auto -Werror'
build no-images WITH_IMAGES=0 CFLAGS='-O2 -Werror'

# A folder with blanks in its name, and another one than the sources'.
folder=$(mktemp -d "${TMPDIR:-/tmp}/convnet with blanks.XXXXXX") || exit 1
trap 'rm -rf "$log" "$folder"' EXIT
for part in Makefile CHANGELOG.md include src examples python tests tools weights; do
    ln -s "$PWD/$part" "$folder/$part"
done
(cd "$folder" && "$make" CONFIG=blanks all install DESTDIR="$folder/in stalled" PREFIX=/opt/convnet &&
    LD_LIBRARY_PATH="$folder/in stalled/opt/convnet/lib" "$folder/in stalled/opt/convnet/bin/convnet-info") >"$log" 2>&1 &&
    passed=$((passed + 1)) || { failed=$((failed + 1)); echo "FAILED in a folder with blanks"; tail -n 40 "$log"; }

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
