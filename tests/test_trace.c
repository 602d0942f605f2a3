/* SPDX-License-Identifier: MIT */
/* test_trace.c: what a context tells of the work that is done in it. */
#include "testing.h"
#include "toys.h"
#include <pthread.h>
#include <stdbool.h>

TEST_RUNS_ONCE;

enum { MOST = 20000, THREADS = 2 };

typedef struct trace {
    pthread_mutex_t lock;
    cn_trace_event events[MOST];
    int count;
} trace;

static void keep(void *user, const cn_trace_event *event) {
    trace *t = user;
    pthread_mutex_lock(&t->lock);
    ck_assert_int_lt(t->count, MOST);
    t->events[t->count++] = *event;
    pthread_mutex_unlock(&t->lock);
}

static trace seen = {.lock = PTHREAD_MUTEX_INITIALIZER};

static cn_context *traced_context(void) {
    cn_context_options options = CN_CONTEXT_OPTIONS_INIT;
    cn_context *ctx;
    options.threads = THREADS;
    options.trace = keep;
    options.user = &seen;
    ck_ok(cn_context_new(&options, &ctx));
    return ctx;
}

static int count_of(cn_pass pass, const char *layer) {
    int count = 0;
    for (int i = 0; i < seen.count; i++) {
        const char *name = seen.events[i].layer;
        count += seen.events[i].pass == pass && (layer ? name && strcmp(name, layer) == 0 : !name);
    }
    return count;
}

static void expect_sound_events(void) {
    for (int i = 0; i < seen.count; i++) {
        const cn_trace_event *e = &seen.events[i];
        ck_assert_uint_eq(e->size, sizeof *e);
        ck_assert(e->thread >= 0 && e->thread < THREADS);
        ck_assert_int_gt(e->start, 0);
        ck_assert_int_ge(e->end, e->start);
        ck_assert(!e->layer == !e->type);
    }
}

/* 48 images in batches of 32: blocks 2 and 1. */
START_TEST(a_step_tells_of_every_layer_and_pass) {
    cn_context *ctx = traced_context();
    cn_model *model = toy_model(ctx, CN_NORM_BATCH, 0.1f);
    toy_data data = toy_data_new(ctx, 48, 1);
    cn_trainer_options options = CN_TRAINER_OPTIONS_INIT;
    cn_trainer *trainer;
    options.batch_size = 32;
    ck_ok(cn_trainer_new(model, data.set, NULL, &options, &trainer));
    seen.count = 0;
    ck_ok(cn_trainer_fit(trainer, 1, NULL, NULL));
    expect_sound_events();
    static const char *const layers[] = {"conv", "norm", "pool", "flatten", "fc", "out"};
    for (size_t i = 0; i < sizeof layers / sizeof *layers; i++) {
        ck_assert_msg(count_of(CN_PASS_FORWARD, layers[i]) >= 3, "%s forward", layers[i]);
        ck_assert_msg(count_of(CN_PASS_BACKWARD, layers[i]) >= 3, "%s backward", layers[i]);
    }
    ck_assert_int_eq(count_of(CN_PASS_FORWARD, "relu"), 0); /* computed with the norm */
    ck_assert_int_eq(count_of(CN_PASS_FETCH, NULL), 48);
    ck_assert_int_ge(count_of(CN_PASS_PREPARE, "conv"), 2);
    ck_assert_int_eq(count_of(CN_PASS_LOSS, NULL), 2);
    ck_assert_int_eq(count_of(CN_PASS_UPDATE, NULL), 2);
    cn_trainer_free(trainer);
    cn_model_free(model);
    toy_data_free(&data);
    cn_context_free(ctx);
}
END_TEST

static void predict(const cn_model *model, cn_context *ctx, int64_t images) {
    int64_t in_shape[4] = {images, 1, TOY_SIDE, TOY_SIDE}, out_shape[2] = {images, TOY_CLASSES};
    cn_tensor *input, *output;
    cn_predictor *predictor;
    cn_predictor_options options = CN_PREDICTOR_OPTIONS_INIT;
    options.max_batch_size = (int)images;
    ck_ok(cn_tensor_new(ctx, CN_DTYPE_FLOAT32, 4, in_shape, &input));
    ck_ok(cn_tensor_new(ctx, CN_DTYPE_FLOAT32, 2, out_shape, &output));
    ck_ok(cn_predictor_new(model, &options, &predictor));
    seen.count = 0;
    ck_ok(cn_predictor_run(predictor, input, output));
    cn_predictor_free(predictor);
    cn_tensor_free(input);
    cn_tensor_free(output);
}

START_TEST(predictions_tell_of_blocks_and_threads) {
    cn_context *ctx = traced_context();
    cn_model *model = toy_model(ctx, CN_NORM_BATCH, 0.0f);
    bool second = false;
    predict(model, ctx, 64); /* four blocks, for two threads */
    expect_sound_events();
    ck_assert_int_eq(count_of(CN_PASS_FETCH, NULL), 4);
    ck_assert_int_ge(count_of(CN_PASS_FORWARD, "conv"), 4);
    ck_assert_int_eq(count_of(CN_PASS_FORWARD, "norm"), 0); /* gone into the convolution's weights */
    ck_assert_int_eq(count_of(CN_PASS_BACKWARD, "conv"), 0);
    for (int run = 0; run < 1000 && !second; run++) { /* which the first takes alone where the second sleeps too long */
        predict(model, ctx, 64);
        for (int i = 0; i < seen.count; i++)
            second |= seen.events[i].thread == 1;
    }
    ck_assert(second);
    cn_model_free(model);
    cn_context_free(ctx);
}
END_TEST

int main(void) {
    const TTest *const events[] = {a_step_tells_of_every_layer_and_pass, predictions_tell_of_blocks_and_threads};
    Suite *suite = suite_create("trace");
    test_add(suite, "events", events, sizeof events / sizeof *events, 1);
    return test_run(suite);
}
