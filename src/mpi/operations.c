/* SPDX-License-Identifier: MIT */
/* operations.c: what a communicator does, as non-blocking collectives of MPI 3. */
#include "ranks.h"
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

/* ---- operations begin ---- */

/* A request, and a count of words. MPI must be in a state to take them. */
static cn_status prepare(ranks *r, size_t bytes, const char *call, MPI_Request **request, int *words) {
    int main_thread = 1;
    for (int i = 0; i < CN_MAX_REQUESTS && r->requests[r->next] != MPI_REQUEST_NULL; i++)
        r->next = (r->next + 1) % CN_MAX_REQUESTS; /* one that is under way for long */
    *request = &r->requests[r->next];
    *words = (int)(bytes / 8);
    if (bytes % 8 != 0 || bytes == 0 || bytes / 8 > INT_MAX)
        return cn_mpi__error(CN_ERR_ARGUMENT, "%s: %zu bytes are not a multiple of 8 from 8 up to 16 GiB", call, bytes);
    if (**request != MPI_REQUEST_NULL)
        return cn_mpi__error(CN_ERR_STATE, "%s: more than %d operations under way", call, CN_MAX_REQUESTS);
    if (!r->any_thread && MPI_Is_thread_main(&main_thread) == MPI_SUCCESS && !main_thread)
        return cn_mpi__error(CN_ERR_STATE,
                             "%s: MPI was initialised with MPI_THREAD_FUNNELED, so only the thread that did that may "
                             "train; MPI_THREAD_SERIALIZED lets any",
                             call);
    return CN_OK;
}

/* Hands the request out if the operation has begun. */
static cn_status begun(ranks *r, int code, const char *call, MPI_Request *request, void **out) {
    cn_status status = cn_mpi__check(code, call);
    if (status != CN_OK)
        return status;
    r->next = (r->next + 1) % CN_MAX_REQUESTS;
    *out = request;
    return CN_OK;
}

static cn_status all_gather(void *user, const void *send, void *receive, size_t bytes, void **out) {
    ranks *r = user;
    MPI_Request *request;
    int words;
    cn_status status = prepare(r, bytes, "MPI_Iallgather", &request, &words);
    if (status != CN_OK)
        return status;
    int code = MPI_Iallgather(send, words, r->word, receive, words, r->word, r->comm, request);
    return begun(r, code, "MPI_Iallgather", request, out);
}

static cn_status all_to_all(void *user, const void *send, void *receive, size_t bytes, void **out) {
    ranks *r = user;
    MPI_Request *request;
    int words;
    cn_status status = prepare(r, bytes, "MPI_Ialltoall", &request, &words);
    if (status != CN_OK)
        return status;
    int code = MPI_Ialltoall(send, words, r->word, receive, words, r->word, r->comm, request);
    return begun(r, code, "MPI_Ialltoall", request, out);
}

static cn_status broadcast(void *user, void *data, size_t bytes, void **out) {
    ranks *r = user;
    MPI_Request *request;
    int words;
    cn_status status = prepare(r, bytes, "MPI_Ibcast", &request, &words);
    if (status != CN_OK)
        return status;
    return begun(r, MPI_Ibcast(data, words, r->word, 0, r->comm, request), "MPI_Ibcast", request, out);
}

/* ---- and end ---- */

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

static int sleep_for(double seconds) {
    struct timespec time = {(time_t)seconds, (long)(1e9 * (seconds - (double)(time_t)seconds))};
    return nanosleep(&time, NULL);
}

/* The others may want this core. A pause is a small share of what has been waited by then, so that hardly anything is
 * noticed late; below 0.05 ms it would not be one. */
static void let_others_run(double waited) {
    double pause = waited / 32.0;
    if (pause < 50e-6)
        sched_yield();
    else
        sleep_for(pause < 1e-3 ? pause : 1e-3);
}

static cn_status wait_for(void *user, void *request, double seconds, int *done) {
    double start = seconds > 0.0 ? now() : 0.0;
    (void)user;
    for (;;) {
        cn_status status = cn_mpi__check(MPI_Test(request, done, MPI_STATUS_IGNORE), "MPI_Test");
        if (status != CN_OK || *done || seconds <= 0.0)
            return status;
        double waited = now() - start;
        if (waited >= seconds)
            return CN_OK;
        let_others_run(waited);
    }
}

/* ---- the end of all ---- */

/* Ranks other than 0 leave it a second to speak, and one another a hundredth: who ends the processes is then the only one
 * that was heard. A signal in that time says that they are being ended. */
static int is_silenced(const ranks *r) {
    return r->rank > 0 && sleep_for(1.0 + 0.01 * (r->rank < 100 ? r->rank : 100)) != 0;
}

static void abort_all(void *user, cn_status status, const char *message) {
    ranks *r = user;
    const char *error = status == CN_ERR_COMMUNICATION ? cn_mpi_last_error() : "";
    if (!is_silenced(r) && *message) {
        fflush(stdout);
        fprintf(stderr, "%s%s%s%s\n", message, *error ? " (" : "", error, *error ? ")" : "");
        fflush(stderr);
    }
    /* Should MPI hang, which has just failed, the system ends the process. */
    signal(SIGALRM, SIG_DFL);
    alarm(20);
    MPI_Abort(r->comm, 1);
}

void cn_mpi__set_operations(cn_communicator *c) {
    c->all_gather = all_gather;
    c->all_to_all = all_to_all;
    c->broadcast = broadcast;
    c->wait = wait_for;
    c->abort = abort_all;
}
