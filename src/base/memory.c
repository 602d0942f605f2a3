/* SPDX-License-Identifier: MIT */
/* memory.c: all allocation, through the context's allocator. */
#include "base/base.h"
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define HUGE_PAGE ((size_t)2 << 20)
#define SMALL     ((size_t)64 << 10) /* bytes that are allocated even where they are only counted */

#ifndef MAP_ANONYMOUS
#define MAP_ANONYMOUS MAP_ANON
#endif
#ifndef MAP_NORESERVE
#define MAP_NORESERVE 0
#endif

/* What is large comes on huge pages where the system has them: rows of maps and Winograd's 36 points are on more small
 * pages at a time than a processor remembers, and on virtual machines it takes long to look one up. */
static void *allocate_aligned(size_t bytes) {
    void *memory = NULL;
    if (posix_memalign(&memory, bytes < HUGE_PAGE ? CN__ALIGN : HUGE_PAGE, bytes) != 0)
        return NULL;
#if defined(MADV_HUGEPAGE)
    if (bytes >= HUGE_PAGE)
        (void)madvise(memory, bytes / HUGE_PAGE * HUGE_PAGE, MADV_HUGEPAGE);
#endif
    return memory;
}

/* Not zeroed. */
static void *allocate(const cn_context_options *options, size_t bytes) {
    size_t total = bytes ? (bytes + CN__ALIGN - 1) / CN__ALIGN * CN__ALIGN : CN__ALIGN;
    CN__IN_HOSTS_MODE;
    return options->allocate ? options->allocate(options->user, total, CN__ALIGN) : allocate_aligned(total);
}

void *cn__allocate(const cn_context_options *options, size_t bytes) {
    void *memory = allocate(options, bytes);
    return memory ? memset(memory, 0, bytes) : NULL;
}

void cn__release(const cn_context_options *options, void *memory) {
    CN__IN_HOSTS_MODE;
    if (options->release)
        options->release(options->user, memory);
    else
        free(memory);
}

/* ---- what is in use ---- */

/* In front of all memory that is counted. */
typedef struct header {
    size_t bytes; /* how much it is */
    void *whole;  /* as the allocator gave it */
} header;

#define HEADER_BYTES CN__ALIGN

bool cn__reserve(cn_context *ctx, size_t bytes) {
    size_t limit = ctx->options.memory_limit ? ctx->options.memory_limit : SIZE_MAX, before = ctx->in_use, peak;
    do {
        if (bytes > limit || before > limit - bytes) {
            cn__note_limit(limit, before, bytes);
            return false;
        }
    } while (!atomic_compare_exchange_weak(&ctx->in_use, &before, before + bytes));
    peak = ctx->peak;
    while (before + bytes > peak && !atomic_compare_exchange_weak(&ctx->peak, &peak, before + bytes)) {
    }
    return true;
}

void cn__unreserve(cn_context *ctx, size_t bytes) {
    atomic_fetch_sub(&ctx->in_use, bytes);
}

size_t cn_context_memory(const cn_context *context) {
    return context ? context->in_use : 0;
}

size_t cn_context_memory_peak(const cn_context *context) {
    return context ? context->peak : 0;
}

/* ---- allocation ---- */

/* The C library's allocator has locks of its own. False: this thread is within the context's allocator, which has called
 * the library. */
static bool lock(cn_context *ctx) {
    return !ctx->options.allocate || pthread_mutex_lock(ctx->allocator_lock) == 0;
}

static void unlock(cn_context *ctx) {
    if (ctx->options.allocate)
        pthread_mutex_unlock(ctx->allocator_lock);
}

static void *allocate_locked(cn_context *ctx, size_t bytes) {
    if (!lock(ctx))
        return NULL;
    void *memory = allocate(&ctx->options, bytes);
    unlock(ctx);
    return memory;
}

static void release_locked(cn_context *ctx, void *memory) {
    bool locked = lock(ctx);
    cn__release(&ctx->options, memory);
    if (locked)
        unlock(ctx);
}

/* Zeros that take no memory until they are written to, and then no more of it than that. */
static void *reserve_addresses(size_t bytes) {
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED)
        return NULL;
#if defined(MADV_NOHUGEPAGE)
    (void)madvise(memory, bytes, MADV_NOHUGEPAGE);
#endif
    return memory;
}

/* The C library writes no zeros to what comes fresh from the system, so that memory that nobody uses is none. */
static void *allocate_zeros(size_t bytes) {
    CN__IN_HOSTS_MODE;
    return calloc(1, bytes + CN__ALIGN);
}

static header *obtain(cn_context *ctx, size_t bytes, bool *zeroed) {
    bool large = bytes >= SMALL, zeros = !ctx->counts_for && !ctx->options.allocate && large && bytes < HUGE_PAGE;
    char *whole = ctx->counts_for ? (large ? reserve_addresses(bytes) : cn__alloc(ctx->counts_for, bytes, 1))
                  : zeros         ? allocate_zeros(bytes)
                                  : allocate_locked(ctx, bytes);
    if (!whole)
        return NULL;
    size_t skip = zeros ? (CN__ALIGN - (uintptr_t)whole % CN__ALIGN) % CN__ALIGN : 0; /* what others give is aligned */
    header *memory = (header *)(whole + skip);
    *memory = (header){bytes, whole};
    *zeroed = ctx->counts_for || zeros;
    return memory;
}

static void give_back(cn_context *ctx, const header *memory) {
    if (!ctx->counts_for)
        release_locked(ctx, memory->whole);
    else if (memory->bytes < SMALL)
        cn__free(ctx->counts_for, memory->whole);
    else
        (void)munmap(memory->whole, memory->bytes);
}

/* Counted, with its header, and maybe zeroed; `*bytes` is what is behind the header. */
static void *take(cn_context *ctx, size_t count, size_t each, size_t *bytes, bool *zeroed) {
    size_t total;
    if (__builtin_mul_overflow(count, each, &total) || total > PTRDIFF_MAX - CN__ALIGN - HEADER_BYTES)
        return NULL;
    *bytes = total;
    total += HEADER_BYTES + !total; /* no pointer is behind the end of its memory, where LeakSanitizer does not look */
    if (!cn__reserve(ctx, total))
        return NULL;
    header *memory = obtain(ctx, total, zeroed);
    if (!memory) {
        cn__note_limit(0, 0, 0); /* it was not that */
        cn__unreserve(ctx, total);
        return NULL;
    }
    return (char *)memory + HEADER_BYTES;
}

void *cn__alloc(cn_context *ctx, size_t count, size_t bytes) {
    size_t all;
    bool zeroed;
    void *memory = take(ctx, count, bytes, &all, &zeroed);
    return memory && !zeroed ? memset(memory, 0, all) : memory;
}

/* ---- memory of threads ---- */

typedef struct memory_pieces {
    char *memory;
    size_t bytes; /* of each */
} memory_pieces;

static void zero_piece(void *argument, size_t item, int thread) {
    const memory_pieces *p = argument;
    (void)thread;
    memset(p->memory + item * p->bytes, 0, p->bytes);
}

void *cn__alloc_pieces(cn_context *ctx, size_t pieces, size_t count, size_t bytes) {
    size_t each, all;
    bool zeroed;
    if (__builtin_mul_overflow(count, bytes, &each))
        return NULL;
    memory_pieces p = {take(ctx, pieces, each, &all, &zeroed), each};
    if (p.memory && !zeroed)
        cn__parallel(ctx, pieces, zero_piece, &p);
    return p.memory;
}

void cn__free(cn_context *ctx, void *memory) {
    if (!memory)
        return;
    header *whole = (header *)((char *)memory - HEADER_BYTES);
    cn__unreserve(ctx, whole->bytes);
    give_back(ctx, whole);
}

void cn__context_counting(cn_context *ctx, cn_context *counting) {
    *counting = (cn_context){.options = ctx->options,
                             .best_isa = ctx->best_isa,
                             .isa = ctx->isa,
                             .kernels = ctx->kernels,
                             .pool = ctx->pool,
                             .threads = ctx->threads,
                             .cores = ctx->cores,
                             .memory = ctx->memory,
                             .counts_for = ctx};
    counting->options.memory_limit = 0;
    counting->options.log = NULL;
    counting->options.trace = NULL;
}

char *cn__strdup(cn_context *ctx, const char *text) {
    size_t bytes = strlen(text) + 1;
    char *copy = cn__alloc(ctx, bytes, 1);
    return copy ? memcpy(copy, text, bytes) : NULL;
}

cn_status cn__grow(cn_context *ctx, void **array, size_t *capacity, size_t count, size_t bytes) {
    if (count < *capacity)
        return CN_OK;
    size_t larger = count < 8 ? 16 : 2 * count;
    void *grown = cn__alloc(ctx, larger, bytes);
    if (!grown)
        return cn__no_memory("a list");
    if (*array)
        memcpy(grown, *array, *capacity * bytes);
    cn__free(ctx, *array);
    *array = grown;
    *capacity = larger;
    return CN_OK;
}
