/* SPDX-License-Identifier: MIT */
/* confusion.c: what was taken for what, as a heat map. A cell's colour says which share of the images of its row, the
 * true class, it holds: blue where the class was recognised, orange where it was not. Many classes are drawn as small
 * cells without numbers, and very many share cells.
 *
 * As wide as other charts where names and numbers fit into that, else as wide as they want. */
#include "report/report.h"
#include <math.h>
#include <stdio.h>

enum { WITH_NUMBERS = 20, WITH_TOOLTIPS = 100, MAX_CELLS = 200, LEVELS = 12, NAMED_CONFUSIONS = 5 };
enum { NAME = 40, MARGIN = 16, TITLE = 40, AXIS = 22, MAX_SIZE = 34, MAX_WIDTH = 1000, LABEL = 21, DIGIT = 8 };

typedef struct matrix {
    cn__text *out;
    const cn_evaluation *evaluation;
    const cn_dataset *dataset;
    int64_t classes;
    int cells;      /* a side */
    int size;       /* of a cell, in pixels */
    int every;      /* cell has labels */
    int left, top;  /* where the cells begin */
    int width;      /* of the chart */
    int64_t *count; /* [cells][cells] */
    int64_t *total; /* [cells], of a row */
} matrix;

static int64_t first_class(const matrix *m, int cell) {
    return ((int64_t)cell * m->classes + m->cells - 1) / m->cells;
}

static void count(matrix *m) {
    for (int64_t truth = 0; truth < m->classes; truth++)
        for (int64_t predicted = 0; predicted < m->classes; predicted++) {
            int64_t row = truth * m->cells / m->classes, column = predicted * m->cells / m->classes;
            int64_t images = cn_evaluation_confusion(m->evaluation, truth, predicted);
            m->count[row * m->cells + column] += images;
            m->total[row] += images;
        }
}

/* 0 to LEVELS. The root lets rare confusions show beside a diagonal of 90 %. */
static int level(const matrix *m, int row, int column) {
    int64_t images = m->count[row * m->cells + column];
    if (images == 0)
        return 0;
    return (int)ceil(LEVELS * sqrt((double)images / (double)m->total[row]));
}

/* ---- cells ---- */

/* "cat", or "cat to dog" where a cell stands for several classes. */
static void append_classes(const matrix *m, int cell) {
    int64_t first = first_class(m, cell), last = first_class(m, cell + 1) - 1;
    cn__append_class(m->out, m->dataset, first, NAME);
    if (last > first) {
        cn__text_append(m->out, " to ");
        cn__append_class(m->out, m->dataset, last, NAME);
    }
}

/* "cat taken for dog: 32 of 104, 30.8 %". */
static void append_meaning(const matrix *m, int row, int column) {
    int64_t images = m->count[row * m->cells + column];
    append_classes(m, row);
    if (row == column) {
        cn__text_append(m->out, " recognised: ");
    } else {
        cn__text_append(m->out, " taken for ");
        append_classes(m, column);
        cn__text_append(m->out, ": ");
    }
    cn__append_count(m->out, images);
    cn__text_append(m->out, " of ");
    cn__append_count(m->out, m->total[row]);
    cn__text_append(m->out, ", ");
    cn__append_number(m->out, 100.0 * (double)images / (double)m->total[row], 1);
    cn__text_append(m->out, " %%");
}

static void append_cell(const matrix *m, int row, int column) {
    int side = m->size > 8 ? m->size - 1 : m->size; /* a gap between large cells */
    cn__text_append(m->out, "<path d=\"M%d %dh%dv%dh-%dz\"", m->left + column * m->size, m->top + row * m->size, side,
                    side, side);
    if (m->cells > WITH_TOOLTIPS) {
        cn__text_append(m->out, "/>");
        return;
    }
    cn__text_append(m->out, "><title>");
    append_meaning(m, row, column);
    cn__text_append(m->out, "</title></path>\n");
}

/* All cells of one colour and strength. */
static void append_cells(const matrix *m, bool diagonal, int wanted) {
    bool any = false;
    for (int row = 0; row < m->cells; row++)
        for (int column = 0; column < m->cells; column++) {
            if ((row == column) != diagonal || level(m, row, column) != wanted)
                continue;
            if (!any)
                cn__text_append(m->out, "<g class=\"cn-f%d\" fill-opacity=\".%02d\">\n", diagonal ? 0 : 1,
                                wanted == LEVELS ? 99 : 100 * wanted / LEVELS);
            any = true;
            append_cell(m, row, column);
        }
    if (any)
        cn__text_append(m->out, "</g>\n");
}

/* Black or white, whichever stands out more from the cell, each in light and in dark surroundings: always by 4.7:1. */
static const char *number_class(bool diagonal, int strength) {
    bool white_on_light = diagonal && strength >= 11, white_on_dark = strength <= 7;
    return white_on_light ? (white_on_dark ? "cn-ww" : "cn-wk") : white_on_dark ? "cn-kw" : "cn-kk";
}

static void append_numbers(const matrix *m) {
    cn__text_append(m->out, "<g text-anchor=\"middle\" pointer-events=\"none\">\n"); /* tooltips are the cells' */
    for (int row = 0; row < m->cells; row++)
        for (int column = 0; column < m->cells; column++)
            if (m->count[row * m->cells + column])
                cn__text_append(m->out, "<text class=\"%s\" x=\"%d\" y=\"%d\">%lld</text>\n",
                                number_class(row == column, level(m, row, column)),
                                m->left + column * m->size + m->size / 2, m->top + row * m->size + m->size / 2 + 5,
                                (long long)m->count[row * m->cells + column]);
    cn__text_append(m->out, "</g>\n");
}

/* Of every class, or where they are many of some. */
static void append_labels(const matrix *m) {
    for (int cell = 0; cell < m->cells; cell += m->every) {
        int middle = cell * m->size + m->size / 2;
        cn__text_append(m->out, "<text class=\"cn-t\" x=\"%d\" y=\"%d\" text-anchor=\"end\">", m->left - 8,
                        m->top + middle + 5);
        cn__append_class(m->out, m->dataset, first_class(m, cell), NAME);
        cn__text_append(m->out, "</text><text class=\"cn-t\" transform=\"translate(%d %d) rotate(-45)\">",
                        m->left + middle + 4, m->top - 7);
        cn__append_class(m->out, m->dataset, first_class(m, cell), NAME);
        cn__text_append(m->out, "</text>\n");
    }
}

/* ---- the numbers for readers who do not see them ---- */

bool cn__next_confusion(const cn_evaluation *evaluation, cn__confusion *last) {
    cn__confusion best = {0, 0, 0};
    int64_t classes = cn_evaluation_classes(evaluation);
    for (int64_t t = 0; t < classes; t++)
        for (int64_t p = 0; p < classes; p++) {
            int64_t images = t == p ? 0 : cn_evaluation_confusion(evaluation, t, p);
            bool after = images < last->images ||
                         (images == last->images && (t > last->truth || (t == last->truth && p > last->predicted)));
            if (after && images > best.images)
                best = (cn__confusion){images, t, p};
        }
    *last = best;
    return best.images > 0;
}

static void append_description(const matrix *m) {
    cn__confusion confusion = CN__FIRST_CONFUSION;
    bool pixels = cn_evaluation_main_metric(m->evaluation, 0) == CN_METRIC_MEAN_IOU;
    cn__text_append(m->out, "<desc>%lld classes; %saccuracy ", (long long)m->classes, pixels ? "pixel " : "");
    cn__append_number(m->out, 100.0 * cn_evaluation_accuracy(m->evaluation), 2);
    cn__text_append(m->out, " %% of ");
    cn__append_count(m->out, cn_evaluation_count(m->evaluation));
    cn__text_append(m->out, " images.%s", m->cells < m->classes ? " A cell stands for several classes." : "");
    for (int i = 0; i < NAMED_CONFUSIONS && cn__next_confusion(m->evaluation, &confusion); i++) {
        cn__text_append(m->out, i ? "; " : " Most often: ");
        cn__append_class(m->out, m->dataset, confusion.truth, NAME);
        cn__text_append(m->out, " taken for ");
        cn__append_class(m->out, m->dataset, confusion.predicted, NAME);
        cn__text_append(m->out, ", ");
        cn__append_count(m->out, confusion.images);
        cn__text_append(m->out, " of ");
        cn__append_count(m->out, cn__class_images(m->evaluation, confusion.truth));
    }
    cn__text_append(m->out, "</desc>\n");
}

/* ---- where all goes ---- */

static int name_width(const matrix *m, int cell) {
    return CN__CHARACTER * cn__class_width(m->dataset, first_class(m, cell), NAME);
}

/* What the slanted headings and the cells need to the right of the row's names. */
static int extent(const matrix *m, int size) {
    int most = m->cells * size;
    for (int cell = 0; cell < m->cells; cell += (LABEL + size - 1) / size) {
        int end = cell * size + size / 2 + 16 + name_width(m, cell) * 5 / 7;
        most = end > most ? end : most;
    }
    return most;
}

/* The largest cells, of at least `least` pixels, with which the chart is no wider than that; 0: there are none. */
static int fitting_size(const matrix *m, int width, int least) {
    for (int size = MAX_SIZE; size >= least; size--)
        if (m->left + extent(m, size) + MARGIN <= width)
            return size;
    return 0;
}

static void lay_out(matrix *m) {
    int longest = 0;
    int64_t most = 0;
    for (int64_t i = 0; i < (int64_t)m->cells * m->cells; i++)
        most = m->count[i] > most ? m->count[i] : most;
    for (int cell = 0; cell < m->cells; cell++)
        longest = name_width(m, cell) > longest ? name_width(m, cell) : longest;
    int number = DIGIT * snprintf(NULL, 0, "%lld", (long long)most) + 4;
    number = number > LABEL ? number : LABEL;
    m->left = MARGIN + AXIS + longest + 8;
    m->size = fitting_size(m, CN__PANEL, m->cells <= WITH_NUMBERS ? number : LABEL);
    if (!m->size)
        m->size = fitting_size(m, MAX_WIDTH, m->cells <= WITH_NUMBERS ? number : 2);
    if (!m->size)
        m->size = m->cells <= WITH_NUMBERS ? number : 2;
    m->every = (LABEL + m->size - 1) / m->size;
    m->top = TITLE + 22 + longest * 5 / 7;
    m->width = m->left + extent(m, m->size) + MARGIN;
    m->width = m->width > CN__PANEL ? m->width : CN__PANEL;
}

static void append_matrix(matrix *m) {
    int side = m->cells * m->size;
    cn__svg_begin(m->out, m->width, m->top + side + MARGIN, "Confusion matrix");
    append_description(m);
    cn__text_append(m->out,
                    "<text class=\"cn-t cn-h\" x=\"16\" y=\"26\">Confusion matrix</text>\n"
                    "<text class=\"cn-m\" x=\"%d\" y=\"%d\">predicted</text>\n"
                    "<text class=\"cn-m\" transform=\"translate(%d %d) rotate(-90)\" text-anchor=\"middle\">"
                    "truth</text>\n<path class=\"cn-g\" d=\"M%d.5 %d.5h%dv%dh-%dz\"/>\n",
                    m->left, TITLE + 8, MARGIN + 10, m->top + side / 2, m->left - 1, m->top - 1, side, side, side);
    for (int wanted = 1; wanted <= LEVELS; wanted++) {
        append_cells(m, false, wanted);
        append_cells(m, true, wanted);
    }
    if (m->cells <= WITH_NUMBERS)
        append_numbers(m);
    append_labels(m);
    cn__svg_end(m->out);
}

cn_status cn_chart_confusion(const cn_evaluation *evaluation, const cn_dataset *dataset, char **svg) {
    CN__COMPUTES;
    CN__REQUIRE(svg);
    *svg = NULL;
    CN__REQUIRE(evaluation);
    if (!cn__has_classes(evaluation, 0))
        return cn__error(CN_ERR_ARGUMENT, "cn_chart_confusion: the first output does not tell classes apart");
    cn_context *ctx = cn__evaluation_context(evaluation);
    cn__text out = {.ctx = ctx};
    matrix m = {.out = &out, .evaluation = evaluation, .dataset = dataset};
    m.classes = cn_evaluation_classes(evaluation);
    m.cells = m.classes > MAX_CELLS ? MAX_CELLS : (int)m.classes;
    m.count = cn__alloc(ctx, (size_t)m.cells * (size_t)m.cells, sizeof *m.count);
    m.total = cn__alloc(ctx, (size_t)m.cells, sizeof *m.total);
    cn_status status = m.count && m.total ? CN_OK : cn__no_memory("a confusion matrix");
    if (status == CN_OK) {
        count(&m);
        lay_out(&m);
        append_matrix(&m);
        status = cn__text_take(&out, svg);
    }
    cn__free(ctx, m.count);
    cn__free(ctx, m.total);
    return status;
}
