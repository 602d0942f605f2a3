/* test_trainer.c: training is the loop one would write by hand; histories, callbacks, stopping and going on. */
#include "testing.h"
#include "toys.h"
#include "train/train.h"
#include <math.h>
#include <stdlib.h>

enum { COUNT = 50, BATCH = 20, BATCHES = 3 }; /* the last batch has 10 */

typedef struct fixture {
    cn_context *ctx;
    cn_model *model;
    toy_data train, test;
    cn_trainer_options options;
} fixture;

static fixture begin(cn_norm norm, float dropout) {
    fixture f = {.ctx = test_context(2), .options = CN_TRAINER_OPTIONS_INIT};
    f.model = toy_model(f.ctx, norm, dropout);
    f.train = toy_data_new(f.ctx, COUNT, 1);
    f.test = toy_data_new(f.ctx, 40, 2);
    f.options.batch_size = BATCH;
    f.options.test_batch = 16;
    f.options.seed = 5;
    return f;
}

static void end(fixture *f) {
    cn_model_free(f->model);
    toy_data_free(&f->train);
    toy_data_free(&f->test);
    cn_context_free(f->ctx);
}

static cn_trainer *trainer_of(fixture *f, cn_model *model) {
    cn_trainer *trainer;
    ck_ok(cn_trainer_new(model, f->train.set, f->test.set, &f->options, &trainer));
    return trainer;
}

static cn_epoch epoch_at(const cn_trainer *trainer, int64_t index) {
    cn_epoch epoch = CN_EPOCH_INIT;
    ck_ok(cn_trainer_epoch(trainer, index, &epoch));
    return epoch;
}

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
    ck_ok(cn_tensor_new(ctx, CN_FLOAT32, 4, (int64_t[]){n, 1, TOY_SIDE, TOY_SIDE}, &t.images));
    ck_ok(cn_tensor_new(ctx, CN_INT64, 1, (int64_t[]){n}, &t.labels));
    ck_ok(cn_tensor_new(ctx, CN_FLOAT32, 2, (int64_t[]){n, TOY_CLASSES}, &t.output));
    ck_ok(cn_tensor_new(ctx, CN_FLOAT32, 2, (int64_t[]){n, TOY_CLASSES}, &t.gradient));
    return t;
}

/* Trains on the images order[0 … n - 1]; returns the loss and adds to `correct`. */
static double step_by_hand(fixture *f, cn_model *model, cn_optimizer *optimizer, const int64_t *order, int64_t n,
                           int64_t epoch, int64_t *correct) {
    const cn_trainer_options *o = &f->options;
    by_hand t = tensors_for(f->ctx, n);
    double loss, penalty = (double)o->l1 * l1_norm(model);
    ck_ok(cn_dataset_batch(f->train.set, n, order, 1, o->seed, epoch, t.images, t.labels));
    ck_ok(cn_model_forward(model, 1, t.images, t.output));
    ck_ok(cn_loss_compute(o->loss, o->label_smoothing, t.output, t.labels, &loss, t.gradient));
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

static void epoch_by_hand(fixture *f, cn_model *model, cn_optimizer *optimizer, int64_t epoch, double *loss,
                          double *accuracy) {
    int64_t order[COUNT], correct = 0;
    double sum = 0.0;
    cn__rng rng = cn__rng_new(f->options.seed, CN__STREAM_SHUFFLE, (uint64_t)epoch);
    for (int64_t i = 0; i < COUNT; i++)
        order[i] = i;
    cn__rng_shuffle(&rng, order, COUNT);
    for (int64_t first = 0; first < COUNT; first += BATCH) {
        int64_t n = first + BATCH < COUNT ? BATCH : COUNT - first;
        sum += (double)n * step_by_hand(f, model, optimizer, order + first, n, epoch, &correct);
    }
    *loss = sum / COUNT;
    *accuracy = (double)correct / COUNT;
}

static void compare_with_hand(fixture *f) {
    cn_model *twin = toy_model(f->ctx, CN_NORM_BATCH, 0.0f);
    cn_optimizer *optimizer;
    cn_evaluation *e;
    cn_trainer *trainer = trainer_of(f, f->model);
    ck_ok(cn_trainer_fit(trainer, 3, NULL, NULL));
    ck_ok(cn_optimizer_new(twin, f->options.optimizer, &optimizer));
    for (int64_t i = 0; i < 3; i++) {
        cn_epoch epoch = epoch_at(trainer, i);
        double loss, accuracy;
        ck_ok(cn_optimizer_set_learning_rate(optimizer, epoch.learning_rate));
        epoch_by_hand(f, twin, optimizer, i + 1, &loss, &accuracy);
        ck_ok(cn_evaluate(twin, f->test.set, f->options.loss, &e));
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
    fixture f = begin(CN_NORM_BATCH, 0.0f);
    compare_with_hand(&f);
    end(&f);
}
END_TEST

START_TEST(so_it_is_with_penalty_smoothing_and_augmentation) {
    fixture f = begin(CN_NORM_BATCH, 0.0f);
    cn_augmentation augmentation = CN_AUGMENTATION_MNIST;
    cn_optimizer_options adam = CN_OPTIMIZER_OPTIONS_INIT;
    adam.kind = CN_OPTIMIZER_ADAM;
    augmentation.horizontal_flip = 0.5f;
    ck_ok(cn_dataset_set_augmentation(f.train.set, &augmentation));
    f.options.l1 = 0.001f;
    f.options.loss = CN_LOSS_CROSS_ENTROPY;
    f.options.label_smoothing = 0.1f;
    f.options.optimizer = &adam;
    compare_with_hand(&f);
    end(&f);
}
END_TEST

START_TEST(a_network_learns) {
    fixture f = begin(CN_NORM_BATCH, 0.01f);
    cn_trainer *trainer = trainer_of(&f, f.model);
    ck_ok(cn_trainer_fit(trainer, 30, NULL, NULL));
    cn_epoch first = epoch_at(trainer, 0), last = epoch_at(trainer, 29);
    ck_assert_double_lt(last.train_loss, 0.5 * first.train_loss);
    ck_assert_double_ge(last.test_accuracy, 0.95);
    cn_trainer_free(trainer);
    end(&f);
}
END_TEST

/* ---- callbacks ---- */

typedef struct witness {
    int batches, epochs, stop_at_batch, stop_at_epoch;
    int64_t images;
    cn_batch last;
} witness;

static int see_batch(void *user, const cn_batch *batch) {
    witness *w = user;
    w->batches++;
    w->images += batch->batch < BATCHES ? BATCH : COUNT % BATCH;
    w->last = *batch;
    ck_assert_int_eq(batch->batch, (w->batches - 1) % BATCHES + 1);
    ck_assert_int_eq(batch->batches, BATCHES);
    ck_assert_int_eq(batch->epoch, (w->batches - 1) / BATCHES + 1);
    ck_assert_int_eq(batch->images, batch->batch < BATCHES ? batch->batch * BATCH : COUNT);
    ck_assert_double_gt(batch->loss, 0.0);
    return w->batches == w->stop_at_batch;
}

static int see_epoch(void *user, const cn_epoch *epoch) {
    witness *w = user;
    w->epochs++;
    ck_assert_int_eq(epoch->epoch, w->epochs);
    ck_assert_int_eq(w->batches, w->epochs * BATCHES);
    ck_assert_double_eq(epoch->train_loss, w->last.average_loss);
    ck_assert_double_eq(epoch->train_accuracy, w->last.average_accuracy);
    ck_assert_double_eq(epoch->learning_rate, w->last.learning_rate);
    return w->epochs == w->stop_at_epoch;
}

START_TEST(callbacks_see_every_batch_and_epoch) {
    fixture f = begin(CN_NORM_GROUP, 0.1f);
    witness w = {0};
    f.options.on_batch = see_batch;
    f.options.user = &w;
    cn_trainer *trainer = trainer_of(&f, f.model);
    ck_ok(cn_trainer_fit(trainer, 2, see_epoch, &w));
    ck_ok(cn_trainer_fit(trainer, 1, see_epoch, &w));
    ck_ok(cn_trainer_fit(trainer, 0, see_epoch, &w));
    ck_assert_int_eq(w.epochs, 3);
    ck_assert_int_eq(w.batches, 3 * BATCHES);
    ck_assert_int_eq(cn_trainer_epoch_count(trainer), 3);
    cn_trainer_free(trainer);
    end(&f);
}
END_TEST

START_TEST(an_epoch_callback_ends_the_training) {
    fixture f = begin(CN_NORM_NONE, 0.0f);
    witness w = {.stop_at_epoch = 2};
    f.options.on_batch = see_batch;
    f.options.user = &w;
    cn_trainer *trainer = trainer_of(&f, f.model);
    ck_ok(cn_trainer_fit(trainer, 100, see_epoch, &w));
    ck_assert_int_eq(w.epochs, 2);
    ck_assert_int_eq(cn_trainer_epoch_count(trainer), 2);
    cn_trainer_free(trainer);
    end(&f);
}
END_TEST

/* ---- stopping and going on leave the same bits ---- */

static void one_cycle(cn_schedule_options *schedule) {
    *schedule = (cn_schedule_options)CN_SCHEDULE_OPTIONS_INIT;
    schedule->kind = CN_SCHEDULE_ONE_CYCLE;
    schedule->epochs = 4;
}

static void expect_same_history(const cn_trainer *a, const cn_trainer *b) {
    ck_assert_int_eq(cn_trainer_epoch_count(a), cn_trainer_epoch_count(b));
    for (int64_t i = 0; i < cn_trainer_epoch_count(a); i++) {
        cn_epoch x = epoch_at(a, i), y = epoch_at(b, i);
        ck_assert_double_eq(x.train_loss, y.train_loss);
        ck_assert_double_eq(x.train_accuracy, y.train_accuracy);
        ck_assert_double_eq(x.test_loss, y.test_loss);
        ck_assert_double_eq(x.test_accuracy, y.test_accuracy);
        ck_assert_double_eq(x.learning_rate, y.learning_rate);
    }
}

START_TEST(fitting_twice_is_fitting_once) {
    fixture f = begin(CN_NORM_BATCH, 0.2f);
    cn_model *twin = toy_model(f.ctx, CN_NORM_BATCH, 0.2f);
    cn_schedule_options schedule;
    one_cycle(&schedule);
    if (_i)
        f.options.schedule = &schedule; /* else the recipe's */
    cn_trainer *once = trainer_of(&f, f.model), *twice = trainer_of(&f, twin);
    ck_ok(cn_trainer_fit(once, 4, NULL, NULL));
    ck_ok(cn_trainer_fit(twice, 1, NULL, NULL));
    ck_ok(cn_trainer_fit(twice, 3, NULL, NULL));
    expect_same_history(once, twice);
    toy_expect_equal(f.model, twin);
    cn_trainer_free(once);
    cn_trainer_free(twice);
    cn_model_free(twin);
    end(&f);
}
END_TEST

/* After any batch, the last of an epoch included. */
START_TEST(a_batch_callback_ends_the_training_and_the_next_fit_goes_on) {
    fixture f = begin(CN_NORM_BATCH, 0.2f);
    cn_model *twin = toy_model(f.ctx, CN_NORM_BATCH, 0.2f);
    witness w = {.stop_at_batch = _i};
    cn_schedule_options schedule;
    one_cycle(&schedule);
    f.options.schedule = &schedule;
    cn_trainer *whole = trainer_of(&f, twin);
    f.options.on_batch = see_batch;
    f.options.user = &w;
    cn_trainer *broken = trainer_of(&f, f.model);
    int done = (_i - 1) / BATCHES;
    ck_ok(cn_trainer_fit(broken, 4, see_epoch, &w));
    ck_assert_int_eq(w.batches, _i);
    ck_assert_int_eq(w.epochs, done);
    ck_assert_int_eq(cn_trainer_epoch_count(broken), done);
    ck_ok(cn_trainer_fit(broken, 4 - done, see_epoch, &w));
    ck_ok(cn_trainer_fit(whole, 4, NULL, NULL));
    ck_assert_int_eq(w.batches, 4 * BATCHES);
    expect_same_history(whole, broken);
    toy_expect_equal(f.model, twin);
    cn_trainer_free(whole);
    cn_trainer_free(broken);
    cn_model_free(twin);
    end(&f);
}
END_TEST

/* ---- averaged parameters ---- */

/* All parameters and float32 buffers, one after the other, in double; their number. */
enum { MOST_VALUES = 1024 };

static int all_values(cn_model *model, double out[MOST_VALUES]) {
    int count = 0;
    for (int i = 0; i < cn_model_tensor_count(model); i++) {
        cn_tensor *tensor;
        ck_ok(cn_model_tensor(model, cn_model_tensor_name(model, i), &tensor));
        for (int64_t k = 0; cn_tensor_dtype(tensor) == CN_FLOAT32 && k < cn_tensor_count(tensor); k++) {
            ck_assert_int_lt(count, MOST_VALUES);
            out[count++] = (double)((float *)cn_tensor_data(tensor))[k];
        }
    }
    return count;
}

typedef struct averaging {
    cn_model *model;
    double decay, average[MOST_VALUES];
    int batches, stop_at;
} averaging;

/* In a batch callback the model holds what is being trained. */
static int take_in(void *user, const cn_batch *batch) {
    averaging *a = user;
    double now[MOST_VALUES];
    int count = all_values(a->model, now);
    (void)batch;
    for (int i = 0; i < count; i++)
        a->average[i] = a->batches ? a->decay * a->average[i] + (1.0 - a->decay) * now[i] : now[i];
    return ++a->batches == a->stop_at;
}

static void expect_average(averaging *a) {
    double now[MOST_VALUES];
    int count = all_values(a->model, now);
    for (int i = 0; i < count; i++)
        ck_assert_double_eq_tol(now[i], a->average[i], 2e-6);
}

static int see_average(void *user, const cn_epoch *epoch) {
    (void)epoch;
    expect_average(user);
    return 0;
}

START_TEST(the_model_holds_the_average_between_epochs) {
    fixture f = begin(CN_NORM_BATCH, 0.1f);
    averaging a = {.model = f.model, .decay = 0.8, .stop_at = 2 * BATCHES + 1};
    cn_evaluation *e;
    f.options.ema_decay = 0.8f;
    f.options.on_batch = take_in;
    f.options.user = &a;
    cn_trainer *trainer = trainer_of(&f, f.model);
    ck_ok(cn_trainer_fit(trainer, 0, NULL, NULL));
    ck_ok(cn_trainer_fit(trainer, 2, see_average, &a));
    ck_assert_int_eq(a.batches, 2 * BATCHES);
    expect_average(&a);
    ck_ok(cn_evaluate(f.model, f.test.set, CN_LOSS_NLL, &e));
    ck_assert_double_eq_tol(epoch_at(trainer, 1).test_loss, cn_evaluation_loss(e), 1e-12);
    cn_evaluation_free(e);
    ck_ok(cn_trainer_fit(trainer, 1, see_average, &a)); /* ends after one batch */
    ck_assert_int_eq(a.batches, 2 * BATCHES + 1);
    expect_average(&a);
    ck_ok(cn_trainer_fit(trainer, 1, see_average, &a));
    cn_trainer_free(trainer);
    expect_average(&a); /* it stays */
    end(&f);
}
END_TEST

/* Averages change what is tested, not what is trained. */
START_TEST(training_goes_on_from_what_was_trained) {
    fixture f = begin(CN_NORM_BATCH, 0.1f);
    cn_model *plain = toy_model(f.ctx, CN_NORM_BATCH, 0.1f), *twin = toy_model(f.ctx, CN_NORM_BATCH, 0.1f);
    cn_schedule_options schedule;
    one_cycle(&schedule);
    f.options.schedule = &schedule;
    cn_trainer *raw = trainer_of(&f, plain);
    f.options.ema_decay = 0.9f;
    witness w = {.stop_at_batch = BATCHES + 1};
    cn_trainer *once = trainer_of(&f, f.model);
    f.options.on_batch = see_batch;
    f.options.user = &w;
    cn_trainer *often = trainer_of(&f, twin);
    ck_ok(cn_trainer_fit(raw, 3, NULL, NULL));
    ck_ok(cn_trainer_fit(once, 3, NULL, NULL));
    ck_ok(cn_trainer_fit(often, 3, NULL, NULL)); /* stops within the second epoch */
    ck_ok(cn_trainer_fit(often, 1, NULL, NULL));
    ck_ok(cn_trainer_fit(often, 1, NULL, NULL));
    expect_same_history(once, often);
    toy_expect_equal(f.model, twin);
    for (int64_t i = 0; i < 3; i++) {
        ck_assert_double_eq(epoch_at(once, i).train_loss, epoch_at(raw, i).train_loss);
        ck_assert_double_ne(epoch_at(once, i).test_loss, epoch_at(raw, i).test_loss);
    }
    cn_trainer_free(raw);
    cn_trainer_free(once);
    cn_trainer_free(often);
    cn_model_free(plain);
    cn_model_free(twin);
    end(&f);
}
END_TEST

START_TEST(a_decay_outside_its_range_is_refused) {
    fixture f = begin(CN_NORM_NONE, 0.0f);
    const float wrong[] = {-0.1f, 1.0f, NAN};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        cn_trainer *trainer;
        f.options.ema_decay = wrong[i];
        ck_fails(cn_trainer_new(f.model, f.train.set, NULL, &f.options, &trainer), CN_ERR_ARGUMENT, "ema_decay");
        ck_assert_ptr_null(trainer);
    }
    end(&f);
}
END_TEST

/* ---- seeds and schedules ---- */

START_TEST(a_seed_decides) {
    fixture f = begin(CN_NORM_NONE, 0.2f);
    cn_model *other = toy_model(f.ctx, CN_NORM_NONE, 0.2f);
    cn_trainer *a = trainer_of(&f, f.model);
    f.options.seed++;
    cn_trainer *b = trainer_of(&f, other);
    ck_ok(cn_trainer_fit(a, 1, NULL, NULL));
    ck_ok(cn_trainer_fit(b, 1, NULL, NULL));
    ck_assert_double_ne(epoch_at(a, 0).train_loss, epoch_at(b, 0).train_loss);
    cn_trainer_free(a);
    cn_trainer_free(b);
    cn_model_free(other);
    end(&f);
}
END_TEST

START_TEST(without_test_data_the_schedule_follows_the_training_loss) {
    fixture f = begin(CN_NORM_NONE, 0.0f);
    cn_schedule_options schedule = CN_SCHEDULE_OPTIONS_INIT;
    cn_trainer *trainer;
    schedule.threshold = 0.9f; /* hardly anything is an improvement */
    f.options.schedule = &schedule;
    ck_ok(cn_trainer_new(f.model, f.train.set, NULL, &f.options, &trainer));
    ck_ok(cn_trainer_fit(trainer, 3, NULL, NULL));
    ck_assert(isnan(epoch_at(trainer, 0).test_loss));
    ck_assert(isnan(epoch_at(trainer, 0).test_accuracy));
    ck_assert_double_eq_tol(epoch_at(trainer, 1).learning_rate, 0.01, 1e-9);
    ck_assert_double_eq_tol(epoch_at(trainer, 2).learning_rate, 0.003, 1e-9);
    cn_trainer_free(trainer);
    end(&f);
}
END_TEST

/* ---- what a model learns of its data ---- */

START_TEST(a_model_is_told_what_it_was_trained_on) {
    fixture f = begin(CN_NORM_NONE, 0.0f);
    cn_model *told = toy_model(f.ctx, CN_NORM_NONE, 0.0f);
    ck_ok(cn_dataset_set_class_names(f.train.set, 3, (const char *const[]){"top", "middle", "bottom"}));
    ck_ok(cn_model_set_class_names(told, 3, (const char *const[]){"x", "y", "z"}));
    ck_ok(cn_model_set_normalization(told, 1, (float[]){0.0f}, (float[]){2.0f}));
    cn_trainer_free(trainer_of(&f, f.model));
    cn_trainer_free(trainer_of(&f, told));
    ck_assert_str_eq(cn_model_class_name(f.model, 2), "bottom");
    ck_assert_float_eq(f.model->mean[0], 0.4f);
    ck_assert_float_eq(f.model->std[0], 0.25f);
    ck_assert_str_eq(cn_model_class_name(told, 2), "z");
    ck_assert_float_eq(told->std[0], 2.0f);
    cn_model_free(told);
    end(&f);
}
END_TEST

/* Nobody knows what pixels its floats were made of. */
START_TEST(of_float_images_it_learns_no_normalisation) {
    fixture f = begin(CN_NORM_NONE, 0.0f);
    cn_tensor *images;
    cn_dataset *set;
    cn_trainer *trainer;
    ck_ok(cn_tensor_new(f.ctx, CN_FLOAT32, 4, (int64_t[]){COUNT, 1, TOY_SIDE, TOY_SIDE}, &images));
    ck_ok(cn_dataset_memory(f.ctx, images, f.train.labels, TOY_CLASSES, &set));
    ck_ok(cn_trainer_new(f.model, set, NULL, NULL, &trainer));
    ck_assert_ptr_null(f.model->mean);
    ck_assert_str_eq(cn_model_class_name(f.model, 2), "2");
    cn_trainer_free(trainer);
    cn_dataset_free(set);
    cn_tensor_free(images);
    end(&f);
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
    tcase_add_loop_test(group, a_batch_callback_ends_the_training_and_the_next_fit_goes_on, 1, 2 * BATCHES + 1);
    tcase_add_test(group, the_model_holds_the_average_between_epochs);
    tcase_add_test(group, training_goes_on_from_what_was_trained);
    tcase_add_test(group, a_decay_outside_its_range_is_refused);
    tcase_add_test(group, a_seed_decides);
    tcase_add_test(group, without_test_data_the_schedule_follows_the_training_loss);
    tcase_add_test(group, a_model_is_told_what_it_was_trained_on);
    tcase_add_test(group, of_float_images_it_learns_no_normalisation);
    suite_add_tcase(suite, group);
    return test_run(suite);
}
