/* SPDX-License-Identifier: MIT */
/* test_optimizer.c: steps of SGD, Adam and AdamW against torch.optim, Muon against its formula, what weight decay
 * spares, and options that are refused. */
#include "testing.h"
#include "numbers.h"
#include "train/train.h"
#include "training.h"
#include <math.h>

enum { SIZE = 32, STEPS = 5 };

static void read_options(FILE *file, cn_optimizer_options *o) {
    o->learning_rate = (float)numbers_next(file);
    o->momentum = (float)numbers_next(file);
    o->dampening = (float)numbers_next(file);
    o->nesterov = (int)numbers_next(file);
    o->weight_decay = (float)numbers_next(file);
    o->beta1 = (float)numbers_next(file);
    o->beta2 = (float)numbers_next(file);
    o->eps = (float)numbers_next(file);
}

static void check_case(FILE *file, const cn_optimizer_options *o, float l1, int number) {
    cn_context *ctx = test_context(1);
    cn_model *model = training_linear_model(ctx, 8, 4);
    cn_optimizer *optimizer;
    float *p = training_values(model, "fc.weight"), *g = training_gradients(model, "fc.weight");
    ck_ok(cn_optimizer_new(model, o, &optimizer));
    for (int i = 0; i < SIZE; i++)
        p[i] = (float)(i * 37 % 64 - 32) / 16.0f;
    for (int step = 0; step < STEPS; step++) {
        if (step == 3)
            ck_ok(cn_optimizer_set_learning_rate(optimizer, (double)o->learning_rate / 2.0));
        for (int i = 0; i < SIZE; i++)
            g[i] = (float)((i + 5 * step) * 29 % 32 - 16) / 8.0f;
        if (l1 == 0.0f)
            ck_ok(cn_optimizer_step(optimizer));
        else
            cn__optimizer_step(optimizer, l1);
        for (int i = 0; i < SIZE; i++) {
            double wanted = numbers_next(file);
            ck_assert_msg(fabs((double)p[i] - wanted) <= 4e-7 * fmax(1.0, fabs(wanted)),
                          "case %d, step %d, parameter %d: %.9g, wanted %.9g", number, step, i, (double)p[i], wanted);
        }
    }
    cn_optimizer_free(optimizer);
    cn_model_free(model);
    cn_context_free(ctx);
}

START_TEST(steps_are_pytorchs) {
    FILE *file = numbers_open("optimizer.txt");
    int cases = 0;
    for (double kind; numbers_more(file, &kind); cases++) {
        cn_optimizer_options o = {.size = sizeof o, .kind = (cn_optimizer_kind)kind};
        read_options(file, &o);
        float l1 = (float)numbers_next(file);
        check_case(file, &o, l1, cases);
    }
    ck_assert_int_eq(cases, 11);
    fclose(file);
}
END_TEST

/* ---- two layers: Muon's weight and the output's, and biases ---- */

enum { MOST = 24 };

static cn_model *two_layers(cn_context *ctx, int inputs, int hidden, int outputs) {
    cn_model *model;
    cn_layer *layer;
    ck_ok(cn_model_new(ctx, inputs, 1, 1, &model));
    ck_ok(cn_linear_new(ctx, inputs, hidden, 1, &layer));
    ck_ok(cn_model_append(model, "in", layer));
    ck_ok(cn_linear_new(ctx, hidden, outputs, 1, &layer));
    ck_ok(cn_model_append(model, "out", layer));
    ck_ok(cn_model_init(model, 3));
    return model;
}

static void draw_gradients(cn_model *model, uint32_t step) {
    for (int i = 0; i < cn_model_tensor_count(model); i++) {
        cn_tensor *gradient;
        ck_ok(cn_model_gradient(model, cn_model_tensor_name(model, i), &gradient));
        for (uint32_t k = 0; k < (uint32_t)cn_tensor_count(gradient); k++)
            ((float *)cn_tensor_data(gradient))[k] = numbers_hashed(10 * step + (uint32_t)i, k) - 0.5f;
    }
}

static void expect_same_tensor(cn_model *a, cn_model *b, const char *name) {
    cn_tensor *tensor;
    ck_ok(cn_model_tensor(a, name, &tensor));
    ck_assert_mem_eq(training_values(a, name), training_values(b, name),
                     (size_t)cn_tensor_count(tensor) * sizeof(float));
}

typedef double matrix[MOST][MOST];

/* c = a b, or a bᵀ */
static void multiply(int rows, int inner, int columns, matrix a, matrix b, int transposed, matrix c) {
    for (int i = 0; i < rows; i++)
        for (int j = 0; j < columns; j++) {
            c[i][j] = 0.0;
            for (int k = 0; k < inner; k++)
                c[i][j] += a[i][k] * (transposed ? b[j][k] : b[k][j]);
        }
}

/* x <- 3.4445 x - 4.7750 x xᵀ x + 2.0315 (x xᵀ)² x, five times; the same for lying and standing matrices. */
static void orthogonalize(int rows, int columns, matrix x) {
    static matrix square, third, fifth;
    double sum = 0.0;
    for (int i = 0; i < rows; i++)
        for (int j = 0; j < columns; j++)
            sum += x[i][j] * x[i][j];
    for (int i = 0; i < rows; i++)
        for (int j = 0; j < columns; j++)
            x[i][j] /= sqrt(sum);
    for (int step = 0; step < 5; step++) {
        multiply(rows, columns, rows, x, x, 1, square);
        multiply(rows, rows, columns, square, x, 0, third);
        multiply(rows, rows, columns, square, third, 0, fifth);
        for (int i = 0; i < rows; i++)
            for (int j = 0; j < columns; j++)
                x[i][j] = 3.4445 * x[i][j] - 4.7750 * third[i][j] + 2.0315 * fifth[i][j];
    }
}

/* Orthogonalised Nesterov momentum, as long as AdamW's steps; decoupled weight decay. */
static void exact_muon(const cn_optimizer_options *o, int rows, int columns, const float *gradient, matrix velocity,
                       matrix parameter) {
    static matrix step;
    double rate = (double)o->learning_rate, momentum = (double)o->momentum;
    for (int i = 0; i < rows; i++)
        for (int j = 0; j < columns; j++) {
            double g = (double)gradient[i * columns + j];
            velocity[i][j] = momentum * velocity[i][j] + g;
            step[i][j] = o->nesterov ? g + momentum * velocity[i][j] : velocity[i][j];
        }
    orthogonalize(rows, columns, step);
    for (int i = 0; i < rows; i++)
        for (int j = 0; j < columns; j++)
            parameter[i][j] = parameter[i][j] * (1.0 - rate * (double)o->weight_decay) -
                              rate * 0.2 * sqrt(rows > columns ? rows : columns) * step[i][j];
}

START_TEST(muon_follows_its_formula) {
    static const int shapes[][2] = {{8, 20}, {20, 8}, {7, 7}}; /* hidden, inputs */
    static matrix wanted, velocity;
    int rows = shapes[_i][0], columns = shapes[_i][1];
    cn_context *ctx = test_context(2);
    cn_model *model = two_layers(ctx, columns, rows, 5);
    cn_optimizer_options o = CN_OPTIMIZER_OPTIONS_INIT;
    cn_optimizer *optimizer;
    float *weight = training_values(model, "in.weight");
    o.kind = CN_OPTIMIZER_MUON;
    o.learning_rate = 0.05f;
    o.nesterov = _i != 2;
    o.weight_decay = 0.1f;
    ck_ok(cn_optimizer_new(model, &o, &optimizer));
    for (int i = 0; i < rows * columns; i++)
        wanted[i / columns][i % columns] = (double)weight[i];
    for (uint32_t step = 0; step < STEPS; step++) {
        draw_gradients(model, step);
        exact_muon(&o, rows, columns, training_gradients(model, "in.weight"), velocity, wanted);
        ck_ok(cn_optimizer_step(optimizer));
        for (int i = 0; i < rows * columns; i++)
            ck_assert_double_eq_tol((double)weight[i], wanted[i / columns][i % columns], 2e-5);
    }
    cn_optimizer_free(optimizer);
    cn_model_free(model);
    cn_context_free(ctx);
}
END_TEST

START_TEST(what_muon_does_not_take_goes_as_with_adamw) {
    cn_context *ctx = test_context(1);
    cn_model *model = two_layers(ctx, 20, 8, 5), *twin = two_layers(ctx, 20, 8, 5);
    cn_optimizer_options o = CN_OPTIMIZER_OPTIONS_INIT;
    cn_optimizer *muon, *adamw;
    o.weight_decay = 0.1f;
    o.decay_weights_only = _i;
    o.kind = CN_OPTIMIZER_MUON;
    ck_ok(cn_optimizer_new(model, &o, &muon));
    o.kind = CN_OPTIMIZER_ADAMW;
    ck_ok(cn_optimizer_new(twin, &o, &adamw));
    for (uint32_t step = 0; step < STEPS; step++) {
        draw_gradients(model, step);
        draw_gradients(twin, step);
        ck_ok(cn_optimizer_step(muon));
        ck_ok(cn_optimizer_step(adamw));
    }
    expect_same_tensor(model, twin, "in.bias");
    expect_same_tensor(model, twin, "out.weight");
    expect_same_tensor(model, twin, "out.bias");
    ck_assert_mem_ne(training_values(model, "in.weight"), training_values(twin, "in.weight"), 160 * sizeof(float));
    cn_optimizer_free(muon);
    cn_optimizer_free(adamw);
    cn_model_free(model);
    cn_model_free(twin);
    cn_context_free(ctx);
}
END_TEST

/* Weights go as with decay, all else as without. */
START_TEST(weight_decay_spares_what_is_no_weight) {
    cn_context *ctx = test_context(2);
    cn_model *models[3];
    for (int i = 0; i < 3; i++) {
        cn_optimizer_options o = CN_OPTIMIZER_OPTIONS_INIT;
        cn_optimizer *optimizer;
        models[i] = two_layers(ctx, 131, 67, 5); /* of several pieces */
        o.kind = (cn_optimizer_kind)_i;
        o.weight_decay = i == 0 ? 0.0f : 0.1f;
        o.decay_weights_only = i == 2;
        ck_ok(cn_optimizer_new(models[i], &o, &optimizer));
        for (uint32_t step = 0; step < STEPS; step++) {
            draw_gradients(models[i], step);
            ck_ok(cn_optimizer_step(optimizer));
        }
        cn_optimizer_free(optimizer);
    }
    expect_same_tensor(models[2], models[1], "in.weight");
    expect_same_tensor(models[2], models[1], "out.weight");
    expect_same_tensor(models[2], models[0], "in.bias");
    expect_same_tensor(models[2], models[0], "out.bias");
    ck_assert_mem_ne(training_values(models[0], "in.weight"), training_values(models[1], "in.weight"),
                     67 * sizeof(float));
    ck_assert_mem_ne(training_values(models[0], "in.bias"), training_values(models[1], "in.bias"), 67 * sizeof(float));
    for (int i = 0; i < 3; i++)
        cn_model_free(models[i]);
    cn_context_free(ctx);
}
END_TEST

/* ---- threads ---- */

/* A model of several pieces, whose parameters are no multiple of anything. */
static void take_steps(cn_optimizer_kind kind, int threads, cn_model **model, cn_context **ctx) {
    cn_optimizer *optimizer;
    cn_optimizer_options o = CN_OPTIMIZER_OPTIONS_INIT;
    *ctx = test_context(threads);
    *model = two_layers(*ctx, 211, 97, 3);
    o.kind = kind;
    o.weight_decay = 0.01f;
    ck_ok(cn_optimizer_new(*model, &o, &optimizer));
    for (int step = 0; step < 3; step++) {
        draw_gradients(*model, (uint32_t)step);
        ck_ok(cn_optimizer_step(optimizer));
    }
    cn_optimizer_free(optimizer);
}

START_TEST(threads_leave_the_same_bits) {
    for (cn_optimizer_kind kind = CN_OPTIMIZER_SGD; kind <= CN_OPTIMIZER_MUON; kind++) {
        cn_context *one_ctx, *ctx;
        cn_model *one, *model;
        take_steps(kind, 1, &one, &one_ctx);
        for (int threads = 2; threads <= 5; threads++) {
            take_steps(kind, threads, &model, &ctx);
            ck_assert_uint_eq(model->flat_count, one->flat_count);
            ck_assert_int_eq(memcmp(model->parameters, one->parameters, one->flat_count * sizeof(float)), 0);
            cn_model_free(model);
            cn_context_free(ctx);
        }
        for (size_t i = 211 * 97; i < (211 * 97 + 15) / 16 * 16; i++)
            ck_assert_float_eq(one->parameters[i], 0.0f); /* gaps stay zero */
        cn_model_free(one);
        cn_context_free(one_ctx);
    }
}
END_TEST

static cn_status make(cn_model *model, const cn_optimizer_options *o) {
    cn_optimizer *optimizer;
    cn_status status = cn_optimizer_new(model, o, &optimizer);
    ck_assert((status == CN_OK) == (optimizer != NULL));
    cn_optimizer_free(optimizer);
    return status;
}

START_TEST(rates_have_defaults_and_may_be_zero) {
    cn_context *ctx = test_context(1);
    cn_model *model = training_linear_model(ctx, 8, 4);
    for (cn_optimizer_kind kind = CN_OPTIMIZER_SGD; kind <= CN_OPTIMIZER_MUON; kind++) {
        cn_optimizer_options o = CN_OPTIMIZER_OPTIONS_INIT;
        cn_optimizer *optimizer;
        o.kind = kind;
        o.learning_rate = 0.0f;
        ck_ok(cn_optimizer_new(model, &o, &optimizer));
        ck_assert_double_eq(cn_optimizer_learning_rate(optimizer), 0.0);
        cn_optimizer_free(optimizer);
        o.learning_rate = CN_LEARNING_RATE_DEFAULT;
        ck_ok(cn_optimizer_new(model, &o, &optimizer));
        ck_assert_double_eq(cn_optimizer_learning_rate(optimizer), (double)(kind == CN_OPTIMIZER_SGD ? 0.01f : 0.001f));
        ck_ok(cn_optimizer_set_learning_rate(optimizer, 0.0));
        ck_assert_double_eq(cn_optimizer_learning_rate(optimizer), 0.0);
        cn_optimizer_free(optimizer);
    }
    cn_optimizer_free(NULL);
    cn_model_free(model);
    cn_context_free(ctx);
}
END_TEST

START_TEST(options_outside_their_range_are_named) {
    cn_context *ctx = test_context(1);
    cn_model *model = training_linear_model(ctx, 8, 4), *bare;
    cn_optimizer *optimizer;
    const cn_optimizer_options usual = CN_OPTIMIZER_OPTIONS_INIT;
    cn_optimizer_options o = usual;
    ck_ok(make(model, NULL));
    o.learning_rate = -0.1f;
    ck_fails(make(model, &o), CN_ERR_ARGUMENT, "learning_rate is -0.1");
    o = usual, o.momentum = INFINITY;
    ck_fails(make(model, &o), CN_ERR_ARGUMENT, "momentum is inf");
    o = usual, o.weight_decay = -1.0f;
    ck_fails(make(model, &o), CN_ERR_ARGUMENT, "weight_decay is -1");
    o = usual, o.dampening = NAN;
    ck_fails(make(model, &o), CN_ERR_ARGUMENT, "dampening");
    o = usual, o.beta1 = 1.0f;
    ck_fails(make(model, &o), CN_ERR_ARGUMENT, "beta1 is 1");
    o = usual, o.beta2 = -0.5f;
    ck_fails(make(model, &o), CN_ERR_ARGUMENT, "beta2 is -0.5");
    o = usual, o.eps = -1.0f;
    ck_fails(make(model, &o), CN_ERR_ARGUMENT, "eps is -1");
    o = usual, o.nesterov = 1, o.momentum = 0.0f;
    ck_fails(make(model, &o), CN_ERR_ARGUMENT, "nesterov");
    o = usual, o.nesterov = 1, o.dampening = 0.1f;
    ck_fails(make(model, &o), CN_ERR_ARGUMENT, "nesterov");
    o = usual, o.kind = CN_OPTIMIZER_MUON, o.nesterov = 1, o.momentum = 0.0f;
    ck_fails(make(model, &o), CN_ERR_ARGUMENT, "nesterov");
    o = usual, o.kind = (cn_optimizer_kind)4;
    ck_fails(make(model, &o), CN_ERR_ARGUMENT, "kind 4");
    o.kind = (cn_optimizer_kind)-1;
    ck_fails(make(model, &o), CN_ERR_ARGUMENT, "kind -1");
    ck_fails(cn_optimizer_new(model, NULL, NULL), CN_ERR_ARGUMENT, "optimizer is NULL");
    ck_fails(make(NULL, NULL), CN_ERR_ARGUMENT, "model is NULL");
    ck_ok(cn_model_new(ctx, 1, 1, 1, &bare));
    ck_fails(make(bare, NULL), CN_ERR_STATE, "cn_optimizer_new");
    ck_fails(cn_optimizer_step(NULL), CN_ERR_ARGUMENT, "optimizer is NULL");
    ck_ok(cn_optimizer_new(model, NULL, &optimizer));
    ck_fails(cn_optimizer_set_learning_rate(optimizer, -1.0), CN_ERR_ARGUMENT, "-1");
    ck_fails(cn_optimizer_set_learning_rate(optimizer, (double)NAN), CN_ERR_ARGUMENT, "nan");
    ck_fails(cn_optimizer_set_learning_rate(optimizer, 1e39), CN_ERR_ARGUMENT, "1e+39"); /* no float */
    ck_assert_double_eq(cn_optimizer_learning_rate(optimizer), (double)0.01f);
    cn_optimizer_free(optimizer);
    cn_model_free(bare);
    cn_model_free(model);
    cn_context_free(ctx);
}
END_TEST

START_TEST(out_of_memory_is_a_status) {
    counting_allocator counter = {0};
    cn_context_options options = CN_CONTEXT_OPTIONS_INIT;
    cn_optimizer_options muon = CN_OPTIMIZER_OPTIONS_INIT;
    cn_context *ctx;
    cn_optimizer *optimizer;
    counting_options(&counter, &options);
    options.threads = 1;
    muon.kind = CN_OPTIMIZER_MUON;
    ck_ok(cn_context_new(&options, &ctx));
    cn_model *model = two_layers(ctx, 8, 6, 4);
    long live = counter.live, failures = 0;
    for (counter.persistent = _i;; failures++) {
        counter.fail_at = counter.calls + 1 + failures;
        cn_status status = cn_optimizer_new(model, &muon, &optimizer);
        counter.fail_at = 0;
        if (status == CN_OK)
            break;
        ck_assert_int_eq(status, CN_ERR_MEMORY);
        ck_assert_ptr_null(optimizer);
        ck_assert_int_eq(counter.live, live);
    }
    ck_assert_int_eq(failures, 8);
    cn_optimizer_free(optimizer);
    cn_model_free(model);
    cn_context_free(ctx);
    ck_assert_int_eq(counter.live, 0);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("optimizer");
    TCase *group = tcase_create("optimizer");
    tcase_add_test(group, steps_are_pytorchs);
    tcase_add_loop_test(group, muon_follows_its_formula, 0, 3);
    tcase_add_loop_test(group, what_muon_does_not_take_goes_as_with_adamw, 0, 2);
    tcase_add_loop_test(group, weight_decay_spares_what_is_no_weight, CN_OPTIMIZER_SGD, CN_OPTIMIZER_MUON + 1);
    tcase_add_test(group, threads_leave_the_same_bits);
    tcase_add_test(group, rates_have_defaults_and_may_be_zero);
    tcase_add_test(group, options_outside_their_range_are_named);
    tcase_add_loop_test(group, out_of_memory_is_a_status, 0, 2);
    suite_add_tcase(suite, group);
    return test_run(suite);
}
