/* SPDX-License-Identifier: MIT */
/* test_synthetic.c: the images that the library draws itself. */
#include "testing.h"

TEST_RUNS_ONCE;

#define DRAWN_HASH 0x663b07e48b119361u /* of 50 training images with seed 1; changes only with what a seed means */

/* FNV-1a over the stored bytes of all images. */
static uint64_t hash_of(const cn_dataset *set, cn_context *ctx) {
    const int64_t shape[4] = {1, 3, 32, 32};
    uint64_t hash = 14695981039346656037u;
    cn_tensor *image;
    ck_ok(cn_tensor_new(ctx, CN_DTYPE_UINT8, 4, shape, &image));
    for (int64_t i = 0; i < cn_dataset_count(set); i++) {
        ck_ok(cn_dataset_image(set, i, image, NULL));
        for (int v = 0; v < 3072; v++)
            hash = (hash ^ ((uint8_t *)cn_tensor_data(image))[v]) * 1099511628211u;
    }
    cn_tensor_free(image);
    return hash;
}

static uint64_t drawn_hash(int threads, cn_split split, int64_t count, uint64_t seed) {
    cn_context *ctx = test_context(threads);
    cn_dataset *set;
    ck_ok(cn_dataset_synthetic(ctx, split, count, seed, &set));
    uint64_t hash = hash_of(set, ctx);
    cn_dataset_free(set);
    cn_context_free(ctx);
    return hash;
}

START_TEST(drawn_images_are_the_same_everywhere) {
    uint64_t hash = drawn_hash(1, CN_SPLIT_TRAIN, 50, 1);
    ck_assert_msg(hash == DRAWN_HASH, "the hash is %#llx", (unsigned long long)hash);
    ck_assert(drawn_hash(3, CN_SPLIT_TRAIN, 50, 1) == hash);
    ck_assert(drawn_hash(1, CN_SPLIT_TEST, 50, 1) != hash);
    ck_assert(drawn_hash(1, CN_SPLIT_TRAIN, 50, 2) != hash);
}
END_TEST

START_TEST(more_drawn_images_begin_with_the_same) {
    cn_context *ctx = test_context(2);
    int64_t first[20];
    cn_dataset *many, *few, *start;
    for (int i = 0; i < 20; i++)
        first[i] = i;
    ck_ok(cn_dataset_synthetic(ctx, CN_SPLIT_TEST, 35, 9, &many));
    ck_ok(cn_dataset_synthetic(ctx, CN_SPLIT_TEST, 20, 9, &few));
    ck_ok(cn_dataset_subset(many, 20, first, &start));
    ck_assert(hash_of(start, ctx) == hash_of(few, ctx));
    cn_dataset_free(many);
    cn_dataset_free(few);
    cn_dataset_free(start);
    cn_context_free(ctx);
}
END_TEST

START_TEST(drawn_classes_are_even_and_named_and_the_images_normalised) {
    enum { IMAGES = 1000, PLANE = 1024 };
    const int64_t shape[4] = {IMAGES, 3, 32, 32};
    int64_t all[IMAGES], classes[10] = {0};
    cn_tensor *batch, *labels;
    cn_context *ctx = test_context(2);
    cn_dataset *set;
    double sum[3] = {0}, squares[3] = {0};
    ck_ok(cn_dataset_synthetic(ctx, CN_SPLIT_TRAIN, IMAGES, 3, &set));
    ck_assert_int_eq(cn_dataset_classes(set), 10);
    ck_assert_str_eq(cn_dataset_class_name(set, 0), "disc");
    ck_assert_str_eq(cn_dataset_class_name(set, 9), "dots");
    for (int64_t i = 0; i < IMAGES; i++)
        all[i] = i;
    ck_ok(cn_tensor_new(ctx, CN_DTYPE_FLOAT32, 4, shape, &batch));
    ck_ok(cn_tensor_new(ctx, CN_DTYPE_INT64, 1, shape, &labels));
    ck_ok(cn_dataset_batch(set, IMAGES, all, 0, 0, 0, batch, labels));
    for (int64_t i = 0; i < IMAGES; i++)
        classes[((int64_t *)cn_tensor_data(labels))[i]]++;
    for (int k = 0; k < 10; k++)
        ck_assert_int_eq(classes[k], IMAGES / 10);
    const float *values = cn_tensor_data(batch);
    for (int i = 0; i < IMAGES * 3 * PLANE; i++) {
        sum[i / PLANE % 3] += values[i];
        squares[i / PLANE % 3] += (double)values[i] * values[i];
    }
    for (int c = 0; c < 3; c++) {
        ck_assert_double_eq_tol(sum[c] / (IMAGES * PLANE), 0.0, 0.05);
        ck_assert_double_eq_tol(squares[c] / (IMAGES * PLANE), 1.0, 0.05);
    }
    cn_tensor_free(batch);
    cn_tensor_free(labels);
    cn_dataset_free(set);
    cn_context_free(ctx);
}
END_TEST

START_TEST(impossible_drawings_are_refused) {
    cn_context *ctx = test_context(1);
    cn_dataset *set;
    ck_fails(cn_dataset_synthetic(ctx, CN_SPLIT_TRAIN, 0, 1, &set), CN_ERR_ARGUMENT, "count is 0");
    ck_fails(cn_dataset_synthetic(ctx, CN_SPLIT_TRAIN, INT64_MAX, 1, &set), CN_ERR_MEMORY, "9223372036854775807");
    ck_fails(cn_dataset_synthetic(ctx, (cn_split)2, 10, 1, &set), CN_ERR_ARGUMENT, "split is 2");
    ck_fails(cn_dataset_synthetic(NULL, CN_SPLIT_TRAIN, 10, 1, &set), CN_ERR_ARGUMENT, "context is NULL");
    ck_assert_ptr_null(set);
    cn_context_free(ctx);
}
END_TEST

/* ---- the suite ---- */

int main(void) {
    Suite *suite = suite_create("synthetic");
    TCase *drawn = tcase_create("drawn");
    tcase_add_test(drawn, drawn_images_are_the_same_everywhere);
    tcase_add_test(drawn, more_drawn_images_begin_with_the_same);
    tcase_add_test(drawn, drawn_classes_are_even_and_named_and_the_images_normalised);
    tcase_add_test(drawn, impossible_drawings_are_refused);
    suite_add_tcase(suite, drawn);
    return test_run(suite);
}
