/* SPDX-License-Identifier: MIT */
/* evaluation_json.c: what a model got right, as JSON. */
#include "common.h"
#include <math.h>

/* Those that are measured of such targets. */
static void write_metrics(const cn_evaluation *evaluation) {
    char key[METRIC_TEXT];
    json_object("metrics");
    for (int m = 0; cn_metric_name((cn_metric)m); m++) {
        double value = cn_evaluation_metric(evaluation, 0, (cn_metric)m);
        if (m != CN_METRIC_LOSS && !isnan(value))
            json_number(metric_key((cn_metric)m, key), value);
    }
    json_end();
}

/* Whether any class has a number of it. */
static bool has_metric(const cn_evaluation *evaluation, cn_metric metric, int64_t outputs) {
    for (int64_t k = 0; k < outputs; k++)
        if (!isnan(cn_evaluation_class_metric(evaluation, 0, metric, k)))
            return true;
    return false;
}

/* Classes, labels or values. */
static void write_outputs(const cn_evaluation *evaluation, const task *asked, const cn_dataset *dataset) {
    bool classes = task_has_classes(asked);
    char key[METRIC_TEXT];
    json_array(classes ? "classes" : "outputs");
    for (int64_t k = 0; k < asked->outputs; k++) {
        json_object(NULL);
        json_integer("index", k);
        if (classes) {
            json_text("name", cn_dataset_class_name(dataset, k));
            json_integer(asked->kind == CN_TARGET_MASK ? "pixels" : "images", truth_count(evaluation, k));
        }
        for (int m = 0; cn_metric_name((cn_metric)m); m++)
            if (m != CN_METRIC_LOSS && has_metric(evaluation, (cn_metric)m, asked->outputs))
                json_number(m == CN_METRIC_MEAN_IOU ? "iou" : metric_key((cn_metric)m, key),
                            cn_evaluation_class_metric(evaluation, 0, (cn_metric)m, k));
        json_end();
    }
    json_end();
}

static void write_confusion(const cn_evaluation *evaluation, int64_t classes) {
    json_array("confusion");
    for (int64_t truth = 0; truth < classes; truth++) {
        json_row(NULL);
        for (int64_t k = 0; k < classes; k++)
            json_integer(NULL, cn_evaluation_confusion(evaluation, truth, k));
        json_end();
    }
    json_end();
}

void json_class(const char *name, const cn_dataset *dataset, int64_t label) {
    json_object(name);
    json_integer("index", label);
    json_text("name", cn_dataset_class_name(dataset, label));
    json_end();
}

void json_misclassified(const cn_evaluation *evaluation, const cn_dataset *dataset, int64_t most) {
    int64_t count = cn_evaluation_misclassified_count(evaluation);
    json_integer("misclassified_count", count);
    json_array("misclassified");
    for (int64_t i = 0; i < count && i < most; i++) {
        cn_misclassified entry = CN_MISCLASSIFIED_INIT;
        if (cn_evaluation_misclassified(evaluation, i, &entry) != CN_OK)
            break;
        json_object(NULL);
        json_integer("index", entry.index);
        json_text("file", cn_dataset_file_name(dataset, entry.index));
        json_class("predicted", dataset, entry.predicted);
        json_class("truth", dataset, entry.truth);
        json_number("probability", entry.probability);
        json_number("truth_probability", entry.truth_probability);
        json_end();
    }
    json_end();
}

void json_evaluation(const cn_evaluation *evaluation, const task *asked, const cn_dataset *dataset) {
    json_integer("images", cn_evaluation_count(evaluation));
    json_text("loss_kind", cn_loss_name(asked->loss));
    json_number("loss", cn_evaluation_loss(evaluation));
    write_metrics(evaluation);
    write_outputs(evaluation, asked, dataset);
    if (task_has_classes(asked))
        write_confusion(evaluation, asked->outputs);
}
