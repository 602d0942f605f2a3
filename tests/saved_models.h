/* SPDX-License-Identifier: MIT */
/* saved_models.h: models of every layer and option, small, for tests of what writes models for other programs. */
#ifndef SAVED_MODELS_H
#define SAVED_MODELS_H

#include <convnet.h>

/* The networks of golden/layers.txt, each for one of its batches; some that their grammar has no words for: several inputs
 * and outputs, flat features beside images, names that want care; random graphs. */
int saved_model_count(void);
/* As a network's text, or a few words; good until the next call. */
const char *saved_model_name(int index);
/* With numbers in all tensors that tell them apart; running variances are above 0. */
cn_model *saved_model_new(cn_context *ctx, int index);
/* Fills a tensor of inputs, whose number is `input`. */
void saved_model_fill(cn_tensor *tensor, int input);

#endif
