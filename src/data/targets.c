/* SPDX-License-Identifier: MIT */
/* targets.c: what belongs to the images of a data set: descriptions checked, targets added, shared with views, asked
 * for. */
#include "data/dataset.h"
#include <math.h>
#include <string.h>

static const char *const kind_names[] = {"classes", "vectors", "masks", "images"};

static bool has_classes(const cn__target_spec *spec) {
    return spec->kind == CN_TARGET_CLASS || spec->kind == CN_TARGET_MASK;
}

cn__target *cn__dataset_classes(const cn_dataset *dataset) {
    for (size_t t = 0; t < dataset->target_count; t++)
        if (has_classes(&dataset->targets[t].spec))
            return &dataset->targets[t];
    return NULL;
}

static void drop(cn_context *ctx, cn__target *target) {
    cn__free(ctx, target->mirrored);
    cn__free(ctx, target->rows);
    cn__free(ctx, target->classes);
}

void cn__targets_clear(cn_dataset *dataset) {
    for (size_t t = 0; t < dataset->target_count; t++)
        drop(dataset->ctx, &dataset->targets[t]);
    cn__free(dataset->ctx, dataset->targets);
    cn__free(dataset->ctx, dataset->class_names);
    dataset->targets = NULL;
    dataset->target_count = dataset->target_capacity = 0;
    dataset->class_names = NULL;
    dataset->named = false;
}

cn_status cn__target_add(cn_dataset *dataset, cn__target target) {
    char **names = NULL;
    cn_status status = cn__grow(dataset->ctx, (void **)&dataset->targets, &dataset->target_capacity,
                                dataset->target_count, sizeof *dataset->targets);
    if (status == CN_OK && !dataset->class_names && has_classes(&target.spec)) {
        names = cn__number_names(dataset->ctx, target.spec.classes);
        status = names ? CN_OK : cn__no_memory("class names");
    }
    if (status != CN_OK) {
        drop(dataset->ctx, &target);
        return status;
    }
    if (names)
        dataset->class_names = names;
    dataset->targets[dataset->target_count++] = target;
    return CN_OK;
}

/* ---- views ---- */

static void *copy_of(cn_context *ctx, const void *from, size_t bytes, bool *failed) {
    void *copy = from ? cn__alloc(ctx, bytes, 1) : NULL;
    if (copy)
        memcpy(copy, from, bytes);
    *failed |= from && !copy;
    return copy;
}

static cn_status copy_target(const cn__target *from, cn_dataset *view, const int64_t *indices) {
    cn_context *ctx = view->ctx;
    bool failed = false;
    cn__target copy = *from;
    copy.mirrored =
        copy_of(ctx, from->mirrored, (size_t)from->spec.shape.channels / 2 * sizeof *copy.mirrored, &failed);
    copy.classes = copy_of(ctx, from->classes, (size_t)from->stored_classes * sizeof *copy.classes, &failed);
    copy.rows = copy_of(ctx, from->rows ? indices : NULL, (size_t)view->count * sizeof *copy.rows, &failed);
    for (int64_t i = 0; copy.rows && i < view->count; i++)
        copy.rows[i] = from->rows[copy.rows[i]];
    if (!failed)
        return cn__target_add(view, copy);
    drop(ctx, &copy);
    return cn__no_memory("the targets of a data set");
}

cn_status cn__targets_view(const cn_dataset *parent, cn_dataset *view, const int64_t *indices) {
    for (size_t t = 0; t < parent->target_count; t++)
        CN__TRY(copy_target(&parent->targets[t], view, indices));
    return CN_OK;
}

/* ---- descriptions ---- */

static cn_status check_shape(const cn_target_options *o, const char *what) {
    bool scalar = o->shape[1] == 1 && o->shape[2] == 1;
    CN__TRY(cn__check_images(what, 1, o->shape[0], o->shape[1], o->shape[2]));
    if ((o->kind == CN_TARGET_CLASS || o->kind == CN_TARGET_MASK) && o->shape[0] != 1)
        return cn__error(CN_ERR_SHAPE, "%s: %s have 1 channel, shape says %lld", what, kind_names[o->kind],
                         (long long)o->shape[0]);
    if ((o->kind == CN_TARGET_CLASS || o->kind == CN_TARGET_VECTOR) && !scalar)
        return cn__error(CN_ERR_SHAPE, "%s: %s have height and width 1, shape says %lld and %lld", what,
                         kind_names[o->kind], (long long)o->shape[1], (long long)o->shape[2]);
    return CN_OK;
}

static cn_status check_classes(const cn_target_options *o, const char *what) {
    if (!has_classes(&(cn__target_spec){.kind = o->kind}))
        return o->classes == 0 ? CN_OK
                               : cn__error(CN_ERR_ARGUMENT, "%s: classes is %lld, but %s have none", what,
                                           (long long)o->classes, kind_names[o->kind]);
    CN__TRY(cn__check_classes(what, o->classes));
    if (o->kind == CN_TARGET_MASK && o->ignore_index >= 0 && o->ignore_index < o->classes)
        return cn__error(CN_ERR_ARGUMENT, "%s: ignore_index is %lld, one of the classes 0 to %lld", what,
                         (long long)o->ignore_index, (long long)o->classes - 1);
    return CN_OK;
}

/* Mirrored twice, points are where they were. */
static cn_status check_mirrored(const cn_target_options *o, const char *what) {
    int count = (int)(o->shape[0] / 2);
    for (int i = 0; o->mirrored && i < count; i++) {
        int partner = o->mirrored[i];
        if (partner < 0 || partner >= count || o->mirrored[partner] != i)
            return cn__error(CN_ERR_ARGUMENT, "%s: mirrored[%d] is %d, which is no partner among %d points", what, i,
                             partner, count);
    }
    return CN_OK;
}

static cn_status check_vector(const cn_target_options *o, const char *what) {
    if (o->vector < CN_VECTOR_UNKNOWN || o->vector > CN_VECTOR_POINTS)
        return cn__error(CN_ERR_ARGUMENT, "%s: vector is %d, wanted CN_VECTOR_UNKNOWN, _INVARIANT or _POINTS", what,
                         (int)o->vector);
    if (o->vector != CN_VECTOR_UNKNOWN && o->kind != CN_TARGET_VECTOR)
        return cn__error(CN_ERR_ARGUMENT, "%s: vector is set, but kind is CN_TARGET_%s", what,
                         o->kind == CN_TARGET_CLASS  ? "CLASS"
                         : o->kind == CN_TARGET_MASK ? "MASK"
                                                     : "IMAGE");
    if (o->vector != CN_VECTOR_POINTS)
        return o->mirrored ? cn__error(CN_ERR_ARGUMENT, "%s: mirrored is for CN_VECTOR_POINTS only", what) : CN_OK;
    if (o->shape[0] % 2 != 0)
        return cn__error(CN_ERR_SHAPE, "%s: points are x, y pairs, but there are %lld numbers", what,
                         (long long)o->shape[0]);
    return check_mirrored(o, what);
}

static cn_status check_kind(const cn_target_options *o, const char *what) {
    if (o->kind >= CN_TARGET_CLASS && o->kind <= CN_TARGET_IMAGE)
        return CN_OK;
    return cn__error(CN_ERR_ARGUMENT, "%s: kind is %d, wanted CN_TARGET_CLASS, _VECTOR, _MASK or _IMAGE", what,
                     (int)o->kind);
}

cn_status cn__target_read(const cn_target_options *options, const char *what, cn_context *ctx, cn__target *target) {
    cn_target_options o = *options;
    bool failed = false;
    CN__TRY(cn__check_reserved(what, !o.reserved_pointer));
    CN__TRY(check_kind(&o, what));
    if (o.kind == CN_TARGET_CLASS && o.shape[0] == 0 && o.shape[1] == 0 && o.shape[2] == 0)
        o.shape[0] = o.shape[1] = o.shape[2] = 1;
    CN__TRY(check_shape(&o, what));
    CN__TRY(check_classes(&o, what));
    CN__TRY(check_vector(&o, what));
    *target = (cn__target){.spec = {.kind = o.kind,
                                    .classes = o.classes,
                                    .ignore_index = o.ignore_index,
                                    .shape = {(int32_t)o.shape[0], (int32_t)o.shape[1], (int32_t)o.shape[2]}},
                           .vector = o.vector,
                           .stored_classes = o.classes};
    target->mirrored = copy_of(ctx, o.mirrored, (size_t)o.shape[0] / 2 * sizeof *o.mirrored, &failed);
    return failed ? cn__no_memory("a target") : CN_OK;
}

/* ---- adding one ---- */

static bool stores(cn_target_kind kind, cn_dtype dtype) {
    switch (kind) {
    case CN_TARGET_CLASS:
        return dtype == CN_DTYPE_INT64;
    case CN_TARGET_VECTOR:
        return dtype == CN_DTYPE_FLOAT32;
    case CN_TARGET_MASK:
        return dtype == CN_DTYPE_INT64 || dtype == CN_DTYPE_UINT8;
    default:
        return dtype == CN_DTYPE_FLOAT32 || dtype == CN_DTYPE_UINT8;
    }
}

/* The shape of one target, which the tensor's dimensions tell. */
static cn_status take_shape(const cn_tensor *targets, int64_t count, cn_target_options *o) {
    static const char *const wanted[] = {"int64 [N]", "float32 [N, K]", "uint8 or int64 [N, H, W]",
                                         "uint8 or float32 [N, C, H, W]"};
    char text[CN__SHAPE_TEXT], said[CN__SHAPE_TEXT];
    const int64_t *s = targets->shape;
    int dims = (int)o->kind + 1;
    if (targets->dims != dims || s[0] != count || !stores(o->kind, targets->dtype))
        return cn__error(CN_ERR_SHAPE, "cn_dataset_add_target: targets is %s %s, wanted %s with N = %lld for %s",
                         cn__dtype_name(targets->dtype), cn__shape_text(text, targets->dims, s), wanted[o->kind],
                         (long long)count, kind_names[o->kind]);
    const int64_t shapes[][3] = {{1, 1, 1}, {s[1], 1, 1}, {1, s[1], s[2]}, {s[1], s[2], s[3]}};
    const int64_t *shape = shapes[o->kind], none[3] = {0};
    if (memcmp(o->shape, none, sizeof none) != 0 && memcmp(o->shape, shape, sizeof none) != 0)
        return cn__error(CN_ERR_SHAPE, "cn_dataset_add_target: shape says %s, but targets is %s",
                         cn__shape_text(said, 3, o->shape), cn__shape_text(text, targets->dims, s));
    memcpy(o->shape, shape, sizeof none);
    return CN_OK;
}

static cn_status check_masks(const cn_tensor *masks, const cn__target_spec *spec) {
    int64_t width = spec->shape.width, pixels = spec->shape.height * width;
    for (int64_t i = 0; i < masks->count; i++) {
        int64_t value = masks->dtype == CN_DTYPE_UINT8 ? ((uint8_t *)masks->data)[i] : ((int64_t *)masks->data)[i];
        if (value != spec->ignore_index && (value < 0 || value >= spec->classes))
            return cn__error(
                CN_ERR_DATA,
                "cn_dataset_add_target: mask %lld, row %lld, column %lld is %lld, wanted 0 to %lld or %lld",
                (long long)(i / pixels), (long long)(i % pixels / width), (long long)(i % width), (long long)value,
                (long long)spec->classes - 1, (long long)spec->ignore_index);
    }
    return CN_OK;
}

static cn_status check_values(const cn_tensor *targets, const cn__target_spec *spec) {
    if (spec->kind == CN_TARGET_CLASS)
        return cn__check_labels("cn_dataset_add_target", targets->data, targets->count, spec->classes);
    if (spec->kind == CN_TARGET_MASK)
        return check_masks(targets, spec);
    int64_t values = targets->shape[0] ? targets->count / targets->shape[0] : 0;
    for (int64_t n = 0; targets->dtype == CN_DTYPE_FLOAT32 && n < targets->shape[0]; n++)
        CN__TRY(cn__check_finite("cn_dataset_add_target: target", n, spec->shape,
                                 (const float *)targets->data + n * values));
    return CN_OK;
}

/* A view's targets are in its own order, whatever that of its images is. */
static cn_status number_rows(const cn_dataset *dataset, cn__target *target) {
    if (!dataset->indices || target->origin != CN__TARGET_STORED)
        return CN_OK;
    target->rows = cn__alloc(dataset->ctx, (size_t)dataset->count, sizeof *target->rows);
    if (!target->rows)
        return cn__no_memory("a target");
    for (int64_t i = 0; i < dataset->count; i++)
        target->rows[i] = i;
    return CN_OK;
}

static cn_status allow(const cn_dataset *dataset, const cn__target *target, const cn_augmentation *augmentation,
                       const char *function);

/* What has been described, but for what it owns, is true of the tensor, or of the images themselves. */
static cn_status complete(const cn_dataset *dataset, const cn_tensor *targets, cn__target *target) {
    target->origin = targets ? CN__TARGET_STORED : CN__TARGET_IS_IMAGE;
    if (targets) {
        target->data = targets->data;
        target->dtype = targets->dtype;
        CN__TRY(check_values(targets, &target->spec));
    }
    CN__TRY(allow(dataset, target, &dataset->augmentation, "cn_dataset_add_target"));
    return number_rows(dataset, target);
}

static cn_status take_images(const cn_dataset *dataset, cn_target_options *o) {
    if (o->kind != CN_TARGET_IMAGE)
        return cn__error(CN_ERR_ARGUMENT, "cn_dataset_add_target: targets is NULL, which stands for the images "
                                          "themselves and needs CN_TARGET_IMAGE");
    cn_dataset_shape(dataset, o->shape);
    return CN_OK;
}

cn_status cn_dataset_add_target(cn_dataset *dataset, const cn_tensor *targets, const cn_target_options *options) {
    CN__COMPUTES;
    cn_target_options known = CN_TARGET_OPTIONS_INIT;
    cn__target target;
    CN__REQUIRE(dataset);
    CN__TRY(CN__READ_OPTIONS(&known, cn_target_options, options));
    CN__TRY(check_kind(&known, "cn_target_options"));
    CN__TRY(targets ? take_shape(targets, dataset->count, &known) : take_images(dataset, &known));
    CN__TRY(cn__target_read(&known, "cn_target_options", dataset->ctx, &target));
    cn_status status = complete(dataset, targets, &target);
    if (status == CN_OK)
        return cn__target_add(dataset, target);
    drop(dataset->ctx, &target);
    return status;
}

cn_status cn_dataset_clear_targets(cn_dataset *dataset) {
    CN__REQUIRE(dataset);
    cn__targets_clear(dataset);
    return CN_OK;
}

/* ---- what augmentation leaves true ---- */

static bool flips(const cn_augmentation *a) {
    return a->horizontal_flip > 0.0f || a->alternating_flip;
}

/* Crops, turns or distorts: moves things by more than a mirror does. */
static bool shifts(const cn_augmentation *a) {
    return a->crop_padding > 0 || a->rotation > 0.0f || (a->perspective > 0.0f && a->perspective_distortion > 0.0f);
}

static cn_status allow_vector(const cn__target *target, const cn_augmentation *a, const char *function) {
    if (target->vector == CN_VECTOR_UNKNOWN && (flips(a) || shifts(a)))
        return cn__error(
            CN_ERR_ARGUMENT,
            "%s: augmentation moves the images, and nobody said what that means to a vector of %d numbers: "
            "its cn_target_options.vector is to be CN_VECTOR_INVARIANT or CN_VECTOR_POINTS, or crop, flip, "
            "rotation and perspective left out",
            function, target->spec.shape.channels);
    if (target->vector == CN_VECTOR_POINTS && !target->mirrored && flips(a))
        return cn__error(CN_ERR_ARGUMENT,
                         "%s: augmentation mirrors the images, and nobody said which of %d points then change places: "
                         "cn_target_options.mirrored is to say so, or flips left out",
                         function, target->spec.shape.channels / 2);
    return CN_OK;
}

static cn_status allow_picture(const cn_dataset *dataset, const cn__target *target, const cn_augmentation *a,
                               const char *function) {
    const cn__shape *shape = &target->spec.shape;
    const cn__images *images = dataset->images;
    if ((shape->height == images->height && shape->width == images->width) || !shifts(a))
        return CN_OK;
    return cn__error(
        CN_ERR_ARGUMENT,
        "%s: crop, rotation and perspective are for targets as large as the images, %d×%d, and one is %d×%d", function,
        images->height, images->width, shape->height, shape->width);
}

static cn_status allow(const cn_dataset *dataset, const cn__target *target, const cn_augmentation *augmentation,
                       const char *function) {
    if (target->spec.kind == CN_TARGET_VECTOR)
        return allow_vector(target, augmentation, function);
    if (target->spec.kind != CN_TARGET_CLASS)
        return allow_picture(dataset, target, augmentation, function);
    return CN_OK;
}

cn_status cn__targets_allow(const cn_dataset *dataset, const cn_augmentation *augmentation, const char *function) {
    for (size_t t = 0; t < dataset->target_count; t++)
        CN__TRY(allow(dataset, &dataset->targets[t], augmentation, function));
    return CN_OK;
}

/* ---- asking ---- */

int cn__dataset_target_count(const cn_dataset *dataset) {
    return (int)dataset->target_count;
}

const cn__target_spec *cn__dataset_target(const cn_dataset *dataset, int index) {
    return index >= 0 && index < (int)dataset->target_count ? &dataset->targets[index].spec : NULL;
}

int cn_dataset_target_count(const cn_dataset *dataset) {
    return dataset ? cn__dataset_target_count(dataset) : 0;
}

cn_status cn_dataset_target(const cn_dataset *dataset, int target, cn_target_options *options) {
    CN__REQUIRE(dataset);
    CN__REQUIRE(options);
    if (target < 0 || target >= cn__dataset_target_count(dataset))
        return cn__error(CN_ERR_NOT_FOUND, "cn_dataset_target: target %d of %d", target,
                         cn__dataset_target_count(dataset));
    const cn__target *t = &dataset->targets[target];
    const cn__target_spec *spec = &t->spec;
    cn_target_options filled = {.size = sizeof filled,
                                .kind = spec->kind,
                                .vector = t->vector,
                                .classes = spec->classes,
                                .ignore_index = spec->ignore_index,
                                .shape = {spec->shape.channels, spec->shape.height, spec->shape.width},
                                .mirrored = t->mirrored};
    return cn__struct_write(options, &filled, sizeof filled, sizeof filled, "cn_target_options");
}
