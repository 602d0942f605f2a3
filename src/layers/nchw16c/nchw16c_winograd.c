/* SPDX-License-Identifier: MIT */
/* nchw16c_winograd.c: 3×3 convolutions of stride 1 by Winograd's F(4×4, 3×3) with channels in the lanes. Tiles of all
 * images of a pass are numbered together: transformed weights are many, and small maps have few tiles to share them.
 * An item transforms a chunk of tiles into the thread's scratch, and multiplies them by the weights of some planes of
 * outputs at a time. */
#include "layers/nchw16c/nchw16c_winograd.h"
#include <string.h>

#define MIN_PRODUCTS (1 << 20) /* that are worth waking a thread for */
#define MAX_CHANNELS 65536     /* sizes of packed filters and scratch stay far from the end of 32 bits */
#define MAX_PLANES   8         /* of outputs, at a time */

/* ---- what it is worth ---- */

/* What passes cost, in vector multiply-adds. Transformed weights are many: a few tiles take as long as MIN_TILES, and
 * while a model trains, PACK_TILES is what it takes to transform them anew. */
#define PRODUCT_COST 41  /* of a channel, a plane of outputs and a tile, all 36 points */
#define PATCH_COST   440 /* transforms of a plane and a tile */
#define OUTPUT_COST  270
#define FINISH_COST  600 /* of a channel, a plane of outputs and a group of images in a weight gradient */
#define TAPS_COST    10  /* plain sums: of a channel, a plane of outputs and a pixel */
#define BORDER_COST  2.0 /* the same of what is read through a border, and a tap */
#define MIN_TILES    14
#define PACK_TILES   10

/* What outputs read through a border that repeats pixels, the input's gradient leaves out: plain sums add that. */
static bool repeats(const cn__convolution *c) {
    return c->padding_mode != CN_PADDING_ZEROS && (c->padding[0] > 0 || c->padding[1] > 0);
}

/* How often outputs do so, of a channel of an image. */
static double border_reads(const cn__convolution *c, cn__shape out) {
    double all = 1.0, within = 1.0;
    for (int d = 0; d < 2 && repeats(c); d++) {
        double reads = 3.0 * (d ? out.width : out.height), beyond = c->padding[d] * (c->padding[d] + 1.0);
        all *= reads;
        within *= reads > beyond ? reads - beyond : 0.0;
    }
    return all - within;
}

/* From `in` channels to `out`, which is `shape`'s, when so much is added to that. */
static bool pays(const cn__conv_problem *problem, double in, double out, cn__shape shape, double reads) {
    double in_planes = cn__winograd_planes((int32_t)in), out_planes = cn__winograd_planes((int32_t)out),
           images = problem->batch;
    double tiles = images * cn__winograd_cost(shape), pixels = images * shape.height * shape.width;
    double full = (tiles > MIN_TILES ? tiles : MIN_TILES) + (problem->training ? PACK_TILES : 0);
    return full * PRODUCT_COST * in * out_planes + tiles * (PATCH_COST * in_planes + OUTPUT_COST * out_planes) +
               BORDER_COST * images * reads * in * out_planes <
           TAPS_COST * pixels * in * out_planes;
}

static bool weight_grad_pays(const cn__conv_problem *problem, double in, double out, cn__shape shape) {
    double in_planes = cn__winograd_planes((int32_t)in), out_planes = cn__winograd_planes((int32_t)out),
           images = problem->batch;
    double tiles = images * cn__winograd_cost(shape), pixels = images * shape.height * shape.width;
    double leaves = (problem->batch - 1) / CN__LANES + 1;
    return tiles * (PRODUCT_COST * in * out_planes + PATCH_COST * in_planes + OUTPUT_COST * out_planes) +
               FINISH_COST * leaves * in * out_planes <
           TAPS_COST * pixels * in * out_planes;
}

static bool applies(const cn__conv_problem *problem, cn__conv_pass pass) {
    const cn__convolution *c = (const cn__convolution *)problem->layer;
    for (int d = 0; d < 2; d++)
        if (c->kernel[d] != 3 || c->stride[d] != 1 || c->dilation[d] != 1)
            return false;
    if (c->groups != 1 || c->base.ctx->options.conv_algorithm != CN_CONV_AUTO)
        return false;
    if (c->in_channels > MAX_CHANNELS || c->out_channels > MAX_CHANNELS)
        return false;
    switch (pass) {
    case CN__CONV_FORWARD:
        return pays(problem, c->in_channels, c->out_channels, problem->out, 0.0);
    case CN__CONV_INPUT_GRAD:
        return pays(problem, c->out_channels, c->in_channels, problem->in, border_reads(c, problem->out));
    default:
        return weight_grad_pays(problem, c->in_channels, c->out_channels, problem->out);
    }
}

/* ---- packed weights: [36][plane of outputs][input channel][16 outputs], going backward the other way round, and there
 * behind what plain sums of a border read ---- */

/* Floats from a point to the next: an odd number of lines, lest all points of a filter be written to one set of the
 * cache. */
static size_t weight_point(int32_t summed, int32_t planes) {
    return ((size_t)summed * (size_t)planes | 1) * CN__LANES;
}

static size_t border_filters(const cn__convolution *c) {
    return repeats(c) ? cn__whole_lines(cn__nchw16c_input_filters(c)) : 0;
}

static size_t packed_floats(const cn_layer *layer, cn__conv_pass pass) {
    const cn__convolution *c = (const cn__convolution *)layer;
    int32_t summed = pass == CN__CONV_FORWARD ? c->in_channels : c->out_channels;
    int32_t written = pass == CN__CONV_FORWARD ? c->out_channels : c->in_channels;
    return (pass == CN__CONV_FORWARD ? 0 : border_filters(c)) +
           CN__WINOGRAD_POINTS * weight_point(summed, cn__winograd_planes(written));
}

enum { FILTER = 9, RUN = 8 };
#define STREAMED (1 << 20) /* floats of a layer's transformed filters, or more */

/* 16×16 filters, so that what is read lies side by side: lines of them are far apart. */
typedef float square[CN__LANES][(CN__LANES + 1) * FILTER];

/* The filter at `from` and what is behind it, as whole fours: what is stored in fewer is not there yet when fours are
 * loaded. */
static void copy_fours(float to[CN__LANES], const float *from) {
    memcpy(to, from, sizeof(float[12]));
}

typedef struct filters {
    const float *weights;
    size_t in, out; /* channels */
} filters;

static filters filters_of(const cn__op *op) {
    const cn__convolution *c = (const cn__convolution *)op->layer;
    return (filters){op->tensor[0], (size_t)c->in_channels, (size_t)c->out_channels};
}

/* From input channel i on to output channel o, as far as there are any. */
static void load_square(const filters *f, size_t o, size_t i, const double *scale, square to) {
    size_t rows = f->out - o < CN__LANES ? f->out - o : CN__LANES,
           columns = f->in - i < CN__LANES ? f->in - i : CN__LANES;
    for (size_t r = 0; r < rows; r++) {
        const float *from = f->weights + ((o + r) * f->in + i) * FILTER;
        if (!scale || scale[r] == 1.0)
            memcpy(to[r], from, columns * sizeof(float[FILTER]));
        else
            for (size_t t = 0; t < columns * FILTER; t++)
                to[r][t] = (float)((double)from[t] * scale[r]);
    }
}

/* A row of the next one, beforehand: no processor foresees it. */
static void fetch_row(const filters *f, size_t o, size_t i) {
    if (o >= f->out || i >= f->in)
        return;
    const char *from = (const char *)(f->weights + (o * f->in + i) * FILTER);
    for (size_t at = 0; at < sizeof(float[CN__LANES * FILTER]); at += 64)
        __builtin_prefetch(from + at);
}

/* Where transformed filters of a plane go, one after the other. What is larger than caches goes past them, some filters at
 * a time, lest memory be read before it is written. */
typedef struct packed {
    float *to;
    size_t point;
    bool rotated180, streams;
    float run[CN__WINOGRAD_POINTS][(RUN + 1) * CN__LANES] __attribute__((aligned(CN__ALIGN)));
} packed;

static void begin_packed(packed *p, bool rotated180, float *to, int32_t summed, int32_t planes) {
    p->to = to;
    p->point = weight_point(summed, planes);
    p->rotated180 = rotated180;
    p->streams = CN__WINOGRAD_POINTS * p->point >= STREAMED;
}

static void put_filters(const cn__op *op, packed *p, const float *lanes, size_t number, bool last) {
    size_t place = number % RUN;
    if (!p->streams) {
        op->kernels->winograd_filter(lanes, p->rotated180, p->to + number * CN__LANES, p->point);
        return;
    }
    op->kernels->winograd_filter(lanes, p->rotated180, p->run[0] + place * CN__LANES, (RUN + 1) * CN__LANES);
    if (place + 1 == RUN || last)
        op->kernels->stream_lines(p->run[0], (RUN + 1) * CN__LANES, p->to + (number - place) * CN__LANES, p->point,
                                  CN__WINOGRAD_POINTS, place + 1);
}

static void pack_forward(const cn__op *op, size_t plane, const double *scale, float *to) {
    filters f = filters_of(op);
    float lanes[CN__LANES][CN__LANES] __attribute__((aligned(CN__ALIGN))) = {{0}};
    square some = {{0}};
    packed p;
    size_t o = plane * CN__LANES;
    begin_packed(&p, false, to + plane * f.in * CN__LANES, (int32_t)f.in, cn__winograd_planes((int32_t)f.out));
    for (size_t i = 0; i < f.in; i++) {
        if (i % CN__LANES == 0)
            load_square(&f, o, i, scale, some);
        fetch_row(&f, o + i % CN__LANES, i / CN__LANES * CN__LANES + CN__LANES);
        for (size_t lane = 0; lane < CN__LANES; lane++)
            copy_fours(lanes[lane], some[lane] + i % CN__LANES * FILTER);
        put_filters(op, &p, lanes[0], i, i + 1 == f.in);
    }
}

static void pack_input_grad(const cn__op *op, size_t plane, float *to) {
    const cn__convolution *c = (const cn__convolution *)op->layer;
    filters f = filters_of(op);
    float lanes[CN__LANES][CN__LANES] __attribute__((aligned(CN__ALIGN))) = {{0}};
    square some = {{0}};
    packed p;
    size_t i = plane * CN__LANES;
    if (repeats(c))
        cn__nchw16c_pack_input_grad(op, plane, to);
    to += border_filters(c) + plane * f.out * CN__LANES;
    begin_packed(&p, true, to, (int32_t)f.out, cn__winograd_planes((int32_t)f.in));
    for (size_t o = 0; o < f.out; o++) {
        if (o % CN__LANES == 0)
            load_square(&f, o, i, NULL, some);
        fetch_row(&f, o + CN__LANES, i);
        for (size_t lane = 0; lane < CN__LANES; lane++)
            copy_fours(lanes[lane], some[o % CN__LANES] + lane * FILTER);
        put_filters(op, &p, lanes[0], o, o + 1 == f.out);
    }
}

/* ---- chunks of tiles ---- */

/* Tiles at a time when `planes` are summed over: what fits half of a second-level cache, but enough for the weights
 * that are read for them. */
static int32_t tiles_at_once(int32_t planes) {
    const int32_t lines = 112, least = 32; /* of a point */
    int32_t most = lines / planes;
    return most < least ? least : most < CN__WINOGRAD_MAX_TILES ? most : CN__WINOGRAD_MAX_TILES;
}

static size_t chunk_scratch(const cn__conv_problem *problem, cn__conv_pass pass) {
    cn__shape from = pass == CN__CONV_FORWARD ? problem->in : problem->out;
    cn__shape to = pass == CN__CONV_FORWARD ? problem->out : problem->in;
    int32_t summed = cn__winograd_planes(from.channels), planes = cn__winograd_planes(to.channels);
    int64_t all = (int64_t)problem->max_blocks * cn__winograd_count(to.height, to.width);
    int32_t most = tiles_at_once(summed), tiles = all < most ? (int32_t)all : most;
    return CN__WINOGRAD_FLOATS(summed, tiles) + CN__WINOGRAD_FLOATS(planes < MAX_PLANES ? planes : MAX_PLANES, tiles);
}

/* Forward, or for the input's gradient. */
typedef struct direction {
    cn__winograd_args args; /* of all tiles and planes of outputs */
    int32_t tiles;
} direction;

static cn__winograd_args of_planes(const cn__winograd_args *all, int32_t first, int32_t count) {
    cn__winograd_args a = *all;
    size_t plane = (size_t)first;
    a.out_channels = count;
    a.channels -= first * CN__LANES;
    a.channels = a.channels < count * CN__LANES ? a.channels : count * CN__LANES;
    a.weights += plane * (size_t)a.in_channels * CN__LANES;
    a.out += plane * a.out_channel;
    if (a.bias)
        a.bias += plane * CN__LANES;
    if (a.skip)
        a.skip += plane * a.skip_channel;
    return a;
}

static void run_chunk(const cn__op *op, const cn__pass *pass, const cn__winograd_args *all, int32_t first,
                      int32_t end) {
    cn__winograd_args a = *all;
    float *v = pass->scratch;
    int32_t step = cn__winograd_steps(end - first, cn__winograd_steps(end - first, MAX_PLANES));
    a.v = v;
    a.m = v + CN__WINOGRAD_FLOATS(a.tiles.channels, a.tiles.count);
    op->kernels->winograd_input(&a.tiles, v);
    for (int32_t plane = first; plane < end; plane += step) {
        cn__winograd_args some = of_planes(&a, plane, end - plane < step ? end - plane : step);
        op->kernels->channel_winograd_conv(&some);
    }
}

/* (share of the chunks, share of the planes of outputs). */
static cn__grid grid(const cn__op *op, const cn__pass *pass, const direction *d) {
    size_t threads = (size_t)cn__pass_threads(pass, op->ctx), planes = (size_t)d->args.out_channels;
    size_t chunks = (size_t)cn__winograd_steps(d->tiles, tiles_at_once(d->args.tiles.channels)), shares = 1;
    size_t worth = CN__WINOGRAD_POINTS * (size_t)d->tiles * (size_t)d->args.in_channels * planes * CN__LANES;
    size_t most = worth / MIN_PRODUCTS + 1;
    if (chunks < threads)
        shares = (2 * threads + chunks - 1) / chunks;
    else if (chunks < 4 * threads)
        chunks = (chunks - 1) / threads * threads + threads;
    chunks = chunks < most ? chunks : most;
    most = most / chunks < planes ? most / chunks : planes;
    return (cn__grid){chunks, shares < most ? shares : most};
}

static void run_share(const cn__op *op, const cn__pass *pass, const direction *d, cn__item at) {
    cn__grid shares = grid(op, pass, d);
    cn__winograd_args a = d->args;
    int32_t first = cn__winograd_share(d->tiles, at.outer, shares.outer),
            end = cn__winograd_share(d->tiles, at.outer + 1, shares.outer);
    int32_t step = cn__winograd_steps(end - first, cn__winograd_steps(end - first, tiles_at_once(a.tiles.channels)));
    for (a.tiles.tile = first; a.tiles.tile < end; a.tiles.tile += step) {
        a.tiles.count = end - a.tiles.tile < step ? end - a.tiles.tile : step;
        run_chunk(op, pass, &a, cn__winograd_share(a.out_channels, at.inner, shares.inner),
                  cn__winograd_share(a.out_channels, at.inner + 1, shares.inner));
    }
}

/* ---- forward ---- */

cn__winograd_tiles cn__nchw16c_input_tiles(const cn__op *op, int32_t image, int32_t images) {
    const cn__convolution *c = (const cn__convolution *)op->layer;
    const cn__fmap *in = op->in[0];
    cn__winograd_tiles tiles = {.data = cn__fmap_plane(in, (size_t)image, 0).data - (size_t)c->padding[0] * in->row -
                                        (size_t)c->padding[1] * CN__LANES,
                                .image = in->block,
                                .channel = in->channel,
                                .row = in->row,
                                .images = images,
                                .channels = in->shape.channels,
                                .height = op->out->shape.height + 2,
                                .width = op->out->shape.width + 2,
                                .spare = cn__fmap_spare(in, (size_t)in->shape.channels - 1)};
    cn__winograd_cut(&tiles, op->out->shape.height, op->out->shape.width);
    return tiles;
}

static direction onward(const cn__op *op, const cn__pass *pass) {
    const cn__convolution *c = (const cn__convolution *)op->layer;
    const cn__fmap *out = op->out, *skip = op->post.skip;
    direction d = {
        .args = {.tiles = cn__nchw16c_input_tiles(op, 0, pass->blocks),
                 .weights = cn__nchw16c_weights(op, CN__CONV_FORWARD),
                 .bias = cn__nchw16c_biases(op),
                 .out = out->data,
                 .out_image = out->block,
                 .out_channel = out->channel,
                 .out_row = out->row,
                 .out_channels = out->shape.channels,
                 .out_height = out->shape.height,
                 .out_width = out->shape.width,
                 .relu = op->post.relu,
                 .most = op->post.most,
                 .in_channels = c->in_channels,
                 .channels = c->out_channels,
                 .weight_point = weight_point(c->in_channels, out->shape.channels)},
        .tiles = pass->blocks * cn__winograd_count(out->shape.height, out->shape.width),
    };
    if (skip) {
        d.args.skip = skip->data;
        d.args.skip_image = skip->block;
        d.args.skip_channel = skip->channel;
        d.args.skip_row = skip->row;
    }
    return d;
}

static cn__grid forward_grid(const cn__op *op, const cn__pass *pass) {
    direction d = onward(op, pass);
    return grid(op, pass, &d);
}

static void forward(const cn__op *op, const cn__pass *pass, cn__item at) {
    direction d = onward(op, pass);
    run_share(op, pass, &d, at);
}

/* ---- the input's gradient: a convolution of the output's, zeros around it, with the filters rotated by 180° ---- */

cn__winograd_tiles cn__nchw16c_gradient_tiles(const cn__op *op, int32_t image, int32_t images) {
    const cn__fmap *d_out = op->d_out;
    return (cn__winograd_tiles){.data = cn__fmap_plane(d_out, (size_t)image, 0).data,
                                .image = d_out->block,
                                .channel = d_out->channel,
                                .row = d_out->row,
                                .images = images,
                                .channels = d_out->shape.channels,
                                .height = d_out->shape.height,
                                .width = d_out->shape.width,
                                .spare = cn__fmap_spare(d_out, (size_t)d_out->shape.channels - 1)};
}

static direction back(const cn__op *op, const cn__pass *pass) {
    const cn__convolution *c = (const cn__convolution *)op->layer;
    const cn__fmap *d_in = op->d_in[0];
    direction d = {
        .args = {.tiles = cn__nchw16c_gradient_tiles(op, 0, pass->blocks),
                 .weights = cn__nchw16c_weights(op, CN__CONV_INPUT_GRAD) + border_filters(c),
                 .out = d_in->data,
                 .out_image = d_in->block,
                 .out_channel = d_in->channel,
                 .out_row = d_in->row,
                 .out_channels = d_in->shape.channels,
                 .out_height = d_in->shape.height,
                 .out_width = d_in->shape.width,
                 .accumulate = op->accumulate[0],
                 .in_channels = c->out_channels,
                 .channels = c->in_channels,
                 .weight_point = weight_point(c->out_channels, d_in->shape.channels)},
        .tiles = pass->blocks * cn__winograd_count(d_in->shape.height, d_in->shape.width),
    };
    for (int i = 0; i < 2; i++)
        d.args.tiles.first[i] = c->padding[i] - 2;
    cn__winograd_cut(&d.args.tiles, d_in->shape.height, d_in->shape.width);
    return d;
}

static cn__grid input_grid(const cn__op *op, const cn__pass *pass) {
    direction d = back(op, pass);
    return grid(op, pass, &d);
}

static void input_grad(const cn__op *op, const cn__pass *pass, cn__item at) {
    direction d = back(op, pass);
    run_share(op, pass, &d, at);
}

/* Behind that. */
static cn__grid border_grid(const cn__op *op, const cn__pass *pass) {
    const cn__nchw16c_geometry *g = op->geometry;
    return g->jobs.count > 0 ? cn__nchw16c_input_grid(op, pass) : (cn__grid){0, 0};
}

static cn_status bind(const cn__op *op, cn__nchw16c_geometry *g, cn__conv_pass pass) {
    bool some = pass == CN__CONV_INPUT_GRAD && repeats((const cn__convolution *)op->layer);
    return some ? cn__nchw16c_jobs_make(op, true, &g->jobs) : CN_OK;
}

/* ---- all together ---- */

static size_t scratch_floats(const cn__conv_problem *problem, cn__conv_pass pass) {
    return pass == CN__CONV_WEIGHT_GRAD ? cn__nchw16c_winograd_weight_scratch(problem) : chunk_scratch(problem, pass);
}

const cn__nchw16c_algorithm cn__nchw16c_winograd = {
    .name = "winograd",
    .all_blocks = true,
    .applies = applies,
    .packed_floats = packed_floats,
    .pack_forward = pack_forward,
    .pack_input_grad = pack_input_grad,
    .scratch_floats = scratch_floats,
    .shared_floats = cn__nchw16c_winograd_weight_shared,
    .bind = bind,
    .forward = {{forward_grid, forward}},
    .input_grad = {{input_grid, input_grad}, {border_grid, cn__nchw16c_input_grad}},
    .weight_grad = {{cn__nchw16c_winograd_weight_grid, cn__nchw16c_winograd_weight_grad},
                    {cn__nchw16c_winograd_sum_grid, cn__nchw16c_winograd_sum}},
};
