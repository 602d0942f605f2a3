/* SPDX-License-Identifier: MIT */
/* arena.h: memory shared by buffers that are not alive together (arena.c). */
#ifndef CN_ARENA_H
#define CN_ARENA_H

#include "base/base.h"

typedef struct cn__buffer {
    size_t floats;
    int32_t first, last; /* times */
    float **target;      /* gets the address + origin; stays as it is if floats is 0 */
    size_t origin;
    size_t number; /* in the order in which they were added */
    size_t offset; /* the result */
} cn__buffer;

typedef struct cn__arena {
    cn_context *ctx;
    cn__buffer *buffers;
    size_t count, capacity;
} cn__arena;

cn_status cn__arena_add(cn__arena *arena, size_t floats, int32_t first, int32_t last, float **target, size_t origin);
/* Finds a place for each buffer, in another order; `*floats` is what they take together. */
cn_status cn__arena_fit(cn__arena *arena, size_t *floats);
/* The same, then allocates `*memory` for `copies` of the whole, `*floats` each, and fills the targets. */
cn_status cn__arena_place(cn__arena *arena, size_t copies, float **memory, size_t *floats);
void cn__arena_drop(cn__arena *arena);

#endif
