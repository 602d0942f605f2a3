/* SPDX-License-Identifier: MIT */
/* test_communicator.c: ranks that train one model together have the bits of one process, whatever their number. */
#include "base/types.h"
#include "joint_training.h"
#include "scratch.h"
#include <stdlib.h>

TEST_BOTH_LAYOUTS;

static const joint_recipe recipes[] = {
    {.name = "batch norm", .network = "session8", .norm = CN_NORM_BATCH, .batch = 64, .epochs = 2},
    {.name = "group norm, Adam, an average",
     .network = "session8",
     .norm = CN_NORM_GROUP,
     .batch = 64,
     .ema = 0.9f,
     .optimizer = CN_OPTIMIZER_ADAM},
    {.name = "three shares", .network = "session8", .norm = CN_NORM_BATCH, .batch = 48, .clip = 0.5f},
    {.name = "six blocks", .network = "session8", .norm = CN_NORM_GROUP, .batch = 96, .test_batch = 24},
    {.name = "layer norm, accumulated", .network = "session8", .norm = CN_NORM_LAYER, .batch = 32, .accumulate = 2},
    {.name = "mixed images", .network = "session8", .norm = CN_NORM_BATCH, .batch = 64, .mixup = 0.5f},
    {.name = "many layers", .network = "many layers", .batch = 48},
    {.name = "many weights", .network = "many weights", .batch = 64},
    {.name = "residual, Muon", .network = "resnet20", .batch = 64, .optimizer = CN_OPTIMIZER_MUON},
};

static void expect_same(const joint_recipe *r, const joint_outcome *one, const joint_outcome *rank, int count) {
    ck_assert_msg(rank->made == CN_OK && rank->status == CN_OK, "%s, %d ranks: %s", r->name, count, rank->message);
    ck_assert_uint_eq(one->bytes, rank->bytes);
    ck_assert_msg(memcmp(one->tensors, rank->tensors, one->bytes) == 0, "%s, %d ranks: other bits", r->name, count);
    ck_assert_double_eq(one->last.train_loss, rank->last.train_loss);
    ck_assert_double_eq(one->last.train_accuracy, rank->last.train_accuracy);
    ck_assert_double_eq(one->last.test_loss, rank->last.test_loss);
    ck_assert_double_eq(one->last.test_accuracy, rank->last.test_accuracy);
    ck_assert_double_eq(one->evaluated, rank->evaluated);
    ck_assert_int_eq(one->batches, rank->batches);
}

/* Whether a recipe of so many blocks a batch is trained by so many ranks: by all numbers that divide them, or, but for the
 * first recipe, by the largest. */
static bool is_tried(int recipe, int blocks, int count) {
    int largest = RANKS_MOST;
    while (blocks % largest)
        largest--;
    return count == largest || (blocks % count == 0 && (test_whole() || (recipe == 0 && !test_quick())));
}

/* With channels in the lanes every second recipe. */
START_TEST(ranks_train_to_the_bits_of_one_process) {
    const joint_recipe *r = &recipes[_i];
    if (getenv("TEST_CHANNELS") && _i % 2 && !test_whole())
        return;
    joint_outcome one;
    joint_train(r, NULL, &one);
    ck_assert_msg(one.status == CN_OK, "%s: %s", r->name, one.message);
    for (int count = 1; count <= RANKS_MOST; count++) {
        ranks all = {.count = count};
        joint_job j;
        if (!is_tried(_i, r->batch / 16, count))
            continue;
        joint_run(r, &all, &j);
        for (int rank = 0; rank < count; rank++)
            expect_same(r, &one, &j.outcomes[rank], count);
        ck_assert_int_eq(all.aborts, 0);
        joint_free(&j);
    }
    free(one.tensors);
}
END_TEST

START_TEST(each_rank_asks_for_its_images_alone) {
    ranks all = {.count = 4};
    joint_job j;
    joint_run(&joint_usual, &all, &j);
    for (int64_t i = 0; i < JOINT_COUNT; i++) {
        int asked = 0;
        for (int rank = 0; rank < all.count; rank++)
            asked += j.outcomes[rank].train.asked[i];
        ck_assert_msg(asked == 1, "image %lld was asked for by %d ranks", (long long)i, asked);
    }
    joint_free(&j);
}
END_TEST

/* After one batch of the first of two epochs on two ranks. */
START_TEST(a_run_goes_on_with_any_number_of_ranks) {
    scratch files = scratch_new();
    joint_recipe begun = joint_usual, left = joint_usual, whole = joint_usual;
    ranks two = {.count = 2}, four = {.count = 4};
    joint_job j;
    joint_outcome one, gone_on;
    whole.epochs = left.epochs = 2;
    begun.stop_after = 1;
    begun.epochs = 2;
    begun.save = left.resume = scratch_path(&files, "checkpoint.safetensors");
    joint_train(&whole, NULL, &one);
    joint_run(&begun, &two, &j);
    joint_free(&j);
    joint_train(&left, NULL, &gone_on);
    ck_assert_mem_eq(gone_on.tensors, one.tensors, one.bytes);
    joint_run(&left, &four, &j);
    for (int rank = 0; rank < four.count; rank++)
        ck_assert_mem_eq(j.outcomes[rank].tensors, one.tensors, one.bytes);
    joint_free(&j);
    free(gone_on.tensors);
    free(one.tensors);
    scratch_free(&files);
}
END_TEST

static void use_local_statistics(cn_trainer_options *options, cn_optimizer_options *optimizer, cn_model *model) {
    (void)optimizer;
    (void)model;
    options->local_batch_norm = 1;
}

/* Of each rank by itself on request: other bits than one process, the same on all ranks. */
START_TEST(local_batch_norm_is_the_same_on_all_ranks) {
    joint_recipe r = joint_usual;
    ranks all = {.count = 2};
    joint_job j;
    joint_outcome one;
    joint_train(&r, NULL, &one);
    r.change = use_local_statistics;
    r.changed_rank = JOINT_ALL;
    r.epochs = 2;
    joint_run(&r, &all, &j);
    ck_assert_msg(j.outcomes[0].status == CN_OK, "%s", j.outcomes[0].message);
    ck_assert_mem_eq(j.outcomes[0].tensors, j.outcomes[1].tensors, one.bytes);
    ck_assert_mem_ne(j.outcomes[0].tensors, one.tensors, one.bytes);
    joint_free(&j);
    free(one.tensors);
}
END_TEST

/* Steps, losses and the rate found are those of one process; each rank is then as it was, and trains to the bits of one
 * process that has not searched. With batches accumulated, mixed and averaged. */
START_TEST(ranks_find_the_rate_of_one_process) {
    static const joint_recipe searched[] = {
        {.name = "batch norm", .network = "session8", .norm = CN_NORM_BATCH, .batch = 64},
        {.name = "all at once",
         .network = "session8",
         .norm = CN_NORM_GROUP,
         .batch = 32,
         .accumulate = 2,
         .mixup = 0.5f,
         .ema = 0.9f,
         .clip = 0.5f,
         .optimizer = CN_OPTIMIZER_ADAM}};
    joint_recipe r = searched[_i];
    joint_outcome one, other;
    joint_train(&r, NULL, &other);
    r.search = 40;
    joint_train(&r, NULL, &one);
    ck_assert_int_eq(one.search_status, CN_OK);
    ck_assert_int_gt(one.steps, 10);
    ck_assert_double_eq(one.rate, one.rate);
    for (int count = 2; count <= r.batch / 16; count *= 2) {
        ranks all = {.count = count};
        joint_job j;
        joint_run(&r, &all, &j);
        for (int rank = 0; rank < count; rank++) {
            const joint_outcome *o = &j.outcomes[rank];
            ck_assert_msg(o->search_status == CN_OK, "%s, %d ranks: %s", r.name, count, o->search_message);
            ck_assert_double_eq(o->rate, one.rate);
            ck_assert_int_eq(o->steps, one.steps);
            ck_assert_mem_eq(o->losses, one.losses, sizeof one.losses);
            ck_assert_msg(!o->trace, "%s, %d ranks: the search has left a trace", r.name, count);
            expect_same(&r, &other, o, count);
        }
        ck_assert_int_eq(all.aborts, 0);
        joint_free(&j);
    }
    free(other.tensors);
    free(one.tensors);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("communicators");
    TCase *bits = tcase_create("bits");
    int first = test_again(), end = test_quick() ? 2 : (int)CN__COUNT(recipes);
    suite_add_tcase(suite, bits);
    tcase_add_loop_test(bits, ranks_train_to_the_bits_of_one_process, first, end);
    if (test_again() || getenv("TEST_CHANNELS")) /* the rest is no matter of layouts */
        return test_run(suite);
    tcase_add_loop_test(bits, ranks_find_the_rate_of_one_process, 0, 2);
    tcase_add_test(bits, each_rank_asks_for_its_images_alone);
    tcase_add_test(bits, a_run_goes_on_with_any_number_of_ranks);
    tcase_add_test(bits, local_batch_norm_is_the_same_on_all_ranks);
    return test_run(suite);
}
