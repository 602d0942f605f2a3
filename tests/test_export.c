/* SPDX-License-Identifier: MIT */
/* test_export.c: models written as C compute what predictors compute. All of them are compiled at once, without a
 * warning, into a shared object, which each test loads. */
#include "every_layer.h"
#include "network.h"
#include "random_network.h"
#include "scratch.h"
#include "testing.h"
#include <dlfcn.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

TEST_RUNS_ONCE;

static const char *const networks[] = {
    "eval 1x4x9x7 | conv2d out=6 kernel=3x2 stride=2x1 padding=2x1 dilation=1x2 | batch_norm | relu",
    "eval 1x4x9x7 | conv2d out=6 kernel=3 padding=2 groups=2 mode=reflect bias=0 | conv2d out=7 kernel=3x1 padding=1 "
    "mode=circular | conv2d out=80 kernel=1 | conv2d out=5 kernel=3 padding=1 mode=replicate",
    "eval 1x4x9x7 | conv2d out=8 kernel=3 padding=1 groups=4 stride=2 | batch_norm | silu | conv2d out=8 kernel=5x3 "
    "padding=2x4 dilation=1x3 groups=8 bias=0 | batch_norm affine=0 | hardswish | adaptive_avg_pool out=1 | conv2d "
    "out=9 "
    "kernel=1 | sigmoid | flatten | linear out=17 | linear out=3 bias=0 | log_softmax",
    "eval 1x6x5x4 | conv_transpose2d out=4 kernel=3x2 stride=2x3 padding=1x0 output_padding=1x0 groups=2 | batch_norm "
    "| "
    "conv_transpose2d out=3 kernel=2 dilation=2 bias=0 | conv_transpose2d out=5 kernel=3 padding=2",
    "eval 1x6x5x4 | batch_norm | group_norm groups=3 | layer_norm | instance_norm affine=0 | layer_norm2d | batch_norm "
    "running=0 | layer_norm2d affine=0 | prelu | prelu weights=6 | batch_norm affine=0 eps=0.01",
    "eval 1x6x5x4 scale=4 | identity | leaky_relu slope=0.125 | tanh | affine times=3 plus=-0.5 | gelu | gelu_tanh | "
    "elu alpha=0.75 | affine times=4 | hardtanh min_val=-1.5 max_val=2 | relu6 | affine times=3 plus=-4 | hardsigmoid "
    "| "
    "softplus beta=2 threshold=20 | mish | softsign | dropout p=0.5",
    "eval 1x3x9x8 | max_pool kernel=3x2 stride=2x1 padding=1 dilation=2x1 ceil=1 | avg_pool kernel=2x3 stride=1 "
    "padding=1 include_pad=0 ceil=1 | avg_pool kernel=2 stride=1 padding=1 divisor=3 | adaptive_max_pool out=5x3 | "
    "adaptive_avg_pool out=3x2 | softmax",
    "eval 1x8x6x4 | pixel_shuffle factor=2 | pad pad=1x2x0x1 mode=reflect | pad pad=2x-1x1x-2 value=0.5 | "
    "pad pad=1x1x1x1 mode=circular | pad pad=0x1x2x0 mode=replicate | upsample out=20x16 | upsample by=0.7x1.3 "
    "bilinear=1 "
    "| upsample out=9x12 bilinear=1 corners=1 | pixel_unshuffle factor=3 | channel_shuffle groups=6 | reshape "
    "to=6x-1x2 | "
    "narrow start=1 length=4",
    "eval 1x4x5x6 | conv2d out=4 kernel=1 | adaptive_avg_pool out=1 | sigmoid | mul @1 @3 | add @1 @4 @0 | relu | "
    "add @6 @6 | adaptive_avg_pool out=5x1 @0 | add @3 @8 | mul @9 @7 | concat @10 @1 @0 | narrow start=3 length=6 | "
    "tanh | "
    "adaptive_avg_pool out=5x1 | narrow start=1 length=4 | mul @3 @8 | add @15 @16",
    "eval 1x4x5x6 | narrow start=1 length=2 | relu @1 | add @0 @0 | narrow start=2 length=2 @3 | tanh @4 | add @5 @2 "
    "@4",
    "eval 1x4x5x6 | flatten | identity",
    "eval 1x7x3x4 scale=3 | local_response_norm size=4 | local_response_norm size=3 alpha=0.5 beta=0.6 k=2",
};

enum {
    NETWORKS = sizeof networks / sizeof *networks,
    RANDOM = 12,   /* graphs */
    PREBUILT = 10, /* their order is that of make_prebuilt */
    MODELS = NETWORKS + RANDOM + PREBUILT
};

static cn_context *ctx;
static scratch folder;
static cn_model *models[MODELS];
static void *library; /* of all of them */

/* ---- the models ---- */

static cn_model *make_network(const network *net) {
    network once = *net;
    once.training = 0;
    once.batch = 1;
    net_pass *pass = net_pass_new(&once);
    cn_model *model = net_make_model(ctx, &once, 1);
    net_run_model(ctx, model, &once, pass); /* which gives it the formula's parameters */
    net_pass_free(pass);
    return model;
}

static cn_model *make_random(int index) {
    network net;
    dice d = {.state = (uint64_t)index, .seed_is_late = true};
    random_graph(&d, 1e5, &net);
    return make_network(&net);
}

static void add(cn_model *model, const char *name, cn_status made, cn_layer *layer, const char *from) {
    ck_ok(made);
    ck_ok(cn_model_add(model, name, layer, 1, &from));
}

/* Of two inputs and five outputs: two are one value, one is part of another, one is an input as it is, and names that C
 * does not have, or has twice. */
static cn_model *make_ends(void) {
    cn_model *model;
    cn_layer *layer;
    ck_ok(cn_model_new(ctx, 3, 6, 5, &model));
    ck_ok(cn_model_add_input(model, "depth \"map\" */", 2, 6, 5));
    ck_ok(cn_concat_new(ctx, &layer));
    ck_ok(cn_model_add(model, "all", layer, 2, (const char *[]){"input", "depth \"map\" */"}));
    cn_status status = cn_conv2d_new(ctx, 5, 4, 3, 3, NULL, &layer);
    add(model, "a.b", status, layer, "all");
    status = cn_dropout_new(ctx, 0.5f, &layer);
    add(model, "a_b", status, layer, "a.b");
    status = cn_narrow_new(ctx, 1, 2, &layer);
    add(model, "part", status, layer, "a.b");
    status = cn_identity_new(ctx, &layer);
    add(model, "same", status, layer, "depth \"map\" */");
    status = cn_relu_new(ctx, &layer);
    add(model, "positive /* ?\?/", status, layer, "a.b");
    ck_ok(cn_model_set_outputs(model, 5, (const char *[]){"a.b", "a_b", "part", "same", "positive /* ?\?/"}));
    ck_ok(cn_model_init(model, 3));
    return model;
}

static cn_model *make_zoo(const char *name, int side, float width) {
    cn_zoo_options options = CN_ZOO_OPTIONS_INIT;
    cn_model *model;
    options.height = options.width = side;
    options.width_mult = width;
    options.classes = 7;
    options.seed = 5;
    ck_ok(cn_model_zoo(ctx, name, &options, &model));
    return model;
}

/* Of a U's layers, without the millions of numbers that a compiler takes seconds for. */
static cn_model *make_small_u(void) {
    network net =
        network_of("eval 1x3x8x8 | conv2d out=4 kernel=3 padding=1 | batch_norm | relu | max_pool kernel=2 | conv2d "
                   "out=8 kernel=3 padding=1 | batch_norm | relu | conv_transpose2d out=4 kernel=2 stride=2 | "
                   "concat @3 @8 | conv2d out=4 kernel=3 padding=1 | conv2d out=2 kernel=1");
    return make_network(&net);
}

static cn_model *make_prebuilt(int index) {
    cn_model *model;
    switch (index) {
    case 0:
        return make_ends();
    case 1:
        return every_layer_model(ctx);
    case 2:
        ck_ok(cn_model_session8_pretrained(ctx, &model));
        return model;
    case 3:
        return make_zoo("resnet20", 32, 0.25f);
    case 4:
        return make_zoo("mobilenet_v2", 32, 0.125f);
    case 5:
        return make_zoo("mobilenet_v3_small", 32, 0.25f);
    case 6:
        return make_zoo("squeezenet1_1", 32, 0.25f);
    case 7:
        return test_whole() ? make_zoo("unet", 32, 0.25f) : make_small_u();
    default:
        ck_ok(cn_model_mnist(ctx, index - 4, 1, &model)); /* 4 and 5 */
        return model;
    }
}

static cn_model *make_model(int index) {
    if (index < NETWORKS) {
        network net = network_of(networks[index]);
        return make_network(&net);
    }
    return index < NETWORKS + RANDOM ? make_random(index - NETWORKS) : make_prebuilt(index - NETWORKS - RANDOM);
}

/* ---- all of them as a library ---- */

/* One compiler a processor would gain little: they are small. */
static void compile(void) {
    char command[1024];
    const char *compiler = getenv("CC");
    snprintf(command, sizeof command,
             "%s -std=c99 -O%d -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wdouble-promotion -Wstrict-prototypes "
             "-Wmissing-prototypes -Werror -shared -fPIC -o %s/all.so %s/*.c -lm",
             compiler && *compiler ? compiler : "cc", test_whole(), folder.path, folder.path);
    ck_assert_int_eq(system(command), 0);
    library = dlopen(scratch_path(&folder, "all.so"), RTLD_NOW);
    ck_assert_msg(library != NULL, "%s", dlerror());
}

static void begin(void) {
    ctx = net_context(1, CN_CONV_DIRECT, CN_ISA_AUTO);
    folder = scratch_new();
    for (int i = 0; i < MODELS; i++) {
        char name[32];
        snprintf(name, sizeof name, "model%d.c", i);
        models[i] = make_model(i);
        cn_status status = cn_model_export_c(models[i], scratch_path(&folder, name), NULL);
        ck_assert_msg(status == CN_OK, "model %d: %s", i, cn_last_error());
    }
    compile();
}

static void end(void) {
    dlclose(library);
    for (int i = 0; i < MODELS; i++)
        cn_model_free(models[i]);
    scratch_free(&folder);
    cn_context_free(ctx);
}

/* A function of a model's program; ISO C has no way from an object's address to it. */
typedef void (*function)(void);
static function find(int model, const char *word) {
    char name[64];
    function found;
    snprintf(name, sizeof name, "model%d_%s", model, word);
    *(void **)&found = dlsym(library, name);
    ck_assert_msg(found != NULL, "no %s", name);
    return found;
}

typedef void (*run_one)(const float *input, float *output);
typedef void (*run_in)(float *scratch, const float *input, float *output);
typedef int (*self_test)(void);

/* ---- one against the other ---- */

static cn_tensor *image(const int64_t shape[3]) {
    cn_tensor *tensor;
    ck_ok(cn_tensor_new(ctx, CN_DTYPE_FLOAT32, 4, (int64_t[]){1, shape[0], shape[1], shape[2]}, &tensor));
    float *values = cn_tensor_data(tensor);
    for (int64_t i = 0; i < cn_tensor_count(tensor); i++)
        values[i] = (float)net_value(77, (size_t)i);
    return tensor;
}

static void expect_near(const float *got, const cn_tensor *wanted, const char *what, int model) {
    const float *values = cn_tensor_data_const(wanted);
    double most = 0.0, off = 0.0;
    for (int64_t i = 0; i < cn_tensor_count(wanted); i++) {
        double difference = fabs((double)got[i] - (double)values[i]);
        most = fmax(most, fabs((double)values[i]));
        off = isnan(difference) ? INFINITY : fmax(off, difference);
    }
    ck_assert_msg(off <= 1e-5 * most, "%s of model %d, %s: off by %g of %g", what, model,
                  model < NETWORKS ? networks[model] : "", off, most);
}

enum { MOST = 5 };

/* What predictors give, for `inputs`; to be freed one by one. */
static void predict(const cn_model *model, cn_tensor *inputs[MOST], cn_tensor *outputs[MOST]) {
    int64_t shape[3], ins = cn_model_input_count(model), outs = cn_model_output_count(model);
    cn_predictor *predictor;
    for (int64_t i = 0; i < ins; i++) {
        cn_model_input_shape_at(model, i, shape);
        inputs[i] = image(shape);
    }
    for (int64_t i = 0; i < outs; i++) {
        cn_model_output_shape_at(model, i, shape);
        outputs[i] = image(shape);
    }
    ck_ok(cn_predictor_new(model, NULL, &predictor));
    ck_ok(cn_predictor_run_all(predictor, ins, (const cn_tensor *const *)inputs, outs, outputs));
    cn_predictor_free(predictor);
}

static void drop(const cn_model *model, cn_tensor *inputs[MOST], cn_tensor *outputs[MOST]) {
    for (int64_t i = 0; i < cn_model_input_count(model); i++)
        cn_tensor_free(inputs[i]);
    for (int64_t i = 0; i < cn_model_output_count(model); i++)
        cn_tensor_free(outputs[i]);
}

/* Loop index: the model. */
START_TEST(outputs_are_those_of_a_predictor) {
    cn_tensor *inputs[MOST], *outputs[MOST];
    predict(models[_i], inputs, outputs);
    ck_assert_int_eq(((self_test)find(_i, "self_test"))(), 0);
    if (cn_model_output_count(models[_i]) == 1) {
        float *output = calloc((size_t)cn_tensor_count(outputs[0]), sizeof *output);
        for (int again = 0; again < 2; again++) { /* nothing is left from before */
            ((run_one)find(_i, "run"))(cn_tensor_data_const(inputs[0]), output);
            expect_near(output, outputs[0], again ? "the second output" : "the output", _i);
        }
        free(output);
    }
    drop(models[_i], inputs, outputs);
}
END_TEST

START_TEST(several_inputs_and_outputs_are_in_their_order) {
    typedef void (*run_all)(const float *, const float *, float *, float *, float *, float *, float *);
    static float got[MOST][1000];
    cn_tensor *inputs[MOST], *outputs[MOST];
    int model = NETWORKS + RANDOM;
    predict(models[model], inputs, outputs);
    ((run_all)find(model, "run"))(cn_tensor_data_const(inputs[0]), cn_tensor_data_const(inputs[1]), got[0], got[1],
                                  got[2], got[3], got[4]);
    for (int i = 0; i < MOST; i++)
        expect_near(got[i], outputs[i], cn_model_output_name(models[model], i), model);
    drop(models[model], inputs, outputs);
}
END_TEST

/* ---- what else there is ---- */

enum { PRETRAINED = NETWORKS + RANDOM + 2 };

START_TEST(scratch_memory_may_be_the_callers) {
    enum { FLOATS = 40000, BEYOND = 16 };
    static float memory[FLOATS + BEYOND];
    static char header[16384];
    cn_tensor *inputs[MOST], *outputs[MOST];
    float output[10];
    predict(models[PRETRAINED], inputs, outputs);
    char name[32];
    snprintf(name, sizeof name, "model%d.h", PRETRAINED);
    scratch_read(&folder, name, (uint8_t *)header, sizeof header - 1);
    const char *macro = strstr(header, "_SCRATCH_FLOATS ");
    ck_assert_ptr_nonnull(macro);
    int floats = atoi(macro + sizeof "_SCRATCH_FLOATS");
    ck_assert_int_gt(floats, 0);
    ck_assert_int_le(floats, FLOATS);
    for (int i = 0; i < FLOATS + BEYOND; i++)
        memory[i] = NAN;
    ((run_in)find(PRETRAINED, "run_in"))(memory, cn_tensor_data_const(inputs[0]), output);
    expect_near(output, outputs[0], "the output", PRETRAINED);
    for (int i = floats; i < FLOATS + BEYOND; i++)
        ck_assert(isnan(memory[i]));
    drop(models[PRETRAINED], inputs, outputs);
}
END_TEST

START_TEST(pixels_and_classes_come_along) {
    typedef void (*from)(const unsigned char *pixels, float *input);
    static unsigned char planes[3 * 1024], pixels[3 * 1024];
    static float a[3 * 1024], b[3 * 1024];
    const float *mean, *std;
    for (int i = 0; i < 3 * 1024; i++)
        planes[i] = pixels[i % 1024 * 3 + i / 1024] = (unsigned char)(i * 7 % 256);
    ck_assert_int_eq(cn_model_normalization(models[PRETRAINED], &mean, &std), 3);
    ((from)find(PRETRAINED, "from_planes"))(planes, a);
    ((from)find(PRETRAINED, "from_pixels"))(pixels, b);
    for (int i = 0; i < 3 * 1024; i++) {
        float wanted = ((float)planes[i] / 255.0f - mean[i / 1024]) / std[i / 1024];
        ck_assert_float_eq_tol(a[i], wanted, 1e-6f);
        ck_assert_float_eq(a[i], b[i]);
    }
    for (int m = PRETRAINED - 1; m <= PRETRAINED; m++) { /* every_layer's names are odd */
        function found = find(m, "class_names");
        const char *const *names;
        memcpy(&names, &found, sizeof names);
        for (int64_t i = 0; i < cn_model_class_count(models[m]); i++)
            ck_assert_str_eq(names[i], cn_model_class_name(models[m], i));
    }
}
END_TEST

/* ---- what is refused ---- */

static cn_model *small(void) {
    network net = network_of("eval 1x2x3x3 | conv2d out=2 kernel=3 | softmax");
    return make_network(&net);
}

START_TEST(names_that_are_none_in_c_are_refused) {
    static const char *const wrong[] = {"",   "1a",           "a-b",
                                        "_a", "na\xc3\xafve", "a234567890123456789012345678901234567890x"};
    cn_model *model = small();
    cn_export_c_options options = CN_EXPORT_C_OPTIONS_INIT;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        options.name = wrong[i];
        ck_fails(cn_model_export_c(model, scratch_path(&folder, "x.c"), &options), CN_ERR_ARGUMENT, "name is '");
    }
    ck_fails(cn_model_export_c(model, scratch_path(&folder, "x.h"), NULL), CN_ERR_ARGUMENT, "does not end in .c");
    ck_fails(cn_model_export_c(model, scratch_path(&folder, "x\".c"), NULL), CN_ERR_ARGUMENT, "cannot be included");
    ck_fails(cn_model_export_c(model, NULL, NULL), CN_ERR_ARGUMENT, "path is NULL");
    ck_fails(cn_model_export_c(NULL, "x.c", NULL), CN_ERR_ARGUMENT, "NULL");
    ck_fails(cn_model_export_c(model, scratch_path(&folder, "nowhere/x.c"), NULL), CN_ERR_IO, "nowhere");
    cn_model_free(model);
}
END_TEST

START_TEST(names_come_from_the_file_or_the_caller) {
    uint8_t header[16384] = "";
    cn_model *model = small();
    cn_export_c_options options = CN_EXPORT_C_OPTIONS_INIT;
    ck_ok(cn_model_export_c(model, scratch_path(&folder, "8-bit digits.c"), NULL));
    scratch_read(&folder, "8-bit digits.h", header, sizeof header - 1);
    ck_assert_ptr_nonnull(strstr((char *)header, "void net_8_bit_digits_run(const float *input, float *output);"));
    options.name = "mine";
    ck_ok(cn_model_export_c(model, scratch_path(&folder, "\xc3\xa9t\xc3\xa9.c"), &options));
    scratch_read(&folder, "\xc3\xa9t\xc3\xa9.c", header, sizeof header - 1);
    ck_assert_ptr_nonnull(strstr((char *)header, "#include \"\xc3\xa9t\xc3\xa9.h\"\n"));
    ck_ok(cn_model_export_c(model, scratch_path(&folder, "8-bit digits.c"), &options));
    memset(header, 0, sizeof header);
    scratch_read(&folder, "8-bit digits.h", header, sizeof header - 1);
    ck_assert_ptr_nonnull(strstr((char *)header, "int mine_self_test(void);"));
    ck_assert_ptr_nonnull(strstr((char *)header, "#define MINE_INPUT_FLOATS 18\n"));
    cn_model_free(model);
}
END_TEST

START_TEST(parameters_that_are_no_numbers_are_refused) {
    cn_model *model = small();
    cn_tensor *weight;
    ck_ok(cn_model_tensor(model, "1.weight", &weight));
    ((float *)cn_tensor_data(weight))[5] = NAN;
    ck_fails(cn_model_export_c(model, scratch_path(&folder, "nan.c"), NULL), CN_ERR_DATA, "layer '1' has a parameter");
    cn_model_free(model);
}
END_TEST

START_TEST(without_memory_nothing_is_written) {
    counting_allocator counter = {0};
    cn_context *counted = counting_context(&counter, 1);
    cn_model *model, *none = NULL;
    ck_ok(cn_model_mnist(counted, 4, 1, &model));
    ck_survives(&counter, cn_model_export_c(model, scratch_path(&folder, "memory.c"), NULL), none, 20);
    cn_model_free(model);
    cn_context_free(counted);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("export");
    TCase *group = tcase_create("export");
    tcase_add_unchecked_fixture(group, begin, end);
    tcase_set_timeout(group, 120);
    tcase_add_loop_test(group, outputs_are_those_of_a_predictor, 0, MODELS);
    tcase_add_test(group, several_inputs_and_outputs_are_in_their_order);
    tcase_add_test(group, scratch_memory_may_be_the_callers);
    tcase_add_test(group, pixels_and_classes_come_along);
    tcase_add_test(group, names_that_are_none_in_c_are_refused);
    tcase_add_test(group, names_come_from_the_file_or_the_caller);
    tcase_add_test(group, parameters_that_are_no_numbers_are_refused);
    tcase_add_test(group, without_memory_nothing_is_written);
    suite_add_tcase(suite, group);
    return test_run(suite);
}
