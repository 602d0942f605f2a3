/* SPDX-License-Identifier: MIT */
/* nchw16c_input_grad.c: the input's gradient of a convolution as plain sums, with channels in the lanes. Inputs that the
 * same outputs read, relative to their place, lie in rows and columns `stride` apart: a *job*, which is to the kernel a
 * convolution of stride 1 with some of the filter's taps. At a border, of whatever kind, there are other jobs than
 * within. A transposed convolution's outputs come out of the same jobs (nchw16c_conv_transpose.c). */
#include "layers/conv/convolution_readers.h"
#include "layers/nchw16c/nchw16c_convolution.h"
#include <string.h>

#define LONG        3  /* times a filter's taps that an output may sum up in one accumulator */
#define LONG_PIXELS 32 /* of more, that are summed up at a time */

static const cn__convolution *layer_of(const cn__op *op) {
    return (const cn__convolution *)op->layer;
}

/* ---- jobs ---- */

static size_t fill_taps(const cn__op *op, bool border_only, const cn__conv_readers *y, const cn__conv_readers *x,
                        int32_t row, int32_t column, cn__channel_tap *taps) {
    const cn__convolution *c = layer_of(op);
    size_t count = 0;
    for (int32_t i = y->first[row]; i < y->first[row + 1]; i++)
        for (int32_t j = x->first[column]; j < x->first[column + 1]; j++) {
            cn__conv_reader r = y->readers[i], q = x->readers[j];
            if (border_only && cn__conv_reads_itself(c, 0, r, row) && cn__conv_reads_itself(c, 1, q, column))
                continue;
            ptrdiff_t rows = r.out - row / y->stride, columns = q.out - column / x->stride;
            taps[count++] = (cn__channel_tap){rows * (ptrdiff_t)op->d_out->row + columns * CN__LANES,
                                              (size_t)(r.tap * c->kernel[1] + q.tap)};
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
            cn__nchw16c_job *job = &jobs->list[jobs->count];
            job->row = y->example[r];
            job->column = x->example[q];
            job->rows = class_size(y, r);
            job->columns = class_size(x, q);
            job->taps = next;
            job->tap_count = fill_taps(op, jobs->border_only, y, x, job->row, job->column, next);
            next += job->tap_count;
            jobs->count += !jobs->border_only || job->tap_count > 0;
        }
    return CN_OK;
}

cn_status cn__nchw16c_jobs_make(const cn__op *op, bool border_only, cn__nchw16c_jobs *jobs) {
    cn__conv_readers y = {0}, x = {0};
    jobs->border_only = border_only;
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

/* ---- packed weights: [plane of inputs][plane of outputs][tap][output of the plane][16 inputs], for the outputs that
 * see any input of the plane; where one of them does not see it, the weight is zero. Of a depthwise convolution,
 * [plane][tap][16 channels] ---- */

static size_t tap_count(const cn__convolution *c) {
    return (size_t)c->kernel[0] * (size_t)c->kernel[1];
}

/* Outputs that see any input of a plane. */
static cn__nchw16c_span outputs_of(const cn__convolution *c, size_t plane) {
    return cn__nchw16c_partners(plane, c->in_channels, c->out_channels, c->groups);
}

/* From the weights of a plane of inputs to the next one's. */
static size_t plane_weights(const cn__convolution *c) {
    int32_t most = 1;
    if (cn__nchw16c_is_depthwise(c))
        return tap_count(c) * CN__LANES;
    for (size_t plane = 0; plane < cn__nchw16c_planes(c->in_channels); plane++) {
        cn__nchw16c_span outputs = outputs_of(c, plane);
        most = outputs.end - outputs.first > most ? outputs.end - outputs.first : most;
    }
    return (size_t)most * tap_count(c) * CN__LANES;
}

size_t cn__nchw16c_input_filters(const cn__convolution *c) {
    return cn__nchw16c_planes(c->in_channels) * plane_weights(c);
}

/* The weights of one output, which sees the inputs of `seen`, go into the lanes of those from `first` on. */
static void pack_output(const cn__convolution *c, const float *weights, int32_t output, cn__nchw16c_span seen,
                        int32_t first, cn__nchw16c_span outputs, float *to) {
    int32_t begin = first > seen.first ? first : seen.first,
            end = first + CN__LANES < seen.end ? first + CN__LANES : seen.end;
    size_t taps = tap_count(c), line = (size_t)(output - outputs.first), plane = line - line % CN__LANES;
    size_t left = (size_t)(outputs.end - outputs.first) - plane, lines = left < CN__LANES ? left : CN__LANES;
    const float *from =
        weights + ((size_t)output * (size_t)(seen.end - seen.first) + (size_t)(begin - seen.first)) * taps;
    to += (plane * taps + line % CN__LANES) * CN__LANES;
    if (taps == 1 && begin < end) {
        memcpy(to + (begin - first), from, (size_t)(end - begin) * sizeof *to);
        return;
    }
    for (size_t t = 0; t < taps; t++)
        for (int32_t i = begin; i < end; i++)
            to[t * lines * CN__LANES + (size_t)(i - first)] = from[(size_t)(i - begin) * taps + t];
}

void cn__nchw16c_pack_input_grad(const cn__op *op, size_t plane, float *to) {
    const cn__convolution *c = layer_of(op);
    int32_t first = (int32_t)plane * CN__LANES;
    bool depthwise = cn__nchw16c_is_depthwise(c);
    cn__nchw16c_span outputs = depthwise ? (cn__nchw16c_span){first, first + CN__LANES} : outputs_of(c, plane);
    int32_t in = c->in_channels / c->groups, out = c->out_channels / c->groups;
    to += plane * plane_weights(c);
    for (int32_t o = outputs.first; o < outputs.end && o < c->out_channels; o++) {
        int32_t seen = c->groups == 1 ? 0 : o / out * in;
        pack_output(c, op->tensor[0], o, (cn__nchw16c_span){seen, seen + in}, first,
                    depthwise ? (cn__nchw16c_span){o, o + 1} : outputs, to);
    }
}

/* ---- shares of the rows of all jobs, or of the planes of inputs where there are more of them ---- */

static bool shares_rows(const cn__op *op) {
    return op->in[0]->shape.height >= op->in[0]->shape.channels;
}

static int64_t products_of_image(const cn__op *op) {
    cn__shape in = op->in[0]->shape, out = op->out->shape;
    return (int64_t)in.channels * out.height * out.width * (int64_t)plane_weights(layer_of(op));
}

cn__grid cn__nchw16c_input_grid(const cn__op *op, const cn__pass *pass) {
    cn__shape in = op->in[0]->shape;
    int32_t most = shares_rows(op) ? in.height : in.channels;
    return (cn__grid){cn__nchw16c_shares(op, pass, most, products_of_image(op)), 1};
}

typedef struct share {
    size_t number, count;
} share;

/* From `first` to `end` - 1. */
typedef struct span {
    size_t first, end;
} span;

static span span_of(size_t whole, share of) {
    return (span){whole * of.number / of.count, whole * (of.number + 1) / of.count};
}

static void run_kernel(const cn__op *op, const cn__channel_conv_args *args) {
    if (cn__nchw16c_is_depthwise(layer_of(op)))
        op->kernels->channel_depthwise(args);
    else
        op->kernels->channel_conv(args);
}

/* Adds a line of a pixel's sums to what is there, or begins with them. */
static void add_line(const float *part, const float *bias, bool begin, float *to) {
    for (size_t lane = 0; lane < CN__LANES; lane++)
        to[lane] = (begin ? (bias ? bias[lane] : 0.0f) : to[lane]) + part[lane];
}

/* Some pixels of a row of one plane, by as many taps at a time as a filter has. */
static void sum_apart(const cn__op *op, const cn__channel_conv_args *args, int32_t pixels) {
    float sums[LONG_PIXELS * CN__LANES] __attribute__((aligned(CN__ALIGN)));
    cn__channel_conv_args part = *args;
    part.height = 1;
    part.width = pixels;
    part.bias = NULL;
    part.accumulate = false;
    part.out = sums;
    part.out_step = CN__LANES;
    for (size_t done = 0; done < args->tap_count; done += part.tap_count) {
        size_t left = args->tap_count - done;
        part.taps = args->taps + done;
        part.tap_count = left < args->filter_taps ? left : args->filter_taps;
        run_kernel(op, &part);
        for (size_t i = 0; i < (size_t)pixels; i++)
            add_line(sums + i * CN__LANES, args->bias, done == 0 && !args->accumulate, args->out + i * args->out_step);
    }
}

/* An input at a border that is repeated far beyond the filter's reach has many times more readers than a filter has
 * taps: a single accumulator would lose a digit. Rare, and so with little ado. */
static void run_long_job(const cn__op *op, const cn__channel_conv_args *args) {
    for (int32_t first = 0; first < args->channels; first += CN__LANES)
        for (int32_t y = 0; y < args->height; y++)
            for (int32_t x = 0; x < args->width; x += LONG_PIXELS) {
                cn__channel_conv_args some = *args;
                some.images = 1;
                size_t plane = (size_t)first / CN__LANES;
                some.channels = args->channels - first < CN__LANES ? args->channels - first : CN__LANES;
                some.weights += plane * args->weight_plane;
                some.bias = args->bias ? args->bias + first : NULL;
                some.in += (size_t)y * args->in_row + (size_t)x * args->in_step;
                some.out += plane * args->out_plane + (size_t)y * args->out_row + (size_t)x * args->out_step;
                if (cn__nchw16c_is_depthwise(layer_of(op)))
                    some.in += plane * args->in_plane;
                sum_apart(op, &some, args->width - x < LONG_PIXELS ? args->width - x : LONG_PIXELS);
            }
}

static void run_job(const cn__op *op, const cn__nchw16c_job *job, share rows, cn__channel_conv_args args) {
    const cn__convolution *c = layer_of(op);
    const cn__fmap *from = op->d_out, *to = op->d_in[0];
    span own = span_of((size_t)job->rows, rows);
    args.height = (int32_t)(own.end - own.first);
    args.width = job->columns;
    args.taps = job->taps;
    args.tap_count = job->tap_count;
    args.in +=
        ((size_t)(job->row / c->stride[0]) + own.first) * from->row + (size_t)(job->column / c->stride[1]) * CN__LANES;
    args.in_row = from->row;
    args.in_step = CN__LANES;
    args.out += ((size_t)job->row + own.first * (size_t)c->stride[0]) * to->row + (size_t)job->column * CN__LANES;
    args.out_row = (size_t)c->stride[0] * to->row;
    args.out_step = (size_t)c->stride[1] * CN__LANES;
    if (args.height == 0)
        return;
    if (args.tap_count <= LONG * args.filter_taps) {
        run_kernel(op, &args);
        return;
    }
    for (int32_t images = args.images; images > 0; images--, args.in += args.in_image, args.out += args.out_image)
        run_long_job(op, &args);
}

/* Planes that the same outputs see, of some images. */
static void run_planes(const cn__op *op, span images, span of, share rows) {
    const cn__convolution *c = layer_of(op);
    const cn__nchw16c_geometry *g = op->geometry;
    size_t block = images.first, plane = of.first;
    cn__nchw16c_span outputs = outputs_of(c, plane);
    int32_t left = c->in_channels - (int32_t)(plane * CN__LANES), most = (int32_t)((of.end - plane) * CN__LANES);
    cn__channel_conv_args args = {
        .images = (int32_t)(images.end - block),
        .channels = left < most ? left : most,
        .in = cn__fmap_plane(op->d_out, block, (size_t)outputs.first / CN__LANES).data,
        .in_image = op->d_out->block,
        .in_plane = op->d_out->channel,
        .in_channels = outputs.end - outputs.first,
        .weights = cn__nchw16c_weights(op, CN__CONV_INPUT_GRAD) + plane * plane_weights(c),
        .filter_taps = tap_count(c),
        .weight_plane = plane_weights(c),
        .bias = g->input_biases ? g->input_biases + plane * CN__LANES : NULL,
        .out = cn__fmap_plane(op->d_in[0], block, plane).data,
        .out_image = op->d_in[0]->block,
        .out_plane = op->d_in[0]->channel,
        .accumulate = op->accumulate[0] || g->jobs.border_only,
    };
    for (const cn__nchw16c_job *job = g->jobs.list; job < g->jobs.list + g->jobs.count; job++)
        run_job(op, job, rows, args);
}

static bool go_together(const cn__convolution *c, size_t plane, size_t other) {
    return cn__nchw16c_is_depthwise(c) || cn__nchw16c_same_span(outputs_of(c, plane), outputs_of(c, other));
}

/* Some planes, of some images. */
static void run_share(const cn__op *op, span images, span planes, share rows) {
    const cn__convolution *c = layer_of(op);
    for (size_t plane = planes.first, next; plane < planes.end; plane = next) {
        for (next = plane + 1; next < planes.end && go_together(c, plane, next);)
            next++;
        run_planes(op, images, (span){plane, next}, rows);
    }
}

void cn__nchw16c_input_grad(const cn__op *op, const cn__pass *pass, cn__item at) {
    size_t planes = (size_t)op->in[0]->shape.channels;
    share all = {0, 1}, own = {at.outer, cn__nchw16c_input_grid(op, pass).outer};
    share of_rows = shares_rows(op) ? own : all, of_planes = shares_rows(op) ? all : own;
    run_share(op, (span){at.block, at.block + 1}, span_of(planes, of_planes), of_rows);
}

/* ---- several images at a time ---- */

cn__grid cn__nchw16c_joined_input_grid(const cn__op *op, const cn__pass *pass) {
    return cn__nchw16c_joined_grid(op, pass, (size_t)op->in[0]->shape.channels, products_of_image(op));
}

void cn__nchw16c_joined_input_grad(const cn__op *op, const cn__pass *pass, cn__item at) {
    cn__grid shares = cn__nchw16c_joined_input_grid(op, pass);
    run_share(op, span_of((size_t)pass->blocks, (share){at.outer, shares.outer}),
              span_of((size_t)op->in[0]->shape.channels, (share){at.inner, shares.inner}), (share){0, 1});
}
