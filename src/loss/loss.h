/* SPDX-License-Identifier: MIT */
/* loss.h: what a model's outputs cost, held against a data set's targets, and how good they are: losses and metrics. */
#ifndef CN_LOSS_H
#define CN_LOSS_H

#include "data/data.h"
#include "model/model.h"

/* ---- values of a batch ---- */

/* [N][C][H][W] in whatever order: of a map, with 16 images in the lanes, or of a dense tensor. */
typedef struct cn__values {
    float *data; /* NULL: none */
    cn__shape shape;
    size_t lanes; /* image n is at data[n / lanes · block + n % lanes] */
    size_t block, channel, row, pixel;
} cn__values;

cn__values cn__values_of_map(const cn__fmap *map);
cn__values cn__values_of_array(float *data, cn__shape shape);

/* What a pixel of an image has for all classes (or components): value k is at data[k · step]. */
typedef struct cn__row {
    float *data;
    size_t step;
    int64_t classes;
} cn__row;

static inline cn__row cn__values_row(const cn__values *values, int32_t n, int32_t y, int32_t x) {
    float *image = values->data + (size_t)n / values->lanes * values->block + (size_t)n % values->lanes;
    return (cn__row){image + (size_t)y * values->row + (size_t)x * values->pixel, values->channel,
                     values->shape.channels};
}

/* ---- rows of classes (rows.c) ---- */

/* Row of image n of a map of 1×1 pixels. */
cn__row cn__fmap_row(const cn__fmap *map, int32_t n);
/* Index of the largest value, the first if several are equal; -1 if all are NaN. */
int64_t cn__row_argmax(cn__row output);
/* log Σ e^z, with the largest z taken out so that nothing overflows. */
double cn__row_log_sum_exp(cn__row row);
/* Takes another variant of the image into the output of `count` joined ones: the mean of the probabilities, or its
 * logarithm. Outputs are probabilities (of a softmax) or, log-probabilities and logits alike, become them by a softmax.
 */
void cn__row_join(cn__row output, int count, cn__row another, bool probabilities);

/* ---- targets of a batch ---- */

typedef struct cn__targets {
    cn__target_spec spec;
    cn__target_place batch; /* classes or values of all images, image after image, each [C][H][W] */
} cn__targets;

/* Values of an image's target. */
static inline size_t cn__target_size(const cn__target_spec *spec) {
    return (size_t)spec->shape.channels * (size_t)spec->shape.height * (size_t)spec->shape.width;
}
/* Its values are classes, not floats. */
static inline bool cn__target_is_classes(const cn__target_spec *spec) {
    return spec->kind == CN_TARGET_CLASS || spec->kind == CN_TARGET_MASK;
}
/* What becomes of a batch of targets in memory of its own; to be dropped. CN_ERR_MEMORY. */
cn_status cn__targets_init(cn__targets *targets, cn_context *ctx, const cn__target_spec *spec, int32_t images);
void cn__targets_drop(cn__targets *targets, cn_context *ctx);
/* Where those of image n go. */
cn__target_place cn__targets_place(const cn__targets *targets, int32_t n);

/* ---- losses ---- */

/* A loss with its options, checked, and memory to work in. */
typedef struct cn__loss {
    cn_context *ctx;
    cn_loss_options options; /* with copies of its arrays */
    cn__target_spec target;
    int32_t images;               /* of a batch, at most */
    double *sums;                 /* [images][rows of the output] */
    cn_tensor *output, *gradient; /* dense, for a loss of the program's own; else NULL */
} cn__loss;

/* Reads and checks the options. `what` begins messages. */
cn_status cn__loss_options_read(cn_loss_options *known, const cn_loss_options *options, const char *what);
/* CN_ERR_ARGUMENT: a loss that reads something else than the model's output i gives, or leads to by
 * cn__loss_bypasses. */
cn_status cn__loss_check_model(const cn_loss_options *loss, const cn_model *model, int output, const char *function);
/* CN_ERR_ARGUMENT, CN_ERR_SHAPE: a loss that does not take such targets or outputs. */
cn_status cn__loss_check_target(const cn_loss_options *loss, const cn__target_spec *target, cn__shape output,
                                const char *function);
/* For checked options, outputs of that shape and batches of at most `images` images. */
cn_status cn__loss_init(cn__loss *loss, cn_context *ctx, const cn_loss_options *options, const cn__target_spec *target,
                        cn__shape output, int32_t images);
void cn__loss_drop(cn__loss *loss);
/* Outputs are held to be logits or log-probabilities of classes, or of labels. */
bool cn__loss_is_of_classes(cn_loss_kind kind);
bool cn__loss_is_of_labels(cn_loss_kind kind);

/* The loss of one pixel's classes against a label (or, q.data not NULL, probabilities), and into `gradient` (data NULL:
 * not wanted) `scale` times its derivative by `output` (class_loss.c). */
double cn__class_loss(const cn__loss *loss, cn__row output, int64_t label, cn__row q, double scale, cn__row gradient);
/* The probability that an output, read as `kind` says, gives class k. */
double cn__class_probability(cn_loss_kind kind, cn__row output, int64_t k);
/* The same for one value against another (value_loss.c); `k`: its channel. */
double cn__value_loss(const cn__loss *loss, double output, double target, int64_t k);
double cn__value_slope(const cn__loss *loss, double output, double target, int64_t k);

/* Sums of a loss over targets, and what they are divided by. */
typedef struct cn__loss_sum {
    double sum, count;
} cn__loss_sum;

/* The loss of a batch, as reduced by the options, times options.weight; adds to `total`. Writes the gradient, with zeros
 * in the spare lanes of the last block, unless gradient.data is NULL. CN_ERR_DATA: from a loss of the program's own. */
cn_status cn__loss_batch(cn__loss *loss, cn__values output, const cn__targets *targets, int32_t images,
                         cn__values gradient, cn__loss_sum *total, double *value);

/* Asks a loss of the program's own (compute.c); what it returns. */
int cn__call_loss_function(const cn_loss_options *options, const cn_tensor *output, const cn_tensor *target,
                           double *loss, cn_tensor *gradient);

/* The layer whose values come out of an output of the model, behind what only rearranges or pools them. */
const cn__node *cn__loss_reads(const cn_model *model, int output);
/* A Softmax that ends the model where cross-entropy is asked for, or a Sigmoid where BCE is, which the loss has within
 * itself: with it bypassed the output gives the logits. -1: there is none. */
int32_t cn__loss_bypasses(const cn_loss_options *loss, const cn_model *model, int output);

/* ---- metrics (metrics.c) ---- */

/* What is counted over an epoch or a data set, of one output. */
typedef struct cn__metrics {
    cn_context *ctx;
    cn__target_spec target;
    bool labels;     /* a vector of labels, which are there where an output is above 0 */
    int64_t outputs; /* classes that the model tells apart, or channels */
    int64_t images;
    int64_t counted, correct;  /* images, pixels or labels that have a class; those recognised */
    int64_t *confusion;        /* classes: [target.classes][outputs + 1]; NULL: not wanted */
    int64_t *ranks;            /* classes: [outputs]: so many were more likely than the truth; NULL: not wanted */
    int64_t (*hits)[3];        /* labels: [outputs]: found, found where none is, missed */
    struct cn__errors *errors; /* values: [outputs] */
} cn__metrics;

/* `detailed`: with what only evaluations tell, of classes. */
cn_status cn__metrics_init(cn__metrics *metrics, cn_context *ctx, const cn__target_spec *target, cn_loss_kind loss,
                           cn__shape output, bool detailed);
void cn__metrics_drop(cn__metrics *metrics);
void cn__metrics_clear(cn__metrics *metrics);
/* Between metrics of the same target, loss and outputs. */
void cn__metrics_copy(cn__metrics *to, const cn__metrics *from);
/* What has been counted, for checkpoints, of output number `output`. */
void cn__metrics_state(cn__metrics *metrics, int output, cn__state *state);
void cn__metrics_add(cn__metrics *metrics, cn__values output, const cn__targets *targets, int32_t images);
/* NaN: not one of such targets, or nothing counted yet. `k`: one class, label or channel; -1: all. */
double cn__metrics_value(const cn__metrics *metrics, cn_metric metric, int64_t k);
/* How often a class was taken for another; only where confusion is wanted. */
int64_t cn__metrics_confusion(const cn__metrics *metrics, int64_t truth, int64_t predicted);
/* The one that says most of such targets. */
cn_metric cn__metrics_main(const cn__metrics *metrics);

#endif
