/* SPDX-License-Identifier: MIT */
/* fusion.c: which layers are computed together: norm → add → ReLU or ReLU6 → dropout, each optional after the norm; 1×1
 * convolution → max pool; ReLU → max pool; anything → identity; and, where there is no backward pass, as in front of all
 * that trains, convolution → batch norm → add → ReLU or, with channels in the lanes, ReLU6 → max pool. */
#include "plan/compiled.h"

static cn__layer_kind kind(const cn_model *model, int32_t node) {
    return model->nodes[node].layer->type->kind;
}

/* Whether one layer alone reads a node, or the first input: -1; the caller reads outputs too. */
static bool reads_alone(const cn_model *model, int32_t node) {
    int32_t readers = node < 0 ? model->input_readers : model->nodes[node].readers;
    return readers == 1 && !(node >= 0 && cn__model_is_output(model, node));
}

/* The only reader of a node, or -1. */
static int32_t sole_reader(const cn_model *model, int32_t node) {
    if (!reads_alone(model, node))
        return -1;
    for (int32_t r = node + 1; r < (int32_t)model->node_count; r++)
        for (int32_t i = 0; i < model->nodes[r].input_count; i++)
            if (model->nodes[r].inputs[i] == node)
                return r;
    return -1;
}

/* Takes a convolution's batch norm into its weights, where that is all there is so far. */
static bool fold(const cn__plan *plan, cn__fused_op *fused, int32_t next) {
    const cn_layer *norm = plan->model->nodes[next].layer;
    bool training = plan->options.training && !plan->model->nodes[next].frozen;
    if (fused->last != fused->head || !norm->type->fixed_factors || norm->type->wants_moments(norm, training))
        return false;
    fused->folded = next;
    return true;
}

static bool equal(cn__shape a, cn__shape b) {
    return a.channels == b.channels && a.height == b.height && a.width == b.width;
}

/* Of two inputs of one shape: nothing is broadcast, at this plan's size. */
static bool take_skip(const cn__plan *plan, cn__fused_op *fused, int32_t next) {
    const cn__node *node = &plan->model->nodes[next];
    if (node->input_count != 2 || fused->skip >= 0 || fused->op.post.relu)
        return false;
    if (!equal(cn__plan_shape(plan, node->inputs[0]), cn__plan_shape(plan, node->inputs[1])))
        return false;
    fused->skip = (node->inputs[0] == fused->last ? node->inputs[1] : node->inputs[0]) + 1;
    return true;
}

static bool take_relu(cn__fused_op *fused) {
    bool first = !fused->op.post.relu;
    fused->op.post.relu = true;
    return first;
}

static bool take_relu6(const cn__plan *plan, cn__fused_op *fused) {
    const cn_layer *head = plan->model->nodes[fused->head].layer;
    const cn__layer_impl *impl =
        plan->options.nchw16c ? cn__layer_nchw16c(head, plan->options.training) : head->type->batch;
    if (!impl->takes_relu6 || !take_relu(fused))
        return false;
    fused->op.post.most = 6.0f;
    return true;
}

static bool drops(const cn__plan *plan, int32_t dropout) {
    return plan->options.training && !plan->model->nodes[dropout].frozen;
}

/* Where it is the identity, anything takes it. */
static bool take_dropout(const cn__plan *plan, cn__fused_op *fused, int32_t next) {
    if (drops(plan, next)) {
        if (cn__layer_convolves(plan->model->nodes[fused->head].layer))
            return false;
        fused->op.post.dropout = cn__dropout_p(plan->model->nodes[next].layer);
        fused->op.post.dropout_id = (uint32_t)next;
    }
    return true;
}

static bool take_pool(const cn__plan *plan, cn__fused_op *fused, int32_t next) {
    const cn__node *head = &plan->model->nodes[fused->head];
    const cn__layer_impl *impl = head->layer->type->with_pool;
    const cn_layer *pool = plan->model->nodes[next].layer;
    cn__shape in = cn__plan_shape(plan, head->inputs[0]);
    bool alone = cn__layer_convolves(head->layer) ? fused->skip < 0 : reads_alone(plan->model, head->inputs[0]);
    if (plan->options.nchw16c || !impl || !alone ||
        !impl->takes_pool(head->layer, pool, in, (plan->options.batch - 1) / CN__LANES + 1))
        return false;
    fused->pool = next;
    return true;
}

static bool takes_what_follows(const cn_model *model, const cn__fused_op *fused) {
    cn__layer_kind what = kind(model, fused->head);
    return cn__layer_convolves(model->nodes[fused->head].layer) || what == CN__KIND_BATCH_NORM ||
           what == CN__KIND_GROUP_NORM || what == CN__KIND_RELU;
}

/* Takes `next` into the fused op if what that has so far allows it; `backward`: the gradient of next's output is wanted.
 */
static bool absorb(const cn__plan *plan, cn__fused_op *fused, int32_t next, bool backward) {
    bool taken = false, convolves = cn__layer_convolves(plan->model->nodes[fused->head].layer);
    bool relu = kind(plan->model, fused->head) == CN__KIND_RELU;
    cn__layer_kind what = kind(plan->model, next);
    if (cn__plan_is_identity(plan, next)) {
        fused->last = next;
        return true;
    }
    if (!takes_what_follows(plan->model, fused) || fused->op.post.dropout > 0.0f || fused->pool >= 0)
        return false;
    if ((relu || (convolves && backward)) && what != CN__KIND_MAX_POOL2D)
        return false;
    switch (what) {
    case CN__KIND_BATCH_NORM:
    case CN__KIND_GROUP_NORM:
        taken = convolves && fold(plan, fused, next);
        break;
    case CN__KIND_ADD:
        taken = take_skip(plan, fused, next);
        break;
    case CN__KIND_RELU:
        taken = take_relu(fused);
        break;
    case CN__KIND_RELU6:
        taken = take_relu6(plan, fused);
        break;
    case CN__KIND_DROPOUT:
        taken = take_dropout(plan, fused, next);
        break;
    case CN__KIND_MAX_POOL2D:
        taken = (convolves || relu) && take_pool(plan, fused, next);
        break;
    default:
        break;
    }
    if (taken)
        fused->last = next;
    return taken;
}

/* `inside` marks the nodes that earlier fused ops have absorbed: of two norms that meet in an add, the first takes it.
 */
static void find_fused_op(const cn__plan *plan, const bool *wanted, const bool *inside, int32_t node,
                          cn__fused_op *fused) {
    const cn_model *model = plan->model;
    fused->head = fused->last = node;
    fused->skip = fused->folded = fused->pool = -1;
    for (int32_t next = sole_reader(model, node); next >= 0 && !inside[next]; next = sole_reader(model, next))
        if (!absorb(plan, fused, next, wanted[next + 1]))
            break;
}

/* A fused op runs where its last node stands: only there all that it reads is known. */
cn_status cn__fusion_find(cn__plan *plan, const bool *wanted) {
    const cn_model *model = plan->model;
    size_t count = model->node_count;
    cn__fused_op *by_last = cn__alloc(plan->ctx, count, sizeof *by_last);
    bool *inside = cn__alloc(plan->ctx, count, sizeof *inside); /* absorbed by one that began before */
    bool *ends = cn__alloc(plan->ctx, count, sizeof *ends);
    plan->fused_ops = cn__alloc(plan->ctx, count, sizeof *plan->fused_ops);
    bool all = by_last && inside && ends && plan->fused_ops;
    for (int32_t n = 0; all && n < (int32_t)count; n++) {
        cn__fused_op fused = {0};
        if (inside[n] || cn__node_is_input(&model->nodes[n]))
            continue;
        find_fused_op(plan, wanted, inside, n, &fused);
        for (int32_t m = n; m != fused.last;) {
            m = sole_reader(model, m);
            inside[m] = true;
        }
        ends[fused.last] = true;
        by_last[fused.last] = fused;
    }
    for (size_t n = 0; all && n < count; n++)
        if (ends[n])
            plan->fused_ops[plan->fused_op_count++] = by_last[n];
    cn__free(plan->ctx, by_last);
    cn__free(plan->ctx, inside);
    cn__free(plan->ctx, ends);
    return all ? CN_OK : cn__no_memory("a plan");
}
