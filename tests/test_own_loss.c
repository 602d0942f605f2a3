/* SPDX-License-Identifier: MIT */
/* test_own_loss.c: a loss that a program computes, of targets of all kinds, in training and evaluation: the same as the
 * library's where it computes the same; and what becomes of its failures. */
#include "tasks.h"
#include <pthread.h>

TEST_BOTH_LAYOUTS;

enum { EPOCHS = 3 };

/* What the function computes, and what it has been asked. */
typedef struct own_loss {
    cn_loss_options like;
    pthread_t caller;
    int calls, with_gradient, fails_at, answer;
} own_loss;

static int compute(void *user, const cn_tensor *output, const cn_tensor *target, double *loss, cn_tensor *gradient) {
    own_loss *own = user;
    ck_assert(pthread_equal(own->caller, pthread_self()));
    own->with_gradient += gradient != NULL;
    if (++own->calls == own->fails_at)
        return own->answer;
    return cn_loss_compute(&own->like, output, target, loss, gradient) != CN_OK;
}

/* A training whose losses are all computed so. */
static void begin(task_training *f, own_loss own[TASK_OUTPUTS], const task *t) {
    task_begin(f, t, 2);
    for (int i = 0; i < t->count; i++) {
        own[i] = (own_loss){.like = f->losses[i], .caller = pthread_self()};
        own[i].like.weight = 1.0f; /* which is the library's to apply */
        f->losses[i].kind = CN_LOSS_CUSTOM;
        f->losses[i].function = compute;
        f->losses[i].user = &own[i];
    }
}

static cn_trainer *trained(task_training *f) {
    cn_trainer *trainer;
    ck_ok(cn_trainer_new(f->model, f->train.set, f->test.set, &f->options, &trainer));
    ck_ok(cn_trainer_fit(trainer, EPOCHS, NULL, NULL));
    return trainer;
}

static void expect_near(const cn_model *a, const cn_model *b) {
    const cn_tensor *x, *y;
    for (int64_t i = 0; i < cn_model_tensor_count(a); i++) {
        ck_ok(cn_model_tensor_const(a, cn_model_tensor_name(a, i), &x));
        ck_ok(cn_model_tensor_const(b, cn_model_tensor_name(b, i), &y));
        for (int64_t j = 0; cn_tensor_dtype(x) == CN_DTYPE_FLOAT32 && j < cn_tensor_count(x); j++)
            ck_assert_float_eq_tol(((const float *)cn_tensor_data_const(x))[j],
                                   ((const float *)cn_tensor_data_const(y))[j], 2e-5f);
    }
}

/* Masks leave out what is ignored, of which a function of the program's own says nothing. */
static bool counts_all(const task *t) {
    for (int i = 0; i < t->count; i++)
        if (t->which[i] == 2)
            return false;
    return true;
}

START_TEST(it_trains_as_the_same_loss_of_the_library) {
    task_training mine, theirs;
    own_loss own[TASK_OUTPUTS];
    begin(&mine, own, &tasks[_i]);
    cn_context *first = ctx;
    cn_trainer *a = trained(&mine);
    task_begin(&theirs, &tasks[_i], 2);
    cn_trainer *b = trained(&theirs);
    expect_near(mine.model, theirs.model);
    for (int64_t epoch = 0; epoch < EPOCHS && counts_all(&tasks[_i]); epoch++) {
        ck_assert_double_eq_tol(training_epoch(a, epoch).train_loss, training_epoch(b, epoch).train_loss, 1e-5);
        ck_assert_double_eq_tol(training_epoch(a, epoch).test_loss, training_epoch(b, epoch).test_loss, 1e-5);
    }
    for (int i = 0; i < mine.task->count; i++) {
        int steps = EPOCHS * ((TRAINING_COUNT + TRAINING_BATCH - 1) / TRAINING_BATCH);
        ck_assert_int_eq(own[i].with_gradient, steps);
        ck_assert_int_gt(own[i].calls, steps); /* and for the test data */
    }
    cn_trainer_free(b);
    task_end(&theirs);
    ctx = first;
    cn_trainer_free(a);
    cn_model_free(mine.model);
    task_data_free(&mine.train);
    task_data_free(&mine.test);
    cn_context_free(ctx);
}
END_TEST

START_TEST(it_is_evaluated) {
    task_training f;
    own_loss own[TASK_OUTPUTS];
    cn_evaluation_options options = CN_EVALUATION_OPTIONS_INIT;
    cn_evaluation *a, *b;
    begin(&f, own, &tasks[TASK_TWO]);
    options.losses = f.list;
    options.loss_count = f.task->count;
    ck_ok(cn_evaluation_new(f.model, f.test.set, &options, &a));
    for (int i = 0; i < f.task->count; i++) {
        float weight = f.losses[i].weight;
        f.losses[i] = own[i].like;
        f.losses[i].weight = weight;
        ck_assert_int_eq(own[i].with_gradient, 0);
    }
    ck_ok(cn_evaluation_new(f.model, f.test.set, &options, &b));
    ck_assert_double_eq_tol(cn_evaluation_loss(a), cn_evaluation_loss(b), 1e-6);
    for (int i = 0; i < f.task->count; i++)
        ck_assert_double_eq_tol(cn_evaluation_metric(a, i, CN_METRIC_LOSS), cn_evaluation_metric(b, i, CN_METRIC_LOSS),
                                1e-6);
    cn_evaluation_free(a);
    cn_evaluation_free(b);
    task_end(&f);
}
END_TEST

START_TEST(its_failure_ends_what_asked) {
    task_training f;
    own_loss own[TASK_OUTPUTS];
    cn_trainer *trainer;
    cn_evaluation_options options = CN_EVALUATION_OPTIONS_INIT;
    cn_evaluation *evaluation = (cn_evaluation *)&f;
    begin(&f, own, &tasks[TASK_VECTOR]);
    own[0].fails_at = 2;
    own[0].answer = 7;
    ck_ok(cn_trainer_new(f.model, f.train.set, f.test.set, &f.options, &trainer));
    ck_fails(cn_trainer_fit(trainer, 1, NULL, NULL), CN_ERR_DATA, "the program's loss function returned 7");
    ck_assert_int_eq(cn_trainer_epoch_count(trainer), 0);
    ck_ok(cn_trainer_fit(trainer, 1, NULL, NULL)); /* all is still usable */
    cn_trainer_free(trainer);
    own[0].fails_at = own[0].calls + 1;
    options.losses = f.list;
    options.loss_count = 1;
    ck_fails(cn_evaluation_new(f.model, f.test.set, &options, &evaluation), CN_ERR_DATA, "returned 7");
    ck_assert_ptr_null(evaluation);
    task_end(&f);
}
END_TEST

int main(void) {
    const TTest *const trains[] = {it_trains_as_the_same_loss_of_the_library};
    const TTest *const others[] = {it_is_evaluated, its_failure_ends_what_asked};
    Suite *suite = suite_create("own loss");
    test_add(suite, "training", trains, COUNT(trains), TASKS);
    test_add(suite, "others", others, COUNT(others), 1);
    return test_run(suite);
}
