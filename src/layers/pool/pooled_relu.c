/* SPDX-License-Identifier: MIT */
/* pooled_relu.c: a ReLU and the max pool behind it: the largest of four, or zero. Which of the four it was is kept, a
 * byte a lane, so that the way back reads neither what went in nor what came out. */
#include "layers/activation/elementwise.h"
#include "layers/pool/pool2d.h"

static bool takes_pool(const cn_layer *layer, const cn_layer *pool, cn__shape in, int32_t max_blocks) {
    (void)layer;
    (void)max_blocks;
    return cn__pool_halves(pool, in);
}

static void requirements(const cn_layer *layer, const cn__sizes *sizes, cn__requirements *requirements) {
    const cn__shape *in = sizes->in;
    cn__shape out = {in->channels, in->height / 2, in->width / 2};
    (void)layer;
    requirements->saved_floats = cn__pool_which_floats((size_t)in->channels, out);
}

static void forward(const cn__op *op, const cn__pass *pass, cn__item at) {
    size_t block = at.block, channel = at.outer;
    (void)pass;
    op->kernels->max_pool2(cn__fmap_plane(op->in[0], block, channel), cn__fmap_plane(op->out, block, channel),
                           op->out->shape.height, op->out->shape.width, true, cn__pool_which(op, block, channel));
    cn__fmap_border(op->out, block, channel);
}

static void backward(const cn__op *op, const cn__pass *pass, cn__item at) {
    size_t block = at.block, channel = at.outer;
    (void)pass;
    op->kernels->max_pool2_backward(cn__pool_which(op, block, channel), cn__fmap_plane(op->d_out, block, channel),
                                    cn__fmap_plane(op->d_in[0], block, channel), op->out->shape.height,
                                    op->out->shape.width);
}

const cn__layer_impl cn__relu_with_pool = {
    .takes_pool = takes_pool,
    .requirements = requirements,
    .forward = {{cn__out_planes, forward, CN__SCOPE_LOCAL}},
    .backward = {{cn__wanted_planes, backward, CN__SCOPE_LOCAL}},
};
