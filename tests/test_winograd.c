/* SPDX-License-Identifier: MIT */
/* test_winograd.c: 3×3 convolutions of sizes that CN_CONV_AUTO computes by Winograd, with images and with channels in the
 * lanes: against the reference in double precision, and to the bit against themselves.
 *
 *     CASE='train 17x16x9x13 | conv2d out=20 kernel=3 padding=1' tests/bin/test_winograd
 *
 * runs that network instead. */
#include "random_network.h"
#include "testing.h"
#include "ways.h"
#include <stdio.h>
#include <stdlib.h>

TEST_RUNS_ONCE;

#define AGAIN "; again: CASE='%s' tests/bin/test_winograd"

typedef struct test_case {
    const char *text;
    cn_layout layout;
} test_case;

#define IMAGES(text)   {text, CN_LAYOUT_IMAGES},
#define CHANNELS(text) {text, CN_LAYOUT_CHANNELS},

/* Every border, odd sizes and channels, tiles of both sides, cut off on either, more than one strip, a block with few
 * images, a gradient that is added to, weights that one thread or several sum leaf by leaf, or over portions of
 * outputs. */
static const test_case cases[] = {
    /* clang-format off */
    IMAGES("train 2x16x30x30 seed=1 | conv2d out=16 kernel=3 bias=0")
    IMAGES("train 17x24x14x14 seed=2 | conv2d out=24 kernel=3 padding=1 mode=replicate bias=0")
    IMAGES("train 5x32x7x7 seed=3 | conv2d out=32 kernel=3 padding=1 mode=replicate bias=0")
    IMAGES("train 3x17x11x8 seed=4 | conv2d out=31 kernel=3 padding=1")
    IMAGES("train 2x16x8x15 seed=5 | conv2d out=19 kernel=3 padding=1x2 mode=reflect")
    IMAGES("train 18x21x12x7 seed=6 | conv2d out=16 kernel=3 padding=2x1 mode=circular")
    IMAGES("train 2x20x16x12 seed=7 | conv2d out=33 kernel=3 padding=2 mode=replicate")
    IMAGES("train 1x16x9x16 seed=8 | conv2d out=24 kernel=3 padding=3")
    IMAGES("train 2x72x8x8 seed=9 | conv2d out=70 kernel=3 padding=1")
    IMAGES("train 2x16x4x80 seed=10 | conv2d out=16 kernel=3 padding=1 mode=reflect")
    IMAGES("train 3x40x5x5 seed=11 | conv2d out=24 kernel=3 padding=1")
    IMAGES("train 2x48x2x3 seed=12 | conv2d out=48 kernel=3 padding=1 mode=replicate bias=0")
    IMAGES("train 19x33x13x10 seed=13 | conv2d out=33 kernel=3 padding=1")
    CHANNELS("train 17x16x13x16 seed=14 | conv2d out=16 kernel=3 padding=1")
    CHANNELS("train 3x24x14x14 seed=15 | conv2d out=37 kernel=3 padding=1 bias=0")
    CHANNELS("train 18x21x18x17 seed=16 | conv2d out=18 kernel=3 padding=2x1")
    CHANNELS("train 2x20x16x15 seed=17 | conv2d out=33 kernel=3 padding=3")
    CHANNELS("train 15x33x5x7 seed=18 | conv2d out=35 kernel=3")
    CHANNELS("train 16x70x7x7 seed=19 | conv2d out=90 kernel=3 padding=1 bias=0")
    CHANNELS("train 2x16x30x30 seed=20 | conv2d out=150 kernel=3 padding=1")
    CHANNELS("train 2x260x8x8 seed=21 | conv2d out=40 kernel=3 padding=1 bias=0")
    CHANNELS("train 4x40x8x8 seed=23 | conv2d out=270 kernel=3 padding=1 bias=0")
    CHANNELS("train 17x24x14x14 seed=24 | conv2d out=24 kernel=3 padding=1 mode=replicate bias=0")
    CHANNELS("train 18x21x12x9 seed=25 | conv2d out=16 kernel=3 padding=2x1 mode=circular")
    CHANNELS("train 7x40x9x15 seed=26 | conv2d out=19 kernel=3 padding=1x2 mode=reflect")
    CHANNELS("train 9x17x13x12 seed=22 | conv2d out=17 kernel=3 padding=1 | conv2d out=17 kernel=3 padding=1 @0 | add @1 @2")
    /* clang-format on */
};
#define CASES ((int)(sizeof cases / sizeof *cases))

static void check_values(const network *net, cn_layout layout) {
    char complaint[COMPLAINT];
    int bad = compare_isas(net, (net_way){2, CN_CONV_AUTO, CN_ISA_AUTO, layout}, complaint);
    ck_assert_msg(bad == 0, "%d values differ: %s" AGAIN, bad, complaint, net->text);
}

/* A process does several, since on virtual machines the first touch of memory takes as long as the test. EVERY_OTHER_CASE: of
 * them all with WHOLE, else those that are even, or odd. */
#define PROCESSES        4
#define EACH_CASE(index) (int index = _i; index < CASES; index += PROCESSES)
#define EVERY_OTHER_CASE(index, odd)                                                                                   \
    (int index = test_whole() ? _i : 2 * _i + (odd); index < CASES; index += test_whole() ? PROCESSES : 2 * PROCESSES)

START_TEST(borders_and_sizes_agree_with_the_reference) {
    for
        EVERY_OTHER_CASE(i, 0) {
            network net = network_of(cases[i].text);
            check_values(&net, cases[i].layout);
        }
}
END_TEST

/* Seed _i. */
START_TEST(random_sizes_agree_with_the_reference) {
    static const char *const modes[] = {"zeros", "replicate", "reflect", "circular"};
    dice d = {(uint64_t)_i, false};
    for (int done = 0; done < (test_quick() ? 1 : test_whole() ? 4 : 2); done++) {
        char text[NET_TEXT];
        int batch = 1 + dice_below(&d, 18), in = 8 + dice_below(&d, 28), out = 8 + dice_below(&d, 28);
        int height = 4 + dice_below(&d, 14), width = 4 + dice_below(&d, 14);
        snprintf(text, sizeof text, "train %dx%dx%dx%d seed=%d | conv2d out=%d kernel=3 padding=%dx%d mode=%s bias=%d",
                 batch, in, height, width, 1 + _i, out, dice_below(&d, 3), dice_below(&d, 3), modes[dice_below(&d, 4)],
                 dice_below(&d, 2));
        network net = network_of(text);
        check_values(&net, CN_LAYOUT_IMAGES);
        check_values(&net, CN_LAYOUT_CHANNELS);
    }
}
END_TEST

/* Its rounding is not that of plain sums: output, gradient of the input, of the weights. */
static void check_not_plain(const network *net, cn_layout layout, cn_isa isa) {
    net_pass *plain = run_in_way(net, (net_way){2, CN_CONV_DIRECT, isa, layout});
    net_pass *got = run_in_way(net, (net_way){2, CN_CONV_AUTO, isa, layout});
    size_t weights = net->tensor[0].count;
    ck_assert_mem_ne(plain->output, got->output, plain->outputs * sizeof *plain->output);
    ck_assert_mem_ne(plain->grad_input, got->grad_input, plain->inputs * sizeof *plain->grad_input);
    ck_assert_mem_ne(plain->gradient[0], got->gradient[0], weights * sizeof *plain->gradient[0]);
    net_pass_free(plain);
    net_pass_free(got);
}

/* Shapes choose, so one instruction set stands for all. */
static int isas_to_try(cn_isa isas[TEST_MAX_ISAS]) {
    int count = test_isas(isas);
    return test_whole() ? count : 1;
}

START_TEST(these_sizes_are_not_summed_plainly) {
    cn_isa isas[TEST_MAX_ISAS];
    int count = isas_to_try(isas);
    for
        EACH_CASE(i) {
            network net = network_of(cases[i].text);
            for (int isa = 0; isa < count; isa++)
                check_not_plain(&net, cases[i].layout, isas[isa]);
        }
}
END_TEST

static void check_bits(const test_case *c, cn_isa isa) {
    network net = network_of(c->text);
    char complaint[COMPLAINT];
    net_way way = {2, CN_CONV_AUTO, isa, c->layout};
    int bad = compare_threads(&net, way, complaint) + compare_avx2(&net, way, complaint);
    ck_assert_msg(bad == 0, "%d values differ: %s" AGAIN, bad, complaint, net.text);
}

/* AVX-512 and AVX2 leave the same; without fused multiply-add it is others. */
START_TEST(threads_and_instruction_sets_leave_the_same_bits) {
    cn_isa isas[TEST_MAX_ISAS];
    int count = isas_to_try(isas);
    for
        EVERY_OTHER_CASE(i, 1)
    for (int isa = 0; isa < count; isa++)
        check_bits(&cases[i], isas[isa]);
}
END_TEST

START_TEST(the_given_case_agrees_with_the_reference) {
    network net = network_of(getenv("CASE"));
    check_values(&net, CN_LAYOUT_IMAGES);
    check_values(&net, CN_LAYOUT_CHANNELS);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("Winograd");
    TCase *tests = tcase_create("Winograd");
    if (getenv("CASE")) {
        tcase_add_test(tests, the_given_case_agrees_with_the_reference);
    } else {
        tcase_add_loop_test(tests, borders_and_sizes_agree_with_the_reference, 0, PROCESSES);
        tcase_add_loop_test(tests, random_sizes_agree_with_the_reference, 0, test_whole() ? 16 : 8);
        tcase_add_loop_test(tests, these_sizes_are_not_summed_plainly, 0, PROCESSES);
        tcase_add_loop_test(tests, threads_and_instruction_sets_leave_the_same_bits, 0, PROCESSES);
    }
    suite_add_tcase(suite, tests);
    return test_run(suite);
}
