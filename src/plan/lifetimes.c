/* SPDX-License-Identifier: MIT */
/* lifetimes.c: when the values and gradients of a plan are alive, and where they lie: those that are never alive together
 * share memory. */
#include "plan/compiler.h"

static int32_t forward_time(const cn__plan *plan, const cn__fused_op *fused) {
    return (int32_t)(fused - plan->fused_ops) + 1;
}

static int32_t loss_time(const cn__plan *plan) {
    return plan->fused_op_count + 1;
}

static int32_t backward_time(const cn__plan *plan, const cn__fused_op *fused) {
    return 2 * plan->fused_op_count + 1 - (int32_t)(fused - plan->fused_ops);
}

static int32_t end_time(const cn__plan *plan) {
    return 2 * plan->fused_op_count + 2;
}

static bool leaves_for_soon(const cn__layer_impl *impl) {
    bool any = false;
    for (const cn__stage *stage = impl->backward; stage->run; stage++)
        any |= stage->scope == CN__SCOPE_SOON;
    return any;
}

/* When backward stages have read their maps; some do so only after the next op's first stages. */
static int32_t read_time(const cn__plan *plan, const cn__fused_op *fused) {
    const cn__fused_op *next = fused;
    if (fused->requirements.until_end)
        return end_time(plan);
    if (leaves_for_soon(fused->impl))
        while (next > plan->fused_ops && !(--next)->backward)
            ;
    bool waits = next != fused && next->backward && cn__stages_ahead(next->impl) > 0;
    return backward_time(plan, waits ? next : fused);
}

static void begin(int32_t *first, int32_t time) {
    if (*first > time)
        *first = time;
}

/* ---- lifetimes ---- */

static void live_fused_op(cn__compiler *c, const cn__fused_op *fused) {
    const cn__plan *plan = c->plan;
    const cn__node *node = cn__head_node(plan, fused);
    const cn__layer_impl *impl = fused->impl;
    int32_t forward = forward_time(plan, fused), backward = backward_time(plan, fused), out = fused->last + 1;
    c->value_first[out] = forward;
    cn__extend(&c->value_last[out], forward);
    if (fused->backward && (impl->backward_reads_out || fused->op.post.relu))
        cn__extend(&c->value_last[out], backward);
    int32_t read = read_time(plan, fused);
    if (fused->backward)
        cn__extend(&c->gradient_last[out], read);
    for (int32_t i = 0; i < node->input_count; i++) {
        int32_t value = node->inputs[i] + 1;
        cn__extend(&c->value_last[value], forward);
        if (fused->backward && impl->backward_reads_in && !cn__needs_copy(c, fused, value))
            cn__extend(&c->value_last[value], read);
        begin(&c->gradient_first[value], backward);
    }
    if (fused->op.front) { /* which reads its input once more */
        const cn__fused_op *front = (const cn__fused_op *)fused->op.front;
        cn__extend(&c->value_last[cn__head_node(plan, front)->inputs[0] + 1], fused->backward ? read : forward);
    }
    if (fused->skip >= 0) {
        cn__extend(&c->value_last[fused->skip], forward);
        begin(&c->gradient_first[fused->skip], backward);
    }
}

static void live_input(cn__compiler *c, int32_t value) {
    c->value_first[value] = 0;
    cn__extend(&c->value_last[value], loss_time(c->plan)); /* kept for looking for the first bad layer */
    c->gradient_last[value] = end_time(c->plan);
}

/* The loss writes the gradient, and layers that read the output too add to it. */
static void live_output(cn__compiler *c, int32_t value) {
    const cn__plan *plan = c->plan;
    cn__extend(&c->value_last[value], plan->options.training ? loss_time(plan) : end_time(plan));
    c->gradient_first[value] = loss_time(plan);
    cn__extend(&c->gradient_last[value], loss_time(plan));
}

/* A gradient that is written value by value where another one is read, for the last time, takes its memory. */
static void share_gradient(cn__compiler *c, const cn__fused_op *fused) {
    int32_t in = cn__head_node(c->plan, fused)->inputs[0] + 1, out = fused->last + 1;
    int32_t time = backward_time(c->plan, fused);
    if (!fused->backward || !fused->impl->backward_in_place || !c->wanted[in] || fused->skip == in)
        return;
    if (c->gradient_first[in] != time || c->gradient_last[out] != time)
        return;
    int32_t home = c->gradient_home[in] = c->gradient_home[out];
    cn__extend(&c->gradient_last[home], c->gradient_last[in]);
}

static void find_lifetimes(cn__compiler *c) {
    const cn__plan *plan = c->plan;
    size_t values = plan->model->node_count + 1;
    for (size_t v = 0; v < values; v++) {
        c->value_first[v] = -1; /* fused away, until a fused op says otherwise */
        c->gradient_first[v] = end_time(plan);
        c->gradient_home[v] = (int32_t)v;
    }
    for (int32_t u = 0; u < plan->fused_op_count; u++)
        live_fused_op(c, &plan->fused_ops[u]);
    for (int32_t i = 0; i < plan->input_count; i++)
        live_input(c, plan->inputs[i]);
    for (int32_t i = 0; i < plan->output_count; i++)
        live_output(c, plan->outputs[i]);
    for (int32_t u = plan->fused_op_count - 1; u >= 0; u--)
        share_gradient(c, &plan->fused_ops[u]);
}

/* ---- memory ---- */

static void lay_out(const cn__plan *plan, cn__fmap *map, size_t value, int32_t pad_height, int32_t pad_width,
                    cn_padding_mode mode) {
    cn__shape shape = plan->shapes[value];
    if (plan->options.nchw16c)
        cn__nchw16c_layout(map, shape, pad_height, pad_width, mode);
    else
        cn__fmap_layout(map, shape, pad_height, pad_width, mode);
}

static cn_status add_map(cn__compiler *c, cn__fmap *map, int32_t first, int32_t last) {
    return cn__arena_add(&c->blocks, cn__fmap_floats(map, 1), first, last, &map->data, cn__fmap_origin(map));
}

static cn_status add_values(cn__compiler *c) {
    cn__plan *plan = c->plan;
    for (size_t v = 0; v < plan->model->node_count + 1; v++) {
        if (c->value_first[v] < 0)
            continue;
        lay_out(plan, &plan->values[v], v, c->pad[v][0], c->pad[v][1], c->mode[v]);
        if (c->unstored[v])
            plan->values[v].channel = 0;
        else
            CN__TRY(add_map(c, &plan->values[v], c->value_first[v], c->value_last[v]));
        bool output = v > 0 && cn__model_is_output(plan->model, (int32_t)v - 1);
        if (!plan->options.training || (!c->wanted[v] && !output))
            continue;
        lay_out(plan, &plan->gradients[v], v, 0, 0, CN_PADDING_ZEROS);
        if (c->gradient_home[v] == (int32_t)v)
            CN__TRY(add_map(c, &plan->gradients[v], c->gradient_first[v], c->gradient_last[v]));
    }
    return CN_OK;
}

static cn_status add_copies(cn__compiler *c, cn__fused_op *fused) {
    const cn__plan *plan = c->plan;
    const cn__node *node = cn__head_node(plan, fused);
    for (int32_t i = 0; i < node->input_count; i++) {
        int32_t value = node->inputs[i] + 1;
        if (!cn__needs_copy(c, fused, value))
            continue;
        lay_out(plan, &fused->copies[i], (size_t)value, fused->requirements.pad[0], fused->requirements.pad[1],
                fused->requirements.mode);
        CN__TRY(add_map(c, &fused->copies[i], forward_time(plan, fused),
                        fused->backward ? read_time(plan, fused) : forward_time(plan, fused)));
    }
    return CN_OK;
}

/* A norm that always has fixed statistics never does. */
static bool may_want_moments(const cn__node *node) {
    const cn__layer_type *type = node->layer->type;
    return type->wants_moments && (!node->frozen || type->wants_moments(node->layer, false));
}

cn__fused_op *cn__norm_behind(const cn__plan *plan, const cn__fused_op *fused) {
    const cn__node *node = cn__head_node(plan, fused);
    bool gathers = cn__layer_convolves(node->layer) && fused->pool < 0 && !plan->options.nchw16c;
    if (!gathers || plan->model->nodes[fused->last].readers != 1)
        return NULL;
    for (cn__fused_op *other = plan->fused_ops; other < plan->fused_ops + plan->fused_op_count; other++)
        if (cn__head_node(plan, other)->inputs[0] == fused->last)
            return may_want_moments(cn__head_node(plan, other)) ? other : NULL;
    return NULL;
}

static cn_status add_moments(cn__compiler *c, cn__fused_op *fused) {
    cn__fused_op *norm = cn__norm_behind(c->plan, fused);
    if (!norm)
        return CN_OK;
    size_t floats = cn__moment_floats(cn__plan_shape(c->plan, fused->head));
    fused->op.norm = cn__head_node(c->plan, norm)->layer;
    return cn__arena_add(&c->blocks, floats, forward_time(c->plan, fused), forward_time(c->plan, norm),
                         &fused->op.moments, 0);
}

static cn_status add_packed(cn__compiler *c, cn__fused_op *fused) {
    if (!fused->op.packed_by)
        return cn__arena_add(&c->shared, fused->requirements.packed_floats, 0, end_time(c->plan), &fused->op.packed, 0);
    fused->op.packed = fused->op.packed_by->packed;
    return CN_OK;
}

/* Where an op leaves the gradients of its frozen parameters. */
static cn_status add_unread(cn__compiler *c, cn__fused_op *fused) {
    const cn__node *node = cn__head_node(c->plan, fused);
    size_t floats = 0;
    for (int32_t t = 0; t < node->tensor_count; t++) {
        const cn__model_tensor *entry = &c->plan->model->tensors[node->first_tensor + t];
        fused->op.unread[t] = fused->backward && entry->parameter && entry->frozen;
        floats += fused->op.unread[t] ? cn__whole_lines((size_t)entry->value.count) : 0;
    }
    return cn__arena_add(&c->shared, floats, 0, end_time(c->plan), &fused->unread, 0);
}

static cn_status add_end(cn__compiler *c, cn__fmap *map) {
    int32_t blocks = (c->plan->max_blocks - 1) / CN__LANES + 1;
    return cn__arena_add(&c->shared, cn__fmap_floats(map, blocks), 0, end_time(c->plan), &map->data, 0);
}

static cn_status add_ends(cn__compiler *c) {
    const cn__plan *plan = c->plan;
    for (int32_t i = 0; plan->ends && i < plan->input_count + plan->output_count; i++) {
        CN__TRY(add_end(c, &plan->ends[i].value));
        if (plan->options.training && (i >= plan->input_count || plan->options.input_gradient))
            CN__TRY(add_end(c, &plan->ends[i].gradient));
    }
    return CN_OK;
}

static cn_status add_memory(cn__compiler *c) {
    cn__plan *plan = c->plan;
    CN__TRY(add_values(c));
    CN__TRY(add_ends(c));
    for (int32_t u = 0; u < plan->fused_op_count; u++) {
        cn__fused_op *fused = &plan->fused_ops[u];
        CN__TRY(add_copies(c, fused));
        CN__TRY(add_moments(c, fused));
        CN__TRY(add_packed(c, fused));
        CN__TRY(add_unread(c, fused));
        CN__TRY(cn__arena_add(&c->shared, fused->requirements.shared_floats, 0, end_time(plan), &fused->op.shared, 0));
        CN__TRY(cn__arena_add(&c->blocks, fused->requirements.saved_floats, 0, end_time(plan), &fused->op.saved, 0));
        if (plan->scratch_floats < fused->requirements.scratch_floats)
            plan->scratch_floats = fused->requirements.scratch_floats;
    }
    size_t threads = plan->options.one_thread ? 1 : (size_t)plan->ctx->threads;
    if (plan->scratch_floats > 0 &&
        !(plan->scratch = cn__alloc_pieces(plan->ctx, threads, plan->scratch_floats, sizeof *plan->scratch)))
        return cn__no_memory("the threads' own memory");
    CN__TRY(cn__arena_place(&c->shared, 1, &plan->shared, &plan->shared_floats));
    return cn__arena_place(&c->blocks, (size_t)plan->max_blocks, &plan->blocks, &plan->block_floats);
}

/* Blocks of all maps lie as far apart as their memory. */
static void spread_blocks(cn__compiler *c) {
    cn__plan *plan = c->plan;
    for (size_t v = 0; v < plan->model->node_count + 1; v++) {
        plan->gradients[v].data = plan->gradients[c->gradient_home[v]].data;
        plan->values[v].block = c->unstored[v] ? 0 : plan->block_floats;
        plan->gradients[v].block = plan->block_floats;
    }
    for (int32_t u = 0; u < plan->fused_op_count; u++) {
        cn__fused_op *fused = &plan->fused_ops[u];
        fused->op.block = plan->block_floats;
        for (int32_t i = 0; i < cn__head_node(plan, fused)->input_count; i++)
            fused->copies[i].block = plan->block_floats;
    }
}

/* ---- all together ---- */

cn_status cn__plan_memory(cn__compiler *compiler) {
    find_lifetimes(compiler);
    CN__TRY(add_memory(compiler));
    spread_blocks(compiler);
    return CN_OK;
}
