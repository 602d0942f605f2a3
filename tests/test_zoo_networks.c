/* SPDX-License-Identifier: MIT */
/* test_zoo_networks.c: the networks of cn_model_zoo are torchvision's: every tensor has its name and shape, and with the
 * same weights they compute the same and take the same steps (tests/golden/zoo.py). */
#include "testing.h"
#include "network.h"
#include "pieces.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- the file ---- */

typedef struct reader {
    FILE *file;
    char *line;
    size_t capacity;
} reader;

static bool next_line(reader *r) {
    ssize_t length = getline(&r->line, &r->capacity, r->file);
    if (length > 0 && r->line[length - 1] == '\n')
        r->line[length - 1] = '\0';
    return length > 0;
}

static void close_reader(reader *r) {
    fclose(r->file);
    free(r->line);
}

/* Behind the `index`-th line that begins so; false, and closed: there are fewer. */
static bool find_line(reader *r, const char *begin, int index) {
    r->file = fopen("tests/golden/zoo.txt", "r");
    ck_assert_ptr_nonnull(r->file);
    while (next_line(r))
        if (strncmp(r->line, begin, strlen(begin)) == 0 && index-- == 0)
            return true;
    close_reader(r);
    return false;
}

/* Numbers after the word that the next line begins with. */
static int read_numbers(reader *r, const char *word, double *numbers, int most) {
    int count = 0;
    ck_assert(next_line(r));
    ck_assert_int_eq(strncmp(r->line, word, strlen(word)), 0);
    char *at = r->line + strlen(word), *end;
    for (double number = strtod(at, &end); end != at && count < most; number = strtod(at, &end)) {
        numbers[count++] = number;
        at = end;
    }
    return count;
}

/* ---- names and shapes ---- */

static void expect_tensor(cn_model *model, int64_t index, const char *stem, const char *rest, const char *shape) {
    char name[128], text[64] = "";
    cn_tensor *tensor;
    snprintf(name, sizeof name, "%s%s", stem, rest);
    ck_assert_str_eq(cn_model_tensor_name(model, index), name);
    ck_ok(cn_model_tensor(model, name, &tensor));
    for (int i = 0; i < cn_tensor_dims(tensor); i++)
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s%d", i ? "x" : "",
                 (int)cn_tensor_shape(tensor, i));
    ck_assert_str_eq(text, shape);
}

/* "bn1.* 64" stands for five. */
static int64_t expect_line(cn_model *model, int64_t index, char *line) {
    static const char *const norm[] = {"weight", "bias", "running_mean", "running_var", "num_batches_tracked"};
    char *shape = strchr(line, ' ');
    ck_assert_ptr_nonnull(shape);
    *shape++ = '\0';
    if (shape[-2] != '*') {
        expect_tensor(model, index, line, "", shape);
        return index + 1;
    }
    shape[-2] = '\0';
    for (int i = 0; i < 5; i++)
        expect_tensor(model, index + i, line, norm[i], i < 4 ? shape : "");
    return index + 5;
}

/* The first are ResNet-18 and -34, then ResNet-50; of the first and the last there are passes. */
enum { LARGE_NETWORKS = 2, LARGE_PASSES = 2 };

/* Loop index: the network. */
START_TEST(tensors_have_torchvisions_names_and_shapes) {
    if (_i < LARGE_NETWORKS && !test_whole())
        return;
    reader r = {0};
    cn_model *model;
    int64_t index = 0;
    ck_assert(find_line(&r, "tensors ", _i));
    ck_assert_str_eq(r.line + strlen("tensors "), cn_zoo_name(_i));
    ck_ok(cn_model_zoo(ctx, cn_zoo_name(_i), NULL, &model));
    while (next_line(&r) && strncmp(r.line, "tensors ", 8) != 0 && strncmp(r.line, "pass ", 5) != 0)
        index = expect_line(model, index, r.line);
    ck_assert_int_eq(index, cn_model_tensor_count(model));
    cn_model_free(model);
    close_reader(&r);
}
END_TEST

/* ---- weights by formula ---- */

static uint32_t fnv_1a(const char *name) {
    uint32_t hash = 2166136261u;
    for (; *name; name++)
        hash = (hash ^ (unsigned char)*name) * 16777619u;
    return hash;
}

static bool ends_in(const char *name, const char *end) {
    return strlen(name) >= strlen(end) && strcmp(name + strlen(name) - strlen(end), end) == 0;
}

/* As `fill` in zoo.py. */
static double weight_value(const char *name, const cn_tensor *tensor, double v) {
    int dims = cn_tensor_dims(tensor);
    double fan = 1.0;
    for (int i = 1; i < dims; i++)
        fan *= (double)cn_tensor_shape(tensor, i);
    if (ends_in(name, "running_var"))
        return 1.0 + 0.5 * v;
    if (ends_in(name, "bias") || ends_in(name, "running_mean"))
        return 0.1 * v;
    return dims == 1 ? 1.0 + 0.25 * v : v * sqrt((dims == 4 ? 6.0 : 3.0) / fan);
}

static void fill(cn_model *model) {
    for (int64_t index = 0; index < cn_model_tensor_count(model); index++) {
        const char *name = cn_model_tensor_name(model, index);
        cn_tensor *tensor;
        ck_ok(cn_model_tensor(model, name, &tensor));
        if (cn_tensor_dtype(tensor) == CN_DTYPE_INT64)
            continue;
        float *values = cn_tensor_data(tensor);
        for (int64_t i = 0; i < cn_tensor_count(tensor); i++)
            values[i] = (float)weight_value(name, tensor, net_value(fnv_1a(name), (size_t)i));
    }
}

/* ---- passes ---- */

typedef struct batch {
    cn_model *model;
    cn_tensor *images, *output, *gradient;
    int64_t count, classes, pixels;
    float rate;
} batch;

static batch batch_of(const char *line) {
    cn_zoo_options options = CN_ZOO_OPTIONS_INIT;
    char name[64];
    int count, classes;
    batch b;
    ck_assert_int_eq(sscanf(line, "pass %63s %dx%dx%dx%d %d %f %f", name, &count, &options.channels, &options.height,
                            &options.width, &classes, &options.width_mult, &b.rate),
                     8);
    options.classes = classes;
    options.dropout = 0.0f;
    ck_ok(cn_model_zoo(ctx, name, &options, &b.model));
    fill(b.model);
    int64_t shape[4] = {count, 0, 0, 0};
    cn_model_output_shape(b.model, shape + 1);
    ck_assert_int_eq(shape[1], classes);
    b.count = count;
    b.classes = classes;
    b.pixels = shape[2] * shape[3];
    b.images = images(count, options.channels, options.height, options.width);
    b.output = images(count, shape[1], shape[2], shape[3]);
    b.gradient = images(count, shape[1], shape[2], shape[3]);
    for (int64_t i = 0; i < cn_tensor_count(b.images); i++)
        ((float *)cn_tensor_data(b.images))[i] = (float)net_value(1, (size_t)i);
    return b;
}

static void batch_free(batch *b) {
    cn_model_free(b->model);
    cn_tensor_free(b->images);
    cn_tensor_free(b->output);
    cn_tensor_free(b->gradient);
}

/* Every stride-th value, within 2e-5 of the largest. */
static void expect_output(const cn_tensor *output, const double *wanted, int count, int64_t stride, const char *what) {
    const float *values = cn_tensor_data_const(output);
    double largest = 0.0;
    ck_assert_int_eq((cn_tensor_count(output) - 1) / stride + 1, count);
    for (int i = 0; i < count; i++)
        largest = fmax(largest, fabs(wanted[i]));
    for (int i = 0; i < count; i++)
        ck_assert_msg(fabs((double)values[i * stride] - wanted[i]) <= 2e-5 * largest,
                      "%s, value %d: %.9g, wanted %.9g; the largest is %g", what, (int)(i * stride),
                      (double)values[i * stride], wanted[i], largest);
}

/* Mean cross-entropy, and its gradient; labels go round, pixel by pixel. */
static double cross_entropy(batch *b) {
    const float *x = cn_tensor_data(b->output);
    float *gradient = cn_tensor_data(b->gradient);
    double loss = 0.0, all = (double)(b->count * b->pixels);
    for (int64_t n = 0; n < b->count; n++)
        for (int64_t p = 0; p < b->pixels; p++) {
            int64_t first = n * b->classes * b->pixels + p, label = (n * b->pixels + p) % b->classes;
            double sum = 0.0, largest = -(double)INFINITY;
            for (int64_t k = 0; k < b->classes; k++)
                largest = fmax(largest, (double)x[first + k * b->pixels]);
            for (int64_t k = 0; k < b->classes; k++)
                sum += exp((double)x[first + k * b->pixels] - largest);
            for (int64_t k = 0; k < b->classes; k++) {
                double probability = exp((double)x[first + k * b->pixels] - largest) / sum;
                gradient[first + k * b->pixels] = (float)((probability - (k == label)) / all);
            }
            loss += (log(sum) + largest - (double)x[first + label * b->pixels]) / all;
        }
    return loss;
}

static void take_steps(batch *b, const double *wanted, int steps, const char *what) {
    cn_optimizer_options options = CN_OPTIMIZER_OPTIONS_INIT;
    cn_optimizer *optimizer;
    options.learning_rate = b->rate;
    options.momentum = 0.9f;
    ck_ok(cn_optimizer_new(b->model, &options, &optimizer));
    for (int step = 0; step < steps; step++) {
        ck_ok(cn_model_forward(b->model, 1, b->images, b->output));
        /* Roundings differ by instruction set and layout, and a step through small batches of norms magnifies them. */
        double tolerance = step > 0 ? 5e-3 : 1e-4, loss = cross_entropy(b);
        ck_assert_msg(fabs(loss - wanted[step]) <= tolerance, "%s, step %d: loss %.9g, wanted %.9g", what, step + 1,
                      loss, wanted[step]);
        ck_ok(cn_model_backward(b->model, b->gradient, NULL));
        ck_ok(cn_optimizer_step(optimizer));
    }
    cn_optimizer_free(optimizer);
}

enum { MOST = 100, STEPS = 3 };

/* Loop index: the pass. */
START_TEST(networks_compute_what_torchvisions_do) {
    if (_i < LARGE_PASSES && !test_whole())
        return;
    double numbers[MOST], losses[STEPS];
    reader r = {0};
    ck_assert(find_line(&r, "pass ", _i));
    char what[128];
    snprintf(what, sizeof what, "%s", r.line);
    batch b = batch_of(r.line);
    int count = read_numbers(&r, "output", numbers, MOST);
    int steps = read_numbers(&r, "losses", losses, STEPS);
    ck_ok(cn_model_forward(b.model, 0, b.images, b.output));
    expect_output(b.output, numbers + 1, count - 1, (int64_t)numbers[0], what);
    cn_predictor *predictor;
    ck_ok(cn_predictor_new(b.model, NULL, &predictor));
    ck_ok(cn_predictor_run(predictor, b.images, b.output));
    expect_output(b.output, numbers + 1, count - 1, (int64_t)numbers[0], what);
    cn_predictor_free(predictor);
    take_steps(&b, losses, test_quick() && steps > 1 ? 1 : steps, what);
    batch_free(&b);
    close_reader(&r);
}
END_TEST

/* ---- first weights ---- */

/* Mean and deviation of a tensor. */
static void measure(cn_model *model, const char *name, double *mean, double *deviation) {
    cn_tensor *tensor;
    double sum = 0.0, squares = 0.0;
    ck_ok(cn_model_tensor(model, name, &tensor));
    const float *values = cn_tensor_data(tensor);
    double count = (double)cn_tensor_count(tensor);
    for (int64_t i = 0; i < cn_tensor_count(tensor); i++) {
        sum += (double)values[i];
        squares += (double)values[i] * (double)values[i];
    }
    *mean = sum / count;
    *deviation = sqrt(squares / count - *mean * *mean);
}

typedef struct distribution {
    const char *network, *tensor;
    double deviation;
} distribution;

START_TEST(weights_begin_as_torchvisions_do) {
    static const distribution cases[] = {
        {"resnet20", "layer3.0.conv2.weight", 0.0588883}, /* sqrt(2 / (64 · 9)) */
        {"resnet20", "layer3.0.downsample.0.weight", 0.1767767},
        {"resnet20", "fc.weight", 0.0721688}, /* uniform in ±1 / sqrt(64) */
        {"resnet20", "layer1.0.bn1.bias", 0.0},
        {"mobilenet_v2", "features.2.conv.1.0.weight", 0.0481125}, /* sqrt(2 / (96 · 9)): groups do not count */
        {"mobilenet_v2", "classifier.1.weight", 0.01},
        {"mobilenet_v2", "classifier.1.bias", 0.0},
        {"mobilenet_v3_small", "features.4.block.2.fc2.weight", 0.1443376}, /* sqrt(2 / 96) */
        {"mobilenet_v3_small", "features.4.block.2.fc2.bias", 0.0},
        {"mobilenet_v3_small", "classifier.3.weight", 0.01},
        {"unet", "down2.maxpool_conv.1.double_conv.3.weight", 0.0240563}, /* uniform in ±1 / sqrt(64 · 9) */
        {"squeezenet1_1", "features.3.expand3x3.weight", 0.1178511},      /* sqrt(2 / (16 · 9)) */
        {"squeezenet1_1", "features.3.expand3x3.bias", 0.0},
        {"squeezenet1_1", "classifier.1.weight", 0.01},
    };
    cn_model *model = NULL;
    for (size_t i = 0; i < COUNT(cases); i++) {
        double mean, deviation;
        if (i == 0 || strcmp(cases[i].network, cases[i - 1].network) != 0) {
            cn_model_free(model);
            ck_ok(cn_model_zoo(ctx, cases[i].network, NULL, &model));
        }
        measure(model, cases[i].tensor, &mean, &deviation);
        ck_assert_msg(fabs(deviation - cases[i].deviation) <= 0.06 * cases[i].deviation, "%s, %s: deviation %g",
                      cases[i].network, cases[i].tensor, deviation);
        ck_assert_msg(fabs(mean) <= 0.1 * cases[i].deviation, "%s, %s: mean %g", cases[i].network, cases[i].tensor,
                      mean);
    }
    cn_model_free(model);
}
END_TEST

START_TEST(a_seed_gives_the_same_weights) {
    cn_zoo_options options = CN_ZOO_OPTIONS_INIT;
    cn_model *model[3];
    cn_tensor *weight[3];
    for (int i = 0; i < 3; i++) {
        options.seed = i < 2 ? 7 : 8;
        ck_ok(cn_model_zoo(ctx, "resnet20", &options, &model[i]));
        ck_ok(cn_model_tensor(model[i], "layer2.1.conv1.weight", &weight[i]));
    }
    size_t bytes = (size_t)cn_tensor_count(weight[0]) * sizeof(float);
    ck_assert_mem_eq(cn_tensor_data(weight[0]), cn_tensor_data(weight[1]), bytes);
    ck_assert_mem_ne(cn_tensor_data(weight[0]), cn_tensor_data(weight[2]), bytes);
    for (int i = 0; i < 3; i++)
        cn_model_free(model[i]);
}
END_TEST

/* ---- options ---- */

START_TEST(names_are_listed) {
    ck_assert_str_eq(cn_zoo_name(0), "resnet18");
    ck_assert_ptr_null(cn_zoo_name(-1));
    ck_assert_ptr_null(cn_zoo_name(1000));
}
END_TEST

START_TEST(options_change_the_network) {
    cn_zoo_options options = CN_ZOO_OPTIONS_INIT;
    cn_model *model;
    cn_tensor *tensor;
    int64_t shape[3];
    options.channels = 1;
    options.height = 24;
    options.width = 40;
    options.classes = 7;
    options.width_mult = 0.5f;
    ck_ok(cn_model_zoo(ctx, "resnet20", &options, &model));
    cn_model_input_shape(model, shape);
    ck_assert(shape[0] == 1 && shape[1] == 24 && shape[2] == 40);
    cn_model_output_shape(model, shape);
    ck_assert(shape[0] == 7 && shape[1] == 1 && shape[2] == 1);
    ck_ok(cn_model_tensor(model, "layer3.2.conv2.weight", &tensor));
    ck_assert_int_eq(cn_tensor_shape(tensor, 0), 32);
    cn_model_free(model);
}
END_TEST

static cn_status refused(cn_zoo_options options) {
    cn_model *model = (cn_model *)&options;
    cn_status status = cn_model_zoo(ctx, "resnet20", &options, &model);
    ck_assert_ptr_null(model);
    return status;
}

START_TEST(mistakes_are_told) {
    cn_model *model;
#define REFUSED(member, value, status, message)                                                                        \
    do {                                                                                                               \
        cn_zoo_options options = CN_ZOO_OPTIONS_INIT;                                                                  \
        options.member = value;                                                                                        \
        ck_fails(refused(options), status, message);                                                                   \
    } while (0)
    REFUSED(classes, 0, CN_ERR_ARGUMENT, "cn_zoo_options: classes is 0");
    REFUSED(classes, (1 << 24) + 1, CN_ERR_ARGUMENT, "classes is 16777217");
    REFUSED(width_mult, 0.0f, CN_ERR_ARGUMENT, "width_mult is 0, wanted above 0 to 16");
    REFUSED(width_mult, NAN, CN_ERR_ARGUMENT, "width_mult is nan");
    REFUSED(dropout, 1.0f, CN_ERR_ARGUMENT, "dropout is 1, wanted 0 to below 1");
    REFUSED(dropout, -0.5f, CN_ERR_ARGUMENT, "dropout is -0.5");
    REFUSED(channels, 0, CN_ERR_ARGUMENT, "channels is 0");
    REFUSED(height, -2, CN_ERR_ARGUMENT, "height is -2");
    REFUSED(reserved, 1, CN_ERR_VERSION, "cn_zoo_options");
    cn_zoo_options odd = CN_ZOO_OPTIONS_INIT;
    odd.height = 40;
    ck_fails(cn_model_zoo(ctx, "unet", &odd, &model), CN_ERR_SHAPE, "sides that 16 divides, not 40×64");
    ck_assert_ptr_null(model);
    ck_fails(cn_model_zoo(ctx, "resnet", NULL, &model), CN_ERR_NOT_FOUND,
             "there is no network 'resnet', but resnet18, ");
    ck_fails(cn_model_zoo(ctx, NULL, NULL, &model), CN_ERR_ARGUMENT, "name is NULL");
    ck_fails(cn_model_zoo(NULL, "resnet20", NULL, &model), CN_ERR_ARGUMENT, "context is NULL");
    ck_fails(cn_model_zoo(ctx, "resnet20", NULL, NULL), CN_ERR_ARGUMENT, "model is NULL");
}
END_TEST

/* Loop index: once or for good. */
START_TEST(out_of_memory_is_a_status) {
    counting_allocator counter = {.persistent = _i};
    cn_context *poor = counting_context(&counter, 1);
    cn_zoo_options options = CN_ZOO_OPTIONS_INIT;
    cn_model *model;
    options.width_mult = 0.5f;
    long live = counter.live, failures = 0;
    for (;; failures++) {
        counter.fail_at = counter.calls + 1 + failures;
        cn_status status = cn_model_zoo(poor, "resnet20", &options, &model);
        counter.fail_at = 0;
        if (status == CN_OK)
            break;
        ck_assert_int_eq(status, CN_ERR_MEMORY);
        ck_assert_ptr_null(model);
        ck_assert_int_eq(counter.live, live);
    }
    ck_assert_int_gt(failures, 300);
    cn_model_free(model);
    cn_context_free(poor);
    ck_assert_int_eq(counter.live, 0);
}
END_TEST

int main(void) {
    const TTest *const weights[] = {weights_begin_as_torchvisions_do, a_seed_gives_the_same_weights};
    const TTest *const use[] = {names_are_listed, options_change_the_network, mistakes_are_told};
    const TTest *const memory[] = {out_of_memory_is_a_status};
    const TTest *const tensors[] = {tensors_have_torchvisions_names_and_shapes};
    const TTest *const passes[] = {networks_compute_what_torchvisions_do};
    int networks = 0, count = 0;
    Suite *suite = suite_create("zoo networks");
    while (cn_zoo_name(networks))
        networks++;
    for (reader r = {0}; find_line(&r, "pass ", count); r = (reader){0}) {
        close_reader(&r);
        count++;
    }
    add_tests(suite, "passes", set_up, tear_down, passes, COUNT(passes), count);
    if (test_again())
        return test_run(suite);
    add_tests(suite, "tensors", set_up, tear_down, tensors, COUNT(tensors), networks);
    add_tests(suite, "weights", set_up, tear_down, weights, COUNT(weights), 1);
    add_tests(suite, "options", set_up, tear_down, use, COUNT(use), 1);
    add_tests(suite, "memory", NULL, NULL, memory, COUNT(memory), 2);
    return test_run(suite);
}
