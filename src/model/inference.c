/* inference.c: images through a model without a backward pass. Each thread has a plan of one block, and takes one block
 * after another through all layers while its activations are in the cache; the plans share packed weights. */
#include "model/model.h"

struct cn__inference {
    cn_context *ctx;
    cn__plan **plans; /* the first owns what they share */
    size_t count;
};

cn_status cn__inference_new(const cn_model *model, int32_t images, bool copy_tensors, cn__inference **inference) {
    cn_context *ctx = model->ctx;
    size_t blocks = ((size_t)images - 1) / CN__LANES + 1, threads = (size_t)ctx->threads;
    cn__plan_options options = {.images = CN__LANES, .copy_tensors = copy_tensors};
    *inference = NULL;
    cn__inference *made = cn__alloc(ctx, 1, sizeof *made);
    if (!made)
        return cn__no_memory("a plan");
    made->ctx = ctx;
    made->count = blocks < threads ? blocks : threads;
    made->plans = cn__alloc(ctx, made->count, sizeof *made->plans);
    cn_status status = made->plans ? CN_OK : cn__no_memory("a plan");
    for (size_t i = 0; status == CN_OK && i < made->count; i++) {
        status = cn__plan_new(model, &options, &made->plans[i]);
        options.share = made->plans[0];
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

void cn__inference_prepare(const cn__inference *inference) {
    cn__plan_prepare(inference->plans[0]);
}

typedef struct pass {
    const cn__inference *inference;
    const cn__blocks *blocks;
    int32_t images;
} pass;

static size_t block_count(int32_t images) {
    return ((size_t)images + CN__LANES - 1) / CN__LANES;
}

static cn__run block_run(int32_t images, size_t block) {
    int32_t left = images - (int32_t)block * CN__LANES;
    return (cn__run){.images = left < CN__LANES ? left : CN__LANES, .blocks = 1};
}

static void run_block(const pass *p, cn__plan *plan, size_t block) {
    cn__run run = block_run(p->images, block);
    p->blocks->fill(p->blocks->argument, block, cn__plan_input(plan));
    cn__plan_forward(plan, &run); /* can fail in training only */
    p->blocks->take(p->blocks->argument, block, cn__plan_output(plan));
}

/* The share of the blocks that one plan takes. */
static void run_share(void *argument, size_t share) {
    const pass *p = argument;
    size_t blocks = block_count(p->images), count = p->inference->count;
    for (size_t block = share * blocks / count; block < (share + 1) * blocks / count; block++)
        run_block(p, p->inference->plans[share], block);
}

void cn__inference_run(const cn__inference *inference, int32_t images, const cn__blocks *blocks) {
    pass p = {inference, blocks, images};
    if (block_count(images) == 1)
        run_block(&p, inference->plans[0], 0); /* all threads work on its layers */
    else
        cn__parallel(inference->ctx, inference->count, run_share, &p);
}

const char *cn__inference_first_bad(const cn__inference *inference, int32_t images, const cn__blocks *blocks) {
    const char *name = NULL;
    for (size_t block = 0; block < block_count(images) && !name; block++) {
        cn__run run = block_run(images, block);
        blocks->fill(blocks->argument, block, cn__plan_input(inference->plans[0]));
        name = cn__plan_first_bad(inference->plans[0], &run);
    }
    return name;
}
