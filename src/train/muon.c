/* SPDX-License-Identifier: MIT */
/* muon.c: Muon (Jordan et al. 2024, https://kellerjordan.github.io/posts/muon/): a step of a weight, seen as a matrix
 * of its outputs by all the rest, is its momentum with all singular values made about 1, so that directions in which
 * gradients are small are followed as far as others. */
#include "train/train.h"
#include <math.h>
#include <string.h>

/* The matrix as it is orthogonalised: lying, filled up with zeros. */
static size_t short_side(const cn__muon_weight *w) {
    size_t side = w->outputs < w->inputs ? w->outputs : w->inputs;
    return (side + 3) / 4 * 4;
}

static size_t long_side(const cn__muon_weight *w) {
    size_t side = w->outputs < w->inputs ? w->inputs : w->outputs;
    return cn__whole_lines(side);
}

/* Where an element of the weight is in it. */
static size_t place(const cn__muon_weight *w, size_t output, size_t input) {
    return w->outputs > w->inputs ? input * long_side(w) + output : output * long_side(w) + input;
}

size_t cn__muon_work(const cn__muon_weight *weight) {
    size_t rows = short_side(weight), columns = long_side(weight);
    return rows * columns + cn__orthogonalize_work(rows, columns);
}

static float sign(float x) {
    return (float)((x > 0.0f) - (x < 0.0f));
}

/* The next momentum, and into `matrix` the direction that follows from it. */
static void gather(const cn__muon_weight *w, const cn__muon_step *step, float *matrix) {
    memset(matrix, 0, short_side(w) * long_side(w) * sizeof *matrix);
    for (size_t o = 0, k = 0; o < w->outputs; o++)
        for (size_t i = 0; i < w->inputs; i++, k++) {
            float gradient = step->gradient[k] + step->l1 * sign(step->parameter[k]);
            float velocity = step->momentum * step->velocity[k] + gradient;
            step->velocity[k] = velocity;
            matrix[place(w, o, i)] = step->nesterov ? step->momentum * velocity + gradient : velocity;
        }
}

void cn__muon_apply(const cn_context *ctx, const cn__muon_weight *weight, const cn__muon_step *step, float *work) {
    size_t rows = short_side(weight), columns = long_side(weight);
    float *matrix = work;
    gather(weight, step, matrix);
    ctx->kernels->orthogonalize(rows, columns, matrix, work + rows * columns);
    /* Steps as large as AdamW's (Liu et al. 2025), so that one rate and one decay serve both. */
    double longer = (double)(weight->outputs > weight->inputs ? weight->outputs : weight->inputs);
    float length = step->rate * (float)(0.2 * sqrt(longer)), keep = 1.0f - step->rate * step->weight_decay;
    for (size_t o = 0, k = 0; o < weight->outputs; o++)
        for (size_t i = 0; i < weight->inputs; i++, k++)
            step->parameter[k] = step->parameter[k] * keep - length * matrix[place(weight, o, i)];
}
