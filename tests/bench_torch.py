#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""bench_torch.py: PyTorch as the peer of bench_training.c. It says who it is, then answers each line

    PASS NETWORK BATCH THREADS SECONDS

with images a second. Each job is first tried in both memory formats, for inference also traced and frozen; those within
a tenth of the best stay until the line `forget`, and the best of them counts. The line `export NETWORK FILE` writes a
network as ONNX instead.
"""
import ctypes
import os
import re
import sys
import tempfile
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
from torchvision import models, transforms

LAYOUTS = torch.contiguous_format, torch.channels_last
TRY_SECONDS = 0.15
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


def resnet18_cifar():
    net = models.resnet18(num_classes=10)
    net.conv1, net.maxpool = nn.Conv2d(3, 64, 3, 1, 1, bias=False), nn.Identity()
    return net


def mobilenet_v1():
    def unit(inputs, outputs, kernel, stride, groups):
        return (nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False),
                nn.BatchNorm2d(outputs), nn.ReLU())

    pairs = [(64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *[(512, 1)] * 5, (1024, 2), (1024, 1)]
    units, inputs = [*unit(3, 32, 3, 2, 1)], 32
    for outputs, stride in pairs:
        units += [*unit(inputs, inputs, 3, stride, inputs), *unit(inputs, outputs, 1, 1, 1)]
        inputs = outputs
    return nn.Sequential(*units, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(inputs, 1000))


def zero():
    """Session 8 with padding by zeros and without dropout."""
    net = Session8("batch")
    for module in net.modules():
        if isinstance(module, nn.Conv2d):
            module.padding_mode = "zeros"
        if hasattr(module, "droplayer"):
            module.droplayer = nn.Identity()
    return net


def mnist2():
    def layer(inputs, outputs, kernel=3):
        return nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, bias=False), nn.ReLU()

    return nn.Sequential(
        *layer(1, 32), *layer(32, 32), nn.MaxPool2d(2), *layer(32, 64), *layer(64, 64), nn.MaxPool2d(2),
        *layer(64, 128), nn.AdaptiveAvgPool2d(1), *layer(128, 256, 1), nn.Conv2d(256, 10, 1), nn.Flatten(),
        nn.LogSoftmax(1))


# How to make it, the shape of its images, how many classes, and its loss.
NETWORKS = {
    "zero": (zero, (3, 32, 32), 10, F.nll_loss),
    "resnet20": (resnet20, (3, 32, 32), 10, F.nll_loss),
    "plain256": (plain256, (3, 32, 32), 10, F.nll_loss),
    "mnist2": (mnist2, (1, 28, 28), 10, F.nll_loss),
    "resnet18": (models.resnet18, (3, 224, 224), 1000, F.cross_entropy),
    "resnet18_cifar": (resnet18_cifar, (3, 32, 32), 10, F.cross_entropy),
    "mobilenet_v1": (mobilenet_v1, (3, 96, 96), 1000, F.cross_entropy),
    "mobilenet_v2": (models.mobilenet_v2, (3, 96, 96), 1000, F.cross_entropy),
    "linear": (lambda: nn.Sequential(nn.Flatten(), nn.Linear(3072, 1000)), (3, 32, 32), 1000, F.cross_entropy),
}


def network(name):
    norm = name
    return NETWORKS.get(name) or (lambda: Session8(norm), (3, 32, 32), 10, F.nll_loss)


# ---- jobs: each function yields steps, ways to do it ----


def rate(step, batch, seconds):
    step()
    count, start = 0, time.perf_counter()
    while True:
        step()
        count += 1
        passed = time.perf_counter() - start
        if passed >= seconds:
            return count * batch / passed


def training_step(model, loss_of, layout, next_batch, record=False):
    """The study's loop; with `record` it also counts loss and hits, as the study does."""
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)

    def step():
        x, y = next_batch()
        optimizer.zero_grad(set_to_none=True)
        output = model(x.to(memory_format=layout))
        loss = loss_of(output, y)
        loss.backward()
        optimizer.step()
        if record:
            loss.item(), (output.argmax(1) == y).sum().item()

    return step


def train(name, batch):
    make, shape, classes, loss_of = network(name)
    for layout in LAYOUTS:
        model = make().to(memory_format=layout)
        data = torch.randn(batch, *shape).to(memory_format=layout), torch.randint(0, classes, (batch,))
        yield training_step(model, loss_of, layout, lambda data=data: data)


def without_gradients(model, x):
    def step():
        with torch.no_grad():
            model(x)

    return step


def infer(name, batch):
    make, shape, _, _ = network(name)
    for layout in LAYOUTS:
        model = make().to(memory_format=layout).eval()
        x = torch.randn(batch, *shape).to(memory_format=layout)
        yield without_gradients(model, x)
        yield without_gradients(torch.jit.optimize_for_inference(torch.jit.freeze(torch.jit.trace(model, x))), x)


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


def epoch_rate(name, batch, seconds):
    def one(layout):
        make, shape, _, loss_of = network(name)
        model = make().to(memory_format=layout)
        batches = iter(DataLoader(Pictures(50000), batch, shuffle=True, num_workers=1))
        step = training_step(model, loss_of, layout, lambda: next(batches), record=True)
        training = rate(step, batch, seconds)
        del batches, step  # ends its worker
        x = torch.randn(TEST_BATCH, *shape).to(memory_format=layout)
        testing = rate(without_gradients(model.eval(), x), TEST_BATCH, seconds)
        return 1 / (1 / training + TEST_SHARE / testing)

    return max(map(one, LAYOUTS))


subjects = {}  # by job: the steps that have stayed


def best_steps(steps, batch):
    tried = [(max(rate(step, batch, TRY_SECONDS) for _ in range(2)), step) for step in steps]
    most = max(speed for speed, _ in tried)
    return [step for speed, step in tried if speed >= 0.9 * most]


def answer(line):
    what, name, batch, threads, seconds = line.split()
    torch.set_num_threads(int(threads))
    if openblas:
        openblas.openblas_set_num_threads(int(threads))
    if what == "epoch":
        return epoch_rate(name, int(batch), float(seconds))
    job = what, name, batch, threads
    if job not in subjects:
        subjects[job] = best_steps({"train": train, "infer": infer}[what](name, int(batch)), int(batch))
    return max(rate(step, int(batch), float(seconds)) for step in subjects[job])


def export(name, path):
    make, shape, _, _ = network(name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(make().eval(), torch.zeros(1, *shape), path, input_names=["x"], output_names=["y"],
                          dynamic_axes={"x": {0: "n"}, "y": {0: "n"}})
    return path


# ---- who it is ----


def find_openblas():
    """The one that PyTorch has loaded; None: it has another BLAS."""
    try:
        with open("/proc/self/maps", encoding="utf-8") as maps:
            path = re.search(r"\S*(openblas|libblas)\S*\.so\S*", maps.read()).group()
        library = ctypes.CDLL(path)
        library.openblas_get_config.restype = library.openblas_get_corename.restype = ctypes.c_char_p
        return library
    except (OSError, AttributeError):
        return None


def blas():
    if openblas:
        version = openblas.openblas_get_config().decode().split()[1]
        return f"OpenBLAS {version} with kernels for {openblas.openblas_get_corename().decode()}"
    return re.search(r"BLAS_INFO=(\w+)", torch.__config__.show()).group(1) + " BLAS"


def onednn():
    """Its version and instruction set, which it says on standard output only."""
    sys.stdout.flush()
    kept = os.dup(1)
    with tempfile.TemporaryFile("w+") as said:
        os.dup2(said.fileno(), 1)
        with torch.backends.mkldnn.verbose(torch.backends.mkldnn.VERBOSE_ON), torch.no_grad():
            F.conv2d(torch.zeros(16, 16, 8, 8), torch.zeros(16, 16, 3, 3))
        ctypes.CDLL(None).fflush(None)
        os.dup2(kept, 1)
        os.close(kept)
        said.seek(0)
        text = said.read()
    version, isa = re.search(r"oneDNN v(\S+)", text), re.search(r"cpu,isa:(.+)", text)
    return f"oneDNN {version.group(1)} for {isa.group(1)}" if version and isa else "oneDNN unknown"


if __name__ == "__main__":
    torch.set_flush_denormal(True)  # trained on one batch only, its gradients become so small
    warnings.simplefilter("ignore")
    torch.mm(torch.zeros(8, 8), torch.zeros(8, 8))
    openblas = find_openblas()
    print(f"PyTorch {torch.__version__} (torchvision {torchvision.__version__}, {onednn()}, {blas()}; "
          "denormals flushed)", flush=True)
    for line in sys.stdin:
        if line == "forget\n":
            subjects.clear()
        elif line.startswith("export "):
            print(export(*line.split()[1:]), flush=True)
        else:
            print(answer(line), flush=True)
