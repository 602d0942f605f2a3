/* SPDX-License-Identifier: MIT */
/* test_zoo.c: the prebuilt networks: layers, names and shapes of every tensor, options. */
#include "testing.h"
#include <stdio.h>

TEST_RUNS_ONCE;

static cn_context *ctx;

static void setup(void) {
    ctx = test_context(1);
}

static void teardown(void) {
    cn_context_free(ctx);
}

/* ---- what a model consists of, as text ---- */

typedef struct writer {
    char text[8192];
    size_t length;
} writer;

static void write_shape(writer *w, const cn_tensor *tensor) {
    for (int i = 0; i < cn_tensor_dims(tensor); i++)
        w->length += (size_t)snprintf(w->text + w->length, sizeof w->text - w->length, "%s%d", i ? "x" : " ",
                                      (int)cn_tensor_shape(tensor, i));
}

/* "name 16x3x3x3" a line. */
static void write_tensors(cn_model *model, writer *w) {
    for (int i = 0; i < cn_model_tensor_count(model); i++) {
        cn_tensor *tensor;
        ck_ok(cn_model_tensor(model, cn_model_tensor_name(model, i), &tensor));
        w->length +=
            (size_t)snprintf(w->text + w->length, sizeof w->text - w->length, "%s", cn_model_tensor_name(model, i));
        write_shape(w, tensor);
        w->length += (size_t)snprintf(w->text + w->length, sizeof w->text - w->length, "\n");
    }
}

/* Types of the layers whose names begin so, in their order. */
static void write_types(const cn_model *model, const char *prefix, writer *w) {
    for (int i = 0; i < cn_model_layer_count(model); i++) {
        cn_layer_info info = CN_LAYER_INFO_INIT;
        ck_ok(cn_model_layer_info(model, i, &info));
        if (strncmp(info.name, prefix, strlen(prefix)) == 0)
            w->length += (size_t)snprintf(w->text + w->length, sizeof w->text - w->length, "%s%s", w->length ? " " : "",
                                          info.type);
    }
}

static void expect_types(const cn_model *model, const char *prefix, const char *wanted) {
    writer w = {.length = 0};
    write_types(model, prefix, &w);
    ck_assert_str_eq(w.text, wanted);
}

static cn_model *session8(const cn_session8_options *options) {
    cn_model *model;
    ck_ok(cn_model_session8(ctx, options, &model));
    return model;
}

/* ---- session 8 ---- */

/* What PyTorch's state_dict() of the same network has. */
static const char session8_tensors[] = "cblock1.0.convlayer.weight 16x3x3x3\n"
                                       "cblock1.0.normlayer.weight 16\n"
                                       "cblock1.0.normlayer.bias 16\n"
                                       "cblock1.0.normlayer.running_mean 16\n"
                                       "cblock1.0.normlayer.running_var 16\n"
                                       "cblock1.0.normlayer.num_batches_tracked\n"
                                       "cblock1.1.convlayer.weight 16x16x3x3\n"
                                       "cblock1.1.normlayer.weight 16\n"
                                       "cblock1.1.normlayer.bias 16\n"
                                       "cblock1.1.normlayer.running_mean 16\n"
                                       "cblock1.1.normlayer.running_var 16\n"
                                       "cblock1.1.normlayer.num_batches_tracked\n"
                                       "tblock1.0.weight 24x16x1x1\n"
                                       "cblock2.0.convlayer.weight 24x24x3x3\n"
                                       "cblock2.0.normlayer.weight 24\n"
                                       "cblock2.0.normlayer.bias 24\n"
                                       "cblock2.0.normlayer.running_mean 24\n"
                                       "cblock2.0.normlayer.running_var 24\n"
                                       "cblock2.0.normlayer.num_batches_tracked\n"
                                       "cblock2.1.convlayer.weight 24x24x3x3\n"
                                       "cblock2.1.normlayer.weight 24\n"
                                       "cblock2.1.normlayer.bias 24\n"
                                       "cblock2.1.normlayer.running_mean 24\n"
                                       "cblock2.1.normlayer.running_var 24\n"
                                       "cblock2.1.normlayer.num_batches_tracked\n"
                                       "cblock2.2.convlayer.weight 24x24x3x3\n"
                                       "cblock2.2.normlayer.weight 24\n"
                                       "cblock2.2.normlayer.bias 24\n"
                                       "cblock2.2.normlayer.running_mean 24\n"
                                       "cblock2.2.normlayer.running_var 24\n"
                                       "cblock2.2.normlayer.num_batches_tracked\n"
                                       "tblock2.0.weight 32x24x1x1\n"
                                       "cblock3.0.convlayer.weight 32x32x3x3\n"
                                       "cblock3.0.normlayer.weight 32\n"
                                       "cblock3.0.normlayer.bias 32\n"
                                       "cblock3.0.normlayer.running_mean 32\n"
                                       "cblock3.0.normlayer.running_var 32\n"
                                       "cblock3.0.normlayer.num_batches_tracked\n"
                                       "cblock3.1.convlayer.weight 32x32x3x3\n"
                                       "cblock3.1.normlayer.weight 32\n"
                                       "cblock3.1.normlayer.bias 32\n"
                                       "cblock3.1.normlayer.running_mean 32\n"
                                       "cblock3.1.normlayer.running_var 32\n"
                                       "cblock3.1.normlayer.num_batches_tracked\n"
                                       "cblock3.2.convlayer.weight 32x32x3x3\n"
                                       "cblock3.2.normlayer.weight 32\n"
                                       "cblock3.2.normlayer.bias 32\n"
                                       "cblock3.2.normlayer.running_mean 32\n"
                                       "cblock3.2.normlayer.running_var 32\n"
                                       "cblock3.2.normlayer.num_batches_tracked\n"
                                       "oblock.1.weight 10x32x1x1\n"
                                       "oblock.1.bias 10\n";

START_TEST(session8_has_pytorchs_tensors_in_its_order) {
    writer w = {.length = 0};
    cn_model *model = session8(NULL);
    write_tensors(model, &w);
    ck_assert_str_eq(w.text, session8_tensors);
    ck_assert_int_eq(cn_model_parameter_count(model), 47818);
    cn_model_free(model);
}
END_TEST

/* With the norms that keep no statistics, and with none. */
START_TEST(session8_has_the_tensors_of_its_norm) {
    cn_session8_options options = CN_SESSION8_OPTIONS_INIT;
    for (int norm = CN_NORM_NONE; norm <= CN_NORM_INSTANCE; norm++) {
        options.norm = (cn_norm_kind)norm;
        cn_model *model = session8(&options);
        ck_assert_int_eq(cn_model_parameter_count(model), norm == CN_NORM_NONE ? 47418 : 47818);
        ck_assert_int_eq(cn_model_tensor_count(model), norm == CN_NORM_NONE ? 12 : norm == CN_NORM_BATCH ? 52 : 28);
        expect_types(model, "cblock1.0.normlayer",
                     norm == CN_NORM_NONE    ? ""
                     : norm == CN_NORM_BATCH ? "BatchNorm2d"
                                             : "GroupNorm");
        cn_model_free(model);
    }
}
END_TEST

START_TEST(session8_skips_padded_blocks_only) {
    cn_session8_options options = CN_SESSION8_OPTIONS_INIT;
    cn_model *model = session8(&options);
    expect_types(model, "cblock1.1", "Conv2d BatchNorm2d ReLU Dropout");
    expect_types(model, "cblock2.0", "Conv2d BatchNorm2d Add ReLU Dropout");
    expect_types(model, "cblock3.2", "Conv2d BatchNorm2d Add ReLU Dropout");
    expect_types(model, "tblock2", "Conv2d MaxPool2d");
    expect_types(model, "oblock", "AdaptiveAvgPool2d Conv2d Flatten LogSoftmax");
    cn_model_free(model);
    options.skip = 0;
    options.dropout = 0.0f;
    options.norm = CN_NORM_NONE;
    model = session8(&options);
    expect_types(model, "cblock2.0", "Conv2d ReLU");
    cn_model_free(model);
}
END_TEST

static float first_weight(uint64_t seed) {
    cn_session8_options options = CN_SESSION8_OPTIONS_INIT;
    cn_tensor *tensor;
    options.seed = seed;
    cn_model *model = session8(&options);
    ck_ok(cn_model_tensor(model, "cblock1.0.convlayer.weight", &tensor));
    float weight = *(float *)cn_tensor_data(tensor);
    cn_model_free(model);
    return weight;
}

START_TEST(the_seed_decides_on_the_parameters) {
    ck_assert(first_weight(1) == first_weight(1));
    ck_assert(first_weight(1) != first_weight(2));
}
END_TEST

static void expect_refused(const cn_session8_options *options, cn_status status, const char *message) {
    cn_model *model = (cn_model *)ctx;
    ck_fails(cn_model_session8(ctx, options, &model), status, message);
    ck_assert_ptr_null(model);
}

START_TEST(session8_refuses_what_it_cannot_be) {
    const cn_session8_options good = CN_SESSION8_OPTIONS_INIT;
    cn_session8_options options = good;
    options.norm = (cn_norm_kind)5;
    expect_refused(&options, CN_ERR_ARGUMENT, "unknown norm 5");
    options = good;
    options.norm = CN_NORM_GROUP;
    options.groups = 3;
    expect_refused(&options, CN_ERR_ARGUMENT, "groups is 3");
    options.groups = 16;
    expect_refused(&options, CN_ERR_ARGUMENT, "groups is 16");
    options.groups = -4;
    expect_refused(&options, CN_ERR_ARGUMENT, "groups is -4");
    options = good;
    options.dropout = 1.0f;
    expect_refused(&options, CN_ERR_ARGUMENT, "dropout is 1");
    options.dropout = -0.1f;
    expect_refused(&options, CN_ERR_ARGUMENT, "dropout is -0.1");
    options.dropout = 0.0f / 0.0f;
    expect_refused(&options, CN_ERR_ARGUMENT, "dropout is");
    options = good;
    options.skip = 2;
    expect_refused(&options, CN_ERR_ARGUMENT, "skip is 2");
    options = good;
    options.classes = -1;
    expect_refused(&options, CN_ERR_ARGUMENT, "classes is -1");
    options.classes = (1 << 24) + 1;
    expect_refused(&options, CN_ERR_ARGUMENT, "classes is 16777217");
    options = good;
    options.size = 1;
    expect_refused(&options, CN_ERR_ARGUMENT, "cn_session8_options");
    cn_model *model;
    ck_fails(cn_model_session8(NULL, NULL, &model), CN_ERR_ARGUMENT, "context");
    ck_fails(cn_model_session8(ctx, NULL, NULL), CN_ERR_ARGUMENT, "model");
}
END_TEST

/* ---- MNIST ---- */

static cn_model *mnist(int which) {
    cn_model *model;
    ck_ok(cn_model_mnist(ctx, which, 0, &model));
    return model;
}

START_TEST(mnist_networks_have_the_studys_layers) {
    static const struct {
        int which;
        int64_t parameters;
        const char *tensors, *types;
    } wanted[] = {
        {2, 9 * (32 + 32 * 32 + 32 * 64 + 64 * 64 + 64 * 128) + 128 * 256 + 257 * 10,
         "conv1.weight 32x1x3x3\nconv2.weight 32x32x3x3\nconv3.weight 64x32x3x3\nconv4.weight 64x64x3x3\n"
         "conv5.weight 128x64x3x3\nconv6.weight 256x128x1x1\nconv7.weight 10x256x1x1\nconv7.bias 10\n",
         "Conv2d ReLU Conv2d ReLU MaxPool2d Conv2d ReLU Conv2d ReLU MaxPool2d Conv2d ReLU AdaptiveAvgPool2d "
         "Conv2d ReLU Conv2d Flatten LogSoftmax"},
        {3, 9 * (9 + 9 * 10 + 10 * 16 + 16 * 16 + 16 * 16) + 16 * 32 + 33 * 10,
         "conv1.weight 9x1x3x3\nconv2.weight 10x9x3x3\nconv3.weight 16x10x3x3\nconv4.weight 16x16x3x3\n"
         "conv5.weight 16x16x3x3\nconv6.weight 32x16x1x1\nconv7.weight 10x32x1x1\nconv7.bias 10\n",
         "Conv2d ReLU Conv2d ReLU MaxPool2d Conv2d ReLU Conv2d ReLU MaxPool2d Conv2d ReLU AdaptiveAvgPool2d "
         "Conv2d ReLU Conv2d Flatten LogSoftmax"},
        {4, 9 * (9 + 9 * 10 + 10 * 16 + 16 * 16 + 16 * 16) + 16 * 32 + 33 * 10 + 2 * (9 + 10 + 16 + 16 + 16 + 32), NULL,
         "Conv2d ReLU BatchNorm2d Conv2d ReLU MaxPool2d BatchNorm2d Conv2d ReLU BatchNorm2d Conv2d ReLU MaxPool2d "
         "BatchNorm2d Conv2d ReLU AdaptiveAvgPool2d BatchNorm2d Conv2d ReLU BatchNorm2d Conv2d Flatten LogSoftmax"},
        {5, 9 * (9 + 9 * 10 + 10 * 16 + 16 * 16 + 16 * 16) + 16 * 32 + 33 * 10 + 2 * (9 + 10 + 16 + 16 + 16 + 32), NULL,
         "Conv2d Dropout ReLU BatchNorm2d Conv2d Dropout ReLU MaxPool2d BatchNorm2d Conv2d Dropout ReLU BatchNorm2d "
         "Conv2d Dropout ReLU MaxPool2d BatchNorm2d Conv2d Dropout ReLU AdaptiveAvgPool2d BatchNorm2d Conv2d Dropout "
         "ReLU BatchNorm2d Conv2d Flatten LogSoftmax"},
    };
    writer w = {.length = 0};
    cn_model *model = mnist(wanted[_i].which);
    ck_assert_int_eq(cn_model_parameter_count(model), wanted[_i].parameters);
    expect_types(model, "", wanted[_i].types);
    write_tensors(model, &w);
    if (wanted[_i].tensors)
        ck_assert_str_eq(w.text, wanted[_i].tensors);
    else
        ck_assert_ptr_nonnull(strstr(w.text, "conv1.weight 9x1x3x3\nnorm2.weight 9\nnorm2.bias 9\n"));
    cn_model_free(model);
}
END_TEST

START_TEST(mnist_networks_keep_the_size_between_pools) {
    cn_model *model = mnist(3);
    int64_t shape[3];
    cn_model_input_shape(model, shape);
    ck_assert_mem_eq(shape, ((int64_t[]){1, 28, 28}), sizeof shape);
    cn_model_output_shape(model, shape);
    ck_assert_mem_eq(shape, ((int64_t[]){10, 1, 1}), sizeof shape);
    for (int i = 0, side = 28; i < cn_model_layer_count(model); i++) {
        cn_layer_info info = CN_LAYER_INFO_INIT;
        ck_ok(cn_model_layer_info(model, i, &info));
        side = strcmp(info.type, "MaxPool2d") == 0 ? side / 2 : strcmp(info.type, "AdaptiveAvgPool2d") == 0 ? 1 : side;
        ck_assert_int_eq(info.output[1], side);
        ck_assert_int_eq(info.output[2], side);
    }
    cn_model_free(model);
}
END_TEST

START_TEST(there_are_four_mnist_networks) {
    cn_model *model = (cn_model *)ctx;
    ck_fails(cn_model_mnist(ctx, 1, 0, &model), CN_ERR_ARGUMENT, "no network 1, there are 2 to 5");
    ck_assert_ptr_null(model);
    ck_fails(cn_model_mnist(ctx, 6, 0, &model), CN_ERR_ARGUMENT, "no network 6");
    ck_fails(cn_model_mnist(NULL, 2, 0, &model), CN_ERR_ARGUMENT, "context");
    ck_fails(cn_model_mnist(ctx, 2, 0, NULL), CN_ERR_ARGUMENT, "model");
}
END_TEST

/* ---- memory ---- */

static cn_status make(cn_context *context, int which, cn_model **model) {
    return which ? cn_model_mnist(context, which, 0, model) : cn_model_session8(context, NULL, model);
}

START_TEST(running_out_of_memory_is_a_status) {
    counting_allocator counter = {.persistent = _i};
    cn_context *own = counting_context(&counter, 1);
    long live = counter.live;
    for (int which = 0; which <= 5; which += 5) {
        cn_status status = CN_ERR_MEMORY;
        for (long n = 1; status != CN_OK; n++) {
            cn_model *model;
            counter.fail_at = counter.calls + n;
            status = make(own, which, &model);
            counter.fail_at = 0;
            ck_assert(status == CN_OK || status == CN_ERR_MEMORY);
            ck_assert((status == CN_OK) == (model != NULL));
            cn_model_free(model);
            ck_assert_int_eq(counter.live, live);
        }
    }
    cn_context_free(own);
    ck_assert_int_eq(counter.live, 0);
}
END_TEST

START_TEST(classes_are_the_callers) {
    cn_session8_options options = CN_SESSION8_OPTIONS_INIT;
    int64_t shape[3];
    options.norm = CN_NORM_GROUP;
    options.classes = 100;
    cn_model *model = session8(&options);
    cn_model_output_shape(model, shape);
    ck_assert_mem_eq(shape, ((int64_t[]){100, 1, 1}), sizeof shape);
    ck_assert_int_eq(cn_model_parameter_count(model), 47818 + 90 * 33);
    cn_model_input_shape(model, shape);
    ck_assert_mem_eq(shape, ((int64_t[]){3, 32, 32}), sizeof shape);
    cn_model_free(model);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("zoo");
    TCase *tcase = tcase_create("zoo");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, session8_has_pytorchs_tensors_in_its_order);
    tcase_add_test(tcase, session8_has_the_tensors_of_its_norm);
    tcase_add_test(tcase, session8_skips_padded_blocks_only);
    tcase_add_test(tcase, classes_are_the_callers);
    tcase_add_test(tcase, the_seed_decides_on_the_parameters);
    tcase_add_test(tcase, session8_refuses_what_it_cannot_be);
    tcase_add_loop_test(tcase, mnist_networks_have_the_studys_layers, 0, 4);
    tcase_add_test(tcase, mnist_networks_keep_the_size_between_pools);
    tcase_add_test(tcase, there_are_four_mnist_networks);
    tcase_add_loop_test(tcase, running_out_of_memory_is_a_status, 0, 2);
    suite_add_tcase(suite, tcase);
    return test_run(suite);
}
