/* SPDX-License-Identifier: MIT */
/* test_kernels_norm_softmax_nchw16c.c: norms, PReLU and softmax with channels in the lanes, against plain loops on small
 * integers or in double, and AVX2 against AVX-512 to the bit. */
#include "planes.h"
#include "testing.h"
#include <math.h>
#include <stdlib.h>

#define ROUNDS (test_quick() ? 40 : 400)

static size_t planes_of(int32_t channels) {
    return ((size_t)channels + CN__LANES - 1) / CN__LANES;
}

/* ---- a scale, shift or slope for each lane ---- */

START_TEST(norms_scale_and_shift_each_lane) {
    for (uint64_t round = 0; round < (uint64_t)ROUNDS; round++) {
        cn__rng rng = cn__rng_new(24, 0, round);
        int32_t height = between(&rng, 1, 5), width = between(&rng, 1, 9);
        float *lines = lines_random(&rng, 4, 3.0f, 1);
        cn__plane x = plane_random(&rng, height, width, 3.0f, 1), skip = plane_random(&rng, height, width, 3.0f, 1);
        cn__plane y = plane_new(height, width);
        cn__pointwise_args args = {.height = height,
                                   .width = width,
                                   .x = x,
                                   .y = y,
                                   .center = lines,
                                   .inv = lines + CN__LANES,
                                   .weights = lines + 2 * CN__LANES,
                                   .biases = lines + 3 * CN__LANES,
                                   .relu = round % 2};
        if (round & 2)
            args.skip = skip;
        kernels->pointwise(&args);
        for (int32_t r = 0; r < height; r++)
            for (int32_t c = 0; c < width; c++)
                for (int l = 0; l < CN__LANES; l++) {
                    float scale = lines[CN__LANES + l] * lines[2 * CN__LANES + l];
                    float value = (*plane_at(x, r, c, l) - lines[l]) * scale + lines[3 * CN__LANES + l];
                    value += round & 2 ? *plane_at(skip, r, c, l) : 0.0f;
                    ck_assert_float_eq(*plane_at(y, r, c, l), args.relu && value < 0.0f ? 0.0f : value);
                }
        check_guard(y, height, width);
        plane_free(x);
        plane_free(skip);
        plane_free(y);
        free(lines);
    }
}
END_TEST

START_TEST(each_lane_has_a_weight_below_zero) {
    for (uint64_t round = 0; round < (uint64_t)ROUNDS; round++) {
        cn__rng rng = cn__rng_new(26, 0, round);
        int32_t height = between(&rng, 1, 5), width = between(&rng, 1, 6);
        float *weight = lines_random(&rng, 1, 2.0f, 0);
        cn__plane x = plane_random(&rng, height, width, 3.0f, 0), y = plane_new(height, width);
        kernels->channel_prelu(weight, x, y, height, width);
        for (int32_t r = 0; r < height; r++)
            for (int32_t c = 0; c < width; c++)
                for (int l = 0; l < CN__LANES; l++) {
                    float value = *plane_at(x, r, c, l);
                    ck_assert_float_eq(*plane_at(y, r, c, l), value > 0.0f ? value : weight[l] * value);
                }
        check_guard(y, height, width);
        plane_free(x);
        plane_free(y);
        free(weight);
    }
}
END_TEST

START_TEST(each_lane_has_a_gradient_of_its_weight) {
    for (uint64_t round = 0; round < (uint64_t)ROUNDS; round++) {
        cn__rng rng = cn__rng_new(27, 0, round);
        int32_t height = between(&rng, 1, 5), width = between(&rng, 1, 6);
        float *weight = lines_random(&rng, 1, 3.0f, 1), *sums = lines_new(1);
        cn__plane x = plane_random(&rng, height, width, 3.0f, 1), dy = plane_random(&rng, height, width, 3.0f, 1);
        cn__plane dx = plane_random(&rng, height, width, 3.0f, 1), none = {NULL, 0, 0};
        cn__plane before = plane_copy(dx, height, width);
        kernels->channel_prelu_backward(weight, x, dy, round % 3 ? dx : none, height, width, round % 2, sums);
        for (int l = 0; l < CN__LANES; l++) {
            float sum = 0.0f;
            for (int32_t i = 0; i < height * width; i++) {
                float value = *plane_at(x, i / width, i % width, l), d = *plane_at(dy, i / width, i % width, l);
                float had = *plane_at(before, i / width, i % width, l);
                float wanted = (value > 0.0f ? d : weight[l] * d) + (round % 2 ? had : 0.0f);
                sum += d * fminf(value, 0.0f);
                ck_assert_float_eq(*plane_at(dx, i / width, i % width, l), round % 3 ? wanted : had);
            }
            ck_assert_float_eq(sums[l], sum);
        }
        check_guard(dx, height, width);
        plane_free(x);
        plane_free(dy);
        plane_free(dx);
        plane_free(before);
        free(weight);
        free(sums);
    }
}
END_TEST

/* ---- softmax ---- */

/* Planes above each other in one tall plane. */
typedef struct stack {
    cn__plane plane;
    size_t step;
} stack;

static stack stack_new(cn__rng *rng, int32_t channels, int32_t height, int32_t width) {
    stack s = {.plane = plane_random(rng, height * (int32_t)planes_of(channels), width, 20.0f, 0)};
    s.step = (size_t)height * s.plane.row;
    return s;
}

static float *stack_at(stack s, int32_t channel, int32_t row, int32_t column) {
    return plane_at(s.plane, row, column, channel % CN__LANES) + (size_t)(channel / CN__LANES) * s.step;
}

static double denominator(stack x, int32_t channels, int32_t row, int32_t column, double *largest) {
    double sum = 0.0;
    *largest = -INFINITY;
    for (int32_t c = 0; c < channels; c++)
        *largest = fmax(*largest, (double)*stack_at(x, c, row, column));
    for (int32_t c = 0; c < channels; c++)
        sum += exp((double)*stack_at(x, c, row, column) - *largest);
    return sum;
}

static void check_softmax(bool logarithm, stack x, stack y, int32_t channels, int32_t height, int32_t width) {
    for (int32_t r = 0; r < height; r++)
        for (int32_t c = 0; c < width; c++) {
            double largest, sum = denominator(x, channels, r, c, &largest);
            for (int32_t k = 0; k < channels; k++) {
                double shifted = (double)*stack_at(x, k, r, c) - largest, got = (double)*stack_at(y, k, r, c);
                double wanted = logarithm ? shifted - log(sum) : exp(shifted) / sum;
                ck_assert_double_eq_tol(got, wanted, 2e-6 * fmax(fabs(wanted), logarithm ? 1.0 : 1e-6));
            }
            for (int32_t k = channels; k < (int32_t)planes_of(channels) * CN__LANES; k++)
                ck_assert_float_eq(*stack_at(y, k, r, c), 0.0f);
        }
}

/* Lanes without a channel hold NaN, which must not matter. */
START_TEST(softmax_counts_channels_only) {
    for (uint64_t round = 0; round < (uint64_t)ROUNDS; round++) {
        cn__rng rng = cn__rng_new(25, 0, round);
        int32_t channels = between(&rng, 1, 40), height = between(&rng, 1, 3), width = between(&rng, 1, 4);
        int32_t tall = height * (int32_t)planes_of(channels);
        stack x = stack_new(&rng, channels, height, width), y = stack_new(&rng, channels, height, width);
        stack z = stack_new(&rng, channels, height, width);
        for (int32_t k = channels; k < (int32_t)planes_of(channels) * CN__LANES; k++)
            for (int32_t i = 0; i < height * width; i++)
                *stack_at(x, k, i / width, i % width) = NAN;
        kernels->channel_softmax(round % 2, channels, x.plane, x.step, y.plane, y.step, height, width);
        twin->channel_softmax(round % 2, channels, x.plane, x.step, z.plane, z.step, height, width);
        check_softmax(round % 2, x, y, channels, height, width);
        check_same_bits(y.plane, z.plane, tall, width);
        check_guard(y.plane, tall, width);
        plane_free(x.plane);
        plane_free(y.plane);
        plane_free(z.plane);
    }
}
END_TEST

/* ---- gradients over the channels of a pixel ---- */

/* What goes in and out of one: y, or x of a layer norm; lanes without a channel hold NaN. */
typedef struct gradient {
    int32_t channels, height, width;
    stack y, dy, dx, bits;
} gradient;

static void spoil(stack s, const gradient *g) {
    for (int32_t k = g->channels; k < (int32_t)planes_of(g->channels) * CN__LANES; k++)
        for (int32_t i = 0; i < g->height * g->width; i++)
            *stack_at(s, k, i / g->width, i % g->width) = NAN;
}

static gradient gradient_new(cn__rng *rng) {
    gradient g = {between(rng, 1, 40), between(rng, 1, 3), between(rng, 1, 4), {.step = 0},
                  {.step = 0},         {.step = 0},        {.step = 0}};
    g.y = stack_new(rng, g.channels, g.height, g.width);
    g.dy = stack_new(rng, g.channels, g.height, g.width);
    g.dx = stack_new(rng, g.channels, g.height, g.width);
    g.bits = (stack){plane_copy(g.dx.plane, g.height * (int32_t)planes_of(g.channels), g.width), g.dx.step};
    spoil(g.y, &g);
    spoil(g.dy, &g);
    return g;
}

static void gradient_free(const gradient *g) {
    int32_t tall = g->height * (int32_t)planes_of(g->channels);
    check_guard(g->dx.plane, tall, g->width);
    plane_free(g->y.plane);
    plane_free(g->dy.plane);
    plane_free(g->dx.plane);
    plane_free(g->bits.plane);
}

START_TEST(gradients_of_softmax_count_channels_only) {
    for (uint64_t round = 0; round < (uint64_t)ROUNDS; round++) {
        cn__rng rng = cn__rng_new(28, 0, round);
        gradient g = gradient_new(&rng);
        bool logarithm = round % 2;
        for (int32_t i = 0; i < g.channels * g.height * g.width; i++) /* outputs are of this size */
            *stack_at(g.y, i / g.width / g.height, i / g.width % g.height, i % g.width) *= 0.1f;
        kernels->channel_softmax_backward(logarithm, g.channels, g.y.plane, g.y.step, g.dy.plane, g.dy.step, g.dx.plane,
                                          g.dx.step, g.height, g.width, false);
        twin->channel_softmax_backward(logarithm, g.channels, g.y.plane, g.y.step, g.dy.plane, g.dy.step, g.bits.plane,
                                       g.bits.step, g.height, g.width, false);
        for (int32_t i = 0; i < g.height * g.width; i++) {
            int32_t r = i / g.width, c = i % g.width;
            double sum = 0.0;
            for (int32_t k = 0; k < g.channels; k++)
                sum += (double)*stack_at(g.dy, k, r, c) * (logarithm ? 1.0 : (double)*stack_at(g.y, k, r, c));
            for (int32_t k = 0; k < g.channels; k++) {
                double y = (double)*stack_at(g.y, k, r, c), d = (double)*stack_at(g.dy, k, r, c);
                double wanted = logarithm ? d - exp(y) * sum : y * (d - sum), size = logarithm ? exp(y) : fabs(y);
                ck_assert_double_eq_tol((double)*stack_at(g.dx, k, r, c), wanted, 1e-5 * (20.0 + 800.0 * size));
                ck_assert_float_eq(*stack_at(g.dx, k, r, c), *stack_at(g.bits, k, r, c));
            }
        }
        gradient_free(&g);
    }
}
END_TEST

/* dx = inv · (w·dy - Σ w·dy / C - x̂ · Σ w·dy·x̂ / C). */
static double layer_norm_gradient(const gradient *g, const float *weight, int32_t k, int32_t r, int32_t c, double mean,
                                  double inv) {
    double plain = 0.0, product = 0.0;
    for (int32_t i = 0; i < g->channels; i++) {
        double d = (double)weight[i] * (double)*stack_at(g->dy, i, r, c);
        plain += d;
        product += d * ((double)*stack_at(g->y, i, r, c) - mean) * inv;
    }
    double normal = ((double)*stack_at(g->y, k, r, c) - mean) * inv;
    return inv * ((double)weight[k] * (double)*stack_at(g->dy, k, r, c) - plain / g->channels -
                  normal * product / g->channels);
}

START_TEST(gradients_of_layer_norm_count_channels_only) {
    for (uint64_t round = 0; round < (uint64_t)ROUNDS; round++) {
        cn__rng rng = cn__rng_new(29, 0, round);
        gradient g = gradient_new(&rng);
        float *lines = lines_random(&rng, planes_of(g.channels) + 2 * (size_t)g.width, 1.0f, 0), *mean, *inv;
        mean = lines + planes_of(g.channels) * CN__LANES;
        inv = mean + g.width * CN__LANES;
        cn__layer_norm_args args = {.channels = g.channels,
                                    .width = g.width,
                                    .x = g.y.plane.data,
                                    .x_channel = g.y.step,
                                    .y_channel = g.dx.step,
                                    .x_gradient_channel = g.dx.step,
                                    .weight = lines,
                                    .eps = 1e-5f};
        kernels->channel_layer_norm(&args, g.dx.plane.data, mean, inv);
        args.y_channel = g.dy.step;
        kernels->channel_layer_norm_backward(&args, g.dy.plane.data, g.dx.plane.data, mean, inv, false);
        twin->channel_layer_norm_backward(&args, g.dy.plane.data, g.bits.plane.data, mean, inv, false);
        for (int32_t i = 0; i < g.channels * g.width && g.channels > 2; i++) {
            int32_t k = i / g.width, c = i % g.width;
            double scale = (double)inv[c * CN__LANES];
            double wanted = layer_norm_gradient(&g, lines, k, 0, c, (double)mean[c * CN__LANES + 7], scale);
            ck_assert_double_eq_tol((double)*stack_at(g.dx, k, 0, c), wanted, 1e-4 * fmax(1.0, scale));
            ck_assert_float_eq(*stack_at(g.dx, k, 0, c), *stack_at(g.bits, k, 0, c));
        }
        free(lines);
        gradient_free(&g);
    }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("kernels: norms and softmax, channels in the lanes");
    TCase *tests = tcase_create("norms and softmax");
    tcase_add_checked_fixture(tests, choose_kernels, NULL);
    tcase_add_test(tests, norms_scale_and_shift_each_lane);
    tcase_add_test(tests, each_lane_has_a_weight_below_zero);
    tcase_add_test(tests, each_lane_has_a_gradient_of_its_weight);
    tcase_add_test(tests, softmax_counts_channels_only);
    tcase_add_test(tests, gradients_of_softmax_count_channels_only);
    tcase_add_test(tests, gradients_of_layer_norm_count_channels_only);
    suite_add_tcase(suite, tests);
    return test_run(suite);
}
