/* SPDX-License-Identifier: MIT */
/* png_chunks.c: the chunks of a PNG file (ISO/IEC 15948) before libpng sees them: what pixels depend on has to be
 * whole, lengths are believed only as far as the file goes, and nothing behind the pixels can spoil them. */
#include "image/image.h"

#if CN_WITH_IMAGES
#include <stdio.h>
#include <string.h>
#include <zlib.h>

#define SIGNATURE_BYTES 8
#define CHUNK_BYTES     12   /* of a chunk without content: length, type, checksum */
#define CRITICAL        0x20 /* the bit of a type's first letter that is not set in chunks that all must know */

typedef struct chunk {
    const unsigned char *type, *data;
    uint32_t length;
} chunk;

static uint32_t big_endian(const unsigned char *p) {
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* False: the file ends before the chunk does. */
static bool read_chunk(const cn__encoded *file, size_t at, chunk *c) {
    if (file->bytes < at + CHUNK_BYTES)
        return false;
    *c = (chunk){.type = file->data + at + 4, .data = file->data + at + 8, .length = big_endian(file->data + at)};
    return c->length <= file->bytes - at - CHUNK_BYTES;
}

static bool is(const chunk *c, const char *type) {
    return memcmp(c->type, type, 4) == 0;
}

static bool is_whole(const chunk *c) {
    return crc32(0, c->type, c->length + 4) == big_endian(c->data + c->length);
}

static bool pixels_need(const chunk *c) {
    return !(c->type[0] & CRITICAL) || is(c, "tRNS");
}

static cn_status damaged(const cn__encoded *file, const chunk *c) {
    char message[80];
    snprintf(message, sizeof message, "the chunk at byte %zu is damaged", (size_t)(c->type - 4 - file->data));
    return cn__image_failed(file->name, "PNG", false, message);
}

cn_status cn__png_outline_read(const cn__encoded *file, cn__png_outline *outline) {
    chunk c;
    bool behind = false; /* the pixels */
    *outline = (cn__png_outline){.end = SIGNATURE_BYTES};
    for (size_t at = SIGNATURE_BYTES; read_chunk(file, at, &c); at += CHUNK_BYTES + c.length) {
        behind |= outline->compressed > 0 && !is(&c, "IDAT");
        if (!outline->orientation && is(&c, "eXIf") && is_whole(&c))
            outline->orientation = cn__exif_orientation(c.data, c.length);
        if (behind)
            continue;
        if (pixels_need(&c) && !is_whole(&c))
            return damaged(file, &c);
        if (is(&c, "IDAT"))
            outline->compressed += c.length;
        outline->end = at + CHUNK_BYTES + c.length;
    }
    return outline->compressed > 0 ? CN_OK : cn__image_failed(file->name, "PNG", false, "it ends too early");
}

#endif
