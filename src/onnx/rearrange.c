/* SPDX-License-Identifier: MIT */
/* rearrange.c: operators that put values elsewhere: parts, borders, concatenation, channels as pixels. */
#include "onnx/operators.h"
#include <limits.h>

/* The kind of an axis of channels, height or width, of images that are in order. */
static cn_status kind_of(const cn__onnx_view *view, int axis, cn__onnx_axis *kind) {
    static const cn__onnx_axis kinds[4] = {CN__AXIS_IMAGES, CN__AXIS_CHANNELS, CN__AXIS_HEIGHT, CN__AXIS_WIDTH};
    *kind = axis == 2 && view->dims == 3 ? CN__AXIS_WIDTH : kinds[axis];
    return *kind == CN__AXIS_IMAGES ? cn__error(CN_ERR_UNSUPPORTED, "it is over images") : CN_OK;
}

static int32_t side_of(cn__shape shape, cn__onnx_axis kind) {
    return kind == CN__AXIS_CHANNELS ? shape.channels : kind == CN__AXIS_HEIGHT ? shape.height : shape.width;
}

/* ---- parts ---- */

/* Elements `start` … `start` + `length` - 1 along an axis. */
static cn_status cut(cn__onnx *onnx, const cn__onnx_node *node, cn__onnx_axis kind, int64_t start, int64_t length,
                     int32_t *at) {
    int32_t side = side_of(cn__model_shape(onnx->model, *at), kind);
    cn_layer *layer;
    if (start >= 0 && start <= side && length <= 0)
        return cn__error(CN_ERR_UNSUPPORTED, "nothing is left of what it takes from");
    if (start < 0 || start > side || length > side - start)
        return cn__error(CN_ERR_FORMAT, "it takes %lld elements from %lld on, of %d", (long long)length,
                         (long long)start, side);
    if (length == side)
        return CN_OK;
    if (kind == CN__AXIS_CHANNELS)
        return cn__onnx_chain(onnx, node, cn_narrow_new(onnx->ctx, (int)start, (int)length, &layer), &layer, at);
    int d = kind == CN__AXIS_WIDTH;
    int64_t begin[2] = {0, 0}, end[2] = {0, 0};
    begin[d] = -start;
    end[d] = -(side - start - length);
    return cn__onnx_pad(onnx, node, begin, end, CN_PADDING_ZEROS, 0.0f, at);
}

/* Where an index that may count from the end is, of `side`. */
static int64_t place(int64_t index, int64_t side) {
    index += index < 0 ? side : 0;
    return index < 0 ? 0 : index > side ? side : index;
}

/* Every so manieth row and column, of which the first stays: the largest of windows of one. */
static cn_status thin_out(cn__onnx *onnx, const cn__onnx_node *node, const int64_t steps[2], int32_t *at) {
    cn_pool2d_options o = CN_POOL2D_OPTIONS_INIT;
    cn_layer *layer;
    if (steps[0] == 1 && steps[1] == 1)
        return CN_OK;
    o.stride[0] = (int)steps[0];
    o.stride[1] = (int)steps[1];
    return cn__onnx_chain(onnx, node, cn_max_pool2d_new(onnx->ctx, 1, 1, &o, &layer), &layer, at);
}

static cn_status read_step(cn__onnx_axis kind, int64_t step, int64_t steps[2]) {
    if (step == 1)
        return CN_OK;
    if (kind == CN__AXIS_CHANNELS || step < 1 || step > CN__MAX_SIDE)
        return cn__error(CN_ERR_UNSUPPORTED, "it takes steps of %lld%s", (long long)step,
                         kind == CN__AXIS_CHANNELS ? " over channels" : "");
    steps[kind == CN__AXIS_WIDTH] = step;
    return CN_OK;
}

cn_status cn__onnx_slice(cn__onnx *onnx, const cn__onnx_node *node) {
    int64_t thinned[2] = {1, 1}, starts[CN_MAX_DIMS], ends[CN_MAX_DIMS], axes[CN_MAX_DIMS], steps[CN_MAX_DIMS];
    int count, end_count, axis_count, step_count, axis;
    cn__onnx_view *view;
    CN__TRY(cn__onnx_image(onnx, node, cn__onnx_input(node, 0), &view));
    CN__TRY(cn__onnx_list(onnx, node, "starts", 1, starts, &count));
    CN__TRY(cn__onnx_list(onnx, node, "ends", 2, ends, &end_count));
    CN__TRY(cn__onnx_list(onnx, node, "axes", 3, axes, &axis_count));
    CN__TRY(cn__onnx_list(onnx, node, "steps", 4, steps, &step_count));
    if (end_count != count || (axis_count && axis_count != count) || (step_count && step_count != count))
        return cn__error(CN_ERR_FORMAT, "it has %d starts, but %d ends", count, end_count);
    int32_t at = view->layer;
    for (int i = 0; i < count; i++) {
        cn__onnx_axis kind;
        CN__TRY(cn__onnx_axis_of(axis_count ? axes[i] : i, view->dims, &axis));
        if (axis == 0 && starts[i] == 0 && ends[i] >= INT_MAX && (!step_count || steps[i] == 1))
            continue; /* all images */
        CN__TRY(kind_of(view, axis, &kind));
        CN__TRY(read_step(kind, step_count ? steps[i] : 1, thinned));
        int64_t side = view->size[axis], start = place(starts[i], side);
        CN__TRY(cut(onnx, node, kind, start, place(ends[i], side) - start, &at));
    }
    CN__TRY(thin_out(onnx, node, thinned, &at));
    cn__onnx_give(onnx, node, 0, cn__onnx_view_new(onnx, at, view->dims));
    return CN_OK;
}

static cn_status split_sizes(cn__onnx *onnx, const cn__onnx_node *node, int64_t side, int64_t sizes[CN_MAX_DIMS]) {
    int64_t parts = node->output_count, part = (side + parts - 1) / parts, sum = 0;
    int count;
    if (parts > CN_MAX_DIMS)
        return cn__error(CN_ERR_UNSUPPORTED, "it has more than %d parts", CN_MAX_DIMS);
    CN__TRY(cn__onnx_list(onnx, node, "split", 1, sizes, &count));
    for (int i = 0; i < parts && count == 0; i++) {
        sizes[i] = side - sum < part ? side - sum : part; /* the last may be smaller */
        sum += sizes[i];
    }
    return count == 0 || count == parts
               ? CN_OK
               : cn__error(CN_ERR_FORMAT, "it has %d sizes for %lld parts", count, (long long)parts);
}

cn_status cn__onnx_split(cn__onnx *onnx, const cn__onnx_node *node) {
    int64_t sizes[CN_MAX_DIMS], start = 0;
    cn__onnx_axis kind;
    cn__onnx_view *view;
    int axis;
    CN__TRY(cn__onnx_image(onnx, node, cn__onnx_input(node, 0), &view));
    CN__TRY(cn__onnx_axis_of(cn__onnx_int(node, "axis", 0), view->dims, &axis));
    CN__TRY(kind_of(view, axis, &kind));
    CN__TRY(split_sizes(onnx, node, view->size[axis], sizes));
    for (int i = 0; i < node->output_count; i++) {
        int32_t at = view->layer;
        if (node->outputs[i] >= 0 && onnx->values[node->outputs[i]].needed) {
            CN__TRY(cut(onnx, node, kind, start, sizes[i], &at));
            cn__onnx_give(onnx, node, i, cn__onnx_view_new(onnx, at, view->dims));
        }
        start = sizes[i] >= 0 && sizes[i] <= CN__MAX_SIDE ? start + sizes[i] : -1;
    }
    return CN_OK;
}

/* Elements that lie side by side; a single number takes the axis away. */
cn_status cn__onnx_gather(cn__onnx *onnx, const cn__onnx_node *node) {
    const cn__onnx_constant *which = cn__onnx_constant_of(onnx, cn__onnx_input(node, 1));
    cn__onnx_view *view, out;
    cn__onnx_axis kind;
    int axis, kept = 0;
    CN__TRY(cn__onnx_image(onnx, node, cn__onnx_input(node, 0), &view));
    CN__TRY(cn__onnx_axis_of(cn__onnx_int(node, "axis", 0), view->dims, &axis));
    CN__TRY(kind_of(view, axis, &kind));
    if (!which || which->dims > 1 || which->count < 1)
        return cn__error(CN_ERR_UNSUPPORTED, "its indices are not a constant list");
    for (int64_t i = 1; i < which->count; i++)
        if (which->numbers[i] != which->numbers[0] + (double)i)
            return cn__error(CN_ERR_UNSUPPORTED, "its elements do not lie side by side");
    int32_t at = view->layer;
    double first = which->numbers[0] < 0.0 ? which->numbers[0] + (double)view->size[axis] : which->numbers[0];
    if (!(first >= 0.0 && first < (double)view->size[axis]))
        return cn__error(CN_ERR_FORMAT, "its index %g is none of %lld", first, (long long)view->size[axis]);
    CN__TRY(cut(onnx, node, kind, (int64_t)first, which->count, &at));
    cn__onnx_view whole = cn__onnx_view_new(onnx, at, view->dims);
    out = whole;
    for (int i = 0; i < whole.dims && which->dims == 0; i++)
        if (i != axis) {
            out.size[kept] = whole.size[i];
            out.stride[kept++] = whole.stride[i];
        }
    out.dims = which->dims == 0 ? kept : whole.dims;
    cn__onnx_give(onnx, node, 0, out);
    return CN_OK;
}

/* ---- together ---- */

/* Along height or width: each with zeros where the others are, and their sum. */
static cn_status lay_out(cn__onnx *onnx, const cn__onnx_node *node, cn__onnx_axis kind, int32_t *layers,
                         cn_layer **sum) {
    int64_t all = 0, before = 0;
    for (int32_t i = 0; i < node->input_count; i++)
        all += side_of(cn__model_shape(onnx->model, layers[i]), kind);
    for (int32_t i = 0; i < node->input_count; i++) {
        int64_t side = side_of(cn__model_shape(onnx->model, layers[i]), kind), begin[2] = {0, 0}, end[2] = {0, 0};
        begin[kind == CN__AXIS_WIDTH] = before;
        end[kind == CN__AXIS_WIDTH] = all - before - side;
        CN__TRY(cn__onnx_pad(onnx, node, begin, end, CN_PADDING_ZEROS, 0.0f, &layers[i]));
        before += side;
    }
    return cn_add_new(onnx->ctx, sum);
}

static cn_status join_layers(cn__onnx *onnx, const cn__onnx_node *node, cn__onnx_axis kind, int32_t *layers,
                             int32_t *at) {
    cn_layer *layer;
    CN__TRY(kind == CN__AXIS_CHANNELS ? cn_concat_new(onnx->ctx, &layer) : lay_out(onnx, node, kind, layers, &layer));
    return cn__onnx_add(onnx, node, NULL, layer, node->input_count, layers, at);
}

cn_status cn__onnx_concat(cn__onnx *onnx, const cn__onnx_node *node) {
    cn__onnx_axis kind;
    cn__onnx_view *view;
    int axis, dims;
    if (node->input_count == 1)
        return cn__onnx_identity(onnx, node);
    CN__TRY(cn__onnx_image(onnx, node, cn__onnx_input(node, 0), &view));
    dims = view->dims;
    CN__TRY(cn__onnx_axis_of(cn__onnx_int(node, "axis", 1), dims, &axis));
    CN__TRY(kind_of(view, axis, &kind));
    int32_t *layers = cn__onnx_alloc(onnx, (size_t)node->input_count, sizeof *layers), at;
    if (!layers)
        return cn__no_memory("a concatenation");
    for (int32_t i = 0; i < node->input_count; i++) {
        CN__TRY(cn__onnx_image(onnx, node, node->inputs[i], &view));
        if (view->dims != dims)
            return cn__error(CN_ERR_FORMAT, "its inputs have %d and %d dimensions", dims, view->dims);
        layers[i] = view->layer;
    }
    CN__TRY(join_layers(onnx, node, kind, layers, &at));
    cn__onnx_give(onnx, node, 0, cn__onnx_view_new(onnx, at, dims));
    return CN_OK;
}

/* ---- borders ---- */

static cn_status read_padding(cn__onnx *onnx, const cn__onnx_node *node, const cn__onnx_view *view, int64_t begin[2],
                              int64_t end[2]) {
    int64_t pads[2 * 4], axes[CN_MAX_DIMS] = {0, 1, 2, 3};
    int count, axis_count, axis;
    CN__TRY(cn__onnx_list(onnx, node, "pads", 1, pads, &count));
    CN__TRY(cn__onnx_list(onnx, node, "axes", 3, axes, &axis_count));
    if (axis_count == 0)
        axis_count = view->dims;
    if (count != 2 * axis_count)
        return cn__error(CN_ERR_FORMAT, "its pads are %d numbers, wanted %d", count, 2 * axis_count);
    for (int i = 0; i < axis_count; i++) {
        int64_t before = pads[i], after = pads[i + axis_count];
        cn__onnx_axis kind;
        if (before == 0 && after == 0)
            continue;
        CN__TRY(cn__onnx_axis_of(axes[i], view->dims, &axis));
        CN__TRY(kind_of(view, axis, &kind));
        if (kind == CN__AXIS_CHANNELS)
            return cn__error(CN_ERR_UNSUPPORTED, "it adds channels");
        begin[kind == CN__AXIS_WIDTH] = before;
        end[kind == CN__AXIS_WIDTH] = after;
    }
    return CN_OK;
}

/* That goes round, as patterns.c has put it together. */
static cn_status wrap(cn__onnx *onnx, const cn__onnx_node *node) {
    cn__onnx_view *view;
    CN__TRY(cn__onnx_image(onnx, node, cn__onnx_input(node, 0), &view));
    if (view->dims != 4)
        return cn__error(CN_ERR_UNSUPPORTED, "its input has %d dimensions, wanted 4", view->dims);
    int32_t at = view->layer;
    CN__TRY(cn__onnx_pad(onnx, node, node->begin, node->end, CN_PADDING_CIRCULAR, 0.0f, &at));
    cn__onnx_give(onnx, node, 0, cn__onnx_view_new(onnx, at, 4));
    return CN_OK;
}

cn_status cn__onnx_padding(cn__onnx *onnx, const cn__onnx_node *node) {
    static const struct {
        const char *name;
        cn_padding_mode mode;
    } modes[] = {{"constant", CN_PADDING_ZEROS},
                 {"reflect", CN_PADDING_REFLECT},
                 {"edge", CN_PADDING_REPLICATE},
                 {"wrap", CN_PADDING_CIRCULAR}};
    double value = (double)cn__onnx_float(node, "value", 0.0f);
    int64_t begin[2] = {0, 0}, end[2] = {0, 0};
    cn__onnx_view *view;
    size_t mode = 0;
    if (node->rewritten)
        return wrap(onnx, node);
    while (mode < CN__COUNT(modes) && !cn__onnx_string_is(node, "mode", "constant", modes[mode].name))
        mode++;
    if (mode == CN__COUNT(modes))
        return cn__error(CN_ERR_UNSUPPORTED, "its mode is none of constant, reflect, edge and wrap");
    if (cn__onnx_input(node, 2) >= 0 && !cn__onnx_scalar(onnx, cn__onnx_input(node, 2), &value))
        return cn__error(CN_ERR_UNSUPPORTED, "its value is computed, not a constant");
    CN__TRY(cn__onnx_image(onnx, node, cn__onnx_input(node, 0), &view));
    CN__TRY(read_padding(onnx, node, view, begin, end));
    int32_t at = view->layer;
    CN__TRY(cn__onnx_pad(onnx, node, begin, end, modes[mode].mode, mode == 0 ? (float)value : 0.0f, &at));
    cn__onnx_give(onnx, node, 0, cn__onnx_view_new(onnx, at, view->dims));
    return CN_OK;
}

/* ---- channels and pixels ---- */

static cn_status read_block(cn__onnx *onnx, const cn__onnx_node *node, cn__onnx_view **view, int *size) {
    int64_t block = cn__onnx_int(node, "blocksize", 1);
    CN__TRY(cn__onnx_image(onnx, node, cn__onnx_input(node, 0), view));
    if ((*view)->dims != 4 || block < 1 || block > 4096)
        return cn__error(CN_ERR_FORMAT, "its blocksize is %lld, of %d dimensions", (long long)block, (*view)->dims);
    *size = (int)block;
    return CN_OK;
}

/* In mode CRD that is a pixel shuffle; in mode DCR its channels are in another order before. */
cn_status cn__onnx_depth_to_space(cn__onnx *onnx, const cn__onnx_node *node) {
    cn__onnx_view *view;
    cn_layer *layer;
    int block = 0;
    CN__TRY(read_block(onnx, node, &view, &block));
    int32_t at = view->layer;
    if (!cn__onnx_string_is(node, "mode", "DCR", "CRD"))
        CN__TRY(cn__onnx_chain(onnx, node, cn_channel_shuffle_new(onnx->ctx, block * block, &layer), &layer, &at));
    CN__TRY(cn__onnx_chain(onnx, node, cn_pixel_shuffle_new(onnx->ctx, block, &layer), &layer, &at));
    cn__onnx_give(onnx, node, 0, cn__onnx_view_new(onnx, at, 4));
    return CN_OK;
}

cn_status cn__onnx_space_to_depth(cn__onnx *onnx, const cn__onnx_node *node) {
    cn__onnx_view *view;
    cn_layer *layer;
    int block = 0;
    CN__TRY(read_block(onnx, node, &view, &block));
    int32_t at = view->layer, channels = cn__onnx_shape(onnx, view).channels;
    CN__TRY(cn__onnx_chain(onnx, node, cn_pixel_unshuffle_new(onnx->ctx, block, &layer), &layer, &at));
    CN__TRY(cn__onnx_chain(onnx, node, cn_channel_shuffle_new(onnx->ctx, channels, &layer), &layer, &at));
    cn__onnx_give(onnx, node, 0, cn__onnx_view_new(onnx, at, 4));
    return CN_OK;
}
