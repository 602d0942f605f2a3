/* SPDX-License-Identifier: MIT */
/* comparison.h: runs that are compared, and what they amount to. */
#ifndef EXAMPLES_COMPARISON_H
#define EXAMPLES_COMPARISON_H

#include "outputs.h"

enum { COMPARISON_RUNS = 200, COMPARISON_NAME = 64 };

/* ---- compared_runs.c: runs as they are found in files ---- */

typedef struct compared_run {
    const char *given; /* the caller's: the folder of a report, or the file of a log */
    logged_epochs log;
    read_settings settings; /* none of a log alone */
    int best;               /* the first of the best epochs, from 0 */
    int group;
} compared_run;

/* Runs that differ by their seeds alone, in the order in which they were given. */
typedef struct run_group {
    char name[COMPARISON_NAME];
    int first, count; /* of its runs */
} run_group;

typedef struct comparison {
    cn_context *context;
    compared_run runs[COMPARISON_RUNS];
    run_group groups[COMPARISON_RUNS];
    int run_count, group_count;
    cn_metric metric;
    const char
        *differing[SETTINGS]; /* settings that are not the same in all groups, but for what says nothing of a result */
    int differing_count;
} comparison;

/* Reads the run that `path` names. Complains on failure. */
bool comparison_add(comparison *c, const char *path);
/* The file of that name in a report's folder, or beside its history, to be freed; NULL with *good: a log has none. */
char *comparison_file(const char *given, const char *name, bool *good);
/* When all are there: finds groups and what tells them apart. Complains if the runs cannot be compared. */
bool comparison_sort(comparison *c);
void comparison_free(comparison *c);
/* "-" where it is not known. */
const char *comparison_setting(const comparison *c, int group, const char *name);

/* ---- differences.c: figures of groups, and which differences are more than chance ---- */

enum { CELL = 48, SENTENCE = 512 };

/* What is measured of a run, in per cent where it is a share; NaN: nothing. */
typedef double (*measure)(const compared_run *run, int epochs);
double best_test(const compared_run *run, int unused);
double best_train(const compared_run *run, int unused);
double last_test(const compared_run *run, int unused);
double test_after(const compared_run *run, int epochs);
double seconds_an_epoch(const compared_run *run, int unused);

/* "76.26" or, of several runs, "76.26 ± 0.85", the standard deviation; "-" if there is nothing. */
const char *group_text(const comparison *c, int group, measure what, int epochs, char text[CELL]);
/* Groups by their best test metric; returns `order`. */
const int *rank_groups(const comparison *c, int order[COMPARISON_RUNS]);
/* Whether there are neighbours in that order with fewer than two seeds in common. */
bool chance_is_open(const comparison *c, const int *order);
#define CHANCE_IS_OPEN "A single seed says nothing about chance: that takes two of each, the same ones."
/* What can be said of the first beside the second, which has no better mean. */
const char *difference_text(const comparison *c, int better, int worse, char text[SENTENCE]);

/* Members of the document that --json asks for; shares as shares of 1. */
void json_figure(const comparison *c, int group, measure what, const char *name);
void json_difference(const comparison *c, int better, int worse);

/* ---- comparison_json.c ---- */

/* What --help says of it. */
extern const json_member comparison_members[];
void comparison_json(const comparison *c);

/* ---- comparison_page.c ---- */

/* Prints the table and the findings. */
void comparison_print(const comparison *c);
/* Writes report.html and curves.svg into the folder. Complains on failure. */
bool comparison_report(const comparison *c, const char *directory);

#endif
