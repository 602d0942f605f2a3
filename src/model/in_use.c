/* SPDX-License-Identifier: MIT */
/* in_use.c: who points into a model, and who is just running, changing or reading it. A function of the program that the
 * library calls meanwhile may call back, so what does not go together is found out here and is a status. */
#include "model/model.h"

/* Predictors and evaluations of several threads share a const model. */
static atomic_int *counter(const atomic_int *of_const_model) {
    return (atomic_int *)(uintptr_t)of_const_model;
}

/* ---- who points into it ---- */

void cn__model_hold(const cn_model *model) {
    atomic_fetch_add(counter(&model->users), 1);
}

void cn__model_release(const cn_model *model) {
    atomic_fetch_sub(counter(&model->users), 1);
}

cn_status cn__model_changeable(const cn_model *model, const char *layer) {
    int count = atomic_load(&model->users);
    if (count == 0)
        return CN_OK;
    return cn__error(CN_ERR_STATE,
                     "layer '%s' cannot come into a model while %d trainer%s, optimizer%s or predictor%s of it exist%s",
                     layer, count, count == 1 ? "" : "s", count == 1 ? "" : "s", count == 1 ? "" : "s",
                     count == 1 ? "s" : "");
}

/* ---- who is at it ---- */

const cn_model *cn__model_take(const cn_model *model) {
    int nobody = 0;
    return atomic_compare_exchange_strong(counter(&model->calls), &nobody, 1) ? model : NULL;
}

const cn_model *cn__model_read(const cn_model *model) {
    atomic_fetch_add(counter(&model->calls), 1);
    return model;
}

void cn__model_leave(const cn_model *const *model) {
    if (*model)
        atomic_fetch_sub(counter(&(*model)->calls), 1);
}

cn_status cn__model_is_taken(const char *function) {
    return cn__error(CN_ERR_STATE, "%s: a call that has not returned, of this thread or another, uses the model",
                     function);
}

bool cn__model_in_use(const cn_model *model) {
    return atomic_load(&model->users) > 0 || atomic_load(&model->calls) > 0;
}
