/* SPDX-License-Identifier: MIT */
/* joint_start.c: compares what processes bring along before they train together, so that none goes its own way: the library,
 * the model, and what the run is (run_text.c); and, as each fit begins, where the run stands. The first of it that is not rank
 * 0's is named everywhere. */
#include "base/json.h"
#include "train/train.h"
#include <stdio.h>
#include <string.h>

enum { ITEMS = 12, NAME = 40, VALUE = 24 }; /* as many as there ever are */

typedef struct item {
    char name[NAME], value[VALUE];
} item;

typedef struct list {
    item items[ITEMS];
    size_t count;
} list;

static item *next_item(list *l, const char *of, const char *name) {
    item *next = &l->items[l->count++];
    snprintf(next->name, sizeof next->name, "%s%s%s", of, *of ? ": " : "", name);
    return next;
}

static void add_number(list *l, const char *of, const char *name, int64_t number) {
    snprintf(next_item(l, of, name)->value, VALUE, "%lld", (long long)number);
}

static void add_text(list *l, const char *of, const char *name, const char *text) {
    snprintf(next_item(l, of, name)->value, VALUE, "%s", text);
}

static void add_checksum(list *l, const char *of, const char *name, uint32_t crc) {
    snprintf(next_item(l, of, name)->value, VALUE, "checksum %08lx", (unsigned long)crc);
}

static void add_library(list *l, const cn_trainer *t) {
    cn_isa isa = t->ctx->isa;
    add_text(l, "", "version of the library", cn_version_string());
    add_text(l, "", "instruction set", isa == CN_ISA_PORTABLE ? cn_isa_name(isa) : "with fused multiply-add");
    add_number(l, "", "ranks", t->joint->group.with.ranks);
}

/* ---- the model ---- */

static uint32_t layer_crc(uint32_t crc, const cn__node *node) {
    const cn__layer_type *type = node->layer->type;
    crc = cn__crc_add(crc, node->name, strlen(node->name));
    crc = cn__crc_add(crc, type->name, strlen(type->name));
    crc = cn__crc_add(crc, node->inputs, (size_t)node->input_count * sizeof *node->inputs);
    for (const cn__attr *attr = type->attrs; attr && attr->name; attr++) {
        double value = cn__layer_attr(node->layer, attr->name);
        crc = cn__crc_add(crc, &value, sizeof value);
    }
    return cn__crc_add(crc, &node->shape, sizeof node->shape);
}

static uint32_t weights_crc(const cn_model *model, bool buffers) {
    uint32_t crc = cn__crc_add(0, model->parameters, model->flat_count * sizeof *model->parameters);
    if (!buffers)
        return crc;
    crc = cn__crc_add(crc, model->buffers, model->buffer_count * sizeof *model->buffers);
    return cn__crc_add(crc, model->counters, model->counter_count * sizeof *model->counters);
}

static void add_model(list *l, const cn_model *model) {
    uint32_t crc = 0;
    for (size_t n = 0; n < model->node_count; n++)
        crc = layer_crc(crc, &model->nodes[n]);
    add_number(l, "model", "layers", (int64_t)model->node_count);
    add_number(l, "model", "parameters", cn_model_parameter_count(model));
    add_checksum(l, "model", "architecture", crc);
    if (model->mean)
        add_checksum(l, "model", "normalisation",
                     cn__crc_add(cn__crc_add(0, model->mean, (size_t)model->input.channels * sizeof *model->mean),
                                 model->std, (size_t)model->input.channels * sizeof *model->std));
}

/* ---- comparing ---- */

static cn_status difference(int rank, const item *there, const item *here) {
    if (strncmp(there->name, here->name, NAME) != 0)
        return cn__error(CN_ERR_STATE, "rank %d has '%.*s' where rank 0 has '%.*s'", rank, NAME - 1, there->name,
                         NAME - 1, here->name);
    return cn__error(CN_ERR_STATE, "rank %d: %.*s is %.*s, on rank 0 it is %.*s", rank, NAME - 1, there->name,
                     VALUE - 1, there->value, VALUE - 1, here->value);
}

static cn_status compare_all(const cn__group *group, const item *all) {
    for (int rank = 1; rank < group->with.ranks; rank++)
        for (size_t i = 0; i < ITEMS; i++) {
            const item *there = &all[(size_t)rank * ITEMS + i], *here = &all[i];
            if (memcmp(there, here, sizeof *there) != 0)
                return difference(rank, there, here);
        }
    return CN_OK;
}

static cn_status compare(cn__group *group, const list *own) {
    item *all = cn__alloc(group->ctx, (size_t)group->with.ranks, sizeof own->items);
    cn_status status = cn__group_agree(group, all ? CN_OK : cn__no_memory("what other processes have"));
    if (status == CN_OK)
        status = cn__group_all_gather(group, own->items, all, sizeof own->items, NULL);
    if (status == CN_OK)
        status = compare_all(group, all);
    cn__free(group->ctx, all);
    return status;
}

/* Where a text of JSON differs from rank 0's. */
static cn_status find_difference(cn_context *ctx, const char *there, const char *here) {
    cn__json *first = NULL, *second = NULL;
    cn__json_place place;
    if (strcmp(there, here) == 0)
        return CN_OK;
    cn_status status = cn__json_read(ctx, there, strlen(there), "a run", &first);
    if (status == CN_OK)
        status = cn__json_read(ctx, here, strlen(here), "a run", &second);
    if (status == CN_OK && cn__json_difference(first, second, &place))
        status = cn__error(CN_ERR_STATE, "%s is %s, on rank 0 it is %s", place.path, place.first, place.second);
    cn__free(ctx, first);
    cn__free(ctx, second);
    return status;
}

static cn_status compare_texts(cn__group *group, const char *own) {
    int64_t most;
    CN__TRY(cn__group_largest(group, (int64_t)strlen(own) + 1, &most));
    char *first = cn__alloc(group->ctx, (size_t)most + sizeof(int64_t), 1);
    cn_status status = cn__group_agree(group, first ? CN_OK : cn__no_memory("what other processes have"));
    if (status == CN_OK && group->with.rank == 0)
        memcpy(first, own, strlen(own) + 1);
    if (status == CN_OK)
        status = cn__group_broadcast(group, first, (size_t)most);
    if (status == CN_OK)
        status = cn__group_report(group, find_difference(group->ctx, own, first));
    cn__free(group->ctx, first);
    return status;
}

cn_status cn__joint_meet(cn_trainer *trainer, cn_status own) {
    cn__group *group = &trainer->joint->group;
    list l = {.count = 0}, weights = {.count = 0}; /* last: a seed, say, tells why they differ */
    char *text = NULL;
    if (own == CN_OK)
        own = cn__run_text(trainer, &text);
    add_library(&l, trainer);
    add_model(&l, trainer->model);
    add_checksum(&weights, "model", "weights", weights_crc(trainer->model, true));
    cn_status status = cn__group_agree(group, own);
    if (status == CN_OK)
        status = compare(group, &l);
    if (status == CN_OK)
        status = compare_texts(group, text);
    if (status == CN_OK)
        status = compare(group, &weights);
    cn_text_free(text);
    return status;
}

/* ---- where the run stands ---- */

static uint32_t state_crc(cn_trainer *t) {
    cn__state state = {.count = 0};
    uint32_t crc = 0;
    cn__trainer_state(t, &state);
    for (size_t i = 0; i < state.count; i++) {
        const cn__value *value = &state.values[i];
        size_t width = strcmp(value->dtype + 1, "64") == 0 ? 8 : 4;
        if (value->data != &t->seconds) /* each has its own */
            crc = cn__crc_add(crc, value->data, value->count * width);
    }
    return crc;
}

cn_status cn__joint_start(cn_trainer *trainer, int64_t epochs) {
    cn_trainer *t = trainer;
    list l = {.count = 0};
    t->joint->wants_stop = t->joint->stopped = false;
    add_number(&l, "", "epochs to train", epochs);
    add_number(&l, "", "epochs done", (int64_t)t->epochs);
    add_number(&l, "", "batches done", t->batch);
    add_checksum(&l, "model", "weights", weights_crc(t->model, !t->joint->local_batch_norm));
    add_checksum(&l, "", "state of the run", state_crc(t));
    return compare(&t->joint->group, &l);
}
