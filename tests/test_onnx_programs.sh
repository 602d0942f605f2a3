#!/bin/sh
# SPDX-License-Identifier: MIT
# test_onnx_programs.sh: the programs take ONNX files wherever they take a model: one that ends in a softmax of five classes,
# for images of 3×8×9, is summed up, measured, trained further, also for other classes, and looks at pictures. Then what
# docs/guide/networks.md says.
. tests/programs.sh

# npy FILE TYPE SHAPE: numpy's array of what standard input gives.
npy() {
    {
        printf '\223NUMPY\001\000\166\000'
        printf '%-117s\n' "{'descr': '$2', 'fortran_order': False, 'shape': ($3), }"
        cat
    } >"$1"
}

# Images of class k are of one brightness, 50 k.
each() {
    for i in 1 2 3 4 5 6 7 8; do
        $1 '\000' 0 && $1 '\062' 1 && $1 '\144' 2 && $1 '\226' 3 && $1 '\310' 4
    done
}
image() { head -c 216 /dev/zero | tr '\0' "$1"; }
label() { printf "\\00$2\\000\\000\\000\\000\\000\\000\\000"; }
coarse() { printf "\\00$(($2 / 3))\\000\\000\\000\\000\\000\\000\\000"; }
each image | npy "$dir/images.npy" '|u1' '40, 3, 8, 9'
each label | npy "$dir/labels.npy" '<i8' '40,'
each coarse | npy "$dir/coarse.npy" '<i8' '40,'
onnx=tests/golden/onnx/cnn_13.onnx five=npy:$dir/images.npy,$dir/labels.npy two=npy:$dir/images.npy,$dir/coarse.npy
model=$dir/model.safetensors

run 0 summary $onnx
says out 'BatchNorm2d'
says out 'Softmax'
silent err

run 0 test $onnx --data "$five" --split all
says out "loss "

# What is trained on tells how pixels are normalised, and is learned.
run 0 train --model $onnx --data "$five" --epochs 60 --lr 0.02 --schedule cosine --batch 8 --seed 1 --out "$model"
run 0 test "$model" --data "$five" --split all
says out 'accuracy 100.00 %'
run 0 classify --model "$model" tests/golden/images/colour.jpg --json
sum=$(grep -o '"probability": *[0-9.e-]*' "$dir/out" | sed 's/.*: *//' | awk '{ sum += $1 } END { print (sum > 0.999 && sum < 1.001) }')
expect "$sum" = 1

# Other classes have a new output layer, in front of the softmax.
run 0 train --model $onnx --data "$two" --epochs 60 --lr 0.02 --schedule cosine --batch 8 --seed 1 --out "$model"
says out 'is new: it tells the 2 classes'
run 0 test "$model" --data "$two" --split all
says out 'accuracy 100.00 %'
run 0 summary "$model"
says out 'Softmax'

# What is wrong with a file is said by the program.
head -c 1000 $onnx >"$dir/cut.onnx"
run 1 summary "$dir/cut.onnx"
says err 'cut.onnx'
silent out

# The guide's commands, as they stand there: a network from elsewhere, trained on a folder of pictures, back to ONNX, as C.
photo() {
    printf 'P6\n32 32\n255\n'
    head -c 3072 /dev/zero | tr '\0' "$1"
}
mkdir -p "$dir/photos/dark" "$dir/photos/light"
for i in 00 01 02 03 04 05 06 07 10 11 12 13 14 15 16 17 20 21 22 23 24 25 26 27 30 31 32 33 34 35 36 37; do
    photo "\\0$i" >"$dir/photos/dark/$i.ppm"
    photo "\\3$i" >"$dir/photos/light/$i.ppm"
done
run 0 convert pretrained "$dir/net.onnx"
programs=$(cd "$bin" && pwd)
guide() {
    grep "^$1" docs/guide/networks.md | (cd "$dir" && PATH="$programs:$PATH" sh -e)
}
for command in 'convnet-summary net' 'convnet-train' 'convnet-convert photos' 'convnet-export' 'cc '; do
    line="the guide's $command"
    guide "$command" >"$dir/out" 2>"$dir/err"
    expect $? -eq 0
done
run 0 test "$dir/photos.onnx" --data "folder:$dir/photos"
says out '64 of 64'
expect -s "$dir/photos.o"

done_with "onnx programs"
