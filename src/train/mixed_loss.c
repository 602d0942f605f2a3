/* SPDX-License-Identifier: MIT */
/* mixed_loss.c: what mixed images cost: λ L(y) + (1 - λ) L(y'), with the targets of both images; where these are
 * numbers, L(λ y + (1 - λ) y'). */
#include "train/train.h"
#include <string.h>

/* ---- memory ---- */

static cn_status make_target(cn__mix *mix, const cn_dataset *data, int32_t i, int32_t images) {
    const cn__target_spec *spec = cn__dataset_target(data, i);
    if (spec->kind == CN_TARGET_MASK || spec->kind == CN_TARGET_IMAGE)
        return cn__error(
            CN_ERR_UNSUPPORTED,
            "cn_trainer_options: mixup_alpha or cutmix_alpha is above 0, which mixes classes and vectors, but "
            "target %d is %s",
            (int)i, spec->kind == CN_TARGET_MASK ? "a mask" : "an image");
    CN__TRY(cn__targets_init(&mix->others[i], mix->ctx, spec, images));
    mix->target_count++;
    return CN_OK;
}

cn_status cn__mix_init_loss(cn__mix *mix, const cn_model *model, const cn_dataset *data, int32_t images) {
    int32_t targets = cn__dataset_target_count(data), outputs = cn__model_output_count(model);
    if (!mix->images)
        return CN_OK;
    mix->others = cn__alloc(mix->ctx, (size_t)targets, sizeof *mix->others);
    mix->sums = cn__alloc(mix->ctx, (size_t)outputs, sizeof *mix->sums);
    mix->gradients = cn__alloc(mix->ctx, (size_t)outputs, sizeof *mix->gradients);
    if (!mix->others || !mix->sums || !mix->gradients)
        return cn__no_memory("mixed targets");
    for (int32_t i = 0; i < targets; i++)
        CN__TRY(make_target(mix, data, i, images));
    for (; mix->output_count < outputs; mix->output_count++) {
        cn__shape shape = cn__model_shape(model, cn__model_output_node(model, mix->output_count));
        size_t values = (size_t)shape.channels * (size_t)shape.height * (size_t)shape.width * (size_t)images;
        mix->gradients[mix->output_count] = cn__alloc(mix->ctx, values, 2 * sizeof(float));
        if (!mix->gradients[mix->output_count])
            return cn__no_memory("mixed targets");
    }
    return CN_OK;
}

void cn__mix_drop(cn__mix *mix) {
    if (!mix->ctx)
        return;
    for (int32_t i = 0; i < mix->target_count; i++)
        cn__targets_drop(&mix->others[i], mix->ctx);
    for (int32_t i = 0; i < mix->output_count; i++)
        cn__free(mix->ctx, mix->gradients[i]);
    cn__free(mix->ctx, mix->others);
    cn__free(mix->ctx, mix->sums);
    cn__free(mix->ctx, mix->gradients);
    cn__free(mix->ctx, mix->images);
    cn__free(mix->ctx, mix->partner);
}

/* ---- targets ---- */

static void find_other_classes(const cn__mix *mix, const cn__targets *own, cn__targets *other, int32_t images) {
    for (int32_t n = 0; n < images; n++)
        *cn__targets_place(other, n).classes = *cn__targets_place(own, (int32_t)mix->partner[n]).classes;
}

/* Both become the mean of the two. */
static void mix_values(const cn__mix *mix, cn__targets *own, cn__targets *other, int32_t images) {
    size_t values = cn__target_size(&own->spec), all = (size_t)images * values;
    float share = (float)mix->share, rest = 1.0f - share;
    memcpy(other->batch.values, own->batch.values, all * sizeof(float));
    for (int32_t n = 0; n < images; n++) {
        const float *partner = cn__targets_place(other, (int32_t)mix->partner[n]).values;
        float *value = cn__targets_place(own, n).values;
        for (size_t i = 0; i < values; i++)
            value[i] = share * value[i] + rest * partner[i];
    }
    memcpy(other->batch.values, own->batch.values, all * sizeof(float));
}

/* Whether images have two targets each. */
static bool mix_targets(cn__mix *mix, cn__targets *targets, int32_t images) {
    bool two = false;
    for (int32_t i = 0; i < mix->target_count; i++)
        if (cn__target_is_classes(&targets[i].spec)) {
            find_other_classes(mix, &targets[i], &mix->others[i], images);
            two = true;
        } else {
            mix_values(mix, &targets[i], &mix->others[i], images);
        }
    return two;
}

/* ---- the loss ---- */

static size_t values_of(const cn__fmap *map, int32_t images) {
    return (size_t)map->shape.channels * (size_t)map->shape.height * (size_t)map->shape.width * (size_t)images;
}

/* The mean of what the loss was against the images' own targets and is against the others'. */
static void join(const cn__mix *mix, cn__objective *objective, int32_t images, const cn__fmap *const *gradients) {
    for (int32_t o = 0; o < mix->output_count; o++) {
        cn__loss_sum *sum = &objective->pending[o], own = mix->sums[o];
        size_t values = values_of(gradients[o], images);
        float *first = mix->gradients[o], *second = first + values;
        sum->sum = mix->share * own.sum + (1.0 - mix->share) * sum->sum;
        sum->count = mix->share * own.count + (1.0 - mix->share) * sum->count;
        cn__fmap_unpack(gradients[o], second, images);
        for (size_t i = 0; i < values; i++)
            first[i] = (float)mix->share * first[i] + (float)(1.0 - mix->share) * second[i];
        cn__fmap_pack(gradients[o], first, images);
    }
}

cn_status cn__mix_loss(cn__mix *mix, cn__objective *objective, const cn__fmap *const *outputs, cn__targets *targets,
                       int32_t images, const cn__fmap *const *gradients, double *loss) {
    bool two = mix->images && mix_targets(mix, targets, images);
    CN__TRY(cn__objective_loss(objective, outputs, targets, images, gradients, loss));
    if (!two)
        return CN_OK;
    double own = *loss;
    for (int32_t o = 0; o < mix->output_count; o++) {
        mix->sums[o] = objective->pending[o];
        cn__fmap_unpack(gradients[o], mix->gradients[o], images);
    }
    CN__TRY(cn__objective_loss(objective, outputs, mix->others, images, gradients, loss));
    join(mix, objective, images, gradients);
    *loss = mix->share * own + (1.0 - mix->share) * *loss;
    return CN_OK;
}
