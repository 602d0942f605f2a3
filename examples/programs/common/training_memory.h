/* SPDX-License-Identifier: MIT */
/* training_memory.h: what training will take, known before it begins. */
#ifndef EXAMPLES_TRAINING_MEMORY_H
#define EXAMPLES_TRAINING_MEMORY_H

#include "ranks.h"

#define MEMORY_TEXT 32
/* "3.2 GiB", "47.1 MiB". */
const char *memory_text(size_t bytes, char text[MEMORY_TEXT]);

/* What a trainer of these would take: `*bytes`, or 0 where it cannot be made, of which cn_trainer_new says more. False:
 * this machine, or that of another rank, has less; the first of them complains, and says what would fit. */
bool memory_suffices(const ranks *ranks, const cn_context *context, const cn_model *model, const cn_dataset *train,
                     const cn_dataset *test, const cn_trainer_options *options, size_t *bytes);

/* A table, or with --json a member "training", of what batches of so many images take, at once and accumulated from smaller ones. Complains on failure. */
bool memory_print(cn_context *context, const cn_model *model, int batch_size);

#endif
