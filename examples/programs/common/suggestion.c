/* SPDX-License-Identifier: MIT */
/* suggestion.c: of names that there are, the one that was probably meant by another. */
#include "common.h"
#include <string.h>

enum { MOST = 32 /* letters of names that are mistyped rather than others */ };

/* Letters to be put in, taken out, changed or swapped (Damerau-Levenshtein, of neighbours). */
static size_t distance(const char *a, const char *b) {
    size_t rows[3][MOST + 1], length = strlen(b), *before = rows[0], *above = rows[1], *row = rows[2];
    if (length > MOST || strlen(a) > MOST)
        return SIZE_MAX;
    for (size_t k = 0; k <= length; k++)
        row[k] = k;
    for (size_t i = 0; a[i]; i++) {
        size_t *free_row = before;
        before = above;
        above = row;
        row = free_row;
        row[0] = i + 1;
        for (size_t k = 1; k <= length; k++) {
            size_t least = above[k - 1] + (a[i] != b[k - 1]);
            least = above[k] + 1 < least ? above[k] + 1 : least;
            least = row[k - 1] + 1 < least ? row[k - 1] + 1 : least;
            bool swapped = i > 0 && k > 1 && a[i] == b[k - 2] && a[i - 1] == b[k - 1];
            row[k] = swapped && before[k - 2] + 1 < least ? before[k - 2] + 1 : least;
        }
    }
    return row[length];
}

static bool ends_word(char c) {
    return c == '\0' || c == '-' || c == '_';
}

/* Whether the part is one of the words of `whole`: "num-epochs" and "epochs". */
static bool has_word(const char *whole, const char *part) {
    size_t length = strlen(part);
    for (const char *at = strstr(whole, part); at; at = strstr(at + 1, part))
        if ((at == whole || ends_word(at[-1])) && ends_word(at[length]))
            return true;
    return false;
}

enum {
    LETTER = 4,
    BEGINNING = 8,
    WORD = 10
}; /* what a wrong letter counts, and that one goes on from the other or has it */

static size_t unlikeness(const char *typed, const char *name) {
    size_t typed_length = strlen(typed), length = strlen(name);
    size_t shorter = typed_length < length ? typed_length : length;
    size_t letters = distance(typed, name), far = letters < MOST ? LETTER * letters : SIZE_MAX;
    if (shorter < 3)
        return far;
    if (far > BEGINNING && strncmp(typed, name, shorter) == 0)
        return BEGINNING;
    return far > WORD && (has_word(typed, name) || has_word(name, typed)) ? WORD : far;
}

suggestion suggestion_begin(const char *typed) {
    /* Of few letters most have to be right: "x" is not meant for "sgd". */
    return (suggestion){typed, NULL, (strlen(typed) < 4 ? 1 : 2) * LETTER + LETTER - 1};
}

void suggestion_offer(suggestion *s, const char *name) {
    size_t far = unlikeness(s->typed, name);
    if (far < s->least) {
        s->best = name;
        s->least = far;
    }
}

const char *suggestion_text(const suggestion *s, const char *dashes, char text[SUGGESTION_TEXT]) {
    snprintf(text, SUGGESTION_TEXT, s->best ? "; did you mean %s%.40s?" : "", dashes, s->best);
    return text;
}
