#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Writes augmentation.txt: what torchvision makes of 8-bit images for given parameters.

    tests/golden/augmentation.py >tests/golden/augmentation.txt

Each line is one case: operation, channels, height, width, parameters, and after a colon the result, planes one after
the other, as hexadecimal bytes (of normalize: the bits of float32 values). Byte i of an input image is the top byte of
(i + 1) · 2654435761 mod 2^32. Parameters:

    flip, grayscale  none
    crop             padding, mode (constant, edge, reflect), top, left
    rotate           degrees
    perspective      the corners' new places, x and y of each; torchvision's eight coefficients
    normalize        none; scaled by 1 / 255, then CIFAR-10's mean and std
"""
import random

import numpy as np
import torchvision.transforms as T
import torchvision.transforms.functional as F
from PIL import Image
from torchvision.transforms import InterpolationMode

SIZES = [(3, 32, 32), (1, 28, 28), (3, 13, 17), (1, 8, 5), (3, 7, 16)]
MEAN = (0.49139968, 0.48215827, 0.44653124)
STD = (0.24703233, 0.24348505, 0.26158768)


def image(channels, height, width):
    count = channels * height * width
    pixels = ((np.arange(1, count + 1, dtype=np.uint64) * 2654435761) % 2**32 >> 24).astype(np.uint8)
    pixels = pixels.reshape(channels, height, width).transpose(1, 2, 0)
    return Image.fromarray(pixels if channels == 3 else pixels[:, :, 0])


def write(name, size, parameters, result):
    planes = np.asarray(result)
    planes = planes if planes.ndim == 2 else planes.transpose(2, 0, 1)
    print(name, *size, *parameters, ":", planes.tobytes().hex())


def rotations(size, rng):
    angles = [0.0, 90.0, -90.0, 180.0, 30.0, 45.0, 7.0, -7.0]
    angles = rng.sample(angles, 2) if size[1] * size[2] > 500 else angles
    for angle in angles + [rng.uniform(-7, 7) for _ in range(4)] + [rng.uniform(-180, 180)]:
        write("rotate", size, [repr(angle)], F.rotate(image(*size), angle, InterpolationMode.NEAREST, fill=0))


def perspectives(size, rng):
    for scale in [0.3, 0.3, 0.3, 0.5, 0.9]:
        start, end = T.RandomPerspective.get_params(size[2], size[1], scale)
        coefficients = F._get_perspective_coeffs(start, end)
        result = F.perspective(image(*size), start, end, InterpolationMode.BILINEAR, fill=0)
        write("perspective", size, [v for corner in end for v in corner] + [repr(v) for v in coefficients], result)


def crops(size, rng):
    for mode in ["constant", "edge", "reflect"]:
        for padding in [1, 4]:
            top, left = rng.randint(0, 2 * padding), rng.randint(0, 2 * padding)
            padded = F.pad(image(*size), padding, 0, mode)
            write("crop", size, [padding, mode, top, left], F.crop(padded, top, left, size[1], size[2]))


def main():
    import torch

    torch.manual_seed(8)
    rng = random.Random(8)
    for size in SIZES:
        write("flip", size, [], F.hflip(image(*size)))
        if size[0] == 3:
            write("grayscale", size, [], F.rgb_to_grayscale(image(*size), 3))
        crops(size, rng)
        rotations(size, rng)
        perspectives(size, rng)
    bytes_256 = Image.fromarray(np.repeat(np.arange(256, dtype=np.uint8), 3).reshape(1, 256, 3))
    values = T.Normalize(MEAN, STD)(T.ToTensor()(bytes_256))
    print("normalize 3 1 256 :", values.numpy().astype(">f4").tobytes().hex())


if __name__ == "__main__":
    main()
