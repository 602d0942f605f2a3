#!/bin/sh
# SPDX-License-Identifier: MIT
# test_mpi.sh: libconvnet-mpi under each MPI that is installed, whose libraries and programs are in the folders named by
# MPI_BUILDS (mpicc.openmpi, mpicc.mpich): the communicator's operations, how convnet-train finds the others, and that
# they train to the bytes of one process. With FULL set more of all that, as `make check-mpi` wants it: up to four ranks,
# on machines of their own (mpi/machines.sh), by Slurm (mpi/slurm.sh), and ranks that are killed. Started from the root of the repository.
# shellcheck disable=SC2086 # launchers and flags are several words
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
    timeout -k 5 100 $mpirun -n "$n" "$@" >"$dir/out" 2>"$dir/err"
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
    ranks any 3 "$build/operations" abort
    once "rank 1: no memory"
    [ -n "$full" ] || return
    ranks 0 4 "$build/operations" own
    says out "ok, "
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
    [ -n "$full" ] || return
    ranks any 2 "$train" --nonsense
    once "unknown option '--nonsense'"
    ranks 0 2 "$train" --data synthetic:32 --epochs 1 --alone
    expect "$(grep -c '^Best test accuracy' "$dir/out")" -eq 2
    ranks any 2 "$bin/convnet-compare" tests/golden/1.0/comparison/batch-0.csv
    once "has started 2 processes, which would all do the same"
    for other in $MPI_BUILDS; do
        [ "$other" != "$build" ] || continue
        ranks any 2 env CONVNET_MPI="$other/libconvnet-mpi.so.1" "$train" --data synthetic:32 --epochs 1
        once "has started 2 processes, of which libconvnet-mpi sees 1; it was built for"
    done
}

# ---- the same bytes ----

# one NAME OPTION...: what one process makes of it, unless that is known.
one() {
    name_of=$1
    shift
    [ ! -f "$dir/$name_of.one" ] || return
    line="convnet-train $*"
    checks=$((checks + 1))
    "$train" "$@" --out "$dir/$name_of.one" >"$dir/out" 2>"$dir/err" || fail "exit code $?: $(head -3 "$dir/err")"
}

# same NAME N OPTION...: N ranks make the same of it.
same() {
    name_of=$1 of=$2
    shift 2
    one "$name_of" "$@"
    rm -f "$dir/many"
    ranks 0 "$of" "$train" "$@" --out "$dir/many"
    expect "$(grep -c '^Saved as ' "$dir/out")" -eq 1
    silent err
    checks=$((checks + 1))
    cmp "$dir/$name_of.one" "$dir/many" >/dev/null 2>&1 || fail "another model than that of one process"
}

# The last batch is smaller; 192 images are 12 blocks, which 1 to 4 ranks share.
bytes() {
    same short 2 --data synthetic:80 --batch 32 --epochs 1 --augment --ema 0.9 --validation 0.4
    [ -n "$full" ] || return
    for n in 1 2 3 4; do
        same batch $n --data synthetic:400 --batch 192 --epochs 2 --augment --dropout 0.1 --ema 0.9 --optimizer adam
        same group $n --data synthetic:400 --batch 192 --epochs 2 --augment --norm group --optimizer muon --accumulate 2
        same resnet20 $n --data synthetic:200 --batch 192 --epochs 1 --augment --model resnet20 --cutmix 1 --clip-norm 1
    done
}

# What one process prints of a model, N ranks do, once.
measuring() {
    data="--data synthetic:80 --split train --misclassified 3 --predictions 2"
    run 0 test "$dir/short.one" $data
    mv "$dir/out" "$dir/alone"
    for n in 2 ${full:+3 4}; do
        ranks 0 $n "$bin/convnet-test" "$dir/short.one" $data
        silent err
        checks=$((checks + 1))
        cmp "$dir/alone" "$dir/out" >/dev/null 2>&1 || fail "other figures than those of one process"
    done
    [ -n "$full" ] || return
    ranks any 2 "$bin/convnet-test" /nowhere.safetensors $data
    says err "cannot open '/nowhere.safetensors'"
}

# What one process finds in a search for a rate, and draws of it, N ranks do, once.
searching() {
    data="--data synthetic:80 --batch 32 --augment"
    run 0 train $data --find-rate "$dir/rates.svg"
    mv "$dir/rates.svg" "$dir/alone.svg"
    grep 'fell' "$dir/out" >"$dir/alone"
    ranks 0 2 "$train" $data --find-rate "$dir/rates.svg"
    silent err
    expect "$(grep -c '^Picture in ' "$dir/out")" -eq 1
    checks=$((checks + 1))
    grep 'fell' "$dir/out" | cmp - "$dir/alone" >/dev/null 2>&1 || fail "another rate than that of one process"
    checks=$((checks + 1))
    cmp "$dir/alone.svg" "$dir/rates.svg" >/dev/null 2>&1 || fail "another picture than that of one process"
}

# ---- what is not the same everywhere ----

differing() {
    # refused WORDS OPTION...: rank 1 has these options, too.
    refused() {
        words=$1
        shift
        common="--data synthetic:64 --batch 32 --epochs 1"
        line="rank 1: $*"
        checks=$((checks + 1))
        # shellcheck disable=SC2086
        timeout -k 5 60 $mpirun -n 1 "$train" $common : -n 1 "$train" $common "$@" >"$dir/out" 2>"$dir/err" && fail "exit code 0"
        once "$words"
    }
    refused "rank 1: --lr is 0.5, on rank 0 it is 0.01" --lr 0.5
    [ -n "$full" ] || return
    refused "rank 1: training data.count is 80, on rank 0 it is 64" --data synthetic:80
    refused "rank 1: seed is 3, on rank 0 it is 0" --seed 3
    refused "rank 1: cannot open '/nowhere.safetensors'" --model /nowhere.safetensors
    ranks any 3 "$train" --data synthetic:64 --batch 64 --epochs 1
    once "wanted a number of ranks that divides these: 1, 2, 4"
}

# ---- ranks that die ----

run_options="--data synthetic:3000 --batch 96 --epochs 2 --augment"

# saved: until the run that was started last has a checkpoint, or a minute has passed.
saved() {
    tries=0
    until [ -s "$dir/run" ] || [ $tries -ge 1200 ]; do
        sleep 0.05
        tries=$((tries + 1))
    done
}

# ended WORDS: the job that was started last ends by itself, and not well, though it might go on for long.
ended() {
    checks=$((checks + 1))
    wait "$started"
    code=$?
    # After a signal that it hands on, MPICH's mpirun forgets now and then what the processes return.
    forgets=$([ "$name" != .mpich ] || echo "$1" | grep '^interrupted' || :)
    [ $code -ne 0 ] && [ $code -ne 124 ] || [ "$code$forgets" = "0$1" ] || fail "exit code $code"
    grep -qiE "$1" "$dir/err" "$dir/out" || fail "no word of it: $(head -3 "$dir/err")"
}

# goes_on N: N ranks make of the checkpoint what a run makes that nobody has stopped.
goes_on() {
    # shellcheck disable=SC2086
    ranks 0 "$1" "$train" $run_options --checkpoint "$dir/run" --resume --out "$dir/many"
    says out "goes on after"
    checks=$((checks + 1))
    cmp "$dir/killed.one" "$dir/many" >/dev/null 2>&1 || fail "another model than that of a run that went through"
}

# The job ends after its rank 1 is killed, in the middle of an epoch; others go on with it.
killing() {
    # shellcheck disable=SC2086
    one killed $run_options
    for others in 1 3; do
        rm -f "$dir"/pid.* "$dir/run" "$dir/many"
        line="a rank of mpirun$name is killed, and $others go on"
        # shellcheck disable=SC2016,SC2086
        timeout -k 5 100 $mpirun -n 2 sh -c 'echo $$ >"$0.${OMPI_COMM_WORLD_RANK:-$PMI_RANK}"; exec "$@"' "$dir/pid" \
            "$train" $run_options --checkpoint "$dir/run" --every 1 --out "$dir/many" >"$dir/out" 2>"$dir/err" &
        started=$!
        saved
        kill -9 "$(cat "$dir/pid.1")"
        ended 'signal 9|KILLED'
        goes_on $others
    done
}

# SIGUSR1, which both launchers hand on, saves.
ending() {
    rm -f "$dir/run" "$dir/many"
    line="SIGUSR1 to mpirun$name"
    # shellcheck disable=SC2086
    $mpirun -n 2 "$train" $run_options --checkpoint "$dir/run" --every 1 --out "$dir/many" >"$dir/out" 2>"$dir/err" &
    started=$!
    saved
    kill -USR1 $started
    ended 'interrupted after 0 of 2 epochs and '
    once "to go on: "
    goes_on 3
}

# ---- machines of their own, TCP between them ----

machines() {
    line="machines of their own, mpirun$name"
    if ! tests/mpi/machines.sh 2 true 2>"$dir/err"; then
        echo "mpi: machines left out: $(head -1 "$dir/err")"
        return
    fi
    if [ $open = yes ]; then
        # shellcheck disable=SC2016
        start='net=10.77.0.0/24; exec '$launcher' --bind-to none --map-by node --host $MACHINES --mca plm_rsh_agent $AGENT
            --mca oob_tcp_if_include $net --mca btl_tcp_if_include $net --mca btl self,tcp -n $n "$@"'
    else
        # shellcheck disable=SC2016
        start='exec '$launcher' -localhost 10.77.0.254 -launcher ssh -launcher-exec $AGENT -hosts $MACHINES -n $n "$@"'
    fi
    start=$(echo "$start" | tr '\n' ' ')
    export DELAYED_LINK="${MPI_BUILDS%%/mpicc*}/delayed_link"
    checks=$((checks + 1))
    n=3 timeout -k 5 100 tests/mpi/machines.sh 3 sh -c "$start" sh "$PWD/$build/operations" 300000 >"$dir/out" 2>"$dir/err"
    code=$?
    if [ $code -eq 124 ] && grep -q '^ok, MPICH' "$dir/out"; then
        echo "mpi: MPICH has not come out of MPI_Finalize (its pull request 6596)"
    elif [ $code -ne 0 ]; then
        fail "operations: exit code $code: $(head -3 "$dir/err")"
    fi
    for each in 2 3 2/2000; do # the last: 2 ms from one to the other
        n=${each%/*} delay=${each#"$n"}
        rm -f "$dir/many"
        checks=$((checks + 1))
        n=$n timeout -k 5 100 tests/mpi/machines.sh $n ${delay:+-d ${delay#/}} sh -c "$start" sh env CONVNET_MPI="$CONVNET_MPI" "$(realpath "$train")" --data synthetic:400 --batch 192 \
            --epochs 2 --augment --dropout 0.1 --ema 0.9 --optimizer adam --out "$dir/many" >"$dir/out" 2>"$dir/err" ||
            fail "exit code $?: $(head -3 "$dir/err")"
        checks=$((checks + 1))
        cmp "$dir/batch.one" "$dir/many" >/dev/null 2>&1 || fail "$each machines make another model than one process"
    done
}

# ---- Slurm ----

# How its processes find one another differs between MPIs. A job that is told of its end is saved; started again, it goes on.
slurm() {
    line="Slurm, mpirun$name"
    if ! tests/mpi/slurm.sh true 2>"$dir/err"; then
        echo "mpi: Slurm left out: $(head -1 "$dir/err")"
        return
    fi
    [ $open = yes ] && pmi=pmix || pmi=pmi2
    rm -f "$dir/many" "$dir/run" "$dir/first"
    cat >"$dir/job" <<END
#!/bin/sh
exec srun --mpi=$pmi --kill-on-bad-exit=1 $train $run_options --checkpoint $dir/run --every 1 --resume --out $dir/many
END
    checks=$((checks + 1))
    # shellcheck disable=SC2016
    timeout -k 5 200 tests/mpi/slurm.sh sh -c '
        job=$(sbatch --parsable -n 2 -o "$0/first" "$0/job")
        until [ -s "$0/run" ]; do sleep 0.05; done
        scancel --signal=USR1 "$job"
        while [ -n "$(squeue -h -j "$job")" ]; do sleep 0.1; done
        sbatch --wait -n 3 -o "$0/out" "$0/job"' "$dir" >"$dir/submitted" 2>"$dir/err" || fail "exit code $?: $(head -3 "$dir/err" "$dir/out")"
    says first "interrupted after 0 of 2 epochs and "
    says out "goes on after"
    checks=$((checks + 1))
    cmp "$dir/killed.one" "$dir/many" >/dev/null 2>&1 || fail "another model than that of a run that went through"
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

# ---- installed ----

# What pkg-config says is enough for the example, shared and static; no mpi.h is needed, nor libconvnet twice.
installed() {
    line="libconvnet-mpi installed, $build"
    root=$dir/root
    rm -rf "$root"
    checks=$((checks + 1))
    if ! "${MAKE:-make}" install WITH_MPI=1 MPICC="${build##*/}" DESTDIR="$root" PREFIX=/opt/cn LIBDIR=/opt/cn/lib \
        INCLUDEDIR=/opt/cn/include BINDIR=/opt/cn/bin DATADIR=/opt/cn/share >"$dir/out" 2>"$dir/err"; then
        fail "make install: $(tail -3 "$dir/err")"
        return
    fi
    export PKG_CONFIG_PATH="$root/opt/cn/lib/pkgconfig"
    for kind in shared static; do
        line="examples/mpi.c, $kind, $build"
        [ $kind = shared ] && flags=$(pkg-config --cflags --libs convnet-mpi) ||
            flags="$(pkg-config --cflags convnet-mpi) $root/opt/cn/lib/libconvnet-mpi.a $root/opt/cn/lib/libconvnet.a $(
                pkg-config --static --libs convnet-mpi | tr ' ' '\n' | grep -vE '^-lconvnet' | tr '\n' ' ')"
        # shellcheck disable=SC2086
        ${CC:-cc} -std=c99 examples/mpi.c $flags -o "$dir/mpi" 2>"$dir/err" || fail "$(head -3 "$dir/err")"
        (cd "$dir" && LD_LIBRARY_PATH=$root/opt/cn/lib $mpirun -n 2 ./mpi 1) >"$dir/out" 2>"$dir/err" || fail "$(head -3 "$dir/err")"
        says out "epoch 1: loss "
    done
    unset PKG_CONFIG_PATH
    rm -rf "$root"
}

for build in $MPI_BUILDS; do
    use "$build" || continue
    symbols
    operations
    finding
    bytes
    measuring
    searching
    differing
    [ -n "$full" ] || continue
    killing
    ending
    machines
    slurm
    installed
done
done_with "mpi ($(echo $MPI_BUILDS | sed 's|[^ ]*/||g'))"
