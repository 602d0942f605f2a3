/* moments.c: sums over the pixels of a plane. */
#include "kernels/isa/isa.h"

float CN__ISA_NAME(plane_sum)(cn__plane x, int32_t height, int32_t width, int32_t lanes) {
    float line[CN__LANES] __attribute__((aligned(CN__ALIGN)));
    for (int vector = 0; vector < CN__VECTORS_PER_LINE; vector++) {
        vf sum = {0};
        for (int32_t r = 0; r < height; r++) {
            const float *p = x.data + (size_t)r * x.row + vector * CN__WIDTH;
            for (int32_t c = 0; c < width; c++)
                sum += vf_load(p + (size_t)c * CN__LANES);
        }
        vf_store(line + vector * CN__WIDTH, sum);
    }
    for (int32_t l = lanes; l < CN__LANES; l++)
        line[l] = 0.0f;
    return vf_line_sum(line);
}

#define RUN 64 /* columns that are added up one after the other */

/* Σ d and Σ d² over pixels, d = x - center. */
typedef struct sums {
    vf plain, squares;
} sums;

/* Even and odd columns apart, so that additions do not wait for each other. */
static inline sums run_sums(const float *p, int32_t columns, vf center) {
    vf even = {0}, odd = {0}, even_squares = {0}, odd_squares = {0};
    for (; columns > 1; columns -= 2, p += 2 * CN__LANES) {
        vf a = vf_load(p) - center, b = vf_load(p + CN__LANES) - center;
        even += a;
        odd += b;
        even_squares = vf_fma(a, a, even_squares);
        odd_squares = vf_fma(b, b, odd_squares);
    }
    if (columns > 0) {
        vf a = vf_load(p) - center;
        even += a;
        even_squares = vf_fma(a, a, even_squares);
    }
    return (sums){even + odd, even_squares + odd_squares};
}

/* Run by run, so that rounding grows with rows and columns, not with pixels. */
static inline sums plane_sums(cn__plane x, int32_t height, int32_t width, size_t lane, vf center) {
    sums all = {{0}, {0}};
    for (int32_t r = 0; r < height; r++)
        for (int32_t c = 0; c < width; c += RUN) {
            const float *p = x.data + (size_t)r * x.row + (size_t)c * CN__LANES + lane;
            sums run = run_sums(p, width - c < RUN ? width - c : RUN, center);
            all.plain += run.plain;
            all.squares += run.squares;
        }
    return all;
}

/* The second pass finds what the first has left of the mean, and takes it out of both (Chan, Golub & LeVeque 1983). */
void CN__ISA_NAME(lane_moments)(cn__plane x, int32_t height, int32_t width, float *mean, float *m2) {
    vf count = vf_set1((float)height * (float)width);
    for (size_t lane = 0; lane < CN__LANES; lane += CN__WIDTH) {
        vf average = plane_sums(x, height, width, lane, (vf){0}).plain / count;
        sums left = plane_sums(x, height, width, lane, average);
        vf rest = left.plain / count;
        vf_store(mean + lane, average + rest);
        vf_store(m2 + lane, vf_max(left.squares - left.plain * rest, (vf){0}));
    }
}
