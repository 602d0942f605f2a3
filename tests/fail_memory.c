/* SPDX-License-Identifier: MIT */
/* fail_memory.c: stands between a program with its libraries and the C library's memory, locks and threads, and has the
 * n-th call fail (fail_memory.h). */
#define _GNU_SOURCE /* RTLD_NEXT, dladdr */
#include "fail_memory.h"
#include <stdlib.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
#if defined(__linux__) && defined(__GLIBC__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) &&     \
    !defined(SANITIZED)
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>

static struct {
    fail_memory_what what;
    int at;
    bool on;
} plan;
static atomic_int counted, failures;
static atomic_long live;
static _Atomic(void *) asker;

/* Whether this call, made from there, fails. */
static bool fails(fail_memory_what what, void *from) {
    void *none = NULL;
    if (plan.at == 0 || what != plan.what)
        return false;
    int number = atomic_fetch_add(&counted, 1) + 1;
    if (plan.on ? number < plan.at : number != plan.at)
        return false;
    atomic_compare_exchange_strong(&asker, &none, from);
    atomic_fetch_add(&failures, 1);
    return true;
}

#define FAILS(what) fails(what, __builtin_extract_return_addr(__builtin_return_address(0)))

/* ---- memory: glibc's own functions have second names ---- */

void *__libc_malloc(size_t bytes);
void *__libc_calloc(size_t count, size_t bytes);
void *__libc_realloc(void *memory, size_t bytes);
void *__libc_memalign(size_t alignment, size_t bytes);
void __libc_free(void *memory);

static void *given(void *memory) {
    if (memory)
        atomic_fetch_add(&live, 1);
    return memory;
}

static void *not_given(void) {
    errno = ENOMEM;
    return NULL;
}

void *malloc(size_t bytes) {
    return FAILS(FAIL_MEMORY) ? not_given() : given(__libc_malloc(bytes));
}

void *calloc(size_t count, size_t bytes) {
    return FAILS(FAIL_MEMORY) ? not_given() : given(__libc_calloc(count, bytes));
}

void *realloc(void *memory, size_t bytes) {
    if (FAILS(FAIL_MEMORY))
        return not_given();
    void *moved = __libc_realloc(memory, bytes);
    if (memory && bytes == 0)
        atomic_fetch_sub(&live, 1);
    return memory ? moved : given(moved);
}

void *memalign(size_t alignment, size_t bytes) {
    return FAILS(FAIL_MEMORY) ? not_given() : given(__libc_memalign(alignment, bytes));
}

void *aligned_alloc(size_t alignment, size_t bytes) {
    return FAILS(FAIL_MEMORY) ? not_given() : given(__libc_memalign(alignment, bytes));
}

int posix_memalign(void **memory, size_t alignment, size_t bytes) {
    if (FAILS(FAIL_MEMORY))
        return ENOMEM;
    *memory = given(__libc_memalign(alignment, bytes));
    return *memory ? 0 : ENOMEM;
}

void free(void *memory) {
    if (memory)
        atomic_fetch_sub(&live, 1);
    __libc_free(memory);
}

/* ---- locks and threads ---- */

#define REAL(name) (*(__typeof__(name) **)next(#name, (void *[1]){NULL}))

static void *next(const char *name, void **place) {
    *place = dlsym(RTLD_NEXT, name);
    return place;
}

int pthread_mutex_init(pthread_mutex_t *mutex, const pthread_mutexattr_t *attributes) {
    return FAILS(FAIL_MUTEX) ? ENOMEM : REAL(pthread_mutex_init)(mutex, attributes);
}

int pthread_cond_init(pthread_cond_t *condition, const pthread_condattr_t *attributes) {
    return FAILS(FAIL_CONDITION) ? EAGAIN : REAL(pthread_cond_init)(condition, attributes);
}

int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *), void *argument) {
    return FAILS(FAIL_THREAD) ? EAGAIN : REAL(pthread_create)(thread, attributes, run, argument);
}

/* ---- being told, and telling ---- */

void fail_memory_arm(fail_memory_what what, int at, bool on) {
    plan.at = 0;
    if (at == 0)
        return;
    plan.what = what;
    plan.on = on;
    counted = 0;
    failures = 0;
    asker = NULL;
    plan.at = at;
}

bool fail_memory_works(void) {
    fail_memory_arm(FAIL_MEMORY, 1, true);
    void *volatile memory = malloc(1); /* valgrind has put its own in place of ours */
    fail_memory_arm(FAIL_MEMORY, 0, false);
    free(memory);
    return !memory;
}

int fail_memory_failures(void) {
    return failures;
}

const char *fail_memory_asker(void) {
    Dl_info info;
    if (!asker || !dladdr(asker, &info) || !info.dli_fname)
        return "?";
    const char *slash = strrchr(info.dli_fname, '/');
    return slash ? slash + 1 : info.dli_fname;
}

long fail_memory_live(void) {
    return live;
}

#else

bool fail_memory_works(void) {
    return false;
}

void fail_memory_arm(fail_memory_what what, int at, bool on) {
    (void)what;
    (void)at;
    (void)on;
}

int fail_memory_failures(void) {
    return 0;
}

const char *fail_memory_asker(void) {
    return "?";
}

long fail_memory_live(void) {
    return 0;
}

#endif
