#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Writes onnx/: small networks as PyTorch exports them, and what it makes of an input (NAME.npz: input0, …, output0, …).

    tests/golden/onnx_models.py

Debian: python3-torch python3-onnx.
"""

import os
import warnings

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn
from torch.nn import functional as F

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "onnx")


class Lambda(nn.Module):
    """Modules under their names, and what is done with them."""

    def __init__(self, function, **modules):
        super().__init__()
        for name, module in modules.items():
            setattr(self, name, module)
        self.function = function

    def forward(self, *inputs):
        return self.function(self, *inputs)


class SqueezeExcitation(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.fc1 = nn.Conv2d(channels, 3, 1)
        self.fc2 = nn.Conv2d(3, channels, 1)

    def forward(self, x):
        return x * F.hardsigmoid(self.fc2(F.relu(self.fc1(F.adaptive_avg_pool2d(x, 1)))))


class ConvNeXtBlock(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.dwconv = nn.Conv2d(channels, channels, 3, padding=1, groups=channels)
        self.norm = nn.LayerNorm(channels, eps=1e-6)
        self.pwconv1 = nn.Linear(channels, 2 * channels)
        self.pwconv2 = nn.Linear(2 * channels, channels)
        self.layer_scale = nn.Parameter(torch.rand(channels, 1, 1))

    def forward(self, x):
        y = self.norm(self.dwconv(x).permute(0, 2, 3, 1))
        y = self.pwconv2(F.gelu(self.pwconv1(y))).permute(0, 3, 1, 2)
        return x + self.layer_scale * y


def shuffle(x, groups):
    n, c, h, w = x.shape
    return x.view(n, groups, c // groups, h, w).transpose(1, 2).contiguous().view(n, c, h, w)


def shuffle_block(m, x):
    left, right = x.chunk(2, dim=1)
    return shuffle(torch.cat((left, m.conv(right)), dim=1), 2)[:, 1:7]


def own_hard_swish(x):
    return x * torch.clamp(x + 3, 0, 6) / 6


def normalised(m, x):
    x = (x - torch.tensor([0.5, 0.4, 0.3]).view(3, 1, 1)) / torch.tensor([0.2, 0.3, 0.4]).view(3, 1, 1)
    return m.conv(2 * x - 1) + m.shift


def own_gelu(x):
    return 0.5 * x * (1 + torch.erf(x / 2 ** 0.5))


def norms(m, x):
    x = F.elu(m.group(m.conv(x)))
    x = F.leaky_relu(m.instance(x), 0.2)
    return m.prelu(x)


def decoder(m, x):
    small = F.relu(m.down(x))
    up = F.interpolate(small, scale_factor=2, mode="nearest")
    smooth = F.interpolate(m.up(small), size=(8, 10), mode="bilinear", align_corners=False)
    return m.last(torch.cat((up, smooth, F.pad(x, (1, -1, 0, 0))), dim=1))


def pixels(m, x):
    return m.conv(F.pixel_unshuffle(F.pixel_shuffle(x, 2), 2)) + F.softsign(x) - F.selu(x) * 0.5


def signal(m, x):
    x = F.max_pool1d(F.relu(m.conv(x)), 2)
    return m.fc(x.mean(dim=2))


def two(m, x, y):
    z = F.silu(m.a(x)) + F.mish(m.b(y))
    return m.head(torch.flatten(F.adaptive_avg_pool2d(z, 1), 1)), torch.maximum(x[:, :, ::1], torch.tanh(z)[:, :2])


def any_size(m, x):
    x = F.relu6(m.conv(x))
    x = F.interpolate(x, scale_factor=2.0, mode="nearest")
    x = F.avg_pool2d(x, 3, stride=2, padding=1, count_include_pad=False)
    x = F.adaptive_avg_pool2d(x, 1)
    return F.log_softmax(m.fc(x.view(x.size(0), -1)), dim=1)


def squeezed(m, x):
    """Squeeze and excitation as its authors' followers write it, with linear layers."""
    n, c, _, _ = x.size()
    y = F.adaptive_avg_pool2d(x, 1).view(n, c)
    return x * torch.sigmoid(m.fc2(F.relu(m.fc1(y)))).view(n, c, 1, 1).expand_as(x)


def focus(m, x):
    """YOLOv5's beginning: every other row and column."""
    parts = [x[..., ::2, ::2], x[..., 1::2, ::2], x[..., ::2, 1::2], x[..., 1::2, 1::2]]
    return m.conv(torch.cat(parts, 1))


def resized(m, x):
    x = F.interpolate(F.interpolate(x, scale_factor=2.0, mode="nearest"), (5, 7), mode=m.mode, align_corners=m.corners)
    return m.conv(x) * x.amax(dim=(2, 3), keepdim=True)[:, :1]


def networks():
    """Name, module, inputs, options of torch.onnx.export."""
    kept = dict(training=torch.onnx.TrainingMode.PRESERVE, do_constant_folding=False)
    images = {"x": {0: "n"}}
    for opset in [7, 9, 11, 13, 16]:
        yield f"cnn_{opset}", nn.Sequential(
            nn.Conv2d(3, 6, 3, padding=1, bias=False), nn.BatchNorm2d(6), nn.ReLU(), nn.MaxPool2d(3, 2, 1),
            nn.Conv2d(6, 8, 3, stride=2, groups=2), nn.Flatten(), nn.Linear(16, 5), nn.Softmax(1)
        ), [(2, 3, 8, 9)], dict(opset_version=opset, **kept)
    yield "folded", nn.Sequential(nn.Conv2d(3, 6, 3, bias=False), nn.BatchNorm2d(6), nn.ReLU6(), nn.Flatten(),
                                  nn.Linear(96, 4)), [(2, 3, 6, 6)], dict(opset_version=13, dynamic_axes=images)
    for opset in [10, 14]:
        yield f"mobile_{opset}", nn.Sequential(
            nn.Conv2d(3, 8, 3, stride=2, padding=1), nn.Hardswish(), SqueezeExcitation(8), nn.Conv2d(8, 8, 3, padding=1,
                                                                                                  groups=8),
            nn.ReLU6(), nn.Hardsigmoid(), Lambda(lambda m, x: own_hard_swish(x) + own_gelu(x) * F.gelu(x, approximate="tanh")), nn.AdaptiveAvgPool2d(1),
            nn.Flatten(), nn.Linear(8, 5)), [(1, 3, 9, 9)], dict(opset_version=opset, dynamic_axes=images)
    for opset in [12, 17]:
        yield f"convnext_{opset}", nn.Sequential(ConvNeXtBlock(6), ConvNeXtBlock(6)), [(2, 6, 5, 4)], dict(
            opset_version=opset, dynamic_axes=images)
    shifted = Lambda(normalised, conv=nn.Conv2d(3, 4, 3))
    shifted.shift = nn.Parameter(torch.rand(4, 1, 1))
    yield "normalised", shifted, [(2, 3, 6, 5)], dict(opset_version=13, dynamic_axes=images)
    yield "convnext_kept", ConvNeXtBlock(6), [(2, 6, 5, 4)], dict(opset_version=13, dynamic_axes=images, **kept)
    yield "shuffle", Lambda(shuffle_block, conv=nn.Conv2d(4, 4, 1)), [(1, 8, 4, 3)], dict(opset_version=13)
    yield "shuffle_any", Lambda(shuffle_block, conv=nn.Conv2d(4, 4, 1)), [(2, 8, 4, 3)], dict(
        opset_version=13, dynamic_axes=images)
    yield "pixels", Lambda(pixels, conv=nn.Conv2d(8, 8, 1)), [(2, 8, 3, 4)], dict(opset_version=13)
    yield "norms", Lambda(norms, conv=nn.Conv2d(3, 8, 3), group=nn.GroupNorm(4, 8),
                          instance=nn.InstanceNorm2d(8, affine=True), prelu=nn.PReLU(8)), [(2, 3, 6, 5)], dict(
                              opset_version=13, dynamic_axes=images)
    yield "decoder", Lambda(decoder, down=nn.Conv2d(3, 6, 2, stride=2), up=nn.ConvTranspose2d(6, 4, 3, stride=2),
                            last=nn.Conv2d(13, 2, 3, padding=1, padding_mode="reflect")), [(2, 3, 8, 10)], dict(
                                opset_version=13, dynamic_axes=images)
    yield "signal", Lambda(signal, conv=nn.Conv1d(2, 6, 5, padding=2, dilation=1), fc=nn.Linear(6, 3)), [
        (3, 2, 20)], dict(opset_version=13, dynamic_axes=images)
    yield "two", Lambda(two, a=nn.Conv2d(2, 4, 1), b=nn.Conv2d(3, 4, 3, padding=1), head=nn.Linear(4, 3)), [
        (2, 2, 5, 5), (2, 3, 5, 5)], dict(opset_version=13, dynamic_axes={"x": {0: "n"}, "x1": {0: "n"}})
    yield "any_size", Lambda(any_size, conv=nn.Conv2d(3, 6, 3), fc=nn.Linear(6, 4)), [(2, 3, 12, 10)], dict(
        opset_version=13, dynamic_axes={"x": {0: "n", 2: "h", 3: "w"}})


    yield "squeezed", Lambda(squeezed, fc1=nn.Linear(6, 3), fc2=nn.Linear(3, 6)), [(2, 6, 5, 4)], dict(
        opset_version=13, dynamic_axes=images)
    yield "focus", Lambda(focus, conv=nn.Conv2d(12, 5, 3, padding=1)), [(2, 3, 8, 6)], dict(
        opset_version=12, dynamic_axes=images)
    for opset, mode, corners in [(9, "nearest", None), (10, "nearest", None), (11, "bilinear", True),
                                 (13, "bilinear", False)]:
        module = Lambda(resized, conv=nn.Conv2d(3, 4, 3, padding=1))
        module.mode, module.corners = mode, corners
        yield f"resized_{opset}", module, [(2, 3, 4, 5)], dict(opset_version=opset)


def values(shape, seed):
    return torch.from_numpy(np.random.RandomState(seed).uniform(-2, 2, shape).astype(np.float32))


def settle(module):
    """Running statistics and affine parameters that are not what they begin with."""
    for tensor in list(module.parameters()) + list(module.buffers()):
        if tensor.is_floating_point() and tensor.dim() == 1:
            tensor.data.uniform_(0.5, 1.5)
    return module.eval()


def store(name, inputs, outputs):
    arrays = {f"input{i}": np.ascontiguousarray(x.numpy()) for i, x in enumerate(inputs)}
    arrays.update({f"output{i}": np.ascontiguousarray(y.detach().numpy()) for i, y in enumerate(outputs)})
    np.savez(os.path.join(FOLDER, name + ".npz"), **arrays)


def export(name, module, shapes, options):
    torch.manual_seed(1)
    settle(module)
    inputs = [values(shape, i) for i, shape in enumerate(shapes)]
    names = ["x"] + [f"x{i}" for i in range(1, len(inputs))]
    traced = inputs if "dynamic_axes" not in options or name == "any_size" else [x[:1] for x in inputs]
    torch.onnx.export(module, tuple(traced), os.path.join(FOLDER, name + ".onnx"), input_names=names, **options)
    outputs = module(*inputs)
    store(name, inputs, outputs if isinstance(outputs, tuple) else (outputs,))


# ---- what this PyTorch cannot export ----


def opset_21():
    """A group norm of opset 21, GELU, layer norm and half-precision weights, written by hand."""
    r = np.random.RandomState(3)
    weight = r.uniform(-0.5, 0.5, (6, 4, 3, 3)).astype(np.float16)
    scale, bias = r.uniform(0.5, 1.5, 6).astype(np.float32), r.uniform(-1, 1, 6).astype(np.float32)
    nodes = [
        helper.make_node("Conv", ["x", "conv.weight"], ["a"], pads=[1, 0, 0, 1]),
        helper.make_node("GroupNormalization", ["a", "norm.weight", "norm.bias"], ["b"], num_groups=3),
        helper.make_node("Gelu", ["b"], ["c"]),
        helper.make_node("ReduceMean", ["c", "axes"], ["d"], keepdims=0),
        helper.make_node("LayerNormalization", ["d", "norm.weight", "norm.bias"], ["y"]),
    ]
    tensors = [numpy_helper.from_array(weight, "conv.weight"), numpy_helper.from_array(scale, "norm.weight"),
               numpy_helper.from_array(bias, "norm.bias"), numpy_helper.from_array(np.array([2, 3]), "axes")]
    graph = helper.make_graph(nodes, "opset_21", [helper.make_tensor_value_info("x", TensorProto.FLOAT,
                                                                                ["n", 4, 5, 6])],
                              [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 6])], tensors)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)]),
              os.path.join(FOLDER, "opset_21.onnx"))
    x = values((2, 4, 5, 6), 0)
    s, b = torch.from_numpy(scale), torch.from_numpy(bias)
    y = F.conv2d(F.pad(x, (0, 1, 1, 0)), torch.from_numpy(weight).float())
    y = F.gelu(F.group_norm(y, 3, s, b)).mean(dim=(2, 3))
    store("opset_21", [x], [F.layer_norm(y, (6,), s, b)])


def lrn():
    """PyTorch writes its local response norm out as a pool of five dimensions; others have ONNX's own."""
    weight = np.random.RandomState(4).uniform(-1, 1, (7, 3, 1, 1)).astype(np.float32)
    nodes = [helper.make_node("Conv", ["x", "conv.weight"], ["a"]),
             helper.make_node("LRN", ["a"], ["b"], size=3, alpha=0.5, beta=0.75, bias=2.0),
             helper.make_node("LRN", ["b"], ["y"], size=5)]
    graph = helper.make_graph(nodes, "lrn", [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3, 4, 3])],
                              [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 7, 4, 3])],
                              [numpy_helper.from_array(weight, "conv.weight")])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 9)]), os.path.join(FOLDER, "lrn.onnx"))
    x = values((2, 3, 4, 3), 0)
    y = F.local_response_norm(F.conv2d(x, torch.from_numpy(weight)), 3, 0.5, 0.75, 2.0)
    store("lrn", [x], [F.local_response_norm(y, 5)])


def channels_last():
    """As TensorFlow has it: images come and go as [N, H, W, C]. Stored as the library has them."""
    torch.manual_seed(1)
    conv, bias = nn.Conv2d(3, 4, 3, padding=1), torch.rand(4)

    def forward(m, x):
        x = m.norm(m.conv((x - torch.tensor([0.5, 0.4, 0.3])).permute(0, 3, 1, 2)))
        return F.relu(x).permute(0, 2, 3, 1) + bias

    module = settle(Lambda(forward, conv=conv, norm=nn.BatchNorm2d(4)))
    x = values((2, 6, 5, 3), 0)
    torch.onnx.export(module, x[:1], os.path.join(FOLDER, "channels_last.onnx"), input_names=["x"], opset_version=13,
                      dynamic_axes={"x": {0: "n"}})
    store("channels_last", [x.permute(0, 3, 1, 2)], [module(x).permute(0, 3, 1, 2)])


def external():
    """The numbers of `folded` in a file beside it."""
    model = onnx.load(os.path.join(FOLDER, "folded.onnx"))
    onnx.save_model(model, os.path.join(FOLDER, "external.onnx"), save_as_external_data=True,
                    location="external.data", size_threshold=64)
    arrays = dict(np.load(os.path.join(FOLDER, "folded.npz")))
    np.savez(os.path.join(FOLDER, "external.npz"), **arrays)


def main():
    warnings.simplefilter("ignore")
    torch.manual_seed(0)
    os.makedirs(FOLDER, exist_ok=True)
    for path in os.listdir(FOLDER):
        os.remove(os.path.join(FOLDER, path))
    for network in networks():
        export(*network)
    opset_21()
    external()
    lrn()
    channels_last()


main()
