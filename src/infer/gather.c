/* SPDX-License-Identifier: MIT */
/* gather.c: what processes that share a batch tell each other of it: outputs and targets of their images, so that each has
 * those of all, and computes loss and metrics as one process would. */
#include "infer/infer.h"
#include <string.h>

/* What a message begins with. */
typedef struct header {
    int64_t status, flag;
} header;

static size_t output_bytes(const cn__fmap *output) { /* of a leaf */
    return cn__fmap_floats(output, 1) * sizeof *output->data;
}

static size_t target_bytes(const cn__targets *targets) { /* of an image */
    return cn__target_size(&targets->spec) *
           (cn__target_is_classes(&targets->spec) ? sizeof *targets->batch.classes : sizeof *targets->batch.values);
}

static char *target_at(const cn__targets *targets, int32_t image) {
    cn__target_place place = cn__targets_place(targets, image);
    return cn__target_is_classes(&targets->spec) ? (char *)place.classes : (char *)place.values;
}

static size_t message_bytes(const cn__gather *g) {
    size_t bytes = sizeof(header);
    for (int32_t i = 0; i < g->output_count; i++)
        bytes += (size_t)g->leaves * output_bytes(&g->outputs[i]);
    for (int32_t i = 0; i < g->target_count; i++)
        bytes += (size_t)g->leaves * CN__LANES * target_bytes(&g->targets[i]);
    return (bytes + 7) / 8 * 8;
}

cn_status cn__gather_init(cn__gather *gather, cn__group *group, int32_t images, int32_t output_count,
                          const cn__fmap *outputs, int32_t target_count, cn__targets *targets) {
    int32_t ranks = group->with.ranks;
    *gather = (cn__gather){.ctx = group->ctx,
                           .group = group,
                           .outputs = outputs,
                           .targets = targets,
                           .output_count = output_count,
                           .target_count = target_count,
                           .leaves = (cn__leaves_of(images) - 1) / ranks + 1};
    gather->bytes = message_bytes(gather);
    gather->sent = cn__alloc(gather->ctx, gather->bytes, 1);
    gather->received = cn__alloc(gather->ctx, gather->bytes, (size_t)ranks);
    return gather->sent && gather->received ? CN_OK : cn__no_memory("what other processes tell of a batch");
}

void cn__gather_drop(cn__gather *gather) {
    if (!gather->ctx)
        return;
    cn__free(gather->ctx, gather->sent);
    cn__free(gather->ctx, gather->received);
    *gather = (cn__gather){0};
}

/* ---- a batch ---- */

/* Between a rank's message and the batch. */
static void move(const cn__gather *g, int32_t images, int rank, char *message, bool in) {
    cn__share share = cn__group_share(g->group, images, rank);
    message += sizeof(header);
    for (int32_t i = 0; i < g->output_count; i++) {
        size_t bytes = output_bytes(&g->outputs[i]);
        char *place = (char *)cn__fmap_plane(&g->outputs[i], (size_t)share.first_leaf, 0).data;
        memcpy(in ? place : message, in ? message : place, (size_t)share.leaves * bytes);
        message += (size_t)g->leaves * bytes;
    }
    for (int32_t i = 0; i < g->target_count && share.images > 0; i++) {
        size_t bytes = target_bytes(&g->targets[i]);
        char *place = target_at(&g->targets[i], share.first);
        memcpy(in ? place : message, in ? message : place, (size_t)share.images * bytes);
        message += (size_t)g->leaves * CN__LANES * bytes;
    }
}

static header header_of(const char *message) {
    header h;
    memcpy(&h, message, sizeof h);
    return h;
}

cn_status cn__gather_batch(cn__gather *gather, int32_t images, cn_status own, bool *flag) {
    const cn_communicator *with = &gather->group->with;
    bool failed = false;
    memcpy(gather->sent, &(header){own, *flag}, sizeof(header));
    move(gather, images, with->rank, gather->sent, false);
    CN__TRY(cn__group_all_gather(gather->group, gather->sent, gather->received, gather->bytes, NULL));
    for (int rank = 0; rank < with->ranks; rank++) {
        char *message = gather->received + (size_t)rank * gather->bytes;
        failed |= header_of(message).status != CN_OK;
        *flag |= header_of(message).flag != 0;
        move(gather, images, rank, message, true);
    }
    return failed ? cn__group_report(gather->group, own) : CN_OK;
}
