#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Writes parity.txt: whole networks trained by PyTorch for a few steps, for test_parity.c.

Weights and batches come from `hashed`, which tests/numbers.c has too, so that only results need a file; the last networks
begin as torch.manual_seed has them begin. A line of losses, one a step, then a line for each tensor of the state dict: elements, sum, sum of squares, and SAMPLES elements
at even distances.

  parity.py          writes the file
  parity.py check    compares float32 with float64 instead: how far rounding alone goes
"""
import os
import sys

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from session8_model import Session8

SAMPLES = 16
IMAGES = 20  # a full block of lanes and a part of one


def hashed(sequence, count):
    """Numbers in [0, 1), multiples of 2^-24."""
    x = np.arange(count, dtype=np.uint32) * np.uint32(0x9E3779B1) + np.uint32(sequence * 0x85EBCA77 & 0xFFFFFFFF)
    x = (x ^ x >> 16) * np.uint32(0x7FEB352D)
    x = (x ^ x >> 15) * np.uint32(0x846CA68B)
    x ^= x >> 16
    return (x >> 8).astype(np.float32) * np.float32(2.0**-24)


def fill(model):
    """Kernels uniform, vectors around 1 (norm weights) or 0 (all biases). The last kernel is small: the first steps are
    gentle then, and a last bit that lets a ReLU or a pool choose differently does not grow into another path."""
    tensors = model.state_dict()
    for number, (name, tensor) in enumerate(tensors.items()):
        if name.endswith(("running_mean", "running_var", "num_batches_tracked")):
            continue
        u = np.float32(2) * hashed(number + 1, tensor.numel()) - np.float32(1)
        if tensor.dim() > 1:
            u *= np.float32(np.sqrt(2 / np.prod(tensor.shape[1:])))
            if number == len(tensors) - 2:
                u *= np.float32(0.1)
        else:
            u = u * np.float32(0.25) + np.float32(name.endswith("weight"))
        tensor.copy_(torch.from_numpy(u).view(tensor.shape))


def batch(shape, step):
    count = IMAGES * int(np.prod(shape))
    images = np.float32(4) * hashed(1400 + step, count) - np.float32(2)
    labels = (hashed(2000 + step, IMAGES) * np.float32(10)).astype(np.int64)
    return torch.from_numpy(images).view(IMAGES, *shape), torch.from_numpy(labels)


def philox(counter, key):
    """Philox 4×32-10 (Salmon et al. 2011): four arrays of random words from four of counters."""
    c, k = [np.asarray(x, dtype=np.uint64) for x in counter], [key & 0xFFFFFFFF, key >> 32]
    low = np.uint64(0xFFFFFFFF)
    for _ in range(10):
        a, b = c[0] * np.uint64(0xD2511F53), c[2] * np.uint64(0xCD9E8D57)
        c = [b >> np.uint64(32) ^ c[1] ^ np.uint64(k[0]), b & low, a >> np.uint64(32) ^ c[3] ^ np.uint64(k[1]), a & low]
        k = [(k[0] + 0x9E3779B9) & 0xFFFFFFFF, (k[1] + 0xBB67AE85) & 0xFFFFFFFF]
    return c


class Dropout(nn.Module):
    """What libconvnet draws: 16 bits a pixel, of the words for (eight pixels, layer and channel, image, step)."""

    def __init__(self, p, layer, seed=0):
        super().__init__()
        self.threshold, self.layer, self.key, self.step = int(p * 65536 + 0.5), layer, seed ^ 4 << 56, 0

    def forward(self, x):
        images, channels, height, width = x.shape
        groups = -(-height * width // 8)
        image, channel, group = np.meshgrid(range(images), range(channels), range(groups), indexing="ij")
        words = np.stack(philox((group, self.layer << 16 | channel, image, np.full_like(image, self.step)), self.key), -1)
        bits = np.stack((words & np.uint64(0xFFFF), words >> np.uint64(16)), -1).reshape(images, channels, -1)
        kept = torch.from_numpy(bits[:, :, :height * width] >= self.threshold).view_as(x)
        self.step += 1
        return x * kept * (65536 / (65536 - self.threshold))


def mnist_model(which):
    """Session 7's networks, one module a layer, so that a module's place is its layer's."""
    wide, norm, dropout = which == 2, which >= 4, which == 5
    widths = (32, 32, 64, 64, 128, 256) if wide else (9, 10, 16, 16, 16, 32)
    layers, channels = [], 1
    for i, width in enumerate(widths + (10,)):
        last = i == len(widths)
        if i == 5:
            layers.append(nn.AdaptiveAvgPool2d(1))
        if norm and i > 0:
            layers.append(nn.BatchNorm2d(channels))
        layers.append(nn.Conv2d(channels, width, 3 if i < 5 else 1, padding=1 if i < 5 else 0, bias=last))
        if dropout and not last:
            layers.append(Dropout(0.01, len(layers)))
        if not last:
            layers.append(nn.ReLU())
        if i in (1, 3):
            layers.append(nn.MaxPool2d(2))
        channels = width
    return nn.Sequential(*layers, nn.Flatten(), nn.LogSoftmax(1))


def train(model, shape, steps, rate, dtype=torch.float32):
    model.to(dtype)
    optimizer = torch.optim.SGD(model.parameters(), lr=float(np.float32(rate)), momentum=float(np.float32(0.9)))
    losses = []
    for step in range(steps):
        images, labels = batch(shape, step)
        optimizer.zero_grad()
        loss = F.nll_loss(model(images.to(dtype)), labels)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def filled(model):
    fill(model)
    return model


def seeded(make):
    """PyTorch's own first weights, which make steeper steps: at a tenth of the rate they stay apart by rounding alone."""
    torch.manual_seed(42)
    return make()


def networks():
    for norm in ("none", "batch", "layer", "group", "instance"):
        yield lambda norm=norm: filled(Session8(norm, dropout=0)), (3, 32, 32), 10, 0.01
    for which in (2, 3, 4, 5):
        yield lambda which=which: filled(mnist_model(which)), (1, 28, 28), 3 if which == 2 else 5, 0.01
    for norm in ("batch", "layer", "group"):
        yield lambda norm=norm: seeded(lambda: Session8(norm, dropout=0)), (3, 32, 32), 5, 0.001


def write(out):
    for make, shape, steps, rate in networks():
        model = make()
        out.write(f"{steps} " + " ".join(f"{loss:.9g}" for loss in train(model, shape, steps, rate)) + "\n")
        for tensor in model.state_dict().values():
            values = tensor.flatten().double().numpy()
            sample = values[::-(-len(values) // SAMPLES)]
            out.write(f"{len(values)} {values.sum():.9g} {(values ** 2).sum():.9g} "
                      + " ".join(f"{v:.7g}" for v in sample) + "\n")


def check():
    for make, shape, steps, rate in networks():
        single, double = make(), make()
        a, b = train(single, shape, steps, rate), train(double, shape, steps, rate, torch.float64)
        loss = max(abs(x - y) / y for x, y in zip(a, b))
        tensors = max((x.double() - y.double()).abs().max().item()
                      for x, y in zip(single.state_dict().values(), double.state_dict().values()))
        print(f"losses {b[0]:.4f} … {b[-1]:.4f} within {loss:.1e}, tensors within {tensors:.1e}")


if __name__ == "__main__":
    torch.set_num_threads(1)
    if sys.argv[1:] == ["check"]:
        check()
    else:
        with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "parity.txt"), "w") as file:
            write(file)
