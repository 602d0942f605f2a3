/* SPDX-License-Identifier: MIT */
/* test_releases.c: files that earlier releases have written load for ever, give what they gave, and runs go on as they
 * would have gone on. golden/RELEASE/ holds the files, and what came out of them then, expected.safetensors.
 *
 *   tests/bin/test_releases FOLDER     writes those of this version, when it is released with another format */
#include "network.h"
#include "pieces.h"
#include "saved_models.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static const char *const releases[] = {"tests/golden/1.0"};

/* ---- what is found, held against what is expected or, when files are written, put on record ---- */

static const char *folder;
static cn_tensors *expected;
static bool writing;

static const char *path_of(const char *name) {
    static char paths[4][512];
    static int next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

static void expect(const char *name, const float *found, int64_t count) {
    const cn_tensor *wanted;
    cn_tensor *tensor;
    float largest = 0.0f;
    if (writing) {
        ck_ok(cn_tensor_borrow_const(ctx, CN_DTYPE_FLOAT32, 1, &count, found, &tensor));
        ck_ok(cn_tensors_add(expected, name, tensor));
        cn_tensor_free(tensor);
        return;
    }
    ck_ok(cn_tensors_get_const(expected, name, &wanted));
    ck_assert_int_eq(cn_tensor_count(wanted), count);
    const float *values = cn_tensor_data_const(wanted);
    for (int64_t i = 0; i < count; i++)
        largest = fmaxf(largest, fabsf(values[i]));
    for (int64_t i = 0; i < count; i++)
        ck_assert_msg(fabsf(values[i] - found[i]) <= 1e-4f * largest, "%s/%s[%lld] is %.9g, was %.9g", folder, name,
                      (long long)i, (double)found[i], (double)values[i]);
}

static void expect_tensor(const char *name, const cn_tensor *tensor) {
    expect(name, cn_tensor_data_const(tensor), cn_tensor_count(tensor));
}

static void expect_parameters(const char *prefix, cn_model *model) {
    for (int64_t i = 0; i < cn_model_tensor_count(model); i++) {
        const char *name = cn_model_tensor_name(model, i);
        char full[300];
        cn_tensor *tensor;
        ck_ok(cn_model_tensor(model, name, &tensor));
        snprintf(full, sizeof full, "%s: %s", prefix, name);
        if (cn_tensor_dtype(tensor) == CN_DTYPE_FLOAT32)
            expect_tensor(full, tensor);
    }
}

/* ---- models, as this library's files and as ONNX ---- */

/* Layers that came after golden/model_1.safetensors; flat features at the end. */
static const char later_layers[] =
    "eval 2x4x6x5 | conv_transpose2d out=8 kernel=3x2 stride=2x1 padding=1x0 output_padding=1x0 groups=2 | elu "
    "alpha=0.75"
    " | layer_norm2d eps=0.001 | local_response_norm size=3 alpha=0.5 beta=0.75 k=2 | prelu weights=8 | upsample by=1.5"
    " bilinear=1 | pad pad=1x0x2x1 mode=replicate | adaptive_max_pool out=6x4 | pixel_shuffle factor=2 | affine "
    "times=-1.5"
    " plus=0.75 | pixel_unshuffle factor=2 | channel_shuffle groups=2 | hardswish | hardtanh min_val=-0.5 max_val=2"
    " | identity | narrow start=1 length=5 | softplus beta=2 threshold=3 @16 | concat @16 @17 | mish | mul @19 @18"
    " | softsign | relu6 @20 | add @21 @22 | hardsigmoid | reshape to=5x12x4 | upsample out=3x4 | flatten | linear "
    "out=3";

static cn_model *later_model(void) {
    static const float mean[4] = {0.1f, 0.2f, 0.3f, 0.4f}, std[4] = {0.5f, 0.25f, 0.75f, 1.5f};
    network net = network_of(later_layers);
    cn_model *model = net_make_model(ctx, &net, 5);
    cn_tensor *input = tensor_of(CN_DTYPE_UINT8, 4, (const int64_t[]){1, 4, 6, 5});
    const cn_tensor *inputs[] = {input};
    for (int i = 0; i < 4 * 6 * 5; i++)
        ((uint8_t *)cn_tensor_data(input))[i] = (uint8_t)(i * 37);
    ck_ok(cn_model_set_normalization(model, 4, mean, std));
    ck_ok(cn_model_set_class_names(model, 3, (const char *[]){"one", "\"two\"", "dr\xc3\xa4i"}));
    ck_ok(cn_model_set_self_test(model, 1, inputs));
    cn_tensor_free(input);
    return model;
}

static cn_model *with_several_ends(void) {
    int i = 0;
    while (strcmp(saved_model_name(i), "three inputs, three outputs") != 0)
        i++;
    return saved_model_new(ctx, i);
}

static void write_models(void) {
    cn_model *later = later_model(), *several = with_several_ends();
    cn_save_options half = CN_SAVE_OPTIONS_INIT;
    half.weights = CN_WEIGHTS_FLOAT16;
    ck_ok(cn_model_save(later, path_of("model.safetensors")));
    ck_ok(cn_model_save_with(several, path_of("model16.safetensors"), &half));
    ck_ok(cn_model_save_onnx(later, path_of("model.onnx"), NULL));
    cn_model_free(later);
    cn_model_free(several);
}

enum { ENDS = 4 };

static void expect_outputs(const char *name, const cn_model *model) {
    cn_tensor *inputs[ENDS], *outputs[ENDS];
    const cn_tensor *given[ENDS];
    int64_t in = cn_model_input_count(model), out = cn_model_output_count(model), shape[3];
    cn_predictor *predictor;
    ck_assert(in <= ENDS && out <= ENDS);
    for (int64_t i = 0; i < in; i++) {
        cn_model_input_shape_at(model, i, shape);
        given[i] = inputs[i] = images(2, shape[0], shape[1], shape[2]);
        saved_model_fill(inputs[i], (int)i);
    }
    for (int64_t i = 0; i < out; i++) {
        cn_model_output_shape_at(model, i, shape);
        outputs[i] = tensor_of(CN_DTYPE_FLOAT32, shape[1] * shape[2] == 1 ? 2 : 4,
                               (const int64_t[]){2, shape[0], shape[1], shape[2]});
    }
    ck_ok(cn_predictor_new(model, NULL, &predictor));
    ck_ok(cn_predictor_run_all(predictor, in, given, out, outputs));
    for (int64_t i = 0; i < out; i++) {
        char full[300];
        snprintf(full, sizeof full, "%s: %s", name, cn_model_output_name(model, i));
        expect_tensor(full, outputs[i]);
        cn_tensor_free(outputs[i]);
    }
    for (int64_t i = 0; i < in; i++)
        cn_tensor_free(inputs[i]);
    cn_predictor_free(predictor);
}

static cn_model *loaded(const char *name) {
    cn_model *model;
    ck_ok(cn_model_load(ctx, path_of(name), &model));
    return model;
}

static void read_models(void) {
    cn_model *model = loaded("model.safetensors"), *several = loaded("model16.safetensors"),
             *onnx = loaded("model.onnx");
    const float *mean, *std;
    expect_outputs("model", model);
    expect_parameters("model", model);
    ck_ok(cn_model_self_test(model, 1e-4, NULL));
    expect_outputs("model16", several);
    expect_outputs("onnx", onnx);
    for (int i = 0; i < 2; i++) {
        const cn_model *each = i ? onnx : model;
        ck_assert_int_eq(cn_model_normalization(each, &mean, &std), 4);
        expect(i ? "onnx mean" : "mean", mean, 4);
        expect(i ? "onnx std" : "std", std, 4);
        ck_assert_str_eq(cn_model_class_name(each, 1), "\"two\"");
        ck_assert_str_eq(cn_model_class_name(each, 2), "dr\xc3\xa4i");
    }
    cn_model_free(model);
    cn_model_free(several);
    cn_model_free(onnx);
}

/* ---- collections of tensors ---- */

static void write_tensors(void) {
    static const double values[] = {0.0, -1.5, 1e-30, 3.25e7, 0.1, 65504.0};
    static const int64_t whole[] = {INT64_MIN, -1, 0, 1, INT64_MAX};
    cn_tensors *tensors;
    cn_tensor *floats = tensor_of(CN_DTYPE_FLOAT32, 2, (const int64_t[]){2, 3}),
              *numbers = tensor_of(CN_DTYPE_INT64, 1, (const int64_t[]){5}),
              *bytes = tensor_of(CN_DTYPE_UINT8, 3, (const int64_t[]){1, 4, 64});
    cn_save_options deflate = CN_SAVE_OPTIONS_INIT;
    deflate.deflate = 1;
    for (int i = 0; i < 6; i++)
        ((float *)cn_tensor_data(floats))[i] = (float)values[i];
    memcpy(cn_tensor_data(numbers), whole, sizeof whole);
    for (int i = 0; i < 256; i++)
        ((uint8_t *)cn_tensor_data(bytes))[i] = (uint8_t)i;
    ck_ok(cn_tensors_new(ctx, &tensors));
    ck_ok(cn_tensors_add(tensors, "floats", floats));
    ck_ok(cn_tensors_add(tensors, "whole numbers", numbers));
    ck_ok(cn_tensors_add(tensors, "bytes", bytes));
    ck_ok(cn_tensors_set_metadata(tensors, "made by", "\"anyone\" \xc3\xa4"));
    ck_ok(cn_tensors_save(tensors, path_of("tensors.safetensors"), NULL));
    ck_ok(cn_tensors_set_metadata(tensors, "made by", NULL));
    ck_ok(cn_tensors_save(tensors, path_of("tensors.npz"), &deflate));
    cn_tensors_free(tensors);
    cn_tensor_free(floats);
    cn_tensor_free(numbers);
    cn_tensor_free(bytes);
}

static void read_tensors(void) {
    static const char *const files[] = {"tensors.safetensors", "tensors.npz"};
    for (int i = 0; i < 2; i++) {
        cn_tensors *tensors;
        const cn_tensor *tensor;
        ck_ok(cn_tensors_load(ctx, path_of(files[i]), &tensors));
        ck_assert_int_eq(cn_tensors_count(tensors), 3);
        ck_ok(cn_tensors_get_const(tensors, "floats", &tensor));
        ck_assert_int_eq(cn_tensor_shape(tensor, 1), 3);
        expect_tensor(files[i], tensor);
        ck_ok(cn_tensors_get_const(tensors, "whole numbers", &tensor));
        const int64_t *numbers = cn_tensor_data_const(tensor);
        ck_assert(cn_tensor_count(tensor) == 5 && numbers[0] == INT64_MIN && numbers[1] == -1 &&
                  numbers[4] == INT64_MAX);
        ck_ok(cn_tensors_get_const(tensors, "bytes", &tensor));
        ck_assert_int_eq(cn_tensor_shape(tensor, 2), 64);
        for (int k = 0; k < 256; k++)
            ck_assert_int_eq(((const uint8_t *)cn_tensor_data_const(tensor))[k], k);
        if (i == 0)
            ck_assert_str_eq(cn_tensors_metadata(tensors, "made by"), "\"anyone\" \xc3\xa4");
        cn_tensors_free(tensors);
    }
}

/* ---- checkpoints: what a run is must never change here, or it would be another ---- */

enum { COUNT_OF_IMAGES = 40, CLASSES = 3, EPOCHS = 4 };

typedef struct run {
    cn_tensor *pixels, *labels;
    cn_dataset *data;
    cn_model *model;
    bool stops; /* in its second epoch */
} run;

static run begin(void) {
    run r = {.pixels = tensor_of(CN_DTYPE_UINT8, 4, (const int64_t[]){COUNT_OF_IMAGES, 3, 8, 8}),
             .labels = tensor_of(CN_DTYPE_INT64, 1, (const int64_t[]){COUNT_OF_IMAGES})};
    for (unsigned i = 0; i < COUNT_OF_IMAGES * 3 * 8 * 8; i++) {
        unsigned image = i / (3 * 8 * 8), h = i * 0x9e3779b1u;
        h = (h ^ h >> 15) * 0x2c1b3c6du;
        ((uint8_t *)cn_tensor_data(r.pixels))[i] = (uint8_t)((h >> 25) + 60 * (image % CLASSES));
    }
    for (int i = 0; i < COUNT_OF_IMAGES; i++)
        ((int64_t *)cn_tensor_data(r.labels))[i] = i % CLASSES;
    ck_ok(cn_dataset_memory(ctx, r.pixels, r.labels, CLASSES, &r.data));
    network net =
        network_of("train 1x3x8x8 | conv2d out=6 kernel=3 padding=1 bias=0 | batch_norm | relu | max_pool kernel=2 |"
                   " dropout p=0.25 | group_norm groups=2 | flatten | linear out=3");
    r.model = net_make_model(ctx, &net, 3);
    return r;
}

static void end(run *r) {
    cn_model_free(r->model);
    cn_dataset_free(r->data);
    cn_tensor_free(r->pixels);
    cn_tensor_free(r->labels);
}

static int stop(void *user, const cn_batch_info *batch) {
    return *(const bool *)user && batch->epoch == 2 && batch->batch == 2;
}

/* With everything that a checkpoint holds. */
static cn_trainer *trainer_of(run *r) {
    cn_augmentation augmentation = CN_AUGMENTATION_INIT;
    cn_parameter_group group = CN_PARAMETER_GROUP_INIT;
    const cn_parameter_group *groups[] = {&group};
    cn_optimizer_options optimizer = CN_OPTIMIZER_OPTIONS_INIT;
    cn_schedule_options schedule = CN_SCHEDULE_OPTIONS_INIT;
    cn_loss_options loss = CN_LOSS_OPTIONS_INIT;
    const cn_loss_options *losses[] = {&loss};
    cn_trainer_options options = CN_TRAINER_OPTIONS_INIT;
    static const float class_weights[CLASSES] = {1.0f, 2.0f, 0.5f};
    double weights[COUNT_OF_IMAGES];
    cn_trainer *trainer;
    augmentation.horizontal_flip = 0.5f;
    augmentation.crop_padding = 1;
    augmentation.cutout = 2;
    ck_ok(cn_dataset_set_augmentation(r->data, &augmentation));
    group.pattern = "*.bias";
    group.learning_rate_scale = 2.0f;
    group.weight_decay = 0.0f;
    optimizer.kind = CN_OPTIMIZER_ADAMW;
    optimizer.weight_decay = 0.05f;
    optimizer.group_count = 1;
    optimizer.groups = groups;
    schedule.kind = CN_SCHEDULE_ONE_CYCLE;
    schedule.epochs = EPOCHS;
    schedule.warmup_steps = 2;
    loss.label_smoothing = 0.1f;
    loss.outputs = CLASSES;
    loss.class_weights = class_weights;
    for (int i = 0; i < COUNT_OF_IMAGES; i++)
        weights[i] = 1.0 + i % 5;
    options.batch_size = 16;
    options.l1 = 1e-4f;
    options.ema_decay = 0.9f;
    options.mixup_alpha = 0.2f;
    options.clip_norm = 5.0f;
    options.seed = 11;
    options.optimizer = &optimizer;
    options.schedule = &schedule;
    options.sample_weights = weights;
    options.loss_count = 1;
    options.losses = losses;
    options.on_batch = stop;
    options.user = &r->stops;
    ck_ok(cn_model_freeze(r->model, "6.weight", 1));
    ck_ok(cn_trainer_new(r->model, r->data, r->data, &options, &trainer));
    return trainer;
}

static void write_run(void) {
    run r = begin();
    r.stops = true;
    cn_trainer *trainer = trainer_of(&r);
    ck_ok(cn_trainer_fit(trainer, EPOCHS, NULL, NULL));
    ck_ok(cn_trainer_save(trainer, path_of("run.safetensors")));
    cn_trainer_free(trainer);
    end(&r);
}

static void expect_history(const char *name, const cn_trainer *trainer) {
    float values[EPOCHS][5] = {{0}};
    int64_t epochs = cn_trainer_epoch_count(trainer);
    for (int64_t i = 0; i < epochs; i++) {
        cn_epoch_info e = CN_EPOCH_INFO_INIT;
        ck_ok(cn_trainer_epoch_info(trainer, i, &e));
        const double each[] = {e.train_loss, e.train_accuracy, e.test_loss, e.test_accuracy, e.learning_rate};
        for (int k = 0; k < 5; k++)
            values[i][k] = (float)each[k];
    }
    expect(name, values[0], 5 * epochs);
}

/* The first releases have no rates of steps in their checkpoints: then the means stand for them, and steps from there on. */
static void expect_rates(const cn_trainer *trainer, double until) {
    cn_history *history;
    double place, rate, first = 1.0;
    cn_epoch_info epoch = CN_EPOCH_INFO_INIT;
    ck_ok(cn_trainer_epoch_info(trainer, 0, &epoch));
    ck_ok(cn_trainer_history(trainer, "", &history));
    ck_ok(cn_history_rate(history, 0, &first, &rate));
    ck_assert_double_eq(first, 0.0);
    ck_assert_double_eq(rate, epoch.learning_rate);
    ck_ok(cn_history_rate(history, cn_history_rate_count(history) - 1, &place, &rate));
    ck_assert_double_eq_tol(place, until, 1e-12);
    cn_history_free(history);
}

static void read_run(void) {
    run r = begin();
    cn_trainer *trainer = trainer_of(&r);
    cn_model *model = loaded("run.safetensors");
    expect_parameters("averages", model); /* which a checkpoint's model is made of */
    cn_model_free(model);
    ck_ok(cn_trainer_resume(trainer, path_of("run.safetensors")));
    ck_assert_int_eq(cn_trainer_epoch_count(trainer), 1);
    expect_history("history when it was saved", trainer);
    expect_rates(trainer, 1.0 + 2.0 / ((COUNT_OF_IMAGES + 15) / 16));
    ck_ok(cn_trainer_fit(trainer, EPOCHS - 1, NULL, NULL));
    ck_assert_int_eq(cn_trainer_epoch_count(trainer), EPOCHS);
    expect_history("history in the end", trainer);
    expect_rates(trainer, EPOCHS);
    expect_parameters("run", r.model);
    cn_trainer_free(trainer);
    end(&r);
}

/* A loop of a program's own: model, optimizer, and what the program counts. */
typedef struct loop {
    run r;
    cn_optimizer *optimizer;
    cn_tensor *at;
    cn_checkpoint checkpoint;
    const char *name;
} loop;

static void begin_loop(loop *l, cn_optimizer_kind kind) {
    cn_optimizer_options options = CN_OPTIMIZER_OPTIONS_INIT;
    options.kind = kind;
    *l = (loop){.r = begin(), .at = tensor_of(CN_DTYPE_INT64, 1, (const int64_t[]){2}), .name = "at"};
    ck_ok(cn_optimizer_new(l->r.model, &options, &l->optimizer));
    l->checkpoint = (cn_checkpoint)CN_CHECKPOINT_INIT;
    l->checkpoint.model = l->r.model;
    l->checkpoint.optimizer = l->optimizer;
    l->checkpoint.tensor_count = 1;
    l->checkpoint.names = &l->name;
    l->checkpoint.tensors = &l->at;
}

static void end_loop(loop *l) {
    cn_optimizer_free(l->optimizer);
    cn_tensor_free(l->at);
    end(&l->r);
}

static void step(loop *l) {
    int64_t indices[16], *at = cn_tensor_data(l->at);
    cn_loss_options options = CN_LOSS_OPTIONS_INIT;
    cn_tensor *input = images(16, 3, 8, 8), *labels = tensor_of(CN_DTYPE_INT64, 1, (const int64_t[]){16}),
              *output = tensor_of(CN_DTYPE_FLOAT32, 2, (const int64_t[]){16, CLASSES}),
              *gradient = tensor_of(CN_DTYPE_FLOAT32, 2, (const int64_t[]){16, CLASSES});
    double loss;
    for (int i = 0; i < 16; i++)
        indices[i] = (at[1] * 16 + i) % COUNT_OF_IMAGES;
    ck_ok(cn_dataset_batch(l->r.data, 16, indices, 0, 0, 0, input, labels));
    ck_ok(cn_model_forward(l->r.model, 1, input, output));
    ck_ok(cn_loss_compute(&options, output, labels, &loss, gradient));
    ck_ok(cn_model_backward(l->r.model, gradient, NULL));
    ck_ok(cn_optimizer_step(l->optimizer));
    at[1]++;
    cn_tensor_free(input);
    cn_tensor_free(labels);
    cn_tensor_free(output);
    cn_tensor_free(gradient);
}

static const struct {
    cn_optimizer_kind kind;
    const char *file;
} loops[] = {{CN_OPTIMIZER_SGD, "loop_sgd.safetensors"}, {CN_OPTIMIZER_MUON, "loop_muon.safetensors"}};

static void write_loops(void) {
    for (int i = 0; i < 2; i++) {
        loop l;
        begin_loop(&l, loops[i].kind);
        for (int k = 0; k < 3; k++)
            step(&l);
        ck_ok(cn_checkpoint_save(&l.checkpoint, path_of(loops[i].file)));
        end_loop(&l);
    }
}

static void read_loops(void) {
    for (int i = 0; i < 2; i++) {
        loop l;
        begin_loop(&l, loops[i].kind);
        ck_ok(cn_checkpoint_load(&l.checkpoint, path_of(loops[i].file)));
        ck_assert_int_eq(((int64_t *)cn_tensor_data(l.at))[1], 3);
        ck_assert_int_eq(cn_model_training_passes(l.r.model), 3);
        for (int k = 0; k < 2; k++)
            step(&l);
        expect_parameters(loops[i].file, l.r.model);
        end_loop(&l);
    }
}

/* ---- the suite ---- */

static void open_release(int index) {
    folder = releases[index];
    ck_ok(cn_tensors_load(ctx, path_of("expected.safetensors"), &expected));
}

#define RELEASE_TEST(name, read)                                                                                       \
    START_TEST(name) {                                                                                                 \
        open_release(_i);                                                                                              \
        read();                                                                                                        \
        cn_tensors_free(expected);                                                                                     \
    }                                                                                                                  \
    END_TEST
RELEASE_TEST(models_give_what_they_gave, read_models)
RELEASE_TEST(tensors_are_what_they_were, read_tensors)
RELEASE_TEST(a_run_goes_on_as_it_would_have, read_run)
RELEASE_TEST(loops_go_on_as_they_would_have, read_loops)

START_TEST(write_release) {
    ck_ok(cn_tensors_new(ctx, &expected));
    writing = true;
    write_models();
    write_tensors();
    write_run();
    write_loops();
    read_models();
    read_tensors();
    read_run();
    read_loops();
    ck_ok(cn_tensors_save(expected, path_of("expected.safetensors"), NULL));
    cn_tensors_free(expected);
}
END_TEST

int main(int argc, char **argv) {
    const TTest *const reading[] = {models_give_what_they_gave, tensors_are_what_they_were,
                                    a_run_goes_on_as_it_would_have, loops_go_on_as_they_would_have};
    const TTest *const written[] = {write_release};
    Suite *suite = suite_create("releases");
    folder = argc > 1 ? argv[1] : NULL;
    if (folder)
        add_tests(suite, "write", set_up, tear_down, written, 1, 1);
    else
        add_tests(suite, "read", set_up, tear_down, reading, COUNT(reading), (int)COUNT(releases));
    return test_run(suite);
}
