/* SPDX-License-Identifier: MIT */
/* report.h: charts, pictures and pages as text. markup.c puts names and numbers into SVG and HTML, svg.c begins and
 * ends documents, scale.c makes axes; on these stand one file a chart.
 *
 * All texts are UTF-8 and the same in every locale. SVG documents go into HTML as they are: they bring their style
 * along, under class names that begin with "cn-", and use no ids. */
#ifndef CN_REPORT_H
#define CN_REPORT_H

#include "train/train.h"

/* ---- names and numbers (markup.c) ---- */

/* Escaped for content and attribute values, shortened to `most` columns, of which the last is then "…". */
void cn__append_name(cn__text *out, const char *text, int most);
#define CN__WHOLE 100000 /* as `most`: nothing is that long */
/* The same, but shortened at its beginning: what tells paths apart is at their end. */
void cn__append_name_end(cn__text *out, const char *text, int most);
/* The same, but shortened in its middle: what tells the classes of a data set apart may be at either end. */
void cn__append_name_middle(cn__text *out, const char *text, int most);
/* The same of exactly so many bytes, whole. */
void cn__append_name_bytes(cn__text *out, const char *text, int bytes);
/* Bytes before the line's end. */
int cn__line_length(const char *text);
/* Columns of what cn__append_name will write. */
int cn__name_width(const char *text, int most);
int cn__line_width(const char *text, int bytes, int most); /* of its first bytes */
/* A number to be read, with exactly so many decimals (0 to 9); with an exponent if it is too large for that. NaN is
 * "–". */
void cn__append_number(cn__text *out, double value, int decimals);
/* With at most so many significant digits (1 to 9), as short as possible. */
void cn__append_short(cn__text *out, double value, int digits);
/* 1,234,567. */
void cn__append_count(cn__text *out, int64_t value);
/* A number for SVG, with one decimal. */
void cn__append_coordinate(cn__text *out, double value);

/* ---- classes (markup.c) ---- */

#define CN__LABEL_TEXT 24
/* The data set's name, or the number, in `number`, if `dataset` is NULL. */
const char *cn__class_name(const cn_dataset *dataset, int64_t label, char number[CN__LABEL_TEXT]);
/* The same, shortened in its middle and escaped. */
void cn__append_class(cn__text *out, const cn_dataset *dataset, int64_t label, int most);
int cn__class_width(const cn_dataset *dataset, int64_t label, int most);
/* Images of a class. */
int64_t cn__class_images(const cn_evaluation *evaluation, int64_t truth);

/* ---- metrics (report_metrics.c) ---- */

/* A share of 1, which is shown as a percentage. */
bool cn__metric_is_share(cn_metric metric);
/* What it is called at the head of a chart, column or figure: "mean IoU, %", "MAE". With a capital if `begins`. */
#define CN__METRIC_TEXT 64
const char *cn__metric_title(cn_metric metric, bool begins, char *text);
/* Its value as a reader wants it: a percentage with two decimals, else five digits. NaN is "–". */
void cn__append_metric(cn__text *out, cn_metric metric, double value);
/* The metric that a history's epochs have. */
cn_metric cn__history_metric(const cn_history *history);
/* Of an epoch, as it is; NaN: the epoch does not have it. */
double cn__epoch_metric(const cn_epoch_info *epoch, cn_metric metric, bool test);
/* Whether any epoch has it. */
bool cn__history_has(const cn_history *history, cn_metric metric);
/* Whether an output tells classes apart, of images or of pixels. */
bool cn__has_classes(const cn_evaluation *evaluation, int64_t output);

/* ---- documents (svg.c) ---- */

#define CN__COLOURS   6   /* classes cn-s0 … of strokes, cn-f0 … of fills */
#define CN__CHARACTER 8   /* pixels that a column of usual size takes, rather more than less */
#define CN__PANEL     460 /* width of a chart that a phone can show */

/* <svg> with its style, title and background. The text may be appended to by the caller after that. */
void cn__svg_begin(cn__text *out, int width, int height, const char *title);
void cn__svg_end(cn__text *out);

/* ---- axes (scale.c) ---- */

#define CN__MAX_TICKS 16

typedef enum cn__spacing { CN__LINEAR, CN__WHOLE_NUMBERS, CN__LOGARITHMIC_IF_WIDE } cn__spacing;

typedef struct cn__scale {
    double low, high; /* of what is shown */
    bool logarithmic;
    int from, to; /* where these are, in pixels */
    int ticks;
    double tick[CN__MAX_TICKS];
    int decimals; /* of the ticks; -1: each as short as can be */
} cn__scale;

/* An axis for finite values from low to high, widened to about `ticks` round numbers (0 < ticks < CN__MAX_TICKS). */
cn__scale cn__scale_new(double low, double high, cn__spacing spacing, int ticks, int from, int to);
double cn__scale_at(const cn__scale *scale, double value);
void cn__append_tick(cn__text *out, const cn__scale *scale, int tick);
/* Both, with lines across at the ticks of y, and what x is called below. */
void cn__append_axes(cn__text *out, const cn__scale *x, const cn__scale *y, const char *name);

/* ---- confusions (confusion.c) ---- */

typedef struct cn__confusion {
    int64_t images, truth, predicted;
} cn__confusion;
#define CN__FIRST_CONFUSION                                                                                            \
    { INT64_MAX, 0, 0 }
/* The most frequent confusion after `last`, which it replaces; equal ones by truth and prediction. False: no more. */
bool cn__next_confusion(const cn_evaluation *evaluation, cn__confusion *last);

/* ---- pictures and their titles (gallery.c) ---- */

typedef struct cn__gallery {
    cn_context *ctx;
    cn_tensor *images; /* uint8 [count, 1 or 3, height, width] */
    char **titles;     /* each of a few lines, or NULL */
    int64_t count;
} cn__gallery;

/* Black pictures without titles. cn__gallery_drop is due in any case. */
cn_status cn__gallery_new(cn_context *ctx, int64_t count, int64_t channels, int64_t height, int64_t width,
                          cn__gallery *gallery);
void cn__gallery_drop(cn__gallery *gallery);
/* Takes the text over as the title of picture `i`. */
cn_status cn__gallery_title(cn__gallery *gallery, int64_t i, cn__text *title);
/* Appends at most `most` columns of a name to a line of a title, of which the last is then "…". */
#define CN__TITLE_NAME 30
void cn__append_in_line(cn__text *title, const char *name, int most);
/* Appends a class as titles have it, "index:name" or, without a name, the index; not escaped. */
void cn__append_title_class(cn__text *title, const cn_dataset *dataset, int64_t label);
/* The same of an image: its file's name or its index. */
void cn__append_title_image(cn__text *title, const cn_dataset *dataset, int64_t index);
/* Image `index` as picture `i`, as a training pass would see it if `fetch` augments, not normalised; *label -1: its first
 * target is no class. */
cn_status cn__gallery_image(cn__gallery *gallery, int64_t i, const cn_dataset *dataset, int64_t index,
                            const cn__fetch *fetch, int64_t *label);
/* ---- misclassified images (mistakes.c) ---- */

/* With their titles: the first `count`, or those that the model was surest of, with its
 * probabilities for prediction and truth. cn__gallery_drop is due in any case. */
cn_status cn__gallery_misclassified(const cn_evaluation *evaluation, const cn_dataset *dataset, int64_t count,
                                    bool surest, cn__gallery *gallery);
/* With other titles: of each true class the one that the model was surest of, of at most `most` classes, in their order; and
 * where these are fewer than `least` the surest of all others, up to that. cn__gallery_drop is due for both in any case. */
cn_status cn__gallery_surest(const cn_evaluation *evaluation, const cn_dataset *dataset, int64_t most, int64_t least,
                             cn__gallery *of_classes, cn__gallery *others);

/* ---- galleries as drawings (sheet.c, gallery.c) ---- */

/* CN_ERR_SHAPE unless they are uint8 [at least 1, 1 or 3, at least 1, at least 1]. */
cn_status cn__check_pictures(const cn_tensor *pictures, const char *what);
/* Draws the gallery, if `status` is CN_OK, with pictures of about `size` pixels, and drops it. */
enum { CN__EXAMPLE = 128, CN__CHANNEL = 84 };
cn_status cn__gallery_draw(cn_status status, cn__gallery *gallery, int size, const char *heading, char **svg);
/* Appends one of the pictures as the data: URI of a PNG, magnified by `factor` or, if that is 1, made smaller where it
 * is large. CN_ERR_UNSUPPORTED. */
cn_status cn__append_picture(cn__text *out, const cn_tensor *images, int64_t i, int factor);

/* ---- pages (page.c) ---- */

#define CN__TABLE_COLUMNS 32

typedef struct cn__table {
    const char *caption; /* or NULL */
    const char *fold;    /* NULL: shown; else hidden behind this line until the reader wants it */
    bool half;           /* stands beside a figure */
    int rows, columns;   /* at most CN__TABLE_COLUMNS */
    const char *const *headings, *const *cells;
} cn__table;

cn_context *cn__page_context(const cn_page *page);
cn_status cn__page_table(cn_page *page, const cn__table *table);
/* Whether a figure stands alone in its row. */
bool cn__page_is_wide(const char *svg);

/* ---- tables as texts (report_cells.c): cells that end with tabs ---- */

void cn__append_words(cn__text *cells, const char *text); /* a part of a cell */
void cn__append_cell(cn__text *cells, const char *text);
void cn__append_integer_cell(cn__text *cells, int64_t value);
void cn__append_real_cell(cn__text *cells, double value, int decimals);
void cn__append_metric_cell(cn__text *cells, cn_metric metric, double value);
/* Blank instead of 0, so that what costs something stands out. */
void cn__append_cost_cell(cn__text *cells, int64_t value);
void cn__append_class_cell(cn__text *cells, const cn_dataset *dataset, int64_t label);
/* Adds a table of these cells under a heading, or NULL, unless there are none. Consumes the cells. */
cn_status cn__add_table(cn_page *page, const char *heading, cn__table table, cn__text *cells);

/* ---- a report's page (report_page.c) and its tables (report_tables.c, report_results.c) ---- */

cn_status cn__report_epochs(cn_page *page, const cn_history *history);
/* What the classes of the first output were taken for, most mistaken first, and all the numbers of a confusion matrix that
 * is no larger than a page. */
cn_status cn__report_mistakes(cn_page *page, const cn_evaluation *evaluation, const cn_dataset *dataset, bool half);
/* What an output's target has measures of, row by row: classes, labels or channels. `half`: beside a figure or table. */
cn_status cn__report_measures(cn_page *page, const cn_evaluation *evaluation, int64_t output, const cn_dataset *dataset,
                              bool half);
cn_status cn__report_settings(cn_page *page, const cn_report *report);
cn_status cn__report_layers(cn_page *page, const cn_model *model);

#endif
