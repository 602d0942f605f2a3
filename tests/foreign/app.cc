// SPDX-License-Identifier: MIT
// app.cc: somebody else's C++ program: loads the model of app.c from argv[1] and prints what it says of the same image.
// tests/test_install.sh builds it against the installed library.
#include <convnet.h>
#include <cstdio>
#include <memory>
#include <stdexcept>

template <auto release> struct releaser {
    template <class T> void operator()(T *handle) const {
        release(handle);
    }
};
using context_ptr = std::unique_ptr<cn_context, releaser<cn_context_free>>;
using model_ptr = std::unique_ptr<cn_model, releaser<cn_model_free>>;
using dataset_ptr = std::unique_ptr<cn_dataset, releaser<cn_dataset_free>>;
using predictor_ptr = std::unique_ptr<cn_predictor, releaser<cn_predictor_free>>;
using tensor_ptr = std::unique_ptr<cn_tensor, releaser<cn_tensor_free>>;

// Calls a function that hands its result out through its last parameter, and takes hold of that.
template <class Pointer, class... Parameters, class... Arguments>
Pointer make(cn_status (*function)(Parameters...), Arguments... arguments) {
    typename Pointer::pointer handle = nullptr;
    if (function(arguments..., &handle) != CN_OK)
        throw std::runtime_error(cn_last_error());
    return Pointer(handle);
}

static void check(cn_status status) {
    if (status != CN_OK)
        throw std::runtime_error(cn_last_error());
}

static void show_scores(const char *path) {
    const int64_t image_shape[] = {1, 3, 32, 32}, scores_shape[] = {1, 10};
    cn_context_options options = CN_CONTEXT_OPTIONS_INIT;
    options.threads = 1;
    auto context = make<context_ptr>(cn_context_new, &options);
    auto model = make<model_ptr>(cn_model_load, context.get(), path);
    auto images = make<dataset_ptr>(cn_dataset_synthetic, context.get(), CN_SPLIT_TRAIN, 64, 1);
    auto predictor = make<predictor_ptr>(cn_predictor_new, model.get(), nullptr);
    auto image = make<tensor_ptr>(cn_tensor_new, context.get(), CN_DTYPE_UINT8, 4, image_shape);
    auto scores = make<tensor_ptr>(cn_tensor_new, context.get(), CN_DTYPE_FLOAT32, 2, scores_shape);
    check(cn_dataset_image(images.get(), 0, image.get(), nullptr));
    check(cn_predictor_run(predictor.get(), image.get(), scores.get()));
    for (int k = 0; k < 10; k++)
        std::printf("%.5f\n", static_cast<const float *>(cn_tensor_data(scores.get()))[k]);
}

int main(int argc, char **argv) {
    if (argc != 2)
        return 2;
    try {
        show_scores(argv[1]);
    } catch (const std::exception &error) {
        std::fprintf(stderr, "app: %s\n", error.what());
        return 1;
    }
    return 0;
}
