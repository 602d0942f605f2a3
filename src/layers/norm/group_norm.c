/* group_norm.c: group normalisation, torch.nn.GroupNorm (Wu & He 2018); with one group it is layer norm, with a group a
 * channel instance norm. Mean and variance are over the group's channels, height and width, for each image, so each
 * lane has its own. With N values a group and lane and x̂ = (x - mean) · inv, dx = inv · (weight · dz - Σ weight·dz / N
 * - x̂ · Σ weight·dz·x̂ / N). */
#include "layers/norm/norm.h"
#include <math.h>

static const cn__attr attrs[] = {
    {"num_groups", CN__INT, offsetof(cn__norm_layer, groups), NULL},
    {"num_channels", CN__INT, offsetof(cn__norm_layer, channels), NULL},
    {"eps", CN__FLOAT, offsetof(cn__norm_layer, eps), NULL},
    {"affine", CN__INT, offsetof(cn__norm_layer, affine), NULL},
    {NULL, CN__INT, 0, NULL},
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

static size_t groups(const cn__work *work) {
    return (size_t)((const cn__norm_layer *)work->layer)->groups;
}

static cell cell_of(const cn__work *work, size_t index) {
    size_t channels = (size_t)work->out->shape.channels / groups(work);
    return (cell){index / groups(work), index % groups(work) * channels, channels,
                  (double)channels * work->out->shape.height * work->out->shape.width};
}

static size_t cell_items(const cn__work *work, const cn__run *run) {
    return (size_t)run->blocks * groups(work);
}

/* ---- forward ---- */

static bool wants_moments(const cn_layer *layer, bool training) {
    (void)layer;
    (void)training;
    return true;
}

/* Mean and m2 of a group from those of its channels, one after the other (Chan, Golub & LeVeque 1979). */
static void combine(const cn__work *work, cell at, double mean[CN__LANES], double m2[CN__LANES]) {
    double plane_values = at.values / (double)at.channels;
    for (int l = 0; l < CN__LANES; l++)
        mean[l] = m2[l] = 0.0;
    for (size_t c = 0; c < at.channels; c++) {
        const float *sums = cn__norm_sums(work, at.block, at.first + c);
        double share = 1.0 / (double)(c + 1), between = plane_values * (double)c * share;
        for (int l = 0; l < CN__LANES; l++) {
            double delta = (double)sums[l] - mean[l];
            mean[l] += delta * share;
            m2[l] += (double)sums[CN__LANES + l] + delta * delta * between;
        }
    }
}

static void settle(const cn__work *work, const cn__run *run, size_t index) {
    cell at = cell_of(work, index);
    double eps = (double)((const cn__norm_layer *)work->layer)->eps, mean[CN__LANES], m2[CN__LANES];
    float *center = cn__norm_center(work, at.block, at.first), *inv = center + CN__LANES;
    (void)run;
    combine(work, at, mean, m2);
    for (int l = 0; l < CN__LANES; l++) {
        center[l] = (float)mean[l];
        inv[l] = (float)(1.0 / sqrt(m2[l] / at.values + eps));
    }
}

/* ---- backward ---- */

static void settle_back(const cn__work *work, const cn__run *run, size_t index) {
    cell at = cell_of(work, index);
    const float *inv = cn__norm_center(work, at.block, at.first) + CN__LANES;
    float *b = cn__norm_slope(work, at.block, at.first), *c = b + CN__LANES;
    double sum_dz[CN__LANES] = {0}, sum_dzx[CN__LANES] = {0};
    (void)run;
    for (size_t channel = at.first; channel < at.first + at.channels; channel++) {
        const float *sums = cn__norm_sums(work, at.block, channel);
        double weight = (double)cn__norm_weight(work, channel);
        for (int l = 0; l < CN__LANES; l++) {
            sum_dz[l] += weight * (double)sums[l];
            sum_dzx[l] += weight * (double)sums[CN__LANES + l];
        }
    }
    for (int l = 0; l < CN__LANES; l++) {
        b[l] = (float)(-(double)inv[l] * sum_dzx[l] / at.values);
        c[l] = (float)(-sum_dz[l] / at.values);
    }
}

static void settle_weights(const cn__work *work, const cn__run *run, size_t channel) {
    work->gradient[0][channel] = (float)cn__norm_channel_sum(work, run, channel, 1);
    work->gradient[1][channel] = (float)cn__norm_channel_sum(work, run, channel, 0);
}

static size_t weight_items(const cn__work *work, const cn__run *run) {
    (void)run;
    return ((const cn__norm_layer *)work->layer)->affine ? cn__norm_items((size_t)work->out->shape.channels) : 0;
}

static void settle_channels_back(const cn__work *work, const cn__run *run, size_t item) {
    cn__norm_each(work, run, item, (size_t)work->out->shape.channels, settle_weights);
}

/* ---- the layer ---- */

static const cn__phase forward[] = {{cn__items_in_planes, cn__norm_measure, CN__LOCAL},
                                    {cell_items, settle, CN__LOCAL},
                                    {cn__items_in_planes, cn__norm_apply, CN__LOCAL},
                                    {NULL, NULL, CN__LOCAL}};
static const cn__phase backward[] = {{cn__items_in_planes, cn__norm_reduce, CN__LOCAL},
                                     {weight_items, settle_channels_back, CN__DEFERRED},
                                     {cell_items, settle_back, CN__LOCAL},
                                     {cn__norm_wanted_planes, cn__norm_backward, CN__LOCAL},
                                     {NULL, NULL, CN__LOCAL}};

const cn__layer_ops cn__group_norm_ops = {
    .type = "GroupNorm",
    .bytes = sizeof(cn__norm_layer),
    .role = CN__ROLE_NORM,
    .min_inputs = 1,
    .max_inputs = 1,
    .attrs = attrs,
    .validate = validate,
    .infer = cn__norm_infer,
    .tensors = cn__norm_tensors,
    .init = cn__norm_init,
    .demand = cn__norm_demand,
    .forward = forward,
    .backward = backward,
    .backward_reads_in = true,
    .wants_moments = wants_moments,
};
