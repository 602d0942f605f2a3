/* fuzz_model_tensors.c: hands arbitrary bytes to cn_model_load_tensors_memory, whole or in part, for libFuzzer (`make
 * fuzz`).
 * test_model_tensors.c replays tests/corpus/model_tensors through it. */
#include "fuzz_context.h"
#include <string.h>

static cn_model *small_model(void) {
    static cn_model *model;
    cn_layer *layer;
    if (model)
        return model;
    if (cn_model_new(fuzz_context(), 2, 3, 3, &model) != CN_OK ||
        cn_conv2d_new(fuzz_context(), 2, 2, 3, 3, NULL, &layer) != CN_OK ||
        cn_model_append(model, "c", layer) != CN_OK ||
        cn_norm_new(fuzz_context(), CN_NORM_BATCH, 2, NULL, &layer) != CN_OK ||
        cn_model_append(model, "n", layer) != CN_OK || cn_model_init(model, 1) != CN_OK)
        abort();
    return model;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    cn_load_options options = CN_LOAD_OPTIONS_INIT;
    for (options.strict = 0; options.strict < 2; options.strict++) {
        cn_status status = cn_model_load_tensors_memory(small_model(), data, size, &options);
        if (status != CN_OK && strlen(cn_last_error()) == 0)
            abort();
    }
    return 0;
}
