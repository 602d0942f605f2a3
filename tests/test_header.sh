#!/bin/sh
# test_header.sh: no public struct has padding on any kind of machine: pointers of 4 or 8 bytes, int64_t aligned to 4 or
# 8. The compiler's own headers suffice, so nothing needs to be installed for other machines.
set -eu
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
printf '#include "convnet.h"\n' >"$work/include.c"
checked=0
for flags in '' '-m32' '-m32 -malign-double'; do
    # Compilers for other processors do not know -m32, and their own kind is checked when options.c is compiled.
    # shellcheck disable=SC2086
    printf 'int x;\n' | $CC $flags -ffreestanding -fsyntax-only -x c - 2>/dev/null || continue
    # shellcheck disable=SC2086
    $CC $flags -ffreestanding -std=c99 -Iinclude -Wpadded -Werror -fsyntax-only "$work/include.c"
    checked=$((checked + 1))
done
echo "$checked kinds of machines"
