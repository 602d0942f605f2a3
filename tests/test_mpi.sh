#!/bin/sh
# test_mpi.sh: libconvnet-mpi under each MPI that is installed, whose libraries and programs are in the folders named by
# MPI_BUILDS (mpicc.openmpi, mpicc.mpich): the communicator's operations, how convnet-train finds the others, and that
# they train to the bytes of one process. With FULL set more of all that, as `make check-mpi` wants it: up to four ranks,
# on machines of their own (mpi/machines.sh), and ranks that are killed. Started from the root of the repository.
. "$(dirname "$0")/programs.sh"
full=${FULL:-}
[ -n "${MPI_BUILDS:-}" ] || { echo "mpi: skipped, no mpicc"; exit 0; }
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1

# use FOLDER: its MPI from now on; `mpirun` is how it starts processes on this machine.
use() {
    build=$1 name=${1##*/mpicc} launcher=mpirun${1##*/mpicc}
    command -v "$launcher" >/dev/null || { echo "mpi: no $launcher"; return 1; }
    case $("$launcher" --version 2>&1) in
    *"Open MPI"*|*OpenRTE*) open=yes mpirun="$launcher --oversubscribe --bind-to none" ;;
    *) open=no mpirun=$launcher ;;
    esac
    export CONVNET_MPI="$PWD/$build/libconvnet-mpi.so.1"
    case $build in /*) CONVNET_MPI=$build/libconvnet-mpi.so.1 ;; esac
}

# ranks CODE N COMMAND...: runs it, keeps its output, and expects that exit code, or with CODE `any` any other than 0.
ranks() {
    want=$1 n=$2
    shift 2
    line="mpirun$name -n $n $*"
    timeout 100 $mpirun -n "$n" "$@" >"$dir/out" 2>"$dir/err"
    code=$?
    checks=$((checks + 1))
    case $want in
    any) [ "$code" -ne 0 ] && [ "$code" -ne 124 ] ;;
    *) [ "$code" -eq "$want" ] ;;
    esac || fail "exit code $code instead of $want: $(grep -v '^-*$' "$dir/err" | head -3)"
}

# once TEXT: standard error has it exactly once.
once() {
    checks=$((checks + 1))
    [ "$(grep -cF -e "$1" "$dir/err")" -eq 1 ] || fail "standard error does not have once: $1"
}

# ---- the communicator ----

operations() {
    ranks 0 3 "$build/operations" 1000
    says out "ok, "
    ranks 0 4 "$build/operations" own
    says out "ok, "
    ranks any 3 "$build/operations" abort
    once "rank 1: no memory"
    [ -n "$full" ] || return
    for n in 1 2 4; do
        for words in 1 1000 300000; do
            ranks 0 $n "$build/operations" $words
        done
        ranks 0 $n "$build/operations" single
        ranks 0 $n "$build/operations" thread
    done
}

# ---- convnet-train finds the others ----

train=$bin/convnet-train

finding() {
    ranks any 2 env CONVNET_MPI=/nowhere.so "$train" --data synthetic:32 --epochs 1
    once "has started 2 processes, which train together by libconvnet-mpi, and that is not here"
    ranks any 2 "$train" --nonsense
    once "unknown option '--nonsense'"
    ranks 0 2 "$train" --data synthetic:32 --epochs 1 --alone
    expect "$(grep -c '^Best test accuracy' "$dir/out")" -eq 2
    for other in $MPI_BUILDS; do
        [ "$other" != "$build" ] || continue
        ranks any 2 env CONVNET_MPI="$other/libconvnet-mpi.so.1" "$train" --data synthetic:32 --epochs 1
        once "has started 2 processes, of which libconvnet-mpi sees 1; it was built for"
    done
}

# ---- what is exported ----

symbols() {
    line="symbols of $build/libconvnet-mpi.so"
    checks=$((checks + 1))
    sed -n 's/^CN_MPI_API [^(]*[ *]\(cn_[a-z0-9_]*\)(.*/\1/p' include/convnet-mpi.h | sort >"$dir/declared"
    sed 's/@.*//' src/mpi/symbols.txt | sort | diff "$dir/declared" - >"$dir/wrong" || fail "src/mpi/symbols.txt: $(cat "$dir/wrong")"
    "${NM:-nm}" -D --defined-only "$build/libconvnet-mpi.so" | awk '$2 != "A" { print $3 }' | sort |
        diff src/mpi/symbols.txt - >"$dir/wrong" || fail "exported: $(cat "$dir/wrong")"
    "${NM:-nm}" -g --defined-only "$build/libconvnet-mpi.a" | awk 'NF == 3 && $3 !~ /^cn_mpi_/ { print $3 }' >"$dir/wrong"
    [ ! -s "$dir/wrong" ] || fail "global names of the static library: $(cat "$dir/wrong")"
}

for build in $MPI_BUILDS; do
    use "$build" || continue
    symbols
    operations
    finding
done
done_with "mpi ($(echo $MPI_BUILDS | sed 's|[^ ]*/||g'))"
