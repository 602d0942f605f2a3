/* SPDX-License-Identifier: MIT */
/* planes.c: planes of lines for tests of kernels. */
#include "planes.h"
#include "testing.h"
#include <math.h>
#include <stdlib.h>

const cn__kernels *kernels, *twin;

void choose_kernels(void) {
    cn_context *context = test_context(1);
    kernels = context->kernels;
    twin = kernels->isa == CN_ISA_AVX512 ? cn__kernels_for(CN_ISA_AVX2) : kernels;
    cn_context_free(context);
}

int32_t between(cn__rng *rng, uint32_t least, uint32_t most) {
    return (int32_t)(least + cn__rng_below(rng, most - least + 1));
}

float *lines_new(size_t lines) {
    float *values = aligned_alloc(CN__ALIGN, lines * CN__LANES * sizeof *values);
    ck_assert_ptr_nonnull(values);
    return values;
}

static float random_value(cn__rng *rng, float limit, int whole) {
    if (whole)
        return (float)(int)cn__rng_below(rng, 2 * (uint32_t)limit + 1) - limit;
    return limit * (2.0f * cn__rng_uniform(rng) - 1.0f);
}

float *lines_random(cn__rng *rng, size_t lines, float limit, int whole) {
    float *values = lines_new(lines);
    for (size_t i = 0; i < lines * CN__LANES; i++)
        values[i] = random_value(rng, limit, whole);
    return values;
}

float *plane_at(cn__plane plane, int32_t row, int32_t column, int lane) {
    return plane.data + (ptrdiff_t)row * (ptrdiff_t)plane.row + (ptrdiff_t)column * CN__LANES + lane;
}

static size_t lines_of(int32_t height, int32_t width) {
    return (size_t)(height + 2) * (size_t)(width + 2);
}

static float *memory_of(cn__plane plane) {
    return plane_at(plane, -1, -1, 0);
}

cn__plane plane_new(int32_t height, int32_t width) {
    float *memory = lines_new(lines_of(height, width));
    for (size_t i = 0; i < lines_of(height, width) * CN__LANES; i++)
        memory[i] = NAN;
    size_t row = (size_t)(width + 2) * CN__LANES;
    return (cn__plane){memory + row + CN__LANES, row, 0};
}

cn__plane plane_random(cn__rng *rng, int32_t height, int32_t width, float limit, int whole) {
    cn__plane plane = plane_new(height, width);
    for (int32_t r = 0; r < height; r++)
        for (int32_t i = 0; i < width * CN__LANES; i++)
            plane.data[(size_t)r * plane.row + (size_t)i] = random_value(rng, limit, whole);
    return plane;
}

cn__plane plane_copy(cn__plane plane, int32_t height, int32_t width) {
    cn__plane copy = plane_new(height, width);
    memcpy(memory_of(copy), memory_of(plane), lines_of(height, width) * CN__LANES * sizeof(float));
    return copy;
}

void plane_free(cn__plane plane) {
    free(memory_of(plane));
}

void check_guard(cn__plane plane, int32_t height, int32_t width) {
    for (int32_t r = -1; r <= height; r++)
        for (int32_t c = -1; c <= width; c++)
            for (int l = 0; l < CN__LANES && (r < 0 || c < 0 || r == height || c == width); l++)
                ck_assert_msg(isnan(*plane_at(plane, r, c, l)), "row %d, column %d, lane %d was written", r, c, l);
}

void check_same_bits(cn__plane a, cn__plane b, int32_t height, int32_t width) {
    for (int32_t r = 0; r < height; r++)
        for (int32_t c = 0; c < width; c++)
            for (int l = 0; l < CN__LANES; l++)
                ck_assert_msg(memcmp(plane_at(a, r, c, l), plane_at(b, r, c, l), sizeof(float)) == 0,
                              "row %d, column %d, lane %d: %.9g and %.9g", r, c, l, (double)*plane_at(a, r, c, l),
                              (double)*plane_at(b, r, c, l));
}
