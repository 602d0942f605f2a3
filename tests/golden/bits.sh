#!/bin/sh
# SPDX-License-Identifier: MIT
# Writes bits.txt, what short trainings must leave to the bit:
#
#     tests/golden/bits.sh tests/bin/test_bits >tests/golden/bits.txt
#
# To be made anew only when a change of the library's arithmetic is meant, and with every line that has changed explained. On
# a machine with fused multiply-add it writes both records.
set -eu
for isa in portable avx2 neon; do
    CONVNET_MAX_ISA=$isa RECORD=1 "$1" 2>/dev/null | grep -E '^[a-z0-9_]+ (images|channels) (fma|portable) [0-9a-f]{16}$' || true
done | sort -u
