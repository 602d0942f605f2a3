/* patterns.c: what exporters write out in several nodes is one node again. A pattern is recognised from its last node,
 * backwards, and that node becomes the operator of a later opset, or one of our own; what only the old form needed falls
 * away with all that no output depends on. Patterns that have others within come first, since nodes are gone through
 * from the last one. */
#include "onnx/importer.h"

/* What makes a value, if it is such an operator; NULL: something else. */
static cn__onnx_node *made_by(cn__onnx *onnx, int32_t value, const char *op) {
    int32_t producer = value >= 0 ? onnx->values[value].producer : -1;
    if (producer < 0 || onnx->nodes[producer].foreign || !cn__onnx_op_is(&onnx->nodes[producer], op))
        return NULL;
    return &onnx->nodes[producer];
}

static bool near(double a, double b) {
    return fabs(a - b) <= 1e-4 * fabs(b);
}

static bool is_number(cn__onnx *onnx, int32_t value, double wanted) {
    double number;
    return cn__onnx_scalar(onnx, value, &number) && near(number, wanted);
}

/* The other input of a node of two, one of which is `value`; -1: it is not. */
static int32_t other(const cn__onnx_node *node, int32_t value) {
    if (!node || node->input_count != 2)
        return -1;
    return node->inputs[0] == value ? node->inputs[1] : node->inputs[1] == value ? node->inputs[0] : -1;
}

/* x of "x op number", for operators whose inputs may change places; -1: it is something else. */
static int32_t with_number(cn__onnx *onnx, const cn__onnx_node *node, double number) {
    if (!node || node->input_count != 2)
        return -1;
    for (int i = 0; i < 2; i++)
        if (is_number(onnx, node->inputs[i], number))
            return node->inputs[1 - i];
    return -1;
}

/* x of x · number or x / (1 / number); -1: it is something else. */
static int32_t scaled_by(cn__onnx *onnx, int32_t value, double number) {
    const cn__onnx_node *product = made_by(onnx, value, "Mul"), *quotient = made_by(onnx, value, "Div");
    if (quotient && quotient->input_count == 2 && is_number(onnx, quotient->inputs[1], 1.0 / number))
        return quotient->inputs[0];
    return product ? with_number(onnx, product, number) : -1;
}

static bool is_square(cn__onnx *onnx, int32_t value, int32_t of) {
    const cn__onnx_node *power = made_by(onnx, value, "Pow"), *product = made_by(onnx, value, "Mul");
    if (power && power->input_count == 2)
        return power->inputs[0] == of && is_number(onnx, power->inputs[1], 2.0);
    return product && other(product, of) == of;
}

/* The node becomes `op` of so many inputs. */
static bool rewrite(cn__onnx *onnx, cn__onnx_node *node, const char *op, int count, const int32_t *inputs) {
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

static bool rewrite_unary(cn__onnx *onnx, cn__onnx_node *node, const char *op, int32_t x) {
    return x >= 0 && rewrite(onnx, node, op, 1, &x);
}

/* ---- activations ---- */

static bool is_bound(cn__onnx *onnx, const cn__onnx_node *clip, int input, const char *name, double wanted) {
    if (cn__onnx_input(clip, input) >= 0)
        return is_number(onnx, clip->inputs[input], wanted) ||
               (wanted == 0.0 && cn__onnx_scalar(onnx, clip->inputs[input], &wanted) && wanted == 0.0);
    return (double)cn__onnx_float(clip, name, NAN) == wanted;
}

/* x of min(max(x + 3, 0), 6); -1: it is something else. */
static int32_t clipped_sum(cn__onnx *onnx, int32_t value) {
    const cn__onnx_node *clip = made_by(onnx, value, "Clip");
    if (!clip || clip->input_count < 1 || !is_bound(onnx, clip, 1, "min", 0.0) || !is_bound(onnx, clip, 2, "max", 6.0))
        return -1;
    return with_number(onnx, made_by(onnx, clip->inputs[0], "Add"), 3.0);
}

/* x of torch's hard sigmoid of x, as an operator or written out. */
static int32_t hard_sigmoid(cn__onnx *onnx, int32_t value) {
    const cn__onnx_node *node = made_by(onnx, value, "HardSigmoid");
    if (node && node->input_count == 1 && !node->rewritten)
        return near((double)cn__onnx_float(node, "alpha", 0.2f), 1.0 / 6.0) &&
                       near((double)cn__onnx_float(node, "beta", 0.5f), 0.5)
                   ? node->inputs[0]
                   : -1;
    return clipped_sum(onnx, scaled_by(onnx, value, 1.0 / 6.0));
}

static bool match_hard_sigmoid(cn__onnx *onnx, cn__onnx_node *node) {
    return node->output_count == 1 && !made_by(onnx, node->outputs[0], "HardSigmoid") &&
           rewrite_unary(onnx, node, "HardSigmoid", hard_sigmoid(onnx, node->outputs[0]));
}

/* x · hardsigmoid(x), or x · min(max(x + 3, 0), 6) / 6. */
static bool match_hard_swish(cn__onnx *onnx, cn__onnx_node *node) {
    int32_t whole = scaled_by(onnx, node->outputs[0], 1.0 / 6.0);
    const cn__onnx_node *product = whole >= 0 ? made_by(onnx, whole, "Mul") : NULL;
    for (int i = 0; i < 2 && product && product->input_count == 2; i++)
        if (product->inputs[i] >= 0 && clipped_sum(onnx, product->inputs[1 - i]) == product->inputs[i])
            return rewrite_unary(onnx, node, "HardSwish", product->inputs[i]);
    for (int i = 0; i < 2 && cn__onnx_op_is(node, "Mul") && node->input_count == 2; i++)
        if (node->inputs[i] >= 0 && hard_sigmoid(onnx, node->inputs[1 - i]) == node->inputs[i])
            return rewrite_unary(onnx, node, "HardSwish", node->inputs[i]);
    return false;
}

/* x / (1 + |x|). */
static bool match_softsign(cn__onnx *onnx, cn__onnx_node *node) {
    const cn__onnx_node *sum = cn__onnx_op_is(node, "Div") ? made_by(onnx, cn__onnx_input(node, 1), "Add") : NULL;
    const cn__onnx_node *magnitude = made_by(onnx, with_number(onnx, sum, 1.0), "Abs");
    return magnitude && magnitude->input_count == 1 && magnitude->inputs[0] == node->inputs[0] &&
           rewrite_unary(onnx, node, "Softsign", node->inputs[0]);
}

/* x · sigmoid(x); x · tanh(softplus(x)). */
static bool match_gated(cn__onnx *onnx, cn__onnx_node *node) {
    for (int i = 0; i < 2 && cn__onnx_op_is(node, "Mul") && node->input_count == 2; i++) {
        int32_t x = node->inputs[i], gate = node->inputs[1 - i];
        const cn__onnx_node *sigmoid = made_by(onnx, gate, "Sigmoid"), *tanh = made_by(onnx, gate, "Tanh");
        const cn__onnx_node *softplus =
            tanh && tanh->input_count == 1 ? made_by(onnx, tanh->inputs[0], "Softplus") : NULL;
        if (sigmoid && sigmoid->input_count == 1 && sigmoid->inputs[0] == x)
            return rewrite_unary(onnx, node, "Silu", x);
        if (softplus && softplus->input_count == 1 && softplus->inputs[0] == x)
            return rewrite_unary(onnx, node, "Mish", x);
    }
    return false;
}

/* x of 1 + erf(x / √2). */
static int32_t twice_normal(cn__onnx *onnx, int32_t value) {
    const cn__onnx_node *sum = made_by(onnx, value, "Add");
    const cn__onnx_node *erf = sum ? made_by(onnx, with_number(onnx, sum, 1.0), "Erf") : NULL;
    return erf && erf->input_count == 1 ? scaled_by(onnx, erf->inputs[0], 0.70710678) : -1;
}

/* x of x³. */
static int32_t cubed(cn__onnx *onnx, int32_t value) {
    const cn__onnx_node *power = made_by(onnx, value, "Pow"), *product = made_by(onnx, value, "Mul");
    if (power && power->input_count == 2 && is_number(onnx, power->inputs[1], 3.0))
        return power->inputs[0];
    for (int i = 0; i < 2 && product && product->input_count == 2; i++)
        if (is_square(onnx, product->inputs[i], product->inputs[1 - i]))
            return product->inputs[1 - i];
    return -1;
}

/* x of 1 + tanh(√(2/π) (x + 0.044715 x³)). */
static int32_t twice_about_normal(cn__onnx *onnx, int32_t value) {
    const cn__onnx_node *tanh = made_by(onnx, with_number(onnx, made_by(onnx, value, "Add"), 1.0), "Tanh");
    int32_t inner = tanh && tanh->input_count == 1 ? scaled_by(onnx, tanh->inputs[0], 0.79788456) : -1;
    const cn__onnx_node *sum = made_by(onnx, inner, "Add");
    for (int i = 0; i < 2 && sum && sum->input_count == 2; i++)
        if (sum->inputs[i] >= 0 && cubed(onnx, scaled_by(onnx, sum->inputs[1 - i], 0.044715)) == sum->inputs[i])
            return sum->inputs[i];
    return -1;
}

/* x · (1 + erf(x / √2)) / 2, halved at the end or at first; or its approximation. */
static bool match_gelu(cn__onnx *onnx, cn__onnx_node *node) {
    int32_t whole = scaled_by(onnx, node->outputs[0], 0.5);
    const cn__onnx_node *product = whole >= 0 ? made_by(onnx, whole, "Mul") : cn__onnx_op_is(node, "Mul") ? node : NULL;
    for (int i = 0; i < 2 && product && product->input_count == 2; i++) {
        int32_t exact = twice_normal(onnx, product->inputs[1 - i]);
        int32_t x = exact >= 0 ? exact : twice_about_normal(onnx, product->inputs[1 - i]);
        bool halved = whole >= 0 ? product->inputs[i] == x : scaled_by(onnx, product->inputs[i], 0.5) == x;
        if (x >= 0 && halved)
            return rewrite_unary(onnx, node, exact >= 0 ? "Gelu" : "GeluTanh", x);
    }
    return false;
}

/* ---- norms ---- */

/* What a factor or summand that is constant is applied to; -1: there is none. */
static int32_t beside_constant(cn__onnx *onnx, const cn__onnx_node *node, int32_t *constant) {
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

/* The axis of a mean that keeps its dimensions; false: of several. */
static bool mean_axis(cn__onnx *onnx, const cn__onnx_node *mean, int64_t *axis) {
    int64_t axes[CN_MAX_DIMS];
    int count;
    if (!mean || cn__onnx_list(onnx, mean, "axes", 1, axes, &count) != CN_OK || count != 1 ||
        cn__onnx_int(mean, "keepdims", 1) == 0)
        return false;
    *axis = axes[0];
    return true;
}

typedef struct standardised {
    int32_t x;
    int64_t axis;
    double epsilon;
} standardised;

/* (x - mean(x)) / sqrt(mean((x - mean(x))²) + epsilon), both means over one axis. */
static bool is_standardised(cn__onnx *onnx, int32_t value, standardised *s) {
    const cn__onnx_node *quotient = made_by(onnx, value, "Div");
    const cn__onnx_node *root =
        quotient && quotient->input_count == 2 ? made_by(onnx, quotient->inputs[1], "Sqrt") : NULL;
    const cn__onnx_node *sum = root ? made_by(onnx, cn__onnx_input(root, 0), "Add") : NULL;
    const cn__onnx_node *difference = root ? made_by(onnx, quotient->inputs[0], "Sub") : NULL;
    int64_t axis;
    if (!sum || sum->input_count != 2 || !difference || difference->input_count != 2)
        return false;
    int at = cn__onnx_scalar(onnx, sum->inputs[1], &s->epsilon) ? 0 : 1;
    const cn__onnx_node *variance = made_by(onnx, sum->inputs[at], "ReduceMean");
    const cn__onnx_node *mean = made_by(onnx, difference->inputs[1], "ReduceMean");
    s->x = difference->inputs[0];
    return cn__onnx_scalar(onnx, sum->inputs[1 - at], &s->epsilon) && mean_axis(onnx, variance, &s->axis) &&
           mean_axis(onnx, mean, &axis) && axis == s->axis && mean->inputs[0] == s->x && variance->input_count > 0 &&
           is_square(onnx, variance->inputs[0], quotient->inputs[0]);
}

/* That, and maybe a weight and a bias. */
static bool match_layer_norm(cn__onnx *onnx, cn__onnx_node *node) {
    int32_t weight = -1, bias = -1, value = node->outputs[0];
    standardised s;
    if (cn__onnx_op_is(node, "Add")) {
        value = beside_constant(onnx, node, &bias);
        const cn__onnx_node *product = made_by(onnx, value, "Mul");
        value = product ? beside_constant(onnx, product, &weight) : -1;
    } else if (cn__onnx_op_is(node, "Mul")) {
        value = beside_constant(onnx, node, &weight);
    }
    if (value < 0 || !is_standardised(onnx, value, &s))
        return false;
    const int32_t inputs[3] = {s.x, weight, bias};
    if (!rewrite(onnx, node, "LayerNormalization", weight < 0 ? 1 : bias < 0 ? 2 : 3, inputs))
        return false;
    node->axis = s.axis;
    node->epsilon = s.epsilon;
    return true;
}

static bool all_are(cn__onnx *onnx, int32_t value, double wanted) {
    const cn__onnx_constant *constant = cn__onnx_constant_of(onnx, value);
    for (int64_t i = 0; constant && i < constant->count; i++)
        if (constant->numbers[i] != wanted)
            return false;
    return constant != NULL;
}

/* Before opset 18 PyTorch writes a group norm as an instance norm, of groups for channels, between two Reshapes; then
 * weight and bias. */
static bool match_group_norm(cn__onnx *onnx, cn__onnx_node *node) {
    int32_t weight = -1, bias = -1, value = cn__onnx_op_is(node, "Add") ? beside_constant(onnx, node, &bias) : -1;
    const cn__onnx_node *product = made_by(onnx, value, "Mul");
    value = product ? beside_constant(onnx, product, &weight) : -1;
    const cn__onnx_node *back = made_by(onnx, value, "Reshape");
    const cn__onnx_node *norm = back ? made_by(onnx, cn__onnx_input(back, 0), "InstanceNormalization") : NULL;
    const cn__onnx_node *there = norm ? made_by(onnx, cn__onnx_input(norm, 0), "Reshape") : NULL;
    const cn__onnx_constant *shape = there ? cn__onnx_constant_of(onnx, cn__onnx_input(there, 1)) : NULL;
    if (!shape || shape->count != 3 || shape->numbers[0] != 0.0 || shape->numbers[2] != -1.0 ||
        !(shape->numbers[1] >= 1.0 && shape->numbers[1] <= CN__MAX_SIDE) || norm->input_count != 3 ||
        !all_are(onnx, norm->inputs[1], 1.0) || !all_are(onnx, norm->inputs[2], 0.0))
        return false;
    const int32_t inputs[3] = {there->inputs[0], weight, bias};
    double epsilon = (double)cn__onnx_float(norm, "epsilon", 1e-5f);
    if (!rewrite(onnx, node, "GroupNormalization", 3, inputs))
        return false;
    node->groups = (int64_t)shape->numbers[1];
    node->epsilon = epsilon;
    return true;
}

/* ---- linear layers ---- */

/* The matrix of a product, which may be written as the transposed of another, [out, in]; false: it is no constant. */
static bool read_matrix(cn__onnx *onnx, int32_t value, int32_t *matrix, bool *transposed, int64_t *out) {
    const cn__onnx_node *turned = made_by(onnx, value, "Transpose");
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
static bool match_linear(cn__onnx *onnx, cn__onnx_node *node) {
    int32_t bias = -1, value = cn__onnx_op_is(node, "Add") ? beside_constant(onnx, node, &bias) : node->outputs[0];
    const cn__onnx_node *product = made_by(onnx, value, "MatMul");
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
    return rewrite(onnx, node, "MatMul", bias >= 0 ? 3 : 2, inputs);
}

static bool (*const patterns[])(cn__onnx *onnx, cn__onnx_node *node) = {
    match_layer_norm,   match_group_norm, match_gelu,     match_hard_swish,
    match_hard_sigmoid, match_gated,      match_softsign, match_linear,
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
