/* SPDX-License-Identifier: MIT */
/* gradients.c: what is done to all gradients of a model at once: adding them up, clipping, an L1 penalty's share. */
#include "model/model.h"
#include <math.h>

#define PIECE 4096 /* floats that one thread treats at a time, and that are summed apart */

size_t cn__gradient_pieces(const cn_model *model) {
    return (model->flat_count + PIECE - 1) / PIECE;
}

/* One treatment of all gradients, piece by piece. The gaps between parameters are zeros, and stay so. */
typedef struct treatment {
    cn_model *model;
    void (*treat)(const struct treatment *t, size_t piece, size_t first, size_t count);
    float number;
    float *others; /* as many floats as gradients, */
    double *sums;  /* or one number for each piece */
} treatment;

static void treat_piece(void *argument, size_t item, int thread) {
    const treatment *t = argument;
    size_t first = item * PIECE, left = t->model->flat_count - first;
    (void)thread;
    t->treat(t, item, first, left < PIECE ? left : PIECE);
}

static void treat_all(treatment t) {
    cn__parallel(t.model->ctx, cn__gradient_pieces(t.model), treat_piece, &t);
}

/* ---- sums ---- */

static void begin_sum(const treatment *t, size_t piece, size_t first, size_t count) {
    const float *restrict gradient = t->model->gradients + first;
    float *restrict sum = t->others + first;
    (void)piece;
    for (size_t i = 0; i < count; i++)
        sum[i] = t->number * gradient[i];
}

static void add_to_sum(const treatment *t, size_t piece, size_t first, size_t count) {
    const float *restrict gradient = t->model->gradients + first;
    float *restrict sum = t->others + first;
    (void)piece;
    for (size_t i = 0; i < count; i++)
        sum[i] = sum[i] + t->number * gradient[i];
}

static void end_sum(const treatment *t, size_t piece, size_t first, size_t count) {
    float *restrict gradient = t->model->gradients + first;
    const float *restrict sum = t->others + first;
    (void)piece;
    for (size_t i = 0; i < count; i++)
        gradient[i] = sum[i] + t->number * gradient[i];
}

void cn__gradients_begin_sum(cn_model *model, float factor, float *sum) {
    treat_all((treatment){.model = model, .treat = begin_sum, .number = factor, .others = sum});
}

void cn__gradients_add_to_sum(cn_model *model, float factor, float *sum) {
    treat_all((treatment){.model = model, .treat = add_to_sum, .number = factor, .others = sum});
}

void cn__gradients_end_sum(cn_model *model, float factor, float *sum) {
    treat_all((treatment){.model = model, .treat = end_sum, .number = factor, .others = sum});
    cn__model_clear_frozen(model); /* frozen since the sum was begun */
}

/* ---- L1 penalty ---- */

void cn__gradients_add_l1(cn_model *model, float l1) {
    for (size_t t = 0; t < model->tensor_count; t++) {
        const cn__model_tensor *entry = &model->tensors[t];
        const float *value = entry->value.data;
        float *gradient = entry->gradient.data;
        for (int64_t i = 0; cn__model_trains(entry) && i < entry->value.count; i++)
            gradient[i] += l1 * (float)((value[i] > 0.0f) - (value[i] < 0.0f));
    }
}

/* ---- clipping ---- */

static void square_sum(const treatment *t, size_t piece, size_t first, size_t count) {
    const float *gradient = t->model->gradients + first;
    double lanes[CN__LANES] = {0.0}, sum = 0.0;
    for (size_t i = 0; i < count; i += CN__LANES) /* count is a multiple of them */
        for (size_t lane = 0; lane < CN__LANES; lane++)
            lanes[lane] += (double)gradient[i + lane] * (double)gradient[i + lane];
    for (size_t lane = 0; lane < CN__LANES; lane++)
        sum += lanes[lane];
    t->sums[piece] = sum;
}

double cn__gradients_norm(cn_model *model, double *sums) {
    double sum = 0.0;
    treat_all((treatment){.model = model, .treat = square_sum, .sums = sums});
    for (size_t i = 0; i < cn__gradient_pieces(model); i++)
        sum += sums[i];
    return sqrt(sum);
}

static void scale(const treatment *t, size_t piece, size_t first, size_t count) {
    float *gradient = t->model->gradients + first;
    (void)piece;
    for (size_t i = 0; i < count; i++)
        gradient[i] *= t->number;
}

#define EPS 1e-6 /* clip_grad_norm_'s */

void cn__gradients_clip_norm(cn_model *model, double norm, double max_norm) {
    double factor = max_norm / (norm + EPS);
    if (factor < 1.0)
        treat_all((treatment){.model = model, .treat = scale, .number = (float)factor});
}

static void clamp(const treatment *t, size_t piece, size_t first, size_t count) {
    float *gradient = t->model->gradients + first, most = t->number;
    (void)piece;
    for (size_t i = 0; i < count; i++) /* NaN stays */
        gradient[i] = gradient[i] > most ? most : gradient[i] < -most ? -most : gradient[i];
}

void cn__gradients_clip_value(cn_model *model, float max_value) {
    treat_all((treatment){.model = model, .treat = clamp, .number = max_value});
}

/* ---- the public functions ---- */

cn_status cn_model_clip_gradients_norm(cn_model *model, double max_norm, double *norm) {
    CN__COMPUTES;
    CN__TRY(cn__model_ready(model, "cn_model_clip_gradients_norm"));
    if (!(max_norm >= 0.0))
        return cn__error(CN_ERR_ARGUMENT, "cn_model_clip_gradients_norm: max_norm is %g, wanted 0 or more", max_norm);
    double *sums = cn__alloc(model->ctx, cn__gradient_pieces(model) + 1, sizeof *sums);
    if (!sums)
        return cn__no_memory("the norm of gradients");
    double found = cn__gradients_norm(model, sums);
    cn__free(model->ctx, sums);
    if (norm)
        *norm = found;
    if (!isfinite(found))
        return cn__error(CN_ERR_NUMERIC, "cn_model_clip_gradients_norm: the norm is %g",
                         isnan(found) ? (double)NAN : found);
    cn__gradients_clip_norm(model, found, max_norm);
    return CN_OK;
}

cn_status cn_model_clip_gradients_value(cn_model *model, double max_value) {
    CN__COMPUTES;
    CN__TRY(cn__model_ready(model, "cn_model_clip_gradients_value"));
    if (!(max_value >= 0.0))
        return cn__error(CN_ERR_ARGUMENT, "cn_model_clip_gradients_value: max_value is %g, wanted 0 or more",
                         max_value);
    cn__gradients_clip_value(model, (float)max_value);
    return CN_OK;
}
