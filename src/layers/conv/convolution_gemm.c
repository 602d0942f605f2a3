/* convolution_gemm.c: 1×1 convolutions and linear layers as CBLAS's matrix products, Y = W · X on a block's planes.
 *
 * Wider kernels stay with our own: those reach the machine's peak at any width (see `make bench-kernels`). CBLAS is
 * worth its calls where weights are many and pixels few, and repacking would cost more than the product. */
#include "layers/conv/convolution.h"

/* Whether a map's planes have no borders, so that a plane is one row of pixels · 16 values. */
static bool dense(const cn__fmap *map) {
    return map->pad[0] == 0 && map->pad[1] == 0;
}

static bool is_product(const cn__op *op) {
    const cn__convolution *c = (const cn__convolution *)op->layer;
    bool plain = c->kernel[0] == 1 && c->kernel[1] == 1 && c->stride[0] == 1 && c->stride[1] == 1 &&
                 c->padding[0] == 0 && c->padding[1] == 0;
    return plain && dense(op->in[0]) && dense(op->out);
}

/* Where weights are many and there is one pixel, or where the context asks for it. */
static bool applies(const cn__conv_problem *problem, cn__conv_pass pass) {
    const cn__convolution *c = (const cn__convolution *)problem->layer;
    const cn__op *op = problem->op;
    const int64_t many = 16384; /* weights */
    cn_conv_algorithm asked = c->base.ctx->options.conv_algorithm;
    bool worth =
        problem->out.height * problem->out.width == 1 && (int64_t)c->in_channels / c->groups * c->out_channels >= many;
    (void)pass;
    if (!op || asked == CN_CONV_DIRECT || (!worth && asked != CN_CONV_GEMM))
        return false;
    return is_product(op) && !op->moments && !op->folded && !op->post.skip && !op->post.relu;
}

/* It adds up all lanes, so it needs every one to hold an image or, with one pixel a line, can leave them out. */
static bool takes_batch(const cn__op *op, const cn__pass *pass) {
    return op->out->shape.height * op->out->shape.width == 1 || pass->images % CN__LANES == 0;
}

static int32_t plane_floats(const cn__fmap *map) {
    return map->shape.height * map->shape.width * CN__LANES;
}

static const float *group_weights(const cn__op *op, size_t group) {
    const cn__conv_geometry *g = op->geometry;
    return (const float *)op->tensor[0] + group * (size_t)g->out * (size_t)g->in;
}

static cn__grid one_item(const cn__op *op, const cn__pass *pass) {
    (void)op;
    (void)pass;
    return (cn__grid){1, 1};
}

/* Y = W · X + bias. */
static void forward(const cn__op *op, const cn__pass *pass, cn__item at) {
    const cn__convolution *c = (const cn__convolution *)op->layer;
    const cn__conv_geometry *g = op->geometry;
    const cn__fmap *in = op->in[0], *out = op->out;
    (void)pass;
    for (size_t channel = 0; c->bias && channel < (size_t)c->out_channels; channel++) {
        float *y = cn__fmap_plane(out, at.block, channel).data;
        for (int32_t i = 0; i < plane_floats(out); i++)
            y[i] = ((const float *)op->tensor[1])[channel];
    }
    for (size_t group = 0; group < (size_t)c->groups; group++)
        cn__gemm(false, false, g->out, plane_floats(out), g->in, group_weights(op, group), (size_t)g->in,
                 cn__fmap_plane(in, at.block, group * (size_t)g->in).data, in->channel,
                 cn__fmap_plane(out, at.block, group * (size_t)g->out).data, out->channel, c->bias);
}

/* dX = Wᵀ · dY. */
static void input_grad(const cn__op *op, const cn__pass *pass, cn__item at) {
    const cn__convolution *c = (const cn__convolution *)op->layer;
    const cn__conv_geometry *g = op->geometry;
    const cn__fmap *d_in = op->d_in[0], *d_out = op->d_out;
    (void)pass;
    for (size_t group = 0; group < (size_t)c->groups; group++)
        cn__gemm(true, false, g->in, plane_floats(d_in), g->out, group_weights(op, group), (size_t)g->in,
                 cn__fmap_plane(d_out, at.block, group * (size_t)g->out).data, d_out->channel,
                 cn__fmap_plane(d_in, at.block, group * (size_t)g->in).data, d_in->channel, op->accumulate[0]);
}

static cn__grid groups(const cn__op *op, const cn__pass *pass) {
    (void)pass;
    return (cn__grid){(size_t)((const cn__convolution *)op->layer)->groups, 1};
}

/* dW (+)= dY · Xᵀ. */
static void weight_grad(const cn__op *op, const cn__pass *pass, cn__item at, float *sums, bool accumulate) {
    const cn__conv_geometry *g = op->geometry;
    const cn__fmap *in = op->in[0], *d_out = op->d_out;
    int32_t terms = plane_floats(d_out) == CN__LANES ? cn__pass_lanes(pass, at.block) : plane_floats(d_out);
    cn__gemm(false, true, g->out, g->in, terms, cn__fmap_plane(d_out, at.block, at.outer * (size_t)g->out).data,
             d_out->channel, cn__fmap_plane(in, at.block, at.outer * (size_t)g->in).data, in->channel,
             sums + at.outer * (size_t)g->out * (size_t)g->in, (size_t)g->in, accumulate);
}

const cn__conv_algorithm cn__convolution_gemm = {
    .name = "gemm",
    .applies = applies,
    .takes_batch = takes_batch,
    .all_blocks = true,
    .forward_grid = one_item,
    .forward = forward,
    .input_grid = one_item,
    .input_grad = input_grad,
    .weight_grid = groups,
    .weight_grad = weight_grad,
};
