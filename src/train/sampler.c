/* SPDX-License-Identifier: MIT */
/* sampler.c: the images of an epoch: each once, in random order, or as many drawn by their weights, with replacement
 * (torch.utils.data.WeightedRandomSampler). */
#include "train/train.h"
#include <math.h>
#include <string.h>

static cn_status check_weights(const double *weights, int64_t count) {
    double sum = 0.0;
    for (int64_t i = 0; i < count; i++) {
        if (!(weights[i] >= 0.0) || !isfinite(weights[i]))
            return cn__error(CN_ERR_ARGUMENT, "cn_trainer_options: sample_weights[%lld] is %g, wanted 0 or more",
                             (long long)i, weights[i]);
        sum += weights[i];
    }
    if (sum > 0.0 && isfinite(sum))
        return CN_OK;
    return cn__error(CN_ERR_ARGUMENT, "cn_trainer_options: the sum of sample_weights is %g, wanted above 0", sum);
}

cn_status cn__sampler_init(cn__sampler *sampler, cn_context *ctx, int64_t count, const double *weights) {
    *sampler = (cn__sampler){.ctx = ctx, .count = count};
    if (weights)
        CN__TRY(check_weights(weights, count));
    sampler->order = cn__alloc(ctx, (size_t)count, sizeof *sampler->order);
    if (weights) {
        sampler->sums = cn__alloc(ctx, (size_t)count, sizeof *sampler->sums);
        sampler->drawn = cn__alloc(ctx, (size_t)count, sizeof *sampler->drawn);
    }
    if (!sampler->order || (weights && (!sampler->sums || !sampler->drawn)))
        return cn__no_memory("an order of images");
    for (int64_t i = 0; weights && i < count; i++)
        sampler->sums[i] = (i > 0 ? sampler->sums[i - 1] : 0.0) + weights[i];
    return CN_OK;
}

void cn__sampler_drop(cn__sampler *sampler) {
    if (!sampler->ctx)
        return;
    cn__free(sampler->ctx, sampler->order);
    cn__free(sampler->ctx, sampler->sums);
    cn__free(sampler->ctx, sampler->drawn);
}

/* ---- an epoch ---- */

static void shuffle(cn__sampler *s, uint64_t seed, uint64_t epoch) {
    cn__rng rng = cn__rng_new(seed, CN__STREAM_SHUFFLE, epoch);
    for (int64_t i = 0; i < s->count; i++)
        s->order[i] = i;
    cn__rng_shuffle(&rng, s->order, s->count);
}

/* [0, 1), 53 bits. */
static double uniform(cn__rng *rng) {
    uint64_t high = cn__rng_u32(rng) >> 5, low = cn__rng_u32(rng) >> 6;
    return (double)(high << 26 | low) * 0x1p-53;
}

/* The first image whose sum is above `x`, which is below that of all. */
static int64_t find(const cn__sampler *s, double x) {
    int64_t low = 0, high = s->count - 1;
    while (low < high) {
        int64_t middle = (low + high) / 2;
        if (s->sums[middle] > x)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

static void draw(cn__sampler *s, uint64_t seed, uint64_t epoch) {
    cn__rng rng = cn__rng_new(seed, CN__STREAM_SAMPLE, epoch);
    memset(s->drawn, 0, (size_t)s->count * sizeof *s->drawn);
    for (int64_t i = 0; i < s->count; i++) {
        int64_t index = find(s, uniform(&rng) * s->sums[s->count - 1]);
        s->order[i] = cn__draw(index, s->drawn[index]++);
    }
}

void cn__sampler_epoch(cn__sampler *sampler, uint64_t seed, uint64_t epoch) {
    if (sampler->sums)
        draw(sampler, seed, epoch);
    else
        shuffle(sampler, seed, epoch);
}
