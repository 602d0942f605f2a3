/* SPDX-License-Identifier: MIT */
/* arena.c: places buffers with lifetimes in one piece of memory: largest first, each at the lowest place that no
 * buffer alive at the same time covers. */
#include "plan/arena.h"
#include <stdlib.h>

#define MAX_FLOATS (SIZE_MAX >> (sizeof(size_t) > 4 ? 20 : 4)) /* beyond any machine, and sums of two do not overflow */

cn_status cn__arena_add(cn__arena *arena, size_t floats, int32_t first, int32_t last, float **target, size_t origin) {
    if (floats > MAX_FLOATS)
        return cn__no_memory("an activation");
    CN__TRY(cn__grow(arena->ctx, (void **)&arena->buffers, &arena->capacity, arena->count, sizeof *arena->buffers));
    floats = cn__whole_lines(floats);
    arena->buffers[arena->count] = (cn__buffer){floats, first, last, target, origin, arena->count, 0};
    arena->count++;
    return CN_OK;
}

static int by_size(const void *a, const void *b) {
    const cn__buffer *x = a, *y = b;
    if (x->floats != y->floats)
        return x->floats < y->floats ? 1 : -1;
    return (x->number > y->number) - (x->number < y->number);
}

/* The lowest offset at which `buffer` overlaps none of the placed ones that it lives beside. */
static size_t lowest_place(const cn__buffer *placed, size_t count, const cn__buffer *buffer) {
    size_t offset = 0;
    for (bool moved = true; moved;) {
        moved = false;
        for (size_t i = 0; i < count; i++) {
            const cn__buffer *other = &placed[i];
            bool together = buffer->first <= other->last && other->first <= buffer->last;
            if (together && offset < other->offset + other->floats && other->offset < offset + buffer->floats) {
                offset = other->offset + other->floats;
                moved = true;
            }
        }
    }
    return offset;
}

cn_status cn__arena_fit(cn__arena *arena, size_t *floats) {
    *floats = 0;
    if (arena->count > 0)
        qsort(arena->buffers, arena->count, sizeof *arena->buffers, by_size);
    for (size_t i = 0; i < arena->count; i++) {
        cn__buffer *buffer = &arena->buffers[i];
        buffer->offset = lowest_place(arena->buffers, i, buffer);
        if (buffer->offset + buffer->floats > *floats)
            *floats = buffer->offset + buffer->floats;
        if (*floats > MAX_FLOATS)
            return cn__no_memory("the model's activations");
    }
    return CN_OK;
}

cn_status cn__arena_place(cn__arena *arena, size_t copies, float **memory, size_t *floats) {
    CN__TRY(cn__arena_fit(arena, floats));
    if (*floats > MAX_FLOATS / copies)
        return cn__no_memory("the model's activations");
    *floats |= CN__LANES; /* an odd number of lines, as in cn__fmap_layout; at least one */
    *memory = cn__alloc_pieces(arena->ctx, copies, *floats, sizeof **memory);
    if (!*memory)
        return cn__no_memory("the model's activations");
    for (size_t i = 0; i < arena->count; i++)
        if (arena->buffers[i].floats > 0)
            *arena->buffers[i].target = *memory + arena->buffers[i].offset + arena->buffers[i].origin;
    return CN_OK;
}

void cn__arena_drop(cn__arena *arena) {
    cn__free(arena->ctx, arena->buffers);
}
