/* train.h: losses, optimisers, schedules, and what brings models and data sets together. */
#ifndef CN_TRAIN_H
#define CN_TRAIN_H

#include "data/data.h"
#include "model/model.h"

/* ---- losses (loss.c) ---- */

typedef struct cn__criterion {
    cn_loss loss;
    float label_smoothing;
} cn__criterion;

/* CN_ERR_ARGUMENT naming `function`. */
cn_status cn__criterion_check(const cn__criterion *criterion, const char *function);

/* One image's values, one a class: value k is at data[k · step]. */
typedef struct cn__row {
    float *data;
    size_t step;
    int64_t classes;
} cn__row;

/* Row of image n of a map of 1×1 pixels. */
static inline cn__row cn__map_row(const cn__map *map, int32_t n) {
    cn__row row = {cn__map_plane(map, (size_t)n / CN__LANES, 0).data + n % CN__LANES, map->channel,
                   map->shape.channels};
    return row;
}

/* One image's loss, and into `gradient` (data NULL: not wanted) `scale` times its derivative by `output`. */
double cn__loss_row(const cn__criterion *criterion, cn__row output, int64_t label, double scale, cn__row gradient);

/* Index of the largest value, the first if several are equal; -1 if all are NaN. */
int64_t cn__row_argmax(cn__row output);

/* The probability that an output, read as `loss` says, gives class k. */
double cn__row_probability(cn_loss loss, cn__row output, int64_t k);

/* Takes another variant of the image into the output of `count` joined ones: the mean of the probabilities, or its
 * logarithm. Outputs are probabilities (of a softmax) or, log-probabilities and logits alike, become them by a softmax.
 */
void cn__row_join(cn__row output, int count, cn__row another, bool probabilities);

/* ---- variants (variants.c) ---- */

/* Mirrored or not, at every place up to `shift` pixels away. */
typedef struct cn__variants {
    bool flip;
    int shift;
} cn__variants;

/* CN_ERR_ARGUMENT, CN_ERR_SHAPE: what cannot be joined; `options` for messages. */
cn_status cn__variants_check(const char *options, const cn__variants *variants, cn__shape image, cn__shape output);
int cn__variant_count(const cn__variants *variants);
cn__variant cn__variant_at(const cn__variants *variants, int index); /* the first is the image as it is */

/* What is counted over an epoch or a data set. */
typedef struct cn__tally {
    double loss; /* sum over images, in their order */
    int64_t correct, images;
} cn__tally;

/* Adds a batch to the tally and returns its mean loss; writes the mean's gradient, with zeros in the spare lanes of the
 * last block, unless `gradient` is NULL. */
double cn__loss_batch(const cn__criterion *criterion, const cn__map *output, const int64_t *labels, int32_t images,
                      const cn__map *gradient, cn__tally *tally);

/* ---- optimisers (optimizer.c) ---- */

/* A step with the gradient of l1 · Σ|parameter| added. */
void cn__optimizer_step(cn_optimizer *optimizer, float l1);

/* ---- Muon (muon.c) ---- */

/* A weight seen as a matrix. */
typedef struct cn__muon_weight {
    size_t outputs, inputs; /* its first dimension, and all others together */
} cn__muon_weight;

typedef struct cn__muon_step {
    float *parameter, *velocity;
    const float *gradient;
    float rate, momentum, weight_decay, l1;
    bool nesterov;
} cn__muon_step;

/* Floats of memory that a step works in (aligned to CN__ALIGN). */
size_t cn__muon_work(const cn__muon_weight *weight);
void cn__muon_apply(const cn_context *ctx, const cn__muon_weight *weight, const cn__muon_step *step, float *work);

/* ---- schedules (schedule.c) ---- */

typedef struct cn__schedule {
    cn_schedule_options options;
    int64_t batches; /* an epoch */
    double base;     /* the optimiser's own rate */
    double rate;     /* in force */
    double best;     /* plateau: lowest loss so far */
    int bad_epochs;  /* plateau: since then */
} cn__schedule;

/* Reads and checks the options. */
cn_status cn__schedule_init(cn__schedule *schedule, const cn_schedule_options *options, double rate, int64_t batches);
/* Before the first fit: the length of the whole run, if the options leave it open. */
void cn__schedule_begin(cn__schedule *schedule, int epochs);
/* The rate for a batch, both counted from 0 and over all epochs. */
double cn__schedule_batch(cn__schedule *schedule, int64_t step);
/* After epoch `epoch`, from 1, with that loss. */
void cn__schedule_epoch(cn__schedule *schedule, int64_t epoch, double loss);

/* ---- images on their way into a plan (feed.c) ---- */

typedef struct cn__feed {
    cn_context *ctx;
    const cn_dataset *data;
    int32_t images;    /* fetched at a time, at most */
    size_t slot_bytes; /* of scratch memory an image */
    char *scratch;
    cn_status *status; /* by image, as are: */
    int64_t *label;
    uint32_t *place; /* index in the data set, for dropout */
    cn__map outputs; /* of cn__feed_all: a batch's; data NULL until cn__feed_outputs, as are */
    cn__map another; /* those of a further variant; NULL also if there is none */
    cn__variants variants;
} cn__feed;

/* CN_ERR_SHAPE: images or classes that the model does not fit; `function` and `what` (a data set) for messages. */
cn_status cn__feed_check(const cn_model *model, const cn_dataset *data, const char *function, const char *what);
/* For at most `images` images at a time, and never more than there are. */
cn_status cn__feed_init(cn__feed *feed, cn_context *ctx, const cn_dataset *data, int32_t images);
void cn__feed_drop(cn__feed *feed);

/* Fetches images order[first] … order[first + count - 1] (order NULL: first …) into an input map and zeroes the spare
 * lanes; fills label and place. CN_ERR_IO, CN_ERR_DATA. */
cn_status cn__feed_fetch(cn__feed *feed, const int64_t *order, int64_t first, int32_t count, const cn__fetch *how,
                         const cn__map *map);

/* Memory for outputs of that shape, which cn__feed_all needs, of the images looked at in these ways. */
cn_status cn__feed_outputs(cn__feed *feed, cn__shape shape, cn__variants variants);
/* Runs the whole data set through a prepared model, not augmented, all variants joined; `seen` reads
 * each batch's outputs and labels, of `images` images from `first` on, and may end it with a status. */
typedef cn_status (*cn__seen)(void *argument, int64_t first, int32_t images);
cn_status cn__feed_all(cn__feed *feed, const cn__inference *inference, cn__seen seen, void *argument);
/* The first layer whose output for one of these images is not finite, or NULL. */
const char *cn__feed_first_bad(cn__feed *feed, const cn__inference *inference, int64_t first, int32_t images);

/* ---- evaluation (evaluation.c) ---- */

cn_context *cn__evaluation_context(const cn_evaluation *evaluation);

/* ---- averaged parameters (average.c) ---- */

typedef struct cn__average {
    cn_model *model;
    float decay;                 /* 0: no average, and all that follows does nothing */
    float *parameters, *buffers; /* the average; while it is shown, what it was made from */
    bool started, shown;
} cn__average;

cn_status cn__average_init(cn__average *average, cn_model *model, float decay);
void cn__average_drop(cn__average *average);
/* Takes in the parameters as a step has left them, the first time as they are. */
void cn__average_step(cn__average *average);
/* Puts the average into the model, or what is being trained back. */
void cn__average_show(cn__average *average, bool shown);

/* ---- trainer (trainer.c makes one, epoch.c runs it) ---- */

struct cn_trainer {
    cn_context *ctx;
    cn_model *model;
    cn_trainer_options options; /* without the optimiser's and the schedule's */
    cn__criterion criterion;
    cn__plan *plan;
    cn__inference *testing; /* no test data: NULL */
    cn__feed train, test;
    cn_optimizer *optimizer;
    cn__schedule schedule;
    int64_t count, batches; /* images and batches an epoch */
    int64_t *order;         /* the epoch's indices, shuffled */
    float *buffers;         /* running statistics as they were before the batch, */
    int64_t *counters;      /* with their counters */
    cn__average average;
    cn_epoch *history;
    size_t epochs, capacity; /* done; allocated */

    /* Of the epoch under way; a run that was stopped within it goes on from here. */
    int64_t batch; /* batches done */
    cn__tally tally;
    double seconds; /* spent training */
};

/* Trains the rest of the epoch under way, or a whole one, and records it. `*stop`: a callback asked for the end. */
cn_status cn__trainer_epoch(cn_trainer *trainer, cn_epoch_function on_epoch, void *user, bool *stop);

#endif
