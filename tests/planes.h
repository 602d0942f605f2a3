/* SPDX-License-Identifier: MIT */
/* planes.h: what tests of kernels share: the kernels under test, and planes of lines with guards around them. */
#ifndef PLANES_H
#define PLANES_H

#include "base/base.h"
#include "kernels/kernels.h"

/* The kernels under test, those that a context takes (CONVNET_MAX_ISA caps them), and those that must agree with them to
 * the bit: AVX2's where they are AVX-512's, otherwise the same. A fixture sets them. */
extern const cn__kernels *kernels, *twin;
void choose_kernels(void);

/* Any number from `least` to `most`. */
int32_t between(cn__rng *rng, uint32_t least, uint32_t most);

/* Lines of 16 floats, aligned; freed with free(). Random ones are uniform in ±limit, whole numbers if `whole`. */
float *lines_new(size_t lines);
float *lines_random(cn__rng *rng, size_t lines, float limit, int whole);

/* A plane with a guard of one pixel around it, holding NaN. */
cn__plane plane_new(int32_t height, int32_t width);
cn__plane plane_random(cn__rng *rng, int32_t height, int32_t width, float limit, int whole);
cn__plane plane_copy(cn__plane plane, int32_t height, int32_t width);
void plane_free(cn__plane plane);
float *plane_at(cn__plane plane, int32_t row, int32_t column, int lane);

/* The test fails if the guard was written to, or the two planes differ in a bit. */
void check_guard(cn__plane plane, int32_t height, int32_t width);
void check_same_bits(cn__plane a, cn__plane b, int32_t height, int32_t width);

#endif
