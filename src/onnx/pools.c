/* SPDX-License-Identifier: MIT */
/* pools.c: pools, and means and maxima over height and width. */
#include "onnx/operators.h"
#include <float.h>

static cn_status read_pool(cn__onnx *onnx, const cn__onnx_node *node, cn__onnx_view **in, cn__onnx_window *window,
                           cn_pool2d_options *o) {
    *o = (cn_pool2d_options)CN_POOL2D_OPTIONS_INIT;
    CN__TRY(cn__onnx_image(onnx, node, cn__onnx_input(node, 0), in));
    CN__TRY(cn__onnx_window_read(node, *in, cn__onnx_shape(onnx, *in), NULL, window));
    for (int d = 0; d < 2; d++) {
        o->stride[d] = (int)window->stride[d];
        o->dilation[d] = (int)window->dilation[d];
    }
    o->ceil_mode = cn__onnx_int(node, "ceil_mode", 0) != 0;
    return CN_OK;
}

/* Pools have as much padding on both sides, and at most half of the kernel. */
static bool padding_fits(const cn__onnx_window *window) {
    return cn__onnx_window_is_even(window) && 2 * window->begin[0] <= window->kernel[0] &&
           2 * window->begin[1] <= window->kernel[1];
}

static void set_padding(cn_pool2d_options *o, const int64_t padding[2]) {
    for (int d = 0; d < 2; d++)
        o->padding[d] = (int)padding[d];
}

cn_status cn__onnx_max_pool(cn__onnx *onnx, const cn__onnx_node *node) {
    cn__onnx_window window;
    cn_pool2d_options o;
    cn__onnx_view *in;
    cn_layer *layer;
    CN__TRY(read_pool(onnx, node, &in, &window, &o));
    int32_t at = in->layer;
    if (padding_fits(&window))
        set_padding(&o, window.begin);
    else
        CN__TRY(cn__onnx_pad(onnx, node, window.begin, window.end, CN_PADDING_ZEROS, -FLT_MAX, &at));
    cn_status status = cn_max_pool2d_new(onnx->ctx, (int)window.kernel[0], (int)window.kernel[1], &o, &layer);
    CN__TRY(cn__onnx_chain(onnx, node, status, &layer, &at));
    cn__onnx_give(onnx, node, 0, cn__onnx_view_new(onnx, at, in->dims));
    return CN_OK;
}

/* The mean over places inside the image alone, where one side has more padding: with as much on both sides, of whose
 * windows those at the edges are cut off again. */
static cn_status even_out(cn__onnx_window *window, int64_t cut_begin[2], int64_t cut_end[2]) {
    for (int d = 0; d < 2; d++) {
        int64_t most = window->begin[d] > window->end[d] ? window->begin[d] : window->end[d];
        cut_begin[d] = -((most - window->begin[d]) / window->stride[d]);
        cut_end[d] = -((most - window->end[d]) / window->stride[d]);
        if ((most - window->begin[d]) % window->stride[d] != 0 || 2 * most > window->kernel[d])
            return cn__error(CN_ERR_UNSUPPORTED, "its padding is %lld and %lld, which no pool has",
                             (long long)window->begin[d], (long long)window->end[d]);
        window->begin[d] = window->end[d] = most;
    }
    return CN_OK;
}

cn_status cn__onnx_average_pool(cn__onnx *onnx, const cn__onnx_node *node) {
    int64_t cut_begin[2] = {0, 0}, cut_end[2] = {0, 0};
    cn__onnx_window window;
    cn_pool2d_options o;
    cn__onnx_view *in;
    cn_layer *layer;
    CN__TRY(read_pool(onnx, node, &in, &window, &o));
    int32_t at = in->layer;
    if (window.dilation[0] != 1 || window.dilation[1] != 1)
        return cn__error(CN_ERR_UNSUPPORTED, "it has dilations");
    o.count_include_pad = cn__onnx_int(node, "count_include_pad", 0) != 0;
    if (!padding_fits(&window) && o.count_include_pad) {
        CN__TRY(cn__onnx_pad(onnx, node, window.begin, window.end, CN_PADDING_ZEROS, 0.0f, &at));
    } else {
        if (!padding_fits(&window))
            CN__TRY(even_out(&window, cut_begin, cut_end));
        set_padding(&o, window.begin);
    }
    cn_status status = cn_avg_pool2d_new(onnx->ctx, (int)window.kernel[0], (int)window.kernel[1], &o, &layer);
    CN__TRY(cn__onnx_chain(onnx, node, status, &layer, &at));
    CN__TRY(cn__onnx_pad(onnx, node, cut_begin, cut_end, CN_PADDING_ZEROS, 0.0f, &at));
    cn__onnx_give(onnx, node, 0, cn__onnx_view_new(onnx, at, in->dims));
    return CN_OK;
}

/* ---- over whole dimensions ---- */

static cn_status add_global(cn__onnx *onnx, const cn__onnx_node *node, bool maximum, int32_t *at) {
    cn_layer *layer;
    cn_status status = maximum ? cn_adaptive_max_pool2d_new(onnx->ctx, 1, 1, &layer)
                               : cn_adaptive_avg_pool2d_new(onnx->ctx, 1, 1, &layer);
    return cn__onnx_chain(onnx, node, status, &layer, at);
}

static cn_status global_pool(cn__onnx *onnx, const cn__onnx_node *node, bool maximum) {
    cn__onnx_view *in;
    CN__TRY(cn__onnx_image(onnx, node, cn__onnx_input(node, 0), &in));
    int32_t at = in->layer;
    CN__TRY(add_global(onnx, node, maximum, &at));
    cn__onnx_give(onnx, node, 0, cn__onnx_view_new(onnx, at, in->dims));
    return CN_OK;
}

cn_status cn__onnx_global_average_pool(cn__onnx *onnx, const cn__onnx_node *node) {
    return global_pool(onnx, node, false);
}

cn_status cn__onnx_global_max_pool(cn__onnx *onnx, const cn__onnx_node *node) {
    return global_pool(onnx, node, true);
}

/* Which axes are reduced. */
static cn_status read_axes(cn__onnx *onnx, const cn__onnx_node *node, int dims, bool reduced[CN_MAX_DIMS]) {
    int64_t list[CN_MAX_DIMS];
    int count, axis;
    CN__TRY(cn__onnx_list(onnx, node, "axes", 1, list, &count));
    bool all = count == 0 && cn__onnx_int(node, "noop_with_empty_axes", 0) == 0;
    for (int i = 0; i < dims; i++)
        reduced[i] = all;
    for (int i = 0; i < count; i++) {
        CN__TRY(cn__onnx_axis_of(list[i], dims, &axis));
        reduced[axis] = true;
    }
    return CN_OK;
}

/* Over channels: of an image whose rows they are. */
static cn_status add_channel_reduction(cn__onnx *onnx, const cn__onnx_node *node, bool maximum, int32_t *at) {
    cn__shape shape = cn__model_shape(onnx->model, *at);
    int64_t pixels = (int64_t)shape.height * shape.width;
    cn_layer *layer;
    if (pixels > CN__MAX_SIDE)
        return cn__error(CN_ERR_UNSUPPORTED, "it is over channels of more than %d pixels", CN__MAX_SIDE);
    CN__TRY(cn__onnx_chain(onnx, node, cn_reshape_new(onnx->ctx, 1, shape.channels, (int)pixels, &layer), &layer, at));
    cn_status status = maximum ? cn_max_pool2d_new(onnx->ctx, shape.channels, 1, NULL, &layer)
                               : cn_avg_pool2d_new(onnx->ctx, shape.channels, 1, NULL, &layer);
    CN__TRY(cn__onnx_chain(onnx, node, status, &layer, at));
    return cn__onnx_chain(onnx, node, cn_reshape_new(onnx->ctx, 1, shape.height, shape.width, &layer), &layer, at);
}

/* Over height, width or both: the whole of it, so that other sizes are pooled, too. */
static cn_status add_reduction(cn__onnx *onnx, const cn__onnx_node *node, bool maximum, bool rows, bool columns,
                               int32_t *at) {
    cn__shape shape = cn__model_shape(onnx->model, *at);
    cn_layer *layer;
    if ((rows || shape.height == 1) && (columns || shape.width == 1))
        return add_global(onnx, node, maximum, at);
    int height = rows ? shape.height : 1, width = columns ? shape.width : 1;
    cn_status status = maximum ? cn_max_pool2d_new(onnx->ctx, height, width, NULL, &layer)
                               : cn_avg_pool2d_new(onnx->ctx, height, width, NULL, &layer);
    return cn__onnx_chain(onnx, node, status, &layer, at);
}

static cn_status reduce(cn__onnx *onnx, const cn__onnx_node *node, bool maximum) {
    cn__onnx_axis axes[CN_MAX_DIMS];
    bool reduced[CN_MAX_DIMS] = {false}, channels = false, rows = false, columns = false;
    cn__onnx_view *view;
    int kept = 0;
    CN__TRY(cn__onnx_view_of(onnx, cn__onnx_input(node, 0), &view));
    CN__TRY(read_axes(onnx, node, view->dims, reduced));
    if (!cn__onnx_axes(onnx, view, axes)) {
        CN__TRY(cn__onnx_image(onnx, node, cn__onnx_input(node, 0), &view));
        cn__onnx_axes(onnx, view, axes);
    }
    for (int i = 0; i < view->dims; i++) {
        if (reduced[i] && axes[i] == CN__AXIS_IMAGES)
            return cn__error(CN_ERR_UNSUPPORTED, "it is over images");
        channels = channels || (reduced[i] && axes[i] == CN__AXIS_CHANNELS);
        rows = rows || (reduced[i] && axes[i] == CN__AXIS_HEIGHT);
        columns = columns || (reduced[i] && axes[i] == CN__AXIS_WIDTH);
    }
    int32_t at = view->layer;
    if (rows || columns)
        CN__TRY(add_reduction(onnx, node, maximum, rows, columns, &at));
    if (channels)
        CN__TRY(add_channel_reduction(onnx, node, maximum, &at));
    for (int i = 0; i < view->dims; i++)
        if (!reduced[i] || cn__onnx_int(node, "keepdims", 1) != 0)
            axes[kept++] = reduced[i] ? CN__AXIS_ONE : axes[i];
    cn__onnx_give(onnx, node, 0, cn__onnx_view_by_axes(onnx, at, kept, axes));
    return CN_OK;
}

cn_status cn__onnx_reduce_mean(cn__onnx *onnx, const cn__onnx_node *node) {
    return reduce(onnx, node, false);
}

cn_status cn__onnx_reduce_max(cn__onnx *onnx, const cn__onnx_node *node) {
    return reduce(onnx, node, true);
}
