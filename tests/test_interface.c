/* test_interface.c: misuse of the public interface: options structs of other versions, NULLs, values outside their
 * range, graphs and shapes that do not fit, calls in the wrong order. Each is a status with a message that names what
 * and which value, and leaves its handles usable. */
#include "testing.h"
#include <limits.h>
#include <math.h>
#include <stdlib.h>

/* ---- what most tests need ---- */

static cn_context *ctx;
static cn_layer *made; /* what a constructor that fails hands out: NULL */

static void set_up(void) {
    ctx = test_context(2);
}

static void tear_down(void) {
    cn_context_free(ctx);
}

/* Calls a constructor of a layer with a wrong value. */
#define bad_layer(call, status, part)                                                                                  \
    do {                                                                                                               \
        made = (cn_layer *)&ctx;                                                                                       \
        ck_fails(call, status, part);                                                                                  \
        ck_assert_ptr_null(made);                                                                                      \
    } while (0)

static cn_layer *conv(int in, int out, int kernel) {
    cn_layer *layer;
    ck_ok(cn_conv2d_new(ctx, in, out, kernel, kernel, NULL, &layer));
    return layer;
}

static cn_layer *relu(void) {
    cn_layer *layer;
    ck_ok(cn_relu_new(ctx, &layer));
    return layer;
}

static cn_layer *norm(cn_norm kind, int channels) {
    cn_layer *layer;
    ck_ok(cn_norm_new(ctx, kind, channels, NULL, &layer));
    return layer;
}

static cn_model *model_for(int channels, int height, int width) {
    cn_model *model;
    ck_ok(cn_model_new(ctx, channels, height, width, &model));
    return model;
}

static cn_tensor *tensor_of(cn_dtype dtype, int dims, const int64_t *shape) {
    cn_tensor *tensor;
    ck_ok(cn_tensor_new(ctx, dtype, dims, shape, &tensor));
    return tensor;
}

static cn_tensor *images(int64_t n, int64_t c, int64_t h, int64_t w) {
    return tensor_of(CN_FLOAT32, 4, (int64_t[]){n, c, h, w});
}

/* 3×4×5 → conv to 2×2×3 → batch norm, initialised. */
static cn_model *small_model(void) {
    cn_model *model = model_for(3, 4, 5);
    ck_ok(cn_model_append(model, "conv", conv(3, 2, 3)));
    ck_ok(cn_model_append(model, "norm", norm(CN_NORM_BATCH, 2)));
    ck_ok(cn_model_init(model, 1));
    return model;
}

/* ---- options structs of other versions ---- */

/* What takes a struct, and a correct one. The fixtures are made by with_everything. */
static cn_dataset *data;
static cn_model *classifier;

typedef struct versioned {
    const char *name;
    size_t size;
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
HANDLE_STRUCT(session8, cn_session8_options, CN_SESSION8_OPTIONS_INIT, cn_model, cn_session8_new(ctx, options, &out),
              cn_model_free)
HANDLE_STRUCT(optimizer, cn_optimizer_options, CN_OPTIMIZER_OPTIONS_INIT, cn_optimizer,
              cn_optimizer_new(classifier, options, &out), cn_optimizer_free)
HANDLE_STRUCT(trainer, cn_trainer_options, CN_TRAINER_OPTIONS_INIT, cn_trainer,
              cn_trainer_new(classifier, data, NULL, options, &out), cn_trainer_free)
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

/* Those that the library fills. */
static const cn_device usual_device = CN_DEVICE_INIT;
static cn_status take_device(void *bytes) {
    return cn_context_device(ctx, bytes);
}

static const cn_layer_info usual_info = CN_LAYER_INFO_INIT;
static cn_status take_info(void *bytes) {
    return cn_model_layer_info(classifier, 0, bytes);
}

#define ENTRY(name, take)                                                                                              \
    { #take, sizeof usual_##name, &usual_##name, take_##take }
static const versioned read_structs[] = {
    ENTRY(context, context),     ENTRY(conv2d, conv2d),
    ENTRY(norm, norm),           ENTRY(max_pool, max_pool),
    ENTRY(avg_pool, avg_pool),   ENTRY(session8, session8),
    ENTRY(optimizer, optimizer), ENTRY(optimizer, trainers_optimizer),
    ENTRY(schedule, schedule),   ENTRY(trainer, trainer),
    ENTRY(predictor, predictor), ENTRY(augmentation, augmentation),
    ENTRY(source, source),
};
static const versioned filled_structs[] = {ENTRY(device, device), ENTRY(info, info)};
#define COUNT(list) (sizeof(list) / sizeof *(list))

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
    ck_ok(cn_dataset_synthetic(ctx, CN_TRAIN, 20, 1, &data));
}

static void without_everything(void) {
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
    ck_fails(v->take(copy_of(v, v->size - 1)), CN_ERR_ARGUMENT, "its size member is");
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

/* ---- NULL ---- */

START_TEST(layers_want_a_context_and_a_place) {
    bad_layer(cn_conv2d_new(NULL, 1, 1, 1, 1, NULL, &made), CN_ERR_ARGUMENT, "cn_conv2d_new: context is NULL");
    bad_layer(cn_linear_new(NULL, 1, 1, 0, &made), CN_ERR_ARGUMENT, "cn_linear_new: context is NULL");
    bad_layer(cn_norm_new(NULL, CN_NORM_BATCH, 1, NULL, &made), CN_ERR_ARGUMENT, "cn_norm_new: context is NULL");
    bad_layer(cn_leaky_relu_new(NULL, 0.1f, &made), CN_ERR_ARGUMENT, "context is NULL");
    bad_layer(cn_gelu_new(NULL, CN_GELU_EXACT, &made), CN_ERR_ARGUMENT, "context is NULL");
    bad_layer(cn_dropout_new(NULL, 0.1f, &made), CN_ERR_ARGUMENT, "context is NULL");
    bad_layer(cn_max_pool2d_new(NULL, 2, 2, NULL, &made), CN_ERR_ARGUMENT, "context is NULL");
    bad_layer(cn_avg_pool2d_new(NULL, 2, 2, NULL, &made), CN_ERR_ARGUMENT, "context is NULL");
    bad_layer(cn_adaptive_avg_pool2d_new(NULL, 1, 1, &made), CN_ERR_ARGUMENT, "context is NULL");
    ck_fails(cn_conv2d_new(ctx, 1, 1, 1, 1, NULL, NULL), CN_ERR_ARGUMENT, "cn_conv2d_new: layer is NULL");
    ck_fails(cn_linear_new(ctx, 1, 1, 0, NULL), CN_ERR_ARGUMENT, "cn_linear_new: layer is NULL");
    ck_fails(cn_norm_new(ctx, CN_NORM_BATCH, 1, NULL, NULL), CN_ERR_ARGUMENT, "cn_norm_new: layer is NULL");
    ck_fails(cn_leaky_relu_new(ctx, 0.1f, NULL), CN_ERR_ARGUMENT, "layer is NULL");
    ck_fails(cn_gelu_new(ctx, CN_GELU_EXACT, NULL), CN_ERR_ARGUMENT, "layer is NULL");
    ck_fails(cn_dropout_new(ctx, 0.1f, NULL), CN_ERR_ARGUMENT, "layer is NULL");
    ck_fails(cn_max_pool2d_new(ctx, 2, 2, NULL, NULL), CN_ERR_ARGUMENT, "layer is NULL");
    ck_fails(cn_avg_pool2d_new(ctx, 2, 2, NULL, NULL), CN_ERR_ARGUMENT, "layer is NULL");
    ck_fails(cn_adaptive_avg_pool2d_new(ctx, 1, 1, NULL), CN_ERR_ARGUMENT, "layer is NULL");
    cn_layer_free(NULL);
}
END_TEST

/* Those without options. */
START_TEST(plain_layers_want_a_context_and_a_place) {
    static cn_status (*const constructors[])(cn_context *, cn_layer **) = {
        cn_relu_new,    cn_sigmoid_new, cn_tanh_new,    cn_silu_new,
        cn_flatten_new, cn_add_new,     cn_softmax_new, cn_log_softmax_new};
    for (size_t i = 0; i < COUNT(constructors); i++) {
        bad_layer(constructors[i](NULL, &made), CN_ERR_ARGUMENT, "context is NULL");
        ck_fails(constructors[i](ctx, NULL), CN_ERR_ARGUMENT, "layer is NULL");
        ck_ok(constructors[i](ctx, &made));
        cn_layer_free(made);
    }
}
END_TEST

START_TEST(models_want_all_their_arguments) {
    cn_model *model = small_model(), *none;
    cn_tensor *tensor, *in = images(2, 3, 4, 5), *out = images(2, 2, 2, 3);
    cn_layer_info info = CN_LAYER_INFO_INIT;
    char *text;
    ck_fails(cn_model_new(NULL, 1, 1, 1, &none), CN_ERR_ARGUMENT, "context is NULL");
    ck_assert_ptr_null(none);
    ck_fails(cn_model_new(ctx, 1, 1, 1, NULL), CN_ERR_ARGUMENT, "model is NULL");
    ck_fails(cn_model_init(NULL, 0), CN_ERR_ARGUMENT, "model is NULL");
    ck_fails(cn_model_tensor(NULL, "x", &tensor), CN_ERR_ARGUMENT, "model is NULL");
    ck_fails(cn_model_tensor(model, NULL, &tensor), CN_ERR_ARGUMENT, "name is NULL");
    ck_fails(cn_model_tensor(model, "conv.weight", NULL), CN_ERR_ARGUMENT, "tensor is NULL");
    ck_fails(cn_model_gradient(NULL, "x", &tensor), CN_ERR_ARGUMENT, "model is NULL");
    ck_fails(cn_model_gradient(model, NULL, &tensor), CN_ERR_ARGUMENT, "name is NULL");
    ck_fails(cn_model_gradient(model, "conv.weight", NULL), CN_ERR_ARGUMENT, "gradient is NULL");
    ck_fails(cn_model_forward(NULL, 0, in, out), CN_ERR_ARGUMENT, "model is NULL");
    ck_fails(cn_model_forward(model, 0, NULL, out), CN_ERR_ARGUMENT, "input is NULL");
    ck_fails(cn_model_forward(model, 0, in, NULL), CN_ERR_ARGUMENT, "output is NULL");
    ck_fails(cn_model_backward(NULL, out, NULL), CN_ERR_ARGUMENT, "model is NULL");
    ck_fails(cn_model_backward(model, NULL, NULL), CN_ERR_ARGUMENT, "grad_output is NULL");
    ck_fails(cn_model_layer_info(NULL, 0, &info), CN_ERR_ARGUMENT, "model is NULL");
    ck_fails(cn_model_layer_info(model, 0, NULL), CN_ERR_ARGUMENT, "info is NULL");
    ck_fails(cn_model_summary(NULL, &text), CN_ERR_ARGUMENT, "model is NULL");
    ck_fails(cn_model_summary(model, NULL), CN_ERR_ARGUMENT, "text is NULL");
    ck_fails(cn_model_receptive_field(NULL, &text), CN_ERR_ARGUMENT, "model is NULL");
    ck_fails(cn_model_receptive_field(model, NULL), CN_ERR_ARGUMENT, "text is NULL");
    cn_tensor_free(in);
    cn_tensor_free(out);
    cn_model_free(model);
    cn_model_free(NULL);
}
END_TEST

/* A model takes a layer over even when it refuses it: the sanitizers would see a leak or a double free. */
START_TEST(building_wants_model_name_and_layer) {
    cn_model *model = model_for(3, 4, 5);
    static const char *const inputs[] = {"input", NULL, "nowhere"};
    ck_fails(cn_model_append(NULL, "a", relu()), CN_ERR_ARGUMENT, "model is NULL");
    ck_fails(cn_model_append(model, NULL, relu()), CN_ERR_ARGUMENT, "name is NULL");
    ck_fails(cn_model_append(model, "a", NULL), CN_ERR_ARGUMENT, "layer is NULL");
    ck_fails(cn_model_add(NULL, "a", relu(), 1, inputs), CN_ERR_ARGUMENT, "model is NULL");
    ck_fails(cn_model_add(model, NULL, relu(), 1, inputs), CN_ERR_ARGUMENT, "name is NULL");
    ck_fails(cn_model_add(model, "a", NULL, 1, inputs), CN_ERR_ARGUMENT, "layer is NULL");
    ck_fails(cn_model_add(model, "a", relu(), 1, NULL), CN_ERR_ARGUMENT, "inputs is NULL");
    ck_fails(cn_model_add(model, "a", relu(), 0, inputs), CN_ERR_ARGUMENT, "'a' has 0 inputs");
    ck_fails(cn_model_add(model, "a", relu(), -3, inputs), CN_ERR_ARGUMENT, "-3");
    ck_fails(cn_model_add(model, "a", relu(), 1, inputs + 1), CN_ERR_NOT_FOUND, "'a' reads '(NULL)'");
    ck_fails(cn_model_add(model, "a", relu(), 1, inputs + 2), CN_ERR_NOT_FOUND, "'a' reads 'nowhere'");
    ck_assert_int_eq(cn_model_layer_count(model), 0);
    ck_ok(cn_model_append(model, "a", relu()));
    ck_ok(cn_model_init(model, 0));
    cn_model_free(model);
}
END_TEST

/* ---- values outside their range ---- */

START_TEST(models_have_sizes) {
    cn_model *model = (cn_model *)&ctx;
    ck_fails(cn_model_new(ctx, 0, 4, 4, &model), CN_ERR_ARGUMENT, "channels is 0");
    ck_assert_ptr_null(model);
    ck_fails(cn_model_new(ctx, 3, -4, 4, &model), CN_ERR_ARGUMENT, "height is -4");
    ck_fails(cn_model_new(ctx, 3, 4, INT_MAX, &model), CN_ERR_ARGUMENT, "width is 2147483647");
    ck_fails(cn_model_new(ctx, 65536, 65536, 65536, &model), CN_ERR_SHAPE, "65536");
    ck_assert_ptr_null(model);
}
END_TEST

#define bad_conv(in, out, height, width, part)                                                                         \
    bad_layer(cn_conv2d_new(ctx, in, out, height, width, NULL, &made), CN_ERR_ARGUMENT, part)

START_TEST(convolutions_have_sizes) {
    bad_conv(0, 1, 1, 1, "in_channels is 0");
    bad_conv(-1, 1, 1, 1, "in_channels is -1");
    bad_conv(1, 0, 1, 1, "out_channels is 0");
    bad_conv(1, INT_MIN, 1, 1, "out_channels is -2147483648");
    bad_conv(1, 1, 0, 1, "kernel");
    bad_conv(1, 1, 1, -7, "-7");
    bad_conv(INT_MAX, 1, 1, 1, "in_channels is 2147483647");
    bad_conv(1, INT_MAX, 1, 1, "out_channels is 2147483647");
    bad_conv(1, 1, INT_MAX, 1, "2147483647");
}
END_TEST

#define bad_option(type, init, member, value, call, part)                                                              \
    do {                                                                                                               \
        type o = init;                                                                                                 \
        o.member = value;                                                                                              \
        bad_layer(call, CN_ERR_ARGUMENT, part);                                                                        \
    } while (0)
#define bad_conv_option(member, value, part)                                                                           \
    bad_option(cn_conv2d_options, CN_CONV2D_OPTIONS_INIT, member, value, cn_conv2d_new(ctx, 6, 8, 3, 3, &o, &made),    \
               part)

START_TEST(convolutions_check_their_options) {
    bad_conv_option(stride[0], -1, "stride");
    bad_conv_option(stride[1], INT_MAX, "2147483647");
    bad_conv_option(padding[0], -1, "padding");
    bad_conv_option(padding[1], INT_MAX, "2147483647");
    bad_conv_option(dilation[0], -2, "-2");
    bad_conv_option(dilation[1], INT_MAX, "dilation");
    bad_conv_option(groups, -1, "groups");
    bad_conv_option(groups, 3, "3 groups do not divide"); /* the outputs */
    bad_conv_option(groups, 4, "4 groups do not divide"); /* the inputs */
    bad_conv_option(padding_mode, (cn_padding_mode)4, "padding_mode");
    bad_conv_option(padding_mode, (cn_padding_mode)-1, "-1");
    cn_conv2d_options o = CN_CONV2D_OPTIONS_INIT; /* 0 means the default */
    memset(o.stride, 0, sizeof o.stride);
    memset(o.dilation, 0, sizeof o.dilation);
    o.groups = 0;
    ck_ok(cn_conv2d_new(ctx, 6, 8, 3, 3, &o, &made));
    cn_layer_free(made);
}
END_TEST

START_TEST(linear_layers_have_sizes) {
    bad_layer(cn_linear_new(ctx, 0, 1, 0, &made), CN_ERR_ARGUMENT, "in_features is 0");
    bad_layer(cn_linear_new(ctx, 1, -5, 0, &made), CN_ERR_ARGUMENT, "out_features is -5");
    bad_layer(cn_linear_new(ctx, 1, INT_MAX, 0, &made), CN_ERR_ARGUMENT, "2147483647");
}
END_TEST

#define bad_norm(kind, channels, member, value, part)                                                                  \
    bad_option(cn_norm_options, CN_NORM_OPTIONS_INIT, member, value, cn_norm_new(ctx, kind, channels, &o, &made), part)

START_TEST(norms_check_their_options) {
    bad_norm(CN_NORM_NONE, 4, groups, 4, "norm is 0");
    bad_norm((cn_norm)5, 4, groups, 4, "5");
    bad_norm((cn_norm)-1, 4, groups, 4, "-1");
    bad_norm(CN_NORM_BATCH, 0, groups, 4, "0");
    bad_norm(CN_NORM_INSTANCE, -3, groups, 4, "-3");
    bad_norm(CN_NORM_LAYER, INT_MAX, groups, 4, "2147483647");
    bad_norm(CN_NORM_GROUP, 6, groups, 4, "4 groups");
    bad_norm(CN_NORM_GROUP, 6, groups, -2, "-2");
    bad_norm(CN_NORM_GROUP, 6, groups, 7, "7");
    bad_norm(CN_NORM_BATCH, 6, eps, -1e-3f, "eps");
    bad_norm(CN_NORM_BATCH, 6, eps, NAN, "eps");
    bad_norm(CN_NORM_GROUP, 8, eps, INFINITY, "eps");
    bad_norm(CN_NORM_BATCH, 6, momentum, -0.5f, "momentum");
    bad_norm(CN_NORM_BATCH, 6, momentum, 1.5f, "momentum");
    bad_norm(CN_NORM_BATCH, 6, momentum, NAN, "momentum");
    cn_norm_options o = {.size = sizeof o}; /* 0 means the default */
    ck_ok(cn_norm_new(ctx, CN_NORM_GROUP, 8, &o, &made));
    cn_layer_free(made);
    ck_ok(cn_norm_new(ctx, CN_NORM_BATCH, 6, NULL, &made)); /* groups play no part */
    cn_layer_free(made);
}
END_TEST

START_TEST(activations_check_their_numbers) {
    bad_layer(cn_leaky_relu_new(ctx, NAN, &made), CN_ERR_ARGUMENT, "slope");
    bad_layer(cn_leaky_relu_new(ctx, INFINITY, &made), CN_ERR_ARGUMENT, "slope");
    bad_layer(cn_gelu_new(ctx, (cn_gelu)2, &made), CN_ERR_ARGUMENT, "2");
    bad_layer(cn_dropout_new(ctx, -0.1f, &made), CN_ERR_ARGUMENT, "-0.1");
    bad_layer(cn_dropout_new(ctx, 1.0f, &made), CN_ERR_ARGUMENT, "1");
    bad_layer(cn_dropout_new(ctx, NAN, &made), CN_ERR_ARGUMENT, "nan");
}
END_TEST

#define bad_pool(constructor, member, value, part)                                                                     \
    bad_option(cn_pool2d_options, CN_POOL2D_OPTIONS_INIT, member, value, constructor(ctx, 3, 3, &o, &made), part)

START_TEST(pools_check_their_options) {
    bad_layer(cn_max_pool2d_new(ctx, 0, 1, NULL, &made), CN_ERR_ARGUMENT, "0");
    bad_layer(cn_avg_pool2d_new(ctx, 1, -1, NULL, &made), CN_ERR_ARGUMENT, "-1");
    bad_layer(cn_max_pool2d_new(ctx, INT_MAX, 1, NULL, &made), CN_ERR_ARGUMENT, "2147483647");
    bad_pool(cn_max_pool2d_new, stride[0], -2, "stride");
    bad_pool(cn_avg_pool2d_new, stride[1], INT_MAX, "2147483647");
    bad_pool(cn_max_pool2d_new, padding[0], -1, "padding");
    bad_pool(cn_max_pool2d_new, padding[1], 2, "padding"); /* more than half the kernel */
    bad_pool(cn_avg_pool2d_new, padding[0], 2, "2");
    bad_pool(cn_max_pool2d_new, dilation[0], -1, "dilation");
    bad_pool(cn_max_pool2d_new, dilation[1], INT_MAX, "2147483647");
    bad_pool(cn_avg_pool2d_new, dilation[0], 2, "dilation"); /* max pool only */
    bad_pool(cn_avg_pool2d_new, divisor_override, -1, "divisor_override");
    bad_layer(cn_adaptive_avg_pool2d_new(ctx, 0, 1, &made), CN_ERR_ARGUMENT, "0");
    bad_layer(cn_adaptive_avg_pool2d_new(ctx, 1, -1, &made), CN_ERR_ARGUMENT, "-1");
    bad_layer(cn_adaptive_avg_pool2d_new(ctx, INT_MAX, 1, &made), CN_ERR_ARGUMENT, "2147483647");
}
END_TEST

START_TEST(prebuilt_networks_check_their_options) {
    cn_model *model;
    cn_session8_options o = CN_SESSION8_OPTIONS_INIT;
    o.norm = (cn_norm)9;
    ck_fails(cn_session8_new(ctx, &o, &model), CN_ERR_ARGUMENT, "9");
    o = (cn_session8_options)CN_SESSION8_OPTIONS_INIT;
    o.norm = CN_NORM_GROUP;
    o.groups = 3;
    ck_fails(cn_session8_new(ctx, &o, &model), CN_ERR_ARGUMENT, "3");
    o = (cn_session8_options)CN_SESSION8_OPTIONS_INIT;
    o.dropout = 1.0f;
    ck_fails(cn_session8_new(ctx, &o, &model), CN_ERR_ARGUMENT, "1");
    o = (cn_session8_options)CN_SESSION8_OPTIONS_INIT;
    o.classes = -1;
    ck_fails(cn_session8_new(ctx, &o, &model), CN_ERR_ARGUMENT, "-1");
    ck_assert_ptr_null(model);
    ck_fails(cn_session8_new(NULL, NULL, &model), CN_ERR_ARGUMENT, "context is NULL");
    ck_fails(cn_session8_new(ctx, NULL, NULL), CN_ERR_ARGUMENT, "model is NULL");
    ck_fails(cn_mnist_model_new(ctx, 1, 0, &model), CN_ERR_ARGUMENT, "1");
    ck_fails(cn_mnist_model_new(ctx, 6, 0, &model), CN_ERR_ARGUMENT, "6");
    ck_fails(cn_mnist_model_new(NULL, 2, 0, &model), CN_ERR_ARGUMENT, "context is NULL");
    ck_fails(cn_mnist_model_new(ctx, 2, 0, NULL), CN_ERR_ARGUMENT, "model is NULL");
}
END_TEST

/* ---- graphs that do not fit ---- */

START_TEST(names_are_unique_and_plain) {
    cn_model *model = model_for(3, 4, 5);
    char longest[202];
    memset(longest, 'x', 201);
    longest[201] = '\0';
    ck_ok(cn_model_append(model, "a", relu()));
    ck_fails(cn_model_append(model, "a", relu()), CN_ERR_ARGUMENT, "already has a layer 'a'");
    ck_fails(cn_model_append(model, "input", relu()), CN_ERR_ARGUMENT, "'input'");
    ck_fails(cn_model_append(model, "", relu()), CN_ERR_ARGUMENT, "0 bytes");
    ck_fails(cn_model_append(model, longest, relu()), CN_ERR_ARGUMENT, "201 bytes");
    ck_fails(cn_model_append(model, "b\n", relu()), CN_ERR_ARGUMENT, "control character 10 at byte 1");
    ck_fails(cn_model_append(model, "\x7f", relu()), CN_ERR_ARGUMENT, "127");
    ck_ok(cn_model_append(model, longest + 1, relu()));
    ck_ok(cn_model_append(model, "Σ/ü \"name\"", relu()));
    ck_assert_int_eq(cn_model_layer_count(model), 3);
    cn_model_free(model);
}
END_TEST

START_TEST(layers_stay_in_their_context) {
    cn_context *other = test_context(1);
    cn_model *model;
    ck_ok(cn_model_new(other, 3, 4, 5, &model));
    ck_fails(cn_model_append(model, "a", relu()), CN_ERR_ARGUMENT, "'a' was made in another context");
    cn_model_free(model);
    cn_context_free(other);
}
END_TEST

START_TEST(building_ends_with_init) {
    cn_model *model = model_for(3, 4, 5);
    cn_tensor *tensor = (cn_tensor *)&ctx;
    cn_tensor *in = images(1, 3, 4, 5);
    ck_fails(cn_model_init(model, 0), CN_ERR_STATE, "no layers");
    ck_ok(cn_model_append(model, "norm", norm(CN_NORM_BATCH, 3)));
    ck_assert_int_eq(cn_model_tensor_count(model), 0);
    ck_assert_ptr_null(cn_model_tensor_name(model, 0));
    ck_fails(cn_model_tensor(model, "norm.weight", &tensor), CN_ERR_STATE, "not initialised");
    ck_assert_ptr_null(tensor);
    ck_fails(cn_model_gradient(model, "norm.weight", &tensor), CN_ERR_STATE, "not initialised");
    ck_fails(cn_model_forward(model, 0, in, in), CN_ERR_STATE, "cn_model_forward: the model is not initialised");
    ck_fails(cn_model_backward(model, in, NULL), CN_ERR_STATE, "not initialised");
    ck_fails(cn_model_save(model, "nowhere"), CN_ERR_STATE, "not initialised");
    ck_ok(cn_model_init(model, 0));
    ck_fails(cn_model_append(model, "more", relu()), CN_ERR_STATE, "'more' comes after cn_model_init");
    ck_fails(cn_model_add(model, "more", relu(), 1, (const char *const[]){"norm"}), CN_ERR_STATE, "'more'");
    ck_ok(cn_model_init(model, 1));
    ck_ok(cn_model_forward(model, 0, in, in));
    cn_tensor_free(in);
    cn_model_free(model);
}
END_TEST

START_TEST(every_layer_is_read_but_the_last) {
    cn_model *model = model_for(3, 4, 5);
    static const char *const input[] = {"input"}, *const both[] = {"loose", "end"};
    cn_layer *add;
    ck_ok(cn_model_append(model, "loose", relu()));
    ck_ok(cn_model_add(model, "end", relu(), 1, input));
    ck_fails(cn_model_init(model, 0), CN_ERR_STATE, "nothing reads layer 'loose'");
    ck_ok(cn_add_new(ctx, &add));
    ck_ok(cn_model_add(model, "sum", add, 2, both));
    ck_ok(cn_model_init(model, 0));
    cn_model_free(model);
}
END_TEST

START_TEST(layers_read_what_they_were_made_for) {
    cn_model *model = model_for(3, 4, 5);
    cn_layer *layer;
    static const char *const two[] = {"input", "thin"};
    cn_pool2d_options wide = CN_POOL2D_OPTIONS_INIT;
    wide.dilation[0] = 4;
    cn_conv2d_options mirror = CN_CONV2D_OPTIONS_INIT;
    mirror.padding[0] = 4;
    mirror.padding_mode = CN_PADDING_REFLECT;
    ck_fails(cn_model_append(model, "c", conv(4, 2, 3)), CN_ERR_SHAPE, "'c': its input has 3 channels");
    ck_fails(cn_model_append(model, "c", conv(3, 2, 5)), CN_ERR_SHAPE, "kernel 5×5");
    ck_ok(cn_conv2d_new(ctx, 3, 2, 3, 3, &mirror, &layer));
    ck_fails(cn_model_append(model, "c", layer), CN_ERR_SHAPE, "reflect padding 4");
    mirror.padding[0] = 5;
    mirror.padding_mode = CN_PADDING_CIRCULAR;
    ck_ok(cn_conv2d_new(ctx, 3, 2, 3, 3, &mirror, &layer));
    ck_fails(cn_model_append(model, "c", layer), CN_ERR_SHAPE, "circular padding 5");
    ck_fails(cn_model_append(model, "n", norm(CN_NORM_BATCH, 4)), CN_ERR_SHAPE, "'n'");
    ck_assert_ptr_nonnull(strstr(cn_last_error(), "3 channels"));
    ck_fails(cn_model_append(model, "n", norm(CN_NORM_GROUP, 8)), CN_ERR_SHAPE, "3 channels");
    ck_ok(cn_linear_new(ctx, 60, 2, 0, &layer));
    ck_fails(cn_model_append(model, "l", layer), CN_ERR_SHAPE, "'l': its input is 3×4×5");
    ck_ok(cn_max_pool2d_new(ctx, 3, 3, &wide, &layer));
    ck_fails(cn_model_append(model, "p", layer), CN_ERR_SHAPE, "'p'");
    ck_ok(cn_avg_pool2d_new(ctx, 2, 6, NULL, &layer));
    ck_fails(cn_model_append(model, "p", layer), CN_ERR_SHAPE, "'p'");
    ck_ok(cn_model_append(model, "thin", conv(3, 2, 1)));
    ck_ok(cn_add_new(ctx, &layer));
    ck_fails(cn_model_add(model, "s", layer, 2, two), CN_ERR_SHAPE, "'s'");
    ck_ok(cn_add_new(ctx, &layer));
    ck_fails(cn_model_append(model, "s", layer), CN_ERR_ARGUMENT, "'s' reads 1 inputs");
    ck_fails(cn_model_add(model, "r", relu(), 2, two), CN_ERR_ARGUMENT, "'r' reads 2 inputs");
    ck_assert_int_eq(cn_model_layer_count(model), 1);
    ck_ok(cn_model_init(model, 0));
    cn_model_free(model);
}
END_TEST

/* Sizes that are fine one by one and not together. */
START_TEST(sizes_do_not_overflow) {
    cn_model *model = model_for(1, 4096, 4096), *deep = model_for(60000, 1, 1);
    cn_layer *layer;
    cn_conv2d_options o = CN_CONV2D_OPTIONS_INIT;
    ck_fails(cn_model_append(model, "wide", conv(1, 60000, 1)), CN_ERR_SHAPE, "60000×4096×4096");
    ck_fails(cn_model_append(deep, "heavy", conv(60000, 60000, 1)), CN_ERR_SHAPE, "'heavy': its weight");
    ck_ok(cn_linear_new(ctx, 60000, 60000, 0, &layer));
    ck_fails(cn_model_append(deep, "heavy", layer), CN_ERR_SHAPE, "'heavy': its weight");
    o.padding[0] = o.padding[1] = 65536;
    ck_ok(cn_conv2d_new(ctx, 60000, 1, 1, 1, &o, &layer));
    ck_fails(cn_model_append(deep, "padded", layer), CN_ERR_SHAPE, "'padded'");
    ck_ok(cn_adaptive_avg_pool2d_new(ctx, 60000, 60000, &layer));
    ck_fails(cn_model_append(deep, "blown", layer), CN_ERR_SHAPE, "'blown'");
    ck_ok(cn_flatten_new(ctx, &layer));
    ck_fails(cn_model_append(model, "flat", layer), CN_ERR_SHAPE, "'flat'");
    cn_model_free(model);
    cn_model_free(deep);
}
END_TEST

/* ---- tensors by name ---- */

START_TEST(tensors_are_found_by_name_in_torchs_order) {
    static const char *const names[] = {"conv.weight",
                                        "conv.bias",
                                        "norm.weight",
                                        "norm.bias",
                                        "norm.running_mean",
                                        "norm.running_var",
                                        "norm.num_batches_tracked"};
    cn_model *model = small_model();
    cn_tensor *tensor = (cn_tensor *)&ctx;
    ck_assert_int_eq(cn_model_tensor_count(model), COUNT(names));
    for (size_t i = 0; i < COUNT(names); i++) {
        ck_assert_str_eq(cn_model_tensor_name(model, (int)i), names[i]);
        ck_ok(cn_model_tensor(model, names[i], &tensor));
        if (i >= 4)
            ck_fails(cn_model_gradient(model, names[i], &tensor), CN_ERR_NOT_FOUND, "is a buffer");
        else
            ck_ok(cn_model_gradient(model, names[i], &tensor));
    }
    ck_assert_ptr_null(cn_model_tensor_name(model, COUNT(names)));
    ck_assert_ptr_null(cn_model_tensor_name(model, -1));
    ck_fails(cn_model_tensor(model, "conv", &tensor), CN_ERR_NOT_FOUND, "no tensor 'conv'");
    ck_assert_ptr_null(tensor);
    ck_fails(cn_model_gradient(model, "conv.weights", &tensor), CN_ERR_NOT_FOUND, "'conv.weights'");
    ck_ok(cn_model_tensor(model, "conv.weight", &tensor));
    ck_assert_int_eq(cn_tensor_dims(tensor), 4);
    ck_assert_int_eq(cn_tensor_count(tensor), 2 * 3 * 3 * 3);
    ck_ok(cn_model_tensor(model, "norm.num_batches_tracked", &tensor));
    ck_assert_int_eq(cn_tensor_dtype(tensor), CN_INT64);
    ck_assert_int_eq(cn_tensor_dims(tensor), 0);
    ck_assert_int_eq(cn_model_parameter_count(model), 54 + 2 + 2 + 2);
    cn_model_free(model);
}
END_TEST

START_TEST(seeds_repeat_and_differ) {
    cn_model *model = small_model();
    cn_tensor *weight;
    float first[54];
    ck_ok(cn_model_tensor(model, "conv.weight", &weight));
    memcpy(first, cn_tensor_data(weight), sizeof first);
    ck_ok(cn_model_init(model, 2));
    ck_assert_int_ne(memcmp(first, cn_tensor_data(weight), sizeof first), 0);
    ck_ok(cn_model_init(model, 1));
    ck_assert_int_eq(memcmp(first, cn_tensor_data(weight), sizeof first), 0);
    for (int i = 0; i < 54; i++)
        ck_assert_float_le(fabsf(first[i]), 1.0f / sqrtf(27.0f));
    cn_model_free(model);
}
END_TEST

/* ---- passes ---- */

START_TEST(passes_check_shapes_and_types) {
    cn_model *model = small_model();
    cn_tensor *in = images(3, 3, 4, 5), *out = images(3, 2, 2, 3), *none = images(0, 3, 4, 5);
    cn_tensor *narrow = images(3, 3, 4, 4), *few = images(2, 2, 2, 3),
              *flat = tensor_of(CN_FLOAT32, 2, (int64_t[]){3, 60});
    cn_tensor *bytes = tensor_of(CN_UINT8, 4, (int64_t[]){3, 3, 4, 5});
    ck_fails(cn_model_forward(model, 1, narrow, out), CN_ERR_SHAPE, "input is float32 [3, 3, 4, 4]");
    ck_fails(cn_model_forward(model, 1, flat, out), CN_ERR_SHAPE, "input is float32 [3, 60]");
    ck_fails(cn_model_forward(model, 1, bytes, out), CN_ERR_SHAPE, "input is uint8");
    ck_fails(cn_model_forward(model, 1, none, out), CN_ERR_SHAPE, "0 images");
    ck_fails(cn_model_forward(model, 1, in, few), CN_ERR_SHAPE,
             "output is float32 [2, 2, 2, 3], wanted float32 [3, 2, 2, 3]");
    ck_fails(cn_model_forward(model, 1, in, flat), CN_ERR_SHAPE, "output is float32 [3, 60]");
    ck_ok(cn_model_forward(model, 1, in, out));
    ck_fails(cn_model_backward(model, few, NULL), CN_ERR_SHAPE, "grad_output is float32 [2, 2, 2, 3]");
    ck_fails(cn_model_backward(model, out, narrow), CN_ERR_SHAPE, "grad_input is float32 [3, 3, 4, 4]");
    ck_ok(cn_model_backward(model, out, in));
    cn_tensor *all[] = {in, out, none, narrow, few, flat, bytes};
    for (size_t i = 0; i < COUNT(all); i++)
        cn_tensor_free(all[i]);
    cn_model_free(model);
}
END_TEST

START_TEST(backward_follows_one_training_pass) {
    cn_model *model = small_model();
    cn_tensor *in = images(3, 3, 4, 5), *out = images(3, 2, 2, 3), *other = images(20, 3, 4, 5);
    cn_tensor *other_out = images(20, 2, 2, 3);
    ck_fails(cn_model_backward(model, out, NULL), CN_ERR_STATE, "no training forward pass");
    ck_ok(cn_model_forward(model, 0, in, out));
    ck_fails(cn_model_backward(model, out, NULL), CN_ERR_STATE, "no training forward pass");
    ck_ok(cn_model_forward(model, 1, in, out));
    ck_ok(cn_model_backward(model, out, NULL));
    ck_fails(cn_model_backward(model, out, NULL), CN_ERR_STATE, "no training forward pass");
    ck_ok(cn_model_forward(model, 1, in, out));
    ck_ok(cn_model_forward(model, 0, other, other_out));
    ck_fails(cn_model_backward(model, out, NULL), CN_ERR_STATE, "no training forward pass");
    ck_ok(cn_model_forward(model, 1, in, out));
    ck_ok(cn_model_init(model, 5));
    ck_fails(cn_model_backward(model, out, NULL), CN_ERR_STATE, "no training forward pass");
    ck_ok(cn_model_forward(model, 1, other, other_out));
    ck_ok(cn_model_backward(model, other_out, other));
    cn_tensor *all[] = {in, out, other, other_out};
    for (size_t i = 0; i < COUNT(all); i++)
        cn_tensor_free(all[i]);
    cn_model_free(model);
}
END_TEST

START_TEST(batch_norm_needs_two_values_to_train) {
    cn_model *model = model_for(3, 1, 1);
    cn_tensor *one = images(1, 3, 1, 1), *two = images(2, 3, 1, 1);
    ck_ok(cn_model_append(model, "norm", norm(CN_NORM_BATCH, 3)));
    ck_ok(cn_model_init(model, 1));
    ck_fails(cn_model_forward(model, 1, one, one), CN_ERR_SHAPE, "'norm'");
    ck_fails(cn_model_backward(model, one, NULL), CN_ERR_STATE, "no training forward pass");
    ck_ok(cn_model_forward(model, 0, one, one));
    ck_ok(cn_model_forward(model, 1, two, two));
    cn_tensor_free(one);
    cn_tensor_free(two);
    cn_model_free(model);
}
END_TEST

/* One pixel an image comes out as [N, K] or as [N, C, 1, 1], whichever the caller brings. */
START_TEST(a_flat_output_has_two_or_four_dimensions) {
    cn_model *model = model_for(3, 1, 1);
    cn_tensor *in = images(2, 3, 1, 1), *four = images(2, 4, 1, 1), *two = tensor_of(CN_FLOAT32, 2, (int64_t[]){2, 4});
    cn_layer *linear;
    for (int i = 0; i < 6; i++)
        ((float *)cn_tensor_data(in))[i] = (float)i;
    ck_ok(cn_linear_new(ctx, 3, 4, 0, &linear));
    ck_ok(cn_model_append(model, "linear", linear));
    ck_ok(cn_model_init(model, 1));
    ck_ok(cn_model_forward(model, 1, in, four));
    ck_ok(cn_model_forward(model, 1, in, two));
    ck_assert_int_eq(memcmp(cn_tensor_data(two), cn_tensor_data(four), 8 * sizeof(float)), 0);
    ck_ok(cn_model_backward(model, two, in));
    cn_tensor_free(in);
    cn_tensor_free(four);
    cn_tensor_free(two);
    cn_model_free(model);
}
END_TEST

START_TEST(parameters_written_between_calls_count) {
    cn_model *model = model_for(1, 1, 1);
    cn_tensor *one = images(1, 1, 1, 1), *out = images(1, 1, 1, 1), *weight, *bias;
    ck_ok(cn_model_append(model, "conv", conv(1, 1, 1)));
    ck_ok(cn_model_init(model, 1));
    ck_ok(cn_model_tensor(model, "conv.weight", &weight));
    ck_ok(cn_model_tensor(model, "conv.bias", &bias));
    *(float *)cn_tensor_data(one) = 3.0f;
    for (int i = 1; i < 4; i++) {
        *(float *)cn_tensor_data(weight) = (float)i;
        *(float *)cn_tensor_data(bias) = 0.5f;
        ck_ok(cn_model_forward(model, i % 2, one, out));
        ck_assert_float_eq(*(float *)cn_tensor_data(out), 3.0f * (float)i + 0.5f);
    }
    cn_tensor_free(one);
    cn_tensor_free(out);
    cn_model_free(model);
}
END_TEST

/* ---- the suite ---- */

static void add(Suite *suite, const char *name, void (*before)(void), void (*after)(void), const TTest *const *tests,
                size_t count, int loops) {
    TCase *group = tcase_create(name);
    tcase_add_checked_fixture(group, before, after);
    for (size_t i = 0; i < count; i++)
        tcase_add_loop_test(group, tests[i], 0, loops);
    suite_add_tcase(suite, group);
}

int main(void) {
    const TTest *const reading[] = {a_struct_says_its_size, a_newer_struct_must_not_use_what_is_new};
    const TTest *const filling[] = {a_filled_struct_is_filled_as_far_as_it_goes};
    const TTest *const nulls[] = {layers_want_a_context_and_a_place, plain_layers_want_a_context_and_a_place,
                                  models_want_all_their_arguments, building_wants_model_name_and_layer};
    const TTest *const values[] = {models_have_sizes,
                                   convolutions_have_sizes,
                                   convolutions_check_their_options,
                                   linear_layers_have_sizes,
                                   norms_check_their_options,
                                   activations_check_their_numbers,
                                   pools_check_their_options,
                                   prebuilt_networks_check_their_options};
    const TTest *const graphs[] = {
        names_are_unique_and_plain,       layers_stay_in_their_context,        building_ends_with_init,
        every_layer_is_read_but_the_last, layers_read_what_they_were_made_for, sizes_do_not_overflow};
    const TTest *const tensors[] = {tensors_are_found_by_name_in_torchs_order, seeds_repeat_and_differ};
    const TTest *const passes[] = {passes_check_shapes_and_types, backward_follows_one_training_pass,
                                   batch_norm_needs_two_values_to_train, a_flat_output_has_two_or_four_dimensions,
                                   parameters_written_between_calls_count};
    Suite *suite = suite_create("interface");
    add(suite, "structs that are read", with_everything, without_everything, reading, COUNT(reading),
        (int)COUNT(read_structs));
    add(suite, "structs that are filled", with_everything, without_everything, filling, COUNT(filling),
        (int)COUNT(filled_structs));
    add(suite, "NULL", set_up, tear_down, nulls, COUNT(nulls), 1);
    add(suite, "values", set_up, tear_down, values, COUNT(values), 1);
    add(suite, "graphs", set_up, tear_down, graphs, COUNT(graphs), 1);
    add(suite, "tensors", set_up, tear_down, tensors, COUNT(tensors), 1);
    add(suite, "passes", set_up, tear_down, passes, COUNT(passes), 1);
    return test_run(suite);
}
