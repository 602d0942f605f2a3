/* SPDX-License-Identifier: MIT */
/* rebuild.c: a model that is added to or changed after it was initialised. */
#include "model/model.h"
#include <string.h>

/* ---- what a change means ---- */

static bool has_parameters(const cn__node *node) {
    cn__tensor_spec specs[CN__MAX_TENSORS];
    bool any = false;
    for (int t = cn__node_specs(node, specs); t-- > 0;)
        any |= specs[t].parameter;
    return any;
}

/* Whether outputs mean something else after a change at `node`: no parameters behind it turn what it gives into them. */
static bool changes_classes(const cn_model *model, int32_t node) {
    if (cn__model_shape(model, cn__model_output_node(model, 0)).channels != model->class_count)
        return true;
    for (size_t n = (size_t)node + 1; n < model->node_count; n++)
        if (has_parameters(&model->nodes[n]))
            return false;
    return has_parameters(&model->nodes[node]);
}

void cn__model_changed(cn_model *model, int32_t node) {
    bool was_initialized = model->tensors != NULL;
    if (was_initialized && model->class_count > 0 && changes_classes(model, node))
        cn__model_drop_class_names(model);
    cn__model_end_session(model);
    cn__model_outdate_self_test(model);
    model->initialized = false;
}

/* ---- replacing ---- */

/* The shapes of all nodes from `node` on, which reads what it always did; the old ones into `shapes`. */
static cn_status infer_again(cn_model *model, int32_t node, cn__shape *shapes) {
    cn_status status = CN_OK;
    for (size_t n = 0; n < model->node_count; n++)
        shapes[n] = model->nodes[n].shape;
    for (size_t n = (size_t)node; n < model->node_count && status == CN_OK; n++) {
        cn__node *at = &model->nodes[n];
        status = cn__model_fit(model, at->layer, at->name, at->input_count, at->inputs, &at->shape);
    }
    for (size_t n = 0; n < model->node_count && status != CN_OK; n++)
        model->nodes[n].shape = shapes[n];
    return status;
}

/* On success the model owns the layer, and `layer` is the old one. */
static cn_status exchange(cn_model *model, int32_t node, cn_layer **layer) {
    cn__node *at = &model->nodes[node];
    cn_layer *old = at->layer;
    cn__shape *shapes = cn__alloc(model->ctx, model->node_count, sizeof *shapes);
    if (!shapes)
        return cn__no_memory("a layer's shapes");
    at->layer = *layer;
    cn_status status = infer_again(model, node, shapes);
    cn__free(model->ctx, shapes);
    if (status != CN_OK) {
        at->layer = old;
        return status;
    }
    *layer = old;
    at->drawn = at->frozen = false;
    at->constants = 0;
    at->tensor_count = 0;
    cn__model_changed(model, node);
    return CN_OK;
}

static cn_status replace(cn_model *model, const char *name, cn_layer **layer) {
    int32_t node = cn__model_find(model, name);
    if (node < 0)
        return cn__error(CN_ERR_NOT_FOUND, "cn_model_replace: the model has no layer '%s'", name);
    CN__TRY(cn__model_changeable(model, name));
    CN__TAKES(model, "cn_model_replace");
    return exchange(model, node, layer);
}

cn_status cn_model_replace(cn_model *model, const char *name, cn_layer *layer) {
    cn_status status;
    if (!model || !name || !layer)
        status = cn__error(CN_ERR_ARGUMENT, "cn_model_replace: %s is NULL",
                           !model  ? "model"
                           : !name ? "name"
                                   : "layer");
    else
        status = replace(model, name, &layer);
    cn_layer_free(layer);
    return status;
}

/* ---- the output layer ---- */

/* The hyper-parameter that is the number of a layer's outputs; NULL: it has none. */
static const cn__attr *outputs_of(const cn_layer *layer) {
    for (const cn__attr *attr = layer->type->attrs; attr && attr->name; attr++)
        if (strcmp(attr->name, "out_channels") == 0 || strcmp(attr->name, "out_features") == 0)
            return attr;
    return NULL;
}

/* The last that leads to the first output; -1: none. */
static int32_t output_layer(const cn_model *model) {
    int32_t node = model->node_count ? cn__model_output_node(model, 0) : -1;
    while (node >= 0 && !outputs_of(model->nodes[node].layer)) {
        int32_t last = -1;
        for (int32_t i = 0; i < model->nodes[node].input_count; i++)
            last = last > model->nodes[node].inputs[i] ? last : model->nodes[node].inputs[i];
        node = last;
    }
    return node;
}

const char *cn_model_output_layer(const cn_model *model) {
    int32_t node = model ? output_layer(model) : -1;
    return node < 0 ? NULL : model->nodes[node].name;
}

static cn_status with_outputs(const cn_layer *layer, int outputs, cn_layer **made) {
    CN__TRY(cn__layer_copy(layer, made));
    int32_t value = outputs;
    memcpy((char *)*made + outputs_of(layer)->offset, &value, sizeof value);
    return cn__layer_finish(*made, made);
}

cn_status cn_model_replace_output(cn_model *model, int outputs) {
    CN__COMPUTES;
    cn_layer *layer;
    CN__REQUIRE(model);
    int32_t node = output_layer(model);
    if (node < 0)
        return cn__error(CN_ERR_NOT_FOUND, "cn_model_replace_output: the model has no convolution or linear layer");
    CN__TRY(with_outputs(model->nodes[node].layer, outputs, &layer));
    return cn_model_replace(model, model->nodes[node].name, layer);
}
