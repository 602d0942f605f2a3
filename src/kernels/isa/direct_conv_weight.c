/* SPDX-License-Identifier: MIT */
/* direct_conv_weight.c: the weight gradient of a convolution: a tile of output channels × (input channel, tap) in
 * registers runs over all pixels of a block; only then are the lanes of a sum added up.
 *
 * What tiles read is to stay in the caches. So they run over a strip of pixels after the other, of which four output
 * channels stay in the first-level cache while they meet all columns; sums wait in scratch for the next strip. */
#include "kernels/isa/isa.h"

#define ROWS 4
#if CN__REGISTERS == 32
#define COLUMNS 6
#else
#define COLUMNS 3
#endif
#define MOST_COLUMNS 9  /* of a tile of one row, which a depthwise convolution has */
#define STRIP        64 /* pixels, about */

/* Pixels of a strip: whole rows, or a part of one. */
typedef struct strip {
    int32_t row, rows, pixel, pixels;
    bool first, last; /* of the map */
} strip;

/* A tile's operands. Rows and columns beyond the last repeat it, and are not stored. */
typedef struct operands {
    size_t dy[ROWS];
    ptrdiff_t x[MOST_COLUMNS];
} operands;

INLINE void add_pixels(const cn__conv_weight_args *a, const strip *s, const operands *at, size_t lane, vi mask,
                       bool masked, int rows, int columns, vf sum[ROWS][MOST_COLUMNS]) {
    for (int32_t y = s->row; y < s->row + s->rows; y++) {
        const float *dy = a->dy + (size_t)y * a->dy_row + (size_t)s->pixel * CN__LANES + lane;
        const float *x = a->x + (size_t)y * a->x_row + (size_t)s->pixel * a->x_step + lane;
        for (int32_t i = 0; i < s->pixels; i++, dy += CN__LANES, x += a->x_step) {
            vf value[MOST_COLUMNS];
            CN__UNROLL
            for (int q = 0; q < columns; q++)
                value[q] = masked ? vf_and(mask, vf_load(x + at->x[q])) : vf_load(x + at->x[q]);
            CN__UNROLL
            for (int r = 0; r < rows; r++) {
                vf d = masked ? vf_and(mask, vf_load(dy + at->dy[r])) : vf_load(dy + at->dy[r]);
                CN__UNROLL
                for (int q = 0; q < columns; q++)
                    sum[r][q] = vf_fma(d, value[q], sum[r][q]);
            }
        }
    }
}

/* Lanes of a part of the line that hold images. */
INLINE vi lane_mask(int32_t lanes, size_t first) {
    vi mask;
    for (int l = 0; l < CN__WIDTH; l++)
        mask[l] = (int32_t)first + l < lanes ? -1 : 0;
    return mask;
}

/* Adds up the lanes of a tile's lines, [column][row]. */
INLINE void store(const cn__conv_weight_args *a, int32_t row, int32_t column, float *lines, int columns) {
    for (int q = 0; q < columns && column + q < a->columns; q++, lines += ROWS * CN__LANES) {
        vf_quad total = vf_line_sums((float(*)[CN__LANES])lines);
        float *out = a->out + (size_t)row * a->out_row + (size_t)(column + q);
        for (int r = 0; r < ROWS && row + r < a->rows; r++, out += a->out_row)
            *out = a->accumulate ? *out + total[r] : total[r];
    }
}

INLINE void tile(const cn__conv_weight_args *a, const strip *s, int32_t row, int32_t column, float *lines, int rows,
                 int columns) {
    operands at;
    for (int r = 0; r < rows; r++)
        at.dy[r] = (size_t)(row + r < a->rows ? row + r : a->rows - 1) * a->dy_channel;
    for (int q = 0; q < columns; q++)
        at.x[q] = a->column[column + q < a->columns ? column + q : a->columns - 1];
    for (size_t lane = 0; lane < CN__LANES; lane += CN__WIDTH) {
        vf sum[ROWS][MOST_COLUMNS];
        CN__UNROLL
        for (int r = 0; r < rows; r++) {
            CN__UNROLL
            for (int q = 0; q < columns; q++)
                sum[r][q] = s->first ? (vf){0} : vf_load(lines + (q * ROWS + r) * CN__LANES + lane);
        }
        if (a->lanes == CN__LANES)
            add_pixels(a, s, &at, lane, (vi){0}, false, rows, columns, sum);
        else
            add_pixels(a, s, &at, lane, lane_mask(a->lanes, lane), true, rows, columns, sum);
        CN__UNROLL
        for (int r = 0; r < rows; r++) {
            CN__UNROLL
            for (int q = 0; q < columns; q++)
                vf_store(lines + (q * ROWS + r) * CN__LANES + lane, sum[r][q]);
        }
    }
    if (s->last)
        store(a, row, column, lines, columns);
}

static void add_strip(const cn__conv_weight_args *a, const strip *s) {
    float *lines = a->scratch;
    for (int32_t row = 0; row < a->rows; row += ROWS)
        if (a->rows == 1)
            for (int32_t column = 0; column < a->columns; column += 9, lines += 9 * ROWS * CN__LANES)
                tile(a, s, row, column, lines, 1, 9);
        else
            for (int32_t column = 0; column < a->columns; column += COLUMNS, lines += COLUMNS * ROWS * CN__LANES)
                tile(a, s, row, column, lines, ROWS, COLUMNS);
}

void CN__ISA_NAME(conv_weight)(const cn__conv_weight_args *args) {
    int32_t parts = (args->width + STRIP - 1) / STRIP, rows = args->width < STRIP ? STRIP / args->width : 1;
    for (int32_t row = 0; row < args->height; row += rows)
        for (int32_t part = 0; part < parts; part++) {
            int32_t first = args->width * part / parts, end = args->width * (part + 1) / parts;
            strip s = {row,
                       args->height - row < rows ? args->height - row : rows,
                       first,
                       end - first,
                       row == 0 && part == 0,
                       row + rows >= args->height && part == parts - 1};
            add_strip(args, &s);
        }
}
