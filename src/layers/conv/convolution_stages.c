/* convolution_stages.c: a convolution's passes. Items are (block, tile of channels, share of the pixels) forward and
 * for the input's gradient, (block, tile of channels, share of the columns) for the weights'. */
#include "layers/conv/convolution.h"
#include <string.h>

#define MIN_PIXELS    48   /* that make an item */
#define WEIGHT_ROWS   8    /* of an item of the weight gradient */
#define WEIGHT_COLUMN 6    /* columns of its register tile */
#define SUMS          4096 /* over blocks, that make an item */

static const cn__convolution *layer_of(const cn__op *op) {
    return (const cn__convolution *)op->layer;
}

/* ---- sharing out pixels ---- */

/* Shares that each tile's pixels are cut into: one where blocks and tiles already give every thread as much to do. */
static size_t pixel_shares(const cn__op *op, size_t items, size_t pixels) {
    size_t threads = (size_t)op->ctx->threads;
    if (items % threads == 0 || pixels < 2 * MIN_PIXELS)
        return 1;
    size_t shares = (4 * threads + items - 1) / items, most = pixels / MIN_PIXELS;
    return shares < most ? shares : most;
}

/* Pixels first … end - 1 of a job. */
static cn__conv_job job_part(const cn__conv_job *job, size_t first, size_t end, bool accumulate) {
    cn__conv_job part = *job;
    part.pixel_in += first;
    part.pixel_out += first;
    if (job->pixel_skip)
        part.pixel_skip += first;
    part.pixel_count = (int32_t)(end - first);
    part.accumulate = accumulate;
    return part;
}

static cn__conv_job job_share(const cn__conv_job *job, size_t share, size_t shares, bool accumulate) {
    size_t pixels = (size_t)job->pixel_count;
    return job_part(job, pixels * share / shares, pixels * (share + 1) / shares, accumulate);
}

/* The rows whose moments belong together. */
static cn__conv_job job_rows(const cn__conv_job *job, cn__shape shape, size_t share) {
    size_t pixels = cn__moment_rows(shape) * (size_t)shape.width, first = share * pixels;
    size_t left = (size_t)job->pixel_count - first;
    return job_part(job, first, first + (left < pixels ? left : pixels), false);
}

/* ---- forward ---- */

static size_t out_pixels(const cn__op *op) {
    return (size_t)op->out->shape.height * (size_t)op->out->shape.width;
}

bool cn__convolution_gathers(const cn__op *op, const cn__pass *pass) {
    return op->moments && op->norm->type->wants_moments(op->norm, pass->training);
}

static size_t forward_shares(const cn__op *op, const cn__pass *pass) {
    return cn__convolution_gathers(op, pass)
               ? cn__moment_shares(op->out->shape)
               : pixel_shares(op, (size_t)pass->blocks * cn__convolution_forward_tiles(op), out_pixels(op));
}

static size_t forward_items(const cn__op *op, const cn__pass *pass) {
    const cn__conv_geometry *g = op->geometry;
    size_t blocks = (size_t)pass->blocks;
    if (g->gemm)
        return blocks;
    if (g->winograd.forward)
        return blocks * cn__convolution_winograd_forward_items(op, pass);
    return blocks * cn__convolution_forward_tiles(op) * forward_shares(op, pass);
}

static void forward_tile(const cn__op *op, const cn__pass *pass, size_t block, size_t tile, size_t share) {
    const cn__conv_geometry *g = op->geometry;
    size_t group = tile / (size_t)g->out_tiles;
    int32_t first = (int32_t)(tile % (size_t)g->out_tiles) * CN__CONV_TILE;
    size_t channel = group * (size_t)g->out + (size_t)first;
    cn__conv_args args = {
        .in = cn__fmap_plane(op->in[0], block, group * (size_t)g->in).data,
        .in_channel = op->in[0]->channel,
        .in_channels = g->in,
        .weights = cn__convolution_forward_weights(op, tile),
        .taps = g->taps,
        .bias = cn__convolution_bias(op, tile),
        .relu = op->post.relu,
        .out = cn__fmap_plane(op->out, block, channel).data,
        .out_channel = op->out->channel,
        .out_channels = g->out - first < CN__CONV_TILE ? g->out - first : CN__CONV_TILE,
    };
    if (op->post.skip) {
        args.skip = cn__fmap_plane(op->post.skip, block, channel).data;
        args.skip_channel = op->post.skip->channel;
    }
    bool gathers = cn__convolution_gathers(op, pass);
    if (gathers)
        args.moments = cn__moments_of(op, op->out->shape, block, share, channel);
    cn__conv_job job = gathers ? job_rows(&g->forward, op->out->shape, share)
                               : job_share(&g->forward, share, forward_shares(op, pass), false);
    op->kernels->conv(&args, &job);
}

static void forward(const cn__op *op, const cn__pass *pass, size_t item) {
    const cn__conv_geometry *g = op->geometry;
    if (g->gemm) {
        cn__convolution_gemm_forward(op, item);
        return;
    }
    if (g->winograd.forward) {
        size_t items = cn__convolution_winograd_forward_items(op, pass);
        cn__convolution_winograd_forward(op, pass, item / items, item % items);
        return;
    }
    size_t shares = forward_shares(op, pass), tiles = cn__convolution_forward_tiles(op);
    forward_tile(op, pass, item / shares / tiles, item / shares % tiles, item % shares);
}

/* ---- backward: the input ---- */

static size_t input_shares(const cn__op *op, const cn__pass *pass) {
    const cn__shape in = op->in[0]->shape;
    return pixel_shares(op, (size_t)pass->blocks * cn__convolution_backward_tiles(op),
                        (size_t)in.height * (size_t)in.width);
}

/* Of a block. */
static size_t input_items(const cn__op *op, const cn__pass *pass) {
    const cn__conv_geometry *g = op->geometry;
    if (!op->d_in[0])
        return 0;
    if (g->winograd.input)
        return cn__convolution_winograd_input_items(op, pass);
    return g->gemm ? 1 : cn__convolution_backward_tiles(op) * input_shares(op, pass);
}

static void input_tile(const cn__op *op, size_t block, size_t tile, size_t share, size_t shares, bool accumulate) {
    const cn__conv_geometry *g = op->geometry;
    size_t group = tile / (size_t)g->in_tiles;
    int32_t first = (int32_t)(tile % (size_t)g->in_tiles) * CN__CONV_TILE;
    cn__conv_args args = {
        .in = cn__fmap_plane(op->d_out, block, group * (size_t)g->out).data,
        .in_channel = op->d_out->channel,
        .in_channels = g->out,
        .weights = cn__convolution_backward_weights(op, tile),
        .taps = g->taps,
        .out = cn__fmap_plane(op->d_in[0], block, group * (size_t)g->in + (size_t)first).data,
        .out_channel = op->d_in[0]->channel,
        .out_channels = g->in - first < CN__CONV_TILE ? g->in - first : CN__CONV_TILE,
    };
    for (int32_t j = 0; j < g->backward_jobs; j++) {
        cn__conv_job job = job_share(&g->backward[j], share, shares, accumulate);
        op->kernels->conv(&args, &job);
    }
}

static void input(const cn__op *op, const cn__pass *pass, size_t block, size_t item) {
    const cn__conv_geometry *g = op->geometry;
    size_t shares = input_shares(op, pass);
    if (g->gemm)
        cn__convolution_gemm_input(op, block);
    else if (g->winograd.input)
        cn__convolution_winograd_input(op, pass, block, item);
    else
        input_tile(op, block, item / shares, item % shares, shares, op->accumulate[0]);
}

/* What minimal filtering leaves out: outputs that read an input as what the border repeats. */
static size_t edge_items(const cn__op *op, const cn__pass *pass) {
    const cn__conv_geometry *g = op->geometry;
    bool some = op->d_in[0] && g->winograd.input && g->backward_jobs > 0;
    return some ? (size_t)pass->blocks * cn__convolution_backward_tiles(op) : 0;
}

static void edge(const cn__op *op, const cn__pass *pass, size_t item) {
    size_t tiles = cn__convolution_backward_tiles(op);
    (void)pass;
    input_tile(op, item / tiles, item % tiles, 0, 1, true);
}

/* ---- backward: the weights, block by block, so that each thread reads what it wrote itself ---- */

/* CBLAS adds up all lanes, so it needs every one to hold an image or, with one pixel a line, can leave them out. */
static bool weight_by_gemm(const cn__op *op, const cn__pass *pass) {
    const cn__conv_geometry *g = op->geometry;
    return g->gemm && (out_pixels(op) == 1 || pass->images % CN__LANES == 0);
}

static size_t weight_count(const cn__op *op) {
    const cn__conv_geometry *g = op->geometry;
    return (size_t)op->out->shape.channels * (size_t)g->in * (size_t)g->taps;
}

/* Where, in what a block keeps, the sums of its biases' gradients stand: behind its weights' or alone. */
static size_t bias_place(const cn__op *op) {
    return cn__convolution_sums_apart(op->layer, op->max_blocks) ? weight_count(op) : 0;
}

static bool sums_apart(const cn__op *op, const cn__pass *pass) {
    return pass->blocks > 1 && !weight_by_gemm(op, pass) && cn__convolution_sums_apart(op->layer, op->max_blocks);
}

static int32_t weight_tiles(const cn__op *op) {
    const cn__conv_geometry *g = op->geometry;
    return (g->out + WEIGHT_ROWS - 1) / WEIGHT_ROWS;
}

/* Columns of an item: all, if blocks and tiles give every thread as much to do; else as few, in whole register tiles,
 * as give every thread about four items. */
static int32_t weight_columns(const cn__op *op, const cn__pass *pass) {
    const cn__conv_geometry *g = op->geometry;
    size_t columns = (size_t)g->in * (size_t)g->taps, threads = (size_t)op->ctx->threads;
    size_t items = (size_t)pass->blocks * (size_t)layer_of(op)->groups * (size_t)weight_tiles(op);
    size_t shares = items % threads == 0 ? 1 : (4 * threads + items - 1) / items;
    size_t share = (columns + shares - 1) / shares;
    return (int32_t)((share + WEIGHT_COLUMN - 1) / WEIGHT_COLUMN) * WEIGHT_COLUMN;
}

static size_t weight_shares(const cn__op *op, const cn__pass *pass) {
    const cn__conv_geometry *g = op->geometry;
    int32_t columns = weight_columns(op, pass);
    return (size_t)((g->in * g->taps + columns - 1) / columns);
}

/* Of a block. */
static size_t weight_items(const cn__op *op, const cn__pass *pass) {
    const cn__conv_geometry *g = op->geometry;
    if (g->winograd.weight)
        return cn__convolution_winograd_weight_items(op, pass);
    return (size_t)layer_of(op)->groups * (size_t)weight_tiles(op) * weight_shares(op, pass);
}

/* Into, or to, the sums of all weights. */
static void weight(const cn__op *op, const cn__pass *pass, size_t block, size_t item, float *sums, bool accumulate) {
    const cn__conv_geometry *g = op->geometry;
    const cn__convolution *c = layer_of(op);
    if (g->winograd.weight) {
        cn__convolution_winograd_weight(op, pass, block, item, sums, accumulate);
        return;
    }
    size_t shares = weight_shares(op, pass), tile = item / shares, group = tile / (size_t)weight_tiles(op);
    int32_t columns = g->in * g->taps, chunk = weight_columns(op, pass), column = (int32_t)(item % shares) * chunk;
    int32_t row = (int32_t)(tile % (size_t)weight_tiles(op)) * WEIGHT_ROWS;
    size_t channel = group * (size_t)g->out + (size_t)row;
    cn__conv_weight_args args = {
        .height = op->out->shape.height,
        .width = op->out->shape.width,
        .lanes = cn__pass_lanes(pass, block),
        .dy = cn__fmap_plane(op->d_out, block, channel).data,
        .dy_channel = op->d_out->channel,
        .dy_row = op->d_out->row,
        .rows = g->out - row < WEIGHT_ROWS ? g->out - row : WEIGHT_ROWS,
        .x = cn__fmap_plane(op->in[0], block, group * (size_t)g->in).data,
        .x_row = (size_t)c->stride[0] * op->in[0]->row,
        .x_step = (size_t)c->stride[1] * CN__LANES,
        .column = g->column + column,
        .columns = columns - column < chunk ? columns - column : chunk,
        .out = sums + channel * (size_t)columns + column,
        .out_row = (size_t)columns,
        .accumulate = accumulate,
    };
    op->kernels->conv_weight(&args);
}

static size_t bias_items(const cn__op *op) {
    size_t channels = (size_t)op->out->shape.channels;
    return layer_of(op)->bias ? (channels + CN__CONV_TILE - 1) / CN__CONV_TILE : 0;
}

static void bias(const cn__op *op, const cn__pass *pass, size_t block, size_t item, float *sums) {
    size_t channels = (size_t)op->out->shape.channels, first = item * CN__CONV_TILE;
    for (size_t channel = first; channel < channels && channel < first + CN__CONV_TILE; channel++)
        sums[channel] = op->kernels->plane_sum(cn__fmap_plane(op->d_out, block, channel), op->out->shape.height,
                                               op->out->shape.width, cn__pass_lanes(pass, block));
}

/* One phase for all: a block's items stand together. */
static size_t block_items(const cn__op *op, const cn__pass *pass) {
    size_t weights = sums_apart(op, pass) ? weight_items(op, pass) : 0;
    return (size_t)pass->blocks * (input_items(op, pass) + bias_items(op) + weights);
}

static void block_item(const cn__op *op, const cn__pass *pass, size_t item) {
    size_t inputs = input_items(op, pass), biases = bias_items(op);
    size_t items = block_items(op, pass) / (size_t)pass->blocks, block = item / items, part = item % items;
    if (part < inputs)
        input(op, pass, block, part);
    else if (part - inputs < biases)
        bias(op, pass, block, part - inputs, cn__saved(op, block) + bias_place(op));
    else
        weight(op, pass, block, part - inputs - biases, cn__saved(op, block), false);
}

/* ---- one block by itself ---- */

void cn__convolution_forward_block(const cn__op *op, const cn__pass *pass) {
    for (size_t item = 0; item < forward_items(op, pass); item++)
        forward(op, pass, item);
}

void cn__convolution_backward_block(const cn__op *op, const cn__pass *pass, float *sums) {
    for (size_t item = 0; item < input_items(op, pass); item++)
        input(op, pass, 0, item);
    for (size_t item = 0; item < weight_items(op, pass); item++)
        weight(op, pass, 0, item, sums, false);
    for (size_t item = 0; item < bias_items(op); item++)
        bias(op, pass, 0, item, sums + weight_count(op));
}

/* ---- backward: sums over blocks ---- */

/* to[i] = Σ over blocks of what they keep from `place` on. */
static void sum_kept(const cn__op *op, const cn__pass *pass, size_t place, size_t count, float *to) {
    memcpy(to, cn__saved(op, 0) + place, count * sizeof *to);
    for (size_t block = 1; block < (size_t)pass->blocks; block++) {
        const float *from = cn__saved(op, block) + place;
        for (size_t i = 0; i < count; i++)
            to[i] += from[i];
    }
}

static size_t weight_sum_items(const cn__op *op, const cn__pass *pass) {
    return sums_apart(op, pass) ? (weight_count(op) + SUMS - 1) / SUMS : 0;
}

static size_t sum_items(const cn__op *op, const cn__pass *pass) {
    return weight_sum_items(op, pass) + (layer_of(op)->bias ? 1 : 0);
}

static void sum_blocks(const cn__op *op, const cn__pass *pass, size_t item) {
    size_t first = item * SUMS, left = weight_count(op) - first;
    if (item < weight_sum_items(op, pass))
        sum_kept(op, pass, first, left < SUMS ? left : SUMS, op->gradient[0] + first);
    else
        sum_kept(op, pass, bias_place(op), (size_t)op->out->shape.channels, op->gradient[1]);
}

/* The weights' gradient at once, where blocks have none of their own. */
static size_t whole_items(const cn__op *op, const cn__pass *pass) {
    if (weight_by_gemm(op, pass))
        return out_pixels(op) == 1 ? 0 : (size_t)layer_of(op)->groups;
    return sums_apart(op, pass) ? 0 : weight_items(op, pass);
}

static void whole(const cn__op *op, const cn__pass *pass, size_t item) {
    if (weight_by_gemm(op, pass))
        cn__convolution_gemm_weight(op, pass, item);
    else
        for (size_t block = 0; block < (size_t)pass->blocks; block++)
            weight(op, pass, block, item, op->gradient[0], block > 0);
}

/* The same of layers whose maps stay until the end, see cn__convolution_requirements. */
static size_t late_items(const cn__op *op, const cn__pass *pass) {
    return weight_by_gemm(op, pass) && out_pixels(op) == 1 ? (size_t)layer_of(op)->groups : 0;
}

/* ---- all together ---- */

static cn_status bind(cn__op *op) {
    op->geometry = cn__alloc(op->ctx, 1, sizeof(cn__conv_geometry));
    return op->geometry ? cn__convolution_fill(op) : cn__no_memory("a convolution's index lists");
}

const cn__layer_impl cn__convolution_batch = {
    .requirements = cn__convolution_requirements,
    .bind = bind,
    .unbind = cn__convolution_unbind,
    .prepare = {cn__convolution_pack_items, cn__convolution_pack, CN__SCOPE_DEFERRED},
    .forward = {{forward_items, forward, CN__SCOPE_LOCAL}, {cn__border_items, cn__border, CN__SCOPE_LOCAL}},
    .backward = {{block_items, block_item, CN__SCOPE_LOCAL},
                 {edge_items, edge, CN__SCOPE_LOCAL},
                 {whole_items, whole, CN__SCOPE_GLOBAL},
                 {late_items, whole, CN__SCOPE_DEFERRED},
                 {sum_items, sum_blocks, CN__SCOPE_DEFERRED}},
    .backward_reads_in = true,
};
