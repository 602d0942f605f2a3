/* SPDX-License-Identifier: MIT */
/* norms.c: normalisation. */
#include "onnx/operators.h"

static float epsilon_of(const cn__onnx_node *node) {
    return node->rewritten ? (float)node->epsilon : cn__onnx_float(node, "epsilon", 1e-5f);
}

/* Adds a layer of a weight and a bias, of which the file may leave out the bias. */
static cn_status add_filled(cn__onnx *onnx, const cn__onnx_node *node, cn_layer *layer, cn__onnx_how how, int32_t *at) {
    int32_t weight = cn__onnx_input(node, 1), bias = cn__onnx_input(node, 2);
    CN__TRY(cn__onnx_add_after(onnx, node, weight, bias, layer, at));
    CN__TRY(cn__onnx_fill(onnx, *at, 0, weight, how, 1.0f));
    return bias < 0 ? cn__onnx_fill(onnx, *at, 1, -1, CN__FILL_NUMBER, 0.0f)
                    : cn__onnx_fill(onnx, *at, 1, bias, how, 1.0f);
}

/* A norm over height and width; `o` has the options beside epsilon. */
static cn_status add_norm(cn__onnx *onnx, const cn__onnx_node *node, cn_norm_kind kind, cn_norm_options *o,
                          cn__onnx_how how, int32_t *at) {
    cn__onnx_view *in;
    cn_layer *layer;
    CN__TRY(cn__onnx_image(onnx, node, cn__onnx_input(node, 0), &in));
    o->eps = epsilon_of(node);
    CN__TRY(cn_norm_new(onnx->ctx, kind, cn__onnx_shape(onnx, in).channels, o, &layer));
    *at = in->layer;
    CN__TRY(add_filled(onnx, node, layer, how, at));
    cn__onnx_give(onnx, node, 0, cn__onnx_view_new(onnx, *at, in->dims));
    return CN_OK;
}

/* Without running statistics, as patterns.c has put it together, over images and node->axis - 1 sides of theirs. */
static cn_status add_batch_statistics(cn__onnx *onnx, const cn__onnx_node *node) {
    cn_norm_options o = CN_NORM_OPTIONS_INIT;
    cn__onnx_view *in;
    cn_layer *layer;
    int64_t count;
    CN__TRY(cn__onnx_image(onnx, node, cn__onnx_input(node, 0), &in));
    cn__shape shape = cn__onnx_shape(onnx, in);
    if (node->axis != in->dims - 1)
        return cn__error(CN_ERR_UNSUPPORTED, "it is over images");
    for (int i = 1; i < node->input_count; i++) {
        CN__TRY(cn__onnx_by_channel(onnx, node, in, node->inputs[i], &count));
        if (count != shape.channels)
            return cn__error(CN_ERR_UNSUPPORTED, "it has %lld parameters for %d channels", (long long)count,
                             shape.channels);
    }
    o.eps = epsilon_of(node);
    o.track_running_stats = 0;
    o.affine = node->input_count > 1;
    CN__TRY(cn_norm_new(onnx->ctx, CN_NORM_BATCH, shape.channels, &o, &layer));
    int32_t at = in->layer;
    CN__TRY(o.affine ? add_filled(onnx, node, layer, CN__FILL_PLAIN, &at)
                     : cn__onnx_chain(onnx, node, CN_OK, &layer, &at));
    cn__onnx_give(onnx, node, 0, cn__onnx_view_new(onnx, at, in->dims));
    return CN_OK;
}

cn_status cn__onnx_batch_norm(cn__onnx *onnx, const cn__onnx_node *node) {
    cn_norm_options o = CN_NORM_OPTIONS_INIT;
    int32_t at = -1;
    if (node->rewritten)
        return add_batch_statistics(onnx, node);
    bool training =
        onnx->opset < 7 ? cn__onnx_int(node, "is_test", 0) == 0 : cn__onnx_int(node, "training_mode", 0) != 0;
    if (training)
        return cn__error(CN_ERR_UNSUPPORTED, "it normalises by the batch at hand (training_mode 1, or is_test 0)");
    if (cn__onnx_int(node, "spatial", 1) == 0)
        return cn__error(CN_ERR_UNSUPPORTED, "it has statistics for each pixel (spatial 0)");
    o.momentum = 1.0f - cn__onnx_float(node, "momentum", 0.9f);
    CN__TRY(add_norm(onnx, node, CN_NORM_BATCH, &o, CN__FILL_PLAIN, &at));
    for (int i = 2; i < 4; i++) /* running mean and variance */
        CN__TRY(cn__onnx_fill(onnx, at, i, cn__onnx_input(node, i + 1), CN__FILL_PLAIN, 1.0f));
    return CN_OK;
}

cn_status cn__onnx_instance_norm(cn__onnx *onnx, const cn__onnx_node *node) {
    cn_norm_options o = CN_NORM_OPTIONS_INIT;
    int32_t at;
    return add_norm(onnx, node, CN_NORM_INSTANCE, &o, CN__FILL_PLAIN, &at);
}

/* Up to opset 20 with a scale and bias for each group, then for each channel. */
cn_status cn__onnx_group_norm(cn__onnx *onnx, const cn__onnx_node *node) {
    cn_norm_options o = CN_NORM_OPTIONS_INIT;
    int64_t groups = node->rewritten ? node->groups : cn__onnx_int(node, "num_groups", 1);
    int32_t at;
    if (groups < 1 || groups > CN__MAX_SIDE)
        return cn__error(CN_ERR_FORMAT, "its num_groups is %lld", (long long)groups);
    o.groups = (int)groups;
    return add_norm(onnx, node, CN_NORM_GROUP, &o, CN__FILL_SPREAD, &at);
}

/* A single channel is an axis like any other of one element. */
static bool over_channels(const cn__onnx *onnx, const cn__onnx_view *view, cn__onnx_axis axis) {
    return axis == CN__AXIS_CHANNELS || (axis == CN__AXIS_ONE && cn__onnx_shape(onnx, view).channels == 1);
}

/* Over the channels of each pixel, wherever the graph has them. */
cn_status cn__onnx_layer_norm(cn__onnx *onnx, const cn__onnx_node *node) {
    cn_norm_options o = CN_NORM_OPTIONS_INIT;
    cn__onnx_axis axes[CN_MAX_DIMS];
    cn__onnx_view *view;
    cn_layer *layer;
    int axis;
    CN__TRY(cn__onnx_view_of(onnx, cn__onnx_input(node, 0), &view));
    if (view->dims == 2)
        CN__TRY(cn__onnx_image(onnx, node, cn__onnx_input(node, 0), &view));
    int64_t from = node->rewritten ? node->axis : cn__onnx_int(node, "axis", -1);
    CN__TRY(cn__onnx_axis_of(from, view->dims, &axis));
    if (!cn__onnx_axes(onnx, view, axes) || !over_channels(onnx, view, axes[axis]) ||
        (!node->rewritten && axis != view->dims - 1))
        return cn__error(CN_ERR_UNSUPPORTED, "it normalises over other values than the channels");
    o.eps = epsilon_of(node);
    o.affine = node->input_count > 1;
    CN__TRY(cn_layer_norm2d_new(onnx->ctx, cn__onnx_shape(onnx, view).channels, &o, &layer));
    int32_t at = view->layer;
    CN__TRY(o.affine ? add_filled(onnx, node, layer, CN__FILL_PLAIN, &at)
                     : cn__onnx_chain(onnx, node, CN_OK, &layer, &at));
    cn__onnx_give(onnx, node, 0, cn__onnx_view_by_axes(onnx, at, view->dims, axes));
    return CN_OK;
}

/* Of any size, as patterns.c has put it together. */
static cn_status add_response_norm(cn__onnx *onnx, const cn__onnx_node *node) {
    cn__onnx_view *in;
    cn_layer *layer;
    CN__TRY(cn__onnx_image(onnx, node, cn__onnx_input(node, 0), &in));
    int32_t at = in->layer, channels = cn__onnx_shape(onnx, in).channels;
    if (node->groups != channels)
        return cn__error(CN_ERR_UNSUPPORTED, "its means are over %lld rows, not %d channels", (long long)node->groups,
                         channels);
    cn_status status = cn_local_response_norm_new(onnx->ctx, (int)node->size, (float)node->alpha, (float)node->beta,
                                                  (float)node->bias, &layer);
    CN__TRY(cn__onnx_chain(onnx, node, status, &layer, &at));
    cn__onnx_give(onnx, node, 0, cn__onnx_view_new(onnx, at, in->dims));
    return CN_OK;
}

/* Of an even size ONNX has one neighbour more behind the channel, PyTorch before it. */
cn_status cn__onnx_lrn(cn__onnx *onnx, const cn__onnx_node *node) {
    int64_t size = cn__onnx_int(node, "size", 0);
    cn__onnx_view *in;
    cn_layer *layer;
    if (node->rewritten)
        return add_response_norm(onnx, node);
    CN__TRY(cn__onnx_image(onnx, node, cn__onnx_input(node, 0), &in));
    if (size < 1 || size > CN__MAX_SIDE)
        return cn__error(CN_ERR_FORMAT, "its size is %lld", (long long)size);
    if (size % 2 == 0)
        return cn__error(CN_ERR_UNSUPPORTED, "its size is %lld, wanted an odd one", (long long)size);
    int32_t at = in->layer;
    cn_status status =
        cn_local_response_norm_new(onnx->ctx, (int)size, cn__onnx_float(node, "alpha", 1e-4f),
                                   cn__onnx_float(node, "beta", 0.75f), cn__onnx_float(node, "bias", 1.0f), &layer);
    CN__TRY(cn__onnx_chain(onnx, node, status, &layer, &at));
    cn__onnx_give(onnx, node, 0, cn__onnx_view_new(onnx, at, in->dims));
    return CN_OK;
}
