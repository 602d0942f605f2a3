/* SPDX-License-Identifier: MIT */
/* compile.c: compiles a model for a batch size and mode: fused ops, borders, memory, layers bound to it. */
#include "layers/tree.h"
#include "plan/compiler.h"

/* ---- what the layers ask for ---- */

/* A value's gradient is wanted if something before it, or it, has parameters that train. */
static void find_wanted(cn__compiler *c) {
    const cn_model *model = c->plan->model;
    c->wanted[0] = c->plan->options.input_gradient;
    for (size_t n = 0; n < model->node_count; n++) {
        const cn__node *node = &model->nodes[n];
        bool wanted = cn__node_is_input(node) && c->plan->options.input_gradient;
        for (int32_t i = 0; i < node->input_count; i++)
            wanted |= c->wanted[node->inputs[i] + 1];
        for (int32_t t = 0; t < node->tensor_count; t++)
            wanted |= cn__model_trains(&model->tensors[node->first_tensor + t]);
        c->wanted[n + 1] = wanted && c->plan->options.training;
    }
    c->wanted[0] &= c->plan->options.training;
}

static const cn__layer_impl *choose_impl(const cn__plan *plan, const cn__fused_op *fused) {
    const cn_layer *head = cn__head_node(plan, fused)->layer;
    if (cn__plan_is_identity(plan, fused->head))
        return &cn__identity_impl;
    if (plan->options.nchw16c)
        return cn__layer_nchw16c(head, plan->options.training);
    return fused->pool < 0 ? head->type->batch : head->type->with_pool;
}

static cn_status ask_requirements(cn__compiler *c, cn__fused_op *fused) {
    const cn__plan *plan = c->plan;
    const cn__node *node = cn__head_node(plan, fused);
    fused->backward = c->wanted[fused->last + 1];
    fused->impl = choose_impl(plan, fused);
    if (!fused->impl->requirements)
        return CN_OK;
    cn__shape *in = cn__alloc(plan->ctx, (size_t)node->input_count, sizeof *in);
    if (!in)
        return cn__no_memory("a plan");
    for (int32_t i = 0; i < node->input_count; i++)
        in[i] = cn__plan_shape(plan, node->inputs[i]);
    if (plan->options.share)
        fused->op.packed_by = &plan->options.share->fused_ops[fused - plan->fused_ops].op;
    cn__sizes sizes = {.inputs = node->input_count,
                       .in = in,
                       .out = cn__plan_shape(plan, fused->head),
                       .max_blocks = plan->max_blocks,
                       .batch = plan->options.batch,
                       .depth = cn__tree_depth((plan->options.images - 1) / CN__LANES + 1, plan->options.part),
                       .training = fused->backward,
                       .part = plan->options.part,
                       .nchw16c = plan->options.nchw16c,
                       .packed_by = fused->op.packed_by};
    fused->impl->requirements(node->layer, &sizes, &fused->requirements);
    cn__free(plan->ctx, in);
    return CN_OK;
}

/* A value's border serves all readers of its first reader's mode; a reader of another mode gets a copy. */
static void choose_borders(cn__compiler *c) {
    for (int32_t u = 0; u < c->plan->fused_op_count; u++) {
        const cn__fused_op *fused = &c->plan->fused_ops[u];
        const cn__node *node = cn__head_node(c->plan, fused);
        for (int32_t i = 0; i < node->input_count && cn__wants_border(fused); i++) {
            int32_t *pad = c->pad[node->inputs[i] + 1];
            cn_padding_mode *mode = &c->mode[node->inputs[i] + 1];
            if (pad[0] == 0 && pad[1] == 0)
                *mode = fused->requirements.mode;
            for (int d = 0; d < 2 && *mode == fused->requirements.mode; d++)
                cn__extend(&pad[d], fused->requirements.pad[d]);
        }
    }
}

/* A batch norm goes in front of the op that alone reads it, where that one can make its output by itself. */
static void choose_front(cn__compiler *c, cn__fused_op *fused) {
    const cn__plan *plan = c->plan;
    const cn__node *node = cn__head_node(plan, fused);
    int32_t read = node->input_count > 0 ? node->inputs[0] : -1;
    bool takes = fused->backward && fused->impl->takes_front && fused->impl->takes_front(node->layer);
    if (!takes || read < 0 || plan->model->nodes[read].readers != 1 || cn__model_is_output(plan->model, read))
        return;
    for (const cn__fused_op *norm = plan->fused_ops; norm < fused; norm++) {
        bool is_norm = cn__head_node(plan, norm)->layer->type->kind == CN__KIND_BATCH_NORM;
        if (norm->last != read || !is_norm || norm->skip >= 0 || norm->op.post.dropout > 0.0f)
            continue;
        fused->op.front = &norm->op;
        c->unstored[read + 1] = true;
    }
}

/* ---- binding ---- */

/* Backward, each reader of a value writes its share, of an output the loss first; all but the first to run add to it. */
static void choose_writers(cn__compiler *c) {
    cn__plan *plan = c->plan;
    for (int32_t i = 0; i < plan->output_count; i++)
        c->written[plan->outputs[i]] = true;
    for (int32_t u = plan->fused_op_count - 1; u >= 0; u--) {
        cn__fused_op *fused = &plan->fused_ops[u];
        const cn__node *node = cn__head_node(plan, fused);
        if (!fused->backward)
            continue;
        if (fused->skip >= 0 && c->wanted[fused->skip]) {
            fused->op.post.d_skip = &plan->gradients[fused->skip];
            fused->op.post.skip_accumulate = c->written[fused->skip];
            c->written[fused->skip] = true;
        }
        for (int32_t i = 0; i < node->input_count; i++) {
            int32_t value = node->inputs[i] + 1;
            if (!c->wanted[value])
                continue;
            fused->d_in[i] = &plan->gradients[value];
            fused->accumulate[i] = c->written[value];
            c->written[value] = true;
        }
    }
}

static void bind_folded(const cn__plan *plan, cn__fused_op *fused) {
    const cn__node *norm = &plan->model->nodes[fused->folded];
    fused->op.folded = norm->layer;
    for (int32_t t = 0; t < norm->tensor_count; t++)
        fused->op.folded_tensor[t] = plan->tensors[norm->first_tensor + t];
}

static void bind_tensors(const cn__plan *plan, cn__fused_op *fused) {
    const cn__node *node = cn__head_node(plan, fused);
    cn__op *op = &fused->op;
    float *unread = fused->unread;
    for (int32_t t = 0; t < node->tensor_count; t++) {
        int32_t entry = node->first_tensor + t;
        const cn_tensor *gradient = &plan->model->tensors[entry].gradient;
        op->tensor[t] = plan->tensors[entry];
        op->gradient[t] = !fused->backward ? NULL : op->unread[t] ? unread : gradient->data;
        if (op->unread[t] && unread)
            unread += cn__whole_lines((size_t)gradient->count);
    }
}

static cn_status bind_fused_op(cn__plan *plan, cn__fused_op *fused) {
    const cn__node *node = cn__head_node(plan, fused);
    cn__op *op = &fused->op;
    cn__fused_op *norm = cn__norm_behind(plan, fused);
    if (norm)
        norm->op.moments = op->moments;
    for (int32_t i = 0; i < node->input_count; i++)
        fused->in[i] = fused->copies[i].data ? &fused->copies[i] : &plan->values[node->inputs[i] + 1];
    op->layer = node->layer;
    op->ctx = plan->ctx;
    op->kernels = plan->ctx->kernels;
    op->failure = &plan->failure;
    op->max_blocks = plan->max_blocks;
    op->batch = plan->options.batch;
    op->training = fused->backward;
    op->frozen = node->frozen;
    op->id = (uint32_t)fused->head;
    op->name = node->name;
    op->input_count = node->input_count;
    op->in = fused->in;
    op->d_in = fused->d_in;
    op->accumulate = fused->accumulate;
    op->out = &plan->values[fused->last + 1];
    op->d_out = &plan->gradients[fused->last + 1];
    if (fused->skip >= 0)
        op->post.skip = &plan->values[fused->skip];
    if (fused->folded >= 0)
        bind_folded(plan, fused);
    bind_tensors(plan, fused);
    return fused->impl->bind ? fused->impl->bind(op) : CN_OK;
}

static cn_status make_fused_op(cn__plan *plan, cn__fused_op *fused) {
    size_t inputs = (size_t)cn__head_node(plan, fused)->input_count;
    fused->in = cn__alloc(plan->ctx, inputs, sizeof *fused->in);
    fused->d_in = cn__alloc(plan->ctx, inputs, sizeof *fused->d_in);
    fused->accumulate = cn__alloc(plan->ctx, inputs, sizeof *fused->accumulate);
    fused->copies = cn__alloc(plan->ctx, inputs, sizeof *fused->copies);
    return fused->in && fused->d_in && fused->accumulate && fused->copies ? CN_OK : cn__no_memory("a plan");
}

static void free_fused_op(cn__plan *plan, cn__fused_op *fused) {
    if (fused->op.geometry && fused->impl->unbind)
        fused->impl->unbind(&fused->op);
    cn__free(plan->ctx, fused->in);
    cn__free(plan->ctx, fused->d_in);
    cn__free(plan->ctx, fused->accumulate);
    cn__free(plan->ctx, fused->copies);
}

/* ---- the story ---- */

static cn_status find_ends(cn__plan *plan) {
    plan->input_count = cn__model_input_count(plan->model);
    plan->output_count = cn__model_output_count(plan->model);
    plan->inputs = cn__alloc(plan->ctx, (size_t)plan->input_count, sizeof *plan->inputs);
    plan->outputs = cn__alloc(plan->ctx, (size_t)plan->output_count, sizeof *plan->outputs);
    if (!plan->inputs || !plan->outputs)
        return cn__no_memory("a plan");
    for (int32_t i = 0; i < plan->input_count; i++)
        plan->inputs[i] = cn__model_input_node(plan->model, i) + 1;
    for (int32_t i = 0; i < plan->output_count; i++)
        plan->outputs[i] = cn__model_output_node(plan->model, i) + 1;
    return CN_OK;
}

static cn_status compile(cn__compiler *c) {
    cn__plan *plan = c->plan;
    CN__TRY(cn__model_shapes(plan->model, plan->options.inputs, plan->shapes));
    plan->options.inputs = NULL; /* the caller's */
    CN__TRY(find_ends(plan));
    find_wanted(c);
    CN__TRY(cn__ends_make(plan));
    CN__TRY(cn__fusion_find(plan, c->wanted));
    for (int32_t u = 0; u < plan->fused_op_count; u++) {
        CN__TRY(make_fused_op(plan, &plan->fused_ops[u]));
        CN__TRY(ask_requirements(c, &plan->fused_ops[u]));
    }
    choose_borders(c);
    for (int32_t u = 0; u < plan->fused_op_count; u++)
        choose_front(c, &plan->fused_ops[u]);
    CN__TRY(cn__plan_memory(c));
    CN__TRY(cn__plan_tensors(plan));
    choose_writers(c);
    for (int32_t u = 0; u < plan->fused_op_count; u++)
        CN__TRY(bind_fused_op(plan, &plan->fused_ops[u]));
    plan->options.bypassed = NULL; /* as well */
    return cn__instructions_make(plan);
}

static cn_status compile_with_tables(cn__plan *plan) {
    size_t values = plan->model->node_count + 1;
    cn__compiler c = {.plan = plan, .blocks = {.ctx = plan->ctx}, .shared = {.ctx = plan->ctx}};
    int32_t *times = cn__alloc(plan->ctx, values, 7 * sizeof *times);
    c.wanted = cn__alloc(plan->ctx, values, sizeof *c.wanted);
    c.written = cn__alloc(plan->ctx, values, sizeof *c.written);
    c.unstored = cn__alloc(plan->ctx, values, sizeof *c.unstored);
    c.mode = cn__alloc(plan->ctx, values, sizeof *c.mode);
    bool all = times && c.wanted && c.written && c.unstored && c.mode;
    if (all) {
        c.value_first = times;
        c.value_last = times + values;
        c.gradient_first = times + 2 * values;
        c.gradient_last = times + 3 * values;
        c.gradient_home = times + 4 * values;
        c.pad = (int32_t(*)[2])(times + 5 * values);
    }
    cn_status status = all ? compile(&c) : cn__no_memory("a plan");
    cn__free(plan->ctx, times);
    cn__free(plan->ctx, c.wanted);
    cn__free(plan->ctx, c.written);
    cn__free(plan->ctx, c.unstored);
    cn__free(plan->ctx, c.mode);
    cn__arena_drop(&c.blocks);
    cn__arena_drop(&c.shared);
    return status;
}

cn_status cn__plan_new(const cn_model *model, const cn__plan_options *options, cn__plan **plan) {
    cn_context *ctx = model->ctx;
    size_t values = model->node_count + 1;
    *plan = NULL;
    cn__plan *made = cn__alloc(ctx, 1, sizeof *made);
    if (!made)
        return cn__no_memory("a plan");
    made->model = model;
    made->ctx = ctx;
    made->options = *options;
    if (options->training)
        made->options.nchw16c = made->options.ends =
            cn__plan_trains_nchw16c(model, options->batch ? options->batch : options->images);
    if (options->batch == 0)
        made->options.batch = options->images;
    made->freezes = model->freezes;
    made->max_blocks = made->options.nchw16c ? options->images : (options->images - 1) / CN__LANES + 1;
    made->values = cn__alloc(ctx, values, sizeof *made->values);
    made->gradients = cn__alloc(ctx, values, sizeof *made->gradients);
    made->shapes = cn__alloc(ctx, values, sizeof *made->shapes);
    cn_status status =
        made->values && made->gradients && made->shapes ? compile_with_tables(made) : cn__no_memory("a plan");
    if (status != CN_OK) {
        cn__plan_free(made);
        made = NULL;
    }
    *plan = made;
    return status;
}

void cn__plan_free(cn__plan *plan) {
    if (!plan)
        return;
    for (int32_t u = 0; u < plan->fused_op_count; u++)
        free_fused_op(plan, &plan->fused_ops[u]);
    cn__free(plan->ctx, plan->fused_ops);
    cn__free(plan->ctx, plan->values);
    cn__free(plan->ctx, plan->gradients);
    cn__free(plan->ctx, plan->shapes);
    cn__free(plan->ctx, plan->inputs);
    cn__free(plan->ctx, plan->outputs);
    cn__free(plan->ctx, plan->ends);
    cn__free(plan->ctx, plan->tensors);
    cn__free(plan->ctx, plan->copies);
    cn__instructions_drop(plan);
    cn__free(plan->ctx, plan->blocks);
    cn__free(plan->ctx, plan->shared);
    cn__free(plan->ctx, plan->scratch);
    cn__free(plan->ctx, plan);
}

size_t cn__plan_bytes(const cn__plan *plan) {
    return (plan->block_floats * (size_t)plan->max_blocks + plan->shared_floats) * sizeof(float);
}
