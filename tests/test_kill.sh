#!/bin/sh
# SPDX-License-Identifier: MIT
# test_kill.sh: convnet-train killed while it writes: before each call that changes a file in turn, and at random moments. Its model and
# its checkpoint can be read every time, the next run removes what the last one left, and in the end the bytes are those
# of a run that nobody killed. KILLS random moments, 4 unless said, and every KILL_EVERYth call; make check-kill has
# all calls and 1000 moments.
. tests/programs.sh

kills=${KILLS:-4} every=${KILL_EVERY:-23} killed=0 finished=0
work=$dir/work
mkdir "$work"
set -- --data synthetic:20 --batch 10 --threads 1 --epochs 3 --seed 3 --schedule constant --dropout 0.1

timeless() {
    cut -d, -f1-6 "$1"
}

# A file that is there is whole; the log has whole lines.
readable() {
    for file in m.safetensors c.run; do
        checks=$((checks + 1))
        [ ! -e "$work/$file" ] || "$bin/convnet-summary" "$work/$file" >"$dir/out" 2>"$dir/err" ||
            fail "$file: $(cat "$dir/err")"
    done
    checks=$((checks + 1))
    [ ! -s "$work/l.csv" ] || [ -z "$(tail -c 1 "$work/l.csv")" ] || fail "l.csv ends within a line"
}

# What a run that is through has left: the same bytes, and no other file.
complete() {
    cmp -s "$work/m.safetensors" "$dir/whole.safetensors" || fail "another model than without kills"
    timeless "$work/l.csv" >"$dir/log"
    cmp -s "$dir/log" "$dir/whole.log" || fail "another log than without kills"
    expect "$(cd "$work" && echo *)" = "c.run l.csv m.safetensors r"
    expect "$(cd "$work/r" && echo *)" = "$reports"
    finished=$((finished + 1))
    rm -rf "$work" && mkdir "$work"
}

# A run, or what is left of it. To be called in a process of its own, which it becomes.
train() {
    exec "$bin/convnet-train" "$@" --out "$work/m.safetensors" --log "$work/l.csv" --report "$work/r" \
        --checkpoint "$work/c.run" --every 1 --resume
}

line="convnet-train $*"
(train "$@") >"$dir/out" 2>"$dir/err"
expect $? -eq 0
cp "$work/m.safetensors" "$dir/whole.safetensors"
timeless "$work/l.csv" >"$dir/whole.log"
reports=$(cd "$work/r" && echo *)
complete

# ---- at each call ----

if [ -f "${FAIL_IO:-}" ]; then
    at=1
    while :; do
        rm -f "$dir/failed"
        {
            (
                export FAIL_IO_BELOW="$work" FAIL_IO_HOW=KILL FAIL_IO_AT=$at FAIL_IO_LOG="$dir/failed" LD_PRELOAD="$FAIL_IO"
                train "$@"
            ) >"$dir/out" 2>"$dir/err"
            code=$?
        } 2>"$dir/killer"
        [ -s "$dir/failed" ] || break
        line="convnet-train $*, killed before call $at, $(cat "$dir/failed")"
        expect $code -eq 137
        killed=$((killed + 1))
        readable
        (train "$@") >"$dir/out" 2>"$dir/err"
        expect $? -eq 0
        complete
        at=$((at + every))
    done
    line="convnet-train $*, not killed"
    expect $code -eq 0
    complete
fi

# ---- at random moments ----

moment=0
line="convnet-train $*, killed again and again"
while [ $moment -lt "$kills" ]; do
    (train "$@") >"$dir/out" 2>"$dir/err" &
    pid=$!
    sleep "$(printf '0.%03d' $(($(od -A n -N 2 -t u2 /dev/urandom) % 300)))"
    kill -KILL $pid 2>"$dir/killer"
    wait $pid 2>"$dir/killer"
    code=$?
    case $code in
    0) complete ;;
    137)
        moment=$((moment + 1))
        readable
        ;;
    *) fail "exit code $code: $(head -1 "$dir/err")" && break ;;
    esac
done
killed=$((killed + moment))
(train "$@") >"$dir/out" 2>"$dir/err"
expect $? -eq 0
complete

echo "$killed kills, $finished runs completed with the same bytes"
done_with kill
