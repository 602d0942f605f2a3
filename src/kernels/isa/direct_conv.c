/* direct_conv.c: direct convolution: a tile of output channels × pixels in registers, weights broadcast, images in the
 * lanes. Every output has one accumulator that runs over input channels, then taps. */
#include "kernels/isa/isa.h"

/* A register file of 32 holds 8 × 3 accumulators, the 3 inputs and a weight; one of 16 holds 4 × 3. */
#if CN__ISA == 3
#define ROWS 8
#else
#define ROWS 4
#endif
#define PIXELS 3
#define LONG   3 /* times a filter's taps that an output may sum up in one accumulator */

/* Which part of the work a tile does: rows of the packed weights, pixels of the job, lanes of the line. */
typedef struct origin {
    int32_t row, pixel;
    size_t lane;
} origin;

INLINE void start(const cn__conv_args *a, const cn__conv_job *job, origin at, int rows, int pixels,
                  vf sum[ROWS][PIXELS]) {
    CN__UNROLL
    for (int r = 0; r < rows; r++) {
        bool stored = at.row + r < a->out_channels;
        const float *out = a->out + (size_t)(at.row + r) * a->out_channel + at.lane;
        CN__UNROLL
        for (int p = 0; p < pixels; p++)
            if (job->accumulate)
                sum[r][p] = stored ? vf_load(out + job->pixel_out[at.pixel + p]) : (vf){0};
            else
                sum[r][p] = a->bias ? vf_set1(a->bias[at.row + r]) : (vf){0};
    }
}

INLINE void finish(const cn__conv_args *a, const cn__conv_job *job, origin at, int rows, int pixels,
                   vf sum[ROWS][PIXELS]) {
    CN__UNROLL
    for (int r = 0; r < rows; r++) {
        float *out = a->out + (size_t)(at.row + r) * a->out_channel + at.lane;
        if (at.row + r >= a->out_channels)
            continue;
        CN__UNROLL
        for (int p = 0; p < pixels; p++)
            vf_store(out + job->pixel_out[at.pixel + p], sum[r][p]);
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

/* What a batch norm behind it wants to know, while the outputs are in registers. The first pixel is the pivot. */
INLINE void gather_moments(const cn__conv_args *a, origin at, int rows, int pixels, vf sum[ROWS][PIXELS]) {
    CN__UNROLL
    for (int r = 0; r < rows; r++) {
        if (at.row + r >= a->out_channels)
            continue; /* what would be its lines are another item's */
        float *line = a->moments + (size_t)(at.row + r) * CN__MOMENT_LINES * CN__LANES + at.lane;
        bool first = at.pixel == 0;
        vf pivot = first ? sum[r][0] : vf_load(line + CN__MOMENT_PIVOT * CN__LANES);
        vf total = first ? (vf){0} : vf_load(line + CN__MOMENT_SUM * CN__LANES);
        vf squares = first ? (vf){0} : vf_load(line + CN__MOMENT_SQUARES * CN__LANES);
        CN__UNROLL
        for (int p = 0; p < pixels; p++) {
            vf x = sum[r][p] - pivot;
            total += x;
            squares = vf_fma(x, x, squares);
        }
        vf_store(line + CN__MOMENT_PIVOT * CN__LANES, pivot);
        vf_store(line + CN__MOMENT_SUM * CN__LANES, total);
        vf_store(line + CN__MOMENT_SQUARES * CN__LANES, squares);
    }
}

INLINE void tile(const cn__conv_args *a, const cn__conv_job *job, origin at, int rows, int pixels) {
    vf sum[ROWS][PIXELS];
    const float *in[PIXELS];
    start(a, job, at, rows, pixels, sum);
    CN__UNROLL
    for (int p = 0; p < pixels; p++)
        in[p] = a->in + job->pixel_in[at.pixel + p] + at.lane;
    const float *weights = a->weights + at.row;
    for (int32_t c = 0; c < a->in_channels; c++, weights += (size_t)a->taps * CN__OC_BLOCK) {
        for (const cn__tap *tap = job->taps; tap < job->taps + job->tap_count; tap++) {
            const float *w = weights + (size_t)tap->weight * CN__OC_BLOCK;
            vf x[PIXELS];
            CN__UNROLL
            for (int p = 0; p < pixels; p++)
                x[p] = vf_load(in[p] + tap->input);
            CN__UNROLL
            for (int r = 0; r < rows; r++) {
                vf wr = vf_set1(w[r]);
                CN__UNROLL
                for (int p = 0; p < pixels; p++)
                    sum[r][p] = vf_fma(wr, x[p], sum[r][p]);
            }
        }
        CN__UNROLL
        for (int p = 0; p < pixels; p++)
            in[p] += a->in_channel;
    }
    if (a->skip)
        add_skip(a, job, at, rows, pixels, sum);
    if (a->relu)
        rectify(rows, pixels, sum);
    finish(a, job, at, rows, pixels, sum);
    if (a->moments)
        gather_moments(a, at, rows, pixels, sum);
}

INLINE void all_pixels(const cn__conv_args *a, const cn__conv_job *job, origin at, int rows) {
    for (at.pixel = 0; at.pixel + PIXELS <= job->pixel_count; at.pixel += PIXELS)
        tile(a, job, at, rows, PIXELS);
    if (job->pixel_count - at.pixel == 2)
        tile(a, job, at, rows, 2);
    else if (job->pixel_count - at.pixel == 1)
        tile(a, job, at, rows, 1);
}

/* An input at a border that is repeated far beyond the filter's reach has many times more readers than a filter has
 * taps. Those through the same tap are added up by themselves, and so is what each channel comes to: a single
 * accumulator would lose a digit. Rare, and so without tiles. */
static void long_sums(const cn__conv_args *a, const cn__conv_job *job, origin at) {
    float *out = a->out + (size_t)at.row * a->out_channel + at.lane + job->pixel_out[at.pixel];
    const float *in = a->in + at.lane + job->pixel_in[at.pixel], *weights = a->weights + at.row;
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

static bool has_long_sums(const cn__conv_args *a, const cn__conv_job *job) {
    return job->tap_count > LONG * a->taps && !a->bias && !a->skip && !a->relu && !a->moments;
}

void CN__ISA_NAME(conv)(const cn__conv_args *args, const cn__conv_job *job) {
    if (has_long_sums(args, job)) {
        for (origin at = {0, 0, 0}; at.lane < CN__LANES; at.lane += CN__WIDTH)
            for (at.row = 0; at.row < args->out_channels; at.row++)
                for (at.pixel = 0; at.pixel < job->pixel_count; at.pixel++)
                    long_sums(args, job, at);
        return;
    }
    for (size_t lane = 0; lane < CN__LANES; lane += CN__WIDTH)
        for (int32_t row = 0; row < args->out_channels; row += ROWS) {
            origin at = {row, 0, lane};
#if ROWS == 8
            if (args->out_channels <= 4) {
                all_pixels(args, job, at, 4);
                continue;
            }
#endif
            all_pixels(args, job, at, ROWS);
        }
}
