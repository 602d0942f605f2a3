/* SPDX-License-Identifier: MIT */
/* tables.c: numbers and evaluations as tables of text. */
#include "common.h"
#include <string.h>
#include <unistd.h>

enum { MATRIX_MOST = 20, CONFUSIONS_SHOWN = 15 };

const char *grouped(int64_t value, char text[GROUPED_TEXT]) {
    char digits[GROUPED_TEXT];
    int length = snprintf(digits, sizeof digits, "%lld", (long long)value), out = 0;
    for (int i = 0; i < length; i++) {
        text[out++] = digits[i];
        if (digits[i] != '-' && i + 1 < length && (length - 1 - i) % 3 == 0)
            text[out++] = ',';
    }
    text[out] = '\0';
    return text;
}

/* Bytes of the UTF-8 character that text begins with. */
static size_t character_bytes(const char *text) {
    size_t bytes = 1;
    while (((unsigned char)text[bytes] & 0xC0) == 0x80)
        bytes++;
    return bytes;
}

static int columns(const char *text) {
    int count = 0;
    for (; *text; text += character_bytes(text))
        count++;
    return count;
}

/* On a terminal names are cut to their column, with a sign that they were; other programs get them whole. */
static void cut_to_column(char *text) {
    char *end = text;
    if (columns(text) <= NAME_COLUMNS || !isatty(STDOUT_FILENO))
        return;
    for (int i = 0; i < NAME_COLUMNS - 1; i++)
        end += character_bytes(end);
    strcpy(end, "…");
}

const char *class_name(const cn_dataset *dataset, int64_t label, char text[NAME_TEXT]) {
    const char *name = cn_dataset_class_name(dataset, label);
    snprintf(text, NAME_TEXT - sizeof "…", "%s", name ? shown(name) : "?");
    cut_to_column(text);
    return text;
}

const char *class_column(const cn_dataset *dataset, int64_t label, char text[NAME_TEXT]) {
    size_t used = strlen(class_name(dataset, label, text));
    for (int column = columns(text); column < NAME_COLUMNS; column++)
        text[used++] = ' ';
    text[used] = '\0';
    return text;
}

int64_t truth_count(const cn_evaluation *evaluation, int64_t truth) {
    int64_t sum = 0;
    for (int64_t k = 0; k < cn_evaluation_classes(evaluation); k++)
        sum += cn_evaluation_confusion(evaluation, truth, k);
    return sum;
}

/* The class that images of `truth` are most often taken for by mistake; -1: never. */
static int64_t worst_mistake(const cn_evaluation *evaluation, int64_t truth) {
    int64_t worst = -1, most = 0;
    for (int64_t k = 0; k < cn_evaluation_classes(evaluation); k++) {
        int64_t count = cn_evaluation_confusion(evaluation, truth, k);
        if (k != truth && count > most) {
            most = count;
            worst = k;
        }
    }
    return worst;
}

static const char *class_measure(const cn_evaluation *evaluation, cn_metric metric, int64_t k, char text[METRIC_TEXT]) {
    return metric_text(metric, cn_evaluation_class_metric(evaluation, 0, metric, k), text);
}

void print_class_table(const cn_evaluation *evaluation, const cn_dataset *dataset) {
    char name[NAME_TEXT], other[NAME_TEXT], text[METRIC_TEXT];
    printf("%5s  %-24s  %7s  %10s  %8s  %9s  %7s  %s\n", "class", "name", "images", "recognised", "recall", "precision",
           "F1", "most often taken for");
    for (int64_t k = 0; k < cn_dataset_classes(dataset); k++) {
        int64_t images = truth_count(evaluation, k), worst = worst_mistake(evaluation, k);
        printf("%5d  %s  %7lld  %10lld  ", (int)k, class_column(dataset, k, name), (long long)images,
               (long long)cn_evaluation_confusion(evaluation, k, k));
        printf("%8s", class_measure(evaluation, CN_METRIC_RECALL, k, text));
        printf("  %9s", class_measure(evaluation, CN_METRIC_PRECISION, k, text));
        printf("  %7s", class_measure(evaluation, CN_METRIC_F1, k, text));
        if (worst >= 0)
            printf("  %s (%lld)", class_name(dataset, worst, other),
                   (long long)cn_evaluation_confusion(evaluation, k, worst));
        putchar('\n');
    }
}

/* ---- measures of other targets ---- */

static const struct measures {
    cn_metric main;
    const char *row;
    int count;
    cn_metric metrics[4];
} measures[] = {
    {CN_METRIC_MEAN_IOU, "class", 4, {CN_METRIC_MEAN_IOU, CN_METRIC_RECALL, CN_METRIC_PRECISION, CN_METRIC_F1}},
    {CN_METRIC_F1, "label", 4, {CN_METRIC_F1, CN_METRIC_RECALL, CN_METRIC_PRECISION, CN_METRIC_ACCURACY}},
    {CN_METRIC_MAE, "value", 3, {CN_METRIC_MAE, CN_METRIC_RMSE, CN_METRIC_R2}},
};

void print_measure_table(const cn_evaluation *evaluation, const task *asked, const cn_dataset *dataset) {
    enum { WIDTH = 12 };
    char name[NAME_TEXT], text[METRIC_TEXT];
    const struct measures *m = measures;
    bool named = asked->kind == CN_TARGET_MASK;
    while (m->main != asked->metric)
        m++;
    printf("%5s%s", m->row, named ? "  name                    " : "");
    for (int i = 0; i < m->count; i++) {
        const char *heading = m->metrics[i] == CN_METRIC_MEAN_IOU ? "IoU" : cn_metric_name(m->metrics[i]);
        printf("%*s%s", WIDTH - columns(heading), "", heading);
    }
    putchar('\n');
    for (int64_t k = 0; k < asked->outputs; k++) {
        printf("%5lld%s%s", (long long)k, named ? "  " : "", named ? class_column(dataset, k, name) : "");
        for (int i = 0; i < m->count; i++)
            printf("%*s", WIDTH, class_measure(evaluation, m->metrics[i], k, text));
        putchar('\n');
    }
}

/* ---- confusions ---- */

/* Columns for any number of the matrix, with a space before it. */
static int matrix_width(const cn_evaluation *evaluation, int64_t classes) {
    int64_t most = classes - 1;
    for (int64_t truth = 0; truth < classes; truth++)
        for (int64_t k = 0; k < classes; k++)
            if (cn_evaluation_confusion(evaluation, truth, k) > most)
                most = cn_evaluation_confusion(evaluation, truth, k);
    return snprintf(NULL, 0, " %lld", (long long)most);
}

static void print_matrix(const cn_evaluation *evaluation, const cn_dataset *dataset, int64_t classes) {
    char name[NAME_TEXT];
    int width = matrix_width(evaluation, classes);
    printf("Confusion%s: a row for each true class, a column for each predicted one\n%*s",
           task_of(dataset).kind == CN_TARGET_MASK ? " of pixels" : "", 3 + 2 + NAME_COLUMNS, "");
    for (int64_t k = 0; k < classes; k++)
        printf("%*d", width, (int)k);
    putchar('\n');
    for (int64_t truth = 0; truth < classes; truth++) {
        printf("%3d  %s", (int)truth, class_column(dataset, truth, name));
        for (int64_t k = 0; k < classes; k++)
            printf("%*lld", width, (long long)cn_evaluation_confusion(evaluation, truth, k));
        putchar('\n');
    }
}

/* The largest entry off the diagonal that comes after (count, truth, predicted) = *last in falling order. */
static bool next_confusion(const cn_evaluation *evaluation, int64_t classes, int64_t last[3]) {
    int64_t best[3] = {0, 0, 0};
    for (int64_t t = 0; t < classes; t++)
        for (int64_t p = 0; p < classes; p++) {
            int64_t count = t == p ? 0 : cn_evaluation_confusion(evaluation, t, p);
            bool later = count < last[0] || (count == last[0] && (t > last[1] || (t == last[1] && p > last[2])));
            if (later && count > best[0]) {
                best[0] = count;
                best[1] = t;
                best[2] = p;
            }
        }
    memcpy(last, best, sizeof best);
    return best[0] > 0;
}

static void print_confusions(const cn_evaluation *evaluation, const cn_dataset *dataset, int64_t classes) {
    char truth[NAME_TEXT], predicted[NAME_TEXT];
    int64_t entry[3] = {INT64_MAX, 0, 0};
    printf("Most frequent confusions\n%7s  %5s  %-24s  %5s  %s\n",
           task_of(dataset).kind == CN_TARGET_MASK ? "pixels" : "images", "", "truth", "", "prediction");
    for (int i = 0; i < CONFUSIONS_SHOWN && next_confusion(evaluation, classes, entry); i++)
        printf("%7lld  %5d  %s  %5d  %s\n", (long long)entry[0], (int)entry[1], class_column(dataset, entry[1], truth),
               (int)entry[2], class_name(dataset, entry[2], predicted));
}

void print_confusion(const cn_evaluation *evaluation, const cn_dataset *dataset) {
    int64_t classes = cn_dataset_classes(dataset);
    if (classes <= MATRIX_MOST)
        print_matrix(evaluation, dataset, classes);
    else
        print_confusions(evaluation, dataset, classes);
}

void print_misclassified(const cn_evaluation *evaluation, const cn_dataset *dataset, int64_t most) {
    char truth[NAME_TEXT], predicted[NAME_TEXT], all[GROUPED_TEXT];
    int64_t count = cn_evaluation_misclassified_count(evaluation);
    printf("Misclassified: %s", grouped(count, all));
    if (most < count)
        printf(", of which the first %lld", (long long)most);
    putchar('\n');
    printf("%7s  %-24s  %-24s  %11s  %s\n", "index", "prediction", "truth", "probability", "of the truth");
    for (int64_t i = 0; i < count && i < most; i++) {
        cn_misclassified entry = CN_MISCLASSIFIED_INIT;
        if (cn_evaluation_misclassified(evaluation, i, &entry) != CN_OK)
            break;
        const char *file = cn_dataset_file_name(dataset, entry.index);
        printf("%7lld  %s  %s  %9.2f %%  %10.2f %%%s%s\n", (long long)entry.index,
               class_column(dataset, entry.predicted, predicted), class_column(dataset, entry.truth, truth),
               100.0 * entry.probability, 100.0 * entry.truth_probability, file ? "  " : "", file ? shown(file) : "");
    }
}
