/* SPDX-License-Identifier: MIT */
/* expectation.h: what a pass should give and how exactly, from the reference and from golden/layers.txt. */
#ifndef EXPECTATION_H
#define EXPECTATION_H

#include "network.h"

#define COMPLAINT 300 /* bytes of a message about the worst difference */

/* ---- the reference's word ---- */

#define NET_ARRAYS (2 + NET_MAX_TENSORS)

/* What a pass should give. `rounding` is what float32 may do to each of its arrays (output, gradient of the input, then
 * the tensors' gradients or statistics): measured, by passes in which every sum is off by its rounding error. So
 * results that cancel, such as the gradient of a bias ahead of a norm, are judged by what they are made of. These passes
 * take long: they run when a comparison first fails without them. */
typedef struct expectation {
    const network *net;
    net_pass *given, *pass;
    double rounding[NET_ARRAYS];
    bool measured;   /* rounding is */
    bool smooth;     /* no gradient jumps near here: gradients can be compared */
    bool has_slopes; /* nor just here: finite differences can, too */
} expectation;

/* Runs the reference on what `given` holds, which stays as it is. The network has to outlive what is expected. */
expectation *net_expect(const network *net, const net_pass *given);
void net_expectation_free(expectation *wanted);

/* Compares a pass with what was expected. Writes what differs most into `complaint` and returns how many values differ
 * by more than 1e-5 of their array's largest plus `safety` times rounding. Gradients are compared in training passes,
 * if smooth. The library may sum in ways that lose more than the reference's: a little in a layer, more in a dozen. */
#define NET_LAYER_SAFETY 20.0
#define NET_GRAPH_SAFETY 200.0
int net_compare(const network *net, const net_pass *got, expectation *wanted, double safety, char complaint[COMPLAINT]);

/* Compares the gradients of `got` with finite differences of the reference, array by array along a random direction;
 * returns how many arrays differ. */
int net_compare_differences(const network *net, const net_pass *got, expectation *wanted, char complaint[COMPLAINT]);

/* Compares two passes to the bit. */
int net_compare_bits(const network *net, const net_pass *got, const net_pass *wanted, char complaint[COMPLAINT]);

/* ---- PyTorch's word ---- */

typedef struct golden golden;

/* Reads the file; the test program ends if it cannot. */
golden *golden_read(const char *path);
void golden_free(golden *file);
int golden_count(const golden *file);
const char *golden_text(const golden *file, int index); /* the case, for network_parse */

/* Compares a pass with the file, to the rounding of what the reference expects; NULL for a pass in double precision. */
int golden_compare(const golden *file, int index, const network *net, const net_pass *pass, expectation *reference,
                   char complaint[COMPLAINT]);

#endif
