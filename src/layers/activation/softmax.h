/* softmax.h: what softmax.c, log_softmax.c and nchw16c_softmax.c share. */
#ifndef CN_SOFTMAX_H
#define CN_SOFTMAX_H

#include "layers/layers.h"

/* Both compute both. */
extern const cn__layer_impl cn__softmax_batch, cn__softmax_nchw16c;

static inline bool cn__softmax_is_logarithm(const cn__op *op) {
    return op->layer->type->kind == CN__KIND_LOG_SOFTMAX;
}

#endif
