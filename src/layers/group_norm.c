/* group_norm.c: group normalisation, torch.nn.GroupNorm (Wu & He 2018); with one group it is layer norm, with a group a
 * channel instance norm. Mean and variance are over the group's channels, height and width, for each image, so each
 * lane has its own. With N values a group and lane and x̂ = (x - mean) · inv, dx = inv · (weight · dz - Σ weight·dz / N
 * - x̂ · Σ weight·dz·x̂ / N). */
#include "layers/norm.h"
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
    return cn__norm_items((size_t)run->blocks * groups(work));
}

/* ---- forward ---- */

static bool wants_moments(const cn_layer *layer, bool training) {
    (void)layer;
    (void)training;
    return true;
}

/* Mean and Σ (x - mean)² of a group from those of its channels, one after the other (Chan, Golub & LeVeque 1979). */
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
    double eps = (double)((const cn__norm_layer *)work->layer)->eps, mean[CN__LANES], inv[CN__LANES];
    float *moments = cn__norm_moments(work, at.block, at.first);
    (void)run;
    combine(work, at, mean, inv);
    for (int l = 0; l < CN__LANES; l++) {
        inv[l] = 1.0 / sqrt(inv[l] / at.values + eps);
        moments[l] = (float)mean[l];
        moments[CN__LANES + l] = (float)inv[l];
    }
    for (size_t c = at.first; c < at.first + at.channels; c++) {
        double weight = (double)cn__norm_weight(work, c), bias = (double)cn__norm_bias(work, c);
        float *factors = cn__norm_factors(work, at.block, c);
        for (int l = 0; l < CN__LANES; l++) {
            factors[l] = (float)(inv[l] * weight);
            factors[CN__LANES + l] = (float)(bias - mean[l] * (double)factors[l]);
        }
    }
}

static void settle_cells(const cn__work *work, const cn__run *run, size_t item) {
    cn__norm_each(work, run, item, (size_t)run->blocks * groups(work), settle);
}

/* ---- backward ---- */

static void settle_back(const cn__work *work, const cn__run *run, size_t index) {
    cell at = cell_of(work, index);
    const float *mean = cn__norm_moments(work, at.block, at.first), *inv = mean + CN__LANES;
    double sum_dz[CN__LANES] = {0}, sum_dzx[CN__LANES] = {0};
    (void)run;
    for (size_t c = at.first; c < at.first + at.channels; c++) {
        const float *sums = cn__norm_sums(work, at.block, c);
        double weight = (double)cn__norm_weight(work, c);
        for (int l = 0; l < CN__LANES; l++) {
            sum_dz[l] += weight * (double)sums[l];
            sum_dzx[l] += weight * (double)sums[CN__LANES + l];
        }
    }
    for (size_t c = at.first; c < at.first + at.channels; c++) {
        double weight = (double)cn__norm_weight(work, c);
        float *factors = cn__norm_factors(work, at.block, c);
        for (int l = 0; l < CN__LANES; l++) {
            double share = -(double)inv[l] / at.values;
            factors[l] = (float)((double)inv[l] * weight);
            factors[CN__LANES + l] = (float)(share * (double)inv[l] * sum_dzx[l]);
            factors[2 * CN__LANES + l] = (float)(share * sum_dz[l] - (double)factors[CN__LANES + l] * (double)mean[l]);
        }
    }
}

static void settle_cells_back(const cn__work *work, const cn__run *run, size_t item) {
    cn__norm_each(work, run, item, (size_t)run->blocks * groups(work), settle_back);
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

static const cn__phase forward[] = {{cn__items_in_planes, cn__norm_measure},
                                    {cell_items, settle_cells},
                                    {cn__items_in_planes, cn__norm_apply},
                                    {NULL, NULL}};
static const cn__phase backward[] = {{cn__items_in_planes, cn__norm_reduce},
                                     {weight_items, settle_channels_back},
                                     {cell_items, settle_cells_back},
                                     {cn__norm_wanted_planes, cn__norm_backward},
                                     {NULL, NULL}};

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
