/* train.h: optimizers, schedules, averages, and the trainer, which brings model and data together. */
#ifndef CN_TRAIN_H
#define CN_TRAIN_H

#include "infer/infer.h"

/* ---- optimizers (optimizer.c) ---- */

/* A step with the gradient of l1 · Σ|parameter| added. */
void cn__optimizer_step(cn_optimizer *optimizer, float l1);

/* ---- parameter groups (parameter_groups.c) ---- */

/* How a parameter is updated. */
typedef struct cn__update_rule {
    float scale; /* of the learning rate */
    float weight_decay;
    int64_t steps; /* taken so far */
} cn__update_rule;

/* One for each of the model's tensors, as options and their groups say; to be freed with cn__free, also after a failure.
 * CN_ERR_NOT_FOUND, CN_ERR_ARGUMENT. */
cn_status cn__update_rules(const cn_model *model, const cn_optimizer_options *options, cn__update_rule **rules);
/* Of more than one dimension: not a bias or a norm's. */
bool cn__is_weight(const cn__model_tensor *entry);

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
    int64_t steps;  /* an epoch */
    int64_t warmup; /* steps of the warm-up */
    double base;    /* the optimizer's own rate */
    double rate;    /* in force, or that the warm-up rises to */
    int64_t epoch;  /* under way, from 1 */
    int64_t asked;  /* one-cycle and custom: the step, from 1, that `rate` is of */
    double loss;    /* of the one before */
    double best;    /* plateau: lowest loss so far */
    int bad_epochs; /* plateau: since then */
} cn__schedule;

/* Reads and checks the options. */
cn_status cn__schedule_init(cn__schedule *schedule, const cn_schedule_options *options, double rate, int64_t steps);
/* Before the first fit: the length of the whole run, if the options leave it open. */
void cn__schedule_begin(cn__schedule *schedule, int epochs);
/* The rate of a step, counted from 0 over all epochs, also if it is asked for again. CN_ERR_ARGUMENT: the program's own
 * is none. */
cn_status cn__schedule_step(cn__schedule *schedule, int64_t step, double *rate);
/* After epoch `epoch`, from 1, with that loss. */
void cn__schedule_epoch(cn__schedule *schedule, int64_t epoch, double loss);
/* The rate in force from now on. CN_ERR_STATE: a kind that would not keep to it. */
cn_status cn__schedule_set_rate(cn__schedule *schedule, double rate);

/* ---- which images an epoch has (sampler.c) ---- */

typedef struct cn__sampler {
    cn_context *ctx;
    int64_t count;
    int64_t *order;  /* `count` images, as cn__feed_fetch takes them */
    double *sums;    /* of the weights up to each image; NULL: all images, shuffled, as is: */
    uint32_t *drawn; /* how often each has been drawn */
} cn__sampler;

/* `weights`: one an image, or NULL. CN_ERR_ARGUMENT: none that one could draw by. */
cn_status cn__sampler_init(cn__sampler *sampler, cn_context *ctx, int64_t count, const double *weights);
void cn__sampler_drop(cn__sampler *sampler);
/* The order of an epoch, from 1. */
void cn__sampler_epoch(cn__sampler *sampler, uint64_t seed, uint64_t epoch);

/* ---- averaged parameters (average.c) ---- */

typedef struct cn__average {
    cn_model *model;
    float decay; /* 0: no average, and all that follows does nothing */
    bool warmup, shown;
    int64_t steps;               /* taken in */
    float step_decay;            /* of the one under way */
    float *parameters, *buffers; /* the average; while it is shown, what it was made from */
} cn__average;

cn_status cn__average_init(cn__average *average, cn_model *model, float decay, bool warmup);
void cn__average_drop(cn__average *average);
/* Takes in the parameters as a step has left them, the first time as they are. */
void cn__average_step(cn__average *average);
/* Puts the average into the model, or what is being trained back. */
void cn__average_show(cn__average *average, bool shown);

/* ---- trainer (trainer.c makes one, epoch.c runs it, step.c takes its steps) ---- */

struct cn_trainer {
    cn_context *ctx;
    cn_model *model;
    cn_trainer_options options; /* without the optimizer's and the schedule's */
    cn__objective objective;    /* of training */
    cn__objective measured;     /* of the test data; count 0: none */
    cn__plan *plan;
    cn__inference *testing; /* no test data: NULL */
    cn__feed train, test;
    cn_optimizer *optimizer;
    cn__schedule schedule;
    int64_t count, batches; /* images and batches an epoch */
    cn__sampler sampler;    /* the epoch's images */
    float *gradient_sum;    /* of the batches so far that make a step; NULL: each makes one */
    double *norm_sums;      /* for cn__gradients_norm; NULL: nothing is clipped by it */
    float *buffers;         /* running statistics as they were before the batch, */
    int64_t *counters;      /* with their counters */
    cn__average average;
    cn_epoch_info *history;
    size_t epochs, capacity; /* done; allocated */
    cn_output_info *outputs; /* [epochs][objective.count] */
    size_t output_capacity;

    /* Of the epoch under way; a run that was stopped within it goes on from here. */
    int64_t batch;    /* batches done */
    int64_t images;   /* seen */
    double penalty;   /* of each, summed */
    double mean_rate; /* of its batches */
    double seconds;   /* spent training */
};

/* After the backward pass of batch t->batch, as `batch` describes it: a step, unless other batches belong to it. `*stop`:
 * the callback asked for the end. CN_ERR_NUMERIC: gradients whose norm is not finite, and there is no step (step.c). */
cn_status cn__trainer_step(cn_trainer *trainer, const cn_batch_info *batch, bool *stop);
/* Memory for one more epoch of the history. */
cn_status cn__trainer_grow_history(cn_trainer *trainer);

/* The plan, compiled anew if what is frozen has changed. */
cn_status cn__trainer_plan(cn_trainer *trainer);
/* Trains the rest of the epoch under way, or a whole one, and records it. `*stop`: a callback asked for the end. */
cn_status cn__trainer_run_epoch(cn_trainer *trainer, cn_epoch_function on_epoch, void *user, bool *stop);

/* ---- histories (history.c) ---- */

struct cn_history {
    cn_context *ctx;
    char *name;
    cn_epoch_info *epochs;
    size_t count, capacity;
};

#endif
