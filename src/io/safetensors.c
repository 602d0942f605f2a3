/* safetensors.c: the container of model files, read with suspicion and written the same way each time.
 *
 * The format is Hugging Face's (github.com/huggingface/safetensors): the length of the header, the header, a JSON
 * object that gives each tensor's type, shape and place, and the data, which the tensors cover without gap or overlap.
 */
#include "io/io.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#define LENGTH_BYTES 8
#define MAX_HEADER   (16 << 20)
#define METADATA     "__metadata__"

static const struct type {
    const char *name;
    unsigned bytes;
} types[] = {{"F32", 4}, {"I64", 8}, {"U8", 1},  {"F64", 8}, {"F16", 2},  {"BF16", 2}, {"I32", 4},     {"I16", 2},
             {"I8", 1},  {"U64", 8}, {"U32", 4}, {"U16", 2}, {"BOOL", 1}, {"C64", 8},  {"F8_E4M3", 1}, {"F8_E5M2", 1}};

static const struct type *find_type(const char *name) {
    for (size_t i = 0; i < CN__COUNT(types); i++)
        if (strcmp(types[i].name, name) == 0)
            return &types[i];
    return NULL;
}

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
static bool count_bytes(const cn__entry *entry, const struct type *type, int64_t *bytes) {
    bool fits = true;
    *bytes = type->bytes;
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
        return cn__error(CN_ERR_FORMAT, "tensor '%.200s': it lies at bytes %lld to %lld of %zu bytes of data",
                         entry->name, (long long)begin, (long long)end, data_bytes);
    if (!count_bytes(entry, find_type(entry->dtype), &wanted) || wanted != end - begin)
        return cn__error(CN_ERR_FORMAT, "tensor '%.200s': its %lld bytes are not what its shape needs", entry->name,
                         (long long)(end - begin));
    entry->begin = (uint64_t)begin;
    entry->end = (uint64_t)end;
    return CN_OK;
}

static cn_status read_entry(const cn__json *json, size_t data_bytes, cn__entry *entry) {
    entry->name = json->key;
    entry->dtype = cn__json_string(cn__json_get(json, "dtype"));
    if (!entry->dtype || !find_type(entry->dtype))
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

static cn_status read_length(const unsigned char *memory, size_t bytes, size_t *length) {
    uint64_t value = 0;
    if (bytes < LENGTH_BYTES)
        return cn__error(CN_ERR_FORMAT, "%zu bytes are too few for a safetensors file", bytes);
    for (int i = 0; i < LENGTH_BYTES; i++)
        value |= (uint64_t)memory[i] << (8 * i);
    if (value > MAX_HEADER)
        return cn__error(CN_ERR_FORMAT, "not a safetensors file, or its header of %llu bytes is longer than %d",
                         (unsigned long long)value, MAX_HEADER);
    if (value > bytes - LENGTH_BYTES)
        return cn__error(CN_ERR_FORMAT, "its header of %llu bytes is cut off after %zu", (unsigned long long)value,
                         bytes - LENGTH_BYTES);
    if (value == 0 || memory[LENGTH_BYTES] != '{')
        return cn__error(CN_ERR_FORMAT, "its header does not begin with '{' at byte %d", LENGTH_BYTES);
    *length = (size_t)value;
    return CN_OK;
}

cn_status cn__safetensors_read(cn_context *ctx, const void *memory, size_t bytes, cn__safetensors *file) {
    const unsigned char *start = memory;
    size_t length = 0;
    *file = (cn__safetensors){.ctx = ctx};
    CN__TRY(read_length(start, bytes, &length));
    file->data = start + LENGTH_BYTES + length;
    file->bytes = bytes - LENGTH_BYTES - length;
    CN__TRY(cn__json_read(ctx, (const char *)start + LENGTH_BYTES, length, "its header", &file->header));
    cn_status status = read_entries(file);
    if (status != CN_OK)
        cn__safetensors_drop(file);
    return status;
}

void cn__safetensors_drop(cn__safetensors *file) {
    cn__free(file->ctx, file->entries);
    cn__free(file->ctx, file->header);
}

cn__entry *cn__safetensors_find(const cn__safetensors *file, const char *name) {
    cn__entry wanted = {.name = name};
    return bsearch(&wanted, file->entries, file->count, sizeof wanted, by_name);
}

const char *cn__safetensors_metadata(const cn__safetensors *file, const char *key) {
    return cn__json_string(cn__json_get(cn__json_get(file->header, METADATA), key));
}

/* ---- writing ---- */

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

cn_status cn__safetensors_write(cn_context *ctx, const char *path, const cn__entry *entries, size_t count,
                                const cn__metadata *metadata, size_t metadata_count, const void *data, size_t bytes) {
    cn__text header = {.ctx = ctx};
    unsigned char length[LENGTH_BYTES];
    char *text;
    cn__text_append(&header, "{");
    bool good = append_metadata(&header, metadata, metadata_count);
    for (size_t i = 0; i < count; i++) {
        cn__text_append(&header, ",");
        good = append_entry(&header, &entries[i]) && good;
    }
    cn__text_append(&header, "}");
    cn__text_append(&header, "%*s", (int)(-header.length % LENGTH_BYTES), ""); /* aligns the data */
    size_t header_bytes = header.length;
    for (int i = 0; i < LENGTH_BYTES; i++)
        length[i] = (unsigned char)(header_bytes >> (8 * i));
    CN__TRY(cn__text_take(&header, &text));
    cn_status status;
    if (!good)
        status = cn__error(CN_ERR_ARGUMENT, "'%s': a text for its header is not UTF-8", path);
    else if (header_bytes > MAX_HEADER)
        status = cn__error(CN_ERR_ARGUMENT, "'%s': its header would have %zu bytes, more than %d", path, header_bytes,
                           MAX_HEADER);
    else
        status = cn__replace_file(
            ctx, path,
            (const struct iovec[]){{length, sizeof length}, {text, header_bytes}, {(void *)(uintptr_t)data, bytes}}, 3);
    cn_text_free(text);
    return status;
}
