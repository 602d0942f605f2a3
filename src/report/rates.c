/* SPDX-License-Identifier: MIT */
/* rates.c: losses over learning rates, as a search has seen them. What goes beyond the losses of its beginning is cut off:
 * there it diverges. */
#include "report/report.h"
#include <math.h>

enum { LEFT = 64, RIGHT = 16, TOP = 72, PLOT = 230, BOTTOM = 46 };

typedef struct rates {
    cn__text *out;
    const cn_rate_curve *curve;
    cn__scale x, y;
} rates;

static bool is_suggested(const cn_rate_curve *curve) {
    return isfinite(curve->suggested);
}

static void fit(rates *r) {
    const cn_rate_curve *c = r->curve;
    double low = INFINITY, high = -INFINITY, begin = c->points[0].smoothed;
    for (int64_t i = 0; i < c->count; i++) {
        const cn_rate_point *p = &c->points[i];
        low = fmin(low, fmin(p->loss, p->smoothed));
        high = fmax(high, p->smoothed);
    }
    double room = 0.5 * (begin - low);
    if (room > 0.0)
        high = fmin(high, begin + room);
    r->x = cn__scale_new(c->points[0].rate, c->points[c->count - 1].rate, CN__LOGARITHMIC_IF_WIDE, 8, LEFT,
                         CN__PANEL - RIGHT);
    r->y = cn__scale_new(low, high, CN__LINEAR, 6, TOP + PLOT, TOP);
}

/* Until it leaves the chart at its top. */
static void append_line(const rates *r, bool smoothed) {
    const cn_rate_curve *c = r->curve;
    cn__text_append(r->out, "<path class=\"cn-l %s\" d=\"", smoothed ? "cn-s0" : "cn-s1 cn-d");
    for (int64_t i = 0; i < c->count; i++) {
        double loss = smoothed ? c->points[i].smoothed : c->points[i].loss;
        cn__text_append(r->out, "%c", i ? 'L' : 'M');
        cn__append_coordinate(r->out, cn__scale_at(&r->x, c->points[i].rate));
        cn__text_append(r->out, " ");
        cn__append_coordinate(r->out, cn__scale_at(&r->y, loss));
        if (smoothed && loss > r->y.high)
            break;
    }
    cn__text_append(r->out, "\"/>\n");
}

static void append_suggestion(const rates *r) {
    if (!is_suggested(r->curve))
        return;
    int x = (int)lround(cn__scale_at(&r->x, r->curve->suggested));
    bool late = x > (LEFT + CN__PANEL) / 2;
    cn__text_append(r->out,
                    "<path class=\"cn-a\" stroke-dasharray=\"3 3\" d=\"M%d.5 %dV%d\"/><text class=\"cn-t\" x=\"%d\" "
                    "y=\"%d\" text-anchor=\"%s\">",
                    x, TOP, TOP + PLOT, late ? x - 6 : x + 6, TOP + 14, late ? "end" : "start");
    cn__append_short(r->out, r->curve->suggested, 2);
    cn__text_append(r->out, "</text>\n");
}

static void append_description(const rates *r) {
    const cn_rate_curve *c = r->curve;
    cn__text_append(r->out, "<desc>Loss in %lld steps, at rates from ", (long long)c->count);
    cn__append_short(r->out, c->points[0].rate, 2);
    cn__text_append(r->out, " to ");
    cn__append_short(r->out, c->points[c->count - 1].rate, 2);
    if (is_suggested(c)) {
        cn__text_append(r->out, ". Smoothed, it falls fastest at ");
        cn__append_short(r->out, c->suggested, 2);
    }
    cn__text_append(r->out, ".</desc>\n");
}

static void append_chart(rates *r) {
    fit(r);
    cn__svg_begin(r->out, CN__PANEL, TOP + PLOT + BOTTOM, "Loss by learning rate");
    append_description(r);
    cn__text_append(r->out,
                    "<text class=\"cn-t cn-h\" x=\"16\" y=\"26\">Loss by learning rate</text>\n"
                    "<path class=\"cn-l cn-s1 cn-d\" d=\"M%d 50h20\"/><text class=\"cn-t\" x=\"%d\" y=\"54\">each "
                    "step</text>\n<path class=\"cn-l cn-s0\" d=\"M%d 50h20\"/><text class=\"cn-t\" x=\"%d\" y=\"54\">"
                    "smoothed</text>\n",
                    LEFT, LEFT + 26, LEFT + 116, LEFT + 142);
    cn__append_axes(r->out, &r->x, &r->y, "learning rate");
    append_line(r, false);
    append_line(r, true);
    append_suggestion(r);
    cn__svg_end(r->out);
}

cn_status cn_chart_rates(const cn_rate_curve *curve, char **svg) {
    CN__COMPUTES;
    CN__REQUIRE(svg);
    *svg = NULL;
    CN__REQUIRE(curve);
    if (curve->count == 0)
        return cn__error(CN_ERR_ARGUMENT, "cn_chart_rates: the search was ended before its first step");
    cn__text out = {.ctx = curve->ctx};
    rates r = {.out = &out, .curve = curve};
    append_chart(&r);
    return cn__text_take(&out, svg);
}
