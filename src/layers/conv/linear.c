/* SPDX-License-Identifier: MIT */
/* linear.c: y = W x + b over flat features, torch.nn.Linear: a 1×1 convolution of images of 1×1 pixels. */
#include "layers/conv/convolution.h"

static const cn__attr attrs[] = {
    {"in_features", CN__ATTR_INT, offsetof(cn__convolution, in_channels), NULL, 0},
    {"out_features", CN__ATTR_INT, offsetof(cn__convolution, out_channels), NULL, 0},
    {"bias", CN__ATTR_INT, offsetof(cn__convolution, bias), NULL, 1},
    {NULL, CN__ATTR_INT, 0, NULL, 0},
};

static cn_status validate(cn_layer *layer) {
    cn__convolution *c = (cn__convolution *)layer;
    for (int d = 0; d < 2; d++)
        c->kernel[d] = c->stride[d] = c->dilation[d] = 1;
    c->groups = 1;
    return cn__convolution_check(c, "Linear");
}

static cn_status infer(const cn_layer *layer, const char *name, int32_t inputs, const cn__shape *in, cn__shape *out) {
    const cn__convolution *c = (const cn__convolution *)layer;
    (void)inputs;
    if (in->height != 1 || in->width != 1)
        return cn__error(CN_ERR_SHAPE, "Linear '%s': its input is %d×%d×%d, wanted flat features (a Flatten before it)",
                         name, in->channels, in->height, in->width);
    if (in->channels != c->in_channels)
        return cn__error(CN_ERR_SHAPE, "Linear '%s': its input has %d features, its weights want %d", name,
                         in->channels, c->in_channels);
    *out = (cn__shape){c->out_channels, 1, 1};
    return CN_OK;
}

static int tensors(const cn_layer *layer, cn__tensor_spec *specs) {
    const cn__convolution *c = (const cn__convolution *)layer;
    specs[0] = (cn__tensor_spec){"weight", CN_DTYPE_FLOAT32, 2, {c->out_channels, c->in_channels}, true};
    specs[1] = (cn__tensor_spec){"bias", CN_DTYPE_FLOAT32, 1, {c->out_channels}, true};
    return c->bias ? 2 : 1;
}

const cn__layer_type cn__linear_type = {
    .name = "Linear",
    .bytes = sizeof(cn__convolution),
    .kind = CN__KIND_LINEAR,
    .min_inputs = 1,
    .max_inputs = 1,
    .attrs = attrs,
    .validate = validate,
    .infer = infer,
    .tensors = tensors,
    .init = cn__convolution_init,
    .multiply_adds = cn__convolution_multiply_adds,
    .batch = &cn__convolution_batch,
    .nchw16c = &cn__convolution_nchw16c,
};

cn_status cn_linear_new(cn_context *context, int in_features, int out_features, int bias, cn_layer **layer) {
    cn_layer *made;
    CN__REQUIRE(layer);
    *layer = NULL;
    CN__REQUIRE(context);
    CN__TRY(cn__layer_alloc(context, &cn__linear_type, &made));
    cn__convolution *c = (cn__convolution *)made;
    c->in_channels = in_features;
    c->out_channels = out_features;
    c->bias = bias;
    return cn__layer_finish(made, layer);
}
