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

/* Whether `whole` begins with the part, or has it as a word: "batchsize" and "batch", "num-epochs" and "epochs". */
static bool has_part(const char *whole, const char *part) {
    size_t length = strlen(part);
    if (length < 3)
        return false;
    for (const char *at = strstr(whole, part); at; at = strstr(at + 1, part))
        if (at == whole || (ends_word(at[-1]) && ends_word(at[length])))
            return true;
    return false;
}

/* As `distance`, or 2 where one is a part of the other. */
static size_t unlikeness(const char *typed, const char *name) {
    size_t far = distance(typed, name);
    return far > 2 && (has_part(typed, name) || has_part(name, typed)) ? 2 : far;
}

suggestion suggestion_begin(const char *typed) {
    /* Of few letters most have to be right: "x" is not meant for "sgd". */
    return (suggestion){typed, NULL, strlen(typed) < 4 ? 2 : 3};
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
