/* SPDX-License-Identifier: MIT */
/* tensor.c: dense row-major arrays that carry data between the library and its user. */
#include "base/base.h"
#include <math.h>
#include <stdio.h>

size_t cn__dtype_bytes(cn_dtype dtype) {
    return dtype == CN_DTYPE_FLOAT32 ? 4 : dtype == CN_DTYPE_INT64 ? 8 : 1;
}

const char *cn__dtype_name(cn_dtype dtype) {
    return dtype == CN_DTYPE_FLOAT32 ? "float32" : dtype == CN_DTYPE_INT64 ? "int64" : "uint8";
}

const char *cn__shape_text(char *buffer, int dims, const int64_t *shape) {
    size_t used = 0;
    used += (size_t)snprintf(buffer, CN__SHAPE_TEXT, "[");
    for (int i = 0; i < dims; i++)
        used += (size_t)snprintf(buffer + used, CN__SHAPE_TEXT - used, "%s%lld", i ? ", " : "", (long long)shape[i]);
    snprintf(buffer + used, CN__SHAPE_TEXT - used, "]");
    return buffer;
}

/* Elements in all, or CN_ERR_SHAPE. */
static cn_status count_elements(const char *function, cn_dtype dtype, int dims, const int64_t *shape, int64_t *count) {
    char text[CN__SHAPE_TEXT];
    if (dtype != CN_DTYPE_FLOAT32 && dtype != CN_DTYPE_UINT8 && dtype != CN_DTYPE_INT64)
        return cn__error(CN_ERR_ARGUMENT, "%s: unknown dtype %d", function, (int)dtype);
    if (dims < 0 || dims > CN_MAX_DIMS)
        return cn__error(CN_ERR_ARGUMENT, "%s: dims is %d, wanted 0 to %d", function, dims, CN_MAX_DIMS);
    if (dims > 0 && !shape)
        return cn__error(CN_ERR_ARGUMENT, "%s: shape is NULL", function);
    int64_t largest = (int64_t)(PTRDIFF_MAX / (ptrdiff_t)cn__dtype_bytes(dtype));
    *count = 1;
    for (int i = 0; i < dims; i++)
        if (shape[i] < 0 || __builtin_mul_overflow(*count, shape[i], count) || *count > largest)
            return cn__error(CN_ERR_SHAPE, "%s: shape %s is negative or too large", function,
                             cn__shape_text(text, dims, shape));
    return CN_OK;
}

static cn_status make(cn_context *ctx, const char *function, cn_dtype dtype, int dims, const int64_t *shape,
                      cn_tensor **tensor) {
    int64_t count = 0;
    if (!ctx)
        return cn__error(CN_ERR_ARGUMENT, "%s: context is NULL", function);
    CN__TRY(count_elements(function, dtype, dims, shape, &count));
    cn_tensor *made = cn__alloc(ctx, 1, sizeof *made);
    if (!made)
        return cn__no_memory("a tensor");
    made->ctx = ctx;
    made->dtype = dtype;
    made->dims = dims;
    made->count = count;
    for (int i = 0; i < dims; i++)
        made->shape[i] = shape[i];
    *tensor = made;
    return CN_OK;
}

cn_status cn_tensor_new(cn_context *context, cn_dtype dtype, int dims, const int64_t *shape, cn_tensor **tensor) {
    cn_tensor *made = NULL;
    CN__REQUIRE(tensor);
    *tensor = NULL;
    CN__TRY(make(context, __func__, dtype, dims, shape, &made));
    made->data = cn__alloc(context, (size_t)made->count, cn__dtype_bytes(dtype));
    made->owned = true;
    if (!made->data) {
        char text[CN__SHAPE_TEXT];
        cn__free(context, made);
        return cn__error(CN_ERR_MEMORY, "no memory for a %s tensor %s", cn__dtype_name(dtype),
                         cn__shape_text(text, dims, shape));
    }
    *tensor = made;
    return CN_OK;
}

cn_status cn_tensor_borrow(cn_context *context, cn_dtype dtype, int dims, const int64_t *shape, void *data,
                           cn_tensor **tensor) {
    cn_tensor *made = NULL;
    CN__REQUIRE(tensor);
    *tensor = NULL;
    CN__REQUIRE(data);
    CN__TRY(make(context, __func__, dtype, dims, shape, &made));
    made->data = data;
    *tensor = made;
    return CN_OK;
}

cn_status cn_tensor_borrow_const(cn_context *context, cn_dtype dtype, int dims, const int64_t *shape, const void *data,
                                 cn_tensor **tensor) {
    cn_tensor *made = NULL;
    CN__REQUIRE(tensor);
    *tensor = NULL;
    CN__REQUIRE(data);
    CN__TRY(make(context, __func__, dtype, dims, shape, &made));
    made->data = (void *)(uintptr_t)data; /* nothing writes to it: see cn__tensor_writable */
    made->read_only = true;
    *tensor = made;
    return CN_OK;
}

cn_status cn__tensor_writable(const cn_tensor *tensor, const char *what) {
    return tensor->read_only ? cn__error(CN_ERR_ARGUMENT, "%s is a tensor that is only to be read", what) : CN_OK;
}

void cn_tensor_free(cn_tensor *tensor) {
    if (!tensor)
        return;
    if (tensor->owned)
        cn__free(tensor->ctx, tensor->data);
    cn__free(tensor->ctx, tensor);
}

void *cn_tensor_data(cn_tensor *tensor) {
    return tensor && !tensor->read_only ? tensor->data : NULL;
}

const void *cn_tensor_data_const(const cn_tensor *tensor) {
    return tensor ? tensor->data : NULL;
}

cn_dtype cn_tensor_dtype(const cn_tensor *tensor) {
    return tensor ? tensor->dtype : (cn_dtype)0;
}

int cn_tensor_dims(const cn_tensor *tensor) {
    return tensor ? tensor->dims : 0;
}

int64_t cn_tensor_shape(const cn_tensor *tensor, int dimension) {
    return tensor && dimension >= 0 && dimension < tensor->dims ? tensor->shape[dimension] : 0;
}

int64_t cn_tensor_count(const cn_tensor *tensor) {
    return tensor ? tensor->count : 0;
}

int64_t cn_tensor_argmax(const cn_tensor *tensor, int64_t row) {
    CN__COMPUTES;
    if (!tensor || tensor->dtype != CN_DTYPE_FLOAT32 || tensor->dims != 2 || row < 0 || row >= tensor->shape[0])
        return -1;
    const float *values = (const float *)tensor->data + row * tensor->shape[1];
    int64_t best = -1;
    for (int64_t i = 0; i < tensor->shape[1]; i++)
        if (!isnan(values[i]) && (best < 0 || values[i] > values[best]))
            best = i;
    return best;
}

cn_status cn__tensor_expect(const cn_tensor *tensor, const char *what, cn_dtype dtype, int dims, const int64_t *shape) {
    char got[CN__SHAPE_TEXT], wanted[CN__SHAPE_TEXT];
    bool same = tensor->dtype == dtype && tensor->dims == dims;
    for (int i = 0; same && i < dims; i++)
        same = tensor->shape[i] == shape[i];
    if (same)
        return CN_OK;
    return cn__error(CN_ERR_SHAPE, "%s is %s %s, wanted %s %s", what, cn__dtype_name(tensor->dtype),
                     cn__shape_text(got, tensor->dims, tensor->shape), cn__dtype_name(dtype),
                     cn__shape_text(wanted, dims, shape));
}
