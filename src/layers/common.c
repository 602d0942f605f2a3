/* SPDX-License-Identifier: MIT */
/* common.c: what several layers share: grids of planes, plain shapes, windows, the ReLU and dropout part of a pass. */
#include "layers/layers.h"

cn__grid cn__out_planes(const cn__op *op, const cn__pass *pass) {
    (void)pass;
    return (cn__grid){(size_t)op->out->shape.channels, 1};
}

cn__grid cn__in_planes(const cn__op *op, const cn__pass *pass) {
    (void)pass;
    return (cn__grid){(size_t)op->in[0]->shape.channels, 1};
}

cn__grid cn__wanted_planes(const cn__op *op, const cn__pass *pass) {
    return op->d_in[0] ? cn__in_planes(op, pass) : (cn__grid){0, 0};
}

cn__grid cn__border_planes(const cn__op *op, const cn__pass *pass) {
    return op->out->pad[0] || op->out->pad[1] ? cn__out_planes(op, pass) : (cn__grid){0, 0};
}

void cn__border(const cn__op *op, const cn__pass *pass, cn__item at) {
    (void)pass;
    cn__fmap_border(op->out, at.block, at.outer);
}

void cn__op_fail(const cn__op *op, const char *function, cn_status status) {
    int none = CN_OK;
    if (!atomic_compare_exchange_strong(&op->failure->status, &none, (int)status))
        return;
    op->failure->id = op->id; /* read when the pass has ended */
    op->failure->function = function;
}

cn_status cn__infer_same(const cn_layer *layer, const char *name, int32_t inputs, const cn__shape *in, cn__shape *out) {
    (void)layer;
    (void)name;
    (void)inputs;
    *out = in[0];
    return CN_OK;
}

cn_status cn__infer_equal(const cn_layer *layer, const char *name, int32_t inputs, const cn__shape *in,
                          cn__shape *out) {
    for (int32_t i = 1; i < inputs; i++)
        if (in[i].channels != in[0].channels || in[i].height != in[0].height || in[i].width != in[0].width)
            return cn__error(CN_ERR_SHAPE, "%s '%s': input %d is %d×%d×%d, but input 0 is %d×%d×%d", layer->type->name,
                             name, i, in[i].channels, in[i].height, in[i].width, in[0].channels, in[0].height,
                             in[0].width);
    *out = in[0];
    return CN_OK;
}

cn_status cn__check_range(const char *type, const char *what, int32_t value, int32_t least, int32_t most) {
    if (value >= least && value <= most)
        return CN_OK;
    return cn__error(CN_ERR_ARGUMENT, "%s: %s is %d, wanted %d to %d", type, what, value, least, most);
}

int64_t cn__window_size(int64_t in, int64_t kernel, int64_t stride, int64_t padding, int64_t dilation, bool ceil_mode) {
    int64_t room = in + 2 * padding - dilation * (kernel - 1) - 1 + (ceil_mode ? stride - 1 : 0);
    if (room < 0)
        return 0;
    int64_t size = room / stride + 1;
    if (ceil_mode && (size - 1) * stride >= in + padding)
        size--; /* a window must begin inside the image or its left padding */
    return size;
}

void cn__pointwise_fill(cn__pointwise_args *args, const cn__op *op, const cn__pass *pass, const cn__post_ops *post,
                        size_t block, size_t plane) {
    args->height = op->out->shape.height;
    args->width = op->out->shape.width;
    args->relu = post->relu;
    args->most = post->most;
    args->threshold = 0;
    args->keep = 1.0f;
    if (!pass->training || post->dropout <= 0.0f)
        return;
    args->threshold = (uint32_t)(post->dropout * 65536.0f + 0.5f);
    if (args->threshold > 65535)
        args->threshold = 65535; /* the largest multiple below 1 */
    args->keep = 65536.0f / (65536.0f - (float)args->threshold);
    args->channels = op->out->lane_channels > 0;
    size_t channel = plane * (args->channels ? CN__LANES : 1); /* its first */
    args->counter1 = post->dropout_id << 16 | (uint32_t)channel % 65536;
    args->counter3 = pass->step;
    args->image = pass->image + block * (args->channels ? 1 : CN__LANES);
    args->key = pass->seed ^ (uint64_t)CN__STREAM_DROPOUT << 56 ^ (uint64_t)(channel / 65536) << 40;
}
