/* SPDX-License-Identifier: MIT */
/* test_tasks.c: models that give vectors, masks, images and several outputs, trained from end to end: a trainer is the
 * loop one would write by hand, its history what was counted by hand, and what does not fit is refused, both sides
 * named. */
#include "tasks.h"
#include <math.h>
#include <stdlib.h>

TEST_BOTH_LAYOUTS;

enum { EPOCHS = 3 };

static cn_trainer *trained(task_training *f) {
    cn_trainer *trainer;
    ck_ok(cn_trainer_new(f->model, f->train.set, f->test.set, &f->options, &trainer));
    ck_ok(cn_trainer_fit(trainer, EPOCHS, NULL, NULL));
    return trainer;
}

/* ---- the same by hand ---- */

/* What an epoch has had of an output. */
typedef struct tally {
    double loss, counted; /* Σ loss · values that count, and these */
    double error;         /* Σ |output - target| */
    int64_t confusion[3][3];
} tally;

static void count_classes(const task_output *o, const float *output, const int64_t *target, int64_t n, tally *to) {
    int64_t places = o->shape[1] * o->shape[2];
    for (int64_t i = 0; i < n * places; i++) {
        const float *scores = output + i / places * 3 * places + i % places;
        int64_t best = 0;
        for (int64_t k = 1; k < 3; k++)
            best = scores[k * places] > scores[best * places] ? k : best;
        if (target[i] >= 0)
            to->confusion[target[i]][best]++;
    }
}

static int64_t counted_values(const cn_tensor *target) {
    int64_t count = cn_tensor_count(target);
    if (cn_tensor_dtype(target) == CN_DTYPE_INT64)
        for (int64_t i = 0, all = count; i < all; i++)
            count -= ((const int64_t *)cn_tensor_data_const(target))[i] < 0;
    return count;
}

static void count_output(const task_output *o, const cn_tensor *output, const cn_tensor *target, double loss,
                         tally *to) {
    int64_t counted = counted_values(target), n = cn_tensor_shape(output, 0);
    to->loss += loss / (double)o->weight * (double)counted;
    to->counted += (double)counted;
    if (task_of_classes(o)) {
        count_classes(o, cn_tensor_data_const(output), cn_tensor_data_const(target), n, to);
        return;
    }
    const float *got = cn_tensor_data_const(output), *wanted = cn_tensor_data_const(target);
    for (int64_t i = 0; i < cn_tensor_count(output); i++)
        to->error += fabs((double)got[i] - (double)wanted[i]);
}

static double metric_of(const task_output *o, const tally *t) {
    double right = 0.0, all = 0.0, iou = 0.0, occur = 0.0;
    if (!task_of_classes(o))
        return t->error / t->counted;
    for (int k = 0; k < 3; k++) {
        int64_t either = -t->confusion[k][k];
        for (int j = 0; j < 3; j++)
            either += t->confusion[k][j] + t->confusion[j][k];
        right += (double)t->confusion[k][k];
        all += (double)(t->confusion[k][0] + t->confusion[k][1] + t->confusion[k][2]);
        iou += either > 0 ? (double)t->confusion[k][k] / (double)either : 0.0;
        occur += either > 0;
    }
    return o->kind == CN_TARGET_MASK ? iou / occur : right / all;
}

/* A step on the images order[0 … n - 1]. */
static void step_by_hand(task_training *f, cn_model *model, cn_optimizer *optimizer, const int64_t *order, int64_t n,
                         tally tallies[TASK_OUTPUTS]) {
    int count = f->task->count;
    cn_tensor *pictures = images(n, 1, TOY_SIDE, TOY_SIDE), *targets[TASK_OUTPUTS], *outputs[TASK_OUTPUTS],
              *gradients[TASK_OUTPUTS];
    for (int i = 0; i < count; i++) {
        const task_output *o = &task_outputs[f->task->which[i]];
        const int64_t shape[] = {n, o->shape[0], o->shape[1], o->shape[2]};
        targets[i] = task_target(o, n);
        outputs[i] = tensor_of(CN_DTYPE_FLOAT32, o->shape[1] > 1 ? 4 : 2, shape);
        gradients[i] = tensor_of(CN_DTYPE_FLOAT32, o->shape[1] > 1 ? 4 : 2, shape);
    }
    ck_ok(cn_dataset_batch_targets(f->train.set, n, order, 0, 0, 0, pictures, count, targets));
    ck_ok(cn_model_forward_all(model, 1, 1, (const cn_tensor *[]){pictures}, count, outputs));
    for (int i = 0; i < count; i++) {
        double loss;
        ck_ok(cn_loss_compute(f->list[i], outputs[i], targets[i], &loss, gradients[i]));
        count_output(&task_outputs[f->task->which[i]], outputs[i], targets[i], loss, &tallies[i]);
    }
    ck_ok(cn_model_backward_all(model, count, (const cn_tensor *const *)gradients, 0, NULL));
    ck_ok(cn_optimizer_step(optimizer));
    cn_tensor_free(pictures);
    for (int i = 0; i < count; i++) {
        cn_tensor_free(targets[i]);
        cn_tensor_free(outputs[i]);
        cn_tensor_free(gradients[i]);
    }
}

/* ---- what a history has of an epoch, against the tallies and an evaluation ---- */

static cn_evaluation *evaluate_twin(task_training *f, const cn_model *twin) {
    cn_evaluation_options options = CN_EVALUATION_OPTIONS_INIT;
    cn_evaluation *e;
    options.losses = f->list;
    options.loss_count = f->task->count;
    ck_ok(cn_evaluation_new(twin, f->test.set, &options, &e));
    return e;
}

static void expect_output(const cn_trainer *trainer, int64_t epoch, int i, const task_output *o, const tally *t,
                          const cn_evaluation *e) {
    cn_output_info info = CN_OUTPUT_INFO_INIT;
    ck_ok(cn_trainer_output_info(trainer, epoch, i, &info));
    ck_assert_int_eq(info.metric, o->metric);
    ck_assert_int_eq(cn_evaluation_main_metric(e, i), o->metric);
    ck_assert_double_eq_tol(info.train_loss, t->loss / t->counted, 1e-9);
    ck_assert_double_eq_tol(info.train_metric, metric_of(o, t), 1e-9);
    ck_assert_double_eq_tol(info.test_loss, cn_evaluation_metric(e, i, CN_METRIC_LOSS), 1e-9);
    ck_assert_double_eq_tol(info.test_metric, cn_evaluation_metric(e, i, o->metric), 1e-9);
}

static void expect_epoch(task_training *f, const cn_trainer *trainer, int64_t index, const cn_model *twin,
                         const tally tallies[TASK_OUTPUTS]) {
    cn_epoch_info epoch = training_epoch(trainer, index);
    cn_evaluation *e = evaluate_twin(f, twin);
    const task_output *first = &task_outputs[f->task->which[0]];
    double loss = 0.0;
    for (int i = 0; i < f->task->count; i++) {
        const task_output *o = &task_outputs[f->task->which[i]];
        loss += (double)o->weight * tallies[i].loss / tallies[i].counted;
        expect_output(trainer, index, i, o, &tallies[i], e);
    }
    ck_assert_double_eq_tol(epoch.train_loss, loss, 1e-9);
    ck_assert_double_eq_tol(epoch.test_loss, cn_evaluation_loss(e), 1e-9);
    ck_assert_int_eq(epoch.metric, first->metric);
    ck_assert_double_eq_tol(epoch.train_metric, metric_of(first, &tallies[0]), 1e-9);
    ck_assert_double_eq_tol(epoch.test_metric, cn_evaluation_metric(e, 0, first->metric), 1e-9);
    ck_assert_int_eq(isnan(epoch.test_accuracy) != 0, !task_of_classes(first));
    cn_evaluation_free(e);
}

START_TEST(training_is_the_loop_by_hand) {
    task_training f;
    cn_optimizer *optimizer;
    cn_output_info none = CN_OUTPUT_INFO_INIT;
    task_begin(&f, &tasks[_i], 2);
    cn_trainer *trainer = trained(&f);
    cn_model *twin = task_model(f.task);
    ck_ok(cn_optimizer_new(twin, NULL, &optimizer));
    for (int64_t epoch = 0; epoch < EPOCHS; epoch++) {
        int64_t order[TRAINING_COUNT];
        tally tallies[TASK_OUTPUTS] = {{0}};
        training_order(f.options.seed, epoch + 1, TRAINING_COUNT, order);
        ck_ok(cn_optimizer_set_learning_rate(optimizer, training_epoch(trainer, epoch).learning_rate));
        for (int64_t first = 0; first < TRAINING_COUNT; first += TRAINING_BATCH)
            step_by_hand(&f, twin, optimizer, order + first,
                         first + TRAINING_BATCH < TRAINING_COUNT ? TRAINING_BATCH : TRAINING_COUNT - first, tallies);
        expect_epoch(&f, trainer, epoch, twin, tallies);
    }
    toy_expect_equal(f.model, twin);
    ck_assert_double_lt(training_epoch(trainer, EPOCHS - 1).train_loss, training_epoch(trainer, 0).train_loss);
    ck_fails(cn_trainer_output_info(trainer, 0, f.task->count, &none), CN_ERR_NOT_FOUND, "output");
    ck_fails(cn_trainer_output_info(trainer, EPOCHS, 0, &none), CN_ERR_NOT_FOUND, "epoch");
    cn_optimizer_free(optimizer);
    cn_model_free(twin);
    cn_trainer_free(trainer);
    task_end(&f);
}
END_TEST

START_TEST(bits_do_not_depend_on_threads) {
    void *wanted = NULL;
    size_t bytes;
    for (int threads = 1; threads <= 3; threads++) {
        task_training f;
        task_begin(&f, &tasks[_i], threads);
        cn_trainer_free(trained(&f));
        void *got = toy_tensors(f.model, &bytes);
        ck_assert_msg(!wanted || memcmp(got, wanted, bytes) == 0, "%d threads give other bits", threads);
        free(wanted);
        wanted = got;
        task_end(&f);
    }
    free(wanted);
}
END_TEST

/* ---- what does not fit ---- */

static void refuse(task_training *f, cn_status status, const char *part) {
    cn_trainer *trainer;
    ck_fails(cn_trainer_new(f->model, f->train.set, f->test.set, &f->options, &trainer), status, part);
    ck_assert_ptr_null(trainer);
}

START_TEST(a_loss_that_does_not_take_such_targets_is_refused) {
    task_training f;
    task_begin(&f, &tasks[TASK_TWO], 1);
    f.losses[1].kind = CN_LOSS_NLL;
    refuse(&f, CN_ERR_ARGUMENT, "loss 'nll' takes classes, but the target is a vector");
    f.losses[1].kind = CN_LOSS_MSE;
    f.losses[0].kind = CN_LOSS_MSE;
    refuse(&f, CN_ERR_ARGUMENT, "loss 'mse' takes values, but the target is a class");
    f.losses[0].kind = CN_LOSS_NLL;
    refuse(&f, CN_ERR_ARGUMENT, "loss 'nll' reads log-probabilities, but the model ends in Linear 'class'");
    f.losses[0].kind = CN_LOSS_CROSS_ENTROPY;
    cn_trainer_free(trained(&f)); /* all else was in order */
    task_end(&f);
}
END_TEST

START_TEST(as_many_losses_outputs_and_targets_are_wanted) {
    task_training f;
    task_data other;
    task_begin(&f, &tasks[TASK_TWO], 1);
    f.options.loss_count = 1;
    refuse(&f, CN_ERR_SHAPE, "1 losses, but the model has 2 outputs and the data set 2 targets");
    f.options.loss_count = 0;
    f.options.losses = NULL;
    refuse(&f, CN_ERR_SHAPE, "1 losses, but the model has 2 outputs and the data set 2 targets");
    f.options.loss_count = 2;
    refuse(&f, CN_ERR_ARGUMENT, "2 losses, but no list of them");
    f.options.losses = f.list;
    other = f.test;
    f.test = task_data_new(&tasks[TASK_VECTOR], 10, 1);
    refuse(&f, CN_ERR_SHAPE, "the test data: 2 losses, but the model has 2 outputs and the data set 1 targets");
    task_data_free(&f.test);
    f.test = other;
    task_end(&f);
}
END_TEST

/* Puts another target in the place of the training data's only one. */
static void retarget(task_training *f, cn_tensor *targets, cn_target_kind kind, int64_t classes) {
    cn_target_options options = CN_TARGET_OPTIONS_INIT;
    options.kind = kind;
    options.classes = classes;
    ck_ok(cn_dataset_clear_targets(f->train.set));
    ck_ok(cn_dataset_add_target(f->train.set, targets, &options));
    cn_tensor_free(f->train.targets[0]);
    f->train.targets[0] = targets;
}

START_TEST(a_target_of_another_shape_than_the_output_is_refused) {
    task_training f;
    task_begin(&f, &tasks[TASK_VECTOR], 1);
    retarget(&f, tensor_of(CN_DTYPE_FLOAT32, 2, (int64_t[]){TRAINING_COUNT, 3}), CN_TARGET_VECTOR, 0);
    refuse(&f, CN_ERR_SHAPE, "the target is 3×1×1, the model's output 2×1×1");
    task_end(&f);
    task_begin(&f, &tasks[TASK_IMAGE], 1);
    retarget(&f, images(TRAINING_COUNT, 1, 5, TOY_SIDE), CN_TARGET_IMAGE, 0);
    refuse(&f, CN_ERR_SHAPE, "the target is 1×5×6, the model's output 1×6×6");
    task_end(&f);
    task_begin(&f, &tasks[TASK_MASK], 1);
    retarget(&f, tensor_of(CN_DTYPE_INT64, 3, (int64_t[]){TRAINING_COUNT, TOY_SIDE, 5}), CN_TARGET_MASK, 3);
    refuse(&f, CN_ERR_SHAPE, "the masks are 6×5, the model's output 6×6");
    retarget(&f, tensor_of(CN_DTYPE_INT64, 3, (int64_t[]){TRAINING_COUNT, TOY_SIDE, TOY_SIDE}), CN_TARGET_MASK, 4);
    refuse(&f, CN_ERR_SHAPE, "4 classes in the data, the model tells 3 apart");
    task_end(&f);
}
END_TEST

START_TEST(targets_that_are_no_numbers_or_beyond_the_classes_are_refused) {
    task_training f;
    cn_target_options vector = CN_TARGET_OPTIONS_INIT, mask = CN_TARGET_OPTIONS_INIT;
    task_begin(&f, &tasks[TASK_ALL], 1);
    vector.kind = CN_TARGET_VECTOR;
    ((float *)cn_tensor_data(f.train.targets[1]))[2 * 7 + 1] = NAN;
    ck_fails(cn_dataset_add_target(f.train.set, f.train.targets[1], &vector), CN_ERR_DATA, "7");
    mask.kind = CN_TARGET_MASK;
    mask.classes = 3;
    ((int64_t *)cn_tensor_data(f.train.targets[2]))[TOY_PIXELS * 9 + TOY_SIDE * 2 + 4] = 3;
    ck_fails(cn_dataset_add_target(f.train.set, f.train.targets[2], &mask), CN_ERR_DATA,
             "mask 9, row 2, column 4 is 3, wanted 0 to 2 or -100");
    ck_assert_int_eq(cn_dataset_target_count(f.train.set), 4);
    task_end(&f);
}
END_TEST

START_TEST(targets_that_are_others_by_then_are_refused) {
    task_training f;
    cn_trainer *trainer;
    cn_target_options itself = CN_TARGET_OPTIONS_INIT;
    itself.kind = CN_TARGET_IMAGE;
    task_begin(&f, &tasks[TASK_MASK], 2);
    ck_ok(cn_trainer_new(f.model, f.train.set, f.test.set, &f.options, &trainer));
    ck_ok(cn_dataset_add_target(f.test.set, NULL, &itself));
    ck_fails(cn_trainer_fit(trainer, 1, NULL, NULL), CN_ERR_STATE, "targets are others");
    ck_ok(cn_dataset_clear_targets(f.train.set));
    ck_fails(cn_trainer_fit(trainer, 1, NULL, NULL), CN_ERR_STATE, "targets are others");
    cn_trainer_free(trainer);
    task_end(&f);
}
END_TEST

/* Lent memory may change after it was checked: then the batch fails, and no step is taken. */
START_TEST(a_target_that_became_wrong_ends_the_training_before_a_step) {
    task_training f;
    cn_trainer *trainer;
    size_t bytes;
    task_begin(&f, &tasks[TASK_MASK], 2);
    ck_ok(cn_trainer_new(f.model, f.train.set, f.test.set, &f.options, &trainer));
    void *before = toy_tensors(f.model, &bytes);
    for (int64_t i = 0; i < cn_tensor_count(f.train.targets[0]); i++)
        ((int64_t *)cn_tensor_data(f.train.targets[0]))[i] = 77;
    ck_fails(cn_trainer_fit(trainer, 1, NULL, NULL), CN_ERR_DATA, "row 0, column 0 of its mask is 77, wanted 0 to 2");
    void *after = toy_tensors(f.model, &bytes);
    ck_assert_msg(memcmp(before, after, bytes) == 0, "a step was taken");
    ck_assert_int_eq(cn_trainer_epoch_count(trainer), 0);
    free(before);
    free(after);
    cn_trainer_free(trainer);
    task_end(&f);
}
END_TEST

int main(void) {
    const TTest *const trained_tests[] = {training_is_the_loop_by_hand, bits_do_not_depend_on_threads};
    const TTest *const refused[] = {a_loss_that_does_not_take_such_targets_is_refused,
                                    as_many_losses_outputs_and_targets_are_wanted,
                                    a_target_of_another_shape_than_the_output_is_refused,
                                    targets_that_are_no_numbers_or_beyond_the_classes_are_refused,
                                    a_target_that_became_wrong_ends_the_training_before_a_step,
                                    targets_that_are_others_by_then_are_refused};
    Suite *suite = suite_create("tasks");
    test_add(suite, "training", trained_tests, COUNT(trained_tests), TASKS);
    test_add(suite, "refused", refused, COUNT(refused), 1);
    return test_run(suite);
}
