/* SPDX-License-Identifier: MIT */
/* utf8.c: characters of texts (Unicode 15, table 3-7), and how many columns they take. */
#include "base/base.h"
#include <string.h>

size_t cn__utf8_decode(const char *text, size_t bytes, uint32_t *code) {
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000}; /* by length; less is written shorter */
    const unsigned char *c = (const unsigned char *)text;
    if (bytes == 0)
        return 0;
    size_t length = *c < 0x80 ? 1 : *c >> 5 == 6 ? 2 : *c >> 4 == 14 ? 3 : *c >> 3 == 30 ? 4 : 0;
    if (length == 0 || length > bytes)
        return 0;
    *code = length > 1 ? *c & (0x7Fu >> length) : *c;
    for (size_t i = 1; i < length; i++) {
        if (c[i] >> 6 != 2)
            return 0;
        *code = *code << 6 | (c[i] & 0x3F);
    }
    bool surrogate = *code >= 0xD800 && *code < 0xE000;
    return *code < least[length] || *code > 0x10FFFF || surrogate ? 0 : length;
}

bool cn__utf8_valid(const char *text, size_t bytes) {
    uint32_t code;
    size_t length = 1;
    for (size_t at = 0; at < bytes && length > 0; at += length)
        length = cn__utf8_decode(text + at, bytes - at, &code);
    return length > 0;
}

size_t cn__utf8_encode(uint32_t code, char text[4]) {
    size_t length = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    for (size_t i = length - 1; i > 0; i--, code >>= 6)
        text[i] = (char)(0x80 | (code & 0x3F));
    text[0] = (char)(length == 1 ? code : (0xF00u >> length & 0xF0) | code);
    return length;
}

uint32_t cn__utf8_next(const char **text) {
    uint32_t code;
    size_t length = cn__utf8_decode(*text, 4, &code); /* a text's end continues no character */
    *text += length ? length : 1;
    return length ? code : CN__UTF8_REPLACEMENT;
}

/* The blocks of Unicode 15's EastAsianWidth.txt that are wide throughout, and the combining marks of Latin letters. */
int cn__utf8_width(uint32_t code) {
    static const uint32_t wide[][2] = {{0x1100, 0x115F}, {0x2E80, 0xA4CF}, {0xAC00, 0xD7A3},   {0xF900, 0xFAFF},
                                       {0xFE30, 0xFE6F}, {0xFF00, 0xFF60}, {0x1F300, 0x1FAFF}, {0x20000, 0x3FFFD}};
    if (code >= 0x300 && code < 0x370)
        return 0;
    for (size_t i = 0; i < CN__COUNT(wide); i++)
        if (code >= wide[i][0] && code <= wide[i][1])
            return 2;
    return 1;
}

cn_status cn__check_class_names(const char *function, int64_t classes, const char *const *names) {
    for (int64_t i = 0; i < classes; i++) {
        if (!names[i])
            return cn__error(CN_ERR_ARGUMENT, "%s: name %lld is NULL", function, (long long)i);
        if (!cn__utf8_valid(names[i], strlen(names[i])))
            return cn__error(CN_ERR_ARGUMENT, "the name of class %lld, '%.200s', is not UTF-8", (long long)i, names[i]);
    }
    return CN_OK;
}
