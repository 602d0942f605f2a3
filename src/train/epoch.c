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
    for (size_t i = 0; i < t->model->flat_count; i++)
        sum += fabs((double)t->model->parameters[i]);
    return sum * (double)t->options.l1;
}

/* `which`: "batch" or "test batch"; `layer`: the first whose output is not finite, or NULL. */
static cn_status not_finite(const cn_trainer *t, const char *layer, const char *which, int64_t batch, double loss) {
    return cn__error(CN_ERR_NUMERIC, "epoch %lld, %s %lld: the loss is %g; %s%s%s", (long long)t->epochs + 1, which,
                     (long long)batch, isnan(loss) ? (double)NAN : loss,
                     layer ? "the first output that is not finite is that of '" : "",
                     layer ? layer : "all outputs are finite", layer ? "'" : "");
}

/* Through the network and back; the mean loss. */
static cn_status run_batch(cn_trainer *t, const cn__pass *pass, double *loss) {
    cn__tally tally = t->tally;
    double penalty = l1_penalty(t);
    cn__plan_prepare(t->plan);
    CN__TRY(cn__plan_forward(t->plan, pass));
    int64_t begun = cn__trace_begin(t->ctx);
    *loss = penalty + cn__loss_batch(&t->loss_spec, cn__plan_output(t->plan, 0), t->train.label, pass->images,
                                     cn__plan_output_gradient(t->plan, 0), &tally);
    cn__trace_end(t->ctx, begun, (cn_trace_event){.pass = CN_PASS_LOSS});
    if (!isfinite(*loss))
        return not_finite(t, cn__plan_first_nonfinite(t->plan, pass), "batch", t->batch + 1, *loss);
    CN__TRY(cn__plan_backward(t->plan, pass));
    tally.loss += penalty * pass->images;
    t->tally = tally;
    return CN_OK;
}

/* Images of batch t->batch, and their gradient. */
static cn_status find_gradient(cn_trainer *t, double *loss) {
    int64_t first = t->batch * t->train.images, left = t->count - first;
    cn__fetch how = {
        .augment = true, .seed = t->options.seed, .epoch = (int64_t)t->epochs + 1, .levels = t->train.levels};
    cn__pass pass = {.images = left < t->train.images ? (int32_t)left : t->train.images,
                     .training = true,
                     .seed = t->options.seed,
                     .step = (uint32_t)t->epochs + 1,
                     .image = t->train.place};
    pass.blocks = (pass.images + CN__LANES - 1) / CN__LANES;
    CN__TRY(cn__feed_fetch(&t->train, t->sampler.order, first, pass.images, &how, cn__plan_input(t->plan, 0)));
    keep_buffers(t);
    cn_status status = run_batch(t, &pass, loss);
    if (status != CN_OK)
        restore_buffers(t);
    return status;
}

static cn_batch_info describe_batch(const cn_trainer *t, int64_t batch, double loss) {
    double images = (double)t->tally.images;
    return (cn_batch_info){.size = sizeof(cn_batch_info),
                           .epoch = (int64_t)t->epochs + 1,
                           .batch = batch,
                           .batches = t->batches,
                           .images = t->tally.images,
                           .loss = loss,
                           .average_loss = t->tally.loss / images,
                           .average_accuracy = (double)t->tally.correct / images,
                           .learning_rate = cn_optimizer_learning_rate(t->optimizer),
                           .seconds = t->seconds};
}

static cn_status train_batch(cn_trainer *t, double *loss, bool *stop) {
    double rate;
    CN__TRY(cn__schedule_step(&t->schedule, (int64_t)t->epochs * t->schedule.steps + t->batch / t->options.accumulate,
                              &rate));
    CN__TRY(cn_optimizer_set_learning_rate(t->optimizer, rate));
    cn__tally tally = t->tally;
    CN__TRY(find_gradient(t, loss));
    int64_t begun = cn__trace_begin(t->ctx);
    cn_batch_info batch = describe_batch(t, t->batch + 1, *loss);
    cn_status status = cn__trainer_step(t, &batch, stop);
    cn__trace_end(t->ctx, begun, (cn_trace_event){.pass = CN_PASS_UPDATE});
    if (status != CN_OK) { /* as if it had not been seen */
        t->tally = tally;
        restore_buffers(t);
        return status;
    }
    t->batch++;
    t->mean_rate += (rate - t->mean_rate) / (double)t->batch; /* exact where all are the same */
    return CN_OK;
}

/* ---- all batches ---- */

static bool report_batch(const cn_trainer *t, double loss) {
    cn_batch_info batch = describe_batch(t, t->batch, loss);
    return t->options.on_batch && t->options.on_batch(t->options.user, &batch) != 0;
}

static cn_status train_batches(cn_trainer *t, bool *stop) {
    double start = seconds_now() - t->seconds, loss;
    while (t->batch < t->batches && !*stop) {
        CN__TRY(train_batch(t, &loss, stop));
        t->seconds = seconds_now() - start;
        *stop = report_batch(t, loss) || *stop;
    }
    return CN_OK;
}

/* ---- the test data ---- */

typedef struct test_pass {
    cn_trainer *trainer;
    cn__tally tally;
} test_pass;

static cn_status test_batch_size(void *argument, int64_t first, int32_t images) {
    test_pass *pass = argument;
    cn_trainer *t = pass->trainer;
    double loss = cn__loss_batch(&t->loss_spec, &t->test.outputs, t->test.label, images, NULL, &pass->tally);
    if (isfinite(loss))
        return CN_OK;
    return not_finite(t, cn__feed_first_nonfinite(&t->test, t->testing, first, images), "test batch",
                      first / t->test.images + 1, loss);
}

static cn_status test(cn_trainer *t, double *loss, double *accuracy) {
    test_pass pass = {.trainer = t};
    *loss = *accuracy = NAN;
    if (!t->testing)
        return CN_OK;
    cn__inference_prepare(t->testing);
    CN__TRY(cn__feed_all(&t->test, t->testing, test_batch_size, &pass));
    *loss = pass.tally.loss / (double)pass.tally.images;
    *accuracy = (double)pass.tally.correct / (double)pass.tally.images;
    return CN_OK;
}

/* ---- the epoch ---- */

static void begin_epoch(cn_trainer *t) {
    cn__sampler_epoch(&t->sampler, t->options.seed, (uint64_t)t->epochs + 1);
    t->tally = (cn__tally){0};
    t->mean_rate = 0.0;
    t->seconds = 0.0;
}

cn_status cn__trainer_run_epoch(cn_trainer *trainer, cn_epoch_function on_epoch, void *user, bool *stop) {
    cn_trainer *t = trainer;
    CN__TRY(cn__grow(t->ctx, (void **)&t->history, &t->capacity, t->epochs, sizeof *t->history));
    if (t->batch == 0)
        begin_epoch(t);
    cn__average_show(&t->average, false);
    CN__TRY(train_batches(t, stop));
    if (*stop)
        return CN_OK;
    double start = seconds_now(), images = (double)t->tally.images;
    cn_epoch_info epoch = {.size = sizeof epoch,
                           .epoch = (int64_t)t->epochs + 1,
                           .train_loss = t->tally.loss / images,
                           .train_accuracy = (double)t->tally.correct / images,
                           .learning_rate = t->mean_rate,
                           .images_per_second = images / t->seconds};
    cn__average_show(&t->average, true);
    CN__TRY(test(t, &epoch.test_loss, &epoch.test_accuracy));
    epoch.seconds = t->seconds + seconds_now() - start;
    cn__schedule_epoch(&t->schedule, epoch.epoch, t->testing ? epoch.test_loss : epoch.train_loss);
    t->history[t->epochs++] = epoch;
    t->batch = 0;
    *stop = on_epoch && on_epoch(user, &epoch) != 0;
    return CN_OK;
}
