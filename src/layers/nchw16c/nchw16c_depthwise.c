/* SPDX-License-Identifier: MIT */
/* nchw16c_depthwise.c: convolutions of each channel by itself, with channels in the lanes. Packed weights are
 * [plane][tap][16 channels]. Where a batch norm is in front of one, memory would take longer than arithmetic: a plane of
 * what it gives is made in a thread's scratch, forward and again for the weights' gradient, and never stored. */
#include "layers/nchw16c/nchw16c_convolution.h"
#include "layers/norm/norm.h"

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

size_t cn__nchw16c_plane_floats(const cn__convolution *c, cn__shape in) {
    cn__shape plane = {1, in.height, in.width};
    cn__fmap map;
    cn__fmap_layout(&map, plane, c->padding[0], c->padding[1], CN_PADDING_ZEROS);
    return cn__fmap_floats(&map, 1);
}

cn__fmap cn__nchw16c_front_plane(const cn__op *op, const cn__pass *pass, size_t block, size_t plane, float *memory) {
    cn__fmap map = *op->in[0];
    map.data = memory + cn__fmap_origin(&map);
    cn__norm_plane(op->front, pass, block, plane, cn__fmap_plane(&map, 0, 0));
    cn__fmap_border(&map, 0, 0);
    return map;
}

static void run_part(const cn__op *op, const cn__fmap *in, size_t block, const cn__nchw16c_part *part) {
    cn__channel_conv_args args = cn__nchw16c_forward_args(op, in, block, part);
    args.in += part->plane * args.in_plane;
    args.weight_plane = plane_weights((const cn__convolution *)op->layer);
    args.weights += part->plane * args.weight_plane;
    op->kernels->channel_depthwise(&args);
}

static void forward(const cn__op *op, const cn__pass *pass, cn__item at) {
    cn__nchw16c_part part = cn__nchw16c_part_of(op, at.outer, forward_grid(op, pass).outer);
    if (!op->front) {
        run_part(op, op->in[0], at.block, &part);
        return;
    }
    for (size_t end = part.plane + part.planes; part.plane < end; part.plane++) {
        cn__fmap in = cn__nchw16c_front_plane(op, pass, at.block, part.plane, pass->scratch);
        part.planes = 1;
        run_part(op, &in, at.block, &part);
    }
}

static size_t scratch_floats(const cn__conv_problem *problem, cn__conv_pass pass) {
    (void)pass;
    return problem->training ? cn__nchw16c_plane_floats((const cn__convolution *)problem->layer, problem->in) : 0;
}

const cn__nchw16c_algorithm cn__nchw16c_depthwise = {
    .name = "depthwise",
    .applies = applies,
    .packed_floats = packed_floats,
    .pack_forward = pack_forward,
    .scratch_floats = scratch_floats,
    .forward = {{forward_grid, forward}},
};
