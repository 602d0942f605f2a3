/* nchw16c_prelu.c: PReLU with channels in the lanes, each with its own weight. */
#include "layers/activation/prelu.h"
#include "layers/nchw16c/nchw16c.h"

static void requirements(const cn_layer *layer, const cn__sizes *sizes, cn__requirements *requirements) {
    (void)layer;
    requirements->packed_floats = cn__nchw16c_planes(sizes->in[0].channels) * CN__LANES;
}

static void prepare(const cn__op *op, const cn__pass *pass, cn__item at) {
    (void)pass;
    (void)at;
    for (size_t c = 0; c < (size_t)op->out->lane_channels; c++)
        op->packed[c] = cn__prelu_weight(op, c);
}

static void forward(const cn__op *op, const cn__pass *pass, cn__item at) {
    (void)pass;
    (void)at;
    for (size_t plane = 0; plane < (size_t)op->out->shape.channels; plane++) {
        op->kernels->channel_prelu(op->packed + plane * CN__LANES, cn__fmap_plane(op->in[0], 0, plane),
                                   cn__fmap_plane(op->out, 0, plane), op->out->shape.height, op->out->shape.width);
        cn__fmap_border(op->out, 0, plane);
    }
}

const cn__layer_impl cn__prelu_nchw16c = {
    .infers_only = true,
    .requirements = requirements,
    .prepare = {cn__nchw16c_one_item, prepare, CN__SCOPE_DEFERRED},
    .forward = {{cn__nchw16c_one_item, forward, CN__SCOPE_LOCAL}},
};
