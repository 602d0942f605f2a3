/* SPDX-License-Identifier: MIT */
/* objective.c: what all outputs of a model cost together, each held against its target of the data set, and how good
 * they are. */
#include "infer/infer.h"
#include <string.h>

/* ---- what is asked for ---- */

/* The options of loss i: its own, or those of the one kind. */
static cn_status read_options(const cn__asked_losses *asked, int32_t i, const char *what, cn_loss_options *options) {
    cn_loss_options one = CN_LOSS_OPTIONS_INIT;
    one.kind = asked->kind;
    one.label_smoothing = asked->label_smoothing;
    return cn__loss_options_read(options, asked->count ? asked->list[i] : &one, what);
}

static cn_status check_counts(const cn_model *model, const cn_dataset *data, const cn__asked_losses *asked,
                              const char *what, const char *function) {
    int32_t outputs = cn__model_output_count(model), targets = cn__dataset_target_count(data);
    int64_t losses = asked->count ? asked->count : 1;
    if (asked->count < 0 || (asked->count > 0) != (asked->list != NULL))
        return cn__error(CN_ERR_ARGUMENT, "%s: %lld losses%s", what, (long long)asked->count,
                         asked->list ? "" : ", but no list of them");
    if (losses == outputs && outputs == targets)
        return CN_OK;
    return cn__error(CN_ERR_SHAPE, "%s: %lld losses, but the model has %d outputs and the data set %d targets",
                     function, (long long)losses, outputs, targets);
}

/* ---- the handle ---- */

static cn_status make_one(cn__objective *o, const cn_model *model, const cn_dataset *data,
                          const cn_loss_options *options, int32_t i, int32_t images, bool detailed,
                          const char *function) {
    const cn__target_spec *target = cn__dataset_target(data, i);
    cn__shape shape;
    CN__TRY(cn__output_for(model, data, i, &shape));
    CN__TRY(cn__loss_check_target(options, target, shape, function));
    CN__TRY(cn__loss_check_model(options, model, i, function));
    int32_t within = cn__loss_bypasses(options, model, i);
    if (within >= 0)
        o->bypassed[within] = true;
    CN__TRY(cn__loss_init(&o->losses[i], o->ctx, options, target, shape, images));
    CN__TRY(cn__metrics_init(&o->kept_metrics[i], o->ctx, target, options->kind, shape, detailed));
    return cn__metrics_init(&o->metrics[i], o->ctx, target, options->kind, shape, detailed);
}

static cn_status make_all(cn__objective *o, const cn_model *model, const cn_dataset *data,
                          const cn__asked_losses *asked, int32_t images, bool detailed, const char *what,
                          const char *function) {
    size_t count = (size_t)cn__model_output_count(model);
    o->losses = cn__alloc(o->ctx, count, sizeof *o->losses);
    o->totals = cn__alloc(o->ctx, count, sizeof *o->totals);
    o->pending = cn__alloc(o->ctx, count, sizeof *o->pending);
    o->kept_totals = cn__alloc(o->ctx, count, sizeof *o->kept_totals);
    o->metrics = cn__alloc(o->ctx, count, sizeof *o->metrics);
    o->kept_metrics = cn__alloc(o->ctx, count, sizeof *o->kept_metrics);
    o->bypassed = cn__alloc(o->ctx, model->node_count + 1, sizeof *o->bypassed);
    if (!o->losses || !o->totals || !o->pending || !o->kept_totals || !o->metrics || !o->kept_metrics || !o->bypassed)
        return cn__no_memory("losses");
    o->count = (int32_t)count;
    for (int32_t i = 0; i < o->count; i++) {
        cn_loss_options options;
        CN__TRY(read_options(asked, i, what, &options));
        CN__TRY(make_one(o, model, data, &options, i, images, detailed, function));
    }
    return CN_OK;
}

cn_status cn__objective_init(cn__objective *objective, const cn_model *model, const cn_dataset *data,
                             const cn__asked_losses *asked, int32_t images, bool detailed, const char *what,
                             const char *function) {
    *objective = (cn__objective){.ctx = model->ctx};
    CN__TRY(check_counts(model, data, asked, what, function));
    cn_status status = make_all(objective, model, data, asked, images, detailed, what, function);
    if (status != CN_OK)
        cn__objective_drop(objective);
    return status;
}

void cn__objective_drop(cn__objective *objective) {
    cn__objective *o = objective;
    for (int32_t i = 0; i < o->count; i++) {
        cn__loss_drop(&o->losses[i]);
        cn__metrics_drop(&o->metrics[i]);
        cn__metrics_drop(&o->kept_metrics[i]);
    }
    if (o->ctx) {
        cn__free(o->ctx, o->losses);
        cn__free(o->ctx, o->totals);
        cn__free(o->ctx, o->pending);
        cn__free(o->ctx, o->kept_totals);
        cn__free(o->ctx, o->metrics);
        cn__free(o->ctx, o->kept_metrics);
        cn__free(o->ctx, o->bypassed);
    }
    *o = (cn__objective){0};
}

void cn__objective_clear(cn__objective *objective) {
    for (int32_t i = 0; i < objective->count; i++) {
        objective->totals[i] = (cn__loss_sum){0};
        cn__metrics_clear(&objective->metrics[i]);
    }
}

/* ---- a batch ---- */

cn_status cn__objective_loss(cn__objective *objective, const cn__fmap *const *outputs, const cn__targets *targets,
                             int32_t images, const cn__fmap *const *gradients, double *loss) {
    double sum = 0.0;
    for (int32_t i = 0; i < objective->count; i++) {
        double value = 0.0;
        objective->pending[i] = (cn__loss_sum){0};
        CN__TRY(cn__loss_batch(&objective->losses[i], cn__values_of_map(outputs[i]), &targets[i], images,
                               gradients ? cn__values_of_map(gradients[i]) : (cn__values){0}, &objective->pending[i],
                               &value));
        sum += value;
    }
    *loss = sum;
    return CN_OK;
}

void cn__objective_count(cn__objective *objective, const cn__fmap *const *outputs, const cn__targets *targets,
                         int32_t images) {
    for (int32_t i = 0; i < objective->count; i++) {
        objective->totals[i].sum += objective->pending[i].sum;
        objective->totals[i].count += objective->pending[i].count;
        cn__metrics_add(&objective->metrics[i], cn__values_of_map(outputs[i]), &targets[i], images);
    }
}

static void copy_counts(cn__objective *o, cn__loss_sum *to_totals, const cn__loss_sum *from_totals,
                        cn__metrics *to_metrics, const cn__metrics *from_metrics) {
    for (int32_t i = 0; i < o->count; i++) {
        to_totals[i] = from_totals[i];
        cn__metrics_copy(&to_metrics[i], &from_metrics[i]);
    }
}

void cn__objective_keep(cn__objective *objective) {
    copy_counts(objective, objective->kept_totals, objective->totals, objective->kept_metrics, objective->metrics);
}

void cn__objective_restore(cn__objective *objective) {
    copy_counts(objective, objective->totals, objective->kept_totals, objective->metrics, objective->kept_metrics);
}

/* ---- what has been counted ---- */

double cn__objective_mean_of(const cn__objective *objective, int32_t output) {
    cn__loss_sum total = objective->totals[output];
    return total.count > 0.0 ? total.sum / total.count : total.sum;
}

double cn__objective_mean(const cn__objective *objective) {
    double sum = 0.0;
    for (int32_t i = 0; i < objective->count; i++)
        sum += (double)objective->losses[i].options.weight * cn__objective_mean_of(objective, i);
    return sum;
}
