/* SPDX-License-Identifier: MIT */
/* optimizer.c: gradient descent and its relatives, one pass over the model's flat parameters. The formulas are in
 * kernels/isa/update.c; a table lists the kinds. Muon takes whole weights instead (muon.c), but for the rest. */
#include "base/elementary.h"
#include "train/train.h"
#include <float.h>
#include <math.h>

#define PIECE  4096 /* floats of a piece, at most */
#define STATES 2

/* Parameters that one thread updates at a time, all by the same rule. */
typedef struct piece {
    size_t first, count;
    cn__update_rule rule;
} piece;

/* A weight that Muon takes. */
typedef struct matrix {
    size_t first;
    cn__update_rule rule;
    cn__muon_weight shape;
    float *work;
} matrix;

typedef struct update {
    const cn_optimizer *optimizer;
    float l1;
} update;

typedef struct kind {
    const char *name;
    int (*states)(const cn_optimizer_options *o); /* flat arrays that it keeps */
    float rate;                                   /* where the options have none */
    void (*apply)(const update *u, const piece *p);
    bool takes_matrices; /* by Muon, and applies itself to what is none */
} kind;

struct cn_optimizer {
    cn_model *model;
    cn_optimizer_options options;
    const kind *kind;
    double rate;
    cn__update_rule *rules; /* of each of the model's tensors, but for */
    int64_t *steps;         /* those that each has taken */
    bool sorted;            /* parameters are, by `freezes`, the model's, into: */
    uint32_t freezes;
    float *state[STATES];
    piece *pieces;
    size_t piece_count;
    matrix *matrices;
    size_t matrix_count;
    float *work; /* of all matrices */
};

/* ---- kinds ---- */

static int sgd_states(const cn_optimizer_options *o) {
    return o->momentum != 0.0f ? 1 : 0;
}

static float rate_of(const cn_optimizer *o, const cn__update_rule *r) {
    return (float)(o->rate * (double)r->scale);
}

static void sgd_apply(const update *u, const piece *p) {
    const cn_optimizer *s = u->optimizer;
    const cn_optimizer_options *o = &s->options;
    const cn_model *model = s->model;
    float *velocity = s->state[0] ? s->state[0] + p->first : NULL;
    model->ctx->kernels->sgd(p->count, model->parameters + p->first, model->gradients + p->first, velocity,
                             rate_of(s, &p->rule), o->momentum, o->dampening, o->nesterov != 0, p->rule.steps == 0,
                             p->rule.weight_decay, u->l1);
}

static int adam_states(const cn_optimizer_options *o) {
    (void)o;
    return 2;
}

static void adam_apply(const update *u, const piece *p) {
    const cn_optimizer *s = u->optimizer;
    const cn_optimizer_options *o = &s->options;
    const cn_model *model = s->model;
    size_t first = p->first;
    double steps = (double)(p->rule.steps + 1);
    double correction1 = 1.0 - cn__math_pow((double)o->beta1, steps),
           correction2 = 1.0 - cn__math_pow((double)o->beta2, steps);
    model->ctx->kernels->adam(p->count, model->parameters + first, model->gradients + first, s->state[0] + first,
                              s->state[1] + first, rate_of(s, &p->rule), o->beta1, o->beta2, o->eps, (float)correction1,
                              (float)sqrt(correction2), p->rule.weight_decay, o->kind != CN_OPTIMIZER_ADAM, u->l1);
}

static const kind kinds[] = {
    [CN_OPTIMIZER_SGD] = {"sgd", sgd_states, 0.01f, sgd_apply, false},
    [CN_OPTIMIZER_ADAM] = {"adam", adam_states, 0.001f, adam_apply, false},
    [CN_OPTIMIZER_ADAMW] = {"adamw", adam_states, 0.001f, adam_apply, false},
    [CN_OPTIMIZER_MUON] = {"muon", adam_states, 0.001f, adam_apply, true},
};

const char *cn_optimizer_name(cn_optimizer_kind which) {
    return (size_t)which < CN__COUNT(kinds) ? kinds[which].name : NULL;
}

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
    if ((o->kind == CN_OPTIMIZER_SGD || o->kind == CN_OPTIMIZER_MUON) && o->nesterov &&
        (o->momentum == 0.0f || o->dampening != 0.0f))
        return cn__error(CN_ERR_ARGUMENT,
                         "cn_optimizer_options: nesterov with momentum %g and dampening %g, wanted "
                         "momentum and no dampening",
                         (double)o->momentum, (double)o->dampening);
    return CN_OK;
}

static cn_status read_options(cn_optimizer_options *o, const cn_optimizer_options *options) {
    *o = (cn_optimizer_options)CN_OPTIMIZER_OPTIONS_INIT;
    CN__TRY(CN__READ_OPTIONS(o, cn_optimizer_options, options));
    CN__TRY(cn__check_reserved("cn_optimizer_options", !o->reserved_pointer));
    if ((size_t)o->kind >= CN__COUNT(kinds))
        return cn__error(CN_ERR_ARGUMENT, "cn_optimizer_options: unknown kind %d", (int)o->kind);
    if (o->group_count < 0 || o->group_count > INT32_MAX || (o->group_count > 0 && !o->groups))
        return cn__error(CN_ERR_ARGUMENT, "cn_optimizer_options: group_count is %lld, groups is %s",
                         (long long)o->group_count, o->groups ? "not NULL" : "NULL");
    if (o->learning_rate == CN_LEARNING_RATE_DEFAULT)
        o->learning_rate = kinds[o->kind].rate;
    return check_options(o);
}

/* ---- pieces and matrices ---- */

static bool same_rule(const cn__update_rule *a, const cn__update_rule *b) {
    return a->scale == b->scale && a->weight_decay == b->weight_decay && a->steps == b->steps;
}

/* The last piece, if these parameters may still join it, or a new one. */
static piece *open_piece(cn_optimizer *o, size_t first, const cn__update_rule *r) {
    piece *last = o->piece_count ? &o->pieces[o->piece_count - 1] : NULL;
    if (last && same_rule(&last->rule, r) && last->first + last->count == first && last->count < PIECE)
        return last;
    last = &o->pieces[o->piece_count++];
    *last = (piece){first, 0, *r};
    return last;
}

static void cut(cn_optimizer *o, size_t first, size_t end, const cn__update_rule *r) {
    while (first < end) {
        piece *p = open_piece(o, first, r);
        size_t left = end - first, room = PIECE - p->count, count = left < room ? left : room;
        p->count += count;
        first += count;
    }
}

/* The output layer's: the last. */
static size_t output_weight(const cn_model *model) {
    size_t last = model->tensor_count;
    for (size_t i = 0; i < model->tensor_count; i++)
        last = cn__is_weight(&model->tensors[i]) ? i : last;
    return last;
}

static bool takes(const cn_optimizer *o, size_t tensor, size_t output) {
    return o->kind->takes_matrices && tensor != output && cn__is_weight(&o->model->tensors[tensor]);
}

static size_t muon_work(const cn_tensor *value) {
    return cn__muon_work(&(cn__muon_weight){(size_t)value->shape[0], (size_t)(value->count / value->shape[0])});
}

/* Each matrix has memory of its own, so that any thread may take any of them. */
static void add_matrix(cn_optimizer *o, size_t first, const cn_tensor *value, const cn__update_rule *r, float *work) {
    size_t outputs = (size_t)value->shape[0];
    o->matrices[o->matrix_count++] = (matrix){first, *r, {outputs, (size_t)value->count / outputs}, work};
}

/* All but what is frozen. */
static void sort_out(cn_optimizer *o) {
    const cn_model *model = o->model;
    size_t first = 0, output = output_weight(model);
    float *work = o->work;
    o->piece_count = o->matrix_count = 0;
    o->freezes = model->freezes;
    o->sorted = true;
    for (size_t i = 0; i < model->tensor_count; i++) {
        const cn__model_tensor *entry = &model->tensors[i];
        size_t end = first + cn__whole_lines((size_t)entry->value.count);
        cn__update_rule rule = o->rules[i];
        rule.steps = o->steps[i];
        if (!entry->parameter)
            continue;
        if (!entry->frozen && takes(o, i, output))
            add_matrix(o, first, &entry->value, &rule, work);
        else if (!entry->frozen)
            cut(o, first, end, &rule);
        work += takes(o, i, output) ? muon_work(&entry->value) : 0;
        first = end;
    }
}

/* For all parameters, so that what is thawed finds its place. */
static cn_status make_parts(cn_optimizer *o) {
    const cn_model *model = o->model;
    size_t floats = 0, output = output_weight(model);
    for (size_t i = 0; i < model->tensor_count; i++)
        floats += takes(o, i, output) ? muon_work(&model->tensors[i].value) : 0;
    o->work = cn__alloc(model->ctx, floats + 1, sizeof *o->work);
    o->pieces = cn__alloc(model->ctx, model->tensor_count + model->flat_count / PIECE + 1, sizeof *o->pieces);
    o->matrices = cn__alloc(model->ctx, model->tensor_count + 1, sizeof *o->matrices);
    o->steps = cn__alloc(model->ctx, model->tensor_count + 1, sizeof *o->steps);
    if (!o->work || !o->pieces || !o->matrices || !o->steps)
        return cn__no_memory("an optimizer");
    sort_out(o);
    return CN_OK;
}

/* ---- the handle ---- */

static cn_status make_state(cn_optimizer *o) {
    for (int i = 0; i < o->kind->states(&o->options); i++) {
        o->state[i] = cn__alloc(o->model->ctx, o->model->flat_count, sizeof *o->state[i]);
        if (!o->state[i])
            return cn__no_memory("an optimizer's state");
    }
    return CN_OK;
}

cn_status cn_optimizer_new(cn_model *model, const cn_optimizer_options *options, cn_optimizer **optimizer) {
    CN__COMPUTES;
    cn_optimizer_options known;
    CN__REQUIRE(optimizer);
    *optimizer = NULL;
    CN__TRY(cn__model_ready(model, "cn_optimizer_new"));
    CN__TRY(read_options(&known, options));
    cn_optimizer *made = cn__alloc(model->ctx, 1, sizeof *made);
    if (!made)
        return cn__no_memory("an optimizer");
    made->model = model;
    cn__model_hold(model);
    made->options = known;
    made->kind = &kinds[known.kind];
    made->rate = (double)known.learning_rate;
    cn_status status = cn__update_rules(model, &made->options, &made->rules);
    made->options.groups = NULL; /* the caller's, and read by now */
    if (status == CN_OK)
        status = make_parts(made);
    if (status == CN_OK)
        status = make_state(made);
    if (status != CN_OK) {
        cn_optimizer_free(made);
        return status;
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
    cn__free(ctx, optimizer->rules);
    cn__free(ctx, optimizer->steps);
    cn__free(ctx, optimizer->pieces);
    cn__free(ctx, optimizer->matrices);
    cn__free(ctx, optimizer->work);
    cn__model_release(optimizer->model);
    cn__free(ctx, optimizer);
}

static void update_piece(void *argument, size_t item, int thread) {
    const update *u = argument;
    const cn_optimizer *o = u->optimizer;
    const piece *p = &o->pieces[item];
    (void)thread;
    o->kind->apply(u, p);
}

static void update_matrix(void *argument, size_t item, int thread) {
    const update *u = argument;
    const cn_optimizer *o = u->optimizer;
    const matrix *m = &o->matrices[item];
    (void)thread;
    cn__muon_step step = {.parameter = o->model->parameters + m->first,
                          .velocity = o->state[0] + m->first,
                          .gradient = o->model->gradients + m->first,
                          .rate = rate_of(o, &m->rule),
                          .momentum = o->options.momentum,
                          .weight_decay = m->rule.weight_decay,
                          .l1 = u->l1,
                          .nesterov = o->options.nesterov != 0};
    cn__muon_apply(o->model->ctx, &m->shape, &step, m->work);
}

static void count_step(cn_optimizer *o) {
    for (size_t i = 0; i < o->model->tensor_count; i++)
        o->steps[i] += cn__model_trains(&o->model->tensors[i]);
    for (size_t i = 0; i < o->piece_count; i++)
        o->pieces[i].rule.steps++;
}

void cn__optimizer_step(cn_optimizer *optimizer, float l1) {
    update u = {optimizer, l1};
    if (!optimizer->sorted || optimizer->freezes != optimizer->model->freezes)
        sort_out(optimizer);
    cn__parallel(optimizer->model->ctx, optimizer->matrix_count, update_matrix, &u);
    cn__parallel(optimizer->model->ctx, optimizer->piece_count, update_piece, &u);
    count_step(optimizer);
}

cn_status cn_optimizer_step(cn_optimizer *optimizer) {
    CN__COMPUTES;
    CN__REQUIRE(optimizer);
    CN__TAKES(optimizer->model, "cn_optimizer_step");
    cn__optimizer_step(optimizer, 0.0f);
    return CN_OK;
}

cn_status cn_optimizer_set_learning_rate(cn_optimizer *optimizer, double learning_rate) {
    CN__COMPUTES;
    CN__REQUIRE(optimizer);
    if (!(learning_rate >= 0.0 && learning_rate <= FLT_MAX))
        return cn__error(CN_ERR_ARGUMENT, "cn_optimizer_set_learning_rate: %g, wanted 0 to %g", learning_rate,
                         (double)FLT_MAX);
    optimizer->rate = learning_rate;
    return CN_OK;
}

double cn_optimizer_learning_rate(const cn_optimizer *optimizer) {
    return optimizer ? optimizer->rate : (double)NAN;
}

/* ---- for checkpoints ---- */

const cn_optimizer_options *cn__optimizer_options(const cn_optimizer *optimizer) {
    return &optimizer->options;
}

const cn__update_rule *cn__optimizer_rules(const cn_optimizer *optimizer) {
    return optimizer->rules;
}

const cn_model *cn__optimizer_model(const cn_optimizer *optimizer) {
    return optimizer->model;
}

void cn__optimizer_state(cn_optimizer *optimizer, cn__state *state) {
    static const char *const moments[STATES] = {"first_moment", "second_moment"};
    cn__state_add(state, "F64", &optimizer->rate, 1, "optimizer/rate");
    cn__state_add(state, "I64", optimizer->steps, optimizer->model->tensor_count, "optimizer/steps");
    optimizer->sorted = false; /* it may be written to */
    for (int i = 0; i < STATES; i++)
        if (optimizer->state[i])
            cn__state_add(state, "F32", optimizer->state[i], optimizer->model->flat_count, "optimizer/%s", moments[i]);
}
