/* test_kernels_update.c: optimiser steps against torch.optim's formulas in double. */
#include "planes.h"
#include "testing.h"
#include <math.h>
#include <stdlib.h>

enum { LINES = 5, COUNT = LINES * CN__LANES, STEPS = 20 };

static const cn__kernels *kernels, *twin;

static void choose_kernels(void) {
    kernels = kernels_in_use();
    twin = kernels_twin();
}

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

int main(void) {
    Suite *suite = suite_create("kernels: updates");
    TCase *tests = tcase_create("updates");
    tcase_add_checked_fixture(tests, choose_kernels, NULL);
    tcase_add_loop_test(tests, sgd_follows_its_formula, 0, (int)CN__COUNT(sgd_cases));
    tcase_add_loop_test(tests, adam_follows_its_formula, 0, (int)CN__COUNT(adam_cases));
    suite_add_tcase(suite, tests);
    return test_run(suite);
}
