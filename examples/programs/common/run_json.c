/* SPDX-License-Identifier: MIT */
/* run_json.c: a training run as JSON. */
#include "run.h"
#include <math.h>

const json_member run_members[] = {
    {".program, .version", "what wrote it"},
    {".settings", "names and texts, as the report has them; \"command\" and \"data\" among them"},
    {".parameters", "of the model, how many"},
    {".images.train, .validation, .test", "how many"},
    {".classes[]", "names"},
    {".tested_on, .metric", "what epochs are tested on, test or validation, and by what, such as accuracy"},
    {".planned_epochs", "how many were asked for"},
    {".epochs[]", "each with .epoch, .train_loss, .train_metric, .test_loss, .test_metric, .learning_rate, .seconds, "
                  ".images_per_second; shares are 0 to 1"},
    {".part", "the epoch that was cut short, and with .share how much of it there was"},
    {".ended", "complete, patience (--patience-stop), interrupted or failed"},
    {".signal, .error", "what interrupted it, and why it failed"},
    {".best_epoch, .kept_epoch", "by the metric, and which one's model is left"},
    {".model, .log, .report, .checkpoint", "where they are"},
    {".test.loss, .metric",
     "of the model that is left, on the test images: where epochs were tested on others, or with "
     "--misclassified"},
    {".misclassified_count, .misclassified[]", "with --misclassified: how many images, and so many of them, each with "
                                               ".index, .file (of folders), .predicted and .truth with .index and "
                                               ".name, .probability, .truth_probability"},
    {".rate, .steps[]", "with --find-rate, instead of all that: .rate, .loss, .smoothed of each step"},
    {NULL, NULL},
};

/* ---- epochs ---- */

/* A rate is the mean of floats: 0.01, not 0.00999999978. */
static double in_single_precision(double value) {
    char text[32];
    snprintf(text, sizeof text, "%.7g", value);
    return strtod(text, NULL);
}

static void write_numbers(const cn_epoch_info *epoch) {
    json_integer("epoch", epoch->epoch);
    json_number("train_loss", epoch->train_loss);
    json_number("train_metric", epoch->train_metric);
    json_number("test_loss", epoch->test_loss);
    json_number("test_metric", epoch->test_metric);
    json_number("learning_rate", in_single_precision(epoch->learning_rate));
    json_number("seconds", epoch->seconds);
    json_number("images_per_second", epoch->images_per_second);
}

static void write_epochs(const cn_trainer *trainer) {
    cn_epoch_info epoch = CN_EPOCH_INFO_INIT;
    json_array("epochs");
    for (int64_t i = 0; cn_trainer_epoch_info(trainer, i, &epoch) == CN_OK; i++) {
        json_object(NULL);
        write_numbers(&epoch);
        json_end();
    }
    json_end();
}

static void write_part(const part_epoch *part) {
    cn_epoch_info so_far = part->so_far;
    if (part->share <= 0.0) {
        json_text("part", NULL);
        return;
    }
    so_far.test_loss = so_far.test_metric = NAN;
    json_object("part");
    json_number("share", part->share);
    write_numbers(&so_far);
    json_end();
}

/* ---- the rest ---- */

static void write_data(const run *r) {
    json_object("images");
    json_integer("train", cn_dataset_count(r->train));
    json_integer("validation", r->validation ? cn_dataset_count(r->validation) : 0);
    json_integer("test", cn_dataset_count(r->test));
    json_end();
    if (task_has_classes(&r->task))
        json_class_names(r->train);
}

/* Numbers from 1. */
static void write_number_of(const char *name, int64_t epoch) {
    if (epoch > 0)
        json_integer(name, epoch);
    else
        json_text(name, NULL);
}

static void write_results(const run *r) {
    write_number_of("best_epoch", r->best.epoch);
    write_number_of("kept_epoch", r->keeper.kept.epoch);
    json_text("model", r->keeper.left);
    json_text("log", r->log_path);
    json_text("report", r->report_path);
    json_text("checkpoint", r->checkpointed ? r->checkpoint_path : NULL);
    if (!r->evaluation) {
        json_text("test", NULL);
        return;
    }
    json_object("test");
    json_number("loss", cn_evaluation_loss(r->evaluation));
    json_number("metric", cn_evaluation_metric(r->evaluation, 0, r->task.metric));
    json_end();
    if (r->misclassified > 0)
        json_misclassified(r->evaluation, r->test, r->misclassified);
}

void run_json(const run *r, const setting_list *settings, const part_epoch *part, const char *ended) {
    char key[METRIC_TEXT];
    json_begin();
    json_object("settings");
    for (int i = 0; i < settings->count; i++)
        json_text(settings->names[i], settings->values[i]);
    json_end();
    json_integer("parameters", cn_model_parameter_count(r->model));
    write_data(r);
    json_text("tested_on", run_tested_name(r));
    json_text("metric", metric_key(r->task.metric, key));
    json_integer("planned_epochs", r->recipe.epochs);
    write_epochs(r->trainer);
    write_part(part);
    json_text("ended", ended);
    write_number_of("signal", r->interrupted);
    json_text("error", *r->why ? r->why : NULL);
    write_results(r);
    json_end();
}
