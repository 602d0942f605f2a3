/* nchw16c_norms.c: norms with channels in the lanes. Every lane has its own factors, so a plane is normalised in
 * one sweep: y = relu((x - center) · scale + shift + skip). Batch norm knows them beforehand; group norm measures the
 * image: a plane leaves the mean and m2 = Σ (x - mean)² of its lanes, then each group of channels finalizes its own.
 * Layer norm of pixels goes pixel by pixel. */
#include "layers/nchw16c/nchw16c.h"
#include "layers/norm/norm.h"
#include <math.h>

/* Lines of a plane in kept memory, and of the parameters in packed. */
enum { CENTER, SCALE, SHIFT, LINES };
enum { MEAN = CENTER, M2 = SCALE }; /* until they are finalized */
enum { WEIGHT, BIAS, PARAMETERS };

static const cn__norm_layer *norm_of(const cn__op *op) {
    return (const cn__norm_layer *)op->layer;
}

/* Where a channel's number is in lines `line` of `lines` a plane. */
static float *number(float *memory, size_t lines, size_t line, size_t channel) {
    return memory + (channel / CN__LANES * lines + line) * CN__LANES + channel % CN__LANES;
}

static void apply_plane(const cn__op *op, size_t plane, const float *center, const float *scale, const float *shift) {
    const cn__fmap *out = op->out, *skip = op->post.skip;
    cn__channel_norm_args args = {.height = out->shape.height,
                                  .width = out->shape.width,
                                  .x = cn__fmap_plane(op->in[0], 0, plane),
                                  .y = cn__fmap_plane(out, 0, plane),
                                  .center = center,
                                  .scale = scale,
                                  .shift = shift,
                                  .relu = op->post.relu};
    if (skip)
        args.skip = cn__fmap_plane(skip, 0, plane);
    op->kernels->channel_norm(&args);
    cn__fmap_border(out, 0, plane);
}

/* ---- batch norm ---- */

static void batch_requirements(const cn_layer *layer, const cn__sizes *sizes, cn__requirements *requirements) {
    (void)layer;
    requirements->packed_floats = cn__nchw16c_planes(sizes->in->channels) * LINES * CN__LANES;
}

static void batch_prepare(const cn__op *op, const cn__pass *pass, cn__item at) {
    (void)pass;
    (void)at;
    for (size_t c = 0; c < (size_t)norm_of(op)->channels; c++) {
        double scale, shift;
        op->layer->type->fixed_factors(op->layer, op->tensor, c, &scale, &shift);
        *number(op->packed, LINES, SCALE, c) = (float)scale;
        *number(op->packed, LINES, SHIFT, c) = (float)shift;
    }
}

static void batch_forward(const cn__op *op, const cn__pass *pass, cn__item at) {
    (void)pass;
    (void)at;
    for (size_t plane = 0; plane < (size_t)op->out->shape.channels; plane++) {
        const float *lines = op->packed + plane * LINES * CN__LANES;
        apply_plane(op, plane, lines + CENTER * CN__LANES, lines + SCALE * CN__LANES, lines + SHIFT * CN__LANES);
    }
}

/* ---- group norm ---- */

static void group_requirements(const cn_layer *layer, const cn__sizes *sizes, cn__requirements *requirements) {
    (void)layer;
    requirements->packed_floats = cn__nchw16c_planes(sizes->in->channels) * PARAMETERS * CN__LANES;
    requirements->saved_floats = cn__nchw16c_planes(sizes->in->channels) * LINES * CN__LANES;
}

static void affine_prepare(const cn__op *op, const cn__pass *pass, cn__item at) {
    (void)pass;
    (void)at;
    for (size_t c = 0; c < (size_t)norm_of(op)->channels; c++) {
        bool affine = norm_of(op)->affine;
        *number(op->packed, PARAMETERS, WEIGHT, c) = affine ? ((const float *)op->tensor[0])[c] : 1.0f;
        *number(op->packed, PARAMETERS, BIAS, c) = affine ? ((const float *)op->tensor[1])[c] : 0.0f;
    }
}

/* Mean and variance of `count` channels from `first` on, from those of the channels, one after the other (Chan, Golub &
 * LeVeque 1979). */
static void combine(const cn__op *op, size_t first, size_t count, double *mean, double *variance) {
    double values = (double)op->out->shape.height * op->out->shape.width, m2 = 0.0;
    *mean = 0.0;
    for (size_t i = 0; i < count; i++) {
        double share = 1.0 / (double)(i + 1);
        double delta = (double)*number(cn__saved(op, 0), LINES, MEAN, first + i) - *mean;
        *mean += delta * share;
        m2 += (double)*number(cn__saved(op, 0), LINES, M2, first + i) + delta * delta * values * (double)i * share;
    }
    *variance = m2 / (values * (double)count);
}

static void finalize_group(const cn__op *op, size_t first, size_t count) {
    double mean, variance;
    combine(op, first, count, &mean, &variance);
    float inv = (float)(1.0 / sqrt(variance + (double)norm_of(op)->eps));
    for (size_t c = first; c < first + count; c++) {
        *number(cn__saved(op, 0), LINES, CENTER, c) = (float)mean;
        *number(cn__saved(op, 0), LINES, SCALE, c) = inv * *number(op->packed, PARAMETERS, WEIGHT, c);
        *number(cn__saved(op, 0), LINES, SHIFT, c) = *number(op->packed, PARAMETERS, BIAS, c);
    }
}

static void group_forward(const cn__op *op, const cn__pass *pass, cn__item at) {
    const cn__norm_layer *n = norm_of(op);
    size_t planes = (size_t)op->out->shape.channels, count = (size_t)(n->channels / n->groups);
    (void)pass;
    (void)at;
    for (size_t plane = 0; plane < planes; plane++) {
        float *lines = cn__saved(op, 0) + plane * LINES * CN__LANES;
        op->kernels->lane_moments(cn__fmap_plane(op->in[0], 0, plane), op->out->shape.height, op->out->shape.width,
                                  lines + MEAN * CN__LANES, lines + M2 * CN__LANES);
    }
    for (size_t first = 0; first < (size_t)n->channels; first += count)
        finalize_group(op, first, count);
    for (size_t plane = 0; plane < planes; plane++) {
        const float *lines = cn__saved(op, 0) + plane * LINES * CN__LANES;
        apply_plane(op, plane, lines + CENTER * CN__LANES, lines + SCALE * CN__LANES, lines + SHIFT * CN__LANES);
    }
}

/* ---- layer norm of pixels ---- */

static void pixel_requirements(const cn_layer *layer, const cn__sizes *sizes, cn__requirements *requirements) {
    (void)layer;
    requirements->packed_floats = cn__nchw16c_planes(sizes->out.channels) * PARAMETERS * CN__LANES;
}

static void pixel_forward(const cn__op *op, const cn__pass *pass, cn__item at) {
    const cn__fmap *in = op->in[0], *out = op->out;
    (void)pass;
    (void)at;
    op->kernels->channel_layer_norm(&(cn__channel_layer_norm_args){.channels = out->lane_channels,
                                                                   .height = out->shape.height,
                                                                   .width = out->shape.width,
                                                                   .x = cn__fmap_plane(in, 0, 0),
                                                                   .y = cn__fmap_plane(out, 0, 0),
                                                                   .x_plane = in->channel,
                                                                   .y_plane = out->channel,
                                                                   .weight = op->packed + WEIGHT * CN__LANES,
                                                                   .bias = op->packed + BIAS * CN__LANES,
                                                                   .step = PARAMETERS * CN__LANES,
                                                                   .eps = norm_of(op)->eps});
}

/* ---- the ways ---- */

/* They must be known, or come from one image. */
static bool fixed_statistics(const cn_layer *layer) {
    return !layer->type->wants_moments(layer, false);
}

const cn__layer_impl cn__batch_norm_nchw16c = {
    .infers_only = true,
    .serves = fixed_statistics,
    .requirements = batch_requirements,
    .prepare = {cn__nchw16c_one_item, batch_prepare, CN__SCOPE_DEFERRED},
    .forward = {{cn__nchw16c_one_item, batch_forward, CN__SCOPE_LOCAL}},
};

const cn__layer_impl cn__group_norm_nchw16c = {
    .infers_only = true,
    .requirements = group_requirements,
    .prepare = {cn__nchw16c_one_item, affine_prepare, CN__SCOPE_DEFERRED},
    .forward = {{cn__nchw16c_one_item, group_forward, CN__SCOPE_LOCAL}},
};

const cn__layer_impl cn__layer_norm2d_nchw16c = {
    .infers_only = true,
    .requirements = pixel_requirements,
    .prepare = {cn__nchw16c_one_item, affine_prepare, CN__SCOPE_DEFERRED},
    .forward = {{cn__nchw16c_one_item, pixel_forward, CN__SCOPE_LOCAL},
                {cn__nchw16c_border_grid, cn__nchw16c_border, CN__SCOPE_LOCAL}},
};
