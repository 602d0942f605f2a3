/* SPDX-License-Identifier: MIT */
/* views.c: tensors of the graph as arrangements of what layers give: sizes and strides, as in NumPy. */
#include "onnx/importer.h"

/* An axis of more than one element. */
typedef struct step {
    int64_t size, stride;
} step;

cn__shape cn__onnx_shape(const cn__onnx *onnx, const cn__onnx_view *view) {
    return cn__model_shape(onnx->model, view->layer);
}

cn__onnx_axis cn__onnx_axis_at(const cn__onnx *onnx, const cn__onnx_view *view, int axis) {
    cn__shape shape = cn__onnx_shape(onnx, view);
    int64_t size = view->size[axis], stride = view->stride[axis], row = shape.width, plane = row * shape.height;
    if (axis == view->images)
        return CN__AXIS_IMAGES;
    if (size == 1)
        return CN__AXIS_ONE;
    if (stride == 0)
        return CN__AXIS_REPEATED;
    if (size == shape.channels && stride == plane)
        return CN__AXIS_CHANNELS;
    if (size == shape.height && stride == row)
        return CN__AXIS_HEIGHT;
    return size == shape.width && stride == 1 ? CN__AXIS_WIDTH : CN__AXIS_OTHER;
}

bool cn__onnx_axes(const cn__onnx *onnx, const cn__onnx_view *view, cn__onnx_axis axes[CN_MAX_DIMS]) {
    bool known = true;
    for (int i = 0; i < view->dims; i++) {
        axes[i] = cn__onnx_axis_at(onnx, view, i);
        known = known && axes[i] != CN__AXIS_OTHER && axes[i] != CN__AXIS_REPEATED;
    }
    return known;
}

cn__onnx_view cn__onnx_view_new(const cn__onnx *onnx, int32_t layer, int dims) {
    cn__shape shape = cn__model_shape(onnx->model, layer);
    cn__onnx_view view = {.layer = layer, .dims = dims};
    int64_t plane = (int64_t)shape.height * shape.width;
    const step steps[3] = {{shape.channels, plane}, {shape.height, shape.width}, {shape.width, 1}};
    for (int i = 1; i < dims; i++) {
        const step *s = &steps[i == 2 && dims == 3 ? 2 : i - 1];
        /* NOLINTNEXTLINE(clang-analyzer-core.uninitialized.Assign): views of layers have at most 4 dimensions */
        view.size[i] = s->size;
        view.stride[i] = s->stride;
    }
    return view;
}

cn__onnx_view cn__onnx_view_by_axes(const cn__onnx *onnx, int32_t layer, int dims, const cn__onnx_axis *axes) {
    cn__shape shape = cn__model_shape(onnx->model, layer);
    cn__onnx_view view = {.layer = layer, .dims = dims, .images = -1};
    int64_t plane = (int64_t)shape.height * shape.width;
    for (int i = 0; i < dims; i++) {
        step s = {1, 0};
        if (axes[i] == CN__AXIS_IMAGES)
            view.images = i;
        else if (axes[i] == CN__AXIS_CHANNELS)
            s = (step){shape.channels, plane};
        else if (axes[i] == CN__AXIS_HEIGHT)
            s = (step){shape.height, shape.width};
        else if (axes[i] == CN__AXIS_WIDTH)
            s = (step){shape.width, 1};
        view.size[i] = s.size;
        view.stride[i] = s.stride;
    }
    return view;
}

cn_status cn__onnx_view_of(cn__onnx *onnx, int32_t value, cn__onnx_view **view) {
    *view = NULL;
    if (value < 0)
        return cn__error(CN_ERR_FORMAT, "an input is missing");
    if (onnx->values[value].view.layer == CN__ONNX_NO_LAYER)
        return cn__error(CN_ERR_UNSUPPORTED, "its input '%.*s' is a constant", CN__SHOWN(onnx->values[value].name));
    *view = &onnx->values[value].view;
    return CN_OK;
}

/* ---- other dimensions for the same order ---- */

/* The view's axes of more than one element, but for that of images; how many. */
static int steps_of(const cn__onnx_view *view, step steps[CN_MAX_DIMS]) {
    int count = 0;
    for (int i = 0; i < view->dims; i++)
        if (i != view->images && view->size[i] != 1)
            steps[count++] = (step){view->size[i], view->stride[i]};
    return count;
}

static bool steps_join(const step *steps, int count) {
    for (int i = 0; i + 1 < count; i++)
        if (steps[i].stride != steps[i + 1].stride * steps[i + 1].size)
            return false;
    return true;
}

bool cn__onnx_view_in_order(const cn__onnx_view *view) {
    step steps[CN_MAX_DIMS];
    int count = steps_of(view, steps);
    return view->images == 0 && steps_join(steps, count) && (count == 0 || steps[count - 1].stride == 1);
}

/* Takes axes of both sides, from the front, until they hold as many elements: those of the old side must join. */
bool cn__onnx_view_reshape(const cn__onnx_view *view, int dims, const int64_t *shape, int images, cn__onnx_view *out) {
    step steps[CN_MAX_DIMS];
    int count = steps_of(view, steps), old = 0;
    if (view->images != 0 || images != 0)
        return false;
    *out = (cn__onnx_view){.layer = view->layer, .dims = dims, .images = images};
    for (int begin = 1, end; begin < dims; begin = end) {
        int first = old;
        int64_t wanted = shape[begin], have = 1;
        end = begin + 1;
        while (have != wanted) {
            if (have < wanted && old < count)
                have *= steps[old++].size;
            else if (have > wanted && end < dims)
                wanted *= shape[end++];
            else
                return false;
        }
        if (!steps_join(steps + first, old - first))
            return false;
        int64_t stride = old > first ? steps[old - 1].stride : 0;
        for (int i = end - 1; i >= begin; i--) {
            out->size[i] = shape[i];
            out->stride[i] = stride;
            stride *= shape[i];
        }
    }
    return old == count;
}

/* ---- another order ---- */

/* Whether the view's axes are these, of which those of one element do not count. */
static bool steps_are(const cn__onnx_view *view, const step *wanted, int count) {
    step steps[CN_MAX_DIMS];
    int have = steps_of(view, steps), at = 0;
    for (int i = 0; i < count; i++)
        if (wanted[i].size != 1) {
            if (at == have || steps[at].size != wanted[i].size || steps[at].stride != wanted[i].stride)
                return false;
            at++;
        }
    return at == have;
}

/* The ways in which exporters write out a layer that puts values elsewhere, with a number of groups or a factor that is
 * the size of one of the view's axes. */

/* Two axes of channels that have changed places. */
static bool shuffles_channels(const cn__onnx_view *view, cn__shape shape, int64_t groups) {
    int64_t n = shape.channels / groups, w = shape.width, plane = w * shape.height;
    const step apart[] = {{n, plane}, {groups, n * plane}, {shape.height, w}, {w, 1}};
    const step joined[] = {{n, plane}, {groups, n * plane}, {plane, 1}};
    return n * groups == shape.channels && (steps_are(view, apart, 4) || steps_are(view, joined, 3));
}

/* Channels that have become rows and columns. */
static bool shuffles_pixels(const cn__onnx_view *view, cn__shape shape, int64_t r) {
    int64_t w = shape.width, plane = w * shape.height, c = r <= shape.channels ? shape.channels / (r * r) : 0;
    const step steps[] = {{c, r * r * plane}, {shape.height, w}, {r, r * plane}, {w, 1}, {r, plane}};
    return c * r * r == shape.channels && steps_are(view, steps, 5);
}

static bool unshuffles_pixels(const cn__onnx_view *view, cn__shape shape, int64_t r) {
    int64_t w = shape.width, plane = w * shape.height;
    const step steps[] = {{shape.channels, plane}, {r, w}, {r, 1}, {shape.height / r, r * w}, {w / r, r}};
    return shape.height % r == 0 && w % r == 0 && steps_are(view, steps, 5);
}

static cn_status new_order_layer(cn__onnx *onnx, const cn__onnx_view *view, cn_layer **layer) {
    cn__shape shape = cn__onnx_shape(onnx, view);
    for (int i = 0; i < view->dims && view->images == 0; i++) {
        int64_t n = view->size[i];
        if (i == view->images || n < 2 || n > CN__MAX_SIDE)
            continue;
        if (shuffles_channels(view, shape, n))
            return cn_channel_shuffle_new(onnx->ctx, (int)n, layer);
        if (shuffles_pixels(view, shape, n))
            return cn_pixel_shuffle_new(onnx->ctx, (int)n, layer);
        if (unshuffles_pixels(view, shape, n))
            return cn_pixel_unshuffle_new(onnx->ctx, (int)n, layer);
    }
    return cn__error(CN_ERR_UNSUPPORTED, "it wants values in an order that no layer gives");
}

/* A layer that brings the values into the view's order. */
static cn_status put_in_order(cn__onnx *onnx, const cn__onnx_node *node, cn__onnx_view *view) {
    cn_layer *layer;
    CN__TRY(new_order_layer(onnx, view, &layer));
    CN__TRY(cn__onnx_chain(onnx, node, CN_OK, &layer, &view->layer));
    int64_t stride = 1;
    for (int i = view->dims - 1; i > 0; i--) {
        view->stride[i] = stride;
        stride *= view->size[i];
    }
    return CN_OK;
}

cn_status cn__onnx_ordered(cn__onnx *onnx, const cn__onnx_node *node, cn__onnx_view *view) {
    return cn__onnx_view_in_order(view) ? CN_OK : put_in_order(onnx, node, view);
}

cn_status cn__onnx_image(cn__onnx *onnx, const cn__onnx_node *node, int32_t value, cn__onnx_view **out) {
    cn_layer *layer;
    CN__TRY(cn__onnx_view_of(onnx, value, out));
    cn__onnx_view *view = *out;
    if (onnx->values[value].producer >= 0) /* after which the layer is called */
        node = &onnx->nodes[onnx->values[value].producer];
    if (view->dims < 1 || view->dims > 4)
        return cn__error(CN_ERR_UNSUPPORTED, "its input has %d dimensions, layers have up to 4", view->dims);
    CN__TRY(cn__onnx_ordered(onnx, node, view));
    int64_t c = view->dims > 1 ? view->size[1] : 1, h = view->dims > 3 ? view->size[2] : 1;
    int64_t w = view->dims > 2 ? view->size[view->dims - 1] : 1;
    cn__shape shape = cn__onnx_shape(onnx, view);
    if (shape.channels == c && shape.height == h && shape.width == w)
        return CN_OK;
    if (c > CN__MAX_SIDE || h > CN__MAX_SIDE || w > CN__MAX_SIDE)
        return cn__error(CN_ERR_SHAPE, "its input is larger than %d along a dimension", CN__MAX_SIDE);
    cn_status status = h == 1 && w == 1 ? cn_flatten_new(onnx->ctx, &layer)
                                        : cn_reshape_new(onnx->ctx, (int)c, (int)h, (int)w, &layer);
    CN__TRY(cn__onnx_chain(onnx, node, status, &layer, &view->layer));
    *view = cn__onnx_view_new(onnx, view->layer, view->dims);
    return CN_OK;
}
