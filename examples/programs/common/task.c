/* SPDX-License-Identifier: MIT */
/* task.c: what data ask of a model: a class an image, a class a pixel, numbers, or an image; and what goes with that. */
#include "common.h"
#include <ctype.h>
#include <math.h>
#include <string.h>

/* ---- the task ---- */

task task_of(const cn_dataset *dataset) {
    cn_target_options target = CN_TARGET_OPTIONS_INIT;
    task t = {.kind = CN_TARGET_CLASS, .loss = CN_LOSS_CROSS_ENTROPY, .metric = CN_METRIC_ACCURACY};
    if (cn_dataset_target(dataset, 0, &target) == CN_OK)
        t.kind = target.kind;
    t.outputs = task_has_classes(&t) ? cn_dataset_classes(dataset) : target.shape[0];
    return t;
}

bool task_has_classes(const task *t) {
    return t->kind == CN_TARGET_CLASS || t->kind == CN_TARGET_MASK;
}

const char *task_network(cn_target_kind kind) {
    return kind == CN_TARGET_CLASS ? "session8" : kind == CN_TARGET_VECTOR ? "resnet20" : "unet";
}

/* ---- losses ---- */

const char *task_loss_name(int choice) {
    if (choice == 0)
        return "auto";
    return choice - 1 < CN_LOSS_CUSTOM ? cn_loss_name((cn_loss_kind)(choice - 1)) : NULL;
}

static cn_metric main_metric(const task *t) {
    if (t->kind == CN_TARGET_MASK)
        return CN_METRIC_MEAN_IOU;
    if (t->kind == CN_TARGET_CLASS)
        return CN_METRIC_ACCURACY;
    return t->loss == CN_LOSS_BCE_WITH_LOGITS ? CN_METRIC_F1 : CN_METRIC_MAE;
}

bool task_read(task *t, const cn_model *model, const char *name, int choice) {
    bool logs = cn_model_loss(model) == CN_LOSS_NLL;
    if (!task_has_classes(t) && logs) {
        complain("'%s' ends in a log-softmax, which tells classes apart and gives no other values; try --model %s",
                 name, task_network(t->kind));
        return false;
    }
    t->loss = choice > 0 ? (cn_loss_kind)(choice - 1) : task_has_classes(t) ? cn_model_loss(model) : CN_LOSS_MSE;
    if (!task_has_classes(t) && (t->loss == CN_LOSS_NLL || t->loss == CN_LOSS_CROSS_ENTROPY)) {
        complain("--loss %s is of classes, but the data have other values", cn_loss_name(t->loss));
        return false;
    }
    t->metric = main_metric(t);
    return true;
}

/* ---- metrics ---- */

bool metric_is_share(cn_metric metric) {
    return metric == CN_METRIC_ACCURACY || (metric >= CN_METRIC_TOP5_ACCURACY && metric <= CN_METRIC_MEAN_IOU);
}

const char *metric_key(cn_metric metric, char text[METRIC_TEXT]) {
    const char *name = metric == CN_METRIC_R2 ? "r2" : cn_metric_name(metric); /* its ² is not for keys */
    snprintf(text, METRIC_TEXT, "%s", name);
    for (char *c = text; *c; c++)
        *c = *c == ' ' || *c == '-' ? '_' : (char)tolower((unsigned char)*c);
    return text;
}

const char *metric_number(cn_metric metric, double value, char text[METRIC_TEXT]) {
    if (isnan(value))
        snprintf(text, METRIC_TEXT, "-");
    else if (metric_is_share(metric))
        snprintf(text, METRIC_TEXT, "%.2f", 100.0 * value);
    else
        snprintf(text, METRIC_TEXT, "%.5g", value);
    return text;
}

const char *metric_text(cn_metric metric, double value, char text[METRIC_TEXT]) {
    metric_number(metric, value, text);
    if (metric_is_share(metric) && !isnan(value))
        strcat(text, " %");
    return text;
}

bool epoch_is_better(const cn_epoch_info *epoch, const cn_epoch_info *than) {
    double a = epoch->test_metric, b = than->test_metric;
    if (isnan(a) || isnan(b))
        return !isnan(a);
    return cn_metric_increases(epoch->metric) ? a > b : a < b;
}
