/* SPDX-License-Identifier: MIT */
/* test_rate_search.c: a search for a learning rate sees the losses that theory gives it, ends where they grow, and leaves
 * no trace in the trainer. */
#include "documents.h"
#include "pieces.h"
#include "training.h"
#include <math.h>
#include <string.h>

TEST_RUNS_ONCE;

/* ---- a loss that can be computed by hand: (w + b)², the curvature of w and b together 4 ---- */

enum { IMAGES = 8, BATCH = 4 };
static const double limit = 0.5; /* of the rates at which gradient descent on it converges: 2 over the curvature */

typedef struct bowl {
    cn_tensor *images, *targets;
    cn_dataset *set;
    cn_model *model;
    cn_trainer *trainer;
} bowl;

/* Every other target is `apart` from 0. */
static bowl bowl_new(cn_context *context, float image, float apart) {
    bowl b = {0};
    cn_target_options target = CN_TARGET_OPTIONS_INIT;
    cn_optimizer_options descent = CN_OPTIMIZER_OPTIONS_INIT;
    cn_trainer_options options = CN_TRAINER_OPTIONS_INIT;
    ck_ok(cn_tensor_new(context, CN_DTYPE_FLOAT32, 4, (const int64_t[]){IMAGES, 1, 1, 1}, &b.images));
    ck_ok(cn_tensor_new(context, CN_DTYPE_FLOAT32, 2, (const int64_t[]){IMAGES, 1}, &b.targets));
    for (int i = 0; i < IMAGES; i++) {
        ((float *)cn_tensor_data(b.images))[i] = image;
        ((float *)cn_tensor_data(b.targets))[i] = i % 2 ? apart : 0.0f;
    }
    target.kind = CN_TARGET_VECTOR;
    ck_ok(cn_dataset_memory(context, b.images, NULL, 0, &b.set));
    ck_ok(cn_dataset_add_target(b.set, b.targets, &target));
    b.model = training_linear_model(context, 1, 1);
    training_values(b.model, "fc.weight")[0] = 1.5f;
    training_values(b.model, "fc.bias")[0] = 0.5f;
    descent.momentum = 0.0f;
    options.optimizer = &descent;
    options.loss = CN_LOSS_MSE;
    options.batch_size = BATCH;
    ck_ok(cn_trainer_new(b.model, b.set, NULL, &options, &b.trainer));
    return b;
}

static void bowl_free(bowl *b) {
    cn_trainer_free(b->trainer);
    cn_model_free(b->model);
    cn_dataset_free(b->set);
    cn_tensor_free(b->targets);
    cn_tensor_free(b->images);
}

static cn_rate_point point_of(const cn_rate_curve *curve, int64_t i) {
    cn_rate_point point = CN_RATE_POINT_INIT;
    ck_ok(cn_rate_curve_point(curve, i, &point));
    return point;
}

START_TEST(losses_are_those_of_gradient_descent) {
    bowl b = bowl_new(ctx, 1.0f, 0.0f);
    cn_rate_curve *curve;
    double found, sum = 2.0;
    int64_t lowest = 0;
    ck_ok(cn_trainer_find_rate(b.trainer, NULL, &found, &curve));
    int64_t count = cn_rate_curve_count(curve);
    ck_assert_int_gt(count, 20);
    for (int64_t i = 0; i < count; i++) {
        cn_rate_point point = point_of(curve, i);
        ck_assert_double_eq_tol(point.rate, 1e-6 * pow(1e7, (double)i / 99.0), 1e-12 * point.rate);
        ck_assert_double_eq_tol(point.loss, sum * sum, 1e-4 * sum * sum + 1e-6);
        sum *= 1.0 - 4.0 * point.rate;
        if (point.smoothed < point_of(curve, lowest).smoothed)
            lowest = i;
    }
    ck_assert_double_lt(found, limit);
    ck_assert_double_gt(found, 0.01 * limit);
    ck_assert_double_lt(point_of(curve, lowest).rate, 2.0 * limit);
    cn_rate_curve_free(curve);
    bowl_free(&b);
}
END_TEST

START_TEST(smoothed_losses_are_means_of_the_neighbours) {
    bowl b = bowl_new(ctx, 1.0f, 0.0f);
    cn_rate_search search = {sizeof search, 1e-4, 0.1, 60};
    cn_rate_curve *curve;
    double found;
    ck_ok(cn_trainer_find_rate(b.trainer, &search, &found, &curve));
    ck_assert_int_eq(cn_rate_curve_count(curve), 60);
    ck_assert_double_eq(point_of(curve, 59).rate, 0.1);
    for (int64_t i = 0; i < 60; i++) {
        double sum = 0.0;
        int64_t first = i < 3 ? 0 : i - 3, last = i > 56 ? 59 : i + 3;
        for (int64_t k = first; k <= last; k++)
            sum += point_of(curve, k).loss;
        ck_assert_double_eq_tol(point_of(curve, i).smoothed, sum / (double)(last - first + 1), 1e-12);
    }
    ck_fails(cn_rate_curve_point(curve, 60, &(cn_rate_point)CN_RATE_POINT_INIT), CN_ERR_NOT_FOUND, "60 of 60");
    cn_rate_curve_free(curve);
    bowl_free(&b);
}
END_TEST

/* Also where it goes beyond what a float holds. */
START_TEST(it_ends_when_the_loss_has_grown) {
    bowl b = bowl_new(ctx, 1.0f, 0.5f);
    static const double lasts[] = {10.0, 1e30};
    for (int i = 0; i < 2; i++) {
        cn_rate_search search = {sizeof search, 1e-6, lasts[i], 200};
        cn_rate_curve *curve;
        double found;
        ck_ok(cn_trainer_find_rate(b.trainer, &search, &found, &curve));
        int64_t count = cn_rate_curve_count(curve);
        ck_assert_int_lt(count, 200);
        ck_assert_double_gt(point_of(curve, count - 1).rate, limit);
        ck_assert_double_lt(found, limit);
        cn_rate_curve_free(curve);
    }
    ck_assert_float_eq(training_values(b.model, "fc.weight")[0], 1.5f);
    bowl_free(&b);
}
END_TEST

START_TEST(a_loss_that_does_not_fall_suggests_nothing) {
    bowl b = bowl_new(ctx, 0.0f, 0.0f);
    cn_rate_curve *curve;
    double found = 1.0;
    char *svg;
    training_values(b.model, "fc.bias")[0] = 0.0f; /* as low as it gets */
    ck_ok(cn_trainer_find_rate(b.trainer, NULL, &found, &curve));
    ck_assert(isnan(found));
    ck_assert_int_eq(cn_rate_curve_count(curve), 100);
    ck_ok(cn_chart_rates(curve, &svg));
    ck_assert_ptr_null(strstr(svg, "nan"));
    expect_document(svg, "Loss by learning rate");
    cn_rate_curve_free(curve);
    bowl_free(&b);
}
END_TEST

START_TEST(a_model_without_a_loss_from_the_start_is_an_error) {
    bowl b = bowl_new(ctx, 1.0f, 0.0f);
    cn_rate_curve *curve = (cn_rate_curve *)&b;
    double found;
    training_values(b.model, "fc.bias")[0] = NAN;
    ck_fails(cn_trainer_find_rate(b.trainer, NULL, &found, &curve), CN_ERR_NUMERIC, "batch 1: the loss is nan");
    ck_assert_ptr_null(curve);
    bowl_free(&b);
}
END_TEST

/* ---- the trainer afterwards ---- */

static int stop_within_the_second_epoch(void *user, const cn_batch_info *batch) {
    int *batches = user;
    (void)batch;
    return ++*batches == TRAINING_BATCHES + 2;
}

/* Momentum, norms, dropout, an average and accumulated batches: all that a run remembers. Searched before the run, and
 * within an epoch; optimizers that count their steps, too. */
enum { TRACES = 6 };
START_TEST(it_leaves_no_trace) {
    const bool within = _i % 2 == 1;
    cn_optimizer_options optimizer = CN_OPTIMIZER_OPTIONS_INIT;
    training f = training_begin(CN_NORM_BATCH, 0.3f);
    cn_rate_search search = {sizeof search, 1e-5, 1.0, 25}; /* more than an epoch */
    int batches = 0;
    double found;
    f.options.ema_decay = 0.9f;
    f.options.accumulate = 2;
    f.options.on_batch = within ? stop_within_the_second_epoch : NULL;
    f.options.user = &batches;
    optimizer.kind = _i / 2 == 1 ? CN_OPTIMIZER_ADAMW : CN_OPTIMIZER_SGD;
    optimizer.dampening = _i / 2 == 2 ? 0.5f : 0.0f;
    f.options.optimizer = _i / 2 > 0 ? &optimizer : NULL;
    cn_model *twin = toy_model(f.ctx, CN_NORM_BATCH, 0.3f);
    cn_trainer *a = training_trainer(&f, f.model), *b = training_trainer(&f, twin);
    if (within) {
        ck_ok(cn_trainer_fit(a, 4, NULL, NULL));
        batches = 0;
        ck_ok(cn_trainer_fit(b, 4, NULL, NULL));
    }
    ck_ok(cn_trainer_find_rate(b, &search, &found, NULL));
    ck_assert_double_gt(found, 0.0);
    ck_assert_int_eq(cn_trainer_epoch_count(b), within);
    toy_expect_equal(f.model, twin);
    ck_ok(cn_trainer_fit(a, 3, NULL, NULL));
    ck_ok(cn_trainer_fit(b, 3, NULL, NULL));
    training_expect_same_history(a, b);
    training_end_alike(&f, twin, a, b);
}
END_TEST

START_TEST(a_suggested_rate_trains_classes) {
    training f = training_begin(CN_NORM_BATCH, 0.0f);
    double found;
    cn_trainer *trainer = training_trainer(&f, f.model);
    ck_ok(cn_trainer_find_rate(trainer, NULL, &found, NULL));
    ck_assert_double_gt(found, 1e-4);
    ck_assert_double_lt(found, 10.0);
    ck_ok(cn_trainer_set_learning_rate(trainer, found));
    ck_ok(cn_trainer_fit(trainer, 6, NULL, NULL));
    ck_assert_double_lt(training_epoch(trainer, 5).train_loss, 0.5 * training_epoch(trainer, 0).train_loss);
    cn_trainer_free(trainer);
    training_end(&f);
}
END_TEST

/* ---- callbacks ---- */

typedef struct caller {
    cn_trainer *trainer;
    int calls, last;
} caller;

static int call_back(void *user, const cn_batch_info *batch) {
    caller *c = user;
    double rate;
    ck_fails(cn_trainer_find_rate(c->trainer, NULL, &rate, NULL), CN_ERR_STATE, "one of its callbacks");
    ck_fails(cn_trainer_fit(c->trainer, 1, NULL, NULL), CN_ERR_STATE, "one of its callbacks");
    ck_fails(cn_trainer_save(c->trainer, "/nowhere/run"), CN_ERR_STATE, "");
    ck_assert_double_gt(batch->learning_rate, 0.0);
    ck_assert_int_eq(cn_trainer_epoch_count(c->trainer), 0); /* a search's passes are no history */
    return ++c->calls == c->last;
}

START_TEST(callbacks_see_it_and_may_end_it) {
    training f = training_begin(CN_NORM_BATCH, 0.0f);
    caller c = {.last = 7};
    cn_rate_curve *curve;
    double found;
    char *svg;
    f.options.on_batch = call_back;
    f.options.user = &c;
    c.trainer = training_trainer(&f, f.model);
    ck_ok(cn_trainer_find_rate(c.trainer, NULL, &found, &curve));
    ck_assert_int_eq(cn_rate_curve_count(curve), 7);
    ck_assert_int_eq(c.calls, 7);
    ck_ok(cn_chart_rates(curve, &svg));
    expect_document(svg, "<desc>Loss in 7 steps");
    cn_rate_curve_free(curve);
    c.last = -1;
    ck_ok(cn_trainer_find_rate(c.trainer, NULL, &found, NULL));
    cn_trainer_free(c.trainer);
    training_end(&f);
}
END_TEST

/* ---- what is refused, and memory ---- */

START_TEST(searches_that_make_no_sense_are_refused) {
    bowl b = bowl_new(ctx, 1.0f, 0.0f);
    static const cn_rate_search bad[] = {{sizeof *bad, 0.0, 1.0, 100},     {sizeof *bad, 1.0, 1.0, 100},
                                         {sizeof *bad, 2.0, 1.0, 100},     {sizeof *bad, (double)NAN, 1.0, 100},
                                         {sizeof *bad, 1e-300, 1e30, 100}, {sizeof *bad, 1e-6, INFINITY, 100}};
    double found;
    char *svg;
    for (size_t i = 0; i < COUNT(bad); i++)
        ck_fails(cn_trainer_find_rate(b.trainer, &bad[i], &found, NULL), CN_ERR_ARGUMENT,
                 "wanted above 0, and the last");
    ck_fails(cn_trainer_find_rate(b.trainer, &(cn_rate_search){sizeof *bad, 1e-6, 1.0, 9}, &found, NULL),
             CN_ERR_ARGUMENT, "9 steps, wanted 10 to 100000");
    ck_fails(cn_trainer_find_rate(b.trainer, NULL, NULL, NULL), CN_ERR_ARGUMENT, "rate");
    ck_fails(cn_trainer_find_rate(NULL, NULL, &found, NULL), CN_ERR_ARGUMENT, "trainer");
    ck_fails(cn_chart_rates(NULL, &svg), CN_ERR_ARGUMENT, "curve");
    ck_assert_int_eq(cn_rate_curve_count(NULL), 0);
    cn_rate_curve_free(NULL);
    bowl_free(&b);
}
END_TEST

START_TEST(running_out_of_memory_is_a_status) {
    counting_allocator counter = {0};
    cn_context *own = counting_context(&counter, 1);
    bowl b = bowl_new(own, 1.0f, 0.0f);
    cn_rate_curve *curve;
    char *svg;
    double found;
    ck_survives(&counter, cn_trainer_find_rate(b.trainer, NULL, &found, &curve), curve, 2);
    ck_survives(&counter, cn_chart_rates(curve, &svg), svg, 2);
    cn_text_free(svg);
    cn_rate_curve_free(curve);
    bowl_free(&b);
    cn_context_free(own);
}
END_TEST

int main(void) {
    const TTest *const tests[] = {losses_are_those_of_gradient_descent,
                                  smoothed_losses_are_means_of_the_neighbours,
                                  it_ends_when_the_loss_has_grown,
                                  a_loss_that_does_not_fall_suggests_nothing,
                                  a_model_without_a_loss_from_the_start_is_an_error,
                                  a_suggested_rate_trains_classes,
                                  callbacks_see_it_and_may_end_it,
                                  searches_that_make_no_sense_are_refused,
                                  running_out_of_memory_is_a_status};
    const TTest *const trace[] = {it_leaves_no_trace};
    Suite *suite = suite_create("searches for a rate");
    add_tests(suite, "searches for a rate", set_up, tear_down, tests, COUNT(tests), 1);
    add_tests(suite, "no trace", set_up, tear_down, trace, COUNT(trace), TRACES);
    return test_run(suite);
}
