#!/bin/sh
# SPDX-License-Identifier: MIT
# test_cpp.sh: the C++ header: every function of the library is in it; it compiles as C++17 and C++20 by each compiler
# there is without a warning, and without exceptions; what it promises (foreign/wrappers.cc) holds under AddressSanitizer,
# where the compiler has it.
set -eu
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
lib=$(cd "${LIB:-lib}" && pwd)
cxx=${CXX:-c++}
packages=zlib
"${NM:-nm}" -D "$lib/libconvnet.so" | grep -q ' U png_' && packages="zlib libpng libjpeg"
# shellcheck disable=SC2086 # compilers and flags are several words
libraries=$(${PKG_CONFIG:-pkg-config} --libs $packages)

# ---- all of the interface ----

sed 's/@.*//' src/symbols.txt | while read -r function; do
    grep -qw "$function" include/convnet.hpp || echo "$function"
done >"$work/missing"
[ ! -s "$work/missing" ] || { echo "convnet.hpp does not have:"; cat "$work/missing"; exit 1; }

# ---- every compiler ----

warnings='-Iinclude -Wall -Wextra -Wpedantic -Wconversion -Werror'
printf '#include <convnet.hpp>\n' >"$work/header.cc"
# others COMPILER...: those that are not $cxx.
others() {
    for other; do
        [ "$other" = "$cxx" ] || echo "$other"
    done
}
compiled=1
for compiler in "$cxx" $(others g++ clang++); do
    command -v "${compiler%% *}" >/dev/null || continue
    # One compiler has what is no template in the later standard, and what uses it all, which is built and run below, in the
    # earlier; the others have the first alone in one of the two, or everything with WHOLE.
    standard=c++20 file=$work/header.cc
    [ "$compiler" = "$cxx" ] || {
        standard=c++17
        [ -z "${WHOLE:-}" ] || file=tests/foreign/wrappers.cc
    }
    # shellcheck disable=SC2086
    $compiler -std=$standard $warnings -fsyntax-only "$file"
    compiled=$((compiled + 1))
    [ -n "${WHOLE:-}" ] && [ "$compiler" != "$cxx" ] || continue
    # shellcheck disable=SC2086
    $compiler -std=c++20 $warnings -fsyntax-only "$work/header.cc"
    compiled=$((compiled + 1))
done

# ---- without exceptions, the program says what becomes of errors ----

cat >"$work/plain.cc" <<'END'
#include <convnet.hpp>
#include <cstdio>
void convnet::failed(const convnet::error &error) {
    std::printf("%d\n", static_cast<int>(error.status()));
    std::exit(0);
}
int main() {
    convnet::context context;
    auto model = convnet::model::load(context, "/nowhere/at/all");
    return 1;
}
END
# shellcheck disable=SC2086
$cxx -std=c++17 -Iinclude -Wall -Wextra -Werror -fno-exceptions "$work/plain.cc" "$lib/libconvnet.a" $libraries -lm -pthread \
    -o "$work/plain"
[ "$("$work/plain")" = 4 ] || { echo "CN_ERR_IO, 4, wanted of a program without exceptions"; exit 1; }

# ---- what it promises ----

sanitize=-fsanitize=address
printf 'int main() {}' >"$work/empty.cc"
# shellcheck disable=SC2086
$cxx $sanitize "$work/empty.cc" -o "$work/empty" 2>/dev/null && "$work/empty" || sanitize=
# shellcheck disable=SC2086
$cxx -std=c++17 $warnings $sanitize tests/foreign/wrappers.cc "$lib/libconvnet.a" $libraries -lm -pthread \
    -o "$work/wrappers"
# shellcheck disable=SC2086
$cxx -std=c++17 -Iinclude examples/embed.cpp "$lib/libconvnet.a" $libraries -lm -pthread -o "$work/embed"
cd "$work"
./wrappers
echo "cpp: $compiled standards and compilers${sanitize:+, AddressSanitizer}"
