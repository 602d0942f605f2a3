/* SPDX-License-Identifier: MIT */
/* conv_weight_nchw16c.c: weight gradients of convolutions with channels in the lanes: a tile of terms (an input
 * channel seen through a tap) × lines of output channels in registers runs over the pixels of some rows of some images,
 * inputs broadcast. Every sum has one accumulator; it is then added to what memory holds. */
#include "kernels/isa/isa.h"

/* 32 registers hold 24 accumulators, the output gradients of a pixel and an input, 16 hold 12. */
#define LINES   (CN__VECTORS_PER_LINE == 1 ? 4 : 1)
#define VECTORS (LINES * CN__VECTORS_PER_LINE)
#define TERMS   (3 * CN__REGISTERS / 4 / VECTORS)

/* Row `number` of those of all images. */
INLINE const float *dy_row(const cn__channel_conv_weight_args *a, const float *dy, int32_t number) {
    return dy + (size_t)(number / a->height) * a->dy_image + (size_t)(number % a->height) * a->dy_row;
}

INLINE size_t x_row(const cn__channel_conv_weight_args *a, int32_t number) {
    return (size_t)(number / a->height) * a->x_image + (size_t)(number % a->height) * a->x_row;
}

INLINE void add_pixels(const cn__channel_conv_weight_args *a, const float *dy, const float *const *x, int vectors,
                       int terms, vf sum[VECTORS][TERMS]) {
    for (int32_t y = 0; y < a->images * a->height; y++) {
        const float *gradient = dy_row(a, dy, y);
        size_t at = x_row(a, y);
        for (int32_t i = 0; i < a->width; i++, gradient += a->dy_step, at += a->x_step) {
            vf d[VECTORS];
            CN__UNROLL
            for (int v = 0; v < VECTORS; v++)
                if (v < vectors)
                    d[v] = vf_load(gradient + (size_t)(v / CN__VECTORS_PER_LINE) * a->dy_plane +
                                   v % CN__VECTORS_PER_LINE * CN__WIDTH);
            CN__UNROLL
            for (int t = 0; t < TERMS; t++) {
                if (t >= terms)
                    continue;
                vf input = vf_set1(x[t][at]);
                CN__UNROLL
                for (int v = 0; v < VECTORS; v++)
                    if (v < vectors)
                        sum[v][t] = vf_fma(d[v], input, sum[v][t]);
            }
        }
    }
}

INLINE void tile(const cn__channel_conv_weight_args *a, int32_t line, int vectors, int32_t term, int terms) {
    vf sum[VECTORS][TERMS];
    const float *x[TERMS];
    CN__UNROLL
    for (int t = 0; t < TERMS; t++) {
        x[t] = a->x + a->terms[term + (t < terms ? t : 0)];
        CN__UNROLL
        for (int v = 0; v < VECTORS; v++)
            sum[v][t] = (vf){0};
    }
    add_pixels(a, a->dy + (size_t)line * a->dy_plane, x, vectors, terms, sum);
    CN__UNROLL
    for (int v = 0; v < VECTORS; v++) {
        if (v >= vectors)
            continue;
        size_t row = (size_t)(line + v / CN__VECTORS_PER_LINE) * (size_t)a->term_count + (size_t)term;
        float *out = a->sums + row * CN__LANES + v % CN__VECTORS_PER_LINE * CN__WIDTH;
        CN__UNROLL
        for (int t = 0; t < TERMS; t++)
            if (t < terms)
                vf_store(out + t * CN__LANES, vf_load(out + t * CN__LANES) + sum[v][t]);
    }
}

/* Cut into tiles of about the same size. */
INLINE void all_terms(const cn__channel_conv_weight_args *a, int32_t line, int vectors) {
    int32_t tiles = (a->term_count + TERMS - 1) / TERMS;
    for (int32_t term = 0, terms; tiles > 0; term += terms, tiles--) {
        terms = (a->term_count - term + tiles - 1) / tiles;
        CN__AS_CONSTANT(n, terms, TERMS, tile(a, line, vectors, term, n))
    }
}

static void all_lines(const cn__channel_conv_weight_args *a) {
    bool half = CN__VECTORS_PER_LINE > 1 && a->spare >= CN__LANES / 2; /* of the last line counts */
    int32_t line = 0, whole = a->lines - half;
    for (; line + LINES <= whole; line += LINES)
        all_terms(a, line, VECTORS);
    if (LINES > 2 && whole - line >= 2) {
        all_terms(a, line, 2);
        line += 2;
    }
    if (LINES > 1 && line < whole)
        all_terms(a, line, 1);
    if (half)
        all_terms(a, line, (CN__VECTORS_PER_LINE + 1) / 2);
}

/* ---- each channel by itself ---- */

/* 16 registers hold the taps of a 3×3 filter and the output gradient. */
#define TAPS 9

INLINE void depthwise_tile(const cn__channel_conv_weight_args *a, size_t lane, int32_t term, int taps) {
    vf sum[TAPS];
    const float *x[TAPS];
    CN__UNROLL
    for (int t = 0; t < TAPS; t++) {
        x[t] = a->x + a->terms[term + (t < taps ? t : 0)] + lane;
        sum[t] = (vf){0};
    }
    for (int32_t y = 0; y < a->images * a->height; y++) {
        const float *dy = dy_row(a, a->dy, y) + lane;
        size_t at = x_row(a, y);
        for (int32_t i = 0; i < a->width; i++, dy += a->dy_step, at += a->x_step) {
            vf d = vf_load(dy);
            CN__UNROLL
            for (int t = 0; t < TAPS; t++)
                if (t < taps)
                    sum[t] = vf_fma(d, vf_load(x[t] + at), sum[t]);
        }
    }
    float *out = a->sums + (size_t)term * CN__LANES + lane;
    CN__UNROLL
    for (int t = 0; t < TAPS; t++)
        if (t < taps)
            vf_store(out + t * CN__LANES, vf_load(out + t * CN__LANES) + sum[t]);
}

static void depthwise_taps(const cn__channel_conv_weight_args *a, size_t lane) {
    int32_t tiles = (a->term_count + TAPS - 1) / TAPS;
    for (int32_t term = 0, taps; tiles > 0; term += taps, tiles--) {
        taps = (a->term_count - term + tiles - 1) / tiles;
        CN__AS_CONSTANT(n, taps, TAPS, depthwise_tile(a, lane, term, n))
    }
}

/* ---- biases ---- */

static void add_biases(const cn__channel_conv_weight_args *a) {
    for (int32_t line = 0; line < a->lines; line++)
        for (size_t lane = 0; lane < CN__LANES; lane += CN__WIDTH) {
            float *out = a->bias_sums + line * CN__LANES + lane;
            vf sum = {0};
            for (int32_t y = 0; y < a->images * a->height; y++) {
                const float *dy = dy_row(a, a->dy, y) + (size_t)line * a->dy_plane + lane;
                for (int32_t i = 0; i < a->width; i++, dy += a->dy_step)
                    sum += vf_load(dy);
            }
            vf_store(out, vf_load(out) + sum);
        }
}

/* ---- both ---- */

/* Rows that follow on each other without a gap are one; so are images of one pixel. */
static cn__channel_conv_weight_args join_rows(const cn__channel_conv_weight_args *args) {
    cn__channel_conv_weight_args a = *args;
    size_t width = (size_t)a.width;
    if (a.x_row == width * a.x_step && a.dy_row == width * a.dy_step) {
        a.width *= a.height;
        a.height = 1;
    }
    if (a.height == 1 && a.width == 1) {
        a.width = a.images;
        a.x_step = a.x_image;
        a.dy_step = a.dy_image;
        a.images = 1;
    }
    return a;
}

void CN__ISA_NAME(channel_conv_weight)(const cn__channel_conv_weight_args *args) {
    cn__channel_conv_weight_args a = join_rows(args);
    all_lines(&a);
    if (a.bias_sums)
        add_biases(&a);
}

void CN__ISA_NAME(channel_depthwise_weight)(const cn__channel_conv_weight_args *args) {
    cn__channel_conv_weight_args a = join_rows(args);
    for (size_t lane = 0; lane < CN__LANES; lane += CN__WIDTH)
        depthwise_taps(&a, lane);
    if (a.bias_sums)
        add_biases(&a);
}
