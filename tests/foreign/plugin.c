/* SPDX-License-Identifier: MIT */
/* plugin.c: a plugin that uses the library from loading to unloading: threads, a prediction, an error, all given back. */
#include <convnet.h>
#include <string.h>

static int predict(cn_context *context, const cn_model *model) {
    cn_predictor *predictor = NULL;
    cn_tensor *image = NULL, *output = NULL;
    int64_t shape[4] = {4, 3, 32, 32}, classes[2] = {4, 10};
    int good = cn_tensor_new(context, CN_DTYPE_UINT8, 4, shape, &image) == CN_OK &&
               cn_tensor_new(context, CN_DTYPE_FLOAT32, 2, classes, &output) == CN_OK &&
               cn_predictor_new(model, NULL, &predictor) == CN_OK &&
               cn_predictor_run(predictor, image, output) == CN_OK && cn_tensor_argmax(output, 3) >= 0;
    cn_predictor_free(predictor);
    cn_tensor_free(output);
    cn_tensor_free(image);
    return good;
}

int plugin_work(void);
__attribute__((visibility("default"))) int plugin_work(void) {
    cn_context_options options = CN_CONTEXT_OPTIONS_INIT;
    cn_context *context = NULL;
    cn_model *model = NULL, *none = NULL;
    options.threads = 3;
    int good = cn_context_new(&options, &context) == CN_OK && cn_model_load(context, "/nowhere", &none) == CN_ERR_IO &&
               strstr(cn_last_error(), "/nowhere") && cn_model_session8_pretrained(context, &model) == CN_OK &&
               predict(context, model);
    cn_model_free(model);
    cn_context_free(context);
    return good;
}
