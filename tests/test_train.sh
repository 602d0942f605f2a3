#!/bin/sh
# SPDX-License-Identifier: MIT
# test_train.sh: convnet-train as a user would meet it on a bad day: signals, full disks, losses that are no numbers,
# files that are others, models of other classes, narrow terminals. What it has is never lost, nor what was there.
. tests/programs.sh

# picture FILE BYTE: a small PPM file all of one value.
picture() {
    { printf 'P6\n32 32\n255\n'; head -c 3072 /dev/zero | tr '\0' "$2"; } >"$1"
}

first_epoch='^ *1 .*[0-9]$' heading='^ *epoch '

# ---- signals: the model, the log and the report are written, and say how the run ended ----

model=$dir/model.safetensors
for each in INT/130 TERM/143 HUP/129 USR1/138; do
    rm -f "$model"
    signalled "${each%/*}" "$first_epoch" --data synthetic:100 --epochs 100000 --out "$model" --log "$dir/log.csv" \
        --report "$dir/report"
    case $(uname) in Linux) expect $code -eq "${each#*/}" ;; esac
    says err "interrupted after"
    says out "Saved as $model"
    says out "Report in $dir/report/report.html"
    run 0 summary "$model"
    expect "$(grep -c "This run was interrupted by .*SIG${each%/*}.* after " "$dir/report/report.html")" -eq 1
    expect "$(grep -cE '^1,' "$dir/log.csv")" -eq 1
done

# With a checkpoint alone, and with nothing to save.
signalled HUP "$first_epoch" --data synthetic:100 --epochs 100000 --checkpoint "$dir/alone.run"
case $(uname) in Linux) expect $code -eq 129 ;; esac
says err "interrupted after"
says err "to go on: "
run 0 summary "$dir/alone.run"
signalled TERM "$first_epoch" --data synthetic:100 --epochs 100000
case $(uname) in Linux) expect $code -eq 143 ;; esac
says err "interrupted after"

# Within an epoch: the log and the report's history have the part of it, as a part.
cp "$model" "$dir/good.safetensors"
signalled INT "$heading" --data synthetic:4000 --epochs 3 --out "$model" --log "$dir/log.csv" --report "$dir/report"
expect $code -eq 130
says out "$model is there, and is replaced when the first epoch is over"
if grep -q 'batches of the next' "$dir/err"; then
    says err "interrupted after 0 of 3 epochs and "
    says err "'$model' stays as it was, since no epoch was completed"
    says out "Saved as $model.part, as it is within the first epoch"
    run 0 summary "$model.part"
    expect "$(grep -cE '^0\.[0-9]{3},[0-9.]+,[0-9.]+,,,0.01,' "$dir/log.csv")" -eq 1
    expect "$(tail -1 "$dir/log.csv")" = "$(tail -1 "$dir/report/history.csv")"
else
    says err "nothing was trained, so nothing is saved"
fi
checks=$((checks + 1))
cmp -s "$model" "$dir/good.safetensors" || fail "an untrained model has replaced a good one"

# A second Ctrl-C does not wait for the rest of the batch, and leaves what was there.
line="convnet-train, interrupted twice"
signalled INT "$heading" --data synthetic:200 --epochs 1 --batch 200 --threads 1 --out "$model"
expect "$code" -ne 1

# A reader that is gone.
line="convnet-train | head -1"
rm -f "$model"
{ "$bin/convnet-train" --data synthetic:100 --epochs 100000 --out "$model" 2>"$dir/err"; echo $? >"$dir/code"; } |
    head -1 >"$dir/out"
expect "$(cat "$dir/code")" -eq 141
run 0 summary "$model"

# What was ignored when it began stays ignored.
line="convnet-train, hung up under nohup, in the background"
rm -f "$model"
: >"$dir/out"
(trap '' HUP INT; exec "$bin/convnet-train" --data synthetic:150 --epochs 3 --out "$model" >"$dir/out" 2>"$dir/err") &
pid=$!
await "$heading"
kill -HUP $pid
kill -INT $pid
wait $pid
expect $? -eq 0
expect "$(grep -c '^ *[123] ' "$dir/out")" -eq 3

# Killed: an epoch is lost, no more.
rm -f "$model"
signalled KILL '^ *2 .*[0-9]$' --data synthetic:100 --epochs 100000 --out "$model"
expect $code -eq 137
run 0 summary "$model"

# ---- a search for a rate, instead of a training ----

run 0 train --data synthetic:320 --batch 16 --find-rate "$dir/rates.svg"
says out "steps at rates from 1e-06 to "
says out "It fell fastest at "
says out ": try --lr 0."
says out "Picture in $dir/rates.svg"
expect "$(grep -c 'Loss by learning rate' "$dir/rates.svg")" -gt 0
run 0 train --data synthetic:320 --batch 16 --recipe fast --threads 1 --find-rate "$dir/rates.svg" --json --quiet
says out '"smoothed": '
silent err
run 0 train --data synthetic:320 --batch 16 --recipe fast --threads 1 --find-rate "$dir/rates.svg"
says out ": try --max-lr 0."
mistake "--out goes with a training, and --find-rate is none" train --data synthetic --find-rate "$dir/r.svg" --out "$model"
run 1 train --data synthetic:100 --find-rate "$dir/nowhere/rates.svg"
says err "'$dir/nowhere/rates.svg'"

# ---- a loss that is no number ----

diverging="--data synthetic:200 --norm none --schedule one-cycle --max-lr 400 --rise 0.95 --epochs 12 --momentum 0.98"
rm -f "$model"
run 1 train $diverging --out "$model" --log "$dir/log.csv" --report "$dir/nan"
says err "the loss is nan"
says out "Saved as $model"
expect "$(grep -c 'This run failed after .*: the loss is nan; ' "$dir/nan/report.html")" -eq 1
run 0 test "$model" --data synthetic:200
run 1 train $diverging --checkpoint "$dir/nan.run"
says err "the loss is nan"
says err "'$dir/nan.run' is the run as it was before, with its model"
run 0 test "$dir/nan.run" --data synthetic:200
cp "$dir/nan.run" "$dir/before.run"
run 1 train $diverging --checkpoint "$dir/nan.run" --resume
says err "the loss is nan"
checks=$((checks + 1))
cmp -s "$dir/nan.run" "$dir/before.run" || fail "a checkpoint was replaced by one that is not to be trusted"
run 1 train $diverging
says err "the loss is nan"
run 1 train --data synthetic:100 --norm none --lr 1000 --epochs 2 --batch 20 --out "$dir/first.safetensors"
says out "Saved as $dir/first.safetensors, as it is within the first epoch"
run 0 summary "$dir/first.safetensors"

# ---- which epoch is kept, and what is said of it ----

run 0 train --data synthetic:200 --epochs 3 --out "$dir/last.safetensors" --seed 5 --schedule constant --lr 0.05
says out "est accuracy $(awk '$1 == 3 { print $5 }' "$dir/out") %, in epoch 3, the last"
run 0 train --data synthetic:120 --epochs 5 --keep best --out "$model" --seed 5 --schedule constant --lr 0.2
best=$(awk '/^ *[1-5] /{ if ($5 > most) most = $5 } END { print most }' "$dir/out")
says out "Best test accuracy $best %, in epoch "
says out "Saved as $model, as epoch "
run 0 test "$model" --data synthetic:120
says out "accuracy $best %"
mistake "--keep 'first': want last or best" train --data synthetic --keep first

# A part of the training images steers, and the test images are looked at once.
run 0 train --data synthetic:200 --epochs 4 --validation 0.2 --balanced --keep best --out "$model" --log "$dir/steered.csv" --report "$dir/steered" --seed 5
says out "160 training, 40 validation and 40 test images"
best=$(awk '/^ *[1-4] /{ if ($5 > most) most = $5 } END { print most }' "$dir/out")
says out "Best validation accuracy $best %, in epoch "
accuracy=$(sed -n 's/^Test accuracy \([0-9.]*\) %, .* nothing was chosen by the test images$/\1/p' "$dir/out")
expect "$(head -1 "$dir/steered.csv" | cut -d, -f4,5)" = validation_loss,validation_accuracy
expect "$(grep -c 'validation loss' "$dir/steered/report.html")" -gt 0
run 0 test "$model" --data synthetic:200
says out "accuracy $accuracy %"
mistake "--validation '1'" train --data synthetic --validation 1
run 1 train --data synthetic:200 --validation 0.001
says err "cannot set images for validation apart: 0.001 of 200 images leaves the part empty"

# A rate that has fallen to nothing is told.
run 0 train --data synthetic:40 --epochs 10 --lr 1e-6 --factor 0.0001
says out "they changed next to nothing"
run 0 train --data synthetic:40 --epochs 3 --schedule step --step-size 1 --factor 0.0001
checks=$((checks + 1))
! grep -q "next to nothing" "$dir/out" || fail "that was asked for"

# A short run's average is not what it began with.
run 0 train --data synthetic:160 --recipe best --epochs 8 --log "$dir/log.csv"
expect "$(tail -1 "$dir/log.csv" | cut -d, -f5 | cut -d. -f1)" -gt 20
# One cycle's rates are the epochs' means: up, and down to nearly nothing.
expect "$(cut -d, -f6 "$dir/log.csv" | awk 'NR > 1 { if ($1 > most) most = $1; last = $1 } END { print (most > 0.012 && last > 1e-4) }')" -eq 1

# ---- models of other classes ----

mkdir -p "$dir/pets/cat" "$dir/pets/dog" "$dir/other/dog" "$dir/other/cow"
for i in 1 2 3 4 5 6; do
    picture "$dir/pets/cat/$i.ppm" '\040'
    picture "$dir/pets/dog/$i.ppm" '\340'
    picture "$dir/other/cow/$i.ppm" '\040'
    picture "$dir/other/dog/$i.ppm" '\340'
done
run 0 train --data "folder:$dir/pets" --model pretrained --epochs 1 --out "$dir/adapted.safetensors"
says out "The output layer, oblock.1, is new: it tells the 2 classes of 'folder:$dir/pets' apart (cat, dog), where the"
says out "model told 10 (airplane, automobile, "
run 0 test "$dir/adapted.safetensors" --data "folder:$dir/pets"
run 0 train --data "folder:$dir/pets" --epochs 1 --out "$dir/pets.safetensors"
run 0 train --data "folder:$dir/pets" --model "$dir/pets.safetensors" --epochs 1
checks=$((checks + 1))
! grep -q "is new" "$dir/out" || fail "the same classes want no new layer"
run 0 train --data "folder:$dir/other" --model "$dir/pets.safetensors" --epochs 1 --out "$dir/adapted.safetensors"
says out "is new: it tells the 2 classes of 'folder:$dir/other' apart (cow, dog), where the model told 2 (cat, dog)"
run 1 test "$dir/adapted.safetensors" --data "folder:$dir/pets"
says err "class 'cat' of the data is none of the 2 of the model: 'cow', 'dog'"

# The same classes in another order are matched by name.
for order in there back; do
    mkdir -p "$dir/$order"
    for part in train t10k; do
        { printf '\000\000\010\003\000\000\000\012\000\000\000\034\000\000\000\034'; head -c 7840 /dev/zero; } \
            >"$dir/$order/$part-images-idx3-ubyte"
        printf '\000\000\010\001\000\000\000\012\000\001\002\003\004\005\006\007\010\011' >"$dir/$order/$part-labels-idx1-ubyte"
    done
done
printf '%s\n' a b c d e f g h i j >"$dir/there/classes.txt"
printf '%s\n' j i h g f e d c b a >"$dir/back/classes.txt"
run 0 train --data "idx:$dir/there" --model mnist3 --epochs 1 --out "$dir/adapted.safetensors"
run 0 train --data "idx:$dir/back" --model "$dir/adapted.safetensors" --epochs 1 --out "$dir/adapted.safetensors"
says out "The data's classes are the model's in another order, and are matched by name"
run 0 summary "$dir/adapted.safetensors"

# ---- parts that are frozen, and a rate of the output layer's own ----

run 0 train --data "folder:$dir/pets" --model pretrained --freeze '*' --epochs 1
says out "66 of 47,554 parameters are trained, the others frozen"
run 0 train --data "folder:$dir/pets" --model pretrained --freeze 'cblock1.*,cblock2.*' --head-rate 10 --epochs 1 \
    --report "$dir/frozen"
expect "$(grep -c 'times 10' "$dir/frozen/report.html")" -gt 0
expect "$(grep -c 'cblock1.\*,cblock2.\*' "$dir/frozen/report.html")" -gt 0
run 1 train --data "folder:$dir/pets" --model pretrained --freeze 'cblock1.*,cblok2.*' --epochs 1
says err "'cblok2.*' matches no layer or tensor of the model"
run 1 train --data "folder:$dir/pets" --model "$dir/pets.safetensors" --freeze '*' --epochs 1
says err "--freeze '*' leaves nothing to train: name less, such as all but the output layer, oblock.1"
run 1 train --data synthetic:40 --freeze ',' --epochs 1
says err "--freeze ',': a name in it is empty"
mistake "--head-rate" train --data synthetic:40 --head-rate -1
run 1 test "$dir/pets.safetensors" --data "folder:$dir/other"
says err "class 'cow' of the data is none of the 2 of the model: 'cat', 'dog'"
mv "$dir/other/cow" "$dir/other/0" && mv "$dir/other/dog" "$dir/other/1"
run 1 test "$dir/pets.safetensors" --data "folder:$dir/other"
says err "class '0' of the data is none of the 2 of the model"
mv "$dir/other/0" "$dir/other/dog"
rm -r "$dir/other/1"
run 0 test "$dir/pets.safetensors" --data "folder:$dir/other"

# ---- data that results would replace ----

printf 'no archive' >"$dir/kept.npz"
cp "$dir/kept.npz" "$dir/kept.npy"
cp "$dir/kept.npz" "$dir/kept.txt"
for option in --log --checkpoint; do
    mistake "--data and $option are both '$dir/kept.npz'" train --data "npz:$dir/kept.npz" $option "$dir/kept.npz"
    mistake "--data and $option are both '$dir/kept.npy'" train --data "npy:$dir/kept.npy,$dir/x.npy" $option "$dir/kept.npy"
    mistake "are the same file" train --data "npy:$dir/x.npy,$dir/kept.npy" $option "$dir/./kept.npy"
    mistake "--names and $option are both" train --data "npz:$dir/kept.npz" --names "$dir/kept.txt" $option "$dir/kept.txt"
    mistake "--model and $option are both" train --data synthetic --model "$model" $option "$model"
done
for name in kept.npz kept.npy kept.txt; do # charts are called .svg
    ln -s "$name" "$dir/$name.svg"
done
mistake "are the same file" train --data "npz:$dir/kept.npz" --find-rate "$dir/kept.npz.svg"
mistake "are the same file" train --data "npy:$dir/x.npy,$dir/kept.npy" --find-rate "$dir/kept.npy.svg"
mistake "are the same file" train --data "npz:$dir/kept.npz" --names "$dir/kept.txt" --find-rate "$dir/kept.txt.svg"
mistake "--find-rate '$model': it is drawn as SVG: want a name that ends in .svg" train --data synthetic --model "$model" --find-rate "$model"
mistake "--data and --out are both" train --data "idx:$dir/kept.txt" --out "$dir/kept.txt"
mkdir -p "$dir/sheets" && cp "$dir/kept.npz" "$dir/sheets/examples.svg"
mistake "--data and --out's are both" explore --data "npz:$dir/sheets/examples.svg" --out "$dir/sheets"
for name in kept.npy kept.txt sheets/examples.svg; do
    checks=$((checks + 1))
    cmp -s "$dir/kept.npz" "$dir/$name" || fail "$name was changed"
done

# ---- files that are one and the same, under whatever name ----

cp "$model" "$dir/keep.safetensors"
ln -s "$model" "$dir/link"
ln "$model" "$dir/hard"
mistake "--model and --log are both '$model'" train --data synthetic --model "$model" --log "$model"
for name in "$dir/./model.safetensors" "$dir/link" "$dir/hard"; do
    mistake "are the same file" train --data synthetic --model "$model" --log "$name"
    mistake "are the same file" train --data synthetic --out "$model" --log "$name"
done
mistake "are the same file" train --data synthetic --out "$dir/new" --log "$dir/report/../new"
mistake "are the same file" train --data synthetic --report "$dir/report" --log "$dir/./report/history.csv"
ln -s "$model" "$dir/report/curves-link"
rm "$dir/report/curves.svg" && ln -s "$model" "$dir/report/curves.svg"
mistake "are the same file" train --data synthetic --report "$dir/report" --model "$model"
rm "$dir/report/curves.svg"
checks=$((checks + 1))
cmp -s "$model" "$dir/keep.safetensors" || fail "the model was changed"
run 0 train --data synthetic:40 --epochs 1 --model "$model" --out "$model"
run 1 train --data "folder:$dir/pets" --epochs 1 --log "$dir/pets/cat/1.ppm"
says err "lies with the data"
run 0 train --data synthetic:40 --epochs 1 --log /dev/null

# ---- a folder that goes away while the training runs ----

line="convnet-train, its folder removed"
mkdir "$dir/gone"
: >"$dir/out"
"$bin/convnet-train" --data synthetic:150 --epochs 3 --out "$dir/gone/m.safetensors" >"$dir/out" 2>"$dir/err" &
pid=$!
await "$heading"
rm -rf "$dir/gone"
wait $pid
expect $? -eq 1
expect "$(grep -c 'the training goes on' "$dir/err")" -eq 1
says err "the model is in '"
kept=$(sed -n "s/.*the model is in '\(.*\)' instead/\1/p" "$dir/err")
run 0 summary "$kept"
rm -f "$kept"

# ---- terminals: a line is rewritten, and never longer than the window is wide ----

if script -qec true /dev/null >"$dir/out" 2>&1; then
    for columns in 26 60 200; do
        line="convnet-train on a terminal of $columns columns"
        TERM=xterm script -qec "stty cols $columns; $bin/convnet-train --data synthetic:150 --epochs 2" /dev/null \
            >"$dir/out" 2>"$dir/err"
        tr '\r' '\n' <"$dir/out" | sed "s/$(printf '\033')\[K//g; s/×/x/g" >"$dir/lines"
        expect "$(awk -v most=$columns 'length > most' "$dir/lines" | wc -l)" -eq 0
        expect "$(grep -c ' left$' "$dir/lines")" -ge 2
        expect "$(grep -cE '^ *[12] .*[0-9.]$' "$dir/lines")" -ge 2
    done
fi

# ---- what does not fit is said before it begins, with what would ----

line="convnet-train --batch 1024 in 400 MiB"
case $bin in
*asan*|*tsan*) ;; # sanitizers want all addresses
*)
    checks=$((checks + 1))
    (ulimit -v 400000 && exec "$bin/convnet-train" --data synthetic:1024 --batch 1024 --threads 1) >"$dir/out" 2>"$dir/err" &&
        fail "exit code 0"
    says err "batches of 1024 images take more memory than the 390.6 MiB that there are; --batch 512 --accumulate 2 takes "
    silent out
    ;;
esac

# ---- one thread is one ----

line="convnet-train with one thread"
case $bin in
*tsan*) ;; # ThreadSanitizer has one
*)
    if [ -r /proc/self/status ]; then
        : >"$dir/out"
        (exec "$bin/convnet-train" --data synthetic:100 --epochs 100000 --threads 1 \
            >"$dir/out" 2>"$dir/err") &
        pid=$!
        await "$first_epoch"
        expect "$(sed -n 's/^Threads:[^0-9]*//p' "/proc/$pid/status")" -eq 1
        expect "$(cat "/proc/$pid/comm")" = convnet-train
        kill $pid
        wait $pid
    fi
    ;;
esac

done_with train
