/* SPDX-License-Identifier: MIT */
/* scale.c: axes with round numbers, and how they are drawn. */
#include "report/report.h"
#include <math.h>

#define LARGEST 1e300 /* so that differences stay finite, and steps, from its reciprocal on, above zero */

static double clamp(double value, double low, double high) {
    return value < low ? low : value > high ? high : value;
}

static double bounded(double value) {
    return fabs(value) < 1 / LARGEST ? 0.0 : clamp(value, -LARGEST, LARGEST);
}

/* The first of 1, 2, 5, 10, 20 … times a power of ten that is at least `step`. */
static double round_step(double step) {
    double power = pow(10.0, floor(log10(step)));
    for (int i = 0; i < 3; i++)
        if ((const int[]){1, 2, 5}[i] * power >= step * (1.0 - 1e-9))
            return (const int[]){1, 2, 5}[i] * power;
    return 10.0 * power;
}

/* ---- even spacing ---- */

static void fit_linear(cn__scale *scale, bool whole, int ticks) {
    double middle = scale->low / 2.0 + scale->high / 2.0, span = scale->high - scale->low;
    double least = whole ? 1.0 : fabs(middle) > 0.0 ? 1e-6 * fabs(middle) : 1e-300;
    if (span < least) { /* one value: in the middle of a little room */
        span = whole || middle == 0.0 ? 1.0 : 0.1 * fabs(middle);
        scale->low = middle - span / 2.0;
        scale->high = middle + span / 2.0;
    }
    double step = round_step(span / ticks);
    if (whole)
        step = step < 1.0 ? 1.0 : step;
    double first = whole ? ceil(scale->low / step) : floor(scale->low / step * (1.0 + 1e-12));
    double last = whole ? floor(scale->high / step) : ceil(scale->high / step * (1.0 - 1e-12));
    for (double i = first; i <= last && scale->ticks < CN__MAX_TICKS; i++)
        scale->tick[scale->ticks++] = i * step;
    if (!whole) {
        scale->low = first * step;
        scale->high = last * step;
    }
    int decimals = (int)-floor(log10(step) + 1e-9);
    bool plain = decimals <= 6 && fabs(scale->low) < 1e6 && fabs(scale->high) < 1e6;
    scale->decimals = !plain ? -1 : decimals < 0 ? 0 : decimals;
}

/* ---- even ratios ---- */

/* Ticks at 1, 2 and 5 of each decade, or only at every `stride`th decade where there are many. */
static void fit_logarithmic(cn__scale *scale, int ticks) {
    int first = (int)floor(log10(scale->low) + 1e-9), last = (int)floor(log10(scale->high) - 1e-9);
    int decades = last - first + 1, stride = (decades + ticks - 1) / ticks;
    static const int all[] = {1, 2, 5};
    int parts = 3 * decades <= ticks + 2 ? 3 : 1;
    double below = pow(10.0, first), above = pow(10.0, last + 1);
    for (int decade = first; decade <= last; decade++)
        for (int i = 0; i < parts; i++) {
            double value = all[i] * pow(10.0, decade);
            below = value <= scale->low * (1.0 + 1e-9) ? value : below;
            if (value >= scale->high * (1.0 - 1e-9) && value < above)
                above = value;
        }
    for (int decade = first; decade <= last + 1; decade += stride)
        for (int i = 0; i < parts; i++) {
            double value = all[i] * pow(10.0, decade);
            if (value >= below * (1.0 - 1e-9) && value <= above * (1.0 + 1e-9) && scale->ticks < CN__MAX_TICKS)
                scale->tick[scale->ticks++] = value;
        }
    scale->low = below;
    scale->high = above;
    scale->decimals = -1;
}

cn__scale cn__scale_new(double low, double high, cn__spacing spacing, int ticks, int from, int to) {
    cn__scale scale = {.low = bounded(low), .high = bounded(high), .from = from, .to = to};
    scale.logarithmic = spacing == CN__LOGARITHMIC_IF_WIDE && scale.low >= 1 / LARGEST && scale.high / scale.low > 20.0;
    if (scale.logarithmic)
        fit_logarithmic(&scale, ticks);
    else
        fit_linear(&scale, spacing == CN__WHOLE_NUMBERS, ticks);
    return scale;
}

double cn__scale_at(const cn__scale *scale, double value) {
    double low = scale->low, high = scale->high;
    value = clamp(value, low, high);
    if (scale->logarithmic) {
        value = log10(value);
        low = log10(low);
        high = log10(high);
    }
    return scale->from + (value - low) / (high - low) * (scale->to - scale->from);
}

void cn__append_tick(cn__text *out, const cn__scale *scale, int tick) {
    if (scale->decimals < 0)
        cn__append_short(out, scale->tick[tick], 4);
    else
        cn__append_number(out, scale->tick[tick], scale->decimals);
}

void cn__append_axes(cn__text *out, const cn__scale *x, const cn__scale *y, const char *name) {
    int left = x->from, right = x->to, bottom = y->from;
    for (int i = 0; i < y->ticks; i++) {
        int at = (int)lround(cn__scale_at(y, y->tick[i]));
        cn__text_append(out,
                        "<path class=\"cn-g\" d=\"M%d %d.5H%d\"/><text class=\"cn-m\" x=\"%d\" y=\"%d\" "
                        "text-anchor=\"end\">",
                        left, at, right, left - 8, at + 5);
        cn__append_tick(out, y, i);
        cn__text_append(out, "</text>\n");
    }
    cn__text_append(out, "<path class=\"cn-a\" d=\"M%d %d.5H%d", left, bottom, right);
    for (int i = 0; i < x->ticks; i++)
        cn__text_append(out, "M%d.5 %dv5", (int)lround(cn__scale_at(x, x->tick[i])), bottom);
    cn__text_append(out, "\"/>\n");
    for (int i = 0; i < x->ticks; i++) {
        cn__text_append(out, "<text class=\"cn-m\" x=\"%d\" y=\"%d\" text-anchor=\"middle\">",
                        (int)lround(cn__scale_at(x, x->tick[i])), bottom + 20);
        cn__append_tick(out, x, i);
        cn__text_append(out, "</text>\n");
    }
    cn__text_append(out, "<text class=\"cn-m\" x=\"%d\" y=\"%d\" text-anchor=\"middle\">%s</text>\n",
                    (left + right) / 2, bottom + 38, name);
}
