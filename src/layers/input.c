/* SPDX-License-Identifier: MIT */
/* input.c: a further input of a model, which the caller writes. It computes nothing, and plans have no op for it. */
#include "layers/layers.h"

typedef struct input {
    cn_layer base;
    int32_t channels, height, width;
} input;

static const cn__attr attrs[] = {
    {"channels", CN__ATTR_INT, offsetof(input, channels), NULL, 0},
    {"height", CN__ATTR_INT, offsetof(input, height), NULL, 0},
    {"width", CN__ATTR_INT, offsetof(input, width), NULL, 0},
    {NULL, CN__ATTR_INT, 0, NULL, 0},
};

cn_status cn__input_check(const char *function, int channels, int height, int width) {
    CN__TRY(cn__check_range(function, "channels", channels, 1, CN__MAX_SIDE));
    CN__TRY(cn__check_range(function, "height", height, 1, CN__MAX_SIDE));
    CN__TRY(cn__check_range(function, "width", width, 1, CN__MAX_SIDE));
    if (cn__too_large(channels, height, width))
        return cn__error(CN_ERR_SHAPE, "%s: %d×%d×%d has more than %d values", function, channels, height, width,
                         INT32_MAX);
    return CN_OK;
}

static cn_status validate(cn_layer *layer) {
    const input *i = (const input *)layer;
    return cn__input_check("Input", i->channels, i->height, i->width);
}

static cn_status infer(const cn_layer *layer, const char *name, int32_t inputs, const cn__shape *in, cn__shape *out) {
    const input *i = (const input *)layer;
    (void)name;
    (void)inputs;
    (void)in;
    *out = (cn__shape){i->channels, i->height, i->width};
    return CN_OK;
}

const cn__layer_type cn__input_type = {
    .name = "Input",
    .bytes = sizeof(input),
    .kind = CN__KIND_INPUT,
    .attrs = attrs,
    .validate = validate,
    .infer = infer,
};

cn_status cn__input_new(cn_context *ctx, int channels, int height, int width, cn_layer **layer) {
    cn_layer *made;
    *layer = NULL;
    CN__TRY(cn__layer_alloc(ctx, &cn__input_type, &made));
    *(input *)made = (input){*made, channels, height, width};
    return cn__layer_finish(made, layer);
}
