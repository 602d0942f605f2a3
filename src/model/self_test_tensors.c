/* SPDX-License-Identifier: MIT */
/* self_test_tensors.c: the tensors of a model's self-test, lent to whoever has a way of their own from pixels to outputs. */
#include "model/model.h"

static void free_all(cn_context *ctx, cn_tensor **tensors, int32_t count) {
    for (int32_t i = 0; tensors && i < count; i++)
        cn_tensor_free(tensors[i]);
    cn__free(ctx, tensors);
}

void cn__self_test_free(cn_context *ctx, cn__self_test *test) {
    if (!test)
        return;
    free_all(ctx, test->inputs, test->input_count);
    free_all(ctx, test->outputs, test->output_count);
    cn__free(ctx, test);
}

const cn_tensor *cn_model_self_test_input(const cn_model *model, int64_t index) {
    const cn__self_test *test = model ? model->self_test : NULL;
    return test && index >= 0 && index < test->input_count ? test->inputs[index] : NULL;
}

const cn_tensor *cn_model_self_test_output(const cn_model *model, int64_t index) {
    const cn__self_test *test = model ? model->self_test : NULL;
    return test && index >= 0 && index < test->output_count ? test->outputs[index] : NULL;
}
