/* SPDX-License-Identifier: MIT */
/* reshape.c: the same values in the same order as [channels, height, width], torch.reshape; of flat features,
 * torch.nn.Unflatten over dimension 1. */
#include "layers/shape/shape.h"

typedef struct reshape {
    cn_layer base;
    int32_t shape[3]; /* channels, height, width; one may be -1 */
} reshape;

static const cn__attr attrs[] = {
    {"channels", CN__ATTR_INT, offsetof(reshape, shape[0]), NULL, 0},
    {"height", CN__ATTR_INT, offsetof(reshape, shape[1]), NULL, 0},
    {"width", CN__ATTR_INT, offsetof(reshape, shape[2]), NULL, 0},
    {NULL, CN__ATTR_INT, 0, NULL, 0},
};

static cn_status validate(cn_layer *layer) {
    const reshape *r = (const reshape *)layer;
    int open = 0;
    for (int i = 0; i < 3; i++) {
        open += r->shape[i] == -1;
        if (r->shape[i] != -1)
            CN__TRY(cn__check_range("Reshape", attrs[i].name, r->shape[i], 1, CN__MAX_SIDE));
    }
    if (open > 1)
        return cn__error(CN_ERR_ARGUMENT, "Reshape: to %d×%d×%d, wanted at most one -1", r->shape[0], r->shape[1],
                         r->shape[2]);
    return CN_OK;
}

static cn_status infer(const cn_layer *layer, const char *name, int32_t inputs, const cn__shape *in, cn__shape *out) {
    const reshape *r = (const reshape *)layer;
    int64_t values = (int64_t)in->channels * in->height * in->width, known = 1;
    int32_t to[3] = {r->shape[0], r->shape[1], r->shape[2]};
    (void)inputs;
    for (int i = 0; i < 3; i++) /* a product beyond this fits no input */
        known = to[i] == -1 || known > INT32_MAX ? known : known * to[i];
    for (int i = 0; i < 3; i++)
        if (to[i] == -1) {
            /* NOLINTNEXTLINE(clang-analyzer-core.DivideZero): all are 1 or more, validate() has seen to it */
            to[i] = values / known <= CN__MAX_SIDE ? (int32_t)(values / known) : 0;
            known *= to[i];
        }
    if (known != values)
        return cn__error(CN_ERR_SHAPE, "Reshape '%s': its input, %d×%d×%d, does not fit %d×%d×%d", name, in->channels,
                         in->height, in->width, r->shape[0], r->shape[1], r->shape[2]);
    *out = (cn__shape){to[0], to[1], to[2]};
    return CN_OK;
}

/* ---- the work, Flatten's too ---- */

/* Values of an image that are a constant step apart. */
typedef struct run {
    float *at;
    size_t step, count;
} run;

/* From value `i` of the image on, as far as one step goes. */
static run run_from(const cn__fmap *map, size_t block, size_t i) {
    size_t width = (size_t)map->shape.width, pixels = (size_t)map->shape.height * width;
    size_t channel = i / pixels, pixel = i % pixels;
    run r = {cn__value_at(map, block, channel, pixel / width, pixel % width), CN__LANES, width - pixel % width};
    if (pixels == 1) {
        size_t end =
            map->lane_channels ? cn__plane_channels(map, channel / CN__LANES).end : (size_t)cn__fmap_channels(map);
        r.step = map->lane_channels ? 1 : map->channel;
        r.count = end - channel;
    } else if (map->row == width * CN__LANES) {
        r.count = pixels - pixel;
    }
    return r;
}

/* An item is one of as many equal parts as the map has channels that has fewer. */
static cn__grid parts(const cn__op *op, const cn__pass *pass) {
    size_t in = (size_t)cn__fmap_channels(op->in[0]), out = (size_t)cn__fmap_channels(op->out);
    (void)pass;
    return (cn__grid){op->out->lane_channels ? 1 : in < out ? in : out, 1};
}

static void hand_on(const cn__op *op, cn__item at, const cn__fmap *from, const cn__fmap *to, bool accumulate) {
    size_t values = (size_t)cn__fmap_channels(to) * (size_t)to->shape.height * (size_t)to->shape.width;
    size_t part = values / parts(op, NULL).outer, end = (at.outer + 1) * part;
    for (size_t i = at.outer * part; i < end;) {
        run source = run_from(from, at.block, i), target = run_from(to, at.block, i);
        size_t count = source.count < target.count ? source.count : target.count;
        count = count < end - i ? count : end - i;
        cn__copy_values(op, source.at, source.step, target.at, target.step, count, accumulate);
        i += count;
    }
}

static void forward(const cn__op *op, const cn__pass *pass, cn__item at) {
    (void)pass;
    hand_on(op, at, op->in[0], op->out, false);
}

static void complete(const cn__op *op, const cn__pass *pass, cn__item at) {
    (void)pass;
    cn__complete_plane(op->out, at.block, at.outer);
}

static cn__grid planes_to_complete(const cn__op *op, const cn__pass *pass) {
    return op->out->lane_channels ? cn__out_planes(op, pass) : cn__border_planes(op, pass);
}

static void backward(const cn__op *op, const cn__pass *pass, cn__item at) {
    (void)pass;
    hand_on(op, at, op->d_out, op->d_in[0], op->accumulate[0]);
}

const cn__layer_impl cn__reshape_impl = {
    .forward = {{parts, forward, CN__SCOPE_LOCAL}, {planes_to_complete, complete, CN__SCOPE_LOCAL}},
    .backward = {{parts, backward, CN__SCOPE_LOCAL}},
};

const cn__layer_type cn__reshape_type = {
    .name = "Reshape",
    .bytes = sizeof(reshape),
    .kind = CN__KIND_REARRANGE,
    .min_inputs = 1,
    .max_inputs = 1,
    .attrs = attrs,
    .validate = validate,
    .infer = infer,
    .batch = &cn__reshape_impl,
    .nchw16c = &cn__reshape_impl,
};

cn_status cn_reshape_new(cn_context *context, int channels, int height, int width, cn_layer **layer) {
    cn_layer *made;
    CN__REQUIRE(layer);
    *layer = NULL;
    CN__REQUIRE(context);
    CN__TRY(cn__layer_alloc(context, &cn__reshape_type, &made));
    reshape *r = (reshape *)made;
    r->shape[0] = channels;
    r->shape[1] = height;
    r->shape[2] = width;
    return cn__layer_finish(made, layer);
}
