/* SPDX-License-Identifier: MIT */
/* patterns.h: what patterns are made of (patterns.c), and the patterns themselves, by family (pattern_activations.c,
 * pattern_norms.c, pattern_layers.c). Each looks at a node and, where that is the last one of what it knows, makes it
 * another; false: it is not. */
#ifndef CN_ONNX_PATTERNS_H
#define CN_ONNX_PATTERNS_H

#include "onnx/importer.h"

/* What makes a value, if it is such an operator; NULL: something else. */
cn__onnx_node *cn__pattern_made_by(cn__onnx *onnx, int32_t value, const char *op);
/* Numbers that exporters have rounded. */
bool cn__pattern_near(double a, double b);
bool cn__pattern_is_number(cn__onnx *onnx, int32_t value, double wanted);
/* The other input of a node of two, one of which is `value`; -1: it is not. */
int32_t cn__pattern_other(const cn__onnx_node *node, int32_t value);
/* x of "x op number", for operators whose inputs may change places; -1: it is something else. */
int32_t cn__pattern_with_number(cn__onnx *onnx, const cn__onnx_node *node, double number);
/* x of x · number or x / (1 / number); -1: it is something else. */
int32_t cn__pattern_scaled_by(cn__onnx *onnx, int32_t value, double number);
bool cn__pattern_is_square(cn__onnx *onnx, int32_t value, int32_t of);
/* What a factor or summand that is constant is applied to; -1: there is none. */
int32_t cn__pattern_beside_constant(cn__onnx *onnx, const cn__onnx_node *node, int32_t *constant);
/* The node becomes `op` of so many inputs; false: there is no memory. */
bool cn__pattern_rewrite(cn__onnx *onnx, cn__onnx_node *node, const char *op, int count, const int32_t *inputs);

typedef bool cn__pattern(cn__onnx *onnx, cn__onnx_node *node);
cn__pattern cn__pattern_layer_norm, cn__pattern_batch_norm, cn__pattern_group_norm, cn__pattern_response_norm,
    cn__pattern_gelu, cn__pattern_hard_swish, cn__pattern_hard_sigmoid, cn__pattern_gated, cn__pattern_softplus,
    cn__pattern_softsign, cn__pattern_linear, cn__pattern_wrap;

#endif
