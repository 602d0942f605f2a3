/* SPDX-License-Identifier: MIT */
/* panel.h: one chart over the epochs: curves.c has its frame and what epochs have, learning_rate.c what steps have, legend.c
 * says what is what. */
#ifndef CN_PANEL_H
#define CN_PANEL_H

#include "report/report.h"

enum { CN__LEFT = 64, CN__RIGHT = 16, CN__TOP = 40, CN__PLOT = 230, CN__BOTTOM = 46 };
enum { CN__LEGEND_NAME = 24 /* columns */, CN__MARKERS = 20 /* on a curve, at most */ };

typedef struct cn__panel {
    cn__text *out;
    const cn_history *const *runs;
    int count; /* of runs */
    cn_metric metric;
    char title[CN__METRIC_TEXT];
    bool one_group;
    size_t longest; /* epochs of the longest run */
    cn__scale x, y;
    bool empty; /* no finite value */
} cn__panel;

/* A curve: the runs that have the name of run `leader`, and one of the two splits. */
typedef struct cn__curve {
    int leader, group;
    bool test;
} cn__curve;

static inline bool cn__panel_is_of_rates(const cn__panel *p) {
    return p->metric == CN_METRIC_LEARNING_RATE;
}

/* The next curve in the order of drawing, training first so that test lies on top; false after the last. Begins with
 * cn__first_curve. */
cn__curve cn__first_curve(const cn__panel *p);
bool cn__next_curve(const cn__panel *p, cn__curve *c);
bool cn__curve_has_run(const cn__panel *p, const cn__curve *c, int run);
bool cn__curve_has_points(const cn__panel *p, const cn__curve *c);
int cn__curve_colour(const cn__panel *p, const cn__curve *c);
/* "M64.0 20.5" or "L…". */
void cn__append_place(const cn__panel *p, char command, double epoch, double value);
/* The sign of a group, at a place that was just moved to. */
const char *cn__marker(int group);

/* ---- the legend (legend.c) ---- */

/* Training or, by the name of the curve's first run, test. */
const char *cn__split_name(const cn__panel *p, const cn__curve *c);
/* Draws it, or only measures it. Returns the y below it. */
int cn__legend(const cn__panel *p, bool draw);

/* ---- learning rates, step by step (learning_rate.c) ---- */

/* Whether any run tells its rates by step, not only by epoch. */
bool cn__rates_are_by_step(const cn__panel *p);
bool cn__rates_has_points(const cn__panel *p, const cn__curve *c);
/* The places that runs have rates of; first and last stay where there are none. */
void cn__rates_extent(const cn__panel *p, double *first, double *last);
/* The axis of rates, its plot from `top` on. */
void cn__rates_fit(cn__panel *p, int top);
void cn__rates_append(const cn__panel *p, const cn__curve *c);
/* How the curve begins, what it comes to and how it ends, for a reader who does not see it. */
void cn__rates_describe(const cn__panel *p, const cn__curve *c);

#endif
