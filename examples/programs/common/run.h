/* SPDX-License-Identifier: MIT */
/* run.h: one training run, from its first line to what it leaves: a model, a log, a report. */
#ifndef EXAMPLES_RUN_H
#define EXAMPLES_RUN_H

#include "outputs.h"
#include "ranks.h"

/* ---- keeper.c: the model that it leaves ---- */

typedef struct keeper {
    cn_model *model;
    const char *path;   /* its file; NULL: none */
    bool best;          /* the epoch of the best test metric is kept, not the last */
    cn_epoch_info kept; /* `epoch` 0: none yet */
    cn_tensor *copy;    /* the model's file, as that epoch left it; always of the same size */
    bool saved;         /* as it is in the file */
    bool failed;        /* to save it, the last time */
    char *left;         /* where the model is in the end; NULL: nowhere */
} keeper;

/* Complains if there is no memory. */
bool keeper_init(keeper *k, cn_model *model, const char *path, bool best);
void keeper_free(keeper *k);
/* Whether it would keep that epoch rather than the one that it has. */
bool keeper_prefers(const keeper *k, const cn_epoch_info *epoch);
/* After an epoch: keeps the model as it is, in memory and in the file, unless it keeps a better one. */
void keeper_epoch(keeper *k, const cn_epoch_info *epoch);
/* Puts what is kept into the model, or leaves it as batches of another epoch (`newer`) have made it, if they are to be
 * trusted; saves it and says so. False: not in its file; then it says where else. */
bool keeper_end(keeper *k, bool newer, bool trustworthy);

/* ---- run.c ---- */

typedef struct run {
    ranks ranks; /* that train together with this process */
    cn_context *context;
    recipe recipe;
    task task;
    cn_dataset *train, *test;
    cn_dataset *validation; /* a part of the training images, on which epochs are tested instead; or NULL */
    cn_model *model;
    cn_trainer *trainer;
    size_t memory;                      /* that it takes; 0: not known */
    const char *log_path, *report_path; /* NULL: none */
    epoch_log log;
    progress progress;
    profile *profile; /* NULL: not asked for */
    keeper keeper;
    cn_batch_info part;        /* the last batch of an epoch that is not over; `batch` 0: there is none */
    int64_t tests;             /* passes over the images that epochs are tested on */
    cn_epoch_info best;        /* the first one of the best metric on them; `epoch` 0: none yet */
    int64_t patience;          /* the run ends after so many epochs that are not better; 0: it does not */
    int interrupted;           /* the signal that ended it, whichever rank had it; 0: none */
    char why[512];             /* it failed; "": it did not */
    bool failed;               /* something that was asked for could not be written */
    int64_t misclassified;     /* so many misclassified test images are listed in the end */
    cn_evaluation *evaluation; /* of the test images in the end; NULL: nobody asked */

    /* So that it can go on (run_checkpoint.c). */
    const char *checkpoint_path; /* NULL: it cannot */
    int64_t every;               /* batches between checkpoints, beside those after each epoch; 0: no others */
    const char *again;           /* the command that goes on */
    bool resumed;
    int64_t images_before;  /* trained on by then */
    bool checkpointed;      /* as it is now */
    bool checkpoint_failed; /* the last time */
} run;

/* The images that epochs are tested on, and what they are called: "test" or "validation". */
const cn_dataset *run_tested(const run *r);
const char *run_tested_name(const run *r);

/* For the trainer's options; `user` is the run. */
int run_batch(void *user, const cn_batch_info *batch);

/* Trains, prints, saves; returns the exit code. The report, if one is asked for, gets the settings of `list` and one
 * that says how the run ended. */
int run_train(run *r, setting_list *list, const char *title);

/* ---- run_test.c ---- */

/* Measures the test images by the model as it is, and says what is to be said. */
void run_test(run *r);

/* ---- run_json.c ---- */

/* The document that --json asks for, and what is in it. `ended` says how the run did. */
void run_json(const run *r, const setting_list *settings, const part_epoch *part, const char *ended);
extern const json_member run_members[];

/* Images of all epochs so far and of the one under way. */
int64_t run_images(const run *r);

/* ---- find_rate.c ---- */

/* For the trainer's options, in a search: whether it is to end. */
int find_rate_batch(void *user, const cn_batch_info *batch);
/* Searches for a learning rate, says which, and draws what it has seen into a file; returns the exit code. */
int find_rate(run *r, const char *path);

/* ---- run_checkpoint.c ---- */

/* Puts the run into its file, if it has one; complains if that begins to fail. */
void run_save(run *r);
/* Makes the run that of the file, before it has done anything; complains on failure. */
bool run_resume(run *r);

#endif
