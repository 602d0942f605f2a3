/* SPDX-License-Identifier: MIT */
/* save_nodes.c: the nodes of a graph that is written, and the constants among them. */
#include "onnx/exporter.h"
#include <stdio.h>

enum { MAX_NAME = 256 }; /* bytes: a layer's has 200 at most */

/* ---- names: those of layers, tensors and further values are one set ---- */

/* Whether a tensor of the model is called so: LAYER.TENSOR, where that has no dot. */
static bool is_tensor(const cn_model *model, const char *name) {
    cn__tensor_spec specs[CN__MAX_TENSORS];
    char layer[MAX_NAME];
    const char *dot = strrchr(name, '.');
    if (!dot)
        return false;
    memcpy(layer, name, (size_t)(dot - name));
    layer[dot - name] = '\0';
    int32_t node = cn__model_find(model, layer);
    int count = node >= 0 ? cn__node_specs(&model->nodes[node], specs) : 0;
    for (int i = 0; i < count; i++)
        if (strcmp(specs[i].name, dot + 1) == 0)
            return true;
    return false;
}

/* "LAYER/OPERATOR_N", where the operator has no slash, so that no other layer's is the same. */
static void name_piece(cn__export *x, char name[MAX_NAME]) {
    do
        snprintf(name, MAX_NAME, "%s/%s_%d", cn__model_name(x->model, x->at), x->op, ++x->pieces);
    while (cn__model_find(x->model, name) != -2 || is_tensor(x->model, name));
}

const char *cn__export_name(const cn__export *x, cn__exported value) {
    return value.name && !x->names.failed ? (const char *)x->names.data + value.name : "";
}

cn__exported cn__export_named(cn__export *x, const char *name, int dims) {
    size_t length = strlen(name) + 1;
    cn__message_bytes(&x->names, CN__NODE_NAME, name, length); /* as a field, so that none begins at 0 */
    return (cn__exported){x->names.failed ? 0 : x->names.count - length, dims};
}

/* ---- nodes ---- */

void cn__export_begin(cn__export *x, const char *op) {
    x->op = op;
    x->dims = 0;
    x->inputs.count = x->attributes.count = 0;
}

void cn__export_reads(cn__export *x, cn__exported value) {
    cn__message_text(&x->inputs, CN__NODE_INPUT, cn__export_name(x, value));
    x->dims = x->dims ? x->dims : value.dims;
}

enum { /* AttributeProto.AttributeType */
       ATTRIBUTE_FLOAT = 1,
       ATTRIBUTE_INT = 2,
       ATTRIBUTE_STRING = 3,
       ATTRIBUTE_TENSOR = 4,
       ATTRIBUTE_INTS = 7
};

static void put_attribute(cn__export *x, int type) {
    cn__message_int(&x->part, CN__ATTRIBUTE_TYPE, type);
    cn__message_put(&x->attributes, CN__NODE_ATTRIBUTE, &x->part);
}

void cn__export_attr_int(cn__export *x, const char *name, int64_t value) {
    cn__message_text(&x->part, CN__ATTRIBUTE_NAME, name);
    cn__message_int(&x->part, CN__ATTRIBUTE_I, value);
    put_attribute(x, ATTRIBUTE_INT);
}

void cn__export_attr_float(cn__export *x, const char *name, float value) {
    cn__message_text(&x->part, CN__ATTRIBUTE_NAME, name);
    cn__message_float(&x->part, CN__ATTRIBUTE_F, value);
    put_attribute(x, ATTRIBUTE_FLOAT);
}

void cn__export_attr_text(cn__export *x, const char *name, const char *value) {
    cn__message_text(&x->part, CN__ATTRIBUTE_NAME, name);
    cn__message_text(&x->part, CN__ATTRIBUTE_S, value);
    put_attribute(x, ATTRIBUTE_STRING);
}

void cn__export_attr_ints(cn__export *x, const char *name, int count, const int64_t *values) {
    cn__message_text(&x->part, CN__ATTRIBUTE_NAME, name);
    for (int i = 0; i < count; i++)
        cn__message_int(&x->part, CN__ATTRIBUTE_INTS, values[i]);
    put_attribute(x, ATTRIBUTE_INTS);
}

cn__exported cn__export_end(cn__export *x, cn__export_place place) {
    const char *layer = cn__model_name(x->model, x->at);
    char name[MAX_NAME];
    if (place == CN__EXPORT_LAST && !is_tensor(x->model, layer))
        snprintf(name, sizeof name, "%s", layer);
    else
        name_piece(x, name);
    cn__message *node = &x->inputs; /* which is the first of its fields */
    cn__message_text(node, CN__NODE_OUTPUT, name);
    cn__message_text(node, CN__NODE_NAME, name);
    cn__message_text(node, CN__NODE_OP, x->op);
    cn__message_append(node, &x->attributes);
    cn__message_put(&x->nodes, CN__GRAPH_NODE, node);
    return cn__export_named(x, name, x->dims);
}

cn__exported cn__export_unary(cn__export *x, const char *op, cn__exported a, cn__export_place place) {
    cn__export_begin(x, op);
    cn__export_reads(x, a);
    return cn__export_end(x, place);
}

cn__exported cn__export_binary(cn__export *x, const char *op, cn__exported a, cn__exported b, cn__export_place place) {
    cn__export_begin(x, op);
    cn__export_reads(x, a);
    cn__export_reads(x, b);
    return cn__export_end(x, place);
}

void cn__export_needs_opset(cn__export *x, int opset) {
    x->opset = opset > x->opset ? opset : x->opset;
}

/* ---- constants ---- */

static cn__exported put_constant(cn__export *x, int type, int dims, const int64_t *shape, unsigned width, size_t count,
                                 const void *numbers) {
    cn__message tensor = {.ctx = x->ctx};
    for (int i = 0; i < dims; i++)
        cn__message_int(&tensor, CN__TENSOR_DIMS, shape[i]);
    cn__message_int(&tensor, CN__TENSOR_TYPE, type);
    cn__message_numbers(&tensor, CN__TENSOR_RAW, width, count, numbers);
    cn__export_begin(x, "Constant");
    cn__message_text(&x->part, CN__ATTRIBUTE_NAME, "value");
    cn__message_put(&x->part, CN__ATTRIBUTE_T, &tensor);
    put_attribute(x, ATTRIBUTE_TENSOR);
    cn__message_drop(&tensor);
    return cn__export_end(x, CN__EXPORT_PIECE);
}

cn__exported cn__export_numbers(cn__export *x, int dims, const int64_t *shape, const float *values) {
    size_t count = 1;
    for (int i = 0; i < dims; i++)
        count *= (size_t)shape[i];
    return put_constant(x, CN__ONNX_FLOAT, dims, shape, sizeof *values, count, values);
}

cn__exported cn__export_number(cn__export *x, float value) {
    return cn__export_numbers(x, 0, NULL, &value);
}

cn__exported cn__export_ints(cn__export *x, int count, const int64_t *values) {
    const int64_t shape[1] = {count};
    return put_constant(x, CN__ONNX_INT64, 1, shape, sizeof *values, (size_t)count, values);
}

cn__exported cn__export_filled(cn__export *x, int64_t count, float value) {
    float *values = cn__alloc(x->ctx, (size_t)count, sizeof *values);
    if (!values) {
        cn__export_fail(x, cn__no_memory("a constant"));
        return (cn__exported){0};
    }
    for (int64_t i = 0; i < count; i++)
        values[i] = value;
    cn__exported constant = cn__export_numbers(x, 1, &count, values);
    cn__free(x->ctx, values);
    return constant;
}
