#!/bin/sh
# SPDX-License-Identifier: MIT
# test_program_output.sh: --json and --quiet of every program: one document on standard output, valid, with the members
# that --help names and no others, and nothing beside it; the live line fits terminals of any width, and goes to no file.
. tests/programs.sh

model=$dir/model.safetensors
photos=$dir/photos
for i in 1 2 3 4 5 6 7 8; do
    for class in dark/00 light/30; do
        mkdir -p "$photos/${class%/*}"
        { printf 'P6\n8 8\n255\n'; head -c 192 /dev/zero | tr '\0' "\\${class#*/}$((i - 1))"; } >"$photos/${class%/*}/$i.ppm"
    done
done

# document CODE PROGRAM [ARGUMENT]...: with --json and --quiet it prints a document, with members that --help names, and
# nothing on standard error.
document() {
    want=$1
    shift
    run "$want" "$@" --json --quiet
    silent err
    valid "$1"
}

# valid PROGRAM: the last output is JSON to Python, which is strict about it, where there is one.
valid() {
    command -v python3 >/dev/null || return 0
    checks=$((checks + 1))
    "$bin/convnet-$1" --help >"$dir/help"
    python3 -I -S - "$dir/help" "$dir/out" <<'PYTHON' >"$dir/wrong" 2>&1 || fail "$(tail -1 "$dir/wrong")"
import json, re, sys
def none(word): sys.exit(word + " is no JSON")
document = json.load(open(sys.argv[2], encoding="utf-8"), parse_constant=none)
named = set(re.findall(r"\.(\w+)", re.search(r"\nJSON .*?:\n(.*?)\n\n", open(sys.argv[1]).read(), re.S).group(1)))
found = set()
def walk(value, free):
    if isinstance(value, dict):
        for key, inside in value.items():
            if not free:
                found.add(key)
            walk(inside, key in ("settings", "metrics"))
    elif isinstance(value, list):
        for inside in value:
            walk(inside, False)
walk(document, False)
if found - named:
    sys.exit("not in --help: " + " ".join(sorted(found - named)))
PYTHON
}

# ---- each program ----

document 0 train --data "folder:$photos" --epochs 2 --validation 0.3 --out "$model" --log "$dir/log.csv" --no-augment --misclassified 5
says out '"ended": "complete"'
says out '"tested_on": "validation"'
says out "\"model\": \"$model\""
expect "$(grep -c '"train_loss": ' "$dir/out")" -eq 2
document 0 test "$model" --data "folder:$photos" --misclassified 1000 --predictions 3
says out '"split": "all"'
expect "$(grep -c '"file": "[a-z]*/[0-9].ppm"' "$dir/out")" -eq \
    "$(($(sed -n 's/.*"misclassified_count": \([0-9]*\),/\1/p' "$dir/out") + 3))"
document 0 summary "$model" --train-batch 8
says out '"classes": ['
document 0 info
document 0 classify --model "$model" "$photos/dark/1.ppm"
document 0 convert "$model" "$dir/model.onnx"
document 0 convert "$model" "$dir/model.npz"
document 0 export "$model" --c "$dir/model.c"
expect -s "$(sed -n 's/.*"header": "\(.*\)"/\1/p' "$dir/out")"
document 0 explore --data "folder:$photos" --out "$dir/sheets"

# A line with --json alone: what is told beside the document goes to standard error.
run 0 train --data synthetic:40 --epochs 1 --json
says err "session8 with 47,818 parameters"
says err "Best test accuracy"
valid train
run 0 train --data synthetic:40 --epochs 1 --quiet
silent out
silent err

# ---- what has no number, or went wrong ----

run 1 train --data synthetic:200 --norm none --lr 1000 --epochs 2 --batch 20 --json
valid train
says out '"ended": "failed"'
says out '"error": "epoch 1, batch '
says out '"best_epoch": null'
run 1 test "$dir/nothing.safetensors" --data synthetic:50 --json
silent out
mistake "unknown option" test x --data synthetic --jsno --json
cp "$photos/dark/1.ppm" "$dir/$(printf 'a"b\\\001\377').ppm"
document 0 classify --model "$model" "$dir/$(printf 'a"b\\\001\377').ppm"
says out 'a\"b\\\u0001\ufffd.ppm'
run 1 classify --model "$model" "$dir/nothing.png" "$photos/dark/1.ppm" --json
valid classify
says out '"error": "cannot open'
says err "nothing.png"
if [ -w /dev/full ]; then
    line="convnet-info --json >/dev/full"
    "$bin/convnet-info" --json >/dev/full 2>"$dir/err"
    expect $? -eq 1
    says err "cannot write to standard output"
fi
line="convnet-info --json >&-"
"$bin/convnet-info" --json >&- 2>"$dir/err"
expect $? -eq 1
says err "cannot write to standard output"

# ---- the live line: rewritten on terminals, as wide as there is room, and nowhere else ----

cr=$(printf '\r')
run 0 train --data synthetic:40 --epochs 1
expect "$(grep -c "$cr" "$dir/out" "$dir/err" | grep -cv ':0$')" -eq 0

# on_terminal COLUMNS COMMAND: its lines, as they stood one after another, into $dir/lines.
on_terminal() {
    line="$2 (on a terminal of $1 columns)"
    TERM=xterm script -qec "stty cols $1; $2" /dev/null >"$dir/screen" 2>"$dir/err"
    tr '\r' '\n' <"$dir/screen" | sed "s/$(printf '\033')\[K//g; s/×/x/g" >"$dir/lines"
}

if script -qec true /dev/null >"$dir/out" 2>&1; then
    for columns in 10 40 200; do
        on_terminal $columns "$bin/convnet-train --data synthetic:40 --epochs 2"
        expect "$(grep -E '^ *[12] |^epoch [12]/2|^ *[12]$' "$dir/lines" | awk -v most=$columns 'length > most' | wc -l)" -eq 0
        expect "$(grep -c '^epoch [12]/2' "$dir/lines")" -ge 2
        expect "$(grep -cE '^ *[12]( .*[0-9.])?$' "$dir/lines")" -ge 2
    done
    # Standard output may be a file: the line is on the terminal, and not in the file.
    on_terminal 60 "$bin/convnet-train --data synthetic:40 --epochs 2 >$dir/rows"
    expect "$(grep -c 'left$' "$dir/lines")" -ge 1
    expect "$(grep -c "$cr" "$dir/rows")" -eq 0
    expect "$(grep -cE '^ *[12] ' "$dir/rows")" -eq 2
    on_terminal 60 "$bin/convnet-train --data synthetic:40 --epochs 2 --quiet"
    expect "$(wc -c <"$dir/screen")" -eq 0
    on_terminal 60 "$bin/convnet-train --data synthetic:40 --epochs 2 --json 2>$dir/rows"
    expect "$(head -c 1 "$dir/lines")" = "{"
fi

done_with program_output
