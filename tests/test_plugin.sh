#!/bin/sh
# SPDX-License-Identifier: MIT
# test_plugin.sh: a host loads and unloads the library a hundred times, inside a plugin and as a shared library that a plugin
# uses: it goes each time, and leaves no memory, thread, descriptor or key. Started from the root of the repository.
# shellcheck disable=SC2086 # compilers and flags are several words
set -u
export LC_ALL=C MALLOC_ARENA_MAX=1 # so that what is in use can be told
cc=${CC:-cc} lib=${LIB:-lib} nm=${NM:-nm} pkg_config=${PKG_CONFIG:-pkg-config}
[ "$(uname -s)" = Linux ] || { echo "skipped: /proc is needed"; exit 0; }
dir=$(mktemp -d "${TMPDIR:-/tmp}/convnet-plugin.XXXXXX") || exit 1
trap 'rm -rf "$dir"' EXIT
failures=0

try() {
    "$@" >"$dir/output" 2>&1 && return
    failures=$((failures + 1))
    printf 'FAIL %s\n' "$*"
    sed 's/^/     /' "$dir/output"
}

packages=zlib
"$nm" -D "$lib/libconvnet.so" | grep -q ' U png_' && packages="zlib libpng libjpeg"
private="$($pkg_config --libs $packages) -lm -pthread"
shared=$(cd "$lib" && pwd)/libconvnet.so.$(sed -n 's/^.define CN_VERSION_MAJOR *//p' include/convnet.h)

try $cc -std=c11 -O1 -Wall -Wextra tests/foreign/loader.c -pthread -ldl -o "$dir/loader"
try $cc -std=c11 -O1 -Wall -Wextra -shared -fPIC -Iinclude tests/foreign/plugin.c "$lib/libconvnet.a" $private \
    -Wl,-z,defs -o "$dir/static.so"
try $cc -std=c11 -O1 -Wall -Wextra -shared -fPIC -Iinclude tests/foreign/plugin.c "$shared" -Wl,-z,defs -o "$dir/shared.so"
try "$dir/loader" "$dir/static.so"
said=$(cat "$dir/output")
try env LD_LIBRARY_PATH="$(dirname "$shared")" "$dir/loader" "$dir/shared.so" "$shared"

echo "plugin: $said, $failures failures"
[ "$failures" -eq 0 ]
