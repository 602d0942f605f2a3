#!/bin/sh
# SPDX-License-Identifier: MIT
# test_convert.sh: convnet-convert as a user would run it: every kind of file into every other and back, mistakes, files
# that are not what they seem, and what is left behind when something fails.
. tests/programs.sh

# ---- help, and mistakes ----

run 0 convert --help
says out "Usage: convnet-convert IN OUT [OPTION]..."
says out "Exit codes: 0"
silent err
checks=$((checks + 1))
awk 'length > 80 { exit 1 }' "$dir/out" || fail "a line of more than 80 columns"
run 0 convert --version
says out "convnet-convert 1."

mistake "IN OUT is missing" convert
mistake "OUT is missing" convert pretrained
mistake "unexpected argument 'c'" convert a b c
for name in weights weights.pt .npz "$dir/" model.safetensors.gz; do
    mistake "OUT '$name': want a name that ends with .safetensors, .onnx or .npz" convert pretrained "$name"
done
mistake "--weights 'half': want float32, float16 or bfloat16" convert pretrained a.npz --weights half
mistake "--weights goes with OUT.safetensors and OUT.npz only" convert pretrained a.onnx --weights float16
mistake "numpy has no such type" convert pretrained a.npz --weights bfloat16
mistake "--compress goes with OUT.npz only" convert pretrained a.safetensors --compress
mistake "--pixels goes with OUT.onnx only" convert pretrained a.npz --pixels
mistake "--classes goes with --network only" convert a.npz b.safetensors --classes 10
mistake "--norm goes with session8 only" convert a.npz b.onnx --network resnet20 --norm batch
mistake "network 'resnet19'" convert a.npz b.onnx --network resnet19
mistake "--tolerance '-1'" convert pretrained a.onnx --tolerance -1
cp weights/session8-cifar10.safetensors "$dir/same.safetensors"
ln -s same.safetensors "$dir/link.safetensors"
mistake "IN and OUT are both" convert "$dir/same.safetensors" "$dir/same.safetensors"
mistake "are the same file" convert "$dir/same.safetensors" "$dir/link.safetensors"
mistake "--network says what tensors of IN belong to, and 'pretrained' is a network" convert pretrained "$dir/x.onnx" \
    --network resnet18
run 1 convert resnet18 "$dir/x.onnx"
says err "'resnet18' is a network that is yet to be trained: want a model file"
run 1 convert pretraind "$dir/x.onnx"
says err "did you mean pretrained?"
mistake "--network and OUT are both" convert a.npz "$dir/same.safetensors" --network "$dir/same.safetensors"
mistake "MODEL and --c are both" export "$dir/same.c" --c "$dir/same.c"
mistake "MODEL and --c's are both" export "$dir/same.h" --c "$dir/same.c"
expect -z "$(cmp weights/session8-cifar10.safetensors "$dir/same.safetensors")"

# ---- a network, in every kind of file and back ----

# same FILE FILE: they have the same bytes.
same() {
    checks=$((checks + 1))
    cmp -s "$1" "$2" || fail "'$1' and '$2' differ"
}

run 0 convert pretrained "$dir/a.safetensors"
says out "a.safetensors: safetensors, 47,818 parameters"
says out "Largest difference on random images: 0, 0 of the largest output"
silent err
run 0 convert "$dir/a.safetensors" "$dir/twice.safetensors"
same "$dir/a.safetensors" "$dir/twice.safetensors"

# A network that has learnt nothing but NaN, as PyTorch would have saved it.
run 0 convert pretrained "$dir/nan.npz"
run 0 convert "$dir/nan.npz" "$dir/nan.safetensors"
printf '\000\000\300\177' | dd of="$dir/nan.safetensors" bs=1 conv=notrunc \
    seek=$(($(wc -c <"$dir/nan.safetensors") - 4)) 2>"$dir/dd"
run 0 convert "$dir/nan.safetensors" "$dir/nan.onnx" --network session8
says err "nan.safetensors': some outputs on random images are infinite or not a number; the others were compared"

run 0 convert "$dir/a.safetensors" "$dir/a.onnx"
says out "a.onnx: ONNX, 47,818 parameters"
run 0 convert "$dir/a.onnx" "$dir/from_onnx.safetensors"
run 0 summary "$dir/from_onnx.safetensors"
says out "47,818"
run 0 convert "$dir/a.onnx" "$dir/again.onnx"

run 0 convert "$dir/a.safetensors" "$dir/pixels.onnx" --pixels
says out "pixels.onnx: ONNX"
run 0 convert "$dir/pixels.onnx" "$dir/pixels.safetensors"
run 0 summary "$dir/pixels.safetensors"
says out "47,8"

run 0 convert "$dir/a.safetensors" "$dir/a.npz"
says out "a.npz: numpy's .npz, 47,818 parameters"
run 0 convert "$dir/a.npz" "$dir/named.safetensors" --network session8
run 0 convert "$dir/named.safetensors" "$dir/again.npz"
same "$dir/a.npz" "$dir/again.npz"
run 0 convert "$dir/a.npz" "$dir/named.onnx" --network "$dir/a.safetensors"
same "$dir/a.onnx" "$dir/named.onnx"

# ---- tensors without a network ----

run 0 convert "$dir/a.npz" "$dir/tensors.safetensors"
says out "tensors.safetensors: safetensors, 52 tensors"
says out "Largest difference of numbers: 0, 0 of the largest in its tensor"
run 0 convert "$dir/tensors.safetensors" "$dir/tensors.npz" --compress
says out "52 tensors"
expect "$(wc -c <"$dir/tensors.npz")" -lt "$(wc -c <"$dir/a.npz")"
run 0 convert "$dir/tensors.npz" "$dir/whole.npz"
same "$dir/a.npz" "$dir/whole.npz"
run 1 convert "$dir/a.npz" "$dir/none.onnx"
says err "'$dir/a.npz' holds 52 tensors but no network; say with --network which one they belong to"
run 1 convert "$dir/a.npz" "$dir/none.onnx" --network resnet20
says err "it has no tensor 'conv1.weight'"
run 0 convert tests/golden/npy/stored.npz "$dir/numpy.safetensors"
says out "48 tensors"

# Tensors say nothing of classes and pixels: such a model can be measured, and shown pictures as soon as it is told.
picture=tests/golden/images/colour.jpg
run 0 convert "$dir/tensors.safetensors" "$dir/mute.safetensors" --network session8
run 1 classify --model "$dir/mute.safetensors" "$picture"
says err "'$dir/mute.safetensors' does not say how pixels are normalised"
says err "'convnet-convert $dir/mute.safetensors OUT.safetensors --mean M,M,M --std S,S,S' makes a model that does"
run 0 test "$dir/mute.safetensors" --data synthetic:20 --predictions 2
says out "Predictions"
printf '%s\n' a b c d e f g h i j >"$dir/letters"
told="--names $dir/letters --mean 0.5,0.5,0.5 --std 0.25,0.25,0.25"
run 0 convert "$dir/mute.safetensors" "$dir/told.safetensors" $told
run 0 convert "$dir/tensors.safetensors" "$dir/told2.safetensors" --network session8 $told
same "$dir/told.safetensors" "$dir/told2.safetensors"
run 0 classify --model "$dir/told.safetensors" "$picture"
silent err
says out " %  "
run 0 convert "$dir/told.safetensors" "$dir/told.onnx" --pixels
run 1 convert "$dir/tensors.safetensors" "$dir/told3.safetensors" $told
says err "holds tensors but no network, which --names, --mean and --std are of"
run 1 convert "$dir/mute.safetensors" "$dir/told3.safetensors" --mean 0.5 --std 0.5
says err "cannot describe the network so"
head -3 "$dir/letters" >"$dir/three"
run 1 convert "$dir/mute.safetensors" "$dir/told3.safetensors" --names "$dir/three"
mistake "--mean goes with --std" convert "$dir/mute.safetensors" "$dir/told3.safetensors" --mean 0.5,0.5,0.5
mistake "--names goes with OUT.safetensors" convert "$dir/mute.safetensors" "$dir/told3.npz" --names "$dir/letters"
mistake "--std '1,x,1': want a positive number" convert a.npz b.onnx --mean 1,1,1 --std 1,x,1
mistake "--std '1,0,1': want a positive number" convert a.npz b.onnx --mean 1,1,1 --std 1,0,1
mistake "want as many numbers" convert a.npz b.onnx --mean 1,1,1 --std 1,1
mistake "--names and OUT are both" convert a.npz "$dir/l.onnx" --names "$dir/l.onnx"

# Of a file with texts beside its tensors, .npz has none.
run 0 convert tests/corpus/tensors/two.safetensors "$dir/two.npz"
says err "note: .npz has no texts beside tensors, so 1 of 'tests/corpus/tensors/two.safetensors' stay behind"
run 0 convert tests/corpus/tensors/two.safetensors "$dir/two.safetensors"
same tests/corpus/tensors/two.safetensors "$dir/two.safetensors"

# ---- weights of 16 bits ----

for weights in float16 bfloat16; do
    run 0 convert "$dir/a.safetensors" "$dir/$weights.safetensors" --weights $weights
    expect "$(wc -c <"$dir/$weights.safetensors")" -lt 120000
    run 0 convert "$dir/$weights.safetensors" "$dir/wide.safetensors"
    run 0 convert "$dir/wide.safetensors" "$dir/narrow.safetensors" --weights $weights
    same "$dir/$weights.safetensors" "$dir/narrow.safetensors"
done
run 0 convert "$dir/a.safetensors" "$dir/half.npz" --weights float16
run 0 convert "$dir/tensors.safetensors" "$dir/half_tensors.safetensors" --weights float16
says out "52 tensors"

# ---- what fails leaves OUT as it was, and nothing beside it ----

cp "$dir/a.onnx" "$dir/old.safetensors"
before=$(ls "$dir")
run 1 convert "$dir/a.safetensors" "$dir/old.safetensors" --weights float16 --tolerance 0
says err "'$dir/old.safetensors' is not written: outputs on random images would differ by up to "
silent out
same "$dir/a.onnx" "$dir/old.safetensors"
run 1 convert "$dir/a.safetensors" "$dir/new.safetensors" --weights float16 --tolerance 1e-9
expect ! -e "$dir/new.safetensors"
run 1 convert "$dir/missing.onnx" "$dir/new.safetensors"
says err "cannot open '$dir/missing.onnx'"
run 1 convert "$dir" "$dir/new.safetensors"
says err "not a regular file"
run 1 convert README.md "$dir/new.npz"
says err "'README.md': it is neither a safetensors nor an ONNX file"
head -c 100000 "$dir/a.safetensors" >"$dir/cut"
run 1 convert "$dir/cut" "$dir/new.npz"
says err "'$dir/cut': "
rm "$dir/cut"

# Files of tensors that cannot be read as such: what is wrong with the tensors is said, and not that they are no network.
{
    printf '?\000\000\000\000\000\000\000{"a": {"dtype": "C64", "shape": [1], "data_offsets": [0, 8]}}  '
    printf 12345678
} >"$dir/complex"
run 1 convert "$dir/complex" "$dir/new.npz"
says err "C64"
expect "$(grep -c network "$dir/err")" -eq 0
run 1 convert tests/golden/npy/wide.npy "$dir/new.npz"
says err "it is an array of numpy's without a name"
rm "$dir/complex"
run 1 convert pretrained "$dir/nowhere/a.onnx"
says err "cannot write '$dir/nowhere/a.onnx'"
mkdir "$dir/folder.onnx"
run 1 convert pretrained "$dir/folder.onnx"
says err "it is not a plain file"
rmdir "$dir/folder.onnx"
expect "$(ls "$dir")" = "$before"

done_with convert
