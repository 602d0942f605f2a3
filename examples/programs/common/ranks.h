/* SPDX-License-Identifier: MIT */
/* ranks.h: processes that a launcher such as mpirun has started, as one run. */
#ifndef EXAMPLES_RANKS_H
#define EXAMPLES_RANKS_H

#include "common.h"

typedef struct ranks {
    cn_communicator communicator; /* of one rank: this process is alone */
    const char *launcher;         /* of several processes, and what it says of this one; NULL: there is none */
    int launched_rank, launched_ranks;
    int threads;   /* that suit this process; 0: one for each core */
    void *library; /* libconvnet-mpi, which is loaded only where it is wanted */
    void (*release)(cn_communicator *);
} ranks;

/* Before the command line is read: finds out whether there are others, unless an argument is --alone. Ranks other than 0
 * then print nothing to standard output, nor mistakes on the command line, and what they complain of begins with their
 * rank. Complains on failure. */
bool ranks_find(ranks *r, int argc, char **argv);

/* For a program that does not share its work, whose processes would be in each other's way: whether there are no others.
 * Complains. */
bool ranks_absent(void);

/* Joins the others, if there are any, through libconvnet-mpi. Complains on failure. */
bool ranks_join(ranks *r);

/* For options; NULL: alone. */
const cn_communicator *ranks_communicator(const ranks *r);

/* Whether this process speaks and writes for all. */
bool ranks_speaks(const ranks *r);

/* The largest of the values that all ranks have; to be called by all. */
int ranks_largest(const ranks *r, int value);

/* Ends the run of all, where this rank has failed by itself and has said so. */
void ranks_give_up(const ranks *r);

/* Before the program ends with that code. */
void ranks_leave(const ranks *r, int code);

#endif
