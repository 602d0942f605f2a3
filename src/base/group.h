/* SPDX-License-Identifier: MIT */
/* group.h: the processes that train one model, as one of them sees them: a program's communicator, its operations begun
 * and waited for within a bounded time. The first thing that goes wrong breaks the group: whatever is asked of it then
 * fails with the same status and message, so that who computes need not stop in the middle. */
#ifndef CN_GROUP_H
#define CN_GROUP_H

#include "base/base.h"

enum { CN__GROUP_MESSAGE = 512 };

typedef struct cn__group {
    cn_context *ctx;
    cn_communicator with;
    cn_status status; /* CN_OK until it is broken */
    char message[CN__GROUP_MESSAGE];
} cn__group;

/* CN_ERR_ARGUMENT: no communicator. */
cn_status cn__group_init(cn__group *group, cn_context *ctx, const cn_communicator *communicator);

/* Begin an operation, as cn_communicator describes it; `*request` is for the following two. Bytes are rounded up to a
 * multiple of 8, for which there must be room. */
cn_status cn__group_begin_all_gather(cn__group *group, const void *send, void *receive, size_t bytes, void **request);
cn_status cn__group_begin_all_to_all(cn__group *group, const void *send, void *receive, size_t bytes, void **request);
/* Waits for its end. CN_ERR_COMMUNICATION, or what a function of the communicator has returned. `layer`: for whom, as the
 * trace is told; NULL: no layer. */
cn_status cn__group_wait(cn__group *group, void *request, const char *layer);
/* Both. */
cn_status cn__group_all_gather(cn__group *group, const void *send, void *receive, size_t bytes, const char *layer);
cn_status cn__group_broadcast(cn__group *group, void *data, size_t bytes);

/* Whether all can go on: each says how it fares, `own`, with its cn_last_error. CN_OK, or the status and message of the first
 * that cannot. The second: when it is known already that one of them cannot. */
cn_status cn__group_agree(cn__group *group, cn_status own);
cn_status cn__group_report(cn__group *group, cn_status own);

/* `*largest` of what each has. */
cn_status cn__group_largest(cn__group *group, int64_t own, int64_t *largest);

/* What comes before a rank's share of so many things. */
static inline int32_t cn__group_first(const cn__group *group, int32_t things, int rank) {
    return (int32_t)((int64_t)things * rank / group->with.ranks);
}

/* What a rank has of a batch of so many images: whole leaves, but for the last of all. */
typedef struct cn__share {
    int32_t first_leaf, leaves;
    int32_t first, images;
} cn__share;

/* Of no group: everything. */
cn__share cn__group_share(const cn__group *group, int32_t images, int rank);

/* This process cannot go on, and cannot tell the others in good order; returns `status`. */
cn_status cn__group_break(cn__group *group, cn_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* CN_OK unless it is broken, as an error of the thread that asks. */
cn_status cn__group_outcome(const cn__group *group);

#endif
