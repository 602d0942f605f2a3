/* SPDX-License-Identifier: MIT */
/* duplicates.c: pictures that are both in the training and in the test part, which flatters every result. */
#include "common.h"
#include <string.h>

typedef struct entry {
    uint64_t hash;
    int64_t index;
} entry;

static uint64_t hash_of(const unsigned char *bytes, size_t count) { /* FNV-1a */
    uint64_t hash = 0xcbf29ce484222325;
    for (size_t i = 0; i < count; i++)
        hash = (hash ^ bytes[i]) * 0x100000001b3;
    return hash;
}

static int by_hash(const void *a, const void *b) {
    uint64_t x = ((const entry *)a)->hash, y = ((const entry *)b)->hash;
    return (x > y) - (x < y);
}

/* Sorted, to be freed; NULL where there is no memory. */
static entry *list(const cn_dataset *dataset, cn_tensor *image) {
    int64_t count = cn_dataset_count(dataset);
    entry *entries = malloc((size_t)count * sizeof *entries);
    for (int64_t i = 0; entries && i < count; i++) {
        if (cn_dataset_image(dataset, i, image, NULL) != CN_OK) {
            free(entries);
            return NULL;
        }
        entries[i] = (entry){hash_of(cn_tensor_data(image), (size_t)cn_tensor_count(image)), i};
    }
    if (entries)
        qsort(entries, (size_t)count, sizeof *entries, by_hash);
    return entries;
}

static void compare(const cn_dataset *train, const entry *ours, const cn_dataset *test, const entry *theirs) {
    int64_t at = 0, found = 0, count = cn_dataset_count(train);
    const entry *first = NULL, *same = NULL;
    for (int64_t i = 0; i < cn_dataset_count(test); i++) {
        while (at < count && ours[at].hash < theirs[i].hash)
            at++;
        if (at == count || ours[at].hash != theirs[i].hash)
            continue;
        if (found++ == 0)
            first = &theirs[i], same = &ours[at];
    }
    if (found > 0)
        warn("%lld of the test pictures are also among the training pictures, such as '%s' and '%s'", (long long)found,
             cn_dataset_file_name(test, first->index), cn_dataset_file_name(train, same->index));
}

void duplicates_say(cn_context *context, const cn_dataset *train, const cn_dataset *test) {
    int64_t shape[4] = {1, 0, 0, 0};
    cn_tensor *image = NULL;
    if (!cn_dataset_file_name(train, 0) || !cn_dataset_file_name(test, 0))
        return;
    cn_dataset_shape(train, shape + 1);
    if (cn_tensor_new(context, CN_DTYPE_UINT8, 4, shape, &image) != CN_OK)
        return;
    entry *ours = list(train, image), *theirs = list(test, image);
    if (ours && theirs)
        compare(train, ours, test, theirs);
    free(ours);
    free(theirs);
    cn_tensor_free(image);
}
