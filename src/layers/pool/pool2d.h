/* SPDX-License-Identifier: MIT */
/* pool2d.h: what max_pool2d.c, avg_pool2d.c, adaptive_max_pool2d.c and adaptive_avg_pool2d.c share. */
#ifndef CN_POOL2D_H
#define CN_POOL2D_H

#include "layers/layers.h"

typedef struct cn__pool2d {
    cn_layer base;
    int32_t kernel[2], stride[2], padding[2], dilation[2]; /* height, width */
    int32_t ceil_mode;
    int32_t count_include_pad, divisor_override; /* AvgPool2d; 0: no override */
    int32_t output[2];                           /* of the adaptive ones, which have nothing else */
} cn__pool2d;

/* For windows that move: hyper-parameters from options, checks, shape, receptive field. */
cn_status cn__pool2d_new(cn_context *context, const cn__layer_type *type, int kernel_height, int kernel_width,
                         const cn_pool2d_options *options, cn_layer **layer);
cn_status cn__pool2d_validate(cn_layer *layer);
cn_status cn__pool2d_infer(const cn_layer *layer, const char *name, int32_t inputs, const cn__shape *in,
                           cn__shape *out);
bool cn__pool2d_window(const cn_layer *layer, cn__shape in, cn__window *window);

/* The same for windows that cover the image. */
extern const cn__attr cn__adaptive_pool2d_attrs[];
cn_status cn__adaptive_pool2d_new(cn_context *context, const cn__layer_type *type, int output_height, int output_width,
                                  cn_layer **layer);
cn_status cn__adaptive_pool2d_validate(cn_layer *layer);
cn_status cn__adaptive_pool2d_infer(const cn_layer *layer, const char *name, int32_t inputs, const cn__shape *in,
                                    cn__shape *out);
bool cn__adaptive_pool2d_window(const cn_layer *layer, cn__shape in, cn__window *window);

/* The kernels' arguments. */
cn__pool_args cn__pool2d_args(const cn__op *op);
/* Of windows of 2×2 that tile the input: which of the four was the largest, a byte a lane, saved for the way back. */
static inline size_t cn__pool_which_floats(size_t planes, cn__shape out) { /* of a block */
    return planes * (size_t)out.height * (size_t)out.width * CN__LANES / sizeof(float);
}
static inline uint8_t *cn__pool_which(const cn__op *op, size_t block, size_t plane) {
    size_t pixels = (size_t)op->out->shape.height * (size_t)op->out->shape.width;
    return (uint8_t *)cn__saved(op, block) + plane * pixels * CN__LANES;
}

/* The gradient that windows add to: zeros, unless it already holds another reader's share. */
cn__plane cn__pool2d_gradient(const cn__op *op, size_t block, size_t channel);
/* The same of maxima. Where windows `tile` the input and nothing is there yet, they write all of it instead. */
cn__plane cn__pool2d_max_gradient(const cn__op *op, size_t block, size_t channel, bool tile, cn__pool_args *args);

#endif
