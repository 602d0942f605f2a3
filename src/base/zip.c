/* SPDX-License-Identifier: MIT */
/* zip.c: members of ZIP archives, with the fields of ZIP64 as numpy's .npz files have them: found in the directory at the
 * archive's end, and then read as a file of their own. */
#include "base/zip.h"
#include <stdio.h>
#include <string.h>

enum {
    END_BYTES = 22,
    LOCATOR_BYTES = 20,
    END64_BYTES = 56,
    ENTRY_BYTES = 46,
    LOCAL_BYTES = 30,
    MOST_COMMENT = 65535,
    MOST_DIRECTORY = 1 << 24, /* bytes */
    LIST = 300                /* of names in a message */
};

static uint64_t number(const unsigned char *bytes, int width) {
    uint64_t value = 0;
    for (int b = width - 1; b >= 0; b--)
        value = value << 8 | bytes[b];
    return value;
}

static bool begins(const unsigned char *bytes, const char *signature) {
    return memcmp(bytes, signature, 4) == 0;
}

bool cn__zip_recognised(const void *begin, size_t bytes) {
    return bytes >= 4 && (begins(begin, "PK\3\4") || begins(begin, "PK\5\6"));
}

static cn_status damaged(const char *what) {
    return cn__error(CN_ERR_FORMAT, "it is no whole ZIP archive: %s", what);
}

/* ---- where the directory is ---- */

/* Where ZIP64 is in use, a locator in front of the end leads to a record with wide numbers. */
static cn_status find_wide(cn__zip *zip, uint64_t end) {
    cn__file *file = zip->file;
    unsigned char locator[LOCATOR_BYTES], record[END64_BYTES];
    if (end < LOCATOR_BYTES)
        return CN_OK;
    CN__TRY(cn__file_read_at(file, end - LOCATOR_BYTES, locator, sizeof locator));
    if (!begins(locator, "PK\6\7"))
        return CN_OK;
    uint64_t at = number(locator + 8, 8);
    if (at > file->size || file->size - at < END64_BYTES)
        return damaged("its ZIP64 record lies outside");
    CN__TRY(cn__file_read_at(file, at, record, sizeof record));
    if (!begins(record, "PK\6\6"))
        return damaged("there is no ZIP64 record where one should be");
    zip->bytes = number(record + 40, 8);
    zip->offset = number(record + 48, 8);
    return CN_OK;
}

/* The end is the last thing that looks like one, in front of a comment. */
static cn_status find_end(cn__zip *zip, const unsigned char *tail, size_t bytes) {
    for (size_t at = bytes - END_BYTES + 1; at-- > 0;)
        if (begins(tail + at, "PK\5\6") && number(tail + at + 20, 2) == bytes - at - END_BYTES) {
            zip->bytes = number(tail + at + 12, 4);
            zip->offset = number(tail + at + 16, 4);
            return find_wide(zip, zip->file->size - bytes + at);
        }
    return damaged("its end is missing");
}

static cn_status find_directory(cn__zip *zip) {
    cn__file *file = zip->file;
    size_t bytes = file->size < END_BYTES + MOST_COMMENT ? (size_t)file->size : END_BYTES + MOST_COMMENT;
    if (bytes < END_BYTES)
        return damaged("it is too short");
    unsigned char *tail = cn__alloc(file->ctx, bytes, 1);
    if (!tail)
        return cn__no_memory("a ZIP archive");
    cn_status status = cn__file_read_at(file, file->size - bytes, tail, bytes);
    if (status == CN_OK)
        status = find_end(zip, tail, bytes);
    cn__free(file->ctx, tail);
    return status;
}

cn_status cn__zip_read(cn__file *file, cn__zip *zip) {
    *zip = (cn__zip){.file = file};
    CN__TRY(find_directory(zip));
    if (zip->offset > file->size || zip->bytes > file->size - zip->offset || zip->bytes > MOST_DIRECTORY)
        return damaged("its directory lies outside, or is too large");
    zip->directory = cn__alloc(file->ctx, (size_t)zip->bytes, 1);
    if (!zip->directory)
        return cn__no_memory("a ZIP archive");
    return cn__file_read_at(file, zip->offset, zip->directory, (size_t)zip->bytes);
}

void cn__zip_drop(cn__zip *zip) {
    cn__free(zip->file->ctx, zip->directory);
}

/* ---- what is in it ---- */

/* Numbers that do not fit the header are in a field of their own, in this order. */
static bool widen(const cn__zip_entry *e, cn__member *m) {
    const unsigned char *at = (const unsigned char *)e->name + e->name_bytes, *end = at + e->extra_bytes;
    uint64_t *const wide[3] = {&m->size, &m->stored, &m->offset};
    bool missing = m->size == UINT32_MAX || m->stored == UINT32_MAX || m->offset == UINT32_MAX;
    while (missing && end - at >= 4) {
        const unsigned char *next = at + 4, *last = next + number(at + 2, 2);
        if (last > end)
            return false;
        for (int i = 0; number(at, 2) == 1 && i < 3; i++)
            if (*wide[i] == UINT32_MAX) {
                if (last - next < 8)
                    return false;
                *wide[i] = number(next, 8);
                next += 8;
                missing = false;
            }
        at = last;
    }
    return !missing;
}

cn_status cn__zip_next(const cn__zip *zip, size_t *at, cn__zip_entry *e, bool *found) {
    size_t left = (size_t)zip->bytes - *at;
    const unsigned char *h = zip->directory + *at;
    *found = false;
    if (left == 0)
        return CN_OK;
    if (left < ENTRY_BYTES || !begins(h, "PK\1\2"))
        return damaged("its directory is damaged");
    *e = (cn__zip_entry){.header = h, .name = (const char *)h + ENTRY_BYTES, .name_bytes = (size_t)number(h + 28, 2)};
    e->extra_bytes = (size_t)number(h + 30, 2);
    e->member = (cn__member){.offset = number(h + 42, 4),
                             .stored = number(h + 20, 4),
                             .size = number(h + 24, 4),
                             .deflated = number(h + 10, 2) == 8,
                             .checksum = (uint32_t)number(h + 16, 4)};
    size_t bytes = ENTRY_BYTES + e->name_bytes + e->extra_bytes + (size_t)number(h + 32, 2);
    if (left < bytes || !widen(e, &e->member))
        return damaged("its directory is damaged");
    *at += bytes;
    *found = true;
    return CN_OK;
}

static bool is_called(const cn__zip_entry *e, const char *name) {
    return strlen(name) == e->name_bytes && memcmp(name, e->name, e->name_bytes) == 0;
}

static cn_status name_others(const cn__zip *zip, const char *name) {
    char list[LIST] = "";
    size_t at = 0, length = 0;
    cn__zip_entry e;
    bool found;
    while (length < LIST / 2) {
        CN__TRY(cn__zip_next(zip, &at, &e, &found));
        if (!found)
            break;
        length += (size_t)snprintf(list + length, LIST - length, "%s%.*s", length ? ", " : "",
                                   e.name_bytes < 60 ? (int)e.name_bytes : 60, e.name);
    }
    return cn__error(CN_ERR_NOT_FOUND, "it has no '%s', but %s%s", name, length ? list : "nothing",
                     length < LIST / 2 ? "" : ", …");
}

cn_status cn__zip_find(const cn__zip *zip, const char *name, cn__zip_entry *entry) {
    size_t at = 0;
    bool found;
    for (;;) {
        CN__TRY(cn__zip_next(zip, &at, entry, &found));
        if (!found)
            return name_others(zip, name);
        if (is_called(entry, name))
            return CN_OK;
    }
}

/* Past the local header, whose name and extra field may be longer than the directory's. */
static cn_status find_data(cn__file *file, const cn__zip_entry *e, cn__member *member) {
    unsigned char header[LOCAL_BYTES];
    *member = e->member;
    if (number(e->header + 8, 2) & 1)
        return cn__error(CN_ERR_UNSUPPORTED, "it is encrypted");
    if (number(e->header + 10, 2) != 0 && !member->deflated)
        return cn__error(CN_ERR_UNSUPPORTED, "it is packed in a way (%d) that is neither stored nor deflated",
                         (int)number(e->header + 10, 2));
    if (member->offset > file->size || file->size - member->offset < LOCAL_BYTES)
        return damaged("a member lies outside");
    CN__TRY(cn__file_read_at(file, member->offset, header, sizeof header));
    if (!begins(header, "PK\3\4"))
        return damaged("there is no member where one should be");
    member->offset += LOCAL_BYTES + number(header + 26, 2) + number(header + 28, 2);
    if (member->offset > file->size || file->size - member->offset < member->stored)
        return damaged("a member lies outside");
    uint64_t most = member->deflated ? member->stored * CN__MAX_INFLATED : member->stored;
    if (member->size > most || (!member->deflated && member->size != member->stored))
        return damaged("a member is smaller than it says");
    return CN_OK;
}

cn_status cn__zip_open(const cn__zip *zip, const cn__zip_entry *entry, const char *name, cn__file *file) {
    cn__member member;
    CN__TRY(find_data(zip->file, entry, &member));
    return cn__file_member(zip->file, &member, name, file);
}
