/* SPDX-License-Identifier: MIT */
/* test_trainer.c: training is the loop one would write by hand; histories, callbacks, stopping and going on. */
#include "testing.h"
#include "training.h"
#include "train/train.h"
#include <math.h>

/* ---- the loop by hand ---- */

static double l1_norm(const cn_model *model) {
    double sum = 0.0;
    for (size_t i = 0; i < model->flat_count; i++)
        sum += fabs((double)model->parameters[i]);
    return sum;
}

typedef struct by_hand {
    cn_tensor *images, *labels, *output, *gradient;
} by_hand;

static by_hand tensors_for(cn_context *ctx, int64_t n) {
    by_hand t;
    ck_ok(cn_tensor_new(ctx, CN_DTYPE_FLOAT32, 4, (int64_t[]){n, 1, TOY_SIDE, TOY_SIDE}, &t.images));
    ck_ok(cn_tensor_new(ctx, CN_DTYPE_INT64, 1, (int64_t[]){n}, &t.labels));
    ck_ok(cn_tensor_new(ctx, CN_DTYPE_FLOAT32, 2, (int64_t[]){n, TOY_CLASSES}, &t.output));
    ck_ok(cn_tensor_new(ctx, CN_DTYPE_FLOAT32, 2, (int64_t[]){n, TOY_CLASSES}, &t.gradient));
    return t;
}

/* Trains on the images order[0 … n - 1]; returns the loss and adds to `correct`. */
static double step_by_hand(training *f, cn_model *model, cn_optimizer *optimizer, const int64_t *order, int64_t n,
                           int64_t epoch, int64_t *correct) {
    const cn_trainer_options *o = &f->options;
    by_hand t = tensors_for(f->ctx, n);
    double loss, penalty = (double)o->l1 * l1_norm(model);
    ck_ok(cn_dataset_batch(f->train.set, n, order, 1, o->seed, epoch, t.images, t.labels));
    ck_ok(cn_model_forward(model, 1, t.images, t.output));
    loss = training_loss(o->loss, o->label_smoothing, t.output, t.labels, t.gradient);
    ck_ok(cn_model_backward(model, t.gradient, NULL));
    cn__optimizer_step(optimizer, o->l1);
    for (int64_t i = 0; i < n; i++)
        *correct += cn_tensor_argmax(t.output, i) == ((int64_t *)cn_tensor_data(t.labels))[i];
    cn_tensor_free(t.images);
    cn_tensor_free(t.labels);
    cn_tensor_free(t.output);
    cn_tensor_free(t.gradient);
    return loss + penalty;
}

static void epoch_by_hand(training *f, cn_model *model, cn_optimizer *optimizer, int64_t epoch, double *loss,
                          double *accuracy) {
    int64_t order[TRAINING_COUNT], correct = 0;
    double sum = 0.0;
    training_order(f->options.seed, epoch, TRAINING_COUNT, order);
    for (int64_t first = 0; first < TRAINING_COUNT; first += TRAINING_BATCH) {
        int64_t n = first + TRAINING_BATCH < TRAINING_COUNT ? TRAINING_BATCH : TRAINING_COUNT - first;
        sum += (double)n * step_by_hand(f, model, optimizer, order + first, n, epoch, &correct);
    }
    *loss = sum / TRAINING_COUNT;
    *accuracy = (double)correct / TRAINING_COUNT;
}

static void compare_with_hand(training *f) {
    cn_model *twin = toy_model_for(f->ctx, f->options.loss, CN_NORM_BATCH, 0.0f);
    cn_optimizer *optimizer;
    cn_evaluation *e;
    cn_trainer *trainer = training_trainer(f, f->model);
    ck_ok(cn_trainer_fit(trainer, 3, NULL, NULL));
    ck_ok(cn_optimizer_new(twin, f->options.optimizer, &optimizer));
    for (int64_t i = 0; i < 3; i++) {
        cn_epoch_info epoch = training_epoch(trainer, i);
        double loss, accuracy;
        ck_ok(cn_optimizer_set_learning_rate(optimizer, epoch.learning_rate));
        epoch_by_hand(f, twin, optimizer, i + 1, &loss, &accuracy);
        ck_ok(evaluate_with(twin, f->test.set, f->options.loss, &e));
        ck_assert_int_eq(epoch.epoch, i + 1);
        ck_assert_double_eq_tol(epoch.train_loss, loss, 1e-12);
        ck_assert_double_eq(epoch.train_accuracy, accuracy);
        ck_assert_double_eq(epoch.test_accuracy, cn_evaluation_accuracy(e));
        if (f->options.label_smoothing == 0.0f)
            ck_assert_double_eq_tol(epoch.test_loss, cn_evaluation_loss(e), 1e-12);
        ck_assert_double_gt(epoch.seconds, 0.0);
        ck_assert_double_gt(epoch.images_per_second, 0.0);
        cn_evaluation_free(e);
    }
    toy_expect_equal(f->model, twin);
    cn_optimizer_free(optimizer);
    cn_trainer_free(trainer);
    cn_model_free(twin);
}

START_TEST(training_is_the_loop_by_hand) {
    training f = training_begin(CN_NORM_BATCH, 0.0f);
    compare_with_hand(&f);
    training_end(&f);
}
END_TEST

START_TEST(so_it_is_with_penalty_smoothing_and_augmentation) {
    training f = training_begin(CN_NORM_BATCH, 0.0f);
    cn_augmentation augmentation = CN_AUGMENTATION_MNIST;
    cn_optimizer_options adam = CN_OPTIMIZER_OPTIONS_INIT;
    adam.kind = CN_OPTIMIZER_ADAM;
    augmentation.horizontal_flip = 0.5f;
    ck_ok(cn_dataset_set_augmentation(f.train.set, &augmentation));
    f.options.l1 = 0.001f;
    f.options.loss = CN_LOSS_CROSS_ENTROPY;
    cn_model_free(f.model);
    f.model = toy_model_for(f.ctx, f.options.loss, CN_NORM_BATCH, 0.0f);
    f.options.label_smoothing = 0.1f;
    f.options.optimizer = &adam;
    compare_with_hand(&f);
    training_end(&f);
}
END_TEST

START_TEST(a_network_learns) {
    training f = training_begin(CN_NORM_BATCH, 0.01f);
    cn_trainer *trainer = training_trainer(&f, f.model);
    ck_ok(cn_trainer_fit(trainer, 30, NULL, NULL));
    cn_epoch_info first = training_epoch(trainer, 0), last = training_epoch(trainer, 29);
    ck_assert_double_lt(last.train_loss, 0.5 * first.train_loss);
    ck_assert_double_ge(last.test_accuracy, 0.95);
    cn_trainer_free(trainer);
    training_end(&f);
}
END_TEST

/* ---- callbacks ---- */

START_TEST(callbacks_see_every_batch_and_epoch) {
    training f = training_begin(CN_NORM_GROUP, 0.1f);
    witness w = {0};
    f.options.on_batch = witness_batch;
    f.options.user = &w;
    cn_trainer *trainer = training_trainer(&f, f.model);
    ck_ok(cn_trainer_fit(trainer, 2, witness_epoch, &w));
    ck_ok(cn_trainer_fit(trainer, 1, witness_epoch, &w));
    ck_ok(cn_trainer_fit(trainer, 0, witness_epoch, &w));
    ck_assert_int_eq(w.epochs, 3);
    ck_assert_int_eq(w.batches, 3 * TRAINING_BATCHES);
    ck_assert_int_eq(cn_trainer_epoch_count(trainer), 3);
    cn_trainer_free(trainer);
    training_end(&f);
}
END_TEST

START_TEST(an_epoch_callback_ends_the_training) {
    training f = training_begin(CN_NORM_NONE, 0.0f);
    witness w = {.stop_at_epoch = 2};
    f.options.on_batch = witness_batch;
    f.options.user = &w;
    cn_trainer *trainer = training_trainer(&f, f.model);
    ck_ok(cn_trainer_fit(trainer, 100, witness_epoch, &w));
    ck_assert_int_eq(w.epochs, 2);
    ck_assert_int_eq(cn_trainer_epoch_count(trainer), 2);
    cn_trainer_free(trainer);
    training_end(&f);
}
END_TEST

/* ---- stopping and going on leave the same bits ---- */

START_TEST(fitting_twice_is_fitting_once) {
    training f = training_begin(CN_NORM_BATCH, 0.2f);
    cn_model *twin = toy_model(f.ctx, CN_NORM_BATCH, 0.2f);
    cn_schedule_options schedule;
    training_one_cycle(&schedule);
    if (_i)
        f.options.schedule = &schedule; /* else the recipe's */
    cn_trainer *once = training_trainer(&f, f.model), *twice = training_trainer(&f, twin);
    ck_ok(cn_trainer_fit(once, 4, NULL, NULL));
    ck_ok(cn_trainer_fit(twice, 1, NULL, NULL));
    ck_ok(cn_trainer_fit(twice, 3, NULL, NULL));
    training_expect_same_history(once, twice);
    training_end_alike(&f, twin, once, twice);
}
END_TEST

/* After any batch, the last of an epoch included. */
START_TEST(a_batch_callback_ends_the_training_and_the_next_fit_goes_on) {
    training f = training_begin(CN_NORM_BATCH, 0.2f);
    cn_model *twin = toy_model(f.ctx, CN_NORM_BATCH, 0.2f);
    witness w = {.stop_at_batch = _i};
    cn_schedule_options schedule;
    training_one_cycle(&schedule);
    f.options.schedule = &schedule;
    cn_trainer *whole = training_trainer(&f, twin);
    f.options.on_batch = witness_batch;
    f.options.user = &w;
    cn_trainer *broken = training_trainer(&f, f.model);
    int done = (_i - 1) / TRAINING_BATCHES;
    ck_ok(cn_trainer_fit(broken, 4, witness_epoch, &w));
    ck_assert_int_eq(w.batches, _i);
    ck_assert_int_eq(w.epochs, done);
    ck_assert_int_eq(cn_trainer_epoch_count(broken), done);
    ck_ok(cn_trainer_fit(broken, 4 - done, witness_epoch, &w));
    ck_ok(cn_trainer_fit(whole, 4, NULL, NULL));
    ck_assert_int_eq(w.batches, 4 * TRAINING_BATCHES);
    training_expect_same_history(whole, broken);
    training_end_alike(&f, twin, whole, broken);
}
END_TEST

/* ---- seeds and schedules ---- */

START_TEST(a_seed_decides) {
    training f = training_begin(CN_NORM_NONE, 0.2f);
    cn_model *other = toy_model(f.ctx, CN_NORM_NONE, 0.2f);
    cn_trainer *a = training_trainer(&f, f.model);
    f.options.seed++;
    cn_trainer *b = training_trainer(&f, other);
    ck_ok(cn_trainer_fit(a, 1, NULL, NULL));
    ck_ok(cn_trainer_fit(b, 1, NULL, NULL));
    ck_assert_double_ne(training_epoch(a, 0).train_loss, training_epoch(b, 0).train_loss);
    cn_trainer_free(a);
    cn_trainer_free(b);
    cn_model_free(other);
    training_end(&f);
}
END_TEST

START_TEST(without_test_data_the_schedule_follows_the_training_loss) {
    training f = training_begin(CN_NORM_NONE, 0.0f);
    cn_schedule_options schedule = CN_SCHEDULE_OPTIONS_INIT;
    cn_trainer *trainer;
    schedule.threshold = 0.9f; /* hardly anything is an improvement */
    f.options.schedule = &schedule;
    ck_ok(cn_trainer_new(f.model, f.train.set, NULL, &f.options, &trainer));
    ck_ok(cn_trainer_fit(trainer, 3, NULL, NULL));
    ck_assert(isnan(training_epoch(trainer, 0).test_loss));
    ck_assert(isnan(training_epoch(trainer, 0).test_accuracy));
    ck_assert_double_eq_tol(training_epoch(trainer, 1).learning_rate, 0.01, 1e-9);
    ck_assert_double_eq_tol(training_epoch(trainer, 2).learning_rate, 0.003, 1e-9);
    cn_trainer_free(trainer);
    training_end(&f);
}
END_TEST

/* ---- what a model learns of its data ---- */

/* The same images in data sets whose normalisation nobody has set. */
static void untold_data(training *f) {
    cn_dataset_free(f->train.set);
    cn_dataset_free(f->test.set);
    ck_ok(cn_dataset_memory(f->ctx, f->train.images, f->train.labels, TOY_CLASSES, &f->train.set));
    ck_ok(cn_dataset_memory(f->ctx, f->test.images, f->test.labels, TOY_CLASSES, &f->test.set));
}

/* One epoch, with its test pass. */
static cn_trainer *trained(training *f, cn_model *model) {
    cn_trainer *trainer = training_trainer(f, model);
    ck_ok(cn_trainer_fit(trainer, 1, NULL, NULL));
    return trainer;
}

START_TEST(images_are_normalised_as_the_model_says) {
    training f = training_begin(CN_NORM_BATCH, 0.0f);
    cn_model *told = toy_model(f.ctx, CN_NORM_BATCH, 0.0f), *untold = toy_model(f.ctx, CN_NORM_BATCH, 0.0f);
    const float *mean, *std;
    cn_trainer *wanted = trained(&f, f.model), *trainer;
    ck_assert_int_eq(cn_model_normalization(told, &mean, &std), 0);
    ck_assert_ptr_null(mean);
    ck_ok(cn_model_set_normalization(told, 1, (float[]){0.4f}, (float[]){0.25f})); /* as toys.c has it */
    untold_data(&f);
    trainer = trained(&f, told);
    toy_expect_equal(told, f.model);
    training_expect_same_history(trainer, wanted);
    cn_trainer_free(trainer);
    trainer = trained(&f, untold); /* with mean 0 and std 1, which is another training */
    ck_assert_double_ne(training_epoch(trainer, 0).train_loss, training_epoch(wanted, 0).train_loss);
    ck_assert_int_eq(cn_model_normalization(untold, &mean, &std), 1);
    ck_assert_float_eq(mean[0], 0.0f);
    ck_assert_float_eq(std[0], 1.0f);
    cn_trainer_free(trainer);
    cn_trainer_free(wanted);
    cn_model_free(told);
    cn_model_free(untold);
    training_end(&f);
}
END_TEST

START_TEST(test_images_are_normalised_as_those_trained_on) {
    training f = training_begin(CN_NORM_BATCH, 0.0f);
    cn_model *model = toy_model(f.ctx, CN_NORM_BATCH, 0.0f);
    cn_trainer *wanted = trained(&f, f.model), *trainer;
    cn_dataset *untold;
    ck_ok(cn_dataset_memory(f.ctx, f.test.images, f.test.labels, TOY_CLASSES, &untold));
    ck_ok(cn_trainer_new(model, f.train.set, untold, &f.options, &trainer));
    ck_ok(cn_trainer_fit(trainer, 1, NULL, NULL));
    training_expect_same_history(trainer, wanted);
    cn_trainer_free(trainer);
    cn_trainer_free(wanted);
    cn_model_free(model);
    cn_dataset_free(untold);
    training_end(&f);
}
END_TEST

START_TEST(a_normalisation_that_is_not_the_models_is_refused) {
    training f = training_begin(CN_NORM_NONE, 0.0f);
    cn_model *model = toy_model(f.ctx, CN_NORM_NONE, 0.0f);
    cn_dataset *view;
    cn_trainer *trainer;
    cn_evaluation *e;
    ck_ok(cn_dataset_set_normalization(f.test.set, 1, (float[]){0.5f}, (float[]){0.25f}));
    ck_fails(cn_trainer_new(model, f.train.set, f.test.set, NULL, &trainer), CN_ERR_STATE,
             "the test data is set to be normalised with mean 0.5 and std 0.25 in channel 0, the model's images have "
             "mean 0.400000006 and std 0.25");
    ck_assert_ptr_null(model->mean); /* it has learnt nothing */
    ck_ok(cn_model_set_normalization(model, 1, (float[]){0.5f}, (float[]){0.25f}));
    ck_fails(cn_trainer_new(model, f.train.set, NULL, NULL, &trainer), CN_ERR_STATE, "the training data is set to be");
    ck_fails(cn_evaluation_new(model, f.train.set, NULL, &e), CN_ERR_STATE, "the data set is set to be normalised");
    ck_ok(cn_dataset_shuffled(f.train.set, 1, &view));
    ck_fails(cn_evaluation_new(model, view, NULL, &e), CN_ERR_STATE, "the data set is set to be normalised");
    ck_ok(cn_dataset_set_normalization(view, 1, (float[]){0.5f}, (float[]){0.25f}));
    ck_ok(cn_evaluation_new(model, view, NULL, &e));
    cn_evaluation_free(e);
    cn_dataset_free(view);
    cn_model_free(model);
    training_end(&f);
}
END_TEST

START_TEST(a_model_is_told_what_it_was_trained_on) {
    training f = training_begin(CN_NORM_NONE, 0.0f);
    cn_model *told = toy_model(f.ctx, CN_NORM_NONE, 0.0f);
    ck_ok(cn_dataset_set_class_names(f.train.set, 3, (const char *const[]){"top", "middle", "bottom"}));
    ck_ok(cn_model_set_class_names(told, 3, (const char *const[]){"x", "y", "z"}));
    ck_ok(cn_model_set_normalization(told, 1, (float[]){0.0f}, (float[]){2.0f}));
    cn_trainer_free(training_trainer(&f, f.model));
    untold_data(&f);
    cn_trainer_free(training_trainer(&f, told));
    ck_assert_str_eq(cn_model_class_name(f.model, 2), "bottom");
    ck_assert_float_eq(f.model->mean[0], 0.4f);
    ck_assert_float_eq(f.model->std[0], 0.25f);
    ck_assert_str_eq(cn_model_class_name(told, 2), "z");
    ck_assert_float_eq(told->std[0], 2.0f);
    cn_model_free(told);
    training_end(&f);
}
END_TEST

/* Nobody knows what pixels its floats were made of. */
START_TEST(of_float_images_it_learns_no_normalisation) {
    training f = training_begin(CN_NORM_NONE, 0.0f);
    cn_tensor *images;
    cn_dataset *set;
    cn_trainer *trainer;
    ck_ok(cn_tensor_new(f.ctx, CN_DTYPE_FLOAT32, 4, (int64_t[]){TRAINING_COUNT, 1, TOY_SIDE, TOY_SIDE}, &images));
    ck_ok(cn_dataset_memory(f.ctx, images, f.train.labels, TOY_CLASSES, &set));
    ck_ok(cn_trainer_new(f.model, set, NULL, NULL, &trainer));
    ck_assert_ptr_null(f.model->mean);
    ck_assert_str_eq(cn_model_class_name(f.model, 2), "2");
    cn_trainer_free(trainer);
    ck_ok(cn_dataset_set_normalization(set, 1, (float[]){0.5f}, (float[]){2.0f}));
    ck_ok(cn_trainer_new(f.model, set, NULL, NULL, &trainer));
    cn_trainer_free(trainer);
    ck_ok(cn_model_set_normalization(f.model, 1, (float[]){0.5f}, (float[]){0.25f}));
    ck_fails(cn_trainer_new(f.model, set, NULL, NULL, &trainer), CN_ERR_STATE, "mean 0.5 and std 2 in channel 0");
    cn_dataset_free(set);
    cn_tensor_free(images);
    training_end(&f);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("trainer");
    TCase *group = tcase_create("trainer");
    tcase_add_test(group, training_is_the_loop_by_hand);
    tcase_add_test(group, so_it_is_with_penalty_smoothing_and_augmentation);
    tcase_add_test(group, a_network_learns);
    tcase_add_test(group, callbacks_see_every_batch_and_epoch);
    tcase_add_test(group, an_epoch_callback_ends_the_training);
    tcase_add_loop_test(group, fitting_twice_is_fitting_once, 0, 2);
    tcase_add_loop_test(group, a_batch_callback_ends_the_training_and_the_next_fit_goes_on, 1,
                        2 * TRAINING_BATCHES + 1);
    tcase_add_test(group, a_seed_decides);
    tcase_add_test(group, without_test_data_the_schedule_follows_the_training_loss);
    tcase_add_test(group, images_are_normalised_as_the_model_says);
    tcase_add_test(group, test_images_are_normalised_as_those_trained_on);
    tcase_add_test(group, a_normalisation_that_is_not_the_models_is_refused);
    tcase_add_test(group, a_model_is_told_what_it_was_trained_on);
    tcase_add_test(group, of_float_images_it_learns_no_normalisation);
    suite_add_tcase(suite, group);
    return test_run(suite);
}
