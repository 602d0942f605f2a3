/* SPDX-License-Identifier: MIT */
/* layer_norm2d.c: layer normalisation of each pixel over its channels, torchvision's LayerNorm2d (Ba, Kiros & Hinton
 * 2016; ConvNeXt: Liu et al. 2022). Forward an item is a row of pixels of a block; the mean and inv = 1 / sqrt(variance
 * + eps) of each pixel are kept, a line of each also where channels lie in the lanes. Backward the rows give the input's
 * gradient and planes the sums for their parameters, Σ dy·x̂ and Σ dy of each lane. */
#include "layers/norm/norm.h"

static const cn__attr attrs[] = {
    {"num_channels", CN__ATTR_INT, offsetof(cn__norm_layer, channels), NULL, 0},
    {"eps", CN__ATTR_FLOAT, offsetof(cn__norm_layer, eps), NULL, 1e-5},
    {"affine", CN__ATTR_INT, offsetof(cn__norm_layer, affine), NULL, 1},
    {NULL, CN__ATTR_INT, 0, NULL, 0},
};

/* ---- memory: sums as batch and group norm have them, then means, then inverses ---- */

static size_t pixels(cn__shape shape) {
    return (size_t)shape.height * (size_t)shape.width;
}

static void requirements(const cn_layer *layer, const cn__sizes *sizes, cn__requirements *requirements) {
    size_t planes = cn__sizes_planes(sizes, sizes->out.channels);
    (void)layer;
    requirements->packed_floats = sizes->nchw16c ? planes * 2 * CN__LANES : 0;
    if (sizes->training)
        requirements->saved_floats = planes * CN__NORM_SUMS + 2 * pixels(sizes->out) * CN__LANES;
}

static float *mean_of(const cn__op *op, cn__item at, size_t row) {
    cn__shape shape = op->out->shape;
    return cn__saved(op, at.block) + (size_t)shape.channels * CN__NORM_SUMS + row * (size_t)shape.width * CN__LANES;
}

static float *inv_of(const cn__op *op, cn__item at, size_t row) {
    return mean_of(op, at, row) + pixels(op->out->shape) * CN__LANES;
}

/* ---- rows ---- */

static cn__grid rows(const cn__op *op, const cn__pass *pass) {
    (void)pass;
    return (cn__grid){(size_t)op->out->shape.height, 1};
}

static cn__grid wanted_rows(const cn__op *op, const cn__pass *pass) {
    return op->d_in[0] ? rows(op, pass) : (cn__grid){0, 0};
}

static float *row_of(const cn__fmap *map, cn__item at) {
    return cn__fmap_plane(map, at.block, 0).data + at.outer * map->row;
}

static cn__layer_norm_args args_of(const cn__op *op, cn__item at) {
    const cn__norm_layer *n = (const cn__norm_layer *)op->layer;
    bool lanes = op->out->lane_channels > 0;
    return (cn__layer_norm_args){.channels = n->channels,
                                 .width = op->out->shape.width,
                                 .x = row_of(op->in[0], at),
                                 .x_channel = op->in[0]->channel,
                                 .weight = !n->affine ? NULL
                                           : lanes    ? cn__norm_weights(op, 0)
                                                      : op->tensor[0],
                                 .bias = !n->affine ? NULL
                                         : lanes    ? cn__norm_biases(op, 0)
                                                    : op->tensor[1],
                                 .eps = n->eps};
}

static void forward(const cn__op *op, const cn__pass *pass, cn__item at) {
    cn__layer_norm_args args = args_of(op, at);
    (void)pass;
    args.y_channel = op->out->channel;
    (op->out->lane_channels ? op->kernels->channel_layer_norm : op->kernels->layer_norm)(
        &args, row_of(op->out, at), op->training ? mean_of(op, at, at.outer) : NULL,
        op->training ? inv_of(op, at, at.outer) : NULL);
}

static void backward(const cn__op *op, const cn__pass *pass, cn__item at) {
    cn__layer_norm_args args = args_of(op, at);
    (void)pass;
    args.y_channel = op->d_out->channel;
    args.x_gradient_channel = op->d_in[0]->channel;
    (op->out->lane_channels ? op->kernels->channel_layer_norm_backward : op->kernels->layer_norm_backward)(
        &args, row_of(op->d_out, at), row_of(op->d_in[0], at), mean_of(op, at, at.outer), inv_of(op, at, at.outer),
        op->accumulate[0]);
}

/* ---- parameters ---- */

static bool has_gradients(const cn__op *op) {
    return ((const cn__norm_layer *)op->layer)->affine && !(op->unread[0] && op->unread[1]);
}

static cn__grid planes_to_sum(const cn__op *op, const cn__pass *pass) {
    return has_gradients(op) ? cn__out_planes(op, pass) : (cn__grid){0, 0};
}

static void sum_plane(const cn__op *op, const cn__pass *pass, cn__item at) {
    float *sums = cn__norm_plane_sums(op, at.block, at.outer);
    (void)pass;
    op->kernels->layer_norm_sums(cn__fmap_plane(op->in[0], at.block, at.outer),
                                 cn__fmap_plane(op->d_out, at.block, at.outer), mean_of(op, at, 0), inv_of(op, at, 0),
                                 op->out->shape.height, op->out->shape.width, sums, sums + CN__LANES);
}

static cn__grid gradient_grid(const cn__op *op, const cn__pass *pass) {
    return has_gradients(op) ? cn__norm_channels(op, pass) : (cn__grid){0, 0};
}

static void gradients(const cn__op *op, const cn__pass *pass, cn__item at) {
    cn__norm_each_channel(op, pass, at, cn__norm_parameter_gradient);
}

/* ---- the layer ---- */

static const cn__layer_impl impl = {
    .requirements = requirements,
    .prepare = {cn__norm_packing, cn__norm_pack, CN__SCOPE_DEFERRED},
    .forward = {{rows, forward, CN__SCOPE_LOCAL}, {cn__border_planes, cn__border, CN__SCOPE_LOCAL}},
    .backward = {{planes_to_sum, sum_plane, CN__SCOPE_LOCAL},
                 {gradient_grid, gradients, CN__SCOPE_DEFERRED},
                 {wanted_rows, backward, CN__SCOPE_LOCAL}},
    .backward_reads_in = true,
};

const cn__layer_type cn__layer_norm2d_type = {
    .name = "LayerNorm2d",
    .bytes = sizeof(cn__norm_layer),
    .min_inputs = 1,
    .max_inputs = 1,
    .attrs = attrs,
    .validate = cn__norm_validate,
    .infer = cn__norm_infer,
    .tensors = cn__norm_tensors,
    .init = cn__norm_init,
    .batch = &impl,
    .nchw16c = &impl,
};

cn_status cn_layer_norm2d_new(cn_context *context, int channels, const cn_norm_options *options, cn_layer **layer) {
    CN__COMPUTES;
    cn_norm_options o = CN_NORM_OPTIONS_INIT;
    cn_layer *made;
    CN__REQUIRE(layer);
    *layer = NULL;
    CN__REQUIRE(context);
    CN__TRY(CN__READ_OPTIONS(&o, cn_norm_options, options));
    CN__TRY(cn__check_reserved("cn_norm_options", o.reserved == 0));
    CN__TRY(cn__layer_alloc(context, &cn__layer_norm2d_type, &made));
    cn__norm_layer *n = (cn__norm_layer *)made;
    n->channels = channels;
    n->eps = o.eps;
    n->affine = o.affine;
    return cn__layer_finish(made, layer);
}
