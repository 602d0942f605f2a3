/* SPDX-License-Identifier: MIT */
/* nchw16c_winograd.h: what nchw16c_winograd.c and nchw16c_winograd_weight.c share. */
#ifndef CN_NCHW16C_WINOGRAD_H
#define CN_NCHW16C_WINOGRAD_H

#include "layers/conv/winograd_tiles.h"
#include "layers/nchw16c/nchw16c_convolution.h"

static inline int32_t cn__winograd_planes(int32_t channels) {
    return (int32_t)cn__nchw16c_planes(channels);
}

static inline int32_t cn__winograd_steps(int32_t count, int32_t most) {
    return (count + most - 1) / most;
}

/* Begin of share `share` of `shares`. */
static inline int32_t cn__winograd_share(int32_t whole, size_t share, size_t shares) {
    /* NOLINTNEXTLINE(clang-analyzer-core.DivideZero): there is always one */
    return (int32_t)((size_t)whole * share / shares);
}

/* Of some images: the padded inputs, cut as their outputs; the outputs' gradients, which the caller cuts. */
cn__winograd_tiles cn__nchw16c_input_tiles(const cn__op *op, int32_t image, int32_t images);
cn__winograd_tiles cn__nchw16c_gradient_tiles(const cn__op *op, int32_t image, int32_t images);

/* The weights' gradient, in two steps. */
size_t cn__nchw16c_winograd_weight_scratch(const cn__conv_problem *problem);
size_t cn__nchw16c_winograd_weight_shared(const cn__conv_problem *problem);
cn__grid cn__nchw16c_winograd_weight_grid(const cn__op *op, const cn__pass *pass);
void cn__nchw16c_winograd_weight_grad(const cn__op *op, const cn__pass *pass, cn__item at);
cn__grid cn__nchw16c_winograd_sum_grid(const cn__op *op, const cn__pass *pass);
void cn__nchw16c_winograd_sum(const cn__op *op, const cn__pass *pass, cn__item at);

#endif
