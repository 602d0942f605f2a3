#!/bin/sh
# SPDX-License-Identifier: MIT
# abidw.sh LIBRARY HEADERS: prints the interface of a shared library as libabigail's abidw has it, of the types that the
# headers in that folder show, without what depends on folders, compilers and line numbers. 3: why it cannot be had.
set -eu
library=$1 headers=$2
command -v abidw >/dev/null || { echo "no abidw here (Debian: abigail-tools)"; exit 3; }
[ "$(getconf LONG_BIT)" = 64 ] || { echo "the record is of machines of 64 bits"; exit 3; }
# With Clang's, abidw takes structs that only a .c file defines for public ones.
! readelf -p .comment "$library" 2>/dev/null | grep -q clang || { echo "abidw misreads Clang's debug information"; exit 3; }
file=$(mktemp "${TMPDIR:-/tmp}/convnet-abidw.XXXXXX") || exit 1
trap 'rm -f "$file"' EXIT
abidw --no-architecture --no-corpus-path --no-comp-dir-path --no-show-locs --no-elf-needed --no-parameter-names \
    --no-write-default-sizes --exported-interfaces-only --drop-private-types --type-id-style hash \
    --headers-dir "$headers" --out-file "$file" "$(readlink -f "$library")" 2>"$file.errors" || {
    cat "$file.errors" >&2
    rm -f "$file.errors"
    exit 1
}
rm -f "$file.errors"
# Without debug information abidw knows names alone, and nothing would ever differ.
symbols=$(grep -c '<elf-symbol ' "$file") || true
functions=$(grep -c '<function-decl .* elf-symbol-id=' "$file") || true
[ "$symbols" = "$functions" ] || { echo "debug information about $functions of $symbols functions only (CFLAGS without -g?)"; exit 3; }
cat "$file"
