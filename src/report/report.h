/* report.h: charts, pictures and pages as text. markup.c puts names and numbers into SVG and HTML, svg.c begins and
 * ends documents, scale.c makes axes; on these stand one file a chart.
 *
 * All texts are UTF-8 and the same in every locale. SVG documents go into HTML as they are: they bring their style
 * along, under class names that begin with "cn-", and use no ids. */
#ifndef CN_REPORT_H
#define CN_REPORT_H

#include "train/train.h"

/* ---- names and numbers (markup.c) ---- */

/* Escaped for content and attribute values, shortened to `most` characters, of which the last is then "…". */
void cn__append_name(cn__text *out, const char *text, int most);
#define CN__WHOLE 100000 /* as `most`: nothing is that long */
/* Characters that cn__append_name will write. */
int cn__name_length(const char *text, int most);
/* With exactly so many decimals (0 to 9); with an exponent if it is too large for that. NaN is "–". */
void cn__append_number(cn__text *out, double value, int decimals);
/* With at most so many significant digits (1 to 9), as short as possible. */
void cn__append_short(cn__text *out, double value, int digits);
/* 1,234,567. */
void cn__append_count(cn__text *out, int64_t value);

/* ---- documents (svg.c) ---- */

#define CN__COLOURS   6   /* classes cn-s0 … of strokes, cn-f0 … of fills */
#define CN__CHARACTER 8   /* pixels that a character of usual size takes, rather more than less */
#define CN__PANEL     460 /* width of a chart that a phone can show */

/* <svg> with its style, title and background. The text may be appended to by the caller after that. */
void cn__svg_begin(cn__text *out, int width, int height, const char *title);
void cn__svg_end(cn__text *out);

/* What a class is called: the data set's name, or its number if `dataset` is NULL or has none. Shortened and escaped.
 */
void cn__append_class(cn__text *out, const cn_dataset *dataset, int64_t label, int most);
int cn__class_length(const cn_dataset *dataset, int64_t label, int most);

/* ---- axes (scale.c) ---- */

#define CN__MOST_TICKS 16

typedef enum cn__spacing { CN__LINEAR, CN__WHOLE_NUMBERS, CN__LOGARITHMIC_IF_WIDE } cn__spacing;

typedef struct cn__scale {
    double low, high; /* of what is shown */
    bool logarithmic;
    int from, to; /* where these are, in pixels */
    int ticks;
    double tick[CN__MOST_TICKS];
    int decimals; /* of the ticks; -1: each as short as can be */
} cn__scale;

/* An axis for finite values from low to high, widened to about `ticks` round numbers (0 < ticks < CN__MOST_TICKS). */
cn__scale cn__scale_new(double low, double high, cn__spacing spacing, int ticks, int from, int to);
double cn__scale_at(const cn__scale *scale, double value);
void cn__append_tick(cn__text *out, const cn__scale *scale, int tick);

/* ---- histories (history.c) ---- */

struct cn_history {
    cn_context *ctx;
    char *name;
    cn_epoch *epochs;
    size_t count, capacity;
};

#endif
