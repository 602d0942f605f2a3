/* SPDX-License-Identifier: MIT */
/* test_elementary.c: e^x and its kin are the C library's to two units in the last place, also where they are at an end. */
#include "base/elementary.h"
#include "numbers.h"
#include "testing.h"
#include <math.h>

TEST_RUNS_ONCE;

enum { COUNT = 100000 };

static double draw(uint32_t sequence, uint32_t i, double low, double high) {
    double fine = (double)numbers_hashed(sequence + 100, i) * 0x1p-24;
    return low + (high - low) * ((double)numbers_hashed(sequence, i) + fine);
}

/* A function of this library, C's, and a range in which they are compared. */
static const struct {
    const char *name;
    double (*ours)(double), (*wanted)(double);
    double low, high, least; /* below `least` the error is absolute */
} functions[] = {
    {"exp", cn__math_exp, exp, -1.0, 1.0, 0.0},         {"exp", cn__math_exp, exp, -745.0, 709.7, 0x1p-1022},
    {"log", cn__math_log, log, 0.0, 1.0, 0.0},          {"log", cn__math_log, log, 0.7, 1.5, 0.0},
    {"log", cn__math_log, log, 0.0, 1e300, 0.0},        {"log1p", cn__math_log1p, log1p, -1.0, 1.0, 0.0},
    {"log1p", cn__math_log1p, log1p, -1e-9, 1e-9, 0.0}, {"log1p", cn__math_log1p, log1p, 0.0, 1e12, 0.0},
    {"sin", cn__math_sin, sin, -0.8, 0.8, 0.0},         {"sin", cn__math_sin, sin, -7.0, 7.0, 0.0},
    {"sin", cn__math_sin, sin, -1e6, 1e6, 0.0},         {"cos", cn__math_cos, cos, -0.8, 0.8, 0.0},
    {"cos", cn__math_cos, cos, -7.0, 7.0, 0.0},         {"cos", cn__math_cos, cos, -1e6, 1e6, 0.0},
};

START_TEST(functions_are_those_of_c) {
    double worst = 0.0;
    for (uint32_t i = 0; i < COUNT; i++) {
        double x = draw((uint32_t)_i, i, functions[_i].low, functions[_i].high), wanted = functions[_i].wanted(x);
        double ulp = nextafter(fabs(wanted), INFINITY) - fabs(wanted), least = functions[_i].least * 0x1p-52;
        double error = fabs(functions[_i].ours(x) - wanted) / fmax(ulp, least);
        ck_assert_msg(error <= 2.0, "%s(%a) is off by %g ulps", functions[_i].name, x, error);
        worst = fmax(worst, error);
    }
    ck_assert_double_gt(worst, 0.0);
}
END_TEST

/* A small argument's own ulp is far below 1's: nothing of it may go lost. */
START_TEST(powers_are_those_of_c) {
    for (uint32_t i = 0; i < COUNT; i++) {
        double x = draw(40, i, 0.0, 1.0), y = draw(41, i, 0.0, 3.0), steps = floor(draw(42, i, 0.0, 1e5));
        ck_assert_double_le(fabs(cn__math_pow(x, y) / pow(x, y) - 1.0), 1e-15 * (1.0 - y * log(x)));
        ck_assert_double_le(fabs(cn__math_pow(0.999, steps) / pow(0.999, steps) - 1.0), 1e-15 * (1.0 + 1e-3 * steps));
    }
    ck_assert_double_eq(cn__math_pow(0.0, 0.0), 1.0);
    ck_assert_double_eq(cn__math_pow(0.0, 0.5), 0.0);
    ck_assert_double_eq(cn__math_pow(1.0, 1e9), 1.0);
}
END_TEST

START_TEST(ends_are_those_of_c) {
    ck_assert_double_eq(cn__math_exp(0.0), 1.0);
    ck_assert_double_eq(cn__math_exp((double)-INFINITY), 0.0);
    ck_assert_double_eq(cn__math_exp(-1000.0), 0.0);
    ck_assert_double_eq(cn__math_exp(-745.0), exp(-745.0));
    ck_assert_double_infinite(cn__math_exp((double)INFINITY));
    ck_assert_double_infinite(cn__math_exp(709.8));
    ck_assert_double_finite(cn__math_exp(709.7));
    ck_assert_double_nan(cn__math_exp((double)NAN));
    ck_assert_double_eq(cn__math_log(1.0), 0.0);
    ck_assert_double_eq(cn__math_log(0.0), (double)-INFINITY);
    ck_assert_double_infinite(cn__math_log((double)INFINITY));
    ck_assert_double_nan(cn__math_log(-1.0));
    ck_assert_double_nan(cn__math_log((double)NAN));
    ck_assert_double_eq_tol(cn__math_log(0x1p-1074), log(0x1p-1074), 1e-13);
    ck_assert_double_eq(cn__math_log1p(0.0), 0.0);
    ck_assert_double_eq(cn__math_log1p(-1.0), (double)-INFINITY);
    ck_assert_double_eq(cn__math_log1p(1e-300), 1e-300);
    ck_assert_double_nan(cn__math_log1p(-2.0));
    ck_assert_double_eq(cn__math_sin(0.0), 0.0);
    ck_assert_double_eq(cn__math_cos(0.0), 1.0);
    ck_assert_double_nan(cn__math_sin((double)INFINITY));
    ck_assert_double_nan(cn__math_cos((double)NAN));
}
END_TEST

int main(void) {
    Suite *suite = suite_create("elementary");
    TCase *group = tcase_create("elementary");
    tcase_add_loop_test(group, functions_are_those_of_c, 0, sizeof functions / sizeof *functions);
    tcase_add_test(group, powers_are_those_of_c);
    tcase_add_test(group, ends_are_those_of_c);
    suite_add_tcase(suite, group);
    return test_run(suite);
}
