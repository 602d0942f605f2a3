/* SPDX-License-Identifier: MIT */
/* pieces.c: layers, models and tensors for tests of the interface. */
#include "pieces.h"

cn_context *ctx;

void set_up(void) {
    ctx = test_context(2);
}

void tear_down(void) {
    cn_context_free(ctx);
}

cn_layer *conv(int in, int out, int kernel) {
    cn_layer *layer;
    ck_ok(cn_conv2d_new(ctx, in, out, kernel, kernel, NULL, &layer));
    return layer;
}

cn_layer *relu(void) {
    cn_layer *layer;
    ck_ok(cn_relu_new(ctx, &layer));
    return layer;
}

cn_layer *norm(cn_norm_kind kind, int channels) {
    cn_layer *layer;
    ck_ok(cn_norm_new(ctx, kind, channels, NULL, &layer));
    return layer;
}

cn_model *model_for(int channels, int height, int width) {
    cn_model *model;
    ck_ok(cn_model_new(ctx, channels, height, width, &model));
    return model;
}

cn_tensor *tensor_of(cn_dtype dtype, int dims, const int64_t *shape) {
    cn_tensor *tensor;
    ck_ok(cn_tensor_new(ctx, dtype, dims, shape, &tensor));
    return tensor;
}

cn_tensor *images(int64_t n, int64_t c, int64_t h, int64_t w) {
    return tensor_of(CN_DTYPE_FLOAT32, 4, (int64_t[]){n, c, h, w});
}

cn_model *small_model(void) {
    cn_model *model = model_for(3, 4, 5);
    ck_ok(cn_model_append(model, "conv", conv(3, 2, 3)));
    ck_ok(cn_model_append(model, "norm", norm(CN_NORM_BATCH, 2)));
    ck_ok(cn_model_init(model, 1));
    return model;
}

void add_tests(Suite *suite, const char *name, void (*before)(void), void (*after)(void), const TTest *const *tests,
               size_t count, int loops) {
    TCase *group = tcase_create(name);
    tcase_add_checked_fixture(group, before, after);
    for (size_t i = 0; i < count; i++)
        tcase_add_loop_test(group, tests[i], 0, loops);
    suite_add_tcase(suite, group);
}
