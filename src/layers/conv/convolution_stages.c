/* convolution_stages.c: a convolution's passes. Items are (block, tile of channels, share of the pixels) forward and
 * for the input's gradient, (block, tile of channels, share of the columns) for the weights'. */
#include "layers/conv/convolution.h"
#include <string.h>

#define LEAST_PIXELS  48   /* that make an item */
#define WEIGHT_ROWS   8    /* of an item of the weight gradient */
#define WEIGHT_COLUMN 6    /* columns of its register tile */
#define SUMS          4096 /* over blocks, that make an item */

static const cn__convolution *layer_of(const cn__work *work) {
    return (const cn__convolution *)work->layer;
}

/* ---- sharing out pixels ---- */

/* Shares that each tile's pixels are cut into: one where blocks and tiles already give every thread as much to do. */
static size_t pixel_shares(const cn__work *work, size_t items, size_t pixels) {
    size_t threads = (size_t)work->ctx->threads;
    if (items % threads == 0 || pixels < 2 * LEAST_PIXELS)
        return 1;
    size_t shares = (4 * threads + items - 1) / items, most = pixels / LEAST_PIXELS;
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

static size_t out_pixels(const cn__work *work) {
    return (size_t)work->out->shape.height * (size_t)work->out->shape.width;
}

bool cn__convolution_gathers(const cn__work *work, const cn__run *run) {
    return work->moments && work->norm->ops->wants_moments(work->norm, run->training);
}

static size_t forward_shares(const cn__work *work, const cn__run *run) {
    return cn__convolution_gathers(work, run)
               ? cn__moment_shares(work->out->shape)
               : pixel_shares(work, (size_t)run->blocks * cn__convolution_forward_tiles(work), out_pixels(work));
}

static size_t forward_items(const cn__work *work, const cn__run *run) {
    const cn__conv_geometry *g = work->geometry;
    size_t blocks = (size_t)run->blocks;
    if (g->gemm)
        return blocks;
    if (g->winograd.forward)
        return blocks * cn__convolution_winograd_forward_items(work, run);
    return blocks * cn__convolution_forward_tiles(work) * forward_shares(work, run);
}

static void forward_tile(const cn__work *work, const cn__run *run, size_t block, size_t tile, size_t share) {
    const cn__conv_geometry *g = work->geometry;
    size_t group = tile / (size_t)g->out_tiles;
    int32_t first = (int32_t)(tile % (size_t)g->out_tiles) * CN__CONV_TILE;
    size_t channel = group * (size_t)g->out + (size_t)first;
    cn__conv_args args = {
        .in = cn__map_plane(work->in[0], block, group * (size_t)g->in).data,
        .in_channel = work->in[0]->channel,
        .in_channels = g->in,
        .weights = cn__convolution_forward_weights(work, tile),
        .taps = g->taps,
        .bias = cn__convolution_bias(work, tile),
        .relu = work->fused.relu,
        .out = cn__map_plane(work->out, block, channel).data,
        .out_channel = work->out->channel,
        .out_channels = g->out - first < CN__CONV_TILE ? g->out - first : CN__CONV_TILE,
    };
    if (work->fused.skip) {
        args.skip = cn__map_plane(work->fused.skip, block, channel).data;
        args.skip_channel = work->fused.skip->channel;
    }
    bool gathers = cn__convolution_gathers(work, run);
    if (gathers)
        args.moments = cn__moments_of(work, work->out->shape, block, share, channel);
    cn__conv_job job = gathers ? job_rows(&g->forward, work->out->shape, share)
                               : job_share(&g->forward, share, forward_shares(work, run), false);
    work->kernels->conv(&args, &job);
}

static void forward(const cn__work *work, const cn__run *run, size_t item) {
    const cn__conv_geometry *g = work->geometry;
    if (g->gemm) {
        cn__convolution_gemm_forward(work, item);
        return;
    }
    if (g->winograd.forward) {
        size_t items = cn__convolution_winograd_forward_items(work, run);
        cn__convolution_winograd_forward(work, run, item / items, item % items);
        return;
    }
    size_t shares = forward_shares(work, run), tiles = cn__convolution_forward_tiles(work);
    forward_tile(work, run, item / shares / tiles, item / shares % tiles, item % shares);
}

size_t cn__convolution_border_items(const cn__work *work, const cn__run *run) {
    return work->out->pad[0] || work->out->pad[1] ? cn__items_out_planes(work, run) : 0;
}

void cn__convolution_border(const cn__work *work, const cn__run *run, size_t item) {
    size_t channels = (size_t)work->out->shape.channels;
    (void)run;
    cn__map_border(work->out, item / channels, item % channels);
}

/* ---- backward: the input ---- */

static size_t input_shares(const cn__work *work, const cn__run *run) {
    const cn__shape in = work->in[0]->shape;
    return pixel_shares(work, (size_t)run->blocks * cn__convolution_backward_tiles(work),
                        (size_t)in.height * (size_t)in.width);
}

/* Of a block. */
static size_t input_items(const cn__work *work, const cn__run *run) {
    const cn__conv_geometry *g = work->geometry;
    if (!work->d_in[0])
        return 0;
    if (g->winograd.input)
        return cn__convolution_winograd_input_items(work, run);
    return g->gemm ? 1 : cn__convolution_backward_tiles(work) * input_shares(work, run);
}

static void input_tile(const cn__work *work, size_t block, size_t tile, size_t share, size_t shares, bool accumulate) {
    const cn__conv_geometry *g = work->geometry;
    size_t group = tile / (size_t)g->in_tiles;
    int32_t first = (int32_t)(tile % (size_t)g->in_tiles) * CN__CONV_TILE;
    cn__conv_args args = {
        .in = cn__map_plane(work->d_out, block, group * (size_t)g->out).data,
        .in_channel = work->d_out->channel,
        .in_channels = g->out,
        .weights = cn__convolution_backward_weights(work, tile),
        .taps = g->taps,
        .out = cn__map_plane(work->d_in[0], block, group * (size_t)g->in + (size_t)first).data,
        .out_channel = work->d_in[0]->channel,
        .out_channels = g->in - first < CN__CONV_TILE ? g->in - first : CN__CONV_TILE,
    };
    for (int32_t j = 0; j < g->backward_jobs; j++) {
        cn__conv_job job = job_share(&g->backward[j], share, shares, accumulate);
        work->kernels->conv(&args, &job);
    }
}

static void input(const cn__work *work, const cn__run *run, size_t block, size_t item) {
    const cn__conv_geometry *g = work->geometry;
    size_t shares = input_shares(work, run);
    if (g->gemm)
        cn__convolution_gemm_input(work, block);
    else if (g->winograd.input)
        cn__convolution_winograd_input(work, run, block, item);
    else
        input_tile(work, block, item / shares, item % shares, shares, work->accumulate[0]);
}

/* What minimal filtering leaves out: outputs that read an input as what the border repeats. */
static size_t edge_items(const cn__work *work, const cn__run *run) {
    const cn__conv_geometry *g = work->geometry;
    bool some = work->d_in[0] && g->winograd.input && g->backward_jobs > 0;
    return some ? (size_t)run->blocks * cn__convolution_backward_tiles(work) : 0;
}

static void edge(const cn__work *work, const cn__run *run, size_t item) {
    size_t tiles = cn__convolution_backward_tiles(work);
    (void)run;
    input_tile(work, item / tiles, item % tiles, 0, 1, true);
}

/* ---- backward: the weights, block by block, so that each thread reads what it wrote itself ---- */

/* CBLAS adds up all lanes, so it needs every one to hold an image or, with one pixel a line, can leave them out. */
static bool weight_by_gemm(const cn__work *work, const cn__run *run) {
    const cn__conv_geometry *g = work->geometry;
    return g->gemm && (out_pixels(work) == 1 || run->images % CN__LANES == 0);
}

static size_t weight_count(const cn__work *work) {
    const cn__conv_geometry *g = work->geometry;
    return (size_t)work->out->shape.channels * (size_t)g->in * (size_t)g->taps;
}

/* Where, in what a block keeps, the sums of its biases' gradients stand: behind its weights' or alone. */
static size_t bias_place(const cn__work *work) {
    return cn__convolution_sums_apart(work->layer, work->max_blocks) ? weight_count(work) : 0;
}

static bool sums_apart(const cn__work *work, const cn__run *run) {
    return run->blocks > 1 && !weight_by_gemm(work, run) && cn__convolution_sums_apart(work->layer, work->max_blocks);
}

static int32_t weight_tiles(const cn__work *work) {
    const cn__conv_geometry *g = work->geometry;
    return (g->out + WEIGHT_ROWS - 1) / WEIGHT_ROWS;
}

/* Columns of an item: all, if blocks and tiles give every thread as much to do; else as few, in whole register tiles,
 * as give every thread about four items. */
static int32_t weight_columns(const cn__work *work, const cn__run *run) {
    const cn__conv_geometry *g = work->geometry;
    size_t columns = (size_t)g->in * (size_t)g->taps, threads = (size_t)work->ctx->threads;
    size_t items = (size_t)run->blocks * (size_t)layer_of(work)->groups * (size_t)weight_tiles(work);
    size_t shares = items % threads == 0 ? 1 : (4 * threads + items - 1) / items;
    size_t share = (columns + shares - 1) / shares;
    return (int32_t)((share + WEIGHT_COLUMN - 1) / WEIGHT_COLUMN) * WEIGHT_COLUMN;
}

static size_t weight_shares(const cn__work *work, const cn__run *run) {
    const cn__conv_geometry *g = work->geometry;
    int32_t columns = weight_columns(work, run);
    return (size_t)((g->in * g->taps + columns - 1) / columns);
}

/* Of a block. */
static size_t weight_items(const cn__work *work, const cn__run *run) {
    const cn__conv_geometry *g = work->geometry;
    if (g->winograd.weight)
        return cn__convolution_winograd_weight_items(work, run);
    return (size_t)layer_of(work)->groups * (size_t)weight_tiles(work) * weight_shares(work, run);
}

/* Into, or to, the sums of all weights. */
static void weight(const cn__work *work, const cn__run *run, size_t block, size_t item, float *sums, bool accumulate) {
    const cn__conv_geometry *g = work->geometry;
    const cn__convolution *c = layer_of(work);
    if (g->winograd.weight) {
        cn__convolution_winograd_weight(work, run, block, item, sums, accumulate);
        return;
    }
    size_t shares = weight_shares(work, run), tile = item / shares, group = tile / (size_t)weight_tiles(work);
    int32_t columns = g->in * g->taps, chunk = weight_columns(work, run), column = (int32_t)(item % shares) * chunk;
    int32_t row = (int32_t)(tile % (size_t)weight_tiles(work)) * WEIGHT_ROWS;
    size_t channel = group * (size_t)g->out + (size_t)row;
    cn__conv_weight_args args = {
        .height = work->out->shape.height,
        .width = work->out->shape.width,
        .lanes = cn__run_lanes(run, block),
        .dy = cn__map_plane(work->d_out, block, channel).data,
        .dy_channel = work->d_out->channel,
        .dy_row = work->d_out->row,
        .rows = g->out - row < WEIGHT_ROWS ? g->out - row : WEIGHT_ROWS,
        .x = cn__map_plane(work->in[0], block, group * (size_t)g->in).data,
        .x_row = (size_t)c->stride[0] * work->in[0]->row,
        .x_step = (size_t)c->stride[1] * CN__LANES,
        .column = g->column + column,
        .columns = columns - column < chunk ? columns - column : chunk,
        .out = sums + channel * (size_t)columns + column,
        .out_row = (size_t)columns,
        .accumulate = accumulate,
    };
    work->kernels->conv_weight(&args);
}

static size_t bias_items(const cn__work *work) {
    size_t channels = (size_t)work->out->shape.channels;
    return layer_of(work)->bias ? (channels + CN__CONV_TILE - 1) / CN__CONV_TILE : 0;
}

static void bias(const cn__work *work, const cn__run *run, size_t block, size_t item, float *sums) {
    size_t channels = (size_t)work->out->shape.channels, first = item * CN__CONV_TILE;
    for (size_t channel = first; channel < channels && channel < first + CN__CONV_TILE; channel++)
        sums[channel] = work->kernels->plane_sum(cn__map_plane(work->d_out, block, channel), work->out->shape.height,
                                                 work->out->shape.width, cn__run_lanes(run, block));
}

/* One phase for all: a block's items stand together. */
static size_t block_items(const cn__work *work, const cn__run *run) {
    size_t weights = sums_apart(work, run) ? weight_items(work, run) : 0;
    return (size_t)run->blocks * (input_items(work, run) + bias_items(work) + weights);
}

static void block_item(const cn__work *work, const cn__run *run, size_t item) {
    size_t inputs = input_items(work, run), biases = bias_items(work);
    size_t items = block_items(work, run) / (size_t)run->blocks, block = item / items, part = item % items;
    if (part < inputs)
        input(work, run, block, part);
    else if (part - inputs < biases)
        bias(work, run, block, part - inputs, cn__kept(work, block) + bias_place(work));
    else
        weight(work, run, block, part - inputs - biases, cn__kept(work, block), false);
}

/* ---- one block by itself ---- */

void cn__convolution_forward_block(const cn__work *work, const cn__run *run) {
    for (size_t item = 0; item < forward_items(work, run); item++)
        forward(work, run, item);
}

void cn__convolution_backward_block(const cn__work *work, const cn__run *run, float *sums) {
    for (size_t item = 0; item < input_items(work, run); item++)
        input(work, run, 0, item);
    for (size_t item = 0; item < weight_items(work, run); item++)
        weight(work, run, 0, item, sums, false);
    for (size_t item = 0; item < bias_items(work); item++)
        bias(work, run, 0, item, sums + weight_count(work));
}

/* ---- backward: sums over blocks ---- */

/* to[i] = Σ over blocks of what they keep from `place` on. */
static void sum_kept(const cn__work *work, const cn__run *run, size_t place, size_t count, float *to) {
    memcpy(to, cn__kept(work, 0) + place, count * sizeof *to);
    for (size_t block = 1; block < (size_t)run->blocks; block++) {
        const float *from = cn__kept(work, block) + place;
        for (size_t i = 0; i < count; i++)
            to[i] += from[i];
    }
}

static size_t weight_sum_items(const cn__work *work, const cn__run *run) {
    return sums_apart(work, run) ? (weight_count(work) + SUMS - 1) / SUMS : 0;
}

static size_t sum_items(const cn__work *work, const cn__run *run) {
    return weight_sum_items(work, run) + (layer_of(work)->bias ? 1 : 0);
}

static void sum_blocks(const cn__work *work, const cn__run *run, size_t item) {
    size_t first = item * SUMS, left = weight_count(work) - first;
    if (item < weight_sum_items(work, run))
        sum_kept(work, run, first, left < SUMS ? left : SUMS, work->gradient[0] + first);
    else
        sum_kept(work, run, bias_place(work), (size_t)work->out->shape.channels, work->gradient[1]);
}

/* The weights' gradient at once, where blocks have none of their own. */
static size_t whole_items(const cn__work *work, const cn__run *run) {
    if (weight_by_gemm(work, run))
        return out_pixels(work) == 1 ? 0 : (size_t)layer_of(work)->groups;
    return sums_apart(work, run) ? 0 : weight_items(work, run);
}

static void whole(const cn__work *work, const cn__run *run, size_t item) {
    if (weight_by_gemm(work, run))
        cn__convolution_gemm_weight(work, run, item);
    else
        for (size_t block = 0; block < (size_t)run->blocks; block++)
            weight(work, run, block, item, work->gradient[0], block > 0);
}

/* The same of layers whose maps stay until the end, see cn__convolution_demand. */
static size_t late_items(const cn__work *work, const cn__run *run) {
    return weight_by_gemm(work, run) && out_pixels(work) == 1 ? (size_t)layer_of(work)->groups : 0;
}

const cn__phase cn__convolution_forward[] = {{forward_items, forward, CN__LOCAL},
                                             {cn__convolution_border_items, cn__convolution_border, CN__LOCAL},
                                             {NULL, NULL, CN__LOCAL}};
const cn__phase cn__convolution_backward[] = {{block_items, block_item, CN__LOCAL},  {edge_items, edge, CN__LOCAL},
                                              {whole_items, whole, CN__GLOBAL},      {late_items, whole, CN__DEFERRED},
                                              {sum_items, sum_blocks, CN__DEFERRED}, {NULL, NULL, CN__LOCAL}};
