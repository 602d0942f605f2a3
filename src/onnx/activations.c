/* SPDX-License-Identifier: MIT */
/* activations.c: functions of each element, and softmax. */
#include "onnx/operators.h"
#include <float.h>

/* The only input's layer, to which others are added; the output is then seen as the input was. */
static cn_status begin(cn__onnx *onnx, const cn__onnx_node *node, cn__onnx_view *view) {
    cn__onnx_view *in;
    CN__TRY(cn__onnx_view_of(onnx, cn__onnx_input(node, 0), &in));
    *view = *in;
    return CN_OK;
}

/* A layer, which a constructor has made with `status`. */
static cn_status apply(cn__onnx *onnx, const cn__onnx_node *node, cn_status status, cn_layer *layer) {
    cn__onnx_view view;
    if (status != CN_OK)
        return status;
    status = begin(onnx, node, &view);
    if (status != CN_OK) {
        cn_layer_free(layer);
        return status;
    }
    CN__TRY(cn__onnx_chain(onnx, node, CN_OK, &layer, &view.layer));
    cn__onnx_give(onnx, node, 0, view);
    return CN_OK;
}

#define PLAIN(operator, constructor)                                                                                   \
    cn_status cn__onnx_##operator(cn__onnx *onnx, const cn__onnx_node *node) {                                         \
        cn_layer *layer;                                                                                               \
        cn_status status = constructor(onnx->ctx, &layer);                                                             \
        return apply(onnx, node, status, layer);                                                                       \
    }

PLAIN(relu, cn_relu_new)
PLAIN(sigmoid, cn_sigmoid_new)
PLAIN(tanh, cn_tanh_new)
PLAIN(silu, cn_silu_new)
PLAIN(mish, cn_mish_new)
PLAIN(softsign, cn_softsign_new)
PLAIN(hard_swish, cn_hardswish_new)

cn_status cn__onnx_leaky_relu(cn__onnx *onnx, const cn__onnx_node *node) {
    cn_layer *layer;
    cn_status status = cn_leaky_relu_new(onnx->ctx, cn__onnx_float(node, "alpha", 0.01f), &layer);
    return apply(onnx, node, status, layer);
}

cn_status cn__onnx_elu(cn__onnx *onnx, const cn__onnx_node *node) {
    cn_layer *layer;
    cn_status status = cn_elu_new(onnx->ctx, cn__onnx_float(node, "alpha", 1.0f), &layer);
    return apply(onnx, node, status, layer);
}

/* gamma · ELU. */
cn_status cn__onnx_selu(cn__onnx *onnx, const cn__onnx_node *node) {
    float alpha = cn__onnx_float(node, "alpha", 1.67326319217681884765625f);
    float gamma = cn__onnx_float(node, "gamma", 1.05070102214813232421875f);
    cn__onnx_view view;
    cn_layer *layer;
    CN__TRY(begin(onnx, node, &view));
    CN__TRY(cn__onnx_chain(onnx, node, cn_elu_new(onnx->ctx, alpha, &layer), &layer, &view.layer));
    CN__TRY(cn__onnx_affine(onnx, node, (double)gamma, 0.0, &view.layer));
    cn__onnx_give(onnx, node, 0, view);
    return CN_OK;
}

/* log(1 + e^x); beyond 20 that is x to the last bit. */
cn_status cn__onnx_softplus(cn__onnx *onnx, const cn__onnx_node *node) {
    cn_layer *layer;
    cn_status status = cn_softplus_new(onnx->ctx, node->rewritten ? (float)node->beta : 1.0f,
                                       node->rewritten ? (float)node->threshold : 20.0f, &layer);
    return apply(onnx, node, status, layer);
}

static cn_status gelu(cn__onnx *onnx, const cn__onnx_node *node, bool tanh) {
    cn_layer *layer;
    cn_status status = cn_gelu_new(onnx->ctx, tanh ? CN_GELU_TANH : CN_GELU_EXACT, &layer);
    return apply(onnx, node, status, layer);
}

cn_status cn__onnx_gelu(cn__onnx *onnx, const cn__onnx_node *node) {
    return gelu(onnx, node, cn__onnx_string_is(node, "approximate", "none", "tanh"));
}

cn_status cn__onnx_gelu_tanh(cn__onnx *onnx, const cn__onnx_node *node) {
    return gelu(onnx, node, true);
}

/* max(0, min(1, alpha · x + beta)); PyTorch's, of alpha 1/6 and beta 1/2, is a layer of its own. */
cn_status cn__onnx_hard_sigmoid(cn__onnx *onnx, const cn__onnx_node *node) {
    float alpha = cn__onnx_float(node, "alpha", 0.2f), beta = cn__onnx_float(node, "beta", 0.5f);
    cn__onnx_view view;
    cn_layer *layer;
    CN__TRY(begin(onnx, node, &view));
    if (node->rewritten || (fabsf(alpha - 1.0f / 6.0f) < 1e-6f && beta == 0.5f)) {
        CN__TRY(cn__onnx_chain(onnx, node, cn_hardsigmoid_new(onnx->ctx, &layer), &layer, &view.layer));
    } else {
        CN__TRY(cn__onnx_affine(onnx, node, (double)alpha, (double)beta, &view.layer));
        CN__TRY(cn__onnx_chain(onnx, node, cn_hardtanh_new(onnx->ctx, 0.0f, 1.0f, &layer), &layer, &view.layer));
    }
    cn__onnx_give(onnx, node, 0, view);
    return CN_OK;
}

static float bounded(double number) {
    return number > (double)FLT_MAX ? FLT_MAX : number < (double)-FLT_MAX ? -FLT_MAX : (float)number;
}

cn_status cn__onnx_clamp(cn__onnx *onnx, const cn__onnx_node *node, double least, double most, int32_t *layer) {
    cn_layer *made;
    bool from_zero = least == 0.0, open = most >= (double)FLT_MAX;
    cn_status status = from_zero && open          ? cn_relu_new(onnx->ctx, &made)
                       : from_zero && most == 6.0 ? cn_relu6_new(onnx->ctx, &made)
                                                  : cn_hardtanh_new(onnx->ctx, bounded(least), bounded(most), &made);
    return cn__onnx_chain(onnx, node, status, &made, layer);
}

/* Bounds are attributes up to opset 10, then inputs. */
cn_status cn__onnx_clip(cn__onnx *onnx, const cn__onnx_node *node) {
    double bounds[2] = {(double)cn__onnx_float(node, "min", -FLT_MAX), (double)cn__onnx_float(node, "max", FLT_MAX)};
    cn__onnx_view view;
    CN__TRY(begin(onnx, node, &view));
    for (int i = 0; i < 2; i++)
        if (cn__onnx_input(node, i + 1) >= 0 && !cn__onnx_scalar(onnx, cn__onnx_input(node, i + 1), &bounds[i]))
            return cn__error(CN_ERR_UNSUPPORTED, "its bounds are computed, not constants");
    if (bounds[0] > (double)-FLT_MAX || bounds[1] < (double)FLT_MAX)
        CN__TRY(cn__onnx_clamp(onnx, node, bounds[0], bounds[1], &view.layer));
    cn__onnx_give(onnx, node, 0, view);
    return CN_OK;
}

/* A slope for all, or one for each channel. */
cn_status cn__onnx_prelu(cn__onnx *onnx, const cn__onnx_node *node) {
    int32_t slope = cn__onnx_input(node, 1);
    int64_t count;
    cn__onnx_view *in;
    cn_layer *layer;
    CN__TRY(cn__onnx_image(onnx, node, cn__onnx_input(node, 0), &in));
    CN__TRY(cn__onnx_by_channel(onnx, node, in, slope, &count));
    CN__TRY(cn_prelu_new(onnx->ctx, (int)count, &layer));
    int32_t at = in->layer;
    CN__TRY(cn__onnx_add_after(onnx, node, slope, -1, layer, &at));
    CN__TRY(cn__onnx_fill(onnx, at, 0, slope, CN__FILL_PLAIN, 1.0f));
    cn__onnx_give(onnx, node, 0, cn__onnx_view_new(onnx, at, in->dims));
    return CN_OK;
}

typedef cn_status constructor(cn_context *context, cn_layer **layer);

/* Over all values of an image, which go through it flat. */
static cn_status softmax_of_all(cn__onnx *onnx, const cn__onnx_node *node, constructor *make) {
    cn__onnx_view *view, flat, out;
    cn_layer *layer;
    CN__TRY(cn__onnx_image(onnx, node, cn__onnx_input(node, 0), &view));
    int32_t at = view->layer;
    CN__TRY(cn__onnx_chain(onnx, node, cn_flatten_new(onnx->ctx, &layer), &layer, &at));
    CN__TRY(cn__onnx_chain(onnx, node, make(onnx->ctx, &layer), &layer, &at));
    flat = cn__onnx_view_new(onnx, at, 2);
    if (!cn__onnx_view_reshape(&flat, view->dims, view->size, 0, &out))
        return cn__error(CN_ERR_SHAPE, "its output has other dimensions than its input");
    cn__onnx_give(onnx, node, 0, out);
    return CN_OK;
}

/* Before opset 13 over all dimensions from `axis` on together. */
static cn_status softmax(cn__onnx *onnx, const cn__onnx_node *node, constructor *make) {
    bool together = onnx->opset < 13;
    cn__onnx_axis axes[CN_MAX_DIMS];
    cn__onnx_view *view;
    cn_layer *layer;
    int axis;
    CN__TRY(cn__onnx_view_of(onnx, cn__onnx_input(node, 0), &view));
    CN__TRY(cn__onnx_axis_of(cn__onnx_int(node, "axis", together ? 1 : -1), view->dims, &axis));
    if (view->dims == 2)
        CN__TRY(cn__onnx_image(onnx, node, cn__onnx_input(node, 0), &view));
    bool covered =
        cn__onnx_axes(onnx, view, axes) &&
        (axes[axis] == CN__AXIS_CHANNELS || (axes[axis] == CN__AXIS_ONE && cn__onnx_shape(onnx, view).channels == 1));
    for (int i = axis + 1; i < view->dims && together; i++)
        covered = covered && view->size[i] == 1;
    if (!covered && together && axis == 1)
        return softmax_of_all(onnx, node, make);
    if (!covered)
        return cn__error(CN_ERR_UNSUPPORTED, "it is over other values than the channels");
    int32_t at = view->layer;
    CN__TRY(cn__onnx_chain(onnx, node, make(onnx->ctx, &layer), &layer, &at));
    cn__onnx_give(onnx, node, 0, cn__onnx_view_by_axes(onnx, at, view->dims, axes));
    return CN_OK;
}

cn_status cn__onnx_softmax(cn__onnx *onnx, const cn__onnx_node *node) {
    return softmax(onnx, node, cn_softmax_new);
}

cn_status cn__onnx_log_softmax(cn__onnx *onnx, const cn__onnx_node *node) {
    return softmax(onnx, node, cn_log_softmax_new);
}
