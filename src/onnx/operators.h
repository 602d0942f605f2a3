/* SPDX-License-Identifier: MIT */
/* operators.h: the operators that are converted, each by a function that makes layers of a node. operators.def lists
 * them by ONNX's names. */
#ifndef CN_ONNX_OPERATORS_H
#define CN_ONNX_OPERATORS_H

#include "onnx/importer.h"

#define OPERATOR(name, function) cn__onnx_convert cn__onnx_##function;
#include "onnx/operators.def"

/* ---- what they share ---- */

/* CN_OK for a constant that is one number, or one for each channel of the view; *count of them. Its last dimension stands
 * below the view's, unless a node of an opset before 7 says by `axis` where its first one does. */
cn_status cn__onnx_by_channel(cn__onnx *onnx, const cn__onnx_node *node, const cn__onnx_view *view, int32_t constant,
                              int64_t *count);
/* At least `least` and at most `most`, ±FLT_MAX for none. */
cn_status cn__onnx_clamp(cn__onnx *onnx, const cn__onnx_node *node, double least, double most, int32_t *layer);

#endif
