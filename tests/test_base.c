/* SPDX-License-Identifier: MIT */
/* test_base.c: errors, options structs, memory and texts. */
#include "testing.h"
#include "base/base.h"
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

TEST_RUNS_ONCE;

/* ---- errors ---- */

START_TEST(statuses_have_texts) {
    for (int status = CN_OK; status <= CN_ERR_VERSION; status++) {
        ck_assert_ptr_nonnull(cn_status_string((cn_status)status));
        ck_assert_str_ne(cn_status_string((cn_status)status), "unknown status");
        for (int other = CN_OK; other < status; other++)
            ck_assert_str_ne(cn_status_string((cn_status)status), cn_status_string((cn_status)other));
    }
    ck_assert_str_eq(cn_status_string(CN_ERR_MEMORY), "out of memory");
    ck_assert_str_eq(cn_status_string((cn_status)999), "unknown status");
}
END_TEST

START_TEST(messages_are_formatted_and_cut) {
    ck_assert_int_eq(cn__error(CN_ERR_IO, "%s at byte %d", "file", 7), CN_ERR_IO);
    ck_assert_str_eq(cn_last_error(), "file at byte 7");
    cn__set_error(CN_ERR_IO, "again: %s", cn_last_error());
    ck_assert_str_eq(cn_last_error(), "again: file at byte 7");
    char long_text[5000];
    memset(long_text, 'x', sizeof long_text - 1);
    long_text[sizeof long_text - 1] = '\0';
    cn__set_error(CN_ERR_IO, "%s", long_text);
    ck_assert_uint_ge(strlen(cn_last_error()), 511);
    ck_assert_uint_lt(strlen(cn_last_error()), sizeof long_text - 1);
}
END_TEST

static void *other_thread(void *result) {
    *(int *)result = strcmp(cn_last_error(), "") == 0;
    cn__set_error(CN_ERR_IO, "theirs");
    return NULL;
}

START_TEST(messages_belong_to_their_thread) {
    pthread_t thread;
    int was_empty = 0;
    cn__set_error(CN_ERR_IO, "mine");
    ck_assert_int_eq(pthread_create(&thread, NULL, other_thread, &was_empty), 0);
    pthread_join(thread, NULL);
    ck_assert_int_eq(was_empty, 1);
    ck_assert_str_eq(cn_last_error(), "mine");
}
END_TEST

START_TEST(version_is_the_headers) {
    char text[32];
    snprintf(text, sizeof text, "%d.%d.%d%s", CN_VERSION_MAJOR, CN_VERSION_MINOR, CN_VERSION_PATCH, CN_VERSION_SUFFIX);
    ck_assert_str_eq(cn_version_string(), text);
    ck_assert_int_eq(cn_version_number(), CN_VERSION_NUMBER);
}
END_TEST

/* ---- options structs: `known` is what this library has, the others what callers may bring ---- */

typedef struct older {
    uint64_t size;
    int a;
} older;
typedef struct known {
    uint64_t size;
    int a, b;
    double c;
} known;
typedef struct newer {
    known as_known;
    int d, e;
} newer;

static cn_status read_known(known *k, const void *options) {
    *k = (known){sizeof *k, 1, 2, 3.0};
    return cn__options_read(k, sizeof *k, offsetof(older, a) + sizeof(int), options, "known_options");
}

START_TEST(no_options_keep_the_defaults) {
    known k;
    ck_ok(read_known(&k, NULL));
    ck_assert_int_eq(k.a, 1);
    ck_assert_int_eq(k.b, 2);
}
END_TEST

START_TEST(a_shorter_struct_leaves_the_defaults) {
    known k;
    older o = {offsetof(older, a) + sizeof(int), 7};
    ck_ok(read_known(&k, &o));
    ck_assert_int_eq(k.a, 7);
    ck_assert_int_eq(k.b, 2);
    ck_assert_double_eq(k.c, 3.0);
}
END_TEST

START_TEST(a_longer_struct_must_end_in_zeros) {
    known k;
    newer n = {{sizeof n, 7, 8, 9.0}, 0, 0};
    ck_ok(read_known(&k, &n));
    ck_assert_int_eq(k.b, 8);
    n.e = 1;
    ck_fails(read_known(&k, &n), CN_ERR_VERSION, "known_options");
    n.e = 0;
    n.d = 0x01000000; /* one byte somewhere inside */
    ck_fails(read_known(&k, &n), CN_ERR_VERSION, "known_options");
}
END_TEST

START_TEST(impossible_sizes_are_refused) {
    known k, o = {0, 1, 2, 3.0};
    ck_fails(read_known(&k, &o), CN_ERR_ARGUMENT, "known_options: its size member is 0");
    o.size = offsetof(older, a) + sizeof(int) - 1;
    ck_fails(read_known(&k, &o), CN_ERR_ARGUMENT, "known_options");
    o.size = SIZE_MAX;
    ck_fails(read_known(&k, &o), CN_ERR_ARGUMENT, "known_options");
}
END_TEST

START_TEST(structs_are_filled_as_far_as_they_go) {
    known filled = {0, 7, 8, 9.0};
    older o = {offsetof(older, a) + sizeof(int), 1};
    size_t smallest = o.size;
    ck_ok(cn__struct_write(&o, &filled, sizeof filled, smallest, "known"));
    ck_assert_int_eq(o.a, 7);
    ck_assert_uint_eq(o.size, smallest);
    newer n = {{sizeof n, 1, 1, 1.0}, 5, 5};
    ck_ok(cn__struct_write(&n, &filled, sizeof filled, smallest, "known"));
    ck_assert_double_eq(n.as_known.c, 9.0);
    ck_assert_uint_eq(n.as_known.size, sizeof n);
    ck_assert_int_eq(n.d, 0);
    n.as_known.size = 3;
    ck_fails(cn__struct_write(&n, &filled, sizeof filled, smallest, "known"), CN_ERR_ARGUMENT, "known");
}
END_TEST

/* ---- memory and texts ---- */

START_TEST(memory_is_zeroed_and_aligned) {
    counting_allocator counter = {0};
    cn_context_options options = CN_CONTEXT_OPTIONS_INIT;
    cn_context *ctx;
    counting_options(&counter, &options);
    options.threads = 1;
    for (int own = 0; own < 2; own++) {
        ck_ok(cn_context_new(own ? &options : NULL, &ctx));
        for (size_t bytes = 0; bytes < 300; bytes += 37) {
            unsigned char *memory = cn__alloc(ctx, bytes, 1);
            ck_assert_ptr_nonnull(memory);
            ck_assert_uint_eq((uintptr_t)memory % CN__ALIGN, 0);
            for (size_t i = 0; i < bytes; i++)
                ck_assert_int_eq(memory[i], 0);
            memset(memory, 1, bytes);
            cn__free(ctx, memory);
        }
        cn__free(ctx, NULL);
        cn_context_free(ctx);
    }
    ck_assert_int_gt(counter.calls, 8);
    ck_assert_int_eq(counter.live, 0);
}
END_TEST

START_TEST(overflowing_sizes_are_no_memory) {
    cn_context *ctx = test_context(1);
    ck_assert_ptr_null(cn__alloc(ctx, SIZE_MAX / 2, 4));
    ck_assert_ptr_null(cn__alloc(ctx, SIZE_MAX, 1));
    ck_assert_ptr_null(cn__alloc(ctx, SIZE_MAX / 2, 1));
    cn_context_free(ctx);
}
END_TEST

START_TEST(lists_grow_and_keep_their_elements) {
    cn_context *ctx = test_context(1);
    int *list = NULL;
    size_t capacity = 0;
    for (int i = 0; i < 1000; i++) {
        ck_ok(cn__grow(ctx, (void **)&list, &capacity, (size_t)i, sizeof *list));
        ck_assert_uint_gt(capacity, (size_t)i);
        ck_assert_int_eq(list[i], 0);
        list[i] = i;
    }
    for (int i = 0; i < 1000; i++)
        ck_assert_int_eq(list[i], i);
    cn__free(ctx, list);
    cn_context_free(ctx);
}
END_TEST

START_TEST(texts_are_built_piece_by_piece) {
    cn_context *ctx = test_context(1);
    cn__text text = {.ctx = ctx};
    char *out;
    for (int i = 0; i < 500; i++)
        cn__text_append(&text, "%d,", i % 10);
    cn__text_append(&text, "%s", "");
    ck_ok(cn__text_take(&text, &out));
    ck_assert_uint_eq(strlen(out), 1000);
    ck_assert_str_eq(out + 990, "5,6,7,8,9,");
    cn_text_free(out);
    text = (cn__text){.ctx = ctx};
    ck_ok(cn__text_take(&text, &out));
    ck_assert_str_eq(out, "");
    cn_text_free(out);
    cn_text_free(NULL);
    cn_context_free(ctx);
}
END_TEST

START_TEST(a_text_without_memory_is_a_status) {
    counting_allocator counter = {0};
    char *out = (char *)&counter;
    cn_context *ctx = counting_context(&counter, 1);
    for (int from = 1; from <= 3; from++) {
        long live = counter.live;
        cn__text text = {.ctx = ctx};
        counter.fail_at = counter.calls + from;
        for (int i = 0; i < 3000; i++)
            cn__text_append(&text, "0123456789");
        ck_fails(cn__text_take(&text, &out), CN_ERR_MEMORY, "");
        ck_assert_ptr_null(out);
        ck_assert_int_eq(counter.live, live);
    }
    cn_context_free(ctx);
    ck_assert_int_eq(counter.live, 0);
}
END_TEST

/* ---- the suite ---- */

int main(void) {
    const TTest *const errors[] = {statuses_have_texts, messages_are_formatted_and_cut, messages_belong_to_their_thread,
                                   version_is_the_headers};
    const TTest *const structs[] = {no_options_keep_the_defaults, a_shorter_struct_leaves_the_defaults,
                                    a_longer_struct_must_end_in_zeros, impossible_sizes_are_refused,
                                    structs_are_filled_as_far_as_they_go};
    const TTest *const memory[] = {memory_is_zeroed_and_aligned, overflowing_sizes_are_no_memory,
                                   lists_grow_and_keep_their_elements, texts_are_built_piece_by_piece,
                                   a_text_without_memory_is_a_status};
    Suite *suite = suite_create("base");
    test_add(suite, "errors", errors, CN__COUNT(errors), 1);
    test_add(suite, "options structs", structs, CN__COUNT(structs), 1);
    test_add(suite, "memory", memory, CN__COUNT(memory), 1);
    return test_run(suite);
}
