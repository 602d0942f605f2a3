/* SPDX-License-Identifier: MIT */
/* group.c: calls a program's communicator, and bounds the time that others are waited for. */
#include "base/group.h"
#include <math.h>
#include <stdarg.h>
#include <stdio.h>

#define SLICE     0.1 /* seconds that the communicator is asked to wait at a time */
#define MAX_RANKS 65536
#define MAX_BYTES ((((size_t)1) << 31) - 8) /* of all ranks together */
#define BILLION   1e9

cn_status cn__group_init(cn__group *group, cn_context *ctx, const cn_communicator *communicator) {
    cn_communicator *c = &group->with;
    *group = (cn__group){.ctx = ctx, .with = CN_COMMUNICATOR_INIT};
    CN__TRY(CN__READ_OPTIONS(c, cn_communicator, communicator));
    if (c->ranks < 1 || c->ranks > MAX_RANKS)
        return cn__error(CN_ERR_ARGUMENT, "cn_communicator: ranks is %d, wanted 1 to %d", c->ranks, MAX_RANKS);
    if (c->rank < 0 || c->rank >= c->ranks)
        return cn__error(CN_ERR_ARGUMENT, "cn_communicator: rank is %d of %d", c->rank, c->ranks);
    if (!(c->timeout >= 0.0))
        return cn__error(CN_ERR_ARGUMENT, "cn_communicator: timeout is %g, wanted 0 or more", c->timeout);
    if (!c->all_gather || !c->all_to_all || !c->broadcast || !c->wait)
        return cn__error(CN_ERR_ARGUMENT, "cn_communicator: all_gather, all_to_all, broadcast or wait is NULL");
    return CN_OK;
}

/* ---- the end of the group ---- */

cn_status cn__group_outcome(const cn__group *group) {
    return group->status == CN_OK ? CN_OK : cn__error(group->status, "%s", group->message);
}

cn_status cn__group_break(cn__group *group, cn_status status, const char *format, ...) {
    va_list arguments;
    if (group->status != CN_OK)
        return cn__group_outcome(group);
    va_start(arguments, format);
    (void)vsnprintf(group->message, sizeof group->message, format, arguments);
    va_end(arguments);
    group->status = status;
    if (group->with.abort) {
        CN__IN_HOSTS_MODE;
        group->with.abort(group->with.user, status, group->message);
    }
    return cn__group_outcome(group);
}

static cn_status failed(cn__group *group, const char *function, cn_status returned) {
    return cn__group_break(group, cn__callback_status(returned), "rank %d of %d: its communicator's %s failed: %s",
                           group->with.rank, group->with.ranks, function,
                           cn_status_string(cn__callback_status(returned)));
}

/* ---- operations ---- */

static size_t whole(size_t bytes) {
    return (bytes + 7) / 8 * 8;
}

static cn_status check_bytes(cn__group *group, size_t bytes) {
    if (whole(bytes) <= MAX_BYTES / (size_t)group->with.ranks)
        return CN_OK;
    return cn__group_break(group, CN_ERR_UNSUPPORTED, "a message of %zu bytes to each of %d ranks, wanted %zu at most",
                           bytes, group->with.ranks, MAX_BYTES / (size_t)group->with.ranks);
}

cn_status cn__group_begin_all_gather(cn__group *group, const void *send, void *receive, size_t bytes, void **request) {
    CN__TRY(cn__group_outcome(group));
    CN__TRY(check_bytes(group, bytes));
    CN__IN_HOSTS_MODE;
    cn_status status = group->with.all_gather(group->with.user, send, receive, whole(bytes), request);
    return status == CN_OK ? CN_OK : failed(group, "all_gather", status);
}

cn_status cn__group_begin_all_to_all(cn__group *group, const void *send, void *receive, size_t bytes, void **request) {
    CN__TRY(cn__group_outcome(group));
    CN__TRY(check_bytes(group, bytes));
    CN__IN_HOSTS_MODE;
    cn_status status = group->with.all_to_all(group->with.user, send, receive, whole(bytes), request);
    return status == CN_OK ? CN_OK : failed(group, "all_to_all", status);
}

static double seconds_since(int64_t begun) {
    return (double)(cn__nanoseconds() - begun) / BILLION;
}

static cn_status wait_until_done(cn__group *group, void *request) {
    double most = group->with.timeout > 0.0 ? group->with.timeout : (double)INFINITY;
    int64_t begun = cn__nanoseconds();
    CN__IN_HOSTS_MODE;
    for (double left = most; left > 0.0; left = most - seconds_since(begun)) {
        int done = 0;
        cn_status status = group->with.wait(group->with.user, request, left < SLICE ? left : SLICE, &done);
        if (status != CN_OK)
            return failed(group, "wait", status);
        if (done)
            return CN_OK;
    }
    return cn__group_break(group, CN_ERR_COMMUNICATION, "rank %d of %d: another rank has not answered for %g seconds",
                           group->with.rank, group->with.ranks, group->with.timeout);
}

cn_status cn__group_wait(cn__group *group, void *request, const char *layer) {
    CN__TRY(cn__group_outcome(group));
    int64_t begun = cn__trace_begin(group->ctx);
    cn_status status = wait_until_done(group, request);
    cn__trace_end(group->ctx, begun, (cn_trace_event){.pass = CN_PASS_EXCHANGE, .layer = layer});
    return status;
}

cn_status cn__group_all_gather(cn__group *group, const void *send, void *receive, size_t bytes, const char *layer) {
    void *request = NULL;
    CN__TRY(cn__group_begin_all_gather(group, send, receive, bytes, &request));
    return cn__group_wait(group, request, layer);
}

cn_status cn__group_broadcast(cn__group *group, void *data, size_t bytes) {
    void *request = NULL;
    cn_status status;
    CN__TRY(cn__group_outcome(group));
    CN__TRY(check_bytes(group, bytes));
    {
        CN__IN_HOSTS_MODE;
        status = group->with.broadcast(group->with.user, data, whole(bytes), &request);
    }
    return status == CN_OK ? cn__group_wait(group, request, NULL) : failed(group, "broadcast", status);
}

/* ---- agreement ---- */

/* How a process fares. */
typedef struct report {
    int64_t status;
    char message[CN__GROUP_MESSAGE - sizeof(int64_t)];
} report;

static cn_status first_failure(const cn__group *group, const report *reports) {
    for (int rank = 0; rank < group->with.ranks; rank++)
        if (reports[rank].status != CN_OK)
            return cn__error(cn__callback_status((cn_status)reports[rank].status), "rank %d: %.*s", rank,
                             (int)sizeof reports->message - 1, reports[rank].message);
    return CN_OK;
}

cn_status cn__group_report(cn__group *group, cn_status own) {
    report mine = {.status = own};
    if (own != CN_OK)
        snprintf(mine.message, sizeof mine.message, "%s", cn_last_error());
    report *all = cn__alloc(group->ctx, (size_t)group->with.ranks, sizeof *all);
    if (!all)
        return cn__group_break(group, CN_ERR_MEMORY, "rank %d: no memory for the others' reports", group->with.rank);
    cn_status status = cn__group_all_gather(group, &mine, all, sizeof mine, NULL);
    if (status == CN_OK)
        status = first_failure(group, all);
    cn__free(group->ctx, all);
    return status;
}

cn_status cn__group_largest(cn__group *group, int64_t own, int64_t *largest) {
    int64_t *all = cn__alloc(group->ctx, (size_t)group->with.ranks, sizeof *all);
    *largest = own;
    if (!all)
        return cn__group_break(group, CN_ERR_MEMORY, "rank %d: no memory for an agreement", group->with.rank);
    cn_status status = cn__group_all_gather(group, &own, all, sizeof own, NULL);
    for (int rank = 0; status == CN_OK && rank < group->with.ranks; rank++)
        *largest = all[rank] > *largest ? all[rank] : *largest;
    cn__free(group->ctx, all);
    return status;
}

cn_status cn__group_agree(cn__group *group, cn_status own) {
    int64_t worst;
    CN__TRY(cn__group_largest(group, own != CN_OK, &worst));
    return worst == 0 ? CN_OK : cn__group_report(group, own);
}

/* ---- who has what ---- */

cn__share cn__group_share(const cn__group *group, int32_t images, int rank) {
    int32_t leaves = cn__leaves_of(images), begin = 0, end = leaves;
    if (group) {
        begin = cn__group_first(group, leaves, rank);
        end = cn__group_first(group, leaves, rank + 1);
    }
    int32_t first = begin * CN__LANES, last = end * CN__LANES < images ? end * CN__LANES : images;
    return (cn__share){begin, end - begin, first, last > first ? last - first : 0};
}
