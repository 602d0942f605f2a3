/* SPDX-License-Identifier: MIT */
/* test_loss.c: losses against PyTorch, on tensors and in lanes, for any number of threads; a loss of the program's own; and
 * what is refused. */
#include "testing.h"
#include "numbers.h"
#include "loss/loss.h"
#include <math.h>
#include <stdlib.h>

static void near(double got, double wanted, double tolerance) {
    ck_assert_msg(fabs(got - wanted) <= tolerance * fmax(1.0, fabs(wanted)), "got %.9g, wanted %.9g", got, wanted);
}

/* ---- cases of loss.txt ---- */

typedef struct loss_case {
    cn_loss_options options;
    int values; /* the target is */
    cn__shape shape;
    int32_t images;
    cn_tensor *output, *target, *gradient;
    float weights[16], positive[16];
} loss_case;

static cn_tensor *tensor(cn_context *ctx, cn_dtype dtype, int dims, const int64_t *shape) {
    cn_tensor *made;
    ck_ok(cn_tensor_new(ctx, dtype, dims, shape, &made));
    return made;
}

static void read_floats(FILE *file, float *to, int64_t count) {
    for (int64_t i = 0; i < count; i++)
        to[i] = (float)numbers_next(file);
}

static void read_case(cn_context *ctx, FILE *file, double kind, loss_case *c) {
    *c = (loss_case){.options = CN_LOSS_OPTIONS_INIT};
    cn_loss_options *o = &c->options;
    o->kind = (cn_loss_kind)kind;
    o->reduction = (cn_reduction)numbers_next(file);
    o->label_smoothing = (float)numbers_next(file);
    o->beta = (float)numbers_next(file);
    o->delta = (float)numbers_next(file);
    o->ignore_index = (int64_t)numbers_next(file);
    c->values = (int)numbers_next(file);
    int64_t n = (int64_t)numbers_next(file), k = (int64_t)numbers_next(file);
    int64_t height = (int64_t)numbers_next(file), width = (int64_t)numbers_next(file);
    int64_t weights = (int64_t)numbers_next(file), positive = (int64_t)numbers_next(file);
    bool pixels = height * width > 1;
    c->images = (int32_t)n;
    c->shape = (cn__shape){(int32_t)k, (int32_t)height, (int32_t)width};
    c->output = tensor(ctx, CN_DTYPE_FLOAT32, pixels ? 4 : 2, (int64_t[]){n, k, height, width});
    c->gradient = tensor(ctx, CN_DTYPE_FLOAT32, pixels ? 4 : 2, (int64_t[]){n, k, height, width});
    read_floats(file, cn_tensor_data(c->output), n * k * height * width);
    if (c->values) {
        c->target = tensor(ctx, CN_DTYPE_FLOAT32, pixels ? 4 : 2, (int64_t[]){n, k, height, width});
        read_floats(file, cn_tensor_data(c->target), n * k * height * width);
    } else {
        c->target = tensor(ctx, CN_DTYPE_INT64, pixels ? 3 : 1, (int64_t[]){n, height, width});
        for (int64_t i = 0; i < n * height * width; i++)
            ((int64_t *)cn_tensor_data(c->target))[i] = (int64_t)numbers_next(file);
    }
    read_floats(file, c->weights, weights);
    read_floats(file, c->positive, positive);
    o->outputs = k;
    o->class_weights = weights ? c->weights : NULL;
    o->pos_weight = positive ? c->positive : NULL;
}

static void end_case(loss_case *c) {
    cn_tensor_free(c->output);
    cn_tensor_free(c->target);
    cn_tensor_free(c->gradient);
}

static cn__target_spec spec_of(const loss_case *c) {
    cn__target_spec spec = {c->values ? CN_TARGET_IMAGE : CN_TARGET_MASK, c->values ? 0 : c->shape.channels,
                            c->options.ignore_index, c->shape};
    if (!c->values)
        spec.shape.channels = 1;
    return spec;
}

/* The same batch in a map with a border, with garbage wherever nothing belongs. */
static void check_lanes(cn_context *ctx, const loss_case *c, double loss) {
    int32_t blocks = (c->images + CN__LANES - 1) / CN__LANES;
    int64_t count = cn_tensor_count(c->output);
    cn__target_spec spec = spec_of(c);
    cn__targets targets = {.spec = spec};
    cn__fmap map, to;
    cn__loss own;
    cn__loss_sum total = {1.0, 100.0};
    double value;
    cn__fmap_layout(&map, c->shape, 1, 2, CN_PADDING_ZEROS);
    cn__fmap_layout(&to, c->shape, 0, 0, CN_PADDING_ZEROS);
    float *memory = cn__alloc(ctx, cn__fmap_floats(&map, blocks), sizeof(float));
    float *to_memory = cn__alloc(ctx, cn__fmap_floats(&to, blocks), sizeof(float));
    float *unpacked = calloc((size_t)count, sizeof(float));
    map.data = memory + cn__fmap_origin(&map);
    to.data = to_memory;
    for (size_t i = 0; i < cn__fmap_floats(&to, blocks); i++)
        to_memory[i] = 7.0f;
    cn__fmap_pack(&map, cn_tensor_data_const(c->output), c->images);
    if (c->values)
        targets.batch.values = cn_tensor_data(c->target);
    else
        targets.batch.classes = cn_tensor_data(c->target);
    ck_ok(cn__loss_init(&own, ctx, &c->options, &spec, c->shape, c->images));
    ck_ok(cn__loss_batch(&own, cn__values_of_map(&map), &targets, c->images, cn__values_of_map(&to), &total, &value));
    ck_assert_double_eq(value, loss);
    near((total.sum - 1.0) / (c->options.reduction == CN_REDUCTION_SUM ? 1.0 : total.count - 100.0), loss, 1e-12);
    cn__fmap_unpack(&to, unpacked, c->images);
    ck_assert_int_eq(memcmp(unpacked, cn_tensor_data_const(c->gradient), (size_t)count * sizeof(float)), 0);
    cn__values spare = cn__values_of_map(&to);
    for (int32_t n = c->images; n < blocks * CN__LANES; n++)
        for (int32_t y = 0; y < c->shape.height; y++)
            for (int64_t k = 0; k < c->shape.channels; k++)
                ck_assert_float_eq(cn__values_row(&spare, n, y, 0).data[(size_t)k * spare.channel], 0.0f);
    cn__loss_drop(&own);
    free(unpacked);
    cn__free(ctx, memory);
    cn__free(ctx, to_memory);
}

static void check_case(cn_context *ctx, FILE *file, loss_case *c) {
    const float *d = cn_tensor_data_const(c->gradient);
    double loss, alone;
    ck_ok(cn_loss_compute(&c->options, c->output, c->target, &loss, c->gradient));
    ck_ok(cn_loss_compute(&c->options, c->output, c->target, &alone, NULL));
    ck_assert_double_eq(loss, alone);
    near(loss, numbers_next(file), 2e-6);
    for (int64_t i = 0; i < cn_tensor_count(c->gradient); i++)
        near((double)d[i], numbers_next(file), 5e-7);
    check_lanes(ctx, c, loss);
}

static void check_all(int threads) {
    cn_context *ctx = test_context(threads);
    FILE *file = numbers_open("loss.txt");
    int cases = 0;
    for (double kind; numbers_more(file, &kind); cases++) {
        loss_case c;
        read_case(ctx, file, kind, &c);
        check_case(ctx, file, &c);
        end_case(&c);
    }
    ck_assert_int_eq(cases, 83);
    fclose(file);
    cn_context_free(ctx);
}

START_TEST(losses_and_gradients_are_pytorchs) {
    check_all(1);
}
END_TEST

START_TEST(so_they_are_on_several_threads) {
    check_all(3);
}
END_TEST

/* ---- pixels enough to be shared out ---- */

enum { MANY = 18, SIDE = 24, CLASSES = 3 };

static void fill(cn_tensor *tensor, uint32_t sequence) {
    float *x = cn_tensor_data(tensor);
    for (int64_t i = 0; i < cn_tensor_count(tensor); i++)
        x[i] = 6.0f * numbers_hashed(sequence, (uint32_t)i) - 3.0f;
}

START_TEST(bits_do_not_depend_on_threads) {
    static const int64_t shape[4] = {MANY, CLASSES, SIDE, SIDE};
    static const int threads[] = {1, 2, 3, 8};
    static float first[MANY * CLASSES * SIDE * SIDE];
    for (cn_loss_kind kind = CN_LOSS_NLL; kind <= CN_LOSS_HUBER; kind++) {
        double wanted = 0.0;
        for (size_t i = 0; i < sizeof threads / sizeof *threads; i++) {
            cn_context *ctx = test_context(threads[i]);
            cn_tensor *output = tensor(ctx, CN_DTYPE_FLOAT32, 4, shape), *target, *gradient;
            cn_loss_options o = CN_LOSS_OPTIONS_INIT;
            double loss;
            gradient = tensor(ctx, CN_DTYPE_FLOAT32, 4, shape);
            target = kind <= CN_LOSS_CROSS_ENTROPY ? tensor(ctx, CN_DTYPE_INT64, 3, (int64_t[]){MANY, SIDE, SIDE})
                                                   : tensor(ctx, CN_DTYPE_FLOAT32, 4, shape);
            fill(output, 1);
            if (kind <= CN_LOSS_CROSS_ENTROPY)
                for (int64_t j = 0; j < cn_tensor_count(target); j++)
                    ((int64_t *)cn_tensor_data(target))[j] = j * 7 % CLASSES;
            else
                fill(target, 2);
            o.kind = kind;
            ck_ok(cn_loss_compute(&o, output, target, &loss, gradient));
            if (i == 0) {
                wanted = loss;
                memcpy(first, cn_tensor_data_const(gradient), sizeof first);
            }
            ck_assert_double_eq(loss, wanted);
            ck_assert_int_eq(memcmp(first, cn_tensor_data_const(gradient), sizeof first), 0);
            cn_tensor_free(output);
            cn_tensor_free(target);
            cn_tensor_free(gradient);
            cn_context_free(ctx);
        }
    }
}
END_TEST

/* ---- edges ---- */

START_TEST(impossible_classes_cost_nothing_unless_they_are_the_truth) {
    cn_context *ctx = test_context(1);
    float log_p[3] = {0.0f, -INFINITY, -INFINITY};
    int64_t label[1] = {0};
    cn_tensor *output, *labels;
    cn_loss_options o = CN_LOSS_OPTIONS_INIT;
    double mean;
    ck_ok(cn_tensor_borrow(ctx, CN_DTYPE_FLOAT32, 2, (int64_t[]){1, 3}, log_p, &output));
    ck_ok(cn_tensor_borrow(ctx, CN_DTYPE_INT64, 1, (int64_t[]){1}, label, &labels));
    for (o.kind = CN_LOSS_NLL; o.kind <= CN_LOSS_CROSS_ENTROPY; o.kind++) {
        label[0] = 0;
        ck_ok(cn_loss_compute(&o, output, labels, &mean, NULL));
        ck_assert_double_eq(mean, 0.0);
        label[0] = 1;
        ck_ok(cn_loss_compute(&o, output, labels, &mean, NULL));
        ck_assert_double_eq(mean, (double)INFINITY);
    }
    log_p[1] = NAN;
    o.kind = CN_LOSS_NLL;
    ck_ok(cn_loss_compute(&o, output, labels, &mean, NULL));
    ck_assert(isnan(mean));
    cn_tensor_free(output);
    cn_tensor_free(labels);
    cn_context_free(ctx);
}
END_TEST

START_TEST(where_all_is_ignored_nothing_is_lost) {
    cn_context *ctx = test_context(1);
    int64_t label[2] = {-100, -100};
    cn_tensor *output = tensor(ctx, CN_DTYPE_FLOAT32, 2, (int64_t[]){2, 3}), *labels;
    cn_tensor *gradient = tensor(ctx, CN_DTYPE_FLOAT32, 2, (int64_t[]){2, 3});
    double mean = 1.0;
    fill(output, 1);
    fill(gradient, 2);
    ck_ok(cn_tensor_borrow(ctx, CN_DTYPE_INT64, 1, (int64_t[]){2}, label, &labels));
    ck_ok(cn_loss_compute(NULL, output, labels, &mean, gradient));
    ck_assert_double_eq(mean, 0.0);
    for (int i = 0; i < 6; i++)
        ck_assert_float_eq(((float *)cn_tensor_data(gradient))[i], 0.0f);
    cn_tensor_free(output);
    cn_tensor_free(labels);
    cn_tensor_free(gradient);
    cn_context_free(ctx);
}
END_TEST

/* ---- a loss of the program's own ---- */

/* Half of the mean squared distance. */
static int half_square(void *user, const cn_tensor *output, const cn_tensor *target, double *loss,
                       cn_tensor *gradient) {
    const float *x = cn_tensor_data_const(output), *t = cn_tensor_data_const(target);
    int64_t count = cn_tensor_count(output);
    *loss = 0.0;
    for (int64_t i = 0; i < count; i++) {
        *loss += 0.5 * ((double)x[i] - (double)t[i]) * ((double)x[i] - (double)t[i]) / (double)count;
        if (gradient)
            ((float *)cn_tensor_data(gradient))[i] = (x[i] - t[i]) / (float)count;
    }
    return *(int *)user;
}

START_TEST(a_loss_of_the_programs_own) {
    cn_context *ctx = test_context(1);
    static const int64_t shape[4] = {3, 2, 2, 3};
    int answer = 0;
    cn_loss_options own = CN_LOSS_OPTIONS_INIT, mse = CN_LOSS_OPTIONS_INIT;
    cn_tensor *output = tensor(ctx, CN_DTYPE_FLOAT32, 4, shape), *target = tensor(ctx, CN_DTYPE_FLOAT32, 4, shape);
    cn_tensor *ours = tensor(ctx, CN_DTYPE_FLOAT32, 4, shape), *theirs = tensor(ctx, CN_DTYPE_FLOAT32, 4, shape);
    double a, b;
    own.kind = CN_LOSS_CUSTOM;
    own.function = half_square;
    own.user = &answer;
    own.weight = 3.0f;
    mse.kind = CN_LOSS_MSE;
    mse.weight = 1.5f;
    fill(output, 1);
    fill(target, 2);
    ck_ok(cn_loss_compute(&own, output, target, &a, ours));
    ck_ok(cn_loss_compute(&mse, output, target, &b, theirs));
    near(a, b, 1e-12);
    for (int i = 0; i < 36; i++)
        near((double)((float *)cn_tensor_data(ours))[i], (double)((float *)cn_tensor_data(theirs))[i], 1e-7);
    answer = 5;
    ck_fails(cn_loss_compute(&own, output, target, &a, ours), CN_ERR_DATA, "returned 5");
    cn_tensor_free(output);
    cn_tensor_free(target);
    cn_tensor_free(ours);
    cn_tensor_free(theirs);
    cn_context_free(ctx);
}
END_TEST

/* ---- what is refused ---- */

typedef struct refusals {
    cn_context *ctx;
    cn_tensor *output, *labels, *values;
} refusals;

static void refuse(const refusals *r, const cn_loss_options *o, const cn_tensor *target, cn_status status,
                   const char *message) {
    double mean;
    ck_fails(cn_loss_compute(o, r->output, target, &mean, NULL), status, message);
}

#define REFUSED(kind_, member_, value_, target_, status_, message_)                                                    \
    do {                                                                                                               \
        cn_loss_options o_ = CN_LOSS_OPTIONS_INIT;                                                                     \
        o_.kind = (kind_);                                                                                             \
        o_.outputs = 3;                                                                                                \
        o_.member_ = (value_);                                                                                         \
        refuse(&r, &o_, target_, status_, message_);                                                                   \
    } while (0)

START_TEST(wrong_options_are_refused) {
    static const float weights[3] = {1.0f, -1.0f, 1.0f}, good[3] = {1.0f, 1.0f, 1.0f};
    refusals r = {.ctx = test_context(1)};
    r.output = tensor(r.ctx, CN_DTYPE_FLOAT32, 2, (int64_t[]){4, 3});
    r.labels = tensor(r.ctx, CN_DTYPE_INT64, 1, (int64_t[]){4});
    r.values = tensor(r.ctx, CN_DTYPE_FLOAT32, 2, (int64_t[]){4, 3});
    REFUSED((cn_loss_kind)8, beta, 1.0f, r.labels, CN_ERR_ARGUMENT, "unknown loss 8");
    REFUSED(CN_LOSS_NLL, reduction, (cn_reduction)2, r.labels, CN_ERR_ARGUMENT, "reduction");
    REFUSED(CN_LOSS_NLL, label_smoothing, 1.0f, r.labels, CN_ERR_ARGUMENT, "label_smoothing is 1");
    REFUSED(CN_LOSS_NLL, label_smoothing, NAN, r.labels, CN_ERR_ARGUMENT, "label_smoothing");
    REFUSED(CN_LOSS_NLL, label_smoothing, -0.1f, r.labels, CN_ERR_ARGUMENT, "-0.1");
    REFUSED(CN_LOSS_MSE, label_smoothing, 0.1f, r.values, CN_ERR_ARGUMENT, "not of classes");
    REFUSED(CN_LOSS_SMOOTH_L1, beta, 0.0f, r.values, CN_ERR_ARGUMENT, "beta is 0");
    REFUSED(CN_LOSS_HUBER, delta, INFINITY, r.values, CN_ERR_ARGUMENT, "delta is inf");
    REFUSED(CN_LOSS_MSE, weight, 0.0f, r.values, CN_ERR_ARGUMENT, "weight is 0");
    REFUSED(CN_LOSS_MSE, class_weights, good, r.values, CN_ERR_ARGUMENT, "class_weights");
    REFUSED(CN_LOSS_NLL, pos_weight, good, r.labels, CN_ERR_ARGUMENT, "pos_weight");
    REFUSED(CN_LOSS_NLL, class_weights, weights, r.labels, CN_ERR_ARGUMENT, "class_weights[1] is -1");
    REFUSED(CN_LOSS_CUSTOM, function, NULL, r.values, CN_ERR_ARGUMENT, "without a function");
    REFUSED(CN_LOSS_MSE, function, half_square, r.values, CN_ERR_ARGUMENT, "with a function");
    cn_loss_options o = CN_LOSS_OPTIONS_INIT;
    o.class_weights = good;
    o.outputs = 2;
    refuse(&r, &o, r.labels, CN_ERR_SHAPE, "weights for 2 outputs");
    cn_tensor_free(r.output);
    cn_tensor_free(r.labels);
    cn_tensor_free(r.values);
    cn_context_free(r.ctx);
}
END_TEST

START_TEST(wrong_labels_and_shapes_are_refused) {
    cn_context *ctx = test_context(1);
    cn_tensor *output = tensor(ctx, CN_DTYPE_FLOAT32, 2, (int64_t[]){4, 3});
    cn_tensor *labels = tensor(ctx, CN_DTYPE_INT64, 1, (int64_t[]){4}),
              *values = tensor(ctx, CN_DTYPE_FLOAT32, 2, (int64_t[]){4, 3});
    cn_tensor *few = tensor(ctx, CN_DTYPE_INT64, 1, (int64_t[]){3}),
              *flat = tensor(ctx, CN_DTYPE_FLOAT32, 1, (int64_t[]){12});
    cn_tensor *empty = tensor(ctx, CN_DTYPE_FLOAT32, 2, (int64_t[]){0, 3});
    cn_loss_options nll = CN_LOSS_OPTIONS_INIT, mse = CN_LOSS_OPTIONS_INIT;
    double mean;
    nll.kind = CN_LOSS_NLL;
    mse.kind = CN_LOSS_MSE;
    ck_fails(cn_loss_compute(&nll, flat, labels, &mean, NULL), CN_ERR_SHAPE, "output has 1 dimensions");
    ck_fails(cn_loss_compute(&nll, empty, labels, &mean, NULL), CN_ERR_SHAPE, "0 images");
    ck_fails(cn_loss_compute(&nll, output, few, &mean, NULL), CN_ERR_SHAPE, "target is int64 [3]");
    ck_fails(cn_loss_compute(&nll, output, values, &mean, NULL), CN_ERR_SHAPE, "target is float32 [4, 3]");
    ck_fails(cn_loss_compute(&mse, output, labels, &mean, NULL), CN_ERR_ARGUMENT, "takes values");
    ck_fails(cn_loss_compute(&nll, output, labels, &mean, flat), CN_ERR_SHAPE, "gradient is float32 [12]");
    ck_fails(cn_loss_compute(&nll, NULL, labels, &mean, NULL), CN_ERR_ARGUMENT, "output is NULL");
    ck_fails(cn_loss_compute(&nll, output, NULL, &mean, NULL), CN_ERR_ARGUMENT, "target is NULL");
    ck_fails(cn_loss_compute(&nll, output, labels, NULL, NULL), CN_ERR_ARGUMENT, "loss is NULL");
    ((int64_t *)cn_tensor_data(labels))[2] = 3;
    ck_fails(cn_loss_compute(&nll, output, labels, &mean, NULL), CN_ERR_DATA, "label 3 of image 2");
    ((int64_t *)cn_tensor_data(labels))[2] = -1;
    ck_fails(cn_loss_compute(&nll, output, labels, &mean, NULL), CN_ERR_DATA, "label -1 of image 2");
    cn_tensor_free(output);
    cn_tensor_free(labels);
    cn_tensor_free(values);
    cn_tensor_free(few);
    cn_tensor_free(flat);
    cn_tensor_free(empty);
    cn_context_free(ctx);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("loss");
    TCase *group = tcase_create("loss");
    tcase_add_test(group, losses_and_gradients_are_pytorchs);
    tcase_add_test(group, so_they_are_on_several_threads);
    tcase_add_test(group, bits_do_not_depend_on_threads);
    tcase_add_test(group, impossible_classes_cost_nothing_unless_they_are_the_truth);
    tcase_add_test(group, where_all_is_ignored_nothing_is_lost);
    tcase_add_test(group, a_loss_of_the_programs_own);
    tcase_add_test(group, wrong_options_are_refused);
    tcase_add_test(group, wrong_labels_and_shapes_are_refused);
    suite_add_tcase(suite, group);
    return test_run(suite);
}
