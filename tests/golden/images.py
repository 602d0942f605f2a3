#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Writes small pictures of every kind into images/, and images.txt: what they hold, and what Pillow and torchvision make
of pictures in other sizes.

    tests/golden/images.py >tests/golden/images.txt

Each line is one case, after a colon the result, planes one after the other, as hexadecimal bytes:

    load    file, channels, height, width
    resize  channels, height, width of the picture; height, width wanted
    fit     channels, height, width of the picture; channels, height, width wanted

The files are PNG of all colour types and depths, plain, interlaced and with transparency (whose content follows from how
they were made), JPEG of the common kinds and orientations (as Pillow reads them; other decoders may differ by 2) and PNM. Byte i of a picture that is
resized is the top byte of (i + 1) · 2654435761 mod 2^32.
"""
import os
import struct
import zlib

import numpy as np
import torchvision.transforms as T
from PIL import Image, ImageOps

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "images")
HEIGHT, WIDTH = 7, 11
GREY, RGB, PALETTE, GREY_ALPHA, RGB_ALPHA = 0, 2, 3, 4, 6
CHANNELS = {GREY: 1, RGB: 3, PALETTE: 1, GREY_ALPHA: 2, RGB_ALPHA: 4}


def pixels(*shape):
    count = int(np.prod(shape))
    return ((np.arange(1, count + 1, dtype=np.uint64) * 2654435761) % 2**32).reshape(shape)


def write(name, parameters, result):
    planes = np.asarray(result)
    planes = planes if planes.ndim == 2 else planes.transpose(2, 0, 1)
    print(name, *parameters, ":", planes.astype(np.uint8).tobytes().hex())


def loaded(file, result):
    result = np.asarray(result)
    write("load", [file, 1 if result.ndim == 2 else result.shape[2], *result.shape[:2]], result)


# ---- PNG, written here because Pillow cannot write all of it ----


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def scanlines(samples, depth):
    """Rows of samples, [height, width, channels], packed, each behind filter 0."""
    out = b""
    for row in samples.reshape(samples.shape[0], -1):
        if depth == 16:
            line = row.astype(">u2").tobytes()
        else:
            bits = "".join(format(int(v), "0%db" % depth) for v in row)
            bits += "0" * (-len(bits) % 8)
            line = bytes(int(bits[i : i + 8], 2) for i in range(0, len(bits), 8))
        out += b"\0" + line
    return out


def png(file, samples, depth, colour, interlaced=False, palette=None, transparent=None, before=b"", behind=b""):
    passes = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)]
    parts = [samples[y::dy, x::dx] for y, x, dy, dx in passes] if interlaced else [samples]
    body = b"".join(scanlines(p, depth) for p in parts if p.size)
    head = struct.pack(">IIBBBBB", samples.shape[1], samples.shape[0], depth, colour, 0, 0, int(interlaced))
    data = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head)
    if palette is not None:
        data += chunk(b"PLTE", palette.astype(np.uint8).tobytes())
    if transparent is not None:
        data += chunk(b"tRNS", transparent)
    data += before + chunk(b"IDAT", zlib.compress(body, 9)) + behind + chunk(b"IEND", b"")
    open(os.path.join(FOLDER, file), "wb").write(data)


def over_white(colours, alpha, largest=255):
    """Colours [h, w, c] of `largest` at most with alpha [h, w], as 8 bits, rounded once."""
    c, a = colours.astype(np.int64), alpha[:, :, None].astype(np.int64)
    return ((c * a + largest * (largest - a)) * 255 + largest**2 // 2) // largest**2


def flat(colours):
    return colours[:, :, 0] if colours.shape[2] == 1 else colours


def png_files():
    for colour, depths in ((GREY, (1, 2, 4, 8, 16)), (RGB, (8, 16)), (GREY_ALPHA, (8, 16)), (RGB_ALPHA, (8, 16))):
        for depth in depths:
            samples = pixels(HEIGHT, WIDTH, CHANNELS[colour]) >> (32 - depth)
            bytes_ = (samples.astype(np.int64) * 510 + (2**depth - 1)) // (2 * (2**depth - 1))
            if colour in (GREY_ALPHA, RGB_ALPHA):
                bytes_ = over_white(samples[:, :, :-1], samples[:, :, -1], 2**depth - 1)
            for interlaced in (False, True):
                if interlaced and depth not in (1, 8) and colour != RGB_ALPHA:
                    continue
                name = {GREY: "grey", RGB: "rgb", GREY_ALPHA: "grey_alpha", RGB_ALPHA: "rgb_alpha"}[colour]
                file = "%s%d%s.png" % (name, depth, "_interlaced" if interlaced else "")
                png(file, samples, depth, colour, interlaced)
                loaded(file, flat(bytes_))
    for depth in (1, 2, 4, 8):
        samples = pixels(HEIGHT, WIDTH, 1) >> (32 - depth)
        palette = pixels(2**depth, 3) >> 24
        png("palette%d.png" % depth, samples, depth, PALETTE, palette=palette)
        loaded("palette%d.png" % depth, palette[samples[:, :, 0]])
    samples = pixels(HEIGHT, WIDTH, 1) >> 30
    palette = pixels(4, 3) >> 24
    alpha = np.array([0, 128, 255, 255])
    png("palette2_transparent.png", samples, 2, PALETTE, palette=palette, transparent=bytes([0, 128]))
    loaded("palette2_transparent.png", over_white(palette[samples[:, :, 0]], alpha[samples[:, :, 0]]))
    samples = pixels(HEIGHT, WIDTH, 1) >> 28
    png("grey4_transparent.png", samples, 4, GREY, transparent=struct.pack(">H", 5))
    loaded("grey4_transparent.png", np.where(samples == 5, 255, samples * 17)[:, :, 0])

    samples = pixels(HEIGHT, WIDTH, 3) >> 24
    exif = chunk(b"eXIf", b"MM\0*" + struct.pack(">IHHHIHHI", 8, 1, 0x0112, 3, 1, 6, 0, 0))
    for file, where in (("orientation6.png", "before"), ("orientation6_behind.png", "behind")):
        png(file, samples, 8, RGB, interlaced=where == "behind", **{where: exif})
        loaded(file, np.rot90(samples, -1))


# ---- JPEG and PNM ----


def picture(height, width):
    """Smooth, so that JPEG keeps it."""
    y, x = np.mgrid[0:height, 0:width].astype(float)
    planes = [127 + 100 * np.sin(x / 3), 255 * y / height, 127 + 90 * np.cos((x + y) / 4)]
    return np.stack(planes, axis=2).round().astype(np.uint8)


def jpeg(file, image, adobe_transform=None, **options):
    path = os.path.join(FOLDER, file)
    image.save(path, "JPEG", **options)
    if adobe_transform is not None:
        data = bytearray(open(path, "rb").read())
        data[data.index(b"Adobe") + 11] = adobe_transform
        open(path, "wb").write(data)
    read = ImageOps.exif_transpose(Image.open(path))
    loaded(file, read if read.mode == "L" else read.convert("RGB"))


def without_adobe(file, stripped):
    """The same without Adobe's segment, as programs leave it that take metadata out."""
    data = open(os.path.join(FOLDER, file), "rb").read()
    at = data.index(b"\xff\xee")
    data = data[:at] + data[at + 2 + struct.unpack(">H", data[at + 2 : at + 4])[0] :]
    open(os.path.join(FOLDER, stripped), "wb").write(data)
    loaded(stripped, Image.open(os.path.join(FOLDER, stripped)).convert("RGB"))


def ycck(light, white):
    """As "CMYK" bands what a YCCK file stores, which Pillow cannot write itself: it inverts them, as Adobe's programs do,
    and takes the bands as they are. `light` is what cyan, magenta and yellow let through, `white` what black does."""
    bands = [*Image.fromarray(255 - light).convert("YCbCr").split(), Image.fromarray(white)]
    return Image.merge("CMYK", [band.point(lambda v: 255 - v) for band in bands])


def jpeg_files():
    colour = Image.fromarray(picture(18, 13))
    jpeg("colour.jpg", colour, quality=75)
    jpeg("full_chroma.jpg", colour, quality=90, subsampling=0)
    jpeg("progressive.jpg", colour, quality=75, progressive=True)
    jpeg("grey.jpg", colour.convert("L"), quality=80)
    jpeg("cmyk.jpg", colour.convert("CMYK"), quality=80)
    without_adobe("cmyk.jpg", "cmyk_no_adobe.jpg")
    jpeg("ycck.jpg", ycck(picture(18, 13), picture(13, 18)[:, :, 0].T), adobe_transform=2, quality=80)
    small = Image.fromarray(picture(5, 9))
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[0x010E] = "a comment"
        exif[0x0112] = orientation
        jpeg("orientation%d.jpg" % orientation, small, quality=85, exif=exif)


def pnm_files():
    for file, head, samples, largest in (
        ("grey.pgm", b"P5\n# a comment\n%d %d 255\n", pixels(HEIGHT, WIDTH) >> 24, 255),
        ("grey7.pgm", b"P5 %d %d 7\n", (pixels(HEIGHT, WIDTH) >> 24) % 8, 7),
        ("rgb.ppm", b"P6\n%d %d\n255\n", pixels(HEIGHT, WIDTH, 3) >> 24, 255),
        ("rgb1000.ppm", b"P6\n%d %d\n1000\n", (pixels(HEIGHT, WIDTH, 3) >> 16) % 1001, 1000),
    ):
        data = samples.astype(np.uint8 if largest < 256 else ">u2").tobytes()
        open(os.path.join(FOLDER, file), "wb").write(head % (WIDTH, HEIGHT) + data)
        loaded(file, (samples.astype(np.int64) * 510 + largest) // (2 * largest))
    for file, kind, samples, largest in (
        ("grey_text.pgm", b"P2", pixels(HEIGHT, WIDTH) >> 24, 255),
        ("rgb_text.ppm", b"P3", (pixels(HEIGHT, WIDTH, 3) >> 16) % 1001, 1000),
    ):
        text = "\n".join(" ".join(str(v) for v in row) for row in samples.reshape(HEIGHT, -1))
        head = b"%s # text\n%d %d\n%d\n" % (kind, WIDTH, HEIGHT, largest)
        open(os.path.join(FOLDER, file), "wb").write(head + text.encode() + b"\n")
        loaded(file, (samples.astype(np.int64) * 510 + largest) // (2 * largest))
    bits = (pixels(HEIGHT, WIDTH) >> 31).astype(np.uint8)
    text = b"\n".join(bytes(48 + row) for row in bits)
    for file, data in (("bits.pbm", b"P4 %d %d\n%s" % (WIDTH, HEIGHT, np.packbits(bits, axis=1).tobytes())),
                       ("bits_text.pbm", b"P1\n%d %d\n%s\n" % (WIDTH, HEIGHT, text))):
        open(os.path.join(FOLDER, file), "wb").write(data)
        loaded(file, 255 * (1 - bits))


# ---- other sizes ----


def hashed(channels, height, width):
    planes = (pixels(channels, height, width) >> 24).astype(np.uint8).transpose(1, 2, 0)
    return Image.fromarray(planes if channels == 3 else planes[:, :, 0])


def sizes():
    for size, wanted in (
        ((3, 9, 14), (5, 6)),
        ((1, 9, 14), (4, 14)),
        ((3, 6, 5), (13, 11)),
        ((1, 1, 1), (3, 4)),
        ((3, 40, 3), (2, 7)),
        ((1, 64, 50), (7, 9)),
        ((3, 31, 100), (3, 1)),
        ((1, 8, 8), (8, 8)),
    ):
        write("resize", [*size, *wanted], hashed(*size).resize(wanted[::-1], Image.BILINEAR))
    for size, channels, side in (
        ((3, 20, 31), 3, 8),
        ((3, 31, 20), 3, 8),
        ((3, 16, 27), 1, 9),
        ((1, 27, 16), 3, 9),
        ((3, 5, 8), 3, 12),
        ((1, 3, 3), 1, 7),
        ((3, 1, 9), 3, 6),
        ((3, 100, 7), 3, 7),
    ):
        image = hashed(*size).convert("L" if channels == 1 else "RGB")
        write("fit", [*size, channels, side, side], T.CenterCrop(side)(T.Resize(side)(image)))


os.makedirs(FOLDER, exist_ok=True)
png_files()
jpeg_files()
pnm_files()
sizes()
