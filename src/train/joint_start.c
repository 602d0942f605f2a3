/* SPDX-License-Identifier: MIT */
/* joint_start.c: compares what processes bring along before they train together, so that none goes its own way: the library,
 * how it computes, the model, the data, the options; and, as each fit begins, where the run stands. Each has a list of names
 * and values as texts; the first that is not rank 0's is named everywhere. */
#include "train/run_options.h"
#include <stdio.h>
#include <string.h>

enum { ITEMS = 256, NAME = 40, VALUE = 24 }; /* more than there ever are: CN__MAX_TARGETS losses, and 120 others */

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

static void add_options(list *l, const char *of, const cn__run_option *options, const void *values) {
    for (const cn__run_option *o = options; o->name; o++) {
        const void *place = (const char *)values + o->offset;
        if (o->real)
            snprintf(next_item(l, of, o->name)->value, VALUE, "%.9g", (double)*(const float *)place);
        else
            add_number(l, of, o->name, *(const int *)place);
    }
}

/* ---- the library, and how it computes ---- */

static void add_library(list *l, const cn_context *ctx) {
    add_text(l, "", "version of the library", cn_version_string());
    add_text(l, "", "instruction set", ctx->isa == CN_ISA_PORTABLE ? cn_isa_name(ctx->isa) : "with fused multiply-add");
    add_number(l, "context", "conv_algorithm", ctx->options.conv_algorithm);
    add_number(l, "context", "layout", ctx->options.layout);
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

static void add_model(list *l, const cn_trainer *t) {
    const cn_model *model = t->model;
    uint32_t crc = 0;
    for (size_t n = 0; n < model->node_count; n++)
        crc = layer_crc(crc, &model->nodes[n]);
    add_number(l, "model", "layers", (int64_t)model->node_count);
    add_number(l, "model", "parameters", cn_model_parameter_count(model));
    add_checksum(l, "model", "architecture", crc);
    add_checksum(l, "model", "weights", weights_crc(model, true));
    if (t->frozen)
        add_checksum(l, "model", "what is frozen", cn__crc_add(0, t->frozen, cn__model_flag_count(model)));
    if (model->mean)
        add_checksum(l, "model", "normalisation",
                     cn__crc_add(cn__crc_add(0, model->mean, (size_t)model->input.channels * sizeof *model->mean),
                                 model->std, (size_t)model->input.channels * sizeof *model->std));
}

/* ---- the data ---- */

static void add_target(list *l, const char *of, const cn__target_spec *target) {
    uint32_t shape = cn__crc_add(0, &target->shape, sizeof target->shape);
    add_number(l, of, "target's kind", target->kind);
    add_number(l, of, "target's classes", target->classes);
    add_number(l, of, "target's ignore_index", target->ignore_index);
    add_checksum(l, of, "target's shape", shape);
}

static cn_status add_data(list *l, const char *of, const cn_dataset *data) {
    cn_augmentation augmentation = CN_AUGMENTATION_INIT;
    cn__fingerprint print;
    int64_t shape[3];
    cn_dataset_shape(data, shape);
    add_number(l, of, "images", cn_dataset_count(data));
    for (int i = 0; i < 3; i++)
        add_number(l, of, ((const char *const[]){"channels", "height", "width"})[i], shape[i]);
    add_number(l, of, "classes", cn_dataset_classes(data));
    for (int i = 0; i < cn__dataset_target_count(data); i++)
        add_target(l, of, cn__dataset_target(data, i));
    CN__TRY(cn__dataset_fingerprint(data, &print));
    add_checksum(l, of, "some images", print.images);
    add_checksum(l, of, "targets", print.targets);
    CN__TRY(cn_dataset_augmentation(data, &augmentation));
    add_options(l, of, cn__run_augmentation_options, &augmentation);
    return CN_OK;
}

/* ---- the options ---- */

static void add_weights(list *l, const cn_loss_options *o) {
    size_t bytes = (size_t)o->outputs * sizeof *o->class_weights;
    add_number(l, "loss", "ignore_index", o->ignore_index);
    if (o->class_weights)
        add_checksum(l, "loss", "class_weights", cn__crc_add(0, o->class_weights, bytes));
    if (o->pos_weight)
        add_checksum(l, "loss", "pos_weight", cn__crc_add(0, o->pos_weight, bytes));
}

static void add_training(list *l, const cn_trainer *t) {
    const cn_optimizer_options *optimizer = cn__optimizer_options(t->optimizer);
    const cn__update_rule *rules = cn__optimizer_rules(t->optimizer);
    add_number(l, "", "ranks", t->joint->group.with.ranks);
    add_number(l, "", "local_batch_norm", t->options.local_batch_norm);
    add_number(l, "", "seed", (int64_t)t->options.seed);
    add_options(l, "", cn__run_trainer_options, &t->options);
    for (int32_t i = 0; i < t->objective.count; i++) {
        add_text(l, "loss", "kind", cn_loss_name(t->objective.losses[i].options.kind));
        add_options(l, "loss", cn__run_loss_options, &t->objective.losses[i].options);
        add_weights(l, &t->objective.losses[i].options);
    }
    add_text(l, "optimizer", "kind", cn_optimizer_name(optimizer->kind));
    add_options(l, "optimizer", cn__run_optimizer_options, optimizer);
    uint32_t groups = 0;
    for (size_t i = 0; i < t->model->tensor_count; i++) {
        groups = cn__crc_add(groups, &rules[i].scale, sizeof rules->scale);
        groups = cn__crc_add(groups, &rules[i].weight_decay, sizeof rules->weight_decay);
    }
    add_checksum(l, "optimizer", "groups", groups);
    add_text(l, "schedule", "kind", cn_schedule_name(t->schedule.options.kind));
    add_number(l, "schedule", "epochs", t->schedule.given_epochs);
    add_options(l, "schedule", cn__run_schedule_options, &t->schedule.options);
    if (t->sampler.sums)
        add_checksum(l, "", "sample_weights",
                     cn__crc_add(0, t->sampler.sums, (size_t)t->count * sizeof *t->sampler.sums));
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

static cn_status fill(list *l, const cn_trainer *t) {
    add_library(l, t->ctx);
    add_training(l, t);
    add_model(l, t);
    CN__TRY(add_data(l, "training data", t->train.data));
    return t->testing ? add_data(l, "test data", t->test.data) : CN_OK;
}

static list *new_list(const cn_trainer *t) {
    return cn__alloc(t->ctx, 1, sizeof(list));
}

cn_status cn__joint_meet(cn_trainer *trainer, cn_status own) {
    list *l = own == CN_OK ? new_list(trainer) : NULL;
    if (own == CN_OK)
        own = l ? fill(l, trainer) : cn__no_memory("what other processes have");
    cn_status status = cn__group_agree(&trainer->joint->group, own);
    if (status == CN_OK)
        status = compare(&trainer->joint->group, l);
    cn__free(trainer->ctx, l);
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
    list *l = new_list(t);
    cn_status status = cn__group_agree(&t->joint->group, l ? CN_OK : cn__no_memory("what other processes have"));
    t->joint->wants_stop = t->joint->stopped = false;
    if (status == CN_OK) {
        add_number(l, "", "epochs to train", epochs);
        add_number(l, "", "epochs done", (int64_t)t->epochs);
        add_number(l, "", "batches done", t->batch);
        add_checksum(l, "model", "weights", weights_crc(t->model, !t->joint->local_batch_norm));
        add_checksum(l, "", "state of the run", state_crc(t));
        status = compare(&t->joint->group, l);
    }
    cn__free(t->ctx, l);
    return status;
}
