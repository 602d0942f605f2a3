#!/bin/sh
# SPDX-License-Identifier: MIT
# export_arm.sh: writes networks as C, compiles them for a Cortex-M7 without a warning, and runs their self-tests in QEMU.
# Debian: gcc-arm-none-eabi libnewlib-arm-none-eabi qemu-system-arm; without these it says so and does nothing.
set -u
program=${PROGRAMS:-examples/bin}/convnet-export
dir=$(mktemp -d "${TMPDIR:-/tmp}/convnet-arm.XXXXXX") || exit 1
trap 'rm -rf "$dir"' EXIT
for tool in arm-none-eabi-gcc qemu-system-arm; do
    command -v $tool >/dev/null || { echo "skipped: no $tool here (Debian: gcc-arm-none-eabi libnewlib-arm-none-eabi qemu-system-arm)"; exit 0; }
done
failures=0
while read -r network; do
    "$program" $network --c "$dir/net.c" &&
        arm-none-eabi-gcc -std=c99 -O2 -mcpu=cortex-m7 -mthumb -mfloat-abi=hard -mfpu=fpv5-sp-d16 -Wall -Wextra \
            -Wpedantic -Wshadow -Wconversion -Wdouble-promotion -Werror -c -o "$dir/net.o" "$dir/net.c" &&
        arm-none-eabi-gcc -std=gnu99 -O2 -mcpu=cortex-m7 -mthumb -mfloat-abi=hard -mfpu=fpv5-sp-d16 \
            --specs=rdimon.specs -T tests/export_arm.ld -I"$dir" -o "$dir/net.elf" tests/export_arm.c "$dir/net.o" -lm &&
        timeout 300 qemu-system-arm -M mps2-an500 -nographic -monitor none -serial none \
            -semihosting-config enable=on,target=native -kernel "$dir/net.elf" </dev/null
    code=$?
    echo "$network: $([ $code -eq 0 ] && echo passed || echo "FAILED ($code)")"
    [ $code -eq 0 ] || failures=$((failures + 1))
done <<NETWORKS
pretrained
session8 --norm group
mnist2
mnist5
resnet20
NETWORKS
[ $failures -eq 0 ]
