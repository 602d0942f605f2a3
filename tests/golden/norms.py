#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Writes norms.txt: how exactly PyTorch normalises in float32, against itself in double precision.

    tests/golden/norms.py >tests/golden/norms.txt

Each line is a norm, a side and kind of map, and by how much output, gradient of the input, of weight and of bias differ at
most, as a share of the array's largest. What maps hold is a formula that test_norms.c has, too.
"""

import numpy as np
import torch
from parity import hashed
from torch import nn
from torchvision.models.convnext import LayerNorm2d

IMAGES, CHANNELS = 2, 32
NORMS = [
    ("batch_norm", lambda: nn.BatchNorm2d(CHANNELS)),
    ("layer_norm", lambda: nn.GroupNorm(1, CHANNELS)),
    ("group_norm groups=8", lambda: nn.GroupNorm(8, CHANNELS)),
    ("instance_norm", lambda: nn.InstanceNorm2d(CHANNELS, affine=True)),
    ("layer_norm2d", lambda: LayerNorm2d(CHANNELS, eps=1e-5)),
]
KINDS = [0, 1, 10, 100, 1000]  # mean / deviation; 0: all alike but for two rows, or for layer_norm2d two channels


def numbers(sequence, count):
    """Of mean 0 and deviation 1."""
    four = sum(hashed(4 * sequence + i, count).astype(np.float64) for i in range(4))
    return (four - 2.0) * np.sqrt(3.0)


def maps(side, kind, by_pixel):
    shape = (IMAGES, CHANNELS, side, side)
    if kind:
        return (numbers(1, np.prod(shape)).reshape(shape) + kind).astype(np.float32)
    x = np.full(shape, 0.3791, np.float32)
    few = (slice(None), slice(16, 18)) if by_pixel else (Ellipsis, slice(side // 2, side // 2 + 2), slice(None))
    x[few] = 0.2517
    return x


def run(norm, x, dy, dtype):
    layer = norm().to(dtype)
    x = torch.tensor(x, dtype=dtype, requires_grad=True)
    with torch.no_grad():
        layer.weight[:] = torch.tensor(1.0 + 0.25 * numbers(2, CHANNELS).astype(np.float32))
        layer.bias[:] = torch.tensor(0.25 * numbers(3, CHANNELS).astype(np.float32))
    y = layer(x)
    y.backward(torch.tensor(dy, dtype=dtype))
    return [y, x.grad, layer.weight.grad, layer.bias.grad]


def main():
    torch.set_num_threads(1)
    for text, norm in NORMS:
        for side in [28, 56, 112]:
            dy = numbers(4, IMAGES * CHANNELS * side * side).reshape(IMAGES, CHANNELS, side, side).astype(np.float32)
            for kind in KINDS:
                x = maps(side, kind, text == "layer_norm2d")
                wide, narrow = run(norm, x, dy, torch.float64), run(norm, x, dy, torch.float32)
                errors = [((w - n.double()).abs().max() / w.abs().max()).item() for w, n in zip(wide, narrow)]
                print(f"{text.replace(' ', ':')} {side} {kind}", *(f"{e:.2e}" for e in errors))


if __name__ == "__main__":
    main()
