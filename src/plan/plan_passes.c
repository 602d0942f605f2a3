/* plan_passes.c: a plan's passes. */
#include "plan/compiled.h"
#include <math.h>

bool cn__plan_is_current(const cn__plan *plan) {
    return plan->freezes == plan->model->freezes;
}

/* A frozen norm that has running statistics goes by them. */
static bool wants_batch(const cn__node *node) {
    const cn__layer_type *type = node->layer->type;
    return type->wants_batch && (!node->frozen || type->wants_moments(node->layer, false));
}

cn_status cn__plan_check_batch(const cn__plan *plan, int32_t images) {
    for (int32_t u = 0; u < plan->fused_op_count; u++) {
        const cn__node *node = &plan->model->nodes[plan->fused_ops[u].head];
        cn__shape shape = cn__plan_shape(plan, plan->fused_ops[u].head);
        if (wants_batch(node) && (int64_t)images * shape.height * shape.width < 2)
            return cn__error(CN_ERR_SHAPE, "%s '%s' cannot train on one image of 1×1 pixels: a channel has one value",
                             node->layer->type->name, node->name);
    }
    return CN_OK;
}

void cn__plan_prepare(cn__plan *plan) {
    static const cn__pass nothing = {.blocks = 1};
    cn__instructions_run(plan, &plan->prepare, 0, plan->prepare.count, &nothing);
}

cn_status cn__plan_outcome(const cn__plan *plan) {
    const cn__failure *failure = &plan->failure;
    cn_status status = (cn_status)atomic_load(&failure->status);
    if (status == CN_OK)
        return CN_OK;
    const cn__node *node = &plan->model->nodes[failure->id];
    return cn__error(status, "%s '%s': its %s function failed: %s", node->layer->type->name, node->name,
                     failure->function, cn_status_string(status));
}

void cn__plan_forget_outcome(cn__plan *plan) {
    atomic_store(&plan->failure.status, CN_OK);
}

static cn_status run_all(cn__plan *plan, const cn__instructions *instructions, const cn__pass *pass) {
    cn__plan_forget_outcome(plan);
    cn__instructions_run(plan, instructions, 0, instructions->count, pass);
    return cn__plan_outcome(plan);
}

cn_status cn__plan_forward(cn__plan *plan, const cn__pass *pass) {
    if (pass->training)
        CN__TRY(cn__plan_check_batch(plan, pass->images));
    return run_all(plan, &plan->forward, pass);
}

cn_status cn__plan_backward(cn__plan *plan, const cn__pass *pass) {
    return run_all(plan, &plan->backward, pass);
}

static bool all_finite(const cn__fmap *map, const cn__pass *pass) {
    size_t channels = (size_t)map->shape.channels;
    for (size_t item = 0; item < (size_t)pass->blocks * channels; item++) {
        cn__plane plane = cn__fmap_plane(map, item / channels, item % channels);
        int32_t lanes = cn__pass_lanes(pass, item / channels);
        for (int32_t y = 0; y < map->shape.height; y++)
            for (int32_t x = 0; x < map->shape.width * CN__LANES; x++)
                if (x % CN__LANES < lanes && !isfinite(plane.data[(size_t)y * plane.row + (size_t)x]))
                    return false;
    }
    return true;
}

const char *cn__plan_first_nonfinite(cn__plan *plan, const cn__pass *pass) {
    for (int32_t i = 0; i < plan->input_count; i++)
        if (!all_finite(cn__plan_input(plan, i), pass))
            return cn__model_name(plan->model, plan->inputs[i] - 1);
    for (int32_t u = 0; u < plan->fused_op_count; u++) {
        const cn__fused_op *fused = &plan->fused_ops[u];
        cn__instructions_run(plan, &plan->forward, fused->first_instruction, fused->end_instruction, pass);
        if (!all_finite(&plan->values[fused->last + 1], pass))
            return plan->model->nodes[fused->head].name;
    }
    return NULL;
}

cn__shape cn__plan_output_shape(const cn__plan *plan, int32_t index) {
    return plan->shapes[plan->outputs[index]];
}

const cn__fmap *cn__plan_input(const cn__plan *plan, int32_t index) {
    return &plan->values[plan->inputs[index]];
}

const cn__fmap *cn__plan_output(const cn__plan *plan, int32_t index) {
    return &plan->values[plan->outputs[index]];
}

const cn__fmap *cn__plan_output_gradient(const cn__plan *plan, int32_t index) {
    return &plan->gradients[plan->outputs[index]];
}

const cn__fmap *cn__plan_input_gradient(const cn__plan *plan, int32_t index) {
    return &plan->gradients[plan->inputs[index]];
}
