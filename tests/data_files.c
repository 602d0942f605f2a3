/* SPDX-License-Identifier: MIT */
/* data_files.c: small CIFAR and IDX files. */
#include "data_files.h"
#include "testing.h"
#include <stdio.h>

/* ---- CIFAR ---- */

static uint8_t cifar_pixel(int record, int at) {
    return (uint8_t)(record * 97 + at * 13 + at / 32);
}

void cifar_write(const scratch *s, const char *name, int label_bytes, int first, int count) {
    static uint8_t records[CIFAR_MOST_RECORDS * (2 + CIFAR_PIXELS)];
    uint8_t *at = records;
    for (int r = first; r < first + count; r++) {
        if (label_bytes == 2)
            *at++ = (uint8_t)(r % 20);
        *at++ = (uint8_t)(label_bytes == 2 ? 99 - r : r % 10);
        for (int v = 0; v < CIFAR_PIXELS; v++)
            *at++ = cifar_pixel(r, v);
    }
    scratch_write(s, name, records, (size_t)(at - records));
}

void cifar10_write(const scratch *s) {
    static const int counts[5] = {2, 3, 1, 4, 2};
    int first = 0;
    for (int i = 0; i < 5; i++) {
        char name[32];
        snprintf(name, sizeof name, "data_batch_%d.bin", i + 1);
        cifar_write(s, name, 1, first, counts[i]);
        first += counts[i];
    }
    cifar_write(s, "test_batch.bin", 1, 20, 3);
}

void cifar_expect(const cn_dataset *set, cn_context *ctx, int64_t index, int record, int64_t label) {
    const int64_t shape[4] = {1, 3, 32, 32};
    cn_tensor *image;
    int64_t got;
    ck_ok(cn_tensor_new(ctx, CN_DTYPE_UINT8, 4, shape, &image));
    ck_ok(cn_dataset_image(set, index, image, &got));
    ck_assert_int_eq(got, label);
    for (int v = 0; v < CIFAR_PIXELS; v++)
        ck_assert_int_eq(((uint8_t *)cn_tensor_data(image))[v], cifar_pixel(record, v));
    cn_tensor_free(image);
}

/* ---- IDX ---- */

idx_file idx_begin(int dimensions, const uint32_t *extents) {
    idx_file file = {{0, 0, 8, (uint8_t)dimensions}, 4};
    for (int i = 0; i < dimensions; i++)
        for (int shift = 24; shift >= 0; shift -= 8)
            file.bytes[file.count++] = (uint8_t)(extents[i] >> shift);
    return file;
}

idx_file idx_images(void) {
    const uint32_t extents[3] = {IDX_COUNT, IDX_HEIGHT, IDX_WIDTH};
    idx_file file = idx_begin(3, extents);
    for (int v = 0; v < IDX_COUNT * IDX_VALUES; v++)
        file.bytes[file.count++] = (uint8_t)(v * 3 + 1);
    return file;
}

idx_file idx_labels(void) {
    const uint32_t extents[1] = {IDX_COUNT};
    idx_file file = idx_begin(1, extents);
    for (int i = 0; i < IDX_COUNT; i++)
        file.bytes[file.count++] = (uint8_t)(i * 5 % 8);
    return file;
}

void idx_expect(const cn_dataset *set, cn_context *ctx) {
    const int64_t shape[4] = {1, 1, IDX_HEIGHT, IDX_WIDTH};
    cn_tensor *image;
    ck_ok(cn_tensor_new(ctx, CN_DTYPE_UINT8, 4, shape, &image));
    ck_assert_int_eq(cn_dataset_count(set), IDX_COUNT);
    for (int i = 0; i < IDX_COUNT; i++) {
        int64_t label;
        ck_ok(cn_dataset_image(set, i, image, &label));
        ck_assert_int_eq(label, i * 5 % 8);
        for (int v = 0; v < IDX_VALUES; v++)
            ck_assert_int_eq(((uint8_t *)cn_tensor_data(image))[v], (uint8_t)((i * IDX_VALUES + v) * 3 + 1));
    }
    cn_tensor_free(image);
}
