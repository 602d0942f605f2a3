/* SPDX-License-Identifier: MIT */
/* nchw16c_direct.c: convolutions of every kernel, stride, dilation and number of groups as plain sums, with channels in
 * the lanes. Weights are packed as kernels read them: [plane of outputs][plane of inputs][tap][channel of the plane]
 * [16 outputs], for the inputs that any output of the plane sees; where it does not see one of them, the weight is zero.
 */
#include "layers/nchw16c/nchw16c_convolution.h"

static const cn__convolution *layer_of(const cn__op *op) {
    return (const cn__convolution *)op->layer;
}

static bool applies(const cn__conv_problem *problem, cn__conv_pass pass) {
    (void)problem;
    (void)pass;
    return true;
}

/* ---- packed weights ---- */

/* Inputs that the outputs of a plane see. */
static cn__nchw16c_span inputs_of(const cn__convolution *c, size_t plane) {
    return cn__nchw16c_partners(plane, c->out_channels, c->in_channels, c->groups);
}

static size_t tap_count(const cn__convolution *c) {
    return (size_t)c->kernel[0] * (size_t)c->kernel[1];
}

/* From the weights of a plane of outputs to the next one's. */
static size_t plane_weights(const cn__convolution *c) {
    int32_t most = 0;
    for (size_t plane = 0; plane < cn__nchw16c_planes(c->out_channels); plane++) {
        cn__nchw16c_span inputs = inputs_of(c, plane);
        most = inputs.end - inputs.first > most ? inputs.end - inputs.first : most;
    }
    return (size_t)most * tap_count(c) * CN__LANES;
}

static size_t packed_floats(const cn_layer *layer, cn__conv_pass pass) {
    const cn__convolution *c = (const cn__convolution *)layer;
    return pass == CN__CONV_FORWARD ? cn__nchw16c_planes(c->out_channels) * plane_weights(c)
                                    : cn__nchw16c_input_filters(c);
}

/* The weights of one output go into one lane: here those of a plane of inputs, of which `inputs` are left from channel
 * `begin` on. The output sees channels first … last - 1, and `from` are all of its weights. */
static void pack_lane(size_t taps, const float *from, double scale, int32_t begin, int32_t inputs, int32_t first,
                      int32_t last, float *to) {
    size_t channels = inputs < CN__LANES ? (size_t)inputs : CN__LANES;
    int32_t end = begin + CN__LANES < last ? begin + CN__LANES : last;
    int32_t own = begin > first ? begin : first;
    for (size_t t = 0; t < taps; t++) {
        const float *weight = from + (ptrdiff_t)(own - first) * (ptrdiff_t)taps + t;
        float *line = to + ((size_t)begin * taps + t * channels + (size_t)(own - begin)) * CN__LANES;
        for (int32_t i = own; i < end; i++, weight += taps, line += CN__LANES)
            *line = scale == 1.0 ? *weight : (float)((double)*weight * scale);
    }
}

/* Plane of inputs by plane of inputs, so that lines are in the cache until they are complete. */
static void pack_forward(const cn__op *op, size_t plane, const double *scale, float *to) {
    const cn__convolution *c = layer_of(op);
    int32_t in = c->in_channels / c->groups, out = c->out_channels / c->groups, own = (int32_t)plane * CN__LANES;
    cn__nchw16c_span inputs = inputs_of(c, plane);
    size_t taps = tap_count(c);
    to += plane * plane_weights(c);
    for (int32_t begin = 0; begin < inputs.end - inputs.first; begin += CN__LANES)
        for (int32_t lane = 0, o = own; lane < CN__LANES && o < c->out_channels; lane++, o++) {
            int32_t seen = (c->groups == 1 ? 0 : o / out * in) - inputs.first;
            pack_lane(taps, (const float *)op->tensor[0] + (size_t)o * (size_t)in * taps, scale[lane], begin,
                      inputs.end - inputs.first - begin, seen, seen + in, to + lane);
        }
}

/* ---- forward ---- */

cn__grid cn__nchw16c_parts(const cn__op *op, const cn__pass *pass, int64_t multiply_adds) {
    cn__shape out = op->out->shape;
    int32_t most = out.height >= out.channels ? out.height : out.channels;
    return (cn__grid){cn__nchw16c_shares(op, pass, most, multiply_adds), 1};
}

cn__nchw16c_part cn__nchw16c_part_of(const cn__op *op, size_t index, size_t count) {
    size_t planes = (size_t)op->out->shape.channels, rows = (size_t)op->out->shape.height;
    size_t whole = rows >= planes ? rows : planes;
    size_t first = index * whole / count, size = (index + 1) * whole / count - first;
    return rows >= planes ? (cn__nchw16c_part){1, 0, planes, first, size} : (cn__nchw16c_part){1, first, size, 0, rows};
}

cn__channel_conv_args cn__nchw16c_forward_args(const cn__op *op, const cn__fmap *in, size_t block,
                                               const cn__nchw16c_part *part) {
    const cn__convolution *c = layer_of(op);
    const cn__nchw16c_geometry *g = op->geometry;
    const cn__fmap *out = op->out, *skip = op->post.skip;
    int32_t left = c->out_channels - (int32_t)(part->plane * CN__LANES), most = (int32_t)(part->planes * CN__LANES);
    cn__channel_conv_args args = {
        .images = part->images,
        .channels = left < most ? left : most,
        .height = (int32_t)part->rows,
        .width = out->shape.width,
        .in = cn__fmap_plane(in, block, 0).data + part->row * (size_t)c->stride[0] * in->row -
              (size_t)c->padding[0] * in->row - (size_t)c->padding[1] * CN__LANES,
        .in_image = in->block,
        .in_plane = in->channel,
        .in_row = (size_t)c->stride[0] * in->row,
        .in_step = (size_t)c->stride[1] * CN__LANES,
        .in_channels = c->in_channels,
        .taps = g->taps,
        .tap_count = g->tap_count,
        .filter_taps = g->tap_count,
        .weights = cn__nchw16c_weights(op, CN__CONV_FORWARD),
        .bias = cn__nchw16c_biases(op) + part->plane * CN__LANES,
        .out = cn__fmap_plane(out, block, part->plane).data + part->row * out->row,
        .out_image = out->block,
        .out_plane = out->channel,
        .out_row = out->row,
        .out_step = CN__LANES,
        .accumulate = g->accumulate,
        .relu = op->post.relu,
        .most = op->post.most,
    };
    if (skip) {
        args.skip = cn__fmap_plane(skip, block, part->plane).data + part->row * skip->row;
        args.skip_image = skip->block;
        args.skip_plane = skip->channel;
        args.skip_row = skip->row;
        args.skip_step = CN__LANES;
    }
    return args;
}

static cn__grid forward_grid(const cn__op *op, const cn__pass *pass) {
    cn__shape out = op->out->shape;
    int64_t lines = (int64_t)out.channels * out.height * out.width;
    return cn__nchw16c_parts(op, pass, lines * (int64_t)plane_weights(layer_of(op)));
}

/* Planes of outputs that see the same inputs go together. */
static void run_part(const cn__op *op, size_t block, cn__nchw16c_part part) {
    const cn__convolution *c = layer_of(op);
    size_t end = part.plane + part.planes;
    for (; part.plane < end; part.plane += part.planes) {
        cn__nchw16c_span inputs = inputs_of(c, part.plane);
        for (part.planes = 1; part.plane + part.planes < end; part.planes++)
            if (!cn__nchw16c_same_span(inputs_of(c, part.plane + part.planes), inputs))
                break;
        cn__channel_conv_args args = cn__nchw16c_forward_args(op, op->in[0], block, &part);
        args.in += (size_t)(inputs.first / CN__LANES) * args.in_plane;
        args.in_channels = inputs.end - inputs.first;
        args.weight_plane = plane_weights(c);
        args.weights += part.plane * args.weight_plane;
        op->kernels->channel_conv(&args);
    }
}

static void forward(const cn__op *op, const cn__pass *pass, cn__item at) {
    run_part(op, at.block, cn__nchw16c_part_of(op, at.outer, forward_grid(op, pass).outer));
}

/* ---- several images at a time: weights are read once for all ---- */

#define MANY_WEIGHTS (64 << 10)      /* more than half of a second-level cache */
#define SMALL_MAP    (96 << 10 >> 2) /* floats of inputs, of which a strip of the kernel's takes two or more */
#define SOME_IMAGES  8               /* that are worth reading weights for */

static bool joins_images(const cn__conv_problem *problem, cn__conv_pass pass) {
    const cn__convolution *c = (const cn__convolution *)problem->layer;
    bool forwards = pass == CN__CONV_FORWARD;
    cn__shape to = forwards ? problem->out : problem->in;
    int64_t inputs = (int64_t)(forwards ? c->in_channels : c->out_channels) * to.height * to.width;
    int64_t weights = (int64_t)c->in_channels * c->out_channels * (int64_t)tap_count(c);
    return pass != CN__CONV_WEIGHT_GRAD && c->groups == 1 && weights >= MANY_WEIGHTS && inputs <= SMALL_MAP;
}

/* Shares of the images, where threads take those whole: as many for each thread, of some images. */
static size_t image_shares(const cn__op *op, const cn__pass *pass) {
    size_t threads = (size_t)cn__pass_threads(pass, op->ctx), blocks = (size_t)pass->blocks;
    return cn__blocks_go_round(pass, op->ctx) ? (blocks + threads * SOME_IMAGES - 1) / (threads * SOME_IMAGES) * threads
                                              : 1;
}

/* (share of the images, share of the planes). */
cn__grid cn__nchw16c_joined_grid(const cn__op *op, const cn__pass *pass, size_t planes, int64_t multiply_adds) {
    return (cn__grid){image_shares(op, pass),
                      cn__nchw16c_shares(op, pass, (int32_t)planes, pass->blocks * multiply_adds)};
}

static cn__grid joined_grid(const cn__op *op, const cn__pass *pass) {
    cn__shape out = op->out->shape;
    int64_t lines = (int64_t)out.channels * out.height * out.width;
    return cn__nchw16c_joined_grid(op, pass, (size_t)out.channels, lines * (int64_t)plane_weights(layer_of(op)));
}

static void joined(const cn__op *op, const cn__pass *pass, cn__item at) {
    cn__grid shares = joined_grid(op, pass);
    size_t images = (size_t)pass->blocks, planes = (size_t)op->out->shape.channels;
    size_t block = at.outer * images / shares.outer, plane = at.inner * planes / shares.inner;
    run_part(op, block,
             (cn__nchw16c_part){.images = (int32_t)((at.outer + 1) * images / shares.outer - block),
                                .plane = plane,
                                .planes = (at.inner + 1) * planes / shares.inner - plane,
                                .rows = (size_t)op->out->shape.height});
}

/* ---- all together ---- */

static size_t scratch_floats(const cn__conv_problem *problem, cn__conv_pass pass) {
    return pass == CN__CONV_WEIGHT_GRAD ? cn__nchw16c_weight_grad_scratch(problem) : 0;
}

static cn_status bind(const cn__op *op, cn__nchw16c_geometry *g, cn__conv_pass pass) {
    return pass == CN__CONV_INPUT_GRAD    ? cn__nchw16c_jobs_make(op, false, &g->jobs)
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

const cn__nchw16c_algorithm cn__nchw16c_joined = {
    .name = "direct, images joined",
    .all_blocks = true,
    .applies = joins_images,
    .packed_floats = packed_floats,
    .pack_forward = pack_forward,
    .pack_input_grad = cn__nchw16c_pack_input_grad,
    .bind = bind,
    .forward = {{joined_grid, joined}},
    .input_grad = {{cn__nchw16c_joined_input_grid, cn__nchw16c_joined_input_grad}},
};
