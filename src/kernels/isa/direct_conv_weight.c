/* direct_conv_weight.c: the weight gradient of a convolution: a tile of output channels × (input channel, tap) in
 * registers runs over all pixels of a block; only then are the lanes of a sum added up. */
#include "kernels/isa/isa.h"

#define ROWS 4
#if CN__ISA == 3
#define COLUMNS 6
#else
#define COLUMNS 3
#endif

/* A tile's operands. Rows and columns beyond the last repeat it, and are not stored. */
typedef struct operands {
    size_t dy[ROWS];
    ptrdiff_t x[COLUMNS];
} operands;

INLINE void add_pixels(const cn__conv_weight_args *a, const operands *at, size_t lane, vi mask, bool masked,
                       vf sum[ROWS][COLUMNS]) {
    for (int32_t y = 0; y < a->height; y++) {
        const float *dy = a->dy + (size_t)y * a->dy_row + lane;
        const float *x = a->x + (size_t)y * a->x_row + lane;
        for (int32_t i = 0; i < a->width; i++, dy += CN__LANES, x += a->x_step) {
            vf value[COLUMNS];
            CN__UNROLL
            for (int q = 0; q < COLUMNS; q++)
                value[q] = masked ? vf_and(mask, vf_load(x + at->x[q])) : vf_load(x + at->x[q]);
            CN__UNROLL
            for (int r = 0; r < ROWS; r++) {
                vf d = masked ? vf_and(mask, vf_load(dy + at->dy[r])) : vf_load(dy + at->dy[r]);
                CN__UNROLL
                for (int q = 0; q < COLUMNS; q++)
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

INLINE void tile(const cn__conv_weight_args *a, int32_t row, int32_t column) {
    float line[COLUMNS][ROWS][CN__LANES] __attribute__((aligned(CN__ALIGN)));
    operands at;
    for (int r = 0; r < ROWS; r++)
        at.dy[r] = (size_t)(row + r < a->rows ? row + r : a->rows - 1) * a->dy_channel;
    for (int q = 0; q < COLUMNS; q++)
        at.x[q] = a->column[column + q < a->columns ? column + q : a->columns - 1];
    for (size_t lane = 0; lane < CN__LANES; lane += CN__WIDTH) {
        vf sum[ROWS][COLUMNS];
        CN__UNROLL
        for (int r = 0; r < ROWS; r++) {
            CN__UNROLL
            for (int q = 0; q < COLUMNS; q++)
                sum[r][q] = (vf){0};
        }
        if (a->lanes == CN__LANES)
            add_pixels(a, &at, lane, (vi){0}, false, sum);
        else
            add_pixels(a, &at, lane, lane_mask(a->lanes, lane), true, sum);
        CN__UNROLL
        for (int r = 0; r < ROWS; r++) {
            CN__UNROLL
            for (int q = 0; q < COLUMNS; q++)
                vf_store(line[q][r] + lane, sum[r][q]);
        }
    }
    for (int q = 0; q < COLUMNS && column + q < a->columns; q++) {
        vf_quad total = vf_line_sums(line[q]);
        float *out = a->out + (size_t)row * a->out_row + (size_t)(column + q);
        for (int r = 0; r < ROWS && row + r < a->rows; r++, out += a->out_row)
            *out = a->accumulate ? *out + total[r] : total[r];
    }
}

void CN__ISA_NAME(conv_weight)(const cn__conv_weight_args *args) {
    for (int32_t row = 0; row < args->rows; row += ROWS)
        for (int32_t column = 0; column < args->columns; column += COLUMNS)
            tile(args, row, column);
}
