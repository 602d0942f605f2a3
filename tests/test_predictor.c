/* test_predictor.c: predictions are those of the model as it was, for any input size, type and number of threads. */
#include "testing.h"
#include "numbers.h"
#include "toys.h"
#include <math.h>
#include <pthread.h>
#include <stdlib.h>

enum { MOST = 40 };

typedef struct fixture {
    cn_context *ctx;
    cn_model *model;
    toy_data data;
    cn_tensor *images, *wanted, *output; /* normalised; what the model gives */
} fixture;

static cn_tensor *floats(cn_context *ctx, int dims, const int64_t *shape) {
    cn_tensor *tensor;
    ck_ok(cn_tensor_new(ctx, CN_DTYPE_FLOAT32, dims, shape, &tensor));
    return tensor;
}

static void forward(fixture *f) {
    ck_ok(cn_model_forward(f->model, 0, f->images, f->wanted));
}

/* A model that has seen something, so that its running statistics matter. */
static fixture begin(int threads) {
    fixture f = {.ctx = test_context(threads)};
    int64_t indices[MOST];
    cn_trainer *trainer;
    for (int i = 0; i < MOST; i++)
        indices[i] = i;
    f.model = toy_model(f.ctx, CN_NORM_BATCH, 0.1f);
    f.data = toy_data_new(f.ctx, MOST, 1);
    f.images = floats(f.ctx, 4, (int64_t[]){MOST, 1, TOY_SIDE, TOY_SIDE});
    f.wanted = floats(f.ctx, 2, (int64_t[]){MOST, TOY_CLASSES});
    f.output = floats(f.ctx, 2, (int64_t[]){MOST, TOY_CLASSES});
    ck_ok(cn_trainer_new(f.model, f.data.set, NULL, NULL, &trainer));
    ck_ok(cn_trainer_fit(trainer, 1, NULL, NULL));
    cn_trainer_free(trainer);
    ck_ok(cn_dataset_batch(f.data.set, MOST, indices, 0, 0, 0, f.images, NULL));
    forward(&f);
    return f;
}

static void end(fixture *f) {
    cn_tensor_free(f->images);
    cn_tensor_free(f->wanted);
    cn_tensor_free(f->output);
    toy_data_free(&f->data);
    cn_model_free(f->model);
    cn_context_free(f->ctx);
}

/* max_batch_size 0: the usual one. */
static cn_predictor *predictor_for(const cn_model *model, int max_batch_size) {
    cn_predictor *predictor;
    cn_predictor_options options = CN_PREDICTOR_OPTIONS_INIT;
    if (max_batch_size > 0)
        options.max_batch_size = max_batch_size;
    ck_ok(cn_predictor_new(model, &options, &predictor));
    return predictor;
}

/* Inference may fold and reorder, so not to the bit. */
static void expect_near(const float *got, const float *wanted, int64_t count) {
    for (int64_t i = 0; i < count; i++)
        ck_assert_msg(fabsf(got[i] - wanted[i]) <= 1e-5f * fmaxf(1.0f, fabsf(wanted[i])), "value %d: %.9g, wanted %.9g",
                      (int)i, (double)got[i], (double)wanted[i]);
}

static void expect_bits(const cn_tensor *a, const cn_tensor *b) {
    ck_assert_int_eq(
        memcmp(cn_tensor_data_const(a), cn_tensor_data_const(b), (size_t)cn_tensor_count(a) * sizeof(float)), 0);
}

START_TEST(predictions_are_the_models) {
    fixture f = begin(2);
    const int batches[] = {0, 1, 15, 16, 17, 33, 64};
    for (size_t b = 0; b < sizeof batches / sizeof *batches; b++) {
        cn_predictor *predictor = predictor_for(f.model, batches[b]);
        for (int64_t images = 1; images <= MOST; images += images < 3 ? 1 : 13) {
            cn_tensor *input, *output;
            int64_t in[4] = {images, 1, TOY_SIDE, TOY_SIDE}, out[4] = {images, TOY_CLASSES, 1, 1};
            ck_ok(cn_tensor_borrow(f.ctx, CN_DTYPE_FLOAT32, 4, in, cn_tensor_data(f.images), &input));
            output = floats(f.ctx, images % 2 ? 2 : 4, out);
            ck_ok(cn_predictor_run(predictor, input, output));
            expect_near(cn_tensor_data(output), cn_tensor_data(f.wanted), images * TOY_CLASSES);
            cn_tensor_free(input);
            cn_tensor_free(output);
        }
        cn_predictor_free(predictor);
    }
    end(&f);
}
END_TEST

/* Where images of a batch depend on each other: batches as the caller has them, up to the largest. */
START_TEST(a_batch_is_normalised_as_a_whole) {
    fixture f = begin(1 + _i);
    cn_model *model = toy_joined_model(f.ctx);
    const int largest[] = {1, 7, 16, 17, MOST, 128};
    for (size_t l = 0; l < sizeof largest / sizeof *largest; l++) {
        cn_predictor *predictor = predictor_for(model, largest[l]);
        ck_ok(cn_predictor_run(predictor, f.images, f.output));
        for (int64_t first = 0; first < MOST; first += largest[l]) {
            int64_t images = MOST - first < largest[l] ? MOST - first : largest[l];
            float *from = (float *)cn_tensor_data(f.images) + first * TOY_PIXELS;
            float *to = (float *)cn_tensor_data(f.wanted) + first * TOY_CLASSES;
            cn_tensor *input, *wanted;
            ck_ok(
                cn_tensor_borrow(f.ctx, CN_DTYPE_FLOAT32, 4, (int64_t[]){images, 1, TOY_SIDE, TOY_SIDE}, from, &input));
            ck_ok(cn_tensor_borrow(f.ctx, CN_DTYPE_FLOAT32, 2, (int64_t[]){images, TOY_CLASSES}, to, &wanted));
            ck_ok(cn_model_forward(model, 0, input, wanted));
            cn_tensor_free(input);
            cn_tensor_free(wanted);
        }
        expect_near(cn_tensor_data(f.output), cn_tensor_data(f.wanted), MOST * TOY_CLASSES);
        cn_predictor_free(predictor);
    }
    cn_model_free(model);
    end(&f);
}
END_TEST

/* 17 images of one value, 0 to 16: (x - 8) / sqrt(24), as torch.nn.BatchNorm2d(1, track_running_stats=False) has it. */
START_TEST(seventeen_images_are_one_batch) {
    cn_norm_options options = CN_NORM_OPTIONS_INIT;
    cn_context *ctx = test_context(2);
    cn_tensor *input = floats(ctx, 4, (int64_t[]){17, 1, 1, 1}), *output = floats(ctx, 2, (int64_t[]){17, 1});
    cn_model *model;
    cn_layer *layer;
    options.track_running_stats = 0;
    ck_ok(cn_model_new(ctx, 1, 1, 1, &model));
    ck_ok(cn_norm_new(ctx, CN_NORM_BATCH, 1, &options, &layer));
    ck_ok(cn_model_append(model, "norm", layer));
    ck_ok(cn_model_init(model, 0));
    for (int n = 0; n < 17; n++)
        ((float *)cn_tensor_data(input))[n] = (float)n;
    cn_predictor *predictor = predictor_for(model, 128);
    ck_ok(cn_predictor_run(predictor, input, output));
    for (int n = 0; n < 17; n++)
        ck_assert_float_eq_tol(((float *)cn_tensor_data(output))[n], (float)((n - 8) / sqrt(24.0 + 1e-5)), 1e-6f);
    cn_predictor_free(predictor);
    cn_model_free(model);
    cn_tensor_free(input);
    cn_tensor_free(output);
    cn_context_free(ctx);
}
END_TEST

/* A model that ends as `last` says: 0 log-softmax, 1 softmax, 2 neither. */
static cn_model *ending(cn_context *ctx, int last) {
    cn_model *model;
    cn_layer *layer;
    ck_ok(cn_model_new(ctx, 1, TOY_SIDE, TOY_SIDE, &model));
    ck_ok(cn_flatten_new(ctx, &layer));
    ck_ok(cn_model_append(model, "flatten", layer));
    ck_ok(cn_linear_new(ctx, TOY_PIXELS, TOY_CLASSES, 1, &layer));
    ck_ok(cn_model_append(model, "fc", layer));
    if (last < 2) {
        ck_ok(last ? cn_softmax_new(ctx, &layer) : cn_log_softmax_new(ctx, &layer));
        ck_ok(cn_model_append(model, "out", layer));
    }
    ck_ok(cn_model_init(model, 4));
    return model;
}

/* The probability of class k. */
static double share(int last, const float *output, int k) {
    double sum = 0.0;
    for (int c = 0; c < TOY_CLASSES; c++)
        sum += exp((double)output[c]);
    return last == 1 ? (double)output[k] : exp((double)output[k]) / sum;
}

static void mirror(const float *from, float *to) {
    for (int row = 0; row < TOY_SIDE; row++)
        for (int x = 0; x < TOY_SIDE; x++)
            to[row * TOY_SIDE + x] = from[row * TOY_SIDE + TOY_SIDE - 1 - x];
}

START_TEST(mirror_images_have_their_say) {
    fixture f = begin(2);
    cn_model *model = ending(f.ctx, _i);
    cn_predictor_options options = CN_PREDICTOR_OPTIONS_INIT;
    cn_tensor *mirrored = floats(f.ctx, 4, (int64_t[]){MOST, 1, TOY_SIDE, TOY_SIDE});
    cn_tensor *ours = floats(f.ctx, 2, (int64_t[]){MOST, TOY_CLASSES});
    cn_tensor *theirs = floats(f.ctx, 2, (int64_t[]){MOST, TOY_CLASSES});
    float *a = cn_tensor_data(ours), *b = cn_tensor_data(theirs);
    for (int n = 0; n < MOST; n++)
        mirror((float *)cn_tensor_data(f.images) + n * TOY_PIXELS, (float *)cn_tensor_data(mirrored) + n * TOY_PIXELS);
    ck_ok(cn_model_forward(model, 0, f.images, ours));
    ck_ok(cn_model_forward(model, 0, mirrored, theirs));
    for (int n = 0; n < MOST; n++, a += TOY_CLASSES, b += TOY_CLASSES) {
        double mean[TOY_CLASSES];
        for (int k = 0; k < TOY_CLASSES; k++)
            mean[k] = (share(_i, a, k) + share(_i, b, k)) / 2.0;
        for (int k = 0; k < TOY_CLASSES; k++)
            a[k] = (float)(_i == 1 ? mean[k] : log(mean[k]));
    }
    options.flip = 1;
    for (options.max_batch_size = 1; options.max_batch_size <= 32;
         options.max_batch_size += 31) { /* one by one, and in blocks */
        cn_predictor *predictor;
        ck_ok(cn_predictor_new(model, &options, &predictor));
        ck_ok(cn_predictor_run(predictor, f.images, f.output));
        expect_near(cn_tensor_data(f.output), cn_tensor_data(ours), MOST * TOY_CLASSES);
        cn_predictor_free(predictor);
    }
    cn_tensor_free(mirrored);
    cn_tensor_free(ours);
    cn_tensor_free(theirs);
    cn_model_free(model);
    end(&f);
}
END_TEST

/* An image moved down and right, its edges mirrored, and then from left to right if so. */
static void look(const float *from, int down, int right, int flip, float *to) {
    const int last = TOY_SIDE - 1;
    for (int y = 0; y < TOY_SIDE; y++)
        for (int x = 0; x < TOY_SIDE; x++) {
            int row = abs(y - down), column = abs(x - right);
            row = row > last ? 2 * last - row : row;
            column = column > last ? 2 * last - column : column;
            to[y * TOY_SIDE + (flip ? last - x : x)] = from[row * TOY_SIDE + column];
        }
}

/* Adds the probabilities that the model gives to a view of all images. */
static void add_view(const fixture *f, cn_model *model, int down, int right, int flip, double *sums) {
    cn_tensor *view = floats(f->ctx, 4, (int64_t[]){MOST, 1, TOY_SIDE, TOY_SIDE});
    cn_tensor *output = floats(f->ctx, 2, (int64_t[]){MOST, TOY_CLASSES});
    for (int n = 0; n < MOST; n++)
        look((float *)cn_tensor_data(f->images) + n * TOY_PIXELS, down, right, flip,
             (float *)cn_tensor_data(view) + n * TOY_PIXELS);
    ck_ok(cn_model_forward(model, 0, view, output));
    for (int i = 0; i < MOST * TOY_CLASSES; i++)
        sums[i] += exp((double)((float *)cn_tensor_data(output))[i]);
    cn_tensor_free(view);
    cn_tensor_free(output);
}

/* Loops 0 … 3: moved by up to 1 or 2 pixels, without and with mirror images. */
START_TEST(moved_images_have_their_say) {
    fixture f = begin(2);
    cn_predictor_options options = CN_PREDICTOR_OPTIONS_INIT;
    double sums[MOST * TOY_CLASSES] = {0.0};
    float wanted[MOST * TOY_CLASSES];
    int views = 0, shift = options.shift = 1 + _i % 2;
    options.flip = _i / 2;
    for (int flip = 0; flip <= options.flip; flip++)
        for (int down = -shift; down <= shift; down++)
            for (int right = -shift; right <= shift; right++, views++)
                add_view(&f, f.model, down, right, flip, sums);
    for (int i = 0; i < MOST * TOY_CLASSES; i++)
        wanted[i] = (float)log(sums[i] / views);
    for (options.max_batch_size = 1; options.max_batch_size <= 32; options.max_batch_size += 31) {
        cn_predictor *predictor;
        ck_ok(cn_predictor_new(f.model, &options, &predictor));
        ck_ok(cn_predictor_run(predictor, f.images, f.output));
        expect_near(cn_tensor_data(f.output), wanted, MOST * TOY_CLASSES);
        cn_predictor_free(predictor);
    }
    end(&f);
}
END_TEST

START_TEST(images_move_by_less_than_their_sides) {
    fixture f = begin(1);
    cn_predictor_options options = CN_PREDICTOR_OPTIONS_INIT;
    cn_predictor *predictor;
    options.shift = TOY_SIDE;
    ck_fails(cn_predictor_new(f.model, &options, &predictor), CN_ERR_ARGUMENT,
             "shift is 6, wanted 0 to 5 for images of 6×6");
    options.shift = -1;
    ck_fails(cn_predictor_new(f.model, &options, &predictor), CN_ERR_ARGUMENT, "shift is -1");
    ck_assert_ptr_null(predictor);
    end(&f);
}
END_TEST

START_TEST(there_is_no_mean_of_maps) {
    cn_context *ctx = test_context(1);
    cn_predictor_options options = CN_PREDICTOR_OPTIONS_INIT;
    cn_predictor *predictor;
    cn_model *model;
    cn_layer *layer;
    options.flip = 1;
    ck_ok(cn_model_new(ctx, 1, 4, 4, &model));
    ck_ok(cn_relu_new(ctx, &layer));
    ck_ok(cn_model_append(model, "relu", layer));
    ck_ok(cn_model_init(model, 0));
    ck_fails(cn_predictor_new(model, &options, &predictor), CN_ERR_SHAPE, "flip, but the model's output is 1×4×4");
    ck_assert_ptr_null(predictor);
    options.flip = 0;
    options.shift = 1;
    ck_fails(cn_predictor_new(model, &options, &predictor), CN_ERR_SHAPE, "shift, but the model's output is 1×4×4");
    cn_model_free(model);
    cn_context_free(ctx);
}
END_TEST

START_TEST(bytes_are_normalised_as_in_training) {
    fixture f = begin(2);
    cn_predictor *predictor = predictor_for(f.model, 0);
    cn_tensor *other = floats(f.ctx, 2, (int64_t[]){MOST, TOY_CLASSES});
    ck_ok(cn_predictor_run(predictor, f.images, f.output));
    ck_ok(cn_predictor_run(predictor, f.data.images, other));
    expect_bits(f.output, other);
    cn_predictor_free(predictor);
    cn_tensor_free(other);
    end(&f);
}
END_TEST

START_TEST(a_predictor_keeps_what_the_model_was) {
    fixture f = begin(1);
    cn_predictor *before = predictor_for(f.model, 0), *after;
    cn_trainer *trainer;
    ck_ok(cn_trainer_new(f.model, f.data.set, NULL, NULL, &trainer));
    ck_ok(cn_trainer_fit(trainer, 3, NULL, NULL));
    cn_trainer_free(trainer);
    ck_ok(cn_model_set_normalization(f.model, 1, (float[]){0.0f}, (float[]){9.0f}));
    ck_ok(cn_predictor_run(before, f.images, f.output));
    expect_near(cn_tensor_data(f.output), cn_tensor_data(f.wanted), MOST * TOY_CLASSES);
    ck_ok(cn_predictor_run(before, f.data.images, f.output));
    expect_near(cn_tensor_data(f.output), cn_tensor_data(f.wanted), MOST * TOY_CLASSES);
    forward(&f);
    float moved = fabsf(*(float *)cn_tensor_data(f.output) - *(float *)cn_tensor_data(f.wanted));
    ck_assert_float_gt(moved, 1e-3f);
    after = predictor_for(f.model, 0);
    ck_ok(cn_predictor_run(after, f.images, f.output));
    expect_near(cn_tensor_data(f.output), cn_tensor_data(f.wanted), MOST * TOY_CLASSES);
    cn_predictor_free(before);
    cn_predictor_free(after);
    end(&f);
}
END_TEST

typedef struct user {
    const fixture *f;
    cn_predictor *predictor;
    int differences;
} user;

static void *predict_often(void *argument) {
    user *u = argument;
    cn_tensor *output = floats(u->f->ctx, 2, (int64_t[]){MOST, TOY_CLASSES});
    for (int i = 0; i < (test_quick() ? 10 : 100); i++) {
        memset(cn_tensor_data(output), 0, MOST * TOY_CLASSES * sizeof(float));
        if (cn_predictor_run(u->predictor, u->f->images, output) != CN_OK ||
            memcmp(cn_tensor_data(output), cn_tensor_data(u->f->output), MOST * TOY_CLASSES * sizeof(float)) != 0)
            u->differences++;
    }
    cn_tensor_free(output);
    return NULL;
}

START_TEST(threads_may_share_a_model) {
    fixture f = begin(2);
    pthread_t threads[4];
    user users[4];
    cn_predictor *alone = predictor_for(f.model, 0);
    ck_ok(cn_predictor_run(alone, f.images, f.output));
    for (int i = 0; i < 4; i++) {
        users[i] = (user){&f, predictor_for(f.model, 8 + 16 * i), 0};
        ck_assert_int_eq(pthread_create(&threads[i], NULL, predict_often, &users[i]), 0);
    }
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
        ck_assert_int_eq(users[i].differences, 0);
        cn_predictor_free(users[i].predictor);
    }
    cn_predictor_free(alone);
    end(&f);
}
END_TEST

/* From the context that all share; the locks are the library's. */
static void *make_often(void *argument) {
    user *u = argument;
    for (int i = 0; i < (test_quick() ? 3 : 20); i++) {
        cn_model *model = toy_model(u->f->ctx, CN_NORM_BATCH, 0.0f);
        toy_data data = toy_data_new(u->f->ctx, MOST, 1);
        cn_predictor *predictor = predictor_for(model, 16);
        cn_tensor *output = floats(u->f->ctx, 2, (int64_t[]){MOST, TOY_CLASSES});
        u->differences += cn_predictor_run(predictor, u->f->images, output) != CN_OK;
        u->differences += memcmp(cn_tensor_data(output), cn_tensor_data(u->f->output), sizeof(float)) != 0;
        cn_tensor_free(output);
        cn_predictor_free(predictor);
        toy_data_free(&data);
        cn_model_free(model);
    }
    return NULL;
}

START_TEST(threads_may_make_things_in_one_context) {
    fixture f = begin(2);
    pthread_t threads[4];
    user users[4];
    cn_model *model = toy_model(f.ctx, CN_NORM_BATCH, 0.0f);
    cn_predictor *predictor = predictor_for(model, 16);
    ck_ok(cn_predictor_run(predictor, f.images, f.output));
    for (int i = 0; i < 4; i++) {
        users[i] = (user){&f, NULL, 0};
        ck_assert_int_eq(pthread_create(&threads[i], NULL, make_often, &users[i]), 0);
    }
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
        ck_assert_int_eq(users[i].differences, 0);
    }
    cn_predictor_free(predictor);
    cn_model_free(model);
    end(&f);
}
END_TEST

/* What one block holds must not depend on what was in its lanes before. */
START_TEST(earlier_images_leave_no_trace) {
    fixture f = begin(1);
    cn_predictor *predictor = predictor_for(f.model, 0), *fresh = predictor_for(f.model, 0);
    cn_tensor *bad = floats(f.ctx, 4, (int64_t[]){MOST, 1, TOY_SIDE, TOY_SIDE}), *three, *a, *b;
    for (int64_t i = 0; i < cn_tensor_count(bad); i++)
        ((float *)cn_tensor_data(bad))[i] = NAN;
    ck_ok(cn_predictor_run(predictor, bad, f.output));
    ck_ok(cn_tensor_borrow(f.ctx, CN_DTYPE_FLOAT32, 4, (int64_t[]){3, 1, TOY_SIDE, TOY_SIDE}, cn_tensor_data(f.images),
                           &three));
    a = floats(f.ctx, 2, (int64_t[]){3, TOY_CLASSES});
    b = floats(f.ctx, 2, (int64_t[]){3, TOY_CLASSES});
    ck_ok(cn_predictor_run(predictor, three, a));
    ck_ok(cn_predictor_run(fresh, three, b));
    expect_bits(a, b);
    cn_tensor_free(bad);
    cn_tensor_free(three);
    cn_tensor_free(a);
    cn_tensor_free(b);
    cn_predictor_free(predictor);
    cn_predictor_free(fresh);
    end(&f);
}
END_TEST

START_TEST(what_does_not_fit_is_refused) {
    fixture f = begin(1);
    cn_predictor *predictor, *made;
    cn_predictor_options options = CN_PREDICTOR_OPTIONS_INIT;
    cn_model *naive = toy_model(f.ctx, CN_NORM_NONE, 0.0f), *bare;
    cn_tensor *none = floats(f.ctx, 4, (int64_t[]){0, 1, TOY_SIDE, TOY_SIDE});
    cn_tensor *no_output = floats(f.ctx, 2, (int64_t[]){0, TOY_CLASSES});
    cn_tensor *wide = floats(f.ctx, 4, (int64_t[]){MOST, 1, TOY_SIDE, 7});
    predictor = predictor_for(naive, 0);
    ck_fails(cn_predictor_run(predictor, f.data.images, f.output), CN_ERR_STATE, "normalise");
    ck_fails(cn_predictor_run(predictor, wide, f.output), CN_ERR_SHAPE, "input is float32 [40, 1, 6, 7]");
    ck_fails(cn_predictor_run(predictor, f.data.labels, f.output), CN_ERR_SHAPE, "input is int64 [40]");
    ck_fails(cn_predictor_run(predictor, f.images, f.images), CN_ERR_SHAPE, "output is float32 [40, 1, 6, 6]");
    ck_fails(cn_predictor_run(predictor, f.images, no_output), CN_ERR_SHAPE, "output is float32 [0, 3]");
    ck_fails(cn_predictor_run(predictor, none, no_output), CN_ERR_SHAPE, "no images");
    ck_fails(cn_predictor_run(NULL, f.images, f.output), CN_ERR_ARGUMENT, "predictor is NULL");
    ck_fails(cn_predictor_run(predictor, NULL, f.output), CN_ERR_ARGUMENT, "input is NULL");
    ck_fails(cn_predictor_run(predictor, f.images, NULL), CN_ERR_ARGUMENT, "output is NULL");
    ck_ok(cn_predictor_run(predictor, f.images, f.output));
    options.max_batch_size = 0;
    ck_fails(cn_predictor_new(naive, &options, &made), CN_ERR_ARGUMENT, "max_batch_size is 0");
    options.max_batch_size = -1;
    ck_fails(cn_predictor_new(naive, &options, &made), CN_ERR_ARGUMENT, "max_batch_size is -1");
    ck_assert_ptr_null(made);
    ck_fails(cn_predictor_new(NULL, NULL, &made), CN_ERR_ARGUMENT, "model is NULL");
    ck_fails(cn_predictor_new(naive, NULL, NULL), CN_ERR_ARGUMENT, "predictor is NULL");
    ck_ok(cn_model_new(f.ctx, 1, 2, 2, &bare));
    ck_fails(cn_predictor_new(bare, NULL, &made), CN_ERR_STATE, "cn_predictor_new");
    cn_predictor_free(predictor);
    cn_predictor_free(NULL);
    cn_model_free(naive);
    cn_model_free(bare);
    cn_tensor_free(none);
    cn_tensor_free(no_output);
    cn_tensor_free(wide);
    end(&f);
}
END_TEST

START_TEST(out_of_memory_is_a_status_and_running_needs_none) {
    counting_allocator counter = {0};
    cn_predictor *predictor;
    cn_context *ctx = counting_context(&counter, 2);
    cn_model *model = toy_model(ctx, CN_NORM_BATCH, 0.1f);
    ck_ok(cn_model_set_normalization(model, 1, (float[]){0.5f}, (float[]){0.5f}));
    cn_tensor *input = floats(ctx, 4, (int64_t[]){50, 1, TOY_SIDE, TOY_SIDE});
    cn_tensor *output = floats(ctx, 2, (int64_t[]){50, TOY_CLASSES});
    long live = counter.live, failures = 0;
    for (counter.persistent = _i;; failures++) {
        counter.fail_at = counter.calls + 1 + failures;
        cn_status status = cn_predictor_new(model, NULL, &predictor);
        counter.fail_at = 0;
        if (status == CN_OK)
            break;
        ck_assert_int_eq(status, CN_ERR_MEMORY);
        ck_assert_ptr_null(predictor);
        ck_assert_int_eq(counter.live, live);
    }
    ck_assert_int_gt(failures, 5);
    long calls = counter.calls;
    ck_ok(cn_predictor_run(predictor, input, output));
    ck_assert_int_eq(counter.calls, calls);
    cn_predictor_free(predictor);
    cn_tensor_free(input);
    cn_tensor_free(output);
    cn_model_free(model);
    cn_context_free(ctx);
    ck_assert_int_eq(counter.live, 0);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("predictor");
    TCase *group = tcase_create("predictor");
    tcase_add_test(group, predictions_are_the_models);
    tcase_add_loop_test(group, a_batch_is_normalised_as_a_whole, 0, 3);
    tcase_add_test(group, seventeen_images_are_one_batch);
    tcase_add_loop_test(group, mirror_images_have_their_say, 0, 3);
    tcase_add_loop_test(group, moved_images_have_their_say, 0, 4);
    tcase_add_test(group, images_move_by_less_than_their_sides);
    tcase_add_test(group, there_is_no_mean_of_maps);
    tcase_add_test(group, bytes_are_normalised_as_in_training);
    tcase_add_test(group, a_predictor_keeps_what_the_model_was);
    tcase_add_test(group, threads_may_share_a_model);
    tcase_add_test(group, threads_may_make_things_in_one_context);
    tcase_add_test(group, earlier_images_leave_no_trace);
    tcase_add_test(group, what_does_not_fit_is_refused);
    tcase_add_loop_test(group, out_of_memory_is_a_status_and_running_needs_none, 0, 2);
    suite_add_tcase(suite, group);
    return test_run(suite);
}
