/* SPDX-License-Identifier: MIT */
/* shape.c: values and where they lie, for layers that put them elsewhere. */
#include "layers/shape/shape.h"
#include <string.h>

cn__channel_range cn__plane_channels(const cn__fmap *map, size_t plane) {
    size_t channels = (size_t)map->lane_channels, end = (plane + 1) * CN__LANES;
    if (channels == 0)
        return (cn__channel_range){plane, plane + 1};
    return (cn__channel_range){plane * CN__LANES, end < channels ? end : channels};
}

float *cn__value_at(const cn__fmap *map, size_t block, size_t channel, size_t row, size_t column) {
    if (map->lane_channels)
        return cn__nchw16c_row(map, block, channel, row) + column * CN__LANES;
    return cn__fmap_plane(map, block, channel).data + row * map->row + column * CN__LANES;
}

void cn__copy_values(const cn__op *op, const float *from, size_t from_step, float *to, size_t to_step, size_t count,
                     bool accumulate) {
    if (op->out->lane_channels)
        for (size_t i = 0; i < count; i++)
            to[i * to_step] = accumulate ? to[i * to_step] + from[i * from_step] : from[i * from_step];
    else /* as the rows of planes that are one pixel wide */
        op->kernels->copy((cn__plane){(float *)from, from_step, 0}, (cn__plane){to, to_step, 0}, (int32_t)count, 1,
                          accumulate);
}

void cn__copy_channel(const cn__op *op, size_t block, const cn__fmap *from, size_t from_channel, const cn__fmap *to,
                      size_t to_channel, bool accumulate) {
    cn__shape shape = to->shape;
    if (!to->lane_channels) {
        op->kernels->copy(cn__fmap_plane(from, block, from_channel), cn__fmap_plane(to, block, to_channel),
                          shape.height, shape.width, accumulate);
        return;
    }
    for (size_t y = 0; y < (size_t)shape.height; y++)
        cn__copy_values(op, cn__nchw16c_row(from, block, from_channel, y), CN__LANES,
                        cn__nchw16c_row(to, block, to_channel, y), CN__LANES, (size_t)shape.width, accumulate);
}

void cn__clear_plane(cn__plane plane, cn__shape shape) {
    for (size_t y = 0; y < (size_t)shape.height; y++)
        memset(plane.data + y * plane.row, 0, (size_t)shape.width * CN__LANES * sizeof *plane.data);
}

static void clear_lanes(const cn__fmap *map, cn__plane plane, size_t first) {
    for (size_t y = 0; y < (size_t)map->shape.height; y++)
        for (size_t x = 0; x < (size_t)map->shape.width; x++)
            for (size_t lane = first; lane < CN__LANES; lane++)
                plane.data[y * plane.row + x * CN__LANES + lane] = 0.0f;
}

void cn__complete_plane(const cn__fmap *map, size_t block, size_t plane) {
    cn__channel_range used = cn__plane_channels(map, plane);
    if (map->lane_channels && used.end - used.first < CN__LANES)
        clear_lanes(map, cn__fmap_plane(map, block, plane), used.end - used.first);
    cn__fmap_border(map, block, plane);
}
