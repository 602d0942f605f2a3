/* SPDX-License-Identifier: MIT */
/* tensor_data.c: a tensor's numbers, from its file, or from another in the same folder. */
#include "onnx/proto.h"
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- other files ---- */

/* Cuts off the last part; of a name alone "." is left. */
static void cut_name(char path[CN__MAX_PATH]) {
    char *end = strrchr(path, '/');
    if (!end)
        memcpy(path, ".", 2);
    else
        end[end == path] = '\0';
}

void cn__onnx_folder_of(const char *path, cn__onnx_folder *folder) {
    _Static_assert(CN__MAX_PATH >= PATH_MAX, "realpath writes as much");
    snprintf(folder->path, sizeof folder->path, "%s", path);
    cut_name(folder->path);
    if (!realpath(folder->path, folder->real[0]))
        folder->real[0][0] = '\0';
    if (realpath(path, folder->real[1]))
        cut_name(folder->real[1]);
    else
        folder->real[1][0] = '\0';
}

/* Only down from the folder: not a path from the root, and no part "..". */
static bool stays_inside(cn__bytes location) {
    size_t begin = 0;
    if (location.count == 0 || location.at[0] == '/' || memchr(location.at, '\0', location.count) ||
        memchr(location.at, '\\', location.count))
        return false;
    for (size_t i = 0; i <= location.count; i++)
        if (i == location.count || location.at[i] == '/') {
            if (i - begin == 2 && memcmp(location.at + begin, "..", 2) == 0)
                return false;
            begin = i + 1;
        }
    return true;
}

/* Bytes of the tensor, which the file must have. */
static cn_status check_place(const cn__file *file, const cn__onnx_tensor *tensor, uint64_t *bytes) {
    *bytes = (uint64_t)tensor->count * cn__onnx_type_bytes(tensor->type);
    if (tensor->length != 0 && tensor->length != *bytes)
        return cn__error(CN_ERR_FORMAT, "tensor '%.*s' is to be %llu bytes of '%s', but its shape says %llu",
                         CN__SHOWN(tensor->name), (unsigned long long)tensor->length, file->path,
                         (unsigned long long)*bytes);
    if (tensor->offset > file->size || *bytes > file->size - tensor->offset)
        return cn__error(CN_ERR_FORMAT, "'%s' ends before the numbers of tensor '%.*s'", file->path,
                         CN__SHOWN(tensor->name));
    return CN_OK;
}

static cn_status read_numbers(cn__file *file, const cn__onnx_tensor *tensor, cn__bytes *bytes, void **owned) {
    uint64_t count;
    CN__TRY(check_place(file, tensor, &count));
    *owned = cn__alloc(file->ctx, (size_t)count + 1, 1);
    if (!*owned)
        return cn__no_memory("a tensor of another file");
    *bytes = (cn__bytes){*owned, (size_t)count};
    return cn__file_read_at(file, tensor->offset, *owned, (size_t)count);
}

static bool is_below(const char *path, const char *folder) {
    size_t length = strlen(folder);
    return length > 0 && strncmp(path, folder, length) == 0 && (folder[length - 1] == '/' || path[length] == '/');
}

/* Where a link leads; what is not there is another's to report. */
static bool leads_inside(const char *path, const cn__onnx_folder *folder) {
    char real[CN__MAX_PATH];
    return !realpath(path, real) || is_below(real, folder->real[0]) || is_below(real, folder->real[1]);
}

/* `path` is what file->path refers to. */
static cn_status open_beside(cn_context *ctx, const cn__onnx_folder *folder, const cn__onnx_tensor *tensor,
                             char path[CN__MAX_PATH], cn__file *file) {
    char name[CN__MAX_PATH];
    bool inside = folder && tensor->location.count < CN__MAX_PATH && stays_inside(tensor->location);
    if (inside) {
        memcpy(name, tensor->location.at, tensor->location.count);
        name[tensor->location.count] = '\0';
        CN__TRY(cn__path(path, folder->path, name, ""));
    }
    if (!inside || !leads_inside(path, folder))
        return cn__error(CN_ERR_FORMAT, "tensor '%.*s' is in '%.*s', which is not in the model's folder",
                         CN__SHOWN(tensor->name), CN__SHOWN(tensor->location));
    return cn__file_open(ctx, path, file);
}

static cn_status check_type(const cn__onnx_tensor *tensor) {
    if (cn__onnx_type_bytes(tensor->type) != 0)
        return CN_OK;
    return cn__error(CN_ERR_UNSUPPORTED, "tensor '%.*s' is of type %lld, which is not read", CN__SHOWN(tensor->name),
                     (long long)tensor->type);
}

cn_status cn__onnx_tensor_check(cn_context *ctx, const cn__onnx_folder *folder, cn__onnx_tensor *tensor) {
    char path[CN__MAX_PATH];
    uint64_t bytes;
    cn__file file;
    CN__TRY(check_type(tensor));
    if (tensor->present)
        return CN_OK;
    CN__TRY(open_beside(ctx, folder, tensor, path, &file));
    cn_status status = check_place(&file, tensor, &bytes);
    tensor->present = status == CN_OK;
    cn__file_close(&file);
    return status;
}

cn_status cn__onnx_tensor_fetch(cn_context *ctx, const cn__onnx_folder *folder, const cn__onnx_tensor *tensor,
                                cn__bytes *bytes, void **owned) {
    char path[CN__MAX_PATH];
    cn__file file;
    *owned = NULL;
    CN__TRY(check_type(tensor));
    if (!tensor->location.at) {
        *bytes = tensor->raw.at ? tensor->raw : tensor->message;
        return CN_OK;
    }
    CN__TRY(open_beside(ctx, folder, tensor, path, &file));
    cn_status status = read_numbers(&file, tensor, bytes, owned);
    cn__file_close(&file);
    if (status != CN_OK) {
        cn__free(ctx, *owned);
        *owned = NULL;
    }
    return status;
}

/* ---- numbers ---- */

/* Goes through a tensor's numbers as bits, wherever they lie. */
typedef struct cursor {
    int64_t type;
    unsigned width;
    const unsigned char *raw; /* NULL: */
    cn__repeated typed;
} cursor;

static cursor begin(const cn__onnx_tensor *tensor, cn__bytes bytes) {
    cursor c = {tensor->type, cn__onnx_type_bytes(tensor->type), NULL, {{0}, {0}, 0, CN__WIRE_VARINT}};
    if (tensor->raw.at || tensor->location.at)
        c.raw = bytes.at;
    else
        c.typed = cn__onnx_tensor_typed(tensor);
    return c;
}

static uint64_t next(cursor *c) {
    uint64_t bits = 0;
    if (!c->raw) {
        cn__wire_number(&c->typed, &bits); /* they have been counted */
        return bits;
    }
    for (unsigned i = 0; i < c->width; i++)
        bits |= (uint64_t)c->raw[i] << (8 * i);
    c->raw += c->width;
    return bits;
}

static float float_of(uint32_t bits) {
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static double number_of(int64_t type, uint64_t bits) {
    double value;
    switch (type) {
    case CN__ONNX_FLOAT:
        return (double)float_of((uint32_t)bits);
    case CN__ONNX_FLOAT16:
        return (double)cn__half_value((uint32_t)bits & 65535);
    case CN__ONNX_BFLOAT16:
        return (double)float_of((uint32_t)bits << 16);
    case CN__ONNX_DOUBLE:
        memcpy(&value, &bits, sizeof value);
        return value;
    case CN__ONNX_INT8:
        return (double)(int8_t)bits;
    case CN__ONNX_INT32:
        return (double)(int32_t)bits;
    case CN__ONNX_INT64:
        return (double)(int64_t)bits;
    default: /* UINT8, BOOL */
        return (double)(bits & 255);
    }
}

void cn__onnx_tensor_doubles(const cn__onnx_tensor *tensor, cn__bytes bytes, double *to) {
    cursor c = begin(tensor, bytes);
    for (int64_t i = 0; i < tensor->count; i++)
        to[i] = number_of(c.type, next(&c));
}

cn_status cn__onnx_tensor_floats(const cn__onnx_tensor *tensor, cn__bytes bytes, float *to) {
    cursor c = begin(tensor, bytes);
    for (int64_t i = 0; i < tensor->count; i++) {
        double number = number_of(c.type, next(&c));
        to[i] = (float)number;
        if (isinf(to[i]) && !isinf(number))
            return cn__error(CN_ERR_FORMAT, "tensor '%.*s' has %g at place %lld, which float32 cannot hold",
                             CN__SHOWN(tensor->name), number, (long long)i);
    }
    return CN_OK;
}
