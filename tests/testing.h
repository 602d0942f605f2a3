/* testing.h: what all suites use: running them, asserting statuses, and memory that runs out when asked to. */
#ifndef TESTING_H
#define TESTING_H

#include <check.h>
#include <convnet.h>
#include <stddef.h>

/* Runs a suite and frees it; a main function returns what this returns. */
int test_run(Suite *suite);

/* A context with default options and so many threads; the test fails if there is none. */
cn_context *test_context(int threads);

/* The call succeeds. */
#define ck_ok(call)                                                                                                    \
    do {                                                                                                               \
        cn_status status_ = (call);                                                                                    \
        ck_assert_msg(status_ == CN_OK, "%s: %s: %s", #call, cn_status_string(status_), cn_last_error());              \
    } while (0)

/* The call fails with `wanted`, and the message contains `text`. */
#define ck_fails(call, wanted, text)                                                                                   \
    do {                                                                                                               \
        cn_status status_ = (call);                                                                                    \
        ck_assert_msg(status_ == (wanted), "%s: got '%s', wanted '%s'", #call, cn_status_string(status_),              \
                      cn_status_string(wanted));                                                                       \
        ck_assert_msg(test_contains(cn_last_error(), text), "%s: message '%s' lacks '%s'", #call, cn_last_error(),     \
                      text);                                                                                           \
    } while (0)
int test_contains(const char *text, const char *part);

/* An allocator for cn_context_options that counts, and can fail. */
typedef struct test_memory {
    long calls;   /* of allocate */
    long live;    /* allocated and not yet released */
    long fail_at; /* this call of allocate returns NULL, counted from 1; 0: none */
    int for_good; /* 1: so do all later ones */
} test_memory;
void *test_allocate(void *memory, size_t bytes, size_t alignment);
void test_release(void *memory, void *block);
cn_context_options test_memory_options(test_memory *memory, int threads);

#endif
