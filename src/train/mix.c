/* SPDX-License-Identifier: MIT */
/* mix.c: batches whose images are mixed with one another: mixup (Zhang et al. 2018), x = λ x + (1 - λ) x', and CutMix
 * (Yun et al. 2019), which puts a box of x' over x; x' is another image of the batch, λ ~ Beta(α, α), one a batch. */
#include "base/elementary.h"
#include "train/train.h"
#include <math.h>

cn_status cn__mix_init(cn__mix *mix, cn_context *ctx, cn__shape shape, int32_t images, float mixup_alpha,
                       float cutmix_alpha) {
    *mix = (cn__mix){.ctx = ctx, .mixup_alpha = mixup_alpha, .cutmix_alpha = cutmix_alpha, .share = 1.0};
    if (mixup_alpha == 0.0f && cutmix_alpha == 0.0f)
        return CN_OK;
    mix->values = (size_t)shape.channels * (size_t)shape.height * (size_t)shape.width;
    mix->images = cn__alloc(ctx, (size_t)images, mix->values * sizeof *mix->images);
    mix->partner = cn__alloc(ctx, (size_t)images, sizeof *mix->partner);
    return mix->images && mix->partner ? CN_OK : cn__no_memory("mixed images");
}

/* ---- draws ---- */

/* Above 0 and below 1. */
static double open_uniform(cn__rng *rng) {
    return ((double)cn__rng_u32(rng) + 0.5) * 0x1p-32;
}

/* The logarithm of a Gamma(α, 1) variate (Marsaglia & Tsang 2000; of α below 1, that of α + 1 times U^(1/α)). */
static double log_gamma_variate(cn__rng *rng, double alpha) {
    double boost = alpha < 1.0 ? cn__math_log(open_uniform(rng)) / alpha : 0.0;
    double d = (alpha < 1.0 ? alpha + 1.0 : alpha) - 1.0 / 3.0, c = 1.0 / sqrt(9.0 * d);
    for (;;) {
        double x = (double)cn__rng_normal(rng), v = 1.0 + c * x;
        v = v * v * v;
        if (v > 0.0 && cn__math_log(open_uniform(rng)) < x * x / 2.0 + d - d * v + d * cn__math_log(v))
            return cn__math_log(d * v) + boost;
    }
}

double cn__beta_variate(cn__rng *rng, double alpha) {
    double x = log_gamma_variate(rng, alpha), y = log_gamma_variate(rng, alpha);
    return 1.0 / (1.0 + cn__math_exp(y - x));
}

/* Rows and columns that come from the other image. */
typedef struct box {
    int32_t top, bottom, left, right;
} box;

static box draw_box(cn__rng *rng, double share, int32_t height, int32_t width) {
    double side = sqrt(1.0 - share);
    int32_t h = (int32_t)(height * side), w = (int32_t)(width * side);
    int32_t y = (int32_t)cn__rng_below(rng, (uint32_t)height), x = (int32_t)cn__rng_below(rng, (uint32_t)width);
    box b = {y - h / 2, y + h / 2, x - w / 2, x + w / 2};
    b.top = b.top > 0 ? b.top : 0;
    b.left = b.left > 0 ? b.left : 0;
    b.bottom = b.bottom < height ? b.bottom : height;
    b.right = b.right < width ? b.right : width;
    return b;
}

/* ---- a batch ---- */

typedef struct mixture {
    const cn__mix *mix;
    const cn__fmap *map;
    box box;
    float own, other; /* what counts within the box */
} mixture;

static void mix_image(void *argument, size_t i, int thread) {
    const mixture *m = argument;
    const cn__fmap *map = m->map;
    size_t height = (size_t)map->shape.height, width = (size_t)map->shape.width;
    const float *own = m->mix->images + i * m->mix->values;
    const float *other = m->mix->images + (size_t)m->mix->partner[i] * m->mix->values;
    (void)thread;
    for (size_t c = 0; c < (size_t)map->shape.channels; c++)
        for (size_t y = (size_t)m->box.top; y < (size_t)m->box.bottom; y++) {
            float *lane = cn__fmap_plane(map, i / CN__LANES, c).data + y * map->row + i % CN__LANES;
            for (size_t x = (size_t)m->box.left; x < (size_t)m->box.right; x++) {
                size_t at = (c * height + y) * width + x;
                lane[x * CN__LANES] = m->own * own[at] + m->other * other[at];
            }
        }
}

/* Which of the two ways it is, where both are asked for: each for half of the batches. */
static bool draw_cutmix(const cn__mix *mix, cn__rng *rng) {
    if (mix->mixup_alpha > 0.0f && mix->cutmix_alpha > 0.0f)
        return cn__rng_below(rng, 2) == 1;
    return mix->cutmix_alpha > 0.0f;
}

void cn__mix_batch(cn__mix *mix, const cn__fmap *map, int32_t images, uint64_t seed, uint64_t epoch, uint64_t batch) {
    if (!mix->images)
        return;
    cn__rng rng = cn__rng_new(seed, CN__STREAM_MIX, epoch << 32 ^ batch);
    bool cut = draw_cutmix(mix, &rng);
    mixture m = {.mix = mix, .map = map, .box = {0, map->shape.height, 0, map->shape.width}};
    mix->share = cn__beta_variate(&rng, (double)(cut ? mix->cutmix_alpha : mix->mixup_alpha));
    for (int32_t i = 0; i < images; i++)
        mix->partner[i] = i;
    cn__rng_shuffle(&rng, mix->partner, images);
    if (cut) {
        int32_t height = map->shape.height, width = map->shape.width;
        m.box = draw_box(&rng, mix->share, height, width);
        double area = (double)(m.box.bottom - m.box.top) * (double)(m.box.right - m.box.left);
        mix->share = 1.0 - area / ((double)height * (double)width);
    }
    m.own = cut ? 0.0f : (float)mix->share;
    m.other = 1.0f - m.own;
    cn__fmap_unpack(map, mix->images, images);
    cn__parallel(mix->ctx, (size_t)images, mix_image, &m);
}
