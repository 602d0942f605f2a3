/* SPDX-License-Identifier: MIT */
/* shown.c: texts of others, such as names of files and classes, as a person may see them: a terminal takes some characters for
 * commands. */
#include "common.h"
#include <string.h>

enum { TEXTS = 8, TEXT_BYTES = 16384 };

int utf8_sequence(const char *text) {
    const unsigned char *c = (const unsigned char *)text;
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

/* Of such a sequence: C0, delete, and C1, which is U+0080 to U+009F. */
static bool is_control(const unsigned char *c) {
    return c[0] < ' ' || c[0] == 127 || (c[0] == 0xc2 && c[1] < 0xa0);
}

static const char *escaped(const char *text, char kept) {
    static char texts[TEXTS][TEXT_BYTES];
    static unsigned next;
    char *to = texts[next++ % TEXTS];
    size_t used = 0;
    while (*text && used + 5 < TEXT_BYTES) { /* room for the longest, or an escape, and a 0 */
        const unsigned char *c = (const unsigned char *)text;
        int bytes = utf8_sequence(text);
        bool control = bytes == 0 || (*text != kept && is_control(c));
        if (control && *text == '\n')
            used += (size_t)snprintf(to + used, TEXT_BYTES - used, "\\n");
        else if (control)
            used += (size_t)snprintf(to + used, TEXT_BYTES - used, "\\x%02x", bytes == 2 ? c[1] : c[0]);
        else
            memcpy(to + used, text, (size_t)bytes), used += (size_t)bytes;
        text += bytes ? bytes : 1;
    }
    to[used] = '\0';
    return to;
}

const char *shown(const char *text) {
    return escaped(text, '\0');
}

const char *shown_lines(const char *text) {
    return escaped(text, '\n');
}
