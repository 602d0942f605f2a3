/* SPDX-License-Identifier: MIT */
/* checkpoints.h: what tests of checkpoints share: a small run with all that it consists of, and its file as bytes. */
#ifndef CHECKPOINTS_H
#define CHECKPOINTS_H

#include "testing.h"
#include "training.h"

typedef struct run {
    training f;
    cn_optimizer_options optimizer;
    cn_schedule_options schedule;
    cn_augmentation augmentation;
    cn_trainer *trainer;
} run;

/* Options and data of the usual run, in a context that run_end frees. */
void run_prepare(run *r, cn_context *ctx);
/* A trainer of what is in it now. */
cn_status run_make(run *r);
/* Both, in a context of one thread. */
void run_begin(run *r);
void run_end(run *r);

/* A checkpoint as bytes, to be freed with free. */
typedef struct file {
    unsigned char *data;
    size_t count;
} file;

file file_of(const cn_checkpoint *checkpoint);
file saved_checkpoint(cn_trainer *trainer);
/* Of the usual run, in the middle of its second epoch. */
file usual_file(void);
cn_status load_checkpoint(cn_trainer *trainer, file f);

/* Fails unless the trainer is as it was when that was saved: all that it is, is in its checkpoint. */
void expect_unchanged(cn_trainer *trainer, file before);

#endif
