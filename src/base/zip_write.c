/* SPDX-License-Identifier: MIT */
/* zip_write.c: ZIP archives as numpy writes .npz files: entries one after another, stored or deflated, and the directory
 * behind them. They bear no date, so that the same entries are the same bytes. */
#include "base/zip.h"
#include <string.h>
#include <zlib.h>

enum {
    LOCAL_BYTES = 30,
    ENTRY_BYTES = 46,
    EXTRA_BYTES = 28, /* ZIP64's field, of three numbers */
    ENDS_BYTES = 56 + 20 + 22,
    STORED = 0,
    DEFLATED = 8,
    VERSION = 20,
    VERSION_WIDE = 45,
    UTF8 = 1 << 11,
    FIRST_DAY = 1 << 5 | 1, /* of 1980 */
    MOST_AT_ONCE = 1 << 30
};

#define RAW_DEFLATE (-MAX_WBITS)

/* Of so many bytes, stored or deflated. */
static uint64_t most_of(uint64_t bytes, bool deflate) {
    return deflate ? deflateBound(NULL, (uLong)bytes) : bytes;
}

uint64_t cn__zip_bound(const char *name, uint64_t bytes, bool deflate) {
    return LOCAL_BYTES + ENTRY_BYTES + 2 * (strlen(name) + EXTRA_BYTES) + most_of(bytes, deflate);
}

cn_status cn__zip_begin(cn_context *ctx, size_t entries, uint64_t bytes, bool deflate, cn__zip_writer *writer) {
    *writer = (cn__zip_writer){.ctx = ctx, .deflate = deflate, .wide = UINT32_MAX};
    writer->records = cn__alloc(ctx, entries, sizeof *writer->records);
    if (!writer->records)
        return cn__no_memory("a ZIP archive");
    return cn_tensor_new(ctx, CN_DTYPE_UINT8, 1, (int64_t[]){(int64_t)(bytes + ENDS_BYTES)}, &writer->archive);
}

static unsigned char *here(const cn__zip_writer *w) {
    return (unsigned char *)w->archive->data + w->at;
}

static void put(cn__zip_writer *w, uint64_t value, unsigned bytes) {
    for (unsigned b = 0; b < bytes; b++)
        here(w)[b] = (unsigned char)(value >> 8 * b);
    w->at += bytes;
}

static void put_text(cn__zip_writer *w, const char *text, size_t bytes) {
    memcpy(here(w), text, bytes);
    w->at += bytes;
}

/* ---- entries ---- */

static bool is_wide(const cn__zip_writer *w, uint64_t value) {
    return value >= w->wide;
}

/* The number, or that it is elsewhere. */
static uint64_t narrow(const cn__zip_writer *w, uint64_t value) {
    return is_wide(w, value) ? UINT32_MAX : value;
}

static bool is_ascii(const char *text) {
    while (*text > 0)
        text++;
    return *text == '\0';
}

/* What the local header and the directory say alike. `wide` is the number of 64-bit numbers in the extra field. */
static void put_common(cn__zip_writer *w, const cn__zip_record *r, bool sizes_wide, unsigned wide) {
    put(w, wide > 0 ? VERSION_WIDE : VERSION, 2);
    put(w, is_ascii(r->name) ? 0 : UTF8, 2);
    put(w, w->deflate ? DEFLATED : STORED, 2);
    put(w, 0, 2);
    put(w, FIRST_DAY, 2);
    put(w, r->checksum, 4);
    put(w, sizes_wide ? UINT32_MAX : r->stored, 4);
    put(w, sizes_wide ? UINT32_MAX : r->size, 4);
    put(w, strlen(r->name), 2);
    put(w, wide > 0 ? 4 + 8 * wide : 0, 2);
}

static void put_extra(cn__zip_writer *w, unsigned wide) {
    if (wide > 0)
        put(w, 1 | (uint64_t)8 * wide << 16, 4);
}

static bool has_wide_sizes(const cn__zip_writer *w, const cn__zip_record *r) {
    return is_wide(w, r->size) || is_wide(w, r->stored);
}

static void put_sizes(cn__zip_writer *w, const cn__zip_record *r) {
    put(w, r->size, 8);
    put(w, r->stored, 8);
}

static void put_local_header(cn__zip_writer *w, const cn__zip_record *r, bool wide) {
    put_text(w, "PK\3\4", 4);
    put_common(w, r, wide, wide ? 2 : 0);
    put_text(w, r->name, strlen(r->name));
    put_extra(w, wide ? 2 : 0);
    if (wide)
        put_sizes(w, r);
}

static void put_entry(cn__zip_writer *w, const cn__zip_record *r) {
    bool sizes = has_wide_sizes(w, r), offset = is_wide(w, r->offset);
    unsigned wide = (sizes ? 2 : 0) + (offset ? 1 : 0);
    put_text(w, "PK\1\2", 4);
    put(w, VERSION_WIDE, 2);
    put_common(w, r, sizes, wide);
    put(w, 0, 4); /* no comment, on the first disk, */
    put(w, 0, 6); /* no attributes */
    put(w, narrow(w, r->offset), 4);
    put_text(w, r->name, strlen(r->name));
    put_extra(w, wide);
    if (sizes)
        put_sizes(w, r);
    if (offset)
        put(w, r->offset, 8);
}

/* ---- content ---- */

static void store(cn__zip_writer *w, const struct iovec *pieces, int count) {
    for (int i = 0; i < count; i++)
        put_text(w, pieces[i].iov_base, pieces[i].iov_len);
}

/* All of a piece, or so much at once as zlib can count. */
static cn_status deflate_piece(cn__zip_writer *w, z_stream *stream, const struct iovec *piece, bool last) {
    unsigned char *from = piece->iov_base;
    size_t left = piece->iov_len;
    do {
        unsigned now = left < MOST_AT_ONCE ? (unsigned)left : MOST_AT_ONCE;
        uint64_t room = (uint64_t)w->archive->count - w->at;
        stream->next_in = from;
        stream->avail_in = now;
        stream->next_out = here(w);
        stream->avail_out = room < 2u * MOST_AT_ONCE ? (unsigned)room : 2u * MOST_AT_ONCE;
        int answer = deflate(stream, last && now == left ? Z_FINISH : Z_NO_FLUSH);
        if (answer == Z_STREAM_ERROR || stream->avail_in > 0 || (last && now == left && answer != Z_STREAM_END))
            return cn__error(CN_ERR_MEMORY, "no memory to compress an array");
        w->at = (uint64_t)(stream->next_out - (unsigned char *)w->archive->data);
        from += now;
        left -= now;
    } while (left > 0);
    return CN_OK;
}

static cn_status compress_pieces(cn__zip_writer *w, const struct iovec *pieces, int count) {
    z_stream *stream = cn__zlib_stream(w->ctx);
    if (!stream ||
        deflateInit2(stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, RAW_DEFLATE, 8, Z_DEFAULT_STRATEGY) != Z_OK) {
        cn__free(w->ctx, stream);
        return cn__no_memory("compressing an array");
    }
    cn_status status = CN_OK;
    for (int i = 0; i < count && status == CN_OK; i++)
        status = deflate_piece(w, stream, &pieces[i], i == count - 1);
    deflateEnd(stream);
    cn__free(w->ctx, stream);
    return status;
}

cn_status cn__zip_add(cn__zip_writer *w, const char *name, const struct iovec *pieces, int count) {
    cn__zip_record *record = &w->records[w->count++];
    *record = (cn__zip_record){.name = name, .offset = w->at};
    for (int i = 0; i < count; i++) {
        record->size += pieces[i].iov_len;
        record->checksum = (uint32_t)crc32_z(record->checksum, pieces[i].iov_base, pieces[i].iov_len);
    }
    bool wide = is_wide(w, most_of(record->size, w->deflate)); /* the header comes before its size is known */
    put_local_header(w, record, wide);
    uint64_t begin = w->at;
    if (w->deflate)
        CN__TRY(compress_pieces(w, pieces, count));
    else
        store(w, pieces, count);
    record->stored = w->at - begin;
    uint64_t end = w->at;
    w->at = record->offset;
    put_local_header(w, record, wide);
    w->at = end;
    return CN_OK;
}

/* ---- the end ---- */

static void put_wide_end(cn__zip_writer *w, uint64_t offset, uint64_t bytes) {
    uint64_t at = w->at;
    put_text(w, "PK\6\6", 4);
    put(w, 44, 8); /* bytes that follow */
    put(w, VERSION_WIDE, 2);
    put(w, VERSION_WIDE, 2);
    put(w, 0, 8); /* the first disk */
    put(w, w->count, 8);
    put(w, w->count, 8);
    put(w, bytes, 8);
    put(w, offset, 8);
    put_text(w, "PK\6\7", 4);
    put(w, 0, 4);
    put(w, at, 8);
    put(w, 1, 4);
}

static void put_directory(cn__zip_writer *w) {
    uint64_t offset = w->at;
    for (size_t i = 0; i < w->count; i++)
        put_entry(w, &w->records[i]);
    uint64_t bytes = w->at - offset, count = w->count < UINT16_MAX ? w->count : UINT16_MAX;
    if (is_wide(w, offset) || is_wide(w, bytes) || count == UINT16_MAX)
        put_wide_end(w, offset, bytes);
    put_text(w, "PK\5\6", 4);
    put(w, 0, 4);
    put(w, count, 2);
    put(w, count, 2);
    put(w, narrow(w, bytes), 4);
    put(w, narrow(w, offset), 4);
    put(w, 0, 2);
}

cn_status cn__zip_end(cn__zip_writer *w, cn_status status, cn_tensor **archive) {
    if (status == CN_OK) {
        put_directory(w);
        w->archive->count = w->archive->shape[0] = (int64_t)w->at;
        *archive = w->archive;
    } else {
        cn_tensor_free(w->archive);
    }
    cn__free(w->ctx, w->records);
    return status;
}
