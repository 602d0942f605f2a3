/* SPDX-License-Identifier: MIT */
/* numbers.h: text files of numbers, as the scripts in tests/golden write them; and numbers that a formula gives both
 * here and there. */
#ifndef NUMBERS_H
#define NUMBERS_H

#include <stdint.h>
#include <stdio.h>

/* Opens tests/golden/NAME; the test fails if it is not there. */
FILE *numbers_open(const char *name);

/* The next number; the test fails if there is none. */
double numbers_next(FILE *file);

/* 1, and the first number of a case; 0 at the end of the file. */
int numbers_more(FILE *file, double *first);

/* The number i of a sequence of numbers in [0, 1), multiples of 2^-24 (see hashed in tests/golden/parity.py). */
float numbers_hashed(uint32_t sequence, uint32_t i);

#endif
