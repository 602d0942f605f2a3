/* softmax.c: e^x / Σ e^x over the channels, torch.nn.Softmax2d (of flat features, Softmax). An item is a row of pixels
 * of a block. */
#include "layers/activation/softmax.h"

static size_t rows(const cn__op *op, const cn__pass *pass) {
    return (size_t)pass->blocks * (size_t)op->out->shape.height;
}

static cn__plane row_of(const cn__fmap *map, size_t block, size_t y) {
    cn__plane plane = cn__fmap_plane(map, block, 0);
    plane.data += y * plane.row;
    return plane;
}

static void forward(const cn__op *op, const cn__pass *pass, size_t item) {
    const cn__softmax_layer *layer = (const cn__softmax_layer *)op->layer;
    cn__shape shape = op->out->shape;
    size_t block = item / (size_t)shape.height, y = item % (size_t)shape.height;
    (void)pass;
    op->kernels->softmax(layer->logarithm, shape.channels, row_of(op->in[0], block, y), op->in[0]->channel,
                         row_of(op->out, block, y), op->out->channel, 1, shape.width);
}

static size_t bordered_planes(const cn__op *op, const cn__pass *pass) {
    return op->out->pad[0] || op->out->pad[1] ? cn__items_out_planes(op, pass) : 0;
}

static void border(const cn__op *op, const cn__pass *pass, size_t item) {
    (void)pass;
    cn__fmap_border(op->out, item / (size_t)op->out->shape.channels, item % (size_t)op->out->shape.channels);
}

static void backward(const cn__op *op, const cn__pass *pass, size_t item) {
    const cn__softmax_layer *layer = (const cn__softmax_layer *)op->layer;
    cn__shape shape = op->out->shape;
    size_t block = item / (size_t)shape.height, y = item % (size_t)shape.height;
    (void)pass;
    op->kernels->softmax_backward(layer->logarithm, shape.channels, row_of(op->out, block, y), op->out->channel,
                                  row_of(op->d_out, block, y), op->d_out->channel, row_of(op->d_in[0], block, y),
                                  op->d_in[0]->channel, 1, shape.width, op->accumulate[0]);
}

const cn__stage cn__softmax_forward[] = {
    {rows, forward, CN__SCOPE_LOCAL}, {bordered_planes, border, CN__SCOPE_LOCAL}, {NULL, NULL, CN__SCOPE_LOCAL}};
const cn__stage cn__softmax_backward[] = {{rows, backward, CN__SCOPE_LOCAL}, {NULL, NULL, CN__SCOPE_LOCAL}};

const cn__layer_ops cn__softmax_ops = {
    .type = "Softmax",
    .bytes = sizeof(cn__softmax_layer),
    .min_inputs = 1,
    .max_inputs = 1,
    .infer = cn__infer_same,
    .forward = cn__softmax_forward,
    .backward = cn__softmax_backward,
    .backward_reads_out = true,
};

cn_status cn_softmax_new(cn_context *context, cn_layer **layer) {
    cn_layer *made;
    CN__REQUIRE(layer);
    *layer = NULL;
    CN__REQUIRE(context);
    CN__TRY(cn__layer_alloc(context, &cn__softmax_ops, &made));
    return cn__layer_finish(made, layer);
}
