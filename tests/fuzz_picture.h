/* SPDX-License-Identifier: MIT */
/* fuzz_picture.h: what the fuzzers of pictures' formats share. */
#ifndef FUZZ_PICTURE_H
#define FUZZ_PICTURE_H

#include "fuzzing.h"

enum { FUZZ_MOST_VALUES = 1 << 16 /* of a picture that is also fitted and written */ };

/* A PNG of a picture is that picture. */
static void fuzz_round_trip(const cn_tensor *image) {
    cn_tensor *png, *back;
    FUZZ_EXPECT(cn_image_encode_png(image, &png) == CN_OK);
    FUZZ_EXPECT(cn_image_load_memory(fuzz_context(), cn_tensor_data(png), (size_t)cn_tensor_count(png), &back) ==
                CN_OK);
    FUZZ_EXPECT(cn_tensor_count(back) == cn_tensor_count(image));
    FUZZ_EXPECT(memcmp(cn_tensor_data(back), cn_tensor_data_const(image), (size_t)cn_tensor_count(image)) == 0);
    cn_tensor_free(back);
    cn_tensor_free(png);
}

/* Loads a picture, fits it and writes it. Of a file that is refused, `at_best` is how many values it can stand for: so much
 * may have been asked for. */
static void fuzz_picture(const uint8_t *data, size_t size, size_t at_best) {
    cn_tensor *image, *fitted;
    size_t values;
    fuzz_begin();
    cn_status status = cn_image_load_memory(fuzz_context(), data, size, &image);
    FUZZ_OUTCOME(status, image);
    values = status == CN_OK ? (size_t)cn_tensor_count(image) : at_best;
    cn_tensor_free(image);
    fuzz_at_most(size, 4 * values); /* all coefficients of a progressive JPEG have 16 bits, and whole blocks */
    fuzz_end();
    if (status != CN_OK || values > FUZZ_MOST_VALUES)
        return;
    FUZZ_EXPECT(cn_image_load_memory(fuzz_context(), data, size, &image) == CN_OK);
    FUZZ_EXPECT(cn_image_fit(image, 3, 9, 7, &fitted) == CN_OK);
    cn_tensor_free(fitted);
    if (CN_WITH_IMAGES)
        fuzz_round_trip(image);
    cn_tensor_free(image);
}

#endif
