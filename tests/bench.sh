#!/bin/sh
# bench.sh: `make bench`: session 8 trained and run by the library and by PyTorch, in turn; medians, ratios, and the share
# of what the machine's multiply-add units can do. Writes build/bench.csv. A peer that is not installed is named and left
# out. ROUNDS, SECONDS_EACH and THREADS change the defaults; PYTHON names the interpreter that has torch, if it is neither
# the first one nor Debian's.
set -eu
program=${1:-tests/bin/bench_training} info=${2:-examples/bin/convnet-info}
rounds=${ROUNDS:-3} seconds=${SECONDS_EACH:-2} threads=${THREADS:-2}
csv=build/bench.csv
raw=$(mktemp)
trap 'rm -f "$raw"' EXIT

torch=
for python in ${PYTHON:-python3 /usr/bin/python3}; do
    torch=$("$python" -c 'import torch; print(torch.__version__)' 2>"$raw") && break
done
"$info" --threads "$threads"
printf 'compiler:        %s\n' "$(${CC:-cc} --version | head -n 1)"
printf 'peer:            %s\n' "${torch:+PyTorch }${torch:-PyTorch is not installed (Debian: python3-torch), so there is no comparison}"
printf 'load:            %s (the figures are worth little if others work here too)\n\n' "$(cut -d ' ' -f 1-3 /proc/loadavg 2>"$raw" || echo unknown)"
echo "Session 8, images a second, median of $rounds rounds in turn of $seconds s each; no random changes to images"

: >"$raw"
for case in 'batch 32' 'group 32' 'layer 32' 'batch 128'; do
    for _ in $(seq "$rounds"); do
        # shellcheck disable=SC2086 # a case is two words
        echo "$case ours $("$program" $case "$threads" "$seconds")" >>"$raw"
        # shellcheck disable=SC2086
        [ -z "$torch" ] || echo "$case torch $($python tests/bench_torch.py $case "$threads" "$seconds")" >>"$raw"
    done
done

# Lines: norm, batch, who, then pairs of what and how much. FLOP an image: 41.5 M trained, 14.1 M inferred.
mkdir -p build
awk -v csv=$csv '
function median(who, what, pair,    list, n, i, j, t) {
    n = 0
    for (i = 1; i <= NR; i++)
        if ((i, who, what, pair) in value)
            list[n++] = value[i, who, what, pair]
    for (i = 1; i < n; i++)
        for (j = i; j > 0 && list[j] < list[j - 1]; j--) {
            t = list[j]; list[j] = list[j - 1]; list[j - 1] = t
        }
    return n == 0 ? 0 : n % 2 ? list[(n - 1) / 2] : (list[n / 2 - 1] + list[n / 2]) / 2
}
function row(pair, pass, flop,    ours, theirs, peak, part) {
    ours = median("ours", pass, pair)
    theirs = median("torch", pass, pair)
    peak = 1e9 * median("ours", "peak", pair)
    split(pair, part, " ")
    printf "%-6s %5d  %-6s %9.0f %9s %7s %12.0f %%\n", part[1], part[2], pass, ours,
        theirs ? sprintf("%.0f", theirs) : "-", theirs ? sprintf("%.1f x", ours / theirs) : "-", 100 * ours * flop / peak
    printf "%s,%d,%s,%.0f,%s,%s,%.3f\n", part[1], part[2], pass, ours, theirs ? sprintf("%.0f", theirs) : "",
        theirs ? sprintf("%.2f", ours / theirs) : "", ours * flop / peak > csv
}
{
    pair = $1 " " $2
    for (i = 4; i < NF; i += 2)
        value[NR, $3, $i, pair] = $(i + 1)
    if (!(pair in seen))
        order[++pairs] = pair
    seen[pair] = 1
}
END {
    print "norm,batch,pass,ours,pytorch,ratio,share_of_fma_peak" > csv
    printf "%-6s %5s  %-6s %9s %9s %7s %14s\n", "norm", "batch", "pass", "ours", "PyTorch", "ratio", "of FMA peak"
    for (p = 1; p <= pairs; p++) {
        row(order[p], "train", 41.5e6)
        row(order[p], "infer", 14.1e6)
    }
    printf "FMA peak on these threads: %.0f GFLOP/s\n", median("ours", "peak", order[1])
}' "$raw"
echo "Also in $csv"
