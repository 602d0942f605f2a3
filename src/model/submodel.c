/* SPDX-License-Identifier: MIT */
/* submodel.c: a copy of the part of a model that one of its layers depends on. */
#include "model/model.h"
#include <string.h>

/* Marks `last` and all that it reads, directly or not. */
static void mark(const cn_model *model, int32_t last, bool *needed) {
    needed[last] = true;
    for (int32_t i = last; i >= 0; i--)
        for (int32_t k = 0; needed[i] && k < model->nodes[i].input_count; k++)
            if (model->nodes[i].inputs[k] >= 0)
                needed[model->nodes[i].inputs[k]] = true;
}

/* The first input that a part needs: -1, or a layer of type Input. */
static int32_t first_input(const cn_model *model, const bool *needed) {
    int32_t input = -1;
    for (int32_t i = (int32_t)model->node_count - 1; i >= 0; i--) {
        const cn__node *node = &model->nodes[i];
        if (needed[i] && cn__node_is_input(node))
            input = i;
        for (int32_t k = 0; needed[i] && k < node->input_count; k++)
            if (node->inputs[k] < 0)
                return -1;
    }
    return input;
}

/* Under the same name, reading layers of the same names; but the first input is called "input". */
static cn_status copy_node(const cn_model *model, const cn__node *node, int32_t first, cn_model *part) {
    cn_layer *layer;
    const char **inputs = cn__alloc(model->ctx, (size_t)node->input_count + 1, sizeof *inputs);
    if (!inputs)
        return cn__no_memory("a layer's inputs");
    for (int32_t i = 0; i < node->input_count; i++)
        inputs[i] = cn__model_name(model, node->inputs[i] == first ? -1 : node->inputs[i]);
    cn_status status = cn__layer_copy(node->layer, &layer);
    if (status == CN_OK)
        status = cn_model_add(part, node->name, layer, node->input_count, inputs);
    if (status == CN_OK)
        part->nodes[part->node_count - 1].constants = node->constants;
    cn__free(model->ctx, inputs);
    return status;
}

static cn_status copy_nodes(const cn_model *model, const bool *needed, int32_t first, cn_model *part) {
    for (int32_t i = 0; i < (int32_t)model->node_count; i++)
        if (needed[i] && i != first)
            CN__TRY(copy_node(model, &model->nodes[i], first, part));
    return CN_OK;
}

/* The tensors of a node of `part`, and what is frozen, from the node of that name. */
static void copy_tensors(const cn_model *model, cn__node *to, const cn_model *part) {
    const cn__node *from = &model->nodes[cn__model_find(model, to->name)];
    to->frozen = from->frozen;
    for (int32_t t = 0; t < to->tensor_count; t++) {
        const cn__model_tensor *entry = &model->tensors[from->first_tensor + t];
        part->tensors[to->first_tensor + t].frozen = entry->frozen;
        memcpy(part->tensors[to->first_tensor + t].value.data, entry->value.data,
               (size_t)entry->value.count * cn__dtype_bytes(entry->value.dtype));
    }
}

static cn_status fill(const cn_model *model, const bool *needed, int32_t first, cn_model *part) {
    CN__TRY(copy_nodes(model, needed, first, part));
    CN__TRY(cn_model_init(part, model->seed));
    for (size_t i = 0; i < part->node_count; i++)
        copy_tensors(model, &part->nodes[i], part);
    if (model->mean && first < 0)
        CN__TRY(cn_model_set_normalization(part, model->input.channels, model->mean, model->std));
    if (model->class_count && strcmp(cn_model_output_name(part, 0), cn_model_output_name(model, 0)) == 0)
        CN__TRY(cn_model_set_class_names(part, model->class_count, (const char *const *)model->class_names));
    return CN_OK;
}

static cn_status make(const cn_model *model, const bool *needed, cn_model **part) {
    int32_t first = first_input(model, needed);
    cn__shape input = cn__model_shape(model, first);
    cn_model *made;
    CN__TRY(cn_model_new(model->ctx, input.channels, input.height, input.width, &made));
    cn_status status = fill(model, needed, first, made);
    if (status != CN_OK) {
        cn_model_free(made);
        return status;
    }
    *part = made;
    return CN_OK;
}

cn_status cn_model_until(const cn_model *model, const char *layer, cn_model **part) {
    CN__COMPUTES;
    CN__REQUIRE(part);
    *part = NULL;
    CN__TRY(cn__model_ready(model, "cn_model_until"));
    CN__REQUIRE(layer);
    int32_t last = cn__model_find(model, layer);
    if (last < 0 || cn__node_is_input(&model->nodes[last]))
        return cn__error(CN_ERR_NOT_FOUND,
                         last == -2 ? "cn_model_until: the model has no layer '%s'"
                                    : "cn_model_until: '%s' is an input, wanted a layer",
                         layer);
    bool *needed = cn__alloc(model->ctx, model->node_count, sizeof *needed);
    if (!needed)
        return cn__no_memory("a part of a model");
    mark(model, last, needed);
    cn_status status = make(model, needed, part);
    cn__free(model->ctx, needed);
    return status;
}
