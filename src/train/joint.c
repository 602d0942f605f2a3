/* SPDX-License-Identifier: MIT */
/* joint.c: a trainer as one of several processes. Of every batch each has a share of the leaves, runs it forward, gets the
 * outputs of the others, so that loss, metrics and whatever follows from them are the same everywhere, runs its share
 * backward, and gets the gradients of all (all_reduce.c). Then each takes the same step. */
#include "layers/tree.h"
#include "train/train.h"
#include <stdio.h>
#include <string.h>

#define PART_FLOATS (1 << 15) /* of gradients that are sent together, at least; or an eighth of all, */
#define PARTS       8
#define UNDER_WAY   8         /* parts, at most: twice as many operations, beside those of layers */
#define MOST_FLOATS (1 << 20) /* and so many are enough */

/* ---- which images are whose ---- */

/* Numbers of processes that divide the leaves, as a text. */
static void list_divisors(int32_t leaves, char *text, size_t size) {
    size_t length = 0;
    for (int32_t n = 1; n <= leaves && length + 16 < size; n++)
        if (leaves % n == 0)
            length += (size_t)snprintf(text + length, size - length, "%s%d", length ? ", " : "", n);
}

static cn_status check_ranks(int32_t images, int ranks) {
    char divisors[160];
    int32_t leaves = cn__leaves_of(images);
    if (leaves % ranks == 0)
        return CN_OK;
    list_divisors(leaves, divisors, sizeof divisors);
    return cn__error(
        CN_ERR_ARGUMENT,
        "cn_trainer_options: %d ranks cannot share batches of %d images, which are %d blocks of 16; wanted "
        "a number of ranks that divides these: %s",
        ranks, images, leaves, divisors);
}

/* The spans of rank `rank`, of a batch of so many leaves; their number. */
static int32_t spans_of(const cn__group *group, int32_t leaves, int rank, cn__span *spans) {
    cn__tree tree = {.end = cn__group_first(group, leaves, rank), .all = leaves};
    int32_t end = cn__group_first(group, leaves, rank + 1);
    while (tree.end < end) {
        cn__tree_push(&tree);
        while (cn__tree_merge(&tree))
            ;
    }
    for (int32_t i = 0; i < tree.count; i++)
        spans[i] = (cn__span){rank, i, tree.begin[i], i + 1 < tree.count ? tree.begin[i + 1] : end};
    return tree.count;
}

static int32_t most_spans(const cn__group *group, int32_t images) {
    cn__span spans[CN__TREE_DEPTH];
    int32_t most = 1;
    for (int rank = 0; rank < group->with.ranks; rank++) {
        int32_t count = spans_of(group, cn__leaves_of(images), rank, spans);
        most = count > most ? count : most;
    }
    return most;
}

void cn__joint_begin(cn__joint *joint, int32_t images) {
    cn__together *with = &joint->together;
    joint->share = cn__group_share(&joint->group, images, joint->group.with.rank);
    with->images = images;
    with->leaves = cn__leaves_of(images);
    with->first_leaf = joint->share.first_leaf;
    with->span_count = 0;
    for (int r = 0; r < joint->group.with.ranks; r++)
        with->span_count += spans_of(&joint->group, with->leaves, r, joint->spans + with->span_count);
    with->most = most_spans(&joint->group, images);
    with->received = joint->numbers;
}

/* ---- memory ---- */

/* Batch norm's channels, of the layer that has most. */
static size_t most_channels(const cn_model *model) {
    size_t most = 0;
    for (size_t n = 0; n < model->node_count; n++)
        if (model->nodes[n].layer->type->wants_batch && (size_t)model->nodes[n].shape.channels > most)
            most = (size_t)model->nodes[n].shape.channels;
    return most;
}

static cn_status make_outputs(cn_trainer *t, cn__joint *joint) {
    joint->outputs = cn__alloc(t->ctx, (size_t)t->objective.count, sizeof *joint->outputs);
    joint->gradients = cn__alloc(t->ctx, (size_t)t->objective.count, sizeof *joint->gradients);
    if (!joint->outputs || !joint->gradients)
        return cn__no_memory("a batch of outputs");
    joint->output_count = t->objective.count;
    for (int32_t i = 0; i < joint->output_count; i++) {
        cn__shape shape = cn__model_shape(t->model, cn__model_output_node(t->model, i));
        CN__TRY(cn__fmap_new(joint->ctx, shape, t->train.images, &joint->outputs[i]));
        CN__TRY(cn__fmap_new(joint->ctx, shape, t->train.images, &joint->gradients[i]));
    }
    if (t->options.mixup_alpha > 0.0f || t->options.cutmix_alpha > 0.0f) {
        CN__TRY(cn__fmap_new(joint->ctx, t->model->input, t->train.images, &joint->input));
        CN__TRY(cn__gather_init(&joint->input_gather, &joint->group, t->train.images, 1, &joint->input, 0, NULL));
    }
    return cn__gather_init(&joint->gather, &joint->group, t->train.images, joint->output_count, joint->outputs,
                           t->train.target_count, t->train.targets);
}

static cn_status make(cn_trainer *t, cn__joint *joint) {
    size_t ranks = (size_t)joint->group.with.ranks, numbers = 2 * most_channels(t->model);
    int32_t last = (int32_t)(cn_dataset_count(t->train.data) % t->train.images);
    CN__TRY(check_ranks(t->train.images, (int)ranks));
    joint->most_spans = most_spans(&joint->group, t->train.images);
    if (last && most_spans(&joint->group, last) > joint->most_spans)
        joint->most_spans = most_spans(&joint->group, last);
    joint->most_images = cn__leaves_of(t->train.images) / (int32_t)ranks * CN__LANES;
    size_t spans = (size_t)joint->most_spans;
    joint->spans = cn__alloc(t->ctx, ranks * spans, sizeof *joint->spans);
    joint->numbers = cn__alloc(t->ctx, (ranks + 1) * spans, (numbers + 1) * sizeof *joint->numbers);
    joint->more_gradients = cn__alloc(t->ctx, (spans - 1) * t->model->flat_count + 1, sizeof(float));
    if (!joint->spans || !joint->numbers || !joint->more_gradients)
        return cn__no_memory("training with other processes");
    joint->together = (cn__together){.group = &joint->group,
                                     .spans = joint->spans,
                                     .local_batch_norm = joint->local_batch_norm,
                                     .sent = joint->numbers + ranks * spans * numbers,
                                     .received = joint->numbers,
                                     .more_gradients = joint->more_gradients,
                                     .gradients = t->model->gradients,
                                     .gradient_floats = t->model->flat_count};
    return make_outputs(t, joint);
}

cn_status cn__joint_new(cn_trainer *trainer, const cn_communicator *communicator) {
    cn__joint *joint = trainer->joint = cn__alloc(trainer->ctx, 1, sizeof *joint);
    if (!joint)
        return cn__no_memory("training with other processes");
    joint->ctx = trainer->ctx;
    joint->local_batch_norm = trainer->options.local_batch_norm != 0;
    cn_status status = cn__group_init(&joint->group, trainer->ctx, communicator);
    if (status != CN_OK) {
        cn__free(trainer->ctx, joint);
        trainer->joint = NULL;
    }
    return status;
}

cn_status cn__joint_make(cn_trainer *trainer) {
    return make(trainer, trainer->joint);
}

static void drop_buckets(cn__joint *joint) {
    for (size_t i = 0; joint->buckets && i < joint->parts.count; i++)
        cn__bucket_drop(&joint->buckets[i], joint->ctx);
    cn__free(joint->ctx, joint->buckets);
    cn__backward_parts_drop(joint->ctx, &joint->parts);
    joint->buckets = NULL;
}

void cn__joint_free(cn__joint *joint) {
    if (!joint)
        return;
    cn_context *ctx = joint->ctx;
    drop_buckets(joint);
    cn__gather_drop(&joint->gather);
    cn__gather_drop(&joint->input_gather);
    cn__free(ctx, joint->input.data);
    for (int32_t i = 0; i < joint->output_count; i++) {
        cn__free(ctx, joint->outputs[i].data);
        cn__free(ctx, joint->gradients[i].data);
    }
    cn__free(ctx, joint->outputs);
    cn__free(ctx, joint->gradients);
    cn__free(ctx, joint->spans);
    cn__free(ctx, joint->numbers);
    cn__free(ctx, joint->more_gradients);
    cn__free(ctx, joint);
}

/* ---- parts of the backward pass ---- */

static size_t part_floats(const cn_trainer *t, const cn__backward_part *part) {
    size_t floats = 0;
    for (size_t i = 0; i < part->tensor_count; i++)
        floats += (size_t)t->model->tensors[t->joint->parts.tensors[part->first_tensor + i]].gradient.count;
    return floats;
}

/* Whose functions may fail in a pass; nothing else can. */
static bool has_own_layers(const cn_model *model) {
    for (size_t n = 0; n < model->node_count; n++)
        if (model->nodes[n].layer->type->kind == CN__KIND_CUSTOM)
            return true;
    return false;
}

cn_status cn__joint_bind(cn_trainer *trainer) {
    cn__joint *joint = trainer->joint;
    size_t floats = trainer->model->flat_count / PARTS;
    floats = floats < PART_FLOATS ? PART_FLOATS : floats > MOST_FLOATS ? MOST_FLOATS : floats;
    drop_buckets(joint);
    CN__TRY(cn__plan_backward_parts(trainer->plan, floats, joint->local_batch_norm, &joint->parts));
    joint->buckets = cn__alloc(joint->ctx, joint->parts.count, sizeof *joint->buckets);
    if (!joint->buckets)
        return cn__no_memory("gradients that processes exchange");
    for (size_t i = 0; i < joint->parts.count; i++)
        CN__TRY(cn__bucket_init(&joint->buckets[i], joint, part_floats(trainer, &joint->parts.list[i])));
    return CN_OK;
}

/* ---- a batch ---- */

/* Interiors of `leaves` leaves. */
static void copy_leaves(const cn__fmap *from, int32_t first, const cn__fmap *to, int32_t to_first, int32_t leaves) {
    size_t row_bytes = (size_t)from->shape.width * CN__LANES * sizeof(float);
    for (int32_t leaf = 0; leaf < leaves; leaf++)
        for (int32_t c = 0; c < from->shape.channels; c++) {
            cn__plane source = cn__fmap_plane(from, (size_t)(first + leaf), (size_t)c),
                      target = cn__fmap_plane(to, (size_t)(to_first + leaf), (size_t)c);
            for (size_t y = 0; y < (size_t)from->shape.height; y++)
                memcpy(target.data + y * target.row, source.data + y * source.row, row_bytes);
        }
}

void cn__joint_own_leaves(const cn__joint *joint, const cn__fmap *whole, const cn__fmap *own) {
    copy_leaves(whole, joint->together.first_leaf, own, 0, joint->share.leaves);
}

cn_status cn__joint_inputs(cn_trainer *trainer, cn_status own) {
    bool nothing = false;
    return cn__gather_batch(&trainer->joint->input_gather, trainer->joint->together.images, own, &nothing);
}

cn_status cn__joint_outputs(cn_trainer *trainer, cn_status own) {
    cn__joint *joint = trainer->joint;
    bool stop = joint->wants_stop;
    for (int32_t i = 0; i < joint->output_count; i++)
        copy_leaves(cn__plan_output(trainer->plan, i), 0, &joint->outputs[i], joint->together.first_leaf,
                    joint->share.leaves);
    CN__TRY(cn__gather_batch(&joint->gather, joint->together.images, own, &stop));
    joint->stopped = stop;
    return stop ? CN_ERR_STATE : CN_OK;
}

/* Behind the last but one, so that what was sent has had the time of a part to arrive. */
static void part_done(void *argument, size_t part) {
    cn_trainer *t = argument;
    (void)cn__bucket_begin(t, part); /* what fails breaks the group, which is asked at the end */
    if (part > 0)
        (void)cn__bucket_add_up(t, part - 1);
    if (part >= UNDER_WAY)
        (void)cn__bucket_end(t, part - UNDER_WAY);
}

cn_status cn__joint_backward(cn_trainer *trainer, const cn__pass *pass) {
    cn__joint *joint = trainer->joint;
    for (int32_t i = 0; i < joint->output_count; i++)
        cn__joint_own_leaves(joint, &joint->gradients[i], cn__plan_output_gradient(trainer->plan, i));
    cn_status own = cn__plan_backward_in_parts(trainer->plan, pass, &joint->parts, part_done, trainer);
    CN__TRY(cn__group_outcome(&joint->group));
    CN__TRY(cn__bucket_add_up(trainer, joint->parts.count - 1));
    for (size_t i = joint->parts.count > UNDER_WAY ? joint->parts.count - UNDER_WAY : 0; i < joint->parts.count; i++)
        CN__TRY(cn__bucket_end(trainer, i));
    return has_own_layers(trainer->model) ? cn__group_agree(&joint->group, own) : own;
}

int32_t cn__joint_first_place(cn__joint *joint, int32_t place) {
    int64_t largest;
    (void)cn__group_largest(&joint->group, -(int64_t)place, &largest);
    return (int32_t)-largest;
}

cn_status cn__joint_break(cn__joint *joint, cn_status status) {
    return cn__group_break(&joint->group, status, "rank %d: %s", joint->group.with.rank, cn_last_error());
}

/* ---- an epoch ---- */

cn_status cn__joint_end_epoch(cn_trainer *trainer, bool *stop) {
    cn__joint *joint = trainer->joint;
    cn_model *model = trainer->model;
    int64_t wanted;
    CN__TRY(cn__group_largest(&joint->group, joint->wants_stop, &wanted));
    *stop |= wanted != 0;
    if (joint->local_batch_norm && model->buffer_count > 0)
        CN__TRY(cn__group_broadcast(&joint->group, model->buffers, model->buffer_count * sizeof *model->buffers));
    if (joint->local_batch_norm && model->counter_count > 0)
        CN__TRY(cn__group_broadcast(&joint->group, model->counters, model->counter_count * sizeof *model->counters));
    return CN_OK;
}
