/* SPDX-License-Identifier: MIT */
/* data_files.h: small CIFAR and IDX files, and whether a data set has what is in them. */
#ifndef DATA_FILES_H
#define DATA_FILES_H

#include "scratch.h"
#include <convnet.h>
#include <stdint.h>

/* ---- CIFAR ---- */

enum { CIFAR_PIXELS = 3072, CIFAR_MOST_RECORDS = 8 };

/* Records number first … first + count - 1 of CIFAR-10 (label_bytes 1) or CIFAR-100 (2). */
void cifar_write(const scratch *s, const char *name, int label_bytes, int first, int count);

/* All files of CIFAR-10 but the names: records 0 to 11 in five batches, 20 to 22 for testing. */
void cifar10_write(const scratch *s);

/* Fails unless image `index` has that record's pixels and that label. */
void cifar_expect(const cn_dataset *set, cn_context *ctx, int64_t index, int record, int64_t label);

/* ---- IDX ---- */

enum { IDX_COUNT = 6, IDX_HEIGHT = 4, IDX_WIDTH = 3, IDX_VALUES = IDX_HEIGHT * IDX_WIDTH, IDX_MOST_BYTES = 200 };

typedef struct idx_file {
    uint8_t bytes[IDX_MOST_BYTES];
    size_t count;
} idx_file;

idx_file idx_begin(int dimensions, const uint32_t *extents); /* its header */
idx_file idx_images(void);
idx_file idx_labels(void);

/* Fails unless the data set has those images and labels. */
void idx_expect(const cn_dataset *set, cn_context *ctx);

#endif
