/* SPDX-License-Identifier: MIT */
/* json_value.c: what JSON values say; numbers in and out, whatever the locale. */
#include "base/json.h"
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const cn__json *cn__json_first(const cn__json *parent) {
    return parent && parent->count > 0 ? parent + 1 : NULL;
}

const cn__json *cn__json_next(const cn__json *parent, const cn__json *value) {
    const cn__json *next = value + value->size;
    return next < parent + parent->size ? next : NULL;
}

bool cn__json_is(const cn__json *json, cn__json_kind kind) {
    return json && json->kind == kind;
}

const cn__json *cn__json_get(const cn__json *object, const char *key) {
    if (!cn__json_is(object, CN__JSON_OBJECT))
        return NULL;
    for (const cn__json *v = cn__json_first(object); v; v = cn__json_next(object, v))
        if (strcmp(v->key, key) == 0)
            return v;
    return NULL;
}

const char *cn__json_string(const cn__json *json) {
    return cn__json_is(json, CN__JSON_STRING) ? json->text : NULL;
}

bool cn__json_int64(const cn__json *json, int64_t *value) {
    char *end;
    if (!cn__json_is(json, CN__JSON_NUMBER))
        return false;
    errno = 0;
    *value = strtoll(json->text, &end, 10);
    return errno == 0 && *end != '.' && *end != 'e' && *end != 'E';
}

/* ---- numbers ---- */

#define NUMBER 128 /* characters of one at most */

/* The C library reads and writes the locale's decimal point. So it is given a number without one, 1.25e3 as 125e1. */
static bool without_point(const char *text, char number[NUMBER]) {
    size_t length = 0;
    long exponent = 0;
    bool fraction = false;
    for (; *text && *text != 'e' && *text != 'E'; text++) {
        if (length == NUMBER - 16)
            return false;
        exponent -= fraction;
        if (*text == '.')
            fraction = true;
        else
            number[length++] = *text;
    }
    if (*text) {
        long written = strtol(text + 1, NULL, 10);
        exponent += written < -9999 ? -9999 : written > 9999 ? 9999 : written;
    }
    snprintf(number + length, NUMBER - length, "e%ld", exponent);
    return true;
}

/* To the nearest float (`narrow`) or double. */
static bool parse(const char *text, bool narrow, double *value) {
    char number[NUMBER];
    if (!without_point(text, number))
        return false;
    *value = narrow ? (double)strtof(number, NULL) : strtod(number, NULL);
    return isfinite(*value);
}

bool cn__json_float(const cn__json *json, float *value) {
    double wide;
    if (!cn__json_is(json, CN__JSON_NUMBER) || !parse(json->text, true, &wide))
        return false;
    *value = (float)wide;
    return true;
}

bool cn__json_double(const cn__json *json, double *value) {
    return cn__json_is(json, CN__JSON_NUMBER) && parse(json->text, false, value);
}

/* Whatever bytes the locale's decimal point has become a '.'. */
static void print_number(char *text, size_t size, int digits, double value) {
    size_t out = 0;
    snprintf(text, size, "%.*g", digits, value);
    for (const char *in = text; *in; in++) {
        if (strchr("+-0123456789e", *in))
            text[out++] = *in;
        else if (out > 0 && text[out - 1] != '.')
            text[out++] = '.';
    }
    text[out] = '\0';
}

static void append_number(cn__text *json, double value, bool narrow) {
    char text[64];
    double back;
    int digits = 6;
    do {
        print_number(text, sizeof text, digits, value);
    } while ((!parse(text, narrow, &back) || back != value) && digits++ < (narrow ? 9 : 17));
    cn__text_append(json, "%s", text);
}

void cn__json_append_float(cn__text *json, float value) {
    append_number(json, (double)value, true);
}

void cn__json_append_double(cn__text *json, double value) {
    append_number(json, value, false);
}

/* ---- strings ---- */

static bool needs_escape(char c) {
    return c == '"' || c == '\\' || (unsigned char)c < 0x20;
}

bool cn__json_append_string(cn__text *json, const char *text) {
    const char *end = text + strlen(text);
    cn__text_append(json, "\"");
    while (text < end) {
        const char *plain = text;
        while (text < end && !needs_escape(*text)) {
            uint32_t code;
            size_t length = cn__utf8_decode(text, (size_t)(end - text), &code);
            if (length == 0)
                return false;
            text += length;
        }
        cn__text_append(json, "%.*s", (int)(text - plain), plain);
        if (text < end) {
            cn__text_append(json, (unsigned char)*text < 0x20 ? "\\u%04x" : "\\%c", (unsigned char)*text);
            text++;
        }
    }
    cn__text_append(json, "\"");
    return true;
}
