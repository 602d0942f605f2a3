/* SPDX-License-Identifier: MIT */
/* checkpoint_contents.c: what a program wants in a checkpoint, as arrays with their names in the file. */
#include "io/checkpoint.h"
#include <stdio.h>
#include <string.h>

enum { OTHER_ARRAYS = 4, MOST_TENSORS = 4096, NAME_BYTES = 200, OWN_NAME = sizeof CN__CHECKPOINT_OWN + NAME_BYTES };

/* ---- what is given ---- */

static cn_status bad(const char *what) {
    return cn__error(CN_ERR_ARGUMENT, "cn_checkpoint: %s", what);
}

static cn_status check_own(const cn_checkpoint *c) {
    if (c->tensor_count < 0 || c->tensor_count > MOST_TENSORS)
        return cn__error(CN_ERR_ARGUMENT, "cn_checkpoint: tensor_count is %lld, wanted 0 to %d",
                         (long long)c->tensor_count, MOST_TENSORS);
    if (c->tensor_count > 0 && (!c->names || !c->tensors))
        return bad("names or tensors is NULL, and tensor_count is not 0");
    for (int64_t i = 0; i < c->tensor_count; i++) {
        size_t length = c->names[i] ? strlen(c->names[i]) : 0;
        if (length < 1 || length > NAME_BYTES || !c->tensors[i])
            return cn__error(CN_ERR_ARGUMENT, "cn_checkpoint: tensor %lld %s", (long long)i,
                             !c->tensors[i] ? "is NULL" : "has no name, or one of more than 200 bytes");
        for (int64_t k = 0; k < i; k++)
            if (strcmp(c->names[i], c->names[k]) == 0)
                return cn__error(CN_ERR_ARGUMENT, "cn_checkpoint: two tensors are called '%s'", c->names[i]);
    }
    return CN_OK;
}

cn_status cn__checkpoint_read(const cn_checkpoint *given, const char *function, cn_checkpoint *known) {
    *known = (cn_checkpoint)CN_CHECKPOINT_INIT;
    if (!given)
        return cn__error(CN_ERR_ARGUMENT, "%s: checkpoint is NULL", function);
    CN__TRY(CN__READ_OPTIONS(known, cn_checkpoint, given));
    CN__TRY(cn__check_reserved("cn_checkpoint", !known->reserved_pointer));
    if (known->trainer && (known->model || known->optimizer))
        return bad("it has a trainer and a model or an optimizer; a trainer brings its own");
    if (!known->trainer && !known->model)
        return bad("it has neither a trainer nor a model");
    if (known->model)
        CN__TRY(cn__model_ready(known->model, function));
    if (known->optimizer && cn__optimizer_model(known->optimizer) != known->model)
        return bad("the optimizer is another model's");
    return check_own(known);
}

/* ---- its arrays ---- */

void cn__contents_add(cn__contents *contents, const char *name, const char *dtype, void *data, int dims,
                      const int64_t *shape) {
    cn__array *array = &contents->arrays[contents->array_count++];
    array->entry = (cn__entry){.name = name, .dtype = dtype, .dims = dims};
    memcpy(array->entry.shape, shape, (size_t)dims * sizeof *shape);
    array->data = data;
}

static cn_status add_own(cn__contents *c) {
    for (int64_t i = 0; i < c->given.tensor_count; i++) {
        const cn_tensor *tensor = c->given.tensors[i];
        char *name = c->names + (size_t)i * OWN_NAME;
        snprintf(name, OWN_NAME, CN__CHECKPOINT_OWN "%s", c->given.names[i]);
        for (size_t k = 0; k < c->model->tensor_count; k++)
            if (strcmp(name, c->model->tensors[k].name) == 0)
                return cn__error(CN_ERR_ARGUMENT, "cn_checkpoint: tensor '%s' goes by '%s', as one of the model's does",
                                 c->given.names[i], name);
        cn__contents_add(c, name, cn__value_dtype(tensor->dtype), tensor->data, tensor->dims, tensor->shape);
    }
    return CN_OK;
}

static cn_status list_arrays(cn__contents *c) {
    if (c->given.trainer) {
        cn__trainer_state(c->given.trainer, &c->state);
    } else {
        c->passes = cn_model_training_passes(c->model);
        cn__state_add(&c->state, "I64", &c->passes, 1, "loop/passes");
        if (c->given.optimizer)
            cn__optimizer_state(c->given.optimizer, &c->state);
    }
    size_t own = (size_t)c->given.tensor_count;
    size_t flags = cn__model_flag_count(c->model);
    c->arrays = cn__alloc(c->ctx, c->state.count + OTHER_ARRAYS + own, sizeof *c->arrays);
    c->names = cn__alloc(c->ctx, own + 1, OWN_NAME);
    c->frozen = cn__alloc(c->ctx, flags, 1);
    if (!c->arrays || !c->names || !c->frozen)
        return cn__no_memory("a checkpoint");
    cn__model_frozen_flags(c->model, c->frozen);
    cn__contents_add(c, "frozen", "U8", c->frozen, 1, (int64_t[]){(int64_t)flags});
    for (size_t i = 0; i < c->state.count; i++) {
        const cn__value *v = &c->state.values[i];
        cn__contents_add(c, v->name, v->dtype, v->data, 1, (int64_t[]){(int64_t)v->count});
    }
    if (c->given.trainer)
        CN__TRY(cn__checkpoint_add_history(c));
    return add_own(c);
}

/* ---- the whole ---- */

cn_status cn__contents_init(cn__contents *contents, const cn_checkpoint *given, int64_t epochs, int64_t corners) {
    cn__contents *c = contents;
    *c = (cn__contents){.given = *given, .epochs = epochs, .corners = corners};
    c->model = given->trainer ? given->trainer->model : given->model;
    c->ctx = c->model->ctx;
    CN__TRY(list_arrays(c));
    CN__TRY(cn__architecture_write(c->model, &c->architecture));
    if (given->trainer)
        return cn__run_text(given->trainer, &c->run);
    return cn__loop_text(given->model, given->optimizer, &c->run);
}

void cn__contents_drop(cn__contents *contents) {
    cn__contents *c = contents;
    cn__free(c->ctx, c->history);
    cn__free(c->ctx, c->outputs);
    cn__free(c->ctx, c->rates);
    cn__free(c->ctx, c->arrays);
    cn__free(c->ctx, c->names);
    cn__free(c->ctx, c->frozen);
    cn_text_free(c->architecture);
    cn_text_free(c->run);
}
