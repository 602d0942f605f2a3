/* SPDX-License-Identifier: MIT */
/* average.c: the exponential moving average of a model's parameters and running statistics, which the model holds
 * while it is shown. */
#include "train/train.h"
#include <string.h>

#define PIECE 4096 /* floats that one thread treats at a time */

cn_status cn__average_init(cn__average *average, cn_model *model, float decay, bool warmup) {
    *average = (cn__average){.model = model, .decay = decay, .warmup = warmup};
    if (decay == 0.0f)
        return CN_OK;
    average->parameters = cn__alloc(model->ctx, model->flat_count + 1, sizeof(float));
    average->buffers = cn__alloc(model->ctx, model->buffer_count + 1, sizeof(float));
    return average->parameters && average->buffers ? CN_OK : cn__no_memory("averaged parameters");
}

void cn__average_drop(cn__average *average) {
    if (!average->model)
        return;
    cn__free(average->model->ctx, average->parameters);
    cn__free(average->model->ctx, average->buffers);
}

/* ---- all floats of the model, piece by piece ---- */

typedef struct pass {
    const cn__average *average;
    void (*treat)(const cn__average *average, size_t count, float *ours, float *models);
    size_t pieces; /* of the parameters; those of the buffers follow */
} pass;

static size_t pieces(size_t floats) {
    return (floats + PIECE - 1) / PIECE;
}

static void treat_piece(void *argument, size_t item, int thread) {
    const pass *p = argument;
    const cn__average *a = p->average;
    (void)thread;
    bool parameters = item < p->pieces;
    size_t first = (parameters ? item : item - p->pieces) * PIECE;
    size_t left = (parameters ? a->model->flat_count : a->model->buffer_count) - first;
    p->treat(a, left < PIECE ? left : PIECE, (parameters ? a->parameters : a->buffers) + first,
             (parameters ? a->model->parameters : a->model->buffers) + first);
}

static void treat_all(const cn__average *average,
                      void (*treat)(const cn__average *average, size_t count, float *ours, float *models)) {
    pass p = {average, treat, pieces(average->model->flat_count)};
    cn__parallel(average->model->ctx, p.pieces + pieces(average->model->buffer_count), treat_piece, &p);
}

static void copy(const cn__average *average, size_t count, float *ours, float *models) {
    (void)average;
    memcpy(ours, models, count * sizeof *ours);
}

static void take_in(const cn__average *average, size_t count, float *ours, float *models) {
    average->model->ctx->kernels->average(count, ours, models, average->step_decay);
}

static void exchange(const cn__average *average, size_t count, float *ours, float *models) {
    (void)average;
    for (size_t i = 0; i < count; i++) {
        float other = ours[i];
        ours[i] = models[i];
        models[i] = other;
    }
}

/* ---- use ---- */

/* After n steps; a short average at first, since until 1 / (1 - decay) steps are done a long one is mostly the start.
 */
static float decay_after(const cn__average *average, int64_t n) {
    float start = (float)((1.0 + (double)n) / (10.0 + (double)n));
    return average->warmup && start < average->decay ? start : average->decay;
}

/* Rounding would move the average of what does not move. */
static void copy_frozen(const cn__average *average) {
    const cn_model *model = average->model;
    for (size_t n = 0; n < model->node_count; n++) {
        const cn__node *node = &model->nodes[n];
        for (int32_t t = 0; t < node->tensor_count; t++) {
            const cn__model_tensor *entry = &model->tensors[node->first_tensor + t];
            const float *value = entry->value.data;
            if (entry->value.dtype != CN_DTYPE_FLOAT32 || !(entry->parameter ? entry->frozen : node->frozen))
                continue;
            float *ours = entry->parameter ? average->parameters + (value - model->parameters)
                                           : average->buffers + (value - model->buffers);
            memcpy(ours, value, (size_t)entry->value.count * sizeof *ours);
        }
    }
}

void cn__average_step(cn__average *average) {
    if (average->decay == 0.0f)
        return;
    average->step_decay = decay_after(average, average->steps);
    treat_all(average, average->steps ? take_in : copy);
    copy_frozen(average);
    average->steps++;
}

void cn__average_show(cn__average *average, bool shown) {
    if (!average->steps || average->shown == shown)
        return;
    treat_all(average, exchange);
    average->shown = shown;
}
