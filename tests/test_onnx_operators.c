/* SPDX-License-Identifier: MIT */
/* test_onnx_operators.c: what single nodes of ONNX files become, in all the forms that opsets have given them, and what is
 * said of those that become nothing. */
#include "onnx_writer.h"
#include "base/types.h"
#include <stdio.h>
#include <stdlib.h>

TEST_RUNS_ONCE;

enum { IMAGES = 2, PIXELS = 4 * 6 * 5 };

/* Beside what onnx_load_nodes has, lists that nodes read in place of attributes. */
static cn_status load(cn_context *ctx, int opset, const char *const *nodes, cn_model **model) {
    onnx_writer graph = {.count = 0};
    onnx_put_ends(&graph);
    onnx_put_tensor(&graph, "w", 4, (const int64_t[4]){4, 4, 3, 3}, 4 * 4 * 3 * 3 * 4);
    onnx_put_integers(&graph, "space", 2, (const int64_t[2]){2, 3});
    onnx_put_integers(&graph, "wide", 1, (const int64_t[1]){-1});
    onnx_put_integers(&graph, "ones", 2, (const int64_t[2]){1, 1});
    onnx_put_integers(&graph, "last", 2, (const int64_t[2]){6, 99});
    onnx_put_integers(&graph, "twos", 2, (const int64_t[2]){2, 3});
    onnx_put_integers(&graph, "channels", 1, (const int64_t[1]){1});
    onnx_put_integers(&graph, "four", 1, (const int64_t[1]){4});
    onnx_put_integers(&graph, "zero", 1, (const int64_t[1]){0});
    onnx_put_integers(&graph, "two", 1, (const int64_t[1]){2});
    onnx_put_integers(&graph, "sizes", 4, (const int64_t[4]){1, 4, 12, 10});
    onnx_put_floats(&graph, "scales", 4, (const float[4]){1.0f, 1.0f, 2.0f, 2.0f});
    for (; *nodes; nodes++)
        onnx_put_node(&graph, *nodes);
    return onnx_load_graph(ctx, &graph, opset, model);
}

static void layer_types(const cn_model *model, char types[1024]) {
    types[0] = '\0';
    for (int64_t i = 0; i < cn_model_layer_count(model); i++) {
        cn_layer_info info = CN_LAYER_INFO_INIT;
        ck_ok(cn_model_layer_info(model, i, &info));
        strcat(strcat(types, i ? " " : ""), info.type);
    }
}

/* What comes out of whole numbers, some of them negative. */
static cn_tensor *run(cn_context *ctx, cn_model *model) {
    cn_tensor *in, *out;
    int64_t shape[4] = {IMAGES, 0, 0, 0};
    cn_model_output_shape(model, shape + 1);
    ck_ok(cn_tensor_new(ctx, CN_DTYPE_FLOAT32, 4, (const int64_t[4]){IMAGES, 4, 6, 5}, &in));
    ck_ok(cn_tensor_new(ctx, CN_DTYPE_FLOAT32, 4, shape, &out));
    for (int i = 0; i < IMAGES * PIXELS; i++)
        ((float *)cn_tensor_data(in))[i] = (float)(i * 37 % 101 - 40);
    ck_ok(cn_model_forward(model, 0, in, out));
    cn_tensor_free(in);
    return out;
}

/* ---- the same in all opsets ---- */

START_TEST(opsets_7_to_21_are_read) {
    static const char *const nodes[] = {"Relu x a",
                                        "MaxPool a b kernel_shape=2,2 strides=2,2",
                                        "Sigmoid b c",
                                        "Mul b,c d",
                                        "GlobalAveragePool d e",
                                        "Flatten e y",
                                        NULL};
    cn_context *ctx = test_context(1);
    cn_model *first, *model;
    ck_ok(load(ctx, 13, nodes, &first));
    cn_tensor *wanted = run(ctx, first);
    for (int opset = 7; opset <= 21; opset++) {
        char types[1024];
        ck_ok(load(ctx, opset, nodes, &model));
        cn_tensor *given = run(ctx, model);
        ck_assert_mem_eq(cn_tensor_data(given), cn_tensor_data(wanted), IMAGES * 4 * sizeof(float));
        layer_types(model, types);
        ck_assert_str_eq(types, "ReLU MaxPool2d SiLU AdaptiveAvgPool2d");
        cn_tensor_free(given);
        cn_model_free(model);
    }
    cn_tensor_free(wanted);
    cn_model_free(first);
    cn_context_free(ctx);
}
END_TEST

/* ---- what nodes become ---- */

static const struct {
    int opset, twin; /* twin: the entry, so many before, that computes the same; 0: none */
    const char *nodes[8], *types;
} becomes[] = {
    {13, 0, {"ReduceMean x y axes=2,3"}, "AdaptiveAvgPool2d"},
    {13, 1, {"ReduceMean x y axes=-1,-2 keepdims=0"}, "AdaptiveAvgPool2d"},
    {18, 2, {"ReduceMean x,space y"}, "AdaptiveAvgPool2d"},
    {21, 3, {"ReduceMean x,space y keepdims=0"}, "AdaptiveAvgPool2d"},
    {7, 4, {"GlobalAveragePool x y"}, "AdaptiveAvgPool2d"},
    {13, 0, {"ReduceMax x y axes=2,3"}, "AdaptiveMaxPool2d"},
    {18, 1, {"ReduceMax x,space y"}, "AdaptiveMaxPool2d"},
    {20, 2, {"ReduceMax x,space y keepdims=0"}, "AdaptiveMaxPool2d"},
    {7, 3, {"GlobalMaxPool x y"}, "AdaptiveMaxPool2d"},
    {11, 0, {"ReduceMax x y axes=-1,"}, "MaxPool2d"},
    {18, 1, {"ReduceMax x,wide y"}, "MaxPool2d"},
    {11, 0, {"ReduceMean x y axes=1,"}, "Reshape AvgPool2d Reshape"},
    {7, 0, {"Upsample x y mode=nearest scales=1.0,1.0,2.0,2.0"}, "Upsample"},
    {9, 1, {"Upsample x,scales y"}, "Upsample"},
    {10, 2, {"Resize x,scales y"}, "Upsample"},
    {11, 3, {"Resize x,,scales y coordinate_transformation_mode=asymmetric nearest_mode=floor"}, "Upsample"},
    {13, 4, {"Resize x,,,sizes y coordinate_transformation_mode=half_pixel"}, "Upsample"},
    {19, 5, {"Resize x,,scales y"}, "Upsample"},
    {11, 0, {"Resize x,,scales y mode=linear"}, "Upsample"},
    {13, 1, {"Resize x,,,sizes y mode=linear coordinate_transformation_mode=pytorch_half_pixel"}, "Upsample"},
    {13, 0, {"Resize x,,scales y mode=linear coordinate_transformation_mode=align_corners"}, "Upsample"},
    {9, 0, {"Slice x y axes=2,3 starts=1,1 ends=6,99"}, "Pad2d Pad2d"},
    {13, 1, {"Slice x,ones,last,space y"}, "Pad2d Pad2d"},
    {13, 0, {"Slice x,ones,last,space,twos y"}, "Pad2d Pad2d MaxPool2d"},
    {11, 0, {"Softmax x y"}, "Flatten Softmax"},
    {11, 1, {"Flatten x a", "Softmax a y axis=1"}, "Flatten Softmax"},
    {13, 0, {"Softmax x y axis=1"}, "Softmax"},
    {12, 0, {"LogSoftmax x a", "Relu a y"}, "Flatten LogSoftmax ReLU"},
    {9, 0, {"LRN x y size=3"}, "LocalResponseNorm"},
    {13, 0, {"GlobalAveragePool x a", "Shape x s", "Expand a,s b", "Mul x,b y"}, "AdaptiveAvgPool2d Mul"},
    {13, 1, {"GlobalAveragePool x a", "Mul x,a y"}, "AdaptiveAvgPool2d Mul"},
    {13,
     0,
     {"GlobalMaxPool x a", "Shape x s", "Expand a,s b", "Sigmoid b c", "Add c,x y"},
     "AdaptiveMaxPool2d Sigmoid Add"},
    /* (0, C · H · W) by what exporters write around shapes */
    {13,
     0,
     {"Relu x a", "Shape x s", "Slice s,channels,four,zero t", "ReduceProd t p", "Concat zero,p u axis=0",
      "Reshape a,u b", "Softmax b y axis=1"},
     "ReLU Flatten Softmax"},
    {13, 1, {"Relu x a", "Flatten a b", "Softmax b y axis=1"}, "ReLU Flatten Softmax"},
    {10, 0, {"Dropout x y ratio=0.25"}, "Dropout"},
    {13, 1, {"Identity x y"}, "Identity"},
    {13, 0, {"Constant - c value_float=2.0", "Mul x,c y"}, "Affine"},
    {13, 1, {"Constant - c value_floats=2.0,", "Mul c,x y"}, "Affine"},
    /* axes (2, 3) by arithmetic on constants */
    {18, 0, {"ReduceMean x,space y"}, "AdaptiveAvgPool2d"},
    {18,
     1,
     {"Constant - a value_ints=5,7", "Constant - b value_ints=3,4", "Sub a,b s", "ReduceMean x,s y"},
     "AdaptiveAvgPool2d"},
    {18,
     2,
     {"Constant - a value_ints=1,1", "Constant - b value_ints=1,2", "Add a,b s", "ReduceMean x,s y"},
     "AdaptiveAvgPool2d"},
    {18,
     3,
     {"Constant - a value_ints=1,3", "Constant - b value_ints=2,1", "Mul a,b s", "ReduceMean x,s y"},
     "AdaptiveAvgPool2d"},
    {18,
     4,
     {"Constant - a value_ints=5,6", "Constant - b value_ints=2,2", "Div a,b s", "ReduceMean x,s y"},
     "AdaptiveAvgPool2d"},
    {18,
     5,
     {"Constant - a value_ints=2,9", "Constant - b value_ints=5,3", "Min a,b s", "ReduceMean x,s y"},
     "AdaptiveAvgPool2d"},
    {18,
     6,
     {"Constant - a value_ints=2,1", "Constant - b value_ints=1,3", "Max a,b s", "ReduceMean x,s y"},
     "AdaptiveAvgPool2d"},
    {18,
     7,
     {"Constant - a value_ints=5,7", "Constant - b value_ints=3,4", "Mod a,b s", "ReduceMean x,s y"},
     "AdaptiveAvgPool2d"},
    {18,
     8,
     {"Constant - a value_ints=2,3", "Constant - b value_ints=1,1", "Pow a,b s", "ReduceMean x,s y"},
     "AdaptiveAvgPool2d"},
    {18,
     9,
     {"Constant - a value_ints=2,9", "Constant - b value_ints=2,3", "Equal a,b c", "Where c,a,b s", "ReduceMean x,s y"},
     "AdaptiveAvgPool2d"},
    {18,
     10,
     {"Constant - a value_ints=2,1", "Constant - b value_ints=1,3", "Greater a,b c", "Where c,a,b s",
      "ReduceMean x,s y"},
     "AdaptiveAvgPool2d"},
    {18,
     11,
     {"Constant - a value_ints=2,9", "Constant - b value_ints=5,3", "Less a,b c", "Where c,a,b s", "ReduceMean x,s y"},
     "AdaptiveAvgPool2d"},
    {18,
     12,
     {"Constant - a value_ints=9,3", "Constant - b value_ints=2,3", "Equal a,b c", "Not c n", "Where n,b,a s",
      "ReduceMean x,s y"},
     "AdaptiveAvgPool2d"},
    {18, 13, {"Constant - a value_ints=-2,-3", "Neg a s", "ReduceMean x,s y"}, "AdaptiveAvgPool2d"},
    {18, 14, {"Constant - a value_ints=-2,3", "Abs a s", "ReduceMean x,s y"}, "AdaptiveAvgPool2d"},
    {18, 15, {"Constant - a value_ints=2,3", "Identity a s", "ReduceMean x,s y"}, "AdaptiveAvgPool2d"},
    {18, 16, {"Constant - a value_floats=2.5,3.0", "Cast a s to=7", "ReduceMean x,s y"}, "AdaptiveAvgPool2d"},
    {18,
     17,
     {"Constant - a value_floats=0.5,0.3333", "Reciprocal a b", "Cast b s to=7", "ReduceMean x,s y"},
     "AdaptiveAvgPool2d"},
    {18,
     18,
     {"Constant - a value_floats=4.0,9.0", "Sqrt a b", "Cast b s to=7", "ReduceMean x,s y"},
     "AdaptiveAvgPool2d"},
    {18,
     19,
     {"Constant - a value_floats=2.5,3.5", "Floor a b", "Cast b s to=7", "ReduceMean x,s y"},
     "AdaptiveAvgPool2d"},
    {18,
     20,
     {"Constant - a value_floats=1.5,2.5", "Ceil a b", "Cast b s to=7", "ReduceMean x,s y"},
     "AdaptiveAvgPool2d"},
    {18,
     21,
     {"Constant - a value_ints=1,2", "Constant - b value_int=1", "Add a,b s", "ReduceMean x,s y"},
     "AdaptiveAvgPool2d"},
    {18,
     22,
     {"Constant - a value_ints=3,2", "Constant - i value_ints=1,-2", "Gather a,i s", "ReduceMean x,s y"},
     "AdaptiveAvgPool2d"},
};

START_TEST(nodes_become_layers) {
    cn_context *ctx = test_context(1);
    cn_model *model, *twin;
    char types[1024];
    ck_ok(load(ctx, becomes[_i].opset, becomes[_i].nodes, &model));
    layer_types(model, types);
    ck_assert_str_eq(types, becomes[_i].types);
    cn_tensor *given = run(ctx, model);
    if (becomes[_i].twin) {
        ck_ok(load(ctx, becomes[_i - becomes[_i].twin].opset, becomes[_i - becomes[_i].twin].nodes, &twin));
        cn_tensor *wanted = run(ctx, twin);
        ck_assert_int_eq(cn_tensor_count(given), cn_tensor_count(wanted));
        ck_assert_mem_eq(cn_tensor_data(given), cn_tensor_data(wanted), (size_t)cn_tensor_count(given) * sizeof(float));
        cn_tensor_free(wanted);
        cn_model_free(twin);
    }
    cn_tensor_free(given);
    cn_model_free(model);
    cn_context_free(ctx);
}
END_TEST

/* Rows 1, 3, 5 and columns 1, 4. */
START_TEST(slices_take_every_so_manieth) {
    static const char *const nodes[] = {"Slice x,ones,last,space,twos y", NULL};
    cn_context *ctx = test_context(1);
    cn_model *model;
    ck_ok(load(ctx, 13, nodes, &model));
    cn_tensor *given = run(ctx, model);
    ck_assert_int_eq(cn_tensor_count(given), IMAGES * 4 * 3 * 2);
    for (int i = 0; i < IMAGES * 4 * 3 * 2; i++) {
        int plane = i / 6, row = 1 + 2 * (i / 2 % 3), column = 1 + 3 * (i % 2), at = plane * 30 + row * 5 + column;
        ck_assert(((float *)cn_tensor_data(given))[i] == (float)(at * 37 % 101 - 40));
    }
    cn_tensor_free(given);
    cn_model_free(model);
    cn_context_free(ctx);
}
END_TEST

/* ---- what is refused ---- */

static const struct {
    int opset;
    const char *nodes[5], *message;
} refused[] = {
    {13, {"Resize x,,scales y mode=cubic"}, "no interpolation between neighbours as torch has it (half_pixel)"},
    {13, {"Resize x,,scales y mode=linear coordinate_transformation_mode=tf_crop_and_resize"}, "(tf_crop_and_resize)"},
    {13, {"Resize x,,scales y mode=linear coordinate_transformation_mode=asymmetric"}, "(asymmetric)"},
    {13,
     {"Resize x,,scales y coordinate_transformation_mode=half_pixel nearest_mode=ceil"},
     "its nearest pixels are others than torch's (half_pixel)"},
    {13, {"Resize x,,scales y exclude_outside=1"}, "(exclude_outside)"},
    {13, {"Slice x,channels,last,channels,two y"}, "but 2 ends"},
    {13, {"Slice x,channels,two,channels,wide y"}, "it takes steps of -1 over channels"},
    {13, {"Slice x,channels,two,wide,wide y"}, "it takes steps of -1"},
    {9, {"LRN x y size=4"}, "its size is 4, wanted an odd one"},
    {9, {"LRN x y"}, "its size is 0"},
    {13, {"MaxPool x a,y kernel_shape=2,2"}, "MaxPool 'a': its output 'y' is none that layers give"},
    {13, {"GlobalAveragePool x a", "Shape x s", "Expand a,s y"}, "wants values in an order that no layer gives"},
    {13, {"GlobalAveragePool x a", "Shape x s", "Expand a,s b", "Conv b,w y"}, "wants values in an order"},
    {13, {"GlobalAveragePool x a", "Shape x s", "Expand a,s b", "Mul b,b y"}, "wants values in an order"},
    {13, {"Shape x s", "Relu x a", "Expand s,a y"}, "is a constant"},
    {13, {"ReduceMean x y axes=0,1"}, "it is over images"},
    {13, {"Split x,twos a,y axis=1"}, "it takes 3 elements from 2 on, of 4"},
    {13, {"Split x,channels a,y axis=1"}, "it has 1 sizes for 2 parts"},
    {13, {"Gather x,x y axis=1"}, "its indices are not a constant list"},
    {13, {"Gather x,last y axis=1"}, "its elements do not lie side by side"},
    {13, {"Gather x,four y axis=1"}, "its index 4 is none of 4"},
    {13, {"Squeeze x,channels y"}, "it removes more than one element"},
    {13, {"Squeeze x,zero y"}, "it removes images"},
    {11, {"Squeeze x y axes=2,2"}, "its axes have 2 twice"},
    {11, {"Unsqueeze x y axes=1,2,3,4,5"}, "it makes more than 8 dimensions"},
    {13, {"Cast x y to=7"}, "it makes integers of what a layer gives"},
    {13, {"Expand x,x y"}, "its shape is not known beforehand"},
    {13, {"Expand x,last y"}, "it repeats images, or more than one value"},
    {10, {"Pad x y mode=other pads=0,0,0,0,0,0,0,0"}, "its mode is none of constant, reflect, edge and wrap"},
    {13, {"Pad x,twos y"}, "its pads are 2 numbers, wanted 8"},
    {10, {"Pad x y pads=0,1,0,0,0,0,0,0"}, "it adds channels"},
    {13, {"Pad x,sizes,x y"}, "its value is computed, not a constant"},
    {13, {"DepthToSpace x y blocksize=0"}, "its blocksize is 0"},
    {13, {"SpaceToDepth x y blocksize=5000"}, "its blocksize is 5000"},
    {13, {"Dropout x,x y"}, "its ratio is computed, not a constant"},
    {13, {"Flatten x f", "Concat x,f y axis=1"}, "its inputs have 4 and 2 dimensions"},
    {13, {"Transpose x y perm=0,1,1,2"}, "perm"},
    {13, {"Gather x,two y axis=9"}, "9"},
    {13, {"Slice x,channels,two,four y"}, "4"},
    {13, {"Flatten x f", "Resize f,,scales y"}, "dimensions"},
    {13, {"Flatten x f", "MaxPool f y kernel_shape=2,2"}, "2"},
    {13, {"MaxPool x y kernel_shape=2,"}, "kernel"},
    {13, {"MaxPool x y kernel_shape=0,2"}, "0"},
    {13, {"AveragePool x y kernel_shape=2,2 auto_pad=OTHER"}, "its auto_pad is none of NOTSET"},
    {13, {"Conv x,x y"}, "weight"},
    {13, {"Conv x,w y group=3"}, "group"},
    {13, {"Softmax x y axis=7"}, "7"},
    {13, {"Clip x,x y"}, "computed"},
    {13, {"InstanceNormalization x,x,x y"}, "constant"},
    {13, {"BatchNormalization x,scales,scales,scales y"}, "BatchNormalization"},
    {13, {"Reshape x,x y"}, "shape"},
    {13, {"Gemm x,w y"}, "Gemm"},
    {13, {"Upsample x,scales y"}, "Upsample"},
    {13, {"Sin x y"}, "Sin"},
};

START_TEST(what_no_layer_computes_is_named) {
    cn_context *ctx = test_context(1);
    cn_model *model;
    ck_assert_int_ne(load(ctx, refused[_i].opset, refused[_i].nodes, &model), CN_OK);
    ck_assert_msg(strstr(cn_last_error(), refused[_i].message) != NULL, "%s", cn_last_error());
    ck_assert_ptr_null(model);
    cn_context_free(ctx);
}
END_TEST

/* ---- notes ---- */

static void remember(void *user, cn_log_level level, const char *message) {
    ck_assert_int_eq(level, CN_LOG_INFO);
    strcat(strcat(user, message), "\n");
}

static cn_context *listening(char *notes) {
    cn_context_options options = CN_CONTEXT_OPTIONS_INIT;
    cn_context *ctx;
    options.log = remember;
    options.user = notes;
    ck_ok(cn_context_new(&options, &ctx));
    return ctx;
}

/* What an exporter has found to be equal is another parameter under another name. */
START_TEST(shared_parameters_are_noted) {
    static const char *const shared[] = {"Conv x,w a pads=1,1,1,1", "Conv a,w y pads=1,1,1,1", NULL};
    static const char *const equal[] = {"Identity w v", "Conv x,w a pads=1,1,1,1", "Conv a,v y pads=1,1,1,1", NULL};
    char notes[1000] = "";
    cn_context *ctx = listening(notes);
    cn_model *model;
    ck_ok(load(ctx, 13, equal, &model));
    cn_model_free(model);
    ck_assert_str_eq(notes, "");
    ck_ok(load(ctx, 13, shared, &model));
    cn_model_free(model);
    ck_assert_str_eq(notes,
                     "the ONNX file has parameters that several layers read, such as 'w' of 'a' and 'y': each layer "
                     "gets and trains its own copy\n");
    cn_context_free(ctx);
}
END_TEST

START_TEST(open_sides_are_noted_once) {
    char notes[1000] = "";
    cn_context *ctx = listening(notes);
    onnx_writer graph = {.count = 0};
    cn_model *model;
    onnx_put_value(&graph, 11, "x", 4, (const int64_t[4]){0, 3, 0, 0});
    onnx_put_value(&graph, 11, "other", 4, (const int64_t[4]){0, 3, 224, 0});
    onnx_put_value(&graph, 12, "y", 0, NULL);
    onnx_put_node(&graph, "Add x,other y");
    ck_ok(onnx_load_graph(ctx, &graph, 13, &model));
    ck_assert_str_eq(notes, "the ONNX file leaves the height and width of 'x' open: 224 to begin with\n"
                            "the ONNX file leaves the width of 'other' open: 224 to begin with\n");
    cn_model_free(model);
    cn_context_free(ctx);
}
END_TEST

START_TEST(channels_last_are_turned) {
    char notes[1000] = "";
    cn_context *ctx = listening(notes);
    onnx_writer graph = {.count = 0};
    cn_model *model;
    int64_t shape[3];
    onnx_put_value(&graph, 11, "x", 4, (const int64_t[4]){0, 0, 20, 3});
    onnx_put_value(&graph, 12, "y", 0, NULL);
    onnx_put_floats(&graph, "mean", 3, (const float[3]){1.0f, 2.0f, 3.0f});
    onnx_put_node(&graph, "Sub x,mean a");
    onnx_put_node(&graph, "Transpose a b perm=0,3,1,2");
    onnx_put_node(&graph, "Relu b c");
    onnx_put_node(&graph, "Transpose c y perm=0,2,3,1");
    ck_ok(onnx_load_graph(ctx, &graph, 13, &model));
    ck_assert_str_eq(notes, "the ONNX file has 'x' as [N, H, W, C]; the model reads it as [N, C, H, W]\n"
                            "the ONNX file leaves the height of 'x' open: 224 to begin with\n");
    cn_model_input_shape(model, shape);
    ck_assert(shape[0] == 3 && shape[1] == 224 && shape[2] == 20);
    cn_model_output_shape(model, shape);
    ck_assert(shape[0] == 3 && shape[1] == 224 && shape[2] == 20);
    cn_model_free(model);
    cn_context_free(ctx);
}
END_TEST

/* A file that has all of its numbers in Constants trains; numbers beside parameters do not. */
START_TEST(numbers_among_nodes_train_where_there_are_no_others) {
    cn_context *ctx = test_context(1);
    cn_model *model;
    for (int parameters = 0; parameters < 2; parameters++) {
        onnx_writer graph = {.count = 0};
        onnx_put_ends(&graph);
        onnx_put_tensor(&graph, "w", 4, (const int64_t[4]){4, 4, 3, 3}, 4 * 4 * 3 * 3 * 4);
        onnx_put_node(&graph, "Constant - list value_floats=1.0,2.0,3.0,4.0");
        onnx_put_integers(&graph, "shape", 3, (const int64_t[3]){4, 1, 1});
        onnx_put_node(&graph, "Reshape list,shape c");
        onnx_put_node(&graph, parameters ? "Conv x,w a pads=1,1,1,1" : "Relu x a");
        onnx_put_node(&graph, "Mul a,c y");
        ck_ok(onnx_load_graph(ctx, &graph, 13, &model));
        ck_assert_int_eq(cn_model_frozen(model, "y.weight"), parameters);
        cn_model_free(model);
    }
    cn_context_free(ctx);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("operators of ONNX");
    TCase *group = tcase_create("operators");
    tcase_add_test(group, opsets_7_to_21_are_read);
    tcase_add_loop_test(group, nodes_become_layers, 0, (int)CN__COUNT(becomes));
    tcase_add_test(group, slices_take_every_so_manieth);
    tcase_add_loop_test(group, what_no_layer_computes_is_named, 0, (int)CN__COUNT(refused));
    tcase_add_test(group, shared_parameters_are_noted);
    tcase_add_test(group, open_sides_are_noted_once);
    tcase_add_test(group, channels_last_are_turned);
    tcase_add_test(group, numbers_among_nodes_train_where_there_are_no_others);
    suite_add_tcase(suite, group);
    return test_run(suite);
}
