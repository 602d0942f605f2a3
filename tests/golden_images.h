/* SPDX-License-Identifier: MIT */
/* golden_images.h: pictures and what other programs make of them, from golden/images.txt (see images.py). */
#ifndef GOLDEN_IMAGES_H
#define GOLDEN_IMAGES_H

#include <convnet.h>

#define GOLDEN_IMAGES "tests/golden/images/"

typedef struct golden_image {
    char line[128];  /* the case, for messages */
    char file[64];   /* of "load": below GOLDEN_IMAGES */
    int number[6];   /* of the others: the parameters */
    uint8_t *result; /* planes one after the other */
    size_t bytes;
} golden_image;

/* Calls `check` with each case of that name and returns their number; the test fails if there is none. */
int golden_images(const char *name, void (*check)(const golden_image *golden));

/* A picture whose byte i is the top byte of (i + 1) · 2654435761. */
cn_tensor *golden_picture(cn_context *ctx, int channels, int height, int width);

/* The test fails unless the picture has that shape and, but for `tolerance`, those bytes. */
void golden_compare_image(const golden_image *golden, const cn_tensor *image, int channels, int height, int width,
                          int tolerance);

#endif
