#!/bin/sh
# SPDX-License-Identifier: MIT
# test_tasks.sh: the programs on what is no class of an image: masks, vectors, labels, images.
. tests/programs.sh

# npy FILE TYPE SHAPE: numpy's array of what standard input gives.
npy() {
    {
        printf '\223NUMPY\001\000\166\000'
        printf '%-117s\n' "{'descr': '$2', 'fortran_order': False, 'shape': ($3), }"
        cat
    } >"$1"
}

# bytes COUNT BYTE
bytes() {
    head -c "$1" /dev/zero | tr '\0' "$2"
}

# each EVEN ODD: 40 times one or the other, in turn.
each() {
    for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
        $1
        $2
    done
}

# Images are dark above and light below, or the other way round; none is as another, by its first pixel.
pixel=0
first() {
    pixel=$((pixel + 1))
    printf '\'"$(printf %03o $(($1 + pixel)))"
}
upright() { first 0 && bytes 127 '\040' && bytes 128 '\340'; }
turned() { first 200 && bytes 127 '\340' && bytes 128 '\040'; }
upright_mask() { bytes 128 '\000' && bytes 128 '\001'; }
turned_mask() { bytes 128 '\001' && bytes 128 '\000'; }
upright_vector() { printf '\000\000\200\077\000\000\000\000'; } # 1, 0
turned_vector() { printf '\000\000\000\000\000\000\200\077'; }  # 0, 1
each upright turned | npy "$dir/images.npy" '|u1' '40, 16, 16'
each upright turned | npy "$dir/pictures.npy" '|u1' '40, 1, 16, 16'
each upright_mask turned_mask | npy "$dir/masks.npy" '|u1' '40, 16, 16'
each upright_vector turned_vector | npy "$dir/vectors.npy" '<f4' '40, 2'
masks=npy:$dir/images.npy,$dir/masks.npy vectors=npy:$dir/images.npy,$dir/vectors.npy
pictures=npy:$dir/images.npy,$dir/pictures.npy
model=$dir/model.safetensors log=$dir/log.csv report=$dir/report

# no_accuracy FILE...: none of them tells of an accuracy of images, or of what is no number.
no_accuracy() {
    checks=$((checks + 1))
    ! grep -nE '>nan<|[^a-z]nan[^a-z]|(test|train|best) accuracy' "$@" || fail "accuracies or no numbers in $*"
}

# ---- masks ----

run 0 train --data "$masks" --epochs 3 --batch 8 --keep best --out "$model" --log "$log" --report "$report"
silent err
says out "unet with "
says out "32 training and 8 test images of 1×16×16 whose pixels are of 2 classes: 0, 1"
says out "test mean IoU %"
says out "est mean IoU "
expect "$(head -1 "$log")" = "epoch,train_loss,train_mean_iou,test_loss,test_mean_iou,learning_rate,seconds,images_per_second"
expect "$(head -1 "$report/history.csv")" = "$(head -1 "$log")"
expect "$(wc -l <"$log")" -eq 4
no_accuracy "$dir/out" "$log" "$report/report.html" "$report/curves.svg"
expect -s "$report/confusion.svg"
expect ! -e "$report/misclassified.svg"
line=$report/report.html
expect -n "$(grep -o '<span>pixel accuracy</span>' "$report/report.html")"
kept=$(tail -n +2 "$log" | cut -d, -f5 | sort -g | tail -1) # best is largest
run 0 test "$model" --data "$masks"
says out "IoU      recall   precision          F1"
says out "Confusion of pixels"
expect "$(sed -n 's/^loss .*, mean IoU \([0-9.]*\) %, pixel accuracy .* (8 images)$/\1/p' "$dir/out")" = "$(printf '%.2f' "$kept")"
run 1 test "$model" --data "$masks" --misclassified 3
says err "has no classes of images, which --misclassified and --predictions list"
run 1 train --data "$masks" --model resnet20
says err "the masks are 16×16, the model's output 1×1"
each upright turned | npy "$dir/narrow.npy" '|u1' '80, 16, 8'
run 1 train --data "npy:$dir/narrow.npy,$dir/narrow.npy" # masks of 225 classes
says err "unet takes images of sides that 16 divides, not 16×8"
run 1 train --data "$masks" --loss mse
says err "loss 'mse' takes values, but the target is a mask"

# ---- vectors ----

run 0 train --data "$vectors" --epochs 4 --batch 8 --lr 0.001 --keep best --validation 0.25 --out "$model" --log "$log" \
    --report "$report" --checkpoint "$dir/run"
silent err
says out "resnet20 with "
says out "24 training, 8 validation and 8 test images of 1×16×16 with 2 values each"
says out "val. MAE"
says out "Best validation MAE "
says out "Test MAE "
expect "$(head -1 "$log")" = "epoch,train_loss,train_mae,validation_loss,validation_mae,learning_rate,seconds,images_per_second"
no_accuracy "$dir/out" "$log" "$report/report.html" "$report/curves.svg"
kept=$(tail -n +2 "$log" | cut -d, -f5 | sort -g | head -1) # best is smallest
says out "Best validation MAE $(LC_ALL=C printf '%.5g' "$kept"),"
run 0 train --data "$vectors" --epochs 5 --batch 8 --lr 0.001 --keep best --validation 0.25 --out "$model" --log "$log" \
    --report "$report" --checkpoint "$dir/run" --resume
says out "goes on after 4 of 5 epochs"
expect "$(wc -l <"$log")" -eq 6
no_accuracy "$dir/out" "$log" "$report/report.html"
run 0 test "$model" --data "$vectors"
says out "value         MAE        RMSE"
expect "$(grep -cE '^mse loss [0-9.]+, MAE [0-9.e-]+, RMSE [0-9.e-]+, R² [-0-9.e]+ \(8 images\)$' "$dir/out")" -eq 1
run 1 test "$model" --data "$pictures"
says err "wants 1 output, but '$model' gives 2"
run 1 train --data "$vectors" --flip 0.5
says err "--flip moves the images"
run 1 train --data "$vectors" --loss cross-entropy
says err "--loss cross-entropy is of classes"
run 1 train --data "$vectors" --model session8
says err "try --model resnet20"
mistake "--loss 'l2': want auto, nll, cross-entropy" train --data "$vectors" --loss l2
run 0 train --data "$vectors" --model "$model" --epochs 1 --loss smooth-l1
run 0 train --data "$pictures" --model unet --epochs 1 --batch 8 --out "$dir/unet.safetensors" # images
says out "with an image of 1 channel each"
says out "Best test MAE "
run 0 test "$dir/unet.safetensors" --data "$pictures"

run 0 explore --data "$vectors" --out "$dir/sheets"
silent err

# What has no classes has values, of which no probabilities are made unasked.
{ printf 'P5\n16 16\n255\n' && upright; } >"$dir/picture.pgm"
run 0 classify --model "$model" "$dir/picture.pgm"
says err "note: '$model' names no classes, so its outputs are shown as they are"
says out "  output 0"
expect "$(grep -c '%' "$dir/out")" -eq 0
run 0 classify --model "$model" --outputs values --json "$dir/picture.pgm"
silent err
says out '"value": '
expect "$(grep -c probability "$dir/out")" -eq 0
run 0 classify --model "$model" --outputs classes "$dir/picture.pgm"
says out " %  "
says out "  class 0"
printf 'even\nodd\n' >"$dir/names"
run 0 classify --model "$model" --names "$dir/names" "$dir/picture.pgm" # named, they are classes
silent err
says out " %  "
says out "  even"

# ---- labels ----

run 0 train --data "$vectors" --epochs 2 --batch 8 --loss bce-with-logits --out "$model" --log "$log" --report "$report"
silent err
says out "test F1 %"
expect "$(head -1 "$log" | cut -d, -f3)" = train_f1
no_accuracy "$log" "$report/report.html"
run 0 test "$model" --data "$vectors" --loss bce-with-logits
says out ", label accuracy "
says out "label          F1      recall   precision    accuracy"
run 0 classify --model "$model" --outputs labels --json "$dir/picture.pgm" # each by itself, so that the sum is not 1
checks=$((checks + 1))
awk -F': ' '/"probability"/ { sum += $2; many++; wrong = wrong || $2 < 0 || $2 > 1 }
    END { exit wrong || many != 2 || (sum > 0.999999 && sum < 1.000001) }' "$dir/out" || fail "no probabilities of labels"

# Values that are no labels.
two() { printf '\000\000\000\100\000\000\000\000'; } # 2, 0
each upright_vector two | npy "$dir/twos.npy" '<f4' '40, 2'
twos=npy:$dir/images.npy,$dir/twos.npy
run 1 train --data "$twos" --loss bce-with-logits --epochs 1
says err "of the training images of '$twos' has a target of 2, and --loss bce-with-logits is of labels, from 0 to 1"
run 1 test "$model" --data "$twos" --loss bce-with-logits
says err "of the test images of '$twos' has a target of 2"
run 0 train --data "$twos" --epochs 1

mistake "--outputs 'x': want auto, classes, labels or values" classify --model "$model" --outputs x "$dir/picture.pgm"

done_with tasks
