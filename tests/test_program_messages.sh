#!/bin/sh
# SPDX-License-Identifier: MIT
# test_program_messages.sh: what programs say of mistyped names, of what the library refuses, and of data that are doubtful
# though they could be read: in words of the command line, and with what to do next.
. tests/programs.sh

# picture FILE OCTAL: a small PPM file all of one value.
picture() {
    mkdir -p "${1%/*}"
    { printf 'P6\n4 4\n255\n'; head -c 48 /dev/zero | tr '\0' "\\$2"; } >"$1"
}

# ---- what was probably meant ----

while read -r option meant; do
    mistake "unknown option '$option'; did you mean $meant?" train --data synthetic "$option" 3
done <<'EOF_OPTIONS'
--epoch --epochs
--eopchs --epochs
--num-epochs --epochs
--batch-size --batch
--learning-rate --lr
--wd --weight-decay
--num_workers --threads
--output --out
--quite --quiet
EOF_OPTIONS
mistake "--optimizer 'adma': want sgd, adam, adamw or muon; did you mean adam?" train --data synthetic --optimizer adma
mistake "did you mean one-cycle?" train --data synthetic --schedule onecycle
mistake "did you mean session8?" train --data synthetic --model sesion8
mistake "did you mean resnet50?" summary resnet-50
mistake "did you mean cifar10?" train --data cifar-10:x
run 2 train --data synthetic --optimizer x
says err "want sgd, adam, adamw or muon"
checks=$((checks + 1))
! grep -q "did you mean" "$dir/err" || fail "x means nothing"

# A folder alone: what kind of data is in it can be seen.
mkdir -p "$dir/cifar" "$dir/pets/cat" "$dir/streets/masks"
touch "$dir/cifar/data_batch_1.bin" "$dir/a.npz"
for each in cifar10:cifar folder:pets masks:streets npz:a.npz; do
    mistake "did you mean ${each%:*}:$dir/${each#*:}?" train --data "$dir/${each#*:}"
done
run 0 train --data synthetic:20 --epochs 1 --quiet --out "$dir/m.safetensors"
run 1 explore --data synthetic:20 --model "$dir/m.safetensors" --layer cblok1.0.convlayer --out "$dir/x"
says err "has no layer 'cblok1.0.convlayer'; did you mean cblock1.0.convlayer?"

run 1 test mnist3 --data synthetic:20
says err "'mnist3' is a network that is yet to be trained: want a model file"
run 1 classify --model pretraind "$dir/a.npz"
says err "cannot open 'pretraind': No such file or directory; did you mean pretrained?"

# ---- options instead of members, programs instead of functions ----

run 1 train --data synthetic:20 --crop 40
says err "cannot change the training images so: --crop is 40, wanted 0 to 31 for images of 32×32"
run 1 train --data synthetic:20 --label-smoothing 0.5 --loss mse
says err "--label-smoothing is 0.5"
for ending in onnx npz pt; do
    mistake "--out 'x.$ending': want a name such as x.safetensors" train --data synthetic:20 --out x.$ending
done
"$bin/convnet-convert" "$dir/m.safetensors" "$dir/state.npz" >"$dir/out"
run 0 convert "$dir/state.npz" "$dir/state.safetensors"
run 1 test "$dir/state.safetensors" --data synthetic:20
says err "'convnet-convert IN OUT --network MODEL' makes one of them"
# No message that was met here, or elsewhere, names a function.
checks=$((checks + 1))
! grep -n 'cn_[a-z]' "$dir/err" || fail "a function is named"

# ---- data that are doubtful ----

for i in 0 1 2 3 4 5 6 7; do
    picture "$dir/photos/train/cat/$i.ppm" "00$i"
    picture "$dir/photos/train/dog/$i.ppm" "30$i"
    picture "$dir/photos/test/cat/$i.ppm" "02$i"
    picture "$dir/photos/test/dog/$i.ppm" "32$i"
done

# Damaged pictures are named, and counted.
head -c 20 "$dir/photos/train/cat/1.ppm" >"$dir/photos/train/cat/damaged.ppm"
run 0 train --data "folder:$dir/photos" --epochs 1
says err "damaged.ppm"
says err "warning: 1 file of 'folder:$dir/photos' was left out of the training images, of 17"
mkdir "$dir/photos/train/elk"
for i in $(seq 40); do echo no >"$dir/photos/train/dog/$i.txt"; done
run 0 train --data "folder:$dir/photos" --epochs 1
expect "$(grep -c "skipped: '" "$dir/err")" -le 20
says err "skipped: and others"
says err "warning: 41 files of"
says err "class 'elk' of '$dir/photos' has no readable picture for training"
rm -r "$dir"/photos/train/dog/*.txt "$dir/photos/train/elk" "$dir/photos/train/cat/damaged.ppm"

# A folder for validation is one: epochs are tested on it, and the test images are looked at once.
for i in 0 1 2; do
    picture "$dir/photos/valid/cat/$i.ppm" "04$i"
    picture "$dir/photos/valid/dog/$i.ppm" "34$i"
done
picture "$dir/photos/other/x.ppm" 000
run 0 train --data "folder:$dir/photos" --epochs 1 --out "$dir/pets.safetensors" --log "$dir/log.csv"
says out "16 training, 6 validation and 16 test images"
says out "Best validation accuracy"
says out "nothing was chosen by the test images"
says err "passed over: '$dir/photos/other', which is none of the parts beside it"
expect "$(grep -c "passed over" "$dir/err")" -eq 1
expect "$(head -1 "$dir/log.csv" | cut -d, -f4)" = validation_loss
run 1 train --data "folder:$dir/photos" --validation 0.2
says err "has images for validation of its own, so that --validation does not go with it"
run 0 test "$dir/pets.safetensors" --data "folder:$dir/photos" --split validation
says out "on the validation images of"
says out " of 6)"
mistake "--split validation goes with folder:, masks: and npz: only" test x --data cifar10:x --split validation

# What was mistaken is told by its file's name.
run 0 train --data "folder:$dir/photos" --epochs 1 --misclassified 100
expect "$(grep -cE '^ *[0-9]+  (cat|dog) .*  test/(cat|dog)/[0-7]\.ppm$' "$dir/out")" -eq \
    "$(sed -n 's/^Misclassified: \([0-9]*\)$/\1/p' "$dir/out")"
run 1 train --data "folder:$dir/photos" --misclassified 3 --loss mse
mkdir "$dir/photos/valid/bird"
picture "$dir/photos/valid/bird/1.ppm" 100
run 1 train --data "folder:$dir/photos" --epochs 1
says err "has a class 'bird'"
rm -r "$dir/photos/valid" "$dir/photos/other"

# A class that is nearly all there is, and images that are all alike.
rm "$dir"/photos/train/dog/[1-7].ppm
run 0 train --data "folder:$dir/photos" --epochs 1
says err "warning: 89 % of the training images of 'folder:$dir/photos' are of class 'cat'"
says err "--balanced"
for file in "$dir"/photos/train/*/*.ppm; do picture "$file" 100; done
run 0 train --data "folder:$dir/photos" --epochs 1
says err "training images of 'folder:$dir/photos' that were looked at are all alike"

# Images that are measured although the network has been trained on them, of each part, by the files' names.
rm -r "$dir"/photos/train/*/*
for i in 0 1 2 3 4 5 6 7; do
    picture "$dir/photos/train/cat/$i.ppm" "00$i"
    picture "$dir/photos/train/dog/$i.ppm" "30$i"
done
run 0 train --data "folder:$dir/photos" --epochs 1
checks=$((checks + 1))
! grep -q "also among" "$dir/err" || fail "no image is in both parts"
cp "$dir/photos/train/dog/5.ppm" "$dir/photos/test/cat/9.ppm"
run 0 train --data "folder:$dir/photos" --epochs 1
says err "warning: 1 of the 17 test images is also among the training images: 'test/cat/9.ppm', which is 'train/dog/5.ppm': what is measured on them looks better than it is"
cp "$dir/photos/train/cat/2.ppm" "$dir/photos/test/dog/9.ppm"
mkdir -p "$dir/photos/val"
cp -r "$dir/photos/train/cat" "$dir/photos/val/cat"
mkdir "$dir/photos/val/dog"
picture "$dir/photos/val/dog/1.ppm" 250
run 0 train --data "folder:$dir/photos" --epochs 1
says err "warning: 2 of the 18 test images are also among the training images, such as 'test/cat/9.ppm', which is 'train/dog/5.ppm'"
says err "warning: 8 of the 9 validation images are also among the training images, such as 'val/cat/0.ppm', which is 'train/cat/0.ppm'"
expect "$(grep -c 'also among' "$dir/err")" -eq 2
rm -r "$dir/photos/val" "$dir/photos/test/cat/9.ppm" "$dir/photos/test/dog/9.ppm"

# ---- names of classes ----

# idx NAME COUNT: COUNT images of 28×28 and their labels, 0, 1, 2, 0 …
idx() {
    {
        printf '\000\000\010\003\000\000\000\'"$(printf %03o "$2")"'\000\000\000\034\000\000\000\034'
        awk -v n="$2" 'BEGIN { for (i = 0; i < n * 784; i++) printf "%c", 65 + (i * 7 + int(i / 784)) % 60 }'
    } >"$dir/digits/$1-images-idx3-ubyte"
    {
        printf '\000\000\010\001\000\000\000\'"$(printf %03o "$2")"
        i=0
        while [ $i -lt "$2" ]; do
            printf '\'"00$((i % 3))"
            i=$((i + 1))
        done
    } >"$dir/digits/$1-labels-idx1-ubyte"
}
mkdir "$dir/digits"
idx train 30
idx t10k 12
printf 'nought\none\n\ntwo\n' >"$dir/names"
run 0 train --data "idx:$dir/digits" --model mnist3 --epochs 1 --out "$dir/digits.safetensors"
says err "warning: 12 of the 12 test images are also among the training images, such as test image 0, which is training image 0"
run 0 train --data "idx:$dir/digits" --model mnist3 --epochs 1 --validation 0.2
expect "$(grep -c 'also among' "$dir/err")" -eq 1
run 0 train --data synthetic:100 --epochs 1 --validation 0.2
silent err
mistake "--names goes with data whose classes have no names only" train --data "folder:$dir/photos" --names "$dir/names"
run 1 train --data "idx:$dir/digits" --model mnist3 --names "$dir/nothing"
says err "cannot read '$dir/nothing'"
run 1 train --data "idx:$dir/digits" --model mnist3 --epochs 1 --names "$dir/names"
says err "'$dir/names' has 3 names, a line each, but 'idx:$dir/digits' has 10 classes"
printf '%s\r\n' nought one two three four five six seven eight nine >"$dir/names"
run 0 train --data "idx:$dir/digits" --model mnist3 --epochs 1 --names "$dir/names" --out "$dir/digits.safetensors"
says out "in 10 classes: nought, one, two"
says err "warning: none of the training images of 'idx:$dir/digits' are of class 'three', 'four', 'five', 'six', 'seven' and 2 more"
run 0 test "$dir/digits.safetensors" --data "idx:$dir/digits" --names "$dir/names"
says out " nought "
"$bin/convnet-summary" "$dir/digits.safetensors" >"$dir/out"
says out "Classes: nought, one, two"
run 0 classify --model "$dir/digits.safetensors" "$dir/photos/train/cat/0.ppm" --names "$dir/names" --top 10
says out "  nine"
echo one >"$dir/names"
run 1 classify --model "$dir/digits.safetensors" "$dir/photos/train/cat/0.ppm" --names "$dir/names"
says err "has 1 name, a line each, but '$dir/digits.safetensors' has 10 classes"

# ---- outputs that cannot be, before anything is trained ----

# early TEXT [ARGUMENT]...: fails with that, without an epoch, and without waiting.
early() {
    text=$1
    shift
    line="convnet-train $*"
    timeout 20 "$bin/convnet-train" --data synthetic:20 --epochs 1 "$@" >"$dir/out" 2>"$dir/err"
    expect $? -eq 1
    says err "$text"
    silent out
}
mkfifo "$dir/fifo"
early "cannot write '$dir/fifo': it is not a plain file" --log "$dir/fifo"
mkdir "$dir/rep" && mkfifo "$dir/rep/history.csv"
early "cannot write '$dir/rep/history.csv': it is not a plain file" --report "$dir/rep"
rm -r "$dir/rep"
ln -s loop "$dir/loop"
early "cannot write '$dir/loop'" --out "$dir/loop"
ln -s nowhere/x "$dir/astray"
early "cannot write '$dir/nowhere/x': No such file or directory" --out "$dir/astray"
long=$(printf %0300d 0)
early "File name too long" --out "$dir/$long.safetensors"
# A pipe is written to, and so is a link to what is not there yet.
"$bin/convnet-train" --data synthetic:20 --epochs 1 --log /dev/stdout | cat >"$dir/out"
says out "epoch,train_loss"
ln -s later "$dir/link"
run 0 train --data synthetic:20 --epochs 1 --quiet --out "$dir/link" --report "$dir/rep" --log "$dir/rep/x.csv" --checkpoint "$dir/rep/x.run"
expect -f "$dir/later" -a -f "$dir/rep/x.csv" -a -f "$dir/rep/x.run"
for name in rate.png n.txt folder.svg/rate; do
    mistake "--find-rate '$name': it is drawn as SVG: want a name that ends in .svg" train --data synthetic:20 --find-rate $name
done
echo text >"$dir/mk.py"
run 1 explore --data synthetic:20 --out "$dir/mk.py"
says err "cannot make the folder '$dir/mk.py': File exists"

# ---- what cannot be asked for ----

run 1 train --data synthetic:20 --cutout 99
says err "cannot change the training images so: --cutout is 99, wanted 0 to 32 for images of 32×32"
run 1 train --data synthetic:20 --freeze ,,
says err "--freeze ',,': a name in it is empty"
run 1 test README.md --data synthetic:20
says err "'README.md': it is neither a safetensors nor an ONNX file"
run 1 classify --model "$dir/m.safetensors" - </dev/null
says err "standard input is empty"
mistake "are one run, and a run is no repetition of itself" compare "$dir/rep" "$dir/rep/"
mistake "--split all goes with folder:, masks:, npz: and npy: only" test x --data cifar10:x --split all
size=$(wc -c <"$dir/rep/x.run")
head -c $((size - 1000)) "$dir/rep/x.run" >"$dir/cut.run"
run 1 train --data synthetic:20 --epochs 2 --checkpoint "$dir/cut.run" --resume
says err "the file is cut short"
run 0 train --data synthetic:20 --epochs 1 --checkpoint "$dir/rep/x.run" --resume
says out "has had 1 epoch: of --epochs 1 none is left to train"
expect "$(grep -c 'epoch .*train' "$dir/out")" -eq 0
run 0 export "$dir/m.safetensors" --c "$dir/m.c"
says out "C in $dir/m.c, its header in $dir/m.h"
run 0 export "$dir/m.safetensors" --c "$dir/m.c" --quiet
silent out
echo '#pragma once' >"$dir/own.h"
run 1 export "$dir/m.safetensors" --c "$dir/own.c"
says err "'$dir/own.h' is there, and not a header that convnet-export has written"
expect ! -e "$dir/own.c"
{ # images of numpy alone
    printf '\223NUMPY\001\000\166\000'
    printf "%-117s\n" "{'descr': '|u1', 'fortran_order': False, 'shape': (20, 3, 8, 8), }"
    head -c 3840 /dev/zero
} >"$dir/images.npy"
run 1 train --data "npy:$dir/images.npy"
says err "has images alone, and nothing to learn of them: want npy:IMAGES.npy,LABELS.npy"

# ---- what a terminal obeys is never printed as it is ----

escape=$(printf '\033') newline='
'
harmless() {
    checks=$((checks + 1))
    ! tr -d '\n' <"$dir/out" | LC_ALL=C grep -q '[[:cntrl:]]' || fail "control characters on standard output"
    ! tr -d '\n' <"$dir/err" | LC_ALL=C grep -q '[[:cntrl:]]' || fail "control characters on standard error"
}
red="${escape}[31mred" line2="b${newline}second"
for i in 1 2 3 4 5 6 7 8; do
    picture "$dir/colours/$red/${i}0$red.ppm" 0$((i + 1))0
    picture "$dir/colours/b/$i$line2.ppm" 3$i$i
done
run 0 train --data "folder:$dir/colours" --epochs 1 --model resnet20 --out "$dir/$red.safetensors"
harmless
says out '\x1b[31mred'
run 0 test "$dir/$red.safetensors" --data "folder:$dir/colours" --misclassified 20 --predictions 20
harmless
says out '\x1b[31mred'
says out 'b\nsecond.ppm'
run 0 classify --model "$dir/$red.safetensors" "$dir/colours/b/1$line2.ppm"
harmless
says out 'b\nsecond.ppm'
says out '\x1b[31mred'
run 1 classify --model "$dir/$red.safetensors" "$dir/$red$line2"
harmless
says err 'redb\nsecond'
run 0 summary "$dir/$red.safetensors"
harmless
run 0 convert "$dir/$red.safetensors" "$dir/$red.npz"
harmless
mistake 'unexpected argument '"'"'\x1b[31mred' train --data synthetic "$red"
harmless
run 0 classify --model "$dir/$red.safetensors" "$dir/colours/b/1$line2.ppm" --json # as JSON has it
says out '\u001b[31mred'

done_with program_messages
