/* SPDX-License-Identifier: MIT */
/* threads.c: how many threads suit a process that shares its machine with others. */
#define _GNU_SOURCE /* sched_getaffinity; NOLINT(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp): glibc's own */
#include "ranks.h"
#include <sched.h>
#include <unistd.h>

enum { CORES = 8192 };

/* 1 for each core where this process may run. */
static void find_cores(int cores[CORES]) {
#ifdef __linux__
    union {
        cpu_set_t set;
        unsigned char bytes[CORES / 8];
    } allowed;
    if (sched_getaffinity(0, sizeof allowed, &allowed.set) == 0) {
        for (size_t i = 0; i < CORES; i++)
            cores[i] = CPU_ISSET_S(i, sizeof allowed, &allowed.set) != 0;
        return;
    }
#endif
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    for (long i = 0; i < CORES; i++)
        cores[i] = i < (online > 1 ? online : 1);
}

/* A launcher binds each process to cores of its own, to those of a socket together with others, or not at all. */
cn_status cn_mpi__count_threads(MPI_Comm comm, int *threads) {
    MPI_Comm machine;
    int mine[CORES], sharing[CORES];
    double share = 0.0;
    cn_status status = cn_mpi__check(MPI_Comm_split_type(comm, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &machine),
                                     "MPI_Comm_split_type");
    if (status != CN_OK)
        return status;
    find_cores(mine);
    status = cn_mpi__check(MPI_Allreduce(mine, sharing, CORES, MPI_INT, MPI_SUM, machine), "MPI_Allreduce");
    MPI_Comm_free(&machine);
    if (status != CN_OK)
        return status;
    for (size_t i = 0; i < CORES; i++)
        share += mine[i] ? 1.0 / sharing[i] : 0.0;
    *threads = share < 1.0 ? 1 : (int)(share + 1e-6);
    return CN_OK;
}
