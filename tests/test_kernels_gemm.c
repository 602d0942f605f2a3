/* SPDX-License-Identifier: MIT */
/* test_kernels_gemm.c: products of matrices by the kernel, against chains of fused multiply-adds. */
#include "planes.h"
#include "testing.h"
#include <math.h>
#include <stdlib.h>

#define GAP 7.5f /* between rows of C: must stay */

/* A product in memory: A as [rows][terms] or [terms][rows], lines of 16 terms apart; B in lines. */
typedef struct product {
    cn__gemm_args args;
    float *a, *b, *c, *before, *packed, *work;
    size_t c_floats;
} product;

static float *floats(size_t count) {
    return lines_new(cn__whole_lines(count) / CN__LANES);
}

static float *random_floats(cn__rng *rng, size_t count) {
    return lines_random(rng, cn__whole_lines(count) / CN__LANES, 1.0f, 0);
}

static cn__gemm_operand operand(const float *data, size_t rows, size_t terms, bool transposed) {
    size_t gap = 3;
    if (transposed)
        return (cn__gemm_operand){data, 1, rows, CN__LANES * rows + gap};
    size_t of_row = cn__whole_lines(terms) / CN__LANES * (CN__LANES + gap);
    return (cn__gemm_operand){data, of_row, 1, CN__LANES + gap};
}

static product product_new(cn__rng *rng, int32_t rows, int32_t columns, int32_t terms, bool transposed, bool add) {
    size_t m = (size_t)rows, n = (size_t)columns, k = (size_t)terms, lines = cn__whole_lines(n) / CN__LANES;
    size_t k_lines = cn__whole_lines(k) / CN__LANES;
    product p = {
        .a = random_floats(rng, (m + 3) * k_lines * (CN__LANES + 3)),
        .b = random_floats(rng, lines * k * CN__LANES + lines * CN__LANES),
        .work = floats(CN__GEMM_WORK),
        .c_floats = m * (n + 5),
    };
    p.c = random_floats(rng, p.c_floats);
    for (size_t r = 0; r < m; r++)
        for (size_t gap = n; gap < n + 5; gap++)
            p.c[r * (n + 5) + gap] = GAP;
    p.before = floats(p.c_floats);
    memcpy(p.before, p.c, p.c_floats * sizeof *p.c);
    p.args = (cn__gemm_args){
        .rows = rows,
        .columns = columns,
        .terms = terms,
        .a = operand(p.a, m, k, transposed),
        .work = p.work,
        .b = p.b,
        .b_term = CN__LANES,
        .b_line = (k + 1) * CN__LANES,
        .c = p.c,
        .c_row = n + 5,
        .c_line = CN__LANES,
        .accumulate = add,
    };
    return p;
}

static void product_free(product *p) {
    free(p->a);
    free(p->b);
    free(p->c);
    free(p->before);
    free(p->packed);
    free(p->work);
}

/* All of A in advance. */
static void pack_all(product *p) {
    size_t panels = ((size_t)p->args.rows + CN__GEMM_ROWS - 1) / CN__GEMM_ROWS;
    p->args.panel = cn__whole_lines((size_t)p->args.terms * CN__GEMM_ROWS);
    p->args.packed = p->packed = floats(panels * p->args.panel);
    kernels->gemm_pack(&p->args.a, p->args.rows, p->args.terms, p->packed, p->args.panel);
    p->args.work = NULL;
}

/* As the instruction set does it. */
static float multiply_add(float a, float b, float c) {
    volatile float rounded = a * b;
    return kernels->isa == CN_ISA_PORTABLE ? rounded + c : fmaf(a, b, c);
}

static float expected(const product *p, size_t row, size_t column) {
    const cn__gemm_args *g = &p->args;
    float sum = g->accumulate ? p->before[row * g->c_row + column] : 0.0f;
    for (size_t t = 0; t < (size_t)g->terms; t++)
        sum = multiply_add(g->a.data[row * g->a.row + t / CN__LANES * g->a.line + t % CN__LANES * g->a.term],
                           g->b[column / CN__LANES * g->b_line + t * g->b_term + column % CN__LANES], sum);
    return sum;
}

static void check(const product *p) {
    const cn__gemm_args *g = &p->args;
    kernels->gemm(g);
    for (size_t r = 0; r < (size_t)g->rows; r++)
        for (size_t i = 0; i < g->c_row; i++) {
            float is = p->c[r * g->c_row + i], wanted = i < (size_t)g->columns ? expected(p, r, i) : GAP;
            ck_assert_msg(is == wanted, "%d x %d, %d terms: (%d, %d) is %.9g, wanted %.9g", g->rows, g->columns,
                          g->terms, (int)r, (int)i, (double)is, (double)wanted);
        }
}

/* Every height and width of a tile, and more than a chunk of terms, a group of rows and of lines. */
static const int32_t sizes[][3] = {{1, 1, 1},     {2, 16, 3},     {3, 35, 16},    {4, 48, 17},
                                   {5, 64, 20},   {6, 80, 33},    {7, 16, 40},    {8, 17, 5},
                                   {9, 32, 31},   {10, 40, 64},   {11, 96, 12},   {12, 16, 70},
                                   {13, 130, 48}, {100, 20, 260}, {30, 300, 520}, {200, 16, 100}};

START_TEST(products_are_chains_of_multiply_adds) {
    cn__rng rng = cn__rng_new(14, 0, 0);
    const int32_t *size = sizes[_i];
    for (int flags = 0; flags < 8; flags++) {
        product p = product_new(&rng, size[0], size[1], size[2], flags & 1, flags & 2);
        if (flags & 4)
            pack_all(&p);
        check(&p);
        product_free(&p);
    }
}
END_TEST

START_TEST(lines_are_transposed) {
    cn__rng rng = cn__rng_new(15, 0, 0);
    const size_t apart = 3 * CN__LANES;
    float *from = random_floats(&rng, CN__LANES * apart), *to = random_floats(&rng, CN__LANES * CN__LANES);
    kernels->gemm_transpose(from, apart, _i, to);
    for (size_t i = 0; i < CN__LANES; i++)
        for (size_t j = 0; j < CN__LANES; j++)
            ck_assert_float_eq(to[i * CN__LANES + j], j < (size_t)_i ? from[j * apart + i] : 0.0f);
    free(from);
    free(to);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("products of matrices");
    TCase *tests = tcase_create("products");
    tcase_add_checked_fixture(tests, choose_kernels, NULL);
    tcase_add_loop_test(tests, products_are_chains_of_multiply_adds, 0, CN__COUNT(sizes));
    tcase_add_loop_test(tests, lines_are_transposed, 1, CN__LANES + 1);
    suite_add_tcase(suite, tests);
    return test_run(suite);
}
