#!/bin/sh
# SPDX-License-Identifier: MIT
# bench.sh TRAIN MPI_BUILD...: images/s of convnet-train by one process of CORES (2) threads, and by as many ranks of one
# thread under each MPI, whose library lies in a folder such as build/release/mpicc.mpich; session 8, batches of BATCH (128),
# ROUNDS (5) in turn, of which the medians count. Wants an otherwise idle machine. `make bench-mpi` calls it.
set -u
train=$1
shift
cores=${CORES:-2} batch=${BATCH:-128} rounds=${ROUNDS:-5} images=${IMAGES:-6400}
dir=$(mktemp -d "${TMPDIR:-/tmp}/convnet-bench.XXXXXX") || exit 1
trap 'rm -rf "$dir"' EXIT
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1

# timed NAME COMMAND...: adds the speed of an epoch to NAME's.
timed() {
    to=$dir/$1
    shift
    "$@" --data "synthetic:$images" --no-augment --epochs 1 --batch "$batch" 2>"$dir/err" |
        awk '$1 == "1" { gsub(",", "", $NF); print $NF }' >>"$to"
    [ ! -s "$dir/err" ] || { cat "$dir/err" >&2; exit 1; }
}

median() {
    sort -n "$1" | awk '{ v[NR] = $1 } END { print NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'
}

for _ in $(seq "$rounds"); do
    timed one "$train" --threads "$cores"
    for build in "$@"; do
        export CONVNET_MPI="$build/libconvnet-mpi.so.1"
        timed "${build##*/mpicc}" "mpirun${build##*/mpicc}" -n "$cores" "$train" --threads 1
    done
done
one=$(median "$dir/one")
printf '%-28s %8s images/s   of %s\n' "1 process, $cores threads" "$one" "$(sort -n "$dir/one" | tr '\n' ' ')"
for build in "$@"; do
    name=${build##*/mpicc}
    many=$(median "$dir/$name")
    printf '%-28s %8s images/s   of %s, %.2f of one process\n' "$cores ranks, ${name#.}" "$many" \
        "$(sort -n "$dir/$name" | tr '\n' ' ')" "$(echo "$many $one" | awk '{ print $1 / $2 }')"
done
