/* SPDX-License-Identifier: MIT */
/* c_expected.c: what a model gives for a known input, which a self-test holds a written program against. It is computed
 * by plain sums, in a context of its own: Winograd's rounding would take most of what a test allows. */
#include "export/export.h"
#include <math.h>

typedef struct run {
    cn_context *ctx;
    cn_model *model; /* a copy */
    cn_predictor *predictor;
    cn_tensor **inputs, **outputs;
    int32_t input_count, output_count;
} run;

static cn_status open_context(const cn_model *model, cn_context **ctx) {
    const cn_context_options *own = &model->ctx->options;
    cn_context_options options = CN_CONTEXT_OPTIONS_INIT;
    options.threads = 1;
    options.isa = own->isa;
    options.conv_algorithm = CN_CONV_DIRECT;
    options.allocate = own->allocate;
    options.release = own->release;
    options.user = own->user;
    return cn_context_new(&options, ctx);
}

static cn_status copy_model(const cn_model *model, run *r) {
    cn_tensor *file;
    CN__TRY(cn_model_save_memory(model, &file));
    cn_status status =
        cn_model_load_memory(r->ctx, cn_tensor_data_const(file), (size_t)cn_tensor_count(file), &r->model);
    cn_tensor_free(file);
    return status;
}

static cn_status image_tensor(cn_context *ctx, cn__shape shape, cn_tensor **tensor) {
    return cn_tensor_new(ctx, CN_DTYPE_FLOAT32, 4, (int64_t[]){1, shape.channels, shape.height, shape.width}, tensor);
}

static void fill(uint32_t *state, cn_tensor *tensor) {
    float *values = tensor->data;
    for (int64_t i = 0; i < tensor->count; i++) {
        *state = *state * CN__C_FACTOR + CN__C_TERM;
        values[i] = (float)(*state >> 8) / 8388608.0f - 1.0f;
    }
}

static cn_status make_tensors(run *r) {
    uint32_t state = CN__C_SEED;
    r->inputs = cn__alloc(r->ctx, (size_t)r->input_count, sizeof(cn_tensor *));
    r->outputs = cn__alloc(r->ctx, (size_t)r->output_count, sizeof(cn_tensor *));
    if (!r->inputs || !r->outputs)
        return cn__no_memory("a self-test");
    for (int32_t i = 0; i < r->input_count; i++) {
        CN__TRY(image_tensor(r->ctx, cn__model_shape(r->model, cn__model_input_node(r->model, i)), &r->inputs[i]));
        fill(&state, r->inputs[i]);
    }
    for (int32_t i = 0; i < r->output_count; i++)
        CN__TRY(image_tensor(r->ctx, cn__model_shape(r->model, cn__model_output_node(r->model, i)), &r->outputs[i]));
    return CN_OK;
}

static cn_status predict(const cn_model *model, run *r) {
    cn_predictor_options options = CN_PREDICTOR_OPTIONS_INIT;
    options.max_batch_size = 1;
    CN__TRY(open_context(model, &r->ctx));
    CN__TRY(copy_model(model, r));
    CN__TRY(make_tensors(r));
    CN__TRY(cn_predictor_new(r->model, &options, &r->predictor));
    return cn_predictor_run_all(r->predictor, r->input_count, (const cn_tensor *const *)r->inputs, r->output_count,
                                r->outputs);
}

static void end(run *r) {
    for (int32_t i = 0; r->inputs && i < r->input_count; i++)
        cn_tensor_free(r->inputs[i]);
    for (int32_t i = 0; r->outputs && i < r->output_count; i++)
        cn_tensor_free(r->outputs[i]);
    if (r->ctx) {
        cn__free(r->ctx, r->inputs);
        cn__free(r->ctx, r->outputs);
    }
    cn_predictor_free(r->predictor);
    cn_model_free(r->model);
    cn_context_free(r->ctx);
}

static cn_status take(const run *r, cn__c_expected *expected) {
    for (int32_t o = 0; o < r->output_count; o++) {
        const float *values = r->outputs[o]->data;
        size_t count = (size_t)r->outputs[o]->count, step = (count - 1) / CN__C_EXPECTED + 1;
        expected[o].step = step;
        expected[o].count = (count - 1) / step + 1;
        for (size_t i = 0; i < expected[o].count; i++) {
            expected[o].values[i] = values[i * step];
            if (!isfinite(values[i * step]))
                return cn__error(CN_ERR_NUMERIC, "the model gives no finite numbers");
        }
    }
    return CN_OK;
}

cn_status cn__c_expect(const cn_model *model, cn__c_expected **expected) {
    run r = {.input_count = cn__model_input_count(model), .output_count = cn__model_output_count(model)};
    *expected = cn__alloc(model->ctx, (size_t)r.output_count, sizeof **expected);
    if (!*expected)
        return cn__no_memory("a self-test");
    cn_status status = predict(model, &r);
    if (status == CN_OK)
        status = take(&r, *expected);
    end(&r);
    return status;
}
