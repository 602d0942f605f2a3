#!/bin/sh
# SPDX-License-Identifier: MIT
# onnx_conformance.sh ONNX_RUN: runs the conformance cases that come with ONNX (Debian: libonnx-testdata) and says, operator
# by operator, how many passed, and why others are out of scope. Ends with 1 if one failed. ONNX_CASES: where they are.
set -eu
run=$1
cases=${ONNX_CASES:-/usr/share/libonnx-testdata/data}
[ -d "$cases/node" ] || { echo "check-onnx: no cases in $cases (Debian: libonnx-testdata)" >&2; exit 1; }

# Every case of an operator that is converted: of the node tests by name, of the others by what they are of.
names='add averagepool basic_conv batchnorm cast_DOUBLE_to_FLOAT cast_FLOAT16_to_FLOAT cast_FLOAT_to_DOUBLE
cast_FLOAT_to_FLOAT16 clip concat constant conv convtranspose depthtospace div dropout elu flatten gather gemm
globalaveragepool globalmaxpool hardsigmoid hardswish identity instancenorm layer_normalization leakyrelu logsoftmax lrn
matmul max maxpool min mish mul neg pow prelu reduce_max reduce_mean relu reshape resize selu shape sigmoid slice softmax
softplus softsign spacetodepth split squeeze sub sum tanh transpose unsqueeze upsample edge_pad constant_pad reflect_pad
wrap_pad operator'
list=$(mktemp)
trap 'rm -f "$list"' EXIT
for name in $names; do
    find "$cases/node" -maxdepth 1 \( -name "test_$name" -o -name "test_${name}_*" \)
done >"$list"
find "$cases/pytorch-converted" "$cases/pytorch-operator" "$cases/simple" -mindepth 1 -maxdepth 1 -type d >>"$list"
sort -u "$list" | xargs "$run" cases | sort | awk -F'\t' '
    # An operator is the name without "test_", up to the first "_" and what says which case it is.
    function operator(path,  parts, n, name) {
        n = split(path, parts, "/")
        name = parts[n - 1] == "node" ? parts[n] : parts[n - 1]
        sub(/^test_/, "", name)
        if (match(name, /^(reduce_max|reduce_mean|layer_normalization|basic_conv|edge_pad|constant_pad|reflect_pad)/))
            return substr(name, 1, RLENGTH)
        sub(/_.*/, "", name)
        return name
    }
    {
        op = operator($1)
        ops[op] = 1
        count[op, $2]++
        all[$2]++
        why = $3
        sub(/^.*cannot be layers: [A-Za-z]* *.[^:]*: /, "", why)
        gsub(/^'\''[^'\'']*'\'': /, "", why)
        if ($2 == "out of scope") reasons[op] = reasons[op] (index(reasons[op], why) ? "" : "\n    " why)
        if ($2 == "failed") failures = failures "\nfailed: " $1 ": " $3
    }
    END {
        for (op in ops) {
            printf "%s: %d passed, %d out of scope, %d failed%s\n", op, count[op, "passed"], count[op, "out of scope"],
                count[op, "failed"], reasons[op] | "cat"
        }
        close("cat")
        printf "%s\n\n%d passed, %d out of scope, %d failed\n", failures, all["passed"], all["out of scope"], all["failed"]
        exit all["failed"] > 0
    }'
