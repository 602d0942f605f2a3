/* SPDX-License-Identifier: MIT */
/* reference_layers.c: every layer's definition as plain loops in double precision, over numbers on a tape; those with
 * windows are in reference_windows.c. */
#include "reference_layers.h"
#include "activations.h"
#include "base/base.h"
#include "testing.h"
#include <math.h>

static void each_output(const net_step *s, number (*compute)(const net_step *, int, int, int, int)) {
    for (int n = 0; n < s->run->net->batch; n++)
        for (int c = 0; c < s->out.channels; c++)
            for (int y = 0; y < s->out.height; y++)
                for (int x = 0; x < s->out.width; x++)
                    s->y[net_at(s->out, n, c, y, x)] = compute(s, n, c, y, x);
}

/* ---- values put elsewhere ---- */

static number same(const net_step *s, number x) {
    return net_function(s, x, net_value_of(s, x), 1.0);
}

static number concat_at(const net_step *s, int n, int c, int y, int x) {
    int i = 0;
    net_shape shape;
    while (c >= (shape = s->run->net->layer[s->layer->input[i]].shape).channels) {
        c -= shape.channels;
        i++;
    }
    return same(s, s->run->value[s->layer->input[i]][net_at(shape, n, c, y, x)]);
}

static number pixel_shuffle_at(const net_step *s, int n, int c, int y, int x) {
    int r = s->layer->factor;
    return same(s, s->x[net_at(s->in, n, c * r * r + y % r * r + x % r, y / r, x / r)]);
}

static number pixel_unshuffle_at(const net_step *s, int n, int c, int y, int x) {
    int r = s->layer->factor;
    return same(s, s->x[net_at(s->in, n, c / (r * r), y * r + c / r % r, x * r + c % r)]);
}

static number channel_shuffle_at(const net_step *s, int n, int c, int y, int x) {
    int groups = s->layer->groups;
    return same(s, s->x[net_at(s->in, n, c % groups * (s->in.channels / groups) + c / groups, y, x)]);
}

static number narrow_at(const net_step *s, int n, int c, int y, int x) {
    return same(s, s->x[net_at(s->in, n, s->layer->start + c, y, x)]);
}

static number pad_at(const net_step *s, int n, int c, int oy, int ox) {
    int y = net_source(oy - s->layer->pad[2], s->in.height, s->layer->mode);
    int x = net_source(ox - s->layer->pad[0], s->in.width, s->layer->mode);
    if (y < 0 || x < 0)
        return tape_number(&s->run->tape, s->layer->value);
    return same(s, s->x[net_at(s->in, n, c, y, x)]);
}

static number prelu_at(const net_step *s, int n, int c, int y, int x) {
    number from = s->x[net_at(s->in, n, c, y, x)],
           weight = net_tensor_of(s, NET_WEIGHT)[s->layer->weights == 1 ? 0 : c];
    net_near_jump(s->run, fabs(net_value_of(s, from)));
    if (net_value_of(s, from) > 0.0)
        return same(s, from);
    double value = net_product(s, from, weight);
    return tape_number(&s->run->tape, value);
}

/* ---- norms ---- */

/* The pixels that share a mean and a variance: images n0 … n1 - 1, channels c0 … c1 - 1. */
typedef struct part {
    int n0, n1, c0, c1;
} part;

static int part_size(const net_step *s, const part *p) {
    return (p->n1 - p->n0) * (p->c1 - p->c0) * s->in.height * s->in.width;
}

/* Σ term(x) / count as one number. */
static number average(const net_step *s, const part *p, const number *x, bool squared) {
    double sum = 0.0, count = part_size(s, p);
    size_t pixels = (size_t)s->in.height * (size_t)s->in.width;
    for (int n = p->n0; n < p->n1; n++)
        for (size_t i = net_at(s->in, n, p->c0, 0, 0), end = i + (size_t)(p->c1 - p->c0) * pixels; i < end; i++) {
            double v = net_value_of(s, x[i]);
            tape_term(&s->run->tape, x[i], (squared ? 2.0 * v : 1.0) / count);
            sum += squared ? v * v : v;
        }
    return tape_number(&s->run->tape, sum / count);
}

static number subtract(const net_step *s, number a, number b) {
    tape_term(&s->run->tape, a, 1.0);
    tape_term(&s->run->tape, b, -1.0);
    return tape_number(&s->run->tape, net_value_of(s, a) - net_value_of(s, b));
}

/* centered / sqrt(variance + eps) · weight + bias */
static number scaled(const net_step *s, number centered, number variance, int c) {
    const number *weight = net_tensor_of(s, NET_WEIGHT), *bias = net_tensor_of(s, NET_BIAS);
    double v = net_value_of(s, variance) + s->layer->eps, inverse = 1.0 / sqrt(v),
           y = net_value_of(s, centered) * inverse;
    tape_term(&s->run->tape, centered, inverse);
    tape_term(&s->run->tape, variance, -0.5 * y / v);
    number normal = tape_number(&s->run->tape, y);
    if (!weight)
        return normal;
    y = net_product(s, normal, weight[c]) + net_value_of(s, bias[c]);
    tape_term(&s->run->tape, bias[c], 1.0);
    return tape_number(&s->run->tape, y);
}

static void track(const net_step *s, const part *p, double mean, double variance) {
    double m = s->layer->momentum, count = part_size(s, p);
    double *const *buffer = s->run->pass->tensor + s->layer->first_tensor + (s->layer->affine ? 2 : 0);
    buffer[0][p->c0] += m * (mean - buffer[0][p->c0]);
    buffer[1][p->c0] += m * (variance * count / (count - 1.0) - buffer[1][p->c0]);
}

static void normalize(const net_step *s, const part *p) {
    const net_layer *l = s->layer;
    bool batch = l->kind == NET_BATCH_NORM, fixed = batch && l->running && !net_trains(s);
    size_t pixels = (size_t)s->in.height * (size_t)s->in.width;
    number mean = fixed ? net_tensor_of(s, NET_RUNNING_MEAN)[p->c0] : average(s, p, s->x, false);
    for (int n = p->n0; n < p->n1; n++)
        for (size_t i = net_at(s->in, n, p->c0, 0, 0), end = i + (size_t)(p->c1 - p->c0) * pixels; i < end; i++)
            s->y[i] = subtract(s, s->x[i], mean);
    number variance = fixed ? net_tensor_of(s, NET_RUNNING_VAR)[p->c0] : average(s, p, s->y, true);
    for (int n = p->n0; n < p->n1; n++)
        for (int c = p->c0; c < p->c1; c++)
            for (size_t i = net_at(s->in, n, c, 0, 0), end = i + pixels; i < end; i++)
                s->y[i] = scaled(s, s->y[i], variance, c);
    if (batch && l->running && net_trains(s) && s->run->tracks)
        track(s, p, net_value_of(s, mean), net_value_of(s, variance));
}

static void norm(const net_step *s) {
    const net_layer *l = s->layer;
    int images = s->run->net->batch, channels = s->in.channels;
    if (l->kind != NET_BATCH_NORM) {
        for (int n = 0; n < images; n++)
            for (int g = 0; g < l->groups; g++)
                normalize(s, &(part){n, n + 1, g * channels / l->groups, (g + 1) * channels / l->groups});
        return;
    }
    for (int c = 0; c < channels; c++)
        normalize(s, &(part){0, images, c, c + 1});
    if (l->running && net_trains(s) && s->run->tracks)
        s->run->pass->tensor[l->first_tensor + l->tensors - 1][0] += 1.0;
}

/* One pixel over its channels. */
static void normalize_pixel(const net_step *s, int n, int y, int x) {
    int channels = s->in.channels;
    double sum = 0.0, squares = 0.0;
    for (int c = 0; c < channels; c++) {
        number value = s->x[net_at(s->in, n, c, y, x)];
        tape_term(&s->run->tape, value, 1.0 / channels);
        sum += net_value_of(s, value);
    }
    number mean = tape_number(&s->run->tape, sum / channels);
    for (int c = 0; c < channels; c++)
        s->y[net_at(s->in, n, c, y, x)] = subtract(s, s->x[net_at(s->in, n, c, y, x)], mean);
    for (int c = 0; c < channels; c++) {
        double d = net_value_of(s, s->y[net_at(s->in, n, c, y, x)]);
        tape_term(&s->run->tape, s->y[net_at(s->in, n, c, y, x)], 2.0 * d / channels);
        squares += d * d;
    }
    number variance = tape_number(&s->run->tape, squares / channels);
    for (int c = 0; c < channels; c++)
        s->y[net_at(s->in, n, c, y, x)] = scaled(s, s->y[net_at(s->in, n, c, y, x)], variance, c);
}

static void each_pixel(const net_step *s, void (*compute)(const net_step *, int, int, int)) {
    for (int n = 0; n < s->run->net->batch; n++)
        for (int y = 0; y < s->in.height; y++)
            for (int x = 0; x < s->in.width; x++)
                compute(s, n, y, x);
}

/* ---- element by element ---- */

static void activate(const net_step *s, const activation *f) {
    double p[2];
    f->parameters(s->layer, p);
    for (size_t i = 0; i < (size_t)s->run->net->batch * net_size(s->in); i++) {
        double x = net_value_of(s, s->x[i]);
        net_near_jump(s->run, f->jump(x, p[0], p[1]));
        s->y[i] = net_function(s, s->x[i], f->f(x, p[0], p[1]), f->slope(x, p[0], p[1]));
    }
}

/* The values in their order, whatever their shape. */
static void hand_on(const net_step *s) {
    for (size_t i = 0; i < (size_t)s->run->net->batch * net_size(s->in); i++)
        s->y[i] = net_function(s, s->x[i], net_value_of(s, s->x[i]), 1.0);
}

/* Pixel p of image n in channel c is dropped if half-word p mod 8 of the Philox words for (p / 8, layer and channel,
 * image, step) lies below p · 65536. What a seed means is part of the interface: this must not change. */
static void dropout(const net_step *s) {
    int pixels = s->in.height * s->in.width;
    uint32_t threshold = (uint32_t)(s->layer->p * 65536.0 + 0.5);
    for (size_t i = 0; i < (size_t)s->run->net->batch * net_size(s->in); i++) {
        uint32_t p = (uint32_t)i % (uint32_t)pixels, plane = (uint32_t)i / (uint32_t)pixels;
        uint32_t image = plane / (uint32_t)s->in.channels, channel = plane % (uint32_t)s->in.channels;
        uint32_t counter[4] = {p / 8, (uint32_t)(s->id - 1) << 16 | channel, image, s->run->pass->step};
        cn__philox words = cn__philox4x32(counter, s->run->pass->seed ^ (uint64_t)CN__STREAM_DROPOUT << 56);
        uint32_t bits = words.word[p % 8 / 2] >> p % 2 * 16 & 0xffff;
        double keep = !net_trains(s) ? 1.0 : bits < threshold ? 0.0 : 65536.0 / (65536.0 - threshold);
        s->y[i] = net_function(s, s->x[i], keep * net_value_of(s, s->x[i]), keep);
    }
}

/* ---- several inputs ---- */

/* Input k of an output: a side of 1 counts for all. */
static number input_at(const net_step *s, int k, int n, int c, int y, int x) {
    int value = s->layer->input[k];
    net_shape shape = s->run->net->layer[value].shape;
    return s->run->value[value][net_at(shape, n, shape.channels == 1 ? 0 : c, shape.height == 1 ? 0 : y,
                                       shape.width == 1 ? 0 : x)];
}

static number sum_at(const net_step *s, int n, int c, int y, int x) {
    double sum = 0.0;
    for (int k = 0; k < s->layer->inputs; k++) {
        number term = input_at(s, k, n, c, y, x);
        tape_term(&s->run->tape, term, 1.0);
        sum += net_value_of(s, term);
    }
    return tape_number(&s->run->tape, sum);
}

static number product_at(const net_step *s, int n, int c, int y, int x) {
    return tape_number(&s->run->tape, net_product(s, input_at(s, 0, n, c, y, x), input_at(s, 1, n, c, y, x)));
}

/* ---- another size ---- */

/* The two pixels between which output `i` of a dimension lies, and how far from the first to the second. */
static double between(const net_layer *l, int d, int in, int i, int pixel[2]) {
    int out = l->out[d];
    double step = l->by[d] != 0.0 ? 1.0 / l->by[d] : (double)in / out, place = i;
    if (in != out && !l->bilinear)
        place = floor(i * step);
    else if (in != out && l->corners)
        place = out > 1 ? i * (in - 1.0) / (out - 1.0) : 0.0;
    else if (in != out)
        place = fmax((i + 0.5) * step - 0.5, 0.0);
    place = fmin(place, in - 1);
    pixel[0] = (int)place;
    pixel[1] = pixel[0] + 1 < in ? pixel[0] + 1 : pixel[0];
    return place - pixel[0];
}

static number upsampled_at(const net_step *s, int n, int c, int y, int x) {
    int row[2], column[2];
    double down = between(s->layer, 0, s->in.height, y, row), right = between(s->layer, 1, s->in.width, x, column);
    double sum = 0.0;
    for (int i = 0; i < 4; i++) {
        double share = (i / 2 ? down : 1.0 - down) * (i % 2 ? right : 1.0 - right);
        number pixel = s->x[net_at(s->in, n, c, row[i / 2], column[i % 2])];
        tape_term(&s->run->tape, pixel, share);
        sum += share * net_value_of(s, pixel);
    }
    return tape_number(&s->run->tape, sum);
}

/* ---- softmax ---- */

static void softmax_pixel(const net_step *s, int n, int y, int x) {
    int channels = s->in.channels;
    double largest = -INFINITY, sum = 0.0;
    for (int c = 0; c < channels; c++)
        largest = fmax(largest, net_value_of(s, s->x[net_at(s->in, n, c, y, x)]));
    for (int c = 0; c < channels; c++)
        sum += exp(net_value_of(s, s->x[net_at(s->in, n, c, y, x)]) - largest);
    for (int c = 0; c < channels; c++) {
        double shifted = net_value_of(s, s->x[net_at(s->in, n, c, y, x)]) - largest, p = exp(shifted) / sum;
        bool logarithm = s->layer->kind == NET_LOG_SOFTMAX;
        for (int k = 0; k < channels; k++) {
            number other = s->x[net_at(s->in, n, k, y, x)];
            double q = exp(net_value_of(s, other) - largest) / sum;
            tape_term(&s->run->tape, other, ((c == k) - q) * (logarithm ? 1.0 : p));
        }
        s->y[net_at(s->in, n, c, y, x)] = tape_number(&s->run->tape, logarithm ? shifted - log(sum) : p);
    }
}

/* ---- local response norm ---- */

static number response_at(const net_step *s, int n, int c, int y, int x) {
    const net_layer *l = s->layer;
    int first = c - l->size / 2, last = c + (l->size - 1) / 2;
    number own = s->x[net_at(s->in, n, c, y, x)];
    double scale = l->alpha / l->size, level = l->k, value = net_value_of(s, own);
    first = first < 0 ? 0 : first;
    last = last < s->in.channels ? last : s->in.channels - 1;
    for (int j = first; j <= last; j++)
        level += scale * pow(net_value_of(s, s->x[net_at(s->in, n, j, y, x)]), 2.0);
    double factor = pow(level, -l->beta);
    tape_term(&s->run->tape, own, factor);
    for (int j = first; j <= last; j++) {
        number other = s->x[net_at(s->in, n, j, y, x)];
        tape_term(&s->run->tape, other, -2.0 * l->beta * scale * value * net_value_of(s, other) * factor / level);
    }
    return tape_number(&s->run->tape, value * factor);
}

/* ---- all of them ---- */

void net_compute(const net_step *s) {
    switch (s->layer->kind) {
    case NET_CONV2D:
        each_output(s, net_conv2d_at);
        break;
    case NET_CONV_TRANSPOSE2D:
        each_output(s, net_conv_transpose2d_at);
        break;
    case NET_LINEAR: {
        net_layer as_conv = *s->layer;
        as_conv.kernel[0] = as_conv.kernel[1] = as_conv.stride[0] = as_conv.stride[1] = 1;
        net_step conv = *s;
        conv.layer = &as_conv;
        each_output(&conv, net_conv2d_at);
        break;
    }
    case NET_BATCH_NORM:
    case NET_GROUP_NORM:
    case NET_LAYER_NORM:
    case NET_INSTANCE_NORM:
        norm(s);
        break;
    case NET_LAYER_NORM2D:
        each_pixel(s, normalize_pixel);
        break;
    case NET_DROPOUT:
        dropout(s);
        break;
    case NET_MAX_POOL:
        each_output(s, net_max_at);
        break;
    case NET_AVG_POOL:
        each_output(s, net_avg_at);
        break;
    case NET_ADAPTIVE_MAX_POOL:
        each_output(s, net_adaptive_max_at);
        break;
    case NET_ADAPTIVE_AVG_POOL:
        each_output(s, net_adaptive_at);
        break;
    case NET_FLATTEN:
    case NET_RESHAPE:
    case NET_IDENTITY:
        hand_on(s);
        break;
    case NET_CONCAT:
        each_output(s, concat_at);
        break;
    case NET_PIXEL_SHUFFLE:
        each_output(s, pixel_shuffle_at);
        break;
    case NET_PIXEL_UNSHUFFLE:
        each_output(s, pixel_unshuffle_at);
        break;
    case NET_CHANNEL_SHUFFLE:
        each_output(s, channel_shuffle_at);
        break;
    case NET_NARROW:
        each_output(s, narrow_at);
        break;
    case NET_PAD:
        each_output(s, pad_at);
        break;
    case NET_PRELU:
        each_output(s, prelu_at);
        break;
    case NET_ADD:
        each_output(s, sum_at);
        break;
    case NET_MUL:
        each_output(s, product_at);
        break;
    case NET_UPSAMPLE:
        each_output(s, upsampled_at);
        break;
    case NET_LOCAL_RESPONSE_NORM:
        each_output(s, response_at);
        break;
    case NET_SOFTMAX:
    case NET_LOG_SOFTMAX:
        each_pixel(s, softmax_pixel);
        break;
    default:
        activate(s, activation_of(s->layer->kind));
    }
}
