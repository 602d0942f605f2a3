/* SPDX-License-Identifier: MIT */
/* errands.c: one of everything that a program does with the library. */
#include "errands.h"
#include "testing.h"
#include "toys.h"
#include <stdio.h>
#include <stdlib.h>

enum { IMAGES = 50, BATCH = 16, PATH = 200 };

typedef struct errand {
    cn_context *ctx;
    const char *folder;
    toy_data train, test;
    errands done;
} errand;

/* FNV-1a. */
static void keep(errand *e, const char *name, const void *bytes, size_t count) {
    uint64_t hash = UINT64_C(14695981039346656037);
    for (size_t i = 0; i < count; i++)
        hash = (hash ^ ((const unsigned char *)bytes)[i]) * UINT64_C(1099511628211);
    ck_assert_int_lt(e->done.count, ERRANDS_MAX);
    e->done.done[e->done.count].name = name;
    e->done.done[e->done.count++].hash = hash;
}

static void keep_tensor(errand *e, const char *name, cn_tensor *tensor) {
    static const size_t width[] = {0, 4, 1, 8}; /* by cn_dtype */
    keep(e, name, cn_tensor_data(tensor), (size_t)cn_tensor_count(tensor) * width[cn_tensor_dtype(tensor)]);
    cn_tensor_free(tensor);
}

static void keep_text(errand *e, const char *name, char *text) {
    keep(e, name, text, strlen(text));
    cn_text_free(text);
}

static void path_of(const errand *e, const char *name, char path[PATH]) {
    ck_assert_int_lt(snprintf(path, PATH, "%s/%s", e->folder, name), PATH);
}

/* A file, which goes with that. */
static void keep_file(errand *e, const char *name, const char *path) {
    enum { MOST = 1 << 18 };
    char *bytes = malloc(MOST);
    FILE *file = fopen(path, "rb");
    ck_assert(bytes && file);
    size_t count = fread(bytes, 1, MOST, file);
    ck_assert(count > 0 && count < MOST);
    fclose(file);
    ck_assert_int_eq(remove(path), 0);
    keep(e, name, bytes, count);
    free(bytes);
}

/* ---- training ---- */

static int stop_in_second_epoch(void *user, const cn_batch_info *batch) {
    (void)user;
    return batch->epoch == 2 && batch->batch == 2;
}

/* With a bit of all that computes: augmentation, a schedule with warm-up, clipping, averages. */
static cn_trainer *make_trainer(const errand *e, cn_model *model) {
    cn_augmentation changes = CN_AUGMENTATION_MNIST;
    cn_optimizer_options optimizer = CN_OPTIMIZER_OPTIONS_INIT;
    cn_schedule_options schedule = CN_SCHEDULE_OPTIONS_INIT;
    cn_trainer_options options = CN_TRAINER_OPTIONS_INIT;
    cn_trainer *trainer;
    changes.crop_padding = 1;
    optimizer.kind = CN_OPTIMIZER_ADAMW;
    schedule.kind = CN_SCHEDULE_COSINE;
    schedule.epochs = 3;
    schedule.warmup_steps = 2;
    options.batch_size = options.test_batch_size = BATCH;
    options.optimizer = &optimizer;
    options.schedule = &schedule;
    options.label_smoothing = 0.1f;
    options.ema_decay = 0.9f;
    options.clip_norm = 1.0f;
    options.l1 = 1e-4f;
    options.on_batch = stop_in_second_epoch;
    ck_ok(cn_dataset_set_augmentation(e->train.set, &changes));
    ck_ok(cn_trainer_new(model, e->train.set, e->test.set, &options, &trainer));
    return trainer;
}

/* One run, by two trainers and models: what the first saved, the second goes on from. */
static cn_model *train(errand *e) {
    cn_model *first = toy_model(e->ctx, CN_NORM_BATCH, 0.1f), *second = toy_model(e->ctx, CN_NORM_BATCH, 0.1f);
    cn_trainer *trainer = make_trainer(e, first);
    char path[PATH];
    size_t bytes;
    path_of(e, "run", path);
    ck_ok(cn_trainer_fit(trainer, 3, NULL, NULL));
    ck_ok(cn_trainer_save(trainer, path));
    cn_trainer_free(trainer);
    cn_model_free(first);
    trainer = make_trainer(e, second);
    ck_ok(cn_trainer_resume(trainer, path));
    ck_ok(cn_trainer_fit(trainer, 2, NULL, NULL));
    ck_assert_int_eq(cn_trainer_epoch_count(trainer), 3);
    ck_assert_int_eq(remove(path), 0);
    cn_trainer_free(trainer);
    void *tensors = toy_tensors(second, &bytes);
    keep(e, "parameters", tensors, bytes);
    free(tensors);
    return second;
}

/* ---- what a trained model is good for ---- */

static void predict(errand *e, const char *name, const cn_model *model) {
    cn_predictor *predictor;
    cn_tensor *output;
    ck_ok(cn_tensor_new(e->ctx, CN_DTYPE_FLOAT32, 2, (int64_t[]){IMAGES, TOY_CLASSES}, &output));
    ck_ok(cn_predictor_new(model, NULL, &predictor));
    ck_ok(cn_predictor_run(predictor, e->test.images, output));
    cn_predictor_free(predictor);
    keep_tensor(e, name, output);
}

static void measure(errand *e, const cn_model *model) {
    cn_report report = CN_REPORT_INIT;
    cn_evaluation *evaluation;
    char *text;
    ck_ok(evaluate_with(model, e->test.set, CN_LOSS_NLL, &evaluation));
    double measured[] = {cn_evaluation_loss(evaluation), cn_evaluation_accuracy(evaluation),
                         cn_evaluation_metric(evaluation, 0, CN_METRIC_F1)};
    keep(e, "evaluation", measured, sizeof measured);
    report.model = model;
    report.evaluation = evaluation;
    report.dataset = e->test.set;
    report.train = e->train.set;
    ck_ok(cn_report_page(e->ctx, &report, &text));
    keep_text(e, "report", text);
    ck_ok(cn_chart_confusion(evaluation, e->test.set, &text));
    keep_text(e, "chart", text);
    ck_ok(cn_model_summary(model, &text));
    keep_text(e, "summary", text);
    cn_evaluation_free(evaluation);
}

static void through_files(errand *e, cn_model *model) {
    char path[PATH], onnx[PATH], source[PATH];
    cn_model *loaded;
    path_of(e, "model.safetensors", path);
    path_of(e, "model.onnx", onnx);
    path_of(e, "model.c", source);
    ck_ok(cn_model_save(model, path));
    ck_ok(cn_model_load(e->ctx, path, &loaded));
    keep_file(e, "model file", path);
    predict(e, "its predictions", loaded);
    cn_model_free(loaded);
    ck_ok(cn_model_save_onnx(model, onnx, NULL));
    ck_ok(cn_model_load(e->ctx, onnx, &loaded));
    keep_file(e, "ONNX file", onnx);
    predict(e, "predictions by ONNX", loaded);
    cn_model_free(loaded);
    ck_ok(cn_model_export_c(model, source, NULL));
    keep_file(e, "C source", source);
}

static void through_numpy(errand *e) {
    char path[PATH];
    cn_tensor *images;
    path_of(e, "images.npy", path);
    ck_ok(cn_tensor_save_npy(e->test.images, path));
    ck_ok(cn_tensor_load_npy(e->ctx, path, &images));
    ck_assert_int_eq(remove(path), 0);
    keep_tensor(e, "array", images);
}

/* ---- pictures ---- */

static void handle_pictures(errand *e) {
    cn_tensor *picture, *resized, *fitted, *png;
    ck_ok(cn_tensor_new(e->ctx, CN_DTYPE_UINT8, 4, (int64_t[]){1, 1, TOY_SIDE, TOY_SIDE}, &picture));
    ck_ok(cn_dataset_image(e->test.set, 1, picture, NULL));
    ck_ok(cn_image_resize(picture, 17, 13, &resized));
    ck_ok(cn_image_fit(resized, 3, 9, 9, &fitted));
    cn_tensor_free(picture);
    cn_tensor_free(resized);
    cn_status status = cn_image_encode_png(fitted, &png);
    ck_assert(status == CN_OK || status == CN_ERR_UNSUPPORTED);
    if (status == CN_OK) {
        ck_ok(cn_image_load_memory(e->ctx, cn_tensor_data(png), (size_t)cn_tensor_count(png), &picture));
        keep_tensor(e, "picture", picture);
        ck_assert_int_ne(cn_image_load_memory(e->ctx, cn_tensor_data(png), (size_t)cn_tensor_count(png) / 2, &picture),
                         CN_OK);
        keep_tensor(e, "PNG file", png);
    }
    keep_tensor(e, "fitted picture", fitted);
}

/* ---- what must be refused ---- */

static void be_refused(errand *e, const cn_model *model) {
    static const char rubbish[64] = "\x08\x08:\x0arubbish";
    char path[PATH];
    cn_model *loaded;
    cn_tensor *file;
    path_of(e, "nothing", path);
    ck_ok(cn_model_save_memory(model, &file));
    cn_status got[] = {cn_model_load(e->ctx, path, &loaded),
                       cn_model_load_memory(e->ctx, rubbish, sizeof rubbish, &loaded),
                       cn_model_load_memory(e->ctx, cn_tensor_data(file), (size_t)cn_tensor_count(file) - 1, &loaded)};
    cn_tensor_free(file);
    for (size_t i = 0; i < sizeof got / sizeof *got; i++)
        ck_assert_int_ne(got[i], CN_OK);
    keep(e, "refusals", got, sizeof got);
}

errands errands_run(cn_context *context, const char *folder) {
    errand e = {.ctx = context, .folder = folder};
    e.train = toy_data_new(context, IMAGES, 1);
    e.test = toy_data_new(context, IMAGES, 2);
    cn_model *model = train(&e);
    measure(&e, model);
    predict(&e, "predictions", model);
    through_files(&e, model);
    through_numpy(&e);
    handle_pictures(&e);
    be_refused(&e, model);
    cn_model_free(model);
    toy_data_free(&e.train);
    toy_data_free(&e.test);
    return e.done;
}

const char *errands_differ(const errands *got, const errands *wanted) {
    if (got->count != wanted->count)
        return "their number";
    for (int i = 0; i < got->count; i++)
        if (got->done[i].hash != wanted->done[i].hash)
            return got->done[i].name;
    return NULL;
}

void errands_expect_same(const errands *got, const errands *wanted) {
    const char *name = errands_differ(got, wanted);
    ck_assert_msg(!name, "%s: not what came out the first time", name);
}
