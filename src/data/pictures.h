/* SPDX-License-Identifier: MIT */
/* pictures.h: pictures in files, and masks beside them, as a source of images: decoded when they are asked for, by whoever
 * asks, and kept as far as there is room. */
#ifndef CN_PICTURES_H
#define CN_PICTURES_H

#include "data/dataset.h"

typedef struct cn__pictures cn__pictures;

/* Of these files, which are copied, brought to the size of `options`; `masks`, or NULL: none. Keeps as many as
 * options.memory has room for, with 0 all. */
cn_status cn__pictures_new(cn_context *ctx, const cn_folder_options *options, int64_t count, const char *const *files,
                           const char *const *masks, cn__pictures **pictures);
void cn__pictures_free(cn__pictures *pictures);

/* Decodes as many as are kept; the first failure by their order. */
cn_status cn__pictures_decode(cn__pictures *pictures);
/* The largest value of all masks but `ignored`, -1: there is none. Reads those that are not kept. */
cn_status cn__pictures_largest(cn__pictures *pictures, int64_t ignored, int *largest);

/* As what owns the pictures from now on; without targets, or with a mask. */
cn__source cn__pictures_source(cn__pictures *pictures);

#endif
