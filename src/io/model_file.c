/* model_file.c: a model into a file, out of a file, and tensors by name from a file into a model. */
#include "io/io.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h> /* crc32_z */

#define VERSION     1
#define KEY_VERSION "convnet.version"
#define KEY_MODEL   "convnet.model"
#define KEY_CRC     "convnet.crc32"

enum { CRC_TEXT = 9, MAX_TENSOR_NAME = 256 };

/* ---- numbers in the file's byte order, little-endian, on any machine ---- */

static void store(unsigned char *bytes, const cn_tensor *tensor) {
    size_t width = cn__dtype_bytes(tensor->dtype);
    for (int64_t i = 0; i < tensor->count; i++, bytes += width) {
        uint64_t value = 0;
        uint32_t narrow;
        if (tensor->dtype == CN_DTYPE_INT64) {
            memcpy(&value, (const int64_t *)tensor->data + i, sizeof value);
        } else {
            memcpy(&narrow, (const float *)tensor->data + i, sizeof narrow);
            value = narrow;
        }
        for (size_t b = 0; b < width; b++)
            bytes[b] = (unsigned char)(value >> (8 * b));
    }
}

static void load(cn_tensor *tensor, const unsigned char *bytes) {
    size_t width = cn__dtype_bytes(tensor->dtype);
    for (int64_t i = 0; i < tensor->count; i++, bytes += width) {
        uint64_t value = 0;
        for (size_t b = 0; b < width; b++)
            value |= (uint64_t)bytes[b] << (8 * b);
        uint32_t narrow = (uint32_t)value;
        if (tensor->dtype == CN_DTYPE_INT64)
            memcpy((int64_t *)tensor->data + i, &value, sizeof value);
        else
            memcpy((float *)tensor->data + i, &narrow, sizeof narrow);
    }
}

static const char *dtype_text(cn_dtype dtype) {
    return dtype == CN_DTYPE_INT64 ? "I64" : "F32";
}

/* ---- checksum ---- */

static void checksum(char text[CRC_TEXT], const char *model, const void *data, size_t bytes) {
    uLong crc = crc32_z(0, (const Bytef *)model, strlen(model));
    if (bytes > 0) /* zlib takes a NULL for a fresh start */
        crc = crc32_z(crc, data, bytes);
    snprintf(text, CRC_TEXT, "%08lx", (unsigned long)(crc & 0xFFFFFFFF));
}

/* Files from elsewhere have none. */
static cn_status check_checksum(const cn__safetensors *file) {
    const char *stored = cn__safetensors_metadata(file, KEY_CRC);
    const char *model = cn__safetensors_metadata(file, KEY_MODEL);
    char found[CRC_TEXT];
    if (!stored)
        return CN_OK;
    checksum(found, model ? model : "", file->data, file->bytes);
    if (strcmp(stored, found) == 0)
        return CN_OK;
    return cn__error(CN_ERR_FORMAT, "its content is damaged: checksum %s, stored as %.20s", found, stored);
}

/* ---- saving ---- */

/* An entry for each tensor. In the data the wider types come first, so that all lie aligned. Returns the data's bytes.
 */
static size_t place(const cn_model *model, cn__entry *entries) {
    static const cn_dtype order[] = {CN_DTYPE_INT64, CN_DTYPE_FLOAT32};
    uint64_t at = 0;
    for (size_t o = 0; o < CN__COUNT(order); o++)
        for (size_t i = 0; i < model->tensor_count; i++) {
            const cn_tensor *tensor = &model->tensors[i].value;
            if (tensor->dtype != order[o])
                continue;
            uint64_t end = at + (uint64_t)tensor->count * cn__dtype_bytes(tensor->dtype);
            entries[i] =
                (cn__entry){model->tensors[i].name, dtype_text(tensor->dtype), tensor->dims, {0}, at, end, false};
            memcpy(entries[i].shape, tensor->shape, sizeof tensor->shape);
            at = end;
        }
    return (size_t)at;
}

static cn_status save(const cn_model *model, const char *path, const char *architecture, cn__entry *entries) {
    char crc[CRC_TEXT], version[12];
    size_t bytes = place(model, entries);
    unsigned char *data = cn__alloc(model->ctx, bytes, 1);
    if (!data)
        return cn__no_memory("a file's data");
    for (size_t i = 0; i < model->tensor_count; i++)
        store(data + entries[i].begin, &model->tensors[i].value);
    checksum(crc, architecture, data, bytes);
    snprintf(version, sizeof version, "%d", VERSION);
    const cn__metadata metadata[] = {
        {"format", "pt"}, {KEY_VERSION, version}, {KEY_MODEL, architecture}, {KEY_CRC, crc}};
    cn_status status = cn__safetensors_write(model->ctx, path, entries, model->tensor_count, metadata,
                                             CN__COUNT(metadata), data, bytes);
    cn__free(model->ctx, data);
    return status;
}

cn_status cn_model_save(const cn_model *model, const char *path) {
    char *architecture;
    CN__TRY(cn__model_ready(model, __func__));
    CN__REQUIRE(path);
    CN__TRY(cn__architecture_write(model, &architecture));
    cn__entry *entries = cn__alloc(model->ctx, model->tensor_count, sizeof *entries);
    cn_status status = entries ? save(model, path, architecture, entries) : cn__no_memory("a file's tensors");
    cn__free(model->ctx, entries);
    cn_text_free(architecture);
    return status;
}

/* ---- tensors by name ---- */

static bool may_be_missing(const char *tensor) {
    return strcmp(tensor, "num_batches_tracked") == 0; /* older files of PyTorch lack it */
}

static cn_status check_entry(const cn__safetensors *file, const char *name, const cn__tensor_spec *spec) {
    char has[CN__SHAPE_TEXT], wants[CN__SHAPE_TEXT];
    const cn__entry *entry = cn__safetensors_find(file, name);
    if (!entry && may_be_missing(spec->name))
        return CN_OK;
    if (!entry)
        return cn__error(CN_ERR_NOT_FOUND, "it has no tensor '%s'", name);
    bool same = strcmp(entry->dtype, dtype_text(spec->dtype)) == 0 && entry->dims == spec->dims;
    for (int i = 0; same && i < spec->dims; i++)
        same = entry->shape[i] == spec->shape[i];
    if (same)
        return CN_OK;
    return cn__error(CN_ERR_SHAPE, "its tensor '%s' is %s %s, the model wants %s %s", name, entry->dtype,
                     cn__shape_text(has, entry->dims, entry->shape), dtype_text(spec->dtype),
                     cn__shape_text(wants, spec->dims, spec->shape));
}

/* All that the model wants is there. It need not be initialised: so no memory is taken for what only a file's
 * architecture claims. */
static cn_status check_tensors(const cn_model *model, const cn__safetensors *file) {
    char name[MAX_TENSOR_NAME];
    for (size_t i = 0; i < model->node_count; i++) {
        cn__tensor_spec specs[CN__MAX_TENSORS];
        const cn__node *node = &model->nodes[i];
        int count = node->layer->type->tensors ? node->layer->type->tensors(node->layer, specs) : 0;
        for (int t = 0; t < count; t++) {
            snprintf(name, sizeof name, "%s.%s", node->name, specs[t].name);
            CN__TRY(check_entry(file, name, &specs[t]));
        }
    }
    return CN_OK;
}

/* Cannot fail: check_tensors has passed. */
static void copy_tensors(cn_model *model, const cn__safetensors *file, const char *source) {
    for (size_t i = 0; i < model->tensor_count; i++) {
        cn__entry *entry = cn__safetensors_find(file, model->tensors[i].name);
        if (!entry)
            continue;
        load(&model->tensors[i].value, file->data + entry->begin);
        entry->used = true;
    }
    for (size_t i = 0; i < file->count; i++)
        if (!file->entries[i].used)
            cn__log(model->ctx, CN_LOG_WARNING, "'%s': the model has no tensor '%s', passed over", source,
                    file->entries[i].name);
}

static cn_status load_tensors(cn_model *model, const cn__safetensors *file, const char *source) {
    CN__TRY(check_checksum(file));
    CN__TRY(check_tensors(model, file));
    copy_tensors(model, file, source);
    return CN_OK;
}

/* ---- a whole model ---- */

/* A version of this library's that it can read, or none at all where there is no model. */
static cn_status check_version(const cn__safetensors *file) {
    const char *version = cn__safetensors_metadata(file, KEY_VERSION);
    if (!version || !cn__safetensors_metadata(file, KEY_MODEL))
        return cn__error(CN_ERR_FORMAT, "it holds tensors but no model of this library");
    char *end;
    long number = strtol(version, &end, 10);
    if (*end || end == version || number < 1)
        return cn__error(CN_ERR_FORMAT, "its version is '%.20s', wanted a number", version);
    if (number > VERSION)
        return cn__error(CN_ERR_FORMAT, "its version is %ld, this library (%s) reads up to %d", number,
                         cn_version_string(), VERSION);
    return CN_OK;
}

static cn_status fill_model(cn_model *model, const cn__safetensors *file, const char *source) {
    CN__TRY(check_tensors(model, file));
    CN__TRY(cn_model_init(model, 0));
    copy_tensors(model, file, source);
    return CN_OK;
}

static cn_status load_model(cn_context *ctx, const cn__safetensors *file, const char *source, cn_model **model) {
    CN__TRY(check_version(file));
    CN__TRY(check_checksum(file));
    CN__TRY(cn__architecture_read(ctx, cn__safetensors_metadata(file, KEY_MODEL), model));
    cn_status status = fill_model(*model, file, source);
    if (status == CN_OK)
        return CN_OK;
    cn_model_free(*model);
    *model = NULL;
    return status == CN_ERR_MEMORY ? status : cn__error(CN_ERR_FORMAT, "%s", cn_last_error());
}

/* Names the file in the message of what went wrong in it. */
static cn_status in_file(cn_status status, const char *source) {
    return status == CN_OK ? CN_OK : cn__error(status, "'%s': %s", source, cn_last_error());
}

static cn_status load_bytes(cn_context *ctx, const void *data, size_t bytes, const char *source, cn_model **model) {
    cn__safetensors file;
    cn_status status = cn__safetensors_read(ctx, data, bytes, &file);
    if (status == CN_OK) {
        status = load_model(ctx, &file, source, model);
        cn__safetensors_drop(&file);
    }
    return in_file(status, source);
}

cn_status cn_model_load_memory(cn_context *context, const void *data, size_t bytes, cn_model **model) {
    CN__REQUIRE(model);
    *model = NULL;
    CN__REQUIRE(context);
    CN__REQUIRE(data);
    return load_bytes(context, data, bytes, "(memory)", model);
}

cn_status cn_model_load(cn_context *context, const char *path, cn_model **model) {
    unsigned char *data;
    size_t bytes;
    CN__REQUIRE(model);
    *model = NULL;
    CN__REQUIRE(context);
    CN__REQUIRE(path);
    CN__TRY(cn__file_load(context, path, &data, &bytes));
    cn_status status = load_bytes(context, data, bytes, path, model);
    cn__free(context, data);
    return status;
}

cn_status cn_model_load_tensors(cn_model *model, const char *path) {
    cn__safetensors file;
    unsigned char *data;
    size_t bytes;
    CN__TRY(cn__model_ready(model, __func__));
    CN__REQUIRE(path);
    CN__TRY(cn__file_load(model->ctx, path, &data, &bytes));
    cn_status status = cn__safetensors_read(model->ctx, data, bytes, &file);
    if (status == CN_OK) {
        status = load_tensors(model, &file, path);
        cn__safetensors_drop(&file);
    }
    cn__free(model->ctx, data);
    return in_file(status, path);
}
