# SPDX-License-Identifier: MIT
"""Writes pytorch.safetensors, a PyTorch state dict with an input and the output for it: test_model_tensors.c loads it.

Needs PyTorch: /usr/bin/python3 model_file.py
"""
import json
import struct
from collections import OrderedDict
from pathlib import Path

import numpy as np
import torch
from torch import nn

TYPES = {"F32": np.float32, "I64": np.int64}


def write(path, tensors):
    header, data = {"__metadata__": {"format": "pt"}}, b""
    for name, tensor in sorted(tensors.items(), key=lambda item: -item[1].element_size()):
        raw = tensor.detach().contiguous().numpy().tobytes()
        kind = next(k for k, t in TYPES.items() if t == tensor.numpy().dtype)
        header[name] = {"dtype": kind, "shape": list(tensor.shape), "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    Path(path).write_bytes(struct.pack("<Q", len(text)) + text + data)


def make():
    torch.manual_seed(8)
    net = nn.Sequential(OrderedDict(
        features=nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2)),
        flatten=nn.Flatten(), classifier=nn.Linear(24, 3)))
    x = torch.randn(5, 3, 6, 5)
    net(x)  # so that the statistics are not those of a fresh network
    net.eval()
    with torch.no_grad():
        y = net(x)
    write(Path(__file__).with_name("pytorch.safetensors"), {**net.state_dict(), "reference.input": x, "reference.output": y})


if __name__ == "__main__":
    make()
