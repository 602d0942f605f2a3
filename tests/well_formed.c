/* SPDX-License-Identifier: MIT */
/* well_formed.c: SVG, HTML and C, looked through. */
#include "well_formed.h"
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

/* ---- characters ---- */

/* Bytes of the character that begins here (RFC 3629); 0: it is none. */
static size_t character(const char *text) {
    const unsigned char *c = (const unsigned char *)text;
    size_t more = c[0] < 0x80 ? 0 : c[0] < 0xE0 ? 1 : c[0] < 0xF0 ? 2 : 3;
    if ((c[0] >= 0x80 && c[0] < 0xC2) || c[0] > 0xF4)
        return 0;
    for (size_t i = 1; i <= more; i++)
        if ((c[i] & 0xC0) != 0x80)
            return 0;
    bool longer = (c[0] == 0xE0 && c[1] < 0xA0) || (c[0] == 0xF0 && c[1] < 0x90);
    bool surrogate = c[0] == 0xED && c[1] > 0x9F, beyond = c[0] == 0xF4 && c[1] > 0x8F;
    return longer || surrogate || beyond ? 0 : more + 1;
}

static const char *character_fault(const char *text, const char **where) {
    for (size_t bytes; *text; text += bytes) {
        bytes = character(text);
        *where = text;
        if (bytes == 0)
            return "not UTF-8";
        if ((unsigned char)*text < ' ' && *text != '\n')
            return "a control character";
        if (*text == 127)
            return "a control character";
    }
    return NULL;
}

/* ---- markup ---- */

enum { MOST_DEPTH = 64 };

/* Elements that HTML has without an end. */
static bool is_void(const char *name, size_t length) {
    static const char *const names[] = {"meta", "link", "br", "img"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strlen(names[i]) == length && memcmp(names[i], name, length) == 0)
            return true;
    return false;
}

/* The '>' of the tag, or NULL. */
static const char *end_of_tag(const char *tag) {
    bool quoted = false;
    for (const char *c = tag + 1; *c; c++) {
        if (*c == '<')
            return NULL;
        if (*c == '"')
            quoted = !quoted;
        if (*c == '>' && !quoted)
            return c;
    }
    return NULL;
}

static bool is_reference(const char *c) {
    static const char *const known[] = {"&lt;", "&gt;", "&amp;", "&quot;", "&#39;"};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (strncmp(c, known[i], strlen(known[i])) == 0)
            return true;
    return false;
}

/* What is open. */
typedef struct elements {
    const char *name[MOST_DEPTH];
    size_t length[MOST_DEPTH], depth;
} elements;

static const char *tag_fault(elements *open, const char *tag, const char *end) {
    bool closes = tag[1] == '/';
    const char *name = tag + 1 + closes;
    size_t letters = strcspn(name, " />\n");
    if (letters == 6 && memcmp(name, "script", 6) == 0)
        return "a script";
    if (closes) {
        if (open->depth == 0 || open->length[open->depth - 1] != letters ||
            memcmp(open->name[open->depth - 1], name, letters) != 0)
            return "not what was opened";
        open->depth--;
    } else if (end[-1] != '/' && !is_void(name, letters)) {
        if (open->depth == MOST_DEPTH)
            return "too deep";
        open->name[open->depth] = name;
        open->length[open->depth++] = letters;
    }
    return NULL;
}

const char *document_fault(const char *text, const char **where) {
    elements open = {.depth = 0};
    const char *fault = character_fault(text, where);
    if (fault)
        return fault;
    for (const char *c = strncmp(text, "<!DOCTYPE html>", 15) == 0 ? text + 15 : text; *c; c++) {
        *where = c;
        if (*c == '&' && !is_reference(c))
            return "a bare '&'";
        if (*c != '<')
            continue;
        const char *end = end_of_tag(c);
        if (!end)
            return "a tag without end";
        for (const char *in = c; in < end; in++)
            if (*in == '&' && !is_reference(in))
                return "a bare '&'";
        fault = tag_fault(&open, c, end);
        if (fault)
            return fault;
        c = end;
    }
    *where = open.depth ? open.name[open.depth - 1] : "";
    return open.depth ? "not closed" : NULL;
}

/* ---- C ---- */

static const char *end_of_comment(const char *c) {
    const char *end = strstr(c + 2, "*/"), *within = strstr(c + 2, "/*");
    return end && (!within || within > end) ? end + 1 : NULL;
}

static const char *end_of_string(const char *c) {
    for (c++; *c && *c != '"'; c++) {
        if (*c == '\n' || *c < ' ' || *c == 127)
            return NULL;
        if (*c == '\\' && !*++c)
            return NULL;
    }
    return *c ? c : NULL;
}

const char *c_fault(const char *text, const char **where) {
    for (const char *c = text; *c; c++) {
        const char *end = c;
        *where = c;
        if (c[0] == '/' && c[1] == '*')
            end = end_of_comment(c);
        else if (*c == '"')
            end = end_of_string(c);
        else if ((*c < ' ' && *c != '\n') || *c == 127)
            return "a character that C does not have";
        if (!end)
            return *c == '"' ? "a string without end" : "a comment without end, or within another";
        c = end;
    }
    return NULL;
}
