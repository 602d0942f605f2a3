/* SPDX-License-Identifier: MIT */
/* tensors_load.c: named tensors out of safetensors and .npz files. */
#include "base/npy.h"
#include "base/zip.h"
#include "io/tensors.h"
#include <string.h>

/* ---- safetensors ---- */

/* Looks at all types before memory is taken for any tensor. */
static cn_status check_types(const cn__safetensors *file) {
    cn_dtype dtype;
    for (size_t i = 0; i < file->count; i++)
        if (!cn__value_tensor(file->entries[i].dtype, &dtype))
            return cn__error(CN_ERR_UNSUPPORTED,
                             "its tensor '%.200s' is of type %s, wanted integers or floats of 16 to 64 bits",
                             file->entries[i].name, file->entries[i].dtype);
    return CN_OK;
}

static cn_status load_bytes(const cn__entry *entry, const unsigned char *bytes, cn_tensor *tensor) {
    CN__TRY(cn__values_loadable(entry->dtype, bytes, 0, tensor->count, entry->name, tensor->dtype));
    cn__values_load(entry->dtype, bytes, tensor);
    return CN_OK;
}

static cn_status load_entry(cn__safetensors *file, const cn__entry *entry, cn_tensor *tensor) {
    if (file->data)
        return load_bytes(entry, file->data + entry->begin, tensor);
    size_t count = (size_t)(entry->end - entry->begin);
    unsigned char *bytes = cn__alloc(file->ctx, count, 1);
    cn_status status = bytes ? CN_OK : cn__no_memory("a tensor's bytes");
    if (status == CN_OK)
        status =
            cn__file_read_at(&file->source, CN__SAFETENSORS_LENGTH + file->text_bytes + entry->begin, bytes, count);
    if (status == CN_OK)
        status = load_bytes(entry, bytes, tensor);
    cn__free(file->ctx, bytes);
    return status;
}

static cn_status add_entry(cn__safetensors *file, const cn__entry *entry, cn_tensors *tensors) {
    cn_dtype dtype;
    cn_tensor *tensor;
    (void)cn__value_tensor(entry->dtype, &dtype);
    CN__TRY(cn_tensor_new(file->ctx, dtype, entry->dims, entry->shape, &tensor));
    cn_status status = load_entry(file, entry, tensor);
    if (status == CN_OK)
        return cn__tensors_append(tensors, entry->name, tensor);
    cn_tensor_free(tensor);
    return status;
}

/* In the order of the header. */
static cn_status add_entries(cn__safetensors *file, cn_tensors *tensors) {
    const cn__json *metadata = cn__json_get(file->header, CN__SAFETENSORS_METADATA);
    CN__TRY(check_types(file));
    for (const cn__json *v = cn__json_first(metadata); v; v = cn__json_next(metadata, v))
        CN__TRY(cn__tensors_append_metadata(tensors, v->key, v->text));
    for (const cn__json *v = cn__json_first(file->header); v; v = cn__json_next(file->header, v))
        if (v != metadata)
            CN__TRY(add_entry(file, cn__safetensors_find(file, v->key), tensors));
    return CN_OK;
}

/* Whose header has been read with `status`. */
static cn_status finish_safetensors(cn_status status, cn__safetensors *file, cn_tensors *tensors) {
    if (status == CN_OK) {
        status = add_entries(file, tensors);
        cn__safetensors_drop(file);
    }
    return status;
}

/* ---- .npz ---- */

static cn_status add_array(const cn__zip *zip, const cn__zip_entry *entry, const char *name, cn_tensors *tensors) {
    cn__file file;
    cn_tensor *tensor;
    CN__TRY(cn__zip_open(zip, entry, name, &file));
    cn_status status = cn__npy_read(&file, &tensor);
    cn__file_close(&file);
    return status == CN_OK ? cn__tensors_append(tensors, name, tensor) : status;
}

/* The array of an entry that ends in .npy; there may be others. */
static cn_status add_member(const cn__zip *zip, const cn__zip_entry *entry, cn_tensors *tensors, bool *is_array) {
    static const char ending[] = ".npy";
    size_t bytes = entry->name_bytes < strlen(ending) ? 0 : entry->name_bytes - strlen(ending);
    *is_array = bytes > 0 && memcmp(entry->name + bytes, ending, strlen(ending)) == 0;
    if (!*is_array)
        return CN_OK;
    if (memchr(entry->name, '\0', bytes) || !cn__utf8_valid(entry->name, bytes))
        return cn__error(CN_ERR_FORMAT, "the name of an array in it is not UTF-8");
    char *name = cn__alloc(tensors->ctx, bytes + 1, 1);
    if (!name)
        return cn__no_memory("an array's name");
    memcpy(name, entry->name, bytes);
    cn_status status = add_array(zip, entry, name, tensors);
    cn__free(tensors->ctx, name);
    return status;
}

/* Entries that share bytes would grow to more than an archive of its size can hold. */
static cn_status check_overlap(const cn__zip *zip) {
    uint64_t stored = 0;
    size_t at = 0;
    cn__zip_entry entry;
    bool found;
    for (;;) {
        CN__TRY(cn__zip_next(zip, &at, &entry, &found));
        if (!found)
            return CN_OK;
        if (__builtin_add_overflow(stored, entry.member.stored, &stored) || stored > zip->file->size)
            return cn__error(CN_ERR_FORMAT, "its members have more bytes than the archive");
    }
}

static cn_status add_members(const cn__zip *zip, cn_tensors *tensors) {
    size_t at = 0;
    cn__zip_entry entry;
    bool found, is_array, other = false;
    CN__TRY(check_overlap(zip));
    for (;;) {
        CN__TRY(cn__zip_next(zip, &at, &entry, &found));
        if (!found)
            break;
        CN__TRY(add_member(zip, &entry, tensors, &is_array));
        other = other || !is_array;
    }
    if (other && tensors->count == 0)
        return cn__error(CN_ERR_FORMAT, "it is a ZIP archive without arrays of numpy's, such as torch.save writes "
                                        "(safetensors.torch.save_file writes safetensors)");
    return CN_OK;
}

static cn_status load_npz(cn__file *archive, cn_tensors *tensors) {
    cn__zip zip;
    cn_status status = cn__zip_read(archive, &zip);
    if (status == CN_OK)
        status = add_members(&zip, tensors);
    cn__zip_drop(&zip);
    return status;
}

/* ---- either, by its first bytes ---- */

static cn_status refuse_array(const unsigned char *begin, size_t bytes) {
    if (bytes < 6 || memcmp(begin, "\x93NUMPY", 6) != 0)
        return CN_OK;
    return cn__error(CN_ERR_FORMAT, "it is an array of numpy's without a name, which cn_tensor_load_npy reads");
}

static cn_status load_memory(const void *data, size_t bytes, cn_tensors *tensors) {
    cn__safetensors file;
    cn__file archive;
    CN__TRY(refuse_array(data, bytes));
    if (!cn__zip_recognised(data, bytes))
        return finish_safetensors(cn__safetensors_read(tensors->ctx, data, bytes, &file), &file, tensors);
    cn__file_borrow(tensors->ctx, data, bytes, &archive);
    return load_npz(&archive, tensors);
}

static cn_status load_path(const char *path, cn_tensors *tensors) {
    unsigned char begin[CN__FILE_BEGIN];
    size_t bytes;
    cn__safetensors file;
    cn__file archive;
    CN__TRY(cn__file_begin(tensors->ctx, path, begin, &bytes));
    CN__TRY(refuse_array(begin, bytes));
    if (!cn__zip_recognised(begin, bytes))
        return finish_safetensors(cn__safetensors_open(tensors->ctx, path, &file), &file, tensors);
    CN__TRY(cn__file_open(tensors->ctx, path, &archive));
    cn_status status = load_npz(&archive, tensors);
    cn__file_close(&archive);
    return status;
}

/* What has been loaded with `status`. */
static cn_status finish(cn_status status, cn_tensors **tensors) {
    if (status == CN_OK)
        status = cn__tensors_sort(*tensors);
    if (status != CN_OK) {
        cn_tensors_free(*tensors);
        *tensors = NULL;
    }
    return status;
}

cn_status cn__tensors_open(cn_context *ctx, const char *path, cn_tensors **tensors) {
    CN__TRY(cn_tensors_new(ctx, tensors));
    return finish(load_path(path, *tensors), tensors);
}

cn_status cn__tensors_read(cn_context *ctx, const void *memory, size_t bytes, cn_tensors **tensors) {
    CN__TRY(cn_tensors_new(ctx, tensors));
    return finish(load_memory(memory, bytes, *tensors), tensors);
}

cn_status cn_tensors_load(cn_context *context, const char *path, cn_tensors **tensors) {
    CN__COMPUTES;
    CN__REQUIRE(tensors);
    *tensors = NULL;
    CN__REQUIRE(context);
    CN__REQUIRE(path);
    return cn__in_file(cn__tensors_open(context, path, tensors), path);
}

cn_status cn_tensors_load_memory(cn_context *context, const void *data, size_t bytes, cn_tensors **tensors) {
    CN__COMPUTES;
    CN__REQUIRE(tensors);
    *tensors = NULL;
    CN__REQUIRE(context);
    CN__REQUIRE(data);
    return cn__in_file(cn__tensors_read(context, data, bytes, tensors), "(memory)");
}
