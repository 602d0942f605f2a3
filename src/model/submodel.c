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

/* Under the same name, reading layers of the same names. */
static cn_status copy_node(const cn_model *model, const cn__node *node, cn_model *part) {
    cn_layer *layer;
    const char **inputs = cn__alloc(model->ctx, (size_t)node->input_count, sizeof *inputs);
    if (!inputs)
        return cn__no_memory("a layer's inputs");
    for (int32_t i = 0; i < node->input_count; i++)
        inputs[i] = cn__model_name(model, node->inputs[i]);
    cn_status status = cn__layer_copy(node->layer, &layer);
    if (status == CN_OK)
        status = cn_model_add(part, node->name, layer, node->input_count, inputs);
    cn__free(model->ctx, inputs);
    return status;
}

static cn_status copy_nodes(const cn_model *model, int32_t last, cn_model *part) {
    bool *needed = cn__alloc(model->ctx, model->node_count, sizeof *needed);
    cn_status status = needed ? CN_OK : cn__no_memory("a part of a model");
    if (needed)
        mark(model, last, needed);
    for (int32_t i = 0; i <= last && status == CN_OK; i++)
        if (needed[i])
            status = copy_node(model, &model->nodes[i], part);
    cn__free(model->ctx, needed);
    return status;
}

/* The tensors of a node of `part`, from the node of that name. */
static void copy_tensors(const cn_model *model, const cn__node *to, const cn_model *part) {
    const cn__node *from = &model->nodes[cn__model_find(model, to->name)];
    for (int32_t t = 0; t < to->tensor_count; t++) {
        const cn_tensor *value = &model->tensors[from->first_tensor + t].value;
        memcpy(part->tensors[to->first_tensor + t].value.data, value->data,
               (size_t)value->count * cn__dtype_bytes(value->dtype));
    }
}

static cn_status fill(const cn_model *model, int32_t last, cn_model *part) {
    CN__TRY(copy_nodes(model, last, part));
    CN__TRY(cn_model_init(part, model->seed));
    for (size_t i = 0; i < part->node_count; i++)
        copy_tensors(model, &part->nodes[i], part);
    if (model->mean)
        CN__TRY(cn_model_set_normalization(part, model->input.channels, model->mean, model->std));
    if (model->class_count && last == (int32_t)model->node_count - 1)
        CN__TRY(cn_model_set_class_names(part, (int)model->class_count, (const char *const *)model->class_names));
    return CN_OK;
}

cn_status cn_model_until(const cn_model *model, const char *layer, cn_model **part) {
    cn_model *made;
    CN__REQUIRE(part);
    *part = NULL;
    CN__TRY(cn__model_ready(model, "cn_model_until"));
    CN__REQUIRE(layer);
    int32_t last = cn__model_find(model, layer);
    if (last < 0)
        return cn__error(CN_ERR_NOT_FOUND, "cn_model_until: the model has no layer '%s'", layer);
    CN__TRY(cn_model_new(model->ctx, model->input.channels, model->input.height, model->input.width, &made));
    cn_status status = fill(model, last, made);
    if (status != CN_OK) {
        cn_model_free(made);
        return status;
    }
    *part = made;
    return CN_OK;
}
