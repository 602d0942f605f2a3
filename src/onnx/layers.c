/* SPDX-License-Identifier: MIT */
/* layers.c: layers of the model that is made, and where their numbers come from. */
#include "onnx/importer.h"
#include <stdio.h>

cn_status cn__onnx_add(cn__onnx *onnx, const cn__onnx_node *node, const char *name, cn_layer *layer, int count,
                       const int32_t *inputs, int32_t *made) {
    char own[CN__ONNX_NAME];
    bool full = onnx->model->node_count >= CN__MAX_LAYERS;
    const char **names = full ? NULL : cn__alloc(onnx->ctx, (size_t)count, sizeof *names);
    if (!names) {
        cn_layer_free(layer);
        return full ? cn__error(CN_ERR_UNSUPPORTED, "it makes more than %d layers", CN__MAX_LAYERS)
                    : cn__no_memory("a layer's inputs");
    }
    for (int i = 0; i < count; i++)
        names[i] = cn__model_name(onnx->model, inputs[i]);
    if (!name)
        cn__onnx_layer_name(onnx, node, -1, -1, own);
    cn_status status = cn_model_add(onnx->model, name ? name : own, layer, count, names);
    cn__free(onnx->ctx, (void *)names);
    *made = (int32_t)onnx->model->node_count - 1;
    return status;
}

cn_status cn__onnx_chain(cn__onnx *onnx, const cn__onnx_node *node, cn_status status, cn_layer *const *made,
                         int32_t *layer) {
    return status == CN_OK ? cn__onnx_add(onnx, node, NULL, *made, 1, layer, layer) : status;
}

cn_status cn__onnx_add_after(cn__onnx *onnx, const cn__onnx_node *node, int32_t weight, int32_t bias, cn_layer *layer,
                             int32_t *at) {
    char name[CN__ONNX_NAME];
    cn__onnx_layer_name(onnx, node, weight, bias, name);
    return cn__onnx_add(onnx, node, name, layer, 1, at, at);
}

void cn__onnx_give(cn__onnx *onnx, const cn__onnx_node *node, int output, cn__onnx_view view) {
    if (output < node->output_count && node->outputs[output] >= 0)
        onnx->values[node->outputs[output]].view = view;
}

cn_status cn__onnx_affine(cn__onnx *onnx, const cn__onnx_node *node, double scale, double shift, int32_t *layer) {
    cn_layer *made;
    if (scale == 1.0 && shift == 0.0)
        return CN_OK;
    cn_status status = cn_affine_new(onnx->ctx, (float)scale, (float)shift, &made);
    return cn__onnx_chain(onnx, node, status, &made, layer);
}

cn_status cn__onnx_pad(cn__onnx *onnx, const cn__onnx_node *node, const int64_t top_left[2],
                       const int64_t bottom_right[2], cn_padding_mode mode, float value, int32_t *layer) {
    const int64_t sides[4] = {top_left[1], bottom_right[1], top_left[0], bottom_right[0]};
    char name[CN__ONNX_NAME + 4];
    int padding[4];
    cn_layer *made;
    bool none = true;
    for (int i = 0; i < 4; i++) {
        if (sides[i] > CN__MAX_SIDE || sides[i] < -CN__MAX_SIDE)
            return cn__error(CN_ERR_FORMAT, "its padding is %lld", (long long)sides[i]);
        padding[i] = (int)sides[i];
        none = none && sides[i] == 0;
    }
    if (none)
        return CN_OK;
    cn__onnx_layer_name(onnx, node, -1, -1, name);
    snprintf(name + strlen(name), sizeof name - strlen(name), "_pad");
    cn__onnx_free_name(onnx, false, name);
    CN__TRY(cn_pad2d_new(onnx->ctx, padding, mode, value, &made));
    return cn__onnx_add(onnx, node, name, made, 1, layer, layer);
}

/* ---- numbers ---- */

static int64_t elements(const cn__onnx *onnx, int32_t layer, int tensor, int64_t *rows) {
    cn__tensor_spec specs[CN__MAX_TENSORS];
    int64_t count = 1;
    if (tensor >= cn__node_specs(&onnx->model->nodes[layer], specs))
        return -1;
    for (int i = 0; i < specs[tensor].dims; i++)
        count *= specs[tensor].shape[i];
    *rows = specs[tensor].dims ? specs[tensor].shape[0] : 1;
    return count;
}

/* So that a small file cannot ask for much memory. */
static cn_status count_filled(cn__onnx *onnx, int64_t elements) {
    enum { SHARED = 4, SMALL = 1 << 24 };
    onnx->filled += elements;
    return onnx->filled <= SHARED * onnx->given + SMALL
               ? CN_OK
               : cn__error(CN_ERR_UNSUPPORTED, "its parameters are shared by too many layers");
}

cn_status cn__onnx_fill(cn__onnx *onnx, int32_t layer, int tensor, int32_t value, cn__onnx_how how, float factor) {
    int64_t shape[CN_MAX_DIMS], count = 1, rows, wanted = elements(onnx, layer, tensor, &rows);
    int dims;
    if (how != CN__FILL_NUMBER) {
        if (!cn__onnx_constant_shape(onnx, value, &dims, shape))
            return cn__error(CN_ERR_UNSUPPORTED, "its parameters are computed, not constants");
        for (int i = 0; i < dims; i++)
            count *= shape[i];
        if (count != wanted && !(how == CN__FILL_SPREAD && count > 0 && wanted % count == 0))
            return cn__error(CN_ERR_FORMAT, "its parameter '%.*s' has %lld elements, wanted %lld",
                             CN__SHOWN(onnx->values[value].name), (long long)count, (long long)wanted);
    }
    cn__onnx_tensor *tensor_of_file = how != CN__FILL_NUMBER ? onnx->values[value].tensor : NULL;
    if (tensor_of_file && !tensor_of_file->present) {
        CN__TRY(cn__onnx_tensor_check(onnx->ctx, onnx->folder, tensor_of_file));
        onnx->given += tensor_of_file->count;
    }
    CN__TRY(count_filled(onnx, wanted));
    CN__TRY(cn__grow(onnx->ctx, (void **)&onnx->fills, &onnx->fill_capacity, onnx->fill_count, sizeof *onnx->fills));
    onnx->fills[onnx->fill_count++] = (cn__onnx_numbers){layer, value, tensor, how, factor};
    return CN_OK;
}

/* Copies of one parameter are trained each by itself, which is not what a program does that shares it. Parameters that
 * an exporter has found to be equal are Identities of one, and no business of ours. */
static void note_shared(const cn__onnx *onnx, const cn__onnx_numbers *a, const cn__onnx_numbers *b) {
    cn__log(
        onnx->ctx, CN_LOG_INFO,
        "the ONNX file has parameters that several layers read, such as '%.*s' of '%s' and '%s': each layer gets and "
        "trains its own copy",
        CN__SHOWN(onnx->values[a->value].name), onnx->model->nodes[a->layer].name, onnx->model->nodes[b->layer].name);
}

static cn_status find_shared(const cn__onnx *onnx) {
    const cn__onnx_numbers **first = cn__alloc(onnx->ctx, (size_t)onnx->value_count + 1, sizeof *first);
    if (!first)
        return cn__no_memory("an ONNX file's parameters");
    for (size_t i = 0; i < onnx->fill_count; i++) {
        const cn__onnx_numbers *fill = &onnx->fills[i];
        if (fill->value < 0 || (onnx->model->nodes[fill->layer].constants >> fill->tensor & 1))
            continue;
        if (first[fill->value]) {
            note_shared(onnx, first[fill->value], fill);
            break;
        }
        first[fill->value] = fill;
    }
    cn__free(onnx->ctx, (void *)first);
    return CN_OK;
}

cn_status cn__onnx_find_constants(cn__onnx *onnx) {
    bool has_parameters = false;
    for (size_t i = 0; i < onnx->fill_count; i++)
        has_parameters = has_parameters || (onnx->fills[i].value >= 0 && !onnx->values[onnx->fills[i].value].written);
    for (size_t i = 0; i < onnx->fill_count; i++) {
        const cn__onnx_numbers *fill = &onnx->fills[i];
        if (fill->value < 0 || (has_parameters && onnx->values[fill->value].written))
            onnx->model->nodes[fill->layer].constants |= 1u << fill->tensor;
    }
    return find_shared(onnx);
}

static cn_status read_numbers(cn__onnx *onnx, const cn__onnx_value *value, int64_t count, float *to) {
    cn__bytes bytes;
    void *owned;
    if (!value->tensor) {
        for (int64_t i = 0; i < count; i++)
            to[i] = (float)value->constant->numbers[i];
        return CN_OK;
    }
    CN__TRY(cn__onnx_tensor_fetch(onnx->ctx, onnx->folder, value->tensor, &bytes, &owned));
    cn_status status = cn__onnx_tensor_floats(value->tensor, bytes, to);
    cn__free(onnx->ctx, owned);
    return status;
}

/* Element i of a matrix of `rows` rows that lies transposed. */
static void place(const cn__onnx_numbers *fill, int64_t rows, int64_t elements, const float *from, int64_t given,
                  float *to) {
    int64_t columns = elements / rows;
    for (int64_t i = 0; i < elements; i++)
        switch (fill->how) {
        case CN__FILL_PLAIN:
            to[i] = fill->factor * from[i];
            break;
        case CN__FILL_TRANSPOSED:
            to[i] = fill->factor * from[i % columns * rows + i / columns];
            break;
        case CN__FILL_SPREAD:
            to[i] = fill->factor * from[i / (elements / given)];
            break;
        case CN__FILL_NEGATIVE:
            to[i] = -from[i];
            break;
        case CN__FILL_RECIPROCAL:
            to[i] = 1.0f / from[i];
            break;
        case CN__FILL_NUMBER:
            to[i] = fill->factor;
        }
}

static cn_status fill_one(cn__onnx *onnx, const cn__onnx_numbers *fill) {
    const cn__node *node = &onnx->model->nodes[fill->layer];
    cn_tensor *tensor = &onnx->model->tensors[node->first_tensor + fill->tensor].value;
    int64_t rows = tensor->dims ? tensor->shape[0] : 1, given = 0;
    float *from = NULL;
    cn_status status = CN_OK;
    if (fill->how != CN__FILL_NUMBER) {
        const cn__onnx_value *value = &onnx->values[fill->value];
        given = value->tensor ? value->tensor->count : value->constant->count;
        if (fill->how == CN__FILL_PLAIN && fill->factor == 1.0f)
            return read_numbers(onnx, value, given, tensor->data);
        from = cn__alloc(onnx->ctx, (size_t)given + 1, sizeof *from);
        status = from ? read_numbers(onnx, value, given, from) : cn__no_memory("a parameter");
    }
    if (status == CN_OK && tensor->count > 0)
        place(fill, rows, tensor->count, from, given, tensor->data);
    cn__free(onnx->ctx, from);
    return status;
}

cn_status cn__onnx_fill_all(cn__onnx *onnx) {
    for (size_t i = 0; i < onnx->fill_count; i++)
        CN__TRY(fill_one(onnx, &onnx->fills[i]));
    return CN_OK;
}
