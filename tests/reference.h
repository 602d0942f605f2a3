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

/* Below this distance float32 may see another gradient, or a finite difference straddle the jump. */
#define NET_MARGIN 1e-4

/* Compares the gradients in `pass` with central differences of Σ grad_output · output along a random direction in the
 * input and in each parameter. `pass` must hold what the pass was given; running statistics do not matter.
 * Returns the worst disagreement, relative to the gradient's largest value and the root of its size, and the array's
 * name. */
double net_check_differences(const network *net, net_pass *pass, const char **worst);

#endif
