/* SPDX-License-Identifier: MIT */
/* arrays.h: a small data set over arrays of its own, for tests of data sets, and the same images from a callback. */
#ifndef ARRAYS_H
#define ARRAYS_H

#include <convnet.h>
#include <stdbool.h>
#include <stdint.h>

enum {
    ARRAYS_COUNT = 20,
    ARRAYS_CHANNELS = 3,
    ARRAYS_HEIGHT = 5,
    ARRAYS_WIDTH = 4,
    ARRAYS_VALUES = ARRAYS_CHANNELS * ARRAYS_HEIGHT * ARRAYS_WIDTH,
    ARRAYS_CLASSES = 7
};

typedef struct arrays {
    cn_context *ctx;
    cn_tensor *images, *labels;
    cn_dataset *set;
} arrays;

/* What an image of bytes has in a place; float32 images hold 0.37 times that, less 40. */
uint8_t arrays_pixel(int64_t image, int64_t at);

arrays arrays_new(cn_dtype dtype, int threads);
void arrays_fill(arrays *a, cn_dtype dtype); /* images and labels alone, in the context that is there */
void arrays_free(arrays *a);

/* Fails unless image `index` is the arrays' image `original`, with its label. */
void arrays_expect_image(const cn_dataset *set, cn_context *ctx, int64_t index, int64_t original);

/* A batch of all images as a new tensor. */
cn_tensor *arrays_batch(const cn_dataset *set, cn_context *ctx, int augment, uint64_t seed, int64_t epoch);
bool arrays_same_floats(const cn_tensor *a, const cn_tensor *b);

/* ---- a callback with the same images ---- */

typedef struct arrays_teller {
    int64_t fail_at, wrong_label_at; /* images; -1: none */
} arrays_teller;
cn_dataset_source arrays_told(arrays_teller *t);

#endif
