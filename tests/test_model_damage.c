/* SPDX-License-Identifier: MIT */
/* test_model_damage.c: model files that are cut short, damaged, hostile or of another version: refused, or harmless. */
#include "model_files.h"
#include "io/io.h"
#include <stdio.h>
#include <stdlib.h>
#include <zlib.h> /* crc32 */

TEST_RUNS_ONCE;

static size_t header_bytes(file_bytes file) {
    return file.data[0] + 256u * file.data[1] + 65536u * file.data[2];
}

START_TEST(every_truncation_is_noticed) {
    cn_model *model = tiny_model(files.ctx), *loaded;
    file_bytes file = saved_file(model);
    for (size_t count = 0; count < file.count; count++) {
        unsigned char *part = malloc(count + !count); /* of that size, for tools that watch */
        ck_assert_ptr_nonnull(part);
        memcpy(part, file.data, count);
        ck_fails(cn_model_load_memory(files.ctx, part, count, &loaded), CN_ERR_FORMAT,
                 count < 8 + header_bytes(file) ? "'(memory)': " : "the file is cut short");
        ck_assert_ptr_null(loaded);
        free(part);
    }
    ck_ok(cn_model_load_memory(files.ctx, file.data, file.count, &loaded));
    cn_model_free(loaded);
    cn__free(files.ctx, file.data);
    cn_model_free(model);
}
END_TEST

START_TEST(every_damaged_byte_of_data_is_noticed) {
    cn_model *model = tiny_model(files.ctx), *loaded;
    file_bytes file = saved_file(model);
    for (size_t i = 8 + header_bytes(file); i < file.count; i++) {
        file.data[i] ^= 0x10;
        ck_fails(cn_model_load_memory(files.ctx, file.data, file.count, &loaded), CN_ERR_FORMAT, "damaged");
        file.data[i] ^= 0x10;
    }
    cn__free(files.ctx, file.data);
    cn_model_free(model);
}
END_TEST

/* A file of the model has the bytes of the one that it came from. */
static void expect_same_file(const cn_model *model, file_bytes whole, size_t at, int bit) {
    cn_tensor *file;
    ck_ok(cn_model_save_memory(model, &file));
    ck_assert_msg((size_t)cn_tensor_count(file) == whole.count &&
                      memcmp(cn_tensor_data(file), whole.data, whole.count) == 0,
                  "byte %zu, bit %d: another model, and nobody noticed", at, bit);
    cn_tensor_free(file);
}

/* Changes are noticed, but for those that mean nothing (a key that nobody asks for): the model is the very same. */
START_TEST(every_damaged_bit_of_the_header_is_noticed_or_means_nothing) {
    cn_model *model = tiny_model(files.ctx), *loaded;
    file_bytes file = saved_file(model), whole = saved_file(model);
    size_t end = 8 + header_bytes(file), refused = 0, step = test_quick() ? 7 : 1;
    for (size_t i = 0; i < end; i += step)
        for (int bit = 0; bit < 8; bit++) {
            file.data[i] ^= (unsigned char)(1 << bit);
            cn_status status = cn_model_load_memory(files.ctx, file.data, file.count, &loaded);
            ck_assert(status == CN_OK || status == CN_ERR_FORMAT);
            if (status == CN_OK)
                expect_same_file(loaded, whole, i, bit);
            else
                refused++;
            cn_model_free(loaded);
            file.data[i] ^= (unsigned char)(1 << bit);
        }
    cn__free(files.ctx, whole.data);
    ck_assert_uint_gt(refused, (end / step) * 8 * 9 / 10);
    cn__free(files.ctx, file.data);
    cn_model_free(model);
}
END_TEST

/* ---- architectures by hand ---- */

/* Loads a file without tensors, whose architecture is this. */
static cn_status load_architecture(const char *version, const char *architecture, cn_model **model) {
    char crc[9];
    snprintf(crc, sizeof crc, "%08lx",
             (unsigned long)crc32(0, (const Bytef *)architecture, (uInt)strlen(architecture)));
    const cn__metadata metadata[] = {
        {"convnet.version", version}, {"convnet.model", architecture}, {"convnet.crc32", crc}};
    ck_ok(write_tensors(files.ctx, files.path, NULL, 0, metadata, 3, "", 0));
    return cn_model_load(files.ctx, files.path, model);
}

#define RELU          "{\"name\":\"r\",\"type\":\"ReLU\",\"inputs\":[\"input\"]}"
#define MORE(options) "{\"name\":\"m\",\"type\":\"Input\",\"options\":{" options "}}"
#define READER(input) "{\"name\":\"o\",\"type\":\"ReLU\",\"inputs\":[\"" input "\"]}"
#define INPUT         "{\"input\":[1,2,2],\"layers\":"
#define CONV(options) INPUT "[{\"name\":\"c\",\"type\":\"Conv2d\",\"inputs\":[\"input\"],\"options\":{" options "}}]}"

static const struct {
    const char *architecture, *message;
} hostile[] = {
    {"", "architecture is not JSON"},
    {"[", "architecture is not JSON"},
    {"[]", "input is not three numbers"},
    {"{}", "input is not three numbers"},
    {"{\"input\":[1,2]}", "input is not three numbers"},
    {"{\"input\":[1,2,2.5]}", "input is not three numbers"},
    {"{\"input\":[1,2,4294967297]}", "input is not three numbers"},
    {"{\"input\":[0,2,2]}", "channels is 0"},
    {"{\"input\":[1,2,-1]}", "width is -1"},
    {"{\"input\":[16777216,16777216,16777216]}", "more than"},
    {"{\"input\":[1,2,2]}", "has 0 layers"},
    {INPUT "[]}", "has 0 layers"},
    {INPUT "{}}", "has 0 layers"},
    {INPUT "[1]}", "a layer has no name"},
    {INPUT "[{\"name\":1}]}", "a layer has no name"},
    {INPUT "[{\"name\":\"r\"}]}", "the inputs of layer 'r' are not a list of texts"},
    {INPUT "[{\"name\":\"r\",\"inputs\":[]}]}", "the inputs of layer 'r' are not a list of texts"},
    {INPUT "[{\"name\":\"r\",\"inputs\":[1]}]}", "the inputs of layer 'r' are not a list of texts"},
    {INPUT "[{\"name\":\"r\",\"inputs\":[\"input\"]}]}", "is of type ''"},
    {INPUT "[{\"name\":\"r\",\"inputs\":[\"input\"],\"type\":\"Magic\"}]}",
     "is of type 'Magic', which is neither one of this version's"},
    {INPUT "[{\"name\":\"r\",\"inputs\":[\"r\"],\"type\":\"ReLU\"}]}", "reads 'r', which the model does not have"},
    {INPUT "[{\"name\":\"\",\"inputs\":[\"input\"],\"type\":\"ReLU\"}]}", "name has 0 bytes"},
    {INPUT "[{\"name\":\"\\n\",\"inputs\":[\"input\"],\"type\":\"ReLU\"}]}", "control character"},
    {INPUT "[{\"name\":\"input\",\"inputs\":[\"input\"],\"type\":\"ReLU\"}]}", "already has"},
    {INPUT "[" RELU "," RELU "]}", "already has a layer 'r'"},
    {INPUT "[" RELU ",{\"name\":\"s\",\"type\":\"ReLU\",\"inputs\":[\"input\"]}]}", "nothing reads layer 'r'"},
    {INPUT "[{\"name\":\"r\",\"inputs\":[\"input\",\"input\"],\"type\":\"ReLU\"}]}", "reads 2 inputs"},
    {INPUT "[{\"name\":\"a\",\"inputs\":[\"input\"],\"type\":\"Add\"}]}", "reads 1 inputs"},
    {INPUT "[{\"name\":\"r\",\"inputs\":[\"input\"],\"type\":\"ReLU\",\"options\":{\"speed\":1}}]}",
     "layer 'r': option 'speed' is not known"},
    {CONV(""), "channels"},
    {CONV("\"in_channels\":true"), "option 'in_channels' has a value of another kind"},
    {CONV("\"in_channels\":99999999999"), "option 'in_channels' has a value of another kind"},
    {CONV("\"padding_mode\":\"mirror\""), "option 'padding_mode' has a value of another kind"},
    {CONV("\"padding_mode\":0"), "option 'padding_mode' has a value of another kind"},
    {INPUT "[{\"name\":\"d\",\"inputs\":[\"input\"],\"type\":\"Dropout\",\"options\":{\"p\":1e300}}]}",
     "option 'p' has a value of another kind"},
    {INPUT "[{\"name\":\"d\",\"inputs\":[\"input\"],\"type\":\"Dropout\",\"options\":{\"p\":2}}]}", "2"},
    {INPUT "[{\"name\":\"l\",\"inputs\":[\"input\"],\"type\":\"Linear\",\"options\":"
           "{\"in_features\":65536,\"out_features\":65536,\"bias\":1}}]}",
     "Linear 'l'"},
    {INPUT "[{\"name\":\"r\",\"inputs\":[\"input\"],\"type\":\"ReLU\",\"constants\":{}}]}",
     "its constants are not a list of texts"},
    {INPUT "[{\"name\":\"r\",\"inputs\":[\"input\"],\"type\":\"ReLU\",\"constants\":[\"weight\"]}]}",
     "layer 'r' has no tensor 'weight'"},
    {INPUT "[" RELU "],\"normalization\":1}", "normalisation"},
    {INPUT "[" RELU "],\"normalization\":{\"mean\":[0,0],\"std\":[1,1]}}", "a number for each channel"},
    {INPUT "[" RELU "],\"normalization\":{\"mean\":[0],\"std\":[\"1\"]}}", "a number for each channel"},
    {INPUT "[" RELU "],\"normalization\":{\"mean\":[0],\"std\":[0]}}", "std 0"},
    {INPUT "[" RELU "],\"classes\":[]}", "classes are not a list of texts"},
    {INPUT "[" RELU "],\"classes\":[\"a\",1]}", "classes are not a list of texts"},
    {INPUT "[" RELU "],\"classes\":[\"a\",\"b\"]}", "2 class names for 1 outputs"},
    {INPUT "[" RELU "],\"outputs\":1}", "outputs are not a list of texts"},
    {INPUT "[" RELU "],\"outputs\":[]}", "outputs are not a list of texts"},
    {INPUT "[" RELU "],\"outputs\":[1]}", "outputs are not a list of texts"},
    {INPUT "[" RELU "],\"outputs\":[\"s\"]}", "no layer 's'"},
    {INPUT "[" RELU "],\"outputs\":[\"input\"]}", "'input' is an input"},
    {INPUT "[" RELU "],\"outputs\":[\"r\",\"r\"]}", "2 outputs of a model with 1 layers"},
    {INPUT "[" RELU "," MORE("") "]}", "channels is 0"},
    {INPUT "[" RELU "," MORE("\"channels\":1,\"height\":2,\"width\":99999999") "]}", "width is 99999999"},
    {INPUT "[" MORE("\"channels\":1,\"height\":2,\"width\":2") "," RELU "]}", "nothing reads layer 'm'"},
    {INPUT "[" MORE("\"channels\":1,\"height\":2,\"width\":2") "," READER("m") "]}", "nothing reads 'input'"},
    {INPUT "[" MORE("\"channels\":1,\"height\":2,\"width\":2") "," READER("m") "],\"outputs\":[\"m\"]}",
     "'m' is an input"},
    {INPUT "[{\"name\":\"m\",\"type\":\"Input\",\"inputs\":[\"input\"]}]}", "'m' is an input, but reads others"},
};

START_TEST(hostile_architectures_are_refused) {
    cn_model *model;
    ck_fails(load_architecture("1", hostile[_i].architecture, &model), CN_ERR_FORMAT, hostile[_i].message);
    ck_assert_ptr_null(model);
    ck_assert_ptr_nonnull(strstr(cn_last_error(), files.path));
}
END_TEST

START_TEST(unknown_members_and_missing_options_are_fine) {
    cn_model *model;
    ck_ok(load_architecture("1", INPUT "[" RELU "],\"invented\":[{}]}", &model));
    cn_model_free(model);
    ck_fails(load_architecture("1", CONV("\"in_channels\":1,\"out_channels\":1,\"kernel_height\":2,\"kernel_width\":2"),
                               &model),
             CN_ERR_FORMAT, "it has no tensor 'c.weight'");
}
END_TEST

/* No memory is taken for weights that are not in the file. */
START_TEST(weights_that_are_only_claimed_are_not_allocated) {
    cn_model *model;
    ck_fails(load_architecture("1",
                               CONV("\"in_channels\":1,\"out_channels\":60000,\"kernel_height\":100,"
                                    "\"kernel_width\":100,\"padding_height\":50,\"padding_width\":50"),
                               &model),
             CN_ERR_FORMAT, "it has no tensor 'c.weight'");
}
END_TEST

START_TEST(other_versions_are_refused) {
    cn_model *model;
    ck_fails(load_architecture("2", INPUT "[" RELU "]}", &model), CN_ERR_FORMAT, "its version is 2, this library (");
    ck_fails(load_architecture("0", INPUT "[" RELU "]}", &model), CN_ERR_FORMAT, "its version is '0'");
    ck_fails(load_architecture("", INPUT "[" RELU "]}", &model), CN_ERR_FORMAT, "its version is ''");
    ck_fails(load_architecture(" +1", INPUT "[" RELU "]}", &model), CN_ERR_FORMAT, "its version is ' +1'");
    ck_fails(load_architecture("1x", INPUT "[" RELU "]}", &model), CN_ERR_FORMAT, "its version is '1x'");
    ck_fails(load_architecture("99999999999999999999", INPUT "[" RELU "]}", &model), CN_ERR_FORMAT, "its version is");
}
END_TEST

static void add_tests(TCase *group) {
    tcase_add_test(group, every_truncation_is_noticed);
    tcase_add_test(group, every_damaged_byte_of_data_is_noticed);
    tcase_add_test(group, every_damaged_bit_of_the_header_is_noticed_or_means_nothing);
    tcase_add_loop_test(group, hostile_architectures_are_refused, 0, (int)CN__COUNT(hostile));
    tcase_add_test(group, unknown_members_and_missing_options_are_fine);
    tcase_add_test(group, weights_that_are_only_claimed_are_not_allocated);
    tcase_add_test(group, other_versions_are_refused);
}

int main(void) {
    Suite *suite = suite_create("model damage");
    add_tests(model_files_group(suite));
    return test_run(suite);
}
