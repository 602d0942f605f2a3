/* SPDX-License-Identifier: MIT */
/* checksums.h: the checksums of files made right, so that tests and fuzzers can change what they cover. What is no such file,
 * or not whole, stays as it is as far as it goes. */
#ifndef CHECKSUMS_H
#define CHECKSUMS_H

#include <stddef.h>
#include <stdint.h>

/* Of all chunks that are there, from the signature on. */
void png_repair_checksums(uint8_t *data, size_t bytes);
/* Of the first member, and the length behind it. */
void gzip_repair_checksums(uint8_t *data, size_t bytes);
/* Of all members, in the directory at the end, as far as that leads to them. */
void zip_repair_checksums(uint8_t *data, size_t bytes);
/* Of a checkpoint's data, and of its header. */
void checkpoint_repair_checksums(uint8_t *data, size_t bytes);

#endif
