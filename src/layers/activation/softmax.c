/* SPDX-License-Identifier: MIT */
/* softmax.c: e^x / Σ e^x over the channels, torch.nn.Softmax2d (of flat features, Softmax). An item is a row of pixels
 * of a block; planes are channels, or have them in the lanes. */
#include "layers/activation/softmax.h"

static bool is_logarithm(const cn__op *op) {
    return op->layer->type->kind == CN__KIND_LOG_SOFTMAX;
}

static cn__grid rows(const cn__op *op, const cn__pass *pass) {
    (void)pass;
    return (cn__grid){(size_t)op->out->shape.height, 1};
}

static cn__plane row_of(const cn__fmap *map, size_t block, size_t y) {
    cn__plane plane = cn__fmap_plane(map, block, 0);
    plane.data += y * plane.row;
    return plane;
}

static void forward(const cn__op *op, const cn__pass *pass, cn__item at) {
    size_t block = at.block, y = at.outer;
    (void)pass;
    (op->out->lane_channels ? op->kernels->channel_softmax : op->kernels->softmax)(
        is_logarithm(op), cn__fmap_channels(op->out), row_of(op->in[0], block, y), op->in[0]->channel,
        row_of(op->out, block, y), op->out->channel, 1, op->out->shape.width);
}

static void backward(const cn__op *op, const cn__pass *pass, cn__item at) {
    size_t block = at.block, y = at.outer;
    (void)pass;
    (op->out->lane_channels ? op->kernels->channel_softmax_backward : op->kernels->softmax_backward)(
        is_logarithm(op), cn__fmap_channels(op->out), row_of(op->out, block, y), op->out->channel,
        row_of(op->d_out, block, y), op->d_out->channel, row_of(op->d_in[0], block, y), op->d_in[0]->channel, 1,
        op->out->shape.width, op->accumulate[0]);
}

const cn__layer_impl cn__softmax_impl = {
    .forward = {{rows, forward, CN__SCOPE_LOCAL}, {cn__border_planes, cn__border, CN__SCOPE_LOCAL}},
    .backward = {{rows, backward, CN__SCOPE_LOCAL}},
    .backward_reads_out = true,
};

const cn__layer_type cn__softmax_type = {
    .name = "Softmax",
    .bytes = sizeof(cn_layer),
    .kind = CN__KIND_SOFTMAX,
    .min_inputs = 1,
    .max_inputs = 1,
    .infer = cn__infer_same,
    .batch = &cn__softmax_impl,
    .nchw16c = &cn__softmax_impl,
};

cn_status cn_softmax_new(cn_context *context, cn_layer **layer) {
    cn_layer *made;
    CN__REQUIRE(layer);
    *layer = NULL;
    CN__REQUIRE(context);
    CN__TRY(cn__layer_alloc(context, &cn__softmax_type, &made));
    return cn__layer_finish(made, layer);
}
