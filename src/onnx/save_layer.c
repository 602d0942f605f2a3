/* SPDX-License-Identifier: MIT */
/* save_layer.c: what the layer whose nodes are written is: options, inputs, tensors. */
#include "onnx/exporter.h"

static const cn__node *node_of(const cn__export *x) {
    return &x->model->nodes[x->at];
}

/* ---- options ---- */

/* A hyper-parameter's place in the layer's struct; writers ask for those that there are. */
static const void *option(const cn__export *x, const char *name, const char *suffix, const cn__attr **attr) {
    const cn_layer *layer = node_of(x)->layer;
    size_t length = strlen(name);
    for (*attr = layer->type->attrs; (*attr)->name; ++*attr)
        if (strncmp((*attr)->name, name, length) == 0 && strcmp((*attr)->name + length, suffix) == 0)
            break;
    return (const char *)layer + (*attr)->offset;
}

static int32_t int_option(const cn__export *x, const char *name, const char *suffix) {
    const cn__attr *attr;
    return *(const int32_t *)option(x, name, suffix, &attr);
}

int32_t cn__export_int(const cn__export *x, const char *name) {
    return int_option(x, name, "");
}

double cn__export_real(const cn__export *x, const char *name) {
    const cn__attr *attr;
    const void *place = option(x, name, "", &attr);
    return attr->kind == CN__ATTR_FLOAT ? (double)*(const float *)place : *(const double *)place;
}

void cn__export_pair(const cn__export *x, const char *name, int64_t pair[2]) {
    pair[0] = int_option(x, name, "_height");
    pair[1] = int_option(x, name, "_width");
}

/* ---- inputs ---- */

static cn__exported_layer *read(const cn__export *x, int32_t input) {
    return &x->layers[node_of(x)->inputs[input] + 1];
}

cn__shape cn__export_shape(const cn__export *x, int32_t input) {
    return cn__model_shape(x->model, node_of(x)->inputs[input]);
}

cn__shape cn__export_out(const cn__export *x) {
    return node_of(x)->shape;
}

cn__exported cn__export_input(cn__export *x, int32_t input) {
    return read(x, input)->own;
}

cn__exported cn__export_image(cn__export *x, int32_t input) {
    cn__exported_layer *value = read(x, input);
    if (value->own.dims == 4)
        return value->own;
    if (!value->other.name)
        value->other = cn__export_reshaped(x, value->own, cn__export_shape(x, input), CN__EXPORT_PIECE);
    return value->other;
}

cn__exported cn__export_flat(cn__export *x, int32_t input) {
    cn__exported_layer *value = read(x, input);
    if (value->own.dims == 2)
        return value->own;
    if (!value->other.name) {
        value->other = cn__export_unary(x, "Flatten", value->own, CN__EXPORT_PIECE);
        value->other.dims = 2;
    }
    return value->other;
}

void cn__export_begin_all(cn__export *x, const char *op) {
    const cn__node *node = node_of(x);
    bool flat = true;
    for (int32_t i = 0; i < node->input_count; i++)
        flat = flat && cn__export_input(x, i).dims == 2;
    for (int32_t i = 0; i < node->input_count && !flat; i++)
        cn__export_image(x, i);
    cn__export_begin(x, op);
    for (int32_t i = 0; i < node->input_count; i++)
        cn__export_reads(x, flat ? cn__export_flat(x, i) : cn__export_image(x, i));
}

/* ---- tensors ---- */

/* Which of the layer's tensors; -1: none of that name. */
static int find_tensor(const cn__export *x, const char *name, cn__tensor_spec *spec) {
    cn__tensor_spec specs[CN__MAX_TENSORS];
    int count = cn__node_specs(node_of(x), specs);
    for (int i = 0; i < count; i++)
        if (strcmp(specs[i].name, name) == 0) {
            *spec = specs[i];
            return i;
        }
    return -1;
}

static cn_status put_tensor(cn__export *x, const cn__model_tensor *tensor, int dims, const int64_t *shape) {
    cn__message message = {.ctx = x->ctx}, *heads = &x->heads;
    size_t bytes = (size_t)tensor->value.count * sizeof(float), begin = heads->count;
    CN__TRY(cn__grow(x->ctx, (void **)&x->tensors, &x->tensor_capacity, x->tensor_count, sizeof *x->tensors));
    for (int i = 0; i < dims; i++)
        cn__message_int(&message, CN__TENSOR_DIMS, shape[i]);
    cn__message_int(&message, CN__TENSOR_TYPE, CN__ONNX_FLOAT);
    cn__message_text(&message, CN__TENSOR_NAME, tensor->name);
    cn__message_head(&message, CN__TENSOR_RAW, bytes);
    cn__message_head(heads, CN__GRAPH_TENSOR, message.count + bytes);
    cn__message_append(heads, &message);
    cn__message_drop(&message);
    x->tensors[x->tensor_count++] = (cn__exported_tensor){begin, heads->count - begin, &tensor->value};
    return CN_OK;
}

cn__exported cn__export_tensor(cn__export *x, const char *name, int dims, const int64_t *shape) {
    cn__tensor_spec spec;
    int index = find_tensor(x, name, &spec);
    if (index < 0)
        return (cn__exported){0};
    const cn__model_tensor *tensor = &x->model->tensors[node_of(x)->first_tensor + index];
    if (node_of(x)->constants >> index & 1)
        return cn__export_numbers(x, dims ? dims : spec.dims, dims ? shape : spec.shape, tensor->value.data);
    cn__export_fail(x, put_tensor(x, tensor, dims ? dims : spec.dims, dims ? shape : spec.shape));
    return cn__export_named(x, tensor->name, spec.dims);
}

cn__exported cn__export_by_channel(cn__export *x, const char *name, int value_dims) {
    cn__tensor_spec spec;
    if (find_tensor(x, name, &spec) < 0)
        return (cn__exported){0};
    const int64_t shape[3] = {spec.shape[0], 1, 1};
    return cn__export_tensor(x, name, value_dims == 4 ? 3 : 1, shape);
}
