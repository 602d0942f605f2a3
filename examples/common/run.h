/* run.h: one training run, from its first line to what it leaves: a model, a log, a report. */
#ifndef EXAMPLES_RUN_H
#define EXAMPLES_RUN_H

#include "common.h"

/* ---- keeper.c: the model that it leaves ---- */

typedef struct keeper {
    cn_model *model;
    const char *path;   /* its file; NULL: none */
    bool best;          /* the epoch of the best test accuracy is kept, not the last */
    cn_epoch_info kept; /* `epoch` 0: none yet */
    char *copy;         /* of all tensors, as that epoch left them */
    bool saved;         /* as they are in the file */
} keeper;

/* Complains if there is no memory. */
bool keeper_init(keeper *k, cn_model *model, const char *path, bool best);
void keeper_free(keeper *k);
/* After an epoch: keeps the model as it is, in memory and in the file, unless it keeps a better one. */
void keeper_epoch(keeper *k, const cn_epoch_info *epoch);
/* Puts what is kept into the model, or leaves it as batches of another epoch (`newer`) have made it, if they are to be
 * trusted; saves it and says so. False: not in its file; then it says where else. */
bool keeper_end(keeper *k, bool newer, bool trustworthy);

/* ---- run.c ---- */

typedef struct run {
    cn_context *context;
    recipe recipe;
    cn_dataset *train, *test;
    cn_dataset *validation; /* a part of the training images, on which epochs are tested instead; or NULL */
    cn_model *model;
    cn_trainer *trainer;
    const char *log_path, *report_path; /* NULL: none */
    FILE *log;
    progress progress;
    profile *profile; /* NULL: not asked for */
    keeper keeper;
    cn_batch_info part; /* the last batch of an epoch that is not over; `batch` 0: there is none */
    double part_rate;   /* mean of that epoch's batches */
    int64_t tests;      /* passes over the images that epochs are tested on */
    cn_epoch_info best; /* the first one of the highest accuracy on them; `epoch` 0: none yet */
    bool failed;        /* something that was asked for could not be written */
} run;

/* The images that epochs are tested on, and what they are called: "test" or "validation". */
const cn_dataset *run_tested(const run *r);
const char *run_tested_name(const run *r);

/* For the trainer's options; `user` is the run. */
int run_batch(void *user, const cn_batch_info *batch);

/* Trains, prints, saves; returns the exit code. The report, if one is asked for, gets the settings of `list` and one
 * that says how the run ended. */
int run_train(run *r, setting_list *list, const char *title);

#endif
