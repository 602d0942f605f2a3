/* SPDX-License-Identifier: MIT */
/* elementwise.h: what layers share that compute each element by itself: activation functions (kernels' unary), and ReLU
 * and dropout (kernels' pointwise) where no norm takes them in. */
#ifndef CN_ELEMENTWISE_H
#define CN_ELEMENTWISE_H

#include "layers/layers.h"

/* A layer of kernels/activations.def; `function` is set by its `validate`. Backward reads the input. */
typedef struct cn__activation {
    cn_layer base;
    cn__unary function;
    float parameter[2];  /* of those that have some */
    int32_t approximate; /* GELU: a cn_gelu_kind */
} cn__activation;

extern const cn__layer_impl cn__activation_impl;
extern const cn__layer_impl cn__relu_with_pool; /* pooled_relu.c */

/* One item, a plane, of y = dropout(relu(x)) with either as `fused` says; backward reads y. */
void cn__pointwise_forward(const cn__op *op, const cn__pass *pass, const cn__post_ops *post, cn__item at);
void cn__pointwise_backward(const cn__op *op, const cn__pass *pass, const cn__post_ops *post, cn__item at);

#endif
