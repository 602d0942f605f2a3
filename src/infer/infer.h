/* infer.h: models over data without a backward pass: losses, how data sets are fed to plans, evaluation, prediction. */
#ifndef CN_INFER_H
#define CN_INFER_H

#include "data/data.h"
#include "plan/plan.h"

/* ---- losses (loss.c) ---- */

typedef struct cn__loss_spec {
    cn_loss_kind loss;
    float label_smoothing;
} cn__loss_spec;

/* CN_ERR_ARGUMENT naming `function`. */
cn_status cn__loss_spec_check(const cn__loss_spec *loss_spec, const char *function);

/* The layer whose values come out of the model's first output, behind what only rearranges or pools them. */
const cn__node *cn__loss_reads(const cn_model *model);
/* CN_ERR_ARGUMENT: a loss that reads something else than the model gives; `function` for the message. */
cn_status cn__loss_check_model(cn_loss_kind loss, const cn_model *model, const char *function);

/* One image's values, one a class: value k is at data[k · step]. */
typedef struct cn__row {
    float *data;
    size_t step;
    int64_t classes;
} cn__row;

/* Row of image n of a map of 1×1 pixels. */
static inline cn__row cn__fmap_row(const cn__fmap *map, int32_t n) {
    cn__row row = {cn__fmap_plane(map, (size_t)n / CN__LANES, 0).data + n % CN__LANES, map->channel,
                   map->shape.channels};
    return row;
}

/* One image's loss, and into `gradient` (data NULL: not wanted) `scale` times its derivative by `output`. */
double cn__loss_row(const cn__loss_spec *loss_spec, cn__row output, int64_t label, double scale, cn__row gradient);

/* Index of the largest value, the first if several are equal; -1 if all are NaN. */
int64_t cn__row_argmax(cn__row output);

/* The probability that an output, read as `loss` says, gives class k. */
double cn__row_probability(cn_loss_kind loss, cn__row output, int64_t k);

/* Takes another variant of the image into the output of `count` joined ones: the mean of the probabilities, or its
 * logarithm. Outputs are probabilities (of a softmax) or, log-probabilities and logits alike, become them by a softmax.
 */
void cn__row_join(cn__row output, int count, cn__row another, bool probabilities);

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

/* What is counted over an epoch or a data set. */
typedef struct cn__tally {
    double loss; /* sum over images, in their order */
    int64_t correct, images;
} cn__tally;

/* Adds a batch to the tally and returns its mean loss; writes the mean's gradient, with zeros in the spare lanes of the
 * last block, unless `gradient` is NULL. */
double cn__loss_batch(const cn__loss_spec *loss_spec, const cn__fmap *output, const int64_t *labels, int32_t images,
                      const cn__fmap *gradient, cn__tally *tally);

/* ---- images on their way into a plan (feed.c) ---- */

typedef struct cn__feed {
    cn_context *ctx;
    const cn_dataset *data;
    int32_t images;    /* fetched at a time, at most */
    float *levels;     /* what 8-bit pixels become, as in cn__fetch */
    size_t slot_bytes; /* of scratch memory an image */
    char *scratch;
    cn_status *status; /* by image, as are: */
    int64_t *label;
    uint32_t *place;  /* index in the data set, for dropout */
    cn__fmap outputs; /* of cn__feed_all: a batch's; data NULL until cn__feed_outputs, as are */
    cn__fmap another; /* those of a further variant; NULL also if there is none */
    cn__variants variants;
} cn__feed;

/* CN_ERR_SHAPE: a model of several inputs or outputs, images or classes that the model does not fit; CN_ERR_STATE: the caller wants the images to be
 * normalised otherwise than the model's, `known`, are. `function` and `what` (a data set) for messages. */
cn_status cn__feed_check(const cn_model *model, const cn__normalization *known, const cn_dataset *data,
                         const char *function, const char *what);
/* For at most `images` images at a time, and never more than there are; 8-bit ones are normalised as `known` says, or
 * as the data set does if nothing is known. */
cn_status cn__feed_init(cn__feed *feed, cn_context *ctx, const cn__normalization *known, const cn_dataset *data,
                        int32_t images);
void cn__feed_drop(cn__feed *feed);

/* An entry of an order: an image, below 2^32, and how often the same order has it before. */
static inline int64_t cn__draw(int64_t index, uint32_t repeat) {
    return (int64_t)((uint64_t)repeat << 32 | (uint64_t)index);
}

/* Fetches images order[first] … order[first + count - 1] (order NULL: first …) into an input map and zeroes the spare
 * lanes; fills label and place. CN_ERR_IO, CN_ERR_DATA. */
cn_status cn__feed_fetch(cn__feed *feed, const int64_t *order, int64_t first, int32_t count, const cn__fetch *how,
                         const cn__fmap *map);

/* Memory for outputs of that shape, which cn__feed_all needs, of the images looked at in these ways. */
cn_status cn__feed_outputs(cn__feed *feed, cn__shape shape, cn__variants variants);
/* Runs the whole data set through a prepared model, not augmented, all variants joined; `seen` reads
 * each batch's outputs and labels, of `images` images from `first` on, and may end it with a status. */
typedef cn_status (*cn__batch_callback)(void *argument, int64_t first, int32_t images);
cn_status cn__feed_all(cn__feed *feed, const cn__inference *inference, cn__batch_callback seen, void *argument);
/* The first layer whose output for one of these images is not finite, or NULL. */
const char *cn__feed_first_nonfinite(cn__feed *feed, const cn__inference *inference, int64_t first, int32_t images);

/* ---- evaluation (evaluation.c) ---- */

cn_context *cn__evaluation_context(const cn_evaluation *evaluation);

#endif
