/* SPDX-License-Identifier: MIT */
/* plan_tensors.c: where a plan's layers find their parameters and buffers: in the model, in a copy as they are now, or
 * where another plan has them. */
#include "plan/compiled.h"
#include <string.h>

static size_t tensor_bytes(const cn_tensor *tensor) {
    size_t bytes = (size_t)tensor->count * cn__dtype_bytes(tensor->dtype);
    return (bytes + CN__ALIGN - 1) / CN__ALIGN * CN__ALIGN;
}

static cn_status copy_tensors(cn__plan *plan) {
    const cn_model *model = plan->model;
    size_t bytes = 0;
    for (size_t i = 0; i < model->tensor_count; i++)
        bytes += tensor_bytes(&model->tensors[i].value);
    plan->copies = cn__alloc(plan->ctx, bytes, 1);
    if (!plan->copies)
        return cn__no_memory("a copy of the parameters");
    char *to = plan->copies;
    for (size_t i = 0; i < model->tensor_count; i++) {
        const cn_tensor *from = &model->tensors[i].value;
        plan->tensors[i] = memcpy(to, from->data, (size_t)from->count * cn__dtype_bytes(from->dtype));
        to += tensor_bytes(from);
    }
    return CN_OK;
}

cn_status cn__plan_tensors(cn__plan *plan) {
    const cn_model *model = plan->model;
    plan->tensors = cn__alloc(plan->ctx, model->tensor_count, sizeof *plan->tensors);
    if (!plan->tensors)
        return cn__no_memory("a plan");
    const cn__plan *other = plan->options.share ? plan->options.share : plan->options.tensors;
    for (size_t i = 0; i < model->tensor_count; i++)
        plan->tensors[i] = other ? other->tensors[i] : model->tensors[i].value.data;
    return plan->options.copy_tensors && !other ? copy_tensors(plan) : CN_OK;
}
