/* SPDX-License-Identifier: MIT */
/* depthwise_conv.c: direct convolution of one input channel and one output channel, as groups of a depthwise convolution
 * are. A multiply-add for each load leaves no time for index lists: pixels are taken in runs whose inputs and outputs lie
 * in even steps. The sums are those of direct_conv.c. */
#include "kernels/isa/isa.h"
#include "kernels/isa/moment_lines.h"

#define RUN 8 /* pixels at most */

/* Pixels from `first` on. */
typedef struct run {
    int32_t first;
    size_t in, out; /* floats from a pixel to the next */
} run;

INLINE void start(const cn__conv_args *a, const cn__conv_job *job, const float *out, run at, int pixels, vf sum[RUN]) {
    vf bias = a->bias ? vf_set1(a->bias[0]) : (vf){0};
    CN__UNROLL
    for (int p = 0; p < pixels; p++)
        sum[p] = job->accumulate ? vf_load(out + (size_t)p * at.out) : bias;
}

INLINE void gather_moments(const cn__conv_args *a, run at, size_t lane, int pixels, const vf sum[RUN]) {
    float *line = a->moments + lane;
    if (at.first == 0)
        begin_moments(line, sum[0]);
    moments before = moments_from(line), added = {before.pivot, {0}, {0}};
    CN__UNROLL
    for (int p = 0; p < pixels; p++)
        add_to_moments(&added, sum[p]);
    moments_to(line, &(moments){added.pivot, before.sum + added.sum, before.squares + added.squares});
}

INLINE void compute(const cn__conv_args *a, const cn__conv_job *job, run at, size_t lane, int pixels) {
    vf sum[RUN];
    const float *in = a->in + job->pixel_in[at.first] + lane;
    float *out = a->out + job->pixel_out[at.first] + lane;
    start(a, job, out, at, pixels, sum);
    for (const cn__tap *tap = job->taps; tap < job->taps + job->tap_count; tap++) {
        vf w = vf_set1(a->weights[(size_t)tap->weight * CN__OC_BLOCK]);
        const float *x = in + tap->input;
        CN__UNROLL
        for (int p = 0; p < pixels; p++)
            sum[p] = vf_fma(w, vf_load(x + (size_t)p * at.in), sum[p]);
    }
    for (int p = 0; a->skip && p < pixels; p++)
        sum[p] += vf_load(a->skip + job->pixel_skip[at.first + p] + lane);
    for (int p = 0; a->relu && p < pixels; p++)
        sum[p] = vf_relu(sum[p]);
    if (a->moments)
        gather_moments(a, at, lane, pixels, sum);
    CN__UNROLL
    for (int p = 0; p < pixels; p++)
        vf_store(out + (size_t)p * at.out, sum[p]);
}

INLINE void lanes(const cn__conv_args *a, const cn__conv_job *job, run at, int pixels) {
    for (size_t lane = 0; lane < CN__LANES; lane += CN__WIDTH)
        compute(a, job, at, lane, pixels);
}

/* Whether so many pixels from `first` on lie in these steps. Addresses grow from pixel to pixel by a line at least, so
 * that of steps of a line the last one's place says where all are. */
static bool even(const cn__conv_job *job, run at, int32_t pixels) {
    int32_t last = at.first + pixels - 1;
    if (last >= job->pixel_count)
        return false;
    for (int32_t p = at.in == CN__LANES || at.out == CN__LANES ? last : at.first + 1; p <= last; p++)
        if (job->pixel_in[p] - job->pixel_in[at.first] != (p - at.first) * (int32_t)at.in ||
            job->pixel_out[p] - job->pixel_out[at.first] != (p - at.first) * (int32_t)at.out)
            return false;
    return true;
}

/* Computes the longest run from `first` on and returns the pixel behind it. */
INLINE int32_t longest(const cn__conv_args *a, const cn__conv_job *job, run at) {
    if (even(job, at, 8)) {
        lanes(a, job, at, 8);
        return at.first + 8;
    }
    if (even(job, at, 4)) {
        lanes(a, job, at, 4);
        return at.first + 4;
    }
    if (even(job, at, 2)) {
        lanes(a, job, at, 2);
        return at.first + 2;
    }
    lanes(a, job, at, 1);
    return at.first + 1;
}

void CN__ISA_NAME(depthwise_conv)(const cn__conv_args *args, const cn__conv_job *job) {
    enum { ONE = CN__LANES, TWO = 2 * CN__LANES };
    for (run at = {0}; at.first < job->pixel_count;) {
        bool pair = at.first + 1 < job->pixel_count;
        int32_t in = pair ? job->pixel_in[at.first + 1] - job->pixel_in[at.first] : 0;
        int32_t out = pair ? job->pixel_out[at.first + 1] - job->pixel_out[at.first] : 0;
        if (in == ONE && out == ONE)
            at.first = longest(args, job, (run){at.first, ONE, ONE});
        else if (in == TWO && out == ONE) /* stride 2 */
            at.first = longest(args, job, (run){at.first, TWO, ONE});
        else if (in == ONE && out == TWO) /* its input gradient */
            at.first = longest(args, job, (run){at.first, ONE, TWO});
        else /* a border's column, another stride */
            at.first = longest(args, job, (run){at.first, (size_t)in, (size_t)out});
    }
}
