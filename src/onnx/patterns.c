/* SPDX-License-Identifier: MIT */
/* patterns.c: what exporters write out in several nodes is one node again. A pattern is recognised from its last node,
 * backwards, and that node becomes the operator of a later opset, or one of our own; what only the old form needed falls
 * away with all that no output depends on. Patterns that have others within come first, since nodes are gone through
 * from the last one. */
#include "onnx/patterns.h"

cn__onnx_node *cn__pattern_made_by(cn__onnx *onnx, int32_t value, const char *op) {
    int32_t producer = value >= 0 ? onnx->values[value].producer : -1;
    if (producer < 0 || onnx->nodes[producer].foreign || !cn__onnx_op_is(&onnx->nodes[producer], op))
        return NULL;
    return &onnx->nodes[producer];
}

bool cn__pattern_near(double a, double b) {
    return fabs(a - b) <= 1e-4 * fabs(b);
}

bool cn__pattern_is_number(cn__onnx *onnx, int32_t value, double wanted) {
    double number;
    return cn__onnx_scalar(onnx, value, &number) && cn__pattern_near(number, wanted);
}

int32_t cn__pattern_other(const cn__onnx_node *node, int32_t value) {
    if (!node || node->input_count != 2)
        return -1;
    return node->inputs[0] == value ? node->inputs[1] : node->inputs[1] == value ? node->inputs[0] : -1;
}

int32_t cn__pattern_with_number(cn__onnx *onnx, const cn__onnx_node *node, double number) {
    if (!node || node->input_count != 2)
        return -1;
    for (int i = 0; i < 2; i++)
        if (cn__pattern_is_number(onnx, node->inputs[i], number))
            return node->inputs[1 - i];
    return -1;
}

int32_t cn__pattern_scaled_by(cn__onnx *onnx, int32_t value, double number) {
    const cn__onnx_node *product = cn__pattern_made_by(onnx, value, "Mul"),
                        *quotient = cn__pattern_made_by(onnx, value, "Div");
    if (quotient && quotient->input_count == 2 && cn__pattern_is_number(onnx, quotient->inputs[1], 1.0 / number))
        return quotient->inputs[0];
    return product ? cn__pattern_with_number(onnx, product, number) : -1;
}

bool cn__pattern_is_square(cn__onnx *onnx, int32_t value, int32_t of) {
    const cn__onnx_node *power = cn__pattern_made_by(onnx, value, "Pow"),
                        *product = cn__pattern_made_by(onnx, value, "Mul");
    if (power && power->input_count == 2)
        return power->inputs[0] == of && cn__pattern_is_number(onnx, power->inputs[1], 2.0);
    return product && cn__pattern_other(product, of) == of;
}

bool cn__pattern_rewrite(cn__onnx *onnx, cn__onnx_node *node, const char *op, int count, const int32_t *inputs) {
    int32_t *copy = cn__onnx_alloc(onnx, (size_t)count, sizeof *copy);
    if (!copy)
        return false;
    memcpy(copy, inputs, (size_t)count * sizeof *copy);
    node->op = (cn__bytes){(const unsigned char *)op, strlen(op)};
    node->inputs = copy;
    node->input_count = count;
    node->attributes = (cn__bytes){0}; /* they are another operator's */
    node->rewritten = true;
    return true;
}

int32_t cn__pattern_beside_constant(cn__onnx *onnx, const cn__onnx_node *node, int32_t *constant) {
    int64_t shape[CN_MAX_DIMS];
    int dims;
    if (!node || node->input_count != 2)
        return -1;
    for (int i = 0; i < 2; i++)
        if (cn__onnx_constant_shape(onnx, node->inputs[i], &dims, shape)) {
            *constant = node->inputs[i];
            return node->inputs[1 - i];
        }
    return -1;
}

static cn__pattern *const patterns[] = {
    cn__pattern_layer_norm, cn__pattern_batch_norm,   cn__pattern_group_norm, cn__pattern_gelu,
    cn__pattern_hard_swish, cn__pattern_hard_sigmoid, cn__pattern_gated,      cn__pattern_softplus,
    cn__pattern_softsign,   cn__pattern_linear,       cn__pattern_wrap,       cn__pattern_response_norm,
};

cn_status cn__onnx_find_patterns(cn__onnx *onnx) {
    for (int32_t i = onnx->node_count - 1; i >= 0; i--) {
        cn__onnx_node *node = &onnx->nodes[i];
        bool found = !node->needed || node->foreign || node->output_count < 1 || node->outputs[0] < 0;
        for (size_t p = 0; p < CN__COUNT(patterns) && !found; p++)
            found = patterns[p](onnx, node);
    }
    return CN_OK;
}
