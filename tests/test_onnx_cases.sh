#!/bin/sh
# SPDX-License-Identifier: MIT
# test_onnx_cases.sh: the conformance cases of ONNX, where they are installed (Debian: libonnx-testdata): none fails.
# ONNX_RUN: the program that runs them.
set -eu
cases=${ONNX_CASES:-/usr/share/libonnx-testdata/data}
[ -d "$cases/node" ] || { echo "onnx cases: skipped, none in $cases"; exit 0; }
exec tests/onnx_conformance.sh "${ONNX_RUN:?}"
