/* SPDX-License-Identifier: MIT */
/* adaptive_max_pool2d.c: maxima of as many windows as the output has pixels, torch.nn.AdaptiveMaxPool2d; the gradient
 * goes to the first that is largest. To 1 × 1 it is global max pooling. */
#include "layers/pool/pool2d.h"

static void forward(const cn__op *op, const cn__pass *pass, cn__item at) {
    size_t block = at.block, channel = at.outer;
    cn__pool_args args = cn__pool2d_args(op);
    (void)pass;
    op->kernels->adaptive_max_pool(&args, cn__fmap_plane(op->in[0], block, channel),
                                   cn__fmap_plane(op->out, block, channel));
    cn__fmap_border(op->out, block, channel);
}

/* Whether each pixel lies in just one window. */
static bool tiles_input(const cn__pool_args *a) {
    return a->in_height % a->out_height == 0 && a->in_width % a->out_width == 0;
}

static void backward(const cn__op *op, const cn__pass *pass, cn__item at) {
    size_t block = at.block, channel = at.outer;
    cn__pool_args args = cn__pool2d_args(op);
    (void)pass;
    cn__plane dx = cn__pool2d_max_gradient(op, block, channel, tiles_input(&args), &args);
    op->kernels->adaptive_max_pool_backward(&args, cn__fmap_plane(op->in[0], block, channel),
                                            cn__fmap_plane(op->out, block, channel),
                                            cn__fmap_plane(op->d_out, block, channel), dx);
}

static const cn__layer_impl batch = {
    .forward = {{cn__out_planes, forward, CN__SCOPE_LOCAL}},
    .backward = {{cn__out_planes, backward, CN__SCOPE_LOCAL}},
    .backward_reads_in = true,
    .backward_reads_out = true,
};

const cn__layer_type cn__adaptive_max_pool2d_type = {
    .name = "AdaptiveMaxPool2d",
    .bytes = sizeof(cn__pool2d),
    .kind = CN__KIND_ADAPTIVE_MAX_POOL2D,
    .min_inputs = 1,
    .max_inputs = 1,
    .attrs = cn__adaptive_pool2d_attrs,
    .validate = cn__adaptive_pool2d_validate,
    .infer = cn__adaptive_pool2d_infer,
    .window = cn__adaptive_pool2d_window,
    .batch = &batch,
    .nchw16c = &batch,
};

cn_status cn_adaptive_max_pool2d_new(cn_context *context, int output_height, int output_width, cn_layer **layer) {
    CN__REQUIRE(layer);
    *layer = NULL;
    CN__REQUIRE(context);
    return cn__adaptive_pool2d_new(context, &cn__adaptive_max_pool2d_type, output_height, output_width, layer);
}
