/* test_gradients.c: random layers: the library's forward and backward passes against the reference, element by element,
 * and its gradients against finite differences in double precision.
 *
 *     CASE='train 5x7x3x3 seed=17 | conv2d out=8 kernel=3x2 stride=2x1' tests/bin/test_gradients
 *
 * runs that network instead, whatever it is. */
#include "expectation.h"
#include "random_network.h"
#include "testing.h"
#include <stdlib.h>

#define AGAIN "; again: CASE='%s' tests/bin/test_gradients"

static const cn_conv_algorithm algorithms[] = {CN_CONV_DIRECT, CN_CONV_GEMM, CN_CONV_AUTO};

/* Whether the gradients could be judged: near a jump they cannot. */
static bool check(cn_context *context, const network *net) {
    char complaint[COMPLAINT];
    net_pass *given = net_pass_new(net), *got = net_pass_copy(net, given);
    expectation *wanted = net_expect(net, given);
    bool smooth = wanted->smooth;
    net_run_library(context, net, got);
    int bad = net_compare(net, got, wanted, NET_LAYER_SAFETY, complaint);
    ck_assert_msg(bad == 0, "%d values differ: %s" AGAIN, bad, complaint, net->text);
    if (wanted->has_slopes) {
        bad = net_compare_differences(net, got, wanted, complaint);
        ck_assert_msg(bad == 0, "%d gradients differ: %s" AGAIN, bad, complaint, net->text);
    }
    net_expectation_free(wanted);
    net_pass_free(given);
    net_pass_free(got);
    return smooth;
}

/* Seed _i. */
START_TEST(random_layers_agree_with_the_reference) {
    dice d = {(uint64_t)_i, _i >= LATE_SEEDS};
    network net;
    cn_context *context = net_context(1 + _i % 3, algorithms[_i % 3], CN_ISA_AUTO);
    for (int done = 0; done < (test_quick() ? 2 : 12);) {
        random_layer(&d, 30000, &net);
        done += check(context, &net);
    }
    cn_context_free(context);
}
END_TEST

START_TEST(the_given_case_agrees_with_the_reference) {
    network net;
    ck_assert_int_eq(network_parse(&net, getenv("CASE")), 0);
    for (int i = 0; i < 3; i++) {
        cn_context *context = net_context(1 + i, algorithms[i], CN_ISA_AUTO);
        ck_assert_msg(check(context, &net), "too near a jump of the gradient to be judged");
        cn_context_free(context);
    }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("gradients");
    TCase *tests = tcase_create("gradients");
    if (getenv("CASE"))
        tcase_add_test(tests, the_given_case_agrees_with_the_reference);
    else {
        tcase_add_loop_test(tests, random_layers_agree_with_the_reference, 0, 40);
        tcase_add_loop_test(tests, random_layers_agree_with_the_reference, LATE_SEEDS, LATE_SEEDS + 8);
    }
    suite_add_tcase(suite, tests);
    return test_run(suite);
}
