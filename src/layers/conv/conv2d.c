/* SPDX-License-Identifier: MIT */
/* conv2d.c: two-dimensional convolution, torch.nn.Conv2d:
 * y[o, i, j] = bias[o] + Σ_{c, k, l} weight[o, c, k, l] · x[c, i·stride + k·dilation - padding, j·…], x padded. */
#include "layers/conv/convolution.h"

static const char *const padding_modes[] = {"zeros", "replicate", "reflect", "circular", NULL};

static const cn__attr attrs[] = {
    {"in_channels", CN__ATTR_INT, offsetof(cn__convolution, in_channels), NULL, 0},
    {"out_channels", CN__ATTR_INT, offsetof(cn__convolution, out_channels), NULL, 0},
    {"kernel_height", CN__ATTR_INT, offsetof(cn__convolution, kernel[0]), NULL, 0},
    {"kernel_width", CN__ATTR_INT, offsetof(cn__convolution, kernel[1]), NULL, 0},
    {"stride_height", CN__ATTR_INT, offsetof(cn__convolution, stride[0]), NULL, 1},
    {"stride_width", CN__ATTR_INT, offsetof(cn__convolution, stride[1]), NULL, 1},
    {"padding_height", CN__ATTR_INT, offsetof(cn__convolution, padding[0]), NULL, 0},
    {"padding_width", CN__ATTR_INT, offsetof(cn__convolution, padding[1]), NULL, 0},
    {"dilation_height", CN__ATTR_INT, offsetof(cn__convolution, dilation[0]), NULL, 1},
    {"dilation_width", CN__ATTR_INT, offsetof(cn__convolution, dilation[1]), NULL, 1},
    {"groups", CN__ATTR_INT, offsetof(cn__convolution, groups), NULL, 1},
    {"bias", CN__ATTR_INT, offsetof(cn__convolution, bias), NULL, 1},
    {"padding_mode", CN__ATTR_ENUM, offsetof(cn__convolution, padding_mode), padding_modes, 0},
    {NULL, CN__ATTR_INT, 0, NULL, 0},
};

static cn_status validate(cn_layer *layer) {
    return cn__convolution_check((cn__convolution *)layer, "Conv2d");
}

static cn_status check_padding(const cn__convolution *c, const char *name, const int32_t size[2]) {
    static const char *const sides[] = {"height", "width"};
    for (int d = 0; d < 2; d++) {
        if (c->padding_mode == CN_PADDING_REFLECT && c->padding[d] >= size[d])
            return cn__error(CN_ERR_SHAPE, "Conv2d '%s': reflect padding %d must be smaller than the input's %s, %d",
                             name, c->padding[d], sides[d], size[d]);
        if (c->padding_mode == CN_PADDING_CIRCULAR && c->padding[d] > size[d])
            return cn__error(CN_ERR_SHAPE, "Conv2d '%s': circular padding %d must not exceed the input's %s, %d", name,
                             c->padding[d], sides[d], size[d]);
    }
    return CN_OK;
}

static cn_status infer(const cn_layer *layer, const char *name, int32_t inputs, const cn__shape *in, cn__shape *out) {
    const cn__convolution *c = (const cn__convolution *)layer;
    (void)inputs;
    const int32_t size[2] = {in->height, in->width};
    int64_t result[2];
    if (in->channels != c->in_channels)
        return cn__error(CN_ERR_SHAPE, "Conv2d '%s': its input has %d channels, its weights want %d", name,
                         in->channels, c->in_channels);
    for (int d = 0; d < 2; d++) {
        result[d] = cn__window_size(size[d], c->kernel[d], c->stride[d], c->padding[d], c->dilation[d], false);
        if (result[d] < 1 || result[d] > CN__MAX_SIDE)
            return cn__error(CN_ERR_SHAPE, "Conv2d '%s': kernel %d×%d with padding %d×%d does not fit the input, %d×%d",
                             name, c->kernel[0], c->kernel[1], c->padding[0], c->padding[1], in->height, in->width);
    }
    *out = (cn__shape){c->out_channels, (int32_t)result[0], (int32_t)result[1]};
    return check_padding(c, name, size);
}

static int tensors(const cn_layer *layer, cn__tensor_spec *specs) {
    const cn__convolution *c = (const cn__convolution *)layer;
    specs[0] = (cn__tensor_spec){
        "weight", CN_DTYPE_FLOAT32, 4, {c->out_channels, c->in_channels / c->groups, c->kernel[0], c->kernel[1]}, true};
    specs[1] = (cn__tensor_spec){"bias", CN_DTYPE_FLOAT32, 1, {c->out_channels}, true};
    return c->bias ? 2 : 1;
}

static bool window(const cn_layer *layer, cn__shape in, cn__window *window) {
    const cn__convolution *c = (const cn__convolution *)layer;
    (void)in;
    *window = (cn__window){{c->kernel[0], c->kernel[1]},
                           {c->stride[0], c->stride[1]},
                           {c->padding[0], c->padding[1]},
                           {c->dilation[0], c->dilation[1]}};
    return true;
}

const cn__layer_type cn__conv2d_type = {
    .name = "Conv2d",
    .bytes = sizeof(cn__convolution),
    .kind = CN__KIND_CONV2D,
    .min_inputs = 1,
    .max_inputs = 1,
    .attrs = attrs,
    .validate = validate,
    .infer = infer,
    .tensors = tensors,
    .init = cn__convolution_init,
    .multiply_adds = cn__convolution_multiply_adds,
    .window = window,
    .batch = &cn__convolution_batch,
    .nchw16c = &cn__convolution_nchw16c,
    .with_pool = &cn__convolution_with_pool,
};

cn_status cn_conv2d_new(cn_context *context, int in_channels, int out_channels, int kernel_height, int kernel_width,
                        const cn_conv2d_options *options, cn_layer **layer) {
    cn_conv2d_options o = CN_CONV2D_OPTIONS_INIT;
    cn_layer *made;
    CN__REQUIRE(layer);
    *layer = NULL;
    CN__REQUIRE(context);
    CN__TRY(CN__READ_OPTIONS(&o, cn_conv2d_options, options));
    CN__TRY(cn__check_reserved("cn_conv2d_options", o.reserved == 0));
    CN__TRY(cn__layer_alloc(context, &cn__conv2d_type, &made));
    cn__convolution *c = (cn__convolution *)made;
    c->in_channels = in_channels;
    c->out_channels = out_channels;
    c->kernel[0] = kernel_height;
    c->kernel[1] = kernel_width;
    for (int d = 0; d < 2; d++) {
        c->stride[d] = o.stride[d];
        c->padding[d] = o.padding[d];
        c->dilation[d] = o.dilation[d];
    }
    c->groups = o.groups;
    c->bias = o.bias;
    c->padding_mode = (int32_t)o.padding_mode;
    return cn__layer_finish(made, layer);
}
