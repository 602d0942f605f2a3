/* SPDX-License-Identifier: MIT */
/* fuzz_jpeg.c: pictures, mostly JPEG files, plain and progressive, of Huffman and arithmetic codes, with Exif data. */
#include "fuzz_picture.h"

FUZZ(jpeg) {
    size_t values = size * 512 * 3, free = 3 << 20; /* arithmetic codes may be shorter than bits */
    fuzz_picture(data, size, values > free ? values : free);
    return 0;
}
