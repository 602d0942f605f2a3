/* utf8.c: characters of texts (Unicode 15, table 3-7). */
#include "base/base.h"

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

size_t cn__utf8_encode(uint32_t code, char text[4]) {
    size_t length = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    for (size_t i = length - 1; i > 0; i--, code >>= 6)
        text[i] = (char)(0x80 | (code & 0x3F));
    text[0] = (char)(length == 1 ? code : (0xF00u >> length & 0xF0) | code);
    return length;
}
