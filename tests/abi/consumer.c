/* SPDX-License-Identifier: MIT */
/* consumer.c: a program as it was compiled against a recorded header, RECORDED, run with the library of today. It calls
 * every function that takes a struct, with all that lies around the struct poisoned.
 *
 *   consumer FOLDER WAY    writes into that folder; prints a digest of all that was computed, which is the same for each
 *                          way to fill a struct: "macro", "function" (…_init), and "longer", as a program of a later
 *                          version has them, whose further members are zero */
#define _DEFAULT_SOURCE

/* A struct with padding would be read where nothing was written. */
#pragma GCC diagnostic push
#pragma GCC diagnostic error "-Wpadded"
#include RECORDED
#pragma GCC diagnostic pop

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CHANNELS = 3, SIDE = 8, IMAGES = 24, CLASSES = 3, PIXELS = CHANNELS * SIDE * SIDE };

static const char *folder;
static int by_function;
static size_t longer; /* bytes behind a struct that its size takes in, and that are zero */

/* ---- checks, and the digest ---- */

static void fail(int line, const char *what) {
    fprintf(stderr, "consumer.c:%d: %s: %s\n", line, what, cn_last_error());
    exit(1);
}

#define ok(call)         ((call) == CN_OK ? (void)0 : fail(__LINE__, #call))
#define check(condition) ((condition) ? (void)0 : fail(__LINE__, #condition))

static uint64_t digest = 0xcbf29ce484222325u;

static void add_bytes(const void *bytes, size_t count) {
    for (size_t i = 0; i < count; i++)
        digest = (digest ^ ((const unsigned char *)bytes)[i]) * 0x100000001b3u;
}

static void add_number(double number) {
    add_bytes(&number, sizeof number);
}

static void add_tensor(const cn_tensor *tensor) {
    size_t each = cn_tensor_dtype(tensor) == CN_DTYPE_UINT8   ? 1
                  : cn_tensor_dtype(tensor) == CN_DTYPE_INT64 ? sizeof(int64_t)
                                                              : sizeof(float);
    add_bytes(cn_tensor_data_const(tensor), (size_t)cn_tensor_count(tensor) * each);
}

static const char *in_folder(const char *name) {
    static char paths[4][4096];
    static int next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

/* ---- structs, with poison before them and a page behind them that cannot be read ---- */

static void *poisoned(size_t size) {
    size_t page = (size_t)sysconf(_SC_PAGESIZE), before = (size + longer + page - 1) / page * page;
    char *bytes = mmap(NULL, before + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    check(bytes != MAP_FAILED && mprotect(bytes + before, page, PROT_NONE) == 0);
    memset(bytes, 0xa5, before);
    memset(bytes + before - longer, 0, longer);
    return bytes + before - longer - size;
}

/* A struct with its usual values, called `name`. */
#define STRUCT(type, name, init)                                                                                       \
    type *name = poisoned(sizeof(type));                                                                               \
    if (by_function)                                                                                                   \
        type##_init(name, sizeof(type));                                                                               \
    else                                                                                                               \
        *name = (type)init;                                                                                            \
    name->size += longer

/* ---- what the program gives to the library ---- */

static void *allocate(void *user, size_t bytes, size_t alignment) {
    void *memory = NULL;
    ++*(int *)user;
    return posix_memalign(&memory, alignment < sizeof(void *) ? sizeof(void *) : alignment, bytes) ? NULL : memory;
}

static void release(void *user, void *memory) {
    --*(int *)user;
    free(memory);
}

static void trace(void *user, const cn_trace_event *event) {
    (void)user;
    check(event->size >= sizeof *event && event->end >= event->start && event->pass >= CN_PASS_FETCH);
}

static unsigned pixel_of(int64_t image, int pixel) {
    uint32_t h = (uint32_t)image * 0x9e3779b1u + (uint32_t)pixel * 0x85ebca77u;
    h = (h ^ h >> 15) * 0x2c1b3c6du;
    return (h ^ h >> 12) >> 24 & 255u;
}

static int fetch(void *user, int64_t index, uint8_t *pixels, int64_t *label) {
    (void)user;
    for (int i = 0; i < PIXELS; i++)
        pixels[i] = (uint8_t)pixel_of(index, i);
    *label = index % CLASSES;
    return 0;
}

static int on_batch(void *user, const cn_batch_info *batch) {
    check(batch->size >= sizeof *batch);
    add_number(batch->loss + *(const int *)user * 0.0);
    return 0;
}

static int on_gradient(void *user, cn_model *model, const cn_batch_info *batch) {
    cn_tensor *gradient;
    (void)user;
    check(batch->size >= sizeof *batch);
    ok(cn_model_gradient(model, "head.weight", &gradient));
    add_tensor(gradient);
    return 0;
}

static double rate_of(void *user, const cn_rate_info *at) {
    (void)user;
    check(at->size >= sizeof *at);
    return at->learning_rate / (double)(1 + at->step);
}

static int own_loss(void *user, const cn_tensor *output, const cn_tensor *target, double *loss, cn_tensor *gradient) {
    const float *x = cn_tensor_data_const(output);
    (void)user;
    (void)target;
    *loss = 0.0;
    for (int64_t i = 0; i < cn_tensor_count(output); i++) {
        *loss += x[i];
        if (gradient)
            ((float *)cn_tensor_data(gradient))[i] = 1.0f;
    }
    return 0;
}

typedef struct scaling {
    float usual;
    int add;
} scaling;

static int scaling_parameters(void *user, const void *options, cn_layer_parameter parameters[CN_MAX_LAYER_PARAMETERS]) {
    (void)user;
    parameters[0].name = "scale";
    parameters[0].shape[0] = 1;
    parameters[0].dims = 1;
    parameters[0].value = ((const scaling *)options)->usual;
    return 1;
}

static cn_status scaling_forward(const cn_layer_pass *pass) {
    const scaling *options = pass->options;
    check(pass->size >= sizeof *pass);
    int64_t count = pass->images * pass->output_shape[0] * pass->output_shape[1] * pass->output_shape[2];
    for (int64_t i = 0; i < count; i++)
        pass->output[i] = pass->inputs[0][i] * pass->parameters[0][0] + (float)options->add;
    return CN_OK;
}

static cn_status scaling_backward(const cn_layer_pass *pass) {
    int64_t count = pass->images * pass->output_shape[0] * pass->output_shape[1] * pass->output_shape[2];
    for (int64_t i = 0; i < count; i++) {
        pass->grad_inputs[0][i] += pass->grad_output[i] * pass->parameters[0][0];
        pass->grad_parameters[0][0] += pass->grad_output[i] * pass->inputs[0][i];
    }
    return CN_OK;
}

static void told(void *user, cn_load_result result, const char *name, const char *message) {
    (void)user;
    check(name && message && result >= CN_LOAD_MATCHED);
}

/* ---- contexts and layers ---- */

static cn_context *new_context(int *allocations) {
    cn_context *context;
    STRUCT(cn_context_options, options, CN_CONTEXT_OPTIONS_INIT);
    options->threads = 2;
    options->allocate = allocate;
    options->release = release;
    options->trace = trace;
    options->user = allocations;
    ok(cn_context_new(options, &context));
    STRUCT(cn_device, device, CN_DEVICE_INIT);
    ok(cn_context_device(context, device));
    check(device->threads >= 1 && device->processor);
    return context;
}

static void register_scaling(cn_context *context) {
    static const cn_layer_option options[] = {CN_FLOAT_OPTION(scaling, usual, 1.0, 0.0, 8.0),
                                              CN_INT_OPTION(scaling, add, 0, -1, 1)};
    STRUCT(cn_layer_definition, definition, CN_LAYER_DEFINITION_INIT);
    definition->type = "consumer.Scaling";
    definition->options = options;
    definition->options_size = sizeof(scaling);
    definition->option_count = 2;
    definition->parameters = scaling_parameters;
    definition->forward = scaling_forward;
    definition->backward = scaling_backward;
    ok(cn_context_register_layer(context, definition));
}

static cn_layer *layer;
#define APPEND(name, made) (ok(made), ok(cn_model_append(model, name, layer)))

/* Has every layer that takes options. With `own`, the program's, too, which no other format can hold. */
static cn_model *new_model(cn_context *context, int own) {
    cn_model *model;
    STRUCT(cn_conv2d_options, conv, CN_CONV2D_OPTIONS_INIT);
    STRUCT(cn_conv_transpose2d_options, transposed, CN_CONV_TRANSPOSE2D_OPTIONS_INIT);
    STRUCT(cn_norm_options, norm, CN_NORM_OPTIONS_INIT);
    STRUCT(cn_pool2d_options, pool, CN_POOL2D_OPTIONS_INIT);
    STRUCT(cn_upsample_options, upsample, CN_UPSAMPLE_OPTIONS_INIT);
    conv->padding[0] = conv->padding[1] = 1;
    transposed->stride[0] = transposed->stride[1] = 2;
    norm->momentum = 0.2f;
    pool->stride[0] = pool->stride[1] = 1;
    upsample->scale_factor[0] = upsample->scale_factor[1] = 2.0;
    upsample->mode = CN_UPSAMPLE_BILINEAR;
    ok(cn_model_new(context, CHANNELS, SIDE, SIDE, &model));
    APPEND("conv", cn_conv2d_new(context, CHANNELS, 8, 3, 3, conv, &layer));
    APPEND("norm", cn_norm_new(context, CN_NORM_BATCH, 8, norm, &layer));
    APPEND("max", cn_max_pool2d_new(context, 2, 2, pool, &layer));
    APPEND("transposed", cn_conv_transpose2d_new(context, 8, 4, 2, 2, transposed, &layer));
    APPEND("average", cn_avg_pool2d_new(context, 3, 3, pool, &layer));
    APPEND("norm2d", cn_layer_norm2d_new(context, 4, norm, &layer));
    APPEND("upsample", cn_upsample_new(context, upsample, &layer));
    if (own)
        APPEND("own", cn_custom_layer_new(context, "consumer.Scaling", &(scaling){0.5f, 1}, &layer));
    APPEND("pool", cn_adaptive_avg_pool2d_new(context, 2, 2, &layer));
    APPEND("flat", cn_flatten_new(context, &layer));
    APPEND("head", cn_linear_new(context, 16, CLASSES, 1, &layer));
    ok(cn_model_init(model, 1));
    STRUCT(cn_layer_info, info, CN_LAYER_INFO_INIT);
    for (int64_t i = 0; i < cn_model_layer_count(model); i++) {
        ok(cn_model_layer_info(model, i, info));
        add_number((double)info->parameters);
    }
    return model;
}

static void make_prebuilt(cn_context *context) {
    cn_model *model;
    STRUCT(cn_session8_options, session8, CN_SESSION8_OPTIONS_INIT);
    session8->classes = 2;
    ok(cn_model_session8(context, session8, &model));
    add_number((double)cn_model_parameter_count(model));
    cn_model_free(model);
    STRUCT(cn_zoo_options, zoo, CN_ZOO_OPTIONS_INIT);
    zoo->width_mult = 0.1f;
    ok(cn_model_zoo(context, "resnet20", zoo, &model));
    add_number((double)cn_model_parameter_count(model));
    cn_model_free(model);
}

/* ---- data ---- */

static cn_dataset *new_dataset(cn_context *context) {
    cn_dataset *data;
    STRUCT(cn_dataset_source, source, CN_DATASET_SOURCE_INIT);
    source->count = IMAGES;
    source->classes = CLASSES;
    source->channels = CHANNELS;
    source->height = source->width = SIDE;
    source->fetch = fetch;
    ok(cn_dataset_callback(context, source, &data));
    STRUCT(cn_augmentation, augmentation, CN_AUGMENTATION_INIT);
    augmentation->horizontal_flip = 0.5f;
    augmentation->crop_padding = 1;
    ok(cn_dataset_set_augmentation(data, augmentation));
    STRUCT(cn_augmentation, in_use, CN_AUGMENTATION_INIT);
    ok(cn_dataset_augmentation(data, in_use));
    check(in_use->crop_padding == 1 && in_use->horizontal_flip == 0.5f);
    return data;
}

static void look_at(cn_dataset *data, cn_target_kind kind) {
    STRUCT(cn_target_options, target, CN_TARGET_OPTIONS_INIT);
    ok(cn_dataset_target(data, 0, target));
    check(target->kind == kind);
    add_number((double)cn_dataset_count(data));
    add_number((double)target->classes);
    cn_dataset_free(data);
}

static void read_arrays(cn_context *context) {
    static uint8_t pixels[4 * PIXELS];
    static float vectors[4][2];
    static int64_t labels[4] = {0, 1, 2, 1};
    cn_tensor *images, *values, *classes;
    cn_tensors *arrays;
    cn_dataset *data;
    for (int i = 0; i < 4 * PIXELS; i++)
        pixels[i] = (uint8_t)pixel_of(0, i);
    ok(cn_tensor_borrow(context, CN_DTYPE_UINT8, 4, (const int64_t[]){4, CHANNELS, SIDE, SIDE}, pixels, &images));
    ok(cn_tensor_borrow(context, CN_DTYPE_FLOAT32, 2, (const int64_t[]){4, 2}, vectors, &values));
    ok(cn_tensor_borrow(context, CN_DTYPE_INT64, 1, (const int64_t[]){4}, labels, &classes));

    STRUCT(cn_target_options, vector, CN_TARGET_OPTIONS_INIT);
    vector->kind = CN_TARGET_VECTOR;
    vector->vector = CN_VECTOR_POINTS;
    ok(cn_dataset_memory(context, images, NULL, 0, &data));
    ok(cn_dataset_add_target(data, values, vector));
    look_at(data, CN_TARGET_VECTOR);

    STRUCT(cn_target_options, class, CN_TARGET_OPTIONS_INIT);
    ok(cn_tensor_save_npy(images, in_folder("images.npy")));
    ok(cn_tensor_save_npy(classes, in_folder("classes.npy")));
    ok(cn_dataset_npy(context, in_folder("images.npy"), in_folder("classes.npy"), class, &data));
    look_at(data, CN_TARGET_CLASS);

    STRUCT(cn_save_options, save, CN_SAVE_OPTIONS_INIT);
    save->deflate = 1;
    ok(cn_tensors_new(context, &arrays));
    ok(cn_tensors_add(arrays, "images", images));
    ok(cn_tensors_add(arrays, "labels", classes));
    ok(cn_tensors_save(arrays, in_folder("arrays.npz"), save));
    ok(cn_dataset_npz(context, in_folder("arrays.npz"), CN_SPLIT_ALL, class, &data));
    look_at(data, CN_TARGET_CLASS);
    cn_tensor *file;
    ok(cn_tensors_save_memory(arrays, ".npz", save, &file));
    add_number((double)cn_tensor_count(file));
    cn_tensor_free(file);
    cn_tensors_free(arrays);
    cn_tensor_free(images);
    cn_tensor_free(values);
    cn_tensor_free(classes);
}

static void save_picture(cn_context *context, const char *name, int channels) {
    cn_tensor *picture;
    ok(cn_tensor_new(context, CN_DTYPE_UINT8, 4, (const int64_t[]){1, channels, SIDE, SIDE}, &picture));
    ok(cn_image_save(picture, in_folder(name)));
    cn_tensor_free(picture);
}

static void read_folders(cn_context *context) {
    cn_dataset *data;
    STRUCT(cn_folder_options, options, CN_FOLDER_OPTIONS_INIT);
    options->height = options->width = SIDE;
    static const char *const folders[] = {"pictures", "pictures/a",    "pictures/b",
                                          "masked",   "masked/images", "masked/masks"};
    for (int i = 0; i < 6; i++)
        check(mkdir(in_folder(folders[i]), 0700) == 0);
    save_picture(context, "pictures/a/0.ppm", 3);
    save_picture(context, "pictures/b/1.ppm", 3);
    ok(cn_dataset_folder(context, in_folder("pictures"), options, &data));
    look_at(data, CN_TARGET_CLASS);

    cn_tensor *png;
    ok(cn_tensor_new(context, CN_DTYPE_UINT8, 4, (const int64_t[]){1, 1, SIDE, SIDE}, &png));
    cn_status status = cn_image_save(png, in_folder("masked/masks/0.png"));
    cn_tensor_free(png);
    if (status == CN_ERR_UNSUPPORTED) /* a build without images */
        return;
    ok(status);
    save_picture(context, "masked/images/0.ppm", 3);
    STRUCT(cn_target_options, mask, CN_TARGET_OPTIONS_INIT);
    mask->kind = CN_TARGET_MASK;
    mask->classes = 2;
    ok(cn_dataset_folder_masks(context, in_folder("masked"), options, mask, &data));
    look_at(data, CN_TARGET_MASK);
}

/* ---- training, by a loop of the program's own and by a trainer ---- */

static cn_optimizer *new_optimizer(cn_model *model) {
    cn_optimizer *optimizer;
    STRUCT(cn_parameter_group, group, CN_PARAMETER_GROUP_INIT);
    group->pattern = "*.bias";
    group->weight_decay = 0.0f;
    const cn_parameter_group *groups[1];
    groups[0] = group;
    STRUCT(cn_optimizer_options, options, CN_OPTIMIZER_OPTIONS_INIT);
    options->kind = CN_OPTIMIZER_ADAMW;
    options->weight_decay = 0.01f;
    options->group_count = 1;
    options->groups = groups;
    ok(cn_optimizer_new(model, options, &optimizer));
    return optimizer;
}

static void train_by_hand(cn_context *context, cn_model *model, const cn_dataset *data) {
    cn_optimizer *optimizer = new_optimizer(model);
    cn_tensor *images, *labels, *output, *gradient, *file;
    int64_t indices[IMAGES];
    double loss;
    for (int64_t i = 0; i < IMAGES; i++)
        indices[i] = i;
    ok(cn_tensor_new(context, CN_DTYPE_FLOAT32, 4, (const int64_t[]){IMAGES, CHANNELS, SIDE, SIDE}, &images));
    ok(cn_tensor_new(context, CN_DTYPE_INT64, 1, (const int64_t[]){IMAGES}, &labels));
    ok(cn_tensor_new(context, CN_DTYPE_FLOAT32, 2, (const int64_t[]){IMAGES, CLASSES}, &output));
    ok(cn_tensor_new(context, CN_DTYPE_FLOAT32, 2, (const int64_t[]){IMAGES, CLASSES}, &gradient));
    ok(cn_dataset_batch(data, IMAGES, indices, 1, 7, 1, images, labels));
    STRUCT(cn_loss_options, options, CN_LOSS_OPTIONS_INIT);
    options->label_smoothing = 0.1f;
    for (int i = 0; i < 3; i++) {
        ok(cn_model_forward(model, 1, images, output));
        ok(cn_loss_compute(options, output, labels, &loss, gradient));
        ok(cn_model_backward(model, gradient, NULL));
        ok(cn_optimizer_step(optimizer));
        add_number(loss);
    }
    STRUCT(cn_loss_options, custom, CN_LOSS_OPTIONS_INIT);
    custom->kind = CN_LOSS_CUSTOM;
    custom->function = own_loss;
    ok(cn_loss_compute(custom, output, labels, &loss, gradient));
    add_number(loss);

    STRUCT(cn_checkpoint, checkpoint, CN_CHECKPOINT_INIT);
    const char *names[] = {"labels"};
    cn_tensor *tensors[1];
    tensors[0] = labels;
    checkpoint->tensor_count = 1;
    checkpoint->names = names;
    checkpoint->tensors = tensors;
    checkpoint->model = model;
    checkpoint->optimizer = optimizer;
    ok(cn_checkpoint_save(checkpoint, in_folder("loop.safetensors")));
    ok(cn_checkpoint_save_memory(checkpoint, &file));
    ok(cn_checkpoint_load(checkpoint, in_folder("loop.safetensors")));
    ok(cn_checkpoint_load_memory(checkpoint, cn_tensor_data(file), (size_t)cn_tensor_count(file)));
    cn_tensor_free(file);
    cn_tensor_free(images);
    cn_tensor_free(labels);
    cn_tensor_free(output);
    cn_tensor_free(gradient);
    cn_optimizer_free(optimizer);
}

static void train(cn_context *context, cn_model *model, const cn_dataset *data) {
    static int one = 1;
    cn_trainer *trainer;
    STRUCT(cn_optimizer_options, optimizer, CN_OPTIMIZER_OPTIONS_INIT);
    STRUCT(cn_schedule_options, schedule, CN_SCHEDULE_OPTIONS_INIT);
    schedule->kind = CN_SCHEDULE_CUSTOM;
    schedule->rate = rate_of;
    STRUCT(cn_loss_options, loss, CN_LOSS_OPTIONS_INIT);
    const cn_loss_options *losses[1];
    losses[0] = loss;
    STRUCT(cn_trainer_options, options, CN_TRAINER_OPTIONS_INIT);
    options->batch_size = 16;
    options->optimizer = optimizer;
    options->schedule = schedule;
    options->loss_count = 1;
    options->losses = losses;
    options->on_batch = on_batch;
    options->on_gradient = on_gradient;
    options->user = &one;
    options->ema_decay = 0.9f;
    size_t bytes = 0;
    ok(cn_trainer_memory(model, data, data, options, &bytes));
    check(bytes > 0);
    ok(cn_trainer_new(model, data, data, options, &trainer));
    ok(cn_trainer_fit(trainer, 2, NULL, NULL));

    cn_rate_curve *curve;
    double rate;
    char *svg;
    STRUCT(cn_rate_search, search, CN_RATE_SEARCH_INIT);
    STRUCT(cn_rate_point, point, CN_RATE_POINT_INIT);
    search->steps = 10;
    ok(cn_trainer_find_rate(trainer, search, &rate, &curve));
    check(cn_rate_curve_count(curve) > 0);
    ok(cn_rate_curve_point(curve, 0, point));
    check(point->rate == search->first);
    ok(cn_chart_rates(curve, &svg));
    cn_text_free(svg);
    cn_rate_curve_free(curve);

    ok(cn_trainer_save(trainer, in_folder("run.safetensors")));
    ok(cn_trainer_resume(trainer, in_folder("run.safetensors")));
    ok(cn_trainer_fit(trainer, 1, NULL, NULL));

    cn_history *history;
    STRUCT(cn_epoch_info, epoch, CN_EPOCH_INFO_INIT);
    STRUCT(cn_output_info, output, CN_OUTPUT_INFO_INIT);
    ok(cn_history_new(context, "run", &history));
    for (int64_t i = 0; i < cn_trainer_epoch_count(trainer); i++) {
        ok(cn_trainer_epoch_info(trainer, i, epoch));
        ok(cn_trainer_output_info(trainer, i, 0, output));
        add_number(epoch->train_loss);
        add_number(output->test_loss);
        epoch->seconds = epoch->images_per_second = 1.0;
        ok(cn_history_add(history, epoch));
    }
    cn_trainer_free(trainer);

    cn_evaluation *result;
    STRUCT(cn_evaluation_options, evaluating, CN_EVALUATION_OPTIONS_INIT);
    evaluating->loss = CN_LOSS_CROSS_ENTROPY;
    evaluating->flip = 1;
    ok(cn_evaluation_new(model, data, evaluating, &result));
    add_number(cn_evaluation_loss(result));
    STRUCT(cn_misclassified, entry, CN_MISCLASSIFIED_INIT);
    check(cn_evaluation_misclassified_count(result) > 0);
    ok(cn_evaluation_misclassified(result, 0, entry));
    add_number(entry->probability);
    cn_evaluation_free(result);

    char *html;
    STRUCT(cn_report, report, CN_REPORT_INIT);
    report->title = "A consumer";
    report->history = history;
    ok(cn_report_page(context, report, &html));
    add_bytes(html, strlen(html));
    cn_text_free(html);
    cn_history_free(history);
}

/* ---- predictions and files ---- */

static void predict(cn_context *context, const cn_model *model, const cn_dataset *data) {
    cn_predictor *predictor;
    cn_tensor *image, *output;
    STRUCT(cn_predictor_options, options, CN_PREDICTOR_OPTIONS_INIT);
    options->max_batch_size = 4;
    options->shift = 1;
    ok(cn_predictor_new(model, options, &predictor));
    ok(cn_tensor_new(context, CN_DTYPE_UINT8, 4, (const int64_t[]){1, CHANNELS, SIDE, SIDE}, &image));
    ok(cn_tensor_new(context, CN_DTYPE_FLOAT32, 2, (const int64_t[]){1, CLASSES}, &output));
    ok(cn_dataset_image(data, 5, image, NULL));
    ok(cn_predictor_run(predictor, image, output));
    add_tensor(output);
    cn_tensor_free(image);
    cn_tensor_free(output);
    cn_predictor_free(predictor);
}

static void move_weights(cn_model *model) {
    cn_tensor *file;
    cn_tensors *tensors;
    STRUCT(cn_save_options, save, CN_SAVE_OPTIONS_INIT);
    STRUCT(cn_load_options, load, CN_LOAD_OPTIONS_INIT);
    load->report = told;
    save->weights = CN_WEIGHTS_FLOAT16;
    ok(cn_model_save_with(model, in_folder("half.safetensors"), save));
    ok(cn_model_save_memory_with(model, save, &file));
    add_tensor(file);
    ok(cn_model_load_tensors_with(model, in_folder("half.safetensors"), load));
    ok(cn_model_load_tensors_memory(model, cn_tensor_data(file), (size_t)cn_tensor_count(file), load));
    ok(cn_model_state_dict(model, &tensors));
    ok(cn_model_load_state_dict(model, tensors, load));
    cn_tensors_free(tensors);
    cn_tensor_free(file);
}

static void write_for_others(cn_context *context) {
    cn_model *model = new_model(context, 0);
    cn_tensor *file;
    STRUCT(cn_onnx_options, onnx, CN_ONNX_OPTIONS_INIT);
    ok(cn_model_save_onnx(model, in_folder("model.onnx"), onnx));
    ok(cn_model_save_onnx_memory(model, onnx, &file));
    add_tensor(file);
    cn_tensor_free(file);
    STRUCT(cn_export_c_options, export_c, CN_EXPORT_C_OPTIONS_INIT);
    export_c->name = "consumer";
    ok(cn_model_export_c(model, in_folder("model.c"), export_c));
    cn_model_free(model);
}

int main(int argc, char **argv) {
    int allocations = 0;
    if (argc != 3)
        return 2;
    folder = argv[1];
    by_function = strcmp(argv[2], "function") == 0;
    longer = strcmp(argv[2], "longer") == 0 ? 16 : 0;

    cn_context *context = new_context(&allocations);
    register_scaling(context);
    make_prebuilt(context);
    read_arrays(context);
    read_folders(context);

    cn_dataset *data = new_dataset(context);
    cn_model *model = new_model(context, 1), *loaded;
    train_by_hand(context, model, data);
    train(context, model, data);
    predict(context, model, data);
    ok(cn_model_save(model, in_folder("model.safetensors")));
    ok(cn_model_load(context, in_folder("model.safetensors"), &loaded));
    predict(context, loaded, data);
    move_weights(model);
    write_for_others(context);
    cn_model_free(loaded);
    cn_model_free(model);
    cn_dataset_free(data);
    cn_context_free(context);
    check(allocations == 0);
    printf("%016llx\n", (unsigned long long)digest);
    return 0;
}
