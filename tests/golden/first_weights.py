#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Writes first_weights.txt: what PyTorch's networks begin with after torch.manual_seed, for test_first_weights.c.

    tests/golden/first_weights.py >tests/golden/first_weights.txt

First "normal COUNT STD" and what Tensor.normal_ gives one after the other from seed 42. Then for each network "network
NAME" with a checksum for each of SEEDS, over all parameters in the order of the state dict, and for each tensor that was
drawn, from the first seed, its name, checksum, and first and last number. A checksum is that of `checksum` in the test.
PyTorch has to run on x86 with AVX2: elsewhere its normal_ differs in last bits.
"""
import numpy as np
import torch
from torch import nn

from parity import mnist_model
from session8_model import Session8
from zoo import NETWORKS

SEEDS = (42, 0, 1)


class Layers(nn.Module):
    """One of each layer that has parameters, with what changes how many inputs an output counts."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, (3, 2))
        self.norm = nn.BatchNorm2d(8)
        self.prelu = nn.PReLU(8)
        self.up = nn.ConvTranspose2d(8, 6, 3, groups=2)
        self.groups = nn.GroupNorm(2, 6)
        self.grouped = nn.Conv2d(6, 4, 3, groups=2, bias=False)
        self.fc = nn.Linear(4, 5)
        self.own = nn.Module()
        self.own.scale = nn.Parameter(torch.empty(5).uniform_(1 - 0.25, 1 + 0.25))
        self.own.shift = nn.Parameter(torch.zeros(5))
        self.last = nn.Linear(5, 2)


def mnist(which):
    """Its layers with parameters, by libconvnet's names."""
    named = nn.ModuleDict()
    for layer in mnist_model(which):
        unit = 1 + sum(key.startswith("conv") for key in named)
        if any(True for _ in layer.parameters()):
            named[f"conv{unit}" if isinstance(layer, nn.Conv2d) else f"norm{unit}"] = layer
    return named


def networks():
    yield "layers", Layers
    yield "session8", lambda: Session8("batch")
    for which in (2, 3, 4, 5):
        yield f"mnist{which}", lambda which=which: mnist(which)
    yield from NETWORKS.items()


def checksum(tensors):
    """The sum of (2 i + 1) times the bits of number i, modulo 2^64."""
    words = np.concatenate([t.detach().numpy().reshape(-1).view(np.uint32) for t in tensors]).astype(np.uint64)
    with np.errstate(over="ignore"):
        return f"{(words * (2 * np.arange(len(words), dtype=np.uint64) + np.uint64(1))).sum():016x}"


def first(make, seed):
    torch.manual_seed(seed)
    return dict(make().named_parameters())


torch.manual_seed(42)
for count in (3, 20, 5, 4, 16):
    print("normal", count, 0.5, *(f"{v:.9g}" for v in torch.empty(count).normal_(0, 0.5).tolist()))
for name, make in networks():
    print("network", name, *(checksum(first(make, seed).values()) for seed in SEEDS))
    for key, tensor in first(make, SEEDS[0]).items():
        numbers = tensor.detach().flatten()
        if numbers.min() != numbers.max():
            print(key, checksum([tensor]), *(f"{v:.9g}" for v in numbers[[0, -1]].tolist()))
