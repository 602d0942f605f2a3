/* SPDX-License-Identifier: MIT */
/* vector_math.h: exponential, logarithm and what is built on them, lane by lane, to a few units in the last place. NaN
 * stays NaN, infinities give the limits. Polynomials are minimax fits of our own, with coefficients rounded to float
 * one by one. */
#ifndef CN_VECTOR_MATH_H
#define CN_VECTOR_MATH_H

#include "kernels/isa/simd.h"

#define LN2_HIGH 0.693359375f /* 9 bits: times a whole number below 2^15 it is exact */
#define LN2_LOW  (-2.12194440e-4f)

static inline vf vf_abs(vf x) {
    return (vf)((vu)x & 0x7fffffffu);
}

/* x below `low` becomes `low`, above `high` becomes `high`. */
static inline vf vf_clamp(vf x, float low, float high) {
    x = vf_select(x < low, vf_set1(low), x);
    return vf_select(x > high, vf_set1(high), x);
}

/* |x| with the sign of `sign`. */
static inline vf vf_copysign(vf x, vf sign) {
    return (vf)(((vu)x & 0x7fffffffu) | ((vu)sign & 0x80000000u));
}

/* c[0] + c[1] x + … + c[count - 1] x^(count - 1), by Horner's rule. */
static inline vf vf_polynomial(vf x, const float *c, int count) {
    vf sum = vf_set1(c[count - 1]);
    for (int i = count - 2; i >= 0; i--)
        sum = vf_fma(sum, x, vf_set1(c[i]));
    return sum;
}

/* x = n ln 2 + r with |r| <= ln 2 / 2: e^r - 1; `shifted` has n + 256 in its low bits. */
static inline vf vf_exp_reduced(vf x, vf *shifted) {
    static const float c[] = {4.999999404e-01f, 1.666652113e-01f, 4.166826233e-02f, 8.368670940e-03f, 1.382104238e-03f};
    const float whole = 0x1.8p23f + 256.0f; /* adding it rounds to a whole number, in the low bits and above zero */
    *shifted = vf_fma(x, vf_set1(1.44269504f), vf_set1(whole));
    vf n = *shifted - whole;
    vf r = vf_fma(n, vf_set1(-LN2_LOW), vf_fma(n, vf_set1(-LN2_HIGH), x));
    return vf_fma(r * r, vf_polynomial(r, c, 5), r);
}

/* e^x = 2^n e^r. 2^n goes in by halves, so that results may be infinite or denormal. */
static inline vf vf_exp(vf x) {
    vf shifted, power = vf_exp_reduced(vf_clamp(x, -104.0f, 89.0f), &shifted) + 1.0f;
    vu exponent = (vu)shifted & 0x3ffu, half = exponent >> 1; /* n + 256 */
    return power * (vf)((half - 1) << 23) * (vf)((exponent - half - 1) << 23);
}

/* e^x - 1 for x <= 0, also near 0: 2^n (e^r - 1) + (2^n - 1). */
static inline vf vf_expm1_negative(vf x) {
    vf shifted, rest = vf_exp_reduced(vf_clamp(x, -30.0f, 0.0f), &shifted);
    vf scale = (vf)((((vu)shifted & 0x3ffu) - 256 + 127) << 23);
    return vf_fma(scale, rest, scale - 1.0f);
}

/* log x of a normal number above zero. With x = 2^n m, m near 1, f = m - 1 and s = f / (2 + f):
 * log(1 + f) = f - (f²/2 - s (f²/2 + s² R(s²))), as FreeBSD's msun arranges it. */
static inline vf vf_log(vf x) {
    static const float c[] = {6.666666269e-01f, 4.000097215e-01f, 2.849876583e-01f, 2.428002059e-01f};
    const uint32_t root_half = 0x3f3504f3u; /* the bits of sqrt(1/2) */
    vu bits = (vu)x - root_half + 0x3f800000u;
    vf n = __builtin_convertvector((vi)(bits >> 23) - 127, vf);
    vf f = (vf)((bits & 0x7fffffu) + root_half) - 1.0f;
    vf s = f / (f + 2.0f), s2 = s * s, half_square = 0.5f * f * f;
    vf tail = s * vf_fma(s2, vf_polynomial(s2, c, 4), half_square);
    vf result = vf_fma(n, vf_set1(LN2_HIGH), f - (half_square - vf_fma(n, vf_set1(LN2_LOW), tail)));
    return vf_select(x == x, result, x);
}

/* log(1 + x), 0 <= x <= 1: the series of 2 artanh(x / (2 + x)), all of whose terms have one sign. */
static inline vf vf_log1p(vf x) {
    static const float c[] = {1.0f / 3, 1.0f / 5, 1.0f / 7, 1.0f / 9, 1.0f / 11, 1.0f / 13, 1.0f / 15, 1.0f / 17};
    vf s = x / (x + 2.0f), square = s * s, twice = 2.0f * s;
    return vf_fma(twice * square, vf_polynomial(square, c, 8), twice);
}

/* 1 / (1 + e^-x), with e^-|x|, which cannot overflow. */
static inline vf vf_sigmoid(vf x) {
    vf e = vf_exp(-vf_abs(x));
    return vf_select(x < 0.0f, e, vf_set1(1.0f)) / (e + 1.0f);
}

/* Its slope, sigmoid(x) sigmoid(-x). */
static inline vf vf_sigmoid_slope(vf x) {
    vf e = vf_exp(-vf_abs(x)), below = e + 1.0f;
    return e / (below * below);
}

/* tanh x: odd polynomial near zero, 1 - 2 e^-2|x| / (1 + e^-2|x|) beyond. */
static inline vf vf_tanh(vf x) {
    static const float c[] = {-3.333328366e-01f, 1.333147883e-01f, -5.374218151e-02f, 2.064563334e-02f,
                              -5.710925907e-03f};
    vf magnitude = vf_abs(x), square = x * x, e = vf_exp(-2.0f * magnitude);
    vf near = vf_fma(magnitude * square, vf_polynomial(square, c, 5), magnitude);
    vf far = 1.0f - 2.0f * e / (e + 1.0f);
    return vf_copysign(vf_select(magnitude < 0.625f, near, far), x);
}

/* The standard normal distribution at x, -15 <= x <= 15, and its density. Φ(-a) = e^(-a²/2) t Q(t) with
 * t = 1 / (1 + a/4); a²/2 to twice the precision, since its error is one of the result. */
static inline vf vf_normal(vf x, vf *density) {
    static const float c[] = {9.974499047e-02f,  9.954633564e-02f, 9.508968145e-02f, 7.390228659e-02f,
                              8.136867732e-02f,  2.221068926e-02f, 1.738786325e-02f, 5.969053507e-02f,
                              -6.611799449e-02f, 1.717694104e-02f};
    vf a = vf_abs(x), half_square = a * (0.5f * a), rest = vf_fma(a, 0.5f * a, -half_square);
    vf e = vf_exp(-half_square), t = 1.0f / vf_fma(a, vf_set1(0.25f), vf_set1(1.0f));
    e = vf_fma(e, -rest, e);
    *density = e * 0.398942280f;
    vf tail = e * (t * vf_polynomial(t, c, 10));
    return vf_select(x < 0.0f, tail, 1.0f - tail);
}

#undef LN2_HIGH
#undef LN2_LOW

#endif
