/* wide_networks.c: see wide_networks.h. */
#include "wide_networks.h"
#include <stdio.h>

#define TRY(call)                                                                                                      \
    do {                                                                                                               \
        cn_status tried = (call);                                                                                      \
        if (tried != CN_OK)                                                                                            \
            return tried;                                                                                              \
    } while (0)

enum { NAME = 32 };

/* A convolution without bias that keeps the size, or divides it by the stride, and its batch norm, called `name`. */
static cn_status add_conv(cn_context *context, cn_model *model, const char *name, const char *from, int in, int out,
                          int kernel, int stride) {
    char conv[NAME + 8];
    cn_layer *layer;
    cn_conv2d_options options = CN_CONV2D_OPTIONS_INIT;
    options.bias = 0;
    options.stride[0] = options.stride[1] = stride;
    options.padding[0] = options.padding[1] = kernel / 2;
    snprintf(conv, sizeof conv, "%s.conv", name);
    TRY(cn_conv2d_new(context, in, out, kernel, kernel, &options, &layer));
    TRY(cn_model_add(model, conv, layer, 1, &from));
    TRY(cn_norm_new(context, CN_NORM_BATCH, out, NULL, &layer));
    return cn_model_append(model, name, layer);
}

static cn_status append_relu(cn_context *context, cn_model *model, const char *name) {
    cn_layer *layer;
    TRY(cn_relu_new(context, &layer));
    return cn_model_append(model, name, layer);
}

static cn_status append_end(cn_context *context, cn_model *model, int channels) {
    cn_layer *layer;
    TRY(cn_adaptive_avg_pool2d_new(context, 1, 1, &layer));
    TRY(cn_model_append(model, "pool", layer));
    TRY(cn_flatten_new(context, &layer));
    TRY(cn_model_append(model, "flatten", layer));
    TRY(cn_linear_new(context, channels, 10, 1, &layer));
    TRY(cn_model_append(model, "linear", layer));
    TRY(cn_log_softmax_new(context, &layer));
    TRY(cn_model_append(model, "log_softmax", layer));
    return cn_model_init(model, 0);
}

/* conv, norm, ReLU, conv, norm, + skip, ReLU. `name` holds what the block reads, and then what it is called. */
static cn_status add_block(cn_context *context, cn_model *model, char name[NAME], int number, int in, int out) {
    char first[NAME], relu[NAME], second[NAME], skip[NAME], sum[NAME];
    int stride = in == out ? 1 : 2;
    cn_layer *layer;
    snprintf(first, NAME, "block%d.1", number);
    snprintf(relu, NAME, "block%d.relu", number);
    snprintf(second, NAME, "block%d.2", number);
    snprintf(skip, NAME, "block%d.skip", number);
    snprintf(sum, NAME, "block%d.sum", number);
    TRY(add_conv(context, model, first, name, in, out, 3, stride));
    TRY(append_relu(context, model, relu));
    TRY(add_conv(context, model, second, relu, out, out, 3, 1));
    if (in != out)
        TRY(add_conv(context, model, skip, name, in, out, 1, stride));
    TRY(cn_add_new(context, &layer));
    const char *const inputs[] = {second, in == out ? name : skip};
    TRY(cn_model_add(model, sum, layer, 2, inputs));
    snprintf(name, NAME, "block%d", number);
    return append_relu(context, model, name);
}

static cn_status build_resnet20(cn_context *context, cn_model *model) {
    char name[NAME] = "start";
    TRY(add_conv(context, model, "start.norm", "input", 3, 16, 3, 1));
    TRY(append_relu(context, model, name));
    for (int block = 0, in = 16; block < 9; block++) {
        int out = 16 << block / 3;
        TRY(add_block(context, model, name, block, in, out));
        in = out;
    }
    return append_end(context, model, 64);
}

static cn_status build_plain256(cn_context *context, cn_model *model) {
    char from[NAME] = "input", norm[NAME];
    cn_layer *layer;
    for (int i = 0, in = 3; i < 6; i++) {
        int out = 64 << i / 2;
        if (i == 2 || i == 4) {
            TRY(cn_max_pool2d_new(context, 2, 2, NULL, &layer));
            snprintf(from, NAME, "pool%d", i / 2);
            TRY(cn_model_append(model, from, layer));
        }
        snprintf(norm, NAME, "norm%d", i + 1);
        TRY(add_conv(context, model, norm, from, in, out, 3, 1));
        snprintf(from, NAME, "relu%d", i + 1);
        TRY(append_relu(context, model, from));
        in = out;
    }
    return append_end(context, model, 256);
}

static cn_status make(cn_context *context, cn_status (*build)(cn_context *, cn_model *), cn_model **model) {
    TRY(cn_model_new(context, 3, 32, 32, model));
    cn_status status = build(context, *model);
    if (status != CN_OK) {
        cn_model_free(*model);
        *model = NULL;
    }
    return status;
}

cn_status resnet20_new(cn_context *context, cn_model **model) {
    return make(context, build_resnet20, model);
}

cn_status plain256_new(cn_context *context, cn_model **model) {
    return make(context, build_plain256, model);
}
