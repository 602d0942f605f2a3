/* SPDX-License-Identifier: MIT */
/* writer.h: what the writers of layers share: what they ask of a step, and how they say it in C. */
#ifndef CN_EXPORT_WRITER_H
#define CN_EXPORT_WRITER_H

#include "export/export.h"

#define CN__C_BODY(...)  cn__text_append(&w->body, __VA_ARGS__)
#define CN__C_TABLE(...) cn__text_append(&w->tables, __VA_ARGS__)

static inline const cn__node *cn__c_node(const cn__c_writer *w, const cn__c_step *step) {
    return &w->program->model->nodes[step->node];
}

static inline const cn_layer *cn__c_layer_of(const cn__c_writer *w, const cn__c_step *step) {
    return cn__c_node(w, step)->layer;
}

static inline cn__shape cn__c_in_shape(const cn__c_writer *w, const cn__c_step *step, int32_t input) {
    return cn__model_shape(w->program->model, cn__c_node(w, step)->inputs[input]);
}

static inline int cn__c_pixels(cn__shape shape) {
    return shape.height * shape.width;
}

/* ---- hyper-parameters and parameters (c_writer.c) ---- */

int cn__c_int(const cn_layer *layer, const char *name);
/* "NAME_height" and "NAME_width". */
void cn__c_pair(const cn_layer *layer, const char *name, int pair[2]);
/* The numbers of a node's tensor. */
const float *cn__c_values(const cn__c_writer *w, int32_t node, int32_t tensor);
/* A batch norm of fixed statistics is scale · x + shift. */
void cn__c_factors(const cn__c_writer *w, int32_t norm, size_t channel, double *scale, double *shift);

/* ---- pieces of C (c_writer.c) ---- */

/* Where a step's input, or its output, begins; returns the buffer. */
const char *cn__c_in(const cn__c_writer *w, const cn__c_step *step, int32_t input, char text[CN__C_PLACE]);
const char *cn__c_out(const cn__c_writer *w, const cn__c_step *step, char text[CN__C_PLACE]);
/* A table of the step's: "weight_3" for a `word` of "weight". */
void cn__c_step_table(cn__c_writer *w, const cn__c_step *step, const char *word, const float *values, size_t count);
/* The output becomes what the first input is, of the same shape, where that is not so already. */
void cn__c_begin(cn__c_writer *w, const cn__c_step *step);
/* `mode` is a cn_padding_mode. */
void cn__c_call_pad(cn__c_writer *w, cn__shape in, cn__shape out, int top, int left, int mode, float value,
                    const char *from, const char *to);
void cn__c_no_memory(cn__c_writer *w);

/* ---- layers ---- */

/* c_convolutions.c */
size_t cn__c_conv_floats(const cn_model *model, const cn__node *node);
void cn__c_write_conv(cn__c_writer *w, const cn__c_step *step);

/* c_elementwise.c */
void cn__c_write_batch_norm(cn__c_writer *w, const cn__c_step *step);
void cn__c_write_group_norm(cn__c_writer *w, const cn__c_step *step);
void cn__c_write_layer_norm(cn__c_writer *w, const cn__c_step *step);
bool cn__c_has_formula(const cn_layer *layer);
void cn__c_write_formula(cn__c_writer *w, const cn__c_step *step);
void cn__c_write_prelu(cn__c_writer *w, const cn__c_step *step);
void cn__c_write_softmax(cn__c_writer *w, const cn__c_step *step);
void cn__c_write_sum(cn__c_writer *w, const cn__c_step *step);

#endif
