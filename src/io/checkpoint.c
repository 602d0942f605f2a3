/* SPDX-License-Identifier: MIT */
/* checkpoint.c: a run that is not over, into a file and out of it again: its model's file, with the rest of its state
 * beside the model's tensors. All of a file is checked before anything of it is taken. */
#include "io/checkpoint.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define VERSION 1
#define KEY_BY  CN__KEY_CHECKPOINT ".by"
#define KEY_RUN CN__KEY_CHECKPOINT ".run"

enum { BY_TEXT = 64 };

static const cn_model *model_of(const cn_checkpoint *c) {
    return c->trainer ? c->trainer->model : c->model;
}

/* ---- saving ---- */

static void write_by(const cn_context *ctx, char text[BY_TEXT]) {
    snprintf(text, BY_TEXT, "%s, %s", cn_version_string(), cn_isa_name(ctx->isa));
}

static cn_status pack(const cn__contents *c, cn_tensor **file) {
    char by[BY_TEXT], version[12];
    const cn__metadata metadata[] = {{CN__KEY_CHECKPOINT, version}, {KEY_BY, by}, {KEY_RUN, c->run}, CN__UNSEALED};
    snprintf(version, sizeof version, "%d", VERSION);
    write_by(c->ctx, by);
    CN__TRY(cn__model_pack(c->model, c->architecture, CN_WEIGHTS_FLOAT32,
                           &(cn__beside){c->arrays, c->array_count, metadata, CN__COUNT(metadata)}, file));
    cn__checkpoint_seal(*file);
    return CN_OK;
}

static cn_status save_memory(const cn_checkpoint *given, cn_tensor **file) {
    cn__contents c;
    if (given->trainer && given->trainer->within_batch)
        return cn__error(CN_ERR_STATE, "the trainer is within a batch; on_batch, on_epoch and whoever calls "
                                       "cn_trainer_fit may save it");
    CN__READS(model_of(given));
    const cn_trainer *t = given->trainer;
    cn_status status = cn__contents_init(&c, given, t ? (int64_t)t->epochs : 0, t ? (int64_t)t->rates.count : 0);
    if (status == CN_OK) {
        cn__checkpoint_fill_history(&c);
        status = pack(&c, file);
    }
    cn__contents_drop(&c);
    return status;
}

cn_status cn_checkpoint_save_memory(const cn_checkpoint *checkpoint, cn_tensor **file) {
    CN__COMPUTES;
    cn_checkpoint known;
    CN__REQUIRE(file);
    *file = NULL;
    CN__TRY(cn__checkpoint_read(checkpoint, __func__, &known));
    return save_memory(&known, file);
}

cn_status cn_checkpoint_save(const cn_checkpoint *checkpoint, const char *path) {
    CN__COMPUTES;
    cn_checkpoint known;
    cn_tensor *file = NULL;
    CN__TRY(cn__checkpoint_read(checkpoint, __func__, &known));
    CN__REQUIRE(path);
    CN__TRY(cn__in_file(save_memory(&known, &file), path));
    cn_status status =
        cn__replace_file(model_of(&known)->ctx, path, &(struct iovec){file->data, (size_t)file->count}, 1);
    cn_tensor_free(file);
    return status;
}

cn_status cn_trainer_save(const cn_trainer *trainer, const char *path) {
    CN__COMPUTES;
    cn_checkpoint checkpoint = CN_CHECKPOINT_INIT;
    CN__REQUIRE(trainer);
    CN__REQUIRE(path);
    checkpoint.trainer = (cn_trainer *)(uintptr_t)trainer; /* which saving only reads */
    return cn_checkpoint_save(&checkpoint, path);
}

/* ---- whether a file is a checkpoint, and of the same run ---- */

static cn_status check_format(const cn__safetensors *file) {
    const char *version = cn__safetensors_metadata(file, CN__KEY_CHECKPOINT);
    if (!version)
        return cn__error(CN_ERR_FORMAT, "it is no checkpoint%s",
                         cn__safetensors_metadata(file, CN__KEY_MODEL) ? ", but a model without the rest of its run"
                                                                       : "");
    if (cn__file_version(file, CN__KEY_CHECKPOINT) != VERSION)
        return cn__error(CN_ERR_FORMAT, "its checkpoint is of version '%.20s', this library (%s) reads version %d",
                         version, cn_version_string(), VERSION);
    return cn__checkpoint_check_header(file);
}

static cn_status compare(cn_context *ctx, const char *there, const char *here, const char *what) {
    cn__json *first, *second = NULL;
    cn__json_place place;
    if (there && strcmp(there, here) == 0)
        return CN_OK;
    if (!there)
        return cn__error(CN_ERR_FORMAT, "it does not say what %s it is of", what);
    CN__TRY(cn__json_read(ctx, there, strlen(there), what, &first));
    cn_status status = cn__json_read(ctx, here, strlen(here), what, &second);
    if (status == CN_OK && cn__json_difference(first, second, &place))
        status = cn__error(CN_ERR_STATE, "it is a checkpoint of another %s: %s is %s there, %s here", what, place.path,
                           place.first, place.second);
    cn__free(ctx, first);
    cn__free(ctx, second);
    return status;
}

/* Another rounding is no other run, but not quite the same either. */
static void compare_machines(const cn__contents *c, const cn__safetensors *file, const char *source) {
    const char *there = cn__safetensors_metadata(file, KEY_BY);
    char here[BY_TEXT];
    write_by(c->ctx, here);
    const char *isa = there ? strrchr(there, ' ') : NULL;
    bool fused = isa && strcmp(isa + 1, cn_isa_name(CN_ISA_PORTABLE)) != 0;
    bool same_version = isa && strncmp(there, here, (size_t)(isa - there)) == 0;
    if (!same_version || fused != (c->ctx->isa != CN_ISA_PORTABLE))
        cn__log(c->ctx, CN_LOG_WARNING,
                "'%s': begun with version and processor '%.60s', goes on with '%s': results may differ in rounding",
                source, there ? there : "", here);
}

/* ---- whether all of it is there ---- */

static bool same_shape(const cn__entry *a, const cn__entry *b) {
    bool same = a->dims == b->dims;
    for (int i = 0; same && i < a->dims; i++)
        same = a->shape[i] == b->shape[i];
    return same;
}

static cn_status match_array(const cn__contents *c, size_t index, cn__safetensors *file) {
    const cn__entry *wanted = &c->arrays[index].entry;
    cn__entry *entry = cn__safetensors_find(file, wanted->name);
    char has[CN__SHAPE_TEXT], wants[CN__SHAPE_TEXT];
    bool own = index + (size_t)c->given.tensor_count >= c->array_count;
    const char *name = own ? wanted->name + strlen(CN__CHECKPOINT_OWN) : wanted->name;
    if (!entry)
        return cn__error(own ? CN_ERR_STATE : CN_ERR_FORMAT, "it has no tensor '%s'", name);
    if (strcmp(entry->dtype, wanted->dtype) != 0 || !same_shape(entry, wanted))
        return cn__error(own ? CN_ERR_STATE : CN_ERR_FORMAT, "its tensor '%s' is %s %s, wanted %s %s", name,
                         entry->dtype, cn__shape_text(has, entry->dims, entry->shape), wanted->dtype,
                         cn__shape_text(wants, wanted->dims, wanted->shape));
    entry->used = true;
    return CN_OK;
}

static cn_status match(const cn__contents *c, cn__safetensors *file, cn__state_dict *dict) {
    for (size_t i = 0; i < c->array_count; i++)
        CN__TRY(match_array(c, i, file));
    cn_status status = cn__state_dict_match(dict, c->model);
    return status == CN_OK || status == CN_ERR_MEMORY ? status : cn__error(CN_ERR_FORMAT, "%s", cn_last_error());
}

/* ---- whether its numbers can be ---- */

static int64_t count_at(const unsigned char *bytes, unsigned width) {
    int64_t wide;
    int32_t narrow;
    if (width == sizeof wide) {
        cn__numbers_load(&wide, width, 1, bytes);
        return wide;
    }
    cn__numbers_load(&narrow, sizeof narrow, 1, bytes);
    return narrow;
}

static int64_t most_of(const cn__contents *c, const cn__value *value) {
    if (strcmp(value->name, "epoch/batch") == 0)
        return c->given.trainer->batches;
    if (value->data == &c->passes)
        return UINT32_MAX;
    return strcmp(value->dtype, "I32") == 0 ? INT32_MAX / 2 : INT64_MAX / 2;
}

/* Those that count something, with which a run could otherwise go astray. */
static cn_status check_counts(const cn__contents *c, const cn__safetensors *file) {
    for (size_t i = 0; i < c->state.count; i++) {
        const cn__value *value = &c->state.values[i];
        const unsigned char *bytes = file->data + cn__safetensors_find(file, value->name)->begin;
        unsigned width = cn__value_bytes(value->dtype);
        for (size_t k = 0; value->dtype[0] == 'I' && k < value->count; k++) {
            int64_t count = count_at(bytes + k * width, width), most = most_of(c, value);
            if (count < 0 || count > most)
                return cn__error(CN_ERR_FORMAT, "its '%s' is %lld, wanted 0 to %lld", value->name, (long long)count,
                                 (long long)most);
        }
    }
    return CN_OK;
}

/* ---- taking it ---- */

/* All that could still fail, without any change that shows. */
static cn_status make_room(cn__contents *c) {
    if (c->given.trainer)
        return cn__checkpoint_make_room(c);
    return cn_model_set_training_passes(c->model, cn_model_training_passes(c->model));
}

static void take_arrays(const cn__contents *c, const cn__safetensors *file) {
    for (size_t i = 0; i < c->array_count; i++) {
        const cn__entry *entry = cn__safetensors_find(file, c->arrays[i].entry.name);
        unsigned width = cn__value_bytes(entry->dtype);
        cn__numbers_load(c->arrays[i].data, width, (size_t)(entry->end - entry->begin) / width,
                         file->data + entry->begin);
    }
}

static void go_on(const cn__contents *c) {
    cn_trainer *t = c->given.trainer;
    cn__model_set_frozen_flags(c->model, c->frozen);
    if (!t) {
        (void)cn_model_set_training_passes(c->model, c->passes); /* there is room, and it was looked at */
        return;
    }
    cn__checkpoint_take_history(c);
    if (t->batch > 0)
        cn__sampler_epoch(&t->sampler, t->options.seed, (uint64_t)t->epochs + 1);
    cn__average_show(&t->average, true);
}

static cn_status take(cn__contents *c, cn__safetensors *file, const char *source) {
    cn__state_dict dict = {.file = file, .source = source, .strict = true};
    CN__TRY(compare(c->ctx, cn__safetensors_metadata(file, CN__KEY_MODEL), c->architecture, "model"));
    CN__TRY(compare(c->ctx, cn__safetensors_metadata(file, KEY_RUN), c->run, "run"));
    CN__TRY(match(c, file, &dict));
    CN__TRY(cn__safetensors_fetch(file));
    CN__TRY(cn__checkpoint_check_data(file));
    CN__TRY(check_counts(c, file));
    CN__TRY(cn__checkpoint_check_rates(c, file));
    CN__TRY(make_room(c));
    CN__TRY(cn__state_dict_load(&dict, c->model));
    take_arrays(c, file);
    go_on(c);
    compare_machines(c, file, source);
    return CN_OK;
}

/* ---- loading ---- */

static cn_status load(const cn_checkpoint *given, cn__safetensors *file, const char *source) {
    cn__contents c;
    CN__TRY(check_format(file));
    CN__TAKES(model_of(given), "cn_checkpoint_load");
    cn_status status = cn__contents_init(&c, given, cn__checkpoint_epochs(file), cn__checkpoint_corners(file));
    if (status == CN_OK)
        status = take(&c, file, source);
    cn__contents_drop(&c);
    return status;
}

static cn_status ready_to_load(const cn_checkpoint *given, const char *function) {
    if (given->trainer && given->trainer->running)
        return cn__error(CN_ERR_STATE,
                         "%s: called by a callback of cn_trainer_fit, which is for the time between its "
                         "calls",
                         function);
    for (int64_t i = 0; i < given->tensor_count; i++)
        CN__TRY(cn__tensor_writable(given->tensors[i], given->names[i]));
    return CN_OK;
}

static cn_status finish(const cn_checkpoint *given, cn_status status, cn__safetensors *file, const char *source) {
    if (status == CN_OK) {
        status = load(given, file, source);
        cn__safetensors_drop(file);
    }
    return cn__in_file(status, source);
}

cn_status cn_checkpoint_load_memory(const cn_checkpoint *checkpoint, const void *data, size_t bytes) {
    CN__COMPUTES;
    cn_checkpoint known;
    cn__safetensors file;
    CN__TRY(cn__checkpoint_read(checkpoint, __func__, &known));
    CN__REQUIRE(data);
    CN__TRY(ready_to_load(&known, __func__));
    return finish(&known, cn__safetensors_read(model_of(&known)->ctx, data, bytes, &file), &file, "(memory)");
}

cn_status cn_checkpoint_load(const cn_checkpoint *checkpoint, const char *path) {
    CN__COMPUTES;
    cn_checkpoint known;
    cn__safetensors file;
    struct stat info;
    CN__TRY(cn__checkpoint_read(checkpoint, __func__, &known));
    CN__REQUIRE(path);
    CN__TRY(ready_to_load(&known, __func__));
    if (stat(path, &info) != 0 && errno == ENOENT)
        return cn__error(CN_ERR_NOT_FOUND, "there is no '%s'", path);
    return finish(&known, cn__safetensors_open(model_of(&known)->ctx, path, &file), &file, path);
}

cn_status cn_trainer_resume(cn_trainer *trainer, const char *path) {
    CN__COMPUTES;
    cn_checkpoint checkpoint = CN_CHECKPOINT_INIT;
    CN__REQUIRE(trainer);
    CN__REQUIRE(path);
    checkpoint.trainer = trainer;
    return cn_checkpoint_load(&checkpoint, path);
}
