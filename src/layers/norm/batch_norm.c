/* SPDX-License-Identifier: MIT */
/* batch_norm.c: batch normalisation, torch.nn.BatchNorm2d (Ioffe & Szegedy 2015). A channel's mean and variance are
 * over batch, height and width; in evaluation, or frozen, the running ones are used. With N values a channel and x̂ =
 * (x - mean) · inv, dx = weight · inv · (dz - Σ dz / N - x̂ · Σ dz·x̂ / N), or weight · inv · dz where they are fixed. */
#include "layers/norm/norm.h"
#include "layers/nchw16c/nchw16c.h"
#include "layers/tree.h"
#include <math.h>
#include <string.h>

static const cn__attr attrs[] = {
    {"num_features", CN__ATTR_INT, offsetof(cn__norm_layer, channels), NULL, 0},
    {"eps", CN__ATTR_FLOAT, offsetof(cn__norm_layer, eps), NULL, 1e-5},
    {"momentum", CN__ATTR_FLOAT, offsetof(cn__norm_layer, momentum), NULL, 0.1},
    {"affine", CN__ATTR_INT, offsetof(cn__norm_layer, affine), NULL, 1},
    {"track_running_stats", CN__ATTR_INT, offsetof(cn__norm_layer, track_running_stats), NULL, 1},
    {NULL, CN__ATTR_INT, 0, NULL, 0},
};

static cn_status validate(cn_layer *layer) {
    cn__norm_layer *n = (cn__norm_layer *)layer;
    CN__TRY(cn__norm_validate(layer));
    if (!(n->momentum >= 0.0f && n->momentum <= 1.0f))
        return cn__error(CN_ERR_ARGUMENT, "BatchNorm2d: momentum is %g, wanted 0 to 1", (double)n->momentum);
    return cn__check_range("BatchNorm2d", "track_running_stats", n->track_running_stats, 0, 1);
}

static int tensors(const cn_layer *layer, cn__tensor_spec *specs) {
    const cn__norm_layer *n = (const cn__norm_layer *)layer;
    int count = cn__norm_tensors(layer, specs);
    if (n->track_running_stats) {
        specs[count++] = (cn__tensor_spec){"running_mean", CN_DTYPE_FLOAT32, 1, {n->channels}, false};
        specs[count++] = (cn__tensor_spec){"running_var", CN_DTYPE_FLOAT32, 1, {n->channels}, false};
        specs[count++] = (cn__tensor_spec){"num_batches_tracked", CN_DTYPE_INT64, 0, {0}, false};
    }
    return count;
}

/* The buffers among a layer's tensors. */
typedef struct running {
    float *mean, *var;
    int64_t *batches;
} running;

static running running_of(const cn_layer *layer, void *const *tensor) {
    void *const *first = tensor + (((const cn__norm_layer *)layer)->affine ? 2 : 0);
    return (running){first[0], first[1], first[2]};
}

static void init(const cn_layer *layer, cn__initializer *from, void *const *tensor) {
    const cn__norm_layer *n = (const cn__norm_layer *)layer;
    cn__norm_init(layer, from, tensor);
    if (!n->track_running_stats)
        return;
    running buffers = running_of(layer, tensor);
    cn__init_constant(buffers.mean, n->channels, 0.0f);
    cn__init_constant(buffers.var, n->channels, 1.0f);
    *buffers.batches = 0;
}

/* ---- forward ---- */

static bool wants_moments(const cn_layer *layer, bool training) {
    return training || !((const cn__norm_layer *)layer)->track_running_stats;
}

static bool uses_batch(const cn__op *op, const cn__pass *pass) {
    return wants_moments(op->layer, pass->training && !op->frozen);
}

/* Values of a lane, and of a channel. */
static double plane_values(const cn__op *op) {
    return (double)op->out->shape.height * op->out->shape.width;
}

/* Whether other processes have images that count. */
static bool shares(const cn__op *op, const cn__pass *pass) {
    return pass->together && !pass->together->local_batch_norm && uses_batch(op, pass);
}

static double channel_values(const cn__op *op, const cn__pass *pass) {
    return plane_values(op) * (shares(op, pass) ? pass->together->images : pass->images);
}

/* What is known of a channel over some leaves: forward the mean and m2, Σ (x - mean)²; backward Σ dz and Σ dz·x̂. */
typedef struct known {
    double values; /* forward: how many */
    double number[2];
} known;

typedef known leaf_function(const cn__op *op, const cn__pass *pass, size_t leaf, size_t channel);
typedef known join_function(known a, known b);

/* From the means and m2 of its images, which all have the same number of values. */
static known leaf_moments(const cn__op *op, const cn__pass *pass, size_t leaf, size_t channel) {
    double images = cn__pass_lanes(pass, leaf), between = 0.0;
    double mean =
        (cn__norm_leaf_sum(op, pass, leaf, channel, 0) + cn__norm_leaf_sum(op, pass, leaf, channel, 2)) / images;
    const float *sums = cn__norm_leaf_sums(op, leaf, channel);
    for (int32_t l = 0; l < cn__pass_lanes(pass, leaf); l++, sums += cn__norm_image_step(op)) {
        double apart = (double)sums[0] + (double)sums[2 * CN__LANES] - mean;
        between += apart * apart;
    }
    return (known){plane_values(op) * images,
                   {mean, cn__norm_leaf_sum(op, pass, leaf, channel, 1) + plane_values(op) * between}};
}

/* Chan, Golub & LeVeque 1979. */
static known join_moments(known a, known b) {
    double values = a.values + b.values, apart = b.number[0] - a.number[0], share = b.values / values;
    return (known){values, {a.number[0] + apart * share, a.number[1] + b.number[1] + apart * apart * a.values * share}};
}

static known leaf_sums(const cn__op *op, const cn__pass *pass, size_t leaf, size_t channel) {
    return (known){0.0, {cn__norm_leaf_sum(op, pass, leaf, channel, 0), cn__norm_leaf_sum(op, pass, leaf, channel, 1)}};
}

static known join_sums(known a, known b) {
    return (known){0.0, {a.number[0] + b.number[0], a.number[1] + b.number[1]}};
}

/* Of this process's images, as spans; their number. */
static int32_t own_spans(const cn__op *op, const cn__pass *pass, size_t channel, leaf_function *leaf_of,
                         join_function *join, known at[CN__TREE_DEPTH]) {
    cn__tree tree = cn__tree_begin(pass);
    for (size_t leaf = 0; leaf < cn__pass_leaves(pass); leaf++) {
        cn__tree_push(&tree);
        at[tree.count - 1] = leaf_of(op, pass, leaf, channel);
        while (cn__tree_merge(&tree))
            at[tree.count - 1] = join(at[tree.count - 1], at[tree.count]);
    }
    return tree.count;
}

/* ---- what processes exchange (SyncBatchNorm): two numbers a span and channel ---- */

static size_t numbers(const cn__op *op) {
    return 2 * (size_t)((const cn__norm_layer *)op->layer)->channels;
}

static void exchange(const cn__op *op, const cn__pass *pass) {
    const cn__together *with = pass->together;
    size_t bytes = (size_t)with->most * numbers(op) * sizeof *with->sent;
    if (shares(op, pass))
        (void)cn__group_all_gather(with->group, with->sent, with->received, bytes, op->name); /* the pass cannot fail */
}

static void leave_spans(const cn__op *op, const cn__pass *pass, size_t channel, leaf_function *leaf_of,
                        join_function *join) {
    known at[CN__TREE_DEPTH];
    int32_t spans = own_spans(op, pass, channel, leaf_of, join, at);
    for (int32_t span = 0; span < spans; span++)
        memcpy(pass->together->sent + (size_t)span * numbers(op) + 2 * channel, at[span].number, sizeof at->number);
}

static known received(const cn__op *op, const cn__pass *pass, size_t channel, const cn__span *span) {
    const cn__together *with = pass->together;
    int32_t end = span->end * CN__LANES < with->images ? span->end * CN__LANES : with->images;
    known k = {.values = plane_values(op) * (end - span->begin * CN__LANES)};
    size_t place = (size_t)span->rank * (size_t)with->most + (size_t)span->place;
    memcpy(k.number, with->received + place * numbers(op) + 2 * channel, sizeof k.number);
    return k;
}

/* Of the images that count. */
static known all_of(const cn__op *op, const cn__pass *pass, size_t channel, leaf_function *leaf_of,
                    join_function *join) {
    known at[CN__TREE_DEPTH] = {{0}};
    if (!shares(op, pass)) {
        int32_t spans = own_spans(op, pass, channel, leaf_of, join, at);
        for (int32_t span = 1; span < spans; span++)
            at[0] = join(at[0], at[span]);
        return at[0];
    }
    cn__tree tree = cn__tree_of_spans(pass->together);
    for (int32_t span = 0; span < pass->together->span_count; span++) {
        cn__tree_push_span(&tree, &pass->together->spans[span]);
        at[tree.count - 1] = received(op, pass, channel, &pass->together->spans[span]);
        while (cn__tree_merge(&tree))
            at[tree.count - 1] = join(at[tree.count - 1], at[tree.count]);
    }
    return at[0];
}

/* The running statistics move towards the batch's. */
static void track(const cn__op *op, size_t channel, double mean, double unbiased) {
    running buffers = running_of(op->layer, op->tensor);
    double share = (double)((const cn__norm_layer *)op->layer)->momentum;
    buffers.mean[channel] = (float)((1.0 - share) * (double)buffers.mean[channel] + share * mean);
    buffers.var[channel] = (float)((1.0 - share) * (double)buffers.var[channel] + share * unbiased);
    if (channel == 0)
        ++*buffers.batches;
}

/* Mean and variance of a channel. */
static void statistics(const cn__op *op, const cn__pass *pass, size_t channel, double *mean, double *variance) {
    if (uses_batch(op, pass)) {
        known k = all_of(op, pass, channel, leaf_moments, join_moments);
        *mean = k.number[0];
        *variance =
            k.values > 0.0 ? k.number[1] / k.values : 0.0; /* a process may have no images, and local statistics */
        if (pass->training && ((const cn__norm_layer *)op->layer)->track_running_stats && k.values > 0.0)
            track(op, channel, *mean, k.number[1] / (k.values - 1.0));
    } else {
        running buffers = running_of(op->layer, op->tensor);
        *mean = (double)buffers.mean[channel];
        *variance = (double)buffers.var[channel];
    }
}

/* y = scale · x + shift for running statistics. */
static void fixed_factors(const cn_layer *layer, void *const *tensor, size_t channel, double *scale, double *shift) {
    const cn__norm_layer *n = (const cn__norm_layer *)layer;
    running buffers = running_of(layer, tensor);
    double weight = n->affine ? (double)((const float *)tensor[0])[channel] : 1.0;
    double bias = n->affine ? (double)((const float *)tensor[1])[channel] : 0.0;
    *scale = weight / sqrt((double)buffers.var[channel] + (double)n->eps);
    *shift = bias - (double)buffers.mean[channel] * *scale;
}

/* What a channel has of a line. */
static void fill(const cn__op *op, float *line, double value) {
    for (size_t l = 0; l < cn__norm_lanes(op); l++)
        line[l] = (float)value;
}

static void finalize(const cn__op *op, const cn__pass *pass, size_t channel) {
    double mean, variance, eps = (double)((const cn__norm_layer *)op->layer)->eps;
    float *center = cn__norm_center(op, 0, channel);
    statistics(op, pass, channel, &mean, &variance);
    fill(op, center, mean);
    fill(op, center + CN__LANES, 1.0 / sqrt(variance + eps));
    fill(op, cn__norm_center_rest(op, 0, channel), mean - (double)*center);
}

static cn__grid planes_to_measure(const cn__op *op, const cn__pass *pass) {
    return uses_batch(op, pass) ? cn__in_planes(op, pass) : (cn__grid){0, 0};
}

/* Of a batch that is shared. */
static cn__grid channels_to_exchange(const cn__op *op, const cn__pass *pass) {
    return shares(op, pass) ? cn__norm_channels(op, pass) : (cn__grid){0, 0};
}

static void leave_moments(const cn__op *op, const cn__pass *pass, size_t channel) {
    leave_spans(op, pass, channel, leaf_moments, join_moments);
}

static void leave_channels(const cn__op *op, const cn__pass *pass, cn__item at) {
    cn__norm_each_channel(op, pass, at, leave_moments);
}

static void finalize_channels(const cn__op *op, const cn__pass *pass, cn__item at) {
    cn__norm_each_channel(op, pass, at, finalize);
}

/* ---- backward ---- */

/* The whole batch's, or this process's share. */
static void give_gradient(const cn__op *op, const cn__pass *pass, int tensor, size_t channel, double sum) {
    op->gradient[tensor][channel] = (float)sum;
    for (int32_t span = 1; span < pass->spans; span++)
        cn__span_gradient(op, pass, tensor, span)[channel] = 0.0f;
}

static void finalize_backward(const cn__op *op, const cn__pass *pass, size_t channel) {
    double inv = (double)cn__norm_center(op, 0, channel)[CN__LANES];
    double rest = (double)*cn__norm_center_rest(op, 0, channel);
    known k = all_of(op, pass, channel, leaf_sums, join_sums);
    double sum_dz = k.number[0], sum_dzx = k.number[1] - rest * inv * sum_dz;
    double share = uses_batch(op, pass) ? (double)cn__norm_weight(op, channel) / channel_values(op, pass) : 0.0;
    float *b = cn__norm_backward_coefficients(op, 0, channel);
    if (((const cn__norm_layer *)op->layer)->affine && uses_batch(op, pass)) {
        give_gradient(op, pass, 0, channel, sum_dzx);
        give_gradient(op, pass, 1, channel, sum_dz);
    } else if (((const cn__norm_layer *)op->layer)->affine) {
        cn__norm_parameter_gradient(op, pass, channel);
    }
    fill(op, b, -share * sum_dzx * inv);
    fill(op, b + CN__LANES, -share * sum_dz);
}

static void leave_sums(const cn__op *op, const cn__pass *pass, size_t channel) {
    leave_spans(op, pass, channel, leaf_sums, join_sums);
}

static void leave_channels_backward(const cn__op *op, const cn__pass *pass, cn__item at) {
    cn__norm_each_channel(op, pass, at, leave_sums);
}

static void finalize_channels_backward(const cn__op *op, const cn__pass *pass, cn__item at) {
    cn__norm_each_channel(op, pass, at, finalize_backward);
}

static bool gives_whole(const cn__op *op, int tensor, bool local_batch_norm) {
    (void)tensor;
    return !local_batch_norm && wants_moments(op->layer, !op->frozen);
}

/* ---- the layer ---- */

static const cn__layer_impl impl = {
    .takes_relu6 = true,
    .requirements = cn__norm_requirements,
    .prepare = {cn__norm_packing, cn__norm_pack, CN__SCOPE_DEFERRED},
    .forward = {{planes_to_measure, cn__norm_measure, CN__SCOPE_LOCAL},
                {channels_to_exchange, leave_channels, CN__SCOPE_GLOBAL, NULL},
                {cn__norm_channels, finalize_channels, CN__SCOPE_GLOBAL, exchange},
                {cn__norm_stored_planes, cn__norm_apply, CN__SCOPE_LOCAL}},
    .backward = {{cn__in_planes, cn__norm_reduce, CN__SCOPE_LOCAL},
                 {channels_to_exchange, leave_channels_backward, CN__SCOPE_GLOBAL, NULL},
                 {cn__norm_channels, finalize_channels_backward, CN__SCOPE_GLOBAL, exchange},
                 {cn__wanted_planes, cn__norm_backward, CN__SCOPE_LOCAL}},
    .gives_whole = gives_whole,
    .backward_reads_in = true,
    .backward_in_place = true,
};

const cn__layer_type cn__batch_norm_type = {
    .name = "BatchNorm2d",
    .bytes = sizeof(cn__norm_layer),
    .kind = CN__KIND_BATCH_NORM,
    .min_inputs = 1,
    .max_inputs = 1,
    .attrs = attrs,
    .validate = validate,
    .infer = cn__norm_infer,
    .tensors = tensors,
    .init = init,
    .wants_batch = true,
    .wants_moments = wants_moments,
    .fixed_factors = fixed_factors,
    .batch = &impl,
    .nchw16c = &cn__batch_norm_nchw16c,
    .nchw16c_backward = &impl,
};
