/* SPDX-License-Identifier: MIT */
/* test_views.c: data sets that share the images of another: chosen ones, two parts, another order. */
#include "arrays.h"
#include "testing.h"
#include "base/base.h"
#include <math.h>
#include <stdio.h>

TEST_RUNS_ONCE;

START_TEST(a_subset_has_the_chosen_images) {
    arrays a = arrays_new(CN_DTYPE_UINT8, 1);
    const int64_t chosen[5] = {19, 0, 7, 7, 3}, again[2] = {4, 2}, outside[2] = {0, 5}, negative[1] = {-1};
    cn_dataset *five, *two, *none;
    ck_ok(cn_dataset_subset(a.set, 5, chosen, &five));
    ck_ok(cn_dataset_subset(five, 2, again, &two));
    ck_assert_int_eq(cn_dataset_count(five), 5);
    for (int i = 0; i < 5; i++)
        arrays_expect_image(five, a.ctx, i, chosen[i]);
    ck_fails(cn_dataset_subset(five, 2, outside, &none), CN_ERR_NOT_FOUND, "index 1 is 5, the data set has 5 images");
    ck_fails(cn_dataset_subset(five, 1, negative, &none), CN_ERR_NOT_FOUND, "index 0 is -1");
    ck_fails(cn_dataset_subset(five, 0, chosen, &none), CN_ERR_ARGUMENT, "count is 0");
    ck_fails(cn_dataset_subset(five, 5, NULL, &none), CN_ERR_ARGUMENT, "indices is NULL");
    ck_assert_ptr_null(none);
    cn_dataset_free(five); /* before its view */
    cn_dataset_free(a.set);
    a.set = NULL;
    arrays_expect_image(two, a.ctx, 0, 3);
    arrays_expect_image(two, a.ctx, 1, 7);
    cn_dataset_free(two);
    arrays_free(&a);
}
END_TEST

/* Which images of the array a view shows, by their first pixel, which differs from image to image. */
static void list_originals(const cn_dataset *view, cn_context *ctx, int seen[ARRAYS_COUNT]) {
    const int64_t shape[4] = {1, ARRAYS_CHANNELS, ARRAYS_HEIGHT, ARRAYS_WIDTH};
    cn_tensor *image;
    ck_ok(cn_tensor_new(ctx, CN_DTYPE_UINT8, 4, shape, &image));
    for (int64_t i = 0; i < cn_dataset_count(view); i++) {
        int64_t original = 0;
        ck_ok(cn_dataset_image(view, i, image, NULL));
        while (arrays_pixel(original, 0) != *(uint8_t *)cn_tensor_data(image))
            original++;
        ck_assert_int_lt(original, ARRAYS_COUNT);
        seen[original]++;
    }
    cn_tensor_free(image);
}

START_TEST(a_split_leaves_nothing_out) {
    arrays a = arrays_new(CN_DTYPE_UINT8, 1);
    cn_dataset *part, *rest, *same, *same_rest, *other, *other_rest;
    int seen[ARRAYS_COUNT] = {0}, first[ARRAYS_COUNT] = {0}, second[ARRAYS_COUNT] = {0}, third[ARRAYS_COUNT] = {0};
    ck_ok(cn_dataset_split(a.set, 0.33, 5, &part, &rest)); /* 6.6 images */
    ck_assert_int_eq(cn_dataset_count(part), 7);
    ck_assert_int_eq(cn_dataset_count(rest), ARRAYS_COUNT - 7);
    list_originals(part, a.ctx, seen);
    list_originals(rest, a.ctx, seen);
    for (int i = 0; i < ARRAYS_COUNT; i++)
        ck_assert_int_eq(seen[i], 1);
    ck_ok(cn_dataset_split(a.set, 0.33, 5, &same, &same_rest));
    ck_ok(cn_dataset_split(a.set, 0.33, 6, &other, &other_rest));
    list_originals(part, a.ctx, first);
    list_originals(same, a.ctx, second);
    list_originals(other, a.ctx, third);
    ck_assert_mem_eq(first, second, sizeof first);
    ck_assert_mem_ne(first, third, sizeof first);
    cn_dataset *const all[] = {part, rest, same, same_rest, other, other_rest};
    for (size_t i = 0; i < CN__COUNT(all); i++)
        cn_dataset_free(all[i]);
    arrays_free(&a);
}
END_TEST

START_TEST(a_split_has_two_parts) {
    arrays a = arrays_new(CN_DTYPE_UINT8, 1);
    const double bad[] = {0.0, 1.0, -0.5, 1.5, NAN};
    cn_dataset *part, *rest;
    for (size_t i = 0; i < CN__COUNT(bad); i++)
        ck_fails(cn_dataset_split(a.set, bad[i], 5, &part, &rest), CN_ERR_ARGUMENT, "wanted above 0 and below 1");
    ck_fails(cn_dataset_split(a.set, 0.01, 5, &part, &rest), CN_ERR_ARGUMENT, "leaves the part empty");
    ck_fails(cn_dataset_split(a.set, 0.99, 5, &part, &rest), CN_ERR_ARGUMENT, "leaves the rest empty");
    ck_assert_ptr_null(part);
    ck_assert_ptr_null(rest);
    ck_fails(cn_dataset_split(a.set, 0.5, 5, NULL, &rest), CN_ERR_ARGUMENT, "part is NULL");
    arrays_free(&a);
}
END_TEST

START_TEST(a_shuffle_has_all_images_in_another_order) {
    arrays a = arrays_new(CN_DTYPE_UINT8, 1);
    cn_dataset *once, *again, *other;
    int seen[ARRAYS_COUNT] = {0};
    ck_ok(cn_dataset_shuffled(a.set, 1, &once));
    ck_ok(cn_dataset_shuffled(a.set, 1, &again));
    ck_ok(cn_dataset_shuffled(a.set, 2, &other));
    list_originals(once, a.ctx, seen);
    for (int i = 0; i < ARRAYS_COUNT; i++)
        ck_assert_int_eq(seen[i], 1);
    cn_tensor *plain = arrays_batch(a.set, a.ctx, 0, 0, 0), *x = arrays_batch(once, a.ctx, 0, 0, 0);
    cn_tensor *y = arrays_batch(again, a.ctx, 0, 0, 0), *z = arrays_batch(other, a.ctx, 0, 0, 0);
    ck_assert(arrays_same_floats(x, y));
    ck_assert(!arrays_same_floats(x, z));
    ck_assert(!arrays_same_floats(x, plain));
    cn_tensor *const tensors[] = {plain, x, y, z};
    for (size_t i = 0; i < CN__COUNT(tensors); i++)
        cn_tensor_free(tensors[i]);
    cn_dataset_free(once);
    cn_dataset_free(again);
    cn_dataset_free(other);
    arrays_free(&a);
}
END_TEST

START_TEST(views_take_what_their_parent_has_and_then_go_their_own_way) {
    arrays a = arrays_new(CN_DTYPE_UINT8, 1);
    const char *names[ARRAYS_CLASSES] = {"a", "b", "c", "d", "e", "f", "g"},
               *others[ARRAYS_CLASSES] = {"t", "u", "v", "w", "x", "y", "z"};
    const float mean[3] = {0.1f, 0.2f, 0.3f}, std[3] = {0.5f, 0.6f, 0.7f}, zero[3] = {0.0f, 0.0f, 0.0f};
    const float *view_mean, *view_std;
    cn_dataset *view;
    cn_augmentation crop = CN_AUGMENTATION_INIT;
    crop.crop_padding = 3;
    ck_ok(cn_dataset_set_class_names(a.set, ARRAYS_CLASSES, names));
    ck_ok(cn_dataset_set_normalization(a.set, 3, mean, std));
    ck_ok(cn_dataset_set_augmentation(a.set, &crop));
    ck_ok(cn_dataset_shuffled(a.set, 1, &view));
    ck_ok(cn_dataset_set_class_names(a.set, ARRAYS_CLASSES, others));
    ck_ok(cn_dataset_set_normalization(a.set, 3, zero, std));
    ck_ok(cn_dataset_set_augmentation(a.set, NULL));
    ck_assert_str_eq(cn_dataset_class_name(view, 6), "g");
    ck_assert_int_eq(cn_dataset_normalization(view, &view_mean, &view_std), 3);
    ck_assert_mem_eq(view_mean, mean, sizeof mean);
    cn_augmentation got = CN_AUGMENTATION_INIT;
    ck_ok(cn_dataset_augmentation(view, &got));
    ck_assert_int_eq(got.crop_padding, 3);
    ck_ok(cn_dataset_augmentation(a.set, &got));
    ck_assert_int_eq(got.crop_padding, 0);
    cn_tensor *plain = arrays_batch(view, a.ctx, 0, 1, 1), *cropped = arrays_batch(view, a.ctx, 1, 1, 1);
    ck_assert(!arrays_same_floats(plain, cropped));
    cn_tensor_free(plain);
    cn_tensor_free(cropped);
    cn_dataset_free(view);
    arrays_free(&a);
}
END_TEST

/* ---- classes as a model has them ---- */

/* A model of that many outputs, its classes called by the letters of `names` unless that is NULL. */
static cn_model *model_of(cn_context *ctx, int outputs, const char *names) {
    char letters[16][2];
    const char *list[16];
    cn_layer *flat, *linear;
    cn_model *model;
    ck_ok(cn_model_new(ctx, ARRAYS_CHANNELS, ARRAYS_HEIGHT, ARRAYS_WIDTH, &model));
    ck_ok(cn_flatten_new(ctx, &flat));
    ck_ok(cn_linear_new(ctx, ARRAYS_VALUES, outputs, 0, &linear));
    ck_ok(cn_model_append(model, "flat", flat));
    ck_ok(cn_model_append(model, "out", linear));
    ck_ok(cn_model_init(model, 1));
    for (int i = 0; names && i < outputs; i++) {
        letters[i][0] = names[i];
        letters[i][1] = '\0';
        list[i] = letters[i];
    }
    if (names)
        ck_ok(cn_model_set_class_names(model, outputs, list));
    return model;
}

static int64_t label_of(const cn_dataset *set, int64_t index) {
    int64_t label = -1;
    ck_ok(cn_dataset_label(set, index, &label));
    return label;
}

START_TEST(classes_are_matched_by_name_whatever_their_order) {
    static const char *const names[ARRAYS_CLASSES] = {"a", "b", "c", "d", "e", "f", "g"};
    static const int64_t chosen[3] = {8, 0, 6}, wanted[3] = {8, 9, 3};
    arrays a = arrays_new(CN_DTYPE_UINT8, 1);
    cn_model *model = model_of(a.ctx, 10, "xyzgfedcba");
    cn_dataset *part, *matched, *again;
    ck_ok(cn_dataset_set_class_names(a.set, ARRAYS_CLASSES, names));
    ck_ok(cn_dataset_subset(a.set, 3, chosen, &part));
    ck_ok(cn_dataset_match_classes(part, model, &matched));
    ck_ok(cn_dataset_match_classes(matched, model, &again)); /* changes nothing more */
    ck_assert_int_eq(cn_dataset_classes(part), ARRAYS_CLASSES);
    ck_assert_int_eq(cn_dataset_classes(matched), 10);
    ck_assert_str_eq(cn_dataset_class_name(matched, 8), "b");
    for (int i = 0; i < 3; i++) {
        int64_t labels[1];
        const int64_t index = i, shape[4] = {1, ARRAYS_CHANNELS, ARRAYS_HEIGHT, ARRAYS_WIDTH};
        float values[ARRAYS_VALUES];
        cn_tensor *images, *label;
        ck_ok(cn_tensor_borrow(a.ctx, CN_DTYPE_FLOAT32, 4, shape, values, &images));
        ck_ok(cn_tensor_borrow(a.ctx, CN_DTYPE_INT64, 1, shape, labels, &label));
        ck_ok(cn_dataset_batch(again, 1, &index, 0, 0, 0, images, label));
        ck_assert_int_eq(labels[0], wanted[i]);
        ck_assert_int_eq(label_of(matched, i), wanted[i]);
        ck_assert_int_eq(label_of(part, i), chosen[i] % ARRAYS_CLASSES);
        cn_tensor_free(images);
        cn_tensor_free(label);
    }
    cn_dataset_free(part);
    cn_dataset_free(again);
    cn_dataset_free(matched);
    cn_model_free(model);
    arrays_free(&a);
}
END_TEST

START_TEST(classes_that_the_model_does_not_know_are_named) {
    static const char *const names[ARRAYS_CLASSES] = {"1", "2", "3", "4", "5", "6", "7"};
    arrays a = arrays_new(CN_DTYPE_UINT8, 1);
    cn_model *digits = model_of(a.ctx, 7, "0123456"), *few = model_of(a.ctx, 3, NULL), *bare = model_of(a.ctx, 7, NULL);
    cn_dataset *matched = a.set;
    ck_ok(cn_dataset_match_classes(a.set, digits, &matched)); /* nameless images: by number */
    ck_assert_int_eq(label_of(matched, 3), 3);
    cn_dataset_free(matched);
    ck_fails(cn_dataset_match_classes(a.set, few, &matched), CN_ERR_DATA, "7 classes, the model tells 3 apart");
    ck_ok(cn_dataset_set_class_names(a.set, ARRAYS_CLASSES, names));
    ck_fails(cn_dataset_match_classes(a.set, digits, &matched), CN_ERR_DATA,
             "class '7' of the data is none of the 7 of the model: '0', '1', '2'");
    ck_assert_ptr_null(matched);
    ck_ok(cn_dataset_match_classes(a.set, bare, &matched)); /* a nameless model: by number, and names are kept */
    ck_assert_str_eq(cn_dataset_class_name(matched, 6), "7");
    cn_dataset_free(matched);
    ck_fails(cn_dataset_match_classes(NULL, bare, &matched), CN_ERR_ARGUMENT, "dataset is NULL");
    ck_fails(cn_dataset_match_classes(a.set, NULL, &matched), CN_ERR_ARGUMENT, "model is NULL");
    cn_model_free(digits);
    cn_model_free(few);
    cn_model_free(bare);
    arrays_free(&a);
}
END_TEST

/* ---- the suite ---- */

static void take_down(void *user, cn_log_level level, const char *message) {
    if (level == CN_LOG_WARNING)
        snprintf(user, 256, "%s", message);
}

/* What is matched by number alone, though one side has names, is said. */
START_TEST(classes_taken_in_order_are_said) {
    static const uint8_t pixels[7];
    static const int64_t labels[7] = {0, 1, 2, 3, 4, 5, 6};
    char said[256] = "";
    cn_context_options options = CN_CONTEXT_OPTIONS_INIT;
    cn_context *ctx;
    cn_tensor *images, *numbers;
    cn_dataset *set, *drawn, *matched;
    options.log = take_down;
    options.user = said;
    ck_ok(cn_context_new(&options, &ctx));
    cn_model *named = model_of(ctx, 7, "abcdefg"), *digits = model_of(ctx, 7, "0123456"),
             *bare = model_of(ctx, 10, NULL);
    ck_ok(cn_tensor_borrow_const(ctx, CN_DTYPE_UINT8, 4, (int64_t[]){7, 1, 1, 1}, pixels, &images));
    ck_ok(cn_tensor_borrow_const(ctx, CN_DTYPE_INT64, 1, (int64_t[]){7}, labels, &numbers));
    ck_ok(cn_dataset_memory(ctx, images, numbers, 7, &set));
    ck_ok(cn_dataset_match_classes(set, digits, &matched));
    ck_assert_str_eq(said, "");
    cn_dataset_free(matched);
    ck_ok(cn_dataset_match_classes(set, named, &matched));
    ck_assert_ptr_nonnull(
        strstr(said, "the data's classes have no names; they are taken as the model's, in order: 'a'"));
    cn_dataset_free(matched);
    ck_ok(cn_dataset_synthetic(ctx, CN_SPLIT_TEST, 10, 1, &drawn));
    ck_ok(cn_dataset_match_classes(drawn, bare, &matched));
    ck_assert_ptr_nonnull(strstr(said, "the model's classes have no names"));
    cn_dataset_free(matched);
    cn_dataset_free(drawn);
    cn_dataset_free(set);
    cn_tensor_free(images);
    cn_tensor_free(numbers);
    cn_model_free(named);
    cn_model_free(digits);
    cn_model_free(bare);
    cn_context_free(ctx);
}
END_TEST

int main(void) {
    const TTest *const views[] = {a_subset_has_the_chosen_images, a_split_leaves_nothing_out, a_split_has_two_parts,
                                  a_shuffle_has_all_images_in_another_order,
                                  views_take_what_their_parent_has_and_then_go_their_own_way};
    const TTest *const classes[] = {classes_are_matched_by_name_whatever_their_order,
                                    classes_that_the_model_does_not_know_are_named, classes_taken_in_order_are_said};
    Suite *suite = suite_create("views");
    test_add(suite, "views", views, CN__COUNT(views), 1);
    test_add(suite, "classes", classes, CN__COUNT(classes), 1);
    return test_run(suite);
}
