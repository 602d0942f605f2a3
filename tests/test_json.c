/* SPDX-License-Identifier: MIT */
/* test_json.c: JSON from strangers: what RFC 8259 allows and what it does not, numbers to the bit, running out of
 * memory. */
#include "testing.h"
#include "base/json.h"
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

TEST_RUNS_ONCE;

static cn_context *ctx;

static void setup(void) {
    ctx = test_context(1);
}

static void teardown(void) {
    cn_context_free(ctx);
}

/* A copy of its own size, so that tools notice a byte read too many. */
static cn_status read_text(const char *text, size_t bytes, cn__json **json) {
    char *copy = malloc(bytes + !bytes);
    ck_assert_ptr_nonnull(copy);
    memcpy(copy, text, bytes);
    cn_status status = cn__json_read(ctx, copy, bytes, "it", json);
    free(copy);
    return status;
}

static const char *const good[] = {"{}",
                                   "[]",
                                   " [ ] ",
                                   "\t\r\n{ }",
                                   "0",
                                   "-0",
                                   "-1.5e+3",
                                   "1E400",
                                   "0.1e-9",
                                   "null",
                                   "true",
                                   "false",
                                   "\"\"",
                                   "[1,[2,[3,[4,[5,[6,[7,[8]]]]]]]]",
                                   "{\"a\":1,\"A\":2,\"\":3}",
                                   "\"\\u0001\\ud834\\udd1e\\/\\b\\f\\n\\r\\t\"",
                                   "[{\"a\":1},{\"a\":1}]",
                                   "99999999999999999999999999999999",
                                   "\"\x7f \xf4\x8f\xbf\xbf\""};

START_TEST(what_is_json_is_read) {
    cn__json *json;
    ck_ok(read_text(good[_i], strlen(good[_i]), &json));
    cn__free(ctx, json);
}
END_TEST

static const struct {
    const char *text, *fault;
} bad[] = {
    {"", "too early at byte 0"},
    {" ", "too early at byte 1"},
    {"nul", "wanted a value at byte 0"},
    {"nulls", "after its end at byte 4"},
    {"True", "wanted a value"},
    {"{}{}", "after its end at byte 2"},
    {"[1", "wanted ',' or ']' at byte 2"},
    {"[1,", "too early at byte 3"},
    {"[1,]", "wanted a value at byte 3"},
    {"[,1]", "wanted a value at byte 1"},
    {"[1 2]", "wanted ',' or ']' at byte 3"},
    {"[1}", "wanted ',' or ']'"},
    {"{", "wanted a key in quotes at byte 1"},
    {"{1:2}", "wanted a key"},
    {"{a:2}", "wanted a key"},
    {"{'a':2}", "wanted a key"},
    {"{\"a\"}", "wanted ':' at byte 4"},
    {"{\"a\":}", "wanted a value at byte 5"},
    {"{\"a\":1,}", "wanted a key in quotes at byte 7"},
    {"{\"a\":1]", "wanted ',' or '}'"},
    {"{\"a\" 1}", "wanted ':'"},
    {"/**/1", "wanted a value"},
    {"\xef\xbb\xbf{}", "wanted a value at byte 0"},
    {"NaN", "wanted a value"},
    {"-", "wanted a digit at byte 1"},
    {"+1", "wanted a value"},
    {".5", "wanted a value"},
    {"1.", "wanted a digit"},
    {"01", "after its end at byte 1"},
    {"-01", "after its end"},
    {"1e", "wanted a digit"},
    {"1e+", "wanted a digit"},
    {"0x1", "after its end"},
    {"-Infinity", "wanted a digit"},
    {"1.e1", "wanted a digit"},
    {"1_0", "after its end"},
    {"\"", "without end at byte 1"},
    {"\"a", "without end at byte 2"},
    {"\"\\", "unknown escape"},
    {"\"\\x\"", "unknown escape at byte 2"},
    {"\"\\u12\"", "four hexadecimal digits at byte 5"},
    {"\"\\u\"", "four hexadecimal"},
    {"\"\\u00g0\"", "four hexadecimal"},
    {"\"\\ud800\"", "half of a surrogate"},
    {"\"\\ud800\\u0041\"", "half of a surrogate"},
    {"\"\\ud800\\n\"", "half of a surrogate"},
    {"\"\\udc00\"", "half of a surrogate"},
    {"\"\\ud800\\u", "four hexadecimal"},
    {"\"\\u0000\"", "the character NUL"},
    {"\"\n\"", "control character in a text at byte 1"},
    {"\"\x1f\"", "control character"},
    {"\"\xff\"", "not UTF-8 at byte 1"},
    {"\"\xc3", "not UTF-8"},
    {"\"\xc0\x80\"", "not UTF-8"},
    {"\"\xed\xa0\x80\"", "not UTF-8"},
    {"\"\xf4\x90\x80\x80\"", "not UTF-8"},
    {"[[[[[[[[[0]]]]]]]]]", "nested more than 8 deep"},
    {"{\"a\":1,\"b\":2,\"a\":3}", "it has 'a' twice"},
    {"[0,{\"\\u0061\":1,\"a\":3}]", "it has 'a' twice"},
    {"{\"\":1,\"\":1}", "it has '' twice"},
};

START_TEST(what_is_not_is_refused_with_its_place) {
    cn__json *json = (cn__json *)ctx;
    ck_fails(read_text(bad[_i].text, strlen(bad[_i].text), &json), CN_ERR_FORMAT, bad[_i].fault);
    ck_assert_ptr_null(json);
    ck_fails(read_text(bad[_i].text, strlen(bad[_i].text), &json), CN_ERR_FORMAT, "it is not JSON: ");
}
END_TEST

START_TEST(a_nul_byte_is_nowhere_allowed) {
    cn__json *json;
    ck_fails(read_text("[1\0]", 4, &json), CN_ERR_FORMAT, "at byte 2");
    ck_fails(read_text("\"\0\"", 3, &json), CN_ERR_FORMAT, "control character");
    ck_fails(read_text("1\0", 2, &json), CN_ERR_FORMAT, "after its end");
}
END_TEST

START_TEST(every_shorter_text_is_refused) {
    static const char text[] = "{\"a\": [1.5e3, \"\\u00e4\\ud834\\udd1e\", true, null, {\"b\": -0}]}";
    cn__json *json;
    for (size_t bytes = 0; bytes + 1 < sizeof text; bytes++)
        ck_fails(read_text(text, bytes, &json), CN_ERR_FORMAT, "it is not JSON: ");
    ck_ok(read_text(text, sizeof text - 1, &json));
    cn__free(ctx, json);
}
END_TEST

START_TEST(values_are_found_where_they_are) {
    static const char text[] =
        "{\"none\":{},\"list\":[[],[[2]],{\"x\":\"y\"},\"\\ud834\\udd1e\\u00e4\\/\"],\"last\":-7}";
    cn__json *json;
    int64_t number;
    ck_ok(read_text(text, sizeof text - 1, &json));
    ck_assert_ptr_null(cn__json_first(cn__json_get(json, "none")));
    const cn__json *list = cn__json_get(json, "list"), *v = cn__json_first(list);
    ck_assert_uint_eq(list->count, 4);
    ck_assert(cn__json_is(v, CN__JSON_ARRAY) && v->count == 0);
    v = cn__json_next(list, v);
    ck_assert(cn__json_is(v, CN__JSON_ARRAY) && v->count == 1);
    v = cn__json_next(list, v);
    ck_assert_str_eq(cn__json_string(cn__json_get(v, "x")), "y");
    v = cn__json_next(list, v);
    ck_assert_str_eq(cn__json_string(v), "\xf0\x9d\x84\x9e\xc3\xa4/");
    ck_assert_ptr_null(cn__json_next(list, v));
    ck_assert(cn__json_int64(cn__json_get(json, "last"), &number) && number == -7);
    ck_assert_ptr_null(cn__json_get(json, "x"));
    ck_assert_ptr_null(cn__json_get(list, "x"));
    ck_assert_ptr_null(cn__json_get(NULL, "x"));
    ck_assert_ptr_null(cn__json_string(list));
    ck_assert(!cn__json_int64(list, &number) && !cn__json_int64(NULL, &number));
    cn__free(ctx, json);
}
END_TEST

static bool read_int64(const char *text, int64_t *value) {
    cn__json *json;
    ck_ok(read_text(text, strlen(text), &json));
    bool whole = cn__json_int64(json, value);
    cn__free(ctx, json);
    return whole;
}

START_TEST(whole_numbers_are_exact_or_none) {
    int64_t value;
    ck_assert(read_int64("9223372036854775807", &value) && value == INT64_MAX);
    ck_assert(read_int64("-9223372036854775808", &value) && value == INT64_MIN);
    ck_assert(read_int64("-0", &value) && value == 0);
    ck_assert(!read_int64("9223372036854775808", &value));
    ck_assert(!read_int64("1.0", &value) && !read_int64("1e2", &value) && !read_int64("1E2", &value));
    ck_assert(!read_int64("\"1\"", &value) && !read_int64("true", &value));
}
END_TEST

static bool read_float(const char *text, float *value) {
    cn__json *json;
    ck_ok(read_text(text, strlen(text), &json));
    bool finite = cn__json_float(json, value);
    cn__free(ctx, json);
    return finite;
}

static void check_float(float value) {
    cn__text text = {.ctx = ctx};
    char *out;
    float back;
    cn__json_append_float(&text, value);
    ck_ok(cn__text_take(&text, &out));
    ck_assert_msg(read_float(out, &back) && memcmp(&back, &value, sizeof value) == 0, "%s", out);
    cn_text_free(out);
}

static void check_floats(void) {
    static const float values[] = {0.0f,           -0.0f, 1.0f,        0.1f,        1e-45f,      1.17549421e-38f,
                                   3.40282347e38f, 1e10f, 16777217.0f, 0.49139968f, 123456.789f, -2.5e-7f};
    for (size_t i = 0; i < CN__COUNT(values); i++)
        check_float(values[i]);
    cn__rng rng = cn__rng_new(7, 0, 0);
    for (int i = 0; i < 20000; i++) {
        uint32_t bits = cn__rng_u32(&rng);
        float value;
        memcpy(&value, &bits, sizeof value);
        if (isfinite(value))
            check_float(value);
    }
}

static void check_decimals(void) {
    float value;
    ck_assert(read_float("1.25e3", &value) && value == 1250.0f);
    ck_assert(read_float("-0.000125E+2", &value) && value == -0.0125f);
    ck_assert(read_float("12", &value) && value == 12.0f);
    ck_assert(read_float("1e-400", &value) && value == 0.0f);
    ck_assert(read_float("0e99999999999999999999", &value) && value == 0.0f);
    /* Rounded once, from the decimals: by way of a double this would be 1 + 2^-23. */
    ck_assert(read_float("1.00000005960464477539062500000001", &value) && value == 1.00000012f);
    ck_assert(read_float("1.000000059604644775390625", &value) && value == 1.0f);
    ck_assert(!read_float("1e39", &value) && !read_float("-1e400", &value) && !read_float("\"1\"", &value));
}

static void check_double(double value) {
    cn__text text = {.ctx = ctx};
    cn__json *json;
    char *out;
    double back;
    cn__json_append_double(&text, value);
    ck_ok(cn__text_take(&text, &out));
    ck_ok(read_text(out, strlen(out), &json));
    ck_assert_msg(cn__json_double(json, &back) && memcmp(&back, &value, sizeof value) == 0, "%s", out);
    cn__free(ctx, json);
    cn_text_free(out);
}

START_TEST(doubles_come_back_to_the_bit) {
    static const double values[] = {0.0, -0.0, 0.1, 1.3, 1.0 / 3.0, 5e-324, 1.7976931348623157e308, -2.5e-7, 1e22};
    cn__rng rng = cn__rng_new(8, 0, 0);
    for (size_t i = 0; i < CN__COUNT(values); i++)
        check_double(values[i]);
    for (int i = 0; i < 20000; i++) {
        uint64_t bits = (uint64_t)cn__rng_u32(&rng) << 32 | cn__rng_u32(&rng);
        double value;
        memcpy(&value, &bits, sizeof value);
        if (isfinite(value))
            check_double(value);
    }
}
END_TEST

START_TEST(floats_come_back_to_the_bit) {
    check_floats();
    check_decimals();
}
END_TEST

/* In locales that write a comma, or more than one byte (they may not be there: then this repeats the above). */
START_TEST(the_locale_plays_no_part) {
    static const char *const locales[] = {"de_DE.UTF-8", "fa_IR.UTF-8", "fr_FR.UTF-8", "ru_RU.UTF-8", "de_DE", "ps_AF"};
    for (size_t i = 0; i < CN__COUNT(locales); i++)
        if (setlocale(LC_ALL, locales[i])) {
            check_floats();
            check_decimals();
        }
    setlocale(LC_ALL, "C");
}
END_TEST

START_TEST(each_allocation_that_fails_is_a_status) {
    static const char text[] = "{\"a\":[1,2,{\"b\":\"c\",\"d\":[]}],\"e\":{\"f\":0.5}}";
    counting_allocator counter = {0};
    cn_context *own = counting_context(&counter, 1);
    long live = counter.live;
    cn_status status = CN_ERR_MEMORY;
    int failures = 0;
    for (long n = 1; status != CN_OK; n++) {
        cn__json *json;
        counter.fail_at = counter.calls + n;
        status = cn__json_read(own, text, sizeof text - 1, "it", &json);
        counter.fail_at = 0;
        ck_assert(status == CN_OK || (status == CN_ERR_MEMORY && json == NULL));
        failures += status != CN_OK;
        cn__free(own, json);
        ck_assert_int_eq(counter.live, live);
    }
    ck_assert_int_gt(failures, 0);
    cn_context_free(own);
}
END_TEST

/* What is not JSON takes none, however much of it there is. */
START_TEST(memory_is_taken_for_json_only) {
    counting_allocator counter = {0};
    cn_context *own = counting_context(&counter, 1);
    long calls = counter.calls;
    cn__json *json;
    ck_fails(cn__json_read(own, "[0,0,0,0,0,0,0,0,0,0,", 21, "it", &json), CN_ERR_FORMAT, "too early");
    ck_assert_int_eq(counter.calls, calls);
    cn_context_free(own);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("json");
    TCase *group = tcase_create("json");
    tcase_add_checked_fixture(group, setup, teardown);
    tcase_add_loop_test(group, what_is_json_is_read, 0, (int)CN__COUNT(good));
    tcase_add_loop_test(group, what_is_not_is_refused_with_its_place, 0, (int)CN__COUNT(bad));
    tcase_add_test(group, a_nul_byte_is_nowhere_allowed);
    tcase_add_test(group, every_shorter_text_is_refused);
    tcase_add_test(group, values_are_found_where_they_are);
    tcase_add_test(group, whole_numbers_are_exact_or_none);
    tcase_add_test(group, floats_come_back_to_the_bit);
    tcase_add_test(group, doubles_come_back_to_the_bit);
    tcase_add_test(group, the_locale_plays_no_part);
    tcase_add_test(group, each_allocation_that_fails_is_a_status);
    tcase_add_test(group, memory_is_taken_for_json_only);
    suite_add_tcase(suite, group);
    return test_run(suite);
}
