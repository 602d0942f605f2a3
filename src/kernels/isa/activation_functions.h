/* SPDX-License-Identifier: MIT */
/* activation_functions.h: the activation functions of activations.def and their slopes, lane by lane: name_value(x, a, b)
 * and name_slope(x, a, b), where a and b are the parameters of those that have some. NaN stays NaN, infinities go to the limits. */
#ifndef CN_ACTIVATION_FUNCTIONS_H
#define CN_ACTIVATION_FUNCTIONS_H

#include "kernels/isa/vector_math.h"
#include <float.h>

/* Not every function has parameters. */
#define DEFINE(name) INLINE vf name(vf x, __attribute__((unused)) float a, __attribute__((unused)) float b)

/* Beyond ±FLAT all slopes are 0 or 1 to the last bit, and infinity times zero would be NaN. */
#define FLAT 200.0f

DEFINE(leaky_relu_value) {
    return vf_select(x > 0.0f, x, a * x);
}

DEFINE(leaky_relu_slope) {
    return vf_select(x > 0.0f, vf_set1(1.0f), vf_set1(a));
}

DEFINE(sigmoid_value) {
    return vf_sigmoid(x);
}

DEFINE(sigmoid_slope) {
    return vf_sigmoid_slope(x);
}

DEFINE(tanh_value) {
    return vf_tanh(x);
}

DEFINE(tanh_slope) {
    return 4.0f * vf_sigmoid_slope(2.0f * x);
}

/* x / (1 + e^-x) (Elfwing et al. 2018). */
DEFINE(silu_value) {
    x = vf_max(vf_set1(-FLAT), x);
    return x * vf_sigmoid(x);
}

DEFINE(silu_slope) {
    x = vf_clamp(x, -FLAT, FLAT);
    return vf_fma(x, vf_sigmoid_slope(x), vf_sigmoid(x));
}

/* x Φ(x) (Hendrycks & Gimpel 2016). */
DEFINE(gelu_value) {
    vf density, bounded = vf_max(vf_set1(-15.0f), x);
    return bounded * vf_normal(vf_clamp(x, -15.0f, 15.0f), &density);
}

DEFINE(gelu_slope) {
    x = vf_clamp(x, -15.0f, 15.0f);
    vf density, cdf = vf_normal(x, &density);
    return vf_fma(x, density, cdf);
}

#define GELU_RATE  0.797884561f /* sqrt(2/π), of torch's approximation */
#define GELU_CUBIC 0.044715f

/* 2 sqrt(2/π) (x + 0.044715 x³): since (1 + tanh u) / 2 = sigmoid(2u). */
INLINE vf gelu_inner(vf x) {
    return 2.0f * GELU_RATE * x * vf_fma(x * x, vf_set1(GELU_CUBIC), vf_set1(1.0f));
}

DEFINE(gelu_tanh_value) {
    vf bounded = vf_max(vf_set1(-15.0f), x);
    return bounded * vf_sigmoid(gelu_inner(vf_clamp(x, -15.0f, 15.0f)));
}

DEFINE(gelu_tanh_slope) {
    x = vf_clamp(x, -15.0f, 15.0f);
    vf inner = gelu_inner(x), rate = 2.0f * GELU_RATE * vf_fma(x * x, vf_set1(3.0f * GELU_CUBIC), vf_set1(1.0f));
    return vf_fma(x * rate, vf_sigmoid_slope(inner), vf_sigmoid(inner));
}

/* x · min(max(x + 3, 0), 6) / 6 (Howard et al. 2019). */
DEFINE(hardswish_value) {
    x = vf_max(vf_set1(-3.0f), x);
    return vf_select(x > 3.0f, x, x * (x + 3.0f) * (1.0f / 6));
}

DEFINE(hardswish_slope) {
    vf inside = vf_fma(x, vf_set1(1.0f / 3), vf_set1(0.5f));
    return vf_select(x < -3.0f, (vf){0}, vf_select(x > 3.0f, vf_set1(1.0f), inside));
}

/* x above 0, a (e^x - 1) below (Clevert et al. 2016). */
DEFINE(elu_value) {
    return vf_select(x > 0.0f, x, a * vf_expm1_negative(x));
}

DEFINE(elu_slope) {
    return vf_select(x > 0.0f, vf_set1(1.0f), a * vf_exp(x));
}

DEFINE(hardtanh_value) {
    return vf_clamp(x, a, b);
}

DEFINE(hardtanh_slope) {
    return vf_and((x > a) & (x < b), vf_set1(1.0f));
}

DEFINE(relu6_value) {
    return vf_clamp(x, 0.0f, 6.0f);
}

DEFINE(relu6_slope) {
    return vf_and((x > 0.0f) & (x < 6.0f), vf_set1(1.0f));
}

/* min(max(x + 3, 0), 6) / 6. */
DEFINE(hardsigmoid_value) {
    return (vf_clamp(x, -3.0f, 3.0f) + 3.0f) * (1.0f / 6);
}

DEFINE(hardsigmoid_slope) {
    return vf_and((x > -3.0f) & (x < 3.0f), vf_set1(1.0f / 6));
}

/* log(1 + e^ax) / a as (max(ax, 0) + log(1 + e^-|ax|)) / a, which cannot overflow; x where ax > b. */
DEFINE(softplus_value) {
    vf z = a * x, sum = vf_max(z, (vf){0}) + vf_log1p(vf_exp(-vf_abs(z)));
    return vf_select(z > b, x, sum / a);
}

DEFINE(softplus_slope) {
    vf z = a * x;
    return vf_select(z > b, vf_set1(1.0f), vf_sigmoid(z));
}

/* x tanh(log(1 + e^x)) (Misra 2020): with n = e^x (e^x + 2) that is x n / (n + 2). Above 20 it is x to the last bit. */
DEFINE(mish_value) {
    vf bounded = vf_max(vf_set1(-FLAT), x), e = vf_exp(vf_clamp(x, -FLAT, 20.0f)), n = e * (e + 2.0f);
    return bounded * (n / (n + 2.0f));
}

DEFINE(mish_slope) {
    x = vf_clamp(x, -FLAT, 20.0f);
    vf e = vf_exp(x), n = e * (e + 2.0f), below = n + 2.0f;
    return vf_fma(x, 4.0f * e * (e + 1.0f) / (below * below), n / below);
}

/* x / (1 + |x|). */
DEFINE(softsign_value) {
    x = vf_clamp(x, -FLT_MAX, FLT_MAX);
    return x / (vf_abs(x) + 1.0f);
}

DEFINE(softsign_slope) {
    vf below = vf_abs(x) + 1.0f;
    return 1.0f / (below * below);
}

DEFINE(affine_value) {
    return vf_fma(vf_set1(a), x, vf_set1(b));
}

DEFINE(affine_slope) {
    (void)x;
    return vf_set1(a);
}

#undef DEFINE
#undef FLAT
#undef GELU_RATE
#undef GELU_CUBIC

#endif
