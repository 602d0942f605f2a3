/* plan_passes.c: a plan's passes. */
#include "plan/compiled.h"
#include <math.h>

static cn_status check_run(const cn__plan *plan, const cn__run *run) {
    for (int32_t u = 0; run->training && u < plan->unit_count; u++) {
        const cn__node *node = &plan->model->nodes[plan->units[u].head];
        cn__shape shape = node->shape;
        if (node->layer->ops->wants_batch && (int64_t)run->images * shape.height * shape.width < 2)
            return cn__error(CN_ERR_SHAPE, "%s '%s' cannot train on one image of 1×1 pixels: a channel has one value",
                             node->layer->ops->type, node->name);
    }
    return CN_OK;
}

void cn__plan_prepare(cn__plan *plan) {
    static const cn__run nothing = {.blocks = 1};
    cn__steps_run(plan, &plan->prepare, 0, plan->prepare.count, &nothing);
}

cn_status cn__plan_forward(cn__plan *plan, const cn__run *run) {
    CN__TRY(check_run(plan, run));
    cn__steps_run(plan, &plan->forward, 0, plan->forward.count, run);
    return CN_OK;
}

void cn__plan_backward(cn__plan *plan, const cn__run *run) {
    cn__steps_run(plan, &plan->backward, 0, plan->backward.count, run);
}

static bool all_finite(const cn__map *map, const cn__run *run) {
    size_t channels = (size_t)map->shape.channels;
    for (size_t item = 0; item < (size_t)run->blocks * channels; item++) {
        cn__plane plane = cn__map_plane(map, item / channels, item % channels);
        int32_t lanes = cn__run_lanes(run, item / channels);
        for (int32_t y = 0; y < map->shape.height; y++)
            for (int32_t x = 0; x < map->shape.width * CN__LANES; x++)
                if (x % CN__LANES < lanes && !isfinite(plane.data[(size_t)y * plane.row + (size_t)x]))
                    return false;
    }
    return true;
}

const char *cn__plan_first_bad(cn__plan *plan, const cn__run *run) {
    if (!all_finite(&plan->values[0], run))
        return "input";
    for (int32_t u = 0; u < plan->unit_count; u++) {
        const cn__unit *unit = &plan->units[u];
        cn__steps_run(plan, &plan->forward, unit->first_step, unit->end_step, run);
        if (!all_finite(&plan->values[unit->last + 1], run))
            return plan->model->nodes[unit->head].name;
    }
    return NULL;
}

const cn__map *cn__plan_input(const cn__plan *plan) {
    return &plan->values[0];
}

const cn__map *cn__plan_output(const cn__plan *plan) {
    return &plan->values[plan->model->node_count];
}

const cn__map *cn__plan_output_gradient(const cn__plan *plan) {
    return &plan->gradients[plan->model->node_count];
}

const cn__map *cn__plan_input_gradient(const cn__plan *plan) {
    return &plan->gradients[0];
}
