/* SPDX-License-Identifier: MIT */
/* test_threads.c: the pool of threads. */
#define _GNU_SOURCE /* pthread_setattr_default_np, pthread_getaffinity_np */
#include "testing.h"
#include "base/base.h"
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#if defined(__SSE__)
#include <xmmintrin.h>
#endif

TEST_RUNS_ONCE;

static const int thread_counts[] = {1, 2, 3, 8};

enum { MAX_ITEMS = 100 };

typedef struct tally {
    atomic_int count[MAX_ITEMS];
    pthread_t who[MAX_ITEMS];
    int number[MAX_ITEMS];
} tally;

static void note(void *argument, size_t item, int thread) {
    tally *t = argument;
    atomic_fetch_add(&t->count[item], 1);
    t->number[item] = thread;
    t->who[item] = pthread_self();
}

static void (*const ways[])(const cn_context *, size_t, cn__task, void *) = {cn__parallel, cn__parallel_helping};

START_TEST(every_item_runs_once) {
    int threads = thread_counts[_i];
    cn_context *ctx = test_context(threads);
    for (int round = 0; round < (test_quick() ? 5 : 50); round++)
        for (size_t items = 0; items <= MAX_ITEMS; items += items < 10 ? 1 : 9) {
            tally t = {0};
            ways[round % 2](ctx, items, note, &t);
            for (size_t i = 0; i < MAX_ITEMS; i++)
                ck_assert_int_eq(atomic_load(&t.count[i]), i < items);
        }
    cn_context_free(ctx);
}
END_TEST

static int items_done(tally *t) {
    int done = 0;
    for (int i = 0; i < MAX_ITEMS; i++)
        done += atomic_load(&t->count[i]);
    return done;
}

/* The first item counts if all others end while it waits: whoever has it, another thread has to do the rest. */
static void wait_for_the_others(void *argument, size_t item, int thread) {
    tally *t = argument;
    for (int tries = 0; item == 0 && items_done(t) < MAX_ITEMS - 1 && tries < 5000; tries++)
        nanosleep(&(struct timespec){0, 1000000}, NULL);
    if (item > 0 || items_done(t) == MAX_ITEMS - 1)
        note(argument, item, thread);
}

START_TEST(who_has_finished_helps) {
    tally t = {0};
    cn_context *ctx = test_context(2);
    cn__parallel_helping(ctx, MAX_ITEMS, wait_for_the_others, &t);
    ck_assert_int_eq(items_done(&t), MAX_ITEMS);
    cn_context_free(ctx);
}
END_TEST

START_TEST(mirrored_items_stay_with_their_thread) {
    size_t threads = (size_t)thread_counts[_i];
    cn_context *ctx = test_context((int)threads);
    for (size_t t = 0; t < threads; t++) {
        size_t first = t * MAX_ITEMS / threads, end = (t + 1) * MAX_ITEMS / threads;
        for (size_t i = first; i < end; i++)
            ck_assert_uint_eq(cn__parallel_mirrored(ctx, MAX_ITEMS, i), first + end - 1 - i);
    }
    ck_assert_uint_eq(cn__parallel_mirrored(ctx, 1, 0), 0);
    cn_context_free(ctx);
}
END_TEST

/* Item i belongs to the thread whose range holds it, call after call; the caller has the first range. */
START_TEST(items_stay_with_their_thread) {
    size_t threads = (size_t)thread_counts[_i];
    cn_context *ctx = test_context((int)threads);
    tally first = {0}, second = {0};
    cn__parallel(ctx, MAX_ITEMS, note, &first);
    cn__parallel(ctx, MAX_ITEMS, note, &second);
    for (size_t t = 0; t < threads; t++)
        for (size_t i = t * MAX_ITEMS / threads; i < (t + 1) * MAX_ITEMS / threads; i++) {
            ck_assert(pthread_equal(first.who[i], first.who[t * MAX_ITEMS / threads]));
            ck_assert(pthread_equal(first.who[i], second.who[i]));
            ck_assert_int_eq(first.number[i], (int)t);
        }
    ck_assert(pthread_equal(first.who[0], pthread_self()));
    cn_context_free(ctx);
}
END_TEST

static void *call_often(void *ctx) {
    for (int round = 0; round < (test_quick() ? 20 : 300); round++) {
        tally t = {0};
        cn__parallel(ctx, 20, note, &t);
        for (int i = 0; i < 20; i++)
            if (atomic_load(&t.count[i]) != 1)
                return "an item did not run once";
    }
    return NULL;
}

START_TEST(several_callers_may_share_a_pool) {
    cn_context *ctx = test_context(thread_counts[_i]);
    pthread_t callers[4];
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(pthread_create(&callers[i], NULL, call_often, ctx), 0);
    for (int i = 0; i < 4; i++) {
        void *complaint;
        pthread_join(callers[i], &complaint);
        ck_assert_ptr_null(complaint);
    }
    cn_context_free(ctx);
}
END_TEST

/* Long enough pauses that workers and, once, the caller have gone to sleep. */
static void wait_in_one_item(void *argument, size_t item, int thread) {
    if (item == (size_t)MAX_ITEMS - 1)
        nanosleep(&(struct timespec){0, 2000000}, NULL);
    note(argument, item, thread);
}

START_TEST(sleepers_wake_up) {
    cn_context *ctx = test_context(thread_counts[_i]);
    for (int round = 0; round < 10; round++) {
        tally t = {0};
        nanosleep(&(struct timespec){0, 1000000}, NULL);
        cn__parallel(ctx, MAX_ITEMS, wait_in_one_item, &t);
        for (int i = 0; i < MAX_ITEMS; i++)
            ck_assert_int_eq(atomic_load(&t.count[i]), 1);
    }
    cn_context_free(ctx);
}
END_TEST

static void see_signals(void *argument, size_t item, int thread) {
    sigset_t *masks = argument;
    (void)thread;
    pthread_sigmask(SIG_SETMASK, NULL, &masks[item]);
}

START_TEST(workers_leave_signals_to_the_host) {
    cn_context *ctx = test_context(3);
    sigset_t masks[3];
    cn__parallel(ctx, 3, see_signals, masks);
    ck_assert_int_eq(sigismember(&masks[0], SIGINT), 0);
    ck_assert_int_eq(sigismember(&masks[1], SIGINT), 1);
    ck_assert_int_eq(sigismember(&masks[2], SIGTERM), 1);
    ck_assert_int_eq(sigismember(&masks[1], SIGSEGV), 0); /* the worker's own fault */
    cn_context_free(ctx);
}
END_TEST

#if defined(__GLIBC__) && !defined(__SANITIZE_THREAD__) /* which takes half of a small stack for itself */
static void use_much_stack(void *argument, size_t item, int thread) {
    volatile char much[768 << 10];
    (void)thread;
    for (size_t i = 0; i < sizeof much; i += 1024)
        much[i] = (char)item;
    ((int *)argument)[item] = much[0];
}

/* ulimit -s is the default of all threads; it may be small. */
START_TEST(workers_have_stacks_of_their_own_size) {
    pthread_attr_t small;
    int got[4] = {9, 9, 9, 9};
    pthread_attr_init(&small);
    ck_assert_int_eq(pthread_attr_setstacksize(&small, 64 << 10), 0);
    ck_assert_int_eq(pthread_setattr_default_np(&small), 0);
    cn_context *ctx = test_context(4);
    cn__parallel(ctx, 4, use_much_stack, got);
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(got[i], i);
    cn_context_free(ctx);
}
END_TEST
#endif

/* ---- processes ---- */

/* In the child: 0 if all items ran, on the only thread that it has. */
static int run_as_child(cn_context *ctx) {
    tally t = {0};
    int wrong = 0;
    alarm(20);
    cn__parallel(ctx, MAX_ITEMS, note, &t);
    for (int i = 0; i < MAX_ITEMS; i++)
        wrong += atomic_load(&t.count[i]) != 1 || !pthread_equal(t.who[i], pthread_self());
    cn_context_free(ctx);
#if !defined(__SANITIZE_THREAD__) /* which does not bear new threads after a fork */
    cn_context *own = test_context(2);
    cn__parallel(own, MAX_ITEMS, note, &t);
    for (int i = 0; i < MAX_ITEMS; i++)
        wrong += atomic_load(&t.count[i]) != 2;
    cn_context_free(own);
#endif
    return wrong;
}

START_TEST(a_child_works_without_workers) {
    cn_context *ctx = test_context(thread_counts[_i]);
    tally before = {0}, after = {0};
    int status;
    cn__parallel(ctx, MAX_ITEMS, note, &before);
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0)
        _exit(run_as_child(ctx) ? 1 : 0);
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert(WIFEXITED(status));
    ck_assert_int_eq(WEXITSTATUS(status), 0);
    cn__parallel(ctx, MAX_ITEMS, note, &after);
    ck_assert_int_eq(atomic_load(&after.count[MAX_ITEMS - 1]), 1);
    cn_context_free(ctx);
}
END_TEST

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
static void remember(void *user, cn_log_level level, const char *message) {
    ck_assert_int_eq(level, CN_LOG_WARNING);
    snprintf(user, 200, "%s", message);
}

/* Of 1024 threads' stacks few fit in. */
START_TEST(fewer_threads_than_asked_for_will_do) {
    cn_context_options options = CN_CONTEXT_OPTIONS_INIT;
    cn_device device = CN_DEVICE_INIT;
    char message[200] = "";
    struct rlimit limit;
    cn_context *ctx;
    tally t = {0};
    ck_assert_int_eq(getrlimit(RLIMIT_AS, &limit), 0);
    limit.rlim_cur = (rlim_t)1 << 30;
    ck_assert_int_eq(setrlimit(RLIMIT_AS, &limit), 0);
    options.threads = 1024;
    options.log = remember;
    options.user = message;
    ck_ok(cn_context_new(&options, &ctx));
    ck_ok(cn_context_device(ctx, &device));
    ck_assert_int_lt(device.threads, 1024);
    ck_assert_msg(strstr(message, "of 1024 could not be started") != NULL, "'%s'", message);
    cn__parallel(ctx, MAX_ITEMS, note, &t);
    for (int i = 0; i < MAX_ITEMS; i++)
        ck_assert_int_eq(atomic_load(&t.count[i]), 1);
    cn_context_free(ctx);
}
END_TEST
#endif

/* ---- floating point ---- */

#if defined(__SSE__)
static void divide_by_two(void *argument, size_t item, int thread) {
    volatile float *values = argument;
    (void)thread;
    values[item] = values[item] / 2.0f;
}

/* What lies below the least normal number is zero, on whichever thread; the caller's own arithmetic stays as it is. */
START_TEST(subnormal_numbers_are_zero_within) {
    cn_context *ctx = test_context(thread_counts[_i]);
    unsigned before = _mm_getcsr() | 0x2000; /* rounding down, to see that it stays */
    volatile float values[MAX_ITEMS], outside = 1.2e-38f;
    _mm_setcsr(before);
    for (int i = 0; i < MAX_ITEMS; i++)
        values[i] = i % 2 ? 1.2e-38f : 4.0f;
    cn__parallel(ctx, MAX_ITEMS, divide_by_two, (void *)values);
    for (int i = 0; i < MAX_ITEMS; i++)
        ck_assert_float_eq(values[i], i % 2 ? 0.0f : 2.0f);
    ck_assert_uint_eq(_mm_getcsr() & ~0x3fu, before & ~0x3fu);
    ck_assert(outside / 2.0f > 0.0f);
    cn_context_free(ctx);
}
END_TEST
#endif

/* ---- threads that stay on a core ---- */

#if defined(__linux__)
typedef struct places {
    cpu_set_t of[8];
} places;

static void note_place(void *argument, size_t item, int thread) {
    places *p = argument;
    (void)item;
    ck_assert_int_eq(pthread_getaffinity_np(pthread_self(), sizeof p->of[thread], &p->of[thread]), 0);
}

static cn_context *pinned_context(int threads) {
    cn_context_options options = CN_CONTEXT_OPTIONS_INIT;
    cn_context *ctx;
    options.threads = threads;
    options.pin = 1;
    ck_ok(cn_context_new(&options, &ctx));
    return ctx;
}

/* Each on one, as many of them as there are; the caller may run where it might before. */
START_TEST(pinned_workers_have_a_core_each) {
    cpu_set_t allowed;
    places p;
    ck_assert_int_eq(sched_getaffinity(0, sizeof allowed, &allowed), 0);
    int cores = CPU_COUNT(&allowed);
    cn_context *ctx = pinned_context(8);
    cn__parallel(ctx, 8, note_place, &p);
    ck_assert(CPU_EQUAL(&p.of[0], &allowed));
    for (int t = 1; t < 8; t++) {
        cpu_set_t both;
        CPU_AND(&both, &p.of[t], &allowed);
        ck_assert_int_eq(CPU_COUNT(&p.of[t]), 1);
        ck_assert_int_eq(CPU_COUNT(&both), 1);
        for (int u = 1; u < t; u++)
            ck_assert_int_eq(CPU_EQUAL(&p.of[t], &p.of[u]) != 0, (t - u) % cores == 0);
    }
    cn_context_free(ctx);
}
END_TEST

/* As a launcher leaves it to a process. */
START_TEST(pinned_workers_stay_where_the_caller_may_run) {
    cpu_set_t allowed, last;
    places p;
    int core = 0;
    ck_assert_int_eq(sched_getaffinity(0, sizeof allowed, &allowed), 0);
    for (int i = 0; i < CPU_SETSIZE; i++)
        core = CPU_ISSET(i, &allowed) ? i : core;
    CPU_ZERO(&last);
    CPU_SET(core, &last);
    ck_assert_int_eq(sched_setaffinity(0, sizeof last, &last), 0);
    cn_context *ctx = pinned_context(3);
    cn__parallel(ctx, 3, note_place, &p);
    for (int t = 0; t < 3; t++)
        ck_assert(CPU_EQUAL(&p.of[t], &last));
    cn_context_free(ctx);
    ck_assert_int_eq(sched_setaffinity(0, sizeof allowed, &allowed), 0);
}
END_TEST
#endif

/* What each thread writes first is zero, whoever it was that had it before. */
START_TEST(memory_in_pieces_is_zero) {
    cn_context *ctx = test_context(3);
    for (size_t pieces = 1; pieces < 8; pieces += 3)
        for (size_t count = 1; count < 5000; count *= 7) {
            unsigned char *memory = cn__alloc_pieces(ctx, pieces, count, 3);
            ck_assert_ptr_nonnull(memory);
            for (size_t i = 0; i < pieces * count * 3; i++) {
                ck_assert_int_eq(memory[i], 0);
                memory[i] = 0xff;
            }
            cn__free(ctx, memory);
        }
    ck_assert_ptr_null(cn__alloc_pieces(ctx, 2, SIZE_MAX / 4, 8));
    ck_assert_ptr_null(cn__alloc_pieces(ctx, SIZE_MAX / 4, 2, 4));
    cn_context_free(ctx);
}
END_TEST

int main(void) {
    const TTest *const pool[] = {
        every_item_runs_once,
        items_stay_with_their_thread,
        mirrored_items_stay_with_their_thread,
        several_callers_may_share_a_pool,
        sleepers_wake_up,
        a_child_works_without_workers,
#if defined(__SSE__)
        subnormal_numbers_are_zero_within
#endif
    };
    const TTest *const process[] = {
        who_has_finished_helps,
        memory_in_pieces_is_zero,
#if defined(__linux__)
        pinned_workers_have_a_core_each,
        pinned_workers_stay_where_the_caller_may_run,
#endif
        workers_leave_signals_to_the_host,
#if defined(__GLIBC__) && !defined(__SANITIZE_THREAD__)
        workers_have_stacks_of_their_own_size,
#endif
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
        fewer_threads_than_asked_for_will_do
#endif
    };
    Suite *suite = suite_create("threads");
    test_add(suite, "pool", pool, CN__COUNT(pool), (int)CN__COUNT(thread_counts));
    test_add(suite, "process", process, CN__COUNT(process), 1);
    return test_run(suite);
}
