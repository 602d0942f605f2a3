/* SPDX-License-Identifier: MIT */
/* convolution.c: what Conv2d and Linear have in common: hyper-parameters, first weights, memory, binding. */
#include "layers/conv/convolution.h"
#include "layers/tree.h"
#include <math.h>

/* ---- hyper-parameters ---- */

cn_status cn__convolution_check(cn__convolution *c, const char *type) {
    bool linear = c->base.type->kind == CN__KIND_LINEAR;
    CN__TRY(cn__check_range(type, linear ? "in_features" : "in_channels", c->in_channels, 1, CN__MAX_SIDE));
    CN__TRY(cn__check_range(type, linear ? "out_features" : "out_channels", c->out_channels, 1, CN__MAX_SIDE));
    for (int d = 0; d < 2; d++) {
        CN__TRY(cn__check_range(type, d ? "kernel width" : "kernel height", c->kernel[d], 1, CN__MAX_SIDE));
        CN__TRY(cn__check_range(type, d ? "stride width" : "stride height", c->stride[d], 1, CN__MAX_SIDE));
        CN__TRY(cn__check_range(type, d ? "padding width" : "padding height", c->padding[d], 0, CN__MAX_SIDE));
        CN__TRY(cn__check_range(type, d ? "dilation width" : "dilation height", c->dilation[d], 1, CN__MAX_SIDE));
    }
    CN__TRY(cn__check_range(type, "groups", c->groups, 1, CN__MAX_SIDE));
    CN__TRY(cn__check_range(type, "bias", c->bias, 0, 1));
    CN__TRY(cn__check_range(type, "padding_mode", c->padding_mode, CN_PADDING_ZEROS, CN_PADDING_CIRCULAR));
    if (c->in_channels % c->groups || c->out_channels % c->groups)
        return cn__error(CN_ERR_ARGUMENT, "%s: %d groups do not divide %d and %d channels", type, c->groups,
                         c->in_channels, c->out_channels);
    return CN_OK;
}

static int64_t fan_in(const cn__convolution *c) {
    return (int64_t)c->in_channels / c->groups * c->kernel[0] * c->kernel[1];
}

float cn__convolution_bound(const cn__convolution *c) {
    return (float)(1.0 / sqrt((double)fan_in(c)));
}

void cn__convolution_init(const cn_layer *layer, cn__initializer *from, void *const *tensors) {
    const cn__convolution *c = (const cn__convolution *)layer;
    cn__init_uniform(from, tensors[0], fan_in(c) * c->out_channels, 0.0f, cn__convolution_bound(c));
    if (c->bias)
        cn__init_uniform(from, tensors[1], c->out_channels, 0.0f, cn__convolution_bound(c));
}

int64_t cn__convolution_multiply_adds(const cn_layer *layer, cn__shape in, cn__shape out) {
    const cn__convolution *c = (const cn__convolution *)layer;
    return (int64_t)out.channels * out.height * out.width * (in.channels / c->groups) * c->kernel[0] * c->kernel[1];
}

/* ---- binding ---- */

static int32_t oc_blocks(const cn__conv_algorithm *algorithm, int32_t channels) {
    return (channels + algorithm->oc_block - 1) / algorithm->oc_block;
}

bool cn__convolution_sums_apart(const cn_layer *layer, int32_t max_blocks) {
    const cn__convolution *c = (const cn__convolution *)layer;
    const int64_t most = 1 << 20; /* 4 MiB a layer */
    int64_t weights = (int64_t)c->out_channels * (c->in_channels / c->groups) * c->kernel[0] * c->kernel[1];
    return weights <= most / max_blocks;
}

size_t cn__convolution_channel_shares(const cn__op *op, size_t items, int32_t oc_blocks) {
    size_t threads = (size_t)op->ctx->threads;
    if (items % threads == 0 || items >= 4 * threads)
        return 1;
    size_t shares = (2 * threads + items - 1) / items;
    return shares < (size_t)oc_blocks ? shares : (size_t)oc_blocks;
}

void cn__convolution_measure(const cn__conv_problem *problem, cn__conv_geometry *g) {
    const cn__convolution *c = (const cn__convolution *)problem->layer;
    for (int pass = 0; pass < CN__CONV_PASSES; pass++)
        g->algorithm[pass] = cn__convolution_choose(problem, (cn__conv_pass)pass);
    const cn__conv_algorithm *forward = g->algorithm[CN__CONV_FORWARD], *input = g->algorithm[CN__CONV_INPUT_GRAD];
    g->taps = c->kernel[0] * c->kernel[1];
    g->in = c->in_channels / c->groups;
    g->out = c->out_channels / c->groups;
    g->in_oc_blocks = oc_blocks(input, g->in);
    g->out_oc_blocks = oc_blocks(forward, g->out);
    g->forward_block_floats = CN__LANES + forward->filter_floats(g->in, g->taps);
    g->input_block_floats = input->filter_floats(g->out, g->taps);
    g->direct_input_filters = input->zero_border ? g->input_block_floats : 0;
    if (input->zero_border)
        g->input_block_floats += cn__convolution_direct.filter_floats(g->out, g->taps);
}

static size_t scratch_floats(const cn__conv_geometry *g, cn__shape out, int passes) {
    size_t most = 0;
    for (int pass = 0; pass < passes; pass++) {
        const cn__conv_algorithm *algorithm = g->algorithm[pass];
        size_t floats = algorithm->scratch_floats ? algorithm->scratch_floats(g, out, (cn__conv_pass)pass) : 0;
        most = floats > most ? floats : most;
    }
    return most;
}

void cn__convolution_requirements(const cn_layer *layer, const cn__sizes *sizes, cn__requirements *requirements) {
    const cn__convolution *c = (const cn__convolution *)layer;
    size_t groups = (size_t)c->groups;
    cn__conv_geometry g = {0};
    cn__convolution_measure(&(cn__conv_problem){layer, sizes->in[0], sizes->out, NULL, sizes->max_blocks,
                                                sizes->training, sizes->batch, sizes->depth},
                            &g);
    requirements->pad[0] = c->padding[0];
    requirements->pad[1] = c->padding[1];
    requirements->mode = (cn_padding_mode)c->padding_mode;
    requirements->packed_floats = groups * (size_t)g.out_oc_blocks * g.forward_block_floats;
    requirements->scratch_floats = scratch_floats(&g, sizes->out, sizes->training ? CN__CONV_PASSES : 1);
    if (!sizes->training)
        return;
    if (g.algorithm[CN__CONV_INPUT_GRAD]->pack_input_grad)
        requirements->packed_floats += groups * (size_t)g.in_oc_blocks * g.input_block_floats;
    else
        requirements->packed_floats = 0;
    requirements->until_end = g.algorithm[CN__CONV_WEIGHT_GRAD]->all_blocks;
    size_t weights = groups * (size_t)g.out * (size_t)g.in * (size_t)g.taps;
    if (requirements->until_end && sizes->part)
        requirements->shared_floats = cn__convolution_gathered_floats(layer, sizes);
    if (!requirements->until_end && cn__convolution_sums_apart(layer, sizes->max_blocks))
        requirements->saved_floats = weights;
    else if (!requirements->until_end)
        requirements->shared_floats = (size_t)(sizes->depth - 1) * weights;
    requirements->saved_floats += c->bias ? (size_t)c->out_channels : 0;
}

cn_status cn__convolution_fill(cn__op *op) {
    cn__conv_geometry *g = op->geometry;
    const cn__convolution *c = (const cn__convolution *)op->layer;
    if (cn__fmap_floats(op->in[0], 1) > INT32_MAX || cn__fmap_floats(op->out, 1) > INT32_MAX)
        return cn__error(CN_ERR_SHAPE, "%s: 16 images of %d×%d×%d are too large for its index lists",
                         c->base.type->name, c->in_channels, op->in[0]->shape.height, op->in[0]->shape.width);
    cn__convolution_measure(&(cn__conv_problem){op->layer, op->in[0]->shape, op->out->shape, op, op->max_blocks,
                                                op->training, op->batch, 0},
                            g);
    CN__TRY(cn__convolution_forward_lists(op));
    return op->training && op->d_in[0] ? cn__convolution_backward_lists(op) : CN_OK;
}

void cn__convolution_unbind(cn__op *op) {
    cn__conv_geometry *g = op->geometry;
    cn__free(op->ctx, g->forward_taps);
    cn__free(op->ctx, g->forward_pixels);
    cn__free(op->ctx, g->skip_pixels);
    cn__free(op->ctx, g->column);
    cn__free(op->ctx, g->backward);
    cn__free(op->ctx, g->backward_taps);
    cn__free(op->ctx, g->backward_pixels);
    cn__free(op->ctx, g);
}
