/* SPDX-License-Identifier: MIT */
/* network.c: reads networks from their text, and finds shapes and tensors, independently of the library. */
#include "network.h"
#include "testing.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static const char *const kinds[NET_KINDS] = {
#define LAYER(KIND, word) [NET_##KIND] = #word,
#include "layers.def"
};

static const char *const modes[] = {"zeros", "replicate", "reflect", "circular"};

typedef struct option {
    const char *name;
    enum { INT, PAIR, TRIPLE, FOUR, REAL, REAL_PAIR, MODE } kind;
    size_t offset;
} option;

#define OPTION(name, kind)                                                                                             \
    { #name, kind, offsetof(net_layer, name) }
static const option options[] = {
    OPTION(kernel, PAIR),
    OPTION(stride, PAIR),
    OPTION(padding, PAIR),
    OPTION(dilation, PAIR),
    OPTION(out, PAIR),
    OPTION(groups, INT),
    OPTION(bias, INT),
    OPTION(mode, MODE),
    OPTION(affine, INT),
    OPTION(running, INT),
    OPTION(ceil, INT),
    OPTION(divisor, INT),
    OPTION(eps, REAL),
    OPTION(momentum, REAL),
    OPTION(include_pad, INT),
    OPTION(slope, REAL),
    OPTION(p, REAL),
    OPTION(alpha, REAL),
    OPTION(min_val, REAL),
    OPTION(max_val, REAL),
    OPTION(beta, REAL),
    OPTION(threshold, REAL),
    OPTION(value, REAL),
    OPTION(times, REAL),
    OPTION(plus, REAL),
    OPTION(start, INT),
    OPTION(length, INT),
    OPTION(to, TRIPLE),
    OPTION(factor, INT),
    OPTION(pad, FOUR),
    OPTION(weights, INT),
    OPTION(bilinear, INT),
    OPTION(corners, INT),
    OPTION(by, REAL_PAIR),
    OPTION(output_padding, PAIR),
    OPTION(size, INT),
    OPTION(k, REAL),
};

static int find(const char *const *names, size_t count, const char *name) {
    for (size_t i = 0; i < count; i++)
        if (strcmp(names[i], name) == 0)
            return (int)i;
    ck_abort_msg("network: unknown word '%s'", name);
    return -1;
}

/* ---- reading ---- */

/* "3x-1x5"; those that are missing are as the one before. */
static void read_integers(int *to, int count, const char *text) {
    for (int i = 0; i < count; i++) {
        char *end;
        to[i] = (int)strtol(text, &end, 10);
        text = *end == 'x' ? end + 1 : text;
    }
}

static void set_option(net_layer *layer, const char *name, const char *value) {
    for (size_t i = 0; i < sizeof options / sizeof *options; i++) {
        void *at = (char *)layer + options[i].offset;
        if (strcmp(options[i].name, name) != 0)
            continue;
        if (options[i].kind == REAL) {
            *(double *)at = strtod(value, NULL);
        } else if (options[i].kind == REAL_PAIR) {
            char *end;
            double *pair = at;
            pair[0] = strtod(value, &end);
            pair[1] = *end == 'x' ? strtod(end + 1, NULL) : pair[0];
        } else if (options[i].kind == MODE) {
            *(int *)at = find(modes, 4, value);
        } else {
            read_integers(at, options[i].kind + 1, value);
        }
        return;
    }
    ck_abort_msg("network: unknown option '%s'", name);
}

static void read_header(network *net, char *text) {
    char *rest, *word = strtok_r(text, " ", &rest);
    net->training = find((const char *const[]){"eval", "train"}, 2, word);
    net->scale = 1.0;
    net_shape *shape = &net->layer[0].shape;
    word = strtok_r(NULL, " ", &rest);
    ck_assert_int_eq(sscanf(word, "%dx%dx%dx%d", &net->batch, &shape->channels, &shape->height, &shape->width), 4);
    while ((word = strtok_r(NULL, " ", &rest))) {
        char *value = strchr(word, '=');
        ck_assert_ptr_nonnull(value);
        *value++ = '\0';
        switch (find((const char *const[]){"scale", "shift", "levels", "seed"}, 4, word)) {
        case 0:
            net->scale = strtod(value, NULL);
            break;
        case 1:
            net->shift = strtod(value, NULL);
            break;
        case 2:
            net->levels = atoi(value);
            break;
        default:
            net->seed = (unsigned)atoi(value);
        }
    }
}

static void read_layer(network *net, char *text) {
    ck_assert_int_lt(net->layers, NET_MAX_LAYERS);
    net_layer *layer = &net->layer[++net->layers];
    *layer = (net_layer){.groups = 1,
                         .bias = 1,
                         .affine = 1,
                         .running = 1,
                         .include_pad = 1,
                         .dilation = {1, 1},
                         .eps = 1e-5,
                         .momentum = 0.1,
                         .slope = 0.01,
                         .p = 0.5,
                         .alpha = 1.0,
                         .min_val = -1.0,
                         .max_val = 1.0,
                         .beta = 1.0,
                         .threshold = 20.0,
                         .times = 1.0,
                         .weights = 1,
                         .size = 5,
                         .k = 1.0};
    char *rest, *word = strtok_r(text, " ", &rest);
    layer->kind = (net_kind)find(kinds, NET_KINDS, word);
    if (layer->kind == NET_GROUP_NORM)
        layer->groups = 4;
    if (layer->kind == NET_CONV2D || layer->kind == NET_CONV_TRANSPOSE2D)
        layer->stride[0] = layer->stride[1] = 1;
    if (layer->kind == NET_LOCAL_RESPONSE_NORM) {
        layer->alpha = 1e-4;
        layer->beta = 0.75;
    }
    while ((word = strtok_r(NULL, " ", &rest))) {
        char *value = strchr(word, '=');
        if (*word == '@') {
            ck_assert_int_lt(layer->inputs, NET_MAX_INPUTS);
            layer->input[layer->inputs++] = atoi(word + 1);
            ck_assert_int_lt(layer->input[layer->inputs - 1], net->layers);
        } else {
            ck_assert_ptr_nonnull(value);
            *value++ = '\0';
            set_option(layer, word, value);
        }
    }
    if (layer->inputs == 0)
        layer->input[layer->inputs++] = net->layers - 1;
    if (layer->stride[0] == 0)
        memcpy(layer->stride, layer->kernel, sizeof layer->stride);
}

/* ---- shapes ---- */

static int window(const net_layer *l, int d, int in) {
    int room = in + 2 * l->padding[d] - l->dilation[d] * (l->kernel[d] - 1) - 1;
    if (room < 0)
        return 0;
    int size = (room + (l->ceil ? l->stride[d] - 1 : 0)) / l->stride[d] + 1;
    return l->ceil && (size - 1) * l->stride[d] >= in + l->padding[d] ? size - 1 : size;
}

/* A mode's border must be in the image. */
static int border_fits(const net_layer *l, net_shape in) {
    int size[2] = {in.height, in.width};
    for (int d = 0; d < 2; d++)
        if ((l->mode == CN_PADDING_REFLECT && l->padding[d] >= size[d]) ||
            (l->mode == CN_PADDING_CIRCULAR && l->padding[d] > size[d]))
            return 0;
    return 1;
}

/* With dilation a window may miss the image altogether; what its maximum is, nobody knows. */
static int windows_meet_image(const net_layer *l, net_shape in) {
    int size[2] = {in.height, in.width}, out[2] = {l->shape.height, l->shape.width};
    for (int d = 0; d < 2; d++)
        for (int o = 0; o < out[d]; o++) {
            int inside = 0;
            for (int k = 0; k < l->kernel[d]; k++) {
                int place = o * l->stride[d] - l->padding[d] + k * l->dilation[d];
                inside += place >= 0 && place < size[d];
            }
            if (inside == 0)
                return 0;
        }
    return 1;
}

static int infer_concat(const network *net, net_layer *l) {
    for (int i = 1; i < l->inputs; i++) {
        net_shape other = net->layer[l->input[i]].shape;
        if (other.height != l->shape.height || other.width != l->shape.width)
            return -1;
        l->shape.channels += other.channels;
    }
    return l->inputs < 2 ? -1 : 0;
}

static int infer_reshape(net_layer *l, net_shape in) {
    int values = (int)net_size(in), known = 1, to[3];
    for (int i = 0; i < 3; i++)
        known *= l->to[i] > 0 ? l->to[i] : 1;
    for (int i = 0; i < 3; i++)
        to[i] = l->to[i] > 0 ? l->to[i] : values / known;
    l->shape = (net_shape){to[0], to[1], to[2]};
    return (int)net_size(l->shape) == values ? 0 : -1;
}

static int infer_shuffle(net_layer *l, net_shape in) {
    int r = l->factor, square = r * r;
    if (l->kind == NET_PIXEL_SHUFFLE) {
        l->shape = (net_shape){in.channels / square, in.height * r, in.width * r};
        return in.channels % square ? -1 : 0;
    }
    l->shape = (net_shape){in.channels * square, in.height / r, in.width / r};
    return in.height % r || in.width % r ? -1 : 0;
}

static int infer_pad(net_layer *l, net_shape in) {
    int size[2] = {in.width, in.height};
    for (int i = 0; i < 4; i++)
        if (-l->pad[i] >= size[i / 2] || (l->mode == CN_PADDING_REFLECT && l->pad[i] >= size[i / 2]) ||
            (l->mode == CN_PADDING_CIRCULAR && l->pad[i] > size[i / 2]))
            return -1;
    l->shape = (net_shape){in.channels, in.height + l->pad[2] + l->pad[3], in.width + l->pad[0] + l->pad[1]};
    return 0;
}

static int infer_transpose(net_layer *l, net_shape in) {
    int size[2] = {in.height, in.width};
    if (in.channels % l->groups || l->out[0] % l->groups)
        return -1;
    for (int d = 0; d < 2; d++) {
        if (l->output_padding[d] >= l->stride[d] && l->output_padding[d] >= l->dilation[d])
            return -1;
        size[d] = (size[d] - 1) * l->stride[d] - 2 * l->padding[d] + l->dilation[d] * (l->kernel[d] - 1) +
                  l->output_padding[d] + 1;
    }
    l->shape = (net_shape){l->out[0], size[0], size[1]};
    return 0;
}

/* A side of two inputs together, where 1 counts for all; 0: they do not fit. */
static int joined(int a, int b) {
    return a == b || b == 1 ? a : a == 1 ? b : 0;
}

static int infer(const network *net, net_layer *l) {
    net_shape in = net->layer[l->input[0]].shape;
    l->shape = in;
    switch (l->kind) {
    case NET_CONV2D:
        if (in.channels % l->groups || l->out[0] % l->groups || !border_fits(l, in))
            return -1;
        l->shape = (net_shape){l->out[0], window(l, 0, in.height), window(l, 1, in.width)};
        break;
    case NET_MAX_POOL:
    case NET_AVG_POOL:
        if (2 * l->padding[0] > l->kernel[0] || 2 * l->padding[1] > l->kernel[1])
            return -1;
        l->shape = (net_shape){in.channels, window(l, 0, in.height), window(l, 1, in.width)};
        if (!windows_meet_image(l, in))
            return -1;
        break;
    case NET_CONV_TRANSPOSE2D:
        if (infer_transpose(l, in) != 0)
            return -1;
        break;
    case NET_ADAPTIVE_AVG_POOL:
    case NET_ADAPTIVE_MAX_POOL:
        l->shape = (net_shape){in.channels, l->out[0], l->out[1]};
        break;
    case NET_UPSAMPLE:
        for (int d = 0; d < 2 && l->by[d] != 0.0; d++)
            l->out[d] = (int)floor(l->by[d] * (d ? in.width : in.height));
        l->shape = (net_shape){in.channels, l->out[0], l->out[1]};
        break;
    case NET_LINEAR:
        if (in.height != 1 || in.width != 1)
            return -1;
        l->shape = (net_shape){l->out[0], 1, 1};
        break;
    case NET_FLATTEN:
        l->shape = (net_shape){(int)net_size(in), 1, 1};
        break;
    case NET_GROUP_NORM:
        if (in.channels % l->groups)
            return -1;
        break;
    case NET_INSTANCE_NORM:
        l->groups = in.channels;
        break;
    case NET_BATCH_NORM:
        if (net->training && net->batch * in.height * in.width < 2)
            return -1;
        break;
    case NET_CONCAT:
        return infer_concat(net, l);
    case NET_RESHAPE:
        return infer_reshape(l, in);
    case NET_PIXEL_SHUFFLE:
    case NET_PIXEL_UNSHUFFLE:
        return infer_shuffle(l, in);
    case NET_CHANNEL_SHUFFLE:
        return in.channels % l->groups ? -1 : 0;
    case NET_NARROW:
        l->shape.channels = l->length;
        return l->start + l->length > in.channels ? -1 : 0;
    case NET_PAD:
        if (infer_pad(l, in) != 0)
            return -1;
        break;
    case NET_PRELU:
        return l->weights != 1 && l->weights != in.channels ? -1 : 0;
    default:
        break;
    }
    for (int i = 1; i < l->inputs; i++) {
        net_shape other = net->layer[l->input[i]].shape;
        l->shape = (net_shape){joined(l->shape.channels, other.channels), joined(l->shape.height, other.height),
                               joined(l->shape.width, other.width)};
    }
    return l->shape.channels < 1 || l->shape.height < 1 || l->shape.width < 1 ? -1 : 0;
}

static void add_tensor(network *net, int what, const char *name, size_t count) {
    ck_assert_int_lt(net->tensors, NET_MAX_TENSORS);
    net_tensor *tensor = &net->tensor[net->tensors++];
    *tensor = (net_tensor){.layer = net->layers, .what = what, .count = count};
    snprintf(tensor->name, sizeof tensor->name, "%d.%s", net->layers, name);
}

static void find_tensors(network *net, net_layer *l) {
    net_shape in = net->layer[l->input[0]].shape;
    size_t channels = (size_t)l->shape.channels;
    l->first_tensor = net->tensors;
    if (l->kind == NET_CONV2D || l->kind == NET_LINEAR) {
        size_t window_size = l->kind == NET_LINEAR ? 1 : (size_t)l->kernel[0] * (size_t)l->kernel[1];
        add_tensor(net, NET_WEIGHT, "weight", channels * (size_t)(in.channels / l->groups) * window_size);
        if (l->bias)
            add_tensor(net, NET_BIAS, "bias", channels);
    } else if (l->kind == NET_CONV_TRANSPOSE2D) {
        size_t window_size = (size_t)l->kernel[0] * (size_t)l->kernel[1];
        add_tensor(net, NET_WEIGHT, "weight", (size_t)in.channels * (channels / (size_t)l->groups) * window_size);
        if (l->bias)
            add_tensor(net, NET_BIAS, "bias", channels);
    } else if ((l->kind >= NET_BATCH_NORM && l->kind <= NET_INSTANCE_NORM) || l->kind == NET_LAYER_NORM2D) {
        if (l->affine) {
            add_tensor(net, NET_WEIGHT, "weight", channels);
            add_tensor(net, NET_BIAS, "bias", channels);
        }
        if (l->kind == NET_BATCH_NORM && l->running) {
            add_tensor(net, NET_RUNNING_MEAN, "running_mean", channels);
            add_tensor(net, NET_RUNNING_VAR, "running_var", channels);
            add_tensor(net, NET_TRACKED, "num_batches_tracked", 1);
        }
    }
    if (l->kind == NET_PRELU)
        add_tensor(net, NET_WEIGHT, "weight", (size_t)l->weights);
    l->tensors = net->tensors - l->first_tensor;
}

int network_parse(network *net, const char *text) {
    char copy[NET_TEXT], *rest;
    *net = (network){0};
    ck_assert_uint_lt(strlen(text), sizeof copy);
    strcpy(net->text, text);
    strcpy(copy, text);
    read_header(net, strtok_r(copy, "|", &rest));
    for (char *part; (part = strtok_r(NULL, "|", &rest));) {
        read_layer(net, part);
        if (infer(net, &net->layer[net->layers]) != 0)
            return -1;
        find_tensors(net, &net->layer[net->layers]);
    }
    return 0;
}

network network_of(const char *text) {
    network net;
    ck_assert_msg(network_parse(&net, text) == 0, "sizes do not fit together: '%s'", text);
    return net;
}

double network_cost(const network *net) {
    double cost = 0.0;
    for (int i = 1; i <= net->layers; i++) {
        const net_layer *l = &net->layer[i];
        double taps = l->kernel[0] ? l->kernel[0] * l->kernel[1] : 1;
        if (l->kind == NET_CONV2D || l->kind == NET_LINEAR || l->kind == NET_CONV_TRANSPOSE2D)
            taps *= net->layer[l->input[0]].shape.channels / l->groups;
        cost += taps * (double)net_size(l->shape);
    }
    return cost;
}

/* ---- passes ---- */

/* A hash of place and array, so that Python and C make the same numbers. */
double net_value(unsigned tag, size_t i) {
    uint32_t h = (uint32_t)i * 0x9E3779B1u + tag * 0x85EBCA77u;
    h = (h ^ h >> 15) * 0x2C1B3C6Du;
    h = (h ^ h >> 12) * 0x297A2D39u;
    h ^= h >> 15;
    return (double)(h >> 16) / 32768.0 - 1.0;
}

static double *new_values(size_t count) {
    double *values = calloc(count ? count : 1, sizeof *values);
    ck_assert_ptr_nonnull(values);
    return values;
}

static void fill_input(const network *net, net_pass *pass) {
    for (size_t i = 0; i < pass->inputs; i++) {
        double value = net_value(net->seed * 1024, i);
        if (net->levels)
            value = (double)(int)((value + 1.0) * net->levels) / net->levels - 1.0; /* rounds down */
        pass->input[i] = value * net->scale + net->shift;
    }
}

net_pass *net_pass_new(const network *net) {
    net_pass *pass = calloc(1, sizeof *pass);
    ck_assert_ptr_nonnull(pass);
    pass->inputs = (size_t)net->batch * net_size(net->layer[0].shape);
    pass->outputs = (size_t)net->batch * net_size(net->layer[net->layers].shape);
    pass->input = new_values(pass->inputs);
    pass->output = new_values(pass->outputs);
    pass->grad_output = new_values(pass->outputs);
    pass->grad_input = new_values(pass->inputs);
    fill_input(net, pass);
    for (size_t i = 0; i < pass->outputs; i++)
        pass->grad_output[i] = net_value(net->seed * 1024 + 1, i);
    for (int t = 0; t < net->tensors; t++) {
        const net_tensor *tensor = &net->tensor[t];
        pass->tensor[t] = new_values(tensor->count);
        pass->gradient[t] = new_values(tensor->count);
        for (size_t i = 0; i < tensor->count && tensor->what != NET_TRACKED; i++) {
            double value = net_value(net->seed * 1024 + (unsigned)(16 * tensor->layer + tensor->what), i);
            pass->tensor[t][i] = tensor->what == NET_RUNNING_VAR ? 1.0 + value / 2.0 : value;
        }
    }
    return pass;
}

net_pass *net_pass_copy(const network *net, const net_pass *pass) {
    net_pass *copy = net_pass_new(net);
    copy->seed = pass->seed;
    copy->step = pass->step;
    memcpy(copy->input, pass->input, pass->inputs * sizeof *pass->input);
    memcpy(copy->grad_output, pass->grad_output, pass->outputs * sizeof *pass->grad_output);
    for (int t = 0; t < net->tensors; t++)
        memcpy(copy->tensor[t], pass->tensor[t], net->tensor[t].count * sizeof *pass->tensor[t]);
    return copy;
}

void net_pass_free(net_pass *pass) {
    free(pass->input);
    free(pass->output);
    free(pass->grad_output);
    free(pass->grad_input);
    for (int t = 0; t < NET_MAX_TENSORS; t++) {
        free(pass->tensor[t]);
        free(pass->gradient[t]);
    }
    free(pass);
}
