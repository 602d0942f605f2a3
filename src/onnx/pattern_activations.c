/* SPDX-License-Identifier: MIT */
/* pattern_activations.c: functions of each element that exporters write out. */
#include "onnx/patterns.h"

static bool rewrite_unary(cn__onnx *onnx, cn__onnx_node *node, const char *op, int32_t x) {
    return x >= 0 && cn__pattern_rewrite(onnx, node, op, 1, &x);
}

static bool is_bound(cn__onnx *onnx, const cn__onnx_node *clip, int input, const char *name, double wanted) {
    if (cn__onnx_input(clip, input) >= 0)
        return cn__pattern_is_number(onnx, clip->inputs[input], wanted) ||
               (wanted == 0.0 && cn__onnx_scalar(onnx, clip->inputs[input], &wanted) && wanted == 0.0);
    return (double)cn__onnx_float(clip, name, NAN) == wanted;
}

/* x of min(max(x + 3, 0), 6); -1: it is something else. */
static int32_t clipped_sum(cn__onnx *onnx, int32_t value) {
    const cn__onnx_node *clip = cn__pattern_made_by(onnx, value, "Clip");
    if (!clip || clip->input_count < 1 || !is_bound(onnx, clip, 1, "min", 0.0) || !is_bound(onnx, clip, 2, "max", 6.0))
        return -1;
    return cn__pattern_with_number(onnx, cn__pattern_made_by(onnx, clip->inputs[0], "Add"), 3.0);
}

/* x of torch's hard sigmoid of x, as an operator or written out. */
static int32_t hard_sigmoid(cn__onnx *onnx, int32_t value) {
    const cn__onnx_node *node = cn__pattern_made_by(onnx, value, "HardSigmoid");
    if (node && node->input_count == 1 && !node->rewritten)
        return cn__pattern_near((double)cn__onnx_float(node, "alpha", 0.2f), 1.0 / 6.0) &&
                       cn__pattern_near((double)cn__onnx_float(node, "beta", 0.5f), 0.5)
                   ? node->inputs[0]
                   : -1;
    return clipped_sum(onnx, cn__pattern_scaled_by(onnx, value, 1.0 / 6.0));
}

bool cn__pattern_hard_sigmoid(cn__onnx *onnx, cn__onnx_node *node) {
    return node->output_count == 1 && !cn__pattern_made_by(onnx, node->outputs[0], "HardSigmoid") &&
           rewrite_unary(onnx, node, "HardSigmoid", hard_sigmoid(onnx, node->outputs[0]));
}

/* x · hardsigmoid(x), or x · min(max(x + 3, 0), 6) / 6. */
bool cn__pattern_hard_swish(cn__onnx *onnx, cn__onnx_node *node) {
    int32_t whole = cn__pattern_scaled_by(onnx, node->outputs[0], 1.0 / 6.0);
    const cn__onnx_node *product = whole >= 0 ? cn__pattern_made_by(onnx, whole, "Mul") : NULL;
    for (int i = 0; i < 2 && product && product->input_count == 2; i++)
        if (product->inputs[i] >= 0 && clipped_sum(onnx, product->inputs[1 - i]) == product->inputs[i])
            return rewrite_unary(onnx, node, "HardSwish", product->inputs[i]);
    for (int i = 0; i < 2 && cn__onnx_op_is(node, "Mul") && node->input_count == 2; i++)
        if (node->inputs[i] >= 0 && hard_sigmoid(onnx, node->inputs[1 - i]) == node->inputs[i])
            return rewrite_unary(onnx, node, "HardSwish", node->inputs[i]);
    return false;
}

/* x / (1 + |x|). */
bool cn__pattern_softsign(cn__onnx *onnx, cn__onnx_node *node) {
    const cn__onnx_node *sum =
        cn__onnx_op_is(node, "Div") ? cn__pattern_made_by(onnx, cn__onnx_input(node, 1), "Add") : NULL;
    const cn__onnx_node *magnitude = cn__pattern_made_by(onnx, cn__pattern_with_number(onnx, sum, 1.0), "Abs");
    return magnitude && magnitude->input_count == 1 && magnitude->inputs[0] == node->inputs[0] &&
           rewrite_unary(onnx, node, "Softsign", node->inputs[0]);
}

/* x · sigmoid(x); x · tanh(softplus(x)). */
bool cn__pattern_gated(cn__onnx *onnx, cn__onnx_node *node) {
    for (int i = 0; i < 2 && cn__onnx_op_is(node, "Mul") && node->input_count == 2; i++) {
        int32_t x = node->inputs[i], gate = node->inputs[1 - i];
        const cn__onnx_node *sigmoid = cn__pattern_made_by(onnx, gate, "Sigmoid"),
                            *tanh = cn__pattern_made_by(onnx, gate, "Tanh");
        const cn__onnx_node *softplus =
            tanh && tanh->input_count == 1 ? cn__pattern_made_by(onnx, tanh->inputs[0], "Softplus") : NULL;
        if (sigmoid && sigmoid->input_count == 1 && sigmoid->inputs[0] == x)
            return rewrite_unary(onnx, node, "Silu", x);
        if (softplus && softplus->input_count == 1 && softplus->inputs[0] == x)
            return rewrite_unary(onnx, node, "Mish", x);
    }
    return false;
}

/* x of 1 + erf(x / √2). */
static int32_t twice_normal(cn__onnx *onnx, int32_t value) {
    const cn__onnx_node *sum = cn__pattern_made_by(onnx, value, "Add");
    const cn__onnx_node *erf = sum ? cn__pattern_made_by(onnx, cn__pattern_with_number(onnx, sum, 1.0), "Erf") : NULL;
    return erf && erf->input_count == 1 ? cn__pattern_scaled_by(onnx, erf->inputs[0], 0.70710678) : -1;
}

/* x of x³. */
static int32_t cubed(cn__onnx *onnx, int32_t value) {
    const cn__onnx_node *power = cn__pattern_made_by(onnx, value, "Pow"),
                        *product = cn__pattern_made_by(onnx, value, "Mul");
    if (power && power->input_count == 2 && cn__pattern_is_number(onnx, power->inputs[1], 3.0))
        return power->inputs[0];
    for (int i = 0; i < 2 && product && product->input_count == 2; i++)
        if (cn__pattern_is_square(onnx, product->inputs[i], product->inputs[1 - i]))
            return product->inputs[1 - i];
    return -1;
}

/* x of 1 + tanh(√(2/π) (x + 0.044715 x³)). */
static int32_t twice_about_normal(cn__onnx *onnx, int32_t value) {
    const cn__onnx_node *tanh =
        cn__pattern_made_by(onnx, cn__pattern_with_number(onnx, cn__pattern_made_by(onnx, value, "Add"), 1.0), "Tanh");
    int32_t inner = tanh && tanh->input_count == 1 ? cn__pattern_scaled_by(onnx, tanh->inputs[0], 0.79788456) : -1;
    const cn__onnx_node *sum = cn__pattern_made_by(onnx, inner, "Add");
    for (int i = 0; i < 2 && sum && sum->input_count == 2; i++)
        if (sum->inputs[i] >= 0 &&
            cubed(onnx, cn__pattern_scaled_by(onnx, sum->inputs[1 - i], 0.044715)) == sum->inputs[i])
            return sum->inputs[i];
    return -1;
}

/* x · (1 + erf(x / √2)) / 2, halved at the end or at first; or its approximation. */
bool cn__pattern_gelu(cn__onnx *onnx, cn__onnx_node *node) {
    int32_t whole = cn__pattern_scaled_by(onnx, node->outputs[0], 0.5);
    const cn__onnx_node *product = whole >= 0                    ? cn__pattern_made_by(onnx, whole, "Mul")
                                   : cn__onnx_op_is(node, "Mul") ? node
                                                                 : NULL;
    for (int i = 0; i < 2 && product && product->input_count == 2; i++) {
        int32_t exact = twice_normal(onnx, product->inputs[1 - i]);
        int32_t x = exact >= 0 ? exact : twice_about_normal(onnx, product->inputs[1 - i]);
        bool halved = whole >= 0 ? product->inputs[i] == x : cn__pattern_scaled_by(onnx, product->inputs[i], 0.5) == x;
        if (x >= 0 && halved)
            return rewrite_unary(onnx, node, exact >= 0 ? "Gelu" : "GeluTanh", x);
    }
    return false;
}

/* x, and z = beta · x, of softplus(z) / beta. */
static bool read_softplus(cn__onnx *onnx, int32_t value, int32_t *x, int32_t *z, double *beta) {
    const cn__onnx_node *quotient = cn__pattern_made_by(onnx, value, "Div");
    bool scaled = quotient && quotient->input_count == 2 && cn__onnx_scalar(onnx, quotient->inputs[1], beta);
    const cn__onnx_node *softplus = cn__pattern_made_by(onnx, scaled ? quotient->inputs[0] : value, "Softplus");
    if (!softplus || softplus->input_count != 1 || softplus->rewritten)
        return false;
    *z = *x = softplus->inputs[0];
    if (scaled)
        *x = cn__pattern_scaled_by(onnx, *z, *beta);
    else
        *beta = 1.0;
    return *x >= 0 && *beta > 0.0;
}

/* Of another beta than 1, or beyond a threshold the identity. */
bool cn__pattern_softplus(cn__onnx *onnx, cn__onnx_node *node) {
    bool bent = cn__onnx_op_is(node, "Where") && node->input_count == 3;
    const cn__onnx_node *above = bent ? cn__pattern_made_by(onnx, node->inputs[0], "Greater") : NULL;
    double beta, threshold = 20.0; /* as torch has it */
    int32_t x, z;
    if ((!bent && !cn__onnx_op_is(node, "Div")) ||
        !read_softplus(onnx, bent ? node->inputs[2] : node->outputs[0], &x, &z, &beta))
        return false;
    if (bent && !(above && above->input_count == 2 && above->inputs[0] == z && node->inputs[1] == x &&
                  cn__onnx_scalar(onnx, above->inputs[1], &threshold)))
        return false;
    if (!rewrite_unary(onnx, node, "Softplus", x))
        return false;
    node->beta = beta;
    node->threshold = threshold;
    return true;
}
