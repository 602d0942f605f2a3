/* nchw16c_convolution.c: Conv2d and Linear with channels in the lanes. For each plane of outputs, packed memory
 * holds the weights as kernels read them, [plane of inputs][tap][channel of the plane][16 outputs]; behind those of all
 * planes come their biases, a line for each. A norm of fixed statistics that follows is folded in. */
#include "layers/nchw16c/nchw16c.h"
#include "layers/conv/convolution.h"

#define MIN_PRODUCTS (1 << 20) /* that are worth waking a thread for */

typedef struct geometry {
    size_t tap_count;
    size_t taps[]; /* floats from where the first tap falls */
} geometry;

static const cn__convolution *layer_of(const cn__op *op) {
    return (const cn__convolution *)op->layer;
}

static size_t tap_count(const cn__convolution *c) {
    return (size_t)c->kernel[0] * (size_t)c->kernel[1];
}

/* Weights of a plane of outputs. */
static size_t plane_weights(const cn__convolution *c) {
    return (size_t)c->in_channels * tap_count(c) * CN__LANES;
}

/* As the kernel does them: whole lines of outputs. */
static int64_t multiply_adds(const cn_layer *layer, cn__shape in, cn__shape out) {
    const cn__convolution *c = (const cn__convolution *)layer;
    (void)in;
    return (int64_t)(cn__nchw16c_planes(c->out_channels) * plane_weights(c)) * out.height * out.width;
}

static void requirements(const cn_layer *layer, const cn__sizes *sizes, cn__requirements *requirements) {
    const cn__convolution *c = (const cn__convolution *)layer;
    cn__convolution_requirements(layer, sizes, requirements);
    requirements->packed_floats = cn__nchw16c_planes(c->out_channels) * (plane_weights(c) + CN__LANES);
}

static cn_status bind(cn__op *op) {
    const cn__convolution *c = layer_of(op);
    geometry *g = cn__alloc(op->ctx, 1, sizeof *g + tap_count(c) * sizeof *g->taps);
    if (!g)
        return cn__no_memory("a convolution's taps");
    op->geometry = g;
    for (size_t y = 0; y < (size_t)c->kernel[0]; y++)
        for (size_t x = 0; x < (size_t)c->kernel[1]; x++)
            g->taps[g->tap_count++] =
                y * (size_t)c->dilation[0] * op->in[0]->row + x * (size_t)c->dilation[1] * CN__LANES;
    return CN_OK;
}

static void unbind(cn__op *op) {
    cn__free(op->ctx, op->geometry);
}

/* ---- packed weights ---- */

static float *weights_of(const cn__op *op, size_t plane) {
    return op->packed + plane * plane_weights(layer_of(op));
}

static float *bias_of(const cn__op *op, size_t plane) {
    return weights_of(op, cn__nchw16c_planes(layer_of(op)->out_channels)) + plane * CN__LANES;
}

/* The weights of one output go into one lane. */
static void pack_lane(const cn__convolution *c, const float *from, double scale, float *to) {
    size_t taps = tap_count(c);
    for (int32_t first = 0; first < c->in_channels; first += CN__LANES)
        for (size_t t = 0; t < taps; t++)
            for (int32_t i = first; i < first + CN__LANES && i < c->in_channels; i++, to += CN__LANES)
                *to = (float)((double)from[(size_t)i * taps + t] * scale);
}

static cn__grid pack_grid(const cn__op *op, const cn__pass *pass) {
    (void)pass;
    return (cn__grid){cn__nchw16c_planes(layer_of(op)->out_channels), 1};
}

static void pack(const cn__op *op, const cn__pass *pass, cn__item at) {
    const cn__convolution *c = layer_of(op);
    size_t terms = (size_t)c->in_channels * tap_count(c), plane = at.outer;
    (void)pass;
    for (size_t lane = 0; lane < CN__LANES; lane++) {
        size_t o = plane * CN__LANES + lane;
        double scale, shift;
        if (o >= (size_t)c->out_channels)
            break; /* memory begins as zeros */
        cn__convolution_factors(op, o, &scale, &shift);
        bias_of(op, plane)[lane] = (float)shift;
        pack_lane(c, (const float *)op->tensor[0] + o * terms, scale, weights_of(op, plane) + lane);
    }
}

/* ---- forward ---- */

/* Rows of the output are shared out between threads, or planes where there are more of them. */
static bool shares_rows(const cn__op *op) {
    return op->out->shape.height >= op->out->shape.channels;
}

static cn__grid shares(const cn__op *op, const cn__pass *pass) {
    cn__shape out = op->out->shape;
    int64_t worth = multiply_adds(op->layer, op->in[0]->shape, out) / MIN_PRODUCTS;
    int64_t most = shares_rows(op) ? out.height : out.channels;
    (void)pass;
    most = most < op->ctx->threads ? most : op->ctx->threads;
    return (cn__grid){worth < 1 ? 1 : (size_t)(worth < most ? worth : most), 1};
}

static void forward(const cn__op *op, const cn__pass *pass, cn__item at) {
    const cn__convolution *c = layer_of(op);
    const geometry *g = op->geometry;
    const cn__fmap *in = op->in[0], *out = op->out, *skip = op->post.skip;
    size_t whole = (size_t)(shares_rows(op) ? out->shape.height : out->shape.channels), count = shares(op, pass).outer;
    size_t first = at.outer * whole / count, end = (at.outer + 1) * whole / count;
    size_t row = shares_rows(op) ? first : 0, plane = shares_rows(op) ? 0 : first;
    int32_t left = c->out_channels - (int32_t)(plane * CN__LANES), most = (int32_t)((end - first) * CN__LANES);
    cn__channel_conv_args args = {
        .channels = shares_rows(op) || left < most ? left : most,
        .height = shares_rows(op) ? (int32_t)(end - first) : out->shape.height,
        .width = out->shape.width,
        .in = cn__fmap_plane(in, at.block, 0).data + row * (size_t)c->stride[0] * in->row -
              (size_t)c->padding[0] * in->row - (size_t)c->padding[1] * CN__LANES,
        .in_plane = in->channel,
        .in_row = (size_t)c->stride[0] * in->row,
        .in_step = (size_t)c->stride[1] * CN__LANES,
        .in_channels = c->in_channels,
        .taps = g->taps,
        .tap_count = g->tap_count,
        .weights = weights_of(op, plane),
        .weight_plane = plane_weights(c),
        .bias = bias_of(op, plane),
        .out = cn__fmap_plane(out, at.block, plane).data + row * out->row,
        .out_plane = out->channel,
        .out_row = out->row,
        .out_step = CN__LANES,
        .relu = op->post.relu,
    };
    if (skip) {
        args.skip = cn__fmap_plane(skip, at.block, plane).data + row * skip->row;
        args.skip_plane = skip->channel;
        args.skip_row = skip->row;
    }
    op->kernels->channel_conv(&args);
}

/* ---- all together ---- */

/* The weights of a line of outputs must see the same inputs. */
static bool one_group(const cn_layer *layer) {
    return ((const cn__convolution *)layer)->groups == 1;
}

const cn__layer_impl cn__convolution_nchw16c = {
    .infers_only = true,
    .serves = one_group,
    .multiply_adds = multiply_adds,
    .requirements = requirements,
    .bind = bind,
    .unbind = unbind,
    .prepare = {pack_grid, pack, CN__SCOPE_DEFERRED},
    .forward = {{shares, forward, CN__SCOPE_LOCAL}, {cn__nchw16c_border_grid, cn__nchw16c_border, CN__SCOPE_LOCAL}},
};
