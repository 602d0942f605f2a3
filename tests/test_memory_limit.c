/* SPDX-License-Identifier: MIT */
/* test_memory_limit.c: the limit on the memory of a context: what goes beyond it is CN_ERR_MEMORY that says so, whatever
 * asks for the memory; nothing is lost, and what is in use adds up. */
#include "testing.h"
#include <pthread.h>
#include <stdlib.h>

TEST_RUNS_ONCE;

#define MIB ((size_t)1 << 20)

static cn_context *limited(size_t bytes) {
    cn_context_options options = CN_CONTEXT_OPTIONS_INIT;
    cn_context *ctx;
    options.threads = 2;
    options.memory_limit = bytes;
    ck_ok(cn_context_new(&options, &ctx));
    return ctx;
}

static cn_status make_bytes(cn_context *ctx, size_t bytes, cn_tensor **tensor) {
    return cn_tensor_new(ctx, CN_DTYPE_UINT8, 1, (const int64_t[]){(int64_t)bytes}, tensor);
}

START_TEST(what_is_in_use_adds_up) {
    cn_context *ctx = limited(0);
    cn_tensor *small, *large;
    size_t before = cn_context_memory(ctx);
    ck_ok(make_bytes(ctx, MIB, &small));
    ck_ok(make_bytes(ctx, 3 * MIB, &large));
    size_t both = cn_context_memory(ctx) - before;
    ck_assert_uint_ge(both, 4 * MIB);
    ck_assert_uint_lt(both, 4 * MIB + 4096);
    cn_tensor_free(large);
    cn_tensor_free(small);
    ck_assert_uint_eq(cn_context_memory(ctx), before);
    ck_assert_uint_eq(cn_context_memory_peak(ctx), before + both);
    cn_context_free(ctx);
    ck_assert_uint_eq(cn_context_memory(NULL), 0);
    ck_assert_uint_eq(cn_context_memory_peak(NULL), 0);
}
END_TEST

START_TEST(what_goes_beyond_is_refused_and_said) {
    cn_context *ctx = limited(4 * MIB);
    cn_tensor *first, *second;
    ck_ok(make_bytes(ctx, 3 * MIB, &first));
    size_t before = cn_context_memory(ctx);
    ck_fails(make_bytes(ctx, 2 * MIB, &second), CN_ERR_MEMORY, "of memory_limit's 4194304 bytes");
    ck_assert_ptr_null(second);
    ck_assert_uint_eq(cn_context_memory(ctx), before);
    cn_tensor_free(first);
    ck_ok(make_bytes(ctx, 2 * MIB, &second));
    cn_tensor_free(second);
    ck_fails(make_bytes(ctx, SIZE_MAX / 4, &second), CN_ERR_MEMORY, "memory_limit");
    cn_context_free(ctx);
}
END_TEST

/* The remark belongs to the failure that the limit has brought about, and to no other. */
START_TEST(other_failures_do_not_speak_of_it) {
    counting_allocator counter = {0};
    cn_context_options options = CN_CONTEXT_OPTIONS_INIT;
    cn_context *ctx;
    cn_tensor *tensor;
    counting_options(&counter, &options);
    options.memory_limit = 4 * MIB;
    ck_ok(cn_context_new(&options, &ctx));
    ck_fails(make_bytes(ctx, 5 * MIB, &tensor), CN_ERR_MEMORY, "memory_limit");
    counter.fail_at = counter.calls + 1;
    ck_fails(make_bytes(ctx, 64, &tensor), CN_ERR_MEMORY, "no memory");
    ck_assert_ptr_null(strstr(cn_last_error(), "memory_limit"));
    counter.fail_at = 0;
    cn_context_free(ctx);
    ck_assert_int_eq(counter.live, 0);
}
END_TEST

/* Of a progressive JPEG all coefficients, of a PNG rows and what zlib remembers. */
START_TEST(pictures_are_counted_with_what_their_decoders_take) {
    static const char *const files[] = {"tests/golden/images/progressive.jpg", "tests/golden/images/rgb16.png"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        cn_context *ctx = limited(0), *tight;
        cn_tensor *image;
        size_t least = cn_context_memory(ctx);
        ck_ok(cn_image_load(ctx, files[i], &image));
        size_t wanted = cn_context_memory_peak(ctx);
        ck_assert_uint_gt(wanted, cn_context_memory(ctx));
        cn_tensor_free(image);
        ck_assert_uint_eq(cn_context_memory(ctx), least);
        cn_context_free(ctx);
        for (size_t share = 1; share < 8; share++) {
            tight = limited(least + (wanted - least) * share / 8);
            ck_fails(cn_image_load(tight, files[i], &image), CN_ERR_MEMORY, "memory_limit");
            ck_assert_ptr_null(image);
            ck_assert_uint_eq(cn_context_memory(tight), least);
            cn_context_free(tight);
        }
        tight = limited(wanted);
        ck_ok(cn_image_load(tight, files[i], &image));
        cn_tensor_free(image);
        cn_context_free(tight);
    }
}
END_TEST

/* A trainer that finds no room leaves the model as it was, and a predictor still fits. */
START_TEST(a_model_outlives_what_did_not_fit) {
    cn_context *ctx = limited(24 * MIB);
    cn_dataset *data;
    cn_model *model;
    cn_trainer *trainer;
    cn_predictor *predictor;
    cn_trainer_options options = CN_TRAINER_OPTIONS_INIT;
    ck_ok(cn_model_session8_pretrained(ctx, &model));
    ck_ok(cn_dataset_synthetic(ctx, CN_SPLIT_TRAIN, 64, 1, &data));
    options.batch_size = 64;
    cn_status status = cn_trainer_new(model, data, NULL, &options, &trainer);
    ck_assert_int_eq(status, CN_ERR_MEMORY);
    ck_assert_ptr_nonnull(strstr(cn_last_error(), "memory_limit"));
    ck_assert_ptr_null(trainer);
    cn_predictor_options few = CN_PREDICTOR_OPTIONS_INIT;
    few.max_batch_size = 1;
    ck_ok(cn_predictor_new(model, &few, &predictor));
    cn_predictor_free(predictor);
    cn_dataset_free(data);
    cn_model_free(model);
    ck_assert_uint_le(cn_context_memory_peak(ctx), 24 * MIB);
    cn_context_free(ctx);
}
END_TEST

#define TENSORS  400
#define TOGETHER (MIB + MIB / 8)

static void *make_and_drop(void *argument) {
    cn_context *ctx = argument;
    size_t refused = 0;
    for (int i = 0; i < TENSORS; i++) {
        cn_tensor *tensor;
        cn_status status = make_bytes(ctx, MIB / 2, &tensor);
        refused += status == CN_ERR_MEMORY;
        cn_tensor_free(tensor);
        if (cn_context_memory(ctx) > TOGETHER)
            return (void *)(TENSORS + 1);
    }
    return (void *)refused;
}

START_TEST(threads_together_stay_below_it) {
    cn_context *ctx = limited(TOGETHER);
    pthread_t threads[4];
    size_t least = cn_context_memory(ctx);
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, make_and_drop, ctx), 0);
    for (int i = 0; i < 4; i++) {
        void *refused;
        pthread_join(threads[i], &refused);
        ck_assert_uint_lt((size_t)refused, TENSORS + 1);
    }
    ck_assert_uint_le(cn_context_memory_peak(ctx), TOGETHER);
    ck_assert_uint_eq(cn_context_memory(ctx), least);
    cn_context_free(ctx);
}
END_TEST

int main(void) {
    const TTest *const tests[] = {
        what_is_in_use_adds_up,
        what_goes_beyond_is_refused_and_said,
        other_failures_do_not_speak_of_it,
        pictures_are_counted_with_what_their_decoders_take,
        a_model_outlives_what_did_not_fit,
        threads_together_stay_below_it,
    };
    Suite *suite = suite_create("memory limit");
    test_add(suite, "memory limit", tests, sizeof tests / sizeof *tests, 1);
    return test_run(suite);
}
