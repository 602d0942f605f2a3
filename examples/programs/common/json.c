/* SPDX-License-Identifier: MIT */
/* json.c: texts as JSON strings (RFC 8259). */
#include "common.h"

/* Bytes of the UTF-8 sequence that begins here; 0: it is none (RFC 3629: no surrogates, nothing longer than needed). */
static int sequence(const unsigned char *c) {
    int more = c[0] >= 0xf0 ? 3 : c[0] >= 0xe0 ? 2 : 1;
    if (c[0] < 0x80)
        return 1;
    if (c[0] < 0xc2 || c[0] > 0xf4)
        return 0;
    for (int i = 1; i <= more; i++)
        if ((c[i] & 0xc0) != 0x80)
            return 0;
    bool longer = (c[0] == 0xe0 && c[1] < 0xa0) || (c[0] == 0xf0 && c[1] < 0x90);
    bool surrogate = c[0] == 0xed && c[1] > 0x9f, beyond = c[0] == 0xf4 && c[1] > 0x8f;
    return longer || surrogate || beyond ? 0 : more + 1;
}

void json_print(const char *text) {
    putchar('"');
    for (const unsigned char *c = (const unsigned char *)text; *c;) {
        int bytes = sequence(c);
        if (bytes == 0)
            fputs("\\ufffd", stdout);
        else if (*c == '"' || *c == '\\')
            printf("\\%c", *c);
        else if (*c < ' ' || *c == 127)
            printf("\\u%04x", *c);
        else
            printf("%.*s", bytes, (const char *)c);
        c += bytes ? bytes : 1;
    }
    putchar('"');
}
