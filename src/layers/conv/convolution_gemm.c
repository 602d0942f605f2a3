/* SPDX-License-Identifier: MIT */
/* convolution_gemm.c: linear layers, and 1×1 convolutions of one pixel, as products of matrices over all blocks at once,
 * so that each weight is read once for all images: Y = W · X, dX = Wᵀ · dY, dW = dY · Xᵀ. In the first two, lines are
 * images; in the third they are input channels, and X is transposed first.
 *
 * A plan without a backward pass packs the weights, with a norm folded in; one that trains packs them as it goes, which
 * costs as much as it would in advance, and no memory. */
#include "layers/conv/convolution.h"
#include <string.h>

#define MANY         16384 /* weights of a group: from here on it is worth it */
#define ITEM_ROWS    240   /* at most */
#define ITEM_LINES   16    /* of input channels that an item of the weights' gradient takes, at most */
#define IMAGE_BLOCKS 16    /* that are transposed at a time */
#define IMAGES       (IMAGE_BLOCKS * CN__LANES)

static const cn__convolution *layer_of(const cn__op *op) {
    return (const cn__convolution *)op->layer;
}

static size_t smaller(size_t a, size_t b) {
    return a < b ? a : b;
}

static bool applies(const cn__conv_problem *problem, cn__conv_pass pass) {
    const cn__convolution *c = (const cn__convolution *)problem->layer;
    cn_conv_algorithm asked = c->base.ctx->options.conv_algorithm;
    bool one_pixel = problem->in.height * problem->in.width == 1 && problem->out.height * problem->out.width == 1;
    bool many = (int64_t)(c->in_channels / c->groups) * (c->out_channels / c->groups) >= MANY;
    (void)pass;
    return one_pixel && c->kernel[0] == 1 && c->kernel[1] == 1 &&
           (asked == CN_CONV_GEMM || (asked == CN_CONV_AUTO && many));
}

/* ---- memory ---- */

static size_t filter_floats(int32_t summed_channels, int32_t taps) {
    return cn__whole_lines((size_t)(summed_channels * taps) * CN__GEMM_ROWS);
}

static size_t scratch_floats(const cn__conv_geometry *geometry, cn__shape out, cn__conv_pass pass) {
    (void)geometry;
    (void)out;
    return CN__GEMM_WORK + (pass == CN__CONV_WEIGHT_GRAD ? ITEM_LINES * CN__LANES * IMAGES : 0);
}

/* Of a group, from output channel `first` on. */
static cn__gemm_operand weights(const cn__op *op, size_t group, size_t first) {
    const cn__conv_geometry *g = op->geometry;
    return (cn__gemm_operand){cn__convolution_filter(op, group, (int32_t)first, 0), (size_t)g->in, 1, CN__LANES};
}

static void pack_forward(const cn__op *op, size_t group, int32_t first, const double *scale, float *to) {
    const cn__conv_geometry *g = op->geometry;
    cn__gemm_operand w = weights(op, group, (size_t)first);
    op->kernels->gemm_pack(&w, (int32_t)smaller((size_t)(g->out - first), CN__GEMM_ROWS), g->in, to, 0);
    for (size_t i = 0; op->folded && i < (size_t)g->in; i++)
        for (size_t r = 0; r < CN__GEMM_ROWS; r++)
            to[i * CN__GEMM_ROWS + r] = (float)((double)to[i * CN__GEMM_ROWS + r] * scale[r]);
}

/* ---- shares: whole panels of rows, or lines, about as many in each ---- */

/* A few items for each thread, none of more than `most` units. */
static size_t item_count(const cn__op *op, size_t units, size_t most) {
    size_t items = op->ctx->threads > 1 ? 4 * (size_t)op->ctx->threads : 1, least = (units + most - 1) / most;
    return items < least ? least : smaller(items, units);
}

/* (group, share of its rows). */
static cn__grid row_grid(const cn__op *op, size_t rows) {
    size_t panels = (rows + CN__GEMM_ROWS - 1) / CN__GEMM_ROWS;
    return (cn__grid){(size_t)layer_of(op)->groups, item_count(op, panels, ITEM_ROWS / CN__GEMM_ROWS)};
}

/* Where share `item` of a group's rows begins; where the last ends if there is no such item. */
static size_t first_row(const cn__op *op, size_t rows, size_t item) {
    size_t panels = (rows + CN__GEMM_ROWS - 1) / CN__GEMM_ROWS;
    return smaller(item * panels / row_grid(op, rows).inner * CN__GEMM_ROWS, rows);
}

/* ---- Y = W · X + bias ---- */

static cn__grid forward_grid(const cn__op *op, const cn__pass *pass) {
    const cn__conv_geometry *g = op->geometry;
    (void)pass;
    return row_grid(op, (size_t)g->out);
}

static void begin_with_bias(const cn__op *op, const cn__pass *pass, size_t channel) {
    double scale, shift;
    cn__convolution_factors(op, channel, &scale, &shift);
    for (size_t block = 0; block < (size_t)pass->blocks; block++) {
        float *y = cn__fmap_plane(op->out, block, channel).data;
        for (size_t lane = 0; lane < CN__LANES; lane++)
            y[lane] = (float)shift;
    }
}

static void finish(const cn__op *op, const cn__pass *pass, size_t block, size_t channel) {
    cn__plane y = cn__fmap_plane(op->out, block, channel);
    cn__pointwise_args post = {.height = 1, .width = 1, .x = y, .y = y, .relu = op->post.relu};
    if (op->post.skip)
        post.skip = cn__fmap_plane(op->post.skip, block, channel);
    if (op->post.skip || op->post.relu)
        op->kernels->pointwise(&post);
    if (cn__convolution_gathers(op, pass)) {
        float *moments = cn__moments_of(op, op->out->shape, block, 0, channel);
        memset(moments, 0, CN__MOMENT_LINES * CN__LANES * sizeof *moments);
        memcpy(moments + CN__MOMENT_PIVOT * CN__LANES, y.data, CN__LANES * sizeof *moments);
    }
}

static void forward(const cn__op *op, const cn__pass *pass, cn__item at) {
    const cn__conv_geometry *g = op->geometry;
    size_t group = at.outer, first = first_row(op, (size_t)g->out, at.inner);
    size_t rows = first_row(op, (size_t)g->out, at.inner + 1) - first, channel = group * (size_t)g->out + first;
    size_t oc_block = group * (size_t)g->out_oc_blocks + first / CN__GEMM_ROWS;
    for (size_t r = 0; r < rows; r++)
        begin_with_bias(op, pass, channel + r);
    op->kernels->gemm(&(cn__gemm_args){
        .rows = (int32_t)rows,
        .columns = pass->blocks * CN__LANES,
        .terms = g->in,
        .packed = op->training ? NULL : cn__convolution_forward_filters(op, oc_block),
        .panel = g->forward_block_floats,
        .a = weights(op, group, first),
        .work = pass->scratch,
        .b = cn__fmap_plane(op->in[0], 0, group * (size_t)g->in).data,
        .b_term = op->in[0]->channel,
        .b_line = op->in[0]->block,
        .c = cn__fmap_plane(op->out, 0, channel).data,
        .c_row = op->out->channel,
        .c_line = op->out->block,
        .accumulate = true,
    });
    for (size_t block = 0; block < (size_t)pass->blocks; block++)
        for (size_t r = 0; r < rows; r++)
            finish(op, pass, block, channel + r);
}

/* ---- dX (+)= Wᵀ · dY ---- */

static cn__grid input_grid(const cn__op *op, const cn__pass *pass) {
    const cn__conv_geometry *g = op->geometry;
    (void)pass;
    return row_grid(op, (size_t)g->in);
}

static void input_grad(const cn__op *op, const cn__pass *pass, cn__item at) {
    const cn__conv_geometry *g = op->geometry;
    const cn__fmap *d_in = op->d_in[0], *d_out = op->d_out;
    size_t group = at.outer, in = (size_t)g->in, first = first_row(op, in, at.inner);
    op->kernels->gemm(&(cn__gemm_args){
        .rows = (int32_t)(first_row(op, in, at.inner + 1) - first),
        .columns = pass->blocks * CN__LANES,
        .terms = g->out,
        .a = {cn__convolution_filter(op, group, 0, (int32_t)first), 1, in, CN__LANES * in},
        .work = pass->scratch,
        .b = cn__fmap_plane(d_out, 0, group * (size_t)g->out).data,
        .b_term = d_out->channel,
        .b_line = d_out->block,
        .c = cn__fmap_plane(d_in, 0, group * in + first).data,
        .c_row = d_in->channel,
        .c_line = d_in->block,
        .accumulate = op->accumulate[0],
    });
}

/* ---- dW = dY · Xᵀ, terms in the order of the images: (group, share of the input channels) ---- */

static size_t in_lines(const cn__op *op) {
    const cn__conv_geometry *g = op->geometry;
    return cn__whole_lines((size_t)g->in) / CN__LANES;
}

static cn__grid weight_grid(const cn__op *op, const cn__pass *pass) {
    (void)pass;
    return (cn__grid){(size_t)layer_of(op)->groups, item_count(op, in_lines(op), ITEM_LINES)};
}

static size_t first_channel(const cn__op *op, size_t item) {
    const cn__conv_geometry *g = op->geometry;
    return smaller(item * in_lines(op) / item_count(op, in_lines(op), ITEM_LINES) * CN__LANES, (size_t)g->in);
}

/* Channels first … of blocks block … to [line of channels][image][CN__LANES]. */
static void transpose(const cn__op *op, size_t block, size_t blocks, size_t first, size_t channels, float *to) {
    const cn__fmap *in = op->in[0];
    for (size_t i = 0; i < channels; i += CN__LANES)
        for (size_t b = 0; b < blocks; b++)
            op->kernels->gemm_transpose(cn__fmap_plane(in, block + b, first + i).data, in->channel,
                                        (int32_t)smaller(channels - i, CN__LANES),
                                        to + (i * IMAGES + b * CN__LANES * CN__LANES));
}

static void weight_grad(const cn__op *op, const cn__pass *pass, cn__item at, float *sums) {
    const cn__conv_geometry *g = op->geometry;
    const cn__fmap *d_out = op->d_out;
    size_t group = at.outer, in = (size_t)g->in, first = first_channel(op, at.inner);
    size_t channels = first_channel(op, at.inner + 1) - first, blocks = (size_t)pass->blocks;
    float *lines = pass->scratch + CN__GEMM_WORK;
    for (size_t block = 0; block < blocks; block += IMAGE_BLOCKS) {
        size_t images = (size_t)pass->images - block * CN__LANES;
        transpose(op, block, smaller(blocks - block, IMAGE_BLOCKS), group * in + first, channels, lines);
        op->kernels->gemm(&(cn__gemm_args){
            .rows = g->out,
            .columns = (int32_t)channels,
            .terms = (int32_t)smaller(images, IMAGES),
            .a = {cn__fmap_plane(d_out, block, group * (size_t)g->out).data, d_out->channel, 1, d_out->block},
            .work = pass->scratch,
            .b = lines,
            .b_term = CN__LANES,
            .b_line = IMAGES * CN__LANES,
            .c = sums + group * (size_t)g->out * in + first,
            .c_row = in,
            .c_line = CN__LANES,
            .accumulate = block > 0,
        });
    }
}

const cn__conv_algorithm cn__convolution_gemm = {
    .name = "gemm",
    .oc_block = CN__GEMM_ROWS,
    .all_blocks = true,
    .applies = applies,
    .filter_floats = filter_floats,
    .pack_forward = pack_forward,
    .scratch_floats = scratch_floats,
    .forward_grid = forward_grid,
    .forward = forward,
    .input_grid = input_grid,
    .input_grad = input_grad,
    .weight_grid = weight_grid,
    .weight_grad = weight_grad,
};
