# SPDX-License-Identifier: MIT
"""The session-8 network in PyTorch, for parity and for speed. Its state dict has the names that libconvnet uses."""
from torch import nn
from torch.nn import functional as F


def make_norm(norm, channels, groups):
    if norm == "none":
        return nn.Identity()
    if norm == "batch":
        return nn.BatchNorm2d(channels)
    return nn.GroupNorm({"layer": 1, "group": groups, "instance": channels}[norm], channels)


class Block(nn.Module):
    """conv 3×3 → norm → (+ input) → ReLU → dropout; at the border the convolution sees the edge pixels repeated."""

    def __init__(self, inputs, outputs, padding, skip, norm, groups, dropout):
        super().__init__()
        self.convlayer = nn.Conv2d(inputs, outputs, 3, padding=padding, padding_mode="replicate", bias=False)
        self.normlayer = make_norm(norm, outputs, groups)
        self.droplayer = nn.Dropout(dropout)
        self.skip = skip

    def forward(self, x):
        y = self.normlayer(self.convlayer(x))
        return self.droplayer(F.relu(y + x if self.skip else y))


def reduce(inputs, outputs):
    """Between stages: fewer pixels, more channels."""
    return nn.Sequential(nn.Conv2d(inputs, outputs, 1, bias=False), nn.MaxPool2d(2))


class Session8(nn.Sequential):
    def __init__(self, norm="batch", groups=4, dropout=0.01, skip=True):
        def block(inputs, outputs, padding):
            return Block(inputs, outputs, padding, skip and padding > 0, norm, groups, dropout)

        super().__init__()
        self.cblock1 = nn.Sequential(block(3, 16, 0), block(16, 16, 0))
        self.tblock1 = reduce(16, 24)
        self.cblock2 = nn.Sequential(*(block(24, 24, 1) for _ in range(3)))
        self.tblock2 = reduce(24, 32)
        self.cblock3 = nn.Sequential(*(block(32, 32, 1) for _ in range(3)))
        self.oblock = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(32, 10, 1), nn.Flatten(), nn.LogSoftmax(1))
