/* SPDX-License-Identifier: MIT */
/* toys.c: a small network and small data. */
#include "toys.h"
#include "numbers.h"
#include "testing.h"
#include <stdlib.h>

static void append(cn_model *model, const char *name, cn_layer *layer) {
    ck_ok(cn_model_append(model, name, layer));
}

cn_model *toy_model(cn_context *context, cn_norm_kind norm, float dropout) {
    cn_conv2d_options conv = CN_CONV2D_OPTIONS_INIT;
    cn_model *model;
    cn_layer *layer;
    conv.padding[0] = conv.padding[1] = 1;
    ck_ok(cn_model_new(context, 1, TOY_SIDE, TOY_SIDE, &model));
    ck_ok(cn_conv2d_new(context, 1, 4, 3, 3, &conv, &layer));
    append(model, "conv", layer);
    if (norm != CN_NORM_NONE) {
        ck_ok(cn_norm_new(context, norm, 4, NULL, &layer));
        append(model, "norm", layer);
    }
    ck_ok(cn_relu_new(context, &layer));
    append(model, "relu", layer);
    if (dropout > 0.0f) {
        ck_ok(cn_dropout_new(context, dropout, &layer));
        append(model, "dropout", layer);
    }
    ck_ok(cn_max_pool2d_new(context, 2, 2, NULL, &layer));
    append(model, "pool", layer);
    ck_ok(cn_flatten_new(context, &layer));
    append(model, "flatten", layer);
    ck_ok(cn_linear_new(context, TOY_PIXELS, TOY_CLASSES, 1, &layer));
    append(model, "fc", layer);
    ck_ok(cn_log_softmax_new(context, &layer));
    append(model, "out", layer);
    ck_ok(cn_model_init(model, 1));
    return model;
}

cn_model *toy_model_for(cn_context *context, cn_loss_kind loss, cn_norm_kind norm, float dropout) {
    cn_model *model = toy_model(context, norm, dropout), *logits;
    if (loss == CN_LOSS_NLL)
        return model;
    ck_ok(cn_model_until(model, "fc", &logits));
    cn_model_free(model);
    return logits;
}

cn_model *toy_joined_model(cn_context *context) {
    cn_norm_options options = CN_NORM_OPTIONS_INIT;
    cn_model *model;
    cn_layer *layer;
    options.track_running_stats = 0;
    ck_ok(cn_model_new(context, 1, TOY_SIDE, TOY_SIDE, &model));
    ck_ok(cn_norm_new(context, CN_NORM_BATCH, 1, &options, &layer));
    append(model, "norm", layer);
    ck_ok(cn_flatten_new(context, &layer));
    append(model, "flatten", layer);
    ck_ok(cn_linear_new(context, TOY_PIXELS, TOY_CLASSES, 1, &layer));
    append(model, "fc", layer);
    ck_ok(cn_log_softmax_new(context, &layer));
    append(model, "out", layer);
    ck_ok(cn_model_init(model, 1));
    return model;
}

toy_data toy_data_new(cn_context *context, int64_t count, uint32_t seed) {
    toy_data data;
    ck_ok(cn_tensor_new(context, CN_DTYPE_UINT8, 4, (int64_t[]){count, 1, TOY_SIDE, TOY_SIDE}, &data.images));
    ck_ok(cn_tensor_new(context, CN_DTYPE_INT64, 1, &count, &data.labels));
    uint8_t *pixels = cn_tensor_data(data.images);
    int64_t *labels = cn_tensor_data(data.labels);
    for (int64_t n = 0; n < count; n++) {
        labels[n] = n * 7 % TOY_CLASSES;
        for (int64_t i = 0; i < TOY_PIXELS; i++) {
            float noise = numbers_hashed(seed, (uint32_t)(n * TOY_PIXELS + i));
            pixels[n * TOY_PIXELS + i] = (uint8_t)(noise * 160.0f + (i / TOY_SIDE / 2 == labels[n] ? 90.0f : 0.0f));
        }
    }
    ck_ok(cn_dataset_memory(context, data.images, data.labels, TOY_CLASSES, &data.set));
    ck_ok(cn_dataset_set_normalization(data.set, 1, (float[]){0.4f}, (float[]){0.25f}));
    return data;
}

void toy_data_free(toy_data *data) {
    cn_dataset_free(data->set);
    cn_tensor_free(data->images);
    cn_tensor_free(data->labels);
}

void *toy_tensors(cn_model *model, size_t *bytes) {
    static const size_t width[] = {0, 4, 1, 8}; /* by cn_dtype */
    char *all = NULL;
    *bytes = 0;
    for (int i = 0; i < cn_model_tensor_count(model); i++) {
        cn_tensor *tensor;
        ck_ok(cn_model_tensor(model, cn_model_tensor_name(model, i), &tensor));
        size_t more = (size_t)cn_tensor_count(tensor) * width[cn_tensor_dtype(tensor)];
        all = realloc(all, *bytes + more);
        ck_assert_ptr_nonnull(all);
        memcpy(all + *bytes, cn_tensor_data(tensor), more);
        *bytes += more;
    }
    return all;
}

void toy_expect_equal(cn_model *a, cn_model *b) {
    size_t a_bytes, b_bytes;
    void *of_a = toy_tensors(a, &a_bytes), *of_b = toy_tensors(b, &b_bytes);
    ck_assert_uint_eq(a_bytes, b_bytes);
    ck_assert_msg(memcmp(of_a, of_b, a_bytes) == 0, "the models differ");
    free(of_a);
    free(of_b);
}
