/* SPDX-License-Identifier: MIT */
/* base64.c: bytes as text, RFC 4648. */
#include "base/base.h"
#include <string.h>

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

enum { GROUPS = 64 }; /* of three bytes, that are appended at once */

static void encode(const unsigned char *bytes, size_t count, char text[4]) {
    uint32_t b = count > 1 ? bytes[1] : 0, c = count > 2 ? bytes[2] : 0, word = (uint32_t)bytes[0] << 16 | b << 8 | c;
    text[0] = digits[word >> 18];
    text[1] = digits[word >> 12 & 63];
    text[2] = (char)(count > 1 ? digits[word >> 6 & 63] : '=');
    text[3] = (char)(count > 2 ? digits[word & 63] : '=');
}

void cn__base64_append(cn__text *text, const unsigned char *bytes, size_t count) {
    char part[4 * GROUPS];
    while (count > 0) {
        size_t length = 0;
        for (; count > 0 && length < sizeof part; length += 4) {
            size_t some = count < 3 ? count : 3;
            encode(bytes, some, part + length);
            bytes += some;
            count -= some;
        }
        cn__text_append(text, "%.*s", (int)length, part);
    }
}

/* -1: no digit. */
static int value_of(char digit) {
    const char *at = digit ? strchr(digits, digit) : NULL;
    return at ? (int)(at - digits) : -1;
}

bool cn__base64_decode(const char *text, unsigned char *bytes, size_t count) {
    for (size_t i = 0; i < count; i += 3, text += 4) {
        size_t some = count - i < 3 ? count - i : 3;
        uint32_t word = 0;
        for (size_t d = 0; d < 4; d++) {
            int value = d <= some ? value_of(text[d]) : text[d] == '=' ? 0 : -1;
            if (value < 0)
                return false;
            word = word << 6 | (uint32_t)value;
        }
        for (size_t k = 0; k < some; k++)
            bytes[i + k] = (unsigned char)(word >> (16 - 8 * k));
    }
    return *text == '\0';
}
