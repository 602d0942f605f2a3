/* SPDX-License-Identifier: MIT */
/* builder.c: the pieces that networks of the zoo are put together from. */
#include "model/zoo/zoo.h"
#include <stdarg.h>
#include <stdio.h>

void cn__zoo_prefix(cn__zoo *zoo, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(zoo->prefix, sizeof zoo->prefix, format, arguments);
    va_end(arguments);
}

int cn__zoo_divisible(double channels) {
    int divisible = (int)(channels + 4.0) / 8 * 8;
    if (divisible < 8)
        divisible = 8;
    return divisible < 0.9 * channels ? divisible + 8 : divisible;
}

int cn__zoo_scaled(const cn__zoo *zoo, int channels) {
    return cn__zoo_divisible(channels * zoo->width_mult);
}

int cn__zoo_channels(const cn__zoo *zoo) {
    return cn__model_shape(zoo->model, zoo->at).channels;
}

/* Adds what a constructor has made with `status`. */
static void add(cn__zoo *zoo, const char *name, cn_status status, int count, const int32_t *from) {
    char full[sizeof zoo->prefix + 64];
    const char *inputs[2];
    cn_layer *layer = status == CN_OK ? zoo->made : NULL;
    if (zoo->status != CN_OK) {
        cn_layer_free(layer);
        return;
    }
    for (int i = 0; i < count; i++)
        inputs[i] = cn__model_name(zoo->model, from[i]);
    snprintf(full, sizeof full, "%s%s", zoo->prefix, name);
    zoo->status = status == CN_OK ? cn_model_add(zoo->model, full, layer, count, inputs) : status;
    zoo->at = (int32_t)zoo->model->node_count - 1;
}

void cn__zoo_append(cn__zoo *zoo, const char *name, cn_status status) {
    add(zoo, name, status, 1, &zoo->at);
}

void cn__zoo_join(cn__zoo *zoo, const char *name, cn_status status, int32_t other) {
    const int32_t from[2] = {zoo->at, other};
    add(zoo, name, status, 2, from);
}

void cn__zoo_conv(cn__zoo *zoo, const char *name, int out, int kernel, const cn_conv2d_options *options) {
    cn__zoo_append(zoo, name, cn_conv2d_new(zoo->ctx, cn__zoo_channels(zoo), out, kernel, kernel, options, &zoo->made));
}

void cn__zoo_plain_conv(cn__zoo *zoo, const char *name, int out, int kernel, int stride, int groups) {
    cn_conv2d_options options = CN_CONV2D_OPTIONS_INIT;
    options.stride[0] = options.stride[1] = stride;
    options.padding[0] = options.padding[1] = kernel / 2;
    options.groups = groups;
    options.bias = 0;
    cn__zoo_conv(zoo, name, out, kernel, &options);
}

void cn__zoo_batch_norm(cn__zoo *zoo, const char *name) {
    cn__zoo_append(zoo, name, cn_norm_new(zoo->ctx, CN_NORM_BATCH, cn__zoo_channels(zoo), &zoo->norm, &zoo->made));
}

void cn__zoo_relu(cn__zoo *zoo, const char *name) {
    cn__zoo_append(zoo, name, cn_relu_new(zoo->ctx, &zoo->made));
}

void cn__zoo_max_pool(cn__zoo *zoo, const char *name, int kernel, int stride, int padding, int ceil_mode) {
    cn_pool2d_options options = CN_POOL2D_OPTIONS_INIT;
    options.stride[0] = options.stride[1] = stride;
    options.padding[0] = options.padding[1] = padding;
    options.ceil_mode = ceil_mode;
    cn__zoo_append(zoo, name, cn_max_pool2d_new(zoo->ctx, kernel, kernel, &options, &zoo->made));
}

void cn__zoo_global_pool(cn__zoo *zoo, const char *name) {
    cn__zoo_append(zoo, name, cn_adaptive_avg_pool2d_new(zoo->ctx, 1, 1, &zoo->made));
}

void cn__zoo_flatten(cn__zoo *zoo, const char *name) {
    cn__zoo_append(zoo, name, cn_flatten_new(zoo->ctx, &zoo->made));
}

void cn__zoo_linear(cn__zoo *zoo, const char *name, int64_t out) {
    cn__zoo_append(zoo, name, cn_linear_new(zoo->ctx, cn__zoo_channels(zoo), (int)out, 1, &zoo->made));
}

void cn__zoo_dropout(cn__zoo *zoo, const char *name) {
    if (zoo->dropout > 0.0f)
        cn__zoo_append(zoo, name, cn_dropout_new(zoo->ctx, zoo->dropout, &zoo->made));
}
