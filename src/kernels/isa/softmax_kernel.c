/* SPDX-License-Identifier: MIT */
/* softmax_kernel.c: softmax over channels and its logarithm, for each pixel and lane:
 * y_c = e^(x_c - m) / Σ e^(x_k - m), log y_c = x_c - m - log Σ e^(x_k - m), with m the largest x, so that nothing
 * overflows. */
#include "kernels/isa/isa.h"
#include "kernels/isa/vector_math.h"

/* One vector of a pixel; channels are `step` floats apart. */
static void forward_one(bool logarithm, size_t channels, const float *x, size_t x_step, float *y, size_t y_step) {
    vf largest = vf_load(x), sum = {0};
    for (size_t c = 1; c < channels; c++)
        largest = vf_max(vf_load(x + c * x_step), largest);
    for (size_t c = 0; c < channels; c++) {
        vf e = vf_exp(vf_load(x + c * x_step) - largest);
        sum += e;
        if (!logarithm)
            vf_store(y + c * y_step, e);
    }
    vf log_sum = vf_log(sum);
    for (size_t c = 0; c < channels; c++)
        vf_store(y + c * y_step,
                 logarithm ? vf_load(x + c * x_step) - largest - log_sum : vf_load(y + c * y_step) / sum);
}

void CN__ISA_NAME(softmax)(bool logarithm, int32_t channels, cn__plane x, size_t x_channel, cn__plane y,
                           size_t y_channel, int32_t height, int32_t width) {
    for (int32_t r = 0; r < height; r++)
        for (size_t i = 0; i < (size_t)width * CN__LANES; i += CN__WIDTH)
            forward_one(logarithm, (size_t)channels, x.data + (size_t)r * x.row + i, x_channel,
                        y.data + (size_t)r * y.row + i, y_channel);
}

/* dx = y (dy - Σ dy y); of the logarithm dx = dy - e^y Σ dy. */
static void backward_one(bool logarithm, size_t channels, const float *y, size_t y_step, const float *dy,
                         size_t dy_step, float *dx, size_t dx_step, bool accumulate) {
    vf sum = {0};
    for (size_t c = 0; c < channels; c++) {
        vf d = vf_load(dy + c * dy_step);
        sum = logarithm ? sum + d : vf_fma(d, vf_load(y + c * y_step), sum);
    }
    for (size_t c = 0; c < channels; c++) {
        vf d = vf_load(dy + c * dy_step), out = vf_load(y + c * y_step);
        d = logarithm ? vf_fma(-vf_exp(out), sum, d) : out * (d - sum);
        vf_store(dx + c * dx_step, accumulate ? vf_load(dx + c * dx_step) + d : d);
    }
}

void CN__ISA_NAME(softmax_backward)(bool logarithm, int32_t channels, cn__plane y, size_t y_channel, cn__plane dy,
                                    size_t dy_channel, cn__plane dx, size_t dx_channel, int32_t height, int32_t width,
                                    bool accumulate) {
    for (int32_t r = 0; r < height; r++)
        for (size_t i = 0; i < (size_t)width * CN__LANES; i += CN__WIDTH)
            backward_one(logarithm, (size_t)channels, y.data + (size_t)r * y.row + i, y_channel,
                         dy.data + (size_t)r * dy.row + i, dy_channel, dx.data + (size_t)r * dx.row + i, dx_channel,
                         accumulate);
}
