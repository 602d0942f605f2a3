/* SPDX-License-Identifier: MIT */
/* test_mix.c: mixup and CutMix: how much of which image a mixed one has, what it costs, what draws depend on. */
#include "testing.h"
#include "train/train.h"
#include "training.h"
#include <math.h>

TEST_BOTH_LAYOUTS;

TEST_RUNS_ONCE;

/* ---- Beta(α, α): mean 1/2, variance 1 / (4 (2 α + 1)), symmetric ---- */

START_TEST(shares_are_drawn_as_the_papers_say) {
    static const double alphas[] = {0.05, 0.2, 1.0, 2.0, 8.0};
    enum { DRAWS = 20000 };
    double alpha = alphas[_i], sum = 0.0, squares = 0.0;
    cn__rng rng = cn__rng_new(1, CN__STREAM_MIX, (uint64_t)_i);
    for (int i = 0; i < DRAWS; i++) {
        double x = cn__beta_variate(&rng, alpha);
        ck_assert(x >= 0.0 && x <= 1.0);
        sum += x - 0.5;
        squares += (x - 0.5) * (x - 0.5);
    }
    double variance = 1.0 / (4.0 * (2.0 * alpha + 1.0));
    ck_assert_double_le(fabs(sum / DRAWS), 4.0 * sqrt(variance / DRAWS));
    ck_assert_double_eq_tol(squares / DRAWS, variance, 0.03 * variance);
}
END_TEST

START_TEST(a_tiny_alpha_is_all_or_nothing) {
    cn__rng rng = cn__rng_new(1, CN__STREAM_MIX, 0);
    int ones = 0;
    for (int i = 0; i < 1000; i++) {
        double x = cn__beta_variate(&rng, 1e-6);
        ck_assert(x < 1e-6 || x > 1.0 - 1e-6);
        ones += x > 0.5;
    }
    ck_assert(ones > 430 && ones < 570);
}
END_TEST

/* ---- batches ---- */

enum { IMAGES = 19, CHANNELS = 2, HEIGHT = 5, WIDTH = 7, VALUES = CHANNELS * HEIGHT * WIDTH };

typedef struct fixture {
    cn_context *ctx;
    cn__fmap map;
    float *memory;
    cn__mix mix;
    float mixed[IMAGES * VALUES];
} fixture;

/* Value v of image i is i + v / 1000. */
static float value(int64_t image, int v) {
    return (float)image + (float)v / 1000.0f;
}

static fixture begin(int threads, float mixup, float cutmix) {
    fixture f = {.ctx = test_context(threads)};
    const cn__shape shape = {CHANNELS, HEIGHT, WIDTH};
    cn__fmap_layout(&f.map, shape, 1, 1, CN_PADDING_ZEROS);
    f.memory = cn__alloc(f.ctx, cn__fmap_floats(&f.map, 2), sizeof *f.memory);
    f.map.data = f.memory + cn__fmap_origin(&f.map);
    ck_ok(cn__mix_init(&f.mix, f.ctx, shape, IMAGES, mixup, cutmix));
    return f;
}

static void end(fixture *f) {
    cn__mix_drop(&f->mix);
    cn__free(f->ctx, f->memory);
    cn_context_free(f->ctx);
}

static void mix(fixture *f, uint64_t seed, uint64_t epoch, uint64_t batch) {
    float images[IMAGES * VALUES];
    for (int i = 0; i < IMAGES * VALUES; i++)
        images[i] = value(i / VALUES, i % VALUES);
    cn__fmap_pack(&f->map, images, IMAGES);
    cn__mix_batch(&f->mix, &f->map, IMAGES, seed, epoch, batch);
    cn__fmap_unpack(&f->map, f->mixed, IMAGES);
}

/* Every image is mixed into another, or itself. */
static void expect_permutation(const fixture *f) {
    bool seen[IMAGES] = {false};
    for (int i = 0; i < IMAGES; i++)
        seen[f->mix.partner[i]] = true;
    for (int i = 0; i < IMAGES; i++)
        ck_assert(seen[i]);
}

START_TEST(mixup_is_the_mean_of_two) {
    fixture f = begin(2, 1.0f, 0.0f);
    for (uint64_t batch = 0; batch < 10; batch++) {
        mix(&f, 4, 1, batch);
        expect_permutation(&f);
        for (int i = 0; i < IMAGES * VALUES; i++) {
            double own = (double)value(i / VALUES, i % VALUES);
            double other = (double)value(f.mix.partner[i / VALUES], i % VALUES);
            ck_assert_double_eq_tol((double)f.mixed[i], f.mix.share * own + (1.0 - f.mix.share) * other, 1e-5);
        }
    }
    end(&f);
}
END_TEST

/* The same box in every image and channel, and nothing else. */
START_TEST(cutmix_is_a_box_of_another) {
    fixture f = begin(2, 0.0f, 1.0f);
    double shares = 0.0;
    for (uint64_t batch = 0; batch < 200; batch++) {
        mix(&f, 4, 1, batch);
        expect_permutation(&f);
        double other_share = 1.0 - f.mix.share;
        int first = 0;
        while (f.mix.partner[first] == first)
            first++;
        int top = HEIGHT, bottom = -1, left = WIDTH, right = -1, changed = 0;
        for (int p = 0; p < HEIGHT * WIDTH; p++)
            if (f.mixed[first * VALUES + p] != value(first, p)) {
                int y = p / WIDTH, x = p % WIDTH;
                top = y < top ? y : top, bottom = y > bottom ? y : bottom;
                left = x < left ? x : left, right = x > right ? x : right;
                changed++;
            }
        ck_assert_int_eq(changed, changed ? (bottom - top + 1) * (right - left + 1) : 0);
        ck_assert_double_eq_tol(other_share, (double)changed / (HEIGHT * WIDTH), 1e-12);
        for (int i = 0; i < IMAGES * VALUES; i++) {
            int y = i % VALUES / WIDTH % HEIGHT, x = i % WIDTH;
            bool inside = y >= top && y <= bottom && x >= left && x <= right;
            int64_t from = inside ? f.mix.partner[i / VALUES] : i / VALUES;
            ck_assert_float_eq(f.mixed[i], value(from, i % VALUES));
        }
        shares += f.mix.share;
    }
    ck_assert(shares > 100.0 && shares < 190.0); /* boxes lose what lies outside the image */
    end(&f);
}
END_TEST

START_TEST(half_of_the_batches_are_mixed_each_way) {
    fixture f = begin(1, 1.0f, 1.0f);
    int means = 0;
    for (uint64_t batch = 0; batch < 400; batch++) {
        mix(&f, 4, 1, batch);
        int first = 0;
        while (f.mix.partner[first] == first)
            first++;
        float got = f.mixed[first * VALUES], own = value(first, 0), other = value(f.mix.partner[first], 0);
        means += got != own && got != other;
    }
    ck_assert(means > 160 && means < 240);
    end(&f);
}
END_TEST

START_TEST(draws_depend_on_seed_epoch_and_batch_alone) {
    static const uint64_t numbers[4][3] = {{4, 1, 0}, {5, 1, 0}, {4, 2, 0}, {4, 1, 1}};
    fixture f = begin(1, 1.0f, 0.0f);
    mix(&f, 4, 1, 0);
    for (int i = 0; i < 4; i++)
        for (int threads = 1; threads <= 3; threads++) {
            fixture g = begin(threads, 1.0f, 0.0f);
            mix(&g, numbers[i][0], numbers[i][1], numbers[i][2]);
            ck_assert((memcmp(f.mixed, g.mixed, sizeof f.mixed) == 0) == (i == 0));
            end(&g);
        }
    end(&f);
}
END_TEST

/* ---- what they cost ---- */

typedef struct by_hand {
    cn_tensor *images, *labels, *others, *output, *gradient, *other_gradient;
} by_hand;

static by_hand tensors_for(cn_context *ctx, int64_t n) {
    by_hand t;
    ck_ok(cn_tensor_new(ctx, CN_DTYPE_FLOAT32, 4, (int64_t[]){n, 1, TOY_SIDE, TOY_SIDE}, &t.images));
    ck_ok(cn_tensor_new(ctx, CN_DTYPE_INT64, 1, &n, &t.labels));
    ck_ok(cn_tensor_new(ctx, CN_DTYPE_INT64, 1, &n, &t.others));
    ck_ok(cn_tensor_new(ctx, CN_DTYPE_FLOAT32, 2, (int64_t[]){n, TOY_CLASSES}, &t.output));
    ck_ok(cn_tensor_new(ctx, CN_DTYPE_FLOAT32, 2, (int64_t[]){n, TOY_CLASSES}, &t.gradient));
    ck_ok(cn_tensor_new(ctx, CN_DTYPE_FLOAT32, 2, (int64_t[]){n, TOY_CLASSES}, &t.other_gradient));
    return t;
}

static void free_tensors(by_hand *t) {
    cn_tensor *const all[] = {t->images, t->labels, t->others, t->output, t->gradient, t->other_gradient};
    for (size_t i = 0; i < CN__COUNT(all); i++)
        cn_tensor_free(all[i]);
}

/* Mixes a batch in plain arrays with the draws that the trainer will make. */
static double mix_by_hand(training *f, by_hand *t, int64_t n, uint64_t epoch, uint64_t batch) {
    const cn__shape shape = {1, TOY_SIDE, TOY_SIDE};
    cn__fmap map;
    cn__mix m;
    cn__fmap_layout(&map, shape, 0, 0, CN_PADDING_ZEROS);
    map.data = cn__alloc(f->ctx, cn__fmap_floats(&map, 4), sizeof *map.data);
    ck_ok(cn__mix_init(&m, f->ctx, shape, (int32_t)n, f->options.mixup_alpha, f->options.cutmix_alpha));
    cn__fmap_pack(&map, cn_tensor_data(t->images), (int32_t)n);
    cn__mix_batch(&m, &map, (int32_t)n, f->options.seed, epoch, batch);
    cn__fmap_unpack(&map, cn_tensor_data(t->images), (int32_t)n);
    for (int64_t i = 0; i < n; i++)
        ((int64_t *)cn_tensor_data(t->others))[i] = ((int64_t *)cn_tensor_data(t->labels))[m.partner[i]];
    double share = m.share;
    cn__mix_drop(&m);
    cn__free(f->ctx, map.data);
    return share;
}

/* λ · loss(own) + (1 - λ) · loss(others), and its gradient. */
static double loss_by_hand(const training *f, by_hand *t, double share) {
    const cn_trainer_options *o = &f->options;
    double own = training_loss(o->loss, o->label_smoothing, t->output, t->labels, t->gradient);
    double other = training_loss(o->loss, o->label_smoothing, t->output, t->others, t->other_gradient);
    float *gradient = cn_tensor_data(t->gradient), *second = cn_tensor_data(t->other_gradient);
    for (int64_t i = 0; i < cn_tensor_count(t->gradient); i++)
        gradient[i] = (float)share * gradient[i] + (float)(1.0 - share) * second[i];
    return share * own + (1.0 - share) * other;
}

/* Returns the mean loss of an epoch. */
static double epoch_by_hand(training *f, cn_model *model, cn_optimizer *optimizer, uint64_t epoch) {
    int64_t order[TRAINING_COUNT];
    double sum = 0.0;
    training_order(f->options.seed, (int64_t)epoch, TRAINING_COUNT, order);
    for (int64_t first = 0, batch = 0; first < TRAINING_COUNT; first += TRAINING_BATCH, batch++) {
        int64_t n = first + TRAINING_BATCH < TRAINING_COUNT ? TRAINING_BATCH : TRAINING_COUNT - first;
        by_hand t = tensors_for(f->ctx, n);
        ck_ok(cn_dataset_batch(f->train.set, n, order + first, 1, f->options.seed, (int64_t)epoch, t.images, t.labels));
        double share = mix_by_hand(f, &t, n, epoch, (uint64_t)batch);
        ck_ok(cn_model_forward(model, 1, t.images, t.output));
        sum += (double)n * loss_by_hand(f, &t, share);
        ck_ok(cn_model_backward(model, t.gradient, NULL));
        ck_ok(cn_optimizer_step(optimizer));
        free_tensors(&t);
    }
    return sum / TRAINING_COUNT;
}

START_TEST(training_is_the_loop_by_hand) {
    training f = training_begin(CN_NORM_BATCH, 0.0f);
    cn_model *twin = toy_model(f.ctx, CN_NORM_BATCH, 0.0f);
    cn_optimizer *optimizer;
    f.options.label_smoothing = 0.1f;
    f.options.mixup_alpha = _i == 1 ? 0.0f : 0.4f;
    f.options.cutmix_alpha = _i == 0 ? 0.0f : 1.0f;
    cn_trainer *trainer = training_trainer(&f, f.model);
    ck_ok(cn_trainer_fit(trainer, 2, NULL, NULL));
    ck_ok(cn_optimizer_new(twin, NULL, &optimizer));
    for (uint64_t epoch = 1; epoch <= 2; epoch++) {
        cn_epoch_info info = training_epoch(trainer, (int64_t)epoch - 1);
        ck_ok(cn_optimizer_set_learning_rate(optimizer, info.learning_rate));
        ck_assert_double_eq_tol(info.train_loss, epoch_by_hand(&f, twin, optimizer, epoch), 1e-9);
    }
    toy_expect_equal(f.model, twin);
    cn_optimizer_free(optimizer);
    cn_trainer_free(trainer);
    cn_model_free(twin);
    training_end(&f);
}
END_TEST

START_TEST(a_network_learns_from_mixed_images) {
    training f = training_begin(CN_NORM_BATCH, 0.0f);
    f.options.mixup_alpha = f.options.cutmix_alpha = 1.0f;
    cn_trainer *trainer = training_trainer(&f, f.model);
    ck_ok(cn_trainer_fit(trainer, 40, NULL, NULL));
    ck_assert_double_ge(training_epoch(trainer, 39).test_accuracy, 0.9);
    cn_trainer_free(trainer);
    training_end(&f);
}
END_TEST

/* Vectors: the loss is that of the mixed targets. */
START_TEST(numbers_are_mixed_themselves) {
    enum { N = 3, K = 2 };
    cn_context *ctx = test_context(1);
    const cn__target_spec spec = {.kind = CN_TARGET_VECTOR, .shape = {K, 1, 1}};
    const float own[N * K] = {1, 2, 3, 4, 5, 6};
    int64_t partner[N] = {2, 1, 0};
    float image = 0.0f, *gradients[1] = {NULL};
    cn__targets targets, others;
    cn__loss loss;
    cn__loss_sum pending, sum;
    cn__fmap output, gradient;
    cn_loss_options options = CN_LOSS_OPTIONS_INIT;
    options.kind = CN_LOSS_L1;
    ck_ok(cn__targets_init(&targets, ctx, &spec, N));
    ck_ok(cn__targets_init(&others, ctx, &spec, N));
    memcpy(targets.batch.values, own, sizeof own);
    ck_ok(cn__loss_init(&loss, ctx, &options, &spec, spec.shape, N));
    cn__fmap_layout(&output, spec.shape, 0, 0, CN_PADDING_ZEROS);
    output.data = cn__alloc(ctx, cn__fmap_floats(&output, 1), sizeof(float));
    gradient = output;
    gradient.data = cn__alloc(ctx, cn__fmap_floats(&output, 1), sizeof(float));
    cn__objective objective = {.ctx = ctx, .count = 1, .losses = &loss, .pending = &pending};
    cn__mix m = {.ctx = ctx,
                 .images = &image,
                 .partner = partner,
                 .share = 0.75,
                 .target_count = 1,
                 .output_count = 1,
                 .others = &others,
                 .sums = &sum,
                 .gradients = gradients};
    double value;
    ck_ok(cn__mix_loss(&m, &objective, (const cn__fmap *[]){&output}, &targets, N, (const cn__fmap *[]){&gradient},
                       &value));
    const float mixed[N * K] = {2, 3, 3, 4, 4, 5};
    for (int i = 0; i < N * K; i++)
        ck_assert_float_eq(targets.batch.values[i], mixed[i]);
    ck_assert_double_eq_tol(value, 21.0 / (N * K), 1e-12); /* outputs are 0 */
    cn__free(ctx, output.data);
    cn__free(ctx, gradient.data);
    cn__loss_drop(&loss);
    cn__targets_drop(&targets, ctx);
    cn__targets_drop(&others, ctx);
    cn_context_free(ctx);
}
END_TEST

/* A class a pixel. */
START_TEST(masks_are_not_mixed) {
    training f = training_begin(CN_NORM_NONE, 0.0f);
    cn_target_options mask = CN_TARGET_OPTIONS_INIT;
    cn_tensor *classes;
    cn_model *model;
    cn_layer *layer;
    cn_trainer *trainer;
    ck_ok(cn_tensor_new(f.ctx, CN_DTYPE_INT64, 3, (int64_t[]){TRAINING_COUNT, TOY_SIDE, TOY_SIDE}, &classes));
    mask.kind = CN_TARGET_MASK;
    mask.classes = TOY_CLASSES;
    ck_ok(cn_dataset_clear_targets(f.train.set));
    ck_ok(cn_dataset_add_target(f.train.set, classes, &mask));
    ck_ok(cn_model_new(f.ctx, 1, TOY_SIDE, TOY_SIDE, &model));
    ck_ok(cn_conv2d_new(f.ctx, 1, TOY_CLASSES, 1, 1, NULL, &layer));
    ck_ok(cn_model_append(model, "conv", layer));
    ck_ok(cn_model_init(model, 0));
    f.options.loss = CN_LOSS_CROSS_ENTROPY;
    f.options.cutmix_alpha = 1.0f;
    ck_fails(cn_trainer_new(model, f.train.set, NULL, &f.options, &trainer), CN_ERR_UNSUPPORTED, "target 0 is a mask");
    f.options.cutmix_alpha = 0.0f;
    ck_ok(cn_trainer_new(model, f.train.set, NULL, &f.options, &trainer));
    cn_trainer_free(trainer);
    cn_model_free(model);
    cn_tensor_free(classes);
    training_end(&f);
}
END_TEST

START_TEST(options_outside_their_range_are_named) {
    training f = training_begin(CN_NORM_NONE, 0.0f);
    cn_trainer *trainer;
    f.options.mixup_alpha = -0.5f;
    ck_fails(cn_trainer_new(f.model, f.train.set, NULL, &f.options, &trainer), CN_ERR_ARGUMENT, "mixup_alpha is -0.5");
    f.options.mixup_alpha = 0.0f;
    f.options.cutmix_alpha = NAN;
    ck_fails(cn_trainer_new(f.model, f.train.set, NULL, &f.options, &trainer), CN_ERR_ARGUMENT, "cutmix_alpha is nan");
    training_end(&f);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("mix");
    TCase *group = tcase_create("mix");
    tcase_add_loop_test(group, shares_are_drawn_as_the_papers_say, 0, 5);
    tcase_add_test(group, a_tiny_alpha_is_all_or_nothing);
    tcase_add_test(group, mixup_is_the_mean_of_two);
    tcase_add_test(group, cutmix_is_a_box_of_another);
    tcase_add_test(group, half_of_the_batches_are_mixed_each_way);
    tcase_add_test(group, draws_depend_on_seed_epoch_and_batch_alone);
    tcase_add_loop_test(group, training_is_the_loop_by_hand, 0, 3);
    tcase_add_test(group, a_network_learns_from_mixed_images);
    tcase_add_test(group, numbers_are_mixed_themselves);
    tcase_add_test(group, masks_are_not_mixed);
    tcase_add_test(group, options_outside_their_range_are_named);
    suite_add_tcase(suite, group);
    return test_run(suite);
}
