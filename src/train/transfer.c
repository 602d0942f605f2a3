/* SPDX-License-Identifier: MIT */
/* transfer.c: gradients from each process's images to those of the whole batch. Every process gets a share of the
 * parameters from all, as spans of the batch, adds these up in the tree's order (layers/tree.h), and sends the sums to all:
 * as many bytes as any way to add them up takes, and one order of additions for any number of processes. */
#include "layers/tree.h"
#include "train/train.h"
#include <string.h>

#define CHUNK 4096 /* floats that a thread adds up at a time */

cn_status cn__transfer_init(cn__transfer *transfer, const cn__joint *joint, size_t floats) {
    size_t ranks = (size_t)joint->group.with.ranks, spans = (size_t)joint->most_spans;
    *transfer = (cn__transfer){.share = cn__whole_lines((floats + ranks - 1) / ranks)};
    size_t share = transfer->share ? transfer->share : CN__LANES;
    transfer->share = share;
    transfer->sent = cn__alloc(joint->ctx, ranks * spans, share * sizeof(float));
    transfer->received = cn__alloc(joint->ctx, ranks * spans, share * sizeof(float));
    transfer->gathered = cn__alloc(joint->ctx, ranks, share * sizeof(float));
    bool all = transfer->sent && transfer->received && transfer->gathered;
    return all ? CN_OK : cn__no_memory("gradients that processes exchange");
}

void cn__transfer_drop(cn__transfer *transfer, cn_context *ctx) {
    cn__free(ctx, transfer->sent);
    cn__free(ctx, transfer->received);
    cn__free(ctx, transfer->gathered);
    *transfer = (cn__transfer){0};
}

/* ---- the parameters of a part, one after the other ---- */

/* A piece of a parameter that lies within one share. */
typedef struct piece {
    float *gradient;
    size_t rank, at, count; /* where it is in that rank's share */
} piece;

typedef struct pieces {
    const cn_model *model;
    const int32_t *tensors;
    size_t left;        /* tensors */
    size_t done, place; /* of the first tensor; in all of the part */
    size_t share;
} pieces;

static pieces pieces_of(const cn_trainer *t, size_t part) {
    const cn__joint *joint = t->joint;
    const cn__backward_part *p = &joint->parts.list[part];
    return (pieces){.model = t->model,
                    .tensors = joint->parts.tensors + p->first_tensor,
                    .left = p->tensor_count,
                    .share = joint->transfers[part].share};
}

static bool next_piece(pieces *all, piece *next) {
    if (all->left == 0)
        return false;
    const cn_tensor *gradient = &all->model->tensors[*all->tensors].gradient;
    size_t at = all->place % all->share, rest = (size_t)gradient->count - all->done, room = all->share - at;
    *next = (piece){(float *)gradient->data + all->done, all->place / all->share, at, rest < room ? rest : room};
    all->done += next->count;
    all->place += next->count;
    if (all->done == (size_t)gradient->count) {
        all->tensors++;
        all->left--;
        all->done = 0;
    }
    return true;
}

/* ---- the way there ---- */

/* What a span but the first has of a gradient. */
static const float *of_span(const cn__together *with, const float *gradient, int32_t span) {
    if (span == 0)
        return gradient;
    return with->more_gradients + (size_t)(span - 1) * with->gradient_floats + (gradient - with->gradients);
}

static int32_t own_spans(const cn__joint *joint) {
    int32_t count = 0;
    for (int32_t i = 0; i < joint->together.span_count; i++)
        count += joint->spans[i].rank == joint->group.with.rank;
    return count;
}

cn_status cn__transfer_begin(cn_trainer *trainer, size_t part) {
    cn__joint *joint = trainer->joint;
    cn__transfer *transfer = &joint->transfers[part];
    const cn__together *with = &joint->together;
    int32_t spans = own_spans(joint);
    pieces all = pieces_of(trainer, part);
    for (piece p; next_piece(&all, &p);)
        for (int32_t span = 0; span < spans; span++)
            memcpy(transfer->sent + (p.rank * (size_t)with->most + (size_t)span) * transfer->share + p.at,
                   of_span(with, p.gradient, span), p.count * sizeof(float));
    return cn__group_begin_all_to_all(&joint->group, transfer->sent, transfer->received,
                                      (size_t)with->most * transfer->share * sizeof(float), &transfer->to_all);
}

/* ---- the sums ---- */

typedef struct sum {
    const cn__together *with;
    const cn__transfer *transfer;
} sum;

static float *received(const sum *s, int32_t span, size_t first) {
    const cn__span *of = &s->with->spans[span];
    size_t place = (size_t)of->rank * (size_t)s->with->most + (size_t)of->place;
    return s->transfer->received + place * s->transfer->share + first;
}

/* Leaves them where the first span was. */
static void add_up_chunk(void *argument, size_t chunk, int thread) {
    const sum *s = argument;
    size_t first = chunk * CHUNK, left = s->transfer->share - first, count = left < CHUNK ? left : CHUNK;
    float *at[CN__TREE_DEPTH];
    cn__tree tree = cn__tree_of_spans(s->with);
    (void)thread;
    for (int32_t span = 0; span < s->with->span_count; span++) {
        cn__tree_push_span(&tree, &s->with->spans[span]);
        at[tree.count - 1] = received(s, span, first);
        while (cn__tree_merge(&tree))
            cn__add_floats(at[tree.count - 1], at[tree.count], count);
    }
}

cn_status cn__transfer_add_up(cn_trainer *trainer, size_t part) {
    cn__joint *joint = trainer->joint;
    cn__transfer *transfer = &joint->transfers[part];
    sum s = {&joint->together, transfer};
    CN__TRY(cn__group_wait(&joint->group, transfer->to_all, NULL));
    cn__parallel(joint->ctx, (transfer->share + CHUNK - 1) / CHUNK, add_up_chunk, &s);
    return cn__group_begin_all_gather(&joint->group, received(&s, 0, 0), transfer->gathered,
                                      transfer->share * sizeof(float), &transfer->gather);
}

cn_status cn__transfer_end(cn_trainer *trainer, size_t part) {
    cn__joint *joint = trainer->joint;
    const cn__transfer *transfer = &joint->transfers[part];
    pieces all = pieces_of(trainer, part);
    CN__TRY(cn__group_wait(&joint->group, transfer->gather, NULL));
    for (piece p; next_piece(&all, &p);)
        memcpy(p.gradient, transfer->gathered + p.rank * transfer->share + p.at, p.count * sizeof(float));
    return CN_OK;
}
