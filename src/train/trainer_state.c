/* SPDX-License-Identifier: MIT */
/* trainer_state.c: what a run remembers from batch to batch: whatever a later batch depends on, and neither the model's
 * tensors nor data and options say, has a line here. Random numbers have no state: they are drawn from seed, epoch and
 * image, and so is the order of an epoch. */
#include "train/train.h"

static void add_schedule(cn__schedule *s, cn__state *state) {
    cn__state_add(state, "F64", &s->rate, 1, "schedule/rate");
    cn__state_add(state, "I64", &s->asked, 1, "schedule/asked");
    cn__state_add(state, "F64", &s->loss, 1, "schedule/loss");
    cn__state_add(state, "F64", &s->best, 1, "schedule/best");
    cn__state_add(state, "I32", &s->bad_epochs, 1, "schedule/bad_epochs");
    cn__state_add(state, "I32", &s->options.epochs, 1, "schedule/epochs");
}

static void add_average(cn__average *a, cn__state *state) {
    if (a->decay == 0.0f)
        return;
    cn__state_add(state, "I64", &a->steps, 1, "average/steps");
    cn__state_add(state, "I32", &a->shown, 1, "average/shown");
    cn__state_add(state, "F32", a->parameters, a->model->flat_count, "average/parameters");
    cn__state_add(state, "F32", a->buffers, a->model->buffer_count, "average/buffers");
}

static void add_objective(cn__objective *o, cn__state *state) {
    for (int32_t i = 0; i < o->count; i++) {
        cn__state_add(state, "F64", &o->totals[i].sum, 1, "output/%d/loss", i);
        cn__state_add(state, "F64", &o->totals[i].count, 1, "output/%d/loss_count", i);
        cn__metrics_state(&o->metrics[i], i, state);
    }
}

void cn__trainer_state(cn_trainer *trainer, cn__state *state) {
    cn_trainer *t = trainer;
    cn__state_add(state, "I64", &t->batch, 1, "epoch/batch");
    cn__state_add(state, "I64", &t->images, 1, "epoch/images");
    cn__state_add(state, "F64", &t->penalty, 1, "epoch/penalty");
    cn__state_add(state, "F64", &t->mean_rate, 1, "epoch/mean_rate");
    cn__state_add(state, "F64", &t->seconds, 1, "epoch/seconds");
    if (t->gradient_sum)
        cn__state_add(state, "F32", t->gradient_sum, t->model->flat_count, "epoch/gradient_sum");
    add_objective(&t->objective, state);
    cn__optimizer_state(t->optimizer, state);
    add_schedule(&t->schedule, state);
    add_average(&t->average, state);
}
