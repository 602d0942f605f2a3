/* SPDX-License-Identifier: MIT */
/* save_rearrange.c: layers that put values elsewhere: parts, borders, other sizes and dimensions. */
#include "onnx/exporter.h"
#include <math.h>

cn__exported cn__export_reshaped(cn__export *x, cn__exported value, cn__shape shape, cn__export_place place) {
    const int64_t sides[4] = {0, shape.channels, shape.height, shape.width};
    cn__exported y = cn__export_binary(x, "Reshape", value, cn__export_ints(x, 4, sides), place);
    y.dims = 4;
    return y;
}

cn__exported cn__export_reshape(cn__export *x) {
    return cn__export_reshaped(x, cn__export_input(x, 0), cn__export_out(x), CN__EXPORT_LAST);
}

cn__exported cn__export_flatten(cn__export *x) {
    cn__exported y = cn__export_unary(x, "Flatten", cn__export_input(x, 0), CN__EXPORT_LAST);
    y.dims = 2;
    return y;
}

/* ---- parts, and what is put together ---- */

cn__exported cn__export_slice(cn__export *x, cn__exported value, int64_t axis, int64_t start, int64_t end,
                              cn__export_place place) {
    cn__exported starts = cn__export_ints(x, 1, &start), ends = cn__export_ints(x, 1, &end);
    cn__exported axes = cn__export_ints(x, 1, &axis);
    cn__export_begin(x, "Slice");
    cn__export_reads(x, value);
    cn__export_reads(x, starts);
    cn__export_reads(x, ends);
    cn__export_reads(x, axes);
    return cn__export_end(x, place);
}

cn__exported cn__export_narrow(cn__export *x) {
    int64_t start = cn__export_int(x, "start");
    return cn__export_slice(x, cn__export_input(x, 0), 1, start, start + cn__export_int(x, "length"), CN__EXPORT_LAST);
}

cn__exported cn__export_concat(cn__export *x) {
    cn__export_begin_all(x, "Concat");
    cn__export_attr_int(x, "axis", 1);
    return cn__export_end(x, CN__EXPORT_LAST);
}

/* ---- borders ---- */

/* One dimension of a torus, in front of and behind which comes what is at its other end; Pad's "wrap" is of opset 19. */
static cn__exported wrapped(cn__export *x, cn__exported value, int64_t axis, int64_t before, int64_t after,
                            cn__export_place place) {
    cn__exported front = {0}, back = {0};
    if (before == 0 && after == 0 && place == CN__EXPORT_PIECE)
        return value;
    if (before > 0)
        front = cn__export_slice(x, value, axis, -before, INT64_MAX, CN__EXPORT_PIECE);
    if (after > 0)
        back = cn__export_slice(x, value, axis, 0, after, CN__EXPORT_PIECE);
    cn__export_begin(x, "Concat");
    if (before > 0)
        cn__export_reads(x, front);
    cn__export_reads(x, value);
    if (after > 0)
        cn__export_reads(x, back);
    cn__export_attr_int(x, "axis", axis);
    return cn__export_end(x, place);
}

cn__exported cn__export_padded(cn__export *x, cn__exported image, const int64_t sides[4], cn_padding_mode mode,
                               float value, cn__export_place place) {
    static const char *const modes[] = {"constant", "edge", "reflect"};
    enum { LEFT, RIGHT, TOP, BOTTOM };
    const int64_t pads[8] = {0, 0, sides[TOP], sides[LEFT], 0, 0, sides[BOTTOM], sides[RIGHT]};
    if (mode == CN_PADDING_CIRCULAR) {
        image = wrapped(x, image, 2, sides[TOP], sides[BOTTOM], CN__EXPORT_PIECE);
        return wrapped(x, image, 3, sides[LEFT], sides[RIGHT], place);
    }
    cn__exported list = cn__export_ints(x, 8, pads), constant = {0};
    if (mode == CN_PADDING_ZEROS)
        constant = cn__export_number(x, value);
    cn__export_begin(x, "Pad");
    cn__export_reads(x, image);
    cn__export_reads(x, list);
    if (constant.name)
        cn__export_reads(x, constant);
    cn__export_attr_text(x, "mode", modes[mode]);
    return cn__export_end(x, place);
}

cn__exported cn__export_pad(cn__export *x) {
    const int64_t sides[4] = {cn__export_int(x, "left"), cn__export_int(x, "right"), cn__export_int(x, "top"),
                              cn__export_int(x, "bottom")};
    return cn__export_padded(x, cn__export_image(x, 0), sides, (cn_padding_mode)cn__export_int(x, "mode"),
                             (float)cn__export_real(x, "value"), CN__EXPORT_LAST);
}

/* ---- other sizes ---- */

/* Whether a scale gives `out` pixels of `in`, and of the nearest each the one that our layer of `factor` takes, whether
 * it is reckoned in floats or in doubles. */
static bool scale_fits(float scale, double factor, int32_t in, int32_t out, bool nearest) {
    double wide = (double)scale;
    bool fits = floor((double)in * wide) == out && floorf((float)in * scale) == (float)out;
    for (int32_t i = 0; i < out && fits && nearest; i++) {
        double ours = fmin((double)floorf((float)i * (float)(1.0 / factor)), in - 1);
        fits = fmin((double)floorf((float)i / scale), in - 1) == ours && fmin(floor(i / wide), in - 1) == ours;
    }
    return fits;
}

/* The float that is nearest to a factor of those that fit. */
static float scale_of(double factor, int32_t in, int32_t out, bool nearest) {
    enum { FURTHEST = 8 };
    float below = (float)factor, above = (float)factor;
    for (int i = 0; i < FURTHEST; i++) {
        if (scale_fits(above, factor, in, out, nearest))
            return above;
        if (scale_fits(below, factor, in, out, nearest))
            return below;
        above = nextafterf(above, INFINITY);
        below = nextafterf(below, 0.0f);
    }
    return (float)factor;
}

/* [N, C] of the input, then height and width of the output. */
static cn__exported size_of(cn__export *x, cn__exported image) {
    const int64_t sides[2] = {cn__export_out(x).height, cn__export_out(x).width};
    cn__exported shape = cn__export_unary(x, "Shape", image, CN__EXPORT_PIECE);
    cn__exported kept = cn__export_slice(x, shape, 0, 0, 2, CN__EXPORT_PIECE);
    cn__exported list = cn__export_ints(x, 2, sides);
    cn__export_begin(x, "Concat");
    cn__export_reads(x, kept);
    cn__export_reads(x, list);
    cn__export_attr_int(x, "axis", 0);
    return cn__export_end(x, CN__EXPORT_PIECE);
}

cn__exported cn__export_upsample(cn__export *x) {
    cn__shape in = cn__export_shape(x, 0), out = cn__export_out(x);
    cn__exported image = cn__export_image(x, 0), scales = {0}, sizes = {0};
    bool nearest = cn__export_int(x, "mode") == CN_UPSAMPLE_NEAREST, corners = cn__export_int(x, "align_corners") != 0;
    if (cn__export_int(x, "output_height") == 0 && !corners) { /* corners are those of whole pixels */
        const int64_t four[1] = {4};
        double height = cn__export_real(x, "scale_factor_height"), width = cn__export_real(x, "scale_factor_width");
        const float factors[4] = {1.0f, 1.0f, scale_of(height, in.height, out.height, nearest),
                                  scale_of(width, in.width, out.width, nearest)};
        scales = cn__export_numbers(x, 1, four, factors);
    } else {
        sizes = size_of(x, image);
    }
    cn__export_begin(x, "Resize");
    cn__export_reads(x, image);
    cn__export_reads(x, (cn__exported){0});
    cn__export_reads(x, scales);
    if (sizes.name)
        cn__export_reads(x, sizes);
    cn__export_attr_text(x, "coordinate_transformation_mode",
                         nearest   ? "asymmetric"
                         : corners ? "align_corners"
                                   : "half_pixel");
    cn__export_attr_text(x, "mode", nearest ? "nearest" : "linear");
    if (nearest)
        cn__export_attr_text(x, "nearest_mode", "floor");
    return cn__export_end(x, CN__EXPORT_LAST);
}

/* ---- channels and pixels ---- */

cn__exported cn__export_pixel_shuffle(cn__export *x) {
    cn__exported image = cn__export_image(x, 0);
    cn__export_begin(x, "DepthToSpace");
    cn__export_reads(x, image);
    cn__export_attr_int(x, "blocksize", cn__export_int(x, "upscale_factor"));
    cn__export_attr_text(x, "mode", "CRD");
    return cn__export_end(x, CN__EXPORT_LAST);
}

/* Axes apart, in another order, and together again. */
static cn__exported reordered(cn__export *x, int dims, const int64_t *apart, const int64_t *perm) {
    cn__exported image = cn__export_image(x, 0), shape = cn__export_ints(x, dims, apart);
    cn__exported pieces = cn__export_binary(x, "Reshape", image, shape, CN__EXPORT_PIECE);
    cn__export_begin(x, "Transpose");
    cn__export_reads(x, pieces);
    cn__export_attr_ints(x, "perm", dims, perm);
    return cn__export_reshaped(x, cn__export_end(x, CN__EXPORT_PIECE), cn__export_out(x), CN__EXPORT_LAST);
}

/* SpaceToDepth has its channels in another order. */
cn__exported cn__export_pixel_unshuffle(cn__export *x) {
    static const int64_t perm[6] = {0, 1, 3, 5, 2, 4};
    const int64_t r = cn__export_int(x, "downscale_factor");
    cn__shape in = cn__export_shape(x, 0);
    const int64_t apart[6] = {0, in.channels, in.height / r, r, in.width / r, r};
    return reordered(x, 6, apart, perm);
}

cn__exported cn__export_channel_shuffle(cn__export *x) {
    static const int64_t perm[5] = {0, 2, 1, 3, 4};
    const int64_t groups = cn__export_int(x, "groups");
    cn__shape in = cn__export_shape(x, 0);
    const int64_t apart[5] = {0, groups, in.channels / groups, in.height, in.width};
    return reordered(x, 5, apart, perm);
}
