/* SPDX-License-Identifier: MIT */
/* c_layers.c: pools and layers that put values elsewhere as C, and the list of all layers. */
#include "export/writer.h"
#include "layers/upsample.h"
#include <stdio.h>
#include <string.h>

/* ---- pools ---- */

static void write_pool(cn__c_writer *w, const cn__c_step *step) {
    const cn_layer *layer = cn__c_layer_of(w, step);
    cn__shape in = cn__c_in_shape(w, step, 0), out = cn__c_node(w, step)->shape;
    bool max = layer->type->kind == CN__KIND_MAX_POOL2D;
    int kernel[2], stride[2], padding[2], dilation[2] = {1, 1};
    char from[CN__C_PLACE], to[CN__C_PLACE];
    cn__c_pair(layer, "kernel", kernel);
    cn__c_pair(layer, "stride", stride);
    cn__c_pair(layer, "padding", padding);
    if (max)
        cn__c_pair(layer, "dilation", dilation);
    cn__c_use(w, max ? "max_pool2d" : "avg_pool2d");
    CN__C_TABLE(
        "static const pool_shape shape_%d = {{%d, %d, %d}, {%d, %d, %d}, {%d, %d}, {%d, %d}, {%d, %d}, {%d, %d}, %d, "
        "%d};\n\n",
        step->node + 1, in.channels, in.height, in.width, out.channels, out.height, out.width, kernel[0], kernel[1],
        stride[0], stride[1], padding[0], padding[1], dilation[0], dilation[1],
        max ? 0 : cn__c_int(layer, "count_include_pad"), max ? 0 : cn__c_int(layer, "divisor_override"));
    CN__C_BODY("    %s(&shape_%d, %s, %s);\n", max ? "max_pool2d" : "avg_pool2d", step->node + 1,
               cn__c_in(w, step, 0, from), cn__c_out(w, step, to));
}

static void write_adaptive_pool(cn__c_writer *w, const cn__c_step *step) {
    cn__shape in = cn__c_in_shape(w, step, 0), out = cn__c_node(w, step)->shape;
    bool max = cn__c_layer_of(w, step)->type->kind == CN__KIND_ADAPTIVE_MAX_POOL2D;
    const char *function = max ? "adaptive_max_pool2d" : "adaptive_avg_pool2d";
    char from[CN__C_PLACE], to[CN__C_PLACE];
    cn__c_use(w, function);
    CN__C_BODY("    %s(%d, %d, %d, %d, %d, %s, %s);\n", function, in.channels, in.height, in.width, out.height,
               out.width, cn__c_in(w, step, 0, from), cn__c_out(w, step, to));
}

static void write_local_response_norm(cn__c_writer *w, const cn__c_step *step) {
    const cn_layer *layer = cn__c_layer_of(w, step);
    cn__shape shape = cn__c_node(w, step)->shape;
    int size = cn__c_int(layer, "size");
    const float numbers[] = {(float)(cn__layer_attr(layer, "alpha") / size), (float)cn__layer_attr(layer, "beta"),
                             (float)cn__layer_attr(layer, "k")};
    char from[CN__C_PLACE], to[CN__C_PLACE];
    cn__c_use(w, "local_response_norm");
    CN__C_BODY("    local_response_norm(%d, %d, %d, ", shape.channels, cn__c_pixels(shape), size);
    for (size_t i = 0; i < CN__COUNT(numbers); i++) {
        cn__c_decimal(&w->body, numbers[i]);
        CN__C_BODY(", ");
    }
    CN__C_BODY("%s, %s);\n", cn__c_in(w, step, 0, from), cn__c_out(w, step, to));
}

/* ---- values put elsewhere ---- */

static size_t narrow_floats(const cn_model *model, const cn__node *node) {
    cn__shape in = cn__model_shape(model, node->inputs[0]);
    return (size_t)cn__c_int(node->layer, "start") * (size_t)in.height * (size_t)in.width;
}

static void write_concat(cn__c_writer *w, const cn__c_step *step) {
    char from[CN__C_PLACE], to[CN__C_PLACE];
    size_t at = 0;
    cn__c_use(w, "copy");
    cn__c_out(w, step, to);
    for (int32_t i = 0; i < cn__c_node(w, step)->input_count; i++) {
        size_t floats = cn__c_floats(cn__c_in_shape(w, step, i));
        CN__C_BODY("    copy(%zu, %s, %s + %zu);\n", floats, cn__c_in(w, step, i, from), to, at);
        at += floats;
    }
}

static void write_pad(cn__c_writer *w, const cn__c_step *step) {
    const cn_layer *layer = cn__c_layer_of(w, step);
    char from[CN__C_PLACE], to[CN__C_PLACE];
    cn__c_call_pad(w, cn__c_in_shape(w, step, 0), cn__c_node(w, step)->shape, cn__c_int(layer, "top"),
                   cn__c_int(layer, "left"), cn__c_int(layer, "mode"), (float)cn__layer_attr(layer, "value"),
                   cn__c_in(w, step, 0, from), cn__c_out(w, step, to));
}

/* The deep one of the two maps, in or out, tells all. */
static void write_pixel_shuffle(cn__c_writer *w, const cn__c_step *step) {
    const cn_layer *layer = cn__c_layer_of(w, step);
    bool up = strcmp(layer->type->name, "PixelShuffle") == 0;
    cn__shape deep = up ? cn__c_in_shape(w, step, 0) : cn__c_node(w, step)->shape;
    char from[CN__C_PLACE], to[CN__C_PLACE];
    cn__c_use(w, up ? "pixel_shuffle" : "pixel_unshuffle");
    CN__C_BODY("    %s((const int[]){%d, %d, %d}, %d, %s, %s);\n", up ? "pixel_shuffle" : "pixel_unshuffle",
               deep.channels, deep.height, deep.width, cn__c_int(layer, up ? "upscale_factor" : "downscale_factor"),
               cn__c_in(w, step, 0, from), cn__c_out(w, step, to));
}

static void write_channel_shuffle(cn__c_writer *w, const cn__c_step *step) {
    cn__shape shape = cn__c_node(w, step)->shape;
    char from[CN__C_PLACE], to[CN__C_PLACE];
    cn__c_use(w, "channel_shuffle");
    CN__C_BODY("    channel_shuffle(%d, %d, %d, %s, %s);\n", shape.channels, cn__c_pixels(shape),
               cn__c_int(cn__c_layer_of(w, step), "groups"), cn__c_in(w, step, 0, from), cn__c_out(w, step, to));
}

/* Where each row, or column, begins, and the share of the next one. */
static void write_axis(cn__c_writer *w, const cn__c_step *step, int d, bool shares) {
    cn__shape in = cn__c_in_shape(w, step, 0), out = cn__c_node(w, step)->shape;
    int32_t from = d ? in.width : in.height, to = d ? out.width : out.height;
    char number[CN__C_NUMBER];
    CN__C_TABLE("static const int %s_%d[%d] = {", d ? "columns" : "rows", step->node + 1, to);
    for (int32_t i = 0; i < to; i++)
        CN__C_TABLE("%s%d,", i % 16 ? " " : "\n    ",
                    cn__upsample_terms_of(cn__c_layer_of(w, step), d, from, to, i).from[0]);
    CN__C_TABLE("\n};\n\n");
    if (!shares)
        return;
    CN__C_TABLE("static const float %s_%d[%d] = {", d ? "column_shares" : "row_shares", step->node + 1, to);
    for (int32_t i = 0; i < to; i++) {
        cn__upsample_terms terms = cn__upsample_terms_of(cn__c_layer_of(w, step), d, from, to, i);
        CN__C_TABLE("%s%s,", i % 8 ? " " : "\n    ", cn__c_number(number, terms.count > 1 ? terms.weight[1] : 0.0f));
    }
    CN__C_TABLE("\n};\n\n");
}

static void write_upsample(cn__c_writer *w, const cn__c_step *step) {
    cn__shape in = cn__c_in_shape(w, step, 0), out = cn__c_node(w, step)->shape;
    bool bilinear = cn__c_int(cn__c_layer_of(w, step), "mode") == CN_UPSAMPLE_BILINEAR;
    char from[CN__C_PLACE], to[CN__C_PLACE], tables[128];
    int n = step->node + 1;
    for (int d = 0; d < 2; d++)
        write_axis(w, step, d, bilinear);
    snprintf(tables, sizeof tables,
             bilinear ? "rows_%d, row_shares_%d, columns_%d, column_shares_%d" : "rows_%d, columns_%d", n, n, n, n);
    cn__c_use(w, bilinear ? "upsample_bilinear" : "upsample_nearest");
    CN__C_BODY("    %s((const int[]){%d, %d, %d}, (const int[]){%d, %d, %d}, %s, %s, %s);\n",
               bilinear ? "upsample_bilinear" : "upsample_nearest", in.channels, in.height, in.width, out.channels,
               out.height, out.width, tables, cn__c_in(w, step, 0, from), cn__c_out(w, step, to));
}

/* ---- all of them ---- */

static const cn__c_layer layers[] = {
    {"Conv2d", CN__C_ELSEWHERE, cn__c_conv_floats, cn__c_write_conv},
    {"ConvTranspose2d", CN__C_ELSEWHERE, cn__c_conv_floats, cn__c_write_conv},
    {"Linear", CN__C_ELSEWHERE, NULL, cn__c_write_conv},
    {"BatchNorm2d", CN__C_IN_PLACE, NULL, cn__c_write_batch_norm},
    {"GroupNorm", CN__C_IN_PLACE, NULL, cn__c_write_group_norm},
    {"LayerNorm2d", CN__C_IN_PLACE, NULL, cn__c_write_layer_norm},
    {"LocalResponseNorm", CN__C_ELSEWHERE, NULL, write_local_response_norm},
    {"PReLU", CN__C_IN_PLACE, NULL, cn__c_write_prelu},
    {"Softmax", CN__C_IN_PLACE, NULL, cn__c_write_softmax},
    {"LogSoftmax", CN__C_IN_PLACE, NULL, cn__c_write_softmax},
    {"MaxPool2d", CN__C_ELSEWHERE, NULL, write_pool},
    {"AvgPool2d", CN__C_ELSEWHERE, NULL, write_pool},
    {"AdaptiveAvgPool2d", CN__C_ELSEWHERE, NULL, write_adaptive_pool},
    {"AdaptiveMaxPool2d", CN__C_ELSEWHERE, NULL, write_adaptive_pool},
    {"Dropout", CN__C_ALIAS, NULL, NULL},
    {"Identity", CN__C_ALIAS, NULL, NULL},
    {"Flatten", CN__C_ALIAS, NULL, NULL},
    {"Reshape", CN__C_ALIAS, NULL, NULL},
    {"Narrow", CN__C_ALIAS, narrow_floats, NULL},
    {"Concat", CN__C_ELSEWHERE, NULL, write_concat},
    {"Pad2d", CN__C_ELSEWHERE, NULL, write_pad},
    {"PixelShuffle", CN__C_ELSEWHERE, NULL, write_pixel_shuffle},
    {"PixelUnshuffle", CN__C_ELSEWHERE, NULL, write_pixel_shuffle},
    {"ChannelShuffle", CN__C_ELSEWHERE, NULL, write_channel_shuffle},
    {"Upsample", CN__C_ELSEWHERE, NULL, write_upsample},
    {"Add", CN__C_ADDS_TO, NULL, cn__c_write_sum},
    {"Mul", CN__C_ADDS_TO, NULL, cn__c_write_sum},
};

static const cn__c_layer activation = {"", CN__C_IN_PLACE, NULL, cn__c_write_formula};

const cn__c_layer *cn__c_layer_find(const cn_layer *layer) {
    for (size_t i = 0; i < CN__COUNT(layers); i++)
        if (strcmp(layers[i].type, layer->type->name) == 0)
            return &layers[i];
    return cn__c_has_formula(layer) ? &activation : NULL;
}

void cn__c_write_step(cn__c_writer *w, const cn__c_step *step) {
    const cn_model *model = w->program->model;
    CN__C_BODY("    /* %d ", step->node + 1);
    cn__c_comment(&w->body, model->nodes[step->node].name);
    CN__C_BODY(": %s", model->nodes[step->node].layer->type->name);
    if (step->folded >= 0) {
        CN__C_BODY(", with ");
        cn__c_comment(&w->body, model->nodes[step->folded].name);
        CN__C_BODY(" taken in");
    }
    CN__C_BODY(" */\n");
    cn__c_layer_find(model->nodes[step->node].layer)->write(w, step);
}
