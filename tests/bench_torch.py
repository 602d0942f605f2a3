#!/usr/bin/env python3
"""bench_torch.py: PyTorch as the peer of bench_training.c. It says who it is, then answers each line

    PASS NETWORK BATCH THREADS SECONDS

with images a second, for the better of the two memory formats. The line `export FILE` writes session 8 as ONNX instead.
"""
import os
import sys
import time
import warnings

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "golden"))
import numpy
import torch
import torchvision
from PIL import Image
from session8_model import Session8
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

LAYOUTS = torch.contiguous_format, torch.channels_last
TEST_SHARE = 10000 / 50000
TEST_BATCH = 500


# ---- networks ----


def conv(inputs, outputs, kernel=3, stride=1):
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False), nn.BatchNorm2d(outputs))


def end(channels):
    return nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 10), nn.LogSoftmax(1)


class Residual(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        stride = 1 if inputs == outputs else 2
        self.first, self.second = conv(inputs, outputs, 3, stride), conv(outputs, outputs)
        self.skip = nn.Identity() if inputs == outputs else conv(inputs, outputs, 1, stride)

    def forward(self, x):
        return F.relu(self.second(F.relu(self.first(x))) + self.skip(x))


def resnet20():
    widths = [16] + [16 << block // 3 for block in range(9)]
    return nn.Sequential(conv(3, 16), nn.ReLU(), *map(Residual, widths, widths[1:]), *end(64))


def plain256():
    def stage(inputs, outputs):
        return conv(inputs, outputs), nn.ReLU(), conv(outputs, outputs), nn.ReLU()

    return nn.Sequential(*stage(3, 64), nn.MaxPool2d(2), *stage(64, 128), nn.MaxPool2d(2), *stage(128, 256), *end(256))


def mnist2():
    def layer(inputs, outputs, kernel=3):
        return nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, bias=False), nn.ReLU()

    return nn.Sequential(
        *layer(1, 32), *layer(32, 32), nn.MaxPool2d(2), *layer(32, 64), *layer(64, 64), nn.MaxPool2d(2),
        *layer(64, 128), nn.AdaptiveAvgPool2d(1), *layer(128, 256, 1), nn.Conv2d(256, 10, 1), nn.Flatten(),
        nn.LogSoftmax(1))


def make_network(name):
    wide = {"resnet20": resnet20, "plain256": plain256, "mnist2": mnist2}
    return wide[name]() if name in wide else Session8(name)


# ---- passes ----


def rate(step, batch, seconds):
    for _ in range(2):
        step()
    count, start = 0, time.perf_counter()
    while time.perf_counter() - start < seconds:
        step()
        count += 1
    return count * batch / (time.perf_counter() - start)


def training_step(model, layout, next_batch, record=False):
    """The study's loop; with `record` it also counts loss and hits, as the study does."""
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)

    def step():
        x, y = next_batch()
        optimizer.zero_grad()
        output = model(x.to(memory_format=layout))
        loss = F.nll_loss(output, y)
        loss.backward()
        optimizer.step()
        if record:
            loss.item(), (output.argmax(1) == y).sum().item()

    return step


def images(network, batch):
    return torch.randn(batch, *((1, 28, 28) if network == "mnist2" else (3, 32, 32)))


def train(network, batch, seconds, layout):
    model = make_network(network).to(memory_format=layout)
    x, y = images(network, batch).to(memory_format=layout), torch.randint(0, 10, (batch,))
    return rate(training_step(model, layout, lambda: (x, y)), batch, seconds)


def infer(network, batch, seconds, layout):
    model = make_network(network).to(memory_format=layout).eval()
    x = images(network, batch).to(memory_format=layout)
    with torch.no_grad():
        return rate(lambda: model(x), batch, seconds)


class Pictures(Dataset):
    """8-bit images with the study's random changes."""

    change = transforms.Compose([
        transforms.RandomHorizontalFlip(0.5), transforms.RandomGrayscale(0.1), transforms.RandomRotation(7),
        transforms.RandomPerspective(0.3, 0.5), transforms.ToTensor(), transforms.Normalize((0.5,) * 3, (0.5,) * 3)])

    def __init__(self, count):
        self.pixels = numpy.random.randint(0, 256, (count, 32, 32, 3), numpy.uint8)

    def __len__(self):
        return len(self.pixels)

    def __getitem__(self, i):
        return self.change(Image.fromarray(self.pixels[i])), i % 10


def epoch(network, batch, seconds, layout):
    model = make_network(network).to(memory_format=layout)
    batches = iter(DataLoader(Pictures(50000), batch, shuffle=True, num_workers=1))
    training = rate(training_step(model, layout, lambda: next(batches), record=True), batch, seconds)
    del batches  # ends its worker
    model.eval()
    x = images(network, TEST_BATCH).to(memory_format=layout)
    with torch.no_grad():
        testing = rate(lambda: model(x), TEST_BATCH, seconds)
    return 1 / (1 / training + TEST_SHARE / testing)


def export(path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(Session8("batch").eval(), torch.zeros(1, 3, 32, 32), path, input_names=["x"],
                          output_names=["y"], dynamic_axes={"x": {0: "n"}, "y": {0: "n"}})
    return path


def answer(line):
    what, *words = line.split()
    if what == "export":
        return export(*words)
    network, batch, threads, seconds = words
    torch.set_num_threads(int(threads))
    measure = {"train": train, "infer": infer, "epoch": epoch}[what]
    return max(measure(network, int(batch), float(seconds), layout) for layout in LAYOUTS)


if __name__ == "__main__":
    print(f"PyTorch {torch.__version__} (torchvision {torchvision.__version__})", flush=True)
    for line in sys.stdin:
        print(answer(line), flush=True)
