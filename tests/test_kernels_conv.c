/* SPDX-License-Identifier: MIT */
/* test_kernels_conv.c: convolution kernels on small integers, where float sums are exact and every
 * instruction set must give what plain loops give. */
#include "planes.h"
#include "testing.h"
#include <math.h>
#include <stdlib.h>

#define ROUNDS 60

/* A whole number from -3 to 3 in every place. */
static float *whole_numbers(cn__rng *rng, size_t count) {
    return lines_random(rng, cn__whole_lines(count) / CN__LANES, 3.0f, 1);
}

/* A convolution of stride 1 without borders, in the kernels' layout. */
typedef struct problem {
    int32_t in, out, height, width, kernel; /* height and width of the output */
    size_t x_row, x_channel, x_floats, y_row, y_channel, y_floats;
    float *x, *y, *weights;
    cn__tap taps[9];
    int32_t *pixel_in, *pixel_out, *column;
    float *scratch;
} problem;

static problem problem_new(cn__rng *rng) {
    problem p = {
        .in = between(rng, 1, 9),
        .out = between(rng, 1, 9),
    };
    if (between(rng, 0, 3) == 0) /* as in a depthwise convolution */
        p.in = p.out = 1;
    p.height = between(rng, 1, 6);
    p.width = between(rng, 1, 7);
    p.kernel = between(rng, 1, 3);
    p.x_row = (size_t)(p.width + p.kernel - 1) * CN__LANES;
    p.x_channel = p.x_row * (size_t)(p.height + p.kernel - 1) + CN__LANES;
    p.x_floats = p.x_channel * (size_t)p.in;
    p.y_row = (size_t)(p.width + 1) * CN__LANES;
    p.y_channel = p.y_row * (size_t)p.height;
    p.y_floats = p.y_channel * (size_t)p.out;
    p.x = whole_numbers(rng, p.x_floats);
    p.y = whole_numbers(rng, p.y_floats);
    p.weights = whole_numbers(rng, (size_t)p.in * 9 * 2 * CN__OC_BLOCK); /* of two blocks of outputs */
    size_t pixels = (size_t)p.height * (size_t)p.width;
    p.pixel_in = malloc(pixels * sizeof *p.pixel_in);
    p.pixel_out = malloc(pixels * sizeof *p.pixel_out);
    p.column = malloc((size_t)p.in * 9 * sizeof *p.column);
    p.scratch = whole_numbers(rng, CN__CONV_WEIGHT_FLOATS(p.out, p.in * p.kernel * p.kernel));
    ck_assert(p.pixel_in && p.pixel_out && p.column);
    for (int32_t i = 0; i < p.height * p.width; i++) {
        p.pixel_in[i] = i / p.width * (int32_t)p.x_row + i % p.width * CN__LANES;
        p.pixel_out[i] = i / p.width * (int32_t)p.y_row + i % p.width * CN__LANES;
    }
    for (int32_t t = 0; t < p.kernel * p.kernel; t++) {
        p.taps[t].input = t / p.kernel * (int32_t)p.x_row + t % p.kernel * CN__LANES;
        p.taps[t].weight = t;
        for (int32_t c = 0; c < p.in; c++)
            p.column[c * p.kernel * p.kernel + t] = c * (int32_t)p.x_channel + p.taps[t].input;
    }
    return p;
}

static void problem_free(problem *p) {
    free(p->x);
    free(p->y);
    free(p->weights);
    free(p->pixel_in);
    free(p->pixel_out);
    free(p->column);
    free(p->scratch);
}

static float plain_conv(const problem *p, int32_t row, int32_t pixel, int32_t lane, float start) {
    float sum = start;
    int32_t taps = p->kernel * p->kernel;
    const float *weights = p->weights + row / CN__OC_BLOCK * p->in * taps * CN__OC_BLOCK + row % CN__OC_BLOCK;
    for (int32_t c = 0; c < p->in; c++)
        for (int32_t t = 0; t < taps; t++)
            sum += weights[(c * taps + t) * CN__OC_BLOCK] *
                   p->x[(size_t)c * p->x_channel + (size_t)(p->pixel_in[pixel] + p->taps[t].input + lane)];
    return sum;
}

static cn__conv_args conv_args(const problem *p, const float *bias) {
    return (cn__conv_args){.in = p->x,
                           .in_channel = p->x_channel,
                           .in_channels = p->in,
                           .weights = p->weights,
                           .weight_block = (size_t)(p->in * p->kernel * p->kernel) * CN__OC_BLOCK,
                           .taps = p->kernel * p->kernel,
                           .bias = bias,
                           .bias_block = CN__OC_BLOCK,
                           .out = p->y,
                           .out_channel = p->y_channel,
                           .out_channels = p->out};
}

static cn__conv_job all_pixels(const problem *p, bool accumulate) {
    return (cn__conv_job){.taps = p->taps,
                          .tap_count = p->kernel * p->kernel,
                          .pixel_count = p->height * p->width,
                          .pixel_in = p->pixel_in,
                          .pixel_out = p->pixel_out,
                          .accumulate = accumulate};
}

static void check_conv(const problem *p, bool accumulate, const float *bias) {
    size_t floats = p->y_floats;
    float *before = malloc(floats * sizeof *before);
    ck_assert_ptr_nonnull(before);
    memcpy(before, p->y, floats * sizeof *before);
    cn__conv_args args = conv_args(p, bias);
    cn__conv_job job = all_pixels(p, accumulate);
    kernels->conv(&args, &job);
    for (int32_t r = 0; r < p->out; r++)
        for (int32_t i = 0; i < p->height * p->width; i++)
            for (int32_t l = 0; l < CN__LANES; l++) {
                size_t at = (size_t)r * p->y_channel + (size_t)(p->pixel_out[i] + l);
                float start = accumulate ? before[at] : bias ? bias[r] : 0.0f;
                ck_assert_float_eq(p->y[at], plain_conv(p, r, i, l, start));
            }
    for (int32_t r = 0; r < p->out; r++) /* the column beside the image */
        ck_assert_float_eq(p->y[(size_t)r * p->y_channel + p->y_row - 1],
                           before[(size_t)r * p->y_channel + p->y_row - 1]);
    free(before);
}

START_TEST(convolutions_equal_plain_loops) {
    const float bias[2 * CN__OC_BLOCK] = {1, 2, 3, 4, 5, 6, 7, 8, 9};
    for (uint64_t round = 0; round < ROUNDS; round++) {
        cn__rng rng = cn__rng_new(11, 0, round);
        problem p = problem_new(&rng);
        check_conv(&p, false, NULL);
        check_conv(&p, false, bias);
        check_conv(&p, true, NULL);
        problem_free(&p);
    }
}
END_TEST

START_TEST(a_pixel_without_taps_becomes_zero) {
    float out[CN__LANES] __attribute__((aligned(CN__ALIGN)));
    float weights[CN__OC_BLOCK] = {0};
    int32_t origin = 0;
    for (int l = 0; l < CN__LANES; l++)
        out[l] = 7.0f;
    cn__conv_args args = {.in = out,
                          .in_channel = CN__LANES,
                          .in_channels = 1,
                          .weights = weights,
                          .taps = 1,
                          .out = out,
                          .out_channel = CN__LANES,
                          .out_channels = 1};
    cn__conv_job job = {.pixel_count = 1, .pixel_in = &origin, .pixel_out = &origin, .accumulate = true};
    kernels->conv(&args, &job);
    ck_assert_float_eq(out[15], 7.0f);
    job.accumulate = false;
    kernels->conv(&args, &job);
    for (int l = 0; l < CN__LANES; l++)
        ck_assert_float_eq(out[l], 0.0f);
}
END_TEST

static float plain_weight(const problem *p, int32_t row, int32_t column, int32_t lanes) {
    float sum = 0.0f;
    for (int32_t i = 0; i < p->height * p->width; i++)
        for (int32_t l = 0; l < lanes; l++)
            sum += p->y[(size_t)row * p->y_channel + (size_t)(p->pixel_out[i] + l)] *
                   p->x[(size_t)(p->column[column] + p->pixel_in[i] + l)];
    return sum;
}

/* Lanes that hold no image may hold anything at all. */
static void spoil_lanes(const problem *p, int32_t lanes) {
    for (size_t i = 0; i < p->x_floats; i++)
        if ((int32_t)(i % CN__LANES) >= lanes)
            p->x[i] = NAN;
    for (size_t i = 0; i < p->y_floats; i++)
        if ((int32_t)(i % CN__LANES) >= lanes)
            p->y[i] = INFINITY;
}

static cn__conv_weight_args weight_args(const problem *p, int32_t lanes, float *out, size_t out_row) {
    return (cn__conv_weight_args){.height = p->height,
                                  .width = p->width,
                                  .lanes = lanes,
                                  .dy = p->y,
                                  .dy_channel = p->y_channel,
                                  .dy_row = p->y_row,
                                  .rows = p->out,
                                  .x = p->x,
                                  .x_row = p->x_row,
                                  .x_step = CN__LANES,
                                  .column = p->column,
                                  .columns = p->in * p->kernel * p->kernel,
                                  .out = out,
                                  .out_row = out_row,
                                  .scratch = p->scratch};
}

START_TEST(weight_gradients_equal_plain_loops) {
    for (uint64_t round = 0; round < ROUNDS; round++) {
        cn__rng rng = cn__rng_new(12, 0, round);
        problem p = problem_new(&rng);
        int32_t columns = p.in * p.kernel * p.kernel, lanes = between(&rng, 1, CN__LANES);
        size_t row = (size_t)columns + 1;
        float *out = whole_numbers(&rng, row * (size_t)p.out);
        spoil_lanes(&p, lanes);
        cn__conv_weight_args args = weight_args(&p, lanes, out, row);
        float guard = out[columns];
        kernels->conv_weight(&args);
        for (int32_t r = 0; r < p.out; r++)
            for (int32_t q = 0; q < columns; q++)
                ck_assert_float_eq(out[(size_t)r * row + (size_t)q], plain_weight(&p, r, q, lanes));
        args.accumulate = true;
        kernels->conv_weight(&args);
        for (int32_t r = 0; r < p.out; r++)
            for (int32_t q = 0; q < columns; q++)
                ck_assert_float_eq(out[(size_t)r * row + (size_t)q], 2.0f * plain_weight(&p, r, q, lanes));
        ck_assert_float_eq(out[columns], guard);
        free(out);
        problem_free(&p);
    }
}
END_TEST

/* Sums of fractions round, so their order shows. */
START_TEST(instruction_sets_with_fma_agree_to_the_bit) {
    if (twin == kernels)
        return;
    for (uint64_t round = 0; round < ROUNDS; round++) {
        cn__rng rng = cn__rng_new(13, 0, round);
        problem p = problem_new(&rng);
        int32_t columns = p.in * p.kernel * p.kernel, lanes = between(&rng, 1, CN__LANES);
        size_t floats = (size_t)columns * (size_t)p.out;
        float *one = whole_numbers(&rng, floats), *two = whole_numbers(&rng, floats);
        for (size_t i = 0; i < p.x_floats; i++)
            p.x[i] = cn__rng_normal(&rng);
        for (size_t i = 0; i < p.y_floats; i++)
            p.y[i] = cn__rng_normal(&rng);
        cn__conv_weight_args args = weight_args(&p, lanes, one, (size_t)columns);
        kernels->conv_weight(&args);
        args.out = two;
        twin->conv_weight(&args);
        ck_assert_mem_eq(one, two, floats * sizeof *one);
        float *y = whole_numbers(&rng, p.y_floats);
        memcpy(y, p.y, p.y_floats * sizeof *y);
        cn__conv_args conv = conv_args(&p, NULL);
        cn__conv_job job = all_pixels(&p, true);
        kernels->conv(&conv, &job);
        conv.out = y;
        twin->conv(&conv, &job);
        ck_assert_mem_eq(p.y, y, p.y_floats * sizeof *y);
        free(one);
        free(two);
        free(y);
        problem_free(&p);
    }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("convolution kernels");
    TCase *tests = tcase_create("convolution");
    tcase_add_checked_fixture(tests, choose_kernels, NULL);
    tcase_add_test(tests, convolutions_equal_plain_loops);
    tcase_add_test(tests, a_pixel_without_taps_becomes_zero);
    tcase_add_test(tests, weight_gradients_equal_plain_loops);
    tcase_add_test(tests, instruction_sets_with_fma_agree_to_the_bit);
    suite_add_tcase(suite, tests);
    return test_run(suite);
}
