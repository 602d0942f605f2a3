/* SPDX-License-Identifier: MIT */
/* elementary.c: see elementary.h. Arguments are reduced by multiples of a constant that is kept in two pieces, the first of
 * so few bits that its multiples are exact (Cody & Waite 1980); what is left goes into a series. */
#include "base/elementary.h"
#include <math.h>
#include <stdint.h>
#include <string.h>

#define LN2_HIGH     0x1.62e42feep-1 /* 32 bits */
#define LN2_LOW      0x1.a39ef35793c76p-33
#define LOG2_E       0x1.71547652b82fep+0
#define HALF_PI_HIGH 0x1.921fb544p+0 /* 32 bits */
#define HALF_PI_MID  0x1.0b4611a6p-34
#define HALF_PI_LOW  0x1.3198a2e037073p-69
#define TWO_OVER_PI  0x1.45f306dc9c883p-1

static uint64_t bits_of(double x) {
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

static double of_bits(uint64_t bits) {
    double x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* 2^n of a normal number. */
static double power_of_2(int n) {
    return of_bits((uint64_t)(n + 1023) << 52);
}

/* c[0] + c[1] x + … */
static double series(const double *c, int terms, double x) {
    double sum = c[terms - 1];
    for (int i = terms - 2; i >= 0; i--)
        sum = sum * x + c[i];
    return sum;
}

/* e^(n ln 2 + r), |r| <= ln 2 / 2, by Taylor. */
double cn__math_exp(double x) {
    static const double c[] = {1.0 / 2,       1.0 / 6,        1.0 / 24,        1.0 / 120,
                               1.0 / 720,     1.0 / 5040,     1.0 / 40320,     1.0 / 362880,
                               1.0 / 3628800, 1.0 / 39916800, 1.0 / 479001600, 1.0 / 6227020800};
    if (isnan(x) || x > 710.0)
        return x + INFINITY;
    if (x < -746.0)
        return 0.0;
    double n = floor(x * LOG2_E + 0.5), high = x - n * LN2_HIGH, low = n * LN2_LOW, r = high - low;
    double e = 1.0 + (high + (r * r * series(c, 12, r) - low));
    int half = (int)n / 2; /* in two steps: neither overflows */
    return e * power_of_2(half) * power_of_2((int)n - half);
}

/* log(2^n (1 + f)), √½ <= 1 + f < √2. With s = f / (2 + f), log(1 + f) = 2 artanh s = f - (f²/2 - s (f²/2 + R(s²))), as
 * FreeBSD's msun arranges it. */
double cn__math_log(double x) {
    static const double c[] = {2.0 / 3,  2.0 / 5,  2.0 / 7,  2.0 / 9,  2.0 / 11,
                               2.0 / 13, 2.0 / 15, 2.0 / 17, 2.0 / 19, 2.0 / 21};
    int n = 0;
    if (!(x > 0.0))
        return x == 0.0 ? -INFINITY : (double)NAN;
    if (x > 0x1.fffffffffffffp1023)
        return x;
    if (x < 0x1p-1022) {
        x *= 0x1p54;
        n = -54;
    }
    uint64_t bits = bits_of(x);
    double m = of_bits((bits & 0xFFFFFFFFFFFFFu) | 0x3FF0000000000000u);
    n += (int)(bits >> 52) - 1023;
    if (m > 1.4142135623730951) {
        m /= 2.0;
        n++;
    }
    double f = m - 1.0, s = f / (2.0 + f), z = s * s, square = f * f / 2.0;
    return n * LN2_HIGH - ((square - (s * (square + z * series(c, 10, z)) + n * LN2_LOW)) - f);
}

/* log(1 + x) of the rounded sum, and what the rounding took. */
double cn__math_log1p(double x) {
    double sum = 1.0 + x;
    if (!(sum > 0.0) || sum > 0x1p53)
        return cn__math_log(sum);
    return cn__math_log(sum) + (x - (sum - 1.0)) / sum;
}

double cn__math_pow(double x, double y) {
    if (y == 0.0)
        return 1.0;
    return x > 0.0 ? cn__math_exp(y * cn__math_log(x)) : x;
}

/* x = n π/2 + r + `low`, |r| <= π/4: n modulo 4. */
static int reduce(double x, double *r, double *low) {
    double n = floor(x * TWO_OVER_PI + 0.5), high = x - n * HALF_PI_HIGH, middle = n * HALF_PI_MID;
    double rest = high - middle;
    *low = ((high - rest) - middle) - n * HALF_PI_LOW;
    *r = rest;
    return (int)(n - 4.0 * floor(n / 4.0));
}

/* sin(r + low) and cos(r + low), by Taylor. */
static double near_sin(double r, double low) {
    static const double c[] = {-1.0 / 6,        1.0 / 120,        -1.0 / 5040,          1.0 / 362880,
                               -1.0 / 39916800, 1.0 / 6227020800, -1.0 / 1307674368000, 1.0 / 355687428096000};
    double z = r * r;
    return r + (r * z * series(c, 8, z) + low * (1.0 - z / 2.0));
}

static double near_cos(double r, double low) {
    static const double c[] = {1.0 / 24,        -1.0 / 720,         1.0 / 40320,          -1.0 / 3628800,
                               1.0 / 479001600, -1.0 / 87178291200, 1.0 / 20922789888000, -1.0 / 6402373705728000};
    double z = r * r, first = 1.0 - z / 2.0;
    return first + (((1.0 - first) - z / 2.0) + (z * z * series(c, 8, z) - r * low));
}

double cn__math_sin(double x) {
    double r, low;
    if (!isfinite(x))
        return (double)NAN;
    int n = reduce(x, &r, &low);
    double value = n % 2 ? near_cos(r, low) : near_sin(r, low);
    return n < 2 ? value : -value;
}

double cn__math_cos(double x) {
    double r, low;
    if (!isfinite(x))
        return (double)NAN;
    int n = reduce(x, &r, &low);
    double value = n % 2 ? near_sin(r, low) : near_cos(r, low);
    return n == 0 || n == 3 ? value : -value;
}
