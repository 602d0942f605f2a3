/* SPDX-License-Identifier: MIT */
/* arithmetic.c: sums, products and maxima of what layers give, and of constants: one number for all, or one for each
 * channel, which is a parameter. */
#include "onnx/operators.h"
#include <float.h>

/* ---- what axes have in common ---- */

static int32_t side_of(const cn__onnx *onnx, const cn__onnx_view *view, cn__onnx_axis axis) {
    cn__shape shape = cn__onnx_shape(onnx, view);
    return axis == CN__AXIS_CHANNELS ? shape.channels
           : axis == CN__AXIS_HEIGHT ? shape.height
           : axis == CN__AXIS_WIDTH  ? shape.width
                                     : 0;
}

/* An axis of a view, counted as if it had `dims`, as ONNX counts them: from the last one. */
typedef struct side {
    cn__onnx_axis axis;
    int64_t size;
} side;

static side side_at(const cn__onnx *onnx, const cn__onnx_view *view, int dims, int i) {
    int axis = i - (dims - view->dims);
    return axis < 0 ? (side){CN__AXIS_ONE, 1} : (side){cn__onnx_axis_at(onnx, view, axis), view->size[axis]};
}

/* Whether what is one element of a's layer meets b, an axis of its layer. */
static bool meets(const cn__onnx *onnx, const cn__onnx_view *view, side a, side b) {
    return (a.axis == CN__AXIS_ONE || (a.axis == CN__AXIS_REPEATED && a.size == b.size)) &&
           side_of(onnx, view, b.axis) == 1;
}

/* Two axes above each other; CN__AXIS_OTHER: they do not fit. An axis of one element is of whatever kind the other is,
 * if its layer has one element there. */
static cn__onnx_axis join(const cn__onnx *onnx, const cn__onnx_view *view_a, side a, const cn__onnx_view *view_b,
                          side b) {
    if (a.axis == b.axis)
        return a.axis == CN__AXIS_REPEATED ? CN__AXIS_OTHER : a.axis;
    if (meets(onnx, view_a, a, b))
        return b.axis;
    return meets(onnx, view_b, b, a) ? a.axis : CN__AXIS_OTHER;
}

static bool align(const cn__onnx *onnx, const cn__onnx_view *a, const cn__onnx_view *b, int dims,
                  cn__onnx_axis axes[CN_MAX_DIMS]) {
    for (int i = 0; i < dims; i++) {
        axes[i] = join(onnx, a, side_at(onnx, a, dims, i), b, side_at(onnx, b, dims, i));
        if (axes[i] == CN__AXIS_OTHER)
            return false;
    }
    return true;
}

/* The axes of what comes of two inputs, which are brought into order if need be. */
static cn_status align_inputs(cn__onnx *onnx, const cn__onnx_node *node, int32_t a, int32_t b, int *dims,
                              cn__onnx_axis axes[CN_MAX_DIMS]) {
    cn__onnx_view *va, *vb;
    CN__TRY(cn__onnx_view_of(onnx, a, &va));
    CN__TRY(cn__onnx_view_of(onnx, b, &vb));
    *dims = va->dims > vb->dims ? va->dims : vb->dims;
    if (onnx->opset < 7 && va->dims != vb->dims)
        return cn__error(CN_ERR_UNSUPPORTED, "its inputs have %d and %d dimensions", va->dims, vb->dims);
    if (align(onnx, va, vb, *dims, axes))
        return CN_OK;
    CN__TRY(cn__onnx_image(onnx, node, a, &va));
    CN__TRY(cn__onnx_image(onnx, node, b, &vb));
    if (align(onnx, va, vb, *dims, axes))
        return CN_OK;
    return cn__error(CN_ERR_UNSUPPORTED, "its inputs meet in other dimensions than channels, height and width");
}

/* ---- two layers ---- */

typedef enum arithmetic { ADD, SUBTRACT, MULTIPLY, DIVIDE, MAXIMUM, MINIMUM } arithmetic;

static cn_status add_two(cn__onnx *onnx, const cn__onnx_node *node, bool product, int32_t a, int32_t b, int32_t *out) {
    const int32_t inputs[2] = {a, b};
    cn_layer *layer;
    CN__TRY(product ? cn_mul_new(onnx->ctx, &layer) : cn_add_new(onnx->ctx, &layer));
    return cn__onnx_add(onnx, node, NULL, layer, 2, inputs, out);
}

/* a - b. */
static cn_status subtract_two(cn__onnx *onnx, const cn__onnx_node *node, int32_t a, int32_t b, int32_t *out) {
    CN__TRY(cn__onnx_affine(onnx, node, -1.0, 0.0, &b));
    return add_two(onnx, node, false, a, b, out);
}

/* max(a, b) = b + max(a - b, 0); min(a, b) = b - max(b - a, 0). */
static cn_status greater_of_two(cn__onnx *onnx, const cn__onnx_node *node, bool maximum, int32_t a, int32_t b,
                                int32_t *out) {
    cn_layer *layer;
    int32_t excess;
    CN__TRY(maximum ? subtract_two(onnx, node, a, b, &excess) : subtract_two(onnx, node, b, a, &excess));
    CN__TRY(cn__onnx_chain(onnx, node, cn_relu_new(onnx->ctx, &layer), &layer, &excess));
    return maximum ? add_two(onnx, node, false, b, excess, out) : subtract_two(onnx, node, b, excess, out);
}

static cn_status combine_layers(cn__onnx *onnx, const cn__onnx_node *node, arithmetic operation, int32_t a, int32_t b,
                                int32_t *out) {
    switch (operation) {
    case ADD:
        return add_two(onnx, node, false, a, b, out);
    case SUBTRACT:
        return subtract_two(onnx, node, a, b, out);
    case MULTIPLY:
        return add_two(onnx, node, true, a, b, out);
    case DIVIDE:
        return cn__error(CN_ERR_UNSUPPORTED, "it divides by what a layer gives");
    case MAXIMUM:
    case MINIMUM:
        break;
    }
    return greater_of_two(onnx, node, operation == MAXIMUM, a, b, out);
}

/* ---- a layer and a constant ---- */

cn_status cn__onnx_by_channel(cn__onnx *onnx, const cn__onnx_node *node, const cn__onnx_view *view, int32_t constant,
                              int64_t *count) {
    int64_t shape[CN_MAX_DIMS];
    int dims, first;
    *count = 1;
    if (!cn__onnx_constant_shape(onnx, constant, &dims, shape))
        return cn__error(CN_ERR_UNSUPPORTED, "one of its inputs is computed, not a constant");
    first = view->dims - dims;
    if (onnx->opset < 7 && first > 0 && dims > 0)
        CN__TRY(cn__onnx_axis_of(cn__onnx_int(node, "axis", first), view->dims, &first));
    if (first < 0 || first + dims > view->dims)
        return cn__error(CN_ERR_UNSUPPORTED, "its constant has more dimensions than what it meets");
    for (int i = 0; i < dims; i++) {
        int axis = first + i;
        if (shape[i] != 1 && (cn__onnx_axis_at(onnx, view, axis) != CN__AXIS_CHANNELS || shape[i] != view->size[axis]))
            return cn__error(CN_ERR_UNSUPPORTED, "its constant has other numbers for each pixel or image");
        *count *= shape[i];
    }
    return CN_OK;
}

/* x + c, x - c, c - x, x · c or x / c with one number. */
static cn_status with_number(cn__onnx *onnx, const cn__onnx_node *node, arithmetic operation, double c, bool reversed,
                             int32_t *at) {
    switch (operation) {
    case ADD:
        return cn__onnx_affine(onnx, node, 1.0, c, at);
    case SUBTRACT:
        return cn__onnx_affine(onnx, node, reversed ? -1.0 : 1.0, reversed ? c : -c, at);
    case MULTIPLY:
        return cn__onnx_affine(onnx, node, c, 0.0, at);
    case DIVIDE:
        if (reversed || c == 0.0)
            return cn__error(CN_ERR_UNSUPPORTED, "it divides by %s", c == 0.0 ? "0" : "what a layer gives");
        return cn__onnx_affine(onnx, node, 1.0 / c, 0.0, at);
    case MAXIMUM:
        return cn__onnx_clamp(onnx, node, c, (double)FLT_MAX, at);
    case MINIMUM:
        break;
    }
    return cn__onnx_clamp(onnx, node, (double)-FLT_MAX, c, at);
}

/* The same with a number for each channel: a convolution of one pixel, channel by channel. */
static cn_status with_channels(cn__onnx *onnx, const cn__onnx_node *node, arithmetic operation, int32_t constant,
                               bool reversed, int32_t *at) {
    bool sum = operation == ADD || operation == SUBTRACT;
    cn_conv2d_options o = CN_CONV2D_OPTIONS_INIT;
    cn_layer *layer;
    if ((operation == DIVIDE && reversed) || operation == MAXIMUM || operation == MINIMUM)
        return cn__error(CN_ERR_UNSUPPORTED, "it has a bound or divisor for each channel");
    int channels = o.groups = cn__model_shape(onnx->model, *at).channels;
    o.bias = sum;
    CN__TRY(cn_conv2d_new(onnx->ctx, channels, channels, 1, 1, &o, &layer));
    CN__TRY(cn__onnx_add_after(onnx, node, sum ? -1 : constant, sum ? constant : -1, layer, at));
    bool negative = operation == SUBTRACT && !reversed;
    if (!sum)
        return cn__onnx_fill(onnx, *at, 0, constant, operation == DIVIDE ? CN__FILL_RECIPROCAL : CN__FILL_PLAIN, 1.0f);
    CN__TRY(cn__onnx_fill(onnx, *at, 0, -1, CN__FILL_NUMBER, operation == SUBTRACT && reversed ? -1.0f : 1.0f));
    return cn__onnx_fill(onnx, *at, 1, constant, negative ? CN__FILL_NEGATIVE : CN__FILL_PLAIN, 1.0f);
}

static cn_status with_constant(cn__onnx *onnx, const cn__onnx_node *node, arithmetic operation, int32_t value,
                               int32_t constant, bool reversed, cn__onnx_view *out) {
    cn__onnx_axis axes[CN_MAX_DIMS];
    cn__onnx_view *view;
    int64_t count;
    double number;
    CN__TRY(cn__onnx_view_of(onnx, value, &view));
    if (!cn__onnx_scalar(onnx, constant, &number) && !cn__onnx_axes(onnx, view, axes))
        CN__TRY(cn__onnx_image(onnx, node, value, &view));
    CN__TRY(cn__onnx_by_channel(onnx, node, view, constant, &count));
    *out = *view;
    return count == 1 && cn__onnx_scalar(onnx, constant, &number)
               ? with_number(onnx, node, operation, number, reversed, &out->layer)
               : with_channels(onnx, node, operation, constant, reversed, &out->layer);
}

/* ---- operators of two inputs, or of any number ---- */

static bool is_layer(const cn__onnx *onnx, int32_t value) {
    return value >= 0 && onnx->values[value].view.layer != CN__ONNX_NO_LAYER;
}

static cn_status combine(cn__onnx *onnx, const cn__onnx_node *node, arithmetic operation, int32_t a, int32_t b,
                         cn__onnx_view *out) {
    cn__onnx_axis axes[CN_MAX_DIMS];
    int32_t layer = -1;
    int dims;
    if (a < 0 || b < 0)
        return cn__error(CN_ERR_FORMAT, "an input is missing");
    if (!is_layer(onnx, b))
        return with_constant(onnx, node, operation, a, b, false, out);
    if (!is_layer(onnx, a))
        return with_constant(onnx, node, operation, b, a, true, out);
    CN__TRY(align_inputs(onnx, node, a, b, &dims, axes));
    CN__TRY(combine_layers(onnx, node, operation, onnx->values[a].view.layer, onnx->values[b].view.layer, &layer));
    *out = cn__onnx_view_by_axes(onnx, layer, dims, axes);
    return CN_OK;
}

static cn_status binary(cn__onnx *onnx, const cn__onnx_node *node, arithmetic operation) {
    cn__onnx_view out;
    CN__TRY(combine(onnx, node, operation, cn__onnx_input(node, 0), cn__onnx_input(node, 1), &out));
    cn__onnx_give(onnx, node, 0, out);
    return CN_OK;
}

/* Any number of inputs, in their order: the output takes the part of what was made of those before. */
static cn_status fold(cn__onnx *onnx, const cn__onnx_node *node, arithmetic operation) {
    int32_t so_far = cn__onnx_input(node, 0);
    cn__onnx_view *first, out;
    if (node->input_count < 2) {
        CN__TRY(cn__onnx_view_of(onnx, so_far, &first));
        cn__onnx_give(onnx, node, 0, *first);
        return CN_OK;
    }
    for (int i = 1; i < node->input_count; i++) {
        CN__TRY(combine(onnx, node, operation, so_far, cn__onnx_input(node, i), &out));
        cn__onnx_give(onnx, node, 0, out);
        so_far = node->outputs[0];
    }
    return CN_OK;
}

#define OF_INPUTS(operator, how, operation)                                                                            \
    cn_status cn__onnx_##operator(cn__onnx *onnx, const cn__onnx_node *node) {                                         \
        return how(onnx, node, operation);                                                                             \
    }

OF_INPUTS(plus, binary, ADD)
OF_INPUTS(minus, binary, SUBTRACT)
OF_INPUTS(times, binary, MULTIPLY)
OF_INPUTS(over, binary, DIVIDE)
OF_INPUTS(sum, fold, ADD)
OF_INPUTS(max, fold, MAXIMUM)
OF_INPUTS(min, fold, MINIMUM)

cn_status cn__onnx_negative(cn__onnx *onnx, const cn__onnx_node *node) {
    cn__onnx_view *in, out;
    CN__TRY(cn__onnx_view_of(onnx, cn__onnx_input(node, 0), &in));
    out = *in;
    CN__TRY(cn__onnx_affine(onnx, node, -1.0, 0.0, &out.layer));
    cn__onnx_give(onnx, node, 0, out);
    return CN_OK;
}

/* Small whole powers, as products. */
cn_status cn__onnx_pow(cn__onnx *onnx, const cn__onnx_node *node) {
    cn__onnx_view *in, out;
    double exponent;
    CN__TRY(cn__onnx_view_of(onnx, cn__onnx_input(node, 0), &in));
    if (!cn__onnx_scalar(onnx, cn__onnx_input(node, 1), &exponent))
        return cn__error(CN_ERR_UNSUPPORTED, "its exponent is not one constant number");
    if (exponent != 1.0 && exponent != 2.0 && exponent != 3.0 && exponent != 4.0)
        return cn__error(CN_ERR_UNSUPPORTED, "its exponent is %g, not 1, 2, 3 or 4", exponent);
    out = *in;
    for (int i = 1; i < (int)exponent; i++)
        CN__TRY(add_two(onnx, node, true, out.layer, in->layer, &out.layer));
    cn__onnx_give(onnx, node, 0, out);
    return CN_OK;
}
