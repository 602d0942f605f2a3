/* SPDX-License-Identifier: MIT */
/* test_kernels_math.c: activation functions, softmax and the vector mathematics below them against libm in double. */
#include "activations.h"
#include "planes.h"
#include "testing.h"
#define CN__ISA 1 /* the portable vectors, to look at functions that no kernel shows by themselves */
#include "kernels/isa/vector_math.h"
#include <float.h>
#include <stdlib.h>

/* ---- activation functions ---- */

#define ROW 1024

/* Finite floats of all sizes and both signs, `step` bit patterns apart. */
static cn__plane sweep(uint32_t *bits, uint32_t step) {
    cn__plane x = plane_new(1, ROW);
    for (int i = 0; i < ROW * CN__LANES; i++, *bits += step) {
        float value;
        memcpy(&value, bits, sizeof value);
        x.data[i] = isfinite(value) ? value : 1.0f;
    }
    return x;
}

static void check_forward(const activation *f, cn__plane x) {
    cn__plane y = plane_new(1, ROW), other = plane_new(1, ROW);
    kernels->unary((cn__unary)f->kernel, (float)f->example[0], (float)f->example[1], x, y, 1, ROW);
    twin->unary((cn__unary)f->kernel, (float)f->example[0], (float)f->example[1], x, other, 1, ROW);
    check_same_bits(y, other, 1, ROW);
    for (int i = 0; i < ROW * CN__LANES; i++) {
        double wanted = f->f((double)x.data[i], f->example[0], f->example[1]),
               bound = f->f_error * fabs(wanted) + 1e-42;
        ck_assert_msg(fabs((double)y.data[i] - wanted) <= bound, "%s of %.9g is %.9g, not %.9g", f->word,
                      (double)x.data[i], (double)y.data[i], wanted);
    }
    check_guard(y, 1, ROW);
    plane_free(y);
    plane_free(other);
}

/* With dy = 2. */
static void check_backward(const activation *f, cn__plane x, cn__plane dy) {
    cn__plane dx = plane_new(1, ROW), other = plane_new(1, ROW);
    kernels->unary_backward((cn__unary)f->kernel, (float)f->example[0], (float)f->example[1], x, dy, dx, 1, ROW, false);
    twin->unary_backward((cn__unary)f->kernel, (float)f->example[0], (float)f->example[1], x, dy, other, 1, ROW, false);
    check_same_bits(dx, other, 1, ROW);
    for (int i = 0; i < ROW * CN__LANES; i++) {
        double wanted = 2.0 * f->slope((double)x.data[i], f->example[0], f->example[1]);
        if (isfinite(wanted)) /* the formula overflows before the kernel does */
            ck_assert_msg(fabs((double)dx.data[i] - wanted) <= 2.0 * f->slope_error,
                          "slope of %s at %.9g is %.9g, not %.9g", f->word, (double)x.data[i], (double)dx.data[i] / 2.0,
                          wanted / 2.0);
    }
    check_guard(dx, 1, ROW);
    plane_free(dx);
    plane_free(other);
}

static void check_values(const activation *f, cn__plane x, cn__plane dy) {
    check_forward(f, x);
    check_backward(f, x, dy);
}

/* Activation _i; those without a kernel of their own are looked at elsewhere. */
START_TEST(activations_match_libm_everywhere) {
    if (activations[_i].kernel == NO_KERNEL)
        return;
    cn__plane dy = plane_new(1, ROW);
    uint32_t bits = 0, step = test_quick() ? 1048573 : 65521;
    for (int i = 0; i < ROW * CN__LANES; i++)
        dy.data[i] = 2.0f;
    for (uint64_t seen = 0; seen < UINT64_C(1) << 32; seen += (uint64_t)step * ROW * CN__LANES) {
        cn__plane x = sweep(&bits, step);
        check_values(&activations[_i], x, dy);
        plane_free(x);
    }
    plane_free(dy);
}
END_TEST

START_TEST(activations_match_libm_where_they_bend) {
    if (activations[_i].kernel == NO_KERNEL)
        return;
    cn__rng rng = cn__rng_new(1, 0, 0);
    cn__plane x = plane_random(&rng, 1, ROW, 12.0f, 0), dy = plane_new(1, ROW);
    for (int i = 0; i < ROW * CN__LANES; i++)
        dy.data[i] = 2.0f;
    check_values(&activations[_i], x, dy);
    plane_free(x);
    plane_free(dy);
}
END_TEST

static void check_limit(const activation *f, float x, float y, float slope) {
    const double *limit = f->limits + (x < 0.0f ? 2 : 0);
    if (isnan(x)) {
        ck_assert_msg(isnan(y), "%s of NaN is %g", f->word, (double)y);
        return;
    }
    if (isinf(x) || !isinf(limit[0]))
        ck_assert_msg((double)y == limit[0], "%s of %g is %g", f->word, (double)x, (double)y);
    ck_assert_msg((double)slope == limit[1], "slope of %s at %g is %g", f->word, (double)x, (double)slope);
}

START_TEST(activations_take_infinities_to_their_limits) {
    static const float places[] = {INFINITY, FLT_MAX, -INFINITY, -FLT_MAX, NAN};
    cn__plane x = plane_new(1, 1), y = plane_new(1, 1), dx = plane_new(1, 1), dy = plane_new(1, 1);
    for (int l = 0; l < CN__LANES; l++) {
        x.data[l] = places[l % 5];
        dy.data[l] = 1.0f;
    }
    for (const activation *f = activations; f < activations + activation_count; f++) {
        if (f->kernel == NO_KERNEL)
            continue;
        kernels->unary((cn__unary)f->kernel, (float)f->example[0], (float)f->example[1], x, y, 1, 1);
        kernels->unary_backward((cn__unary)f->kernel, (float)f->example[0], (float)f->example[1], x, dy, dx, 1, 1,
                                false);
        for (int l = 0; l < CN__LANES; l++)
            check_limit(f, x.data[l], y.data[l], dx.data[l]);
    }
    plane_free(x);
    plane_free(y);
    plane_free(dx);
    plane_free(dy);
}
END_TEST

START_TEST(slopes_are_added_where_asked) {
    cn__rng rng = cn__rng_new(2, 0, 0);
    cn__plane x = plane_random(&rng, 3, 5, 4.0f, 0), dy = plane_random(&rng, 3, 5, 1.0f, 0), dx = plane_new(3, 5);
    cn__plane sum = plane_random(&rng, 3, 5, 1.0f, 0), before = plane_copy(sum, 3, 5);
    for (const activation *f = activations; f < activations + activation_count; f++) {
        if (f->kernel == NO_KERNEL)
            continue;
        kernels->unary_backward((cn__unary)f->kernel, (float)f->example[0], (float)f->example[1], x, dy, dx, 3, 5,
                                false);
        kernels->unary_backward((cn__unary)f->kernel, (float)f->example[0], (float)f->example[1], x, dy, sum, 3, 5,
                                true);
        for (int32_t r = 0; r < 3; r++)
            for (int i = 0; i < 5 * CN__LANES; i++)
                ck_assert_float_eq(*plane_at(sum, r, 0, i), *plane_at(before, r, 0, i) + *plane_at(dx, r, 0, i));
        plane_free(before);
        before = plane_copy(sum, 3, 5);
    }
    check_guard(sum, 3, 5);
    plane_free(x);
    plane_free(dy);
    plane_free(dx);
    plane_free(sum);
    plane_free(before);
}
END_TEST

/* ---- exponential and logarithm ---- */

/* Units in the last place of `wanted`, rounded to float, between it and `got`. */
static double units(float got, double wanted) {
    float size = fmaxf(fabsf((float)wanted), FLT_MIN);
    return fabs((double)got - wanted) / (double)(nextafterf(size, INFINITY) - size);
}

START_TEST(exp_and_log_are_good_to_two_units) {
    for (double t = -103.9; t < 88.7; t += 0.00137) {
        float x = (float)t;
        ck_assert_msg(units(vf_exp(vf_set1(x))[0], exp((double)x)) < 2.0, "exp(%.9g)", (double)x);
    }
    for (double t = -126.0; t < 128.0; t += 0.00137) {
        float x = (float)exp2(t);
        ck_assert_msg(units(vf_log(vf_set1(x))[0], log((double)x)) < 2.0, "log(%.9g)", (double)x);
    }
    for (float x = 0.99f; x < 1.01f; x = nextafterf(x, 2.0f)) /* where the logarithm is nearly zero */
        ck_assert_msg(units(vf_log(vf_set1(x))[0], log((double)x)) < 2.0, "log(%.9g)", (double)x);
    ck_assert_float_eq(vf_exp(vf_set1(0.0f))[0], 1.0f);
    ck_assert_float_eq(vf_exp(vf_set1(-INFINITY))[0], 0.0f);
    ck_assert_float_infinite(vf_exp(vf_set1(88.73f))[0]);
    ck_assert_float_infinite(vf_exp(vf_set1(INFINITY))[0]);
    ck_assert_float_nan(vf_exp(vf_set1(NAN))[0]);
    ck_assert_float_eq(vf_log(vf_set1(1.0f))[0], 0.0f);
    ck_assert_float_nan(vf_log(vf_set1(NAN))[0]);
}
END_TEST

/* ---- softmax ---- */

enum { HEIGHT = 2, WIDTH = 3 };
#define PIXELS (HEIGHT * WIDTH * CN__LANES)

/* `channels` planes of HEIGHT × WIDTH without guards, one behind the other. */
static cn__plane planes_of(float *data) {
    return (cn__plane){data, WIDTH * CN__LANES, 0};
}

/* Softmax or its logarithm of pixel i, in double. */
static void exact_softmax(bool logarithm, int channels, const float *x, int i, double *y) {
    double largest = -INFINITY, sum = 0.0;
    for (int c = 0; c < channels; c++)
        largest = fmax(largest, (double)x[c * PIXELS + i]);
    for (int c = 0; c < channels; c++)
        sum += exp((double)x[c * PIXELS + i] - largest);
    for (int c = 0; c < channels; c++) {
        y[c] = (double)x[c * PIXELS + i] - largest - log(sum);
        y[c] = logarithm ? y[c] : exp(y[c]);
    }
}

START_TEST(softmax_matches_libm) {
    static const float limits[] = {1.0f, 30.0f, 1000.0f};
    cn__rng rng = cn__rng_new(3, 0, 0);
    for (int channels = 1; channels <= 41; channels += 8)
        for (int i = 0; i < 6; i++) {
            bool logarithm = i % 2;
            float *x = lines_random(&rng, (size_t)channels * PIXELS / CN__LANES, limits[i / 2], 0);
            float *y = lines_new((size_t)channels * PIXELS / CN__LANES),
                  *other = lines_new((size_t)channels * PIXELS / CN__LANES);
            kernels->softmax(logarithm, channels, planes_of(x), PIXELS, planes_of(y), PIXELS, HEIGHT, WIDTH);
            twin->softmax(logarithm, channels, planes_of(x), PIXELS, planes_of(other), PIXELS, HEIGHT, WIDTH);
            ck_assert_mem_eq(y, other, (size_t)channels * PIXELS * sizeof *y);
            for (int p = 0; p < PIXELS; p++) {
                double wanted[41];
                exact_softmax(logarithm, channels, x, p, wanted);
                for (int c = 0; c < channels; c++) {
                    /* x - m is rounded, which is an error relative to e^(x - m) */
                    double size = logarithm ? 2.0 + fabs(wanted[c]) : wanted[c] * (5.0 - log(wanted[c] + DBL_MIN));
                    ck_assert_double_eq_tol((double)y[c * PIXELS + p], wanted[c], 2e-7 * size + 1e-42);
                }
            }
            free(x);
            free(y);
            free(other);
        }
}
END_TEST

START_TEST(softmax_gradients_match_their_formulas) {
    enum { CHANNELS = 7 };
    cn__rng rng = cn__rng_new(4, 0, 0);
    for (int i = 0; i < 4; i++) {
        bool logarithm = i % 2, accumulate = i / 2;
        size_t lines = CHANNELS * PIXELS / CN__LANES;
        float *x = lines_random(&rng, lines, 3.0f, 0), *dy = lines_random(&rng, lines, 1.0f, 0);
        float *y = lines_new(lines), *dx = lines_random(&rng, lines, 1.0f, 0), *other = lines_new(lines);
        float before[CHANNELS * PIXELS];
        memcpy(before, dx, sizeof before);
        memcpy(other, dx, sizeof before);
        kernels->softmax(logarithm, CHANNELS, planes_of(x), PIXELS, planes_of(y), PIXELS, HEIGHT, WIDTH);
        kernels->softmax_backward(logarithm, CHANNELS, planes_of(y), PIXELS, planes_of(dy), PIXELS, planes_of(dx),
                                  PIXELS, HEIGHT, WIDTH, accumulate);
        twin->softmax_backward(logarithm, CHANNELS, planes_of(y), PIXELS, planes_of(dy), PIXELS, planes_of(other),
                               PIXELS, HEIGHT, WIDTH, accumulate);
        ck_assert_mem_eq(dx, other, sizeof before);
        for (int p = 0; p < PIXELS; p++) {
            double value[CHANNELS], sum = 0.0;
            exact_softmax(false, CHANNELS, x, p, value);
            for (int c = 0; c < CHANNELS; c++)
                sum += (double)dy[c * PIXELS + p] * (logarithm ? 1.0 : value[c]);
            for (int c = 0; c < CHANNELS; c++) {
                double d = (double)dy[c * PIXELS + p], wanted = logarithm ? d - value[c] * sum : value[c] * (d - sum);
                ck_assert_double_eq_tol((double)dx[c * PIXELS + p],
                                        wanted + (accumulate ? (double)before[c * PIXELS + p] : 0.0), 1e-6);
            }
        }
        free(x);
        free(dy);
        free(y);
        free(dx);
        free(other);
    }
}
END_TEST

START_TEST(a_lane_with_nan_or_infinity_keeps_it_to_itself) {
    cn__rng rng = cn__rng_new(5, 0, 0);
    float *x = lines_random(&rng, 3, 2.0f, 0), *y = lines_new(3);
    cn__plane in = {x, CN__LANES, 0}, out = {y, CN__LANES, 0};
    x[0] = NAN;
    x[1] = -INFINITY;
    for (int logarithm = 0; logarithm < 2; logarithm++) {
        kernels->softmax(logarithm, 3, in, CN__LANES, out, CN__LANES, 1, 1);
        ck_assert_float_nan(y[0]);
        ck_assert_float_nan(y[CN__LANES]);
        ck_assert_float_eq(y[1], logarithm ? -INFINITY : 0.0f);
        for (int l = 2; l < CN__LANES; l++)
            ck_assert_float_finite(y[l]);
    }
    free(x);
    free(y);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("kernels: mathematics");
    TCase *functions = tcase_create("activations"), *others = tcase_create("exp, log and softmax");
    tcase_add_checked_fixture(functions, choose_kernels, NULL);
    tcase_add_loop_test(functions, activations_match_libm_everywhere, 0, activation_count);
    tcase_add_loop_test(functions, activations_match_libm_where_they_bend, 0, activation_count);
    tcase_add_test(functions, activations_take_infinities_to_their_limits);
    tcase_add_test(functions, slopes_are_added_where_asked);
    tcase_add_checked_fixture(others, choose_kernels, NULL);
    tcase_add_test(others, exp_and_log_are_good_to_two_units);
    tcase_add_test(others, softmax_matches_libm);
    tcase_add_test(others, softmax_gradients_match_their_formulas);
    tcase_add_test(others, a_lane_with_nan_or_infinity_keeps_it_to_itself);
    suite_add_tcase(suite, functions);
    suite_add_tcase(suite, others);
    return test_run(suite);
}
