/* SPDX-License-Identifier: MIT */
/* test_targets.c: targets of all kinds, from arrays and callbacks: what goes in comes out, and is refused where it is not
 * true. */
#include "arrays.h"
#include "pictures.h"
#include "testing.h"
#include "base/base.h"
#include <math.h>

TEST_RUNS_ONCE;

/* ---- what goes in comes out ---- */

START_TEST(all_kinds_come_out_as_they_went_in) {
    pictures f = pictures_begin();
    const int64_t n[2] = {PICTURES, 3}, colours[4] = {PICTURES, 2, 5, 7};
    cn_tensor *labels = new_tensor(f.ctx, CN_DTYPE_INT64, 1, n), *vectors = new_tensor(f.ctx, CN_DTYPE_FLOAT32, 2, n);
    cn_tensor *images = new_tensor(f.ctx, CN_DTYPE_FLOAT32, 4, colours);
    cn_target_options class = target_of(CN_TARGET_CLASS), vector = target_of(CN_TARGET_VECTOR),
                      image = target_of(CN_TARGET_IMAGE);
    cn_target_options mask = target_mask();
    class.classes = PICTURES;
    for (int i = 0; i < PICTURES * 70; i++)
        ((float *)cn_tensor_data(images))[i] = (float)i;
    for (int i = 0; i < PICTURES * 3; i++)
        ((float *)cn_tensor_data(vectors))[i] = (float)-i;
    for (int i = 0; i < PICTURES; i++)
        ((int64_t *)cn_tensor_data(labels))[i] = PICTURES - 1 - i;
    ((uint8_t *)cn_tensor_data(f.masks))[5] = PICTURE_IGNORED;
    ck_ok(cn_dataset_add_target(f.set, vectors, &vector));
    ck_ok(cn_dataset_add_target(f.set, f.masks, &mask));
    ck_ok(cn_dataset_add_target(f.set, labels, &class));
    ck_ok(cn_dataset_add_target(f.set, images, &image));
    ck_assert_int_eq(cn_dataset_target_count(f.set), 4);
    ck_assert_int_eq(cn_dataset_classes(f.set), 200); /* the mask's, which comes first */
    drawn d = drawn_new(f.set, f.ctx, 0, 0);
    ck_assert(arrays_same_floats(d.targets[0], vectors));
    for (int i = 0; i < PICTURES * PICTURE_PIXELS; i++)
        ck_assert_int_eq(integers_of(d.targets[1])[i], i == 5 ? PICTURE_IGNORED : picture_value(i));
    ck_assert_mem_eq(cn_tensor_data(d.targets[2]), cn_tensor_data(labels), PICTURES * sizeof(int64_t));
    ck_assert(arrays_same_floats(d.targets[3], images));
    drawn_free(&d);
    cn_tensor_free(labels);
    cn_tensor_free(vectors);
    cn_tensor_free(images);
    pictures_end(&f);
}
END_TEST

START_TEST(targets_say_what_they_are) {
    pictures f = pictures_begin();
    const int64_t n[2] = {PICTURES, 4};
    const int swapped[2] = {1, 0};
    cn_target_options points = target_of(CN_TARGET_VECTOR), mask = target_mask(), told = CN_TARGET_OPTIONS_INIT;
    cn_tensor *vectors = new_tensor(f.ctx, CN_DTYPE_FLOAT32, 2, n);
    points.vector = CN_VECTOR_POINTS;
    points.mirrored = swapped;
    ck_assert_int_eq(cn_dataset_target_count(f.set), 0);
    ck_assert_int_eq(cn_dataset_classes(f.set), 0);
    ck_assert_ptr_null(cn_dataset_class_name(f.set, 0));
    ck_ok(cn_dataset_add_target(f.set, vectors, &points));
    ck_ok(cn_dataset_add_target(f.set, f.masks, &mask));
    ck_ok(cn_dataset_target(f.set, 0, &told));
    ck_assert(told.kind == CN_TARGET_VECTOR && told.vector == CN_VECTOR_POINTS && told.classes == 0);
    ck_assert(told.shape[0] == 4 && told.shape[1] == 1 && told.shape[2] == 1 && told.mirrored[0] == 1);
    ck_ok(cn_dataset_target(f.set, 1, &told));
    ck_assert(told.kind == CN_TARGET_MASK && told.classes == 200 && told.ignore_index == PICTURE_IGNORED &&
              !told.mirrored);
    ck_assert(told.shape[0] == 1 && told.shape[1] == PICTURE_SIDE && told.shape[2] == PICTURE_SIDE);
    ck_assert_str_eq(cn_dataset_class_name(f.set, 199), "199");
    ck_fails(cn_dataset_target(f.set, 2, &told), CN_ERR_NOT_FOUND, "target 2 of 2");
    ck_fails(cn_dataset_target(f.set, -1, &told), CN_ERR_NOT_FOUND, "target -1");
    ck_ok(cn_dataset_clear_targets(f.set));
    ck_assert_int_eq(cn_dataset_target_count(f.set) + (int)cn_dataset_classes(f.set), 0);
    cn_tensor_free(vectors);
    pictures_end(&f);
}
END_TEST

/* A view has the targets of its images; one that is added to a view is in the view's own order. */
START_TEST(views_have_their_images_targets) {
    pictures f = pictures_begin();
    const int64_t chosen[4] = {7, 2, 7, 11}, again[3] = {3, 0, 1}, n[2] = {4, 1};
    cn_target_options mask = target_mask(), vector = target_of(CN_TARGET_VECTOR);
    cn_tensor *rows = new_tensor(f.ctx, CN_DTYPE_FLOAT32, 2, n);
    cn_dataset *view, *inner;
    for (int i = 0; i < 4; i++)
        ((float *)cn_tensor_data(rows))[i] = (float)i + 0.5f;
    ck_ok(cn_dataset_add_target(f.set, f.wide_masks, &mask));
    ck_ok(cn_dataset_subset(f.set, 4, chosen, &view));
    ck_ok(cn_dataset_add_target(view, rows, &vector));
    ck_ok(cn_dataset_subset(view, 3, again, &inner));
    cn_dataset_free(view);
    ck_assert_int_eq(cn_dataset_target_count(f.set), 1);
    drawn d = drawn_new(inner, f.ctx, 0, 0);
    for (int i = 0; i < 3; i++) {
        ck_assert_float_eq(floats_of(d.targets[1])[i], (float)again[i] + 0.5f);
        for (int p = 0; p < PICTURE_PIXELS; p++)
            ck_assert_int_eq(integers_of(d.targets[0])[i * PICTURE_PIXELS + p],
                             picture_value((int)chosen[again[i]] * PICTURE_PIXELS + p));
    }
    drawn_free(&d);
    cn_dataset_free(inner);
    cn_tensor_free(rows);
    pictures_end(&f);
}
END_TEST

/* ---- a callback ---- */

static int tell(void *user, int64_t index, void *image, void *const *targets) {
    const pictures *f = user;
    memcpy(image, floats_of(f->floats) + index * PICTURE_PIXELS, PICTURE_PIXELS * sizeof(float));
    memcpy(targets[0], integers_of(f->wide_masks) + index * PICTURE_PIXELS, PICTURE_PIXELS * sizeof(int64_t));
    ((float *)targets[1])[0] = (float)index;
    ((float *)targets[1])[1] = (float)index * 2.0f;
    ((float *)targets[1])[2] = -(float)index;
    *(int64_t *)targets[2] = index % 5;
    memcpy(targets[3], floats_of(f->floats) + index * PICTURE_PIXELS, PICTURE_PIXELS * sizeof(float));
    return 0;
}

static cn_dataset_source told_source(pictures *f, cn_target_options targets[4]) {
    cn_dataset_source source = CN_DATASET_SOURCE_INIT;
    const int64_t shapes[4][3] = {
        {1, PICTURE_SIDE, PICTURE_SIDE}, {3, 1, 1}, {0, 0, 0}, {1, PICTURE_SIDE, PICTURE_SIDE}};
    targets[0] = target_mask();
    targets[1] = target_of(CN_TARGET_VECTOR);
    targets[1].vector = CN_VECTOR_INVARIANT;
    targets[2] = target_of(CN_TARGET_CLASS);
    targets[2].classes = 5;
    targets[3] = target_of(CN_TARGET_IMAGE);
    for (int t = 0; t < 4; t++)
        memcpy(targets[t].shape, shapes[t], sizeof shapes[t]);
    source.count = PICTURES;
    source.channels = 1;
    source.height = source.width = PICTURE_SIDE;
    source.dtype = CN_DTYPE_FLOAT32;
    source.targets = targets;
    source.target_count = 4;
    source.fetch_sample = tell;
    source.user = f;
    return source;
}

START_TEST(a_callback_gives_floats_and_all_kinds_of_targets) {
    pictures f = pictures_begin();
    cn_target_options targets[4], image = target_of(CN_TARGET_IMAGE), mask = target_mask();
    cn_dataset_source source = told_source(&f, targets);
    cn_augmentation moves = pictures_moves(CN_PADDING_REFLECT);
    cn_dataset *set, *stored;
    ck_ok(cn_dataset_callback(f.ctx, &source, &set));
    ck_ok(cn_dataset_memory(f.ctx, f.floats, NULL, 0, &stored));
    ck_ok(cn_dataset_add_target(stored, f.masks, &mask));
    ck_ok(cn_dataset_add_target(stored, f.bytes, &image));
    ck_ok(cn_dataset_set_augmentation(set, &moves));
    ck_ok(cn_dataset_set_augmentation(stored, &moves));
    for (int augment = 0; augment < 2; augment++) {
        drawn ours = drawn_new(set, f.ctx, augment, 1), theirs = drawn_new(stored, f.ctx, augment, 1);
        ck_assert(arrays_same_floats(ours.images, theirs.images));
        ck_assert_mem_eq(cn_tensor_data(ours.targets[0]), cn_tensor_data(theirs.targets[0]),
                         PICTURES * PICTURE_PIXELS * sizeof(int64_t));
        ck_assert(arrays_same_floats(ours.targets[3], theirs.targets[1]));
        for (int i = 0; i < PICTURES; i++) {
            ck_assert_float_eq(floats_of(ours.targets[1])[3 * i + 1], (float)(2 * i));
            ck_assert_int_eq(integers_of(ours.targets[2])[i], i % 5);
        }
        drawn_free(&ours);
        drawn_free(&theirs);
    }
    cn_dataset_free(set);
    cn_dataset_free(stored);
    pictures_end(&f);
}
END_TEST

START_TEST(wrong_values_of_a_callback_are_named) {
    pictures f = pictures_begin();
    cn_target_options targets[4];
    cn_dataset_source source = told_source(&f, targets);
    const int64_t shape[4] = {1, 1, PICTURE_SIDE, PICTURE_SIDE}, index = 2;
    cn_tensor *image = new_tensor(f.ctx, CN_DTYPE_FLOAT32, 4, shape), *mask, *whole;
    cn_dataset *set;
    ck_ok(cn_dataset_callback(f.ctx, &source, &set));
    mask = target_tensor(set, f.ctx, 0, 1);
    whole = target_tensor(set, f.ctx, 3, 1);
    cn_tensor *const wanted[4] = {mask, NULL, NULL, whole};
    ((int64_t *)cn_tensor_data(f.wide_masks))[2 * PICTURE_PIXELS + PICTURE_SIDE + 3] = 200;
    ck_fails(cn_dataset_batch_targets(set, 1, &index, 0, 0, 0, image, 4, wanted), CN_ERR_DATA,
             "image 2: row 1, column 3 of its mask is 200, wanted 0 to 199 or 255");
    ((int64_t *)cn_tensor_data(f.wide_masks))[2 * PICTURE_PIXELS + PICTURE_SIDE + 3] = PICTURE_IGNORED;
    ck_ok(cn_dataset_batch_targets(set, 1, &index, 0, 0, 0, image, 4, wanted));
    ((float *)cn_tensor_data(f.floats))[2 * PICTURE_PIXELS + 5] = NAN;
    ck_fails(cn_dataset_batch(set, 1, &index, 0, 0, 0, image, mask), CN_ERR_DATA,
             "image 2, channel 0, row 0, column 5 is");
    cn_dataset_free(set);
    cn_tensor_free(image);
    cn_tensor_free(mask);
    cn_tensor_free(whole);
    pictures_end(&f);
}
END_TEST

START_TEST(wrong_sources_are_refused) {
    pictures f = pictures_begin();
    cn_target_options targets[4];
    cn_dataset_source source = told_source(&f, targets);
    cn_dataset *set;
    source.classes = 3;
    ck_fails(cn_dataset_callback(f.ctx, &source, &set), CN_ERR_ARGUMENT, "classes is 3");
    source.classes = 0;
    source.target_count = -1;
    ck_fails(cn_dataset_callback(f.ctx, &source, &set), CN_ERR_ARGUMENT, "target_count is -1");
    source.target_count = 4;
    targets[3].shape[1] = 0;
    ck_fails(cn_dataset_callback(f.ctx, &source, &set), CN_ERR_SHAPE, "height is 0");
    targets[3].size = 7;
    ck_fails(cn_dataset_callback(f.ctx, &source, &set), CN_ERR_ARGUMENT, "its size member is 7");
    source.targets = NULL;
    ck_fails(cn_dataset_callback(f.ctx, &source, &set), CN_ERR_ARGUMENT, "targets is NULL");
    pictures_end(&f);
}
END_TEST

/* ---- what is refused ---- */

START_TEST(wrong_descriptions_are_refused) {
    pictures f = pictures_begin();
    const int64_t n[2] = {PICTURES, 3};
    const int lonely[2] = {1, 1};
    cn_tensor *vectors = new_tensor(f.ctx, CN_DTYPE_FLOAT32, 2, n);
    cn_target_options o = target_mask();
    o.ignore_index = 199;
    ck_fails(cn_dataset_add_target(f.set, f.masks, &o), CN_ERR_ARGUMENT, "ignore_index is 199");
    o = target_mask(), o.classes = 0;
    ck_fails(cn_dataset_add_target(f.set, f.masks, &o), CN_ERR_ARGUMENT, "classes is 0");
    o = target_mask(), o.vector = CN_VECTOR_INVARIANT;
    ck_fails(cn_dataset_add_target(f.set, f.masks, &o), CN_ERR_ARGUMENT, "kind is CN_TARGET_MASK");
    o = target_mask(), o.shape[0] = 1, o.shape[1] = o.shape[2] = 5;
    ck_fails(cn_dataset_add_target(f.set, f.masks, &o), CN_ERR_SHAPE, "shape says [1, 5, 5]");
    o = target_of(CN_TARGET_IMAGE), o.classes = 4;
    ck_fails(cn_dataset_add_target(f.set, f.bytes, &o), CN_ERR_ARGUMENT, "images have none");
    o = target_of((cn_target_kind)4);
    ck_fails(cn_dataset_add_target(f.set, f.bytes, &o), CN_ERR_ARGUMENT, "kind is 4");
    o = target_of(CN_TARGET_VECTOR);
    ck_fails(cn_dataset_add_target(f.set, NULL, &o), CN_ERR_ARGUMENT, "targets is NULL");
    o.vector = CN_VECTOR_POINTS;
    ck_fails(cn_dataset_add_target(f.set, vectors, &o), CN_ERR_SHAPE, "there are 3 numbers");
    o.vector = (cn_vector_kind)3;
    ck_fails(cn_dataset_add_target(f.set, vectors, &o), CN_ERR_ARGUMENT, "vector is 3");
    o.vector = CN_VECTOR_UNKNOWN, o.mirrored = lonely;
    ck_fails(cn_dataset_add_target(f.set, vectors, &o), CN_ERR_ARGUMENT, "mirrored is for CN_VECTOR_POINTS");
    ck_assert_int_eq(cn_dataset_target_count(f.set), 0);
    cn_tensor_free(vectors);
    const int64_t four[2] = {PICTURES, 4};
    vectors = new_tensor(f.ctx, CN_DTYPE_FLOAT32, 2, four);
    o.vector = CN_VECTOR_POINTS;
    ck_fails(cn_dataset_add_target(f.set, vectors, &o), CN_ERR_ARGUMENT, "mirrored[0] is 1");
    cn_tensor_free(vectors);
    pictures_end(&f);
}
END_TEST

START_TEST(wrong_tensors_are_refused) {
    pictures f = pictures_begin();
    const int64_t few[2] = {PICTURES - 1, 3}, n[2] = {PICTURES, 3};
    cn_tensor *short_one = new_tensor(f.ctx, CN_DTYPE_FLOAT32, 2, few),
              *vectors = new_tensor(f.ctx, CN_DTYPE_FLOAT32, 2, n);
    cn_target_options vector = target_of(CN_TARGET_VECTOR), mask = target_mask(), class = target_of(CN_TARGET_CLASS);
    ck_fails(cn_dataset_add_target(f.set, short_one, &vector), CN_ERR_SHAPE, "float32 [11, 3], wanted float32 [N, K]");
    ck_fails(cn_dataset_add_target(f.set, f.floats, &mask), CN_ERR_SHAPE, "wanted uint8 or int64 [N, H, W]");
    ck_fails(cn_dataset_add_target(f.set, vectors, &class), CN_ERR_SHAPE, "wanted int64 [N] with N = 12 for classes");
    ((float *)cn_tensor_data(vectors))[7] = INFINITY;
    ck_fails(cn_dataset_add_target(f.set, vectors, &vector), CN_ERR_DATA,
             "target 2, channel 1, row 0, column 0 is inf");
    ((uint8_t *)cn_tensor_data(f.masks))[PICTURE_PIXELS + PICTURE_SIDE + 2] = 200;
    ck_fails(cn_dataset_add_target(f.set, f.masks, &mask), CN_ERR_DATA,
             "mask 1, row 1, column 2 is 200, wanted 0 to 199 or 255");
    ck_assert_int_eq(cn_dataset_target_count(f.set), 0);
    cn_tensor_free(short_one);
    cn_tensor_free(vectors);
    pictures_end(&f);
}
END_TEST

START_TEST(batches_want_tensors_of_the_targets_kinds) {
    pictures f = pictures_begin();
    const int64_t shape[4] = {1, 1, PICTURE_SIDE, PICTURE_SIDE}, index = 0;
    cn_target_options mask = target_mask();
    cn_tensor *image = new_tensor(f.ctx, CN_DTYPE_FLOAT32, 4, shape),
              *label = new_tensor(f.ctx, CN_DTYPE_INT64, 1, shape);
    cn_tensor *pixels = new_tensor(f.ctx, CN_DTYPE_UINT8, 4, shape);
    cn_tensor *const two[2] = {label, label};
    int64_t number;
    ck_fails(cn_dataset_batch(f.set, 1, &index, 0, 0, 0, image, label), CN_ERR_ARGUMENT, "1 targets wanted");
    ck_fails(cn_dataset_label(f.set, 0, &number), CN_ERR_STATE, "they have no targets");
    ck_ok(cn_dataset_add_target(f.set, f.masks, &mask));
    ck_fails(cn_dataset_batch(f.set, 1, &index, 0, 0, 0, image, label), CN_ERR_SHAPE,
             "target 0 is int64 [1], wanted int64 [1, 24, 24]");
    ck_fails(cn_dataset_batch_targets(f.set, 1, &index, 0, 0, 0, image, 2, two), CN_ERR_ARGUMENT, "the data set has 1");
    ck_fails(cn_dataset_batch_targets(f.set, 1, &index, 0, 0, 0, image, 1, NULL), CN_ERR_ARGUMENT, "targets is NULL");
    ck_fails(cn_dataset_image(f.set, 0, pixels, &number), CN_ERR_STATE, "their first target is no class");
    ck_ok(cn_dataset_image(f.set, 0, pixels, NULL));
    cn_tensor_free(image);
    cn_tensor_free(label);
    cn_tensor_free(pixels);
    pictures_end(&f);
}
END_TEST

/* ---- the suite ---- */

int main(void) {
    const TTest *const kinds[] = {all_kinds_come_out_as_they_went_in, targets_say_what_they_are,
                                  views_have_their_images_targets};
    const TTest *const callbacks[] = {a_callback_gives_floats_and_all_kinds_of_targets,
                                      wrong_values_of_a_callback_are_named, wrong_sources_are_refused};
    const TTest *const refused[] = {wrong_descriptions_are_refused, wrong_tensors_are_refused,
                                    batches_want_tensors_of_the_targets_kinds};
    Suite *suite = suite_create("targets");
    test_add(suite, "kinds", kinds, CN__COUNT(kinds), 1);
    test_add(suite, "callbacks", callbacks, CN__COUNT(callbacks), 1);
    test_add(suite, "refused", refused, CN__COUNT(refused), 1);
    return test_run(suite);
}
