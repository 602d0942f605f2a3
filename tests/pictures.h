/* SPDX-License-Identifier: MIT */
/* pictures.h: what tests of targets share: grey pictures and masks of the same values, and batches with all targets. */
#ifndef PICTURES_H
#define PICTURES_H

#include <convnet.h>
#include <stdint.h>

enum {
    PICTURES = 12,
    PICTURE_SIDE = 24,
    PICTURE_PIXELS = PICTURE_SIDE * PICTURE_SIDE,
    PICTURE_CLASSES = 200,
    PICTURE_IGNORED = 255
};

/* Grey pictures, as bytes and as floats, and as masks of the bytes' values. */
typedef struct pictures {
    cn_context *ctx;
    cn_tensor *bytes, *floats, *masks, *wide_masks; /* uint8, float32, uint8, int64 */
    cn_dataset *set;                                /* of bytes, without a target */
} pictures;
pictures pictures_begin(void);
void pictures_end(pictures *f);

/* The byte in place `at` of all pictures, from 1 to 199. */
uint8_t picture_value(int at);

/* Crops, flips and rotations, all to the nearest pixel. */
cn_augmentation pictures_moves(cn_padding_mode mode);

cn_tensor *new_tensor(cn_context *ctx, cn_dtype dtype, int dims, const int64_t *shape);
const float *floats_of(const cn_tensor *tensor);
const int64_t *integers_of(const cn_tensor *tensor);

/* ---- targets ---- */

cn_target_options target_of(cn_target_kind kind);
cn_target_options target_mask(void); /* of PICTURE_CLASSES classes, and pixels to be ignored */

/* For that target of `count` images. */
cn_tensor *target_tensor(const cn_dataset *set, cn_context *ctx, int target, int64_t count);

/* A batch of all images and up to four targets. */
typedef struct drawn {
    cn_tensor *images, *targets[4];
    int count;
} drawn;
drawn drawn_new(const cn_dataset *set, cn_context *ctx, int augment, int64_t epoch);
void drawn_free(drawn *d);

#endif
