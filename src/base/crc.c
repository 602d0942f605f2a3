/* SPDX-License-Identifier: MIT */
/* crc.c: CRC-32, zlib's. */
#include "base/base.h"
#include <zlib.h> /* crc32_z */

uint32_t cn__crc_add(uint32_t crc, const void *bytes, size_t count) {
    return count > 0 ? (uint32_t)crc32_z(crc, bytes, count) : crc; /* zlib takes a NULL for a fresh start */
}
