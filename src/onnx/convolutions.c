/* SPDX-License-Identifier: MIT */
/* convolutions.c: Conv, ConvTranspose, and the products with matrices that are linear layers: Gemm, MatMul. */
#include "onnx/operators.h"

/* The weights of a convolution as [a, b, height, width]. */
static cn_status read_weights(cn__onnx *onnx, int32_t value, int dims, int64_t shape[CN_MAX_DIMS]) {
    int have;
    if (!cn__onnx_constant_shape(onnx, value, &have, shape))
        return cn__error(CN_ERR_UNSUPPORTED, "its weights are computed, not constants");
    if (have != dims || dims < 3)
        return cn__error(CN_ERR_FORMAT, "its weights have %d dimensions, its input %d", have, dims);
    for (int i = 0; i < have; i++)
        if (shape[i] < 1 || shape[i] > CN__MAX_SIDE)
            return cn__error(CN_ERR_FORMAT, "its weights have %lld along a dimension", (long long)shape[i]);
    return CN_OK;
}

static cn_status read_groups(const cn__onnx_node *node, int64_t per_group, int *groups, int *channels) {
    int64_t count = cn__onnx_int(node, "group", 1);
    if (count < 1 || count > CN__MAX_SIDE || count * per_group > CN__MAX_SIDE)
        return cn__error(CN_ERR_FORMAT, "its group is %lld", (long long)count);
    *groups = (int)count;
    *channels = (int)(count * per_group);
    return CN_OK;
}

/* What a convolution's node says, transposed or not. */
typedef struct convolution {
    cn__onnx_view *in;
    int32_t weight, bias;
    int64_t shape[CN_MAX_DIMS]; /* of the weights */
    int groups, channels;       /* channels: those of the weights' second dimension, of all groups */
    cn__onnx_window window;
} convolution;

static cn_status read_convolution(cn__onnx *onnx, const cn__onnx_node *node, convolution *c) {
    *c = (convolution){.weight = cn__onnx_input(node, 1), .bias = cn__onnx_input(node, 2)};
    CN__TRY(cn__onnx_image(onnx, node, cn__onnx_input(node, 0), &c->in));
    CN__TRY(read_weights(onnx, c->weight, c->in->dims, c->shape));
    CN__TRY(read_groups(node, c->shape[1], &c->groups, &c->channels));
    return cn__onnx_window_read(node, c->in, cn__onnx_shape(onnx, c->in), c->shape + 2, &c->window);
}

/* Adds the layer, and has its weight and bias filled. */
static cn_status add_filled(cn__onnx *onnx, const cn__onnx_node *node, cn_layer *layer, int32_t weight, int32_t bias,
                            int32_t *at) {
    CN__TRY(cn__onnx_add_after(onnx, node, weight, bias, layer, at));
    CN__TRY(cn__onnx_fill(onnx, *at, 0, weight, CN__FILL_PLAIN, 1.0f));
    return bias < 0 ? CN_OK : cn__onnx_fill(onnx, *at, 1, bias, CN__FILL_PLAIN, 1.0f);
}

cn_status cn__onnx_conv(cn__onnx *onnx, const cn__onnx_node *node) {
    cn_conv2d_options o = CN_CONV2D_OPTIONS_INIT;
    convolution c;
    cn_layer *layer;
    CN__TRY(read_convolution(onnx, node, &c));
    const cn__onnx_window *w = &c.window;
    bool even = cn__onnx_window_is_even(w);
    int32_t at = c.in->layer;
    if (!even)
        CN__TRY(cn__onnx_pad(onnx, node, w->begin, w->end, CN_PADDING_ZEROS, 0.0f, &at));
    for (int d = 0; d < 2; d++) {
        o.stride[d] = (int)w->stride[d];
        o.dilation[d] = (int)w->dilation[d];
        o.padding[d] = even ? (int)w->begin[d] : 0;
    }
    o.groups = c.groups;
    o.bias = c.bias >= 0;
    CN__TRY(cn_conv2d_new(onnx->ctx, c.channels, (int)c.shape[0], (int)w->kernel[0], (int)w->kernel[1], &o, &layer));
    CN__TRY(add_filled(onnx, node, layer, c.weight, c.bias, &at));
    cn__onnx_give(onnx, node, 0, cn__onnx_view_new(onnx, at, c.in->dims));
    return CN_OK;
}

/* ---- transposed: pads are what the output loses ---- */

/* By output_shape, or to `stride` times the input's size. */
static cn_status read_output_shape(const cn__onnx_node *node, int sides, cn__shape in, int64_t gain[2],
                                   cn__onnx_window *window) {
    const int64_t size[2] = {in.height, in.width};
    bool upper = cn__onnx_string_is(node, "auto_pad", "NOTSET", "SAME_UPPER");
    bool same = upper || cn__onnx_string_is(node, "auto_pad", "NOTSET", "SAME_LOWER");
    int64_t wanted[CN_MAX_DIMS];
    int count;
    CN__TRY(cn__onnx_ints(node, "output_shape", wanted, &count));
    if (!same && count == 0)
        return CN_OK;
    if (count != 0 && count < sides)
        return cn__error(CN_ERR_FORMAT, "its output_shape has %d numbers, wanted %d", count, sides);
    for (int d = 2 - sides; d < 2; d++) {
        int64_t out = count ? wanted[count - 2 + d] : size[d] * window->stride[d];
        int64_t full = (size[d] - 1) * window->stride[d] + gain[d] + (window->kernel[d] - 1) * window->dilation[d] + 1;
        int64_t lost = out >= 1 && out < full ? full - out : 0; /* or as much is gained */
        window->begin[d] = upper ? lost / 2 : lost - lost / 2;
        window->end[d] = lost - window->begin[d];
        gain[d] += out > full && out - full <= CN__MAX_SIDE ? out - full : 0;
    }
    return CN_OK;
}

cn_status cn__onnx_conv_transpose(cn__onnx *onnx, const cn__onnx_node *node) {
    cn_conv_transpose2d_options o = CN_CONV_TRANSPOSE2D_OPTIONS_INIT;
    convolution c;
    cn_layer *layer;
    int64_t gain[2];
    CN__TRY(read_convolution(onnx, node, &c));
    CN__TRY(cn__onnx_sides(node, "output_padding", c.in->dims - 2, 0, 0, gain));
    CN__TRY(read_output_shape(node, c.in->dims - 2, cn__onnx_shape(onnx, c.in), gain, &c.window));
    const cn__onnx_window *w = &c.window;
    bool even = cn__onnx_window_is_even(w);
    for (int d = 0; d < 2; d++) {
        o.stride[d] = (int)w->stride[d];
        o.dilation[d] = (int)w->dilation[d];
        o.padding[d] = even ? (int)w->begin[d] : 0;
        o.output_padding[d] = (int)gain[d];
    }
    o.groups = c.groups;
    o.bias = c.bias >= 0;
    int32_t at = c.in->layer;
    CN__TRY(cn_conv_transpose2d_new(onnx->ctx, (int)c.shape[0], c.channels, (int)w->kernel[0], (int)w->kernel[1], &o,
                                    &layer));
    CN__TRY(add_filled(onnx, node, layer, c.weight, c.bias, &at));
    if (!even) {
        const int64_t begin[2] = {-w->begin[0], -w->begin[1]}, end[2] = {-w->end[0], -w->end[1]};
        CN__TRY(cn__onnx_pad(onnx, node, begin, end, CN_PADDING_ZEROS, 0.0f, &at));
    }
    cn__onnx_give(onnx, node, 0, cn__onnx_view_new(onnx, at, c.in->dims));
    return CN_OK;
}

/* ---- matrices ---- */

/* Features in and out of a matrix, [out, in] if it is `transposed`. */
static cn_status read_matrix(cn__onnx *onnx, int32_t value, bool transposed, int *in, int *out) {
    int64_t shape[CN_MAX_DIMS];
    int dims;
    if (!cn__onnx_constant_shape(onnx, value, &dims, shape))
        return cn__error(CN_ERR_UNSUPPORTED, "its weights are computed, not constants");
    if (dims != 2 || shape[0] < 1 || shape[1] < 1 || shape[0] > CN__MAX_SIDE || shape[1] > CN__MAX_SIDE)
        return cn__error(CN_ERR_UNSUPPORTED, "its weights have %d dimensions, wanted a matrix", dims);
    *in = (int)shape[transposed ? 1 : 0];
    *out = (int)shape[transposed ? 0 : 1];
    return CN_OK;
}

/* One number for all features, or one for each. */
static cn_status fill_bias(cn__onnx *onnx, int32_t layer, int32_t bias, int64_t features, float factor) {
    int64_t shape[CN_MAX_DIMS], count = 1;
    int dims;
    if (bias < 0)
        return CN_OK;
    if (!cn__onnx_constant_shape(onnx, bias, &dims, shape))
        return cn__error(CN_ERR_UNSUPPORTED, "what it adds is computed, not a constant");
    for (int i = 0; i < dims; i++)
        count *= shape[i];
    if (count != 1 && (count != features || shape[dims - 1] != features))
        return cn__error(CN_ERR_UNSUPPORTED, "it adds other numbers to each image");
    return cn__onnx_fill(onnx, layer, 1, bias, CN__FILL_SPREAD, factor);
}

cn_status cn__onnx_gemm(cn__onnx *onnx, const cn__onnx_node *node) {
    int32_t weight = cn__onnx_input(node, 1), bias = cn__onnx_input(node, 2);
    bool transposed = cn__onnx_int(node, "transB", 0) != 0;
    cn__onnx_view *view;
    cn_layer *layer;
    int in = 0, out = 0;
    if (cn__onnx_int(node, "transA", 0) != 0)
        return cn__error(CN_ERR_UNSUPPORTED, "its images are columns (transA)");
    CN__TRY(cn__onnx_image(onnx, node, cn__onnx_input(node, 0), &view));
    if (view->dims != 2)
        return cn__error(CN_ERR_FORMAT, "its input has %d dimensions, wanted 2", view->dims);
    CN__TRY(read_matrix(onnx, weight, transposed, &in, &out));
    CN__TRY(cn_linear_new(onnx->ctx, in, out, bias >= 0, &layer));
    int32_t at = view->layer;
    CN__TRY(cn__onnx_add_after(onnx, node, weight, bias, layer, &at));
    CN__TRY(cn__onnx_fill(onnx, at, 0, weight, transposed ? CN__FILL_PLAIN : CN__FILL_TRANSPOSED,
                          cn__onnx_float(node, "alpha", 1.0f)));
    CN__TRY(fill_bias(onnx, at, bias, out, cn__onnx_float(node, "beta", 1.0f)));
    cn__onnx_give(onnx, node, 0, cn__onnx_view_new(onnx, at, 2));
    return CN_OK;
}

/* Over the last axis: of flat features a linear layer, else a convolution of 1×1 where that axis is the channels, as in
 * networks that have turned their images to [N, H, W, C]. The third input, a bias, comes from patterns.c. */
cn_status cn__onnx_matmul(cn__onnx *onnx, const cn__onnx_node *node) {
    int32_t weight = cn__onnx_input(node, 1), bias = cn__onnx_input(node, 2);
    cn__onnx_axis axes[CN_MAX_DIMS];
    cn_conv2d_options o = CN_CONV2D_OPTIONS_INIT;
    cn__onnx_view *view;
    cn_layer *layer;
    int in = 0, out = 0;
    CN__TRY(cn__onnx_view_of(onnx, cn__onnx_input(node, 0), &view));
    if (view->dims == 2)
        CN__TRY(cn__onnx_image(onnx, node, cn__onnx_input(node, 0), &view));
    int dims = view->dims;
    CN__TRY(read_matrix(onnx, weight, node->transposed, &in, &out));
    if (dims < 2 || !cn__onnx_axes(onnx, view, axes) ||
        (axes[dims - 1] != CN__AXIS_CHANNELS && !(axes[dims - 1] == CN__AXIS_ONE && in == 1)))
        return cn__error(CN_ERR_UNSUPPORTED, "it is a product over other values than the channels");
    o.bias = bias >= 0;
    CN__TRY(dims == 2 ? cn_linear_new(onnx->ctx, in, out, bias >= 0, &layer)
                      : cn_conv2d_new(onnx->ctx, in, out, 1, 1, &o, &layer));
    int32_t at = view->layer;
    CN__TRY(cn__onnx_add_after(onnx, node, weight, bias, layer, &at));
    CN__TRY(cn__onnx_fill(onnx, at, 0, weight, node->transposed ? CN__FILL_PLAIN : CN__FILL_TRANSPOSED, 1.0f));
    CN__TRY(fill_bias(onnx, at, bias, out, 1.0f));
    axes[dims - 1] = CN__AXIS_CHANNELS;
    cn__onnx_give(onnx, node, 0, cn__onnx_view_by_axes(onnx, at, dims, axes));
    return CN_OK;
}
