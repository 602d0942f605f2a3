// SPDX-License-Identifier: MIT
/* wrappers.cc: what convnet.hpp promises, for test_cpp.sh: handles that free, callbacks that throw, options that are
 * filled, and every class at work. Started in a folder to write to. Prints what fails. */
#include <convnet.hpp>

#include <cstdio>
#include <string>
#include <type_traits>

static int checks, failures;
#define EXPECT(condition) expect(condition, #condition, __LINE__)

static void expect(bool so, const char *what, int line) {
    checks++;
    if (so)
        return;
    failures++;
    std::printf("FAIL line %d: %s\n", line, what);
}

struct oops {
    int number;
};

/// The status of the error that a function throws; CN_OK: none.
template <class Function> static cn_status status_of(Function function) {
    try {
        function();
    } catch (const convnet::error &error) {
        EXPECT(error.what()[0] != '\0');
        return error.status();
    }
    return CN_OK;
}

/// The number of the oops that comes out of a function; 0: none.
template <class Function> static int thrown_by(Function function) {
    try {
        function();
    } catch (const oops &thrown) {
        return thrown.number;
    } catch (const convnet::error &error) {
        std::printf("     %s\n", error.what());
    }
    return 0;
}

static convnet::model small_model(const convnet::context &context, int classes = 3) {
    convnet::conv2d_options options;
    options.padding[0] = options.padding[1] = 1;
    convnet::model model(context, 3, 8);
    model.append("conv", conv2d(context, 3, 4, 3, options)).append("relu", relu(context));
    model.append("pool", adaptive_avg_pool2d(context, 1)).append("flatten", flatten(context));
    model.append("fc", linear(context, 4, classes)).init(1);
    return model;
}

static convnet::dataset small_data(const convnet::context &context, int images = 24) {
    convnet::dataset_source source;
    source.count = images;
    source.classes = 3;
    source.channels = 3;
    source.height = source.width = 8;
    source.fetch = [](std::int64_t index, std::uint8_t *pixels, std::int64_t *label) {
        for (int i = 0; i < 192; i++)
            pixels[i] = static_cast<std::uint8_t>(index * 37 + i);
        *label = index % 3;
    };
    return convnet::dataset::callback(context, source);
}

static convnet::trainer_options of_logits() {
    convnet::trainer_options options;
    options.loss = CN_LOSS_CROSS_ENTROPY;
    options.batch_size = 8;
    return options;
}

static void test_handles() {
    static_assert(!std::is_copy_constructible_v<convnet::model> &&
                  std::is_nothrow_move_constructible_v<convnet::model>);
    static_assert(std::is_nothrow_move_assignable_v<convnet::tensor> && !std::is_copy_assignable_v<convnet::tensor>);
    convnet::model moved = [] {
        convnet::context gone; // lives as long as what is made from it
        return small_model(gone);
    }();
    EXPECT(moved.output_shape()[0] == 3 && moved.parameter_count() == 127);
    convnet::context context;
    const std::size_t memory = context.memory();
    {
        convnet::model one = small_model(context), other = small_model(context, 5);
        one = std::move(other);
        EXPECT(one.output_shape()[0] == 5);
        convnet::tensor weight = one.tensor("fc.weight"), own(context, CN_DTYPE_FLOAT32, {5, 4});
        std::swap(weight, own);
        EXPECT(own.shape() == std::vector<std::int64_t>({5, 4}) && weight.count() == 20);
        own.data<float>()[0] = 7;
        EXPECT(std::as_const(one).tensor("fc.weight").data<float>()[0] == 7.0f);
        EXPECT(status_of([&] { own.data<std::uint8_t>(); }) == CN_ERR_SHAPE);
        convnet::tensor part = std::move(own);
        EXPECT(one.until("conv").layer_count() == 1 && context.memory_peak() > memory);
    }
    EXPECT(context.memory() == memory);
    EXPECT(context.device().threads >= 1);
}

static void test_errors() {
    convnet::context context;
    EXPECT(status_of([&] { convnet::model::load(context, "/nowhere/at/all"); }) == CN_ERR_IO);
    convnet::model model = small_model(context);
    EXPECT(status_of([&] { model.append("next", conv2d(context, 5, 5, 3)); }) == CN_ERR_SHAPE);
    EXPECT(status_of([&] { model.set_normalization({0, 0, 0}, {1, 1}); }) == CN_ERR_ARGUMENT);
    EXPECT(status_of([&] {
               convnet::trainer_options options = of_logits();
               options.sample_weights = {1, 2};
               convnet::trainer(model, small_data(context), options);
           }) == CN_ERR_ARGUMENT);
    EXPECT(status_of([&] { model.replace_output(4).init(); }) == CN_OK);
}

static void test_callbacks_that_throw() {
    convnet::context context;
    convnet::model model = small_model(context);
    const convnet::dataset data = small_data(context);
    convnet::trainer plain(model, data, of_logits());
    EXPECT(thrown_by([&] { plain.fit(1, [](const cn_epoch_info &) { throw oops{1}; }); }) == 1);
    EXPECT(thrown_by([&] { plain.fit(1); }) == 0);

    convnet::trainer_options options = of_logits();
    options.on_batch = [](const cn_batch_info &) { throw oops{2}; };
    EXPECT(thrown_by([&] { convnet::trainer(model, data, options).fit(1); }) == 2);
    options = of_logits();
    options.on_gradient = [](const cn_batch_info &) -> bool { throw oops{3}; };
    EXPECT(thrown_by([&] { convnet::trainer(model, data, options).fit(1); }) == 3);
    options = of_logits();
    options.schedule.kind = CN_SCHEDULE_CUSTOM;
    options.schedule.rate = [](const cn_rate_info &) -> double { throw oops{4}; };
    EXPECT(thrown_by([&] { convnet::trainer(model, data, options).fit(1); }) == 4);
    options = of_logits();
    options.losses.emplace_back().kind = CN_LOSS_CUSTOM;
    options.losses[0].function = [](convnet::tensor_view, convnet::tensor_view, convnet::tensor *) -> double {
        throw oops{5};
    };
    EXPECT(thrown_by([&] { convnet::trainer(model, data, options).fit(1); }) == 5);

    convnet::dataset_source source;
    source.count = 8;
    source.channels = 3;
    source.height = source.width = 8;
    source.dtype = CN_DTYPE_FLOAT32;
    source.targets.emplace_back().classes = 3;
    source.fetch_sample = [](std::int64_t, void *, void *const *) { throw oops{6}; };
    const convnet::dataset broken = convnet::dataset::callback(context, source);
    EXPECT(thrown_by([&] { convnet::trainer(model, broken, of_logits()).fit(1); }) == 6);
    source.count = -1; // refused: its functions are freed all the same
    EXPECT(status_of([&] { convnet::dataset::callback(context, source); }) == CN_ERR_ARGUMENT);

    convnet::load_options loading;
    loading.report = [](cn_load_result, const char *, const char *) { throw oops{7}; };
    EXPECT(thrown_by([&] { model.load_state_dict(model.state_dict(), loading); }) == 7);

    convnet::layer_definition definition;
    definition.type = "mine.Broken";
    definition.forward = definition.backward = [](const cn_layer_pass &) { throw oops{8}; };
    context.register_layer(definition);
    convnet::model own(context, 1, 4);
    own.append("broken", custom_layer(context, "mine.Broken")).init();
    convnet::tensor in(context, CN_DTYPE_FLOAT32, {2, 1, 4, 4}), out(context, CN_DTYPE_FLOAT32, {2, 1, 4, 4});
    EXPECT(thrown_by([&] { own.forward(false, in, out); }) == 8);
    EXPECT(status_of([&] { context.register_layer(definition); }) == CN_ERR_ARGUMENT);
}

static void test_callbacks_that_work() {
    int remarks = 0, events = 0, held = 0, batches = 0, steps = 0;
    convnet::context_options options;
    options.threads = 1;
    options.log = [&](cn_log_level, const char *message) { remarks += message[0] != '\0'; };
    options.trace = [&](const cn_trace_event &) { events++; };
    options.allocate = [&](std::size_t bytes, std::size_t alignment) {
        held++;
        return std::aligned_alloc(alignment, (bytes + alignment - 1) / alignment * alignment);
    };
    options.release = [&](void *memory) { held--, std::free(memory); };
    {
        convnet::context context(options);
        convnet::model model = small_model(context);
        convnet::tensors state = model.state_dict();
        state.add("more", model.tensor("fc.bias"));
        model.load_state_dict(state);
        EXPECT(remarks == 1);
        convnet::trainer_options training = of_logits();
        training.optimizer.kind = CN_OPTIMIZER_ADAMW;
        training.optimizer.groups.emplace_back().pattern = "*.bias";
        training.on_batch = [&](const cn_batch_info &) { batches++; };
        training.on_gradient = [&](const cn_batch_info &) { return ++steps == 4; };
        const convnet::dataset data = small_data(context);
        convnet::trainer trainer(model, data, data, training), moved = std::move(trainer);
        moved.fit(5, [](const cn_epoch_info &) {});
        EXPECT(batches == 4 && steps == 4 && moved.epoch_count() == 1);
        EXPECT(moved.epoch_info(0).test_loss > 0 && moved.output_info(0, 0).train_loss > 0);
        EXPECT(held > 0 && events > 0);
    }
    EXPECT(held == 0);
}

struct scale_options {
    float by;
};

static void test_own_layer() {
    convnet::context context;
    convnet::layer_definition definition;
    definition.type = "mine.Scale";
    definition.options = {CN_FLOAT_OPTION(scale_options, by, 2.0, -9.0, 9.0)};
    definition.options_size = sizeof(scale_options);
    definition.shape = [](const void *, convnet::span<const convnet::shape3> inputs) { return inputs[0]; };
    definition.multiply_adds = [](const void *, const convnet::shape3 &input, const convnet::shape3 &) {
        return input[1];
    };
    definition.parameters = [](const void *, cn_layer_parameter *parameters) {
        parameters[0].name = "bias";
        parameters[0].dims = 1;
        parameters[0].shape[0] = 1;
        return 1;
    };
    definition.forward = [](const cn_layer_pass &pass) {
        for (std::int64_t i = 0; i < pass.images * 16; i++)
            pass.output[i] = static_cast<const scale_options *>(pass.options)->by * pass.inputs[0][i];
    };
    definition.backward = [](const cn_layer_pass &) {};
    context.register_layer(definition);
    const scale_options triple = {3.0f};
    convnet::model model(context, 1, 4);
    model.append("two", custom_layer(context, "mine.Scale"))
        .append("three", custom_layer(context, "mine.Scale", &triple))
        .init();
    convnet::tensor in(context, CN_DTYPE_FLOAT32, {2, 1, 4, 4}), out(context, CN_DTYPE_FLOAT32, {2, 1, 4, 4});
    in.data<float>()[31] = 1;
    model.forward(false, in, out);
    EXPECT(out.data<float>()[31] == 6.0f && out.argmax() == -1 && model.layer_info(0).multiply_adds == 4);
}

static void test_a_run() {
    convnet::context context;
    auto train = convnet::dataset::synthetic(context, CN_SPLIT_TRAIN, 64, 1);
    auto [test, rest] = convnet::dataset::synthetic(context, CN_SPLIT_TEST, 64, 1).split_stratified(0.5, 1);
    EXPECT(test.count() == 32 && rest.count() == 32 && train.shape() == convnet::shape3({3, 32, 32}));
    convnet::augmentation changes;
    changes.horizontal_flip = 0.5f;
    train.set_augmentation(changes);
    EXPECT(train.augmentation().horizontal_flip == 0.5f && train.normalization().first.size() == 3);
    auto model = convnet::model::session8(context);
    convnet::trainer_options options;
    options.sample_weights = train.balanced_weights();
    convnet::trainer trainer(model, train, test, options);
    convnet::rate_search search;
    search.steps = 10;
    auto [rate, curve] = trainer.find_rate(search);
    EXPECT(curve.count() == 10 && curve.point(9).rate == search.last && !(rate > search.last));
    EXPECT(convnet::chart_rates(curve).find("Loss by learning rate") != std::string::npos);
    trainer.fit(1);
    trainer.save("run.safetensors");
    auto again_model = convnet::model::session8(context);
    convnet::trainer again(again_model, train, test, options);
    again.resume("run.safetensors");
    trainer.fit(1), again.fit(1);
    EXPECT(trainer.epoch_info(1).train_loss == again.epoch_info(1).train_loss);

    convnet::evaluation evaluation(model, test);
    std::int64_t right = 0;
    for (std::int64_t i = 0; i < evaluation.classes(); i++)
        right += evaluation.confusion(i, i);
    EXPECT(evaluation.count() == 32 && evaluation.misclassified_count() == 32 - right);
    EXPECT(evaluation.misclassified(0).truth == test.label(evaluation.misclassified(0).index));
    EXPECT(evaluation.metric(evaluation.main_metric()) == evaluation.accuracy());

    convnet::predictor predictor(model), clone = predictor.clone();
    convnet::tensor image(context, CN_DTYPE_UINT8, {1, 3, 32, 32}), scores(context, CN_DTYPE_FLOAT32, {1, 10});
    convnet::tensor same(context, CN_DTYPE_FLOAT32, {1, 10});
    test.image(0, image);
    predictor.run(image, scores);
    clone.run_all({image}, {&same});
    for (std::size_t i = 0; i < 10; i++)
        EXPECT(scores.data<float>()[i] == std::as_const(same).data<float>()[i]);

    convnet::tensor file = model.save_memory();
    auto copy =
        convnet::model::load_memory(context, file.data<std::uint8_t>().data(), static_cast<std::size_t>(file.count()));
    EXPECT(copy.summary() == model.summary() && copy.class_name(0) == std::string(test.class_name(0)));
    convnet::history history = trainer.history("run");
    auto corners = history.rate_count();
    EXPECT(corners > 0 && history.rate(0).first == 0.0);
    history.add_rate(100.0, 0.5);
    EXPECT(history.rate(corners).second == 0.5);
    convnet::page page(context, "A run");
    page.facts({"accuracy"}, {"99 %"});
    page.table({"what", "how many"}, {"a", "1", "b", "2"});
    page.figure(convnet::chart_curves({&history}), "curves");
    EXPECT(page.html().find("<svg") != std::string::npos);
    convnet::report report;
    report.model = model.get();
    report.evaluation = evaluation.get();
    report.dataset = test.get();
    report.settings = {{"rate", "0.01"}};
    EXPECT(report.page(context).find("0.01") != std::string::npos);
}

static void test_own_loop() {
    convnet::context context;
    convnet::model model = small_model(context);
    const convnet::dataset data = small_data(context);
    convnet::optimizer_options how;
    how.learning_rate = 0.1f;
    convnet::optimizer optimizer(model, how);
    std::vector<std::int64_t> indices(24);
    for (std::size_t i = 0; i < 24; i++)
        indices[i] = static_cast<std::int64_t>(i);
    convnet::tensor images(context, CN_DTYPE_FLOAT32, {24, 3, 8, 8}), labels(context, CN_DTYPE_INT64, {24});
    convnet::tensor output(context, CN_DTYPE_FLOAT32, {24, 3}), gradient(context, CN_DTYPE_FLOAT32, {24, 3});
    data.batch(indices, images, &labels);
    convnet::loss_options loss;
    loss.class_weights = {1, 1, 1};
    double first = 0, last = 0;
    for (int step = 0; step < 20; step++) {
        model.forward(true, images, output);
        last = convnet::loss_compute(context, loss, output, labels, &gradient);
        first = step ? first : last;
        model.backward(gradient);
        EXPECT(model.clip_gradients_norm(100.0) > 0);
        optimizer.step();
    }
    EXPECT(last < first && model.training_passes() == 20);

    std::int64_t place = 20;
    convnet::tensor counter = convnet::tensor::borrow(context, {1}, &place);
    convnet::checkpoint checkpoint(context);
    checkpoint.model = model.get();
    checkpoint.optimizer = optimizer.get();
    checkpoint.tensors = {{"place", &counter}};
    checkpoint.save("loop.safetensors");
    place = 0;
    checkpoint.load("loop.safetensors");
    EXPECT(place == 20);

    const float numbers[2] = {1, 2};
    convnet::tensor constant = convnet::tensor::borrow(context, {2}, numbers);
    convnet::tensors named(context);
    named.add("numbers", constant);
    named.set_metadata("who", "me");
    named.save("named.npz");
    const convnet::tensors loaded = convnet::tensors::load(context, "named.npz");
    EXPECT(loaded.at("numbers").data<float>()[1] == 2.0f && std::string(named.metadata("who")) == "me");
    EXPECT(status_of([&] { loaded.at("nothing"); }) == CN_ERR_NOT_FOUND);
}

int main() {
    test_handles();
    test_errors();
    test_callbacks_that_throw();
    test_callbacks_that_work();
    test_own_layer();
    test_a_run();
    test_own_loop();
    std::printf("cpp: %d checks, %d failures\n", checks, failures);
    return failures != 0;
}
