/* reference.h: the same networks in double precision, one number at a time: what the library is measured by.
 *
 * Forward passes are plain loops over the definitions. Gradients are not derived by hand at all: every number remembers
 * which numbers it came from and how fast it changes with each (a tape), and the chain rule runs over that. */
#ifndef REFERENCE_H
#define REFERENCE_H

#include "network.h"

/* Does what net_run_library does: output, running statistics and, in training, gradients.
 * Returns how near the pass came to a point where a gradient jumps: the smallest distance of a ReLU's input from 0, or
 * of two candidates for one maximum. Results in float32 may fall on the other side when it is tiny. */
double net_run_reference(const network *net, net_pass *pass);

/* The same with every sum off by what float32 may lose in it, at random. */
void net_run_noisy_reference(const network *net, net_pass *pass, unsigned seed);

/* Central difference of Σ grad_output · output along the direction net_value(NET_DIRECTION, …) in tensor `t`, or in the
 * input if `t` is negative; for what now is in `pass`, which stays as it is. */
#define NET_DIRECTION 3
double net_difference(const network *net, net_pass *pass, int t);

#endif
