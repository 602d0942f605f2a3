/* SPDX-License-Identifier: MIT */
/* bench_start.c: what a program costs that loads a model and classifies one image: its processor time in milliseconds
 * and its largest memory in MB, both from its start on, dynamic linking included.
 *
 *   bench_start weights/session8-cifar10.safetensors */
#include <convnet.h>
#include <stdio.h>
#include <sys/resource.h>

static cn_status classify(cn_context *ctx, const char *path) {
    const int64_t in_shape[] = {1, 3, 32, 32}, out_shape[] = {1, 10};
    cn_model *model = NULL;
    cn_predictor *predictor = NULL;
    cn_tensor *image = NULL, *scores = NULL;
    cn_status status = cn_model_load(ctx, path, &model);
    if (status == CN_OK)
        status = cn_predictor_new(model, NULL, &predictor);
    if (status == CN_OK)
        status = cn_tensor_new(ctx, CN_DTYPE_FLOAT32, 4, in_shape, &image);
    if (status == CN_OK)
        status = cn_tensor_new(ctx, CN_DTYPE_FLOAT32, 2, out_shape, &scores);
    if (status == CN_OK)
        status = cn_predictor_run(predictor, image, scores);
    cn_tensor_free(scores);
    cn_tensor_free(image);
    cn_predictor_free(predictor);
    cn_model_free(model);
    return status;
}

static double milliseconds(struct timeval time) {
    return 1e3 * (double)time.tv_sec + 1e-3 * (double)time.tv_usec;
}

/* Linux counts in the shell's memory where it only says ru_maxrss. */
static double largest_memory(const struct rusage *usage) {
    char line[128];
    double kilobytes = (double)usage->ru_maxrss;
    FILE *file = fopen("/proc/self/status", "r");
    while (file && fgets(line, sizeof line, file))
        if (sscanf(line, "VmHWM: %lf", &kilobytes) == 1)
            break;
    if (file)
        fclose(file);
    return kilobytes / 1024.0;
}

int main(int argc, char **argv) {
    cn_context *ctx = NULL;
    cn_context_options options = CN_CONTEXT_OPTIONS_INIT;
    struct rusage usage;
    options.threads = 1;
    cn_status status = cn_context_new(&options, &ctx);
    if (status == CN_OK)
        status = classify(ctx, argc > 1 ? argv[1] : "weights/session8-cifar10.safetensors");
    cn_context_free(ctx);
    if (status != CN_OK || getrusage(RUSAGE_SELF, &usage) != 0) {
        fprintf(stderr, "bench_start: %s\n", cn_last_error());
        return 1;
    }
    printf("%.2f %.1f\n", milliseconds(usage.ru_utime) + milliseconds(usage.ru_stime), largest_memory(&usage));
    return 0;
}
