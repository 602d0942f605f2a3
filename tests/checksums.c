/* SPDX-License-Identifier: MIT */
/* checksums.c: CRC-32 where PNG, gzip, ZIP and this library's checkpoints have it. */
#include "checksums.h"
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <zlib.h>

static uint32_t little(const uint8_t *at, int bytes) {
    uint32_t value = 0;
    for (int i = bytes - 1; i >= 0; i--)
        value = value << 8 | at[i];
    return value;
}

static void put_little(uint8_t *at, uint32_t value) {
    for (int i = 0; i < 4; i++)
        at[i] = (uint8_t)(value >> (8 * i));
}

static void put_big(uint8_t *at, uint32_t value) {
    for (int i = 0; i < 4; i++)
        at[i] = (uint8_t)(value >> (24 - 8 * i));
}

/* ---- PNG ---- */

void png_repair_checksums(uint8_t *data, size_t bytes) {
    if (bytes < 8 || memcmp(data, "\x89PNG\r\n\x1a\n", 8) != 0)
        return;
    for (size_t at = 8; bytes - at >= 12;) {
        uint32_t length =
            (uint32_t)data[at] << 24 | (uint32_t)data[at + 1] << 16 | (uint32_t)data[at + 2] << 8 | data[at + 3];
        if (length > bytes - at - 12)
            return;
        put_big(data + at + 8 + length, (uint32_t)crc32(0, data + at + 4, length + 4));
        at += 12 + length;
    }
}

/* ---- what deflate has packed ---- */

enum { MOST_INFLATED = 1 << 22 };

/* Unpacks from data[0] on. False: it is damaged, or has no end. */
static bool unpack(uint8_t *data, size_t bytes, size_t *packed, uint32_t *crc, uint32_t *length) {
    uint8_t piece[4096];
    z_stream stream = {.next_in = data, .avail_in = (uInt)bytes};
    int answer = inflateInit2(&stream, -MAX_WBITS);
    *crc = 0;
    while (answer == Z_OK && stream.total_out < MOST_INFLATED) {
        stream.next_out = piece;
        stream.avail_out = sizeof piece;
        answer = inflate(&stream, Z_NO_FLUSH);
        *crc = (uint32_t)crc32(*crc, piece, (uInt)(sizeof piece - stream.avail_out));
    }
    *packed = bytes - stream.avail_in;
    *length = (uint32_t)stream.total_out;
    inflateEnd(&stream);
    return answer == Z_STREAM_END;
}

/* Past the header of RFC 1952; `bytes`: it does not end. */
static size_t gzip_header(const uint8_t *data, size_t bytes) {
    enum { CRC = 2, EXTRA = 4, NAME = 8, COMMENT = 16 };
    size_t at = 10;
    if (data[3] & EXTRA)
        at += at + 2 <= bytes ? 2 + little(data + at, 2) : 2;
    for (int text = NAME; text <= COMMENT; text *= 2)
        for (bool more = data[3] & text; more && at < bytes; at++)
            more = data[at] != 0;
    at += data[3] & CRC ? 2 : 0;
    return at < bytes ? at : bytes;
}

void gzip_repair_checksums(uint8_t *data, size_t bytes) {
    size_t packed, begin;
    uint32_t crc, length;
    if (bytes < 18 || data[0] != 0x1f || data[1] != 0x8b)
        return;
    begin = gzip_header(data, bytes);
    if (!unpack(data + begin, bytes - begin, &packed, &crc, &length) || bytes - begin - packed < 8)
        return;
    put_little(data + begin + packed, crc);
    put_little(data + begin + packed + 4, length);
}

/* One entry of the directory. */
static void repair_member(uint8_t *data, size_t bytes, uint8_t *entry) {
    size_t at = little(entry + 42, 4), stored = little(entry + 20, 4), packed;
    uint32_t crc, length;
    if (at > bytes || bytes - at < 30)
        return;
    at += 30 + (size_t)little(data + at + 26, 2) + little(data + at + 28, 2);
    if (at > bytes || bytes - at < stored)
        return;
    if (little(entry + 10, 2) != 8)
        put_little(entry + 16, (uint32_t)crc32(0, data + at, (uInt)stored));
    else if (unpack(data + at, stored, &packed, &crc, &length)) {
        put_little(entry + 16, crc);
        put_little(entry + 24, length);
    }
}

void zip_repair_checksums(uint8_t *data, size_t bytes) {
    if (bytes < 22 || memcmp(data + bytes - 22, "PK\5\6", 4) != 0)
        return;
    size_t at = little(data + bytes - 22 + 16, 4);
    while (at < bytes && bytes - at >= 46 && memcmp(data + at, "PK\1\2", 4) == 0) {
        repair_member(data, bytes, data + at);
        at += 46 + (size_t)little(data + at + 28, 2) + little(data + at + 30, 2) + little(data + at + 32, 2);
    }
}

/* ---- checkpoints ---- */

enum { DIGITS = 8 };

/* Where the digits of a sum stand in the header; NULL: nowhere. */
static uint8_t *find_digits(uint8_t *header, size_t bytes, const char *key) {
    size_t length = strlen(key);
    for (size_t at = 0; at + length + DIGITS <= bytes; at++)
        if (memcmp(header + at, key, length) == 0)
            return header + at + length;
    return NULL;
}

static void put_digits(uint8_t *at, uint32_t value) {
    char text[DIGITS + 1];
    snprintf(text, sizeof text, "%08lx", (unsigned long)value);
    memcpy(at, text, DIGITS);
}

void checkpoint_repair_checksums(uint8_t *data, size_t bytes) {
    if (bytes < 8 || little(data + 4, 4) != 0 || little(data, 4) > bytes - 8)
        return;
    uint8_t *header = data + 8;
    size_t header_bytes = little(data, 4);
    uint8_t *digits = find_digits(header, header_bytes, "\"convnet.checkpoint.data_crc32\":\"");
    if (digits)
        put_digits(digits, (uint32_t)crc32_z(0, header + header_bytes, bytes - 8 - header_bytes));
    digits = find_digits(header, header_bytes, "\"convnet.checkpoint.header_crc32\":\"");
    if (!digits)
        return;
    memset(digits, '0', DIGITS);
    put_digits(digits, (uint32_t)crc32_z(0, header, header_bytes));
}
