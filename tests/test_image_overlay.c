/* SPDX-License-Identifier: MIT */
/* test_image_overlay.c: maps as colours over pictures. */
#include "pieces.h"
#include "golden_images.h"
#include "image/image.h"
#include <math.h>

TEST_RUNS_ONCE;

static const uint8_t *bytes(const cn_tensor *image) {
    return cn_tensor_data_const(image);
}

START_TEST(colours_grow_ever_lighter) {
    float before = -1.0f, rgb[3];
    for (int i = 0; i <= 256; i++) {
        cn__colour_map((float)i / 256.0f, rgb);
        float light = 0.2126f * powf(rgb[0], 2.2f) + 0.7152f * powf(rgb[1], 2.2f) + 0.0722f * powf(rgb[2], 2.2f);
        for (int c = 0; c < 3; c++)
            ck_assert(rgb[c] >= 0.0f && rgb[c] <= 255.0f);
        ck_assert_msg(light > before, "value %d of 256 is darker than the one before", i);
        before = light;
    }
    float beyond[3];
    cn__colour_map(7.0f, beyond);
    ck_assert_mem_eq(beyond, rgb, sizeof rgb);
}
END_TEST

/* As large as the picture, and opaque: the least value is dark blue, the largest yellow, nothing moves. */
START_TEST(an_opaque_map_hides_the_picture) {
    cn_tensor *image = golden_picture(ctx, 1, 2, 3), *map = images(1, 1, 2, 3), *made;
    for (int i = 0; i < 6; i++)
        ((float *)cn_tensor_data(map))[i] = (float)(i - 2) * 5.0f;
    ck_ok(cn_image_overlay(image, map, 1.0f, &made));
    ck_assert_int_eq(cn_tensor_shape(made, 1), 3);
    for (int i = 0; i < 6; i++) {
        float rgb[3];
        cn__colour_map((float)i / 5.0f, rgb);
        for (int c = 0; c < 3; c++)
            ck_assert_int_eq(bytes(made)[c * 6 + i], lrintf(rgb[c]));
    }
    cn_tensor_free(made);
    cn_tensor_free(map);
    cn_tensor_free(image);
}
END_TEST

START_TEST(a_clear_map_shows_the_picture) {
    cn_tensor *image = golden_picture(ctx, 3, 5, 4), *map = images(1, 1, 2, 2), *made;
    ck_ok(cn_image_overlay(image, map, 0.0f, &made));
    ck_assert_mem_eq(bytes(made), bytes(image), 60);
    cn_tensor_free(made);
    cn_tensor_free(map);
    cn_tensor_free(image);
}
END_TEST

/* Two values over four pixels, centres at 1/8, 3/8 …: shares 0, 1/4, 3/4, 1. */
START_TEST(a_small_map_is_stretched) {
    static const float shares[] = {0.0f, 0.25f, 0.75f, 1.0f};
    cn_tensor *image = golden_picture(ctx, 3, 1, 4), *map = images(1, 1, 1, 2), *made;
    ((float *)cn_tensor_data(map))[0] = -1.0f;
    ((float *)cn_tensor_data(map))[1] = 3.0f;
    ck_ok(cn_image_overlay(image, map, 0.5f, &made));
    for (int i = 0; i < 4; i++) {
        float rgb[3];
        cn__colour_map(shares[i], rgb);
        for (int c = 0; c < 3; c++)
            ck_assert_int_eq(bytes(made)[c * 4 + i], lrintf(0.5f * ((float)bytes(image)[c * 4 + i] + rgb[c])));
    }
    cn_tensor_free(made);
    cn_tensor_free(map);
    cn_tensor_free(image);
}
END_TEST

START_TEST(what_does_not_fit_is_refused) {
    cn_tensor *image = golden_picture(ctx, 3, 5, 4), *map = images(1, 1, 2, 2), *three = images(1, 3, 2, 2);
    cn_tensor *nothing = images(1, 1, 0, 2), *made = image;
    ck_fails(cn_image_overlay(image, three, 0.5f, &made), CN_ERR_SHAPE, "map is float32 [1, 3, 2, 2]");
    ck_assert_ptr_null(made);
    ck_fails(cn_image_overlay(image, image, 0.5f, &made), CN_ERR_SHAPE, "map is uint8");
    ck_fails(cn_image_overlay(map, map, 0.5f, &made), CN_ERR_SHAPE, "image is not uint8");
    ck_fails(cn_image_overlay(image, nothing, 0.5f, &made), CN_ERR_SHAPE, "empty");
    ck_fails(cn_image_overlay(image, map, 1.5f, &made), CN_ERR_ARGUMENT, "opacity is 1.5");
    ck_fails(cn_image_overlay(image, map, NAN, &made), CN_ERR_ARGUMENT, "opacity is");
    ck_fails(cn_image_overlay(image, NULL, 0.5f, &made), CN_ERR_ARGUMENT, "map is NULL");
    ((float *)cn_tensor_data(map))[3] = NAN;
    ck_fails(cn_image_overlay(image, map, 0.5f, &made), CN_ERR_DATA, "value 3 of the map is");
    cn_tensor_free(nothing);
    cn_tensor_free(three);
    cn_tensor_free(map);
    cn_tensor_free(image);
}
END_TEST

int main(void) {
    const TTest *const tests[] = {colours_grow_ever_lighter, an_opaque_map_hides_the_picture,
                                  a_clear_map_shows_the_picture, a_small_map_is_stretched,
                                  what_does_not_fit_is_refused};
    Suite *suite = suite_create("image_overlay");
    add_tests(suite, "overlay", set_up, tear_down, tests, COUNT(tests), 1);
    return test_run(suite);
}
