/* report_tables.c: the tables of a report: epochs, classes, settings, layers. */
#include "report/report.h"
#include <stdio.h>
#include <string.h>

enum { MATRIX = 20 /* classes, at most */, CONFUSIONS = 20 /* shown of more */ };

/* ---- cells that end with tabs ---- */

static void append_cell(cn__text *cells, const char *text) {
    for (const char *c = text; *c; c++)
        cn__text_append(cells, "%c", *c == '\t' ? ' ' : *c);
    cn__text_append(cells, "\t");
}

static void append_integer(cn__text *cells, int64_t value) {
    cn__text_append(cells, "%lld\t", (long long)value);
}

static void append_real(cn__text *cells, double value, int decimals) {
    cn__append_number(cells, value, decimals);
    cn__text_append(cells, "\t");
}

/* Blank instead of 0, so that what costs something stands out. */
static void append_cost(cn__text *cells, int64_t value) {
    if (value)
        cn__append_count(cells, value);
    cn__text_append(cells, "\t");
}

static void append_class(cn__text *cells, const cn_dataset *dataset, int64_t label) {
    char number[CN__LABEL_TEXT];
    append_cell(cells, cn__class_name(dataset, label, number));
}

/* Puts pointers to the cells, which end with zeros then, into an array to be freed. NULL: no memory. */
static const char **split_cells(cn_context *ctx, char *text, int *count) {
    *count = 0;
    for (const char *c = text; *c; c++)
        *count += *c == '\t';
    const char **cell = cn__alloc(ctx, (size_t)*count + 1, sizeof *cell);
    for (int i = 0; cell && i < *count; i++) {
        cell[i] = text;
        text += strcspn(text, "\t");
        *text++ = '\0';
    }
    return cell;
}

/* Adds a table of these cells under a heading, or NULL, unless there are none. Consumes the cells. */
static cn_status add_table(cn_page *page, const char *heading, cn__table table, cn__text *cells) {
    cn_context *ctx = cells->ctx;
    char *text;
    int count;
    CN__TRY(cn__text_take(cells, &text));
    const char **cell = split_cells(ctx, text, &count);
    cn_status status = cell ? CN_OK : cn__no_memory("a table");
    if (status == CN_OK && count && heading)
        status = cn_page_heading(page, heading);
    if (status == CN_OK && count) {
        table.rows = count / table.columns;
        table.cells = cell;
        status = cn__page_table(page, &table);
    }
    cn__free(ctx, cell);
    cn_text_free(text);
    return status;
}

/* ---- epochs ---- */

#define MAX_HEADING 64

cn_status cn__report_epochs(cn_page *page, const cn_history *history) {
    char loss[MAX_HEADING], accuracy[MAX_HEADING];
    const char *const headings[] = {"epoch", "train loss", loss, "train %", accuracy, "rate"};
    snprintf(loss, sizeof loss, "%s loss", history->test_name);
    snprintf(accuracy, sizeof accuracy, "%s %%", history->test_name);
    cn__text cells = {.ctx = cn__page_context(page)};
    for (size_t i = 0; i < history->count; i++) {
        const cn_epoch_info *epoch = &history->epochs[i];
        append_integer(&cells, epoch->epoch);
        append_real(&cells, epoch->train_loss, 4);
        append_real(&cells, epoch->test_loss, 4);
        append_real(&cells, 100.0 * epoch->train_accuracy, 2);
        append_real(&cells, 100.0 * epoch->test_accuracy, 2);
        cn__append_short(&cells, epoch->learning_rate, 3);
        cn__text_append(&cells, "\t");
    }
    return add_table(page, NULL,
                     (cn__table){.caption = "The epochs: loss, accuracy, mean learning rate",
                                 .half = true,
                                 .columns = CN__COUNT(headings),
                                 .headings = headings},
                     &cells);
}

/* ---- classes ---- */

/* The class that images of `truth` are most often taken for by mistake; -1: never. */
static int64_t worst_mistake(const cn_evaluation *evaluation, int64_t truth) {
    int64_t worst = -1, most = 0;
    for (int64_t k = 0; k < cn_evaluation_classes(evaluation); k++) {
        int64_t images = cn_evaluation_confusion(evaluation, truth, k);
        if (k != truth && images > most) {
            most = images;
            worst = k;
        }
    }
    return worst;
}

static cn_status add_classes(cn_page *page, const cn_evaluation *evaluation, const cn_dataset *dataset, bool half) {
    static const char *const headings[] = {"class", "images", "recognised", "%", "most often taken for", "times"};
    cn__text cells = {.ctx = cn__page_context(page)};
    for (int64_t k = 0; k < cn_evaluation_classes(evaluation); k++) {
        int64_t worst = worst_mistake(evaluation, k);
        append_class(&cells, dataset, k);
        append_integer(&cells, cn__class_images(evaluation, k));
        append_integer(&cells, cn_evaluation_confusion(evaluation, k, k));
        append_real(&cells, 100.0 * cn_evaluation_class_accuracy(evaluation, k), 2);
        if (worst >= 0)
            append_class(&cells, dataset, worst);
        else
            append_cell(&cells, "");
        append_cost(&cells, worst >= 0 ? cn_evaluation_confusion(evaluation, k, worst) : 0);
    }
    return add_table(page, NULL,
                     (cn__table){.caption = "The classes: how many images of each were recognised",
                                 .half = half,
                                 .columns = CN__COUNT(headings),
                                 .headings = headings},
                     &cells);
}

static cn_status add_matrix(cn_page *page, const cn_evaluation *evaluation, const cn_dataset *dataset) {
    char numbers[MATRIX][CN__LABEL_TEXT];
    const char *headings[MATRIX + 1] = {"true class"};
    int classes = cn_evaluation_classes(evaluation);
    cn__text cells = {.ctx = cn__page_context(page)};
    for (int k = 0; k < classes; k++)
        headings[k + 1] = cn__class_name(dataset, k, numbers[k]);
    for (int truth = 0; truth < classes; truth++) {
        append_class(&cells, dataset, truth);
        for (int k = 0; k < classes; k++)
            append_integer(&cells, cn_evaluation_confusion(evaluation, truth, k));
    }
    return add_table(page, NULL,
                     (cn__table){.caption = "Images of each true class by the class that the model took them for",
                                 .fold = "The confusion matrix as a table",
                                 .columns = classes + 1,
                                 .headings = headings},
                     &cells);
}

static cn_status add_confusions(cn_page *page, const cn_evaluation *evaluation, const cn_dataset *dataset) {
    static const char *const headings[] = {"true class", "taken for", "times", "of images"};
    cn__confusion confusion = CN__FIRST_CONFUSION;
    cn__text cells = {.ctx = cn__page_context(page)};
    for (int i = 0; i < CONFUSIONS && cn__next_confusion(evaluation, &confusion); i++) {
        append_class(&cells, dataset, confusion.truth);
        append_class(&cells, dataset, confusion.predicted);
        append_integer(&cells, confusion.images);
        append_integer(&cells, cn__class_images(evaluation, confusion.truth));
    }
    return add_table(
        page, NULL,
        (cn__table){.caption = "The most frequent confusions", .columns = CN__COUNT(headings), .headings = headings},
        &cells);
}

cn_status cn__report_classes(cn_page *page, const cn_evaluation *evaluation, const cn_dataset *dataset, bool half) {
    CN__TRY(add_classes(page, evaluation, dataset, half));
    return cn_evaluation_classes(evaluation) <= MATRIX ? add_matrix(page, evaluation, dataset)
                                                       : add_confusions(page, evaluation, dataset);
}

/* ---- settings ---- */

cn_status cn__report_settings(cn_page *page, const cn_report *report) {
    static const char *const headings[] = {"setting", "value"};
    cn__text cells = {.ctx = cn__page_context(page)};
    cn_device device = CN_DEVICE_INIT;
    CN__TRY(cn_context_device(cells.ctx, &device));
    for (int64_t i = 0; i < report->setting_count; i++) {
        append_cell(&cells, report->setting_names[i] ? report->setting_names[i] : "");
        append_cell(&cells, report->setting_values[i] ? report->setting_values[i] : "");
    }
    cn__text_append(&cells, "processor\t%s\tthreads\t%d of %d cores\tinstruction set\t%s\tlibrary\tlibconvnet %s\t",
                    device.processor, (int)device.threads, (int)device.cores, cn_isa_name(device.isa),
                    cn_version_string());
    return add_table(
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
        append_cell(&cells, info.name);
        append_cell(&cells, info.type);
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
    return add_table(page, "Layers",
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
        append_cell(&cells, info.name);
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
    return add_table(page, "Receptive field",
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
