/* SPDX-License-Identifier: MIT */
/* conv_transpose2d.h: a transposed convolution is the way back of a convolution: its output is what that one's input
 * would be. */
#ifndef CN_CONV_TRANSPOSE2D_H
#define CN_CONV_TRANSPOSE2D_H

#include "layers/conv/convolution.h"

typedef struct cn__conv_transpose {
    /* The convolution, from this layer's output channels to its input channels; it has the same weights, laid out alike,
     * and no bias. */
    cn__convolution behind;
    int32_t output_padding[2], bias;
} cn__conv_transpose;

/* conv_transpose2d_stages.c and nchw16c_conv_transpose.c: the ways to compute it. */
extern const cn__layer_impl cn__conv_transpose2d_batch, cn__conv_transpose2d_nchw16c;

#endif
