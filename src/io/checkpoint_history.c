/* SPDX-License-Identifier: MIT */
/* checkpoint_history.c: a trainer's history as tables of numbers. What is the same in all rows is not in them: sizes, and
 * which metric the trainer shows. */
#include "io/checkpoint.h"
#include <string.h>

#define EPOCHS  "history"
#define OUTPUTS "history/outputs"

/* Columns are the doubles of a struct, from one member to another. */
enum {
    EPOCH_FIRST = offsetof(cn_epoch_info, train_loss),
    EPOCH_COLUMNS = (offsetof(cn_epoch_info, metric) - EPOCH_FIRST) / sizeof(double),
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
    if (!c->history || !c->outputs)
        return cn__no_memory("a history");
    cn__contents_add(c, EPOCHS, "F64", c->history, 2, (int64_t[]){c->epochs, EPOCH_COLUMNS});
    cn__contents_add(c, OUTPUTS, "F64", c->outputs, 3, (int64_t[]){c->epochs, outputs, OUTPUT_COLUMNS});
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
}

cn_status cn__checkpoint_make_room(cn__contents *contents) {
    cn_trainer *t = contents->given.trainer;
    if (contents->epochs == 0)
        return CN_OK;
    size_t last = (size_t)contents->epochs - 1, outputs = (size_t)t->objective.count * sizeof *t->outputs;
    CN__TRY(cn__grow(t->ctx, (void **)&t->history, &t->capacity, last, sizeof *t->history));
    return cn__grow(t->ctx, (void **)&t->outputs, &t->output_capacity, last, outputs);
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
}

int64_t cn__checkpoint_epochs(const cn__safetensors *file) {
    const cn__entry *entry = cn__safetensors_find(file, EPOCHS);
    return entry && entry->dims == 2 && entry->shape[1] == EPOCH_COLUMNS ? entry->shape[0] : 0;
}
