/* SPDX-License-Identifier: MIT */
/* gemm.c: products of matrices, C (+)= A · B, as Goto and van de Geijn (2008) order them: a chunk of the terms at a
 * time, of which rows of A are packed so that a tile of C in registers reads them one after the other. Every element of
 * C is one chain of fused multiply-adds over the terms in their order, whatever tiles and chunks are. */
#include "kernels/isa/isa.h"
#include "kernels/isa/transpose.h"

/* A tile: 32 registers hold 24 accumulators, 16 hold 12. Few rows are taken twice as wide. */
#if CN__REGISTERS == 32
#define ROWS      12
#define WIDE_ROWS 6
#else
#define ROWS      6
#define WIDE_ROWS 2
#endif
#define VECTORS 2
#define WIDE    (2 * VECTORS)

#define LINES      16  /* of columns, of which a chunk of the terms stays in the second-level cache beside A's */
#define TERMS      256 /* of a chunk: that of a line of columns stays in the first-level cache */
#define GROUP_ROWS (8 * CN__GEMM_ROWS)

_Static_assert(TERMS *GROUP_ROWS == CN__GEMM_WORK, "what rows are packed into");

static int32_t smaller(int32_t a, int32_t b) {
    return a < b ? a : b;
}

/* Where column or term i of lines is. */
INLINE size_t line_at(int32_t i, size_t line) {
    return (size_t)(i / CN__LANES) * line + (size_t)(i % CN__LANES);
}

/* ---- packing rows of A: [panel of CN__GEMM_ROWS rows][term][row] ---- */

static inline vf_quad load_any_quad(const float *from) {
    vf_quad quad;
    memcpy(&quad, from, sizeof quad);
    return quad;
}

/* CN__LANES terms of all rows of a panel, which lie one behind the other in each. */
static void pack_line(const float *const from[CN__GEMM_ROWS], float *to) {
    for (int r = 0; r < CN__GEMM_ROWS; r += 4)
        for (int t = 0; t < CN__LANES; t += 4) {
            vf_quad q[4];
            for (int i = 0; i < 4; i++)
                q[i] = load_any_quad(from[r + i] + t);
            vf_quad a = CN__SHUFFLE(q[0], q[1], 0, 4, 1, 5), b = CN__SHUFFLE(q[0], q[1], 2, 6, 3, 7);
            vf_quad c = CN__SHUFFLE(q[2], q[3], 0, 4, 1, 5), d = CN__SHUFFLE(q[2], q[3], 2, 6, 3, 7);
            float *out = to + t * CN__GEMM_ROWS + r;
            vf_store_quad(out, CN__SHUFFLE(a, c, 0, 1, 4, 5));
            vf_store_quad(out + CN__GEMM_ROWS, CN__SHUFFLE(a, c, 2, 3, 6, 7));
            vf_store_quad(out + 2 * CN__GEMM_ROWS, CN__SHUFFLE(b, d, 0, 1, 4, 5));
            vf_store_quad(out + 3 * CN__GEMM_ROWS, CN__SHUFFLE(b, d, 2, 3, 6, 7));
        }
}

/* `count` terms of a line; missing rows are zero. */
static void pack_terms(const cn__gemm_operand *a, const float *from, int32_t rows, int32_t count, float *to) {
    for (size_t t = 0; t < (size_t)count; t++, to += CN__GEMM_ROWS) {
        const float *term = from + t * a->term;
        if (a->row == 1 && rows == CN__GEMM_ROWS)
            memcpy(to, term, CN__GEMM_ROWS * sizeof *to);
        else
            for (int32_t r = 0; r < CN__GEMM_ROWS; r++)
                to[r] = r < rows ? term[(size_t)r * a->row] : 0.0f;
    }
}

static void pack_panel(const cn__gemm_operand *a, const float *from, int32_t rows, int32_t count, float *to) {
    static const float zeros[CN__LANES];
    const float *of_row[CN__GEMM_ROWS];
    for (int32_t r = 0; r < CN__GEMM_ROWS; r++)
        of_row[r] = r < rows ? from + (size_t)r * a->row : zeros;
    if (a->term == 1 && count == CN__LANES)
        pack_line(of_row, to);
    else
        pack_terms(a, from, rows, count, to);
}

/* Line by line of terms, so that what lies side by side is read together. */
void CN__ISA_NAME(gemm_pack)(const cn__gemm_operand *a, int32_t rows, int32_t terms, float *to, size_t panel) {
    const float *line = a->data;
    for (int32_t t = 0; t < terms; t += CN__LANES, line += a->line)
        for (int32_t r = 0; r < rows; r += CN__GEMM_ROWS)
            pack_panel(a, line + (size_t)r * a->row, smaller(rows - r, CN__GEMM_ROWS), smaller(terms - t, CN__LANES),
                       to + (size_t)(r / CN__GEMM_ROWS) * panel + (size_t)t * CN__GEMM_ROWS);
}

void CN__ISA_NAME(gemm_transpose)(const float *lines, size_t line, int32_t count, float *to) {
    if (count == CN__LANES) {
        transpose_lines(lines, line, to);
        return;
    }
    for (size_t i = 0; i < CN__LANES; i++)
        for (size_t j = 0; j < CN__LANES; j++)
            to[i * CN__LANES + j] = j < (size_t)count ? lines[j * line + i] : 0.0f;
}

/* ---- a tile ---- */

/* What a tile adds up: `terms` of packed rows and of lines of B, to lines of C. For each CN__LANES terms it asks for
 * `asks` lines of what comes `ahead`. */
typedef struct part {
    const float *a, *b, *ahead;
    size_t b_term, b_line, terms;
    float *c;
    size_t c_row, c_line;
    int32_t asks;
    bool accumulate;
} part;

/* Where vector `v` of a tile lies. Tiles do not cross lines but at their ends. */
INLINE size_t vector_at(int v, size_t line) {
    return line_at(v * CN__WIDTH, line);
}

/* A few terms: of packed rows, from `a` to `end`. */
INLINE const float *add_terms(const part *p, const float *a, const float *end, const float *b, int rows, int vectors,
                              vf sum[ROWS][WIDE]) {
    for (; a < end; a += CN__GEMM_ROWS, b += p->b_term) {
        vf x[WIDE];
        CN__UNROLL
        for (int v = 0; v < vectors; v++)
            x[v] = vf_load(b + vector_at(v, p->b_line));
        CN__UNROLL
        for (int r = 0; r < rows; r++) {
            vf w = vf_set1(a[r]);
            CN__UNROLL
            for (int v = 0; v < vectors; v++)
                sum[r][v] = vf_fma(w, x[v], sum[r][v]);
        }
    }
    return b;
}

INLINE void tile(const part *p, int rows, int vectors) {
    vf sum[ROWS][WIDE];
    const float *b = p->b, *ahead = p->ahead;
    CN__UNROLL
    for (int r = 0; r < rows; r++) {
        CN__UNROLL
        for (int v = 0; v < vectors; v++)
            sum[r][v] = p->accumulate ? vf_load_any(p->c + (size_t)r * p->c_row + vector_at(v, p->c_line)) : (vf){0};
    }
    for (size_t t = 0, few; t < p->terms; t += few) {
        const float *a = p->a + t * CN__GEMM_ROWS;
        few = p->terms - t < CN__LANES ? p->terms - t : CN__LANES;
        for (int32_t i = 0; i < p->asks; i++, ahead += CN__LANES)
            __builtin_prefetch(ahead, 0, 3);
        b = add_terms(p, a, a + few * CN__GEMM_ROWS, b, rows, vectors, sum);
    }
    CN__UNROLL
    for (int r = 0; r < rows; r++) {
        CN__UNROLL
        for (int v = 0; v < vectors; v++)
            vf_store_any(p->c + (size_t)r * p->c_row + vector_at(v, p->c_line), sum[r][v]);
    }
}

INLINE void tile_of(const part *p, int rows, int most, int vectors) {
    CN__AS_CONSTANT(n, rows, most, tile(p, n, vectors))
}

/* At most ROWS rows, and vectors as many as one tile has, or fewer. */
static void whole_tile(const part *p, int rows, int vectors) {
    if (vectors == WIDE && rows <= WIDE_ROWS)
        tile_of(p, rows, WIDE_ROWS, WIDE);
    else if (vectors == VECTORS)
        tile_of(p, rows, ROWS, VECTORS);
    else
        for (int v = 0; v < vectors; v++) {
            part one = *p;
            one.b += vector_at(v, p->b_line);
            one.c += vector_at(v, p->c_line);
            tile_of(&one, rows, ROWS, 1);
        }
}

/* A tile of which only the first `columns` are C's. */
static void edge_tile(const part *p, int rows, int vectors, int32_t columns) {
    float edge[ROWS][WIDE * CN__WIDTH] __attribute__((aligned(CN__ALIGN))) = {{0}};
    part inside = *p;
    inside.c = edge[0];
    inside.c_row = WIDE * CN__WIDTH;
    inside.c_line = CN__LANES;
    for (int r = 0; r < rows && p->accumulate; r++)
        for (int32_t i = 0; i < columns; i++)
            edge[r][i] = p->c[(size_t)r * p->c_row + line_at(i, p->c_line)];
    whole_tile(&inside, rows, vectors);
    for (int r = 0; r < rows; r++)
        for (int32_t i = 0; i < columns; i++)
            p->c[(size_t)r * p->c_row + line_at(i, p->c_line)] = edge[r][i];
}

/* ---- all tiles ---- */

/* A panel of packed rows by a few lines of columns, of which B's chunk stays in the second-level cache: its tiles
 * together ask for all of the next panel, so that it is there when they are done. */
static void panel(part p, int32_t rows, int32_t columns) {
    int32_t step = (rows <= WIDE_ROWS ? WIDE : VECTORS) * CN__WIDTH, whole = (int32_t)cn__whole_lines((size_t)columns);
    int32_t tiles = (whole + step - 1) / step * ((rows + ROWS - 1) / ROWS), number = 0;
    int32_t asks = (CN__GEMM_ROWS + tiles - 1) / tiles;
    for (int32_t column = 0; column < whole; column += step)
        for (int32_t row = 0; row < rows; row += ROWS, number++) {
            int32_t width = smaller(whole - column, step), high = smaller(rows - row, ROWS);
            part t = p;
            t.a += row;
            t.b += line_at(column, p.b_line);
            t.c += (size_t)row * p.c_row + line_at(column, p.c_line);
            if (p.ahead && number * asks < CN__GEMM_ROWS) {
                t.ahead += (size_t)(number * asks) * cn__whole_lines(p.terms);
                t.asks = asks;
            }
            if (columns - column >= width)
                whole_tile(&t, high, width / CN__WIDTH);
            else
                edge_tile(&t, high, width / CN__WIDTH, columns - column);
        }
}

/* A few rows by a few lines of columns, from term `term` on: panel by panel. */
static void chunk(const cn__gemm_args *args, int32_t row, int32_t rows, int32_t column, int32_t columns, int32_t term) {
    int32_t terms = smaller(args->terms - term, TERMS);
    size_t next = args->packed ? args->panel : (size_t)terms * CN__GEMM_ROWS;
    part p = {
        .a = args->packed ? args->packed + (size_t)term * CN__GEMM_ROWS : args->work,
        .b = args->b + (size_t)term * args->b_term + line_at(column, args->b_line),
        .b_term = args->b_term,
        .b_line = args->b_line,
        .terms = (size_t)terms,
        .c = args->c + (size_t)row * args->c_row + line_at(column, args->c_line),
        .c_row = args->c_row,
        .c_line = args->c_line,
        .accumulate = args->accumulate || term > 0,
    };
    if (!args->packed) {
        cn__gemm_operand a = args->a;
        a.data += (size_t)row * a.row + line_at(term, a.line);
        CN__ISA_NAME(gemm_pack)(&a, rows, terms, args->work, next);
    }
    const float *next_chunk = p.a + (size_t)terms * CN__GEMM_ROWS;
    for (; rows > 0; rows -= CN__GEMM_ROWS, p.a += next, p.c += CN__GEMM_ROWS * p.c_row) {
        if (args->packed)
            p.ahead = rows > CN__GEMM_ROWS ? p.a + next : term + terms < args->terms ? next_chunk : NULL;
        panel(p, smaller(rows, CN__GEMM_ROWS), columns);
    }
}

/* All rows: chunk after chunk of terms. */
static void few_lines(const cn__gemm_args *args, int32_t column, int32_t columns) {
    int32_t together = args->packed ? args->rows : GROUP_ROWS;
    for (int32_t term = 0; term < args->terms; term += TERMS)
        for (int32_t row = 0; row < args->rows; row += together)
            chunk(args, row, smaller(args->rows - row, together), column, columns, term);
}

void CN__ISA_NAME(gemm)(const cn__gemm_args *args) {
    for (int32_t column = 0; column < args->columns; column += LINES * CN__LANES)
        few_lines(args, column, smaller(args->columns - column, LINES * CN__LANES));
}
