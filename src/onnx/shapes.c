/* SPDX-License-Identifier: MIT */
/* shapes.c: operators that only see the same values otherwise, and cost nothing by themselves. */
#include "onnx/operators.h"

cn_status cn__onnx_identity(cn__onnx *onnx, const cn__onnx_node *node) {
    cn__onnx_view *in;
    CN__TRY(cn__onnx_view_of(onnx, cn__onnx_input(node, 0), &in));
    cn__onnx_give(onnx, node, 0, *in);
    return CN_OK;
}

cn_status cn__onnx_cast(cn__onnx *onnx, const cn__onnx_node *node) {
    if (!cn__onnx_type_is_float(cn__onnx_int(node, "to", CN__ONNX_FLOAT)))
        return cn__error(CN_ERR_UNSUPPORTED, "it makes integers of what a layer gives");
    return cn__onnx_identity(onnx, node);
}

/* In evaluation the identity; in training it drops whatever the file says of the mode. */
cn_status cn__onnx_dropout(cn__onnx *onnx, const cn__onnx_node *node) {
    double ratio = (double)cn__onnx_float(node, "ratio", 0.5f);
    cn__onnx_view *in, out;
    cn_layer *layer;
    if (cn__onnx_input(node, 1) >= 0 && !cn__onnx_scalar(onnx, cn__onnx_input(node, 1), &ratio))
        return cn__error(CN_ERR_UNSUPPORTED, "its ratio is computed, not a constant");
    CN__TRY(cn__onnx_view_of(onnx, cn__onnx_input(node, 0), &in));
    out = *in;
    CN__TRY(cn__onnx_chain(onnx, node, cn_dropout_new(onnx->ctx, (float)ratio, &layer), &layer, &out.layer));
    cn__onnx_give(onnx, node, 0, out);
    return CN_OK;
}

/* ---- other dimensions ---- */

static cn_status give_reshaped(cn__onnx *onnx, const cn__onnx_node *node, cn__onnx_view *view, int dims,
                               const int64_t *shape) {
    cn__onnx_view out;
    if (!cn__onnx_view_reshape(view, dims, shape, 0, &out)) {
        CN__TRY(cn__onnx_ordered(onnx, node, view));
        if (!cn__onnx_view_reshape(view, dims, shape, 0, &out))
            return cn__error(CN_ERR_FORMAT, "its shape has not as many elements as its input");
    }
    cn__onnx_give(onnx, node, 0, out);
    return CN_OK;
}

/* Elements of an image. */
static int64_t elements(const cn__onnx_view *view) {
    int64_t count = 1;
    for (int i = 0; i < view->dims; i++)
        count *= i == view->images ? 1 : view->size[i];
    return count;
}

/* The sides that a Reshape asks for after the first one, which is that of images: 0 is the input's, -1 what is left.
 * Their product; 0: they leave open what they are. */
static int64_t read_sides(const cn__onnx_view *view, const cn__onnx_constant *wanted, int64_t shape[CN_MAX_DIMS]) {
    int64_t all = elements(view), known = 1;
    int open = -1;
    for (int i = 1; i < (int)wanted->count; i++) {
        double side = wanted->numbers[i];
        if (!(side >= -1.0 && side <= INT32_MAX) || (side == -1.0 && open >= 0) || (side == 0.0 && i >= view->dims))
            return 0;
        shape[i] = side == 0.0 ? view->size[i] : (int64_t)side;
        if (side == -1.0)
            open = i;
        else if ((known *= shape[i]) > INT32_MAX)
            return 0;
    }
    if (open >= 0 && known > 0)
        known *= shape[open] = all / known;
    return known;
}

/* 0, -1, computed from the number of images, or the one with which the file was made; the others hold all that an image
 * has. */
static bool first_is_images(const cn__onnx *onnx, const cn__onnx_constant *wanted) {
    double first = wanted->numbers[0];
    bool open = false;
    for (int64_t i = 1; i < wanted->count; i++)
        open = open || wanted->numbers[i] == -1.0;
    return isinf(first) || first == 0.0 || (first == -1.0 && !open) ||
           first == (double)(onnx->images ? onnx->images : 1);
}

cn_status cn__onnx_reshape(cn__onnx *onnx, const cn__onnx_node *node) {
    const cn__onnx_constant *wanted = cn__onnx_constant_of(onnx, cn__onnx_input(node, 1));
    int64_t shape[CN_MAX_DIMS];
    cn__onnx_view *view;
    CN__TRY(cn__onnx_view_of(onnx, cn__onnx_input(node, 0), &view));
    if (!wanted)
        return cn__error(CN_ERR_UNSUPPORTED, "its shape is not known beforehand");
    if (wanted->count < 1 || wanted->count > CN_MAX_DIMS)
        return cn__error(CN_ERR_UNSUPPORTED, "its shape has %lld dimensions", (long long)wanted->count);
    if (view->images != 0 || !first_is_images(onnx, wanted) || read_sides(view, wanted, shape) != elements(view) ||
        (cn__onnx_int(node, "allowzero", 0) != 0 && wanted->numbers[0] == 0.0))
        return cn__error(CN_ERR_UNSUPPORTED, "it joins images, or its shape does not fit");
    return give_reshaped(onnx, node, view, (int)wanted->count, shape);
}

cn_status cn__onnx_flatten(cn__onnx *onnx, const cn__onnx_node *node) {
    int64_t axis = cn__onnx_int(node, "axis", 1), before = 1;
    cn__onnx_view *view;
    CN__TRY(cn__onnx_view_of(onnx, cn__onnx_input(node, 0), &view));
    axis += axis < 0 ? view->dims : 0;
    for (int i = 1; i < axis && i < view->dims; i++)
        before *= view->size[i];
    if (view->images != 0 || axis < 1 || axis > view->dims || before != 1)
        return cn__error(CN_ERR_UNSUPPORTED, "it joins images (axis %lld)", (long long)axis);
    const int64_t shape[2] = {0, elements(view)};
    return give_reshaped(onnx, node, view, 2, shape);
}

/* Which axes a node names, of `dims`. */
static cn_status read_axes(cn__onnx *onnx, const cn__onnx_node *node, int dims, bool named[CN_MAX_DIMS], int *count) {
    int64_t list[CN_MAX_DIMS];
    int axis;
    CN__TRY(cn__onnx_list(onnx, node, "axes", 1, list, count));
    for (int i = 0; i < CN_MAX_DIMS; i++)
        named[i] = false;
    for (int i = 0; i < *count; i++) {
        CN__TRY(cn__onnx_axis_of(list[i], dims, &axis));
        if (named[axis])
            return cn__error(CN_ERR_FORMAT, "its axes have %d twice", axis);
        named[axis] = true;
    }
    return CN_OK;
}

static void copy_axis(cn__onnx_view *to, int i, const cn__onnx_view *from, int k) {
    to->size[i] = from->size[k];
    to->stride[i] = from->stride[k];
    if (k == from->images)
        to->images = i;
}

cn_status cn__onnx_squeeze(cn__onnx *onnx, const cn__onnx_node *node) {
    cn__onnx_view *view, out;
    bool named[CN_MAX_DIMS];
    int count;
    CN__TRY(cn__onnx_view_of(onnx, cn__onnx_input(node, 0), &view));
    CN__TRY(read_axes(onnx, node, view->dims, named, &count));
    out = (cn__onnx_view){.layer = view->layer};
    for (int i = 0; i < view->dims; i++) {
        bool one = i != view->images && view->size[i] == 1;
        if (named[i] && !one)
            return cn__error(CN_ERR_UNSUPPORTED, "it removes %s",
                             i == view->images ? "images" : "more than one element");
        if (!(count ? named[i] : one))
            copy_axis(&out, out.dims++, view, i);
    }
    cn__onnx_give(onnx, node, 0, out);
    return CN_OK;
}

cn_status cn__onnx_unsqueeze(cn__onnx *onnx, const cn__onnx_node *node) {
    cn__onnx_view *view, out;
    bool named[CN_MAX_DIMS];
    int64_t list[CN_MAX_DIMS];
    int count, from = 0;
    CN__TRY(cn__onnx_view_of(onnx, cn__onnx_input(node, 0), &view));
    CN__TRY(cn__onnx_list(onnx, node, "axes", 1, list, &count));
    if (view->dims + count > CN_MAX_DIMS)
        return cn__error(CN_ERR_UNSUPPORTED, "it makes more than %d dimensions", CN_MAX_DIMS);
    CN__TRY(read_axes(onnx, node, view->dims + count, named, &count));
    out = (cn__onnx_view){.layer = view->layer, .dims = view->dims + count};
    for (int i = 0; i < out.dims; i++)
        if (named[i])
            out.size[i] = 1;
        else
            copy_axis(&out, i, view, from++);
    cn__onnx_give(onnx, node, 0, out);
    return CN_OK;
}

cn_status cn__onnx_transpose(cn__onnx *onnx, const cn__onnx_node *node) {
    bool taken[CN_MAX_DIMS] = {false};
    int64_t perm[CN_MAX_DIMS];
    cn__onnx_view *view, out;
    int count;
    CN__TRY(cn__onnx_view_of(onnx, cn__onnx_input(node, 0), &view));
    CN__TRY(cn__onnx_ints(node, "perm", perm, &count));
    for (int i = 0; i < view->dims && count == 0; i++)
        perm[i] = view->dims - 1 - i;
    if (count != 0 && count != view->dims)
        return cn__error(CN_ERR_FORMAT, "its perm has %d numbers, its input %d dimensions", count, view->dims);
    out = (cn__onnx_view){.layer = view->layer, .dims = view->dims};
    for (int i = 0; i < view->dims; i++) {
        if (perm[i] < 0 || perm[i] >= view->dims || taken[perm[i]])
            return cn__error(CN_ERR_FORMAT, "its perm is no order of %d dimensions", view->dims);
        taken[perm[i]] = true;
        copy_axis(&out, i, view, (int)perm[i]);
    }
    cn__onnx_give(onnx, node, 0, out);
    return CN_OK;
}

/* Values repeated along an axis of one, which is left to the sum or product that they go into: its layer repeats them. */
cn_status cn__onnx_expand(cn__onnx *onnx, const cn__onnx_node *node) {
    const cn__onnx_constant *shape = cn__onnx_constant_of(onnx, cn__onnx_input(node, 1));
    cn__onnx_view *view, out;
    CN__TRY(cn__onnx_view_of(onnx, cn__onnx_input(node, 0), &view));
    if (!shape || shape->count > view->dims)
        return cn__error(CN_ERR_UNSUPPORTED, "its shape is %s", shape ? "of more dimensions" : "not known beforehand");
    out = *view;
    for (int i = 0; i < (int)shape->count; i++) {
        int axis = view->dims - (int)shape->count + i;
        double side = shape->numbers[i];
        if (side == 1.0 || (axis == view->images && isinf(side)) || side == (double)view->size[axis])
            continue;
        if (axis == view->images || view->size[axis] != 1 || !(side > 1.0 && side <= CN__MAX_SIDE))
            return cn__error(CN_ERR_UNSUPPORTED, "it repeats images, or more than one value");
        out.size[axis] = (int64_t)side;
        out.stride[axis] = 0;
    }
    cn__onnx_give(onnx, node, 0, out);
    return CN_OK;
}
