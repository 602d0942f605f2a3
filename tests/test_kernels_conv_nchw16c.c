/* SPDX-License-Identifier: MIT */
/* test_kernels_conv_nchw16c.c: convolutions with channels in the lanes, on small integers against plain loops, and AVX2
 * against AVX-512 to the bit. */
#include "planes.h"
#include "testing.h"
#include <stdlib.h>

#define ROUNDS (test_quick() ? 40 : 400)

static size_t planes_of(int32_t channels) {
    return ((size_t)channels + CN__LANES - 1) / CN__LANES;
}

enum { MAX_TAPS = 9 };

/* Maps are [image][plane][row][column][lane], with a column and a row to spare that must stay as they are. */
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

/* Wide ones have inputs that no cache would hold: sums go on from what they have left in the output. */
enum { USUAL, WIDE, DEPTHWISE, KINDS };

static void problem_new(cn__rng *rng, int kind, problem *p) {
    cn__channel_conv_args *a = &p->args;
    *p = (problem){.stride = {between(rng, 1, 2), between(rng, 1, 3)}};
    if (between(rng, 0, 2))
        p->stride[1] = 1;
    a->images = kind == DEPTHWISE ? 1 : between(rng, 1, 3);
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
    a->in_image = planes_of(a->in_channels) * a->in_plane;
    a->out_image = planes_of(a->channels) * a->out_plane;
    a->skip_image = planes_of(a->channels) * a->skip_plane;
    p->floats = (size_t)a->images * a->out_image;
    p->in = lines_random(rng, (size_t)a->images * a->in_image / CN__LANES, 3.0f, 1);
    p->weights = lines_random(rng, planes_of(a->channels) * a->weight_plane / CN__LANES, 3.0f, 1);
    p->bias = lines_random(rng, planes_of(a->channels), 3.0f, 1);
    p->skip = lines_random(rng, (size_t)a->images * a->skip_image / CN__LANES, 3.0f, 1);
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

typedef struct pixel {
    size_t image, y, x;
} pixel;

/* Of all inputs; depthwise of the channel by itself, where weights are [plane][tap][lane]. */
static float products(const cn__channel_conv_args *a, int kind, float sum, pixel at, size_t o) {
    size_t first = kind == DEPTHWISE ? o : 0, end = kind == DEPTHWISE ? o + 1 : (size_t)a->in_channels;
    for (size_t c = first; c < end; c++)
        for (size_t t = 0; t < a->tap_count; t++) {
            const float *in =
                a->in + at.image * a->in_image + c / CN__LANES * a->in_plane + at.y * a->in_row + at.x * a->in_step;
            size_t filter = a->taps[t].filter, line = o / CN__LANES * a->weight_plane + filter * CN__LANES;
            float w = kind == DEPTHWISE ? a->weights[line + o % CN__LANES] : weight(a, o, c, filter);
            sum += w * in[a->taps[t].input + (ptrdiff_t)(c % CN__LANES)];
        }
    return sum;
}

static float expected(const cn__channel_conv_args *a, int kind, float before, pixel at, size_t o) {
    float sum = products(a, kind, a->accumulate ? before : a->bias ? a->bias[o] : 0.0f, at, o);
    if (a->skip)
        sum += a->skip[at.image * a->skip_image + o / CN__LANES * a->skip_plane + at.y * a->skip_row +
                       at.x * a->skip_step + o % CN__LANES];
    sum = a->relu && sum < 0.0f ? 0.0f : sum;
    return a->most > 0.0f && sum > a->most ? a->most : sum;
}

static void run(const cn__kernels *by, int kind, const cn__channel_conv_args *args) {
    (kind == DEPTHWISE ? by->channel_depthwise : by->channel_conv)(args);
}

static int rounds(int kind) {
    return kind == WIDE ? ROUNDS / 20 : ROUNDS;
}

static void check_image(const problem *p, int kind, size_t image, const float *before) {
    const cn__channel_conv_args *a = &p->args;
    size_t step = a->out_step / CN__LANES;
    for (size_t o = 0; o < planes_of(a->channels) * CN__LANES; o++)
        for (size_t y = 0; y <= (size_t)a->height; y++)
            for (size_t x = 0; x < a->out_row / CN__LANES; x++) {
                size_t at = image * a->out_image + o / CN__LANES * a->out_plane + y * a->out_row + x * CN__LANES +
                            o % CN__LANES;
                bool inside = y < (size_t)a->height && x < (size_t)a->width * step && x % step == 0;
                if (!inside)
                    ck_assert_float_eq(p->out[at], before[at]);
                else if (o < (size_t)a->channels)
                    ck_assert_float_eq(p->out[at], expected(a, kind, before[at], (pixel){image, y, x / step}, o));
            }
}

static void check_conv(const problem *p, int kind) {
    float *before = lines_new(p->floats / CN__LANES);
    memcpy(before, p->out, p->floats * sizeof *before);
    run(kernels, kind, &p->args);
    for (size_t image = 0; image < (size_t)p->args.images; image++)
        check_image(p, kind, image, before);
    free(before);
}

START_TEST(convolutions_equal_plain_loops) {
    for (int round = 0; round < rounds(_i); round++) {
        cn__rng rng = cn__rng_new(21, (uint32_t)_i, (uint64_t)round);
        problem p;
        problem_new(&rng, _i, &p);
        check_conv(&p, _i);
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
        for (size_t image = 0; image < (size_t)a->images; image++)
            for (size_t o = (size_t)a->channels; o < planes_of(a->channels) * CN__LANES; o++)
                for (size_t y = 0; y < (size_t)a->height; y++)
                    for (size_t x = 0; x < (size_t)a->width; x++)
                        ck_assert_float_eq(p.out[image * a->out_image + o / CN__LANES * a->out_plane + y * a->out_row +
                                                 x * a->out_step + o % CN__LANES],
                                           0.0f);
        problem_free(&p);
    }
}
END_TEST

/* Lanes without a channel are computed or not, as vectors are wide; plans see to it that what they read there is zero. */
static void clear_lanes_without_a_channel(const cn__channel_conv_args *a, float *out) {
    size_t first = (size_t)a->channels % CN__LANES, last = (planes_of(a->channels) - 1) * a->out_plane;
    for (size_t image = 0; first && image < (size_t)a->images; image++)
        for (size_t line = 0; line < a->out_plane; line += CN__LANES)
            for (size_t lane = first; lane < CN__LANES; lane++)
                out[image * a->out_image + last + line + lane] = 0.0f;
}

/* With numbers that round, so that the order of additions shows. */
START_TEST(convolutions_have_one_order) {
    for (int round = 0; round < rounds(_i); round++) {
        cn__rng rng = cn__rng_new(23, (uint32_t)_i, (uint64_t)round);
        problem p;
        problem_new(&rng, _i, &p);
        for (size_t i = 0; i < (size_t)p.args.images * p.args.in_image; i++)
            p.in[i] = cn__rng_normal(&rng);
        float *by_twin = lines_new(p.floats / CN__LANES);
        memcpy(by_twin, p.out, p.floats * sizeof *by_twin);
        run(kernels, _i, &p.args);
        p.args.out = by_twin;
        run(twin, _i, &p.args);
        clear_lanes_without_a_channel(&p.args, p.out);
        clear_lanes_without_a_channel(&p.args, by_twin);
        ck_assert_mem_eq(p.out, by_twin, p.floats * sizeof *by_twin);
        free(by_twin);
        problem_free(&p);
    }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("kernels: convolutions, channels in the lanes");
    TCase *tests = tcase_create("convolutions");
    tcase_add_checked_fixture(tests, choose_kernels, NULL);
    tcase_add_loop_test(tests, convolutions_equal_plain_loops, 0, KINDS);
    tcase_add_test(tests, lanes_without_a_channel_become_zero);
    tcase_add_loop_test(tests, convolutions_have_one_order, 0, KINDS);
    suite_add_tcase(suite, tests);
    return test_run(suite);
}
