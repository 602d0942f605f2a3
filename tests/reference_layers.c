/* reference_layers.c: every layer's definition as plain loops in double precision, over numbers on a tape. */
#include "reference_layers.h"
#include "activations.h"
#include "base/base.h"
#include "testing.h"
#include <math.h>

static double of(const net_step *s, number n) {
    return s->run->tape.value[n];
}

static size_t at(net_shape shape, int n, int c, int y, int x) {
    return (((size_t)n * (size_t)shape.channels + (size_t)c) * (size_t)shape.height + (size_t)y) * (size_t)shape.width +
           (size_t)x;
}

static void near_jump(net_run *r, double distance) {
    if (distance == 0.0)
        r->jumps.met = true;
    else if (distance < r->jumps.nearest)
        r->jumps.nearest = distance;
}

static const number *tensor(const net_step *s, int what) {
    for (int t = s->layer->first_tensor; t < s->layer->first_tensor + s->layer->tensors; t++)
        if (s->run->net->tensor[t].what == what)
            return s->run->tensor[t];
    return NULL;
}

/* y = f(x) with f'(x) = slope. */
static number function(const net_step *s, number x, double value, double slope) {
    tape_term(&s->run->tape, x, slope);
    return tape_number(&s->run->tape, value);
}

/* Adds a · b to a sum that is being made, and returns it. */
static double product(const net_step *s, number a, number b) {
    double x = of(s, a), w = of(s, b);
    tape_term(&s->run->tape, a, w);
    tape_term(&s->run->tape, b, x);
    return x * w;
}

/* ---- windows ---- */

enum { MAX_TAPS = 256 };

/* The place in the image that place `i` of the padded one shows; -1: a zero. */
static int source(int i, int size, int mode) {
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
            int y = source(oy * l->stride[0] - l->padding[0] + ky * l->dilation[0], s->in.height, l->mode);
            int x = source(ox * l->stride[1] - l->padding[1] + kx * l->dilation[1], s->in.width, l->mode);
            if (y < 0 || x < 0)
                continue;
            t->pixel[t->count] = at(s->in, 0, 0, y, x);
            t->weight[t->count++] = (size_t)(ky * l->kernel[1] + kx);
        }
}

static number conv2d_at(const net_step *s, int n, int oc, int oy, int ox) {
    const net_layer *l = s->layer;
    const number *weight = tensor(s, NET_WEIGHT), *bias = tensor(s, NET_BIAS);
    int channels = s->in.channels / l->groups, first = oc / (s->out.channels / l->groups) * channels;
    net_shape kernel = {channels, l->kernel[0], l->kernel[1]};
    double sum = 0.0;
    taps t;
    find_taps(s, oy, ox, &t);
    tape_reserve(&s->run->tape, 2 * (size_t)channels * (size_t)t.count);
    for (int c = 0; c < channels; c++) {
        const number *x = s->x + at(s->in, n, first + c, 0, 0), *w = weight + at(kernel, oc, c, 0, 0);
        for (int i = 0; i < t.count; i++)
            sum += tape_product(&s->run->tape, x[t.pixel[i]], w[t.weight[i]]);
    }
    if (bias) {
        tape_term(&s->run->tape, bias[oc], 1.0);
        sum += of(s, bias[oc]);
    }
    return tape_number(&s->run->tape, sum);
}

/* What an output of a transposed convolution gets from all inputs whose kernels reach it. */
static number conv_transpose2d_at(const net_step *s, int n, int oc, int oy, int ox) {
    const net_layer *l = s->layer;
    const number *weight = tensor(s, NET_WEIGHT), *bias = tensor(s, NET_BIAS);
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
                sum += tape_product(&s->run->tape, s->x[at(s->in, n, c, y / l->stride[0], x / l->stride[1])],
                                    weight[at(kernel, c, oc % outputs, ky, kx)]);
        }
    if (bias) {
        tape_term(&s->run->tape, bias[oc], 1.0);
        sum += of(s, bias[oc]);
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
    if (!m->any || of(s, candidate) > of(s, m->best)) {
        m->second = m->any ? of(s, m->best) : -INFINITY;
        m->best = candidate;
    } else if (of(s, candidate) > m->second) {
        m->second = of(s, candidate);
    }
    m->any = true;
}

static number the_best(const net_step *s, const maximum *m) {
    near_jump(s->run, of(s, m->best) - m->second);
    return function(s, m->best, of(s, m->best), 1.0);
}

static number max_at(const net_step *s, int n, int c, int oy, int ox) {
    const net_layer *l = s->layer;
    maximum m = {0};
    for (int ky = 0; ky < l->kernel[0]; ky++)
        for (int kx = 0; kx < l->kernel[1]; kx++) {
            int y = oy * l->stride[0] - l->padding[0] + ky * l->dilation[0];
            int x = ox * l->stride[1] - l->padding[1] + kx * l->dilation[1];
            if (y >= 0 && x >= 0 && y < s->in.height && x < s->in.width)
                consider(s, &m, s->x[at(s->in, n, c, y, x)]);
        }
    return the_best(s, &m);
}

static number mean_of(const net_step *s, int n, int c, const int from[2], const int to[2], int divisor) {
    double sum = 0.0;
    for (int y = from[0]; y < to[0]; y++)
        for (int x = from[1]; x < to[1]; x++) {
            number pixel = s->x[at(s->in, n, c, y, x)];
            tape_term(&s->run->tape, pixel, 1.0 / divisor);
            sum += of(s, pixel);
        }
    return tape_number(&s->run->tape, sum / divisor);
}

/* With padding, what counts is the window as far as it lies in the padded image. */
static number avg_at(const net_step *s, int n, int c, int oy, int ox) {
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

static number adaptive_max_at(const net_step *s, int n, int c, int oy, int ox) {
    int from[2], to[2];
    maximum m = {0};
    adaptive_window(s, oy, ox, from, to);
    for (int y = from[0]; y < to[0]; y++)
        for (int x = from[1]; x < to[1]; x++)
            consider(s, &m, s->x[at(s->in, n, c, y, x)]);
    return the_best(s, &m);
}

static number adaptive_at(const net_step *s, int n, int c, int oy, int ox) {
    int from[2], to[2];
    adaptive_window(s, oy, ox, from, to);
    return mean_of(s, n, c, from, to, (to[0] - from[0]) * (to[1] - from[1]));
}

static void each_output(const net_step *s, number (*compute)(const net_step *, int, int, int, int)) {
    for (int n = 0; n < s->run->net->batch; n++)
        for (int c = 0; c < s->out.channels; c++)
            for (int y = 0; y < s->out.height; y++)
                for (int x = 0; x < s->out.width; x++)
                    s->y[at(s->out, n, c, y, x)] = compute(s, n, c, y, x);
}

/* ---- values put elsewhere ---- */

static number same(const net_step *s, number x) {
    return function(s, x, of(s, x), 1.0);
}

static number concat_at(const net_step *s, int n, int c, int y, int x) {
    int i = 0;
    net_shape shape;
    while (c >= (shape = s->run->net->layer[s->layer->input[i]].shape).channels) {
        c -= shape.channels;
        i++;
    }
    return same(s, s->run->value[s->layer->input[i]][at(shape, n, c, y, x)]);
}

static number pixel_shuffle_at(const net_step *s, int n, int c, int y, int x) {
    int r = s->layer->factor;
    return same(s, s->x[at(s->in, n, c * r * r + y % r * r + x % r, y / r, x / r)]);
}

static number pixel_unshuffle_at(const net_step *s, int n, int c, int y, int x) {
    int r = s->layer->factor;
    return same(s, s->x[at(s->in, n, c / (r * r), y * r + c / r % r, x * r + c % r)]);
}

static number channel_shuffle_at(const net_step *s, int n, int c, int y, int x) {
    int groups = s->layer->groups;
    return same(s, s->x[at(s->in, n, c % groups * (s->in.channels / groups) + c / groups, y, x)]);
}

static number pad_at(const net_step *s, int n, int c, int oy, int ox) {
    int y = source(oy - s->layer->pad[2], s->in.height, s->layer->mode);
    int x = source(ox - s->layer->pad[0], s->in.width, s->layer->mode);
    if (y < 0 || x < 0)
        return tape_number(&s->run->tape, s->layer->value);
    return same(s, s->x[at(s->in, n, c, y, x)]);
}

static number prelu_at(const net_step *s, int n, int c, int y, int x) {
    number from = s->x[at(s->in, n, c, y, x)], weight = tensor(s, NET_WEIGHT)[s->layer->weights == 1 ? 0 : c];
    near_jump(s->run, fabs(of(s, from)));
    if (of(s, from) > 0.0)
        return same(s, from);
    double value = product(s, from, weight);
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
        for (size_t i = at(s->in, n, p->c0, 0, 0), end = i + (size_t)(p->c1 - p->c0) * pixels; i < end; i++) {
            double v = of(s, x[i]);
            tape_term(&s->run->tape, x[i], (squared ? 2.0 * v : 1.0) / count);
            sum += squared ? v * v : v;
        }
    return tape_number(&s->run->tape, sum / count);
}

static number subtract(const net_step *s, number a, number b) {
    tape_term(&s->run->tape, a, 1.0);
    tape_term(&s->run->tape, b, -1.0);
    return tape_number(&s->run->tape, of(s, a) - of(s, b));
}

/* centered / sqrt(variance + eps) · weight + bias */
static number scaled(const net_step *s, number centered, number variance, int c) {
    const number *weight = tensor(s, NET_WEIGHT), *bias = tensor(s, NET_BIAS);
    double v = of(s, variance) + s->layer->eps, inverse = 1.0 / sqrt(v), y = of(s, centered) * inverse;
    tape_term(&s->run->tape, centered, inverse);
    tape_term(&s->run->tape, variance, -0.5 * y / v);
    number normal = tape_number(&s->run->tape, y);
    if (!weight)
        return normal;
    y = product(s, normal, weight[c]) + of(s, bias[c]);
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
    bool batch = l->kind == NET_BATCH_NORM, fixed = batch && l->running && !s->run->net->training;
    size_t pixels = (size_t)s->in.height * (size_t)s->in.width;
    number mean = fixed ? tensor(s, NET_RUNNING_MEAN)[p->c0] : average(s, p, s->x, false);
    for (int n = p->n0; n < p->n1; n++)
        for (size_t i = at(s->in, n, p->c0, 0, 0), end = i + (size_t)(p->c1 - p->c0) * pixels; i < end; i++)
            s->y[i] = subtract(s, s->x[i], mean);
    number variance = fixed ? tensor(s, NET_RUNNING_VAR)[p->c0] : average(s, p, s->y, true);
    for (int n = p->n0; n < p->n1; n++)
        for (int c = p->c0; c < p->c1; c++)
            for (size_t i = at(s->in, n, c, 0, 0), end = i + pixels; i < end; i++)
                s->y[i] = scaled(s, s->y[i], variance, c);
    if (batch && l->running && s->run->tracks)
        track(s, p, of(s, mean), of(s, variance));
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
    if (l->running && s->run->tracks)
        s->run->pass->tensor[l->first_tensor + l->tensors - 1][0] += 1.0;
}

/* One pixel over its channels. */
static void normalize_pixel(const net_step *s, int n, int y, int x) {
    int channels = s->in.channels;
    double sum = 0.0, squares = 0.0;
    for (int c = 0; c < channels; c++) {
        number value = s->x[at(s->in, n, c, y, x)];
        tape_term(&s->run->tape, value, 1.0 / channels);
        sum += of(s, value);
    }
    number mean = tape_number(&s->run->tape, sum / channels);
    for (int c = 0; c < channels; c++)
        s->y[at(s->in, n, c, y, x)] = subtract(s, s->x[at(s->in, n, c, y, x)], mean);
    for (int c = 0; c < channels; c++) {
        double d = of(s, s->y[at(s->in, n, c, y, x)]);
        tape_term(&s->run->tape, s->y[at(s->in, n, c, y, x)], 2.0 * d / channels);
        squares += d * d;
    }
    number variance = tape_number(&s->run->tape, squares / channels);
    for (int c = 0; c < channels; c++)
        s->y[at(s->in, n, c, y, x)] = scaled(s, s->y[at(s->in, n, c, y, x)], variance, c);
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
        double x = of(s, s->x[i]);
        near_jump(s->run, f->jump(x, p[0], p[1]));
        s->y[i] = function(s, s->x[i], f->f(x, p[0], p[1]), f->slope(x, p[0], p[1]));
    }
}

/* The values in their order, whatever their shape. */
static void hand_on(const net_step *s) {
    for (size_t i = 0; i < (size_t)s->run->net->batch * net_size(s->in); i++)
        s->y[i] = function(s, s->x[i], of(s, s->x[i]), 1.0);
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
        double keep = !s->run->net->training ? 1.0 : bits < threshold ? 0.0 : 65536.0 / (65536.0 - threshold);
        s->y[i] = function(s, s->x[i], keep * of(s, s->x[i]), keep);
    }
}

/* ---- several inputs ---- */

/* Input k of an output: a side of 1 counts for all. */
static number input_at(const net_step *s, int k, int n, int c, int y, int x) {
    int value = s->layer->input[k];
    net_shape shape = s->run->net->layer[value].shape;
    return s->run
        ->value[value][at(shape, n, shape.channels == 1 ? 0 : c, shape.height == 1 ? 0 : y, shape.width == 1 ? 0 : x)];
}

static number sum_at(const net_step *s, int n, int c, int y, int x) {
    double sum = 0.0;
    for (int k = 0; k < s->layer->inputs; k++) {
        number term = input_at(s, k, n, c, y, x);
        tape_term(&s->run->tape, term, 1.0);
        sum += of(s, term);
    }
    return tape_number(&s->run->tape, sum);
}

static number product_at(const net_step *s, int n, int c, int y, int x) {
    return tape_number(&s->run->tape, product(s, input_at(s, 0, n, c, y, x), input_at(s, 1, n, c, y, x)));
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
        number pixel = s->x[at(s->in, n, c, row[i / 2], column[i % 2])];
        tape_term(&s->run->tape, pixel, share);
        sum += share * of(s, pixel);
    }
    return tape_number(&s->run->tape, sum);
}

/* ---- softmax ---- */

static void softmax_pixel(const net_step *s, int n, int y, int x) {
    int channels = s->in.channels;
    double largest = -INFINITY, sum = 0.0;
    for (int c = 0; c < channels; c++)
        largest = fmax(largest, of(s, s->x[at(s->in, n, c, y, x)]));
    for (int c = 0; c < channels; c++)
        sum += exp(of(s, s->x[at(s->in, n, c, y, x)]) - largest);
    for (int c = 0; c < channels; c++) {
        double shifted = of(s, s->x[at(s->in, n, c, y, x)]) - largest, p = exp(shifted) / sum;
        bool logarithm = s->layer->kind == NET_LOG_SOFTMAX;
        for (int k = 0; k < channels; k++) {
            number other = s->x[at(s->in, n, k, y, x)];
            double q = exp(of(s, other) - largest) / sum;
            tape_term(&s->run->tape, other, ((c == k) - q) * (logarithm ? 1.0 : p));
        }
        s->y[at(s->in, n, c, y, x)] = tape_number(&s->run->tape, logarithm ? shifted - log(sum) : p);
    }
}

/* ---- all of them ---- */

void net_compute(const net_step *s) {
    switch (s->layer->kind) {
    case NET_CONV2D:
        each_output(s, conv2d_at);
        break;
    case NET_CONV_TRANSPOSE2D:
        each_output(s, conv_transpose2d_at);
        break;
    case NET_LINEAR: {
        net_layer as_conv = *s->layer;
        as_conv.kernel[0] = as_conv.kernel[1] = as_conv.stride[0] = as_conv.stride[1] = 1;
        net_step conv = *s;
        conv.layer = &as_conv;
        each_output(&conv, conv2d_at);
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
        each_output(s, max_at);
        break;
    case NET_AVG_POOL:
        each_output(s, avg_at);
        break;
    case NET_ADAPTIVE_MAX_POOL:
        each_output(s, adaptive_max_at);
        break;
    case NET_ADAPTIVE_AVG_POOL:
        each_output(s, adaptive_at);
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
    case NET_SOFTMAX:
    case NET_LOG_SOFTMAX:
        each_pixel(s, softmax_pixel);
        break;
    default:
        activate(s, activation_of(s->layer->kind));
    }
}
