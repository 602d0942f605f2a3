/* SPDX-License-Identifier: MIT */
/* c_program.c: what there is to compute of a model for one image, and where values lie. */
#include "export/export.h"
#include "plan/arena.h"

#define NEVER (-1)

static int32_t end_time(const cn__c_program *p) {
    return p->step_count;
}

/* ---- what is computed ---- */

static void alias(cn__c_program *p, int32_t node, size_t part) {
    int32_t value = p->model->nodes[node].inputs[0] + 1;
    p->root[node + 1] = p->root[value];
    p->part[node + 1] = p->part[value] + part;
}

/* The step that makes what a batch norm reads, if it can take that in. */
static cn__c_step *folding_step(cn__c_program *p, int32_t norm) {
    const cn_model *model = p->model;
    int32_t before = model->nodes[norm].inputs[0];
    cn__c_step *last = p->step_count > 0 ? &p->steps[p->step_count - 1] : NULL;
    if (!last || before < 0 || p->root[before + 1] != before + 1 || model->nodes[before].readers != 1 ||
        cn__model_is_output(model, before))
        return NULL;
    for (; last >= p->steps; last--)
        if (last->node == before)
            return cn__c_folds(model->nodes[before].layer, model->nodes[norm].layer) ? last : NULL;
    return NULL;
}

static cn_status add_node(cn__c_program *p, int32_t n) {
    const cn__node *node = &p->model->nodes[n];
    const cn__c_layer *layer = cn__c_layer_find(node->layer);
    if (!layer)
        return cn__error(CN_ERR_UNSUPPORTED, "layer '%s' is of type '%s', which cannot be written as C", node->name,
                         node->layer->type->name);
    size_t floats = layer->floats ? layer->floats(p->model, node) : 0;
    cn__c_step *folding = folding_step(p, n);
    if (layer->manner == CN__C_ALIAS) {
        alias(p, n, floats);
    } else if (folding) {
        folding->folded = n;
        alias(p, n, 0);
    } else {
        p->root[n + 1] = n + 1;
        p->steps[p->step_count++] = (cn__c_step){.node = n, .folded = -1, .in_place = -1, .scratch = floats};
    }
    return CN_OK;
}

/* All lead to an output: cn_model_init refuses others. */
static cn_status find_steps(cn__c_program *p) {
    for (int32_t n = 0; n < (int32_t)p->model->node_count; n++)
        if (cn__node_is_input(&p->model->nodes[n]))
            p->root[n + 1] = n + 1;
        else
            CN__TRY(add_node(p, n));
    return CN_OK;
}

/* Outputs are read at the end. */
static void find_last_reads(cn__c_program *p) {
    for (size_t v = 0; v <= p->model->node_count; v++)
        p->last_read[v] = NEVER;
    for (int32_t s = 0; s < p->step_count; s++) {
        const cn__node *node = &p->model->nodes[p->steps[s].node];
        for (int32_t i = 0; i < node->input_count; i++)
            p->last_read[p->root[node->inputs[i] + 1]] = s;
    }
    for (int32_t i = 0; i < cn__model_output_count(p->model); i++)
        p->last_read[p->root[cn__model_output_node(p->model, i) + 1]] = end_time(p);
}

/* ---- where it lies ---- */

static int32_t add_buffer(cn__c_program *p, cn__c_buffer buffer) {
    p->buffers[p->buffer_count] = buffer;
    return p->buffer_count++;
}

/* Whether step `s` may write over the whole of its input `i`, which nobody reads any more, not even as another of its
 * inputs. */
static bool may_change(const cn__c_program *p, int32_t s, int32_t i) {
    const cn__node *node = &p->model->nodes[p->steps[s].node];
    int32_t value = node->inputs[i] + 1, root = p->root[value];
    const cn__c_buffer *buffer = &p->buffers[p->buffer[root]];
    for (int32_t other = 0; other < node->input_count; other++)
        if (other != i && p->root[node->inputs[other] + 1] == root)
            return false;
    return p->last_read[root] == s && buffer->memory == CN__C_SCRATCH && p->part[value] == 0 &&
           buffer->floats == cn__c_floats(node->shape) &&
           cn__shape_equal(cn__model_shape(p->model, value - 1), node->shape);
}

static int32_t changed_input(const cn__c_program *p, int32_t s) {
    const cn__node *node = &p->model->nodes[p->steps[s].node];
    const cn__c_layer *layer = cn__c_layer_find(node->layer);
    int32_t candidates = layer->manner == CN__C_IN_PLACE ? 1 : layer->manner == CN__C_ADDS_TO ? node->input_count : 0;
    for (int32_t i = 0; i < candidates; i++)
        if (may_change(p, s, i))
            return i;
    return -1;
}

static void find_buffers(cn__c_program *p) {
    for (int32_t i = 0; i < cn__model_input_count(p->model); i++)
        p->buffer[cn__model_input_node(p->model, i) + 1] = add_buffer(p, (cn__c_buffer){CN__C_INPUT, i, 0, 0, 0, 0});
    for (int32_t s = 0; s < p->step_count; s++) {
        cn__c_step *step = &p->steps[s];
        const cn__node *node = &p->model->nodes[step->node];
        int32_t value = step->node + 1, last = p->last_read[value];
        step->in_place = changed_input(p, s);
        if (step->in_place >= 0) {
            p->buffer[value] = p->buffer[p->root[node->inputs[step->in_place] + 1]];
            p->buffers[p->buffer[value]].last = last;
        } else {
            p->buffer[value] = add_buffer(p, (cn__c_buffer){CN__C_SCRATCH, 0, cn__c_floats(node->shape), s, last, 0});
        }
    }
}

/* An output that has a buffer for itself is written where the caller wants it; others are copied there in the end. */
static void place_outputs(cn__c_program *p) {
    for (int32_t i = 0; i < cn__model_output_count(p->model); i++) {
        int32_t node = cn__model_output_node(p->model, i);
        cn__c_buffer *buffer = &p->buffers[p->buffer[p->root[node + 1]]];
        if (buffer->memory == CN__C_SCRATCH && buffer->floats == cn__c_floats(p->model->nodes[node].shape)) {
            buffer->memory = CN__C_OUTPUT;
            buffer->index = i;
        }
    }
}

/* Numbers of the arena's buffers: those of the program, then what steps need besides. */
static cn_status fill_arena(const cn__c_program *p, cn__arena *arena) {
    for (int32_t b = 0; b < p->buffer_count; b++) {
        const cn__c_buffer *buffer = &p->buffers[b];
        CN__TRY(cn__arena_add(arena, buffer->memory == CN__C_SCRATCH ? buffer->floats : 0, buffer->first, buffer->last,
                              NULL, 0));
    }
    for (int32_t s = 0; s < p->step_count; s++)
        CN__TRY(cn__arena_add(arena, p->steps[s].scratch, s, s, NULL, 0));
    return CN_OK;
}

static cn_status place_scratch(cn__c_program *p) {
    cn__arena arena = {.ctx = p->model->ctx};
    cn_status status = fill_arena(p, &arena);
    if (status == CN_OK)
        status = cn__arena_fit(&arena, &p->scratch_floats);
    for (size_t i = 0; status == CN_OK && i < arena.count; i++) {
        const cn__buffer *placed = &arena.buffers[i];
        if (placed->number < (size_t)p->buffer_count)
            p->buffers[placed->number].offset = placed->offset;
        else
            p->steps[placed->number - (size_t)p->buffer_count].offset = placed->offset;
    }
    cn__arena_drop(&arena);
    if (p->scratch_floats == 0)
        p->scratch_floats = 1; /* C has no arrays of none */
    return status;
}

/* ---- all together ---- */

cn_status cn__c_program_make(const cn_model *model, cn__c_program *p) {
    cn_context *ctx = model->ctx;
    size_t values = model->node_count + 1;
    *p = (cn__c_program){.model = model,
                         .root = cn__alloc(ctx, values, sizeof *p->root),
                         .part = cn__alloc(ctx, values, sizeof *p->part),
                         .last_read = cn__alloc(ctx, values, sizeof *p->last_read),
                         .buffer = cn__alloc(ctx, values, sizeof *p->buffer),
                         .buffers = cn__alloc(ctx, values, sizeof *p->buffers),
                         .steps = cn__alloc(ctx, values, sizeof *p->steps)};
    bool all = p->root && p->part && p->last_read && p->buffer && p->buffers && p->steps;
    if (!all)
        return cn__no_memory("a model's steps");
    CN__TRY(find_steps(p));
    find_last_reads(p);
    find_buffers(p);
    place_outputs(p);
    return place_scratch(p);
}

void cn__c_program_drop(cn__c_program *p) {
    cn_context *ctx = p->model->ctx;
    cn__free(ctx, p->root);
    cn__free(ctx, p->part);
    cn__free(ctx, p->last_read);
    cn__free(ctx, p->buffer);
    cn__free(ctx, p->buffers);
    cn__free(ctx, p->steps);
}
