/* SPDX-License-Identifier: MIT */
/* markup.c: names and numbers in SVG and HTML. */
#include "report/report.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- names ---- */

/* What XML or HTML forbid: control characters and those that Unicode will never assign. */
static bool is_forbidden(uint32_t code) {
    return code < 0x20 || (code >= 0x7F && code < 0xA0) || (code & 0xFFFE) == 0xFFFE ||
           (code >= 0xFDD0 && code < 0xFDF0);
}

static void append_character(cn__text *out, uint32_t code, const char *bytes, int length) {
    if (code == '<')
        cn__text_append(out, "&lt;");
    else if (code == '>')
        cn__text_append(out, "&gt;");
    else if (code == '&')
        cn__text_append(out, "&amp;");
    else if (code == '"')
        cn__text_append(out, "&quot;");
    else if (code == '\'')
        cn__text_append(out, "&#39;");
    else if (code == CN__UTF8_REPLACEMENT || is_forbidden(code))
        cn__text_append(out, "\xEF\xBF\xBD");
    else
        cn__text_append(out, "%.*s", length, bytes);
}

/* Moves *text on by characters that take at most `most` columns, as far as `end`. Returns the columns they take. */
static int advance(const char **text, const char *end, int most) {
    int width = 0;
    while (*text < end) {
        const char *next = *text;
        int more = cn__utf8_width(cn__utf8_next(&next));
        if (width + more > most)
            break;
        width += more;
        *text = next;
    }
    return width;
}

static void append_bytes(cn__text *out, const char *text, const char *end) {
    while (text < end) {
        const char *begin = text;
        uint32_t code = cn__utf8_next(&text);
        append_character(out, code, begin, (int)(text - begin));
    }
}

int cn__line_width(const char *text, int bytes, int most) {
    return advance(&text, text + bytes, most);
}

int cn__name_width(const char *text, int most) {
    return cn__line_width(text, (int)strlen(text), most);
}

void cn__append_name(cn__text *out, const char *text, int most) {
    const char *end = text + strlen(text), *cut = text;
    advance(&cut, end, most);
    if (cut == end) {
        append_bytes(out, text, end);
        return;
    }
    cut = text;
    advance(&cut, end, most - 1);
    append_bytes(out, text, cut);
    cn__text_append(out, "…");
}

void cn__append_name_middle(cn__text *out, const char *text, int most) {
    const char *end = text + strlen(text), *head = text, *tail = text;
    int width = cn__name_width(text, CN__WHOLE), first = most / 2;
    if (width <= most) {
        append_bytes(out, text, end);
        return;
    }
    advance(&head, end, first);
    while (width > most - 1 - first)
        width -= cn__utf8_width(cn__utf8_next(&tail));
    append_bytes(out, text, head);
    cn__text_append(out, "…");
    append_bytes(out, tail, end);
}

void cn__append_name_end(cn__text *out, const char *text, int most) {
    const char *end = text + strlen(text), *from = text;
    int width = cn__name_width(text, CN__WHOLE);
    if (width > most) {
        cn__text_append(out, "…");
        while (width > most - 1)
            width -= cn__utf8_width(cn__utf8_next(&from));
    }
    append_bytes(out, from, end);
}

int cn__line_length(const char *text) {
    return (int)strcspn(text, "\n");
}

void cn__append_name_bytes(cn__text *out, const char *text, int bytes) {
    append_bytes(out, text, text + bytes);
}

/* ---- numbers, whatever the locale's decimal point ---- */

#define MINUS "\u2212"

static void append_fixed(cn__text *out, double value, int decimals) {
    int64_t unit = 1;
    for (int i = 0; i < decimals; i++)
        unit *= 10;
    int64_t parts = llround(fabs(value) * (double)unit);
    cn__text_append(out, "%s%lld", value < 0 && parts ? MINUS : "", (long long)(parts / unit));
    if (decimals)
        cn__text_append(out, ".%0*lld", decimals, (long long)(parts % unit));
}

/* Decimals of `digits` significant digits without the zeros at their end; the value is below 10 or rounded to that. */
static int needed_decimals(double value, int most) {
    int decimals = most;
    int64_t unit = 1, parts;
    for (int i = 0; i < most; i++)
        unit *= 10;
    for (parts = llround(fabs(value) * (double)unit); decimals > 0 && parts % 10 == 0; parts /= 10)
        decimals--;
    return decimals;
}

static void append_exponential(cn__text *out, double value, int digits) {
    int exponent = (int)floor(log10(fabs(value)));
    double half = fabs(value) / 2.0 / pow(10.0, exponent) * 2.0; /* in two steps: neither overflows */
    if (llround(half * pow(10.0, digits - 1)) >= llround(pow(10.0, digits))) {
        half /= 10.0;
        exponent++;
    }
    append_fixed(out, value < 0 ? -half : half, needed_decimals(half, digits - 1));
    cn__text_append(out, "e%s%d", exponent < 0 ? MINUS : "", abs(exponent));
}

/* Those that have no digits. */
static bool append_special(cn__text *out, double value) {
    if (isnan(value))
        cn__text_append(out, "–");
    else if (isinf(value))
        cn__text_append(out, value < 0 ? MINUS "∞" : "∞");
    return !isfinite(value);
}

void cn__append_number(cn__text *out, double value, int decimals) {
    if (append_special(out, value))
        return;
    if (fabs(value) < 1e9)
        append_fixed(out, value, decimals);
    else
        append_exponential(out, value, 6);
}

void cn__append_short(cn__text *out, double value, int digits) {
    if (append_special(out, value))
        return;
    if (value == 0.0) {
        cn__text_append(out, "0");
    } else if (fabs(value) < 9.9e-5 || fabs(value) >= 1e6) {
        append_exponential(out, value, digits);
    } else {
        int decimals = digits - 1 - (int)floor(log10(fabs(value)));
        decimals = decimals < 0 ? 0 : decimals > 9 ? 9 : decimals;
        append_fixed(out, value, needed_decimals(value, decimals));
    }
}

void cn__append_count(cn__text *out, int64_t value) {
    char text[CN__GROUPED_TEXT];
    cn__text_append(out, "%s", cn__grouped(text, value));
}

void cn__append_coordinate(cn__text *out, double value) {
    long long tenths = llround(fabs(value) * 10.0);
    cn__text_append(out, "%s%lld.%lld", value < 0 && tenths ? "-" : "", tenths / 10, tenths % 10);
}

/* ---- classes ---- */

const char *cn__class_name(const cn_dataset *dataset, int64_t label, char number[CN__LABEL_TEXT]) {
    const char *name = dataset ? cn_dataset_class_name(dataset, label) : NULL;
    snprintf(number, CN__LABEL_TEXT, "%lld", (long long)label);
    return name ? name : number;
}

void cn__append_class(cn__text *out, const cn_dataset *dataset, int64_t label, int most) {
    char number[CN__LABEL_TEXT];
    cn__append_name_middle(out, cn__class_name(dataset, label, number), most);
}

int cn__class_width(const cn_dataset *dataset, int64_t label, int most) {
    char number[CN__LABEL_TEXT];
    return cn__name_width(cn__class_name(dataset, label, number), most);
}

int64_t cn__class_images(const cn_evaluation *evaluation, int64_t truth) {
    int64_t images = 0;
    for (int64_t k = 0; k < cn_evaluation_classes(evaluation); k++)
        images += cn_evaluation_confusion(evaluation, truth, k);
    return images;
}
