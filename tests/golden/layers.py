#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Writes layers.txt: what PyTorch computes for every layer and option, in double precision.

    tests/golden/layers.py >tests/golden/layers.txt

README.md beside this file has the grammar of the cases, the formula behind inputs and parameters, and the format.
"""

import functools

import numpy as np
import torch
from torch import nn
from torchvision.models.convnext import LayerNorm2d

# ---- the cases ----

BATCHES = [1, 2, 15, 16, 17, 33]


def convolutions():
    """Kernels, strides, paddings, dilations, groups, modes and channels, crossed where they meet in the code."""
    for batch in BATCHES:
        yield f"train {batch}x3x5x7 | conv2d out=8 kernel=3 padding=1"
    for kernel in ["1", "2", "3", "5", "3x1", "1x3", "7", "2x5"]:
        yield f"train 2x3x9x7 | conv2d out=10 kernel={kernel}"
        yield f"train 17x3x9x8 | conv2d out=7 kernel={kernel} padding=1x2 bias=0"
    for stride in ["2", "3", "2x1", "1x3"]:
        for kernel in ["1", "3", "2"]:
            yield f"train 3x4x9x8 | conv2d out=5 kernel={kernel} stride={stride} padding=1"
    for dilation in ["2", "3x1", "1x2"]:
        yield f"train 2x3x9x9 | conv2d out=8 kernel=3 dilation={dilation}"
        yield f"train 2x3x9x9 | conv2d out=8 kernel=3x2 dilation={dilation} padding=2x1 stride=2"
    for groups, channels, out in [(2, 8, 6), (3, 3, 6), (8, 8, 8), (7, 7, 14), (4, 16, 24), (10, 10, 10)]:
        yield f"train 5x{channels}x6x5 | conv2d out={out} kernel=3 padding=1 groups={groups}"
        yield f"train 3x{channels}x5x6 | conv2d out={out} kernel=1 groups={groups} bias=0"
    yield "train 3x6x7x7 | conv2d out=6 kernel=3 padding=1 groups=3 stride=2 dilation=2 mode=circular"
    for mode in ["replicate", "reflect", "circular"]:
        for padding in ["1", "2", "0x1", "2x1"]:
            yield f"train 3x3x6x5 | conv2d out=8 kernel=3 padding={padding} mode={mode}"
        yield f"train 17x3x7x5 | conv2d out=7 kernel=5x3 padding=2x1 stride=2 mode={mode} bias=0"
        yield f"train 2x3x7x6 | conv2d out=8 kernel=2x3 padding=1x2 dilation=2x1 groups=1 mode={mode}"
    yield "train 2x3x2x3 | conv2d out=4 kernel=3 padding=1x2 mode=reflect"
    yield "train 2x3x2x3 | conv2d out=4 kernel=3 padding=2x3 mode=circular"
    yield "train 2x3x1x2 | conv2d out=4 kernel=3x5 padding=3x4 mode=replicate"
    for channels in [1, 3, 7, 8, 10, 16, 24]:
        for out in [1, 7, 8, 10, 16, 24]:
            if (channels + out) % 3 != 1 or channels == out:
                yield f"train 2x{channels}x5x4 | conv2d out={out} kernel=3 padding=1 bias=0"
    for channels, out in [(3, 10), (16, 24), (24, 32), (32, 10), (10, 1)]:
        yield f"train 18x{channels}x3x4 | conv2d out={out} kernel=1"
    yield "train 17x7x1x1 | conv2d out=10 kernel=1"
    yield "train 17x7x1x1 | conv2d out=9 kernel=3 padding=1"
    yield "train 2x2x1x1 | conv2d out=3 kernel=3 padding=2 stride=2"
    yield "train 2x3x3x3 | conv2d out=5 kernel=3"
    yield "train 1x3x11x13 | conv2d out=16 kernel=7 padding=3 stride=2"
    yield "train 1x1x17x3 | conv2d out=2 kernel=5x3 stride=4x2 padding=4x1"
    yield "train 3x2x5x8 | conv2d out=3 kernel=2 stride=3"
    yield "train 3x2x6x7 | conv2d out=3 kernel=1 stride=3x2"
    yield "train 2x16x14x14 | conv2d out=16 kernel=3 padding=1 mode=replicate bias=0"
    yield "train 2x32x7x7 | conv2d out=32 kernel=3 padding=1 mode=replicate bias=0"
    yield "train 17x3x8x8 | conv2d out=16 kernel=3 bias=0"
    yield "eval 17x3x8x8 | conv2d out=16 kernel=3 padding=1 mode=reflect"
    yield "eval 3x8x1x1 | conv2d out=16 kernel=1"


def linears():
    for batch in BATCHES:
        yield f"train {batch}x7x1x1 | linear out=10"
    for features, out in [(1, 1), (3, 24), (24, 3), (65, 10), (130, 33)]:
        yield f"train 5x{features}x1x1 | linear out={out}"
        yield f"train 17x{features}x1x1 | linear out={out} bias=0"
    yield "eval 17x9x1x1 | linear out=4"
    yield "train 17x3x3x2 | flatten | linear out=5"


def norms():
    for batch in BATCHES:
        yield f"train {batch}x3x5x4 | batch_norm"
        yield f"train {batch}x8x3x5 | group_norm"
        yield f"eval {batch}x3x2x3 | batch_norm"
    for options in ["affine=0", "running=0", "affine=0 running=0", "momentum=0.3", "eps=0.125", "momentum=1"]:
        yield f"train 17x7x4x3 | batch_norm {options}"
        yield f"eval 5x7x4x3 | batch_norm {options}"
    yield "train 2x10x1x1 | batch_norm"
    yield "train 33x10x1x1 | batch_norm"
    yield "train 1x4x1x2 | batch_norm"
    yield "train 18x4x3x3 shift=8 | batch_norm"
    for channels, groups in [(8, 2), (12, 3), (16, 4), (24, 4), (10, 5), (10, 2), (7, 1), (7, 7)]:
        yield f"train 3x{channels}x4x3 | group_norm groups={groups}"
    for kind in ["layer_norm", "instance_norm"]:
        for batch in [1, 16, 17]:
            yield f"train {batch}x7x3x4 | {kind}"
        yield f"train 3x10x5x5 | {kind} affine=0"
        yield f"train 3x10x5x5 | {kind} eps=0.5"
        yield f"train 3x4x3x3 shift=8 | {kind}"
        yield f"eval 17x10x2x5 | {kind}"
    yield "train 5x7x1x1 | layer_norm"
    yield "train 5x8x1x1 | group_norm"
    yield "train 3x4x1x2 | instance_norm"
    yield "eval 3x8x2x2 | group_norm groups=2 affine=0"


# As in tests/layers.def.
ACTIVATIONS = {"relu": nn.ReLU, "leaky_relu": nn.LeakyReLU, "leaky_relu slope=0.25": lambda: nn.LeakyReLU(0.25),
               "sigmoid": nn.Sigmoid, "tanh": nn.Tanh, "silu": nn.SiLU, "gelu": nn.GELU,
               "gelu_tanh": lambda: nn.GELU(approximate="tanh"), "hardswish": nn.Hardswish, "elu": nn.ELU,
               "elu alpha=0.5": lambda: nn.ELU(0.5), "hardtanh": nn.Hardtanh,
               "hardtanh min_val=-0.5 max_val=0.25": lambda: nn.Hardtanh(-0.5, 0.25), "relu6": nn.ReLU6,
               "hardsigmoid": nn.Hardsigmoid, "softplus": nn.Softplus,
               "softplus beta=2 threshold=3": lambda: nn.Softplus(2, 3), "mish": nn.Mish}


LATER_ACTIVATIONS = {"softsign": nn.Softsign, "affine times=-1.5 plus=0.75": lambda: Function(lambda x: x * -1.5 + 0.75)}


def each_activation(kinds):
    for kind in kinds:
        for scale in ["1", "8", "64"]:
            yield f"train 3x5x3x5 scale={scale} | {kind}"
        yield f"train 17x3x1x2 scale=4 | {kind}"
        yield f"eval 33x3x2x1 scale=4 | {kind}"
        yield f"train 5x3x2x2 levels=2 scale=2 | {kind}"  # zeros among the inputs


def activations():
    yield from each_activation(ACTIVATIONS)
    for weights in ["1", "5"]:
        for batch in [1, 3, 16, 33]:
            yield f"train {batch}x5x3x4 | prelu weights={weights}"
        yield f"train 5x5x2x3 levels=2 | prelu weights={weights}"
        yield f"eval 17x5x2x2 | prelu weights={weights}"
    yield "train 3x1x4x5 | prelu"
    yield "train 3x18x1x1 | linear out=7 | prelu weights=7"
    yield "eval 17x5x3x3 | dropout p=0.5"
    yield "train 17x5x3x3 | dropout p=0"


def pools():
    for batch in BATCHES:
        yield f"train {batch}x3x6x4 | max_pool kernel=2"
        yield f"train {batch}x3x6x4 | avg_pool kernel=2"
    windows = ["kernel=3", "kernel=3 stride=1", "kernel=3 stride=2 padding=1", "kernel=2x3 stride=1x2 padding=1x0",
               "kernel=2 stride=3", "kernel=1", "kernel=5x1 stride=2x3 padding=2x0"]
    for window in windows:
        for ceil in ["", " ceil=1"]:
            yield f"train 3x4x7x8 | max_pool {window}{ceil}"
            yield f"train 3x4x7x8 | avg_pool {window}{ceil}"
            if "padding" in window:
                yield f"train 3x4x7x8 | avg_pool {window}{ceil} include_pad=0"
    yield "train 3x4x8x7 | avg_pool kernel=3 stride=2 padding=1 ceil=1 divisor=5"
    yield "train 3x4x8x7 | avg_pool kernel=2 divisor=3 include_pad=0"
    for window in ["kernel=2 dilation=2 stride=1", "kernel=3x2 dilation=1x3 padding=1 stride=2", "kernel=3 dilation=3"]:
        yield f"train 3x4x9x8 | max_pool {window}"
        yield f"train 3x4x9x8 | max_pool {window} ceil=1"
    for levels in [1, 2]:  # ties
        yield f"train 17x3x7x7 levels={levels} | max_pool kernel=3 stride=2 padding=1"
        yield f"train 17x3x6x6 levels={levels} | max_pool kernel=2"
    yield "train 3x4x6x6 shift=-4 | max_pool kernel=3 padding=1"  # padding never wins
    yield "train 2x3x1x1 | max_pool kernel=1"
    yield "eval 17x3x5x5 | max_pool kernel=3 stride=2"
    yield "eval 17x3x5x5 | avg_pool kernel=3 stride=2 padding=1"
    for size, out in [("7x7", "1"), ("6x9", "1"), ("7x5", "3x2"), ("5x6", "5x6"), ("3x4", "5x7"), ("1x1", "1"),
                      ("8x6", "4x3"), ("1x1", "3x2"), ("10x7", "3")]:
        yield f"train 3x4x{size} | adaptive_avg_pool out={out}"
    for batch in BATCHES:
        yield f"train {batch}x3x4x5 | adaptive_avg_pool out=1"
    yield "eval 17x3x5x4 | adaptive_avg_pool out=2x3"


def heads():
    for batch in BATCHES:
        yield f"train {batch}x10x1x1 scale=4 | softmax"
        yield f"train {batch}x10x1x1 scale=4 | log_softmax"
    for kind in ["softmax", "log_softmax"]:
        yield f"train 3x5x3x4 | {kind}"
        yield f"train 3x1x2x2 | {kind}"
        yield f"train 5x7x1x1 scale=64 shift=1024 | {kind}"
        yield f"eval 17x10x1x1 | {kind}"
    yield "train 3x4x3x5 | flatten"
    yield "train 17x4x1x1 | flatten"
    yield "train 17x3x2x4 | flatten | log_softmax"
    yield "train 3x4x3x5 | relu | add @0 @1"
    yield "train 17x4x2x3 | add @0 @0"
    yield "train 17x4x2x3 | sigmoid | tanh @0 | add @0 @1 @2 @1"
    yield "eval 17x4x2x3 | sigmoid | add @1 @0"


def shapes():
    """Layers that put values elsewhere."""
    for batch in BATCHES:
        yield f"train {batch}x3x2x5 | concat @0 @0"
    yield "train 3x4x2x3 | sigmoid | conv2d out=18 kernel=1 @0 | concat @1 @0 @2 @1"
    yield "train 17x3x4x4 | conv2d out=20 kernel=3 padding=1 | relu | concat @0 @2 | conv2d out=3 kernel=3 padding=1"
    yield "train 3x5x1x1 | linear out=30 | flatten @0 | concat @1 @2 | linear out=3"
    yield "eval 17x3x4x4 | tanh | concat @0 @1"
    for kind in ["identity", "conv2d out=4 kernel=3 | identity | relu", "relu | identity | max_pool kernel=2"]:
        yield f"train 17x3x4x6 | {kind}"
    for batch in BATCHES:
        yield f"train {batch}x4x3x5 | reshape to=6x2x5"
    for size, to in [("5x4x3", "3x4x5"), ("5x4x3", "60x1x1"), ("60x1x1", "5x4x3"), ("7x2x3", "1x6x7"), ("1x6x7", "21x1x2"),
                     ("18x1x1", "2x-1x3"), ("3x4x6", "-1x2x2"), ("20x2x1", "4x5x-1")]:
        yield f"train 3x{size} | reshape to={to}"
    yield "train 5x4x3x3 | flatten | reshape to=4x3x3 | conv2d out=3 kernel=3 padding=1"
    yield "eval 17x4x3x2 | reshape to=3x4x2"
    for batch in [1, 16, 17]:
        yield f"train {batch}x8x3x2 | pixel_shuffle factor=2"
        yield f"train {batch}x2x4x6 | pixel_unshuffle factor=2"
        yield f"train {batch}x6x3x2 | channel_shuffle groups=3"
    for factor, size in [(1, "5x2x3"), (3, "18x2x1"), (2, "4x5x3"), (4, "16x1x2")]:
        yield f"train 3x{size} | pixel_shuffle factor={factor}"
    for factor, size in [(1, "5x2x3"), (3, "2x3x6"), (2, "1x6x4"), (4, "3x4x8")]:
        yield f"train 3x{size} | pixel_unshuffle factor={factor}"
    for groups in [1, 2, 4, 5, 20]:
        yield f"train 3x20x2x3 | channel_shuffle groups={groups}"
    yield "train 3x4x3x3 | pixel_shuffle factor=2 | conv2d out=1 kernel=3 padding=1 | pixel_unshuffle factor=2 | add @0 @3"
    for mode in ["zeros", "replicate", "reflect", "circular"]:
        for pad in ["1", "0x1x2x0", "2x0x0x1", "3x2x1x2", "0"]:
            yield f"train 3x3x4x5 | pad mode={mode} pad={pad}"
        yield f"train 17x2x4x5 | pad mode={mode} pad=1x2x2x1 | conv2d out=3 kernel=3 padding=1"
        yield f"eval 17x2x3x3 | pad mode={mode} pad=2x1x1x2"
    yield "train 3x2x1x2 | pad mode=replicate pad=4x3x5x2"
    yield "train 3x2x2x3 | pad mode=circular pad=3x3x2x2"
    for pad in ["1x0x0x2", "-1x2x0x-1", "-2x-1x-1x-2", "3x-4x-2x1"]:
        yield f"train 3x3x4x5 | pad pad={pad} value=-1.5"
    yield "train 17x3x2x2 | sigmoid | pad pad=1 | pad pad=1x1x1x1 value=0.5 @1 | add @2 @3"


def blocks():
    """A norm and what is computed with it: norm, add, ReLU, dropout."""
    for norm in ["batch_norm", "layer_norm", "group_norm", "instance_norm"]:
        for batch in [2, 17]:
            size = f"{batch}x8x3x5"
            yield f"train {size} | {norm} | relu"
            yield f"train {size} | {norm} | add @1 @0"
            yield f"train {size} | {norm} | add @0 @1 | relu"
            yield f"train {size} | {norm} | add @1 @0 | relu | dropout p=0"
            yield f"train {size} | conv2d out=8 kernel=3 padding=1 mode=replicate bias=0 | {norm} | add @2 @0 | relu"
        yield f"train 5x8x4x3 | {norm} | relu | add @2 @0"
        yield f"train 5x8x4x3 | {norm} | dropout p=0 | relu"
        yield f"train 5x8x4x3 | tanh | {norm} | add @2 @1 | {norm} | relu | add @5 @3 @1"
        yield f"eval 17x8x3x5 | {norm} | add @1 @0 | relu | dropout p=0.5"


def products():
    """Multiplied and added with sides of 1, which count for all."""
    for name in ["mul", "add"]:
        for batch in [2, 17]:
            yield f"train {batch}x5x3x4 | tanh | {name} @0 @1"
            yield f"train {batch}x5x3x4 | adaptive_avg_pool out=1 | {name} @0 @1"
        yield f"train 3x5x4x3 | {name} @0 @0"
        yield f"train 3x5x4x3 | adaptive_avg_pool out=1 | sigmoid | {name} @2 @0"
        yield f"train 3x5x4x3 | conv2d out=1 kernel=3 padding=1 | {name} @0 @1"
        yield f"train 3x5x4x3 | conv2d out=1 kernel=3 padding=1 | adaptive_avg_pool out=1 @0 | {name} @1 @2"
        yield f"train 3x5x4x3 | adaptive_avg_pool out=1x3 | {name} @1 @0"
        yield f"train 3x5x4x3 | adaptive_avg_pool out=4x1 | {name} @0 @1"
        yield f"train 3x5x4x3 | conv2d out=1 kernel=1 | adaptive_avg_pool out=1 | {name} @0 @2"
        yield f"train 3x1x4x3 | conv2d out=5 kernel=1 | {name} @0 @1"
        yield f"eval 17x5x4x3 | adaptive_avg_pool out=1 | {name} @0 @1"
        yield f"train 3x8x4x5 | adaptive_avg_pool out=1 | batch_norm @0 | {name} @2 @1 | relu"
        yield f"train 3x8x4x5 | adaptive_avg_pool out=1 | batch_norm | {name} @2 @0 | relu"
    yield "train 3x5x4x3 | adaptive_avg_pool out=1 | conv2d out=1 kernel=1 @0 | add @1 @0 @2"
    yield ("train 2x8x6x5 | adaptive_avg_pool out=1 | conv2d out=2 kernel=1 | relu | conv2d out=8 kernel=1 | sigmoid | "
           "mul @0 @5")


def upsamplings():
    sizes = ["by=2", "by=3x2", "by=1.5", "by=0.5", "by=2.5x0.75", "out=5x7", "out=3x4", "out=1",
             "out=10x12", "out=2x3"]
    for size in sizes:
        yield f"train 3x4x3x4 | upsample {size}"
        yield f"train 3x4x3x4 | upsample bilinear=1 {size}"
        yield f"train 3x4x3x4 | upsample bilinear=1 corners=1 {size}"
    for batch in BATCHES:
        yield f"train {batch}x3x2x3 | upsample by=2"
        yield f"train {batch}x3x3x2 | upsample bilinear=1 by=2"
    yield "train 2x3x1x1 | upsample out=3x4"
    yield "train 2x3x1x1 | upsample bilinear=1 out=3x4"
    yield "train 2x3x1x5 | upsample bilinear=1 corners=1 out=3x1"
    yield "train 2x2x7x40 | upsample out=19x129"
    yield "train 2x2x7x40 | upsample bilinear=1 out=19x129"
    yield "train 2x2x11x13 | upsample by=1.3x1.1"
    yield "train 2x2x10x13 | upsample bilinear=1 by=1.3x1.1"
    yield "train 3x4x5x6 | tanh | max_pool kernel=2 | upsample out=5x6 | add @1 @3"
    yield "eval 17x3x5x4 | upsample bilinear=1 by=2"


def transposed():
    """Kernels, strides, paddings, dilations and groups, crossed where they meet in the code."""
    for batch in BATCHES:
        yield f"train {batch}x5x3x4 | conv_transpose2d out=7 kernel=2 stride=2"
        yield f"train {batch}x3x4x3 | conv_transpose2d out=9 kernel=4 stride=2 padding=1"
    for stride in ["1", "2", "3", "2x1", "1x3"]:
        for kernel in ["1", "2", "3", "4x2"]:
            yield f"train 3x4x3x5 | conv_transpose2d out=5 kernel={kernel} stride={stride}"
            if kernel != "1":
                yield f"train 17x3x4x3 | conv_transpose2d out=10 kernel={kernel} stride={stride} padding=1x0 bias=0"
    yield "train 3x4x3x5 | conv_transpose2d out=5 kernel=3 stride=2 padding=1 output_padding=1"
    yield "train 3x4x3x5 | conv_transpose2d out=5 kernel=3x2 stride=3x2 output_padding=2x1"
    yield "train 3x4x3x5 | conv_transpose2d out=5 kernel=3 dilation=3x2 output_padding=2x1"
    yield "train 3x4x3x5 | conv_transpose2d out=5 kernel=3 stride=2 dilation=2x3 padding=2x3 output_padding=1x2"
    yield "train 3x4x3x5 | conv_transpose2d out=5 kernel=2 stride=3 output_padding=1"
    yield "train 3x4x3x5 | conv_transpose2d out=5 kernel=5 padding=2x3"
    yield "train 3x4x3x5 | conv_transpose2d out=3 kernel=2 padding=1x2"
    yield "train 2x4x1x1 | conv_transpose2d out=5 kernel=4"
    yield "train 17x10x1x1 | conv_transpose2d out=3 kernel=1"
    for groups, channels, out in [(2, 8, 6), (3, 3, 6), (8, 8, 8), (4, 16, 24), (10, 10, 10)]:
        yield f"train 5x{channels}x4x3 | conv_transpose2d out={out} kernel=3 stride=2 padding=1 groups={groups}"
        yield f"train 3x{channels}x3x4 | conv_transpose2d out={out} kernel=2 stride=2 groups={groups} bias=0"
    for channels, out in [(1, 24), (24, 1), (16, 8), (17, 33)]:
        yield f"train 2x{channels}x3x4 | conv_transpose2d out={out} kernel=3 stride=2 padding=1 output_padding=1"
    yield "train 3x4x3x3 | tanh | conv_transpose2d out=4 kernel=3 padding=1 | batch_norm | relu | add @4 @0 @1"
    yield "train 3x4x3x3 | conv_transpose2d out=4 kernel=2 stride=2 | conv2d out=4 kernel=3 padding=1 mode=reflect"
    yield "eval 17x5x3x4 | conv_transpose2d out=7 kernel=3 stride=2 padding=1"


def pixel_norms():
    for batch in BATCHES:
        yield f"train {batch}x7x3x4 | layer_norm2d"
    for channels in [1, 2, 16, 17, 33]:
        yield f"train 3x{channels}x3x2 | layer_norm2d"
    for options in ["affine=0", "eps=0.125", "eps=1e-6 affine=0"]:
        yield f"train 17x5x2x3 | layer_norm2d {options}"
        yield f"eval 5x5x2x3 | layer_norm2d {options}"
    yield "train 3x8x3x3 shift=8 | layer_norm2d"
    yield "train 5x10x1x1 | layer_norm2d"
    yield "train 3x6x4x3 | tanh | layer_norm2d | relu | add @3 @1 | conv2d out=4 kernel=3 padding=1"


def largest():
    for size, out in [("7x7", "1"), ("6x9", "1"), ("7x5", "3x2"), ("5x6", "5x6"), ("3x4", "5x7"), ("1x1", "1"),
                      ("8x6", "4x3"), ("1x1", "3x2"), ("10x7", "3")]:
        yield f"train 3x4x{size} | adaptive_max_pool out={out}"
    for batch in BATCHES:
        yield f"train {batch}x3x4x5 | adaptive_max_pool out=1"
    yield "train 17x3x6x6 levels=1 | adaptive_max_pool out=3"  # ties
    yield "train 3x3x5x4 levels=2 | adaptive_max_pool out=2x3"
    yield "train 3x3x6x4 | tanh | adaptive_max_pool out=3x2 | adaptive_avg_pool out=3x2 @1 | mul @2 @3"
    yield "eval 17x3x5x4 | adaptive_max_pool out=2x3"


def parts():
    yield from each_activation(LATER_ACTIVATIONS)
    for start, length in [(0, 1), (0, 20), (3, 7), (15, 5), (1, 18), (16, 4)]:
        yield f"train 3x20x2x3 | narrow start={start} length={length}"
        yield f"train 17x20x1x2 | tanh | narrow start={start} length={length} | narrow length=1 @1 | mul @2 @3"


def responses():
    for batch in BATCHES:
        yield f"train {batch}x7x3x4 | local_response_norm alpha=0.5"
    for channels in [1, 2, 3, 16, 17, 33]:
        for size in [1, 2, 5]:
            yield f"train 3x{channels}x3x2 scale=2 | local_response_norm size={size} alpha=0.75 k=2"
    for options in ["size=9 alpha=0.5", "size=40 alpha=8 beta=0.5", "size=3 alpha=0.25 beta=1.25 k=0.125",
                    "size=4 beta=-0.5"]:
        yield f"train 17x5x2x3 scale=4 | local_response_norm {options}"
        yield f"eval 5x20x2x3 scale=4 | local_response_norm {options}"
    yield "train 3x6x4x3 | tanh | local_response_norm alpha=1 | add @2 @1 @0 | conv2d out=4 kernel=3 padding=1"


GROUPS = [convolutions, linears, norms, activations, pools, heads, shapes, blocks, products, upsamplings, transposed,
          pixel_norms, largest, parts, responses]


# ---- the formula ----


def value(tag, count):
    """`count` values in [-1, 1), multiples of 2^-15."""
    h = np.arange(count, dtype=np.uint32) * np.uint32(0x9E3779B1) + np.uint32(tag * 0x85EBCA77 & 0xFFFFFFFF)
    h = (h ^ h >> np.uint32(15)) * np.uint32(0x2C1B3C6D)
    h = (h ^ h >> np.uint32(12)) * np.uint32(0x297A2D39)
    h ^= h >> np.uint32(15)
    return (h >> np.uint32(16)).astype(np.float64) / 32768 - 1


def input_values(header, count):
    v = value(0, count)
    if "levels" in header:
        levels = int(header["levels"])
        v = np.floor((v + 1) * levels) / levels - 1
    return v * float(header.get("scale", 1)) + float(header.get("shift", 0))


# ---- running a case ----


def pair(text):
    numbers = [int(n) for n in text.split("x")]
    return (numbers[0], numbers[-1])


def reals(text):
    numbers = [float(n) for n in text.split("x")]
    return (numbers[0], numbers[-1])


def words(part):
    """Its name, options and the values it reads."""
    name, *rest = part.split()
    options = dict(word.split("=") for word in rest if word[0] != "@")
    return name, options, [int(word[1:]) for word in rest if word[0] == "@"]


def window(o):
    kernel = pair(o["kernel"])
    return dict(kernel_size=kernel, stride=pair(o["stride"]) if "stride" in o else kernel,
                padding=pair(o.get("padding", "0")), ceil_mode=o.get("ceil") == "1")


class Function(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.forward = function


class Reshape(nn.Module):
    def __init__(self, shape):
        super().__init__()
        self.shape = shape

    def forward(self, x):
        return nn.Unflatten(1, self.shape)(x) if x.dim() == 2 else x.reshape(len(x), *self.shape)


class ChannelShuffle(nn.Module):
    """nn.ChannelShuffle, whose backward pass this version of PyTorch lacks."""

    def __init__(self, groups):
        super().__init__()
        self.groups = groups

    def forward(self, x):
        n, channels, *sides = x.shape
        y = x.reshape(n, self.groups, channels // self.groups, *sides).transpose(1, 2).reshape(x.shape)
        assert torch.equal(y, nn.ChannelShuffle(self.groups)(x.detach()))
        return y


class Pad(nn.Module):
    def __init__(self, pad, mode, value):
        super().__init__()
        self.pad, self.mode, self.value = pad, "constant" if mode == "zeros" else mode, value

    def forward(self, x):
        return nn.functional.pad(x, self.pad, self.mode, **({"value": self.value} if self.mode == "constant" else {}))


def integers(text, count):
    numbers = [int(n) for n in text.split("x")]
    return numbers + numbers[-1:] * (count - len(numbers))


def shape_module(name, o):
    if name == "identity":
        return nn.Identity()
    if name == "reshape":
        return Reshape(integers(o["to"], 3))
    if name == "pixel_shuffle":
        return nn.PixelShuffle(int(o["factor"]))
    if name == "pixel_unshuffle":
        return nn.PixelUnshuffle(int(o["factor"]))
    if name == "narrow":
        return Function(lambda x: x.narrow(1, int(o.get("start", 0)), int(o["length"])))
    if name == "channel_shuffle":
        return ChannelShuffle(int(o["groups"]))
    return Pad(integers(o["pad"], 4), o.get("mode", "zeros"), float(o.get("value", 0)))


def module(name, o, channels):
    affine = o.get("affine") != "0"
    eps = float(o.get("eps", 1e-5))
    if name == "conv2d":
        return nn.Conv2d(channels, int(o["out"]), pair(o["kernel"]), stride=pair(o.get("stride", "1")),
                         padding=pair(o.get("padding", "0")), dilation=pair(o.get("dilation", "1")),
                         groups=int(o.get("groups", 1)), bias=o.get("bias") != "0", padding_mode=o.get("mode", "zeros"))
    if name == "conv_transpose2d":
        return nn.ConvTranspose2d(channels, int(o["out"]), pair(o["kernel"]), stride=pair(o.get("stride", "1")),
                                  padding=pair(o.get("padding", "0")), dilation=pair(o.get("dilation", "1")),
                                  output_padding=pair(o.get("output_padding", "0")), groups=int(o.get("groups", 1)),
                                  bias=o.get("bias") != "0")
    if name == "layer_norm2d":
        return LayerNorm2d(channels, eps=eps, elementwise_affine=affine)
    if name == "local_response_norm":
        return nn.LocalResponseNorm(int(o.get("size", 5)), float(o.get("alpha", 1e-4)), float(o.get("beta", 0.75)),
                                    float(o.get("k", 1)))
    if name == "linear":
        return nn.Linear(channels, int(o["out"]), bias=o.get("bias") != "0")
    if name == "batch_norm":
        return nn.BatchNorm2d(channels, eps=eps, momentum=float(o.get("momentum", 0.1)), affine=affine,
                              track_running_stats=o.get("running") != "0")
    if name.endswith("_norm"):
        groups = {"group_norm": int(o.get("groups", 4)), "layer_norm": 1, "instance_norm": channels}[name]
        return nn.GroupNorm(groups, channels, eps=eps, affine=affine)
    if name == "max_pool":
        return nn.MaxPool2d(dilation=pair(o.get("dilation", "1")), **window(o))
    if name == "avg_pool":
        return nn.AvgPool2d(count_include_pad=o.get("include_pad") != "0",
                            divisor_override=int(o["divisor"]) if "divisor" in o else None, **window(o))
    if name == "adaptive_max_pool":
        return nn.AdaptiveMaxPool2d(pair(o["out"]))
    if name == "adaptive_avg_pool":
        return nn.AdaptiveAvgPool2d(pair(o["out"]))
    if name == "upsample":
        size = dict(scale_factor=reals(o["by"])) if "by" in o else dict(size=pair(o["out"]))
        if o.get("bilinear") == "1":
            return nn.Upsample(mode="bilinear", align_corners=o.get("corners") == "1", **size)
        return nn.Upsample(mode="nearest", **size)
    if name == "dropout":
        return nn.Dropout(float(o.get("p", 0.5)))
    if name in ("flatten", "softmax", "log_softmax"):
        return {"flatten": nn.Flatten(), "softmax": nn.Softmax(dim=1), "log_softmax": nn.LogSoftmax(dim=1)}[name]
    if name == "prelu":
        return nn.PReLU(int(o.get("weights", 1)))
    if name in ("identity", "reshape", "pixel_shuffle", "pixel_unshuffle", "channel_shuffle", "narrow", "pad"):
        return shape_module(name, o)
    return {**ACTIVATIONS, **LATER_ACTIVATIONS}[" ".join([name] + [f"{option}={value}" for option, value in o.items()])]()


TENSORS = ["weight", "bias", "running_mean", "running_var", "num_batches_tracked"]


def fill(layer, number):
    """Parameters and buffers by the formula."""
    for name, tensor in layer.state_dict().items():
        what = TENSORS.index(name)
        if name != "num_batches_tracked":
            v = value(16 * number + what, tensor.numel())
            v = 1 + v / 2 if name == "running_var" else v
            tensor.copy_(torch.from_numpy(v).reshape(tensor.shape))


def run(case):
    """The case's results, by name."""
    head, *parts = case.split("|")
    mode, size, *options = head.split()
    header = dict(word.split("=") for word in options)
    shape = [int(n) for n in size.split("x")]
    x = torch.from_numpy(input_values(header, int(np.prod(shape)))).reshape(shape).requires_grad_()
    values, layers = [x], {}
    for number, part in enumerate(parts, 1):
        name, o, reads = words(part)
        inputs = [values[i] for i in reads] or [values[-1]]
        if name in ("add", "mul"):
            join = torch.add if name == "add" else torch.mul
            values.append(functools.reduce(join, inputs))
            continue
        if name == "concat":
            values.append(torch.cat(inputs, dim=1))
            continue
        given = inputs[0].flatten(1) if name == "linear" else inputs[0]
        layer = module(name, o, given.shape[1]).double().train(mode == "train")
        with torch.no_grad():
            fill(layer, number)
        layers[number] = layer
        values.append(layer(given))
    y = values[-1]
    results = {"output": y}
    if mode == "train":
        y.backward(torch.from_numpy(value(1, y.numel())).reshape(y.shape))
        results["grad input"] = x.grad
        for number, layer in layers.items():
            results.update({f"grad {number}.{name}": p.grad for name, p in layer.named_parameters()})
            results.update({f"{number}.{name}": b for name, b in layer.named_buffers()})
    return results


# ---- what is written ----

NUMBERS = 16


def digest(tensor):
    """Number j: the sum of (1 + value / 2) times element i, over all i with i mod 16 = j."""
    v = tensor.detach().double().numpy().ravel()
    v = v * (1 + value(2, v.size) / 2)
    return [v[j::NUMBERS].sum() for j in range(min(NUMBERS, v.size))]


def main():
    torch.set_num_threads(1)
    print("# Made by layers.py with PyTorch; README.md describes it.")
    for group in GROUPS:
        for case in group():
            print(f"\ncase {case}")
            for name, tensor in run(case).items():
                largest = tensor.detach().abs().max().item()
                numbers = " ".join(f"{n:.9g}" for n in digest(tensor))
                print(f"{name}: {tensor.numel()} {largest:.4g} {numbers}")


if __name__ == "__main__":
    main()
