/* SPDX-License-Identifier: MIT */
/* learning_rate.c: learning rates as they were used, step by step. Where a history has epochs' means alone they are drawn as
 * stairs, each from the end of the epoch before to that of its own.
 *
 * Runs of one name that had the same rates are one line, else the mean of all at each place. */
#include "report/panel.h"
#include <math.h>

enum { PLACES = 2 * CN__PANEL /* at which a mean is taken */ };
#define SHOWN 0.5 /* pixels that a corner is from the one before, at least */

/* ---- the line of a run ---- */

static size_t corner_count(const cn_history *run) {
    return run->rates.count > 0 ? run->rates.count : 2 * run->count;
}

static cn__rate_corner corner_of(const cn_history *run, size_t i) {
    if (run->rates.count > 0)
        return run->rates.corners[i];
    const cn_epoch_info *epoch = &run->epochs[i / 2];
    return (cn__rate_corner){(double)epoch->epoch - (i % 2 ? 0.0 : 1.0), epoch->learning_rate};
}

/* NaN: the run has none there. Where it jumps, the later one. */
static double rate_at(const cn_history *run, double place) {
    size_t first = 0, end = corner_count(run);
    while (first < end) { /* the corners before `first` are at the place or before it */
        size_t middle = first + (end - first) / 2;
        if (corner_of(run, middle).place <= place)
            first = middle + 1;
        else
            end = middle;
    }
    if (first == 0)
        return (double)NAN;
    cn__rate_corner from = corner_of(run, first - 1);
    if (first == corner_count(run))
        return from.place >= place ? from.rate : (double)NAN;
    cn__rate_corner to = corner_of(run, first);
    return from.rate + (to.rate - from.rate) * (place - from.place) / (to.place - from.place);
}

static bool same_line(const cn_history *a, const cn_history *b) {
    bool same = corner_count(a) == corner_count(b);
    for (size_t i = 0; same && i < corner_count(a); i++) {
        cn__rate_corner x = corner_of(a, i), y = corner_of(b, i);
        same = x.place == y.place && x.rate == y.rate;
    }
    return same;
}

/* Whether all runs of the curve are as its first. */
static bool is_one_line(const cn__panel *p, const cn__curve *c) {
    for (int run = c->leader + 1; run < p->count; run++)
        if (cn__curve_has_run(p, c, run) && !same_line(p->runs[c->leader], p->runs[run]))
            return false;
    return true;
}

static double mean_at(const cn__panel *p, const cn__curve *c, double place) {
    double mean = 0.0;
    int found = 0;
    for (int run = c->leader; run < p->count; run++) {
        double rate = cn__curve_has_run(p, c, run) ? rate_at(p->runs[run], place) : (double)NAN;
        if (isfinite(rate))
            mean += (rate - mean) / ++found;
    }
    return found ? mean : (double)NAN;
}

bool cn__rates_are_by_step(const cn__panel *p) {
    for (int run = 0; run < p->count; run++)
        if (p->runs[run]->rates.count > 0)
            return true;
    return false;
}

bool cn__rates_has_points(const cn__panel *p, const cn__curve *c) {
    for (int run = c->leader; run < p->count; run++)
        for (size_t i = 0; cn__curve_has_run(p, c, run) && i < corner_count(p->runs[run]); i++)
            if (isfinite(corner_of(p->runs[run], i).rate))
                return true;
    return false;
}

/* ---- axes ---- */

void cn__rates_extent(const cn__panel *p, double *first, double *last) {
    for (int run = 0; run < p->count; run++) {
        size_t count = p->runs[run]->rates.count;
        if (count == 0)
            continue;
        *first = fmin(*first, corner_of(p->runs[run], 0).place);
        *last = fmax(*last, corner_of(p->runs[run], count - 1).place);
    }
}

/* Whether most of the run would lie at the foot of a linear axis, as after many cuts; not cycles, which come down there only
 * in the end. */
static bool spans_decades(const cn__panel *p, double high) {
    double low = 0.0, all = 0.0;
    for (int run = 0; run < p->count; run++)
        for (size_t i = 1; i < corner_count(p->runs[run]); i++) {
            cn__rate_corner from = corner_of(p->runs[run], i - 1), to = corner_of(p->runs[run], i);
            double length = to.place - from.place, middle = 0.5 * (from.rate + to.rate);
            all += isfinite(middle) ? length : 0.0;
            low += middle < high / 20.0 ? length : 0.0;
        }
    return 2.0 * low > all;
}

void cn__rates_fit(cn__panel *p, int top) {
    double low = INFINITY, high = -INFINITY;
    for (int run = 0; run < p->count; run++)
        for (size_t i = 0; i < corner_count(p->runs[run]); i++) {
            double rate = corner_of(p->runs[run], i).rate;
            high = isfinite(rate) ? fmax(high, rate) : high;
            low = isfinite(rate) && rate > 0.0 ? fmin(low, rate) : low; /* a logarithm has no 0 */
        }
    p->empty = high < 0.0;
    bool wide = !p->empty && low < high && spans_decades(p, high);
    high = p->empty ? 1.0 : high;
    p->y = cn__scale_new(wide ? low : 0.0, high, wide ? CN__LOGARITHMIC_IF_WIDE : CN__LINEAR, 6, top + CN__PLOT, top);
}

/* ---- drawing ---- */

typedef struct pen {
    const cn__panel *panel;
    bool down;
    double x, y; /* where it is, in pixels */
} pen;

/* What is too near to show is passed over, unless it `matters`. */
static void draw_to(pen *at, double place, double rate, bool matters) {
    const cn__panel *p = at->panel;
    if (isnan(rate) || !isfinite(rate)) {
        at->down = false;
        return;
    }
    double x = cn__scale_at(&p->x, place), y = cn__scale_at(&p->y, rate);
    if (at->down && !matters && fabs(x - at->x) < SHOWN && fabs(y - at->y) < SHOWN)
        return;
    cn__append_place(p, at->down ? 'L' : 'M', place, rate);
    *at = (pen){p, true, x, y};
}

static void append_line(const cn__panel *p, const cn__curve *c) {
    const cn_history *run = p->runs[c->leader];
    pen at = {.panel = p};
    for (size_t i = 0; i < corner_count(run); i++) {
        cn__rate_corner corner = corner_of(run, i);
        draw_to(&at, corner.place, corner.rate, i + 1 == corner_count(run));
    }
}

static double place_of(const cn__panel *p, int i, int count) {
    return p->x.low + (p->x.high - p->x.low) * (double)i / (double)count;
}

static void append_means(const cn__panel *p, const cn__curve *c) {
    pen at = {.panel = p};
    for (int i = 0; i <= PLACES; i++) {
        double place = place_of(p, i, PLACES);
        draw_to(&at, place, mean_at(p, c, place), i == PLACES);
    }
}

void cn__rates_append(const cn__panel *p, const cn__curve *c) {
    int colour = cn__curve_colour(p, c);
    cn__text_append(p->out, "<path class=\"cn-l cn-s%d\" d=\"", colour);
    (is_one_line(p, c) ? append_line : append_means)(p, c);
    cn__text_append(p->out, "\"/>\n");
    if (p->one_group)
        return;
    cn__text_append(p->out, "<path class=\"cn-f%d\" d=\"", colour);
    for (int i = 0; i < CN__MARKERS; i++) {
        double place = place_of(p, 2 * i + 1, 2 * CN__MARKERS), rate = mean_at(p, c, place);
        if (!isfinite(rate))
            continue;
        cn__append_place(p, 'M', place, rate);
        cn__text_append(p->out, "%s", cn__marker(c->group));
    }
    cn__text_append(p->out, "\"/>\n");
}

void cn__rates_describe(const cn__panel *p, const cn__curve *c) {
    const cn_history *run = p->runs[c->leader];
    size_t count = corner_count(run), most = 0;
    if (count == 0 || !isfinite(corner_of(run, 0).rate))
        return;
    for (size_t i = 0; i < count; i++)
        if (corner_of(run, i).rate > corner_of(run, most).rate)
            most = i;
    cn__text_append(p->out, " ");
    cn__append_name(p->out, run->name, CN__LEGEND_NAME);
    cn__text_append(p->out, "%s begins at ", *run->name ? ": it" : "It");
    cn__append_short(p->out, corner_of(run, 0).rate, 4);
    cn__text_append(p->out, ", is at most ");
    cn__append_short(p->out, corner_of(run, most).rate, 4);
    cn__text_append(p->out, " and ends at ");
    cn__append_short(p->out, corner_of(run, count - 1).rate, 4);
    cn__text_append(p->out, ".");
}
