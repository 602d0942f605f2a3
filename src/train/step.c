/* SPDX-License-Identifier: MIT */
/* step.c: from the gradient that a batch has left to a step: sums over batches that are accumulated, the caller's hook,
 * clipping, the optimizer, the average. */
#include "train/train.h"
#include <math.h>

/* ---- accumulated batches ---- */

/* Images of the batches from `first` up to `end`. */
static int64_t images_of(const cn_trainer *t, int64_t first, int64_t end) {
    int64_t from = first * t->train.images, to = end * t->train.images;
    return (to < t->count ? to : t->count) - from;
}

/* Takes the batch into the sum of its group. True: it is the last, and the gradients are the mean over all images. */
static bool accumulate(cn_trainer *t) {
    int64_t first = t->batch - t->batch % t->options.accumulate, end = first + t->options.accumulate;
    end = end < t->batches ? end : t->batches;
    if (end - first == 1)
        return true;
    float share = (float)((double)images_of(t, t->batch, t->batch + 1) / (double)images_of(t, first, end));
    if (t->batch == first)
        cn__gradients_begin_sum(t->model, share, t->gradient_sum);
    else if (t->batch + 1 < end)
        cn__gradients_add_to_sum(t->model, share, t->gradient_sum);
    else
        cn__gradients_end_sum(t->model, share, t->gradient_sum);
    return t->batch + 1 == end;
}

/* ---- what happens to gradients ---- */

static cn_status clip(cn_trainer *t) {
    const cn_trainer_options *o = &t->options;
    if (o->clip_value > 0.0f)
        cn__gradients_clip_value(t->model, o->clip_value);
    if (o->clip_norm == 0.0f)
        return CN_OK;
    double norm = cn__gradients_norm(t->model, t->norm_sums);
    if (!isfinite(norm))
        return cn__error(CN_ERR_NUMERIC, "epoch %lld, batch %lld: the norm of the gradients is %g",
                         (long long)t->epochs + 1, (long long)t->batch + 1, isnan(norm) ? (double)NAN : norm);
    cn__gradients_clip_norm(t->model, norm, (double)o->clip_norm);
    return CN_OK;
}

/* Whether training is to end. */
static bool show_gradient(const cn_trainer *t, const cn_batch_info *batch) {
    CN__IN_HOSTS_MODE;
    return t->options.on_gradient && t->options.on_gradient(t->options.user, t->model, batch) != 0;
}

cn_status cn__trainer_step(cn_trainer *t, const cn_batch_info *batch, bool *stop) {
    const cn_trainer_options *o = &t->options;
    bool looked_at = o->on_gradient || o->clip_value > 0.0f || o->clip_norm > 0.0f;
    if (!accumulate(t))
        return CN_OK;
    if (looked_at && o->l1 > 0.0f)
        cn__gradients_add_l1(t->model, o->l1);
    *stop = show_gradient(t, batch);
    CN__TRY(clip(t));
    cn__optimizer_step(t->optimizer, looked_at ? 0.0f : o->l1);
    cn__average_step(&t->average);
    return CN_OK;
}
