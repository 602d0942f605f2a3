/* SPDX-License-Identifier: MIT */
/* orthogonalize.c: five Newton-Schulz steps x <- a x + (b x xᵀ + c (x xᵀ)²) x, which bring the singular values of a
 * matrix close to 1 and leave its singular vectors as they are. The coefficients are those of Jordan et al. (2024),
 * chosen to be fast, not exact: values end between 0.7 and 1.2. */
#include "kernels/isa/isa.h"

#define STEPS 5
#define ROWS  4 /* of a register tile; a matrix has a multiple of it */

static const float first = 3.4445f, third = -4.7750f, fifth = 2.0315f;

/* x, scaled so that no singular value is above 1. */
static void normalize(size_t count, float *x) {
    float line[CN__LANES] __attribute__((aligned(CN__ALIGN))) = {0};
    for (size_t i = 0; i < count; i += CN__LANES)
        for (size_t l = 0; l < CN__LANES; l += CN__WIDTH) {
            vf v = vf_load(x + i + l);
            vf_store(line + l, vf_fma(v, v, vf_load(line + l)));
        }
    vf scale = vf_set1(1.0f / (sqrtf(vf_line_sum(line)) + 1e-7f));
    for (size_t i = 0; i < count; i += CN__WIDTH)
        vf_store(x + i, vf_load(x + i) * scale);
}

/* Products of a row with ROWS others. */
static vf_quad dot(size_t columns, const float *row, const float *others) {
    vf sum[ROWS][CN__VECTORS_PER_LINE] = {{{0}}};
    float line[ROWS][CN__LANES] __attribute__((aligned(CN__ALIGN)));
    for (size_t i = 0; i < columns; i += CN__LANES) {
        CN__UNROLL
        for (size_t vector = 0; vector < CN__VECTORS_PER_LINE; vector++) {
            vf v = vf_load(row + i + vector * CN__WIDTH);
            CN__UNROLL
            for (size_t r = 0; r < ROWS; r++)
                sum[r][vector] = vf_fma(v, vf_load(others + r * columns + i + vector * CN__WIDTH), sum[r][vector]);
        }
    }
    for (size_t r = 0; r < ROWS; r++)
        for (size_t vector = 0; vector < CN__VECTORS_PER_LINE; vector++)
            vf_store(line[r] + vector * CN__WIDTH, sum[r][vector]);
    return vf_line_sums(line);
}

/* x xᵀ, `side` floats a row. */
static void gram(size_t rows, size_t columns, const float *x, size_t side, float *product) {
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j <= i; j += ROWS) {
            vf_quad d = dot(columns, x + i * columns, x + j * columns);
            for (size_t r = 0; r < ROWS; r++)
                product[i * side + j + r] = product[(j + r) * side + i] = d[r];
        }
}

/* scale · x + factor · (left x), for ROWS rows and a line of columns. */
static void combine_tile(size_t rows, size_t columns, float scale, float factor, const float *left, size_t side,
                         const float *x, size_t row, size_t column, float *out) {
    vf sum[ROWS][CN__VECTORS_PER_LINE] = {{{0}}};
    for (size_t k = 0; k < rows; k++) {
        CN__UNROLL
        for (size_t vector = 0; vector < CN__VECTORS_PER_LINE; vector++) {
            vf v = vf_load(x + k * columns + column + vector * CN__WIDTH);
            CN__UNROLL
            for (size_t r = 0; r < ROWS; r++)
                sum[r][vector] = vf_fma(vf_set1(left[(row + r) * side + k]), v, sum[r][vector]);
        }
    }
    for (size_t r = 0; r < ROWS; r++)
        for (size_t vector = 0; vector < CN__VECTORS_PER_LINE; vector++) {
            size_t at = (row + r) * columns + column + vector * CN__WIDTH;
            vf_store(out + at, vf_fma(vf_set1(scale), vf_load(x + at), factor * sum[r][vector]));
        }
}

static void combine(size_t rows, size_t columns, float scale, float factor, const float *left, size_t side,
                    const float *x, float *out) {
    for (size_t row = 0; row < rows; row += ROWS)
        for (size_t column = 0; column < columns; column += CN__LANES)
            combine_tile(rows, columns, scale, factor, left, side, x, row, column, out);
}

void CN__ISA_NAME(orthogonalize)(size_t rows, size_t columns, float *x, float *work) {
    size_t side = cn__orthogonalize_side(rows);
    float *next = work, *square = next + rows * columns, *polynomial = square + rows * side;
    memset(square, 0, rows * side * sizeof *square); /* what lies behind the columns stays zero */
    normalize(rows * columns, x);
    for (int step = 0; step < STEPS; step++) {
        gram(rows, columns, x, side, square);
        combine(rows, side, third, fifth, square, side, square, polynomial);
        combine(rows, columns, first, 1.0f, polynomial, side, x, next);
        memcpy(x, next, rows * columns * sizeof *x);
    }
}
