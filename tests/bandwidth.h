/* SPDX-License-Identifier: MIT */
/* bandwidth.h: what the machine's memory can do, measured now. */
#ifndef BANDWIDTH_H
#define BANDWIDTH_H

/* GB/s of one thread in STREAM's triad, a[i] = b[i] + s · c[i], on arrays beyond any cache: each byte that is read or
 * written counts once. The best of several runs; 0 if there is no memory for it. */
double memory_bandwidth(void);

#endif
