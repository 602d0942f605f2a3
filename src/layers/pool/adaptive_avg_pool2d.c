/* adaptive_avg_pool2d.c: means of as many windows as the output has pixels, torch.nn.AdaptiveAvgPool2d: window i of
 * `out` covers floor(i · in / out) to ceil((i + 1) · in / out). To 1 × 1 it is global average pooling. */
#include "layers/pool/pool2d.h"

static const cn__attr attrs[] = {
    {"output_height", CN__ATTR_INT, offsetof(cn__pool2d, output[0]), NULL, 0},
    {"output_width", CN__ATTR_INT, offsetof(cn__pool2d, output[1]), NULL, 0},
    {NULL, CN__ATTR_INT, 0, NULL, 0},
};

static cn_status validate(cn_layer *layer) {
    const cn__pool2d *p = (const cn__pool2d *)layer;
    CN__TRY(cn__check_range("AdaptiveAvgPool2d", "output height", p->output[0], 1, CN__MAX_SIDE));
    return cn__check_range("AdaptiveAvgPool2d", "output width", p->output[1], 1, CN__MAX_SIDE);
}

static cn_status infer(const cn_layer *layer, const char *name, int32_t inputs, const cn__shape *in, cn__shape *out) {
    const cn__pool2d *p = (const cn__pool2d *)layer;
    (void)name;
    (void)inputs;
    *out = (cn__shape){in->channels, p->output[0], p->output[1]};
    return CN_OK;
}

/* Exact where the output's size divides the input's, else the nearest pool that moves evenly. */
static bool window(const cn_layer *layer, cn__shape in, cn__window *window) {
    const cn__pool2d *p = (const cn__pool2d *)layer;
    const int32_t size[2] = {in.height, in.width};
    for (int d = 0; d < 2; d++) {
        int32_t out = p->output[d], stride = size[d] / out;
        if (stride < 1)
            return false;
        window->kernel[d] = size[d] - (out - 1) * stride;
        window->stride[d] = stride;
        window->padding[d] = 0;
        window->dilation[d] = 1;
    }
    return true;
}

static void forward(const cn__op *op, const cn__pass *pass, cn__item at) {
    size_t block = at.block, channel = at.outer;
    cn__pool_args args = cn__pool2d_args(op);
    (void)pass;
    op->kernels->adaptive_avg_pool(&args, cn__fmap_plane(op->in[0], block, channel),
                                   cn__fmap_plane(op->out, block, channel));
    cn__fmap_border(op->out, block, channel);
}

static void backward(const cn__op *op, const cn__pass *pass, cn__item at) {
    size_t block = at.block, channel = at.outer;
    cn__pool_args args = cn__pool2d_args(op);
    (void)pass;
    op->kernels->adaptive_avg_pool_backward(&args, cn__fmap_plane(op->d_out, block, channel),
                                            cn__pool2d_gradient(op, block, channel));
}

static const cn__layer_impl batch = {
    .forward = {{cn__out_planes, forward, CN__SCOPE_LOCAL}},
    .backward = {{cn__out_planes, backward, CN__SCOPE_LOCAL}},
};

const cn__layer_type cn__adaptive_avg_pool2d_type = {
    .name = "AdaptiveAvgPool2d",
    .bytes = sizeof(cn__pool2d),
    .kind = CN__KIND_ADAPTIVE_AVG_POOL2D,
    .min_inputs = 1,
    .max_inputs = 1,
    .attrs = attrs,
    .validate = validate,
    .infer = infer,
    .window = window,
    .batch = &batch,
    .small_batch = &batch,
};

cn_status cn_adaptive_avg_pool2d_new(cn_context *context, int output_height, int output_width, cn_layer **layer) {
    cn_layer *made;
    CN__REQUIRE(layer);
    *layer = NULL;
    CN__REQUIRE(context);
    CN__TRY(cn__layer_alloc(context, &cn__adaptive_avg_pool2d_type, &made));
    cn__pool2d *p = (cn__pool2d *)made;
    p->output[0] = output_height;
    p->output[1] = output_width;
    return cn__layer_finish(made, layer);
}
