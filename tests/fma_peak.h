/* SPDX-License-Identifier: MIT */
/* fma_peak.h: what the machine's fused multiply-add units can do, measured now. */
#ifndef FMA_PEAK_H
#define FMA_PEAK_H

#include <convnet.h>

/* GFLOP/s (a fused multiply-add counts two) of `threads` threads with registers of an instruction set, the best of a
 * few short runs. */
double fma_peak(cn_isa isa, int threads);

#endif
