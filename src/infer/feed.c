/* SPDX-License-Identifier: MIT */
/* feed.c: brings images of a data set into the lanes of a plan's input, and whole data sets through a model. */
#include "infer/infer.h"
#include <stdio.h>
#include <string.h>

#define MESSAGE_BYTES 512 /* a fetch that failed leaves its thread's message in its scratch memory */

/* float32 images are taken as they are, and so fit any model, until the caller says how to normalise them. */
static cn_status check_normalization(const cn__normalization *known, const cn_dataset *data, const char *function,
                                     const char *what) {
    int64_t shape[3];
    cn__normalization own = cn__dataset_normalization(data);
    cn_dataset_shape(data, shape);
    if (!known->mean || !cn__dataset_normalization_is_set(data))
        return CN_OK;
    for (int c = 0; c < shape[0]; c++)
        if (own.mean[c] != known->mean[c] || own.std[c] != known->std[c])
            return cn__error(CN_ERR_STATE,
                             "%s: %s is set to be normalised with mean %.9g and std %.9g in channel %d, the model's "
                             "images have mean %.9g and std %.9g",
                             function, what, (double)own.mean[c], (double)own.std[c], c, (double)known->mean[c],
                             (double)known->std[c]);
    return CN_OK;
}

/* Classes called by their numbers have no names. */
static bool has_names(const cn_dataset *data) {
    char number[12];
    for (int64_t k = 0; k < cn_dataset_classes(data); k++) {
        snprintf(number, sizeof number, "%d", (int)k);
        if (strcmp(cn_dataset_class_name(data, k), number) != 0)
            return true;
    }
    return false;
}

/* Labels go by position, which other names make doubtful. */
static void compare_names(const cn_model *model, const cn_dataset *data, const char *function, const char *what) {
    for (int64_t k = 0; k < cn_dataset_classes(data) && k < model->class_count; k++)
        if (strcmp(cn_dataset_class_name(data, k), model->class_names[k]) != 0 && has_names(data)) {
            cn__log(model->ctx, CN_LOG_WARNING, "%s: class %lld is '%s' in %s, and '%s' to the model", function,
                    (long long)k, cn_dataset_class_name(data, k), what, model->class_names[k]);
            return;
        }
}

cn_status cn__output_for(const cn_model *model, const cn_dataset *data, int32_t output, cn__shape *shape) {
    int64_t image[3], found[3];
    cn_dataset_shape(data, image);
    CN__TRY(cn_model_output_shape_for(model, image, output, found));
    *shape = (cn__shape){(int32_t)found[0], (int32_t)found[1], (int32_t)found[2]};
    return CN_OK;
}

cn_status cn__feed_check(const cn_model *model, const cn__normalization *known, const cn_dataset *data, bool any_size,
                         const char *function, const char *what) {
    int64_t wanted[3], got[3];
    cn__shape output;
    char wanted_text[CN__SHAPE_TEXT], got_text[CN__SHAPE_TEXT];
    if (cn_model_input_count(model) > 1)
        return cn__error(CN_ERR_SHAPE, "%s: the model has %lld inputs, and data sets one image for each target",
                         function, (long long)cn_model_input_count(model));
    cn_model_input_shape(model, wanted);
    cn_dataset_shape(data, got);
    if (wanted[0] != got[0] || (memcmp(wanted, got, sizeof wanted) != 0 && !any_size))
        return cn__error(CN_ERR_SHAPE, "%s: the images of %s are %s, the model reads %s", function, what,
                         cn__shape_text(got_text, 3, got), cn__shape_text(wanted_text, 3, wanted));
    cn_status status = cn__output_for(model, data, 0, &output);
    if (status == CN_ERR_SHAPE)
        return cn__error(CN_ERR_SHAPE, "%s: the images of %s are %s, the model reads %s: %s", function, what,
                         cn__shape_text(got_text, 3, got), cn__shape_text(wanted_text, 3, wanted), cn_last_error());
    CN__TRY(status);
    if (cn_dataset_count(data) < 1)
        return cn__error(CN_ERR_ARGUMENT, "%s: %s has no images", function, what);
    CN__TRY(check_normalization(known, data, function, what));
    compare_names(model, data, function, what);
    return CN_OK;
}

static float *make_levels(cn_context *ctx, const cn__normalization *known, const cn_dataset *data) {
    int64_t shape[3];
    cn_dataset_shape(data, shape);
    float *levels = cn__alloc(ctx, (size_t)shape[0], CN__LEVELS * sizeof *levels);
    if (levels)
        cn__normalization_levels(known, (int)shape[0], levels);
    return levels;
}

static cn_status make_targets(cn__feed *feed) {
    int32_t count = cn__dataset_target_count(feed->data);
    feed->targets = cn__alloc(feed->ctx, (size_t)count + 1, sizeof *feed->targets);
    if (!feed->targets)
        return cn__no_memory("a batch of targets");
    feed->target_count = count;
    for (int32_t i = 0; i < count; i++)
        CN__TRY(cn__targets_init(&feed->targets[i], feed->ctx, cn__dataset_target(feed->data, i), feed->images));
    return CN_OK;
}

cn_status cn__feed_init(cn__feed *feed, cn_context *ctx, const cn__normalization *known, const cn_dataset *data,
                        int32_t images) {
    size_t bytes = cn__dataset_scratch(data);
    int64_t count = cn_dataset_count(data);
    bool own = !known->mean || !cn__dataset_is_8bit(data);
    *feed = (cn__feed){.ctx = ctx, .data = data};
    feed->images = count < images ? (int32_t)count : images;
    feed->slot_bytes = bytes > MESSAGE_BYTES ? bytes : MESSAGE_BYTES;
    size_t lanes = cn__whole_lines((size_t)feed->images);
    feed->levels = own ? NULL : make_levels(ctx, known, data);
    feed->scratch = cn__alloc(ctx, (size_t)feed->images, feed->slot_bytes);
    feed->status = cn__alloc(ctx, (size_t)feed->images, sizeof *feed->status);
    feed->place = cn__alloc(ctx, lanes, sizeof *feed->place);
    bool made = (own || feed->levels) && feed->scratch && feed->status && feed->place;
    cn_status status = made ? make_targets(feed) : cn__no_memory("a batch of images");
    if (status != CN_OK)
        cn__feed_drop(feed);
    return status;
}

void cn__feed_drop(cn__feed *feed) {
    cn__free(feed->ctx, feed->levels);
    cn__free(feed->ctx, feed->scratch);
    cn__free(feed->ctx, feed->status);
    cn__free(feed->ctx, feed->place);
    for (int32_t i = 0; i < feed->target_count; i++)
        cn__targets_drop(&feed->targets[i], feed->ctx);
    for (int32_t i = 0; i < feed->output_count; i++)
        cn__free(feed->ctx, feed->outputs[i].data);
    cn__free(feed->ctx, feed->targets);
    cn__free(feed->ctx, feed->outputs);
    cn__free(feed->ctx, feed->another.data);
    *feed = (cn__feed){0};
}

/* ---- one batch ---- */

typedef struct batch {
    cn__feed *feed;
    const int64_t *order;
    int64_t first;
    size_t offset, count; /* of it, those that are at hand */
    const cn__fetch *how;
    const cn__fmap *map; /* all images in; of cn__feed_all: their outputs out, one after the other */
} batch;

static void zero_lane(const cn__fmap *map, float *lane) {
    for (int32_t c = 0; c < map->shape.channels; c++)
        for (int32_t y = 0; y < map->shape.height; y++)
            for (int32_t x = 0; x < map->shape.width; x++)
                lane[(size_t)c * map->channel + (size_t)y * map->row + (size_t)x * CN__LANES] = 0.0f;
}

/* Image i of those at hand into a lane of a map. */
static void fetch_lane(const batch *b, size_t i, const cn__fmap *map, float *lane) {
    cn__feed *feed = b->feed;
    if (i >= b->count) {
        zero_lane(map, lane);
        return;
    }
    size_t n = b->offset + i;
    int64_t index = b->first + (int64_t)n;
    cn__fetch how = *b->how;
    if (b->order) {
        how.repeat = (uint32_t)(b->order[index] >> 32);
        index = b->order[index] & UINT32_MAX;
    }
    char *scratch = feed->scratch + i * feed->slot_bytes;
    cn__target_place targets[CN__MAX_TARGETS];
    for (int32_t t = 0; t < feed->target_count; t++)
        targets[t] = cn__targets_place(&feed->targets[t], (int32_t)n);
    feed->place[n] = (uint32_t)(index + how.repeat * cn_dataset_count(feed->data));
    feed->status[i] = cn__dataset_fetch(feed->data, index, &how, scratch, lane, map->row, map->channel, targets);
    if (feed->status[i] != CN_OK)
        snprintf(scratch, MESSAGE_BYTES, "%s", cn_last_error());
}

static void fill_lane(void *argument, size_t i, int thread) {
    const batch *b = argument;
    int64_t begun = cn__trace_begin(b->feed->ctx);
    fetch_lane(b, i, b->map, cn__fmap_plane(b->map, i / CN__LANES, 0).data + i % CN__LANES);
    cn__trace_end(b->feed->ctx, begun, (cn_trace_event){.pass = CN_PASS_FETCH, .thread = thread});
}

static cn_status first_failure(const batch *b) {
    for (size_t i = 0; i < b->count; i++)
        if (b->feed->status[i] != CN_OK)
            return cn__error(b->feed->status[i], "%s", b->feed->scratch + i * b->feed->slot_bytes);
    return CN_OK;
}

static bool same_target(const cn__target_spec *a, const cn__target_spec *b) {
    return a->kind == b->kind && a->classes == b->classes && a->shape.channels == b->shape.channels &&
           a->shape.height == b->shape.height && a->shape.width == b->shape.width;
}

/* Memory is for the targets that the data set had at first. */
static cn_status check_targets(const cn__feed *feed) {
    bool same = cn__dataset_target_count(feed->data) == feed->target_count &&
                cn__dataset_scratch(feed->data) <= feed->slot_bytes;
    for (int32_t i = 0; i < feed->target_count && same; i++)
        same = same_target(cn__dataset_target(feed->data, i), &feed->targets[i].spec);
    return same ? CN_OK : cn__error(CN_ERR_STATE, "the data set's targets are others than when training began");
}

cn_status cn__feed_fetch(cn__feed *feed, const int64_t *order, int64_t first, int32_t offset, int32_t count,
                         const cn__fetch *how, const cn__fmap *map) {
    batch b = {feed, order, first, (size_t)offset, (size_t)count, how, map};
    size_t lanes = cn__whole_lines(b.count);
    CN__TRY(check_targets(feed));
    cn__parallel(feed->ctx, lanes, fill_lane, &b);
    return first_failure(&b);
}

/* ---- all batches, through a model ---- */

static void fill_block(void *argument, size_t block, int32_t index, const cn__fmap *input) {
    (void)index;
    for (size_t lane = 0; lane < CN__LANES; lane++)
        fetch_lane(argument, block * CN__LANES + lane, input, input->data + lane);
}

static void take_block(void *argument, size_t block, int32_t index, const cn__fmap *output) {
    const cn__fmap *all = &((const batch *)argument)->map[index];
    block += ((const batch *)argument)->offset / CN__LANES;
    memcpy(cn__fmap_plane(all, block, 0).data, output->data, cn__fmap_floats(all, 1) * sizeof *output->data);
}

cn_status cn__feed_outputs(cn__feed *feed, const cn_model *model, cn__variants variants) {
    int32_t count = cn__model_output_count(model);
    feed->variants = variants;
    feed->outputs = cn__alloc(feed->ctx, (size_t)count, sizeof *feed->outputs);
    if (!feed->outputs)
        return cn__no_memory("a batch of outputs");
    feed->output_count = count;
    for (int32_t i = 0; i < count; i++) {
        cn__shape shape;
        CN__TRY(cn__output_for(model, feed->data, i, &shape));
        CN__TRY(cn__fmap_new(feed->ctx, shape, feed->images, &feed->outputs[i]));
    }
    if (cn__variant_count(&variants) == 1)
        return CN_OK;
    return cn__fmap_new(feed->ctx, feed->outputs[0].shape, feed->images, &feed->another);
}

/* Of the batch that begins with image `first`, images offset … offset + count - 1. */
typedef struct range {
    int64_t first;
    int32_t offset, count;
} range;

/* A variant of these images, and what the model says of it. */
static cn_status run_variant(cn__feed *feed, const cn__inference *inference, const range *r, int variant) {
    cn__fetch how = {.variant = cn__variant_at(&feed->variants, variant), .levels = feed->levels};
    const cn__fmap *outputs = variant ? &feed->another : feed->outputs;
    batch b = {feed, NULL, r->first, (size_t)r->offset, (size_t)r->count, &how, outputs};
    cn__blocks blocks = {fill_block, take_block, &b};
    cn_status status = cn__inference_run(inference, r->count, &blocks);
    CN__TRY(first_failure(&b));
    return status;
}

static cn_status run_range(cn__feed *feed, const cn__inference *inference, const range *r) {
    for (int variant = 0; r->count > 0 && variant < cn__variant_count(&feed->variants); variant++) {
        CN__TRY(run_variant(feed, inference, r, variant));
        for (int32_t n = r->offset; variant > 0 && n < r->offset + r->count; n++)
            cn__row_join(cn__fmap_row(feed->outputs, n), variant, cn__fmap_row(&feed->another, n), false);
    }
    return CN_OK;
}

/* Each process runs a part of a batch, and then has the outputs of all. */
static cn_status run_batch(cn__feed *feed, const cn__inference *inference, cn__gather *gather, int64_t first,
                           int32_t images) {
    bool nothing = false;
    cn__share share = cn__group_share(gather->group, images, gather->group ? gather->group->with.rank : 0);
    range r = {first, share.first, share.images};
    cn_status status = run_range(feed, inference, &r);
    return gather->group ? cn__gather_batch(gather, images, status, &nothing) : status;
}

static cn_status run_batches(cn__feed *feed, const cn__inference *inference, cn__gather *gather,
                             cn__batch_callback seen, void *argument) {
    int64_t count = cn_dataset_count(feed->data);
    for (int64_t first = 0; first < count; first += feed->images) {
        int32_t images = count - first < feed->images ? (int32_t)(count - first) : feed->images;
        CN__TRY(run_batch(feed, inference, gather, first, images));
        CN__TRY(seen(argument, first, images));
    }
    return CN_OK;
}

cn_status cn__feed_all(cn__feed *feed, const cn__inference *inference, cn__group *group, cn__batch_callback seen,
                       void *argument) {
    cn__gather gather = {0};
    cn_status status = check_targets(feed);
    if (status == CN_OK && group)
        status = cn__gather_init(&gather, group, feed->images, feed->output_count, feed->outputs, feed->target_count,
                                 feed->targets);
    if (group)
        status = cn__group_agree(group, status);
    if (status == CN_OK)
        status = run_batches(feed, inference, &gather, seen, argument);
    cn__gather_drop(&gather);
    return status;
}

const char *cn__feed_first_nonfinite(cn__feed *feed, const cn__inference *inference, int64_t first, int32_t images) {
    cn__fetch plainly = {.levels = feed->levels};
    batch b = {feed, NULL, first, 0, (size_t)images, &plainly, NULL};
    return cn__inference_first_nonfinite(inference, images, &(cn__blocks){fill_block, take_block, &b});
}
