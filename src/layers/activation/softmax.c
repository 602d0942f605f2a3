/* softmax.c: e^x / Σ e^x over the channels, torch.nn.Softmax2d (of flat features, Softmax). An item is a row of pixels
 * of a block. */
#include "layers/activation/softmax.h"

static size_t rows(const cn__work *work, const cn__run *run) {
    return (size_t)run->blocks * (size_t)work->out->shape.height;
}

static cn__plane row_of(const cn__map *map, size_t block, size_t y) {
    cn__plane plane = cn__map_plane(map, block, 0);
    plane.data += y * plane.row;
    return plane;
}

static void forward(const cn__work *work, const cn__run *run, size_t item) {
    const cn__softmax_layer *layer = (const cn__softmax_layer *)work->layer;
    cn__shape shape = work->out->shape;
    size_t block = item / (size_t)shape.height, y = item % (size_t)shape.height;
    (void)run;
    work->kernels->softmax(layer->logarithm, shape.channels, row_of(work->in[0], block, y), work->in[0]->channel,
                           row_of(work->out, block, y), work->out->channel, 1, shape.width);
}

static size_t bordered_planes(const cn__work *work, const cn__run *run) {
    return work->out->pad[0] || work->out->pad[1] ? cn__items_out_planes(work, run) : 0;
}

static void border(const cn__work *work, const cn__run *run, size_t item) {
    (void)run;
    cn__map_border(work->out, item / (size_t)work->out->shape.channels, item % (size_t)work->out->shape.channels);
}

static void backward(const cn__work *work, const cn__run *run, size_t item) {
    const cn__softmax_layer *layer = (const cn__softmax_layer *)work->layer;
    cn__shape shape = work->out->shape;
    size_t block = item / (size_t)shape.height, y = item % (size_t)shape.height;
    (void)run;
    work->kernels->softmax_backward(layer->logarithm, shape.channels, row_of(work->out, block, y), work->out->channel,
                                    row_of(work->d_out, block, y), work->d_out->channel,
                                    row_of(work->d_in[0], block, y), work->d_in[0]->channel, 1, shape.width,
                                    work->accumulate[0]);
}

const cn__phase cn__softmax_forward[] = {
    {rows, forward, CN__LOCAL}, {bordered_planes, border, CN__LOCAL}, {NULL, NULL, CN__LOCAL}};
const cn__phase cn__softmax_backward[] = {{rows, backward, CN__LOCAL}, {NULL, NULL, CN__LOCAL}};

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
