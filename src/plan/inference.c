/* inference.c: images through a model without a backward pass. Each thread has a plan of one block, and takes one block
 * after another through all layers while its activations are in the cache; the plans share packed weights. A block is
 * 16 images in the lanes, or one image with channels in the lanes. Where the images of a batch depend on each other,
 * one plan takes all of its blocks together; and where linear layers are most of a model, as many as is worth it. */
#include "plan/plan.h"

struct cn__inference {
    cn_context *ctx;
    cn__plan **plans; /* the first owns what they share */
    size_t count;
    int32_t input_count, output_count;
    int32_t block_images;
    size_t together; /* blocks that one plan takes at a time; 1: each thread has a plan of one */
};

/* ---- plans ---- */

bool cn__model_joins_images(const cn_model *model) {
    for (size_t n = 0; n < model->node_count; n++) {
        const cn_layer *layer = model->nodes[n].layer;
        if (layer->type->wants_batch && layer->type->wants_moments(layer, false))
            return true;
    }
    return false;
}

/* Blocks that are worth taking together: linear layers then read their weights once for all, which pays as long as
 * these are more than what the blocks hold. */
static size_t blocks_together(const cn_model *model, size_t blocks, int32_t block_images) {
    int64_t weights = 0, values = 1;
    if (cn__model_joins_images(model))
        return blocks;
    for (size_t n = 0; n < model->node_count; n++) {
        const cn__node *node = &model->nodes[n];
        values += (int64_t)node->shape.channels * node->shape.height * node->shape.width * block_images;
        if (node->layer->type->kind == CN__KIND_LINEAR)
            weights +=
                node->layer->type->multiply_adds(node->layer, cn__model_shape(model, node->inputs[0]), node->shape);
    }
    size_t worth = (size_t)(weights / values);
    return worth < 1 ? 1 : worth < blocks ? worth : blocks;
}

cn_status cn__inference_new(const cn_model *model, const cn__inference_options *options, cn__inference **inference) {
    cn_context *ctx = model->ctx;
    int32_t block_images = options->nchw16c ? 1 : CN__LANES;
    size_t blocks = ((size_t)options->images - 1) / (size_t)block_images + 1, threads = (size_t)ctx->threads;
    cn__plan_options plan_options = {.images = block_images,
                                     .inputs = options->inputs,
                                     .bypassed = options->bypassed,
                                     .copy_tensors = options->copy_tensors,
                                     .nchw16c = options->nchw16c,
                                     .share = options->share ? options->share->plans[0] : NULL,
                                     .tensors = options->tensors ? options->tensors->plans[0] : NULL};
    *inference = NULL;
    cn__inference *made = cn__alloc(ctx, 1, sizeof *made);
    if (!made)
        return cn__no_memory("a plan");
    made->ctx = ctx;
    made->input_count = cn__model_input_count(model);
    made->output_count = cn__model_output_count(model);
    made->block_images = block_images;
    made->together =
        options->nchw16c && !cn__model_joins_images(model) ? 1 : blocks_together(model, blocks, block_images);
    made->count = made->together > 1 ? 1 : blocks < threads ? blocks : threads;
    plan_options.images = (int32_t)made->together * block_images;
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

typedef struct job {
    const cn__inference *inference;
    const cn__blocks *blocks;
    int32_t images;
    size_t first; /* block, of those that are taken together */
} job;

static size_t block_count(const cn__inference *inference, int32_t images) {
    size_t block = (size_t)inference->block_images;
    return ((size_t)images + block - 1) / block;
}

static cn__pass block_run(const cn__inference *inference, int32_t images, size_t block) {
    int32_t left = images - (int32_t)block * inference->block_images;
    return (cn__pass){.images = left < inference->block_images ? left : inference->block_images, .blocks = 1};
}

static cn_status run_block(const job *p, cn__plan *plan, size_t block, int thread) {
    cn__pass pass = block_run(p->inference, p->images, block);
    pass.thread = thread;
    int64_t begun = cn__trace_begin(p->inference->ctx);
    for (int32_t i = 0; i < p->inference->input_count; i++)
        p->blocks->fill(p->blocks->argument, block, i, cn__plan_input(plan, i));
    cn__trace_end(p->inference->ctx, begun, (cn_trace_event){.pass = CN_PASS_FETCH, .thread = thread});
    CN__TRY(cn__plan_forward(plan, &pass));
    for (int32_t i = 0; i < p->inference->output_count; i++)
        p->blocks->take(p->blocks->argument, block, i, cn__plan_output(plan, i));
    return CN_OK;
}

/* The share of the blocks that one plan takes, up to a failure, which stays with the plan. */
static void run_share(void *argument, size_t share, int thread) {
    const job *p = argument;
    size_t blocks = block_count(p->inference, p->images), count = p->inference->count;
    cn_status status = CN_OK;
    for (size_t block = share * blocks / count; block < (share + 1) * blocks / count && status == CN_OK; block++)
        status = run_block(p, p->inference->plans[share], block, thread);
}

static cn_status run_shares(const job *p) {
    for (size_t i = 0; i < p->inference->count; i++)
        cn__plan_forget_outcome(p->inference->plans[i]); /* not all may have a share */
    cn__parallel(p->inference->ctx, p->inference->count, run_share, (void *)p);
    for (size_t i = 0; i < p->inference->count; i++)
        CN__TRY(cn__plan_outcome(p->inference->plans[i]));
    return CN_OK;
}

static void fill_together(void *argument, size_t block, int thread) {
    const job *p = argument;
    int64_t begun = cn__trace_begin(p->inference->ctx);
    for (int32_t i = 0; i < p->inference->input_count; i++) {
        cn__fmap input = cn__fmap_block(cn__plan_input(p->inference->plans[0], i), block);
        p->blocks->fill(p->blocks->argument, p->first + block, i, &input);
    }
    cn__trace_end(p->inference->ctx, begun, (cn_trace_event){.pass = CN_PASS_FETCH, .thread = thread});
}

/* Blocks from p->first on. */
static cn__pass fill_several(const job *p) {
    int32_t left = p->images - (int32_t)p->first * p->inference->block_images;
    size_t blocks = block_count(p->inference, left);
    if (blocks > p->inference->together) {
        blocks = p->inference->together;
        left = (int32_t)blocks * p->inference->block_images;
    }
    cn__parallel(p->inference->ctx, blocks, fill_together, (void *)p);
    return (cn__pass){.images = left, .blocks = (int32_t)blocks};
}

static cn_status run_several(const job *p) {
    cn__plan *plan = p->inference->plans[0];
    cn__pass pass = fill_several(p);
    CN__TRY(cn__plan_forward(plan, &pass));
    for (size_t block = 0; block < (size_t)pass.blocks; block++)
        for (int32_t i = 0; i < p->inference->output_count; i++) {
            cn__fmap output = cn__fmap_block(cn__plan_output(plan, i), block);
            p->blocks->take(p->blocks->argument, p->first + block, i, &output);
        }
    return CN_OK;
}

static cn_status run_together(const cn__inference *inference, int32_t images, const cn__blocks *blocks) {
    for (size_t first = 0; first < block_count(inference, images); first += inference->together)
        CN__TRY(run_several(&(job){inference, blocks, images, first}));
    return CN_OK;
}

cn_status cn__inference_run(const cn__inference *inference, int32_t images, const cn__blocks *blocks) {
    job p = {inference, blocks, images, 0};
    cn_status status;
    uint64_t mode = cn__float_mode_enter();
    if (inference->together > 1)
        status = run_together(inference, images, blocks);
    else if (block_count(inference, images) == 1)
        status = run_block(&p, inference->plans[0], 0, 0); /* all threads work on its layers */
    else
        status = run_shares(&p);
    cn__float_mode_leave(mode);
    return status;
}

const char *cn__inference_first_nonfinite(const cn__inference *inference, int32_t images, const cn__blocks *blocks) {
    const char *name = NULL;
    for (size_t first = 0; inference->together > 1 && first < block_count(inference, images) && !name;
         first += inference->together) {
        cn__pass pass = fill_several(&(job){inference, blocks, images, first});
        name = cn__plan_first_nonfinite(inference->plans[0], &pass);
    }
    for (size_t block = 0; inference->together == 1 && block < block_count(inference, images) && !name; block++) {
        cn__pass pass = block_run(inference, images, block);
        for (int32_t i = 0; i < inference->input_count; i++)
            blocks->fill(blocks->argument, block, i, cn__plan_input(inference->plans[0], i));
        name = cn__plan_first_nonfinite(inference->plans[0], &pass);
    }
    return name;
}
