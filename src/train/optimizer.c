/* optimizer.c: gradient descent and its relatives, one pass over the model's flat parameters. The formulas are in
 * kernels/isa/update.c; the table at the end lists the kinds. */
#include "train/train.h"
#include <math.h>

#define PIECE  4096 /* floats that one thread updates at a time */
#define STATES 2

typedef struct update {
    const cn_optimizer *optimizer;
    float l1;
} update;

typedef struct kind {
    int (*states)(const cn_optimizer_options *o); /* flat arrays that it keeps */
    float rate;                                   /* where the options have none */
    void (*apply)(const update *u, size_t first, size_t count);
} kind;

struct cn_optimizer {
    cn_model *model;
    cn_optimizer_options options;
    const kind *kind;
    double rate;
    int64_t steps; /* the one under way included */
    float *state[STATES];
};

/* ---- kinds ---- */

static int sgd_states(const cn_optimizer_options *o) {
    return o->momentum != 0.0f ? 1 : 0;
}

static void sgd_apply(const update *u, size_t first, size_t count) {
    const cn_optimizer *s = u->optimizer;
    const cn_optimizer_options *o = &s->options;
    const cn_model *model = s->model;
    float *velocity = s->state[0] ? s->state[0] + first : NULL;
    model->ctx->kernels->sgd(count, model->parameters + first, model->gradients + first, velocity, (float)s->rate,
                             o->momentum, o->dampening, o->nesterov != 0, s->steps == 1, o->weight_decay, u->l1);
}

static int adam_states(const cn_optimizer_options *o) {
    (void)o;
    return 2;
}

static void adam_apply(const update *u, size_t first, size_t count) {
    const cn_optimizer *s = u->optimizer;
    const cn_optimizer_options *o = &s->options;
    const cn_model *model = s->model;
    double correction1 = 1.0 - pow((double)o->beta1, (double)s->steps);
    double correction2 = 1.0 - pow((double)o->beta2, (double)s->steps);
    model->ctx->kernels->adam(count, model->parameters + first, model->gradients + first, s->state[0] + first,
                              s->state[1] + first, (float)s->rate, o->beta1, o->beta2, o->eps, (float)correction1,
                              (float)sqrt(correction2), o->weight_decay, o->kind == CN_OPTIMIZER_ADAMW, u->l1);
}

static const kind kinds[] = {
    [CN_OPTIMIZER_SGD] = {sgd_states, 0.01f, sgd_apply},
    [CN_OPTIMIZER_ADAM] = {adam_states, 0.001f, adam_apply},
    [CN_OPTIMIZER_ADAMW] = {adam_states, 0.001f, adam_apply},
};

/* ---- options ---- */

static cn_status expect(bool fits, const char *name, double value, const char *wanted) {
    return fits ? CN_OK : cn__error(CN_ERR_ARGUMENT, "cn_optimizer_options: %s is %g, wanted %s", name, value, wanted);
}

static bool not_negative(float x) {
    return x >= 0.0f && isfinite(x);
}

static bool below_one(float x) {
    return x >= 0.0f && x < 1.0f;
}

static cn_status check_options(const cn_optimizer_options *o) {
    CN__TRY(expect(not_negative(o->learning_rate), "learning_rate", (double)o->learning_rate, "0 or more"));
    CN__TRY(expect(not_negative(o->momentum), "momentum", (double)o->momentum, "0 or more"));
    CN__TRY(expect(isfinite(o->dampening), "dampening", (double)o->dampening, "a finite number"));
    CN__TRY(expect(not_negative(o->weight_decay), "weight_decay", (double)o->weight_decay, "0 or more"));
    CN__TRY(expect(below_one(o->beta1), "beta1", (double)o->beta1, "0 to below 1"));
    CN__TRY(expect(below_one(o->beta2), "beta2", (double)o->beta2, "0 to below 1"));
    CN__TRY(expect(not_negative(o->eps), "eps", (double)o->eps, "0 or more"));
    if (o->kind == CN_OPTIMIZER_SGD && o->nesterov && (o->momentum == 0.0f || o->dampening != 0.0f))
        return cn__error(CN_ERR_ARGUMENT,
                         "cn_optimizer_options: nesterov with momentum %g and dampening %g, wanted "
                         "momentum and no dampening",
                         (double)o->momentum, (double)o->dampening);
    return CN_OK;
}

static cn_status read_options(cn_optimizer_options *o, const cn_optimizer_options *options) {
    *o = (cn_optimizer_options)CN_OPTIMIZER_OPTIONS_INIT;
    CN__TRY(cn__options_read(o, sizeof *o, sizeof *o, options, "cn_optimizer_options"));
    if ((size_t)o->kind >= CN__COUNT(kinds))
        return cn__error(CN_ERR_ARGUMENT, "cn_optimizer_options: unknown kind %d", (int)o->kind);
    CN__TRY(check_options(o));
    const cn_optimizer_options usual = CN_OPTIMIZER_OPTIONS_INIT;
    o->learning_rate = o->learning_rate != 0.0f ? o->learning_rate : kinds[o->kind].rate;
    o->beta1 = o->beta1 != 0.0f ? o->beta1 : usual.beta1;
    o->beta2 = o->beta2 != 0.0f ? o->beta2 : usual.beta2;
    o->eps = o->eps != 0.0f ? o->eps : usual.eps;
    return CN_OK;
}

/* ---- the handle ---- */

cn_status cn_optimizer_new(cn_model *model, const cn_optimizer_options *options, cn_optimizer **optimizer) {
    cn_optimizer_options known;
    CN__REQUIRE(optimizer);
    *optimizer = NULL;
    CN__TRY(cn__model_ready(model, "cn_optimizer_new"));
    CN__TRY(read_options(&known, options));
    cn_optimizer *made = cn__alloc(model->ctx, 1, sizeof *made);
    if (!made)
        return cn__no_memory("an optimiser");
    made->model = model;
    made->options = known;
    made->kind = &kinds[known.kind];
    made->rate = (double)known.learning_rate;
    for (int i = 0; i < made->kind->states(&known); i++) {
        made->state[i] = cn__alloc(model->ctx, model->flat_count, sizeof *made->state[i]);
        if (!made->state[i]) {
            cn_optimizer_free(made);
            return cn__no_memory("an optimiser's state");
        }
    }
    *optimizer = made;
    return CN_OK;
}

void cn_optimizer_free(cn_optimizer *optimizer) {
    if (!optimizer)
        return;
    cn_context *ctx = optimizer->model->ctx;
    for (int i = 0; i < STATES; i++)
        cn__free(ctx, optimizer->state[i]);
    cn__free(ctx, optimizer);
}

static void update_piece(void *argument, size_t item, int thread) {
    const update *u = argument;
    size_t first = item * PIECE, left = u->optimizer->model->flat_count - first;
    (void)thread;
    u->optimizer->kind->apply(u, first, left < PIECE ? left : PIECE);
}

void cn__optimizer_step(cn_optimizer *optimizer, float l1) {
    update u = {optimizer, l1};
    optimizer->steps++;
    cn__parallel(optimizer->model->ctx, (optimizer->model->flat_count + PIECE - 1) / PIECE, update_piece, &u);
}

cn_status cn_optimizer_step(cn_optimizer *optimizer) {
    CN__REQUIRE(optimizer);
    cn__optimizer_step(optimizer, 0.0f);
    return CN_OK;
}

cn_status cn_optimizer_set_learning_rate(cn_optimizer *optimizer, double learning_rate) {
    CN__REQUIRE(optimizer);
    if (!(learning_rate >= 0.0) || !isfinite(learning_rate))
        return cn__error(CN_ERR_ARGUMENT, "cn_optimizer_set_learning_rate: %g, wanted 0 or more", learning_rate);
    optimizer->rate = learning_rate;
    return CN_OK;
}

double cn_optimizer_learning_rate(const cn_optimizer *optimizer) {
    return optimizer->rate;
}
