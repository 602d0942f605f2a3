/* SPDX-License-Identifier: MIT */
/* class_accuracy.c: the accuracy, IoU or F1 of each class or label as bars, best first. */
#include "report/report.h"
#include <math.h>
#include <stdlib.h>

enum { MOST = 30, NAME = 18, TOP = 44, ROW = 22, BAR = 14, MARGIN = 16, NUMBER = 62 };

typedef struct class_share {
    int64_t label;
    double value;
} class_share;

static int better_first(const void *a, const void *b) {
    const class_share *x = a, *y = b;
    if (x->value != y->value)
        return x->value < y->value ? 1 : -1;
    return x->label < y->label ? -1 : 1;
}

/* Classes without images are left out. Returns how many there are. */
static int64_t collect(const cn_evaluation *evaluation, cn_metric metric, class_share *shares) {
    int64_t count = 0;
    for (int64_t k = 0; k < cn_evaluation_classes(evaluation); k++) {
        double value = cn_evaluation_class_metric(evaluation, 0, metric, k);
        if (!isnan(value))
            shares[count++] = (class_share){k, value};
    }
    qsort(shares, (size_t)count, sizeof *shares, better_first);
    return count;
}

static void append_bar(cn__text *out, const cn_dataset *dataset, const class_share *share, int left, int y) {
    int width = CN__PANEL - NUMBER - left, middle = y + BAR / 2 + 5;
    cn__text_append(out, "<text class=\"cn-t\" x=\"%d\" y=\"%d\" text-anchor=\"end\">", left - 8, middle);
    cn__append_class(out, dataset, share->label, NAME);
    cn__text_append(out, "</text><rect class=\"cn-f0\" x=\"%d\" y=\"%d\" width=\"", left, y);
    cn__append_coordinate(out, share->value * width);
    cn__text_append(out, "\" height=\"%d\" rx=\"2\"/><text class=\"cn-t\" x=\"%d\" y=\"%d\" text-anchor=\"end\">", BAR,
                    CN__PANEL - MARGIN, middle);
    cn__append_number(out, 100.0 * share->value, 1);
    cn__text_append(out, "</text>\n");
}

static const char *title_of(cn_metric metric) {
    return metric == CN_METRIC_ACCURACY   ? "Accuracy by class"
           : metric == CN_METRIC_MEAN_IOU ? "IoU by class"
                                          : "F1 by label";
}

static void append_chart(cn__text *out, const cn_evaluation *evaluation, const cn_dataset *dataset,
                         const class_share *shares, int64_t count) {
    cn_metric metric = cn_evaluation_main_metric(evaluation, 0);
    double all = cn_evaluation_metric(evaluation, 0, metric), line = isfinite(all) ? all : 0.0;
    const char *title = title_of(metric);
    int64_t rows = count > MOST ? MOST : count, hidden = count - rows;
    int longest = 1, gap = hidden ? ROW : 0;
    for (int64_t i = 0; i < count; i++) {
        int length = cn__class_width(dataset, shares[i].label, NAME);
        longest = length > longest ? length : longest;
    }
    int left = MARGIN + longest * CN__CHARACTER + 8, y = TOP;
    int mean = left + (int)lround(line * (CN__PANEL - NUMBER - left));
    int bottom = TOP + (int)rows * ROW + gap;
    cn__svg_begin(out, CN__PANEL, bottom + 28, title);
    cn__text_append(out, "<text class=\"cn-t cn-h\" x=\"16\" y=\"26\">%s, %%</text>\n", title);
    for (int64_t i = 0; i < rows; i++, y += ROW) {
        if (hidden && i == rows / 2) {
            cn__text_append(out, "<text class=\"cn-m\" x=\"%d\" y=\"%d\">… %lld classes between …</text>\n", left,
                            y + BAR, (long long)hidden);
            y += ROW;
        }
        append_bar(out, dataset, &shares[i < rows / 2 ? i : i + hidden], left, y);
    }
    cn__text_append(out,
                    "<path class=\"cn-a\" stroke-dasharray=\"3 3\" d=\"M%d.5 %dV%d\"/><text class=\"cn-m cn-i\" "
                    "x=\"%d\" y=\"%d\" text-anchor=\"middle\">%s ",
                    mean, TOP - 4, bottom, mean, bottom + 14, metric == CN_METRIC_ACCURACY ? "all" : "mean");
    cn__append_number(out, 100.0 * all, 1);
    cn__text_append(out, "</text>\n");
    cn__svg_end(out);
}

cn_status cn_chart_class_accuracy(const cn_evaluation *evaluation, const cn_dataset *dataset, char **svg) {
    CN__COMPUTES;
    CN__REQUIRE(svg);
    *svg = NULL;
    CN__REQUIRE(evaluation);
    cn_metric metric = cn_evaluation_main_metric(evaluation, 0);
    if (!cn__metric_is_share(metric))
        return cn__error(CN_ERR_ARGUMENT, "cn_chart_class_accuracy: the first output has %s, wanted classes or labels",
                         cn_metric_name(metric));
    cn_context *ctx = cn__evaluation_context(evaluation);
    class_share *shares = cn__alloc(ctx, (size_t)cn_evaluation_classes(evaluation), sizeof *shares);
    if (!shares)
        return cn__no_memory("accuracies");
    cn__text out = {.ctx = ctx};
    int64_t count = collect(evaluation, metric, shares);
    append_chart(&out, evaluation, dataset, shares, count);
    cn__free(ctx, shares);
    return cn__text_take(&out, svg);
}
