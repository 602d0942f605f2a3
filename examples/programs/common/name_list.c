/* SPDX-License-Identifier: MIT */
/* name_list.c: names of classes out of a file, a line each (--names). */
#include "outputs.h"
#include <errno.h>
#include <string.h>

enum { MOST_BYTES = 4 * 1024 * 1024 };

/* Counts lines that are not blank, and lists them if there is a list. */
static int64_t split_lines(char *text, const char **names) {
    int64_t count = 0;
    for (char *line = text; *line;) {
        size_t length = strcspn(line, "\r\n");
        if (length > 0 && names)
            names[count] = line;
        count += length > 0;
        char *end = line + length;
        line = end + (*end != '\0');
        if (names)
            *end = '\0';
    }
    return count;
}

bool name_list_read(const char *path, name_list *list) {
    *list = (name_list){.text = file_text(path, MOST_BYTES)};
    if (!list->text) {
        complain("cannot read '%s': %s", path, strerror(errno));
        return false;
    }
    list->count = split_lines(list->text, NULL);
    list->names = calloc((size_t)list->count + 1, sizeof *list->names);
    if (!list->names) {
        complain("no memory for the names of '%s'", path);
        return false;
    }
    split_lines(list->text, list->names);
    return true;
}

bool name_list_fits(const name_list *list, const char *path, const char *of, int64_t classes) {
    if (list->count != classes)
        complain("'%s' has %lld name%s, a line each, but '%s' has %lld class%s", path, (long long)list->count,
                 list->count == 1 ? "" : "s", of, (long long)classes, classes == 1 ? "" : "es");
    return list->count == classes;
}

void name_list_free(name_list *list) {
    free(list->names);
    free(list->text);
}
