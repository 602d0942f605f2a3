/* SPDX-License-Identifier: MIT */
/* test_safetensors.c: the container of model files, with headers that lie. */
#include "model_files.h"
#include "whole_file.h"
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

TEST_RUNS_ONCE;

/* ---- reading the container ---- */

/* A file of its own memory, so that a byte too many is noticed. */
static cn_status read_header(const char *header, size_t data_bytes, cn__safetensors *file, unsigned char **memory) {
    size_t length = strlen(header), bytes = 8 + length + data_bytes;
    *memory = calloc(bytes, 1);
    ck_assert_ptr_nonnull(*memory);
    for (int i = 0; i < 8; i++)
        (*memory)[i] = (unsigned char)((uint64_t)length >> (8 * i));
    memcpy(*memory + 8, header, length);
    return cn__safetensors_read(files.ctx, *memory, bytes, file);
}

static void expect_refused(const char *header, size_t data_bytes, const char *message) {
    cn__safetensors file;
    unsigned char *memory;
    ck_fails(read_header(header, data_bytes, &file, &memory), CN_ERR_FORMAT, message);
    free(memory);
}

START_TEST(tensors_and_metadata_are_found) {
    cn__safetensors file;
    unsigned char *memory;
    ck_ok(read_header("{\"b\":{\"dtype\":\"F32\",\"shape\":[2,3],\"data_offsets\":[8,32]},"
                      "\"__metadata__\":{\"k\":\"v \\u00e4\"},"
                      "\"a\":{\"dtype\":\"I64\",\"shape\":[],\"data_offsets\":[0,8]},"
                      "\"none\":{\"dtype\":\"U8\",\"shape\":[0,5],\"data_offsets\":[8,8]}}   ",
                      32, &file, &memory));
    ck_assert_uint_eq(file.count, 3);
    const cn__entry *b = cn__safetensors_find(&file, "b");
    ck_assert_ptr_nonnull(b);
    ck_assert_str_eq(b->dtype, "F32");
    ck_assert_int_eq(b->dims, 2);
    ck_assert_int_eq(b->shape[1], 3);
    ck_assert_uint_eq(b->begin, 8);
    ck_assert_int_eq(cn__safetensors_find(&file, "a")->dims, 0);
    ck_assert_ptr_nonnull(cn__safetensors_find(&file, "none"));
    ck_assert_ptr_null(cn__safetensors_find(&file, "c"));
    ck_assert_ptr_null(cn__safetensors_find(&file, "__metadata__"));
    ck_assert_str_eq(cn__safetensors_metadata(&file, "k"), "v ä");
    ck_assert_ptr_null(cn__safetensors_metadata(&file, "l"));
    cn__safetensors_drop(&file);
    free(memory);
}
END_TEST

START_TEST(a_file_may_hold_nothing) {
    cn__safetensors file;
    unsigned char *memory;
    ck_ok(read_header("{}", 0, &file, &memory));
    ck_assert_uint_eq(file.count, 0);
    ck_assert_ptr_null(cn__safetensors_find(&file, ""));
    ck_assert_ptr_null(cn__safetensors_metadata(&file, "format"));
    cn__safetensors_drop(&file);
    free(memory);
}
END_TEST

#define TENSOR(dtype, shape, offsets) "{\"t\":{\"dtype\":" dtype ",\"shape\":" shape ",\"data_offsets\":" offsets "}}"

static const struct {
    const char *header;
    size_t data_bytes;
    const char *message;
} hostile[] = {
    {"", 0, "does not begin with '{'"},
    {" {}", 0, "does not begin with '{'"},
    {"[]", 0, "does not begin with '{'"},
    {"{", 0, "is not JSON"},
    {"{}{}", 0, "is not JSON"},
    {"{\"t\":1}", 0, "tensor 't': its dtype is missing"},
    {"{\"t\":null}", 0, "tensor 't': its dtype is missing"},
    {"{\"t\":{}}", 0, "tensor 't': its dtype is missing"},
    {"{\"\xff\":{}}", 0, "is not JSON"},
    {"{\"a\\u0000b\":{}}", 0, "is not JSON"},
    {"{\"t\":{\"shape\":[" /* the rest is missing */, 0, "is not JSON"},
    {"{\"__metadata__\":[]}", 0, "__metadata__ is not an object"},
    {"{\"__metadata__\":{\"k\":1}}", 0, "'k', which is not a text"},
    {"{\"t\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]},"
     "\"t\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[1,2]}}",
     2, "it has 't' twice"},
    {TENSOR("4", "[1]", "[0,4]"), 4, "its dtype is missing or unknown"},
    {TENSOR("\"F33\"", "[1]", "[0,4]"), 4, "its dtype is missing or unknown"},
    {TENSOR("\"F32\"", "1", "[0,4]"), 4, "its shape is not a list"},
    {TENSOR("\"F32\"", "[1,1,1,1,1,1,1,1,1]", "[0,4]"), 4, "its shape is not a list of at most 8"},
    {TENSOR("\"F32\"", "[1.0]", "[0,4]"), 4, "other than counts"},
    {TENSOR("\"F32\"", "[\"1\"]", "[0,4]"), 4, "other than counts"},
    {TENSOR("\"F32\"", "[-1]", "[0,4]"), 4, "other than counts"},
    {TENSOR("\"F32\"", "[99999999999999999999]", "[0,4]"), 4, "other than counts"},
    {TENSOR("\"F32\"", "[1]", "[0]"), 4, "data_offsets are not two counts"},
    {TENSOR("\"F32\"", "[1]", "[0,4,8]"), 4, "data_offsets are not two counts"},
    {TENSOR("\"F32\"", "[1]", "{}"), 4, "data_offsets are not two counts"},
    {TENSOR("\"F32\"", "[1]", "[0,null]"), 4, "data_offsets are not two counts"},
    {TENSOR("\"F32\"", "[1]", "[-4,0]"), 4, "data_offsets are not two counts"},
    {TENSOR("\"F32\"", "[1]", "[4,0]"), 4, "lies at bytes 4 to 0"},
    {TENSOR("\"F32\"", "[1]", "[0,8]"), 4, "lies at bytes 0 to 8 of 4"},
    {TENSOR("\"F32\"", "[1]", "[9223372036854775804,9223372036854775807]"), 4, "lies at bytes"},
    {TENSOR("\"F32\"", "[2]", "[0,4]"), 4, "its 4 bytes are not what its shape needs"},
    {TENSOR("\"F32\"", "[]", "[0,0]"), 0, "its 0 bytes are not what"},
    {TENSOR("\"F32\"", "[4294967296,4294967296]", "[0,0]"), 0, "its 0 bytes are not what"},
    {TENSOR("\"F32\"", "[2305843009213693953,4]", "[0,16]"), 16, "its 16 bytes are not what"},
    {TENSOR("\"F32\"", "[4611686018427387904,4611686018427387904,0]", "[0,0]"), 0, "its 0 bytes are not what"},
    {TENSOR("\"F32\"", "[1]", "[4,8]"), 8, "begins at byte 4, and the one before ends at 0"},
    {TENSOR("\"F32\"", "[1]", "[0,4]"), 5, "end at byte 4 of 5"},
    {"{}", 1, "end at byte 0 of 1"},
    {"{\"a\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]},"
     "\"b\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[1,3]}}",
     3, "begins at byte 1, and the one before ends at 2"},
    {"{\"a\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]},"
     "\"b\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]}}",
     2, "begins at byte 0, and the one before ends at 2"},
    {"{\"a\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]},"
     "\"b\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[3,5]}}",
     5, "begins at byte 3, and the one before ends at 2"},
    {"{\"t\":[[[[[[[[[[1]]]]]]]]]]}", 0, "nested more than 8 deep"},
};

START_TEST(hostile_headers_are_refused) {
    expect_refused(hostile[_i].header, hostile[_i].data_bytes, hostile[_i].message);
}
END_TEST

START_TEST(an_abyss_is_refused_without_going_down) {
    size_t depth = 4 << 20;
    char *header = malloc(depth + 1);
    ck_assert_ptr_nonnull(header);
    memset(header, '[', depth);
    memcpy(header, "{\"a\":", 5);
    header[depth] = '\0';
    expect_refused(header, 0, "nested more than 8 deep");
    free(header);
}
END_TEST

START_TEST(brackets_in_texts_are_not_depth) {
    cn__safetensors file;
    unsigned char *memory;
    ck_ok(read_header("{\"__metadata__\":{\"k\":\"[[[[[[[[[[\\\"{{{{{{{{{\\\\\"}}", 0, &file, &memory));
    ck_assert_str_eq(cn__safetensors_metadata(&file, "k"), "[[[[[[[[[[\"{{{{{{{{{\\");
    cn__safetensors_drop(&file);
    free(memory);
}
END_TEST

START_TEST(lengths_are_not_believed) {
    static const struct {
        unsigned char bytes[10];
        size_t count;
        const char *message;
    } lengths[] = {
        {{0}, 0, "0 bytes are too few"},
        {{2, 0, 0, 0, 0, 0, 0}, 7, "7 bytes are too few"},
        {{0, 0, 0, 0, 0, 0, 0, 0}, 8, "does not begin with '{'"},
        {{2, 0, 0, 0, 0, 0, 0, 0, '{'}, 9, "of 2 bytes is cut off after 1"},
        {{255, 255, 255, 255, 255, 255, 255, 255, '{', '}'}, 10, "not a safetensors file"},
        {{1, 0, 0, 1, 0, 0, 0, 0, '{', '}'}, 10, "header of 16777217 bytes is longer than 16777216"},
        {{0, 0, 0, 1, 0, 0, 0, 0, '{', '}'}, 10, "of 16777216 bytes is cut off after 2"},
    };
    for (size_t i = 0; i < CN__COUNT(lengths); i++) {
        cn__safetensors file;
        unsigned char *memory = malloc(lengths[i].count + !lengths[i].count);
        ck_assert_ptr_nonnull(memory);
        memcpy(memory, lengths[i].bytes, lengths[i].count);
        ck_fails(cn__safetensors_read(files.ctx, memory, lengths[i].count, &file), CN_ERR_FORMAT, lengths[i].message);
        free(memory);
    }
}
END_TEST

/* ---- writing it ---- */

START_TEST(what_is_written_is_read_back) {
    static const float data[] = {1.0f, 2.0f, 3.0f};
    const cn__entry entries[] = {{"z", "F32", 2, {1, 2}, 4, 12, false},
                                 {"a \"\\\n\t\x01 ü", "F32", 0, {0}, 0, 4, false}};
    const cn__metadata metadata[] = {{"k", "{\"a\": \"b\"}"}, {"", ""}};
    cn__safetensors file;
    unsigned char *memory;
    size_t bytes;
    ck_ok(write_tensors(files.ctx, files.path, entries, 2, metadata, 2, data, sizeof data));
    ck_ok(load_file(files.ctx, files.path, &memory, &bytes));
    ck_ok(cn__safetensors_read(files.ctx, memory, bytes, &file));
    ck_assert_uint_eq((uintptr_t)(file.data - memory) % 8, 0);
    ck_assert_uint_eq(file.bytes, sizeof data);
    ck_assert_mem_eq(file.data, data, sizeof data);
    ck_assert_uint_eq(cn__safetensors_find(&file, "z")->begin, 4);
    ck_assert_int_eq(cn__safetensors_find(&file, "z")->shape[1], 2);
    ck_assert_ptr_nonnull(cn__safetensors_find(&file, entries[1].name));
    ck_assert_str_eq(cn__safetensors_metadata(&file, "k"), "{\"a\": \"b\"}");
    ck_assert_str_eq(cn__safetensors_metadata(&file, ""), "");
    cn__safetensors_drop(&file);
    cn__free(files.ctx, memory);
}
END_TEST

START_TEST(texts_must_be_utf8) {
    static const struct {
        const char *text;
        bool good;
    } texts[] = {
        {"", true},
        {"\x7f", true},
        {"\xc2\x80 \xdf\xbf", true},
        {"\xe0\xa0\x80 \xed\x9f\xbf \xee\x80\x80 \xef\xbf\xbf", true},
        {"\xf0\x90\x80\x80 \xf4\x8f\xbf\xbf", true},
        {"\x80", false},             /* a continuation alone */
        {"\xc1\xbf", false},         /* more bytes than needed */
        {"\xc3", false},             /* cut off */
        {"\xe0\x9f\xbf", false},     /* more bytes than needed */
        {"\xed\xa0\x80", false},     /* half of a surrogate pair */
        {"\xe2\x82", false},         /* cut off */
        {"\xe2\x82x", false},        /* cut off */
        {"\xf0\x8f\xbf\xbf", false}, /* more bytes than needed */
        {"\xf4\x90\x80\x80", false}, /* beyond the last character */
        {"\xf5\x80\x80\x80", false}, /* no such lead */
        {"\xff", false},
    };
    for (size_t i = 0; i < CN__COUNT(texts); i++) {
        cn__json *json;
        cn__text text = {.ctx = files.ctx};
        char *out;
        cn__text_append(&text, "[");
        bool good = cn__json_append_string(&text, texts[i].text);
        cn__text_append(&text, "]");
        ck_assert_msg(good == texts[i].good, "text %zu", i);
        ck_ok(cn__text_take(&text, &out));
        if (good) { /* the parser agrees */
            ck_ok(cn__json_read(files.ctx, out, strlen(out), "a text", &json));
            cn__free(files.ctx, json);
        }
        cn_text_free(out);
    }
}
END_TEST

START_TEST(what_cannot_be_read_is_not_written) {
    const cn__entry taken = {"__metadata__", "F32", 0, {0}, 0, 4, false}, bad = {"\xff", "F32", 0, {0}, 0, 4, false},
                    good = {"a", "F32", 0, {0}, 0, 4, false};
    static char enormous[(16 << 20) + 1];
    const float data = 1.0f;
    memset(enormous, 'x', sizeof enormous - 1);
    ck_fails(write_tensors(files.ctx, files.path, &bad, 1, NULL, 0, &data, 4), CN_ERR_ARGUMENT, "not UTF-8");
    ck_fails(write_tensors(files.ctx, files.path, &taken, 1, NULL, 0, &data, 4), CN_ERR_ARGUMENT,
             "a tensor is called '__metadata__'");
    ck_fails(write_tensors(files.ctx, files.path, &good, 1, &(cn__metadata){"k", "\xc3"}, 1, &data, 4), CN_ERR_ARGUMENT,
             "not UTF-8");
    ck_fails(write_tensors(files.ctx, files.path, &good, 1, &(cn__metadata){"k", enormous}, 1, &data, 4),
             CN_ERR_ARGUMENT, "more than 16777216");
    ck_assert_int_eq(access(files.path, F_OK), -1);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("safetensors");
    TCase *container = model_files_group(suite);
    tcase_add_test(container, tensors_and_metadata_are_found);
    tcase_add_test(container, a_file_may_hold_nothing);
    tcase_add_loop_test(container, hostile_headers_are_refused, 0, (int)CN__COUNT(hostile));
    tcase_add_test(container, an_abyss_is_refused_without_going_down);
    tcase_add_test(container, brackets_in_texts_are_not_depth);
    tcase_add_test(container, lengths_are_not_believed);
    tcase_add_test(container, what_is_written_is_read_back);
    tcase_add_test(container, texts_must_be_utf8);
    tcase_add_test(container, what_cannot_be_read_is_not_written);
    return test_run(suite);
}
