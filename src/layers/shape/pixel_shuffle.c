/* SPDX-License-Identifier: MIT */
/* pixel_shuffle.c: channels become pixels and pixels channels, torch.nn.PixelShuffle and PixelUnshuffle (Shi et al.
 * 2016): channel c·r² + i·r + j of the deep map, [C·r², H, W], holds the pixels (y·r + i, x·r + j) of channel c of the
 * wide one, [C, H·r, W·r]. What one does forward, the other does backward. An item is a plane that is written. */
#include "layers/shape/shape.h"

typedef struct pixel_shuffle {
    cn_layer base;
    int32_t factor;
} pixel_shuffle;

static const cn__attr up_attrs[] = {
    {"upscale_factor", CN__ATTR_INT, offsetof(pixel_shuffle, factor), NULL, 0},
    {NULL, CN__ATTR_INT, 0, NULL, 0},
};

static const cn__attr down_attrs[] = {
    {"downscale_factor", CN__ATTR_INT, offsetof(pixel_shuffle, factor), NULL, 0},
    {NULL, CN__ATTR_INT, 0, NULL, 0},
};

static size_t factor_of(const cn__op *op) {
    return (size_t)((const pixel_shuffle *)op->layer)->factor;
}

static cn_status validate(cn_layer *layer) {
    return cn__check_range(layer->type->name, layer->type->attrs[0].name, ((const pixel_shuffle *)layer)->factor, 1,
                           CN__MAX_SIDE);
}

static cn_status infer_up(const cn_layer *layer, const char *name, int32_t inputs, const cn__shape *in,
                          cn__shape *out) {
    int64_t r = ((const pixel_shuffle *)layer)->factor;
    (void)inputs;
    if (in->channels % (r * r) != 0 || in->height * r > CN__MAX_SIDE || in->width * r > CN__MAX_SIDE)
        return cn__error(CN_ERR_SHAPE,
                         "PixelShuffle '%s': its input is %d×%d×%d, wanted a multiple of %lld channels and sides of at "
                         "most %d",
                         name, in->channels, in->height, in->width, (long long)(r * r), (int)(CN__MAX_SIDE / r));
    *out = (cn__shape){(int32_t)(in->channels / (r * r)), (int32_t)(in->height * r), (int32_t)(in->width * r)};
    return CN_OK;
}

static cn_status infer_down(const cn_layer *layer, const char *name, int32_t inputs, const cn__shape *in,
                            cn__shape *out) {
    int64_t r = ((const pixel_shuffle *)layer)->factor;
    (void)inputs;
    if (in->height % r != 0 || in->width % r != 0 || in->channels * r * r > CN__MAX_SIDE)
        return cn__error(CN_ERR_SHAPE,
                         "PixelUnshuffle '%s': its input is %d×%d×%d, wanted sides that are multiples of %lld and at "
                         "most %d channels",
                         name, in->channels, in->height, in->width, (long long)r, (int)(CN__MAX_SIDE / (r * r)));
    *out = (cn__shape){(int32_t)(in->channels * r * r), (int32_t)(in->height / r), (int32_t)(in->width / r)};
    return CN_OK;
}

/* One channel of the deep map from or to its pixels of the wide one. */
static void widen(const cn__op *op, size_t block, const cn__fmap *deep, size_t k, const cn__fmap *wide,
                  bool accumulate) {
    size_t r = factor_of(op), i = k / r % r, j = k % r;
    for (size_t y = 0; y < (size_t)deep->shape.height; y++)
        cn__copy_values(op, cn__value_at(deep, block, k, y, 0), CN__LANES,
                        cn__value_at(wide, block, k / (r * r), y * r + i, j), r * CN__LANES, (size_t)deep->shape.width,
                        accumulate);
}

static void deepen(const cn__op *op, size_t block, const cn__fmap *wide, const cn__fmap *deep, size_t k,
                   bool accumulate) {
    size_t r = factor_of(op), i = k / r % r, j = k % r;
    for (size_t y = 0; y < (size_t)deep->shape.height; y++)
        cn__copy_values(op, cn__value_at(wide, block, k / (r * r), y * r + i, j), r * CN__LANES,
                        cn__value_at(deep, block, k, y, 0), CN__LANES, (size_t)deep->shape.width, accumulate);
}

/* A plane of the wide map, or of the deep one, from the other. */
static void widen_plane(const cn__op *op, cn__item at, const cn__fmap *deep, const cn__fmap *wide, bool accumulate) {
    cn__channel_range channels = cn__plane_channels(wide, at.outer);
    size_t r = factor_of(op);
    for (size_t k = channels.first * r * r; k < channels.end * r * r; k++)
        widen(op, at.block, deep, k, wide, accumulate);
}

static void deepen_plane(const cn__op *op, cn__item at, const cn__fmap *wide, const cn__fmap *deep, bool accumulate) {
    cn__channel_range channels = cn__plane_channels(deep, at.outer);
    for (size_t k = channels.first; k < channels.end; k++)
        deepen(op, at.block, wide, deep, k, accumulate);
}

/* ---- the layers ---- */

static void up_forward(const cn__op *op, const cn__pass *pass, cn__item at) {
    (void)pass;
    widen_plane(op, at, op->in[0], op->out, false);
    cn__complete_plane(op->out, at.block, at.outer);
}

static void up_backward(const cn__op *op, const cn__pass *pass, cn__item at) {
    (void)pass;
    deepen_plane(op, at, op->d_out, op->d_in[0], op->accumulate[0]);
}

static void down_forward(const cn__op *op, const cn__pass *pass, cn__item at) {
    (void)pass;
    deepen_plane(op, at, op->in[0], op->out, false);
    cn__complete_plane(op->out, at.block, at.outer);
}

static void down_backward(const cn__op *op, const cn__pass *pass, cn__item at) {
    (void)pass;
    widen_plane(op, at, op->d_out, op->d_in[0], op->accumulate[0]);
}

static const cn__layer_impl up = {
    .forward = {{cn__out_planes, up_forward, CN__SCOPE_LOCAL}},
    .backward = {{cn__in_planes, up_backward, CN__SCOPE_LOCAL}},
};

static const cn__layer_impl down = {
    .forward = {{cn__out_planes, down_forward, CN__SCOPE_LOCAL}},
    .backward = {{cn__in_planes, down_backward, CN__SCOPE_LOCAL}},
};

const cn__layer_type cn__pixel_shuffle_type = {
    .name = "PixelShuffle",
    .bytes = sizeof(pixel_shuffle),
    .kind = CN__KIND_REARRANGE,
    .min_inputs = 1,
    .max_inputs = 1,
    .attrs = up_attrs,
    .validate = validate,
    .infer = infer_up,
    .batch = &up,
    .nchw16c = &up,
};

const cn__layer_type cn__pixel_unshuffle_type = {
    .name = "PixelUnshuffle",
    .bytes = sizeof(pixel_shuffle),
    .kind = CN__KIND_REARRANGE,
    .min_inputs = 1,
    .max_inputs = 1,
    .attrs = down_attrs,
    .validate = validate,
    .infer = infer_down,
    .batch = &down,
    .nchw16c = &down,
};

static cn_status make(cn_context *context, const cn__layer_type *type, int factor, cn_layer **layer) {
    cn_layer *made;
    CN__TRY(cn__layer_alloc(context, type, &made));
    ((pixel_shuffle *)made)->factor = factor;
    return cn__layer_finish(made, layer);
}

cn_status cn_pixel_shuffle_new(cn_context *context, int upscale_factor, cn_layer **layer) {
    CN__REQUIRE(layer);
    *layer = NULL;
    CN__REQUIRE(context);
    return make(context, &cn__pixel_shuffle_type, upscale_factor, layer);
}

cn_status cn_pixel_unshuffle_new(cn_context *context, int downscale_factor, cn_layer **layer) {
    CN__REQUIRE(layer);
    *layer = NULL;
    CN__REQUIRE(context);
    return make(context, &cn__pixel_unshuffle_type, downscale_factor, layer);
}
