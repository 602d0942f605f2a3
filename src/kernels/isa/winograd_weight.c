/* SPDX-License-Identifier: MIT */
/* winograd_weight.c: the weight gradient of a 3×3 convolution by Winograd's F(3×3, 4×4): tiles of 4×4 output
 * gradients correlate with patches of 6×6 inputs in 36 products instead of 144, those of side 3 with smaller ones. A
 * product sums over tiles and images, with output channels in the lanes: a tile's pixels, which are fewer than a
 * patch's points, are transposed for it. The last transform is left to the end. */
#include "kernels/isa/transpose.h"
#include "kernels/isa/winograd.h"

#if CN__REGISTERS == 32
#define ROWS 8
#else
#define ROWS 4
#endif
#define VECTORS 3 /* at most */

enum { SQUARE = CN__LANES * CN__LANES };

/* ---- the output gradients' tiles ---- */

/* G g without its factors, which transform_sums has. */
INLINE void transform_gradient(const vf g[SIDE], vf t[PATCH], int side) {
    vf two = vf_set1(2.0f), four = vf_set1(4.0f);
    vf even = g[0] + g[2], far_even = vf_fma(four, g[2], g[0]), odd = g[1], far_odd = g[1];
    if (side == 4) {
        odd = g[1] + g[3];
        far_odd = vf_fma(four, g[3], g[1]);
    }
    t[0] = g[0];
    t[1] = even + odd;
    t[2] = even - odd;
    t[3] = vf_fma(two, far_odd, far_even);
    t[4] = vf_fma(-two, far_odd, far_even);
    t[5] = g[side - 1];
}

/* A tile's pixels, as far apart as that. */
typedef struct pixels {
    const float *data;
    size_t row, column;
} pixels;

/* Two rows of G g at a time, as of patches. */
INLINE void gradient_rows(const pixels *from, size_t lane, int first, int second, float *d, size_t point, int rows,
                          int columns) {
    vf t[2][SIDE];
    CN__UNROLL
    for (int j = 0; j < columns; j++) {
        vf g[SIDE], column[PATCH];
        CN__UNROLL
        for (int i = 0; i < rows; i++)
            g[i] = vf_load(from->data + (size_t)i * from->row + (size_t)j * from->column + lane);
        transform_gradient(g, column, rows);
        t[0][j] = column[first];
        t[1][j] = column[second];
    }
    CN__UNROLL
    for (int i = 0; i < 2; i++) {
        vf row[PATCH];
        int which = i ? second : first;
        if (rows == 3 && which == FAR)
            continue;
        transform_gradient(t[i], row, columns);
        store_points(row, d + (size_t)(which * PATCH) * point, point, columns);
    }
}

/* Of pixels of so many floats. */
INLINE void transform_tile(const pixels *from, size_t floats, float *d, size_t point, int rows, int columns) {
    for (size_t i = 0; i < floats; i += CN__WIDTH) {
        gradient_rows(from, i, 0, 5, d + i, point, rows, columns);
        gradient_rows(from, i, 1, 2, d + i, point, rows, columns);
        gradient_rows(from, i, 3, FAR, d + i, point, rows, columns);
    }
}

/* A tile's pixels of up to 16 channels from `first` on; `lines` has room for one of fewer, zeros where it has none. */
static void transpose_tile(const cn__winograd_tiles *s, const tile *at, int32_t first, float *lines,
                           float *transposed) {
    int32_t channels = s->channels - first;
    for (int32_t i = 0; i < at->rows; i++)
        for (int32_t j = 0; j < at->columns; j++) {
            float *to = transposed + (size_t)(i * SIDE + j) * SQUARE;
            const float *from = s->data + at->offset + (size_t)i * s->row + (size_t)j * CN__LANES;
            from += (size_t)first * s->channel;
            if (i >= at->row[1] || j >= at->column[1]) {
                memset(to, 0, sizeof(float[SQUARE]));
            } else if (channels >= CN__LANES) {
                transpose_lines(from, s->channel, to);
            } else {
                for (int32_t c = 0; c < channels; c++)
                    memcpy(lines + c * CN__LANES, from + (size_t)c * s->channel, sizeof(float[CN__LANES]));
                transpose_lines(lines, CN__LANES, to);
            }
        }
}

void CN__ISA_NAME(winograd_gradient)(const cn__winograd_tiles *s, float *d) {
    float lines[SQUARE] __attribute__((aligned(CN__ALIGN))) = {0};
    float transposed[SIDE * SIDE * SQUARE] __attribute__((aligned(CN__ALIGN)));
    const pixels all = {transposed, SIDE * SQUARE, SQUARE};
    size_t point = CN__WINOGRAD_COLUMNS(s->channels, s->count);
    tile at[CN__WINOGRAD_MAX_TILES];
    find_tiles(s, 0, at);
    for (int32_t first = 0; first < s->channels; first += CN__LANES)
        for (int32_t t = 0; t < s->count; t++, d += SQUARE) {
            transpose_tile(s, &at[t], first, lines, transposed);
            BY_SIDES(&at[t], transform_tile, &all, SQUARE, d, point);
        }
}

/* ---- the same with channels in the lanes, where there is nothing to transpose ---- */

/* A tile that its plane does not have all of, with zeros for what it lacks. */
static void copy_tile(const cn__winograd_tiles *s, const tile *at, const float *plane, float *to) {
    memset(to, 0, sizeof(float[SIDE * SIDE * CN__LANES]));
    for (int32_t i = at->row[0]; i < at->row[1]; i++)
        memcpy(to + i * SIDE * CN__LANES, plane + at->offset + (size_t)i * s->row,
               (size_t)at->column[1] * sizeof(float[CN__LANES]));
}

void CN__ISA_NAME(channel_winograd_gradient)(const cn__winograd_tiles *s, float *d) {
    float lines[SIDE * SIDE * CN__LANES] __attribute__((aligned(CN__ALIGN)));
    size_t point = point_floats(s->channels, s->count);
    tile at[CN__WINOGRAD_MAX_TILES];
    find_tiles(s, 0, at);
    for (int32_t plane = 0; plane < s->channels; plane++)
        for (int32_t t = 0; t < s->count; t++, d += CN__LANES) {
            const float *data = s->data + (size_t)plane * s->channel;
            pixels from = {data + at[t].offset, s->row, CN__LANES};
            if (!at[t].inside) {
                copy_tile(s, &at[t], data, lines);
                from = (pixels){lines, SIDE * CN__LANES, CN__LANES};
            }
            BY_SIDES(&at[t], transform_tile, &from, lanes_of(s, plane), d, point);
        }
}

/* ---- the products ---- */

/* What one point multiplies. Rows beyond the last repeat it. */
typedef struct operands {
    const float *v[ROWS], *d[VECTORS];
    range tiles;
    int32_t lanes;
} operands;

INLINE void clear(vf sum[ROWS][VECTORS], int vectors) {
    CN__UNROLL
    for (int r = 0; r < ROWS; r++) {
        CN__UNROLL
        for (int q = 0; q < vectors; q++)
            sum[r][q] = (vf){0};
    }
}

/* The k-th of the tiles' images. */
INLINE void multiply(const operands *of, size_t k, vf sum[ROWS][VECTORS], int vectors) {
    vf d[VECTORS];
    CN__UNROLL
    for (int q = 0; q < vectors; q++)
        d[q] = vf_load(of->d[q] + k * CN__LANES);
    CN__UNROLL
    for (int r = 0; r < ROWS; r++) {
        vf v = vf_set1(of->v[r][k]);
        CN__UNROLL
        for (int q = 0; q < vectors; q++)
            sum[r][q] = vf_fma(v, d[q], sum[r][q]);
    }
}

INLINE void keep(vf sum[ROWS][VECTORS], int vectors, bool accumulate, float *sums, size_t row_floats) {
    CN__UNROLL
    for (int r = 0; r < ROWS; r++) {
        CN__UNROLL
        for (int q = 0; q < vectors; q++) {
            float *to = sums + (size_t)r * row_floats + (size_t)q * CN__WIDTH;
            vf_store(to, accumulate ? vf_load(to) + sum[r][q] : sum[r][q]);
        }
    }
}

INLINE void product(const operands *of, bool accumulate, float *sums, size_t row_floats, int vectors) {
    vf sum[ROWS][VECTORS];
    clear(sum, vectors);
    for (int32_t t = of->tiles.first; t < of->tiles.end; t++)
        for (size_t k = (size_t)t * CN__LANES; k < (size_t)t * CN__LANES + (size_t)of->lanes; k++)
            multiply(of, k, sum, vectors);
    keep(sum, vectors, accumulate, sums, row_floats);
}

/* One vector: every other image is summed apart, or there would be too few sums under way. */
INLINE void thin_product(const operands *of, bool accumulate, float *sums, size_t row_floats) {
    vf even[ROWS][VECTORS], odd[ROWS][VECTORS];
    clear(even, 1);
    clear(odd, 1);
    for (int32_t t = of->tiles.first; t < of->tiles.end; t++) {
        size_t k = (size_t)t * CN__LANES, end = k + (size_t)of->lanes;
        for (; k + 2 <= end; k += 2) {
            multiply(of, k, even, 1);
            multiply(of, k + 1, odd, 1);
        }
        if (k < end)
            multiply(of, k, even, 1);
    }
    CN__UNROLL
    for (int r = 0; r < ROWS; r++)
        even[r][0] += odd[r][0];
    keep(even, 1, accumulate, sums, row_floats);
}

/* Columns by twice 16, whatever the width of vectors, in a straight sum; sixteen that are left, by one vector. Vectors
 * that no column is in are left out. */
INLINE void sum_point(const cn__winograd_weight_args *a, operands *of, const float *d, float *sums) {
    size_t row_floats = cn__whole_lines((size_t)a->columns), group = (size_t)a->tiles.count * SQUARE;
    size_t end = ((size_t)a->columns + CN__WIDTH - 1) / CN__WIDTH * CN__WIDTH, column = 0, step;
    size_t straight = row_floats % (2 * CN__LANES) ? row_floats - CN__LANES : end;
    for (; column < end; column += step) {
        step = column >= straight ? CN__WIDTH : straight - column == 3 * CN__WIDTH ? 3 * CN__WIDTH : 2 * CN__WIDTH;
        for (size_t q = 0; q < step / CN__WIDTH; q++)
            of->d[q] = d + (column + q * CN__WIDTH) / CN__LANES * group + (column + q * CN__WIDTH) % CN__LANES;
        if (step == CN__WIDTH)
            thin_product(of, a->accumulate, sums + column, row_floats);
        else if (step == 2 * CN__WIDTH)
            product(of, a->accumulate, sums + column, row_floats, 2);
        else
            product(of, a->accumulate, sums + column, row_floats, 3);
    }
}

void CN__ISA_NAME(winograd_weight)(const cn__winograd_weight_args *a) {
    size_t line = (size_t)a->tiles.count * CN__LANES, v_point = point_floats(a->rows, a->tiles.count);
    size_t d_point = CN__WINOGRAD_COLUMNS(a->columns, a->tiles.count), row_floats = cn__whole_lines((size_t)a->columns);
    numbers n = number_tiles(&a->tiles);
    for (int point = 0; point < POINTS; point++)
        for (int32_t row = 0; row < a->rows; row += ROWS) {
            operands of = {.tiles = tiles_with(&a->tiles, &n, point), .lanes = a->lanes};
            for (int r = 0; r < ROWS; r++)
                of.v[r] = a->v + (size_t)point * v_point + (size_t)(row + r < a->rows ? row + r : a->rows - 1) * line;
            sum_point(a, &of, a->d + (size_t)point * d_point,
                      a->sums + ((size_t)point * CN__OC_BLOCK + (size_t)row) * row_floats);
        }
}

/* Points are 1×1 convolutions of rows of tiles. */
void CN__ISA_NAME(channel_winograd_weight)(const cn__channel_winograd_weight_args *a) {
    static const ptrdiff_t terms[CN__LANES] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    size_t line = (size_t)a->tiles.count * CN__LANES;
    numbers n = number_tiles(&a->tiles);
    for (int point = 0; point < POINTS; point++) {
        range with = tiles_with(&a->tiles, &n, point);
        cn__channel_conv_weight_args args = {
            .images = 1,
            .height = 1,
            .width = with.end > with.first ? with.end - with.first : 0,
            .x = a->v + (size_t)point * a->v_point + (size_t)with.first * CN__LANES,
            .x_step = CN__LANES,
            .terms = terms,
            .dy = a->d + (size_t)point * a->d_point + (size_t)with.first * CN__LANES,
            .dy_plane = line,
            .dy_step = CN__LANES,
            .lines = a->out_planes,
            .spare = a->spare,
            .sums = a->sums + (size_t)point * CN__WINOGRAD_SUMS_POINT(a->channels, a->out_planes),
        };
        if (!a->accumulate)
            memset(args.sums, 0, (size_t)a->channels * (size_t)a->out_planes * sizeof(float[CN__LANES]));
        for (int32_t left = a->channels; left > 0; left -= CN__LANES, args.x += line) {
            args.term_count = left < CN__LANES ? left : CN__LANES;
            CN__ISA_NAME(channel_conv_weight)(&args);
            args.sums += args.term_count * a->out_planes * CN__LANES;
        }
    }
}

/* ---- the gradients ---- */

/* Aᵀ m, with the factors of G. */
INLINE void transform_sums(const vf m[PATCH], vf w[3]) {
    vf quarter = vf_set1(0.25f), sixth = vf_set1(1.0f / 6), last = vf_set1(1.0f / 24);
    vf near_even = -sixth * (m[1] + m[2]), near_odd = -sixth * (m[1] - m[2]);
    vf far_even = last * (m[3] + m[4]), far_odd = last * (m[3] - m[4]);
    w[0] = vf_fma(quarter, m[0], near_even) + far_even;
    w[1] = vf_fma(vf_set1(2.0f), far_odd, near_odd);
    w[2] = vf_fma(vf_set1(4.0f), far_even, near_even) + m[5];
}

/* The taps of CN__WIDTH output channels. */
INLINE void finish_sums(const float *sums, size_t point, float taps[CN__LANES][CN__LANES], size_t lane) {
    vf t[3][PATCH];
    CN__UNROLL
    for (int j = 0; j < PATCH; j++) {
        vf m[PATCH], column[3];
        CN__UNROLL
        for (int i = 0; i < PATCH; i++)
            m[i] = vf_load(sums + (size_t)(i * PATCH + j) * point + lane);
        transform_sums(m, column);
        CN__UNROLL
        for (int i = 0; i < 3; i++)
            t[i][j] = column[i];
    }
    CN__UNROLL
    for (int i = 0; i < 3; i++) {
        vf row[3];
        transform_sums(t[i], row);
        CN__UNROLL
        for (int j = 0; j < 3; j++)
            vf_store(&taps[i * 3 + j][lane], row[j]);
    }
}

void CN__ISA_NAME(winograd_weight_finish)(const float *sums, size_t row_floats, size_t point, int32_t rows,
                                          int32_t columns, float *out, size_t out_column, bool accumulate) {
    float taps[CN__LANES][CN__LANES] __attribute__((aligned(CN__ALIGN))) = {{0}};
    float filters[CN__LANES][CN__LANES] __attribute__((aligned(CN__ALIGN)));
    for (int32_t row = 0; row < rows; row++)
        for (int32_t column = 0; column < columns; column++) {
            float *to = out + (size_t)column * out_column + (size_t)row * 9, *filter = filters[column % CN__LANES];
            if (column % CN__LANES == 0) {
                for (size_t lane = 0; lane < CN__LANES; lane += CN__WIDTH)
                    finish_sums(sums + (size_t)row * row_floats + column, point, taps, lane);
                transpose_lines(taps[0], CN__LANES, filters[0]);
            }
            for (int tap = 0; tap < 9 && accumulate; tap++)
                filter[tap] += to[tap];
            memcpy(to, filter, 9 * sizeof *to);
        }
}
