/* SPDX-License-Identifier: MIT */
/* pointwise.c: what happens to each element around a normalisation: itself, skip, ReLU, dropout; and
 * the way back. Everything is written once, inlined with its options as constants. */
#include "kernels/isa/exact_sum.h"
#include "kernels/isa/isa.h"
#include <math.h>

/* ---- dropout's random bits ---- */

typedef uint64_t vl __attribute__((vector_size(4 * CN__WIDTH)));

/* The 64-bit products of the lower halves; what is in the upper ones does not matter. */
INLINE vl multiply_low(vl a, uint32_t factor) {
#if CN__ISA == 3
    return (vl)_mm512_mul_epu32((__m512i)a, _mm512_set1_epi64((int64_t)factor));
#elif CN__ISA == 2
    return (vl)_mm256_mul_epu32((__m256i)a, _mm256_set1_epi64x((int64_t)factor));
#else
    return (a & 0xffffffffu) * factor;
#endif
}

/* Philox 4×32-10 with a counter a lane; see base/philox.c. Even and odd lanes go separately, each in the lower half of
 * 64 bits, where a product has both words that a round wants. */
INLINE void philox(const cn__pointwise_args *a, uint32_t group, size_t lane, vu word[4]) {
    vl c[4][2];
    vu image = (vu){0} + a->image[0], channel = (vu){0} + a->counter1;
    uint32_t k0 = (uint32_t)a->key, k1 = (uint32_t)(a->key >> 32);
    if (a->channels)
        for (int l = 0; l < CN__WIDTH; l++)
            channel[l] += (uint32_t)lane + (uint32_t)l;
    else
        memcpy(&image, a->image + lane, sizeof image);
    for (int odd = 0; odd < 2; odd++) {
        c[0][odd] = (vl){0} + group;
        c[1][odd] = odd ? (vl)channel >> 32 : (vl)channel;
        c[2][odd] = odd ? (vl)image >> 32 : (vl)image;
        c[3][odd] = (vl){0} + a->counter3;
    }
    for (int round = 0; round < 10; round++) {
        for (int odd = 0; odd < 2; odd++) {
            vl product0 = multiply_low(c[0][odd], 0xD2511F53u), product2 = multiply_low(c[2][odd], 0xCD9E8D57u);
            c[0][odd] = (product2 >> 32) ^ c[1][odd] ^ k0;
            c[1][odd] = product2;
            c[2][odd] = (product0 >> 32) ^ c[3][odd] ^ k1;
            c[3][odd] = product0;
        }
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    for (int i = 0; i < 4; i++)
        word[i] = (vu)((c[i][0] & 0xffffffffu) | c[i][1] << 32);
}

/* All ones where pixel p is kept. `word` holds the bits of p's group of eight, drawn at its first pixel. */
INLINE vi kept(const cn__pointwise_args *a, uint32_t p, size_t lane, vu word[4]) {
    if (p % 8 == 0)
        philox(a, p / 8, lane, word);
    vu bits = word[p % 8 / 2];
    bits = p % 2 ? bits >> 16 : bits & 0xffffu;
    return (vi)bits >= (int32_t)a->threshold;
}

/* ---- forward ---- */

/* Of each lane, or of all. */
INLINE vf factor(const float *line, float one, size_t lane) {
    return line ? vf_load(line + lane) : vf_set1(one);
}

/* What a ReLU's output does not exceed; NaN, than which nothing is more, if there is no bound. */
INLINE vf bound(const cn__pointwise_args *a) {
    return vf_set1(a->most > 0.0f ? a->most : NAN);
}

INLINE void forward_rows(const cn__pointwise_args *a, size_t lane, bool norm, bool skip, bool relu, bool dropout) {
    vf center = norm ? vf_load(a->center + lane) : (vf){0}, keep = vf_set1(a->keep);
    vf scale = norm ? vf_load(a->inv + lane) * factor(a->weights, a->weight, lane) : (vf){0};
    vf bias = factor(a->biases, a->bias, lane), most = bound(a);
    vu word[4] = {{0}};
    uint32_t p = 0;
    for (int32_t r = 0; r < a->height; r++) {
        const float *x = a->x.data + (size_t)r * a->x.row + lane;
        const float *s = skip ? a->skip.data + (size_t)r * a->skip.row + lane : x;
        float *y = a->y.data + (size_t)r * a->y.row + lane;
        for (int32_t c = 0; c < a->width; c++, x += CN__LANES, s += CN__LANES, y += CN__LANES, p++) {
            vf value = norm ? vf_fma(vf_load(x) - center, scale, bias) : vf_load(x);
            if (skip)
                value += vf_load(s);
            if (relu) { /* NaN stays NaN */
                value = vf_select(value <= 0.0f, (vf){0}, value);
                value = vf_select(value > most, most, value);
            }
            if (dropout)
                value = vf_and(kept(a, p, lane, word), value * keep);
            vf_store(y, value);
        }
    }
}

INLINE void forward_options(const cn__pointwise_args *a, size_t lane, bool norm, bool skip) {
    if (a->threshold)
        a->relu ? forward_rows(a, lane, norm, skip, true, true) : forward_rows(a, lane, norm, skip, false, true);
    else
        a->relu ? forward_rows(a, lane, norm, skip, true, false) : forward_rows(a, lane, norm, skip, false, false);
}

/* CN__LANES in the condition tells compilers how often at most: without it session 8 trained 3 % slower. */
void CN__ISA_NAME(pointwise)(const cn__pointwise_args *args) {
    bool skip = args->skip.data != NULL;
    for (size_t lane = 0; lane < CN__LANES && lane < CN__LANES - args->x.spare; lane += CN__WIDTH)
        if (args->inv)
            skip ? forward_options(args, lane, true, true) : forward_options(args, lane, true, false);
        else
            skip ? forward_options(args, lane, false, true) : forward_options(args, lane, false, false);
}

/* ---- backward ---- */

/* dy behind ReLU and dropout. After a ReLU y > 0 says both: an element that dropout took is zero like one below 0. At
 * its bound a ReLU has no slope. */
INLINE vf masked(const cn__pointwise_args *a, vf dy, vf y, uint32_t p, size_t lane, vu word[4], bool relu,
                 bool dropout) {
    if (relu)
        dy = vf_and((y > 0.0f) & ~(y >= bound(a) * a->keep), dy);
    else if (dropout)
        dy = vf_and(kept(a, p, lane, word), dy);
    return dropout ? dy * a->keep : dy;
}

/* What a norm makes of x: as in the forward pass, to the bit. */
typedef struct normed {
    vf center, scale, bias;
} normed;

INLINE normed norm_of(const cn__pointwise_args *a, size_t lane) {
    return (normed){vf_load(a->center + lane), vf_load(a->inv + lane) * factor(a->weights, a->weight, lane),
                    factor(a->biases, a->bias, lane)};
}

INLINE vf norm_y(const normed *n, vf x) {
    return vf_fma(x - n->center, n->scale, n->bias);
}

/* Where dz, which is dy behind ReLU and dropout, goes. */
typedef enum dz_place { KEPT, STORED, STORED_AS_SKIP, ADDED_TO_SKIP } dz_place;

typedef struct reduction {
    cn__plane dy, dskip;
    float *sum_dz, *sum_dzx;
} reduction;

/* One pixel; `sum` and `product` have two takers each, for even and odd columns, so that additions do not wait for each
 * other. */
INLINE void reduce_pixel(const cn__pointwise_args *a, const normed *n, const float *at_x, const float *y, float *dy,
                         float *dskip, uint32_t p, size_t lane, vu word[4], bool relu, bool dropout, dz_place place,
                         vf *sum, vf *product) {
    vf x = vf_load(at_x), out = !relu ? (vf){0} : place == KEPT ? norm_y(n, x) : vf_load(y);
    vf dz = masked(a, vf_load(dy), out, p, lane, word, relu, dropout);
    *sum += dz;
    *product = vf_fma(dz, x - n->center, *product);
    if (place == STORED_AS_SKIP)
        vf_store(dskip, dz);
    else if (place != KEPT)
        vf_store(dy, dz);
    if (place == ADDED_TO_SKIP)
        vf_store(dskip, vf_load(dskip) + dz);
}

INLINE void reduce_rows(const cn__pointwise_args *a, const reduction *to, size_t lane, bool relu, bool dropout,
                        dz_place place) {
    bool skips = place == STORED_AS_SKIP || place == ADDED_TO_SKIP;
    normed n = norm_of(a, lane);
    exact_sum sum = {{0}, {0}}, product = {{0}, {0}};
    vu word[4] = {{0}};
    uint32_t p = 0;
    for (int32_t r = 0; r < a->height; r++) {
        const float *x = a->x.data + (size_t)r * a->x.row + lane, *y = a->y.data + (size_t)r * a->y.row + lane;
        float *dy = to->dy.data + (size_t)r * to->dy.row + lane;
        float *ds = skips ? to->dskip.data + (size_t)r * to->dskip.row + lane : dy;
        for (int32_t c = 0; c < a->width;) {
            vf even = {0}, odd = {0}, even_product = {0}, odd_product = {0};
            int32_t end = run_end(c, a->width);
            for (; c + 1 < end; c += 2, p += 2) {
                size_t at = (size_t)c * CN__LANES, next = at + CN__LANES;
                reduce_pixel(a, &n, x + at, y + at, dy + at, ds + at, p, lane, word, relu, dropout, place, &even,
                             &even_product);
                reduce_pixel(a, &n, x + next, y + next, dy + next, ds + next, p + 1, lane, word, relu, dropout, place,
                             &odd, &odd_product);
            }
            if (c < end) {
                size_t at = (size_t)c++ * CN__LANES;
                reduce_pixel(a, &n, x + at, y + at, dy + at, ds + at, p++, lane, word, relu, dropout, place, &even,
                             &even_product);
            }
            exact_add(&sum, even + odd);
            exact_add(&product, even_product + odd_product);
        }
    }
    vf_store(to->sum_dz + lane, exact_total(&sum));
    vf_store(to->sum_dzx + lane, exact_total(&product) * vf_load(a->inv + lane));
}

INLINE void reduce_options(const cn__pointwise_args *a, const reduction *to, size_t lane, dz_place place) {
    if (a->threshold)
        a->relu ? reduce_rows(a, to, lane, true, true, place) : reduce_rows(a, to, lane, false, true, place);
    else
        a->relu ? reduce_rows(a, to, lane, true, false, place) : reduce_rows(a, to, lane, false, false, place);
}

void CN__ISA_NAME(norm_reduce)(const cn__pointwise_args *args, cn__plane dy, cn__plane dskip, bool skip_accumulate,
                               float *sum_dz, float *sum_dzx) {
    reduction to = {dy, dskip, sum_dz, sum_dzx};
    for (size_t lane = 0; lane < CN__LANES && lane < CN__LANES - args->x.spare; lane += CN__WIDTH)
        if (dskip.data && !skip_accumulate)
            reduce_options(args, &to, lane, STORED_AS_SKIP);
        else if (dskip.data)
            reduce_options(args, &to, lane, ADDED_TO_SKIP);
        else if (args->masks_again)
            reduce_rows(args, &to, lane, true, false, KEPT);
        else if (args->relu || args->threshold)
            reduce_options(args, &to, lane, STORED);
        else
            reduce_rows(args, &to, lane, false, false, KEPT);
}

INLINE void norm_backward_rows(const cn__pointwise_args *a, cn__plane dz, cn__plane dx, size_t lane, vf b, vf c,
                               bool accumulate, bool masks) {
    normed n = norm_of(a, lane);
    vf inv = vf_load(a->inv + lane), weight = factor(a->weights, a->weight, lane);
    for (int32_t r = 0; r < a->height; r++) {
        const float *x = a->x.data + (size_t)r * a->x.row + lane;
        const float *from = dz.data + (size_t)r * dz.row + lane;
        float *to = dx.data + (size_t)r * dx.row + lane;
        for (size_t i = 0; i < (size_t)a->width * CN__LANES; i += CN__LANES) {
            vf in = vf_load(x + i), d = vf_load(from + i);
            if (masks)
                d = masked(a, d, norm_y(&n, in), 0, lane, NULL, true, false);
            vf value = vf_fma(d, weight, vf_fma(in - n.center, b, c));
            vf_store(to + i, accumulate ? vf_fma(value, inv, vf_load(to + i)) : value * inv);
        }
    }
}

void CN__ISA_NAME(norm_backward)(const cn__pointwise_args *args, cn__plane dz, cn__plane dx, const float *b,
                                 const float *c, bool accumulate) {
    for (size_t lane = 0; lane < CN__LANES && lane < CN__LANES - args->x.spare; lane += CN__WIDTH)
        if (args->masks_again)
            norm_backward_rows(args, dz, dx, lane, vf_load(b + lane), vf_load(c + lane), accumulate, true);
        else
            norm_backward_rows(args, dz, dx, lane, vf_load(b + lane), vf_load(c + lane), accumulate, false);
}

INLINE void backward_rows(const cn__pointwise_args *a, cn__plane dy, cn__plane dx, size_t lane, bool relu, bool dropout,
                          bool accumulate) {
    vu word[4] = {{0}};
    uint32_t p = 0;
    for (int32_t r = 0; r < a->height; r++) {
        const float *y = a->y.data + (size_t)r * a->y.row + lane, *from = dy.data + (size_t)r * dy.row + lane;
        float *to = dx.data + (size_t)r * dx.row + lane;
        for (int32_t c = 0; c < a->width; c++, p++) {
            size_t at = (size_t)c * CN__LANES;
            vf dz = masked(a, vf_load(from + at), relu ? vf_load(y + at) : (vf){0}, p, lane, word, relu, dropout);
            vf_store(to + at, accumulate ? vf_load(to + at) + dz : dz);
        }
    }
}

void CN__ISA_NAME(pointwise_backward)(const cn__pointwise_args *args, cn__plane dy, cn__plane dx, bool accumulate) {
    for (size_t lane = 0; lane < CN__LANES && lane < CN__LANES - args->x.spare; lane += CN__WIDTH)
        if (args->threshold)
            args->relu ? backward_rows(args, dy, dx, lane, true, true, accumulate)
                       : backward_rows(args, dy, dx, lane, false, true, accumulate);
        else
            args->relu ? backward_rows(args, dy, dx, lane, true, false, accumulate)
                       : backward_rows(args, dy, dx, lane, false, false, accumulate);
}

void CN__ISA_NAME(copy)(cn__plane x, cn__plane y, int32_t height, int32_t width, bool accumulate) {
    for (int32_t r = 0; r < height; r++) {
        const float *from = x.data + (size_t)r * x.row;
        float *to = y.data + (size_t)r * y.row;
        for (size_t i = 0; i < (size_t)width * CN__LANES; i += CN__WIDTH)
            vf_store(to + i, accumulate ? vf_load(to + i) + vf_load(from + i) : vf_load(from + i));
    }
}
