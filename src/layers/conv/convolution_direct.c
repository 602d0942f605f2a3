/* SPDX-License-Identifier: MIT */
/* convolution_direct.c: convolution by plain sums, for every kernel, stride, dilation and border. Kernels follow index
 * lists (convolution_geometry.c) over packed weights. */
#include "layers/conv/convolution.h"

#define MIN_PIXELS 48 /* that make an item */

static const cn__convolution *layer_of(const cn__op *op) {
    return (const cn__convolution *)op->layer;
}

static int32_t smaller(int32_t a, int32_t b) {
    return a < b ? a : b;
}

/* ---- packed weights ---- */

static size_t filter_floats(int32_t summed_channels, int32_t taps) {
    return cn__whole_lines((size_t)summed_channels * (size_t)taps * CN__OC_BLOCK);
}

/* [input channel][tap][CN__OC_BLOCK output channels]. */
static void pack_forward(const cn__op *op, size_t group, int32_t first, const double *scale, float *to) {
    const cn__conv_geometry *g = op->geometry;
    int32_t terms = g->in * g->taps;
    for (int32_t r = 0; r < CN__OC_BLOCK; r++) {
        const float *from = first + r < g->out ? cn__convolution_filter(op, group, first + r, 0) : NULL;
        for (int32_t k = 0; k < terms; k++)
            to[k * CN__OC_BLOCK + r] = from ? (float)((double)from[k] * scale[r]) : 0.0f;
    }
}

/* [output channel][tap][CN__OC_BLOCK input channels]. */
static void pack_input_grad(const cn__op *op, size_t group, int32_t first, float *to) {
    const cn__conv_geometry *g = op->geometry;
    for (int32_t o = 0; o < g->out; o++)
        for (int32_t t = 0; t < g->taps; t++)
            for (int32_t i = first; i < first + CN__OC_BLOCK; i++)
                *to++ = i < g->in ? cn__convolution_filter(op, group, o, i)[t] : 0.0f;
}

/* ---- sharing out pixels ---- */

/* Shares that the pixels are cut into: one where there already are items that give every thread as much to do. */
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

/* ---- sharing out output channels ---- */

/* Those of a group that an item computes; in the input's gradient, they are the input's. */
typedef struct portion {
    size_t group, oc_block; /* the latter of all groups' */
    int32_t first, count;
} portion;

/* A share of the blocks of `channels` output channels of a group. */
static portion take_share(size_t index, size_t shares, int32_t oc_blocks, int32_t channels) {
    /* NOLINTNEXTLINE(clang-analyzer-core.DivideZero): there is always one */
    size_t group = index / shares, share = index % shares, blocks = (size_t)oc_blocks;
    size_t first = blocks * share / shares, end = blocks * (share + 1) / shares;
    return (portion){.group = group,
                     .oc_block = group * blocks + first,
                     .first = (int32_t)first * CN__OC_BLOCK,
                     .count = smaller(channels, (int32_t)end * CN__OC_BLOCK) - (int32_t)first * CN__OC_BLOCK};
}

/* (share of a group's output channels, share of the pixels). */
static cn__grid channels_and_pixels(const cn__op *op, const cn__pass *pass, int32_t oc_blocks, size_t shares) {
    size_t groups = (size_t)layer_of(op)->groups, items = (size_t)pass->blocks * groups * shares;
    return (cn__grid){groups * cn__convolution_channel_shares(op, items, oc_blocks), shares};
}

static size_t channel_shares(const cn__op *op, cn__grid grid) {
    return grid.outer / (size_t)layer_of(op)->groups;
}

/* ---- forward ---- */

static cn__grid forward_grid(const cn__op *op, const cn__pass *pass) {
    const cn__conv_geometry *g = op->geometry;
    size_t items = (size_t)pass->blocks * (size_t)layer_of(op)->groups;
    size_t pixels = (size_t)op->out->shape.height * (size_t)op->out->shape.width;
    bool gathers = cn__convolution_gathers(op, pass);
    return channels_and_pixels(op, pass, g->out_oc_blocks,
                               gathers ? cn__moment_shares(op->out->shape) : pixel_shares(op, items, pixels));
}

static void forward(const cn__op *op, const cn__pass *pass, cn__item at) {
    const cn__conv_geometry *g = op->geometry;
    cn__grid grid = forward_grid(op, pass);
    portion part = take_share(at.outer, channel_shares(op, grid), g->out_oc_blocks, g->out);
    size_t channel = part.group * (size_t)g->out + (size_t)part.first;
    cn__conv_args args = {
        .in = cn__fmap_plane(op->in[0], at.block, part.group * (size_t)g->in).data,
        .in_channel = op->in[0]->channel,
        .in_channels = g->in,
        .weights = cn__convolution_forward_filters(op, part.oc_block),
        .weight_block = g->forward_block_floats,
        .taps = g->taps,
        .bias = cn__convolution_bias(op, part.oc_block),
        .bias_block = g->forward_block_floats,
        .relu = op->post.relu,
        .out = cn__fmap_plane(op->out, at.block, channel).data,
        .out_channel = op->out->channel,
        .out_channels = part.count,
    };
    if (op->post.skip) {
        args.skip = cn__fmap_plane(op->post.skip, at.block, channel).data;
        args.skip_channel = op->post.skip->channel;
    }
    bool gathers = cn__convolution_gathers(op, pass);
    if (gathers)
        args.moments = cn__moments_of(op, op->out->shape, at.block, at.inner, channel);
    cn__conv_job job = gathers ? job_rows(&g->forward, op->out->shape, at.inner)
                               : job_share(&g->forward, at.inner, grid.inner, g->forward.accumulate);
    op->kernels->conv(&args, &job);
}

/* ---- the input's gradient ---- */

static cn__grid input_grid(const cn__op *op, const cn__pass *pass) {
    const cn__conv_geometry *g = op->geometry;
    size_t items = (size_t)pass->blocks * (size_t)layer_of(op)->groups;
    size_t pixels = (size_t)op->in[0]->shape.height * (size_t)op->in[0]->shape.width;
    return channels_and_pixels(op, pass, g->in_oc_blocks, pixel_shares(op, items, pixels));
}

static void run_jobs(const cn__op *op, cn__item at, cn__grid grid, bool accumulate) {
    const cn__conv_geometry *g = op->geometry;
    portion part = take_share(at.outer, channel_shares(op, grid), g->in_oc_blocks, g->in);
    cn__conv_args args = {
        .in = cn__fmap_plane(op->d_out, at.block, part.group * (size_t)g->out).data,
        .in_channel = op->d_out->channel,
        .in_channels = g->out,
        .weights = cn__convolution_direct_input_filters(op, part.oc_block),
        .weight_block = g->input_block_floats,
        .taps = g->taps,
        .bias = g->input_biases ? g->input_biases + part.oc_block * CN__LANES : NULL,
        .bias_block = CN__LANES,
        .out = cn__fmap_plane(op->d_in[0], at.block, part.group * (size_t)g->in + (size_t)part.first).data,
        .out_channel = op->d_in[0]->channel,
        .out_channels = part.count,
    };
    for (int32_t j = 0; j < g->backward_jobs; j++) {
        cn__conv_job job = job_share(&g->backward[j], at.inner, grid.inner, accumulate);
        op->kernels->conv(&args, &job);
    }
}

static void input_grad(const cn__op *op, const cn__pass *pass, cn__item at) {
    run_jobs(op, at, input_grid(op, pass), op->accumulate[0]);
}

cn__grid cn__convolution_border_grid(const cn__op *op, const cn__pass *pass) {
    const cn__conv_geometry *g = op->geometry;
    bool some = op->d_in[0] && g->algorithm[CN__CONV_INPUT_GRAD]->zero_border && g->backward_jobs > 0;
    (void)pass;
    return (cn__grid){some ? cn__convolution_input_oc_blocks(op) : 0, 1};
}

void cn__convolution_border_grad(const cn__op *op, const cn__pass *pass, cn__item at) {
    run_jobs(op, at, cn__convolution_border_grid(op, pass), true);
}

/* ---- the weights' gradient: (rows of output channels, columns of (input channel, tap)) ---- */

/* Rows and columns of an item. */
typedef struct area {
    int32_t rows, columns;
} area;

/* Sums, and a strip of what the columns read, stay in the second-level cache. */
static const area largest = {32, 36}, smallest = {8, 18};

static int32_t steps(int32_t count, int32_t most) {
    return (count + most - 1) / most;
}

/* How many areas make up the weights. */
static cn__grid areas(const cn__op *op, area part) {
    const cn__conv_geometry *g = op->geometry;
    size_t rows = (size_t)steps(g->out, part.rows), columns = (size_t)steps(g->in * g->taps, part.columns);
    return (cn__grid){(size_t)layer_of(op)->groups * rows, columns};
}

/* Small ones only where large ones would not give every thread as much to do. */
static area area_of(const cn__op *op, const cn__pass *pass) {
    size_t threads = (size_t)op->ctx->threads, items = (size_t)pass->blocks * cn__grid_items(areas(op, largest));
    return items % threads == 0 || items >= 4 * threads ? largest : smallest;
}

static size_t scratch_floats(const cn__conv_geometry *g, cn__shape out, cn__conv_pass pass) {
    (void)out;
    return pass == CN__CONV_WEIGHT_GRAD
               ? CN__CONV_WEIGHT_FLOATS(smaller(g->out, largest.rows), smaller(g->in * g->taps, largest.columns))
               : 0;
}

static cn__grid weight_grid(const cn__op *op, const cn__pass *pass) {
    return areas(op, area_of(op, pass));
}

static cn__conv_area weight_area(const cn__op *op, const cn__pass *pass, cn__item at) {
    const cn__conv_geometry *g = op->geometry;
    area part = area_of(op, pass);
    size_t blocks = (size_t)steps(g->out, part.rows), group = at.outer / blocks;
    int32_t columns = g->in * g->taps, column = (int32_t)at.inner * part.columns;
    int32_t row = (int32_t)(at.outer % blocks) * part.rows;
    return (cn__conv_area){.first = (group * (size_t)g->out + (size_t)row) * (size_t)columns + (size_t)column,
                           .rows = (size_t)smaller(g->out - row, part.rows),
                           .columns = (size_t)smaller(columns - column, part.columns),
                           .row = (size_t)columns};
}

static void weight_grad(const cn__op *op, const cn__pass *pass, cn__item at, float *sums) {
    const cn__conv_geometry *g = op->geometry;
    const cn__convolution *c = layer_of(op);
    cn__conv_area to = weight_area(op, pass, at);
    size_t channel = to.first / to.row, column = to.first % to.row, group = channel / (size_t)g->out;
    cn__conv_weight_args args = {
        .height = op->out->shape.height,
        .width = op->out->shape.width,
        .lanes = cn__pass_lanes(pass, at.block),
        .dy = cn__fmap_plane(op->d_out, at.block, channel).data,
        .dy_channel = op->d_out->channel,
        .dy_row = op->d_out->row,
        .rows = (int32_t)to.rows,
        .x = cn__fmap_plane(op->in[0], at.block, group * (size_t)g->in).data,
        .x_row = (size_t)c->stride[0] * op->in[0]->row,
        .x_step = (size_t)c->stride[1] * CN__LANES,
        .column = g->column + column,
        .columns = (int32_t)to.columns,
        .out = sums + to.first,
        .out_row = to.row,
        .scratch = pass->scratch,
    };
    op->kernels->conv_weight(&args);
}

static bool applies(const cn__conv_problem *problem, cn__conv_pass pass) {
    (void)problem;
    (void)pass;
    return true;
}

const cn__conv_algorithm cn__convolution_direct = {
    .name = "direct",
    .oc_block = CN__OC_BLOCK,
    .applies = applies,
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
