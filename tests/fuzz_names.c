/* SPDX-License-Identifier: MIT */
/* fuzz_names.c: names of layers and classes in model files, ONNX files and C: they come back as they were, and C is C. */
#include "fuzzing.h"
#include "well_formed.h"

/* A model that has the names, or NULL where they are refused. */
static cn_model *make_model(const char *layer, const char *other, const char *const classes[2]) {
    cn_model *model;
    cn_layer *conv, *flatten;
    FUZZ_EXPECT(cn_model_new(fuzz_context(), 1, 1, 1, &model) == CN_OK);
    FUZZ_EXPECT(cn_conv2d_new(fuzz_context(), 1, 2, 1, 1, NULL, &conv) == CN_OK);
    FUZZ_EXPECT(cn_flatten_new(fuzz_context(), &flatten) == CN_OK);
    cn_status status = cn_model_append(model, layer, conv);
    if (status == CN_OK)
        status = cn_model_append(model, other, flatten);
    else
        cn_layer_free(flatten);
    if (status == CN_OK)
        FUZZ_EXPECT(cn_model_init(model, 1) == CN_OK);
    if (status == CN_OK)
        status = cn_model_set_class_names(model, 2, classes);
    if (status == CN_OK)
        return model;
    cn_model_free(model);
    return NULL;
}

static void expect_classes(const cn_model *model, const char *const classes[2]) {
    for (int k = 0; k < 2; k++)
        FUZZ_EXPECT(strcmp(cn_model_class_name(model, k), classes[k]) == 0);
}

/* What a file of it gives. */
static void check_file(cn_status status, cn_tensor *file, const char *layer, const char *const classes[2]) {
    cn_model *again;
    cn_layer_info info = CN_LAYER_INFO_INIT;
    FUZZ_OUTCOME(status, file);
    if (status != CN_OK)
        return; /* not UTF-8 */
    FUZZ_EXPECT(cn_model_load_memory(fuzz_context(), cn_tensor_data(file), (size_t)cn_tensor_count(file), &again) ==
                CN_OK);
    expect_classes(again, classes);
    FUZZ_EXPECT(cn_model_layer_info(again, 0, &info) == CN_OK);
    FUZZ_EXPECT(!layer || strcmp(info.name, layer) == 0);
    cn_model_free(again);
    cn_tensor_free(file);
}

static void check_c(const cn_model *model) {
    const char *path = fuzz_path("model.c"), *where = "", *fault;
    static char text[1 << 20];
    cn_status status = cn_model_export_c(model, path, NULL);
    if (status != CN_OK)
        return;
    FILE *file = fopen(path, "r");
    FUZZ_EXPECT(file);
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    fclose(file);
    fault = c_fault(text, &where);
    if (fault)
        fprintf(stderr, "%s: %.60s\n", fault, where);
    FUZZ_EXPECT(!fault);
}

FUZZ(names) {
    fuzz_bytes rest = {data, size};
    char *layer = fuzz_text(&rest), *other = fuzz_text(&rest), *first = fuzz_text(&rest), *second = fuzz_text(&rest);
    const char *const classes[2] = {first, second};
    fuzz_begin();
    cn_model *model = make_model(layer, other, classes);
    if (model) {
        cn_tensor *file;
        expect_classes(model, classes);
        cn_status status = cn_model_save_memory(model, &file);
        check_file(status, file, layer, classes);
        status = cn_model_save_onnx_memory(model, NULL, &file);
        check_file(status, file, NULL, classes);
        check_c(model);
    }
    cn_model_free(model);
    fuzz_end();
    free(layer);
    free(other);
    free(first);
    free(second);
    return 0;
}
