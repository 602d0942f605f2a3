/* SPDX-License-Identifier: MIT */
/* upsample.h: where the pixels of an upsampling's output lie in its input. */
#ifndef CN_UPSAMPLE_H
#define CN_UPSAMPLE_H

#include "layers/layers.h"

/* The input pixels that one of the output sums up along a dimension: one, or two that lie side by side. */
typedef struct cn__upsample_terms {
    int32_t count, from[2];
    float weight[2];
} cn__upsample_terms;

/* Of pixel `i` of `out` along dimension `d`, 0 for rows, 1 for columns, of an input of `in`. */
cn__upsample_terms cn__upsample_terms_of(const cn_layer *layer, int d, int32_t in, int32_t out, int32_t i);

#endif
