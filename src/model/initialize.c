/* SPDX-License-Identifier: MIT */
/* initialize.c: how a model's tensors are laid out and drawn; what was drawn before moves over. */
#include "model/model.h"
#include <stdio.h>
#include <string.h>

#define MAX_FLOATS (SIZE_MAX / 64) /* in parameters: packed for kernels they take up to 32 times as many */

static size_t spec_count(const cn__tensor_spec *spec) {
    size_t count = 1;
    for (int i = 0; i < spec->dims; i++)
        count *= (size_t)spec->shape[i];
    return count;
}

int cn__node_specs(const cn__node *node, cn__tensor_spec *specs) {
    const cn__layer_type *type = node->layer->type;
    return type->tensors ? type->tensors(node->layer, specs) : 0;
}

static cn_status check_readers(const cn_model *model) {
    if (model->node_count == 0)
        return cn__error(CN_ERR_STATE, "cn_model_init: the model has no layers");
    if (model->input_readers == 0)
        return cn__error(CN_ERR_STATE, "cn_model_init: nothing reads 'input'");
    for (int32_t i = 0; i < (int32_t)model->node_count; i++) {
        const cn__node *node = &model->nodes[i];
        if (node->readers == 0 && (cn__node_is_input(node) || !cn__model_is_output(model, i)))
            return cn__error(CN_ERR_STATE, "cn_model_init: nothing reads layer '%s', and it is not an output",
                             node->name);
    }
    return CN_OK;
}

/* ---- memory for all tensors ---- */

/* How much of each kind of memory the model's tensors take, or where the next one goes. */
typedef struct extents {
    size_t tensors, floats, buffers, counters;
} extents;

/* A model's tensors, before they are its own. */
typedef struct store {
    cn__model_tensor *tensors;
    float *parameters, *gradients, *buffers;
    int64_t *counters;
    extents all;
} store;

/* Where the next tensor goes; moves on by it. */
static void *place(const store *s, const cn__tensor_spec *spec, extents *at) {
    size_t count = spec_count(spec);
    void *data;
    if (spec->parameter) {
        data = s->parameters ? s->parameters + at->floats : NULL;
        at->floats += cn__whole_lines(count);
    } else if (spec->dtype == CN_DTYPE_INT64) {
        data = s->counters ? s->counters + at->counters : NULL;
        at->counters += count;
    } else {
        data = s->buffers ? s->buffers + at->buffers : NULL;
        at->buffers += cn__whole_lines(count);
    }
    at->tensors++;
    return data;
}

static cn_status fill_entry(cn_context *ctx, const store *s, const cn__node *node, const cn__tensor_spec *spec,
                            extents *at) {
    cn__model_tensor *entry = &s->tensors[at->tensors];
    size_t offset = at->floats, bytes = strlen(node->name) + strlen(spec->name) + 2;
    entry->name = cn__alloc(ctx, bytes, 1);
    if (!entry->name)
        return cn__no_memory("a tensor's name");
    snprintf(entry->name, bytes, "%s.%s", node->name, spec->name);
    entry->parameter = spec->parameter;
    entry->value = (cn_tensor){.ctx = ctx, .dtype = spec->dtype, .dims = spec->dims};
    for (int i = 0; i < spec->dims; i++)
        entry->value.shape[i] = spec->shape[i];
    entry->value.count = (int64_t)spec_count(spec);
    entry->value.data = place(s, spec, at);
    if (spec->parameter) {
        entry->gradient = entry->value;
        entry->gradient.data = s->gradients + offset;
    }
    return CN_OK;
}

static void drop(cn_context *ctx, store *s) {
    for (size_t i = 0; i < s->all.tensors; i++)
        cn__free(ctx, s->tensors[i].name);
    cn__free(ctx, s->tensors);
    cn__free(ctx, s->parameters);
    cn__free(ctx, s->gradients);
    cn__free(ctx, s->buffers);
    cn__free(ctx, s->counters);
}

/* One element more, so that no model asks for nothing. */
static cn_status allocate(cn_context *ctx, const extents *need, store *s) {
    s->tensors = cn__alloc(ctx, need->tensors + 1, sizeof *s->tensors);
    s->parameters = cn__alloc(ctx, need->floats + 1, sizeof *s->parameters);
    s->gradients = cn__alloc(ctx, need->floats + 1, sizeof *s->gradients);
    s->buffers = cn__alloc(ctx, need->buffers + 1, sizeof *s->buffers);
    s->counters = cn__alloc(ctx, need->counters + 1, sizeof *s->counters);
    if (!s->tensors || !s->parameters || !s->gradients || !s->buffers || !s->counters)
        return cn__no_memory("the model's parameters");
    s->all = *need;
    return CN_OK;
}

/* Calls fill_entry for all tensors, or, with NULL memory, measures them. */
static cn_status each_tensor(const cn_model *model, const store *s, extents *at) {
    for (size_t i = 0; i < model->node_count; i++) {
        cn__tensor_spec specs[CN__MAX_TENSORS];
        int count = cn__node_specs(&model->nodes[i], specs);
        for (int t = 0; t < count; t++)
            if (s->tensors)
                CN__TRY(fill_entry(model->ctx, s, &model->nodes[i], &specs[t], at));
            else
                place(s, &specs[t], at);
        if (at->floats > MAX_FLOATS || at->buffers > MAX_FLOATS)
            return cn__no_memory("the model's parameters");
    }
    return CN_OK;
}

static cn_status make_store(const cn_model *model, store *s) {
    extents need = {0, 0, 0, 0}, at = {0, 0, 0, 0};
    *s = (store){0};
    CN__TRY(each_tensor(model, s, &need));
    CN__TRY(allocate(model->ctx, &need, s));
    return each_tensor(model, s, &at);
}

/* ---- into the model ---- */

static store old_store(const cn_model *model) {
    return (store){
        model->tensors,   model->parameters,
        model->gradients, model->buffers,
        model->counters,  {model->tensor_count, model->flat_count, model->buffer_count, model->counter_count}};
}

/* What a node holds: its tensors, and which of them are frozen. */
static void carry_over(const cn_model *model, const cn__node *node, cn__model_tensor *to) {
    const cn__model_tensor *from = model->tensors + node->first_tensor;
    for (int32_t t = 0; t < node->tensor_count; t++) {
        to[t].frozen = from[t].frozen;
        memcpy(to[t].value.data, from[t].value.data,
               (size_t)from[t].value.count * cn__dtype_bytes(from[t].value.dtype));
    }
}

static void freeze_constants(const cn__node *node, cn__model_tensor *tensors) {
    for (int32_t t = 0; t < node->tensor_count; t++)
        tensors[t].frozen = tensors[t].parameter && (node->constants >> t & 1);
}

static void take_store(cn_model *model, const store *s) {
    int32_t first = 0;
    for (size_t i = 0; i < model->node_count; i++) {
        cn__tensor_spec specs[CN__MAX_TENSORS];
        cn__node *node = &model->nodes[i];
        if (node->drawn)
            carry_over(model, node, s->tensors + first);
        node->first_tensor = first;
        node->tensor_count = cn__node_specs(node, specs);
        if (!node->drawn)
            freeze_constants(node, s->tensors + first);
        first += node->tensor_count;
    }
    model->tensors = s->tensors;
    model->parameters = s->parameters;
    model->gradients = s->gradients;
    model->buffers = s->buffers;
    model->counters = s->counters;
    model->tensor_count = s->all.tensors;
    model->flat_count = s->all.floats;
    model->buffer_count = s->all.buffers;
    model->counter_count = s->all.counters;
}

static cn_status lay_out(cn_model *model) {
    store fresh, old = old_store(model);
    cn_status status = make_store(model, &fresh);
    if (status == CN_OK)
        take_store(model, &fresh);
    drop(model->ctx, status == CN_OK ? &old : &fresh);
    return status;
}

/* ---- drawing ---- */

static void draw(const cn_model *model, size_t place, cn__initializer *from) {
    const cn__node *node = &model->nodes[place];
    void *tensors[CN__MAX_TENSORS];
    for (int32_t t = 0; t < node->tensor_count; t++)
        tensors[t] = model->tensors[node->first_tensor + t].value.data;
    cn__initializer_layer(from, place);
    if (node->layer->type->init)
        node->layer->type->init(node->layer, from, tensors);
}

static cn_status make_tensors(cn_model *model) {
    CN__TRY(check_readers(model));
    if (model->class_count > 0)
        CN__TRY(cn__model_check_class_count(model, model->class_count, CN_ERR_STATE, "cn_model_init"));
    return lay_out(model);
}

static void end(cn_model *model, uint64_t seed) {
    for (size_t i = 0; i < model->node_count; i++)
        model->nodes[i].drawn = true;
    model->seed = seed;
    cn__model_end_session(model);
    model->initialized = true;
}

/* Layers that were drawn before keep what they have, unless all begin afresh. */
static void draw_all(cn_model *model, cn__initializer *from) {
    bool afresh = model->initialized, kept = false;
    for (size_t i = 0; i < model->node_count; i++)
        if (afresh || !model->nodes[i].drawn)
            draw(model, i, from);
        else
            kept = true;
    if (model->own_init && !kept)
        model->own_init(model, from);
}

static cn_status init(cn_model *model, bool as_pytorch, uint64_t seed) {
    cn__initializer from;
    CN__TAKES(model, "cn_model_init");
    if (!model->initialized)
        CN__TRY(make_tensors(model));
    cn__initializer_begin(&from, as_pytorch, seed);
    draw_all(model, &from);
    end(model, seed);
    return CN_OK;
}

cn_status cn_model_init(cn_model *model, uint64_t seed) {
    CN__COMPUTES;
    CN__REQUIRE(model);
    return init(model, false, seed);
}

cn_status cn_model_init_pytorch(cn_model *model, uint64_t seed) {
    CN__COMPUTES;
    CN__REQUIRE(model);
    return init(model, true, seed);
}

cn_status cn__model_init_zeros(cn_model *model) {
    CN__TRY(make_tensors(model));
    end(model, 0);
    return CN_OK;
}
