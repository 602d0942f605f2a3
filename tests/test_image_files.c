/* SPDX-License-Identifier: MIT */
/* test_image_files.c: pictures of every kind read, against what they were made of; cut short, damaged and absurd ones;
 * pictures written and read again. */
#include "golden_images.h"
#include "scratch.h"
#include "testing.h"
#include "base/base.h"
#include "whole_file.h"
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

TEST_RUNS_ONCE;

static cn_context *ctx;
static scratch folder;

static void setup(void) {
    ctx = test_context(1);
    folder = scratch_new();
}

static void teardown(void) {
    scratch_free(&folder);
    cn_context_free(ctx);
}

static const char *in_folder(const char *name) {
    static char path[128];
    snprintf(path, sizeof path, "%s/%s", folder.path, name);
    return path;
}

static unsigned char *read_bytes(const char *file, size_t *bytes) {
    char path[128];
    unsigned char *data;
    snprintf(path, sizeof path, GOLDEN_IMAGES "%s", file);
    ck_ok(load_file(ctx, path, &data, bytes));
    return data;
}

static bool is_pnm(const char *file) {
    return strstr(file, ".pbm") || strstr(file, ".pgm") || strstr(file, ".ppm");
}

/* ---- reading ---- */

/* Decoders of JPEG may differ by rounding. */
static void check_load(const golden_image *golden) {
    char path[128];
    cn_tensor *image;
    const int *n = golden->number;
    snprintf(path, sizeof path, GOLDEN_IMAGES "%s", golden->file);
    if (!CN_WITH_IMAGES && !is_pnm(golden->file)) {
        ck_fails(cn_image_load(ctx, path, &image), CN_ERR_UNSUPPORTED, "WITH_IMAGES=0");
        return;
    }
    ck_ok(cn_image_load(ctx, path, &image));
    golden_compare_image(golden, image, n[0], n[1], n[2], strstr(path, ".jpg") ? 2 : 0);
    cn_tensor_free(image);
}

START_TEST(every_kind_of_file_is_read) {
    golden_images("load", check_load);
}
END_TEST

/* Bytes at the end of a file that no pixel depends on: all behind the last IDAT of a PNG, the end marker of a JPEG of
 * one scan and the bits that fill up its last byte, a blank behind the last number of a text. */
static size_t spare_bytes(const char *file, const unsigned char *data, size_t bytes) {
    size_t spare = 0;
    if (strstr(file, ".png"))
        for (size_t at = 8; at < bytes; at += 12u + ((size_t)data[at + 2] << 8 | data[at + 3]))
            spare = memcmp(data + at + 4, "IDAT", 4) == 0 ? bytes - at - 12 - ((size_t)data[at + 2] << 8 | data[at + 3])
                                                          : spare;
    else if (strstr(file, ".jpg") && !strstr(file, "progressive"))
        spare = 3;
    else if (strstr(file, "_text"))
        spare = 4; /* a number may lose digits and still be one */
    return spare;
}

/* A whole picture, or none, and that said. */
static void check_beginning(const golden_image *golden, const unsigned char *data, size_t cut, size_t bytes) {
    unsigned char *beginning = malloc(cut + 1); /* so that sanitizers see its end */
    cn_tensor *image = (cn_tensor *)beginning;
    memcpy(beginning, data, cut);
    cn_status status = cn_image_load_memory(ctx, beginning, cut, &image);
    if (status == CN_OK && cut + spare_bytes(golden->file, data, bytes) >= bytes)
        ck_assert_uint_eq((size_t)cn_tensor_count(image), golden->bytes);
    else
        ck_assert_msg(status == CN_ERR_FORMAT && !image, "%s: %zu of %zu bytes: %s", golden->file, cut, bytes,
                      cn_status_string(status));
    if (status == CN_OK && !strstr(golden->file, "_text") && !strstr(golden->file, "_behind"))
        golden_compare_image(golden, image, golden->number[0], golden->number[1], golden->number[2],
                             strstr(golden->file, ".jpg") ? 2 : 0);
    if (strstr(golden->file, ".png") && cut + spare_bytes(golden->file, data, bytes) >= bytes)
        ck_assert_msg(status == CN_OK, "%s: %zu of %zu bytes: %s", golden->file, cut, bytes, cn_last_error());
    cn_tensor_free(image);
    free(beginning);
}

/* Every beginning of every file, and the file with a byte changed: a status and no picture, or a picture. */
static void check_damage(const golden_image *golden) {
    size_t bytes;
    unsigned char *data = read_bytes(golden->file, &bytes);
    cn_tensor *image = (cn_tensor *)data;
    if (!CN_WITH_IMAGES && !is_pnm(golden->file)) {
        cn__free(ctx, data);
        return;
    }
    for (size_t cut = 0; cut < bytes; cut++)
        check_beginning(golden, data, cut, bytes);
    for (size_t at = 0; at < bytes; at++)
        for (int bit = 0; bit < 8; bit += 1 + 2 * test_quick()) {
            data[at] ^= (unsigned char)(1 << bit);
            cn_status status = cn_image_load_memory(ctx, data, bytes, &image);
            ck_assert_msg(status == CN_OK ? image != NULL : status == CN_ERR_FORMAT && !image,
                          "%s: bit %d of byte %zu changed: %s: %s", golden->file, bit, at, cn_status_string(status),
                          cn_last_error());
            cn_tensor_free(image);
            data[at] ^= (unsigned char)(1 << bit);
        }
    cn__free(ctx, data);
}

START_TEST(damaged_files_are_a_status) {
    golden_images("load", check_damage);
}
END_TEST

/* Headers that promise more than can be. */
START_TEST(absurd_sizes_are_refused_before_memory_is_asked_for) {
    static const char huge[] = "P6 100000 100000 255\n...", nothing[] = "P5 0 7 255\n",
                      longer[] = "P5 9999 9999 255\n..";
    static const char level[] = "P5 1 1 65536\n..", words[] = "P5 wide high\n", endless[] = "P5 # no end";
    static const char digits[] = "P5 99999999999999999999999 1 255\n.";
    cn_tensor *image;
    ck_fails(cn_image_load_memory(ctx, huge, sizeof huge, &image), CN_ERR_FORMAT, "has 100000×100000 pixels");
    ck_fails(cn_image_load_memory(ctx, nothing, sizeof nothing, &image), CN_ERR_FORMAT, "has 0×7 pixels");
    ck_fails(cn_image_load_memory(ctx, longer, sizeof longer, &image), CN_ERR_FORMAT, "for 9999×9999 pixels");
    ck_fails(cn_image_load_memory(ctx, level, sizeof level, &image), CN_ERR_FORMAT, "largest value");
    ck_fails(cn_image_load_memory(ctx, words, sizeof words, &image), CN_ERR_FORMAT, "a number is wanted");
    ck_fails(cn_image_load_memory(ctx, endless, sizeof endless - 1, &image), CN_ERR_FORMAT, "ends too early");
    ck_fails(cn_image_load_memory(ctx, digits, sizeof digits, &image), CN_ERR_FORMAT, "pixels");
}
END_TEST

START_TEST(what_is_no_picture_is_refused) {
    cn_tensor *image;
    ck_fails(cn_image_load_memory(ctx, "GIF89a", 6, &image), CN_ERR_FORMAT, "is no PNG, JPEG, PPM, PGM or PBM");
    ck_fails(cn_image_load_memory(ctx, "", 0, &image), CN_ERR_FORMAT, "is no PNG");
    ck_fails(cn_image_load(ctx, "tests/golden/images.txt", &image), CN_ERR_FORMAT, "'tests/golden/images.txt' is no");
    ck_fails(cn_image_load(ctx, "/nowhere/x.png", &image), CN_ERR_IO, "cannot open '/nowhere/x.png'");
    ck_fails(cn_image_load(ctx, "tests", &image), CN_ERR_IO, "not a regular file");
    ck_fails(cn_image_load(NULL, "x", &image), CN_ERR_ARGUMENT, "context is NULL");
    ck_fails(cn_image_load(ctx, NULL, &image), CN_ERR_ARGUMENT, "path is NULL");
    ck_fails(cn_image_load_memory(ctx, NULL, 3, &image), CN_ERR_ARGUMENT, "data is NULL");
    ck_fails(cn_image_load(ctx, "x", NULL), CN_ERR_ARGUMENT, "image is NULL");
}
END_TEST

/* ---- writing ---- */

static void check_saved(int channels, int height, int width, const char *name) {
    cn_tensor *image = golden_picture(ctx, channels, height, width), *back;
    if (!CN_WITH_IMAGES && (strstr(name, "png") || strstr(name, "PNG"))) {
        ck_fails(cn_image_save(image, in_folder(name)), CN_ERR_UNSUPPORTED, "PNG");
        cn_tensor_free(image);
        return;
    }
    ck_ok(cn_image_save(image, in_folder(name)));
    ck_ok(cn_image_load(ctx, in_folder(name), &back));
    ck_assert_int_eq(cn_tensor_shape(back, 1), channels);
    ck_assert_int_eq(cn_tensor_shape(back, 2), height);
    ck_assert_int_eq(cn_tensor_shape(back, 3), width);
    ck_assert_mem_eq(cn_tensor_data(back), cn_tensor_data(image), (size_t)cn_tensor_count(image));
    cn_tensor_free(back);
    cn_tensor_free(image);
    ck_assert_int_eq(unlink(in_folder(name)), 0);
}

START_TEST(what_is_written_is_read_again) {
    check_saved(3, 5, 9, "a.png");
    check_saved(1, 5, 9, "a.PNG");
    check_saved(3, 1, 1, "a.png");
    check_saved(3, 9, 5, "a.ppm");
    check_saved(1, 300, 200, "a.pgm");
}
END_TEST

START_TEST(a_png_in_memory_is_that_of_the_file) {
    cn_tensor *image = golden_picture(ctx, 3, 8, 8), *png = image, *back;
    size_t bytes;
    unsigned char *file;
    if (CN_WITH_IMAGES) {
        ck_ok(cn_image_encode_png(image, &png));
        ck_ok(cn_image_save(image, in_folder("a.png")));
        ck_ok(load_file(ctx, in_folder("a.png"), &file, &bytes));
        ck_assert_uint_eq(bytes, (size_t)cn_tensor_count(png));
        ck_assert_mem_eq(file, cn_tensor_data(png), bytes);
        ck_ok(cn_image_load_memory(ctx, cn_tensor_data(png), bytes, &back));
        cn_tensor_free(back);
        cn_tensor_free(png);
        cn__free(ctx, file);
        unlink(in_folder("a.png"));
    } else {
        ck_fails(cn_image_encode_png(image, &png), CN_ERR_UNSUPPORTED, "PNG");
        ck_assert_ptr_null(png);
    }
    cn_tensor_free(image);
}
END_TEST

START_TEST(what_cannot_be_written_is_refused) {
    cn_tensor *image = golden_picture(ctx, 3, 4, 4), *grey = golden_picture(ctx, 1, 4, 4), *row, *png;
    ck_ok(cn_tensor_new(ctx, CN_DTYPE_UINT8, 1, (int64_t[]){4}, &row));
    ck_fails(cn_image_save(image, "a.jpg"), CN_ERR_ARGUMENT, "'a.jpg' does not end with .png or, for 3 channels, .ppm");
    ck_fails(cn_image_save(image, "a.pgm"), CN_ERR_ARGUMENT, ".ppm");
    ck_fails(cn_image_save(grey, "a.ppm"), CN_ERR_ARGUMENT, "for 1 channel, .pgm");
    ck_fails(cn_image_save(image, "png"), CN_ERR_ARGUMENT, "does not end");
    ck_fails(cn_image_save(image, "/nowhere/a.ppm"), CN_ERR_IO, "/nowhere/a.ppm");
    ck_fails(cn_image_save(row, "a.ppm"), CN_ERR_SHAPE, "image is [4]");
    ck_fails(cn_image_save(NULL, "a.ppm"), CN_ERR_ARGUMENT, "image is NULL");
    ck_fails(cn_image_save(image, NULL), CN_ERR_ARGUMENT, "path is NULL");
    if (CN_WITH_IMAGES)
        ck_fails(cn_image_encode_png(row, &png), CN_ERR_SHAPE, "image is [4]");
    ck_fails(cn_image_encode_png(image, NULL), CN_ERR_ARGUMENT, "png is NULL");
    cn_tensor_free(row);
    cn_tensor_free(grey);
    cn_tensor_free(image);
}
END_TEST

/* ---- memory ---- */

static cn_status load_and_save(cn_context *poor, const char *path, const char *to) {
    cn_tensor *image, *fitted = NULL;
    cn_status status = cn_image_load(poor, path, &image);
    if (status == CN_OK)
        status = cn_image_fit(image, 3, 6, 6, &fitted);
    if (status == CN_OK)
        status = cn_image_save(fitted, to);
    cn_tensor_free(fitted);
    cn_tensor_free(image);
    return status;
}

/* Loop index: once or for good. */
START_TEST(out_of_memory_is_a_status) {
    static const char *const files[] = {"grey.pgm", "rgb8_interlaced.png", "palette2_transparent.png", "cmyk.jpg",
                                        "orientation6.jpg"};
    counting_allocator counter = {.persistent = _i};
    cn_context *poor = counting_context(&counter, 1);
    long live = counter.live;
    for (size_t i = 0; i < (CN_WITH_IMAGES ? CN__COUNT(files) : 1); i++) {
        char path[128];
        long failures = 0;
        snprintf(path, sizeof path, GOLDEN_IMAGES "%s", files[i]);
        for (;; failures++) {
            counter.fail_at = counter.calls + 1 + failures;
            cn_status status = load_and_save(poor, path, in_folder(CN_WITH_IMAGES ? "a.png" : "a.ppm"));
            counter.fail_at = 0;
            ck_assert_int_eq(counter.live, live);
            if (status == CN_OK)
                break;
            ck_assert_msg(status == CN_ERR_MEMORY, "%s, allocation %ld: %s", files[i], failures + 1, cn_last_error());
        }
        ck_assert_int_gt(failures, 5);
    }
    unlink(in_folder(CN_WITH_IMAGES ? "a.png" : "a.ppm"));
    cn_context_free(poor);
    ck_assert_int_eq(counter.live, 0);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("image_files");
    TCase *group = tcase_create("files");
    tcase_add_checked_fixture(group, setup, teardown);
    tcase_add_test(group, every_kind_of_file_is_read);
    tcase_add_test(group, damaged_files_are_a_status);
    tcase_add_test(group, absurd_sizes_are_refused_before_memory_is_asked_for);
    tcase_add_test(group, what_is_no_picture_is_refused);
    tcase_add_test(group, what_is_written_is_read_again);
    tcase_add_test(group, a_png_in_memory_is_that_of_the_file);
    tcase_add_test(group, what_cannot_be_written_is_refused);
    tcase_add_loop_test(group, out_of_memory_is_a_status, 0, 2);
    suite_add_tcase(suite, group);
    return test_run(suite);
}
