/* SPDX-License-Identifier: MIT */
/* views.c: data sets that share the images of another: chosen ones, a random part and the rest, a random order. */
#include "data/dataset.h"
#include <math.h>
#include <string.h>

cn_status cn_dataset_subset(const cn_dataset *dataset, int64_t count, const int64_t *indices, cn_dataset **subset) {
    CN__COMPUTES;
    CN__REQUIRE(subset);
    *subset = NULL;
    CN__REQUIRE(dataset);
    CN__REQUIRE(indices);
    if (count < 1)
        return cn__error(CN_ERR_ARGUMENT, "cn_dataset_subset: count is %lld, wanted at least 1", (long long)count);
    for (int64_t i = 0; i < count; i++)
        if (indices[i] < 0 || indices[i] >= dataset->count)
            return cn__error(CN_ERR_NOT_FOUND, "cn_dataset_subset: index %lld is %lld, the data set has %lld images",
                             (long long)i, (long long)indices[i], (long long)dataset->count);
    int64_t *chosen = cn__alloc(dataset->ctx, (size_t)count, sizeof *chosen);
    if (!chosen)
        return cn__no_memory("the indices of a subset");
    memcpy(chosen, indices, (size_t)count * sizeof *chosen);
    return cn__dataset_view(dataset, count, chosen, subset);
}

cn_status cn__random_order(const cn_dataset *dataset, uint64_t seed, uint32_t stream, int64_t **order) {
    cn__rng rng = cn__rng_new(seed, stream, 0);
    if (dataset->count > UINT32_MAX)
        return cn__error(CN_ERR_UNSUPPORTED, "%lld images are too many to shuffle", (long long)dataset->count);
    *order = cn__alloc(dataset->ctx, (size_t)dataset->count, sizeof **order);
    if (!*order)
        return cn__no_memory("an order of images");
    for (int64_t i = 0; i < dataset->count; i++)
        (*order)[i] = i;
    cn__rng_shuffle(&rng, *order, dataset->count);
    return CN_OK;
}

cn_status cn_dataset_shuffled(const cn_dataset *dataset, uint64_t seed, cn_dataset **shuffled) {
    CN__COMPUTES;
    int64_t *order = NULL;
    CN__REQUIRE(shuffled);
    *shuffled = NULL;
    CN__REQUIRE(dataset);
    CN__TRY(cn__random_order(dataset, seed, CN__STREAM_SHUFFLE, &order));
    return cn__dataset_view(dataset, dataset->count, order, shuffled);
}

cn_status cn__dataset_divide(const cn_dataset *dataset, const int64_t *order, int64_t count, cn_dataset **part,
                             cn_dataset **rest) {
    cn_dataset *first = NULL;
    CN__TRY(cn_dataset_subset(dataset, count, order, &first));
    cn_status status = cn_dataset_subset(dataset, dataset->count - count, order + count, rest);
    if (status != CN_OK) {
        cn_dataset_free(first);
        return status;
    }
    *part = first;
    return CN_OK;
}

cn_status cn_dataset_split(const cn_dataset *dataset, double fraction, uint64_t seed, cn_dataset **part,
                           cn_dataset **rest) {
    CN__COMPUTES;
    int64_t *order = NULL;
    CN__REQUIRE(rest);
    *rest = NULL;
    CN__REQUIRE(part);
    *part = NULL;
    CN__REQUIRE(dataset);
    if (!(fraction > 0.0 && fraction < 1.0))
        return cn__error(CN_ERR_ARGUMENT, "cn_dataset_split: fraction is %g, wanted above 0 and below 1", fraction);
    int64_t count = llround(fraction * (double)dataset->count);
    if (count < 1 || count >= dataset->count)
        return cn__error(CN_ERR_ARGUMENT, "cn_dataset_split: %g of %lld images leaves %s empty", fraction,
                         (long long)dataset->count, count < 1 ? "the part" : "the rest");
    CN__TRY(cn__random_order(dataset, seed, CN__STREAM_SPLIT, &order));
    cn_status status = cn__dataset_divide(dataset, order, count, part, rest);
    cn__free(dataset->ctx, order);
    return status;
}
