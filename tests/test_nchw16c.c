/* SPDX-License-Identifier: MIT */
/* test_nchw16c.c: images one by one, with channels in the lanes, come out as the reference and the plans with
 * images in the lanes have them: random layers and graphs, the prebuilt networks with all norms; to the bit the same
 * for any number of threads and on AVX2 and AVX-512.
 *
 *     SEED=17 tests/bin/test_nchw16c
 *
 * runs the random cases of that seed alone. */
#include "expectation.h"
#include "random_network.h"
#include "testing.h"
#include "plan/plan.h"
#include <math.h>
#include <stdlib.h>

#define AGAIN "; again: SEED=%d tests/bin/test_nchw16c"

/* ---- a pass, whatever the predictor would choose ---- */

typedef struct pass {
    const float *input;
    float *output;
    size_t inputs, outputs; /* of an image */
} pass;

static void fill(void *argument, size_t image, int32_t index, const cn__fmap *input) {
    (void)index;
    const pass *p = argument;
    cn__nchw16c_pack(input, 0, p->input + image * p->inputs);
}

static void take(void *argument, size_t image, int32_t index, const cn__fmap *output) {
    (void)index;
    const pass *p = argument;
    cn__nchw16c_unpack(output, 0, p->output + image * p->outputs);
}

static void run_singly(const cn_model *model, int32_t images, const float *input, float *output) {
    int64_t shape[3];
    cn_model_output_shape(model, shape);
    cn__shape in = model->input;
    pass p = {input, output, (size_t)in.channels * (size_t)in.height * (size_t)in.width,
              (size_t)(shape[0] * shape[1] * shape[2])};
    cn__inference *inference;
    ck_ok(cn__inference_new(model, &(cn__inference_options){.images = images, .nchw16c = true}, &inference));
    cn__inference_prepare(inference);
    cn__inference_run(inference, images, &(cn__blocks){fill, take, &p});
    memset(output, 0, (size_t)images * p.outputs * sizeof *output);
    cn__inference_run(inference, images, &(cn__blocks){fill, take, &p}); /* over what the first left behind */
    cn__inference_free(inference);
}

/* ---- random networks against the reference ---- */

/* 1 if the network can be run one by one; what it gives is then right. */
static int check_network(network net, int seed, double safety) {
    char complaint[COMPLAINT];
    net.training = 0;
    net.batch = 3;
    cn_context *context = net_context(1 + seed % 3, CN_CONV_AUTO, CN_ISA_AUTO);
    cn_model *model = net_make_model(context, &net, 1);
    int serves = cn__plan_serves_nchw16c(model, false);
    net_pass *given = net_pass_new(&net);
    if (serves) {
        expectation *wanted = net_expect(&net, given);
        float *input = calloc(given->inputs, sizeof *input), *output = calloc(given->outputs, sizeof *output);
        net_run_model(context, model, &net, given); /* sets the parameters, too */
        for (size_t i = 0; i < given->inputs; i++)
            input[i] = (float)given->input[i];
        run_singly(model, net.batch, input, output);
        for (size_t i = 0; i < given->outputs; i++)
            given->output[i] = (double)output[i];
        int bad = net_compare(&net, given, wanted, safety, complaint);
        ck_assert_msg(bad == 0, "%d values differ: %s; '%s'" AGAIN, bad, complaint, net.text, seed);
        net_expectation_free(wanted);
        free(input);
        free(output);
    }
    net_pass_free(given);
    cn_model_free(model);
    cn_context_free(context);
    return serves;
}

enum { CASES = 40 };

static int random_cases(bool graphs, int group) {
    const char *only = getenv("SEED");
    int first = only ? atoi(only) : group * CASES, count = only ? 1 : test_quick() ? 5 : CASES, served = 0;
    for (int seed = first; seed < first + count; seed++) {
        network net;
        dice d = {(uint64_t)seed << 20 | 1u << graphs, seed >= LATE_SEEDS};
        if (graphs)
            random_graph(&d, 2500, &net);
        else
            random_layer(&d, 20000, &net);
        served += check_network(net, seed, graphs ? NET_GRAPH_SAFETY : NET_LAYER_SAFETY);
    }
    return served;
}

START_TEST(random_layers_are_right) {
    int served = random_cases(false, _i);
    ck_assert(getenv("SEED") || served > (test_quick() ? 0 : CASES / 2));
}
END_TEST

START_TEST(random_graphs_are_right) {
    int served = random_cases(true, _i);
    ck_assert(getenv("SEED") || served > (test_quick() ? 0 : CASES / 4));
}
END_TEST

static const char *const known[] = {
    /* one value, borders of several widths and kinds */
    "eval 3x18x5x6 | relu | conv2d out=20 kernel=3 padding=1 @1 | conv2d out=20 kernel=5x3 padding=2x1 @1 | conv2d "
    "out=20 kernel=1x5 padding=0x2 @1 | conv2d out=20 kernel=3 padding=1 mode=reflect @1 | add @2 @3 @4 @5",
    /* a skip with a border and one without, joined to what is wider than a line */
    "eval 3x3x6x6 | conv2d out=33 kernel=1 | conv2d out=33 kernel=3 padding=1 mode=replicate | batch_norm | add @3 @1 "
    "| "
    "relu | conv2d out=33 kernel=1 | group_norm groups=11 | add @7 @5 | conv2d out=4 kernel=3 padding=1",
    /* norms that nothing takes in, and features that fill no line */
    "eval 3x17x4x3 | batch_norm | max_pool kernel=2 stride=1 | layer_norm | relu | flatten | linear out=11 | "
    "batch_norm "
    "@1 | instance_norm | add @8 @1 | flatten | linear out=11 | add @6 @11 | softmax",
    /* concats at all places of a line, of whole lines, and of flat features */
    "eval 3x3x5x6 | conv2d out=18 kernel=1 | conv2d out=32 kernel=1 @0 | concat @0 @1 @2 | conv2d out=37 kernel=3 "
    "padding=1 | concat @2 @4 @3 @0 | conv2d out=5 kernel=3 padding=1 | flatten | linear out=19 | concat @7 @8 @7 | "
    "linear out=4",
    /* values from lane to lane */
    "eval 3x36x4x6 | reshape to=18x8x6 | prelu weights=18 | pad pad=1x0x2x0 value=0.5 | conv2d out=20 kernel=3 "
    "padding=1 "
    "| channel_shuffle groups=5 | pixel_shuffle factor=2 | conv2d out=17 kernel=3 padding=1 | identity | reshape "
    "to=2x-1x14 | conv2d out=2 kernel=1 | pixel_unshuffle factor=2",
    /* one number for all channels, one for all pixels, one for all rows; another size, with a border */
    "eval 3x18x5x6 | conv2d out=1 kernel=1 | adaptive_avg_pool out=1 @0 | mul @0 @1 | mul @2 @3 | adaptive_avg_pool"
    " out=1x6 @0 | add @4 @5 @1 | mul @1 @6 | conv2d out=18 kernel=3 padding=1 | upsample bilinear=1 by=1.5x2 | "
    "conv2d out=3 kernel=3 padding=1 | upsample out=5x6 | mul @11 @1 | mul @12 @12",
    /* transposed convolutions of every kind that has phases with and without taps, norms of pixels, largest values */
    "eval 3x18x4x5 | conv_transpose2d out=17 kernel=3x2 stride=2x3 padding=1x0 output_padding=1 | layer_norm2d | "
    "conv2d out=16 kernel=3 padding=1 mode=replicate | conv_transpose2d out=33 kernel=3 dilation=2 stride=2 "
    "padding=2 bias=0 @0 | layer_norm2d affine=0 | conv_transpose2d out=16 kernel=2 padding=1 | adaptive_max_pool "
    "out=8x15 | add @3 @7 | conv_transpose2d out=3 kernel=4 stride=2 padding=1",
    /* neighbours in other lines, more of them than there are channels, and channels that fill no line */
    "eval 3x37x4x5 | local_response_norm size=6 alpha=0.5 | conv2d out=18 kernel=3 padding=1 | local_response_norm "
    "size=99 alpha=2 beta=0.5 k=2 | conv2d out=5 kernel=3 padding=1 | local_response_norm alpha=0.25",
    /* ReLU6 behind convolutions of all kinds, behind what they add, and where there is nothing to take it in */
    "eval 2x18x17x15 | conv2d out=32 kernel=3 padding=1 | relu6 | conv2d out=32 kernel=3 padding=1 | batch_norm | "
    "add @4 @2 | relu6",
    "eval 3x18x6x5 | conv2d out=32 kernel=3 padding=1 | relu6 | conv2d out=32 kernel=3 padding=1 | batch_norm | add @4 "
    "@2 | relu6 | conv2d out=32 kernel=3 padding=1 groups=32 | batch_norm | relu6 | conv2d out=7 kernel=1 | relu6 | "
    "relu6 | flatten | linear out=9 | relu6",
    /* each channel by itself, several outputs of each, groups within a line, across lines and of whole lines */
    "eval 3x36x9x8 | conv2d out=36 kernel=5 stride=2 padding=2 groups=36 | batch_norm | relu | conv2d out=36 "
    "kernel=3 padding=2x1 groups=36 dilation=2x1 mode=replicate | batch_norm | add @3 @5 | conv2d out=72 kernel=3 "
    "padding=1 groups=36 | conv2d out=48 kernel=1 groups=24 | conv2d out=30 kernel=2 groups=6 | conv2d out=40 "
    "kernel=1 groups=5 | conv2d out=64 kernel=1 | conv2d out=96 kernel=3x1 padding=1x0 groups=2 stride=1x3",
};

START_TEST(known_patterns_are_right) {
    network net = network_of(known[_i]);
    ck_assert_int_eq(check_network(net, 0, NET_GRAPH_SAFETY), 1);
}
END_TEST

/* ---- whole networks ---- */

static cn_context *context_of(int threads, cn_isa isa) {
    return net_context(threads, CN_CONV_DIRECT, isa);
}

/* Session 8 with each norm, then the MNIST networks, with statistics that are not those of the start. */
enum { SESSION8 = CN_NORM_INSTANCE + 1, NETWORKS = SESSION8 + 4 };

static cn_model *network_new(cn_context *context, int number) {
    cn_model *model;
    cn_session8_options options = CN_SESSION8_OPTIONS_INIT;
    options.norm = (cn_norm_kind)number;
    ck_ok(number < SESSION8 ? cn_model_session8(context, &options, &model)
                            : cn_model_mnist(context, number - SESSION8 + 2, 0, &model));
    for (int i = 0; i < cn_model_tensor_count(model); i++) {
        const char *name = cn_model_tensor_name(model, i);
        cn_tensor *tensor;
        ck_ok(cn_model_tensor(model, name, &tensor));
        for (int64_t k = 0; (strstr(name, "running") || strstr(name, "bias")) && k < cn_tensor_count(tensor); k++)
            ((float *)cn_tensor_data(tensor))[k] += 0.01f * (float)(k % 7);
    }
    return model;
}

static float *pixels_new(size_t count) {
    float *pixels = malloc(count * sizeof *pixels);
    ck_assert_ptr_nonnull(pixels);
    for (size_t i = 0; i < count; i++)
        pixels[i] = 2.0f * (float)net_value(7, i);
    return pixels;
}

static size_t pixels_of(const cn_model *model) {
    return (size_t)model->input.channels * (size_t)model->input.height * (size_t)model->input.width;
}

static void predict(const cn_model *model, int max_batch_size, int images, float *pixels, float *output) {
    cn_predictor_options options = CN_PREDICTOR_OPTIONS_INIT;
    cn_predictor *predictor;
    cn_tensor *in, *out;
    cn__shape s = model->input;
    options.max_batch_size = max_batch_size;
    ck_ok(cn_predictor_new(model, &options, &predictor));
    ck_ok(cn_tensor_borrow(model->ctx, CN_DTYPE_FLOAT32, 4, (int64_t[]){images, s.channels, s.height, s.width}, pixels,
                           &in));
    ck_ok(cn_tensor_borrow(model->ctx, CN_DTYPE_FLOAT32, 2, (int64_t[]){images, 10}, output, &out));
    ck_ok(cn_predictor_run(predictor, in, out));
    cn_tensor_free(in);
    cn_tensor_free(out);
    cn_predictor_free(predictor);
}

static void expect_near(const float *got, const float *wanted, int count) {
    for (int i = 0; i < count; i++)
        ck_assert_msg(fabsf(got[i] - wanted[i]) <= 2e-5f * fmaxf(1.0f, fabsf(wanted[i])), "%d: %.9g, wanted %.9g", i,
                      (double)got[i], (double)wanted[i]);
}

START_TEST(few_images_and_many_come_out_alike) {
    cn_context *context = context_of(2, CN_ISA_AUTO);
    cn_model *model = network_new(context, _i);
    float *pixels = pixels_new(17 * pixels_of(model)), many[170], few[170];
    ck_assert_int_gt(cn__nchw16c_limit(model), 8);
    ck_assert_int_lt(cn__nchw16c_limit(model), CN__LANES);
    predict(model, 32, 17, pixels, many);
    for (int images = 1; images <= 16; images += images < 3 ? 1 : 5) {
        predict(model, 32, images, pixels, few);
        expect_near(few, many, 10 * images);
    }
    predict(model, 1, 17, pixels, few);
    expect_near(few, many, 170);
    free(pixels);
    cn_model_free(model);
    cn_context_free(context);
}
END_TEST

/* The bits that one way of computing gives for `images` images. */
static void bits(int number, int threads, cn_isa isa, int images, float *output) {
    cn_context *context = context_of(threads, isa);
    cn_model *model = network_new(context, number);
    float *pixels = pixels_new((size_t)images * pixels_of(model));
    run_singly(model, images, pixels, output);
    free(pixels);
    cn_model_free(model);
    cn_context_free(context);
}

START_TEST(networks_have_the_same_bits_everywhere) {
    float wanted[50], got[50];
    bits(_i, 1, CN_ISA_AUTO, 5, wanted);
    for (int threads = 2; threads <= (test_quick() ? 2 : 7); threads += 5) {
        memset(got, 0, sizeof got);
        bits(_i, threads, CN_ISA_AUTO, 5, got);
        ck_assert_int_eq(memcmp(got, wanted, sizeof got), 0);
        bits(_i, threads, CN_ISA_AUTO, 1, got);
        ck_assert_int_eq(memcmp(got, wanted, 10 * sizeof *got), 0);
    }
    if (test_offers(CN_ISA_AVX512)) {
        bits(_i, 2, CN_ISA_AVX2, 5, got);
        ck_assert_int_eq(memcmp(got, wanted, sizeof got), 0);
    }
}
END_TEST

/* Layers that are large enough for one image to be shared out, by rows and by planes. */
static const char *const large[] = {
    "eval 1x20x33x31 | conv2d out=72 kernel=3 padding=1 mode=reflect | conv2d out=100 kernel=3 padding=1 | "
    "batch_norm | add @3 @2 | relu | conv2d out=40 kernel=3 stride=2 | group_norm groups=5 | sigmoid",
    "eval 1x300x6x5 | conv2d out=320 kernel=3 padding=1 | relu | conv2d out=290 kernel=3 padding=1 | "
    "avg_pool kernel=2 | flatten | linear out=70 | softmax",
};

/* What one by one gives and, in `plan`, images in the lanes. */
static void large_outputs(const network *net, int threads, float *output, float *plan) {
    cn_context *context = context_of(threads, CN_ISA_AUTO);
    cn_model *model = net_make_model(context, net, 3);
    net_shape in = net->layer[0].shape, out = net->layer[net->layers].shape;
    float *pixels = pixels_new(pixels_of(model));
    cn_tensor *x, *y;
    run_singly(model, 1, pixels, output);
    ck_ok(cn_tensor_borrow(context, CN_DTYPE_FLOAT32, 4, (int64_t[]){1, in.channels, in.height, in.width}, pixels, &x));
    ck_ok(
        cn_tensor_borrow(context, CN_DTYPE_FLOAT32, 4, (int64_t[]){1, out.channels, out.height, out.width}, plan, &y));
    ck_ok(cn_model_forward(model, 0, x, y));
    cn_tensor_free(x);
    cn_tensor_free(y);
    free(pixels);
    cn_model_free(model);
    cn_context_free(context);
}

START_TEST(one_large_image_is_shared_out) {
    network net = network_of(large[_i]);
    size_t count = net_size(net.layer[net.layers].shape), bytes = count * sizeof(float);
    float *wanted = malloc(bytes), *got = malloc(bytes), *plan = malloc(bytes);
    ck_assert(wanted && got && plan);
    large_outputs(&net, 1, wanted, plan);
    expect_near(wanted, plan, (int)count);
    for (int threads = 2; threads <= (test_quick() ? 2 : 8); threads += 3) {
        memset(got, 0, bytes);
        large_outputs(&net, threads, got, plan);
        ck_assert_int_eq(memcmp(got, wanted, bytes), 0);
    }
    free(wanted);
    free(got);
    free(plan);
}
END_TEST

/* ---- what goes which way ---- */

static int few_of(cn_context *context, const char *text) {
    network net = network_of(text);
    cn_model *model = net_make_model(context, &net, 1);
    int few = cn__nchw16c_limit(model);
    cn_model_free(model);
    return few;
}

START_TEST(lines_that_are_hardly_used_go_in_blocks_sooner) {
    cn_context *context = test_context(1);
    ck_assert_int_eq(few_of(context, "eval 1x3x8x8 | conv2d out=16 kernel=3"), 14);
    ck_assert_int_eq(few_of(context, "eval 1x3x8x8 | conv2d out=8 kernel=3"), 7);
    ck_assert_int_eq(few_of(context, "eval 1x3x8x8 | conv2d out=1 kernel=3"), 0);
    ck_assert_int_eq(few_of(context, "eval 1x3x8x8 | relu | max_pool kernel=2"), 14);
    ck_assert_int_eq(few_of(context, "eval 1x4x8x8 | conv_transpose2d out=16 kernel=3 groups=2"), 7);
    ck_assert_int_eq(few_of(context, "eval 1x4x8x8 | batch_norm running=0 | conv2d out=16 kernel=3"), 0);
    cn_context_free(context);
}
END_TEST

START_TEST(maps_beyond_the_cache_go_one_by_one) {
    cn_context *context = test_context(1);
    ck_assert_int_eq(few_of(context, "eval 1x64x32x32 | conv2d out=64 kernel=3"), CN__MAX_BATCH);
    cn_context_free(context);
}
END_TEST

/* A batch of 32 fills its blocks, one of 17 half of them. */
START_TEST(a_batch_that_leaves_lanes_empty_trains_one_by_one) {
    static const struct {
        int images, one_by_one;
    } batches[] = {{1, 1}, {8, 1}, {12, 1}, {16, 0}, {17, 1}, {24, 1}, {32, 0}, {128, 0}};
    cn_context *context = test_context(1);
    cn_model *model;
    ck_ok(cn_model_session8(context, NULL, &model));
    ck_ok(cn_model_init(model, 1));
    for (size_t i = 0; i < CN__COUNT(batches); i++)
        ck_assert_int_eq(cn__plan_trains_nchw16c(model, batches[i].images), batches[i].one_by_one);
    cn_model_free(model);
    cn_context_free(context);
}
END_TEST

/* Three maps at a time are as few as can be: what the norm reads, and two gradients. */
START_TEST(what_a_norm_gives_a_depthwise_convolution_is_never_stored) {
    enum { IMAGES = 16, SIDE = 32, CHANNELS = 64 };
    cn_context_options options = CN_CONTEXT_OPTIONS_INIT;
    cn_conv2d_options depthwise = CN_CONV2D_OPTIONS_INIT;
    cn_context *ctx;
    cn_model *model;
    cn_layer *layer[6];
    cn__plan *plan;
    options.threads = 1;
    options.layout = CN_LAYOUT_CHANNELS;
    depthwise.groups = CHANNELS;
    depthwise.padding[0] = depthwise.padding[1] = 1;
    ck_ok(cn_context_new(&options, &ctx));
    ck_ok(cn_model_new(ctx, 3, SIDE, SIDE, &model));
    ck_ok(cn_conv2d_new(ctx, 3, CHANNELS, 1, 1, NULL, &layer[0]));
    ck_ok(cn_norm_new(ctx, CN_NORM_BATCH, CHANNELS, NULL, &layer[1]));
    ck_ok(cn_relu6_new(ctx, &layer[2]));
    ck_ok(cn_conv2d_new(ctx, CHANNELS, CHANNELS, 3, 3, &depthwise, &layer[3]));
    ck_ok(cn_adaptive_avg_pool2d_new(ctx, 1, 1, &layer[4]));
    ck_ok(cn_flatten_new(ctx, &layer[5]));
    for (int i = 0; i < 6; i++)
        ck_ok(cn_model_append(model, (char[]){(char)('a' + i), 0}, layer[i]));
    ck_ok(cn_model_init(model, 1));
    ck_ok(cn__plan_new(model, &(cn__plan_options){.images = IMAGES, .training = true}, &plan));
    ck_assert_uint_lt(cn__plan_bytes(plan), IMAGES * (size_t)(SIDE * SIDE * CHANNELS * 4) * 36 / 10);
    cn__plan_free(plan);
    cn_model_free(model);
    cn_context_free(ctx);
}
END_TEST

START_TEST(a_predictor_of_few_images_keeps_what_the_model_was) {
    cn_context *context = test_context(1);
    cn_model *model = network_new(context, _i);
    cn_predictor *predictor;
    cn_predictor_options options = CN_PREDICTOR_OPTIONS_INIT;
    cn_tensor *in, *out;
    float before[10];
    options.max_batch_size = 1;
    ck_ok(cn_predictor_new(model, &options, &predictor));
    ck_ok(cn_tensor_new(context, CN_DTYPE_FLOAT32, 4, (int64_t[]){1, 3, 32, 32}, &in));
    ck_ok(cn_tensor_new(context, CN_DTYPE_FLOAT32, 2, (int64_t[]){1, 10}, &out));
    ck_ok(cn_predictor_run(predictor, in, out));
    memcpy(before, cn_tensor_data(out), sizeof before);
    for (int i = 0; i < cn_model_tensor_count(model); i++) {
        cn_tensor *tensor;
        ck_ok(cn_model_tensor(model, cn_model_tensor_name(model, i), &tensor));
        memset(cn_tensor_data(tensor), 0x40, (size_t)cn_tensor_count(tensor) * cn__dtype_bytes(tensor->dtype));
    }
    ck_ok(cn_predictor_run(predictor, in, out));
    ck_assert_int_eq(memcmp(cn_tensor_data(out), before, sizeof before), 0);
    cn_predictor_free(predictor);
    cn_tensor_free(in);
    cn_tensor_free(out);
    cn_model_free(model);
    cn_context_free(context);
}
END_TEST

/* ---- memory ---- */

static void check_allocations(cn_context *context, counting_allocator *counter, cn_predictor *predictor) {
    cn_tensor *in, *out;
    ck_ok(cn_tensor_new(context, CN_DTYPE_FLOAT32, 4, (int64_t[]){2, 3, 32, 32}, &in));
    ck_ok(cn_tensor_new(context, CN_DTYPE_FLOAT32, 2, (int64_t[]){2, 10}, &out));
    long calls = counter->calls;
    ck_ok(cn_predictor_run(predictor, in, out));
    ck_assert_int_eq(counter->calls, calls);
    cn_tensor_free(in);
    cn_tensor_free(out);
}

START_TEST(out_of_memory_is_a_status_and_running_needs_none) {
    counting_allocator counter = {.persistent = _i % 2};
    cn_context_options options = CN_CONTEXT_OPTIONS_INIT;
    cn_predictor_options few = CN_PREDICTOR_OPTIONS_INIT;
    cn_context *context;
    cn_predictor *predictor;
    counting_options(&counter, &options);
    options.threads = 2;
    few.max_batch_size = 4;
    ck_ok(cn_context_new(&options, &context));
    cn_model *model = network_new(context, _i / 2 ? CN_NORM_GROUP : CN_NORM_BATCH);
    ck_survives(&counter, cn_predictor_new(model, &few, &predictor), predictor, 20);
    check_allocations(context, &counter, predictor);
    cn_predictor_free(predictor);
    cn_model_free(model);
    cn_context_free(context);
    ck_assert_int_eq(counter.live, 0);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("channels in the lanes");
    TCase *tests = tcase_create("channels in the lanes");
    int groups = getenv("SEED") ? 1 : 8;
    tcase_add_loop_test(tests, random_layers_are_right, 0, groups);
    tcase_add_loop_test(tests, random_graphs_are_right, 0, groups);
    if (!getenv("SEED")) {
        tcase_add_loop_test(tests, random_layers_are_right, LATE_SEEDS / CASES, LATE_SEEDS / CASES + 1);
        tcase_add_loop_test(tests, random_graphs_are_right, LATE_SEEDS / CASES, LATE_SEEDS / CASES + 1);
    }
    tcase_add_loop_test(tests, known_patterns_are_right, 0, (int)CN__COUNT(known));
    int networks = test_quick() ? CN_NORM_LAYER : NETWORKS;
    tcase_add_loop_test(tests, few_images_and_many_come_out_alike, 0, networks);
    tcase_add_loop_test(tests, networks_have_the_same_bits_everywhere, 0, networks);
    tcase_add_loop_test(tests, one_large_image_is_shared_out, 0, test_quick() ? 1 : (int)CN__COUNT(large));
    tcase_add_test(tests, lines_that_are_hardly_used_go_in_blocks_sooner);
    tcase_add_test(tests, maps_beyond_the_cache_go_one_by_one);
    tcase_add_test(tests, a_batch_that_leaves_lanes_empty_trains_one_by_one);
    tcase_add_test(tests, what_a_norm_gives_a_depthwise_convolution_is_never_stored);
    tcase_add_loop_test(tests, a_predictor_of_few_images_keeps_what_the_model_was, CN_NORM_NONE, SESSION8);
    tcase_add_loop_test(tests, out_of_memory_is_a_status_and_running_needs_none, 0, 4);
    suite_add_tcase(suite, tests);
    return test_run(suite);
}
