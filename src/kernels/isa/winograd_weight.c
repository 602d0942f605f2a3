/* winograd_weight.c: the weight gradient of a 3×3 convolution by minimal filtering, F(3×3, 4×4): tiles of 4×4 output
 * gradients correlate with patches of 6×6 inputs in 36 products instead of 144. Products are summed over tiles in
 * registers, then over lanes; the last transform is left to the end. */
#include "kernels/isa/winograd.h"

#define ROWS 4
#if CN__ISA == 3
#define COLUMNS 4
#else
#define COLUMNS 3
#endif

/* ---- the output gradients' tiles ---- */

/* G g without its factors, which transform_sums has. */
INLINE void transform_gradient(const vf g[SIDE], vf t[PATCH]) {
    vf two = vf_set1(2.0f), four = vf_set1(4.0f);
    vf even = g[0] + g[2], odd = g[1] + g[3], far_even = vf_fma(four, g[2], g[0]), far_odd = vf_fma(four, g[3], g[1]);
    t[0] = g[0];
    t[1] = even + odd;
    t[2] = even - odd;
    t[3] = vf_fma(two, far_odd, far_even);
    t[4] = vf_fma(-two, far_odd, far_even);
    t[5] = g[3];
}

/* Two rows of G g at a time, as of patches. */
INLINE void gradient_rows(patch from, size_t lane, int first, int second, float *d, size_t place) {
    vf t[2][SIDE];
    CN__UNROLL
    for (int j = 0; j < SIDE; j++) {
        vf g[SIDE], column[PATCH];
        CN__UNROLL
        for (int i = 0; i < SIDE; i++)
            g[i] = vf_load(from.data + (size_t)i * from.row + (size_t)j * CN__LANES + lane);
        transform_gradient(g, column);
        t[0][j] = column[first];
        t[1][j] = column[second];
    }
    CN__UNROLL
    for (int i = 0; i < 2; i++) {
        vf row[PATCH];
        float *to = d + (size_t)((i ? second : first) * PATCH) * place + lane;
        transform_gradient(t[i], row);
        CN__UNROLL
        for (int j = 0; j < PATCH; j++) {
            to = j ? walk(to, place) : to;
            vf_store(to, row[j]);
        }
    }
}

INLINE void transform_tile(patch from, size_t lane, float *d, size_t place) {
    gradient_rows(from, lane, 0, 5, d, place);
    gradient_rows(from, lane, 1, 2, d, place);
    gradient_rows(from, lane, 3, 4, d, place);
}

void CN__K(winograd_gradient)(const cn__winograd_tiles *tiles, float *d) {
    size_t place = place_floats(tiles->channels, tiles->count);
    for (int32_t c = 0; c < tiles->channels; c++) {
        position at = first_position(tiles);
        for (int32_t t = 0; t < tiles->count; t++, d += CN__LANES, at = next_position(tiles, at)) {
            float copy[SIDE * SIDE * CN__LANES] __attribute__((aligned(CN__ALIGN)));
            patch from = find_patch(tiles, c, at, SIDE, copy);
            for (size_t lane = 0; lane < CN__LANES; lane += CN__WIDTH)
                transform_tile(from, lane, d, place);
        }
    }
}

/* ---- the products ---- */

/* A tile's operands. Rows and columns beyond the last repeat it. */
typedef struct operands {
    const float *d[ROWS], *v[COLUMNS];
    const float *next_d, *next_v; /* of the next place, to be fetched meanwhile */
} operands;

INLINE void add_tiles(const operands *at, int32_t tiles, size_t lane, vf sum[COLUMNS * ROWS]) {
    CN__UNROLL
    for (int i = 0; i < COLUMNS * ROWS; i++)
        sum[i] = (vf){0};
    for (size_t t = lane; t < (size_t)tiles * CN__LANES; t += CN__LANES) {
        vf value[COLUMNS];
        __builtin_prefetch(at->next_d + t);
        __builtin_prefetch(at->next_v + t);
        CN__UNROLL
        for (int q = 0; q < COLUMNS; q++)
            value[q] = vf_load(at->v[q] + t);
        CN__UNROLL
        for (int r = 0; r < ROWS; r++) {
            vf d = vf_load(at->d[r] + t);
            CN__UNROLL
            for (int q = 0; q < COLUMNS; q++)
                sum[q * ROWS + r] = vf_fma(d, value[q], sum[q * ROWS + r]);
        }
    }
}

/* Sums of ROWS rows and COLUMNS columns of one place, [column][row]. */
INLINE void sum_tile(const operands *at, int32_t tiles, bool accumulate, float *sums) {
#if CN__ISA == 3
    vf sum[COLUMNS * ROWS];
    add_tiles(at, tiles, 0, sum);
    vf total = vf_line_sums16(sum);
    vf_store(sums, accumulate ? vf_load(sums) + total : total);
#else
    float line[COLUMNS][ROWS][CN__LANES] __attribute__((aligned(CN__ALIGN)));
    for (size_t lane = 0; lane < CN__LANES; lane += CN__WIDTH) {
        vf sum[COLUMNS * ROWS];
        add_tiles(at, tiles, lane, sum);
        CN__UNROLL
        for (int i = 0; i < COLUMNS * ROWS; i++)
            vf_store(line[i / ROWS][i % ROWS] + lane, sum[i]);
    }
    for (int q = 0; q < COLUMNS; q++, sums += ROWS) {
        vf_quad total = vf_line_sums(line[q]);
        vf_store_quad(sums, accumulate ? vf_load_quad(sums) + total : total);
    }
#endif
}

/* Operands of a place; the next one's lie d_place and v_place further on. Between them, a tile of rows and columns and
 * its neighbours fetch all. */
typedef struct source {
    const float *d, *v;
    size_t d_place, v_place, line; /* line: floats from a channel's tiles to the next one's */
} source;

INLINE operands find_operands(const cn__winograd_weight_args *a, const source *from, int32_t row, int32_t column) {
    operands at;
    for (int r = 0; r < ROWS; r++)
        at.d[r] = from->d + (size_t)(row + r < a->rows ? row + r : a->rows - 1) * from->line;
    for (int q = 0; q < COLUMNS; q++)
        at.v[q] = from->v + (size_t)(column + q < a->columns ? column + q : a->columns - 1) * from->line;
    at.next_d = at.d[column / COLUMNS % ROWS] + from->d_place;
    at.next_v = at.v[row / ROWS % COLUMNS] + from->v_place;
    return at;
}

INLINE void sum_place(const cn__winograd_weight_args *a, const source *from, float *sums) {
    for (int32_t row = 0; row < a->rows; row += ROWS, sums += ROWS * CN__WINOGRAD_SUM_COLUMNS(a->columns))
        for (int32_t column = 0; column < a->columns; column += COLUMNS) {
            operands at = find_operands(a, from, row, column);
            sum_tile(&at, a->tiles, a->accumulate, sums + column * ROWS);
        }
}

void CN__K(winograd_weight)(const cn__winograd_weight_args *args) {
    source from = {.d = args->d, .v = args->v, .line = (size_t)args->tiles * CN__LANES};
    float *sums = args->sums;
    from.d_place = place_floats(args->rows, args->tiles);
    from.v_place = place_floats(args->columns, args->tiles);
    for (int i = 0; i < PLACES; i++) {
        sum_place(args, &from, sums);
        from.d += from.d_place;
        from.v += from.v_place;
        sums += CN__WINOGRAD_SUMS(args->columns);
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

/* CN__WIDTH sums of each place, [tap][sum]. */
INLINE void finish_sums(const float *sums, size_t place, float out[9][CN__WIDTH]) {
    vf t[3][PATCH];
    CN__UNROLL
    for (int j = 0; j < PATCH; j++) {
        vf m[PATCH], column[3];
        CN__UNROLL
        for (int i = 0; i < PATCH; i++)
            m[i] = vf_load(sums + (size_t)(i * PATCH + j) * place);
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
            vf_store(out[i * 3 + j], row[j]);
    }
}

void CN__K(winograd_weight_finish)(const float *sums, int32_t rows, int32_t columns, float *out, size_t out_row,
                                   bool accumulate) {
    int32_t count = (int32_t)CN__WINOGRAD_SUM_COLUMNS(columns) * ROWS;
    for (int32_t i = 0; i < CN__CONV_TILE / ROWS * count; i += CN__WIDTH) {
        float taps[9][CN__WIDTH] __attribute__((aligned(CN__ALIGN)));
        finish_sums(sums + i, CN__WINOGRAD_SUMS(columns), taps);
        for (int32_t k = i; k < i + CN__WIDTH; k++) {
            int32_t row = k / count * ROWS + k % ROWS, column = k % count / ROWS;
            float *to = out + (size_t)row * out_row + (size_t)column * 9;
            for (int tap = 0; tap < 9 && row < rows && column < columns; tap++)
                to[tap] = accumulate ? to[tap] + taps[tap][k - i] : taps[tap][k - i];
        }
    }
}
