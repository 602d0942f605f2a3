#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""ncnn_session8.py MODEL NAME: session 8 with batch norm and skips as ncnn's files NAME.param and NAME.bin, norms folded and ReLU
fused as ncnn's own optimiser does it; for bench_start_ncnn.cpp. Needs NumPy."""
import json
import sys

import numpy


def read(path):
    data = open(path, "rb").read()
    size = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + size])
    return {
        name: numpy.frombuffer(data[8 + size :][slice(*entry["data_offsets"])], "<f4").reshape(entry["shape"])
        for name, entry in header.items()
        if name != "__metadata__" and entry["dtype"] == "F32"
    }


class Net:
    def __init__(self):
        self.lines, self.data, self.blobs, self.top = [], b"", 1, "image"
        self.lines.append("Input image 0 1 image 0=32 1=32 2=3")

    def add(self, kind, inputs, outputs, options=""):
        name = f"layer{len(self.lines)}"
        tops = [f"{name}_{i}" for i in range(outputs)]
        self.lines.append(f"{kind} {name} {len(inputs)} {outputs} {' '.join(inputs + tops)} {options}".rstrip())
        self.blobs += outputs
        self.top = tops[0]
        return tops

    def conv(self, weight, bias, relu):
        outputs, _, kernel, _ = weight.shape
        self.add("Convolution", [self.top], 1,
                 f"0={outputs} 1={kernel} 5={int(bias is not None)} 6={weight.size} 9={int(relu)}")
        self.data += bytes(4) + weight.astype("<f4").tobytes()
        if bias is not None:
            self.data += bias.astype("<f4").tobytes()

    def linear(self, weight, bias):
        self.add("InnerProduct", [self.top], 1, f"0={len(bias)} 1=1 2={weight.size}")
        self.data += bytes(4) + weight.astype("<f4").tobytes() + bias.astype("<f4").tobytes()

    def block(self, tensors, name, padded):
        norm = {part: tensors[f"{name}.normlayer.{part}"] for part in ("weight", "bias", "running_mean", "running_var")}
        scale = norm["weight"] / numpy.sqrt(norm["running_var"] + 1e-5)
        weight = tensors[f"{name}.convlayer.weight"] * scale[:, None, None, None]
        bias = norm["bias"] - norm["running_mean"] * scale
        if not padded:
            return self.conv(weight, bias, True)
        main, skip = self.add("Split", [self.top], 2)
        self.add("Padding", [main], 1, "0=1 1=1 2=1 3=1 4=1")
        self.conv(weight, bias, False)
        self.add("BinaryOp", [self.top, skip], 1, "0=0")
        self.add("ReLU", [self.top], 1)


def main():
    tensors, net = read(sys.argv[1]), Net()
    for stage, blocks in ((1, 2), (2, 3), (3, 3)):
        for block in range(blocks):
            net.block(tensors, f"cblock{stage}.{block}", stage > 1)
        if stage < 3:
            net.conv(tensors[f"tblock{stage}.0.weight"], None, False)
            net.add("Pooling", [net.top], 1, "0=0 1=2 2=2")
    net.add("Pooling", [net.top], 1, "0=1 4=1")
    net.linear(tensors["oblock.1.weight"], tensors["oblock.1.bias"])
    net.lines[-1] = net.lines[-1].replace(net.top, "scores")
    with open(sys.argv[2] + ".param", "w") as file:
        file.write("\n".join(["7767517", f"{len(net.lines)} {net.blobs}", *net.lines]) + "\n")
    with open(sys.argv[2] + ".bin", "wb") as file:
        file.write(net.data)


main()
