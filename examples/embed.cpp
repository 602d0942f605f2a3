// SPDX-License-Identifier: MIT
/* embed.cpp: embed.c in C++17: trains a network and then uses it.
 *
 *   c++ -std=c++17 embed.cpp $(pkg-config --cflags --libs convnet) -o embed && ./embed
 */
#include <convnet.hpp>
#include <cstdio>

int main() try {
    convnet::context context; // all cores, malloc, silent
    auto train = convnet::dataset::synthetic(context, CN_SPLIT_TRAIN, 4000, 1);
    auto test = convnet::dataset::synthetic(context, CN_SPLIT_TEST, 1000, 1);
    auto model = convnet::model::session8(context);

    convnet::trainer_options options;
    options.optimizer.kind = CN_OPTIMIZER_ADAMW;
    options.optimizer.learning_rate = 0.003f;
    convnet::trainer trainer(model, train, test, options);
    trainer.fit(3, [](const cn_epoch_info &epoch) {
        std::printf("epoch %d: test accuracy %.1f %%\n", int(epoch.epoch), 100.0 * epoch.test_accuracy);
    });
    model.save("embed.safetensors");

    convnet::predictor predictor(model);
    convnet::tensor image(context, CN_DTYPE_UINT8, {1, 3, 32, 32}), scores(context, CN_DTYPE_FLOAT32, {1, 10});
    test.image(0, image);
    predictor.run(image, scores);
    std::printf("test image 0 is a %s; the network says %s\n", test.class_name(test.label(0)),
                test.class_name(scores.argmax()));
    return 0;
} catch (const convnet::error &error) {
    std::fprintf(stderr, "embed: %s\n", error.what());
    return 1;
}
