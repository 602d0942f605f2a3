/* SPDX-License-Identifier: MIT */
/* test_onnx_save.c: models as ONNX files: what comes back computes the same, under the same names; what cannot be written. ONNX Runtime's word on the files is `make check-onnx-save`'s. */
#include "onnx_saved.h"
#include "saved_models.h"
#include "network.h"
#include "own_layers.h"
#include "scratch.h"
#include "onnx/proto.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

TEST_RUNS_ONCE;

enum { MAX_ENDS = 4 };

/* ---- there and back ---- */

static void run(cn_model *model, cn_tensor *outputs[MAX_ENDS]) {
    enum { IMAGES = 3 };
    cn_tensor *inputs[MAX_ENDS] = {NULL};
    int64_t s[3], ins = cn_model_input_count(model), outs = cn_model_output_count(model);
    for (int64_t i = 0; i < ins; i++) {
        cn_model_input_shape_at(model, i, s);
        inputs[i] = images(IMAGES, s[0], s[1], s[2]);
        saved_model_fill(inputs[i], (int)i);
    }
    for (int64_t i = 0; i < outs; i++) {
        cn_model_output_shape_at(model, i, s);
        outputs[i] = images(IMAGES, s[0], s[1], s[2]);
    }
    ck_ok(cn_model_forward_all(model, 0, ins, (const cn_tensor *const *)inputs, outs, outputs));
    for (int64_t i = 0; i < ins; i++)
        cn_tensor_free(inputs[i]);
}

/* Both have the same outputs for the same inputs. */
static void expect_same(cn_model *model, cn_model *again, double share, const char *what) {
    cn_tensor *wanted[MAX_ENDS] = {NULL}, *given[MAX_ENDS] = {NULL};
    ck_assert_int_eq(cn_model_input_count(model), cn_model_input_count(again));
    ck_assert_int_eq(cn_model_output_count(model), cn_model_output_count(again));
    run(model, wanted);
    run(again, given);
    for (int i = 0; i < MAX_ENDS && wanted[i]; i++) {
        expect_near(wanted[i], given[i], share, what);
        cn_tensor_free(wanted[i]);
        cn_tensor_free(given[i]);
    }
}

/* Scales of a Resize are float32, by which pixels far from the first are off. */
static double accuracy(const char *name) {
    return strstr(name, "upsample bilinear") ? 1e-5 : 1e-6;
}

START_TEST(every_layer_comes_back) {
    const char *name = saved_model_name(_i);
    cn_model *model = saved_model_new(ctx, _i), *again = there_and_back(model, NULL);
    expect_same(model, again, accuracy(name), name);
    cn_model_free(model);
    cn_model_free(again);
}
END_TEST

/* ---- prebuilt networks ---- */

static const char *const networks[] = {"session8", "mnist2", "mnist3", "mnist4", "mnist5"};
enum { ZOO = 10, NETWORKS = (int)COUNT(networks) + ZOO };

/* Those of the zoo narrow, and of small images. */
static cn_model *network_new(int which) {
    cn_zoo_options options = CN_ZOO_OPTIONS_INIT;
    cn_model *model;
    if (which == 0)
        ck_ok(cn_model_session8_pretrained(ctx, &model));
    else if (which < (int)COUNT(networks))
        ck_ok(cn_model_mnist(ctx, networks[which][5] - '0', 1, &model));
    else {
        options.height = options.width = 64;
        options.width_mult = 0.25f;
        options.classes = 7;
        ck_ok(cn_model_zoo(ctx, cn_zoo_name(which - (int)COUNT(networks)), &options, &model));
    }
    return model;
}

START_TEST(prebuilt_networks_come_back) {
    cn_model *model = network_new(_i), *again = there_and_back(model, NULL);
    expect_same(model, again, 1e-6, cn_model_output_name(model, 0));
    for (int64_t i = 0; i < cn_model_tensor_count(model); i++) {
        const cn_tensor *wanted, *given;
        const char *name = cn_model_tensor_name(model, i);
        ck_ok(cn_model_tensor_const(model, name, &wanted));
        ck_assert_msg(cn_model_tensor_const(again, name, &given) == CN_OK, "%s: %s", name, cn_last_error());
        ck_assert_int_eq(cn_tensor_count(given), cn_tensor_count(wanted));
        if (cn_tensor_dtype(wanted) == CN_DTYPE_FLOAT32)
            ck_assert_mem_eq(cn_tensor_data_const(given), cn_tensor_data_const(wanted),
                             (size_t)cn_tensor_count(wanted) * sizeof(float));
    }
    ck_assert_int_eq(cn_model_tensor_count(again), cn_model_tensor_count(model));
    cn_model_free(model);
    cn_model_free(again);
}
END_TEST

START_TEST(all_of_the_zoo_is_among_them) {
    ck_assert_ptr_nonnull(cn_zoo_name(ZOO - 1));
    ck_assert_ptr_null(cn_zoo_name(ZOO));
}
END_TEST

/* ---- layers of several nodes ---- */

static const struct {
    const char *network, *types;
} whole[] = {
    {"eval 1x4x5x6 | silu | mish | gelu | gelu_tanh | hardswish | softsign | softplus beta=2 threshold=3",
     "SiLU Mish GELU GELU Hardswish Softsign Softplus"},
    {"eval 1x4x5x6 | group_norm groups=2 | layer_norm2d | batch_norm running=0 | instance_norm",
     "GroupNorm LayerNorm2d BatchNorm2d GroupNorm"},
    {"eval 1x4x6x6 | channel_shuffle groups=2 | pixel_unshuffle factor=3 | pixel_shuffle factor=3 | pad pad=1x2x0x1 "
     "mode=circular | pad pad=1 mode=reflect",
     "ChannelShuffle PixelUnshuffle PixelShuffle Pad2d Pad2d"},
    {"eval 1x4x5x6 | relu6 | hardsigmoid | prelu weights=4 | dropout p=0.25 | flatten | linear out=3 | softmax",
     "ReLU6 Hardsigmoid PReLU Dropout Flatten Linear Softmax"},
    {"eval 1x4x9x9 | max_pool kernel=3 stride=2 ceil=1 padding=1 | avg_pool kernel=2 stride=2 ceil=1 include_pad=0 | "
     "adaptive_avg_pool out=1",
     "MaxPool2d AvgPool2d AdaptiveAvgPool2d"},
    {"eval 1x6x5x4 | local_response_norm size=5 | local_response_norm size=4", "LocalResponseNorm LocalResponseNorm"},
};

START_TEST(layers_of_several_nodes_are_one_again) {
    network net = network_of(whole[_i].network);
    cn_model *model = net_make_model(ctx, &net, 1), *again = there_and_back(model, NULL);
    char all[256] = "";
    for (int64_t i = 0; i < cn_model_layer_count(again); i++) {
        cn_layer_info info = CN_LAYER_INFO_INIT;
        ck_ok(cn_model_layer_info(again, i, &info));
        strcat(strcat(all, i ? " " : ""), info.type);
    }
    ck_assert_str_eq(all, whole[_i].types);
    cn_model_free(model);
    cn_model_free(again);
}
END_TEST

/* ---- what the file says ---- */

/* The last field of that number in a message. */
static cn__bytes field_of(cn__bytes message, uint32_t number) {
    cn__bytes found = {0};
    cn__field field;
    while (cn__wire_next(&message, &field))
        if (field.number == number)
            found = field.type == CN__WIRE_BYTES ? field.bytes : (cn__bytes){NULL, (size_t)field.value};
    ck_assert_ptr_nonnull(message.at);
    return found;
}

static cn__bytes file_bytes(const cn_tensor *file) {
    return (cn__bytes){cn_tensor_data_const(file), (size_t)cn_tensor_count(file)};
}

static const struct {
    const char *network;
    size_t opset, ir_version;
} opsets[] = {{"eval 1x4x5x6 | conv2d out=4 kernel=3 | batch_norm running=0 | gelu | group_norm", 13, 7},
              {"eval 1x4x5x6 | hardswish", 14, 7},
              {"eval 1x4x5x6 | layer_norm2d | hardswish", 17, 8}};

START_TEST(the_opset_is_the_lowest) {
    network net = network_of(opsets[_i].network);
    cn_model *model = net_make_model(ctx, &net, 1);
    cn_tensor *file = written(model);
    cn__bytes set = field_of(file_bytes(file), CN__MODEL_OPSET);
    ck_assert_uint_eq(field_of(set, CN__OPSET_VERSION).count, opsets[_i].opset);
    ck_assert_uint_eq(field_of(file_bytes(file), CN__MODEL_IR_VERSION).count, opsets[_i].ir_version);
    cn_tensor_free(file);
    cn_model_free(model);
}
END_TEST

START_TEST(the_file_says_who_wrote_it) {
    cn_model *model = small_model();
    cn_tensor *file = written(model);
    ck_assert(cn__bytes_are(field_of(file_bytes(file), CN__MODEL_PRODUCER_NAME), "libconvnet"));
    ck_assert(cn__bytes_are(field_of(file_bytes(file), CN__MODEL_PRODUCER_VERSION), cn_version_string()));
    cn_tensor_free(file);
    cn_model_free(model);
}
END_TEST

START_TEST(the_number_of_images_is_open) {
    cn_model *model = small_model();
    cn_tensor *file = written(model);
    cn__bytes graph = field_of(file_bytes(file), CN__MODEL_GRAPH);
    const uint32_t ends[2] = {CN__GRAPH_INPUT, CN__GRAPH_OUTPUT};
    for (int i = 0; i < 2; i++) {
        cn__bytes type = field_of(field_of(graph, ends[i]), CN__INFO_TYPE), shape;
        cn__field dim;
        shape = field_of(field_of(type, CN__TYPE_TENSOR), CN__TYPE_SHAPE);
        ck_assert(cn__wire_next(&shape, &dim));
        ck_assert(cn__bytes_are(field_of(dim.bytes, CN__DIM_NAME), "N"));
    }
    cn_tensor_free(file);
    cn_model_free(model);
}
END_TEST

START_TEST(a_model_gives_the_same_bytes_again) {
    cn_model *model = saved_model_new(ctx, _i);
    cn_tensor *file = written(model), *again = written(model);
    ck_assert_int_eq(cn_tensor_count(file), cn_tensor_count(again));
    ck_assert_mem_eq(cn_tensor_data_const(file), cn_tensor_data_const(again), (size_t)cn_tensor_count(file));
    cn_tensor_free(file);
    cn_tensor_free(again);
    cn_model_free(model);
}
END_TEST

START_TEST(files_are_what_memory_has) {
    scratch s = scratch_new();
    cn_model *model = small_model();
    cn_tensor *file = written(model);
    uint8_t *bytes = malloc((size_t)cn_tensor_count(file) + 1);
    scratch_write(&s, "model.onnx", "old", 3);
    ck_ok(cn_model_save_onnx(model, scratch_path(&s, "model.onnx"), NULL));
    ck_assert_uint_eq(scratch_read(&s, "model.onnx", bytes, (size_t)cn_tensor_count(file) + 1),
                      (size_t)cn_tensor_count(file));
    ck_assert_mem_eq(bytes, cn_tensor_data_const(file), (size_t)cn_tensor_count(file));
    ck_fails(cn_model_save_onnx(model, scratch_path(&s, "no/such/folder.onnx"), NULL), CN_ERR_IO, "no/such");
    free(bytes);
    cn_tensor_free(file);
    cn_model_free(model);
    scratch_free(&s);
}
END_TEST

/* ---- damage, and memory ---- */

static const char *const classes[4] = {"frog", "toad", "newt", "eft"};

/* Of a file with all that is written out, and metadata: a changed bit, or an early end. */
START_TEST(damaged_files_do_no_harm) {
    network net =
        network_of("eval 1x4x5x4 | conv2d out=4 kernel=3 padding=1 mode=circular | local_response_norm size=4 | "
                   "batch_norm running=0 | softplus threshold=1 | adaptive_avg_pool out=2x3 | flatten | "
                   "linear out=4");
    cn_model *model = net_make_model(ctx, &net, 1), *again;
    const size_t step = test_quick() ? 211 : 11;
    ck_ok(cn_model_set_class_names(model, 4, classes));
    ck_ok(cn_model_set_normalization(model, 4, (const float[4]){0}, (const float[4]){1.0f, 2.0f, 3.0f, 4.0f}));
    cn_tensor *file = written(model);
    unsigned char *bytes = cn_tensor_data(file);
    size_t count = (size_t)cn_tensor_count(file);
    for (size_t bit = 0; bit < 8 * count; bit += step) {
        bytes[bit / 8] ^= (unsigned char)(1 << bit % 8);
        if (cn_model_load_memory(ctx, bytes, count, &again) == CN_OK)
            cn_model_free(again);
        bytes[bit / 8] ^= (unsigned char)(1 << bit % 8);
    }
    for (size_t end = 2; end < count; end += step) {
        unsigned char *cut = malloc(end); /* so that a byte too many is noticed */
        memcpy(cut, bytes, end);
        if (cn_model_load_memory(ctx, cut, end, &again) == CN_OK)
            cn_model_free(again);
        free(cut);
    }
    cn_tensor_free(file);
    cn_model_free(model);
}
END_TEST

/* ---- what cannot be written ---- */

START_TEST(own_layers_are_named) {
    scratch s = scratch_new();
    cn_model *model = own_network(ctx, true);
    cn_tensor *file;
    ck_fails(cn_model_save_onnx_memory(model, NULL, &file), CN_ERR_UNSUPPORTED,
             "layer 'a' is of type test.Affine, for which ONNX has no operator");
    ck_assert_ptr_null(file);
    ck_fails(cn_model_save_onnx(model, scratch_path(&s, "model.onnx"), NULL), CN_ERR_UNSUPPORTED,
             "model.onnx': layer 'a'");
    ck_assert_int_ne(access(scratch_path(&s, "model.onnx"), F_OK), 0);
    cn_model_free(model);
    scratch_free(&s);
}
END_TEST

START_TEST(misuse_is_refused) {
    cn_model *model = model_for(1, 2, 2);
    cn_onnx_options options = CN_ONNX_OPTIONS_INIT;
    cn_tensor *file;
    ck_ok(cn_model_append(model, "relu", relu()));
    ck_fails(cn_model_save_onnx_memory(model, NULL, &file), CN_ERR_STATE, "not initialised");
    ck_fails(cn_model_save_onnx(model, "model.onnx", NULL), CN_ERR_STATE, "not initialised");
    ck_ok(cn_model_init(model, 1));
    ck_fails(cn_model_save_onnx_memory(NULL, NULL, &file), CN_ERR_ARGUMENT, "model is NULL");
    ck_fails(cn_model_save_onnx_memory(model, NULL, NULL), CN_ERR_ARGUMENT, "file is NULL");
    ck_fails(cn_model_save_onnx(model, NULL, NULL), CN_ERR_ARGUMENT, "path is NULL");
    options.include_preprocessing = 2;
    ck_fails(cn_model_save_onnx_memory(model, &options, &file), CN_ERR_ARGUMENT, "include_preprocessing is 2");
    options.include_preprocessing = 1;
    ck_fails(cn_model_save_onnx_memory(model, &options, &file), CN_ERR_STATE, "how its images are normalised");
    options.include_preprocessing = 0;
    options.reserved = 1;
    ck_fails(cn_model_save_onnx_memory(model, &options, &file), CN_ERR_VERSION, "reserved");
    cn_model_free(model);
}
END_TEST

static cn_status save_all(const cn_model *model, cn_tensor **file) {
    cn_onnx_options options = CN_ONNX_OPTIONS_INIT;
    options.include_preprocessing = 1;
    return cn_model_save_onnx_memory(model, &options, file);
}

/* Every writer's allocations, and those of the metadata. */
START_TEST(memory_may_run_out) {
    counting_allocator counter = {0};
    cn_context *context = counting_context(&counter, 1);
    network net =
        network_of("eval 1x4x7x6 | conv2d out=4 kernel=3 padding=1 mode=circular | group_norm groups=2 | "
                   "batch_norm running=0 affine=0 | gelu | layer_norm2d affine=0 | adaptive_avg_pool out=3x4 | "
                   "upsample out=5x6 | channel_shuffle groups=2 | flatten | linear out=4");
    cn_model *model = net_make_model(context, &net, 1), *again = NULL;
    cn_tensor *file = NULL;
    ck_ok(cn_model_set_class_names(model, 4, classes));
    ck_ok(cn_model_set_normalization(model, 4, (const float[4]){0}, (const float[4]){1.0f, 2.0f, 3.0f, 4.0f}));
    ck_survives(&counter, save_all(model, &file), file, 20);
    ck_survives(&counter,
                cn_model_load_memory(context, cn_tensor_data_const(file), (size_t)cn_tensor_count(file), &again), again,
                20);
    cn_tensor_free(file);
    cn_model_free(model);
    cn_model_free(again);
    cn_context_free(context);
}
END_TEST

static Suite *make_suite(void) {
    Suite *suite = suite_create("onnx_save");
    const TTest *const each_model[] = {every_layer_comes_back, a_model_gives_the_same_bytes_again};
    const TTest *const each_network[] = {prebuilt_networks_come_back};
    const TTest *const each_whole[] = {layers_of_several_nodes_are_one_again};
    const TTest *const each_opset[] = {the_opset_is_the_lowest};
    const TTest *const once[] = {all_of_the_zoo_is_among_them,
                                 the_file_says_who_wrote_it,
                                 the_number_of_images_is_open,
                                 files_are_what_memory_has,
                                 damaged_files_do_no_harm,
                                 misuse_is_refused,
                                 memory_may_run_out};
    const TTest *const own[] = {own_layers_are_named};
    add_tests(suite, "models", set_up, tear_down, each_model, COUNT(each_model), saved_model_count());
    add_tests(suite, "networks", set_up, tear_down, each_network, COUNT(each_network), NETWORKS);
    add_tests(suite, "whole", set_up, tear_down, each_whole, COUNT(each_whole), (int)COUNT(whole));
    add_tests(suite, "opsets", set_up, tear_down, each_opset, COUNT(each_opset), (int)COUNT(opsets));
    add_tests(suite, "once", set_up, tear_down, once, COUNT(once), 1);
    add_tests(suite, "own", own_begin, tear_down, own, COUNT(own), 1);
    return suite;
}

int main(void) {
    return test_run(make_suite());
}
