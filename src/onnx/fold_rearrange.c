/* SPDX-License-Identifier: MIT */
/* fold_rearrange.c: constants of which other nodes take parts, that they join, or see in other dimensions. */
#include "onnx/fold.h"

typedef cn__onnx_constant constant;
typedef cn__folding folding;

/* ---- lists ---- */

/* Along the only axis. */
void cn__fold_gather(folding *f) {
    const constant *from = f->in[0], *which = f->in[1];
    if (!which || from->dims != 1 || which->dims > 1 || cn__onnx_int(f->node, "axis", 0) > 0)
        return;
    cn__onnx_constant *out = cn__onnx_constant_new(f->onnx, from->integer, which->dims, which->shape);
    for (int64_t i = 0; out && i < which->count; i++) {
        double index = which->numbers[i] < 0 ? which->numbers[i] + (double)from->count : which->numbers[i];
        if (!(index >= 0 && index < (double)from->count))
            return;
        out->numbers[i] = from->numbers[(int64_t)index];
    }
    f->out = out;
}

void cn__fold_concat(folding *f) {
    int64_t count = 0, at = 0;
    bool integer = true;
    for (int i = 0; i < f->node->input_count; i++) {
        const constant *part = cn__onnx_constant_of(f->onnx, f->node->inputs[i]);
        if (!part || part->dims != 1)
            return;
        count += part->count;
        integer = integer && part->integer;
    }
    f->out = cn__onnx_constant_new(f->onnx, integer, 1, &count);
    if (!f->out)
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
        for (int d = 0; d < to->dims;
             d++) /* NOLINTNEXTLINE(clang-analyzer-core.UndefinedBinaryOperatorResult): all are set */
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

int64_t cn__fold_place(int64_t index, int64_t count, int64_t least, int64_t most) {
    if (index < 0 && index >= -count)
        index += count;
    return index < least ? least : index > most ? most : index;
}

/* The first of the elements of a slice, and how many there are. */
static int64_t slice_of(int64_t start, int64_t end, int64_t step, int64_t count, int64_t *first) {
    bool back = step < 0;
    *first = 0;
    if (count == 0)
        return 0;
    *first = cn__fold_place(start, count, 0, back ? count - 1 : count);
    end = cn__fold_place(end, count, back ? -1 : 0, count);
    int64_t room = back ? *first - end : end - *first;
    return room > 0 ? (room - 1) / (back ? -step : step) + 1 : 0;
}

void cn__fold_slice(folding *f) {
    enum { STARTS, ENDS, AXES, STEPS, LISTS };
    static const char *const names[LISTS] = {"starts", "ends", "axes", "steps"};
    int64_t list[LISTS][CN_MAX_DIMS], steps[CN_MAX_DIMS] = {0}, shape[CN_MAX_DIMS], base = 0;
    const constant *from = f->in[0];
    int counts[LISTS], axis;
    for (int i = 0; i < LISTS; i++)
        if (cn__onnx_list(f->onnx, f->node, names[i], i + 1, list[i], &counts[i]) != CN_OK ||
            ((i < AXES || counts[i] != 0) && counts[i] != counts[STARTS]))
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

void cn__fold_transpose(folding *f) {
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
        memcpy(f->out->numbers, f->in[0]->numbers, (size_t)f->out->count * sizeof *f->out->numbers);
    else
        f->out = NULL;
}

void cn__fold_unsqueeze(folding *f) {
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

void cn__fold_squeeze(folding *f) {
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

void cn__fold_reshape(folding *f) {
    int64_t shape[CN_MAX_DIMS], known = 1;
    int count, open = -1;
    if (cn__onnx_list(f->onnx, f->node, "shape", 1, shape, &count) != CN_OK)
        return;
    for (int i = 0; i < count; i++) {
        if (i < f->in[0]->dims && shape[i] == 0)
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
