/* SPDX-License-Identifier: MIT */
/* onnx_saved.h: what tests of models as ONNX files share: there, back, and whether both give the same. */
#ifndef ONNX_SAVED_H
#define ONNX_SAVED_H

#include "pieces.h"

/* The model's file, with usual options. */
cn_tensor *written(const cn_model *model);

/* What is loaded from the model's file with these options, or NULL: the usual ones. */
cn_model *there_and_back(const cn_model *model, const cn_onnx_options *options);

/* Fails, and says of what, unless numbers differ by at most that share of the largest of `a`. */
void expect_near(const cn_tensor *a, const cn_tensor *b, double share, const char *what);

#endif
