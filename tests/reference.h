/* SPDX-License-Identifier: MIT */
/* reference.h: the same networks in double precision, one number at a time: what the library is measured by.
 *
 * Forward passes are plain loops over the definitions. Gradients are not derived by hand at all: every number remembers
 * which numbers it came from and how fast it changes with each (a tape), and the chain rule runs over that. */
#ifndef REFERENCE_H
#define REFERENCE_H

#include "network.h"

/* How a pass went past the points where a gradient jumps, which are a ReLU's input at 0 and equal candidates for one
 * maximum. */
typedef struct net_jumps {
    double nearest; /* the smallest distance from one: if tiny, float32 may be on its other side */
    bool met;       /* it was exactly there: that is so in any precision, but no finite difference can tell */
} net_jumps;

/* Does what net_run_library does: output, running statistics and, in training, gradients. */
net_jumps net_run_reference(const network *net, net_pass *pass);

/* The same with every sum off by what float32 may lose in it, at random. */
void net_run_noisy_reference(const network *net, net_pass *pass, unsigned seed);

/* Central difference of Σ grad_output · output along the direction net_value(NET_DIRECTION, …) in tensor `t`, or in the
 * input if `t` is negative; for what now is in `pass`, which stays as it is. */
#define NET_DIRECTION 3
double net_difference(const network *net, net_pass *pass, int t);

#endif
