/* SPDX-License-Identifier: MIT */
/* graph.c: building a model, layer by layer. */
#include "model/model.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define INPUT_NAME "input"
#define MAX_NAME   200

cn_status cn_model_new(cn_context *context, int channels, int height, int width, cn_model **model) {
    CN__REQUIRE(model);
    *model = NULL;
    CN__REQUIRE(context);
    CN__TRY(cn__input_check("cn_model_new", channels, height, width));
    cn_model *made = cn__alloc(context, 1, sizeof *made);
    if (!made)
        return cn__no_memory("a model");
    made->ctx = context;
    made->input = (cn__shape){channels, height, width};
    *model = made;
    return CN_OK;
}

static void node_free(cn_model *model, cn__node *node) {
    cn__free(model->ctx, node->name);
    cn__free(model->ctx, node->inputs);
    cn_layer_free(node->layer);
}

void cn__model_end_session(cn_model *model) {
    if (model->session)
        model->session_free(model);
}

void cn_model_free(cn_model *model) {
    if (!model)
        return;
    cn_context *ctx = model->ctx;
    if (cn__model_in_use(model)) {
        cn__log(ctx, CN_LOG_WARNING,
                "cn_model_free: the model stays, since a trainer, optimizer, predictor or call that has not returned "
                "uses it");
        return;
    }
    cn__model_end_session(model);
    for (size_t i = 0; i < model->node_count; i++)
        node_free(model, &model->nodes[i]);
    for (size_t i = 0; i < model->tensor_count; i++)
        cn__free(ctx, model->tensors[i].name);
    for (int64_t i = 0; i < model->class_count; i++)
        cn__free(ctx, model->class_names[i]);
    cn__free(ctx, model->nodes);
    cn__free(ctx, model->by_name);
    cn__free(ctx, model->inputs);
    cn__free(ctx, model->outputs);
    cn__free(ctx, model->tensors);
    cn__free(ctx, model->parameters);
    cn__free(ctx, model->gradients);
    cn__free(ctx, model->counters);
    cn__free(ctx, model->buffers);
    cn__free(ctx, model->mean);
    cn__free(ctx, model->std);
    cn__free(ctx, model->class_names);
    cn__self_test_free(ctx, model->self_test);
    cn__free(ctx, model);
}

/* How many nodes' names come before `name`. */
static size_t place_by_name(const cn_model *model, const char *name) {
    size_t low = 0, high = model->node_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (strcmp(model->nodes[model->by_name[middle]].name, name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

int32_t cn__model_find(const cn_model *model, const char *name) {
    if (strcmp(name, INPUT_NAME) == 0)
        return -1;
    size_t place = place_by_name(model, name);
    bool found = place < model->node_count && strcmp(model->nodes[model->by_name[place]].name, name) == 0;
    return found ? model->by_name[place] : -2;
}

/* Enters the node that is next; there is room. */
static void enter_name(cn_model *model, const char *name) {
    size_t place = place_by_name(model, name);
    memmove(model->by_name + place + 1, model->by_name + place, (model->node_count - place) * sizeof *model->by_name);
    model->by_name[place] = (int32_t)model->node_count;
}

const char *cn__model_name(const cn_model *model, int32_t node) {
    return node < 0 ? INPUT_NAME : model->nodes[node].name;
}

cn__shape cn__model_shape(const cn_model *model, int32_t node) {
    return node < 0 ? model->input : model->nodes[node].shape;
}

static cn_status check_name(const cn_model *model, const char *name) {
    size_t length = strlen(name);
    if (length == 0 || length > MAX_NAME)
        return cn__error(CN_ERR_ARGUMENT, "a layer's name has %zu bytes, wanted 1 to %d", length, MAX_NAME);
    for (size_t i = 0; i < length; i++)
        if ((unsigned char)name[i] < 32 || name[i] == 127)
            return cn__error(CN_ERR_ARGUMENT, "a layer's name has the control character %d at byte %zu",
                             (unsigned char)name[i], i);
    if (!cn__utf8_valid(name, length))
        return cn__error(CN_ERR_ARGUMENT, "the name of a layer, '%s', is not UTF-8", name);
    if (cn__model_find(model, name) != -2)
        return cn__error(CN_ERR_ARGUMENT, "the model already has a layer '%s'", name);
    return CN_OK;
}

static cn_status infer(const cn_model *model, const cn_layer *layer, const char *name, int32_t count,
                       const int32_t *inputs, cn__shape *out) {
    cn__shape *in = cn__alloc(model->ctx, (size_t)count + 1, sizeof *in); /* an Input has none */
    if (!in)
        return cn__no_memory("a layer's shapes");
    for (int32_t i = 0; i < count; i++)
        in[i] = cn__model_shape(model, inputs[i]);
    cn_status status = cn__layer_infer(layer, name, count, in, out);
    cn__free(model->ctx, in);
    return status;
}

/* Bounds every parameter's size, so that nothing later can overflow. */
static cn_status check_tensors(const cn_layer *layer, const char *name) {
    cn__tensor_spec specs[CN__MAX_TENSORS];
    int count = layer->type->tensors ? layer->type->tensors(layer, specs) : 0;
    for (int t = 0; t < count; t++) {
        int64_t elements = 1;
        for (int i = 0; i < specs[t].dims; i++)
            if (__builtin_mul_overflow(elements, specs[t].shape[i], &elements) || elements > INT32_MAX)
                return cn__error(CN_ERR_SHAPE, "%s '%s': its %s has more than %d elements", layer->type->name, name,
                                 specs[t].name, INT32_MAX);
    }
    return CN_OK;
}

cn_status cn__model_fit(const cn_model *model, const cn_layer *layer, const char *name, int32_t count,
                        const int32_t *inputs, cn__shape *out) {
    if (layer->ctx != model->ctx)
        return cn__error(CN_ERR_ARGUMENT, "layer '%s' was made in another context than the model", name);
    CN__TRY(check_tensors(layer, name));
    return infer(model, layer, name, count, inputs, out);
}

/* Adds a node that reads `inputs`; on success the model owns the layer. */
static cn_status add_node(cn_model *model, const char *name, cn_layer *layer, int32_t count, const int32_t *inputs) {
    cn__shape shape;
    CN__TRY(cn__model_changeable(model, name));
    CN__TAKES(model, "cn_model_add");
    CN__TRY(check_name(model, name));
    CN__TRY(cn__model_fit(model, layer, name, count, inputs, &shape));
    cn__model_end_session(model); /* whose plan points to nodes, which may now move */
    CN__TRY(
        cn__grow(model->ctx, (void **)&model->nodes, &model->node_capacity, model->node_count, sizeof *model->nodes));
    CN__TRY(cn__grow(model->ctx, (void **)&model->by_name, &model->by_name_capacity, model->node_count,
                     sizeof *model->by_name));
    if (layer->type->kind == CN__KIND_INPUT)
        CN__TRY(cn__grow(model->ctx, (void **)&model->inputs, &model->input_capacity, model->further_inputs,
                         sizeof *model->inputs));
    cn__node *node = &model->nodes[model->node_count];
    *node = (cn__node){.input_count = count, .shape = shape};
    node->name = cn__strdup(model->ctx, name);
    node->inputs = cn__alloc(model->ctx, (size_t)count + 1, sizeof *inputs);
    if (!node->name || !node->inputs) {
        node_free(model, node);
        return cn__no_memory("a layer's name");
    }
    node->layer = layer;
    for (int32_t i = 0; i < count; i++) {
        node->inputs[i] = inputs[i];
        *(inputs[i] < 0 ? &model->input_readers : &model->nodes[inputs[i]].readers) += 1;
    }
    if (cn__node_is_input(node))
        model->inputs[model->further_inputs++] = (int32_t)model->node_count;
    enter_name(model, name);
    model->node_count++;
    cn__model_changed(model, (int32_t)model->node_count - 1);
    return CN_OK;
}

cn_status cn_model_append(cn_model *model, const char *name, cn_layer *layer) {
    cn_status status;
    if (!model || !name || !layer) {
        status = cn__error(CN_ERR_ARGUMENT, "cn_model_append: %s is NULL", !model ? "model" : !name ? "name" : "layer");
    } else {
        int32_t last = (int32_t)model->node_count - 1;
        status = add_node(model, name, layer, 1, &last);
    }
    if (status != CN_OK)
        cn_layer_free(layer);
    return status;
}

cn_status cn__model_append(cn_model *model, cn_layer *layer, const char *format, ...) {
    char name[MAX_NAME + 1];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(name, sizeof name, format, arguments);
    va_end(arguments);
    return cn_model_append(model, name, layer);
}

static cn_status add_named(cn_model *model, const char *name, cn_layer *layer, int32_t count,
                           const char *const *inputs) {
    int32_t *indices = cn__alloc(model->ctx, (size_t)count + 1, sizeof *indices);
    if (!indices)
        return cn__no_memory("a layer's inputs");
    cn_status status = CN_OK;
    for (int32_t i = 0; i < count && status == CN_OK; i++) {
        indices[i] = inputs[i] ? cn__model_find(model, inputs[i]) : -2;
        if (indices[i] == -2)
            status = cn__error(CN_ERR_NOT_FOUND, "layer '%s' reads '%s', which the model does not have", name,
                               inputs[i] ? inputs[i] : "(NULL)");
    }
    if (status == CN_OK)
        status = add_node(model, name, layer, count, indices);
    cn__free(model->ctx, indices);
    return status;
}

cn_status cn_model_add(cn_model *model, const char *name, cn_layer *layer, int input_count, const char *const *inputs) {
    cn_status status;
    bool reads = !layer || layer->type->kind != CN__KIND_INPUT;
    if (!model || !name || !layer || (reads && !inputs))
        status = cn__error(CN_ERR_ARGUMENT, "cn_model_add: %s is NULL",
                           !model   ? "model"
                           : !name  ? "name"
                           : !layer ? "layer"
                                    : "inputs");
    else if (reads && input_count < 1)
        status = cn__error(CN_ERR_ARGUMENT, "cn_model_add: layer '%s' has %d inputs", name, input_count);
    else
        status = add_named(model, name, layer, input_count, inputs);
    if (status != CN_OK)
        cn_layer_free(layer);
    return status;
}

void cn__shape_out(cn__shape shape, int64_t out[3]) {
    out[0] = shape.channels;
    out[1] = shape.height;
    out[2] = shape.width;
}
