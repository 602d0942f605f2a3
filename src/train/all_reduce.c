/* SPDX-License-Identifier: MIT */
/* all_reduce.c: gradients from each process's images to those of the whole batch. Every process gets a share of the
 * parameters from all, as spans of the batch, adds these up in the tree's order (layers/tree.h), and sends the sums to all:
 * as many bytes as any way to add them up takes, and one order of additions for any number of processes. */
#include "layers/tree.h"
#include "train/train.h"
#include <string.h>

#define CHUNK 4096 /* floats that a thread adds up at a time */

cn_status cn__bucket_init(cn__bucket *bucket, const cn__joint *joint, size_t floats) {
    size_t ranks = (size_t)joint->group.with.ranks, spans = (size_t)joint->most_spans;
    *bucket = (cn__bucket){.share = cn__whole_lines((floats + ranks - 1) / ranks)};
    size_t share = bucket->share;
    bucket->sent = cn__alloc(joint->ctx, ranks * spans, share * sizeof(float));
    bucket->received = cn__alloc(joint->ctx, ranks * spans, share * sizeof(float));
    bucket->gathered = cn__alloc(joint->ctx, ranks, share * sizeof(float));
    bool all = bucket->sent && bucket->received && bucket->gathered;
    return all ? CN_OK : cn__no_memory("gradients that processes exchange");
}

void cn__bucket_drop(cn__bucket *bucket, cn_context *ctx) {
    cn__free(ctx, bucket->sent);
    cn__free(ctx, bucket->received);
    cn__free(ctx, bucket->gathered);
    *bucket = (cn__bucket){0};
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
                    .share = joint->buckets[part].share};
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

cn_status cn__bucket_begin(cn_trainer *trainer, size_t part) {
    cn__joint *joint = trainer->joint;
    cn__bucket *bucket = &joint->buckets[part];
    const cn__together *with = &joint->together;
    int32_t spans = own_spans(joint);
    if (bucket->share == 0)
        return CN_OK;
    pieces all = pieces_of(trainer, part);
    for (piece p; next_piece(&all, &p);)
        for (int32_t span = 0; span < spans; span++)
            memcpy(bucket->sent + (p.rank * (size_t)with->most + (size_t)span) * bucket->share + p.at,
                   of_span(with, p.gradient, span), p.count * sizeof(float));
    return cn__group_begin_all_to_all(&joint->group, bucket->sent, bucket->received,
                                      (size_t)with->most * bucket->share * sizeof(float), &bucket->to_all);
}

/* ---- the sums ---- */

typedef struct sum {
    const cn__together *with;
    const cn__bucket *bucket;
} sum;

static float *received(const sum *s, int32_t span, size_t first) {
    const cn__span *of = &s->with->spans[span];
    size_t place = (size_t)of->rank * (size_t)s->with->most + (size_t)of->place;
    return s->bucket->received + place * s->bucket->share + first;
}

/* Leaves them where the first span was. */
static void add_up_chunk(void *argument, size_t chunk, int thread) {
    const sum *s = argument;
    size_t first = chunk * CHUNK, left = s->bucket->share - first, count = left < CHUNK ? left : CHUNK;
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

cn_status cn__bucket_add_up(cn_trainer *trainer, size_t part) {
    cn__joint *joint = trainer->joint;
    cn__bucket *bucket = &joint->buckets[part];
    sum s = {&joint->together, bucket};
    if (bucket->share == 0)
        return CN_OK;
    CN__TRY(cn__group_wait(&joint->group, bucket->to_all, NULL));
    cn__parallel(joint->ctx, (bucket->share + CHUNK - 1) / CHUNK, add_up_chunk, &s);
    return cn__group_begin_all_gather(&joint->group, received(&s, 0, 0), bucket->gathered,
                                      bucket->share * sizeof(float), &bucket->gather);
}

cn_status cn__bucket_end(cn_trainer *trainer, size_t part) {
    cn__joint *joint = trainer->joint;
    const cn__bucket *bucket = &joint->buckets[part];
    pieces all = pieces_of(trainer, part);
    if (bucket->share == 0)
        return CN_OK;
    CN__TRY(cn__group_wait(&joint->group, bucket->gather, NULL));
    for (piece p; next_piece(&all, &p);)
        memcpy(p.gradient, bucket->gathered + p.rank * bucket->share + p.at, p.count * sizeof(float));
    return CN_OK;
}
