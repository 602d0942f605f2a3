/* pointwise.c: what happens to each element by itself around a normalisation: scale, shift, skip, ReLU, dropout; and
 * the way back. Everything is written once, inlined with its options as constants. */
#include "kernels/isa/isa.h"

#define INLINE static inline __attribute__((always_inline))

/* ---- dropout's random bits ---- */

/* High and low halves of 32×32-bit products, lane by lane. */
INLINE vu multiply_high(vu a, uint32_t factor) {
#if CN__ISA == 3
    __m512i x = (__m512i)a, f = _mm512_set1_epi32((int)factor);
    __m512i even = _mm512_srli_epi64(_mm512_mul_epu32(x, f), 32);
    __m512i odd = _mm512_mul_epu32(_mm512_srli_epi64(x, 32), f);
    return (vu)_mm512_mask_blend_epi32(0xaaaa, even, odd);
#elif CN__ISA == 2
    __m256i x = (__m256i)a, f = _mm256_set1_epi32((int)factor);
    __m256i even = _mm256_srli_epi64(_mm256_mul_epu32(x, f), 32);
    __m256i odd = _mm256_mul_epu32(_mm256_srli_epi64(x, 32), f);
    return (vu)_mm256_blend_epi32(even, odd, 0xaa);
#else
    vu high;
    for (int i = 0; i < CN__WIDTH; i++)
        high[i] = (uint32_t)(((uint64_t)a[i] * factor) >> 32);
    return high;
#endif
}

/* Philox 4×32-10 with a counter a lane; see base/philox.c. */
INLINE void philox(const cn__pointwise_args *a, uint32_t group, size_t part, vu word[4]) {
    vu c0 = (vu){0} + group, c1 = (vu){0} + a->counter1, c2, c3 = (vu){0} + a->counter3;
    uint32_t k0 = (uint32_t)a->key, k1 = (uint32_t)(a->key >> 32);
    memcpy(&c2, a->image + part, sizeof c2);
    for (int round = 0; round < 10; round++) {
        vu high0 = multiply_high(c0, 0xD2511F53u), high2 = multiply_high(c2, 0xCD9E8D57u);
        vu low0 = c0 * 0xD2511F53u, low2 = c2 * 0xCD9E8D57u;
        c0 = high2 ^ c1 ^ k0;
        c1 = low2;
        c2 = high0 ^ c3 ^ k1;
        c3 = low0;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    word[0] = c0;
    word[1] = c1;
    word[2] = c2;
    word[3] = c3;
}

/* All ones where pixel p is kept. `word` holds the bits of p's group of eight, drawn at its first pixel. */
INLINE vi kept(const cn__pointwise_args *a, uint32_t p, size_t part, vu word[4]) {
    if (p % 8 == 0)
        philox(a, p / 8, part, word);
    vu bits = word[p % 8 / 2];
    bits = p % 2 ? bits >> 16 : bits & 0xffffu;
    return (vi)(bits >= (vu){0} + a->threshold);
}

/* ---- forward ---- */

INLINE void forward_rows(const cn__pointwise_args *a, size_t part, bool affine, bool skip, bool relu, bool dropout) {
    vf scale = affine ? vf_load(a->scale + part) : (vf){0}, shift = affine ? vf_load(a->shift + part) : (vf){0};
    vf keep = vf_set1(a->keep);
    vu word[4] = {{0}};
    uint32_t p = 0;
    for (int32_t r = 0; r < a->height; r++) {
        const float *x = a->x.data + (size_t)r * a->x.row + part;
        const float *s = skip ? a->skip.data + (size_t)r * a->skip.row + part : x;
        float *y = a->y.data + (size_t)r * a->y.row + part;
        for (int32_t c = 0; c < a->width; c++, x += CN__LANES, s += CN__LANES, y += CN__LANES, p++) {
            vf value = affine ? vf_fma(vf_load(x), scale, shift) : vf_load(x);
            if (skip)
                value += vf_load(s);
            if (relu)
                value = vf_select(value <= 0.0f, (vf){0}, value); /* NaN stays NaN */
            if (dropout)
                value = vf_and(kept(a, p, part, word), value * keep);
            vf_store(y, value);
        }
    }
}

INLINE void forward_options(const cn__pointwise_args *a, size_t part, bool affine, bool skip) {
    if (a->threshold)
        a->relu ? forward_rows(a, part, affine, skip, true, true) : forward_rows(a, part, affine, skip, false, true);
    else
        a->relu ? forward_rows(a, part, affine, skip, true, false) : forward_rows(a, part, affine, skip, false, false);
}

void CN__K(pointwise)(const cn__pointwise_args *args) {
    bool skip = args->skip.data != NULL;
    for (size_t part = 0; part < CN__LANES; part += CN__WIDTH)
        if (args->scale)
            skip ? forward_options(args, part, true, true) : forward_options(args, part, true, false);
        else
            skip ? forward_options(args, part, false, true) : forward_options(args, part, false, false);
}

/* ---- backward ---- */

/* dy behind ReLU and dropout. After a ReLU y > 0 says both: an element that dropout took is zero like one below 0. */
INLINE vf masked(const cn__pointwise_args *a, vf dy, const float *y, uint32_t p, size_t part, vu word[4], bool relu,
                 bool dropout) {
    if (relu)
        dy = vf_and(vf_load(y) > 0.0f, dy);
    else if (dropout)
        dy = vf_and(kept(a, p, part, word), dy);
    return dropout ? dy * a->keep : dy;
}

typedef struct reduction {
    cn__plane dy, dskip;
    const float *center, *inv;
    float *sum_dz, *sum_dzx;
} reduction;

/* One pixel; `sum` and `product` have two takers each, for even and odd columns, so that additions do not wait for each
 * other. */
INLINE void reduce_pixel(const cn__pointwise_args *a, const float *x, const float *y, float *dy, float *dskip,
                         uint32_t p, size_t part, vu word[4], bool relu, bool dropout, int skip, vf center, vf *sum,
                         vf *product) {
    vf dz = masked(a, vf_load(dy), y, p, part, word, relu, dropout);
    *sum += dz;
    *product = vf_fma(dz, vf_load(x) - center, *product);
    if (skip == 1)
        vf_store(dskip, dz);
    else if (relu || dropout)
        vf_store(dy, dz);
    if (skip == 2)
        vf_store(dskip, vf_load(dskip) + dz);
}

INLINE void reduce_rows(const cn__pointwise_args *a, const reduction *to, size_t part, bool relu, bool dropout,
                        int skip /* 0: none, 1: store, 2: add */) {
    vf center = vf_load(to->center + part), even = {0}, odd = {0}, even_product = {0}, odd_product = {0};
    vu word[4] = {{0}};
    uint32_t p = 0;
    for (int32_t r = 0; r < a->height; r++) {
        const float *x = a->x.data + (size_t)r * a->x.row + part, *y = a->y.data + (size_t)r * a->y.row + part;
        float *dy = to->dy.data + (size_t)r * to->dy.row + part;
        float *ds = skip ? to->dskip.data + (size_t)r * to->dskip.row + part : dy;
        int32_t c = 0;
        for (; c + 1 < a->width; c += 2, p += 2) {
            size_t at = (size_t)c * CN__LANES, next = at + CN__LANES;
            reduce_pixel(a, x + at, y + at, dy + at, ds + at, p, part, word, relu, dropout, skip, center, &even,
                         &even_product);
            reduce_pixel(a, x + next, y + next, dy + next, ds + next, p + 1, part, word, relu, dropout, skip, center,
                         &odd, &odd_product);
        }
        if (c < a->width) {
            size_t at = (size_t)c * CN__LANES;
            reduce_pixel(a, x + at, y + at, dy + at, ds + at, p++, part, word, relu, dropout, skip, center, &even,
                         &even_product);
        }
    }
    vf_store(to->sum_dz + part, even + odd);
    vf_store(to->sum_dzx + part, (even_product + odd_product) * vf_load(to->inv + part));
}

INLINE void reduce_options(const cn__pointwise_args *a, const reduction *to, size_t part, int skip) {
    if (a->threshold)
        a->relu ? reduce_rows(a, to, part, true, true, skip) : reduce_rows(a, to, part, false, true, skip);
    else
        a->relu ? reduce_rows(a, to, part, true, false, skip) : reduce_rows(a, to, part, false, false, skip);
}

void CN__K(norm_reduce)(const cn__pointwise_args *args, cn__plane dy, cn__plane dskip, bool skip_accumulate,
                        const float *center, const float *inv, float *sum_dz, float *sum_dzx) {
    reduction to = {dy, dskip, center, inv, sum_dz, sum_dzx};
    for (size_t part = 0; part < CN__LANES; part += CN__WIDTH)
        if (!dskip.data)
            reduce_options(args, &to, part, 0);
        else if (skip_accumulate)
            reduce_options(args, &to, part, 2);
        else
            reduce_options(args, &to, part, 1);
}

void CN__K(norm_backward)(cn__plane dz, cn__plane x, cn__plane dx, int32_t height, int32_t width, const float *a,
                          const float *b, const float *c, bool accumulate) {
    for (size_t part = 0; part < CN__LANES; part += CN__WIDTH) {
        vf va = vf_load(a + part), vb = vf_load(b + part), vc = vf_load(c + part);
        for (int32_t r = 0; r < height; r++) {
            const float *from = dz.data + (size_t)r * dz.row + part, *at = x.data + (size_t)r * x.row + part;
            float *to = dx.data + (size_t)r * dx.row + part;
            for (size_t i = 0; i < (size_t)width * CN__LANES; i += CN__LANES) {
                vf value = vf_fma(vf_load(from + i), va, vf_fma(vf_load(at + i), vb, vc));
                vf_store(to + i, accumulate ? vf_load(to + i) + value : value);
            }
        }
    }
}

INLINE void backward_rows(const cn__pointwise_args *a, cn__plane dy, cn__plane dx, size_t part, bool relu, bool dropout,
                          bool accumulate) {
    vu word[4] = {{0}};
    uint32_t p = 0;
    for (int32_t r = 0; r < a->height; r++) {
        const float *y = a->y.data + (size_t)r * a->y.row + part, *from = dy.data + (size_t)r * dy.row + part;
        float *to = dx.data + (size_t)r * dx.row + part;
        for (int32_t c = 0; c < a->width; c++, p++) {
            size_t at = (size_t)c * CN__LANES;
            vf dz = masked(a, vf_load(from + at), y + at, p, part, word, relu, dropout);
            vf_store(to + at, accumulate ? vf_load(to + at) + dz : dz);
        }
    }
}

void CN__K(pointwise_backward)(const cn__pointwise_args *args, cn__plane dy, cn__plane dx, bool accumulate) {
    for (size_t part = 0; part < CN__LANES; part += CN__WIDTH)
        if (args->threshold)
            args->relu ? backward_rows(args, dy, dx, part, true, true, accumulate)
                       : backward_rows(args, dy, dx, part, false, true, accumulate);
        else
            args->relu ? backward_rows(args, dy, dx, part, true, false, accumulate)
                       : backward_rows(args, dy, dx, part, false, false, accumulate);
}

void CN__K(copy)(cn__plane x, cn__plane y, int32_t height, int32_t width, bool accumulate) {
    for (int32_t r = 0; r < height; r++) {
        const float *from = x.data + (size_t)r * x.row;
        float *to = y.data + (size_t)r * y.row;
        for (size_t i = 0; i < (size_t)width * CN__LANES; i += CN__WIDTH)
            vf_store(to + i, accumulate ? vf_load(to + i) + vf_load(from + i) : vf_load(from + i));
    }
}
