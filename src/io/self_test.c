/* SPDX-License-Identifier: MIT */
/* self_test.c: one input of a model, what it gave for that, and whether it still does. */
#include "io/io.h"
#include <math.h>
#include <string.h>

#define MAX_BYTES (4 * 1024 * 1024) /* so that readers take the header */

/* ---- whether the model has been changed ---- */

uint32_t cn__self_test_crc(const cn_model *model) {
    uint32_t crc = 0;
    for (size_t i = 0; i < model->tensor_count; i++) {
        const cn_tensor *value = &model->tensors[i].value;
        crc = cn__crc_add(crc, value->data, (size_t)value->count * cn__dtype_bytes(value->dtype));
    }
    return crc;
}

bool cn__self_test_is_current(const cn_model *model) {
    return !model->self_test->stale && model->self_test->crc == cn__self_test_crc(model);
}

/* ---- running ---- */

static cn_status copy_tensor(const cn_tensor *from, cn_tensor **copy) {
    CN__TRY(cn_tensor_new(from->ctx, from->dtype, from->dims, from->shape, copy));
    memcpy((*copy)->data, from->data, (size_t)from->count * cn__dtype_bytes(from->dtype));
    return CN_OK;
}

static cn_status output_tensor(const cn_model *model, int32_t index, cn_tensor **tensor) {
    cn__shape shape = cn__model_shape(model, cn__model_output_node(model, index));
    bool flat = shape.height == 1 && shape.width == 1;
    return cn_tensor_new(model->ctx, CN_DTYPE_FLOAT32, flat ? 2 : 4,
                         (int64_t[]){1, shape.channels, shape.height, shape.width}, tensor);
}

static cn_status predict(const cn_model *model, const cn__self_test *test) {
    cn_predictor_options options = CN_PREDICTOR_OPTIONS_INIT;
    cn_predictor *predictor;
    options.max_batch_size = 1;
    CN__TRY(cn_predictor_new(model, &options, &predictor));
    cn_status status = cn_predictor_run_all(predictor, test->input_count, (const cn_tensor *const *)test->inputs,
                                            test->output_count, test->outputs);
    cn_predictor_free(predictor);
    return status;
}

static cn_status fill(const cn_model *model, cn_tensor *const *inputs, cn__self_test *test) {
    test->inputs = cn__alloc(model->ctx, (size_t)test->input_count, sizeof *test->inputs);
    test->outputs = cn__alloc(model->ctx, (size_t)test->output_count, sizeof *test->outputs);
    if (!test->inputs || !test->outputs)
        return cn__no_memory("a self-test");
    for (int32_t i = 0; i < test->input_count; i++)
        CN__TRY(copy_tensor(inputs[i], &test->inputs[i]));
    for (int32_t i = 0; i < test->output_count; i++)
        CN__TRY(output_tensor(model, i, &test->outputs[i]));
    test->crc = cn__self_test_crc(model);
    return predict(model, test);
}

cn_status cn__self_test_make(const cn_model *model, cn_tensor *const *inputs, cn__self_test **test) {
    cn__self_test *made = cn__alloc(model->ctx, 1, sizeof *made);
    *test = NULL;
    if (!made)
        return cn__no_memory("a self-test");
    made->input_count = cn__model_input_count(model);
    made->output_count = cn__model_output_count(model);
    cn_status status = fill(model, inputs, made);
    if (status == CN_OK)
        *test = made;
    else
        cn__self_test_free(model->ctx, made);
    return status;
}

/* ---- setting ---- */

static cn_status check_finite(const cn_tensor *tensor, const char *what, const char *name) {
    for (int64_t i = 0; tensor->dtype == CN_DTYPE_FLOAT32 && i < tensor->count; i++)
        if (!isfinite(((const float *)tensor->data)[i]))
            return cn__error(CN_ERR_DATA, "cn_model_set_self_test: %s '%s' has a number that is not finite", what,
                             name);
    return CN_OK;
}

static cn_status check_input(const cn_model *model, int32_t index, const cn_tensor *input) {
    cn__shape shape = cn__model_shape(model, cn__model_input_node(model, index));
    if (!input)
        return cn__error(CN_ERR_ARGUMENT, "cn_model_set_self_test: input %d is NULL", index);
    bool bytes = index == 0 && input->dtype == CN_DTYPE_UINT8;
    CN__TRY(cn__tensor_expect(input, "cn_model_set_self_test: input", bytes ? CN_DTYPE_UINT8 : CN_DTYPE_FLOAT32, 4,
                              (int64_t[]){1, shape.channels, shape.height, shape.width}));
    return check_finite(input, "input", cn_model_input_name(model, index));
}

static cn_status check_outcome(const cn_model *model, const cn__self_test *test) {
    size_t bytes = 0;
    for (int32_t i = 0; i < test->input_count; i++)
        bytes += (size_t)test->inputs[i]->count * cn__dtype_bytes(test->inputs[i]->dtype);
    for (int32_t i = 0; i < test->output_count; i++) {
        bytes += (size_t)test->outputs[i]->count * sizeof(float);
        CN__TRY(check_finite(test->outputs[i], "output", cn_model_output_name(model, i)));
    }
    if (bytes > MAX_BYTES)
        return cn__error(CN_ERR_SHAPE,
                         "cn_model_set_self_test: inputs and outputs are %zu bytes, files hold at most %d", bytes,
                         MAX_BYTES);
    return CN_OK;
}

cn_status cn_model_set_self_test(cn_model *model, int64_t input_count, const cn_tensor *const *inputs) {
    CN__COMPUTES;
    cn__self_test *test = NULL;
    CN__TRY(cn__model_ready(model, __func__));
    if (input_count != 0 || inputs) {
        CN__REQUIRE(inputs);
        if (input_count != cn__model_input_count(model))
            return cn__error(CN_ERR_SHAPE, "cn_model_set_self_test: %lld inputs, the model has %d",
                             (long long)input_count, cn__model_input_count(model));
        for (int32_t i = 0; i < cn__model_input_count(model); i++)
            CN__TRY(check_input(model, i, inputs[i]));
        CN__TRY(cn__self_test_make(model, (cn_tensor *const *)inputs, &test));
        cn_status status = check_outcome(model, test);
        if (status != CN_OK) {
            cn__self_test_free(model->ctx, test);
            return status;
        }
    }
    cn__self_test_free(model->ctx, model->self_test);
    model->self_test = test;
    return CN_OK;
}

/* ---- comparing ---- */

/* The largest difference as a share of the largest value; NaN counts as infinite. */
static double difference_of(const cn_tensor *got, const cn_tensor *wanted) {
    const float *a = got->data, *b = wanted->data;
    double most = 0.0, off = 0.0;
    for (int64_t i = 0; i < wanted->count; i++) {
        double difference = fabs((double)a[i] - (double)b[i]);
        most = fmax(most, fabs((double)b[i]));
        off = isnan(difference) ? INFINITY : fmax(off, difference);
    }
    return off > 0.0 && most > 0.0 ? off / most : off;
}

static cn_status compare(const cn_model *model, const cn__self_test *now, double tolerance, double *difference) {
    int32_t worst = 0;
    for (int32_t i = 0; i < now->output_count; i++) {
        double off = difference_of(now->outputs[i], model->self_test->outputs[i]);
        if (off > *difference) {
            *difference = off;
            worst = i;
        }
    }
    if (*difference <= tolerance)
        return CN_OK;
    return cn__error(CN_ERR_NUMERIC,
                     "cn_model_self_test: output '%s' is off by %.3g of its largest value, allowed were %.3g",
                     cn_model_output_name(model, worst), *difference, tolerance);
}

cn_status cn_model_self_test(const cn_model *model, double tolerance, double *difference) {
    CN__COMPUTES;
    cn__self_test *now;
    double off = 0.0;
    CN__TRY(cn__model_ready(model, __func__));
    if (!(tolerance >= 0.0))
        return cn__error(CN_ERR_ARGUMENT, "cn_model_self_test: tolerance is %g, wanted 0 or more", tolerance);
    if (!model->self_test)
        return cn__error(CN_ERR_NOT_FOUND, "cn_model_self_test: the model has no self-test");
    if (!cn__self_test_is_current(model))
        return cn__error(CN_ERR_STATE, "cn_model_self_test: the model has been changed since its self-test was made");
    CN__TRY(cn__self_test_make(model, model->self_test->inputs, &now));
    cn_status status = compare(model, now, tolerance, &off);
    cn__self_test_free(model->ctx, now);
    if (difference)
        *difference = off;
    return status;
}
