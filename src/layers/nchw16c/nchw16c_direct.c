/* nchw16c_direct.c: convolutions of every kernel, stride and dilation as plain sums, with channels in the lanes. Weights
 * are packed as kernels read them: [plane of outputs][plane of inputs][tap][channel of the plane][16 outputs]. */
#include "layers/nchw16c/nchw16c_convolution.h"

static const cn__convolution *layer_of(const cn__op *op) {
    return (const cn__convolution *)op->layer;
}

/* The kernel takes several planes of outputs at a time, which must see the same inputs. */
static bool applies(const cn__conv_problem *problem, cn__conv_pass pass) {
    (void)pass;
    return ((const cn__convolution *)problem->layer)->groups == 1;
}

/* ---- packed weights ---- */

static size_t tap_count(const cn__convolution *c) {
    return (size_t)c->kernel[0] * (size_t)c->kernel[1];
}

/* Of a plane of outputs. */
static size_t plane_weights(const cn__convolution *c) {
    return (size_t)c->in_channels * tap_count(c) * CN__LANES;
}

static size_t packed_floats(const cn_layer *layer, cn__conv_pass pass) {
    const cn__convolution *c = (const cn__convolution *)layer;
    return pass == CN__CONV_FORWARD ? cn__nchw16c_planes(c->out_channels) * plane_weights(c)
                                    : cn__nchw16c_input_filters(c);
}

/* The weights of one output go into one lane. */
static void pack_lane(const cn__convolution *c, const float *from, double scale, float *to) {
    size_t taps = tap_count(c);
    for (int32_t first = 0; first < c->in_channels; first += CN__LANES)
        for (size_t t = 0; t < taps; t++)
            for (int32_t i = first; i < first + CN__LANES && i < c->in_channels; i++, to += CN__LANES)
                *to = (float)((double)from[(size_t)i * taps + t] * scale);
}

static void pack_forward(const cn__op *op, size_t plane, const double *scale, float *to) {
    const cn__convolution *c = layer_of(op);
    size_t terms = (size_t)c->in_channels * tap_count(c);
    for (size_t lane = 0; lane < CN__LANES; lane++) {
        size_t o = plane * CN__LANES + lane;
        if (o < (size_t)c->out_channels)
            pack_lane(c, (const float *)op->tensor[0] + o * terms, scale[lane], to + plane * plane_weights(c) + lane);
    }
}

/* ---- forward ---- */

/* Rows of the output are shared out between threads, or planes where there are more of them. */
static bool shares_rows(const cn__op *op) {
    return op->out->shape.height >= op->out->shape.channels;
}

static cn__grid forward_grid(const cn__op *op, const cn__pass *pass) {
    cn__shape out = op->out->shape;
    int64_t products = (int64_t)out.channels * out.height * out.width * (int64_t)plane_weights(layer_of(op));
    return (cn__grid){cn__nchw16c_shares(op, pass, shares_rows(op) ? out.height : out.channels, products), 1};
}

static void forward(const cn__op *op, const cn__pass *pass, cn__item at) {
    const cn__convolution *c = layer_of(op);
    const cn__nchw16c_geometry *g = op->geometry;
    const cn__fmap *in = op->in[0], *out = op->out, *skip = op->post.skip;
    size_t whole = (size_t)(shares_rows(op) ? out->shape.height : out->shape.channels);
    size_t count = forward_grid(op, pass).outer;
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
        .filter_taps = g->tap_count,
        .weights = cn__nchw16c_weights(op, CN__CONV_FORWARD) + plane * plane_weights(c),
        .weight_plane = plane_weights(c),
        .bias = cn__nchw16c_biases(op) + plane * CN__LANES,
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
        args.skip_step = CN__LANES;
    }
    op->kernels->channel_conv(&args);
}

/* ---- all together ---- */

static size_t scratch_floats(const cn__conv_problem *problem, cn__conv_pass pass) {
    return pass == CN__CONV_WEIGHT_GRAD ? cn__nchw16c_weight_grad_scratch(problem) : 0;
}

static cn_status bind(const cn__op *op, cn__nchw16c_geometry *g, cn__conv_pass pass) {
    return pass == CN__CONV_INPUT_GRAD    ? cn__nchw16c_jobs_make(op, &g->jobs)
           : pass == CN__CONV_WEIGHT_GRAD ? cn__nchw16c_terms_make(op, g)
                                          : CN_OK;
}

const cn__nchw16c_algorithm cn__nchw16c_direct = {
    .name = "direct",
    .applies = applies,
    .packed_floats = packed_floats,
    .pack_forward = pack_forward,
    .pack_input_grad = cn__nchw16c_pack_input_grad,
    .scratch_floats = scratch_floats,
    .shared_floats = cn__nchw16c_weight_grad_shared,
    .bind = bind,
    .forward = {{forward_grid, forward}},
    .input_grad = {{cn__nchw16c_input_grid, cn__nchw16c_input_grad}},
    .weight_grad = {{cn__nchw16c_weight_grid, cn__nchw16c_weight_grad},
                    {cn__nchw16c_weight_sum_grid, cn__nchw16c_weight_sum}},
};
