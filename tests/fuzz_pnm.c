/* SPDX-License-Identifier: MIT */
/* fuzz_pnm.c: pictures, mostly PBM, PGM and PPM files. */
#include "fuzz_picture.h"

FUZZ(pnm) {
    fuzz_picture(data, size, size * 8 * 3);
    return 0;
}
