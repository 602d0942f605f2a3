#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""onnx_networks.py ONNX_RUN [NETWORK…]: torchvision's networks with random weights, exported by PyTorch 1.13, as a table:

- how far what comes out of four images is from ONNX Runtime's, by its largest value;
- the cross-entropy in three steps of SGD, at a rate that lowers it by a twentieth in each as far as slopes tell, with
  batch norms that count their batches and no dropout: as PyTorch finds it in float64, the largest relative difference of the
  three from that, and the same of PyTorch's own float32.

Ends with 1 if the first difference is above 1e-4 or the second above 1e-3.

Debian: python3-torch python3-torchvision python3-onnx nodejs; npm: onnxruntime-node, found by NODE_PATH. The exported files
go one by one into a folder for temporary files.
"""

import os
import subprocess
import sys
import tempfile
import warnings

import numpy as np
import torch
import torchvision

NETWORKS = ["alexnet", "vgg11", "resnet18", "resnet50", "resnext50_32x4d", "squeezenet1_1", "densenet121", "mobilenet_v2",
            "mobilenet_v3_small", "mobilenet_v3_large", "mnasnet1_0", "efficientnet_b0", "regnet_y_400mf",
            "shufflenet_v2_x1_0", "googlenet", "convnext_tiny"]
WHOLE = ["alexnet", "vgg11"]  # whose pool wants the map that images of 224 leave
IMAGES, STEPS = 4, 3
HERE = os.path.dirname(os.path.abspath(__file__))


def network(name):
    """Without dropout, which draws other numbers in each program."""
    torch.manual_seed(0)
    options = dict(init_weights=False, aux_logits=False) if name == "googlenet" else {}
    model = getattr(torchvision.models, name)(**options).eval()
    for module in model.modules():
        if isinstance(module, (torch.nn.Dropout, torchvision.ops.StochasticDepth)):
            module.p = 0.0
    return model


def export(model, path, side, **options):
    torch.onnx.export(model, torch.zeros(1, 3, side, side), path, opset_version=13, input_names=["x"], output_names=["y"],
                      dynamic_axes={"x": {0: "n"}, "y": {0: "n"}}, **options)


def losses(logits):
    """Of each step, where image i is of class i."""
    logits = torch.from_numpy(logits.astype(np.float64)).reshape(STEPS, IMAGES, -1)
    return np.array([torch.nn.functional.cross_entropy(step, torch.arange(IMAGES)).item() for step in logits])


def slope(model, images):
    """Of the loss along its gradient."""
    torch.nn.functional.cross_entropy(model.train()(images), torch.arange(IMAGES)).backward()
    return sum((parameter.grad ** 2).sum().item() for parameter in model.parameters())


def trained(model, images, rate):
    """What it costs in each step of SGD."""
    optimizer = torch.optim.SGD(model.train().parameters(), rate)
    steps = []
    for _ in range(STEPS):
        logits = model(images)
        steps.append(logits.detach().numpy())
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(logits, torch.arange(IMAGES)).backward()
        optimizer.step()
    return losses(np.stack(steps))


def outputs(command, path, *more):
    answer = subprocess.run(command + [path, *more], capture_output=True, text=True)
    if answer.returncode != 0:
        return None, answer.stdout.strip() or answer.stderr.strip()
    return np.fromfile(path, np.float32), ""


def difference(ours, theirs):
    return np.abs(ours - theirs).max() / np.abs(theirs).max()


def noise(side, path):
    images = np.random.RandomState(1).standard_normal((IMAGES, 3, side, side)).astype(np.float32)
    images.tofile(path)
    return images


def compare(name, run, scratch):
    """Its row's numbers; or why there are none."""
    plain, kept, path, small = (os.path.join(scratch, file) for file in ["plain.onnx", "kept.onnx", "images", "small"])
    side = 128 if name not in WHOLE else 224
    model = network(name)
    noise(224, path)
    images = torch.from_numpy(noise(side, small))
    export(model, plain, 224)
    export(model, kept, side, training=torch.onnx.TrainingMode.PRESERVE, do_constant_folding=False)
    ours, why = outputs([run, "file", plain, path], os.path.join(scratch, "ours"))
    theirs, runtime_why = outputs(["node", os.path.join(HERE, "onnx_networks.js"), plain, path],
                                  os.path.join(scratch, "theirs"))
    rate = f"{0.35 / slope(network(name).double(), images.double()):.0e}"
    steps, steps_why = outputs([run, "train", kept, small], os.path.join(scratch, "steps"), rate)
    if ours is None or theirs is None or steps is None:
        return None, why or runtime_why or steps_why
    exact = trained(network(name).double(), images.double(), float(rate))
    relative = [abs(each / exact - 1).max() for each in (losses(steps), trained(model, images, float(rate)))]
    return (difference(ours, theirs), rate, exact, *relative), ""


def main(run, *names):
    warnings.simplefilter("ignore")
    failed = 0
    print("| network | outputs, from ONNX Runtime | rate | loss of three steps | from PyTorch's float64 | its own float32 |")
    print("| --- | --- | --- | --- | --- | --- |")
    for name in names or NETWORKS:
        with tempfile.TemporaryDirectory() as scratch:
            found, why = compare(name, run, scratch)
        failed += found is None or not (found[0] <= 1e-4 and found[3] <= 1e-3)
        if found is None:
            print(f"| {name} | {why} |", flush=True)
            continue
        output, rate, steps, ours, own = found
        print(f"| {name} | {output:.1e} | {rate} | {' '.join(f'{loss:.3f}' for loss in steps)} | {ours:.1e} | {own:.1e} |",
              flush=True)
    return failed > 0


sys.exit(main(*sys.argv[1:]))
