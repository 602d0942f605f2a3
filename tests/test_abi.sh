#!/bin/sh
# SPDX-License-Identifier: MIT
# test_abi.sh: the interface is the one on record in tests/abi; programs that were compiled against a recorded header run
# with today's library. Started from the root of the repository after `make`.
set -u
lib=${LIB:-lib}
[ -e "$lib/libconvnet.so" ] || { echo "abi: skipped, no $lib/libconvnet.so"; exit 0; }
dir=$(mktemp -d "${TMPDIR:-/tmp}/convnet-abi.XXXXXX") || exit 1
trap 'rm -rf "$dir"' EXIT

tests/abi/check.sh tests/abi include/convnet.h "$lib/libconvnet.so" >"$dir/said" || {
    cat "$dir/said"
    echo "The interface is not the one on record. What is only added is put there by: make abi-accept (VERSIONING.md)"
    exit 1
}
for header in tests/abi/convnet-*.h; do
    tests/abi/consumer.sh "$header" "$lib" || exit 1
done
tail -n 1 "$dir/said"
