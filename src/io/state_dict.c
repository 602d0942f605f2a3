/* SPDX-License-Identifier: MIT */
/* state_dict.c: a model's tensors by name out of a file, as this library or PyTorch writes them. */
#include "io/io.h"
#include <stdio.h>
#include <string.h>

#define MAX_NAME     512
#define MAX_FULL     (MAX_NAME + 2 * CN__STATE_DICT_PREFIX)
#define MAX_MESSAGE  1024
#define MAX_WARNINGS 20 /* of tensors that the model does not have, one by one */

cn_status cn__each_tensor(const cn_model *model, cn__visit visit, void *user) {
    char name[MAX_NAME];
    for (size_t i = 0; i < model->node_count; i++) {
        cn__tensor_spec specs[CN__MAX_TENSORS];
        const cn__node *node = &model->nodes[i];
        int count = node->layer->type->tensors ? node->layer->type->tensors(node->layer, specs) : 0;
        for (int t = 0; t < count; t++) {
            snprintf(name, sizeof name, "%s.%s", node->name, specs[t].name);
            CN__TRY(visit(user, name, &specs[t]));
        }
    }
    return CN_OK;
}

/* ---- names ---- */

/* What a tensor of the model is called in the file. */
static const char *name_in_file(const cn__state_dict *dict, const char *name, char text[MAX_FULL]) {
    const char *const *pair = dict->renames;
    while (pair && *pair && strncmp(name, pair[1], strlen(pair[1])) != 0)
        pair += 2;
    bool renamed = pair && *pair;
    snprintf(text, MAX_FULL, "%s%s%s", dict->prefix, renamed ? pair[0] : "", renamed ? name + strlen(pair[1]) : name);
    return text;
}

static cn__entry *find_named(const cn__state_dict *dict, const char *name) {
    char full[MAX_FULL];
    return cn__safetensors_find(dict->file, name_in_file(dict, name, full));
}

/* Not an error, but the end of the search. */
static cn_status stop_if_there(void *dict, const char *name, const cn__tensor_spec *spec) {
    (void)spec;
    return find_named(dict, name) ? CN_ERR_STATE : CN_OK;
}

static bool finds_any(const cn__state_dict *dict, const cn_model *model) {
    return cn__each_tensor(model, stop_if_there, (void *)(uintptr_t)dict) != CN_OK;
}

/* Bytes of what a wrapper of PyTorch's puts before the names in it: DataParallel, torch.compile, Lightning. */
static size_t wrapper_length(const char *name) {
    static const char *const wrappers[] = {"module.", "_orig_mod.", "model."};
    for (size_t i = 0; i < CN__COUNT(wrappers); i++)
        if (strncmp(name, wrappers[i], strlen(wrappers[i])) == 0)
            return strlen(wrappers[i]);
    return 0;
}

/* Wrappers may lie in each other: takes the shortest prefix of `name` with which any tensor is found. */
static bool unwrap(cn__state_dict *dict, const cn_model *model, const char *name) {
    size_t length = 0, more;
    while ((more = wrapper_length(name + length)) > 0 && length + more <= CN__STATE_DICT_PREFIX) {
        length += more;
        memcpy(dict->prefix, name, length);
        dict->prefix[length] = '\0';
        if (finds_any(dict, model))
            return true;
    }
    dict->prefix[0] = '\0';
    return false;
}

void cn__state_dict_find_prefix(cn__state_dict *dict, const cn_model *model) {
    size_t i = 0;
    dict->prefix[0] = '\0';
    if (finds_any(dict, model))
        return;
    while (i < dict->file->count && wrapper_length(dict->file->entries[i].name) == 0)
        i++;
    if (i < dict->file->count && unwrap(dict, model, dict->file->entries[i].name))
        cn__log(model->ctx, CN_LOG_INFO, "'%s': its names begin with '%s', which is left out", dict->source,
                dict->prefix);
}

static cn_status stop_if_begins(void *beginning, const char *name, const cn__tensor_spec *spec) {
    (void)spec;
    return strncmp(name, beginning, strlen(beginning)) == 0 ? CN_ERR_STATE : CN_OK;
}

cn_status cn__state_dict_check_renames(const cn__state_dict *dict, const cn_model *model) {
    for (const char *const *pair = dict->renames; pair && *pair; pair += 2)
        if (cn__each_tensor(model, stop_if_begins, (void *)(uintptr_t)pair[1]) == CN_OK)
            return cn__error(CN_ERR_NOT_FOUND,
                             "names that begin with '%s' should be taken for '%s', but no tensor of the "
                             "model is called so",
                             pair[0], pair[1]);
    return CN_OK;
}

/* ---- what fits ---- */

/* Files of early PyTorch lack it, and it changes nothing that is computed. */
static bool may_be_missing(const cn__tensor_spec *spec) {
    return strcmp(spec->name, "num_batches_tracked") == 0;
}

/* One number is [] or [1]. */
static bool same_shape(const cn__entry *entry, const cn__tensor_spec *spec) {
    bool same = entry->dims == spec->dims;
    for (int i = 0; same && i < spec->dims; i++)
        same = entry->shape[i] == spec->shape[i];
    return same || (spec->dims == 0 && entry->dims == 1 && entry->shape[0] == 1);
}

static bool fits(const cn__entry *entry, const cn__tensor_spec *spec) {
    return same_shape(entry, spec) && cn__values_convertible(entry->dtype, spec->dtype);
}

cn__entry *cn__state_dict_find(const cn__state_dict *dict, const char *name, const cn__tensor_spec *spec) {
    cn__entry *entry = find_named(dict, name);
    return entry && fits(entry, spec) ? entry : NULL;
}

static cn_status say_missing(const cn__state_dict *dict, const char *name) {
    const cn__safetensors *file = dict->file;
    char full[MAX_FULL];
    return cn__error(CN_ERR_NOT_FOUND, "it has no tensor '%s' (but %zu others%s%.200s%s)",
                     name_in_file(dict, name, full), file->count, file->count ? ", such as '" : "",
                     file->count ? file->entries[0].name : "", file->count ? "'" : "");
}

static cn_status say_unfit(const cn__state_dict *dict, const cn__entry *entry, const cn__tensor_spec *spec) {
    char has[CN__SHAPE_TEXT], wants[CN__SHAPE_TEXT];
    (void)dict;
    return cn__error(CN_ERR_SHAPE, "its tensor '%s' is %s %s, the model wants %s %s", entry->name, entry->dtype,
                     cn__shape_text(has, entry->dims, entry->shape), cn__value_dtype(spec->dtype),
                     cn__shape_text(wants, spec->dims, spec->shape));
}

static void report(const cn__state_dict *dict, cn_load_result result, const char *name, const char *message) {
    CN__IN_HOSTS_MODE;
    if (dict->report)
        dict->report(dict->user, result, name, message);
}

typedef struct matching {
    cn__state_dict *dict;
    cn_context *ctx;
    cn_status status; /* of the first tensor that strictness refuses, and what is wrong with it */
    char message[MAX_MESSAGE];
} matching;

/* It is not taken. */
static void pass_over(matching *m, cn_status status, const char *name, bool allowed) {
    char message[MAX_MESSAGE];
    snprintf(message, sizeof message, "%s", cn_last_error());
    if (!m->dict->strict && !allowed)
        cn__log(m->ctx, CN_LOG_WARNING, "'%s': %s; the model keeps its own", m->dict->source, message);
    if (m->dict->strict && !allowed && m->status == CN_OK) {
        m->status = status;
        memcpy(m->message, message, sizeof message);
    }
    report(m->dict, status == CN_ERR_SHAPE ? CN_LOAD_OTHER_SHAPE : CN_LOAD_MISSING, name, message);
}

static cn_status match_tensor(void *user, const char *name, const cn__tensor_spec *spec) {
    matching *m = user;
    cn__entry *entry = find_named(m->dict, name);
    if (entry)
        entry->used = true;
    if (!entry) {
        pass_over(m, say_missing(m->dict, name), name, may_be_missing(spec));
    } else if (!fits(entry, spec)) {
        pass_over(m, say_unfit(m->dict, entry, spec), name, false);
    } else {
        m->dict->fitting++;
        report(m->dict, CN_LOAD_MATCHED, name, "");
    }
    return CN_OK;
}

static void report_unexpected(const cn__state_dict *dict) {
    for (size_t i = 0; i < dict->file->count; i++)
        if (!dict->file->entries[i].used)
            report(dict, CN_LOAD_UNEXPECTED, dict->file->entries[i].name, "the model has no such tensor");
}

cn_status cn__state_dict_match(cn__state_dict *dict, const cn_model *model) {
    matching m = {.dict = dict, .ctx = model->ctx};
    dict->fitting = 0;
    CN__TRY(cn__each_tensor(model, match_tensor, &m));
    report_unexpected(dict);
    return m.status == CN_OK ? CN_OK : cn__error(m.status, "%s", m.message);
}

/* ---- taking it ---- */

typedef struct taking {
    const cn__state_dict *dict;
    cn_model *model;
    size_t tensor; /* the next of the model's */
} taking;

static cn_status check_values(void *user, const char *name, const cn__tensor_spec *spec) {
    const taking *t = user;
    const cn__entry *entry = cn__state_dict_find(t->dict, name, spec);
    if (!entry)
        return CN_OK;
    int64_t count = (int64_t)((entry->end - entry->begin) / cn__value_bytes(entry->dtype));
    return cn__values_loadable(entry->dtype, t->dict->file->data + entry->begin, 0, count, entry->name, spec->dtype);
}

static cn_status take_values(void *user, const char *name, const cn__tensor_spec *spec) {
    taking *t = user;
    cn_tensor *tensor = &t->model->tensors[t->tensor++].value;
    const cn__entry *entry = cn__state_dict_find(t->dict, name, spec);
    if (entry)
        cn__values_load(entry->dtype, t->dict->file->data + entry->begin, tensor);
    return CN_OK;
}

static void log_unused(const cn__state_dict *dict, cn_context *ctx) {
    size_t unused = 0;
    if (cn__safetensors_metadata(dict->file, CN__KEY_CHECKPOINT)) /* which has more than a model */
        return;
    for (size_t i = 0; i < dict->file->count; i++)
        if (!dict->file->entries[i].used && unused++ < MAX_WARNINGS)
            cn__log(ctx, CN_LOG_WARNING, "'%s': the model has no tensor '%s', passed over", dict->source,
                    dict->file->entries[i].name);
    if (unused > MAX_WARNINGS)
        cn__log(ctx, CN_LOG_WARNING, "'%s': and %zu more that the model does not have", dict->source,
                unused - MAX_WARNINGS);
}

cn_status cn__state_dict_load(const cn__state_dict *dict, cn_model *model) {
    taking t = {dict, model, 0};
    CN__TRY(cn__each_tensor(model, check_values, &t));
    CN__TRY(cn__each_tensor(model, take_values, &t));
    log_unused(dict, model->ctx);
    return CN_OK;
}
