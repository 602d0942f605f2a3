/* SPDX-License-Identifier: MIT */
/* run.c: trains for all epochs, or until a signal or a failure ends it, and leaves everything in good order. */
#include "run.h"
#include <errno.h>
#include <string.h>

const cn_dataset *run_tested(const run *r) {
    return r->validation ? r->validation : r->test;
}

const char *run_tested_name(const run *r) {
    return r->validation ? "validation" : "test";
}

/* ---- as it goes ---- */

int run_batch(void *user, const cn_batch_info *batch) {
    run *r = user;
    int64_t done = (batch->epoch - 1) * batch->batches + batch->batch;
    r->part = *batch;
    r->checkpointed = false;
    progress_batch(&r->progress, batch);
    if (r->every && done % r->every == 0 && batch->batch < batch->batches)
        run_save(r);
    return interruption() != 0;
}

/* A log that cannot be written any more is no reason to lose the training. */
static void log_epoch(run *r, const cn_epoch_info *epoch) {
    if (!r->log.path || epoch_log_write(&r->log, epoch))
        return;
    epoch_log_close(&r->log);
    r->failed = true;
}

/* What follows from an epoch beside the model. */
static void take_epoch(run *r, const cn_epoch_info *epoch) {
    if (r->best.epoch == 0 || epoch_is_better(epoch, &r->best))
        r->best = *epoch;
    log_epoch(r, epoch);
}

/* Epochs of late that have not been better than the best. */
static int64_t epochs_without_gain(const run *r) {
    return cn_trainer_epoch_count(r->trainer) - r->best.epoch;
}

static bool out_of_patience(const run *r) {
    return r->patience > 0 && epochs_without_gain(r) >= r->patience;
}

static int on_epoch(void *user, const cn_epoch_info *epoch) {
    run *r = user;
    r->part.batch = 0;
    r->tests++;
    progress_epoch(&r->progress, epoch);
    take_epoch(r, epoch);
    keeper_epoch(&r->keeper, epoch);
    run_save(r);
    return interruption() != 0 || out_of_patience(r);
}

/* ---- how it goes on: the epochs of before are logged and weighed again ---- */

static void take_epochs_of_before(run *r) {
    cn_epoch_info epoch = CN_EPOCH_INFO_INIT;
    for (int64_t i = 0; cn_trainer_epoch_info(r->trainer, i, &epoch) == CN_OK; i++) {
        take_epoch(r, &epoch);
        if (keeper_prefers(&r->keeper, &epoch))
            r->keeper.kept = epoch;
    }
}

/* ---- how it ended ---- */

/* The batches of an epoch that was cut short. */
static part_epoch unfinished(const run *r) {
    const cn_batch_info *b = &r->part;
    part_epoch part = {.share = b->batch > 0 ? (double)b->batch / (double)b->batches : 0.0,
                       .so_far = CN_EPOCH_INFO_INIT};
    part.so_far.epoch = b->epoch;
    part.so_far.train_loss = b->average_loss;
    part.so_far.train_accuracy = b->average_accuracy;
    part.so_far.metric = b->metric;
    part.so_far.train_metric = b->average_metric;
    part.so_far.learning_rate = b->average_learning_rate;
    part.so_far.seconds = b->seconds;
    part.so_far.images_per_second = b->seconds > 0.0 ? (double)b->images / b->seconds : 0.0;
    return part;
}

/* "after 3 of 20 epochs and 12 of 63 batches of the next". */
static void extent_text(const run *r, char *text, size_t size) {
    int used = snprintf(text, size, "after %d of %d epochs", (int)cn_trainer_epoch_count(r->trainer), r->recipe.epochs);
    if (r->part.batch > 0)
        snprintf(text + used, size - (size_t)used, " and %d of %d batches of the next", (int)r->part.batch,
                 (int)r->part.batches);
}

/* What the metric was, never one beside a model that has another. */
static void print_metric(const run *r, const cn_epoch_info *last) {
    char best[METRIC_TEXT], end[METRIC_TEXT], text[256];
    int epoch = (int)r->best.epoch;
    const char *tested = run_tested_name(r), *name = cn_metric_name(r->task.metric);
    metric_text(r->task.metric, r->best.test_metric, best);
    metric_text(r->task.metric, last->test_metric, end);
    if (r->best.epoch == last->epoch || (!r->keeper.best && !epoch_is_better(&r->best, last)))
        snprintf(text, sizeof text, "Best %s %s %s, in epoch %d, the last", tested, name, best, (int)last->epoch);
    else if (r->keeper.best)
        snprintf(
            text, sizeof text,
            "Best %s %s %s, in epoch %d, which is kept; the last epoch's is %s. Chosen by the %s images, it flatters "
            "a little.",
            tested, name, best, epoch, end, tested);
    else
        snprintf(text, sizeof text, "%s %s %s, in epoch %d, the last; in epoch %d it was %s (see --keep best)",
                 r->validation ? "Validation" : "Test", name, end, (int)last->epoch, epoch, best);
    print_fitting(text);
}

/* A plateau's rate that has fallen to nothing early explains a poor result. */
static void print_remark_on_rate(const run *r) {
    int64_t epochs = cn_trainer_epoch_count(r->trainer), idle = 0;
    cn_epoch_info first = CN_EPOCH_INFO_INIT, epoch = CN_EPOCH_INFO_INIT;
    if (r->recipe.schedule.kind != CN_SCHEDULE_PLATEAU || cn_trainer_epoch_info(r->trainer, 0, &first) != CN_OK)
        return;
    for (int64_t i = 0; i < epochs; i++)
        if (cn_trainer_epoch_info(r->trainer, i, &epoch) == CN_OK && epoch.learning_rate < 1e-3 * first.learning_rate)
            idle++;
    if (4 * idle <= epochs)
        return;
    char text[256];
    snprintf(
        text, sizeof text,
        "In the last %d epochs the rate was below a thousandth of the first: they changed next to nothing. With few "
        "images --patience 3, or --recipe fast, trains on.",
        (int)idle);
    print_fitting(text);
}

int64_t run_images(const run *r) {
    int64_t part = r->part.batch > 0 ? r->part.images : 0;
    return cn_trainer_epoch_count(r->trainer) * cn_dataset_count(r->train) + part;
}

static void print_results(const run *r) {
    cn_epoch_info last = CN_EPOCH_INFO_INIT;
    int64_t epochs = cn_trainer_epoch_count(r->trainer);
    if (r->profile) {
        int64_t trained = run_images(r) - r->images_before, tested = r->tests * cn_dataset_count(run_tested(r));
        int processes = r->ranks.communicator.ranks;
        profile_print(r->profile, &(profile_run){r->model, (trained + tested) / processes, trained / processes});
    }
    if (epochs > 0 && cn_trainer_epoch_info(r->trainer, epochs - 1, &last) == CN_OK)
        print_metric(r, &last);
    print_remark_on_rate(r);
}

/* ---- what it leaves ---- */

static void close_log(run *r, const part_epoch *part) {
    if (r->log.path && !epoch_log_write_part(&r->log, part))
        r->failed = true;
    if (!epoch_log_close(&r->log))
        r->failed = true;
}

static void report(run *r, setting_list *s, const char *title, const char *notice, const part_epoch *part) {
    cn_report page = CN_REPORT_INIT;
    const char *values[SETTINGS];
    char subtitle[3 * SETTING_TEXT];
    snprintf(subtitle, sizeof subtitle, "%s, recipe %s, begun %s", settings_find(s, "data"), settings_find(s, "recipe"),
             settings_find(s, "begun"));
    page.title = title;
    page.subtitle = subtitle;
    page.notice = notice;
    page.model = r->model;
    page.train = r->train;
    page.dataset = r->test;
    page.planned_epochs = r->recipe.epochs;
    page.setting_count = s->count;
    page.setting_names = s->names;
    page.setting_values = settings_values(s, values);
    if (report_write(r->context, r->report_path, r->trainer, run_tested_name(r), &r->task, &page, part))
        printf("Report in %s/report.html\n", printable(r->report_path));
    else
        r->failed = true;
}

static void leave(run *r, cn_status status, setting_list *s, const char *title, const char *extent) {
    part_epoch part = unfinished(r);
    char notice[sizeof r->why + 384], how[96];
    close_log(r, &part);
    if (!keeper_end(&r->keeper, part.share > 0.0, status != CN_ERR_NUMERIC))
        r->failed = true;
    if (r->validation || r->misclassified > 0)
        run_test(r);
    if (!r->report_path)
        return;
    bool complete = status == CN_OK && !r->interrupted;
    snprintf(how, sizeof how, status == CN_OK ? "interrupted by %s" : "failed", interruption_name(r->interrupted));
    if (!complete)
        settings_add(s, "ended", "%s %s%s%s", how, extent, *r->why ? ": " : "", r->why);
    else if (out_of_patience(r))
        settings_add(s, "ended", "%s, the last %d without a better %s %s", extent, (int)epochs_without_gain(r),
                     run_tested_name(r), cn_metric_name(r->task.metric));
    if (r->keeper.best && r->keeper.kept.epoch)
        settings_add(s, "kept", "epoch %d, the best on the %s images", (int)r->keeper.kept.epoch, run_tested_name(r));
    snprintf(notice, sizeof notice, "This run %s%s %s%s%s. What is measured here is the model as it was then.",
             status == CN_OK ? "was " : "", how, extent, *r->why ? ": " : "", r->why);
    report(r, s, title, complete ? NULL : notice, &part);
}

/* What there is to say before results. A loss that is no number would become so again. */
static void print_end(run *r, cn_status status, const char *extent) {
    bool complete = status == CN_OK && !r->interrupted, can_go_on = status != CN_ERR_NUMERIC;
    char text[256];
    if (!ranks_speaks(&r->ranks))
        return;
    if (status != CN_OK)
        complain("training stopped %s: %s", extent, r->why);
    else if (r->interrupted)
        complain("interrupted %s", extent);
    if (can_go_on)
        run_save(r);
    if (r->checkpoint_path && can_go_on && !r->checkpointed)
        r->failed = true;
    if (!complete && can_go_on && r->checkpointed)
        complain("to go on: %s", r->again);
    else if (!can_go_on && r->checkpoint_path && output_holds_something(r->checkpoint_path))
        complain("'%s' is the run as it was before, with its model", r->checkpoint_path);
    if (complete && out_of_patience(r)) {
        snprintf(text, sizeof text, "Ended %s: the last %d had no better %s %s (--patience-stop)", extent,
                 (int)epochs_without_gain(r), run_tested_name(r), cn_metric_name(r->task.metric));
        print_fitting(text);
    }
}

static void print_going_on(const run *r, int64_t left) {
    char extent[96], text[512];
    extent_text(r, extent, sizeof extent);
    int64_t epochs = cn_trainer_epoch_count(r->trainer);
    int used = snprintf(text, sizeof text, "%.300s goes on %s", r->checkpoint_path, extent);
    if (left <= 0)
        snprintf(text, sizeof text, "%.300s has had %lld epoch%s: of --epochs %d none is left to train",
                 r->checkpoint_path, (long long)epochs, epochs == 1 ? "" : "s", r->recipe.epochs);
    else if (out_of_patience(r))
        snprintf(text + used, sizeof text - (size_t)used, ", which are enough without a better %s %s",
                 run_tested_name(r), cn_metric_name(r->task.metric));
    print_fitting(text);
}

static const char *ended_how(const run *r, cn_status status) {
    return status != CN_OK ? "failed" : r->interrupted ? "interrupted" : out_of_patience(r) ? "patience" : "complete";
}

int run_train(run *r, setting_list *list, const char *title) {
    char extent[96];
    int64_t left = r->recipe.epochs - cn_trainer_epoch_count(r->trainer);
    take_epochs_of_before(r);
    if (r->resumed)
        print_going_on(r, left);
    bool over = left <= 0 || out_of_patience(r); /* then a table would be empty */
    if (!over)
        r->progress = progress_begin(r->recipe.epochs, run_tested_name(r), r->task.metric);
    cn_status status = cn_trainer_fit(r->trainer, over ? 0 : left, on_epoch, r);
    snprintf(r->why, sizeof r->why, "%s", status == CN_OK ? "" : library_error());
    r->interrupted = ranks_largest(&r->ranks, interruption());
    progress_wipe(&r->progress);
    extent_text(r, extent, sizeof extent);
    print_end(r, status, extent);
    print_results(r);
    leave(r, status, list, title, extent);
    if (output_json) {
        part_epoch part = unfinished(r);
        run_json(r, list, &part, ended_how(r, status));
    }
    if (ranks_largest(&r->ranks, status != CN_OK || r->failed))
        return EXIT_FAILURE;
    return r->interrupted ? 128 + r->interrupted : EXIT_SUCCESS; /* as a shell reports a signal */
}
