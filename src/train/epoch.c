/* SPDX-License-Identifier: MIT */
/* epoch.c: one epoch of training: shuffle, batch after batch, then the test data, the schedule and the history. */
#include "train/train.h"
#include <math.h>
#include <string.h>

static double seconds_now(void) {
    return 1e-9 * (double)cn__nanoseconds();
}

/* ---- running statistics, which a batch that fails must not spoil ---- */

static void keep_buffers(const cn_trainer *t) {
    memcpy(t->buffers, t->model->buffers, t->model->buffer_count * sizeof *t->buffers);
    memcpy(t->counters, t->model->counters, t->model->counter_count * sizeof *t->counters);
}

static void restore_buffers(const cn_trainer *t) {
    memcpy(t->model->buffers, t->buffers, t->model->buffer_count * sizeof *t->buffers);
    memcpy(t->model->counters, t->counters, t->model->counter_count * sizeof *t->counters);
}

/* ---- one batch ---- */

static double l1_penalty(const cn_trainer *t) {
    double sum = 0.0;
    if (t->options.l1 == 0.0f)
        return 0.0;
    for (size_t i = 0; i < t->model->tensor_count; i++) {
        const cn_tensor *value = &t->model->tensors[i].value;
        for (int64_t k = 0; cn__model_trains(&t->model->tensors[i]) && k < value->count; k++)
            sum += fabs((double)((const float *)value->data)[k]);
    }
    return sum * (double)t->options.l1;
}

/* `which`: "batch" or "test batch"; `layer`: the first whose output is not finite, or NULL. */
static cn_status not_finite(const cn_trainer *t, const char *layer, const char *which, int64_t batch, double loss) {
    return cn__error(CN_ERR_NUMERIC, "epoch %lld, %s %lld: the loss is %g; %s%s%s", (long long)t->epochs + 1, which,
                     (long long)batch, isnan(loss) ? (double)NAN : loss,
                     layer ? "the first output that is not finite is that of '" : "",
                     layer ? layer : "all outputs are finite", layer ? "'" : "");
}

/* Outputs of the whole batch, and their gradients. */
typedef struct ends {
    const cn__fmap *output[CN__MAX_TARGETS], *gradient[CN__MAX_TARGETS];
} ends;

static ends ends_of(const cn_trainer *t) {
    ends e = {0};
    for (int32_t i = 0; i < t->objective.count; i++) {
        e.output[i] = t->joint ? &t->joint->outputs[i] : cn__plan_output(t->plan, i);
        e.gradient[i] = t->joint ? &t->joint->gradients[i] : cn__plan_output_gradient(t->plan, i);
    }
    return e;
}

static cn_status measure_batch(cn_trainer *t, const ends *e, const cn__pass *pass, int32_t images, double penalty,
                               double *loss) {
    int64_t begun = cn__trace_begin(t->ctx);
    cn_status status = cn__mix_loss(&t->mix, &t->objective, e->output, t->train.targets, images, e->gradient, loss);
    cn__trace_end(t->ctx, begun, (cn_trace_event){.pass = CN_PASS_LOSS});
    if (status != CN_OK)
        return status;
    *loss += penalty;
    if (isfinite(*loss))
        return CN_OK;
    int32_t place = cn__plan_first_nonfinite(t->plan, pass);
    place = t->joint ? cn__joint_first_place(t->joint, place) : place;
    return not_finite(t, cn__plan_place_name(t->plan, place), "batch", t->batch + 1, *loss);
}

/* Images of batch t->batch, or this process's share of them, into a map. */
static cn_status fetch_batch(cn_trainer *t, const cn__pass *pass, const cn__fmap *map) {
    cn__fetch how = {
        .augment = true, .seed = t->options.seed, .epoch = (int64_t)t->epochs + 1, .levels = t->train.levels};
    return cn__feed_fetch(&t->train, t->sampler.order, t->batch * t->train.images, t->joint ? t->joint->share.first : 0,
                          pass->images, &how, map);
}

static void mix_batch(cn_trainer *t, const cn__fmap *map, int32_t images) {
    cn__mix_batch(&t->mix, map, images, t->options.seed, (uint64_t)t->epochs + 1, (uint64_t)t->batch);
}

/* An image may be mixed with one that another process has fetched. */
static cn_status fetch_mixed_with_others(cn_trainer *t, const cn__pass *pass) {
    cn__joint *joint = t->joint;
    cn__fmap own = cn__fmap_block(&joint->input, (size_t)joint->together.first_leaf);
    CN__TRY(cn__joint_inputs(t, fetch_batch(t, pass, &own)));
    mix_batch(t, &joint->input, joint->together.images);
    cn__joint_own_leaves(joint, &joint->input, cn__plan_input(t->plan, 0));
    return CN_OK;
}

static cn_status fetch_and_mix(cn_trainer *t, const cn__pass *pass) {
    const cn__fmap *input = cn__plan_input(t->plan, 0);
    CN__TRY(fetch_batch(t, pass, input));
    mix_batch(t, input, pass->images);
    return CN_OK;
}

/* Forward; also where only this process knows that fetching has failed: others learn of it with the outputs. */
static cn_status find_outputs(cn_trainer *t, const cn__pass *pass) {
    bool mixed = t->joint && t->joint->input.data;
    cn_status status = mixed ? fetch_mixed_with_others(t, pass) : fetch_and_mix(t, pass);
    if (!t->joint || mixed)
        CN__TRY(status);
    cn__plan_prepare(t->plan);
    cn_status forward = cn__plan_forward(t->plan, pass);
    status = status == CN_OK ? forward : status;
    return t->joint ? cn__joint_outputs(t, status) : status;
}

/* Through the network and back with batch t->batch, of so many images; the mean loss. */
static cn_status run_batch(cn_trainer *t, const cn__pass *pass, int32_t images, double *loss) {
    double penalty = l1_penalty(t);
    CN__TRY(find_outputs(t, pass));
    ends e = ends_of(t);
    CN__TRY(measure_batch(t, &e, pass, images, penalty, loss));
    cn__objective_count(&t->objective, e.output, t->train.targets, images);
    t->penalty += penalty * images;
    t->images += images;
    return t->joint ? cn__joint_backward(t, pass) : cn__plan_backward(t->plan, pass);
}

/* The gradient of batch t->batch. */
static cn_status find_gradient(cn_trainer *t, double *loss) {
    int64_t left = t->count - t->batch * t->train.images;
    int32_t images = left < t->train.images ? (int32_t)left : t->train.images;
    cn__pass pass = {.images = images,
                     .training = true,
                     .seed = t->options.seed,
                     .step = (uint32_t)t->epochs + 1,
                     .image = t->train.place};
    if (t->joint) {
        cn__joint_begin(t->joint, images);
        pass.together = &t->joint->together;
        pass.images = t->joint->share.images;
        pass.image += t->joint->share.first;
    }
    pass.blocks = (pass.images + CN__LANES - 1) / CN__LANES;
    return run_batch(t, &pass, images, loss);
}

static double mean_loss(const cn_trainer *t) {
    return cn__objective_mean(&t->objective) + t->penalty / (double)t->images;
}

static cn_batch_info describe_batch(const cn_trainer *t, int64_t batch, double loss) {
    const cn__metrics *metrics = t->objective.metrics;
    cn_metric metric = cn__metrics_main(metrics);
    return (cn_batch_info){.size = sizeof(cn_batch_info),
                           .epoch = (int64_t)t->epochs + 1,
                           .batch = batch,
                           .batches = t->batches,
                           .images = t->images,
                           .loss = loss,
                           .average_loss = mean_loss(t),
                           .average_accuracy = cn__metrics_value(metrics, CN_METRIC_ACCURACY, -1),
                           .learning_rate = cn_optimizer_learning_rate(t->optimizer),
                           .seconds = t->seconds,
                           .average_metric = cn__metrics_value(metrics, metric, -1),
                           .metric = metric,
                           .average_learning_rate = t->mean_rate};
}

/* What goes wrong before a process has met the others in a batch would leave them waiting. */
static cn_status alone(const cn_trainer *t, cn_status status) {
    return status != CN_OK && t->joint ? cn__joint_break(t->joint, status) : status;
}

/* The gradient, and a step, unless other batches belong to it. */
static cn_status train_on_batch(cn_trainer *t, double *loss, bool *stop) {
    CN__TRY(alone(t, cn__trainer_plan(t)));
    CN__TRY(find_gradient(t, loss));
    double rate = cn_optimizer_learning_rate(t->optimizer);
    t->mean_rate += (rate - t->mean_rate) / (double)(t->batch + 1); /* exact where all are the same */
    int64_t begun = cn__trace_begin(t->ctx);
    cn_batch_info batch = describe_batch(t, t->batch + 1, *loss);
    cn_status status = cn__trainer_step(t, &batch, stop);
    cn__trace_end(t->ctx, begun, (cn_trace_event){.pass = CN_PASS_UPDATE});
    return status;
}

/* With other processes `*stop` may come before the batch, which then is as if it had not been seen. */
static cn_status train_batch(cn_trainer *t, double *loss, bool *stop) {
    double rate, penalty = t->penalty, mean_rate = t->mean_rate;
    int64_t images = t->images, step = (int64_t)t->epochs * t->schedule.steps + t->batch / t->options.accumulate;
    CN__TAKES_OR(t->model, return alone(t, cn__model_is_taken("cn_trainer_fit")));
    CN__TRY(alone(t, cn__schedule_step(&t->schedule, step, &rate)));
    CN__TRY(alone(t, cn_optimizer_set_learning_rate(t->optimizer, rate)));
    cn__objective_keep(&t->objective);
    keep_buffers(t);
    cn_status status = train_on_batch(t, loss, stop);
    if (status != CN_OK) { /* as if it had not been seen */
        cn__objective_restore(&t->objective);
        restore_buffers(t);
        t->penalty = penalty;
        t->images = images;
        t->mean_rate = mean_rate;
        *stop = t->joint && t->joint->stopped;
        return *stop ? CN_OK : status;
    }
    cn__rate_line_batch(&t->rates, (int64_t)t->epochs, t->batch, t->batches, rate);
    t->batch++;
    return CN_OK;
}

/* ---- all batches ---- */

static bool report_batch(const cn_trainer *t, double loss) {
    cn_batch_info batch = describe_batch(t, t->batch, loss);
    CN__IN_HOSTS_MODE;
    return t->options.on_batch && t->options.on_batch(t->options.user, &batch) != 0;
}

/* A callback's wish; what other processes are told of comes true when they have been. */
static void ask_for_stop(const cn_trainer *t, bool wanted, bool *stop) {
    if (t->joint)
        t->joint->wants_stop |= wanted;
    *stop = wanted && !t->joint;
}

cn_status cn__trainer_run_batch(cn_trainer *trainer, double *loss, bool *stop) {
    cn_trainer *t = trainer;
    double start = seconds_now() - t->seconds;
    int64_t before = t->batch;
    bool within = t->within_batch;
    t->within_batch = true;
    cn_status status = train_batch(t, loss, stop);
    t->within_batch = within;
    if (status != CN_OK || t->batch == before)
        return status;
    t->seconds = seconds_now() - start;
    ask_for_stop(t, report_batch(t, *loss) || *stop, stop);
    return CN_OK;
}

static cn_status train_batches(cn_trainer *t, bool *stop) {
    double loss;
    while (t->batch < t->batches && !*stop)
        CN__TRY(cn__trainer_run_batch(t, &loss, stop));
    return t->joint && t->batch == t->batches ? cn__joint_end_epoch(t, stop) : CN_OK;
}

/* ---- the test data ---- */

static cn_status test_batch(void *argument, int64_t first, int32_t images) {
    cn_trainer *t = argument;
    const cn__fmap *outputs[CN__MAX_TARGETS];
    double loss;
    for (int32_t i = 0; i < t->measured.count; i++)
        outputs[i] = &t->test.outputs[i];
    CN__TRY(cn__objective_loss(&t->measured, outputs, t->test.targets, images, NULL, &loss));
    cn__objective_count(&t->measured, outputs, t->test.targets, images);
    if (isfinite(loss))
        return CN_OK;
    return not_finite(t, cn__feed_first_nonfinite(&t->test, t->testing, first, images), "test batch",
                      first / t->test.images + 1, loss);
}

static cn_status test(cn_trainer *t) {
    if (!t->testing)
        return CN_OK;
    CN__TAKES_OR(t->model, return alone(t, cn__model_is_taken("cn_trainer_fit")));
    cn__objective_clear(&t->measured);
    cn__inference_prepare(t->testing);
    if (!t->joint)
        return cn__feed_all(&t->test, t->testing, NULL, test_batch, t);
    bool joins = cn__model_joins_images(t->model); /* then each process runs all */
    cn_status status = cn__feed_all(&t->test, t->testing, joins ? NULL : &t->joint->group, test_batch, t);
    return joins ? cn__group_agree(&t->joint->group, status) : status;
}

/* ---- the epoch ---- */

void cn__trainer_begin_epoch(cn_trainer *trainer) {
    cn_trainer *t = trainer;
    cn__sampler_epoch(&t->sampler, t->options.seed, (uint64_t)t->epochs + 1);
    cn__objective_clear(&t->objective);
    t->batch = 0;
    t->images = 0;
    t->penalty = 0.0;
    t->mean_rate = 0.0;
    t->seconds = 0.0;
}

static double metric_of(const cn__objective *objective, int32_t output, cn_metric metric) {
    return objective->count > 0 ? cn__metrics_value(&objective->metrics[output], metric, -1) : (double)NAN;
}

static cn_output_info describe_output(const cn_trainer *t, int32_t i) {
    cn_metric metric = cn__metrics_main(&t->objective.metrics[i]);
    return (cn_output_info){.size = sizeof(cn_output_info),
                            .train_loss = cn__objective_mean_of(&t->objective, i),
                            .train_metric = metric_of(&t->objective, i, metric),
                            .test_loss = t->testing ? cn__objective_mean_of(&t->measured, i) : (double)NAN,
                            .test_metric = metric_of(&t->measured, i, metric),
                            .metric = metric};
}

static cn_epoch_info describe_epoch(const cn_trainer *t, const cn_output_info *first, double seconds) {
    return (cn_epoch_info){.size = sizeof(cn_epoch_info),
                           .epoch = (int64_t)t->epochs + 1,
                           .train_loss = mean_loss(t),
                           .train_accuracy = metric_of(&t->objective, 0, CN_METRIC_ACCURACY),
                           .test_loss = t->testing ? cn__objective_mean(&t->measured) : (double)NAN,
                           .test_accuracy = metric_of(&t->measured, 0, CN_METRIC_ACCURACY),
                           .learning_rate = t->mean_rate,
                           .seconds = seconds,
                           .images_per_second = (double)t->images / t->seconds,
                           .train_metric = first->train_metric,
                           .test_metric = first->test_metric,
                           .metric = first->metric};
}

cn_status cn__trainer_grow_history(cn_trainer *trainer) {
    cn_trainer *t = trainer;
    size_t outputs = (size_t)t->objective.count;
    CN__TRY(cn__grow(t->ctx, (void **)&t->history, &t->capacity, t->epochs, sizeof *t->history));
    CN__TRY(cn__rate_line_grow(&t->rates, t->ctx));
    return cn__grow(t->ctx, (void **)&t->outputs, &t->output_capacity, t->epochs, outputs * sizeof *t->outputs);
}

cn_status cn__trainer_run_epoch(cn_trainer *trainer, cn_epoch_function on_epoch, void *user, bool *stop) {
    cn_trainer *t = trainer;
    CN__TRY(alone(t, cn__trainer_grow_history(t)));
    if (t->batch == 0)
        cn__trainer_begin_epoch(t);
    cn__average_show(&t->average, false);
    CN__TRY(train_batches(t, stop));
    if (*stop)
        return CN_OK;
    double start = seconds_now();
    cn__average_show(&t->average, true);
    t->within_batch = true;
    cn_status status = test(t);
    t->within_batch = false;
    CN__TRY(status);
    cn_output_info *outputs = &t->outputs[t->epochs * (size_t)t->objective.count];
    for (int32_t i = 0; i < t->objective.count; i++)
        outputs[i] = describe_output(t, i);
    cn_epoch_info epoch = describe_epoch(t, outputs, t->seconds + seconds_now() - start);
    cn__schedule_epoch(&t->schedule, epoch.epoch, t->testing ? epoch.test_loss : epoch.train_loss);
    t->history[t->epochs++] = epoch;
    t->batch = 0;
    CN__IN_HOSTS_MODE;
    ask_for_stop(t, on_epoch && on_epoch(user, &epoch) != 0, stop);
    return CN_OK;
}
