/* SPDX-License-Identifier: MIT */
/* test_out_of_memory.c: memory runs out at the first, second, third … allocation, once or for good, while a model of
 * every layer type is built, initialised, described and run. Each call that fails says CN_ERR_MEMORY and nothing else,
 * loses nothing, and succeeds when called again with memory back; and the results are those of an undisturbed run. */
#include "activations.h"
#include "network.h"
#include "testing.h"
#include <stdio.h>
#include <stdlib.h>

TEST_RUNS_ONCE;

/* The activation functions come in between. */
static const char head[] =
    "train 20x4x6x6 seed=3 | conv2d out=8 kernel=3 padding=1 mode=replicate bias=0 | batch_norm | add @2 @1 | "
    "dropout p=0.25 | conv2d out=8 kernel=3 padding=1 groups=2 mode=circular | conv2d out=8 kernel=1 @4 | add @5 @6 @4";
static const char tail[] =
    " | max_pool kernel=2 | layer_norm | avg_pool kernel=2 stride=1 | group_norm | instance_norm | softmax | "
    "adaptive_avg_pool out=2x1 | flatten | linear out=5 | log_softmax";

#define IMAGE   (4 * 6 * 6)
#define CLASSES 5
#define BATCH   20

/* What a run ends with. */
typedef struct outcome {
    float output[BATCH * CLASSES], grad_input[BATCH * IMAGE], weight[8 * 4 * 9];
} outcome;

/* ---- calls that are made again when they fail ---- */

typedef struct scenario {
    counting_allocator counter;
    cn_context *ctx;
    long failures;
} scenario;

/* Whether a call must be repeated; the allocator is well from then on. */
static bool again(scenario *s, cn_status status, const char *call) {
    if (status == CN_OK)
        return false;
    ck_assert_msg(status == CN_ERR_MEMORY, "%s: %s: %s", call, cn_status_string(status), cn_last_error());
    ck_assert_msg(s->counter.fail_at != 0, "%s fails with memory at hand: %s", call, cn_last_error());
    s->counter.fail_at = 0;
    s->failures++;
    return true;
}

#define INSIST(call)                                                                                                   \
    while (again(s, call, #call))                                                                                      \
    continue

/* ---- the scenario ---- */

/* A failure takes the layer along, so that both calls are made again. */
static cn_status put_layer(cn_context *ctx, cn_model *model, const network *net, int layer) {
    cn_layer *made = (cn_layer *)&ctx;
    cn_status status = net_layer_new(ctx, net, layer, &made);
    if (status == CN_OK)
        return net_layer_add(model, net, layer, made);
    ck_assert_ptr_null(made);
    return status;
}

static void parse_every_layer(network *net) {
    char text[NET_TEXT];
    int length = snprintf(text, sizeof text, "%s", head);
    for (int i = 0; i < activation_count; i++)
        length += snprintf(text + length, sizeof text - (size_t)length, " | %s", activations[i].word);
    snprintf(text + length, sizeof text - (size_t)length, "%s", tail);
    ck_assert_int_eq(network_parse(net, text), 0);
}

static cn_model *build(scenario *s) {
    cn_model *model;
    network net;
    parse_every_layer(&net);
    INSIST(cn_model_new(s->ctx, 4, 6, 6, &model));
    for (int i = 1; i <= net.layers; i++)
        INSIST(put_layer(s->ctx, model, &net, i));
    INSIST(cn_model_init(model, 7));
    return model;
}

static void describe(scenario *s, cn_model *model) {
    static const float mean[] = {1, 2, 3, 4}, std[] = {1, 1, 1, 1};
    static const char *const names[] = {"a", "b", "c", "d", "e"};
    char *text;
    INSIST(cn_model_summary(model, &text));
    cn_text_free(text);
    INSIST(cn_model_receptive_field(model, &text));
    cn_text_free(text);
    for (int i = 0; i < 2; i++) { /* the second replaces the first */
        INSIST(cn_model_set_normalization(model, 4, mean, std));
        INSIST(cn_model_set_class_names(model, CLASSES, names));
    }
    ck_assert_str_eq(cn_model_class_name(model, 4), "e");
}

/* One training pass, and what it leaves. */
static void train(scenario *s, cn_model *model, int batch, outcome *to) {
    static float pixels[BATCH * IMAGE];
    cn_tensor *in, *out, *weight;
    for (size_t i = 0; i < BATCH * IMAGE; i++)
        pixels[i] = (float)net_value(0, i);
    INSIST(cn_tensor_borrow(s->ctx, CN_DTYPE_FLOAT32, 4, (int64_t[]){batch, 4, 6, 6}, pixels, &in));
    INSIST(cn_tensor_borrow(s->ctx, CN_DTYPE_FLOAT32, 2, (int64_t[]){batch, CLASSES}, to->output, &out));
    INSIST(cn_model_forward(model, 0, in, out));
    INSIST(cn_model_forward(model, 1, in, out));
    INSIST(cn_model_backward(model, out, in));
    memcpy(to->grad_input, pixels, sizeof pixels);
    ck_ok(cn_model_gradient(model, "1.weight", &weight));
    memcpy(to->weight, cn_tensor_data(weight), sizeof to->weight);
    cn_tensor_free(in);
    cn_tensor_free(out);
}

/* Returns how often a call had to be made again. */
static long run(long fail_at, int persistent, cn_conv_algorithm algorithm, cn_layout layout, outcome *to) {
    scenario scene = {.counter = {.fail_at = fail_at, .persistent = persistent}}, *s = &scene;
    cn_context_options options = CN_CONTEXT_OPTIONS_INIT;
    counting_options(&s->counter, &options);
    options.threads = 1;
    options.conv_algorithm = algorithm;
    options.layout = layout;
    memset(to, 0, sizeof *to);
    INSIST(cn_context_new(&options, &s->ctx));
    cn_model *model = build(s);
    describe(s, model);
    train(s, model, 3, to);
    train(s, model, BATCH, to); /* needs more */
    cn_model_free(model);
    cn_context_free(s->ctx);
    ck_assert_msg(s->counter.live == 0, "allocation %ld failed: %ld pieces leaked", fail_at, s->counter.live);
    return s->failures;
}

/* Bit 0 of _i: for good or once; bit 1: the way to convolve; bit 2: with channels in the lanes. */
START_TEST(a_failing_allocation_is_a_status) {
    static outcome whole, disturbed;
    cn_conv_algorithm algorithm = _i / 2 % 2 ? CN_CONV_GEMM : CN_CONV_DIRECT;
    cn_layout layout = _i / 4 ? CN_LAYOUT_CHANNELS : CN_LAYOUT_IMAGES;
    long step = test_quick() ? 17 : test_whole() ? 1 : 13, failed = 0;
    ck_assert_int_eq(run(0, 0, algorithm, layout, &whole), 0);
    for (long n = 1; run(n, _i % 2, algorithm, layout, &disturbed) > 0; n += step) {
        ck_assert_msg(memcmp(&whole, &disturbed, sizeof whole) == 0, "allocation %ld failed: other results", n);
        failed++;
    }
    ck_assert_int_gt(failed * step, 100);
}
END_TEST

/* ---- prebuilt networks ---- */

START_TEST(prebuilt_networks_run_out_of_memory_alike) {
    for (long n = 1;; n += test_quick() ? 17 : test_whole() ? 1 : 3) {
        counting_allocator counter = {0};
        cn_model *model = (cn_model *)&counter;
        cn_context *ctx = counting_context(&counter, 1);
        counter.fail_at = counter.calls + n;
        counter.persistent = _i % 2;
        cn_status status = _i / 2 ? cn_model_mnist(ctx, 5, 0, &model) : cn_model_session8(ctx, NULL, &model);
        ck_assert(status == CN_OK || (status == CN_ERR_MEMORY && !model));
        cn_model_free(model);
        cn_context_free(ctx);
        ck_assert_int_eq(counter.live, 0);
        if (status == CN_OK)
            break;
    }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("out of memory");
    TCase *tests = tcase_create("out of memory");
    tcase_add_loop_test(tests, a_failing_allocation_is_a_status, 0, 8);
    tcase_add_loop_test(tests, prebuilt_networks_run_out_of_memory_alike, 0, 4);
    suite_add_tcase(suite, tests);
    return test_run(suite);
}
