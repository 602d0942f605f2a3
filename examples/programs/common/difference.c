/* SPDX-License-Identifier: MIT */
/* difference.c: runs two networks on the same random images, and holds tensors against each other. */
#include "difference.h"
#include <math.h>

enum { IMAGES = 2 };

/* ---- numbers ---- */

static double number_at(const cn_tensor *tensor, int64_t at) {
    const void *data = cn_tensor_data_const(tensor);
    cn_dtype dtype = cn_tensor_dtype(tensor);
    return dtype == CN_DTYPE_FLOAT32 ? (double)((const float *)data)[at]
           : dtype == CN_DTYPE_INT64 ? (double)((const int64_t *)data)[at]
                                     : ((const uint8_t *)data)[at];
}

static bool same_shape(const cn_tensor *a, const cn_tensor *b) {
    bool same = cn_tensor_dims(a) == cn_tensor_dims(b);
    for (int i = 0; same && i < cn_tensor_dims(a); i++)
        same = cn_tensor_shape(a, i) == cn_tensor_shape(b, i);
    return same;
}

/* What is infinite or no number in both alike is no difference. */
static void compare(const cn_tensor *tensor, const cn_tensor *other, difference *d) {
    double most = 0.0, largest = 0.0;
    if (!same_shape(tensor, other)) {
        d->numbers = false;
        return;
    }
    for (int64_t i = 0; i < cn_tensor_count(tensor); i++) {
        double a = number_at(tensor, i), b = number_at(other, i);
        d->finite = d->finite && isfinite(a);
        if (a == b || (isnan(a) && isnan(b)))
            continue;
        largest = fmax(largest, fabs(a - b));
        d->numbers = d->numbers && isfinite(a) && isfinite(b);
    }
    for (int64_t i = 0; i < cn_tensor_count(tensor); i++)
        most = isfinite(number_at(tensor, i)) ? fmax(most, fabs(number_at(tensor, i))) : most;
    double share = largest == 0.0 ? 0.0 : largest / most;
    d->absolute = fmax(d->absolute, largest);
    d->relative = fmax(d->relative, share);
}

cn_status difference_of_tensors(const cn_tensors *tensors, const cn_tensors *others, difference *d) {
    *d = (difference){.numbers = true, .finite = true};
    for (int64_t i = 0; i < cn_tensors_count(tensors); i++) {
        const char *name = cn_tensors_name(tensors, i);
        const cn_tensor *tensor, *other;
        cn_status status = cn_tensors_get_const(tensors, name, &tensor);
        if (status == CN_OK)
            status = cn_tensors_get_const(others, name, &other);
        if (status != CN_OK)
            return status;
        compare(tensor, other, d);
    }
    return CN_OK;
}

/* ---- networks ---- */

/* The inputs of one network, or its outputs. */
typedef struct tensor_list {
    int64_t count;
    cn_tensor **items;
} tensor_list;

static void free_list(tensor_list *list) {
    for (int64_t i = 0; list->items && i < list->count; i++)
        cn_tensor_free(list->items[i]);
    free(list->items);
}

static cn_status make_list(cn_context *context, const cn_model *model, bool outputs, tensor_list *list) {
    list->count = outputs ? cn_model_output_count(model) : cn_model_input_count(model);
    list->items = calloc((size_t)list->count, sizeof *list->items);
    cn_status status = list->items ? CN_OK : CN_ERR_MEMORY;
    for (int64_t i = 0; i < list->count && status == CN_OK; i++) {
        int64_t shape[4] = {IMAGES, 0, 0, 0};
        (outputs ? cn_model_output_shape_at : cn_model_input_shape_at)(model, i, shape + 1);
        status = cn_tensor_new(context, CN_DTYPE_FLOAT32, 4, shape, &list->items[i]);
    }
    return status;
}

/* Steele and others' SplitMix64: the same images each time. */
static uint64_t next_random(uint64_t *state) {
    uint64_t z = *state += 0x9E3779B97F4A7C15;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9;
    z = (z ^ z >> 27) * 0x94D049BB133111EB;
    return z ^ z >> 31;
}

/* From -1 to 1, or whole numbers from 0 to 255. */
static void draw(cn_tensor *tensor, bool pixels, uint64_t *state) {
    float *values = cn_tensor_data(tensor);
    for (int64_t i = 0; i < cn_tensor_count(tensor); i++) {
        uint64_t random = next_random(state);
        values[i] = pixels ? (float)(random >> 56) : (float)(random >> 40) * 0x1p-23f - 1.0f;
    }
}

static void normalise(const cn_model *model, cn_tensor *images) {
    const float *mean, *std;
    float *values = cn_tensor_data(images);
    int channels = cn_model_normalization(model, &mean, &std);
    int64_t plane = cn_tensor_shape(images, 2) * cn_tensor_shape(images, 3);
    for (int64_t i = 0; i < cn_tensor_count(images); i++) {
        int64_t c = channels ? i / plane % channels : 0;
        values[i] = (values[i] / 255.0f - (channels ? mean[c] : 0.0f)) / (channels ? std[c] : 1.0f);
    }
}

static cn_status run(cn_context *context, const cn_model *model, const tensor_list *inputs, tensor_list *outputs) {
    cn_predictor_options options = CN_PREDICTOR_OPTIONS_INIT;
    cn_predictor *predictor = NULL;
    options.max_batch_size = IMAGES;
    cn_status status = make_list(context, model, true, outputs);
    if (status == CN_OK)
        status = cn_predictor_new(model, &options, &predictor);
    if (status == CN_OK)
        status = cn_predictor_run_all(predictor, inputs->count, (const cn_tensor *const *)inputs->items, outputs->count,
                                      outputs->items);
    cn_predictor_free(predictor);
    return status;
}

/* Both outputs of the same images. */
static cn_status run_both(cn_context *context, const cn_model *model, const cn_model *other, bool pixels,
                          tensor_list *inputs, tensor_list outputs[2]) {
    uint64_t state = 1;
    cn_status status = make_list(context, model, false, inputs);
    if (status != CN_OK)
        return status;
    for (int64_t i = 0; i < inputs->count; i++)
        draw(inputs->items[i], pixels && i == 0, &state);
    status = run(context, other, inputs, &outputs[1]);
    if (pixels)
        normalise(model, inputs->items[0]);
    return status == CN_OK ? run(context, model, inputs, &outputs[0]) : status;
}

cn_status difference_of_models(cn_context *context, const cn_model *model, const cn_model *other, bool pixels,
                               difference *d) {
    tensor_list inputs = {0}, outputs[2] = {{0}, {0}};
    *d = (difference){.numbers = true, .finite = true};
    cn_status status = run_both(context, model, other, pixels, &inputs, outputs);
    d->numbers = outputs[0].count == outputs[1].count;
    for (int64_t i = 0; status == CN_OK && d->numbers && i < outputs[0].count; i++)
        compare(outputs[0].items[i], outputs[1].items[i], d);
    free_list(&outputs[1]);
    free_list(&outputs[0]);
    free_list(&inputs);
    return status;
}
