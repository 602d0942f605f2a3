/* SPDX-License-Identifier: MIT */
/* test_large_batch.c: a step along the gradient of 4,096 images, accumulated from batches that fit, by one process and by
 * several. */
#include "ranks.h"
#include "testing.h"
#include "toys.h"
#include <stdlib.h>

TEST_RUNS_ONCE;

enum { IMAGES = 4096, EPOCHS = 2 };

typedef struct way {
    cn_norm_kind norm;
    int batch, accumulate;
} way;

static const way whole = {CN_NORM_GROUP, IMAGES, 1}, parts = {CN_NORM_GROUP, 128, 32},
                 with_batch_norm = {CN_NORM_BATCH, 128, 32};

typedef struct result {
    void *tensors;
    size_t bytes, memory;
    int64_t batches; /* that batch norm has seen */
} result;

static int64_t batches_seen(cn_model *model) {
    cn_tensor *counter;
    return cn_model_tensor(model, "norm.num_batches_tracked", &counter) == CN_OK
               ? *(const int64_t *)cn_tensor_data(counter)
               : 0;
}

static result train(const way *w, const cn_communicator *communicator) {
    cn_context *ctx = test_context(1);
    cn_model *model = toy_model(ctx, w->norm, 0.0f);
    toy_data data = toy_data_new(ctx, IMAGES, 5);
    cn_trainer_options options = CN_TRAINER_OPTIONS_INIT;
    cn_optimizer_options optimizer = CN_OPTIMIZER_OPTIONS_INIT;
    cn_trainer *trainer;
    result r;
    optimizer.learning_rate = 0.5f;
    options.optimizer = &optimizer;
    options.batch_size = w->batch;
    options.accumulate = w->accumulate;
    options.communicator = communicator;
    ck_ok(cn_trainer_memory(model, data.set, NULL, &options, &r.memory));
    ck_ok(cn_trainer_new(model, data.set, NULL, &options, &trainer));
    ck_ok(cn_trainer_fit(trainer, EPOCHS, NULL, NULL));
    r.tensors = toy_tensors(model, &r.bytes);
    r.batches = batches_seen(model);
    cn_trainer_free(trainer);
    toy_data_free(&data);
    cn_model_free(model);
    cn_context_free(ctx);
    return r;
}

START_TEST(it_is_one_as_large) {
    result a = train(&whole, NULL), b = train(&parts, NULL);
    ck_assert_uint_eq(a.bytes, b.bytes);
    for (size_t i = 0; i < a.bytes / sizeof(float); i++)
        ck_assert_float_eq_tol(((const float *)a.tensors)[i], ((const float *)b.tensors)[i], 1e-5f);
    ck_assert_uint_gt(a.memory, 8 * b.memory);
    free(a.tensors);
    free(b.tensors);
}
END_TEST

/* Normalises by the statistics of each of the smaller batches, and counts these. */
START_TEST(batch_norm_goes_by_the_smaller_batches) {
    result r = train(&with_batch_norm, NULL);
    ck_assert_int_eq(r.batches, EPOCHS * 32);
    free(r.tensors);
}
END_TEST

typedef struct job {
    const way *way;
    result results[RANKS_MOST];
} job;

static void train_as_rank(const cn_communicator *communicator, void *argument) {
    job *j = argument;
    j->results[communicator->rank] = train(j->way, communicator);
}

START_TEST(ranks_have_the_bits_of_one_process) {
    const way *ways[] = {&parts, &with_batch_norm};
    job j = {.way = ways[_i]};
    ranks all = {.count = 4};
    result one = train(j.way, NULL);
    ranks_run(&all, train_as_rank, &j);
    ck_assert_ptr_null(all.complaint);
    for (int rank = 0; rank < all.count; rank++) {
        ck_assert_uint_eq(one.bytes, j.results[rank].bytes);
        ck_assert_mem_eq(one.tensors, j.results[rank].tensors, one.bytes);
        free(j.results[rank].tensors);
    }
    free(one.tensors);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("large batch");
    TCase *batch = tcase_create("batch");
    tcase_add_test(batch, it_is_one_as_large);
    tcase_add_test(batch, batch_norm_goes_by_the_smaller_batches);
    tcase_add_loop_test(batch, ranks_have_the_bits_of_one_process, 0, 2);
    suite_add_tcase(suite, batch);
    return test_run(suite);
}
