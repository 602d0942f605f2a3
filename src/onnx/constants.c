/* SPDX-License-Identifier: MIT */
/* constants.c: small tensors whose numbers are known beforehand. */
#include "onnx/importer.h"

cn__onnx_constant *cn__onnx_constant_new(cn__onnx *onnx, bool integer, int dims, const int64_t *shape) {
    int64_t count = 1;
    for (int i = 0; i < dims; i++) {
        if (shape[i] < 0 || shape[i] > CN__ONNX_MAX_CONSTANT || count * shape[i] > CN__ONNX_MAX_CONSTANT)
            return NULL;
        count *= shape[i];
    }
    if (onnx->known + count > CN__ONNX_MAX_CONSTANTS)
        return NULL;
    onnx->known += count + CN_MAX_DIMS;
    cn__onnx_constant *made = cn__onnx_alloc(onnx, 1, sizeof *made);
    double *numbers = cn__onnx_alloc(onnx, (size_t)count, sizeof *numbers);
    if (!made || !numbers)
        return NULL;
    *made = (cn__onnx_constant){.integer = integer, .dims = dims, .count = count, .numbers = numbers};
    if (dims > 0)
        memcpy(made->shape, shape, (size_t)dims * sizeof *shape);
    return made;
}

const cn__onnx_constant *cn__onnx_constant_of(cn__onnx *onnx, int32_t value) {
    if (value < 0)
        return NULL;
    cn__onnx_value *v = &onnx->values[value];
    const cn__onnx_tensor *tensor = v->tensor;
    if (v->constant || !tensor || tensor->count > CN__ONNX_MAX_CONSTANT || tensor->location.at ||
        cn__onnx_type_bytes(tensor->type) == 0)
        return v->constant;
    bool integer = !cn__onnx_type_is_float(tensor->type);
    cn__onnx_constant *made = cn__onnx_constant_new(onnx, integer, tensor->dims, tensor->shape);
    if (made)
        cn__onnx_tensor_doubles(tensor, tensor->raw.at ? tensor->raw : tensor->message, made->numbers);
    v->constant = made;
    return made;
}

bool cn__onnx_scalar(cn__onnx *onnx, int32_t value, double *number) {
    const cn__onnx_constant *constant = cn__onnx_constant_of(onnx, value);
    if (!constant || constant->count != 1)
        return false;
    *number = constant->numbers[0];
    return true;
}

bool cn__onnx_constant_shape(const cn__onnx *onnx, int32_t value, int *dims, int64_t shape[CN_MAX_DIMS]) {
    if (value < 0)
        return false;
    const cn__onnx_value *v = &onnx->values[value];
    if (!v->tensor && !v->constant)
        return false;
    *dims = v->tensor ? v->tensor->dims : v->constant->dims;
    memcpy(shape, v->tensor ? v->tensor->shape : v->constant->shape, CN_MAX_DIMS * sizeof *shape);
    return true;
}
