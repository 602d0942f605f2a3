/* SPDX-License-Identifier: MIT */
/* test_host_threads.c: a host with threads of its own: several trainings at once, in one context and in others that come and
 * go, and predictors by the hundred: each has the bits that it has alone. What two threads must not use together is a
 * status, never a wrong result. */
#include "pieces.h"
#include "predictions.h"
#include "training.h"
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

TEST_RUNS_ONCE;

enum { HOSTS = 6 }; /* threads of the host */

/* Runs `work` on so many threads, each with the element of its own. */
static void on_threads(int count, void *(*work)(void *), void *elements, size_t bytes) {
    pthread_t threads[HOSTS];
    for (int i = 0; i < count; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, work, (char *)elements + (size_t)i * bytes), 0);
    for (int i = 0; i < count; i++)
        pthread_join(threads[i], NULL);
}

/* ---- trainings ---- */

typedef struct job {
    cn_context *ctx; /* NULL: one of its own, each time */
    uint64_t seed;
    int times;
    void *left; /* the model's tensors after the last time, to be freed */
    size_t bytes;
} job;

static void train(cn_context *context, job *j) {
    cn_trainer_options options = CN_TRAINER_OPTIONS_INIT;
    cn_model *model = toy_model(context, CN_NORM_BATCH, 0.1f);
    toy_data data = toy_data_new(context, TRAINING_COUNT, (uint32_t)j->seed);
    cn_trainer *trainer;
    options.seed = j->seed;
    options.batch_size = TRAINING_BATCH;
    ck_ok(cn_trainer_new(model, data.set, data.set, &options, &trainer));
    ck_ok(cn_trainer_fit(trainer, 2, NULL, NULL));
    free(j->left);
    j->left = toy_tensors(model, &j->bytes);
    cn_trainer_free(trainer);
    toy_data_free(&data);
    cn_model_free(model);
}

static void *train_often(void *argument) {
    job *j = argument;
    for (int i = 0; i < j->times; i++) {
        cn_context *own = j->ctx ? NULL : test_context(1 + i % 3);
        train(own ? own : j->ctx, j);
        cn_context_free(own);
    }
    return NULL;
}

static void expect_as_alone(job *j) {
    job alone = {.ctx = test_context(2), .seed = j->seed, .times = 1};
    (void)train_often(&alone);
    ck_assert_uint_eq(j->bytes, alone.bytes);
    ck_assert_mem_eq(j->left, alone.left, alone.bytes);
    free(alone.left);
    free(j->left);
    cn_context_free(alone.ctx);
}

/* In one context, in one each, and half of them so. */
START_TEST(several_train_at_once) {
    cn_context *context = test_context(3);
    job jobs[HOSTS];
    for (int i = 0; i < HOSTS; i++)
        jobs[i] = (job){
            .ctx = _i == 0 || (_i == 2 && i % 2) ? context : NULL, .seed = (uint64_t)i, .times = test_quick() ? 2 : 8};
    on_threads(HOSTS, train_often, jobs, sizeof *jobs);
    for (int i = 0; i < HOSTS; i++)
        expect_as_alone(&jobs[i]);
    cn_context_free(context);
}
END_TEST

/* ---- predictors by the hundred ---- */

enum { MANY = 240, FEATURES = 3000 };

/* Nearly all of it is weights. */
static cn_model *heavy_model(void) {
    cn_model *model = model_for(1, TOY_SIDE, TOY_SIDE);
    cn_layer *layer;
    ck_ok(cn_flatten_new(ctx, &layer));
    ck_ok(cn_model_append(model, "flatten", layer));
    ck_ok(cn_linear_new(ctx, TOY_PIXELS, FEATURES, 1, &layer));
    ck_ok(cn_model_append(model, "wide", layer));
    ck_ok(cn_model_append(model, "relu", relu()));
    ck_ok(cn_linear_new(ctx, FEATURES, TOY_CLASSES, 1, &layer));
    ck_ok(cn_model_append(model, "fc", layer));
    ck_ok(cn_model_init(model, 1));
    return model;
}

typedef struct crowd {
    cn_predictor *const *predictors;
    const cn_tensor *images;
    const float *wanted;
    int first, wrong;
} crowd;

/* Every HOSTS-th predictor, from one's own on. */
static void *predict_with_all(void *argument) {
    crowd *c = argument;
    int64_t count = cn_tensor_shape(c->images, 0);
    cn_tensor *output = tensor_of(CN_DTYPE_FLOAT32, 2, (int64_t[]){count, TOY_CLASSES});
    for (int round = 0; round < 2; round++)
        for (int i = c->first; i < MANY; i += HOSTS) {
            memset(cn_tensor_data(output), 0, (size_t)count * TOY_CLASSES * sizeof(float));
            c->wrong += cn_predictor_run(c->predictors[i], c->images, output) != CN_OK;
            c->wrong += memcmp(cn_tensor_data(output), c->wanted, (size_t)count * TOY_CLASSES * sizeof(float)) != 0;
        }
    cn_tensor_free(output);
    return NULL;
}

static cn_tensor *some_images(int64_t count) {
    cn_tensor *tensor = images(count, 1, TOY_SIDE, TOY_SIDE);
    for (int64_t i = 0; i < cn_tensor_count(tensor); i++)
        ((float *)cn_tensor_data(tensor))[i] = (float)(i * 13 % 31) / 31.0f - 0.4f;
    return tensor;
}

/* Each takes the same memory, and none for weights. */
static size_t clone_all(cn_predictor **predictors, size_t first, size_t parameters) {
    size_t each = 0;
    for (int i = 1; i < MANY; i++) {
        size_t before = cn_context_memory(ctx);
        ck_ok(cn_predictor_clone(predictors[i % 3 ? 0 : i - 1], &predictors[i]));
        size_t more = cn_context_memory(ctx) - before;
        each = i == 1 ? more : each;
        ck_assert_uint_eq(more, each);
    }
    ck_assert_uint_le(each + parameters, first);
    return each;
}

/* Of few images at a time, and of many. */
START_TEST(hundreds_of_predictors_share_their_weights) {
    int batch = _i ? 32 : 2;
    set_up();
    cn_model *model = heavy_model();
    size_t parameters = (size_t)cn_model_parameter_count(model) * sizeof(float), begin = cn_context_memory(ctx);
    cn_predictor *predictors[MANY] = {predictor_for(model, batch)};
    size_t first = cn_context_memory(ctx) - begin;
    size_t each = clone_all(predictors, first, parameters);
    cn_tensor *pixels = some_images(batch), *wanted = tensor_of(CN_DTYPE_FLOAT32, 2, (int64_t[]){batch, TOY_CLASSES});
    ck_ok(cn_predictor_run(predictors[0], pixels, wanted));
    crowd crowds[HOSTS];
    for (int i = 0; i < HOSTS; i++)
        crowds[i] = (crowd){predictors, pixels, cn_tensor_data(wanted), i, 0};
    on_threads(HOSTS, predict_with_all, crowds, sizeof *crowds);
    for (int i = 0; i < HOSTS; i++)
        ck_assert_int_eq(crowds[i].wrong, 0);
    for (int i = 0; i < MANY; i++)
        cn_predictor_free(predictors[(i * 7) % MANY]);
    cn_tensor_free(wanted);
    cn_tensor_free(pixels);
    ck_assert_uint_eq(cn_context_memory(ctx), begin);
    if (getenv("FAULTS"))
        printf("%d predictors of %zu KiB of parameters: the first %zu KiB, each more %zu KiB\n", MANY, parameters >> 10,
               first >> 10, each >> 10);
    cn_model_free(model);
    tear_down();
}
END_TEST

/* ---- predictions of a model while it is trained ---- */

typedef struct watcher {
    predictions *of;
    cn_predictor *predictor;
    atomic_bool *over;
    int wrong, runs;
} watcher;

static void *watch(void *argument) {
    watcher *w = argument;
    cn_tensor *output = float_tensor(w->of->ctx, 2, (int64_t[]){PREDICTIONS, TOY_CLASSES});
    do {
        w->wrong += cn_predictor_run(w->predictor, w->of->images, output) != CN_OK;
        w->wrong += memcmp(cn_tensor_data(output), cn_tensor_data(w->of->output),
                           PREDICTIONS * TOY_CLASSES * sizeof(float)) != 0;
        w->runs++;
    } while (!atomic_load(w->over));
    cn_tensor_free(output);
    return NULL;
}

static void train_model(cn_model *model, const cn_dataset *set) {
    cn_trainer *trainer;
    ck_ok(cn_trainer_new(model, set, set, NULL, &trainer));
    ck_ok(cn_trainer_fit(trainer, test_quick() ? 3 : 20, NULL, NULL));
    cn_trainer_free(trainer);
}

START_TEST(a_model_is_trained_while_its_predictors_run) {
    predictions f = predictions_begin(3), undisturbed = predictions_begin(3);
    atomic_bool over = false;
    watcher watchers[HOSTS];
    pthread_t threads[HOSTS];
    for (int i = 0; i < HOSTS; i++)
        watchers[i] = (watcher){&f, predictor_for(f.model, i % 2 ? 16 : 0), &over, 0, 0};
    ck_ok(cn_predictor_run(watchers[0].predictor, f.images, f.output));
    for (int i = 0; i < HOSTS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, watch, &watchers[i]), 0);
    train_model(f.model, f.data.set);
    atomic_store(&over, true);
    for (int i = 0; i < HOSTS; i++) {
        pthread_join(threads[i], NULL);
        ck_assert_int_eq(watchers[i].wrong, 0);
        cn_predictor_free(watchers[i].predictor);
    }
    train_model(undisturbed.model, undisturbed.data.set);
    toy_expect_equal(f.model, undisturbed.model);
    predictions_end(&undisturbed);
    predictions_end(&f);
}
END_TEST

/* ---- what must not be ---- */

typedef struct rival {
    predictions *of;
    cn_predictor *predictor; /* all rivals' */
    int right, wrong;
} rival;

static void *compete(void *argument) {
    rival *r = argument;
    cn_tensor *output = float_tensor(r->of->ctx, 2, (int64_t[]){PREDICTIONS, TOY_CLASSES});
    for (int i = 0; i < (test_quick() ? 100 : 2000); i++) {
        cn_status status = cn_predictor_run(r->predictor, r->of->images, output);
        bool same = memcmp(cn_tensor_data(output), cn_tensor_data(r->of->output),
                           PREDICTIONS * TOY_CLASSES * sizeof(float)) == 0;
        r->right += status == CN_OK && same;
        r->wrong += status != CN_ERR_STATE && !(status == CN_OK && same);
    }
    cn_tensor_free(output);
    return NULL;
}

START_TEST(threads_at_one_predictor_get_a_status) {
    predictions f = predictions_begin(2);
    cn_predictor *predictor = predictor_for(f.model, 0);
    rival rivals[HOSTS];
    int right = 0;
    ck_ok(cn_predictor_run(predictor, f.images, f.output));
    for (int i = 0; i < HOSTS; i++)
        rivals[i] = (rival){&f, predictor, 0, 0};
    on_threads(HOSTS, compete, rivals, sizeof *rivals);
    for (int i = 0; i < HOSTS; i++) {
        ck_assert_int_eq(rivals[i].wrong, 0);
        right += rivals[i].right;
    }
    ck_assert_int_gt(right, 0);
    cn_predictor_free(predictor);
    predictions_end(&f);
}
END_TEST

typedef struct fitting {
    cn_trainer *trainer; /* all threads' */
    int fitted, wrong;
} fitting;

static void *fit_often(void *argument) {
    fitting *f = argument;
    for (int i = 0; i < 20; i++) {
        cn_status status = cn_trainer_fit(f->trainer, 1, NULL, NULL);
        f->fitted += status == CN_OK;
        f->wrong += status != CN_OK && status != CN_ERR_STATE;
    }
    return NULL;
}

/* Whoever fits, epochs come one after the other. */
START_TEST(threads_at_one_trainer_get_a_status) {
    training f = training_begin(CN_NORM_BATCH, 0.1f), alone = training_begin(CN_NORM_BATCH, 0.1f);
    cn_trainer *trainer = training_trainer(&f, f.model), *other = training_trainer(&alone, alone.model);
    fitting fittings[HOSTS];
    int fitted = 0;
    for (int i = 0; i < HOSTS; i++)
        fittings[i] = (fitting){trainer, 0, 0};
    on_threads(HOSTS, fit_often, fittings, sizeof *fittings);
    for (int i = 0; i < HOSTS; i++) {
        ck_assert_int_eq(fittings[i].wrong, 0);
        fitted += fittings[i].fitted;
    }
    ck_assert_int_gt(fitted, 0);
    ck_assert_int_eq(cn_trainer_epoch_count(trainer), fitted);
    ck_ok(cn_trainer_fit(other, fitted, NULL, NULL));
    toy_expect_equal(f.model, alone.model);
    cn_trainer_free(other);
    cn_trainer_free(trainer);
    training_end(&alone);
    training_end(&f);
}
END_TEST

int main(void) {
    const TTest *const trainings[] = {several_train_at_once};
    const TTest *const crowds[] = {hundreds_of_predictors_share_their_weights};
    const TTest *const others[] = {a_model_is_trained_while_its_predictors_run, threads_at_one_predictor_get_a_status,
                                   threads_at_one_trainer_get_a_status};
    Suite *suite = suite_create("host_threads");
    test_add(suite, "trainings", trainings, COUNT(trainings), 3);
    test_add(suite, "predictors", crowds, COUNT(crowds), 2);
    test_add(suite, "others", others, COUNT(others), 1);
    return test_run(suite);
}
