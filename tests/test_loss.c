/* test_loss.c: NLL and cross-entropy against PyTorch, on tensors and in lanes, and what is refused. */
#include "testing.h"
#include "numbers.h"
#include "train/train.h"
#include <math.h>
#include <stdlib.h>

static cn_tensor *tensor(cn_context *ctx, cn_dtype dtype, int dims, int64_t n, int64_t k) {
    cn_tensor *made;
    ck_ok(cn_tensor_new(ctx, dtype, dims, (int64_t[]){n, k}, &made));
    return made;
}

static void near(double got, double wanted, double tolerance) {
    ck_assert_msg(fabs(got - wanted) <= tolerance * fmax(1.0, fabs(wanted)), "got %.9g, wanted %.9g", got, wanted);
}

/* The same batch in a map of one pixel a channel, with garbage wherever nothing belongs. */
static void check_lanes(cn_context *ctx, const cn__loss_spec *criterion, const cn_tensor *output,
                        const cn_tensor *labels, double mean, const cn_tensor *gradient) {
    int32_t n = (int32_t)cn_tensor_shape(output, 0), k = (int32_t)cn_tensor_shape(output, 1);
    int32_t blocks = (n + CN__LANES - 1) / CN__LANES;
    cn__fmap map, to;
    cn__tally tally = {.loss = 1.0, .correct = 100, .images = 1000};
    cn__fmap_layout(&map, (cn__shape){k, 1, 1}, 1, 2, CN_PADDING_ZEROS);
    cn__fmap_layout(&to, (cn__shape){k, 1, 1}, 0, 0, CN_PADDING_ZEROS);
    float *memory = cn__alloc(ctx, cn__fmap_floats(&map, blocks), sizeof(float));
    float *to_memory = cn__alloc(ctx, cn__fmap_floats(&to, blocks), sizeof(float));
    float *unpacked = calloc((size_t)n * (size_t)k, sizeof(float));
    map.data = memory + cn__fmap_origin(&map);
    to.data = to_memory;
    for (size_t i = 0; i < cn__fmap_floats(&to, blocks); i++)
        to_memory[i] = 7.0f;
    cn__fmap_pack(&map, cn_tensor_data_const(output), n);
    near(cn__loss_batch(criterion, &map, cn_tensor_data_const(labels), n, &to, &tally), mean, 0.0);
    near(tally.loss, 1.0 + mean * n, 1e-14);
    ck_assert_int_eq(tally.images, 1000 + n);
    int64_t correct = 0;
    for (int32_t i = 0; i < n; i++)
        correct += cn_tensor_argmax(output, i) == ((int64_t *)cn_tensor_data_const(labels))[i];
    ck_assert_int_eq(tally.correct, 100 + correct);
    cn__fmap_unpack(&to, unpacked, n);
    ck_assert_int_eq(memcmp(unpacked, cn_tensor_data_const(gradient), (size_t)n * (size_t)k * sizeof(float)), 0);
    for (int32_t i = n; i < blocks * CN__LANES; i++)
        for (int32_t c = 0; c < k; c++)
            ck_assert_float_eq(cn__fmap_row(&to, i).data[(size_t)c * to.channel], 0.0f);
    free(unpacked);
    cn__free(ctx, memory);
    cn__free(ctx, to_memory);
}

START_TEST(losses_and_gradients_are_pytorchs) {
    cn_context *ctx = test_context(1);
    FILE *file = numbers_open("loss.txt");
    int cases = 0;
    for (double kind; numbers_more(file, &kind); cases++) {
        cn__loss_spec criterion = {(cn_loss_kind)kind, (float)numbers_next(file)};
        int64_t n = (int64_t)numbers_next(file), k = (int64_t)numbers_next(file);
        cn_tensor *output = tensor(ctx, CN_DTYPE_FLOAT32, 2, n, k), *gradient = tensor(ctx, CN_DTYPE_FLOAT32, 2, n, k);
        cn_tensor *labels = tensor(ctx, CN_DTYPE_INT64, 1, n, 0);
        float *z = cn_tensor_data(output), *d = cn_tensor_data(gradient);
        double mean, alone;
        for (int64_t i = 0; i < n * k; i++)
            z[i] = (float)numbers_next(file);
        for (int64_t i = 0; i < n; i++)
            ((int64_t *)cn_tensor_data(labels))[i] = (int64_t)numbers_next(file);
        ck_ok(cn_loss_compute(criterion.loss, criterion.label_smoothing, output, labels, &mean, gradient));
        ck_ok(cn_loss_compute(criterion.loss, criterion.label_smoothing, output, labels, &alone, NULL));
        ck_assert_double_eq(mean, alone);
        near(mean, numbers_next(file), 1e-6);
        for (int64_t i = 0; i < n * k; i++)
            near((double)d[i], numbers_next(file), 2e-7);
        check_lanes(ctx, &criterion, output, labels, mean, gradient);
        cn_tensor_free(output);
        cn_tensor_free(gradient);
        cn_tensor_free(labels);
    }
    ck_assert_int_eq(cases, 14);
    fclose(file);
    cn_context_free(ctx);
}
END_TEST

/* Central differences of the mean. */
START_TEST(gradients_are_the_losses_derivatives) {
    enum { N = 3, K = 4 };
    cn_context *ctx = test_context(1);
    cn_tensor *output = tensor(ctx, CN_DTYPE_FLOAT32, 2, N, K), *gradient = tensor(ctx, CN_DTYPE_FLOAT32, 2, N, K);
    cn_tensor *labels = tensor(ctx, CN_DTYPE_INT64, 1, N, 0);
    float *z = cn_tensor_data(output), *d = cn_tensor_data(gradient), step = 0x1p-10f;
    double mean, above, below;
    for (int i = 0; i < N * K; i++)
        z[i] = -4.0f * numbers_hashed(1, (uint32_t)i);
    for (int i = 0; i < N; i++)
        ((int64_t *)cn_tensor_data(labels))[i] = i;
    for (cn_loss_kind loss = CN_LOSS_NLL; loss <= CN_LOSS_CROSS_ENTROPY; loss++)
        for (int i = 0; i < N * K; i++) {
            float before = z[i];
            ck_ok(cn_loss_compute(loss, 0.2f, output, labels, &mean, gradient));
            z[i] = before + step;
            ck_ok(cn_loss_compute(loss, 0.2f, output, labels, &above, NULL));
            z[i] = before - step;
            ck_ok(cn_loss_compute(loss, 0.2f, output, labels, &below, NULL));
            double width = (double)(before + step) - (double)(before - step);
            z[i] = before;
            near((double)d[i], (above - below) / width, 1e-6);
        }
    cn_tensor_free(output);
    cn_tensor_free(gradient);
    cn_tensor_free(labels);
    cn_context_free(ctx);
}
END_TEST

START_TEST(impossible_classes_cost_nothing_unless_they_are_the_truth) {
    cn_context *ctx = test_context(1);
    float log_p[3] = {0.0f, -INFINITY, -INFINITY};
    int64_t label[1] = {0};
    cn_tensor *output, *labels;
    double mean;
    ck_ok(cn_tensor_borrow(ctx, CN_DTYPE_FLOAT32, 2, (int64_t[]){1, 3}, log_p, &output));
    ck_ok(cn_tensor_borrow(ctx, CN_DTYPE_INT64, 1, (int64_t[]){1}, label, &labels));
    for (cn_loss_kind loss = CN_LOSS_NLL; loss <= CN_LOSS_CROSS_ENTROPY; loss++) {
        label[0] = 0;
        ck_ok(cn_loss_compute(loss, 0.0f, output, labels, &mean, NULL));
        ck_assert_double_eq(mean, 0.0);
        label[0] = 1;
        ck_ok(cn_loss_compute(loss, 0.0f, output, labels, &mean, NULL));
        ck_assert_double_eq(mean, (double)INFINITY);
    }
    log_p[1] = NAN;
    ck_ok(cn_loss_compute(CN_LOSS_NLL, 0.0f, output, labels, &mean, NULL));
    ck_assert(isnan(mean));
    cn_tensor_free(output);
    cn_tensor_free(labels);
    cn_context_free(ctx);
}
END_TEST

START_TEST(wrong_losses_labels_and_shapes_are_refused) {
    cn_context *ctx = test_context(1);
    cn_tensor *output = tensor(ctx, CN_DTYPE_FLOAT32, 2, 4, 3), *labels = tensor(ctx, CN_DTYPE_INT64, 1, 4, 0);
    cn_tensor *short_labels = tensor(ctx, CN_DTYPE_INT64, 1, 3, 0), *flat = tensor(ctx, CN_DTYPE_FLOAT32, 1, 12, 0);
    cn_tensor *empty = tensor(ctx, CN_DTYPE_FLOAT32, 2, 0, 3);
    double mean;
    ck_fails(cn_loss_compute((cn_loss_kind)2, 0.0f, output, labels, &mean, NULL), CN_ERR_ARGUMENT, "unknown loss 2");
    ck_fails(cn_loss_compute(CN_LOSS_NLL, 1.0f, output, labels, &mean, NULL), CN_ERR_ARGUMENT, "label_smoothing is 1");
    ck_fails(cn_loss_compute(CN_LOSS_NLL, NAN, output, labels, &mean, NULL), CN_ERR_ARGUMENT, "label_smoothing");
    ck_fails(cn_loss_compute(CN_LOSS_NLL, -0.1f, output, labels, &mean, NULL), CN_ERR_ARGUMENT, "-0.1");
    ck_fails(cn_loss_compute(CN_LOSS_NLL, 0.0f, flat, labels, &mean, NULL), CN_ERR_SHAPE, "output is float32 [12]");
    ck_fails(cn_loss_compute(CN_LOSS_NLL, 0.0f, empty, labels, &mean, NULL), CN_ERR_SHAPE, "0 images");
    ck_fails(cn_loss_compute(CN_LOSS_NLL, 0.0f, output, short_labels, &mean, NULL), CN_ERR_SHAPE,
             "labels is int64 [3]");
    ck_fails(cn_loss_compute(CN_LOSS_NLL, 0.0f, output, labels, &mean, flat), CN_ERR_SHAPE, "gradient is float32 [12]");
    ck_fails(cn_loss_compute(CN_LOSS_NLL, 0.0f, NULL, labels, &mean, NULL), CN_ERR_ARGUMENT, "output is NULL");
    ck_fails(cn_loss_compute(CN_LOSS_NLL, 0.0f, output, NULL, &mean, NULL), CN_ERR_ARGUMENT, "labels is NULL");
    ck_fails(cn_loss_compute(CN_LOSS_NLL, 0.0f, output, labels, NULL, NULL), CN_ERR_ARGUMENT, "mean is NULL");
    ((int64_t *)cn_tensor_data(labels))[2] = 3;
    ck_fails(cn_loss_compute(CN_LOSS_NLL, 0.0f, output, labels, &mean, NULL), CN_ERR_DATA, "label 3 of image 2");
    ((int64_t *)cn_tensor_data(labels))[2] = -1;
    ck_fails(cn_loss_compute(CN_LOSS_NLL, 0.0f, output, labels, &mean, NULL), CN_ERR_DATA, "label -1 of image 2");
    cn_tensor_free(output);
    cn_tensor_free(labels);
    cn_tensor_free(short_labels);
    cn_tensor_free(flat);
    cn_tensor_free(empty);
    cn_context_free(ctx);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("loss");
    TCase *group = tcase_create("loss");
    tcase_add_test(group, losses_and_gradients_are_pytorchs);
    tcase_add_test(group, gradients_are_the_losses_derivatives);
    tcase_add_test(group, impossible_classes_cost_nothing_unless_they_are_the_truth);
    tcase_add_test(group, wrong_losses_labels_and_shapes_are_refused);
    suite_add_tcase(suite, group);
    return test_run(suite);
}
