/* SPDX-License-Identifier: MIT */
/* convnet-mpi.h: processes that MPI has started, as a cn_communicator, so that they train one model together.
 *
 * Link with `pkg-config --cflags --libs convnet-mpi`; started by mpirun, mpiexec or srun. A library of its own: libconvnet
 * itself knows nothing of MPI, and this header needs no mpi.h. Each function must be called by all processes.
 *
 *     cn_communicator ranks = CN_COMMUNICATOR_INIT;
 *     if (cn_mpi_new(NULL, &ranks) == CN_OK) {
 *         … options.communicator = &ranks; …
 *         cn_mpi_free(&ranks);
 *     }
 *
 * A message of a process is lost among those of hundreds, and one that has ended leaves the others waiting. So a process
 * that cannot go on calls `ranks.abort(ranks.user, status, message)`, as the library does: it prints the message to
 * standard error, unless it is "", and ends all processes, within seconds. Of several that have something to say rank 0 is heard, or the
 * first of them.
 */
#ifndef CONVNET_MPI_H
#define CONVNET_MPI_H

#include <convnet.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define CN_MPI_API __attribute__((visibility("default")))
#else
#define CN_MPI_API
#endif

/* ------------------------------------------------------------------------------------------ */
/* Processes of MPI as a communicator                                                         */

/** Fills in `ranks`, which the caller has set to CN_COMMUNICATOR_INIT, for the processes of a communicator of MPI's, of
 * which it uses a duplicate. `comm` points to an MPI_Comm; NULL: MPI_COMM_WORLD. MPI is initialised unless the program has
 * done that, then with MPI_THREAD_FUNNELED at least; with no more than that, only the thread that initialised it may
 * train. CN_ERR_STATE: it has been with less, or has been finalised; CN_ERR_COMMUNICATION: MPI itself failed.
 * cn_mpi_last_error() says more. */
CN_MPI_API cn_status cn_mpi_new(const void *comm, cn_communicator *ranks);

/** Gives back what cn_mpi_new took, and finalises MPI if cn_mpi_new has initialised it, after which nothing of MPI works any
 * more. Trainers must be gone by then. Waits for the other processes. Does nothing if there is nothing to be freed. */
CN_MPI_API void cn_mpi_free(cn_communicator *ranks);

/** The threads that suit this process, for cn_context_options.threads: the cores that it may run on, each of which it shares
 * with those processes of this machine that may run there, too. At least 1. */
CN_MPI_API int cn_mpi_threads(const cn_communicator *ranks);

/** What the last failed function of this library, or of a communicator, found wrong in this thread; "" if none failed. */
CN_MPI_API const char *cn_mpi_last_error(void);

/** The MPI that this library was built with, such as "Open MPI v4.1.4". Never NULL. */
CN_MPI_API const char *cn_mpi_library(void);

#ifdef __cplusplus
}
#endif

#endif
