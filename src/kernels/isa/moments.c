/* SPDX-License-Identifier: MIT */
/* moments.c: sums over the pixels of a plane. */
#include "kernels/isa/exact_sum.h"
#include "kernels/isa/isa.h"

/* Even and odd columns apart, so that additions do not wait for each other. */
INLINE vf run_sum(const float *p, int32_t columns) {
    vf even = {0}, odd = {0};
    for (; columns > 1; columns -= 2, p += 2 * CN__LANES) {
        even += vf_load(p);
        odd += vf_load(p + CN__LANES);
    }
    return columns > 0 ? even + vf_load(p) + odd : even + odd;
}

static vf lane_sum(cn__plane x, int32_t height, int32_t width, size_t lane) {
    exact_sum all = {{0}, {0}};
    for (int32_t r = 0; r < height; r++)
        for (int32_t c = 0; c < width; c += CN__RUN)
            exact_add(&all, run_sum(x.data + (size_t)r * x.row + (size_t)c * CN__LANES + lane, run_end(c, width) - c));
    return exact_total(&all);
}

float CN__ISA_NAME(plane_sum)(cn__plane x, int32_t height, int32_t width, int32_t lanes) {
    float line[CN__LANES] __attribute__((aligned(CN__ALIGN)));
    for (size_t lane = 0; lane < CN__LANES; lane += CN__WIDTH)
        vf_store(line + lane, lane_sum(x, height, width, lane));
    for (int32_t l = lanes; l < CN__LANES; l++)
        line[l] = 0.0f;
    return vf_line_sum(line);
}

/* Σ d and Σ d² over pixels, d = x - center. */
typedef struct deviations {
    vf plain, squares;
} deviations;

INLINE deviations run_deviations(const float *p, int32_t columns, vf center) {
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
    return (deviations){even + odd, even_squares + odd_squares};
}

static deviations lane_deviations(cn__plane x, int32_t height, int32_t width, size_t lane, vf center) {
    exact_sum plain = {{0}, {0}}, squares = {{0}, {0}};
    for (int32_t r = 0; r < height; r++)
        for (int32_t c = 0; c < width; c += CN__RUN) {
            const float *p = x.data + (size_t)r * x.row + (size_t)c * CN__LANES + lane;
            deviations run = run_deviations(p, run_end(c, width) - c, center);
            exact_add(&plain, run.plain);
            exact_add(&squares, run.squares);
        }
    return (deviations){exact_total(&plain), exact_total(&squares)};
}

/* The second pass finds what the first has left of the mean, and takes it out of both (Chan, Golub & LeVeque 1983). */
void CN__ISA_NAME(lane_moments)(cn__plane x, int32_t height, int32_t width, float *mean, float *m2, float *rest) {
    vf count = vf_set1((float)height * (float)width);
    for (size_t lane = 0; lane < CN__LANES - x.spare; lane += CN__WIDTH) {
        vf average = lane_sum(x, height, width, lane) / count;
        deviations left = lane_deviations(x, height, width, lane, average);
        vf offset = left.plain / count, whole = average + offset;
        vf_store(mean + lane, whole);
        vf_store(m2 + lane, vf_max(left.squares - left.plain * offset, (vf){0}));
        vf_store(rest + lane, offset - (whole - average));
    }
}
