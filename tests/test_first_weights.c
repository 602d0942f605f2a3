/* SPDX-License-Identifier: MIT */
/* test_first_weights.c: models begin with the very numbers that PyTorch draws after torch.manual_seed
 * (tests/golden/first_weights.py). */
#include "numbers.h"
#include "own_layers.h"
#include "base/base.h"
#include <float.h>
#include <inttypes.h>

TEST_RUNS_ONCE;

/* ---- the generator ---- */

/* What the C++ standard wants of std::mt19937. */
START_TEST(the_twister_gives_the_published_answer) {
    cn__torch_generator generator;
    uint32_t word = 0;
    cn__torch_manual_seed(&generator, 5489);
    for (int i = 0; i < 10000; i++)
        word = cn__torch_random(&generator);
    ck_assert_uint_eq(word, 4123659995u);
    cn__torch_manual_seed(&generator, (UINT64_C(7) << 32) + 5489);
    ck_assert_uint_eq(cn__torch_random(&generator), 3499211612u);
}
END_TEST

/* Where floats are computed wider (x87), normal numbers differ in their last bits. */
static const bool floats_are_floats = FLT_EVAL_METHOD == 0;

/* Few numbers, of which one may be left over from before, and many, of which the last 16 are drawn twice. */
START_TEST(normal_numbers_are_pytorchs) {
    FILE *file = numbers_open("first_weights.txt");
    cn__torch_generator generator;
    int count, cases = 0;
    double std;
    cn__torch_manual_seed(&generator, 42);
    for (; fscanf(file, "normal %d %lf", &count, &std) == 2; cases++) {
        float got[20];
        ck_assert(count <= 20);
        cn__torch_normal(&generator, got, count, 0.0, std);
        for (int i = 0; i < count; i++) {
            float wanted = (float)numbers_next(file);
            ck_assert_msg(got[i] == wanted || !floats_are_floats, "%d of %d: %.9g, wanted %.9g", i, count,
                          (double)got[i], (double)wanted);
        }
        ck_assert_int_eq(fscanf(file, " "), 0);
    }
    ck_assert_int_eq(cases, 5);
    fclose(file);
}
END_TEST

/* Of a mean far from 0, the last digits go. */
START_TEST(numbers_have_their_mean) {
    cn__torch_generator generator;
    float few[4], many[32];
    cn__torch_manual_seed(&generator, 0);
    cn__torch_normal(&generator, few, 4, 1000.0, 0.0);
    cn__torch_normal(&generator, many, 32, 1000.0, 0.0);
    for (int i = 0; i < 32; i++)
        ck_assert(many[i] == 1000.0f && few[i % 4] == 1000.0f);
}
END_TEST

/* ---- networks ---- */

/* As in the script. */
typedef struct checksum {
    uint64_t sum, factor;
} checksum;

static void add_tensor(checksum *c, const cn_tensor *tensor) {
    const float *values = cn_tensor_data_const(tensor);
    for (int64_t i = 0; i < cn_tensor_count(tensor); i++, c->factor += 2) {
        uint32_t bits;
        memcpy(&bits, &values[i], sizeof bits);
        c->sum += bits * c->factor;
    }
}

static cn_tensor *tensor_called(cn_model *model, const char *name) {
    cn_tensor *tensor;
    ck_ok(cn_model_tensor(model, name, &tensor));
    return tensor;
}

static uint64_t parameters_checksum(cn_model *model) {
    checksum c = {0, 1};
    for (int64_t i = 0; i < cn_model_tensor_count(model); i++) {
        const char *name = cn_model_tensor_name(model, i);
        cn_tensor *gradient;
        if (cn_model_gradient(model, name, &gradient) == CN_OK) /* a parameter */
            add_tensor(&c, tensor_called(model, name));
    }
    return c.sum;
}

static cn_model *all_layers(void) {
    const own_affine own = {5, 1.0f, 1};
    cn_conv2d_options grouped = CN_CONV2D_OPTIONS_INIT;
    cn_conv_transpose2d_options up = CN_CONV_TRANSPOSE2D_OPTIONS_INIT;
    cn_norm_options two = CN_NORM_OPTIONS_INIT;
    cn_model *model = model_for(3, 5, 4);
    cn_layer *layer;
    grouped.groups = up.groups = two.groups = 2;
    grouped.bias = 0;
    ck_ok(cn_conv2d_new(ctx, 3, 8, 3, 2, NULL, &layer));
    ck_ok(cn_model_append(model, "conv", layer));
    ck_ok(cn_model_append(model, "norm", norm(CN_NORM_BATCH, 8)));
    ck_ok(cn_prelu_new(ctx, 8, &layer));
    ck_ok(cn_model_append(model, "prelu", layer));
    ck_ok(cn_conv_transpose2d_new(ctx, 8, 6, 3, 3, &up, &layer));
    ck_ok(cn_model_append(model, "up", layer));
    ck_ok(cn_norm_new(ctx, CN_NORM_GROUP, 6, &two, &layer));
    ck_ok(cn_model_append(model, "groups", layer));
    ck_ok(cn_conv2d_new(ctx, 6, 4, 3, 3, &grouped, &layer));
    ck_ok(cn_model_append(model, "grouped", layer));
    ck_ok(cn_adaptive_avg_pool2d_new(ctx, 1, 1, &layer));
    ck_ok(cn_model_append(model, "pool", layer));
    ck_ok(cn_linear_new(ctx, 4, 5, 1, &layer));
    ck_ok(cn_model_append(model, "fc", layer));
    ck_ok(cn_model_append(model, "own", own_layer(ctx, "test.Affine", &own)));
    ck_ok(cn_linear_new(ctx, 5, 2, 1, &layer));
    ck_ok(cn_model_append(model, "last", layer));
    ck_ok(cn_model_init_pytorch(model, 7));
    return model;
}

/* By the name that the script gives it. */
static cn_model *network_called(const char *name) {
    cn_model *model;
    int which;
    if (strcmp(name, "layers") == 0)
        return all_layers();
    if (sscanf(name, "mnist%d", &which) == 1)
        ck_ok(cn_model_mnist(ctx, which, 3, &model));
    else if (strcmp(name, "session8") == 0)
        ck_ok(cn_model_session8(ctx, NULL, &model));
    else
        ck_ok(cn_model_zoo(ctx, name, NULL, &model));
    return model;
}

/* A tensor's line: name, checksum, first and last number. */
static void expect_tensor(cn_model *model, const char *name, FILE *file) {
    const cn_tensor *tensor = tensor_called(model, name);
    const float *values = cn_tensor_data_const(tensor);
    checksum c = {0, 1};
    uint64_t wanted;
    ck_assert_int_eq(fscanf(file, "%" SCNx64, &wanted), 1);
    float first = (float)numbers_next(file), last = (float)numbers_next(file);
    add_tensor(&c, tensor);
    ck_assert_msg(values[0] == first && values[cn_tensor_count(tensor) - 1] == last,
                  "%s: %.9g … %.9g, wanted %.9g … %.9g", name, (double)values[0],
                  (double)values[cn_tensor_count(tensor) - 1], (double)first, (double)last);
    ck_assert_msg(c.sum == wanted, "%s: numbers between the first and the last are others", name);
}

enum { NETWORKS = 16, SEEDS = 3 };
enum { DRAW_UNIFORM = 6 }; /* of the networks, the first */
static const uint64_t seeds[SEEDS] = {42, 0, 1};

/* Goes behind the name of network `index`. */
static void find_network(FILE *file, int index, char name[64]) {
    char word[128];
    while (index >= 0 && fscanf(file, "%127s", word) == 1)
        index -= strcmp(word, "network") == 0;
    ck_assert_int_eq(fscanf(file, "%63s", name), 1);
}

/* Loop index: the network. */
START_TEST(networks_begin_as_pytorchs) {
    FILE *file = numbers_open("first_weights.txt");
    char name[128];
    find_network(file, _i, name);
    bool residual = strcmp(name, "resnet18") == 0 || strcmp(name, "resnet34") == 0 || strcmp(name, "resnet50") == 0;
    if (!test_whole() && residual) {
        fclose(file); /* as ResNet-20, for seconds */
        return;
    }
    cn_model *model = network_called(name);
    uint64_t wanted[SEEDS];
    int tensors = 0;
    for (int s = 0; s < SEEDS; s++)
        ck_assert_int_eq(fscanf(file, "%" SCNx64, &wanted[s]), 1);
    ck_ok(cn_model_init_pytorch(model, seeds[0]));
    for (; fscanf(file, "%127s", name) == 1 && strcmp(name, "network") != 0; tensors++)
        expect_tensor(model, name, file);
    ck_assert_int_gt(tensors, 6);
    ck_assert(_i < NETWORKS - 1 || feof(file));
    ck_assert_uint_eq(parameters_checksum(model), wanted[0]);
    bool large = cn_model_parameter_count(model) > 1000000;
    for (int s = 1; s < SEEDS && (!large || test_whole()); s++) {
        ck_ok(cn_model_init_pytorch(model, seeds[s]));
        ck_assert_uint_eq(parameters_checksum(model), wanted[s]);
    }
    fclose(file);
    cn_model_free(model);
}
END_TEST

/* ---- what else initialising does ---- */

static void expect_same(cn_model *a, const char *of_a, cn_model *b, const char *of_b) {
    const cn_tensor *x = tensor_called(a, of_a), *y = tensor_called(b, of_b);
    ck_assert_int_eq(cn_tensor_count(x), cn_tensor_count(y));
    ck_assert_mem_eq(cn_tensor_data_const(x), cn_tensor_data_const(y), (size_t)cn_tensor_count(x) * sizeof(float));
}

/* As PyTorch does where a module takes another's place after torch.manual_seed. */
START_TEST(what_is_new_is_drawn_alone) {
    cn_model *model = network_called("session8"), *before = network_called("session8"), *alone = model_for(32, 1, 1);
    ck_ok(cn_model_append(alone, "conv", conv(32, 7, 1)));
    ck_ok(cn_model_init_pytorch(alone, 42));
    ck_ok(cn_model_replace_output(model, 7));
    ck_ok(cn_model_init_pytorch(model, 42));
    expect_same(model, "oblock.1.weight", alone, "conv.weight");
    expect_same(model, "oblock.1.bias", alone, "conv.bias");
    expect_same(model, "cblock1.0.convlayer.weight", before, "cblock1.0.convlayer.weight");
    cn_model_free(model);
    cn_model_free(before);
    cn_model_free(alone);
}
END_TEST

/* A network of the literature begins by its own distributions, whichever generator draws; a layer that takes another's
 * place does so as layers do. */
START_TEST(networks_keep_their_distributions) {
    cn_zoo_options options = CN_ZOO_OPTIONS_INIT;
    cn_model *model, *wanted, *alone = model_for(64, 1, 1);
    cn_layer *layer;
    ck_ok(cn_model_zoo(ctx, "resnet20", &options, &model));
    options.seed = 9;
    ck_ok(cn_model_zoo(ctx, "resnet20", &options, &wanted));
    ck_ok(cn_model_init_pytorch(model, 9));
    ck_ok(cn_model_init(model, 9));
    ck_assert_uint_eq(parameters_checksum(model), parameters_checksum(wanted));
    ck_ok(cn_linear_new(ctx, 64, 3, 1, &layer));
    ck_ok(cn_model_append(alone, "fc", layer));
    ck_ok(cn_model_init_pytorch(alone, 4));
    ck_ok(cn_model_replace_output(model, 3));
    ck_ok(cn_model_init_pytorch(model, 4));
    expect_same(model, "fc.weight", alone, "fc.weight");
    expect_same(model, "layer1.0.conv1.weight", wanted, "layer1.0.conv1.weight");
    cn_model_free(model);
    cn_model_free(wanted);
    cn_model_free(alone);
}
END_TEST

START_TEST(models_that_cannot_begin_are_refused) {
    cn_model *model = model_for(1, 4, 4);
    ck_fails(cn_model_init_pytorch(NULL, 0), CN_ERR_ARGUMENT, "model");
    ck_fails(cn_model_init_pytorch(model, 0), CN_ERR_STATE, "the model has no layers");
    cn_model_free(model);
}
END_TEST

static cn_status build_small(cn_context *context, cn_model **model) {
    cn_layer *layer;
    cn_status status = cn_model_new(context, 3, 4, 4, model);
    if (status == CN_OK && (status = cn_conv2d_new(context, 3, 2, 3, 3, NULL, &layer)) == CN_OK)
        status = cn_model_append(*model, "conv", layer);
    if (status == CN_OK)
        status = cn_model_init_pytorch(*model, 1);
    if (status != CN_OK) {
        cn_model_free(*model);
        *model = NULL;
    }
    return status;
}

/* Loop index: once or for good. */
START_TEST(running_out_of_memory_is_a_status) {
    counting_allocator counter = {.persistent = _i};
    cn_context *poor = counting_context(&counter, 1);
    cn_model *model = NULL;
    ck_survives(&counter, build_small(poor, &model), model, 10);
    cn_model_free(model);
    cn_context_free(poor);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("first_weights");
    const TTest *const once[] = {the_twister_gives_the_published_answer,
                                 normal_numbers_are_pytorchs,
                                 numbers_have_their_mean,
                                 what_is_new_is_drawn_alone,
                                 networks_keep_their_distributions,
                                 models_that_cannot_begin_are_refused};
    const TTest *const each_network[] = {networks_begin_as_pytorchs};
    const TTest *const memory[] = {running_out_of_memory_is_a_status};
    add_tests(suite, "once", own_begin, tear_down, once, COUNT(once), 1);
    add_tests(suite, "networks", own_begin, tear_down, each_network, COUNT(each_network),
              floats_are_floats ? NETWORKS : DRAW_UNIFORM);
    add_tests(suite, "memory", set_up, tear_down, memory, COUNT(memory), 2);
    return test_run(suite);
}
