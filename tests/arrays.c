/* SPDX-License-Identifier: MIT */
/* arrays.c: a small data set over arrays, and the same from a callback. */
#include "arrays.h"
#include "testing.h"
#include <stdlib.h>

uint8_t arrays_pixel(int64_t image, int64_t at) {
    return (uint8_t)(image * 31 + at * 7 + image * at);
}

void arrays_fill(arrays *a, cn_dtype dtype) {
    const int64_t shape[4] = {ARRAYS_COUNT, ARRAYS_CHANNELS, ARRAYS_HEIGHT, ARRAYS_WIDTH};
    ck_ok(cn_tensor_new(a->ctx, dtype, 4, shape, &a->images));
    ck_ok(cn_tensor_new(a->ctx, CN_DTYPE_INT64, 1, shape, &a->labels));
    for (int64_t i = 0; i < ARRAYS_COUNT; i++) {
        ((int64_t *)cn_tensor_data(a->labels))[i] = i % ARRAYS_CLASSES;
        for (int64_t v = 0; v < ARRAYS_VALUES; v++) {
            if (dtype == CN_DTYPE_UINT8)
                ((uint8_t *)cn_tensor_data(a->images))[i * ARRAYS_VALUES + v] = arrays_pixel(i, v);
            else
                ((float *)cn_tensor_data(a->images))[i * ARRAYS_VALUES + v] = (float)arrays_pixel(i, v) * 0.37f - 40.0f;
        }
    }
}

arrays arrays_new(cn_dtype dtype, int threads) {
    arrays a = {.ctx = test_context(threads)};
    arrays_fill(&a, dtype);
    ck_ok(cn_dataset_memory(a.ctx, a.images, a.labels, ARRAYS_CLASSES, &a.set));
    return a;
}

void arrays_free(arrays *a) {
    cn_dataset_free(a->set);
    cn_tensor_free(a->images);
    cn_tensor_free(a->labels);
    cn_context_free(a->ctx);
}

void arrays_expect_image(const cn_dataset *set, cn_context *ctx, int64_t index, int64_t original) {
    const int64_t shape[4] = {1, ARRAYS_CHANNELS, ARRAYS_HEIGHT, ARRAYS_WIDTH};
    cn_tensor *image;
    int64_t label;
    ck_ok(cn_tensor_new(ctx, CN_DTYPE_UINT8, 4, shape, &image));
    ck_ok(cn_dataset_image(set, index, image, &label));
    ck_assert_int_eq(label, original % ARRAYS_CLASSES);
    for (int64_t v = 0; v < ARRAYS_VALUES; v++)
        ck_assert_int_eq(((uint8_t *)cn_tensor_data(image))[v], arrays_pixel(original, v));
    cn_tensor_free(image);
}

/* A batch of all images as a new tensor. */
cn_tensor *arrays_batch(const cn_dataset *set, cn_context *ctx, int augment, uint64_t seed, int64_t epoch) {
    int64_t count = cn_dataset_count(set), shape[4] = {count, 0, 0, 0}, *indices = malloc((size_t)count * 8);
    cn_tensor *images, *labels;
    cn_dataset_shape(set, shape + 1);
    ck_ok(cn_tensor_new(ctx, CN_DTYPE_FLOAT32, 4, shape, &images));
    ck_ok(cn_tensor_new(ctx, CN_DTYPE_INT64, 1, shape, &labels));
    for (int64_t i = 0; i < count; i++)
        indices[i] = i;
    ck_ok(cn_dataset_batch(set, count, indices, augment, seed, epoch, images, labels));
    free(indices);
    cn_tensor_free(labels);
    return images;
}

bool arrays_same_floats(const cn_tensor *a, const cn_tensor *b) {
    return memcmp(cn_tensor_data_const(a), cn_tensor_data_const(b), (size_t)cn_tensor_count(a) * sizeof(float)) == 0;
}

/* ---- a callback ---- */

static int tell(void *user, int64_t index, uint8_t *pixels, int64_t *label) {
    const arrays_teller *t = user;
    for (int64_t v = 0; v < ARRAYS_VALUES; v++)
        pixels[v] = arrays_pixel(index, v);
    *label = index == t->wrong_label_at ? ARRAYS_CLASSES : index % ARRAYS_CLASSES;
    return index == t->fail_at ? 42 : 0;
}

cn_dataset_source arrays_told(arrays_teller *t) {
    cn_dataset_source source = CN_DATASET_SOURCE_INIT;
    source.count = ARRAYS_COUNT;
    source.channels = ARRAYS_CHANNELS;
    source.height = ARRAYS_HEIGHT;
    source.width = ARRAYS_WIDTH;
    source.classes = ARRAYS_CLASSES;
    source.fetch = tell;
    source.user = t;
    return source;
}
