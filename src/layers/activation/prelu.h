/* prelu.h: what prelu.c and nchw16c_prelu.c share. */
#ifndef CN_PRELU_H
#define CN_PRELU_H

#include "layers/layers.h"

typedef struct cn__prelu {
    cn_layer base;
    int32_t weights; /* 1, or as many as channels */
} cn__prelu;

extern const cn__layer_impl cn__prelu_nchw16c;

static inline float cn__prelu_weight(const cn__op *op, size_t channel) {
    return ((const float *)op->tensor[0])[((const cn__prelu *)op->layer)->weights == 1 ? 0 : channel];
}

#endif
