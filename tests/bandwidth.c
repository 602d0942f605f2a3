/* SPDX-License-Identifier: MIT */
/* bandwidth.c: STREAM's triad (McCalpin 1995) with ordinary stores, as kernels use them. */
#include "bandwidth.h"
#include <math.h>
#include <stdlib.h>
#include <time.h>

#define FLOATS ((size_t)16 << 20) /* 64 MiB an array */
#define RUNS   5

typedef float vector __attribute__((vector_size(32)));

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

static void triad(vector *a, const vector *b, const vector *c, float factor) {
    for (size_t i = 0; i < FLOATS * sizeof(float) / sizeof *a; i++)
        a[i] = b[i] + factor * c[i];
}

double memory_bandwidth(void) {
    double best = 0.0;
    vector *arrays = aligned_alloc(64, 3 * FLOATS * sizeof(float));
    size_t vectors = FLOATS * sizeof(float) / sizeof *arrays;
    if (!arrays)
        return 0.0;
    for (size_t i = 0; i < 3 * vectors; i++)
        arrays[i] = (vector){1.0f};
    for (int run = 0; run < RUNS; run++) {
        double start = now();
        triad(arrays + (size_t)(run % 3) * vectors, arrays + (size_t)((run + 1) % 3) * vectors,
              arrays + (size_t)((run + 2) % 3) * vectors, 0.5f);
        best = fmax(best, 3.0 * (double)(FLOATS * sizeof(float)) / (now() - start) * 1e-9);
    }
    free(arrays);
    return best;
}
