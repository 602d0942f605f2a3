/* SPDX-License-Identifier: MIT */
/* onnx_files.h: networks that golden/onnx_models.py has written, and what PyTorch makes of them. */
#ifndef ONNX_FILES_H
#define ONNX_FILES_H

#include "testing.h"

#define ONNX_FILES "tests/golden/onnx/"

/* The path of NAME.onnx, good until the next call. */
const char *onnx_path(const char *name);

enum { ONNX_MAX_ENDS = 4 };
typedef struct onnx_case {
    int inputs, outputs;
    cn_tensor *input[ONNX_MAX_ENDS], *output[ONNX_MAX_ENDS]; /* output: what PyTorch gives */
} onnx_case;
onnx_case onnx_case_read(cn_context *ctx, const char *name);
void onnx_case_free(onnx_case *c);

/* Runs the model on the case's inputs; the outputs are the caller's to free. */
void onnx_run(cn_context *ctx, cn_model *model, const onnx_case *c, int training, cn_tensor *given[ONNX_MAX_ENDS]);
/* Fails unless the model gives PyTorch's outputs, within 1e-5 of the largest. */
void onnx_expect(cn_context *ctx, cn_model *model, const onnx_case *c);

#endif
