/* SPDX-License-Identifier: MIT */
/* test_step.c: what happens between backward pass and step: clipping against PyTorch, batches that are accumulated, the
 * hook, rates that callbacks set. */
#include "testing.h"
#include "numbers.h"
#include "train/train.h"
#include "training.h"
#include <math.h>

TEST_BOTH_LAYOUTS;

/* ---- clipping ---- */

enum { WEIGHTS = 32, VALUES = 36 }; /* of a linear layer from 8 to 4 */

START_TEST(clipping_is_pytorchs) {
    FILE *file = numbers_open("clip.txt");
    cn_context *ctx = test_context(2);
    cn_model *model = training_linear_model(ctx, 8, 4);
    float *weight = training_gradients(model, "fc.weight"), *bias = training_gradients(model, "fc.bias");
    int cases = 0;
    for (double by_value; numbers_more(file, &by_value); cases++) {
        double most = numbers_next(file), norm;
        for (int i = 0; i < VALUES; i++)
            *(i < WEIGHTS ? &weight[i] : &bias[i - WEIGHTS]) = (float)numbers_next(file);
        ck_ok(cn_model_clip_gradients_norm(model, by_value != 0.0 ? (double)INFINITY : most, &norm));
        if (by_value != 0.0)
            ck_ok(cn_model_clip_gradients_value(model, most));
        double wanted = numbers_next(file);
        ck_assert_double_eq_tol(norm, wanted, 1e-6 * wanted);
        for (int i = 0; i < VALUES; i++) {
            double got = (double)(i < WEIGHTS ? weight[i] : bias[i - WEIGHTS]);
            wanted = numbers_next(file);
            ck_assert_msg(fabs(got - wanted) <= 1e-6 * fabs(wanted), "case %d, gradient %d: %.9g, wanted %.9g", cases,
                          i, got, wanted);
        }
    }
    ck_assert_int_eq(cases, 21);
    cn_model_free(model);
    cn_context_free(ctx);
    fclose(file);
}
END_TEST

START_TEST(gradients_that_are_no_numbers_are_not_clipped_by_their_norm) {
    cn_context *ctx = test_context(1);
    cn_model *model = training_linear_model(ctx, 8, 4);
    float *bias = training_gradients(model, "fc.bias");
    double norm = 0.0;
    bias[0] = NAN, bias[1] = 5.0f;
    ck_fails(cn_model_clip_gradients_norm(model, 1.0, &norm), CN_ERR_NUMERIC, "the norm is nan");
    ck_assert(isnan(norm));
    ck_assert_float_eq(bias[1], 5.0f);
    ck_ok(cn_model_clip_gradients_value(model, 2.0));
    ck_assert(isnan(bias[0]));
    ck_assert_float_eq(bias[1], 2.0f);
    bias[0] = INFINITY;
    ck_fails(cn_model_clip_gradients_norm(model, 1.0, NULL), CN_ERR_NUMERIC, "the norm is inf");
    ck_fails(cn_model_clip_gradients_norm(model, -1.0, NULL), CN_ERR_ARGUMENT, "max_norm is -1");
    ck_fails(cn_model_clip_gradients_value(model, (double)NAN), CN_ERR_ARGUMENT, "max_value is nan");
    ck_fails(cn_model_clip_gradients_norm(NULL, 1.0, NULL), CN_ERR_ARGUMENT, "model is NULL");
    cn_model_free(model);
    cn_context_free(ctx);
}
END_TEST

/* Sums are those of a model that is larger than what one thread takes at a time. */
START_TEST(the_norm_does_not_depend_on_threads) {
    double norms[3];
    for (int threads = 1; threads <= 3; threads++) {
        cn_context *ctx = test_context(threads);
        cn_model *model;
        cn_tensor *tensor;
        ck_ok(cn_model_session8(ctx, NULL, &model));
        for (int64_t t = 0; t < cn_model_tensor_count(model); t++)
            if (cn_model_gradient(model, cn_model_tensor_name(model, t), &tensor) == CN_OK)
                for (int64_t i = 0; i < cn_tensor_count(tensor); i++)
                    ((float *)cn_tensor_data(tensor))[i] = sinf((float)(i + 31 * t));
        ck_ok(cn_model_clip_gradients_norm(model, (double)INFINITY, &norms[threads - 1]));
        cn_model_free(model);
        cn_context_free(ctx);
    }
    ck_assert_double_eq_tol(norms[0], sqrt(47818 / 2.0), 1.0);
    ck_assert_double_eq(norms[1], norms[0]);
    ck_assert_double_eq(norms[2], norms[0]);
}
END_TEST

/* ---- accumulated batches ---- */

/* Images and gradients of outputs that look like nothing in particular. */
static void backward_of(cn_model *model, int64_t first, int64_t count) {
    cn_tensor *images, *output;
    ck_ok(cn_tensor_new(model->ctx, CN_DTYPE_FLOAT32, 4, (int64_t[]){count, 1, TOY_SIDE, TOY_SIDE}, &images));
    ck_ok(cn_tensor_new(model->ctx, CN_DTYPE_FLOAT32, 2, (int64_t[]){count, TOY_CLASSES}, &output));
    for (int64_t i = 0; i < cn_tensor_count(images); i++)
        ((float *)cn_tensor_data(images))[i] = sinf((float)(i + first * TOY_PIXELS));
    ck_ok(cn_model_forward(model, 1, images, output));
    for (int64_t i = 0; i < cn_tensor_count(output); i++)
        ((float *)cn_tensor_data(output))[i] = cosf((float)(i + first * TOY_CLASSES));
    ck_ok(cn_model_backward(model, output, NULL));
    cn_tensor_free(images);
    cn_tensor_free(output);
}

START_TEST(backward_passes_add_to_gradients_when_asked_to) {
    cn_context *ctx = test_context(2);
    cn_model *model = toy_model(ctx, CN_NORM_GROUP, 0.0f), *whole = toy_model(ctx, CN_NORM_GROUP, 0.0f);
    backward_of(whole, 0, 30);
    for (int round = 0; round < 2; round++) { /* the second does not see the first */
        ck_ok(cn_model_accumulate_gradients(model, 0));
        backward_of(model, 0, 17);
        ck_ok(cn_model_accumulate_gradients(model, 1));
        backward_of(model, 17, 5);
        backward_of(model, 22, 8);
        for (size_t i = 0; i < whole->flat_count; i++)
            ck_assert_float_eq_tol(model->gradients[i], whole->gradients[i], 2e-5f);
    }
    ck_ok(cn_model_init(model, 0));
    ck_ok(cn_model_init(whole, 0));
    backward_of(whole, 0, 30);
    backward_of(model, 0, 30);
    backward_of(model, 0, 30); /* replaces */
    ck_assert_mem_eq(model->gradients, whole->gradients, whole->flat_count * sizeof(float));
    ck_fails(cn_model_accumulate_gradients(model, 2), CN_ERR_ARGUMENT, "accumulate is 2, wanted 0 to 1");
    ck_fails(cn_model_accumulate_gradients(NULL, 1), CN_ERR_ARGUMENT, "model is NULL");
    cn_model_free(model);
    cn_model_free(whole);
    cn_context_free(ctx);
}
END_TEST

START_TEST(sums_of_gradients_need_memory_once) {
    counting_allocator counter = {0};
    cn_context *ctx = counting_context(&counter, 2);
    cn_model *model = toy_model(ctx, CN_NORM_GROUP, 0.0f);
    backward_of(model, 0, 4);
    counter.fail_at = counter.calls + 1;
    ck_fails(cn_model_accumulate_gradients(model, 1), CN_ERR_MEMORY, "accumulated gradients");
    backward_of(model, 0, 4); /* as before */
    ck_ok(cn_model_accumulate_gradients(model, 1));
    counter.fail_at = counter.calls + 1;
    ck_ok(cn_model_accumulate_gradients(model, 0));
    ck_ok(cn_model_accumulate_gradients(model, 1));
    ck_fails(cn_model_clip_gradients_norm(model, 1.0, NULL), CN_ERR_MEMORY, "norm of gradients");
    cn_model_free(model);
    cn_context_free(ctx);
    ck_assert_int_eq(counter.live, 0);
}
END_TEST

static void expect_close(cn_model *a, cn_model *b, float tolerance) {
    for (size_t i = 0; i < a->flat_count; i++)
        ck_assert_float_eq_tol(a->parameters[i], b->parameters[i], tolerance);
}

/* 50 images: batches of `small`, so many of which are one of `large`; the epoch's last step has fewer. */
static const struct {
    int small, accumulate, large;
} groups[] = {{10, 2, 20}, {15, 2, 30}, {5, 4, 20}, {7, 50, 50}, {16, 3, 48}};

START_TEST(accumulated_batches_are_one_as_large) {
    training f = training_begin(CN_NORM_GROUP, 0.0f);
    cn_model *twin = toy_model(f.ctx, CN_NORM_GROUP, 0.0f);
    cn_schedule_options schedule;
    training_one_cycle(&schedule);
    f.options.schedule = &schedule;
    f.options.l1 = 1e-3f;
    f.options.ema_decay = 0.9f;
    f.options.batch_size = groups[_i].large;
    cn_trainer *whole = training_trainer(&f, twin);
    f.options.batch_size = groups[_i].small;
    f.options.accumulate = groups[_i].accumulate;
    cn_trainer *parts = training_trainer(&f, f.model);
    ck_ok(cn_trainer_fit(whole, 4, NULL, NULL));
    ck_ok(cn_trainer_fit(parts, 4, NULL, NULL));
    expect_close(f.model, twin, 1e-5f);
    ck_assert_double_eq_tol(training_epoch(parts, 3).train_loss, training_epoch(whole, 3).train_loss, 1e-2);
    ck_assert_double_eq_tol(training_epoch(parts, 3).test_loss, training_epoch(whole, 3).test_loss, 1e-4);
    cn_trainer_free(whole);
    cn_trainer_free(parts);
    cn_model_free(twin);
    training_end(&f);
}
END_TEST

/* Also between two batches that make one step. */
START_TEST(a_run_that_was_stopped_within_a_step_goes_on) {
    training f = training_begin(CN_NORM_BATCH, 0.2f);
    cn_model *twin = toy_model(f.ctx, CN_NORM_BATCH, 0.2f);
    witness w = {.stop_at_batch = _i};
    f.options.accumulate = 2;
    f.options.clip_norm = 0.5f;
    cn_trainer *whole = training_trainer(&f, twin);
    f.options.on_batch = witness_batch;
    f.options.user = &w;
    cn_trainer *broken = training_trainer(&f, f.model);
    ck_ok(cn_trainer_fit(broken, 2, witness_epoch, &w));
    ck_assert_int_eq(w.batches, _i);
    ck_ok(cn_trainer_fit(broken, 2 - w.epochs, witness_epoch, &w));
    ck_ok(cn_trainer_fit(whole, 2, NULL, NULL));
    training_expect_same_history(whole, broken);
    training_end_alike(&f, twin, whole, broken);
}
END_TEST

/* ---- the hook ---- */

typedef struct hook {
    int calls, stop_at;
    double norm; /* of the last gradients */
    bool clips;  /* by hand */
    float spoil; /* NaN or infinity: put into the gradients of call `spoil_at` */
    int spoil_at;
} hook;

static int on_gradient(void *user, cn_model *model, const cn_batch_info *batch) {
    hook *h = user;
    h->calls++;
    ck_assert_int_eq(batch->batch, (h->calls - 1) % TRAINING_BATCHES + 1);
    ck_assert_double_gt(batch->learning_rate, 0.0);
    ck_ok(cn_model_clip_gradients_norm(model, h->clips ? 0.25 : (double)INFINITY, &h->norm));
    if (h->calls == h->spoil_at)
        *training_gradients(model, "conv.bias") = h->spoil;
    return h->calls == h->stop_at;
}

/* Trained with clip_norm or with the hook, which also sees the penalty. */
START_TEST(clipping_by_hand_is_clipping) {
    training f = training_begin(CN_NORM_BATCH, 0.0f);
    cn_model *twin = toy_model(f.ctx, CN_NORM_BATCH, 0.0f);
    hook h = {.clips = true};
    f.options.l1 = 0.01f;
    f.options.clip_norm = 0.25f;
    cn_trainer *clipped = training_trainer(&f, twin);
    f.options.clip_norm = 0.0f;
    f.options.on_gradient = on_gradient;
    f.options.user = &h;
    cn_trainer *by_hand = training_trainer(&f, f.model);
    ck_ok(cn_trainer_fit(clipped, 2, NULL, NULL));
    ck_ok(cn_trainer_fit(by_hand, 2, NULL, NULL));
    ck_assert_int_eq(h.calls, 2 * TRAINING_BATCHES);
    ck_assert_double_gt(h.norm, 0.25);
    training_end_alike(&f, twin, clipped, by_hand);
}
END_TEST

/* So the bits of a penalty stay the same whether somebody looks or not. */
START_TEST(looking_changes_nothing) {
    training f = training_begin(CN_NORM_BATCH, 0.1f);
    cn_model *twin = toy_model(f.ctx, CN_NORM_BATCH, 0.1f);
    hook h = {0};
    f.options.l1 = 0.01f;
    cn_trainer *plain = training_trainer(&f, twin);
    f.options.on_gradient = on_gradient;
    f.options.user = &h;
    f.options.clip_norm = f.options.clip_value = 1e6f;
    cn_trainer *looked_at = training_trainer(&f, f.model);
    ck_ok(cn_trainer_fit(plain, 2, NULL, NULL));
    ck_ok(cn_trainer_fit(looked_at, 2, NULL, NULL));
    training_end_alike(&f, twin, plain, looked_at);
}
END_TEST

START_TEST(the_hook_ends_the_training_after_its_step) {
    training f = training_begin(CN_NORM_NONE, 0.0f);
    hook h = {.stop_at = 2};
    f.options.on_gradient = on_gradient;
    f.options.user = &h;
    cn_trainer *trainer = training_trainer(&f, f.model);
    ck_ok(cn_trainer_fit(trainer, 5, NULL, NULL));
    ck_assert_int_eq(h.calls, 2);
    ck_ok(cn_trainer_fit(trainer, 1, NULL, NULL));
    ck_assert_int_eq(h.calls, TRAINING_BATCHES);
    ck_assert_int_eq(cn_trainer_epoch_count(trainer), 1);
    cn_trainer_free(trainer);
    training_end(&f);
}
END_TEST

/* The batch counts as not seen: with the same gradients next time, all is as if nothing had been. */
START_TEST(gradients_that_are_no_numbers_make_no_step) {
    training f = training_begin(CN_NORM_BATCH, 0.0f);
    cn_model *twin = toy_model(f.ctx, CN_NORM_BATCH, 0.0f);
    hook h = {.spoil = INFINITY, .spoil_at = 2};
    f.options.clip_norm = 0.5f;
    cn_trainer *whole = training_trainer(&f, twin);
    f.options.on_gradient = on_gradient;
    f.options.user = &h;
    cn_trainer *trainer = training_trainer(&f, f.model);
    ck_fails(cn_trainer_fit(trainer, 1, NULL, NULL), CN_ERR_NUMERIC,
             "epoch 1, batch 2: the norm of the gradients is inf");
    h = (hook){.calls = 1};
    ck_ok(cn_trainer_fit(trainer, 1, NULL, NULL));
    ck_ok(cn_trainer_fit(whole, 1, NULL, NULL));
    training_expect_same_history(whole, trainer);
    training_end_alike(&f, twin, whole, trainer);
}
END_TEST

/* ---- rates that callbacks set ---- */

typedef struct rates {
    cn_trainer *trainer;
    double batch[2 * TRAINING_BATCHES];
    int batches;
} rates;

static int set_after_second_batch(void *user, const cn_batch_info *batch) {
    rates *r = user;
    r->batch[r->batches++] = batch->learning_rate;
    if (r->batches == 2)
        ck_ok(cn_trainer_set_learning_rate(r->trainer, 0.5));
    return 0;
}

static int set_after_epoch(void *user, const cn_epoch_info *epoch) {
    rates *r = user;
    ck_ok(cn_trainer_set_learning_rate(r->trainer, 0.125 / (double)epoch->epoch));
    return 0;
}

START_TEST(callbacks_set_the_rate) {
    training f = training_begin(CN_NORM_NONE, 0.0f);
    cn_schedule_options schedule = CN_SCHEDULE_OPTIONS_INIT;
    rates r = {0};
    schedule.kind = CN_SCHEDULE_CONSTANT;
    f.options.schedule = &schedule;
    f.options.on_batch = set_after_second_batch;
    f.options.user = &r;
    r.trainer = training_trainer(&f, f.model);
    ck_ok(cn_trainer_fit(r.trainer, 2, set_after_epoch, &r));
    ck_assert_double_eq(r.batch[1], (double)0.01f);
    ck_assert_double_eq(r.batch[2], 0.5);
    ck_assert_double_eq(r.batch[3], 0.125);
    ck_assert_double_eq(r.batch[5], 0.125);
    ck_assert_double_eq_tol(training_epoch(r.trainer, 0).learning_rate, (0.02 + 0.5) / 3, 1e-9);
    ck_fails(cn_trainer_set_learning_rate(r.trainer, -1.0), CN_ERR_ARGUMENT, "cn_trainer_set_learning_rate: -1");
    ck_fails(cn_trainer_set_learning_rate(r.trainer, (double)NAN), CN_ERR_ARGUMENT, "nan");
    ck_fails(cn_trainer_set_learning_rate(NULL, 1.0), CN_ERR_ARGUMENT, "trainer is NULL");
    cn_trainer_free(r.trainer);
    training_end(&f);
}
END_TEST

START_TEST(what_a_step_cannot_do_is_refused) {
    training f = training_begin(CN_NORM_NONE, 0.0f);
    const cn_trainer_options usual = f.options;
    cn_trainer_options o;
    cn_trainer *trainer;
    o = usual, o.clip_norm = -1.0f;
    ck_fails(cn_trainer_new(f.model, f.train.set, NULL, &o, &trainer), CN_ERR_ARGUMENT, "clip_norm is -1");
    o = usual, o.clip_value = INFINITY;
    ck_fails(cn_trainer_new(f.model, f.train.set, NULL, &o, &trainer), CN_ERR_ARGUMENT, "clip_value is inf");
    o = usual, o.accumulate = 0;
    ck_fails(cn_trainer_new(f.model, f.train.set, NULL, &o, &trainer), CN_ERR_ARGUMENT, "accumulate is 0, wanted 1");
    cn_loss_options sum = CN_LOSS_OPTIONS_INIT;
    sum.kind = CN_LOSS_NLL;
    sum.reduction = CN_REDUCTION_SUM;
    o = usual, o.accumulate = 2, o.loss_count = 1, o.losses = &(const cn_loss_options *const){&sum};
    ck_fails(cn_trainer_new(f.model, f.train.set, NULL, &o, &trainer), CN_ERR_UNSUPPORTED, "but loss 0 is a sum");
    training_end(&f);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("step");
    TCase *group = tcase_create("step");
    tcase_add_test(group, clipping_is_pytorchs);
    tcase_add_test(group, gradients_that_are_no_numbers_are_not_clipped_by_their_norm);
    tcase_add_test(group, the_norm_does_not_depend_on_threads);
    tcase_add_test(group, backward_passes_add_to_gradients_when_asked_to);
    tcase_add_test(group, sums_of_gradients_need_memory_once);
    tcase_add_loop_test(group, accumulated_batches_are_one_as_large, 0, (int)CN__COUNT(groups));
    tcase_add_loop_test(group, a_run_that_was_stopped_within_a_step_goes_on, 1, 2 * TRAINING_BATCHES + 1);
    tcase_add_test(group, clipping_by_hand_is_clipping);
    tcase_add_test(group, looking_changes_nothing);
    tcase_add_test(group, the_hook_ends_the_training_after_its_step);
    tcase_add_test(group, gradients_that_are_no_numbers_make_no_step);
    tcase_add_test(group, callbacks_set_the_rate);
    tcase_add_test(group, what_a_step_cannot_do_is_refused);
    suite_add_tcase(suite, group);
    return test_run(suite);
}
