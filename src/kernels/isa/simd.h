/* SPDX-License-Identifier: MIT */
/* simd.h: the one vector type that kernels are written with, as wide as the instruction set's registers.
 *
 * Files in this folder are compiled once per instruction set, with CN__ISA set to its cn_isa number and the compiler
 * flags that go with it. A line of 16 images is CN__VECTORS_PER_LINE vectors; CN__REGISTERS vectors are what a
 * register tile has to fit into. Arithmetic operators are the compiler's
 * own; fused multiply-add is always written out as vf_fma (the build forbids contraction), so that every instruction
 * set that has it computes the same bits.
 */
#ifndef CN_SIMD_H
#define CN_SIMD_H

#include "kernels/kernels.h"
#include <math.h>
#include <string.h>

#if CN__ISA == 3
#include <immintrin.h>
#define CN__ISA_NAME(name) cn__##name##_avx512
#define CN__WIDTH          16
#define CN__REGISTERS      32
#elif CN__ISA == 2
#include <immintrin.h>
#define CN__ISA_NAME(name) cn__##name##_avx2
#define CN__WIDTH          8
#define CN__REGISTERS      16
#elif CN__ISA == 4
#include <arm_neon.h>
#define CN__ISA_NAME(name) cn__##name##_neon
#define CN__WIDTH          4
#define CN__REGISTERS      32
#else
#define CN__ISA_NAME(name) cn__##name##_portable
#define CN__WIDTH          4
#define CN__REGISTERS      16
#endif

#define CN__VECTORS_PER_LINE (CN__LANES / CN__WIDTH)

/* In front of a loop over a register tile: left to themselves compilers keep large ones in memory. */
#if defined(__clang__)
#define CN__UNROLL _Pragma("clang loop unroll(full)")
#else
#define CN__UNROLL _Pragma("GCC unroll 16")
#endif

/* Of what kernels are made of: inlined with its last arguments as constants, at any level of optimisation. */
#ifndef INLINE
#define INLINE static inline __attribute__((always_inline))
#endif
#define NOINLINE __attribute__((noinline))

/* Makes a number that is at most `most`, which is at most 12, a constant: runs the statement in which `constant` is it.
 * Each number so gets code of its own. */
#define CN__AS_CONSTANT(constant, number, most, ...)                                                                   \
    switch (number) {                                                                                                  \
        CN__NUMBER(constant, 1, most, __VA_ARGS__)                                                                     \
        CN__NUMBER(constant, 2, most, __VA_ARGS__)                                                                     \
        CN__NUMBER(constant, 3, most, __VA_ARGS__)                                                                     \
        CN__NUMBER(constant, 4, most, __VA_ARGS__)                                                                     \
        CN__NUMBER(constant, 5, most, __VA_ARGS__)                                                                     \
        CN__NUMBER(constant, 6, most, __VA_ARGS__)                                                                     \
        CN__NUMBER(constant, 7, most, __VA_ARGS__)                                                                     \
        CN__NUMBER(constant, 8, most, __VA_ARGS__)                                                                     \
        CN__NUMBER(constant, 9, most, __VA_ARGS__)                                                                     \
        CN__NUMBER(constant, 10, most, __VA_ARGS__)                                                                    \
        CN__NUMBER(constant, 11, most, __VA_ARGS__)                                                                    \
        CN__NUMBER(constant, 12, most, __VA_ARGS__)                                                                    \
    }
#define CN__NUMBER(constant, n, most, ...)                                                                             \
    case n: {                                                                                                          \
        enum { constant = n };                                                                                         \
        if (constant <= (most))                                                                                        \
            __VA_ARGS__;                                                                                               \
        break;                                                                                                         \
    }

typedef float vf __attribute__((vector_size(4 * CN__WIDTH)));
typedef int32_t vi __attribute__((vector_size(4 * CN__WIDTH)));
typedef uint32_t vu __attribute__((vector_size(4 * CN__WIDTH)));

static inline vf vf_load(const float *p) {
    return *(const vf *)__builtin_assume_aligned(p, 4 * CN__WIDTH);
}

static inline void vf_store(float *p, vf v) {
    *(vf *)__builtin_assume_aligned(p, 4 * CN__WIDTH) = v;
}

/* Past the caches, where there is an instruction for it; others see it behind vf_end_stream. */
#if CN__ISA == 3
static inline void vf_stream(float *p, vf v) {
    _mm512_stream_ps(p, (__m512)v);
}
#elif CN__ISA == 2
static inline void vf_stream(float *p, vf v) {
    _mm256_stream_ps(p, (__m256)v);
}
#else
static inline void vf_stream(float *p, vf v) {
    vf_store(p, v);
}
#endif

static inline void vf_end_stream(void) {
#if CN__ISA == 3 || CN__ISA == 2
    _mm_sfence();
#endif
}

/* The same from and to any address. */
typedef float vf_any __attribute__((vector_size(4 * CN__WIDTH), aligned(4)));

static inline vf vf_load_any(const float *p) {
    return *(const vf_any *)p;
}

static inline void vf_store_any(float *p, vf v) {
    *(vf_any *)p = v;
}

static inline vf vf_set1(float x) {
    return x - (vf){0}; /* x - 0 keeps the sign of zero */
}

/* a · b + c, rounded once where the instruction set can. */
static inline vf vf_fma(vf a, vf b, vf c) {
#if CN__ISA == 3
    return (vf)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
#elif CN__ISA == 2
    return (vf)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
#elif CN__ISA == 4
    return (vf)vfmaq_f32((float32x4_t)c, (float32x4_t)a, (float32x4_t)b);
#else
    return a * b + c;
#endif
}

/* mask ? a : b, lane by lane; mask lanes are all ones or all zeros, as comparisons give them. */
static inline vf vf_select(vi mask, vf a, vf b) {
    return (vf)((mask & (vi)a) | (~mask & (vi)b));
}

/* mask ? a : 0. */
static inline vf vf_and(vi mask, vf a) {
    return (vf)(mask & (vi)a);
}

/* a > b ? a : b; b if either is NaN. */
static inline vf vf_max(vf a, vf b) {
#if CN__ISA == 3
    return (vf)_mm512_max_ps((__m512)a, (__m512)b);
#elif CN__ISA == 2
    return (vf)_mm256_max_ps((__m256)a, (__m256)b);
#else
    return vf_select(a > b, a, b);
#endif
}

/* a < b ? a : b; b if either is NaN. */
static inline vf vf_min(vf a, vf b) {
#if CN__ISA == 3
    return (vf)_mm512_min_ps((__m512)a, (__m512)b);
#elif CN__ISA == 2
    return (vf)_mm256_min_ps((__m256)a, (__m256)b);
#else
    return vf_select(a < b, a, b);
#endif
}

/* max(a, 0); NaN stays NaN. */
static inline vf vf_relu(vf a) {
    return vf_select(a <= 0.0f, (vf){0}, a);
}

static inline vf vf_sqrt(vf a) {
#if CN__ISA == 3
    return (vf)_mm512_sqrt_ps((__m512)a);
#elif CN__ISA == 2
    return (vf)_mm256_sqrt_ps((__m256)a);
#else
    vf r;
    for (int i = 0; i < CN__WIDTH; i++)
        r[i] = sqrtf(a[i]);
    return r;
#endif
}

/* The lanes of a line added up: l + 8, then + 4, + 2, + 1; the order is part of the result. */
static inline float vf_line_sum(const float line[CN__LANES]) {
    float s[8];
    for (int i = 0; i < 8; i++)
        s[i] = line[i] + line[i + 8];
    for (int i = 0; i < 4; i++)
        s[i] += s[i + 4];
    return (s[0] + s[2]) + (s[1] + s[3]);
}

typedef float vf_quad __attribute__((vector_size(16)));

/* Elements of a (0 … 3) and b (4 … 7). */
#if defined(__clang__)
#define CN__SHUFFLE(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
#define CN__SHUFFLE(a, b, ...) __builtin_shuffle(a, b, (int32_t __attribute__((vector_size(16)))){__VA_ARGS__})
#endif

static inline vf_quad vf_load_quad(const float *p) {
    return *(const vf_quad *)__builtin_assume_aligned(p, 16);
}

static inline void vf_store_quad(float *p, vf_quad v) {
    *(vf_quad *)__builtin_assume_aligned(p, 16) = v;
}

/* What vf_line_sum gives for each of four lines, three times as fast. */
static inline vf_quad vf_line_sums(float line[4][CN__LANES]) {
    vf_quad s[4];
    for (int i = 0; i < 4; i++)
        s[i] = (vf_load_quad(line[i]) + vf_load_quad(line[i] + 8)) +
               (vf_load_quad(line[i] + 4) + vf_load_quad(line[i] + 12));
    vf_quad a = CN__SHUFFLE(s[0], s[1], 0, 4, 1, 5) + CN__SHUFFLE(s[0], s[1], 2, 6, 3, 7);
    vf_quad b = CN__SHUFFLE(s[2], s[3], 0, 4, 1, 5) + CN__SHUFFLE(s[2], s[3], 2, 6, 3, 7);
    return CN__SHUFFLE(a, b, 0, 1, 4, 5) + CN__SHUFFLE(a, b, 2, 3, 6, 7);
}

#if CN__ISA == 3
#if defined(__clang__)
#define CN__SHUFFLE16(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
#define CN__SHUFFLE16(a, b, ...) __builtin_shuffle(a, b, (vi){__VA_ARGS__})
#endif

/* Lane l becomes what vf_line_sum gives for line[l]: half of each of two lines in one vector, then a quarter of four.
 */
static inline vf vf_line_sums16(const vf line[16]) {
    vf a[8], b[4], c[2];
    for (int i = 0; i < 8; i++)
        a[i] = CN__SHUFFLE16(line[i], line[i + 8], 0, 1, 2, 3, 4, 5, 6, 7, 24, 25, 26, 27, 28, 29, 30, 31) +
               CN__SHUFFLE16(line[i], line[i + 8], 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23);
    for (int i = 0; i < 4; i++)
        b[i] = CN__SHUFFLE16(a[i], a[i + 4], 0, 1, 2, 3, 20, 21, 22, 23, 8, 9, 10, 11, 28, 29, 30, 31) +
               CN__SHUFFLE16(a[i], a[i + 4], 4, 5, 6, 7, 16, 17, 18, 19, 12, 13, 14, 15, 24, 25, 26, 27);
    for (int i = 0; i < 2; i++)
        c[i] = CN__SHUFFLE16(b[i], b[i + 2], 0, 1, 18, 19, 4, 5, 22, 23, 8, 9, 26, 27, 12, 13, 30, 31) +
               CN__SHUFFLE16(b[i], b[i + 2], 2, 3, 16, 17, 6, 7, 20, 21, 10, 11, 24, 25, 14, 15, 28, 29);
    return CN__SHUFFLE16(c[0], c[1], 0, 17, 2, 19, 4, 21, 6, 23, 8, 25, 10, 27, 12, 29, 14, 31) +
           CN__SHUFFLE16(c[0], c[1], 1, 16, 3, 18, 5, 20, 7, 22, 9, 24, 11, 26, 13, 28, 15, 30);
}
#endif

#endif
