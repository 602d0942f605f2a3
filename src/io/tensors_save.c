/* SPDX-License-Identifier: MIT */
/* tensors_save.c: named tensors into safetensors and .npz files. */
#include "base/npy.h"
#include "base/zip.h"
#include "io/tensors.h"
#include <stdio.h>
#include <string.h>
#include <strings.h> /* strcasecmp */

cn_status cn__save_options_read(const cn_save_options *given, cn_save_options *options) {
    CN__TRY(CN__READ_OPTIONS(options, cn_save_options, given));
    if (!cn__weights_dtype(options->weights))
        return cn__error(CN_ERR_ARGUMENT, "cn_save_options: unknown weights %d", (int)options->weights);
    if (options->deflate != 0 && options->deflate != 1)
        return cn__error(CN_ERR_ARGUMENT, "cn_save_options: deflate is %d, wanted 0 or 1", options->deflate);
    return CN_OK;
}

/* ---- what goes into a file ---- */

/* As running statistics are called in state dicts. */
static bool is_statistic(const char *name) {
    const char *dot = strrchr(name, '.'), *last = dot ? dot + 1 : name;
    return strcmp(last, "running_mean") == 0 || strcmp(last, "running_var") == 0;
}

static const char *saved_type(const cn__named *named, cn_weights weights) {
    bool narrow = named->tensor->dtype == CN_DTYPE_FLOAT32 && !is_statistic(named->name);
    return narrow ? cn__weights_dtype(weights) : cn__value_dtype(named->tensor->dtype);
}

static cn_status list(cn__named *const *items, size_t count, cn_weights weights, cn__entry *entries) {
    for (size_t i = 0; i < count; i++) {
        const cn_tensor *tensor = items[i]->tensor;
        entries[i] = (cn__entry){.name = items[i]->name, .dtype = saved_type(items[i], weights), .dims = tensor->dims};
        memcpy(entries[i].shape, tensor->shape, sizeof tensor->shape);
        CN__TRY(cn__values_storable(tensor, items[i]->name, entries[i].dtype));
    }
    cn__safetensors_place(entries, count);
    return CN_OK;
}

static size_t bytes_of(const cn__entry *entry) {
    return (size_t)(entry->end - entry->begin);
}

static size_t data_bytes(const cn__entry *entries, size_t count) {
    size_t bytes = 0;
    for (size_t i = 0; i < count; i++)
        bytes += bytes_of(&entries[i]);
    return bytes;
}

static void store(cn__named *const *items, size_t count, const cn__entry *entries, unsigned char *data) {
    for (size_t i = 0; i < count; i++)
        cn__values_store(items[i]->tensor, entries[i].dtype, 0, items[i]->tensor->count, data + entries[i].begin);
}

/* ---- as a file in memory ---- */

cn_status cn__tensors_as_file(const cn_tensors *tensors, cn__safetensors *file) {
    *file = (cn__safetensors){.ctx = tensors->ctx, .count = tensors->count, .source = {.descriptor = -1}};
    file->entries = cn__alloc(tensors->ctx, tensors->count, sizeof *file->entries);
    cn_status status = file->entries ? list(tensors->by_name, tensors->count, CN_WEIGHTS_FLOAT32, file->entries)
                                     : cn__no_memory("a list of tensors");
    if (status == CN_OK) {
        file->bytes = data_bytes(file->entries, file->count);
        file->owned_data = cn__alloc(tensors->ctx, file->bytes, 1);
        status = file->owned_data ? CN_OK : cn__no_memory("a copy of tensors");
    }
    if (status == CN_OK) {
        store(tensors->by_name, file->count, file->entries, file->owned_data);
        file->data = file->owned_data;
    } else {
        cn__safetensors_drop(file);
    }
    return status;
}

/* ---- safetensors ---- */

static cn_status pack_safetensors(const cn_tensors *tensors, const cn__entry *entries, const cn_save_options *options,
                                  cn_tensor **file) {
    size_t bytes = data_bytes(entries, tensors->count);
    if (options->deflate)
        return cn__error(CN_ERR_ARGUMENT, "cn_save_options: deflate is 1, but safetensors are never compressed");
    cn__metadata *metadata = cn__alloc(tensors->ctx, tensors->metadata_count, sizeof *metadata);
    if (!metadata)
        return cn__no_memory("a file's header");
    for (size_t i = 0; i < tensors->metadata_count; i++)
        metadata[i] = (cn__metadata){tensors->metadata[i].key, tensors->metadata[i].value};
    cn_status status =
        cn__safetensors_pack(tensors->ctx, entries, tensors->count, metadata, tensors->metadata_count, bytes, file);
    cn__free(tensors->ctx, metadata);
    if (status == CN_OK)
        store(tensors->items, tensors->count, entries,
              (unsigned char *)(*file)->data + ((size_t)(*file)->count - bytes));
    return status;
}

/* ---- .npz ---- */

static char *member_name(cn_context *ctx, const char *name) {
    size_t bytes = strlen(name) + sizeof ".npy";
    char *text = cn__alloc(ctx, bytes, 1);
    if (text)
        snprintf(text, bytes, "%s.npy", name);
    return text;
}

static cn_status add_array(cn__zip_writer *writer, const cn__named *named, const cn__entry *entry, const char *name) {
    char header[CN__NPY_HEADER];
    size_t header_bytes = cn__npy_header(named->tensor, entry->dtype, header), bytes = bytes_of(entry);
    unsigned char *values = cn__alloc(writer->ctx, bytes, 1);
    if (!values)
        return cn__no_memory("an array");
    cn__values_store(named->tensor, entry->dtype, 0, named->tensor->count, values);
    cn_status status = cn__zip_add(writer, name, (struct iovec[]){{header, header_bytes}, {values, bytes}}, 2);
    cn__free(writer->ctx, values);
    return status;
}

static cn_status add_arrays(cn__zip_writer *writer, const cn_tensors *tensors, const cn__entry *entries, char **names) {
    for (size_t i = 0; i < tensors->count; i++)
        CN__TRY(add_array(writer, tensors->items[i], &entries[i], names[i]));
    return CN_OK;
}

static cn_status name_members(const cn_tensors *tensors, char **names) {
    for (size_t i = 0; i < tensors->count; i++) {
        names[i] = member_name(tensors->ctx, tensors->items[i]->name);
        if (!names[i])
            return cn__no_memory("an array's name");
    }
    return CN_OK;
}

static cn_status pack_named(const cn_tensors *tensors, const cn__entry *entries, char **names, bool deflate,
                            cn_tensor **file) {
    cn__zip_writer writer;
    uint64_t bytes = 0;
    CN__TRY(name_members(tensors, names));
    for (size_t i = 0; i < tensors->count; i++)
        bytes += cn__zip_bound(names[i], bytes_of(&entries[i]) + CN__NPY_HEADER, deflate);
    cn_status status = cn__zip_begin(tensors->ctx, tensors->count, bytes, deflate, &writer);
    if (status == CN_OK)
        status = add_arrays(&writer, tensors, entries, names);
    return cn__zip_end(&writer, status, file);
}

static cn_status pack_npz(const cn_tensors *tensors, const cn__entry *entries, const cn_save_options *options,
                          cn_tensor **file) {
    if (options->weights == CN_WEIGHTS_BFLOAT16)
        return cn__error(CN_ERR_UNSUPPORTED, "numpy has no bfloat16");
    char **names = cn__alloc(tensors->ctx, tensors->count, sizeof *names);
    if (!names)
        return cn__no_memory("the names of arrays");
    cn_status status = pack_named(tensors, entries, names, options->deflate, file);
    for (size_t i = 0; i < tensors->count; i++)
        cn__free(tensors->ctx, names[i]);
    cn__free(tensors->ctx, names);
    if (status == CN_OK && tensors->metadata_count > 0)
        cn__log(tensors->ctx, CN_LOG_WARNING, "a .npz file has no metadata, so '%s'%s stay behind",
                tensors->metadata[0].key, tensors->metadata_count > 1 ? " and others" : "");
    return status;
}

/* ---- either ---- */

static bool ends_with(const char *path, const char *ending) {
    size_t length = strlen(path);
    return length >= strlen(ending) && strcasecmp(path + length - strlen(ending), ending) == 0;
}

static cn_status pack(const cn_tensors *tensors, const char *name, const cn_save_options *given, cn_tensor **file) {
    cn_save_options options = CN_SAVE_OPTIONS_INIT;
    bool npz = ends_with(name, ".npz");
    CN__TRY(cn__save_options_read(given, &options));
    if (!npz && !ends_with(name, ".safetensors"))
        return cn__error(CN_ERR_ARGUMENT, "its name should end with .safetensors or .npz");
    cn__entry *entries = cn__alloc(tensors->ctx, tensors->count, sizeof *entries);
    cn_status status =
        entries ? list(tensors->items, tensors->count, options.weights, entries) : cn__no_memory("a list of tensors");
    if (status == CN_OK)
        status = npz ? pack_npz(tensors, entries, &options, file) : pack_safetensors(tensors, entries, &options, file);
    cn__free(tensors->ctx, entries);
    return status;
}

cn_status cn_tensors_save_memory(const cn_tensors *tensors, const char *kind, const cn_save_options *options,
                                 cn_tensor **file) {
    CN__COMPUTES;
    CN__REQUIRE(file);
    *file = NULL;
    CN__REQUIRE(tensors);
    CN__REQUIRE(kind);
    return cn__in_file(pack(tensors, kind, options, file), kind);
}

cn_status cn_tensors_save(const cn_tensors *tensors, const char *path, const cn_save_options *options) {
    CN__COMPUTES;
    cn_tensor *file = NULL;
    CN__REQUIRE(tensors);
    CN__REQUIRE(path);
    CN__TRY(cn__in_file(pack(tensors, path, options, &file), path));
    cn_status status = cn__replace_file(tensors->ctx, path, &(struct iovec){file->data, (size_t)file->count}, 1);
    cn_tensor_free(file);
    return status;
}
