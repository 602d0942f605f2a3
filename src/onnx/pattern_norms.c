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

/* ---- local response norm, as PyTorch writes it out: x / (k + alpha · mean(x²))^beta, with channels as rows ---- */

/* What an operator is applied to, beside one number; -1: it is something else. */
static int32_t beside_number(cn__onnx *onnx, int32_t value, const char *op, double *number) {
    const cn__onnx_node *node = cn__pattern_made_by(onnx, value, op);
    return node && node->input_count == 2 && cn__onnx_scalar(onnx, node->inputs[1], number) ? node->inputs[0] : -1;
}

/* The mean of x² over a window of channels. */
typedef struct response {
    int64_t size, channels; /* channels: as the file has them; 0: it does not say */
    int64_t begin, end;     /* padding */
    bool rows;              /* channels have become rows */
} response;

/* What a value was before it had other dimensions, maybe with zeros around it; -1: a border of something else. */
static int32_t without_dimensions(cn__onnx *onnx, int32_t value, response *r) {
    const cn__onnx_node *reshape = cn__pattern_made_by(onnx, value, "Reshape");
    const cn__onnx_node *unsqueeze = cn__pattern_made_by(onnx, value, "Unsqueeze");
    const cn__onnx_node *squeeze = cn__pattern_made_by(onnx, value, "Squeeze");
    int64_t list[CN_MAX_DIMS];
    int count;
    if (reshape) {
        const cn__onnx_constant *shape = cn__onnx_constant_of(onnx, cn__onnx_input(reshape, 1));
        if (shape && shape->count > 2 && shape->numbers[1] == 1.0) {
            r->rows = true;
            r->channels = shape->numbers[2] > 0.0 && shape->numbers[2] <= CN__MAX_SIDE ? (int64_t)shape->numbers[2] : 0;
        }
        return cn__onnx_input(reshape, 0);
    }
    if (unsqueeze && cn__onnx_list(onnx, unsqueeze, "axes", 1, list, &count) == CN_OK)
        r->rows = r->rows || (count == 1 && list[0] == 1);
    return unsqueeze ? cn__onnx_input(unsqueeze, 0) : squeeze ? cn__onnx_input(squeeze, 0) : -1;
}

/* Adds zeros in front of and behind rows; false: other borders, too. */
static bool add_padding(int dims, const int64_t *pads, int axis, response *r) {
    for (int i = 0; i < dims; i++) {
        if (i != axis && (pads[i] != 0 || pads[i + dims] != 0))
            return false;
        if (pads[i] < 0 || pads[i + dims] < 0 || pads[i] > CN__MAX_SIDE || pads[i + dims] > CN__MAX_SIDE)
            return false;
    }
    r->begin += pads[axis];
    r->end += pads[axis + dims];
    return true;
}

static int32_t without_padding(cn__onnx *onnx, int32_t value, response *r) {
    const cn__onnx_node *pad = cn__pattern_made_by(onnx, value, "Pad");
    const cn__onnx_constant *list = pad ? cn__onnx_constant_of(onnx, cn__onnx_input(pad, 1)) : NULL;
    int64_t pads[2 * CN_MAX_DIMS];
    double zero = 0.0;
    if (!list || list->count > (int64_t)CN__COUNT(pads) || list->count < 6 || list->count % 2 != 0 ||
        !cn__onnx_string_is(pad, "mode", "constant", "constant") ||
        (cn__onnx_input(pad, 2) >= 0 && !(cn__onnx_scalar(onnx, pad->inputs[2], &zero) && zero == 0.0)))
        return -1;
    for (int64_t i = 0; i < list->count; i++)
        pads[i] = (int64_t)list->numbers[i];
    return add_padding((int)list->count / 2, pads, 2, r) ? pad->inputs[0] : -1;
}

static bool read_pool(const cn__onnx_node *pool, response *r) {
    int64_t kernel[CN_MAX_DIMS], strides[CN_MAX_DIMS], pads[CN_MAX_DIMS];
    int count, stride_count, pad_count;
    if (!pool || cn__onnx_ints(pool, "kernel_shape", kernel, &count) != CN_OK || count < 2 ||
        cn__onnx_ints(pool, "strides", strides, &stride_count) != CN_OK ||
        cn__onnx_ints(pool, "pads", pads, &pad_count) != CN_OK || cn__onnx_int(pool, "ceil_mode", 0) != 0 ||
        (stride_count != 0 && stride_count != count) || (pad_count != 0 && pad_count != 2 * count))
        return false;
    for (int i = 0; i < count; i++)
        if ((i > 0 && kernel[i] != 1) || (stride_count && strides[i] != 1))
            return false;
    r->size = kernel[0];
    if (pad_count && !add_padding(count, pads, 0, r))
        return false;
    return (r->begin == 0 && r->end == 0) || cn__onnx_int(pool, "count_include_pad", 0) != 0;
}

/* Goes back through borders and other dimensions as far as they go. */
static int32_t go_back(cn__onnx *onnx, int32_t value, response *r) {
    for (int32_t next = value; next >= 0;) {
        value = next;
        next = without_padding(onnx, value, r);
        next = next >= 0 ? next : without_dimensions(onnx, value, r);
    }
    return value;
}

bool cn__pattern_response_norm(cn__onnx *onnx, cn__onnx_node *node) {
    double alpha, beta, k;
    response none = {0}, r = {0};
    if (!cn__onnx_op_is(node, "Div") || node->input_count != 2)
        return false;
    int32_t x = node->inputs[0], value = beside_number(onnx, node->inputs[1], "Pow", &beta);
    value = beside_number(onnx, beside_number(onnx, value, "Add", &k), "Mul", &alpha);
    if (value < 0)
        return false;
    const cn__onnx_node *pool = cn__pattern_made_by(onnx, go_back(onnx, value, &none), "AveragePool");
    if (!read_pool(pool, &r) || !cn__pattern_is_square(onnx, go_back(onnx, cn__onnx_input(pool, 0), &r), x) ||
        !r.rows || r.size < 1 || r.size > CN__MAX_SIDE || r.begin != r.size / 2 || r.end != (r.size - 1) / 2 ||
        none.begin != 0 || none.end != 0 || !cn__pattern_rewrite(onnx, node, "LRN", 1, &x))
        return false;
    node->size = r.size;
    node->groups = r.channels;
    node->alpha = alpha;
    node->beta = beta;
    node->bias = k;
    return true;
}
