/* SPDX-License-Identifier: MIT */
/* fuzz_exif.c: Exif data. Whatever is the orientation that they give, or any other number: each pixel that is stored has a
 * place of its own in the picture that is shown. */
#include "fuzzing.h"
#include "image/image.h"

static void check_placement(int orientation, int64_t height, int64_t width) {
    char taken[64] = "";
    cn__placement place = cn__exif_placement(orientation, height, width);
    for (int64_t y = 0; y < height; y++)
        for (int64_t x = 0; x < width; x++) {
            int64_t at = place.origin + y * place.row + x * place.column;
            FUZZ_EXPECT(at >= 0 && at < height * width && !taken[at]);
            taken[at] = 1;
        }
}

FUZZ(exif) {
    uint8_t *exactly = malloc(size + !size);
    FUZZ_EXPECT(exactly);
    memcpy(exactly, data, size);
    int orientation = cn__exif_orientation(exactly, size);
    FUZZ_EXPECT(orientation >= 0);
    check_placement(orientation, 5, 7);
    check_placement(orientation, 1, 9);
    free(exactly);
    return 0;
}
