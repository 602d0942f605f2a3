#!/bin/sh
# SPDX-License-Identifier: MIT
# test_disks.sh: the programs where disks are full, files may not grow, descriptors run out, files are empty, and names are
# as odd as names can be: a true exit code, a message that names the file, and nothing that was there is lost.
. tests/programs.sh

small="--data synthetic:20 --batch 10 --threads 1 --epochs 2 --schedule constant"
run 0 train $small --out "$dir/m.safetensors" --checkpoint "$dir/c.run" --seed 8
cp "$dir/m.safetensors" "$dir/old.safetensors"
cp "$dir/c.run" "$dir/old.run"

unchanged() {
    checks=$((checks + 1))
    cmp -s "$dir/m.safetensors" "$dir/old.safetensors" || fail "the model that was there is lost"
}

alone() { # alone FILE: nothing is beside it that begins like it
    checks=$((checks + 1))
    ls "$1".* >"$dir/list" 2>"$dir/killer" && fail "left behind: $(head -1 "$dir/list")"
}

# ---- a device that is full ----

# full PROGRAM [ARGUMENT]...: whose standard output is.
full() {
    line="convnet-$* >/dev/full"
    program=$1
    shift
    "$bin/convnet-$program" "$@" >/dev/full 2>"$dir/err"
    expect $? -eq 1
    says err "cannot write to standard output"
}

if [ -c /dev/full ]; then
    picture=$dir/p.ppm
    { printf 'P6\n8 8\n255\n'; head -c 192 /dev/zero; } >"$picture"
    full train $small --out "$dir/m2.safetensors"
    run 0 summary "$dir/m2.safetensors"
    full test "$dir/m.safetensors" --data synthetic:20
    full classify "$picture"
    full summary "$dir/m.safetensors"
    full info
    full convert "$dir/m.safetensors" "$dir/m.npz"
    full compare tests/golden/1.0/comparison/*.csv --out "$dir/compared"
    run 1 train $small --log /dev/full --out "$dir/m2.safetensors"
    says err "cannot write '/dev/full': No space left on device"
    for option in out checkpoint; do
        run 1 train $small --$option /dev/full
        says err "cannot write '/dev/full': it is not a plain file"
    done
    run 1 export "$dir/m.safetensors" --c /dev/full
fi

# ---- a disk that is full: small, and then without room for one file more ----

disk=$dir/disk
mkdir "$disk"
if mount -t tmpfs -o size=700k none "$disk" 2>"$dir/killer"; then
    trap 'umount "$disk"; rm -rf "$dir"' EXIT
    cp "$dir/old.run" "$disk/c.run"
    run 1 train $small --seed 8 --checkpoint "$disk/c.run" --resume --epochs 3
    says err "cannot write '$disk/c.run': No space left on device"
    checks=$((checks + 1))
    cmp -s "$disk/c.run" "$dir/old.run" || fail "the checkpoint that was there is lost"
    alone "$disk/c.run"
    run 1 train $small --out "$disk/m.safetensors"
    says err "cannot save the model as '$disk/m.safetensors': No space left on device"
    alone "$disk/m.safetensors"
    for each in m.safetensors m.onnx m.npz; do
        run 1 convert "$dir/m.safetensors" "$disk/$each"
        says err "'$disk/$each"
        alone "$disk/$each"
    done
    run 1 export "$dir/m.safetensors" --c "$disk/m.c"
    says err "'$disk/m.c'"
    rm "$disk/c.run"
    head -c 650000 /dev/zero >"$disk/filler"
    run 1 train $small --log "$disk/l.csv" --report "$disk/r"
    says err "$disk/r/"
    says err "No space left on device"
    run 1 explore --data synthetic:40 --out "$disk/sheets"
    says err "$disk/sheets/"
    umount "$disk"
    trap 'rm -rf "$dir"' EXIT
fi

# ---- limits ----

# limited LIMIT PROGRAM [ARGUMENT]...: under ulimit, whose option and number LIMIT is; expects the exit code 1.
limited() {
    limit=$1 program=$2
    shift 2
    line="ulimit $limit; convnet-$program $*"
    (ulimit $limit && exec "$bin/convnet-$program" "$@") >"$dir/out" 2>"$dir/err"
    expect $? -eq 1
}

limited "-f 16" train $small --out "$dir/m.safetensors"
says err "cannot save the model as '$dir/m.safetensors': File too large"
limited "-f 16" convert "$dir/m.safetensors" "$dir/m.onnx"
says err "cannot write '$dir/m.onnx': File too large"
limited "-f 16" export "$dir/m.safetensors" --c "$dir/m.c"
unchanged
alone "$dir/m.onnx"
alone "$dir/m.safetensors"

# ---- files that are empty, or are folders ----

: >"$dir/empty"
for command in "summary $dir/empty" "test $dir/empty --data synthetic:20" "classify $dir/empty" "convert $dir/empty $dir/x.onnx" \
    "export $dir/empty --c $dir/x.c" "train $small --model $dir/empty" "train --data npz:$dir/empty" \
    "train --data npy:$dir/empty,$dir/empty" "summary $dir"; do
    run 1 $command
    says err "$dir"
done
: >"$dir/empty.run"
run 0 train $small --checkpoint "$dir/empty.run" --resume
says out "is not there yet"

# ---- names ----

long=$(printf '%0251d' 0)
odd=$(printf 'a\nb \377\047"\\*\033[31m')
run 1 train $small --out "$dir/m3" --log "$dir/$long.csvx"
says err "File name too long"
run 0 train $small --out "$dir/$odd" --log "$dir/$odd.csv"
run 0 summary "$dir/$odd"
run 0 train $small --out "$dir/$long.onx"
run 0 summary "$dir/$long.onx"
run 1 train $small --out "$dir/0$long.onx"
says err "File name too long"
deep=$dir
while [ ${#deep} -lt 3800 ]; do deep=$deep/$(printf '%0200d' 0); done
mkdir -p "$deep"
run 0 train $small --out "$deep/m"
run 0 summary "$deep/m"
run 1 train $small --out "$deep/nowhere/m"
says err "No such file or directory"

done_with disks
