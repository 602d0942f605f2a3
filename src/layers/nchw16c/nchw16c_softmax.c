/* nchw16c_softmax.c: softmax and its logarithm over channels that lie in the lanes. */
#include "layers/activation/softmax.h"
#include "layers/nchw16c/nchw16c.h"

static void forward(const cn__op *op, const cn__pass *pass, cn__item at) {
    const cn__fmap *in = op->in[0], *out = op->out;
    (void)pass;
    (void)at;
    op->kernels->channel_softmax(cn__softmax_is_logarithm(op), out->lane_channels, cn__fmap_plane(in, 0, 0),
                                 in->channel, cn__fmap_plane(out, 0, 0), out->channel, out->shape.height,
                                 out->shape.width);
}

const cn__layer_impl cn__softmax_nchw16c = {
    .infers_only = true,
    .forward = {{cn__nchw16c_one_item, forward, CN__SCOPE_LOCAL},
                {cn__nchw16c_border_grid, cn__nchw16c_border, CN__SCOPE_LOCAL}},
};
