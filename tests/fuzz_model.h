/* SPDX-License-Identifier: MIT */
/* fuzz_model.h: what the fuzzers of models' files share. */
#ifndef FUZZ_MODEL_H
#define FUZZ_MODEL_H

#include "fuzzing.h"

#define FUZZ_MAX_WORK  (1 << 22) /* multiply-adds and activation bytes of a model that is also run */
#define FUZZ_MAX_INPUT 65536

/* So that it does not take long. */
static inline int fuzz_is_small(const cn_model *model) {
    int64_t input[3], work = 0;
    cn_model_input_shape(model, input);
    if (cn_model_layer_count(model) > 64 || input[0] * input[1] * input[2] > FUZZ_MAX_INPUT)
        return 0;
    for (int i = 0; i < cn_model_layer_count(model) && work <= FUZZ_MAX_WORK; i++) {
        cn_layer_info info = CN_LAYER_INFO_INIT;
        FUZZ_EXPECT(cn_model_layer_info(model, i, &info) == CN_OK);
        work += info.multiply_adds > FUZZ_MAX_WORK ? FUZZ_MAX_WORK : info.multiply_adds;
        work += info.activation_bytes + info.kernel[0] * info.kernel[1] * info.activation_bytes / 4;
    }
    return work <= FUZZ_MAX_WORK;
}

static inline void fuzz_run(cn_model *model) {
    int64_t in[4] = {1, 0, 0, 0}, out[4] = {1, 0, 0, 0};
    cn_tensor *input, *output;
    cn_model_input_shape(model, in + 1);
    cn_model_output_shape(model, out + 1);
    FUZZ_EXPECT(cn_tensor_new(fuzz_context(), CN_DTYPE_FLOAT32, 4, in, &input) == CN_OK);
    FUZZ_EXPECT(cn_tensor_new(fuzz_context(), CN_DTYPE_FLOAT32, 4, out, &output) == CN_OK);
    if (cn_model_forward(model, 1, input, output) == CN_OK)
        FUZZ_EXPECT(cn_model_backward(model, output, NULL) == CN_OK);
    cn_tensor_free(input);
    cn_tensor_free(output);
}

/* What a model says of itself and what it computes, and its file. */
static inline void fuzz_use(cn_model *model) {
    char *text;
    cn_tensor *file;
    cn_model *again;
    FUZZ_EXPECT(cn_model_summary(model, &text) == CN_OK);
    cn_text_free(text);
    if (fuzz_is_small(model))
        fuzz_run(model);
    if (cn_model_save_memory(model, &file) != CN_OK)
        return; /* such as a header that would be too long */
    FUZZ_EXPECT(cn_model_load_memory(fuzz_context(), cn_tensor_data(file), (size_t)cn_tensor_count(file), &again) ==
                CN_OK);
    FUZZ_EXPECT(cn_model_layer_count(again) == cn_model_layer_count(model));
    cn_model_free(again);
    cn_tensor_free(file);
}

static inline void fuzz_model(const uint8_t *data, size_t size) {
    cn_model *model;
    fuzz_begin();
    cn_status status = cn_model_load_memory(fuzz_context(), data, size, &model);
    fuzz_at_most(size, 0);
    FUZZ_OUTCOME(status, model);
    if (model)
        fuzz_use(model);
    cn_model_free(model);
    fuzz_end();
}

#endif
