/* png_checksums.h: the checksums of a PNG file made right, so that tests and fuzzers can change what they cover. */
#ifndef PNG_CHECKSUMS_H
#define PNG_CHECKSUMS_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <zlib.h>

/* Of all chunks that are there, from the signature on; anything else stays as it is. */
static inline void png_repair_checksums(uint8_t *data, size_t bytes) {
    if (bytes < 8 || memcmp(data, "\x89PNG\r\n\x1a\n", 8) != 0)
        return;
    for (size_t at = 8; bytes - at >= 12;) {
        uint32_t length =
            (uint32_t)data[at] << 24 | (uint32_t)data[at + 1] << 16 | (uint32_t)data[at + 2] << 8 | data[at + 3];
        if (length > bytes - at - 12)
            return;
        uLong crc = crc32(0, data + at + 4, length + 4);
        at += 8 + length;
        for (int i = 0; i < 4; i++)
            data[at++] = (uint8_t)(crc >> (24 - 8 * i));
    }
}

#endif
