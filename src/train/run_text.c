/* SPDX-License-Identifier: MIT */
/* run_text.c: what a run is, as far as whoever goes on with it, or trains along, brings it along, as JSON: options, the seed, the
 * data. Two runs that have the same text (and models of the same architecture) have the same bits, so checkpoints of any
 * other are refused, and so are ranks, and the first difference is named. */
#include "base/json.h"
#include "base/values.h"
#include "train/run_options.h"

static void append_options(cn__text *json, const cn__run_option *options, const void *values) {
    for (const cn__run_option *o = options; o->name; o++) {
        const void *place = (const char *)values + o->offset;
        cn__text_append(json, ",\"%s\":", o->name);
        if (!o->real)
            cn__text_append(json, "%d", *(const int *)place);
        else
            cn__json_append_float(json, *(const float *)place);
    }
}

/* ---- its parts, each of which begins with a comma ---- */

/* What parameter groups have made of each parameter's options. */
static void append_rules(cn__text *json, const cn_optimizer *optimizer) {
    const cn_model *model = cn__optimizer_model(optimizer);
    const cn__update_rule *rules = cn__optimizer_rules(optimizer);
    cn__text_append(json, ",\"groups\":[");
    for (size_t i = 0; i < model->tensor_count; i++) {
        cn__text_append(json, i ? ",{\"name\":" : "{\"name\":");
        (void)cn__json_append_string(json, model->tensors[i].name); /* as the architecture has it already */
        cn__text_append(json, ",\"learning_rate_scale\":");
        cn__json_append_float(json, rules[i].scale);
        cn__text_append(json, ",\"weight_decay\":");
        cn__json_append_float(json, rules[i].weight_decay);
        cn__text_append(json, "}");
    }
    cn__text_append(json, "]");
}

/* Names of what was frozen when the trainer was made. What callbacks have made of it since is part of the state. */
static void append_frozen(cn__text *json, const cn_trainer *t) {
    const cn_model *model = t->model;
    bool any = false;
    cn__text_append(json, ",\"frozen\":[");
    for (size_t i = 0; i < cn__model_flag_count(model); i++) {
        bool tensor = i < model->tensor_count;
        if (!t->frozen[i])
            continue;
        cn__text_append(json, any ? "," : "");
        (void)cn__json_append_string(json,
                                     tensor ? model->tensors[i].name : model->nodes[i - model->tensor_count].name);
        any = true;
    }
    cn__text_append(json, "]");
}

static void append_optimizer(cn__text *json, const cn_optimizer *optimizer) {
    const cn_optimizer_options *o = cn__optimizer_options(optimizer);
    cn__text_append(json, ",\"optimizer\":{\"kind\":\"%s\"", cn_optimizer_name(o->kind));
    append_options(json, cn__run_optimizer_options, o);
    if (o->group_count > 0)
        append_rules(json, optimizer);
    cn__text_append(json, "}");
}

/* Its length was given, or is the first fit's; that is part of the state. */
static void append_schedule(cn__text *json, const cn__schedule *schedule) {
    const cn_schedule_options *o = &schedule->options;
    cn__text_append(json, ",\"schedule\":{\"kind\":\"%s\",\"epochs\":%d", cn_schedule_name(o->kind),
                    schedule->given_epochs);
    append_options(json, cn__run_schedule_options, o);
    cn__text_append(json, "}");
}

/* A checksum of an array, as a member, unless there is none. */
static void append_array(cn__text *json, const char *name, const void *values, unsigned width, int64_t count) {
    uint32_t crc = 0;
    for (int64_t i = 0; values && i < count; i++) {
        unsigned char bytes[8];
        cn__numbers_store((const char *)values + (size_t)i * width, width, 1, bytes);
        crc = cn__crc_add(crc, bytes, width);
    }
    if (values)
        cn__text_append(json, ",\"%s\":\"%08lx\"", name, (unsigned long)crc);
}

static void append_loss(cn__text *json, const cn_loss_options *o) {
    cn__text_append(json, "{\"kind\":\"%s\",\"ignore_index\":%lld", cn_loss_name(o->kind), (long long)o->ignore_index);
    append_options(json, cn__run_loss_options, o);
    append_array(json, "class_weights", o->class_weights, sizeof *o->class_weights, o->outputs);
    append_array(json, "pos_weight", o->pos_weight, sizeof *o->pos_weight, o->outputs);
    cn__text_append(json, "}");
}

static void append_trainer(cn__text *json, const cn_trainer *t) {
    cn__text_append(json, ",\"seed\":%llu,\"trainer\":{\"kind\":\"trainer\"", (unsigned long long)t->options.seed);
    append_options(json, cn__run_trainer_options, &t->options);
    if (t->joint && t->options.local_batch_norm)
        cn__text_append(json, ",\"local_batch_norm\":%d", t->joint->group.with.ranks);
    append_array(json, "sample_weights", t->sampler.sums, sizeof *t->sampler.sums, t->count);
    cn__text_append(json, "},\"losses\":[");
    for (int32_t i = 0; i < t->objective.count; i++) {
        cn__text_append(json, i ? "," : "");
        append_loss(json, &t->objective.losses[i].options);
    }
    cn__text_append(json, "]");
}

static void append_target(cn__text *json, const cn__target_spec *spec) {
    static const char *const kinds[] = {"class", "vector", "mask", "image"};
    cn__text_append(json, "{\"kind\":\"%s\",\"classes\":%lld,\"ignore_index\":%lld,\"shape\":[%d,%d,%d]}",
                    kinds[spec->kind], (long long)spec->classes, (long long)spec->ignore_index, spec->shape.channels,
                    spec->shape.height, spec->shape.width);
}

static cn_status append_data(cn__text *json, const char *what, const cn_dataset *data) {
    cn_augmentation augmentation = CN_AUGMENTATION_INIT;
    cn__fingerprint print;
    int64_t shape[3];
    CN__TRY(cn_dataset_augmentation(data, &augmentation));
    CN__TRY(cn__dataset_fingerprint(data, &print));
    cn_dataset_shape(data, shape);
    cn__text_append(json, ",\"%s\":{\"count\":%lld,\"shape\":[%lld,%lld,%lld],\"targets\":[", what,
                    (long long)cn_dataset_count(data), (long long)shape[0], (long long)shape[1], (long long)shape[2]);
    for (int i = 0; i < cn__dataset_target_count(data); i++) {
        cn__text_append(json, i ? "," : "");
        append_target(json, cn__dataset_target(data, i));
    }
    cn__text_append(json, "],\"sum of images\":\"%08lx\",\"sum of targets\":\"%08lx\"", (unsigned long)print.images,
                    (unsigned long)print.targets);
    cn__text_append(json, ",\"augmentation\":{\"size\":48"); /* of 1.0's struct, as its checkpoints have it */
    append_options(json, cn__run_augmentation_options, &augmentation);
    cn__text_append(json, "}}");
    return CN_OK;
}

/* ---- the whole ---- */

static cn_status append_trainers_run(cn__text *json, const cn_trainer *t) {
    append_trainer(json, t);
    append_frozen(json, t);
    append_optimizer(json, t->optimizer);
    append_schedule(json, &t->schedule);
    CN__TRY(append_data(json, "training data", t->train.data));
    return t->testing ? append_data(json, "test data", t->test.data) : CN_OK;
}

static void append_loop(cn__text *json, const cn_model *model, const cn_optimizer *optimizer) {
    cn__text_append(json, ",\"seed\":%llu", (unsigned long long)model->seed);
    if (optimizer)
        append_optimizer(json, optimizer);
}

static void begin(cn__text *json, const cn_context *ctx, const char *kind) {
    static const char *const algorithms[] = {"auto", "direct", "gemm"}, *const layouts[] = {"auto", "images",
                                                                                            "channels"};
    cn__text_append(json, "{\"kind\":\"%s\",\"conv_algorithm\":\"%s\",\"layout\":\"%s\"", kind,
                    algorithms[ctx->options.conv_algorithm], layouts[ctx->options.layout]);
}

/* `status`: how it has gone so far. */
static cn_status end(cn__text *json, cn_status status, char **text) {
    cn__text_append(json, "}");
    cn_status taken = cn__text_take(json, text);
    if (status == CN_OK || taken != CN_OK)
        return taken;
    cn_text_free(*text);
    *text = NULL;
    return status;
}

cn_status cn__run_text(const cn_trainer *trainer, char **text) {
    cn__text json = {.ctx = trainer->ctx};
    begin(&json, trainer->ctx, "a trainer's");
    return end(&json, append_trainers_run(&json, trainer), text);
}

cn_status cn__loop_text(const cn_model *model, const cn_optimizer *optimizer, char **text) {
    cn__text json = {.ctx = model->ctx};
    begin(&json, model->ctx, "a loop's");
    append_loop(&json, model, optimizer);
    return end(&json, CN_OK, text);
}
