/* SPDX-License-Identifier: MIT */
/* tape.c: numbers that remember how they came about. */
#include "tape.h"
#include "network.h"
#include "testing.h"
#include <math.h>
#include <stdlib.h>

static void *grow(void *memory, size_t count, size_t bytes) {
    memory = realloc(memory, count * bytes);
    ck_assert_ptr_nonnull(memory);
    return memory;
}

void tape_reserve(tape *t, size_t terms) {
    if (t->terms + terms <= t->term_capacity)
        return;
    while (t->terms + terms > t->term_capacity)
        t->term_capacity = t->term_capacity ? 2 * t->term_capacity : 1 << 16;
    t->from = grow(t->from, t->term_capacity, sizeof *t->from);
    t->slope = grow(t->slope, t->term_capacity, sizeof *t->slope);
}

void tape_term(tape *t, number from, double slope) {
    tape_reserve(t, 1);
    t->from[t->terms] = from;
    t->slope[t->terms++] = slope;
}

/* The error of number n, whose terms have that size in all. */
static double noise(const tape *t, size_t n, double size) {
    return t->noise * size * net_value(t->seed, n);
}

/* The sizes of the terms of the number about to be made. */
static double size_of_terms(const tape *t) {
    double size = 0.0;
    for (size_t i = t->numbers ? t->first[t->numbers] : 0; i < t->terms; i++)
        size += fabs(t->slope[i] * t->value[t->from[i]]);
    return size;
}

number tape_number(tape *t, double value) {
    if (t->numbers == t->number_capacity) {
        t->number_capacity = t->number_capacity ? 2 * t->number_capacity : 1 << 12;
        t->value = grow(t->value, t->number_capacity, sizeof *t->value);
        t->first = grow(t->first, t->number_capacity + 1, sizeof *t->first);
        t->first[0] = 0;
    }
    if (t->noise > 0.0 && t->terms > t->first[t->numbers])
        value += noise(t, t->numbers, fabs(value) + size_of_terms(t));
    t->value[t->numbers] = value;
    t->first[t->numbers + 1] = t->terms;
    return (number)t->numbers++;
}

static void backward_exactly(const tape *t, double *gradient) {
    for (size_t n = t->numbers; n-- > 0;)
        for (size_t i = t->first[n]; i < t->first[n + 1]; i++)
            gradient[t->from[i]] += t->slope[i] * gradient[n];
}

static void backward_noisily(const tape *t, double *gradient) {
    double *size = calloc(t->numbers, sizeof *size);
    ck_assert_ptr_nonnull(size);
    for (size_t n = t->numbers; n-- > 0;) {
        gradient[n] += noise(t, t->numbers + n, size[n]);
        for (size_t i = t->first[n]; i < t->first[n + 1]; i++) {
            double part = t->slope[i] * gradient[n];
            gradient[t->from[i]] += part;
            size[t->from[i]] += fabs(part);
        }
    }
    free(size);
}

void tape_backward(const tape *t, double *gradient) {
    if (t->noise > 0.0)
        backward_noisily(t, gradient);
    else
        backward_exactly(t, gradient);
}

void tape_clear(tape *t) {
    t->numbers = t->terms = 0;
    t->noise = 0.0;
}
