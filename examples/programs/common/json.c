/* SPDX-License-Identifier: MIT */
/* json.c: what --json asks for: a document (RFC 8259), written piece by piece. */
#include "common.h"
#include <math.h>

enum { DEPTH = 16 };

/* The arrays and objects that are open, the innermost last. */
static struct level { bool array, line, filled; /* line: in one line, with all that is in it */ } levels[DEPTH];
static int depth;

/* ---- texts ---- */

static void print_text(const char *text) {
    FILE *out = program_document();
    putc('"', out);
    for (const unsigned char *c = (const unsigned char *)text; *c;) {
        int bytes = utf8_sequence((const char *)c);
        if (bytes == 0)
            fputs("\\ufffd", out);
        else if (*c == '"' || *c == '\\')
            fprintf(out, "\\%c", *c);
        else if (*c < ' ' || *c == 127)
            fprintf(out, "\\u%04x", *c);
        else
            fprintf(out, "%.*s", bytes, (const char *)c);
        c += bytes ? bytes : 1;
    }
    putc('"', out);
}

/* ---- what there is in a document ---- */

/* A comma if something stands before, a new line, and the name. */
static void begin_value(const char *name) {
    FILE *out = program_document();
    struct level *inner = &levels[depth];
    if (inner->filled)
        putc(',', out);
    if (depth > 0 && !inner->line)
        fprintf(out, "\n%*s", 2 * depth, "");
    else if (inner->filled)
        putc(' ', out);
    inner->filled = true;
    if (!name)
        return;
    print_text(name);
    fputs(": ", out);
}

static void open_level(const char *name, bool array, bool line) {
    begin_value(name);
    putc(array ? '[' : '{', program_document());
    line = line || levels[depth].line;
    levels[++depth] = (struct level){array, line, false};
}

void json_object(const char *name) {
    open_level(name, false, false);
}

void json_array(const char *name) {
    open_level(name, true, false);
}

void json_row(const char *name) {
    open_level(name, true, true);
}

void json_end(void) {
    FILE *out = program_document();
    const struct level *inner = &levels[depth--];
    if (inner->filled && !inner->line)
        fprintf(out, "\n%*s", 2 * depth, "");
    putc(inner->array ? ']' : '}', out);
    if (depth > 0)
        return;
    putc('\n', out);
    levels[0].filled = false;
}

void json_text(const char *name, const char *text) {
    begin_value(name);
    if (text)
        print_text(text);
    else
        fputs("null", program_document());
}

void json_integer(const char *name, int64_t value) {
    begin_value(name);
    fprintf(program_document(), "%lld", (long long)value);
}

/* The fewest digits from which the number can be read again. */
void json_number(const char *name, double value) {
    char text[40];
    begin_value(name);
    for (int digits = 6; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, value);
        if (strtod(text, NULL) == value)
            break;
    }
    fputs(isfinite(value) ? text : "null", program_document());
}

void json_bool(const char *name, bool value) {
    begin_value(name);
    fputs(value ? "true" : "false", program_document());
}

void json_class_names(const cn_dataset *dataset) {
    json_array("classes");
    for (int64_t k = 0; cn_dataset_class_name(dataset, k); k++)
        json_text(NULL, cn_dataset_class_name(dataset, k));
    json_end();
}

void json_begin(void) {
    json_object(NULL);
    json_text("program", program_name());
    json_text("version", cn_version_string());
}
