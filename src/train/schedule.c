/* SPDX-License-Identifier: MIT */
/* schedule.c: how the learning rate changes, by PyTorch's formulas (torch.optim.lr_scheduler). Some kinds act before
 * a step, some after an epoch; the table at the end lists them. None of them sees a warm-up: to it the run begins after
 * that. */
#include "base/elementary.h"
#include "train/train.h"
#include <float.h>
#include <math.h>

#define PI           3.14159265358979323846
#define SMALLEST_CUT 1e-8 /* ReduceLROnPlateau's eps: a smaller change of the rate is not made */

typedef struct kind {
    const char *name;
    cn_status (*check)(const cn_schedule_options *o);             /* NULL: nothing to check */
    double (*step)(const cn__schedule *s, int64_t step);          /* the rate of a step */
    double (*epoch)(cn__schedule *s, int64_t epoch, double loss); /* the rate after an epoch */
    bool goes_on;                                                 /* from any rate, so that it may be set */
} kind;

static cn_status expect(bool fits, const char *name, double value, const char *wanted) {
    return fits ? CN_OK : cn__error(CN_ERR_ARGUMENT, "cn_schedule_options: %s is %g, wanted %s", name, value, wanted);
}

static bool positive(float x) {
    return x > 0.0f && isfinite(x);
}

static bool not_negative(float x) {
    return x >= 0.0f && isfinite(x);
}

/* Epochs that a warm-up takes up, and what it leaves of the run. */
static int64_t warmup_epochs(const cn__schedule *s) {
    return s->warmup / s->steps;
}

static double epochs(const cn__schedule *s) {
    return fmax((double)(s->options.epochs - warmup_epochs(s)), 1.0);
}

static double steps(const cn__schedule *s) {
    return fmax((double)s->options.epochs * (double)s->steps - (double)s->warmup, 1.0);
}

/* ---- ReduceLROnPlateau, mode min, relative threshold ---- */

static cn_status plateau_check(const cn_schedule_options *o) {
    CN__TRY(expect(o->factor > 0.0f && o->factor < 1.0f, "factor", (double)o->factor, "between 0 and 1"));
    CN__TRY(expect(o->patience >= 0, "patience", o->patience, "0 or more"));
    CN__TRY(expect(o->threshold >= 0.0f && o->threshold < 1.0f, "threshold", (double)o->threshold, "0 to below 1"));
    return expect(not_negative(o->min_learning_rate), "min_learning_rate", (double)o->min_learning_rate, "0 or more");
}

static double plateau_epoch(cn__schedule *s, int64_t epoch, double loss) {
    const cn_schedule_options *o = &s->options;
    (void)epoch;
    if (loss < s->best * (1.0 - (double)o->threshold)) {
        s->best = loss;
        s->bad_epochs = 0;
    } else {
        s->bad_epochs++;
    }
    if (s->bad_epochs <= o->patience)
        return s->rate;
    s->bad_epochs = 0;
    double lower = fmax(s->rate * (double)o->factor, (double)o->min_learning_rate);
    return s->rate - lower > SMALLEST_CUT ? lower : s->rate;
}

/* ---- ExponentialLR ---- */

static cn_status exponential_check(const cn_schedule_options *o) {
    return expect(positive(o->factor), "factor", (double)o->factor, "above 0");
}

static double exponential_epoch(cn__schedule *s, int64_t epoch, double loss) {
    (void)epoch;
    (void)loss;
    return s->rate * (double)s->options.factor;
}

/* ---- StepLR ---- */

static cn_status step_check(const cn_schedule_options *o) {
    CN__TRY(exponential_check(o));
    return expect(o->step_size > 0, "step_size", o->step_size, "1 or more");
}

static double step_epoch(cn__schedule *s, int64_t epoch, double loss) {
    return epoch % s->options.step_size == 0 ? exponential_epoch(s, epoch, loss) : s->rate;
}

/* ---- CosineAnnealingLR: min + (base - min) (1 + cos(π epoch / epochs)) / 2 ---- */

static cn_status length_check(const cn_schedule_options *o) {
    return expect(o->epochs >= 0, "epochs", o->epochs, "0 or more");
}

static cn_status cosine_check(const cn_schedule_options *o) {
    CN__TRY(length_check(o));
    return expect(not_negative(o->min_learning_rate), "min_learning_rate", (double)o->min_learning_rate, "0 or more");
}

static double cosine_epoch(cn__schedule *s, int64_t epoch, double loss) {
    double lowest = (double)s->options.min_learning_rate;
    (void)loss;
    return lowest + (s->base - lowest) * (1.0 + cn__math_cos(PI * (double)epoch / epochs(s))) / 2.0;
}

/* ---- PolynomialLR: base (1 - epoch / epochs)^power, 0 after the end ---- */

static cn_status polynomial_check(const cn_schedule_options *o) {
    CN__TRY(length_check(o));
    return expect(not_negative(o->power), "power", (double)o->power, "0 or more");
}

static double polynomial_epoch(cn__schedule *s, int64_t epoch, double loss) {
    double left = 1.0 - fmin((double)epoch / epochs(s), 1.0);
    (void)loss;
    return s->base * cn__math_pow(left, (double)s->options.power);
}

/* ---- OneCycleLR: max / div rises to max, then falls to max / div / final_div ---- */

static cn_status one_cycle_check(const cn_schedule_options *o) {
    CN__TRY(length_check(o));
    CN__TRY(expect(not_negative(o->max_learning_rate) || o->max_learning_rate == CN_LEARNING_RATE_DEFAULT,
                   "max_learning_rate", (double)o->max_learning_rate, "0 or more, or CN_LEARNING_RATE_DEFAULT"));
    CN__TRY(expect(o->pct_start >= 0.0f && o->pct_start <= 1.0f, "pct_start", (double)o->pct_start, "0 to 1"));
    CN__TRY(expect(positive(o->div_factor), "div_factor", (double)o->div_factor, "above 0"));
    return expect(positive(o->final_div_factor), "final_div_factor", (double)o->final_div_factor, "above 0");
}

static double between(const cn_schedule_options *o, double from, double to, double share) {
    return o->linear ? from + (to - from) * share : to + (from - to) / 2.0 * (1.0 + cn__math_cos(PI * share));
}

static double one_cycle_step(const cn__schedule *s, int64_t step) {
    const cn_schedule_options *o = &s->options;
    bool given = o->max_learning_rate != CN_LEARNING_RATE_DEFAULT;
    double peak = given ? (double)o->max_learning_rate : 10.0 * s->base, start = peak / (double)o->div_factor;
    double last = steps(s) - 1.0, at = fmin((double)step, last);
    double top = (double)o->pct_start * (last + 1.0) - 1.0;
    if (at <= top)
        return top > 0.0 ? between(o, start, peak, at / top) : peak;
    return between(o, peak, start / (double)o->final_div_factor, (at - top) / (last - top));
}

/* ---- the program's own ---- */

static cn_status custom_check(const cn_schedule_options *o) {
    if (!o->rate)
        return cn__error(CN_ERR_ARGUMENT, "cn_schedule_options: rate is NULL, wanted a function for kind 'custom'");
    return length_check(o);
}

static double custom_step(const cn__schedule *s, int64_t step) {
    cn_rate_info at = {.size = sizeof at,
                       .step = step,
                       .steps = (int64_t)steps(s),
                       .epoch = s->epoch,
                       .learning_rate = s->base,
                       .loss = s->loss};
    CN__IN_HOSTS_MODE;
    return s->options.rate(s->options.user, &at);
}

/* ---- the table ---- */

static const kind kinds[] = {
    [CN_SCHEDULE_CONSTANT] = {"constant", NULL, NULL, NULL, true},
    [CN_SCHEDULE_PLATEAU] = {"plateau", plateau_check, NULL, plateau_epoch, true},
    [CN_SCHEDULE_STEP] = {"step", step_check, NULL, step_epoch, true},
    [CN_SCHEDULE_COSINE] = {"cosine", cosine_check, NULL, cosine_epoch, false},
    [CN_SCHEDULE_ONE_CYCLE] = {"one-cycle", one_cycle_check, one_cycle_step, NULL, false},
    [CN_SCHEDULE_POLYNOMIAL] = {"polynomial", polynomial_check, NULL, polynomial_epoch, false},
    [CN_SCHEDULE_EXPONENTIAL] = {"exponential", exponential_check, NULL, exponential_epoch, true},
    [CN_SCHEDULE_CUSTOM] = {"custom", custom_check, custom_step, NULL, false},
};

const char *cn_schedule_name(cn_schedule_kind which) {
    return (size_t)which < CN__COUNT(kinds) ? kinds[which].name : NULL;
}

static cn_status check_warmup(const cn_schedule_options *o) {
    CN__TRY(
        expect(o->warmup_start >= 0.0f && o->warmup_start <= 1.0f, "warmup_start", (double)o->warmup_start, "0 to 1"));
    CN__TRY(expect(o->warmup_epochs >= 0, "warmup_epochs", o->warmup_epochs, "0 or more"));
    CN__TRY(expect(o->warmup_steps >= 0, "warmup_steps", o->warmup_steps, "0 or more"));
    if (o->warmup_epochs > 0 && o->warmup_steps > 0)
        return cn__error(CN_ERR_ARGUMENT, "cn_schedule_options: warmup_epochs is %d and warmup_steps %d, wanted one",
                         o->warmup_epochs, o->warmup_steps);
    return CN_OK;
}

cn_status cn__schedule_init(cn__schedule *schedule, const cn_schedule_options *options, double rate, int64_t steps) {
    *schedule = (cn__schedule){.options = CN_SCHEDULE_OPTIONS_INIT, .steps = steps, .base = rate, .rate = rate};
    cn_schedule_options *o = &schedule->options;
    CN__TRY(CN__READ_OPTIONS(o, cn_schedule_options, options));
    if ((size_t)o->kind >= CN__COUNT(kinds))
        return cn__error(CN_ERR_ARGUMENT, "cn_schedule_options: unknown kind %d", (int)o->kind);
    if (o->rate && o->kind != CN_SCHEDULE_CUSTOM)
        return cn__error(CN_ERR_ARGUMENT, "cn_schedule_options: rate is a function, wanted kind 'custom', not '%s'",
                         kinds[o->kind].name);
    CN__TRY(check_warmup(o));
    schedule->warmup = o->warmup_steps > 0 ? o->warmup_steps : o->warmup_epochs * steps;
    schedule->best = INFINITY;
    schedule->loss = (double)NAN;
    schedule->given_epochs = o->epochs;
    return kinds[o->kind].check ? kinds[o->kind].check(o) : CN_OK;
}

void cn__schedule_begin(cn__schedule *schedule, int epochs) {
    if (schedule->options.epochs == 0)
        schedule->options.epochs = epochs;
}

/* Of the schedule's rate, which a warm-up rises to. */
static double warmup_share(const cn__schedule *s, int64_t step) {
    double start = (double)s->options.warmup_start;
    return step < s->warmup ? start + (1.0 - start) * (double)step / (double)s->warmup : 1.0;
}

cn_status cn__schedule_step(cn__schedule *schedule, int64_t step, double *rate) {
    const kind *k = &kinds[schedule->options.kind];
    schedule->epoch = step / schedule->steps + 1;
    if (k->step && schedule->asked != step + 1)
        schedule->rate = k->step(schedule, step > schedule->warmup ? step - schedule->warmup : 0);
    bool good = schedule->rate >= 0.0 && schedule->rate <= (double)FLT_MAX;
    schedule->asked = good ? step + 1 : 0;
    *rate = schedule->rate * warmup_share(schedule, step);
    if (good)
        return CN_OK;
    return cn__error(CN_ERR_ARGUMENT, "epoch %lld, step %lld: the schedule's rate is %g, wanted 0 to %g",
                     (long long)schedule->epoch, (long long)(step % schedule->steps) + 1, schedule->rate,
                     (double)FLT_MAX);
}

void cn__schedule_epoch(cn__schedule *schedule, int64_t epoch, double loss) {
    const kind *k = &kinds[schedule->options.kind];
    int64_t own = epoch - warmup_epochs(schedule);
    schedule->loss = loss;
    if (k->epoch && own > 0)
        schedule->rate = k->epoch(schedule, own, loss);
}

cn_status cn__schedule_set_rate(cn__schedule *schedule, double rate) {
    const kind *k = &kinds[schedule->options.kind];
    if (!k->goes_on)
        return cn__error(CN_ERR_STATE,
                         "cn_trainer_set_learning_rate: the schedule '%s' computes all rates from the first, and would "
                         "put its own in the place of %g",
                         k->name, rate);
    schedule->rate = rate;
    return CN_OK;
}
