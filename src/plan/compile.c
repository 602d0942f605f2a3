/* compile.c: compiles a model for a batch size and mode: units, borders, lifetimes, one arena, layers bound to it. */
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

static int32_t forward_time(const cn__plan *plan, const cn__unit *unit) {
    return (int32_t)(unit - plan->units) + 1;
}

static int32_t loss_time(const cn__plan *plan) {
    return plan->unit_count + 1;
}

static int32_t backward_time(const cn__plan *plan, const cn__unit *unit) {
    return 2 * plan->unit_count + 1 - (int32_t)(unit - plan->units);
}

static int32_t end_time(const cn__plan *plan) {
    return 2 * plan->unit_count + 2;
}

static void extend(int32_t *last, int32_t time) {
    if (*last < time)
        *last = time;
}

static void begin(int32_t *first, int32_t time) {
    if (*first > time)
        *first = time;
}

static const cn__node *head_node(const cn__plan *plan, const cn__unit *unit) {
    return &plan->model->nodes[unit->head];
}

/* ---- what the layers ask for ---- */

/* A value's gradient is wanted if something before it, or it, has parameters. */
static void find_wanted(compiler *c) {
    const cn_model *model = c->plan->model;
    c->wanted[0] = c->plan->options.input_gradient;
    for (size_t n = 0; n < model->node_count; n++) {
        const cn__node *node = &model->nodes[n];
        bool wanted = false;
        for (int32_t i = 0; i < node->input_count; i++)
            wanted |= c->wanted[node->inputs[i] + 1];
        for (int32_t t = 0; t < node->tensor_count; t++)
            wanted |= model->slots[node->first_tensor + t].parameter;
        c->wanted[n + 1] = wanted && c->plan->options.training;
    }
    c->wanted[0] &= c->plan->options.training;
}

static const cn__layer_ops *own_ops(const cn__unit *unit, const cn__layer_ops *head) {
    if (unit->pool < 0)
        return head;
    return head->convolves ? &cn__pooled_convolution_ops : &cn__pooled_relu_ops;
}

static void ask_demand(compiler *c, cn__unit *unit) {
    const cn__plan *plan = c->plan;
    const cn__node *node = head_node(plan, unit);
    unit->backward = c->wanted[unit->last + 1];
    unit->ops = plan->options.channel_lanes ? cn__channel_ops(node->layer) : own_ops(unit, node->layer->ops);
    if (unit->ops->demand)
        unit->ops->demand(node->layer, cn__model_shape(plan->model, node->inputs[0]), node->shape, plan->max_blocks,
                          unit->backward, &unit->demand);
}

static bool wants_border(const cn__unit *unit) {
    return unit->demand.pad[0] > 0 || unit->demand.pad[1] > 0;
}

/* A value's border serves all readers of its first reader's mode; a reader of another mode gets a copy. */
static void choose_borders(compiler *c) {
    for (int32_t u = 0; u < c->plan->unit_count; u++) {
        const cn__unit *unit = &c->plan->units[u];
        const cn__node *node = head_node(c->plan, unit);
        for (int32_t i = 0; i < node->input_count && wants_border(unit); i++) {
            int32_t *pad = c->pad[node->inputs[i] + 1];
            cn_padding_mode *mode = &c->mode[node->inputs[i] + 1];
            if (pad[0] == 0 && pad[1] == 0)
                *mode = unit->demand.mode;
            for (int d = 0; d < 2 && *mode == unit->demand.mode; d++)
                extend(&pad[d], unit->demand.pad[d]);
        }
    }
}

static bool needs_copy(const compiler *c, const cn__unit *unit, int32_t value) {
    return wants_border(unit) && c->mode[value] != unit->demand.mode;
}

/* ---- lifetimes ---- */

static void live_unit(compiler *c, const cn__unit *unit) {
    const cn__plan *plan = c->plan;
    const cn__node *node = head_node(plan, unit);
    const cn__layer_ops *ops = unit->ops;
    int32_t forward = forward_time(plan, unit), backward = backward_time(plan, unit), out = unit->last + 1;
    c->value_first[out] = forward;
    extend(&c->value_last[out], forward);
    if (unit->backward && (ops->backward_reads_out || unit->work.fused.relu))
        extend(&c->value_last[out], backward);
    int32_t read = unit->demand.until_end ? end_time(plan) : backward; /* when backward phases have read their maps */
    if (unit->backward)
        extend(&c->gradient_last[out], read);
    for (int32_t i = 0; i < node->input_count; i++) {
        int32_t value = node->inputs[i] + 1;
        extend(&c->value_last[value], forward);
        if (unit->backward && ops->backward_reads_in && !needs_copy(c, unit, value))
            extend(&c->value_last[value], read);
        begin(&c->gradient_first[value], backward);
    }
    if (unit->skip >= 0) {
        extend(&c->value_last[unit->skip], forward);
        begin(&c->gradient_first[unit->skip], backward);
    }
}

static void find_lifetimes(compiler *c) {
    const cn__plan *plan = c->plan;
    size_t values = plan->model->node_count + 1;
    for (size_t v = 0; v < values; v++) {
        c->value_first[v] = -1; /* fused away, until a unit says otherwise */
        c->gradient_first[v] = end_time(plan);
    }
    for (int32_t u = 0; u < plan->unit_count; u++)
        live_unit(c, &plan->units[u]);
    c->value_first[0] = 0;
    extend(&c->value_last[0], loss_time(plan)); /* kept for looking for the first bad layer */
    c->gradient_last[0] = end_time(plan);
    extend(&c->value_last[values - 1], plan->options.training ? loss_time(plan) : end_time(plan));
    c->gradient_first[values - 1] = loss_time(plan);
    extend(&c->gradient_last[values - 1], loss_time(plan));
}

/* ---- memory ---- */

static void lay_out(const cn__plan *plan, cn__map *map, size_t value, int32_t pad_height, int32_t pad_width,
                    cn_padding_mode mode) {
    cn__shape shape = cn__model_shape(plan->model, (int32_t)value - 1);
    if (plan->options.channel_lanes)
        cn__channel_map_layout(map, shape, pad_height, pad_width, mode);
    else
        cn__map_layout(map, shape, pad_height, pad_width, mode);
}

static cn_status add_map(compiler *c, cn__map *map, int32_t first, int32_t last) {
    return cn__arena_add(&c->blocks, cn__map_floats(map, 1), first, last, &map->data, cn__map_origin(map));
}

static cn_status add_values(compiler *c) {
    cn__plan *plan = c->plan;
    for (size_t v = 0; v < plan->model->node_count + 1; v++) {
        if (c->value_first[v] < 0)
            continue;
        lay_out(plan, &plan->values[v], v, c->pad[v][0], c->pad[v][1], c->mode[v]);
        CN__TRY(add_map(c, &plan->values[v], c->value_first[v], c->value_last[v]));
        if (!plan->options.training || (!c->wanted[v] && v < plan->model->node_count))
            continue;
        lay_out(plan, &plan->gradients[v], v, 0, 0, CN_PADDING_ZEROS);
        CN__TRY(add_map(c, &plan->gradients[v], c->gradient_first[v], c->gradient_last[v]));
    }
    return CN_OK;
}

static cn_status add_copies(compiler *c, cn__unit *unit) {
    const cn__plan *plan = c->plan;
    const cn__node *node = head_node(plan, unit);
    for (int32_t i = 0; i < node->input_count; i++) {
        int32_t value = node->inputs[i] + 1;
        if (!needs_copy(c, unit, value))
            continue;
        lay_out(plan, &unit->copies[i], (size_t)value, unit->demand.pad[0], unit->demand.pad[1], unit->demand.mode);
        CN__TRY(add_map(c, &unit->copies[i], forward_time(plan, unit),
                        unit->backward ? backward_time(plan, unit) : forward_time(plan, unit)));
    }
    return CN_OK;
}

/* The norm that is the only reader of a convolution's output, or NULL. */
static cn__unit *norm_behind(const cn__plan *plan, const cn__unit *unit) {
    const cn__node *node = head_node(plan, unit);
    if (!node->layer->ops->convolves || unit->pool >= 0 || plan->model->nodes[unit->last].readers != 1)
        return NULL;
    for (cn__unit *other = plan->units; other < plan->units + plan->unit_count; other++)
        if (head_node(plan, other)->inputs[0] == unit->last)
            return other->ops->wants_moments ? other : NULL;
    return NULL;
}

static cn_status add_moments(compiler *c, cn__unit *unit) {
    cn__unit *norm = norm_behind(c->plan, unit);
    if (!norm)
        return CN_OK;
    size_t floats = cn__moment_floats(head_node(c->plan, unit)->shape);
    unit->work.norm = head_node(c->plan, norm)->layer;
    return cn__arena_add(&c->blocks, floats, forward_time(c->plan, unit), forward_time(c->plan, norm),
                         &unit->work.moments, 0);
}

static cn_status add_packed(compiler *c, cn__unit *unit) {
    const cn__plan *share = c->plan->options.share;
    if (!share)
        return cn__arena_add(&c->shared, unit->demand.packed_floats, 0, end_time(c->plan), &unit->work.packed, 0);
    unit->work.packed = share->units[unit - c->plan->units].work.packed;
    return CN_OK;
}

static cn_status add_memory(compiler *c) {
    cn__plan *plan = c->plan;
    CN__TRY(add_values(c));
    for (int32_t u = 0; u < plan->unit_count; u++) {
        cn__unit *unit = &plan->units[u];
        CN__TRY(add_copies(c, unit));
        CN__TRY(add_moments(c, unit));
        CN__TRY(add_packed(c, unit));
        CN__TRY(cn__arena_add(&c->shared, unit->demand.shared_floats, 0, end_time(plan), &unit->work.shared, 0));
        CN__TRY(cn__arena_add(&c->blocks, unit->demand.kept_floats, 0, end_time(plan), &unit->work.kept, 0));
        if (plan->scratch_floats < unit->demand.scratch_floats)
            plan->scratch_floats = unit->demand.scratch_floats;
    }
    size_t threads = plan->options.one_thread ? 1 : (size_t)plan->ctx->threads;
    CN__TRY(cn__arena_add(&c->shared, threads * plan->scratch_floats, 0, end_time(plan), &plan->scratch, 0));
    CN__TRY(cn__arena_place(&c->shared, 1, &plan->shared, &plan->shared_floats));
    return cn__arena_place(&c->blocks, (size_t)plan->max_blocks, &plan->blocks, &plan->block_floats);
}

/* Blocks of all maps lie as far apart as their memory. */
static void spread_blocks(cn__plan *plan) {
    for (size_t v = 0; v < plan->model->node_count + 1; v++)
        plan->values[v].block = plan->gradients[v].block = plan->block_floats;
    for (int32_t u = 0; u < plan->unit_count; u++) {
        cn__unit *unit = &plan->units[u];
        unit->work.block = plan->block_floats;
        for (int32_t i = 0; i < head_node(plan, unit)->input_count; i++)
            unit->copies[i].block = plan->block_floats;
    }
}

/* ---- binding ---- */

/* Backward, each reader of a value writes its share; all but the first to run add to it. */
static void choose_writers(compiler *c) {
    cn__plan *plan = c->plan;
    for (int32_t u = plan->unit_count - 1; u >= 0; u--) {
        cn__unit *unit = &plan->units[u];
        const cn__node *node = head_node(plan, unit);
        if (!unit->backward)
            continue;
        if (unit->skip >= 0 && c->wanted[unit->skip]) {
            unit->work.fused.d_skip = &plan->gradients[unit->skip];
            unit->work.fused.skip_accumulate = c->written[unit->skip];
            c->written[unit->skip] = true;
        }
        for (int32_t i = 0; i < node->input_count; i++) {
            int32_t value = node->inputs[i] + 1;
            if (!c->wanted[value])
                continue;
            unit->d_in[i] = &plan->gradients[value];
            unit->accumulate[i] = c->written[value];
            c->written[value] = true;
        }
    }
}

static void bind_folded(const cn__plan *plan, cn__unit *unit) {
    const cn__node *norm = &plan->model->nodes[unit->folded];
    unit->work.folded = norm->layer;
    for (int32_t t = 0; t < norm->tensor_count; t++)
        unit->work.folded_tensor[t] = plan->tensors[norm->first_tensor + t];
}

static cn_status bind_unit(cn__plan *plan, cn__unit *unit) {
    const cn__node *node = head_node(plan, unit);
    cn__work *work = &unit->work;
    cn__unit *norm = norm_behind(plan, unit);
    if (norm)
        norm->work.moments = work->moments;
    for (int32_t i = 0; i < node->input_count; i++)
        unit->in[i] = unit->copies[i].data ? &unit->copies[i] : &plan->values[node->inputs[i] + 1];
    work->layer = node->layer;
    work->ctx = plan->ctx;
    work->kernels = plan->ctx->kernels;
    work->max_blocks = plan->max_blocks;
    work->training = unit->backward;
    work->id = (uint32_t)unit->head;
    work->input_count = node->input_count;
    work->in = unit->in;
    work->d_in = unit->d_in;
    work->accumulate = unit->accumulate;
    work->out = &plan->values[unit->last + 1];
    work->d_out = &plan->gradients[unit->last + 1];
    if (unit->skip >= 0)
        work->fused.skip = &plan->values[unit->skip];
    if (unit->folded >= 0)
        bind_folded(plan, unit);
    for (int32_t t = 0; t < node->tensor_count; t++) {
        int32_t slot = node->first_tensor + t;
        work->tensor[t] = plan->tensors[slot];
        work->gradient[t] = unit->backward ? plan->model->slots[slot].gradient.data : NULL;
    }
    return unit->ops->bind ? unit->ops->bind(work) : CN_OK;
}

static cn_status make_unit(cn__plan *plan, cn__unit *unit) {
    size_t inputs = (size_t)head_node(plan, unit)->input_count;
    unit->in = cn__alloc(plan->ctx, inputs, sizeof *unit->in);
    unit->d_in = cn__alloc(plan->ctx, inputs, sizeof *unit->d_in);
    unit->accumulate = cn__alloc(plan->ctx, inputs, sizeof *unit->accumulate);
    unit->copies = cn__alloc(plan->ctx, inputs, sizeof *unit->copies);
    return unit->in && unit->d_in && unit->accumulate && unit->copies ? CN_OK : cn__no_memory("a plan");
}

static void free_unit(cn__plan *plan, cn__unit *unit) {
    if (unit->work.geometry && unit->ops->unbind)
        unit->ops->unbind(&unit->work);
    cn__free(plan->ctx, unit->in);
    cn__free(plan->ctx, unit->d_in);
    cn__free(plan->ctx, unit->accumulate);
    cn__free(plan->ctx, unit->copies);
}

/* ---- the story ---- */

static cn_status compile(compiler *c) {
    cn__plan *plan = c->plan;
    CN__TRY(cn__units_find(plan));
    find_wanted(c);
    for (int32_t u = 0; u < plan->unit_count; u++) {
        CN__TRY(make_unit(plan, &plan->units[u]));
        ask_demand(c, &plan->units[u]);
    }
    choose_borders(c);
    find_lifetimes(c);
    CN__TRY(add_memory(c));
    spread_blocks(plan);
    CN__TRY(cn__plan_tensors(plan));
    choose_writers(c);
    for (int32_t u = 0; u < plan->unit_count; u++)
        CN__TRY(bind_unit(plan, &plan->units[u]));
    return cn__steps_make(plan);
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

bool cn__plan_serves_channels(const cn_model *model) {
    for (size_t n = 0; n < model->node_count; n++)
        if (!cn__channel_ops(model->nodes[n].layer))
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
    made->max_blocks = (options->images - 1) / CN__LANES + 1;
    made->values = cn__alloc(ctx, values, sizeof *made->values);
    made->gradients = cn__alloc(ctx, values, sizeof *made->gradients);
    cn_status status = made->values && made->gradients ? compile_with_tables(made) : cn__no_memory("a plan");
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
    for (int32_t u = 0; u < plan->unit_count; u++)
        free_unit(plan, &plan->units[u]);
    cn__free(plan->ctx, plan->units);
    cn__free(plan->ctx, plan->values);
    cn__free(plan->ctx, plan->gradients);
    cn__free(plan->ctx, plan->tensors);
    cn__free(plan->ctx, plan->copies);
    cn__steps_drop(plan);
    cn__free(plan->ctx, plan->blocks);
    cn__free(plan->ctx, plan->shared);
    cn__free(plan->ctx, plan);
}

size_t cn__plan_bytes(const cn__plan *plan) {
    return (plan->block_floats * (size_t)plan->max_blocks + plan->shared_floats) * sizeof(float);
}
