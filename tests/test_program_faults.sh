#!/bin/sh
# SPDX-License-Identifier: MIT
# test_program_faults.sh: the programs while calls for files fail, one after the other, in every way that they can
# (fail_io.h): what was there or what comes is there whole, success is success, a failure names a file, nothing is left.
# With FAULTS_EVERY every so manieth call fails, in every way, as make check-faults-io has it; without, each program has
# some calls fail in one way.
. tests/programs.sh

every=${FAULTS_EVERY:-11} turn=0
if [ ! -f "${FAIL_IO:-}" ]; then
    echo "program_faults: skipped: there is no library that has calls fail (Linux)"
    exit 0
fi
work=$dir/work

# ---- what is there ----

# A file without what the clock says.
timeless() {
    case $1 in
    */settings.csv) grep -v "^begun," "$1" ;;
    *.csv) cut -d, -f1-6 "$1" ;;
    *.html) tail -n 1 "$1" ;;
    *.run) "$bin/convnet-summary" "$1" 2>&1 | sed 1d ;;
    *) cat "$1" ;;
    esac
}

alike() { # alike FILE FILE
    [ -f "$1" ] && [ -f "$2" ] || return 1
    timeless "$1" >"$dir/one" && timeless "$2" >"$dir/other" && cmp -s "$dir/one" "$dir/other"
}

# A log that ends after a whole line.
begins_like() { # begins_like FILE FILE
    case $1 in *.csv) ;; *) return 1 ;; esac
    timeless "$1" >"$dir/one"
    timeless "$2" | head -n "$(wc -l <"$1")" | cmp -s - "$dir/one"
}

# Each file is the old one or the new one; the new one after success.
whole() {
    for file in $(cd "$dir/new" && find . -type f); do
        checks=$((checks + 1))
        alike "$work/$file" "$dir/new/$file" && continue
        if [ $code -eq 0 ]; then
            [ $how = EACCES ] && grep -q 'warning: skipped: ' "$dir/err" && continue # a picture that may not be read
            fail "success, and $file is not as it should be"
        elif [ -f "$dir/old/$file" ]; then
            cmp -s "$work/$file" "$dir/old/$file" || begins_like "$work/$file" "$dir/new/$file" ||
                fail "$file is neither the old one nor the new one"
        elif [ -f "$work/$file" ]; then
            begins_like "$work/$file" "$dir/new/$file" || fail "$file is not whole"
        fi
    done
}

# Nothing else is there, unless the program has said so.
tidy() {
    for file in $(cd "$work" && find . -type f); do
        [ -f "$dir/new/$file" ] || [ -f "$dir/old/$file" ] || grep -qF "$work/${file#./}" "$dir/err" ||
            fail "$file is left behind"
    done
}

# ---- one program ----

# failing PROGRAM [ARGUMENT]...: works in $work, which is as $dir/old every time.
failing() {
    program=$1 failed=0
    shift
    rm -rf "$work" "$dir/new"
    cp -a "$dir/old" "$work"
    run 0 "$program" "$@"
    cp -a "$work" "$dir/new"
    turn=$((turn + 1))
    ways="EIO ENOSPC EACCES EINTR SHORT"
    [ -n "${FAULTS_EVERY:-}" ] || ways=$(echo $ways | cut -d ' ' -f $((turn % 5 + 1)))
    for how in $ways; do
        at=$((turn % every + 1))
        while :; do
            rm -rf "$work" "$dir/failed"
            cp -a "$dir/old" "$work"
            FAIL_IO_BELOW=$work FAIL_IO_HOW=$how FAIL_IO_AT=$at FAIL_IO_LOG=$dir/failed LD_PRELOAD=$FAIL_IO \
                "$bin/convnet-$program" "$@" >"$dir/out" 2>"$dir/err"
            code=$?
            [ -s "$dir/failed" ] || break
            line="convnet-$program $*: $how at call $at, $(cat "$dir/failed")"
            failed=$((failed + 1))
            case $how$code in
            *0) ;;
            EINTR* | SHORT*) fail "exit code $code: $(head -1 "$dir/err")" ;;
            *1) says err "$work" ;;
            *) fail "exit code $code: $(head -1 "$dir/err")" ;;
            esac
            whole
            tidy
            at=$((at + every))
        done
    done
    [ -z "${FAULTS_EVERY:-}" ] || printf '%-9s %4d calls failed: convnet-%s %s\n' "$program" $failed "$program" "$*"
}

# picture FILE BYTE: a small PPM file all of one value.
picture() {
    { printf 'P6\n8 8\n255\n'; head -c 192 /dev/zero | tr '\0' "$2"; } >"$1"
}

old=$dir/old
mkdir -p "$old/pets/cat" "$old/pets/dog"
for i in 1 2 3; do
    picture "$old/pets/cat/$i.ppm" '\040'
    picture "$old/pets/dog/$i.ppm" '\340'
done
small="--data synthetic:20 --batch 10 --threads 1 --schedule constant"
run 0 train $small --epochs 1 --seed 9 --out "$old/m.safetensors" --log "$old/l.csv" --report "$old/r"
failing train $small --epochs 2 --out "$work/m.safetensors" --log "$work/l.csv" --report "$work/r" --checkpoint "$work/c.run"
run 0 train $small --epochs 1 --checkpoint "$old/c.run"
failing train $small --epochs 2 --resume --checkpoint "$work/c.run" --out "$work/m.safetensors" --log "$work/l.csv"
rm "$old/c.run"
failing train --data "folder:$work/pets" --epochs 1 --threads 1 --model "$work/m.safetensors" --out "$work/pets.safetensors"
run 0 train --data "folder:$old/pets" --epochs 1 --threads 1 --out "$old/pets.safetensors"
failing test "$work/pets.safetensors" --data "folder:$work/pets"
failing classify "$work/pets/cat/1.ppm" --model "$work/pets.safetensors" --map "$work/map.png"
failing convert "$work/m.safetensors" "$work/m.onnx"
failing convert "$work/m.safetensors" "$work/m.npz"
failing export "$work/m.safetensors" --c "$work/m.c"
failing summary "$work/m.safetensors"
failing explore --data "folder:$work/pets" --out "$work/sheets" --model "$work/pets.safetensors" --layer tblock1.1
failing compare tests/golden/1.0/comparison/*.csv --out "$work/compared"

done_with program_faults
