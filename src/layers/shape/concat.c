/* SPDX-License-Identifier: MIT */
/* concat.c: the channels of two or more inputs one after the other, torch.cat over dimension 1. */
#include "layers/shape/shape.h"
#include <string.h>

static cn_status infer(const cn_layer *layer, const char *name, int32_t inputs, const cn__shape *in, cn__shape *out) {
    int64_t channels = 0;
    (void)layer;
    for (int32_t i = 0; i < inputs; i++) {
        if (in[i].height != in[0].height || in[i].width != in[0].width)
            return cn__error(CN_ERR_SHAPE, "Concat '%s': input %d is %d×%d×%d, but input 0 is %d×%d×%d", name, i,
                             in[i].channels, in[i].height, in[i].width, in[0].channels, in[0].height, in[0].width);
        channels += in[i].channels;
    }
    if (channels > CN__MAX_SIDE)
        return cn__error(CN_ERR_SHAPE, "Concat '%s': its inputs have %lld channels, wanted at most %d", name,
                         (long long)channels, CN__MAX_SIDE);
    *out = (cn__shape){(int32_t)channels, in[0].height, in[0].width};
    return CN_OK;
}

/* ---- forward: an item is a plane of the output ---- */

/* `count` lanes of each pixel. */
static void copy_lanes(const cn__op *op, cn__plane from, cn__plane to, size_t count) {
    cn__shape shape = op->out->shape;
    if (count == CN__LANES) {
        op->kernels->copy(from, to, shape.height, shape.width, false);
        return;
    }
    for (size_t y = 0; y < (size_t)shape.height; y++)
        for (size_t i = 0; i < (size_t)shape.width * CN__LANES; i += CN__LANES)
            memcpy(to.data + y * to.row + i, from.data + y * from.row + i, count * sizeof *to.data);
}

/* Channels `first` … `end` - 1 of an input, to those of the output from `channel` on, which lie in one plane. */
static void copy_channels(const cn__op *op, size_t block, const cn__fmap *in, size_t first, size_t end,
                          size_t channel) {
    while (first < end) {
        size_t lane = first % CN__LANES, left = CN__LANES - lane, count = end - first < left ? end - first : left;
        cn__plane from = cn__fmap_plane(in, block, first / CN__LANES);
        cn__plane to = cn__fmap_plane(op->out, block, channel / CN__LANES);
        from.data += lane;
        to.data += channel % CN__LANES;
        copy_lanes(op, from, to, count);
        first += count;
        channel += count;
    }
}

/* Those channels of input `i`, which begins at channel `begin` of the output, that lie in a plane of the output. */
static void copy_input(const cn__op *op, size_t block, size_t begin, int32_t i, cn__channel_range wanted) {
    const cn__fmap *in = op->in[i];
    size_t end = begin + (size_t)cn__fmap_channels(in), first = wanted.first > begin ? wanted.first : begin;
    size_t last = wanted.end < end ? wanted.end : end;
    if (first >= last)
        return;
    if (op->out->lane_channels)
        copy_channels(op, block, in, first - begin, last - begin, first);
    else
        cn__copy_channel(op, block, in, first - begin, op->out, first, false);
}

static void forward(const cn__op *op, const cn__pass *pass, cn__item at) {
    cn__channel_range wanted = cn__plane_channels(op->out, at.outer);
    size_t begin = 0;
    (void)pass;
    for (int32_t i = 0; i < op->input_count && begin < wanted.end; i++) {
        copy_input(op, at.block, begin, i, wanted);
        begin += (size_t)cn__fmap_channels(op->in[i]);
    }
    cn__complete_plane(op->out, at.block, at.outer);
}

/* ---- backward: an item is a channel of all inputs, which may be one value several times ---- */

static cn__grid channels_of_inputs(const cn__op *op, const cn__pass *pass) {
    size_t most = 0;
    (void)pass;
    for (int32_t i = 0; i < op->input_count; i++)
        if (op->d_in[i] && most < (size_t)cn__fmap_channels(op->in[i]))
            most = (size_t)cn__fmap_channels(op->in[i]);
    return (cn__grid){most, 1};
}

static void backward(const cn__op *op, const cn__pass *pass, cn__item at) {
    size_t begin = 0;
    (void)pass;
    for (int32_t i = 0; i < op->input_count; i++) {
        size_t channels = (size_t)cn__fmap_channels(op->in[i]);
        if (op->d_in[i] && at.outer < channels)
            cn__copy_channel(op, at.block, op->d_out, begin + at.outer, op->d_in[i], at.outer, op->accumulate[i]);
        begin += channels;
    }
}

static const cn__layer_impl impl = {
    .forward = {{cn__out_planes, forward, CN__SCOPE_LOCAL}},
    .backward = {{channels_of_inputs, backward, CN__SCOPE_LOCAL}},
};

const cn__layer_type cn__concat_type = {
    .name = "Concat",
    .bytes = sizeof(cn_layer),
    .min_inputs = 2,
    .max_inputs = INT32_MAX,
    .infer = infer,
    .batch = &impl,
    .nchw16c = &impl,
};

cn_status cn_concat_new(cn_context *context, cn_layer **layer) {
    cn_layer *made;
    CN__REQUIRE(layer);
    *layer = NULL;
    CN__REQUIRE(context);
    CN__TRY(cn__layer_alloc(context, &cn__concat_type, &made));
    return cn__layer_finish(made, layer);
}
