/* SPDX-License-Identifier: MIT */
/* fuzz_options.c: structs of options and numbers that functions take, out of bytes: enumerators that there are not, NaN,
 * negative and huge numbers, sizes of other versions. Whatever they are, the answer is a status. Pointers stay as the
 * defaults have them, and memory has a limit. */
#include "fuzzing.h"

enum { LARGEST = 4096 /* bytes of a struct */, PAGE = LARGEST + 64 };

static fuzz_bytes rest;

static int any_int(void) {
    static const int some[] = {0, 1, 2, 3, 4, 5, 8, 16, -1, 1 << 24, INT32_MAX, INT32_MIN};
    unsigned kind = fuzz_byte(&rest);
    return kind < sizeof some / sizeof *some ? some[kind] : kind < 200 ? (int)kind % 8 : (int)fuzz_number(&rest, 4);
}

static float any_float(void) {
    static const float some[] = {0.0f, 1.0f, 0.5f, -1.0f, 1e-30f, 1e30f, -1e30f, 1e-45f};
    unsigned kind = fuzz_byte(&rest);
    uint32_t bits = (uint32_t)fuzz_number(&rest, kind < sizeof some / sizeof *some ? 0 : 4);
    float value;
    memcpy(&value, &bits, sizeof value);
    return kind < sizeof some / sizeof *some ? some[kind] : value;
}

/* Writes numbers over a struct that has its defaults, and seldom another size. */
static void change(uint8_t *options, size_t size) {
    for (int times = fuzz_byte(&rest) % 8; times > 0; times--) {
        size_t at = 8 + fuzz_byte(&rest) % ((size - 8) / 4) * 4;
        int whole = any_int();
        float real = any_float();
        memcpy(options + at, fuzz_byte(&rest) % 2 ? (const void *)&whole : (const void *)&real, 4);
    }
    if (fuzz_byte(&rest) == 255) {
        uint64_t other = (uint64_t)fuzz_number(&rest, 2) % PAGE;
        memcpy(options, &other, sizeof other);
    }
}

/* A struct of that type, with room behind it for what another size says. */
#define ANY(type, name, init)                                                                                          \
    union {                                                                                                            \
        type options;                                                                                                  \
        uint8_t room[PAGE];                                                                                            \
    } name = {init};                                                                                                   \
    change((name).room, sizeof(type))

static cn_context *limited(void) {
    static cn_context *context;
    cn_context_options options = CN_CONTEXT_OPTIONS_INIT;
    options.threads = 1;
    options.memory_limit = (size_t)2 << 20; /* drawing the weights that fit into more takes all of the time */
    if (!context)
        FUZZ_EXPECT(cn_context_new(&options, &context) == CN_OK);
    return context;
}

/* ---- layers ---- */

static cn_status make_window(int which, cn_layer **layer) {
    int a = any_int(), b = any_int(), c = any_int(), d = any_int();
    ANY(cn_conv2d_options, conv, CN_CONV2D_OPTIONS_INIT);
    ANY(cn_conv_transpose2d_options, transpose, CN_CONV_TRANSPOSE2D_OPTIONS_INIT);
    ANY(cn_pool2d_options, pool, CN_POOL2D_OPTIONS_INIT);
    ANY(cn_upsample_options, upsample, CN_UPSAMPLE_OPTIONS_INIT);
    switch (which) {
    case 0:
        return cn_conv2d_new(limited(), a, b, c, d, &conv.options, layer);
    case 1:
        return cn_conv_transpose2d_new(limited(), a, b, c, d, &transpose.options, layer);
    case 2:
        return cn_max_pool2d_new(limited(), a, b, &pool.options, layer);
    case 3:
        return cn_avg_pool2d_new(limited(), a, b, &pool.options, layer);
    case 4:
        return cn_upsample_new(limited(), &upsample.options, layer);
    case 5:
        return cn_adaptive_avg_pool2d_new(limited(), a, b, layer);
    case 6:
        return cn_adaptive_max_pool2d_new(limited(), a, b, layer);
    default:
        return cn_linear_new(limited(), a, b, c, layer);
    }
}

static cn_status make_shape(int which, cn_layer **layer) {
    const int a = any_int(), b = any_int(), c = any_int(), sides[4] = {a, b, c, any_int()};
    switch (which) {
    case 0:
        return cn_reshape_new(limited(), a, b, c, layer);
    case 1:
        return cn_pixel_shuffle_new(limited(), a, layer);
    case 2:
        return cn_pixel_unshuffle_new(limited(), a, layer);
    case 3:
        return cn_channel_shuffle_new(limited(), a, layer);
    case 4:
        return cn_narrow_new(limited(), a, b, layer);
    case 5:
        return cn_pad2d_new(limited(), sides, (cn_padding_mode)any_int(), any_float(), layer);
    case 6:
        return cn_flatten_new(limited(), layer);
    default:
        return cn_prelu_new(limited(), a, layer);
    }
}

static cn_status make_function(int which, cn_layer **layer) {
    float a = any_float(), b = any_float();
    ANY(cn_norm_options, norm, CN_NORM_OPTIONS_INIT);
    switch (which) {
    case 0:
        return cn_norm_new(limited(), (cn_norm_kind)any_int(), any_int(), &norm.options, layer);
    case 1:
        return cn_layer_norm2d_new(limited(), any_int(), &norm.options, layer);
    case 2:
        return cn_local_response_norm_new(limited(), any_int(), a, b, any_float(), layer);
    case 3:
        return cn_softplus_new(limited(), a, b, layer);
    case 4:
        return cn_hardtanh_new(limited(), a, b, layer);
    case 5:
        return cn_affine_new(limited(), a, b, layer);
    case 6:
        return cn_gelu_new(limited(), (cn_gelu_kind)any_int(), layer);
    default:
        return fuzz_byte(&rest) % 2 ? cn_elu_new(limited(), a, layer) : cn_dropout_new(limited(), a, layer);
    }
}

static cn_status make_layer(cn_layer **layer) {
    unsigned which = fuzz_byte(&rest);
    *layer = NULL;
    return which % 3 == 0   ? make_window((int)(which / 3 % 8), layer)
           : which % 3 == 1 ? make_shape((int)(which / 3 % 8), layer)
                            : make_function((int)(which / 3 % 8), layer);
}

/* ---- models ---- */

/* Whether a pass would take no time to speak of. */
static int is_small(const cn_model *model) {
    int64_t work = 0;
    for (int i = 0; i < cn_model_layer_count(model); i++) {
        cn_layer_info info = CN_LAYER_INFO_INIT;
        FUZZ_EXPECT(cn_model_layer_info(model, i, &info) == CN_OK);
        if (info.multiply_adds > 1 << 20 || info.activation_bytes > 1 << 20)
            return 0;
        work += info.multiply_adds + info.kernel[0] * info.kernel[1] * info.activation_bytes;
    }
    return work < 1 << 22;
}

static void run(const cn_model *model) {
    int64_t in[4] = {2, 0, 0, 0}, out[4] = {2, 0, 0, 0};
    ANY(cn_predictor_options, predictor, CN_PREDICTOR_OPTIONS_INIT);
    cn_predictor *made;
    cn_tensor *input, *output;
    if (cn_predictor_new(model, &predictor.options, &made) != CN_OK)
        return;
    cn_model_input_shape(model, in + 1);
    cn_model_output_shape(model, out + 1);
    if (cn_tensor_new(limited(), CN_DTYPE_FLOAT32, 4, in, &input) == CN_OK) {
        if (cn_tensor_new(limited(), CN_DTYPE_FLOAT32, 4, out, &output) == CN_OK)
            (void)cn_predictor_run(made, input, output);
        cn_tensor_free(output);
    }
    cn_tensor_free(input);
    cn_predictor_free(made);
}

/* Up to three layers of any kind in a row. */
static void try_model(void) {
    cn_model *model;
    cn_layer *layer;
    char name[2] = "a";
    if (cn_model_new(limited(), any_int(), any_int(), any_int(), &model) != CN_OK)
        return;
    for (int i = 0; i < 3 && rest.count > 0; i++, name[0]++) {
        cn_status status = make_layer(&layer);
        FUZZ_EXPECT((status == CN_OK) == (layer != NULL));
        if (status == CN_OK)
            (void)cn_model_append(model, name, layer);
    }
    if (cn_model_init(model, 1) == CN_OK && is_small(model))
        run(model);
    cn_model_free(model);
}

static void try_zoo(void) {
    ANY(cn_session8_options, session8, CN_SESSION8_OPTIONS_INIT);
    ANY(cn_zoo_options, zoo, CN_ZOO_OPTIONS_INIT);
    cn_model *model;
    (void)cn_model_session8(limited(), &session8.options, &model);
    cn_model_free(model);
    zoo.options.channels = 1; /* the larger ones would be made for a long time */
    zoo.options.width_mult *= 0.125f;
    (void)cn_model_zoo(limited(), "resnet20", &zoo.options, &model);
    cn_model_free(model);
}

/* ---- data and training ---- */

static cn_dataset *any_data(void) {
    cn_dataset *data, *other;
    ANY(cn_augmentation, augmentation, CN_AUGMENTATION_INIT);
    ANY(cn_target_options, target, CN_TARGET_OPTIONS_INIT);
    cn_tensor *targets;
    target.options.mirrored = NULL;
    target.options.reserved_pointer = NULL;
    FUZZ_EXPECT(cn_dataset_synthetic(limited(), CN_SPLIT_TRAIN, 4, 1, &data) == CN_OK);
    (void)cn_dataset_set_augmentation(data, &augmentation.options);
    FUZZ_EXPECT(cn_dataset_synthetic(limited(), CN_SPLIT_TEST, 4, 1, &other) == CN_OK);
    FUZZ_EXPECT(cn_tensor_new(limited(), CN_DTYPE_FLOAT32, 2, (int64_t[]){4, 2}, &targets) == CN_OK);
    (void)cn_dataset_add_target(other, targets, &target.options);
    cn_tensor_free(targets);
    cn_dataset_free(other);
    return data;
}

static cn_model *any_classifier(void) {
    cn_model *model;
    cn_layer *layer;
    FUZZ_EXPECT(cn_model_new(limited(), 3, 32, 32, &model) == CN_OK);
    FUZZ_EXPECT(cn_adaptive_avg_pool2d_new(limited(), 1, 1, &layer) == CN_OK);
    FUZZ_EXPECT(cn_model_append(model, "pool", layer) == CN_OK);
    FUZZ_EXPECT(cn_conv2d_new(limited(), 3, 10, 1, 1, NULL, &layer) == CN_OK);
    FUZZ_EXPECT(cn_model_append(model, "head", layer) == CN_OK);
    FUZZ_EXPECT(cn_flatten_new(limited(), &layer) == CN_OK);
    FUZZ_EXPECT(cn_model_append(model, "flat", layer) == CN_OK);
    FUZZ_EXPECT(cn_model_init(model, 1) == CN_OK);
    return model;
}

static void try_evaluation(const cn_model *model, const cn_dataset *data, const cn_loss_options *loss) {
    ANY(cn_evaluation_options, options, CN_EVALUATION_OPTIONS_INIT);
    cn_evaluation *evaluation;
    options.options.losses = fuzz_byte(&rest) % 2 ? &loss : NULL;
    options.options.loss_count = options.options.losses != NULL;
    options.options.communicator = NULL;
    (void)cn_evaluation_new(model, data, &options.options, &evaluation);
    cn_evaluation_free(evaluation);
}

static void try_trainer(void) {
    ANY(cn_trainer_options, options, CN_TRAINER_OPTIONS_INIT);
    ANY(cn_optimizer_options, optimizer, CN_OPTIMIZER_OPTIONS_INIT);
    ANY(cn_schedule_options, schedule, CN_SCHEDULE_OPTIONS_INIT);
    ANY(cn_loss_options, loss, CN_LOSS_OPTIONS_INIT);
    ANY(cn_parameter_group, group, CN_PARAMETER_GROUP_INIT);
    cn_model *model = any_classifier();
    cn_dataset *data = any_data();
    cn_trainer *trainer;
    const cn_parameter_group *groups = &group.options;
    const cn_loss_options *losses = &loss.options;
    const float weights[10] = {any_float(), any_float(), any_float()};
    group.options.pattern = "head.*";
    group.options.reserved_pointer = NULL;
    optimizer.options.groups = &groups;
    optimizer.options.group_count = fuzz_byte(&rest) % 2;
    optimizer.options.reserved_pointer = NULL;
    schedule.options.rate = NULL;
    loss.options.class_weights = fuzz_byte(&rest) % 2 ? weights : NULL;
    loss.options.pos_weight = fuzz_byte(&rest) % 8 ? NULL : weights;
    loss.options.outputs = 10;
    loss.options.function = NULL;
    options.options.optimizer = &optimizer.options;
    options.options.schedule = &schedule.options;
    options.options.on_batch = NULL;
    options.options.on_gradient = NULL;
    options.options.sample_weights = NULL;
    options.options.losses = fuzz_byte(&rest) % 2 ? &losses : NULL;
    options.options.loss_count = options.options.losses != NULL;
    options.options.communicator = NULL;
    if (cn_trainer_new(model, data, NULL, &options.options, &trainer) == CN_OK)
        (void)cn_trainer_fit(trainer, 1, NULL, NULL);
    cn_trainer_free(trainer);
    try_evaluation(model, data, &loss.options);
    cn_dataset_free(data);
    cn_model_free(model);
}

FUZZ(options) {
    rest = (fuzz_bytes){data, size};
    size_t before = cn_context_memory(limited());
    switch (fuzz_byte(&rest) % 8) {
    case 0:
        try_zoo();
        break;
    case 1:
    case 2:
        try_trainer();
        break;
    default:
        try_model();
    }
    FUZZ_EXPECT(cn_context_memory(limited()) == before);
    return 0;
}
