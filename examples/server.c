/* server.c: one model answers requests, drawn images in a queue, on several threads. Each has a predictor of its own.
 * SPDX-License-Identifier: MIT
 *   cc server.c $(pkg-config --cflags --libs convnet) -pthread -o server && ./server */
#include <convnet.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { THREADS = 4, REQUESTS = 400, WAITING = 8, CLASSES = 10 };

static cn_context *ctx;
static cn_dataset *drawn;
static float answers[REQUESTS + 1][CLASSES];   /* the last to compare with */
static double asked[REQUESTS], took[REQUESTS]; /* seconds */
static int put, taken;                         /* requests; at most WAITING lie between */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;

static void must(cn_status status) {
    if (status != CN_OK)
        exit((fprintf(stderr, "server: %s\n", cn_last_error()), 1));
}

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void answer(cn_predictor *predictor, int request, float *scores) {
    const int64_t in[4] = {1, 3, 32, 32}, out[2] = {1, CLASSES};
    cn_tensor *image, *output;
    must(cn_tensor_new(ctx, CN_DTYPE_UINT8, 4, in, &image));
    must(cn_tensor_borrow(ctx, CN_DTYPE_FLOAT32, 2, out, scores, &output));
    must(cn_dataset_image(drawn, request, image, &(int64_t){0}));
    must(cn_predictor_run(predictor, image, output));
    cn_tensor_free(image);
    cn_tensor_free(output);
}

static void *serve(void *predictor) {
    for (;;) {
        pthread_mutex_lock(&lock);
        while (taken == put && put < REQUESTS)
            pthread_cond_wait(&changed, &lock);
        int request = taken < put ? taken++ : REQUESTS;
        pthread_cond_broadcast(&changed);
        pthread_mutex_unlock(&lock);
        if (request == REQUESTS)
            return NULL;
        answer(predictor, request, answers[request]);
        took[request] = now() - asked[request];
    }
}

static int by_size(const void *a, const void *b) {
    return (*(const double *)a > *(const double *)b) - (*(const double *)a < *(const double *)b);
}

int main(void) {
    cn_predictor *predictors[THREADS];
    cn_model *model;
    pthread_t threads[THREADS];
    int same = 0;
    must(cn_context_new(NULL, &ctx));
    must(cn_dataset_synthetic(ctx, CN_SPLIT_TEST, REQUESTS, 1, &drawn));
    must(cn_model_session8_pretrained(ctx, &model));
    for (int i = 0; i < THREADS; i++) {
        must(i ? cn_predictor_clone(predictors[0], &predictors[i]) : cn_predictor_new(model, NULL, &predictors[0]));
        if (pthread_create(&threads[i], NULL, serve, predictors[i]) != 0)
            return 1;
    }
    while (put < REQUESTS) {
        pthread_mutex_lock(&lock);
        while (put - taken == WAITING)
            pthread_cond_wait(&changed, &lock);
        asked[put++] = now();
        pthread_cond_broadcast(&changed);
        pthread_mutex_unlock(&lock);
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < REQUESTS; i++) {
        answer(predictors[0], i, answers[REQUESTS]);
        same += memcmp(answers[REQUESTS], answers[i], sizeof answers[i]) == 0;
    }
    qsort(took, REQUESTS, sizeof *took, by_size);
    printf("%d threads: %d of %d answers are those of one alone; median %.2f ms, 95 %% %.2f ms, 99 %% %.2f ms\n",
           THREADS, same, REQUESTS, 1e3 * took[REQUESTS / 2], 1e3 * took[REQUESTS * 95 / 100],
           1e3 * took[REQUESTS * 99 / 100]);
    for (int i = 0; i < THREADS; i++)
        cn_predictor_free(predictors[i]);
    cn_model_free(model);
    cn_dataset_free(drawn);
    cn_context_free(ctx);
    return same == REQUESTS ? 0 : 1;
}
