/* SPDX-License-Identifier: MIT */
/* conv_transpose2d.c: transposed convolution, torch.nn.ConvTranspose2d:
 * y[o, i·stride + k·dilation - padding, j·… + l·…] += Σ_c weight[c, o, k, l] · x[c, i, j], for all i, j, k, l that fall
 * into the output, which begins as bias[o]. */
#include "layers/conv/conv_transpose2d.h"

static const cn__attr attrs[] = {
    {"in_channels", CN__ATTR_INT, offsetof(cn__conv_transpose, behind.out_channels), NULL, 0},
    {"out_channels", CN__ATTR_INT, offsetof(cn__conv_transpose, behind.in_channels), NULL, 0},
    {"kernel_height", CN__ATTR_INT, offsetof(cn__conv_transpose, behind.kernel[0]), NULL, 0},
    {"kernel_width", CN__ATTR_INT, offsetof(cn__conv_transpose, behind.kernel[1]), NULL, 0},
    {"stride_height", CN__ATTR_INT, offsetof(cn__conv_transpose, behind.stride[0]), NULL, 1},
    {"stride_width", CN__ATTR_INT, offsetof(cn__conv_transpose, behind.stride[1]), NULL, 1},
    {"padding_height", CN__ATTR_INT, offsetof(cn__conv_transpose, behind.padding[0]), NULL, 0},
    {"padding_width", CN__ATTR_INT, offsetof(cn__conv_transpose, behind.padding[1]), NULL, 0},
    {"output_padding_height", CN__ATTR_INT, offsetof(cn__conv_transpose, output_padding[0]), NULL, 0},
    {"output_padding_width", CN__ATTR_INT, offsetof(cn__conv_transpose, output_padding[1]), NULL, 0},
    {"dilation_height", CN__ATTR_INT, offsetof(cn__conv_transpose, behind.dilation[0]), NULL, 1},
    {"dilation_width", CN__ATTR_INT, offsetof(cn__conv_transpose, behind.dilation[1]), NULL, 1},
    {"groups", CN__ATTR_INT, offsetof(cn__conv_transpose, behind.groups), NULL, 1},
    {"bias", CN__ATTR_INT, offsetof(cn__conv_transpose, bias), NULL, 1},
    {NULL, CN__ATTR_INT, 0, NULL, 0},
};

static const cn__conv_transpose *transpose_of(const cn_layer *layer) {
    return (const cn__conv_transpose *)layer;
}

/* Checked as the convolution that the caller named: from in_channels to out_channels. */
static cn_status validate(cn_layer *layer) {
    const cn__conv_transpose *t = transpose_of(layer);
    cn__convolution named = t->behind;
    named.in_channels = t->behind.out_channels;
    named.out_channels = t->behind.in_channels;
    named.bias = t->bias;
    CN__TRY(cn__convolution_check(&named, "ConvTranspose2d"));
    for (int d = 0; d < 2; d++) {
        int32_t stride = named.stride[d], dilation = named.dilation[d];
        CN__TRY(cn__check_range("ConvTranspose2d", d ? "output_padding width" : "output_padding height",
                                t->output_padding[d], 0, (stride > dilation ? stride : dilation) - 1));
    }
    return CN_OK;
}

static cn_status infer(const cn_layer *layer, const char *name, int32_t inputs, const cn__shape *in, cn__shape *out) {
    const cn__conv_transpose *t = transpose_of(layer);
    const cn__convolution *c = &t->behind;
    const int32_t size[2] = {in->height, in->width};
    int64_t result[2];
    (void)inputs;
    if (in->channels != c->out_channels)
        return cn__error(CN_ERR_SHAPE, "ConvTranspose2d '%s': its input has %d channels, its weights want %d", name,
                         in->channels, c->out_channels);
    for (int d = 0; d < 2; d++) {
        result[d] = (int64_t)(size[d] - 1) * c->stride[d] - 2 * (int64_t)c->padding[d] +
                    (int64_t)c->dilation[d] * (c->kernel[d] - 1) + t->output_padding[d] + 1;
        if (result[d] < 1 || result[d] > CN__MAX_SIDE)
            return cn__error(CN_ERR_SHAPE, "ConvTranspose2d '%s': its output's %s would be %lld, wanted 1 to %d", name,
                             d ? "width" : "height", (long long)result[d], CN__MAX_SIDE);
    }
    *out = (cn__shape){c->in_channels, (int32_t)result[0], (int32_t)result[1]};
    return CN_OK;
}

static int tensors(const cn_layer *layer, cn__tensor_spec *specs) {
    const cn__convolution *c = &transpose_of(layer)->behind;
    specs[0] = (cn__tensor_spec){
        "weight", CN_DTYPE_FLOAT32, 4, {c->out_channels, c->in_channels / c->groups, c->kernel[0], c->kernel[1]}, true};
    specs[1] = (cn__tensor_spec){"bias", CN_DTYPE_FLOAT32, 1, {c->in_channels}, true};
    return transpose_of(layer)->bias ? 2 : 1;
}

/* What PyTorch takes for the inputs of an output are, of a transposed convolution, those of the one behind it. */
static void init(const cn_layer *layer, cn__initializer *from, void *const *tensors) {
    const cn__convolution *c = &transpose_of(layer)->behind;
    cn__convolution_init(layer, from, tensors);
    if (transpose_of(layer)->bias)
        cn__init_uniform(from, tensors[1], c->in_channels, 0.0f, cn__convolution_bound(c));
}

static int64_t multiply_adds(const cn_layer *layer, cn__shape in, cn__shape out) {
    return cn__convolution_multiply_adds(layer, out, in);
}

const cn__layer_type cn__conv_transpose2d_type = {
    .name = "ConvTranspose2d",
    .bytes = sizeof(cn__conv_transpose),
    .kind = CN__KIND_CONV_TRANSPOSE2D,
    .min_inputs = 1,
    .max_inputs = 1,
    .attrs = attrs,
    .validate = validate,
    .infer = infer,
    .tensors = tensors,
    .init = init,
    .multiply_adds = multiply_adds,
    .batch = &cn__conv_transpose2d_batch,
    .nchw16c = &cn__conv_transpose2d_nchw16c,
};

cn_status cn_conv_transpose2d_new(cn_context *context, int in_channels, int out_channels, int kernel_height,
                                  int kernel_width, const cn_conv_transpose2d_options *options, cn_layer **layer) {
    cn_conv_transpose2d_options o = CN_CONV_TRANSPOSE2D_OPTIONS_INIT;
    cn_layer *made;
    CN__REQUIRE(layer);
    *layer = NULL;
    CN__REQUIRE(context);
    CN__TRY(CN__READ_OPTIONS(&o, cn_conv_transpose2d_options, options));
    CN__TRY(cn__layer_alloc(context, &cn__conv_transpose2d_type, &made));
    cn__conv_transpose *t = (cn__conv_transpose *)made;
    cn__convolution *c = &t->behind;
    c->in_channels = out_channels;
    c->out_channels = in_channels;
    c->kernel[0] = kernel_height;
    c->kernel[1] = kernel_width;
    for (int d = 0; d < 2; d++) {
        c->stride[d] = o.stride[d];
        c->padding[d] = o.padding[d];
        c->dilation[d] = o.dilation[d];
        t->output_padding[d] = o.output_padding[d];
    }
    c->groups = o.groups;
    t->bias = o.bias;
    return cn__layer_finish(made, layer);
}
