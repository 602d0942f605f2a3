/* test_kernels_channels.c: kernels for channels in the lanes: convolutions on small integers against plain loops, norms
 * and softmax against the same in double, and AVX2 against AVX-512 to the bit. */
#include "planes.h"
#include "testing.h"
#include <math.h>
#include <stdlib.h>

#define ROUNDS (test_quick() ? 40 : 400)

static const cn__kernels *kernels, *twin;

static void choose_kernels(void) {
    kernels = kernels_in_use();
    twin = kernels_twin();
}

static int32_t between(cn__rng *rng, uint32_t least, uint32_t most) {
    return (int32_t)(least + cn__rng_below(rng, most - least + 1));
}

static size_t planes_of(int32_t channels) {
    return ((size_t)channels + CN__LANES - 1) / CN__LANES;
}

/* ---- convolution ---- */

enum { MAX_TAPS = 9 };

/* Maps are [plane][row][column][lane], with a column and a row to spare that must stay as they are. */
typedef struct problem {
    cn__channel_conv_args args;
    int32_t stride[2], in_height, in_width;
    cn__channel_tap taps[MAX_TAPS];
    size_t floats; /* of the output */
    float *in, *weights, *bias, *skip, *out;
} problem;

static void add_taps(cn__rng *rng, problem *p, size_t row) {
    int32_t kernel[2] = {between(rng, 1, 3), between(rng, 1, 3)},
            dilation[2] = {between(rng, 1, 2), between(rng, 1, 2)};
    for (int32_t y = 0; y < kernel[0]; y++)
        for (int32_t x = 0; x < kernel[1]; x++)
            if (between(rng, 0, 3))
                p->taps[p->args.tap_count++] = (cn__channel_tap){
                    y * dilation[0] * (ptrdiff_t)row + x * dilation[1] * CN__LANES, (size_t)(y * kernel[1] + x)};
    p->args.filter_taps = (size_t)(kernel[0] * kernel[1]);
    p->in_height = (p->args.height - 1) * p->stride[0] + (kernel[0] - 1) * dilation[0] + 1;
}

/* All of a 3×3 kernel's, side by side. */
static void add_square(problem *p, size_t row) {
    for (int32_t y = 0; y < 3; y++)
        for (int32_t x = 0; x < 3; x++)
            p->taps[p->args.tap_count++] = (cn__channel_tap){y * (ptrdiff_t)row + x * CN__LANES, (size_t)(y * 3 + x)};
    p->args.filter_taps = 9;
    p->in_height = (p->args.height - 1) * p->stride[0] + 3;
}

enum { USUAL, WIDE, DEPTHWISE };

static void problem_new(cn__rng *rng, int kind, problem *p) {
    cn__channel_conv_args *a = &p->args;
    *p = (problem){.stride = {between(rng, 1, 2), between(rng, 1, 3)}};
    if (between(rng, 0, 2))
        p->stride[1] = 1;
    a->channels = between(rng, 1, 70);
    a->height = between(rng, 1, 4);
    a->width = between(rng, 1, 33);
    a->in_channels = kind == DEPTHWISE ? a->channels : kind == WIDE ? between(rng, 300, 600) : between(rng, 1, 36);
    p->in_width = (a->width - 1) * p->stride[1] + 5;
    size_t row = (size_t)p->in_width * CN__LANES;
    if (kind == DEPTHWISE && between(rng, 0, 1))
        add_square(p, row);
    else
        add_taps(rng, p, row);
    a->in_row = (size_t)p->stride[0] * row;
    a->in_step = (size_t)p->stride[1] * CN__LANES;
    a->in_plane = row * (size_t)p->in_height;
    a->weight_plane = (size_t)(kind == DEPTHWISE ? 1 : a->in_channels) * a->filter_taps * CN__LANES;
    a->out_step = between(rng, 0, 2) ? CN__LANES : (size_t)between(rng, 2, 3) * CN__LANES;
    a->out_row = (size_t)(a->width + 1) * a->out_step;
    a->out_plane = a->out_row * (size_t)(a->height + 1);
    a->skip_step = (size_t)between(rng, 1, 2) * CN__LANES;
    a->skip_row = (size_t)(a->width + 1) * a->skip_step;
    a->skip_plane = a->skip_row * (size_t)(a->height + 1);
    p->floats = planes_of(a->channels) * a->out_plane;
    size_t skips = planes_of(a->channels) * a->skip_plane;
    p->in = lines_random(rng, planes_of(a->in_channels) * a->in_plane / CN__LANES, 3.0f, 1);
    p->weights = lines_random(rng, planes_of(a->channels) * a->weight_plane / CN__LANES, 3.0f, 1);
    p->bias = lines_random(rng, planes_of(a->channels), 3.0f, 1);
    p->skip = lines_random(rng, skips / CN__LANES, 3.0f, 1);
    p->out = lines_random(rng, p->floats / CN__LANES, 3.0f, 1);
    a->in = p->in;
    a->taps = p->taps;
    a->weights = p->weights;
    a->bias = between(rng, 0, 3) ? p->bias : NULL;
    a->accumulate = between(rng, 0, 1);
    a->skip = between(rng, 0, 1) ? p->skip : NULL;
    a->out = p->out;
    a->relu = between(rng, 0, 1);
    a->most = a->relu && between(rng, 0, 1) ? 6.0f : 0.0f;
}

static void problem_free(problem *p) {
    free(p->in);
    free(p->weights);
    free(p->bias);
    free(p->skip);
    free(p->out);
}

/* Weights are [plane of outputs][plane of inputs][tap][channel of the plane][lane]. */
static float weight(const cn__channel_conv_args *a, size_t out, size_t in, size_t filter) {
    size_t first = in / CN__LANES * CN__LANES, last = (size_t)a->in_channels - first;
    size_t channels = last < CN__LANES ? last : CN__LANES;
    size_t line = first * a->filter_taps + filter * channels + in % CN__LANES;
    return a->weights[out / CN__LANES * a->weight_plane + line * CN__LANES + out % CN__LANES];
}

static float rectified(const cn__channel_conv_args *a, float sum) {
    sum = a->relu && sum < 0.0f ? 0.0f : sum;
    return a->most > 0.0f && sum > a->most ? a->most : sum;
}

static float plain(const cn__channel_conv_args *a, float before, size_t o, size_t y, size_t x) {
    float sum = a->accumulate ? before : a->bias ? a->bias[o] : 0.0f;
    for (size_t c = 0; c < (size_t)a->in_channels; c++)
        for (size_t t = 0; t < a->tap_count; t++)
            sum += weight(a, o, c, a->taps[t].filter) * (a->in + c / CN__LANES * a->in_plane + y * a->in_row +
                                                         x * a->in_step)[a->taps[t].input + (ptrdiff_t)(c % CN__LANES)];
    if (a->skip)
        sum += a->skip[o / CN__LANES * a->skip_plane + y * a->skip_row + x * a->skip_step + o % CN__LANES];
    return rectified(a, sum);
}

/* Of each channel by itself; weights are [plane][tap][lane]. */
static float plain_depthwise(const cn__channel_conv_args *a, float before, size_t o, size_t y, size_t x) {
    const float *in = a->in + o / CN__LANES * a->in_plane + y * a->in_row + x * a->in_step;
    float sum = a->accumulate ? before : a->bias ? a->bias[o] : 0.0f;
    for (size_t t = 0; t < a->tap_count; t++)
        sum += a->weights[o / CN__LANES * a->weight_plane + a->taps[t].filter * CN__LANES + o % CN__LANES] *
               in[a->taps[t].input + (ptrdiff_t)(o % CN__LANES)];
    if (a->skip)
        sum += a->skip[o / CN__LANES * a->skip_plane + y * a->skip_row + x * a->skip_step + o % CN__LANES];
    return rectified(a, sum);
}

static void check_conv(const problem *p, void (*conv)(const cn__channel_conv_args *args),
                       float (*expected)(const cn__channel_conv_args *a, float before, size_t o, size_t y, size_t x)) {
    const cn__channel_conv_args *a = &p->args;
    float *before = lines_new(p->floats / CN__LANES);
    memcpy(before, p->out, p->floats * sizeof *before);
    conv(a);
    for (size_t o = 0; o < planes_of(a->channels) * CN__LANES; o++)
        for (size_t y = 0; y <= (size_t)a->height; y++)
            for (size_t x = 0; x < a->out_row / CN__LANES; x++) {
                size_t at = o / CN__LANES * a->out_plane + y * a->out_row + x * CN__LANES + o % CN__LANES;
                size_t step = a->out_step / CN__LANES;
                bool inside = y < (size_t)a->height && x < (size_t)a->width * step && x % step == 0;
                if (!inside)
                    ck_assert_float_eq(p->out[at], before[at]);
                else if (o < (size_t)a->channels)
                    ck_assert_float_eq(p->out[at], expected(a, before[at], o, y, x / step));
            }
    free(before);
}

START_TEST(convolutions_equal_plain_loops) {
    for (uint64_t round = 0; round < (uint64_t)ROUNDS; round++) {
        cn__rng rng = cn__rng_new(21, 0, round);
        problem p;
        problem_new(&rng, USUAL, &p);
        check_conv(&p, kernels->channel_conv, plain);
        problem_free(&p);
    }
}
END_TEST

/* Inputs that no cache would hold: sums go on from what they have left in the output. */
START_TEST(wide_convolutions_equal_plain_loops) {
    for (uint64_t round = 0; round < (uint64_t)ROUNDS / 20; round++) {
        cn__rng rng = cn__rng_new(28, 0, round);
        problem p;
        problem_new(&rng, WIDE, &p);
        check_conv(&p, kernels->channel_conv, plain);
        problem_free(&p);
    }
}
END_TEST

START_TEST(depthwise_convolutions_equal_plain_loops) {
    for (uint64_t round = 0; round < (uint64_t)ROUNDS; round++) {
        cn__rng rng = cn__rng_new(29, 0, round);
        problem p;
        problem_new(&rng, DEPTHWISE, &p);
        check_conv(&p, kernels->channel_depthwise, plain_depthwise);
        problem_free(&p);
    }
}
END_TEST

/* Packed weights and biases are zero there. */
START_TEST(lanes_without_a_channel_become_zero) {
    for (uint64_t round = 0; round < (uint64_t)ROUNDS; round++) {
        cn__rng rng = cn__rng_new(22, 0, round);
        problem p;
        problem_new(&rng, USUAL, &p);
        cn__channel_conv_args *a = &p.args;
        a->skip = NULL;
        a->accumulate = false;
        for (size_t o = (size_t)a->channels; o < planes_of(a->channels) * CN__LANES; o++) {
            p.bias[o] = 0.0f;
            for (size_t i = 0; i < (size_t)a->in_channels * a->filter_taps; i++)
                p.weights[o / CN__LANES * a->weight_plane + i * CN__LANES + o % CN__LANES] = 0.0f;
        }
        kernels->channel_conv(a);
        for (size_t o = (size_t)a->channels; o < planes_of(a->channels) * CN__LANES; o++)
            for (size_t y = 0; y < (size_t)a->height; y++)
                for (size_t x = 0; x < (size_t)a->width; x++)
                    ck_assert_float_eq(
                        p.out[o / CN__LANES * a->out_plane + y * a->out_row + x * a->out_step + o % CN__LANES], 0.0f);
        problem_free(&p);
    }
}
END_TEST

/* With numbers that round, so that the order of additions shows. */
START_TEST(convolutions_have_one_order) {
    for (uint64_t round = 0; round < (uint64_t)ROUNDS; round++) {
        cn__rng rng = cn__rng_new(23, 0, round);
        problem p;
        problem_new(&rng, USUAL, &p);
        for (size_t i = 0; i < planes_of(p.args.in_channels) * p.args.in_plane; i++)
            p.in[i] = cn__rng_normal(&rng);
        float *first = lines_new(p.floats / CN__LANES);
        memcpy(first, p.out, p.floats * sizeof *first);
        kernels->channel_conv(&p.args);
        p.args.out = first;
        twin->channel_conv(&p.args);
        for (size_t o = 0; o < (size_t)p.args.channels; o++)
            for (size_t y = 0; y < (size_t)p.args.height; y++)
                for (size_t x = 0; x < (size_t)p.args.width; x++) {
                    size_t at = o / CN__LANES * p.args.out_plane + y * p.args.out_row + x * CN__LANES + o % CN__LANES;
                    ck_assert_float_eq(p.out[at], first[at]);
                }
        free(first);
        problem_free(&p);
    }
}
END_TEST

/* ---- weight gradients ---- */

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
    *p = (weight_problem){.args = {.height = between(rng, 1, 4), .width = between(rng, 1, 9)}};
    a->lines = depthwise ? 1 : between(rng, 1, MAX_LINES);
    a->term_count = between(rng, 1, MAX_TERMS);
    a->x_step = (size_t)between(rng, 1, 3) * CN__LANES;
    a->dy_step = (size_t)between(rng, 1, 2) * CN__LANES;
    a->x_row = (size_t)a->width * a->x_step + (size_t)between(rng, 0, 1) * CN__LANES;
    a->dy_row = (size_t)a->width * a->dy_step + (size_t)between(rng, 0, 1) * CN__LANES;
    a->dy_plane = (size_t)a->height * a->dy_row + CN__LANES;
    for (int32_t t = 0; t < a->term_count; t++)
        p->terms[t] = between(rng, 0, 5) * CN__LANES + (depthwise ? 0 : between(rng, 0, CN__LANES - 1));
    p->sums = (size_t)a->lines * ((size_t)a->term_count + 1) * CN__LANES;
    p->x = lines_random(rng, (size_t)a->height * a->x_row / CN__LANES + 6, 3.0f, 1);
    p->dy = lines_random(rng, (size_t)a->lines * a->dy_plane / CN__LANES, 3.0f, 1);
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
    for (size_t y = 0; y < (size_t)a->height; y++)
        for (size_t i = 0; i < (size_t)a->width; i++) {
            const float *x = a->x + y * a->x_row + i * a->x_step;
            float dy = a->dy[line * a->dy_plane + y * a->dy_row + i * a->dy_step + lane];
            sum += term ? x[*term + (ptrdiff_t)(depthwise ? lane : 0)] * dy : dy;
        }
    return sum;
}

static float *weight_sums(weight_problem *p, const cn__kernels *by, bool depthwise) {
    float *sums = lines_new(p->sums / CN__LANES);
    memcpy(sums, p->before, p->sums * sizeof *sums);
    p->args.sums = sums;
    p->args.bias_sums = sums + (size_t)p->args.lines * (size_t)p->args.term_count * CN__LANES;
    (depthwise ? by->channel_depthwise_weight : by->channel_conv_weight)(&p->args);
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
            ck_assert_float_eq(got[i], p.before[i] + wanted);
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
        for (size_t i = 0; i < (size_t)p.args.height * p.args.x_row; i++)
            p.x[i] = cn__rng_normal(&rng);
        float *got = weight_sums(&p, kernels, _i), *wanted = weight_sums(&p, twin, _i);
        ck_assert_mem_eq(got, wanted, p.sums * sizeof *got);
        free(got);
        free(wanted);
        weight_problem_free(&p);
    }
}
END_TEST

/* ---- norm ---- */

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
        cn__plane dx = plane_random(&rng, height, width, 3.0f, 1), none = {NULL, 0};
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
    Suite *suite = suite_create("kernels: channels in the lanes");
    TCase *tests = tcase_create("kernels");
    tcase_add_checked_fixture(tests, choose_kernels, NULL);
    tcase_add_loop_test(tests, weight_gradients_equal_plain_loops, 0, 2);
    tcase_add_loop_test(tests, weight_gradients_have_one_order, 0, 2);
    tcase_add_test(tests, convolutions_equal_plain_loops);
    tcase_add_test(tests, wide_convolutions_equal_plain_loops);
    tcase_add_test(tests, depthwise_convolutions_equal_plain_loops);
    tcase_add_test(tests, lanes_without_a_channel_become_zero);
    tcase_add_test(tests, convolutions_have_one_order);
    tcase_add_test(tests, norms_scale_and_shift_each_lane);
    tcase_add_test(tests, each_lane_has_a_weight_below_zero);
    tcase_add_test(tests, each_lane_has_a_gradient_of_its_weight);
    tcase_add_test(tests, softmax_counts_channels_only);
    tcase_add_test(tests, gradients_of_softmax_count_channels_only);
    tcase_add_test(tests, gradients_of_layer_norm_count_channels_only);
    suite_add_tcase(suite, tests);
    return test_run(suite);
}
