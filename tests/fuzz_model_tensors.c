/* SPDX-License-Identifier: MIT */
/* fuzz_model_tensors.c: tensors by name into a model that exists, whole or in part, under their own names or others. */
#include "fuzzing.h"

static cn_model *small_model(void) {
    static cn_model *model;
    cn_layer *layer;
    if (model)
        return model;
    FUZZ_EXPECT(cn_model_new(fuzz_context(), 2, 3, 3, &model) == CN_OK);
    FUZZ_EXPECT(cn_conv2d_new(fuzz_context(), 2, 2, 3, 3, NULL, &layer) == CN_OK);
    FUZZ_EXPECT(cn_model_append(model, "c", layer) == CN_OK);
    FUZZ_EXPECT(cn_norm_new(fuzz_context(), CN_NORM_BATCH, 2, NULL, &layer) == CN_OK);
    FUZZ_EXPECT(cn_model_append(model, "n", layer) == CN_OK);
    FUZZ_EXPECT(cn_model_init(model, 1) == CN_OK);
    return model;
}

static void count(void *user, cn_load_result result, const char *name, const char *message) {
    FUZZ_EXPECT(result >= CN_LOAD_MATCHED && result <= CN_LOAD_UNEXPECTED && *name && message);
    ++*(int *)user;
}

FUZZ(model_tensors) {
    static const char *const renames[] = {"a.", "c.", "", "n.", NULL};
    cn_load_options options = CN_LOAD_OPTIONS_INIT;
    cn_model *model = small_model();
    int reported = 0;
    options.report = count;
    options.user = &reported;
    for (int way = 0; way < 4; way++) {
        options.strict = way % 2;
        options.renames = way / 2 ? renames : NULL;
        fuzz_begin();
        cn_status status = cn_model_load_tensors_memory(model, data, size, &options);
        fuzz_at_most(size, 0);
        fuzz_end();
        FUZZ_EXPECT(status == CN_OK || (status != CN_ERR_MEMORY && strlen(cn_last_error()) > 0));
        FUZZ_EXPECT(status != CN_OK || reported > 0);
    }
    return 0;
}
