/* SPDX-License-Identifier: MIT */
/* test_onnx.c: networks from ONNX files compute what PyTorch computes, under its names, train, and can be saved. */
#include "onnx_files.h"
#include "scratch.h"
#include "base/types.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

TEST_RUNS_ONCE;

static const char *const networks[] = {
    "cnn_7",       "cnn_9",       "cnn_11",     "cnn_13",      "cnn_16",     "folded",        "mobile_10", "mobile_14",
    "convnext_12", "convnext_17", "shuffle",    "shuffle_any", "pixels",     "norms",         "decoder",   "signal",
    "two",         "any_size",    "opset_21",   "external",    "normalised", "convnext_kept", "squeezed",  "focus",
    "lrn",         "resized_9",   "resized_10", "resized_11",  "resized_13", "channels_last",
};

START_TEST(networks_compute_what_they_do_in_pytorch) {
    cn_context *ctx = test_context(2);
    onnx_case c = onnx_case_read(ctx, networks[_i]);
    cn_model *model;
    ck_ok(cn_model_load(ctx, onnx_path(networks[_i]), &model));
    onnx_expect(ctx, model, &c);
    cn_model_free(model);
    onnx_case_free(&c);
    cn_context_free(ctx);
}
END_TEST

START_TEST(networks_can_be_saved) {
    cn_context *ctx = test_context(1);
    onnx_case c = onnx_case_read(ctx, networks[_i]);
    scratch s = scratch_new();
    cn_model *model, *again;
    ck_ok(cn_model_load(ctx, onnx_path(networks[_i]), &model));
    ck_ok(cn_model_save(model, scratch_path(&s, "model.safetensors")));
    ck_ok(cn_model_load(ctx, scratch_path(&s, "model.safetensors"), &again));
    onnx_expect(ctx, again, &c);
    cn_model_free(model);
    cn_model_free(again);
    scratch_free(&s);
    onnx_case_free(&c);
    cn_context_free(ctx);
}
END_TEST

/* A step against the gradient of Σ y² brings it down. */
static double squares(cn_context *ctx, cn_model *model, const onnx_case *c, int backward) {
    cn_tensor *given[ONNX_MAX_ENDS];
    double sum = 0.0;
    onnx_run(ctx, model, c, 1, given);
    for (int i = 0; i < c->outputs; i++)
        for (int64_t k = 0; k < cn_tensor_count(given[i]); k++)
            sum += 0.5 * pow((double)((float *)cn_tensor_data(given[i]))[k], 2.0);
    if (backward)
        ck_ok(cn_model_backward_all(model, c->outputs, (const cn_tensor *const *)given, 0, NULL));
    for (int i = 0; i < c->outputs; i++)
        cn_tensor_free(given[i]);
    return sum;
}

START_TEST(networks_train) {
    cn_context *ctx = test_context(2);
    onnx_case c = onnx_case_read(ctx, networks[_i]);
    cn_model *model;
    ck_ok(cn_model_load(ctx, onnx_path(networks[_i]), &model));
    double before = squares(ctx, model, &c, 1), length = 0.0;
    for (int pass = 0; pass < 2; pass++)
        for (int64_t t = 0; t < cn_model_tensor_count(model); t++) {
            cn_tensor *value, *gradient;
            const char *name = cn_model_tensor_name(model, t);
            if (cn_model_gradient(model, name, &gradient) != CN_OK)
                continue;
            ck_ok(cn_model_tensor(model, name, &value));
            for (int64_t i = 0; i < cn_tensor_count(value); i++) {
                float g = ((float *)cn_tensor_data(gradient))[i];
                if (pass == 0)
                    length += (double)g * (double)g;
                else
                    ((float *)cn_tensor_data(value))[i] -= (float)(1e-3 * before / length) * g;
            }
        }
    ck_assert(isfinite(length) && length > 0.0);
    ck_assert_double_lt(squares(ctx, model, &c, 0), before);
    cn_model_free(model);
    onnx_case_free(&c);
    cn_context_free(ctx);
}
END_TEST

/* ---- names ---- */

static void expect_tensors(const char *network, const char *const *names, int count) {
    cn_context *ctx = test_context(1);
    cn_model *model;
    ck_ok(cn_model_load(ctx, onnx_path(network), &model));
    for (int i = 0; i < count; i++) {
        cn_tensor *tensor;
        ck_assert_msg(cn_model_tensor(model, names[i], &tensor) == CN_OK, "%s: %s", names[i], cn_last_error());
    }
    ck_assert_int_eq(cn_model_tensor_count(model), count);
    cn_model_free(model);
    cn_context_free(ctx);
}

START_TEST(parameters_have_the_names_of_the_file) {
    static const char *const names[] = {
        "0.weight", "1.weight", "1.bias",   "1.running_mean", "1.running_var", "1.num_batches_tracked",
        "4.weight", "4.bias",   "6.weight", "6.bias"};
    expect_tensors("cnn_13", names, CN__COUNT(names));
    expect_tensors("cnn_7", names, CN__COUNT(names));
}
END_TEST

/* PyTorch has folded the norm into the convolution, under a number; what is left of the name is the module's. */
START_TEST(parameters_without_a_name_have_that_of_the_module) {
    static const char *const names[] = {"0.weight", "0.bias", "4.weight", "4.bias"};
    expect_tensors("folded", names, CN__COUNT(names));
}
END_TEST

/* ---- what becomes of operators ---- */

static void expect_layers(const char *network, const char *types) {
    cn_context *ctx = test_context(1);
    char all[1024] = "";
    cn_model *model;
    ck_ok(cn_model_load(ctx, onnx_path(network), &model));
    for (int64_t i = 0; i < cn_model_layer_count(model); i++) {
        cn_layer_info info = CN_LAYER_INFO_INIT;
        ck_ok(cn_model_layer_info(model, i, &info));
        strcat(strcat(all, i ? " " : ""), info.type);
    }
    ck_assert_str_eq(all, types);
    cn_model_free(model);
    cn_context_free(ctx);
}

START_TEST(what_exporters_write_out_is_one_layer) {
    expect_layers("mobile_10", "Conv2d Hardswish AdaptiveAvgPool2d Conv2d ReLU Conv2d Hardsigmoid Mul Conv2d ReLU6 "
                               "Hardsigmoid Hardswish GELU GELU Mul Add AdaptiveAvgPool2d Linear");
    expect_layers("convnext_12",
                  "Conv2d LayerNorm2d Conv2d GELU Conv2d Conv2d Add Conv2d LayerNorm2d Conv2d GELU Conv2d "
                  "Conv2d Add");
    expect_layers("squeezed", "AdaptiveAvgPool2d Linear ReLU Linear Sigmoid Mul");
    expect_layers("any_size", "Conv2d ReLU ReLU6 Upsample AvgPool2d AdaptiveAvgPool2d Linear LogSoftmax");
    expect_layers("lrn", "Conv2d LocalResponseNorm LocalResponseNorm");
    expect_layers("shuffle_any", "Narrow Narrow Conv2d Concat ChannelShuffle Narrow");
    expect_layers("cnn_13", "Conv2d BatchNorm2d ReLU MaxPool2d Conv2d Flatten Linear Softmax");
    expect_layers("norms", "Conv2d GroupNorm ELU GroupNorm LeakyReLU PReLU");
}
END_TEST

static int64_t trained(cn_model *model) {
    int64_t trained = 0;
    for (int64_t t = 0; t < cn_model_tensor_count(model); t++) {
        cn_tensor *gradient;
        const char *name = cn_model_tensor_name(model, t);
        if (cn_model_gradient(model, name, &gradient) == CN_OK)
            trained += cn_tensor_count(gradient);
    }
    return trained;
}

/* What PyTorch has as a number is none that trains here, whatever a model has gone through, until it is thawed. */
START_TEST(numbers_that_are_no_parameters_are_frozen) {
    enum { WEIGHTS = 4 * 3 * 3 * 3 + 4 + 4, ALL = WEIGHTS + 3 * 3 + 4 };
    cn_context *ctx = test_context(1);
    cn_model *model, *part, *again;
    cn_tensor *file;
    ck_ok(cn_model_load(ctx, onnx_path("normalised"), &model));
    ck_assert_int_eq(trained(model), WEIGHTS);
    ck_ok(cn_model_until(model, cn_model_output_name(model, 0), &part));
    ck_ok(cn_model_save_memory(part, &file));
    ck_ok(cn_model_load_memory(ctx, cn_tensor_data(file), (size_t)cn_tensor_count(file), &again));
    ck_assert_int_eq(trained(part), WEIGHTS);
    ck_assert_int_eq(trained(again), WEIGHTS);
    ck_ok(cn_model_freeze(again, "*", 0));
    ck_assert_int_eq(trained(again), ALL);
    cn_tensor_free(file);
    cn_model_free(again);
    cn_model_free(part);
    cn_model_free(model);
    cn_context_free(ctx);
}
END_TEST

START_TEST(inputs_and_outputs_have_names) {
    cn_context *ctx = test_context(1);
    cn_model *model;
    ck_ok(cn_model_load(ctx, onnx_path("two"), &model));
    ck_assert_str_eq(cn_model_input_name(model, 0), "input");
    ck_assert_str_eq(cn_model_input_name(model, 1), "x1");
    ck_assert_int_eq(cn_model_output_count(model), 2);
    cn_model_free(model);
    cn_context_free(ctx);
}
END_TEST

/* ---- sizes ---- */

START_TEST(open_sides_may_be_any) {
    cn_context *ctx = test_context(1);
    const int64_t inputs[3] = {3, 12, 10};
    int64_t shape[3];
    cn_model *model;
    ck_ok(cn_model_load(ctx, onnx_path("any_size"), &model));
    cn_model_input_shape(model, shape);
    ck_assert(shape[0] == 3 && shape[1] == 224 && shape[2] == 224);
    ck_ok(cn_model_output_shape_for(model, inputs, 0, shape));
    ck_assert(shape[0] == 4 && shape[1] == 1 && shape[2] == 1);
    cn_model_free(model);
    cn_context_free(ctx);
}
END_TEST

static Suite *make_suite(void) {
    Suite *suite = suite_create("onnx");
    const TTest *const each[] = {networks_compute_what_they_do_in_pytorch, networks_can_be_saved, networks_train};
    const TTest *const once[] = {
        parameters_have_the_names_of_the_file,     parameters_without_a_name_have_that_of_the_module,
        what_exporters_write_out_is_one_layer,     inputs_and_outputs_have_names,
        numbers_that_are_no_parameters_are_frozen, open_sides_may_be_any};
    test_add(suite, "networks", each, CN__COUNT(each), (int)CN__COUNT(networks));
    test_add(suite, "layers", once, CN__COUNT(once), 1);
    return suite;
}

int main(void) {
    return test_run(make_suite());
}
