/* SPDX-License-Identifier: MIT */
/* infer.h: models over data without a backward pass: how data sets are fed to plans, what their outputs cost, evaluation,
 * prediction. */
#ifndef CN_INFER_H
#define CN_INFER_H

#include "loss/loss.h"
#include "plan/plan.h"

/* ---- test-time augmentation (test_time_augmentation.c) ---- */

/* Mirrored or not, at every place up to `shift` pixels away. */
typedef struct cn__variants {
    bool flip;
    int shift;
} cn__variants;

/* CN_ERR_ARGUMENT, CN_ERR_SHAPE: what cannot be joined; `options` for messages. */
cn_status cn__variants_check(const char *options, const cn__variants *variants, const cn_model *model, cn__shape image,
                             cn__shape output);
int cn__variant_count(const cn__variants *variants);
cn__variant cn__variant_at(const cn__variants *variants, int index); /* the first is the image as it is */

/* ---- what all outputs of a model cost, and how good they are (objective.c) ---- */

typedef struct cn__objective {
    cn_context *ctx;
    int32_t count;         /* of outputs, as are: */
    cn__loss *losses;      /* in the model's order */
    cn__loss_sum *totals;  /* of what has been counted */
    cn__loss_sum *pending; /* of a batch that has not */
    cn__metrics *metrics;
    cn__loss_sum *kept_totals; /* what cn__objective_keep has put by */
    cn__metrics *kept_metrics;
    bool *bypassed; /* by node of the model, for plans whose outputs it reads: what its losses have within them */
} cn__objective;

/* The losses that somebody asks for: `count` of them, or one of a kind. */
typedef struct cn__asked_losses {
    int64_t count; /* 0: the one */
    const cn_loss_options *const *list;
    cn_loss_kind kind;
    float label_smoothing;
} cn__asked_losses;

/* For batches of at most `images` images of `data`. Loss i is for the model's output i and the data set's target i.
 * `what` begins messages about options, `function` others. CN_ERR_ARGUMENT, CN_ERR_SHAPE: what does not fit. */
cn_status cn__objective_init(cn__objective *objective, const cn_model *model, const cn_dataset *data,
                             const cn__asked_losses *asked, int32_t images, bool detailed, const char *what,
                             const char *function);
void cn__objective_drop(cn__objective *objective);
void cn__objective_clear(cn__objective *objective);
/* The loss of a batch, of all outputs together; their gradients, unless `gradients` is NULL. CN_ERR_DATA. */
cn_status cn__objective_loss(cn__objective *objective, const cn__fmap *const *outputs, const cn__targets *targets,
                             int32_t images, const cn__fmap *const *gradients, double *loss);
/* Takes that batch in. */
void cn__objective_count(cn__objective *objective, const cn__fmap *const *outputs, const cn__targets *targets,
                         int32_t images);
/* Puts by what has been counted, and takes back what has been since. */
void cn__objective_keep(cn__objective *objective);
void cn__objective_restore(cn__objective *objective);
/* Of what has been counted: the mean loss of all outputs together, or of one; a metric of one. */
double cn__objective_mean(const cn__objective *objective);
double cn__objective_mean_of(const cn__objective *objective, int32_t output);

/* ---- outputs and targets of a batch that several processes share (gather.c) ---- */

typedef struct cn__gather {
    cn_context *ctx;
    cn__group *group;
    const cn__fmap *outputs; /* of the whole batch, without borders, output_count of them */
    cn__targets *targets;    /* likewise */
    int32_t output_count, target_count;
    int32_t leaves; /* that a process has, at most */
    size_t bytes;   /* of its message */
    char *sent, *received;
} cn__gather;

/* For batches of at most `images` images. */
cn_status cn__gather_init(cn__gather *gather, cn__group *group, int32_t images, int32_t output_count,
                          const cn__fmap *outputs, int32_t target_count, cn__targets *targets);
void cn__gather_drop(cn__gather *gather);
/* Each process has written its share of a batch (cn__group_first of its leaves); then all have all. `own`: how this one
 * fares; CN_OK, or the first that is not. `*flag`: set if any process had it set. */
cn_status cn__gather_batch(cn__gather *gather, int32_t images, cn_status own, bool *flag);

/* ---- images on their way into a plan (feed.c) ---- */

typedef struct cn__feed {
    cn_context *ctx;
    const cn_dataset *data;
    int32_t images;    /* fetched at a time, at most */
    float *levels;     /* what 8-bit pixels become, as in cn__fetch */
    size_t slot_bytes; /* of scratch memory an image */
    char *scratch;
    cn_status *status;    /* by image, as is: */
    uint32_t *place;      /* index in the data set, for dropout */
    int32_t target_count; /* of the data set */
    cn__targets *targets; /* each of a batch */
    int32_t output_count; /* of cn__feed_all: 0 until cn__feed_outputs */
    cn__fmap *outputs;    /* each of a batch */
    cn__fmap another;     /* the first, of a further variant; data NULL: there is none */
    cn__variants variants;
} cn__feed;

/* CN_ERR_SHAPE: a model of several inputs, images that the model does not fit; CN_ERR_STATE: the caller wants the images
 * to be normalised otherwise than the model's, `known`, are. `function` and `what` (a data set) for messages. */
cn_status cn__feed_check(const cn_model *model, const cn__normalization *known, const cn_dataset *data, bool any_size,
                         const char *function, const char *what);
/* The shape of an output for the data set's images. CN_ERR_SHAPE: a layer does not allow their size. */
cn_status cn__output_for(const cn_model *model, const cn_dataset *data, int32_t output, cn__shape *shape);
/* For at most `images` images at a time, and never more than there are; 8-bit ones are normalised as `known` says, or
 * as the data set does if nothing is known. */
cn_status cn__feed_init(cn__feed *feed, cn_context *ctx, const cn__normalization *known, const cn_dataset *data,
                        int32_t images);
void cn__feed_drop(cn__feed *feed);

/* An entry of an order: an image, below 2^32, and how often the same order has it before. */
static inline int64_t cn__draw(int64_t index, uint32_t repeat) {
    return (int64_t)((uint64_t)repeat << 32 | (uint64_t)index);
}

/* Of the batch that begins with order[first] (order NULL: first), fetches images offset … offset + count - 1 into an input
 * map and zeroes the spare lanes; fills their targets and places. CN_ERR_IO, CN_ERR_DATA. */
cn_status cn__feed_fetch(cn__feed *feed, const int64_t *order, int64_t first, int32_t offset, int32_t count,
                         const cn__fetch *how, const cn__fmap *map);

/* Memory for the model's outputs, which cn__feed_all needs, of the images looked at in these ways. */
cn_status cn__feed_outputs(cn__feed *feed, const cn_model *model, cn__variants variants);
/* Runs the whole data set through a prepared model, not augmented, all variants joined; `seen` reads
 * each batch's outputs and targets, of `images` images from `first` on, and may end it with a status. `group`: processes
 * that share each batch; NULL: this one has all. */
typedef cn_status (*cn__batch_callback)(void *argument, int64_t first, int32_t images);
cn_status cn__feed_all(cn__feed *feed, const cn__inference *inference, cn__group *group, cn__batch_callback seen,
                       void *argument);
/* The first layer whose output for one of these images is not finite, or NULL. */
const char *cn__feed_first_nonfinite(cn__feed *feed, const cn__inference *inference, int64_t first, int32_t images);

/* ---- evaluation (evaluation.c) ---- */

cn_context *cn__evaluation_context(const cn_evaluation *evaluation);
/* Classes, labels or channels that an output, which must exist, gives. */
int64_t cn__evaluation_values(const cn_evaluation *evaluation, int64_t output);

#endif
