/* SPDX-License-Identifier: MIT */
/* callback.c: data sets whose images and targets the caller's program hands over when asked. */
#include "data/dataset.h"
#include <string.h>

static int ask(const cn_dataset_source *given, int64_t index, void *image, void *const *targets) {
    CN__IN_HOSTS_MODE;
    return given->fetch ? given->fetch(given->user, index, image, targets[0])
                        : given->fetch_sample(given->user, index, image, targets);
}

static cn_status fetch(void *user, int64_t index, void *image, void *const *targets) {
    const cn_dataset_source *given = user;
    if (given->fetch)
        *(int64_t *)targets[0] = -1; /* a label that is forgotten is wrong */
    int answer = ask(given, index, image, targets);
    if (answer == 0)
        return CN_OK;
    return cn__error(CN_ERR_IO, "the source of the data set returned %d for image %lld", answer, (long long)index);
}

static void release(cn_context *ctx, void *user) {
    cn_dataset_source *given = user;
    CN__IN_HOSTS_MODE;
    if (given->release)
        given->release(given->user);
    cn__free(ctx, given);
}

static cn_status check(const cn_dataset_source *source) {
    CN__TRY(cn__check_reserved("cn_dataset_source", source->reserved == 0 && !source->reserved_pointer));
    if (!source->fetch == !source->fetch_sample)
        return cn__error(CN_ERR_ARGUMENT, "cn_dataset_source: fetch and fetch_sample are %s NULL, wanted one of them",
                         source->fetch ? "both not" : "both");
    if (source->fetch && source->target_count != 0)
        return cn__error(CN_ERR_ARGUMENT, "cn_dataset_source: target_count is %d, wanted 0 where fetch gives classes",
                         source->target_count);
    if (source->fetch_sample && source->dtype != CN_DTYPE_UINT8 && source->dtype != CN_DTYPE_FLOAT32)
        return cn__error(CN_ERR_ARGUMENT, "cn_dataset_source: dtype is %d, wanted CN_DTYPE_UINT8 or CN_DTYPE_FLOAT32",
                         (int)source->dtype);
    CN__TRY(cn__check_images("cn_dataset_source", source->count, source->channels, source->height, source->width));
    if (source->target_count < 0 || (source->target_count > 0 && !source->targets))
        return cn__error(CN_ERR_ARGUMENT, "cn_dataset_source: target_count is %d%s", source->target_count,
                         source->targets ? "" : ", but targets is NULL");
    if (source->fetch_sample && source->classes != 0)
        return cn__error(CN_ERR_ARGUMENT, "cn_dataset_source: classes is %lld, wanted 0 beside fetch_sample's targets",
                         (long long)source->classes);
    return source->fetch ? cn__check_classes("cn_dataset_source", source->classes) : CN_OK;
}

/* Target `t` of those described, which may be structs of another size than ours; with `classes` there is one. */
static cn_status read_target(const cn_dataset_source *source, int t, cn_context *ctx, cn__target *target) {
    cn_target_options known = CN_TARGET_OPTIONS_INIT;
    if (source->fetch)
        known.classes = source->classes;
    else
        CN__TRY(CN__READ_OPTIONS(&known, cn_target_options,
                                 (const char *)source->targets + (size_t)t * source->targets->size));
    CN__TRY(cn__target_read(&known, "cn_dataset_source: targets", ctx, target));
    target->origin = CN__TARGET_OF_SOURCE;
    target->place = t;
    return CN_OK;
}

/* The data set with all its targets; the source stays the caller's until this has been done. */
static cn_status make(cn_context *ctx, cn_dataset_source *given, cn__images described, cn_dataset **dataset) {
    cn_dataset *made = NULL;
    int count = described.source.target_count;
    described.source.targets = cn__alloc(ctx, (size_t)count + 1, sizeof *described.source.targets);
    if (!described.source.targets)
        return cn__no_memory("a data set");
    CN__TRY(cn__dataset_new(ctx, described, &made));
    cn_status status = CN_OK;
    for (int t = 0; t < count && status == CN_OK; t++) {
        cn__target target;
        status = read_target(given, t, ctx, &target);
        if (status == CN_OK) {
            made->images->source.targets[t] = target.spec;
            status = cn__target_add(made, target);
        }
    }
    if (status != CN_OK) {
        cn_dataset_free(made);
        return status;
    }
    made->images->source.release = release;
    *dataset = made;
    return CN_OK;
}

cn_status cn_dataset_callback(cn_context *context, const cn_dataset_source *source, cn_dataset **dataset) {
    CN__COMPUTES;
    cn_dataset_source known = CN_DATASET_SOURCE_INIT;
    CN__REQUIRE(dataset);
    *dataset = NULL;
    CN__REQUIRE(context);
    CN__REQUIRE(source);
    CN__TRY(CN__READ_OPTIONS(&known, cn_dataset_source, source));
    CN__TRY(check(&known));
    cn_dataset_source *given = cn__alloc(context, 1, sizeof *given);
    if (!given)
        return cn__no_memory("a data set");
    memcpy(given, &known, sizeof *given);
    cn__images described = {.count = known.count,
                            .channels = known.channels,
                            .height = known.height,
                            .width = known.width,
                            .kind = known.fetch || known.dtype == CN_DTYPE_UINT8 ? CN__PIXEL_BYTES : CN__PIXEL_FLOATS,
                            .source = {fetch, NULL, given, known.fetch ? 1 : known.target_count, NULL}};
    cn_status status = make(context, given, described, dataset);
    if (status != CN_OK)
        cn__free(context, given);
    return status;
}
