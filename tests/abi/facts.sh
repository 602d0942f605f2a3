#!/bin/sh
# SPDX-License-Identifier: MIT
# facts.sh HEADER: prints what programs compiled against that header rely on, a fact a line, in its order (facts.awk).
set -eu
header=$1
dir=$(mktemp -d "${TMPDIR:-/tmp}/convnet-facts.XXXXXX") || exit 1
trap 'rm -rf "$dir"' EXIT
cp "$header" "$dir/header.h"
awk -f "$(dirname "$0")/facts.awk" "$header" >"$dir/facts.c"
# shellcheck disable=SC2086 # a compiler may be several words
${CC:-cc} -std=c99 -DHEADER='"header.h"' -o "$dir/facts" "$dir/facts.c"
"$dir/facts"
