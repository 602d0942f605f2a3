/* schedule.c: how the learning rate changes, by PyTorch's formulas (torch.optim.lr_scheduler). Some kinds act before
 * a batch, some after an epoch; the table at the end lists them. */
#include "train/train.h"
#include <math.h>

#define PI           3.14159265358979323846
#define SMALLEST_CUT 1e-8 /* ReduceLROnPlateau's eps: a smaller change of the rate is not made */

typedef struct kind {
    const char *name;
    cn_status (*check)(const cn_schedule_options *o); /* NULL: nothing to check */
    double (*batch)(const cn__schedule *s, int64_t step);
    double (*epoch)(cn__schedule *s, int64_t epoch, double loss);
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

/* ---- StepLR ---- */

static cn_status step_check(const cn_schedule_options *o) {
    CN__TRY(expect(positive(o->factor), "factor", (double)o->factor, "above 0"));
    return expect(o->step_size > 0, "step_size", o->step_size, "1 or more");
}

static double step_epoch(cn__schedule *s, int64_t epoch, double loss) {
    (void)loss;
    return epoch % s->options.step_size == 0 ? s->rate * (double)s->options.factor : s->rate;
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
    return lowest + (s->base - lowest) * (1.0 + cos(PI * (double)epoch / s->options.epochs)) / 2.0;
}

/* ---- PolynomialLR: base (1 - epoch / epochs)^power, 0 after the end ---- */

static cn_status polynomial_check(const cn_schedule_options *o) {
    CN__TRY(length_check(o));
    return expect(not_negative(o->power), "power", (double)o->power, "0 or more");
}

static double polynomial_epoch(cn__schedule *s, int64_t epoch, double loss) {
    double left = 1.0 - fmin((double)epoch / s->options.epochs, 1.0);
    (void)loss;
    return s->base * pow(left, (double)s->options.power);
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
    return o->linear ? from + (to - from) * share : to + (from - to) / 2.0 * (1.0 + cos(PI * share));
}

static double one_cycle_batch(const cn__schedule *s, int64_t step) {
    const cn_schedule_options *o = &s->options;
    bool given = o->max_learning_rate != CN_LEARNING_RATE_DEFAULT;
    double peak = given ? (double)o->max_learning_rate : 10.0 * s->base, start = peak / (double)o->div_factor;
    double last = (double)o->epochs * (double)s->batches - 1.0, at = fmin((double)step, last);
    double top = (double)o->pct_start * (last + 1.0) - 1.0;
    if (at <= top)
        return top > 0.0 ? between(o, start, peak, at / top) : peak;
    return between(o, peak, start / (double)o->final_div_factor, (at - top) / (last - top));
}

/* ---- the table ---- */

static const kind kinds[] = {
    [CN_SCHEDULE_CONSTANT] = {"constant", NULL, NULL, NULL},
    [CN_SCHEDULE_PLATEAU] = {"plateau", plateau_check, NULL, plateau_epoch},
    [CN_SCHEDULE_STEP] = {"step", step_check, NULL, step_epoch},
    [CN_SCHEDULE_COSINE] = {"cosine", cosine_check, NULL, cosine_epoch},
    [CN_SCHEDULE_ONE_CYCLE] = {"one-cycle", one_cycle_check, one_cycle_batch, NULL},
    [CN_SCHEDULE_POLYNOMIAL] = {"polynomial", polynomial_check, NULL, polynomial_epoch},
};

const char *cn_schedule_name(cn_schedule_kind which) {
    return (size_t)which < CN__COUNT(kinds) ? kinds[which].name : NULL;
}

cn_status cn__schedule_init(cn__schedule *schedule, const cn_schedule_options *options, double rate, int64_t batches) {
    *schedule = (cn__schedule){.options = CN_SCHEDULE_OPTIONS_INIT, .batches = batches, .base = rate, .rate = rate};
    cn_schedule_options *o = &schedule->options;
    CN__TRY(CN__READ_OPTIONS(o, cn_schedule_options, options));
    CN__TRY(cn__check_reserved("cn_schedule_options", o->reserved == 0));
    if ((size_t)o->kind >= CN__COUNT(kinds))
        return cn__error(CN_ERR_ARGUMENT, "cn_schedule_options: unknown kind %d", (int)o->kind);
    schedule->best = INFINITY;
    return kinds[o->kind].check ? kinds[o->kind].check(o) : CN_OK;
}

void cn__schedule_begin(cn__schedule *schedule, int epochs) {
    if (schedule->options.epochs == 0)
        schedule->options.epochs = epochs;
}

double cn__schedule_batch(cn__schedule *schedule, int64_t step) {
    const kind *k = &kinds[schedule->options.kind];
    if (k->batch)
        schedule->rate = k->batch(schedule, step);
    return schedule->rate;
}

void cn__schedule_epoch(cn__schedule *schedule, int64_t epoch, double loss) {
    const kind *k = &kinds[schedule->options.kind];
    if (k->epoch)
        schedule->rate = k->epoch(schedule, epoch, loss);
}
