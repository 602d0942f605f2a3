/* execute.c: a plan as lists of steps, and how they are shared out. A thread takes a block through all local steps up to
 * the next global one, so that what a step leaves is in its cache for the next, and threads wait for each other only
 * where the mathematics does. With fewer blocks than threads, or an odd number, each step is shared out by itself. */
#include "plan/compiled.h"
#include <stdatomic.h>

#define MANY 4 /* blocks a thread from which on an uneven share does not matter */

/* What with channels in the lanes is not worth waking a thread for. */
#define BRIEF_FLOATS   (1 << 17) /* of a map */
#define BRIEF_PRODUCTS (1 << 24) /* multiply-adds of a pass */

/* ---- one step ---- */

static size_t items(const cn__step *step, const cn__run *run) {
    if (step->phase)
        return step->phase->items(step->work, run);
    return (size_t)run->blocks * (size_t)step->to->shape.channels;
}

static void run_item(const cn__step *step, const cn__run *run, size_t item) {
    if (step->phase) {
        step->phase->run(step->work, run, item);
        return;
    }
    size_t channels = (size_t)step->to->shape.channels, block = item / channels, channel = item % channels;
    if (step->from)
        step->kernels->copy(cn__map_plane(step->from, block, channel), cn__map_plane(step->to, block, channel),
                            step->to->shape.height, step->to->shape.width, false);
    cn__map_border(step->to, block, channel);
}

/* Items first … end - 1, on one thread. */
static void run_items(const cn__plan *plan, const cn__steps *steps, const cn__step *step, const cn__run *run,
                      size_t first, size_t end) {
    const cn__node *node = step->node;
    int64_t begun = cn__trace_begin(plan->ctx);
    for (size_t item = first; item < end; item++)
        run_item(step, run, item);
    cn__trace_end(plan->ctx, begun,
                  (cn_trace_event){.pass = steps->pass,
                                   .layer = node ? node->name : NULL,
                                   .type = node ? node->layer->ops->type : NULL,
                                   .thread = run->thread});
}

static cn__scope scope(const cn__step *step) {
    return step->phase ? step->phase->scope : CN__LOCAL;
}

/* ---- several ---- */

typedef struct call {
    const cn__plan *plan;
    const cn__steps *steps;
    size_t first, end;
    cn__scope scope; /* of the steps that count */
    const cn__run *run;
} call;

static bool counts(const call *c, size_t i) {
    return scope(&c->steps->list[i]) == c->scope;
}

static size_t all_items(const call *c) {
    size_t sum = 0;
    for (size_t i = c->first; i < c->end; i++)
        sum += counts(c, i) ? items(&c->steps->list[i], c->run) : 0;
    return sum;
}

/* The run as a thread sees it: with scratch of its own. */
static cn__run thread_run(const call *c, int thread) {
    cn__run run = *c->run;
    run.thread += thread;
    if (c->plan->scratch)
        run.scratch = c->plan->scratch + (size_t)thread * c->plan->scratch_floats;
    return run;
}

/* One of the items of all steps, which do not depend on each other. */
static void any_item(void *argument, size_t item, int thread) {
    const call *c = argument;
    cn__run run = thread_run(c, thread);
    for (size_t i = c->first; i < c->end; i++) {
        size_t here = counts(c, i) ? items(&c->steps->list[i], c->run) : 0;
        if (item < here) {
            run_items(c->plan, c->steps, &c->steps->list[i], &run, item, item + 1);
            return;
        }
        item -= here;
    }
}

static void run_together(const call *c) {
    cn__parallel(c->plan->ctx, all_items(c), any_item, (void *)c);
}

/* Items that threads take one after the other, as they come to it. */
typedef struct queue {
    const call *call;
    size_t count;
    atomic_size_t next;
} queue;

static void take_items(void *argument, size_t index, int thread) {
    queue *q = argument;
    (void)index;
    for (size_t item; (item = atomic_fetch_add_explicit(&q->next, 1, memory_order_relaxed)) < q->count;)
        any_item((void *)q->call, item, thread);
}

/* The same where items cost differently and no thread has their memory at hand. */
static void run_queued(const call *c) {
    queue q = {.call = c, .count = all_items(c)};
    size_t threads = (size_t)c->plan->ctx->threads;
    cn__parallel(c->plan->ctx, q.count < threads ? q.count : threads, take_items, &q);
}

/* All steps of one block. */
static void one_block(void *argument, size_t block, int thread) {
    const call *c = argument;
    cn__run run = thread_run(c, thread);
    for (size_t i = c->first; i < c->end; i++) {
        size_t share = counts(c, i) ? items(&c->steps->list[i], c->run) / (size_t)c->run->blocks : 0;
        if (share > 0)
            run_items(c->plan, c->steps, &c->steps->list[i], &run, block * share, (block + 1) * share);
    }
}

static void run_local(const call *c) {
    size_t blocks = (size_t)c->run->blocks, threads = (size_t)c->plan->ctx->threads;
    if (all_items(c) == 0)
        return;
    if (blocks % threads == 0 || blocks >= MANY * threads) {
        cn__parallel(c->plan->ctx, blocks, one_block, (void *)c);
        return;
    }
    for (size_t i = c->first; i < c->end; i++) {
        call one = {c->plan, c->steps, i, i + 1, CN__LOCAL, c->run};
        if (c->steps->list[i].brief)
            one_block(&one, 0, 0);
        else
            run_queued(&one);
    }
}

void cn__steps_run(const cn__plan *plan, const cn__steps *steps, size_t first, size_t end, const cn__run *run) {
    size_t begin = first;
    for (size_t i = first; i < end; i++) {
        if (scope(&steps->list[i]) != CN__GLOBAL || items(&steps->list[i], run) == 0)
            continue;
        run_local(&(call){plan, steps, begin, i, CN__LOCAL, run});
        run_together(&(call){plan, steps, i, i + 1, CN__GLOBAL, run});
        begin = i + 1;
    }
    run_local(&(call){plan, steps, begin, end, CN__LOCAL, run});
    run_queued(&(call){plan, steps, first, end, CN__DEFERRED, run});
}

/* ---- making the lists ---- */

/* One image of a small model is done before another thread is awake. */
static bool brief_pass(const cn__plan *plan) {
    int64_t products = 0;
    for (int32_t u = 0; u < plan->unit_count; u++) {
        const cn__node *node = &plan->model->nodes[plan->units[u].head];
        cn__shape in = cn__model_shape(plan->model, node->inputs[0]);
        if (plan->units[u].ops->multiply_adds)
            products = cn__add_capped(products, plan->units[u].ops->multiply_adds(node->layer, in, node->shape));
    }
    return plan->options.channel_lanes && products < BRIEF_PRODUCTS;
}

static bool brief_map(const cn__plan *plan, const cn__map *map) {
    size_t floats = map->channel * (size_t)map->shape.channels;
    return plan->brief || (plan->options.channel_lanes && floats < BRIEF_FLOATS);
}

static cn_status add(cn__plan *plan, cn__steps *steps, cn__step step) {
    CN__TRY(cn__grow(plan->ctx, (void **)&steps->list, &steps->capacity, steps->count, sizeof *steps->list));
    step.kernels = plan->ctx->kernels;
    steps->list[steps->count++] = step;
    return CN_OK;
}

/* Layers made for channels in the lanes make as many items as are worth it. */
static cn_status add_phase(cn__plan *plan, cn__steps *steps, const cn__unit *unit, const cn__phase *phase) {
    bool own = unit->ops == unit->work.layer->ops, brief = own ? brief_map(plan, unit->work.out) : plan->brief;
    return add(
        plan, steps,
        (cn__step){.phase = phase, .work = &unit->work, .node = &plan->model->nodes[unit->head], .brief = brief});
}

static cn_status add_phases(cn__plan *plan, cn__steps *steps, const cn__unit *unit, const cn__phase *phases) {
    for (const cn__phase *phase = phases; phase && phase->run; phase++)
        CN__TRY(add_phase(plan, steps, unit, phase));
    return CN_OK;
}

static cn_status add_border(cn__plan *plan, const cn__node *reader, const cn__map *from, const cn__map *to) {
    return add(plan, &plan->forward, (cn__step){.from = from, .to = to, .node = reader, .brief = brief_map(plan, to)});
}

static cn_status add_forward(cn__plan *plan, cn__unit *unit) {
    const cn__node *node = &plan->model->nodes[unit->head];
    unit->first_step = plan->forward.count;
    for (int32_t i = 0; i < node->input_count; i++)
        if (unit->copies[i].data)
            CN__TRY(add_border(plan, node, &plan->values[node->inputs[i] + 1], &unit->copies[i]));
    CN__TRY(add_phases(plan, &plan->forward, unit, unit->ops->forward));
    unit->end_step = plan->forward.count;
    return CN_OK;
}

cn_status cn__steps_make(cn__plan *plan) {
    const cn__map *input = &plan->values[0];
    plan->brief = brief_pass(plan);
    plan->prepare.pass = CN_PASS_PREPARE;
    plan->forward.pass = CN_PASS_FORWARD;
    plan->backward.pass = CN_PASS_BACKWARD;
    if (input->pad[0] > 0 || input->pad[1] > 0)
        CN__TRY(add_border(plan, NULL, NULL, input));
    for (int32_t u = 0; u < plan->unit_count; u++) {
        if (plan->units[u].ops->prepare)
            CN__TRY(add_phase(plan, &plan->prepare, &plan->units[u], plan->units[u].ops->prepare));
        CN__TRY(add_forward(plan, &plan->units[u]));
    }
    for (int32_t u = plan->unit_count - 1; u >= 0; u--)
        if (plan->units[u].backward)
            CN__TRY(add_phases(plan, &plan->backward, &plan->units[u], plan->units[u].ops->backward));
    return CN_OK;
}

void cn__steps_drop(cn__plan *plan) {
    cn__free(plan->ctx, plan->prepare.list);
    cn__free(plan->ctx, plan->forward.list);
    cn__free(plan->ctx, plan->backward.list);
}
