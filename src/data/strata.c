/* SPDX-License-Identifier: MIT */
/* strata.c: data sets class by class: parts in which each class has its share, weights that give each the same. */
#include "data/dataset.h"
#include <math.h>

/* The class of each image, and how many there are of each. */
typedef struct strata {
    cn_context *ctx;
    int64_t *label, *count;
} strata;

static void strata_drop(strata *s) {
    cn__free(s->ctx, s->label);
    cn__free(s->ctx, s->count);
}

static cn_status strata_find(const cn_dataset *dataset, strata *s) {
    *s = (strata){.ctx = dataset->ctx};
    s->label = cn__alloc(s->ctx, (size_t)dataset->count, sizeof *s->label);
    s->count = cn__alloc(s->ctx, (size_t)cn_dataset_classes(dataset) + 1, sizeof *s->count);
    cn_status status = s->label && s->count ? CN_OK : cn__no_memory("the images of each class");
    for (int64_t i = 0; i < dataset->count && status == CN_OK; i++) {
        status = cn_dataset_label(dataset, i, &s->label[i]);
        if (status == CN_OK)
            s->count[s->label[i]]++;
    }
    if (status != CN_OK)
        strata_drop(s);
    return status;
}

cn_status cn_dataset_balanced_weights(const cn_dataset *dataset, int64_t count, double *weights) {
    CN__COMPUTES;
    strata s;
    CN__REQUIRE(dataset);
    CN__REQUIRE(weights);
    if (count != dataset->count)
        return cn__error(CN_ERR_ARGUMENT, "cn_dataset_balanced_weights: %lld weights for %lld images", (long long)count,
                         (long long)dataset->count);
    CN__TRY(strata_find(dataset, &s));
    for (int64_t i = 0; i < count; i++)
        weights[i] = 1.0 / (double)s.count[s.label[i]];
    strata_drop(&s);
    return CN_OK;
}

/* ---- parts ---- */

/* Turns the images of each class into how many of them the part gets: so many that classes up to any one have their
 * share together, but never all. Returns their sum. */
static int64_t apportion(const cn_dataset *dataset, double fraction, int64_t *count) {
    int64_t classes = cn_dataset_classes(dataset), seen = 0, taken = 0;
    for (int64_t k = 0; k < classes; k++) {
        int64_t most = count[k] > 0 ? count[k] - 1 : 0;
        seen += count[k];
        count[k] = llround(fraction * (double)seen) - taken;
        count[k] = count[k] < 0 ? 0 : count[k] > most ? most : count[k];
        taken += count[k];
    }
    return taken;
}

/* Brings the images that the part gets, the first in that order of each class, to its beginning. */
static void partition(int64_t *order, int64_t *rest, int64_t count, const strata *s) {
    int64_t kept = 0, left = 0;
    for (int64_t i = 0; i < count; i++)
        if (s->count[s->label[order[i]]]-- > 0)
            order[kept++] = order[i];
        else
            rest[left++] = order[i];
    for (int64_t i = 0; i < left; i++)
        order[kept + i] = rest[i];
}

static cn_status split(const cn_dataset *dataset, double fraction, uint64_t seed, strata *s, cn_dataset **part,
                       cn_dataset **rest) {
    int64_t *order = NULL, count = apportion(dataset, fraction, s->count);
    if (count < 1)
        return cn__error(CN_ERR_ARGUMENT, "cn_dataset_split_stratified: %g of %lld images leaves the part empty",
                         fraction, (long long)dataset->count);
    CN__TRY(cn__random_order(dataset, seed, CN__STREAM_SPLIT, &order));
    int64_t *others = cn__alloc(dataset->ctx, (size_t)dataset->count, sizeof *others);
    cn_status status = others ? CN_OK : cn__no_memory("a part of a data set");
    if (status == CN_OK) {
        partition(order, others, dataset->count, s);
        status = cn__dataset_divide(dataset, order, count, part, rest);
    }
    cn__free(dataset->ctx, others);
    cn__free(dataset->ctx, order);
    return status;
}

cn_status cn_dataset_split_stratified(const cn_dataset *dataset, double fraction, uint64_t seed, cn_dataset **part,
                                      cn_dataset **rest) {
    CN__COMPUTES;
    strata s;
    CN__REQUIRE(rest);
    *rest = NULL;
    CN__REQUIRE(part);
    *part = NULL;
    CN__REQUIRE(dataset);
    if (!(fraction > 0.0 && fraction < 1.0))
        return cn__error(CN_ERR_ARGUMENT, "cn_dataset_split_stratified: fraction is %g, wanted above 0 and below 1",
                         fraction);
    CN__TRY(strata_find(dataset, &s));
    cn_status status = split(dataset, fraction, seed, &s, part, rest);
    strata_drop(&s);
    return status;
}
