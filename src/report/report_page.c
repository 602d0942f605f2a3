/* report_page.c: the page that says all about a model and its training. */
#include "report/report.h"
#include <math.h>
#include <stdio.h>

enum { WORST = 10 /* images */, FACT = 32 /* bytes of a figure */ };

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

static void add_history_facts(facts *f, const cn_history *history) {
    double best = -1.0, seconds = 0.0;
    char text[FACT], number[CN__GROUPED_TEXT];
    for (size_t i = 0; i < history->count; i++) {
        best = fmax(best, history->epochs[i].test_accuracy);
        seconds += isfinite(history->epochs[i].seconds) ? history->epochs[i].seconds : 0.0;
    }
    if (best >= 0.0)
        add_percent(f, "best test accuracy", best);
    add_fact(f, "epochs", cn__grouped(number, (int64_t)history->count));
    int64_t whole = seconds < 1e15 ? (int64_t)(seconds + 0.5) : 0;
    snprintf(text, sizeof text, "%lld:%02lld:%02lld", (long long)(whole / 3600), (long long)(whole / 60 % 60),
             (long long)(whole % 60));
    add_fact(f, "training time", text);
}

static cn_status add_facts(draft *d) {
    facts f = {0};
    char number[CN__GROUPED_TEXT];
    const cn_report *r = &d->report;
    if (r->evaluation) {
        add_percent(&f, "accuracy", cn_evaluation_accuracy(r->evaluation));
        add_fact(&f, "images tested", cn__grouped(number, cn_evaluation_count(r->evaluation)));
    }
    if (r->history)
        add_history_facts(&f, r->history);
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
    return CN_OK;
}

static cn_status add_worst(draft *d) {
    cn__gallery gallery;
    cn_status status = cn__gallery_misclassified(d->report.evaluation, d->report.dataset, WORST, true, &gallery);
    if (status == CN_OK) /* fewer if the model predicted nothing for some */
        gallery.images->shape[0] = gallery.count;
    if (status == CN_OK && gallery.count > 0)
        status = cn_page_heading(d->page, "Surest mistakes");
    if (status == CN_OK && gallery.count > 0)
        status = cn_page_paragraph(d->page, "Predicted class / true class, with the probabilities that the model gives "
                                            "them.");
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
    CN__TRY(add_chart(d, status, svg, "Rows are true classes, columns what the model took them for."));
    status = cn_chart_class_accuracy(r->evaluation, r->dataset, &svg);
    CN__TRY(add_chart(d, status, svg, NULL));
    status = r->dataset ? can_draw_pictures(d->ctx) : CN_ERR_UNSUPPORTED;
    if (status == CN_OK)
        return add_worst(d);
    return status == CN_ERR_UNSUPPORTED ? CN_OK : status;
}

/* ---- tables ---- */

/* Cells are texts of the library, freed with the table. */
static cn_status add_table(draft *d, const char *heading, cn__text *cells, int columns, const char *const *headings) {
    char *text;
    int count = 0;
    CN__TRY(cn__text_take(cells, &text));
    for (const char *c = text; *c; c++)
        count += *c == '\t';
    const char **cell = cn__alloc(d->ctx, (size_t)count + 1, sizeof *cell);
    cn_status status = cell ? CN_OK : cn__no_memory("a table");
    if (cell && count) {
        char *next = text;
        for (int i = 0; i < count; i++) {
            cell[i] = next;
            while (*next != '\t')
                next++;
            *next++ = '\0';
        }
        status = cn_page_heading(d->page, heading);
        if (status == CN_OK)
            status = cn_page_table(d->page, count / columns, columns, headings, cell);
    }
    cn__free(d->ctx, cell);
    cn_text_free(text);
    return status;
}

static void append_shape(cn__text *cells, const int64_t shape[3]) {
    cn__text_append(cells, "%lld×%lld×%lld\t", (long long)shape[0], (long long)shape[1], (long long)shape[2]);
}

static void append_cost(cn__text *cells, int64_t value) {
    if (value)
        cn__append_count(cells, value);
    cn__text_append(cells, "\t");
}

static cn_status add_summary(draft *d) {
    static const char *const headings[] = {"layer", "type", "input", "output", "parameters", "multiply-adds"};
    const cn_model *model = d->report.model;
    cn__text cells = {.ctx = d->ctx};
    int64_t parameters = 0, multiply_adds = 0;
    for (int i = 0; i < cn_model_layer_count(model); i++) {
        cn_layer_info info = CN_LAYER_INFO_INIT;
        cn_status status = cn_model_layer_info(model, i, &info);
        if (status != CN_OK) {
            cn_text_free(cells.data);
            return status;
        }
        cn__text_append(&cells, "%s\t%s\t", info.name, info.type);
        append_shape(&cells, info.input);
        append_shape(&cells, info.output);
        append_cost(&cells, info.parameters);
        append_cost(&cells, info.multiply_adds);
        parameters += info.parameters;
        multiply_adds = cn__add_capped(multiply_adds, info.multiply_adds);
    }
    cn__text_append(&cells, "total\t\t\t\t");
    append_cost(&cells, parameters);
    append_cost(&cells, multiply_adds);
    return add_table(d, "Layers", &cells, CN__COUNT(headings), headings);
}

static cn_status add_receptive_field(draft *d) {
    static const char *const headings[] = {"layer",  "in",     "RF in", "jump in", "pad",
                                           "kernel", "stride", "out",   "RF out",  "jump out"};
    const cn_model *model = d->report.model;
    cn__text cells = {.ctx = d->ctx};
    for (int i = 0; i < cn_model_layer_count(model); i++) {
        cn_layer_info info = CN_LAYER_INFO_INIT;
        cn_status status = cn_model_layer_info(model, i, &info);
        if (status != CN_OK) {
            cn_text_free(cells.data);
            return status;
        }
        if (!info.has_receptive_field)
            continue;
        const int64_t values[] = {info.in,     info.rf_in, info.jump_in, info.padding, info.kernel,
                                  info.stride, info.out,   info.rf_out,  info.jump_out};
        cn__text_append(&cells, "%s\t", info.name);
        for (size_t k = 0; k < CN__COUNT(values); k++)
            cn__text_append(&cells, "%lld\t", (long long)values[k]);
    }
    return add_table(d, "Receptive field", &cells, CN__COUNT(headings), headings);
}

static cn_status add_settings(draft *d) {
    static const char *const headings[] = {"setting", "value"};
    const cn_report *r = &d->report;
    cn__text cells = {.ctx = d->ctx};
    cn_device device = CN_DEVICE_INIT;
    CN__TRY(cn_context_device(d->ctx, &device));
    for (int i = 0; i < r->setting_count; i++) {
        const char *const pair[] = {r->setting_names[i], r->setting_values[i]};
        for (int k = 0; k < 2; k++) {
            for (const char *c = pair[k] ? pair[k] : ""; *c; c++)
                cn__text_append(&cells, "%c", *c == '\t' ? ' ' : *c);
            cn__text_append(&cells, "\t");
        }
    }
    cn__text_append(&cells, "processor\t%s\tthreads\t%d of %d cores\tinstruction set\t%s\tlibrary\tlibconvnet %s\t",
                    device.processor, device.threads, device.cores, cn_isa_name(device.isa), cn_version_string());
    return add_table(d, "Settings and machine", &cells, CN__COUNT(headings), headings);
}

static cn_status compose(draft *d) {
    CN__TRY(add_facts(d));
    CN__TRY(add_curves(d));
    CN__TRY(add_evaluation(d));
    CN__TRY(add_settings(d));
    if (!d->report.model)
        return CN_OK;
    CN__TRY(add_summary(d));
    return add_receptive_field(d);
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
