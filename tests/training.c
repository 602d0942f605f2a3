/* SPDX-License-Identifier: MIT */
/* training.c: a toy network that is trained, what its callbacks see, and what becomes of it. */
#include "training.h"
#include "base/base.h"
#include "testing.h"
#include <math.h>

training training_begin(cn_norm_kind norm, float dropout) {
    return training_begin_with(test_context(2), norm, dropout);
}

training training_begin_with(cn_context *context, cn_norm_kind norm, float dropout) {
    training f = {.ctx = context, .options = CN_TRAINER_OPTIONS_INIT};
    f.model = toy_model(f.ctx, norm, dropout);
    f.train = toy_data_new(f.ctx, TRAINING_COUNT, 1);
    f.test = toy_data_new(f.ctx, 40, 2);
    f.options.batch_size = TRAINING_BATCH;
    f.options.test_batch_size = 16;
    f.options.seed = 5;
    return f;
}

void training_end(training *f) {
    cn_model_free(f->model);
    toy_data_free(&f->train);
    toy_data_free(&f->test);
    cn_context_free(f->ctx);
}

void training_end_alike(training *f, cn_model *twin, cn_trainer *a, cn_trainer *b) {
    toy_expect_equal(f->model, twin);
    cn_trainer_free(a);
    cn_trainer_free(b);
    cn_model_free(twin);
    training_end(f);
}

cn_trainer *training_trainer(training *f, cn_model *model) {
    cn_trainer *trainer;
    ck_ok(cn_trainer_new(model, f->train.set, f->test.set, &f->options, &trainer));
    return trainer;
}

double training_loss(cn_loss_kind kind, float label_smoothing, const cn_tensor *output, const cn_tensor *target,
                     cn_tensor *gradient) {
    cn_loss_options options = CN_LOSS_OPTIONS_INIT;
    double loss;
    options.kind = kind;
    options.label_smoothing = label_smoothing;
    ck_ok(cn_loss_compute(&options, output, target, &loss, gradient));
    return loss;
}

void training_order(uint64_t seed, int64_t epoch, int64_t count, int64_t *order) {
    cn__rng rng = cn__rng_new(seed, CN__STREAM_SHUFFLE, (uint64_t)epoch);
    for (int64_t i = 0; i < count; i++)
        order[i] = i;
    cn__rng_shuffle(&rng, order, count);
}

cn_epoch_info training_epoch(const cn_trainer *trainer, int64_t index) {
    cn_epoch_info epoch = CN_EPOCH_INFO_INIT;
    ck_ok(cn_trainer_epoch_info(trainer, index, &epoch));
    return epoch;
}

void training_one_cycle(cn_schedule_options *schedule) {
    *schedule = (cn_schedule_options)CN_SCHEDULE_OPTIONS_INIT;
    schedule->kind = CN_SCHEDULE_ONE_CYCLE;
    schedule->epochs = 4;
}

static void expect_same(double x, double y) {
    ck_assert_msg(x == y || (isnan(x) && isnan(y)), "%.17g and %.17g differ", x, y);
}

void training_expect_same_history(const cn_trainer *a, const cn_trainer *b) {
    ck_assert_int_eq(cn_trainer_epoch_count(a), cn_trainer_epoch_count(b));
    for (int64_t i = 0; i < cn_trainer_epoch_count(a); i++) {
        cn_epoch_info x = training_epoch(a, i), y = training_epoch(b, i);
        expect_same(x.train_loss, y.train_loss);
        expect_same(x.train_accuracy, y.train_accuracy);
        expect_same(x.test_loss, y.test_loss);
        expect_same(x.test_accuracy, y.test_accuracy);
        expect_same(x.learning_rate, y.learning_rate);
    }
}

cn_model *training_linear_model(cn_context *context, int inputs, int outputs) {
    cn_model *model;
    cn_layer *layer;
    ck_ok(cn_model_new(context, inputs, 1, 1, &model));
    ck_ok(cn_linear_new(context, inputs, outputs, 1, &layer));
    ck_ok(cn_model_append(model, "fc", layer));
    ck_ok(cn_model_init(model, 0));
    return model;
}

float *training_values(cn_model *model, const char *name) {
    cn_tensor *tensor;
    ck_ok(cn_model_tensor(model, name, &tensor));
    return cn_tensor_data(tensor);
}

float *training_gradients(cn_model *model, const char *name) {
    cn_tensor *tensor;
    ck_ok(cn_model_gradient(model, name, &tensor));
    return cn_tensor_data(tensor);
}

/* ---- callbacks ---- */

int witness_batch(void *user, const cn_batch_info *batch) {
    witness *w = user;
    w->batches++;
    w->last = *batch;
    ck_assert_int_eq(batch->batch, (w->batches - 1) % TRAINING_BATCHES + 1);
    ck_assert_int_eq(batch->batches, TRAINING_BATCHES);
    ck_assert_int_eq(batch->epoch, (w->batches - 1) / TRAINING_BATCHES + 1);
    ck_assert_int_eq(batch->images, batch->batch < TRAINING_BATCHES ? batch->batch * TRAINING_BATCH : TRAINING_COUNT);
    ck_assert_double_gt(batch->loss, 0.0);
    w->mean_rate = ((double)(batch->batch - 1) * w->mean_rate + batch->learning_rate) / (double)batch->batch;
    return w->batches == w->stop_at_batch;
}

int witness_epoch(void *user, const cn_epoch_info *epoch) {
    witness *w = user;
    w->epochs++;
    ck_assert_int_eq(epoch->epoch, w->epochs);
    ck_assert_int_eq(w->batches, w->epochs * TRAINING_BATCHES);
    ck_assert_double_eq(epoch->train_loss, w->last.average_loss);
    ck_assert_double_eq(epoch->train_accuracy, w->last.average_accuracy);
    ck_assert_double_eq_tol(epoch->learning_rate, w->mean_rate, 1e-15);
    return w->epochs == w->stop_at_epoch;
}
