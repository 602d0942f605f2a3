/* memory.c: all allocation, through the context's allocator. */
#include "base/base.h"
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#if defined(__linux__)
#include <sys/mman.h>
#endif

#define HUGE_PAGE ((size_t)2 << 20)

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

void *cn__allocate(const cn_context_options *options, size_t bytes) {
    size_t total = bytes ? (bytes + CN__ALIGN - 1) / CN__ALIGN * CN__ALIGN : CN__ALIGN;
    void *memory = options->allocate ? options->allocate(options->user, total, CN__ALIGN) : allocate_aligned(total);
    return memory ? memset(memory, 0, total) : NULL;
}

void cn__release(const cn_context_options *options, void *memory) {
    if (options->release)
        options->release(options->user, memory);
    else
        free(memory);
}

/* The C library's allocator has locks of its own. */
static void lock(cn_context *ctx) {
    if (ctx->options.allocate)
        pthread_mutex_lock(ctx->allocator_lock);
}

static void unlock(cn_context *ctx) {
    if (ctx->options.allocate)
        pthread_mutex_unlock(ctx->allocator_lock);
}

void *cn__alloc(cn_context *ctx, size_t count, size_t bytes) {
    size_t total;
    if (__builtin_mul_overflow(count, bytes, &total) || total > PTRDIFF_MAX - CN__ALIGN)
        return NULL;
    lock(ctx);
    void *memory = cn__allocate(&ctx->options, total);
    unlock(ctx);
    return memory;
}

void cn__free(cn_context *ctx, void *memory) {
    if (!memory)
        return;
    lock(ctx);
    cn__release(&ctx->options, memory);
    unlock(ctx);
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

cn_status cn__no_memory(const char *what) {
    return cn__error(CN_ERR_MEMORY, "no memory for %s", what);
}
