/* SPDX-License-Identifier: MIT */
/* context.c: where work runs: threads, and the kernels of an instruction set. */
#include "base/base.h"
#include "kernels/kernels.h"
#include <pthread.h>
#include <stdio.h>

#define MAX_THREADS 1024

static cn_status check_options(const cn_context_options *o) {
    if (o->threads < 0 || o->threads > MAX_THREADS)
        return cn__error(CN_ERR_ARGUMENT, "cn_context_new: threads is %d, wanted 0 to %d", o->threads, MAX_THREADS);
    if (o->isa < CN_ISA_AUTO || o->isa > CN_ISA_NEON)
        return cn__error(CN_ERR_ARGUMENT, "cn_context_new: unknown isa %d", (int)o->isa);
    if (o->conv_algorithm < CN_CONV_AUTO || o->conv_algorithm > CN_CONV_GEMM)
        return cn__error(CN_ERR_ARGUMENT, "cn_context_new: unknown conv_algorithm %d", (int)o->conv_algorithm);
    if (o->layout < CN_LAYOUT_AUTO || o->layout > CN_LAYOUT_CHANNELS)
        return cn__error(CN_ERR_ARGUMENT, "cn_context_new: unknown layout %d", (int)o->layout);
    CN__TRY(cn__check_reserved("cn_context_options", o->reserved == 0));
    if (o->pin != 0 && o->pin != 1)
        return cn__error(CN_ERR_ARGUMENT, "cn_context_new: pin is %d, wanted 0 or 1", o->pin);
    if (!o->allocate != !o->release)
        return cn__error(CN_ERR_ARGUMENT, "cn_context_new: allocate and release go together, %s is NULL",
                         o->allocate ? "release" : "allocate");
    return CN_OK;
}

/* Whether a limit is below an instruction set; those of another processor family are no limit. */
static bool limits(cn_isa limit, cn_isa isa) {
    bool family = (limit == CN_ISA_NEON) == (isa == CN_ISA_NEON);
    return limit == CN_ISA_PORTABLE || (limit != CN_ISA_AUTO && family && limit < isa);
}

/* The best instruction set that processor, option, environment and build allow. */
static cn_status choose_isa(cn_context *ctx) {
    cn_isa limit;
    CN__TRY(cn__cpu_isa_limit(&limit));
    ctx->best_isa = ctx->isa = cn__cpu_best_isa();
    if (limits(ctx->options.isa, ctx->isa))
        ctx->isa = ctx->options.isa;
    if (limits(limit, ctx->isa))
        ctx->isa = limit;
    while (ctx->isa > CN_ISA_PORTABLE && !cn__kernels_for(ctx->isa))
        ctx->isa--;
    ctx->kernels = cn__kernels_for(ctx->isa);
    return CN_OK;
}

/* The context and its lock, in one piece. */
typedef struct context_block {
    cn_context ctx;
    pthread_mutex_t lock;
} context_block;

/* One that a thread cannot wait for in vain, since it has it. */
static int init_lock(pthread_mutex_t *lock) {
    pthread_mutexattr_t attributes;
    int error = pthread_mutexattr_init(&attributes);
    if (error)
        return error;
    error = pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_ERRORCHECK);
    if (!error)
        error = pthread_mutex_init(lock, &attributes);
    pthread_mutexattr_destroy(&attributes);
    return error;
}

cn_status cn_context_new(const cn_context_options *options, cn_context **context) {
    cn_context_options known = CN_CONTEXT_OPTIONS_INIT;
    CN__REQUIRE(context);
    *context = NULL;
    CN__TRY(cn__options_read(&known, sizeof known, offsetof(cn_context_options, pin), options, "cn_context_options"));
    CN__TRY(check_options(&known));
    context_block *made = cn__allocate(&known, sizeof *made);
    if (!made)
        return cn__no_memory("a context");
    cn_context *ctx = &made->ctx;
    ctx->options = known;
    ctx->allocator_lock = &made->lock;
    if (init_lock(&made->lock) != 0) {
        cn__release(&known, made);
        return cn__no_memory("a lock");
    }
    ctx->cores = cn__cpu_cores();
    ctx->threads = known.threads ? known.threads : ctx->cores;
    ctx->memory = cn__cpu_memory();
    cn__cpu_name(ctx->processor, sizeof ctx->processor);
    cn_status status = choose_isa(ctx);
    if (status == CN_OK)
        status = cn__pool_new(ctx, ctx->threads, &ctx->pool);
    if (status != CN_OK) {
        cn_context_free(ctx);
        return status;
    }
    ctx->threads = cn__pool_threads(ctx->pool);
    *context = ctx;
    return CN_OK;
}

void cn_context_free(cn_context *context) {
    if (!context)
        return;
    cn_context_options options = context->options;
    cn__pool_free(context, context->pool);
    for (cn__attachment *a = context->attachments, *next; a; a = next) {
        next = a->next;
        a->detach(context, a);
    }
    pthread_mutex_destroy(context->allocator_lock);
    cn__release(&options, context);
}

cn_status cn_context_device(const cn_context *context, cn_device *device) {
    CN__REQUIRE(context);
    CN__REQUIRE(device);
    cn_device filled = {.processor = context->processor,
                        .isa = context->isa,
                        .best_isa = context->best_isa,
                        .cores = context->cores,
                        .threads = context->threads,
                        .memory = context->memory};
    return cn__struct_write(device, &filled, sizeof filled, sizeof filled, "cn_device");
}
