/* SPDX-License-Identifier: MIT */
/* comparison_json.c: a comparison as the document that --json asks for. */
#include "comparison.h"
#include <math.h>

const json_member comparison_members[] = {
    {".program, .version", "what wrote it"},
    {".metric, .tested_on", "what the runs are measured by, and on which images the first is; shares are shares of 1"},
    {".groups[]",
     "runs that differ by their seeds alone, best first: .name, .runs (how many), .best_train, .best, .last and "
     ".seconds_an_epoch, each with .mean and .deviation, and .settings, those that are not the same in all"},
    {".differences[]",
     "each group beside the next: .first, .second, .seeds (that both have), .ahead, and .margin, half of a "
     "95 % interval"},
    {".runs[]", "as they were given: .run, .group, .seed, .tested_on, .epochs, .best, .best_epoch, .last"},
    {NULL, NULL},
};

static void write_groups(const comparison *c, const int *order) {
    json_array("groups");
    for (int i = 0; i < c->group_count; i++) {
        const run_group *group = &c->groups[order[i]];
        json_object(NULL);
        json_text("name", group->name);
        json_integer("runs", group->count);
        json_figure(c, order[i], best_train, "best_train");
        json_figure(c, order[i], best_test, "best");
        json_figure(c, order[i], last_test, "last");
        json_figure(c, order[i], seconds_an_epoch, "seconds_an_epoch");
        json_object("settings");
        for (int k = 0; k < c->differing_count; k++)
            json_text(c->differing[k], settings_value(&c->runs[group->first].settings, c->differing[k]));
        json_end();
        json_end();
    }
    json_end();
}

static void write_runs(const comparison *c) {
    json_array("runs");
    for (int i = 0; i < c->run_count; i++) {
        const compared_run *run = &c->runs[i];
        const cn_epoch_info *epochs = run->log.epochs;
        json_object(NULL);
        json_text("run", run->given);
        json_text("group", c->groups[run->group].name);
        json_text("seed", settings_value(&run->settings, "seed"));
        json_text("tested_on", run->log.tested);
        json_integer("epochs", run->log.count);
        json_number("best", epochs[run->best].test_metric);
        json_integer("best_epoch", run->best + 1);
        json_number("last", epochs[run->log.count - 1].test_metric);
        json_end();
    }
    json_end();
}

void comparison_json(const comparison *c) {
    int order[COMPARISON_RUNS];
    char key[METRIC_TEXT];
    rank_groups(c, order);
    json_begin();
    json_text("metric", metric_key(c->metric, key));
    json_text("tested_on", c->runs[0].log.tested);
    write_groups(c, order);
    json_array("differences");
    for (int i = 0; i + 1 < c->group_count; i++)
        json_difference(c, order[i], order[i + 1]);
    json_end();
    write_runs(c);
    json_end();
}
