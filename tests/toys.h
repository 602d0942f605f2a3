/* SPDX-License-Identifier: MIT */
/* toys.h: a small network and small data, for tests of what trains, evaluates and predicts. */
#ifndef TOYS_H
#define TOYS_H

#include <convnet.h>
#include <stdint.h>

enum { TOY_CLASSES = 3, TOY_SIDE = 6, TOY_PIXELS = TOY_SIDE * TOY_SIDE };

/* 1×6×6 → conv 4 → norm → ReLU → dropout → max pool → flatten → linear 3 → log-softmax; the layers are called "conv",
 * "norm" (or absent), "relu", "dropout" (or absent), "pool", "flatten", "fc" and "out". */
cn_model *toy_model(cn_context *context, cn_norm_kind norm, float dropout);

/* The same, but for its end: one whose outputs that loss reads, so that with cross-entropy "fc" is the last layer. */
cn_model *toy_model_for(cn_context *context, cn_loss_kind loss, cn_norm_kind norm, float dropout);

/* 1×6×6 → batch norm without running statistics "norm" → flatten → linear 3 "fc" → log-softmax: what it says of an
 * image depends on the others of its batch. */
cn_model *toy_joined_model(cn_context *context);

/* Images of class k have two bright rows from row 2k; all have noise. */
typedef struct toy_data {
    cn_tensor *images, *labels;
    cn_dataset *set;
} toy_data;
toy_data toy_data_new(cn_context *context, int64_t count, uint32_t seed);
void toy_data_free(toy_data *data);

/* A copy of all parameters and buffers, one after the other, to compare models by; the caller frees it. */
void *toy_tensors(cn_model *model, size_t *bytes);

/* Fails unless both models have the same bits. */
void toy_expect_equal(cn_model *a, cn_model *b);

#endif
