/* SPDX-License-Identifier: MIT */
/* nchw16c.c: what the ways to compute with channels in the lanes have in common. */
#include "layers/nchw16c/nchw16c.h"

/* ---- maps ---- */

void cn__nchw16c_layout(cn__fmap *map, cn__shape shape, int32_t pad_height, int32_t pad_width, cn_padding_mode mode) {
    cn__shape planes = {(int32_t)cn__nchw16c_planes(shape.channels), shape.height, shape.width};
    cn__fmap_layout(map, planes, pad_height, pad_width, mode);
    map->lane_channels = shape.channels;
}

float *cn__nchw16c_row(const cn__fmap *map, size_t image, size_t channel, size_t row) {
    return cn__fmap_plane(map, image, channel / CN__LANES).data + row * map->row + channel % CN__LANES;
}

void cn__nchw16c_pack(const cn__fmap *map, size_t image, const float *image_chw) {
    for (size_t c = 0; c < (size_t)map->lane_channels; c++)
        for (size_t y = 0; y < (size_t)map->shape.height; y++) {
            float *row = cn__nchw16c_row(map, image, c, y);
            for (size_t x = 0; x < (size_t)map->shape.width; x++)
                row[x * CN__LANES] = *image_chw++;
        }
}

void cn__nchw16c_unpack(const cn__fmap *map, size_t image, float *image_chw) {
    for (size_t c = 0; c < (size_t)map->lane_channels; c++)
        for (size_t y = 0; y < (size_t)map->shape.height; y++) {
            const float *row = cn__nchw16c_row(map, image, c, y);
            for (size_t x = 0; x < (size_t)map->shape.width; x++)
                *image_chw++ = row[x * CN__LANES];
        }
}

/* ---- stages ---- */

#define MIN_PRODUCTS (1 << 20) /* that are worth waking a thread for */

size_t cn__nchw16c_shares(const cn__op *op, const cn__pass *pass, int32_t most, int64_t multiply_adds) {
    int64_t shares = multiply_adds / MIN_PRODUCTS;
    int32_t threads = cn__pass_threads(pass, op->ctx);
    if (cn__blocks_go_round(pass, op->ctx) || shares < 1)
        return 1;
    most = most < threads ? most : threads;
    return (size_t)(shares < most ? shares : most);
}

cn__grid cn__nchw16c_one_item(const cn__op *op, const cn__pass *pass) {
    (void)op;
    (void)pass;
    return (cn__grid){1, 1};
}

cn__grid cn__nchw16c_border_grid(const cn__op *op, const cn__pass *pass) {
    (void)pass;
    return (cn__grid){op->out->pad[0] > 0 || op->out->pad[1] > 0, 1};
}

void cn__nchw16c_border(const cn__op *op, const cn__pass *pass, cn__item at) {
    (void)pass;
    for (size_t plane = 0; plane < (size_t)op->out->shape.channels; plane++)
        cn__fmap_border(op->out, at.block, plane);
}
