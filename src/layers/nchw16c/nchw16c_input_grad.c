/* nchw16c_input_grad.c: the input's gradient of a convolution as plain sums, with channels in the lanes. Inputs that the
 * same outputs read, relative to their place, lie in rows and columns `stride` apart: a *job*, which is to the kernel a
 * convolution of stride 1 with some of the filter's taps. At a border, of whatever kind, there are other jobs than
 * within. A transposed convolution's outputs come out of the same jobs (nchw16c_conv_transpose.c). */
#include "layers/conv/convolution_readers.h"
#include "layers/nchw16c/nchw16c_convolution.h"

static const cn__convolution *layer_of(const cn__op *op) {
    return (const cn__convolution *)op->layer;
}

/* ---- jobs ---- */

static size_t fill_taps(const cn__op *op, const cn__conv_readers *y, const cn__conv_readers *x, int32_t row,
                        int32_t column, cn__channel_tap *taps) {
    size_t count = 0;
    for (int32_t i = y->first[row]; i < y->first[row + 1]; i++)
        for (int32_t j = x->first[column]; j < x->first[column + 1]; j++) {
            cn__conv_reader r = y->readers[i], q = x->readers[j];
            ptrdiff_t rows = r.out - row / y->stride, columns = q.out - column / x->stride;
            taps[count++] = (cn__channel_tap){rows * (ptrdiff_t)op->d_out->row + columns * CN__LANES,
                                              (size_t)(r.tap * layer_of(op)->kernel[1] + q.tap)};
        }
    return count;
}

static int32_t class_size(const cn__conv_readers *a, int32_t class) {
    int32_t count = 0;
    for (int32_t i = 0; i < a->size; i++)
        count += a->class_of[i] == class;
    return count;
}

static cn_status fill_jobs(const cn__op *op, const cn__conv_readers *y, const cn__conv_readers *x,
                           cn__nchw16c_jobs *jobs) {
    jobs->list = cn__alloc(op->ctx, (size_t)y->classes * (size_t)x->classes, sizeof *jobs->list);
    jobs->taps = cn__alloc(op->ctx, cn__conv_readers_count(y) * cn__conv_readers_count(x) + 1, sizeof *jobs->taps);
    if (!jobs->list || !jobs->taps)
        return cn__no_memory("a convolution's index lists");
    cn__channel_tap *next = jobs->taps;
    for (int32_t r = 0; r < y->classes; r++)
        for (int32_t q = 0; q < x->classes; q++) {
            cn__nchw16c_job *job = &jobs->list[jobs->count++];
            job->row = y->example[r];
            job->column = x->example[q];
            job->rows = class_size(y, r);
            job->columns = class_size(x, q);
            job->taps = next;
            job->tap_count = fill_taps(op, y, x, job->row, job->column, next);
            next += job->tap_count;
        }
    return CN_OK;
}

cn_status cn__nchw16c_jobs_make(const cn__op *op, cn__nchw16c_jobs *jobs) {
    cn__conv_readers y = {0}, x = {0};
    cn_status status = cn__conv_readers_make(op, 0, &y);
    if (status == CN_OK)
        status = cn__conv_readers_make(op, 1, &x);
    if (status == CN_OK)
        status = fill_jobs(op, &y, &x, jobs);
    cn__conv_readers_drop(op->ctx, &y);
    cn__conv_readers_drop(op->ctx, &x);
    return status;
}

void cn__nchw16c_jobs_drop(cn_context *ctx, cn__nchw16c_jobs *jobs) {
    cn__free(ctx, jobs->list);
    cn__free(ctx, jobs->taps);
}

/* ---- packed weights: [plane of inputs][plane of outputs][tap][output of the plane][16 inputs] ---- */

static size_t plane_weights(const cn__convolution *c) {
    return (size_t)c->out_channels * (size_t)c->kernel[0] * (size_t)c->kernel[1] * CN__LANES;
}

size_t cn__nchw16c_input_filters(const cn__convolution *c) {
    return cn__nchw16c_planes(c->in_channels) * plane_weights(c);
}

/* The weights of one input go into one lane. */
static void pack_lane(const cn__convolution *c, const float *weights, size_t input, float *to) {
    size_t taps = (size_t)c->kernel[0] * (size_t)c->kernel[1], inputs = (size_t)c->in_channels;
    for (int32_t first = 0; first < c->out_channels; first += CN__LANES)
        for (size_t t = 0; t < taps; t++)
            for (int32_t o = first; o < first + CN__LANES && o < c->out_channels; o++, to += CN__LANES)
                *to = weights[((size_t)o * inputs + input) * taps + t];
}

void cn__nchw16c_pack_input_grad(const cn__op *op, size_t plane, float *to) {
    const cn__convolution *c = layer_of(op);
    for (size_t lane = 0; lane < CN__LANES; lane++) {
        size_t input = plane * CN__LANES + lane;
        if (input < (size_t)c->in_channels)
            pack_lane(c, op->tensor[0], input, to + plane * plane_weights(c) + lane);
    }
}

/* ---- shares of the planes of inputs ---- */

cn__grid cn__nchw16c_input_grid(const cn__op *op, const cn__pass *pass) {
    const cn__convolution *c = layer_of(op);
    int64_t pixels = (int64_t)op->out->shape.height * op->out->shape.width;
    int32_t planes = (int32_t)cn__nchw16c_planes(c->in_channels);
    return (cn__grid){cn__nchw16c_shares(op, pass, planes, planes * pixels * (int64_t)plane_weights(c)), 1};
}

static void run_job(const cn__op *op, const cn__nchw16c_job *job, cn__channel_conv_args args) {
    const cn__convolution *c = layer_of(op);
    const cn__fmap *from = op->d_out, *to = op->d_in[0];
    args.height = job->rows;
    args.width = job->columns;
    args.taps = job->taps;
    args.tap_count = job->tap_count;
    args.in += (size_t)(job->row / c->stride[0]) * from->row + (size_t)(job->column / c->stride[1]) * CN__LANES;
    args.in_row = from->row;
    args.in_step = CN__LANES;
    args.out += (size_t)job->row * to->row + (size_t)job->column * CN__LANES;
    args.out_row = (size_t)c->stride[0] * to->row;
    args.out_step = (size_t)c->stride[1] * CN__LANES;
    op->kernels->channel_conv(&args);
}

void cn__nchw16c_input_grad(const cn__op *op, const cn__pass *pass, cn__item at) {
    const cn__convolution *c = layer_of(op);
    const cn__nchw16c_geometry *g = op->geometry;
    size_t planes = cn__nchw16c_planes(c->in_channels), count = cn__nchw16c_input_grid(op, pass).outer;
    size_t first = at.outer * planes / count, end = (at.outer + 1) * planes / count;
    int32_t left = c->in_channels - (int32_t)(first * CN__LANES), most = (int32_t)((end - first) * CN__LANES);
    cn__channel_conv_args args = {
        .channels = left < most ? left : most,
        .in = cn__fmap_plane(op->d_out, at.block, 0).data,
        .in_plane = op->d_out->channel,
        .in_channels = c->out_channels,
        .weights = cn__nchw16c_weights(op, CN__CONV_INPUT_GRAD) + first * plane_weights(c),
        .filter_taps = (size_t)c->kernel[0] * (size_t)c->kernel[1],
        .weight_plane = plane_weights(c),
        .bias = g->input_biases ? g->input_biases + first * CN__LANES : NULL,
        .out = cn__fmap_plane(op->d_in[0], at.block, first).data,
        .out_plane = op->d_in[0]->channel,
        .accumulate = op->accumulate[0],
    };
    for (const cn__nchw16c_job *job = g->jobs.list; job < g->jobs.list + g->jobs.count; job++)
        run_job(op, job, args);
}
