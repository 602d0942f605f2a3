/* SPDX-License-Identifier: MIT */
/* execute.c: a plan as lists of instructions, and how they are shared out. A thread takes a block through all local
 * instructions up to the next global one, so that what one leaves is in its cache for the next, and threads wait for
 * each other only where the mathematics does. With fewer blocks than threads, or an odd number, each instruction is
 * shared out by itself. */
#include "plan/compiled.h"

/* What a few images do not wake another thread for: less than this. */
#define MIN_FLOATS   (1 << 17) /* of an fmap */
#define MIN_PRODUCTS (1 << 24) /* multiply-adds of a pass */

/* ---- one instruction ---- */

static cn__scope scope(const cn__instruction *instruction) {
    return instruction->stage ? instruction->stage->scope : CN__SCOPE_LOCAL;
}

static cn__grid grid(const cn__instruction *instruction, const cn__pass *pass) {
    if (instruction->stage)
        return instruction->stage->grid(instruction->op, pass);
    return (cn__grid){(size_t)instruction->to->shape.channels, 1};
}

/* Of a process that has no images of a batch that others have, only what it gets from them. */
static bool idle(const cn__instruction *instruction, const cn__pass *pass) {
    return pass->together && pass->images == 0 && !(instruction->stage && instruction->stage->exchange);
}

static size_t items(const cn__instruction *instruction, const cn__pass *pass) {
    if (idle(instruction, pass))
        return 0;
    size_t blocks = scope(instruction) == CN__SCOPE_LOCAL ? (size_t)pass->blocks : 1;
    return blocks * cn__grid_items(grid(instruction, pass));
}

/* The border of a map, its interior copied first where that is another's. */
static void fill_border(const cn__instruction *instruction, cn__item at) {
    const cn__fmap *from = instruction->from, *to = instruction->to;
    if (from)
        instruction->kernels->copy(cn__fmap_plane(from, at.block, at.outer), cn__fmap_plane(to, at.block, at.outer),
                                   to->shape.height, to->shape.width, false);
    cn__fmap_border(to, at.block, at.outer);
}

static void run_item(const cn__instruction *instruction, const cn__pass *pass, cn__item at) {
    if (instruction->stage)
        instruction->stage->run(instruction->op, pass, at);
    else
        fill_border(instruction, at);
}

/* Items first … end - 1, block after block, on one thread. */
static void run_items(const cn__plan *plan, const cn__instructions *instructions, const cn__instruction *instruction,
                      const cn__pass *pass, size_t first, size_t end) {
    const cn__node *node = instruction->node;
    cn__grid of_block = grid(instruction, pass);
    size_t count = cn__grid_items(of_block), block = first / count, index = first % count;
    int64_t begun = cn__trace_begin(plan->ctx);
    for (size_t item = first; item < end; item++) {
        run_item(instruction, pass, cn__grid_item(of_block, block, index));
        if (++index == count)
            index = 0, block++;
    }
    cn__trace_end(plan->ctx, begun,
                  (cn_trace_event){.pass = instructions->pass,
                                   .layer = node ? node->name : NULL,
                                   .type = node ? node->layer->type->name : NULL,
                                   .thread = pass->thread});
}

/* ---- several ---- */

typedef struct call {
    const cn__plan *plan;
    const cn__instructions *instructions;
    size_t first, end;
    cn__scope scope; /* of the instructions that count */
    const cn__pass *pass;
    bool back; /* each thread's blocks from the last to the first */
} call;

static bool counts(const call *c, size_t i) {
    cn__scope own = scope(&c->instructions->list[i]);
    return own == c->scope || (own == CN__SCOPE_SOON && c->scope == CN__SCOPE_GLOBAL);
}

static size_t all_items(const call *c) {
    size_t sum = 0;
    for (size_t i = c->first; i < c->end; i++)
        sum += counts(c, i) ? items(&c->instructions->list[i], c->pass) : 0;
    return sum;
}

/* The pass as a thread sees it: with scratch of its own. */
static cn__pass thread_run(const call *c, int thread) {
    cn__pass pass = *c->pass;
    pass.thread += thread;
    if (c->plan->scratch)
        pass.scratch = c->plan->scratch + (size_t)thread * c->plan->scratch_floats;
    return pass;
}

/* What a thread runs alone has scratch, and maybe maps, for that thread only: others may not help, though they may have
 * become idle since. */
static void share_out(const call *c, size_t items, cn__task task) {
    if (!c->pass->alone)
        cn__parallel_helping(c->plan->ctx, items, task, (void *)c);
    else
        for (size_t item = 0; item < items; item++)
            task((void *)c, item, 0);
}

/* One of the items of all instructions, which do not depend on each other. */
static void any_item(void *argument, size_t item, int thread) {
    const call *c = argument;
    cn__pass pass = thread_run(c, thread);
    size_t i = c->first;
    for (; item >= c->instructions->list[i].items; i++)
        item -= c->instructions->list[i].items;
    run_items(c->plan, c->instructions, &c->instructions->list[i], &pass, item, item + 1);
}

static void run_together(const call *c) {
    size_t all = 0;
    for (size_t i = c->first; i < c->end; i++)
        all += c->instructions->list[i].items = counts(c, i) ? items(&c->instructions->list[i], c->pass) : 0;
    share_out(c, all, any_item);
}

/* All instructions of one block. */
static void one_block(void *argument, size_t item, int thread) {
    const call *c = argument;
    cn__pass pass = thread_run(c, thread);
    size_t block = c->back ? cn__parallel_mirrored(c->plan->ctx, (size_t)c->pass->blocks, item) : item;
    for (size_t i = c->first; i < c->end; i++) {
        size_t share = counts(c, i) ? items(&c->instructions->list[i], c->pass) / (size_t)c->pass->blocks : 0;
        if (share > 0)
            run_items(c->plan, c->instructions, &c->instructions->list[i], &pass, block * share, (block + 1) * share);
    }
}

static void run_blocks(const call *c) {
    share_out(c, (size_t)c->pass->blocks, one_block);
}

/* Of a block's items that one thread had better do alone. */
static bool serial(const call *c, size_t i) {
    return c->instructions->list[i].serial;
}

static void run_local(const call *c) {
    if (all_items(c) == 0)
        return;
    if (cn__blocks_go_round(c->pass, c->plan->ctx)) {
        run_blocks(c);
        return;
    }
    for (size_t i = c->first, end; i < c->end; i = end) {
        for (end = i + 1; serial(c, i) && end < c->end && serial(c, end);)
            end++;
        call some = {c->plan, c->instructions, i, end, CN__SCOPE_LOCAL, c->pass, c->back};
        serial(c, i) ? run_blocks(&some) : run_together(&some);
    }
}

static void exchange(const cn__instruction *instruction, const cn__pass *pass) {
    const cn__stage *stage = instruction->stage;
    if (pass->together && stage && stage->exchange)
        stage->exchange(instruction->op, pass);
}

static bool waits_for_all(const cn__instruction *instruction, const cn__pass *pass) {
    cn__scope own = scope(instruction);
    return (own == CN__SCOPE_GLOBAL || own == CN__SCOPE_SOON) && items(instruction, pass) > 0;
}

/* Where what runs together with global instruction i ends. What is due soon reads maps that stay until the next op's first
 * stages have run, if that one has some ahead of its global one; with any other, which may write into their memory, it must
 * not run together. */
static size_t end_of_global(const cn__instructions *instructions, size_t i, size_t end, const cn__pass *pass) {
    const cn__instruction *list = instructions->list;
    size_t next = i + 1;
    if (scope(&list[i]) != CN__SCOPE_SOON)
        return next;
    while (next < end && (items(&list[next], pass) == 0 || scope(&list[next]) == CN__SCOPE_DEFERRED))
        next++;
    bool together = next < end && scope(&list[next]) == CN__SCOPE_GLOBAL &&
                    cn__stages_ahead(((const cn__fused_op *)list[next].op)->impl) > 0;
    return together ? next + 1 : i + 1;
}

/* Every other time from the last block to the first: what was left last may still be in the cache. */
void cn__instructions_run(const cn__plan *plan, const cn__instructions *instructions, size_t first, size_t end,
                          const cn__pass *pass) {
    bool back = instructions->pass == CN_PASS_BACKWARD;
    size_t begin = first;
    CN__COMPUTES;
    for (size_t i = first; i < end; i++) {
        if (!waits_for_all(&instructions->list[i], pass))
            continue;
        size_t after = end_of_global(instructions, i, end, pass);
        run_local(&(call){plan, instructions, begin, i, CN__SCOPE_LOCAL, pass, back});
        exchange(&instructions->list[after - 1], pass);
        run_together(&(call){plan, instructions, i, after, CN__SCOPE_GLOBAL, pass, false});
        back ^= i > begin;
        begin = after;
        i = after - 1;
    }
    run_local(&(call){plan, instructions, begin, end, CN__SCOPE_LOCAL, pass, back});
    for (size_t i = first; i < end; i++)
        if (scope(&instructions->list[i]) == CN__SCOPE_DEFERRED)
            exchange(&instructions->list[i], pass);
    run_together(&(call){plan, instructions, first, end, CN__SCOPE_DEFERRED, pass, false});
}

/* ---- making the lists ---- */

/* One image of a small model is done before another thread is awake. */
static bool brief_pass(const cn__plan *plan) {
    int64_t products = 0;
    for (int32_t u = 0; u < plan->fused_op_count; u++) {
        int32_t head = plan->fused_ops[u].head;
        const cn__node *node = &plan->model->nodes[head];
        int64_t more = cn__impl_multiply_adds(plan->fused_ops[u].impl, node->layer,
                                              cn__plan_shape(plan, node->inputs[0]), cn__plan_shape(plan, head));
        products = cn__add_capped(products, more);
    }
    return plan->options.nchw16c && products < MIN_PRODUCTS;
}

static bool brief_map(const cn__plan *plan, const cn__fmap *map) {
    size_t floats = map->channel * (size_t)map->shape.channels;
    return plan->serial || (plan->options.nchw16c && floats < MIN_FLOATS);
}

static cn_status add(cn__plan *plan, cn__instructions *instructions, cn__instruction instruction) {
    CN__TRY(cn__grow(plan->ctx, (void **)&instructions->list, &instructions->capacity, instructions->count,
                     sizeof *instructions->list));
    instruction.kernels = plan->ctx->kernels;
    instructions->list[instructions->count++] = instruction;
    return CN_OK;
}

/* Layers made for channels in the lanes make as many items as are worth it. */
static cn_status add_stage(cn__plan *plan, cn__instructions *instructions, const cn__fused_op *fused,
                           const cn__stage *stage) {
    bool own = fused->impl == fused->op.layer->type->batch,
         serial = own ? brief_map(plan, fused->op.out) : plan->serial;
    return add(plan, instructions,
               (cn__instruction){
                   .stage = stage, .op = &fused->op, .node = &plan->model->nodes[fused->head], .serial = serial});
}

static cn_status add_stages(cn__plan *plan, cn__instructions *instructions, const cn__fused_op *fused,
                            const cn__stage *stages) {
    for (const cn__stage *stage = stages; stage->run; stage++)
        CN__TRY(add_stage(plan, instructions, fused, stage));
    return CN_OK;
}

static cn_status add_border(cn__plan *plan, const cn__node *reader, const cn__fmap *from, const cn__fmap *to) {
    return add(plan, &plan->forward,
               (cn__instruction){.from = from, .to = to, .node = reader, .serial = brief_map(plan, to)});
}

static cn_status add_forward(cn__plan *plan, cn__fused_op *fused) {
    const cn__node *node = &plan->model->nodes[fused->head];
    fused->first_instruction = plan->forward.count;
    for (int32_t i = 0; i < node->input_count; i++)
        if (fused->copies[i].data)
            CN__TRY(add_border(plan, node, &plan->values[node->inputs[i] + 1], &fused->copies[i]));
    CN__TRY(add_stages(plan, &plan->forward, fused, fused->impl->forward));
    fused->end_instruction = plan->forward.count;
    return CN_OK;
}

size_t cn__stages_ahead(const cn__layer_impl *impl) {
    size_t ahead = 0;
    while (impl->backward[ahead].run && impl->backward[ahead].scope == CN__SCOPE_LOCAL)
        ahead++;
    return impl->backward[ahead].run && impl->backward[ahead].scope == CN__SCOPE_GLOBAL ? ahead : 0;
}

static const cn__stage *first_soon(const cn__layer_impl *impl) {
    const cn__stage *stage = impl->backward;
    while (stage->run && stage->scope != CN__SCOPE_SOON)
        stage++;
    return stage;
}

/* Adds what an op has left for soon, and what is behind it. */
static cn_status end_backward(cn__plan *plan, cn__fused_op *fused) {
    if (!fused)
        return CN_OK;
    CN__TRY(add_stages(plan, &plan->backward, fused, first_soon(fused->impl)));
    fused->end_backward = plan->backward.count;
    return CN_OK;
}

/* What an op leaves for soon is done when the next one's first stages have seen what it has given to them. */
static cn_status add_backward(cn__plan *plan, cn__fused_op *fused, cn__fused_op **before) {
    const cn__stage *stage = fused->impl->backward, *ahead = stage + cn__stages_ahead(fused->impl);
    for (; stage < ahead; stage++)
        CN__TRY(add_stage(plan, &plan->backward, fused, stage));
    CN__TRY(end_backward(plan, *before));
    for (; stage < first_soon(fused->impl); stage++)
        CN__TRY(add_stage(plan, &plan->backward, fused, stage));
    *before = fused;
    return CN_OK;
}

cn_status cn__instructions_make(cn__plan *plan) {
    plan->serial = brief_pass(plan);
    plan->prepare.pass = CN_PASS_PREPARE;
    plan->forward.pass = CN_PASS_FORWARD;
    plan->backward.pass = CN_PASS_BACKWARD;
    for (int32_t i = 0; i < plan->input_count; i++) {
        const cn__fmap *input = &plan->values[plan->inputs[i]];
        if (input->pad[0] > 0 || input->pad[1] > 0)
            CN__TRY(add_border(plan, NULL, NULL, input));
    }
    for (int32_t u = 0; u < plan->fused_op_count; u++) {
        if (plan->fused_ops[u].impl->prepare.run)
            CN__TRY(add_stage(plan, &plan->prepare, &plan->fused_ops[u], &plan->fused_ops[u].impl->prepare));
        CN__TRY(add_forward(plan, &plan->fused_ops[u]));
    }
    cn__fused_op *before = NULL;
    for (int32_t u = plan->fused_op_count - 1; u >= 0; u--)
        if (plan->fused_ops[u].backward)
            CN__TRY(add_backward(plan, &plan->fused_ops[u], &before));
    return end_backward(plan, before);
}

void cn__instructions_drop(cn__plan *plan) {
    cn__free(plan->ctx, plan->prepare.list);
    cn__free(plan->ctx, plan->forward.list);
    cn__free(plan->ctx, plan->backward.list);
}
