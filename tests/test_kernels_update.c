/* SPDX-License-Identifier: MIT */
/* test_kernels_update.c: optimizer steps, moving averages and Muon's orthogonalisation against their formulas in
 * double.
 */
#include "planes.h"
#include "testing.h"
#include <math.h>
#include <stdlib.h>

enum { LINES = 5, COUNT = LINES * CN__LANES, STEPS = 20 };

static double sign(double x) {
    return (x > 0.0) - (x < 0.0);
}

/* Parameters of which the last line is a gap: zeros, with zero gradients. */
static float *with_gap(cn__rng *rng) {
    float *values = lines_random(rng, LINES, 1.0f, 0);
    memset(values + COUNT - CN__LANES, 0, CN__LANES * sizeof *values);
    return values;
}

static float *zeros(void) {
    float *values = lines_new(LINES);
    memset(values, 0, COUNT * sizeof *values);
    return values;
}

static void check_parameters(const float *got, const float *other, const double *wanted) {
    ck_assert_mem_eq(got, other, COUNT * sizeof *got);
    for (int i = 0; i < COUNT; i++)
        ck_assert_double_eq_tol((double)got[i], wanted[i], 2e-6);
    for (int i = COUNT - CN__LANES; i < COUNT; i++)
        ck_assert_float_eq(got[i], 0.0f);
}

/* ---- SGD ---- */

static const struct sgd_options {
    float momentum, dampening;
    bool nesterov;
    float weight_decay, l1;
} sgd_cases[] = {{0.0f, 0.0f, false, 0.0f, 0.0f},   {0.0f, 0.0f, false, 0.1f, 0.0f},  {0.9f, 0.0f, false, 0.0f, 0.0f},
                 {0.9f, 0.25f, false, 0.05f, 0.0f}, {0.9f, 0.0f, true, 0.05f, 0.01f}, {0.5f, 0.0f, true, 0.0f, 0.2f}};

/* One step of one parameter. */
static void exact_sgd(const struct sgd_options *o, double rate, bool first, double gradient, double *p,
                      double *buffer) {
    double g = gradient + (double)o->l1 * sign(*p) + (double)o->weight_decay * *p;
    double momentum = (double)o->momentum;
    if (momentum != 0.0) {
        *buffer = first ? g : momentum * *buffer + (1.0 - (double)o->dampening) * g;
        g = o->nesterov ? g + momentum * *buffer : *buffer;
    }
    *p -= rate * g;
}

START_TEST(sgd_follows_its_formula) {
    const struct sgd_options *o = &sgd_cases[_i];
    cn__rng rng = cn__rng_new(31, 0, (uint64_t)_i);
    float *p = with_gap(&rng), *other = lines_new(LINES), *buffer = zeros(), *other_buffer = zeros();
    double wanted[COUNT], wanted_buffer[COUNT] = {0};
    memcpy(other, p, COUNT * sizeof *p);
    for (int i = 0; i < COUNT; i++)
        wanted[i] = (double)p[i];
    for (int step = 0; step < STEPS; step++) {
        float *g = with_gap(&rng), rate = 0.02f;
        bool first = step == 0;
        float *b = o->momentum != 0.0f ? buffer : NULL, *c = o->momentum != 0.0f ? other_buffer : NULL;
        kernels->sgd(COUNT, p, g, b, rate, o->momentum, o->dampening, o->nesterov, first, o->weight_decay, o->l1);
        twin->sgd(COUNT, other, g, c, rate, o->momentum, o->dampening, o->nesterov, first, o->weight_decay, o->l1);
        for (int i = 0; i < COUNT; i++)
            exact_sgd(o, (double)rate, first, (double)g[i], &wanted[i], &wanted_buffer[i]);
        free(g);
    }
    check_parameters(p, other, wanted);
    free(p);
    free(other);
    free(buffer);
    free(other_buffer);
}
END_TEST

/* ---- Adam and AdamW ---- */

static const struct adam_options {
    float weight_decay;
    bool decoupled;
    float l1;
} adam_cases[] = {
    {0.0f, false, 0.0f}, {0.1f, false, 0.0f}, {0.1f, true, 0.0f}, {0.05f, true, 0.1f}, {0.0f, false, 0.1f}};

typedef struct moments {
    double m, v;
} moments;

static void exact_adam(const struct adam_options *o, double rate, double beta1, double beta2, double eps, int step,
                       double gradient, double *p, moments *at) {
    double g = gradient + (double)o->l1 * sign(*p);
    if (o->decoupled)
        *p *= 1.0 - rate * (double)o->weight_decay;
    else
        g += (double)o->weight_decay * *p;
    at->m = beta1 * at->m + (1.0 - beta1) * g;
    at->v = beta2 * at->v + (1.0 - beta2) * g * g;
    double denominator = sqrt(at->v) / sqrt(1.0 - pow(beta2, step)) + eps;
    *p -= rate / (1.0 - pow(beta1, step)) * at->m / denominator;
}

START_TEST(adam_follows_its_formula) {
    const struct adam_options *o = &adam_cases[_i];
    const float rate = 0.01f, beta1 = 0.9f, beta2 = 0.999f, eps = 1e-8f;
    cn__rng rng = cn__rng_new(32, 0, (uint64_t)_i);
    float *p = with_gap(&rng), *m = zeros(), *v = zeros();
    float *other = lines_new(LINES), *other_m = zeros(), *other_v = zeros();
    double wanted[COUNT];
    moments at[COUNT] = {{0.0, 0.0}};
    memcpy(other, p, COUNT * sizeof *p);
    for (int i = 0; i < COUNT; i++)
        wanted[i] = (double)p[i];
    for (int step = 1; step <= STEPS; step++) {
        float *g = with_gap(&rng);
        float correction1 = (float)(1.0 - pow((double)beta1, step));
        float correction2 = (float)sqrt(1.0 - pow((double)beta2, step));
        kernels->adam(COUNT, p, g, m, v, rate, beta1, beta2, eps, correction1, correction2, o->weight_decay,
                      o->decoupled, o->l1);
        twin->adam(COUNT, other, g, other_m, other_v, rate, beta1, beta2, eps, correction1, correction2,
                   o->weight_decay, o->decoupled, o->l1);
        for (int i = 0; i < COUNT; i++)
            exact_adam(o, (double)rate, (double)beta1, (double)beta2, (double)eps, step, (double)g[i], &wanted[i],
                       &at[i]);
        free(g);
    }
    check_parameters(p, other, wanted);
    free(p);
    free(m);
    free(v);
    free(other);
    free(other_m);
    free(other_v);
}
END_TEST

/* ---- averages ---- */

START_TEST(an_average_moves_by_its_share) {
    const float decay = 0.9f;
    cn__rng rng = cn__rng_new(33, 0, 0);
    float *average = with_gap(&rng), *other = lines_new(LINES);
    double wanted[COUNT];
    memcpy(other, average, COUNT * sizeof *average);
    for (int i = 0; i < COUNT; i++)
        wanted[i] = (double)average[i];
    for (int step = 0; step < STEPS; step++) {
        float *value = with_gap(&rng);
        kernels->average(COUNT, average, value, decay);
        twin->average(COUNT, other, value, decay);
        for (int i = 0; i < COUNT; i++)
            wanted[i] = (double)decay * wanted[i] + (1.0 - (double)decay) * (double)value[i];
        free(value);
    }
    check_parameters(average, other, wanted);
    free(average);
    free(other);
}
END_TEST

/* ---- orthogonalisation ---- */

enum { MAX_ROWS = 36, MAX_COLUMNS = 80 };

typedef double wide[MAX_COLUMNS];

/* One Newton-Schulz step of x, [rows][columns]. */
static void exact_step(int rows, int columns, wide *x) {
    static double square[MAX_ROWS][MAX_ROWS], polynomial[MAX_ROWS][MAX_ROWS], next[MAX_ROWS][MAX_COLUMNS];
    for (int i = 0; i < rows; i++)
        for (int j = 0; j < rows; j++) {
            square[i][j] = 0.0;
            for (int k = 0; k < columns; k++)
                square[i][j] += x[i][k] * x[j][k];
        }
    for (int i = 0; i < rows; i++)
        for (int j = 0; j < rows; j++) {
            double fourth = 0.0;
            for (int k = 0; k < rows; k++)
                fourth += square[i][k] * square[k][j];
            polynomial[i][j] = -4.7750 * square[i][j] + 2.0315 * fourth;
        }
    for (int i = 0; i < rows; i++)
        for (int j = 0; j < columns; j++) {
            next[i][j] = 3.4445 * x[i][j];
            for (int k = 0; k < rows; k++)
                next[i][j] += polynomial[i][k] * x[k][j];
        }
    memcpy(x, next, (size_t)rows * sizeof *x);
}

static void exact_orthogonal(int rows, int columns, wide *x) {
    double sum = 0.0;
    for (int i = 0; i < rows; i++)
        for (int j = 0; j < columns; j++)
            sum += x[i][j] * x[i][j];
    for (int i = 0; i < rows; i++)
        for (int j = 0; j < columns; j++)
            x[i][j] /= sqrt(sum) + 1e-7;
    for (int step = 0; step < 5; step++)
        exact_step(rows, columns, x);
}

static const struct {
    int rows, columns, padded_rows, padded_columns;
} shapes[] = {{4, 16, 4, 16}, {16, 27, 16, 32}, {3, 5, 4, 16}, {36, 80, 36, 80}, {10, 64, 12, 64}, {1, 1, 4, 16}};

START_TEST(orthogonalising_follows_its_formula) {
    static double wanted[MAX_ROWS][MAX_COLUMNS];
    int rows = shapes[_i].rows, columns = shapes[_i].columns, stride = shapes[_i].padded_columns;
    size_t padded = (size_t)shapes[_i].padded_rows, count = padded * (size_t)stride;
    size_t work_lines = cn__orthogonalize_work(padded, (size_t)stride) / CN__LANES;
    cn__rng rng = cn__rng_new(34, 0, (uint64_t)_i);
    float *x = lines_new(count / CN__LANES), *other = lines_new(count / CN__LANES), *work = lines_new(work_lines);
    memset(x, 0, count * sizeof *x);
    for (int i = 0; i < rows; i++)
        for (int j = 0; j < columns; j++)
            wanted[i][j] = (double)(x[i * stride + j] = cn__rng_normal(&rng));
    memcpy(other, x, count * sizeof *x);
    exact_orthogonal(rows, columns, wanted);
    kernels->orthogonalize(padded, (size_t)stride, x, work);
    twin->orthogonalize(padded, (size_t)stride, other, work);
    ck_assert_mem_eq(x, other, count * sizeof *x);
    for (size_t i = 0; i < count; i++) {
        int row = (int)i / stride, column = (int)i % stride;
        double value = row < rows && column < columns ? wanted[row][column] : 0.0;
        ck_assert_double_eq_tol((double)x[i], value, 1e-4);
    }
    free(x);
    free(other);
    free(work);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("kernels: updates");
    TCase *tests = tcase_create("updates");
    tcase_add_checked_fixture(tests, choose_kernels, NULL);
    tcase_add_loop_test(tests, sgd_follows_its_formula, 0, (int)CN__COUNT(sgd_cases));
    tcase_add_loop_test(tests, adam_follows_its_formula, 0, (int)CN__COUNT(adam_cases));
    tcase_add_test(tests, an_average_moves_by_its_share);
    tcase_add_loop_test(tests, orthogonalising_follows_its_formula, 0, (int)CN__COUNT(shapes));
    suite_add_tcase(suite, tests);
    return test_run(suite);
}
