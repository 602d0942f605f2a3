/* SPDX-License-Identifier: MIT */
/* plan_passes.c: a plan's passes. */
#include "layers/tree.h"
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

cn__pass cn__plan_own_pass(const cn__plan *plan, const cn__pass *pass) {
    cn__pass own = *pass;
    own.spans = cn__tree_spans(pass);
    if (plan->options.nchw16c)
        own.blocks = pass->images;
    return own;
}

/* For batch norm. A process may have none of a batch that others have images of. */
static int32_t images_that_count(const cn__pass *pass) {
    const cn__together *with = pass->together;
    return with && (!with->local_batch_norm || pass->images == 0) ? with->images : pass->images;
}

cn_status cn__plan_forward(cn__plan *plan, const cn__pass *pass) {
    cn__pass own = cn__plan_own_pass(plan, pass);
    if (pass->training)
        CN__TRY(cn__plan_check_batch(plan, images_that_count(pass)));
    cn__ends_read_inputs(plan, &own);
    CN__TRY(run_all(plan, &plan->forward, &own));
    cn__ends_write_outputs(plan, &own);
    return CN_OK;
}

cn_status cn__plan_backward(cn__plan *plan, const cn__pass *pass) {
    cn__pass own = cn__plan_own_pass(plan, pass);
    cn__ends_read_gradients(plan, &own);
    CN__TRY(run_all(plan, &plan->backward, &own));
    cn__ends_write_gradients(plan, &own);
    return CN_OK;
}

/* Lanes of a plane that hold something. */
static int32_t filled_lanes(const cn__fmap *map, const cn__pass *pass, size_t block, size_t plane) {
    int32_t left = map->lane_channels - (int32_t)plane * CN__LANES;
    if (map->lane_channels == 0)
        return cn__pass_lanes(pass, block);
    return left < CN__LANES ? left : CN__LANES;
}

static bool all_finite(const cn__fmap *map, const cn__pass *pass) {
    size_t channels = (size_t)map->shape.channels;
    for (size_t item = 0; item < (size_t)pass->blocks * channels; item++) {
        cn__plane plane = cn__fmap_plane(map, item / channels, item % channels);
        int32_t lanes = filled_lanes(map, pass, item / channels, item % channels);
        for (int32_t y = 0; y < map->shape.height; y++)
            for (int32_t x = 0; x < map->shape.width * CN__LANES; x++)
                if (x % CN__LANES < lanes && !isfinite(plane.data[(size_t)y * plane.row + (size_t)x]))
                    return false;
    }
    return true;
}

/* Runs to the end, since processes that share the batch wait for each other on the way. */
int32_t cn__plan_first_nonfinite(cn__plan *plan, const cn__pass *pass) {
    cn__pass own = cn__plan_own_pass(plan, pass);
    int32_t found = INT32_MAX;
    cn__ends_read_inputs(plan, &own);
    for (int32_t i = plan->input_count - 1; i >= 0; i--)
        if (!all_finite(&plan->values[plan->inputs[i]], &own))
            found = i;
    for (int32_t u = 0; u < plan->fused_op_count; u++) {
        const cn__fused_op *fused = &plan->fused_ops[u];
        cn__instructions_run(plan, &plan->forward, fused->first_instruction, fused->end_instruction, &own);
        if (found == INT32_MAX && plan->values[fused->last + 1].data &&
            !all_finite(&plan->values[fused->last + 1], &own))
            found = plan->input_count + u;
    }
    return found;
}

const char *cn__plan_place_name(const cn__plan *plan, int32_t place) {
    if (place == INT32_MAX)
        return NULL;
    return place < plan->input_count ? cn__model_name(plan->model, plan->inputs[place] - 1)
                                     : plan->model->nodes[plan->fused_ops[place - plan->input_count].head].name;
}

cn__shape cn__plan_output_shape(const cn__plan *plan, int32_t index) {
    return plan->shapes[plan->outputs[index]];
}

const cn__fmap *cn__plan_input(const cn__plan *plan, int32_t index) {
    return plan->ends ? &plan->ends[index].value : &plan->values[plan->inputs[index]];
}

const cn__fmap *cn__plan_output(const cn__plan *plan, int32_t index) {
    return plan->ends ? &plan->ends[plan->input_count + index].value : &plan->values[plan->outputs[index]];
}

const cn__fmap *cn__plan_output_gradient(const cn__plan *plan, int32_t index) {
    return plan->ends ? &plan->ends[plan->input_count + index].gradient : &plan->gradients[plan->outputs[index]];
}

const cn__fmap *cn__plan_input_gradient(const cn__plan *plan, int32_t index) {
    return plan->ends ? &plan->ends[index].gradient : &plan->gradients[plan->inputs[index]];
}
