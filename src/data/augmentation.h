/* SPDX-License-Identifier: MIT */
/* augmentation.h: changes to images and what belongs to them, with the geometry and the rounding of torchvision on PIL
 * images: the operations, which of them an image of an epoch goes through, and how these are applied. */
#ifndef CN_AUGMENTATION_H
#define CN_AUGMENTATION_H

#include "base/base.h"

/* What the values of a picture are, and so what lies between two of them. Outside of a picture all of them are 0. */
typedef enum cn__pixel_kind {
    CN__PIXEL_BYTES,  /* colours of 8 bits: bilinear, cut off as PIL does */
    CN__PIXEL_FLOATS, /* bilinear */
    CN__PIXEL_PLACES  /* uint32_t numbers of which none lies between two: nearest */
} cn__pixel_kind;

/* Planes of height · width values, one after the other. */
typedef struct cn__planes {
    cn__shape shape;
    cn__pixel_kind kind;
} cn__planes;

static inline size_t cn__pixel_bytes(cn__pixel_kind kind) {
    return kind == CN__PIXEL_BYTES ? 1 : 4;
}

/* ---- the operations (pixel_ops.c, perspective.c): from one picture to another; `row` is scratch memory for a row's
 * columns ---- */

#define CN__ROW_BYTES 48 /* for each column, aligned as a double is */

void cn__flip(cn__planes planes, const void *from, void *to);
/* ITU-R 601-2 luma in all three channels of bytes. */
void cn__grayscale(cn__shape shape, const uint8_t *from, uint8_t *to);
/* The picture's own size out of the padded picture, from its row `top` and column `left`. */
void cn__crop(cn__planes planes, const void *from, void *to, int padding, cn_padding_mode mode, int top, int left,
              void *row);
/* By `degrees` counter-clockwise around the centre; the nearest pixel. */
void cn__rotate(cn__planes planes, const void *from, void *to, double degrees, void *row);
/* Pixel (x, y) comes from ((ax + by + c) / (gx + hy + 1), (dx + ey + f) / (gx + hy + 1)). */
void cn__perspective(cn__planes planes, const void *from, void *to, const double coefficients[8], void *row);
/* The coefficients a … h that move the image's corners (top left, top right, bottom right, bottom left) to `corners`
 * (x and y of each), in single precision as torchvision has them. False: there are none, some corners coincide or lie
 * in line. */
bool cn__perspective_solve(int height, int width, const int corners[8], double coefficients[8]);

/* A row's values from `places` in a plane, 0 where a place is negative. */
void cn__pick(cn__pixel_kind kind, const void *plane, void *to, const int32_t *places, int count);

/* ---- what happens to an image (augmentation.c) ---- */

/* Rows top … bottom - 1 and columns left … right - 1. */
typedef struct cn__hole {
    int top, bottom, left, right;
} cn__hole;

/* What one image of an epoch goes through, in this order. */
typedef struct cn__changes {
    bool cropped, flipped, grayscale, rotated, perspective;
    int padding, top, left; /* of the crop */
    cn_padding_mode padding_mode;
    double degrees;
    double coefficients[8];
    cn__hole hole; /* what cutout takes out of the normalised image */
} cn__changes;

/* Draws them. `turn`: with alternating_flip it is this image's turn to be mirrored. */
cn__changes cn__changes_draw(const cn_augmentation *augmentation, cn__shape shape, cn__rng *rng, bool turn);

/* Things change places. */
static inline bool cn__changes_move(const cn__changes *changes) {
    return changes->cropped || changes->flipped || changes->rotated || changes->perspective;
}

/* Bytes of scratch memory for a picture of this kind: a multiple of CN__ALIGN. */
size_t cn__changes_scratch(cn__planes planes);
/* The changed picture, but for the hole, in `scratch` or, if nothing changed, `pixels` itself. */
const void *cn__changes_apply(const cn__changes *changes, cn__planes planes, const void *pixels, void *scratch);

/* Where `count` points of the image, x and y of each, are in the changed one; point i is what was point mirrored[i]
 * where the image is mirrored (points.c). */
void cn__changes_points(const cn__changes *changes, cn__shape shape, int count, const int *mirrored, const float *from,
                        float *to);

#endif
