/* SPDX-License-Identifier: MIT */
/* differences.c: means and deviations over the runs of a group, and which differences exceed them. */
#include "comparison.h"
#include <math.h>
#include <string.h>

/* ---- statistics ---- */

typedef struct sample {
    double value[COMPARISON_RUNS];
    int count;
} sample;

static double mean(const sample *s) {
    double sum = 0.0;
    for (int i = 0; i < s->count; i++)
        sum += s->value[i];
    return sum / s->count;
}

/* Of the sample, with count - 1; NaN for fewer than two values. */
static double deviation(const sample *s) {
    double centre = mean(s), sum = 0.0;
    for (int i = 0; i < s->count; i++)
        sum += (s->value[i] - centre) * (s->value[i] - centre);
    return s->count > 1 ? sqrt(sum / (s->count - 1)) : NAN;
}

/* Half the width of the 95 % interval of the mean, from Student's t; beyond the table its last value, a little wide. */
static double margin(const sample *s) {
    static const double t[] = {12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228};
    int freedom = s->count - 1 < (int)COUNT(t) ? s->count - 1 : (int)COUNT(t);
    return freedom > 0 ? t[freedom - 1] * deviation(s) / sqrt(s->count) : NAN;
}

/* ---- what is measured of a run ---- */

static double in_percent(const compared_run *run, double value) {
    return metric_is_share(run->log.metric) ? 100.0 * value : value;
}

double best_test(const compared_run *run, int unused) {
    (void)unused;
    return in_percent(run, run->log.epochs[run->best].test_metric);
}

double best_train(const compared_run *run, int unused) {
    double best = run->log.epochs[0].train_metric;
    bool larger = cn_metric_increases(run->log.metric);
    (void)unused;
    for (int i = 1; i < run->log.count; i++)
        best = larger ? fmax(best, run->log.epochs[i].train_metric) : fmin(best, run->log.epochs[i].train_metric);
    return in_percent(run, best);
}

double last_test(const compared_run *run, int unused) {
    (void)unused;
    return in_percent(run, run->log.epochs[run->log.count - 1].test_metric);
}

double test_after(const compared_run *run, int epochs) {
    return epochs <= run->log.count ? in_percent(run, run->log.epochs[epochs - 1].test_metric) : (double)NAN;
}

double seconds_an_epoch(const compared_run *run, int unused) {
    double sum = 0.0;
    (void)unused;
    for (int i = 0; i < run->log.count; i++)
        sum += run->log.epochs[i].seconds;
    return sum / run->log.count;
}

/* ---- of groups ---- */

/* Whether an earlier run of its group has its seed: it says nothing new about chance. */
static bool is_again(const comparison *c, int run) {
    const char *seed = settings_value(&c->runs[run].settings, "seed");
    for (int i = 0; seed && i < run; i++) {
        const char *other = settings_value(&c->runs[i].settings, "seed");
        if (c->runs[i].group == c->runs[run].group && other && strcmp(seed, other) == 0)
            return true;
    }
    return false;
}

static sample collect(const comparison *c, int group, measure what, int epochs) {
    sample s = {.count = 0};
    for (int i = 0; i < c->run_count; i++) {
        double value = c->runs[i].group == group && !is_again(c, i) ? what(&c->runs[i], epochs) : (double)NAN;
        if (isfinite(value))
            s.value[s.count++] = value;
    }
    return s;
}

static const char *number_text(const comparison *c, measure what, double value, char text[CELL]) {
    bool short_one = what != seconds_an_epoch && !metric_is_share(c->metric);
    snprintf(text, CELL, short_one ? "%.4g" : what == seconds_an_epoch ? "%.1f" : "%.2f", value);
    return text;
}

void json_figure(const comparison *c, int group, measure what, const char *name) {
    sample s = collect(c, group, what, 0);
    double unit = what != seconds_an_epoch && metric_is_share(c->metric) ? 100.0 : 1.0;
    json_object(name);
    json_number("mean", s.count > 0 ? mean(&s) / unit : (double)NAN);
    json_number("deviation", deviation(&s) / unit);
    json_end();
}

const char *group_text(const comparison *c, int group, measure what, int epochs, char text[CELL]) {
    sample s = collect(c, group, what, epochs);
    char centre[CELL], spread[CELL];
    if (s.count > 1 && what != seconds_an_epoch)
        snprintf(text, CELL, "%.20s ± %.20s", number_text(c, what, mean(&s), centre),
                 number_text(c, what, deviation(&s), spread));
    else if (s.count > 0)
        number_text(c, what, mean(&s), text);
    else
        snprintf(text, CELL, "-");
    return text;
}

const int *rank_groups(const comparison *c, int order[COMPARISON_RUNS]) {
    double value[COMPARISON_RUNS];
    bool larger = cn_metric_increases(c->metric);
    for (int group = 0; group < c->group_count; group++) {
        sample s = collect(c, group, best_test, 0);
        double own = s.count > 0 ? (larger ? mean(&s) : -mean(&s)) : -INFINITY;
        int at = group;
        for (; at > 0 && value[at - 1] < own; at--) {
            value[at] = value[at - 1];
            order[at] = order[at - 1];
        }
        value[at] = own;
        order[at] = group;
    }
    return order;
}

/* ---- differences ---- */

/* Seed by seed: both saw the same order and the same changes to images. How far the first is ahead. */
static sample differences(const comparison *c, int better, int worse) {
    sample d = {.count = 0};
    double sign = cn_metric_increases(c->metric) ? 1.0 : -1.0;
    for (int a = 0; a < c->run_count; a++)
        for (int b = 0; b < c->run_count; b++) {
            const compared_run *x = &c->runs[a], *y = &c->runs[b];
            const char *seed = settings_value(&x->settings, "seed"), *other = settings_value(&y->settings, "seed");
            if (x->group != better || y->group != worse || !seed || !other || strcmp(seed, other) != 0 ||
                is_again(c, a) || is_again(c, b))
                continue;
            double difference = sign * (best_test(x, 0) - best_test(y, 0));
            if (isfinite(difference) && d.count < COMPARISON_RUNS)
                d.value[d.count++] = difference;
        }
    return d;
}

static double ahead(const comparison *c, int better, int worse) {
    sample a = collect(c, better, best_test, 0), b = collect(c, worse, best_test, 0);
    return fabs(mean(&a) - mean(&b));
}

bool chance_is_open(const comparison *c, const int *order) {
    for (int i = 0; i + 1 < c->group_count; i++)
        if (differences(c, order[i], order[i + 1]).count < 2)
            return true;
    return false;
}

void json_difference(const comparison *c, int better, int worse) {
    sample d = differences(c, better, worse);
    double unit = metric_is_share(c->metric) ? 100.0 : 1.0;
    json_object(NULL);
    json_text("first", c->groups[better].name);
    json_text("second", c->groups[worse].name);
    json_integer("seeds", d.count);
    json_number("ahead", (d.count > 1 ? mean(&d) : ahead(c, better, worse)) / unit);
    json_number("margin", margin(&d) / unit);
    json_end();
}

const char *difference_text(const comparison *c, int better, int worse, char text[SENTENCE]) {
    sample d = differences(c, better, worse);
    char by[CELL], low[CELL], high[CELL];
    const char *first = c->groups[better].name, *second = c->groups[worse].name;
    const char *unit = metric_is_share(c->metric) ? "points " : "";
    double difference = d.count > 1 ? mean(&d) : ahead(c, better, worse), half = margin(&d);
    if (isnan(difference)) {
        snprintf(text, SENTENCE, "%s and %s have nothing to be compared by.", first, second);
        return text;
    }
    number_text(c, best_test, fabs(difference), by);
    if (difference == 0.0) {
        snprintf(text, SENTENCE, "%s and %s came to the same.", first, second);
        return text;
    }
    if (d.count < 2) {
        snprintf(text, SENTENCE, "%s is %s %sahead of %s.", first, by, unit, second);
        return text;
    }
    number_text(c, best_test, difference - half, low);
    number_text(c, best_test, difference + half, high);
    if (difference > half)
        snprintf(text, SENTENCE,
                 "%s is %s %sahead of %s: more than chance explains (95 %% interval %s to %s, %d seeds).", first, by,
                 unit, second, low, high, d.count);
    else
        snprintf(text, SENTENCE, "%s and %s cannot be told apart: %s is %s %sahead, 95 %% interval %s to %s, %d seeds.",
                 first, second, difference < 0.0 ? second : first, by, unit, low, high, d.count);
    return text;
}
