/* SPDX-License-Identifier: MIT */
/* avg_pool2d.c: the mean of each window, torch.nn.AvgPool2d. */
#include "layers/pool/pool2d.h"

static const cn__attr attrs[] = {
    {"kernel_height", CN__ATTR_INT, offsetof(cn__pool2d, kernel[0]), NULL, 0},
    {"kernel_width", CN__ATTR_INT, offsetof(cn__pool2d, kernel[1]), NULL, 0},
    {"stride_height", CN__ATTR_INT, offsetof(cn__pool2d, stride[0]), NULL, 0},
    {"stride_width", CN__ATTR_INT, offsetof(cn__pool2d, stride[1]), NULL, 0},
    {"padding_height", CN__ATTR_INT, offsetof(cn__pool2d, padding[0]), NULL, 0},
    {"padding_width", CN__ATTR_INT, offsetof(cn__pool2d, padding[1]), NULL, 0},
    {"ceil_mode", CN__ATTR_INT, offsetof(cn__pool2d, ceil_mode), NULL, 0},
    {"count_include_pad", CN__ATTR_INT, offsetof(cn__pool2d, count_include_pad), NULL, 1},
    {"divisor_override", CN__ATTR_INT, offsetof(cn__pool2d, divisor_override), NULL, 0},
    {NULL, CN__ATTR_INT, 0, NULL, 0},
};

static cn_status validate(cn_layer *layer) {
    cn__pool2d *p = (cn__pool2d *)layer;
    for (int d = 0; d < 2; d++)
        p->dilation[d] += p->dilation[d] == 0; /* files do not have it */
    CN__TRY(cn__pool2d_validate(layer));
    if (p->dilation[0] != 1 || p->dilation[1] != 1)
        return cn__error(CN_ERR_ARGUMENT, "AvgPool2d: dilation is %d×%d, but only max pools have one", p->dilation[0],
                         p->dilation[1]);
    return CN_OK;
}

static void forward(const cn__op *op, const cn__pass *pass, cn__item at) {
    size_t block = at.block, channel = at.outer;
    cn__pool_args args = cn__pool2d_args(op);
    (void)pass;
    op->kernels->avg_pool(&args, cn__fmap_plane(op->in[0], block, channel), cn__fmap_plane(op->out, block, channel));
    cn__fmap_border(op->out, block, channel);
}

static void backward(const cn__op *op, const cn__pass *pass, cn__item at) {
    size_t block = at.block, channel = at.outer;
    cn__pool_args args = cn__pool2d_args(op);
    (void)pass;
    op->kernels->avg_pool_backward(&args, cn__fmap_plane(op->d_out, block, channel),
                                   cn__pool2d_gradient(op, block, channel));
}

static const cn__layer_impl batch = {
    .forward = {{cn__out_planes, forward, CN__SCOPE_LOCAL}},
    .backward = {{cn__out_planes, backward, CN__SCOPE_LOCAL}},
};

const cn__layer_type cn__avg_pool2d_type = {
    .name = "AvgPool2d",
    .bytes = sizeof(cn__pool2d),
    .kind = CN__KIND_AVG_POOL2D,
    .min_inputs = 1,
    .max_inputs = 1,
    .attrs = attrs,
    .validate = validate,
    .infer = cn__pool2d_infer,
    .window = cn__pool2d_window,
    .batch = &batch,
    .nchw16c = &batch,
};

cn_status cn_avg_pool2d_new(cn_context *context, int kernel_height, int kernel_width, const cn_pool2d_options *options,
                            cn_layer **layer) {
    CN__REQUIRE(layer);
    *layer = NULL;
    CN__REQUIRE(context);
    return cn__pool2d_new(context, &cn__avg_pool2d_type, kernel_height, kernel_width, options, layer);
}
