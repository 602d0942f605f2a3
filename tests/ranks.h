/* SPDX-License-Identifier: MIT */
/* ranks.h: a communicator without processes: threads of one process are the ranks, each with a context of its own. What
 * they send arrives late and out of order, and any call can be made to fail or fall silent. */
#ifndef RANKS_H
#define RANKS_H

#include <convnet.h>
#include <stdbool.h>

enum { RANKS_MOST = 4 };

/* What goes wrong, and with which rank. */
typedef struct ranks_fault {
    int rank;
    int fail_at;   /* the so-manieth call of its functions fails; 0: none */
    int silent_at; /* from that call on it is not heard of any more */
} ranks_fault;

typedef struct ranks {
    int count;
    double timeout;
    ranks_fault fault;
    /* Found when all have ended: */
    int calls[RANKS_MOST]; /* of a rank's functions */
    int aborts;            /* by how many ranks */
    const char *complaint; /* what ranks did that a communicator does not allow; NULL: nothing */
} ranks;

/* Runs `body` on a thread for each of `count` ranks, with a communicator that may be copied. */
typedef void ranks_body(const cn_communicator *communicator, void *argument);
void ranks_run(ranks *ranks, ranks_body *body, void *argument);

#endif
