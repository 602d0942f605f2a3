/* SPDX-License-Identifier: MIT */
/* test_nchw16c_convolution.c: convolutions that train with channels in the lanes: outputs and gradients against the
 * reference in double precision, and to the bit the same for any number of threads and on AVX2 and AVX-512.
 *
 *     CASE='train 3x18x5x6 | conv2d out=20 kernel=3 padding=1' tests/bin/test_nchw16c_convolution
 *
 * runs that network instead. */
#include "random_network.h"
#include "testing.h"
#include "ways.h"
#include <stdlib.h>

#define AGAIN "; again: CASE='%s' tests/bin/test_nchw16c_convolution"

/* Channels that fill no line and those that do, every border, stride and dilation, maps of few rows, columns and
 * pixels, several strips, groups of images, readers that add to a gradient. */
static const char *const cases[] = {
    "train 2x16x6x7 seed=1 | conv2d out=32 kernel=1",
    "train 3x5x9x8 seed=2 | conv2d out=20 kernel=1 stride=2 bias=0",
    "train 5x18x5x6 seed=3 | conv2d out=20 kernel=3 padding=1",
    "train 2x33x7x5 seed=4 | conv2d out=17 kernel=3x2 stride=2x1 padding=1x0",
    "train 2x3x23x21 seed=5 | conv2d out=24 kernel=7 stride=2 padding=3 bias=0",
    "train 2x19x9x11 seed=6 | conv2d out=18 kernel=3 dilation=2x3 padding=2x3",
    "train 3x17x11x4 seed=7 | conv2d out=16 kernel=3 stride=3x2 padding=2 dilation=2x1",
    "train 2x17x5x6 seed=8 | conv2d out=33 kernel=3 padding=1 mode=replicate",
    "train 2x20x6x5 seed=9 | conv2d out=16 kernel=5x3 padding=3x2 mode=reflect bias=0",
    "train 2x16x5x7 seed=10 | conv2d out=19 kernel=3 stride=2 padding=2x1 mode=circular",
    "train 3x4x3x4 seed=11 | conv2d out=16 kernel=3 padding=4 mode=replicate",
    "train 2x16x4x5 seed=12 | conv2d out=16 kernel=2 stride=3",
    "train 1x70x3x3 seed=13 | conv2d out=90 kernel=3 padding=1",
    "train 1x3x40x41 seed=14 | conv2d out=8 kernel=3 padding=1",
    "train 2x16x1x9 seed=15 | conv2d out=16 kernel=1x3 padding=0x1",
    "train 3x33x1x1 seed=16 | conv2d out=35 kernel=3 padding=1",
    "train 9x50x1x1 seed=17 | linear out=70",
    "train 200x5x1x1 seed=18 | linear out=18 | linear out=3 bias=0",
    "train 3x18x7x6 seed=20 | conv2d out=18 kernel=3 padding=1 groups=18",
    "train 2x35x9x8 seed=21 | conv2d out=35 kernel=5x3 stride=2 padding=2x1 groups=35 mode=replicate bias=0",
    "train 2x16x6x5 seed=22 | conv2d out=16 kernel=3 padding=2 dilation=2 groups=16 | conv2d out=16 kernel=1 @0 | "
    "conv2d out=16 kernel=3 padding=1 groups=16 @0 | add @1 @2 @3",
    "train 2x12x5x6 seed=23 | conv2d out=30 kernel=3 padding=1 groups=3",
    "train 2x64x4x5 seed=24 | conv2d out=32 kernel=3 padding=1 groups=2 stride=2x1",
    "train 2x20x5x4 seed=25 | conv2d out=40 kernel=3 padding=1 groups=20",
    "train 2x72x3x4 seed=26 | conv2d out=24 kernel=2 groups=3 bias=0",
    "train 2x18x4x5 seed=27 | conv_transpose2d out=17 kernel=3x2 stride=2x3 padding=1x0 output_padding=1",
    "train 3x20x5x4 seed=28 | conv_transpose2d out=33 kernel=3 dilation=2 stride=2 padding=2 bias=0",
    "train 2x16x4x4 seed=29 | conv_transpose2d out=16 kernel=2 padding=1 | conv_transpose2d out=3 kernel=4 stride=2 "
    "padding=1",
    "train 2x16x5x4 seed=30 | conv_transpose2d out=24 kernel=3 stride=2 groups=4 | conv_transpose2d out=24 kernel=3 "
    "stride=2 @0 | add @1 @2",
    "train 4x17x5x4 seed=19 | conv2d out=70 kernel=3 padding=1 | conv2d out=70 kernel=1 @0 | conv2d out=70 kernel=3 "
    "padding=1 mode=reflect @0 | add @1 @2 @3",
    "train 18x17x6x5 seed=31 | conv2d out=20 kernel=3 padding=1 mode=replicate | conv2d out=20 kernel=3 padding=1 "
    "mode=reflect | conv2d out=20 kernel=3 padding=1 @1 | add @2 @3 | conv_transpose2d out=18 kernel=3 padding=1",
};
#define CASES ((int)(sizeof cases / sizeof *cases))

/* With channels in the lanes, nothing else. */
static net_way way_of(int threads, cn_isa isa) {
    return (net_way){threads, CN_CONV_DIRECT, isa, CN_LAYOUT_CHANNELS};
}

static void check_values(const network *net) {
    char complaint[COMPLAINT];
    int bad = compare_isas(net, way_of(2, CN_ISA_AUTO), complaint);
    ck_assert_msg(bad == 0, "%d values differ: %s" AGAIN, bad, complaint, net->text);
}

START_TEST(gradients_agree_with_the_reference) {
    network net = network_of(cases[_i]);
    check_values(&net);
}
END_TEST

/* Seed _i. */
START_TEST(random_convolutions_agree_with_the_reference) {
    dice d = {(uint64_t)_i, _i >= LATE_SEEDS};
    network net;
    for (int done = 0; done < (test_quick() ? 2 : 8);) {
        random_layer(&d, 30000, &net);
        const net_layer *layer = &net.layer[1];
        if (layer->kind != NET_CONV2D && layer->kind != NET_LINEAR && layer->kind != NET_CONV_TRANSPOSE2D)
            continue;
        check_values(&net);
        done++;
    }
}
END_TEST

/* ---- what is not wanted ---- */

static void check_same(const double *a, const double *b, size_t count) {
    for (size_t i = 0; i < count; i++)
        ck_assert_double_eq(a[i], b[i]);
}

START_TEST(frozen_weights_leave_the_input_its_gradient) {
    network net = network_of("train 3x18x5x6 seed=3 | conv2d out=20 kernel=3 padding=1 | conv2d out=17 kernel=1");
    net_pass *all = run_in_way(&net, way_of(2, CN_ISA_AUTO));
    net.layer[2].frozen = true;
    net_pass *frozen = run_in_way(&net, way_of(2, CN_ISA_AUTO));
    check_same(frozen->grad_input, all->grad_input, all->inputs);
    check_same(frozen->gradient[0], all->gradient[0], net.tensor[0].count);
    check_same(frozen->gradient[1], all->gradient[1], net.tensor[1].count);
    net_pass_free(all);
    net_pass_free(frozen);
}
END_TEST

START_TEST(weights_have_their_gradients_without_the_inputs) {
    network net = network_of("train 3x18x5x6 seed=3 | conv2d out=20 kernel=3 padding=1");
    net_pass *all = run_in_way(&net, way_of(2, CN_ISA_AUTO));
    net.no_input_gradient = true;
    net_pass *weights = run_in_way(&net, way_of(2, CN_ISA_AUTO));
    check_same(weights->gradient[0], all->gradient[0], net.tensor[0].count);
    check_same(weights->gradient[1], all->gradient[1], net.tensor[1].count);
    net_pass_free(all);
    net_pass_free(weights);
}
END_TEST

/* ---- bits ---- */

START_TEST(threads_and_instruction_sets_leave_the_same_bits) {
    network net = network_of(cases[_i]);
    char complaint[COMPLAINT];
    cn_isa isas[TEST_MAX_ISAS];
    for (int i = 0, count = test_isas(isas); i < count; i++) {
        net_way way = way_of(2, isas[i]);
        int bad = compare_threads(&net, way, complaint) + compare_avx2(&net, way, complaint);
        ck_assert_msg(bad == 0, "%d values differ: %s" AGAIN, bad, complaint, net.text);
    }
}
END_TEST

START_TEST(the_given_case_agrees_with_the_reference) {
    network net = network_of(getenv("CASE"));
    check_values(&net);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("convolutions, channels in the lanes");
    TCase *tests = tcase_create("convolutions, channels in the lanes");
    if (getenv("CASE")) {
        tcase_add_test(tests, the_given_case_agrees_with_the_reference);
    } else {
        tcase_add_loop_test(tests, gradients_agree_with_the_reference, 0, CASES);
        tcase_add_loop_test(tests, random_convolutions_agree_with_the_reference, 0, 8);
        tcase_add_loop_test(tests, random_convolutions_agree_with_the_reference, LATE_SEEDS, LATE_SEEDS + 8);
        tcase_add_test(tests, frozen_weights_leave_the_input_its_gradient);
        tcase_add_test(tests, weights_have_their_gradients_without_the_inputs);
        tcase_add_loop_test(tests, threads_and_instruction_sets_leave_the_same_bits, 0, CASES);
    }
    suite_add_tcase(suite, tests);
    return test_run(suite);
}
