/* SPDX-License-Identifier: MIT */
/* exact_sum.h: long sums that hold what rounding takes from them, so that they come out as if added up in twice the precision
 * (Ogita, Rump & Oishi 2005: Sum2). Plain sums of runs of a row go into one of these, which costs a few percent of a pass
 * over a plane, where one for each pixel would take as long again. */
#ifndef CN_EXACT_SUM_H
#define CN_EXACT_SUM_H

#include "kernels/isa/simd.h"

#define CN__RUN 16 /* columns that are added up plainly; even, since even and odd ones go apart */

typedef struct exact_sum {
    vf sum, lost;
} exact_sum;

INLINE void exact_add(exact_sum *to, vf x) {
    vf sum = to->sum + x, added = sum - to->sum;
    to->lost += (to->sum - (sum - added)) + (x - added);
    to->sum = sum;
}

INLINE vf exact_total(const exact_sum *of) {
    return of->sum + of->lost;
}

INLINE int32_t run_end(int32_t begin, int32_t width) {
    return width - begin < CN__RUN ? width : begin + CN__RUN;
}

#endif
