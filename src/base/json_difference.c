/* SPDX-License-Identifier: MIT */
/* json_difference.c: the first place where two JSON values differ, in words for messages. */
#include "base/json.h"
#include <stdio.h>
#include <string.h>

static bool find(const cn__json *a, const cn__json *b, cn__json_place *place);

static void describe(const cn__json *json, char text[CN__JSON_WORDS]) {
    if (!json)
        snprintf(text, CN__JSON_WORDS, "missing");
    else if (json->text)
        snprintf(text, CN__JSON_WORDS, json->kind == CN__JSON_STRING ? "'%.60s'" : "%.60s", json->text);
    else if (json->kind == CN__JSON_ARRAY)
        snprintf(text, CN__JSON_WORDS, "a list of %u", json->count);
    else
        snprintf(text, CN__JSON_WORDS, "given");
}

static bool same_itself(const cn__json *a, const cn__json *b) {
    return a && b && a->kind == b->kind && (!a->text || strcmp(a->text, b->text) == 0);
}

static bool found(const cn__json *a, const cn__json *b, cn__json_place *place) {
    describe(a, place->first);
    describe(b, place->second);
    return true;
}

/* Goes one step down; the path grows by a printf-formatted text and, if nothing is found, shrinks again. */
static bool find_inside(const cn__json *a, const cn__json *b, cn__json_place *place, const char *format,
                        const char *name) {
    size_t before = strlen(place->path);
    snprintf(place->path + before, sizeof place->path - before, format, name);
    if (find(a, b, place))
        return true;
    place->path[before] = '\0';
    return false;
}

static bool find_in_objects(const cn__json *a, const cn__json *b, cn__json_place *place) {
    const char *format = place->path[0] ? ".%s" : "%s";
    for (const cn__json *v = cn__json_first(a); v; v = cn__json_next(a, v))
        if (find_inside(v, cn__json_get(b, v->key), place, format, v->key))
            return true;
    for (const cn__json *v = cn__json_first(b); v; v = cn__json_next(b, v))
        if (!cn__json_get(a, v->key) && find_inside(NULL, v, place, format, v->key))
            return true;
    return false;
}

/* Elements go by their name, where both have the same one, or else by their number. */
static bool find_in_element(const cn__json *a, const cn__json *b, uint32_t number, cn__json_place *place) {
    const char *name = cn__json_string(cn__json_get(a, "name"));
    const char *other = cn__json_string(cn__json_get(b, "name"));
    char text[16];
    if (name && other && strcmp(name, other) == 0)
        return find_inside(a, b, place, " '%.80s'", name);
    snprintf(text, sizeof text, "%u", number);
    return find_inside(a, b, place, "[%s]", text);
}

static bool find_in_arrays(const cn__json *a, const cn__json *b, cn__json_place *place) {
    const cn__json *v = cn__json_first(a), *w = cn__json_first(b);
    for (uint32_t i = 0; v && w; i++, v = cn__json_next(a, v), w = cn__json_next(b, w))
        if (find_in_element(v, w, i, place))
            return true;
    return a->count != b->count && found(a, b, place);
}

static bool find(const cn__json *a, const cn__json *b, cn__json_place *place) {
    if (!same_itself(a, b))
        return found(a, b, place);
    /* cppcheck-suppress nullPointer ; same_itself() wants both */
    if (a->kind == CN__JSON_OBJECT)
        return find_in_objects(a, b, place);
    return a->kind == CN__JSON_ARRAY && find_in_arrays(a, b, place);
}

bool cn__json_difference(const cn__json *first, const cn__json *second, cn__json_place *place) {
    place->path[0] = '\0';
    return find(first, second, place);
}
