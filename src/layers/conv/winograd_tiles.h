/* SPDX-License-Identifier: MIT */
/* winograd_tiles.h: the tiles that Winograd's F(4×4, 3×3) cuts maps into: of side 4, and of 3 where 4 does not divide a
 * side. */
#ifndef CN_WINOGRAD_TILES_H
#define CN_WINOGRAD_TILES_H

#include "layers/conv/convolution.h"

/* Tiles along `size` outputs, and of these, those of side 3: as many as 4 are too large by. */
static inline int32_t cn__winograd_along(int32_t size) {
    return (size + CN__WINOGRAD_SIDE - 1) / CN__WINOGRAD_SIDE;
}
static inline int32_t cn__winograd_threes(int32_t size) {
    int32_t tiles = cn__winograd_along(size), over = tiles * CN__WINOGRAD_SIDE - size;
    return over < tiles ? over : tiles;
}

static inline int32_t cn__winograd_count(int32_t height, int32_t width) {
    return cn__winograd_along(height) * cn__winograd_along(width);
}

static inline void cn__winograd_cut(cn__winograd_tiles *tiles, int32_t height, int32_t width) {
    tiles->threes[0] = cn__winograd_threes(height);
    tiles->threes[1] = cn__winograd_threes(width);
    tiles->fours[0] = cn__winograd_along(height) - tiles->threes[0];
    tiles->fours[1] = cn__winograd_along(width) - tiles->threes[1];
}

/* Nodes along `size` outputs. */
static inline int32_t cn__winograd_nodes(int32_t size) {
    return cn__winograd_along(size) * CN__WINOGRAD_PATCH - cn__winograd_threes(size);
}

/* Tiles of side 4 that would take as much work. */
static inline double cn__winograd_cost(cn__shape shape) {
    return (double)cn__winograd_nodes(shape.height) * cn__winograd_nodes(shape.width) / CN__WINOGRAD_POINTS;
}

#endif
