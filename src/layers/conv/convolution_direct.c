/* convolution_direct.c: convolution by plain sums, for every kernel, stride, dilation and border. Kernels follow index
 * lists (convolution_geometry.c) over packed weights. */
#include "layers/conv/convolution.h"

#define MIN_PIXELS    48 /* that make an item */
#define WEIGHT_ROWS   8  /* of an item of the weight gradient */
#define WEIGHT_COLUMN 6  /* columns of its register tile */

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

/* Shares that the pixels of each block of output channels are cut into: one where the blocks already give every thread
 * as much to do. */
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

/* ---- forward: (block of output channels, share of the pixels) ---- */

static cn__grid forward_grid(const cn__op *op, const cn__pass *pass) {
    size_t oc_blocks = cn__convolution_forward_oc_blocks(op), items = (size_t)pass->blocks * oc_blocks;
    size_t pixels = (size_t)op->out->shape.height * (size_t)op->out->shape.width;
    return (cn__grid){oc_blocks, cn__convolution_gathers(op, pass) ? cn__moment_shares(op->out->shape)
                                                                   : pixel_shares(op, items, pixels)};
}

static void forward(const cn__op *op, const cn__pass *pass, cn__item at) {
    const cn__conv_geometry *g = op->geometry;
    size_t group = at.outer / (size_t)g->out_oc_blocks;
    int32_t first = (int32_t)(at.outer % (size_t)g->out_oc_blocks) * CN__OC_BLOCK;
    size_t channel = group * (size_t)g->out + (size_t)first;
    cn__conv_args args = {
        .in = cn__fmap_plane(op->in[0], at.block, group * (size_t)g->in).data,
        .in_channel = op->in[0]->channel,
        .in_channels = g->in,
        .weights = cn__convolution_forward_filters(op, at.outer),
        .taps = g->taps,
        .bias = cn__convolution_bias(op, at.outer),
        .relu = op->post.relu,
        .out = cn__fmap_plane(op->out, at.block, channel).data,
        .out_channel = op->out->channel,
        .out_channels = smaller(g->out - first, CN__OC_BLOCK),
    };
    if (op->post.skip) {
        args.skip = cn__fmap_plane(op->post.skip, at.block, channel).data;
        args.skip_channel = op->post.skip->channel;
    }
    bool gathers = cn__convolution_gathers(op, pass);
    if (gathers)
        args.moments = cn__moments_of(op, op->out->shape, at.block, at.inner, channel);
    cn__conv_job job = gathers ? job_rows(&g->forward, op->out->shape, at.inner)
                               : job_share(&g->forward, at.inner, forward_grid(op, pass).inner, g->forward.accumulate);
    op->kernels->conv(&args, &job);
}

/* ---- the input's gradient: (block of input channels, share of the pixels) ---- */

static cn__grid input_grid(const cn__op *op, const cn__pass *pass) {
    size_t oc_blocks = cn__convolution_input_oc_blocks(op), items = (size_t)pass->blocks * oc_blocks;
    size_t pixels = (size_t)op->in[0]->shape.height * (size_t)op->in[0]->shape.width;
    return (cn__grid){oc_blocks, pixel_shares(op, items, pixels)};
}

static void run_jobs(const cn__op *op, cn__item at, size_t shares, bool accumulate) {
    const cn__conv_geometry *g = op->geometry;
    size_t group = at.outer / (size_t)g->in_oc_blocks;
    int32_t first = (int32_t)(at.outer % (size_t)g->in_oc_blocks) * CN__OC_BLOCK;
    cn__conv_args args = {
        .in = cn__fmap_plane(op->d_out, at.block, group * (size_t)g->out).data,
        .in_channel = op->d_out->channel,
        .in_channels = g->out,
        .weights = cn__convolution_direct_input_filters(op, at.outer),
        .taps = g->taps,
        .bias = g->input_biases ? g->input_biases + at.outer * CN__LANES : NULL,
        .out = cn__fmap_plane(op->d_in[0], at.block, group * (size_t)g->in + (size_t)first).data,
        .out_channel = op->d_in[0]->channel,
        .out_channels = smaller(g->in - first, CN__OC_BLOCK),
    };
    for (int32_t j = 0; j < g->backward_jobs; j++) {
        cn__conv_job job = job_share(&g->backward[j], at.inner, shares, accumulate);
        op->kernels->conv(&args, &job);
    }
}

static void input_grad(const cn__op *op, const cn__pass *pass, cn__item at) {
    run_jobs(op, at, input_grid(op, pass).inner, op->accumulate[0]);
}

cn__grid cn__convolution_border_grid(const cn__op *op, const cn__pass *pass) {
    const cn__conv_geometry *g = op->geometry;
    bool some = op->d_in[0] && g->algorithm[CN__CONV_INPUT_GRAD]->zero_border && g->backward_jobs > 0;
    (void)pass;
    return (cn__grid){some ? cn__convolution_input_oc_blocks(op) : 0, 1};
}

void cn__convolution_border_grad(const cn__op *op, const cn__pass *pass, cn__item at) {
    (void)pass;
    run_jobs(op, at, 1, true);
}

/* ---- the weights' gradient: (rows of output channels, share of the columns) ---- */

static int32_t row_blocks(const cn__op *op) {
    const cn__conv_geometry *g = op->geometry;
    return (g->out + WEIGHT_ROWS - 1) / WEIGHT_ROWS;
}

/* Columns of an item: all, if blocks and rows give every thread as much to do; else as few, in whole register tiles, as
 * give every thread about four items. */
static int32_t item_columns(const cn__op *op, const cn__pass *pass) {
    const cn__conv_geometry *g = op->geometry;
    size_t columns = (size_t)g->in * (size_t)g->taps, threads = (size_t)op->ctx->threads;
    size_t items = (size_t)pass->blocks * (size_t)layer_of(op)->groups * (size_t)row_blocks(op);
    size_t shares = items % threads == 0 ? 1 : (4 * threads + items - 1) / items;
    size_t share = (columns + shares - 1) / shares;
    return (int32_t)((share + WEIGHT_COLUMN - 1) / WEIGHT_COLUMN) * WEIGHT_COLUMN;
}

static cn__grid weight_grid(const cn__op *op, const cn__pass *pass) {
    const cn__conv_geometry *g = op->geometry;
    int32_t columns = item_columns(op, pass);
    return (cn__grid){(size_t)layer_of(op)->groups * (size_t)row_blocks(op),
                      (size_t)((g->in * g->taps + columns - 1) / columns)};
}

static void weight_grad(const cn__op *op, const cn__pass *pass, cn__item at, float *sums, bool accumulate) {
    const cn__conv_geometry *g = op->geometry;
    const cn__convolution *c = layer_of(op);
    size_t group = at.outer / (size_t)row_blocks(op);
    int32_t columns = g->in * g->taps, most = item_columns(op, pass), column = (int32_t)at.inner * most;
    int32_t row = (int32_t)(at.outer % (size_t)row_blocks(op)) * WEIGHT_ROWS;
    size_t channel = group * (size_t)g->out + (size_t)row;
    cn__conv_weight_args args = {
        .height = op->out->shape.height,
        .width = op->out->shape.width,
        .lanes = cn__pass_lanes(pass, at.block),
        .dy = cn__fmap_plane(op->d_out, at.block, channel).data,
        .dy_channel = op->d_out->channel,
        .dy_row = op->d_out->row,
        .rows = smaller(g->out - row, WEIGHT_ROWS),
        .x = cn__fmap_plane(op->in[0], at.block, group * (size_t)g->in).data,
        .x_row = (size_t)c->stride[0] * op->in[0]->row,
        .x_step = (size_t)c->stride[1] * CN__LANES,
        .column = g->column + column,
        .columns = smaller(columns - column, most),
        .out = sums + channel * (size_t)columns + column,
        .out_row = (size_t)columns,
        .accumulate = accumulate,
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
    .forward_grid = forward_grid,
    .forward = forward,
    .input_grid = input_grid,
    .input_grad = input_grad,
    .weight_grid = weight_grid,
    .weight_grad = weight_grad,
};
