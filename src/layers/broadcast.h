/* SPDX-License-Identifier: MIT */
/* broadcast.h: what add.c and mul.c share: inputs of one shape, or of 1 where they differ, which then count for all
 * channels, rows or columns of the output. */
#ifndef CN_BROADCAST_H
#define CN_BROADCAST_H

#include "layers/layers.h"

cn_status cn__broadcast_infer(const cn_layer *layer, const char *name, int32_t inputs, const cn__shape *in,
                              cn__shape *out);

/* A plane of the output. */
void cn__broadcast_forward(const cn__op *op, cn__item at, bool product);

/* A plane's share of the gradient of one input, dy times the plane of `other` (NULL: dy). All inputs of a plane in
 * turn: one value may be several of them. */
void cn__broadcast_backward(const cn__op *op, cn__item at, int32_t input, const cn__fmap *other);

#endif
