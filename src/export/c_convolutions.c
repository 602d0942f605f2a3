/* SPDX-License-Identifier: MIT */
/* c_convolutions.c: convolutions and linear layers as C: their weights, with batch norms taken in, and their calls. */
#include "export/writer.h"
#include <stdio.h>
#include <string.h>

#define TILE  32 /* as in functions/conv2d.c */
#define TERMS 72

/* Weights and biases as they go into the tables. */
typedef struct filters {
    float *weight, *bias; /* bias NULL: none */
    size_t outs, terms;   /* of each output */
} filters;

typedef struct conv {
    cn__shape in, out;
    int kernel[2], stride[2], padding[2], dilation[2], groups, mode;
    bool transposed, bias, flat; /* flat: a Linear */
} conv;

static conv conv_of(const cn_model *model, const cn__node *node) {
    const cn_layer *layer = node->layer;
    conv c = {.in = cn__model_shape(model, node->inputs[0]),
              .out = node->shape,
              .kernel = {1, 1},
              .stride = {1, 1},
              .dilation = {1, 1},
              .groups = 1,
              .bias = cn__c_int(layer, "bias") != 0,
              .transposed = layer->type->kind == CN__KIND_CONV_TRANSPOSE2D,
              .flat = layer->type->kind == CN__KIND_LINEAR};
    if (c.flat)
        return c;
    cn__c_pair(layer, "kernel", c.kernel);
    cn__c_pair(layer, "stride", c.stride);
    cn__c_pair(layer, "padding", c.padding);
    cn__c_pair(layer, "dilation", c.dilation);
    c.groups = cn__c_int(layer, "groups");
    c.mode = c.transposed ? CN_PADDING_ZEROS : cn__c_int(layer, "padding_mode");
    return c;
}

/* One pixel that sees one pixel: a product of a matrix and a vector. */
static bool is_linear(const conv *c) {
    bool one = cn__c_pixels(c->in) == 1 && cn__c_pixels(c->out) == 1 && c->groups == 1 && !c->transposed;
    return one && c->kernel[0] == 1 && c->kernel[1] == 1 && c->padding[0] == 0 && c->padding[1] == 0;
}

static bool is_depthwise(const conv *c) {
    return c->groups > 1 && c->groups == c->in.channels && !c->transposed;
}

static bool repeats_border(const conv *c) {
    return c->mode != CN_PADDING_ZEROS && (c->padding[0] > 0 || c->padding[1] > 0);
}

static cn__shape padded(const conv *c) {
    return (cn__shape){c->in.channels, c->in.height + 2 * c->padding[0], c->in.width + 2 * c->padding[1]};
}

static size_t terms_of(const conv *c) {
    return (size_t)(c->in.channels / c->groups) * (size_t)c->kernel[0] * (size_t)c->kernel[1];
}

/* Rows of gathered values, and behind them the padded input. */
static size_t column_floats(const conv *c) {
    size_t terms = terms_of(c);
    return is_linear(c) || is_depthwise(c) ? 0 : (terms < TERMS ? terms : TERMS) * TILE;
}

size_t cn__c_conv_floats(const cn_model *model, const cn__node *node) {
    conv c = conv_of(model, node);
    return column_floats(&c) + (repeats_border(&c) ? cn__c_floats(padded(&c)) : 0);
}

/* Of a transposed one [in][out of a group][taps], of the convolution that it is here [out][in of a group][taps], with
 * the taps in reverse. */
static void transpose(const conv *c, const float *from, float *to) {
    size_t ins = (size_t)(c->in.channels / c->groups), outs = (size_t)(c->out.channels / c->groups);
    size_t taps = (size_t)c->kernel[0] * (size_t)c->kernel[1];
    for (size_t g = 0; g < (size_t)c->groups; g++)
        for (size_t i = 0; i < ins; i++)
            for (size_t o = 0; o < outs; o++)
                for (size_t t = 0; t < taps; t++)
                    to[((g * outs + o) * ins + i) * taps + taps - 1 - t] = *from++;
}

/* A batch norm is scale · x + shift. */
static void fold(const cn__c_writer *w, const cn__c_step *step, filters *f) {
    for (size_t o = 0; o < f->outs; o++) {
        double scale, shift;
        cn__c_factors(w, step->folded, o, &scale, &shift);
        for (size_t t = 0; t < f->terms; t++)
            f->weight[o * f->terms + t] = (float)((double)f->weight[o * f->terms + t] * scale);
        f->bias[o] = (float)((double)f->bias[o] * scale + shift);
    }
}

static void fill_filters(const cn__c_writer *w, const cn__c_step *step, const conv *c, filters *f) {
    const float *weight = cn__c_values(w, step->node, 0);
    if (c->transposed)
        transpose(c, weight, f->weight);
    else
        memcpy(f->weight, weight, f->outs * f->terms * sizeof *weight);
    if (c->bias)
        memcpy(f->bias, cn__c_values(w, step->node, 1), f->outs * sizeof *f->bias);
    if (step->folded >= 0)
        fold(w, step, f);
}

/* Whether there are biases. */
static bool write_filters(cn__c_writer *w, const cn__c_step *step, const conv *c) {
    cn_context *ctx = w->program->model->ctx;
    filters f = {.outs = (size_t)c->out.channels, .terms = terms_of(c)};
    bool biased = c->bias || step->folded >= 0;
    f.weight = cn__alloc(ctx, f.outs * f.terms, sizeof *f.weight);
    f.bias = cn__alloc(ctx, f.outs, sizeof *f.bias);
    if (f.weight && f.bias) {
        fill_filters(w, step, c, &f);
        cn__c_step_table(w, step, "weight", f.weight, f.outs * f.terms);
        if (biased)
            cn__c_step_table(w, step, "bias", f.bias, f.outs);
    } else {
        cn__c_no_memory(w);
    }
    cn__free(ctx, f.weight);
    cn__free(ctx, f.bias);
    return biased;
}

/* As a plain one: a transposed convolution sees its input with zeros between the pixels and a border of its own. */
static void write_conv_shape(cn__c_writer *w, const cn__c_step *step, const conv *c) {
    cn__shape in = repeats_border(c) ? padded(c) : c->in;
    int stride[2], padding[2], spread[2];
    for (int d = 0; d < 2; d++) {
        stride[d] = c->transposed ? 1 : c->stride[d];
        spread[d] = c->transposed ? c->stride[d] : 1;
        padding[d] = c->transposed       ? c->dilation[d] * (c->kernel[d] - 1) - c->padding[d]
                     : repeats_border(c) ? 0
                                         : c->padding[d];
    }
    CN__C_TABLE(
        "static const conv_shape shape_%d = {{%d, %d, %d}, {%d, %d, %d}, {%d, %d}, {%d, %d}, {%d, %d}, {%d, %d}, "
        "{%d, %d}, %d};\n\n",
        step->node + 1, in.channels, in.height, in.width, c->out.channels, c->out.height, c->out.width, c->kernel[0],
        c->kernel[1], stride[0], stride[1], padding[0], padding[1], c->dilation[0], c->dilation[1], spread[0],
        spread[1], c->groups);
}

/* The input with the border that a convolution repeats; where that is. */
static void write_border(cn__c_writer *w, const cn__c_step *step, const conv *c, char place[CN__C_PLACE]) {
    char from[CN__C_PLACE];
    snprintf(place, CN__C_PLACE, "scratch + %zu", step->offset + column_floats(c));
    cn__c_call_pad(w, c->in, padded(c), c->padding[0], c->padding[1], c->mode, 0.0f, cn__c_in(w, step, 0, from), place);
}

void cn__c_write_conv(cn__c_writer *w, const cn__c_step *step) {
    conv c = conv_of(w->program->model, cn__c_node(w, step));
    char from[CN__C_PLACE], to[CN__C_PLACE], bias[CN__C_NAME] = "NULL";
    int number = step->node + 1;
    cn__c_in(w, step, 0, from);
    cn__c_out(w, step, to);
    if (write_filters(w, step, &c))
        snprintf(bias, sizeof bias, "bias_%d", number);
    if (is_linear(&c)) {
        cn__c_use(w, "linear");
        CN__C_BODY("    linear(%d, %d, %s, weight_%d, %s, %s);\n", c.in.channels, c.out.channels, from, number, bias,
                   to);
        return;
    }
    write_conv_shape(w, step, &c);
    if (repeats_border(&c))
        write_border(w, step, &c, from);
    cn__c_use(w, is_depthwise(&c) ? "depthwise_conv2d" : "conv2d");
    if (is_depthwise(&c))
        CN__C_BODY("    depthwise_conv2d(&shape_%d, %s, weight_%d, %s, %s);\n", number, from, number, bias, to);
    else
        CN__C_BODY("    conv2d(&shape_%d, %s, weight_%d, %s, scratch + %zu, %s);\n", number, from, number, bias,
                   step->offset, to);
}

bool cn__c_folds(const cn_layer *layer, const cn_layer *norm) {
    bool fixed = norm->type->fixed_factors && !norm->type->wants_moments(norm, false);
    return fixed && (cn__layer_convolves(layer) || layer->type->kind == CN__KIND_CONV_TRANSPOSE2D);
}
