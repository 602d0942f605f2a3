/* SPDX-License-Identifier: MIT */
/* convolution_weights.c: a convolution's weights as its algorithms read them, for each block of output channels;
 * forward a block begins with its biases. A norm behind it is folded in. */
#include "layers/conv/convolution.h"

static const cn__convolution *layer_of(const cn__op *op) {
    return (const cn__convolution *)op->layer;
}

size_t cn__convolution_forward_oc_blocks(const cn__op *op) {
    const cn__conv_geometry *g = op->geometry;
    return (size_t)layer_of(op)->groups * (size_t)g->out_oc_blocks;
}

size_t cn__convolution_input_oc_blocks(const cn__op *op) {
    const cn__conv_geometry *g = op->geometry;
    return op->training && op->d_in[0] ? (size_t)layer_of(op)->groups * (size_t)g->in_oc_blocks : 0;
}

float *cn__convolution_bias(const cn__op *op, size_t oc_block) {
    const cn__conv_geometry *g = op->geometry;
    return op->packed + oc_block * g->forward_block_floats;
}

float *cn__convolution_forward_filters(const cn__op *op, size_t oc_block) {
    return cn__convolution_bias(op, oc_block) + CN__LANES;
}

float *cn__convolution_input_filters(const cn__op *op, size_t oc_block) {
    const cn__conv_geometry *g = op->geometry;
    return op->packed + cn__convolution_forward_oc_blocks(op) * g->forward_block_floats +
           oc_block * g->input_block_floats;
}

float *cn__convolution_direct_input_filters(const cn__op *op, size_t oc_block) {
    const cn__conv_geometry *g = op->geometry;
    return cn__convolution_input_filters(op, oc_block) + g->direct_input_filters;
}

const float *cn__convolution_filter(const cn__op *op, size_t group, int32_t o, int32_t i) {
    const cn__conv_geometry *g = op->geometry;
    size_t row = group * (size_t)g->out + (size_t)o;
    return (const float *)op->tensor[0] + (row * (size_t)g->in + (size_t)i) * (size_t)g->taps;
}

void cn__convolution_factors(const cn__op *op, size_t channel, double *scale, double *shift) {
    double bias = layer_of(op)->bias ? (double)((const float *)op->tensor[1])[channel] : 0.0;
    *scale = 1.0;
    *shift = 0.0;
    if (op->folded)
        op->folded->type->fixed_factors(op->folded, op->folded_tensor, channel, scale, shift);
    *shift += *scale * bias;
}

static void pack_forward(const cn__op *op, size_t oc_block) {
    const cn__conv_geometry *g = op->geometry;
    size_t group = oc_block / (size_t)g->out_oc_blocks;
    const cn__conv_algorithm *algorithm = g->algorithm[CN__CONV_FORWARD];
    int32_t first = (int32_t)(oc_block % (size_t)g->out_oc_blocks) * algorithm->oc_block;
    double scale[CN__LANES] = {0.0};
    for (int32_t r = 0; r < algorithm->oc_block; r++) {
        double shift = 0.0;
        if (first + r < g->out)
            cn__convolution_factors(op, group * (size_t)g->out + (size_t)(first + r), &scale[r], &shift);
        cn__convolution_bias(op, oc_block)[r] = (float)shift;
    }
    algorithm->pack_forward(op, group, first, scale, cn__convolution_forward_filters(op, oc_block));
}

static void pack_input_grad(const cn__op *op, size_t oc_block) {
    const cn__conv_geometry *g = op->geometry;
    const cn__conv_algorithm *algorithm = g->algorithm[CN__CONV_INPUT_GRAD];
    size_t group = oc_block / (size_t)g->in_oc_blocks;
    int32_t first = (int32_t)(oc_block % (size_t)g->in_oc_blocks) * algorithm->oc_block;
    algorithm->pack_input_grad(op, group, first, cn__convolution_input_filters(op, oc_block));
    if (algorithm->zero_border && g->backward_jobs > 0)
        cn__convolution_direct.pack_input_grad(op, group, first, cn__convolution_direct_input_filters(op, oc_block));
}

/* Blocks of output channels, forward and then for the input's gradient. */
cn__grid cn__convolution_pack_grid(const cn__op *op, const cn__pass *pass) {
    const cn__conv_geometry *g = op->geometry;
    (void)pass;
    if (op->training && !g->algorithm[CN__CONV_INPUT_GRAD]->pack_input_grad)
        return (cn__grid){0, 0};
    return (cn__grid){cn__convolution_forward_oc_blocks(op) + cn__convolution_input_oc_blocks(op), 1};
}

void cn__convolution_pack(const cn__op *op, const cn__pass *pass, cn__item at) {
    size_t forward = cn__convolution_forward_oc_blocks(op);
    (void)pass;
    if (at.outer < forward)
        pack_forward(op, at.outer);
    else
        pack_input_grad(op, at.outer - forward);
}
