/* SPDX-License-Identifier: MIT */
/* report_results.c: the tables of a report on what a model gets right and wrong: measures of each class, label or
 * channel, and what was taken for what. */
#include "report/report.h"
#include <math.h>

enum { MATRIX = 20 /* classes, at most */, CONFUSIONS = 20 /* shown of more */ };

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

static void append_mistake(cn__text *cells, const cn_evaluation *evaluation, const cn_dataset *dataset, int64_t k) {
    int64_t worst = worst_mistake(evaluation, k);
    if (worst >= 0)
        cn__append_class_cell(cells, dataset, worst);
    else
        cn__append_cell(cells, "");
    cn__append_cost_cell(cells, worst >= 0 ? cn_evaluation_confusion(evaluation, k, worst) : 0);
}

enum { MEASURES = CN__COUNT(kinds[0].metrics), COLUMNS = 1 + 1 + MEASURES + 2 };

/* A table of measures: of classes of the first output also how many there are and, where there is room, what they are
 * taken for. */
typedef struct table_of_measures {
    const cn_evaluation *evaluation;
    int64_t output;
    const struct kind *kind;
    const cn_dataset *names; /* or NULL */
    bool counted, with_mistakes;
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
    if (t->with_mistakes) {
        t->headings[t->columns++] = "most often taken for";
        t->headings[t->columns++] = "times";
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
    if (t->with_mistakes)
        append_mistake(cells, t->evaluation, t->names, k);
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
    t.with_mistakes = t.counted && !half;
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

static cn_status add_confusions(cn_page *page, const cn_evaluation *evaluation, const cn_dataset *dataset) {
    const char *const headings[] = {"true class", "taken for", "times",
                                    is_of_pixels(evaluation) ? "of pixels" : "of images"};
    cn__confusion confusion = CN__FIRST_CONFUSION;
    cn__text cells = {.ctx = cn__page_context(page)};
    for (int i = 0; i < CONFUSIONS && cn__next_confusion(evaluation, &confusion); i++) {
        cn__append_class_cell(&cells, dataset, confusion.truth);
        cn__append_class_cell(&cells, dataset, confusion.predicted);
        cn__append_integer_cell(&cells, confusion.images);
        cn__append_integer_cell(&cells, cn__class_images(evaluation, confusion.truth));
    }
    return cn__add_table(
        page, NULL,
        (cn__table){.caption = "The most frequent confusions", .columns = CN__COUNT(headings), .headings = headings},
        &cells);
}

cn_status cn__report_classes(cn_page *page, const cn_evaluation *evaluation, const cn_dataset *dataset, bool half) {
    CN__TRY(cn__report_measures(page, evaluation, 0, dataset, half));
    return cn_evaluation_classes(evaluation) <= MATRIX ? add_matrix(page, evaluation, dataset)
                                                       : add_confusions(page, evaluation, dataset);
}
