#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Writes zoo.txt: the tensors of torchvision's networks, and what they compute, in double precision.

    tests/golden/zoo.py >tests/golden/zoo.txt

For each network "tensors NAME", then a line a tensor, in the order of its state_dict():

    conv1.weight 64x3x7x7
    bn1.* 64                (weight, bias, running_mean, running_var and num_batches_tracked of a batch norm)

and for some "pass NAME BATCHxCxHxW CLASSES WIDTH_MULT RATE" with what that network, its weights made by a formula, gives
in evaluation ("output", STRIDE, every STRIDE-th value), and the cross-entropy before each of three steps of SGD with
momentum 0.9 ("losses"; none if RATE is 0). The formula is that of README.md, with the FNV-1a hash of a tensor's name as
the tag; see fill() for the scales. Dropout is off.
U-Net is Pytorch-UNet's (github.com/milesial) with 16 channels for its 64.
"""

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from torchvision import models
from torchvision.models.resnet import BasicBlock

# ---- networks that torchvision does not have ----


class CifarResNet(nn.Module):
    """6 n + 2 layers for 32×32 images (He et al. 2016), with 1×1 convolutions where the shape changes."""

    def __init__(self, depth, num_classes=10):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        channels = 16
        for stage, out in enumerate([16, 32, 64], 1):
            blocks = []
            for block in range((depth - 2) // 6):
                stride = 2 if stage > 1 and block == 0 else 1
                down = None
                if stride != 1:
                    down = nn.Sequential(nn.Conv2d(channels, out, 1, stride, bias=False), nn.BatchNorm2d(out))
                blocks.append(BasicBlock(channels, out, stride, down))
                channels = out
            setattr(self, f"layer{stage}", nn.Sequential(*blocks))
        self.fc = nn.Linear(64, num_classes)
        for module in self.modules():  # as in torchvision's ResNet
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x):
        x = F.relu(self.bn1(self.conv1(x)))
        x = self.layer3(self.layer2(self.layer1(x)))
        return self.fc(x.mean((2, 3)))


class DoubleConv(nn.Module):
    def __init__(self, channels, out):
        super().__init__()
        layers = []
        for c in (channels, out):
            layers += [nn.Conv2d(c, out, 3, padding=1, bias=False), nn.BatchNorm2d(out), nn.ReLU()]
        self.double_conv = nn.Sequential(*layers)

    def forward(self, x):
        return self.double_conv(x)


class Down(nn.Module):
    def __init__(self, channels, out):
        super().__init__()
        self.maxpool_conv = nn.Sequential(nn.MaxPool2d(2), DoubleConv(channels, out))

    def forward(self, x):
        return self.maxpool_conv(x)


class Up(nn.Module):
    def __init__(self, channels, out):
        super().__init__()
        self.up = nn.ConvTranspose2d(channels, channels // 2, 2, 2)
        self.conv = DoubleConv(channels, out)

    def forward(self, x, skip):
        return self.conv(torch.cat([skip, self.up(x)], 1))


class OutConv(nn.Module):
    def __init__(self, channels, out):
        super().__init__()
        self.conv = nn.Conv2d(channels, out, 1)

    def forward(self, x):
        return self.conv(x)


class UNet(nn.Module):
    def __init__(self, num_classes=2, width_mult=1.0):
        super().__init__()
        c = [int(16 * width_mult) << i for i in range(5)]
        self.inc = DoubleConv(3, c[0])
        for i in range(4):
            setattr(self, f"down{i + 1}", Down(c[i], c[i + 1]))
        for i in range(4):
            setattr(self, f"up{i + 1}", Up(c[4 - i], c[3 - i]))
        self.outc = OutConv(c[0], num_classes)

    def forward(self, x):
        x1 = self.inc(x)
        x2 = self.down1(x1)
        x3 = self.down2(x2)
        x4 = self.down3(x3)
        x = self.up1(self.down4(x4), x4)
        x = self.up2(x, x3)
        x = self.up3(x, x2)
        return self.outc(self.up4(x, x1))


NETWORKS = {
    "resnet18": models.resnet18,
    "resnet34": models.resnet34,
    "resnet50": models.resnet50,
    "resnet20": lambda **options: CifarResNet(20, **options),
    "resnet32": lambda **options: CifarResNet(32, **options),
    "resnet56": lambda **options: CifarResNet(56, **options),
    "mobilenet_v2": models.mobilenet_v2,
    "mobilenet_v3_small": models.mobilenet_v3_small,
    "squeezenet1_1": models.squeezenet1_1,
    "unet": UNet,
}

# Network, images, classes, width_mult, rate. Rates are such that PyTorch's own float32 stays within 1e-4 of this for
# three steps: norms over few pixels make gradients steep. ResNet-50's are too steep for one step.
PASSES = [
    ("resnet18", (8, 3, 64, 64), 5, 1, 0.01),
    ("resnet50", (4, 3, 64, 64), 5, 1, 0),
    ("resnet20", (8, 3, 32, 32), 10, 1, 0.01),
    ("mobilenet_v2", (16, 3, 64, 64), 5, 1, 0.0003),
    ("mobilenet_v2", (16, 3, 64, 48), 3, 0.35, 0.0003),
    ("mobilenet_v3_small", (8, 3, 64, 64), 5, 1, 0.01),
    ("mobilenet_v3_small", (4, 3, 96, 64), 3, 0.5, 0.01),
    ("squeezenet1_1", (4, 3, 64, 64), 5, 1, 0.01),
    ("unet", (4, 3, 32, 48), 3, 1, 0.01),
]

# ---- weights by formula ----


def value(tag, count):
    """What tests/network.c calls net_value: multiples of 2^-15 in [-1, 1)."""
    with np.errstate(over="ignore"):
        h = np.arange(count, dtype=np.uint32) * np.uint32(0x9E3779B1) + np.uint32(tag) * np.uint32(0x85EBCA77)
        h = (h ^ h >> np.uint32(15)) * np.uint32(0x2C1B3C6D)
        h = (h ^ h >> np.uint32(12)) * np.uint32(0x297A2D39)
        h ^= h >> np.uint32(15)
    return (h >> np.uint32(16)).astype(np.float64) / 32768.0 - 1.0


def tag_of(name):
    h = 2166136261
    for byte in name.encode():
        h = (h ^ byte) * 16777619 & 0xFFFFFFFF
    return h


def fill(name, tensor):
    """Float32 numbers that keep activations in bounds."""
    v = value(tag_of(name), tensor.numel())
    if name.endswith("running_var"):
        v = 1 + 0.5 * v
    elif name.endswith("bias") or name.endswith("running_mean"):
        v = 0.1 * v
    elif tensor.dim() == 1:
        v = 1 + 0.25 * v
    else:
        v = v * np.sqrt((6.0 if tensor.dim() == 4 else 3.0) / np.prod(tensor.shape[1:]))
    tensor.copy_(torch.from_numpy(v.astype(np.float32).astype(np.float64).reshape(tensor.shape)))


def filled(network):
    network = network.double()
    for module in network.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    with torch.no_grad():
        for name, tensor in network.state_dict().items():
            if not name.endswith("num_batches_tracked"):
                fill(name, tensor)
    return network


# ---- what is written ----


def write_tensors(name, network):
    print("tensors", name)
    state = network.state_dict()
    for key, tensor in state.items():
        stem = key.rsplit(".", 1)[0]
        if stem + ".running_mean" not in state:
            print(key, "x".join(map(str, tensor.shape)))
        elif key.endswith(".weight"):
            print(stem + ".*", tensor.shape[0])


def write_pass(name, shape, classes, width, rate):
    options = {"num_classes": classes}
    if width != 1:
        options["width_mult"] = width
    network = filled(NETWORKS[name](**options))
    x = torch.from_numpy(value(1, int(np.prod(shape))).reshape(shape))
    print("pass", name, "x".join(map(str, shape)), classes, width, rate)
    with torch.no_grad():
        output = network.eval()(x)
    stride = output.numel() // 64 + 1
    print("output", stride, *(f"{v:.9g}" for v in output.flatten()[::stride].tolist()))
    labels = torch.arange(output.numel() // classes).reshape(output.shape[:1] + output.shape[2:]) % classes
    sgd = torch.optim.SGD(network.train().parameters(), lr=rate, momentum=0.9)
    losses = []
    for _ in range(3 if rate else 0):
        loss = F.cross_entropy(network(x), labels)
        sgd.zero_grad()
        loss.backward()
        sgd.step()
        losses.append(loss.item())
    print("losses", *(f"{v:.9g}" for v in losses))


if __name__ == "__main__":
    for name, make in NETWORKS.items():
        write_tensors(name, make())
    for case in PASSES:
        write_pass(*case)
