/* SPDX-License-Identifier: MIT */
/* test_data.c: data sets from arrays and callbacks: what they hand back, class names, normalisation. */
#include "arrays.h"
#include "testing.h"
#include "data/data.h"
#include <math.h>

TEST_RUNS_ONCE;

/* ---- arrays ---- */

START_TEST(arrays_are_handed_back_as_they_are) {
    arrays a = arrays_new(CN_DTYPE_UINT8, 1);
    int64_t shape[3];
    cn_dataset_shape(a.set, shape);
    ck_assert_int_eq(cn_dataset_count(a.set), ARRAYS_COUNT);
    ck_assert_int_eq(cn_dataset_classes(a.set), ARRAYS_CLASSES);
    ck_assert(shape[0] == ARRAYS_CHANNELS && shape[1] == ARRAYS_HEIGHT && shape[2] == ARRAYS_WIDTH);
    for (int64_t i = 0; i < ARRAYS_COUNT; i++)
        arrays_expect_image(a.set, a.ctx, i, i);
    arrays_free(&a);
}
END_TEST

START_TEST(float_arrays_are_normalised_without_division_by_255) {
    const float mean[3] = {1.5f, -2.0f, 0.25f}, std[3] = {3.0f, 0.5f, 7.0f};
    arrays a = arrays_new(CN_DTYPE_FLOAT32, 2);
    ck_ok(cn_dataset_set_normalization(a.set, 3, mean, std));
    cn_tensor *batch = arrays_batch(a.set, a.ctx, 1, 0, 0);
    const float *from = cn_tensor_data(a.images), *to = cn_tensor_data(batch);
    for (int i = 0; i < ARRAYS_COUNT * ARRAYS_VALUES; i++) {
        int c = i / (ARRAYS_HEIGHT * ARRAYS_WIDTH) % ARRAYS_CHANNELS;
        ck_assert_float_eq(to[i], (from[i] - mean[c]) / std[c]);
    }
    cn_tensor_free(batch);
    cn_augmentation grey = CN_AUGMENTATION_CIFAR10;
    ck_fails(cn_dataset_set_augmentation(a.set, &grey), CN_ERR_ARGUMENT, "3 channels of 8 bits");
    arrays_free(&a);
}
END_TEST

START_TEST(wrong_labels_and_numbers_are_named) {
    arrays a = arrays_new(CN_DTYPE_FLOAT32, 1);
    int64_t *labels = cn_tensor_data(a.labels);
    float *values = cn_tensor_data(a.images);
    cn_dataset *set;
    labels[4] = ARRAYS_CLASSES;
    ck_fails(cn_dataset_memory(a.ctx, a.images, a.labels, ARRAYS_CLASSES, &set), CN_ERR_DATA,
             "label 4 is 7, wanted 0 to 6");
    ck_assert_ptr_null(set);
    labels[4] = -1;
    ck_fails(cn_dataset_memory(a.ctx, a.images, a.labels, ARRAYS_CLASSES, &set), CN_ERR_DATA, "label 4 is -1");
    labels[4] = 0;
    values[2 * ARRAYS_VALUES + ARRAYS_HEIGHT * ARRAYS_WIDTH + 3 * ARRAYS_WIDTH + 2] = NAN;
    ck_fails(cn_dataset_memory(a.ctx, a.images, a.labels, ARRAYS_CLASSES, &set), CN_ERR_DATA,
             "image 2, channel 1, row 3, column 2 is");
    values[2 * ARRAYS_VALUES + ARRAYS_HEIGHT * ARRAYS_WIDTH + 3 * ARRAYS_WIDTH + 2] = -INFINITY;
    ck_fails(cn_dataset_memory(a.ctx, a.images, a.labels, ARRAYS_CLASSES, &set), CN_ERR_DATA, "column 2 is -inf");
    arrays_free(&a);
}
END_TEST

START_TEST(labels_that_change_later_are_found_when_used) {
    arrays a = arrays_new(CN_DTYPE_UINT8, 3);
    const int64_t indices[4] = {1, 9, 3, 12}, shape[4] = {4, ARRAYS_CHANNELS, ARRAYS_HEIGHT, ARRAYS_WIDTH};
    cn_tensor *images, *labels;
    ((int64_t *)cn_tensor_data(a.labels))[3] = 99;
    ck_ok(cn_tensor_new(a.ctx, CN_DTYPE_FLOAT32, 4, shape, &images));
    ck_ok(cn_tensor_new(a.ctx, CN_DTYPE_INT64, 1, shape, &labels));
    ck_fails(cn_dataset_batch(a.set, 4, indices, 0, 0, 0, images, labels), CN_ERR_DATA,
             "image 3 has label 99, wanted 0 to 6");
    cn_tensor_free(images);
    cn_tensor_free(labels);
    arrays_free(&a);
}
END_TEST

START_TEST(wrong_arrays_are_refused) {
    arrays a = arrays_new(CN_DTYPE_UINT8, 1);
    const int64_t none[4] = {0, 3, 2, 2}, flat[2] = {ARRAYS_COUNT, 9}, thin[4] = {ARRAYS_COUNT, 3, 0, 2},
                  more[1] = {ARRAYS_COUNT + 1};
    cn_tensor *empty, *rows, *lines, *labels;
    cn_dataset *set;
    ck_ok(cn_tensor_new(a.ctx, CN_DTYPE_UINT8, 4, none, &empty));
    ck_ok(cn_tensor_new(a.ctx, CN_DTYPE_UINT8, 2, flat, &rows));
    ck_ok(cn_tensor_new(a.ctx, CN_DTYPE_UINT8, 4, thin, &lines));
    ck_ok(cn_tensor_new(a.ctx, CN_DTYPE_INT64, 1, more, &labels));
    ck_fails(cn_dataset_memory(a.ctx, empty, a.labels, 2, &set), CN_ERR_ARGUMENT, "count is 0");
    ck_fails(cn_dataset_memory(a.ctx, rows, a.labels, 2, &set), CN_ERR_SHAPE, "[20, 9]");
    ck_fails(cn_dataset_memory(a.ctx, lines, a.labels, 2, &set), CN_ERR_SHAPE, "height is 0");
    ck_fails(cn_dataset_memory(a.ctx, a.labels, a.labels, 2, &set), CN_ERR_SHAPE, "int64");
    ck_fails(cn_dataset_memory(a.ctx, a.images, labels, 2, &set), CN_ERR_SHAPE, "labels");
    ck_fails(cn_dataset_memory(a.ctx, a.images, a.images, 2, &set), CN_ERR_SHAPE, "labels");
    ck_fails(cn_dataset_memory(a.ctx, a.images, a.labels, 0, &set), CN_ERR_ARGUMENT, "classes is 0");
    ck_fails(cn_dataset_memory(a.ctx, a.images, a.labels, 1 << 25, &set), CN_ERR_ARGUMENT, "classes is 33554432");
    ck_fails(cn_dataset_memory(a.ctx, NULL, a.labels, 2, &set), CN_ERR_ARGUMENT, "images is NULL");
    ck_fails(cn_dataset_memory(a.ctx, a.images, NULL, 2, &set), CN_ERR_ARGUMENT, "labels is NULL");
    ck_fails(cn_dataset_memory(NULL, a.images, a.labels, 2, &set), CN_ERR_ARGUMENT, "context is NULL");
    ck_fails(cn_dataset_memory(a.ctx, a.images, a.labels, 2, NULL), CN_ERR_ARGUMENT, "dataset is NULL");
    cn_tensor_free(empty);
    cn_tensor_free(rows);
    cn_tensor_free(lines);
    cn_tensor_free(labels);
    arrays_free(&a);
}
END_TEST

/* ---- class names and normalisation ---- */

START_TEST(classes_are_called_by_number_until_they_have_names) {
    arrays a = arrays_new(CN_DTYPE_UINT8, 1);
    const char *names[ARRAYS_CLASSES] = {"a", "", "grey heron", "d", "e", "f", "g"};
    ck_assert_str_eq(cn_dataset_class_name(a.set, 0), "0");
    ck_assert_str_eq(cn_dataset_class_name(a.set, 6), "6");
    ck_assert_ptr_null(cn_dataset_class_name(a.set, 7));
    ck_assert_ptr_null(cn_dataset_class_name(a.set, -1));
    ck_ok(cn_dataset_set_class_names(a.set, ARRAYS_CLASSES, names));
    ck_assert_str_eq(cn_dataset_class_name(a.set, 2), "grey heron");
    ck_assert_str_eq(cn_dataset_class_name(a.set, 1), "");
    ck_assert_str_eq(cn_dataset_class_name(a.set, 6), "g");
    ck_fails(cn_dataset_set_class_names(a.set, 3, names), CN_ERR_ARGUMENT, "3 names for 7 classes");
    names[5] = NULL;
    ck_fails(cn_dataset_set_class_names(a.set, ARRAYS_CLASSES, names), CN_ERR_ARGUMENT, "name 5 is NULL");
    ck_fails(cn_dataset_set_class_names(a.set, ARRAYS_CLASSES, NULL), CN_ERR_ARGUMENT, "names is NULL");
    ck_assert_str_eq(cn_dataset_class_name(a.set, 2), "grey heron");
    arrays_free(&a);
}
END_TEST

START_TEST(normalisation_follows_its_formula) {
    const float mean[3] = {0.4f, 0.5f, 0.6f}, std[3] = {0.2f, 0.25f, 1.5f}, bad[3] = {0.2f, 0.0f, 1.0f};
    const float not_a_number[3] = {0.1f, NAN, 0.3f};
    const float *mean_in_use, *std_in_use;
    arrays a = arrays_new(CN_DTYPE_UINT8, 2);
    ck_ok(cn_dataset_set_normalization(a.set, 3, mean, std));
    ck_fails(cn_dataset_set_normalization(a.set, 3, mean, bad), CN_ERR_ARGUMENT, "channel 1");
    ck_fails(cn_dataset_set_normalization(a.set, 3, not_a_number, std), CN_ERR_ARGUMENT, "channel 1: mean nan");
    ck_fails(cn_dataset_set_normalization(a.set, 1, mean, std), CN_ERR_SHAPE, "1 channels, the images have 3");
    ck_fails(cn_dataset_set_normalization(a.set, 3, mean, NULL), CN_ERR_ARGUMENT, "std is NULL");
    ck_assert_int_eq(cn_dataset_normalization(a.set, &mean_in_use, &std_in_use), 3);
    cn_tensor *batch = arrays_batch(a.set, a.ctx, 0, 0, 0);
    for (int i = 0; i < ARRAYS_COUNT * ARRAYS_VALUES; i++) {
        int c = i / (ARRAYS_HEIGHT * ARRAYS_WIDTH) % ARRAYS_CHANNELS;
        ck_assert_float_eq(mean_in_use[c], mean[c]);
        ck_assert_float_eq(std_in_use[c], std[c]);
        ck_assert_float_eq(((float *)cn_tensor_data(batch))[i],
                           ((float)arrays_pixel(i / ARRAYS_VALUES, i % ARRAYS_VALUES) / 255.0f - mean[c]) / std[c]);
    }
    cn_tensor_free(batch);
    arrays_free(&a);
}
END_TEST

/* ---- a callback ---- */

START_TEST(a_callback_gives_what_an_array_gives) {
    arrays_teller t = {-1, -1};
    arrays a = arrays_new(CN_DTYPE_UINT8, 3);
    cn_dataset_source source = arrays_told(&t);
    cn_augmentation all = CN_AUGMENTATION_CIFAR10;
    cn_dataset *set;
    all.crop_padding = 2;
    ck_ok(cn_dataset_callback(a.ctx, &source, &set));
    ck_ok(cn_dataset_set_augmentation(set, &all));
    ck_ok(cn_dataset_set_augmentation(a.set, &all));
    for (int64_t i = 0; i < ARRAYS_COUNT; i++)
        arrays_expect_image(set, a.ctx, i, i);
    for (int augment = 0; augment < 2; augment++) {
        cn_tensor *ours = arrays_batch(a.set, a.ctx, augment, 5, 1), *theirs = arrays_batch(set, a.ctx, augment, 5, 1);
        ck_assert(arrays_same_floats(ours, theirs));
        cn_tensor_free(ours);
        cn_tensor_free(theirs);
    }
    cn_dataset_free(set);
    arrays_free(&a);
}
END_TEST

static void count_release(void *user) {
    ++*(int *)user;
}

/* Not when making it fails, and not while a view is left. */
START_TEST(a_source_is_released_once_with_its_last_owner) {
    arrays_teller t = {-1, -1};
    counting_allocator counter = {0};
    cn_context *ctx = counting_context(&counter, 1);
    cn_dataset_source source = arrays_told(&t);
    cn_dataset *set = NULL, *view;
    int64_t label;
    int released = 0;
    source.release = count_release;
    for (long failure = 1; !set; failure++) {
        source.user = &released;
        counter.fail_at = counter.calls + failure;
        cn_status status = cn_dataset_callback(ctx, &source, &set);
        counter.fail_at = 0;
        ck_assert((status == CN_OK) == (set != NULL));
        ck_assert_int_eq(released, 0);
    }
    cn_dataset_free(set);
    ck_assert_int_eq(released, 1);
    source.release = NULL;
    source.user = &t;
    ck_ok(cn_dataset_callback(ctx, &source, &set));
    ck_ok(cn_dataset_label(set, 9, &label)); /* asks for the image */
    ck_assert_int_eq(label, 2);
    ck_fails(cn_dataset_label(set, ARRAYS_COUNT, &label), CN_ERR_NOT_FOUND, "image 20 does not exist");
    cn_dataset_free(set);
    source.release = count_release;
    source.user = &released;
    ck_ok(cn_dataset_callback(ctx, &source, &set));
    ck_ok(cn_dataset_shuffled(set, 1, &view));
    ck_assert_ptr_null(cn_dataset_file_name(view, 0));
    cn_dataset_free(set);
    ck_assert_int_eq(released, 1);
    cn_dataset_free(view);
    ck_assert_int_eq(released, 2);
    cn_context_free(ctx);
    ck_assert_int_eq(counter.live, 0);
}
END_TEST

START_TEST(a_callback_that_fails_is_named) {
    arrays_teller t = {13, 8};
    arrays a = arrays_new(CN_DTYPE_UINT8, 4);
    cn_dataset_source source = arrays_told(&t);
    const int64_t failing[6] = {1, 2, 3, 4, 13, 5}, mislabelled[2] = {0, 8}, outside[1] = {ARRAYS_COUNT};
    int64_t shape[4] = {6, ARRAYS_CHANNELS, ARRAYS_HEIGHT, ARRAYS_WIDTH};
    cn_dataset *set;
    cn_tensor *six, *two, *one, *labels;
    ck_ok(cn_dataset_callback(a.ctx, &source, &set));
    ck_ok(cn_tensor_new(a.ctx, CN_DTYPE_FLOAT32, 4, shape, &six));
    shape[0] = 2;
    ck_ok(cn_tensor_new(a.ctx, CN_DTYPE_FLOAT32, 4, shape, &two));
    ck_ok(cn_tensor_new(a.ctx, CN_DTYPE_INT64, 1, shape, &labels));
    shape[0] = 1;
    ck_ok(cn_tensor_new(a.ctx, CN_DTYPE_FLOAT32, 4, shape, &one));
    ck_fails(cn_dataset_batch(set, 6, failing, 0, 0, 0, six, NULL), CN_ERR_IO, "returned 42 for image 13");
    ck_fails(cn_dataset_batch(set, 2, mislabelled, 0, 0, 0, two, labels), CN_ERR_DATA, "image 8 has label 7");
    ck_fails(cn_dataset_batch(set, 1, outside, 0, 0, 0, one, NULL), CN_ERR_NOT_FOUND, "image 20 does not exist");
    cn_tensor_free(six);
    cn_tensor_free(two);
    cn_tensor_free(one);
    cn_tensor_free(labels);
    cn_dataset_free(set);
    arrays_free(&a);
}
END_TEST

START_TEST(wrong_sources_are_refused) {
    arrays_teller t = {-1, -1};
    cn_context *ctx = test_context(1);
    cn_dataset_source good = arrays_told(&t), bad = good;
    cn_dataset *set;
    bad.count = 0;
    ck_fails(cn_dataset_callback(ctx, &bad, &set), CN_ERR_ARGUMENT, "count is 0");
    bad = good;
    bad.width = -3;
    ck_fails(cn_dataset_callback(ctx, &bad, &set), CN_ERR_SHAPE, "width is -3");
    bad = good;
    bad.channels = bad.height = bad.width = 1 << 24;
    ck_fails(cn_dataset_callback(ctx, &bad, &set), CN_ERR_SHAPE, "16777216×16777216×16777216");
    bad = good;
    bad.classes = -1;
    ck_fails(cn_dataset_callback(ctx, &bad, &set), CN_ERR_ARGUMENT, "classes is -1");
    bad = good;
    bad.target_count = 1;
    ck_fails(cn_dataset_callback(ctx, &bad, &set), CN_ERR_ARGUMENT, "target_count is 1");
    bad = good;
    bad.fetch = NULL;
    ck_fails(cn_dataset_callback(ctx, &bad, &set), CN_ERR_ARGUMENT, "are both NULL");
    bad = good;
    bad.size = 0;
    ck_fails(cn_dataset_callback(ctx, &bad, &set), CN_ERR_ARGUMENT, "cn_dataset_source");
    ck_fails(cn_dataset_callback(ctx, NULL, &set), CN_ERR_ARGUMENT, "source is NULL");
    ck_assert_ptr_null(set);
    cn_context_free(ctx);
}
END_TEST

/* ---- the suite ---- */

int main(void) {
    const TTest *const of_arrays[] = {
        arrays_are_handed_back_as_they_are, float_arrays_are_normalised_without_division_by_255,
        wrong_labels_and_numbers_are_named, labels_that_change_later_are_found_when_used, wrong_arrays_are_refused};
    const TTest *const properties[] = {classes_are_called_by_number_until_they_have_names,
                                       normalisation_follows_its_formula};
    const TTest *const callback[] = {a_callback_gives_what_an_array_gives,
                                     a_source_is_released_once_with_its_last_owner, a_callback_that_fails_is_named,
                                     wrong_sources_are_refused};
    Suite *suite = suite_create("data");
    test_add(suite, "arrays", of_arrays, CN__COUNT(of_arrays), 1);
    test_add(suite, "properties", properties, CN__COUNT(properties), 1);
    test_add(suite, "callback", callback, CN__COUNT(callback), 1);
    return test_run(suite);
}
