/* compile.c: compiles a model for a batch size and mode: fused ops, borders, lifetimes, one arena, layers bound to it.
 */
#include "plan/compiled.h"

/* What compiling needs besides the plan, per value. */
typedef struct compiler {
    cn__plan *plan;
    cn__arena blocks, shared; /* memory of a block, and of all */
    bool *wanted;             /* the value's gradient is */
    bool *written;            /* an earlier writer of its gradient is known */
    int32_t *value_last, *value_first, *gradient_first, *gradient_last;
    int32_t (*pad)[2];
    cn_padding_mode *mode;
} compiler;

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

static void extend(int32_t *last, int32_t time) {
    if (*last < time)
        *last = time;
}

static void begin(int32_t *first, int32_t time) {
    if (*first > time)
        *first = time;
}

static const cn__node *head_node(const cn__plan *plan, const cn__fused_op *fused) {
    return &plan->model->nodes[fused->head];
}

/* ---- what the layers ask for ---- */

/* A value's gradient is wanted if something before it, or it, has parameters that train. */
static void find_wanted(compiler *c) {
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
    const cn_layer *head = head_node(plan, fused)->layer;
    if (plan->options.small_batch)
        return cn__layer_small_batch(head);
    return fused->pool < 0 ? head->type->batch : head->type->with_pool;
}

static cn_status ask_requirements(compiler *c, cn__fused_op *fused) {
    const cn__plan *plan = c->plan;
    const cn__node *node = head_node(plan, fused);
    fused->backward = c->wanted[fused->last + 1];
    fused->impl = choose_impl(plan, fused);
    if (!fused->impl->requirements)
        return CN_OK;
    cn__shape *in = cn__alloc(plan->ctx, (size_t)node->input_count, sizeof *in);
    if (!in)
        return cn__no_memory("a plan");
    for (int32_t i = 0; i < node->input_count; i++)
        in[i] = cn__plan_shape(plan, node->inputs[i]);
    cn__sizes sizes = {node->input_count, in, cn__plan_shape(plan, fused->head), plan->max_blocks, fused->backward};
    fused->impl->requirements(node->layer, &sizes, &fused->requirements);
    cn__free(plan->ctx, in);
    return CN_OK;
}

static bool wants_border(const cn__fused_op *fused) {
    return fused->requirements.pad[0] > 0 || fused->requirements.pad[1] > 0;
}

/* A value's border serves all readers of its first reader's mode; a reader of another mode gets a copy. */
static void choose_borders(compiler *c) {
    for (int32_t u = 0; u < c->plan->fused_op_count; u++) {
        const cn__fused_op *fused = &c->plan->fused_ops[u];
        const cn__node *node = head_node(c->plan, fused);
        for (int32_t i = 0; i < node->input_count && wants_border(fused); i++) {
            int32_t *pad = c->pad[node->inputs[i] + 1];
            cn_padding_mode *mode = &c->mode[node->inputs[i] + 1];
            if (pad[0] == 0 && pad[1] == 0)
                *mode = fused->requirements.mode;
            for (int d = 0; d < 2 && *mode == fused->requirements.mode; d++)
                extend(&pad[d], fused->requirements.pad[d]);
        }
    }
}

static bool needs_copy(const compiler *c, const cn__fused_op *fused, int32_t value) {
    return wants_border(fused) && c->mode[value] != fused->requirements.mode;
}

/* ---- lifetimes ---- */

static void live_fused_op(compiler *c, const cn__fused_op *fused) {
    const cn__plan *plan = c->plan;
    const cn__node *node = head_node(plan, fused);
    const cn__layer_impl *impl = fused->impl;
    int32_t forward = forward_time(plan, fused), backward = backward_time(plan, fused), out = fused->last + 1;
    c->value_first[out] = forward;
    extend(&c->value_last[out], forward);
    if (fused->backward && (impl->backward_reads_out || fused->op.post.relu))
        extend(&c->value_last[out], backward);
    int32_t read =
        fused->requirements.until_end ? end_time(plan) : backward; /* when backward stages have read their maps */
    if (fused->backward)
        extend(&c->gradient_last[out], read);
    for (int32_t i = 0; i < node->input_count; i++) {
        int32_t value = node->inputs[i] + 1;
        extend(&c->value_last[value], forward);
        if (fused->backward && impl->backward_reads_in && !needs_copy(c, fused, value))
            extend(&c->value_last[value], read);
        begin(&c->gradient_first[value], backward);
    }
    if (fused->skip >= 0) {
        extend(&c->value_last[fused->skip], forward);
        begin(&c->gradient_first[fused->skip], backward);
    }
}

static void live_input(compiler *c, int32_t value) {
    c->value_first[value] = 0;
    extend(&c->value_last[value], loss_time(c->plan)); /* kept for looking for the first bad layer */
    c->gradient_last[value] = end_time(c->plan);
}

/* The loss writes the gradient, and layers that read the output too add to it. */
static void live_output(compiler *c, int32_t value) {
    const cn__plan *plan = c->plan;
    extend(&c->value_last[value], plan->options.training ? loss_time(plan) : end_time(plan));
    c->gradient_first[value] = loss_time(plan);
    extend(&c->gradient_last[value], loss_time(plan));
}

static void find_lifetimes(compiler *c) {
    const cn__plan *plan = c->plan;
    size_t values = plan->model->node_count + 1;
    for (size_t v = 0; v < values; v++) {
        c->value_first[v] = -1; /* fused away, until a fused op says otherwise */
        c->gradient_first[v] = end_time(plan);
    }
    for (int32_t u = 0; u < plan->fused_op_count; u++)
        live_fused_op(c, &plan->fused_ops[u]);
    for (int32_t i = 0; i < plan->input_count; i++)
        live_input(c, plan->inputs[i]);
    for (int32_t i = 0; i < plan->output_count; i++)
        live_output(c, plan->outputs[i]);
}

/* ---- memory ---- */

static void lay_out(const cn__plan *plan, cn__fmap *map, size_t value, int32_t pad_height, int32_t pad_width,
                    cn_padding_mode mode) {
    cn__shape shape = plan->shapes[value];
    if (plan->options.small_batch)
        cn__nchw16c_layout(map, shape, pad_height, pad_width, mode);
    else
        cn__fmap_layout(map, shape, pad_height, pad_width, mode);
}

static cn_status add_map(compiler *c, cn__fmap *map, int32_t first, int32_t last) {
    return cn__arena_add(&c->blocks, cn__fmap_floats(map, 1), first, last, &map->data, cn__fmap_origin(map));
}

static cn_status add_values(compiler *c) {
    cn__plan *plan = c->plan;
    for (size_t v = 0; v < plan->model->node_count + 1; v++) {
        if (c->value_first[v] < 0)
            continue;
        lay_out(plan, &plan->values[v], v, c->pad[v][0], c->pad[v][1], c->mode[v]);
        CN__TRY(add_map(c, &plan->values[v], c->value_first[v], c->value_last[v]));
        bool output = v > 0 && cn__model_is_output(plan->model, (int32_t)v - 1);
        if (!plan->options.training || (!c->wanted[v] && !output))
            continue;
        lay_out(plan, &plan->gradients[v], v, 0, 0, CN_PADDING_ZEROS);
        CN__TRY(add_map(c, &plan->gradients[v], c->gradient_first[v], c->gradient_last[v]));
    }
    return CN_OK;
}

static cn_status add_copies(compiler *c, cn__fused_op *fused) {
    const cn__plan *plan = c->plan;
    const cn__node *node = head_node(plan, fused);
    for (int32_t i = 0; i < node->input_count; i++) {
        int32_t value = node->inputs[i] + 1;
        if (!needs_copy(c, fused, value))
            continue;
        lay_out(plan, &fused->copies[i], (size_t)value, fused->requirements.pad[0], fused->requirements.pad[1],
                fused->requirements.mode);
        CN__TRY(add_map(c, &fused->copies[i], forward_time(plan, fused),
                        fused->backward ? backward_time(plan, fused) : forward_time(plan, fused)));
    }
    return CN_OK;
}

/* A norm that always has fixed statistics never does. */
static bool may_want_moments(const cn__node *node) {
    const cn__layer_type *type = node->layer->type;
    return type->wants_moments && (!node->frozen || type->wants_moments(node->layer, false));
}

/* The norm that is the only reader of a convolution's output and may want its moments, or NULL. */
static cn__fused_op *norm_behind(const cn__plan *plan, const cn__fused_op *fused) {
    const cn__node *node = head_node(plan, fused);
    bool gathers = cn__layer_convolves(node->layer) && fused->pool < 0 && !plan->options.small_batch;
    if (!gathers || plan->model->nodes[fused->last].readers != 1)
        return NULL;
    for (cn__fused_op *other = plan->fused_ops; other < plan->fused_ops + plan->fused_op_count; other++)
        if (head_node(plan, other)->inputs[0] == fused->last)
            return may_want_moments(head_node(plan, other)) ? other : NULL;
    return NULL;
}

static cn_status add_moments(compiler *c, cn__fused_op *fused) {
    cn__fused_op *norm = norm_behind(c->plan, fused);
    if (!norm)
        return CN_OK;
    size_t floats = cn__moment_floats(cn__plan_shape(c->plan, fused->head));
    fused->op.norm = head_node(c->plan, norm)->layer;
    return cn__arena_add(&c->blocks, floats, forward_time(c->plan, fused), forward_time(c->plan, norm),
                         &fused->op.moments, 0);
}

static cn_status add_packed(compiler *c, cn__fused_op *fused) {
    const cn__plan *share = c->plan->options.share;
    if (!share)
        return cn__arena_add(&c->shared, fused->requirements.packed_floats, 0, end_time(c->plan), &fused->op.packed, 0);
    fused->op.packed = share->fused_ops[fused - c->plan->fused_ops].op.packed;
    return CN_OK;
}

/* Where an op leaves the gradients of its frozen parameters. */
static cn_status add_unread(compiler *c, cn__fused_op *fused) {
    const cn__node *node = head_node(c->plan, fused);
    size_t floats = 0;
    for (int32_t t = 0; t < node->tensor_count; t++) {
        const cn__model_tensor *entry = &c->plan->model->tensors[node->first_tensor + t];
        fused->op.unread[t] = fused->backward && entry->parameter && entry->frozen;
        floats += fused->op.unread[t] ? cn__whole_lines((size_t)entry->value.count) : 0;
    }
    return cn__arena_add(&c->shared, floats, 0, end_time(c->plan), &fused->unread, 0);
}

static cn_status add_memory(compiler *c) {
    cn__plan *plan = c->plan;
    CN__TRY(add_values(c));
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
    size_t threads = plan->options.one_thread ? 1 : (size_t)plan->ctx->threads, scratch;
    if (__builtin_mul_overflow(threads, plan->scratch_floats, &scratch))
        return cn__no_memory("the threads' own memory");
    CN__TRY(cn__arena_add(&c->shared, scratch, 0, end_time(plan), &plan->scratch, 0));
    CN__TRY(cn__arena_place(&c->shared, 1, &plan->shared, &plan->shared_floats));
    return cn__arena_place(&c->blocks, (size_t)plan->max_blocks, &plan->blocks, &plan->block_floats);
}

/* Blocks of all maps lie as far apart as their memory. */
static void spread_blocks(cn__plan *plan) {
    for (size_t v = 0; v < plan->model->node_count + 1; v++)
        plan->values[v].block = plan->gradients[v].block = plan->block_floats;
    for (int32_t u = 0; u < plan->fused_op_count; u++) {
        cn__fused_op *fused = &plan->fused_ops[u];
        fused->op.block = plan->block_floats;
        for (int32_t i = 0; i < head_node(plan, fused)->input_count; i++)
            fused->copies[i].block = plan->block_floats;
    }
}

/* ---- binding ---- */

/* Backward, each reader of a value writes its share, of an output the loss first; all but the first to run add to it. */
static void choose_writers(compiler *c) {
    cn__plan *plan = c->plan;
    for (int32_t i = 0; i < plan->output_count; i++)
        c->written[plan->outputs[i]] = true;
    for (int32_t u = plan->fused_op_count - 1; u >= 0; u--) {
        cn__fused_op *fused = &plan->fused_ops[u];
        const cn__node *node = head_node(plan, fused);
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
    const cn__node *node = head_node(plan, fused);
    cn__op *op = &fused->op;
    float *unread = fused->unread;
    for (int32_t t = 0; t < node->tensor_count; t++) {
        int32_t entry = node->first_tensor + t;
        const cn_tensor *gradient = &plan->model->tensors[entry].gradient;
        op->tensor[t] = plan->tensors[entry];
        op->gradient[t] = !fused->backward ? NULL : op->unread[t] ? unread : gradient->data;
        unread += op->unread[t] ? cn__whole_lines((size_t)gradient->count) : 0;
    }
}

static cn_status bind_fused_op(cn__plan *plan, cn__fused_op *fused) {
    const cn__node *node = head_node(plan, fused);
    cn__op *op = &fused->op;
    cn__fused_op *norm = norm_behind(plan, fused);
    if (norm)
        norm->op.moments = op->moments;
    for (int32_t i = 0; i < node->input_count; i++)
        fused->in[i] = fused->copies[i].data ? &fused->copies[i] : &plan->values[node->inputs[i] + 1];
    op->layer = node->layer;
    op->ctx = plan->ctx;
    op->kernels = plan->ctx->kernels;
    op->failure = &plan->failure;
    op->max_blocks = plan->max_blocks;
    op->training = fused->backward;
    op->frozen = node->frozen;
    op->id = (uint32_t)fused->head;
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
    size_t inputs = (size_t)head_node(plan, fused)->input_count;
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

static cn_status compile(compiler *c) {
    cn__plan *plan = c->plan;
    CN__TRY(cn__model_shapes(plan->model, plan->options.inputs, plan->shapes));
    plan->options.inputs = NULL; /* the caller's */
    CN__TRY(find_ends(plan));
    find_wanted(c);
    CN__TRY(cn__fusion_find(plan, c->wanted));
    for (int32_t u = 0; u < plan->fused_op_count; u++) {
        CN__TRY(make_fused_op(plan, &plan->fused_ops[u]));
        CN__TRY(ask_requirements(c, &plan->fused_ops[u]));
    }
    choose_borders(c);
    find_lifetimes(c);
    CN__TRY(add_memory(c));
    spread_blocks(plan);
    CN__TRY(cn__plan_tensors(plan));
    choose_writers(c);
    for (int32_t u = 0; u < plan->fused_op_count; u++)
        CN__TRY(bind_fused_op(plan, &plan->fused_ops[u]));
    return cn__instructions_make(plan);
}

static cn_status compile_with_tables(cn__plan *plan) {
    size_t values = plan->model->node_count + 1;
    compiler c = {.plan = plan, .blocks = {.ctx = plan->ctx}, .shared = {.ctx = plan->ctx}};
    int32_t *times = cn__alloc(plan->ctx, values, 6 * sizeof *times);
    c.wanted = cn__alloc(plan->ctx, values, sizeof *c.wanted);
    c.written = cn__alloc(plan->ctx, values, sizeof *c.written);
    c.mode = cn__alloc(plan->ctx, values, sizeof *c.mode);
    bool all = times && c.wanted && c.written && c.mode;
    if (all) {
        c.value_first = times;
        c.value_last = times + values;
        c.gradient_first = times + 2 * values;
        c.gradient_last = times + 3 * values;
        c.pad = (int32_t(*)[2])(times + 4 * values);
    }
    cn_status status = all ? compile(&c) : cn__no_memory("a plan");
    cn__free(plan->ctx, times);
    cn__free(plan->ctx, c.wanted);
    cn__free(plan->ctx, c.written);
    cn__free(plan->ctx, c.mode);
    cn__arena_drop(&c.blocks);
    cn__arena_drop(&c.shared);
    return status;
}

bool cn__plan_serves_small_batches(const cn_model *model) {
    for (size_t n = 0; n < model->node_count; n++)
        if (!cn__node_is_input(&model->nodes[n]) && !cn__layer_small_batch(model->nodes[n].layer))
            return false;
    return true;
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
    made->freezes = model->freezes;
    made->max_blocks = (options->images - 1) / CN__LANES + 1;
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
    cn__free(plan->ctx, plan->tensors);
    cn__free(plan->ctx, plan->copies);
    cn__instructions_drop(plan);
    cn__free(plan->ctx, plan->blocks);
    cn__free(plan->ctx, plan->shared);
    cn__free(plan->ctx, plan);
}

size_t cn__plan_bytes(const cn__plan *plan) {
    return (plan->block_floats * (size_t)plan->max_blocks + plan->shared_floats) * sizeof(float);
}
