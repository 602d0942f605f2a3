/* SPDX-License-Identifier: MIT */
/* test_dropout.c: what is random about dropout: how much is dropped, on what the draws depend and on what they do not.
 * (That a seed's draws never change, fused or not, forward and backward, is checked against the reference in
 * test_gradients.c and test_graphs.c.) */
#include "testing.h"
#include "ways.h"
#include <math.h>
#include <stdio.h>

#define COUNT (5 * 7 * 9) /* values of an image in these tests */

/* An input of ones. */
static net_pass *ones(const network *net, uint64_t seed) {
    net_pass *pass = net_pass_new(net);
    pass->seed = seed;
    for (size_t i = 0; i < pass->inputs; i++)
        pass->input[i] = 1.0;
    return pass;
}

static net_pass *drop(const char *text, uint64_t seed, int threads) {
    network net = network_of(text);
    cn_context *context = test_context(threads);
    net_pass *pass = ones(&net, seed);
    net_run_library(context, &net, pass);
    cn_context_free(context);
    return pass;
}

static bool same(const double *a, const double *b, size_t count) {
    return memcmp(a, b, count * sizeof *a) == 0;
}

/* The share dropped lies within five standard deviations of p, and the others are times 1 / (1 - p). */
START_TEST(a_share_of_p_is_dropped_and_the_rest_scaled) {
    static const double shares[] = {0.01, 0.1, 0.5, 0.75, 0.9};
    double p = shares[_i];
    char text[100];
    snprintf(text, sizeof text, "train 40x5x7x9 | dropout p=%g", p);
    net_pass *pass = drop(text, 11, 2);
    size_t dropped = 0;
    for (size_t i = 0; i < pass->outputs; i++) {
        dropped += pass->output[i] == 0.0;
        ck_assert(pass->output[i] == 0.0 || fabs(pass->output[i] * (1.0 - p) - 1.0) < 1e-4);
        ck_assert_double_eq_tol(pass->grad_input[i], pass->grad_output[i] * pass->output[i], 1e-5);
    }
    double n = (double)pass->outputs;
    ck_assert_double_le(fabs((double)dropped - n * p), 5.0 * sqrt(n * p * (1.0 - p)));
    net_pass_free(pass);
}
END_TEST

START_TEST(a_seed_repeats_whatever_the_threads) {
    net_pass *one = drop("train 37x5x7x9 | dropout", 5, 1), *three = drop("train 37x5x7x9 | dropout", 5, 3);
    net_pass *other = drop("train 37x5x7x9 | dropout", 6, 1);
    ck_assert(same(one->output, three->output, one->outputs));
    ck_assert(!same(one->output, other->output, one->outputs));
    net_pass_free(one);
    net_pass_free(three);
    net_pass_free(other);
}
END_TEST

/* Alone, and behind a norm that takes it in; channels fill two lines and part of a third. */
START_TEST(layouts_draw_alike) {
    network net = network_of(_i ? "train 5x37x7x5 | dropout p=0.4" : "train 5x37x7x5 | batch_norm affine=0 | dropout");
    net_pass *pass[2];
    for (int l = 0; l < 2; l++) {
        cn_context *context = net_context_of((net_way){2, CN_CONV_AUTO, CN_ISA_AUTO, layouts[l]});
        pass[l] = net_pass_new(&net);
        pass[l]->seed = 5;
        run_in_layout(context, &net, pass[l]);
        cn_context_free(context);
    }
    ck_assert(same(pass[0]->output, pass[1]->output, pass[0]->outputs));
    ck_assert(same(pass[0]->grad_input, pass[1]->grad_input, pass[0]->inputs));
    net_pass_free(pass[0]);
    net_pass_free(pass[1]);
}
END_TEST

START_TEST(images_and_channels_draw_for_themselves) {
    net_pass *pass = drop("train 37x5x7x9 | dropout", 5, 2);
    const size_t pixels = COUNT / 5;
    for (size_t a = 0; a < 37 * 5; a++)
        for (size_t b = 0; b < a; b++)
            ck_assert(!same(pass->output + a * pixels, pass->output + b * pixels, pixels));
    net_pass_free(pass);
}
END_TEST

START_TEST(an_image_draws_the_same_in_any_batch) {
    net_pass *all = drop("train 37x5x7x9 | dropout", 5, 2), *some = drop("train 3x5x7x9 | dropout", 5, 2);
    ck_assert(same(all->output, some->output, some->outputs));
    net_pass_free(all);
    net_pass_free(some);
}
END_TEST

/* Both draw over the same ones: the sums of the two would be 0 or 4 everywhere if they drew alike. */
START_TEST(layers_draw_for_themselves) {
    net_pass *pass = drop("train 20x5x7x9 | dropout @0 | dropout @0 | add @1 @2", 5, 2);
    size_t count[5] = {0};
    for (size_t i = 0; i < pass->outputs; i++)
        count[(int)pass->output[i]]++;
    ck_assert_uint_eq(count[1] + count[3], 0);
    for (int i = 0; i < 5; i += 2)
        ck_assert_double_eq_tol((double)count[i] / (double)pass->outputs, i == 2 ? 0.5 : 0.25, 0.03);
    net_pass_free(pass);
}
END_TEST

START_TEST(steps_draw_anew_and_evaluation_drops_nothing) {
    network net = network_of("train 3x5x7x9 | dropout");
    cn_context *context = test_context(1);
    cn_model *model = net_make_model(context, &net, 9);
    net_pass *first = ones(&net, 9), *second = ones(&net, 9), *idle = ones(&net, 9);
    net_run_model(context, model, &net, first);
    net.training = 0;
    net_run_model(context, model, &net, idle);
    net.training = 1;
    net_run_model(context, model, &net, second);
    ck_assert(same(idle->output, idle->input, idle->inputs));
    ck_assert(!same(first->output, second->output, first->outputs));
    ck_ok(cn_model_init(model, 9)); /* starts afresh */
    net_run_model(context, model, &net, second);
    ck_assert(same(first->output, second->output, first->outputs));
    net_pass_free(first);
    net_pass_free(second);
    net_pass_free(idle);
    cn_model_free(model);
    cn_context_free(context);
}
END_TEST

/* More of them than the place for their number in a draw has room for. */
START_TEST(channels_beyond_65536_draw_for_themselves) {
    net_pass *pass = drop("train 1x131072x1x1 | relu | dropout p=0.5", 5, 1);
    int same_draws = 0;
    for (int i = 0; i < 65536; i++)
        same_draws += pass->output[i] == pass->output[65536 + i];
    ck_assert_int_gt(same_draws, 65536 / 2 - 5 * 128); /* five standard deviations */
    ck_assert_int_lt(same_draws, 65536 / 2 + 5 * 128);
    net_pass_free(pass);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("dropout");
    TCase *tests = tcase_create("dropout");
    tcase_add_loop_test(tests, a_share_of_p_is_dropped_and_the_rest_scaled, 0, 5);
    tcase_add_test(tests, a_seed_repeats_whatever_the_threads);
    tcase_add_loop_test(tests, layouts_draw_alike, 0, 2);
    tcase_add_test(tests, images_and_channels_draw_for_themselves);
    tcase_add_test(tests, an_image_draws_the_same_in_any_batch);
    tcase_add_test(tests, layers_draw_for_themselves);
    tcase_add_test(tests, channels_beyond_65536_draw_for_themselves);
    tcase_add_test(tests, steps_draw_anew_and_evaluation_drops_nothing);
    suite_add_tcase(suite, tests);
    return test_run(suite);
}
