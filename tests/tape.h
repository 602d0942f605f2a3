/* SPDX-License-Identifier: MIT */
/* tape.h: numbers that remember how they came about, for gradients by the chain rule alone (reverse mode; Linnainmaa
 * 1970). A number is its place on the tape. */
#ifndef TAPE_H
#define TAPE_H

#include <stddef.h>
#include <stdint.h>

typedef uint32_t number;

typedef struct tape {
    double *value;
    size_t *first; /* its terms are first[n] … first[n + 1] - 1 */
    size_t numbers, number_capacity;
    number *from; /* terms: a number, and the derivative by it */
    double *slope;
    size_t terms, term_capacity;
    double
        noise; /* 0, or how far each sum is off, as a share of its terms' sizes (Monte Carlo arithmetic; Parker 1997) */
    unsigned seed; /* of that noise */
} tape;

void tape_clear(tape *t); /* keeps its memory */

/* Says that the number about to be made depends on `from`. */
void tape_term(tape *t, number from, double slope);
/* Room for so many terms, which tape_product wants. */
void tape_reserve(tape *t, size_t terms);
/* Says that it depends on the product of a and b, and returns that. */
static inline double tape_product(tape *t, number a, number b) {
    double x = t->value[a], y = t->value[b];
    t->from[t->terms] = a;
    t->slope[t->terms++] = y;
    t->from[t->terms] = b;
    t->slope[t->terms++] = x;
    return x * y;
}
/* Makes it; all terms since the last number are its own. */
number tape_number(tape *t, double value);

/* Turns gradients of the last numbers into gradients of all: gradient[n] holds what is given, and gets the sum over all
 * ways from n. */
void tape_backward(const tape *t, double *gradient);

#endif
