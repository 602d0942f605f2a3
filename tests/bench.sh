#!/bin/sh
# SPDX-License-Identifier: MIT
# bench.sh: `make bench`: the library beside PyTorch, ONNX Runtime and the machine's own multiply-add peak, in turn,
# with medians, ratios and what was aimed at; also as build/bench.csv. A peer that is not installed is named and left
# out, and no time is ever a failure. From the environment: ROWS, a regular expression, takes the rows that match only;
# ROUNDS and SECONDS_EACH change the defaults; THREADS stands in for the 2 of most rows, as 1 on a machine that others
# use. PYTHON names the interpreter that has torch, if it is neither the first one nor Debian's; NODE_PATH the
# node_modules that has onnxruntime-node; START_PEER a program that loads session 8, classifies an image and prints what
# it took, as bench_start.c does, and its name: bench_start_ncnn.cpp is one.
set -eu
program=${1:-tests/bin/bench_training} info=${2:-examples/bin/convnet-info} starter=${3:-tests/bin/bench_start}
rounds=${ROUNDS:-5} seconds=${SECONDS_EACH:-0.7} wanted=${ROWS:-.} threads=${THREADS:-2}
csv=build/bench.csv
dir=$(mktemp -d)
cores=$(getconf _NPROCESSORS_ONLN)
peers=
trap 'kill $peers 2>/dev/null || :; rm -rf "$dir"' EXIT
trap 'exit 1' HUP INT TERM
trap '' PIPE # a peer that died is noticed by its silence

# A row is what it is called | the unit it is shown in | the ratio aimed at, at most that with a < | a job: pass,
# network, batch and threads | what it stands beside: peers that do the same job, of which the best counts; the peak; or
# another job of ours. Units: nothing for images a second; us and ms for an image; step for a step in ms, and the ratio
# of two; epoch for 50,000 images in seconds; GFLOP/s; cpu and MB of a program. Rows of more than two threads are for
# machines with as many cores.
rows() {
    cat <<END
session 8, batch norm, training, batch 32||9|train batch 32 2|torch
session 8, zero padding, no dropout, training, batch 32||3.5|train zero 32 2|torch
session 8, group norm, training, batch 32||6|train group 32 2|torch
session 8, layer norm, training, batch 32||6|train layer 32 2|torch
session 8, batch norm, GFLOP/s of the FMA peak|GFLOP/s|0.6|train batch 32 2|peak
session 8, random changes to images, beside none||0.85|augment batch 32 2|train batch 32 2
session 8, two threads beside one||1.8|train batch 32 2|train batch 32 1
session 8, 4 threads beside 2||1.5|train batch 32 4|train batch 32 2
session 8, 8 threads beside 2||2.3|train batch 32 8|train batch 32 2
session 8, 16 threads beside 2||3|train batch 32 16|train batch 32 2
session 8, a step of batch 8 beside 16|step|<0.6|train batch 8 2|train batch 16 2
session 8, a step of batch 17 beside 32|step|<0.65|train batch 17 2|train batch 32 2
session 8, a step of batch 24 beside 32|step|<0.8|train batch 24 2|train batch 32 2
session 8, an epoch: 50,000 changed, 10,000 tested|epoch|8|epoch batch 32 2|torch
session 8, inference, batch 128||2.5|infer batch 128 2|torch onnx
session 8, one image on one thread|us|1.5|infer batch 1 1|torch onnx
MobileNetV1 at 96, one image on one thread|ms|1.2|infer mobilenet_v1 1 1|torch onnx
MobileNetV1 at 96, inference, batch 16||1.2|infer mobilenet_v1 16 2|torch onnx
MobileNetV1 at 96, training, batch 32||2|train mobilenet_v1 32 2|torch
MobileNetV2 at 96, one image on one thread|ms|1.2|infer mobilenet_v2 1 1|torch onnx
MobileNetV2 at 96, inference, batch 16||1.2|infer mobilenet_v2 16 2|torch onnx
MobileNetV2 at 96, training, batch 32||2|train mobilenet_v2 32 2|torch
ResNet-18 at 224, one image on one thread|ms|1.2|infer resnet18 1 1|torch onnx
ResNet-18 at 224, inference, batch 16||1.3|infer resnet18 16 2|torch onnx
ResNet-18 at 224, training, batch 16||1.8|train resnet18 16 2|torch
ResNet-18 (CIFAR), training, batch 32||2|train resnet18_cifar 32 2|torch
ResNet-18 (CIFAR), training, batch 8||1.3|train resnet18_cifar 8 2|torch
ResNet-18 (CIFAR), training, batch 1||1|train resnet18_cifar 1 2|torch
ResNet-18 (CIFAR), a step of batch 8 beside 16|step|<0.6|train resnet18_cifar 8 2|train resnet18_cifar 16 2
ResNet-18 (CIFAR), a step of batch 17 beside 32|step|<0.65|train resnet18_cifar 17 2|train resnet18_cifar 32 2
ResNet-18 (CIFAR), a step of batch 24 beside 32|step|<0.8|train resnet18_cifar 24 2|train resnet18_cifar 32 2
ResNet-20, 16-32-64, training, batch 32||2|train resnet20 32 2|torch
64-128-256 network, training, batch 32||2|train plain256 32 2|torch
MNIST model 2, training, batch 32||3|train mnist2 32 2|torch
linear layer, 3072 to 1000, training, batch 128||0.9|train linear 128 2|torch
linear layer, 3072 to 1000, inference, batch 128||0.9|infer linear 128 2|torch onnx
session 8 loaded, one image: a program's CPU time|cpu|<1.2|start 1 1 1|program
session 8 loaded, one image: a program's memory|MB|<1.2|start 2 1 1|program
END
}

# ---- sides: each is a program that says who it is and then answers every line with a line ----

start() { # NAME DESCRIPTOR COMMAND: writes to DESCRIPTOR, reads from the next; leaves the greeting in `greeting`
    name=$1 to=$2
    shift 2
    mkfifo "$dir/$name.in" "$dir/$name.out"
    "$@" <"$dir/$name.in" >"$dir/$name.out" 2>"$dir/$name.log" &
    peers="$peers $!"
    eval "exec $to>'$dir/$name.in' $((to + 1))<'$dir/$name.out'"
    read -r greeting <&$((to + 1)) || greeting=
}

ask() { # DESCRIPTOR LINE: leaves what came back in `answer`, nothing if the peer is gone
    { echo "$2" >&"$1"; } 2>/dev/null && read -r answer <&$(($1 + 1)) || answer=
}

say_missing() { # WHO NAME HOW
    reason=$(grep -m 1 -E 'Error|not found' "$dir/$2.log") || reason='it has no model to run'
    echo "$1 is left out ($reason); $3"
}

# Debian's OpenBLAS takes a new processor of a kind that it knows for one without AVX.
openblas_core() {
    [ -z "${OPENBLAS_CORETYPE:-}" ] || { echo "$OPENBLAS_CORETYPE"; return; }
    flags=$(grep -m 1 ^flags /proc/cpuinfo 2>/dev/null) || return 0
    case $flags in
    *avx512vl*) echo SkylakeX ;;
    *avx2*) if grep -q AuthenticAMD /proc/cpuinfo; then echo Zen; else echo Haswell; fi ;;
    esac
}

start ours 3 "$program"
ours=$greeting
[ -n "$ours" ] || { cat "$dir/ours.log" >&2; exit 1; }
for python in ${PYTHON:-python3 /usr/bin/python3}; do
    "$python" -c 'import torchvision' 2>"$dir/torch.log" && break
done
# PyTorch asks for its tensors' memory anew in every step. Let glibc keep it: handed back and forth it would cost page
# faults, which on some virtual machines take more time than the arithmetic.
keep="MALLOC_MMAP_THRESHOLD_=4294967296 MALLOC_TRIM_THRESHOLD_=4294967296 MALLOC_TOP_PAD_=67108864"
core=$(openblas_core)
start torch 5 env $keep ${core:+OPENBLAS_CORETYPE=$core} "$python" tests/bench_torch.py
torch=$greeting
start onnx 7 node tests/bench_onnx.js "$dir"
onnx=${torch:+$greeting}
start_peer=${START_PEER:+$($START_PEER | cut -d ' ' -f 3-)}

"$info" --threads "$threads" | tee "$dir/info"
compiler=$(${CC:-cc} --version | head -n 1)
printf 'compiler:        %s\n' "$compiler"
printf 'peer:            %s\n' "${torch:-$(say_missing PyTorch torch 'Debian: python3-torch python3-torchvision')}" \
    "${onnx:-$(say_missing 'ONNX Runtime' onnx 'see tests/README.md')}"
printf 'peer:            %s\n' "${start_peer:-START_PEER, a program that starts and classifies an image, is not named}"
printf 'load:            %s (others at work here spoil the figures)\n\n' \
    "$(cut -d ' ' -f 1-3 /proc/loadavg 2>/dev/null || echo unknown)"

# ---- measuring: adds WHO|JOB|RATE GFLOPS to a row's answers ----

measure_start() { # WHO JOB COMMAND...
    column=$(echo "$2" | cut -d ' ' -f 2)
    line="$1|$2|"
    shift 2
    [ -z "${1:-}" ] || ! took=$("$@") || echo "$line$(echo "$took" | cut -d ' ' -f "$column") 0" >>"$dir/answers"
}

measure() { # WHO JOB
    case $1 in
    ours) to=3 there=$ours ;;
    torch) to=5 there=$torch ;;
    onnx) to=7 there=$onnx ;;
    esac
    answer=
    [ -z "$there" ] || ask "$to" "$2 $seconds"
    [ -z "$answer" ] || echo "$1|$2|$answer" >>"$dir/answers"
}

# A network for ONNX Runtime.
export_network() { # JOB
    network=$(echo "$1" | cut -d ' ' -f 2)
    [ -z "$onnx" ] || [ -e "$dir/$network.onnx" ] || ask 5 "export $network $dir/$network.onnx"
}

measure_row() { # JOB BESIDE
    : >"$dir/answers"
    case $2 in *onnx*) export_network "$1" ;; esac
    ask 3 "peak - 0 ${1##* } 0.1"
    echo "${1##* } $answer" >>"$dir/peaks"
    round=0
    while [ $((round += 1)) -le "$rounds" ]; do
        case $1 in
        start*)
            measure_start ours "$1" "$starter"
            measure_start program "$1" ${START_PEER:-}
            continue
            ;;
        esac
        measure ours "$1"
        case $2 in
        *torch*) measure torch "$1" ;;
        peak) ;;
        *) measure ours "$2" ;;
        esac
        case $2 in *onnx*) measure onnx "$1" ;; esac
    done
    echo forget >&3
    { echo forget >&5; } 2>/dev/null || :
    { echo forget >&7; } 2>/dev/null || :
}

# ---- a row from its answers ----

show_row() { # WHAT UNIT GOAL JOB BESIDE: prints it, and adds it to the table
    awk -F '|' -v what="$1" -v unit="$2" -v goal="$3" -v job="$4" -v beside="$5" -v csv=$csv -v start_peer="$start_peer" '
function median(who, job,    list, n, i, j, t) {
    n = count[who, job]
    for (i = 0; i < n; i++)
        list[i] = rate[who, job, i]
    for (i = 1; i < n; i++)
        for (j = i; j > 0 && list[j] < list[j - 1]; j--) {
            t = list[j]; list[j] = list[j - 1]; list[j - 1] = t
        }
    return n == 0 ? 0 : n % 2 ? list[(n - 1) / 2] : (list[n / 2 - 1] + list[n / 2]) / 2
}
function show(rate, batch) {
    if (!rate)
        return "-"
    if (unit == "epoch")
        return sprintf("%.1f s", 50000 / rate)
    if (unit == "us")
        return sprintf("%.0f us", 1e6 / rate)
    if (unit == "ms")
        return sprintf("%.1f ms", 1e3 / rate)
    if (unit == "step")
        return sprintf("%.1f ms", 1e3 * batch / rate)
    if (unit == "cpu")
        return sprintf("%.1f ms", rate)
    if (unit == "MB")
        return sprintf("%.1f MB", rate)
    return sprintf(rate < 100 ? "%.1f" : "%.0f", rate)
}
NF == 3 { # an answer
    split($3, words, " ")
    rate[$1, $2, count[$1, $2]++] = words[1] + 0
    work[$1, $2] = words[1] ? words[2] / words[1] : 0
    next
}
{ # a peak: THREADS 0 GFLOP/s
    split($0, words, " ")
    if (words[3] + 0 > peak[words[1]])
        peak[words[1]] = words[3] + 0
}
END {
    names["torch"] = "PyTorch"
    names["onnx"] = "ONNX Runtime"
    names["peak"] = "FMA peak"
    names["program"] = start_peer ? start_peer : "START_PEER"
    sub(/ .*/, "", names["program"])
    split(job, mine, " "); split(beside, other, " ")
    ours = median("ours", job)
    share = peak[mine[4]] ? ours * work["ours", job] / peak[mine[4]] : 0
    if (beside ~ /torch|program/) {
        peers = split(beside, list, " ")
        name = names[list[1]]
        for (i = 1; i <= peers; i++)
            if (median(list[i], job) > theirs) {
                theirs = median(list[i], job)
                name = names[list[i]]
            }
    } else if (beside == "peak") {
        ours = share * peak[mine[4]]; theirs = peak[mine[4]]; name = names["peak"]
    } else {
        theirs = median("ours", beside); name = "ours"
    }
    if (unit == "step")
        ratio = ours && theirs ? (mine[3] / ours) / (other[3] / theirs) : 0
    else
        ratio = theirs ? ours / theirs : 0
    bound = goal; sub(/</, "", bound)
    reached = goal ~ /</ ? ratio <= bound + 0 : ratio >= bound + 0
    printf "%-55s %8s %8s %-13s %6s %6s %7s %6s\n", what, show(ours, mine[3]), show(theirs, other[3]), name,
        (ratio ? sprintf("%.2f", ratio) : "-"), goal, (ratio ? (reached ? "reached" : "missed") : ""),
        (share ? sprintf("%.0f %%", 100 * share) : "")
    printf "\"%s\",%s,\"%s\",%s,%.3f,%s,%.3f\n", what, show(ours, mine[3]), name, show(theirs, other[3]), ratio, goal,
        share >> csv
}' "$dir/answers" "$dir/peaks"
}

mkdir -p build
echo "Medians of $rounds rounds in turn, $seconds s each; images a second, $threads thread(s) unless it says otherwise."
echo "A share of the peak counts the multiply-adds of plain sums; Winograd does fewer."
printf '%-55s %8s %8s %-13s %6s %6s %7s %6s\n' '' ours theirs '' ratio goal '' 'of peak'
{ # tools/figures.awk takes it from here
    sed -nE 's/^library: *([^ ]*).*/# libconvnet \1/p; s/^(processor|instruction set|cores): */# \1: /p' "$dir/info"
    printf '# %s\n' "$compiler" ${torch:+"$torch"} ${onnx:+"$onnx"} ${start_peer:+"$start_peer"} "medians of $rounds rounds in turn" "$(date +%F)"
    echo 'what,ours,peer,theirs,ratio,goal,share_of_fma_peak'
} >$csv
rows | sed -E "s/ 2(\||$)/ $threads\1/g" | grep -i -E -- "$wanted" | while IFS='|' read -r what unit goal job beside; do
    [ "${job##* }" -le 2 ] || [ "${job##* }" -le "$cores" ] || continue
    measure_row "$job" "$beside"
    show_row "$what" "$unit" "$goal" "$job" "$beside"
done
echo "Also in $csv"
