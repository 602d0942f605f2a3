/* batch_norm.c: batch normalisation, torch.nn.BatchNorm2d (Ioffe & Szegedy 2015). A channel's mean and variance are
 * over batch, height and width; in evaluation, or frozen, the running ones are used. With N values a channel and x̂ =
 * (x - mean) · inv, dx = weight · inv · (dz - Σ dz / N - x̂ · Σ dz·x̂ / N), or weight · inv · dz where they are fixed. */
#include "layers/norm/norm.h"
#include "layers/nchw16c/nchw16c.h"
#include <math.h>

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

static double channel_values(const cn__op *op, const cn__pass *pass) {
    return plane_values(op) * pass->images;
}

/* Mean and Σ (x - mean)² of a channel from those of its lanes, which all have the same number of values (Chan, Golub &
 * LeVeque 1979). */
static double combine(const cn__op *op, const cn__pass *pass, size_t channel, double *mean) {
    double inside = cn__norm_channel_sum(op, pass, channel, 1), between = 0.0;
    *mean = (cn__norm_channel_sum(op, pass, channel, 0) + cn__norm_channel_sum(op, pass, channel, 2)) / pass->images;
    for (size_t block = 0; block < (size_t)pass->blocks; block++) {
        const float *means = cn__norm_sums(op, block, channel), *rests = means + 2 * CN__LANES;
        for (int32_t l = 0; l < cn__norm_images(op, pass, block); l++) {
            double apart = (double)means[l] + (double)rests[l] - *mean;
            between += apart * apart;
        }
    }
    return inside + plane_values(op) * between;
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
    double count = channel_values(op, pass);
    if (uses_batch(op, pass)) {
        double m2 = combine(op, pass, channel, mean);
        *variance = m2 / count;
        if (pass->training && ((const cn__norm_layer *)op->layer)->track_running_stats)
            track(op, channel, *mean, m2 / (count - 1.0));
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

static void finalize_channels(const cn__op *op, const cn__pass *pass, cn__item at) {
    cn__norm_each_channel(op, pass, at, finalize);
}

/* ---- backward ---- */

static void finalize_backward(const cn__op *op, const cn__pass *pass, size_t channel) {
    double inv = (double)cn__norm_center(op, 0, channel)[CN__LANES];
    double rest = (double)*cn__norm_center_rest(op, 0, channel);
    double sum_dz = cn__norm_channel_sum(op, pass, channel, 0);
    double sum_dzx = cn__norm_channel_sum(op, pass, channel, 1) - rest * inv * sum_dz;
    double share = uses_batch(op, pass) ? (double)cn__norm_weight(op, channel) / channel_values(op, pass) : 0.0;
    float *b = cn__norm_backward_coefficients(op, 0, channel);
    if (((const cn__norm_layer *)op->layer)->affine) {
        op->gradient[0][channel] = (float)sum_dzx;
        op->gradient[1][channel] = (float)sum_dz;
    }
    fill(op, b, -share * sum_dzx * inv);
    fill(op, b + CN__LANES, -share * sum_dz);
}

static void finalize_channels_backward(const cn__op *op, const cn__pass *pass, cn__item at) {
    cn__norm_each_channel(op, pass, at, finalize_backward);
}

/* ---- the layer ---- */

static const cn__layer_impl impl = {
    .takes_relu6 = true,
    .requirements = cn__norm_requirements,
    .prepare = {cn__norm_packing, cn__norm_pack, CN__SCOPE_DEFERRED},
    .forward = {{planes_to_measure, cn__norm_measure, CN__SCOPE_LOCAL},
                {cn__norm_channels, finalize_channels, CN__SCOPE_GLOBAL},
                {cn__in_planes, cn__norm_apply, CN__SCOPE_LOCAL}},
    .backward = {{cn__in_planes, cn__norm_reduce, CN__SCOPE_LOCAL},
                 {cn__norm_channels, finalize_channels_backward, CN__SCOPE_GLOBAL},
                 {cn__wanted_planes, cn__norm_backward, CN__SCOPE_LOCAL}},
    .backward_reads_in = true,
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
