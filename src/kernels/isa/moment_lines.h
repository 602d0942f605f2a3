/* SPDX-License-Identifier: MIT */
/* moment_lines.h: how convolutions gather moments (CN__MOMENT_… in convolutions.h) while their outputs are in registers. */
#ifndef CN_MOMENT_LINES_H
#define CN_MOMENT_LINES_H

#include "kernels/isa/simd.h"

/* Of a run of pixels. */
typedef struct moments {
    vf pivot, sum, squares;
} moments;

INLINE moments moments_from(const float *lines) {
    return (moments){vf_load(lines + CN__MOMENT_PIVOT * CN__LANES), vf_load(lines + CN__MOMENT_SUM * CN__LANES),
                     vf_load(lines + CN__MOMENT_SQUARES * CN__LANES)};
}

INLINE void moments_to(float *lines, const moments *m) {
    vf_store(lines + CN__MOMENT_PIVOT * CN__LANES, m->pivot);
    vf_store(lines + CN__MOMENT_SUM * CN__LANES, m->sum);
    vf_store(lines + CN__MOMENT_SQUARES * CN__LANES, m->squares);
}

INLINE void add_to_moments(moments *m, vf value) {
    vf x = value - m->pivot;
    m->sum += x;
    m->squares = vf_fma(x, x, m->squares);
}

INLINE void begin_moments(float *lines, vf pivot) {
    moments_to(lines, &(moments){pivot, (vf){0}, (vf){0}});
    vf_store(lines + CN__MOMENT_EARLIER_SUM * CN__LANES, (vf){0});
    vf_store(lines + CN__MOMENT_EARLIER_SQUARES * CN__LANES, (vf){0});
}

/* What the last run came to goes to those before. */
INLINE void begin_run(float *lines) {
    float *sum = lines + CN__MOMENT_EARLIER_SUM * CN__LANES, *squares = lines + CN__MOMENT_EARLIER_SQUARES * CN__LANES;
    moments last = moments_from(lines);
    vf_store(sum, vf_load(sum) + last.sum);
    vf_store(squares, vf_load(squares) + last.squares);
    moments_to(lines, &(moments){last.pivot, (vf){0}, (vf){0}});
}

#endif
