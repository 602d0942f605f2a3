/* SPDX-License-Identifier: MIT */
/* fold.c: nodes whose result is known beforehand: constants, what is computed from them number by number, and shapes.
 * Files of exporters are full of them: a view of size (N, -1) is Shape, Gather, Unsqueeze, Concat and Reshape. */
#include "onnx/fold.h"

typedef cn__onnx_constant constant;
typedef cn__folding folding;

static const int64_t none[CN_MAX_DIMS];

static constant *make_like(folding *f, const constant *like) {
    f->out = cn__onnx_constant_new(f->onnx, like->integer, like->dims, like->shape);
    return f->out;
}

static constant *make_list(folding *f, bool integer, int64_t count) {
    f->out = cn__onnx_constant_new(f->onnx, integer, 1, &count);
    return f->out;
}

/* ---- sources ---- */

static void constant_node(folding *f) {
    cn__onnx_attr attr;
    if (cn__onnx_attr_find(f->node->attributes, "value_float", &attr)) {
        if ((f->out = cn__onnx_constant_new(f->onnx, false, 0, none)))
            f->out->numbers[0] = (double)attr.f;
    } else if (cn__onnx_attr_find(f->node->attributes, "value_int", &attr)) {
        if ((f->out = cn__onnx_constant_new(f->onnx, true, 0, none)))
            f->out->numbers[0] = (double)attr.i;
    } else if (cn__onnx_attr_find(f->node->attributes, "value_ints", &attr)) {
        int64_t list[CN_MAX_DIMS];
        int count = cn__onnx_attr_ints(&attr, list, CN_MAX_DIMS);
        for (int i = 0; count >= 0 && (i > 0 || make_list(f, true, count)) && i < count; i++)
            f->out->numbers[i] = (double)list[i];
    } else if (cn__onnx_attr_find(f->node->attributes, "value_floats", &attr)) {
        float list[CN_MAX_DIMS];
        int count = cn__onnx_attr_floats(&attr, list, CN_MAX_DIMS);
        for (int i = 0; count >= 0 && (i > 0 || make_list(f, false, count)) && i < count; i++)
            f->out->numbers[i] = (double)list[i];
    }
}

static void constant_of_shape(folding *f) {
    cn__onnx_attr attr;
    cn__onnx_tensor tensor;
    int64_t shape[CN_MAX_DIMS];
    double number = 0.0;
    bool integer = false;
    if (f->in[0]->count > CN_MAX_DIMS)
        return;
    for (int64_t i = 0; i < f->in[0]->count; i++) {
        double side = f->in[0]->numbers[i];
        shape[i] = side >= 0.0 && side <= CN__ONNX_MAX_CONSTANT ? (int64_t)side : -1;
    }
    if (cn__onnx_attr_find(f->node->attributes, "value", &attr) && attr.t.at) {
        if (cn__onnx_tensor_read(attr.t, &tensor) != CN_OK || tensor.count != 1 || tensor.location.at ||
            cn__onnx_type_bytes(tensor.type) == 0)
            return;
        cn__onnx_tensor_doubles(&tensor, tensor.raw.at ? tensor.raw : tensor.message, &number);
        integer = !cn__onnx_type_is_float(tensor.type);
    }
    f->out = cn__onnx_constant_new(f->onnx, integer, (int)f->in[0]->count, shape);
    for (int64_t i = 0; f->out && i < f->out->count; i++)
        f->out->numbers[i] = number;
}

/* ---- element by element ---- */

/* The number of images stays what it is where nothing is done to it. */
static double add(double a, double b) {
    return isinf(a) || isinf(b) ? (b == 0.0 ? a : a == 0.0 ? b : (double)NAN) : a + b;
}

static double subtract(double a, double b) {
    return isinf(a) || isinf(b) ? (b == 0.0 ? a : (double)NAN) : a - b;
}

static double multiply(double a, double b) {
    return isinf(a) || isinf(b) ? (b == 1.0 ? a : a == 1.0 ? b : (double)NAN) : a * b;
}

static double divide(double a, double b) {
    return isinf(a) || isinf(b) ? (b == 1.0 ? a : (double)NAN) : a / b;
}

static double least(double a, double b) {
    return isinf(a) || isinf(b) ? (double)NAN : fmin(a, b);
}

static double greatest(double a, double b) {
    return isinf(a) || isinf(b) ? (double)NAN : fmax(a, b);
}

static double equal(double a, double b) {
    return a == b;
}

static double power(double a, double b) {
    return isinf(a) || isinf(b) ? (double)NAN : pow(a, b);
}

static double modulo(double a, double b) {
    return isinf(a) || isinf(b) ? (double)NAN : a - b * floor(a / b); /* with the divisor's sign */
}

static double greater(double a, double b) {
    return a > b;
}

static double less(double a, double b) {
    return a < b;
}

/* Infinity is the number of images and nothing else. */
static double finite_of(double number) {
    return isinf(number) ? (double)NAN : number;
}

/* Whether a number of `b` stands for each of `a`: it is the only one, or `b` has a's shape but for leading ones. */
static bool fits(const constant *a, const constant *b) {
    if (b->dims > a->dims || (b->count != 1 && b->count != a->count))
        return false;
    for (int i = 1; i <= b->dims && b->count != 1; i++)
        if (b->shape[b->dims - i] != a->shape[a->dims - i])
            return false;
    return true;
}

static void binary(folding *f) {
    const constant *a = f->in[0], *b = f->in[1];
    if (f->count != 2 || !b || !(fits(a, b) || fits(b, a)) || !make_like(f, fits(a, b) ? a : b))
        return;
    for (int64_t i = 0; i < f->out->count; i++) {
        double x = a->numbers[a->count == 1 ? 0 : i], y = b->numbers[b->count == 1 ? 0 : i];
        double number = f->rule->binary(x, y);
        if (!isinf(x) && !isinf(y))
            number = finite_of(number);
        f->out->numbers[i] = f->out->integer ? trunc(number) : number;
    }
}

static void unary(folding *f) {
    const constant *in = f->in[0];
    if (!make_like(f, in))
        return;
    for (int64_t i = 0; i < in->count; i++)
        f->out->numbers[i] = isinf(in->numbers[i]) ? (double)NAN : finite_of(f->rule->unary(in->numbers[i]));
}

/* Lists of one length. */
static void where(folding *f) {
    const constant *condition = f->in[0], *a = f->in[1], *b = f->in[2];
    if (f->count != 3 || !a || !b || condition->count != a->count || a->count != b->count || !make_like(f, a))
        return;
    for (int64_t i = 0; i < a->count; i++)
        f->out->numbers[i] = condition->numbers[i] != 0.0 ? a->numbers[i] : b->numbers[i];
}

static double negative(double a) {
    return -a;
}

static double reciprocal(double a) {
    return 1.0 / a;
}

static double logical_not(double a) {
    return a == 0.0;
}

/* Of all numbers. */
static void product(folding *f) {
    const constant *in = f->in[0];
    bool kept = cn__onnx_int(f->node, "keepdims", 1) != 0;
    if (in->dims > 1 || !(f->out = cn__onnx_constant_new(f->onnx, in->integer, kept ? in->dims : 0, (int64_t[]){1})))
        return;
    f->out->numbers[0] = 1.0;
    for (int64_t i = 0; i < in->count; i++)
        f->out->numbers[0] = multiply(f->out->numbers[0], in->numbers[i]);
}

static void cast(folding *f) {
    bool integer = !cn__onnx_type_is_float(cn__onnx_int(f->node, "to", CN__ONNX_FLOAT));
    if (!make_like(f, f->in[0]))
        return;
    f->out->integer = integer;
    for (int64_t i = 0; i < f->in[0]->count; i++) {
        double number = f->in[0]->numbers[i];
        f->out->numbers[i] = integer && !isinf(number) ? trunc(number) : number;
    }
}

static void identity(folding *f) {
    if (make_like(f, f->in[0]))
        memcpy(f->out->numbers, f->in[0]->numbers, (size_t)f->out->count * sizeof *f->out->numbers);
}

/* ---- the table ---- */

static const cn__fold_rule rules[] = {
    {"Constant", constant_node, NULL, NULL},
    {"ConstantOfShape", constant_of_shape, NULL, NULL},
    {"Add", binary, add, NULL},
    {"Sub", binary, subtract, NULL},
    {"Mul", binary, multiply, NULL},
    {"Div", binary, divide, NULL},
    {"Min", binary, least, NULL},
    {"Max", binary, greatest, NULL},
    {"Pow", binary, power, NULL},
    {"Equal", binary, equal, NULL},
    {"Greater", binary, greater, NULL},
    {"Less", binary, less, NULL},
    {"Mod", binary, modulo, NULL},
    {"Where", where, NULL, NULL},
    {"Neg", unary, NULL, negative},
    {"Sqrt", unary, NULL, sqrt},
    {"Floor", unary, NULL, floor},
    {"Ceil", unary, NULL, ceil},
    {"Abs", unary, NULL, fabs},
    {"Exp", unary, NULL, exp},
    {"Log", unary, NULL, log},
    {"Reciprocal", unary, NULL, reciprocal},
    {"Not", unary, NULL, logical_not},
    {"ReduceProd", product, NULL, NULL},
    {"Cast", cast, NULL, NULL},
    {"Identity", identity, NULL, NULL},
    {"Gather", cn__fold_gather, NULL, NULL},
    {"Concat", cn__fold_concat, NULL, NULL},
    {"Slice", cn__fold_slice, NULL, NULL},
    {"Transpose", cn__fold_transpose, NULL, NULL},
    {"Unsqueeze", cn__fold_unsqueeze, NULL, NULL},
    {"Squeeze", cn__fold_squeeze, NULL, NULL},
    {"Reshape", cn__fold_reshape, NULL, NULL},
};

/* Sides of what a layer gives; of images their number is not known. */
static void fold_shape(folding *f) {
    int32_t value = cn__onnx_input(f->node, 0);
    const cn__onnx_view *view = &f->onnx->values[value].view;
    int64_t shape[CN_MAX_DIMS], start, end;
    int dims;
    bool constant_shape = cn__onnx_constant_shape(f->onnx, value, &dims, shape);
    if (!constant_shape && view->layer == CN__ONNX_NO_LAYER)
        return;
    dims = constant_shape ? dims : view->dims;
    start = cn__fold_place(cn__onnx_int(f->node, "start", 0), dims, 0, dims);
    end = cn__fold_place(cn__onnx_int(f->node, "end", dims), dims, 0, dims);
    if (!make_list(f, true, end > start ? end - start : 0))
        return;
    for (int64_t i = start; i < end; i++)
        f->out->numbers[i - start] = constant_shape      ? (double)shape[i]
                                     : i == view->images ? CN__ONNX_BATCH
                                                         : (double)view->size[i];
}

/* A tensor of the file under another name. */
static cn_status name_tensor(cn__onnx *onnx, const cn__onnx_node *node, bool *done) {
    cn__onnx_value *out = &onnx->values[node->outputs[0]];
    cn__onnx_attr attr;
    if (cn__onnx_op_is(node, "Constant") && cn__onnx_attr_find(node->attributes, "value", &attr) && attr.t.at) {
        cn__onnx_tensor *tensor = cn__onnx_alloc(onnx, 1, sizeof *tensor);
        if (!tensor)
            return cn__no_memory("a constant");
        CN__TRY(cn__onnx_tensor_read(attr.t, tensor));
        onnx->given += tensor->present ? tensor->count : 0;
        out->tensor = tensor;
    } else if (cn__onnx_op_is(node, "Identity") && cn__onnx_input(node, 0) >= 0) {
        out->tensor = onnx->values[node->inputs[0]].tensor;
    }
    *done = out->tensor != NULL;
    return CN_OK;
}

static const cn__fold_rule *find_rule(const cn__onnx_node *node) {
    for (size_t i = 0; i < CN__COUNT(rules); i++)
        if (cn__onnx_op_is(node, rules[i].op))
            return &rules[i];
    return NULL;
}

static bool gather_inputs(folding *f) {
    for (int i = 0; i < f->node->input_count; i++) {
        const constant *in = cn__onnx_constant_of(f->onnx, f->node->inputs[i]);
        if (!in && f->node->inputs[i] >= 0)
            return false;
        if (i < (int)CN__COUNT(f->in))
            f->in[i] = in;
    }
    f->count = f->node->input_count;
    return f->count == 0 || f->in[0];
}

/* Constants, shapes, whole numbers, and all that comes of them alone. */
static bool is_written(const cn__onnx *onnx, const cn__onnx_node *node) {
    for (int32_t i = 0; i < node->input_count && !cn__onnx_op_is(node, "Shape"); i++) {
        const cn__onnx_value *in = node->inputs[i] < 0 ? NULL : &onnx->values[node->inputs[i]];
        if (in && !in->written && !(in->tensor && !cn__onnx_type_is_float(in->tensor->type)))
            return false;
    }
    return true;
}

cn_status cn__onnx_fold(cn__onnx *onnx, const cn__onnx_node *node, bool *done) {
    folding f = {.onnx = onnx, .node = node};
    *done = false;
    if (node->foreign || node->output_count < 1 || node->outputs[0] < 0)
        return CN_OK;
    cn__onnx_value *out = &onnx->values[node->outputs[0]];
    *done = out->tensor || out->constant; /* from before */
    if (*done)
        return CN_OK;
    out->written = is_written(onnx, node);
    CN__TRY(name_tensor(onnx, node, done));
    if (*done)
        return CN_OK;
    if (cn__onnx_op_is(node, "Shape") && cn__onnx_input(node, 0) >= 0)
        fold_shape(&f);
    else if ((f.rule = find_rule(node)) && gather_inputs(&f) && (f.count > 0 || f.rule->fold == constant_node))
        f.rule->fold(&f);
    out->constant = f.out;
    *done = f.out != NULL;
    return CN_OK;
}
