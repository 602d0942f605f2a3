/* SPDX-License-Identifier: MIT */
/* trainer.c: makes a trainer: checks that model, data and options fit, and allocates all that training needs. */
#include "train/train.h"
#include <float.h>
#include <math.h>
#include <stdio.h>

/* ---- options ---- */

static cn_status check_batch(const char *name, int value) {
    if (value < 1 || value > CN__MAX_BATCH)
        return cn__error(CN_ERR_ARGUMENT, "cn_trainer_options: %s is %d, wanted 1 to %d", name, value, CN__MAX_BATCH);
    return CN_OK;
}

static cn_status check_not_negative(const char *name, float value) {
    if (value >= 0.0f && isfinite(value))
        return CN_OK;
    return cn__error(CN_ERR_ARGUMENT, "cn_trainer_options: %s is %g, wanted 0 or more", name, (double)value);
}

static cn_status read_options(cn_trainer *t, const cn_trainer_options *options) {
    cn_trainer_options *o = &t->options;
    *o = (cn_trainer_options)CN_TRAINER_OPTIONS_INIT;
    CN__TRY(
        cn__options_read(o, sizeof *o, offsetof(cn_trainer_options, local_batch_norm), options, "cn_trainer_options"));
    CN__TRY(cn__check_reserved("cn_trainer_options", o->reserved == 0));
    CN__TRY(cn__check_range("cn_trainer_options", "local_batch_norm", o->local_batch_norm, 0, 1));
    CN__TRY(check_batch("batch_size", o->batch_size));
    CN__TRY(check_batch("test_batch_size", o->test_batch_size));
    CN__TRY(check_not_negative("l1", o->l1));
    if (!(o->ema_decay >= 0.0f && o->ema_decay < 1.0f))
        return cn__error(CN_ERR_ARGUMENT, "cn_trainer_options: ema_decay is %g, wanted 0 to below 1",
                         (double)o->ema_decay);
    CN__TRY(cn__check_range("cn_trainer_options", "ema_warmup", o->ema_warmup, 0, 1));
    CN__TRY(check_batch("accumulate", o->accumulate));
    CN__TRY(check_not_negative("clip_value", o->clip_value));
    CN__TRY(check_not_negative("clip_norm", o->clip_norm));
    CN__TRY(check_not_negative("mixup_alpha", o->mixup_alpha));
    return check_not_negative("cutmix_alpha", o->cutmix_alpha);
}

/* ---- what a model learns of its data: class names, and what to do with 8-bit pixels ---- */

#define MAX_NUMBER 12 /* bytes of an output's number as text */

/* Outputs for which there is no class in the data are called by their numbers. */
static cn_status tell_class_names(cn_model *model, const cn_dataset *data) {
    int64_t outputs = cn__model_shape(model, cn__model_output_node(model, 0)).channels;
    int64_t classes = cn_dataset_classes(data);
    const char **names = cn__alloc(model->ctx, (size_t)outputs, sizeof *names + MAX_NUMBER);
    if (!names)
        return cn__no_memory("class names");
    char *number = (char *)(names + outputs);
    for (int64_t i = 0; i < outputs; i++, number += MAX_NUMBER) {
        snprintf(number, MAX_NUMBER, "%d", (int)i);
        names[i] = i < classes ? cn_dataset_class_name(data, i) : number;
    }
    cn_status status = cn_model_set_class_names(model, outputs, names);
    cn__free(model->ctx, names);
    return status;
}

/* What 8-bit images are normalised with: a model that does not know takes it over from those it is trained on. */
static cn__normalization normalization(const cn_model *model, const cn_dataset *train) {
    if (!model->mean && cn__dataset_is_8bit(train))
        return cn__dataset_normalization(train);
    return (cn__normalization){model->mean, model->std};
}

static cn_status tell_model(cn_model *model, const cn__normalization *known, const cn_dataset *data) {
    if (!model->mean && known->mean)
        CN__TRY(cn_model_set_normalization(model, model->input.channels, known->mean, known->std));
    bool classes = cn__target_is_classes(cn__dataset_target(data, 0));
    return model->class_count > 0 || !classes ? CN_OK : tell_class_names(model, data);
}

/* ---- the handle ---- */

static cn_status check_fit(const cn_model *model, const cn__normalization *known, const cn_dataset *train,
                           const cn_dataset *test) {
    CN__TRY(cn__feed_check(model, known, train, false, "cn_trainer_new", "the training data"));
    if (cn_dataset_count(train) > UINT32_MAX)
        return cn__error(CN_ERR_ARGUMENT, "cn_trainer_new: %lld training images, wanted at most %lu",
                         (long long)cn_dataset_count(train), (unsigned long)UINT32_MAX);
    return test ? cn__feed_check(model, known, test, false, "cn_trainer_new", "the test data") : CN_OK;
}

cn_status cn__trainer_plan(cn_trainer *t) {
    cn__plan *plan;
    if (t->plan && cn__plan_is_current(t->plan))
        return CN_OK;
    cn__plan_options options = {.images = t->joint ? t->joint->most_images : t->train.images,
                                .batch = t->train.images,
                                .part = t->joint != NULL,
                                .training = true,
                                .bypassed = t->objective.bypassed};
    CN__TRY(cn__plan_new(t->model, &options, &plan));
    cn__plan_free(t->plan);
    t->plan = plan;
    return t->joint ? cn__joint_bind(t) : CN_OK;
}

static cn_status make_plans(cn_trainer *t, const cn__normalization *known, const cn_dataset *train,
                            const cn_dataset *test) {
    CN__TRY(cn__feed_init(&t->train, t->ctx, known, train, t->options.batch_size));
    if (t->joint)
        CN__TRY(cn__joint_make(t));
    CN__TRY(cn__trainer_plan(t));
    if (!test)
        return CN_OK;
    CN__TRY(cn__feed_init(&t->test, t->ctx, known, test, t->options.test_batch_size));
    CN__TRY(cn__feed_outputs(&t->test, t->model, (cn__variants){0}));
    bool nchw16c = cn__plan_tests_nchw16c(t->model);
    cn__inference_options options = {
        .images = t->test.images, .bypassed = t->measured.bypassed, .nchw16c = nchw16c, .ends = nchw16c};
    return cn__inference_new(t->model, &options, &t->testing);
}

/* It may be smaller than all others, and would fail only when the first epoch is nearly over. */
static cn_status check_last_batch(const cn_trainer *t) {
    char why[256];
    int32_t images = (int32_t)(t->count - (t->batches - 1) * t->train.images);
    if (cn__plan_check_batch(t->plan, images) == CN_OK)
        return CN_OK;
    snprintf(why, sizeof why, "%s", cn_last_error());
    return cn__error(CN_ERR_SHAPE,
                     "cn_trainer_new: an epoch's last batch has %d of %lld images: %s; wanted batches of another size",
                     images, (long long)t->count, why);
}

/* What steps need beside the optimizer. */
static cn_status make_step_memory(cn_trainer *t) {
    bool accumulates = t->options.accumulate > 1, clips = t->options.clip_norm > 0.0f;
    for (int32_t i = 0; i < t->objective.count; i++)
        if (accumulates && t->objective.losses[i].options.reduction != CN_REDUCTION_MEAN)
            return cn__error(
                CN_ERR_UNSUPPORTED,
                "cn_trainer_options: accumulate is %d, which takes the mean over batches, but loss %d is a sum",
                t->options.accumulate, (int)i);
    if (accumulates)
        t->gradient_sum = cn__alloc(t->ctx, t->model->flat_count + 1, sizeof *t->gradient_sum);
    if (clips)
        t->norm_sums = cn__alloc(t->ctx, cn__gradient_pieces(t->model) + 1, sizeof *t->norm_sums);
    bool missing = (accumulates && !t->gradient_sum) || (clips && !t->norm_sums);
    return missing ? cn__no_memory("a trainer's gradients") : CN_OK;
}

static cn_status make_objectives(cn_trainer *t, const cn_dataset *train, const cn_dataset *test) {
    cn__asked_losses asked = {t->options.loss_count, t->options.losses, t->options.loss, t->options.label_smoothing};
    CN__TRY(cn__objective_init(&t->objective, t->model, train, &asked, t->options.batch_size, false,
                               "cn_trainer_options", "cn_trainer_new"));
    if (!test)
        return CN_OK;
    return cn__objective_init(&t->measured, t->model, test, &asked, t->options.test_batch_size, false,
                              "cn_trainer_options", "cn_trainer_new: the test data");
}

static cn_status make_mix(cn_trainer *t, const cn_dataset *train) {
    const cn_trainer_options *o = &t->options;
    int32_t images = t->train.images;
    CN__TRY(cn__mix_init(&t->mix, t->ctx, t->model->input, images, o->mixup_alpha, o->cutmix_alpha));
    return cn__mix_init_loss(&t->mix, t->model, train, images);
}

static cn_status make(cn_trainer *t, const cn_dataset *train, const cn_dataset *test) {
    cn__normalization known = normalization(t->model, train);
    CN__TRY(check_fit(t->model, &known, train, test));
    CN__TRY(make_objectives(t, train, test));
    CN__TRY(cn_optimizer_new(t->model, t->options.optimizer, &t->optimizer));
    CN__TRY(make_plans(t, &known, train, test));
    t->count = cn_dataset_count(train);
    t->batches = (t->count + t->train.images - 1) / t->train.images;
    CN__TRY(check_last_batch(t));
    int64_t steps = (t->batches + t->options.accumulate - 1) / t->options.accumulate;
    CN__TRY(cn__schedule_init(&t->schedule, t->options.schedule, cn_optimizer_learning_rate(t->optimizer), steps));
    CN__TRY(cn__sampler_init(&t->sampler, t->ctx, t->count, t->options.sample_weights));
    t->options.optimizer = NULL; /* the caller's, and read by now */
    t->options.schedule = NULL;
    t->options.sample_weights = NULL;
    t->options.losses = NULL;
    t->frozen = cn__alloc(t->ctx, cn__model_flag_count(t->model), 1);
    t->buffers = cn__alloc(t->ctx, t->model->buffer_count + 1, sizeof *t->buffers);
    t->counters = cn__alloc(t->ctx, t->model->counter_count + 1, sizeof *t->counters);
    if (!t->frozen || !t->buffers || !t->counters)
        return cn__no_memory("a trainer");
    cn__model_frozen_flags(t->model, t->frozen);
    CN__TRY(make_step_memory(t));
    CN__TRY(make_mix(t, train));
    CN__TRY(cn__average_init(&t->average, t->model, t->options.ema_decay, t->options.ema_warmup != 0));
    CN__TRY(cn__trainer_grow_history(t));
    return tell_model(t->model, &known, train);
}

/* Everything but what other ranks have to say. `*trainer` is there even if its making has failed, unless it is NULL. */
static cn_status make_trainer(cn_model *model, const cn_dataset *train, const cn_dataset *test,
                              const cn_trainer_options *options, cn_trainer **trainer) {
    cn_trainer *made = *trainer = cn__alloc(model->ctx, 1, sizeof *made);
    if (!made)
        return cn__no_memory("a trainer");
    made->ctx = model->ctx;
    made->model = model;
    cn_status status = read_options(made, options);
    if (made->options.communicator) {
        cn_status joined = cn__joint_new(made, made->options.communicator);
        status = status == CN_OK ? joined : status;
    }
    made->options.communicator = NULL; /* the caller's */
    return status == CN_OK ? make(made, train, test) : status;
}

cn_status cn_trainer_new(cn_model *model, const cn_dataset *train, const cn_dataset *test,
                         const cn_trainer_options *options, cn_trainer **trainer) {
    CN__COMPUTES;
    cn_trainer *made;
    CN__REQUIRE(trainer);
    *trainer = NULL;
    CN__TRY(cn__model_ready(model, "cn_trainer_new"));
    CN__REQUIRE(train);
    cn_status status = make_trainer(model, train, test, options, &made);
    if (made && made->joint)
        status = cn__joint_meet(made, status);
    if (status != CN_OK) {
        cn_trainer_free(made);
        return status;
    }
    *trainer = made;
    return CN_OK;
}

cn_status cn_trainer_memory(const cn_model *model, const cn_dataset *train, const cn_dataset *test,
                            const cn_trainer_options *options, size_t *bytes) {
    CN__COMPUTES;
    cn_context counting;
    cn_model view;
    cn_trainer *made;
    CN__REQUIRE(bytes);
    *bytes = 0;
    CN__TRY(cn__model_ready(model, "cn_trainer_memory"));
    CN__REQUIRE(train);
    CN__READS(model);
    cn__context_counting(model->ctx, &counting);
    cn__model_view(model, &counting, &view);
    cn_status status = make_trainer(&view, train, test, options, &made);
    cn_trainer_free(made);
    cn__model_drop_view(model, &view);
    *bytes = status == CN_OK ? counting.peak : 0;
    return status;
}

void cn_trainer_free(cn_trainer *trainer) {
    if (!trainer)
        return;
    cn_context *ctx = trainer->ctx;
    if (trainer->running) {
        cn__log(ctx, CN_LOG_WARNING, "cn_trainer_free: the trainer stays, since its cn_trainer_fit has not returned");
        return;
    }
    cn__plan_free(trainer->plan);
    cn__inference_free(trainer->testing);
    cn__feed_drop(&trainer->train);
    cn__feed_drop(&trainer->test);
    cn__objective_drop(&trainer->objective);
    cn__objective_drop(&trainer->measured);
    cn_optimizer_free(trainer->optimizer);
    cn__sampler_drop(&trainer->sampler);
    cn__mix_drop(&trainer->mix);
    cn__free(ctx, trainer->frozen);
    cn__free(ctx, trainer->buffers);
    cn__free(ctx, trainer->counters);
    cn__free(ctx, trainer->gradient_sum);
    cn__free(ctx, trainer->norm_sums);
    cn__average_drop(&trainer->average);
    cn__joint_free(trainer->joint);
    cn__free(ctx, trainer->history);
    cn__free(ctx, trainer->outputs);
    cn__free(ctx, trainer->rates.corners);
    cn__free(ctx, trainer);
}

cn_status cn_trainer_fit(cn_trainer *trainer, int64_t epochs, cn_epoch_function on_epoch, void *user) {
    CN__COMPUTES;
    bool stop = false;
    CN__REQUIRE(trainer);
    if (epochs < 0 || epochs > INT32_MAX)
        return cn__error(CN_ERR_ARGUMENT, "cn_trainer_fit: %lld epochs, wanted 0 to %d", (long long)epochs, INT32_MAX);
    if (atomic_exchange(&trainer->running, true))
        return cn__error(CN_ERR_STATE,
                         "cn_trainer_fit: called while it runs, by one of its callbacks or another thread");
    cn_status status = trainer->joint ? cn__joint_start(trainer, epochs) : CN_OK;
    if (status == CN_OK)
        cn__schedule_begin(&trainer->schedule, (int)epochs);
    for (int64_t i = 0; i < epochs && !stop && status == CN_OK; i++)
        status = cn__trainer_run_epoch(trainer, on_epoch, user, &stop);
    cn__average_show(&trainer->average, true);
    trainer->running = false;
    return status;
}

cn_status cn_trainer_set_learning_rate(cn_trainer *trainer, double learning_rate) {
    CN__COMPUTES;
    CN__REQUIRE(trainer);
    if (!(learning_rate >= 0.0 && learning_rate <= (double)FLT_MAX))
        return cn__error(CN_ERR_ARGUMENT, "cn_trainer_set_learning_rate: %g, wanted 0 to %g", learning_rate,
                         (double)FLT_MAX);
    return cn__schedule_set_rate(&trainer->schedule, learning_rate);
}

int64_t cn_trainer_epoch_count(const cn_trainer *trainer) {
    return trainer ? (int64_t)cn__trainer_recorded(trainer) : 0;
}

cn_status cn_trainer_epoch_info(const cn_trainer *trainer, int64_t index, cn_epoch_info *epoch) {
    CN__REQUIRE(trainer);
    CN__REQUIRE(epoch);
    if (index < 0 || index >= cn_trainer_epoch_count(trainer))
        return cn__error(CN_ERR_NOT_FOUND, "cn_trainer_epoch_info: index %lld, the history has %lld epochs",
                         (long long)index, (long long)cn_trainer_epoch_count(trainer));
    return cn__struct_write(epoch, &trainer->history[index], sizeof *epoch, sizeof *epoch, "cn_epoch_info");
}

cn_status cn_trainer_output_info(const cn_trainer *trainer, int64_t index, int64_t output, cn_output_info *info) {
    CN__REQUIRE(trainer);
    CN__REQUIRE(info);
    int64_t outputs = trainer->objective.count;
    if (index < 0 || index >= cn_trainer_epoch_count(trainer) || output < 0 || output >= outputs)
        return cn__error(CN_ERR_NOT_FOUND,
                         "cn_trainer_output_info: epoch %lld, output %lld, the history has %lld epochs of %lld outputs",
                         (long long)index, (long long)output, (long long)cn_trainer_epoch_count(trainer),
                         (long long)outputs);
    return cn__struct_write(info, &trainer->outputs[index * outputs + output], sizeof *info, sizeof *info,
                            "cn_output_info");
}
