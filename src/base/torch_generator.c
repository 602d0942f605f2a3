/* SPDX-License-Identifier: MIT */
/* torch_generator.c: PyTorch's random numbers on a CPU, to the bit: MT19937 (Matsumoto & Nishimura 1998), and what
 * torch.Tensor.uniform_ and normal_ make of it for float32.
 *
 * normal_ of 16 numbers or more takes logarithm, sine and cosine of Cephes's single precision (Moshier 1989), with the
 * multiply-adds that GCC contracts where PyTorch is compiled for AVX2. Elsewhere (other processors, or PyTorch told to
 * do without AVX2) PyTorch itself gives numbers that differ in their last bits; so do these on x87. */
#include "base/base.h"
#include "base/elementary.h"
#include <math.h>

/* ---- the Mersenne Twister ---- */

enum { WORDS = 624, SHIFT = 397 };

void cn__torch_manual_seed(cn__torch_generator *generator, uint64_t seed) {
    uint32_t *state = generator->state;
    state[0] = (uint32_t)seed;
    for (uint32_t i = 1; i < WORDS; i++)
        state[i] = 1812433253u * (state[i - 1] ^ state[i - 1] >> 30) + i;
    generator->used = WORDS;
    generator->has_spare = false;
}

static void twist(uint32_t *state) {
    for (int i = 0; i < WORDS; i++) {
        uint32_t joined = (state[i] & 0x80000000u) | (state[(i + 1) % WORDS] & 0x7fffffffu);
        state[i] = state[(i + SHIFT) % WORDS] ^ joined >> 1 ^ (joined & 1 ? 0x9908b0dfu : 0);
    }
}

uint32_t cn__torch_random(cn__torch_generator *generator) {
    if (generator->used == WORDS) {
        twist(generator->state);
        generator->used = 0;
    }
    uint32_t word = generator->state[generator->used++];
    word ^= word >> 11;
    word ^= word << 7 & 0x9d2c5680u;
    word ^= word << 15 & 0xefc60000u;
    return word ^ word >> 18;
}

/* ---- uniform ---- */

/* [0, 1), the low 24 bits. */
static float uniform(cn__torch_generator *generator) {
    return (float)(cn__torch_random(generator) & 0xffffff) * 0x1p-24f;
}

/* [0, 1), 53 bits of two words. */
static double uniform_double(cn__torch_generator *generator) {
    uint64_t high = cn__torch_random(generator), word = high << 32 | cn__torch_random(generator);
    return (double)(word & ((UINT64_C(1) << 53) - 1)) * 0x1p-53;
}

void cn__torch_uniform(cn__torch_generator *generator, float *values, int64_t count, float from, float to) {
    for (int64_t i = 0; i < count; i++)
        values[i] = fmaf(uniform(generator), to - from, from);
}

/* ---- normal: the transform of Box & Muller (1958) ---- */

#define TWO_PI 6.283185307179586

/* x > 0 as m · 2^e with √½ <= m < √2; then log m by a polynomial in m - 1, and log 2 in two parts. */
static float log_cephes(float x) {
    static const float p[] = {7.0376836292E-2f,  -1.1514610310E-1f, 1.1676998740E-1f,
                              -1.2420140846E-1f, 1.4249322787E-1f,  -1.6668057665E-1f,
                              2.0000714765E-1f,  -2.4999993993E-1f, +3.3333331174E-1f};
    int exponent;
    float m = frexpf(x, &exponent);
    if (m < 0.707106781186547524f) {
        m *= 2.0f;
        exponent--;
    }
    float d = m - 1.0f, square = d * d, e = (float)exponent, y = p[0];
    for (size_t i = 1; i < CN__COUNT(p); i++)
        y = fmaf(y, d, p[i]);
    y = fmaf(y * d, square, e * -2.12194440e-4f);
    return fmaf(e, 0.693359375f, d + (y - 0.5f * square));
}

/* Of x >= 0. Octants are counted by j, made even; x less j · π/4, in three parts, goes into two polynomials. */
static void sincos_cephes(float x, float *sine, float *cosine) {
    int j = ((int)(x * 1.27323954473516f) + 1) & ~1;
    float y = (float)j;
    x = fmaf(y, -0.78515625f, x);
    x = fmaf(y, -2.4187564849853515625e-4f, x);
    x = fmaf(y, -3.77489497744594108e-8f, x);
    float z = x * x;
    float even = fmaf(fmaf(2.443315711809948E-005f, z, -1.388731625493765E-003f), z, 4.166664568298827E-002f);
    float odd = fmaf(fmaf(-1.9515295891E-4f, z, 8.3321608736E-3f), z, -1.6666654611E-1f);
    even = fmaf(even * z, z, -0.5f * z) + 1.0f;
    odd = fmaf(odd * z, x, x);
    *sine = j & 2 ? even : odd;
    *cosine = j & 2 ? odd : even;
    if (j & 4)
        *sine = -*sine;
    if ((j + 2) & 4)
        *cosine = -*cosine;
}

/* 16 uniform numbers become normal: value i and value i + 8 are a pair. */
static void transform(float values[16], float mean, float std) {
    for (int i = 0; i < 8; i++) {
        float radius = sqrtf(-2.0f * log_cephes(1.0f - values[i])), sine, cosine;
        sincos_cephes((float)TWO_PI * values[i + 8], &sine, &cosine);
        values[i] = fmaf(radius * cosine, std, mean);
        values[i + 8] = fmaf(radius * sine, std, mean);
    }
}

static void draw_uniform(cn__torch_generator *generator, float *values, int64_t count) {
    for (int64_t i = 0; i < count; i++)
        values[i] = uniform(generator);
}

/* count >= 16; where 16 does not divide it, the last 16 are drawn once more. */
static void normal_by_sixteen(cn__torch_generator *generator, float *values, int64_t count, float mean, float std) {
    draw_uniform(generator, values, count);
    for (int64_t i = 0; i + 16 <= count; i += 16)
        transform(values + i, mean, std);
    if (count % 16) {
        draw_uniform(generator, values + count - 16, 16);
        transform(values + count - 16, mean, std);
    }
}

static double normal_double(cn__torch_generator *generator) {
    if (generator->has_spare) {
        generator->has_spare = false;
        return generator->spare;
    }
    double angle = TWO_PI * uniform_double(generator), radius = sqrt(-2.0 * cn__math_log1p(-uniform_double(generator)));
    generator->spare = radius * cn__math_sin(angle);
    generator->has_spare = true;
    return radius * cn__math_cos(angle);
}

void cn__torch_normal(cn__torch_generator *generator, float *values, int64_t count, double mean, double std) {
    if (count >= 16)
        normal_by_sixteen(generator, values, count, (float)mean, (float)std);
    else
        for (int64_t i = 0; i < count; i++)
            values[i] = (float)(normal_double(generator) * std + mean);
}
