/* SPDX-License-Identifier: MIT */
/* testing.h: what all suites share: running them, asserting statuses, and memory that runs out when asked to. */
#ifndef TESTING_H
#define TESTING_H

#include <check.h>
/* For each assertion that holds Check writes where it stands into a file, to tell after which one a test crashed: more
 * than half of the time of suites that assert in loops. Sanitizers and debuggers tell that better. */
#define _mark_point(file, line) ((void)0)
#include <convnet.h>
#include <stdbool.h>
#include <string.h>

/* Runs a suite, frees it and gives main's exit code. */
int test_run(Suite *suite);

/* In one file of a suite: the instruction set plays no part, or the suite itself goes through all of them, so that one
 * run is enough. Other suites run once for each. */
#define TEST_RUNS_ONCE bool test_runs_once = true
extern bool test_runs_once;

/* The same: a further run, in which test_context asks for channels in the lanes. */
#define TEST_BOTH_LAYOUTS bool test_both_layouts = true
extern bool test_both_layouts;

/* The instruction sets to go through, best first; with QUICK only the best. Returns their number. */
#define TEST_MAX_ISAS 3
int test_isas(cn_isa isas[TEST_MAX_ISAS]);
/* Whether this machine, and CONVNET_MAX_ISA, have it. */
bool test_offers(cn_isa isa);

/* Adds a group of tests, each of which runs `loops` times, with _i from 0. */
void test_add(Suite *suite, const char *name, const TTest *const *tests, size_t count, int loops);

/* How much of the same to do. QUICK in the environment: little, since a slow tool watches; AGAIN: little, since another run of
 * the suite does it all with better kernels, and nothing of that in which kernels play no part. WHOLE (`make check WHOLE=1`):
 * all, whatever it takes. */
bool test_quick(void), test_again(void), test_whole(void);

/* A context with so many threads and otherwise default options, but for TEST_BOTH_LAYOUTS; the test fails if there is none. */
cn_context *test_context(int threads);

#define ck_ok(call)                                                                                                    \
    do {                                                                                                               \
        cn_status status_ = (call);                                                                                    \
        ck_assert_msg(status_ == CN_OK, "%s: %s: %s", #call, cn_status_string(status_), cn_last_error());              \
    } while (0)

/* The call fails with that status, and the message contains `part`. */
#define ck_fails(call, wanted, part)                                                                                   \
    do {                                                                                                               \
        cn_status status_ = (call);                                                                                    \
        ck_assert_msg(status_ == (wanted), "%s: got '%s', wanted '%s': %s", #call, cn_status_string(status_),          \
                      cn_status_string(wanted), cn_last_error());                                                      \
        ck_assert_msg(strstr(cn_last_error(), part) != NULL, "%s: '%s' does not say '%s'", #call, cn_last_error(),     \
                      part);                                                                                           \
    } while (0)

/* An evaluation with that loss and otherwise default options. */
cn_status evaluate_with(const cn_model *model, const cn_dataset *dataset, cn_loss_kind loss,
                        cn_evaluation **evaluation);

/* ---- an allocator that counts and, on request, fails ---- */

typedef struct counting_allocator {
    long live, calls;
    long fail_at;   /* the call, from 1, that fails; 0: none */
    int persistent; /* all calls from there on fail */
} counting_allocator;
void counting_options(counting_allocator *counter, cn_context_options *options);
/* A context with that allocator. */
cn_context *counting_context(counting_allocator *counter, int threads);

/* The call fails for want of each of its allocations in turn, more than `least` times, with CN_ERR_MEMORY, NULL in `made`
 * and nothing left behind; then it succeeds. */
#define ck_survives(counter, call, made, least)                                                                        \
    do {                                                                                                               \
        counting_allocator *counter_ = (counter);                                                                      \
        long live_ = counter_->live, failures_ = 0;                                                                    \
        for (;; failures_++) {                                                                                         \
            counter_->fail_at = counter_->calls + 1 + failures_;                                                       \
            cn_status status_ = (call);                                                                                \
            counter_->fail_at = 0;                                                                                     \
            if (status_ == CN_OK)                                                                                      \
                break;                                                                                                 \
            ck_assert_msg(status_ == CN_ERR_MEMORY, "%s, allocation %ld: %s", #call, failures_ + 1, cn_last_error());  \
            ck_assert_ptr_null(made);                                                                                  \
            ck_assert_int_eq(counter_->live, live_);                                                                   \
        }                                                                                                              \
        ck_assert_int_gt(failures_, least);                                                                            \
    } while (0)

#endif
