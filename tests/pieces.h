/* SPDX-License-Identifier: MIT */
/* pieces.h: layers, models and tensors for tests of the interface, made in the running test's context. */
#ifndef PIECES_H
#define PIECES_H

#include "testing.h"

#define COUNT(list) (sizeof(list) / sizeof *(list))

extern cn_context *ctx;
void set_up(void);
void tear_down(void);

cn_layer *conv(int in, int out, int kernel);
cn_layer *relu(void);
cn_layer *norm(cn_norm_kind kind, int channels);
cn_model *model_for(int channels, int height, int width);
cn_tensor *tensor_of(cn_dtype dtype, int dims, const int64_t *shape);
cn_tensor *images(int64_t n, int64_t c, int64_t h, int64_t w);
/* 3×4×5 → conv to 2×2×3 → batch norm, initialised. */
cn_model *small_model(void);

/* Adds tests that each begin with set_up, or another function, and run `loops` times. */
void add_tests(Suite *suite, const char *name, void (*before)(void), void (*after)(void), const TTest *const *tests,
               size_t count, int loops);

#endif
