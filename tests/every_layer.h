/* SPDX-License-Identifier: MIT */
/* every_layer.h: a model with every layer and every option of version 1. */
#ifndef EVERY_LAYER_H
#define EVERY_LAYER_H

#include <convnet.h>

/* Of 4×8×9; its tensors, normalisation and five class names all differ. What it is must never change: the golden file
 * of version 1 is one. Activations that came later are in test_model_file.c's round trip by layers.def. */
cn_model *every_layer_model(cn_context *ctx);

#endif
