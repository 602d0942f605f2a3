/* winograd.h: the patches of planes that winograd.c and winograd_weight.c transform. */
#ifndef CN_WINOGRAD_H
#define CN_WINOGRAD_H

#include "kernels/isa/isa.h"

#define INLINE static inline __attribute__((always_inline))

enum { SIDE = CN__WINOGRAD_SIDE, PATCH = CN__WINOGRAD_PATCH, PLACES = CN__WINOGRAD_PLACES };

/* Floats from a place to the next in scratch for so many lines each. */
static inline size_t place_floats(int32_t channels, int32_t tiles) {
    return (((size_t)channels * (size_t)tiles) | 1) * CN__LANES;
}

/* Where a patch can be read: in its plane, or copied with zeros around it. */
typedef struct patch {
    const float *data;
    size_t row;
} patch;

INLINE vi lane_mask(int32_t lanes, size_t first) {
    vi mask;
    for (int l = 0; l < CN__WIDTH; l++)
        mask[l] = (int32_t)first + l < lanes ? -1 : 0;
    return mask;
}

/* Lines y … y + side - 1, x … of a plane into `copy`, with zeros for those that it does not have. */
INLINE void copy_patch(const cn__winograd_tiles *s, const float *plane, int32_t y, int32_t x, int side, float *copy) {
    for (int32_t i = y; i < y + side; i++)
        for (int32_t j = x; j < x + side; j++)
            for (size_t lane = 0; lane < CN__LANES; lane += CN__WIDTH, copy += CN__WIDTH) {
                bool there = i >= 0 && j >= 0 && i < s->height && j < s->width;
                const float *from = plane + (ptrdiff_t)i * (ptrdiff_t)s->row + (ptrdiff_t)j * CN__LANES + lane;
                vf_store(copy, there ? vf_and(lane_mask(s->lanes, lane), vf_load(from)) : (vf){0});
            }
}

/* The patch of side × side lines that tile `tile` begins with. */
INLINE patch find_patch(const cn__winograd_tiles *s, int32_t channel, int32_t tile, int side, float *copy) {
    const float *plane = s->data + (size_t)channel * s->channel;
    int32_t y = tile / s->columns * SIDE + s->first[0], x = tile % s->columns * SIDE + s->first[1];
    if (y >= 0 && x >= 0 && y + side <= s->height && x + side <= s->width && s->lanes == CN__LANES)
        return (patch){plane + (size_t)y * s->row + (size_t)x * CN__LANES, s->row};
    copy_patch(s, plane, y, x, side, copy);
    return (patch){copy, (size_t)side * CN__LANES};
}

#endif
