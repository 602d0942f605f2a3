/* SPDX-License-Identifier: MIT */
/* test_determinism.c: session 8 trains to the same bits for any number of threads and on AVX2 and AVX-512; the portable
 * kernels agree within float32's accuracy; memory stays small. */
#include "testing.h"
#include "numbers.h"
#include <stdbool.h>
#include <stdlib.h>

enum { COUNT = 72, BATCH = 32, SIDE = 32, PIXELS = 3 * SIDE * SIDE }; /* 32, 32 and 8 images */

/* ---- an allocator that knows how much memory is in use ---- */

typedef struct meter {
    size_t now, most;
} meter;

static void *metered_allocate(void *user, size_t bytes, size_t alignment) {
    meter *m = user;
    void *memory;
    if (posix_memalign(&memory, alignment, bytes + 64) != 0)
        return NULL;
    *(size_t *)memory = bytes;
    m->now += bytes;
    m->most = m->now > m->most ? m->now : m->most;
    return (char *)memory + 64;
}

static void metered_release(void *user, void *memory) {
    meter *m = user;
    void *begin = (char *)memory - 64;
    m->now -= *(size_t *)begin;
    free(begin);
}

/* ---- a short training ---- */

static int draw(void *user, int64_t index, uint8_t *pixels, int64_t *label) {
    (void)user;
    for (uint32_t i = 0; i < PIXELS; i++)
        pixels[i] = (uint8_t)(numbers_hashed((uint32_t)index, i / 7) * 256.0f);
    *label = index * 7 % 10;
    return 0;
}

static cn_dataset *new_data(cn_context *ctx) {
    static const float mean[] = {0.49f, 0.48f, 0.45f}, std[] = {0.25f, 0.24f, 0.26f};
    cn_dataset_source source = CN_DATASET_SOURCE_INIT;
    cn_augmentation augmentation = CN_AUGMENTATION_CIFAR10;
    cn_dataset *data;
    source.count = COUNT;
    source.classes = 10;
    source.channels = 3;
    source.height = source.width = SIDE;
    source.fetch = draw;
    ck_ok(cn_dataset_callback(ctx, &source, &data));
    ck_ok(cn_dataset_set_normalization(data, 3, mean, std));
    ck_ok(cn_dataset_set_augmentation(data, &augmentation));
    return data;
}

typedef struct result {
    float *tensors;
    int64_t count;
    double train_loss, test_loss;
} result;

static result keep(cn_model *model, const cn_trainer *trainer) {
    result r = {0};
    cn_epoch_info epoch = CN_EPOCH_INFO_INIT;
    for (int i = 0; i < cn_model_tensor_count(model); i++) {
        cn_tensor *tensor;
        ck_ok(cn_model_tensor(model, cn_model_tensor_name(model, i), &tensor));
        if (cn_tensor_dtype(tensor) != CN_DTYPE_FLOAT32)
            continue;
        int64_t more = cn_tensor_count(tensor);
        r.tensors = realloc(r.tensors, (size_t)(r.count + more) * sizeof(float));
        ck_assert_ptr_nonnull(r.tensors);
        memcpy(r.tensors + r.count, cn_tensor_data(tensor), (size_t)more * sizeof(float));
        r.count += more;
    }
    ck_ok(cn_trainer_epoch_info(trainer, 0, &epoch));
    r.train_loss = epoch.train_loss;
    r.test_loss = epoch.test_loss;
    return r;
}

/* Everything that the study's recipe has not. */
static void other_recipe(cn_trainer_options *options, cn_optimizer_options *optimizer, cn_dataset *data) {
    cn_augmentation changes = CN_AUGMENTATION_INIT;
    changes.crop_padding = 2;
    changes.alternating_flip = 1;
    changes.cutout = 8;
    ck_ok(cn_dataset_set_augmentation(data, &changes));
    optimizer->kind = CN_OPTIMIZER_MUON;
    optimizer->nesterov = 1;
    optimizer->weight_decay = 0.05f;
    optimizer->decay_weights_only = 1;
    options->optimizer = optimizer;
    options->ema_decay = 0.5f;
}

/* One epoch of three batches by the study's recipe, or another. */
static result train_by(bool other, cn_norm_kind norm, cn_context_options context_options) {
    cn_context *ctx;
    cn_model *model;
    cn_trainer *trainer;
    cn_session8_options options = CN_SESSION8_OPTIONS_INIT;
    cn_trainer_options recipe = CN_TRAINER_OPTIONS_INIT;
    cn_optimizer_options optimizer = CN_OPTIMIZER_OPTIONS_INIT;
    options.norm = norm;
    ck_ok(cn_context_new(&context_options, &ctx));
    cn_dataset *data = new_data(ctx);
    ck_ok(cn_model_session8(ctx, &options, &model));
    if (other)
        other_recipe(&recipe, &optimizer, data);
    ck_ok(cn_trainer_new(model, data, data, &recipe, &trainer));
    ck_ok(cn_trainer_fit(trainer, 1, NULL, NULL));
    result r = keep(model, trainer);
    cn_trainer_free(trainer);
    cn_model_free(model);
    cn_dataset_free(data);
    cn_context_free(ctx);
    return r;
}

static result train(cn_norm_kind norm, cn_context_options context_options) {
    return train_by(false, norm, context_options);
}

static cn_context_options context(int threads, cn_isa isa, cn_conv_algorithm algorithm) {
    cn_context_options options = CN_CONTEXT_OPTIONS_INIT;
    options.threads = threads;
    options.isa = isa;
    options.conv_algorithm = algorithm;
    return options;
}

static void expect_same(const result *a, const result *b) {
    ck_assert_int_eq(a->count, b->count);
    ck_assert_int_eq(memcmp(a->tensors, b->tensors, (size_t)a->count * sizeof(float)), 0);
    ck_assert_double_eq(a->train_loss, b->train_loss);
    ck_assert_double_eq(a->test_loss, b->test_loss);
}

/* ---- the promises ---- */

START_TEST(threads_leave_the_same_bits) {
    if (test_quick() && _i / 2 % 2) /* group norm */
        return;
    static const int threads[] = {2, 3, 8};
    cn_norm_kind norm = _i / 2 % 2 ? CN_NORM_GROUP : CN_NORM_BATCH;
    cn_context_options options = context(1, CN_ISA_AUTO, _i % 2 ? CN_CONV_AUTO : CN_CONV_DIRECT);
    options.layout = _i / 4 ? CN_LAYOUT_CHANNELS : CN_LAYOUT_IMAGES;
    result one = train(norm, options);
    for (int i = 0; i < (test_whole() ? 3 : 1); i++) {
        options.threads = threads[(_i + i) % 3];
        result more = train(norm, options);
        expect_same(&one, &more);
        free(more.tensors);
    }
    free(one.tensors);
}
END_TEST

START_TEST(so_do_they_with_muon_and_averages) {
    result one = train_by(true, CN_NORM_BATCH, context(1, CN_ISA_AUTO, CN_CONV_DIRECT));
    result study = train(CN_NORM_BATCH, context(1, CN_ISA_AUTO, CN_CONV_DIRECT));
    ck_assert_double_ne(one.test_loss, study.test_loss);
    for (int threads = 2; threads <= (test_whole() ? 4 : 2); threads++) {
        result more = train_by(true, CN_NORM_BATCH, context(threads, CN_ISA_AUTO, CN_CONV_DIRECT));
        expect_same(&one, &more);
        free(more.tensors);
    }
    if (test_offers(CN_ISA_AVX512)) {
        result narrow = train_by(true, CN_NORM_BATCH, context(2, CN_ISA_AVX2, CN_CONV_DIRECT));
        result wide = train_by(true, CN_NORM_BATCH, context(2, CN_ISA_AVX512, CN_CONV_DIRECT));
        expect_same(&narrow, &wide);
        free(narrow.tensors);
        free(wide.tensors);
    }
    free(study.tensors);
    free(one.tensors);
}
END_TEST

/* Each norm by one algorithm, or by both. */
START_TEST(avx2_and_avx512_leave_the_same_bits) {
    if (!test_offers(CN_ISA_AVX512) || (!test_whole() && (_i + _i / 2) % 2))
        return;
    cn_conv_algorithm algorithm = _i % 2 ? CN_CONV_AUTO : CN_CONV_DIRECT;
    result narrow = train((cn_norm_kind)(_i / 2), context(2, CN_ISA_AVX2, algorithm));
    result wide = train((cn_norm_kind)(_i / 2), context(2, CN_ISA_AVX512, algorithm));
    expect_same(&narrow, &wide);
    free(narrow.tensors);
    free(wide.tensors);
}
END_TEST

/* With batch norm, a ReLU that rounding decides otherwise moves some weights by 3e-4. */
START_TEST(the_portable_kernels_agree) {
    if (!test_offers(CN_ISA_AVX2))
        return;
    result portable = train((cn_norm_kind)_i, context(2, CN_ISA_PORTABLE, CN_CONV_DIRECT));
    result post = train((cn_norm_kind)_i, context(2, CN_ISA_AVX2, CN_CONV_DIRECT));
    ck_assert_double_eq_tol(portable.train_loss, post.train_loss, 5e-5);
    ck_assert_double_eq_tol(portable.test_loss, post.test_loss, 1e-4);
    for (int64_t i = 0; i < portable.count; i++)
        ck_assert_float_eq_tol(portable.tensors[i], post.tensors[i], 6e-4f);
    free(portable.tensors);
    free(post.tensors);
}
END_TEST

START_TEST(training_stays_under_64_megabytes) {
    meter memory = {0};
    cn_context_options options = context(2, CN_ISA_AUTO, CN_CONV_AUTO);
    options.allocate = metered_allocate;
    options.release = metered_release;
    options.user = &memory;
    free(train(CN_NORM_BATCH, options).tensors);
    ck_assert_uint_eq(memory.now, 0);
    ck_assert_uint_gt(memory.most, 1u << 20);
    ck_assert_uint_lt(memory.most, 64u << 20);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("determinism");
    TCase *group = tcase_create("determinism");
    tcase_add_loop_test(group, threads_leave_the_same_bits, 0, 8);
    tcase_add_loop_test(group, avx2_and_avx512_leave_the_same_bits, 2 * CN_NORM_NONE, 2 * (CN_NORM_INSTANCE + 1));
    suite_add_tcase(suite, group);
    if (test_again())
        return test_run(suite);
    tcase_add_test(group, so_do_they_with_muon_and_averages);
    tcase_add_loop_test(group, the_portable_kernels_agree, CN_NORM_BATCH, CN_NORM_GROUP + 1);
    tcase_add_test(group, training_stays_under_64_megabytes);
    return test_run(suite);
}
