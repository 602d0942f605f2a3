/* SPDX-License-Identifier: MIT */
/* report_tables.c: the tables of a report on the run and the model: epochs, settings, layers. */
#include "report/report.h"
#include <stdio.h>

/* ---- epochs ---- */

#define MAX_HEADING 96

/* "train %" of shares, which the caption names, so that the table is no wider than a chart; else "train MAE". */
static void metric_heading(char text[MAX_HEADING], const char *part, cn_metric metric) {
    snprintf(text, MAX_HEADING, "%s %s", part, cn__metric_is_share(metric) ? "%" : cn_metric_name(metric));
}

static void append_epoch(cn__text *cells, const cn_epoch_info *epoch, cn_metric metric, bool measured) {
    cn__append_integer_cell(cells, epoch->epoch);
    cn__append_real_cell(cells, epoch->train_loss, 4);
    cn__append_real_cell(cells, epoch->test_loss, 4);
    if (measured) {
        cn__append_metric_cell(cells, metric, cn__epoch_metric(epoch, metric, false));
        cn__append_metric_cell(cells, metric, cn__epoch_metric(epoch, metric, true));
    }
    cn__append_short(cells, epoch->learning_rate, 3);
    cn__text_append(cells, "\t");
}

cn_status cn__report_epochs(cn_page *page, const cn_history *history) {
    char loss[MAX_HEADING], train[MAX_HEADING], test[MAX_HEADING], caption[MAX_HEADING];
    cn_metric metric = cn__history_metric(history);
    bool measured = cn__history_has(history, metric);
    const char *const all[] = {"epoch", "train loss", loss, train, test, "rate"};
    const char *const few[] = {"epoch", "train loss", loss, "rate"};
    snprintf(loss, sizeof loss, "%s loss", history->test_name);
    snprintf(caption, sizeof caption, "The epochs: loss, %s%smean learning rate",
             measured ? cn_metric_name(metric) : "", measured ? ", " : "");
    metric_heading(train, "train", metric);
    metric_heading(test, history->test_name, metric);
    cn__text cells = {.ctx = cn__page_context(page)};
    for (size_t i = 0; i < history->count; i++)
        append_epoch(&cells, &history->epochs[i], metric, measured);
    return cn__add_table(page, NULL,
                         (cn__table){.caption = caption,
                                     .half = true,
                                     .columns = measured ? CN__COUNT(all) : CN__COUNT(few),
                                     .headings = measured ? all : few},
                         &cells);
}

/* ---- settings ---- */

cn_status cn__report_settings(cn_page *page, const cn_report *report) {
    static const char *const headings[] = {"setting", "value"};
    cn__text cells = {.ctx = cn__page_context(page)};
    cn_device device = CN_DEVICE_INIT;
    CN__TRY(cn_context_device(cells.ctx, &device));
    for (int64_t i = 0; i < report->setting_count; i++) {
        cn__append_cell(&cells, report->setting_names[i] ? report->setting_names[i] : "");
        cn__append_cell(&cells, report->setting_values[i] ? report->setting_values[i] : "");
    }
    cn__text_append(&cells, "processor\t%s\tthreads\t%d of %d cores\tinstruction set\t%s\tlibrary\tlibconvnet %s\t",
                    device.processor, (int)device.threads, (int)device.cores, cn_isa_name(device.isa),
                    cn_version_string());
    return cn__add_table(
        page, "Settings and machine",
        (cn__table){.caption = "What it takes to do it again", .columns = CN__COUNT(headings), .headings = headings},
        &cells);
}

/* ---- layers ---- */

static cn_status layer_info(const cn_model *model, int64_t index, cn__text *cells, cn_layer_info *info) {
    *info = (cn_layer_info)CN_LAYER_INFO_INIT;
    cn_status status = cn_model_layer_info(model, index, info);
    if (status != CN_OK)
        cn_text_free(cells->data);
    return status;
}

/* Channels×height×width, or features. */
static void append_shape(cn__text *cells, const int64_t shape[3]) {
    cn__text_append(cells, "%lld", (long long)shape[0]);
    if (shape[1] != 1 || shape[2] != 1)
        cn__text_append(cells, "×%lld×%lld", (long long)shape[1], (long long)shape[2]);
    cn__text_append(cells, "\t");
}

static cn_status add_summary(cn_page *page, const cn_model *model) {
    static const char *const headings[] = {"layer", "type", "input", "output", "parameters", "multiply-adds"};
    cn__text cells = {.ctx = cn__page_context(page)};
    int64_t parameters = 0, multiply_adds = 0;
    for (int64_t i = 0; i < cn_model_layer_count(model); i++) {
        cn_layer_info info;
        CN__TRY(layer_info(model, i, &cells, &info));
        cn__append_cell(&cells, info.name);
        cn__append_cell(&cells, info.type);
        append_shape(&cells, info.input);
        append_shape(&cells, info.output);
        cn__append_cost_cell(&cells, info.parameters);
        cn__append_cost_cell(&cells, info.multiply_adds);
        parameters += info.parameters;
        multiply_adds = cn__add_capped(multiply_adds, info.multiply_adds);
    }
    cn__text_append(&cells, "total\t\t\t\t");
    cn__append_cost_cell(&cells, parameters);
    cn__append_cost_cell(&cells, multiply_adds);
    return cn__add_table(page, "Layers",
                         (cn__table){.caption = "Shapes are channels×height×width of one image",
                                     .columns = CN__COUNT(headings),
                                     .headings = headings},
                         &cells);
}

/* "3", or "1×3" where height and width differ. */
static void append_sides(cn__text *cells, const int64_t sides[2]) {
    cn__text_append(cells, "%lld", (long long)sides[0]);
    if (sides[0] != sides[1])
        cn__text_append(cells, "×%lld", (long long)sides[1]);
    cn__text_append(cells, "\t");
}

static cn_status add_receptive_field(cn_page *page, const cn_model *model) {
    static const char *const headings[] = {"layer",  "in",     "RF in", "jump in", "pad",
                                           "kernel", "stride", "out",   "RF out",  "jump out"};
    cn__text cells = {.ctx = cn__page_context(page)};
    for (int64_t i = 0; i < cn_model_layer_count(model); i++) {
        cn_layer_info info;
        CN__TRY(layer_info(model, i, &cells, &info));
        if (!info.has_receptive_field)
            continue;
        cn__append_cell(&cells, info.name);
        append_sides(&cells, info.in);
        append_sides(&cells, info.rf_in);
        append_sides(&cells, info.jump_in);
        append_sides(&cells, info.padding);
        append_sides(&cells, info.kernel);
        append_sides(&cells, info.stride);
        append_sides(&cells, info.out);
        append_sides(&cells, info.rf_out);
        append_sides(&cells, info.jump_out);
    }
    return cn__add_table(page, "Receptive field",
                         (cn__table){.caption =
                                         "How many pixels of the image a layer sees (RF), and how far its neighbours "
                                         "lie apart there (jump)",
                                     .columns = CN__COUNT(headings),
                                     .headings = headings},
                         &cells);
}

cn_status cn__report_layers(cn_page *page, const cn_model *model) {
    CN__TRY(add_summary(page, model));
    return add_receptive_field(page, model);
}
