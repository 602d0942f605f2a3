/* SPDX-License-Identifier: MIT */
/* report_results.c: the tables of a report on what a model gets right and wrong: measures of each class, label or
 * channel, and what was taken for what. */
#include "report/report.h"
#include <math.h>
#include <stdlib.h>

enum { MATRIX = 20 /* classes, at most */, NAMED = 3 /* classes that one was taken for */ };

/* ---- measures of whatever target ---- */

static const struct kind {
    cn_metric main;
    const char *row, *caption;
    int columns;
    cn_metric metrics[4];
} kinds[] = {
    {CN_METRIC_ACCURACY,
     "class",
     "The classes: recall is the share of their images that were recognised",
     3,
     {CN_METRIC_RECALL, CN_METRIC_PRECISION, CN_METRIC_F1}},
    {CN_METRIC_MEAN_IOU,
     "class",
     "The classes, of which each pixel has one",
     4,
     {CN_METRIC_MEAN_IOU, CN_METRIC_RECALL, CN_METRIC_PRECISION, CN_METRIC_F1}},
    {CN_METRIC_F1,
     "label",
     "The labels; accuracy counts images without a label as well",
     4,
     {CN_METRIC_F1, CN_METRIC_RECALL, CN_METRIC_PRECISION, CN_METRIC_ACCURACY}},
    {CN_METRIC_MAE, "value", "The errors of each value", 3, {CN_METRIC_MAE, CN_METRIC_RMSE, CN_METRIC_R2}},
};

static const struct kind *kind_of(const cn_evaluation *evaluation, int64_t output) {
    const struct kind *kind = kinds;
    while (kind->main != cn_evaluation_main_metric(evaluation, output))
        kind++;
    return kind;
}

/* A data set's names are those of its first target that has classes. */
static const cn_dataset *naming(const cn_evaluation *evaluation, int64_t output, const cn_dataset *dataset) {
    for (int64_t i = 0; i < output; i++)
        if (cn__has_classes(evaluation, i))
            return NULL;
    return cn__has_classes(evaluation, output) ? dataset : NULL;
}

static bool is_of_pixels(const cn_evaluation *evaluation) {
    return cn_evaluation_main_metric(evaluation, 0) == CN_METRIC_MEAN_IOU;
}

enum { MEASURES = CN__COUNT(kinds[0].metrics), COLUMNS = 1 + 1 + MEASURES };

/* A table of measures: of classes of the first output also how many there are. */
typedef struct table_of_measures {
    const cn_evaluation *evaluation;
    int64_t output;
    const struct kind *kind;
    const cn_dataset *names; /* or NULL */
    bool counted;
    int columns;
    const char *headings[COLUMNS];
    char titles[MEASURES][CN__METRIC_TEXT];
} table_of_measures;

static void put_headings(table_of_measures *t) {
    t->headings[t->columns++] = t->kind->row;
    if (t->counted)
        t->headings[t->columns++] = is_of_pixels(t->evaluation) ? "pixels" : "images";
    for (int i = 0; i < t->kind->columns; i++) {
        cn_metric metric = t->kind->metrics[i];
        const char *title = cn__metric_title(metric, false, t->titles[i]);
        t->headings[t->columns++] = metric == CN_METRIC_MEAN_IOU ? "IoU, %" : title;
    }
}

static void append_row(cn__text *cells, const table_of_measures *t, int64_t k) {
    cn__append_class_cell(cells, t->names, k);
    if (t->counted) {
        cn__append_count(cells, cn__class_images(t->evaluation, k));
        cn__text_append(cells, "\t");
    }
    for (int i = 0; i < t->kind->columns; i++) {
        cn_metric metric = t->kind->metrics[i];
        cn__append_metric_cell(cells, metric, cn_evaluation_class_metric(t->evaluation, t->output, metric, k));
    }
}

cn_status cn__report_measures(cn_page *page, const cn_evaluation *evaluation, int64_t output, const cn_dataset *dataset,
                              bool half) {
    table_of_measures t = {.evaluation = evaluation,
                           .output = output,
                           .kind = kind_of(evaluation, output),
                           .names = naming(evaluation, output, dataset),
                           .counted = output == 0 && cn__has_classes(evaluation, 0)};
    cn__text cells = {.ctx = cn__page_context(page)};
    if (!isfinite(cn_evaluation_metric(evaluation, output, t.kind->main)))
        return CN_OK;
    put_headings(&t);
    for (int64_t k = 0; k < cn__evaluation_values(evaluation, output); k++)
        append_row(&cells, &t, k);
    return cn__add_table(
        page, NULL, (cn__table){.caption = t.kind->caption, .half = half, .columns = t.columns, .headings = t.headings},
        &cells);
}

/* ---- what was taken for what, of the first output ---- */

static cn_status add_matrix(cn_page *page, const cn_evaluation *evaluation, const cn_dataset *dataset) {
    char numbers[MATRIX][CN__LABEL_TEXT];
    const char *headings[MATRIX + 1] = {"true class"};
    int classes = (int)cn_evaluation_classes(evaluation); /* at most MATRIX */
    cn__text cells = {.ctx = cn__page_context(page)};
    for (int k = 0; k < classes; k++)
        headings[k + 1] = cn__class_name(dataset, k, numbers[k]);
    for (int truth = 0; truth < classes; truth++) {
        cn__append_class_cell(&cells, dataset, truth);
        for (int k = 0; k < classes; k++)
            cn__append_integer_cell(&cells, cn_evaluation_confusion(evaluation, truth, k));
    }
    return cn__add_table(
        page, NULL,
        (cn__table){.caption = is_of_pixels(evaluation)
                                   ? "Pixels of each true class by the class that the model took them for"
                                   : "Images of each true class by the class that the model took them for",
                    .fold = "The confusion matrix as a table",
                    .columns = classes + 1,
                    .headings = headings},
        &cells);
}

/* A class by how many of its images, or pixels, were mistaken. */
typedef struct mistaken {
    int64_t label, count, images;
} mistaken;

static int most_first(const void *a, const void *b) {
    const mistaken *x = a, *y = b;
    if (x->count != y->count)
        return x->count < y->count ? 1 : -1;
    return x->label < y->label ? -1 : 1;
}

/* "dog (12), deer (3) and 2 others (4)". */
static void append_taken_for(cn__text *cells, const cn_evaluation *evaluation, const cn_dataset *dataset,
                             const mistaken *m) {
    char number[CN__LABEL_TEXT];
    int64_t left = m->count, others = 0, last = INT64_MAX, last_class = -1;
    for (int64_t k = 0; k < cn_evaluation_classes(evaluation); k++)
        others += k != m->label && cn_evaluation_confusion(evaluation, m->label, k) > 0;
    for (int named = 0; named < NAMED && left > 0; named++) {
        int64_t most = 0, which = 0;
        for (int64_t k = 0; k < cn_evaluation_classes(evaluation); k++) {
            int64_t times = k == m->label ? 0 : cn_evaluation_confusion(evaluation, m->label, k);
            bool after = times < last || (times == last && k > last_class);
            if (after && times > most) {
                most = times;
                which = k;
            }
        }
        cn__text_append(cells, "%s", named ? ", " : "");
        cn__append_words(cells, cn__class_name(dataset, which, number));
        cn__text_append(cells, " (%lld)", (long long)most);
        left -= last = most;
        last_class = which;
        others--;
    }
    if (others > 0)
        cn__text_append(cells, " and %lld other%s (%lld)", (long long)others, others == 1 ? "" : "s", (long long)left);
    cn__text_append(cells, "\t");
}

static cn_status add_mistakes(cn_page *page, const cn_evaluation *evaluation, const cn_dataset *dataset,
                              mistaken *classes, bool half) {
    const char *const headings[] = {"true class", "mistaken", is_of_pixels(evaluation) ? "of pixels" : "of images",
                                    "taken for"};
    int64_t count = cn_evaluation_classes(evaluation);
    cn__text cells = {.ctx = cn__page_context(page)};
    for (int64_t k = 0; k < count; k++) {
        int64_t images = cn__class_images(evaluation, k);
        classes[k] = (mistaken){k, images - cn_evaluation_confusion(evaluation, k, k), images};
    }
    qsort(classes, (size_t)count, sizeof *classes, most_first);
    for (int64_t k = 0; k < count && classes[k].count > 0; k++) {
        cn__append_class_cell(&cells, dataset, classes[k].label);
        cn__append_integer_cell(&cells, classes[k].count);
        cn__append_integer_cell(&cells, classes[k].images);
        append_taken_for(&cells, evaluation, dataset, &classes[k]);
    }
    return cn__add_table(page, NULL,
                         (cn__table){.caption = "What each class was taken for, most mistaken first",
                                     .half = half,
                                     .columns = CN__COUNT(headings),
                                     .headings = headings},
                         &cells);
}

cn_status cn__report_mistakes(cn_page *page, const cn_evaluation *evaluation, const cn_dataset *dataset, bool half) {
    cn_context *ctx = cn__page_context(page);
    int64_t count = cn_evaluation_classes(evaluation);
    mistaken *classes = cn__alloc(ctx, (size_t)count, sizeof *classes);
    if (!classes)
        return cn__no_memory("mistakes");
    cn_status status = add_mistakes(page, evaluation, dataset, classes, half);
    cn__free(ctx, classes);
    return status == CN_OK && count <= MATRIX ? add_matrix(page, evaluation, dataset) : status;
}
