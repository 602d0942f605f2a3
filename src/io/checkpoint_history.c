/* SPDX-License-Identifier: MIT */
/* checkpoint_history.c: a trainer's history as tables of numbers. What is the same in all rows is not in them: sizes, and
 * which metric the trainer shows. */
#include "io/checkpoint.h"
#include <math.h>
#include <string.h>

#define EPOCHS  "history"
#define OUTPUTS "history/outputs"
#define RATES   "history/rates"

/* Columns are the doubles of a struct, from one member to another. */
enum {
    EPOCH_FIRST = offsetof(cn_epoch_info, train_loss),
    EPOCH_COLUMNS = (offsetof(cn_epoch_info, metric) - EPOCH_FIRST) / sizeof(double),
    RATE_COLUMNS = sizeof(cn__rate_corner) / sizeof(double),
    OUTPUT_FIRST = offsetof(cn_output_info, train_loss),
    OUTPUT_COLUMNS = (offsetof(cn_output_info, metric) - OUTPUT_FIRST) / sizeof(double)
};
_Static_assert(EPOCH_COLUMNS == 9 && sizeof(cn_epoch_info) == EPOCH_FIRST + 10 * sizeof(double) &&
                   OUTPUT_COLUMNS == 4 && sizeof(cn_output_info) == OUTPUT_FIRST + 5 * sizeof(double),
               "a new member needs a column");

static int64_t output_count(const cn__contents *c) {
    return c->given.trainer->objective.count;
}

cn_status cn__checkpoint_add_history(cn__contents *contents) {
    cn__contents *c = contents;
    int64_t outputs = output_count(c);
    c->history = cn__alloc(c->ctx, (size_t)c->epochs + 1, EPOCH_COLUMNS * sizeof *c->history);
    c->outputs = cn__alloc(c->ctx, (size_t)c->epochs + 1, (size_t)outputs * OUTPUT_COLUMNS * sizeof *c->outputs);
    if (c->corners > 0)
        c->rates = cn__alloc(c->ctx, (size_t)c->corners, sizeof(cn__rate_corner));
    if (!c->history || !c->outputs || (c->corners > 0 && !c->rates))
        return cn__no_memory("a history");
    cn__contents_add(c, EPOCHS, "F64", c->history, 2, (int64_t[]){c->epochs, EPOCH_COLUMNS});
    cn__contents_add(c, OUTPUTS, "F64", c->outputs, 3, (int64_t[]){c->epochs, outputs, OUTPUT_COLUMNS});
    if (c->corners > 0)
        cn__contents_add(c, RATES, "F64", c->rates, 2, (int64_t[]){c->corners, RATE_COLUMNS});
    return CN_OK;
}

void cn__checkpoint_fill_history(cn__contents *contents) {
    const cn_trainer *t = contents->given.trainer;
    for (int64_t i = 0; i < contents->epochs; i++)
        memcpy(contents->history + i * EPOCH_COLUMNS, (const char *)&t->history[i] + EPOCH_FIRST,
               EPOCH_COLUMNS * sizeof(double));
    for (int64_t i = 0; t && i < contents->epochs * t->objective.count; i++)
        memcpy(contents->outputs + i * OUTPUT_COLUMNS, (const char *)&t->outputs[i] + OUTPUT_FIRST,
               OUTPUT_COLUMNS * sizeof(double));
    if (contents->corners > 0)
        memcpy(contents->rates, t->rates.corners, (size_t)contents->corners * sizeof *t->rates.corners);
}

/* For the file's corners or, if it has none, for two for each epoch. */
static cn_status make_room_for_rates(const cn__contents *c) {
    cn_trainer *t = c->given.trainer;
    size_t wanted = (size_t)(c->corners > 0 ? c->corners : 2 * c->epochs + 2);
    return wanted <= t->rates.capacity
               ? CN_OK
               : cn__grow(t->ctx, (void **)&t->rates.corners, &t->rates.capacity, wanted, sizeof *t->rates.corners);
}

cn_status cn__checkpoint_make_room(cn__contents *contents) {
    cn_trainer *t = contents->given.trainer;
    CN__TRY(make_room_for_rates(contents));
    if (contents->epochs == 0)
        return CN_OK;
    size_t last = (size_t)contents->epochs - 1, outputs = (size_t)t->objective.count * sizeof *t->outputs;
    CN__TRY(cn__grow(t->ctx, (void **)&t->history, &t->capacity, last, sizeof *t->history));
    return cn__grow(t->ctx, (void **)&t->outputs, &t->output_capacity, last, outputs);
}

/* Of a file without them, what is known is the mean of each epoch, and of the part of one. */
static void take_rates(const cn__contents *c) {
    cn_trainer *t = c->given.trainer;
    cn__rate_line *line = &t->rates;
    line->count = 0;
    if (c->corners > 0) {
        memcpy(line->corners, c->rates, (size_t)c->corners * sizeof *line->corners);
        line->count = (size_t)c->corners;
        return;
    }
    for (size_t i = 0; i < t->epochs; i++)
        cn__rate_line_level(line, (double)i, (double)i + 1.0, t->history[i].learning_rate);
    if (t->batch > 0)
        cn__rate_line_level(line, (double)t->epochs, (double)t->epochs + (double)t->batch / (double)t->batches,
                            t->mean_rate);
}

void cn__checkpoint_take_history(const cn__contents *contents) {
    cn_trainer *t = contents->given.trainer;
    int64_t outputs = t->objective.count;
    for (int64_t i = 0; i < contents->epochs; i++) {
        cn_epoch_info *epoch = &t->history[i];
        *epoch = (cn_epoch_info){
            .size = sizeof *epoch, .epoch = i + 1, .metric = cn__metrics_main(&t->objective.metrics[0])};
        memcpy((char *)epoch + EPOCH_FIRST, contents->history + i * EPOCH_COLUMNS, EPOCH_COLUMNS * sizeof(double));
    }
    for (int64_t i = 0; i < contents->epochs * outputs; i++) {
        cn_output_info *output = &t->outputs[i];
        *output =
            (cn_output_info){.size = sizeof *output, .metric = cn__metrics_main(&t->objective.metrics[i % outputs])};
        memcpy((char *)output + OUTPUT_FIRST, contents->outputs + i * OUTPUT_COLUMNS, OUTPUT_COLUMNS * sizeof(double));
    }
    t->epochs = (size_t)contents->epochs;
    take_rates(contents);
}

int64_t cn__checkpoint_epochs(const cn__safetensors *file) {
    const cn__entry *entry = cn__safetensors_find(file, EPOCHS);
    return entry && entry->dims == 2 && entry->shape[1] == EPOCH_COLUMNS ? entry->shape[0] : 0;
}

int64_t cn__checkpoint_corners(const cn__safetensors *file) {
    const cn__entry *entry = cn__safetensors_find(file, RATES);
    return entry && entry->dims == 2 && entry->shape[1] == RATE_COLUMNS ? entry->shape[0] : -1;
}

/* In the order of their places. */
cn_status cn__checkpoint_check_rates(const cn__contents *contents, const cn__safetensors *file) {
    double last = 0.0, corner[RATE_COLUMNS];
    for (int64_t i = 0; i < contents->corners; i++) {
        const unsigned char *from = file->data + cn__safetensors_find(file, RATES)->begin;
        cn__numbers_load(corner, sizeof *corner, RATE_COLUMNS, from + i * (int64_t)sizeof corner);
        if (!(corner[0] >= last && isfinite(corner[0]) && corner[1] >= 0.0 && isfinite(corner[1])))
            return cn__error(CN_ERR_FORMAT, "its rate %lld is %g at %g, wanted 0 or more, at %g or more", (long long)i,
                             corner[1], corner[0], last);
        last = corner[0];
    }
    return CN_OK;
}
