#!/bin/sh
# SPDX-License-Identifier: MIT
# test_python.sh: the Python module: its declarations are the header's, its structs laid out as the compiler has them, every
# function of the library called, and what it promises (python_module.py). Needs Python 3.9 with NumPy (Debian:
# python3-numpy); without it, a word says so.
set -eu
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# The first Python that has NumPy: PYTHON's, or what is called python3 here, or Debian's.
for python in ${PYTHON:-python3 /usr/bin/python3} ""; do
    [ -n "$python" ] || { echo "python: skipped, no python3 with NumPy"; exit 0; }
    "$python" -c 'import sys, numpy; sys.exit(sys.version_info < (3, 9))' 2>/dev/null && break
done
"$python" python/declarations.py
CC=${CC:-cc} tests/abi/facts.sh include/convnet.h >"$work/facts"

library=$(cd "${LIB:-lib}" && pwd)
export WORK="$work" PYTHONPATH="$PWD/python" PYTHONDONTWRITEBYTECODE=1 CONVNET_LIBRARY="$library/libconvnet.so"
"$python" tests/python_module.py Structs Lives Errors Callbacks Networks Words Data Runs Whole >"$work/said" 2>&1 || {
    cat "$work/said"
    exit 1
}

# The example, on fewer images, with the weights that PyTorch would have written.
sed 's/4000/200/; s/1000/100/' examples/python/train.py >"$work/train.py"
cd "$work"
"$python" -c 'import convnet; convnet.Model.zoo("resnet18").state_dict().save("resnet18.safetensors")'
"$python" train.py resnet18.safetensors >output
grep -q '^epoch 3: test accuracy [0-9.]* %$' output
grep -q '^test image 0 is a [a-z]* and the network says [a-z]*$' output
grep -qx 'resnet18.safetensors makes a network of 11689512 parameters' output
echo "python: $(sed -n 's/^Ran \(.*\) in .*/\1/p' said), $(grep -c '@@' "$OLDPWD/src/symbols.txt") functions"
