/* SPDX-License-Identifier: MIT */
/* upsample.c: another height and width, torch.nn.Upsample. Along each dimension an output pixel is a weighted sum of
 * one input pixel, the nearest, or of two. Where it lies in the input is found in float, as PyTorch does it, so that the
 * same pixel is the nearest. The gradient is the same sum with the lists the other way round. */
#include "layers/upsample.h"
#include <math.h>

typedef struct upsample {
    cn_layer base;
    int32_t output[2];
    double scale[2];
    int32_t mode, align_corners;
} upsample;

static const char *const modes[] = {"nearest", "bilinear", NULL};

static const cn__attr attrs[] = {
    {"output_height", CN__ATTR_INT, offsetof(upsample, output[0]), NULL, 0},
    {"output_width", CN__ATTR_INT, offsetof(upsample, output[1]), NULL, 0},
    {"scale_factor_height", CN__ATTR_DOUBLE, offsetof(upsample, scale[0]), NULL, 0},
    {"scale_factor_width", CN__ATTR_DOUBLE, offsetof(upsample, scale[1]), NULL, 0},
    {"mode", CN__ATTR_ENUM, offsetof(upsample, mode), modes, 0},
    {"align_corners", CN__ATTR_INT, offsetof(upsample, align_corners), NULL, 0},
    {NULL, CN__ATTR_INT, 0, NULL, 0},
};

static const char *const sides[] = {"height", "width"};

/* ---- hyper-parameters and shape ---- */

static bool by_scale(const upsample *u) {
    return u->output[0] == 0 && u->output[1] == 0;
}

static cn_status check_scale(double scale, const char *side) {
    if (scale > 0.0 && isfinite(scale))
        return CN_OK;
    return cn__error(CN_ERR_ARGUMENT, "Upsample: scale_factor's %s is %g, wanted a finite number above 0", side, scale);
}

static cn_status validate(cn_layer *layer) {
    const upsample *u = (const upsample *)layer;
    bool scaled = u->scale[0] != 0.0 || u->scale[1] != 0.0; /* or NaN */
    if (scaled != by_scale(u))
        return cn__error(CN_ERR_ARGUMENT, "Upsample: wanted output_size or scale_factor, got %s",
                         scaled ? "both" : "neither");
    for (int d = 0; d < 2; d++)
        CN__TRY(scaled ? check_scale(u->scale[d], sides[d])
                       : cn__check_range("Upsample", d ? "output_size's width" : "output_size's height", u->output[d],
                                         1, CN__MAX_SIDE));
    CN__TRY(cn__check_range("Upsample", "mode", u->mode, CN_UPSAMPLE_NEAREST, CN_UPSAMPLE_BILINEAR));
    CN__TRY(cn__check_range("Upsample", "align_corners", u->align_corners, 0, 1));
    if (u->align_corners && u->mode == CN_UPSAMPLE_NEAREST)
        return cn__error(CN_ERR_ARGUMENT, "Upsample: align_corners is for bilinear, the mode is nearest");
    return CN_OK;
}

static cn_status infer(const cn_layer *layer, const char *name, int32_t inputs, const cn__shape *in, cn__shape *out) {
    const upsample *u = (const upsample *)layer;
    const int32_t size[2] = {in->height, in->width};
    int32_t result[2];
    (void)inputs;
    for (int d = 0; d < 2; d++) {
        double side = by_scale(u) ? floor(size[d] * u->scale[d]) : u->output[d];
        if (!(side >= 1.0 && side <= CN__MAX_SIDE))
            return cn__error(CN_ERR_SHAPE,
                             "Upsample '%s': scale_factor %g makes its input's %s of %d %g, wanted 1 to %d", name,
                             u->scale[d], sides[d], size[d], side, CN__MAX_SIDE);
        result[d] = (int32_t)side;
    }
    *out = (cn__shape){in->channels, result[0], result[1]};
    return CN_OK;
}

/* ---- where output pixels lie in the input ---- */

/* Of an input pixel and the one after it. */
static cn__upsample_terms blend(float place, int32_t in) {
    int32_t near = place < (float)(in - 1) ? (int32_t)place : in - 1;
    float share = place - (float)near;
    if (near == in - 1 || share <= 0.0f)
        return (cn__upsample_terms){1, {near, 0}, {1.0f, 0.0f}};
    return (cn__upsample_terms){2, {near, near + 1}, {1.0f - share, share}};
}

cn__upsample_terms cn__upsample_terms_of(const cn_layer *layer, int d, int32_t in, int32_t out, int32_t i) {
    const upsample *u = (const upsample *)layer;
    float step = by_scale(u) ? (float)(1.0 / u->scale[d]) : (float)in / (float)out, place;
    if (in == out)
        return (cn__upsample_terms){1, {i, 0}, {1.0f, 0.0f}};
    if (u->mode == CN_UPSAMPLE_NEAREST)
        return (cn__upsample_terms){1, {(int32_t)fminf(floorf((float)i * step), (float)(in - 1)), 0}, {1.0f, 0.0f}};
    if (u->align_corners)
        place = out > 1 ? (float)i * ((float)(in - 1) / (float)(out - 1)) : 0.0f;
    else
        place = fmaxf(step * ((float)i + 0.5f) - 0.5f, 0.0f);
    return blend(place, in);
}

/* ---- lists ---- */

/* One dimension, and the memory of its lists. */
typedef struct axis {
    cn__resample_axis forward, backward;
    int32_t *numbers;
    float *weights;
} axis;

typedef struct geometry {
    axis axis[2];
} geometry;

static void list_forward(const cn_layer *layer, int d, int32_t in, int32_t out, int32_t *first, int32_t *from,
                         float *weight) {
    for (int32_t i = 0; i < out; i++) {
        cn__upsample_terms t = cn__upsample_terms_of(layer, d, in, out, i);
        first[i + 1] = first[i];
        for (int32_t k = 0; k < t.count; k++) {
            from[first[i + 1]] = t.from[k];
            weight[first[i + 1]++] = t.weight[k];
        }
    }
}

/* The same terms by input pixel, in the order of the outputs. */
static void list_backward(const cn__resample_axis *forward, int32_t in, int32_t *first, int32_t *from, float *weight) {
    int32_t count = forward->first[forward->size];
    for (int32_t k = 0; k < count; k++)
        first[forward->from[k] + 1]++;
    for (int32_t i = 0; i < in; i++)
        first[i + 1] += first[i];
    for (int32_t i = 0; i < forward->size; i++)
        for (int32_t k = forward->first[i]; k < forward->first[i + 1]; k++) {
            int32_t place = first[forward->from[k]]++;
            from[place] = i;
            weight[place] = forward->weight[k];
        }
    for (int32_t i = in; i > 0; i--) /* each has moved on to the next one's */
        first[i] = first[i - 1];
    first[0] = 0;
}

static cn_status fill_axis(const cn__op *op, int d, axis *a) {
    cn__shape from = op->in[0]->shape, to = op->out->shape;
    int32_t in = d ? from.width : from.height, out = d ? to.width : to.height;
    size_t firsts = (size_t)in + (size_t)out + 2, most = 2 * (size_t)out;
    a->numbers = cn__alloc(op->ctx, firsts + 2 * most, sizeof *a->numbers);
    a->weights = cn__alloc(op->ctx, 2 * most, sizeof *a->weights);
    if (!a->numbers || !a->weights)
        return cn__no_memory("an upsampling's lists");
    int32_t *first = a->numbers, *back = first + out + 1, *places = back + in + 1;
    list_forward(op->layer, d, in, out, first, places, a->weights);
    a->forward = (cn__resample_axis){out, first, places, a->weights};
    list_backward(&a->forward, in, back, places + most, a->weights + most);
    a->backward = (cn__resample_axis){in, back, places + most, a->weights + most};
    return CN_OK;
}

static cn_status bind(cn__op *op) {
    geometry *g = op->geometry = cn__alloc(op->ctx, 1, sizeof *g);
    if (!g)
        return cn__no_memory("an upsampling's lists");
    CN__TRY(fill_axis(op, 0, &g->axis[0]));
    return fill_axis(op, 1, &g->axis[1]);
}

static void unbind(cn__op *op) {
    geometry *g = op->geometry;
    for (int d = 0; d < 2; d++) {
        cn__free(op->ctx, g->axis[d].numbers);
        cn__free(op->ctx, g->axis[d].weights);
    }
    cn__free(op->ctx, g);
}

/* ---- passes ---- */

static void forward(const cn__op *op, const cn__pass *pass, cn__item at) {
    const geometry *g = op->geometry;
    (void)pass;
    op->kernels->resample(&g->axis[0].forward, &g->axis[1].forward, cn__fmap_plane(op->in[0], at.block, at.outer),
                          cn__fmap_plane(op->out, at.block, at.outer), false);
    cn__fmap_border(op->out, at.block, at.outer);
}

static void backward(const cn__op *op, const cn__pass *pass, cn__item at) {
    const geometry *g = op->geometry;
    (void)pass;
    op->kernels->resample(&g->axis[0].backward, &g->axis[1].backward, cn__fmap_plane(op->d_out, at.block, at.outer),
                          cn__fmap_plane(op->d_in[0], at.block, at.outer), op->accumulate[0]);
}

static const cn__layer_impl batch = {
    .bind = bind,
    .unbind = unbind,
    .forward = {{cn__out_planes, forward, CN__SCOPE_LOCAL}},
    .backward = {{cn__out_planes, backward, CN__SCOPE_LOCAL}},
};

const cn__layer_type cn__upsample_type = {
    .name = "Upsample",
    .bytes = sizeof(upsample),
    .min_inputs = 1,
    .max_inputs = 1,
    .attrs = attrs,
    .validate = validate,
    .infer = infer,
    .batch = &batch,
    .nchw16c = &batch,
};

cn_status cn_upsample_new(cn_context *context, const cn_upsample_options *options, cn_layer **layer) {
    CN__COMPUTES;
    cn_upsample_options o = CN_UPSAMPLE_OPTIONS_INIT;
    cn_layer *made;
    CN__REQUIRE(layer);
    *layer = NULL;
    CN__REQUIRE(context);
    CN__TRY(CN__READ_OPTIONS(&o, cn_upsample_options, options));
    CN__TRY(cn__layer_alloc(context, &cn__upsample_type, &made));
    upsample *u = (upsample *)made;
    for (int d = 0; d < 2; d++) {
        u->output[d] = o.output_size[d];
        u->scale[d] = o.scale_factor[d];
    }
    u->mode = (int32_t)o.mode;
    u->align_corners = o.align_corners;
    return cn__layer_finish(made, layer);
}
