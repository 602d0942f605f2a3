/* report_page.c: the page that says all about a model and its training. */
#include "report/report.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { WORST = 10 /* images */, FACT = 2 * CN__GROUPED_TEXT + 8 /* bytes of a figure */ };

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
    const char *name[8];
    char text[8][FACT];
    const char *value[8];
} facts;

static void add_fact(facts *f, const char *name, const char *value) {
    snprintf(f->text[f->count], FACT, "%s", value);
    f->name[f->count] = name;
    f->value[f->count] = f->text[f->count];
    f->count++;
}

/* Hundredths, whatever the locale's decimal point. */
static void add_percent(facts *f, const char *name, double share) {
    char text[FACT];
    int hundredths = isfinite(share) ? (int)lround(1e4 * share) : 0;
    snprintf(text, sizeof text, "%d.%02d %%", hundredths / 100, hundredths % 100);
    add_fact(f, name, isfinite(share) ? text : "–");
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
    int64_t whole = seconds < 1e15 ? (int64_t)(seconds + 0.5) : 0;
    snprintf(text, sizeof text, "%lld:%02lld:%02lld", (long long)(whole / 3600), (long long)(whole / 60 % 60),
             (long long)(whole % 60));
    add_fact(f, "training time", text);
}

/* The best epoch is worth a word if another one is what the model has. */
static void add_history_facts(facts *f, const cn_report *r) {
    const cn_history *history = r->history;
    double best = -1.0, seconds = 0.0;
    int64_t best_epoch = 0;
    char name[FACT];
    for (size_t i = 0; i < history->count; i++) {
        const cn_epoch_info *epoch = &history->epochs[i];
        seconds += isfinite(epoch->seconds) ? epoch->seconds : 0.0;
        if (epoch->test_accuracy > best) {
            best = epoch->test_accuracy;
            best_epoch = epoch->epoch;
        }
    }
    bool same = r->evaluation && fabs(cn_evaluation_accuracy(r->evaluation) - best) < 5e-5;
    bool test = strcmp(history->test_name, "test") == 0; /* as everything is that nothing else is said of */
    snprintf(name, sizeof name, "best%s%.40s, in epoch %lld", test ? "" : " ", test ? "" : history->test_name,
             (long long)best_epoch);
    if (best >= 0.0 && !same)
        add_percent(f, name, best);
    add_epochs(f, (int64_t)history->count, r->planned_epochs);
    if (history->count > 0)
        add_training_time(f, seconds);
}

static cn_status add_facts(draft *d) {
    facts f = {0};
    char number[CN__GROUPED_TEXT];
    const cn_report *r = &d->report;
    if (r->evaluation) {
        add_percent(&f, "accuracy", cn_evaluation_accuracy(r->evaluation));
        add_fact(&f, "images tested", cn__grouped(number, cn_evaluation_count(r->evaluation)));
    }
    if (r->train)
        add_fact(&f, "training images", cn__grouped(number, cn_dataset_count(r->train)));
    if (r->history)
        add_history_facts(&f, r);
    if (r->model)
        add_fact(&f, "parameters", cn__grouped(number, cn_model_parameter_count(r->model)));
    return f.count ? cn_page_facts(d->page, f.count, f.name, f.value) : CN_OK;
}

/* ---- charts ---- */

static cn_status add_curves(draft *d) {
    static const cn_metric metrics[] = {CN_METRIC_LOSS, CN_METRIC_ACCURACY, CN_METRIC_LEARNING_RATE};
    const cn_history *history = d->report.history;
    if (!history || history->count == 0)
        return CN_OK;
    CN__TRY(cn_page_heading(d->page, "Training"));
    for (size_t i = 0; i < CN__COUNT(metrics); i++) {
        char *svg;
        cn_status status = cn_chart_metric(1, &history, metrics[i], &svg);
        CN__TRY(add_chart(d, status, svg, NULL));
    }
    return cn__report_epochs(d->page, history);
}

static cn_status add_worst(draft *d) {
    cn__gallery gallery;
    cn_status status = cn__gallery_misclassified(d->report.evaluation, d->report.dataset, WORST, true, &gallery);
    if (status == CN_OK) /* fewer if the model predicted nothing for some */
        gallery.images->shape[0] = gallery.count;
    if (status == CN_OK && gallery.count > 0)
        status = cn_page_heading(d->page, "Surest mistakes");
    if (status == CN_OK && gallery.count > 0)
        status = cn_page_paragraph(d->page, "Predicted class / true class, the probabilities that the model gives "
                                            "them, and which image of the data set it is.");
    if (status == CN_OK && gallery.count > 0)
        status = cn_page_pictures(d->page, gallery.images, (const char *const *)gallery.titles);
    cn__gallery_drop(&gallery);
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

static cn_status add_evaluation(draft *d) {
    const cn_report *r = &d->report;
    char *svg;
    if (!r->evaluation)
        return CN_OK;
    CN__TRY(cn_page_heading(d->page, "Recognised and mistaken"));
    cn_status status = cn_chart_confusion(r->evaluation, r->dataset, &svg);
    bool wide = status == CN_OK && cn__page_is_wide(svg);
    CN__TRY(add_chart(d, status, svg, "Rows are true classes, columns what the model took them for."));
    status = cn_chart_class_accuracy(r->evaluation, r->dataset, &svg);
    CN__TRY(add_chart(d, status, svg, NULL));
    CN__TRY(cn__report_classes(d->page, r->evaluation, r->dataset, wide));
    status = r->dataset ? can_draw_pictures(d->ctx) : CN_ERR_UNSUPPORTED;
    if (status == CN_OK)
        return add_worst(d);
    return status == CN_ERR_UNSUPPORTED ? CN_OK : status;
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
