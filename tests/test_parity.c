/* SPDX-License-Identifier: MIT */
/* test_parity.c: session 8 with each norm and the MNIST networks take the same steps as PyTorch, from the same weights
 * or from the same seed, on the same batches, with the same draws of dropout (tests/golden/parity.py), by the loop of
 * one's own.
 *
 * Where rounding is all that differs, losses agree to 3e-7 and tensors to 1e-5. Now and then it lets a ReLU or a pool
 * choose differently; what follows from that stays below the tolerances here. */
#include "testing.h"
#include "numbers.h"
#include "training.h"
#include "ways.h"
#include <limits.h>
#include <math.h>
#include <stdbool.h>

enum { IMAGES = 20, SAMPLES = 16 };

typedef struct batch {
    cn_tensor *images, *output, *labels, *gradient;
} batch;

static cn_tensor *new_tensor(cn_context *ctx, cn_dtype dtype, int dims, const int64_t *shape) {
    cn_tensor *tensor;
    ck_ok(cn_tensor_new(ctx, dtype, dims, shape, &tensor));
    return tensor;
}

static batch new_batch(cn_context *ctx, const cn_model *model) {
    int64_t in[4] = {IMAGES}, out[2] = {IMAGES, 10};
    cn_model_input_shape(model, in + 1);
    return (batch){new_tensor(ctx, CN_DTYPE_FLOAT32, 4, in), new_tensor(ctx, CN_DTYPE_FLOAT32, 2, out),
                   new_tensor(ctx, CN_DTYPE_INT64, 1, out), new_tensor(ctx, CN_DTYPE_FLOAT32, 2, out)};
}

static void free_batch(batch b) {
    cn_tensor_free(b.images);
    cn_tensor_free(b.output);
    cn_tensor_free(b.labels);
    cn_tensor_free(b.gradient);
}

static void fill_batch(batch b, uint32_t step) {
    float *images = cn_tensor_data(b.images);
    int64_t *labels = cn_tensor_data(b.labels);
    for (int64_t i = 0; i < cn_tensor_count(b.images); i++)
        images[i] = 4.0f * numbers_hashed(1400 + step, (uint32_t)i) - 2.0f;
    for (uint32_t i = 0; i < IMAGES; i++)
        labels[i] = (int64_t)(numbers_hashed(2000 + step, i) * 10.0f);
}

static bool ends_in(const char *name, const char *end) {
    return strlen(name) >= strlen(end) && strcmp(name + strlen(name) - strlen(end), end) == 0;
}

static cn_tensor *tensor_at(cn_model *model, int index) {
    cn_tensor *tensor;
    ck_ok(cn_model_tensor(model, cn_model_tensor_name(model, index), &tensor));
    return tensor;
}

static bool is_buffer(const char *name) {
    return ends_in(name, ".running_mean") || ends_in(name, ".running_var") || ends_in(name, ".num_batches_tracked");
}

/* As `fill` in parity.py. */
static void fill_tensor(cn_model *model, int index, bool small) {
    const char *name = cn_model_tensor_name(model, index);
    cn_tensor *tensor = tensor_at(model, index);
    float *data = cn_tensor_data(tensor), weight = ends_in(name, ".weight") ? 1.0f : 0.0f;
    int64_t fan = cn_tensor_shape(tensor, 1) * cn_tensor_shape(tensor, 2) * cn_tensor_shape(tensor, 3);
    for (int64_t i = 0; i < cn_tensor_count(tensor); i++) {
        float u = 2.0f * numbers_hashed((uint32_t)index + 1, (uint32_t)i) - 1.0f;
        if (cn_tensor_dims(tensor) == 1)
            data[i] = u * 0.25f + weight;
        else
            data[i] = u * (float)sqrt(2.0 / (double)fan) * (small ? 0.1f : 1.0f);
    }
}

static void fill_model(cn_model *model) {
    int count = cn_model_tensor_count(model);
    for (int i = 0; i < count; i++)
        if (!is_buffer(cn_model_tensor_name(model, i)))
            fill_tensor(model, i, i == count - 2);
}

static void near(double got, double wanted, double tolerance, const char *what, int step) {
    ck_assert_msg(fabs(got - wanted) <= tolerance, "%s (%d): %.9g, wanted %.9g, tolerance %.1g", what, step, got,
                  wanted, tolerance);
}

static double element(const cn_tensor *tensor, int64_t i) {
    return cn_tensor_dtype(tensor) == CN_DTYPE_INT64 ? (double)((int64_t *)cn_tensor_data_const(tensor))[i]
                                                     : (double)((float *)cn_tensor_data_const(tensor))[i];
}

/* A tensor against its line in the file; with `skip`, only reads the line. */
static void check_tensor(FILE *file, cn_model *model, int index, bool skip) {
    const char *name = cn_model_tensor_name(model, index);
    const cn_tensor *tensor = tensor_at(model, index);
    int64_t count = cn_tensor_count(tensor), distance = (count + SAMPLES - 1) / SAMPLES;
    double sum = 0.0, squares = 0.0, tolerance = skip ? (double)INFINITY : 1e-4;
    ck_assert_int_eq(count, (int64_t)numbers_next(file));
    for (int64_t i = 0; i < count; i++) {
        sum += element(tensor, i);
        squares += element(tensor, i) * element(tensor, i);
    }
    near(sum, numbers_next(file), tolerance * sqrt((double)count), name, -1);
    near(squares, numbers_next(file), tolerance * (1.0 + sqrt(squares)), name, -2);
    for (int64_t i = 0; i < count; i += distance)
        near(element(tensor, i), numbers_next(file), tolerance, name, (int)i);
}

/* Of `most` steps; the tensors are compared after all of them. */
static void take_steps(FILE *file, cn_context *ctx, cn_model *model, const char *what, double slack, float rate,
                       int most) {
    double steps, loss;
    cn_optimizer_options options = CN_OPTIMIZER_OPTIONS_INIT;
    cn_optimizer *optimizer;
    batch b = new_batch(ctx, model);
    options.learning_rate = rate;
    ck_ok(cn_optimizer_new(model, &options, &optimizer));
    ck_assert(numbers_more(file, &steps));
    for (int step = 0; step < (int)steps; step++) {
        double wanted = numbers_next(file);
        if (step >= most)
            continue;
        fill_batch(b, (uint32_t)step);
        ck_ok(cn_model_forward(model, 1, b.images, b.output));
        loss = training_loss(CN_LOSS_NLL, 0.0f, b.output, b.labels, b.gradient);
        ck_ok(cn_model_backward(model, b.gradient, NULL));
        ck_ok(cn_optimizer_step(optimizer));
        near(loss, wanted, slack * (step < 4 ? 1e-6 : 1e-5) * wanted, what, step);
    }
    for (int i = 0; i < cn_model_tensor_count(model); i++)
        check_tensor(file, model, i, most < (int)steps);
    cn_optimizer_free(optimizer);
    free_batch(b);
    cn_model_free(model);
}

static cn_model *session8(cn_context *ctx, cn_norm_kind norm) {
    cn_session8_options o = CN_SESSION8_OPTIONS_INIT;
    cn_model *model;
    o.norm = norm;
    o.dropout = 0.0f;
    ck_ok(cn_model_session8(ctx, &o, &model));
    return model;
}

/* By CN_CONV_AUTO, CN_CONV_DIRECT and CN_CONV_GEMM; then with channels in the lanes. */
START_TEST(networks_train_as_in_pytorch) {
    static const char *const norms[] = {"none", "batch", "layer", "group", "instance"};
    cn_context *ctx;
    cn_model *model;
    cn_context_options options = CN_CONTEXT_OPTIONS_INIT;
    FILE *file = numbers_open("parity.txt");
    bool channels = _i > CN_CONV_GEMM, usual = _i == CN_CONV_AUTO || channels;
    if (test_again() && !usual)
        return;
    /* Two by the algorithms that users have to ask for, which other suites hold against the usual one. */
    int most = test_quick() ? 1 : usual || test_whole() ? INT_MAX : 2;
    double more, slack = usual ? 3.0 : 1.0; /* Winograd rounds five times as much */
    options.threads = 2;
    options.conv_algorithm = channels ? CN_CONV_AUTO : (cn_conv_algorithm)_i;
    options.layout = channels ? CN_LAYOUT_CHANNELS : CN_LAYOUT_IMAGES;
    ck_ok(cn_context_new(&options, &ctx));
    for (cn_norm_kind norm = CN_NORM_NONE; norm <= CN_NORM_INSTANCE; norm++) {
        model = session8(ctx, norm);
        fill_model(model);
        expect_layout(model, 32);
        take_steps(file, ctx, model, norms[norm], slack, 0.01f, most);
    }
    for (int which = 2; which <= 5; which++) {
        ck_ok(cn_model_mnist(ctx, which, 0, &model));
        fill_model(model);
        take_steps(file, ctx, model, "MNIST", slack, 0.01f, most);
    }
    for (cn_norm_kind norm = CN_NORM_BATCH; norm <= CN_NORM_GROUP; norm++) {
        model = session8(ctx, norm);
        ck_ok(cn_model_init_pytorch(model, 42));
        take_steps(file, ctx, model, "from the seed", slack, 0.001f, most);
    }
    ck_assert(!numbers_more(file, &more));
    fclose(file);
    cn_context_free(ctx);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("parity");
    TCase *group = tcase_create("parity");
    tcase_add_loop_test(group, networks_train_as_in_pytorch, CN_CONV_AUTO, CN_CONV_GEMM + 2);
    suite_add_tcase(suite, group);
    return test_run(suite);
}
