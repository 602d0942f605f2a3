/* SPDX-License-Identifier: MIT */
/* nchw16c_depthwise.c: convolutions of each channel by itself, with channels in the lanes. Packed weights are
 * [plane][tap][16 channels]. */
#include "layers/nchw16c/nchw16c_convolution.h"

static size_t plane_weights(const cn__convolution *c) {
    return (size_t)c->kernel[0] * (size_t)c->kernel[1] * CN__LANES;
}

static bool applies(const cn__conv_problem *problem, cn__conv_pass pass) {
    const cn__convolution *c = (const cn__convolution *)problem->layer;
    return pass == CN__CONV_FORWARD && cn__nchw16c_is_depthwise(c);
}

static size_t packed_floats(const cn_layer *layer, cn__conv_pass pass) {
    const cn__convolution *c = (const cn__convolution *)layer;
    (void)pass;
    return cn__nchw16c_planes(c->out_channels) * plane_weights(c);
}

static void pack_forward(const cn__op *op, size_t plane, const double *scale, float *to) {
    const cn__convolution *c = (const cn__convolution *)op->layer;
    size_t taps = plane_weights(c) / CN__LANES;
    for (size_t lane = 0; lane < CN__LANES && plane * CN__LANES + lane < (size_t)c->out_channels; lane++) {
        const float *from = (const float *)op->tensor[0] + (plane * CN__LANES + lane) * taps;
        for (size_t t = 0; t < taps; t++)
            to[(plane * taps + t) * CN__LANES + lane] = (float)((double)from[t] * scale[lane]);
    }
}

static cn__grid forward_grid(const cn__op *op, const cn__pass *pass) {
    cn__shape out = op->out->shape;
    int64_t lines = (int64_t)out.channels * out.height * out.width;
    return cn__nchw16c_parts(op, pass, lines * (int64_t)plane_weights((const cn__convolution *)op->layer));
}

static void forward(const cn__op *op, const cn__pass *pass, cn__item at) {
    cn__nchw16c_part part = cn__nchw16c_part_of(op, at.outer, forward_grid(op, pass).outer);
    cn__channel_conv_args args = cn__nchw16c_forward_args(op, at.block, &part);
    args.in += part.plane * args.in_plane;
    args.weight_plane = plane_weights((const cn__convolution *)op->layer);
    args.weights += part.plane * args.weight_plane;
    op->kernels->channel_depthwise(&args);
}

const cn__nchw16c_algorithm cn__nchw16c_depthwise = {
    .name = "depthwise",
    .applies = applies,
    .packed_floats = packed_floats,
    .pack_forward = pack_forward,
    .forward = {{forward_grid, forward}},
};
