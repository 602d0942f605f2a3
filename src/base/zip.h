/* SPDX-License-Identifier: MIT */
/* zip.h: ZIP archives (APPNOTE.TXT 6.3.10), stored or deflated, with the fields of ZIP64 where they are needed: read
 * with suspicion (zip.c), and written the same way each time (zip_write.c). */
#ifndef CN_ZIP_H
#define CN_ZIP_H

#include "base/base.h"

/* ---- reading ---- */

typedef struct cn__zip {
    cn__file *file; /* the caller's, open */
    uint64_t offset, bytes;
    unsigned char *directory; /* that many bytes, from there on */
} cn__zip;

typedef struct cn__zip_entry {
    const unsigned char *header; /* in the directory */
    const char *name;            /* not terminated */
    size_t name_bytes, extra_bytes;
    cn__member member; /* whose offset is that of the local header */
} cn__zip_entry;

/* Whether a file that begins so is an archive. */
bool cn__zip_recognised(const void *begin, size_t bytes);
/* Reads the directory of an archive. CN_ERR_FORMAT; cn__zip_drop is due in any case. */
cn_status cn__zip_read(cn__file *file, cn__zip *zip);
void cn__zip_drop(cn__zip *zip);
/* The entry that begins at byte *at, 0 at first, of the directory, and where the next one does. */
cn_status cn__zip_next(const cn__zip *zip, size_t *at, cn__zip_entry *entry, bool *found);
/* CN_ERR_NOT_FOUND: the archive has others, which the message names. */
cn_status cn__zip_find(const cn__zip *zip, const char *name, cn__zip_entry *entry);
/* Opens an entry as a file that goes by `name` in messages; to be closed with cn__file_close, before the archive is.
 * CN_ERR_FORMAT; CN_ERR_UNSUPPORTED: encrypted or packed otherwise. */
cn_status cn__zip_open(const cn__zip *zip, const cn__zip_entry *entry, const char *name, cn__file *file);

/* ---- writing ---- */

typedef struct cn__zip_record {
    const char *name; /* the caller's */
    uint64_t offset, stored, size;
    uint32_t checksum;
} cn__zip_record;

typedef struct cn__zip_writer {
    cn_context *ctx;
    bool deflate;
    uint64_t wide; /* numbers from here on take the fields of ZIP64: UINT32_MAX, but for tests */
    cn_tensor *archive;
    uint64_t at; /* bytes written */
    cn__zip_record *records;
    size_t count;
} cn__zip_writer;

/* Bytes that an entry of so many bytes takes in an archive at most. */
uint64_t cn__zip_bound(const char *name, uint64_t bytes, bool deflate);
/* Begins an archive of so many entries, for which cn__zip_bound gives `bytes` in all. */
cn_status cn__zip_begin(cn_context *ctx, size_t entries, uint64_t bytes, bool deflate, cn__zip_writer *writer);
/* Adds an entry that consists of these pieces, none of them NULL; its name is UTF-8 of at most 65,535 bytes and stays until the end. */
cn_status cn__zip_add(cn__zip_writer *writer, const char *name, const struct iovec *pieces, int count);
/* Ends the archive and hands it out as uint8 [N]; with another status than CN_OK only clears up. */
cn_status cn__zip_end(cn__zip_writer *writer, cn_status status, cn_tensor **archive);

#endif
