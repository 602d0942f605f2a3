/* memory.c: all allocation, through the context's allocator. */
#include "base/base.h"
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

void *cn__alloc(cn_context *ctx, size_t count, size_t bytes) {
    size_t total;
    void *memory = NULL;
    if (__builtin_mul_overflow(count, bytes, &total) || total > SIZE_MAX / 2)
        return NULL;
    total = total ? (total + CN__ALIGN - 1) / CN__ALIGN * CN__ALIGN : CN__ALIGN;
    if (ctx->options.allocate) {
        pthread_mutex_lock(ctx->allocator_lock);
        memory = ctx->options.allocate(ctx->options.user, total, CN__ALIGN);
        pthread_mutex_unlock(ctx->allocator_lock);
    } else if (posix_memalign(&memory, CN__ALIGN, total) != 0) {
        memory = NULL;
    }
    return memory ? memset(memory, 0, total) : NULL;
}

void cn__free(cn_context *ctx, void *memory) {
    if (!memory)
        return;
    if (!ctx->options.release) {
        free(memory);
        return;
    }
    pthread_mutex_lock(ctx->allocator_lock);
    ctx->options.release(ctx->options.user, memory);
    pthread_mutex_unlock(ctx->allocator_lock);
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
