/* SPDX-License-Identifier: MIT */
/* folder_set.c: folders that have been read, by device and inode: a table with a place for each, or one of the next. */
#include "data/folder_layout.h"

enum { FEW = 64 };

/* Where a folder is in the table, or would be. */
static struct cn__folder_id *find_slot(const cn__folder_set *set, dev_t device, ino_t inode) {
    uint64_t hash = ((uint64_t)inode ^ (uint64_t)device << 32) * 0x9e3779b97f4a7c15;
    size_t at = (size_t)(hash >> 20) % set->capacity;
    while (set->slots[at].taken && (set->slots[at].inode != inode || set->slots[at].device != device))
        at = at + 1 < set->capacity ? at + 1 : 0;
    return &set->slots[at];
}

/* So that half of the table stays free. */
static cn_status make_room(cn_context *ctx, cn__folder_set *set) {
    if (2 * set->count < set->capacity)
        return CN_OK;
    cn__folder_set larger = {.count = set->count, .capacity = set->capacity ? 2 * set->capacity : FEW};
    larger.slots = cn__alloc(ctx, larger.capacity, sizeof *larger.slots);
    if (!larger.slots)
        return cn__no_memory("the names of a folder");
    for (size_t i = 0; i < set->capacity; i++)
        if (set->slots[i].taken)
            *find_slot(&larger, set->slots[i].device, set->slots[i].inode) = set->slots[i];
    cn__free(ctx, set->slots);
    *set = larger;
    return CN_OK;
}

cn_status cn__folder_set_add(cn_context *ctx, cn__folder_set *set, const struct stat *info, bool *fresh) {
    CN__TRY(make_room(ctx, set));
    struct cn__folder_id *slot = find_slot(set, info->st_dev, info->st_ino);
    *fresh = !slot->taken;
    *slot = (struct cn__folder_id){info->st_dev, info->st_ino, true};
    set->count += *fresh;
    return CN_OK;
}

void cn__folder_set_clear(cn_context *ctx, cn__folder_set *set) {
    cn__free(ctx, set->slots);
    *set = (cn__folder_set){.slots = NULL};
}
