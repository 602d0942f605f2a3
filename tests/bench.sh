#!/bin/sh
# bench.sh: `make bench`: the library beside PyTorch, ONNX Runtime and the machine's own multiply-add peak, in turn, with
# medians, ratios and what was aimed at; also as build/bench.csv. A peer that is not installed is named and left out, and
# no time is ever a failure. ROUNDS and SECONDS_EACH change the defaults. PYTHON names the interpreter that has torch, if
# it is neither the first one nor Debian's; NODE_PATH the node_modules that has onnxruntime-node.
set -eu
program=${1:-tests/bin/bench_training} info=${2:-examples/bin/convnet-info}
rounds=${ROUNDS:-5} seconds=${SECONDS_EACH:-0.7}
csv=build/bench.csv
dir=$(mktemp -d)
peers=
trap 'kill $peers 2>/dev/null || :; rm -rf "$dir"' EXIT
trap 'exit 1' HUP INT TERM
trap '' PIPE # a peer that died is noticed by its silence

# Each side is a program that says who it is and then answers every line with a line.
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

start ours 3 "$program"
ours=$greeting
[ -n "$ours" ] || { cat "$dir/ours.log" >&2; exit 1; }
for python in ${PYTHON:-python3 /usr/bin/python3}; do
    "$python" -c 'import torchvision' 2>"$dir/torch.log" && break
done
# PyTorch asks for its tensors' memory anew in every step. Let glibc keep it: handed back and forth it would cost page
# faults, which on some virtual machines take more time than the arithmetic.
keep="MALLOC_MMAP_THRESHOLD_=4294967296 MALLOC_TRIM_THRESHOLD_=4294967296 MALLOC_TOP_PAD_=67108864"
start torch 5 env $keep "$python" tests/bench_torch.py
torch=$greeting
ask 5 "export $dir/session8.onnx"
start onnx 7 node tests/bench_onnx.js "${answer:-}"
onnx=${answer:+$greeting}

"$info" --threads 2
printf 'compiler:        %s\n' "$(${CC:-cc} --version | head -n 1)"
printf 'peer:            %s\n' "${torch:-$(say_missing PyTorch torch 'Debian: python3-torch python3-torchvision')}" \
    "${onnx:-$(say_missing 'ONNX Runtime' onnx 'see tests/README.md')}"
printf 'load:            %s (others at work here spoil the figures)\n\n' \
    "$(cut -d ' ' -f 1-3 /proc/loadavg 2>/dev/null || echo unknown)"

# Who does what, in turn: pass, network, batch, threads.
raw=$dir/raw
: >"$raw"
round=0
while [ $((round += 1)) -le "$rounds" ]; do
    [ ! -t 2 ] || printf '\rround %d of %d ' "$round" "$rounds" >&2
    while read -r who job; do
        for name in $(echo "$who" | tr + ' '); do
            case $name in
            ours) to=3 there=$ours ;;
            torch) to=5 there=$torch ;;
            onnx) to=7 there=$onnx ;;
            esac
            answer=
            [ -z "$there" ] || ask "$to" "$job $seconds"
            [ -z "$answer" ] || echo "$name|$job|$answer" >>"$raw"
        done
    done <<END
ours peak - 0 2
ours peak - 0 1
ours+torch train batch 32 2
ours train batch 32 1
ours augment batch 32 2
ours+torch train group 32 2
ours+torch train layer 32 2
ours+torch epoch batch 32 2
ours+torch+onnx infer batch 128 2
ours+onnx infer batch 1 1
ours+torch train resnet20 32 2
ours+torch train plain256 32 2
ours+torch train mnist2 32 2
END
done
[ ! -t 2 ] || printf '\r                \r' >&2

mkdir -p build
echo "Medians of $rounds rounds in turn, $seconds s each; images a second on two threads unless it says otherwise."
echo "A share of the peak counts the multiply-adds of plain sums; Winograd does fewer."
awk -F '|' -v csv=$csv '
# The middle, or for the peak the highest, of one column of the answers to a job: 1 the rate, 2 GFLOP/s. 0: no answer.
function median(who, job, column,    list, words, n, i, j, t) {
    n = count[who, job]
    for (i = 0; i < n; i++) {
        split(answer[who, job, i], words, " ")
        list[i] = words[column]
    }
    for (i = 1; i < n; i++)
        for (j = i; j > 0 && list[j] + 0 < list[j - 1] + 0; j--) {
            t = list[j]; list[j] = list[j - 1]; list[j - 1] = t
        }
    if (job ~ /^peak/ && n)
        return list[n - 1]
    return n == 0 ? 0 : n % 2 ? list[(n - 1) / 2] : (list[n / 2 - 1] + list[n / 2]) / 2
}
function show(rate, unit) {
    if (!rate)
        return "-"
    if (unit == "s")
        return sprintf("%.1f s", 50000 / rate)
    if (unit == "us")
        return sprintf("%.0f us", 1e6 / rate)
    return sprintf("%.0f", rate)
}
function line(what, unit, ours, name, theirs, goal, share,    ratio) {
    ratio = theirs ? sprintf("%.2f", ours / theirs) : "-"
    printf "%-50s %8s %8s %-13s %6s %6.2f %7s %7s\n", what, show(ours, unit), show(theirs, unit), name, ratio, goal,
        (ratio == "-" ? "" : ratio + 0 < goal ? "missed" : "reached"), (share ? sprintf("%.0f %%", 100 * share) : "")
    printf "\"%s\",%s,\"%s\",%s,%s,%.2f,%s\n", what, show(ours, unit), name, show(theirs, unit), ratio, goal,
        (share ? sprintf("%.3f", share) : "") > csv
}
# Ours against the best of some peers.
function against(what, job, peers, goal, unit,    list, n, i, theirs, name, rate, peak) {
    n = split(peers, list, " ")
    theirs = 0
    name = names[list[1]]
    for (i = 1; i <= n; i++)
        if ((rate = median(list[i], job, 1)) > theirs) {
            theirs = rate
            name = names[list[i]]
        }
    peak = median("ours", "peak - 0 " substr(job, length(job)), 2)
    line(what, unit, median("ours", job, 1), name, theirs, goal,
        peak ? median("ours", job, 2) / peak : 0)
}
{ answer[$1, $2, count[$1, $2]++] = $3 }
END {
    names["torch"] = "PyTorch"
    names["onnx"] = "ONNX Runtime"
    printf "%-50s %8s %8s %-13s %6s %6s %7s %7s\n", "", "ours", "theirs", "", "ratio", "goal", "", "of peak"
    print "what,ours,peer,theirs,ratio,goal,share_of_fma_peak" > csv
    train = median("ours", "train batch 32 2", 1)
    against("session 8, batch norm, training, batch 32", "train batch 32 2", "torch", 8)
    against("session 8, group norm, training, batch 32", "train group 32 2", "torch", 6)
    against("session 8, layer norm, training, batch 32", "train layer 32 2", "torch", 6)
    line("  batch norm, GFLOP/s of the FMA peak", "", median("ours", "train batch 32 2", 2), "FMA peak",
        median("ours", "peak - 0 2", 2), 0.6)
    line("  batch norm, random changes to images", "", median("ours", "augment batch 32 2", 1), "without them", train, 0.85)
    line("  batch norm, two threads", "", train, "one thread", median("ours", "train batch 32 1", 1), 1.8)
    against("  an epoch: 50,000 changed, trained; 10,000 tested", "epoch batch 32 2", "torch", 8, "s")
    against("session 8, inference, batch 128", "infer batch 128 2", "torch onnx", 2.5)
    against("session 8, one image on one thread", "infer batch 1 1", "onnx", 1.5, "us")
    against("ResNet-20, 16-32-64, training, batch 32", "train resnet20 32 2", "torch", 2)
    against("64-128-256 network, training, batch 32", "train plain256 32 2", "torch", 2)
    against("MNIST model 2, training, batch 32", "train mnist2 32 2", "torch", 3)
}' "$raw"
echo "Also in $csv"
