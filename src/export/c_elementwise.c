/* SPDX-License-Identifier: MIT */
/* c_elementwise.c: norms, activation functions, softmax, sums and products as C, which change values in place. */
#include "export/writer.h"
#include <stdio.h>
#include <string.h>

/* ---- norms ---- */

/* Weight and bias of a norm that has them: "weight_3, bias_3". */
static void affine_tables(cn__c_writer *w, const cn__c_step *step, size_t channels, char names[CN__C_NAME]) {
    if (!cn__c_int(cn__c_layer_of(w, step), "affine")) {
        snprintf(names, CN__C_NAME, "NULL, NULL");
        return;
    }
    cn__c_step_table(w, step, "weight", cn__c_values(w, step->node, 0), channels);
    cn__c_step_table(w, step, "bias", cn__c_values(w, step->node, 1), channels);
    snprintf(names, CN__C_NAME, "weight_%d, bias_%d", step->node + 1, step->node + 1);
}

static void write_group_norm_of(cn__c_writer *w, const cn__c_step *step, int groups) {
    cn__shape shape = cn__c_node(w, step)->shape;
    char names[CN__C_NAME], to[CN__C_PLACE];
    affine_tables(w, step, (size_t)shape.channels, names);
    cn__c_begin(w, step);
    cn__c_use(w, "group_norm");
    CN__C_BODY("    group_norm(%s, %d, %d, %d, ", cn__c_out(w, step, to), shape.channels, cn__c_pixels(shape), groups);
    cn__c_decimal(&w->body, (float)cn__layer_attr(cn__c_layer_of(w, step), "eps"));
    CN__C_BODY(", %s);\n", names);
}

void cn__c_write_group_norm(cn__c_writer *w, const cn__c_step *step) {
    write_group_norm_of(w, step, cn__c_int(cn__c_layer_of(w, step), "num_groups"));
}

void cn__c_write_layer_norm(cn__c_writer *w, const cn__c_step *step) {
    cn__shape shape = cn__c_node(w, step)->shape;
    char names[CN__C_NAME], to[CN__C_PLACE];
    affine_tables(w, step, (size_t)shape.channels, names);
    cn__c_begin(w, step);
    cn__c_use(w, "layer_norm");
    CN__C_BODY("    layer_norm(%s, %d, %d, ", cn__c_out(w, step, to), shape.channels, cn__c_pixels(shape));
    cn__c_decimal(&w->body, (float)cn__layer_attr(cn__c_layer_of(w, step), "eps"));
    CN__C_BODY(", %s);\n", names);
}

/* A batch norm that no convolution takes in. Without running statistics a channel has those of the image. */
void cn__c_write_batch_norm(cn__c_writer *w, const cn__c_step *step) {
    const cn__node *node = cn__c_node(w, step);
    size_t channels = (size_t)node->shape.channels;
    char to[CN__C_PLACE];
    if (node->layer->type->wants_moments(node->layer, false)) {
        write_group_norm_of(w, step, node->shape.channels);
        return;
    }
    float *factors = cn__alloc(w->program->model->ctx, 2 * channels, sizeof *factors);
    for (size_t c = 0; factors && c < channels; c++) {
        double scale, shift;
        cn__c_factors(w, step->node, c, &scale, &shift);
        factors[c] = (float)scale;
        factors[channels + c] = (float)shift;
    }
    if (factors) {
        cn__c_step_table(w, step, "scale", factors, channels);
        cn__c_step_table(w, step, "shift", factors + channels, channels);
    } else {
        cn__c_no_memory(w);
    }
    cn__free(w->program->model->ctx, factors);
    cn__c_begin(w, step);
    cn__c_use(w, "scale_shift");
    CN__C_BODY("    scale_shift(%s, %d, %d, scale_%d, shift_%d);\n", cn__c_out(w, step, to), node->shape.channels,
               cn__c_pixels(node->shape), step->node + 1, step->node + 1);
}

/* ---- activations ---- */

typedef struct formula {
    const char *type, *function, *formula;
    const char *a, *b; /* attributes that the formula calls so */
} formula;

static const formula formulas[] = {
    {"ReLU", "relu", "v < 0.0f ? 0.0f : v", NULL, NULL},
    {"LeakyReLU", "leaky_relu", "v > 0.0f ? v : a * v", "negative_slope", NULL},
    {"Sigmoid", "sigmoid", "1.0f / (1.0f + expf(-v))", NULL, NULL},
    {"Tanh", "hyperbolic_tangent", "tanhf(v)", NULL, NULL},
    {"SiLU", "silu", "v / (1.0f + expf(-v))", NULL, NULL},
    {"Hardswish", "hardswish", "v < -3.0f ? 0.0f : v > 3.0f ? v : v * (v + 3.0f) / 6.0f", NULL, NULL},
    {"ELU", "elu", "v > 0.0f ? v : a * expm1f(v)", "alpha", NULL},
    {"Hardtanh", "hardtanh", "v < a ? a : v > b ? b : v", "min_val", "max_val"},
    {"ReLU6", "relu6", "v < 0.0f ? 0.0f : v > 6.0f ? 6.0f : v", NULL, NULL},
    {"Hardsigmoid", "hardsigmoid", "v < -3.0f ? 0.0f : v > 3.0f ? 1.0f : (v + 3.0f) / 6.0f", NULL, NULL},
    {"Softplus", "softplus", "a * v > b ? v : ((v > 0.0f ? a * v : 0.0f) + log1pf(expf(-fabsf(a * v)))) / a", "beta",
     "threshold"},
    {"Mish", "mish", "v > 20.0f ? v : v * tanhf(log1pf(expf(v)))", NULL, NULL},
    {"Softsign", "softsign", "v / (1.0f + fabsf(v))", NULL, NULL},
    {"Affine", "affine", "a * v + b", "scale", "shift"},
};

static const formula gelus[] = {
    {"GELU", "gelu", "0.5f * v * (1.0f + erff(0.707106781f * v))", NULL, NULL},
    {"GELU", "gelu_tanh", "0.5f * v * (1.0f + tanhf(0.797884561f * (v + 0.044715f * v * v * v)))", NULL, NULL},
};

static const formula *formula_of(const cn_layer *layer) {
    for (size_t i = 0; i < CN__COUNT(formulas); i++)
        if (strcmp(formulas[i].type, layer->type->name) == 0)
            return &formulas[i];
    return strcmp(layer->type->name, "GELU") == 0 ? &gelus[cn__c_int(layer, "approximate")] : NULL;
}

bool cn__c_has_formula(const cn_layer *layer) {
    return formula_of(layer) != NULL;
}

void cn__c_write_formula(cn__c_writer *w, const cn__c_step *step) {
    const cn_layer *layer = cn__c_layer_of(w, step);
    const formula *f = formula_of(layer);
    const char *attrs[] = {f->a, f->b};
    char to[CN__C_PLACE];
    cn__c_use_formula(w, f->function, f->b ? ", float a, float b" : f->a ? ", float a" : "", f->formula);
    cn__c_begin(w, step);
    CN__C_BODY("    %s(%s, %zu", f->function, cn__c_out(w, step, to), cn__c_floats(cn__c_node(w, step)->shape));
    for (int i = 0; i < 2 && attrs[i]; i++) {
        CN__C_BODY(", ");
        cn__c_decimal(&w->body, (float)cn__layer_attr(layer, attrs[i]));
    }
    CN__C_BODY(");\n");
}

void cn__c_write_prelu(cn__c_writer *w, const cn__c_step *step) {
    cn__shape shape = cn__c_node(w, step)->shape;
    int weights = cn__c_int(cn__c_layer_of(w, step), "num_parameters");
    char to[CN__C_PLACE];
    cn__c_step_table(w, step, "weight", cn__c_values(w, step->node, 0), (size_t)weights);
    cn__c_begin(w, step);
    cn__c_use(w, "prelu");
    CN__C_BODY("    prelu(%s, %d, %d, %d, weight_%d);\n", cn__c_out(w, step, to), shape.channels, cn__c_pixels(shape),
               weights, step->node + 1);
}

void cn__c_write_softmax(cn__c_writer *w, const cn__c_step *step) {
    cn__shape shape = cn__c_node(w, step)->shape;
    const char *function = cn__c_layer_of(w, step)->type->kind == CN__KIND_SOFTMAX ? "softmax" : "log_softmax";
    char to[CN__C_PLACE];
    cn__c_begin(w, step);
    cn__c_use(w, function);
    CN__C_BODY("    %s(%s, %d, %d);\n", function, cn__c_out(w, step, to), shape.channels, cn__c_pixels(shape));
}

/* ---- sums and products ---- */

static void call_broadcast(cn__c_writer *w, const cn__c_step *step, const char *word, int32_t input) {
    cn__shape in = cn__c_in_shape(w, step, input), out = cn__c_node(w, step)->shape;
    char from[CN__C_PLACE], to[CN__C_PLACE], function[CN__C_NAME];
    snprintf(function, sizeof function, "broadcast_%s", word);
    cn__c_in(w, step, input, from);
    cn__c_out(w, step, to);
    if (cn__shape_equal(in, out)) {
        cn__c_use(w, word);
        CN__C_BODY("    %s(%zu, %s, %s);\n", word, cn__c_floats(out), from, to);
    } else {
        cn__c_use(w, function);
        CN__C_BODY("    %s((const int[]){%d, %d, %d}, (const int[]){%d, %d, %d}, %s, %s);\n", function, out.channels,
                   out.height, out.width, in.channels, in.height, in.width, from, to);
    }
}

/* It begins as the input that it replaces, or one of its shape, or whichever is first; the others join it. */
void cn__c_write_sum(cn__c_writer *w, const cn__c_step *step) {
    const cn__node *node = cn__c_node(w, step);
    const char *word = node->layer->type->kind == CN__KIND_ADD ? "add" : "multiply";
    int32_t first = step->in_place;
    for (int32_t i = 0; first < 0 && i < node->input_count; i++)
        if (cn__shape_equal(cn__c_in_shape(w, step, i), node->shape))
            first = i;
    if (first < 0)
        first = 0;
    if (step->in_place < 0)
        call_broadcast(w, step, "copy", first);
    for (int32_t i = 0; i < node->input_count; i++)
        if (i != first)
            call_broadcast(w, step, word, i);
}
