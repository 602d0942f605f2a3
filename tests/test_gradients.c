/* SPDX-License-Identifier: MIT */
/* test_gradients.c: random layers: the library's forward and backward passes against the reference, element by element,
 * and its gradients against finite differences in double precision.
 *
 *     CASE='train 5x7x3x3 seed=17 | conv2d out=8 kernel=3x2 stride=2x1' tests/bin/test_gradients
 *
 * runs that network instead, whatever it is. */
#include "random_network.h"
#include "numbers.h"
#include "testing.h"
#include "ways.h"
#include <math.h>
#include <stdlib.h>

#define AGAIN "; again: CASE='%s' tests/bin/test_gradients"

static const cn_conv_algorithm algorithms[] = {CN_CONV_DIRECT, CN_CONV_GEMM, CN_CONV_AUTO};

/* A context for either layout. */
typedef struct contexts {
    cn_context *in[2];
} contexts;

static contexts contexts_new(int threads, cn_conv_algorithm algorithm) {
    contexts made;
    for (int i = 0; i < 2; i++)
        made.in[i] = net_context_of((net_way){threads, algorithm, CN_ISA_AUTO, layouts[i]});
    return made;
}

static void contexts_free(contexts *made) {
    for (int i = 0; i < 2; i++)
        cn_context_free(made->in[i]);
}

static void check_layout(cn_context *context, const network *net, const net_pass *given, expectation *wanted) {
    char complaint[COMPLAINT];
    const char *name = layout_name(context);
    net_pass *got = net_pass_copy(net, given);
    run_in_layout(context, net, got);
    int bad = net_compare(net, got, wanted, NET_LAYER_SAFETY, complaint);
    ck_assert_msg(bad == 0, "%s: %d values differ: %s" AGAIN, name, bad, complaint, net->text);
    if (wanted->has_slopes) {
        bad = net_compare_differences(net, got, wanted, complaint);
        ck_assert_msg(bad == 0, "%s: %d gradients differ: %s" AGAIN, name, bad, complaint, net->text);
    }
    net_pass_free(got);
}

/* Whether the gradients could be judged: near a jump they cannot. */
static bool check(const contexts *both, const network *net) {
    net_pass *given = net_pass_new(net);
    expectation *wanted = net_expect(net, given);
    bool smooth = wanted->smooth;
    for (int i = 0; i < 2; i++)
        check_layout(both->in[i], net, given, wanted);
    net_expectation_free(wanted);
    net_pass_free(given);
    return smooth;
}

/* Seed _i. */
START_TEST(random_layers_agree_with_the_reference) {
    dice d = {(uint64_t)_i, _i >= LATE_SEEDS};
    network net;
    contexts both = contexts_new(1 + _i % 3, algorithms[_i % 3]);
    for (int done = 0; done < (test_quick() ? 2 : 12);) {
        random_layer(&d, 30000, &net);
        done += check(&both, &net);
    }
    contexts_free(&both);
}
END_TEST

START_TEST(the_given_case_agrees_with_the_reference) {
    network net = network_of(getenv("CASE"));
    for (int i = 0; i < 3; i++) {
        contexts both = contexts_new(1 + i, algorithms[i]);
        ck_assert_msg(check(&both, &net), "too near a jump of the gradient to be judged");
        contexts_free(&both);
    }
}
END_TEST

/* ---- borders that are repeated far out ---- */

enum { CHANNELS = 16, SIDE = 5, FAR = 4, OUT = SIDE + 2 * FAR - 2 };

static int within(int i) {
    return i < 0 ? 0 : i >= SIDE ? SIDE - 1 : i;
}

/* The input's gradient in double, by the definition. */
static void gradient_by_hand(const float *weight, const float *grad_output, double *grad_input) {
    for (int i = 0; i < CHANNELS * SIDE * SIDE; i++)
        grad_input[i] = 0.0;
    for (int o = 0; o < CHANNELS; o++)
        for (int y = 0; y < OUT; y++)
            for (int x = 0; x < OUT; x++)
                for (int c = 0; c < CHANNELS; c++)
                    for (int k = 0; k < 9; k++)
                        grad_input[(c * SIDE + within(y - FAR + k / 3)) * SIDE + within(x - FAR + k % 3)] +=
                            (double)grad_output[(o * OUT + y) * OUT + x] * (double)weight[(o * CHANNELS + c) * 9 + k];
}

/* A corner is read by 144 places times 16 channels; in a single accumulator that is off by 1.5e-6 of the largest. */
START_TEST(sums_over_repeated_borders_lose_no_digit) {
    cn_context_options how = CN_CONTEXT_OPTIONS_INIT;
    cn_conv2d_options options = CN_CONV2D_OPTIONS_INIT;
    cn_context *context;
    cn_model *model;
    cn_layer *layer;
    cn_tensor *in, *out, *weight, *grad_in;
    double wanted[CHANNELS * SIDE * SIDE], largest = 0.0, worst = 0.0;
    how.conv_algorithm = (cn_conv_algorithm)_i;
    options.padding[0] = options.padding[1] = FAR;
    options.padding_mode = CN_PADDING_REPLICATE;
    ck_ok(cn_context_new(&how, &context));
    ck_ok(cn_model_new(context, CHANNELS, SIDE, SIDE, &model));
    ck_ok(cn_conv2d_new(context, CHANNELS, CHANNELS, 3, 3, &options, &layer));
    ck_ok(cn_model_append(model, "conv", layer));
    ck_ok(cn_model_init(model, 1));
    ck_ok(cn_tensor_new(context, CN_DTYPE_FLOAT32, 4, (int64_t[]){1, CHANNELS, SIDE, SIDE}, &in));
    ck_ok(cn_tensor_new(context, CN_DTYPE_FLOAT32, 4, (int64_t[]){1, CHANNELS, SIDE, SIDE}, &grad_in));
    ck_ok(cn_tensor_new(context, CN_DTYPE_FLOAT32, 4, (int64_t[]){1, CHANNELS, OUT, OUT}, &out));
    ck_ok(cn_model_tensor(model, "conv.weight", &weight));
    for (int64_t i = 0; i < cn_tensor_count(weight); i++)
        ((float *)cn_tensor_data(weight))[i] = numbers_hashed(2, (uint32_t)i) - 0.45f;
    ck_ok(cn_model_forward(model, 1, in, out));
    for (int64_t i = 0; i < cn_tensor_count(out); i++)
        ((float *)cn_tensor_data(out))[i] = numbers_hashed(1, (uint32_t)i) - 0.4f;
    ck_ok(cn_model_backward(model, out, grad_in));
    gradient_by_hand(cn_tensor_data(weight), cn_tensor_data(out), wanted);
    for (int i = 0; i < CHANNELS * SIDE * SIDE; i++) {
        largest = fmax(largest, fabs(wanted[i]));
        worst = fmax(worst, fabs((double)((float *)cn_tensor_data(grad_in))[i] - wanted[i]));
    }
    ck_assert_msg(worst <= 5e-7 * largest, "off by %g of %g", worst, largest);
    cn_tensor_free(in);
    cn_tensor_free(grad_in);
    cn_tensor_free(out);
    cn_model_free(model);
    cn_context_free(context);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("gradients");
    TCase *tests = tcase_create("gradients");
    if (getenv("CASE"))
        tcase_add_test(tests, the_given_case_agrees_with_the_reference);
    else {
        tcase_add_loop_test(tests, random_layers_agree_with_the_reference, 0, 40);
        tcase_add_loop_test(tests, random_layers_agree_with_the_reference, LATE_SEEDS, LATE_SEEDS + 16);
    }
    tcase_add_loop_test(tests, sums_over_repeated_borders_lose_no_digit, CN_CONV_AUTO, CN_CONV_GEMM + 1);
    suite_add_tcase(suite, tests);
    return test_run(suite);
}
