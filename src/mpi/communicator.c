/* SPDX-License-Identifier: MIT */
/* communicator.c: from MPI's communicators to the library's, and back. */
#include "ranks.h"
#include <stddef.h>
#include <stdlib.h>

/* Initialises MPI unless it is; what it allows threads to do then has to be enough. */
static cn_status start_mpi(ranks *r) {
    int is_initialised, is_finalised, level;
    MPI_Initialized(&is_initialised);
    MPI_Finalized(&is_finalised);
    if (is_finalised)
        return cn_mpi__error(CN_ERR_STATE, "cn_mpi_new: MPI has been finalised");
    if (!is_initialised) {
        cn_status status = cn_mpi__check(MPI_Init_thread(NULL, NULL, MPI_THREAD_SERIALIZED, &level), "MPI_Init_thread");
        if (status != CN_OK)
            return status;
        r->initialised = 1;
        MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
    }
    MPI_Query_thread(&level);
    r->any_thread = level >= MPI_THREAD_SERIALIZED;
    return level >= MPI_THREAD_FUNNELED
               ? CN_OK
               : cn_mpi__error(CN_ERR_STATE,
                               "cn_mpi_new: MPI was initialised with MPI_THREAD_SINGLE, but the library "
                               "has threads of its own: MPI_Init_thread with MPI_THREAD_FUNNELED or more");
}

static cn_status open_comm(ranks *r, MPI_Comm comm) {
    cn_status status = cn_mpi__check(MPI_Comm_dup(comm, &r->comm), "MPI_Comm_dup");
    if (status != CN_OK)
        return status;
    MPI_Comm_set_errhandler(r->comm, MPI_ERRORS_RETURN);
    MPI_Comm_rank(r->comm, &r->rank);
    MPI_Comm_size(r->comm, &r->ranks);
    if ((status = cn_mpi__check(MPI_Type_contiguous(8, MPI_BYTE, &r->word), "MPI_Type_contiguous")) != CN_OK ||
        (status = cn_mpi__check(MPI_Type_commit(&r->word), "MPI_Type_commit")) != CN_OK)
        return status;
    return cn_mpi__count_threads(r->comm, &r->threads);
}

static void close_all(ranks *r) {
    if (r->word != MPI_DATATYPE_NULL)
        MPI_Type_free(&r->word);
    if (r->comm != MPI_COMM_NULL)
        MPI_Comm_free(&r->comm);
    if (r->initialised)
        MPI_Finalize();
    free(r);
}

cn_status cn_mpi_new(const void *comm, cn_communicator *c) {
    if (!c)
        return cn_mpi__error(CN_ERR_ARGUMENT, "cn_mpi_new: ranks is NULL");
    if (c->size < offsetof(cn_communicator, abort) + sizeof c->abort)
        return cn_mpi__error(CN_ERR_VERSION, "cn_mpi_new: ranks is of %llu bytes; set it to CN_COMMUNICATOR_INIT first",
                             (unsigned long long)c->size);
    ranks *r = calloc(1, sizeof *r);
    if (!r)
        return cn_mpi__error(CN_ERR_MEMORY, "cn_mpi_new: no memory");
    r->comm = MPI_COMM_NULL;
    r->word = MPI_DATATYPE_NULL;
    for (int i = 0; i < CN_MAX_REQUESTS; i++)
        r->requests[i] = MPI_REQUEST_NULL;
    cn_status status = start_mpi(r);
    if (status == CN_OK)
        status = open_comm(r, comm ? *(const MPI_Comm *)comm : MPI_COMM_WORLD);
    if (status != CN_OK) {
        close_all(r);
        return status;
    }
    c->rank = r->rank;
    c->ranks = r->ranks;
    c->user = r;
    cn_mpi__set_operations(c);
    return CN_OK;
}

void cn_mpi_free(cn_communicator *c) {
    if (!c || !c->user)
        return;
    /* In MPICH's MPI_Finalize one rank may else wait for an answer of others that give none any more. */
    MPI_Barrier(((const ranks *)c->user)->comm);
    close_all(c->user);
    c->rank = 0;
    c->ranks = 1;
    c->user = NULL;
    c->all_gather = c->all_to_all = NULL;
    c->broadcast = NULL;
    c->wait = NULL;
    c->abort = NULL;
}

int cn_mpi_threads(const cn_communicator *c) {
    return c && c->user ? ((const ranks *)c->user)->threads : 1;
}
