/* SPDX-License-Identifier: MIT */
/* reference_windows.c: convolutions and pools as plain loops in double precision, over numbers on a tape: an output each.
 */
#include "reference_layers.h"
#include "testing.h"
#include <math.h>

enum { MAX_TAPS = 256 };

/* The place in the image that place `i` of the padded one shows; -1: a zero. */
int net_source(int i, int size, int mode) {
    if (i >= 0 && i < size)
        return i;
    switch (mode) {
    case CN_PADDING_REPLICATE:
        return i < 0 ? 0 : size - 1;
    case CN_PADDING_REFLECT:
        return i < 0 ? -i : 2 * (size - 1) - i;
    case CN_PADDING_CIRCULAR:
        return (i + size) % size;
    default:
        return -1;
    }
}

/* The taps of one output: their places in a channel of the image and in one of the weights. */
typedef struct taps {
    size_t pixel[MAX_TAPS], weight[MAX_TAPS];
    int count;
} taps;

static void find_taps(const net_step *s, int oy, int ox, taps *t) {
    const net_layer *l = s->layer;
    t->count = 0;
    ck_assert_int_le(l->kernel[0] * l->kernel[1], MAX_TAPS);
    for (int ky = 0; ky < l->kernel[0]; ky++)
        for (int kx = 0; kx < l->kernel[1]; kx++) {
            int y = net_source(oy * l->stride[0] - l->padding[0] + ky * l->dilation[0], s->in.height, l->mode);
            int x = net_source(ox * l->stride[1] - l->padding[1] + kx * l->dilation[1], s->in.width, l->mode);
            if (y < 0 || x < 0)
                continue;
            t->pixel[t->count] = net_at(s->in, 0, 0, y, x);
            t->weight[t->count++] = (size_t)(ky * l->kernel[1] + kx);
        }
}

number net_conv2d_at(const net_step *s, int n, int oc, int oy, int ox) {
    const net_layer *l = s->layer;
    const number *weight = net_tensor_of(s, NET_WEIGHT), *bias = net_tensor_of(s, NET_BIAS);
    int channels = s->in.channels / l->groups, first = oc / (s->out.channels / l->groups) * channels;
    net_shape kernel = {channels, l->kernel[0], l->kernel[1]};
    double sum = 0.0;
    taps t;
    find_taps(s, oy, ox, &t);
    tape_reserve(&s->run->tape, 2 * (size_t)channels * (size_t)t.count);
    for (int c = 0; c < channels; c++) {
        const number *x = s->x + net_at(s->in, n, first + c, 0, 0), *w = weight + net_at(kernel, oc, c, 0, 0);
        for (int i = 0; i < t.count; i++)
            sum += tape_product(&s->run->tape, x[t.pixel[i]], w[t.weight[i]]);
    }
    if (bias) {
        tape_term(&s->run->tape, bias[oc], 1.0);
        sum += net_value_of(s, bias[oc]);
    }
    return tape_number(&s->run->tape, sum);
}

/* What an output of a transposed convolution gets from all inputs whose kernels reach it. */
number net_conv_transpose2d_at(const net_step *s, int n, int oc, int oy, int ox) {
    const net_layer *l = s->layer;
    const number *weight = net_tensor_of(s, NET_WEIGHT), *bias = net_tensor_of(s, NET_BIAS);
    int outputs = s->out.channels / l->groups, inputs = s->in.channels / l->groups, first = oc / outputs * inputs;
    net_shape kernel = {outputs, l->kernel[0], l->kernel[1]};
    double sum = 0.0;
    tape_reserve(&s->run->tape, 2 * (size_t)inputs * (size_t)l->kernel[0] * (size_t)l->kernel[1]);
    for (int ky = 0; ky < l->kernel[0]; ky++)
        for (int kx = 0; kx < l->kernel[1]; kx++) {
            int y = oy + l->padding[0] - ky * l->dilation[0], x = ox + l->padding[1] - kx * l->dilation[1];
            bool reached = y >= 0 && x >= 0 && y % l->stride[0] == 0 && x % l->stride[1] == 0;
            if (!reached || y / l->stride[0] >= s->in.height || x / l->stride[1] >= s->in.width)
                continue;
            for (int c = first; c < first + inputs; c++)
                sum += tape_product(&s->run->tape, s->x[net_at(s->in, n, c, y / l->stride[0], x / l->stride[1])],
                                    weight[net_at(kernel, c, oc % outputs, ky, kx)]);
        }
    if (bias) {
        tape_term(&s->run->tape, bias[oc], 1.0);
        sum += net_value_of(s, bias[oc]);
    }
    return tape_number(&s->run->tape, sum);
}

/* The first of the largest so far, and the largest of the others. */
typedef struct maximum {
    bool any;
    number best;
    double second;
} maximum;

static void consider(const net_step *s, maximum *m, number candidate) {
    if (!m->any || net_value_of(s, candidate) > net_value_of(s, m->best)) {
        m->second = m->any ? net_value_of(s, m->best) : -INFINITY;
        m->best = candidate;
    } else if (net_value_of(s, candidate) > m->second) {
        m->second = net_value_of(s, candidate);
    }
    m->any = true;
}

static number the_best(const net_step *s, const maximum *m) {
    net_near_jump(s->run, net_value_of(s, m->best) - m->second);
    return net_function(s, m->best, net_value_of(s, m->best), 1.0);
}

number net_max_at(const net_step *s, int n, int c, int oy, int ox) {
    const net_layer *l = s->layer;
    maximum m = {0};
    for (int ky = 0; ky < l->kernel[0]; ky++)
        for (int kx = 0; kx < l->kernel[1]; kx++) {
            int y = oy * l->stride[0] - l->padding[0] + ky * l->dilation[0];
            int x = ox * l->stride[1] - l->padding[1] + kx * l->dilation[1];
            if (y >= 0 && x >= 0 && y < s->in.height && x < s->in.width)
                consider(s, &m, s->x[net_at(s->in, n, c, y, x)]);
        }
    return the_best(s, &m);
}

static number mean_of(const net_step *s, int n, int c, const int from[2], const int to[2], int divisor) {
    double sum = 0.0;
    for (int y = from[0]; y < to[0]; y++)
        for (int x = from[1]; x < to[1]; x++) {
            number pixel = s->x[net_at(s->in, n, c, y, x)];
            tape_term(&s->run->tape, pixel, 1.0 / divisor);
            sum += net_value_of(s, pixel);
        }
    return tape_number(&s->run->tape, sum / divisor);
}

/* With padding, what counts is the window as far as it lies in the padded image. */
number net_avg_at(const net_step *s, int n, int c, int oy, int ox) {
    const net_layer *l = s->layer;
    int size[2] = {s->in.height, s->in.width}, place[2] = {oy, ox}, from[2], to[2], padded = 1, inside = 1;
    for (int d = 0; d < 2; d++) {
        from[d] = place[d] * l->stride[d] - l->padding[d];
        to[d] = from[d] + l->kernel[d] < size[d] + l->padding[d] ? from[d] + l->kernel[d] : size[d] + l->padding[d];
        padded *= to[d] - from[d];
        from[d] = from[d] > 0 ? from[d] : 0;
        to[d] = to[d] < size[d] ? to[d] : size[d];
        inside *= to[d] - from[d];
    }
    return mean_of(s, n, c, from, to, l->divisor ? l->divisor : l->include_pad ? padded : inside);
}

static void adaptive_window(const net_step *s, int oy, int ox, int from[2], int to[2]) {
    int size[2] = {s->in.height, s->in.width}, place[2] = {oy, ox};
    for (int d = 0; d < 2; d++) {
        int out = s->layer->out[d];
        from[d] = place[d] * size[d] / out;
        to[d] = ((place[d] + 1) * size[d] + out - 1) / out;
    }
}

number net_adaptive_max_at(const net_step *s, int n, int c, int oy, int ox) {
    int from[2], to[2];
    maximum m = {0};
    adaptive_window(s, oy, ox, from, to);
    for (int y = from[0]; y < to[0]; y++)
        for (int x = from[1]; x < to[1]; x++)
            consider(s, &m, s->x[net_at(s->in, n, c, y, x)]);
    return the_best(s, &m);
}

number net_adaptive_at(const net_step *s, int n, int c, int oy, int ox) {
    int from[2], to[2];
    adaptive_window(s, oy, ox, from, to);
    return mean_of(s, n, c, from, to, (to[0] - from[0]) * (to[1] - from[1]));
}
