#!/bin/sh
# SPDX-License-Identifier: MIT
# consumer.sh HEADER LIB: compiles consumer.c against a recorded header, and runs it with the shared library in the folder
# LIB in each of its ways.
set -eu
header=$1 lib=$2
here=$(dirname "$0")
dir=$(mktemp -d "${TMPDIR:-/tmp}/convnet-consumer.XXXXXX") || exit 1
trap 'rm -rf "$dir"' EXIT

# Every function of that header that takes a struct must be among those that are called.
"$here/facts.sh" "$header" | awk -F'\t' '
    { split($1, key, /[ .]/) }
    key[1] == "member" { structs[key[2]] = 1 }
    key[1] == "function" && key[2] !~ /_init$/ { takes[key[2]] = $2 }
    END {
        for (name in takes) {
            count = split(takes[name], words, /[^a-z0-9_]+/)
            for (i = 1; i <= count; i++)
                if (words[i] in structs) {
                    print name
                    break
                }
        }
    }' >"$dir/wanted"
while read -r name; do
    grep -q "\<$name(" "$here/consumer.c" || { echo "consumer.c does not call $name"; exit 1; }
done <"$dir/wanted"

cp "$header" "$dir/recorded.h"
# shellcheck disable=SC2086 # a compiler may be several words
${CC:-cc} -std=c99 -g -Wall -Wextra -Wpedantic -Werror -DRECORDED='"recorded.h"' -I"$dir" -o "$dir/consumer" "$here/consumer.c" \
    -L"$lib" -lconvnet -lm
for way in macro function longer; do
    mkdir "$dir/$way"
    LD_LIBRARY_PATH=$lib "$dir/consumer" "$dir/$way" "$way" >"$dir/digest.$way" || { echo "$way: failed"; exit 1; }
    cmp -s "$dir/digest.macro" "$dir/digest.$way" || { echo "$way: other results than with macro"; exit 1; }
done
echo "consumer: $(wc -l <"$dir/wanted") functions of $header take structs, and read no byte behind them"
