/* SPDX-License-Identifier: MIT */
/* openmp.c: a host whose own threads are OpenMP's and OpenBLAS's (where it is installed): they call the library from within
 * parallel regions, work beside it, and are started by the functions that it calls. Everything has the results that it has
 * alone. */
#include <convnet.h>
#include <dlfcn.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TEAM = 4, ROUNDS = 10, SIDE = 12, PIXELS = SIDE * SIDE, CLASSES = 3, IMAGES = 40, ORDER = 96 };

static void need(cn_status status, const char *call) {
    if (status == CN_OK)
        return;
    fprintf(stderr, "%s: %s: %s\n", call, cn_status_string(status), cn_last_error());
    exit(1);
}
#define NEED(call) need(call, #call)

static void expect(int holds, const char *what) {
    if (holds)
        return;
    fprintf(stderr, "%s\n", what);
    exit(1);
}

/* ---- the host's own work ---- */

/* cblas_sgemm of OpenBLAS, whose threads are its own; NULL: not here. */
typedef void sgemm_function(int order, int trans_a, int trans_b, int m, int n, int k, float alpha, const float *a,
                            int lda, const float *b, int ldb, float beta, float *c, int ldc);
static sgemm_function *sgemm;

static const char *find_blas(void) {
    void *blas = dlopen("libopenblas.so.0", RTLD_NOW | RTLD_LOCAL);
    char *(*config)(void);
    void (*set_threads)(int);
    if (!blas)
        return "no OpenBLAS here";
    *(void **)&sgemm = dlsym(blas, "cblas_sgemm");
    *(void **)&config = dlsym(blas, "openblas_get_config");
    *(void **)&set_threads = dlsym(blas, "openblas_set_num_threads");
    expect(sgemm && config && set_threads, "this is no OpenBLAS");
    set_threads(3);
    return config();
}

static float factor[ORDER * ORDER];

/* A product of matrices, by threads that the host has beside the library's; its bits. */
static unsigned host_work(void) {
    static const int row_major = 101, as_is = 111;
    float *product = malloc(sizeof factor);
    unsigned hash = 1;
    expect(product != NULL, "no memory");
    if (sgemm) {
        sgemm(row_major, as_is, as_is, ORDER, ORDER, ORDER, 1.0f, factor, ORDER, factor, ORDER, 0.0f, product, ORDER);
    } else {
#pragma omp parallel for num_threads(2)
        for (int i = 0; i < ORDER * ORDER; i++)
            product[i] = factor[i] * 2.0f;
    }
    for (int i = 0; i < ORDER * ORDER; i++) {
        unsigned bits;
        memcpy(&bits, &product[i], sizeof bits);
        hash = hash * 31u + bits;
    }
    free(product);
    return hash;
}

static unsigned host_wants;

static void do_host_work(void) {
    expect(host_work() == host_wants, "the host's own results differ");
}

/* ---- a training whose functions do such work, too ---- */

static int fetch(void *user, int64_t index, uint8_t *pixels, int64_t *label) {
    (void)user;
    if (index % 16 == 0)
        do_host_work();
#pragma omp parallel for num_threads(2)
    for (int i = 0; i < PIXELS; i++)
        pixels[i] = (uint8_t)(index * 37 + i * 11 + index * i % 23);
    *label = index % CLASSES;
    return 0;
}

static int on_batch(void *user, const cn_batch_info *batch) {
    (void)user;
    (void)batch;
    do_host_work();
    return 0;
}

static cn_model *network(cn_context *context) {
    cn_model *model;
    cn_layer *layer;
    cn_conv2d_options conv = CN_CONV2D_OPTIONS_INIT;
    conv.padding[0] = conv.padding[1] = 1;
    NEED(cn_model_new(context, 1, SIDE, SIDE, &model));
    NEED(cn_conv2d_new(context, 1, 8, 3, 3, &conv, &layer));
    NEED(cn_model_append(model, "conv", layer));
    NEED(cn_norm_new(context, CN_NORM_BATCH, 8, NULL, &layer));
    NEED(cn_model_append(model, "norm", layer));
    NEED(cn_relu_new(context, &layer));
    NEED(cn_model_append(model, "relu", layer));
    NEED(cn_flatten_new(context, &layer));
    NEED(cn_model_append(model, "flatten", layer));
    NEED(cn_linear_new(context, 8 * PIXELS, CLASSES, 1, &layer));
    NEED(cn_model_append(model, "fc", layer));
    NEED(cn_log_softmax_new(context, &layer));
    NEED(cn_model_append(model, "out", layer));
    NEED(cn_model_init(model, 1));
    return model;
}

/* The file of a model that was trained in that context: its bits are the training's. */
static cn_tensor *trained(cn_context *context) {
    cn_dataset_source source = CN_DATASET_SOURCE_INIT;
    cn_trainer_options options = CN_TRAINER_OPTIONS_INIT;
    cn_model *model = network(context);
    cn_dataset *data;
    cn_trainer *trainer;
    cn_tensor *file;
    source.count = IMAGES;
    source.channels = 1;
    source.height = source.width = SIDE;
    source.classes = CLASSES;
    source.fetch = fetch;
    options.on_batch = on_batch;
    options.batch_size = 16;
    NEED(cn_dataset_callback(context, &source, &data));
    NEED(cn_trainer_new(model, data, data, &options, &trainer));
    NEED(cn_trainer_fit(trainer, 2, NULL, NULL));
    NEED(cn_model_save_memory(model, &file));
    cn_trainer_free(trainer);
    cn_dataset_free(data);
    cn_model_free(model);
    return file;
}

static int same_bytes(const cn_tensor *a, const cn_tensor *b) {
    return cn_tensor_count(a) == cn_tensor_count(b) &&
           memcmp(cn_tensor_data_const(a), cn_tensor_data_const(b), (size_t)cn_tensor_count(a)) == 0;
}

static void train_again(cn_context *context, const cn_tensor *wanted) {
    cn_tensor *file = trained(context);
    expect(same_bytes(file, wanted), "a training beside others has other bits");
    cn_tensor_free(file);
}

static void train_in_a_context_of_its_own(int threads, const cn_tensor *wanted) {
    cn_context_options options = CN_CONTEXT_OPTIONS_INIT;
    cn_context *own;
    options.threads = threads;
    NEED(cn_context_new(&options, &own));
    train_again(own, wanted);
    cn_context_free(own);
}

/* ---- predictions from within parallel regions ---- */

static cn_tensor *floats(cn_context *context, int dims, const int64_t *shape) {
    cn_tensor *tensor;
    NEED(cn_tensor_new(context, CN_DTYPE_FLOAT32, dims, shape, &tensor));
    return tensor;
}

static cn_tensor *predict(cn_context *context, cn_predictor *predictor, const cn_tensor *images) {
    cn_tensor *output = floats(context, 2, (int64_t[]){IMAGES, CLASSES});
    NEED(cn_predictor_run(predictor, images, output));
    return output;
}

static void predict_again(cn_context *context, cn_predictor *predictor, const cn_tensor *images,
                          const cn_tensor *wanted) {
    cn_tensor *output = predict(context, predictor, images);
    expect(memcmp(cn_tensor_data(output), cn_tensor_data_const(wanted), IMAGES * CLASSES * sizeof(float)) == 0,
           "a prediction beside others has other bits");
    cn_tensor_free(output);
}

/* ---- all at once ---- */

int main(void) {
    cn_context_options options = CN_CONTEXT_OPTIONS_INIT;
    cn_context *context;
    cn_predictor *predictors[TEAM];
    for (int i = 0; i < ORDER * ORDER; i++)
        factor[i] = (float)(i * 29 % 101) / 101.0f - 0.5f;
    const char *blas = find_blas();
    host_wants = host_work();
    options.threads = 3;
    NEED(cn_context_new(&options, &context));
    size_t empty = cn_context_memory(context);
    cn_tensor *wanted_file = trained(context), *images = floats(context, 4, (int64_t[]){IMAGES, 1, SIDE, SIDE});
    cn_model *model = network(context);
    for (int i = 0; i < IMAGES * PIXELS; i++)
        ((float *)cn_tensor_data(images))[i] = (float)(i * 7 % 19) / 19.0f;
    NEED(cn_predictor_new(model, NULL, &predictors[0]));
    cn_tensor *wanted = predict(context, predictors[0], images);

    int team = 0;
#pragma omp parallel num_threads(TEAM)
    {
        int me = omp_get_thread_num();
#pragma omp single
        team = omp_get_num_threads();
        if (me > 0)
            NEED(cn_predictor_clone(predictors[0], &predictors[me]));
#pragma omp barrier
#pragma omp for schedule(dynamic)
        for (int round = 0; round < TEAM * ROUNDS; round++) {
            predict_again(context, predictors[me], images, wanted);
            if (round % 4 == 0)
                do_host_work();
        }
#pragma omp for schedule(dynamic)
        for (int job = 0; job < 2 * TEAM; job++)
            switch (job % 4) {
            case 0:
                train_again(context, wanted_file);
                break;
            case 1:
                train_in_a_context_of_its_own(1 + job / 4, wanted_file);
                break;
            case 2:
                predict_again(context, predictors[me], images, wanted);
                break;
            default:
                do_host_work();
            }
        if (me > 0)
            cn_predictor_free(predictors[me]);
    }
    predict_again(context, predictors[0], images, wanted);
    cn_predictor_free(predictors[0]);
    cn_model_free(model);
    cn_tensor_free(wanted);
    cn_tensor_free(images);
    cn_tensor_free(wanted_file);
    expect(cn_context_memory(context) == empty, "memory is left");
    cn_context_free(context);
    printf("%d threads of OpenMP, %s\n", team, blas);
    return 0;
}
