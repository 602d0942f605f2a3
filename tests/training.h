/* SPDX-License-Identifier: MIT */
/* training.h: what tests of training share: a toy network, its data and options, and what its callbacks see. */
#ifndef TRAINING_H
#define TRAINING_H

#include "toys.h"

enum { TRAINING_COUNT = 50, TRAINING_BATCH = 20, TRAINING_BATCHES = 3 }; /* the last batch has 10 */

typedef struct training {
    cn_context *ctx;
    cn_model *model;
    toy_data train, test;
    cn_trainer_options options;
} training;

training training_begin(cn_norm_kind norm, float dropout);
/* The same in that context, which training_end frees. */
training training_begin_with(cn_context *context, cn_norm_kind norm, float dropout);
void training_end(training *f);
/* Fails unless f's model and its twin, each trained by a trainer, have the same bits; then the end of all. */
void training_end_alike(training *f, cn_model *twin, cn_trainer *a, cn_trainer *b);

/* A trainer of that model with the options as they are now. */
cn_trainer *training_trainer(training *f, cn_model *model);

/* The loss of a batch of one class an image, by the library; `gradient` or NULL. */
double training_loss(cn_loss_kind kind, float label_smoothing, const cn_tensor *output, const cn_tensor *target,
                     cn_tensor *gradient);

/* The order in which an epoch, from 1, has that many images. */
void training_order(uint64_t seed, int64_t epoch, int64_t count, int64_t *order);

cn_epoch_info training_epoch(const cn_trainer *trainer, int64_t index);

/* One cycle of four epochs. */
void training_one_cycle(cn_schedule_options *schedule);

/* Fails unless both have had the same epochs. */
void training_expect_same_history(const cn_trainer *a, const cn_trainer *b);

/* One linear layer "fc", initialised. */
cn_model *training_linear_model(cn_context *context, int inputs, int outputs);

/* The values of a parameter or buffer, and the gradients of a parameter. */
float *training_values(cn_model *model, const char *name);
float *training_gradients(cn_model *model, const char *name);

/* ---- callbacks that check what they are told, count it, and stop when asked to ---- */

typedef struct witness {
    int batches, epochs, stop_at_batch, stop_at_epoch; /* 0: never */
    cn_batch_info last;
    double mean_rate; /* of the epoch's batches so far */
} witness;

int witness_batch(void *user, const cn_batch_info *batch);
int witness_epoch(void *user, const cn_epoch_info *epoch);

#endif
