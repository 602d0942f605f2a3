/* SPDX-License-Identifier: MIT */
/* test_folder_masks.c: pictures with masks beside them: where they may lie, how masks are read and resized, what is
 * refused; and pictures that are decoded when they are asked for. */
#include "scratch.h"
#include "testing.h"
#include "base/base.h"
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

TEST_RUNS_ONCE;

static cn_context *ctx;
static scratch root;
static char warnings[4096];

static void take_down(void *user, cn_log_level level, const char *message) {
    (void)user;
    (void)level;
    strncat(strncat(warnings, message, 500), "\n", 2);
}

static void setup(void) {
    cn_context_options options = CN_CONTEXT_OPTIONS_INIT;
    options.threads = 3;
    options.log = take_down;
    ck_ok(cn_context_new(&options, &ctx));
    root = scratch_new();
    warnings[0] = '\0';
}

static void teardown(void) {
    scratch_free(&root);
    cn_context_free(ctx);
}

static void folders(const char *const *names, size_t count) {
    for (size_t i = 0; i < count; i++)
        ck_assert_int_eq(mkdir(scratch_path(&root, names[i]), 0755), 0);
}

static uint8_t pixel(int seed, int64_t i) {
    return (uint8_t)((uint32_t)(i + seed * 1000 + 1) * 2654435761u >> 24);
}

/* Random colours below `below`. */
static void picture(const char *name, int channels, int height, int width, int seed, int below) {
    cn_tensor *image;
    ck_ok(cn_tensor_new(ctx, CN_DTYPE_UINT8, 4, (int64_t[]){1, channels, height, width}, &image));
    for (int64_t i = 0; i < cn_tensor_count(image); i++)
        ((uint8_t *)cn_tensor_data(image))[i] = (uint8_t)(pixel(seed, i) % below);
    ck_ok(cn_image_save(image, scratch_path(&root, name)));
    cn_tensor_free(image);
}

/* A picture and a mask of five classes, also in other folders. */
static void pair_in(const char *images, const char *masks, const char *name, int seed) {
    char path[200];
    snprintf(path, sizeof path, "%s/%s.ppm", images, name);
    picture(path, 3, 12, 16, seed, 256);
    snprintf(path, sizeof path, "%s/%s.png", masks, name);
    picture(path, 1, 12, 16, seed, 5);
}

static cn_folder_options options_of(cn_split split, uint64_t memory) {
    cn_folder_options options = CN_FOLDER_OPTIONS_INIT;
    options.height = 12;
    options.width = 16;
    options.split = split;
    options.memory = memory;
    return options;
}

static cn_dataset *open_split(cn_split split, uint64_t memory) {
    cn_folder_options options = options_of(split, memory);
    cn_dataset *set;
    ck_ok(cn_dataset_folder_masks(ctx, root.path, &options, NULL, &set));
    return set;
}

/* Image `index`, 12×16, is that of `seed`, and so is its mask. */
static void expect_pair(const cn_dataset *set, int64_t index, int seed) {
    cn_tensor *image, *mask, *pixels;
    ck_ok(cn_tensor_new(ctx, CN_DTYPE_FLOAT32, 4, (int64_t[]){1, 3, 12, 16}, &image));
    ck_ok(cn_tensor_new(ctx, CN_DTYPE_INT64, 3, (int64_t[]){1, 12, 16}, &mask));
    ck_ok(cn_tensor_new(ctx, CN_DTYPE_UINT8, 4, (int64_t[]){1, 3, 12, 16}, &pixels));
    ck_ok(cn_dataset_batch(set, 1, &index, 0, 0, 0, image, mask));
    ck_ok(cn_dataset_image(set, index, pixels, NULL));
    for (int64_t i = 0; i < 3 * 12 * 16; i++)
        ck_assert_int_eq(((uint8_t *)cn_tensor_data(pixels))[i], pixel(seed, i));
    for (int64_t i = 0; i < 12 * 16; i++)
        ck_assert_int_eq(((int64_t *)cn_tensor_data(mask))[i], pixel(seed, i) % 5);
    cn_tensor_free(image);
    cn_tensor_free(mask);
    cn_tensor_free(pixels);
}

/* ---- where they lie ---- */

START_TEST(masks_go_by_the_names_of_pictures) {
    static const char *const made[] = {"images", "masks", "images/more", "masks/more"};
    cn_target_options told = CN_TARGET_OPTIONS_INIT;
    folders(made, 4);
    pair_in("images", "masks", "b", 2);
    pair_in("images", "masks", "a", 1);
    pair_in("images/more", "masks/more", "a", 3);
    cn_dataset *set = open_split(CN_SPLIT_ALL, 0);
    ck_assert_int_eq(cn_dataset_count(set), 3);
    ck_ok(cn_dataset_target(set, 0, &told));
    ck_assert(told.kind == CN_TARGET_MASK && told.classes == 5 && told.ignore_index == 255);
    for (int64_t i = 0; i < 3; i++) {
        const char *name = cn_dataset_file_name(set, i);
        expect_pair(set, i, strcmp(name, "images/a.ppm") == 0 ? 1 : strcmp(name, "images/b.ppm") == 0 ? 2 : 3);
    }
    cn_dataset_free(set);
    ck_assert_str_eq(warnings, "");
}
END_TEST

START_TEST(parts_may_lie_outside_or_within) {
    static const char *const outside[] = {"train", "train/images", "train/masks", "test", "test/images", "test/masks"};
    static const char *const beside[] = {"valid", "valid/images", "valid/masks"};
    static const char *const within[] = {"images", "images/train", "images/val",
                                         "labels", "labels/train", "labels/val"};
    if (_i == 0) {
        folders(outside, 6);
        pair_in("train/images", "train/masks", "a", 1);
        pair_in("train/images", "train/masks", "b", 2);
        pair_in("test/images", "test/masks", "a", 3);
    } else {
        folders(within, 6);
        pair_in("images/train", "labels/train", "a", 1);
        pair_in("images/train", "labels/train", "b", 2);
        pair_in("images/val", "labels/val", "a", 3);
    }
    cn_folder_options third = options_of(CN_SPLIT_VALIDATION, 0);
    cn_dataset *train = open_split(CN_SPLIT_TRAIN, 0), *test = open_split(CN_SPLIT_TEST, 0), *validation;
    ck_assert(cn_dataset_count(train) == 2 && cn_dataset_count(test) == 1);
    expect_pair(train, 0, 1);
    expect_pair(train, 1, 2);
    expect_pair(test, 0, 3);
    ck_fails(cn_dataset_folder_masks(ctx, root.path, &third, NULL, &validation), CN_ERR_NOT_FOUND,
             "has no part for validation");
    if (_i == 0) {
        folders(beside, 3);
        pair_in("valid/images", "valid/masks", "a", 4);
        validation = open_split(CN_SPLIT_VALIDATION, 0);
        ck_assert_int_eq(cn_dataset_count(validation), 1);
        expect_pair(validation, 0, 4);
        cn_dataset_free(validation);
    }
    cn_dataset_free(train);
    cn_dataset_free(test);
}
END_TEST

START_TEST(without_parts_a_fifth_is_for_testing) {
    static const char *const made[] = {"images", "masks"};
    folders(made, 2);
    for (int i = 0; i < 40; i++) {
        char name[16];
        snprintf(name, sizeof name, "%d", i);
        pair_in("images", "masks", name, i);
    }
    cn_dataset *train = open_split(CN_SPLIT_TRAIN, 0), *test = open_split(CN_SPLIT_TEST, 0);
    ck_assert_int_eq(cn_dataset_count(train) + cn_dataset_count(test), 40);
    ck_assert(cn_dataset_count(test) >= 3 && cn_dataset_count(test) <= 16);
    for (int64_t i = 0; i < cn_dataset_count(test); i++)
        expect_pair(test, i, atoi(cn_dataset_file_name(test, i) + 7));
    cn_dataset_free(train);
    cn_dataset_free(test);
}
END_TEST

/* ---- values ---- */

/* A palette, and grey of two bits, as numbers. */
START_TEST(masks_are_read_as_they_are_stored) {
    static const struct {
        const char *file;
        bool numbers;
    } files[] = {
        {"png/palette2_transparent.png", true}, {"png/grey1_interlaced.png", true}, {"png/rgb16.png", false},
        {"png/rgb_alpha8.png", false},          {"jpeg/progressive.jpg", false},    {"pnm/rgb1000.ppm", false}};
    for (size_t i = 0; i < CN__COUNT(files); i++) {
        char path[100];
        int largest = 0;
        cn_tensor *mask;
        snprintf(path, sizeof path, "tests/corpus/%s", files[i].file);
        if (!files[i].numbers) {
            ck_fails(cn_image_load_mask(ctx, path, &mask), CN_ERR_FORMAT, files[i].file);
            ck_assert_ptr_null(mask);
            continue;
        }
        ck_ok(cn_image_load_mask(ctx, path, &mask));
        ck_assert_int_eq(cn_tensor_shape(mask, 1), 1);
        for (int64_t p = 0; p < cn_tensor_count(mask); p++)
            largest = ((uint8_t *)cn_tensor_data(mask))[p] > largest ? ((uint8_t *)cn_tensor_data(mask))[p] : largest;
        ck_assert(largest >= 1 && largest <= 3);
        cn_tensor_free(mask);
    }
}
END_TEST

/* Where every class is a half of the picture, its colour is, too. */
START_TEST(masks_are_fitted_as_pictures_are) {
    static const char *const made[] = {"images", "masks"};
    cn_tensor *image, *batch, *mask;
    folders(made, 2);
    ck_ok(cn_tensor_new(ctx, CN_DTYPE_UINT8, 4, (int64_t[]){1, 1, 60, 100}, &image));
    for (int i = 0; i < 6000; i++)
        ((uint8_t *)cn_tensor_data(image))[i] = i % 100 >= 40 && i / 100 >= 20;
    ck_ok(cn_image_save(image, scratch_path(&root, "masks/a.png")));
    for (int i = 0; i < 6000; i++)
        ((uint8_t *)cn_tensor_data(image))[i] *= 255;
    ck_ok(cn_image_save(image, scratch_path(&root, "images/a.pgm")));
    cn_folder_options options = options_of(CN_SPLIT_ALL, 0);
    options.channels = 1;
    cn_dataset *set;
    ck_ok(cn_dataset_folder_masks(ctx, root.path, &options, NULL, &set));
    ck_ok(cn_tensor_new(ctx, CN_DTYPE_FLOAT32, 4, (int64_t[]){1, 1, 12, 16}, &batch));
    ck_ok(cn_tensor_new(ctx, CN_DTYPE_INT64, 3, (int64_t[]){1, 12, 16}, &mask));
    ck_ok(cn_dataset_batch(set, 1, &(int64_t){0}, 0, 0, 0, batch, mask));
    int same = 0, ones = 0;
    for (int i = 0; i < 12 * 16; i++) {
        int64_t class = ((int64_t *)cn_tensor_data(mask))[i];
        ones += class == 1;
        same += (((float *)cn_tensor_data(batch))[i] >= 0.5f) == class;
    }
    ck_assert(ones > 60 && ones < 120);
    ck_assert_int_ge(same, 12 * 16 - 4);
    cn_dataset_free(set);
    cn_tensor_free(image);
    cn_tensor_free(batch);
    cn_tensor_free(mask);
}
END_TEST

START_TEST(what_does_not_fit_is_named) {
    static const char *const made[] = {"images", "masks"};
    cn_folder_options options = options_of(CN_SPLIT_ALL, 0);
    cn_target_options mask = CN_TARGET_OPTIONS_INIT;
    cn_dataset *set;
    ck_fails(cn_dataset_folder_masks(ctx, root.path, &options, NULL, &set), CN_ERR_NOT_FOUND, "no folders 'images'");
    folders(made, 2);
    ck_fails(cn_dataset_folder_masks(ctx, root.path, &options, NULL, &set), CN_ERR_DATA, "has no pictures");
    pair_in("images", "masks", "a", 1);
    pair_in("images", "masks", "b", 2);
    picture("masks/extra.png", 1, 12, 16, 1, 5);
    mask.kind = CN_TARGET_MASK;
    mask.classes = 3;
    ck_ok(cn_dataset_folder_masks(ctx, root.path, &options, &mask, &set));
    ck_assert_ptr_nonnull(strstr(warnings, "masks/extra.png', a mask without a picture"));
    cn_tensor *image, *classes;
    ck_ok(cn_tensor_new(ctx, CN_DTYPE_FLOAT32, 4, (int64_t[]){1, 3, 12, 16}, &image));
    ck_ok(cn_tensor_new(ctx, CN_DTYPE_INT64, 3, (int64_t[]){1, 12, 16}, &classes));
    ck_fails(cn_dataset_batch(set, 1, &(int64_t){0}, 0, 0, 0, image, classes), CN_ERR_DATA, "of its mask is");
    cn_tensor_free(image);
    cn_tensor_free(classes);
    cn_dataset_free(set);
    picture("images/c.ppm", 3, 12, 16, 3, 256);
    ck_fails(cn_dataset_folder_masks(ctx, root.path, &options, NULL, &set), CN_ERR_DATA, "c.ppm' has no mask");
    picture("masks/c.png", 1, 12, 17, 3, 5);
    ck_fails(cn_dataset_folder_masks(ctx, root.path, &options, NULL, &set), CN_ERR_DATA, "masks/c.png' is of 17×12");
    picture("masks/c.png", 3, 12, 16, 3, 5);
    ck_fails(cn_dataset_folder_masks(ctx, root.path, &options, NULL, &set), CN_ERR_FORMAT, "masks/c.png");
    picture("masks/c.pgm", 1, 12, 16, 3, 5);
    ck_fails(cn_dataset_folder_masks(ctx, root.path, &options, NULL, &set), CN_ERR_DATA,
             "differ by their endings only");
    ck_assert_ptr_null(set);
}
END_TEST

/* ---- decoded when they are asked for ---- */

enum { PICTURES = 20, BYTES = 3 * 12 * 16 };

static void write_classes(void) {
    static const char *const made[] = {"one", "two"};
    folders(made, 2);
    for (int i = 0; i < PICTURES; i++) {
        char name[32];
        snprintf(name, sizeof name, "%s/%02d.ppm", made[i % 2], i);
        picture(name, 3, 15 + i, 20, i, 256);
    }
}

static cn_tensor *batch_of(const cn_dataset *set, int64_t epoch) {
    int64_t indices[PICTURES], count = cn_dataset_count(set);
    cn_tensor *images, *labels;
    ck_ok(cn_tensor_new(ctx, CN_DTYPE_FLOAT32, 4, (int64_t[]){count, 3, 12, 16}, &images));
    ck_ok(cn_tensor_new(ctx, CN_DTYPE_INT64, 1, &count, &labels));
    for (int64_t i = 0; i < count; i++)
        indices[i] = (i * 7 + epoch) % count;
    ck_ok(cn_dataset_batch(set, count, indices, 1, 1, epoch, images, labels));
    for (int64_t i = 0; i < count; i++) {
        int64_t label;
        ck_ok(cn_dataset_label(set, indices[i], &label));
        ck_assert_int_eq(((int64_t *)cn_tensor_data(labels))[i], label);
    }
    cn_tensor_free(labels);
    return images;
}

/* Whatever has room: nothing, a few, all. */
START_TEST(bits_do_not_depend_on_memory) {
    static const uint64_t memory[] = {1, 7 * BYTES + 5, UINT64_MAX};
    cn_augmentation changes = CN_AUGMENTATION_CIFAR10;
    cn_folder_options options = options_of(CN_SPLIT_ALL, 0);
    cn_dataset *all, *some;
    write_classes();
    ck_ok(cn_dataset_folder(ctx, root.path, &options, &all));
    ck_ok(cn_dataset_set_augmentation(all, &changes));
    for (size_t m = 0; m < CN__COUNT(memory); m++) {
        options.memory = memory[m];
        ck_ok(cn_dataset_folder(ctx, root.path, &options, &some));
        ck_ok(cn_dataset_set_augmentation(some, &changes));
        ck_assert_int_eq(cn_dataset_count(some), PICTURES);
        for (int epoch = 0; epoch < 3; epoch++) {
            cn_tensor *wanted = batch_of(all, epoch), *got = batch_of(some, epoch);
            ck_assert_mem_eq(cn_tensor_data(got), cn_tensor_data(wanted), (size_t)cn_tensor_count(got) * sizeof(float));
            cn_tensor_free(wanted);
            cn_tensor_free(got);
        }
        ck_assert_str_eq(cn_dataset_file_name(some, 3), cn_dataset_file_name(all, 3));
        ck_assert_str_eq(cn_dataset_class_name(some, 1), "two");
        cn_dataset_free(some);
    }
    cn_dataset_free(all);
}
END_TEST

START_TEST(masks_too_can_wait) {
    static const char *const made[] = {"images", "masks"};
    static const uint64_t memory[] = {1, 2 * (BYTES + 12 * 16), 0};
    folders(made, 2);
    for (int i = 0; i < 5; i++)
        pair_in("images", "masks", (const char *[]){"a", "b", "c", "d", "e"}[i], i);
    for (size_t m = 0; m < CN__COUNT(memory); m++) {
        cn_dataset *set = open_split(CN_SPLIT_ALL, memory[m]);
        ck_assert_int_eq(cn_dataset_classes(set), 5);
        for (int round = 0; round < 2; round++)
            for (int i = 0; i < 5; i++)
                expect_pair(set, i, i);
        cn_dataset_free(set);
    }
}
END_TEST

/* What is kept is not read again; the rest is, and may have gone, or be no picture. */
START_TEST(what_cannot_be_read_is_named_when_it_is_asked_for) {
    cn_folder_options options = options_of(CN_SPLIT_ALL, 4 * BYTES);
    cn_dataset *set;
    cn_tensor *image;
    write_classes();
    scratch_write(&root, "one/zz.png", "no picture", 10);
    scratch_write(&root, "one/notes.txt", "no picture", 10);
    ck_ok(cn_dataset_folder(ctx, root.path, &options, &set));
    ck_assert_int_eq(cn_dataset_count(set), PICTURES + 1);
    ck_assert_int_eq(cn_dataset_skipped_count(set), 1);
    ck_ok(cn_tensor_new(ctx, CN_DTYPE_UINT8, 4, (int64_t[]){1, 3, 12, 16}, &image));
    ck_fails(cn_dataset_image(set, 10, image, NULL), CN_ERR_FORMAT, "one/zz.png");
    ck_ok(cn_dataset_image(set, 1, image, NULL));
    ck_ok(cn_dataset_image(set, 11, image, NULL));
    ck_assert_int_eq(unlink(scratch_path(&root, cn_dataset_file_name(set, 1))), 0);
    ck_assert_int_eq(unlink(scratch_path(&root, cn_dataset_file_name(set, 11))), 0);
    ck_ok(cn_dataset_image(set, 1, image, NULL));
    ck_fails(cn_dataset_image(set, 11, image, NULL), CN_ERR_IO, cn_dataset_file_name(set, 11));
    cn_tensor_free(image);
    cn_dataset_free(set);
}
END_TEST

/* Loop index: pictures in classes or with masks; kept or not; once or for good. */
START_TEST(out_of_memory_is_a_status) {
    static const char *const made[] = {"images", "masks"};
    counting_allocator counter = {.persistent = _i % 2};
    cn_folder_options options = options_of(CN_SPLIT_ALL, _i / 2 % 2 ? 1 : 0);
    cn_context *poor = counting_context(&counter, 2);
    cn_status status = CN_ERR_MEMORY;
    if (_i < 4) {
        options.memory = 1;
        write_classes();
    } else {
        folders(made, 2);
        pair_in("images", "masks", "a", 1);
        pair_in("images", "masks", "b", 2);
    }
    for (long failure = 1; status != CN_OK; failure++) {
        cn_dataset *set;
        long live = counter.live;
        counter.fail_at = counter.calls + failure;
        status = _i < 4 ? cn_dataset_folder(poor, root.path, &options, &set)
                        : cn_dataset_folder_masks(poor, root.path, &options, NULL, &set);
        counter.fail_at = 0;
        ck_assert_msg(status == CN_OK || status == CN_ERR_MEMORY, "%s", cn_last_error());
        ck_assert((status == CN_OK) == (set != NULL));
        cn_dataset_free(set);
        ck_assert_int_eq(counter.live, live);
    }
    cn_context_free(poor);
    ck_assert_int_eq(counter.live, 0);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("folder masks");
    TCase *group = tcase_create("folder masks");
    tcase_add_checked_fixture(group, setup, teardown);
    tcase_add_test(group, masks_go_by_the_names_of_pictures);
    tcase_add_loop_test(group, parts_may_lie_outside_or_within, 0, 2);
    tcase_add_test(group, without_parts_a_fifth_is_for_testing);
    tcase_add_test(group, masks_are_read_as_they_are_stored);
    tcase_add_test(group, masks_are_fitted_as_pictures_are);
    tcase_add_test(group, what_does_not_fit_is_named);
    tcase_add_test(group, bits_do_not_depend_on_memory);
    tcase_add_test(group, masks_too_can_wait);
    tcase_add_test(group, what_cannot_be_read_is_named_when_it_is_asked_for);
    tcase_add_loop_test(group, out_of_memory_is_a_status, 2, 8);
    suite_add_tcase(suite, group);
    return test_run(suite);
}
