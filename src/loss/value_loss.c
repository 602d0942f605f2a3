/* SPDX-License-Identifier: MIT */
/* value_loss.c: losses of one value against another, torch.nn's BCEWithLogitsLoss, MSELoss, L1Loss, SmoothL1Loss and
 * HuberLoss: a formula and its slope each. Computed in double. */
#include "base/elementary.h"
#include "loss/loss.h"
#include <math.h>

typedef struct formula {
    double (*value)(const cn_loss_options *o, double x, double t, double positive_weight);
    double (*slope)(const cn_loss_options *o, double x, double t, double positive_weight);
} formula;

/* (1 - t) x + (1 + (p - 1) t) log(1 + e^-x) */
static double bce(const cn_loss_options *o, double x, double t, double p) {
    (void)o;
    return (1.0 - t) * x + (1.0 + (p - 1.0) * t) * (cn__math_log1p(cn__math_exp(-fabs(x))) + fmax(-x, 0.0));
}

static double bce_slope(const cn_loss_options *o, double x, double t, double p) {
    (void)o;
    double small = cn__math_exp(-fabs(x)),
           other = x > 0.0 ? small / (1.0 + small) : 1.0 / (1.0 + small); /* 1 / (1 + e^x) */
    return (1.0 - t) - (1.0 + (p - 1.0) * t) * other;
}

static double mse(const cn_loss_options *o, double x, double t, double p) {
    (void)o, (void)p;
    return (x - t) * (x - t);
}

static double mse_slope(const cn_loss_options *o, double x, double t, double p) {
    (void)o, (void)p;
    return 2.0 * (x - t);
}

static double l1(const cn_loss_options *o, double x, double t, double p) {
    (void)o, (void)p;
    return fabs(x - t);
}

static double l1_slope(const cn_loss_options *o, double x, double t, double p) {
    (void)o, (void)p;
    return x > t ? 1.0 : x < t ? -1.0 : x - t; /* NaN stays */
}

static double smooth_l1(const cn_loss_options *o, double x, double t, double p) {
    double distance = fabs(x - t), beta = (double)o->beta;
    (void)p;
    return distance < beta ? 0.5 * distance * distance / beta : distance - 0.5 * beta;
}

static double smooth_l1_slope(const cn_loss_options *o, double x, double t, double p) {
    return fabs(x - t) < (double)o->beta ? (x - t) / (double)o->beta : l1_slope(o, x, t, p);
}

static double huber(const cn_loss_options *o, double x, double t, double p) {
    double distance = fabs(x - t), delta = (double)o->delta;
    (void)p;
    return distance < delta ? 0.5 * distance * distance : delta * (distance - 0.5 * delta);
}

static double huber_slope(const cn_loss_options *o, double x, double t, double p) {
    return fabs(x - t) < (double)o->delta ? x - t : (double)o->delta * l1_slope(o, x, t, p);
}

static const formula formulas[] = {
    [CN_LOSS_BCE_WITH_LOGITS] = {bce, bce_slope},
    [CN_LOSS_MSE] = {mse, mse_slope},
    [CN_LOSS_L1] = {l1, l1_slope},
    [CN_LOSS_SMOOTH_L1] = {smooth_l1, smooth_l1_slope},
    [CN_LOSS_HUBER] = {huber, huber_slope},
};

static double at(const float *weights, int64_t k) {
    return weights ? (double)weights[k] : 1.0;
}

double cn__value_loss(const cn__loss *loss, double output, double target, int64_t k) {
    const cn_loss_options *o = &loss->options;
    return at(o->class_weights, k) * formulas[o->kind].value(o, output, target, at(o->pos_weight, k));
}

double cn__value_slope(const cn__loss *loss, double output, double target, int64_t k) {
    const cn_loss_options *o = &loss->options;
    return at(o->class_weights, k) * formulas[o->kind].slope(o, output, target, at(o->pos_weight, k));
}
