/* SPDX-License-Identifier: MIT */
/* test_sampling.c: data sets divided class by class, and images drawn by their weights. */
#include "testing.h"
#include "train/train.h"
#include "training.h"
#include <math.h>

TEST_RUNS_ONCE;

/* ---- data sets class by class ---- */

enum { IMAGES = 60, CLASSES = 4 };
static const int64_t class_counts[CLASSES] = {40, 17, 0, 3};

typedef struct uneven {
    cn_context *ctx;
    cn_tensor *images, *labels;
    cn_dataset *set;
} uneven;

/* Classes in turns; the pixel is the image's index. */
static uneven uneven_new(void) {
    uneven u = {.ctx = test_context(2)};
    int64_t left[CLASSES];
    memcpy(left, class_counts, sizeof left);
    ck_ok(cn_tensor_new(u.ctx, CN_DTYPE_UINT8, 4, (int64_t[]){IMAGES, 1, 1, 1}, &u.images));
    ck_ok(cn_tensor_new(u.ctx, CN_DTYPE_INT64, 1, (int64_t[]){IMAGES}, &u.labels));
    for (int64_t i = 0, k = 0; i < IMAGES; i++, left[k]--) {
        do
            k = (k + 1) % CLASSES;
        while (left[k] == 0);
        ((uint8_t *)cn_tensor_data(u.images))[i] = (uint8_t)i;
        ((int64_t *)cn_tensor_data(u.labels))[i] = k;
    }
    ck_ok(cn_dataset_memory(u.ctx, u.images, u.labels, CLASSES, &u.set));
    return u;
}

static void uneven_free(uneven *u) {
    cn_dataset_free(u->set);
    cn_tensor_free(u->images);
    cn_tensor_free(u->labels);
    cn_context_free(u->ctx);
}

/* Marks the images of a view, of which each is seen once, and counts its classes. */
static void look(const uneven *u, const cn_dataset *view, bool seen[IMAGES], int64_t counts[CLASSES]) {
    cn_tensor *image;
    ck_ok(cn_tensor_new(u->ctx, CN_DTYPE_UINT8, 4, (int64_t[]){1, 1, 1, 1}, &image));
    for (int64_t i = 0; i < cn_dataset_count(view); i++) {
        int64_t label;
        ck_ok(cn_dataset_image(view, i, image, &label));
        uint8_t which = *(uint8_t *)cn_tensor_data(image);
        ck_assert_msg(!seen[which], "image %d is there twice", which);
        seen[which] = true;
        counts[label]++;
    }
    cn_tensor_free(image);
}

START_TEST(each_class_is_divided_alike) {
    static const double fractions[] = {0.1, 0.25, 0.5, 0.9};
    double fraction = fractions[_i];
    uneven u = uneven_new();
    cn_dataset *part, *rest;
    ck_ok(cn_dataset_split_stratified(u.set, fraction, 7, &part, &rest));
    bool seen[IMAGES] = {false};
    int64_t in_part[CLASSES] = {0}, in_rest[CLASSES] = {0};
    look(&u, part, seen, in_part);
    look(&u, rest, seen, in_rest);
    for (int k = 0; k < CLASSES; k++) {
        ck_assert_int_eq(in_part[k] + in_rest[k], class_counts[k]);
        ck_assert(fabs((double)in_part[k] - fraction * (double)class_counts[k]) <= 1.0);
        ck_assert(class_counts[k] == 0 || in_rest[k] > 0);
    }
    if (fraction < 0.9) /* where no class would be left without an image */
        ck_assert_int_eq(cn_dataset_count(part), llround(fraction * IMAGES));
    cn_dataset_free(part);
    cn_dataset_free(rest);
    uneven_free(&u);
}
END_TEST

START_TEST(a_seed_says_which_images) {
    uneven u = uneven_new();
    cn_dataset *part[3], *rest[3];
    bool seen[3][IMAGES] = {{false}};
    int64_t counts[CLASSES];
    for (int i = 0; i < 3; i++) {
        ck_ok(cn_dataset_split_stratified(u.set, 0.5, i == 2 ? 8 : 7, &part[i], &rest[i]));
        look(&u, part[i], seen[i], counts);
        cn_dataset_free(part[i]);
        cn_dataset_free(rest[i]);
    }
    ck_assert_mem_eq(seen[0], seen[1], sizeof seen[0]);
    ck_assert_mem_ne(seen[0], seen[2], sizeof seen[0]);
    uneven_free(&u);
}
END_TEST

START_TEST(parts_without_images_are_refused) {
    uneven u = uneven_new();
    cn_dataset *part, *rest;
    ck_fails(cn_dataset_split_stratified(u.set, 0.001, 7, &part, &rest), CN_ERR_ARGUMENT, "leaves the part empty");
    ck_fails(cn_dataset_split_stratified(u.set, 1.0, 7, &part, &rest), CN_ERR_ARGUMENT, "fraction is 1, wanted above 0 and below 1");
    ck_fails(cn_dataset_split_stratified(NULL, 0.5, 7, &part, &rest), CN_ERR_ARGUMENT, "dataset is NULL");
    ck_assert_ptr_null(part);
    ck_assert_ptr_null(rest);
    uneven_free(&u);
}
END_TEST

START_TEST(images_without_labels_are_refused) {
    uneven u = uneven_new();
    cn_dataset *part, *rest;
    double weights[IMAGES];
    ck_ok(cn_dataset_clear_targets(u.set));
    ck_fails(cn_dataset_split_stratified(u.set, 0.5, 7, &part, &rest), CN_ERR_STATE, "have no labels");
    ck_fails(cn_dataset_balanced_weights(u.set, IMAGES, weights), CN_ERR_STATE, "have no labels");
    uneven_free(&u);
}
END_TEST

START_TEST(balanced_weights_give_each_class_the_same) {
    uneven u = uneven_new();
    double weights[IMAGES], sums[CLASSES] = {0.0};
    ck_ok(cn_dataset_balanced_weights(u.set, IMAGES, weights));
    for (int64_t i = 0; i < IMAGES; i++)
        sums[((int64_t *)cn_tensor_data(u.labels))[i]] += weights[i];
    for (int k = 0; k < CLASSES; k++)
        ck_assert_double_eq_tol(sums[k], class_counts[k] > 0 ? 1.0 : 0.0, 1e-12);
    ck_fails(cn_dataset_balanced_weights(u.set, IMAGES - 1, weights), CN_ERR_ARGUMENT, "59 weights for 60 images");
    uneven_free(&u);
}
END_TEST

/* ---- images drawn by their weights ---- */

enum { EPOCHS = 2000, CHOICE = 5 };

START_TEST(images_are_drawn_as_often_as_they_weigh) {
    static const double weights[CHOICE] = {1.0, 0.0, 4.0, 0.5, 2.5};
    cn_context *ctx = test_context(1);
    cn__sampler s;
    double drawn[CHOICE] = {0.0};
    ck_ok(cn__sampler_init(&s, ctx, CHOICE, weights));
    for (uint64_t epoch = 1; epoch <= EPOCHS; epoch++) {
        uint32_t repeats[CHOICE] = {0};
        cn__sampler_epoch(&s, 3, epoch);
        for (int i = 0; i < CHOICE; i++) {
            int64_t index = s.order[i] & UINT32_MAX;
            ck_assert_int_eq(s.order[i] >> 32, repeats[index]++);
            drawn[index] += 1.0;
        }
    }
    for (int i = 0; i < CHOICE; i++) {
        double share = weights[i] / 8.0, n = EPOCHS * CHOICE;
        ck_assert_double_le(fabs(drawn[i] - share * n), 4.0 * sqrt(n * share * (1.0 - share)));
    }
    cn__sampler_drop(&s);
    cn_context_free(ctx);
}
END_TEST

START_TEST(draws_depend_on_seed_and_epoch) {
    double weights[IMAGES];
    int64_t first[IMAGES];
    cn_context *ctx = test_context(1);
    cn__sampler s;
    for (int i = 0; i < IMAGES; i++)
        weights[i] = 1.0;
    ck_ok(cn__sampler_init(&s, ctx, IMAGES, weights));
    cn__sampler_epoch(&s, 3, 1);
    memcpy(first, s.order, sizeof first);
    cn__sampler_epoch(&s, 3, 2);
    ck_assert_mem_ne(s.order, first, sizeof first);
    cn__sampler_epoch(&s, 4, 1);
    ck_assert_mem_ne(s.order, first, sizeof first);
    cn__sampler_epoch(&s, 3, 1);
    ck_assert_mem_eq(s.order, first, sizeof first);
    cn__sampler_drop(&s);
    cn_context_free(ctx);
}
END_TEST

/* With a single image that weighs anything, all of an epoch is that one, each time changed otherwise: of 50 moved by up
 * to two pixels each way no two in a row would be the same for long. */
START_TEST(repeated_images_are_augmented_anew) {
    training f = training_begin(CN_NORM_NONE, 0.0f);
    cn_augmentation changes = CN_AUGMENTATION_INIT;
    cn__feed feed;
    cn__fmap map;
    cn__normalization known = cn__dataset_normalization(f.train.set);
    changes.crop_padding = 2;
    ck_ok(cn_dataset_set_augmentation(f.train.set, &changes));
    ck_ok(cn__feed_init(&feed, f.ctx, &known, f.train.set, CN__LANES));
    cn__fmap_layout(&map, (cn__shape){1, TOY_SIDE, TOY_SIDE}, 0, 0, CN_PADDING_ZEROS);
    map.data = cn__alloc(f.ctx, cn__fmap_floats(&map, 1), sizeof *map.data);
    int64_t order[CN__LANES];
    int different = 0;
    for (uint32_t i = 0; i < CN__LANES; i++)
        order[i] = cn__draw(7, i / 2); /* each twice */
    cn__fetch how = {.augment = true, .seed = 1, .epoch = 1, .levels = feed.levels};
    ck_ok(cn__feed_fetch(&feed, order, 0, 0, CN__LANES, &how, &map));
    for (size_t i = 0; i < CN__LANES; i += 2) {
        bool same = true, as_first = true;
        for (size_t p = 0; p < TOY_PIXELS; p++) {
            const float *line = cn__fmap_plane(&map, 0, 0).data + p / TOY_SIDE * map.row + p % TOY_SIDE * CN__LANES;
            same = same && line[i] == line[i + 1];
            as_first = as_first && line[i] == line[0];
        }
        ck_assert(same);
        ck_assert_int_eq(feed.place[i], 7 + TRAINING_COUNT * (int)(i / 2)); /* what dropout knows it by */
        different += !as_first;
    }
    ck_assert_int_gt(different, 4);
    cn__free(f.ctx, map.data);
    cn__feed_drop(&feed);
    training_end(&f);
}
END_TEST

START_TEST(a_trainer_draws_by_weights) {
    training f = training_begin(CN_NORM_BATCH, 0.1f);
    cn_model *twin = toy_model(f.ctx, CN_NORM_BATCH, 0.1f);
    double weights[TRAINING_COUNT] = {0.0};
    for (int i = 0; i < TRAINING_COUNT; i++) /* class 0 only */
        weights[i] = ((int64_t *)cn_tensor_data(f.train.labels))[i] == 0 ? 1.0 : 0.0;
    f.options.sample_weights = weights;
    cn_trainer *one = training_trainer(&f, f.model), *same = training_trainer(&f, twin);
    memset(weights, 0, sizeof weights); /* they have been copied */
    ck_ok(cn_trainer_fit(one, 4, NULL, NULL));
    ck_ok(cn_trainer_fit(same, 4, NULL, NULL));
    toy_expect_equal(f.model, twin);
    ck_assert_double_eq(training_epoch(one, 3).train_accuracy, 1.0); /* there is nothing else */
    ck_assert_double_lt(training_epoch(one, 3).test_accuracy, 0.6);
    cn_trainer_free(one);
    cn_trainer_free(same);
    cn_model_free(twin);
    training_end(&f);
}
END_TEST

START_TEST(weights_that_nobody_can_draw_by_are_named) {
    training f = training_begin(CN_NORM_NONE, 0.0f);
    double weights[TRAINING_COUNT] = {0.0};
    cn_trainer *trainer;
    f.options.sample_weights = weights;
    ck_fails(cn_trainer_new(f.model, f.train.set, NULL, &f.options, &trainer), CN_ERR_ARGUMENT,
             "the sum of sample_weights is 0");
    weights[3] = -1.0;
    ck_fails(cn_trainer_new(f.model, f.train.set, NULL, &f.options, &trainer), CN_ERR_ARGUMENT,
             "sample_weights[3] is -1");
    weights[3] = (double)NAN;
    ck_fails(cn_trainer_new(f.model, f.train.set, NULL, &f.options, &trainer), CN_ERR_ARGUMENT, "is nan");
    weights[3] = weights[4] = 1.7e308;
    ck_fails(cn_trainer_new(f.model, f.train.set, NULL, &f.options, &trainer), CN_ERR_ARGUMENT,
             "the sum of sample_weights is inf");
    training_end(&f);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("sampling");
    TCase *group = tcase_create("sampling");
    tcase_add_loop_test(group, each_class_is_divided_alike, 0, 4);
    tcase_add_test(group, a_seed_says_which_images);
    tcase_add_test(group, parts_without_images_are_refused);
    tcase_add_test(group, images_without_labels_are_refused);
    tcase_add_test(group, balanced_weights_give_each_class_the_same);
    tcase_add_test(group, images_are_drawn_as_often_as_they_weigh);
    tcase_add_test(group, draws_depend_on_seed_and_epoch);
    tcase_add_test(group, repeated_images_are_augmented_anew);
    tcase_add_test(group, a_trainer_draws_by_weights);
    tcase_add_test(group, weights_that_nobody_can_draw_by_are_named);
    suite_add_tcase(suite, group);
    return test_run(suite);
}
