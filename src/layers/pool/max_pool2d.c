/* SPDX-License-Identifier: MIT */
/* max_pool2d.c: the largest value of each window, torch.nn.MaxPool2d; its gradient goes to the first that is largest.
 */
#include "layers/pool/pool2d.h"

static const cn__attr attrs[] = {
    {"kernel_height", CN__ATTR_INT, offsetof(cn__pool2d, kernel[0]), NULL, 0},
    {"kernel_width", CN__ATTR_INT, offsetof(cn__pool2d, kernel[1]), NULL, 0},
    {"stride_height", CN__ATTR_INT, offsetof(cn__pool2d, stride[0]), NULL, 0},
    {"stride_width", CN__ATTR_INT, offsetof(cn__pool2d, stride[1]), NULL, 0},
    {"padding_height", CN__ATTR_INT, offsetof(cn__pool2d, padding[0]), NULL, 0},
    {"padding_width", CN__ATTR_INT, offsetof(cn__pool2d, padding[1]), NULL, 0},
    {"dilation_height", CN__ATTR_INT, offsetof(cn__pool2d, dilation[0]), NULL, 1},
    {"dilation_width", CN__ATTR_INT, offsetof(cn__pool2d, dilation[1]), NULL, 1},
    {"ceil_mode", CN__ATTR_INT, offsetof(cn__pool2d, ceil_mode), NULL, 0},
    {NULL, CN__ATTR_INT, 0, NULL, 0},
};

/* Windows of 2×2 that tile the input leave which pixel was the largest, so that the way back need not look for it. */
static bool remembers(const cn__op *op) {
    return op->training && cn__pool_halves(op->layer, op->in[0]->shape);
}

static void requirements(const cn_layer *layer, const cn__sizes *sizes, cn__requirements *requirements) {
    if (sizes->training && cn__pool_halves(layer, sizes->in[0]))
        requirements->saved_floats = cn__pool_which_floats(cn__sizes_planes(sizes, sizes->out.channels), sizes->out);
}

static void forward(const cn__op *op, const cn__pass *pass, cn__item at) {
    size_t block = at.block, channel = at.outer;
    cn__pool_args args = cn__pool2d_args(op);
    (void)pass;
    cn__plane x = cn__fmap_plane(op->in[0], block, channel), y = cn__fmap_plane(op->out, block, channel);
    if (remembers(op))
        op->kernels->max_pool2(x, y, args.out_height, args.out_width, false, cn__pool_which(op, block, channel));
    else
        op->kernels->max_pool(&args, x, y);
    cn__fmap_border(op->out, block, channel);
}

/* Whether each pixel lies in just one window. */
static bool tiles_input(const cn__pool_args *a) {
    bool tiles = a->out_height * a->stride[0] == a->in_height && a->out_width * a->stride[1] == a->in_width;
    for (int d = 0; d < 2; d++)
        tiles &= a->stride[d] == a->kernel[d] && a->padding[d] == 0 && a->dilation[d] == 1;
    return tiles;
}

static void backward(const cn__op *op, const cn__pass *pass, cn__item at) {
    size_t block = at.block, channel = at.outer;
    cn__pool_args args = cn__pool2d_args(op);
    cn__plane dy = cn__fmap_plane(op->d_out, block, channel);
    cn__plane dx = cn__pool2d_max_gradient(op, block, channel, tiles_input(&args), &args);
    (void)pass;
    if (remembers(op) && args.overwrite)
        op->kernels->max_pool2_backward(cn__pool_which(op, block, channel), dy, dx, args.out_height, args.out_width);
    else
        op->kernels->max_pool_backward(&args, cn__fmap_plane(op->in[0], block, channel),
                                       cn__fmap_plane(op->out, block, channel), dy, dx);
}

static const cn__layer_impl batch = {
    .requirements = requirements,
    .forward = {{cn__out_planes, forward, CN__SCOPE_LOCAL}},
    .backward = {{cn__out_planes, backward, CN__SCOPE_LOCAL}},
    .backward_reads_in = true,
    .backward_reads_out = true,
};

const cn__layer_type cn__max_pool2d_type = {
    .name = "MaxPool2d",
    .bytes = sizeof(cn__pool2d),
    .kind = CN__KIND_MAX_POOL2D,
    .min_inputs = 1,
    .max_inputs = 1,
    .attrs = attrs,
    .validate = cn__pool2d_validate,
    .infer = cn__pool2d_infer,
    .window = cn__pool2d_window,
    .batch = &batch,
    .nchw16c = &batch,
};

cn_status cn_max_pool2d_new(cn_context *context, int kernel_height, int kernel_width, const cn_pool2d_options *options,
                            cn_layer **layer) {
    CN__REQUIRE(layer);
    *layer = NULL;
    CN__REQUIRE(context);
    return cn__pool2d_new(context, &cn__max_pool2d_type, kernel_height, kernel_width, options, layer);
}
