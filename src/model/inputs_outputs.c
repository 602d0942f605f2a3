/* SPDX-License-Identifier: MIT */
/* inputs_outputs.c: where images enter a model, and what it gives: "input" and the layers of type Input; the layers that
 * were chosen as outputs, or the last. */
#include "model/model.h"
#include <string.h>

/* ---- inputs ---- */

cn_status cn_model_add_input(cn_model *model, const char *name, int channels, int height, int width) {
    cn_layer *layer;
    CN__REQUIRE(model);
    CN__REQUIRE(name);
    CN__TRY(cn__input_check("cn_model_add_input", channels, height, width));
    CN__TRY(cn__input_new(model->ctx, channels, height, width, &layer));
    return cn_model_add(model, name, layer, 0, NULL);
}

int32_t cn__model_input_count(const cn_model *model) {
    return 1 + (int32_t)model->further_inputs;
}

int32_t cn__model_input_node(const cn_model *model, int32_t index) {
    return index == 0 ? -1 : model->inputs[index - 1];
}

int64_t cn_model_input_count(const cn_model *model) {
    return model ? cn__model_input_count(model) : 0;
}

const char *cn_model_input_name(const cn_model *model, int64_t index) {
    bool known = index >= 0 && index < cn_model_input_count(model);
    return known ? cn__model_name(model, cn__model_input_node(model, (int32_t)index)) : NULL;
}

void cn_model_input_shape_at(const cn_model *model, int64_t index, int64_t shape[3]) {
    bool known = index >= 0 && index < cn_model_input_count(model);
    cn__shape_out(known ? cn__model_shape(model, cn__model_input_node(model, (int32_t)index)) : (cn__shape){0}, shape);
}

void cn_model_input_shape(const cn_model *model, int64_t shape[3]) {
    cn_model_input_shape_at(model, 0, shape);
}

/* ---- outputs ---- */

static cn_status find_output(const cn_model *model, const char *name, int32_t *node) {
    if (!name)
        return cn__error(CN_ERR_ARGUMENT, "cn_model_set_outputs: a name is NULL");
    *node = cn__model_find(model, name);
    if (*node == -2)
        return cn__error(CN_ERR_NOT_FOUND, "cn_model_set_outputs: the model has no layer '%s'", name);
    if (*node == -1 || cn__node_is_input(&model->nodes[*node]))
        return cn__error(CN_ERR_ARGUMENT, "cn_model_set_outputs: '%s' is an input, wanted a layer", name);
    return CN_OK;
}

/* Fills `outputs`, each of them once. */
static cn_status find_outputs(const cn_model *model, int32_t count, const char *const *names, int32_t *outputs) {
    bool *taken = cn__alloc(model->ctx, model->node_count, sizeof *taken);
    cn_status status = taken ? CN_OK : cn__no_memory("a model's outputs");
    for (int32_t i = 0; i < count && status == CN_OK; i++) {
        status = find_output(model, names[i], &outputs[i]);
        if (status == CN_OK && taken[outputs[i]])
            status = cn__error(CN_ERR_ARGUMENT, "cn_model_set_outputs: layer '%s' is named twice", names[i]);
        if (status == CN_OK)
            taken[outputs[i]] = true;
    }
    cn__free(model->ctx, taken);
    return status;
}

cn_status cn_model_set_outputs(cn_model *model, int64_t count, const char *const *names) {
    CN__REQUIRE(model);
    CN__REQUIRE(names);
    CN__TAKES(model, "cn_model_set_outputs");
    if (model->initialized)
        return cn__error(CN_ERR_STATE, "cn_model_set_outputs comes after cn_model_init");
    if (count < 1 || (uint64_t)count > model->node_count)
        return cn__error(CN_ERR_ARGUMENT, "cn_model_set_outputs: %lld outputs of a model with %zu layers",
                         (long long)count, model->node_count);
    int32_t *outputs = cn__alloc(model->ctx, (size_t)count, sizeof *outputs);
    if (!outputs)
        return cn__no_memory("a model's outputs");
    cn_status status = find_outputs(model, (int32_t)count, names, outputs);
    if (status != CN_OK) {
        cn__free(model->ctx, outputs);
        return status;
    }
    for (size_t n = 0; n < model->node_count; n++)
        model->nodes[n].output = false;
    for (int64_t i = 0; i < count; i++)
        model->nodes[outputs[i]].output = true;
    cn__free(model->ctx, model->outputs);
    model->outputs = outputs;
    model->output_count = (int32_t)count;
    return CN_OK;
}

int32_t cn__model_output_count(const cn_model *model) {
    return model->outputs ? model->output_count : 1;
}

int32_t cn__model_output_node(const cn_model *model, int32_t index) {
    return model->outputs ? model->outputs[index] : (int32_t)model->node_count - 1;
}

bool cn__model_is_output(const cn_model *model, int32_t node) {
    return model->outputs ? model->nodes[node].output : node == (int32_t)model->node_count - 1;
}

int64_t cn_model_output_count(const cn_model *model) {
    return model ? cn__model_output_count(model) : 0;
}

const char *cn_model_output_name(const cn_model *model, int64_t index) {
    bool known = index >= 0 && index < cn_model_output_count(model);
    return known ? cn__model_name(model, cn__model_output_node(model, (int32_t)index)) : NULL;
}

void cn_model_output_shape_at(const cn_model *model, int64_t index, int64_t shape[3]) {
    bool known = index >= 0 && index < cn_model_output_count(model);
    cn__shape_out(known ? cn__model_shape(model, cn__model_output_node(model, (int32_t)index)) : (cn__shape){0}, shape);
}

void cn_model_output_shape(const cn_model *model, int64_t shape[3]) {
    cn_model_output_shape_at(model, 0, shape);
}
