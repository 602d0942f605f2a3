/* test_structs.c: structs with a size in front, as callers of other versions bring them: every one that is read and
 * every one that is filled. */
#include "pieces.h"

/* What takes a struct, and a correct one. The fixtures are made by with_everything. */
static cn_dataset *data;
static cn_model *classifier;
static cn_trainer *trainer;
static cn_evaluation *evaluation;

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
LAYER_STRUCT(conv2d, cn_conv2d_options, CN_CONV2D_OPTIONS_INIT, cn_conv2d_new(ctx, 4, 4, 3, 3, options, &layer))
LAYER_STRUCT(norm, cn_norm_options, CN_NORM_OPTIONS_INIT, cn_norm_new(ctx, CN_NORM_GROUP, 4, options, &layer))
LAYER_STRUCT(max_pool, cn_pool2d_options, CN_POOL2D_OPTIONS_INIT, cn_max_pool2d_new(ctx, 2, 2, options, &layer))
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
HANDLE_STRUCT(context, cn_context_options, CN_CONTEXT_OPTIONS_INIT, cn_context, cn_context_new(options, &out),
              cn_context_free)
HANDLE_STRUCT(session8, cn_session8_options, CN_SESSION8_OPTIONS_INIT, cn_model, cn_model_session8(ctx, options, &out),
              cn_model_free)
HANDLE_STRUCT(optimizer, cn_optimizer_options, CN_OPTIMIZER_OPTIONS_INIT, cn_optimizer,
              cn_optimizer_new(classifier, options, &out), cn_optimizer_free)
HANDLE_STRUCT(trainer, cn_trainer_options, CN_TRAINER_OPTIONS_INIT, cn_trainer,
              cn_trainer_new(classifier, data, NULL, options, &out), cn_trainer_free)
HANDLE_STRUCT(evaluation, cn_evaluation_options, CN_EVALUATION_OPTIONS_INIT, cn_evaluation,
              cn_evaluation_new(classifier, data, options, &out), cn_evaluation_free)
HANDLE_STRUCT(predictor, cn_predictor_options, CN_PREDICTOR_OPTIONS_INIT, cn_predictor,
              cn_predictor_new(classifier, options, &out), cn_predictor_free)

static cn_status take_trainers_optimizer(void *bytes) {
    cn_trainer_options options = CN_TRAINER_OPTIONS_INIT;
    options.optimizer = bytes;
    return take_trainer(&options);
}

static const cn_schedule_options usual_schedule = CN_SCHEDULE_OPTIONS_INIT;
static cn_status take_schedule(void *bytes) {
    cn_trainer_options options = CN_TRAINER_OPTIONS_INIT;
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

static const cn_dataset_source usual_source = {sizeof usual_source, 3, 1, 2, 2, 2, fetch_nothing, NULL};
static cn_status take_source(void *bytes) {
    cn_dataset *out = NULL;
    cn_status status = cn_dataset_callback(ctx, bytes, &out);
    cn_dataset_free(out);
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

/* Those that the library fills. */
static const cn_device usual_device = CN_DEVICE_INIT;
static cn_status take_device(void *bytes) {
    return cn_context_device(ctx, bytes);
}

static const cn_layer_info usual_info = CN_LAYER_INFO_INIT;
static cn_status take_info(void *bytes) {
    return cn_model_layer_info(classifier, 0, bytes);
}

static const cn_epoch_info usual_epoch = CN_EPOCH_INFO_INIT;
static cn_status take_epoch(void *bytes) {
    return cn_trainer_epoch_info(trainer, 0, bytes);
}

static const cn_misclassified usual_misclassified = CN_MISCLASSIFIED_INIT;
static cn_status take_misclassified(void *bytes) {
    return cn_evaluation_misclassified(evaluation, 0, bytes);
}

#define ENTRY(name, take)                                                                                              \
    { #take, sizeof usual_##name, sizeof usual_##name, &usual_##name, take_##take }
/* One that has grown: by `member` and what follows. */
#define GROWN(name, take, type, member)                                                                                \
    { #take, sizeof usual_##name, offsetof(type, member), &usual_##name, take_##take }
static const versioned read_structs[] = {
    GROWN(context, context, cn_context_options, trace),
    ENTRY(conv2d, conv2d),
    ENTRY(norm, norm),
    ENTRY(max_pool, max_pool),
    ENTRY(avg_pool, avg_pool),
    ENTRY(session8, session8),
    GROWN(optimizer, optimizer, cn_optimizer_options, decay_weights_only),
    GROWN(optimizer, trainers_optimizer, cn_optimizer_options, decay_weights_only),
    ENTRY(schedule, schedule),
    GROWN(trainer, trainer, cn_trainer_options, ema_decay),
    GROWN(predictor, predictor, cn_predictor_options, flip),
    GROWN(evaluation, evaluation, cn_evaluation_options, shift),
    GROWN(augmentation, augmentation, cn_augmentation, alternating_flip),
    ENTRY(source, source),
    ENTRY(folder, folder),
    ENTRY(report, report),
};
static const versioned filled_structs[] = {ENTRY(device, device), ENTRY(info, info), ENTRY(epoch, epoch),
                                           ENTRY(misclassified, misclassified)};

static void with_everything(void) {
    cn_layer *pool, *flatten;
    set_up();
    classifier = model_for(3, 32, 32);
    ck_ok(cn_adaptive_avg_pool2d_new(ctx, 1, 1, &pool));
    ck_ok(cn_model_append(classifier, "pool", pool));
    ck_ok(cn_model_append(classifier, "head", conv(3, 10, 1)));
    ck_ok(cn_flatten_new(ctx, &flatten));
    ck_ok(cn_model_append(classifier, "flat", flatten));
    ck_ok(cn_model_init(classifier, 1));
    ck_ok(cn_dataset_synthetic(ctx, CN_SPLIT_TRAIN, 20, 1, &data));
    ck_ok(cn_trainer_new(classifier, data, NULL,
                         &(cn_trainer_options){.size = sizeof(cn_trainer_options), .loss = CN_LOSS_CROSS_ENTROPY},
                         &trainer));
    ck_ok(cn_trainer_fit(trainer, 1, NULL, NULL));
    ck_ok(cn_evaluate(classifier, data, CN_LOSS_CROSS_ENTROPY, &evaluation));
}

static void without_everything(void) {
    cn_evaluation_free(evaluation);
    cn_trainer_free(trainer);
    cn_dataset_free(data);
    cn_model_free(classifier);
    tear_down();
}

/* A copy at the start of a page that goes on in zeros, so that no pointer is needed to its type. */
static unsigned char *copy_of(const versioned *v, size_t size) {
    static size_t aligned[8192 / sizeof(size_t)];
    memset(aligned, 0, sizeof aligned);
    memcpy(aligned, v->usual, v->size);
    aligned[0] = size;
    return (unsigned char *)aligned;
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
    memset(bytes + v->size, 0xff, 24);
    ck_ok(v->take(bytes));
    for (size_t i = 0; i < 16; i++)
        ck_assert_int_eq(bytes[v->size + i], 0);
    for (size_t i = 16; i < 24; i++)
        ck_assert_int_eq(bytes[v->size + i], 0xff);
    ck_fails(v->take(copy_of(v, 0)), CN_ERR_ARGUMENT, "its size member is 0");
    ck_fails(v->take(copy_of(v, v->size - 1)), CN_ERR_ARGUMENT, "its size member is");
}
END_TEST

int main(void) {
    const TTest *const reading[] = {a_struct_says_its_size, a_newer_struct_must_not_use_what_is_new};
    const TTest *const filling[] = {a_filled_struct_is_filled_as_far_as_it_goes};
    Suite *suite = suite_create("structs");
    add_tests(suite, "read", with_everything, without_everything, reading, COUNT(reading), (int)COUNT(read_structs));
    add_tests(suite, "filled", with_everything, without_everything, filling, COUNT(filling),
              (int)COUNT(filled_structs));
    return test_run(suite);
}
