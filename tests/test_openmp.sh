#!/bin/sh
# SPDX-License-Identifier: MIT
# test_openmp.sh: a host with threads of OpenMP and OpenBLAS calls the library from within parallel regions, works beside it,
# and starts such threads in the functions that it calls. Started from the root of the repository.
# shellcheck disable=SC2086,SC2015 # compilers and flags are several words; all or nothing
set -u
export LC_ALL=C
cc=${CC:-cc} lib=${LIB:-lib} nm=${NM:-nm} pkg_config=${PKG_CONFIG:-pkg-config}
dir=$(mktemp -d "${TMPDIR:-/tmp}/convnet-openmp.XXXXXX") || exit 1
trap 'rm -rf "$dir"' EXIT

echo 'int main(void) { return 0; }' >"$dir/none.c"
$cc -fopenmp "$dir/none.c" -o "$dir/none" 2>/dev/null || { echo "skipped: $cc has no OpenMP"; exit 0; }
packages=zlib
"$nm" -D "$lib/libconvnet.so" | grep -q ' U png_' && packages="zlib libpng libjpeg"
private="$($pkg_config --libs $packages) -lm -pthread"

compile() {
    program=$1
    shift
    $cc -std=c11 -O1 -Wall -Wextra -fopenmp -Iinclude tests/foreign/openmp.c "$@" -ldl -o "$dir/$program"
}

# Static, where threads of OpenMP without work sleep, and shared, where they spin.
compile static "$lib/libconvnet.a" $private && compile shared -L"$lib" -lconvnet &&
    said=$(OMP_WAIT_POLICY=passive "$dir/static") && LD_LIBRARY_PATH=$lib "$dir/shared" >/dev/null ||
    { echo "openmp: failed" && exit 1; }
echo "openmp: $said, 0 failures"
