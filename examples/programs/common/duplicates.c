/* SPDX-License-Identifier: MIT */
/* duplicates.c: images that are both in the training part and in one that is measured, which flatters every result. The data
 * of programs are all in memory, pictures as they were decoded and scaled, so that a look at each costs little. */
#include "common.h"
#include <string.h>

typedef struct entry {
    uint64_t hash; /* no two of some millions have one in common by chance */
    int64_t index;
} entry;

static uint64_t hash_of(const unsigned char *bytes, size_t count) {
    uint64_t hash = 0xcbf29ce484222325, word;
    for (size_t i = 0; i < count; i += sizeof word) {
        word = 0;
        memcpy(&word, bytes + i, count - i < sizeof word ? count - i : sizeof word);
        hash = (hash ^ word) * 0x9e3779b97f4a7c15;
        hash ^= hash >> 32;
    }
    return hash;
}

static int by_hash(const void *a, const void *b) {
    const entry *x = a, *y = b;
    if (x->hash != y->hash)
        return x->hash > y->hash ? 1 : -1;
    return x->index > y->index ? 1 : -1;
}

/* A tensor for an image as it is stored, of bytes or of floats. */
static cn_tensor *new_image(cn_context *context, const cn_dataset *dataset) {
    static const cn_dtype types[] = {CN_DTYPE_UINT8, CN_DTYPE_FLOAT32};
    int64_t shape[4] = {1, 0, 0, 0};
    cn_tensor *image;
    cn_dataset_shape(dataset, shape + 1);
    for (size_t i = 0; i < COUNT(types); i++) {
        if (cn_tensor_new(context, types[i], 4, shape, &image) == CN_OK &&
            cn_dataset_image(dataset, 0, image, NULL) == CN_OK)
            return image;
        cn_tensor_free(image);
    }
    return NULL;
}

/* Sorted, to be freed; NULL where there is no memory. */
static entry *list(const cn_dataset *dataset, cn_tensor *image) {
    int64_t count = cn_dataset_count(dataset);
    size_t bytes = (size_t)cn_tensor_count(image) * (cn_tensor_dtype(image) == CN_DTYPE_UINT8 ? 1 : sizeof(float));
    entry *entries = malloc((size_t)count * sizeof *entries);
    for (int64_t i = 0; entries && i < count; i++) {
        if (cn_dataset_image(dataset, i, image, NULL) != CN_OK) {
            free(entries);
            return NULL;
        }
        entries[i] = (entry){hash_of(cn_tensor_data(image), bytes), i};
    }
    if (entries)
        qsort(entries, (size_t)count, sizeof *entries, by_hash);
    return entries;
}

/* "'dog/7.png'", "test image 7". */
static void image_text(const cn_dataset *dataset, const char *part, int64_t index, char *text, size_t size) {
    const char *file = cn_dataset_file_name(dataset, index);
    if (file)
        snprintf(text, size, "'%s'", file);
    else
        snprintf(text, size, "%s image %lld", part, (long long)index);
}

static void compare(const cn_dataset *train, const entry *ours, const cn_dataset *other, const entry *theirs,
                    const char *name) {
    int64_t at = 0, found = 0, count = cn_dataset_count(train), others = cn_dataset_count(other);
    const entry *first = NULL, *same = NULL;
    char there[NAME_TEXT], here[NAME_TEXT], number[GROUPED_TEXT], all[GROUPED_TEXT];
    for (int64_t i = 0; i < others; i++) {
        while (at < count && ours[at].hash < theirs[i].hash)
            at++;
        if (at == count || ours[at].hash != theirs[i].hash)
            continue;
        found++;
        if (!first || theirs[i].index < first->index)
            first = &theirs[i], same = &ours[at];
    }
    if (found == 0)
        return;
    image_text(other, name, first->index, there, sizeof there);
    image_text(train, "training", same->index, here, sizeof here);
    warn("%s of the %s %s images %s also among the training images%s %s, which is %s: what is measured on them looks "
         "better than it is",
         grouped(found, number), grouped(others, all), name, found == 1 ? "is" : "are", found == 1 ? ":" : ", such as",
         there, here);
}

void duplicates_say(cn_context *context, const cn_dataset *train, const cn_dataset *other, const char *name) {
    cn_tensor *image = new_image(context, train);
    entry *ours = image ? list(train, image) : NULL, *theirs = ours ? list(other, image) : NULL;
    if (theirs)
        compare(train, ours, other, theirs, name);
    free(ours);
    free(theirs);
    cn_tensor_free(image);
}
