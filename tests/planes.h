/* planes.h: planes of lines for tests of kernels, with guards around them, and the kernels under test. */
#ifndef PLANES_H
#define PLANES_H

#include "base/base.h"
#include "kernels/kernels.h"

/* The kernels that a context takes (CONVNET_MAX_ISA caps them), and those that must agree with them to the bit: AVX2's
 * where they are AVX-512's, otherwise the same. */
const cn__kernels *kernels_in_use(void);
const cn__kernels *kernels_twin(void);

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
