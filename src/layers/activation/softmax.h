/* SPDX-License-Identifier: MIT */
/* softmax.h: what softmax.c and log_softmax.c share. */
#ifndef CN_SOFTMAX_H
#define CN_SOFTMAX_H

#include "layers/layers.h"

extern const cn__layer_impl cn__softmax_impl; /* computes both */

#endif
