#!/bin/sh
# SPDX-License-Identifier: MIT
# test_header.sh: convnet.h alone makes a program in each standard of C and C++, by each compiler there is, without a
# warning; and no public struct has padding on any kind of machine: pointers of 4 or 8 bytes, int64_t aligned to 4 or 8.
# The compiler's own headers suffice for other machines, so nothing needs to be installed.
set -eu
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# ---- standards ----

# Warnings about macros come where these are used.
{
    printf '#include "convnet.h"\n#if !CN_VERSION_AT_LEAST(1, 0, 0)\n#error version\n#endif\n'
    printf 'typedef struct own { int many; float much; } own;\nextern const cn_layer_option own_options[];\n'
    printf 'const cn_layer_option own_options[] = {CN_INT_OPTION(own, many, 0, 0, 1), CN_FLOAT_OPTION(own, much, 0, 0, 1)};\n'
    printf 'void use(void (*take)(const void *), cn_parameter_group *group);\n'
    printf 'void use(void (*take)(const void *), cn_parameter_group *group) {\n'
    printf 'group->weight_decay = CN_WEIGHT_DECAY_DEFAULT;\n'
    awk -f tests/abi/facts.awk include/convnet.h |
        sed -n 's/.*static const \(.*\) values = \(.*\);/{ \1 values = \2; const \1 constant = \2; take(\&values); take(\&constant); }/p'
    printf '}\n'
} >"$work/every.c"
used=$(grep -c ' values = ' "$work/every.c")
[ "$used" -ge "$(grep -c '^#define CN_.*_INIT' include/convnet.h)" ]

compiled=0
# compile STANDARD LANGUAGE COMPILER: unless it does not know that standard.
compile() {
    # shellcheck disable=SC2086 # a compiler may be several words
    printf 'int x;\n' | $3 "-std=$1" -fsyntax-only -x "$2" - 2>/dev/null || return 0
    # shellcheck disable=SC2086
    $3 "-std=$1" -Iinclude -Wall -Wextra -Wpedantic -Wconversion -Werror -fsyntax-only -x "$2" "$work/every.c" || {
        echo "convnet.h by $3 -std=$1"
        exit 1
    }
    compiled=$((compiled + 1))
}
# others FIRST SECOND THIRD: which of the last two are there and are not the first.
others() {
    for compiler in "$2" "$3"; do
        [ "$compiler" = "$1" ] || ! command -v "$compiler" >/dev/null || echo "$compiler"
    done
}
for standard in c99 c11 c17 c2x; do
    compile $standard c "$CC"
    for compiler in $(others "$CC" gcc clang); do
        compile $standard c "$compiler"
    done
done
for standard in c++11 c++14 c++17 c++20; do
    compile $standard c++ "$CXX"
    for compiler in $(others "$CXX" g++ clang++); do
        compile $standard c++ "$compiler"
    done
done

# ---- padding ----

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
echo "$compiled standards and compilers, $used macros of structs; $checked kinds of machines"
