/* SPDX-License-Identifier: MIT */
/* ranks.c: see ranks.h. Operation number n of a rank belongs with operation n of all others. Data move when all have begun
 * it and some more questions have been asked, so that who reads or changes memory too early is found out. */
#include "ranks.h"
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { OPERATIONS = 1 << 14 };

typedef enum operation_kind { ALL_GATHER = 1, ALL_TO_ALL, BROADCAST } operation_kind;

typedef struct operation {
    operation_kind kind;
    size_t bytes;
    int begun, late; /* late: questions that it takes until it has ended */
    bool ended, asked[RANKS_MOST];
    const char *send[RANKS_MOST];
    char *receive[RANKS_MOST];
} operation;

typedef struct ranks_hub {
    ranks *of;
    pthread_mutex_t lock;
    pthread_cond_t moved;
    bool broken;
    operation operations[OPERATIONS];
} ranks_hub;

typedef struct member {
    ranks_hub *hub;
    int rank, begun, under_way;
    ranks_body *body;
    void *argument;
} member;

static void complain(ranks_hub *hub, bool right, const char *complaint) {
    if (!right && !hub->of->complaint)
        hub->of->complaint = complaint;
}

/* ---- data ---- */

static void move(const operation *o, int count) {
    for (int to = 0; to < count; to++)
        for (int from = 0; from < count; from++) {
            if (o->kind == ALL_GATHER)
                memcpy(o->receive[to] + (size_t)from * o->bytes, o->send[from], o->bytes);
            else if (o->kind == ALL_TO_ALL)
                memcpy(o->receive[to] + (size_t)from * o->bytes, o->send[from] + (size_t)to * o->bytes, o->bytes);
            else if (from == 0 && to != 0)
                memcpy(o->receive[to], o->send[0], o->bytes);
        }
}

/* What is not there yet must not be believed. */
static void spoil(const operation *o, int rank, int count) {
    if (o->kind != BROADCAST)
        memset(o->receive[rank], 0xA5, o->bytes * (size_t)count);
}

/* ---- the functions ---- */

static bool silent(const member *m) {
    const ranks_fault *fault = &m->hub->of->fault;
    return fault->silent_at && fault->rank == m->rank && m->hub->of->calls[m->rank] >= fault->silent_at;
}

/* Counts a call; false: it is the one that fails. */
static bool count_call(member *m) {
    const ranks_fault *fault = &m->hub->of->fault;
    return !(++m->hub->of->calls[m->rank] == fault->fail_at && fault->rank == m->rank);
}

static cn_status begin(member *m, operation_kind kind, const void *send, void *receive, size_t bytes, void **request) {
    ranks_hub *hub = m->hub;
    pthread_mutex_lock(&hub->lock);
    bool works = count_call(m) && !hub->broken;
    operation *o = &hub->operations[m->begun++ % OPERATIONS];
    complain(hub, ++m->under_way <= CN_MAX_REQUESTS, "too many operations under way");
    complain(hub, bytes >= 8 && bytes % 8 == 0, "bytes are no multiple of 8");
    complain(hub, o->begun == 0 || (o->kind == kind && o->bytes == bytes), "ranks began different operations");
    if (works && !silent(m)) {
        o->kind = kind;
        o->bytes = bytes;
        o->late = (m->begun * 7 + 3) % 5; /* some sooner than those before them */
        o->send[m->rank] = send;
        o->receive[m->rank] = receive;
        spoil(o, m->rank, hub->of->count);
        o->begun++;
    }
    *request = o;
    pthread_cond_broadcast(&hub->moved);
    pthread_mutex_unlock(&hub->lock);
    return works ? CN_OK : CN_ERR_COMMUNICATION;
}

static cn_status all_gather(void *user, const void *send, void *receive, size_t bytes, void **request) {
    return begin(user, ALL_GATHER, send, receive, bytes, request);
}

static cn_status all_to_all(void *user, const void *send, void *receive, size_t bytes, void **request) {
    return begin(user, ALL_TO_ALL, send, receive, bytes, request);
}

static cn_status broadcast(void *user, void *data, size_t bytes, void **request) {
    return begin(user, BROADCAST, data, data, bytes, request);
}

static struct timespec soon(double seconds) {
    struct timespec at;
    clock_gettime(CLOCK_REALTIME, &at);
    at.tv_nsec += (long)(seconds * 1e9);
    at.tv_sec += at.tv_nsec / 1000000000;
    at.tv_nsec %= 1000000000;
    return at;
}

static void let_end(ranks_hub *hub, operation *o) {
    if (o->begun < hub->of->count || o->ended || o->late-- > 0)
        return;
    move(o, hub->of->count);
    o->ended = true;
    pthread_cond_broadcast(&hub->moved);
}

static cn_status wait_for(void *user, void *request, double seconds, int *done) {
    member *m = user;
    ranks_hub *hub = m->hub;
    operation *o = request;
    pthread_mutex_lock(&hub->lock);
    bool works = count_call(m), heard = !silent(m);
    complain(hub, !o->asked[m->rank], "an operation that has ended was asked for");
    if (works && heard)
        let_end(hub, o);
    if (works && !hub->broken && seconds > 0.0 && (!o->ended || !heard) && o->begun < hub->of->count) {
        struct timespec until = soon(seconds);
        pthread_cond_timedwait(&hub->moved, &hub->lock, &until);
    }
    *done = heard && o->ended;
    if (*done) {
        o->asked[m->rank] = true;
        m->under_way--;
    }
    works &= !hub->broken;
    pthread_mutex_unlock(&hub->lock);
    return works ? CN_OK : CN_ERR_COMMUNICATION;
}

static void give_up(void *user, cn_status status, const char *message) {
    member *m = user;
    pthread_mutex_lock(&m->hub->lock);
    complain(m->hub, status != CN_OK && *message, "abort without a reason");
    m->hub->of->aborts++;
    m->hub->broken = true;
    pthread_cond_broadcast(&m->hub->moved);
    pthread_mutex_unlock(&m->hub->lock);
}

/* ---- threads ---- */

static void *run(void *argument) {
    member *m = argument;
    cn_communicator communicator = CN_COMMUNICATOR_INIT;
    communicator.rank = m->rank;
    communicator.ranks = m->hub->of->count;
    communicator.timeout = m->hub->of->timeout > 0.0 ? m->hub->of->timeout : communicator.timeout;
    communicator.user = m;
    communicator.all_gather = all_gather;
    communicator.all_to_all = all_to_all;
    communicator.broadcast = broadcast;
    communicator.wait = wait_for;
    communicator.abort = give_up;
    m->body(&communicator, m->argument);
    pthread_mutex_lock(&m->hub->lock);
    complain(m->hub, m->hub->broken || m->under_way == 0, "operations that nobody waited for");
    pthread_mutex_unlock(&m->hub->lock);
    return NULL;
}

void ranks_run(ranks *all, ranks_body *body, void *argument) {
    ranks_hub *hub = calloc(1, sizeof *hub);
    member members[RANKS_MOST];
    pthread_t threads[RANKS_MOST];
    if (!hub)
        abort();
    hub->of = all;
    pthread_mutex_init(&hub->lock, NULL);
    pthread_cond_init(&hub->moved, NULL);
    for (int r = 0; r < all->count; r++) {
        members[r] = (member){.hub = hub, .rank = r, .body = body, .argument = argument};
        if (pthread_create(&threads[r], NULL, run, &members[r]) != 0)
            abort();
    }
    for (int r = 0; r < all->count; r++)
        pthread_join(threads[r], NULL);
    pthread_cond_destroy(&hub->moved);
    pthread_mutex_destroy(&hub->lock);
    free(hub);
}
