/* SPDX-License-Identifier: MIT */
/* backward_parts.c: the backward pass cut into parts, so that gradients of late layers are there, and can be sent to other
 * processes, while early layers still compute. */
#include "plan/compiled.h"

/* ---- where it is cut ---- */

/* Takes in the parameters of an op, and returns how many floats they are. */
static size_t add_tensors(const cn__plan *plan, const cn__fused_op *fused, bool local, cn__backward_parts *parts) {
    const cn__node *node = &plan->model->nodes[fused->head];
    size_t floats = 0;
    for (int32_t t = 0; t < node->tensor_count; t++) {
        const cn__model_tensor *entry = &plan->model->tensors[node->first_tensor + t];
        bool whole = fused->impl->gives_whole && fused->impl->gives_whole(&fused->op, t, local);
        if (!cn__model_trains(entry) || whole)
            continue;
        parts->tensors[parts->tensor_count++] = node->first_tensor + t;
        floats += (size_t)entry->value.count;
    }
    return floats;
}

static cn_status end_part(const cn__plan *plan, cn__backward_parts *parts, size_t end) {
    CN__TRY(cn__grow(plan->ctx, (void **)&parts->list, &parts->capacity, parts->count, sizeof *parts->list));
    cn__backward_part part = {.end = end};
    if (parts->count > 0) {
        const cn__backward_part *before = &parts->list[parts->count - 1];
        part.first = before->end;
        part.first_tensor = before->first_tensor + before->tensor_count;
    }
    part.tensor_count = parts->tensor_count - part.first_tensor;
    parts->list[parts->count++] = part;
    return CN_OK;
}

cn_status cn__plan_backward_parts(const cn__plan *plan, size_t floats, bool local, cn__backward_parts *parts) {
    size_t ready = 0;
    *parts = (cn__backward_parts){0};
    parts->tensors = cn__alloc(plan->ctx, plan->model->tensor_count + 1, sizeof *parts->tensors);
    if (!parts->tensors)
        return cn__no_memory("parts of a pass");
    for (int32_t u = plan->fused_op_count - 1; u >= 0; u--) {
        const cn__fused_op *fused = &plan->fused_ops[u];
        ready += fused->backward ? add_tensors(plan, fused, local, parts) : 0;
        if (ready < floats)
            continue;
        CN__TRY(end_part(plan, parts, fused->end_backward));
        ready = 0;
    }
    return end_part(plan, parts, plan->backward.count);
}

void cn__backward_parts_drop(cn_context *ctx, cn__backward_parts *parts) {
    cn__free(ctx, parts->list);
    cn__free(ctx, parts->tensors);
    *parts = (cn__backward_parts){0};
}

/* ---- the pass ---- */

cn_status cn__plan_backward_in_parts(cn__plan *plan, const cn__pass *pass, const cn__backward_parts *parts,
                                     void (*done)(void *argument, size_t part), void *argument) {
    cn__pass own = cn__plan_own_pass(plan, pass);
    cn__ends_read_gradients(plan, &own);
    cn__plan_forget_outcome(plan);
    for (size_t i = 0; i < parts->count; i++) {
        cn__instructions_run(plan, &plan->backward, parts->list[i].first, parts->list[i].end, &own);
        done(argument, i);
    }
    CN__TRY(cn__plan_outcome(plan));
    cn__ends_write_gradients(plan, &own);
    return CN_OK;
}
