/* run.c: runs a plan's phases on the context's threads. */
#include "model/plan.h"
#include <math.h>

#define SHORT (1 << 17) /* floats of a map that are not worth waking a thread for */

typedef struct call {
    const cn__phase *phase;
    const cn__work *work;
    const cn__run *run;
} call;

static void run_item(void *argument, size_t item) {
    const call *c = argument;
    c->phase->run(c->work, c->run, item);
}

static bool is_short(const cn__plan *plan, const cn__map *map) {
    return plan->options.channel_lanes && map->block < SHORT;
}

static void share_out(const cn__plan *plan, bool alone, size_t items, cn__task task, void *argument) {
    for (size_t i = 0; alone && i < items; i++)
        task(argument, i);
    if (!alone)
        cn__parallel(plan->ctx, items, task, argument);
}

/* Phases made for channels in the lanes know by themselves what is worth sharing out. */
static void run_phases(const cn__plan *plan, const cn__phase *phases, const cn__unit *unit, const cn__run *run) {
    bool alone = plan->alone || (unit->ops == unit->work.layer->ops && is_short(plan, unit->work.out));
    for (const cn__phase *phase = phases; phase && phase->run; phase++) {
        call c = {phase, &unit->work, run};
        share_out(plan, alone, phase->items(c.work, run), run_item, &c);
    }
}

/* ---- borders that no layer writes ---- */

typedef struct border_call {
    const cn__kernels *kernels;
    const cn__map *from; /* copied first; NULL: the interior is there */
    const cn__map *to;
} border_call;

static void border_item(void *argument, size_t item) {
    const border_call *c = argument;
    size_t channels = (size_t)c->to->shape.channels, block = item / channels, channel = item % channels;
    if (c->from)
        c->kernels->copy(cn__map_plane(c->from, block, channel), cn__map_plane(c->to, block, channel),
                         c->to->shape.height, c->to->shape.width, false);
    cn__map_border(c->to, block, channel);
}

static void fill_borders(const cn__plan *plan, const cn__map *from, const cn__map *to, const cn__run *run) {
    border_call c = {plan->ctx->kernels, from, to};
    if (from || to->pad[0] > 0 || to->pad[1] > 0)
        share_out(plan, plan->alone || is_short(plan, to), (size_t)run->blocks * (size_t)to->shape.channels,
                  border_item, &c);
}

/* ---- passes ---- */

static void forward_unit(const cn__plan *plan, const cn__unit *unit, const cn__run *run) {
    const cn__node *node = &plan->model->nodes[unit->head];
    for (int32_t i = 0; i < node->input_count; i++)
        if (unit->copies[i].data)
            fill_borders(plan, &plan->values[node->inputs[i] + 1], &unit->copies[i], run);
    run_phases(plan, unit->ops->forward, unit, run);
}

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

/* ---- preparing: all units' items at once, since none waits for another ---- */

static const cn__run no_run = {0};

static size_t prepare_items(const cn__unit *unit) {
    const cn__phase *phase = unit->ops->prepare;
    return phase ? phase->items(&unit->work, &no_run) : 0;
}

static void prepare_item(void *argument, size_t item) {
    const cn__unit *unit = ((const cn__plan *)argument)->units;
    for (; item >= prepare_items(unit); unit++)
        item -= prepare_items(unit);
    unit->ops->prepare->run(&unit->work, &no_run, item);
}

void cn__plan_prepare(cn__plan *plan) {
    size_t items = 0;
    for (int32_t u = 0; u < plan->unit_count; u++)
        items += prepare_items(&plan->units[u]);
    cn__parallel(plan->ctx, items, prepare_item, plan);
}

cn_status cn__plan_forward(cn__plan *plan, const cn__run *run) {
    CN__TRY(check_run(plan, run));
    fill_borders(plan, NULL, &plan->values[0], run);
    for (int32_t u = 0; u < plan->unit_count; u++)
        forward_unit(plan, &plan->units[u], run);
    return CN_OK;
}

void cn__plan_backward(cn__plan *plan, const cn__run *run) {
    for (int32_t u = plan->unit_count - 1; u >= 0; u--)
        if (plan->units[u].backward)
            run_phases(plan, plan->units[u].ops->backward, &plan->units[u], run);
}

static bool all_finite(const cn__map *map, int32_t blocks) {
    for (size_t item = 0; item < (size_t)blocks * (size_t)map->shape.channels; item++) {
        cn__plane plane = cn__map_plane(map, item / (size_t)map->shape.channels, item % (size_t)map->shape.channels);
        for (int32_t y = 0; y < map->shape.height; y++)
            for (int32_t x = 0; x < map->shape.width * CN__LANES; x++)
                if (!isfinite(plane.data[(size_t)y * plane.row + (size_t)x]))
                    return false;
    }
    return true;
}

const char *cn__plan_first_bad(cn__plan *plan, const cn__run *run) {
    if (!all_finite(&plan->values[0], run->blocks))
        return "input";
    for (int32_t u = 0; u < plan->unit_count; u++) {
        forward_unit(plan, &plan->units[u], run);
        if (!all_finite(&plan->values[plan->units[u].last + 1], run->blocks))
            return plan->model->nodes[plan->units[u].head].name;
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
