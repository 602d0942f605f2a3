/* SPDX-License-Identifier: MIT */
/* run_options.h: which members of options structs say what a run computes: who goes on with a run, or trains along, must have
 * the same. */
#ifndef CN_RUN_OPTIONS_H
#define CN_RUN_OPTIONS_H

#include "train/train.h"
#include <stddef.h>

typedef struct cn__run_option {
    const char *name; /* NULL ends a list */
    bool real;        /* a float; else an int */
    size_t offset;
} cn__run_option;

extern const cn__run_option cn__run_trainer_options[], cn__run_loss_options[], cn__run_optimizer_options[],
    cn__run_schedule_options[], cn__run_augmentation_options[];

#endif
