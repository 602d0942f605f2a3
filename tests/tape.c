/* tape.c: numbers that remember how they came about. */
#include "tape.h"
#include "testing.h"
#include <stdlib.h>

static void *grow(void *memory, size_t count, size_t bytes) {
    memory = realloc(memory, count * bytes);
    ck_assert_ptr_nonnull(memory);
    return memory;
}

void tape_term(tape *t, number from, double slope) {
    if (t->terms == t->term_capacity) {
        t->term_capacity = t->term_capacity ? 2 * t->term_capacity : 1 << 16;
        t->from = grow(t->from, t->term_capacity, sizeof *t->from);
        t->slope = grow(t->slope, t->term_capacity, sizeof *t->slope);
    }
    t->from[t->terms] = from;
    t->slope[t->terms++] = slope;
}

number tape_number(tape *t, double value) {
    if (t->numbers == t->number_capacity) {
        t->number_capacity = t->number_capacity ? 2 * t->number_capacity : 1 << 12;
        t->value = grow(t->value, t->number_capacity, sizeof *t->value);
        t->first = grow(t->first, t->number_capacity + 1, sizeof *t->first);
        t->first[0] = 0;
    }
    t->value[t->numbers] = value;
    t->first[t->numbers + 1] = t->terms;
    return (number)t->numbers++;
}

void tape_backward(const tape *t, double *gradient) {
    for (size_t n = t->numbers; n-- > 0;)
        for (size_t i = t->first[n]; i < t->first[n + 1]; i++)
            gradient[t->from[i]] += t->slope[i] * gradient[n];
}

void tape_free(tape *t) {
    free(t->value);
    free(t->first);
    free(t->from);
    free(t->slope);
    *t = (tape){0};
}
