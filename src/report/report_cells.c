/* SPDX-License-Identifier: MIT */
/* report_cells.c: a report's tables, written as one text whose cells end with tabs. */
#include "report/report.h"
#include <string.h>

void cn__append_words(cn__text *cells, const char *text) {
    for (const char *c = text; *c; c++)
        cn__text_append(cells, "%c", *c == '\t' ? ' ' : *c);
}

void cn__append_cell(cn__text *cells, const char *text) {
    cn__append_words(cells, text);
    cn__text_append(cells, "\t");
}

void cn__append_integer_cell(cn__text *cells, int64_t value) {
    cn__text_append(cells, "%lld\t", (long long)value);
}

void cn__append_real_cell(cn__text *cells, double value, int decimals) {
    cn__append_number(cells, value, decimals);
    cn__text_append(cells, "\t");
}

void cn__append_metric_cell(cn__text *cells, cn_metric metric, double value) {
    cn__append_metric(cells, metric, value);
    cn__text_append(cells, "\t");
}

void cn__append_cost_cell(cn__text *cells, int64_t value) {
    if (value)
        cn__append_count(cells, value);
    cn__text_append(cells, "\t");
}

void cn__append_class_cell(cn__text *cells, const cn_dataset *dataset, int64_t label) {
    char number[CN__LABEL_TEXT];
    cn__append_cell(cells, cn__class_name(dataset, label, number));
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

cn_status cn__add_table(cn_page *page, const char *heading, cn__table table, cn__text *cells) {
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
