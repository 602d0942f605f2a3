/* SPDX-License-Identifier: MIT */
/* report_page.c: the page that says all about a model and its training. */
#include "report/report.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

enum {
    MOST_CLASSES = 100, /* whose surest mistakes are shown */
    FEW = 10,           /* pictures: where there are fewer such classes, more mistakes are shown, up to that */
    TOP5 = 10 /* classes, among which it says nothing */,
    FACT = 2 * CN__GROUPED_TEXT + 8 /* bytes of a figure */,
    FACTS = 16
};

typedef struct draft {
    cn_context *ctx;
    cn_report report;
    cn_page *page;
} draft;

/* Adds a chart that was made, or hands its failure on. */
static cn_status add_chart(draft *d, cn_status made, char *svg, const char *caption) {
    CN__TRY(made);
    cn_status status = cn_page_figure(d->page, svg, caption);
    cn_text_free(svg);
    return status;
}

/* ---- figures that matter most ---- */

typedef struct facts {
    int count;
    char names[FACTS][FACT], values[FACTS][FACT];
    const char *name[FACTS], *value[FACTS];
} facts;

static void add_fact(facts *f, const char *name, const char *value) {
    if (f->count == FACTS)
        return;
    snprintf(f->names[f->count], FACT, "%s", name);
    snprintf(f->values[f->count], FACT, "%s", value);
    f->name[f->count] = f->names[f->count];
    f->value[f->count] = f->values[f->count];
    f->count++;
}

/* Unless there is none. */
static cn_status add_metric(draft *d, facts *f, const char *name, cn_metric metric, double value) {
    cn__text text = {.ctx = d->ctx};
    char *taken;
    if (!isfinite(value))
        return CN_OK;
    cn__append_metric(&text, metric, value);
    cn__text_append(&text, "%s", cn__metric_is_share(metric) ? " %" : "");
    CN__TRY(cn__text_take(&text, &taken));
    add_fact(f, name, taken);
    cn_text_free(taken);
    return CN_OK;
}

/* What is said of an output, by its main metric, which is the first. */
static const struct result {
    cn_metric main, metric;
    const char *name;
} results[] = {
    {CN_METRIC_ACCURACY, CN_METRIC_ACCURACY, "accuracy"},
    {CN_METRIC_ACCURACY, CN_METRIC_TOP5_ACCURACY, "top-5 accuracy"},
    {CN_METRIC_MEAN_IOU, CN_METRIC_MEAN_IOU, "mean IoU"},
    {CN_METRIC_MEAN_IOU, CN_METRIC_ACCURACY, "pixel accuracy"},
    {CN_METRIC_F1, CN_METRIC_F1, "F1"},
    {CN_METRIC_F1, CN_METRIC_ACCURACY, "label accuracy"},
    {CN_METRIC_MAE, CN_METRIC_MAE, "MAE"},
    {CN_METRIC_MAE, CN_METRIC_RMSE, "RMSE"},
    {CN_METRIC_MAE, CN_METRIC_R2, "R²"},
};

/* All of a single output, the main ones of several. */
static cn_status add_results(draft *d, facts *f, const cn_evaluation *evaluation) {
    char name[FACT];
    int64_t outputs = cn_evaluation_outputs(evaluation);
    for (int64_t output = 0; output < outputs; output++)
        for (size_t i = 0; i < CN__COUNT(results); i++) {
            const struct result *r = &results[i];
            if (r->main != cn_evaluation_main_metric(evaluation, output) || (outputs > 1 && r->metric != r->main) ||
                (r->metric == CN_METRIC_TOP5_ACCURACY && cn_evaluation_classes(evaluation) <= TOP5))
                continue;
            snprintf(name, sizeof name, outputs > 1 ? "%s, output %d" : "%s", r->name, (int)output + 1);
            CN__TRY(add_metric(d, f, name, r->metric, cn_evaluation_metric(evaluation, output, r->metric)));
        }
    return CN_OK;
}

/* "3 of 20" where fewer were trained than planned. */
static void add_epochs(facts *f, int64_t done, int64_t planned) {
    char text[FACT], number[CN__GROUPED_TEXT], all[CN__GROUPED_TEXT];
    snprintf(text, sizeof text, "%s", cn__grouped(number, done));
    if (planned > done)
        snprintf(text, sizeof text, "%s of %s", cn__grouped(number, done), cn__grouped(all, planned));
    add_fact(f, planned > done ? "epochs done" : "epochs", text);
}

static void add_training_time(facts *f, double seconds) {
    char text[FACT];
    int64_t whole = seconds >= 0.0 && seconds < 1e15 ? (int64_t)(seconds + 0.5) : 0;
    snprintf(text, sizeof text, "%lld:%02lld:%02lld", (long long)(whole / 3600), (long long)(whole / 60 % 60),
             (long long)(whole % 60));
    add_fact(f, "training time", text);
}

/* The best epoch is worth a word if another one is what the model has. */
static cn_status add_history_facts(draft *d, facts *f) {
    const cn_report *r = &d->report;
    const cn_history *history = r->history;
    cn_metric metric = cn__history_metric(history);
    double best = NAN, seconds = 0.0;
    int64_t best_epoch = 0;
    char name[FACT];
    for (size_t i = 0; i < history->count; i++) {
        const cn_epoch_info *epoch = &history->epochs[i];
        seconds += isfinite(epoch->seconds) ? epoch->seconds : 0.0;
        double value = cn__epoch_metric(epoch, metric, true);
        if (isfinite(value) && (isnan(best) || (cn_metric_increases(metric) ? value > best : value < best))) {
            best = value;
            best_epoch = epoch->epoch;
        }
    }
    double near = cn__metric_is_share(metric) ? 5e-5 : 1e-5 * fabs(best);
    bool same = r->evaluation && fabs(cn_evaluation_metric(r->evaluation, 0, metric) - best) <= near;
    bool test = strcmp(history->test_name, "test") == 0; /* as everything is that nothing else is said of */
    snprintf(name, sizeof name, "best%s%.40s, in epoch %lld", test ? "" : " ", test ? "" : history->test_name,
             (long long)best_epoch);
    if (!same)
        CN__TRY(add_metric(d, f, name, metric, best));
    add_epochs(f, (int64_t)history->count, r->planned_epochs);
    if (history->count > 0)
        add_training_time(f, seconds);
    return CN_OK;
}

static cn_status add_facts(draft *d) {
    facts f = {0};
    char number[CN__GROUPED_TEXT];
    const cn_report *r = &d->report;
    if (r->evaluation) {
        CN__TRY(add_results(d, &f, r->evaluation));
        add_fact(&f, "images tested", cn__grouped(number, cn_evaluation_count(r->evaluation)));
    }
    if (r->train)
        add_fact(&f, "training images", cn__grouped(number, cn_dataset_count(r->train)));
    if (r->history)
        CN__TRY(add_history_facts(d, &f));
    if (r->model)
        add_fact(&f, "parameters", cn__grouped(number, cn_model_parameter_count(r->model)));
    return f.count ? cn_page_facts(d->page, f.count, f.name, f.value) : CN_OK;
}

/* ---- charts ---- */

static cn_status add_curves(draft *d) {
    const cn_history *history = d->report.history;
    if (!history || history->count == 0)
        return CN_OK;
    const cn_metric metrics[] = {CN_METRIC_LOSS, cn__history_metric(history), CN_METRIC_LEARNING_RATE};
    CN__TRY(cn_page_heading(d->page, "Training"));
    for (size_t i = 0; i < CN__COUNT(metrics); i++) {
        char *svg;
        if (i == 1 && !cn__history_has(history, metrics[i]))
            continue;
        cn_status status = cn_chart_metric(1, &history, metrics[i], &svg);
        CN__TRY(add_chart(d, status, svg, NULL));
    }
    return cn__report_epochs(d->page, history);
}

static cn_status add_pictures(draft *d, const cn__gallery *gallery, const char *text) {
    if (gallery->count == 0)
        return CN_OK;
    CN__TRY(cn_page_paragraph(d->page, text));
    return cn_page_pictures(d->page, gallery->images, (const char *const *)gallery->titles);
}

/* There are none if the model predicted nothing for any of them. */
static cn_status add_worst(draft *d) {
    cn__gallery of_classes, others;
    char text[256];
    cn_status status =
        cn__gallery_surest(d->report.evaluation, d->report.dataset, MOST_CLASSES, FEW, &of_classes, &others);
    bool some = of_classes.count == MOST_CLASSES && cn_evaluation_classes(d->report.evaluation) > MOST_CLASSES;
    snprintf(text, sizeof text,
             "Of each true class%s the image that the model was surest of when it took it for another class, and the "
             "probabilities that it gives that one and the true one.",
             some ? ", of the 100 where it was surest," : "");
    if (status == CN_OK && of_classes.count > 0)
        status = cn_page_heading(d->page, "The surest mistake of each class");
    if (status == CN_OK)
        status = add_pictures(d, &of_classes, text);
    if (status == CN_OK)
        status = add_pictures(d, &others, "The surest of the other mistakes, of whatever class.");
    cn__gallery_drop(&of_classes);
    cn__gallery_drop(&others);
    return status;
}

/* A build without images has all but the pictures. */
static cn_status can_draw_pictures(cn_context *ctx) {
    cn_tensor *pixel, *png;
    CN__TRY(cn_tensor_new(ctx, CN_DTYPE_UINT8, 4, (const int64_t[]){1, 1, 1, 1}, &pixel));
    cn_status status = cn_image_encode_png(pixel, &png);
    cn_tensor_free(png);
    cn_tensor_free(pixel);
    return status;
}

/* A model whose outputs are not numbers predicts no class. */
static cn_status add_remark_on_unpredicted(draft *d, int64_t *predicted) {
    const cn_evaluation *evaluation = d->report.evaluation;
    int64_t count = cn_evaluation_count(evaluation);
    char text[160], number[CN__GROUPED_TEXT], all[CN__GROUPED_TEXT];
    *predicted = 0;
    for (int64_t k = 0; k < cn_evaluation_classes(evaluation); k++)
        *predicted += cn__class_images(evaluation, k);
    if (*predicted >= count) /* images, or more pixels */
        return CN_OK;
    snprintf(text, sizeof text, "For %s of %s images the model predicts no class: its outputs are not numbers.",
             cn__grouped(number, count - *predicted), cn__grouped(all, count));
    return cn_page_notice(d->page, text);
}

static cn_status add_classes(draft *d) {
    const cn_report *r = &d->report;
    char *svg;
    int64_t predicted;
    CN__TRY(cn_page_heading(d->page, "Recognised and mistaken"));
    CN__TRY(add_remark_on_unpredicted(d, &predicted));
    if (predicted == 0)
        return CN_OK;
    cn_status status = cn_chart_class_accuracy(r->evaluation, r->dataset, &svg);
    CN__TRY(add_chart(d, status, svg, NULL));
    CN__TRY(cn__report_measures(d->page, r->evaluation, 0, r->dataset, true));
    status = cn_chart_confusion(r->evaluation, r->dataset, &svg);
    bool wide = status == CN_OK && cn__page_is_wide(svg);
    CN__TRY(add_chart(d, status, svg, "Rows are true classes, columns what the model took them for."));
    CN__TRY(cn__report_mistakes(d->page, r->evaluation, r->dataset, !wide));
    if (cn_evaluation_misclassified_count(r->evaluation) == 0)
        return CN_OK;
    status = r->dataset ? can_draw_pictures(d->ctx) : CN_ERR_UNSUPPORTED;
    if (status == CN_OK)
        return add_worst(d);
    return status == CN_ERR_UNSUPPORTED ? CN_OK : status;
}

/* What is not of classes: the labels of an image, or other values. */
static cn_status add_values(draft *d) {
    const cn_evaluation *evaluation = d->report.evaluation;
    cn_metric metric = cn_evaluation_main_metric(evaluation, 0);
    char *svg;
    if (!isfinite(cn_evaluation_metric(evaluation, 0, metric)))
        return CN_OK;
    CN__TRY(cn_page_heading(d->page, metric == CN_METRIC_F1 ? "Labels" : "Errors"));
    if (metric == CN_METRIC_F1) {
        cn_status status = cn_chart_class_accuracy(evaluation, NULL, &svg);
        CN__TRY(add_chart(d, status, svg, NULL));
    }
    return cn__report_measures(d->page, evaluation, 0, NULL, metric == CN_METRIC_F1);
}

static cn_status add_evaluation(draft *d) {
    const cn_report *r = &d->report;
    char heading[FACT];
    if (!r->evaluation)
        return CN_OK;
    CN__TRY(cn__has_classes(r->evaluation, 0) ? add_classes(d) : add_values(d));
    for (int64_t output = 1; output < cn_evaluation_outputs(r->evaluation); output++) {
        snprintf(heading, sizeof heading, "Output %d", (int)output + 1);
        CN__TRY(cn_page_heading(d->page, heading));
        CN__TRY(cn__report_measures(d->page, r->evaluation, output, r->dataset, false));
    }
    return CN_OK;
}

static cn_status compose(draft *d) {
    const cn_report *r = &d->report;
    if (r->subtitle)
        CN__TRY(cn_page_paragraph(d->page, r->subtitle));
    if (r->notice)
        CN__TRY(cn_page_notice(d->page, r->notice));
    CN__TRY(add_facts(d));
    CN__TRY(add_curves(d));
    CN__TRY(add_evaluation(d));
    CN__TRY(cn__report_settings(d->page, r));
    return r->model ? cn__report_layers(d->page, r->model) : CN_OK;
}

cn_status cn_report_page(cn_context *context, const cn_report *report, char **html) {
    CN__COMPUTES;
    draft d = {.ctx = context, .report = CN_REPORT_INIT};
    CN__REQUIRE(html);
    *html = NULL;
    CN__REQUIRE(context);
    CN__REQUIRE(report);
    CN__TRY(CN__READ_OPTIONS(&d.report, cn_report, report));
    if (d.report.setting_count < 0 ||
        (d.report.setting_count > 0 && (!d.report.setting_names || !d.report.setting_values)))
        return cn__error(CN_ERR_ARGUMENT, "cn_report_page: %lld settings without names or values",
                         (long long)d.report.setting_count);
    CN__TRY(cn_page_new(context, d.report.title ? d.report.title : "Training report", &d.page));
    cn_status status = compose(&d);
    if (status == CN_OK)
        status = cn_page_html(d.page, html);
    cn_page_free(d.page);
    return status;
}
