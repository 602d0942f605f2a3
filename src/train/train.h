/* SPDX-License-Identifier: MIT */
/* train.h: optimizers, schedules, averages, and the trainer, which brings model and data together. */
#ifndef CN_TRAIN_H
#define CN_TRAIN_H

#include "infer/infer.h"

/* ---- what a run remembers from batch to batch, for checkpoints (trainer_state.c) ---- */

/* All but the model's tensors and the history, which is as long as the run. */
void cn__trainer_state(cn_trainer *trainer, cn__state *state);

/* ---- what a run is, as JSON (run_text.c) ---- */

/* A trainer's, or a loop's of the caller's own, with an optimizer or NULL; to be freed with cn_text_free. CN_ERR_IO, CN_ERR_DATA:
 * from a data set's callback. */
cn_status cn__run_text(const cn_trainer *trainer, char **text);
cn_status cn__loop_text(const cn_model *model, const cn_optimizer *optimizer, char **text);

/* ---- optimizers (optimizer.c) ---- */

/* A step with the gradient of l1 · Σ|parameter| added. */
void cn__optimizer_step(cn_optimizer *optimizer, float l1);
/* For checkpoints: as it was made, with the default rate resolved, whose it is, and what it remembers. */
const cn_optimizer_options *cn__optimizer_options(const cn_optimizer *optimizer);
const cn_model *cn__optimizer_model(const cn_optimizer *optimizer);
void cn__optimizer_state(cn_optimizer *optimizer, cn__state *state);
/* One for each of the model's tensors. */
const struct cn__update_rule *cn__optimizer_rules(const cn_optimizer *optimizer);

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
    int given_epochs; /* the options' own, before cn__schedule_begin fills it in */
    int64_t steps;    /* an epoch */
    int64_t warmup;   /* steps of the warm-up */
    double base;      /* the optimizer's own rate */
    double rate;      /* in force, or that the warm-up rises to */
    int64_t epoch;    /* under way, from 1 */
    int64_t asked;    /* one-cycle and custom: the step, from 1, that `rate` is of */
    double loss;      /* of the one before */
    double best;      /* plateau: lowest loss so far */
    int bad_epochs;   /* plateau: since then */
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

/* ---- the rates of a run, step by step (rate_line.c) ---- */

/* Where the run was, in epochs, and the rate there. */
typedef struct cn__rate_corner {
    double place, rate;
} cn__rate_corner;

/* A line, corner by corner, in the order of their places, of which two may be the same: there the rate jumps. */
typedef struct cn__rate_line {
    cn__rate_corner *corners;
    size_t count, capacity;
} cn__rate_line;

#define CN__RATE_STEPS 64 /* of an epoch that are in the line at most, evenly spread */
/* Room for an epoch more. */
cn_status cn__rate_line_grow(cn__rate_line *line, cn_context *ctx);
/* After batch `batch` of epoch `epoch`, both from 0, of `batches` an epoch. Without room the line stays as it is. */
void cn__rate_line_batch(cn__rate_line *line, int64_t epoch, int64_t batch, int64_t batches, double rate);
/* The same rate from place to place. */
void cn__rate_line_level(cn__rate_line *line, double from, double to, double rate);
/* One corner more, behind the last; takes none where it would not show. There is room. */
void cn__rate_line_add(cn__rate_line *line, double place, double rate);

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

/* ---- images mixed with one another (mix.c), and what they cost (mixed_loss.c) ---- */

typedef struct cn__mix {
    cn_context *ctx;
    float mixup_alpha, cutmix_alpha; /* 0: not so */
    size_t values;                   /* of an image */
    float *images;                   /* the batch as it was, [N, C, H, W]; NULL: nothing is mixed */
    int64_t *partner;                /* by image: which of the batch is mixed in */
    double share;                    /* of an image's own in what has become of it */
    int32_t target_count, output_count;
    cn__targets *others; /* by target: those of the images mixed in */
    cn__loss_sum *sums;  /* by output: of the loss against the images' own targets, */
    float **gradients;   /* and its gradient, with room for the other */
} cn__mix;

/* For batches of at most `images` of that shape. */
cn_status cn__mix_init(cn__mix *mix, cn_context *ctx, cn__shape shape, int32_t images, float mixup_alpha,
                       float cutmix_alpha);
/* And for their targets in `data`, held against the outputs of the model. CN_ERR_UNSUPPORTED: those that are not
 * mixed. */
cn_status cn__mix_init_loss(cn__mix *mix, const cn_model *model, const cn_dataset *data, int32_t images);
void cn__mix_drop(cn__mix *mix);
/* Mixes a batch in place. Draws depend on seed, epoch and batch. */
void cn__mix_batch(cn__mix *mix, const cn__fmap *map, int32_t images, uint64_t seed, uint64_t epoch, uint64_t batch);
/* cn__objective_loss of a batch that cn__mix_batch has mixed, or that is not to be. Targets that are numbers are mixed
 * in place. */
cn_status cn__mix_loss(cn__mix *mix, cn__objective *objective, const cn__fmap *const *outputs, cn__targets *targets,
                       int32_t images, const cn__fmap *const *gradients, double *loss);
/* Of Beta(α, α), α above 0. */
double cn__beta_variate(cn__rng *rng, double alpha);

/* ---- averaged parameters (average.c) ---- */

typedef struct cn__average {
    cn_model *model;
    float decay; /* 0: no average, and all that follows does nothing */
    bool warmup;
    int32_t shown;               /* 0 or 1 */
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

/* ---- gradients that processes exchange (all_reduce.c) ---- */

/* Of the parameters of a part of the backward pass, one after the other, cut into a *share* for each process: it gets
 * that of all processes' spans (cn__tree), adds them up and sends the sum to all. */
typedef struct cn__bucket {
    size_t share;           /* floats; 0: the part has none, and nothing is sent */
    float *sent, *received; /* [rank][span][share] */
    float *gathered;        /* [rank][share] */
    void *to_all, *gather;  /* requests */
} cn__bucket;

/* ---- a trainer as one of several processes (joint.c; joint_start.c compares them) ---- */

typedef struct cn__joint {
    cn_context *ctx;
    cn__group group;
    bool local_batch_norm;
    int32_t most_images;   /* that this process may get */
    cn__together together; /* the batch at hand, */
    cn__share share;       /* and this process's images of it */
    cn__span *spans;       /* of all */
    int32_t most_spans;    /* of a process, in any batch */
    double *numbers;       /* together.sent and .received */
    float *more_gradients; /* as cn__together has them */
    int32_t output_count;
    cn__fmap *outputs, *gradients; /* of the whole batch, without borders */
    cn__gather gather;
    cn__fmap input; /* the same where images are mixed with one another; data NULL: they are not */
    cn__gather input_gather;
    cn__backward_parts parts;
    cn__bucket *buckets; /* of the parts */
    bool wants_stop;     /* a callback of this process has asked for the end */
    bool stopped;        /* one of any process has, before the batch at hand */
} cn__joint;

/* Sets trainer->joint. CN_ERR_ARGUMENT. */
cn_status cn__joint_new(cn_trainer *trainer, const cn_communicator *communicator);
void cn__joint_free(cn__joint *joint);
/* Its memory, when feeds are there. CN_ERR_ARGUMENT: batches cannot be shared out so. */
cn_status cn__joint_make(cn_trainer *trainer);
/* When the trainer has a new plan. */
cn_status cn__joint_bind(cn_trainer *trainer);
/* Compares what processes bring along; `own`: how this one fares. CN_ERR_STATE. */
cn_status cn__joint_meet(cn_trainer *trainer, cn_status own);
/* The same as fit begins, for so many epochs. */
cn_status cn__joint_start(cn_trainer *trainer, int64_t epochs);

/* A batch of so many images: joint->together and share. */
void cn__joint_begin(cn__joint *joint, int32_t images);
/* Brings the images of all together, in joint->input, of which each has fetched its own; `own`: how this process fares. */
cn_status cn__joint_inputs(cn_trainer *trainer, cn_status own);
/* This process's leaves of a map of the whole batch, into one that has only these. */
void cn__joint_own_leaves(const cn__joint *joint, const cn__fmap *whole, const cn__fmap *own);
/* Brings the outputs of all together, in joint->outputs, and their targets; `own`: how this process fares. A status with
 * joint->stopped set: training ends before this batch. */
cn_status cn__joint_outputs(cn_trainer *trainer, cn_status own);
/* The backward pass from joint->gradients, and the gradients of the whole batch. */
cn_status cn__joint_backward(cn_trainer *trainer, const cn__pass *pass);
/* This process cannot go on, with its cn_last_error; returns `status`. */
cn_status cn__joint_break(cn__joint *joint, cn_status status);
/* After a batch with a loss that is not finite: the place of the first such output of all. */
int32_t cn__joint_first_place(cn__joint *joint, int32_t place);
/* At an epoch's end: `*stop` is what any process asks for; local batch norm's statistics become those of rank 0. */
cn_status cn__joint_end_epoch(cn_trainer *trainer, bool *stop);

/* Memory for the bucket of a part of `floats` floats. */
cn_status cn__bucket_init(cn__bucket *bucket, const cn__joint *joint, size_t floats);
void cn__bucket_drop(cn__bucket *bucket, cn_context *ctx);
/* Sends the gradients of a part of the pass; adds up and sends on; writes the sums into the model. */
cn_status cn__bucket_begin(cn_trainer *trainer, size_t part);
cn_status cn__bucket_add_up(cn_trainer *trainer, size_t part);
cn_status cn__bucket_end(cn_trainer *trainer, size_t part);

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
    unsigned char *frozen;  /* what was when it was made, as cn__model_frozen_flags tells it */
    int64_t count, batches; /* images and batches an epoch */
    cn__sampler sampler;    /* the epoch's images */
    cn__mix mix;
    float *gradient_sum; /* of the batches so far that make a step; NULL: each makes one */
    double *norm_sums;   /* for cn__gradients_norm; NULL: nothing is clipped by it */
    float *buffers;      /* running statistics as they were before the batch, */
    int64_t *counters;   /* with their counters */
    cn__average average;
    cn__joint *joint; /* with other processes; NULL: alone */
    cn_epoch_info *history;
    size_t epochs, capacity; /* done; allocated */
    size_t searched;         /* of the epochs: those of a search for a rate, which are no history */
    cn_output_info *outputs; /* [epochs][objective.count] */
    size_t output_capacity;
    cn__rate_line rates; /* of all steps; no room: none is noted, as in a search */

    /* Of the epoch under way; a run that was stopped within it goes on from here. */
    atomic_bool running; /* cn_trainer_fit is */
    bool within_batch;   /* of either data: what it changes may be half changed */
    int64_t batch;       /* batches done */
    int64_t images;      /* seen */
    double penalty;      /* of each, summed */
    double mean_rate;    /* of its batches */
    double seconds;      /* spent training */
};

/* After the backward pass of batch t->batch, as `batch` describes it: a step, unless other batches belong to it.
 * `*stop`: the callback asked for the end. CN_ERR_NUMERIC: gradients whose norm is not finite, and there is no step
 * (step.c). */
cn_status cn__trainer_step(cn_trainer *trainer, const cn_batch_info *batch, bool *stop);
/* Memory for one more epoch of the history. */
cn_status cn__trainer_grow_history(cn_trainer *trainer);
static inline size_t cn__trainer_recorded(const cn_trainer *trainer) {
    return trainer->epochs - trainer->searched;
}

/* The plan, compiled anew if what is frozen has changed. */
cn_status cn__trainer_plan(cn_trainer *trainer);
/* Before the first batch of epoch trainer->epochs + 1. */
void cn__trainer_begin_epoch(cn_trainer *trainer);
/* Batch trainer->batch, which then is the next, and the callback. `*stop`: it is to end; the batch may be as it was. */
cn_status cn__trainer_run_batch(cn_trainer *trainer, double *loss, bool *stop);
/* Trains the rest of the epoch under way, or a whole one, and records it. `*stop`: a callback asked for the end. */
cn_status cn__trainer_run_epoch(cn_trainer *trainer, cn_epoch_function on_epoch, void *user, bool *stop);

/* ---- searches for a learning rate (rate_search.c) ---- */

struct cn_rate_curve {
    cn_context *ctx;
    cn_rate_point *points;
    int64_t count;
    double suggested; /* NaN: none */
};

/* ---- histories (history.c) ---- */

struct cn_history {
    cn_context *ctx;
    char *name, *test_name;
    cn_epoch_info *epochs;
    size_t count, capacity;
    cn__rate_line rates; /* empty: epochs' means are all that is known */
};

#endif
