/* SPDX-License-Identifier: MIT */
/* direct_conv.c: direct convolution: a tile of output channels × pixels in registers, weights broadcast, images in the
 * lanes. Every output has one accumulator that runs over input channels, then taps.
 *
 * What a tile reads of the input is to stay in the first-level cache while all output channels go over it. So pixels are
 * taken a few at a time, and where even those of three are too much, input channels are too: outputs wait in memory for
 * the next ones. */
#include "kernels/isa/isa.h"
#include "kernels/isa/moment_lines.h"

/* A register file of 32 holds 8 × 3 accumulators, the 3 inputs and a weight; one of 16 holds 4 × 3. Few output channels,
 * as groups have, make up for it by more pixels. */
#if CN__REGISTERS == 32
#define ROWS 8
#else
#define ROWS 4
#endif
#define PIXELS 8
#define LINES  320 /* of the input in the first-level cache */
#define MANY   64  /* products of an output, meanwhile the lines that it goes to can be claimed */
#define LONG   3   /* times a filter's taps that an output may sum up in one accumulator */

/* Which part of the work a tile does: rows of the packed weights, pixels of the job, lanes of the line; input channels
 * from `channel` to before `end`. */
typedef struct origin {
    int32_t row, pixel;
    size_t lane;
    int32_t channel, end;
    int32_t first; /* of the pixels that are taken at a time */
    bool begins;   /* a run of moments begins with them */
} origin;

/* Where a tile's outputs lie: of each pixel, floats from a plane's start. */
INLINE void start(const cn__conv_args *a, const cn__conv_job *job, origin at, int rows, int pixels,
                  vf sum[ROWS][PIXELS]) {
    const float *bias =
        a->bias ? a->bias + (size_t)(at.row / CN__OC_BLOCK) * a->bias_block + at.row % CN__OC_BLOCK : NULL;
    const float *out = a->out + (size_t)at.row * a->out_channel + at.lane;
    const int32_t *pixel = job->pixel_out + at.pixel;
    bool add = job->accumulate || at.channel > 0, claim = !add && (at.end - at.channel) * job->tap_count >= MANY;
    CN__UNROLL
    for (int r = 0; r < rows; r++, out += a->out_channel) {
        bool stored = at.row + r < a->out_channels;
        vf first = bias ? vf_set1(bias[r]) : (vf){0};
        CN__UNROLL
        for (int p = 0; p < pixels; p++)
            sum[r][p] = add && stored ? vf_load(out + pixel[p]) : first;
        for (int p = 0; p < pixels && claim && stored; p++)
            __builtin_prefetch(out + pixel[p], 1);
    }
}

INLINE void finish(const cn__conv_args *a, const cn__conv_job *job, origin at, int rows, int pixels,
                   vf sum[ROWS][PIXELS]) {
    float *out = a->out + (size_t)at.row * a->out_channel + at.lane;
    const int32_t *pixel = job->pixel_out + at.pixel;
    CN__UNROLL
    for (int r = 0; r < rows; r++, out += a->out_channel) {
        if (at.row + r >= a->out_channels)
            break;
        CN__UNROLL
        for (int p = 0; p < pixels; p++)
            vf_store(out + pixel[p], sum[r][p]);
    }
}

/* What follows a convolution in a plan for inference: a skip, a ReLU. */
INLINE void add_skip(const cn__conv_args *a, const cn__conv_job *job, origin at, int rows, int pixels,
                     vf sum[ROWS][PIXELS]) {
    CN__UNROLL
    for (int r = 0; r < rows; r++) {
        const float *skip = a->skip + (size_t)(at.row + r) * a->skip_channel + at.lane;
        if (at.row + r >= a->out_channels)
            continue;
        CN__UNROLL
        for (int p = 0; p < pixels; p++)
            sum[r][p] += vf_load(skip + job->pixel_skip[at.pixel + p]);
    }
}

INLINE void rectify(int rows, int pixels, vf sum[ROWS][PIXELS]) {
    CN__UNROLL
    for (int r = 0; r < rows; r++) {
        CN__UNROLL
        for (int p = 0; p < pixels; p++)
            sum[r][p] = vf_relu(sum[r][p]);
    }
}

/* Before a tile's outputs are in registers. Every instruction set has tiles whose sizes divide 24, counted from the first of
 * the pixels that are taken at a time, so that all begin runs at the same ones. */
NOINLINE static void begin_runs(const cn__conv_args *a, origin at, int rows) {
    for (int r = 0; r < rows && at.row + r < a->out_channels; r++) {
        float *line = a->moments + (size_t)(at.row + r) * CN__MOMENT_LINES * CN__LANES + at.lane;
        if (at.pixel == 0)
            begin_moments(line, (vf){0});
        else
            begin_run(line);
    }
}

INLINE bool begins_run(origin at) {
    return at.pixel == at.first ? at.begins : (at.pixel - at.first) % CN__MOMENT_RUN == 0;
}

/* What a batch norm behind it wants to know, while the outputs are in registers. The first pixel is the pivot. */
INLINE void gather_moments(const cn__conv_args *a, origin at, int rows, int pixels, vf sum[ROWS][PIXELS]) {
    CN__UNROLL
    for (int r = 0; r < rows; r++) {
        if (at.row + r >= a->out_channels)
            continue; /* what would be its lines are another item's */
        float *line = a->moments + (size_t)(at.row + r) * CN__MOMENT_LINES * CN__LANES + at.lane;
        moments m = moments_from(line);
        if (at.pixel == 0)
            m.pivot = sum[r][0];
        CN__UNROLL
        for (int p = 0; p < pixels; p++)
            add_to_moments(&m, sum[r][p]);
        moments_to(line, &m);
    }
}

static const float *weights_of(const cn__conv_args *a, origin at) {
    return a->weights + (size_t)(at.row / CN__OC_BLOCK) * a->weight_block + at.row % CN__OC_BLOCK +
           (size_t)at.channel * (size_t)a->taps * CN__OC_BLOCK;
}

INLINE void multiply(const float *w, const float *const in[PIXELS], ptrdiff_t offset, int rows, int pixels,
                     vf sum[ROWS][PIXELS]) {
    vf x[PIXELS];
    CN__UNROLL
    for (int p = 0; p < pixels; p++)
        x[p] = vf_load(in[p] + offset);
    CN__UNROLL
    for (int r = 0; r < rows; r++) {
        vf wr = vf_set1(w[r]);
        CN__UNROLL
        for (int p = 0; p < pixels; p++)
            sum[r][p] = vf_fma(wr, x[p], sum[r][p]);
    }
}

/* The sums over input channels, then taps; of a single tap without a loop for it. */
INLINE void add_channels(const cn__conv_args *a, const cn__conv_job *job, origin at, bool single, int rows, int pixels,
                         vf sum[ROWS][PIXELS]) {
    const float *in[PIXELS], *weights = weights_of(a, at);
    const size_t next = (size_t)a->taps * CN__OC_BLOCK;
    CN__UNROLL
    for (int p = 0; p < pixels; p++)
        in[p] = a->in + (size_t)at.channel * a->in_channel + job->pixel_in[at.pixel + p] + at.lane;
    if (single) {
        weights += (size_t)job->taps->weight * CN__OC_BLOCK;
        ptrdiff_t offset = job->taps->input;
        for (int32_t c = at.channel; c < at.end; c++, weights += next, offset += (ptrdiff_t)a->in_channel)
            multiply(weights, in, offset, rows, pixels, sum);
        return;
    }
    ptrdiff_t channel = 0;
    const cn__tap *end = job->taps + job->tap_count;
    for (int32_t c = at.channel; c < at.end; c++, weights += next, channel += (ptrdiff_t)a->in_channel)
        for (const cn__tap *tap = job->taps; tap < end; tap++)
            multiply(weights + (size_t)tap->weight * CN__OC_BLOCK, in, channel + tap->input, rows, pixels, sum);
}

INLINE void tile(const cn__conv_args *a, const cn__conv_job *job, origin at, int rows, int pixels) {
    vf sum[ROWS][PIXELS];
    if (a->moments && at.end == a->in_channels && begins_run(at))
        begin_runs(a, at, rows);
    start(a, job, at, rows, pixels, sum);
    if (job->tap_count == 1)
        add_channels(a, job, at, true, rows, pixels, sum);
    else
        add_channels(a, job, at, false, rows, pixels, sum);
    if (at.end == a->in_channels) {
        if (a->skip)
            add_skip(a, job, at, rows, pixels, sum);
        if (a->relu)
            rectify(rows, pixels, sum);
        if (a->moments)
            gather_moments(a, at, rows, pixels, sum);
    }
    finish(a, job, at, rows, pixels, sum);
}

/* As many pixels before `end` as make whole tiles; returns the next. */
INLINE int32_t tiles(const cn__conv_args *a, const cn__conv_job *job, origin at, int32_t end, int rows, int pixels) {
    for (; at.pixel + pixels <= end; at.pixel += pixels)
        tile(a, job, at, rows, pixels);
    return at.pixel;
}

INLINE void all_tiles(const cn__conv_args *a, const cn__conv_job *job, origin at, int32_t end, int rows, int pixels) {
    at.pixel = tiles(a, job, at, end, rows, pixels);
    if (pixels > 4)
        at.pixel = tiles(a, job, at, end, rows, 4);
    at.pixel = tiles(a, job, at, end, rows, 2);
    tiles(a, job, at, end, rows, 1);
}

/* One lane's outputs of a block of output channels, those of at.pixel and on. */
static void oc_block(const cn__conv_args *a, const cn__conv_job *job, origin at, int32_t end) {
    int32_t left = a->out_channels - at.row, row_end = at.row + (left < CN__OC_BLOCK ? left : CN__OC_BLOCK);
    while (at.row < row_end) {
        left = row_end - at.row;
        if (left == 1) {
            all_tiles(a, job, at, end, 1, 8);
            return;
        }
        if (left == 2) {
            all_tiles(a, job, at, end, 2, ROWS == 8 ? 8 : 4);
            return;
        }
#if ROWS == 8
        if (left > 4) {
            all_tiles(a, job, at, end, 8, 3);
            return;
        }
#endif
        all_tiles(a, job, at, end, 4, ROWS == 8 ? 6 : 3);
        at.row += 4;
    }
}

/* Pixels and input channels at a time. Of an input that all taps of a pixel share with its neighbours', about half of
 * the lines are its own. */
typedef struct portion {
    int32_t pixels, channels;
} portion;

static portion portion_of(const cn__conv_args *a, const cn__conv_job *job) {
    int32_t lines = (job->tap_count + 1) / 2 + (job->tap_count == 0), most = LINES / (3 * lines);
    int32_t steps = most > 0 ? (a->in_channels + most - 1) / most : a->in_channels;
    int32_t channels = (a->in_channels + steps - 1) / steps, pixels = LINES / (lines * channels);
    return (portion){pixels >= 24 ? pixels / 24 * 24 : pixels < 3 ? 3 : pixels / 3 * 3, channels};
}

static void plain_sums(const cn__conv_args *a, const cn__conv_job *job) {
    portion p = portion_of(a, job);
    for (origin at = {0}; at.pixel < job->pixel_count; at.pixel += p.pixels) {
        at.first = at.pixel;
        at.begins = at.pixel % CN__MOMENT_RUN < p.pixels;
        int32_t end = at.pixel + p.pixels < job->pixel_count ? at.pixel + p.pixels : job->pixel_count;
        for (at.channel = 0; at.channel < a->in_channels; at.channel = at.end) {
            at.end = at.channel + p.channels < a->in_channels ? at.channel + p.channels : a->in_channels;
            for (at.row = 0; at.row < a->out_channels; at.row += CN__OC_BLOCK)
                for (at.lane = 0; at.lane < CN__LANES; at.lane += CN__WIDTH)
                    oc_block(a, job, at, end);
        }
    }
}

/* An input at a border that is repeated far beyond the filter's reach has many times more readers than a filter has
 * taps. Those through the same tap are added up by themselves, and so is what each channel comes to: a single
 * accumulator would lose a digit. Rare, and so without tiles. */
static void long_sum(const cn__conv_args *a, const cn__conv_job *job, origin at) {
    float *out = a->out + (size_t)at.row * a->out_channel + at.lane + job->pixel_out[at.pixel];
    const float *in = a->in + at.lane + job->pixel_in[at.pixel], *weights = weights_of(a, at);
    vf sum = job->accumulate ? vf_load(out) : (vf){0};
    for (int32_t c = 0; c < a->in_channels; c++) {
        vf channel = {0}, same = {0};
        for (int32_t t = 0; t < job->tap_count; t++) {
            const cn__tap *tap = &job->taps[t];
            if (t > 0 && tap->weight != tap[-1].weight) {
                channel += same;
                same = (vf){0};
            }
            same = vf_fma(vf_set1(weights[(size_t)tap->weight * CN__OC_BLOCK]), vf_load(in + tap->input), same);
        }
        sum += channel + same;
        in += a->in_channel;
        weights += (size_t)a->taps * CN__OC_BLOCK;
    }
    vf_store(out, sum);
}

static void long_sums(const cn__conv_args *a, const cn__conv_job *job) {
    for (origin at = {0}; at.row < a->out_channels; at.row++)
        for (at.pixel = 0; at.pixel < job->pixel_count; at.pixel++)
            for (at.lane = 0; at.lane < CN__LANES; at.lane += CN__WIDTH)
                long_sum(a, job, at);
}

static bool has_long_sums(const cn__conv_args *a, const cn__conv_job *job) {
    return job->tap_count > LONG * a->taps && !a->bias && !a->skip && !a->relu && !a->moments;
}

void CN__ISA_NAME(conv)(const cn__conv_args *args, const cn__conv_job *job) {
    if (has_long_sums(args, job))
        long_sums(args, job);
    else if (args->in_channels == 1 && args->out_channels == 1)
        CN__ISA_NAME(depthwise_conv)(args, job);
    else
        plain_sums(args, job);
}
