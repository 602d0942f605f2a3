/* SPDX-License-Identifier: MIT */
/* test_memory_faults.c: the first, second, third … allocation of the whole process fails, whoever asks for it, once and
 * from then on: a call that reads or writes files says CN_ERR_MEMORY and loses nothing, or does what it always does. And
 * the system gives no lock, no condition variable, no thread. */
#include "fail_memory.h"
#include "io_cases.h"
#include "base/base.h"
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

TEST_RUNS_ONCE;

enum { MOST_CALLS = 20000, MOST_ASKERS = 8 };

/* ---- who was not given memory ---- */

typedef struct tally {
    struct {
        char name[64];
        long count;
    } asker[MOST_ASKERS];
} tally;

static void count_asker(tally *t) {
    const char *name = fail_memory_asker();
    int i = 0;
    while (i < MOST_ASKERS - 1 && t->asker[i].count && strcmp(t->asker[i].name, name) != 0)
        i++;
    snprintf(t->asker[i].name, sizeof t->asker[i].name, "%s", name);
    t->asker[i].count++;
}

static void print_tally(const char *call, const tally *t) {
    printf("%-34s", call);
    for (int i = 0; i < MOST_ASKERS && t->asker[i].count; i++)
        printf("  %s %ld", t->asker[i].name, t->asker[i].count);
    printf("\n");
}

/* ---- allocations ---- */

/* What the call gives: what it loads, or the files that it saves. */
static cn_status act(const io_case *c, cn_tensor **given) {
    *given = NULL;
    return c->act(given);
}

static size_t saved_bytes(const io_case *c, uint8_t *bytes, size_t most) {
    size_t count = 0;
    for (int i = 0; i < 2 && c->saved[i]; i++)
        count += scratch_read(&io.folder, c->saved[i], bytes + count, most - count);
    return count;
}

typedef struct outcome {
    cn_tensor *loaded;
    uint8_t saved[1 << 20];
    size_t saved_count;
} outcome;

static void expect_same(const io_case *c, const outcome *wanted, cn_tensor *loaded, const char *what) {
    static uint8_t saved[sizeof wanted->saved];
    if (wanted->loaded) {
        ck_assert_msg(loaded && cn_tensor_count(loaded) == cn_tensor_count(wanted->loaded), "%s: gave less", what);
        ck_assert_msg(memcmp(cn_tensor_data(loaded), cn_tensor_data(wanted->loaded), (size_t)cn_tensor_count(loaded)) ==
                          0,
                      "%s: gave something else", what);
    }
    size_t count = saved_bytes(c, saved, sizeof saved);
    ck_assert_msg(count == wanted->saved_count && memcmp(saved, wanted->saved, count) == 0, "%s: saved something else",
                  what);
}

/* False: there is no such allocation. */
static bool survives(const io_case *c, const outcome *wanted, int at, bool on, tally *t) {
    char what[128];
    cn_tensor *loaded;
    snprintf(what, sizeof what, "%s, allocation %d%s", c->name, at, on ? " and on" : "");
    long live = fail_memory_live();
    size_t in_use = cn_context_memory(io.run.f.ctx);
    fail_memory_arm(FAIL_MEMORY, at, on);
    cn_status status = act(c, &loaded);
    int failures = fail_memory_failures();
    fail_memory_arm(FAIL_MEMORY, 0, false);
    if (failures)
        count_asker(t);
    ck_assert_msg(status == CN_OK || (failures && status == CN_ERR_MEMORY), "%s, of %s: %s: %s", what,
                  fail_memory_asker(), cn_status_string(status), cn_last_error());
    ck_assert_msg(status == CN_OK || !loaded, "%s: failed, and gave something", what);
    if (status == CN_OK)
        expect_same(c, wanted, loaded, what);
    cn_tensor_free(loaded);
    ck_assert_msg(cn_context_memory(io.run.f.ctx) == in_use, "%s: the context has lost memory", what);
    ck_assert_msg(fail_memory_live() == live, "%s: %ld pieces leaked", what, fail_memory_live() - live);
    return failures > 0;
}

START_TEST(each_allocation_fails_in_turn) {
    static outcome wanted;
    const io_case *c = &io_cases[_i];
    bool all = getenv("FAULTS") != NULL;
    tally t = {0};
    wanted.loaded = NULL; /* without fork(), what the last run freed */
    io_begin(c);
    for (int i = 0; i < 2; i++) { /* the first may leave what the context keeps */
        cn_tensor_free(wanted.loaded);
        ck_ok(act(c, &wanted.loaded));
    }
    wanted.saved_count = saved_bytes(c, wanted.saved, sizeof wanted.saved);
    ck_assert_uint_lt(wanted.saved_count, sizeof wanted.saved);
    for (int on = 0; on < 2; on++)
        for (int at = 1; survives(c, &wanted, at, on, &t); at += all || at < 40 ? 1 : 7)
            ck_assert_int_lt(at, MOST_CALLS);
    ck_assert_int_gt(t.asker[0].count, 0);
    if (all)
        print_tally(c->name, &t);
    cn_tensor_free(wanted.loaded);
    io_end();
}
END_TEST

/* ---- locks and threads ---- */

enum { THREADS = 4, ITEMS = 64 };

static void note(void *argument, size_t item, int thread) {
    (void)thread;
    atomic_fetch_add(&((atomic_int *)argument)[item], 1);
}

/* With as many threads as there are, every item runs once. */
static void expect_work(cn_context *ctx) {
    atomic_int done[ITEMS] = {0};
    cn__parallel(ctx, ITEMS, note, done);
    for (int i = 0; i < ITEMS; i++)
        ck_assert_int_eq(done[i], 1);
}

/* False: there is no such call. */
static bool context_survives(fail_memory_what kind, int at, bool on) {
    counting_allocator counter = {0};
    cn_context_options options = CN_CONTEXT_OPTIONS_INIT;
    cn_context *ctx = (cn_context *)&counter;
    counting_options(&counter, &options);
    options.threads = THREADS;
    fail_memory_arm(kind, at, on);
    cn_status status = cn_context_new(&options, &ctx);
    int failures = fail_memory_failures();
    fail_memory_arm(kind, 0, false);
    if (status == CN_OK) {
        cn_device device = CN_DEVICE_INIT;
        ck_ok(cn_context_device(ctx, &device));
        ck_assert_int_eq(device.threads, kind == FAIL_THREAD && failures ? at : THREADS);
        ck_assert(kind == FAIL_THREAD || !failures);
        expect_work(ctx);
    } else {
        ck_assert(failures && !ctx);
        ck_assert_int_eq(status, kind == FAIL_MUTEX ? CN_ERR_MEMORY : CN_ERR_UNSUPPORTED);
        ck_assert_str_ne(cn_last_error(), "");
    }
    cn_context_free(ctx);
    ck_assert_int_eq(counter.live, 0);
    return failures > 0;
}

/* Three mutexes and two conditions a context; a thread fewer where one does not start. */
START_TEST(a_lock_or_thread_is_not_given) {
    static const struct {
        fail_memory_what kind;
        int count;
    } kinds[] = {{FAIL_MUTEX, 3}, {FAIL_CONDITION, 2}, {FAIL_THREAD, THREADS - 1}};
    int at = 1;
    while (context_survives(kinds[_i / 2].kind, at, _i % 2))
        at++;
    ck_assert_int_eq(at - 1, kinds[_i / 2].count);
    if (getenv("FAULTS") && _i % 2)
        printf("%-34s  %d, once and for good\n", (const char *[]){"mutexes", "conditions", "threads"}[_i / 2], at - 1);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("memory faults");
    TCase *group = tcase_create("what is not given");
    tcase_set_timeout(group, 120);
    if (fail_memory_works()) {
        tcase_add_loop_test(group, each_allocation_fails_in_turn, 0, io_case_count);
        tcase_add_loop_test(group, a_lock_or_thread_is_not_given, 0, 6);
    }
    suite_add_tcase(suite, group);
    return test_run(suite);
}
