/* SPDX-License-Identifier: MIT */
/* joint_training.h: one training by several ranks, or by one process alone, and what came of it on each. */
#ifndef JOINT_TRAINING_H
#define JOINT_TRAINING_H

#include "ranks.h"
#include "testing.h"

enum { JOINT_COUNT = 104 /* images to train with */, JOINT_ALL = -1, JOINT_EVERY_IMAGE = -2, JOINT_STEPS = 64 };

/* Where images come from: which were asked for. */
typedef struct joint_source {
    bool asked[JOINT_COUNT];
    int64_t broken; /* index of an image that cannot be read, or JOINT_EVERY_IMAGE; -1: none */
} joint_source;

typedef struct joint_recipe {
    const char *name, *network; /* "session8", "resnet20" */
    cn_norm_kind norm;
    cn_optimizer_kind optimizer;
    int batch, test_batch, accumulate;
    float ema, clip, mixup;
    int epochs, stop_after; /* batches; 0: not */
    int stop_rank;
    int changed_rank; /* brings along what `change` makes of it; JOINT_ALL do */
    void (*change)(cn_trainer_options *options, cn_optimizer_options *optimizer, cn_model *model);
    int64_t broken;
    int broken_rank;
    bool fails_later;          /* fits again, when `broken_rank` can read no image any more */
    int search;                /* for a rate, by so many steps up to JOINT_STEPS, before it is trained; 0: not */
    int other_search;          /* the same of `changed_rank`, unless it is 0 */
    const char *save, *resume; /* files of checkpoints: rank 0 writes one in the end, all begin with one; or NULL */
} joint_recipe;

typedef struct joint_outcome {
    cn_status made, status;
    char message[512];
    void *tensors;
    size_t bytes;
    cn_epoch_info last;
    int64_t epochs, batches;
    double evaluated;
    cn_status search_status;
    char search_message[512];
    double rate;                /* that the search found */
    int64_t steps;              /* that it took, */
    double losses[JOINT_STEPS]; /* and what it saw */
    bool trace;                 /* the search has left one in the model */
    joint_source train;
} joint_outcome;

typedef struct joint_job {
    const joint_recipe *recipe;
    joint_outcome outcomes[RANKS_MOST];
} joint_job;

/* One rank's training, or without a communicator one process's. */
void joint_train(const joint_recipe *r, const cn_communicator *communicator, joint_outcome *out);
/* That of all ranks, which must keep to the rules of ranks.h. */
void joint_run(const joint_recipe *r, ranks *all, joint_job *j);
void joint_free(joint_job *j);

/* Session 8 with batch norm, two batches of 64. */
extern const joint_recipe joint_usual;

#endif
