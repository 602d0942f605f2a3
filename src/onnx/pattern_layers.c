/* SPDX-License-Identifier: MIT */
/* pattern_layers.c: linear layers and borders that exporters write out. */
#include "onnx/patterns.h"

/* ---- linear layers ---- */

/* The matrix of a product, which may be written as the transposed of another, [out, in]; false: it is no constant. */
static bool read_matrix(cn__onnx *onnx, int32_t value, int32_t *matrix, bool *transposed, int64_t *out) {
    const cn__onnx_node *turned = cn__pattern_made_by(onnx, value, "Transpose");
    int64_t shape[CN_MAX_DIMS];
    int dims;
    *transposed = turned && cn__onnx_constant_shape(onnx, cn__onnx_input(turned, 0), &dims, shape) && dims == 2;
    *matrix = *transposed ? turned->inputs[0] : value;
    if (!cn__onnx_constant_shape(onnx, *matrix, &dims, shape) || dims != 2)
        return false;
    *out = shape[*transposed ? 0 : 1];
    return true;
}

/* A product with a matrix, maybe with a bias. */
bool cn__pattern_linear(cn__onnx *onnx, cn__onnx_node *node) {
    int32_t bias = -1,
            value = cn__onnx_op_is(node, "Add") ? cn__pattern_beside_constant(onnx, node, &bias) : node->outputs[0];
    const cn__onnx_node *product = cn__pattern_made_by(onnx, value, "MatMul");
    int64_t shape[CN_MAX_DIMS], out;
    int32_t matrix;
    bool transposed;
    int dims;
    if (!product || product->input_count != 2 || product->rewritten ||
        !read_matrix(onnx, product->inputs[1], &matrix, &transposed, &out))
        return false;
    if (bias >= 0 && (!cn__onnx_constant_shape(onnx, bias, &dims, shape) || dims != 1 || shape[0] != out))
        return false;
    const int32_t inputs[3] = {product->inputs[0], matrix, bias};
    node->transposed = transposed;
    return cn__pattern_rewrite(onnx, node, "MatMul", bias >= 0 ? 3 : 2, inputs);
}

/* ---- borders that go round ---- */

/* Whether a value is a slice of another along an axis; from where to where. */
static bool is_slice(cn__onnx *onnx, int32_t value, int32_t of, int64_t axis, int64_t *start, int64_t *end) {
    const cn__onnx_node *slice = cn__pattern_made_by(onnx, value, "Slice");
    int64_t list[3][CN_MAX_DIMS];
    static const char *const names[3] = {"starts", "ends", "axes"};
    int count;
    if (!slice || cn__onnx_input(slice, 0) != of || cn__onnx_input(slice, 4) >= 0)
        return false;
    for (int i = 0; i < 3; i++)
        if (cn__onnx_list(onnx, slice, names[i], i + 1, list[i], &count) != CN_OK || count != 1)
            return false;
    *start = list[0][0];
    *end = list[1][0];
    return list[2][0] == axis;
}

/* What a Concat puts its own end in front of, and its beginning behind; -1: it does something else. */
static int32_t wrapped(cn__onnx *onnx, const cn__onnx_node *node, int64_t axis, int64_t *before, int64_t *after) {
    int64_t start, end;
    *before = *after = 0;
    if (!cn__onnx_op_is(node, "Concat") || cn__onnx_int(node, "axis", 1) != axis || node->input_count < 2 ||
        node->input_count > 3)
        return -1;
    int middle = node->input_count == 3 || is_slice(onnx, node->inputs[0], node->inputs[1], axis, &start, &end);
    int32_t x = node->inputs[middle];
    if (middle == 1) {
        if (!is_slice(onnx, node->inputs[0], x, axis, &start, &end) || start >= 0 || end < CN__MAX_SIDE)
            return -1;
        *before = start < -CN__MAX_SIDE ? -1 : -start;
    }
    if (middle + 1 < node->input_count) {
        if (!is_slice(onnx, node->inputs[middle + 1], x, axis, &start, &end) || start != 0 || end <= 0)
            return -1;
        *after = end;
    }
    return *before >= 0 && *after <= CN__MAX_SIDE ? x : -1;
}

/* PyTorch's circular padding before opset 19: height, then width. */
bool cn__pattern_wrap(cn__onnx *onnx, cn__onnx_node *node) {
    int64_t begin[2] = {0, 0}, end[2] = {0, 0};
    int32_t x = wrapped(onnx, node, 3, &begin[1], &end[1]);
    const cn__onnx_node *rows = x >= 0 ? cn__pattern_made_by(onnx, x, "Concat") : node;
    int32_t inner = rows && !rows->rewritten ? wrapped(onnx, rows, 2, &begin[0], &end[0]) : -1;
    x = inner >= 0 ? inner : x;
    if (x < 0 || !cn__pattern_rewrite(onnx, node, "Pad", 1, &x))
        return false;
    memcpy(node->begin, begin, sizeof begin);
    memcpy(node->end, end, sizeof end);
    return true;
}
