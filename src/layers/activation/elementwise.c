/* SPDX-License-Identifier: MIT */
/* elementwise.c: the passes of layers that compute each element by itself. An item is a plane. */
#include "layers/activation/elementwise.h"

static void activation_forward(const cn__op *op, const cn__pass *pass, cn__item at) {
    const cn__activation *layer = (const cn__activation *)op->layer;
    size_t block = at.block, channel = at.outer;
    (void)pass;
    op->kernels->unary(layer->function, layer->parameter[0], layer->parameter[1],
                       cn__fmap_plane(op->in[0], block, channel), cn__fmap_plane(op->out, block, channel),
                       op->out->shape.height, op->out->shape.width);
    cn__fmap_border(op->out, block, channel);
}

static void activation_backward(const cn__op *op, const cn__pass *pass, cn__item at) {
    const cn__activation *layer = (const cn__activation *)op->layer;
    size_t block = at.block, channel = at.outer;
    (void)pass;
    op->kernels->unary_backward(layer->function, layer->parameter[0], layer->parameter[1],
                                cn__fmap_plane(op->in[0], block, channel), cn__fmap_plane(op->d_out, block, channel),
                                cn__fmap_plane(op->d_in[0], block, channel), op->out->shape.height,
                                op->out->shape.width, op->accumulate[0]);
}

const cn__layer_impl cn__activation_impl = {
    .forward = {{cn__out_planes, activation_forward, CN__SCOPE_LOCAL}},
    .backward = {{cn__out_planes, activation_backward, CN__SCOPE_LOCAL}},
    .backward_reads_in = true,
};

void cn__pointwise_forward(const cn__op *op, const cn__pass *pass, const cn__post_ops *post, cn__item at) {
    size_t block = at.block, channel = at.outer;
    cn__pointwise_args args = {.x = cn__fmap_plane(op->in[0], block, channel),
                               .y = cn__fmap_plane(op->out, block, channel)};
    cn__pointwise_fill(&args, op, pass, post, block, channel);
    op->kernels->pointwise(&args);
    cn__fmap_border(op->out, block, channel);
}

void cn__pointwise_backward(const cn__op *op, const cn__pass *pass, const cn__post_ops *post, cn__item at) {
    size_t block = at.block, channel = at.outer;
    cn__pointwise_args args = {.y = cn__fmap_plane(op->out, block, channel)};
    cn__pointwise_fill(&args, op, pass, post, block, channel);
    op->kernels->pointwise_backward(&args, cn__fmap_plane(op->d_out, block, channel),
                                    cn__fmap_plane(op->d_in[0], block, channel), op->accumulate[0]);
}
