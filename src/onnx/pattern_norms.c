/* SPDX-License-Identifier: MIT */
/* pattern_norms.c: norms that exporters write out. */
#include "onnx/patterns.h"

/* A mean over some axes. */
typedef struct axes {
    int64_t list[CN_MAX_DIMS];
    int count;
} axes;

/* False: it is none, or does not keep its dimensions. */
static bool read_axes(cn__onnx *onnx, const cn__onnx_node *mean, axes *a) {
    return mean && mean->input_count > 0 && cn__onnx_list(onnx, mean, "axes", 1, a->list, &a->count) == CN_OK &&
           a->count > 0 && cn__onnx_int(mean, "keepdims", 1) != 0;
}

static bool same_axes(const axes *a, const axes *b) {
    for (int i = 0; i < a->count && a->count == b->count; i++)
        if (a->list[i] != b->list[i])
            return false;
    return a->count == b->count;
}

/* Something standardised, and maybe a weight and a bias. */
typedef struct standardised {
    int32_t inputs[3]; /* x, weight, bias */
    int count;         /* of those that there are */
    axes over;
    double epsilon;
} standardised;

/* (x - mean(x)) / sqrt(mean((x - mean(x))²) + epsilon), both means over the same axes. */
static bool is_standardised(cn__onnx *onnx, int32_t value, standardised *s) {
    const cn__onnx_node *quotient = cn__pattern_made_by(onnx, value, "Div");
    const cn__onnx_node *root =
        quotient && quotient->input_count == 2 ? cn__pattern_made_by(onnx, quotient->inputs[1], "Sqrt") : NULL;
    const cn__onnx_node *sum = root ? cn__pattern_made_by(onnx, cn__onnx_input(root, 0), "Add") : NULL;
    const cn__onnx_node *difference = root ? cn__pattern_made_by(onnx, quotient->inputs[0], "Sub") : NULL;
    axes again;
    if (!sum || sum->input_count != 2 || !difference || difference->input_count != 2)
        return false;
    int at = cn__onnx_scalar(onnx, sum->inputs[1], &s->epsilon) ? 0 : 1;
    const cn__onnx_node *variance = cn__pattern_made_by(onnx, sum->inputs[at], "ReduceMean");
    const cn__onnx_node *mean = cn__pattern_made_by(onnx, difference->inputs[1], "ReduceMean");
    s->inputs[0] = difference->inputs[0];
    return cn__onnx_scalar(onnx, sum->inputs[1 - at], &s->epsilon) && read_axes(onnx, variance, &s->over) &&
           read_axes(onnx, mean, &again) && same_axes(&again, &s->over) && mean->inputs[0] == s->inputs[0] &&
           cn__pattern_is_square(onnx, variance->inputs[0], quotient->inputs[0]);
}

static bool read_standardised(cn__onnx *onnx, const cn__onnx_node *node, standardised *s) {
    int32_t value = node->outputs[0];
    s->count = 1;
    if (cn__onnx_op_is(node, "Add")) {
        value = cn__pattern_beside_constant(onnx, node, &s->inputs[2]);
        node = cn__pattern_made_by(onnx, value, "Mul");
        s->count = 3;
    }
    if (node && cn__onnx_op_is(node, "Mul")) {
        value = cn__pattern_beside_constant(onnx, node, &s->inputs[1]);
        s->count = s->count > 2 ? s->count : 2;
    } else if (s->count == 3) {
        return false;
    }
    return value >= 0 && is_standardised(onnx, value, s);
}

bool cn__pattern_layer_norm(cn__onnx *onnx, cn__onnx_node *node) {
    standardised s;
    if (!read_standardised(onnx, node, &s) || s.over.count != 1 || s.over.list[0] == 0 ||
        !cn__pattern_rewrite(onnx, node, "LayerNormalization", s.count, s.inputs))
        return false;
    node->axis = s.over.list[0];
    node->epsilon = s.epsilon;
    return true;
}

/* A batch norm without running statistics: over images, and all that comes after channels. */
bool cn__pattern_batch_norm(cn__onnx *onnx, cn__onnx_node *node) {
    standardised s;
    if (!read_standardised(onnx, node, &s) || s.over.list[0] != 0)
        return false;
    for (int i = 1; i < s.over.count; i++)
        if (s.over.list[i] != i + 1)
            return false;
    if (!cn__pattern_rewrite(onnx, node, "BatchNormalization", s.count, s.inputs))
        return false;
    node->axis = s.over.count;
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
bool cn__pattern_group_norm(cn__onnx *onnx, cn__onnx_node *node) {
    int32_t weight = -1, bias = -1,
            value = cn__onnx_op_is(node, "Add") ? cn__pattern_beside_constant(onnx, node, &bias) : -1;
    const cn__onnx_node *product = cn__pattern_made_by(onnx, value, "Mul");
    value = product ? cn__pattern_beside_constant(onnx, product, &weight) : -1;
    const cn__onnx_node *back = cn__pattern_made_by(onnx, value, "Reshape");
    const cn__onnx_node *norm =
        back ? cn__pattern_made_by(onnx, cn__onnx_input(back, 0), "InstanceNormalization") : NULL;
    const cn__onnx_node *there = norm ? cn__pattern_made_by(onnx, cn__onnx_input(norm, 0), "Reshape") : NULL;
    const cn__onnx_constant *shape = there ? cn__onnx_constant_of(onnx, cn__onnx_input(there, 1)) : NULL;
    if (!shape || shape->count != 3 || shape->numbers[0] != 0.0 || shape->numbers[2] != -1.0 ||
        !(shape->numbers[1] >= 1.0 && shape->numbers[1] <= CN__MAX_SIDE) || norm->input_count != 3 ||
        !all_are(onnx, norm->inputs[1], 1.0) || !all_are(onnx, norm->inputs[2], 0.0))
        return false;
    const int32_t inputs[3] = {there->inputs[0], weight, bias};
    double epsilon = (double)cn__onnx_float(norm, "epsilon", 1e-5f);
    if (!cn__pattern_rewrite(onnx, node, "GroupNormalization", 3, inputs))
        return false;
    node->groups = (int64_t)shape->numbers[1];
    node->epsilon = epsilon;
    return true;
}

/* ---- a local response norm of even size, as save_norms.c writes it out: x / (k + alpha · mean(x²))^beta ---- */

/* What an operator is applied to, beside one number; -1: it is something else. */
static int32_t beside_number(cn__onnx *onnx, int32_t value, const char *op, double *number) {
    const cn__onnx_node *node = cn__pattern_made_by(onnx, value, op);
    return node && node->input_count == 2 && cn__onnx_scalar(onnx, node->inputs[1], number) ? node->inputs[0] : -1;
}

/* The size of a pool of rows, with zeros for half of it before the first and the rest behind the last; 0: of another. */
static int64_t pooled_rows(const cn__onnx_node *pool) {
    int64_t kernel[CN_MAX_DIMS], pads[CN_MAX_DIMS], strides[CN_MAX_DIMS];
    int kernels, pad_count, stride_count;
    if (!pool || cn__onnx_int(pool, "count_include_pad", 0) == 0 || cn__onnx_int(pool, "ceil_mode", 0) != 0 ||
        cn__onnx_ints(pool, "kernel_shape", kernel, &kernels) != CN_OK || kernels != 2 || kernel[1] != 1 ||
        cn__onnx_ints(pool, "pads", pads, &pad_count) != CN_OK || pad_count != 4 ||
        cn__onnx_ints(pool, "strides", strides, &stride_count) != CN_OK || stride_count != 0)
        return 0;
    bool fits = kernel[0] >= 1 && kernel[0] <= CN__MAX_SIDE && pads[0] == kernel[0] / 2 &&
                pads[2] == (kernel[0] - 1) / 2 && pads[1] == 0 && pads[3] == 0;
    return fits ? kernel[0] : 0;
}

bool cn__pattern_response_norm(cn__onnx *onnx, cn__onnx_node *node) {
    double alpha = 0.0, beta = 0.0, k = 0.0;
    if (!cn__onnx_op_is(node, "Div") || node->input_count != 2)
        return false;
    int32_t x = node->inputs[0], value = beside_number(onnx, node->inputs[1], "Pow", &beta);
    value = beside_number(onnx, beside_number(onnx, value, "Add", &k), "Mul", &alpha);
    const cn__onnx_node *back = cn__pattern_made_by(onnx, value, "Reshape");
    const cn__onnx_node *pool = back ? cn__pattern_made_by(onnx, cn__onnx_input(back, 0), "AveragePool") : NULL;
    const cn__onnx_node *rows = pool ? cn__pattern_made_by(onnx, cn__onnx_input(pool, 0), "Reshape") : NULL;
    const cn__onnx_constant *shape = rows ? cn__onnx_constant_of(onnx, cn__onnx_input(rows, 1)) : NULL;
    int64_t size = pooled_rows(pool);
    if (size == 0 || !shape || shape->count != 4 || shape->numbers[1] != 1.0 || !(shape->numbers[2] >= 1.0) ||
        !(shape->numbers[2] <= CN__MAX_SIDE) || !cn__pattern_is_square(onnx, cn__onnx_input(rows, 0), x) ||
        !cn__pattern_rewrite(onnx, node, "LRN", 1, &x))
        return false;
    node->size = size;
    node->groups = (int64_t)shape->numbers[2];
    node->alpha = alpha;
    node->beta = beta;
    node->bias = k;
    return true;
}
