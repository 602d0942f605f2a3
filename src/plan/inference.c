/* SPDX-License-Identifier: MIT */
/* inference.c: images through a model without a backward pass. Each thread has a plan, and takes one block after another
 * through all layers while its activations are in the cache; the plans share packed weights. A block is 16 images in the
 * lanes, or one image with channels in the lanes, of which a plan takes several together where weights are many.
 * Where the images of a batch depend on each other, one plan takes all of its blocks together, on all threads; and where
 * linear layers are most of a model, as many as is worth it. */
#include "plan/plan.h"
#include <stdatomic.h>

struct cn__inference {
    cn_context *ctx;
    cn__plan **plans; /* the first owns what they share */
    size_t count;
    int32_t input_count, output_count;
    int32_t block_images;
    size_t together; /* blocks that a plan takes at a time */
};

#define MANY_WEIGHTS (1 << 18) /* of a model: of these a second-level cache does not hold two */
#define IMAGES       8         /* that read them together */

/* ---- plans ---- */

bool cn__model_joins_images(const cn_model *model) {
    for (size_t n = 0; n < model->node_count; n++) {
        const cn_layer *layer = model->nodes[n].layer;
        if (layer->type->wants_batch && layer->type->wants_moments(layer, false))
            return true;
    }
    return false;
}

/* Blocks that are worth taking together on all threads: linear layers then read their weights once for all, which pays
 * as long as these are more than what the blocks hold. */
static size_t blocks_on_all_threads(const cn_model *model, size_t blocks) {
    int64_t weights = 0, values = 1;
    for (size_t n = 0; n < model->node_count; n++) {
        const cn__node *node = &model->nodes[n];
        values += (int64_t)node->shape.channels * node->shape.height * node->shape.width * CN__LANES;
        if (node->layer->type->kind == CN__KIND_LINEAR)
            weights +=
                node->layer->type->multiply_adds(node->layer, cn__model_shape(model, node->inputs[0]), node->shape);
    }
    size_t worth = (size_t)(weights / values);
    return worth < 1 ? 1 : worth < blocks ? worth : blocks;
}

/* Images that a thread had better take together, of so many that go singly. */
static size_t images_of_thread(const cn_model *model, size_t images) {
    size_t threads = (size_t)model->ctx->threads, share = (images + threads - 1) / threads;
    if (model->flat_count < MANY_WEIGHTS)
        return 1;
    return share < IMAGES ? share : IMAGES;
}

/* How many plans there are, and how many blocks each takes at a time. */
static void choose_plans(cn__inference *made, const cn_model *model, const cn__inference_options *options) {
    size_t blocks = ((size_t)options->images - 1) / (size_t)made->block_images + 1,
           threads = (size_t)made->ctx->threads;
    bool joins = cn__model_joins_images(model);
    made->together = joins               ? blocks
                     : !options->nchw16c ? blocks_on_all_threads(model, blocks)
                     : !options->ends    ? images_of_thread(model, blocks)
                                         : 1;
    bool on_all_threads = joins || (!options->nchw16c && made->together > 1);
    made->count = on_all_threads ? 1 : blocks < threads ? blocks : threads;
}

cn_status cn__inference_new(const cn_model *model, const cn__inference_options *options, cn__inference **inference) {
    cn_context *ctx = model->ctx;
    *inference = NULL;
    cn__inference *made = cn__alloc(ctx, 1, sizeof *made);
    if (!made)
        return cn__no_memory("a plan");
    made->ctx = ctx;
    made->input_count = cn__model_input_count(model);
    made->output_count = cn__model_output_count(model);
    made->block_images = options->nchw16c && !options->ends ? 1 : CN__LANES;
    choose_plans(made, model, options);
    cn__plan_options plan_options = {.images = (int32_t)made->together * made->block_images,
                                     .batch = options->images < IMAGES ? options->images : IMAGES,
                                     .inputs = options->inputs,
                                     .bypassed = options->bypassed,
                                     .copy_tensors = options->copy_tensors,
                                     .nchw16c = options->nchw16c,
                                     .ends = options->ends,
                                     .share = options->share ? options->share->plans[0] : NULL,
                                     .tensors = options->tensors ? options->tensors->plans[0] : NULL};
    made->plans = cn__alloc(ctx, made->count, sizeof *made->plans);
    cn_status status = made->plans ? CN_OK : cn__no_memory("a plan");
    for (size_t i = 0; status == CN_OK && i < made->count; i++) {
        status = cn__plan_new(model, &plan_options, &made->plans[i]);
        if (!options->share)
            plan_options.share = made->plans[0];
        plan_options.one_thread = true; /* all work on a single block in the first */
    }
    if (status != CN_OK) {
        cn__inference_free(made);
        return status;
    }
    *inference = made;
    return CN_OK;
}

void cn__inference_free(cn__inference *inference) {
    if (!inference)
        return;
    for (size_t i = inference->count; inference->plans && i-- > 0;)
        cn__plan_free(inference->plans[i]);
    cn__free(inference->ctx, inference->plans);
    cn__free(inference->ctx, inference);
}

cn__shape cn__inference_output_shape(const cn__inference *inference, int32_t index) {
    return cn__plan_output_shape(inference->plans[0], index);
}

void cn__inference_prepare(const cn__inference *inference) {
    cn__plan_prepare(inference->plans[0]);
}

/* ---- running ---- */

/* A pass, and the blocks of it that a plan has at hand. */
typedef struct job {
    const cn__inference *inference;
    const cn__blocks *blocks;
    int32_t images; /* of all */
    cn__plan *plan;
    size_t first, count;
    int thread;
} job;

static size_t block_count(const cn__inference *inference, int32_t images) {
    size_t block = (size_t)inference->block_images;
    return ((size_t)images + block - 1) / block;
}

static void fill_block(void *argument, size_t block, int thread) {
    const job *p = argument;
    int64_t begun = cn__trace_begin(p->inference->ctx);
    for (int32_t i = 0; i < p->inference->input_count; i++) {
        cn__fmap input = cn__fmap_block(cn__plan_input(p->plan, i), block);
        p->blocks->fill(p->blocks->argument, p->first + block, i, &input);
    }
    cn__trace_end(p->inference->ctx, begun, (cn_trace_event){.pass = CN_PASS_FETCH, .thread = p->thread + thread});
}

/* Brings in the blocks at hand. */
static cn__pass fill(const job *p, bool alone) {
    int32_t block = p->inference->block_images, left = p->images - (int32_t)p->first * block;
    cn__parallel(p->inference->ctx, p->count, fill_block, (void *)p);
    return (cn__pass){.images = left < (int32_t)p->count * block ? left : (int32_t)p->count * block,
                      .blocks = (int32_t)p->count,
                      .alone = alone,
                      .thread = p->thread};
}

static void take(const job *p) {
    for (size_t block = 0; block < p->count; block++)
        for (int32_t i = 0; i < p->inference->output_count; i++) {
            cn__fmap output = cn__fmap_block(cn__plan_output(p->plan, i), block);
            p->blocks->take(p->blocks->argument, p->first + block, i, &output);
        }
}

/* The next p.count blocks from p.first on. */
static cn_status run_blocks(const job *p, bool alone) {
    cn__pass pass = fill(p, alone);
    CN__TRY(cn__plan_forward(p->plan, &pass));
    take(p);
    return CN_OK;
}

/* All blocks, one plan's fill after the other. */
static cn_status run_alone(job p, size_t blocks) {
    for (; p.first < blocks; p.first += p.count) {
        p.count = blocks - p.first < p.inference->together ? blocks - p.first : p.inference->together;
        CN__TRY(run_blocks(&p, false));
    }
    return CN_OK;
}

/* Blocks that threads take some at a time, as they come to it. */
typedef struct queue {
    job job;
    size_t blocks;
    atomic_size_t next;
} queue;

/* Fewer towards the end, so that threads end together, though cores be not equally fast. */
static size_t next_count(const cn__inference *inference, size_t left) {
    size_t count = left / (2 * inference->count);
    return count < 1 ? 1 : count < inference->together ? count : inference->together;
}

static bool take_blocks(queue *q, job *p) {
    p->first = atomic_load(&q->next);
    do {
        if (p->first >= q->blocks)
            return false;
        p->count = next_count(p->inference, q->blocks - p->first);
    } while (!atomic_compare_exchange_weak(&q->next, &p->first, p->first + p->count));
    return true;
}

/* What one plan takes, up to a failure, which stays with the plan. */
static void run_share(void *argument, size_t share, int thread) {
    queue *q = argument;
    job p = q->job;
    p.plan = p.inference->plans[share];
    p.thread = thread;
    while (take_blocks(q, &p) && run_blocks(&p, true) == CN_OK)
        continue;
}

static cn_status run_shares(const job *p, size_t blocks) {
    queue q = {.job = *p, .blocks = blocks};
    for (size_t i = 0; i < p->inference->count; i++)
        cn__plan_forget_outcome(p->inference->plans[i]); /* not all may have a share */
    cn__parallel(p->inference->ctx, p->inference->count, run_share, &q);
    for (size_t i = 0; i < p->inference->count; i++)
        CN__TRY(cn__plan_outcome(p->inference->plans[i]));
    return CN_OK;
}

cn_status cn__inference_run(const cn__inference *inference, int32_t images, const cn__blocks *blocks) {
    job p = {.inference = inference, .blocks = blocks, .images = images, .plan = inference->plans[0]};
    size_t count = block_count(inference, images);
    CN__COMPUTES;
    return count == 1 || inference->count == 1 ? run_alone(p, count) : run_shares(&p, count);
}

const char *cn__inference_first_nonfinite(const cn__inference *inference, int32_t images, const cn__blocks *blocks) {
    job p = {.inference = inference, .blocks = blocks, .images = images, .plan = inference->plans[0]};
    size_t end = block_count(inference, images);
    const char *name = NULL;
    for (; p.first < end && !name; p.first += p.count) {
        p.count = end - p.first < inference->together ? end - p.first : inference->together;
        cn__pass pass = fill(&p, false);
        name = cn__plan_place_name(p.plan, cn__plan_first_nonfinite(p.plan, &pass));
    }
    return name;
}
