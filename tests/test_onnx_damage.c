/* test_onnx_damage.c: ONNX files that are cut short, changed, hostile, or ask for what no layer computes. */
#define FUZZ_REPLAY
#include "fuzz_onnx.c"
#include "onnx_files.h"
#include "scratch.h"
#include "whole_file.h"
#include "base/base.h"
#include <dirent.h>
#include <stdio.h>

TEST_RUNS_ONCE;

/* ---- files, field by field ---- */

enum { VARINT = 0, BYTES = 2 };

typedef struct writer {
    unsigned char data[1 << 15];
    size_t count;
} writer;

static void put_varint(writer *w, uint64_t value) {
    for (; value > 127; value >>= 7)
        w->data[w->count++] = (unsigned char)(value % 128 + 128);
    w->data[w->count++] = (unsigned char)value;
}

static void put_number(writer *w, int field, uint64_t value) {
    put_varint(w, (uint64_t)field << 3 | VARINT);
    put_varint(w, value);
}

static void put_bytes(writer *w, int field, const void *data, size_t count) {
    put_varint(w, (uint64_t)field << 3 | BYTES);
    put_varint(w, count);
    memcpy(w->data + w->count, data, count);
    w->count += count;
}

static void put_text(writer *w, int field, const char *text) {
    put_bytes(w, field, text, strlen(text));
}

static void put_message(writer *w, int field, const writer *message) {
    put_bytes(w, field, message->data, message->count);
}

/* ---- graphs: what the tests differ in is said by a text ---- */

/* A node "Op in,in out attribute=number …" into a graph. */
static void put_node(writer *graph, const char *text) {
    char copy[256], *rest, *word, *name;
    writer node = {.count = 0};
    snprintf(copy, sizeof copy, "%s", text);
    char *op = strtok_r(copy, " ", &rest), *inputs = strtok_r(NULL, " ", &rest), *output = strtok_r(NULL, " ", &rest);
    while ((name = strsep(&inputs, ",")))
        put_text(&node, 1, name);
    put_text(&node, 2, output);
    put_text(&node, 3, output);
    put_text(&node, 4, op);
    while ((word = strtok_r(NULL, " ", &rest))) {
        writer attribute = {.count = 0};
        char *value = strchr(word, '=');
        *value++ = '\0';
        put_text(&attribute, 1, word);
        put_number(&attribute, 20, strchr(value, ',') ? 7 : 2);
        if (!strchr(value, ','))
            put_number(&attribute, 3, (uint64_t)strtoll(value, NULL, 10));
        else
            while ((name = strsep(&value, ",")))
                put_number(&attribute, 8, (uint64_t)strtoll(name, NULL, 10));
        put_message(&node, 5, &attribute);
    }
    put_message(graph, 1, &node);
}

static void put_value(writer *graph, int field, const char *name, int dims, const int64_t *shape) {
    writer sides = {.count = 0}, tensor = {.count = 0}, type = {.count = 0}, value = {.count = 0};
    for (int i = 0; i < dims; i++) {
        writer side = {.count = 0};
        if (shape[i] > 0)
            put_number(&side, 1, (uint64_t)shape[i]);
        put_message(&sides, 1, &side);
    }
    put_number(&tensor, 1, 1); /* float */
    put_message(&tensor, 2, &sides);
    put_message(&type, 1, &tensor);
    put_text(&value, 1, name);
    put_message(&value, 2, &type);
    put_message(graph, field, &value);
}

/* Of zeros; `location`: in another file. */
static void put_tensor(writer *graph, const char *name, int dims, const int64_t *shape, size_t bytes,
                       const char *location) {
    static const unsigned char zeros[2048];
    writer tensor = {.count = 0}, place = {.count = 0};
    for (int i = 0; i < dims; i++)
        put_number(&tensor, 1, (uint64_t)shape[i]);
    put_number(&tensor, 2, 1);
    put_text(&tensor, 8, name);
    if (location) {
        put_text(&place, 1, "location");
        put_text(&place, 2, location);
        put_message(&tensor, 13, &place);
        put_number(&tensor, 14, 1);
    } else {
        put_bytes(&tensor, 9, zeros, bytes);
    }
    put_message(graph, 5, &tensor);
}

/* A list of integers. */
static void put_integers(writer *graph, const char *name, int count, const int64_t *numbers) {
    writer tensor = {.count = 0};
    put_number(&tensor, 1, (uint64_t)count);
    put_number(&tensor, 2, 7);
    for (int i = 0; i < count; i++)
        put_number(&tensor, 7, (uint64_t)numbers[i]);
    put_text(&tensor, 8, name);
    put_message(graph, 5, &tensor);
}

static void put_ends(writer *graph) {
    put_value(graph, 11, "x", 4, (const int64_t[4]){0, 4, 6, 5});
    put_value(graph, 12, "y", 4, (const int64_t[4]){0, 4, 6, 5});
}

static cn_status load_graph(cn_context *ctx, const writer *graph, int opset, cn_model **model) {
    writer file = {.count = 0}, set = {.count = 0};
    put_number(&file, 1, 8);
    put_message(&file, 7, graph);
    put_number(&set, 2, (uint64_t)opset);
    put_message(&file, 8, &set);
    return cn_model_load_memory(ctx, file.data, file.count, model);
}

static cn_status load_nodes(cn_context *ctx, int opset, const char *const *nodes, cn_model **model) {
    writer graph = {.count = 0};
    put_ends(&graph);
    put_tensor(&graph, "w", 4, (const int64_t[4]){4, 4, 3, 3}, 4 * 4 * 3 * 3 * 4, NULL);
    put_tensor(&graph, "m", 2, (const int64_t[2]){3, 2}, 3 * 2 * 4, NULL);
    put_tensor(&graph, "pixels", 3, (const int64_t[3]){4, 6, 5}, 4 * 6 * 5 * 4, NULL);
    for (; *nodes; nodes++)
        put_node(&graph, *nodes);
    return load_graph(ctx, &graph, opset, model);
}

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
    ck_fails(load_nodes(ctx, 13, refused[_i].nodes, &model), refused[_i].status, refused[_i].message);
    ck_assert_ptr_null(model);
    cn_context_free(ctx);
}
END_TEST

START_TEST(good_nodes_are_loaded) {
    static const char *const nodes[] = {"Conv x,w a pads=1,1,1,1", "Relu a y", NULL};
    cn_context *ctx = test_context(1);
    cn_model *model;
    ck_ok(load_nodes(ctx, 13, nodes, &model));
    ck_assert_str_eq(cn_model_output_name(model, 0), "y");
    cn_model_free(model);
    cn_context_free(ctx);
}
END_TEST

START_TEST(opsets_that_are_not_known_are_refused) {
    static const char *const nodes[] = {"Relu x y", NULL};
    cn_context *ctx = test_context(1);
    cn_model *model;
    ck_fails(load_nodes(ctx, 22, nodes, &model), CN_ERR_UNSUPPORTED, "opset 22, this library reads 1 to 21");
    ck_fails(load_nodes(ctx, 0, nodes, &model), CN_ERR_UNSUPPORTED, "opset 0");
    cn_context_free(ctx);
}
END_TEST

/* All that does not fit into the message is counted. */
START_TEST(the_message_has_an_end) {
    cn_context *ctx = test_context(1);
    writer graph = {.count = 0};
    cn_model *model;
    put_value(&graph, 11, "x", 4, (const int64_t[4]){1, 4, 6, 5});
    for (int i = 0; i < 40; i++) {
        char text[64], name[8];
        snprintf(name, sizeof name, "y%d", i);
        snprintf(text, sizeof text, "NonMaxSuppression x %s", name);
        put_node(&graph, text);
        put_value(&graph, 12, name, 0, NULL);
    }
    ck_fails(load_graph(ctx, &graph, 13, &model), CN_ERR_UNSUPPORTED, "40 of its nodes");
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
    writer graph = {.count = 0};
    cn_model *model;
    put_ends(&graph);
    put_tensor(&graph, "w", tensors[_i].dims, tensors[_i].shape, tensors[_i].bytes, tensors[_i].location);
    put_node(&graph, "Conv x,w y pads=1,1,1,1");
    ck_assert_int_ne(load_graph(ctx, &graph, 13, &model), CN_OK);
    ck_assert_msg(strstr(cn_last_error(), tensors[_i].message) != NULL, "%s", cn_last_error());
    cn_context_free(ctx);
}
END_TEST

/* ---- other files ---- */

static cn_status load_beside(cn_context *ctx, scratch *s, const char *location, cn_model **model) {
    writer file = {.count = 0}, graph = {.count = 0}, set = {.count = 0};
    put_ends(&graph);
    put_tensor(&graph, "w", 4, (const int64_t[4]){4, 4, 3, 3}, 0, location);
    put_node(&graph, "Conv x,w y pads=1,1,1,1");
    put_number(&file, 1, 8);
    put_message(&file, 7, &graph);
    put_number(&set, 2, 13);
    put_message(&file, 8, &set);
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
        ck_fails(load_beside(ctx, &s, outside[i], &model), CN_ERR_FORMAT, "which is not in the model's folder");
    ck_fails(load_beside(ctx, &s, "w.bin", &model), CN_ERR_IO, "w.bin");
    scratch_write(&s, "w.bin", zeros, 575);
    ck_fails(load_beside(ctx, &s, "w.bin", &model), CN_ERR_FORMAT, "ends before the numbers of tensor 'w'");
    scratch_write(&s, "w.bin", zeros, 576);
    ck_ok(load_beside(ctx, &s, "w.bin", &model));
    cn_model_free(model);
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
    writer part = {.count = 0}, tensor = {.count = 0}, file = {.count = 0};
    cn_model *model;
    put_value(&part, 11, "x", 4, (const int64_t[4]){0, 512, 1, 1});
    put_value(&part, 12, "y", 0, NULL);
    for (int i = 0; i < 4; i++)
        put_number(&tensor, 1, (uint64_t)shape[i]);
    put_number(&tensor, 2, 1);
    put_text(&tensor, 8, "w");
    put_varint(&tensor, 9 << 3 | BYTES);
    put_varint(&tensor, 1 << 20);
    put_varint(&part, 5 << 3 | BYTES);
    put_varint(&part, tensor.count + (1 << 20));
    memcpy(graph, part.data, part.count);
    memcpy(graph + part.count, tensor.data, tensor.count);
    count = part.count + tensor.count + (1 << 20);
    for (int i = 0; i < LAYERS; i++) {
        writer node = {.count = 0};
        char text[64];
        snprintf(text, sizeof text, "Conv %c%.0d,w %c%.0d", i ? 'n' : 'x', i, i < LAYERS - 1 ? 'n' : 'y',
                 i < LAYERS - 1 ? i + 1 : 0);
        put_node(&node, text);
        memcpy(graph + count, node.data, node.count);
        count += node.count;
    }
    put_number(&file, 1, 8);
    put_varint(&file, 8 << 3 | BYTES);
    put_varint(&file, 2);
    put_number(&file, 2, 13);
    put_varint(&file, 7 << 3 | BYTES);
    put_varint(&file, count);
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
    writer graph = {.count = 0}, text = {.count = 0};
    cn_model *model;
    put_value(&graph, 11, "x", 2, (const int64_t[2]){0, 1 << 24});
    put_value(&graph, 12, "y", 0, NULL);
    put_tensor(&graph, "outside", 2, many, 0, "numbers.bin");
    put_number(&text, 1, 1 << 30);
    put_number(&text, 2, 8); /* strings */
    put_text(&text, 8, "texts");
    put_message(&graph, 5, &text);
    put_tensor(&graph, "scale", 1, one, 4, NULL);
    put_node(&graph, "GroupNormalization x,scale,scale b");
    put_node(&graph, "GroupNormalization b,scale,scale y");
    ck_fails(load_graph(ctx, &graph, 20, &model), CN_ERR_UNSUPPORTED, "its parameters are shared by too many layers");
    cn_context_free(ctx);
}
END_TEST

/* The largest of 4096 equal inputs is made of four layers for each. */
START_TEST(a_small_file_cannot_ask_for_many_layers) {
    enum { INPUTS = 4096 };
    cn_context *ctx = test_context(1);
    writer graph = {.count = 0}, node = {.count = 0};
    cn_model *model;
    put_ends(&graph);
    put_node(&graph, "Relu x a");
    for (int i = 0; i < INPUTS; i++)
        put_text(&node, 1, "a");
    put_text(&node, 2, "b");
    put_text(&node, 4, "Max");
    put_message(&graph, 1, &node);
    put_node(&graph, "Max b,a,a,a,a y");
    ck_fails(load_graph(ctx, &graph, 13, &model), CN_ERR_UNSUPPORTED, "it makes more than 16384 layers");
    cn_context_free(ctx);
}
END_TEST

/* Attributes are looked through once for each node that reads what theirs makes. */
START_TEST(attributes_are_bounded) {
    cn_context *ctx = test_context(1);
    cn_model *model;
    for (int count = 1000; count <= 1100; count += 100) {
        writer graph = {.count = 0}, node = {.count = 0}, attribute = {.count = 0};
        put_ends(&graph);
        put_text(&node, 1, "x");
        put_text(&node, 2, "y");
        put_text(&node, 4, "Relu");
        put_text(&attribute, 1, "list");
        for (int i = 0; i < count; i++)
            put_number(&attribute, 8, 1);
        put_message(&node, 5, &attribute);
        put_message(&graph, 1, &node);
        if (count == 1000) {
            ck_ok(load_graph(ctx, &graph, 13, &model));
            cn_model_free(model);
        } else {
            ck_fails(load_graph(ctx, &graph, 13, &model), CN_ERR_UNSUPPORTED,
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
    writer graph = {.count = 0};
    cn_model *model;
    put_ends(&graph);
    put_integers(&graph, "shape", 2, (const int64_t[2]){0, 4000});
    put_integers(&graph, "last", 1, (const int64_t[1]){-9});
    put_integers(&graph, "first", 1, (const int64_t[1]){-9});
    put_integers(&graph, "axis", 1, (const int64_t[1]){0});
    put_integers(&graph, "back", 1, (const int64_t[1]){-1});
    for (size_t i = 0; i < CN__COUNT(nodes); i++)
        put_node(&graph, nodes[i]);
    ck_fails(load_graph(ctx, &graph, 13, &model), CN_ERR_UNSUPPORTED, "its shape has 0 dimensions");
    cn_context_free(ctx);
}
END_TEST

/* ---- damage ---- */

static const char *const damaged[] = {"opset_21", "shuffle_any", "two"};

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
    size_t bytes, step = test_quick() ? 97 : 3;
    ck_ok(load_file(ctx, onnx_path(damaged[_i]), &data, &bytes));
    for (size_t bit = 0; bit < 8 * bytes; bit += step) {
        data[bit / 8] ^= (unsigned char)(1 << bit % 8);
        LLVMFuzzerTestOneInput(data, bytes);
        data[bit / 8] ^= (unsigned char)(1 << bit % 8);
    }
    cn__free(ctx, data);
    cn_context_free(ctx);
}
END_TEST

START_TEST(the_corpus_does_no_harm) {
    static const char corpus[] = "tests/corpus/onnx";
    cn_context *ctx = test_context(1);
    DIR *directory = opendir(corpus);
    ck_assert_ptr_nonnull(directory);
    int files = 0;
    for (struct dirent *entry; (entry = readdir(directory));) {
        char path[512];
        unsigned char *data;
        size_t bytes;
        if (entry->d_name[0] == '.')
            continue;
        snprintf(path, sizeof path, "%s/%s", corpus, entry->d_name);
        ck_ok(load_file(ctx, path, &data, &bytes));
        LLVMFuzzerTestOneInput(data, bytes);
        cn__free(ctx, data);
        files++;
    }
    closedir(directory);
    ck_assert_int_gt(files, 0);
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
    tcase_add_test(group, a_small_file_cannot_ask_for_much_memory);
    tcase_add_test(group, tensors_without_numbers_allow_nothing);
    tcase_add_test(group, a_small_file_cannot_ask_for_many_layers);
    tcase_add_test(group, attributes_are_bounded);
    tcase_add_test(group, nothing_is_taken_from_nothing);
    tcase_add_loop_test(group, files_that_are_cut_short_are_refused, 0, (int)CN__COUNT(damaged));
    tcase_add_loop_test(group, files_with_a_changed_bit_do_no_harm, 0, (int)CN__COUNT(damaged));
    tcase_add_test(group, the_corpus_does_no_harm);
    tcase_add_test(group, each_allocation_may_fail);
    suite_add_tcase(suite, group);
    return test_run(suite);
}
