/* SPDX-License-Identifier: MIT */
/* test_layers.c: every layer and option against PyTorch's values in golden/layers.txt: output, gradients, running
 * statistics; with both ways to convolve, both layouts, with one thread and with three.
 *
 *     CASE='train 2x3x5x7 | conv2d out=8 kernel=3 padding=1' tests/bin/test_layers
 *
 * runs the cases of the file that contain these words. */
#include "testing.h"
#include "ways.h"
#include <stdio.h>
#include <stdlib.h>

static golden *file;

static const struct {
    cn_conv_algorithm algorithm;
    int threads;
    cn_layout layout;
    const char *name;
} ways[] = {{CN_CONV_DIRECT, 1, CN_LAYOUT_IMAGES, "direct, 1 thread"},
            {CN_CONV_DIRECT, 3, CN_LAYOUT_IMAGES, "direct, 3 threads"},
            {CN_CONV_GEMM, 1, CN_LAYOUT_IMAGES, "gemm, 1 thread"},
            {CN_CONV_GEMM, 3, CN_LAYOUT_IMAGES, "gemm, 3 threads"},
            {CN_CONV_AUTO, 1, CN_LAYOUT_CHANNELS, "channels in the lanes, 1 thread"},
            {CN_CONV_DIRECT, 3, CN_LAYOUT_CHANNELS, "channels in the lanes, direct, 3 threads"}};
#define WAYS (sizeof ways / sizeof *ways)

static void check_way(size_t w, int index, const network *net, const net_pass *given, expectation *reference) {
    char complaint[COMPLAINT];
    cn_context *context = net_context_of((net_way){ways[w].threads, ways[w].algorithm, CN_ISA_AUTO, ways[w].layout});
    net_pass *pass = net_pass_copy(net, given);
    run_in_layout(context, net, pass);
    int bad = golden_compare(file, index, net, pass, reference, complaint);
    ck_assert_msg(bad == 0, "%s: %s; again: CASE='%s' tests/bin/test_layers", ways[w].name, complaint, net->text);
    net_pass_free(pass);
    cn_context_free(context);
}

/* Case _i of the file; each in a process of its own, so that one that crashes says which it was. */
START_TEST(agrees_with_pytorch) {
    const char *wanted = getenv("CASE");
    if ((wanted && !strstr(golden_text(file, _i), wanted)) || (test_quick() && _i % 4 != 0))
        return;
    network net = network_of(golden_text(file, _i));
    net_pass *given = net_pass_new(&net);
    expectation *reference = net_expect(&net, given);
    for (size_t w = 0; w < WAYS; w++)
        if (!test_quick() || w == (size_t)_i / 4 % WAYS)
            check_way(w, _i, &net, given, reference);
    net_pass_free(given);
    net_expectation_free(reference);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("layers");
    TCase *tests = tcase_create("golden");
    file = golden_read("tests/golden/layers.txt");
    tcase_add_loop_test(tests, agrees_with_pytorch, 0, golden_count(file));
    suite_add_tcase(suite, tests);
    int result = test_run(suite);
    golden_free(file);
    return result;
}
