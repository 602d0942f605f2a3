/* test_model_file.c: models into files and back: every layer and option, PyTorch's files, damaged and hostile ones.
 *
 * With an argument it writes the model of every layer there, as was done once for tests/golden/model_1.safetensors. */
#include "testing.h"
#include "io/io.h"
#include "fuzz_model_file.c" /* LLVMFuzzerTestOneInput, which replays the corpus */
#include <dirent.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <unistd.h>
#if CN_WITH_JSON
#include <jansson.h> /* json_set_alloc_funcs */
#endif

static cn_context *ctx;
static char folder[64], path[128], other[128];

static void setup(void) {
    ctx = test_context(1);
    snprintf(folder, sizeof folder, "/tmp/test_model_file.XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/model.safetensors", folder);
    snprintf(other, sizeof other, "%s/other.safetensors", folder);
}

static void teardown(void) {
    unlink(path);
    unlink(other);
    ck_assert_msg(rmdir(folder) == 0, "files are left in %s", folder);
    cn_context_free(ctx);
}

#if CN_WITH_JSON

/* ---- a model with every layer and every option ---- */

static void append(cn_model *model, const char *name, cn_status status, cn_layer *layer) {
    ck_ok(status);
    ck_ok(cn_model_append(model, name, layer));
}

static void append_conv(cn_model *model, const char *name, int in, int out, const cn_conv2d_options *options) {
    cn_layer *layer;
    cn_status status = cn_conv2d_new(ctx, in, out, 3, 3, options, &layer);
    append(model, name, status, layer);
}

static void append_convolutions(cn_model *model) {
    static const int kinds[][8] = {
        /* stride, padding, dilation, each height and width; groups; no bias */
        {1, 2, 1, 2, 1, 1, 2, 1},
        {1, 1, 2, 1, 2, 1, 1, 0},
        {1, 1, 1, 1, 1, 1, 4, 0},
        {1, 1, 0, 1, 1, 1, 1, 1},
    };
    for (int i = 0; i < 4; i++) {
        char name[16];
        const int *k = kinds[i];
        cn_conv2d_options options = CN_CONV2D_OPTIONS_INIT;
        memcpy(options.stride, k, sizeof options.stride);
        memcpy(options.padding, k + 2, sizeof options.padding);
        memcpy(options.dilation, k + 4, sizeof options.dilation);
        options.groups = k[6];
        options.no_bias = k[7];
        options.padding_mode = (cn_padding_mode)i;
        snprintf(name, sizeof name, "conv.%d", i);
        append_conv(model, name, i ? 8 : 4, 8, &options);
    }
}

static void append_norms(cn_model *model) {
    cn_layer *layer;
    for (int norm = CN_NORM_BATCH; norm <= CN_NORM_INSTANCE; norm++)
        for (int plain = 0; plain < 2; plain++) {
            char name[16];
            cn_norm_options options = CN_NORM_OPTIONS_INIT;
            options.eps = plain ? 1e-5f : 0.00123f;
            options.momentum = plain ? 0.1f : 0.3f;
            options.groups = 2;
            options.no_affine = plain;
            options.no_running_stats = norm == CN_NORM_BATCH && plain;
            snprintf(name, sizeof name, "norm.%d.%d", norm, plain);
            cn_status status = cn_norm_new(ctx, (cn_norm)norm, 8, &options, &layer);
            append(model, name, status, layer);
        }
}

#define APPEND(name, ...)                                                                                              \
    do {                                                                                                               \
        cn_layer *layer_;                                                                                              \
        cn_status made_ = __VA_ARGS__;                                                                                 \
        append(model, name, made_, layer_);                                                                            \
    } while (0)

static void append_functions(cn_model *model) {
    APPEND("relu", cn_relu_new(ctx, &layer_));
    APPEND("leaky", cn_leaky_relu_new(ctx, 0.2f, &layer_));
    APPEND("sigmoid", cn_sigmoid_new(ctx, &layer_));
    APPEND("tanh", cn_tanh_new(ctx, &layer_));
    APPEND("silu", cn_silu_new(ctx, &layer_));
    APPEND("gelu", cn_gelu_new(ctx, CN_GELU_EXACT, &layer_));
    APPEND("gelu \"tanh\" \\ \xc3\xa4", cn_gelu_new(ctx, CN_GELU_TANH, &layer_));
    APPEND("dropout", cn_dropout_new(ctx, 0.25f, &layer_));
}

static void append_pools(cn_model *model) {
    cn_pool2d_options max = CN_POOL2D_OPTIONS_INIT, average = CN_POOL2D_OPTIONS_INIT, divided = CN_POOL2D_OPTIONS_INIT;
    max.stride[0] = 2, max.stride[1] = 1;
    max.padding[0] = 1;
    max.dilation[0] = 2;
    max.ceil_mode = 1;
    average.padding[1] = 1;
    average.stride[0] = average.stride[1] = 1;
    average.count_exclude_pad = 1;
    divided.stride[0] = divided.stride[1] = 1;
    divided.divisor_override = 3;
    APPEND("max", cn_max_pool2d_new(ctx, 2, 2, &max, &layer_));
    APPEND("average", cn_avg_pool2d_new(ctx, 1, 2, &average, &layer_));
    APPEND("divided", cn_avg_pool2d_new(ctx, 2, 1, &divided, &layer_));
    APPEND("adaptive", cn_adaptive_avg_pool2d_new(ctx, 3, 2, &layer_));
}

static void append_head(cn_model *model) {
    APPEND("softmax", cn_softmax_new(ctx, &layer_));
    APPEND("flatten", cn_flatten_new(ctx, &layer_));
    APPEND("linear", cn_linear_new(ctx, 48, 6, 1, &layer_));
    APPEND("linear.2", cn_linear_new(ctx, 6, 5, 0, &layer_));
    APPEND("log", cn_log_softmax_new(ctx, &layer_));
}

/* Every tensor gets a number of its own, so that none can be taken for another. */
static void fill_tensors(cn_model *model) {
    for (int i = 0; i < cn_model_tensor_count(model); i++) {
        cn_tensor *tensor;
        ck_ok(cn_model_tensor(model, cn_model_tensor_name(model, i), &tensor));
        for (int64_t k = 0; k < cn_tensor_count(tensor); k++)
            if (cn_tensor_dtype(tensor) == CN_INT64)
                ((int64_t *)cn_tensor_data(tensor))[k] = INT64_MAX - i;
            else
                ((float *)cn_tensor_data(tensor))[k] = (float)((i * 7 + k * 5) % 23 + 1) / 32.0f;
    }
}

static cn_model *every_layer(void) {
    static const float mean[] = {0.1f, 0.2f, 1e-7f, -3.25f}, std[] = {0.33f, 1.0f, 123456.789f, 1e-30f};
    static const char *const classes[] = {"a", "", "\"quoted\" \\ \n", "na\xc3\xafve", "\xf0\x9f\x90\xb8"};
    cn_model *model;
    cn_layer *add;
    ck_ok(cn_model_new(ctx, 4, 8, 9, &model));
    append_convolutions(model);
    append_norms(model);
    append_functions(model);
    ck_ok(cn_add_new(ctx, &add));
    ck_ok(cn_model_add(model, "add", add, 3, (const char *[]){"dropout", "conv.3", "relu"}));
    append_pools(model);
    append_head(model);
    ck_ok(cn_model_init(model, 1));
    fill_tensors(model);
    ck_ok(cn_model_set_normalization(model, 4, mean, std));
    ck_ok(cn_model_set_class_names(model, 5, classes));
    return model;
}

/* A small one, for what is repeated thousands of times. */
static cn_model *tiny(cn_context *context) {
    static const float mean[] = {0.5f, 0.25f}, std[] = {0.1f, 1.0f};
    cn_model *model;
    cn_layer *layer = NULL;
    if (cn_model_new(context, 2, 3, 3, &model) != CN_OK)
        return NULL;
    if (cn_conv2d_new(context, 2, 2, 3, 3, NULL, &layer) != CN_OK || cn_model_append(model, "c", layer) != CN_OK ||
        cn_norm_new(context, CN_NORM_BATCH, 2, NULL, &layer) != CN_OK || cn_model_append(model, "n", layer) != CN_OK ||
        cn_log_softmax_new(context, &layer) != CN_OK || cn_model_append(model, "s", layer) != CN_OK ||
        cn_model_init(model, 5) != CN_OK || cn_model_set_normalization(model, 2, mean, std) != CN_OK ||
        cn_model_set_class_names(model, 2, (const char *[]){"yes", "no"}) != CN_OK) {
        cn_model_free(model);
        return NULL;
    }
    return model;
}

/* ---- comparing ---- */

static void compare_tensors(cn_model *a, cn_model *b) {
    ck_assert_int_eq(cn_model_tensor_count(a), cn_model_tensor_count(b));
    for (int i = 0; i < cn_model_tensor_count(a); i++) {
        cn_tensor *x, *y;
        const char *name = cn_model_tensor_name(a, i);
        ck_assert_str_eq(name, cn_model_tensor_name(b, i));
        ck_ok(cn_model_tensor(a, name, &x));
        ck_ok(cn_model_tensor(b, name, &y));
        ck_assert_int_eq(cn_tensor_count(x), cn_tensor_count(y));
        size_t bytes = (size_t)cn_tensor_count(x) * (cn_tensor_dtype(x) == CN_INT64 ? 8 : 4);
        ck_assert_msg(memcmp(cn_tensor_data(x), cn_tensor_data(y), bytes) == 0, "%s differs", name);
    }
}

static void compare_layers(const cn_model *a, const cn_model *b) {
    char *x, *y;
    ck_ok(cn_model_summary(a, &x));
    ck_ok(cn_model_summary(b, &y));
    ck_assert_str_eq(x, y);
    cn_text_free(x);
    cn_text_free(y);
    for (int k = 0; cn_model_class_name(a, k) || cn_model_class_name(b, k); k++)
        ck_assert_pstr_eq(cn_model_class_name(a, k), cn_model_class_name(b, k));
    ck_assert_int_eq(!a->mean, !b->mean);
    if (a->mean) {
        ck_assert_mem_eq(a->mean, b->mean, (size_t)a->input.channels * sizeof(float));
        ck_assert_mem_eq(a->std, b->std, (size_t)a->input.channels * sizeof(float));
    }
}

static void compare_files(const char *a, const char *b) {
    unsigned char *x, *y;
    size_t x_bytes, y_bytes;
    ck_ok(cn__file_load(ctx, a, &x, &x_bytes));
    ck_ok(cn__file_load(ctx, b, &y, &y_bytes));
    ck_assert_uint_eq(x_bytes, y_bytes);
    ck_assert_int_eq(memcmp(x, y, x_bytes), 0);
    cn__free(ctx, x);
    cn__free(ctx, y);
}

/* The model's answer to two images of quarters. */
static void evaluate(cn_model *model, cn_tensor **output) {
    int64_t in[4] = {2, 0, 0, 0}, out[4] = {2, 0, 0, 0};
    cn_tensor *input;
    cn_model_input_shape(model, in + 1);
    cn_model_output_shape(model, out + 1);
    ck_ok(cn_tensor_new(ctx, CN_FLOAT32, 4, in, &input));
    ck_ok(cn_tensor_new(ctx, CN_FLOAT32, 4, out, output));
    for (int64_t i = 0; i < cn_tensor_count(input); i++)
        ((float *)cn_tensor_data(input))[i] = (float)((i * 13) % 17 - 8) / 4.0f;
    ck_ok(cn_model_forward(model, 0, input, *output));
    cn_tensor_free(input);
}

static void compare_outputs(cn_model *a, cn_model *b) {
    cn_tensor *x, *y;
    evaluate(a, &x);
    evaluate(b, &y);
    ck_assert_mem_eq(cn_tensor_data(x), cn_tensor_data(y), (size_t)cn_tensor_count(x) * sizeof(float));
    cn_tensor_free(x);
    cn_tensor_free(y);
}

/* Saves, loads, saves again: the same model, and the same bytes. Frees it. */
static void check_round_trip(cn_model *model) {
    cn_model *loaded;
    ck_ok(cn_model_save(model, path));
    ck_ok(cn_model_load(ctx, path, &loaded));
    compare_layers(model, loaded);
    compare_tensors(model, loaded);
    compare_outputs(model, loaded);
    ck_ok(cn_model_save(loaded, other));
    compare_files(path, other);
    cn_model_free(loaded);
    cn_model_free(model);
}

/* ---- round trips ---- */

START_TEST(every_layer_and_option_comes_back) {
    check_round_trip(every_layer());
}
END_TEST

START_TEST(session8_comes_back) {
    cn_session8_options options = CN_SESSION8_OPTIONS_INIT;
    cn_model *model;
    options.norm = (cn_norm)_i;
    options.skip = _i % 2;
    options.seed = 7;
    ck_ok(cn_session8_new(ctx, &options, &model));
    check_round_trip(model);
}
END_TEST

START_TEST(mnist_networks_come_back) {
    cn_model *model;
    ck_ok(cn_mnist_model_new(ctx, _i, 3, &model));
    check_round_trip(model);
}
END_TEST

START_TEST(numbers_are_bits) {
    cn_model *model = tiny(ctx);
    cn_tensor *tensor;
    ck_ok(cn_model_tensor(model, "c.weight", &tensor));
    float *values = cn_tensor_data(tensor);
    values[0] = NAN;
    values[1] = -INFINITY;
    values[2] = -0.0f;
    values[3] = 1e-45f;
    ck_ok(cn_model_tensor(model, "n.num_batches_tracked", &tensor));
    *(int64_t *)cn_tensor_data(tensor) = -0x0123456789abcdef;
    cn_model *loaded;
    ck_ok(cn_model_save(model, path));
    ck_ok(cn_model_load(ctx, path, &loaded));
    compare_tensors(model, loaded);
    cn_model_free(loaded);
    cn_model_free(model);
}
END_TEST

START_TEST(a_model_without_tensors_comes_back) {
    cn_model *model;
    ck_ok(cn_model_new(ctx, 1, 2, 2, &model));
    APPEND("relu", cn_relu_new(ctx, &layer_));
    ck_ok(cn_model_init(model, 0));
    check_round_trip(model);
}
END_TEST

/* Where there is a locale with a decimal comma, files do not get one. */
START_TEST(the_locale_plays_no_part) {
    static const char *const locales[] = {"de_DE.UTF-8", "fr_FR.UTF-8", "ru_RU.UTF-8", "de_DE", "fr_FR"};
    size_t i = 0;
    cn_model *model = every_layer(), *loaded;
    ck_ok(cn_model_save(model, path));
    while (i < CN__COUNT(locales) && !setlocale(LC_ALL, locales[i]))
        i++;
    ck_ok(cn_model_save(model, other));
    ck_ok(cn_model_load(ctx, path, &loaded));
    setlocale(LC_ALL, "C");
    compare_files(path, other);
    compare_layers(model, loaded);
    cn_model_free(loaded);
    cn_model_free(model);
}
END_TEST

/* ---- refusals ---- */

START_TEST(bad_arguments_are_refused) {
    cn_model *model, *none = (cn_model *)ctx;
    ck_ok(cn_model_new(ctx, 1, 2, 2, &model));
    ck_fails(cn_model_save(model, path), CN_ERR_STATE, "cn_model_save: the model is not initialised");
    ck_fails(cn_model_load_tensors(model, path), CN_ERR_STATE, "cn_model_load_tensors");
    cn_model_free(model);
    model = tiny(ctx);
    ck_fails(cn_model_save(NULL, path), CN_ERR_ARGUMENT, "model");
    ck_fails(cn_model_save(model, NULL), CN_ERR_ARGUMENT, "path");
    ck_fails(cn_model_load(ctx, path, NULL), CN_ERR_ARGUMENT, "model");
    ck_fails(cn_model_load(NULL, path, &none), CN_ERR_ARGUMENT, "context");
    ck_assert_ptr_null(none);
    ck_fails(cn_model_load(ctx, NULL, &none), CN_ERR_ARGUMENT, "path");
    ck_fails(cn_model_load_memory(ctx, NULL, 8, &none), CN_ERR_ARGUMENT, "data");
    ck_fails(cn_model_load_tensors(model, NULL), CN_ERR_ARGUMENT, "path");
    cn_model_free(model);
}
END_TEST

START_TEST(a_file_that_is_not_there_is_an_io_error) {
    cn_model *model = tiny(ctx), *none = model;
    ck_fails(cn_model_load(ctx, path, &none), CN_ERR_IO, path);
    ck_assert_ptr_null(none);
    ck_fails(cn_model_load_tensors(model, path), CN_ERR_IO, path);
    ck_fails(cn_model_save(model, "/nowhere/at/all"), CN_ERR_IO, "/nowhere/at/all");
    cn_model_free(model);
}
END_TEST

START_TEST(names_that_are_not_utf8_are_not_saved) {
    cn_model *model = tiny(ctx);
    ck_ok(cn_model_save(model, path));
    ck_ok(cn_model_save(model, other));
    ck_ok(cn_model_set_class_names(model, 2, (const char *[]){"fine", "\xe4"}));
    ck_fails(cn_model_save(model, path), CN_ERR_ARGUMENT, "not UTF-8");
    compare_files(path, other);
    cn_model_free(model);
}
END_TEST

/* ---- a file in memory, and what can be done to it ---- */

typedef struct bytes {
    unsigned char *data;
    size_t count;
} bytes;

static bytes saved(const cn_model *model) {
    bytes file;
    ck_ok(cn_model_save(model, path));
    ck_ok(cn__file_load(ctx, path, &file.data, &file.count));
    return file;
}

static size_t header_bytes(bytes file) {
    return file.data[0] + 256u * file.data[1] + 65536u * file.data[2];
}

START_TEST(every_truncation_is_noticed) {
    cn_model *model = tiny(ctx), *loaded;
    bytes file = saved(model);
    for (size_t count = 0; count < file.count; count++) {
        unsigned char *part = malloc(count + !count); /* of that size, for tools that watch */
        ck_assert_ptr_nonnull(part);
        memcpy(part, file.data, count);
        ck_fails(cn_model_load_memory(ctx, part, count, &loaded), CN_ERR_FORMAT, "'(memory)': ");
        ck_assert_ptr_null(loaded);
        free(part);
    }
    ck_ok(cn_model_load_memory(ctx, file.data, file.count, &loaded));
    cn_model_free(loaded);
    cn__free(ctx, file.data);
    cn_model_free(model);
}
END_TEST

START_TEST(every_damaged_byte_of_data_is_noticed) {
    cn_model *model = tiny(ctx), *loaded;
    bytes file = saved(model);
    for (size_t i = 8 + header_bytes(file); i < file.count; i++) {
        file.data[i] ^= 0x10;
        ck_fails(cn_model_load_memory(ctx, file.data, file.count, &loaded), CN_ERR_FORMAT, "damaged");
        file.data[i] ^= 0x10;
    }
    cn__free(ctx, file.data);
    cn_model_free(model);
}
END_TEST

/* Most changes are noticed; those that are not (a key that nobody asks for) leave a model that works. */
START_TEST(every_damaged_byte_of_the_header_does_no_harm) {
    cn_model *model = tiny(ctx), *loaded;
    bytes file = saved(model);
    size_t end = 8 + header_bytes(file), refused = 0, step = test_quick() ? 7 : 1;
    for (size_t i = 0; i < end; i += step)
        for (int bit = 0; bit < 8; bit++) {
            file.data[i] ^= (unsigned char)(1 << bit);
            cn_status status = cn_model_load_memory(ctx, file.data, file.count, &loaded);
            ck_assert(status == CN_OK || status == CN_ERR_FORMAT);
            if (status == CN_OK)
                compare_tensors(model, loaded);
            else
                refused++;
            cn_model_free(loaded);
            file.data[i] ^= (unsigned char)(1 << bit);
        }
    ck_assert_uint_gt(refused, (end / step) * 8 * 9 / 10);
    cn__free(ctx, file.data);
    cn_model_free(model);
}
END_TEST

/* ---- architectures by hand ---- */

/* Loads a file without tensors, whose architecture is this. */
static cn_status load_architecture(const char *version, const char *architecture, cn_model **model) {
    const cn__metadata metadata[] = {{"convnet.version", version}, {"convnet.model", architecture}};
    ck_ok(cn__safetensors_write(ctx, path, NULL, 0, metadata, 2, "", 0));
    return cn_model_load(ctx, path, model);
}

#define RELU          "{\"name\":\"r\",\"type\":\"ReLU\",\"inputs\":[\"input\"]}"
#define INPUT         "{\"input\":[1,2,2],\"layers\":"
#define CONV(options) INPUT "[{\"name\":\"c\",\"type\":\"Conv2d\",\"inputs\":[\"input\"],\"options\":{" options "}}]}"

static const struct {
    const char *architecture, *message;
} hostile[] = {
    {"", "architecture is not JSON"},
    {"[", "architecture is not JSON"},
    {"[]", "input is not three numbers"},
    {"{}", "input is not three numbers"},
    {"{\"input\":[1,2]}", "input is not three numbers"},
    {"{\"input\":[1,2,2.5]}", "input is not three numbers"},
    {"{\"input\":[1,2,4294967297]}", "input is not three numbers"},
    {"{\"input\":[0,2,2]}", "channels is 0"},
    {"{\"input\":[1,2,-1]}", "width is -1"},
    {"{\"input\":[65536,65536,65536]}", "more than"},
    {"{\"input\":[1,2,2]}", "has 0 layers"},
    {INPUT "[]}", "has 0 layers"},
    {INPUT "{}}", "has 0 layers"},
    {INPUT "[1]}", "a layer has no name"},
    {INPUT "[{\"name\":1}]}", "a layer has no name"},
    {INPUT "[{\"name\":\"r\"}]}", "a layer's inputs are not a list of texts"},
    {INPUT "[{\"name\":\"r\",\"inputs\":[]}]}", "a layer's inputs are not a list of texts"},
    {INPUT "[{\"name\":\"r\",\"inputs\":[1]}]}", "a layer's inputs are not a list of texts"},
    {INPUT "[{\"name\":\"r\",\"inputs\":[\"input\"]}]}", "is of type ''"},
    {INPUT "[{\"name\":\"r\",\"inputs\":[\"input\"],\"type\":\"Magic\"}]}", "is of type 'Magic', which this version"},
    {INPUT "[{\"name\":\"r\",\"inputs\":[\"r\"],\"type\":\"ReLU\"}]}", "reads 'r', which the model does not have"},
    {INPUT "[{\"name\":\"\",\"inputs\":[\"input\"],\"type\":\"ReLU\"}]}", "name has 0 bytes"},
    {INPUT "[{\"name\":\"\\n\",\"inputs\":[\"input\"],\"type\":\"ReLU\"}]}", "control character"},
    {INPUT "[{\"name\":\"input\",\"inputs\":[\"input\"],\"type\":\"ReLU\"}]}", "already has"},
    {INPUT "[" RELU "," RELU "]}", "already has a layer 'r'"},
    {INPUT "[" RELU ",{\"name\":\"s\",\"type\":\"ReLU\",\"inputs\":[\"input\"]}]}", "nothing reads layer 'r'"},
    {INPUT "[{\"name\":\"r\",\"inputs\":[\"input\",\"input\"],\"type\":\"ReLU\"}]}", "reads 2 inputs"},
    {INPUT "[{\"name\":\"a\",\"inputs\":[\"input\"],\"type\":\"Add\"}]}", "reads 1 inputs"},
    {INPUT "[{\"name\":\"r\",\"inputs\":[\"input\"],\"type\":\"ReLU\",\"options\":{\"speed\":1}}]}",
     "layer 'r': option 'speed' is not known"},
    {CONV(""), "channels"},
    {CONV("\"in_channels\":true"), "option 'in_channels' has a value of another kind"},
    {CONV("\"in_channels\":99999999999"), "option 'in_channels' has a value of another kind"},
    {CONV("\"padding_mode\":\"mirror\""), "option 'padding_mode' has a value of another kind"},
    {CONV("\"padding_mode\":0"), "option 'padding_mode' has a value of another kind"},
    {INPUT "[{\"name\":\"d\",\"inputs\":[\"input\"],\"type\":\"Dropout\",\"options\":{\"p\":1e300}}]}",
     "option 'p' has a value of another kind"},
    {INPUT "[{\"name\":\"d\",\"inputs\":[\"input\"],\"type\":\"Dropout\",\"options\":{\"p\":2}}]}", "2"},
    {INPUT "[{\"name\":\"l\",\"inputs\":[\"input\"],\"type\":\"Linear\",\"options\":"
           "{\"in_features\":65536,\"out_features\":65536,\"bias\":1}}]}",
     "Linear 'l'"},
    {INPUT "[" RELU "],\"normalization\":1}", "normalisation"},
    {INPUT "[" RELU "],\"normalization\":{\"mean\":[0,0],\"std\":[1,1]}}", "a number for each channel"},
    {INPUT "[" RELU "],\"normalization\":{\"mean\":[0],\"std\":[\"1\"]}}", "a number for each channel"},
    {INPUT "[" RELU "],\"normalization\":{\"mean\":[0],\"std\":[0]}}", "std 0"},
    {INPUT "[" RELU "],\"classes\":[]}", "classes are not a list of texts"},
    {INPUT "[" RELU "],\"classes\":[\"a\",1]}", "classes are not a list of texts"},
};

START_TEST(hostile_architectures_are_refused) {
    cn_model *model;
    ck_fails(load_architecture("1", hostile[_i].architecture, &model), CN_ERR_FORMAT, hostile[_i].message);
    ck_assert_ptr_null(model);
    ck_assert_ptr_nonnull(strstr(cn_last_error(), path));
}
END_TEST

START_TEST(unknown_members_and_missing_options_are_fine) {
    cn_model *model;
    ck_ok(load_architecture("1", INPUT "[" RELU "],\"invented\":[{}]}", &model));
    cn_model_free(model);
    ck_fails(load_architecture("1", CONV("\"in_channels\":1,\"out_channels\":1,\"kernel_height\":2,\"kernel_width\":2"),
                               &model),
             CN_ERR_FORMAT, "it has no tensor 'c.weight'");
}
END_TEST

/* No memory is taken for weights that are not in the file. */
START_TEST(weights_that_are_only_claimed_are_not_allocated) {
    cn_model *model;
    ck_fails(load_architecture("1",
                               CONV("\"in_channels\":1,\"out_channels\":60000,\"kernel_height\":100,"
                                    "\"kernel_width\":100,\"padding_height\":50,\"padding_width\":50"),
                               &model),
             CN_ERR_FORMAT, "it has no tensor 'c.weight'");
}
END_TEST

START_TEST(other_versions_are_refused) {
    cn_model *model;
    ck_fails(load_architecture("2", INPUT "[" RELU "]}", &model), CN_ERR_FORMAT,
             "its version is 2, this library (1.0.0) reads up to 1");
    ck_fails(load_architecture("0", INPUT "[" RELU "]}", &model), CN_ERR_FORMAT, "its version is '0'");
    ck_fails(load_architecture("", INPUT "[" RELU "]}", &model), CN_ERR_FORMAT, "its version is ''");
    ck_fails(load_architecture("1x", INPUT "[" RELU "]}", &model), CN_ERR_FORMAT, "its version is '1x'");
    ck_fails(load_architecture("99999999999999999999", INPUT "[" RELU "]}", &model), CN_ERR_FORMAT, "its version is");
}
END_TEST

/* ---- tensors by name ---- */

static int warnings;
static char last_warning[256];

static void count_warnings(void *user, cn_log_level level, const char *message) {
    (void)user;
    ck_assert_int_eq(level, CN_LOG_WARNING);
    warnings++;
    snprintf(last_warning, sizeof last_warning, "%s", message);
}

typedef struct golden_file {
    cn__safetensors file;
    unsigned char *memory;
} golden_file;

static const float *golden_tensor(const golden_file *golden, const char *name, int64_t *count) {
    const cn__entry *entry = cn__safetensors_find(&golden->file, name);
    ck_assert_ptr_nonnull(entry);
    *count = (int64_t)(entry->end - entry->begin) / 4;
    return (const float *)(const void *)(golden->file.data + entry->begin);
}

/* The network of tests/golden/model_file.py. */
static cn_model *pytorch_network(cn_context *context) {
    cn_conv2d_options options = CN_CONV2D_OPTIONS_INIT;
    cn_model *model;
    cn_layer *layer;
    options.padding[0] = options.padding[1] = 1;
    ck_ok(cn_model_new(context, 3, 6, 5, &model));
    ck_ok(cn_conv2d_new(context, 3, 4, 3, 3, &options, &layer));
    ck_ok(cn_model_append(model, "features.0", layer));
    ck_ok(cn_norm_new(context, CN_NORM_BATCH, 4, NULL, &layer));
    ck_ok(cn_model_append(model, "features.1", layer));
    ck_ok(cn_relu_new(context, &layer));
    ck_ok(cn_model_append(model, "features.2", layer));
    ck_ok(cn_max_pool2d_new(context, 2, 2, NULL, &layer));
    ck_ok(cn_model_append(model, "features.3", layer));
    ck_ok(cn_flatten_new(context, &layer));
    ck_ok(cn_model_append(model, "flatten", layer));
    ck_ok(cn_linear_new(context, 24, 3, 0, &layer));
    ck_ok(cn_model_append(model, "classifier", layer));
    ck_ok(cn_model_init(model, 0));
    return model;
}

START_TEST(a_state_dict_of_pytorch_loads_and_computes_the_same) {
    static const char golden_path[] = "tests/golden/pytorch.safetensors";
    cn_context_options options = CN_CONTEXT_OPTIONS_INIT;
    cn_context *logging;
    golden_file golden;
    size_t count;
    int64_t inputs, outputs;
    options.threads = 1;
    options.log = count_warnings;
    ck_ok(cn_context_new(&options, &logging));
    cn_model *model = pytorch_network(logging);
    warnings = 0;
    ck_ok(cn_model_load_tensors(model, golden_path));
    ck_assert_int_eq(warnings, 2); /* the file also has the input and the output */
    ck_assert_ptr_nonnull(strstr(last_warning, "the model has no tensor 'reference.output'"));
    ck_ok(cn__file_load(logging, golden_path, &golden.memory, &count));
    ck_ok(cn__safetensors_read(logging, golden.memory, count, &golden.file));
    const float *in = golden_tensor(&golden, "reference.input", &inputs);
    const float *wanted = golden_tensor(&golden, "reference.output", &outputs);
    cn_tensor *input, *output;
    ck_ok(cn_tensor_borrow(logging, CN_FLOAT32, 4, (int64_t[]){inputs / 90, 3, 6, 5}, (void *)(uintptr_t)in, &input));
    ck_ok(cn_tensor_new(logging, CN_FLOAT32, 2, (int64_t[]){inputs / 90, 3}, &output));
    ck_ok(cn_model_forward(model, 0, input, output));
    ck_assert_int_eq(cn_tensor_count(output), outputs);
    for (int64_t i = 0; i < outputs; i++)
        ck_assert_float_eq_tol(((float *)cn_tensor_data(output))[i], wanted[i], 1e-5f);
    cn_tensor_free(input);
    cn_tensor_free(output);
    cn__safetensors_drop(&golden.file);
    cn__free(logging, golden.memory);
    cn_model_free(model);
    cn_context_free(logging);
}
END_TEST

START_TEST(a_file_of_tensors_alone_is_no_model) {
    cn_model *model;
    ck_fails(cn_model_load(ctx, "tests/golden/pytorch.safetensors", &model), CN_ERR_FORMAT,
             "it holds tensors but no model");
}
END_TEST

/* Writes the tiny model's tensors, with one changed: dropped, of another shape, or of another type. */
typedef enum change { NOTHING, DROP, RESHAPE, RETYPE } change;
static void write_changed(const char *name, change what) {
    cn__entry entries[] = {{"n.num_batches_tracked", "I64", 0, {0}, 0, 8, false},
                           {"c.weight", "F32", 4, {2, 2, 3, 3}, 8, 152, false},
                           {"c.bias", "F32", 1, {2}, 152, 160, false},
                           {"n.weight", "F32", 1, {2}, 160, 168, false},
                           {"n.bias", "F32", 1, {2}, 168, 176, false},
                           {"n.running_mean", "F32", 1, {2}, 176, 184, false},
                           {"n.running_var", "F32", 1, {2}, 184, 192, false}};
    static const float data[48];
    for (size_t i = 0; i < CN__COUNT(entries); i++) {
        if (strcmp(entries[i].name, name) != 0)
            continue;
        if (what == DROP)
            entries[i].name = "unknown";
        if (what == RESHAPE)
            entries[i].shape[entries[i].dims++] = 1;
        if (what == RETYPE)
            entries[i].dtype = entries[i].dtype[0] == 'I' ? "U64" : "I32";
    }
    ck_ok(cn__safetensors_write(ctx, path, entries, CN__COUNT(entries), NULL, 0, data, sizeof data));
}

START_TEST(tensors_load_all_or_none) {
    cn_model *model = tiny(ctx), *untouched = tiny(ctx);
    static const char *const names[] = {"c.weight", "c.bias", "n.weight", "n.running_var", "n.num_batches_tracked"};
    for (size_t i = 0; i < CN__COUNT(names); i++) {
        if (i < 4) {
            write_changed(names[i], DROP);
            ck_fails(cn_model_load_tensors(model, path), CN_ERR_NOT_FOUND, names[i]);
        }
        write_changed(names[i], RESHAPE);
        ck_fails(cn_model_load_tensors(model, path), CN_ERR_SHAPE, names[i]);
        write_changed(names[i], RETYPE);
        ck_fails(cn_model_load_tensors(model, path), CN_ERR_SHAPE, names[i]);
        compare_tensors(model, untouched);
    }
    cn_model_free(untouched);
    cn_model_free(model);
}
END_TEST

START_TEST(the_number_of_batches_may_be_missing) {
    cn_model *model = tiny(ctx);
    cn_tensor *tracked, *weight;
    ck_ok(cn_model_tensor(model, "n.num_batches_tracked", &tracked));
    ck_ok(cn_model_tensor(model, "n.weight", &weight));
    *(int64_t *)cn_tensor_data(tracked) = 9;
    write_changed("n.num_batches_tracked", DROP);
    ck_ok(cn_model_load_tensors(model, path));
    ck_assert_int_eq(*(int64_t *)cn_tensor_data(tracked), 9);
    ck_assert(*(float *)cn_tensor_data(weight) == 0.0f);
    write_changed("", NOTHING);
    ck_ok(cn_model_load_tensors(model, path));
    ck_assert_int_eq(*(int64_t *)cn_tensor_data(tracked), 0);
    cn_model_free(model);
}
END_TEST

START_TEST(damaged_tensors_are_not_loaded) {
    cn_model *model = tiny(ctx), *untouched = tiny(ctx);
    bytes file = saved(model);
    file.data[file.count - 1] ^= 1;
    ck_ok(cn__replace_file(ctx, path, &(struct iovec){file.data, file.count}, 1));
    ck_fails(cn_model_load_tensors(model, path), CN_ERR_FORMAT, "damaged");
    compare_tensors(model, untouched);
    cn__free(ctx, file.data);
    cn_model_free(untouched);
    cn_model_free(model);
}
END_TEST

/* ---- memory ---- */

/* Saves, loads and takes over tensors with an allocator that fails at the n-th call, or from there on. */
START_TEST(running_out_of_memory_is_a_status_and_harms_no_file) {
    counting_allocator counter = {.persistent = _i};
    cn_context_options options = CN_CONTEXT_OPTIONS_INIT;
    cn_context *own;
    counting_options(&counter, &options);
    options.threads = 1;
    ck_ok(cn_context_new(&options, &own));
    cn_model *model = tiny(own), *reference = tiny(ctx), *loaded;
    ck_ok(cn_model_save(reference, path));
    ck_ok(cn_model_save(reference, other));
    long live = counter.live;
    for (int operation = 0; operation < 3; operation++) {
        cn_status status = CN_ERR_MEMORY;
        for (long n = 1; status != CN_OK; n++) {
            loaded = NULL;
            counter.fail_at = counter.calls + n;
            status = operation == 0   ? cn_model_save(model, path)
                     : operation == 1 ? cn_model_load(own, path, &loaded)
                                      : cn_model_load_tensors(model, path);
            counter.fail_at = 0;
            ck_assert(status == CN_OK || status == CN_ERR_MEMORY);
            compare_files(path, other);
            compare_tensors(model, reference);
            cn_model_free(loaded);
            ck_assert_int_eq(counter.live, live);
        }
    }
    cn_model_free(model);
    cn_model_free(reference);
    cn_context_free(own);
    ck_assert_int_eq(counter.live, 0);
}
END_TEST

/* An allocator for the JSON parser that has so many bytes and no more. */
static size_t json_budget, json_used;
enum { JSON_HEAD = 16 };

static void *json_allocate(size_t size) {
    if (json_used + size > json_budget)
        return NULL;
    size_t *memory = malloc(JSON_HEAD + size);
    ck_assert_ptr_nonnull(memory);
    *memory = size;
    json_used += size;
    return (char *)memory + JSON_HEAD;
}

static void json_release(void *memory) {
    if (!memory)
        return;
    size_t *head = (size_t *)(void *)((char *)memory - JSON_HEAD);
    json_used -= *head;
    free(head);
}

START_TEST(the_json_parser_running_out_of_memory_is_a_status) {
    cn_model *model = tiny(ctx), *loaded;
    bytes file = saved(model);
    cn_status status = CN_ERR_MEMORY;
    json_set_alloc_funcs(json_allocate, json_release);
    for (json_budget = 0; status != CN_OK; json_budget += 1009) {
        status = cn_model_load_memory(ctx, file.data, file.count, &loaded);
        ck_assert_msg(status == CN_OK || status == CN_ERR_MEMORY, "%zu bytes: %s", json_budget, cn_last_error());
        cn_model_free(loaded);
        ck_assert_uint_eq(json_used, 0);
    }
    json_set_alloc_funcs(malloc, free);
    cn__free(ctx, file.data);
    cn_model_free(model);
}
END_TEST

/* The densest of headers in the memory that is asked for ahead. */
START_TEST(the_json_parser_needs_no_more_than_was_asked_for) {
    static const char *const densest[] = {"{},", "[],", "0,", "\"\",", "1.5,", "{\"a\":0},", "[0,0,0,0,0,0,0,0,0],"};
    const size_t count = 10000;
    for (size_t d = 0; d < CN__COUNT(densest); d++) {
        size_t length = strlen(densest[d]), total = 1 + count * length;
        char *text = malloc(total + 1);
        struct json_t *json;
        ck_assert_ptr_nonnull(text);
        text[0] = '[';
        for (size_t i = 0; i < count; i++)
            memcpy(text + 1 + i * length, densest[d], length);
        text[total - 1] = ']';
        json_budget = 128 * total + 65536;
        json_set_alloc_funcs(json_allocate, json_release);
        ck_ok(cn__json_read(text, total, "text", &json));
        json_decref(json);
        json_set_alloc_funcs(malloc, free);
        free(text);
    }
}
END_TEST

/* ---- files of earlier days, and what fuzzing found ---- */

START_TEST(models_of_version_1_load_for_ever) {
    static const float wanted[2][5] = {{-1.68097281f, -1.68722701f, -1.68856835f, -2.80332255f, -0.958720505f},
                                       {-1.21000898f, -2.10938644f, -1.54784572f, -2.32741022f, -1.30844772f}};
    cn_model *model, *same = every_layer();
    cn_tensor *output;
    ck_ok(cn_model_load(ctx, "tests/golden/model_1.safetensors", &model));
    compare_layers(model, same);
    compare_tensors(model, same);
    evaluate(model, &output);
    for (int i = 0; i < 10; i++)
        ck_assert_float_eq_tol(((float *)cn_tensor_data(output))[i], wanted[i / 5][i % 5], 1e-5f);
    cn_tensor_free(output);
    cn_model_free(same);
    cn_model_free(model);
}
END_TEST

START_TEST(the_corpus_does_no_harm) {
    static const char corpus[] = "tests/corpus/model_file";
    DIR *directory = opendir(corpus);
    int files = 0;
    ck_assert_ptr_nonnull(directory);
    for (struct dirent *entry; (entry = readdir(directory)) != NULL;) {
        char name[512];
        unsigned char *data;
        size_t count;
        if (entry->d_name[0] == '.')
            continue;
        snprintf(name, sizeof name, "%s/%s", corpus, entry->d_name);
        ck_ok(cn__file_load(ctx, name, &data, &count));
        ck_assert_int_eq(LLVMFuzzerTestOneInput(data, count), 0);
        cn__free(ctx, data);
        files++;
    }
    closedir(directory);
    ck_assert_int_gt(files, 10);
}
END_TEST

static const char *golden_path;

START_TEST(write_golden) {
    cn_model *model = every_layer();
    cn_tensor *output;
    ck_ok(cn_model_save(model, golden_path));
    evaluate(model, &output);
    for (int i = 0; i < 10; i++)
        printf("%.9gf, ", (double)((float *)cn_tensor_data(output))[i]);
    cn_tensor_free(output);
    cn_model_free(model);
}
END_TEST

static void add_tests(TCase *tcase, const char *path_to_write) {
    golden_path = path_to_write;
    if (golden_path) {
        tcase_add_test(tcase, write_golden);
        return;
    }
    tcase_add_test(tcase, every_layer_and_option_comes_back);
    tcase_add_loop_test(tcase, session8_comes_back, CN_NORM_NONE, CN_NORM_INSTANCE + 1);
    tcase_add_loop_test(tcase, mnist_networks_come_back, 2, 6);
    tcase_add_test(tcase, numbers_are_bits);
    tcase_add_test(tcase, a_model_without_tensors_comes_back);
    tcase_add_test(tcase, the_locale_plays_no_part);
    tcase_add_test(tcase, bad_arguments_are_refused);
    tcase_add_test(tcase, a_file_that_is_not_there_is_an_io_error);
    tcase_add_test(tcase, names_that_are_not_utf8_are_not_saved);
    tcase_add_test(tcase, every_truncation_is_noticed);
    tcase_add_test(tcase, every_damaged_byte_of_data_is_noticed);
    tcase_add_test(tcase, every_damaged_byte_of_the_header_does_no_harm);
    tcase_add_loop_test(tcase, hostile_architectures_are_refused, 0, (int)CN__COUNT(hostile));
    tcase_add_test(tcase, unknown_members_and_missing_options_are_fine);
    tcase_add_test(tcase, weights_that_are_only_claimed_are_not_allocated);
    tcase_add_test(tcase, other_versions_are_refused);
    tcase_add_test(tcase, a_state_dict_of_pytorch_loads_and_computes_the_same);
    tcase_add_test(tcase, a_file_of_tensors_alone_is_no_model);
    tcase_add_test(tcase, tensors_load_all_or_none);
    tcase_add_test(tcase, the_number_of_batches_may_be_missing);
    tcase_add_test(tcase, damaged_tensors_are_not_loaded);
    tcase_add_loop_test(tcase, running_out_of_memory_is_a_status_and_harms_no_file, 0, 2);
    tcase_add_test(tcase, the_json_parser_running_out_of_memory_is_a_status);
    tcase_add_test(tcase, the_json_parser_needs_no_more_than_was_asked_for);
    tcase_add_test(tcase, models_of_version_1_load_for_ever);
    tcase_add_test(tcase, the_corpus_does_no_harm);
}

#else

START_TEST(without_json_all_of_it_is_unsupported) {
    cn_model *model = (cn_model *)ctx;
    ck_fails(cn_model_load(ctx, path, &model), CN_ERR_UNSUPPORTED, "cn_model_load: this build has no JSON");
    ck_assert_ptr_null(model);
    ck_fails(cn_model_load_memory(ctx, "", 0, &model), CN_ERR_UNSUPPORTED, "cn_model_load_memory");
    ck_ok(cn_mnist_model_new(ctx, 3, 0, &model));
    ck_fails(cn_model_save(model, path), CN_ERR_UNSUPPORTED, "cn_model_save");
    ck_fails(cn_model_load_tensors(model, path), CN_ERR_UNSUPPORTED, "cn_model_load_tensors");
    cn_model_free(model);
}
END_TEST

static void add_tests(TCase *tcase, const char *path_to_write) {
    (void)path_to_write;
    tcase_add_test(tcase, without_json_all_of_it_is_unsupported);
}

#endif

int main(int argc, char **argv) {
    Suite *suite = suite_create("model_file");
    TCase *tcase = tcase_create("model_file");
    tcase_add_checked_fixture(tcase, setup, teardown);
    add_tests(tcase, argc > 1 ? argv[1] : NULL);
    suite_add_tcase(suite, tcase);
    return test_run(suite);
}
