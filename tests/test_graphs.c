/* SPDX-License-Identifier: MIT */
/* test_graphs.c: random graphs: what a plan fuses, shares, reorders and reuses must not show. Several passes of growing
 * and shrinking batches, training and evaluation, go through one model and are compared with the reference, which works
 * node by node; and the bits must not depend on threads or on the instruction set.
 *
 *     SEED=17 tests/bin/test_graphs
 *     GRAPHS=5000 FIRST=1000 tests/bin/test_graphs
 *
 * run the graph of that seed alone, and those of so many seeds, each of which a failure names. */
#include "random_network.h"
#include "testing.h"
#include "ways.h"
#include <stdio.h>
#include <stdlib.h>

TEST_RUNS_ONCE;

#define AGAIN "; again: SEED=%d tests/bin/test_graphs"

static const struct {
    int batch, training;
} passes[] = {{3, 1}, {17, 0}, {16, 1}, {1, 0}, {33, 1}, {2, 1}, {20, 0}, {18, 1}};

static const cn_conv_algorithm algorithms[] = {CN_CONV_DIRECT, CN_CONV_GEMM, CN_CONV_AUTO};

/* ---- against the reference ---- */

/* Running statistics go on from pass to pass. */
static void keep_statistics(const network *net, const net_pass *from, net_pass *to) {
    for (int t = 0; t < net->tensors; t++)
        memcpy(to->tensor[t], from->tensor[t], net->tensor[t].count * sizeof **to->tensor);
}

/* One graph as a model for each instruction set, and on the best with channels in the lanes; the reference, which takes long,
 * is computed once for all. */
typedef struct graph {
    network net;
    int seed, count;
    cn_isa isa[TEST_MAX_ISAS + 1];
    cn_context *context[TEST_MAX_ISAS + 1];
    cn_model *model[TEST_MAX_ISAS + 1];
} graph;

static graph graph_new(const network *net, int seed, int threads, cn_conv_algorithm algorithm, uint64_t model_seed,
                       cn_layout layout) {
    graph g = {.net = *net, .seed = seed};
    g.count = test_isas(g.isa) + 1;
    g.isa[g.count - 1] = g.isa[0];
    for (int i = 0; i < g.count; i++) {
        g.context[i] =
            net_context_of((net_way){threads, algorithm, g.isa[i], i < g.count - 1 ? layout : CN_LAYOUT_CHANNELS});
        g.model[i] = net_make_model(g.context[i], net, model_seed);
        if (layout != CN_LAYOUT_AUTO)
            expect_layout(g.model[i], net->batch);
    }
    return g;
}

static void graph_free(graph *g) {
    for (int i = 0; i < g->count; i++) {
        cn_model_free(g->model[i]);
        cn_context_free(g->context[i]);
    }
}

/* Replaces `given` by what comes after it on the best instruction set. */
static void check_pass(graph *g, net_pass **given) {
    char complaint[COMPLAINT];
    net_pass *after[TEST_MAX_ISAS + 1];
    expectation *wanted = net_expect(&g->net, *given);
    for (int i = 0; i < g->count; i++) {
        after[i] = net_pass_copy(&g->net, *given);
        net_run_model(g->context[i], g->model[i], &g->net, after[i]);
        int bad = net_compare(&g->net, after[i], wanted, NET_GRAPH_SAFETY, complaint);
        ck_assert_msg(bad == 0, "%s, %s: %d values differ: %s; batch %d, %s, '%s'" AGAIN, cn_isa_name(g->isa[i]),
                      layout_name(g->context[i]), bad, complaint, g->net.batch,
                      g->net.training ? "training" : "evaluation", g->net.text, g->seed);
    }
    net_expectation_free(wanted);
    for (int i = 1; i < g->count; i++)
        net_pass_free(after[i]);
    net_pass_free(*given);
    *given = after[0];
}

static void check_graph(network net, int seed) {
    graph g = graph_new(&net, seed, 1 + seed % 4, algorithms[seed % 3], net.seed, CN_LAYOUT_IMAGES);
    net_pass *pass = NULL;
    unsigned step = 0;
    size_t all = sizeof passes / sizeof *passes, count = network_cost(&net) > 1e5 && !test_whole() ? 3 : all;
    for (size_t i = 0; i < count; i++) {
        g.net.batch = passes[i].batch;
        g.net.training = passes[i].training;
        net_pass *given = net_pass_new(&g.net);
        given->seed = net.seed;
        given->step = step;
        if (pass) {
            keep_statistics(&g.net, pass, given);
            net_pass_free(pass);
        }
        check_pass(&g, &given);
        pass = given;
        step += (unsigned)g.net.training;
    }
    net_pass_free(pass);
    graph_free(&g);
}

/* Seed _i, in a process of its own. */
START_TEST(plans_compute_what_their_graphs_say) {
    check_graph(random_graph_of(_i), _i);
}
END_TEST

/* By turns a beginning, any layers, and all; half of the time nobody asks for the input's gradient. */
static network frozen_random_graph_of(int seed) {
    network net = random_graph_of(seed);
    dice d = {(uint64_t)seed << 20 | 1, false};
    int end = 1 + dice_below(&d, net.layers);
    for (int i = 1; i <= net.layers; i++)
        net.layer[i].frozen = seed % 7 == 0 || (seed % 2 ? i <= end : dice_below(&d, 2));
    net.no_input_gradient = seed % 4 < 2;
    return net;
}

START_TEST(frozen_layers_compute_as_in_evaluation) {
    check_graph(frozen_random_graph_of(_i), _i);
}
END_TEST

/* Patterns of their own: those that networks are made of, and those that went wrong once. */
static const char *const known_graphs[] = {
    /* a residual block whose skip is projected and normalised: two norms meet in an add */
    "train 2x4x6x5 | conv2d out=5 kernel=3 padding=1 stride=2 bias=0 | batch_norm | relu | conv2d out=5 kernel=3 "
    "padding=1 "
    "bias=0 | batch_norm | conv2d out=5 kernel=1 stride=2 bias=0 @0 | batch_norm | add @5 @7 | relu",
    "train 2x4x5x5 | group_norm | instance_norm @0 | add @2 @1 | layer_norm | dropout p=0.25 @3 | add @4 @5 | relu",
    /* pre-activation blocks: the skip is read by norm, convolution and add */
    "train 2x4x5x5 | conv2d out=4 kernel=3 padding=1 | batch_norm | relu | conv2d out=4 kernel=3 padding=1 | add @4 @1 "
    "| "
    "batch_norm | relu | conv2d out=4 kernel=3 padding=1 | add @8 @5 | adaptive_avg_pool out=1 | flatten | linear "
    "out=3",
    /* one value, all borders */
    "train 2x3x5x6 | relu | conv2d out=4 kernel=3 padding=1 mode=reflect @1 | conv2d out=4 kernel=3 padding=1 "
    "mode=circular "
    "@1 | conv2d out=4 kernel=3 padding=1 mode=replicate @1 | conv2d out=4 kernel=3 padding=1 @1 | conv2d out=4 "
    "kernel=5 "
    "padding=2 mode=reflect @1 | add @2 @3 @4 @5 | add @6 @7",
    /* a norm that reads its own skip, one that is its own skip, and one whose sum is read twice */
    "train 2x4x3x3 | batch_norm | add @1 @0 | relu | layer_norm | add @4 @4 | batch_norm | add @6 @5 | relu @7 | add "
    "@7 @8",
    /* followers that must not be taken along: ReLU, then add; dropout, then ReLU; two of each */
    "train 2x4x3x3 | batch_norm | relu | add @2 @0 | relu | batch_norm | dropout p=0.25 | relu | dropout p=0.25",
    /* dense connections */
    "train 2x2x4x4 | conv2d out=2 kernel=3 padding=1 | add @0 @1 | conv2d out=2 kernel=3 padding=1 | add @0 @1 @3 | "
    "conv2d "
    "out=2 kernel=3 padding=1 mode=circular | add @0 @1 @3 @5 | log_softmax",
    /* 3×3 convolutions by Winograd, with what is computed along with them and a value of two readers */
    "train 3x16x9x9 | conv2d out=16 kernel=3 padding=1 bias=0 mode=replicate | batch_norm | add @2 @0 | relu | conv2d "
    "out=16 kernel=3 padding=1 | relu | conv2d out=16 kernel=3 padding=1 bias=0 | add @7 @4",
    "train 2x20x8x12 | group_norm groups=4 | conv2d out=17 kernel=3 bias=0 | batch_norm | relu | conv2d out=16 "
    "kernel=3 "
    "padding=1 mode=circular | add @5 @5",
    /* 1×1 convolutions and a max pool in strips: of all widths, several to a map; a norm behind, a norm and ReLU ahead
     * (for inference: in between); an input read twice, groups; sizes that do not fit, and a pool of another kind */
    "train 19x9x12x10 | conv2d out=11 kernel=1 | max_pool kernel=2 | batch_norm | relu",
    "train 2x5x4x6 | batch_norm | relu | conv2d out=9 kernel=1 bias=0 | max_pool kernel=2 | add @4 @4",
    "train 3x4x8x2 | conv2d out=8 kernel=1 groups=2 | max_pool kernel=2 | conv2d out=8 kernel=1 stride=2 @0 | add @2 "
    "@3",
    "train 2x3x6x4 | conv2d out=4 kernel=1 | batch_norm | relu | max_pool kernel=2 | conv2d out=3 kernel=3 padding=1",
    "train 2x3x4x4 | conv2d out=4 kernel=1 | max_pool kernel=2 | conv2d out=4 kernel=1 | max_pool kernel=2 | flatten",
    "train 2x3x5x4 | conv2d out=4 kernel=1 | max_pool kernel=2 | batch_norm",
    "train 2x3x4x4 | conv2d out=4 kernel=1 | max_pool kernel=3 stride=2 padding=1 | batch_norm",
    /* a ReLU and a max pool, alone, with the input and with a value of two readers; and where they do not fit */
    "train 17x3x6x4 | conv2d out=5 kernel=3 padding=1 | relu | max_pool kernel=2 | conv2d out=4 kernel=3 padding=1",
    "train 2x3x4x4 | relu | max_pool kernel=2 | conv2d out=2 kernel=1",
    "train 2x3x4x4 | relu | max_pool kernel=2 | max_pool kernel=2 @0 | add @2 @3",
    "train 2x3x4x4 | conv2d out=3 kernel=1 | relu | max_pool kernel=2 | max_pool kernel=2 @1 | add @3 @4",
    "train 2x3x5x4 | conv2d out=3 kernel=1 | relu | max_pool kernel=2 | batch_norm",
    /* identities before, between and behind what is computed together, and where they must stay */
    "train 2x3x4x4 | identity | conv2d out=4 kernel=1 | identity | batch_norm | identity | relu | identity | max_pool "
    "kernel=2 | identity",
    "train 2x3x4x4 | conv2d out=3 kernel=3 padding=1 | identity | identity @1 | add @2 @3 | identity | identity @4 | "
    "add @5 @6",
    /* dense blocks: values with many readers, some of them twice in one concat, and borders of two kinds */
    "train 2x3x5x5 | conv2d out=4 kernel=3 padding=1 | concat @0 @1 | batch_norm | relu | conv2d out=2 kernel=3 "
    "padding=1 mode=circular | concat @2 @5 @0 @5 | conv2d out=3 kernel=3 padding=1 mode=reflect | concat @6 @7 @7 | "
    "conv2d out=3 kernel=3 padding=1",
    /* a U: down, up, and the skip beside */
    "train 2x3x6x4 | conv2d out=4 kernel=3 padding=1 | relu | max_pool kernel=2 | conv2d out=16 kernel=3 padding=1 | "
    "pixel_shuffle factor=2 | concat @2 @5 | pad pad=1x1x2x0 mode=replicate | conv2d out=2 kernel=3",
    /* squeeze-and-excitation between convolutions; a sum that is broadcast behind a norm, which must not take it along */
    "train 2x3x6x5 | conv2d out=8 kernel=3 padding=1 bias=0 | batch_norm | relu | adaptive_avg_pool out=1 | conv2d "
    "out=2 kernel=1 | relu | conv2d out=8 kernel=1 | sigmoid | mul @3 @8 | conv2d out=8 kernel=1 | batch_norm | add"
    " @11 @3",
    "train 2x4x5x3 | adaptive_avg_pool out=1 | batch_norm @0 | add @2 @1 | relu | batch_norm @1 | add @5 @4 | relu "
    "| mul @7 @7",
    /* a U: what was small is enlarged and joined */
    "train 2x4x6x8 | conv2d out=4 kernel=3 padding=1 | batch_norm | relu | max_pool kernel=2 | conv2d out=4 "
    "kernel=3 padding=1 mode=reflect | upsample bilinear=1 by=2 | add @6 @3 | conv2d out=4 kernel=3 padding=1 | "
    "upsample out=3x4 | conv2d out=4 kernel=3 padding=1",
    /* another, by transposed convolutions of the usual kernels, one of which reads the input and one what others read */
    "train 2x3x4x6 | conv2d out=6 kernel=3 padding=1 bias=0 | batch_norm | relu | max_pool kernel=2 | conv2d out=8 "
    "kernel=3 padding=1 | relu | conv_transpose2d out=6 kernel=2 stride=2 | batch_norm | add @8 @3 | relu | "
    "conv_transpose2d out=4 kernel=4 stride=2 padding=1 | conv_transpose2d out=4 kernel=3 stride=2 padding=1 "
    "output_padding=1 @0 | add @11 @12 | conv_transpose2d out=4 kernel=3 padding=1 @13 | add @13 @14 | conv2d out=2"
    " kernel=3 padding=1 mode=replicate",
    /* a block of ConvNeXt, and the heads that look at the largest */
    "train 2x6x5x5 | conv2d out=6 kernel=3 padding=1 groups=6 | layer_norm2d | conv2d out=12 kernel=1 | gelu | "
    "conv2d out=6 kernel=1 | add @5 @0 | layer_norm2d | adaptive_max_pool out=1 | adaptive_avg_pool out=1 @7 | add "
    "@8 @9 | flatten | linear out=3",
    /* channels that fill several lines and part of another: one channel, row, column or pixel for all of them */
    "train 3x18x3x6 | adaptive_avg_pool out=1 | reshape to=1x3x6 | mul @0 @2 | mul @3 @1 | add @4 @2 | "
    "adaptive_avg_pool out=1x6 @0 | mul @2 @6 | add @7 @6 @2 | add @8 @5 | batch_norm | relu | mul @2 @2 | mul @12 @1 "
    "| "
    "add @13 @11 | softmax",
    /* norms of all kinds, their skips and followers */
    "train 3x37x4x5 | batch_norm | dropout p=0.25 | group_norm groups=37 @0 | add @3 @1 | relu | layer_norm2d | add @6 "
    "@2 | instance_norm | relu | prelu weights=37 | concat @0 @10 @7 @0 | channel_shuffle groups=4 | group_norm "
    "groups=2",
    /* a sum of equal shapes behind a norm, which at other sizes is broadcast */
    "train 2x4x1x4 | adaptive_avg_pool out=1x4 | batch_norm | add @2 @0 | relu",
    /* neighbours in other lines */
    "train 3x37x4x5 | local_response_norm size=6 alpha=0.5 | conv2d out=18 kernel=3 padding=1 | local_response_norm "
    "size=99 alpha=2 beta=0.5 k=2 | add @3 @2 | local_response_norm alpha=0.25 @4 | add @5 @4",
    /* values that go from lane to lane, some of them twice */
    "train 2x36x4x6 | group_norm groups=2 | pixel_shuffle factor=2 | batch_norm | relu | max_pool kernel=2 | "
    "pixel_unshuffle factor=2 @4 | concat @5 @6 | batch_norm affine=0 | pad pad=1x0x2x1 mode=replicate | upsample "
    "bilinear=1 by=2 | avg_pool kernel=3 | flatten | log_softmax",
    "train 3x35x3x3 | dropout p=0.5 | batch_norm running=0 | add @2 @1 | relu | dropout p=0.25 | group_norm groups=5 | "
    "identity | reshape to=7x15x3 | layer_norm2d affine=0 | add @9 @8 | gelu | adaptive_max_pool out=2x1",
    /* nothing to train; nothing but the input */
    "train 2x3x4x4 | max_pool kernel=2 | flatten",
    "train 2x3x4x4 | add @0 @0",
    "train 2x3x4x4 | identity",
    "train 2x3x4x4 | concat @0 @0",
};
#define KNOWN ((int)(sizeof known_graphs / sizeof *known_graphs))

/* By each algorithm for convolutions, or by the usual and one other. */
START_TEST(known_patterns_are_right) {
    for (int seed = 0; seed < 3; seed++)
        if (test_whole() || seed == (test_quick() || _i % 2 ? 2 : _i / 2 % 2))
            check_graph(network_of(known_graphs[_i]), seed);
}
END_TEST

/* ---- plans without a backward pass ---- */

static void predict(cn_context *context, cn_model *model, const network *net, int max_batch_size, net_pass *pass) {
    float *pixels = calloc(pass->inputs, sizeof *pixels), *results = calloc(pass->outputs, sizeof *results);
    net_shape in = net->layer[0].shape, out = net->layer[net->layers].shape;
    cn_predictor_options options = CN_PREDICTOR_OPTIONS_INIT;
    cn_predictor *predictor;
    cn_tensor *input, *output;
    for (size_t i = 0; i < pass->inputs; i++)
        pixels[i] = (float)pass->input[i];
    options.max_batch_size = max_batch_size;
    ck_ok(cn_tensor_borrow(context, CN_DTYPE_FLOAT32, 4, (int64_t[]){net->batch, in.channels, in.height, in.width},
                           pixels, &input));
    ck_ok(cn_tensor_borrow(context, CN_DTYPE_FLOAT32, 4, (int64_t[]){net->batch, out.channels, out.height, out.width},
                           results, &output));
    ck_ok(cn_predictor_new(model, &options, &predictor));
    ck_ok(cn_predictor_run(predictor, input, output));
    for (size_t i = 0; i < pass->outputs; i++)
        pass->output[i] = results[i];
    cn_predictor_free(predictor);
    cn_tensor_free(input);
    cn_tensor_free(output);
    free(pixels);
    free(results);
}

static void check_predictions(network net, int seed, cn_conv_algorithm algorithm) {
    char complaint[COMPLAINT];
    bool joins = strstr(net.text, "running=0") != NULL; /* statistics of however many images go together */
    net.training = 0;
    net.batch = 20;
    graph g = graph_new(&net, seed, 1 + seed % 3, algorithm, 1, CN_LAYOUT_AUTO);
    net_pass *pass = net_pass_new(&net);
    expectation *wanted = net_expect(&net, pass);
    for (int i = 0; i < g.count; i++) {
        net_run_model(g.context[i], g.model[i], &net, pass); /* sets the parameters, too */
        for (int max_batch_size = 1; max_batch_size < 40; max_batch_size = 2 * max_batch_size + 5) {
            if (joins && max_batch_size < net.batch)
                continue;
            predict(g.context[i], g.model[i], &net, max_batch_size, pass);
            int bad = net_compare(&net, pass, wanted, NET_GRAPH_SAFETY, complaint);
            ck_assert_msg(bad == 0, "%s: %d values differ: %s; by %d images, '%s'" AGAIN, cn_isa_name(g.isa[i]), bad,
                          complaint, max_batch_size, net.text, seed);
        }
    }
    net_pass_free(pass);
    net_expectation_free(wanted);
    graph_free(&g);
}

START_TEST(predictors_compute_what_their_graphs_say) {
    check_predictions(random_graph_of(_i), _i, algorithms[_i % 3]);
}
END_TEST

START_TEST(predictors_compute_known_patterns) {
    network net = network_of(known_graphs[_i]);
    if (_i % 2 || test_whole())
        check_predictions(net, _i, CN_CONV_DIRECT);
    if (_i % 2 == 0 || test_whole())
        check_predictions(net, _i, CN_CONV_AUTO);
}
END_TEST

/* ---- other sizes ---- */

/* The same graph over images of another size, where that fits and its tensors stay what they are. */
static bool resized(const network *net, int rows, int columns, network *other) {
    char text[NET_TEXT];
    net_shape in = net->layer[0].shape;
    const char *seed = strstr(net->text, " seed="), *tail = seed ? seed : strstr(net->text, " |");
    snprintf(text, sizeof text, "train %dx%dx%dx%d%s", net->batch, in.channels, in.height + rows, in.width + columns,
             tail);
    if (network_parse(other, text) != 0 || other->tensors != net->tensors ||
        net_size(other->layer[other->layers].shape) > 600)
        return false;
    for (int i = 1; i <= net->layers; i++) /* norms are made for so many channels */
        if (other->layer[i].shape.channels != net->layer[i].shape.channels)
            return false;
    for (int t = 0; t < net->tensors; t++)
        if (other->tensor[t].count != net->tensor[t].count)
            return false;
    return true;
}

/* How many sizes beside its own a graph took. */
static int check_sizes(network net, int seed) {
    static const int more[][2] = {{1, 0}, {0, 2}, {3, 3}};
    int taken = 0;
    graph g = graph_new(&net, seed, 1 + seed % 4, algorithms[seed % 3], net.seed, CN_LAYOUT_AUTO);
    for (size_t i = 0; i < sizeof more / sizeof *more; i++) {
        if (!resized(&net, more[i][0], more[i][1], &g.net))
            continue;
        g.net.batch = 3 + 15 * (int)(i % 2);
        net_pass *pass = net_pass_new(&g.net);
        pass->seed = net.seed;
        pass->step = (unsigned)taken++;
        check_pass(&g, &pass);
        net_pass_free(pass);
    }
    graph_free(&g);
    return taken;
}

START_TEST(images_of_other_sizes_are_computed_as_well) {
    check_sizes(random_graph_of(_i), _i);
}
END_TEST

START_TEST(known_patterns_take_other_sizes) {
    check_sizes(network_of(known_graphs[_i]), _i);
}
END_TEST

/* ---- bits ---- */

static void check_threads(const network *net, int seed, net_way way) {
    char complaint[COMPLAINT];
    int bad = compare_threads(net, way, complaint);
    ck_assert_msg(bad == 0, "%d values differ: %s; '%s'" AGAIN, bad, complaint, net->text, seed);
}

/* By all algorithms, and in the other layout. */
static void check_ways(const network *net, int seed, cn_isa isa) {
    for (size_t a = 0; a < 3; a++)
        check_threads(net, seed, (net_way){0, algorithms[a], isa, CN_LAYOUT_IMAGES});
    check_threads(net, seed, (net_way){0, CN_CONV_AUTO, isa, CN_LAYOUT_CHANNELS});
}

START_TEST(threads_do_not_change_bits) {
    network net = random_graph_of(_i);
    cn_isa isas[TEST_MAX_ISAS];
    net.batch = 35;
    for (int i = 0, count = test_isas(isas); i < count; i++)
        check_ways(&net, _i, isas[i]);
}
END_TEST

/* Those of the patterns that have norms and nothing to convolve. */
START_TEST(threads_do_not_change_bits_of_wide_patterns) {
    network net = network_of(known_graphs[_i]);
    net.batch = 19;
    if (!strstr(net.text, "conv") && !strstr(net.text, "linear"))
        check_threads(&net, _i, (net_way){0, CN_CONV_AUTO, CN_ISA_AUTO, CN_LAYOUT_CHANNELS});
}
END_TEST

START_TEST(threads_do_not_change_bits_of_what_is_partly_frozen) {
    network net = frozen_random_graph_of(_i);
    net.batch = 35;
    check_ways(&net, _i, CN_ISA_AUTO);
}
END_TEST

START_TEST(instruction_sets_do_not_change_bits) {
    unsetenv("CONVNET_MAX_ISA");
    network net = random_graph_of(_i);
    net.batch = 18;
    for (int l = 0; l < 2 && test_offers(CN_ISA_AVX512); l++) {
        char complaint[COMPLAINT];
        int bad = compare_avx2(&net, (net_way){2, CN_CONV_DIRECT, CN_ISA_AVX512, layouts[l]}, complaint);
        ck_assert_msg(bad == 0, "%d values differ: %s; '%s'" AGAIN, bad, complaint, net.text, _i);
    }
}
END_TEST

/* What a batch's images are computed beside must not matter where a layer treats them one by one. */
static void check_images(network net, cn_isa isa, cn_layout layout) {
    net_pass *all = run_in_way(&net, (net_way){2, CN_CONV_DIRECT, isa, layout});
    for (net.batch = 1; net.batch < 37; net.batch += 5) {
        net_pass *some = run_in_way(&net, (net_way){2, CN_CONV_DIRECT, isa, layout});
        ck_assert_int_eq(memcmp(some->output, all->output, some->outputs * sizeof *some->output), 0);
        net_pass_free(some);
    }
    net_pass_free(all);
}

START_TEST(images_do_not_see_each_other) {
    cn_isa isas[TEST_MAX_ISAS];
    network net = network_of("eval 37x3x6x7 seed=4 | conv2d out=9 kernel=3 padding=1 mode=reflect | "
                             "batch_norm | relu | max_pool kernel=2 | group_norm groups=3 | flatten | "
                             "linear out=5 | log_softmax");
    for (int i = 0, count = test_isas(isas); i < count; i++)
        for (int l = 0; l < 2; l++)
            check_images(net, isas[i], layouts[l]);
}
END_TEST

/* ---- the suite ---- */

static void check_all(int seed) {
    check_predictions(random_graph_of(seed), seed, algorithms[seed % 3]);
    check_graph(random_graph_of(seed), seed);
    check_graph(frozen_random_graph_of(seed), seed);
    check_sizes(random_graph_of(seed), seed);
}

START_TEST(the_given_graph_is_right) {
    int seed = atoi(getenv("SEED"));
    printf("%s\n", random_graph_of(seed).text);
    check_all(seed);
}
END_TEST

START_TEST(many_graphs_are_right) {
    check_all(_i);
}
END_TEST

/* Adds a test of graphs by seed: `early` that have stood here from the first, `late` that were drawn when there were more
 * layers; all of them where the whole is asked for. */
static void add_graphs(TCase *group, const TTest *test, int early, int late) {
    int part = test_quick() ? 10 : test_whole() ? 1 : 8;
    tcase_add_loop_test(group, test, 0, (early + part - 1) / part);
    tcase_add_loop_test(group, test, LATE_SEEDS, LATE_SEEDS + (late + part - 1) / part);
}

int main(void) {
    Suite *suite = suite_create("graphs");
    TCase *reference = tcase_create("reference"), *bits = tcase_create("bits");
    if (getenv("SEED")) {
        tcase_add_test(reference, the_given_graph_is_right);
    } else if (getenv("GRAPHS")) {
        int first = getenv("FIRST") ? atoi(getenv("FIRST")) : LATE_SEEDS;
        tcase_add_loop_test(reference, many_graphs_are_right, first, first + atoi(getenv("GRAPHS")));
    } else {
        add_graphs(reference, images_of_other_sizes_are_computed_as_well, 50, 10);
        add_graphs(reference, plans_compute_what_their_graphs_say, 100, 10);
        add_graphs(reference, frozen_layers_compute_as_in_evaluation, 100, 10);
        add_graphs(reference, predictors_compute_what_their_graphs_say, 50, 5);
        tcase_add_loop_test(reference, known_patterns_are_right, 0, KNOWN);
        tcase_add_loop_test(reference, known_patterns_take_other_sizes, 0, KNOWN);
        tcase_add_loop_test(reference, predictors_compute_known_patterns, 0, KNOWN);
        add_graphs(bits, threads_do_not_change_bits, 15, 5);
        add_graphs(bits, threads_do_not_change_bits_of_what_is_partly_frozen, 15, 0);
        add_graphs(bits, instruction_sets_do_not_change_bits, 15, 5);
        tcase_add_loop_test(bits, threads_do_not_change_bits_of_wide_patterns, 0, KNOWN);
        tcase_add_test(bits, images_do_not_see_each_other);
    }
    suite_add_tcase(suite, reference);
    suite_add_tcase(suite, bits);
    return test_run(suite);
}
