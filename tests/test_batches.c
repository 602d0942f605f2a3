/* SPDX-License-Identifier: MIT */
/* test_batches.c: batches of images: what augmentation depends on and leaves, lanes, tensors of another shape. */
#include "arrays.h"
#include "testing.h"
#include "data/data.h"
#include <math.h>
#include <stdlib.h>

TEST_RUNS_ONCE;

START_TEST(augmentation_depends_on_seed_epoch_and_index_only) {
    static const int thread_counts[] = {1, 2, 5};
    cn_tensor *first = NULL;
    arrays base = arrays_new(CN_DTYPE_UINT8, 1);
    cn_augmentation all = CN_AUGMENTATION_CIFAR10;
    for (size_t t = 0; t < CN__COUNT(thread_counts); t++) {
        arrays a = arrays_new(CN_DTYPE_UINT8, thread_counts[t]);
        ck_ok(cn_dataset_set_augmentation(a.set, &all));
        cn_tensor *batch = arrays_batch(a.set, base.ctx, 1, 3, 4), *seed = arrays_batch(a.set, a.ctx, 1, 4, 4);
        cn_tensor *epoch = arrays_batch(a.set, a.ctx, 1, 3, 5), *plain = arrays_batch(a.set, a.ctx, 0, 3, 4);
        ck_assert(!arrays_same_floats(batch, seed));
        ck_assert(!arrays_same_floats(batch, epoch));
        ck_assert(!arrays_same_floats(batch, plain));
        ck_assert(first == NULL || arrays_same_floats(first, batch));
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
    arrays a = arrays_new(CN_DTYPE_UINT8, 1);
    const int64_t same[16] = {4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4};
    cn_augmentation turn = CN_AUGMENTATION_INIT;
    cn_dataset *repeated;
    int different = 0;
    turn.rotation = 180.0f;
    ck_ok(cn_dataset_subset(a.set, 16, same, &repeated));
    ck_ok(cn_dataset_set_augmentation(repeated, &turn));
    cn_tensor *batch = arrays_batch(repeated, a.ctx, 1, 1, 1);
    const float *values = cn_tensor_data(batch);
    for (int i = 1; i < 16; i++)
        different += memcmp(values, values + i * ARRAYS_VALUES, ARRAYS_VALUES * sizeof *values) != 0;
    ck_assert_int_ge(different, 14);
    cn_tensor_free(batch);
    cn_dataset_free(repeated);
    arrays_free(&a);
}
END_TEST

START_TEST(lanes_hold_what_batches_hold) {
    enum { ROW = (ARRAYS_WIDTH + 2) * CN__LANES, CHANNEL = (ARRAYS_HEIGHT + 2) * ROW + CN__LANES };
    arrays a = arrays_new(CN_DTYPE_UINT8, 2);
    cn_augmentation all = CN_AUGMENTATION_CIFAR10;
    const cn__fetch how = {.augment = true, .seed = 3, .epoch = 4};
    static float lanes[ARRAYS_CHANNELS * CHANNEL];
    ck_ok(cn_dataset_set_augmentation(a.set, &all));
    cn_tensor *batch = arrays_batch(a.set, a.ctx, 1, 3, 4);
    void *scratch = aligned_alloc(CN__ALIGN, cn__dataset_scratch(a.set));
    ck_assert_uint_eq(cn__dataset_scratch(a.set) % CN__ALIGN, 0);
    for (int i = 0; i < ARRAYS_COUNT; i++) {
        int lane = i % CN__LANES;
        int64_t label;
        for (int j = 0; j < ARRAYS_CHANNELS * CHANNEL; j++)
            lanes[j] = -77.0f;
        ck_ok(cn__dataset_fetch(a.set, i, &how, scratch, lanes + lane, ROW, CHANNEL, &(cn__target_place){&label}));
        ck_assert_int_eq(label, i % ARRAYS_CLASSES);
        for (int j = 0; j < ARRAYS_CHANNELS * CHANNEL; j++) {
            int c = j / CHANNEL, y = j % CHANNEL / ROW, x = j % CHANNEL % ROW / CN__LANES;
            bool inside = j % CN__LANES == lane && y < ARRAYS_HEIGHT && x < ARRAYS_WIDTH;
            const float *wanted =
                (float *)cn_tensor_data(batch) + i * ARRAYS_VALUES + (c * ARRAYS_HEIGHT + y) * ARRAYS_WIDTH + x;
            ck_assert_float_eq(lanes[j], inside ? *wanted : -77.0f);
        }
    }
    free(scratch);
    cn_tensor_free(batch);
    arrays_free(&a);
}
END_TEST

static float value_at(const cn_tensor *batch, int image, int c, int y, int x) {
    return ((float *)cn_tensor_data_const(batch))[image * ARRAYS_VALUES + (c * ARRAYS_HEIGHT + y) * ARRAYS_WIDTH + x];
}

/* 1: the second is the first mirrored; 0: as it is. */
static int is_mirrored(const cn_tensor *plain, const cn_tensor *batch, int image) {
    int same = 1, mirrored = 1;
    for (int v = 0; v < ARRAYS_VALUES; v++) {
        int c = v / (ARRAYS_HEIGHT * ARRAYS_WIDTH), y = v / ARRAYS_WIDTH % ARRAYS_HEIGHT, x = v % ARRAYS_WIDTH;
        float value = value_at(batch, image, c, y, x);
        same &= value == value_at(plain, image, c, y, x);
        mirrored &= value == value_at(plain, image, c, y, ARRAYS_WIDTH - 1 - x);
    }
    ck_assert_int_eq(same + mirrored, 1);
    return mirrored;
}

START_TEST(alternating_flips_take_turns) {
    arrays a = arrays_new(CN_DTYPE_UINT8, 2);
    cn_augmentation flips = CN_AUGMENTATION_INIT;
    int turn[2][ARRAYS_COUNT], first = 0, unlike = 0;
    flips.alternating_flip = 1;
    flips.horizontal_flip = 0.5f; /* replaced */
    cn_tensor *plain = arrays_batch(a.set, a.ctx, 0, 0, 0);
    ck_ok(cn_dataset_set_augmentation(a.set, &flips));
    for (int seed = 0; seed < 2; seed++)
        for (int epoch = 1; epoch <= 4; epoch++) {
            cn_tensor *batch = arrays_batch(a.set, a.ctx, 1, (uint64_t)seed, epoch);
            for (int i = 0; i < ARRAYS_COUNT; i++) {
                int mirrored = is_mirrored(plain, batch, i);
                if (epoch == 1)
                    turn[seed][i] = mirrored;
                ck_assert_int_eq(mirrored, epoch % 2 ? turn[seed][i] : !turn[seed][i]);
            }
            cn_tensor_free(batch);
        }
    for (int i = 0; i < ARRAYS_COUNT; i++) {
        first += turn[0][i];
        unlike += turn[0][i] != turn[1][i];
    }
    ck_assert(first >= 4 && first <= ARRAYS_COUNT - 4);
    ck_assert(unlike >= 4 && unlike <= ARRAYS_COUNT - 4);
    cn_tensor_free(plain);
    arrays_free(&a);
}
END_TEST

/* Rows and columns of an image that cutout has left 0 must be a square of `side` around a pixel, cut at the edges. */
static void check_hole(const cn_tensor *plain, const cn_tensor *batch, int image, int side, int *seen) {
    int top = ARRAYS_HEIGHT, bottom = -1, left = ARRAYS_WIDTH, right = -1;
    for (int y = 0; y < ARRAYS_HEIGHT; y++)
        for (int x = 0; x < ARRAYS_WIDTH; x++)
            if (value_at(batch, image, 0, y, x) == 0.0f) {
                top = y < top ? y : top, bottom = y > bottom ? y : bottom;
                left = x < left ? x : left, right = x > right ? x : right;
            }
    for (int v = 0; v < ARRAYS_VALUES; v++) {
        int c = v / (ARRAYS_HEIGHT * ARRAYS_WIDTH), y = v / ARRAYS_WIDTH % ARRAYS_HEIGHT, x = v % ARRAYS_WIDTH;
        bool inside = y >= top && y <= bottom && x >= left && x <= right;
        ck_assert_float_eq(value_at(batch, image, c, y, x), inside ? 0.0f : value_at(plain, image, c, y, x));
    }
    int height = bottom - top + 1, width = right - left + 1;
    ck_assert(height == side || (height < side && height > 0 && (top == 0 || bottom == ARRAYS_HEIGHT - 1)));
    ck_assert(width == side || (width < side && width > 0 && (left == 0 || right == ARRAYS_WIDTH - 1)));
    *seen |= 1 << (height == side && width == side);
}

START_TEST(cutout_leaves_a_square_of_the_mean) {
    const float mean[] = {0.501f, 0.502f, 0.503f}, std[] = {0.25f, 0.5f, 1.0f}; /* no byte becomes 0 */
    arrays a = arrays_new(CN_DTYPE_UINT8, 2);
    cn_augmentation hole = CN_AUGMENTATION_INIT;
    ck_ok(cn_dataset_set_normalization(a.set, 3, mean, std));
    cn_tensor *plain = arrays_batch(a.set, a.ctx, 0, 0, 0);
    for (hole.cutout = 2; hole.cutout <= 3; hole.cutout++) {
        int seen = 0;
        ck_ok(cn_dataset_set_augmentation(a.set, &hole));
        for (int epoch = 1; epoch <= 4; epoch++) {
            cn_tensor *batch = arrays_batch(a.set, a.ctx, 1, 1, epoch);
            for (int i = 0; i < ARRAYS_COUNT; i++)
                check_hole(plain, batch, i, hole.cutout, &seen);
            cn_tensor_free(batch);
        }
        ck_assert_int_eq(seen, 3); /* whole squares, and some that were cut */
    }
    hole.cutout = 1000;
    ck_ok(cn_dataset_set_augmentation(a.set, &hole));
    cn_tensor *nothing = arrays_batch(a.set, a.ctx, 1, 1, 1);
    for (int v = 0; v < ARRAYS_COUNT * ARRAYS_VALUES; v++)
        ck_assert_float_eq(((float *)cn_tensor_data(nothing))[v], 0.0f);
    cn_tensor_free(nothing);
    cn_tensor_free(plain);
    arrays_free(&a);
}
END_TEST

START_TEST(wrong_augmentations_are_refused) {
    arrays a = arrays_new(CN_DTYPE_UINT8, 1);
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
    bad.crop_padding = ARRAYS_WIDTH;
    ck_fails(cn_dataset_set_augmentation(a.set, &bad), CN_ERR_ARGUMENT, "crop_padding is 4, wanted 0 to 3");
    bad = good;
    bad.crop_mode = CN_PADDING_CIRCULAR;
    ck_fails(cn_dataset_set_augmentation(a.set, &bad), CN_ERR_ARGUMENT, "crop_mode is 3");
    bad = good;
    bad.size = 8;
    ck_fails(cn_dataset_set_augmentation(a.set, &bad), CN_ERR_ARGUMENT, "cn_augmentation");
    cn_tensor *plain = arrays_batch(a.set, a.ctx, 0, 1, 1), *still_plain = arrays_batch(a.set, a.ctx, 1, 1, 1);
    ck_assert(arrays_same_floats(plain, still_plain));
    cn_tensor_free(plain);
    cn_tensor_free(still_plain);
    arrays_free(&a);
}
END_TEST

START_TEST(tensors_of_another_shape_are_refused) {
    arrays a = arrays_new(CN_DTYPE_UINT8, 1);
    const int64_t shape[4] = {2, ARRAYS_CHANNELS, ARRAYS_HEIGHT, ARRAYS_WIDTH}, indices[3] = {0, 1, 2};
    cn_tensor *two, *bytes, *labels;
    ck_ok(cn_tensor_new(a.ctx, CN_DTYPE_FLOAT32, 4, shape, &two));
    ck_ok(cn_tensor_new(a.ctx, CN_DTYPE_UINT8, 4, shape, &bytes));
    ck_ok(cn_tensor_new(a.ctx, CN_DTYPE_INT64, 1, indices + 1, &labels));
    ck_fails(cn_dataset_batch(a.set, 3, indices, 0, 0, 0, two, NULL), CN_ERR_SHAPE, "images is float32 [2, 3, 5, 4]");
    ck_fails(cn_dataset_batch(a.set, 2, indices, 0, 0, 0, bytes, NULL), CN_ERR_SHAPE, "images is uint8");
    ck_fails(cn_dataset_batch(a.set, 2, indices, 0, 0, 0, two, labels), CN_ERR_SHAPE, "target 0 is int64 [1]");
    ck_fails(cn_dataset_batch(a.set, 0, indices, 0, 0, 0, two, NULL), CN_ERR_ARGUMENT, "count is 0");
    ck_fails(cn_dataset_batch(a.set, 2, NULL, 0, 0, 0, two, NULL), CN_ERR_ARGUMENT, "indices is NULL");
    ck_fails(cn_dataset_image(a.set, 0, bytes, NULL), CN_ERR_SHAPE, "image is uint8 [2, 3, 5, 4]");
    ck_fails(cn_dataset_image(a.set, ARRAYS_COUNT, bytes, NULL), CN_ERR_NOT_FOUND, "image 20 does not exist");
    cn_tensor_free(two);
    cn_tensor_free(bytes);
    cn_tensor_free(labels);
    arrays_free(&a);
}
END_TEST

/* ---- the suite ---- */

int main(void) {
    const TTest *const batches[] = {augmentation_depends_on_seed_epoch_and_index_only,
                                    every_index_is_augmented_its_own_way,
                                    alternating_flips_take_turns,
                                    cutout_leaves_a_square_of_the_mean,
                                    lanes_hold_what_batches_hold,
                                    wrong_augmentations_are_refused,
                                    tensors_of_another_shape_are_refused};
    Suite *suite = suite_create("batches");
    test_add(suite, "batches", batches, CN__COUNT(batches), 1);
    return test_run(suite);
}
