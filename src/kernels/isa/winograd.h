/* SPDX-License-Identifier: MIT */
/* winograd.h: the tiles that winograd.c and winograd_weight.c transform. A transform evaluates polynomials at six nodes
 * (0, ±1, ±2, ∞) in each dimension: a patch has 36 points, one for each pair of nodes. */
#ifndef CN_WINOGRAD_H
#define CN_WINOGRAD_H

#include "kernels/isa/isa.h"

enum { SIDE = CN__WINOGRAD_SIDE, PATCH = CN__WINOGRAD_PATCH, POINTS = CN__WINOGRAD_POINTS };
enum { FAR = 4 }; /* the node, -2, that tiles of side 3 do without */

/* A function whose last arguments are a tile's sides, with those of `at` as constants. */
#define BY_SIDES(at, function, ...)                                                                                    \
    ((at)->rows == 4 ? ((at)->columns == 4 ? function(__VA_ARGS__, 4, 4) : function(__VA_ARGS__, 4, 3))                \
                     : ((at)->columns == 4 ? function(__VA_ARGS__, 3, 4) : function(__VA_ARGS__, 3, 3)))

/* Floats from a point to the next in scratch for so many lines each. */
static inline size_t point_floats(int32_t channels, int32_t tiles) {
    return (((size_t)channels * (size_t)tiles) | 1) * CN__LANES;
}

/* Of a line of plane `plane`, those that somebody reads. */
static inline size_t lanes_of(const cn__winograd_tiles *s, int32_t plane) {
    return plane + 1 == s->channels ? CN__LANES - s->spare : CN__LANES;
}

/* `step` floats on. The compiler must not see through it: it would compute all points' addresses ahead, which are more
 * than there are registers. */
INLINE float *walk(const float *at, size_t step) {
    at += step;
    __asm__("" : "+r"(at));
    return (float *)at;
}

/* A transformed row into its points; with tiles of three columns there is nothing for FAR. */
INLINE void store_points(const vf row[PATCH], float *to, size_t point, int columns) {
    CN__UNROLL
    for (int j = 0; j < PATCH; j++) {
        to = j ? walk(to, point) : to;
        if (columns == 4 || j != FAR)
            vf_store(to, row[j]);
    }
}

/* ---- tiles ---- */

/* Tiles are numbered so that those that have a point stand together: first 4×3 (rows × columns), then 4×4, 3×4, 3×3, of
 * each kind those of one image after the other. Where the latter three begin, and where all end. */
typedef struct numbers {
    int32_t wide, low, small, end;
} numbers;

INLINE numbers number_tiles(const cn__winograd_tiles *s) {
    int32_t tall = s->images * s->fours[0], low = s->images * s->threes[0];
    numbers n = {.wide = tall * s->threes[1]};
    n.low = n.wide + tall * s->fours[1];
    n.small = n.low + low * s->fours[1];
    n.end = n.small + low * s->threes[1];
    return n;
}

/* Of the tiles that are meant, from 0, those that have a point. */
typedef struct range {
    int32_t first, end;
} range;

INLINE range tiles_with(const cn__winograd_tiles *s, const numbers *n, int point) {
    bool far_row = point / PATCH == FAR, far_column = point % PATCH == FAR;
    int32_t first = (far_column ? n->wide : 0) - s->tile;
    int32_t end = (far_row ? n->low : far_column ? n->small : n->end) - s->tile;
    return (range){first > 0 ? first : 0, end < s->count ? end : s->count};
}

/* A tile, and the window of its plane that it reads. */
typedef struct tile {
    int32_t image, y, x;       /* of its first output */
    int32_t rows, columns;     /* its sides */
    ptrdiff_t offset;          /* floats from the plane to the window */
    int32_t row[2], column[2]; /* first and end of the window's that the plane has; others read as zero */
    bool inside;               /* it has all */
} tile;

/* First and end of `size` from `first` on that lie within a plane of `limit`. */
INLINE void clip(int32_t first, int32_t size, int32_t limit, int32_t clipped[2]) {
    int32_t end = limit - first;
    clipped[0] = first < 0 ? -first : 0;
    clipped[1] = end < size ? end : size;
}

/* Tile t of all; its window is `more` rows and columns larger than the tile. */
INLINE tile find_tile(const cn__winograd_tiles *s, const numbers *n, int32_t t, int32_t more) {
    bool tall = t < n->low, wide = t >= n->wide && t < n->small;
    int32_t k = t - (tall ? wide ? n->wide : 0 : wide ? n->low : n->small);
    int32_t per_row = wide ? s->fours[1] : s->threes[1], per_image = per_row * (tall ? s->fours[0] : s->threes[0]);
    tile at = {.image = k / per_image, .rows = tall ? 4 : 3, .columns = wide ? 4 : 3};
    k %= per_image;
    at.y = k / per_row * at.rows + (tall ? 0 : 4 * s->fours[0]);
    at.x = k % per_row * at.columns + (wide ? 0 : 4 * s->fours[1]);
    int32_t y = at.y + s->first[0], x = at.x + s->first[1];
    at.offset = (ptrdiff_t)at.image * (ptrdiff_t)s->image + (ptrdiff_t)y * (ptrdiff_t)s->row + (ptrdiff_t)x * CN__LANES;
    clip(y, at.rows + more, s->height, at.row);
    clip(x, at.columns + more, s->width, at.column);
    at.inside = at.row[0] == 0 && at.row[1] == at.rows + more && at.column[0] == 0 && at.column[1] == at.columns + more;
    return at;
}

static inline void find_tiles(const cn__winograd_tiles *s, int32_t more, tile at[CN__WINOGRAD_MAX_TILES]) {
    numbers n = number_tiles(s);
    for (int32_t t = 0; t < s->count; t++)
        at[t] = find_tile(s, &n, s->tile + t, more);
}

/* ---- what they read ---- */

/* Rows of a window, of zeros where the plane has none, and the columns that it has. */
typedef struct window {
    const float *row[PATCH];
    int32_t first, end;
} window;

INLINE window find_window(const cn__winograd_tiles *s, const tile *at, const float *plane) {
    static const float zeros[PATCH * CN__LANES] __attribute__((aligned(CN__ALIGN)));
    window w = {.first = at->column[0], .end = at->column[1]};
    for (int i = 0; i < PATCH; i++)
        w.row[i] = i >= at->row[0] && i < at->row[1] ? plane + at->offset + (ptrdiff_t)i * (ptrdiff_t)s->row : zeros;
    return w;
}

/* Column j of `rows` rows of a window; all of it is there if `inside`. */
INLINE void read_column(const window *w, bool inside, int j, int rows, size_t lane, vf d[PATCH]) {
    bool there = inside || (j >= w->first && j < w->end);
    CN__UNROLL
    for (int i = 0; i < rows; i++)
        d[i] = there ? vf_load(w->row[i] + (size_t)j * CN__LANES + lane) : (vf){0};
}

#endif
