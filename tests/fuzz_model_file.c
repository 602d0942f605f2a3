/* fuzz_model_file.c: hands arbitrary bytes to cn_model_load_memory and uses what loads, for libFuzzer (`make fuzz`);
 * test_model_file.c replays tests/corpus/model_file through it. */
#include "fuzz_context.h"
#include <stdlib.h>
#include <string.h>

#define MAX_WORK  (1 << 22) /* multiply-adds and activation bytes of a model that is also run */
#define MAX_INPUT 65536

/* A model is as good as one built by hand: what it says of itself and what it computes must not fail memory checks. */
static int is_small(const cn_model *model) {
    int64_t input[3], work = 0;
    cn_model_input_shape(model, input);
    if (cn_model_layer_count(model) > 64 || input[0] * input[1] * input[2] > MAX_INPUT)
        return 0;
    for (int i = 0; i < cn_model_layer_count(model) && work <= MAX_WORK; i++) {
        cn_layer_info info = CN_LAYER_INFO_INIT;
        if (cn_model_layer_info(model, i, &info) != CN_OK)
            abort();
        work += info.multiply_adds > MAX_WORK ? MAX_WORK : info.multiply_adds;
        work += info.activation_bytes + info.kernel[0] * info.kernel[1] * info.activation_bytes / 4;
    }
    return work <= MAX_WORK;
}

static void run(cn_model *model) {
    int64_t in[4] = {1, 0, 0, 0}, out[4] = {1, 0, 0, 0};
    cn_tensor *input, *output;
    cn_model_input_shape(model, in + 1);
    cn_model_output_shape(model, out + 1);
    if (cn_tensor_new(fuzz_context(), CN_DTYPE_FLOAT32, 4, in, &input) != CN_OK ||
        cn_tensor_new(fuzz_context(), CN_DTYPE_FLOAT32, 4, out, &output) != CN_OK)
        abort();
    if (cn_model_forward(model, 1, input, output) == CN_OK && cn_model_backward(model, output, NULL) != CN_OK)
        abort();
    cn_tensor_free(input);
    cn_tensor_free(output);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    cn_model *model;
    char *text;
    if (cn_model_load_memory(fuzz_context(), data, size, &model) != CN_OK) {
        if (model || strlen(cn_last_error()) == 0)
            abort();
        return 0;
    }
    if (cn_model_summary(model, &text) != CN_OK)
        abort();
    cn_text_free(text);
    if (is_small(model))
        run(model);
    cn_model_free(model);
    return 0;
}
