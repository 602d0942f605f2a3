/* SPDX-License-Identifier: MIT */
/* predictions.h: what tests of predictors share: a trained toy, its images, and what the model says of them. */
#ifndef PREDICTIONS_H
#define PREDICTIONS_H

#include "testing.h"
#include "toys.h"

enum { PREDICTIONS = 40 }; /* images */

typedef struct predictions {
    cn_context *ctx;
    cn_model *model;
    toy_data data;
    cn_tensor *images, *wanted, *output; /* normalised; what the model gives */
} predictions;

/* A model that has seen something, so that its running statistics matter. */
predictions predictions_begin(int threads);
void predictions_end(predictions *f);

/* What the model says now, into `wanted`. */
void predictions_forward(predictions *f);

/* With max_batch_size 0 the usual one. */
cn_predictor *predictor_for(const cn_model *model, int max_batch_size);

cn_tensor *float_tensor(cn_context *ctx, int dims, const int64_t *shape);

/* Fails unless all values are near: inference may fold and reorder, so not to the bit. */
void expect_predictions(const float *got, const float *wanted, int64_t count);

#endif
