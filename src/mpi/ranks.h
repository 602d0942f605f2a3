/* SPDX-License-Identifier: MIT */
/* ranks.h: what a communicator of MPI's consists of. */
#ifndef CONVNET_MPI_RANKS_H
#define CONVNET_MPI_RANKS_H

#include <convnet-mpi.h>
#include <mpi.h>

/* What cn_communicator.user is. */
typedef struct ranks {
    MPI_Comm comm;     /* nobody else's */
    MPI_Datatype word; /* of 8 bytes, so that counts, which are int, go up to 16 GiB */
    MPI_Request requests[CN_MAX_REQUESTS];
    int next;        /* request to look at first */
    int any_thread;  /* may call MPI, not only the one that initialised it */
    int initialised; /* by us */
    int rank, ranks, threads;
} ranks;

/* Notes what went wrong, for cn_mpi_last_error, and returns the status. */
cn_status cn_mpi__error(cn_status status, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* CN_OK for MPI_SUCCESS, else CN_ERR_COMMUNICATION with MPI's own words. */
cn_status cn_mpi__check(int code, const char *call);

/* Of the cores that this process may use, its share among the processes of its machine; to be called by all. */
cn_status cn_mpi__count_threads(MPI_Comm comm, int *threads);

/* The functions of a cn_communicator, whose `user` is ranks. */
void cn_mpi__set_operations(cn_communicator *c);

#endif
