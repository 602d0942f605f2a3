/* SPDX-License-Identifier: MIT */
/* random_network.c: draws networks as texts, and draws again what does not fit. */
#include "random_network.h"
#include "activations.h"
#include "testing.h"
#include <stdarg.h>
#include <stdio.h>

#define PICK(d, list) ((list)[dice_below(d, (int)(sizeof(list) / sizeof *(list)))])

int dice_below(dice *d, int bound) {
    uint64_t z = d->state += 0x9E3779B97F4A7C15u;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return (int)((z ^ z >> 31) % (uint64_t)bound);
}

static int one_in(dice *d, int n) {
    return dice_below(d, n) == 0;
}

/* ---- texts ---- */

typedef struct draft {
    dice *d;
    char text[NET_TEXT];
    size_t length;
} draft;

__attribute__((format(printf, 2, 3))) static void put(draft *t, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    t->length += (size_t)vsnprintf(t->text + t->length, sizeof t->text - t->length, format, arguments);
    va_end(arguments);
    ck_assert_uint_lt(t->length, sizeof t->text);
}

/* A pair of numbers from low to high. */
static void put_pair(draft *t, const char *name, int low, int high) {
    int range = high - low + 1;
    put(t, " %s=%dx%d", name, low + dice_below(t->d, range), low + dice_below(t->d, range));
}

static void put_header(draft *t, int batch, net_shape shape) {
    put(t, "train %dx%dx%dx%d seed=%d", batch, shape.channels, shape.height, shape.width, 1 + dice_below(t->d, 100000));
}

/* ---- layers ---- */

static const int few_channels[] = {1, 2, 3, 4, 6, 7, 8, 10, 12, 16, 24};

static void put_conv(draft *t, net_shape in) {
    static const char *const modes[] = {"zeros", "replicate", "reflect", "circular"};
    int groups = one_in(t->d, 3) ? 1 + dice_below(t->d, in.channels) : 1;
    put(t, "conv2d out=%d", groups > 1 ? groups * (1 + dice_below(t->d, 3)) : PICK(t->d, few_channels));
    one_in(t->d, 4) ? put(t, " kernel=1") : put_pair(t, "kernel", 1, 4);
    if (one_in(t->d, 3))
        put_pair(t, "stride", 1, 3);
    if (!one_in(t->d, 3))
        put_pair(t, "padding", 0, 3);
    if (one_in(t->d, 4))
        put_pair(t, "dilation", 1, 3);
    if (groups > 1)
        put(t, " groups=%d", groups);
    if (one_in(t->d, 2))
        put(t, " bias=0");
    if (one_in(t->d, 2))
        put(t, " mode=%s", PICK(t->d, modes));
}

static void put_norm(draft *t, net_shape in) {
    static const char *const norms[] = {"batch_norm", "batch_norm", "layer_norm", "instance_norm", "group_norm"};
    const char *norm = PICK(t->d, norms);
    put(t, "%s", norm);
    if (strcmp(norm, "group_norm") == 0)
        put(t, " groups=%d", 1 + dice_below(t->d, in.channels));
    if (one_in(t->d, 4))
        put(t, " affine=0");
    if (one_in(t->d, 4))
        put(t, " eps=0.03125");
    if (strncmp(norm, "batch", 5) == 0 && one_in(t->d, 4))
        put(t, " running=0");
    else if (strncmp(norm, "batch", 5) == 0 && one_in(t->d, 4))
        put(t, " momentum=0.25");
}

static void put_pool(draft *t) {
    int max = one_in(t->d, 2);
    put(t, "%s", max ? "max_pool" : "avg_pool");
    put_pair(t, "kernel", 1, 4);
    if (one_in(t->d, 2))
        put_pair(t, "stride", 1, 3);
    if (one_in(t->d, 2))
        put_pair(t, "padding", 0, 2);
    if (one_in(t->d, 3))
        put(t, " ceil=1");
    if (max && one_in(t->d, 3))
        put_pair(t, "dilation", 1, 2);
    if (!max && one_in(t->d, 3))
        put(t, " include_pad=0");
    if (!max && one_in(t->d, 4))
        put(t, " divisor=%d", 1 + dice_below(t->d, 6));
}

/* The first seven, ReLU twice as often, and by later seeds one of those that came after them, each in 1 of 20 draws. */
static void put_activation(draft *t) {
    enum { FIRST = 8, ALL = 20 };
    int place = dice_below(t->d, t->d->seed_is_late ? ALL : FIRST);
    if (place > activation_count)
        place -= FIRST;
    put(t, "%s", activation_example(&activations[place ? place - 1 : 0]).text);
}

static void put_reshape(draft *t, net_shape in) {
    net_shape turned = {in.width, in.channels, in.height}, row = {1, 1, (int)net_size(in)};
    switch (dice_below(t->d, 4)) {
    case 0:
        put(t, "reshape to=%dx%dx%d", turned.channels, turned.height, turned.width);
        break;
    case 1:
        put(t, "reshape to=%dx-1x%d", in.height, in.channels);
        break;
    case 2:
        put(t, "reshape to=%dx%dx%d", row.channels, row.height, row.width);
        break;
    default:
        put(t, "reshape to=-1x%dx1", 1 + dice_below(t->d, 4));
    }
}

static void put_pad(draft *t) {
    static const char *const modes[] = {"zeros", "replicate", "reflect", "circular"};
    int mode = dice_below(t->d, 4), least = mode == 0 ? -2 : 0;
    put(t, "pad mode=%s pad=", modes[mode]);
    for (int i = 0; i < 4; i++)
        put(t, i ? "x%d" : "%d", least + dice_below(t->d, 3 - least));
    if (mode == 0 && one_in(t->d, 2))
        put(t, " value=-1.5");
}

/* Some to a size, some by a factor. */
static void put_upsample(draft *t) {
    int bilinear = one_in(t->d, 2);
    put(t, "upsample bilinear=%d", bilinear);
    if (one_in(t->d, 2))
        put_pair(t, "out", 1, 9);
    else
        put(t, " by=%gx%g", 0.5 + 0.25 * dice_below(t->d, 11), 0.5 + 0.25 * dice_below(t->d, 11));
    if (bilinear)
        put(t, " corners=%d", dice_below(t->d, 2));
}

static void put_conv_transpose(draft *t, net_shape in) {
    int groups = one_in(t->d, 3) ? 1 + dice_below(t->d, in.channels) : 1;
    put(t, "conv_transpose2d out=%d", groups > 1 ? groups * (1 + dice_below(t->d, 3)) : PICK(t->d, few_channels));
    put_pair(t, "kernel", 1, 4);
    put_pair(t, "stride", 1, 3);
    if (one_in(t->d, 2))
        put_pair(t, "padding", 0, 2);
    if (one_in(t->d, 3))
        put_pair(t, "output_padding", 0, 2);
    if (one_in(t->d, 3))
        put_pair(t, "dilation", 1, 3);
    if (groups > 1)
        put(t, " groups=%d", groups);
    if (one_in(t->d, 2))
        put(t, " bias=0");
}

/* Layers that only late seeds draw. */
static void put_narrow(draft *t, net_shape in) {
    int start = dice_below(t->d, in.channels);
    put(t, "narrow start=%d length=%d", start, 1 + dice_below(t->d, in.channels - start));
}

static void put_late_layer(draft *t, net_shape in) {
    switch (dice_below(t->d, 15)) {
    case 0:
        put(t, "identity");
        break;
    case 1:
        put_reshape(t, in);
        break;
    case 13:
        put_narrow(t, in);
        break;
    case 14:
        put(t, "local_response_norm size=%d alpha=%s beta=0.75 k=%d", 1 + dice_below(t->d, 6),
            one_in(t->d, 2) ? "0.5" : "0.0625", 1 + dice_below(t->d, 2));
        break;
    case 2:
        put(t, "pixel_shuffle factor=%d", 1 + dice_below(t->d, 2));
        break;
    case 3:
        put(t, "pixel_unshuffle factor=%d", 1 + dice_below(t->d, 3));
        break;
    case 4:
        put(t, "channel_shuffle groups=%d", 1 + dice_below(t->d, in.channels));
        break;
    case 5:
        put_pad(t);
        break;
    case 6:
        put(t, "prelu weights=%d", one_in(t->d, 2) ? 1 : in.channels);
        break;
    case 7:
        put_upsample(t);
        break;
    case 8:
        put(t, "adaptive_max_pool out=%dx%d", 1 + dice_below(t->d, 5), 1 + dice_below(t->d, 5));
        break;
    case 9:
        put(t, "layer_norm2d affine=%d eps=%s", dice_below(t->d, 2), one_in(t->d, 2) ? "1e-5" : "0.03125");
        break;
    case 10:
    case 11:
        put_conv_transpose(t, in);
        break;
    default:
        put(t, "concat @0 @0");
    }
}

static void put_layer(draft *t, net_shape in) {
    int roll = dice_below(t->d, t->d->seed_is_late ? 30 : 16);
    if (roll >= 26)
        put_activation(t);
    else if (roll >= 16)
        put_late_layer(t, in);
    else if (roll < 6)
        put_conv(t, in);
    else if (roll < 9)
        put_norm(t, in);
    else if (roll < 11)
        put_pool(t);
    else if (roll < 13)
        put_activation(t);
    else if (roll == 13)
        put(t, "%s", one_in(t->d, 2) ? "softmax" : "log_softmax");
    else if (roll == 14)
        put(t, "dropout p=0.%d", 1 + dice_below(t->d, 8));
    else if (in.height == 1 && in.width == 1)
        put(t, "linear out=%d bias=%d", PICK(t->d, few_channels), dice_below(t->d, 2));
    else if (one_in(t->d, 4))
        put(t, "flatten");
    else
        put(t, "adaptive_avg_pool out=%dx%d", 1 + dice_below(t->d, 5), 1 + dice_below(t->d, 5));
}

static net_shape random_shape(dice *d) {
    return (net_shape){PICK(d, few_channels), 1 + dice_below(d, 9), 1 + dice_below(d, 9)};
}

void random_layer(dice *d, double cost, network *net) {
    static const int batches[] = {1, 2, 3, 5, 15, 16, 17, 33};
    do {
        draft t = {.d = d};
        net_shape in = random_shape(d);
        if (one_in(d, 8))
            in.height = in.width = 1;
        put_header(&t, PICK(d, batches), in);
        put(&t, " | ");
        put_layer(&t, in);
        if (network_parse(net, t.text) == 0 && network_cost(net) * net->batch <= cost)
            return;
    } while (true);
}

/* ---- graphs ---- */

/* Takes the draft's new tail in if all still fits, or off again. */
static int accept(draft *t, size_t before, double cost, network *net) {
    network longer;
    int fits = network_parse(&longer, t->text) == 0 && longer.layers <= NET_MAX_LAYERS / 3 &&
               network_cost(&longer) <= cost && net_size(longer.layer[longer.layers].shape) <= 600;
    if (fits) {
        *net = longer;
    } else {
        t->length = before;
        t->text[before] = '\0';
    }
    return fits;
}

/* Another value of the same shape, or the value itself. */
static int partner(dice *d, const network *net, int value) {
    int start = dice_below(d, net->layers + 1);
    for (int i = 0; i <= net->layers; i++) {
        int other = (start + i) % (net->layers + 1);
        if (other != value && memcmp(&net->layer[other].shape, &net->layer[value].shape, sizeof(net_shape)) == 0)
            return other;
    }
    return value;
}

/* A skip mostly, in either order; sometimes a value twice, or three inputs. */
static void grow_sum(draft *t, double cost, network *net) {
    size_t before = t->length;
    int last = net->layers, other = one_in(t->d, 8) ? last : partner(t->d, net, last);
    one_in(t->d, 2) ? put(t, " | add @%d @%d", last, other) : put(t, " | add @%d @%d", other, last);
    if (one_in(t->d, 4))
        put(t, " @%d", partner(t->d, net, last));
    accept(t, before, cost, net);
}

/* All values as high and wide as the last, up to four, in any order. */
static void grow_concat(draft *t, double cost, network *net) {
    size_t before = t->length;
    int last = net->layers, start = dice_below(t->d, last + 1), inputs = 0;
    put(t, " | concat");
    for (int i = 0; i <= last && inputs < NET_MAX_INPUTS - 1; i++) {
        int value = (start + i) % (last + 1);
        net_shape shape = net->layer[value].shape, wanted = net->layer[last].shape;
        if (shape.height == wanted.height && shape.width == wanted.width) {
            put(t, " @%d", value);
            inputs++;
        }
    }
    put(t, " @%d", last);
    accept(t, before, cost, net);
}

/* The last value times, or plus, numbers made from its means: of each channel, row, column or pixel. */
static void grow_gate(draft *t, double cost, network *net) {
    size_t before = t->length;
    int last = net->layers, roll = dice_below(t->d, 4);
    net_shape shape = net->layer[last].shape;
    int channels = roll == 3 ? 1 : shape.channels, height = roll & 1 ? shape.height : 1;
    int width = roll & 2 ? shape.width : 1;
    put(t, " | adaptive_avg_pool out=%dx%d @%d | conv2d out=%d kernel=1 | sigmoid", height, width, last, channels);
    const char *join = one_in(t->d, 3) ? "add" : "mul";
    one_in(t->d, 2) ? put(t, " | %s @%d @%d", join, last, last + 3) : put(t, " | %s @%d @%d", join, last + 3, last);
    accept(t, before, cost, net);
}

/* A norm, and after it a few of what may be computed with it, in any order. */
static void grow_block(draft *t, double cost, network *net) {
    size_t before = t->length;
    net_shape shape = net->layer[net->layers].shape;
    if (one_in(t->d, 2))
        put(t, " | conv2d out=%d kernel=3 padding=1 bias=0 mode=%s", shape.channels,
            one_in(t->d, 2) ? "replicate" : "circular");
    put(t, " | ");
    put_norm(t, shape);
    if (!accept(t, before, cost, net))
        return;
    for (int i = dice_below(t->d, 4); i > 0; i--) {
        before = t->length;
        int roll = dice_below(t->d, 5);
        if (roll < 2) {
            grow_sum(t, cost, net);
            continue;
        }
        put(t, roll < 4 ? " | relu" : " | dropout p=0.25");
        accept(t, before, cost, net);
    }
}

/* What does not fit is drawn again by late seeds, lest large layers be rare. */
static void grow_layer(draft *t, double cost, network *net) {
    size_t before = t->length;
    int tries = t->d->seed_is_late ? 6 : 1;
    do {
        int from = one_in(t->d, 3) ? dice_below(t->d, net->layers + 1) : net->layers;
        put(t, " | ");
        put_layer(t, net->layer[from].shape);
        put(t, " @%d", from);
    } while (!accept(t, before, cost, net) && --tries > 0);
}

/* What nothing reads yet goes, pooled, flattened and brought to one size, into a last sum. */
static void gather(draft *t, network *net) {
    bool read[NET_MAX_LAYERS + 1] = {false};
    int loose[NET_MAX_LAYERS], count = 0, layers = net->layers;
    for (int i = 1; i <= layers; i++)
        for (int k = 0; k < net->layer[i].inputs; k++)
            read[net->layer[i].input[k]] = true;
    for (int i = 1; i <= layers; i++)
        if (!read[i])
            loose[count++] = i;
    if (count < 2 && !one_in(t->d, 3))
        return;
    for (int i = 0; i < count; i++)
        put(t, " | adaptive_avg_pool out=1 @%d | flatten | linear out=5", loose[i]);
    for (int i = 1; i < count; i++)
        put(t, " | add @%d @%d", i == 1 ? layers + 3 : layers + 3 * count + i - 1, layers + 3 * (i + 1));
    ck_assert_int_eq(network_parse(net, t->text), 0);
}

void random_graph(dice *d, double cost, network *net) {
    draft t = {.d = d};
    net_shape in = {1 + dice_below(d, 6), 2 + dice_below(d, 7), 2 + dice_below(d, 7)};
    put_header(&t, 2, in);
    ck_assert_int_eq(network_parse(net, t.text), 0);
    for (int steps = 2 + dice_below(d, 9); steps > 0 || net->layers == 0; steps--)
        switch (dice_below(d, d->seed_is_late ? 6 : 4)) {
        case 0:
            grow_block(&t, cost, net);
            break;
        case 1:
            grow_sum(&t, cost, net);
            break;
        case 4:
            grow_concat(&t, cost, net);
            break;
        case 5:
            grow_gate(&t, cost, net);
            break;
        default:
            grow_layer(&t, cost, net);
        }
    gather(&t, net);
}

network random_graph_of(int seed) {
    network net;
    dice d = {(uint64_t)seed << 20, seed >= LATE_SEEDS};
    random_graph(&d, d.seed_is_late ? 4000 : 2500, &net);
    return net;
}
