/* small_batch_norms.c: norms with channels in the lanes. Every lane has its own factors, so a plane is normalised in one
 * sweep: y = relu((x - center) · scale + shift + skip). Batch norm knows them beforehand; group norm measures the
 * image: a plane leaves the mean and m2 = Σ (x - mean)² of its lanes, then each group of channels settles its own. */
#include "layers/small_batch/small_batch.h"
#include "layers/norm/norm.h"
#include <math.h>

/* Lines of a plane in kept memory, and of the parameters in packed. */
enum { CENTER, SCALE, SHIFT, LINES };
enum { MEAN = CENTER, M2 = SCALE }; /* until they are settled */
enum { WEIGHT, BIAS, PARAMETERS };

static const cn__norm_layer *norm_of(const cn__work *work) {
    return (const cn__norm_layer *)work->layer;
}

/* Where a channel's number is in lines `line` of `lines` a plane. */
static float *number(float *memory, size_t lines, size_t line, size_t channel) {
    return memory + (channel / CN__LANES * lines + line) * CN__LANES + channel % CN__LANES;
}

static void apply_plane(const cn__work *work, size_t plane, const float *center, const float *scale,
                        const float *shift) {
    const cn__map *out = work->out, *skip = work->fused.skip;
    cn__channel_norm_args args = {.height = out->shape.height,
                                  .width = out->shape.width,
                                  .x = cn__map_plane(work->in[0], 0, plane),
                                  .y = cn__map_plane(out, 0, plane),
                                  .center = center,
                                  .scale = scale,
                                  .shift = shift,
                                  .relu = work->fused.relu};
    if (skip)
        args.skip = cn__map_plane(skip, 0, plane);
    work->kernels->channel_norm(&args);
    cn__map_border(out, 0, plane);
}

/* ---- batch norm ---- */

static void batch_demand(const cn_layer *layer, cn__shape in, cn__shape out, int32_t max_blocks, bool training,
                         cn__demand *demand) {
    (void)layer;
    (void)out;
    (void)max_blocks;
    (void)training;
    demand->packed_floats = cn__channel_planes(in.channels) * LINES * CN__LANES;
}

static void batch_prepare(const cn__work *work, const cn__run *run, size_t item) {
    (void)run;
    (void)item;
    for (size_t c = 0; c < (size_t)norm_of(work)->channels; c++) {
        double scale, shift;
        work->layer->ops->fixed_factors(work->layer, work->tensor, c, &scale, &shift);
        *number(work->packed, LINES, SCALE, c) = (float)scale;
        *number(work->packed, LINES, SHIFT, c) = (float)shift;
    }
}

static void batch_forward(const cn__work *work, const cn__run *run, size_t item) {
    (void)run;
    (void)item;
    for (size_t plane = 0; plane < (size_t)work->out->shape.channels; plane++) {
        const float *lines = work->packed + plane * LINES * CN__LANES;
        apply_plane(work, plane, lines + CENTER * CN__LANES, lines + SCALE * CN__LANES, lines + SHIFT * CN__LANES);
    }
}

/* ---- group norm ---- */

static void group_demand(const cn_layer *layer, cn__shape in, cn__shape out, int32_t max_blocks, bool training,
                         cn__demand *demand) {
    (void)layer;
    (void)out;
    (void)max_blocks;
    (void)training;
    demand->packed_floats = cn__channel_planes(in.channels) * PARAMETERS * CN__LANES;
    demand->kept_floats = cn__channel_planes(in.channels) * LINES * CN__LANES;
}

static void group_prepare(const cn__work *work, const cn__run *run, size_t item) {
    (void)run;
    (void)item;
    for (size_t c = 0; c < (size_t)norm_of(work)->channels; c++) {
        bool affine = norm_of(work)->affine;
        *number(work->packed, PARAMETERS, WEIGHT, c) = affine ? ((const float *)work->tensor[0])[c] : 1.0f;
        *number(work->packed, PARAMETERS, BIAS, c) = affine ? ((const float *)work->tensor[1])[c] : 0.0f;
    }
}

/* Mean and variance of `count` channels from `first` on, from those of the channels, one after the other (Chan, Golub &
 * LeVeque 1979). */
static void combine(const cn__work *work, size_t first, size_t count, double *mean, double *variance) {
    double values = (double)work->out->shape.height * work->out->shape.width, m2 = 0.0;
    *mean = 0.0;
    for (size_t i = 0; i < count; i++) {
        double share = 1.0 / (double)(i + 1);
        double delta = (double)*number(cn__kept(work, 0), LINES, MEAN, first + i) - *mean;
        *mean += delta * share;
        m2 += (double)*number(cn__kept(work, 0), LINES, M2, first + i) + delta * delta * values * (double)i * share;
    }
    *variance = m2 / (values * (double)count);
}

static void settle_group(const cn__work *work, size_t first, size_t count) {
    double mean, variance;
    combine(work, first, count, &mean, &variance);
    float inv = (float)(1.0 / sqrt(variance + (double)norm_of(work)->eps));
    for (size_t c = first; c < first + count; c++) {
        *number(cn__kept(work, 0), LINES, CENTER, c) = (float)mean;
        *number(cn__kept(work, 0), LINES, SCALE, c) = inv * *number(work->packed, PARAMETERS, WEIGHT, c);
        *number(cn__kept(work, 0), LINES, SHIFT, c) = *number(work->packed, PARAMETERS, BIAS, c);
    }
}

static void group_forward(const cn__work *work, const cn__run *run, size_t item) {
    const cn__norm_layer *n = norm_of(work);
    size_t planes = (size_t)work->out->shape.channels, count = (size_t)(n->channels / n->groups);
    (void)run;
    (void)item;
    for (size_t plane = 0; plane < planes; plane++) {
        float *lines = cn__kept(work, 0) + plane * LINES * CN__LANES;
        work->kernels->lane_moments(cn__map_plane(work->in[0], 0, plane), work->out->shape.height,
                                    work->out->shape.width, lines + MEAN * CN__LANES, lines + M2 * CN__LANES);
    }
    for (size_t first = 0; first < (size_t)n->channels; first += count)
        settle_group(work, first, count);
    for (size_t plane = 0; plane < planes; plane++) {
        const float *lines = cn__kept(work, 0) + plane * LINES * CN__LANES;
        apply_plane(work, plane, lines + CENTER * CN__LANES, lines + SCALE * CN__LANES, lines + SHIFT * CN__LANES);
    }
}

/* ---- the layers ---- */

static const cn__phase batch_preparation = {cn__channel_one_item, batch_prepare, CN__DEFERRED};
static const cn__phase batch_pass[] = {{cn__channel_one_item, batch_forward, CN__LOCAL}, {NULL, NULL, CN__LOCAL}};
static const cn__phase group_preparation = {cn__channel_one_item, group_prepare, CN__DEFERRED};
static const cn__phase group_pass[] = {{cn__channel_one_item, group_forward, CN__LOCAL}, {NULL, NULL, CN__LOCAL}};

const cn__layer_ops cn__channel_batch_norm_ops = {
    .demand = batch_demand,
    .prepare = &batch_preparation,
    .forward = batch_pass,
};

const cn__layer_ops cn__channel_group_norm_ops = {
    .demand = group_demand,
    .prepare = &group_preparation,
    .forward = group_pass,
};
