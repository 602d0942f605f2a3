/* SPDX-License-Identifier: MIT */
/* layer_norm.c: normalisation of each pixel over its channels, images in the lanes, and the way back. Channels lie
 * planes apart, so a few vectors of a row go together. Of a pixel with C channels and x̂ = (x - mean) · inv,
 * dx = inv · (w·dy - Σ w·dy / C - x̂ · Σ w·dy·x̂ / C). */
#include "kernels/isa/isa.h"

#define TOGETHER 4 /* vectors */

INLINE float number(const float *list, size_t c, float without) {
    return list ? list[c] : without;
}

/* Mean and 1 / sqrt(variance + eps). The second pass finds what the first has left of the mean, and takes it out of
 * both (Chan, Golub & LeVeque 1983). */
INLINE void measure(const cn__layer_norm_args *a, const float *x, int count, vf mean[TOGETHER], vf inv[TOGETHER]) {
    vf sum[TOGETHER] = {{0}}, rest[TOGETHER] = {{0}}, squares[TOGETHER] = {{0}}, channels = vf_set1((float)a->channels);
    for (size_t c = 0; c < (size_t)a->channels; c++)
        for (int i = 0; i < count; i++)
            sum[i] += vf_load(x + c * a->x_channel + i * CN__WIDTH);
    for (int i = 0; i < count; i++)
        mean[i] = sum[i] / channels;
    for (size_t c = 0; c < (size_t)a->channels; c++)
        for (int i = 0; i < count; i++) {
            vf d = vf_load(x + c * a->x_channel + i * CN__WIDTH) - mean[i];
            rest[i] += d;
            squares[i] = vf_fma(d, d, squares[i]);
        }
    for (int i = 0; i < count; i++) {
        vf left = rest[i] / channels, variance = vf_max(squares[i] - rest[i] * left, (vf){0}) / channels;
        mean[i] += left;
        inv[i] = 1.0f / vf_sqrt(variance + a->eps);
    }
}

INLINE void forward(const cn__layer_norm_args *a, const float *x, float *y, float *mean, float *inv, int count) {
    vf center[TOGETHER], scale[TOGETHER];
    measure(a, x, count, center, scale);
    for (size_t c = 0; c < (size_t)a->channels; c++) {
        vf weight = vf_set1(number(a->weight, c, 1.0f)), bias = vf_set1(number(a->bias, c, 0.0f));
        for (int i = 0; i < count; i++) {
            vf normal = (vf_load(x + c * a->x_channel + i * CN__WIDTH) - center[i]) * scale[i];
            vf_store(y + c * a->y_channel + i * CN__WIDTH, vf_fma(normal, weight, bias));
        }
    }
    for (int i = 0; mean && i < count; i++) {
        vf_store(mean + i * CN__WIDTH, center[i]);
        vf_store(inv + i * CN__WIDTH, scale[i]);
    }
}

void CN__ISA_NAME(layer_norm)(const cn__layer_norm_args *args, float *y, float *mean, float *inv) {
    size_t floats = (size_t)args->width * CN__LANES, i = 0;
    for (; i + TOGETHER * CN__WIDTH <= floats; i += TOGETHER * CN__WIDTH)
        forward(args, args->x + i, y + i, mean ? mean + i : NULL, mean ? inv + i : NULL, TOGETHER);
    for (; i < floats; i += CN__WIDTH)
        forward(args, args->x + i, y + i, mean ? mean + i : NULL, mean ? inv + i : NULL, 1);
}

/* ---- backward ---- */

INLINE void backward(const cn__layer_norm_args *a, const float *x, const float *dy, float *dx, const float *mean,
                     const float *inv, bool accumulate, int count) {
    vf sum[TOGETHER] = {{0}}, product[TOGETHER] = {{0}}, center[TOGETHER], scale[TOGETHER];
    vf channels = vf_set1((float)a->channels);
    for (int i = 0; i < count; i++) {
        center[i] = vf_load(mean + i * CN__WIDTH);
        scale[i] = vf_load(inv + i * CN__WIDTH);
    }
    for (size_t c = 0; c < (size_t)a->channels; c++) {
        vf weight = vf_set1(number(a->weight, c, 1.0f));
        for (int i = 0; i < count; i++) {
            vf d = vf_load(dy + c * a->y_channel + i * CN__WIDTH) * weight;
            sum[i] += d;
            product[i] = vf_fma(d, vf_load(x + c * a->x_channel + i * CN__WIDTH) - center[i], product[i]);
        }
    }
    for (int i = 0; i < count; i++) {
        sum[i] /= channels;
        product[i] = product[i] * scale[i] * scale[i] / channels; /* by x - mean instead of x̂ */
    }
    for (size_t c = 0; c < (size_t)a->channels; c++) {
        vf weight = vf_set1(number(a->weight, c, 1.0f));
        for (int i = 0; i < count; i++) {
            vf centred = vf_load(x + c * a->x_channel + i * CN__WIDTH) - center[i];
            vf d = vf_fma(vf_load(dy + c * a->y_channel + i * CN__WIDTH), weight, -sum[i]);
            d = vf_fma(-centred, product[i], d) * scale[i];
            float *to = dx + c * a->x_gradient_channel + i * CN__WIDTH;
            vf_store(to, accumulate ? vf_load(to) + d : d);
        }
    }
}

void CN__ISA_NAME(layer_norm_backward)(const cn__layer_norm_args *args, const float *dy, float *dx, const float *mean,
                                       const float *inv, bool accumulate) {
    size_t floats = (size_t)args->width * CN__LANES, i = 0;
    for (; i + TOGETHER * CN__WIDTH <= floats; i += TOGETHER * CN__WIDTH)
        backward(args, args->x + i, dy + i, dx + i, mean + i, inv + i, accumulate, TOGETHER);
    for (; i < floats; i += CN__WIDTH)
        backward(args, args->x + i, dy + i, dx + i, mean + i, inv + i, accumulate, 1);
}

/* Row by row, so that rounding grows with rows and columns, not with pixels. */
void CN__ISA_NAME(layer_norm_sums)(cn__plane x, cn__plane dy, const float *mean, const float *inv, int32_t height,
                                   int32_t width, float *sum_dy, float *sum_dyx) {
    for (size_t lane = 0; lane < CN__LANES; lane += CN__WIDTH) {
        vf sum = {0}, product = {0};
        for (size_t r = 0; r < (size_t)height; r++) {
            const float *from = x.data + r * x.row + lane, *gradient = dy.data + r * dy.row + lane;
            const float *center = mean + r * (size_t)width * CN__LANES + lane;
            const float *scale = inv + r * (size_t)width * CN__LANES + lane;
            vf row = {0}, row_product = {0};
            for (size_t i = 0; i < (size_t)width * CN__LANES; i += CN__LANES) {
                vf d = vf_load(gradient + i);
                row += d;
                row_product = vf_fma(d, (vf_load(from + i) - vf_load(center + i)) * vf_load(scale + i), row_product);
            }
            sum += row;
            product += row_product;
        }
        vf_store(sum_dy + lane, sum);
        vf_store(sum_dyx + lane, product);
    }
}
