/* SPDX-License-Identifier: MIT */
/* group_norm.c: group normalisation, torch.nn.GroupNorm (Wu & He 2018); with one group it is layer norm, with a group a
 * channel instance norm. Mean and variance are over the group's channels, height and width, for each image, so each
 * lane has its own. With N values a group and lane and x̂ = (x - mean) · inv, dx = inv · (weight · dz - Σ weight·dz / N
 * - x̂ · Σ weight·dz·x̂ / N). */
#include "layers/norm/norm.h"
#include <math.h>

static const cn__attr attrs[] = {
    {"num_groups", CN__ATTR_INT, offsetof(cn__norm_layer, groups), NULL, 0},
    {"num_channels", CN__ATTR_INT, offsetof(cn__norm_layer, channels), NULL, 0},
    {"eps", CN__ATTR_FLOAT, offsetof(cn__norm_layer, eps), NULL, 1e-5},
    {"affine", CN__ATTR_INT, offsetof(cn__norm_layer, affine), NULL, 1},
    {NULL, CN__ATTR_INT, 0, NULL, 0},
};

static cn_status validate(cn_layer *layer) {
    cn__norm_layer *n = (cn__norm_layer *)layer;
    CN__TRY(cn__norm_validate(layer));
    CN__TRY(cn__check_range("GroupNorm", "groups", n->groups, 1, n->channels));
    if (n->channels % n->groups)
        return cn__error(CN_ERR_ARGUMENT, "GroupNorm: %d groups do not divide %d channels", n->groups, n->channels);
    return CN_OK;
}

/* ---- cells: a group of a block ---- */

typedef struct cell {
    size_t block, first, channels;
    double values; /* of a lane */
} cell;

static size_t groups(const cn__op *op) {
    return (size_t)((const cn__norm_layer *)op->layer)->groups;
}

static cell cell_of(const cn__op *op, cn__item at) {
    size_t channels = (size_t)cn__fmap_channels(op->out) / groups(op);
    return (cell){at.block, at.outer * channels, channels,
                  (double)channels * op->out->shape.height * op->out->shape.width};
}

static cn__grid cells(const cn__op *op, const cn__pass *pass) {
    (void)pass;
    return (cn__grid){groups(op), 1};
}

/* ---- forward ---- */

static bool wants_moments(const cn_layer *layer, bool training) {
    (void)layer;
    (void)training;
    return true;
}

/* Mean and m2 of a group from those of its channels, one after the other (Chan, Golub & LeVeque 1979). */
static void combine(const cn__op *op, cell at, double mean[CN__LANES], double m2[CN__LANES]) {
    double plane_values = at.values / (double)at.channels;
    for (int l = 0; l < CN__LANES; l++)
        mean[l] = m2[l] = 0.0;
    for (size_t c = 0; c < at.channels; c++) {
        const float *sums = cn__norm_sums(op, at.block, at.first + c);
        double share = 1.0 / (double)(c + 1), between = plane_values * (double)c * share;
        for (size_t l = 0; l < cn__norm_lanes(op); l++) {
            double delta = (double)sums[l] + (double)sums[2 * CN__LANES + l] - mean[l];
            mean[l] += delta * share;
            m2[l] += (double)sums[CN__LANES + l] + delta * delta * between;
        }
    }
}

/* Two numbers of a cell, for all of its channels that have places of their own for them. */
static void put(const cn__op *op, cell at, float *(*place)(const cn__op *op, size_t block, size_t channel),
                const float *first, const float *second) {
    size_t places = op->out->lane_channels ? at.channels : 1;
    for (size_t channel = at.first; channel < at.first + places; channel++) {
        float *to = place(op, at.block, channel);
        for (size_t l = 0; l < cn__norm_lanes(op); l++) {
            to[l] = first[l];
            to[CN__LANES + l] = second[l];
        }
    }
}

static void finalize(const cn__op *op, const cn__pass *pass, cn__item item) {
    cell at = cell_of(op, item);
    double eps = (double)((const cn__norm_layer *)op->layer)->eps, mean[CN__LANES], m2[CN__LANES];
    float center[CN__LANES], inv[CN__LANES];
    (void)pass;
    combine(op, at, mean, m2);
    for (size_t l = 0; l < cn__norm_lanes(op); l++) {
        center[l] = (float)mean[l];
        inv[l] = (float)(1.0 / sqrt(m2[l] / at.values + eps));
    }
    put(op, at, cn__norm_center, center, inv);
}

/* ---- backward ---- */

static void finalize_backward(const cn__op *op, const cn__pass *pass, cn__item item) {
    cell at = cell_of(op, item);
    const float *inv = cn__norm_center(op, at.block, at.first) + CN__LANES;
    double sum_dz[CN__LANES] = {0}, sum_dzx[CN__LANES] = {0};
    float b[CN__LANES], c[CN__LANES];
    (void)pass;
    for (size_t channel = at.first; channel < at.first + at.channels; channel++) {
        const float *sums = cn__norm_sums(op, at.block, channel);
        double weight = (double)cn__norm_weight(op, channel);
        for (size_t l = 0; l < cn__norm_lanes(op); l++) {
            sum_dz[l] += weight * (double)sums[l];
            sum_dzx[l] += weight * (double)sums[CN__LANES + l];
        }
    }
    for (size_t l = 0; l < cn__norm_lanes(op); l++) {
        b[l] = (float)(-(double)inv[l] * sum_dzx[l] / at.values);
        c[l] = (float)(-sum_dz[l] / at.values);
    }
    put(op, at, cn__norm_backward_coefficients, b, c);
}

static cn__grid parameter_grid(const cn__op *op, const cn__pass *pass) {
    return ((const cn__norm_layer *)op->layer)->affine ? cn__norm_channels(op, pass) : (cn__grid){0, 0};
}

static void parameter_gradients(const cn__op *op, const cn__pass *pass, cn__item at) {
    cn__norm_each_channel(op, pass, at, cn__norm_parameter_gradient);
}

/* ---- the layer ---- */

static const cn__layer_impl impl = {
    .takes_relu6 = true,
    .requirements = cn__norm_requirements,
    .prepare = {cn__norm_packing, cn__norm_pack, CN__SCOPE_DEFERRED},
    .forward = {{cn__in_planes, cn__norm_measure, CN__SCOPE_LOCAL},
                {cells, finalize, CN__SCOPE_LOCAL},
                {cn__in_planes, cn__norm_apply, CN__SCOPE_LOCAL}},
    .backward = {{cn__in_planes, cn__norm_reduce, CN__SCOPE_LOCAL},
                 {parameter_grid, parameter_gradients, CN__SCOPE_DEFERRED},
                 {cells, finalize_backward, CN__SCOPE_LOCAL},
                 {cn__wanted_planes, cn__norm_backward, CN__SCOPE_LOCAL}},
    .backward_reads_in = true,
    .backward_in_place = true,
};

const cn__layer_type cn__group_norm_type = {
    .name = "GroupNorm",
    .bytes = sizeof(cn__norm_layer),
    .kind = CN__KIND_GROUP_NORM,
    .min_inputs = 1,
    .max_inputs = 1,
    .attrs = attrs,
    .validate = validate,
    .infer = cn__norm_infer,
    .tensors = cn__norm_tensors,
    .init = cn__norm_init,
    .wants_moments = wants_moments,
    .batch = &impl,
    .nchw16c = &impl,
};
