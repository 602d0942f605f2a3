/* SPDX-License-Identifier: MIT */
/* file.c: files read from front to back, plain or through zlib's inflate (RFC 1952), whose memory comes from the
 * context like all other. */
#include "base/base.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#define INPUT_BYTES 65536 /* of compressed data at a time */
#define GZIP_ONLY   (MAX_WBITS + 16)
#define RAW_DEFLATE (-MAX_WBITS)

cn_status cn__path(char path[CN__MAX_PATH], const char *directory, const char *name, const char *suffix) {
    int length = snprintf(path, CN__MAX_PATH, "%s/%s%s", directory, name, suffix);
    if (length >= 0 && length < CN__MAX_PATH)
        return CN_OK;
    return cn__error(CN_ERR_ARGUMENT, "the path '%.100s…/%s%s' has more than %d bytes", directory, name, suffix,
                     CN__MAX_PATH - 1);
}

cn_status cn__file_open(cn_context *ctx, const char *path, cn__file *file) {
    struct stat info;
    *file = (cn__file){.ctx = ctx, .path = path, .disk = path, .unread = UINT64_MAX};
    /* O_NONBLOCK so that a pipe does not keep us waiting */
    CN__RETRY(file->descriptor, open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    if (file->descriptor < 0 || fstat(file->descriptor, &info) != 0) {
        file->error = errno;
        cn__file_close(file);
        return cn__error(CN_ERR_IO, "cannot open '%s': %s", path, strerror(file->error));
    }
    if (!S_ISREG(info.st_mode)) {
        cn__file_close(file);
        return cn__error(CN_ERR_IO, "cannot read '%s': it is not a regular file", path);
    }
    file->size = file->stored = (uint64_t)info.st_size;
    return CN_OK;
}

void cn__file_borrow(cn_context *ctx, const void *memory, size_t bytes, cn__file *file) {
    *file = (cn__file){
        .ctx = ctx, .path = "(memory)", .descriptor = -1, .unread = UINT64_MAX, .memory = memory, .size = bytes};
    file->memory_bytes = bytes;
}

void cn__file_close(cn__file *file) {
    if (file->stream)
        inflateEnd(file->stream);
    cn__free(file->ctx, file->stream);
    cn__free(file->ctx, file->input);
    if (file->descriptor >= 0 && !file->member)
        close(file->descriptor);
    file->stream = NULL;
    file->input = NULL;
    file->descriptor = -1;
}

static void read_memory(cn__file *file, unsigned char *to, size_t bytes, size_t *got) {
    *got = bytes < file->memory_bytes - file->at ? bytes : file->memory_bytes - file->at;
    memcpy(to, file->memory + file->at, *got);
    file->at += *got;
}

static cn_status cannot_read(cn__file *file) {
    file->error = errno;
    return cn__error(CN_ERR_IO, "cannot read '%s': %s", file->disk, strerror(file->error));
}

/* As many bytes as there are, up to `bytes`. */
static cn_status read_some(cn__file *file, unsigned char *to, size_t bytes, size_t *got) {
    *got = 0;
    if (bytes > file->unread)
        bytes = (size_t)file->unread;
    if (file->memory)
        read_memory(file, to, bytes, got);
    while (!file->memory && *got < bytes) {
        ssize_t now = read(file->descriptor, to + *got, bytes - *got);
        if (now == 0)
            break;
        if (now > 0)
            *got += (size_t)now;
        else if (errno != EINTR)
            return cannot_read(file);
    }
    file->unread -= file->unread == UINT64_MAX ? 0 : *got;
    return CN_OK;
}

static cn_status go_to(cn__file *file, uint64_t offset) {
    if (file->memory) {
        file->at = offset < file->memory_bytes ? (size_t)offset : file->memory_bytes;
        return CN_OK;
    }
    if (offset <= INT64_MAX && lseek(file->descriptor, (off_t)offset, SEEK_SET) >= 0)
        return CN_OK;
    return cannot_read(file);
}

/* ---- compressed files ---- */

static void *zlib_alloc(void *ctx, unsigned count, unsigned bytes) {
    return cn__alloc(ctx, count, bytes);
}

static void zlib_free(void *ctx, void *memory) {
    cn__free(ctx, memory);
}

z_stream *cn__zlib_stream(cn_context *ctx) {
    z_stream *stream = cn__alloc(ctx, 1, sizeof *stream);
    if (stream) {
        stream->zalloc = zlib_alloc;
        stream->zfree = zlib_free;
        stream->opaque = ctx;
    }
    return stream;
}

static cn_status begin_inflate(cn__file *file, int window_bits) {
    z_stream *stream = cn__zlib_stream(file->ctx);
    file->input = cn__alloc(file->ctx, INPUT_BYTES, 1);
    if (!stream || !file->input || inflateInit2(stream, window_bits) != Z_OK) {
        cn__free(file->ctx, stream);
        return cn__error(CN_ERR_MEMORY, "no memory to decompress '%s'", file->path);
    }
    file->stream = stream;
    return CN_OK;
}

cn_status cn__file_unzip(cn__file *file) {
    unsigned char magic[2] = {0, 0};
    size_t got;
    CN__TRY(read_some(file, magic, sizeof magic, &got));
    CN__TRY(go_to(file, 0));
    if (magic[0] != 0x1f || magic[1] != 0x8b)
        return CN_OK;
    CN__TRY(begin_inflate(file, GZIP_ONLY));
    file->size = file->size < UINT64_MAX / CN__MAX_INFLATED ? file->size * CN__MAX_INFLATED : UINT64_MAX;
    return CN_OK;
}

cn_status cn__file_member(const cn__file *archive, const cn__member *member, const char *name, cn__file *file) {
    *file = (cn__file){.ctx = archive->ctx,
                       .path = name,
                       .disk = archive->disk,
                       .descriptor = archive->descriptor,
                       .memory = archive->memory,
                       .memory_bytes = archive->memory_bytes,
                       .member = true,
                       .unread = member->stored,
                       .size = member->size,
                       .begin = member->offset,
                       .stored = member->stored,
                       .wanted = member->checksum};
    cn_status status = go_to(file, member->offset);
    if (status == CN_OK && member->deflated)
        status = begin_inflate(file, RAW_DEFLATE);
    if (status != CN_OK)
        cn__file_close(file);
    return status;
}

/* Sees to it that the stream has input, unless the file is at its end. */
static cn_status feed(cn__file *file) {
    size_t got = 0;
    if (file->stream->avail_in > 0)
        return CN_OK;
    CN__TRY(read_some(file, file->input, INPUT_BYTES, &got));
    file->stream->next_in = file->input;
    file->stream->avail_in = (unsigned)got;
    return CN_OK;
}

static bool begins_another(const cn__file *file) {
    return !file->member && file->stream->avail_in > 0 && file->stream->next_in[0] == 0x1f;
}

/* What follows the last member is none of ours: zeros fill up the blocks of tapes, and gzip ignores anything. */
static cn_status pass_over_padding(cn__file *file) {
    bool zeros = true;
    for (;;) {
        CN__TRY(feed(file));
        if (file->stream->avail_in == 0)
            break;
        for (unsigned i = 0; i < file->stream->avail_in; i++)
            zeros = zeros && file->stream->next_in[i] == 0;
        file->stream->avail_in = 0;
    }
    if (!zeros)
        cn__log(file->ctx, CN_LOG_WARNING, "'%s': ignored what comes after its compressed data", file->path);
    return CN_OK;
}

/* One step of decompression. A gzip file may have several members, one after the other. */
static cn_status inflate_step(cn__file *file) {
    z_stream *stream = file->stream;
    CN__TRY(feed(file));
    if (file->ended && begins_another(file)) {
        inflateReset(stream);
        file->ended = false;
    }
    if (file->ended || stream->avail_in == 0)
        return cn__error(CN_ERR_FORMAT, "'%s' ends too early", file->path);
    int answer = inflate(stream, Z_NO_FLUSH);
    if (answer == Z_STREAM_END)
        file->ended = true;
    else if (answer == Z_MEM_ERROR)
        return cn__error(CN_ERR_MEMORY, "no memory to decompress '%s'", file->path);
    else if (answer != Z_OK && answer != Z_BUF_ERROR)
        return cn__error(CN_ERR_FORMAT, "'%s' is damaged: %s", file->path,
                         stream->msg ? stream->msg : "no deflated data");
    return CN_OK;
}

static cn_status inflate_exactly(cn__file *file, unsigned char *to, size_t bytes) {
    while (bytes > 0) {
        unsigned now = bytes < (1u << 30) ? (unsigned)bytes : 1u << 30;
        file->stream->next_out = to;
        file->stream->avail_out = now;
        while (file->stream->avail_out > 0)
            CN__TRY(inflate_step(file));
        to += now;
        bytes -= now;
    }
    return CN_OK;
}

static cn_status pass_over(cn__file *file, uint64_t bytes, unsigned char *scratch) {
    while (bytes > 0) {
        size_t now = bytes < INPUT_BYTES ? (size_t)bytes : INPUT_BYTES;
        CN__TRY(inflate_exactly(file, scratch, now));
        bytes -= now;
    }
    return CN_OK;
}

/* The checksum comes after the last byte; no more data may come after that. */
static cn_status inflate_end(cn__file *file, bool *more) {
    unsigned char byte;
    file->stream->next_out = &byte;
    file->stream->avail_out = 1;
    CN__TRY(feed(file));
    while (file->stream->avail_out > 0 && !(file->ended && !begins_another(file))) {
        CN__TRY(inflate_step(file));
        CN__TRY(feed(file));
    }
    *more = file->stream->avail_out == 0;
    return *more ? CN_OK : pass_over_padding(file);
}

/* ---- either ---- */

static cn_status read_exactly(cn__file *file, void *to, size_t bytes) {
    size_t got = 0;
    if (file->stream)
        return inflate_exactly(file, to, bytes);
    CN__TRY(read_some(file, to, bytes, &got));
    if (got < bytes)
        return cn__error(CN_ERR_FORMAT, "'%s' ends too early", file->path);
    return CN_OK;
}

/* To byte `position` of a compressed file, from its beginning on. */
static cn_status inflate_again(cn__file *file, uint64_t position, unsigned char *scratch) {
    CN__TRY(go_to(file, file->begin));
    inflateReset(file->stream);
    file->stream->avail_in = 0;
    file->ended = false;
    file->unread = file->member ? file->stored : UINT64_MAX;
    return pass_over(file, position, scratch);
}

cn_status cn__file_has(cn__file *file, uint64_t bytes, uint64_t times) {
    if (!file->stream || bytes / CN__WORTH * times <= file->stored)
        return CN_OK;
    unsigned char *scratch = cn__alloc(file->ctx, INPUT_BYTES, 1);
    if (!scratch)
        return cn__no_memory("what a file holds");
    cn_status status = pass_over(file, bytes, scratch);
    if (status == CN_OK)
        status = inflate_again(file, file->position, scratch);
    cn__free(file->ctx, scratch);
    return status;
}

cn_status cn__file_read(cn__file *file, void *to, size_t bytes) {
    CN__TRY(read_exactly(file, to, bytes));
    file->position += bytes;
    if (file->member)
        file->checksum = (uint32_t)crc32_z(file->checksum, to, bytes);
    return CN_OK;
}

cn_status cn__file_begin(cn_context *ctx, const char *path, unsigned char begin[CN__FILE_BEGIN], size_t *bytes) {
    cn__file file;
    CN__TRY(cn__file_open(ctx, path, &file));
    *bytes = file.size < CN__FILE_BEGIN ? (size_t)file.size : CN__FILE_BEGIN;
    cn_status status = cn__file_read(&file, begin, *bytes);
    cn__file_close(&file);
    return status;
}

cn_status cn__file_read_at(cn__file *file, uint64_t offset, void *to, size_t bytes) {
    CN__TRY(go_to(file, offset));
    return read_exactly(file, to, bytes);
}

cn_status cn__file_end(cn__file *file) {
    unsigned char byte;
    size_t got = 0;
    bool more = false;
    if (file->stream) {
        CN__TRY(inflate_end(file, &more));
    } else {
        CN__TRY(read_some(file, &byte, 1, &got));
        more = got > 0;
    }
    if (more)
        return cn__error(CN_ERR_FORMAT, "'%s' goes on after what its header says", file->path);
    if (file->member && file->checksum != file->wanted)
        return cn__error(CN_ERR_FORMAT, "'%s' is damaged: a checksum is wrong", file->path);
    return CN_OK;
}
