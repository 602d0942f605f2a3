/* SPDX-License-Identifier: MIT */
/* settings.c: the settings of a run as a list of names and texts, for its report. */
#include "outputs.h"
#include <stdarg.h>
#include <string.h>

void settings_add(setting_list *s, const char *name, const char *format, ...) {
    va_list values;
    if (s->count == SETTINGS)
        return;
    va_start(values, format);
    vsnprintf(s->values[s->count], SETTING_TEXT, format, values);
    va_end(values);
    s->names[s->count++] = name;
}

void settings_append(setting_list *s, const char *format, ...) {
    va_list values;
    char *text = s->values[s->count - 1];
    size_t used = strlen(text);
    va_start(values, format);
    vsnprintf(text + used, SETTING_TEXT - used, format, values);
    va_end(values);
}

const char *const *settings_values(const setting_list *s, const char *values[SETTINGS]) {
    for (int i = 0; i < s->count; i++)
        values[i] = s->values[i];
    return values;
}

const char *settings_find(const setting_list *s, const char *name) {
    for (int i = 0; i < s->count; i++)
        if (strcmp(s->names[i], name) == 0)
            return s->values[i];
    return "unknown";
}
