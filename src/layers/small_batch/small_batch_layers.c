/* small_batch_layers.c: which layers can compute with channels in the lanes, and how. */
#include "layers/small_batch/small_batch.h"
#include "layers/conv/convolution.h"
#include <string.h>

/* What a line of channels means does not matter to a layer that treats each lane by itself: its `ops` are NULL here,
 * its own serve. */
typedef struct entry {
    const char *type;
    const cn__layer_ops *ops;
    bool (*serves)(const cn_layer *layer); /* NULL: always */
} entry;

/* The weights of a line of outputs must see the same inputs. */
static bool one_group(const cn_layer *layer) {
    return ((const cn__convolution *)layer)->groups == 1;
}

/* The statistics must be known, or come from one image. */
static bool fixed_statistics(const cn_layer *layer) {
    return !layer->ops->wants_moments(layer, false);
}

static const entry entries[] = {
    {"Conv2d", &cn__small_batch_convolution_ops, one_group},
    {"Linear", &cn__small_batch_convolution_ops, NULL},
    {"BatchNorm2d", &cn__small_batch_batch_norm_ops, fixed_statistics},
    {"GroupNorm", &cn__small_batch_group_norm_ops, NULL},
    {"Flatten", &cn__small_batch_flatten_ops, NULL},
    {"Softmax", &cn__small_batch_softmax_ops, NULL},
    {"LogSoftmax", &cn__small_batch_log_softmax_ops, NULL},
    {"ReLU", NULL, NULL},
    {"LeakyReLU", NULL, NULL},
    {"Sigmoid", NULL, NULL},
    {"Tanh", NULL, NULL},
    {"SiLU", NULL, NULL},
    {"GELU", NULL, NULL},
    {"Dropout", NULL, NULL},
    {"MaxPool2d", NULL, NULL},
    {"AvgPool2d", NULL, NULL},
    {"AdaptiveAvgPool2d", NULL, NULL},
    {"Add", NULL, NULL},
};

const cn__layer_ops *cn__small_batch_ops(const cn_layer *layer) {
    for (const entry *e = entries; e < entries + CN__COUNT(entries); e++)
        if (strcmp(e->type, layer->ops->type) == 0)
            return e->serves && !e->serves(layer) ? NULL : e->ops ? e->ops : layer->ops;
    return NULL;
}

/* ---- maps ---- */

void cn__nchw16c_layout(cn__fmap *map, cn__shape shape, int32_t pad_height, int32_t pad_width, cn_padding_mode mode) {
    cn__shape planes = {(int32_t)cn__small_batch_planes(shape.channels), shape.height, shape.width};
    cn__fmap_layout(map, planes, pad_height, pad_width, mode);
    map->lane_channels = shape.channels;
}

float *cn__nchw16c_row(const cn__fmap *map, size_t channel, size_t row) {
    return cn__fmap_plane(map, 0, channel / CN__LANES).data + row * map->row + channel % CN__LANES;
}

void cn__nchw16c_unpack(const cn__fmap *map, float *image_chw) {
    for (size_t c = 0; c < (size_t)map->lane_channels; c++)
        for (size_t y = 0; y < (size_t)map->shape.height; y++) {
            const float *row = cn__nchw16c_row(map, c, y);
            for (size_t x = 0; x < (size_t)map->shape.width; x++)
                *image_chw++ = row[x * CN__LANES];
        }
}

/* ---- phases ---- */

size_t cn__small_batch_one_item(const cn__op *op, const cn__pass *pass) {
    (void)op;
    (void)pass;
    return 1;
}

size_t cn__small_batch_border_items(const cn__op *op, const cn__pass *pass) {
    (void)pass;
    return op->out->pad[0] > 0 || op->out->pad[1] > 0;
}

void cn__small_batch_border(const cn__op *op, const cn__pass *pass, size_t item) {
    (void)pass;
    (void)item;
    for (size_t plane = 0; plane < (size_t)op->out->shape.channels; plane++)
        cn__fmap_border(op->out, 0, plane);
}
