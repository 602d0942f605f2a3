#!/bin/sh
# SPDX-License-Identifier: MIT
# test_resume.sh: convnet-train --checkpoint and --resume: runs that are killed at random moments, or ended by a signal,
# and go on, leave the very bytes of one that was never stopped: model, log, and which epoch was best.
. tests/programs.sh

# same FILE FILE: byte for byte.
same() {
    checks=$((checks + 1))
    cmp -s "$1" "$2" || fail "$1 and $2 differ"
}

# A log without what the clock says.
timeless() {
    cut -d, -f1-6 "$1"
}

same_log() {
    timeless "$1" >"$dir/timeless"
    timeless "$2" | diff "$dir/timeless" - >"$dir/wrong"
    checks=$((checks + 1))
    [ ! -s "$dir/wrong" ] || fail "logs differ: $(head -3 "$dir/wrong")"
}

# A moment, in seconds, at most $1 hundredths.
moment() {
    number=$(od -A n -N 2 -t u2 /dev/urandom)
    number=$((number % $1 + 1))
    printf '%d.%02d' $((number / 100)) $((number % 100))
}

# ---- killed at random moments, until it is through ----

kills=4
[ -z "${WHOLE:-}" ] || kills=12

# killed NAME ARGUMENTS...: one run that nobody stops, and one that is killed again and again.
killed() {
    name=$1 deaths=0 most=40
    shift
    whole=$dir/whole-$name broken=$dir/broken-$name
    run 0 train "$@" --threads 2 --out "$whole.model" --log "$whole.csv"
    best=$(grep -o 'est accuracy.*' "$dir/out")
    line="convnet-train $*, killed again and again"
    code=1
    while [ $code -ne 0 ] && [ $deaths -lt 200 ]; do
        "$bin/convnet-train" "$@" --threads $((deaths % 2 * 2 + 1)) --out "$broken.model" --log "$broken.csv" \
            --checkpoint "$broken.run" --every 2 --resume >"$dir/out" 2>"$dir/err" &
        pid=$!
        sleep "$(moment $most)"
        if [ $deaths -lt $kills ]; then
            kill -KILL $pid 2>"$dir/killer"
        fi
        wait $pid 2>"$dir/killer"
        code=$?
        deaths=$((deaths + 1))
        most=$((most + 5)) # slow tools get somewhere, too
        case $code in
        0 | 137) ;;
        *) break ;;
        esac
    done
    expect $code -eq 0
    same "$whole.model" "$broken.model"
    same_log "$whole.csv" "$broken.csv"
    expect "$(grep -o 'est accuracy.*' "$dir/out")" = "$best"
    expect "$(ls "$broken".model.tmp-* "$broken".run.tmp-* 2>"$dir/killer" | wc -l)" -eq 0
}

killed sgd --data synthetic:80 --epochs 3 --batch 16 --seed 1 --augment --dropout 0.2 --patience 0
killed adam --data synthetic:80 --epochs 3 --batch 16 --seed 2 --optimizer adam --schedule cosine --dropout 0.1 --keep best
killed muon --data synthetic:80 --epochs 3 --batch 16 --seed 3 --recipe best --augment --dropout 0.2 --cutout 8

# ---- a loop of one's own, killed likewise ----

run 0 own_loop "$dir/whole.run"
line="own_loop, killed again and again"
code=1 deaths=0 most=40
while [ $code -ne 0 ] && [ $deaths -lt 20 ]; do
    "$bin/convnet-own_loop" "$dir/broken.run" --resume >"$dir/out" 2>"$dir/err" &
    pid=$!
    sleep "$(moment $most)"
    [ $deaths -lt $((kills / 2)) ] && kill -KILL $pid 2>"$dir/killer"
    wait $pid 2>"$dir/killer"
    code=$?
    deaths=$((deaths + 1)) most=$((most + 5))
done
expect $code -eq 0
same "$dir/whole.run" "$dir/broken.run"
run 1 own_loop "$dir/whole-sgd.model" --resume
says err "it is no checkpoint, but a model"

# ---- ended by a signal: it says how to go on, here one epoch more than it had ----

set -- --data synthetic:100 --batch 16 --seed 4 --keep best --schedule constant --lr 0.2 --report "$dir/a report"
for signal in INT TERM; do
    rm -f "$dir/it's.run"
    signalled $signal '^ *2 .*[0-9]$' "$@" --epochs 100000 --out "$dir/broken.model" --log "$dir/broken.csv" \
        --checkpoint "$dir/it's.run" --every 3
    case $(uname)$signal in LinuxINT) expect $code -eq 130 ;; LinuxTERM) expect $code -eq 143 ;; esac
    says err "interrupted after "
    says err "to go on: "
    epochs=$(grep -cE '^[0-9]+,' "$dir/broken.csv")
    epochs=$((epochs + 1))
    sed -n "s/^convnet-train: to go on: //; s/ 100000 / $epochs /p" "$dir/err" >"$dir/command"
    line=$(cat "$dir/command")
    sh "$dir/command" >"$dir/out" 2>"$dir/err"
    expect $? -eq 0
    says out "it's.run goes on after $((epochs - 1)) of $epochs epochs"
    cp "$dir/a report/history.csv" "$dir/a report/learning-rate.csv" "$dir"
    expect "$(grep -c 'interrupted' "$dir/a report/report.html")" -eq 0
    run 0 train "$@" --epochs $epochs --out "$dir/whole.model" --log "$dir/whole.csv"
    same "$dir/whole.model" "$dir/broken.model"
    same_log "$dir/whole.csv" "$dir/broken.csv"
    same_log "$dir/history.csv" "$dir/a report/history.csv"
    same "$dir/learning-rate.csv" "$dir/a report/learning-rate.csv"
done

# What is over stays as it is, and can be had again.
rm "$dir/broken.model" "$dir/broken.csv"
sh "$dir/command" >"$dir/out" 2>"$dir/err"
expect $? -eq 0
says out "it's.run has had $epochs epochs: of --epochs $epochs none is left to train"
same "$dir/whole.model" "$dir/broken.model"
same_log "$dir/whole.csv" "$dir/broken.csv"

# ---- what is there is not lost ----

run=$dir/safe.run
base="--data synthetic:100 --epochs 2 --batch 16 --schedule one-cycle --seed 5"
run 0 train $base --checkpoint "$run" --resume --out "$dir/safe.model" --log "$dir/safe.csv"
says out "$run is not there yet: the run begins"
cp "$run" "$dir/copy.run"
cp "$dir/safe.csv" "$dir/copy.csv"
run 1 train $base --checkpoint "$run"
says err "'$run' is there already: --resume goes on with it"
run 1 train --data synthetic:100 --epochs 2 --batch 16 --schedule one-cycle --seed 6 --checkpoint "$run" --resume --log "$dir/safe.csv"
says err "another run: seed is 5 there, 6 here"
run 1 train $base --epochs 3 --checkpoint "$run" --resume --log "$dir/safe.csv"
says err "schedule.epochs is 2 there, 3 here"
run 1 train $base --data synthetic:101 --checkpoint "$run" --resume --log "$dir/safe.csv"
says err "training data.count is 100 there, 101 here"
run 1 train $base --norm group --checkpoint "$run" --resume --log "$dir/safe.csv"
says err "another model: layers '"
run 1 train $base --checkpoint "$dir/safe.model" --resume
says err "it is no checkpoint, but a model"
head -c 100000 "$run" >"$dir/short.run"
run 1 train $base --checkpoint "$dir/short.run" --resume
says err "short.run'"
same "$run" "$dir/copy.run"
same "$dir/safe.csv" "$dir/copy.csv"
mistake "--out and --checkpoint are both" train $base --checkpoint "$run" --out "$run"
mistake "--every 'often': want epoch or a number of batches" train $base --checkpoint "$run" --every often
mistake "--every '0'" train $base --checkpoint "$run" --every 0
mistake "--every goes with --checkpoint only" train $base --every 3
mistake "--resume goes with --checkpoint only" train $base --resume
run 1 train $base --checkpoint "$dir/nowhere/run"
says err "cannot write '$dir/nowhere/run'"

# ---- it is a model file, too ----

run 0 test "$run" --data synthetic:100
silent err
tested=$(grep '^loss' "$dir/out")
run 0 test "$dir/safe.model" --data synthetic:100
expect "$(grep '^loss' "$dir/out")" = "$tested"

# ---- more epochs, and no more than are worth it ----

run 0 train --data synthetic:100 --epochs 4 --schedule constant --log "$dir/whole.csv"
run 0 train --data synthetic:100 --epochs 2 --schedule constant --checkpoint "$dir/more.run"
run 0 train --data synthetic:100 --epochs 4 --schedule constant --checkpoint "$dir/more.run" --resume --log "$dir/more.csv"
same_log "$dir/whole.csv" "$dir/more.csv"

set -- --data synthetic:40 --epochs 30 --schedule constant --lr 1e-8 --patience-stop 2 --checkpoint "$dir/stale.run"
run 0 train "$@" --log "$dir/stale.csv"
epochs=$(($(wc -l <"$dir/stale.csv") - 1))
expect "$epochs" -lt 30
says out "Ended after $epochs of 30 epochs: the last 2 had no better test accuracy"
run 0 train "$@" --resume --log "$dir/stale.csv"
says out "which are enough without a better test accuracy"
expect "$(wc -l <"$dir/stale.csv")" -eq $((epochs + 1))

done_with resume
