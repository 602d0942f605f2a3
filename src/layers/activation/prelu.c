/* SPDX-License-Identifier: MIT */
/* prelu.c: x, below 0 weight · x, torch.nn.PReLU (He et al. 2015), with one weight or one for each channel. Their
 * gradients, Σ dy · min(x, 0), are left by each plane and added up when all are there: blocks in their order, and
 * channels where they share a weight. */
#include "layers/tree.h"

typedef struct prelu {
    cn_layer base;
    int32_t weights; /* 1, or as many as channels */
} prelu;

static const cn__attr attrs[] = {
    {"num_parameters", CN__ATTR_INT, offsetof(prelu, weights), NULL, 1},
    {NULL, CN__ATTR_INT, 0, NULL, 0},
};

static cn_status validate(cn_layer *layer) {
    return cn__check_range("PReLU", "num_parameters", ((const prelu *)layer)->weights, 1, CN__MAX_SIDE);
}

static cn_status infer(const cn_layer *layer, const char *name, int32_t inputs, const cn__shape *in, cn__shape *out) {
    int32_t weights = ((const prelu *)layer)->weights;
    if (weights != 1 && weights != in->channels)
        return cn__error(CN_ERR_SHAPE, "PReLU '%s': its input has %d channels, wanted %d, as many as weights", name,
                         in->channels, weights);
    return cn__infer_same(layer, name, inputs, in, out);
}

static int tensors(const cn_layer *layer, cn__tensor_spec *specs) {
    specs[0] = (cn__tensor_spec){"weight", CN_DTYPE_FLOAT32, 1, {((const prelu *)layer)->weights}, true};
    return 1;
}

static void init(const cn_layer *layer, cn__initializer *from, void *const *tensor) {
    (void)from;
    cn__init_constant(tensor[0], ((const prelu *)layer)->weights, 0.25f);
}

/* ---- passes ---- */

static void requirements(const cn_layer *layer, const cn__sizes *sizes, cn__requirements *requirements) {
    size_t lines = cn__whole_lines((size_t)sizes->in[0].channels);
    (void)layer;
    requirements->saved_floats = sizes->training ? lines : 0; /* a sum a channel */
    requirements->packed_floats = sizes->nchw16c ? lines : 0; /* a weight a lane */
}

static float weight_of(const cn__op *op, size_t channel) {
    return ((const float *)op->tensor[0])[((const prelu *)op->layer)->weights == 1 ? 0 : channel];
}

static cn__grid packing(const cn__op *op, const cn__pass *pass) {
    (void)pass;
    return (cn__grid){op->out->lane_channels > 0, 1};
}

static void pack(const cn__op *op, const cn__pass *pass, cn__item at) {
    (void)pass;
    (void)at;
    for (size_t c = 0; c < (size_t)op->out->lane_channels; c++)
        op->packed[c] = weight_of(op, c);
}

static void forward(const cn__op *op, const cn__pass *pass, cn__item at) {
    cn__plane x = cn__fmap_plane(op->in[0], at.block, at.outer), y = cn__fmap_plane(op->out, at.block, at.outer);
    cn__shape shape = op->out->shape;
    (void)pass;
    if (op->out->lane_channels)
        op->kernels->channel_prelu(op->packed + at.outer * CN__LANES, x, y, shape.height, shape.width);
    else
        op->kernels->unary(CN__LEAKY_RELU, weight_of(op, at.outer), 0.0f, x, y, shape.height, shape.width);
    cn__fmap_border(op->out, at.block, at.outer);
}

static void backward_channel(const cn__op *op, const cn__pass *pass, cn__item at, cn__plane x, cn__plane dy,
                             cn__plane dx) {
    cn__shape shape = op->out->shape;
    cn__saved(op, at.block)[at.outer] =
        op->kernels->prelu_weight(x, dy, shape.height, shape.width, cn__pass_lanes(pass, at.block));
    if (dx.data)
        op->kernels->unary_backward(CN__LEAKY_RELU, weight_of(op, at.outer), 0.0f, x, dy, dx, shape.height, shape.width,
                                    op->accumulate[0]);
}

static void backward(const cn__op *op, const cn__pass *pass, cn__item at) {
    cn__plane x = cn__fmap_plane(op->in[0], at.block, at.outer), dy = cn__fmap_plane(op->d_out, at.block, at.outer);
    cn__plane dx = {0};
    size_t first = at.outer * CN__LANES;
    if (op->d_in[0])
        dx = cn__fmap_plane(op->d_in[0], at.block, at.outer);
    if (op->out->lane_channels)
        op->kernels->channel_prelu_backward(op->packed + first, x, dy, dx, op->out->shape.height, op->out->shape.width,
                                            op->accumulate[0], cn__saved(op, at.block) + first);
    else
        backward_channel(op, pass, at, x, dy, dx);
}

static cn__grid weights(const cn__op *op, const cn__pass *pass) {
    (void)pass;
    return (cn__grid){(size_t)((const prelu *)op->layer)->weights, 1};
}

static double leaf_sum(const cn__op *op, const cn__pass *pass, size_t leaf, size_t index) {
    size_t channels = (size_t)cn__fmap_channels(op->out), count = weights(op, pass).outer == 1 ? channels : 1;
    size_t blocks = cn__leaf_blocks(op), first = leaf * blocks, end = first + blocks;
    double sum = 0.0;
    for (size_t block = first; block < end && block < (size_t)pass->blocks; block++)
        for (size_t i = 0; i < count; i++)
            sum += (double)cn__saved(op, block)[index * count + i];
    return sum;
}

static void gather(const cn__op *op, const cn__pass *pass, cn__item at) {
    cn__sum_leaves(op, pass, 0, at.outer, leaf_sum);
}

static const cn__layer_impl impl = {
    .requirements = requirements,
    .prepare = {packing, pack, CN__SCOPE_DEFERRED},
    .forward = {{cn__out_planes, forward, CN__SCOPE_LOCAL}},
    .backward = {{cn__out_planes, backward, CN__SCOPE_LOCAL}, {weights, gather, CN__SCOPE_DEFERRED}},
    .backward_reads_in = true,
};

const cn__layer_type cn__prelu_type = {
    .name = "PReLU",
    .bytes = sizeof(prelu),
    .min_inputs = 1,
    .max_inputs = 1,
    .attrs = attrs,
    .validate = validate,
    .infer = infer,
    .tensors = tensors,
    .init = init,
    .batch = &impl,
    .nchw16c = &impl,
};

cn_status cn_prelu_new(cn_context *context, int num_parameters, cn_layer **layer) {
    cn_layer *made;
    CN__REQUIRE(layer);
    *layer = NULL;
    CN__REQUIRE(context);
    CN__TRY(cn__layer_alloc(context, &cn__prelu_type, &made));
    ((prelu *)made)->weights = num_parameters;
    return cn__layer_finish(made, layer);
}
