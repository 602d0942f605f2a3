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

bool cn__convolution_wants_gemm(const cn__op *op) {
    const cn__convolution *c = (const cn__convolution *)op->layer;
    const int64_t many = 16384; /* weights */
    cn_conv_algorithm algorithm = op->layer->ctx->options.conv_algorithm;
    bool worth = op->out->shape.height * op->out->shape.width == 1 &&
                 (int64_t)c->in_channels / c->groups * c->out_channels >= many;
    bool alone = !op->moments && !op->folded && !op->post.skip && !op->post.relu;
    return is_product(op) && alone && algorithm != CN_CONV_DIRECT && (worth || algorithm == CN_CONV_GEMM);
}

static int32_t plane_floats(const cn__fmap *map) {
    return map->shape.height * map->shape.width * CN__LANES;
}

static const float *group_weights(const cn__op *op, size_t group) {
    const cn__conv_geometry *g = op->geometry;
    return (const float *)op->tensor[0] + group * (size_t)g->out * (size_t)g->in;
}

/* Y = W · X + bias. */
void cn__convolution_gemm_forward(const cn__op *op, size_t block) {
    const cn__convolution *c = (const cn__convolution *)op->layer;
    const cn__conv_geometry *g = op->geometry;
    const cn__fmap *in = op->in[0], *out = op->out;
    for (size_t channel = 0; c->bias && channel < (size_t)c->out_channels; channel++) {
        float *y = cn__fmap_plane(out, block, channel).data;
        for (int32_t i = 0; i < plane_floats(out); i++)
            y[i] = ((const float *)op->tensor[1])[channel];
    }
    for (size_t group = 0; group < (size_t)c->groups; group++)
        cn__gemm(false, false, g->out, plane_floats(out), g->in, group_weights(op, group), (size_t)g->in,
                 cn__fmap_plane(in, block, group * (size_t)g->in).data, in->channel,
                 cn__fmap_plane(out, block, group * (size_t)g->out).data, out->channel, c->bias);
}

/* dX = Wᵀ · dY. */
void cn__convolution_gemm_input(const cn__op *op, size_t block) {
    const cn__convolution *c = (const cn__convolution *)op->layer;
    const cn__conv_geometry *g = op->geometry;
    const cn__fmap *d_in = op->d_in[0], *d_out = op->d_out;
    for (size_t group = 0; group < (size_t)c->groups; group++)
        cn__gemm(true, false, g->in, plane_floats(d_in), g->out, group_weights(op, group), (size_t)g->in,
                 cn__fmap_plane(d_out, block, group * (size_t)g->out).data, d_out->channel,
                 cn__fmap_plane(d_in, block, group * (size_t)g->in).data, d_in->channel, op->accumulate[0]);
}

/* dW = Σ over blocks dY · Xᵀ. */
void cn__convolution_gemm_weight(const cn__op *op, const cn__pass *pass, size_t group) {
    const cn__conv_geometry *g = op->geometry;
    const cn__fmap *in = op->in[0], *d_out = op->d_out;
    float *gradient = op->gradient[0] + group * (size_t)g->out * (size_t)g->in;
    for (size_t block = 0; block < (size_t)pass->blocks; block++) {
        int32_t terms = plane_floats(d_out) == CN__LANES ? cn__pass_lanes(pass, block) : plane_floats(d_out);
        cn__gemm(false, true, g->out, g->in, terms, cn__fmap_plane(d_out, block, group * (size_t)g->out).data,
                 d_out->channel, cn__fmap_plane(in, block, group * (size_t)g->in).data, in->channel, gradient,
                 (size_t)g->in, block > 0);
    }
}
