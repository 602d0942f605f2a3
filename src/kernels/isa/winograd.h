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

/* `step` floats on. The compiler must not see through it: it would compute all places' addresses ahead, which are more
 * than there are registers. */
INLINE float *walk(const float *at, size_t step) {
    at += step;
    __asm__("" : "+r"(at));
    return (float *)at;
}

/* Where a patch can be read: in its plane, or copied with zeros around it. */
typedef struct patch {
    const float *data;
    size_t row;
} patch;

/* Walks through tiles, row by row. */
typedef struct position {
    int32_t row, column; /* of tiles */
} position;

INLINE position first_position(const cn__winograd_tiles *s) {
    return (position){s->tile / s->columns, s->tile % s->columns};
}

INLINE position next_position(const cn__winograd_tiles *s, position at) {
    bool last = at.column + 1 == s->columns;
    return (position){at.row + last, last ? 0 : at.column + 1};
}

/* Which lanes of a part of the line count. */
INLINE vi lanes_that_count(int32_t lanes, size_t first) {
    static const int32_t number[CN__LANES]
        __attribute__((aligned(CN__ALIGN))) = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    return (vi)vf_load((const float *)number + first) < lanes;
}

/* Lines y … y + side - 1, x … of a plane into `copy`, with zeros for those that it does not have. */
INLINE void copy_patch(const cn__winograd_tiles *s, const float *plane, int32_t y, int32_t x, int side, float *copy) {
    for (size_t lane = 0; lane < CN__LANES; lane += CN__WIDTH) {
        vi mask = lanes_that_count(s->lanes, lane);
        float *to = copy + lane;
        for (int32_t i = y; i < y + side; i++) {
            const float *row = plane + (ptrdiff_t)i * (ptrdiff_t)s->row + lane;
            bool there = i >= 0 && i < s->height;
            for (int32_t j = x; j < x + side; j++, to += CN__LANES)
                vf_store(to, there && j >= 0 && j < s->width ? vf_and(mask, vf_load(row + (ptrdiff_t)j * CN__LANES))
                                                             : (vf){0});
        }
    }
}

/* The patch of side × side lines that the tile at a position begins with. */
INLINE patch find_patch(const cn__winograd_tiles *s, int32_t channel, position at, int side, float *copy) {
    const float *plane = s->data + (size_t)channel * s->channel;
    int32_t y = at.row * SIDE + s->first[0], x = at.column * SIDE + s->first[1];
    if (y >= 0 && x >= 0 && y + side <= s->height && x + side <= s->width && s->lanes == CN__LANES)
        return (patch){plane + (size_t)y * s->row + (size_t)x * CN__LANES, s->row};
    copy_patch(s, plane, y, x, side, copy);
    return (patch){copy, (size_t)side * CN__LANES};
}

#endif
