/* SPDX-License-Identifier: MIT */
/* test_structs.c: structs with a size in front, as callers of other versions bring them: every one that is read and
 * every one that is filled. */
#include "pieces.h"
#include "scratch.h"

TEST_RUNS_ONCE;

/* What takes a struct, and a correct one. The fixtures are made by with_everything. */
static cn_dataset *data;
static cn_model *classifier;
static cn_trainer *trainer;
static cn_evaluation *evaluation;
static scratch files;

typedef struct versioned {
    const char *name;
    size_t size, least; /* now, and when it was first released */
    const void *usual;
    cn_status (*take)(void *bytes);
} versioned;

#define LAYER_STRUCT(struct_name, type, init, call)                                                                    \
    static cn_status take_##struct_name(void *bytes) {                                                                 \
        const type *options = bytes;                                                                                   \
        cn_layer *layer;                                                                                               \
        cn_status status = call;                                                                                       \
        cn_layer_free(layer);                                                                                          \
        return status;                                                                                                 \
    }                                                                                                                  \
    static const type usual_##struct_name = init;
/* Of its defaults, neither a size nor a factor, it cannot be made. */
#define UPSAMPLE_TO_A_SIZE                                                                                             \
    {                                                                                                                  \
        .size = sizeof(cn_upsample_options), .output_size = { 3, 4 }                                                   \
    }
LAYER_STRUCT(conv2d, cn_conv2d_options, CN_CONV2D_OPTIONS_INIT, cn_conv2d_new(ctx, 4, 4, 3, 3, options, &layer))
LAYER_STRUCT(norm, cn_norm_options, CN_NORM_OPTIONS_INIT, cn_norm_new(ctx, CN_NORM_GROUP, 4, options, &layer))
LAYER_STRUCT(max_pool, cn_pool2d_options, CN_POOL2D_OPTIONS_INIT, cn_max_pool2d_new(ctx, 2, 2, options, &layer))
LAYER_STRUCT(conv_transpose2d, cn_conv_transpose2d_options, CN_CONV_TRANSPOSE2D_OPTIONS_INIT,
             cn_conv_transpose2d_new(ctx, 4, 4, 3, 3, options, &layer))
LAYER_STRUCT(layer_norm2d, cn_norm_options, CN_NORM_OPTIONS_INIT, cn_layer_norm2d_new(ctx, 4, options, &layer))
LAYER_STRUCT(upsample, cn_upsample_options, UPSAMPLE_TO_A_SIZE, cn_upsample_new(ctx, options, &layer))
LAYER_STRUCT(avg_pool, cn_pool2d_options, CN_POOL2D_OPTIONS_INIT, cn_avg_pool2d_new(ctx, 2, 2, options, &layer))

#define HANDLE_STRUCT(struct_name, type, init, handle, call, release)                                                  \
    static cn_status take_##struct_name(void *bytes) {                                                                 \
        const type *options = bytes;                                                                                   \
        handle *out = NULL;                                                                                            \
        cn_status status = call;                                                                                       \
        release(out);                                                                                                  \
        return status;                                                                                                 \
    }                                                                                                                  \
    static const type usual_##struct_name = init;
/* The classifier below gives logits. */
#define CROSS_ENTROPY_TRAINER                                                                                          \
    {                                                                                                                  \
        .size = sizeof(cn_trainer_options), .batch_size = 32, .test_batch_size = 128, .loss = CN_LOSS_CROSS_ENTROPY,   \
        .accumulate = 1                                                                                                \
    }
#define CROSS_ENTROPY_EVALUATION                                                                                       \
    { .size = sizeof(cn_evaluation_options), .loss = CN_LOSS_CROSS_ENTROPY }
HANDLE_STRUCT(context, cn_context_options, CN_CONTEXT_OPTIONS_INIT, cn_context, cn_context_new(options, &out),
              cn_context_free)
HANDLE_STRUCT(session8, cn_session8_options, CN_SESSION8_OPTIONS_INIT, cn_model, cn_model_session8(ctx, options, &out),
              cn_model_free)
/* For the smallest images that it takes, of the narrowest layers. */
#define SMALL_ZOO                                                                                                      \
    { sizeof(cn_zoo_options), 1, 8, 8, 0, 2, 0, 0.1f, 0.0f }
HANDLE_STRUCT(zoo, cn_zoo_options, SMALL_ZOO, cn_model, cn_model_zoo(ctx, "resnet20", options, &out), cn_model_free)
HANDLE_STRUCT(optimizer, cn_optimizer_options, CN_OPTIMIZER_OPTIONS_INIT, cn_optimizer,
              cn_optimizer_new(classifier, options, &out), cn_optimizer_free)
HANDLE_STRUCT(trainer, cn_trainer_options, CROSS_ENTROPY_TRAINER, cn_trainer,
              cn_trainer_new(classifier, data, NULL, options, &out), cn_trainer_free)
HANDLE_STRUCT(evaluation, cn_evaluation_options, CROSS_ENTROPY_EVALUATION, cn_evaluation,
              cn_evaluation_new(classifier, data, options, &out), cn_evaluation_free)
HANDLE_STRUCT(predictor, cn_predictor_options, CN_PREDICTOR_OPTIONS_INIT, cn_predictor,
              cn_predictor_new(classifier, options, &out), cn_predictor_free)

static cn_status take_trainers_optimizer(void *bytes) {
    cn_trainer_options options = usual_trainer;
    options.optimizer = bytes;
    return take_trainer(&options);
}

static const cn_schedule_options usual_schedule = CN_SCHEDULE_OPTIONS_INIT;
static cn_status take_schedule(void *bytes) {
    cn_trainer_options options = usual_trainer;
    options.schedule = bytes;
    return take_trainer(&options);
}

static const cn_augmentation usual_augmentation = CN_AUGMENTATION_CIFAR10;
static cn_status take_augmentation(void *bytes) {
    return cn_dataset_set_augmentation(data, bytes);
}

static int fetch_nothing(void *user, int64_t index, uint8_t *pixels, int64_t *label) {
    (void)user;
    (void)pixels;
    *label = index * 0;
    return 0;
}

static const cn_dataset_source usual_source = {.size = sizeof usual_source,
                                               .count = 3,
                                               .classes = 2,
                                               .channels = 1,
                                               .height = 2,
                                               .width = 2,
                                               .fetch = fetch_nothing};
static cn_status take_source(void *bytes) {
    cn_dataset *out = NULL;
    cn_status status = cn_dataset_callback(ctx, bytes, &out);
    cn_dataset_free(out);
    return status;
}

static cn_status compute_nothing(const cn_layer_pass *pass) {
    (void)pass;
    return CN_OK;
}

static const cn_layer_definition usual_definition = {.size = sizeof usual_definition,
                                                     .type = "test.Nothing",
                                                     .min_inputs = 1,
                                                     .max_inputs = 1,
                                                     .forward = compute_nothing,
                                                     .backward = compute_nothing};
static cn_status take_definition(void *bytes) {
    cn_context *own = test_context(1); /* which does not know the type yet */
    cn_status status = cn_context_register_layer(own, bytes);
    cn_context_free(own);
    return status;
}

static const cn_target_options usual_target = {
    .size = sizeof usual_target, .kind = CN_TARGET_IMAGE, .ignore_index = -100};
static cn_status take_target(void *bytes) {
    cn_status status = cn_dataset_add_target(data, NULL, bytes);
    (void)cn_dataset_clear_targets(data);
    return status;
}

static const cn_folder_options usual_folder = CN_FOLDER_OPTIONS_INIT;
static cn_status take_folder(void *bytes) {
    cn_dataset *out = NULL;
    cn_status status = cn_dataset_folder(ctx, "tests/golden", bytes, &out); /* with one class, "images" */
    cn_dataset_free(out);
    return status;
}

static const cn_report usual_report = CN_REPORT_INIT;
static cn_status take_report(void *bytes) {
    char *html;
    cn_status status = cn_report_page(ctx, bytes, &html);
    cn_text_free(html);
    return status;
}

static const cn_checkpoint usual_checkpoint = CN_CHECKPOINT_INIT;
static cn_status take_checkpoint(void *bytes) {
    cn_tensor *file;
    ((cn_checkpoint *)bytes)->model = classifier;
    cn_status status = cn_checkpoint_save_memory(bytes, &file);
    cn_tensor_free(file);
    return status;
}

static const cn_save_options usual_save = CN_SAVE_OPTIONS_INIT;
static cn_status take_save(void *bytes) {
    cn_tensor *file;
    cn_status status = cn_model_save_memory_with(classifier, bytes, &file);
    cn_tensor_free(file);
    return status;
}

static const cn_onnx_options usual_onnx = CN_ONNX_OPTIONS_INIT;
static cn_status take_onnx(void *bytes) {
    cn_tensor *file;
    cn_status status = cn_model_save_onnx_memory(classifier, bytes, &file);
    cn_tensor_free(file);
    return status;
}

static const cn_export_c_options usual_export_c = CN_EXPORT_C_OPTIONS_INIT;
static cn_status take_export_c(void *bytes) {
    return cn_model_export_c(classifier, scratch_path(&files, "model.c"), bytes);
}

static const cn_load_options usual_load = CN_LOAD_OPTIONS_INIT;
static cn_status take_load(void *bytes) {
    cn_tensors *tensors;
    ck_ok(cn_model_state_dict(classifier, &tensors));
    cn_status status = cn_model_load_state_dict(classifier, tensors, bytes);
    cn_tensors_free(tensors);
    return status;
}

static cn_status take_tensors_save(void *bytes) {
    cn_tensors *tensors;
    cn_tensor *file;
    ck_ok(cn_model_state_dict(classifier, &tensors));
    cn_status status = cn_tensors_save_memory(tensors, ".npz", bytes, &file);
    cn_tensor_free(file);
    cn_tensors_free(tensors);
    return status;
}

static const cn_target_options usual_class = CN_TARGET_OPTIONS_INIT;
static cn_status take_npy_class(void *bytes) {
    cn_tensor *images = tensor_of(CN_DTYPE_UINT8, 3, (const int64_t[]){2, 4, 4}),
              *labels = tensor_of(CN_DTYPE_INT64, 1, (const int64_t[]){2});
    cn_dataset *out = NULL;
    ck_ok(cn_tensor_save_npy(images, scratch_path(&files, "images.npy")));
    ck_ok(cn_tensor_save_npy(labels, scratch_path(&files, "labels.npy")));
    cn_status status =
        cn_dataset_npy(ctx, scratch_path(&files, "images.npy"), scratch_path(&files, "labels.npy"), bytes, &out);
    cn_dataset_free(out);
    cn_tensor_free(images);
    cn_tensor_free(labels);
    return status;
}

static const cn_loss_options usual_loss = CN_LOSS_OPTIONS_INIT;
static cn_status take_loss(void *bytes) {
    cn_tensor *output = tensor_of(CN_DTYPE_FLOAT32, 2, (const int64_t[]){2, 3}),
              *labels = tensor_of(CN_DTYPE_INT64, 1, (const int64_t[]){2});
    double loss;
    cn_status status = cn_loss_compute(bytes, output, labels, &loss, NULL);
    cn_tensor_free(output);
    cn_tensor_free(labels);
    return status;
}

static cn_status take_trainers_loss(void *bytes) {
    const cn_loss_options *losses[] = {bytes};
    cn_trainer_options options = usual_trainer;
    options.loss_count = 1;
    options.losses = losses;
    return take_trainer(&options);
}

static const cn_parameter_group usual_group = {sizeof usual_group, "*", NULL, 1.0f, CN_WEIGHT_DECAY_DEFAULT};
static cn_status take_group(void *bytes) {
    const cn_parameter_group *groups[] = {bytes};
    cn_optimizer_options options = CN_OPTIMIZER_OPTIONS_INIT;
    options.group_count = 1;
    options.groups = groups;
    return take_optimizer(&options);
}

static const cn_epoch_info usual_epoch = CN_EPOCH_INFO_INIT;
static cn_status take_history_epoch(void *bytes) {
    cn_history *history;
    ck_ok(cn_history_new(ctx, "", &history));
    cn_status status = cn_history_add(history, bytes);
    cn_history_free(history);
    return status;
}

/* Those that the library fills. */
static const cn_device usual_device = CN_DEVICE_INIT;
static cn_status take_device(void *bytes) {
    return cn_context_device(ctx, bytes);
}

static const cn_layer_info usual_info = CN_LAYER_INFO_INIT;
static cn_status take_info(void *bytes) {
    return cn_model_layer_info(classifier, 0, bytes);
}

static cn_status take_epoch(void *bytes) {
    return cn_trainer_epoch_info(trainer, 0, bytes);
}

static const cn_misclassified usual_misclassified = CN_MISCLASSIFIED_INIT;
static cn_status take_misclassified(void *bytes) {
    return cn_evaluation_misclassified(evaluation, 0, bytes);
}

static const cn_output_info usual_output = CN_OUTPUT_INFO_INIT;
static cn_status take_output(void *bytes) {
    return cn_trainer_output_info(trainer, 0, 0, bytes);
}

static cn_status take_target_of_data(void *bytes) {
    return cn_dataset_target(data, 0, bytes);
}

static cn_status take_augmentation_of_data(void *bytes) {
    return cn_dataset_augmentation(data, bytes);
}

#define ENTRY(name, take)                                                                                              \
    { #take, sizeof usual_##name, sizeof usual_##name, &usual_##name, take_##take }
static const versioned read_structs[] = {
    {"take_context", sizeof usual_context, offsetof(cn_context_options, pin), &usual_context, take_context},
    ENTRY(conv2d, conv2d),
    ENTRY(norm, norm),
    ENTRY(max_pool, max_pool),
    ENTRY(avg_pool, avg_pool),
    ENTRY(conv_transpose2d, conv_transpose2d),
    ENTRY(layer_norm2d, layer_norm2d),
    ENTRY(upsample, upsample),
    ENTRY(session8, session8),
    ENTRY(definition, definition),
    ENTRY(zoo, zoo),
    ENTRY(optimizer, optimizer),
    ENTRY(optimizer, trainers_optimizer),
    ENTRY(schedule, schedule),
    {"take_trainer", sizeof usual_trainer, offsetof(cn_trainer_options, local_batch_norm), &usual_trainer,
     take_trainer},
    ENTRY(predictor, predictor),
    ENTRY(evaluation, evaluation),
    ENTRY(augmentation, augmentation),
    ENTRY(source, source),
    ENTRY(target, target),
    ENTRY(folder, folder),
    ENTRY(report, report),
    ENTRY(checkpoint, checkpoint),
    ENTRY(save, save),
    ENTRY(onnx, onnx),
    ENTRY(export_c, export_c),
    ENTRY(load, load),
    ENTRY(save, tensors_save),
    ENTRY(class, npy_class),
    ENTRY(loss, loss),
    ENTRY(loss, trainers_loss),
    ENTRY(group, group),
    ENTRY(epoch, history_epoch),
};
static const versioned filled_structs[] = {ENTRY(device, device),
                                           ENTRY(info, info),
                                           ENTRY(epoch, epoch),
                                           ENTRY(output, output),
                                           ENTRY(misclassified, misclassified),
                                           ENTRY(class, target_of_data),
                                           ENTRY(augmentation, augmentation_of_data)};

static void with_everything(void) {
    cn_layer *pool, *flatten;
    set_up();
    files = scratch_new();
    classifier = model_for(3, 32, 32);
    ck_ok(cn_adaptive_avg_pool2d_new(ctx, 1, 1, &pool));
    ck_ok(cn_model_append(classifier, "pool", pool));
    ck_ok(cn_model_append(classifier, "head", conv(3, 10, 1)));
    ck_ok(cn_flatten_new(ctx, &flatten));
    ck_ok(cn_model_append(classifier, "flat", flatten));
    ck_ok(cn_model_init(classifier, 1));
    ck_ok(cn_dataset_synthetic(ctx, CN_SPLIT_TRAIN, 20, 1, &data));
    ck_ok(cn_trainer_new(classifier, data, NULL, &usual_trainer, &trainer));
    ck_ok(cn_trainer_fit(trainer, 1, NULL, NULL));
    ck_ok(evaluate_with(classifier, data, CN_LOSS_CROSS_ENTROPY, &evaluation));
}

static void without_everything(void) {
    cn_evaluation_free(evaluation);
    cn_trainer_free(trainer);
    cn_dataset_free(data);
    cn_model_free(classifier);
    scratch_free(&files);
    tear_down();
}

#define STACK 0xa5 /* what happens to lie behind a caller's struct */

/* A copy of a caller's struct of `size` bytes: what is newer than this library is zero, and behind the struct lies
 * whatever the stack has left there. On a page, so that no pointer is needed to its type. */
static unsigned char *copy_of(const versioned *v, size_t size) {
    static uint64_t aligned[8192 / sizeof(uint64_t)];
    unsigned char *bytes = (unsigned char *)aligned;
    memset(bytes, STACK, sizeof aligned);
    memset(bytes, 0, size < sizeof aligned ? size : 0);
    memcpy(bytes, v->usual, size < v->size ? size : v->size);
    aligned[0] = size;
    return bytes;
}

START_TEST(a_struct_says_its_size) {
    const versioned *v = &read_structs[_i];
    ck_ok(v->take(copy_of(v, v->size)));
    ck_fails(v->take(copy_of(v, 0)), CN_ERR_ARGUMENT, "its size member is 0");
    ck_fails(v->take(copy_of(v, v->least - 1)), CN_ERR_ARGUMENT, "its size member is");
    ck_ok(v->take(copy_of(v, v->least)));
    ck_fails(v->take(copy_of(v, SIZE_MAX)), CN_ERR_ARGUMENT, "its size member is");
    ck_ok(v->take(copy_of(v, v->size)));
}
END_TEST

START_TEST(a_newer_struct_must_not_use_what_is_new) {
    const versioned *v = &read_structs[_i];
    const size_t more[] = {1, 8, 200};
    for (size_t i = 0; i < COUNT(more); i++) {
        size_t size = v->size + more[i];
        ck_ok(v->take(copy_of(v, size)));
        unsigned char *bytes = copy_of(v, size);
        bytes[size - 1] = 1;
        ck_fails(v->take(bytes), CN_ERR_VERSION, "is set, but this library");
        ck_assert_ptr_nonnull(strstr(cn_last_error(), cn_version_string()));
    }
}
END_TEST

START_TEST(a_filled_struct_is_filled_as_far_as_it_goes) {
    const versioned *v = &filled_structs[_i];
    unsigned char *bytes = copy_of(v, v->size + 16);
    memset(bytes + v->size, STACK, 24);
    ck_ok(v->take(bytes));
    for (size_t i = 0; i < 16; i++)
        ck_assert_int_eq(bytes[v->size + i], 0);
    for (size_t i = 16; i < 24; i++)
        ck_assert_int_eq(bytes[v->size + i], STACK);
    ck_fails(v->take(copy_of(v, 0)), CN_ERR_ARGUMENT, "its size member is 0");
    ck_fails(v->take(copy_of(v, v->size - 1)), CN_ERR_ARGUMENT, "its size member is");
}
END_TEST

/* ---- reserved members, and zeros that are zeros ---- */

START_TEST(reserved_members_must_be_zero) {
    cn_conv2d_options conv = CN_CONV2D_OPTIONS_INIT;
    cn_norm_options norm = CN_NORM_OPTIONS_INIT;
    cn_pool2d_options pool = CN_POOL2D_OPTIONS_INIT;
    cn_predictor_options predict = CN_PREDICTOR_OPTIONS_INIT;
    cn_dataset_source source = usual_source;
    conv.reserved = norm.reserved = pool.reserved = predict.reserved = 1;
    source.reserved = 1;
    ck_fails(take_conv2d(&conv), CN_ERR_VERSION, "cn_conv2d_options: a reserved member is set");
    ck_fails(take_norm(&norm), CN_ERR_VERSION, "cn_norm_options: a reserved member is set");
    ck_fails(take_max_pool(&pool), CN_ERR_VERSION, "cn_pool2d_options: a reserved member is set");
    ck_fails(take_predictor(&predict), CN_ERR_VERSION, "cn_predictor_options: a reserved member is set");
    ck_fails(take_source(&source), CN_ERR_VERSION, "cn_dataset_source: a reserved member is set");
}
END_TEST

START_TEST(a_zero_is_not_a_default) {
    cn_conv2d_options conv = CN_CONV2D_OPTIONS_INIT;
    cn_norm_options norm = CN_NORM_OPTIONS_INIT;
    cn_session8_options session8 = CN_SESSION8_OPTIONS_INIT;
    cn_trainer_options batch = usual_trainer;
    cn_predictor_options predict = CN_PREDICTOR_OPTIONS_INIT;
    cn_schedule_options schedule = CN_SCHEDULE_OPTIONS_INIT;
    norm.groups = 0;
    ck_fails(take_norm(&norm), CN_ERR_ARGUMENT, "groups is 0");
    conv.stride[1] = 0;
    ck_fails(take_conv2d(&conv), CN_ERR_ARGUMENT, "stride width is 0");
    session8.classes = 0;
    ck_fails(take_session8(&session8), CN_ERR_ARGUMENT, "classes is 0");
    batch.batch_size = 0;
    ck_fails(take_trainer(&batch), CN_ERR_ARGUMENT, "batch_size is 0");
    predict.max_batch_size = 0;
    ck_fails(take_predictor(&predict), CN_ERR_ARGUMENT, "max_batch_size is 0");
    schedule.factor = 0.0f;
    ck_fails(take_schedule(&schedule), CN_ERR_ARGUMENT, "factor is 0");
}
END_TEST

int main(void) {
    const TTest *const reading[] = {a_struct_says_its_size, a_newer_struct_must_not_use_what_is_new};
    const TTest *const filling[] = {a_filled_struct_is_filled_as_far_as_it_goes};
    const TTest *const members[] = {reserved_members_must_be_zero, a_zero_is_not_a_default};
    Suite *suite = suite_create("structs");
    add_tests(suite, "read", with_everything, without_everything, reading, COUNT(reading), (int)COUNT(read_structs));
    add_tests(suite, "filled", with_everything, without_everything, filling, COUNT(filling),
              (int)COUNT(filled_structs));
    add_tests(suite, "members", with_everything, without_everything, members, COUNT(members), 1);
    return test_run(suite);
}
