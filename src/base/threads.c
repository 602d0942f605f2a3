/* SPDX-License-Identifier: MIT */
/* threads.c: the context's own pool. Workers spin for a moment between pieces of work, since a training step is about
 * a hundred of them, and sleep when nothing comes. */
#include "base/base.h"
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#define SPIN_NANOSECONDS 50000             /* what a sleeper's wake-up costs */
#define LEAST_STACK      ((size_t)1 << 20) /* of a worker, whatever the system's default */
#define OWN_LINE         _Alignas(64)      /* counters that one thread changes while others read their neighbours */

typedef struct worker {
    cn__pool *pool;
    int index;
    pthread_t handle;
    OWN_LINE atomic_size_t next; /* of its range, the item that is to be taken */
} worker;

struct cn__pool {
    pid_t process;        /* whose threads the workers are: a child after fork() has the caller alone */
    int threads, started; /* workers, the caller included; those that run */
    bool spins;           /* whether every thread has a core to spin on */
    worker *workers;
    pthread_mutex_t busy; /* held by the caller whose work is under way */
    pthread_mutex_t lock;
    pthread_cond_t wake, done;
    cn__task task;
    void *argument;
    size_t items;
    bool helps;                      /* who has finished takes the others' items */
    uint64_t hosts_mode;             /* the caller's */
    OWN_LINE atomic_uint generation; /* counts pieces of work */
    OWN_LINE atomic_uint remaining;  /* workers that have not finished this one */
    OWN_LINE atomic_int sleepers;
    atomic_bool caller_sleeps, stop;
};

static void pause_briefly(void) {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

/* Watches a counter for a moment; true once whether it equals `value` is as wanted. */
static bool spin_until(const cn__pool *pool, atomic_uint *counter, unsigned value, bool equal) {
    int64_t start = pool->spins ? cn__nanoseconds() : 0;
    for (unsigned i = 1; pool->spins; i++) {
        if ((atomic_load_explicit(counter, memory_order_acquire) == value) == equal)
            return true;
        pause_briefly();
        if (i % 32 == 0 && cn__nanoseconds() - start > SPIN_NANOSECONDS)
            return false;
    }
    return false;
}

/* Where a thread's range of so many items begins; that of the one behind the last: where all end. */
static size_t range_of(const cn__pool *pool, size_t items, size_t thread) {
    size_t threads = (size_t)pool->threads;
    return items / threads * thread + items % threads * thread / threads;
}

static size_t range_begin(const cn__pool *pool, size_t thread) {
    return range_of(pool, pool->items, thread);
}

static void run_range(const cn__pool *pool, size_t index) {
    for (size_t i = range_begin(pool, index), end = range_begin(pool, index + 1); i < end; i++)
        pool->task(pool->argument, i, (int)index);
}

/* Its own range first, then what is left of the others'. */
static void run_ranges(const cn__pool *pool, size_t index) {
    size_t threads = (size_t)pool->threads;
    for (size_t i = 0; i < threads; i++) {
        size_t whose = (index + i) % threads, end = range_begin(pool, whose + 1);
        atomic_size_t *next = &pool->workers[whose].next;
        for (size_t item; (item = atomic_fetch_add_explicit(next, 1, memory_order_relaxed)) < end;)
            pool->task(pool->argument, item, (int)index);
    }
}

static void run_items(const cn__pool *pool, int index) {
    pool->helps ? run_ranges(pool, (size_t)index) : run_range(pool, (size_t)index);
}

/* The workers stay behind when a process forks, and may hold the pool's locks for ever. */
static bool in_child(const cn__pool *pool) {
    return pool->process != getpid();
}

/* Returns when there is work beyond generation `seen`, or the pool ends. False: a function of the host has forked, and this
 * is the child, where nobody will ever want anything of this thread. */
static bool await_work(cn__pool *pool, unsigned seen) {
    if (spin_until(pool, &pool->generation, seen, false))
        return true;
    if (in_child(pool))
        return false;
    pthread_mutex_lock(&pool->lock);
    atomic_fetch_add(&pool->sleepers, 1);
    while (atomic_load(&pool->generation) == seen)
        pthread_cond_wait(&pool->wake, &pool->lock);
    atomic_fetch_sub(&pool->sleepers, 1);
    pthread_mutex_unlock(&pool->lock);
    return true;
}

static void *work(void *argument) {
    worker *self = argument;
    cn__pool *pool = self->pool;
    for (unsigned seen = 0;; seen++) {
        if (!await_work(pool, seen) || atomic_load(&pool->stop))
            return NULL;
        cn__own_mode_for(pool->hosts_mode);
        run_items(pool, self->index);
        if (atomic_fetch_sub(&pool->remaining, 1) == 1 && atomic_load(&pool->caller_sleeps)) {
            pthread_mutex_lock(&pool->lock);
            pthread_cond_signal(&pool->done);
            pthread_mutex_unlock(&pool->lock);
        }
    }
}

/* Lets the workers see what the pool now holds. */
static void announce(cn__pool *pool) {
    atomic_fetch_add(&pool->generation, 1);
    if (atomic_load(&pool->sleepers) > 0) {
        pthread_mutex_lock(&pool->lock);
        pthread_cond_broadcast(&pool->wake);
        pthread_mutex_unlock(&pool->lock);
    }
}

static void await_workers(cn__pool *pool) {
    if (spin_until(pool, &pool->remaining, 0, true))
        return;
    if (in_child(pool)) { /* as above: how far the others came is not known here */
        for (int t = pool->helps ? 0 : 1; t < pool->threads; t++)
            run_range(pool, (size_t)t);
        return;
    }
    pthread_mutex_lock(&pool->lock);
    atomic_store(&pool->caller_sleeps, true);
    while (atomic_load(&pool->remaining) > 0)
        pthread_cond_wait(&pool->done, &pool->lock);
    atomic_store(&pool->caller_sleeps, false);
    pthread_mutex_unlock(&pool->lock);
}

/* The host's signals stay with the host's threads, but for those that a fault of the worker itself raises: the host's
 * handler, if it has one, is to see them. */
static void worker_signals(sigset_t *blocked) {
    static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS};
    sigfillset(blocked);
    for (size_t i = 0; i < CN__COUNT(faults); i++)
        sigdelset(blocked, faults[i]);
}

/* The default may follow a limit that is meant for the host's own threads (glibc), or be 128 KiB (musl). */
static int enlarge_stack(pthread_attr_t *attributes) {
    size_t bytes = 0;
    int error = pthread_attr_getstacksize(attributes, &bytes);
    return error || bytes >= LEAST_STACK ? error : pthread_attr_setstacksize(attributes, LEAST_STACK);
}

static int start_worker(worker *w) {
    sigset_t blocked, before;
    pthread_attr_t attributes;
    int error = pthread_attr_init(&attributes);
    if (error)
        return error;
    error = enlarge_stack(&attributes);
    worker_signals(&blocked);
    pthread_sigmask(SIG_SETMASK, &blocked, &before);
    if (!error)
        error = pthread_create(&w->handle, &attributes, work, w);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    return error;
}

static int init_locks(cn__pool *pool) {
    int error = pthread_mutex_init(&pool->busy, NULL);
    if (error)
        return error;
    if ((error = pthread_mutex_init(&pool->lock, NULL)) != 0)
        goto fail_lock;
    if ((error = pthread_cond_init(&pool->wake, NULL)) != 0)
        goto fail_wake;
    if ((error = pthread_cond_init(&pool->done, NULL)) != 0)
        goto fail_done;
    return 0;
fail_done:
    pthread_cond_destroy(&pool->wake);
fail_wake:
    pthread_mutex_destroy(&pool->lock);
fail_lock:
    pthread_mutex_destroy(&pool->busy);
    return error;
}

/* The workers' places, unless they have none: the first is the caller's, whom nobody binds. */
static cn_status pin_workers(cn_context *ctx, const cn__pool *pool) {
    size_t threads = (size_t)pool->threads;
    int error = 0, *cores = ctx->options.pin ? cn__alloc(ctx, threads, sizeof *cores) : NULL;
    if (!cores)
        return ctx->options.pin ? cn__no_memory("threads") : CN_OK;
    size_t count = cn__cpu_pinnable(cores, threads);
    for (size_t t = 1; count > 0 && t < threads && !error; t++)
        error = cn__cpu_pin(pool->workers[t].handle, cores[t % count]);
    cn__free(ctx, cores);
    if (count == 0)
        return cn__error(CN_ERR_UNSUPPORTED,
                         "cn_context_new: pin is 1, but this system does not say where threads may run");
    return error ? cn__error(CN_ERR_UNSUPPORTED, "cn_context_new: pin is 1: %s", strerror(error)) : CN_OK;
}

static void start_workers(cn_context *ctx, cn__pool *pool, int threads) {
    for (pool->started = 1; pool->started < threads; pool->started++) {
        worker *w = &pool->workers[pool->started];
        *w = (worker){.pool = pool, .index = pool->started};
        int error = start_worker(w);
        if (error) {
            cn__log(ctx, CN_LOG_WARNING, "thread %d of %d could not be started: %s; going on with %d",
                    pool->started + 1, threads, strerror(error), pool->started);
            break;
        }
    }
    pool->threads = pool->started;
}

cn_status cn__pool_new(cn_context *ctx, int threads, cn__pool **pool) {
    *pool = NULL;
    cn__pool *made = cn__alloc(ctx, 1, sizeof *made);
    if (!made)
        return cn__no_memory("threads");
    made->workers = cn__alloc(ctx, (size_t)threads, sizeof *made->workers);
    int error = made->workers ? init_locks(made) : 0;
    if (!made->workers || error) {
        cn__free(ctx, made->workers);
        cn__free(ctx, made);
        return error && error != ENOMEM ? cn__error(CN_ERR_UNSUPPORTED, "threads: %s", strerror(error))
                                        : cn__no_memory("threads");
    }
    made->process = getpid();
    made->threads = threads;
    made->spins = threads <= ctx->cores;
    start_workers(ctx, made, threads);
    *pool = made;
    return pin_workers(ctx, made);
}

int cn__pool_threads(const cn__pool *pool) {
    return pool->threads;
}

static void end_workers(cn__pool *pool) {
    atomic_store(&pool->stop, true);
    announce(pool);
    for (int t = 1; t < pool->started; t++)
        pthread_join(pool->workers[t].handle, NULL);
    pthread_cond_destroy(&pool->done);
    pthread_cond_destroy(&pool->wake);
    pthread_mutex_destroy(&pool->lock);
    pthread_mutex_destroy(&pool->busy);
}

void cn__pool_free(cn_context *ctx, cn__pool *pool) {
    if (!pool)
        return;
    if (!in_child(pool)) /* else there is nobody to join, and destroying what they wait for would hang */
        end_workers(pool);
    cn__free(ctx, pool->workers);
    cn__free(ctx, pool);
}

/* On this thread alone: one item, somebody else's work under way, or the child of a fork, which has no workers. */
static bool runs_alone(cn__pool *pool, size_t items) {
    return pool->threads == 1 || items <= 1 || in_child(pool) || pthread_mutex_trylock(&pool->busy) != 0;
}

static void run_shared(cn__pool *pool, size_t items, bool helps, cn__task task, void *argument) {
    pool->task = task;
    pool->argument = argument;
    pool->items = items;
    pool->helps = helps;
    pool->hosts_mode = cn__hosts_mode();
    for (size_t t = 0; helps && t < (size_t)pool->threads; t++)
        atomic_store_explicit(&pool->workers[t].next, range_begin(pool, t), memory_order_relaxed);
    atomic_store(&pool->remaining, (unsigned)pool->threads - 1);
    announce(pool);
    run_items(pool, 0);
    await_workers(pool);
    pthread_mutex_unlock(&pool->busy);
}

static void run(const cn_context *ctx, size_t items, bool helps, cn__task task, void *argument) {
    CN__COMPUTES;
    if (!runs_alone(ctx->pool, items))
        run_shared(ctx->pool, items, helps, task, argument);
    else
        for (size_t i = 0; i < items; i++)
            task(argument, i, 0);
}

void cn__parallel(const cn_context *ctx, size_t items, cn__task task, void *argument) {
    run(ctx, items, false, task, argument);
}

size_t cn__parallel_mirrored(const cn_context *ctx, size_t items, size_t item) {
    size_t thread = 0;
    while (item >= range_of(ctx->pool, items, thread + 1))
        thread++;
    return range_of(ctx->pool, items, thread) + range_of(ctx->pool, items, thread + 1) - 1 - item;
}

void cn__parallel_helping(const cn_context *ctx, size_t items, cn__task task, void *argument) {
    run(ctx, items, true, task, argument);
}
