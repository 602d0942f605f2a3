/* SPDX-License-Identifier: MIT */
/* class_loss.c: negative log-likelihood and cross-entropy, with class weights and label smoothing (Szegedy et al. 2016).
 *
 * With log-probabilities l, weights w and target q (the label's one-hot, or given; smoothed, (1 - s) q + s / K):
 *     loss = -Σ w q l,     NLL: dloss/dl = -w q,     cross-entropy, l = log softmax z: dloss/dz = e^l Σ w q - w q
 * Computed in double. */
#include "base/elementary.h"
#include "loss/loss.h"
#include <math.h>

static double value(cn__row row, int64_t k) {
    return (double)row.data[(size_t)k * row.step];
}

/* What the target and its weight make of class k. */
static double share(const cn__loss *loss, int64_t label, cn__row q, int64_t classes, int64_t k) {
    double smoothing = (double)loss->options.label_smoothing, rest = smoothing / (double)classes;
    const float *weights = loss->options.class_weights;
    double target = q.data ? (1.0 - smoothing) * value(q, k) + rest : k == label ? 1.0 - smoothing + rest : rest;
    return weights ? target * (double)weights[k] : target;
}

/* Σ share: 1, but for rounding, where nothing but a label says how it is divided. */
static double shares(const cn__loss *loss, int64_t label, cn__row q, int64_t classes) {
    double sum = 0.0;
    if (!q.data && !loss->options.class_weights)
        return 1.0;
    for (int64_t k = 0; k < classes; k++)
        sum += share(loss, label, q, classes, k);
    return sum;
}

double cn__class_loss(const cn__loss *loss, cn__row output, int64_t label, cn__row q, double scale, cn__row gradient) {
    bool logits = loss->options.kind == CN_LOSS_CROSS_ENTROPY;
    double normalizer = logits ? cn__row_log_sum_exp(output) : 0.0, sum = 0.0;
    double all = logits && gradient.data ? shares(loss, label, q, output.classes) : 0.0;
    for (int64_t k = 0; k < output.classes; k++) {
        double target = share(loss, label, q, output.classes, k), log_p = value(output, k) - normalizer;
        if (target > 0.0) /* an impossible class that is no target costs nothing: not 0 · ∞ */
            sum -= target * log_p;
        if (gradient.data)
            gradient.data[(size_t)k * gradient.step] =
                (float)(scale * ((logits ? cn__math_exp(log_p) * all : 0.0) - target));
    }
    return sum;
}

double cn__class_probability(cn_loss_kind kind, cn__row output, int64_t k) {
    return cn__math_exp(value(output, k) - (kind == CN_LOSS_CROSS_ENTROPY ? cn__row_log_sum_exp(output) : 0.0));
}
