/* SPDX-License-Identifier: MIT */
/* safetensors.c: the container of model files, read with suspicion and written the same way each time.
 *
 * The format is Hugging Face's (github.com/huggingface/safetensors): the length of the header, the header, a JSON
 * object that gives each tensor's type, shape and place, and the data, which the tensors cover without gap or overlap.
 */
#include "io/io.h"

#include <stdlib.h>
#include <string.h>

#define LENGTH_BYTES CN__SAFETENSORS_LENGTH
#define MAX_HEADER   (16 << 20)
#define METADATA     CN__SAFETENSORS_METADATA

/* ---- one entry of the header ---- */

static cn_status bad_entry(const cn__entry *entry, const char *what) {
    return cn__error(CN_ERR_FORMAT, "tensor '%.200s': %s", entry->name, what);
}

/* A member that is a number from 0. */
static bool read_count(const cn__json *json, int64_t *count) {
    return cn__json_int64(json, count) && *count >= 0;
}

static cn_status read_shape(const cn__json *json, cn__entry *entry) {
    if (!cn__json_is(json, CN__JSON_ARRAY) || json->count > CN_MAX_DIMS)
        return bad_entry(entry, "its shape is not a list of at most 8 numbers");
    for (const cn__json *v = cn__json_first(json); v; v = cn__json_next(json, v))
        if (!read_count(v, &entry->shape[entry->dims++]))
            return bad_entry(entry, "its shape holds something other than counts");
    return CN_OK;
}

/* Bytes that type and shape ask for; false: more than can be. */
static bool count_bytes(const cn__entry *entry, int64_t *bytes) {
    bool fits = true;
    *bytes = cn__value_bytes(entry->dtype);
    for (int i = 0; i < entry->dims; i++)
        fits = fits && !__builtin_mul_overflow(*bytes, entry->shape[i], bytes);
    return fits;
}

static cn_status read_offsets(const cn__json *json, size_t data_bytes, cn__entry *entry) {
    int64_t begin, end, wanted;
    if (!cn__json_is(json, CN__JSON_ARRAY) || json->count != 2 || !read_count(json + 1, &begin) ||
        !read_count(json + 2, &end))
        return bad_entry(entry, "its data_offsets are not two counts");
    if (begin > end || (uint64_t)end > data_bytes)
        return cn__error(CN_ERR_FORMAT, "tensor '%.200s': it lies at bytes %lld to %lld of %zu bytes of data%s",
                         entry->name, (long long)begin, (long long)end, data_bytes,
                         begin > end ? "" : ": the file is cut short");
    if (!count_bytes(entry, &wanted) || wanted != end - begin)
        return cn__error(CN_ERR_FORMAT, "tensor '%.200s': its %lld bytes are not what its shape needs", entry->name,
                         (long long)(end - begin));
    entry->begin = (uint64_t)begin;
    entry->end = (uint64_t)end;
    return CN_OK;
}

static cn_status read_entry(const cn__json *json, size_t data_bytes, cn__entry *entry) {
    entry->name = json->key;
    entry->dtype = cn__json_string(cn__json_get(json, "dtype"));
    if (!entry->dtype || cn__value_bytes(entry->dtype) == 0)
        return bad_entry(entry, "its dtype is missing or unknown");
    CN__TRY(read_shape(cn__json_get(json, "shape"), entry));
    return read_offsets(cn__json_get(json, "data_offsets"), data_bytes, entry);
}

/* ---- the header as a whole ---- */

static int by_place(const void *a, const void *b) {
    const cn__entry *x = a, *y = b;
    if (x->begin != y->begin)
        return x->begin < y->begin ? -1 : 1;
    return x->end < y->end ? -1 : x->end > y->end;
}

static int by_name(const void *a, const void *b) {
    return strcmp(((const cn__entry *)a)->name, ((const cn__entry *)b)->name);
}

static cn_status check_cover(const cn__safetensors *file) {
    uint64_t covered = 0;
    for (size_t i = 0; i < file->count; i++) {
        const cn__entry *entry = &file->entries[i];
        if (entry->begin != covered)
            return cn__error(CN_ERR_FORMAT, "tensor '%.200s' begins at byte %llu, and the one before ends at %llu",
                             entry->name, (unsigned long long)entry->begin, (unsigned long long)covered);
        covered = entry->end;
    }
    if (covered != file->bytes)
        return cn__error(CN_ERR_FORMAT, "its tensors end at byte %llu of %zu bytes of data",
                         (unsigned long long)covered, file->bytes);
    return CN_OK;
}

static cn_status check_metadata(const cn__json *metadata) {
    if (metadata && !cn__json_is(metadata, CN__JSON_OBJECT))
        return cn__error(CN_ERR_FORMAT, "its " METADATA " is not an object");
    for (const cn__json *v = cn__json_first(metadata); v; v = cn__json_next(metadata, v))
        if (!cn__json_is(v, CN__JSON_STRING))
            return cn__error(CN_ERR_FORMAT, "its " METADATA " has '%.200s', which is not a text", v->key);
    return CN_OK;
}

static cn_status read_entries(cn__safetensors *file) {
    const cn__json *header = file->header;
    CN__TRY(check_metadata(cn__json_get(file->header, METADATA)));
    file->entries = cn__alloc(file->ctx, header->count, sizeof *file->entries);
    if (!file->entries)
        return cn__no_memory("a file's tensors");
    for (const cn__json *v = cn__json_first(header); v; v = cn__json_next(header, v)) {
        if (strcmp(v->key, METADATA) == 0)
            continue;
        CN__TRY(read_entry(v, file->bytes, &file->entries[file->count]));
        file->count++;
    }
    qsort(file->entries, file->count, sizeof *file->entries, by_place);
    CN__TRY(check_cover(file));
    qsort(file->entries, file->count, sizeof *file->entries, by_name);
    return CN_OK;
}

/* It may be what people take for such a file. */
static cn_status say_too_long(const unsigned char start[LENGTH_BYTES], uint64_t length) {
    if (memcmp(start, "PK\3\4", 4) == 0)
        return cn__error(CN_ERR_FORMAT, "it is a ZIP archive, such as torch.save and numpy write, and no safetensors "
                                        "file (safetensors.torch.save_file writes those)");
    if (start[0] == 0x80 && start[1] <= 5)
        return cn__error(CN_ERR_FORMAT, "it is a Python pickle, as torch.save wrote them once, and no safetensors file "
                                        "(safetensors.torch.save_file writes those)");
    if (length >> 32)
        return cn__error(CN_ERR_FORMAT, "not a safetensors file");
    return cn__error(CN_ERR_FORMAT, "not a safetensors file, or its header of %llu bytes is longer than %d",
                     (unsigned long long)length, MAX_HEADER);
}

/* The bytes of the header of a file that begins with `start` and has so many bytes in all. */
static cn_status read_length(const unsigned char *start, uint64_t bytes, size_t *length) {
    uint64_t value = 0;
    if (bytes < LENGTH_BYTES)
        return cn__error(CN_ERR_FORMAT, "%llu bytes are too few for a safetensors file", (unsigned long long)bytes);
    for (int i = 0; i < LENGTH_BYTES; i++)
        value |= (uint64_t)start[i] << (8 * i);
    if (value > MAX_HEADER)
        return say_too_long(start, value);
    if (value > bytes - LENGTH_BYTES)
        return cn__error(CN_ERR_FORMAT, "its header of %llu bytes is cut off after %llu", (unsigned long long)value,
                         (unsigned long long)(bytes - LENGTH_BYTES));
    if (bytes - LENGTH_BYTES - value > SIZE_MAX / 2)
        return cn__error(CN_ERR_FORMAT, "it is larger than this machine's memory can be");
    *length = (size_t)value;
    return CN_OK;
}

static cn_status read_header(cn__safetensors *file) {
    if (file->text_bytes == 0 || file->text[0] != '{')
        return cn__error(CN_ERR_FORMAT, "its header does not begin with '{' at byte %d", LENGTH_BYTES);
    CN__TRY(cn__json_read(file->ctx, file->text, file->text_bytes, "its header", &file->header));
    return read_entries(file);
}

cn_status cn__safetensors_read(cn_context *ctx, const void *memory, size_t bytes, cn__safetensors *file) {
    const unsigned char *start = memory;
    *file = (cn__safetensors){.ctx = ctx, .source = {.descriptor = -1}};
    CN__TRY(read_length(start, bytes, &file->text_bytes));
    file->text = (const char *)start + LENGTH_BYTES;
    file->data = start + LENGTH_BYTES + file->text_bytes;
    file->bytes = bytes - LENGTH_BYTES - file->text_bytes;
    cn_status status = read_header(file);
    if (status != CN_OK)
        cn__safetensors_drop(file);
    return status;
}

static cn_status open_header(cn__safetensors *file) {
    unsigned char start[LENGTH_BYTES];
    size_t few = file->source.size < LENGTH_BYTES ? (size_t)file->source.size : LENGTH_BYTES;
    CN__TRY(cn__file_read(&file->source, start, few));
    CN__TRY(read_length(start, file->source.size, &file->text_bytes));
    file->bytes = (size_t)(file->source.size - LENGTH_BYTES - file->text_bytes);
    char *text = cn__alloc(file->ctx, file->text_bytes, 1);
    if (!text)
        return cn__no_memory("a file's header");
    file->text = file->owned_text = text;
    CN__TRY(cn__file_read(&file->source, text, file->text_bytes));
    return read_header(file);
}

cn_status cn__safetensors_open(cn_context *ctx, const char *path, cn__safetensors *file) {
    *file = (cn__safetensors){.ctx = ctx, .source = {.descriptor = -1}};
    CN__TRY(cn__file_open(ctx, path, &file->source));
    cn_status status = open_header(file);
    if (status != CN_OK)
        cn__safetensors_drop(file);
    return status;
}

cn_status cn__safetensors_fetch(cn__safetensors *file) {
    if (file->data)
        return CN_OK;
    file->owned_data = cn__alloc(file->ctx, file->bytes, 1);
    if (!file->owned_data)
        return cn__error(CN_ERR_MEMORY, "no memory for its %zu bytes of tensors", file->bytes);
    file->data = file->owned_data;
    return cn__file_read(&file->source, file->owned_data, file->bytes);
}

void cn__safetensors_drop(cn__safetensors *file) {
    cn__file_close(&file->source);
    cn__free(file->ctx, file->entries);
    cn__free(file->ctx, file->header);
    cn__free(file->ctx, file->owned_text);
    cn__free(file->ctx, file->owned_data);
    cn_tensors_free(file->owned_tensors);
}

cn__entry *cn__safetensors_find(const cn__safetensors *file, const char *name) {
    cn__entry wanted = {.name = name};
    return bsearch(&wanted, file->entries, file->count, sizeof wanted, by_name);
}

const char *cn__safetensors_metadata(const cn__safetensors *file, const char *key) {
    return cn__json_string(cn__json_get(cn__json_get(file->header, METADATA), key));
}

/* ---- writing ---- */

void cn__safetensors_place(cn__entry *entries, size_t count) {
    uint64_t at = 0;
    for (unsigned width = 8; width > 0; width /= 2)
        for (size_t i = 0; i < count; i++) {
            int64_t bytes;
            if (cn__value_bytes(entries[i].dtype) != width || !count_bytes(&entries[i], &bytes))
                continue;
            entries[i].begin = at;
            entries[i].end = at += (uint64_t)bytes;
        }
}

static bool append_metadata(cn__text *header, const cn__metadata *metadata, size_t count) {
    bool good = true;
    cn__text_append(header, "\"" METADATA "\":{");
    for (size_t i = 0; i < count; i++) {
        cn__text_append(header, i ? "," : "");
        good = cn__json_append_string(header, metadata[i].key) && good;
        cn__text_append(header, ":");
        good = cn__json_append_string(header, metadata[i].value) && good;
    }
    cn__text_append(header, "}");
    return good;
}

static bool append_entry(cn__text *header, const cn__entry *entry) {
    bool good = cn__json_append_string(header, entry->name);
    cn__text_append(header, ":{\"dtype\":\"%s\",\"shape\":[", entry->dtype);
    for (int i = 0; i < entry->dims; i++)
        cn__text_append(header, "%s%lld", i ? "," : "", (long long)entry->shape[i]);
    cn__text_append(header, "],\"data_offsets\":[%llu,%llu]}", (unsigned long long)entry->begin,
                    (unsigned long long)entry->end);
    return good;
}

/* Padded, so that the data are aligned. False: a text is not UTF-8. */
static bool append_header(cn__text *header, const cn__entry *entries, size_t count, const cn__metadata *metadata,
                          size_t metadata_count, const char *separator) {
    cn__text_append(header, "{");
    bool good = append_metadata(header, metadata, metadata_count);
    for (size_t i = 0; i < count; i++) {
        cn__text_append(header, "%s", separator);
        good = append_entry(header, &entries[i]) && good;
    }
    cn__text_append(header, "}");
    cn__text_append(header, "%*s", (int)(-header->length % LENGTH_BYTES), "");
    return good;
}

/* A line for each tensor: so it can be read by eye, and told from what other programs write. */
#define SEPARATOR      ",\n"
#define SEPARATOR_ONCE "," /* before 1.0 */

cn_status cn__safetensors_pack(cn_context *ctx, const cn__entry *entries, size_t count, const cn__metadata *metadata,
                               size_t metadata_count, size_t data_bytes, cn_tensor **file) {
    cn__text header = {.ctx = ctx};
    char *text;
    *file = NULL;
    for (size_t i = 0; i < count; i++)
        if (strcmp(entries[i].name, METADATA) == 0)
            return cn__error(CN_ERR_ARGUMENT, "a tensor is called '" METADATA "', which safetensors keeps for itself");
    bool good = append_header(&header, entries, count, metadata, metadata_count, SEPARATOR);
    size_t length = header.length;
    CN__TRY(cn__text_take(&header, &text));
    cn_status status = CN_OK;
    if (!good)
        status = cn__error(CN_ERR_ARGUMENT, "a text for its header is not UTF-8");
    else if (length > MAX_HEADER)
        status = cn__error(CN_ERR_ARGUMENT, "its header would have %zu bytes, more than %d", length, MAX_HEADER);
    else
        status =
            cn_tensor_new(ctx, CN_DTYPE_UINT8, 1, (int64_t[]){(int64_t)(LENGTH_BYTES + length + data_bytes)}, file);
    if (status == CN_OK) {
        unsigned char *bytes = (*file)->data;
        for (int i = 0; i < LENGTH_BYTES; i++)
            bytes[i] = (unsigned char)((uint64_t)length >> (8 * i));
        memcpy(bytes + LENGTH_BYTES, text, length);
    }
    cn_text_free(text);
    return status;
}

/* ---- whose writing it is ---- */

/* Its entries in the order of the header, placed anew, and its metadata. */
static void list_again(const cn__safetensors *file, cn__entry *entries, cn__metadata *metadata,
                       size_t *metadata_count) {
    const cn__json *strings = cn__json_get(file->header, METADATA);
    size_t count = 0;
    for (const cn__json *v = cn__json_first(file->header); v; v = cn__json_next(file->header, v))
        if (strcmp(v->key, METADATA) != 0)
            entries[count++] = *cn__safetensors_find(file, v->key);
    cn__safetensors_place(entries, count);
    *metadata_count = 0;
    for (const cn__json *v = cn__json_first(strings); v; v = cn__json_next(strings, v))
        metadata[(*metadata_count)++] = (cn__metadata){v->key, v->text};
}

static cn_status compare_header(const cn__safetensors *file, const cn__entry *entries, const cn__metadata *metadata,
                                size_t metadata_count, const char *separator, bool *own) {
    cn__text again = {.ctx = file->ctx};
    char *text;
    append_header(&again, entries, file->count, metadata, metadata_count, separator);
    CN__TRY(cn__text_take(&again, &text));
    *own = again.length == file->text_bytes && memcmp(text, file->text, file->text_bytes) == 0;
    cn_text_free(text);
    return CN_OK;
}

/* This library writes no others, and those after the first four in checkpoints alone. */
static bool has_own_types(const cn__safetensors *file) {
    static const char *const types[] = {"F32", "I64", "F16", "BF16", "F64", "I32", "U8"};
    size_t count = cn__safetensors_metadata(file, CN__KEY_CHECKPOINT) ? CN__COUNT(types) : 4;
    bool own = true;
    for (size_t i = 0; i < file->count; i++) {
        bool known = false;
        for (size_t t = 0; t < count; t++)
            known = known || strcmp(file->entries[i].dtype, types[t]) == 0;
        own = own && known;
    }
    return own;
}

cn_status cn__safetensors_is_own(const cn__safetensors *file, bool *own) {
    const cn__json *strings = cn__json_get(file->header, METADATA);
    size_t metadata_count = strings ? strings->count : 0;
    cn__entry *entries = cn__alloc(file->ctx, file->count, sizeof *entries);
    cn__metadata *metadata = cn__alloc(file->ctx, metadata_count, sizeof *metadata);
    cn_status status = entries && metadata ? CN_OK : cn__no_memory("a file's header");
    *own = false;
    if (status == CN_OK) {
        list_again(file, entries, metadata, &metadata_count);
        status = compare_header(file, entries, metadata, metadata_count, SEPARATOR, own);
    }
    if (status == CN_OK && !*own)
        status = compare_header(file, entries, metadata, metadata_count, SEPARATOR_ONCE, own);
    *own = *own && has_own_types(file);
    cn__free(file->ctx, metadata);
    cn__free(file->ctx, entries);
    return status;
}
