/* SPDX-License-Identifier: MIT */
/* every_layer.c: a model with every layer and every option, for tests of files. */
#include "every_layer.h"
#include "testing.h"
#include <stdio.h>

static void append(cn_model *model, const char *name, cn_status status, cn_layer *layer) {
    ck_ok(status);
    ck_ok(cn_model_append(model, name, layer));
}

static void append_conv(cn_context *ctx, cn_model *model, const char *name, int in, int out,
                        const cn_conv2d_options *options) {
    cn_layer *layer;
    cn_status status = cn_conv2d_new(ctx, in, out, 3, 3, options, &layer);
    append(model, name, status, layer);
}

static void append_convolutions(cn_context *ctx, cn_model *model) {
    static const int kinds[][8] = {
        /* stride, padding, dilation, each height and width; groups; no bias */
        {1, 2, 1, 2, 1, 1, 2, 1},
        {1, 1, 2, 1, 2, 1, 1, 0},
        {1, 1, 1, 1, 1, 1, 4, 0},
        {1, 1, 0, 1, 1, 1, 1, 1},
    };
    for (int i = 0; i < 4; i++) {
        char name[16];
        const int *k = kinds[i];
        cn_conv2d_options options = CN_CONV2D_OPTIONS_INIT;
        memcpy(options.stride, k, sizeof options.stride);
        memcpy(options.padding, k + 2, sizeof options.padding);
        memcpy(options.dilation, k + 4, sizeof options.dilation);
        options.groups = k[6];
        options.bias = !k[7];
        options.padding_mode = (cn_padding_mode)i;
        snprintf(name, sizeof name, "conv.%d", i);
        append_conv(ctx, model, name, i ? 8 : 4, 8, &options);
    }
}

static void append_norms(cn_context *ctx, cn_model *model) {
    cn_layer *layer;
    for (int norm = CN_NORM_BATCH; norm <= CN_NORM_INSTANCE; norm++)
        for (int plain = 0; plain < 2; plain++) {
            char name[48];
            cn_norm_options options = CN_NORM_OPTIONS_INIT;
            options.eps = plain ? 1e-5f : 0.00123f;
            options.momentum = plain ? 0.1f : 0.3f;
            options.groups = 2;
            options.affine = !plain;
            options.track_running_stats = norm != CN_NORM_BATCH || !plain;
            snprintf(name, sizeof name, "norm.%d.%d", norm, plain);
            cn_status status = cn_norm_new(ctx, (cn_norm_kind)norm, 8, &options, &layer);
            append(model, name, status, layer);
        }
}

#define APPEND(name, ...)                                                                                              \
    do {                                                                                                               \
        cn_layer *layer_;                                                                                              \
        cn_status made_ = __VA_ARGS__;                                                                                 \
        append(model, name, made_, layer_);                                                                            \
    } while (0)

static void append_functions(cn_context *ctx, cn_model *model) {
    APPEND("relu", cn_relu_new(ctx, &layer_));
    APPEND("leaky", cn_leaky_relu_new(ctx, 0.2f, &layer_));
    APPEND("sigmoid", cn_sigmoid_new(ctx, &layer_));
    APPEND("tanh", cn_tanh_new(ctx, &layer_));
    APPEND("silu", cn_silu_new(ctx, &layer_));
    APPEND("gelu", cn_gelu_new(ctx, CN_GELU_EXACT, &layer_));
    APPEND("gelu \"tanh\" \\ \xc3\xa4", cn_gelu_new(ctx, CN_GELU_TANH, &layer_));
    APPEND("dropout", cn_dropout_new(ctx, 0.25f, &layer_));
}

static void append_pools(cn_context *ctx, cn_model *model) {
    cn_pool2d_options max = CN_POOL2D_OPTIONS_INIT, average = CN_POOL2D_OPTIONS_INIT, divided = CN_POOL2D_OPTIONS_INIT;
    max.stride[0] = 2, max.stride[1] = 1;
    max.padding[0] = 1;
    max.dilation[0] = 2;
    max.ceil_mode = 1;
    average.padding[1] = 1;
    average.stride[0] = average.stride[1] = 1;
    average.count_include_pad = 0;
    divided.stride[0] = divided.stride[1] = 1;
    divided.divisor_override = 3;
    APPEND("max", cn_max_pool2d_new(ctx, 2, 2, &max, &layer_));
    APPEND("average", cn_avg_pool2d_new(ctx, 1, 2, &average, &layer_));
    APPEND("divided", cn_avg_pool2d_new(ctx, 2, 1, &divided, &layer_));
    APPEND("adaptive", cn_adaptive_avg_pool2d_new(ctx, 3, 2, &layer_));
}

static void append_head(cn_context *ctx, cn_model *model) {
    APPEND("softmax", cn_softmax_new(ctx, &layer_));
    APPEND("flatten", cn_flatten_new(ctx, &layer_));
    APPEND("linear", cn_linear_new(ctx, 48, 6, 0, &layer_));
    APPEND("linear.2", cn_linear_new(ctx, 6, 5, 1, &layer_));
    APPEND("log", cn_log_softmax_new(ctx, &layer_));
}

/* Every tensor gets a number of its own, so that none can be taken for another. */
static void fill_tensors(cn_model *model) {
    for (int i = 0; i < cn_model_tensor_count(model); i++) {
        cn_tensor *tensor;
        ck_ok(cn_model_tensor(model, cn_model_tensor_name(model, i), &tensor));
        for (int64_t k = 0; k < cn_tensor_count(tensor); k++)
            if (cn_tensor_dtype(tensor) == CN_DTYPE_INT64)
                ((int64_t *)cn_tensor_data(tensor))[k] = INT64_MAX - i;
            else
                ((float *)cn_tensor_data(tensor))[k] = (float)((i * 7 + k * 5) % 23 + 1) / 32.0f;
    }
}

cn_model *every_layer_model(cn_context *ctx) {
    static const float mean[] = {0.1f, 0.2f, 1e-7f, -3.25f}, std[] = {0.33f, 1.0f, 123456.789f, 1e-30f};
    static const char *const classes[] = {"a", "", "\"quoted\" \\ \n", "na\xc3\xafve", "\xf0\x9f\x90\xb8"};
    cn_model *model;
    cn_layer *add;
    ck_ok(cn_model_new(ctx, 4, 8, 9, &model));
    append_convolutions(ctx, model);
    append_norms(ctx, model);
    append_functions(ctx, model);
    ck_ok(cn_add_new(ctx, &add));
    ck_ok(cn_model_add(model, "add", add, 3, (const char *[]){"dropout", "conv.3", "relu"}));
    append_pools(ctx, model);
    append_head(ctx, model);
    ck_ok(cn_model_init(model, 1));
    fill_tensors(model);
    ck_ok(cn_model_set_normalization(model, 4, mean, std));
    ck_ok(cn_model_set_class_names(model, 5, classes));
    return model;
}
