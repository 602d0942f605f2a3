/* unary.c: activation functions, element by element, and their slopes. Each is written once; loops are inlined with the
 * function as a constant. */
#include "kernels/isa/isa.h"
#include "kernels/isa/vector_math.h"

#define INLINE static inline __attribute__((always_inline))

#define GELU_RATE  0.797884561f /* sqrt(2/π), of torch's approximation */
#define GELU_CUBIC 0.044715f

/* Beyond ±FAR all slopes are 0 or 1 to the last bit, and infinity times zero would be NaN. */
#define FAR 200.0f

/* 2 sqrt(2/π) (x + 0.044715 x³): since (1 + tanh u) / 2 = sigmoid(2u). */
INLINE vf gelu_inner(vf x) {
    return 2.0f * GELU_RATE * x * vf_fma(x * x, vf_set1(GELU_CUBIC), vf_set1(1.0f));
}

INLINE vf value(cn__unary kind, float slope, vf x) {
    vf density, bounded;
    switch (kind) {
    case CN__SIGMOID:
        return vf_sigmoid(x);
    case CN__TANH:
        return vf_tanh(x);
    case CN__SILU:
        bounded = vf_max(vf_set1(-FAR), x);
        return bounded * vf_sigmoid(bounded);
    case CN__GELU:
        bounded = vf_max(vf_set1(-15.0f), x);
        return bounded * vf_normal(vf_clamp(x, -15.0f, 15.0f), &density);
    case CN__GELU_TANH:
        bounded = vf_max(vf_set1(-15.0f), x);
        return bounded * vf_sigmoid(gelu_inner(vf_clamp(x, -15.0f, 15.0f)));
    default:
        return vf_select(x > 0.0f, x, slope * x);
    }
}

INLINE vf derivative(cn__unary kind, float slope, vf x) {
    vf density, cdf;
    switch (kind) {
    case CN__SIGMOID:
        return vf_sigmoid_slope(x);
    case CN__TANH:
        return 4.0f * vf_sigmoid_slope(2.0f * x);
    case CN__SILU:
        x = vf_clamp(x, -FAR, FAR);
        return vf_fma(x, vf_sigmoid_slope(x), vf_sigmoid(x));
    case CN__GELU:
        x = vf_clamp(x, -15.0f, 15.0f);
        cdf = vf_normal(x, &density);
        return vf_fma(x, density, cdf);
    case CN__GELU_TANH:
        x = vf_clamp(x, -15.0f, 15.0f);
        vf inner = gelu_inner(x), rate = 2.0f * GELU_RATE * vf_fma(x * x, vf_set1(3.0f * GELU_CUBIC), vf_set1(1.0f));
        return vf_fma(x * rate, vf_sigmoid_slope(inner), vf_sigmoid(inner));
    default:
        return vf_select(x > 0.0f, vf_set1(1.0f), vf_set1(slope));
    }
}

INLINE void forward_rows(cn__unary kind, float slope, cn__plane x, cn__plane y, int32_t height, int32_t width) {
    for (int32_t r = 0; r < height; r++) {
        const float *from = x.data + (size_t)r * x.row;
        float *to = y.data + (size_t)r * y.row;
        for (size_t i = 0; i < (size_t)width * CN__LANES; i += CN__WIDTH)
            vf_store(to + i, value(kind, slope, vf_load(from + i)));
    }
}

INLINE void backward_rows(cn__unary kind, float slope, cn__plane x, cn__plane dy, cn__plane dx, int32_t height,
                          int32_t width, bool accumulate) {
    for (int32_t r = 0; r < height; r++) {
        const float *at = x.data + (size_t)r * x.row, *from = dy.data + (size_t)r * dy.row;
        float *to = dx.data + (size_t)r * dx.row;
        for (size_t i = 0; i < (size_t)width * CN__LANES; i += CN__WIDTH) {
            vf gradient = vf_load(from + i) * derivative(kind, slope, vf_load(at + i));
            vf_store(to + i, accumulate ? vf_load(to + i) + gradient : gradient);
        }
    }
}

/* case KIND: function(KIND, …), for all kinds. */
#define CASE(kind, function, ...)                                                                                      \
    case kind:                                                                                                         \
        function(kind, __VA_ARGS__);                                                                                   \
        break;
#define CASES(...)                                                                                                     \
    CASE(CN__LEAKY_RELU, __VA_ARGS__)                                                                                  \
    CASE(CN__SIGMOID, __VA_ARGS__)                                                                                     \
    CASE(CN__TANH, __VA_ARGS__)                                                                                        \
    CASE(CN__SILU, __VA_ARGS__)                                                                                        \
    CASE(CN__GELU, __VA_ARGS__)                                                                                        \
    CASE(CN__GELU_TANH, __VA_ARGS__)

void CN__ISA_NAME(unary)(cn__unary kind, float slope, cn__plane x, cn__plane y, int32_t height, int32_t width) {
    switch (kind) { CASES(forward_rows, slope, x, y, height, width) }
}

void CN__ISA_NAME(unary_backward)(cn__unary kind, float slope, cn__plane x, cn__plane dy, cn__plane dx, int32_t height,
                                  int32_t width, bool accumulate) {
    switch (kind) { CASES(backward_rows, slope, x, dy, dx, height, width, accumulate) }
}
