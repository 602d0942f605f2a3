/* parameters.c: a model's tensors: how they are laid out, drawn and found by name; and what its images were. */
#include "model/model.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

#define MAX_FLOATS (SIZE_MAX / 64) /* in parameters: packed for kernels they take up to 32 times as many */

cn_status cn__model_ready(const cn_model *model, const char *function) {
    if (!model)
        return cn__error(CN_ERR_ARGUMENT, "%s: model is NULL", function);
    if (!model->initialized)
        return cn__error(CN_ERR_STATE, "%s: the model is not initialised (cn_model_init)", function);
    return CN_OK;
}

static size_t spec_count(const cn__tensor_spec *spec) {
    size_t count = 1;
    for (int i = 0; i < spec->dims; i++)
        count *= (size_t)spec->shape[i];
    return count;
}

static int node_specs(const cn__node *node, cn__tensor_spec *specs) {
    const cn__layer_type *type = node->layer->type;
    return type->tensors ? type->tensors(node->layer, specs) : 0;
}

static cn_status check_readers(const cn_model *model) {
    if (model->node_count == 0)
        return cn__error(CN_ERR_STATE, "cn_model_init: the model has no layers");
    if (model->input_readers == 0)
        return cn__error(CN_ERR_STATE, "cn_model_init: nothing reads 'input'");
    for (int32_t i = 0; i < (int32_t)model->node_count; i++) {
        const cn__node *node = &model->nodes[i];
        if (node->readers == 0 && (cn__node_is_input(node) || !cn__model_is_output(model, i)))
            return cn__error(CN_ERR_STATE, "cn_model_init: nothing reads layer '%s', and it is not an output",
                             node->name);
    }
    return CN_OK;
}

/* How much of each kind of memory the model's tensors take. */
typedef struct extents {
    size_t tensors, floats, buffers, counters;
} extents;

/* Where the next tensor goes; moves on by it. */
static void *place(cn_model *model, const cn__tensor_spec *spec, extents *at) {
    size_t count = spec_count(spec);
    void *data;
    if (spec->parameter) {
        data = model->parameters ? model->parameters + at->floats : NULL;
        at->floats += cn__whole_lines(count);
    } else if (spec->dtype == CN_DTYPE_INT64) {
        data = model->counters ? model->counters + at->counters : NULL;
        at->counters += count;
    } else {
        data = model->buffers ? model->buffers + at->buffers : NULL;
        at->buffers += cn__whole_lines(count);
    }
    at->tensors++;
    return data;
}

static cn_status fill_entry(cn_model *model, const cn__node *node, const cn__tensor_spec *spec, extents *at) {
    cn__model_tensor *entry = &model->tensors[at->tensors];
    size_t offset = at->floats, bytes = strlen(node->name) + strlen(spec->name) + 2;
    entry->name = cn__alloc(model->ctx, bytes, 1);
    if (!entry->name)
        return cn__no_memory("a tensor's name");
    snprintf(entry->name, bytes, "%s.%s", node->name, spec->name);
    entry->parameter = spec->parameter;
    entry->value = (cn_tensor){.ctx = model->ctx, .dtype = spec->dtype, .dims = spec->dims};
    for (int i = 0; i < spec->dims; i++)
        entry->value.shape[i] = spec->shape[i];
    entry->value.count = (int64_t)spec_count(spec);
    entry->value.data = place(model, spec, at);
    if (spec->parameter) {
        entry->gradient = entry->value;
        entry->gradient.data = model->gradients + offset;
    }
    return CN_OK;
}

static cn_status fill_slots(cn_model *model) {
    extents at = {0, 0, 0, 0};
    for (size_t i = 0; i < model->node_count; i++) {
        cn__tensor_spec specs[CN__MAX_TENSORS];
        cn__node *node = &model->nodes[i];
        node->tensor_count = node_specs(node, specs);
        node->first_tensor = (int32_t)at.tensors;
        for (int t = 0; t < node->tensor_count; t++)
            CN__TRY(fill_entry(model, node, &specs[t], &at));
    }
    return CN_OK;
}

static void drop_tensors(cn_model *model) {
    for (size_t i = 0; i < model->tensor_count; i++)
        cn__free(model->ctx, model->tensors[i].name);
    cn__free(model->ctx, model->tensors);
    cn__free(model->ctx, model->parameters);
    cn__free(model->ctx, model->gradients);
    cn__free(model->ctx, model->buffers);
    cn__free(model->ctx, model->counters);
    model->tensors = NULL;
    model->parameters = model->gradients = model->buffers = NULL;
    model->counters = NULL;
    model->tensor_count = model->flat_count = model->counter_count = model->buffer_count = 0;
}

static cn_status allocate_tensors(cn_model *model) {
    extents need = {0, 0, 0, 0};
    for (size_t i = 0; i < model->node_count; i++) {
        cn__tensor_spec specs[CN__MAX_TENSORS];
        int count = node_specs(&model->nodes[i], specs);
        for (int t = 0; t < count; t++) {
            place(model, &specs[t], &need);
            if (need.floats > MAX_FLOATS || need.buffers > MAX_FLOATS)
                return cn__no_memory("the model's parameters");
        }
    }
    /* One element more, so that no model asks for nothing. */
    model->tensors = cn__alloc(model->ctx, need.tensors + 1, sizeof *model->tensors);
    model->parameters = cn__alloc(model->ctx, need.floats + 1, sizeof *model->parameters);
    model->gradients = cn__alloc(model->ctx, need.floats + 1, sizeof *model->gradients);
    model->buffers = cn__alloc(model->ctx, need.buffers + 1, sizeof *model->buffers);
    model->counters = cn__alloc(model->ctx, need.counters + 1, sizeof *model->counters);
    bool all = model->tensors && model->parameters && model->gradients && model->buffers && model->counters;
    if (all) {
        model->tensor_count = need.tensors;
        model->flat_count = need.floats;
        model->counter_count = need.counters;
        model->buffer_count = need.buffers;
    }
    cn_status status = all ? fill_slots(model) : cn__no_memory("the model's parameters");
    if (status != CN_OK)
        drop_tensors(model);
    return status;
}

static cn_status check_class_count(const cn_model *model, int64_t names, cn_status status, const char *function) {
    int64_t outputs = cn__model_shape(model, cn__model_output_node(model, 0)).channels;
    if (names == outputs)
        return CN_OK;
    return cn__error(status, "%s: %lld class names for %lld outputs", function, (long long)names, (long long)outputs);
}

cn_status cn_model_init(cn_model *model, uint64_t seed) {
    CN__REQUIRE(model);
    if (!model->initialized) {
        CN__TRY(check_readers(model));
        if (model->class_count > 0)
            CN__TRY(check_class_count(model, model->class_count, CN_ERR_STATE, "cn_model_init"));
        CN__TRY(allocate_tensors(model));
    }
    for (size_t i = 0; i < model->node_count; i++) {
        const cn__node *node = &model->nodes[i];
        void *tensors[CN__MAX_TENSORS];
        for (int32_t t = 0; t < node->tensor_count; t++)
            tensors[t] = model->tensors[node->first_tensor + t].value.data;
        cn__rng rng = cn__rng_new(seed, CN__STREAM_INIT, i);
        if (node->layer->type->init)
            node->layer->type->init(node->layer, &rng, tensors);
    }
    model->seed = seed;
    cn__model_end_session(model);
    model->initialized = true;
    return CN_OK;
}

int64_t cn_model_tensor_count(const cn_model *model) {
    return model ? (int64_t)model->tensor_count : 0;
}

const char *cn_model_tensor_name(const cn_model *model, int64_t index) {
    return model && index >= 0 && (size_t)index < model->tensor_count ? model->tensors[index].name : NULL;
}

cn__model_tensor *cn__model_find_tensor(const cn_model *model, const char *name) {
    for (size_t i = 0; i < model->tensor_count; i++)
        if (strcmp(model->tensors[i].name, name) == 0)
            return &model->tensors[i];
    return NULL;
}

static cn_status no_entry(const char *name) {
    return cn__error(CN_ERR_NOT_FOUND, "the model has no tensor '%s'", name);
}

static cn_status find_tensor(const cn_model *model, const char *name, const char *function, cn_tensor **tensor) {
    CN__TRY(cn__model_ready(model, function));
    if (!name)
        return cn__error(CN_ERR_ARGUMENT, "%s: name is NULL", function);
    cn__model_tensor *entry = cn__model_find_tensor(model, name);
    if (!entry)
        return no_entry(name);
    *tensor = &entry->value;
    return CN_OK;
}

cn_status cn_model_tensor(cn_model *model, const char *name, cn_tensor **tensor) {
    CN__REQUIRE(tensor);
    *tensor = NULL;
    return find_tensor(model, name, "cn_model_tensor", tensor);
}

cn_status cn_model_tensor_const(const cn_model *model, const char *name, const cn_tensor **tensor) {
    cn_tensor *found = NULL;
    CN__REQUIRE(tensor);
    *tensor = NULL;
    CN__TRY(find_tensor(model, name, "cn_model_tensor_const", &found));
    *tensor = found;
    return CN_OK;
}

cn_status cn_model_gradient(cn_model *model, const char *name, cn_tensor **gradient) {
    CN__REQUIRE(gradient);
    *gradient = NULL;
    CN__TRY(cn__model_ready(model, "cn_model_gradient"));
    CN__REQUIRE(name);
    cn__model_tensor *entry = cn__model_find_tensor(model, name);
    if (!entry)
        return no_entry(name);
    if (!entry->parameter)
        return cn__error(CN_ERR_NOT_FOUND, "'%s' is a buffer and has no gradient", name);
    if (entry->frozen)
        return cn__error(CN_ERR_NOT_FOUND, "'%s' is frozen and has no gradient", name);
    *gradient = &entry->gradient;
    return CN_OK;
}

int64_t cn_model_parameter_count(const cn_model *model) {
    int64_t count = 0;
    for (size_t i = 0; model && i < model->tensor_count; i++)
        count += model->tensors[i].parameter ? model->tensors[i].value.count : 0;
    return count;
}

cn_status cn_model_set_normalization(cn_model *model, int channels, const float *mean, const float *std) {
    CN__REQUIRE(model);
    CN__REQUIRE(mean);
    CN__REQUIRE(std);
    if (channels != model->input.channels)
        return cn__error(CN_ERR_SHAPE, "normalisation of %d channels, the model reads %d", channels,
                         model->input.channels);
    for (int c = 0; c < channels; c++)
        if (!isfinite(mean[c]) || !isfinite(std[c]) || std[c] <= 0.0f)
            return cn__error(CN_ERR_ARGUMENT, "normalisation of channel %d: mean %g, std %g (wanted above 0)", c,
                             (double)mean[c], (double)std[c]);
    size_t bytes = (size_t)channels * sizeof(float);
    float *new_mean = cn__alloc(model->ctx, 1, bytes), *new_std = cn__alloc(model->ctx, 1, bytes);
    if (!new_mean || !new_std) {
        cn__free(model->ctx, new_mean);
        cn__free(model->ctx, new_std);
        return cn__no_memory("the normalisation");
    }
    memcpy(new_mean, mean, bytes);
    memcpy(new_std, std, bytes);
    cn__free(model->ctx, model->mean);
    cn__free(model->ctx, model->std);
    model->mean = new_mean;
    model->std = new_std;
    return CN_OK;
}

int cn_model_normalization(const cn_model *model, const float **mean, const float **std) {
    if (mean)
        *mean = model->mean;
    if (std)
        *std = model->std;
    return model->mean ? model->input.channels : 0;
}

static void free_names(cn_context *ctx, char **names, int64_t count) {
    for (int64_t i = 0; names && i < count; i++)
        cn__free(ctx, names[i]);
    cn__free(ctx, names);
}

cn_status cn_model_set_class_names(cn_model *model, int64_t classes, const char *const *names) {
    CN__REQUIRE(model);
    CN__REQUIRE(names);
    if (classes < 1 || classes > CN__MAX_SIDE)
        return cn__error(CN_ERR_ARGUMENT, "cn_model_set_class_names: %lld classes, wanted 1 to %d", (long long)classes,
                         CN__MAX_SIDE);
    if (model->initialized)
        CN__TRY(check_class_count(model, classes, CN_ERR_ARGUMENT, "cn_model_set_class_names"));
    char **copies = cn__alloc(model->ctx, (size_t)classes, sizeof *copies);
    if (!copies)
        return cn__no_memory("class names");
    for (int64_t i = 0; i < classes; i++) {
        copies[i] = names[i] ? cn__strdup(model->ctx, names[i]) : NULL;
        if (!copies[i]) {
            free_names(model->ctx, copies, classes);
            return names[i] ? cn__no_memory("class names")
                            : cn__error(CN_ERR_ARGUMENT, "cn_model_set_class_names: name %lld is NULL", (long long)i);
        }
    }
    free_names(model->ctx, model->class_names, model->class_count);
    model->class_names = copies;
    model->class_count = classes;
    return CN_OK;
}

int64_t cn_model_class_count(const cn_model *model) {
    return model ? model->class_count : 0;
}

const char *cn_model_class_name(const cn_model *model, int64_t index) {
    return model && index >= 0 && index < model->class_count ? model->class_names[index] : NULL;
}
