/* norm_softmax_nchw16c.c: what norms, a PReLU and a softmax do with channels in the lanes of a line. */
#include "kernels/isa/isa.h"
#include "kernels/isa/vector_math.h"

/* ---- normalisation, skip, ReLU ---- */

INLINE void norm_rows(const cn__channel_norm_args *a, size_t lane, bool skip, bool relu) {
    vf center = vf_load(a->center + lane), scale = vf_load(a->scale + lane), shift = vf_load(a->shift + lane);
    for (size_t r = 0; r < (size_t)a->height; r++) {
        const float *x = a->x.data + r * a->x.row + lane, *s = skip ? a->skip.data + r * a->skip.row + lane : x;
        float *y = a->y.data + r * a->y.row + lane;
        for (size_t i = 0; i < (size_t)a->width * CN__LANES; i += CN__LANES) {
            vf value = vf_fma(vf_load(x + i) - center, scale, shift);
            if (skip)
                value += vf_load(s + i);
            vf_store(y + i, relu ? vf_relu(value) : value);
        }
    }
}

void CN__ISA_NAME(channel_norm)(const cn__channel_norm_args *args) {
    for (size_t lane = 0; lane < CN__LANES; lane += CN__WIDTH)
        if (args->skip.data)
            args->relu ? norm_rows(args, lane, true, true) : norm_rows(args, lane, true, false);
        else
            args->relu ? norm_rows(args, lane, false, true) : norm_rows(args, lane, false, false);
}

/* ---- PReLU ---- */

void CN__ISA_NAME(channel_prelu)(const float *weight, cn__plane x, cn__plane y, int32_t height, int32_t width) {
    for (size_t lane = 0; lane < CN__LANES; lane += CN__WIDTH)
        for (size_t r = 0; r < (size_t)height; r++)
            for (size_t i = lane; i < (size_t)width * CN__LANES; i += CN__LANES) {
                vf value = vf_load(x.data + r * x.row + i);
                vf_store(y.data + r * y.row + i, vf_select(value > 0.0f, value, vf_load(weight + lane) * value));
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

/* ---- layer norm ---- */

/* See layer_norm.c. */
static void layer_norm_pixel(const cn__channel_layer_norm_args *a, const float *x, float *y) {
    size_t vectors = (size_t)(a->channels + CN__LANES - 1) / CN__LANES * CN__VECTORS_PER_LINE;
    float all[CN__LANES] __attribute__((aligned(CN__ALIGN))) = {0}, rest[CN__LANES] __attribute__((aligned(CN__ALIGN)));
    float squares[CN__LANES] __attribute__((aligned(CN__ALIGN))) = {0}, channels = (float)a->channels;
    memset(rest, 0, sizeof rest);
    for (size_t i = 0; i < vectors; i++)
        add_to(all, i, vf_and(used(i * CN__WIDTH, a->channels), vf_load(x + vector_at(i, a->x_plane))));
    float mean = vf_line_sum(all) / channels;
    for (size_t i = 0; i < vectors; i++) {
        vf d = vf_and(used(i * CN__WIDTH, a->channels), vf_load(x + vector_at(i, a->x_plane)) - mean);
        add_to(rest, i, d);
        add_to(squares, i, d * d);
    }
    float sum = vf_line_sum(rest), left = sum / channels, variance = (vf_line_sum(squares) - sum * left) / channels;
    float inv = 1.0f / sqrtf((variance < 0.0f ? 0.0f : variance) + a->eps);
    for (size_t i = 0; i < vectors; i++) {
        size_t parameter = vector_at(i, a->step);
        vf normal = (vf_load(x + vector_at(i, a->x_plane)) - (mean + left)) * inv;
        vf_store(y + vector_at(i, a->y_plane),
                 vf_fma(normal, vf_load(a->weight + parameter), vf_load(a->bias + parameter)));
    }
}

void CN__ISA_NAME(channel_layer_norm)(const cn__channel_layer_norm_args *args) {
    for (size_t r = 0; r < (size_t)args->height; r++)
        for (size_t i = 0; i < (size_t)args->width * CN__LANES; i += CN__LANES)
            layer_norm_pixel(args, args->x.data + r * args->x.row + i, args->y.data + r * args->y.row + i);
}

/* ---- softmax ---- */

INLINE float largest_lane(vf v) {
    float best = v[0];
    for (int i = 1; i < CN__WIDTH; i++)
        best = v[i] > best || v[i] != v[i] ? v[i] : best;
    return best;
}

static void softmax_pixel(bool logarithm, int32_t channels, const float *x, size_t x_plane, float *y, size_t y_plane) {
    size_t planes = (size_t)(channels + CN__LANES - 1) / CN__LANES;
    float line[CN__LANES] __attribute__((aligned(CN__ALIGN))) = {0};
    vf best = vf_set1(-INFINITY);
    for (size_t i = 0; i < planes * CN__VECTORS_PER_LINE; i++) {
        vf value = vf_load(x + vector_at(i, x_plane)), kept = vf_select(used(i * CN__WIDTH, channels), value, best);
        best = vf_select((kept > best) | (kept != kept), kept, best);
    }
    vf largest = vf_set1(largest_lane(best));
    for (size_t i = 0; i < planes * CN__VECTORS_PER_LINE; i++) {
        vf e = vf_and(used(i * CN__WIDTH, channels), vf_exp(vf_load(x + vector_at(i, x_plane)) - largest));
        add_to(line, i, e);
        vf_store(y + vector_at(i, y_plane), logarithm ? vf_load(x + vector_at(i, x_plane)) : e);
    }
    vf sum = vf_set1(vf_line_sum(line)), log_sum = vf_log(sum);
    for (size_t i = 0; i < planes * CN__VECTORS_PER_LINE; i++) {
        vf value = vf_load(y + vector_at(i, y_plane));
        value = logarithm ? value - largest - log_sum : value / sum;
        vf_store(y + vector_at(i, y_plane), vf_and(used(i * CN__WIDTH, channels), value));
    }
}

void CN__ISA_NAME(channel_softmax)(bool logarithm, int32_t channels, cn__plane x, size_t x_plane, cn__plane y,
                                   size_t y_plane, int32_t height, int32_t width) {
    for (size_t r = 0; r < (size_t)height; r++)
        for (size_t i = 0; i < (size_t)width * CN__LANES; i += CN__LANES)
            softmax_pixel(logarithm, channels, x.data + r * x.row + i, x_plane, y.data + r * y.row + i, y_plane);
}
