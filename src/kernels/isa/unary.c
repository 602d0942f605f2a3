/* SPDX-License-Identifier: MIT */
/* unary.c: activation functions, element by element, and their slopes; loops are inlined with the function as a
 * constant. And the gradient of PReLU's weight. */
#include "kernels/isa/activation_functions.h"
#include "kernels/isa/isa.h"

INLINE vf value(cn__unary kind, float a, float b, vf x) {
    switch (kind) {
#define FUNCTION(KIND, name)                                                                                           \
    case CN__##KIND:                                                                                                   \
        return name##_value(x, a, b);
#include "kernels/activations.def"
    }
    return x;
}

INLINE vf derivative(cn__unary kind, float a, float b, vf x) {
    switch (kind) {
#define FUNCTION(KIND, name)                                                                                           \
    case CN__##KIND:                                                                                                   \
        return name##_slope(x, a, b);
#include "kernels/activations.def"
    }
    return x;
}

INLINE void forward_rows(cn__unary kind, float a, float b, cn__plane x, cn__plane y, int32_t height, int32_t width) {
    for (int32_t r = 0; r < height; r++) {
        const float *from = x.data + (size_t)r * x.row;
        float *to = y.data + (size_t)r * y.row;
        for (size_t i = 0; i < (size_t)width * CN__LANES; i += CN__WIDTH)
            vf_store(to + i, value(kind, a, b, vf_load(from + i)));
    }
}

INLINE void backward_rows(cn__unary kind, float a, float b, cn__plane x, cn__plane dy, cn__plane dx, int32_t height,
                          int32_t width, bool accumulate) {
    for (int32_t r = 0; r < height; r++) {
        const float *at = x.data + (size_t)r * x.row, *from = dy.data + (size_t)r * dy.row;
        float *to = dx.data + (size_t)r * dx.row;
        for (size_t i = 0; i < (size_t)width * CN__LANES; i += CN__WIDTH) {
            vf gradient = vf_load(from + i) * derivative(kind, a, b, vf_load(at + i));
            vf_store(to + i, accumulate ? vf_load(to + i) + gradient : gradient);
        }
    }
}

void CN__ISA_NAME(unary)(cn__unary kind, float a, float b, cn__plane x, cn__plane y, int32_t height, int32_t width) {
    switch (kind) {
#define FUNCTION(KIND, name)                                                                                           \
    case CN__##KIND:                                                                                                   \
        forward_rows(CN__##KIND, a, b, x, y, height, width);                                                           \
        break;
#include "kernels/activations.def"
    }
}

void CN__ISA_NAME(unary_backward)(cn__unary kind, float a, float b, cn__plane x, cn__plane dy, cn__plane dx,
                                  int32_t height, int32_t width, bool accumulate) {
    switch (kind) {
#define FUNCTION(KIND, name)                                                                                           \
    case CN__##KIND:                                                                                                   \
        backward_rows(CN__##KIND, a, b, x, dy, dx, height, width, accumulate);                                         \
        break;
#include "kernels/activations.def"
    }
}

/* Row by row, so that rounding grows with rows and columns, not with pixels. */
float CN__ISA_NAME(prelu_weight)(cn__plane x, cn__plane dy, int32_t height, int32_t width, int32_t lanes) {
    float line[CN__LANES] __attribute__((aligned(CN__ALIGN)));
    for (size_t lane = 0; lane < CN__LANES; lane += CN__WIDTH) {
        vf sum = {0};
        for (int32_t r = 0; r < height; r++) {
            const float *at = x.data + (size_t)r * x.row + lane, *gradient = dy.data + (size_t)r * dy.row + lane;
            vf row = {0};
            for (size_t i = 0; i < (size_t)width * CN__LANES; i += CN__LANES) {
                vf value = vf_load(at + i);
                row = vf_fma(vf_select(value > 0.0f, (vf){0}, value), vf_load(gradient + i), row);
            }
            sum += row;
        }
        vf_store(line + lane, sum);
    }
    for (int32_t l = lanes; l < CN__LANES; l++)
        line[l] = 0.0f;
    return vf_line_sum(line);
}
