/* SPDX-License-Identifier: MIT */
/* activations.c: each activation function in double precision. */
#include "activations.h"
#include "kernels/kernels.h"
#include <math.h>
#include <stdio.h>

static double logistic(double x) {
    return x >= 0.0 ? 1.0 / (1.0 + exp(-x)) : exp(x) / (1.0 + exp(x));
}

static double logistic_slope(double x) {
    return logistic(x) * logistic(-x);
}

static double normal(double x) {
    return 0.5 * erfc(-x * sqrt(0.5));
}

static double normal_density(double x) {
    return exp(-0.5 * x * x) * 0.3989422804014327;
}

/* Twice what the approximation of GELU takes tanh of: (1 + tanh u) / 2 = logistic(2u). */
static double gelu_inner(double x) {
    return 2.0 * 0.7978845608028654 * (x + 0.044715 * x * x * x);
}

static double gelu_inner_slope(double x) {
    return 2.0 * 0.7978845608028654 * (1.0 + 3.0 * 0.044715 * x * x);
}

static double softplus(double x) {
    return fmax(x, 0.0) + log1p(exp(-fabs(x)));
}

/* With w = tanh(softplus x): w + x (1 - w²) logistic(x). */
static double mish_derivative(double x) {
    double w = tanh(softplus(x)), rest = 1.0 / cosh(softplus(x));
    return w + x * rest * rest * logistic(x);
}

/* Of each its functions, all with the same arguments, whether they need them or not. */
#define ACTIVATION(KIND, word, kernel, first, example, second, second_example, constructor, value, derivative,         \
                   distance, ...)                                                                                      \
    static void word##_parameters(const net_layer *layer, double parameter[2]) {                                       \
        parameter[0] = layer->first;                                                                                   \
        parameter[1] = layer->second;                                                                                  \
    }                                                                                                                  \
    static cn_status word##_make(cn_context *ctx, double a, double b, cn_layer **made) {                               \
        return (void)a, (void)b, constructor;                                                                          \
    }                                                                                                                  \
    static double word##_f(double x, double a, double b) {                                                             \
        return (void)a, (void)b, value;                                                                                \
    }                                                                                                                  \
    static double word##_slope(double x, double a, double b) {                                                         \
        return (void)a, (void)b, derivative;                                                                           \
    }                                                                                                                  \
    static double word##_jump(double x, double a, double b) {                                                          \
        return (void)x, (void)a, (void)b, distance;                                                                    \
    }
#include "layers.def"

const activation activations[] = {
#define ACTIVATION(KIND, word, kernel, first, example, second, second_example, constructor, value, derivative,         \
                   distance, f_error, slope_error, ...)                                                                \
    {NET_##KIND,        kernel,      #word,        {#first, #second}, {example, second_example},                       \
     word##_parameters, word##_make, word##_f,     word##_slope,      word##_jump,                                     \
     f_error,           slope_error, {__VA_ARGS__}},
#include "layers.def"
};
const int activation_count = (int)CN__COUNT(activations);

const activation *activation_of(net_kind kind) {
    for (int i = 0; i < activation_count; i++)
        if (activations[i].kind == kind)
            return &activations[i];
    return NULL;
}

activation_text activation_example(const activation *a) {
    activation_text t;
    size_t length = (size_t)snprintf(t.text, sizeof t.text, "%s", a->word);
    for (int i = 0; i < 2 && a->example[i] != 0.0; i++)
        length += (size_t)snprintf(t.text + length, sizeof t.text - length, " %s=%.9g", a->option[i], a->example[i]);
    return t;
}
