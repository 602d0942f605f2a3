#!/bin/sh
# SPDX-License-Identifier: MIT
# all.sh: `make check-all`: every kind of proof that this machine has the tools for, one after another, each at a size that
# lets the whole end within a quarter of an hour on two cores; docs/testing.md says what each proves at its full size.
# What the targets print lies in build/all/. The last line is `N passed, N failed`.
set -u
make=${MAKE:-make}
logs=build/all
passed=0 failed=0
mkdir -p "$logs"

line() { printf '%-22s %-50s %4d s\n' "$1" "$2" "$3"; }

# prove TARGET [SETTING...]: a target counts as many tests as its last line says, or as one.
prove() {
    target=$1 begin=$(date +%s)
    log=$logs/$target
    $make "$@" >"$log" 2>&1
    code=$?
    counts=$(sed -n 's/^\([0-9]*\) passed, \([0-9]*\) failed$/\1 \2/p' "$log" | tail -n 1)
    good=${counts% *} bad=${counts#* }
    [ -n "$counts" ] || good=1 bad=0
    [ "$code" -eq 0 ] || [ "$bad" -gt 0 ] || bad=1
    [ "$code" -eq 0 ] || [ -n "$counts" ] || good=0
    passed=$((passed + good)) failed=$((failed + bad))
    line "$target" "$good passed, $bad failed" $(($(date +%s) - begin))
    [ "$code" -eq 0 ] || tail -n 40 "$log"
}

# prove_with TOOL TARGET [SETTING...]: where the tool is.
prove_with() {
    tool=$1
    shift
    if command -v "$tool" >/dev/null; then prove "$@"; else line "$1" "left out: no $tool" 0; fi
}

prove check
prove check-faults-io FAULTS_EVERY=23
prove check-faults-memory
prove check-kill KILLS=20
prove check-graphs GRAPHS=100
prove soak SOAK_SECONDS=10 SOAK_PREDICTIONS=20000
prove check-asan
prove check-tsan ONLY='context threads predictor host_threads trainer batches'
prove_with mpicc check-mpi
prove_with valgrind check-valgrind ONLY='json npy safetensors image_files tensors idx onnx predictor'
prove_with clang fuzz FUZZ_SECONDS=2
prove_with cppcheck lint LINT=cppcheck
prove_with faketime check-reproducible CFLAGS='-O0 -g' # paths, times and orders, whatever the optimizer
prove_with arm-none-eabi-gcc check-export-arm

echo "$passed passed, $failed failed" | tee "$logs/summary"
[ "$failed" -eq 0 ]
