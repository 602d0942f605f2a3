/* SPDX-License-Identifier: MIT */
/* test_kernels_conv_weight_nchw16c.c: gradients of convolutions' weights with channels in the lanes, on small integers
 * against plain loops, and AVX2 against AVX-512 to the bit; each test for plain convolutions and depthwise ones. */
#include "planes.h"
#include "testing.h"
#include <stdlib.h>

#define ROUNDS (test_quick() ? 40 : 400)

enum { MAX_LINES = 9, MAX_TERMS = 20 };

/* Terms find their inputs anywhere in a row's reach; rows follow on each other with a gap or without. */
typedef struct weight_problem {
    cn__channel_conv_weight_args args;
    ptrdiff_t terms[MAX_TERMS];
    size_t sums; /* floats, the biases' behind the weights' */
    float *x, *dy, *before;
} weight_problem;

static void weight_problem_new(cn__rng *rng, bool depthwise, weight_problem *p) {
    cn__channel_conv_weight_args *a = &p->args;
    *p = (weight_problem){
        .args = {.images = between(rng, 1, 3), .height = between(rng, 1, 4), .width = between(rng, 1, 9)}};
    a->lines = depthwise ? 1 : between(rng, 1, MAX_LINES);
    a->spare = depthwise ? 0 : (size_t)between(rng, 0, CN__LANES - 1);
    a->term_count = between(rng, 1, MAX_TERMS);
    a->x_step = (size_t)between(rng, 1, 3) * CN__LANES;
    a->dy_step = (size_t)between(rng, 1, 2) * CN__LANES;
    a->x_row = (size_t)a->width * a->x_step + (size_t)between(rng, 0, 1) * CN__LANES;
    a->dy_row = (size_t)a->width * a->dy_step + (size_t)between(rng, 0, 1) * CN__LANES;
    a->dy_plane = (size_t)a->height * a->dy_row + CN__LANES;
    a->x_image = ((size_t)a->height * a->x_row / CN__LANES + 6) * CN__LANES;
    a->dy_image = (size_t)a->lines * a->dy_plane;
    for (int32_t t = 0; t < a->term_count; t++)
        p->terms[t] = between(rng, 0, 5) * CN__LANES + (depthwise ? 0 : between(rng, 0, CN__LANES - 1));
    p->sums = (size_t)a->lines * ((size_t)a->term_count + 1) * CN__LANES;
    p->x = lines_random(rng, (size_t)a->images * a->x_image / CN__LANES, 3.0f, 1);
    p->dy = lines_random(rng, (size_t)a->images * a->dy_image / CN__LANES, 3.0f, 1);
    p->before = lines_random(rng, p->sums / CN__LANES, 3.0f, 1);
    a->x = p->x;
    a->dy = p->dy;
    a->terms = p->terms;
}

static void weight_problem_free(weight_problem *p) {
    free(p->x);
    free(p->dy);
    free(p->before);
}

/* Of a term, or without one of a bias. */
static float plain_weight(const cn__channel_conv_weight_args *a, const ptrdiff_t *term, bool depthwise, size_t line,
                          size_t lane) {
    float sum = 0.0f;
    for (size_t row = 0; row < (size_t)(a->images * a->height); row++)
        for (size_t i = 0; i < (size_t)a->width; i++) {
            size_t image = row / (size_t)a->height, y = row % (size_t)a->height;
            const float *x = a->x + image * a->x_image + y * a->x_row + i * a->x_step;
            float dy = a->dy[image * a->dy_image + line * a->dy_plane + y * a->dy_row + i * a->dy_step + lane];
            sum += term ? x[*term + (ptrdiff_t)(depthwise ? lane : 0)] * dy : dy;
        }
    return sum;
}

/* Of the last line's weights. */
static bool is_spare(const weight_problem *p, size_t i) {
    size_t terms = (size_t)p->args.term_count, line = i / CN__LANES / terms;
    return line + 1 == (size_t)p->args.lines && i % CN__LANES >= CN__LANES - p->args.spare;
}

static float *weight_sums(weight_problem *p, const cn__kernels *by, bool depthwise) {
    float *sums = lines_new(p->sums / CN__LANES);
    memcpy(sums, p->before, p->sums * sizeof *sums);
    p->args.sums = sums;
    p->args.bias_sums = sums + (size_t)p->args.lines * (size_t)p->args.term_count * CN__LANES;
    (depthwise ? by->channel_depthwise_weight : by->channel_conv_weight)(&p->args);
    for (size_t i = 0; i < p->sums; i++)
        sums[i] = is_spare(p, i) ? 0.0f : sums[i];
    return sums;
}

START_TEST(weight_gradients_equal_plain_loops) {
    for (uint64_t round = 0; round < (uint64_t)ROUNDS; round++) {
        cn__rng rng = cn__rng_new(31, (uint32_t)_i, round);
        weight_problem p;
        weight_problem_new(&rng, _i, &p);
        float *got = weight_sums(&p, kernels, _i);
        size_t lines = (size_t)p.args.lines, terms = (size_t)p.args.term_count;
        for (size_t i = 0; i < p.sums; i++) {
            size_t row = i / CN__LANES, bias = row - lines * terms;
            bool weight = row < lines * terms;
            float wanted = weight ? plain_weight(&p.args, &p.terms[row % terms], _i, row / terms, i % CN__LANES)
                                  : plain_weight(&p.args, NULL, _i, bias, i % CN__LANES);
            ck_assert_float_eq(got[i], is_spare(&p, i) ? 0.0f : p.before[i] + wanted);
        }
        free(got);
        weight_problem_free(&p);
    }
}
END_TEST

START_TEST(weight_gradients_have_one_order) {
    for (uint64_t round = 0; round < (uint64_t)ROUNDS; round++) {
        cn__rng rng = cn__rng_new(32, (uint32_t)_i, round);
        weight_problem p;
        weight_problem_new(&rng, _i, &p);
        for (size_t i = 0; i < (size_t)p.args.images * p.args.x_image; i++)
            p.x[i] = cn__rng_normal(&rng);
        float *got = weight_sums(&p, kernels, _i), *wanted = weight_sums(&p, twin, _i);
        ck_assert_mem_eq(got, wanted, p.sums * sizeof *got);
        free(got);
        free(wanted);
        weight_problem_free(&p);
    }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("kernels: weight gradients, channels in the lanes");
    TCase *tests = tcase_create("weight gradients");
    tcase_add_checked_fixture(tests, choose_kernels, NULL);
    tcase_add_loop_test(tests, weight_gradients_equal_plain_loops, 0, 2);
    tcase_add_loop_test(tests, weight_gradients_have_one_order, 0, 2);
    suite_add_tcase(suite, tests);
    return test_run(suite);
}
