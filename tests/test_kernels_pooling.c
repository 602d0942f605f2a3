/* SPDX-License-Identifier: MIT */
/* test_kernels_pooling.c: pools of random geometry on small integers against plain loops over torch's definitions. Sums
 * of small integers are exact, and equal values abound, so that it matters which of them is the first largest. */
#include "planes.h"
#include "testing.h"
#include "layers/layers.h"
#include <math.h>

#define ROUNDS 300

/* ---- problems ---- */

typedef struct problem {
    cn__pool_args args;
    cn__plane x, y, dy, dx; /* dx holds something that windows add to */
} problem;

static void add_planes(cn__rng *rng, problem *p) {
    cn__pool_args *a = &p->args;
    p->x = plane_random(rng, a->in_height, a->in_width, 3.0f, 1);
    p->y = plane_new(a->out_height, a->out_width);
    p->dy = plane_random(rng, a->out_height, a->out_width, 3.0f, 1);
    p->dx = plane_random(rng, a->in_height, a->in_width, 3.0f, 1);
}

/* Sizes that the layers would accept; ceil mode, so windows may reach over the end. */
static problem moving_windows(cn__rng *rng, bool dilated) {
    for (;;) {
        problem p = {
            .args = {.count_include_pad = between(rng, 0, 1), .divisor = between(rng, 0, 2) ? 0 : between(rng, 1, 9)}};
        int32_t in[2], out[2], ceil_mode = between(rng, 0, 1);
        for (int d = 0; d < 2; d++) {
            in[d] = between(rng, 1, 9);
            p.args.kernel[d] = between(rng, 1, 4);
            p.args.stride[d] = between(rng, 1, 4);
            p.args.padding[d] = between(rng, 0, (uint32_t)p.args.kernel[d] / 2);
            p.args.dilation[d] = dilated ? between(rng, 1, 3) : 1;
            out[d] = (int32_t)cn__window_size(in[d], p.args.kernel[d], p.args.stride[d], p.args.padding[d],
                                              p.args.dilation[d], ceil_mode);
        }
        if (out[0] < 1 || out[1] < 1)
            continue;
        p.args.in_height = in[0];
        p.args.in_width = in[1];
        p.args.out_height = out[0];
        p.args.out_width = out[1];
        add_planes(rng, &p);
        return p;
    }
}

static problem adaptive_windows(cn__rng *rng) {
    problem p = {.args = {.in_height = between(rng, 1, 9),
                          .in_width = between(rng, 1, 9),
                          .out_height = between(rng, 1, 9),
                          .out_width = between(rng, 1, 9)}};
    add_planes(rng, &p);
    return p;
}

static void problem_free(problem *p) {
    plane_free(p->x);
    plane_free(p->y);
    plane_free(p->dy);
    plane_free(p->dx);
}

static bool inside(const cn__pool_args *a, int32_t r, int32_t c) {
    return r >= 0 && r < a->in_height && c >= 0 && c < a->in_width;
}

/* ---- maximum ---- */

/* The largest value of a window and where it is first; row -1 if the window holds no pixel. */
static float first_largest(const problem *p, int32_t r, int32_t c, int lane, int32_t *row, int32_t *column) {
    const cn__pool_args *a = &p->args;
    float best = -INFINITY;
    *row = -1;
    for (int32_t i = 0; i < a->kernel[0]; i++)
        for (int32_t j = 0; j < a->kernel[1]; j++) {
            int32_t y = r * a->stride[0] - a->padding[0] + i * a->dilation[0];
            int32_t x = c * a->stride[1] - a->padding[1] + j * a->dilation[1];
            if (inside(a, y, x) && *plane_at(p->x, y, x, lane) > best) {
                best = *plane_at(p->x, y, x, lane);
                *row = y;
                *column = x;
            }
        }
    return best;
}

START_TEST(max_pools_equal_plain_loops) {
    cn__rng rng = cn__rng_new(21, 0, 0);
    for (int round = 0; round < ROUNDS; round++) {
        problem p = moving_windows(&rng, true);
        cn__pool_args *a = &p.args;
        cn__plane wanted = plane_copy(p.dx, a->in_height, a->in_width);
        kernels->max_pool(a, p.x, p.y);
        kernels->max_pool_backward(a, p.x, p.y, p.dy, p.dx);
        for (int32_t r = 0; r < a->out_height; r++)
            for (int32_t c = 0; c < a->out_width; c++)
                for (int l = 0; l < CN__LANES; l++) {
                    int32_t row, column = 0;
                    ck_assert_float_eq(*plane_at(p.y, r, c, l), first_largest(&p, r, c, l, &row, &column));
                    if (row >= 0)
                        *plane_at(wanted, row, column, l) += *plane_at(p.dy, r, c, l);
                }
        check_same_bits(p.dx, wanted, a->in_height, a->in_width);
        check_guard(p.y, a->out_height, a->out_width);
        check_guard(p.dx, a->in_height, a->in_width);
        plane_free(wanted);
        problem_free(&p);
    }
}
END_TEST

START_TEST(windows_that_share_no_pixel_can_overwrite) {
    cn__rng rng = cn__rng_new(24, 0, 0);
    cn__pool_args args = {6, 8, 3, 4, {2, 2}, {2, 2}, {0, 0}, {1, 1}, true, 0, true};
    cn__plane x = plane_random(&rng, 6, 8, 3.0f, 1), y = plane_new(3, 4), dy = plane_random(&rng, 3, 4, 3.0f, 1);
    cn__plane dx = plane_random(&rng, 6, 8, 3.0f, 1), wanted = plane_new(6, 8);
    for (int r = 0; r < 6; r++)
        for (int c = 0; c < 8; c++)
            for (int l = 0; l < CN__LANES; l++)
                *plane_at(wanted, r, c, l) = 0.0f;
    kernels->max_pool(&args, x, y);
    kernels->max_pool_backward(&args, x, y, dy, dx);
    args.overwrite = false;
    kernels->max_pool_backward(&args, x, y, dy, wanted);
    for (int r = 0; r < 6; r++)
        for (int c = 0; c < 8; c++)
            for (int l = 0; l < CN__LANES; l++)
                ck_assert_float_eq(*plane_at(dx, r, c, l), *plane_at(wanted, r, c, l));
    plane_free(x);
    plane_free(y);
    plane_free(dy);
    plane_free(dx);
    plane_free(wanted);
}
END_TEST

/* Ties, infinities and NaN included: the first largest, or the last NaN, gets the gradient. */
START_TEST(pools_of_two_by_two_remember_the_largest) {
    cn__rng rng = cn__rng_new(25, 0, 0);
    for (int round = 0; round < ROUNDS; round++) {
        int32_t rows = between(&rng, 1, 4), columns = between(&rng, 1, 5);
        cn__plane x = plane_random(&rng, 2 * rows, 2 * columns, 2.0f, 1), y = plane_new(rows, columns);
        cn__plane dy = plane_random(&rng, rows, columns, 3.0f, 1), dx = plane_new(2 * rows, 2 * columns);
        uint8_t which[4 * 5 * CN__LANES];
        for (int l = 0; l < CN__LANES; l++)
            *plane_at(x, between(&rng, 0, 1), between(&rng, 0, 1), l) = l % 3 ? -INFINITY : NAN;
        bool relu = round % 2;
        kernels->max_pool2(x, y, rows, columns, relu, which);
        kernels->max_pool2_backward(which, dy, dx, rows, columns);
        for (int32_t r = 0; r < rows; r++)
            for (int32_t c = 0; c < columns; c++)
                for (int l = 0; l < CN__LANES; l++) {
                    int top = 0;
                    for (int i = 1; i < 4; i++) {
                        float value = *plane_at(x, 2 * r + i / 2, 2 * c + i % 2, l);
                        if (isnan(value) || value > *plane_at(x, 2 * r + top / 2, 2 * c + top % 2, l))
                            top = i;
                    }
                    float largest = *plane_at(x, 2 * r + top / 2, 2 * c + top % 2, l), got = *plane_at(y, r, c, l);
                    bool none = relu && !(largest > 0.0f);
                    ck_assert(isnan(largest) ? isnan(got) : got == (none ? 0.0f : largest));
                    for (int i = 0; i < 4; i++)
                        ck_assert_float_eq(*plane_at(dx, 2 * r + i / 2, 2 * c + i % 2, l),
                                           i == top && !none ? *plane_at(dy, r, c, l) : 0.0f);
                }
        check_guard(y, rows, columns);
        check_guard(dx, 2 * rows, 2 * columns);
        plane_free(x);
        plane_free(y);
        plane_free(dy);
        plane_free(dx);
    }
}
END_TEST

START_TEST(a_maximum_that_is_nan_shows) {
    cn__rng rng = cn__rng_new(22, 0, 0);
    cn__pool_args args = {2, 2, 1, 1, {2, 2}, {2, 2}, {0, 0}, {1, 1}, true, 0, false};
    cn__plane x = plane_random(&rng, 2, 2, 3.0f, 1), y = plane_new(1, 1);
    for (int l = 0; l < 4; l++)
        *plane_at(x, l / 2, l % 2, l) = NAN;
    kernels->max_pool(&args, x, y);
    for (int l = 0; l < CN__LANES; l++)
        ck_assert_int_eq(isnan(*plane_at(y, 0, 0, l)) != 0, l < 4);
    plane_free(x);
    plane_free(y);
}
END_TEST

/* ---- mean ---- */

/* Where window `out` of a dimension begins and ends, and what it counts for. */
static void mean_window(const cn__pool_args *a, int d, int32_t out, bool adaptive, int32_t *begin, int32_t *end,
                        int32_t *weight) {
    int32_t size = d ? a->in_width : a->in_height, outs = d ? a->out_width : a->out_height;
    if (adaptive) {
        *begin = (int32_t)floor((double)out * size / outs);
        *end = (int32_t)ceil((double)(out + 1) * size / outs);
        *weight = *end - *begin;
        return;
    }
    *begin = out * a->stride[d] - a->padding[d];
    *end = *begin + a->kernel[d] < size + a->padding[d] ? *begin + a->kernel[d] : size + a->padding[d];
    *weight = *end - *begin;
    *begin = *begin < 0 ? 0 : *begin;
    *end = *end > size ? size : *end;
    if (!a->count_include_pad)
        *weight = *end - *begin;
}

static void check_means(problem *p, bool adaptive) {
    cn__pool_args *a = &p->args;
    cn__plane wanted = plane_copy(p->dx, a->in_height, a->in_width);
    (adaptive ? kernels->adaptive_avg_pool : kernels->avg_pool)(a, p->x, p->y);
    (adaptive ? kernels->adaptive_avg_pool_backward : kernels->avg_pool_backward)(a, p->dy, p->dx);
    for (int32_t r = 0; r < a->out_height; r++)
        for (int32_t c = 0; c < a->out_width; c++) {
            int32_t top, bottom, left, right, height, width;
            mean_window(a, 0, r, adaptive, &top, &bottom, &height);
            mean_window(a, 1, c, adaptive, &left, &right, &width);
            float divisor = (float)(a->divisor ? a->divisor : height * width);
            for (int l = 0; l < CN__LANES; l++) {
                float sum = 0.0f;
                for (int32_t y = top; y < bottom; y++)
                    for (int32_t x = left; x < right; x++) {
                        sum += *plane_at(p->x, y, x, l);
                        *plane_at(wanted, y, x, l) += *plane_at(p->dy, r, c, l) / divisor;
                    }
                ck_assert_float_eq(*plane_at(p->y, r, c, l), sum / divisor);
            }
        }
    check_same_bits(p->dx, wanted, a->in_height, a->in_width);
    check_guard(p->y, a->out_height, a->out_width);
    check_guard(p->dx, a->in_height, a->in_width);
    plane_free(wanted);
}

START_TEST(average_pools_equal_plain_loops) {
    cn__rng rng = cn__rng_new(23, 0, 0);
    for (int round = 0; round < ROUNDS; round++) {
        problem p = moving_windows(&rng, false);
        check_means(&p, false);
        problem_free(&p);
    }
}
END_TEST

START_TEST(adaptive_pools_equal_plain_loops) {
    cn__rng rng = cn__rng_new(24, 0, 0);
    for (int round = 0; round < ROUNDS; round++) {
        problem p = adaptive_windows(&rng);
        check_means(&p, true);
        problem_free(&p);
    }
}
END_TEST

/* On values whose sums are rounded. */
START_TEST(instruction_sets_agree_to_the_bit) {
    cn__rng rng = cn__rng_new(25, 0, 0);
    for (int round = 0; round < ROUNDS; round++) {
        problem p = round % 2 ? moving_windows(&rng, false) : adaptive_windows(&rng);
        cn__pool_args *a = &p.args;
        cn__plane x = plane_random(&rng, a->in_height, a->in_width, 1.0f, 0),
                  y = plane_new(a->out_height, a->out_width);
        cn__plane dx = plane_copy(p.dx, a->in_height, a->in_width);
        (round % 2 ? kernels->avg_pool : kernels->adaptive_avg_pool)(a, x, p.y);
        (round % 2 ? twin->avg_pool : twin->adaptive_avg_pool)(a, x, y);
        check_same_bits(p.y, y, a->out_height, a->out_width);
        (round % 2 ? kernels->avg_pool_backward : kernels->adaptive_avg_pool_backward)(a, y, p.dx);
        (round % 2 ? twin->avg_pool_backward : twin->adaptive_avg_pool_backward)(a, y, dx);
        check_same_bits(p.dx, dx, a->in_height, a->in_width);
        plane_free(x);
        plane_free(y);
        plane_free(dx);
        problem_free(&p);
    }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("kernels: pooling");
    TCase *tests = tcase_create("pooling");
    tcase_add_checked_fixture(tests, choose_kernels, NULL);
    tcase_add_test(tests, max_pools_equal_plain_loops);
    tcase_add_test(tests, windows_that_share_no_pixel_can_overwrite);
    tcase_add_test(tests, pools_of_two_by_two_remember_the_largest);
    tcase_add_test(tests, a_maximum_that_is_nan_shows);
    tcase_add_test(tests, average_pools_equal_plain_loops);
    tcase_add_test(tests, adaptive_pools_equal_plain_loops);
    tcase_add_test(tests, instruction_sets_agree_to_the_bit);
    suite_add_tcase(suite, tests);
    return test_run(suite);
}
