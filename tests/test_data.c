/* test_data.c: data sets in memory: arrays, callbacks, views, normalisation, batches. */
#include "testing.h"
#include "data/data.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { COUNT = 20, CHANNELS = 3, HEIGHT = 5, WIDTH = 4, VALUES = CHANNELS * HEIGHT * WIDTH, CLASSES = 7 };

static uint8_t pixel(int64_t image, int64_t at) {
    return (uint8_t)(image * 31 + at * 7 + image * at);
}

/* ---- a small data set over arrays of its own ---- */

typedef struct arrays {
    cn_context *ctx;
    cn_tensor *images, *labels;
    cn_dataset *set;
} arrays;

static void arrays_fill(arrays *a, cn_dtype dtype) {
    const int64_t shape[4] = {COUNT, CHANNELS, HEIGHT, WIDTH};
    ck_ok(cn_tensor_new(a->ctx, dtype, 4, shape, &a->images));
    ck_ok(cn_tensor_new(a->ctx, CN_INT64, 1, shape, &a->labels));
    for (int64_t i = 0; i < COUNT; i++) {
        ((int64_t *)cn_tensor_data(a->labels))[i] = i % CLASSES;
        for (int64_t v = 0; v < VALUES; v++) {
            if (dtype == CN_UINT8)
                ((uint8_t *)cn_tensor_data(a->images))[i * VALUES + v] = pixel(i, v);
            else
                ((float *)cn_tensor_data(a->images))[i * VALUES + v] = (float)pixel(i, v) * 0.37f - 40.0f;
        }
    }
}

static arrays arrays_new(cn_dtype dtype, int threads) {
    arrays a = {.ctx = test_context(threads)};
    arrays_fill(&a, dtype);
    ck_ok(cn_dataset_memory(a.ctx, a.images, a.labels, CLASSES, &a.set));
    return a;
}

static void arrays_free(arrays *a) {
    cn_dataset_free(a->set);
    cn_tensor_free(a->images);
    cn_tensor_free(a->labels);
    cn_context_free(a->ctx);
}

static void assert_image(const cn_dataset *set, cn_context *ctx, int64_t index, int64_t original) {
    const int64_t shape[4] = {1, CHANNELS, HEIGHT, WIDTH};
    cn_tensor *image;
    int64_t label;
    ck_ok(cn_tensor_new(ctx, CN_UINT8, 4, shape, &image));
    ck_ok(cn_dataset_image(set, index, image, &label));
    ck_assert_int_eq(label, original % CLASSES);
    for (int64_t v = 0; v < VALUES; v++)
        ck_assert_int_eq(((uint8_t *)cn_tensor_data(image))[v], pixel(original, v));
    cn_tensor_free(image);
}

/* A batch of all images as a new tensor. */
static cn_tensor *whole_batch(const cn_dataset *set, cn_context *ctx, int augment, uint64_t seed, int64_t epoch) {
    int64_t count = cn_dataset_count(set), shape[4] = {count, 0, 0, 0}, *indices = malloc((size_t)count * 8);
    cn_tensor *images, *labels;
    cn_dataset_shape(set, shape + 1);
    ck_ok(cn_tensor_new(ctx, CN_FLOAT32, 4, shape, &images));
    ck_ok(cn_tensor_new(ctx, CN_INT64, 1, shape, &labels));
    for (int64_t i = 0; i < count; i++)
        indices[i] = i;
    ck_ok(cn_dataset_batch(set, count, indices, augment, seed, epoch, images, labels));
    free(indices);
    cn_tensor_free(labels);
    return images;
}

static bool same_floats(const cn_tensor *a, const cn_tensor *b) {
    return memcmp(cn_tensor_data(a), cn_tensor_data(b), (size_t)cn_tensor_count(a) * sizeof(float)) == 0;
}

/* ---- arrays ---- */

START_TEST(arrays_are_handed_back_as_they_are) {
    arrays a = arrays_new(CN_UINT8, 1);
    int64_t shape[3];
    cn_dataset_shape(a.set, shape);
    ck_assert_int_eq(cn_dataset_count(a.set), COUNT);
    ck_assert_int_eq(cn_dataset_classes(a.set), CLASSES);
    ck_assert(shape[0] == CHANNELS && shape[1] == HEIGHT && shape[2] == WIDTH);
    for (int64_t i = 0; i < COUNT; i++)
        assert_image(a.set, a.ctx, i, i);
    arrays_free(&a);
}
END_TEST

START_TEST(float_arrays_are_normalised_without_division_by_255) {
    const float mean[3] = {1.5f, -2.0f, 0.25f}, std[3] = {3.0f, 0.5f, 7.0f};
    arrays a = arrays_new(CN_FLOAT32, 2);
    ck_ok(cn_dataset_set_normalization(a.set, 3, mean, std));
    cn_tensor *batch = whole_batch(a.set, a.ctx, 1, 0, 0);
    const float *from = cn_tensor_data(a.images), *to = cn_tensor_data(batch);
    for (int i = 0; i < COUNT * VALUES; i++) {
        int c = i / (HEIGHT * WIDTH) % CHANNELS;
        ck_assert_float_eq(to[i], (from[i] - mean[c]) / std[c]);
    }
    cn_tensor_free(batch);
    cn_augmentation flip = CN_AUGMENTATION_CIFAR10;
    ck_fails(cn_dataset_set_augmentation(a.set, &flip), CN_ERR_UNSUPPORTED, "float32");
    arrays_free(&a);
}
END_TEST

START_TEST(wrong_labels_and_numbers_are_named) {
    arrays a = arrays_new(CN_FLOAT32, 1);
    int64_t *labels = cn_tensor_data(a.labels);
    float *values = cn_tensor_data(a.images);
    cn_dataset *set;
    labels[4] = CLASSES;
    ck_fails(cn_dataset_memory(a.ctx, a.images, a.labels, CLASSES, &set), CN_ERR_DATA, "label 4 is 7, wanted 0 to 6");
    ck_assert_ptr_null(set);
    labels[4] = -1;
    ck_fails(cn_dataset_memory(a.ctx, a.images, a.labels, CLASSES, &set), CN_ERR_DATA, "label 4 is -1");
    labels[4] = 0;
    values[2 * VALUES + HEIGHT * WIDTH + 3 * WIDTH + 2] = NAN;
    ck_fails(cn_dataset_memory(a.ctx, a.images, a.labels, CLASSES, &set), CN_ERR_DATA,
             "image 2, channel 1, row 3, column 2 is");
    values[2 * VALUES + HEIGHT * WIDTH + 3 * WIDTH + 2] = -INFINITY;
    ck_fails(cn_dataset_memory(a.ctx, a.images, a.labels, CLASSES, &set), CN_ERR_DATA, "column 2 is -inf");
    arrays_free(&a);
}
END_TEST

START_TEST(labels_that_change_later_are_found_when_used) {
    arrays a = arrays_new(CN_UINT8, 3);
    const int64_t indices[4] = {1, 9, 3, 12}, shape[4] = {4, CHANNELS, HEIGHT, WIDTH};
    cn_tensor *images;
    ((int64_t *)cn_tensor_data(a.labels))[3] = 99;
    ck_ok(cn_tensor_new(a.ctx, CN_FLOAT32, 4, shape, &images));
    ck_fails(cn_dataset_batch(a.set, 4, indices, 0, 0, 0, images, NULL), CN_ERR_DATA,
             "image 3 has label 99, wanted 0 to 6");
    cn_tensor_free(images);
    arrays_free(&a);
}
END_TEST

START_TEST(wrong_arrays_are_refused) {
    arrays a = arrays_new(CN_UINT8, 1);
    const int64_t none[4] = {0, 3, 2, 2}, flat[2] = {COUNT, 9}, thin[4] = {COUNT, 3, 0, 2}, more[1] = {COUNT + 1};
    cn_tensor *empty, *rows, *lines, *labels;
    cn_dataset *set;
    ck_ok(cn_tensor_new(a.ctx, CN_UINT8, 4, none, &empty));
    ck_ok(cn_tensor_new(a.ctx, CN_UINT8, 2, flat, &rows));
    ck_ok(cn_tensor_new(a.ctx, CN_UINT8, 4, thin, &lines));
    ck_ok(cn_tensor_new(a.ctx, CN_INT64, 1, more, &labels));
    ck_fails(cn_dataset_memory(a.ctx, empty, a.labels, 2, &set), CN_ERR_ARGUMENT, "count is 0");
    ck_fails(cn_dataset_memory(a.ctx, rows, a.labels, 2, &set), CN_ERR_SHAPE, "[20, 9]");
    ck_fails(cn_dataset_memory(a.ctx, lines, a.labels, 2, &set), CN_ERR_SHAPE, "height is 0");
    ck_fails(cn_dataset_memory(a.ctx, a.labels, a.labels, 2, &set), CN_ERR_SHAPE, "int64");
    ck_fails(cn_dataset_memory(a.ctx, a.images, labels, 2, &set), CN_ERR_SHAPE, "labels");
    ck_fails(cn_dataset_memory(a.ctx, a.images, a.images, 2, &set), CN_ERR_SHAPE, "labels");
    ck_fails(cn_dataset_memory(a.ctx, a.images, a.labels, 0, &set), CN_ERR_ARGUMENT, "classes is 0");
    ck_fails(cn_dataset_memory(a.ctx, a.images, a.labels, 1 << 20, &set), CN_ERR_ARGUMENT, "classes is 1048576");
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
    arrays a = arrays_new(CN_UINT8, 1);
    const char *names[CLASSES] = {"a", "", "grey heron", "d", "e", "f", "g"};
    ck_assert_str_eq(cn_dataset_class_name(a.set, 0), "0");
    ck_assert_str_eq(cn_dataset_class_name(a.set, 6), "6");
    ck_assert_ptr_null(cn_dataset_class_name(a.set, 7));
    ck_assert_ptr_null(cn_dataset_class_name(a.set, -1));
    ck_ok(cn_dataset_set_class_names(a.set, CLASSES, names));
    ck_assert_str_eq(cn_dataset_class_name(a.set, 2), "grey heron");
    ck_assert_str_eq(cn_dataset_class_name(a.set, 1), "");
    ck_assert_str_eq(cn_dataset_class_name(a.set, 6), "g");
    ck_fails(cn_dataset_set_class_names(a.set, 3, names), CN_ERR_ARGUMENT, "3 names for 7 classes");
    names[5] = NULL;
    ck_fails(cn_dataset_set_class_names(a.set, CLASSES, names), CN_ERR_ARGUMENT, "name 5 is NULL");
    ck_fails(cn_dataset_set_class_names(a.set, CLASSES, NULL), CN_ERR_ARGUMENT, "names is NULL");
    ck_assert_str_eq(cn_dataset_class_name(a.set, 2), "grey heron");
    arrays_free(&a);
}
END_TEST

START_TEST(normalisation_follows_its_formula) {
    const float mean[3] = {0.4f, 0.5f, 0.6f}, std[3] = {0.2f, 0.25f, 1.5f}, bad[3] = {0.2f, 0.0f, 1.0f};
    const float not_a_number[3] = {0.1f, NAN, 0.3f};
    const float *mean_in_use, *std_in_use;
    arrays a = arrays_new(CN_UINT8, 2);
    ck_ok(cn_dataset_set_normalization(a.set, 3, mean, std));
    ck_fails(cn_dataset_set_normalization(a.set, 3, mean, bad), CN_ERR_ARGUMENT, "channel 1");
    ck_fails(cn_dataset_set_normalization(a.set, 3, not_a_number, std), CN_ERR_ARGUMENT, "channel 1: mean nan");
    ck_fails(cn_dataset_set_normalization(a.set, 1, mean, std), CN_ERR_SHAPE, "1 channels, the images have 3");
    ck_fails(cn_dataset_set_normalization(a.set, 3, mean, NULL), CN_ERR_ARGUMENT, "std is NULL");
    cn__dataset_normalization(a.set, &mean_in_use, &std_in_use);
    cn_tensor *batch = whole_batch(a.set, a.ctx, 0, 0, 0);
    for (int i = 0; i < COUNT * VALUES; i++) {
        int c = i / (HEIGHT * WIDTH) % CHANNELS;
        ck_assert_float_eq(mean_in_use[c], mean[c]);
        ck_assert_float_eq(std_in_use[c], std[c]);
        ck_assert_float_eq(((float *)cn_tensor_data(batch))[i],
                           ((float)pixel(i / VALUES, i % VALUES) / 255.0f - mean[c]) / std[c]);
    }
    cn_tensor_free(batch);
    arrays_free(&a);
}
END_TEST

/* ---- a callback ---- */

typedef struct teller {
    int64_t fail_at, wrong_label_at;
} teller;

static int tell(void *user, int64_t index, uint8_t *pixels, int64_t *label) {
    const teller *t = user;
    for (int64_t v = 0; v < VALUES; v++)
        pixels[v] = pixel(index, v);
    *label = index == t->wrong_label_at ? CLASSES : index % CLASSES;
    return index == t->fail_at ? 42 : 0;
}

static cn_dataset_source told(teller *t) {
    cn_dataset_source source = CN_DATASET_SOURCE_INIT;
    source.count = COUNT;
    source.channels = CHANNELS;
    source.height = HEIGHT;
    source.width = WIDTH;
    source.classes = CLASSES;
    source.fetch = tell;
    source.user = t;
    return source;
}

START_TEST(a_callback_gives_what_an_array_gives) {
    teller t = {-1, -1};
    arrays a = arrays_new(CN_UINT8, 3);
    cn_dataset_source source = told(&t);
    cn_augmentation all = CN_AUGMENTATION_CIFAR10;
    cn_dataset *set;
    all.crop_padding = 2;
    ck_ok(cn_dataset_callback(a.ctx, &source, &set));
    ck_ok(cn_dataset_set_augmentation(set, &all));
    ck_ok(cn_dataset_set_augmentation(a.set, &all));
    for (int64_t i = 0; i < COUNT; i++)
        assert_image(set, a.ctx, i, i);
    for (int augment = 0; augment < 2; augment++) {
        cn_tensor *ours = whole_batch(a.set, a.ctx, augment, 5, 1), *theirs = whole_batch(set, a.ctx, augment, 5, 1);
        ck_assert(same_floats(ours, theirs));
        cn_tensor_free(ours);
        cn_tensor_free(theirs);
    }
    cn_dataset_free(set);
    arrays_free(&a);
}
END_TEST

START_TEST(a_callback_that_fails_is_named) {
    teller t = {13, 8};
    arrays a = arrays_new(CN_UINT8, 4);
    cn_dataset_source source = told(&t);
    const int64_t failing[6] = {1, 2, 3, 4, 13, 5}, mislabelled[2] = {0, 8}, outside[1] = {COUNT};
    int64_t shape[4] = {6, CHANNELS, HEIGHT, WIDTH};
    cn_dataset *set;
    cn_tensor *six, *two, *one;
    ck_ok(cn_dataset_callback(a.ctx, &source, &set));
    ck_ok(cn_tensor_new(a.ctx, CN_FLOAT32, 4, shape, &six));
    shape[0] = 2;
    ck_ok(cn_tensor_new(a.ctx, CN_FLOAT32, 4, shape, &two));
    shape[0] = 1;
    ck_ok(cn_tensor_new(a.ctx, CN_FLOAT32, 4, shape, &one));
    ck_fails(cn_dataset_batch(set, 6, failing, 0, 0, 0, six, NULL), CN_ERR_IO, "returned 42 for image 13");
    ck_fails(cn_dataset_batch(set, 2, mislabelled, 0, 0, 0, two, NULL), CN_ERR_DATA, "image 8 has label 7");
    ck_fails(cn_dataset_batch(set, 1, outside, 0, 0, 0, one, NULL), CN_ERR_NOT_FOUND, "image 20 does not exist");
    cn_tensor_free(six);
    cn_tensor_free(two);
    cn_tensor_free(one);
    cn_dataset_free(set);
    arrays_free(&a);
}
END_TEST

START_TEST(wrong_sources_are_refused) {
    teller t = {-1, -1};
    cn_context *ctx = test_context(1);
    cn_dataset_source good = told(&t), bad = good;
    cn_dataset *set;
    bad.count = 0;
    ck_fails(cn_dataset_callback(ctx, &bad, &set), CN_ERR_ARGUMENT, "count is 0");
    bad = good;
    bad.width = -3;
    ck_fails(cn_dataset_callback(ctx, &bad, &set), CN_ERR_SHAPE, "width is -3");
    bad = good;
    bad.channels = bad.height = bad.width = 65536;
    ck_fails(cn_dataset_callback(ctx, &bad, &set), CN_ERR_SHAPE, "65536×65536×65536");
    bad = good;
    bad.classes = 0;
    ck_fails(cn_dataset_callback(ctx, &bad, &set), CN_ERR_ARGUMENT, "classes is 0");
    bad = good;
    bad.fetch = NULL;
    ck_fails(cn_dataset_callback(ctx, &bad, &set), CN_ERR_ARGUMENT, "fetch is NULL");
    bad = good;
    bad.size = 0;
    ck_fails(cn_dataset_callback(ctx, &bad, &set), CN_ERR_ARGUMENT, "cn_dataset_source");
    ck_fails(cn_dataset_callback(ctx, NULL, &set), CN_ERR_ARGUMENT, "source is NULL");
    ck_assert_ptr_null(set);
    cn_context_free(ctx);
}
END_TEST

/* ---- views ---- */

START_TEST(a_subset_has_the_chosen_images) {
    arrays a = arrays_new(CN_UINT8, 1);
    const int64_t chosen[5] = {19, 0, 7, 7, 3}, again[2] = {4, 2}, outside[2] = {0, 5}, negative[1] = {-1};
    cn_dataset *five, *two, *none;
    ck_ok(cn_dataset_subset(a.set, 5, chosen, &five));
    ck_ok(cn_dataset_subset(five, 2, again, &two));
    ck_assert_int_eq(cn_dataset_count(five), 5);
    for (int i = 0; i < 5; i++)
        assert_image(five, a.ctx, i, chosen[i]);
    ck_fails(cn_dataset_subset(five, 2, outside, &none), CN_ERR_NOT_FOUND, "index 1 is 5, the data set has 5 images");
    ck_fails(cn_dataset_subset(five, 1, negative, &none), CN_ERR_NOT_FOUND, "index 0 is -1");
    ck_fails(cn_dataset_subset(five, 0, chosen, &none), CN_ERR_ARGUMENT, "count is 0");
    ck_fails(cn_dataset_subset(five, 5, NULL, &none), CN_ERR_ARGUMENT, "indices is NULL");
    ck_assert_ptr_null(none);
    cn_dataset_free(five); /* before its view */
    cn_dataset_free(a.set);
    a.set = NULL;
    assert_image(two, a.ctx, 0, 3);
    assert_image(two, a.ctx, 1, 7);
    cn_dataset_free(two);
    arrays_free(&a);
}
END_TEST

/* Which images of the array a view shows, by their first pixel, which differs from image to image. */
static void list_originals(const cn_dataset *view, cn_context *ctx, int seen[COUNT]) {
    const int64_t shape[4] = {1, CHANNELS, HEIGHT, WIDTH};
    cn_tensor *image;
    ck_ok(cn_tensor_new(ctx, CN_UINT8, 4, shape, &image));
    for (int64_t i = 0; i < cn_dataset_count(view); i++) {
        int64_t original = 0;
        ck_ok(cn_dataset_image(view, i, image, NULL));
        while (pixel(original, 0) != *(uint8_t *)cn_tensor_data(image))
            original++;
        ck_assert_int_lt(original, COUNT);
        seen[original]++;
    }
    cn_tensor_free(image);
}

START_TEST(a_split_leaves_nothing_out) {
    arrays a = arrays_new(CN_UINT8, 1);
    cn_dataset *part, *rest, *same, *same_rest, *other, *other_rest;
    int seen[COUNT] = {0}, first[COUNT] = {0}, second[COUNT] = {0}, third[COUNT] = {0};
    ck_ok(cn_dataset_split(a.set, 0.33, 5, &part, &rest)); /* 6.6 images */
    ck_assert_int_eq(cn_dataset_count(part), 7);
    ck_assert_int_eq(cn_dataset_count(rest), COUNT - 7);
    list_originals(part, a.ctx, seen);
    list_originals(rest, a.ctx, seen);
    for (int i = 0; i < COUNT; i++)
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
    arrays a = arrays_new(CN_UINT8, 1);
    const double bad[] = {0.0, 1.0, -0.5, 1.5, NAN};
    cn_dataset *part, *rest;
    for (size_t i = 0; i < CN__COUNT(bad); i++)
        ck_fails(cn_dataset_split(a.set, bad[i], 5, &part, &rest), CN_ERR_ARGUMENT, "fraction is");
    ck_fails(cn_dataset_split(a.set, 0.01, 5, &part, &rest), CN_ERR_ARGUMENT, "leaves the part empty");
    ck_fails(cn_dataset_split(a.set, 0.99, 5, &part, &rest), CN_ERR_ARGUMENT, "leaves the rest empty");
    ck_assert_ptr_null(part);
    ck_assert_ptr_null(rest);
    ck_fails(cn_dataset_split(a.set, 0.5, 5, NULL, &rest), CN_ERR_ARGUMENT, "part is NULL");
    arrays_free(&a);
}
END_TEST

START_TEST(a_shuffle_has_all_images_in_another_order) {
    arrays a = arrays_new(CN_UINT8, 1);
    cn_dataset *once, *again, *other;
    int seen[COUNT] = {0};
    ck_ok(cn_dataset_shuffle(a.set, 1, &once));
    ck_ok(cn_dataset_shuffle(a.set, 1, &again));
    ck_ok(cn_dataset_shuffle(a.set, 2, &other));
    list_originals(once, a.ctx, seen);
    for (int i = 0; i < COUNT; i++)
        ck_assert_int_eq(seen[i], 1);
    cn_tensor *plain = whole_batch(a.set, a.ctx, 0, 0, 0), *x = whole_batch(once, a.ctx, 0, 0, 0);
    cn_tensor *y = whole_batch(again, a.ctx, 0, 0, 0), *z = whole_batch(other, a.ctx, 0, 0, 0);
    ck_assert(same_floats(x, y));
    ck_assert(!same_floats(x, z));
    ck_assert(!same_floats(x, plain));
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
    arrays a = arrays_new(CN_UINT8, 1);
    const char *names[CLASSES] = {"a", "b", "c", "d", "e", "f", "g"},
               *others[CLASSES] = {"t", "u", "v", "w", "x", "y", "z"};
    const float mean[3] = {0.1f, 0.2f, 0.3f}, std[3] = {0.5f, 0.6f, 0.7f}, zero[3] = {0.0f, 0.0f, 0.0f};
    const float *view_mean, *view_std;
    cn_dataset *view;
    cn_augmentation crop = CN_AUGMENTATION_INIT;
    crop.crop_padding = 3;
    ck_ok(cn_dataset_set_class_names(a.set, CLASSES, names));
    ck_ok(cn_dataset_set_normalization(a.set, 3, mean, std));
    ck_ok(cn_dataset_set_augmentation(a.set, &crop));
    ck_ok(cn_dataset_shuffle(a.set, 1, &view));
    ck_ok(cn_dataset_set_class_names(a.set, CLASSES, others));
    ck_ok(cn_dataset_set_normalization(a.set, 3, zero, std));
    ck_ok(cn_dataset_set_augmentation(a.set, NULL));
    ck_assert_str_eq(cn_dataset_class_name(view, 6), "g");
    cn__dataset_normalization(view, &view_mean, &view_std);
    ck_assert_mem_eq(view_mean, mean, sizeof mean);
    cn_tensor *plain = whole_batch(view, a.ctx, 0, 1, 1), *cropped = whole_batch(view, a.ctx, 1, 1, 1);
    ck_assert(!same_floats(plain, cropped));
    cn_tensor_free(plain);
    cn_tensor_free(cropped);
    cn_dataset_free(view);
    arrays_free(&a);
}
END_TEST

/* ---- batches and augmentation ---- */

START_TEST(augmentation_depends_on_seed_epoch_and_index_only) {
    static const int thread_counts[] = {1, 2, 5};
    cn_tensor *first = NULL;
    arrays base = arrays_new(CN_UINT8, 1);
    cn_augmentation all = CN_AUGMENTATION_CIFAR10;
    for (size_t t = 0; t < CN__COUNT(thread_counts); t++) {
        arrays a = arrays_new(CN_UINT8, thread_counts[t]);
        ck_ok(cn_dataset_set_augmentation(a.set, &all));
        cn_tensor *batch = whole_batch(a.set, base.ctx, 1, 3, 4), *seed = whole_batch(a.set, a.ctx, 1, 4, 4);
        cn_tensor *epoch = whole_batch(a.set, a.ctx, 1, 3, 5), *plain = whole_batch(a.set, a.ctx, 0, 3, 4);
        ck_assert(!same_floats(batch, seed));
        ck_assert(!same_floats(batch, epoch));
        ck_assert(!same_floats(batch, plain));
        ck_assert(first == NULL || same_floats(first, batch));
        cn_tensor_free(seed);
        cn_tensor_free(epoch);
        cn_tensor_free(plain);
        cn_tensor_free(first);
        first = batch;
        arrays_free(&a);
    }
    cn_tensor_free(first);
    arrays_free(&base);
}
END_TEST

START_TEST(every_index_is_augmented_its_own_way) {
    arrays a = arrays_new(CN_UINT8, 1);
    const int64_t same[16] = {4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4};
    cn_augmentation turn = CN_AUGMENTATION_INIT;
    cn_dataset *repeated;
    int different = 0;
    turn.rotation = 180.0f;
    ck_ok(cn_dataset_subset(a.set, 16, same, &repeated));
    ck_ok(cn_dataset_set_augmentation(repeated, &turn));
    cn_tensor *batch = whole_batch(repeated, a.ctx, 1, 1, 1);
    const float *values = cn_tensor_data(batch);
    for (int i = 1; i < 16; i++)
        different += memcmp(values, values + i * VALUES, VALUES * sizeof *values) != 0;
    ck_assert_int_ge(different, 14);
    cn_tensor_free(batch);
    cn_dataset_free(repeated);
    arrays_free(&a);
}
END_TEST

START_TEST(lanes_hold_what_batches_hold) {
    enum { ROW = (WIDTH + 2) * CN__LANES, CHANNEL = (HEIGHT + 2) * ROW + CN__LANES };
    arrays a = arrays_new(CN_UINT8, 2);
    cn_augmentation all = CN_AUGMENTATION_CIFAR10;
    const cn__fetch how = {true, 3, 4, false};
    static float lanes[CHANNELS * CHANNEL];
    ck_ok(cn_dataset_set_augmentation(a.set, &all));
    cn_tensor *batch = whole_batch(a.set, a.ctx, 1, 3, 4);
    void *scratch = aligned_alloc(CN__ALIGN, cn__dataset_scratch(a.set));
    ck_assert_uint_eq(cn__dataset_scratch(a.set) % CN__ALIGN, 0);
    for (int i = 0; i < COUNT; i++) {
        int lane = i % CN__LANES;
        int64_t label;
        for (int j = 0; j < CHANNELS * CHANNEL; j++)
            lanes[j] = -77.0f;
        ck_ok(cn__dataset_fetch(a.set, i, &how, scratch, lanes + lane, ROW, CHANNEL, &label));
        ck_assert_int_eq(label, i % CLASSES);
        for (int j = 0; j < CHANNELS * CHANNEL; j++) {
            int c = j / CHANNEL, y = j % CHANNEL / ROW, x = j % CHANNEL % ROW / CN__LANES;
            bool inside = j % CN__LANES == lane && y < HEIGHT && x < WIDTH;
            const float *wanted = (float *)cn_tensor_data(batch) + i * VALUES + (c * HEIGHT + y) * WIDTH + x;
            ck_assert_float_eq(lanes[j], inside ? *wanted : -77.0f);
        }
    }
    free(scratch);
    cn_tensor_free(batch);
    arrays_free(&a);
}
END_TEST

static float value_at(const cn_tensor *batch, int image, int c, int y, int x) {
    return ((float *)cn_tensor_data(batch))[image * VALUES + (c * HEIGHT + y) * WIDTH + x];
}

/* 1: the second is the first mirrored; 0: as it is. */
static int is_mirrored(const cn_tensor *plain, const cn_tensor *batch, int image) {
    int same = 1, mirrored = 1;
    for (int v = 0; v < VALUES; v++) {
        int c = v / (HEIGHT * WIDTH), y = v / WIDTH % HEIGHT, x = v % WIDTH;
        float value = value_at(batch, image, c, y, x);
        same &= value == value_at(plain, image, c, y, x);
        mirrored &= value == value_at(plain, image, c, y, WIDTH - 1 - x);
    }
    ck_assert_int_eq(same + mirrored, 1);
    return mirrored;
}

START_TEST(alternating_flips_take_turns) {
    arrays a = arrays_new(CN_UINT8, 2);
    cn_augmentation flips = CN_AUGMENTATION_INIT;
    int turn[2][COUNT], first = 0, unlike = 0;
    flips.alternating_flip = 1;
    flips.horizontal_flip = 0.5f; /* replaced */
    cn_tensor *plain = whole_batch(a.set, a.ctx, 0, 0, 0);
    ck_ok(cn_dataset_set_augmentation(a.set, &flips));
    for (int seed = 0; seed < 2; seed++)
        for (int epoch = 1; epoch <= 4; epoch++) {
            cn_tensor *batch = whole_batch(a.set, a.ctx, 1, (uint64_t)seed, epoch);
            for (int i = 0; i < COUNT; i++) {
                int mirrored = is_mirrored(plain, batch, i);
                if (epoch == 1)
                    turn[seed][i] = mirrored;
                ck_assert_int_eq(mirrored, epoch % 2 ? turn[seed][i] : !turn[seed][i]);
            }
            cn_tensor_free(batch);
        }
    for (int i = 0; i < COUNT; i++) {
        first += turn[0][i];
        unlike += turn[0][i] != turn[1][i];
    }
    ck_assert(first >= 4 && first <= COUNT - 4);
    ck_assert(unlike >= 4 && unlike <= COUNT - 4);
    cn_tensor_free(plain);
    arrays_free(&a);
}
END_TEST

/* Rows and columns of an image that cutout has left 0 must be a square of `side` around a pixel, cut at the edges. */
static void check_hole(const cn_tensor *plain, const cn_tensor *batch, int image, int side, int *seen) {
    int top = HEIGHT, bottom = -1, left = WIDTH, right = -1;
    for (int y = 0; y < HEIGHT; y++)
        for (int x = 0; x < WIDTH; x++)
            if (value_at(batch, image, 0, y, x) == 0.0f) {
                top = y < top ? y : top, bottom = y > bottom ? y : bottom;
                left = x < left ? x : left, right = x > right ? x : right;
            }
    for (int v = 0; v < VALUES; v++) {
        int c = v / (HEIGHT * WIDTH), y = v / WIDTH % HEIGHT, x = v % WIDTH;
        bool inside = y >= top && y <= bottom && x >= left && x <= right;
        ck_assert_float_eq(value_at(batch, image, c, y, x), inside ? 0.0f : value_at(plain, image, c, y, x));
    }
    int height = bottom - top + 1, width = right - left + 1;
    ck_assert(height == side || (height < side && height > 0 && (top == 0 || bottom == HEIGHT - 1)));
    ck_assert(width == side || (width < side && width > 0 && (left == 0 || right == WIDTH - 1)));
    *seen |= 1 << (height == side && width == side);
}

START_TEST(cutout_leaves_a_square_of_the_mean) {
    const float mean[] = {0.501f, 0.502f, 0.503f}, std[] = {0.25f, 0.5f, 1.0f}; /* no byte becomes 0 */
    arrays a = arrays_new(CN_UINT8, 2);
    cn_augmentation hole = CN_AUGMENTATION_INIT;
    ck_ok(cn_dataset_set_normalization(a.set, 3, mean, std));
    cn_tensor *plain = whole_batch(a.set, a.ctx, 0, 0, 0);
    for (hole.cutout = 2; hole.cutout <= 3; hole.cutout++) {
        int seen = 0;
        ck_ok(cn_dataset_set_augmentation(a.set, &hole));
        for (int epoch = 1; epoch <= 4; epoch++) {
            cn_tensor *batch = whole_batch(a.set, a.ctx, 1, 1, epoch);
            for (int i = 0; i < COUNT; i++)
                check_hole(plain, batch, i, hole.cutout, &seen);
            cn_tensor_free(batch);
        }
        ck_assert_int_eq(seen, 3); /* whole squares, and some that were cut */
    }
    hole.cutout = 1000;
    ck_ok(cn_dataset_set_augmentation(a.set, &hole));
    cn_tensor *nothing = whole_batch(a.set, a.ctx, 1, 1, 1);
    for (int v = 0; v < COUNT * VALUES; v++)
        ck_assert_float_eq(((float *)cn_tensor_data(nothing))[v], 0.0f);
    cn_tensor_free(nothing);
    cn_tensor_free(plain);
    arrays_free(&a);
}
END_TEST

START_TEST(wrong_augmentations_are_refused) {
    arrays a = arrays_new(CN_UINT8, 1);
    const cn_augmentation good = CN_AUGMENTATION_CIFAR10;
    cn_augmentation bad = good;
    bad.cutout = -1;
    ck_fails(cn_dataset_set_augmentation(a.set, &bad), CN_ERR_ARGUMENT, "cutout is -1");
    bad = good;
    bad.horizontal_flip = 1.5f;
    ck_fails(cn_dataset_set_augmentation(a.set, &bad), CN_ERR_ARGUMENT, "horizontal_flip is 1.5");
    bad = good;
    bad.grayscale = NAN;
    ck_fails(cn_dataset_set_augmentation(a.set, &bad), CN_ERR_ARGUMENT, "grayscale is nan");
    bad = good;
    bad.rotation = 181.0f;
    ck_fails(cn_dataset_set_augmentation(a.set, &bad), CN_ERR_ARGUMENT, "rotation is 181");
    bad = good;
    bad.perspective = -0.1f;
    ck_fails(cn_dataset_set_augmentation(a.set, &bad), CN_ERR_ARGUMENT, "perspective is -0.1");
    bad = good;
    bad.perspective_distortion = 2.0f;
    ck_fails(cn_dataset_set_augmentation(a.set, &bad), CN_ERR_ARGUMENT, "perspective_distortion is 2");
    bad = good;
    bad.crop_padding = WIDTH;
    ck_fails(cn_dataset_set_augmentation(a.set, &bad), CN_ERR_ARGUMENT, "crop_padding is 4, wanted 0 to 3");
    bad = good;
    bad.crop_mode = CN_PADDING_CIRCULAR;
    ck_fails(cn_dataset_set_augmentation(a.set, &bad), CN_ERR_ARGUMENT, "crop_mode is 3");
    bad = good;
    bad.size = 8;
    ck_fails(cn_dataset_set_augmentation(a.set, &bad), CN_ERR_ARGUMENT, "cn_augmentation");
    cn_tensor *plain = whole_batch(a.set, a.ctx, 0, 1, 1), *still_plain = whole_batch(a.set, a.ctx, 1, 1, 1);
    ck_assert(same_floats(plain, still_plain));
    cn_tensor_free(plain);
    cn_tensor_free(still_plain);
    arrays_free(&a);
}
END_TEST

START_TEST(tensors_of_another_shape_are_refused) {
    arrays a = arrays_new(CN_UINT8, 1);
    const int64_t shape[4] = {2, CHANNELS, HEIGHT, WIDTH}, indices[3] = {0, 1, 2};
    cn_tensor *two, *bytes, *labels;
    ck_ok(cn_tensor_new(a.ctx, CN_FLOAT32, 4, shape, &two));
    ck_ok(cn_tensor_new(a.ctx, CN_UINT8, 4, shape, &bytes));
    ck_ok(cn_tensor_new(a.ctx, CN_INT64, 1, indices + 1, &labels));
    ck_fails(cn_dataset_batch(a.set, 3, indices, 0, 0, 0, two, NULL), CN_ERR_SHAPE, "images is float32 [2, 3, 5, 4]");
    ck_fails(cn_dataset_batch(a.set, 2, indices, 0, 0, 0, bytes, NULL), CN_ERR_SHAPE, "images is uint8");
    ck_fails(cn_dataset_batch(a.set, 2, indices, 0, 0, 0, two, labels), CN_ERR_SHAPE, "labels is int64 [1]");
    ck_fails(cn_dataset_batch(a.set, 0, indices, 0, 0, 0, two, NULL), CN_ERR_ARGUMENT, "count is 0");
    ck_fails(cn_dataset_batch(a.set, 2, NULL, 0, 0, 0, two, NULL), CN_ERR_ARGUMENT, "indices is NULL");
    ck_fails(cn_dataset_image(a.set, 0, bytes, NULL), CN_ERR_SHAPE, "image is uint8 [2, 3, 5, 4]");
    ck_fails(cn_dataset_image(a.set, COUNT, bytes, NULL), CN_ERR_NOT_FOUND, "image 20 does not exist");
    cn_tensor_free(two);
    cn_tensor_free(bytes);
    cn_tensor_free(labels);
    arrays_free(&a);
}
END_TEST

/* ---- out of memory: every allocation of each constructor fails once ---- */

typedef cn_status (*constructor)(const arrays *a, cn_dataset **set);

static cn_status make_memory(const arrays *a, cn_dataset **set) {
    return cn_dataset_memory(a->ctx, a->images, a->labels, CLASSES, set);
}

static cn_status make_callback(const arrays *a, cn_dataset **set) {
    static teller t = {-1, -1};
    cn_dataset_source source = told(&t);
    return cn_dataset_callback(a->ctx, &source, set);
}

static cn_status make_synthetic(const arrays *a, cn_dataset **set) {
    return cn_dataset_synthetic(a->ctx, CN_TRAIN, 12, 1, set);
}

static cn_status make_subset(const arrays *a, cn_dataset **set) {
    const int64_t chosen[2] = {3, 1};
    return cn_dataset_subset(a->set, 2, chosen, set);
}

static cn_status make_shuffle(const arrays *a, cn_dataset **set) {
    return cn_dataset_shuffle(a->set, 1, set);
}

static cn_status make_split(const arrays *a, cn_dataset **set) {
    cn_dataset *rest = NULL;
    cn_status status = cn_dataset_split(a->set, 0.5, 1, set, &rest);
    ck_assert(status == CN_OK || (rest == NULL && *set == NULL));
    cn_dataset_free(rest);
    return status;
}

static cn_status make_names(const arrays *a, cn_dataset **set) {
    const char *names[CLASSES] = {"a", "b", "c", "d", "e", "f", "g"};
    *set = NULL;
    return cn_dataset_set_class_names(a->set, CLASSES, names);
}

static cn_status make_batch(const arrays *a, cn_dataset **set) {
    static const int64_t indices[2] = {0, 1};
    const int64_t shape[4] = {2, CHANNELS, HEIGHT, WIDTH};
    float values[2 * VALUES];
    cn_tensor *images = NULL;
    cn_status status = cn_tensor_borrow(a->ctx, CN_FLOAT32, 4, shape, values, &images);
    *set = NULL;
    if (status == CN_OK)
        status = cn_dataset_batch(a->set, 2, indices, 1, 1, 1, images, NULL);
    cn_tensor_free(images);
    return status;
}

static const constructor constructors[] = {make_memory,  make_callback, make_synthetic, make_subset,
                                           make_shuffle, make_split,    make_names,     make_batch};

START_TEST(out_of_memory_is_a_status) {
    constructor make = constructors[_i / 2];
    counting_allocator counter = {0};
    cn_context_options options = CN_CONTEXT_OPTIONS_INIT;
    arrays a = {0};
    cn_status status = CN_ERR_MEMORY;
    options.threads = 2;
    counting_options(&counter, &options);
    counter.persistent = _i % 2;
    ck_ok(cn_context_new(&options, &a.ctx));
    arrays_fill(&a, CN_UINT8);
    ck_ok(cn_dataset_memory(a.ctx, a.images, a.labels, CLASSES, &a.set));
    for (long failure = 1; status != CN_OK; failure++) {
        cn_dataset *set = NULL;
        long live = counter.live;
        counter.fail_at = counter.calls + failure;
        status = make(&a, &set);
        counter.fail_at = 0;
        ck_assert_msg(status == CN_OK || status == CN_ERR_MEMORY, "%s", cn_last_error());
        if (status != CN_OK)
            ck_assert_ptr_null(set);
        cn_dataset_free(set);
        if (make != make_names) /* which stay */
            ck_assert_int_eq(counter.live, live);
        assert_image(a.set, a.ctx, 3, 3);
    }
    arrays_free(&a);
    ck_assert_int_eq(counter.live, 0);
}
END_TEST

/* ---- the suite ---- */

int main(void) {
    const TTest *const of_arrays[] = {
        arrays_are_handed_back_as_they_are, float_arrays_are_normalised_without_division_by_255,
        wrong_labels_and_numbers_are_named, labels_that_change_later_are_found_when_used, wrong_arrays_are_refused};
    const TTest *const properties[] = {classes_are_called_by_number_until_they_have_names,
                                       normalisation_follows_its_formula};
    const TTest *const callback[] = {a_callback_gives_what_an_array_gives, a_callback_that_fails_is_named,
                                     wrong_sources_are_refused};
    const TTest *const views[] = {a_subset_has_the_chosen_images, a_split_leaves_nothing_out, a_split_has_two_parts,
                                  a_shuffle_has_all_images_in_another_order,
                                  views_take_what_their_parent_has_and_then_go_their_own_way};
    const TTest *const batches[] = {augmentation_depends_on_seed_epoch_and_index_only,
                                    every_index_is_augmented_its_own_way,
                                    alternating_flips_take_turns,
                                    cutout_leaves_a_square_of_the_mean,
                                    lanes_hold_what_batches_hold,
                                    wrong_augmentations_are_refused,
                                    tensors_of_another_shape_are_refused};
    const TTest *const out_of_memory[] = {out_of_memory_is_a_status};
    Suite *suite = suite_create("data");
    test_add(suite, "arrays", of_arrays, CN__COUNT(of_arrays), 1);
    test_add(suite, "properties", properties, CN__COUNT(properties), 1);
    test_add(suite, "callback", callback, CN__COUNT(callback), 1);
    test_add(suite, "views", views, CN__COUNT(views), 1);
    test_add(suite, "batches", batches, CN__COUNT(batches), 1);
    test_add(suite, "out of memory", out_of_memory, CN__COUNT(out_of_memory), 2 * (int)CN__COUNT(constructors));
    return test_run(suite);
}
