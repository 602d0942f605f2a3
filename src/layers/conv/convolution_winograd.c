/* SPDX-License-Identifier: MIT */
/* convolution_winograd.c: 3×3 convolutions of stride 1 by Winograd's F(4×4, 3×3) (Lavin & Gray 2016), where that is
 * less work. An item is a strip of rows of a block of images, the rows whose moments belong together (cn__moment_rows):
 * some of its tiles at a time, as many as the second-level cache holds, are transformed into the thread's scratch and
 * then multiplied by the weights of one block of output channels after the other. */
#include "layers/conv/convolution.h"
#include "layers/conv/winograd_tiles.h"
#include <string.h>

#define MAX_CHANNELS 65536 /* sizes of packed filters and scratch stay far from the end of 32 bits */

/* ---- what it is worth ---- */

/* What passes cost, in vector multiply-adds, as measured with AVX-512; AVX2 gains more. */
#define PRODUCT_COST     41  /* of a pair of channels and a tile, all 36 points */
#define PATCH_COST       440 /* transforms of a channel and a tile */
#define OUTPUT_COST      270
#define GRADIENT_COST    280
#define FINISH_COST      8
#define TAPS_COST        10 /* plain sums: of a pair and a pixel */
#define WEIGHT_TAPS_COST 11 /* the same for weight gradients */

static bool winograd_pays(double in, double out, cn__shape shape) {
    double pixels = (double)shape.height * shape.width;
    return cn__winograd_cost(shape) * (PRODUCT_COST * in * out + PATCH_COST * in + OUTPUT_COST * out) <
           TAPS_COST * pixels * in * out;
}

/* Tiles and output channels that a weight gradient takes at once. */
typedef struct portion {
    int32_t tiles, columns, tile_steps, column_steps;
} portion;

static int32_t steps(int32_t count, int32_t most) {
    return (count + most - 1) / most;
}

static portion weight_portion(int32_t out, cn__shape shape) {
    const int32_t lines = 192, least = 4, most_lines = 512; /* of a point */
    int32_t columns = (int32_t)cn__whole_lines((size_t)out), tiles = cn__winograd_count(shape.height, shape.width);
    int32_t most = lines / columns < least ? least : lines / columns;
    portion p = {.tile_steps = steps(tiles, most < CN__WINOGRAD_MAX_TILES ? most : CN__WINOGRAD_MAX_TILES)};
    p.tiles = steps(tiles, p.tile_steps);
    p.columns = (int32_t)cn__whole_lines((size_t)steps(out, steps(p.tiles * columns, most_lines)));
    p.column_steps = steps(out, p.columns);
    return p;
}

/* Products of input channels come in whole blocks: few of them, as in first layers, are better off with plain sums. */
static bool weight_winograd_pays(int32_t in, int32_t out, cn__shape shape) {
    double pixels = (double)shape.height * shape.width, columns = (double)cn__whole_lines((size_t)out);
    double rows = (double)steps(in, CN__OC_BLOCK) * CN__OC_BLOCK;
    double patches = (double)PATCH_COST * in * weight_portion(out, shape).column_steps;
    double cost = cn__winograd_cost(shape) * (PRODUCT_COST * rows * columns + patches + GRADIENT_COST * columns);
    return cost + FINISH_COST * in * columns < WEIGHT_TAPS_COST * (pixels + 4) * in * out;
}

static bool applies(const cn__conv_problem *problem, cn__conv_pass pass) {
    const cn__convolution *c = (const cn__convolution *)problem->layer;
    cn__shape in = problem->in, out = problem->out;
    for (int d = 0; d < 2; d++)
        if (c->kernel[d] != 3 || c->stride[d] != 1 || c->dilation[d] != 1)
            return false;
    if (c->groups != 1 || c->base.ctx->options.conv_algorithm != CN_CONV_AUTO)
        return false;
    if (in.channels > MAX_CHANNELS || out.channels > MAX_CHANNELS)
        return false;
    switch (pass) {
    case CN__CONV_FORWARD:
        return winograd_pays(in.channels, out.channels, out);
    case CN__CONV_INPUT_GRAD:
        return winograd_pays(out.channels, in.channels, in);
    default:
        return weight_winograd_pays(in.channels, out.channels, out);
    }
}

/* ---- packed weights ---- */

static size_t filter_floats(int32_t summed_channels, int32_t taps) {
    (void)taps;
    return CN__WINOGRAD_FILTERS(summed_channels);
}

static void copy_filter(float to[CN__LANES], const float *from, double scale) {
    if (scale == 1.0)
        memcpy(to, from, 9 * sizeof *to);
    else
        for (int t = 0; t < 9; t++)
            to[t] = (float)((double)from[t] * scale);
}

/* Filters of the block of channels from `first` on, outputs or going backward inputs, two of the channels that are
 * summed over at a time. */
static void transform(const cn__op *op, size_t group, int32_t first, bool backward, const double *scale, float *u) {
    const cn__conv_geometry *g = op->geometry;
    float filters[CN__LANES][CN__LANES] __attribute__((aligned(CN__ALIGN))) = {{0}};
    int32_t rows = backward ? g->in : g->out, summed = backward ? g->out : g->in;
    for (int32_t c = 0; c < summed; c += 2, u += CN__LANES) {
        for (int32_t l = 0; l < CN__LANES; l++) {
            int32_t row = first + l % CN__OC_BLOCK, other = c + l / CN__OC_BLOCK;
            if (row < rows && other < summed)
                copy_filter(filters[l],
                            cn__convolution_filter(op, group, backward ? other : row, backward ? row : other),
                            scale[l % CN__OC_BLOCK]);
        }
        op->kernels->winograd_filter(filters[0], backward, u, CN__WINOGRAD_FILTER_POINT(summed));
    }
}

static void pack_forward(const cn__op *op, size_t group, int32_t first, const double *scale, float *to) {
    transform(op, group, first, false, scale, to);
}

static void pack_input_grad(const cn__op *op, size_t group, int32_t first, float *to) {
    static const double ones[CN__OC_BLOCK] = {1, 1, 1, 1, 1, 1, 1, 1};
    transform(op, group, first, true, ones, to);
}

/* ---- scratch ---- */

/* Tiles at a time when `channels` are summed over. */
static int32_t tiles_at_once(int32_t channels) {
    const int32_t lines = 280; /* of a point */
    return lines / channels < 2 ? 2 : lines / channels > 8 ? 8 : lines / channels;
}

static size_t strip_scratch(int32_t channels) {
    int32_t tiles = tiles_at_once(channels);
    return CN__WINOGRAD_FLOATS(channels, tiles) + CN__WINOGRAD_FLOATS(CN__OC_BLOCK, tiles);
}

/* Scratch of a weight gradient, in floats. */
typedef struct weight_parts {
    size_t columns, patches, sums;
} weight_parts;

/* Sums of one block of input channels, or of all if there are several steps. */
static weight_parts weight_scratch(const cn__conv_geometry *g, portion p) {
    return (weight_parts){
        .columns = CN__WINOGRAD_POINTS * CN__WINOGRAD_COLUMNS(p.columns, p.tiles),
        .patches = CN__WINOGRAD_FLOATS(CN__OC_BLOCK, p.tiles),
        .sums = (p.tile_steps > 1 ? (size_t)g->in_oc_blocks : 1) * CN__WINOGRAD_SUMS(p.columns),
    };
}

static size_t scratch_floats(const cn__conv_geometry *g, cn__shape out, cn__conv_pass pass) {
    if (pass != CN__CONV_WEIGHT_GRAD)
        return strip_scratch(pass == CN__CONV_FORWARD ? g->in : g->out);
    weight_parts parts = weight_scratch(g, weight_portion(g->out, out));
    return parts.columns + parts.patches + parts.sums;
}

/* ---- strips of outputs ---- */

/* Forward, or for the input's gradient. */
typedef struct direction {
    cn__winograd_args args; /* of the first block of output channels */
    cn__shape out;
    size_t block_floats; /* from a block's weights and biases to the next one's */
    int32_t oc_blocks;
} direction;

static cn__winograd_args of_oc_block(const direction *d, const cn__winograd_args *first, int32_t oc_block) {
    cn__winograd_args a = *first;
    size_t channel = (size_t)oc_block * CN__OC_BLOCK;
    int32_t left = d->out.channels - (int32_t)channel;
    a.out_channels = left < CN__OC_BLOCK ? left : CN__OC_BLOCK;
    a.weights += (size_t)oc_block * d->block_floats;
    a.out += channel * a.out_channel;
    if (a.bias)
        a.bias += (size_t)oc_block * d->block_floats;
    if (a.skip)
        a.skip += channel * a.skip_channel;
    if (a.moments)
        a.moments += channel * CN__MOMENT_LINES * CN__LANES;
    return a;
}

static void run_strip(const cn__op *op, const cn__pass *pass, const direction *d, size_t strip, size_t share,
                      size_t shares) {
    cn__winograd_args a = d->args;
    int32_t rows = (int32_t)cn__moment_rows(d->out), y = (int32_t)strip * rows, left = d->out.height - y;
    int32_t height = left < rows ? left : rows, count = cn__winograd_count(height, d->out.width);
    int32_t step = steps(count, steps(count, tiles_at_once(a.tiles.channels)));
    float *v = pass->scratch;
    cn__winograd_cut(&a.tiles, height, d->out.width);
    a.tiles.first[0] += y;
    a.v = v;
    a.m = v + CN__WINOGRAD_FLOATS(a.tiles.channels, step);
    a.out += (size_t)y * a.out_row;
    a.skip = a.skip ? a.skip + (size_t)y * a.skip_row : NULL;
    a.out_height = height;
    a.out_width = d->out.width;
    for (a.tiles.tile = 0; a.tiles.tile < count; a.tiles.tile += step) {
        a.tiles.count = count - a.tiles.tile < step ? count - a.tiles.tile : step;
        a.add_moments = a.tiles.tile > 0;
        op->kernels->winograd_input(&a.tiles, v);
        for (int32_t b = (int32_t)((size_t)d->oc_blocks * share / shares);
             b < (int32_t)((size_t)d->oc_blocks * (share + 1) / shares); b++) {
            cn__winograd_args one = of_oc_block(d, &a, b);
            op->kernels->winograd_conv(&one);
        }
    }
}

/* The padded input, as the kernel sees it. */
static cn__winograd_tiles input_tiles(const cn__op *op, size_t block) {
    const cn__convolution *c = (const cn__convolution *)op->layer;
    const cn__fmap *in = op->in[0];
    return (cn__winograd_tiles){
        .data = cn__fmap_plane(in, block, 0).data - (size_t)c->padding[0] * in->row - (size_t)c->padding[1] * CN__LANES,
        .channel = in->channel,
        .row = in->row,
        .images = 1,
        .channels = in->shape.channels,
        .height = op->out->shape.height + 2,
        .width = op->out->shape.width + 2,
    };
}

/* (strip, share of the blocks of output channels). */
static cn__grid forward_grid(const cn__op *op, const cn__pass *pass) {
    const cn__conv_geometry *g = op->geometry;
    size_t strips = cn__moment_shares(op->out->shape);
    return (cn__grid){strips, cn__convolution_channel_shares(op, (size_t)pass->blocks * strips, g->out_oc_blocks)};
}

static void forward(const cn__op *op, const cn__pass *pass, cn__item at) {
    const cn__conv_geometry *g = op->geometry;
    const cn__fmap *out = op->out, *skip = op->post.skip;
    direction d = {.out = out->shape, .block_floats = g->forward_block_floats, .oc_blocks = g->out_oc_blocks};
    d.args = (cn__winograd_args){.tiles = input_tiles(op, at.block),
                                 .weights = cn__convolution_forward_filters(op, 0),
                                 .bias = cn__convolution_bias(op, 0),
                                 .out = cn__fmap_plane(out, at.block, 0).data,
                                 .out_channel = out->channel,
                                 .out_row = out->row,
                                 .relu = op->post.relu};
    if (skip) {
        d.args.skip = cn__fmap_plane(skip, at.block, 0).data;
        d.args.skip_channel = skip->channel;
        d.args.skip_row = skip->row;
    }
    if (cn__convolution_gathers(op, pass))
        d.args.moments = cn__moments_of(op, out->shape, at.block, at.outer, 0);
    run_strip(op, pass, &d, at.outer, at.inner, forward_grid(op, pass).inner);
}

/* ---- the input's gradient: a convolution of the output's, zeros around it, with the filters rotated by 180° ---- */

static cn__grid input_grid(const cn__op *op, const cn__pass *pass) {
    const cn__conv_geometry *g = op->geometry;
    size_t strips = cn__moment_shares(op->in[0]->shape);
    return (cn__grid){strips, cn__convolution_channel_shares(op, (size_t)pass->blocks * strips, g->in_oc_blocks)};
}

static cn__winograd_tiles gradient_tiles(const cn__op *op, size_t block) {
    const cn__fmap *d_out = op->d_out;
    return (cn__winograd_tiles){.data = cn__fmap_plane(d_out, block, 0).data,
                                .channel = d_out->channel,
                                .row = d_out->row,
                                .images = 1,
                                .channels = d_out->shape.channels,
                                .height = d_out->shape.height,
                                .width = d_out->shape.width};
}

static void input_grad(const cn__op *op, const cn__pass *pass, cn__item at) {
    const cn__convolution *c = (const cn__convolution *)op->layer;
    const cn__conv_geometry *g = op->geometry;
    const cn__fmap *d_in = op->d_in[0];
    direction d = {.out = d_in->shape, .block_floats = g->input_block_floats, .oc_blocks = g->in_oc_blocks};
    d.args = (cn__winograd_args){.tiles = gradient_tiles(op, at.block),
                                 .weights = cn__convolution_input_filters(op, 0),
                                 .out = cn__fmap_plane(d_in, at.block, 0).data,
                                 .out_channel = d_in->channel,
                                 .out_row = d_in->row,
                                 .accumulate = op->accumulate[0]};
    for (int i = 0; i < 2; i++)
        d.args.tiles.first[i] = c->padding[i] - 2;
    run_strip(op, pass, &d, at.outer, at.inner, input_grid(op, pass).inner);
}

/* ---- the weights ---- */

/* (share of the blocks of input channels). */
static cn__grid weight_grid(const cn__op *op, const cn__pass *pass) {
    const cn__conv_geometry *g = op->geometry;
    return (cn__grid){cn__convolution_channel_shares(op, (size_t)pass->blocks, g->in_oc_blocks), 1};
}

/* A block of input channels and the portion of output channels from `column` on, with the tiles that args holds. */
static void weight_block(const cn__op *op, size_t block, int32_t column, int32_t ic_block,
                         cn__winograd_weight_args args, float *v, float *gradient) {
    const cn__conv_geometry *g = op->geometry;
    cn__shape out = op->out->shape;
    cn__winograd_tiles x = input_tiles(op, block);
    int32_t channel = ic_block * CN__OC_BLOCK;
    size_t row_floats = cn__whole_lines((size_t)args.columns);
    x.data += (size_t)channel * x.channel;
    x.channels = g->in - channel < CN__OC_BLOCK ? g->in - channel : CN__OC_BLOCK;
    cn__winograd_cut(&x, out.height, out.width);
    x.tile = args.tiles.tile;
    x.count = args.tiles.count;
    op->kernels->winograd_input(&x, v);
    args.v = v;
    args.rows = x.channels;
    args.accumulate = x.tile > 0;
    op->kernels->winograd_weight(&args);
    if (x.tile + x.count == cn__winograd_count(out.height, out.width))
        op->kernels->winograd_weight_finish(args.sums, row_floats, CN__OC_BLOCK * row_floats, args.rows, args.columns,
                                            gradient + ((size_t)column * (size_t)g->in + (size_t)channel) * 9,
                                            (size_t)g->in * 9, false);
}

static int32_t first_ic_block(const cn__op *op, const cn__pass *pass, size_t share) {
    const cn__conv_geometry *g = op->geometry;
    return (int32_t)((size_t)g->in_oc_blocks * share / weight_grid(op, pass).outer);
}

static cn__conv_area weight_area(const cn__op *op, const cn__pass *pass, cn__item at) {
    const cn__conv_geometry *g = op->geometry;
    size_t in = (size_t)g->in, first = (size_t)first_ic_block(op, pass, at.outer) * CN__OC_BLOCK,
           end = (size_t)first_ic_block(op, pass, at.outer + 1) * CN__OC_BLOCK;
    return (cn__conv_area){9 * first, (size_t)g->out, 9 * ((end < in ? end : in) - first), 9 * in};
}

static void weight_grad(const cn__op *op, const cn__pass *pass, cn__item at, float *sums) {
    const cn__conv_geometry *g = op->geometry;
    cn__shape out = op->out->shape;
    int32_t first = first_ic_block(op, pass, at.outer), end = first_ic_block(op, pass, at.outer + 1);
    portion p = weight_portion(g->out, out);
    weight_parts parts = weight_scratch(g, p);
    int32_t count = cn__winograd_count(out.height, out.width);
    float *d = pass->scratch, *v = d + parts.columns, *points = v + parts.patches;
    cn__winograd_tiles dy = gradient_tiles(op, at.block);
    cn__winograd_cut(&dy, out.height, out.width);
    for (int32_t column = 0; column < g->out; column += p.columns) {
        dy.channels = g->out - column < p.columns ? g->out - column : p.columns;
        for (dy.tile = 0; dy.tile < count; dy.tile += p.tiles) {
            dy.count = count - dy.tile < p.tiles ? count - dy.tile : p.tiles;
            op->kernels->winograd_gradient(&dy, d);
            for (int32_t b = first; b < end; b++) {
                cn__winograd_weight_args args = {.tiles = dy,
                                                 .lanes = cn__pass_lanes(pass, at.block),
                                                 .d = d,
                                                 .columns = dy.channels,
                                                 .sums = points};
                args.sums += p.tile_steps > 1 ? (size_t)b * CN__WINOGRAD_SUMS(p.columns) : 0;
                weight_block(op, at.block, column, b, args, v, sums);
            }
        }
        dy.data += (size_t)p.columns * dy.channel;
    }
}

const cn__conv_algorithm cn__convolution_winograd = {
    .name = "winograd",
    .oc_block = CN__OC_BLOCK,
    .applies = applies,
    .zero_border = true,
    .filter_floats = filter_floats,
    .pack_forward = pack_forward,
    .pack_input_grad = pack_input_grad,
    .scratch_floats = scratch_floats,
    .forward_grid = forward_grid,
    .forward = forward,
    .input_grid = input_grid,
    .input_grad = input_grad,
    .weight_grid = weight_grid,
    .weight_grad = weight_grad,
    .weight_area = weight_area,
};
