/* SPDX-License-Identifier: MIT */
/* glob.c: names that fit a pattern. */
#include "base/base.h"

/* The start of the next character of UTF-8. */
static const char *next(const char *text) {
    do
        text++;
    while (((unsigned char)*text & 0xC0) == 0x80);
    return text;
}

/* Where they part, the last * takes one character more. */
bool cn__glob(const char *pattern, const char *text) {
    const char *star = NULL, *taken = NULL;
    while (*text) {
        if (*pattern == '*') {
            star = ++pattern;
            taken = text;
        } else if (*pattern == '?') {
            pattern++;
            text = next(text);
        } else if (*pattern == *text) {
            pattern++;
            text++;
        } else if (star) {
            pattern = star;
            text = taken = next(taken);
        } else {
            return false;
        }
    }
    while (*pattern == '*')
        pattern++;
    return *pattern == '\0';
}
