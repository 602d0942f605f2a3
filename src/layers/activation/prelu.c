/* prelu.c: x, below 0 weight · x, torch.nn.PReLU (He et al. 2015), with one weight or one for each channel. Their
 * gradients, Σ dy · min(x, 0), are left by each plane and added up when all are there: blocks in their order, and
 * channels where they share a weight. */
#include "layers/activation/prelu.h"

static const cn__attr attrs[] = {
    {"num_parameters", CN__ATTR_INT, offsetof(cn__prelu, weights), NULL, 1},
    {NULL, CN__ATTR_INT, 0, NULL, 0},
};

static cn_status validate(cn_layer *layer) {
    return cn__check_range("PReLU", "num_parameters", ((const cn__prelu *)layer)->weights, 1, CN__MAX_SIDE);
}

static cn_status infer(const cn_layer *layer, const char *name, int32_t inputs, const cn__shape *in, cn__shape *out) {
    int32_t weights = ((const cn__prelu *)layer)->weights;
    if (weights != 1 && weights != in->channels)
        return cn__error(CN_ERR_SHAPE, "PReLU '%s': its input has %d channels, wanted %d, as many as weights", name,
                         in->channels, weights);
    return cn__infer_same(layer, name, inputs, in, out);
}

static int tensors(const cn_layer *layer, cn__tensor_spec *specs) {
    specs[0] = (cn__tensor_spec){"weight", CN_DTYPE_FLOAT32, 1, {((const cn__prelu *)layer)->weights}, true};
    return 1;
}

static void init(const cn_layer *layer, cn__rng *rng, void *const *tensor) {
    (void)rng;
    for (int32_t i = 0; i < ((const cn__prelu *)layer)->weights; i++)
        ((float *)tensor[0])[i] = 0.25f;
}

/* ---- passes ---- */

static void requirements(const cn_layer *layer, const cn__sizes *sizes, cn__requirements *requirements) {
    (void)layer;
    requirements->saved_floats = sizes->training ? (size_t)sizes->in[0].channels : 0;
}

static void forward(const cn__op *op, const cn__pass *pass, cn__item at) {
    (void)pass;
    op->kernels->unary(CN__LEAKY_RELU, cn__prelu_weight(op, at.outer), 0.0f,
                       cn__fmap_plane(op->in[0], at.block, at.outer), cn__fmap_plane(op->out, at.block, at.outer),
                       op->out->shape.height, op->out->shape.width);
    cn__fmap_border(op->out, at.block, at.outer);
}

static void backward(const cn__op *op, const cn__pass *pass, cn__item at) {
    cn__plane x = cn__fmap_plane(op->in[0], at.block, at.outer), dy = cn__fmap_plane(op->d_out, at.block, at.outer);
    cn__shape shape = op->out->shape;
    cn__saved(op, at.block)[at.outer] =
        op->kernels->prelu_weight(x, dy, shape.height, shape.width, cn__pass_lanes(pass, at.block));
    if (op->d_in[0])
        op->kernels->unary_backward(CN__LEAKY_RELU, cn__prelu_weight(op, at.outer), 0.0f, x, dy,
                                    cn__fmap_plane(op->d_in[0], at.block, at.outer), shape.height, shape.width,
                                    op->accumulate[0]);
}

static cn__grid weights(const cn__op *op, const cn__pass *pass) {
    (void)pass;
    return (cn__grid){(size_t)((const cn__prelu *)op->layer)->weights, 1};
}

static void gather(const cn__op *op, const cn__pass *pass, cn__item at) {
    size_t channels = (size_t)op->out->shape.channels, count = weights(op, pass).outer == 1 ? channels : 1;
    double sum = 0.0;
    for (size_t block = 0; block < (size_t)pass->blocks; block++)
        for (size_t i = 0; i < count; i++)
            sum += (double)cn__saved(op, block)[at.outer * count + i];
    op->gradient[0][at.outer] = (float)sum;
}

static const cn__layer_impl batch = {
    .requirements = requirements,
    .forward = {{cn__out_planes, forward, CN__SCOPE_LOCAL}},
    .backward = {{cn__out_planes, backward, CN__SCOPE_LOCAL}, {weights, gather, CN__SCOPE_DEFERRED}},
    .backward_reads_in = true,
};

const cn__layer_type cn__prelu_type = {
    .name = "PReLU",
    .bytes = sizeof(cn__prelu),
    .min_inputs = 1,
    .max_inputs = 1,
    .attrs = attrs,
    .validate = validate,
    .infer = infer,
    .tensors = tensors,
    .init = init,
    .batch = &batch,
    .nchw16c = &cn__prelu_nchw16c,
};

cn_status cn_prelu_new(cn_context *context, int num_parameters, cn_layer **layer) {
    cn_layer *made;
    CN__REQUIRE(layer);
    *layer = NULL;
    CN__REQUIRE(context);
    CN__TRY(cn__layer_alloc(context, &cn__prelu_type, &made));
    ((cn__prelu *)made)->weights = num_parameters;
    return cn__layer_finish(made, layer);
}
