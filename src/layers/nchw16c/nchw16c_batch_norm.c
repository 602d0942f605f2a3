/* SPDX-License-Identifier: MIT */
/* nchw16c_batch_norm.c: batch norm by running statistics with channels in the lanes, for inference: what a lane is
 * multiplied by and what is added to it are known beforehand, so that a plane is normalised in one sweep. */
#include "layers/nchw16c/nchw16c.h"

/* Lines of a plane. */
enum { CENTER, INV, SHIFT, LINES };

static void requirements(const cn_layer *layer, const cn__sizes *sizes, cn__requirements *requirements) {
    (void)layer;
    requirements->packed_floats = cn__nchw16c_planes(sizes->in->channels) * LINES * CN__LANES;
}

/* The center stays zero. */
static void prepare(const cn__op *op, const cn__pass *pass, cn__item at) {
    (void)pass;
    (void)at;
    for (size_t c = 0; c < (size_t)op->out->lane_channels; c++) {
        float *lines = op->packed + c / CN__LANES * LINES * CN__LANES + c % CN__LANES;
        double scale, shift;
        op->layer->type->fixed_factors(op->layer, op->tensor, c, &scale, &shift);
        lines[INV * CN__LANES] = (float)scale;
        lines[SHIFT * CN__LANES] = (float)shift;
    }
}

static void normalise_plane(const cn__op *op, const cn__pass *pass, size_t block, size_t plane) {
    const float *lines = op->packed + plane * LINES * CN__LANES;
    cn__pointwise_args args = {.x = cn__fmap_plane(op->in[0], block, plane),
                               .y = cn__fmap_plane(op->out, block, plane),
                               .center = lines + CENTER * CN__LANES,
                               .inv = lines + INV * CN__LANES,
                               .weight = 1.0f,
                               .biases = lines + SHIFT * CN__LANES};
    cn__pointwise_fill(&args, op, pass, &op->post, block, plane);
    if (op->post.skip)
        args.skip = cn__fmap_plane(op->post.skip, block, plane);
    op->kernels->pointwise(&args);
    cn__fmap_border(op->out, block, plane);
}

static void forward(const cn__op *op, const cn__pass *pass, cn__item at) {
    for (size_t plane = 0; plane < (size_t)op->out->shape.channels; plane++)
        normalise_plane(op, pass, at.block, plane);
}

static bool fixed_statistics(const cn_layer *layer) {
    return !layer->type->wants_moments(layer, false);
}

const cn__layer_impl cn__batch_norm_nchw16c = {
    .serves = fixed_statistics,
    .infers_only = true,
    .takes_relu6 = true,
    .requirements = requirements,
    .prepare = {cn__nchw16c_one_item, prepare, CN__SCOPE_DEFERRED},
    .forward = {{cn__nchw16c_one_item, forward, CN__SCOPE_LOCAL}},
};
