/* softmax.c: e^x / Σ e^x over the channels, torch.nn.Softmax2d (of flat features, Softmax). An item is a row of pixels
 * of a block. */
#include "layers/activation/softmax.h"

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
    cn__shape shape = op->out->shape;
    size_t block = at.block, y = at.outer;
    (void)pass;
    op->kernels->softmax(cn__softmax_is_logarithm(op), shape.channels, row_of(op->in[0], block, y), op->in[0]->channel,
                         row_of(op->out, block, y), op->out->channel, 1, shape.width);
}

static void backward(const cn__op *op, const cn__pass *pass, cn__item at) {
    cn__shape shape = op->out->shape;
    size_t block = at.block, y = at.outer;
    (void)pass;
    op->kernels->softmax_backward(cn__softmax_is_logarithm(op), shape.channels, row_of(op->out, block, y),
                                  op->out->channel, row_of(op->d_out, block, y), op->d_out->channel,
                                  row_of(op->d_in[0], block, y), op->d_in[0]->channel, 1, shape.width,
                                  op->accumulate[0]);
}

const cn__layer_impl cn__softmax_batch = {
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
    .batch = &cn__softmax_batch,
    .nchw16c = &cn__softmax_nchw16c,
};

cn_status cn_softmax_new(cn_context *context, cn_layer **layer) {
    cn_layer *made;
    CN__REQUIRE(layer);
    *layer = NULL;
    CN__REQUIRE(context);
    CN__TRY(cn__layer_alloc(context, &cn__softmax_type, &made));
    return cn__layer_finish(made, layer);
}
