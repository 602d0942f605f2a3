/* SPDX-License-Identifier: MIT */
/* rate_search.c: the learning-rate range test (Smith 2015, Cyclical Learning Rates for Training Neural Networks): step by
 * step at rates that grow by one ratio, until the loss has grown. Then the trainer is as it was before. */
#include "base/elementary.h"
#include "train/train.h"
#include <float.h>
#include <math.h>
#include <string.h>

enum { MOST_STEPS = 100000, PARTS = 20 /* of the steps, one of which is half a window of smoothing */ };
#define DIVERGED 4.0 /* times the lowest loss */

typedef struct search {
    cn_trainer *trainer;
    cn_rate_search options;
    cn_rate_curve *curve;
    int64_t half;    /* of a window */
    int64_t asked;   /* steps that have a rate */
    double rate;     /* of the last of them */
    double lowest;   /* smoothed loss so far */
    cn__state state; /* what a trainer remembers */
    char *kept;      /* its bytes as they were, with the model's before them */
    cn__schedule schedule;
    cn__rate_line rates; /* the trainer's, which meanwhile has none */
    size_t epochs;
} search;

static cn_status read_options(cn_rate_search *o, const cn_rate_search *given) {
    CN__TRY(CN__READ_OPTIONS(o, cn_rate_search, given));
    if (!(o->first > 0.0 && o->first < o->last && o->last <= (double)FLT_MAX && isfinite(o->last / o->first)))
        return cn__error(CN_ERR_ARGUMENT,
                         "cn_rate_search: rates from %g to %g, wanted above 0, and the last above the first", o->first,
                         o->last);
    if (o->steps < 10 || o->steps > MOST_STEPS)
        return cn__error(CN_ERR_ARGUMENT, "cn_rate_search: %lld steps, wanted 10 to %d", (long long)o->steps,
                         MOST_STEPS);
    return CN_OK;
}

/* ---- the trainer as it was ---- */

static void list_state(search *s) {
    cn_model *model = s->trainer->model;
    cn__state_add(&s->state, "F32", model->parameters, model->flat_count, "parameters");
    cn__state_add(&s->state, "F32", model->buffers, model->buffer_count, "buffers");
    cn__state_add(&s->state, "I64", model->counters, model->counter_count, "counters");
    cn__trainer_state(s->trainer, &s->state);
}

static size_t bytes_of(const cn__value *value) {
    return value->count * (strcmp(value->dtype + 1, "64") == 0 ? 8 : 4);
}

/* Copies all arrays of the state into `kept`, or back. */
static void copy_state(const search *s, bool back) {
    char *at = s->kept;
    for (size_t i = 0; i < s->state.count; i++) {
        const cn__value *value = &s->state.values[i];
        size_t bytes = bytes_of(value);
        if (bytes > 0)
            memcpy(back ? value->data : at, back ? at : value->data, bytes);
        at += bytes;
    }
}

static cn_status keep(search *s) {
    cn_trainer *t = s->trainer;
    size_t bytes = 0;
    list_state(s);
    for (size_t i = 0; i < s->state.count; i++)
        bytes += bytes_of(&s->state.values[i]);
    s->kept = cn__alloc(t->ctx, bytes + 1, 1);
    s->curve = cn__alloc(t->ctx, 1, sizeof *s->curve);
    if (s->curve) {
        *s->curve = (cn_rate_curve){.ctx = t->ctx, .suggested = (double)NAN};
        s->curve->points = cn__alloc(t->ctx, (size_t)s->options.steps, sizeof *s->curve->points);
    }
    if (!s->kept || !s->curve || !s->curve->points)
        return cn__no_memory("a search for a learning rate");
    s->schedule = t->schedule;
    s->epochs = t->epochs;
    copy_state(s, false);
    return CN_OK;
}

static void put_back(search *s) {
    cn_trainer *t = s->trainer;
    t->schedule = s->schedule;
    t->epochs = s->epochs;
    t->rates = s->rates;
    t->searched = 0;
    s->state.count = 0;
    list_state(s); /* once more, by which the optimizer knows that its steps are written to */
    copy_state(s, true);
    if (t->batch > 0)
        cn__sampler_epoch(&t->sampler, t->options.seed, (uint64_t)t->epochs + 1);
}

/* ---- steps ---- */

static double next_rate(void *user, const cn_rate_info *at) {
    search *s = user;
    const cn_rate_search *o = &s->options;
    (void)at;
    double share = (double)s->asked++ / (double)(o->steps - 1);
    s->rate = share < 1.0 ? o->first * cn__math_pow(o->last / o->first, share) : o->last;
    return s->rate;
}

static double smoothed(const search *s, int64_t i) {
    int64_t first = i < s->half ? 0 : i - s->half, end = i + s->half + 1;
    double sum = 0.0;
    end = end < s->curve->count ? end : s->curve->count;
    for (int64_t k = first; k < end; k++)
        sum += s->curve->points[k].loss;
    return sum / (double)(end - first);
}

/* Whether the loss has grown too far for further steps to tell anything. */
static bool add_point(search *s, double loss) {
    cn_rate_curve *c = s->curve;
    c->points[c->count++] = (cn_rate_point){.size = sizeof *c->points, .rate = s->rate, .loss = loss};
    if (c->count <= s->half)
        return false;
    double mean = smoothed(s, c->count - 1 - s->half);
    s->lowest = fmin(s->lowest, mean);
    return mean > s->lowest + (DIVERGED - 1.0) * fabs(s->lowest);
}

/* All batches of a step. `*batches` 0: another process has ended it. */
static cn_status run_step(const search *s, double *loss, int64_t *batches, bool *stop) {
    cn_trainer *t = s->trainer;
    double sum = 0.0, one;
    *batches = 0;
    do {
        int64_t before = t->batch;
        CN__TRY(cn__trainer_run_batch(t, &one, stop));
        if (t->batch == before)
            break;
        sum += one;
        ++*batches;
    } while (!*stop && t->batch < t->batches && t->batch % t->options.accumulate != 0);
    *loss = sum / (double)*batches;
    return CN_OK;
}

static cn_status run(search *s) {
    cn_trainer *t = s->trainer;
    bool stop = false;
    cn__average_show(&t->average, false);
    cn__trainer_begin_epoch(t);
    while (s->curve->count < s->options.steps && !stop) {
        double loss;
        int64_t batches;
        cn_status status = run_step(s, &loss, &batches, &stop);
        if (status == CN_ERR_NUMERIC && s->curve->count > 0)
            return CN_OK;
        CN__TRY(status);
        if (batches > 0)
            stop = add_point(s, loss) || stop;
        if (t->batch == t->batches) {
            t->epochs++; /* for another order */
            t->searched++;
            cn__trainer_begin_epoch(t);
        }
    }
    return CN_OK;
}

static cn_status search_rates(search *s) {
    cn_trainer *t = s->trainer;
    cn_schedule_options rising = CN_SCHEDULE_OPTIONS_INIT;
    s->rates = t->rates;
    t->rates = (cn__rate_line){0};
    rising.kind = CN_SCHEDULE_CUSTOM;
    rising.rate = next_rate;
    rising.user = s;
    cn_status status = t->joint ? cn__joint_start(t, 0) : CN_OK;
    if (status == CN_OK)
        status = cn__schedule_init(&t->schedule, &rising, s->options.first, t->schedule.steps);
    t->within_batch = true; /* what callbacks see is no run to be saved */
    if (status == CN_OK)
        status = run(s);
    t->within_batch = false;
    put_back(s);
    return status;
}

/* ---- what they tell ---- */

/* Where the smoothed loss falls fastest on its way to its lowest. */
static double suggest(const search *s) {
    const cn_rate_curve *c = s->curve;
    int64_t lowest = 0, best = -1;
    double steepest = 0.0;
    for (int64_t i = 1; i < c->count; i++)
        if (c->points[i].smoothed < c->points[lowest].smoothed)
            lowest = i;
    for (int64_t i = s->half; i <= lowest; i++) {
        int64_t end = i + s->half < c->count ? i + s->half : c->count - 1;
        double slope = c->points[end].smoothed - c->points[i - s->half].smoothed;
        if (slope < steepest) {
            steepest = slope;
            best = i;
        }
    }
    return best < 0 ? (double)NAN : c->points[best].rate;
}

/* Whether all ranks search at the same rates. */
static cn_status check_alike(cn__group *group, const cn_rate_search *o) {
    int64_t highest, lowest;
    uint32_t crc = cn__crc_add(0, &o->first, sizeof o->first);
    crc = cn__crc_add(cn__crc_add(crc, &o->last, sizeof o->last), &o->steps, sizeof o->steps);
    CN__TRY(cn__group_largest(group, (int64_t)crc, &highest));
    CN__TRY(cn__group_largest(group, -(int64_t)crc, &lowest));
    if (highest != -lowest)
        return cn__error(CN_ERR_STATE,
                         "cn_trainer_find_rate: ranks search at other rates, or for other numbers of steps");
    return CN_OK;
}

cn_status cn_trainer_find_rate(cn_trainer *trainer, const cn_rate_search *options, double *rate,
                               cn_rate_curve **curve) {
    CN__COMPUTES;
    search s = {.trainer = trainer, .options = CN_RATE_SEARCH_INIT, .lowest = INFINITY};
    if (curve)
        *curve = NULL;
    CN__REQUIRE(rate);
    *rate = (double)NAN;
    CN__REQUIRE(trainer);
    if (atomic_exchange(&trainer->running, true))
        return cn__error(
            CN_ERR_STATE,
            "cn_trainer_find_rate: called while the trainer runs, by one of its callbacks or another thread");
    cn_status status = read_options(&s.options, options);
    s.half = s.options.steps / PARTS > 0 ? s.options.steps / PARTS : 1;
    if (status == CN_OK)
        status = keep(&s);
    if (trainer->joint) {
        status = cn__group_agree(&trainer->joint->group, status);
        status = status == CN_OK ? check_alike(&trainer->joint->group, &s.options) : status;
    }
    if (status == CN_OK)
        status = search_rates(&s);
    trainer->running = false;
    for (int64_t i = 0; status == CN_OK && i < s.curve->count; i++)
        s.curve->points[i].smoothed = smoothed(&s, i);
    if (status == CN_OK)
        *rate = s.curve->suggested = suggest(&s);
    cn__free(trainer->ctx, s.kept);
    if (status == CN_OK && curve)
        *curve = s.curve;
    else
        cn_rate_curve_free(s.curve);
    return status;
}

/* ---- curves ---- */

void cn_rate_curve_free(cn_rate_curve *curve) {
    if (!curve)
        return;
    cn__free(curve->ctx, curve->points);
    cn__free(curve->ctx, curve);
}

int64_t cn_rate_curve_count(const cn_rate_curve *curve) {
    return curve ? curve->count : 0;
}

cn_status cn_rate_curve_point(const cn_rate_curve *curve, int64_t index, cn_rate_point *point) {
    CN__REQUIRE(curve);
    CN__REQUIRE(point);
    if (index < 0 || index >= curve->count)
        return cn__error(CN_ERR_NOT_FOUND, "cn_rate_curve_point: point %lld of %lld", (long long)index,
                         (long long)curve->count);
    return cn__struct_write(point, &curve->points[index], sizeof *point, sizeof *point, "cn_rate_point");
}
