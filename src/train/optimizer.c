/* optimizer.c: gradient descent and its relatives, one pass over the model's flat parameters. The formulas are in
 * kernels/isa/update.c; a table lists the kinds. Muon takes whole weights instead (muon.c), but for the rest. */
#include "train/train.h"
#include <float.h>
#include <math.h>

#define PIECE  4096 /* floats of a piece, at most */
#define STATES 2

/* Parameters that one thread updates at a time, all with weight decay or all without. */
typedef struct piece {
    size_t first, count;
    bool decays;
} piece;

/* A weight that Muon takes. */
typedef struct matrix {
    size_t first;
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
    void (*apply)(const update *u, size_t first, size_t count, float weight_decay);
    bool takes_matrices; /* by Muon, and applies itself to what is none */
} kind;

struct cn_optimizer {
    cn_model *model;
    cn_optimizer_options options;
    const kind *kind;
    double rate;
    int64_t steps; /* the one under way included */
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

static void sgd_apply(const update *u, size_t first, size_t count, float weight_decay) {
    const cn_optimizer *s = u->optimizer;
    const cn_optimizer_options *o = &s->options;
    const cn_model *model = s->model;
    float *velocity = s->state[0] ? s->state[0] + first : NULL;
    model->ctx->kernels->sgd(count, model->parameters + first, model->gradients + first, velocity, (float)s->rate,
                             o->momentum, o->dampening, o->nesterov != 0, s->steps == 1, weight_decay, u->l1);
}

static int adam_states(const cn_optimizer_options *o) {
    (void)o;
    return 2;
}

static void adam_apply(const update *u, size_t first, size_t count, float weight_decay) {
    const cn_optimizer *s = u->optimizer;
    const cn_optimizer_options *o = &s->options;
    const cn_model *model = s->model;
    double correction1 = 1.0 - pow((double)o->beta1, (double)s->steps);
    double correction2 = 1.0 - pow((double)o->beta2, (double)s->steps);
    model->ctx->kernels->adam(count, model->parameters + first, model->gradients + first, s->state[0] + first,
                              s->state[1] + first, (float)s->rate, o->beta1, o->beta2, o->eps, (float)correction1,
                              (float)sqrt(correction2), weight_decay, o->kind != CN_OPTIMIZER_ADAM, u->l1);
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
    if ((size_t)o->kind >= CN__COUNT(kinds))
        return cn__error(CN_ERR_ARGUMENT, "cn_optimizer_options: unknown kind %d", (int)o->kind);
    if (o->learning_rate == CN_LEARNING_RATE_DEFAULT)
        o->learning_rate = kinds[o->kind].rate;
    return check_options(o);
}

/* ---- pieces and matrices ---- */

/* The last piece, if these parameters may still join it, or a new one. */
static piece *open_piece(cn_optimizer *o, size_t first, bool decays) {
    piece *last = o->piece_count ? &o->pieces[o->piece_count - 1] : NULL;
    if (last && last->decays == decays && last->first + last->count == first && last->count < PIECE)
        return last;
    last = &o->pieces[o->piece_count++];
    *last = (piece){first, 0, decays};
    return last;
}

static void cut(cn_optimizer *o, size_t first, size_t end, bool decays) {
    while (first < end) {
        piece *p = open_piece(o, first, decays);
        size_t left = end - first, room = PIECE - p->count, count = left < room ? left : room;
        p->count += count;
        first += count;
    }
}

static void add_matrix(cn_optimizer *o, size_t first, const cn_tensor *value) {
    size_t outputs = (size_t)value->shape[0];
    o->matrices[o->matrix_count++] = (matrix){first, {outputs, (size_t)value->count / outputs}, NULL};
}

static bool is_weight(const cn__model_tensor *entry) {
    return entry->parameter && entry->value.dims > 1;
}

/* The output layer's: the last. */
static size_t output_weight(const cn_model *model) {
    size_t last = model->tensor_count;
    for (size_t i = 0; i < model->tensor_count; i++)
        last = is_weight(&model->tensors[i]) ? i : last;
    return last;
}

static void sort_out(cn_optimizer *o) {
    const cn_model *model = o->model;
    size_t first = 0, output = output_weight(model);
    for (size_t i = 0; i < model->tensor_count; i++) {
        const cn__model_tensor *entry = &model->tensors[i];
        size_t end = first + cn__whole_lines((size_t)entry->value.count);
        if (!entry->parameter)
            continue;
        if (is_weight(entry) && o->kind->takes_matrices && i != output)
            add_matrix(o, first, &entry->value);
        else
            cut(o, first, end, is_weight(entry) || !o->options.decay_weights_only);
        first = end;
    }
}

/* Each matrix has memory of its own, so that any thread may take any of them. */
static cn_status give_work(cn_optimizer *o) {
    size_t floats = 0;
    for (size_t i = 0; i < o->matrix_count; i++)
        floats += cn__muon_work(&o->matrices[i].shape);
    o->work = cn__alloc(o->model->ctx, floats + 1, sizeof *o->work);
    if (!o->work)
        return cn__no_memory("an optimizer");
    float *next = o->work;
    for (size_t i = 0; i < o->matrix_count; i++) {
        o->matrices[i].work = next;
        next += cn__muon_work(&o->matrices[i].shape);
    }
    return CN_OK;
}

static cn_status make_parts(cn_optimizer *o) {
    const cn_model *model = o->model;
    o->pieces = cn__alloc(model->ctx, model->tensor_count + model->flat_count / PIECE + 1, sizeof *o->pieces);
    o->matrices = cn__alloc(model->ctx, model->tensor_count + 1, sizeof *o->matrices);
    if (!o->pieces || !o->matrices)
        return cn__no_memory("an optimizer");
    sort_out(o);
    return o->matrix_count ? give_work(o) : CN_OK;
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
    cn_optimizer_options known;
    CN__REQUIRE(optimizer);
    *optimizer = NULL;
    CN__TRY(cn__model_ready(model, "cn_optimizer_new"));
    CN__TRY(read_options(&known, options));
    cn_optimizer *made = cn__alloc(model->ctx, 1, sizeof *made);
    if (!made)
        return cn__no_memory("an optimizer");
    made->model = model;
    made->options = known;
    made->kind = &kinds[known.kind];
    made->rate = (double)known.learning_rate;
    cn_status status = make_parts(made);
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
    cn__free(ctx, optimizer->pieces);
    cn__free(ctx, optimizer->matrices);
    cn__free(ctx, optimizer->work);
    cn__free(ctx, optimizer);
}

static void update_piece(void *argument, size_t item, int thread) {
    const update *u = argument;
    const cn_optimizer *o = u->optimizer;
    const piece *p = &o->pieces[item];
    (void)thread;
    o->kind->apply(u, p->first, p->count, p->decays ? o->options.weight_decay : 0.0f);
}

static void update_matrix(void *argument, size_t item, int thread) {
    const update *u = argument;
    const cn_optimizer *o = u->optimizer;
    const matrix *m = &o->matrices[item];
    (void)thread;
    cn__muon_step step = {.parameter = o->model->parameters + m->first,
                          .velocity = o->state[0] + m->first,
                          .gradient = o->model->gradients + m->first,
                          .rate = (float)o->rate,
                          .momentum = o->options.momentum,
                          .weight_decay = o->options.weight_decay,
                          .l1 = u->l1,
                          .nesterov = o->options.nesterov != 0};
    cn__muon_apply(o->model->ctx, &m->shape, &step, m->work);
}

void cn__optimizer_step(cn_optimizer *optimizer, float l1) {
    update u = {optimizer, l1};
    optimizer->steps++;
    cn__parallel(optimizer->model->ctx, optimizer->matrix_count, update_matrix, &u);
    cn__parallel(optimizer->model->ctx, optimizer->piece_count, update_piece, &u);
}

cn_status cn_optimizer_step(cn_optimizer *optimizer) {
    CN__REQUIRE(optimizer);
    cn__optimizer_step(optimizer, 0.0f);
    return CN_OK;
}

cn_status cn_optimizer_set_learning_rate(cn_optimizer *optimizer, double learning_rate) {
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

const cn_model *cn__optimizer_model(const cn_optimizer *optimizer) {
    return optimizer->model;
}

void cn__optimizer_state(cn_optimizer *optimizer, cn__state *state) {
    static const char *const moments[STATES] = {"first_moment", "second_moment"};
    cn__state_add(state, "F64", &optimizer->rate, 1, "optimizer/rate");
    cn__state_add(state, "I64", &optimizer->steps, 1, "optimizer/steps");
    for (int i = 0; i < STATES; i++)
        if (optimizer->state[i])
            cn__state_add(state, "F32", optimizer->state[i], optimizer->model->flat_count, "optimizer/%s", moments[i]);
}
