/* SPDX-License-Identifier: MIT */
/* legend.c: a swatch and a name for each curve of a chart, in as many lines as it takes. */
#include "report/panel.h"

enum { LINE = 20, SWATCH = 26, GAP = 16 };

/* What is named: the splits, unless there is nothing to tell apart, and the groups, if there are several. */
typedef struct entry {
    const char *name;
    int group;  /* -1: a split */
    int colour; /* of the swatch */
    bool dashed, marked;
} entry;

const char *cn__split_name(const cn__panel *p, const cn__curve *c) {
    return c->test ? p->runs[c->leader]->test_name : "train";
}

static entry entry_of(const cn__panel *p, const cn__curve *c) {
    return (entry){.name = p->one_group ? cn__split_name(p, c) : p->runs[c->leader]->name,
                   .group = c->group,
                   .colour = cn__curve_colour(p, c),
                   .dashed = !c->test,
                   .marked = c->test};
}

/* Writes an entry, or only measures it, and moves on. */
static void put_entry(const cn__panel *p, const entry *e, bool draw, int *x, int *y) {
    int width = SWATCH + CN__CHARACTER * cn__name_width(e->name, CN__LEGEND_NAME);
    if (*x > CN__LEFT && *x + width > CN__PANEL - CN__RIGHT) {
        *x = CN__LEFT;
        *y += LINE;
    }
    if (draw) {
        cn__text_append(p->out, "<path class=\"cn-l cn-s%d%s\" d=\"M%d %dh20\"/>", e->colour, e->dashed ? " cn-d" : "",
                        *x, *y - 4);
        if (e->marked)
            cn__text_append(p->out, "<path class=\"cn-f%d\" d=\"M%d %d%s\"/>", e->colour, *x + 10, *y - 4,
                            cn__marker(e->group));
        cn__text_append(p->out, "<text class=\"cn-t\" x=\"%d\" y=\"%d\">", *x + SWATCH, *y);
        cn__append_name(p->out, e->name, CN__LEGEND_NAME);
        cn__text_append(p->out, "</text>\n");
    }
    *x += width + GAP;
}

int cn__legend(const cn__panel *p, bool draw) {
    int x = CN__LEFT, y = CN__TOP + 14;
    bool both = false, of_rates = cn__panel_is_of_rates(p);
    if (of_rates && p->one_group)
        return CN__TOP + 12;
    for (cn__curve c = cn__first_curve(p); cn__next_curve(p, &c);) {
        if (!cn__curve_has_points(p, &c))
            continue;
        both = both || (c.test && !of_rates);
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
