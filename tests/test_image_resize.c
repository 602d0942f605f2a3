/* SPDX-License-Identifier: MIT */
/* test_image_resize.c: pictures in other sizes against Pillow, fitted ones against torchvision, byte by byte; sizes
 * that cannot be. */
#include "golden_images.h"
#include "testing.h"

TEST_RUNS_ONCE;

static cn_context *ctx;

static void setup(void) {
    ctx = test_context(1);
}

static void teardown(void) {
    cn_context_free(ctx);
}

static void check_resize(const golden_image *golden) {
    const int *n = golden->number;
    cn_tensor *image = golden_picture(ctx, n[0], n[1], n[2]), *resized;
    ck_ok(cn_image_resize(image, n[3], n[4], &resized));
    golden_compare_image(golden, resized, n[0], n[3], n[4], 0);
    cn_tensor_free(resized);
    cn_tensor_free(image);
}

START_TEST(a_resized_picture_is_pillows) {
    golden_images("resize", check_resize);
}
END_TEST

static void check_fit(const golden_image *golden) {
    const int *n = golden->number;
    cn_tensor *image = golden_picture(ctx, n[0], n[1], n[2]), *fitted;
    ck_ok(cn_image_fit(image, n[3], n[4], n[5], &fitted));
    golden_compare_image(golden, fitted, n[3], n[4], n[5], 0);
    cn_tensor_free(fitted);
    cn_tensor_free(image);
}

START_TEST(a_fitted_picture_is_torchvisions) {
    golden_images("fit", check_fit);
}
END_TEST

/* What torchvision has no word for: the covering size is wanted of both sides. */
START_TEST(a_picture_is_fitted_into_an_oblong) {
    cn_tensor *image = golden_picture(ctx, 3, 40, 30), *covering, *fitted;
    ck_ok(cn_image_resize(image, 26, 20, &covering)); /* 20 · 40 / 30 */
    ck_ok(cn_image_fit(image, 3, 10, 20, &fitted));
    const uint8_t *all = cn_tensor_data(covering), *middle = cn_tensor_data(fitted);
    for (int c = 0; c < 3; c++)
        ck_assert_mem_eq(middle + c * 10 * 20, all + c * 26 * 20 + 8 * 20, 10 * 20);
    cn_tensor_free(fitted);
    cn_tensor_free(covering);
    cn_tensor_free(image);
}
END_TEST

START_TEST(an_even_picture_stays_even) {
    cn_tensor *image, *resized;
    ck_ok(cn_tensor_new(ctx, CN_DTYPE_UINT8, 4, (int64_t[]){1, 1, 37, 53}, &image));
    memset(cn_tensor_data(image), 255, 37 * 53);
    ck_ok(cn_image_resize(image, 5, 100, &resized));
    for (int i = 0; i < 500; i++)
        ck_assert_int_eq(((uint8_t *)cn_tensor_data(resized))[i], 255);
    cn_tensor_free(resized);
    cn_tensor_free(image);
}
END_TEST

/* A strip that at the covering scale would have thousands of millions of pixels. */
START_TEST(a_strip_is_fitted_without_its_ends) {
    cn_tensor *image, *fitted;
    ck_ok(cn_tensor_new(ctx, CN_DTYPE_UINT8, 4, (int64_t[]){1, 1, 1, 5000000}, &image));
    memset(cn_tensor_data(image), 90, 5000000);
    ck_ok(cn_image_fit(image, 3, 600, 600, &fitted));
    ck_assert_int_eq(((uint8_t *)cn_tensor_data(fitted))[3 * 600 * 600 - 1], 90);
    cn_tensor_free(fitted);
    cn_tensor_free(image);
}
END_TEST

START_TEST(sizes_that_cannot_be_are_refused) {
    cn_tensor *image = golden_picture(ctx, 3, 4, 5), *floats, *out = image;
    ck_ok(cn_tensor_new(ctx, CN_DTYPE_FLOAT32, 4, (int64_t[]){1, 3, 4, 5}, &floats));
    ck_fails(cn_image_resize(image, 0, 5, &out), CN_ERR_ARGUMENT, "5×0 pixels");
    ck_assert_ptr_null(out);
    ck_fails(cn_image_resize(image, 1 << 20, 1 << 20, &out), CN_ERR_ARGUMENT, "1048576×1048576 pixels");
    ck_fails(cn_image_fit(image, 2, 5, 5, &out), CN_ERR_ARGUMENT, "channels is 2");
    ck_fails(cn_image_fit(image, 3, -1, 5, &out), CN_ERR_ARGUMENT, "5×-1 pixels");
    ck_fails(cn_image_fit(floats, 3, 5, 5, &out), CN_ERR_SHAPE, "not uint8");
    ck_fails(cn_image_fit(NULL, 3, 5, 5, &out), CN_ERR_ARGUMENT, "image is NULL");
    ck_fails(cn_image_resize(image, 5, 5, NULL), CN_ERR_ARGUMENT, "resized is NULL");
    cn_tensor_free(floats);
    cn_tensor_free(image);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("image_resize");
    TCase *group = tcase_create("sizes");
    tcase_add_checked_fixture(group, setup, teardown);
    tcase_add_test(group, a_resized_picture_is_pillows);
    tcase_add_test(group, a_fitted_picture_is_torchvisions);
    tcase_add_test(group, a_picture_is_fitted_into_an_oblong);
    tcase_add_test(group, an_even_picture_stays_even);
    tcase_add_test(group, a_strip_is_fitted_without_its_ends);
    tcase_add_test(group, sizes_that_cannot_be_are_refused);
    suite_add_tcase(suite, group);
    return test_run(suite);
}
