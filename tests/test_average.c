/* SPDX-License-Identifier: MIT */
/* test_average.c: averaged parameters: the model holds them between epochs, and training goes on without them. */
#include "testing.h"
#include "training.h"
#include <math.h>
#include <stdbool.h>

/* All parameters and float32 buffers, one after the other, in double; their number. */
enum { MAX_VALUES = 1024 };

static int all_values(cn_model *model, double out[MAX_VALUES]) {
    int count = 0;
    for (int i = 0; i < cn_model_tensor_count(model); i++) {
        cn_tensor *tensor;
        ck_ok(cn_model_tensor(model, cn_model_tensor_name(model, i), &tensor));
        for (int64_t k = 0; cn_tensor_dtype(tensor) == CN_DTYPE_FLOAT32 && k < cn_tensor_count(tensor); k++) {
            ck_assert_int_lt(count, MAX_VALUES);
            out[count++] = (double)((float *)cn_tensor_data(tensor))[k];
        }
    }
    return count;
}

typedef struct averaging {
    cn_model *model;
    double decay, average[MAX_VALUES];
    bool warmup;
    int batches, stop_at;
} averaging;

/* In a batch callback the model holds what is being trained. */
static int take_in(void *user, const cn_batch_info *batch) {
    averaging *a = user;
    double now[MAX_VALUES], decay = a->decay, start = (1.0 + a->batches) / (10.0 + a->batches);
    int count = all_values(a->model, now);
    (void)batch;
    if (a->warmup && start < decay)
        decay = start;
    for (int i = 0; i < count; i++)
        a->average[i] = a->batches ? decay * a->average[i] + (1.0 - decay) * now[i] : now[i];
    return ++a->batches == a->stop_at;
}

static void expect_average(averaging *a) {
    double now[MAX_VALUES];
    int count = all_values(a->model, now);
    for (int i = 0; i < count; i++)
        ck_assert_double_eq_tol(now[i], a->average[i], 2e-6);
}

static int see_average(void *user, const cn_epoch_info *epoch) {
    (void)epoch;
    expect_average(user);
    return 0;
}

START_TEST(the_model_holds_the_average_between_epochs) {
    training f = training_begin(CN_NORM_BATCH, 0.1f);
    averaging a = {.model = f.model, .decay = 0.8, .stop_at = 2 * TRAINING_BATCHES + 1};
    cn_evaluation *e;
    f.options.ema_decay = 0.8f;
    f.options.on_batch = take_in;
    f.options.user = &a;
    cn_trainer *trainer = training_trainer(&f, f.model);
    ck_ok(cn_trainer_fit(trainer, 0, NULL, NULL));
    ck_ok(cn_trainer_fit(trainer, 2, see_average, &a));
    ck_assert_int_eq(a.batches, 2 * TRAINING_BATCHES);
    expect_average(&a);
    ck_ok(evaluate_with(f.model, f.test.set, CN_LOSS_NLL, &e));
    ck_assert_double_eq_tol(training_epoch(trainer, 1).test_loss, cn_evaluation_loss(e), 1e-12);
    cn_evaluation_free(e);
    ck_ok(cn_trainer_fit(trainer, 1, see_average, &a)); /* ends after one batch */
    ck_assert_int_eq(a.batches, 2 * TRAINING_BATCHES + 1);
    expect_average(&a);
    ck_ok(cn_trainer_fit(trainer, 1, see_average, &a));
    cn_trainer_free(trainer);
    expect_average(&a); /* it stays */
    training_end(&f);
}
END_TEST

/* 2/11, 3/12, 4/13 …, until the decay asked for is reached, after two steps or never. */
START_TEST(an_average_that_warms_up_forgets_its_first_steps) {
    training f = training_begin(CN_NORM_BATCH, 0.1f);
    averaging a = {.model = f.model, .decay = _i ? 0.9 : 0.2, .warmup = true};
    f.options.ema_decay = (float)a.decay;
    f.options.ema_warmup = 1;
    f.options.on_batch = take_in;
    f.options.user = &a;
    cn_trainer *trainer = training_trainer(&f, f.model);
    ck_ok(cn_trainer_fit(trainer, 2, see_average, &a));
    ck_ok(cn_trainer_fit(trainer, 1, see_average, &a));
    ck_assert_int_eq(a.batches, 3 * TRAINING_BATCHES);
    cn_trainer_free(trainer);
    training_end(&f);
}
END_TEST

/* Averages change what is tested, not what is trained. */
START_TEST(training_goes_on_from_what_was_trained) {
    training f = training_begin(CN_NORM_BATCH, 0.1f);
    cn_model *plain = toy_model(f.ctx, CN_NORM_BATCH, 0.1f), *twin = toy_model(f.ctx, CN_NORM_BATCH, 0.1f);
    cn_schedule_options schedule;
    training_one_cycle(&schedule);
    f.options.schedule = &schedule;
    cn_trainer *raw = training_trainer(&f, plain);
    f.options.ema_decay = 0.9f;
    witness w = {.stop_at_batch = TRAINING_BATCHES + 1};
    cn_trainer *once = training_trainer(&f, f.model);
    f.options.on_batch = witness_batch;
    f.options.user = &w;
    cn_trainer *often = training_trainer(&f, twin);
    ck_ok(cn_trainer_fit(raw, 3, NULL, NULL));
    ck_ok(cn_trainer_fit(once, 3, NULL, NULL));
    ck_ok(cn_trainer_fit(often, 3, NULL, NULL)); /* stops within the second epoch */
    ck_ok(cn_trainer_fit(often, 1, NULL, NULL));
    ck_ok(cn_trainer_fit(often, 1, NULL, NULL));
    training_expect_same_history(once, often);
    toy_expect_equal(f.model, twin);
    for (int64_t i = 0; i < 3; i++) {
        ck_assert_double_eq(training_epoch(once, i).train_loss, training_epoch(raw, i).train_loss);
        ck_assert_double_ne(training_epoch(once, i).test_loss, training_epoch(raw, i).test_loss);
    }
    cn_trainer_free(raw);
    cn_trainer_free(once);
    cn_trainer_free(often);
    cn_model_free(plain);
    cn_model_free(twin);
    training_end(&f);
}
END_TEST

START_TEST(a_decay_outside_its_range_is_refused) {
    training f = training_begin(CN_NORM_NONE, 0.0f);
    const float wrong[] = {-0.1f, 1.0f, NAN};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        cn_trainer *trainer;
        f.options.ema_decay = wrong[i];
        ck_fails(cn_trainer_new(f.model, f.train.set, NULL, &f.options, &trainer), CN_ERR_ARGUMENT, "ema_decay");
        ck_assert_ptr_null(trainer);
    }
    cn_trainer *trainer;
    f.options.ema_decay = 0.9f;
    f.options.ema_warmup = 2;
    ck_fails(cn_trainer_new(f.model, f.train.set, NULL, &f.options, &trainer), CN_ERR_ARGUMENT, "ema_warmup is 2");
    training_end(&f);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("average");
    TCase *group = tcase_create("average");
    tcase_add_test(group, the_model_holds_the_average_between_epochs);
    tcase_add_loop_test(group, an_average_that_warms_up_forgets_its_first_steps, 0, 2);
    tcase_add_test(group, training_goes_on_from_what_was_trained);
    tcase_add_test(group, a_decay_outside_its_range_is_refused);
    suite_add_tcase(suite, group);
    return test_run(suite);
}
