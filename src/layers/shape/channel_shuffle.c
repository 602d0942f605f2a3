/* SPDX-License-Identifier: MIT */
/* channel_shuffle.c: the channels of groups in turn, torch.nn.ChannelShuffle (Zhang et al. 2018): of g groups of n,
 * channel i·n + k goes to k·g + i. An item is a plane that is written. */
#include "layers/shape/shape.h"

typedef struct channel_shuffle {
    cn_layer base;
    int32_t groups;
} channel_shuffle;

static const cn__attr attrs[] = {
    {"groups", CN__ATTR_INT, offsetof(channel_shuffle, groups), NULL, 0},
    {NULL, CN__ATTR_INT, 0, NULL, 0},
};

static cn_status validate(cn_layer *layer) {
    return cn__check_range("ChannelShuffle", "groups", ((const channel_shuffle *)layer)->groups, 1, CN__MAX_SIDE);
}

static cn_status infer(const cn_layer *layer, const char *name, int32_t inputs, const cn__shape *in, cn__shape *out) {
    int32_t groups = ((const channel_shuffle *)layer)->groups;
    if (in->channels % groups != 0)
        return cn__error(CN_ERR_SHAPE, "ChannelShuffle '%s': its input has %d channels, wanted a multiple of %d groups",
                         name, in->channels, groups);
    return cn__infer_same(layer, name, inputs, in, out);
}

static size_t groups_of(const cn__op *op) {
    return (size_t)((const channel_shuffle *)op->layer)->groups;
}

static void forward(const cn__op *op, const cn__pass *pass, cn__item at) {
    cn__channel_range channels = cn__plane_channels(op->out, at.outer);
    size_t groups = groups_of(op), size = (size_t)cn__fmap_channels(op->out) / groups;
    (void)pass;
    for (size_t c = channels.first; c < channels.end; c++)
        cn__copy_channel(op, at.block, op->in[0], c % groups * size + c / groups, op->out, c, false);
    cn__complete_plane(op->out, at.block, at.outer);
}

static void backward(const cn__op *op, const cn__pass *pass, cn__item at) {
    cn__channel_range channels = cn__plane_channels(op->d_in[0], at.outer);
    size_t groups = groups_of(op), size = (size_t)cn__fmap_channels(op->out) / groups;
    (void)pass;
    for (size_t c = channels.first; c < channels.end; c++)
        cn__copy_channel(op, at.block, op->d_out, c % size * groups + c / size, op->d_in[0], c, op->accumulate[0]);
}

static const cn__layer_impl impl = {
    .forward = {{cn__out_planes, forward, CN__SCOPE_LOCAL}},
    .backward = {{cn__in_planes, backward, CN__SCOPE_LOCAL}},
};

const cn__layer_type cn__channel_shuffle_type = {
    .name = "ChannelShuffle",
    .bytes = sizeof(channel_shuffle),
    .kind = CN__KIND_REARRANGE,
    .min_inputs = 1,
    .max_inputs = 1,
    .attrs = attrs,
    .validate = validate,
    .infer = infer,
    .batch = &impl,
    .nchw16c = &impl,
};

cn_status cn_channel_shuffle_new(cn_context *context, int groups, cn_layer **layer) {
    cn_layer *made;
    CN__REQUIRE(layer);
    *layer = NULL;
    CN__REQUIRE(context);
    CN__TRY(cn__layer_alloc(context, &cn__channel_shuffle_type, &made));
    ((channel_shuffle *)made)->groups = groups;
    return cn__layer_finish(made, layer);
}
