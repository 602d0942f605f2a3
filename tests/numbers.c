/* SPDX-License-Identifier: MIT */
/* numbers.c: reads text files of numbers; a formula that gives the same numbers in C and in Python. */
#include "numbers.h"
#include "testing.h"

FILE *numbers_open(const char *name) {
    char path[200];
    snprintf(path, sizeof path, "tests/golden/%s", name);
    FILE *file = fopen(path, "r");
    ck_assert_msg(file != NULL, "%s is missing (tests run in the top folder)", path);
    return file;
}

double numbers_next(FILE *file) {
    double number;
    ck_assert_msg(numbers_more(file, &number), "the file ends too early");
    return number;
}

int numbers_more(FILE *file, double *first) {
    return fscanf(file, "%lf", first) == 1;
}

float numbers_hashed(uint32_t sequence, uint32_t i) {
    uint32_t x = i * 0x9E3779B1u + sequence * 0x85EBCA77u;
    x = (x ^ x >> 16) * 0x7FEB352Du;
    x = (x ^ x >> 15) * 0x846CA68Bu;
    x ^= x >> 16;
    return (float)(x >> 8) * 0x1p-24f;
}
