/* SPDX-License-Identifier: MIT */
/* local_response.c: each channel divided by what it and its neighbours hold (Krizhevsky et al. 2012), and the way back:
 *
 *     s_c = k + scale Σ x_j²,  j = c - before … c + after,     y_c = x_c s_c^-beta
 *     dx_j = dy_j s_j^-beta - 2 beta scale x_j Σ dy_c x_c s_c^(-beta - 1),  c = j - after … j + before
 *
 * Sums run over channels in their order, with images in the lanes as with channels, whose neighbours are then read from
 * the channels of a pixel side by side. */
#include "kernels/isa/isa.h"
#include "kernels/isa/vector_math.h"
#include <string.h>

typedef cn__local_response_args arguments;

/* ---- both layouts; channels are `step` floats apart ---- */

INLINE vf squares(const float *x, size_t step, int32_t first, int32_t last) {
    vf sum = {0};
    for (ptrdiff_t c = first; c <= last; c++) {
        vf value = vf_load_any(x + c * (ptrdiff_t)step);
        sum = vf_fma(value, value, sum);
    }
    return sum;
}

INLINE vf total(const float *x, size_t step, int32_t first, int32_t last) {
    vf sum = {0};
    for (ptrdiff_t c = first; c <= last; c++)
        sum += vf_load_any(x + c * (ptrdiff_t)step);
    return sum;
}

INLINE vf level_of(const arguments *a, vf sum) {
    return vf_fma(sum, vf_set1(a->scale), vf_set1(a->k));
}

INLINE vf factor_of(const arguments *a, vf level) {
    return vf_exp(vf_log(level) * -a->beta);
}

INLINE vf gradient_of(const arguments *a, vf x, vf direct, vf sum) {
    return vf_fma(x * (-2.0f * a->beta * a->scale), sum, direct);
}

/* ---- images in the lanes ---- */

/* Channels c - down … c + up, as far as there are such. */
#define WINDOW(c, down, up) (c) > (down) ? (c) - (down) : 0, (c) + (up) < a->channels ? (c) + (up) : a->channels - 1

void CN__ISA_NAME(local_response)(const arguments *a, float *y) {
    for (size_t i = 0; i < (size_t)a->width * CN__LANES; i += CN__WIDTH)
        for (int32_t c = 0; c < a->channels; c++) {
            const float *x = a->x + i;
            vf level = level_of(a, squares(x, a->x_channel, WINDOW(c, a->before, a->after)));
            vf_store(y + (size_t)c * a->y_channel + i, vf_load(x + (size_t)c * a->x_channel) * factor_of(a, level));
        }
}

static void backward_vector(const arguments *a, const float *x, const float *dy, float *dx, bool accumulate) {
    float *slope = a->scratch, *direct = slope + (size_t)a->channels * CN__WIDTH;
    for (int32_t c = 0; c < a->channels; c++) {
        vf level = level_of(a, squares(x, a->x_channel, WINDOW(c, a->before, a->after)));
        vf d = vf_load(dy + (size_t)c * a->y_channel) * factor_of(a, level);
        vf_store(direct + (size_t)c * CN__WIDTH, d);
        vf_store(slope + (size_t)c * CN__WIDTH, d * vf_load(x + (size_t)c * a->x_channel) / level);
    }
    for (int32_t c = 0; c < a->channels; c++) {
        float *to = dx + (size_t)c * a->x_gradient_channel;
        vf d = gradient_of(a, vf_load(x + (size_t)c * a->x_channel), vf_load(direct + (size_t)c * CN__WIDTH),
                           total(slope, CN__WIDTH, WINDOW(c, a->after, a->before)));
        vf_store(to, accumulate ? vf_load(to) + d : d);
    }
}

void CN__ISA_NAME(local_response_backward)(const arguments *a, const float *dy, float *dx, bool accumulate) {
    for (size_t i = 0; i < (size_t)a->width * CN__LANES; i += CN__WIDTH)
        backward_vector(a, a->x + i, dy + i, dx + i, accumulate);
}

/* ---- channels in the lanes ---- */

static size_t around(const arguments *a) {
    return cn__whole_lines((size_t)(a->before > a->after ? a->before : a->after));
}

/* Zeros beside the channels, as far as windows reach. */
static void clear_around(const arguments *a, float *channels) {
    size_t end = cn__whole_lines((size_t)a->channels) + around(a);
    memset(channels - around(a), 0, around(a) * sizeof *channels);
    memset(channels + a->channels, 0, (end - (size_t)a->channels) * sizeof *channels);
}

static void gather(const arguments *a, const float *pixel, float *channels) {
    for (size_t c = 0; c < (size_t)a->channels; c += CN__LANES)
        memcpy(channels + c, pixel + c / CN__LANES * a->x_channel, CN__LANES * sizeof *channels);
    clear_around(a, channels);
}

/* Where vector i of a pixel's channels is, of planes so many floats apart. */
INLINE size_t vector_at(size_t c, size_t plane) {
    return c / CN__LANES * plane + c % CN__LANES;
}

void CN__ISA_NAME(channel_local_response)(const arguments *a, float *y) {
    float *x = a->scratch + around(a);
    for (size_t i = 0; i < (size_t)a->width * CN__LANES; i += CN__LANES) {
        gather(a, a->x + i, x);
        for (size_t c = 0; c < cn__whole_lines((size_t)a->channels); c += CN__WIDTH) {
            vf level = level_of(a, squares(x + c, 1, -a->before, a->after));
            vf_store(y + vector_at(c, a->y_channel) + i, vf_load(x + c) * factor_of(a, level));
        }
    }
}

static void backward_pixel(const arguments *a, const float *pixel, const float *dy, float *dx, bool accumulate) {
    size_t whole = cn__whole_lines((size_t)a->channels);
    float *x = a->scratch + around(a), *slope = x + whole + 2 * around(a), *direct = slope + whole + around(a);
    gather(a, pixel, x);
    for (size_t c = 0; c < whole; c += CN__WIDTH) {
        vf level = level_of(a, squares(x + c, 1, -a->before, a->after));
        vf d = vf_load(dy + vector_at(c, a->y_channel)) * factor_of(a, level);
        vf_store(direct + c, d);
        vf_store(slope + c, d * vf_load(x + c) / level);
    }
    clear_around(a, slope);
    for (size_t c = 0; c < whole; c += CN__WIDTH) {
        float *to = dx + vector_at(c, a->x_gradient_channel);
        vf d = gradient_of(a, vf_load(x + c), vf_load(direct + c), total(slope + c, 1, -a->after, a->before));
        vf_store(to, accumulate ? vf_load(to) + d : d);
    }
}

void CN__ISA_NAME(channel_local_response_backward)(const arguments *a, const float *dy, float *dx, bool accumulate) {
    for (size_t i = 0; i < (size_t)a->width * CN__LANES; i += CN__LANES)
        backward_pixel(a, a->x + i, dy + i, dx + i, accumulate);
}
