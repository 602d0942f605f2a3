#!/bin/sh
# SPDX-License-Identifier: MIT
# test_programs.sh: runs the programs of examples/bin as a user would: help, mistakes, a small training run, its files.
. tests/programs.sh

# ---- help and version ----

for program in train compare explore test summary classify export info; do
    run 0 $program --help
    says out "Usage: convnet-$program"
    says out "Exit codes: 0"
    silent err
    checks=$((checks + 1))
    awk 'length > 80 { exit 1 }' "$dir/out" || fail "a line of more than 80 columns"
    cp "$dir/out" "$dir/help"
    run 0 $program -h
    expect "$(cat "$dir/out")" = "$(cat "$dir/help")"
    for version in --version -V; do
        run 0 $program $version
        says out "convnet-$program 1."
    done
done
run 0 train --help
says out "--label-smoothing X"
says out "[0.01 for sgd, 0.001 for the others]"

# ---- mistakes ----

mistake "--data is missing" train
mistake "unknown option '--epoch'; did you mean --epochs?" train --epoch 3
mistake "unknown option '--weight_decay'; did you mean --weight-decay?" train --weight_decay=3
mistake "unknown option '--batchsize'; did you mean --batch?" train --batchsize 3
mistake "unknown option '-x'" info -x
mistake "--data 'cifar11:x': want cifar10:DIR" train --data cifar11:x
mistake "the folder is missing" train --data cifar10
mistake "--data 'synthetic:0'" train --data synthetic:0
mistake "--data 'synthetic:1e3'" train --data synthetic:1e3
mistake "--epochs needs a value" train --data synthetic --epochs
mistake "--out needs a value" train --data synthetic --out --log x
mistake "--epochs '0'" train --data synthetic --epochs 0
mistake "--epochs '3x'" train --data synthetic --epochs=3x
mistake "--batch '0x20'" train --data synthetic --batch 0x20
mistake "--seed '99999999999999999999'" train --data synthetic --seed 99999999999999999999
mistake "--lr 'nan'" train --data synthetic --lr nan
mistake "--lr '0': want a number above 0" train --data synthetic --lr 0
mistake "--lr '1e-50': that is 0 in single precision" train --data synthetic --lr 1e-50
mistake "--max-lr '1e-50': that is 0" train --data synthetic --schedule one-cycle --max-lr 1e-50
mistake "--l1 '1e-50': that is 0 in single precision; want 0 or a number" train --data synthetic --l1 1e-50
mistake "--ema '0.99999999': that is 1 in single precision; want a number below 1" train --data synthetic --ema 0.99999999
mistake "--momentum '0.99999999': that is 1" train --data synthetic --momentum 0.99999999
mistake "--dropout '1'" train --data synthetic --dropout 1
mistake "--norm 'bath': want none, batch, layer, group or instance" train --data synthetic --norm bath
mistake "--schedule 'cosin': want constant, plateau, step, cosine, one-cycle, polynomial or exponential" train --data synthetic --schedule cosin
mistake "--groups '3'" summary session8 --norm group --groups 3
mistake "--groups goes with --norm group only" summary session8 --groups 8
mistake "--classes goes with session8 or a network of the literature only" summary mnist2 --classes 3
mistake "--size goes with a network of the literature only" summary session8 --size 32x32
mistake "--size goes with --data folder:DIR or masks:DIR only" train --data synthetic --model resnet20 --size 32x32
for size in 64 64x 64x0 64x64x3 axb; do
    mistake "--size '$size': want height and width, such as 64x64" summary resnet18 --size $size
done
mistake "--norm goes with session8 only" train --data synthetic --model mnist3 --norm batch
mistake "--patience goes with --schedule plateau only" train --data synthetic --schedule cosine --patience 2
mistake "--power goes with --schedule polynomial only" train --data synthetic --schedule cosine --power 2
mistake "--warmup-start goes with --warmup only" train --data synthetic --warmup-start 0.1
mistake "--momentum goes with --optimizer sgd or muon only" train --data synthetic --optimizer adam --momentum 0.5
mistake "--recipe 'bets': want study, fast or best" train --data synthetic --recipe bets
mistake "--patience goes with --schedule plateau only" train --data synthetic --recipe best --patience 2
mistake "--no-augment takes no value" train --data synthetic --no-augment=1
mistake "--out and --log are both" train --data synthetic --out "$dir/x" --log "$dir/x"
mistake "network 'session9'" train --data synthetic --model session9
mistake "network 'session9'" summary session9
mistake "MODEL is missing" summary
mistake "MODEL is missing" test --data synthetic
mistake "unexpected argument 'mnist2'" summary session8 mnist2
mistake "unexpected argument 'x'" info x
mistake "IMAGE... is missing" classify --json
mistake "--c is missing" export mnist2
mistake "MODEL is missing" export --c "$dir/x.c"
mistake "--top '0'" classify --top 0 x.png
touch "$dir/file"
mistake "want a folder for the maps of 2 pictures" classify --map "$dir/file" a.png b.png
mistake "the folder is missing" train --data folder:

# ---- things that are not there ----

run 1 train --data "cifar10:$dir/nowhere"
says err "$dir/nowhere"
run 1 train --data "idx:$dir/nowhere" --model mnist3
says err "$dir/nowhere"
run 1 test "$dir/nothing.safetensors" --data synthetic:50
says err "convnet-test: cannot open '$dir/nothing.safetensors': "
run 1 summary "$dir/nothing.safetensors"
says err "$dir/nothing.safetensors"
echo rubbish >"$dir/rubbish.safetensors"
run 1 summary "$dir/rubbish.safetensors"
says err "rubbish.safetensors"

# Results that cannot be written are found out before the training.
for option in --out --log; do
    run 1 train --data synthetic:100 --epochs 1 $option "$dir/nowhere/file"
    says err "cannot write '$dir/nowhere/file'"
    silent out
    run 1 train --data synthetic:100 --epochs 1 $option "$dir"
    says err "cannot write '$dir'"
    silent out
done

# ---- summary and info ----

run 0 summary session8
says out "47,818"
says out "cblock3.2.convlayer"
cat >"$dir/field" <<'EOF'
1 32 1 1 0 3 1 30 3 1
2 30 3 1 0 3 1 28 5 1
3 28 5 1 0 1 1 28 5 1
4 28 5 1 0 2 2 14 6 2
5 14 6 2 1 3 1 14 10 2
6 14 10 2 1 3 1 14 14 2
7 14 14 2 1 3 1 14 18 2
8 14 18 2 0 1 1 14 18 2
9 14 18 2 0 2 2 7 20 4
10 7 20 4 1 3 1 7 28 4
11 7 28 4 1 3 1 7 36 4
12 7 36 4 1 3 1 7 44 4
13 7 44 4 0 7 7 1 68 28
14 1 68 28 0 1 1 1 68 28
EOF
checks=$((checks + 1))
awk '/ rf out /{rows = 1; next} rows && NF == 10 {$1 = rows++; print}' "$dir/out" | diff "$dir/field" - >"$dir/wrong" ||
    fail "receptive field, wanted (<) and shown (>): $(cat "$dir/wrong")"
run 0 summary resnet20
says out "layer3.2.conv2"
says out "272,474"
run 0 summary mobilenet_v2 --size 64x96 --classes 7
says out "32×32×48"
says out "1280×2×3"
run 0 summary session8 --norm none --no-skip --dropout 0
run 0 summary unet --train-batch 96
for batch in 96:1 48:2 24:4; do
    expect "$(grep -cE "^ +${batch%:*} +${batch#*:}  [0-9.]+ [MG]iB$" "$dir/out")" -eq 1
done
mistake "--train-batch '0'" summary session8 --train-batch 0
run 0 summary pretrained
says out "airplane, automobile"
run 1 summary pretrained --self-test
says err "the model has no self-test"
mistake "--norm goes with session8 only" summary pretrained --norm group
for which in 2 3 4 5; do
    run 0 summary mnist$which
    says out "Conv2d"
done
run 0 info
for isa in $(sed -n 's/^flags.*: //p;/^flags/q' /proc/cpuinfo 2>"$dir/err" |
    awk '{ print "portable"; if (/ avx2 / && / fma /) print "avx2"; if (/ avx512vl / && / avx512dq /) print "avx512" }'); do
    CONVNET_MAX_ISA=$isa run 0 info
    says out "instruction set: $isa "
done
says out "threads: "
run 0 info --threads=3
says out "threads:         3"

# ---- a run ----

model=$dir/model.safetensors log=$dir/log.csv
run 0 train --data synthetic:400 --epochs 2 --threads 2 --seed 3 --out "$model" --log "$log"
silent err
says out "est accuracy "
says out "Saved as $model"
expect -s "$model"
header=epoch,train_loss,train_accuracy,test_loss,test_accuracy,learning_rate,seconds,images_per_second
expect "$(head -1 "$log")" = "$header"
expect "$(wc -l <"$log")" -eq 3
expect "$(cut -d, -f1 "$log" | tr '\n' ' ')" = "epoch 1 2 "
number='[0-9]+(\.[0-9]+)?(e[-+]?[0-9]+)?'
expect "$(grep -cE "^[12](,$number){7}\$" "$log")" -eq 2
expect "$(cut -d, -f6 "$log" | sed -n 2p)" = 0.01
expect "$(find "$dir" -name '*safetensors.*' | wc -l)" -eq 0

# The same seed gives the same model for another number of threads; another seed gives another.
run 0 train --data synthetic:400 --epochs 2 --threads 1 --seed 3 --algorithm direct --out "$dir/one.safetensors"
run 0 train --data synthetic:400 --epochs 2 --threads 3 --seed 3 --algorithm direct --out "$dir/three.safetensors"
checks=$((checks + 1))
cmp -s "$dir/one.safetensors" "$dir/three.safetensors" || fail "the number of threads changed the model"
run 0 train --data synthetic:400 --epochs 2 --threads 1 --seed 4 --algorithm direct --out "$dir/other.safetensors"
checks=$((checks + 1))
! cmp -s "$dir/one.safetensors" "$dir/other.safetensors" || fail "the seed did not change the model"

# PyTorch's first weights, left as they are; the first is as in golden/first_weights.txt.
run 0 train --data synthetic:64 --epochs 1 --seed 42 --init pytorch --lr 1e-30 --out "$dir/torch.safetensors"
json_bytes=$(od -An -tu8 -N8 "$dir/torch.safetensors")
expect "$(od -An -tf4 -N4 -j$((8 + json_bytes + 64)) "$dir/torch.safetensors" | tr -d ' ')" = 0.14713551

run 0 summary "$model"
says out "47,818"
run 0 test "$model" --data synthetic:400 --misclassified 3 --predictions 2
silent err
says out " of 80)"
says out "Confusion"
says out "Misclassified: "
says out "Predictions"
accuracy=$(sed -n 's/^loss .*, accuracy \([0-9.]*\) %.*/\1/p' "$dir/out")
logged=$(tail -1 "$log" | cut -d, -f5)
expect "$accuracy" = "$(printf '%.2f' "$logged")"
run 0 test "$model" --data synthetic:400 --split train
says out " of 400)"

# As C, compiled and run.
run 0 export "$model" --c "$dir/net.c" --name shapes
says out "its header in $dir/net.h"
echo '#include "net.h"
int main(void) { return shapes_self_test() || SHAPES_INPUT_FLOATS != 3072; }' >"$dir/main.c"
checks=$((checks + 1))
${CC:-cc} -std=c99 -o "$dir/main" "$dir/main.c" "$dir/net.c" -lm && "$dir/main" || fail "the exported model computes something else"
run 1 export "$model" --c "$dir/net.h"
says err "does not end in .c"

# What the functions cannot be called is said of the option, with what would do. A keyword is only the beginning of a name.
while read -r given near; do
    mistake "--name '$given': functions are called NAME_run and so on, so that it has to be 1 to 40 letters, digits and _, a letter first, such as $near" export "$model" --c "$dir/net.c" --name "$given"
    run 0 export "$model" --c "$dir/named.c" --name "$near"
done <<'EOF_NAMES'
3x net_3x
_x net_x
my-net my_net
a--b/c! a_b_c
naïve na_ve
a23456789012345678901234567890123456789012 a234567890123456789012345678901234567890
EOF_NAMES
mistake "--name '!': functions are called" export "$model" --c "$dir/net.c" --name '!'
checks=$((checks + 1))
! grep -q "such as" "$dir/err" || fail "nothing is near '!'"
mistake "--name needs a value" export "$model" --c "$dir/net.c" --name ''
run 0 export "$model" --c "$dir/int.c" --name int
checks=$((checks + 1))
${CC:-cc} -std=c99 -c -o "$dir/int.o" "$dir/int.c" || fail "a keyword is no beginning of names"

run 0 train --data synthetic:100 --model "$model" --epochs 1 --optimizer adamw --schedule one-cycle --crop 2 --flip 0.5

# The trained one does not know drawn shapes.
run 1 test pretrained --data synthetic:10
says err "of the data is none of the 10 of the model: 'airplane', "

# A recipe, and one with single values changed: the options win wherever they stand.
run 0 train --data synthetic:100 --recipe fast --log "$log"
expect "$(wc -l <"$log")" -eq "$(($(sed -n 's/.*RECIPE_FAST ? \([0-9]*\) :.*/\1/p' examples/programs/common/recipe.c) + 1))"
run 0 train --data synthetic:100 --epochs 1 --optimizer sgd --schedule constant --lr 0.02 --recipe best --augment --log "$log"
expect "$(wc -l <"$log")" -eq 2
expect "$(cut -d, -f6 "$log" | sed -n 2p)" = 0.02
run 0 train --data synthetic:100 --epochs 1 --profile
says out "Where the time went"
expect "$(grep -cE '^cblock1.0.convlayer +Conv2d +[0-9.]+ % +[0-9.]+ +[0-9.]+ % +[0-9.]+$' "$dir/out")" -eq 1
run 0 test "$model" --data synthetic:400 --flip --shift 1 --predictions 2
says out " of 80)"

# A model for ten classes of colour images does not take grey ones, and says so.
run 1 train --data synthetic:100 --model mnist3 --epochs 1
says err "are 3×32×32, but 'mnist3' reads 1×28×28; try --model session8"

run 0 train --data synthetic:40 --model resnet20 --epochs 1 --out "$dir/resnet20.safetensors"
says out "resnet20 with 272,474 parameters"
run 0 test "$dir/resnet20.safetensors" --data synthetic:40

# ---- pictures ----

# picture FILE WIDTH HEIGHT BYTE: a PPM file all of one value.
picture() {
    { printf 'P6\n%d %d\n255\n' "$2" "$3"; head -c $(($2 * $3 * 3)) /dev/zero | tr '\0' "$4"; } >"$1"
}

photos=$dir/photos
mkdir -p "$photos/dark" "$photos/light" "$dir/maps"
for i in 1 2 3 4 5 6 7 8 9 10; do
    picture "$photos/dark/$i.ppm" $((20 + i)) 40 '\040'
    picture "$photos/light/$i.ppm" 40 $((20 + i)) '\340'
done
echo "no picture" >"$photos/light/note.txt"
ln -s "$dir/unmounted/owl" "$photos/owl"
run 0 train --data "folder:$photos" --epochs 2 --no-augment --out "$dir/photos.safetensors"
says out "of 3×32×32 in 2 classes: dark, light"
says err "note.txt' is no PNG, JPEG, PPM, PGM or PBM file"
says err "owl' leads nowhere"
says err " test images are also among the training images, such as '"
expect "$(grep -c "note.txt" "$dir/err")" -eq 1 # it is in one part
run 0 train --data "folder:$photos" --model resnet20 --size 24x16 --epochs 1
says out "of 3×24×16 in 2 classes: dark, light"
run 0 test "$dir/photos.safetensors" --data "folder:$photos"
says out " of 20)"
says out " light "
says out "as the folder has no parts"
run 0 test "$dir/photos.safetensors" --data "folder:$photos" --split train
trained=$(sed -n 's/.* of \([0-9]*\))$/\1/p' "$dir/out")
run 0 test "$dir/photos.safetensors" --data "folder:$photos" --split test
expect "$((trained + $(sed -n 's/.* of \([0-9]*\))$/\1/p' "$dir/out")))" -eq 20
run 1 test pretrained --data "folder:$photos"
says err "class 'dark' of the data is none of the 10 of the model: 'airplane', "
run 0 explore --data "folder:$photos" --index 1 --out "$dir/named" # pictures are called by their files
expect -n "$(grep -o '>dark/[0-9]*.ppm<' "$dir/named/examples.svg")"
expect -n "$(grep -o 'training image 1 of .*: dark/[0-9]*.ppm' "$dir/named/augmented.svg")"
rm "$photos/owl"

# Some of the classes, known by their names.
mkdir -p "$dir/bright"
cp -r "$photos/light" "$dir/bright"
run 0 test "$dir/photos.safetensors" --data "folder:$dir/bright"
says out " of 10)"
run 1 train --data "folder:$dir/bright" --epochs 1
says err "has a single class, 'light'"

# The same, in parts that others have made.
mkdir "$dir/parts"
mv "$photos" "$dir/parts/train"
for name in val Validation dev TEST testing; do
    mkdir -p "$dir/parts/$name/dark"
    picture "$dir/parts/$name/dark/x.ppm" 32 32 '\020'
    run 0 train --data "folder:$dir/parts" --epochs 1 --no-augment
    says out "20 training and 1 test images of 3×32×32 in 2 classes: dark, light"
    says err "class 'light' of '$dir/parts' has no readable picture for testing"
    [ "$name" = testing ] || rm -r "${dir:?}/parts/$name"
done
mkdir "$dir/parts/testing/light"
picture "$dir/parts/testing/light/x.ppm" 32 32 '\360'
run 0 train --data "folder:$dir/parts" --epochs 1
says out "20 training and 2 test images"
run 0 test "$dir/photos.safetensors" --data "folder:$dir/parts"
says out " of 2)"
run 0 test "$dir/photos.safetensors" --data "folder:$dir/parts" --split all
says out " of 22)"
mkdir -p "$dir/parts/testing/lihgt"
run 1 train --data "folder:$dir/parts" --epochs 1
says err "testing' has a class 'lihgt', which '$dir/parts/train' does not have"
rmdir "$dir/parts/testing/lihgt"
run 1 train --data "folder:$dir/parts/testing" --epochs 1
says err "no class of '$dir/parts/testing' has pictures enough"
run 1 train --data "folder:$dir/maps" --epochs 1
says err "has no subfolders"

image=$dir/parts/train/light/7.ppm
run 0 classify "$image"
says out " %  "
expect "$(wc -l <"$dir/out")" -eq 6
silent err
run 0 classify --model "$dir/photos.safetensors" --top 5 "$image"
says out "light"
expect "$(wc -l <"$dir/out")" -eq 3
run 1 classify --json --top 1 "$image" "$dir/none\".png" "$dir/maps" "$image"
expect "$(grep -c '"probability": ' "$dir/out")" -eq 2
says out 'none\".png'
says out '"error": "cannot open'
says err "convnet-classify: cannot classify '$dir/maps': it is a folder: name the pictures in it" # named once
run 0 classify --map "$dir/map.ppm" --flip --shift 2 --top 1 "$image"
says out "$dir/map.ppm"
run 0 classify --map "$dir/maps" "$image" "$dir/map.ppm" "$image"
expect -s "$dir/maps/7-map.png" -a -s "$dir/maps/7-map-2.png" -a -s "$dir/maps/map-map.png"
run 0 classify --map "$dir/newmaps" "$image" "$dir/map.ppm"
expect -s "$dir/newmaps/7-map.png" -a -s "$dir/newmaps/map-map.png"

# A map never takes the place of what is read, also not of a picture that is yet to be read.
cp "$image" "$dir/kept.png"
mistake "IMAGE and --map are both" classify "$dir/kept.png" --map "$dir/kept.png"
mistake "are the same file" classify "$dir/kept.png" --map "$dir/./kept.png"
mkdir "$dir/spared" && cp "$image" "$dir/spared/kept-map.png"
mistake "IMAGE and --map's are both" classify "$dir/kept.png" "$dir/spared/kept-map.png" --map "$dir/spared"
mistake "--model and --map are both" classify "$image" --model "$dir/photos.safetensors" --map "$dir/photos.safetensors"
mistake "--names and --map are both" classify "$image" --names "$dir/names" --map "$dir/names"
line="convnet-classify - <picture --map picture"
"$bin/convnet-classify" - --map "$dir/kept.png" <"$dir/kept.png" >"$dir/out" 2>"$dir/err"
expect $? -eq 2
cmp -s "$image" "$dir/kept.png" && cmp -s "$image" "$dir/spared/kept-map.png" || fail "a picture was replaced by a map"
cp "$image" "$dir/stdin.ppm"
"$bin/convnet-classify" - "$dir/stdin.ppm" --map "$dir/spared" <"$image" >"$dir/out" 2>"$dir/err"
expect -s "$dir/spared/stdin-map.png" -a -s "$dir/spared/stdin-map-2.png"
run 1 classify --map "$dir/map.txt" "$image"
says err "map.txt' does not end with .png"
line="convnet-classify - <picture"
"$bin/convnet-classify" - --top 1 <"$image" >"$dir/out" 2>"$dir/err"
expect $? -eq 0
"$bin/convnet-classify" - <"$0" >"$dir/out" 2>"$dir/err"
expect $? -eq 1
says err "is no PNG"

# ---- reports ----

run 0 train --data synthetic:200 --epochs 2 --report "$dir/report"
says out "Report in $dir/report/report.html"
silent err
expect "$(head -1 "$dir/report/history.csv")" = "$header"
expect "$(wc -l <"$dir/report/history.csv")" -eq 3
for file in report.html curves.svg learning-rate.svg learning-rate.csv confusion.svg class-accuracy.svg misclassified.svg; do
    expect -s "$dir/report/$file"
done
# Rates step by step: 4 batches an epoch, a cycle that rises for 30 % of 2 epochs and ends near 0.
run 0 train --data synthetic:128 --epochs 2 --schedule one-cycle --report "$dir/report"
expect "$(head -1 "$dir/report/learning-rate.csv")" = "epoch,learning_rate"
expect "$(sed -n '2p' "$dir/report/learning-rate.csv")" = "0,0.004"
expect "$(tail -1 "$dir/report/learning-rate.csv" | cut -d, -f1)" = 2
expect "$(cut -d, -f1 "$dir/report/learning-rate.csv" | sort -u | wc -l)" -eq 10
expect "$(grep -c '>Learning rate, step by step</text>' "$dir/report/report.html")" -eq 1
run 1 train --data synthetic:200 --epochs 1 --report "$dir/nowhere/report"
says err "cannot make the folder '$dir/nowhere/report'"
run 0 explore --data synthetic:50 --model "$model" --layer tblock1.1 --out "$dir/sheets"
for file in examples augmented filters activations; do
    expect -s "$dir/sheets/$file.svg"
done
mistake "--layer goes with --model only" explore --data synthetic --layer x
run 1 explore --data synthetic:50 --model "$model" --layer nothing --out "$dir/unwritten"
says err "has no layer 'nothing'"
expect ! -e "$dir/unwritten"
run 1 explore --data synthetic:50 --index 50 --out "$dir/unwritten"
says err "--index 50: 'synthetic:50' has 50 training images"
expect ! -e "$dir/unwritten"

# ---- runs compared ----

mistake "RUN... is missing" compare --out "$dir/c"
run 0 compare --help
says out "Usage: convnet-compare RUN... [OPTION]..."
for seed in 3 4; do
    for norm in none batch; do
        run 0 train --data synthetic:100 --norm $norm --seed $seed --epochs 2 --report "$dir/$norm-$seed"
    done
done
run 0 compare "$dir/none-3" "$dir/none-4/" "$dir/batch-3/history.csv" "$dir/batch-4" --out "$dir/c"
says out "batch          2"
says out "none           2"
says out ", 2 seeds"
says out "Report in $dir/c/report.html"
expect "$(grep -c 'They differ in: norm.</p>' "$dir/c/report.html")" -eq 1
expect "$(grep -c '<th scope="row">synthetic:100</th>\|<td>synthetic:100</td>' "$dir/c/report.html")" -eq 1
expect "$(grep -c '2 ways to train' "$dir/c/report.html")" -eq 1
expect -s "$dir/c/curves.svg"
expect "$(grep -c '>Learning rate, step by step</text>' "$dir/c/report.html")" -eq 1
# Folders that earlier versions have left have epochs' means alone, and a file that is none is said.
cp -r "$dir/none-3" "$dir/earlier"
rm "$dir/earlier/learning-rate.csv"
cp -r "$dir/earlier" "$dir/earlier-2"
run 0 compare "$dir/earlier" "$dir/earlier-2" --out "$dir/c"
silent err
expect "$(grep -c '>Learning rate, mean of each epoch</text>' "$dir/c/report.html")" -eq 1
for text in 'epoch,learning_rate
0,0.1
1,x' 'epoch,learning_rate
1,0.1
0,0.1
' 'x'; do
    printf '%s' "$text" >"$dir/earlier/learning-rate.csv"
    run 0 compare "$dir/earlier" "$dir/none-4" --out "$dir/c"
    says err "warning: '$dir/earlier/learning-rate.csv' is not as convnet-train leaves it: learning rates are shown as far as they are known"
done
rm -r "$dir/c" "$dir/earlier" "$dir/earlier-2"
# One run each, by the names of their folders, since more than two settings differ; and a log, of which no more is known.
run 0 train --data synthetic:100 --recipe fast --epochs 1 --report "$dir/fast" --log "$dir/fast.csv"
run 0 compare "$dir/fast" "$dir/none-3" --out "$dir/c"
says out "fast           1"
says out "none-3         1"
says out "A single seed says nothing about chance"
run 0 compare "$dir/fast.csv" "$dir/none-3" --out "$dir/c"
expect "$(grep -c 'fast.csv is a log alone: its settings are not known' "$dir/c/report.html")" -eq 1
run 0 compare "$dir/fast.csv" "$dir/none-3" --json --quiet
says out '"tested_on": "test"'
says out '"name": "none-3"'
expect "$(grep -c '"seed": null' "$dir/out")" -eq 1
silent err
# What no other setting tells of tells runs apart, too, and a run that is there twice is one seed.
for crop in 2 4; do
    run 0 train --data synthetic:100 --crop $crop --epochs 1 --report "$dir/crop-$crop"
done
run 0 compare "$dir/crop-2" "$dir/crop-4"
says out "2              1"
says out "4              1"
cp -R "$dir/crop-2" "$dir/again-2" && cp -R "$dir/crop-4" "$dir/again-4"
run 0 compare "$dir/crop-2" "$dir/crop-4" "$dir/again-2" "$dir/again-4"
expect "$(grep -c 'interval\|±' "$dir/out")" -eq 0
# Logs of one name, tested on other images; a folder as Tab completes it; and a report that would be replaced.
cp "$dir/fast/history.csv" "$dir/fast-too.csv"
sed 's/,test_/,validation_/g' "$dir/fast-too.csv" >"$dir/none-4.csv"
run 0 compare "$dir/none-4" "$dir/none-4.csv"
says out "none-4 (2)     1"
says err "'$dir/none-4' was tested on test images, but '$dir/none-4.csv' on validation images"
run 0 compare --json "$dir/none-4/"
says out '"name": "none-4"'
mistake "--out and RUN" compare "$dir/none-3" "$dir/none-4" --out "$dir/none-4"
mistake "--out and RUN" compare "$dir/none-3" "$dir/none-4/history.csv" --out "$dir/none-4"
expect "$(grep -c 'class="compare' "$dir/none-4/report.html")" -eq 0
# What is no run is named.
run 1 compare "$dir/none-3" "$dir/c"
says err "'$dir/c' is no run: a folder without history.csv"
run 1 compare "$dir/none-3" "$dir/c/curves.svg"
says err "'$dir/c/curves.svg' is no run: want the folder of a --report, or the CSV file of a --log"
run 1 compare "$dir/none-3" "$dir/nothing"
says err "cannot read '$dir/nothing': No such file or directory"
head -1 "$dir/fast.csv" >"$dir/empty.csv"
run 1 compare "$dir/none-3" "$dir/empty.csv"
says err "'$dir/empty.csv' has no whole epoch yet"
sed 's/accuracy/mae/g' "$dir/fast.csv" >"$dir/mae.csv"
run 1 compare "$dir/none-3" "$dir/mae.csv"
says err "'$dir/none-3' has accuracy, but '$dir/mae.csv' MAE"
run 1 compare "$dir/none-3" --out "$dir/no/such"
says err "cannot make the folder"
# Settings with commas, quotes and markup, and a log that was cut short.
printf 'setting,value\ndata,"a ""<b>"", c"\nseed,1\n' >"$dir/none-3/settings.csv"
printf '3,1.5' >>"$dir/none-3/history.csv"
run 0 compare "$dir/none-3" "$dir/none-4" --out "$dir/c"
expect "$(grep -c 'a &quot;&lt;b&gt;&quot;, c</td>' "$dir/c/report.html")" -eq 1
expect "$(grep -c 'were measured on the same images' "$dir/c/report.html")" -eq 1
rm -r "$dir/c"
# Histories of earlier releases are read for ever.
run 0 compare tests/golden/1.0/comparison/*.csv
says out "batch-0        1           24.00           10.00"

# ---- an output that is full ----

if [ -w /dev/full ]; then
    line="convnet-summary session8 >/dev/full"
    "$bin/convnet-summary" session8 >/dev/full 2>"$dir/err"
    expect $? -eq 1
    says err "cannot write to standard output"
fi

done_with programs
