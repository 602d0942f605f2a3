/* SPDX-License-Identifier: MIT */
/* curves.c: loss, metrics and learning rate over the epochs, of one run or of several laid over each other.
 *
 * Runs of one name form a group, drawn as one curve: the mean at each epoch, with a band from the lowest to the
 * highest. A single group is told apart by split, test solid and training dashed in another colour; several by colour
 * and marker, and within each again solid and dashed.
 *
 * The axis is how much of the run is over, in epochs, the same in all charts of the same runs: what was measured when epoch 3
 * was over stands at 3, and its steps from 2 to 3. */
#include "report/panel.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { MAX_POINTS = 400 };

typedef struct point {
    double epoch, mean, low, high; /* mean NaN: a gap */
} point;

static const char *const markers[] = {/* relative to the point */
                                      "m-3.5 0a3.5 3.5 0 1 0 7 0a3.5 3.5 0 1 0-7 0z", "m-3-3h6v6h-6z",
                                      "m0-4.5l4 7.5h-8z", "m0-4.5l4.5 4.5-4.5 4.5-4.5-4.5z", "m0 4.5l4-7.5h-8z"};

/* ---- values ---- */

static double value_of(const cn_epoch_info *epoch, cn_metric metric, bool test) {
    return cn__epoch_metric(epoch, metric, test) * (cn__metric_is_share(metric) ? 100.0 : 1.0);
}

const char *cn__marker(int group) {
    return markers[(size_t)group % CN__COUNT(markers)];
}

static bool same_name(const cn__panel *p, int a, int b) {
    return strcmp(p->runs[a]->name, p->runs[b]->name) == 0;
}

static bool is_leader(const cn__panel *p, int run) {
    for (int other = 0; other < run; other++)
        if (same_name(p, other, run))
            return false;
    return true;
}

bool cn__curve_has_run(const cn__panel *p, const cn__curve *c, int run) {
    return same_name(p, run, c->leader);
}

bool cn__next_curve(const cn__panel *p, cn__curve *c) {
    for (;;) {
        c->leader++;
        if (c->leader == p->count) {
            if (c->test)
                return false;
            *c = (cn__curve){.leader = -1, .group = -1, .test = true};
        } else if (is_leader(p, c->leader)) {
            c->group++;
            return true;
        }
    }
}

cn__curve cn__first_curve(const cn__panel *p) {
    return (cn__curve){.leader = -1, .group = -1, .test = cn__panel_is_of_rates(p)}; /* rates have no splits */
}

/* The i-th epoch over all runs of a curve. */
static point point_of(const cn__panel *p, const cn__curve *c, size_t i) {
    point made = {.epoch = (double)i + 1.0, .low = INFINITY, .high = -INFINITY};
    int found = 0;
    for (int run = c->leader; run < p->count; run++) {
        if (!same_name(p, run, c->leader) || i >= p->runs[run]->count)
            continue;
        double value = value_of(&p->runs[run]->epochs[i], p->metric, c->test);
        made.epoch = (double)p->runs[run]->epochs[i].epoch;
        if (!isfinite(value))
            continue;
        made.mean += (value - made.mean) / ++found;
        made.low = fmin(made.low, value);
        made.high = fmax(made.high, value);
    }
    if (!found)
        made.mean = NAN;
    return made;
}

bool cn__curve_has_points(const cn__panel *p, const cn__curve *c) {
    if (cn__panel_is_of_rates(p))
        return cn__rates_has_points(p, c);
    for (size_t i = 0; i < p->longest; i++)
        if (!isnan(point_of(p, c, i).mean))
            return true;
    return false;
}

/* Every `stride`th epoch is drawn, and the last. */
static size_t next_index(const cn__panel *p, size_t i) {
    size_t stride = (p->longest + MAX_POINTS - 1) / MAX_POINTS;
    if (i + 1 >= p->longest)
        return p->longest;
    return i + stride < p->longest ? i + stride : p->longest - 1;
}

/* ---- curves ---- */

void cn__append_place(const cn__panel *p, char command, double epoch, double value) {
    cn__text_append(p->out, "%c", command);
    cn__append_coordinate(p->out, cn__scale_at(&p->x, epoch));
    cn__text_append(p->out, " ");
    cn__append_coordinate(p->out, cn__scale_at(&p->y, value));
}

/* From `from` on, along the highest values of points without a gap and back along the lowest. Returns where the gap
 * is. */
static size_t append_band(const cn__panel *p, const cn__curve *c, size_t from) {
    size_t i = from, last = from;
    for (; i < p->longest && !isnan(point_of(p, c, i).mean); last = i, i = next_index(p, i))
        cn__append_place(p, i == from ? 'M' : 'L', point_of(p, c, i).epoch, point_of(p, c, i).high);
    for (size_t stride = next_index(p, 0);; last = last < stride ? from : (last - 1) / stride * stride) {
        cn__append_place(p, 'L', point_of(p, c, last).epoch, point_of(p, c, last).low);
        if (last <= from)
            break;
    }
    cn__text_append(p->out, "z");
    return i;
}

static void append_bands(const cn__panel *p, const cn__curve *c, int colour) {
    cn__text_append(p->out, "<path class=\"cn-f%d cn-b\" d=\"", colour);
    for (size_t i = 0; i < p->longest; i = next_index(p, i)) {
        if (isnan(point_of(p, c, i).mean))
            continue;
        i = append_band(p, c, i);
        if (i >= p->longest)
            break;
    }
    cn__text_append(p->out, "\"/>\n");
}

static bool has_band(const cn__panel *p, const cn__curve *c) {
    for (int run = c->leader + 1; c->test && run < p->count; run++)
        if (same_name(p, run, c->leader))
            return true;
    return false;
}

static void append_line(const cn__panel *p, const cn__curve *c, int colour) {
    bool gap = true;
    cn__text_append(p->out, "<path class=\"cn-l cn-s%d%s\" d=\"", colour, c->test ? "" : " cn-d");
    for (size_t i = 0; i < p->longest; i = next_index(p, i)) {
        point here = point_of(p, c, i);
        if (!isnan(here.mean))
            cn__append_place(p, gap ? 'M' : 'L', here.epoch, here.mean);
        gap = isnan(here.mean);
    }
    cn__text_append(p->out, "\"/>\n");
}

static bool lonely(const cn__panel *p, const cn__curve *c, size_t i) {
    bool before = i > 0 && !isnan(point_of(p, c, i - 1).mean);
    bool after = i + 1 < p->longest && !isnan(point_of(p, c, i + 1).mean);
    return !before && !after;
}

/* On the test curve, and wherever a point stands alone, where no line would show it. */
static void append_markers(const cn__panel *p, const cn__curve *c, int colour) {
    size_t stride = (p->longest + CN__MARKERS - 1) / CN__MARKERS;
    bool any = false;
    for (size_t i = 0; i < p->longest; i++) {
        point here = point_of(p, c, i);
        if (isnan(here.mean) || !((c->test && i % stride == 0) || lonely(p, c, i)))
            continue;
        if (!any)
            cn__text_append(p->out, "<path class=\"cn-f%d\" d=\"", colour);
        any = true;
        cn__append_place(p, 'M', here.epoch, here.mean);
        cn__text_append(p->out, "%s", cn__marker(c->group));
    }
    if (any)
        cn__text_append(p->out, "\"/>\n");
}

int cn__curve_colour(const cn__panel *p, const cn__curve *c) {
    return p->one_group ? !c->test : c->group % CN__COLOURS;
}

static void append_curve(const cn__panel *p, const cn__curve *c) {
    int colour = cn__curve_colour(p, c);
    if (has_band(p, c))
        append_bands(p, c, colour);
    append_line(p, c, colour);
    append_markers(p, c, colour);
}

static void append_curves(const cn__panel *p) {
    for (cn__curve c = cn__first_curve(p); cn__next_curve(p, &c);)
        if (cn__curve_has_points(p, &c))
            (cn__panel_is_of_rates(p) ? cn__rates_append : append_curve)(p, &c);
}

/* ---- axes ---- */

/* Of all runs, whatever is shown of them. */
static void fit_epochs(cn__panel *p) {
    double first = INFINITY, last = -INFINITY;
    for (int run = 0; run < p->count; run++)
        for (size_t i = 0; i < p->runs[run]->count; i++) {
            double epoch = (double)p->runs[run]->epochs[i].epoch;
            first = fmin(first, epoch - 1.0);
            last = fmax(last, epoch);
        }
    cn__rates_extent(p, &first, &last);
    p->x = cn__scale_new(first < last ? first : 0.0, first < last ? last : 1.0, CN__WHOLE_NUMBERS, 8, CN__LEFT,
                         CN__PANEL - CN__RIGHT);
}

static void fit_values(cn__panel *p, int top) {
    double low = INFINITY, high = -INFINITY;
    for (cn__curve c = cn__first_curve(p); cn__next_curve(p, &c);)
        for (size_t i = 0; i < p->longest; i++) {
            point here = point_of(p, &c, i);
            if (isnan(here.mean))
                continue;
            low = fmin(low, here.low);
            high = fmax(high, here.high);
        }
    p->empty = low > high;
    p->y = cn__scale_new(p->empty ? 0.0 : low, p->empty ? 1.0 : high,
                         cn_metric_increases(p->metric) ? CN__LINEAR : CN__LOGARITHMIC_IF_WIDE, 6, top + CN__PLOT, top);
}

/* ---- panels ---- */

static cn__panel panel_new(cn__text *out, int count, const cn_history *const *runs, cn_metric metric) {
    cn__panel p = {.out = out, .runs = runs, .count = count, .metric = metric, .one_group = true};
    cn__metric_title(metric, true, p.title);
    if (metric == CN_METRIC_LEARNING_RATE)
        snprintf(p.title, sizeof p.title, "Learning rate, %s",
                 cn__rates_are_by_step(&p) ? "step by step" : "mean of each epoch");
    for (int run = 0; run < count; run++) {
        p.one_group = p.one_group && same_name(&p, 0, run);
        p.longest = runs[run]->count > p.longest ? runs[run]->count : p.longest;
    }
    return p;
}

static int panel_height(const cn__panel *p) {
    return cn__legend(p, false) + CN__PLOT + CN__BOTTOM;
}

static void append_panel(cn__panel *p, int x) {
    int top = cn__legend(p, false);
    fit_epochs(p);
    (cn__panel_is_of_rates(p) ? cn__rates_fit : fit_values)(p, top);
    cn__text_append(p->out, "<g transform=\"translate(%d)\">\n<text class=\"cn-t cn-h\" x=\"16\" y=\"26\">%s</text>\n",
                    x, p->title);
    cn__legend(p, true);
    cn__append_axes(p->out, &p->x, &p->y, "epoch");
    if (p->empty)
        cn__text_append(p->out, "<text class=\"cn-m\" x=\"%d\" y=\"%d\" text-anchor=\"middle\">no values</text>\n",
                        (CN__LEFT + CN__PANEL - CN__RIGHT) / 2, top + CN__PLOT / 2 - 8);
    append_curves(p);
    cn__text_append(p->out, "</g>\n");
}

static void describe_curve(const cn__panel *p, const cn__curve *c) {
    bool larger = cn_metric_increases(p->metric);
    double last = NAN, best = larger ? -INFINITY : INFINITY;
    for (size_t i = 0; i < p->longest; i++) {
        double mean = point_of(p, c, i).mean;
        last = isnan(mean) ? last : mean;
        best = larger ? fmax(best, mean) : fmin(best, mean); /* which pass over NaN */
    }
    if (isnan(last))
        return;
    cn__text_append(p->out, " ");
    cn__append_name(p->out, p->runs[c->leader]->name, CN__LEGEND_NAME);
    cn__text_append(p->out, "%s", *p->runs[c->leader]->name ? " " : "");
    cn__append_name(p->out, cn__split_name(p, c), CN__LEGEND_NAME);
    cn__text_append(p->out, " ends at ");
    cn__append_short(p->out, last, 4);
    if (p->metric != CN_METRIC_LOSS) {
        cn__text_append(p->out, larger ? ", at most " : ", at least ");
        cn__append_short(p->out, best, 4);
    }
    cn__text_append(p->out, ".");
}

/* What a reader who does not see it should know: how each curve ends, and its best value. */
static void append_description(const cn__panel *p) {
    cn__text_append(p->out, "<desc>%s, over %lld epochs.", p->title, (long long)p->longest);
    for (cn__curve c = cn__first_curve(p); cn__next_curve(p, &c);)
        (cn__panel_is_of_rates(p) ? cn__rates_describe : describe_curve)(p, &c);
    cn__text_append(p->out, "</desc>\n");
}

static cn_status check(const char *function, int count, const cn_history *const *histories) {
    if (count < 1)
        return cn__error(CN_ERR_ARGUMENT, "%s: %d histories, want at least one", function, count);
    for (int i = 0; i < count; i++)
        if (!histories[i])
            return cn__error(CN_ERR_ARGUMENT, "%s: histories[%d] is NULL", function, i);
    return CN_OK;
}

cn_status cn_chart_metric(int count, const cn_history *const *histories, cn_metric metric, char **svg) {
    CN__COMPUTES;
    CN__REQUIRE(svg);
    *svg = NULL;
    CN__REQUIRE(histories);
    CN__TRY(check("cn_chart_metric", count, histories));
    if (!cn_metric_name(metric))
        return cn__error(CN_ERR_ARGUMENT, "cn_chart_metric: no metric %d", (int)metric);
    cn__text out = {.ctx = histories[0]->ctx};
    cn__panel p = panel_new(&out, count, histories, metric);
    cn__svg_begin(&out, CN__PANEL, panel_height(&p), p.title);
    append_description(&p);
    append_panel(&p, 0);
    cn__svg_end(&out);
    return cn__text_take(&out, svg);
}

cn_status cn_chart_curves(int count, const cn_history *const *histories, char **svg) {
    CN__COMPUTES;
    CN__REQUIRE(svg);
    *svg = NULL;
    CN__REQUIRE(histories);
    CN__TRY(check("cn_chart_curves", count, histories));
    cn__text out = {.ctx = histories[0]->ctx};
    cn__panel loss = panel_new(&out, count, histories, CN_METRIC_LOSS);
    cn__panel main = panel_new(&out, count, histories, cn__history_metric(histories[0]));
    int height = panel_height(&loss) > panel_height(&main) ? panel_height(&loss) : panel_height(&main);
    char title[CN__METRIC_TEXT];
    snprintf(title, sizeof title, "Loss and %s", cn_metric_name(main.metric));
    cn__svg_begin(&out, 2 * CN__PANEL, height, title);
    append_description(&main);
    append_panel(&loss, 0);
    append_panel(&main, CN__PANEL);
    cn__svg_end(&out);
    return cn__text_take(&out, svg);
}
