/* SPDX-License-Identifier: MIT */
/* fmap.c: activations in lanes: their strides, their borders, and the way in from and out to [N, C, H, W]. */
#include "layers/layers.h"
#include <string.h>

void cn__fmap_layout(cn__fmap *map, cn__shape shape, int32_t pad_height, int32_t pad_width, cn_padding_mode mode) {
    size_t columns = (size_t)shape.width + 2 * (size_t)pad_width;
    size_t lines = ((size_t)shape.height + 2 * (size_t)pad_height) * columns;
    map->shape = shape;
    map->pad[0] = pad_height;
    map->pad[1] = pad_width;
    map->mode = mode;
    map->row = columns * CN__LANES;
    map->channel = (lines | 1) * CN__LANES;
    map->block = map->channel * (size_t)shape.channels;
}

/* The strides of a map that is too large may have overflown. */
size_t cn__fmap_floats(const cn__fmap *map, int32_t blocks) {
    uint64_t columns = (uint64_t)map->shape.width + 2 * (uint64_t)map->pad[1];
    uint64_t lines = ((uint64_t)map->shape.height + 2 * (uint64_t)map->pad[0]) * columns; /* below 2^52 */
    size_t floats;
    bool beyond = (lines | 1) > SIZE_MAX / CN__LANES ||
                  __builtin_mul_overflow((size_t)(lines | 1) * CN__LANES, (size_t)map->shape.channels, &floats) ||
                  __builtin_mul_overflow(floats, (size_t)blocks, &floats);
    return beyond ? SIZE_MAX : floats;
}

cn_status cn__fmap_new(cn_context *ctx, cn__shape shape, int32_t images, cn__fmap *map) {
    cn__fmap_layout(map, shape, 0, 0, CN_PADDING_ZEROS);
    map->data = cn__alloc(ctx, cn__fmap_floats(map, cn__leaves_of(images)), sizeof *map->data);
    return map->data ? CN_OK : cn__no_memory("a batch of maps");
}

size_t cn__fmap_origin(const cn__fmap *map) {
    return (size_t)map->pad[0] * map->row + (size_t)map->pad[1] * CN__LANES;
}

int32_t cn__border_source(int32_t i, int32_t size, cn_padding_mode mode) {
    if (i >= 0 && i < size)
        return i;
    switch (mode) {
    case CN_PADDING_REPLICATE:
        return i < 0 ? 0 : size - 1;
    case CN_PADDING_REFLECT:
        return i < 0 ? -i : 2 * (size - 1) - i;
    case CN_PADDING_CIRCULAR:
        return i < 0 ? i + size : i - size;
    default:
        return -1;
    }
}

static void fill_line(float *to, const float *from) {
    if (from)
        memcpy(to, from, CN__LANES * sizeof *to);
    else /* NOLINTNEXTLINE(clang-analyzer-core.NonNullParamChecker): who has a border has lines */
        memset(to, 0, CN__LANES * sizeof *to);
}

/* Left and right of one interior row; then whole border rows repeat whole rows, corners included. */
static void fill_columns(const cn__fmap *map, float *row) {
    int32_t width = map->shape.width;
    for (int32_t i = 1; i <= map->pad[1]; i++) {
        int32_t border[2] = {-i, width - 1 + i};
        for (int side = 0; side < 2; side++) {
            const float *from = map->mode == CN_PADDING_ZEROS
                                    ? NULL
                                    : row + (ptrdiff_t)cn__border_source(border[side], width, map->mode) * CN__LANES;
            fill_line(row + (ptrdiff_t)border[side] * CN__LANES, from);
        }
    }
}

void cn__fmap_border(const cn__fmap *map, size_t block, size_t channel) {
    float *plane = cn__fmap_plane(map, block, channel).data;
    ptrdiff_t left = (ptrdiff_t)map->pad[1] * CN__LANES;
    if (map->pad[1] > 0)
        for (int32_t y = 0; y < map->shape.height; y++)
            fill_columns(map, plane + (size_t)y * map->row);
    for (int32_t i = 1; i <= map->pad[0]; i++) {
        int32_t border[2] = {-i, map->shape.height - 1 + i};
        for (int side = 0; side < 2; side++) {
            float *to = plane + (ptrdiff_t)border[side] * (ptrdiff_t)map->row - left;
            if (map->mode == CN_PADDING_ZEROS) {
                memset(to, 0, map->row * sizeof *to);
            } else {
                int32_t source = cn__border_source(border[side], map->shape.height, map->mode);
                memcpy(to, plane + (size_t)source * map->row - left, map->row * sizeof *to);
            }
        }
    }
}

void cn__fmap_pack(const cn__fmap *map, const float *images_nchw, int32_t images) {
    cn__shape s = map->shape;
    size_t plane_pixels = (size_t)s.height * (size_t)s.width, image_pixels = plane_pixels * (size_t)s.channels;
    int32_t lanes = (int32_t)cn__whole_lines((size_t)images);
    for (int32_t n = 0; n < lanes; n++)
        for (int32_t c = 0; c < s.channels; c++) {
            float *plane = cn__fmap_plane(map, (size_t)n / CN__LANES, (size_t)c).data + n % CN__LANES;
            const float *from = n < images ? images_nchw + (size_t)n * image_pixels + (size_t)c * plane_pixels : NULL;
            for (int32_t y = 0; y < s.height; y++)
                for (int32_t x = 0; x < s.width; x++)
                    plane[(size_t)y * map->row + (size_t)x * CN__LANES] = from ? *from++ : 0.0f;
        }
}

/* Row by row, which stays in the cache while all images of the block are taken out of it. */
void cn__fmap_unpack(const cn__fmap *map, float *images_nchw, int32_t images) {
    size_t channels = (size_t)map->shape.channels, height = (size_t)map->shape.height;
    size_t width = (size_t)map->shape.width, image = channels * height * width;
    for (size_t first = 0; first < (size_t)images; first += CN__LANES)
        for (size_t r = 0; r < channels * height; r++) {
            const float *row = cn__fmap_plane(map, first / CN__LANES, r / height).data + r % height * map->row;
            for (size_t n = first; n < (size_t)images && n < first + CN__LANES; n++) {
                float *to = images_nchw + n * image + r * width;
                for (size_t x = 0; x < width; x++)
                    to[x] = row[x * CN__LANES + n - first];
            }
        }
}

void cn__fmap_zero(const cn__fmap *map, int32_t blocks) {
    size_t row_bytes = (size_t)map->shape.width * CN__LANES * sizeof(float);
    for (size_t b = 0; b < (size_t)blocks; b++)
        for (size_t c = 0; c < (size_t)map->shape.channels; c++)
            for (size_t y = 0; y < (size_t)map->shape.height; y++)
                memset(cn__fmap_plane(map, b, c).data + y * map->row, 0, row_bytes);
}
