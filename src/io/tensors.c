/* SPDX-License-Identifier: MIT */
/* tensors.c: a collection of named tensors, and texts beside them. */
#include "io/tensors.h"
#include <stdlib.h>
#include <string.h>

enum { LONGEST_NAME = 65000 }; /* a ZIP archive has 16 bits for its length */

/* ---- the collection ---- */

cn_status cn_tensors_new(cn_context *context, cn_tensors **tensors) {
    CN__REQUIRE(tensors);
    *tensors = NULL;
    CN__REQUIRE(context);
    *tensors = cn__alloc(context, 1, sizeof **tensors);
    if (!*tensors)
        return cn__no_memory("a collection of tensors");
    (*tensors)->ctx = context;
    return CN_OK;
}

static void free_named(cn_context *ctx, cn__named *named) {
    if (!named)
        return;
    cn_tensor_free(named->tensor);
    cn__free(ctx, named->name);
    cn__free(ctx, named);
}

static void free_pair(cn_context *ctx, const cn__pair *pair) {
    cn__free(ctx, pair->key);
    cn__free(ctx, pair->value);
}

void cn_tensors_free(cn_tensors *tensors) {
    if (!tensors)
        return;
    for (size_t i = 0; i < tensors->count; i++)
        free_named(tensors->ctx, tensors->items[i]);
    for (size_t i = 0; i < tensors->metadata_count; i++)
        free_pair(tensors->ctx, &tensors->metadata[i]);
    cn__free(tensors->ctx, tensors->items);
    cn__free(tensors->ctx, tensors->by_name);
    cn__free(tensors->ctx, tensors->metadata);
    cn__free(tensors->ctx, tensors);
}

/* ---- by name ---- */

static int by_name(const void *a, const void *b) {
    return strcmp((*(cn__named *const *)a)->name, (*(cn__named *const *)b)->name);
}

/* How many names come before this one. */
static size_t find_place(const cn_tensors *tensors, const char *name) {
    size_t first = 0, last = tensors->count;
    while (first < last) {
        size_t middle = first + (last - first) / 2;
        if (strcmp(tensors->by_name[middle]->name, name) < 0)
            first = middle + 1;
        else
            last = middle;
    }
    return first;
}

static bool is_at(const cn_tensors *tensors, size_t place, const char *name) {
    return place < tensors->count && strcmp(tensors->by_name[place]->name, name) == 0;
}

static cn_status find(const cn_tensors *tensors, const char *name, size_t *place) {
    *place = find_place(tensors, name);
    return is_at(tensors, *place, name)
               ? CN_OK
               : cn__error(CN_ERR_NOT_FOUND, "no tensor is called '%.200s', of %zu", name, tensors->count);
}

int64_t cn_tensors_count(const cn_tensors *tensors) {
    return tensors ? (int64_t)tensors->count : 0;
}

const char *cn_tensors_name(const cn_tensors *tensors, int64_t index) {
    return index >= 0 && index < cn_tensors_count(tensors) ? tensors->items[index]->name : NULL;
}

cn_status cn_tensors_get(cn_tensors *tensors, const char *name, cn_tensor **tensor) {
    size_t place;
    CN__REQUIRE(tensor);
    *tensor = NULL;
    CN__REQUIRE(tensors);
    CN__REQUIRE(name);
    CN__TRY(find(tensors, name, &place));
    *tensor = tensors->by_name[place]->tensor;
    return CN_OK;
}

cn_status cn_tensors_get_const(const cn_tensors *tensors, const char *name, const cn_tensor **tensor) {
    size_t place;
    CN__REQUIRE(tensor);
    *tensor = NULL;
    CN__REQUIRE(tensors);
    CN__REQUIRE(name);
    CN__TRY(find(tensors, name, &place));
    *tensor = tensors->by_name[place]->tensor;
    return CN_OK;
}

/* ---- adding and removing ---- */

static cn_status new_named(cn_context *ctx, const char *name, cn_tensor *tensor, cn__named **named) {
    *named = cn__alloc(ctx, 1, sizeof **named);
    if (!*named) {
        cn_tensor_free(tensor);
        return cn__no_memory("a tensor");
    }
    (*named)->tensor = tensor;
    (*named)->name = cn__strdup(ctx, name);
    return (*named)->name ? CN_OK : cn__no_memory("a tensor's name");
}

cn_status cn__tensors_append(cn_tensors *tensors, const char *name, cn_tensor *tensor) {
    cn__named *named;
    cn_context *ctx = tensors->ctx;
    cn_status status = new_named(ctx, name, tensor, &named);
    if (status == CN_OK)
        status = cn__grow(ctx, (void **)&tensors->items, &tensors->capacity, tensors->count, sizeof named);
    if (status == CN_OK)
        status = cn__grow(ctx, (void **)&tensors->by_name, &tensors->by_name_capacity, tensors->count, sizeof named);
    if (status != CN_OK) {
        free_named(ctx, named);
        return status;
    }
    tensors->items[tensors->count] = tensors->by_name[tensors->count] = named;
    tensors->count++;
    return CN_OK;
}

cn_status cn__tensors_sort(cn_tensors *tensors) {
    if (tensors->count > 1)
        qsort(tensors->by_name, tensors->count, sizeof *tensors->by_name, by_name);
    for (size_t i = 1; i < tensors->count; i++)
        if (by_name(&tensors->by_name[i - 1], &tensors->by_name[i]) == 0)
            return cn__error(CN_ERR_FORMAT, "two of its tensors are called '%.200s'", tensors->by_name[i]->name);
    return CN_OK;
}

static cn_status check_name(const cn_tensors *tensors, const char *name) {
    size_t bytes = strlen(name);
    if (bytes == 0 || bytes > LONGEST_NAME)
        return cn__error(CN_ERR_ARGUMENT, "cn_tensors_add: the name has %zu bytes, wanted 1 to %d", bytes,
                         LONGEST_NAME);
    if (!cn__utf8_valid(name, bytes))
        return cn__error(CN_ERR_ARGUMENT, "cn_tensors_add: the name is not UTF-8");
    if (is_at(tensors, find_place(tensors, name), name))
        return cn__error(CN_ERR_ARGUMENT, "cn_tensors_add: a tensor is called '%.200s' already", name);
    return CN_OK;
}

cn_status cn_tensors_add(cn_tensors *tensors, const char *name, const cn_tensor *tensor) {
    cn_tensor *copy;
    CN__REQUIRE(tensors);
    CN__REQUIRE(name);
    CN__REQUIRE(tensor);
    CN__TRY(check_name(tensors, name));
    size_t place = find_place(tensors, name), behind = tensors->count - place;
    CN__TRY(cn_tensor_new(tensors->ctx, tensor->dtype, tensor->dims, tensor->shape, &copy));
    memcpy(copy->data, tensor->data, (size_t)tensor->count * cn__dtype_bytes(tensor->dtype));
    CN__TRY(cn__tensors_append(tensors, name, copy));
    cn__named **sorted = tensors->by_name + place, *added = tensors->items[tensors->count - 1];
    memmove(sorted + 1, sorted, behind * sizeof *sorted);
    *sorted = added;
    return CN_OK;
}

static void take_out(cn__named **list, size_t count, size_t at) {
    memmove(list + at, list + at + 1, (count - at - 1) * sizeof *list);
}

cn_status cn_tensors_remove(cn_tensors *tensors, const char *name) {
    size_t place, index = 0;
    CN__REQUIRE(tensors);
    CN__REQUIRE(name);
    CN__TRY(find(tensors, name, &place));
    cn__named *named = tensors->by_name[place];
    while (tensors->items[index] != named)
        index++;
    take_out(tensors->by_name, tensors->count, place);
    take_out(tensors->items, tensors->count, index);
    tensors->count--;
    free_named(tensors->ctx, named);
    return CN_OK;
}

/* ---- metadata ---- */

static cn__pair *find_pair(const cn_tensors *tensors, const char *key) {
    for (size_t i = 0; i < tensors->metadata_count; i++)
        if (strcmp(tensors->metadata[i].key, key) == 0)
            return &tensors->metadata[i];
    return NULL;
}

const char *cn_tensors_metadata(const cn_tensors *tensors, const char *key) {
    const cn__pair *pair = tensors && key ? find_pair(tensors, key) : NULL;
    return pair ? pair->value : NULL;
}

int64_t cn_tensors_metadata_count(const cn_tensors *tensors) {
    return tensors ? (int64_t)tensors->metadata_count : 0;
}

const char *cn_tensors_metadata_key(const cn_tensors *tensors, int64_t index) {
    return index >= 0 && index < cn_tensors_metadata_count(tensors) ? tensors->metadata[index].key : NULL;
}

cn_status cn__tensors_append_metadata(cn_tensors *tensors, const char *key, const char *value) {
    CN__TRY(cn__grow(tensors->ctx, (void **)&tensors->metadata, &tensors->metadata_capacity, tensors->metadata_count,
                     sizeof *tensors->metadata));
    cn__pair pair = {cn__strdup(tensors->ctx, key), cn__strdup(tensors->ctx, value)};
    if (!pair.key || !pair.value) {
        free_pair(tensors->ctx, &pair);
        return cn__no_memory("a text beside tensors");
    }
    tensors->metadata[tensors->metadata_count++] = pair;
    return CN_OK;
}

static void remove_pair(cn_tensors *tensors, cn__pair *pair) {
    cn__pair *end = tensors->metadata + tensors->metadata_count--;
    free_pair(tensors->ctx, pair);
    memmove(pair, pair + 1, (size_t)(end - pair - 1) * sizeof *pair);
}

static cn_status change_value(cn_tensors *tensors, cn__pair *pair, const char *value) {
    char *copy = cn__strdup(tensors->ctx, value);
    if (!copy)
        return cn__no_memory("a text beside tensors");
    cn__free(tensors->ctx, pair->value);
    pair->value = copy;
    return CN_OK;
}

cn_status cn_tensors_set_metadata(cn_tensors *tensors, const char *key, const char *value) {
    CN__REQUIRE(tensors);
    CN__REQUIRE(key);
    if (!cn__utf8_valid(key, strlen(key)) || (value && !cn__utf8_valid(value, strlen(value))))
        return cn__error(CN_ERR_ARGUMENT, "cn_tensors_set_metadata: a text is not UTF-8");
    cn__pair *pair = find_pair(tensors, key);
    if (value)
        return pair ? change_value(tensors, pair, value) : cn__tensors_append_metadata(tensors, key, value);
    if (pair)
        remove_pair(tensors, pair);
    return CN_OK;
}
