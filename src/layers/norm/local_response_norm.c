/* SPDX-License-Identifier: MIT */
/* local_response_norm.c: each channel divided by a power of what it and its neighbours hold, torch.nn.LocalResponseNorm
 * (Krizhevsky, Sutskever & Hinton 2012):
 *
 *     y_c = x_c / (k + alpha / size · Σ x_j²)^beta,   j = c - size / 2 … c + (size - 1) / 2
 *
 * An item is a row of pixels of a block; planes are channels, or have them in the lanes. */
#include "layers/layers.h"
#include <math.h>

typedef struct response_layer {
    cn_layer base;
    int32_t size;
    float alpha, beta, k;
} response_layer;

static const cn__attr attrs[] = {
    {"size", CN__ATTR_INT, offsetof(response_layer, size), NULL, 0},
    {"alpha", CN__ATTR_FLOAT, offsetof(response_layer, alpha), NULL, 1e-4},
    {"beta", CN__ATTR_FLOAT, offsetof(response_layer, beta), NULL, 0.75},
    {"k", CN__ATTR_FLOAT, offsetof(response_layer, k), NULL, 1.0},
    {NULL, CN__ATTR_INT, 0, NULL, 0},
};

static cn_status validate(cn_layer *layer) {
    const response_layer *r = (const response_layer *)layer;
    if (r->size < 1 || r->size > CN__MAX_SIDE)
        return cn__error(CN_ERR_ARGUMENT, "LocalResponseNorm: size is %d, wanted 1 to %d", r->size, CN__MAX_SIDE);
    if (!(r->alpha >= 0.0f) || isinf(r->alpha))
        return cn__error(CN_ERR_ARGUMENT, "LocalResponseNorm: alpha is %g, wanted 0 or more", (double)r->alpha);
    if (!isfinite(r->beta))
        return cn__error(CN_ERR_ARGUMENT, "LocalResponseNorm: beta is %g, wanted a number", (double)r->beta);
    if (!(r->k > 0.0f) || isinf(r->k))
        return cn__error(CN_ERR_ARGUMENT, "LocalResponseNorm: k is %g, wanted above 0", (double)r->k);
    return CN_OK;
}

/* ---- rows ---- */

static void requirements(const cn_layer *layer, const cn__sizes *sizes, cn__requirements *requirements) {
    (void)layer;
    if (sizes->training || sizes->nchw16c)
        requirements->scratch_floats = CN__LOCAL_RESPONSE_SCRATCH(sizes->out.channels);
}

static cn__grid rows(const cn__op *op, const cn__pass *pass) {
    (void)pass;
    return (cn__grid){(size_t)op->out->shape.height, 1};
}

static float *row_of(const cn__fmap *map, cn__item at) {
    return cn__fmap_plane(map, at.block, 0).data + at.outer * map->row;
}

static int32_t at_most(int32_t neighbours, int32_t channels) {
    return neighbours < channels ? neighbours : channels;
}

static cn__local_response_args args_of(const cn__op *op, const cn__pass *pass, cn__item at) {
    const response_layer *r = (const response_layer *)op->layer;
    int32_t channels = cn__fmap_channels(op->out);
    return (cn__local_response_args){.channels = channels,
                                     .width = op->out->shape.width,
                                     .before = at_most(r->size / 2, channels),
                                     .after = at_most((r->size - 1) / 2, channels),
                                     .scale = r->alpha / (float)r->size,
                                     .beta = r->beta,
                                     .k = r->k,
                                     .x = row_of(op->in[0], at),
                                     .x_channel = op->in[0]->channel,
                                     .scratch = pass->scratch};
}

static void forward(const cn__op *op, const cn__pass *pass, cn__item at) {
    cn__local_response_args args = args_of(op, pass, at);
    args.y_channel = op->out->channel;
    (op->out->lane_channels ? op->kernels->channel_local_response : op->kernels->local_response)(&args,
                                                                                                 row_of(op->out, at));
}

static void backward(const cn__op *op, const cn__pass *pass, cn__item at) {
    cn__local_response_args args = args_of(op, pass, at);
    args.y_channel = op->d_out->channel;
    args.x_gradient_channel = op->d_in[0]->channel;
    (op->out->lane_channels ? op->kernels->channel_local_response_backward : op->kernels->local_response_backward)(
        &args, row_of(op->d_out, at), row_of(op->d_in[0], at), op->accumulate[0]);
}

/* ---- the layer ---- */

static const cn__layer_impl impl = {
    .requirements = requirements,
    .forward = {{rows, forward, CN__SCOPE_LOCAL}, {cn__border_planes, cn__border, CN__SCOPE_LOCAL}},
    .backward = {{rows, backward, CN__SCOPE_LOCAL}},
    .backward_reads_in = true,
};

const cn__layer_type cn__local_response_norm_type = {
    .name = "LocalResponseNorm",
    .bytes = sizeof(response_layer),
    .min_inputs = 1,
    .max_inputs = 1,
    .attrs = attrs,
    .validate = validate,
    .infer = cn__infer_same,
    .batch = &impl,
    .nchw16c = &impl,
};

cn_status cn_local_response_norm_new(cn_context *context, int size, float alpha, float beta, float k,
                                     cn_layer **layer) {
    CN__COMPUTES;
    cn_layer *made;
    CN__REQUIRE(layer);
    *layer = NULL;
    CN__REQUIRE(context);
    CN__TRY(cn__layer_alloc(context, &cn__local_response_norm_type, &made));
    response_layer *r = (response_layer *)made;
    r->size = size;
    r->alpha = alpha;
    r->beta = beta;
    r->k = k;
    return cn__layer_finish(made, layer);
}
