/* SPDX-License-Identifier: MIT */
/* test_kernels_pointwise.c: normalisation, skip, ReLU and dropout of a plane, the way back, and sums over planes,
 * against plain loops in double with every combination of options. */
#include "planes.h"
#include "testing.h"
#include <math.h>
#include <stdlib.h>

/* ---- problems: one for each combination of options, on planes of several sizes ---- */

enum { NORM = 1, SKIP = 2, RELU = 4, DROPOUT = 8, OPTIONS = 16 };

static const int32_t sizes[][2] = {{1, 1}, {7, 7}, {3, 8}, {5, 13}};

typedef struct problem {
    cn__pointwise_args args;
    float *center, *inv;
    uint32_t image[CN__LANES];
    int32_t height, width;
} problem;

static problem problem_new(cn__rng *rng, size_t size, int options) {
    problem p = {.height = sizes[size][0], .width = sizes[size][1]};
    p.center = lines_random(rng, 1, 1.0f, 0);
    p.inv = lines_random(rng, 1, 1.0f, 0);
    for (uint32_t l = 0; l < CN__LANES; l++) {
        p.inv[l] = 1.5f + p.inv[l];
        p.image[l] = 1000 + 7 * l;
    }
    p.args = (cn__pointwise_args){.height = p.height, .width = p.width, .weight = 0.7f, .bias = 0.2f, .keep = 1.0f};
    p.args.x = plane_random(rng, p.height, p.width, 2.0f, 0);
    p.args.y = plane_new(p.height, p.width);
    if (options & NORM) {
        p.args.center = p.center;
        p.args.inv = p.inv;
    }
    if (options & SKIP)
        p.args.skip = plane_random(rng, p.height, p.width, 2.0f, 0);
    p.args.relu = options & RELU;
    if (options & DROPOUT) {
        p.args.threshold = 20000;
        p.args.keep = 65536.0f / (65536.0f - 20000.0f);
        p.args.counter1 = 77;
        p.args.counter3 = 5;
        p.args.key = UINT64_C(0xfedcba9876543210);
    }
    return p;
}

/* With the arrays of the problem as it now lies in memory. */
static const cn__pointwise_args *arguments(problem *p) {
    p->args.image = p->image;
    return &p->args;
}

static void problem_free(problem *p) {
    free(p->center);
    free(p->inv);
    plane_free(p->args.x);
    plane_free(p->args.y);
    if (p->args.skip.data)
        plane_free(p->args.skip);
}

/* What dropout multiplies a pixel by: from the scalar generator, by the rule in kernels.h. */
static double drop(const problem *p, int32_t r, int32_t c, int lane) {
    uint32_t pixel = (uint32_t)(r * p->width + c);
    uint32_t counter[4] = {pixel / 8, p->args.counter1, p->image[lane], p->args.counter3};
    if (!p->args.threshold)
        return 1.0;
    uint32_t word = cn__philox4x32(counter, p->args.key).word[pixel % 8 / 2];
    return (pixel % 2 ? word >> 16 : word & 0xffff) < p->args.threshold ? 0.0 : (double)p->args.keep;
}

static double normalised(const problem *p, int32_t r, int32_t c, int lane) {
    return ((double)*plane_at(p->args.x, r, c, lane) - (double)p->center[lane]) * (double)p->inv[lane];
}

static double exact_value(const problem *p, int32_t r, int32_t c, int lane) {
    double value = (double)*plane_at(p->args.x, r, c, lane);
    if (p->args.inv)
        value = normalised(p, r, c, lane) * (double)p->args.weight + (double)p->args.bias;
    if (p->args.skip.data)
        value += (double)*plane_at(p->args.skip, r, c, lane);
    if (p->args.relu && value < 0.0)
        value = 0.0;
    return value * drop(p, r, c, lane);
}

/* Runs `each` on a problem of every size and combination of options. */
static void for_all(int fixed, void (*each)(cn__rng *rng, problem *p)) {
    cn__rng rng = cn__rng_new(41, 0, 0);
    for (size_t size = 0; size < CN__COUNT(sizes); size++)
        for (int options = 0; options < OPTIONS; options++)
            if ((options & fixed) == fixed) {
                problem p = problem_new(&rng, size, options);
                each(&rng, &p);
                problem_free(&p);
            }
}

/* ---- forward ---- */

static void check_forward(cn__rng *rng, problem *p) {
    cn__plane y = p->args.y, other = plane_new(p->height, p->width);
    (void)rng;
    kernels->pointwise(arguments(p));
    p->args.y = other;
    twin->pointwise(arguments(p));
    p->args.y = y;
    check_same_bits(y, other, p->height, p->width);
    check_guard(y, p->height, p->width);
    for (int32_t r = 0; r < p->height; r++)
        for (int32_t c = 0; c < p->width; c++)
            for (int l = 0; l < CN__LANES; l++)
                ck_assert_double_eq_tol((double)*plane_at(y, r, c, l), exact_value(p, r, c, l), 2e-6);
    plane_free(other);
}

START_TEST(planes_become_what_plain_loops_make_of_them) {
    for_all(0, check_forward);
}
END_TEST

START_TEST(nan_passes_a_relu_and_stays_in_its_lane) {
    cn__rng rng = cn__rng_new(42, 0, 0);
    problem p = problem_new(&rng, 1, NORM | RELU);
    *plane_at(p.args.x, 2, 3, 5) = NAN;
    kernels->pointwise(arguments(&p));
    for (int32_t r = 0; r < p.height; r++)
        for (int32_t c = 0; c < p.width; c++)
            for (int l = 0; l < CN__LANES; l++)
                ck_assert_int_eq(isnan(*plane_at(p.args.y, r, c, l)) != 0, r == 2 && c == 3 && l == 5);
    problem_free(&p);
}
END_TEST

START_TEST(dropout_drops_its_share) {
    cn__rng rng = cn__rng_new(43, 0, 0);
    int dropped = 0, all = 0;
    for (uint32_t channel = 0; channel < 40; channel++) {
        problem p = problem_new(&rng, 3, DROPOUT);
        p.args.counter1 = channel;
        kernels->pointwise(arguments(&p));
        for (int32_t i = 0; i < p.height * p.width * CN__LANES; i++, all++)
            dropped += *plane_at(p.args.y, i / (p.width * CN__LANES), 0, i % (p.width * CN__LANES)) == 0.0f;
        problem_free(&p);
    }
    double share = 20000.0 / 65536.0, deviation = sqrt(share * (1.0 - share) / all);
    ck_assert_double_eq_tol((double)dropped / all, share, 4.0 * deviation);
}
END_TEST

/* ---- backward ---- */

/* dz of a pixel. */
static double exact_dz(const problem *p, cn__plane dy, int32_t r, int32_t c, int lane) {
    double d = (double)*plane_at(dy, r, c, lane) * drop(p, r, c, lane);
    return p->args.relu && *plane_at(p->args.y, r, c, lane) <= 0.0f ? 0.0 : d;
}

static void check_plain_backward(cn__rng *rng, problem *p) {
    cn__plane dy = plane_random(rng, p->height, p->width, 1.0f, 0);
    for (int accumulate = 0; accumulate < 2; accumulate++) {
        cn__plane dx = plane_random(rng, p->height, p->width, 1.0f, 0);
        cn__plane before = plane_copy(dx, p->height, p->width), other = plane_copy(dx, p->height, p->width);
        kernels->pointwise(arguments(p));
        kernels->pointwise_backward(arguments(p), dy, dx, accumulate);
        twin->pointwise_backward(arguments(p), dy, other, accumulate);
        check_same_bits(dx, other, p->height, p->width);
        check_guard(dx, p->height, p->width);
        for (int32_t r = 0; r < p->height; r++)
            for (int32_t c = 0; c < p->width; c++)
                for (int l = 0; l < CN__LANES; l++) {
                    double wanted = exact_dz(p, dy, r, c, l);
                    wanted += accumulate ? (double)*plane_at(before, r, c, l) : 0.0;
                    ck_assert_double_eq_tol((double)*plane_at(dx, r, c, l), wanted, 1e-6);
                }
        plane_free(dx);
        plane_free(before);
        plane_free(other);
    }
    plane_free(dy);
}

START_TEST(relu_and_dropout_lead_back) {
    for_all(0, check_plain_backward);
}
END_TEST

/* One of three ways for a skip's gradient to go: nowhere, into its plane, or on top of what that holds. */
static void check_reduction(cn__rng *rng, problem *p, int way) {
    cn__plane dy = plane_random(rng, p->height, p->width, 1.0f, 0), d = plane_copy(dy, p->height, p->width);
    cn__plane skip = plane_random(rng, p->height, p->width, 1.0f, 0), s = plane_copy(skip, p->height, p->width);
    cn__plane other_d = plane_copy(dy, p->height, p->width), other_s = plane_copy(skip, p->height, p->width);
    cn__plane none = {0};
    float *sums = lines_new(2), *other_sums = lines_new(2);
    kernels->pointwise(arguments(p));
    kernels->norm_reduce(arguments(p), d, way ? s : none, way == 2, sums, sums + CN__LANES);
    twin->norm_reduce(arguments(p), other_d, way ? other_s : none, way == 2, other_sums, other_sums + CN__LANES);
    ck_assert_mem_eq(sums, other_sums, 2 * CN__LANES * sizeof *sums);
    check_same_bits(s, other_s, p->height, p->width);
    cn__plane dz = way == 1 ? s : d;
    for (int l = 0; l < CN__LANES; l++) {
        double sum = 0.0, product = 0.0;
        for (int32_t r = 0; r < p->height; r++)
            for (int32_t c = 0; c < p->width; c++) {
                double wanted = exact_dz(p, dy, r, c, l);
                sum += wanted;
                product += wanted * normalised(p, r, c, l);
                ck_assert_double_eq_tol((double)*plane_at(dz, r, c, l), wanted, 1e-6);
                if (way == 2)
                    ck_assert_double_eq_tol((double)*plane_at(s, r, c, l), wanted + (double)*plane_at(skip, r, c, l),
                                            1e-6);
            }
        ck_assert_double_eq_tol((double)sums[l], sum, 2e-5);
        ck_assert_double_eq_tol((double)sums[CN__LANES + l], product, 5e-5);
    }
    check_guard(d, p->height, p->width);
    check_guard(s, p->height, p->width);
    plane_free(dy);
    plane_free(d);
    plane_free(skip);
    plane_free(s);
    plane_free(other_d);
    plane_free(other_s);
    free(sums);
    free(other_sums);
}

static void check_reductions(cn__rng *rng, problem *p) {
    for (int way = 0; way < 3; way++)
        check_reduction(rng, p, way);
}

START_TEST(reductions_add_up_what_comes_back) {
    for_all(NORM, check_reductions);
}
END_TEST

static void check_norm_backward(cn__rng *rng, problem *p) {
    cn__plane dz = plane_random(rng, p->height, p->width, 1.0f, 0),
              dx = plane_random(rng, p->height, p->width, 1.0f, 0);
    float *b = lines_random(rng, 2, 1.0f, 0), *c = b + CN__LANES;
    for (int way = 0; way < 3; way++) { /* store; add; add where dz and dx are one */
        cn__plane to = plane_copy(way == 2 ? dz : dx, p->height, p->width), from = way == 2 ? to : dz;
        cn__plane other = plane_copy(to, p->height, p->width);
        kernels->norm_backward(arguments(p), from, to, b, c, way > 0);
        twin->norm_backward(arguments(p), way == 2 ? other : dz, other, b, c, way > 0);
        check_same_bits(to, other, p->height, p->width);
        check_guard(to, p->height, p->width);
        for (int32_t y = 0; y < p->height; y++)
            for (int32_t x = 0; x < p->width; x++)
                for (int l = 0; l < CN__LANES; l++) {
                    double centred = (double)*plane_at(p->args.x, y, x, l) - (double)p->center[l];
                    double wanted = (double)p->args.weight * (double)*plane_at(dz, y, x, l) + (double)b[l] * centred;
                    wanted = (wanted + (double)c[l]) * (double)p->inv[l];
                    wanted += way ? (double)*plane_at(way == 2 ? dz : dx, y, x, l) : 0.0;
                    ck_assert_double_eq_tol((double)*plane_at(to, y, x, l), wanted, 2e-6);
                }
        plane_free(to);
        plane_free(other);
    }
    plane_free(dz);
    plane_free(dx);
    free(b);
}

START_TEST(normalisations_lead_back) {
    for_all(NORM | SKIP | RELU | DROPOUT, check_norm_backward);
}
END_TEST

/* Without reading y, and leaving dy alone until the end. */
static void check_masks_again(cn__rng *rng, problem *p) {
    if (p->args.skip.data || p->args.threshold)
        return;
    cn__plane dy = plane_random(rng, p->height, p->width, 1.0f, 0), dz = plane_copy(dy, p->height, p->width);
    cn__plane d = plane_copy(dy, p->height, p->width), none = {0};
    cn__plane dx = plane_new(p->height, p->width), other = plane_new(p->height, p->width);
    float *b = lines_random(rng, 2, 1.0f, 0), *sums = lines_new(2), *other_sums = lines_new(2);
    kernels->pointwise(arguments(p));
    kernels->norm_reduce(arguments(p), dz, none, false, sums, sums + CN__LANES);
    kernels->norm_backward(arguments(p), dz, dx, b, b + CN__LANES, false);
    p->args.masks_again = true;
    for (int32_t r = 0; r < p->height; r++)
        for (int32_t c = 0; c < p->width; c++)
            for (int l = 0; l < CN__LANES; l++)
                *plane_at(p->args.y, r, c, l) = 1.0f;
    kernels->norm_reduce(arguments(p), d, none, false, other_sums, other_sums + CN__LANES);
    check_same_bits(d, dy, p->height, p->width);
    kernels->norm_backward(arguments(p), d, other, b, b + CN__LANES, false);
    ck_assert_mem_eq(sums, other_sums, 2 * CN__LANES * sizeof *sums);
    check_same_bits(dx, other, p->height, p->width);
    plane_free(dy);
    plane_free(dz);
    plane_free(d);
    plane_free(dx);
    plane_free(other);
    free(b);
    free(sums);
    free(other_sums);
}

static void check_masks_of_relu6(cn__rng *rng, problem *p) {
    p->args.most = 0.75f;
    check_masks_again(rng, p);
}

START_TEST(a_mask_from_x_is_the_one_from_y) {
    for_all(NORM | RELU, check_masks_again);
    for_all(NORM | RELU, check_masks_of_relu6);
}
END_TEST

START_TEST(copies_replace_or_add) {
    cn__rng rng = cn__rng_new(44, 0, 0);
    cn__plane x = plane_random(&rng, 5, 3, 3.0f, 1), y = plane_random(&rng, 5, 3, 3.0f, 1);
    cn__plane before = plane_copy(y, 5, 3);
    kernels->copy(x, y, 5, 3, true);
    for (int32_t r = 0; r < 5; r++)
        for (int i = 0; i < 3 * CN__LANES; i++)
            ck_assert_float_eq(*plane_at(y, r, 0, i), *plane_at(x, r, 0, i) + *plane_at(before, r, 0, i));
    kernels->copy(x, y, 5, 3, false);
    check_same_bits(x, y, 5, 3);
    check_guard(y, 5, 3);
    plane_free(x);
    plane_free(y);
    plane_free(before);
}
END_TEST

/* ---- sums over planes ---- */

START_TEST(a_plane_sum_counts_only_the_lanes_it_is_given) {
    cn__rng rng = cn__rng_new(45, 0, 0);
    for (int32_t lanes = 1; lanes <= CN__LANES; lanes++) {
        cn__plane x = plane_random(&rng, 7, 5, 3.0f, 1);
        float wanted = 0.0f;
        for (int32_t r = 0; r < 7; r++)
            for (int32_t c = 0; c < 5; c++)
                for (int l = 0; l < CN__LANES; l++) {
                    if (l >= lanes)
                        *plane_at(x, r, c, l) = NAN;
                    else
                        wanted += *plane_at(x, r, c, l);
                }
        ck_assert_float_eq(kernels->plane_sum(x, 7, 5, lanes), wanted);
        plane_free(x);
    }
}
END_TEST

/* Exact, since they are whole numbers. */
START_TEST(what_is_below_zero_counts_for_a_prelus_weight) {
    cn__rng rng = cn__rng_new(48, 0, 0);
    for (int32_t lanes = 1; lanes <= CN__LANES; lanes++) {
        cn__plane x = plane_random(&rng, 7, 5, 3.0f, 1), dy = plane_random(&rng, 7, 5, 3.0f, 1);
        float wanted = 0.0f;
        for (int32_t r = 0; r < 7; r++)
            for (int32_t c = 0; c < 5; c++)
                for (int l = 0; l < CN__LANES; l++) {
                    if (l >= lanes)
                        *plane_at(dy, r, c, l) = NAN;
                    else
                        wanted += fminf(*plane_at(x, r, c, l), 0.0f) * *plane_at(dy, r, c, l);
                }
        ck_assert_float_eq(kernels->prelu_weight(x, dy, 7, 5, lanes), wanted);
        plane_free(x);
        plane_free(dy);
    }
}
END_TEST

/* Also where the mean is much larger than what the values differ by. */
START_TEST(moments_are_stable) {
    static const float offsets[] = {0.0f, 1.0f, 1000.0f, -30000.0f};
    cn__rng rng = cn__rng_new(46, 0, 0);
    for (size_t i = 0; i < CN__COUNT(offsets) * CN__COUNT(sizes); i++) {
        int32_t height = sizes[i / CN__COUNT(offsets)][0], width = sizes[i / CN__COUNT(offsets)][1];
        float offset = offsets[i % CN__COUNT(offsets)], *got = lines_new(3), *other = lines_new(3);
        cn__plane x = plane_random(&rng, height, width, 1.0f, 0);
        for (int32_t r = 0; r < height; r++)
            for (int k = 0; k < width * CN__LANES; k++)
                *plane_at(x, r, 0, k) += offset;
        kernels->lane_moments(x, height, width, got, got + CN__LANES, got + 2 * CN__LANES);
        twin->lane_moments(x, height, width, other, other + CN__LANES, other + 2 * CN__LANES);
        ck_assert_mem_eq(got, other, 3 * CN__LANES * sizeof *got);
        for (int l = 0; l < CN__LANES; l++) {
            double mean = 0.0, m2 = 0.0, count = (double)height * width;
            for (int32_t k = 0; k < height * width; k++)
                mean += (double)*plane_at(x, k / width, k % width, l) / count;
            for (int32_t k = 0; k < height * width; k++)
                m2 += pow((double)*plane_at(x, k / width, k % width, l) - mean, 2.0);
            double lost = 3e-7 * fabs((double)offset); /* the mean's rounding; m2 gains its square for each value */
            ck_assert_double_eq_tol((double)got[l], mean, 1e-6 + lost);
            ck_assert_double_eq_tol((double)got[l] + (double)got[2 * CN__LANES + l], mean, 1e-6);
            ck_assert_double_eq_tol((double)got[CN__LANES + l], m2, 1e-5 * (1.0 + m2) + count * lost * lost);
        }
        plane_free(x);
        free(got);
        free(other);
    }
}
END_TEST

/* Large maps: of noise far from zero, and of one value but for two rows. Sums in a single accumulator are off by 3e-4
 * of the deviation there; float32 PyTorch by 2e-5 and 1e-7. What must remain is the rounding of the mean itself. */
START_TEST(moments_of_large_maps_are_exact) {
    static const float means[] = {10.0f, 100.0f, 1000.0f, 0.3791f};
    enum { SIDE = 112 };
    cn__rng rng = cn__rng_new(47, 0, 0);
    for (size_t i = 0; i < CN__COUNT(means); i++) {
        float *got = lines_new(3), *other = lines_new(3);
        cn__plane x = plane_random(&rng, SIDE, SIDE, 1.0f, 0);
        for (int32_t r = 0; r < SIDE; r++)
            for (int k = 0; k < SIDE * CN__LANES; k++) {
                float *value = plane_at(x, r, 0, k);
                *value = means[i] > 1.0f ? *value + means[i] : r == 0 || r == SIDE - 1 ? 0.2517f : means[i];
            }
        kernels->lane_moments(x, SIDE, SIDE, got, got + CN__LANES, got + 2 * CN__LANES);
        twin->lane_moments(x, SIDE, SIDE, other, other + CN__LANES, other + 2 * CN__LANES);
        ck_assert_mem_eq(got, other, 3 * CN__LANES * sizeof *got);
        for (int l = 0; l < CN__LANES; l++) {
            double mean = 0.0, m2 = 0.0, count = SIDE * SIDE;
            for (int32_t k = 0; k < SIDE * SIDE; k++)
                mean += (double)*plane_at(x, k / SIDE, k % SIDE, l) / count;
            for (int32_t k = 0; k < SIDE * SIDE; k++)
                m2 += pow((double)*plane_at(x, k / SIDE, k % SIDE, l) - mean, 2.0);
            ck_assert_double_eq_tol((double)got[l], mean, 6e-8 * mean + 2e-7 * sqrt(m2 / count));
            ck_assert_double_eq_tol((double)got[l] + (double)got[2 * CN__LANES + l], mean, 2e-7 * sqrt(m2 / count));
            ck_assert_double_eq_tol((double)got[CN__LANES + l], m2, 5e-7 * m2);
        }
        plane_free(x);
        free(got);
        free(other);
    }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("kernels: pointwise");
    TCase *tests = tcase_create("pointwise");
    tcase_add_checked_fixture(tests, choose_kernels, NULL);
    tcase_add_test(tests, planes_become_what_plain_loops_make_of_them);
    tcase_add_test(tests, nan_passes_a_relu_and_stays_in_its_lane);
    tcase_add_test(tests, dropout_drops_its_share);
    tcase_add_test(tests, relu_and_dropout_lead_back);
    tcase_add_test(tests, reductions_add_up_what_comes_back);
    tcase_add_test(tests, normalisations_lead_back);
    tcase_add_test(tests, a_mask_from_x_is_the_one_from_y);
    tcase_add_test(tests, copies_replace_or_add);
    tcase_add_test(tests, a_plane_sum_counts_only_the_lanes_it_is_given);
    tcase_add_test(tests, what_is_below_zero_counts_for_a_prelus_weight);
    tcase_add_test(tests, moments_are_stable);
    tcase_add_test(tests, moments_of_large_maps_are_exact);
    suite_add_tcase(suite, tests);
    return test_run(suite);
}
