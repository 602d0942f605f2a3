/* SPDX-License-Identifier: MIT */
/* ways.h: passes through networks in given ways: with some number of threads, an algorithm, an instruction set, a layout;
 * and what has to come out alike. */
#ifndef WAYS_H
#define WAYS_H

#include "expectation.h"
#include "network.h"

extern const cn_layout layouts[2];
const char *layout_name(const cn_context *context);

/* Fails the test unless a model trains in the layout that its context asks for. */
void expect_layout(const cn_model *model, int images);

/* net_run_library in that layout, and no other. */
void run_in_layout(cn_context *context, const network *net, net_pass *pass);

/* The same in a context for that way, on what the formula gives. */
net_pass *run_in_way(const network *net, net_way way);

/* On each instruction set of test_isas, instead of the way's, with the reference, which takes long and is computed once:
 * as net_compare does for a layer. */
int compare_isas(const network *net, net_way way, char complaint[COMPLAINT]);

/* Several numbers of threads with a single one, and AVX2 with AVX-512 where that is the way's: as net_compare_bits. */
int compare_threads(const network *net, net_way way, char complaint[COMPLAINT]);
int compare_avx2(const network *net, net_way way, char complaint[COMPLAINT]);

#endif
