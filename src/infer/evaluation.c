/* SPDX-License-Identifier: MIT */
/* evaluation.c: what a model gets right and wrong on a data set. */
#include "infer/infer.h"
#include <math.h>

#define BATCH 128

struct cn_evaluation {
    cn_context *ctx;
    cn__objective objective;
    cn_misclassified *wrong; /* of one class an image: the first output's */
    size_t wrong_count, wrong_capacity;
};

typedef struct pass {
    cn_evaluation *evaluation;
    cn__feed *feed;
} pass;

/* A model that gives only NaN predicts no class: -1. */
static cn_status note_wrong(cn_evaluation *e, cn_loss_kind loss, cn__row output, int64_t index, int64_t truth) {
    CN__TRY(cn__grow(e->ctx, (void **)&e->wrong, &e->wrong_capacity, e->wrong_count, sizeof *e->wrong));
    cn_misclassified *entry = &e->wrong[e->wrong_count++];
    int64_t predicted = cn__row_argmax(output);
    *entry = (cn_misclassified){.size = sizeof *entry,
                                .index = index,
                                .predicted = predicted,
                                .truth = truth,
                                .probability = predicted < 0 ? NAN : cn__class_probability(loss, output, predicted),
                                .truth_probability = cn__class_probability(loss, output, truth)};
    return CN_OK;
}

static cn_status note_wrongs(cn_evaluation *e, const cn__fmap *output, const cn__targets *targets, int64_t first,
                             int32_t images) {
    cn_loss_kind loss = e->objective.losses[0].options.kind;
    for (int32_t n = 0; n < images; n++) {
        cn__row row = cn__fmap_row(output, n);
        int64_t truth = targets->batch.classes[n];
        if (cn__row_argmax(row) != truth)
            CN__TRY(note_wrong(e, loss, row, first + n, truth));
    }
    return CN_OK;
}

/* An image has one class, which an output tells. */
static bool classifies(const cn__objective *objective, int32_t output) {
    return objective->losses[output].target.kind == CN_TARGET_CLASS && objective->metrics[output].confusion &&
           cn__loss_is_of_classes(objective->losses[output].options.kind);
}

static cn_status count_batch(void *argument, int64_t first, int32_t images) {
    const pass *p = argument;
    cn_evaluation *e = p->evaluation;
    const cn__fmap *outputs[CN__MAX_TARGETS];
    double loss;
    for (int32_t i = 0; i < e->objective.count; i++)
        outputs[i] = &p->feed->outputs[i];
    CN__TRY(cn__objective_loss(&e->objective, outputs, p->feed->targets, images, NULL, &loss));
    cn__objective_count(&e->objective, outputs, p->feed->targets, images);
    return classifies(&e->objective, 0) ? note_wrongs(e, outputs[0], p->feed->targets, first, images) : CN_OK;
}

static cn_status make_inference(const cn_model *model, const cn__variants *variants, const cn_evaluation *e,
                                cn__feed *feed, cn__inference **inference) {
    int64_t image[3];
    CN__TRY(cn__feed_outputs(feed, model, *variants));
    cn_dataset_shape(feed->data, image);
    cn__shape size = {(int32_t)image[0], (int32_t)image[1], (int32_t)image[2]};
    bool nchw16c = cn__plan_tests_nchw16c(model);
    cn__inference_options options = {.images = feed->images,
                                     .inputs = &size,
                                     .bypassed = e->objective.bypassed,
                                     .nchw16c = nchw16c,
                                     .ends = nchw16c};
    return cn__inference_new(model, &options, inference);
}

/* Where images of a batch depend on each other, each process of a group runs all. */
static cn_status run(const cn_model *model, cn__group *group, const cn__inference *inference, pass *p) {
    cn__inference_prepare(inference);
    return cn__feed_all(p->feed, inference, cn__model_joins_images(model) ? NULL : group, count_batch, p);
}

/* Of several variants of an image only probabilities of its class can be joined. */
static cn_status check_variants(const cn_model *model, const cn_dataset *dataset, const cn__variants *variants,
                                const cn__objective *objective) {
    int64_t image[3];
    cn__shape output;
    cn_dataset_shape(dataset, image);
    cn__shape size = {(int32_t)image[0], (int32_t)image[1], (int32_t)image[2]};
    CN__TRY(cn__output_for(model, dataset, 0, &output));
    CN__TRY(cn__variants_check("cn_evaluation_options", variants, model, size, output));
    if (cn__variant_count(variants) > 1 && (objective->count > 1 || !classifies(objective, 0)))
        return cn__error(CN_ERR_SHAPE, "cn_evaluation_options: %s, wanted a model with one output, the class",
                         variants->flip ? "flip" : "shift");
    return CN_OK;
}

/* All that comes before the first batch. */
static cn_status prepare(const cn_model *model, const cn_dataset *dataset, const cn_evaluation_options *options,
                         cn_evaluation *e, cn__feed *feed, cn__inference **inference) {
    cn__normalization known = {model->mean, model->std};
    cn__variants variants = {options->flip != 0, options->shift};
    cn__asked_losses asked = {options->loss_count, options->losses, options->loss, 0.0f};
    CN__TRY(cn__feed_check(model, &known, dataset, true, "cn_evaluation_new", "the data set"));
    CN__TRY(cn__objective_init(&e->objective, model, dataset, &asked, BATCH, true, "cn_evaluation_options",
                               "cn_evaluation_new"));
    CN__TRY(check_variants(model, dataset, &variants, &e->objective));
    CN__TRY(cn__feed_init(feed, e->ctx, &known, dataset, BATCH));
    return make_inference(model, &variants, e, feed, inference);
}

static cn_status evaluate(const cn_model *model, const cn_dataset *dataset, const cn_evaluation_options *options,
                          cn__group *group, cn_evaluation *e) {
    cn__feed feed = {0};
    cn__inference *inference = NULL;
    cn_status status = prepare(model, dataset, options, e, &feed, &inference);
    pass p = {e, &feed};
    if (group)
        status = cn__group_agree(group, status);
    if (status == CN_OK)
        status = run(model, group, inference, &p);
    cn__inference_free(inference);
    if (feed.ctx)
        cn__feed_drop(&feed);
    return status;
}

cn_status cn_evaluation_new(const cn_model *model, const cn_dataset *dataset, const cn_evaluation_options *options,
                            cn_evaluation **evaluation) {
    CN__COMPUTES;
    cn_evaluation_options known = CN_EVALUATION_OPTIONS_INIT;
    CN__REQUIRE(evaluation);
    *evaluation = NULL;
    CN__TRY(cn__model_ready(model, "cn_evaluation_new"));
    CN__REQUIRE(dataset);
    CN__TRY(CN__READ_OPTIONS(&known, cn_evaluation_options, options));
    CN__TRY(cn__check_reserved("cn_evaluation_options", known.reserved == 0));
    cn_evaluation *made = cn__alloc(model->ctx, 1, sizeof *made);
    if (!made)
        return cn__no_memory("an evaluation");
    made->ctx = model->ctx;
    CN__READS(model);
    cn__group group;
    bool shared = known.communicator != NULL;
    cn_status status = shared ? cn__group_init(&group, made->ctx, known.communicator) : CN_OK;
    if (status == CN_OK)
        status = evaluate(model, dataset, &known, shared ? &group : NULL, made);
    if (status != CN_OK) {
        cn_evaluation_free(made);
        return status;
    }
    *evaluation = made;
    return CN_OK;
}

void cn_evaluation_free(cn_evaluation *evaluation) {
    if (!evaluation)
        return;
    cn_context *ctx = evaluation->ctx;
    cn__objective_drop(&evaluation->objective);
    cn__free(ctx, evaluation->wrong);
    cn__free(ctx, evaluation);
}

/* ---- what was found ---- */

cn_context *cn__evaluation_context(const cn_evaluation *evaluation) {
    return evaluation->ctx;
}

int64_t cn_evaluation_count(const cn_evaluation *evaluation) {
    return evaluation ? evaluation->objective.metrics[0].images : 0;
}

int64_t cn_evaluation_outputs(const cn_evaluation *evaluation) {
    return evaluation ? evaluation->objective.count : 0;
}

double cn_evaluation_loss(const cn_evaluation *evaluation) {
    CN__COMPUTES;
    return evaluation ? cn__objective_mean(&evaluation->objective) : (double)NAN;
}

double cn_evaluation_accuracy(const cn_evaluation *evaluation) {
    return cn_evaluation_metric(evaluation, 0, CN_METRIC_ACCURACY);
}

cn_metric cn_evaluation_main_metric(const cn_evaluation *evaluation, int64_t output) {
    if (!evaluation || output < 0 || output >= evaluation->objective.count)
        return CN_METRIC_LOSS;
    return cn__metrics_main(&evaluation->objective.metrics[output]);
}

double cn_evaluation_metric(const cn_evaluation *evaluation, int64_t output, cn_metric metric) {
    CN__COMPUTES;
    if (!evaluation || output < 0 || output >= evaluation->objective.count)
        return NAN;
    if (metric == CN_METRIC_LOSS)
        return cn__objective_mean_of(&evaluation->objective, (int32_t)output);
    return cn__metrics_value(&evaluation->objective.metrics[output], metric, -1);
}

double cn_evaluation_class_metric(const cn_evaluation *evaluation, int64_t output, cn_metric metric, int64_t index) {
    CN__COMPUTES;
    if (!evaluation || output < 0 || output >= evaluation->objective.count || index < 0)
        return NAN;
    return cn__metrics_value(&evaluation->objective.metrics[output], metric, index);
}

int64_t cn__evaluation_values(const cn_evaluation *evaluation, int64_t output) {
    return evaluation->objective.metrics[output].outputs;
}

int64_t cn_evaluation_classes(const cn_evaluation *evaluation) {
    return evaluation ? evaluation->objective.metrics[0].outputs : 0;
}

double cn_evaluation_class_accuracy(const cn_evaluation *evaluation, int64_t truth) {
    return cn_evaluation_class_metric(evaluation, 0, CN_METRIC_RECALL, truth);
}

int64_t cn_evaluation_confusion(const cn_evaluation *evaluation, int64_t truth, int64_t predicted) {
    const cn__metrics *m = evaluation ? evaluation->objective.metrics : NULL;
    if (!m || !m->confusion || truth < 0 || truth >= m->target.classes || predicted < 0 || predicted >= m->outputs)
        return 0;
    return cn__metrics_confusion(m, truth, predicted);
}

int64_t cn_evaluation_misclassified_count(const cn_evaluation *evaluation) {
    return evaluation ? (int64_t)evaluation->wrong_count : 0;
}

cn_status cn_evaluation_misclassified(const cn_evaluation *evaluation, int64_t index, cn_misclassified *entry) {
    CN__COMPUTES;
    CN__REQUIRE(evaluation);
    CN__REQUIRE(entry);
    if (index < 0 || index >= (int64_t)evaluation->wrong_count)
        return cn__error(CN_ERR_NOT_FOUND, "cn_evaluation_misclassified: index %lld of %lld", (long long)index,
                         (long long)evaluation->wrong_count);
    return cn__struct_write(entry, &evaluation->wrong[index], sizeof *entry, sizeof *entry, "cn_misclassified");
}
