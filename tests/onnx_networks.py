#!/usr/bin/python3
"""onnx_networks.py ONNX_RUN: torchvision's networks with random weights, exported by PyTorch, run by this library and by
ONNX Runtime; a table of the largest difference, by the largest output. Ends with 1 if one is above 1e-4.

Debian: python3-torch python3-torchvision python3-onnx nodejs; npm: onnxruntime-node, found by NODE_PATH. FOLDER: where the
exported files are kept, some 1.5 GB; else they are removed one by one.
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


def export(name, path):
    torch.manual_seed(0)
    options = dict(init_weights=False, aux_logits=False) if name == "googlenet" else {}
    model = getattr(torchvision.models, name)(**options).eval()
    torch.onnx.export(model, torch.zeros(1, 3, 224, 224), path, opset_version=13, input_names=["x"], output_names=["y"],
                      dynamic_axes={"x": {0: "n"}, "y": {0: "n"}})


def outputs(command, path):
    answer = subprocess.run(command + [path], capture_output=True, text=True)
    if answer.returncode != 0:
        return None, answer.stdout.strip() or answer.stderr.strip()
    return np.fromfile(path, np.float32), ""


def compare(name, run, folder, scratch):
    model, images = os.path.join(folder, name + ".onnx"), os.path.join(scratch, "images")
    if not os.path.exists(model):
        export(name, model)
    np.random.RandomState(1).standard_normal((2, 3, 224, 224)).astype(np.float32).tofile(images)
    ours, why = outputs([run, "file", model, images], os.path.join(scratch, "ours"))
    if ours is None:
        return None, why
    theirs, why = outputs(["node", os.path.join(HERE, "onnx_networks.js"), model, images], os.path.join(scratch, "theirs"))
    if theirs is None:
        return None, why
    return np.abs(ours - theirs).max() / np.abs(theirs).max(), ""


def main(run):
    warnings.simplefilter("ignore")
    failed = 0
    print("| network | largest difference from ONNX Runtime |\n| --- | --- |")
    for name in NETWORKS:
        with tempfile.TemporaryDirectory() as scratch:
            difference, why = compare(name, run, os.environ.get("FOLDER", scratch), scratch)
        failed += difference is None or not difference <= 1e-4
        print(f"| {name} | {why if difference is None else f'{difference:.1e}'} |", flush=True)
    return failed > 0


sys.exit(main(sys.argv[1]))
