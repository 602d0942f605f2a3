/* SPDX-License-Identifier: MIT */
/* fuzz_png.c: pictures, mostly PNG files whose checksums are made right. */
#include "checksums.h"
#include "fuzz_picture.h"

FUZZ_REPAIRS(png_repair_checksums);

FUZZ(png) {
    fuzz_picture(data, size, size * 1032 * 8 * 3); /* deflate at its best, pixels of one bit, three colours */
    return 0;
}
