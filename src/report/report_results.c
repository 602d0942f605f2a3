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
    {CN_METRIC_ACCURACY, "class", "The classes", 3, {CN_METRIC_RECALL, CN_METRIC_PRECISION, CN_METRIC_F1}},
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

static void append_measure(cn__text *cells, const cn_evaluation *evaluation, int64_t output, cn_metric metric,
                           int64_t k) {
    cn__append_metric_cell(cells, metric, cn_evaluation_class_metric(evaluation, output, metric, k));
}

/* A data set's names are those of its first target that has classes. */
static const cn_dataset *naming(const cn_evaluation *evaluation, int64_t output, const cn_dataset *dataset) {
    for (int64_t i = 0; i < output; i++)
        if (cn__has_classes(evaluation, i))
            return NULL;
    return cn__has_classes(evaluation, output) ? dataset : NULL;
}

cn_status cn__report_measures(cn_page *page, const cn_evaluation *evaluation, int64_t output, const cn_dataset *dataset,
                              bool half) {
    const struct kind *kind = kind_of(evaluation, output);
    char titles[CN__COUNT(kind->metrics)][CN__METRIC_TEXT];
    const char *headings[CN__COUNT(kind->metrics) + 1] = {kind->row};
    cn__text cells = {.ctx = cn__page_context(page)};
    if (!isfinite(cn_evaluation_metric(evaluation, output, kind->main)))
        return CN_OK;
    for (int i = 0; i < kind->columns; i++)
        headings[i + 1] =
            kind->metrics[i] == CN_METRIC_MEAN_IOU ? "IoU, %" : cn__metric_title(kind->metrics[i], false, titles[i]);
    for (int64_t k = 0; k < cn__evaluation_values(evaluation, output); k++) {
        cn__append_class_cell(&cells, naming(evaluation, output, dataset), k);
        for (int i = 0; i < kind->columns; i++)
            append_measure(&cells, evaluation, output, kind->metrics[i], k);
    }
    return cn__add_table(
        page, NULL,
        (cn__table){.caption = kind->caption, .half = half, .columns = kind->columns + 1, .headings = headings},
        &cells);
}

/* ---- classes of the first output ---- */

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

static cn_status add_classes(cn_page *page, const cn_evaluation *evaluation, const cn_dataset *dataset, bool half) {
    static const char *const headings[] = {"class",       "images", "recognised",           "%",
                                           "precision %", "F1 %",   "most often taken for", "times"};
    cn__text cells = {.ctx = cn__page_context(page)};
    for (int64_t k = 0; k < cn_evaluation_classes(evaluation); k++) {
        int64_t worst = worst_mistake(evaluation, k);
        cn__append_class_cell(&cells, dataset, k);
        cn__append_integer_cell(&cells, cn__class_images(evaluation, k));
        cn__append_integer_cell(&cells, cn_evaluation_confusion(evaluation, k, k));
        cn__append_metric_cell(&cells, CN_METRIC_RECALL, cn_evaluation_class_accuracy(evaluation, k));
        append_measure(&cells, evaluation, 0, CN_METRIC_PRECISION, k);
        append_measure(&cells, evaluation, 0, CN_METRIC_F1, k);
        if (worst >= 0)
            cn__append_class_cell(&cells, dataset, worst);
        else
            cn__append_cell(&cells, "");
        cn__append_cost_cell(&cells, worst >= 0 ? cn_evaluation_confusion(evaluation, k, worst) : 0);
    }
    return cn__add_table(page, NULL,
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
    CN__TRY(is_of_pixels(evaluation) ? cn__report_measures(page, evaluation, 0, dataset, half)
                                     : add_classes(page, evaluation, dataset, half));
    return cn_evaluation_classes(evaluation) <= MATRIX ? add_matrix(page, evaluation, dataset)
                                                       : add_confusions(page, evaluation, dataset);
}
