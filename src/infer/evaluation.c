/* evaluation.c: what a model gets right and wrong on a data set. */
#include "infer/infer.h"
#include <math.h>

#define BATCH 128

struct cn_evaluation {
    cn_context *ctx;
    cn__tally tally;
    int64_t classes;    /* that the model tells apart; the data's are the first of these */
    int64_t truths;     /* the data's */
    int64_t *confusion; /* [truths][classes] */
    int64_t *images;    /* [truths] */
    cn_misclassified *wrong;
    size_t wrong_count, wrong_capacity;
};

typedef struct pass {
    cn_evaluation *evaluation;
    cn__loss_spec loss_spec;
    const cn__feed *feed;
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
                                .probability = predicted < 0 ? NAN : cn__row_probability(loss, output, predicted),
                                .truth_probability = cn__row_probability(loss, output, truth)};
    return CN_OK;
}

static cn_status count_batch(void *argument, int64_t first, int32_t images) {
    const pass *p = argument;
    cn_evaluation *e = p->evaluation;
    const cn__fmap *output = &p->feed->outputs;
    cn__loss_batch(&p->loss_spec, output, p->feed->label, images, NULL, &e->tally);
    for (int32_t n = 0; n < images; n++) {
        cn__row row = cn__fmap_row(output, n);
        int64_t truth = p->feed->label[n], predicted = cn__row_argmax(row);
        e->images[truth]++;
        if (predicted >= 0)
            e->confusion[truth * e->classes + predicted]++;
        if (predicted != truth)
            CN__TRY(note_wrong(e, p->loss_spec.loss, row, first + n, truth));
    }
    return CN_OK;
}

static cn_status evaluate(const cn_model *model, const cn_dataset *dataset, const cn_evaluation_options *options,
                          cn_evaluation *e) {
    int64_t output[3];
    cn__inference *inference = NULL;
    cn__feed feed = {0};
    cn__normalization known = {model->mean, model->std};
    cn__variants variants = {options->flip != 0, options->shift};
    cn_model_output_shape(model, output);
    CN__TRY(cn__variants_check("cn_evaluation_options", &variants, model, model->input,
                               (cn__shape){(int32_t)output[0], 1, 1}));
    e->classes = output[0];
    e->truths = cn_dataset_classes(dataset);
    e->confusion = cn__alloc(e->ctx, (size_t)(e->truths * e->classes), sizeof *e->confusion);
    e->images = cn__alloc(e->ctx, (size_t)e->truths, sizeof *e->images);
    cn_status status = e->confusion && e->images ? CN_OK : cn__no_memory("an evaluation");
    if (status == CN_OK)
        status = cn__feed_init(&feed, e->ctx, &known, dataset, BATCH);
    if (status == CN_OK)
        status = cn__feed_outputs(&feed, (cn__shape){(int32_t)output[0], 1, 1}, variants);
    if (status == CN_OK)
        status = cn__inference_new(model, &(cn__inference_options){.images = feed.images}, &inference);
    if (status == CN_OK) {
        pass p = {e, {options->loss, 0.0f}, &feed};
        cn__inference_prepare(inference);
        status = cn__feed_all(&feed, inference, count_batch, &p);
    }
    cn__inference_free(inference);
    cn__feed_drop(&feed);
    return status;
}

cn_status cn_evaluation_new(const cn_model *model, const cn_dataset *dataset, const cn_evaluation_options *options,
                            cn_evaluation **evaluation) {
    cn_evaluation_options known = CN_EVALUATION_OPTIONS_INIT;
    CN__REQUIRE(evaluation);
    *evaluation = NULL;
    CN__TRY(cn__model_ready(model, "cn_evaluation_new"));
    CN__REQUIRE(dataset);
    CN__TRY(CN__READ_OPTIONS(&known, cn_evaluation_options, options));
    CN__TRY(cn__check_reserved("cn_evaluation_options", known.reserved == 0));
    CN__TRY(cn__loss_spec_check(&(cn__loss_spec){known.loss, 0.0f}, "cn_evaluation_options"));
    CN__TRY(cn__loss_check_model(known.loss, model, "cn_evaluation_new"));
    CN__TRY(cn__feed_check(model, &(cn__normalization){model->mean, model->std}, dataset, "cn_evaluation_new",
                           "the data set"));
    cn_evaluation *made = cn__alloc(model->ctx, 1, sizeof *made);
    if (!made)
        return cn__no_memory("an evaluation");
    made->ctx = model->ctx;
    cn_status status = evaluate(model, dataset, &known, made);
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
    cn__free(ctx, evaluation->confusion);
    cn__free(ctx, evaluation->images);
    cn__free(ctx, evaluation->wrong);
    cn__free(ctx, evaluation);
}

/* ---- what was found ---- */

cn_context *cn__evaluation_context(const cn_evaluation *evaluation) {
    return evaluation->ctx;
}

int64_t cn_evaluation_count(const cn_evaluation *evaluation) {
    return evaluation ? evaluation->tally.images : 0;
}

double cn_evaluation_loss(const cn_evaluation *evaluation) {
    return evaluation ? evaluation->tally.loss / (double)evaluation->tally.images : (double)NAN;
}

double cn_evaluation_accuracy(const cn_evaluation *evaluation) {
    return evaluation ? (double)evaluation->tally.correct / (double)evaluation->tally.images : (double)NAN;
}

int64_t cn_evaluation_classes(const cn_evaluation *evaluation) {
    return evaluation ? evaluation->classes : 0;
}

double cn_evaluation_class_accuracy(const cn_evaluation *evaluation, int64_t truth) {
    if (!evaluation || truth < 0 || truth >= evaluation->truths || evaluation->images[truth] == 0)
        return NAN;
    return (double)cn_evaluation_confusion(evaluation, truth, truth) / (double)evaluation->images[truth];
}

int64_t cn_evaluation_confusion(const cn_evaluation *evaluation, int64_t truth, int64_t predicted) {
    if (!evaluation || truth < 0 || truth >= evaluation->truths || predicted < 0 || predicted >= evaluation->classes)
        return 0;
    return evaluation->confusion[truth * evaluation->classes + predicted];
}

int64_t cn_evaluation_misclassified_count(const cn_evaluation *evaluation) {
    return evaluation ? (int64_t)evaluation->wrong_count : 0;
}

cn_status cn_evaluation_misclassified(const cn_evaluation *evaluation, int64_t index, cn_misclassified *entry) {
    CN__REQUIRE(evaluation);
    CN__REQUIRE(entry);
    if (index < 0 || index >= (int64_t)evaluation->wrong_count)
        return cn__error(CN_ERR_NOT_FOUND, "cn_evaluation_misclassified: index %lld of %lld", (long long)index,
                         (long long)evaluation->wrong_count);
    return cn__struct_write(entry, &evaluation->wrong[index], sizeof *entry, sizeof *entry, "cn_misclassified");
}
