/* markup.c: names and numbers in SVG and HTML. */
#include "report/report.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- names ---- */

#define REPLACEMENT 0xFFFD

/* The character at *text, which moves behind it; REPLACEMENT for a byte that begins none (Unicode 15, table 3-7). */
static uint32_t next_character(const unsigned char **text) {
    static const uint32_t least[] = {0, 0x80, 0x800, 0x10000};
    const unsigned char *c = *text;
    int more = *c < 0x80 ? 0 : *c >> 5 == 6 ? 1 : *c >> 4 == 14 ? 2 : *c >> 3 == 30 ? 3 : -1;
    (*text)++;
    if (more < 0)
        return REPLACEMENT;
    uint32_t code = more ? *c & (0x3Fu >> more) : *c;
    for (int i = 1; i <= more; i++) {
        if (c[i] >> 6 != 2)
            return REPLACEMENT;
        code = code << 6 | (c[i] & 0x3F);
    }
    if (code < least[more] || code > 0x10FFFF || (code >= 0xD800 && code < 0xE000))
        return REPLACEMENT;
    *text += more;
    return code;
}

/* What XML or HTML forbid: control characters and those that Unicode will never assign. */
static bool is_forbidden(uint32_t code) {
    return code < 0x20 || (code >= 0x7F && code < 0xA0) || (code & 0xFFFE) == 0xFFFE ||
           (code >= 0xFDD0 && code < 0xFDF0);
}

static void append_character(cn__text *out, uint32_t code, const unsigned char *bytes, int length) {
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
    else if (code == REPLACEMENT || is_forbidden(code))
        cn__text_append(out, "\xEF\xBF\xBD");
    else
        cn__text_append(out, "%.*s", length, (const char *)bytes);
}

int cn__name_length(const char *text, int most) {
    const unsigned char *next = (const unsigned char *)text;
    int length = 0;
    while (*next && length < most) {
        next_character(&next);
        length++;
    }
    return length;
}

void cn__append_name(cn__text *out, const char *text, int most) {
    const unsigned char *next = (const unsigned char *)text;
    bool whole = cn__name_length(text, most + 1) <= most;
    for (int i = 0; *next && i < (whole ? most : most - 1); i++) {
        const unsigned char *begin = next;
        uint32_t code = next_character(&next);
        append_character(out, code, begin, (int)(next - begin));
    }
    if (!whole)
        cn__text_append(out, "…");
}

int cn__line_length(const char *text) {
    return (int)strcspn(text, "\n");
}

void cn__append_name_bytes(cn__text *out, const char *text, int bytes) {
    const unsigned char *next = (const unsigned char *)text, *end = next + bytes;
    while (next < end) {
        const unsigned char *begin = next;
        uint32_t code = next_character(&next);
        append_character(out, code, begin, (int)(next - begin));
    }
}

/* ---- numbers, whatever the locale's decimal point ---- */

static void append_fixed(cn__text *out, double value, int decimals) {
    int64_t unit = 1;
    for (int i = 0; i < decimals; i++)
        unit *= 10;
    int64_t parts = llround(fabs(value) * (double)unit);
    cn__text_append(out, "%s%lld", value < 0 && parts ? "-" : "", (long long)(parts / unit));
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
    cn__text_append(out, "e%d", exponent);
}

/* Those that have no digits. */
static bool append_special(cn__text *out, double value) {
    if (isnan(value))
        cn__text_append(out, "–");
    else if (isinf(value))
        cn__text_append(out, value < 0 ? "-∞" : "∞");
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

/* ---- classes ---- */

static const char *class_name(const cn_dataset *dataset, int64_t label, char number[24]) {
    const char *name = dataset ? cn_dataset_class_name(dataset, label) : NULL;
    snprintf(number, 24, "%lld", (long long)label);
    return name ? name : number;
}

void cn__append_class(cn__text *out, const cn_dataset *dataset, int64_t label, int most) {
    char number[24];
    cn__append_name(out, class_name(dataset, label, number), most);
}

int cn__class_length(const cn_dataset *dataset, int64_t label, int most) {
    char number[24];
    return cn__name_length(class_name(dataset, label, number), most);
}
