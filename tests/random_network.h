/* SPDX-License-Identifier: MIT */
/* random_network.h: networks drawn at random from a seed: single layers with random options, and random graphs. */
#ifndef RANDOM_NETWORK_H
#define RANDOM_NETWORK_H

#include "network.h"

/* A small generator of its own (Steele, Lea & Flood 2014: SplitMix64), so that seeds mean the same for ever. */
typedef struct dice {
    uint64_t state;
    bool seed_is_late; /* may draw layers that came later: without it, old seeds draw what they always drew */
} dice;
#define LATE_SEEDS 1000             /* suites take seeds from here on for late ones */
int dice_below(dice *d, int bound); /* 0 … bound - 1 */

/* A training pass through one layer. `cost` bounds the multiply-adds of the whole batch. */
void random_layer(dice *d, double cost, network *net);

/* A training pass through a graph: chains and branches, skips, sums, values with several readers, norms followed by
 * what can and what cannot be computed along with them. `cost` bounds the multiply-adds of one image. */
void random_graph(dice *d, double cost, network *net);

/* That of a seed, by which a failure can name it. */
network random_graph_of(int seed);

#endif
