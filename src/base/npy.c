/* SPDX-License-Identifier: MIT */
/* npy.c: numpy's arrays in files (NEP 1): .npy files of versions 1 to 3, and members of .npz files, as tensors: all types
 * of numbers, either byte order, either order of dimensions. */
#include "base/npy.h"
#include "base/values.h"
#include "base/zip.h"
#include <stdio.h>
#include <string.h>

enum { MOST_HEADER = 1 << 16, CHUNK = 1 << 16 };

static const char magic[6] = "\x93NUMPY";

/* ---- types ---- */

typedef struct type {
    char name[4];
    const char *dtype; /* as safetensors calls it */
} type;

static const type types[] = {{"b1", "BOOL"}, {"u1", "U8"},  {"u2", "U16"}, {"u4", "U32"}, {"u8", "U64"}, {"i1", "I8"},
                             {"i2", "I16"},  {"i4", "I32"}, {"i8", "I64"}, {"f2", "F16"}, {"f4", "F32"}, {"f8", "F64"}};

typedef struct header {
    const char *dtype; /* in the file */
    cn_dtype becomes;
    unsigned bytes; /* of a number */
    bool big_endian, fortran;
    int dims;
    int64_t shape[CN_MAX_DIMS];
} header;

static bool machine_is_big_endian(void) {
    const uint16_t one = 1;
    unsigned char first;
    memcpy(&first, &one, 1);
    return first == 0;
}

/* ---- the header: a Python dictionary such as {'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), } ---- */

typedef struct parser {
    const char *at;
    const char *path;
} parser;

static cn_status wrong(const parser *p, const char *what) {
    return cn__error(CN_ERR_FORMAT, "'%s' has a header that does not say %s: '%.40s'", p->path, what, p->at);
}

static bool take(parser *p, char c) {
    p->at += strspn(p->at, " \n\t");
    bool found = *p->at == c;
    p->at += found;
    return found;
}

static bool take_word(parser *p, const char *word) {
    p->at += strspn(p->at, " \n\t");
    bool found = strncmp(p->at, word, strlen(word)) == 0;
    p->at += found ? strlen(word) : 0;
    return found;
}

/* A text in quotes of either kind. */
static bool take_text(parser *p, char *text, size_t capacity) {
    p->at += strspn(p->at, " \n\t");
    char quote = *p->at;
    const char *end = quote == '\'' || quote == '"' ? strchr(p->at + 1, quote) : NULL;
    size_t length = end ? (size_t)(end - p->at) - 1 : capacity;
    if (length >= capacity)
        return false;
    memcpy(text, p->at + 1, length);
    text[length] = '\0';
    p->at = end + 1;
    return true;
}

static cn_status parse_type(parser *p, header *h) {
    char text[16];
    if (!take_text(p, text, sizeof text) || strlen(text) < 3)
        return cn__error(CN_ERR_UNSUPPORTED, "'%s' holds records or objects, wanted numbers: '%.40s'", p->path, p->at);
    h->big_endian = text[0] == '>' || (text[0] == '=' && machine_is_big_endian());
    for (size_t i = 0; i < CN__COUNT(types); i++)
        if (strchr("<>=|", text[0]) && strcmp(text + 1, types[i].name) == 0)
            h->dtype = types[i].dtype;
    if (h->dtype) {
        h->bytes = cn__value_bytes(h->dtype);
        (void)cn__value_tensor(h->dtype, &h->becomes);
        return CN_OK;
    }
    return cn__error(CN_ERR_UNSUPPORTED,
                     "'%s' is of numpy's type '%s', wanted bool, integers or floats of 16 to 64 bits", p->path, text);
}

static cn_status parse_order(parser *p, header *h) {
    h->fortran = take_word(p, "True");
    return h->fortran || take_word(p, "False") ? CN_OK : wrong(p, "True or False");
}

static cn_status parse_extent(parser *p, header *h) {
    int64_t extent = 0;
    if (*p->at < '0' || *p->at > '9')
        return wrong(p, "a shape");
    for (; *p->at >= '0' && *p->at <= '9'; p->at++)
        if (__builtin_mul_overflow(extent, 10, &extent) || __builtin_add_overflow(extent, *p->at - '0', &extent))
            return cn__error(CN_ERR_FORMAT, "'%s' says that it is larger than any memory", p->path);
    p->at += *p->at == 'L'; /* Python 2's */
    if (h->dims == CN_MAX_DIMS)
        return cn__error(CN_ERR_UNSUPPORTED, "'%s' has more than %d dimensions", p->path, CN_MAX_DIMS);
    h->shape[h->dims++] = extent;
    return CN_OK;
}

static cn_status parse_shape(parser *p, header *h) {
    h->dims = 0;
    if (!take(p, '('))
        return wrong(p, "a shape");
    while (!take(p, ')')) {
        CN__TRY(parse_extent(p, h));
        if (!take(p, ',') && !take(p, ')'))
            return wrong(p, "a shape");
        if (p->at[-1] == ')')
            break;
    }
    return CN_OK;
}

static cn_status parse(parser *p, header *h) {
    static const char *const keys[] = {"descr", "fortran_order", "shape"};
    static cn_status (*const values[])(parser *, header *) = {parse_type, parse_order, parse_shape};
    char key[16];
    unsigned seen = 0;
    if (!take(p, '{'))
        return wrong(p, "what it holds");
    while (!take(p, '}')) {
        size_t k = 0;
        if (!take_text(p, key, sizeof key) || !take(p, ':'))
            return wrong(p, "what it holds");
        while (k < CN__COUNT(keys) && strcmp(keys[k], key) != 0)
            k++;
        if (k == CN__COUNT(keys) || seen & 1u << k)
            return wrong(p, "type, order and shape once");
        CN__TRY(values[k](p, h));
        seen |= 1u << k;
        (void)take(p, ',');
    }
    return seen == 7 ? CN_OK : wrong(p, "type, order and shape");
}

static cn_status read_header(cn__file *file, header *h) {
    unsigned char start[8], length[4] = {0};
    size_t fixed = sizeof start;
    *h = (header){0};
    CN__TRY(cn__file_read(file, start, sizeof start));
    if (memcmp(start, magic, sizeof magic) != 0)
        return cn__error(CN_ERR_FORMAT, "'%s' does not begin as numpy's arrays do", file->path);
    if (start[6] < 1 || start[6] > 3)
        return cn__error(CN_ERR_UNSUPPORTED, "'%s' is of version %d, wanted 1 to 3", file->path, start[6]);
    fixed += start[6] == 1 ? 2 : 4;
    CN__TRY(cn__file_read(file, length, fixed - sizeof start));
    size_t bytes = (size_t)length[0] | (size_t)length[1] << 8 | (size_t)length[2] << 16 | (size_t)length[3] << 24;
    if (bytes > MOST_HEADER)
        return cn__error(CN_ERR_FORMAT, "'%s' has a header of %zu bytes, wanted at most %d", file->path, bytes,
                         MOST_HEADER);
    char *text = cn__alloc(file->ctx, bytes + 1, 1);
    if (!text)
        return cn__no_memory("an array's header");
    cn_status status = cn__file_read(file, text, bytes);
    if (status == CN_OK)
        status = parse(&(parser){text, file->path}, h);
    cn__free(file->ctx, text);
    if (status == CN_OK)
        file->size -= fixed + bytes;
    return status;
}

/* ---- the numbers ---- */

/* From big-endian to little-endian, in place. */
static void swap(unsigned char *bytes, unsigned width, size_t count) {
    for (; count > 0; count--, bytes += width)
        for (unsigned b = 0; b < width / 2; b++) {
            unsigned char byte = bytes[b];
            bytes[b] = bytes[width - 1 - b];
            bytes[width - 1 - b] = byte;
        }
}

static cn_status store_chunk(const header *h, unsigned char *bytes, int64_t count, const char *path, cn_tensor *tensor,
                             int64_t first) {
    cn_tensor part = *tensor;
    part.count = count;
    part.data = (char *)tensor->data + (size_t)first * cn__dtype_bytes(tensor->dtype);
    if (h->big_endian)
        swap(bytes, h->bytes, (size_t)count);
    CN__TRY(cn__values_loadable(h->dtype, bytes, first, count, path, tensor->dtype));
    cn__values_load(h->dtype, bytes, &part);
    return CN_OK;
}

/* The bytes are those of the tensor. */
static bool are_native(const header *h) {
    return strcmp(h->dtype, cn__value_dtype(h->becomes)) == 0 &&
           (h->big_endian == machine_is_big_endian() || h->bytes == 1);
}

/* As they come, whatever the order of the dimensions. */
static cn_status read_numbers(cn__file *file, const header *h, cn_tensor *tensor) {
    if (are_native(h)) {
        CN__TRY(cn__file_read(file, tensor->data, (size_t)tensor->count * h->bytes));
        return cn__file_end(file);
    }
    unsigned char *chunk = cn__alloc(file->ctx, CHUNK, 1);
    cn_status status = chunk ? CN_OK : cn__no_memory("an array");
    int64_t most = CHUNK / h->bytes;
    for (int64_t first = 0; first < tensor->count && status == CN_OK; first += most) {
        int64_t count = tensor->count - first < most ? tensor->count - first : most;
        status = cn__file_read(file, chunk, (size_t)count * h->bytes);
        if (status == CN_OK)
            status = store_chunk(h, chunk, count, file->path, tensor, first);
    }
    cn__free(file->ctx, chunk);
    return status == CN_OK ? cn__file_end(file) : status;
}

/* From an array whose first dimension is the innermost to one whose last is. */
static void reorder(const cn_tensor *from, cn_tensor *to) {
    size_t bytes = cn__dtype_bytes(to->dtype);
    int64_t index[CN_MAX_DIMS] = {0};
    for (int64_t i = 0; i < to->count; i++) {
        int64_t at = 0;
        for (int d = to->dims - 1; d >= 0; d--)
            at = at * to->shape[d] + index[d];
        memcpy((char *)to->data + (size_t)i * bytes, (const char *)from->data + (size_t)at * bytes, bytes);
        for (int d = to->dims - 1; d >= 0 && ++index[d] == to->shape[d]; d--)
            index[d] = 0;
    }
}

/* What the header says must be what the file can hold, before memory is asked for. */
static cn_status check_size(cn__file *file, const header *h) {
    char text[CN__SHAPE_TEXT];
    uint64_t bytes = h->bytes;
    bool fits = true;
    for (int d = 0; d < h->dims; d++)
        fits = !__builtin_mul_overflow(bytes, (uint64_t)h->shape[d], &bytes) && fits;
    if (fits && bytes == file->size)
        return cn__file_has(file, bytes, (h->fortran ? 2 : 1) * (1 + cn__dtype_bytes(h->becomes) / h->bytes));
    return cn__error(CN_ERR_FORMAT, "'%s': its header says %s with %d bytes each, but %llu bytes follow", file->path,
                     cn__shape_text(text, h->dims, h->shape), (int)h->bytes, (unsigned long long)file->size);
}

cn_status cn__npy_read(cn__file *file, cn_tensor **tensor) {
    header h;
    cn_tensor *read, *ordered = NULL;
    CN__TRY(read_header(file, &h));
    CN__TRY(check_size(file, &h));
    CN__TRY(cn_tensor_new(file->ctx, h.becomes, h.dims, h.shape, &read));
    cn_status status = read_numbers(file, &h, read);
    if (status == CN_OK && h.fortran && h.dims > 1) {
        status = cn_tensor_new(file->ctx, h.becomes, h.dims, h.shape, &ordered);
        if (status == CN_OK)
            reorder(read, ordered);
        cn_tensor_free(read);
        read = ordered;
    }
    if (status == CN_OK)
        *tensor = read;
    else
        cn_tensor_free(read);
    return status;
}

cn_status cn_tensor_load_npy(cn_context *context, const char *path, cn_tensor **tensor) {
    CN__COMPUTES;
    cn__file file;
    CN__REQUIRE(tensor);
    *tensor = NULL;
    CN__REQUIRE(context);
    CN__REQUIRE(path);
    CN__TRY(cn__file_open(context, path, &file));
    cn_status status = cn__npy_read(&file, tensor);
    cn__file_close(&file);
    return status;
}

static cn_status load_member(cn__file *archive, const char *name, cn_tensor **tensor) {
    cn__zip zip;
    cn__zip_entry entry;
    cn__file file;
    cn_status status = cn__zip_read(archive, &zip);
    if (status == CN_OK)
        status = cn__zip_find(&zip, name, &entry);
    if (status == CN_OK)
        status = cn__zip_open(&zip, &entry, name, &file);
    if (status == CN_OK) {
        status = cn__npy_read(&file, tensor);
        cn__file_close(&file);
    }
    cn__zip_drop(&zip);
    return cn__in_file(status, archive->path);
}

cn_status cn_tensor_load_npz(cn_context *context, const char *path, const char *name, cn_tensor **tensor) {
    CN__COMPUTES;
    char member[256];
    cn__file archive;
    CN__REQUIRE(tensor);
    *tensor = NULL;
    CN__REQUIRE(context);
    CN__REQUIRE(path);
    CN__REQUIRE(name);
    if (snprintf(member, sizeof member, "%s.npy", name) >= (int)sizeof member)
        return cn__error(CN_ERR_ARGUMENT, "cn_tensor_load_npz: the name has more than %zu bytes", sizeof member - 5);
    CN__TRY(cn__file_open(context, path, &archive));
    cn_status status = load_member(&archive, member, tensor);
    cn__file_close(&archive);
    return status;
}

/* ---- saving ---- */

static const char *name_of(const char *dtype) {
    size_t i = 0;
    while (strcmp(types[i].dtype, dtype) != 0)
        i++;
    return types[i].name;
}

/* Version 1. */
static size_t write_header(const cn_tensor *tensor, const char *dtype, char order, char text[CN__NPY_HEADER]) {
    size_t length = 10;
    length +=
        (size_t)snprintf(text + length, CN__NPY_HEADER - length, "{'descr': '%c%s', 'fortran_order': False, 'shape': (",
                         cn__value_bytes(dtype) == 1 ? '|' : order, name_of(dtype));
    for (int d = 0; d < tensor->dims; d++)
        length += (size_t)snprintf(text + length, CN__NPY_HEADER - length, "%lld, ", (long long)tensor->shape[d]);
    length += (size_t)snprintf(text + length, CN__NPY_HEADER - length, "), }");
    size_t whole = (length + 1 + 63) / 64 * 64;
    memset(text + length, ' ', whole - length);
    text[whole - 1] = '\n';
    memcpy(text, magic, sizeof magic);
    text[6] = 1;
    text[7] = 0;
    text[8] = (char)((whole - 10) & 255);
    text[9] = (char)((whole - 10) >> 8);
    return whole;
}

size_t cn__npy_header(const cn_tensor *tensor, const char *dtype, char text[CN__NPY_HEADER]) {
    return write_header(tensor, dtype, '<', text);
}

cn_status cn_tensor_save_npy(const cn_tensor *tensor, const char *path) {
    char text[CN__NPY_HEADER];
    CN__REQUIRE(tensor);
    CN__REQUIRE(path);
    size_t bytes = write_header(tensor, cn__value_dtype(tensor->dtype), machine_is_big_endian() ? '>' : '<', text);
    struct iovec pieces[2] = {{text, bytes}, {tensor->data, (size_t)tensor->count * cn__dtype_bytes(tensor->dtype)}};
    return cn__replace_file(tensor->ctx, path, pieces, 2);
}
