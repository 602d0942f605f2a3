/* SPDX-License-Identifier: MIT */
/* broadcast.c: sums and products of inputs whose sides are equal, or 1 for all. */
#include "layers/broadcast.h"

/* ---- shapes ---- */

/* A side of two inputs together; -1: they do not fit. */
static int32_t joined(int32_t a, int32_t b) {
    return a == b || b == 1 ? a : a == 1 ? b : -1;
}

cn_status cn__broadcast_infer(const cn_layer *layer, const char *name, int32_t inputs, const cn__shape *in,
                              cn__shape *out) {
    cn__shape all = in[0];
    for (int32_t i = 1; i < inputs; i++) {
        cn__shape next = {joined(all.channels, in[i].channels), joined(all.height, in[i].height),
                          joined(all.width, in[i].width)};
        if (next.channels < 0 || next.height < 0 || next.width < 0)
            return cn__error(CN_ERR_SHAPE, "%s '%s': input %d is %d×%d×%d, but %s %d×%d×%d; sides must be equal, or 1",
                             layer->type->name, name, i, in[i].channels, in[i].height, in[i].width,
                             i == 1 ? "input 0 is" : "those before it make", all.channels, all.height, all.width);
        all = next;
    }
    *out = all;
    return CN_OK;
}

/* ---- planes ---- */

static cn__plane plane_of(const cn__fmap *map, size_t block, size_t channel) {
    return cn__fmap_plane(map, block, map->shape.channels == 1 ? 0 : channel);
}

static size_t row_step(const cn__fmap *map) {
    return map->shape.height == 1 ? 0 : map->row;
}

static size_t column_step(const cn__fmap *map) {
    return map->shape.width == 1 ? 0 : CN__LANES;
}

/* Whether a map has one channel for all, where channels lie in the lanes. */
static bool one_lane(const cn__op *op, const cn__fmap *map) {
    return map->lane_channels == 1 && op->out->lane_channels > 1;
}

/* An input as the output's plane sees it. */
static cn__operand operand(const cn__op *op, const cn__fmap *map, size_t block, size_t channel) {
    return (cn__operand){plane_of(map, block, channel).data, row_step(map), column_step(map), one_lane(op, map)};
}

void cn__broadcast_forward(const cn__op *op, cn__item at, bool product) {
    size_t block = at.block, channel = at.outer;
    cn__plane y = cn__fmap_plane(op->out, block, channel);
    cn__operand a = operand(op, op->in[0], block, channel);
    for (int32_t i = 1; i < op->input_count; i++) {
        op->kernels->binary(product, a, operand(op, op->in[i], block, channel), y, op->out->shape.height,
                            op->out->shape.width);
        a = (cn__operand){y.data, y.row, CN__LANES, false};
    }
    cn__fmap_border(op->out, block, channel);
}

/* Of the gradient of such a map: how many channels of a plane it sums. */
static int32_t lanes_to_sum(const cn__op *op, const cn__fmap *map, size_t plane) {
    int32_t left = op->out->lane_channels - (int32_t)plane * CN__LANES;
    return !one_lane(op, map) ? 0 : left < CN__LANES ? left : CN__LANES;
}

/* The first item adds up all planes of an input that has one for all. */
void cn__broadcast_backward(const cn__op *op, cn__item at, int32_t input, const cn__fmap *other) {
    const cn__fmap *map = op->d_in[input];
    cn__shape shape = op->out->shape;
    if (!map || (map->shape.channels == 1 && at.outer > 0))
        return;
    size_t end = map->shape.channels == 1 ? (size_t)shape.channels : at.outer + 1;
    cn__target dx = {plane_of(map, at.block, at.outer).data, row_step(map), column_step(map), 0};
    for (size_t channel = at.outer; channel < end; channel++) {
        cn__operand factor = {0};
        dx.lanes = lanes_to_sum(op, map, channel);
        if (other)
            factor = operand(op, other, at.block, channel);
        op->kernels->binary_backward(cn__fmap_plane(op->d_out, at.block, channel), factor, dx, shape.height,
                                     shape.width, op->accumulate[input] || channel > at.outer);
    }
}
