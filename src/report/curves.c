/* SPDX-License-Identifier: MIT */
/* curves.c: loss, metrics and learning rate over the epochs, of one run or of several laid over each other.
 *
 * Runs of one name form a group, drawn as one curve: the mean at each epoch, with a band from the lowest to the
 * highest. A single group is told apart by split, test solid and training dashed in another colour; several by colour
 * and marker, and within each again solid and dashed.
 *
 * Losses and metrics are measured at points, learning rates hold for a whole epoch: steps, from half an epoch before
 * its number to half an epoch after it. */
#include "report/report.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { LEFT = 64, RIGHT = 16, TOP = 40, LEGEND_LINE = 20, PLOT = 230, BOTTOM = 46 };
enum { MAX_POINTS = 400, MARKERS = 20, LEGEND_NAME = 24, SWATCH = 26, GAP = 16 };

typedef struct panel {
    cn__text *out;
    const cn_history *const *runs;
    int count; /* of runs */
    cn_metric metric;
    char title[CN__METRIC_TEXT];
    bool one_group;
    size_t longest; /* epochs of the longest run */
    cn__scale x, y;
    bool empty; /* no finite value */
} panel;

/* A curve: the runs that have the name of run `leader`, and one of the two splits. */
typedef struct curve {
    int leader, group;
    bool test;
} curve;

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

static bool same_name(const panel *p, int a, int b) {
    return strcmp(p->runs[a]->name, p->runs[b]->name) == 0;
}

static bool is_leader(const panel *p, int run) {
    for (int other = 0; other < run; other++)
        if (same_name(p, other, run))
            return false;
    return true;
}

/* The next curve in the order of drawing, training first so that test lies on top; false after the last. Begins with
 * leader -1. */
static bool next_curve(const panel *p, curve *c) {
    for (;;) {
        c->leader++;
        if (c->leader == p->count) {
            if (c->test || p->metric == CN_METRIC_LEARNING_RATE)
                return false;
            *c = (curve){.leader = -1, .group = -1, .test = true};
        } else if (is_leader(p, c->leader)) {
            c->group++;
            return true;
        }
    }
}

static curve first_curve(const panel *p) {
    return (curve){.leader = -1, .group = -1, .test = p->metric == CN_METRIC_LEARNING_RATE};
}

/* The i-th epoch over all runs of a curve. */
static point point_of(const panel *p, const curve *c, size_t i) {
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

static bool has_points(const panel *p, const curve *c) {
    for (size_t i = 0; i < p->longest; i++)
        if (!isnan(point_of(p, c, i).mean))
            return true;
    return false;
}

/* Every `stride`th epoch is drawn, and the last. */
static size_t next_index(const panel *p, size_t i) {
    size_t stride = (p->longest + MAX_POINTS - 1) / MAX_POINTS;
    if (i + 1 >= p->longest)
        return p->longest;
    return i + stride < p->longest ? i + stride : p->longest - 1;
}

/* ---- curves ---- */

static void append_place(const panel *p, char command, double epoch, double value) {
    cn__text_append(p->out, "%c", command);
    cn__append_coordinate(p->out, cn__scale_at(&p->x, epoch));
    cn__text_append(p->out, " ");
    cn__append_coordinate(p->out, cn__scale_at(&p->y, value));
}

/* From `from` on, along the highest values of points without a gap and back along the lowest. Returns where the gap
 * is. */
static size_t append_band(const panel *p, const curve *c, size_t from) {
    size_t i = from, last = from;
    for (; i < p->longest && !isnan(point_of(p, c, i).mean); last = i, i = next_index(p, i))
        append_place(p, i == from ? 'M' : 'L', point_of(p, c, i).epoch, point_of(p, c, i).high);
    for (size_t stride = next_index(p, 0);; last = last < stride ? from : (last - 1) / stride * stride) {
        append_place(p, 'L', point_of(p, c, last).epoch, point_of(p, c, last).low);
        if (last <= from)
            break;
    }
    cn__text_append(p->out, "z");
    return i;
}

static void append_bands(const panel *p, const curve *c, int colour) {
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

static bool is_steps(const panel *p) {
    return p->metric == CN_METRIC_LEARNING_RATE;
}

static bool has_band(const panel *p, const curve *c) {
    for (int run = c->leader + 1; c->test && !is_steps(p) && run < p->count; run++)
        if (same_name(p, run, c->leader))
            return true;
    return false;
}

static void append_step(const panel *p, bool gap, point here) {
    append_place(p, gap ? 'M' : 'L', here.epoch - 0.5, here.mean);
    append_place(p, 'L', here.epoch + 0.5, here.mean);
}

static void append_line(const panel *p, const curve *c, int colour) {
    bool gap = true;
    cn__text_append(p->out, "<path class=\"cn-l cn-s%d%s\" d=\"", colour, c->test ? "" : " cn-d");
    for (size_t i = 0; i < p->longest; i = next_index(p, i)) {
        point here = point_of(p, c, i);
        if (!isnan(here.mean) && is_steps(p))
            append_step(p, gap, here);
        else if (!isnan(here.mean))
            append_place(p, gap ? 'M' : 'L', here.epoch, here.mean);
        gap = isnan(here.mean);
    }
    cn__text_append(p->out, "\"/>\n");
}

static bool lonely(const panel *p, const curve *c, size_t i) {
    bool before = i > 0 && !isnan(point_of(p, c, i - 1).mean);
    bool after = i + 1 < p->longest && !isnan(point_of(p, c, i + 1).mean);
    return !before && !after;
}

/* On the test curve, and wherever a point stands alone, where no line would show it. */
static void append_markers(const panel *p, const curve *c, int colour) {
    if (is_steps(p) && p->one_group)
        return;
    size_t stride = (p->longest + MARKERS - 1) / MARKERS;
    bool any = false;
    for (size_t i = 0; i < p->longest; i++) {
        point here = point_of(p, c, i);
        if (isnan(here.mean) || !((c->test && i % stride == 0) || lonely(p, c, i)))
            continue;
        if (!any)
            cn__text_append(p->out, "<path class=\"cn-f%d\" d=\"", colour);
        any = true;
        append_place(p, 'M', here.epoch, here.mean);
        cn__text_append(p->out, "%s", markers[(size_t)c->group % CN__COUNT(markers)]);
    }
    if (any)
        cn__text_append(p->out, "\"/>\n");
}

static int colour_of(const panel *p, const curve *c) {
    return p->one_group ? !c->test : c->group % CN__COLOURS;
}

static void append_curves(const panel *p) {
    for (curve c = first_curve(p); next_curve(p, &c);) {
        int colour = colour_of(p, &c);
        if (!has_points(p, &c))
            continue;
        if (has_band(p, &c))
            append_bands(p, &c, colour);
        append_line(p, &c, colour);
        append_markers(p, &c, colour);
    }
}

/* ---- axes ---- */

/* Where most of the epochs would lie at the foot of a linear axis, as after many cuts; not for cycles, which come down
 * there only in the end. */
static bool rates_span_decades(const panel *p, double high) {
    size_t low = 0, all = 0;
    for (curve c = first_curve(p); next_curve(p, &c);)
        for (size_t i = 0; i < p->longest; i++) {
            double rate = point_of(p, &c, i).mean;
            all += !isnan(rate);
            low += rate < high / 20.0;
        }
    return 2 * low > all;
}

static void fit(panel *p, int top) {
    double low = INFINITY, high = -INFINITY, first = INFINITY, last = -INFINITY;
    for (curve c = first_curve(p); next_curve(p, &c);)
        for (size_t i = 0; i < p->longest; i++) {
            point here = point_of(p, &c, i);
            first = fmin(first, here.epoch);
            last = fmax(last, here.epoch);
            if (isnan(here.mean))
                continue;
            low = fmin(low, here.low);
            high = fmax(high, here.high);
        }
    if (first > last)
        first = last = 1.0;
    p->empty = low > high;
    if (p->empty) {
        low = 0.0;
        high = 1.0;
    }
    bool linear = cn_metric_increases(p->metric) || (is_steps(p) && !rates_span_decades(p, high));
    cn__spacing spacing = linear ? CN__LINEAR : CN__LOGARITHMIC_IF_WIDE;
    double margin = is_steps(p) ? 0.5 : 0.0;
    if (is_steps(p) && linear)
        low = fmin(low, 0.0);
    p->x = cn__scale_new(first - margin, last + margin, CN__WHOLE_NUMBERS, 8, LEFT, CN__PANEL - RIGHT);
    p->y = cn__scale_new(low, high, spacing, 6, top + PLOT, top);
}

/* ---- the legend: a swatch and a name, in as many lines as it takes ---- */

/* What is named: the splits, unless there is nothing to tell apart, and the groups, if there are several. */
typedef struct entry {
    const char *name;
    int group;  /* -1: a split */
    int colour; /* of the swatch */
    bool dashed, marked;
} entry;

/* Training or, by the name of the curve's first run, test. */
static const char *split_of(const panel *p, const curve *c) {
    return c->test ? p->runs[c->leader]->test_name : "train";
}

static entry entry_of(const panel *p, const curve *c) {
    return (entry){.name = p->one_group ? split_of(p, c) : p->runs[c->leader]->name,
                   .group = c->group,
                   .colour = colour_of(p, c),
                   .dashed = !c->test,
                   .marked = c->test};
}

/* Writes an entry, or only measures it, and moves on. */
static void put_entry(const panel *p, const entry *e, bool draw, int *x, int *y) {
    int width = SWATCH + CN__CHARACTER * cn__name_width(e->name, LEGEND_NAME);
    if (*x > LEFT && *x + width > CN__PANEL - RIGHT) {
        *x = LEFT;
        *y += LEGEND_LINE;
    }
    if (draw) {
        cn__text_append(p->out, "<path class=\"cn-l cn-s%d%s\" d=\"M%d %dh20\"/>", e->colour, e->dashed ? " cn-d" : "",
                        *x, *y - 4);
        if (e->marked)
            cn__text_append(p->out, "<path class=\"cn-f%d\" d=\"M%d %d%s\"/>", e->colour, *x + 10, *y - 4,
                            markers[(size_t)e->group % CN__COUNT(markers)]);
        cn__text_append(p->out, "<text class=\"cn-t\" x=\"%d\" y=\"%d\">", *x + SWATCH, *y);
        cn__append_name(p->out, e->name, LEGEND_NAME);
        cn__text_append(p->out, "</text>\n");
    }
    *x += width + GAP;
}

/* Returns the y below it. */
static int legend(const panel *p, bool draw) {
    int x = LEFT, y = TOP + 14;
    bool both = false;
    if (is_steps(p) && p->one_group)
        return TOP + 12;
    for (curve c = first_curve(p); next_curve(p, &c);) {
        if (!has_points(p, &c))
            continue;
        both = both || (c.test && p->metric != CN_METRIC_LEARNING_RATE);
        entry named = entry_of(p, &c);
        if (p->one_group || c.test)
            put_entry(p, &named, draw, &x, &y);
    }
    if (!p->one_group && both) {
        entry solid = {p->runs[0]->test_name, 0, CN__COLOURS - 1, false, false};
        entry dashed = {"train", 0, CN__COLOURS - 1, true, false};
        put_entry(p, &solid, draw, &x, &y);
        put_entry(p, &dashed, draw, &x, &y);
    }
    return y + 14;
}

/* ---- panels ---- */

static panel panel_new(cn__text *out, int count, const cn_history *const *runs, cn_metric metric) {
    panel p = {.out = out, .runs = runs, .count = count, .metric = metric, .one_group = true};
    cn__metric_title(metric, true, p.title);
    if (metric == CN_METRIC_LEARNING_RATE)
        snprintf(p.title, sizeof p.title, "Learning rate, mean of each epoch");
    for (int run = 0; run < count; run++) {
        p.one_group = p.one_group && same_name(&p, 0, run);
        p.longest = runs[run]->count > p.longest ? runs[run]->count : p.longest;
    }
    return p;
}

static int panel_height(const panel *p) {
    return legend(p, false) + PLOT + BOTTOM;
}

static void append_panel(panel *p, int x) {
    int top = legend(p, false);
    fit(p, top);
    cn__text_append(p->out, "<g transform=\"translate(%d)\">\n<text class=\"cn-t cn-h\" x=\"16\" y=\"26\">%s</text>\n",
                    x, p->title);
    legend(p, true);
    cn__append_axes(p->out, &p->x, &p->y, "epoch");
    if (p->empty)
        cn__text_append(p->out, "<text class=\"cn-m\" x=\"%d\" y=\"%d\" text-anchor=\"middle\">no values</text>\n",
                        (LEFT + CN__PANEL - RIGHT) / 2, top + PLOT / 2 - 8);
    append_curves(p);
    cn__text_append(p->out, "</g>\n");
}

/* What a reader who does not see it should know: how each curve ends, and its best value. */
static void append_description(const panel *p) {
    cn__text_append(p->out, "<desc>%s, over %lld epochs.", p->title, (long long)p->longest);
    for (curve c = first_curve(p); next_curve(p, &c);) {
        bool larger = cn_metric_increases(p->metric);
        double last = NAN, best = larger ? -INFINITY : INFINITY;
        for (size_t i = 0; i < p->longest; i++) {
            double mean = point_of(p, &c, i).mean;
            last = isnan(mean) ? last : mean;
            best = larger ? fmax(best, mean) : fmin(best, mean); /* which pass over NaN */
        }
        if (isnan(last))
            continue;
        cn__text_append(p->out, " ");
        cn__append_name(p->out, p->runs[c.leader]->name, LEGEND_NAME);
        cn__text_append(p->out, "%s", *p->runs[c.leader]->name ? " " : "");
        cn__append_name(p->out, is_steps(p) ? "rate" : split_of(p, &c), LEGEND_NAME);
        cn__text_append(p->out, " ends at ");
        cn__append_short(p->out, last, 4);
        if (p->metric != CN_METRIC_LOSS && !is_steps(p)) {
            cn__text_append(p->out, larger ? ", at most " : ", at least ");
            cn__append_short(p->out, best, 4);
        }
        cn__text_append(p->out, ".");
    }
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
    panel p = panel_new(&out, count, histories, metric);
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
    panel loss = panel_new(&out, count, histories, CN_METRIC_LOSS);
    panel main = panel_new(&out, count, histories, cn__history_metric(histories[0]));
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
