/* SPDX-License-Identifier: MIT */
/* pool2d.c: hyper-parameters and geometry of pooling layers. */
#include "layers/pool/pool2d.h"
#include <string.h>

cn_status cn__pool2d_new(cn_context *context, const cn__layer_type *type, int kernel_height, int kernel_width,
                         const cn_pool2d_options *options, cn_layer **layer) {
    cn_pool2d_options o = CN_POOL2D_OPTIONS_INIT;
    cn_layer *made;
    CN__TRY(CN__READ_OPTIONS(&o, cn_pool2d_options, options));
    CN__TRY(cn__check_reserved("cn_pool2d_options", o.reserved == 0));
    for (int d = 0; d < 2; d++)
        CN__TRY(cn__check_range(type->name, d ? "dilation width" : "dilation height", o.dilation[d], 1, CN__MAX_SIDE));
    CN__TRY(cn__layer_alloc(context, type, &made));
    cn__pool2d *p = (cn__pool2d *)made;
    p->kernel[0] = kernel_height;
    p->kernel[1] = kernel_width;
    for (int d = 0; d < 2; d++) {
        p->stride[d] = o.stride[d];
        p->padding[d] = o.padding[d];
        p->dilation[d] = o.dilation[d];
    }
    p->ceil_mode = o.ceil_mode;
    p->count_include_pad = o.count_include_pad;
    p->divisor_override = o.divisor_override;
    return cn__layer_finish(made, layer);
}

cn_status cn__pool2d_validate(cn_layer *layer) {
    cn__pool2d *p = (cn__pool2d *)layer;
    const char *type = layer->type->name;
    for (int d = 0; d < 2; d++) {
        CN__TRY(cn__check_range(type, d ? "kernel width" : "kernel height", p->kernel[d], 1, CN__MAX_SIDE));
        if (p->stride[d] == 0)
            p->stride[d] = p->kernel[d];
        CN__TRY(cn__check_range(type, d ? "stride width" : "stride height", p->stride[d], 1, CN__MAX_SIDE));
        CN__TRY(cn__check_range(type, d ? "padding width" : "padding height", p->padding[d], 0, p->kernel[d] / 2));
        CN__TRY(cn__check_range(type, d ? "dilation width" : "dilation height", p->dilation[d], 1, CN__MAX_SIDE));
    }
    CN__TRY(cn__check_range(type, "ceil_mode", p->ceil_mode, 0, 1));
    CN__TRY(cn__check_range(type, "count_include_pad", p->count_include_pad, 0, 1));
    return cn__check_range(type, "divisor_override", p->divisor_override, 0, INT32_MAX);
}

cn_status cn__pool2d_infer(const cn_layer *layer, const char *name, int32_t inputs, const cn__shape *in,
                           cn__shape *out) {
    const cn__pool2d *p = (const cn__pool2d *)layer;
    const int32_t size[2] = {in->height, in->width};
    int64_t result[2];
    (void)inputs;
    for (int d = 0; d < 2; d++) {
        result[d] =
            cn__window_size(size[d], p->kernel[d], p->stride[d], p->padding[d], p->dilation[d], p->ceil_mode != 0);
        if (result[d] < 1 || result[d] > CN__MAX_SIDE)
            return cn__error(CN_ERR_SHAPE, "%s '%s': kernel %d×%d with padding %d×%d does not fit the input, %d×%d",
                             layer->type->name, name, p->kernel[0], p->kernel[1], p->padding[0], p->padding[1],
                             in->height, in->width);
    }
    *out = (cn__shape){in->channels, (int32_t)result[0], (int32_t)result[1]};
    return CN_OK;
}

bool cn__pool_halves(const cn_layer *pool, cn__shape in) {
    const cn__pool2d *p = (const cn__pool2d *)pool;
    bool halves = in.height % 2 == 0 && in.width % 2 == 0;
    for (int d = 0; d < 2; d++)
        halves &= p->kernel[d] == 2 && p->stride[d] == 2 && p->padding[d] == 0 && p->dilation[d] == 1;
    return halves;
}

bool cn__pool2d_window(const cn_layer *layer, cn__shape in, cn__window *window) {
    const cn__pool2d *p = (const cn__pool2d *)layer;
    (void)in;
    *window = (cn__window){{p->kernel[0], p->kernel[1]},
                           {p->stride[0], p->stride[1]},
                           {p->padding[0], p->padding[1]},
                           {p->dilation[0], p->dilation[1]}};
    return true;
}

/* ---- windows that cover the image: window i of `out` goes from floor(i · in / out) to ceil((i + 1) · in / out) ---- */

const cn__attr cn__adaptive_pool2d_attrs[] = {
    {"output_height", CN__ATTR_INT, offsetof(cn__pool2d, output[0]), NULL, 0},
    {"output_width", CN__ATTR_INT, offsetof(cn__pool2d, output[1]), NULL, 0},
    {NULL, CN__ATTR_INT, 0, NULL, 0},
};

cn_status cn__adaptive_pool2d_validate(cn_layer *layer) {
    cn__pool2d *p = (cn__pool2d *)layer;
    p->dilation[0] = p->dilation[1] = 1;
    CN__TRY(cn__check_range(layer->type->name, "output height", p->output[0], 1, CN__MAX_SIDE));
    return cn__check_range(layer->type->name, "output width", p->output[1], 1, CN__MAX_SIDE);
}

cn_status cn__adaptive_pool2d_infer(const cn_layer *layer, const char *name, int32_t inputs, const cn__shape *in,
                                    cn__shape *out) {
    const cn__pool2d *p = (const cn__pool2d *)layer;
    (void)name;
    (void)inputs;
    *out = (cn__shape){in->channels, p->output[0], p->output[1]};
    return CN_OK;
}

/* Exact where the output's size divides the input's, else the nearest pool that moves evenly. */
bool cn__adaptive_pool2d_window(const cn_layer *layer, cn__shape in, cn__window *window) {
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

cn_status cn__adaptive_pool2d_new(cn_context *context, const cn__layer_type *type, int output_height, int output_width,
                                  cn_layer **layer) {
    cn_layer *made;
    CN__TRY(cn__layer_alloc(context, type, &made));
    cn__pool2d *p = (cn__pool2d *)made;
    p->output[0] = output_height;
    p->output[1] = output_width;
    return cn__layer_finish(made, layer);
}

/* ---- what kernels want ---- */

cn__pool_args cn__pool2d_args(const cn__op *op) {
    const cn__pool2d *p = (const cn__pool2d *)op->layer;
    cn__shape in = op->in[0]->shape, out = op->out->shape;
    return (cn__pool_args){.in_height = in.height,
                           .in_width = in.width,
                           .out_height = out.height,
                           .out_width = out.width,
                           .kernel = {p->kernel[0], p->kernel[1]},
                           .stride = {p->stride[0], p->stride[1]},
                           .padding = {p->padding[0], p->padding[1]},
                           .dilation = {p->dilation[0], p->dilation[1]},
                           .count_include_pad = p->count_include_pad != 0,
                           .divisor = p->divisor_override};
}

cn__plane cn__pool2d_gradient(const cn__op *op, size_t block, size_t channel) {
    const cn__fmap *map = op->d_in[0];
    cn__plane plane = cn__fmap_plane(map, block, channel);
    size_t row_bytes = (size_t)map->shape.width * CN__LANES * sizeof(float);
    for (int32_t y = 0; !op->accumulate[0] && y < map->shape.height; y++)
        memset(plane.data + (size_t)y * plane.row, 0, row_bytes);
    return plane;
}

cn__plane cn__pool2d_max_gradient(const cn__op *op, size_t block, size_t channel, bool tile, cn__pool_args *args) {
    args->overwrite = tile && !op->accumulate[0];
    return args->overwrite ? cn__fmap_plane(op->d_in[0], block, channel) : cn__pool2d_gradient(op, block, channel);
}
