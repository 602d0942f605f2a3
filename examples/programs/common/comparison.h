/* SPDX-License-Identifier: MIT */
/* comparison.h: runs of several normalisations from several seeds, and what they amount to. */
#ifndef EXAMPLES_COMPARISON_H
#define EXAMPLES_COMPARISON_H

#include "common.h"

enum { COMPARISON_NORMS = 5, COMPARISON_SEEDS = 100 };

typedef struct comparison_run {
    int norm; /* cn_norm_kind */
    int64_t seed;
    cn_epoch_info *epochs;
    int count; /* done */
} comparison_run;

typedef struct comparison {
    cn_context *context;
    cn_dataset *train, *test;
    recipe recipe;
    const char *recipe_name;
    int epochs; /* of each run */
    int norms[COMPARISON_NORMS], norm_count;
    int seed_count;
    comparison_run *runs; /* seed by seed */
    int run_count;        /* complete, from the first on */
    cn_epoch_info *epoch_memory;
} comparison;

/* Prints the table and the finding, and writes report.html and curves.svg into the folder. Complains on failure. */
bool comparison_report(const comparison *c, const char *directory);

#endif
