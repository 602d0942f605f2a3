/* SPDX-License-Identifier: MIT */
/* c_writer.c: what the writers of layers share. */
#include "export/writer.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- hyper-parameters and parameters ---- */

int cn__c_int(const cn_layer *layer, const char *name) {
    return (int)cn__layer_attr(layer, name);
}

void cn__c_pair(const cn_layer *layer, const char *name, int pair[2]) {
    char side[64];
    for (int d = 0; d < 2; d++) {
        snprintf(side, sizeof side, "%s_%s", name, d ? "width" : "height");
        pair[d] = cn__c_int(layer, side);
    }
}

const float *cn__c_values(const cn__c_writer *w, int32_t node, int32_t tensor) {
    return w->program->model->tensors[w->program->model->nodes[node].first_tensor + tensor].value.data;
}

void cn__c_factors(const cn__c_writer *w, int32_t norm, size_t channel, double *scale, double *shift) {
    const cn__node *node = &w->program->model->nodes[norm];
    void *tensor[CN__MAX_TENSORS];
    for (int32_t t = 0; t < node->tensor_count; t++)
        tensor[t] = w->program->model->tensors[node->first_tensor + t].value.data;
    node->layer->type->fixed_factors(node->layer, tensor, channel, scale, shift);
}

/* ---- pieces of C ---- */

const char *cn__c_in(const cn__c_writer *w, const cn__c_step *step, int32_t input, char text[CN__C_PLACE]) {
    return cn__c_place(w->program, cn__c_node(w, step)->inputs[input] + 1, text);
}

const char *cn__c_out(const cn__c_writer *w, const cn__c_step *step, char text[CN__C_PLACE]) {
    return cn__c_place(w->program, step->node + 1, text);
}

void cn__c_step_table(cn__c_writer *w, const cn__c_step *step, const char *word, const float *values, size_t count) {
    char name[CN__C_NAME];
    bool finite = true;
    for (size_t i = 0; i < count; i++)
        finite &= isfinite(values[i]) != 0;
    if (!finite && w->status == CN_OK)
        w->status =
            cn__error(CN_ERR_DATA, "layer '%s' has a parameter that is no finite number", cn__c_node(w, step)->name);
    snprintf(name, sizeof name, "%s_%d", word, step->node + 1);
    cn__c_table(&w->tables, name, values, count);
}

void cn__c_begin(cn__c_writer *w, const cn__c_step *step) {
    char from[CN__C_PLACE], to[CN__C_PLACE];
    if (step->in_place == 0)
        return;
    cn__c_use(w, "copy");
    CN__C_BODY("    copy(%zu, %s, %s);\n", cn__c_floats(cn__c_node(w, step)->shape), cn__c_in(w, step, 0, from),
               cn__c_out(w, step, to));
}

void cn__c_call_pad(cn__c_writer *w, cn__shape in, cn__shape out, int top, int left, int mode, float value,
                    const char *from, const char *to) {
    static const char *const modes[] = {"PAD_CONSTANT", "PAD_REPLICATE", "PAD_REFLECT", "PAD_CIRCULAR"};
    cn__c_use(w, "pad2d");
    CN__C_BODY("    pad2d((const int[]){%d, %d, %d}, (const int[]){%d, %d, %d}, %d, %d, %s, ", in.channels, in.height,
               in.width, out.channels, out.height, out.width, top, left, modes[mode]);
    cn__c_decimal(&w->body, value);
    CN__C_BODY(", %s, %s);\n", from, to);
}

void cn__c_no_memory(cn__c_writer *w) {
    if (w->status == CN_OK)
        w->status = cn__no_memory("a layer's weights");
}
