/* SPDX-License-Identifier: MIT */
/* settings_file.c: the settings of a run as CSV (RFC 4180), for programs that compare runs. */
#include "outputs.h"
#include <errno.h>
#include <string.h>

enum { MOST_BYTES = 4 * SETTINGS * SETTING_TEXT };

/* ---- writing ---- */

static size_t field_size(const char *text) {
    size_t size = 3; /* quotes, and what follows */
    for (; *text; text++)
        size += *text == '"' ? 2 : 1;
    return size;
}

static char *append_field(char *to, const char *text, char after) {
    bool quoted = text[strcspn(text, ",\"\r\n")] != '\0';
    if (quoted)
        *to++ = '"';
    for (; *text; text++) {
        if (*text == '"')
            *to++ = '"';
        *to++ = *text;
    }
    if (quoted)
        *to++ = '"';
    *to++ = after;
    return to;
}

char *settings_csv(int64_t count, const char *const *names, const char *const *values) {
    size_t size = sizeof "setting,value\n";
    for (int64_t i = 0; i < count; i++)
        size += field_size(names[i]) + field_size(values[i]);
    char *text = malloc(size);
    if (!text)
        return NULL;
    char *to = append_field(append_field(text, "setting", ','), "value", '\n');
    for (int64_t i = 0; i < count; i++)
        to = append_field(append_field(to, names[i], ','), values[i], '\n');
    *to = '\0';
    return text;
}

/* ---- reading ---- */

/* Takes a field that ends with `after` out of the text, in place; NULL: there is none. */
static char *take_field(char **at, char after) {
    char *field = *at, *to = field, *from = field;
    bool quoted = *from == '"';
    if (quoted)
        from++;
    while (*from && (quoted || (*from != ',' && *from != '\n'))) {
        if (quoted && *from == '"' && *++from != '"')
            quoted = false;
        else
            *to++ = *from++;
    }
    if (quoted || *from != after)
        return NULL;
    if (after == '\n' && to > field && to[-1] == '\r')
        to--;
    *to = '\0';
    *at = from + 1;
    return field;
}

bool settings_read(const char *path, read_settings *settings) {
    read_settings *s = settings;
    *s = (read_settings){.text = file_text(path, MOST_BYTES)};
    if (!s->text && (errno == ENOENT || errno == ENOTDIR))
        return true;
    if (!s->text) {
        complain("cannot read '%s': %s", path, strerror(errno));
        return false;
    }
    char *at = s->text;
    for (int line = -1; line < SETTINGS; line++) { /* -1: the header */
        const char *name = take_field(&at, ','), *value = name ? take_field(&at, '\n') : NULL;
        if (!value)
            break;
        if (line < 0)
            continue;
        s->names[s->count] = name;
        s->values[s->count++] = value;
    }
    return true;
}

const char *settings_value(const read_settings *settings, const char *name) {
    for (int i = 0; i < settings->count; i++)
        if (strcmp(settings->names[i], name) == 0)
            return settings->values[i];
    return NULL;
}
