/* json_value.c: what JSON values say; numbers in and out, whatever the locale. */
#include "io/json.h"
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

/* The C library reads and writes the locale's decimal point. So it is given a number without one, 1.25e3 as 125e1. */
static bool parse_float(const char *text, float *value) {
    char number[128], *end;
    size_t length = 0;
    long exponent = 0;
    bool fraction = false;
    for (; *text && *text != 'e' && *text != 'E'; text++) {
        if (length == sizeof number - 16)
            return false;
        exponent -= fraction;
        if (*text == '.')
            fraction = true;
        else
            number[length++] = *text;
    }
    if (*text)
        exponent += strtol(text + 1, &end, 10);
    exponent = exponent < -9999 ? -9999 : exponent > 9999 ? 9999 : exponent;
    snprintf(number + length, sizeof number - length, "e%ld", exponent);
    *value = strtof(number, NULL);
    return isfinite(*value);
}

bool cn__json_float(const cn__json *json, float *value) {
    return cn__json_is(json, CN__JSON_NUMBER) && parse_float(json->text, value);
}

/* Whatever bytes the locale's decimal point has become a '.'. */
static void print_float(char *text, size_t size, int digits, float value) {
    size_t out = 0;
    snprintf(text, size, "%.*g", digits, (double)value);
    for (const char *in = text; *in; in++) {
        if (strchr("+-0123456789e", *in))
            text[out++] = *in;
        else if (out > 0 && text[out - 1] != '.')
            text[out++] = '.';
    }
    text[out] = '\0';
}

void cn__json_append_float(cn__text *json, float value) {
    char text[64];
    float back;
    int digits = 6;
    do {
        print_float(text, sizeof text, digits, value);
    } while ((!parse_float(text, &back) || back != value) && digits++ < 9);
    cn__text_append(json, "%s", text);
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
