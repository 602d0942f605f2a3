/* softmax.h: what softmax.c lends to log_softmax.c. */
#ifndef CN_SOFTMAX_H
#define CN_SOFTMAX_H

#include "layers/layers.h"

typedef struct cn__softmax_layer {
    cn_layer base;
    bool logarithm; /* set by `validate` */
} cn__softmax_layer;

extern const cn__stage cn__softmax_forward[], cn__softmax_backward[];

#endif
