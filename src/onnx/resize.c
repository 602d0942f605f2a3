/* SPDX-License-Identifier: MIT */
/* resize.c: Resize and Upsample. ONNX has a dozen ways to find where a pixel comes from; those that are torch's are
 * covered, and others where they come to the same pixels. */
#include "onnx/operators.h"

/* Of height and width: the sides, and the factors that the file gives; 0: it gives sides. */
typedef struct resizing {
    int64_t in[2], out[2];
    double scale[2];
} resizing;

static cn_status read_scales(cn__onnx *onnx, const cn__onnx_node *node, const cn__onnx_view *view, resizing *r) {
    double scales[4] = {0};
    const cn__onnx_constant *given = cn__onnx_constant_of(onnx, cn__onnx_input(node, onnx->opset < 11 ? 1 : 2));
    cn__onnx_attr attr;
    float list[4];
    if (given && given->count == view->dims)
        memcpy(scales, given->numbers, sizeof *scales * (size_t)view->dims);
    else if (cn__onnx_attr_find(node->attributes, "scales", &attr) &&
             cn__onnx_attr_floats(&attr, list, 4) == view->dims)
        for (int i = 0; i < view->dims; i++)
            scales[i] = (double)list[i];
    else
        return cn__error(CN_ERR_UNSUPPORTED, "its scales are not %d constant numbers", view->dims);
    if (scales[0] != 1.0 || scales[1] != 1.0)
        return cn__error(CN_ERR_UNSUPPORTED, "it scales images or channels");
    for (int i = 2; i < view->dims; i++) {
        int d = view->dims == 3 ? 1 : i - 2;
        r->scale[d] = scales[i];
        /* of floats, as runtimes have it: 10 times what is nearest to 0.7 is 7 */
        r->out[d] = scales[i] > 0.0 && scales[i] < CN__MAX_SIDE ? (int64_t)((float)r->in[d] * (float)scales[i]) : 0;
    }
    return CN_OK;
}

static cn_status read_sizes(cn__onnx *onnx, const cn__onnx_node *node, const cn__onnx_view *view, resizing *r) {
    const cn__onnx_constant *sizes = cn__onnx_constant_of(onnx, cn__onnx_input(node, 3));
    if (!sizes || sizes->count != view->dims)
        return cn__error(CN_ERR_UNSUPPORTED, "its sizes are not %d constant numbers", view->dims);
    if (sizes->numbers[1] != (double)view->size[1])
        return cn__error(CN_ERR_UNSUPPORTED, "it scales channels");
    for (int i = 2; i < view->dims; i++) {
        int d = view->dims == 3 ? 1 : i - 2;
        r->scale[d] = 0.0;
        r->out[d] = sizes->numbers[i] >= 1.0 && sizes->numbers[i] <= CN__MAX_SIDE ? (int64_t)sizes->numbers[i] : 0;
    }
    return CN_OK;
}

/* The factor by which a layer comes to the side that is asked for, also for images of other sizes; 0: there is none.
 * Sides that are whole multiples are so for any size. */
static double factor_of(const resizing *r, int d) {
    double factor = r->scale[d] > 0.0           ? r->scale[d]
                    : r->out[d] % r->in[d] == 0 ? (double)r->out[d] / (double)r->in[d]
                                                : 0.0;
    return (int64_t)floor((double)r->in[d] * factor) == r->out[d] ? factor : 0.0;
}

static bool is_scaled(const resizing *r) {
    return factor_of(r, 0) > 0.0 && factor_of(r, 1) > 0.0;
}

/* ---- which pixel is the nearest ---- */

/* Before opset 11 there are no modes, but what Upsample did. */
static bool is_upsample(const cn__onnx *onnx, const cn__onnx_node *node) {
    return onnx->opset < 11 || cn__onnx_op_is(node, "Upsample");
}

typedef double rounding(double x);

static double half_up(double x) {
    return floor(x + 0.5);
}

static double half_down(double x) {
    return ceil(x - 0.5);
}

/* As nearest_mode says. */
static rounding *rounding_of(const cn__onnx *onnx, const cn__onnx_node *node) {
    cn__bytes mode = cn__onnx_string(node, "nearest_mode", "round_prefer_floor");
    if (is_upsample(onnx, node) || cn__bytes_are(mode, "floor"))
        return floor;
    return cn__bytes_are(mode, "ceil") ? ceil : cn__bytes_are(mode, "round_prefer_ceil") ? half_up : half_down;
}

/* Where output `i` comes from, as coordinate_transformation_mode says. */
static double place_of(cn__bytes mode, double i, double in, double out, double scale) {
    if (cn__bytes_are(mode, "asymmetric"))
        return i / scale;
    if (cn__bytes_are(mode, "align_corners"))
        return out > 1 ? i * (in - 1) / (out - 1) : 0.0;
    if (cn__bytes_are(mode, "half_pixel") || (cn__bytes_are(mode, "pytorch_half_pixel") && out > 1))
        return (i + 0.5) / scale - 0.5;
    return cn__bytes_are(mode, "pytorch_half_pixel") ? 0.0 : (double)NAN;
}

/* Whether every pixel comes from the one above and to the left, as in torch. */
static bool nearest_is_floor(const cn__onnx *onnx, const cn__onnx_node *node, cn__bytes mode, const resizing *r) {
    enum { MOST = 1 << 14 }; /* pixels to look at */
    rounding *rounded = rounding_of(onnx, node);
    if (r->out[0] > MOST || r->out[1] > MOST)
        return false;
    for (int d = 0; d < 2; d++) {
        double in = (double)r->in[d], out = (double)r->out[d], scale = r->scale[d] > 0.0 ? r->scale[d] : out / in;
        float step = is_scaled(r) ? (float)(1.0 / factor_of(r, d)) : (float)in / (float)out; /* of our layer */
        for (int64_t i = 0; i < r->out[d]; i++) {
            double theirs = rounded(place_of(mode, (double)i, in, out, scale)), ours = (double)floorf((float)i * step);
            if (!(fmin(fmax(theirs, 0.0), in - 1) == fmin(ours, in - 1)))
                return false;
        }
    }
    return true;
}

/* ---- the layer ---- */

static void set_size(const resizing *r, cn_upsample_options *o) {
    bool scaled = is_scaled(r);
    for (int d = 0; d < 2; d++) {
        o->output_size[d] = scaled ? 0 : (int)r->out[d];
        o->scale_factor[d] = scaled ? factor_of(r, d) : 0.0;
    }
}

static cn_status choose_mode(const cn__onnx *onnx, const cn__onnx_node *node, const resizing *r,
                             cn_upsample_options *o) {
    cn__bytes mode = is_upsample(onnx, node) ? cn__onnx_string(node, "", "asymmetric")
                                             : cn__onnx_string(node, "coordinate_transformation_mode", "half_pixel");
    if (cn__onnx_string_is(node, "mode", "nearest", "nearest")) {
        o->mode = CN_UPSAMPLE_NEAREST;
        if (!nearest_is_floor(onnx, node, mode, r))
            return cn__error(CN_ERR_UNSUPPORTED, "its nearest pixels are others than torch's (%.*s)", CN__SHOWN(mode));
        return CN_OK;
    }
    o->mode = CN_UPSAMPLE_BILINEAR;
    o->align_corners = cn__bytes_are(mode, "align_corners");
    bool halves = cn__bytes_are(mode, "half_pixel") || cn__bytes_are(mode, "pytorch_half_pixel");
    bool one = r->out[0] == 1 || r->out[1] == 1, whole = true;
    for (int d = 0; d < 2; d++) /* corners are those of a whole number of pixels */
        whole = whole && (r->scale[d] <= 0.0 || (double)r->out[d] == (double)r->in[d] * r->scale[d]);
    if (!cn__onnx_string_is(node, "mode", "nearest", "linear") || !(halves || (o->align_corners && whole)) ||
        (one && cn__bytes_are(mode, "pytorch_half_pixel")) || cn__onnx_int(node, "antialias", 0) != 0)
        return cn__error(CN_ERR_UNSUPPORTED, "it is no interpolation between neighbours as torch has it (%.*s)",
                         CN__SHOWN(mode));
    return CN_OK;
}

cn_status cn__onnx_resize(cn__onnx *onnx, const cn__onnx_node *node) {
    cn_upsample_options o = CN_UPSAMPLE_OPTIONS_INIT;
    cn__onnx_view *view;
    cn_layer *layer;
    CN__TRY(cn__onnx_image(onnx, node, cn__onnx_input(node, 0), &view));
    cn__shape shape = cn__onnx_shape(onnx, view);
    resizing r = {{shape.height, shape.width}, {shape.height, shape.width}, {1.0, 1.0}};
    if (view->dims < 3)
        return cn__error(CN_ERR_UNSUPPORTED, "its input has %d dimensions, wanted 3 or 4", view->dims);
    if (cn__onnx_int(node, "exclude_outside", 0) != 0)
        return cn__error(CN_ERR_UNSUPPORTED, "it leaves out what is outside (exclude_outside)");
    CN__TRY(cn__onnx_input(node, 3) >= 0 ? read_sizes(onnx, node, view, &r) : read_scales(onnx, node, view, &r));
    if (r.out[0] < 1 || r.out[1] < 1 || r.out[0] > CN__MAX_SIDE || r.out[1] > CN__MAX_SIDE)
        return cn__error(CN_ERR_FORMAT, "it makes no image of %lld×%lld", (long long)r.out[0], (long long)r.out[1]);
    CN__TRY(choose_mode(onnx, node, &r, &o));
    set_size(&r, &o);
    int32_t at = view->layer;
    if (r.out[0] != r.in[0] || r.out[1] != r.in[1])
        CN__TRY(cn__onnx_chain(onnx, node, cn_upsample_new(onnx->ctx, &o, &layer), &layer, &at));
    cn__onnx_give(onnx, node, 0, cn__onnx_view_new(onnx, at, view->dims));
    return CN_OK;
}
