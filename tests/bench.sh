#!/bin/sh
# bench.sh: `make bench`: session 8 trained and run by the library and by PyTorch, in turn, medians and ratios.
# Writes build/bench.csv. A peer that is not installed is named and left out; timing never fails.
set -eu
program=${1:-tests/bin/bench_training}
rounds=${ROUNDS:-3} seconds=${SECONDS_EACH:-2} threads=${THREADS:-2}
torch=
if /usr/bin/python3 -c 'import torch' 2>/dev/null; then
    torch=$(/usr/bin/python3 -c 'import torch; print(torch.__version__)')
fi
raw=$(mktemp)
trap 'rm -f "$raw"' EXIT
examples/bin/convnet-info
echo "peer: PyTorch ${torch:-not installed (Debian: python3-torch)}"
echo "session 8, $threads threads, median of $rounds rounds in turn, $seconds s each; augmentation off"
for norm in batch group layer; do
    for batch in 32 128; do
        for round in $(seq "$rounds"); do
            echo "$norm $batch ours $("$program" "$norm" "$batch" "$threads" "$seconds")" >>"$raw"
            if [ -n "$torch" ]; then
                echo "$norm $batch torch $(/usr/bin/python3 tests/bench_torch.py "$norm" "$batch" "$threads" "$seconds") peak 0" >>"$raw"
            fi
        done
    done
done
mkdir -p build
# FLOP an image: 41.5 M trained, 14.1 M inferred.
awk '
function median(list, n,    i, j, t) {
    for (i = 1; i < n; i++)
        for (j = i; j > 0 && list[j] < list[j - 1]; j--) { t = list[j]; list[j] = list[j - 1]; list[j - 1] = t }
    return n % 2 ? list[(n - 1) / 2] : (list[n / 2 - 1] + list[n / 2]) / 2
}
function gather(column, who, key,    i, n) {
    n = 0
    for (i = 1; i <= NR; i++) if (who_of[i] == who && key_of[i] == key) values[n++] = value[i, column]
    return n ? median(values, n) : 0
}
{ key_of[NR] = $1 " " $2; who_of[NR] = $3; value[NR, "train"] = $5; value[NR, "infer"] = $7; value[NR, "peak"] = $9
  if (!($1 " " $2 in seen)) { seen[$1 " " $2] = 1; order[++keys] = $1 " " $2 } }
END {
    print "norm,batch,pass,ours,torch,ratio,share_of_fma_peak" > csv
    printf "%-6s %5s  %-6s %9s %9s %7s %12s\n", "norm", "batch", "pass", "ours/s", "torch/s", "ratio", "of FMA peak"
    for (k = 1; k <= keys; k++) for (p = 0; p < 2; p++) {
        pass = p ? "infer" : "train"
        ours = gather(pass, "ours", order[k]); theirs = gather(pass, "torch", order[k]); peak = gather("peak", "ours", order[k])
        split(order[k], part, " ")
        share = peak > 0 ? 100 * ours * (p ? 0.0141 : 0.0415) / peak : 0
        printf "%-6s %5s  %-6s %9.0f %9s %7s %10.0f %%\n", part[1], part[2], pass, ours, theirs ? sprintf("%.0f", theirs) : "-", theirs ? sprintf("%.1f x", ours / theirs) : "-", share
        printf "%s,%s,%s,%.0f,%.0f,%.2f,%.3f\n", part[1], part[2], pass, ours, theirs, theirs ? ours / theirs : 0, share / 100 > csv
    }
}' csv=build/bench.csv "$raw"
echo "also in build/bench.csv"
