/* test_graphs.c: random graphs: what a plan fuses, shares, reorders and reuses must not show. Several passes of growing
 * and shrinking batches, training and evaluation, go through one model and are compared with the reference, which works
 * node by node; and the bits must not depend on threads or, without CBLAS, on the instruction set.
 *
 *     SEED=17 tests/bin/test_graphs
 *
 * runs the graph of that seed alone. */
#include "expectation.h"
#include "random_network.h"
#include "testing.h"
#include <stdio.h>
#include <stdlib.h>

#define AGAIN "; again: SEED=%d tests/bin/test_graphs"

static const struct {
    int batch, training;
} passes[] = {{3, 1}, {17, 0}, {16, 1}, {1, 0}, {33, 1}, {2, 1}, {20, 0}, {18, 1}};

static const cn_conv_algorithm algorithms[] = {CN_CONV_DIRECT, CN_CONV_GEMM, CN_CONV_AUTO};

static network graph_of_seed(int seed) {
    network net;
    dice d = {(uint64_t)seed << 20};
    random_graph(&d, 2500, &net);
    return net;
}

/* ---- against the reference ---- */

/* Running statistics go on from pass to pass. */
static void keep_statistics(const network *net, const net_pass *from, net_pass *to) {
    for (int t = 0; t < net->tensors; t++)
        memcpy(to->tensor[t], from->tensor[t], net->tensor[t].count * sizeof **to->tensor);
}

static void check_pass(cn_context *context, cn_model *model, const network *net, int seed, unsigned step,
                       net_pass **last) {
    char complaint[COMPLAINT];
    net_pass *pass = net_pass_new(net);
    pass->seed = net->seed;
    pass->step = step;
    if (*last) {
        keep_statistics(net, *last, pass);
        net_pass_free(*last);
    }
    expectation *wanted = net_expect(net, pass);
    net_run_model(context, model, net, pass);
    int bad = net_compare(net, pass, wanted, NET_GRAPH_SAFETY, complaint);
    ck_assert_msg(bad == 0, "%d values differ: %s; batch %d, %s, '%s'" AGAIN, bad, complaint, net->batch,
                  net->training ? "training" : "evaluation", net->text, seed);
    net_expectation_free(wanted);
    *last = pass;
}

static void check_graph(int seed) {
    network net = graph_of_seed(seed);
    cn_context *context = net_context(1 + seed % 4, algorithms[seed % 3], CN_ISA_AUTO);
    cn_model *model = net_make_model(context, &net, net.seed);
    net_pass *last = NULL;
    unsigned step = 0;
    for (size_t i = 0; i < sizeof passes / sizeof *passes; i++) {
        net.batch = passes[i].batch;
        net.training = passes[i].training;
        check_pass(context, model, &net, seed, step, &last);
        step += (unsigned)net.training;
    }
    net_pass_free(last);
    cn_model_free(model);
    cn_context_free(context);
}

/* Seed _i, in a process of its own. */
START_TEST(plans_compute_what_their_graphs_say) {
    check_graph(_i);
}
END_TEST

/* ---- bits ---- */

static net_pass *run(const network *net, int threads, cn_conv_algorithm algorithm, cn_isa isa) {
    cn_context *context = net_context(threads, algorithm, isa);
    net_pass *pass = net_pass_new(net);
    pass->seed = net->seed;
    net_run_library(context, net, pass);
    cn_context_free(context);
    return pass;
}

static void check_bits(const network *net, int seed, const net_pass *wanted, net_pass *got, const char *what) {
    char complaint[COMPLAINT];
    int bad = net_compare_bits(net, got, wanted, complaint);
    ck_assert_msg(bad == 0, "%s: %d values differ: %s; '%s'" AGAIN, what, bad, complaint, net->text, seed);
    net_pass_free(got);
}

START_TEST(threads_do_not_change_bits) {
    network net = graph_of_seed(_i);
    net.batch = 35;
    for (size_t a = 0; a < 3; a++) {
        net_pass *one = run(&net, 1, algorithms[a], CN_ISA_AUTO);
        check_bits(&net, _i, one, run(&net, 2, algorithms[a], CN_ISA_AUTO), "2 threads");
        check_bits(&net, _i, one, run(&net, 3, algorithms[a], CN_ISA_AUTO), "3 threads");
        check_bits(&net, _i, one, run(&net, 8, algorithms[a], CN_ISA_AUTO), "8 threads");
        net_pass_free(one);
    }
}
END_TEST

START_TEST(instruction_sets_do_not_change_bits) {
    unsetenv("CONVNET_MAX_ISA");
    network net = graph_of_seed(_i);
    net.batch = 18;
    net_pass *avx512 = run(&net, 2, CN_CONV_DIRECT, CN_ISA_AVX512);
    check_bits(&net, _i, avx512, run(&net, 2, CN_CONV_DIRECT, CN_ISA_AVX2), "avx2");
    net_pass_free(avx512);
}
END_TEST

/* What a batch's images are computed beside must not matter where a layer treats them one by one. */
START_TEST(images_do_not_see_each_other) {
    network net;
    ck_assert_int_eq(network_parse(&net, "eval 37x3x6x7 seed=4 | conv2d out=9 kernel=3 padding=1 mode=reflect | "
                                         "batch_norm | relu | max_pool kernel=2 | group_norm groups=3 | flatten | "
                                         "linear out=5 | log_softmax"),
                     0);
    cn_context *context = net_context(2, CN_CONV_DIRECT, CN_ISA_AUTO);
    net_pass *all = net_pass_new(&net);
    net_run_library(context, &net, all);
    for (int batch = 1; batch < 37; batch += 5) {
        net.batch = batch;
        net_pass *some = net_pass_new(&net);
        net_run_library(context, &net, some);
        ck_assert_int_eq(memcmp(some->output, all->output, some->outputs * sizeof *some->output), 0);
        net_pass_free(some);
    }
    net_pass_free(all);
    cn_context_free(context);
}
END_TEST

/* ---- the suite ---- */

START_TEST(the_given_graph_is_right) {
    int seed = atoi(getenv("SEED"));
    printf("%s\n", graph_of_seed(seed).text);
    check_graph(seed);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("graphs");
    TCase *reference = tcase_create("reference"), *bits = tcase_create("bits");
    if (getenv("SEED")) {
        tcase_add_test(reference, the_given_graph_is_right);
    } else {
        tcase_add_loop_test(reference, plans_compute_what_their_graphs_say, 0, test_quick() ? 15 : 120);
        tcase_add_loop_test(bits, threads_do_not_change_bits, 0, test_quick() ? 4 : 20);
        tcase_add_loop_test(bits, instruction_sets_do_not_change_bits, 0, test_quick() ? 4 : 20);
        tcase_add_test(bits, images_do_not_see_each_other);
    }
    suite_add_tcase(suite, reference);
    suite_add_tcase(suite, bits);
    return test_run(suite);
}
