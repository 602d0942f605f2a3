/* SPDX-License-Identifier: MIT */
/* pixel_ops.c: flip, grayscale, crop and rotation, of bytes to the byte what torchvision 0.14 makes of a PIL image. Every
 * result pixel looks up where it comes from; a pixel's centre lies at (x + 1/2, y + 1/2). */
#include "base/elementary.h"
#include "data/augmentation.h"
#include "data/data.h"
#include "image/image.h"
#include <math.h>
#include <string.h>

static size_t plane_size(cn__shape shape) {
    return (size_t)shape.height * (size_t)shape.width;
}

static void flip_bytes(const uint8_t *from, uint8_t *to, size_t width) {
    for (size_t x = 0; x < width; x++)
        to[x] = from[width - 1 - x];
}

static void flip_words(const uint32_t *from, uint32_t *to, size_t width) {
    for (size_t x = 0; x < width; x++)
        to[x] = from[width - 1 - x];
}

void cn__flip(cn__planes planes, const void *from, void *to) {
    size_t rows = (size_t)planes.shape.channels * (size_t)planes.shape.height, width = (size_t)planes.shape.width;
    for (size_t at = 0; at < rows * width; at += width)
        if (planes.kind == CN__PIXEL_BYTES)
            flip_bytes((const uint8_t *)from + at, (uint8_t *)to + at, width);
        else
            flip_words((const uint32_t *)from + at, (uint32_t *)to + at, width);
}

void cn__grayscale(cn__shape shape, const uint8_t *from, uint8_t *to) {
    size_t plane = plane_size(shape);
    const uint8_t *red = from, *green = from + plane, *blue = green + plane;
    for (size_t i = 0; i < plane; i++)
        to[i] = cn__luma(red[i], green[i], blue[i]);
    memcpy(to + plane, to, plane);
    memcpy(to + 2 * plane, to, plane);
}

static void pick_bytes(const uint8_t *from, uint8_t *to, const int32_t *places, int count) {
    for (int i = 0; i < count; i++) {
        int32_t outside = -(places[i] < 0); /* all ones or none */
        to[i] = (uint8_t)(from[places[i] & ~outside] & ~outside);
    }
}

/* Floats and numbers alike: a zero has the same bits. */
static void pick_words(const uint32_t *from, uint32_t *to, const int32_t *places, int count) {
    for (int i = 0; i < count; i++) {
        int32_t outside = -(places[i] < 0); /* all ones or none */
        to[i] = from[places[i] & ~outside] & (uint32_t)~outside;
    }
}

void cn__pick(cn__pixel_kind kind, const void *plane, void *to, const int32_t *places, int count) {
    if (kind == CN__PIXEL_BYTES)
        pick_bytes(plane, to, places, count);
    else
        pick_words(plane, to, places, count);
}

/* Where coordinate `i` of a padded side comes from; -1: from nowhere. */
static int padded_place(int i, int size, cn_padding_mode mode) {
    if (i >= 0 && i < size)
        return i;
    if (mode == CN_PADDING_ZEROS)
        return -1;
    if (mode == CN_PADDING_REFLECT)
        return cn__reflected(i, size);
    return i < 0 ? 0 : size - 1;
}

void cn__crop(cn__planes planes, const void *from, void *to, int padding, cn_padding_mode mode, int top, int left,
              void *row) {
    int32_t *places = row;
    int height = planes.shape.height, width = planes.shape.width;
    size_t bytes = cn__pixel_bytes(planes.kind), row_bytes = (size_t)width * bytes;
    const char *plane = from;
    char *out = to;
    for (int x = 0; x < width; x++)
        places[x] = padded_place(x + left - padding, width, mode);
    for (int c = 0; c < planes.shape.channels; c++, plane += plane_size(planes.shape) * bytes)
        for (int y = 0; y < height; y++, out += row_bytes) {
            int source = padded_place(y + top - padding, height, mode);
            if (source < 0)
                memset(out, 0, row_bytes);
            else
                cn__pick(planes.kind, plane + (size_t)source * row_bytes, out, places, width);
        }
}

/* PIL's 16.16 fixed point. */
static int64_t fixed(double value) {
    return (int64_t)floor(value * 65536.0 + 0.5);
}

static double to_15_decimals(double value) {
    return round(value * 1e15) / 1e15;
}

/* PIL steps through the source in fixed point, along a row by (cos, -sin) and from row to row by (sin, cos). It does so
 * up to 32767 pixels a side and in floating point beyond; we do so always. */
void cn__rotate(cn__planes planes, const void *from, void *to, double degrees, void *row) {
    int32_t *places = row;
    cn__shape shape = planes.shape;
    double radians = -degrees * (3.14159265358979323846 / 180.0);
    double cosine = to_15_decimals(cn__math_cos(radians)), sine = to_15_decimals(cn__math_sin(radians));
    double centre_x = shape.width / 2.0, centre_y = shape.height / 2.0;
    double start_x = cosine * -centre_x + sine * -centre_y + centre_x;
    double start_y = -sine * -centre_x + cosine * -centre_y + centre_y;
    int64_t row_x = fixed(start_x + cosine * 0.5 + sine * 0.5), row_y = fixed(start_y - sine * 0.5 + cosine * 0.5);
    int64_t along_x = fixed(cosine), along_y = fixed(-sine), down_x = fixed(sine), down_y = fixed(cosine);
    size_t bytes = cn__pixel_bytes(planes.kind), width = (size_t)shape.width, plane = plane_size(shape) * bytes;
    for (size_t y = 0; y < (size_t)shape.height; y++, row_x += down_x, row_y += down_y) {
        int64_t at_x = row_x, at_y = row_y;
        for (size_t x = 0; x < width; x++, at_x += along_x, at_y += along_y) {
            int64_t source_x = at_x >> 16, source_y = at_y >> 16;
            bool inside = source_x >= 0 && source_x < shape.width && source_y >= 0 && source_y < shape.height;
            places[x] = inside ? (int32_t)(source_y * shape.width + source_x) : -1;
        }
        for (size_t c = 0; c < (size_t)shape.channels; c++)
            cn__pick(planes.kind, (const char *)from + c * plane, (char *)to + c * plane + y * width * bytes, places,
                     shape.width);
    }
}
