/* fold.c: nodes whose result is known beforehand: constants, what is computed from them, and shapes. Files of exporters
 * are full of them: a view of size (N, -1) is Shape, Gather, Unsqueeze, Concat and Reshape. */
#include "onnx/importer.h"

typedef cn__onnx_constant constant;

/* A node's inputs, all known. *out NULL: it cannot be computed here, or there is no memory, which whoever wants it
 * later notices. */
typedef struct folding {
    cn__onnx *onnx;
    const cn__onnx_node *node;
    const constant *in[4]; /* the first ones; NULL: left out */
    int count;
    constant *out;
} folding;

static const int64_t none[CN_MAX_DIMS];

static constant *make_like(folding *f, const constant *like) {
    f->out = cn__onnx_constant_new(f->onnx, like->integer, like->dims, like->shape);
    return f->out;
}

static constant *make_list(folding *f, bool integer, int64_t count) {
    f->out = cn__onnx_constant_new(f->onnx, integer, 1, &count);
    return f->out;
}

static void copy_numbers(constant *to, const constant *from) {
    memcpy(to->numbers, from->numbers, (size_t)from->count * sizeof *from->numbers);
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

static double power(double a, double b) {
    return isinf(a) || isinf(b) ? (double)NAN : pow(a, b);
}

/* Of one shape, or one of them a single number. */
static void binary(folding *f, double (*compute)(double, double)) {
    const constant *a = f->in[0], *b = f->in[1];
    if (!a || !b || (a->count != b->count && a->count != 1 && b->count != 1))
        return;
    if (!make_like(f, a->count > b->count || (a->count == b->count && a->dims >= b->dims) ? a : b))
        return;
    for (int64_t i = 0; i < f->out->count; i++) {
        double number = compute(a->numbers[a->count == 1 ? 0 : i], b->numbers[b->count == 1 ? 0 : i]);
        f->out->numbers[i] = f->out->integer ? trunc(number) : number;
    }
}

static void fold_add(folding *f) {
    binary(f, add);
}

static void fold_sub(folding *f) {
    binary(f, subtract);
}

static void fold_mul(folding *f) {
    binary(f, multiply);
}

static void fold_div(folding *f) {
    binary(f, divide);
}

static void fold_min(folding *f) {
    if (f->count == 2)
        binary(f, least);
}

static void fold_max(folding *f) {
    if (f->count == 2)
        binary(f, greatest);
}

static void fold_pow(folding *f) {
    binary(f, power);
}

static void unary(folding *f, double (*compute)(double)) {
    const constant *in = f->in[0];
    if (!make_like(f, in))
        return;
    for (int64_t i = 0; i < in->count; i++)
        f->out->numbers[i] = isinf(in->numbers[i]) ? (double)NAN : compute(in->numbers[i]);
}

static double negative(double a) {
    return -a;
}

static void fold_neg(folding *f) {
    unary(f, negative);
}

static void fold_sqrt(folding *f) {
    unary(f, sqrt);
}

static void fold_floor(folding *f) {
    unary(f, floor);
}

static void fold_ceil(folding *f) {
    unary(f, ceil);
}

static void fold_cast(folding *f) {
    bool integer = !cn__onnx_type_is_float(cn__onnx_int(f->node, "to", CN__ONNX_FLOAT));
    if (!make_like(f, f->in[0]))
        return;
    f->out->integer = integer;
    for (int64_t i = 0; i < f->in[0]->count; i++) {
        double number = f->in[0]->numbers[i];
        f->out->numbers[i] = integer && !isinf(number) ? trunc(number) : number;
    }
}

static void fold_identity(folding *f) {
    if (make_like(f, f->in[0]))
        copy_numbers(f->out, f->in[0]);
}

/* ---- lists ---- */

/* Along the only axis, or of the first one whole rows. */
static void fold_gather(folding *f) {
    const constant *from = f->in[0], *which = f->in[1];
    if (!which || from->dims != 1 || which->dims > 1 || cn__onnx_int(f->node, "axis", 0) > 0)
        return;
    f->out = cn__onnx_constant_new(f->onnx, from->integer, which->dims, which->shape);
    for (int64_t i = 0; f->out && i < which->count; i++) {
        double index = which->numbers[i] < 0 ? which->numbers[i] + (double)from->count : which->numbers[i];
        if (!(index >= 0 && index < (double)from->count)) {
            f->out = NULL;
            return;
        }
        f->out->numbers[i] = from->numbers[(int64_t)index];
    }
}

static void fold_concat(folding *f) {
    int64_t count = 0, at = 0;
    bool integer = true;
    for (int i = 0; i < f->node->input_count; i++) {
        const constant *part = cn__onnx_constant_of(f->onnx, f->node->inputs[i]);
        if (!part || part->dims != 1)
            return;
        count += part->count;
        integer = integer && part->integer;
    }
    if (!make_list(f, integer, count))
        return;
    for (int i = 0; i < f->node->input_count; i++) {
        const constant *part = cn__onnx_constant_of(f->onnx, f->node->inputs[i]);
        memcpy(f->out->numbers + at, part->numbers, (size_t)part->count * sizeof *part->numbers);
        at += part->count;
    }
}

/* Numbers from `base` on, by steps along each of the output's dimensions. */
static void gather_steps(const constant *from, int64_t base, const int64_t steps[CN_MAX_DIMS], constant *to) {
    int64_t index[CN_MAX_DIMS] = {0};
    for (int64_t i = 0; i < to->count; i++) {
        int64_t at = base;
        for (int d = 0; d < to->dims; d++)
            at += index[d] * steps[d];
        to->numbers[i] = from->numbers[at];
        for (int d = to->dims - 1; d >= 0 && ++index[d] == to->shape[d]; d--)
            index[d] = 0;
    }
}

static void dense_steps(const constant *c, int64_t steps[CN_MAX_DIMS]) {
    int64_t step = 1;
    for (int d = c->dims - 1; d >= 0; d--) {
        steps[d] = step;
        step *= c->shape[d];
    }
}

static int64_t bounded(int64_t index, int64_t count, int64_t least, int64_t most) {
    if (index < 0 && index >= -count)
        index += count;
    return index < least ? least : index > most ? most : index;
}

/* The first of the elements of a slice, and how many there are. */
static int64_t slice_of(int64_t start, int64_t end, int64_t step, int64_t count, int64_t *first) {
    bool back = step < 0;
    *first = bounded(start, count, 0, back ? count - 1 : count);
    end = bounded(end, count, back ? -1 : 0, count);
    int64_t room = back ? *first - end : end - *first;
    return room > 0 ? (room - 1) / (back ? -step : step) + 1 : 0;
}

static void fold_slice(folding *f) {
    enum { STARTS, ENDS, AXES, STEPS, LISTS };
    static const char *const names[LISTS] = {"starts", "ends", "axes", "steps"};
    int64_t list[LISTS][CN_MAX_DIMS], steps[CN_MAX_DIMS], shape[CN_MAX_DIMS], base = 0;
    const constant *from = f->in[0];
    int counts[LISTS], axis;
    for (int i = 0; i < LISTS; i++)
        if (cn__onnx_list(f->onnx, f->node, names[i], i + 1, list[i], &counts[i]) != CN_OK ||
            (counts[i] != counts[STARTS] && (i < AXES || counts[i] != 0)))
            return;
    memcpy(shape, from->shape, sizeof shape);
    dense_steps(from, steps);
    for (int i = 0; i < counts[STARTS]; i++) {
        int64_t step = counts[STEPS] ? list[STEPS][i] : 1, first;
        if (cn__onnx_axis_of(counts[AXES] ? list[AXES][i] : i, from->dims, &axis) != CN_OK || step == 0 ||
            step < -CN__ONNX_MAX_CONSTANT || step > CN__ONNX_MAX_CONSTANT || shape[axis] != from->shape[axis])
            return;
        shape[axis] = slice_of(list[STARTS][i], list[ENDS][i], step, shape[axis], &first);
        base += first * steps[axis];
        steps[axis] *= step;
    }
    f->out = cn__onnx_constant_new(f->onnx, from->integer, from->dims, shape);
    if (f->out)
        gather_steps(from, base, steps, f->out);
}

static void fold_transpose(folding *f) {
    int64_t perm[CN_MAX_DIMS], steps[CN_MAX_DIMS], turned[CN_MAX_DIMS], shape[CN_MAX_DIMS];
    const constant *from = f->in[0];
    bool taken[CN_MAX_DIMS] = {false};
    int count;
    if (cn__onnx_ints(f->node, "perm", perm, &count) != CN_OK || (count != 0 && count != from->dims))
        return;
    dense_steps(from, steps);
    for (int d = 0; d < from->dims; d++) {
        int64_t axis = count ? perm[d] : from->dims - 1 - d;
        if (axis < 0 || axis >= from->dims || taken[axis])
            return;
        taken[axis] = true;
        shape[d] = from->shape[axis];
        turned[d] = steps[axis];
    }
    f->out = cn__onnx_constant_new(f->onnx, from->integer, from->dims, shape);
    if (f->out)
        gather_steps(from, 0, turned, f->out);
}

/* ---- the same numbers in other dimensions ---- */

static void with_shape(folding *f, int dims, const int64_t *shape) {
    f->out = cn__onnx_constant_new(f->onnx, f->in[0]->integer, dims, shape);
    if (f->out && f->out->count == f->in[0]->count)
        copy_numbers(f->out, f->in[0]);
    else
        f->out = NULL;
}

static void fold_unsqueeze(folding *f) {
    int64_t axes[CN_MAX_DIMS], shape[CN_MAX_DIMS];
    bool inserted[CN_MAX_DIMS] = {false};
    int count, axis, dims, from = 0;
    if (cn__onnx_list(f->onnx, f->node, "axes", 1, axes, &count) != CN_OK || f->in[0]->dims + count > CN_MAX_DIMS)
        return;
    dims = f->in[0]->dims + count;
    for (int i = 0; i < count; i++) {
        if (cn__onnx_axis_of(axes[i], dims, &axis) != CN_OK || inserted[axis])
            return;
        inserted[axis] = true;
    }
    for (int i = 0; i < dims; i++)
        shape[i] = inserted[i] ? 1 : f->in[0]->shape[from++];
    with_shape(f, dims, shape);
}

static void fold_squeeze(folding *f) {
    int64_t axes[CN_MAX_DIMS], shape[CN_MAX_DIMS];
    bool removed[CN_MAX_DIMS] = {false};
    int count, axis, dims = 0;
    if (cn__onnx_list(f->onnx, f->node, "axes", 1, axes, &count) != CN_OK)
        return;
    for (int i = 0; i < count; i++) {
        if (cn__onnx_axis_of(axes[i], f->in[0]->dims, &axis) != CN_OK)
            return;
        removed[axis] = true;
    }
    for (int i = 0; i < f->in[0]->dims; i++)
        if (!removed[i] && (count > 0 || f->in[0]->shape[i] != 1))
            shape[dims++] = f->in[0]->shape[i];
    with_shape(f, dims, shape);
}

static void fold_reshape(folding *f) {
    int64_t shape[CN_MAX_DIMS], known = 1;
    int count, open = -1;
    if (cn__onnx_list(f->onnx, f->node, "shape", 1, shape, &count) != CN_OK)
        return;
    for (int i = 0; i < count; i++) {
        if (shape[i] == 0 && i < f->in[0]->dims)
            shape[i] = f->in[0]->shape[i];
        if (shape[i] == -1)
            open = i;
        else if (shape[i] < 0 || shape[i] > CN__ONNX_MAX_CONSTANT || (known *= shape[i]) > CN__ONNX_MAX_CONSTANT)
            return;
    }
    if (open >= 0)
        shape[open] = known > 0 ? f->in[0]->count / known : 0;
    with_shape(f, count, shape);
}

/* ---- the table ---- */

static const struct {
    const char *op;
    void (*fold)(folding *f);
} folds[] = {
    {"Constant", constant_node},
    {"ConstantOfShape", constant_of_shape},
    {"Add", fold_add},
    {"Sub", fold_sub},
    {"Mul", fold_mul},
    {"Div", fold_div},
    {"Min", fold_min},
    {"Max", fold_max},
    {"Pow", fold_pow},
    {"Neg", fold_neg},
    {"Sqrt", fold_sqrt},
    {"Floor", fold_floor},
    {"Ceil", fold_ceil},
    {"Cast", fold_cast},
    {"Identity", fold_identity},
    {"Gather", fold_gather},
    {"Concat", fold_concat},
    {"Slice", fold_slice},
    {"Transpose", fold_transpose},
    {"Unsqueeze", fold_unsqueeze},
    {"Squeeze", fold_squeeze},
    {"Reshape", fold_reshape},
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
    start = bounded(cn__onnx_int(f->node, "start", 0), dims, 0, dims);
    end = bounded(cn__onnx_int(f->node, "end", dims), dims, 0, dims);
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
        if (!out->tensor)
            onnx->given += tensor->present ? tensor->count : 0;
        out->tensor = tensor;
    } else if (cn__onnx_op_is(node, "Identity") && cn__onnx_input(node, 0) >= 0) {
        out->tensor = onnx->values[node->inputs[0]].tensor;
    }
    *done = out->tensor != NULL;
    return CN_OK;
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

cn_status cn__onnx_fold(cn__onnx *onnx, const cn__onnx_node *node, bool *done) {
    folding f = {.onnx = onnx, .node = node};
    *done = false;
    if (node->foreign || node->output_count < 1 || node->outputs[0] < 0)
        return CN_OK;
    CN__TRY(name_tensor(onnx, node, done));
    if (*done)
        return CN_OK;
    if (cn__onnx_op_is(node, "Shape") && cn__onnx_input(node, 0) >= 0)
        fold_shape(&f);
    else if (gather_inputs(&f))
        for (size_t i = 0; i < CN__COUNT(folds); i++)
            if (cn__onnx_op_is(node, folds[i].op) && (f.count > 0 || folds[i].fold == constant_node))
                folds[i].fold(&f);
    onnx->values[node->outputs[0]].constant = f.out;
    *done = f.out != NULL;
    return CN_OK;
}
