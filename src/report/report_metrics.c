/* SPDX-License-Identifier: MIT */
/* report_metrics.c: metrics of whatever target, as they are called and shown to readers. */
#include "report/report.h"
#include <math.h>
#include <stdio.h>

bool cn__metric_is_share(cn_metric metric) {
    return metric == CN_METRIC_ACCURACY || (metric >= CN_METRIC_TOP5_ACCURACY && metric <= CN_METRIC_MEAN_IOU);
}

const char *cn__metric_title(cn_metric metric, bool begins, char *text) {
    snprintf(text, CN__METRIC_TEXT, "%s%s", cn_metric_name(metric), cn__metric_is_share(metric) ? ", %" : "");
    if (begins && text[0] >= 'a' && text[0] <= 'z')
        text[0] = (char)(text[0] - 'a' + 'A');
    return text;
}

void cn__append_metric(cn__text *out, cn_metric metric, double value) {
    if (cn__metric_is_share(metric) || !isfinite(value))
        cn__append_number(out, 100.0 * value, 2);
    else
        cn__append_short(out, value, 5);
}

/* ---- of epochs ---- */

/* Epochs that a program wrote without saying so have accuracies. */
cn_metric cn__history_metric(const cn_history *history) {
    cn_metric metric = history->count > 0 ? history->epochs[history->count - 1].metric : CN_METRIC_ACCURACY;
    return metric == CN_METRIC_LOSS ? CN_METRIC_ACCURACY : metric;
}

double cn__epoch_metric(const cn_epoch_info *epoch, cn_metric metric, bool test) {
    if (metric == CN_METRIC_LOSS)
        return test ? epoch->test_loss : epoch->train_loss;
    if (metric == CN_METRIC_ACCURACY)
        return test ? epoch->test_accuracy : epoch->train_accuracy;
    if (metric == CN_METRIC_LEARNING_RATE)
        return epoch->learning_rate;
    if (metric != epoch->metric)
        return NAN;
    return test ? epoch->test_metric : epoch->train_metric;
}

bool cn__history_has(const cn_history *history, cn_metric metric) {
    for (size_t i = 0; i < history->count; i++)
        if (isfinite(cn__epoch_metric(&history->epochs[i], metric, false)) ||
            isfinite(cn__epoch_metric(&history->epochs[i], metric, true)))
            return true;
    return false;
}

/* ---- of evaluations ---- */

bool cn__has_classes(const cn_evaluation *evaluation, int64_t output) {
    cn_metric metric = cn_evaluation_main_metric(evaluation, output);
    return metric == CN_METRIC_ACCURACY || metric == CN_METRIC_MEAN_IOU;
}
