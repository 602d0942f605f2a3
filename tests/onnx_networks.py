#!/usr/bin/python3
"""onnx_networks.py ONNX_RUN [NETWORK…]: torchvision's networks with random weights, exported by PyTorch. A table of
differences, each by the largest output: of what comes out from ONNX Runtime; of what comes out in the third step of
training from PyTorch in float64; and how far PyTorch's own float32 is from that, since batch norms of four images of noise
magnify what is rounded. Ends with 1 if the first is above 1e-4, or the second above 1e-3 and four times the third.

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


def export(model, path, **options):
    torch.onnx.export(model, torch.zeros(1, 3, 224, 224), path, opset_version=13, input_names=["x"], output_names=["y"],
                      dynamic_axes={"x": {0: "n"}, "y": {0: "n"}}, **options)


def trained(model, images):
    """What comes out in the third step of SGD."""
    optimizer = torch.optim.SGD(model.train().parameters(), 2e-5)
    for step in range(3):
        logits = model(images)
        if step == 2:
            return logits.detach().numpy().ravel()
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(logits, torch.arange(len(images))).backward()
        optimizer.step()


def outputs(command, path):
    answer = subprocess.run(command + [path], capture_output=True, text=True)
    if answer.returncode != 0:
        return None, answer.stdout.strip() or answer.stderr.strip()
    return np.fromfile(path, np.float32), ""


def difference(ours, theirs):
    return np.abs(ours - theirs).max() / np.abs(theirs).max()


def compare(name, run, scratch):
    """How far outputs are from ONNX Runtime's and, in training, from PyTorch's; or why there are none."""
    plain, kept = os.path.join(scratch, "plain.onnx"), os.path.join(scratch, "kept.onnx")
    images, path = np.random.RandomState(1).standard_normal((4, 3, 224, 224)).astype(np.float32), scratch + "/images"
    images.tofile(path)
    model = network(name)
    export(model, plain)
    export(model, kept, training=torch.onnx.TrainingMode.PRESERVE, do_constant_folding=False)
    ours, why = outputs([run, "file", plain, path], os.path.join(scratch, "ours"))
    theirs, runtime_why = outputs(["node", os.path.join(HERE, "onnx_networks.js"), plain, path],
                                  os.path.join(scratch, "theirs"))
    steps, steps_why = outputs([run, "train", kept, path], os.path.join(scratch, "steps"))
    if ours is None or theirs is None or steps is None:
        return None, why or runtime_why or steps_why
    exact = trained(network(name).double(), torch.from_numpy(images).double())
    own = trained(model, torch.from_numpy(images))
    return (difference(ours, theirs), difference(steps, exact), difference(own, exact)), ""


def main(run, *names):
    warnings.simplefilter("ignore")
    failed = 0
    print("| network | outputs, from ONNX Runtime | third step, from PyTorch's float64 | its own float32 |")
    print("| --- | --- | --- | --- |")
    for name in names or NETWORKS:
        with tempfile.TemporaryDirectory() as scratch:
            found, why = compare(name, run, scratch)
        failed += found is None or not (found[0] <= 1e-4 and found[1] <= max(1e-3, 4 * found[2]))
        print(f"| {name} | {why if found is None else ' | '.join(f'{d:.1e}' for d in found)} |", flush=True)
    return failed > 0


sys.exit(main(*sys.argv[1:]))
