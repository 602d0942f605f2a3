/* confusion.c: what was taken for what, as a heat map. A cell's colour says which share of the images of its row, the
 * true class, it holds: blue where the class was recognised, orange where it was not. Many classes are drawn as small
 * cells without numbers, and very many share cells. */
#include "report/report.h"
#include <math.h>

enum { WITH_NUMBERS = 20, MAX_CELLS = 200, LEVELS = 12 };
enum { NAME = 14, TITLE = 40, MARGIN = 16, AREA = 380 };

typedef struct matrix {
    cn__text *out;
    const cn_evaluation *evaluation;
    const cn_dataset *dataset;
    int64_t classes;
    int cells;      /* a side */
    int size;       /* of a cell, in pixels */
    int left, top;  /* where the cells begin */
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

/* All cells of one colour and strength as one path. */
static void append_cells(const matrix *m, bool diagonal, int wanted) {
    bool any = false;
    int side = m->size > 8 ? m->size - 1 : m->size; /* a gap between large cells */
    for (int row = 0; row < m->cells; row++)
        for (int column = 0; column < m->cells; column++) {
            if ((row == column) != diagonal || level(m, row, column) != wanted)
                continue;
            if (!any)
                cn__text_append(m->out, "<path class=\"cn-f%d\" fill-opacity=\".%02d\" d=\"", diagonal ? 0 : 1,
                                wanted == LEVELS ? 99 : 100 * wanted / LEVELS);
            any = true;
            cn__text_append(m->out, "M%d %dh%dv%dh-%dz", m->left + column * m->size, m->top + row * m->size, side, side,
                            side);
        }
    if (any)
        cn__text_append(m->out, "\"/>\n");
}

static void append_numbers(const matrix *m) {
    for (int row = 0; row < m->cells; row++)
        for (int column = 0; column < m->cells; column++)
            if (m->count[row * m->cells + column])
                cn__text_append(m->out,
                                "<text class=\"%s cn-i\" x=\"%d\" y=\"%d\" text-anchor=\"middle\">%lld</text>\n",
                                10 * level(m, row, column) > 6 * LEVELS ? "cn-on" : "cn-t",
                                m->left + column * m->size + m->size / 2, m->top + row * m->size + m->size / 2 + 4,
                                (long long)m->count[row * m->cells + column]);
}

/* Of every class, or where they are many of some. */
static void append_labels(const matrix *m) {
    int every = (14 + m->size - 1) / m->size;
    for (int cell = 0; cell < m->cells; cell += every) {
        int middle = cell * m->size + m->size / 2;
        cn__text_append(m->out, "<text class=\"cn-t cn-i\" x=\"%d\" y=\"%d\" text-anchor=\"end\">", m->left - 6,
                        m->top + middle + 4);
        cn__append_class(m->out, m->dataset, first_class(m, cell), NAME);
        cn__text_append(m->out,
                        "</text><text class=\"cn-t cn-i\" transform=\"translate(%d %d) rotate(-45)\" x=\"0\" y=\"0\">",
                        m->left + middle + 4, m->top - 6);
        cn__append_class(m->out, m->dataset, first_class(m, cell), NAME);
        cn__text_append(m->out, "</text>\n");
    }
}

static void append_description(const matrix *m) {
    cn__text_append(m->out, "<desc>%lld classes; accuracy ", (long long)m->classes);
    cn__append_number(m->out, 100.0 * cn_evaluation_accuracy(m->evaluation), 2);
    cn__text_append(m->out, " %% of ");
    cn__append_count(m->out, cn_evaluation_count(m->evaluation));
    cn__text_append(m->out, " images.%s</desc>\n", m->cells < m->classes ? " A cell stands for several classes." : "");
}

static void append_matrix(matrix *m) {
    int longest = 0;
    for (int cell = 0; cell < m->cells; cell++) {
        int length = cn__class_length(m->dataset, first_class(m, cell), NAME);
        longest = length > longest ? length : longest;
    }
    int name = longest * (CN__CHARACTER - 1) + 8; /* the labels' letters are small */
    m->size = AREA / m->cells > 38 ? 38 : AREA / m->cells < 2 ? 2 : AREA / m->cells;
    m->left = MARGIN + 18 + name;
    m->top = TITLE + 22 + name * 3 / 4;
    int side = m->cells * m->size, width = m->left + side + MARGIN + 40, height = m->top + side + MARGIN;
    cn__svg_begin(m->out, width < 300 ? 300 : width, height, "Confusion matrix");
    append_description(m);
    cn__text_append(m->out,
                    "<text class=\"cn-t cn-h\" x=\"16\" y=\"26\">Confusion matrix</text>\n"
                    "<text class=\"cn-m cn-i\" x=\"%d\" y=\"%d\">predicted</text>\n"
                    "<text class=\"cn-m cn-i\" transform=\"translate(%d %d) rotate(-90)\" text-anchor=\"middle\">"
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
    CN__REQUIRE(svg);
    *svg = NULL;
    CN__REQUIRE(evaluation);
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
        append_matrix(&m);
        status = cn__text_take(&out, svg);
    }
    cn__free(ctx, m.count);
    cn__free(ctx, m.total);
    return status;
}
