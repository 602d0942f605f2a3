/* SPDX-License-Identifier: MIT */
/* test_onnx_damage.c: ONNX files that are cut short, changed, hostile, or ask for what no layer computes. */
#define FUZZ_REPLAY
#include "fuzzing.h"
#include "onnx_files.h"
#include "onnx_writer.h"
#include "scratch.h"
#include "whole_file.h"
#include "base/base.h"
#include <stdio.h>
#include <unistd.h>

TEST_RUNS_ONCE;

/* ---- what is refused ---- */

static const struct {
    const char *nodes[6];
    cn_status status;
    const char *message;
} refused[] = {
    {{"Conv x,w y group=2"}, CN_ERR_FORMAT, "Conv 'y': Conv2d"},
    {{"Conv x,w y strides=0,1"}, CN_ERR_FORMAT, "its strides have 0"},
    {{"Conv x,w y strides=1,1,1"}, CN_ERR_FORMAT, "its strides are 3 numbers, wanted 2"},
    {{"Conv x,w y pads=1,1,-1,1"}, CN_ERR_FORMAT, "its pads have 1 and -1"},
    {{"Conv x,w y kernel_shape=99,1 dilations=9999999,1"}, CN_ERR_FORMAT, "Conv 'y'"},
    {{"Conv x,m y"}, CN_ERR_FORMAT, "its weights have 2 dimensions, its input 4"},
    {{"Conv x,x y"}, CN_ERR_UNSUPPORTED, "its weights are computed, not constants"},
    {{"Conv x y"}, CN_ERR_UNSUPPORTED, "its weights are computed"},
    {{"MatMul x,m y"}, CN_ERR_UNSUPPORTED, "a product over other values than the channels"},
    {{"Gemm x,m y"}, CN_ERR_FORMAT, "its input has 4 dimensions, wanted 2"},
    {{"Add x,pixels y"}, CN_ERR_UNSUPPORTED, "its constant has other numbers for each pixel"},
    {{"Transpose x y perm=0,1,2,2"}, CN_ERR_FORMAT, "its perm is no order of 4 dimensions"},
    {{"Transpose x y perm=0,1,3,2"}, CN_ERR_UNSUPPORTED, "its output 'y': it wants values in an order"},
    {{"Softmax x y axis=9"}, CN_ERR_FORMAT, "its axis 9 is none of 4"},
    {{"Softmax x y axis=2"}, CN_ERR_UNSUPPORTED, "over other values than the channels"},
    {{"Split x y axis=0"}, CN_ERR_UNSUPPORTED, "it is over images"},
    {{"Flatten x y axis=0"}, CN_ERR_UNSUPPORTED, "it joins images (axis 0)"},
    {{"Relu a b", "Relu b y"}, CN_ERR_FORMAT, "Relu 'b' reads 'a', which nothing before it makes"},
    {{"Relu y b", "Relu b y"}, CN_ERR_FORMAT, "the nodes go round in a circle"},
    {{"Relu y y"}, CN_ERR_FORMAT, "round in a circle"},
    {{"Relu x x", "Relu x y"}, CN_ERR_FORMAT, "'x' is made twice"},
    {{"Relu x z"}, CN_ERR_FORMAT, "nothing makes its output 'y'"},
    {{"Identity w y"}, CN_ERR_UNSUPPORTED, "its outputs depend on no input"},
    {{"Relu x a", "Identity w y"}, CN_ERR_UNSUPPORTED, "its outputs depend on no input"},
    {{"Einsum x y"}, CN_ERR_UNSUPPORTED, "1 of its nodes cannot be layers: Einsum 'y': no such operator"},
    {{"InstanceNormalization x y"}, CN_ERR_UNSUPPORTED, "its parameters are computed, not constants"},
    {{"Einsum x a", "Relu a b", "Softmax x c axis=3", "Loop b,c d", "Add d,b y"},
     CN_ERR_UNSUPPORTED,
     "3 of its nodes cannot be layers: Einsum 'a': no such operator; Softmax 'c': it is over other values than the "
     "channels; Loop 'd': no such operator"},
};

START_TEST(what_is_wrong_is_named) {
    cn_context *ctx = test_context(1);
    cn_model *model;
    ck_fails(onnx_load_nodes(ctx, 13, refused[_i].nodes, &model), refused[_i].status, refused[_i].message);
    ck_assert_ptr_null(model);
    cn_context_free(ctx);
}
END_TEST

START_TEST(good_nodes_are_loaded) {
    static const char *const nodes[] = {"Conv x,w a pads=1,1,1,1", "Relu a y", NULL};
    cn_context *ctx = test_context(1);
    cn_model *model;
    ck_ok(onnx_load_nodes(ctx, 13, nodes, &model));
    ck_assert_str_eq(cn_model_output_name(model, 0), "y");
    cn_model_free(model);
    cn_context_free(ctx);
}
END_TEST

START_TEST(opsets_that_are_not_known_are_refused) {
    static const char *const nodes[] = {"Relu x y", NULL};
    cn_context *ctx = test_context(1);
    cn_model *model;
    ck_fails(onnx_load_nodes(ctx, 22, nodes, &model), CN_ERR_UNSUPPORTED, "opset 22, this library reads 1 to 21");
    ck_fails(onnx_load_nodes(ctx, 0, nodes, &model), CN_ERR_UNSUPPORTED, "opset 0");
    cn_context_free(ctx);
}
END_TEST

/* All that does not fit into the message is counted. */
START_TEST(the_message_has_an_end) {
    cn_context *ctx = test_context(1);
    onnx_writer graph = {.count = 0};
    cn_model *model;
    onnx_put_value(&graph, 11, "x", 4, (const int64_t[4]){1, 4, 6, 5});
    for (int i = 0; i < 40; i++) {
        char text[64], name[8];
        snprintf(name, sizeof name, "y%d", i);
        snprintf(text, sizeof text, "NonMaxSuppression x %s", name);
        onnx_put_node(&graph, text);
        onnx_put_value(&graph, 12, name, 0, NULL);
    }
    ck_fails(onnx_load_graph(ctx, &graph, 13, &model), CN_ERR_UNSUPPORTED, "40 of its nodes");
    ck_assert_ptr_nonnull(strstr(cn_last_error(), "NonMaxSuppression 'y0': no such operator; NonMaxSuppression 'y1'"));
    ck_assert_ptr_nonnull(strstr(cn_last_error(), " more"));
    cn_context_free(ctx);
}
END_TEST

/* ---- tensors that lie ---- */

static const struct {
    int dims;
    int64_t shape[9];
    size_t bytes;
    const char *location, *message;
} tensors[] = {
    {4, {4, 4, 3, 3}, 575, NULL, "tensor 'w' has not the 144 elements that its shape says"},
    {4, {4, 4, 3, 3}, 0, NULL, "has not the 144 elements"},
    {4, {1 << 20, 1 << 20, 1, 1}, 64, NULL, "tensor 'w' has more than 2147483647 elements"},
    {4, {-1, 4, 3, 3}, 64, NULL, "has more than 2147483647 elements"},
    {9, {1, 1, 1, 1, 1, 1, 1, 1, 1}, 4, NULL, "more than 8 dimensions"},
    {4, {4, 4, 3, 3}, 0, "numbers.bin", "which is not in the model's folder"},
    {4, {4, 4, 3, 3}, 0, "", "tensor 'w' is in '', which is not in the model's folder"},
};

START_TEST(tensors_that_lie_are_refused) {
    cn_context *ctx = test_context(1);
    onnx_writer graph = {.count = 0};
    cn_model *model;
    onnx_put_ends(&graph);
    if (tensors[_i].location)
        onnx_put_outside(&graph, "w", tensors[_i].dims, tensors[_i].shape, tensors[_i].location, NULL, NULL);
    else
        onnx_put_tensor(&graph, "w", tensors[_i].dims, tensors[_i].shape, tensors[_i].bytes);
    onnx_put_node(&graph, "Conv x,w y pads=1,1,1,1");
    ck_assert_int_ne(onnx_load_graph(ctx, &graph, 13, &model), CN_OK);
    ck_assert_msg(strstr(cn_last_error(), tensors[_i].message) != NULL, "%s", cn_last_error());
    cn_context_free(ctx);
}
END_TEST

/* ---- other files ---- */

/* A model whose weights, 576 bytes, are in another file. */
static cn_status load_beside(cn_context *ctx, scratch *s, const char *location, const char *offset, const char *length,
                             cn_model **model) {
    onnx_writer file, graph = {.count = 0};
    onnx_put_ends(&graph);
    onnx_put_outside(&graph, "w", 4, (const int64_t[4]){4, 4, 3, 3}, location, offset, length);
    onnx_put_node(&graph, "Conv x,w y pads=1,1,1,1");
    onnx_put_file(&file, &graph, 13);
    scratch_write(s, "model.onnx", file.data, file.count);
    return cn_model_load(ctx, scratch_path(s, "model.onnx"), model);
}

START_TEST(numbers_outside_are_read_from_the_folder_alone) {
    static const char *const outside[] = {"/etc/passwd", "../w.bin", "a/../../w.bin", "..", "a\\..\\w.bin"};
    static const unsigned char zeros[576];
    cn_context *ctx = test_context(1);
    scratch s = scratch_new();
    cn_model *model;
    for (size_t i = 0; i < CN__COUNT(outside); i++)
        ck_fails(load_beside(ctx, &s, outside[i], NULL, NULL, &model), CN_ERR_FORMAT,
                 "which is not in the model's folder");
    ck_fails(load_beside(ctx, &s, "w.bin", NULL, NULL, &model), CN_ERR_IO, "w.bin");
    scratch_write(&s, "w.bin", zeros, 576);
    ck_ok(load_beside(ctx, &s, "w.bin", NULL, NULL, &model));
    cn_model_free(model);
    scratch_free(&s);
    cn_context_free(ctx);
}
END_TEST

/* Places of 576 bytes in a file of 600. */
static const struct {
    const char *offset, *length, *message;
} places[] = {
    {"24", "576", NULL},
    {"0", NULL, NULL},
    {"25", "576", "ends before the numbers of tensor 'w'"},
    {"25", NULL, "ends before the numbers"},
    {"601", NULL, "ends before the numbers"},
    {"18446744073709551615", "576", "tensor 'w' is damaged"},
    {"0", "575", "is to be 575 bytes of"},
    {"0", "18446744073709551615", "tensor 'w' is damaged"},
    {"-1", NULL, "tensor 'w'"},
    {"1e9", NULL, "tensor 'w'"},
    {"99999999999999999999", NULL, "tensor 'w'"},
};

START_TEST(numbers_outside_are_where_the_file_has_bytes) {
    static const unsigned char zeros[600];
    cn_context *ctx = test_context(1);
    scratch s = scratch_new();
    cn_model *model;
    scratch_write(&s, "w.bin", zeros, sizeof zeros);
    cn_status status = load_beside(ctx, &s, "w.bin", places[_i].offset, places[_i].length, &model);
    if (places[_i].message)
        ck_fails(status, CN_ERR_FORMAT, places[_i].message);
    else
        ck_ok(status);
    cn_model_free(model);
    scratch_free(&s);
    cn_context_free(ctx);
}
END_TEST

/* Into another folder; but not where the model itself is such a link, into the same. */
START_TEST(links_are_followed_within_the_folder_alone) {
    static const unsigned char zeros[576];
    cn_context *ctx = test_context(1);
    scratch s = scratch_new(), cache = scratch_new();
    cn_model *model;
    scratch_write(&cache, "w.bin", zeros, sizeof zeros);
    scratch_write(&s, "own.bin", zeros, sizeof zeros);
    ck_assert_int_eq(symlink("own.bin", scratch_path(&s, "link.bin")), 0);
    ck_ok(load_beside(ctx, &s, "link.bin", NULL, NULL, &model));
    cn_model_free(model);
    ck_assert_int_eq(symlink(scratch_path(&cache, "w.bin"), scratch_path(&s, "w.bin")), 0);
    ck_fails(load_beside(ctx, &s, "w.bin", NULL, NULL, &model), CN_ERR_FORMAT, "which is not in the model's folder");
    ck_assert_int_eq(symlink(cache.path, scratch_path(&s, "folder")), 0);
    ck_fails(load_beside(ctx, &s, "folder/w.bin", NULL, NULL, &model), CN_ERR_FORMAT, "not in the model's folder");
    ck_assert_int_eq(rename(scratch_path(&s, "model.onnx"), scratch_path(&cache, "model.onnx")), 0);
    ck_assert_int_eq(symlink(scratch_path(&cache, "model.onnx"), scratch_path(&s, "model.onnx")), 0);
    ck_ok(cn_model_load(ctx, scratch_path(&s, "model.onnx"), &model));
    cn_model_free(model);
    scratch_free(&s);
    scratch_free(&cache);
    cn_context_free(ctx);
}
END_TEST

/* Nothing of it is read. */
START_TEST(files_beyond_2_gib_are_refused) {
    static const unsigned char begin[16] = {8, 8, 58, 0};
    cn_context *ctx = test_context(1);
    scratch s = scratch_new();
    cn_model *model;
    scratch_write(&s, "large.onnx", begin, sizeof begin);
    if (truncate(scratch_path(&s, "large.onnx"), (off_t)1 << 31) == 0)
        ck_fails(cn_model_load(ctx, scratch_path(&s, "large.onnx"), &model), CN_ERR_UNSUPPORTED,
                 "is larger than the 2 GiB of an ONNX file");
    ck_fails(cn_model_load_memory(ctx, begin, (size_t)1 << 31, &model), CN_ERR_UNSUPPORTED, "at most 2 GiB");
    scratch_free(&s);
    cn_context_free(ctx);
}
END_TEST

/* Layers that all read one tensor would each have a copy. */
START_TEST(a_small_file_cannot_ask_for_much_memory) {
    cn_context *ctx = test_context(1);
    static unsigned char data[1 << 22];
    static const int64_t shape[4] = {512, 512, 1, 1};
    enum { LAYERS = 128 };
    unsigned char *graph = calloc(1, 1 << 21);
    size_t count = 0;
    onnx_writer part = {.count = 0}, tensor = {.count = 0}, file = {.count = 0};
    cn_model *model;
    onnx_put_value(&part, 11, "x", 4, (const int64_t[4]){0, 512, 1, 1});
    onnx_put_value(&part, 12, "y", 0, NULL);
    for (int i = 0; i < 4; i++)
        onnx_put_number(&tensor, 1, (uint64_t)shape[i]);
    onnx_put_number(&tensor, 2, 1);
    onnx_put_text(&tensor, 8, "w");
    onnx_put_varint(&tensor, 9 << 3 | ONNX_BYTES);
    onnx_put_varint(&tensor, 1 << 20);
    onnx_put_varint(&part, 5 << 3 | ONNX_BYTES);
    onnx_put_varint(&part, tensor.count + (1 << 20));
    memcpy(graph, part.data, part.count);
    memcpy(graph + part.count, tensor.data, tensor.count);
    count = part.count + tensor.count + (1 << 20);
    for (int i = 0; i < LAYERS; i++) {
        onnx_writer node = {.count = 0};
        char text[64];
        snprintf(text, sizeof text, "Conv %c%.0d,w %c%.0d", i ? 'n' : 'x', i, i < LAYERS - 1 ? 'n' : 'y',
                 i < LAYERS - 1 ? i + 1 : 0);
        onnx_put_node(&node, text);
        memcpy(graph + count, node.data, node.count);
        count += node.count;
    }
    onnx_put_number(&file, 1, 8);
    onnx_put_varint(&file, 8 << 3 | ONNX_BYTES);
    onnx_put_varint(&file, 2);
    onnx_put_number(&file, 2, 13);
    onnx_put_varint(&file, 7 << 3 | ONNX_BYTES);
    onnx_put_varint(&file, count);
    memcpy(data, file.data, file.count);
    memcpy(data + file.count, graph, count);
    ck_fails(cn_model_load_memory(ctx, data, file.count + count, &model), CN_ERR_UNSUPPORTED,
             "its parameters are shared by too many layers");
    free(graph);
    cn_context_free(ctx);
}
END_TEST

/* Shapes and types alone are no numbers by which others are measured. */
START_TEST(tensors_without_numbers_allow_nothing) {
    static const int64_t many[2] = {1 << 15, 1 << 15}, one[1] = {1};
    cn_context *ctx = test_context(1);
    onnx_writer graph = {.count = 0}, text = {.count = 0};
    cn_model *model;
    onnx_put_value(&graph, 11, "x", 2, (const int64_t[2]){0, 1 << 24});
    onnx_put_value(&graph, 12, "y", 0, NULL);
    onnx_put_outside(&graph, "outside", 2, many, "numbers.bin", NULL, NULL);
    onnx_put_number(&text, 1, 1 << 30);
    onnx_put_number(&text, 2, 8); /* strings */
    onnx_put_text(&text, 8, "texts");
    onnx_put_message(&graph, 5, &text);
    onnx_put_tensor(&graph, "scale", 1, one, 4);
    onnx_put_node(&graph, "GroupNormalization x,scale,scale b");
    onnx_put_node(&graph, "GroupNormalization b,scale,scale y");
    ck_fails(onnx_load_graph(ctx, &graph, 20, &model), CN_ERR_UNSUPPORTED,
             "its parameters are shared by too many layers");
    cn_context_free(ctx);
}
END_TEST

/* The largest of 4096 equal inputs is made of four layers for each. */
START_TEST(a_small_file_cannot_ask_for_many_layers) {
    enum { INPUTS = 4096 };
    cn_context *ctx = test_context(1);
    onnx_writer graph = {.count = 0}, node = {.count = 0};
    cn_model *model;
    onnx_put_ends(&graph);
    onnx_put_node(&graph, "Relu x a");
    for (int i = 0; i < INPUTS; i++)
        onnx_put_text(&node, 1, "a");
    onnx_put_text(&node, 2, "b");
    onnx_put_text(&node, 4, "Max");
    onnx_put_message(&graph, 1, &node);
    onnx_put_node(&graph, "Max b,a,a,a,a y");
    ck_fails(onnx_load_graph(ctx, &graph, 13, &model), CN_ERR_UNSUPPORTED, "it makes more than 16384 layers");
    cn_context_free(ctx);
}
END_TEST

/* Attributes are looked through once for each node that reads what theirs makes. */
START_TEST(attributes_are_bounded) {
    cn_context *ctx = test_context(1);
    cn_model *model;
    for (int count = 1000; count <= 1100; count += 100) {
        onnx_writer graph = {.count = 0}, node = {.count = 0}, attribute = {.count = 0};
        onnx_put_ends(&graph);
        onnx_put_text(&node, 1, "x");
        onnx_put_text(&node, 2, "y");
        onnx_put_text(&node, 4, "Relu");
        onnx_put_text(&attribute, 1, "list");
        for (int i = 0; i < count; i++)
            onnx_put_number(&attribute, 8, 1);
        onnx_put_message(&node, 5, &attribute);
        onnx_put_message(&graph, 1, &node);
        if (count == 1000) {
            ck_ok(onnx_load_graph(ctx, &graph, 13, &model));
            cn_model_free(model);
        } else {
            ck_fails(onnx_load_graph(ctx, &graph, 13, &model), CN_ERR_UNSUPPORTED,
                     "has more than 1024 fields of attributes");
        }
    }
    cn_context_free(ctx);
}
END_TEST

/* Backwards through a dimension of no elements, beside one of many. */
START_TEST(nothing_is_taken_from_nothing) {
    static const char *const nodes[] = {"ConstantOfShape shape none", "Slice none,last,first,axis,back some",
                                        "ReduceMax x a axes=2,3 keepdims=1", "Reshape a,some y"};
    cn_context *ctx = test_context(1);
    onnx_writer graph = {.count = 0};
    cn_model *model;
    onnx_put_ends(&graph);
    onnx_put_integers(&graph, "shape", 2, (const int64_t[2]){0, 4000});
    onnx_put_integers(&graph, "last", 1, (const int64_t[1]){-9});
    onnx_put_integers(&graph, "first", 1, (const int64_t[1]){-9});
    onnx_put_integers(&graph, "axis", 1, (const int64_t[1]){0});
    onnx_put_integers(&graph, "back", 1, (const int64_t[1]){-1});
    for (size_t i = 0; i < CN__COUNT(nodes); i++)
        onnx_put_node(&graph, nodes[i]);
    ck_fails(onnx_load_graph(ctx, &graph, 13, &model), CN_ERR_UNSUPPORTED, "its shape has 0 dimensions");
    cn_context_free(ctx);
}
END_TEST

/* ---- damage ---- */

static const char *const damaged[] = {"opset_21", "shuffle_any", "two", "squeezed"};

START_TEST(files_that_are_cut_short_are_refused) {
    cn_context *ctx = test_context(1);
    unsigned char *data;
    size_t bytes;
    cn_model *model;
    ck_ok(load_file(ctx, onnx_path(damaged[_i]), &data, &bytes));
    for (size_t count = 2; count < bytes; count++) {
        unsigned char *cut = malloc(count); /* so that a byte too many is noticed */
        ck_assert_ptr_nonnull(cut);
        memcpy(cut, data, count);
        ck_assert_msg(cn_model_load_memory(ctx, cut, count, &model) != CN_OK, "%zu bytes of %zu", count, bytes);
        ck_assert_ptr_null(model);
        free(cut);
    }
    cn__free(ctx, data);
    cn_context_free(ctx);
}
END_TEST

START_TEST(files_with_a_changed_bit_do_no_harm) {
    cn_context *ctx = test_context(1);
    unsigned char *data;
    size_t bytes, step = test_quick() ? 97 : 5;
    ck_ok(load_file(ctx, onnx_path(damaged[_i]), &data, &bytes));
    for (size_t bit = 0; bit < 8 * bytes; bit += step) {
        data[bit / 8] ^= (unsigned char)(1 << bit % 8);
        fuzz_onnx(data, bytes);
        data[bit / 8] ^= (unsigned char)(1 << bit % 8);
    }
    cn__free(ctx, data);
    cn_context_free(ctx);
}
END_TEST

/* ---- memory ---- */

START_TEST(each_allocation_may_fail) {
    counting_allocator counter = {0};
    cn_context *ctx = counting_context(&counter, 1);
    cn_status status = CN_ERR_MEMORY;
    cn_model *model;
    for (long fail_at = 1; status != CN_OK; fail_at++) {
        long live = counter.live;
        counter.calls = 0;
        counter.fail_at = fail_at;
        status = cn_model_load(ctx, onnx_path("convnext_12"), &model);
        counter.fail_at = 0;
        ck_assert_msg(status == CN_OK || status == CN_ERR_MEMORY, "%ld: %s", fail_at, cn_last_error());
        if (status == CN_OK)
            cn_model_free(model);
        ck_assert_int_eq(counter.live, live);
    }
    cn_context_free(ctx);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("damaged ONNX files");
    TCase *group = tcase_create("files");
    tcase_add_loop_test(group, what_is_wrong_is_named, 0, (int)CN__COUNT(refused));
    tcase_add_test(group, good_nodes_are_loaded);
    tcase_add_test(group, opsets_that_are_not_known_are_refused);
    tcase_add_test(group, the_message_has_an_end);
    tcase_add_loop_test(group, tensors_that_lie_are_refused, 0, (int)CN__COUNT(tensors));
    tcase_add_test(group, numbers_outside_are_read_from_the_folder_alone);
    tcase_add_loop_test(group, numbers_outside_are_where_the_file_has_bytes, 0, (int)CN__COUNT(places));
    tcase_add_test(group, links_are_followed_within_the_folder_alone);
    tcase_add_test(group, files_beyond_2_gib_are_refused);
    tcase_add_test(group, a_small_file_cannot_ask_for_much_memory);
    tcase_add_test(group, tensors_without_numbers_allow_nothing);
    tcase_add_test(group, a_small_file_cannot_ask_for_many_layers);
    tcase_add_test(group, attributes_are_bounded);
    tcase_add_test(group, nothing_is_taken_from_nothing);
    tcase_add_loop_test(group, files_that_are_cut_short_are_refused, 0, (int)CN__COUNT(damaged));
    tcase_add_loop_test(group, files_with_a_changed_bit_do_no_harm, 0, (int)CN__COUNT(damaged));
    tcase_add_test(group, each_allocation_may_fail);
    suite_add_tcase(suite, group);
    return test_run(suite);
}
