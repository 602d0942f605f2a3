/* SPDX-License-Identifier: MIT */
/* narrow.c: some channels that lie side by side, torch.narrow over dimension 1. An item is a plane that is written. */
#include "layers/shape/shape.h"

typedef struct narrow {
    cn_layer base;
    int32_t start, length;
} narrow;

static const cn__attr attrs[] = {
    {"start", CN__ATTR_INT, offsetof(narrow, start), NULL, 0},
    {"length", CN__ATTR_INT, offsetof(narrow, length), NULL, 0},
    {NULL, CN__ATTR_INT, 0, NULL, 0},
};

static cn_status validate(cn_layer *layer) {
    const narrow *n = (const narrow *)layer;
    CN__TRY(cn__check_range("Narrow", "start", n->start, 0, CN__MAX_SIDE));
    return cn__check_range("Narrow", "length", n->length, 1, CN__MAX_SIDE);
}

static cn_status infer(const cn_layer *layer, const char *name, int32_t inputs, const cn__shape *in, cn__shape *out) {
    const narrow *n = (const narrow *)layer;
    (void)inputs;
    if (n->start + n->length > in->channels)
        return cn__error(CN_ERR_SHAPE, "Narrow '%s': its input has %d channels, wanted %d to %d of them", name,
                         in->channels, n->start, n->start + n->length - 1);
    *out = (cn__shape){n->length, in->height, in->width};
    return CN_OK;
}

static cn__channel_range kept(const cn__op *op) {
    const narrow *n = (const narrow *)op->layer;
    return (cn__channel_range){(size_t)n->start, (size_t)n->start + (size_t)n->length};
}

static void forward(const cn__op *op, const cn__pass *pass, cn__item at) {
    cn__channel_range channels = cn__plane_channels(op->out, at.outer);
    (void)pass;
    for (size_t c = channels.first; c < channels.end; c++)
        cn__copy_channel(op, at.block, op->in[0], kept(op).first + c, op->out, c, false);
    cn__complete_plane(op->out, at.block, at.outer);
}

/* Channels that are left out have no share in the output. */
static void backward(const cn__op *op, const cn__pass *pass, cn__item at) {
    cn__fmap *d_in = op->d_in[0];
    cn__channel_range channels = cn__plane_channels(d_in, at.outer), some = kept(op);
    bool all = channels.first >= some.first && channels.end <= some.end;
    (void)pass;
    if (!all && !op->accumulate[0])
        cn__clear_plane(cn__fmap_plane(d_in, at.block, at.outer), d_in->shape);
    for (size_t c = channels.first; c < channels.end; c++)
        if (c >= some.first && c < some.end)
            cn__copy_channel(op, at.block, op->d_out, c - some.first, d_in, c, op->accumulate[0]);
}

static const cn__layer_impl impl = {
    .forward = {{cn__out_planes, forward, CN__SCOPE_LOCAL}},
    .backward = {{cn__in_planes, backward, CN__SCOPE_LOCAL}},
};

const cn__layer_type cn__narrow_type = {
    .name = "Narrow",
    .bytes = sizeof(narrow),
    .min_inputs = 1,
    .max_inputs = 1,
    .attrs = attrs,
    .validate = validate,
    .infer = infer,
    .batch = &impl,
    .nchw16c = &impl,
};

cn_status cn_narrow_new(cn_context *context, int start, int length, cn_layer **layer) {
    cn_layer *made;
    CN__REQUIRE(layer);
    *layer = NULL;
    CN__REQUIRE(context);
    CN__TRY(cn__layer_alloc(context, &cn__narrow_type, &made));
    ((narrow *)made)->start = start;
    ((narrow *)made)->length = length;
    return cn__layer_finish(made, layer);
}
