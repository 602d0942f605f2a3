/* SPDX-License-Identifier: MIT */
/* norm_softmax_nchw16c.c: what a layer norm, a PReLU and a softmax do with channels in the lanes of a line. */
#include "kernels/isa/isa.h"
#include "kernels/isa/vector_math.h"

/* ---- PReLU ---- */

void CN__ISA_NAME(channel_prelu)(const float *weight, cn__plane x, cn__plane y, int32_t height, int32_t width) {
    for (size_t lane = 0; lane < CN__LANES; lane += CN__WIDTH)
        for (size_t r = 0; r < (size_t)height; r++)
            for (size_t i = lane; i < (size_t)width * CN__LANES; i += CN__LANES) {
                vf value = vf_load(x.data + r * x.row + i);
                vf_store(y.data + r * y.row + i, vf_select(value > 0.0f, value, vf_load(weight + lane) * value));
            }
}

/* Row by row, so that rounding grows with rows and columns, not with pixels. */
void CN__ISA_NAME(channel_prelu_backward)(const float *weight, cn__plane x, cn__plane dy, cn__plane dx, int32_t height,
                                          int32_t width, bool accumulate, float *sums) {
    for (size_t lane = 0; lane < CN__LANES; lane += CN__WIDTH) {
        vf slope = vf_load(weight + lane), sum = {0};
        for (size_t r = 0; r < (size_t)height; r++) {
            vf row = {0};
            for (size_t i = lane; i < (size_t)width * CN__LANES; i += CN__LANES) {
                vf value = vf_load(x.data + r * x.row + i), d = vf_load(dy.data + r * dy.row + i);
                row = vf_fma(vf_select(value > 0.0f, (vf){0}, value), d, row);
                if (!dx.data)
                    continue;
                float *to = dx.data + r * dx.row + i;
                d = vf_select(value > 0.0f, d, slope * d);
                vf_store(to, accumulate ? vf_load(to) + d : d);
            }
            sum += row;
        }
        vf_store(sums + lane, sum);
    }
}

/* ---- over the channels of a pixel ---- */

/* The lanes of vector `first`, `first` + 1, … that hold one of `channels` channels. */
INLINE vi used(size_t first, int32_t channels) {
    vi lane = {0};
    for (int i = 0; i < CN__WIDTH; i++)
        lane[i] = (int32_t)first + i;
    return lane < channels;
}

/* Vector i of a pixel's channels. */
INLINE size_t vector_at(size_t i, size_t plane) {
    return i / CN__VECTORS_PER_LINE * plane + i % CN__VECTORS_PER_LINE * CN__WIDTH;
}

/* Their sum goes plane by plane into a line, then over its lanes, so that it is the same for any vector width. */
INLINE void add_to(float *line, size_t i, vf value) {
    float *sum = line + i % CN__VECTORS_PER_LINE * CN__WIDTH;
    vf_store(sum, vf_load(sum) + value);
}

/* ---- layer norm; see layer_norm.c ---- */

static inline size_t vectors_of(int32_t channels) {
    return cn__whole_lines((size_t)channels) / CN__WIDTH;
}

/* Of a vector of weights or biases; `without` where there are none. */
INLINE vf number_at(const float *list, size_t i, float without) {
    return list ? vf_load(list + i * CN__WIDTH) : vf_set1(without);
}

static void fill_line(float *line, float value) {
    for (int i = 0; i < CN__LANES; i++)
        line[i] = value;
}

/* Σ d and Σ d², or Σ d · (x - center), over the channels of a pixel. */
typedef struct pixel_sums {
    float plain, product;
} pixel_sums;

INLINE pixel_sums deviations(const cn__layer_norm_args *a, const float *x, float mean) {
    float all[CN__LANES] __attribute__((aligned(CN__ALIGN))) = {0};
    float squares[CN__LANES] __attribute__((aligned(CN__ALIGN))) = {0};
    for (size_t i = 0; i < vectors_of(a->channels); i++) {
        vf d = vf_and(used(i * CN__WIDTH, a->channels), vf_load(x + vector_at(i, a->x_channel)) - mean);
        add_to(all, i, d);
        add_to(squares, i, d * d);
    }
    return (pixel_sums){vf_line_sum(all), vf_line_sum(squares)};
}

static void normalise_pixel(const cn__layer_norm_args *a, const float *x, float *y, float mean, float inv) {
    for (size_t i = 0; i < vectors_of(a->channels); i++) {
        vf normal = (vf_load(x + vector_at(i, a->x_channel)) - mean) * inv;
        vf_store(y + vector_at(i, a->y_channel),
                 vf_fma(normal, number_at(a->weight, i, 1.0f), number_at(a->bias, i, 0.0f)));
    }
}

void CN__ISA_NAME(channel_layer_norm)(const cn__layer_norm_args *args, float *y, float *mean, float *inv) {
    float channels = (float)args->channels;
    for (size_t i = 0; i < (size_t)args->width * CN__LANES; i += CN__LANES) {
        float first = deviations(args, args->x + i, 0.0f).plain / channels;
        pixel_sums rest = deviations(args, args->x + i, first);
        float left = rest.plain / channels, variance = (rest.product - rest.plain * left) / channels;
        float scale = 1.0f / sqrtf((variance < 0.0f ? 0.0f : variance) + args->eps);
        normalise_pixel(args, args->x + i, y + i, first + left, scale);
        if (mean) {
            fill_line(mean + i, first + left);
            fill_line(inv + i, scale);
        }
    }
}

static pixel_sums gradients(const cn__layer_norm_args *a, const float *x, const float *dy, float mean) {
    float all[CN__LANES] __attribute__((aligned(CN__ALIGN))) = {0};
    float products[CN__LANES] __attribute__((aligned(CN__ALIGN))) = {0};
    for (size_t i = 0; i < vectors_of(a->channels); i++) {
        vi counts = used(i * CN__WIDTH, a->channels);
        vf d = vf_and(counts, vf_load(dy + vector_at(i, a->y_channel)) * number_at(a->weight, i, 1.0f));
        add_to(all, i, d);
        add_to(products, i, vf_and(counts, d * (vf_load(x + vector_at(i, a->x_channel)) - mean)));
    }
    return (pixel_sums){vf_line_sum(all), vf_line_sum(products)};
}

void CN__ISA_NAME(channel_layer_norm_backward)(const cn__layer_norm_args *args, const float *dy, float *dx,
                                               const float *mean, const float *inv, bool accumulate) {
    float channels = (float)args->channels;
    for (size_t p = 0; p < (size_t)args->width * CN__LANES; p += CN__LANES) {
        pixel_sums sums = gradients(args, args->x + p, dy + p, mean[p]);
        float share = sums.plain / channels, slope = sums.product * inv[p] * inv[p] / channels;
        for (size_t i = 0; i < vectors_of(args->channels); i++) {
            vf centred = vf_load(args->x + p + vector_at(i, args->x_channel)) - mean[p];
            vf d = vf_fma(vf_load(dy + p + vector_at(i, args->y_channel)), number_at(args->weight, i, 1.0f),
                          vf_set1(-share));
            float *to = dx + p + vector_at(i, args->x_gradient_channel);
            d = vf_fma(-centred, vf_set1(slope), d) * inv[p];
            vf_store(to, accumulate ? vf_load(to) + d : d);
        }
    }
}

/* ---- softmax ---- */

INLINE float largest_lane(vf v) {
    float best = v[0];
    for (int i = 1; i < CN__WIDTH; i++)
        best = v[i] > best || v[i] != v[i] ? v[i] : best;
    return best;
}

static void softmax_pixel(bool logarithm, int32_t channels, const float *x, size_t x_channel, float *y,
                          size_t y_channel) {
    size_t planes = (size_t)(channels + CN__LANES - 1) / CN__LANES;
    float line[CN__LANES] __attribute__((aligned(CN__ALIGN))) = {0};
    vf best = vf_set1(-INFINITY);
    for (size_t i = 0; i < planes * CN__VECTORS_PER_LINE; i++) {
        vf value = vf_load(x + vector_at(i, x_channel)), kept = vf_select(used(i * CN__WIDTH, channels), value, best);
        best = vf_select((kept > best) | (kept != kept), kept, best);
    }
    vf largest = vf_set1(largest_lane(best));
    for (size_t i = 0; i < planes * CN__VECTORS_PER_LINE; i++) {
        vf e = vf_and(used(i * CN__WIDTH, channels), vf_exp(vf_load(x + vector_at(i, x_channel)) - largest));
        add_to(line, i, e);
        vf_store(y + vector_at(i, y_channel), logarithm ? vf_load(x + vector_at(i, x_channel)) : e);
    }
    vf sum = vf_set1(vf_line_sum(line)), log_sum = vf_log(sum);
    for (size_t i = 0; i < planes * CN__VECTORS_PER_LINE; i++) {
        vf value = vf_load(y + vector_at(i, y_channel));
        value = logarithm ? value - largest - log_sum : value / sum;
        vf_store(y + vector_at(i, y_channel), vf_and(used(i * CN__WIDTH, channels), value));
    }
}

void CN__ISA_NAME(channel_softmax)(bool logarithm, int32_t channels, cn__plane x, size_t x_channel, cn__plane y,
                                   size_t y_channel, int32_t height, int32_t width) {
    for (size_t r = 0; r < (size_t)height; r++)
        for (size_t i = 0; i < (size_t)width * CN__LANES; i += CN__LANES)
            softmax_pixel(logarithm, channels, x.data + r * x.row + i, x_channel, y.data + r * y.row + i, y_channel);
}

/* See softmax_kernel.c. */
static void softmax_pixel_backward(bool logarithm, int32_t channels, const float *y, size_t y_channel, const float *dy,
                                   size_t dy_channel, float *dx, size_t dx_channel, bool accumulate) {
    float line[CN__LANES] __attribute__((aligned(CN__ALIGN))) = {0};
    for (size_t i = 0; i < vectors_of(channels); i++) {
        vf d = vf_load(dy + vector_at(i, dy_channel));
        d = logarithm ? d : d * vf_load(y + vector_at(i, y_channel));
        add_to(line, i, vf_and(used(i * CN__WIDTH, channels), d));
    }
    vf sum = vf_set1(vf_line_sum(line));
    for (size_t i = 0; i < vectors_of(channels); i++) {
        vf d = vf_load(dy + vector_at(i, dy_channel)), out = vf_load(y + vector_at(i, y_channel));
        float *to = dx + vector_at(i, dx_channel);
        d = logarithm ? vf_fma(-vf_exp(out), sum, d) : out * (d - sum);
        vf_store(to, accumulate ? vf_load(to) + d : d);
    }
}

void CN__ISA_NAME(channel_softmax_backward)(bool logarithm, int32_t channels, cn__plane y, size_t y_channel,
                                            cn__plane dy, size_t dy_channel, cn__plane dx, size_t dx_channel,
                                            int32_t height, int32_t width, bool accumulate) {
    for (size_t r = 0; r < (size_t)height; r++)
        for (size_t i = 0; i < (size_t)width * CN__LANES; i += CN__LANES)
            softmax_pixel_backward(logarithm, channels, y.data + r * y.row + i, y_channel, dy.data + r * dy.row + i,
                                   dy_channel, dx.data + r * dx.row + i, dx_channel, accumulate);
}
