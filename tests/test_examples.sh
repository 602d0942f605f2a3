#!/bin/sh
# SPDX-License-Identifier: MIT
# test_examples.sh: runs the examples that show one thing each, in a folder of their own, and expects them to end well.
. tests/programs.sh

# example NAME PATTERN: runs it and expects a line like that among what it prints.
example() {
    line="convnet-$1"
    checks=$((checks + 1))
    (cd "$dir" && "$root/convnet-$1") >"$dir/out" 2>"$dir/err" || fail "exit code $?: $(head -3 "$dir/err")"
    grep -q "$2" "$dir/out" || fail "it says: $(head -3 "$dir/out")"
    silent err
}

case $bin in
/*) root=$bin ;;
*) root=$PWD/$bin ;;
esac

example own_layer 'accuracy \(0\.[89]..\), of the model out of the file \1$'
expect -s "$dir/own_layer.safetensors"
example segment '^mean IoU of pictures it has not seen: 0\.9'
example server '^4 threads: 400 of 400 answers'

example regress '^off by 0\.[0-4]'
example signal '^\(9[6-9]\|100\)\.. % of 600 test signals$'
example two_outputs '^class: .*, test accuracy \(0\.9[5-9].\|1\.000\)$'
expect "$(grep -c '^box: .*, test [A-Za-z ]* 0\.[0-7]' "$dir/out")" -eq 1
expect "$(grep -c '^a [a-z]* from [-0-9.]*, [-0-9.]* to [-0-9.]*, [-0-9.]*$' "$dir/out")" -eq 1

# Ten points better, at least.
example finetune '^pretrained: [89]'
expect "$(awk '/^pretrained:/ { ours = $2 } /^from nothing:/ { theirs = $3 } END { print (ours > theirs + 10) }' "$dir/out")" -eq 1

# Each can be read at one sitting, taken away, and compiled with the public header alone.
for file in examples/*.c; do
    line=$file
    expect "$(wc -l <"$file")" -lt 100
    expect -z "$(sed -n 's/^#include "/&/p' "$file")"
    expect -n "$(grep -F "${file#examples/}\` |" examples/README.md examples/programs/README.md)"
done
for file in examples/programs/*.c; do
    line=$file
    expect -n "$(grep -F "| \`${file##*/}\` |" examples/programs/README.md)"
done

done_with examples
