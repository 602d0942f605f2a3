/* SPDX-License-Identifier: MIT */
/* errands.h: one of everything that a program does with the library, for tests of where it does so: in which process, on
 * which thread, in whose floating-point mode, for how long. None of that may show in what comes out. */
#ifndef ERRANDS_H
#define ERRANDS_H

#include <convnet.h>
#include <stdint.h>

enum { ERRANDS_MAX = 32 };

/* What came out, piece by piece, as hashes. */
typedef struct errands {
    int count;
    struct {
        const char *name;
        uint64_t hash;
    } done[ERRANDS_MAX];
} errands;

/* Trains, stops, goes on from a checkpoint, evaluates, reports, saves and loads in each format, predicts, handles pictures,
 * and is refused bad files, all in that context, with files in `folder`. Several threads may do so at once. */
errands errands_run(cn_context *context, const char *folder);

/* Fails, by name, unless the same came out; errands_differ gives the first name, or NULL. */
void errands_expect_same(const errands *got, const errands *wanted);
const char *errands_differ(const errands *got, const errands *wanted);

#endif
