/* SPDX-License-Identifier: MIT */
/* test_reference.c: the tests' own reference, by which the library is measured, against PyTorch and finite differences;
 * and the random networks. */
#include "expectation.h"
#include "random_network.h"
#include "reference.h"
#include "testing.h"
#include <math.h>

TEST_RUNS_ONCE;

static golden *file;

START_TEST(the_reference_agrees_with_pytorch) {
    char complaint[COMPLAINT];
    for (int i = 0; i < golden_count(file); i++) {
        network net = network_of(golden_text(file, i));
        net_pass *pass = net_pass_new(&net);
        net_run_reference(&net, pass);
        int bad = golden_compare(file, i, &net, pass, NULL, complaint);
        ck_assert_msg(bad == 0, "'%s': %s", net.text, complaint);
        net_pass_free(pass);
    }
}
END_TEST

/* The comparison itself must see a wrong element of any array, and NaN. */
START_TEST(a_wrong_element_is_seen) {
    expectation exact = {.measured = true};
    char complaint[COMPLAINT];
    for (int i = 0; i < golden_count(file); i += 7) {
        network net = network_of(golden_text(file, i));
        net_pass *pass = net_pass_new(&net);
        net_run_reference(&net, pass);
        size_t place = (size_t)i * 31 % pass->outputs;
        double right = pass->output[place];
        pass->output[place] += 0.05;
        ck_assert_int_eq(golden_compare(file, i, &net, pass, &exact, complaint), 1);
        ck_assert_ptr_nonnull(strstr(complaint, "digest of output"));
        pass->output[place] = NAN;
        ck_assert_int_eq(golden_compare(file, i, &net, pass, &exact, complaint), 1);
        pass->output[place] = right;
        pass->grad_input[0] += 0.1;
        ck_assert_int_eq(golden_compare(file, i, &net, pass, &exact, complaint), net.training);
        net_pass_free(pass);
    }
}
END_TEST

static int differences_agree(const network *net) {
    char complaint[COMPLAINT];
    net_pass *given = net_pass_new(net);
    expectation *wanted = net_expect(net, given);
    int judged = wanted->has_slopes;
    wanted->measured = true; /* nothing is rounded here */
    if (judged)
        ck_assert_msg(net_compare_differences(net, wanted->pass, wanted, complaint) == 0, "'%s': %s", net->text,
                      complaint);
    net_pass_free(given);
    net_expectation_free(wanted);
    return judged;
}

START_TEST(the_chain_rule_agrees_with_finite_differences) {
    network net;
    dice d = {7, false};
    int layers = 0, graphs = 0, wanted = test_quick() ? 10 : 60;
    while (layers < wanted) {
        random_layer(&d, 20000, &net);
        layers += differences_agree(&net);
    }
    while (graphs < wanted) {
        random_graph(&d, 5000, &net);
        graphs += differences_agree(&net);
    }
}
END_TEST

/* So that nobody believes in tests that draw nothing. */
START_TEST(random_graphs_hold_everything) {
    network net;
    dice d = {1, true};
    int seen[NET_KINDS] = {0}, three_inputs = 0, several_readers = 0, post = 0;
    for (int i = 0; i < 1500; i++) {
        random_graph(&d, 5000, &net);
        int readers[NET_MAX_LAYERS + 1] = {0};
        for (int k = 1; k <= net.layers; k++) {
            const net_layer *l = &net.layer[k];
            seen[l->kind]++;
            three_inputs += l->inputs == 3;
            post += l->kind == NET_RELU && net.layer[l->input[0]].kind == NET_ADD;
            for (int j = 0; j < l->inputs; j++)
                several_readers += ++readers[l->input[j]] == 2;
        }
        for (int k = 1; k < net.layers; k++)
            ck_assert_int_gt(readers[k], 0);
    }
    for (int kind = NET_CONV2D; kind < NET_KINDS; kind++)
        ck_assert_msg(seen[kind] > 2, "kind %d: %d times", kind, seen[kind]);
    ck_assert_int_gt(three_inputs, 10);
    ck_assert_int_gt(several_readers, 100);
    ck_assert_int_gt(post, 20);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("reference");
    TCase *tests = tcase_create("reference");
    file = golden_read("tests/golden/layers.txt");
    tcase_add_test(tests, the_reference_agrees_with_pytorch);
    tcase_add_test(tests, a_wrong_element_is_seen);
    tcase_add_test(tests, the_chain_rule_agrees_with_finite_differences);
    tcase_add_test(tests, random_graphs_hold_everything);
    suite_add_tcase(suite, tests);
    int result = test_run(suite);
    golden_free(file);
    return result;
}
