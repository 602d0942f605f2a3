/* SPDX-License-Identifier: MIT */
/* numpy_dataset.c: data sets from numpy's files: which array is what, brought to the types and shapes that targets have.
 */
#include "data/dataset.h"
#include <stdio.h>
#include <string.h>

#define TEST_FRACTION 0.2 /* of a file without parts */
#define TEST_SEED     1

typedef struct arrays {
    cn_tensor *images, *targets; /* targets: or NULL */
    cn_target_options options;   /* complete, once they have been read */
} arrays;

static void drop(arrays *a) {
    cn_tensor_free(a->images);
    cn_tensor_free(a->targets);
}

/* The message of a step that failed, with the file that is to blame. */
static cn_status blame(cn_status status, const char *path) {
    char message[512];
    if (status == CN_OK)
        return CN_OK;
    snprintf(message, sizeof message, "%s", cn_last_error());
    return cn__error(status, "'%s': %s", path, message);
}

/* ---- shapes ---- */

static void reshape(cn_tensor *tensor, int dims, const int64_t *shape) {
    memmove(tensor->shape, shape, (size_t)dims * sizeof *shape);
    tensor->dims = dims;
}

static bool are_colours(int64_t extent) {
    return extent == 1 || extent == 3;
}

/* [N, H, W, C] becomes [N, C, H, W]. */
static cn_status move_channels(cn_tensor **tensor) {
    const cn_tensor *from = *tensor;
    const int64_t *s = from->shape, shape[4] = {s[0], s[3], s[1], s[2]};
    int64_t pixels = s[1] * s[2], channels = s[3];
    size_t bytes = cn__dtype_bytes(from->dtype);
    cn_tensor *moved;
    CN__TRY(cn_tensor_new(from->ctx, from->dtype, 4, shape, &moved));
    for (int64_t i = 0; i < from->count; i++) {
        int64_t image = i / (pixels * channels), pixel = i % (pixels * channels) / channels, c = i % channels;
        memcpy((char *)moved->data + (size_t)((image * channels + c) * pixels + pixel) * bytes,
               (const char *)from->data + (size_t)i * bytes, bytes);
    }
    cn_tensor_free(*tensor);
    *tensor = moved;
    return CN_OK;
}

static cn_status fit_images(cn_tensor **tensor) {
    cn_tensor *t = *tensor;
    const int64_t *s = t->shape;
    char text[CN__SHAPE_TEXT];
    if (t->dims < 3 || t->dims > 4 || t->dtype == CN_DTYPE_INT64)
        return cn__error(CN_ERR_SHAPE,
                         "images are %s %s, wanted uint8 or floats [N, H, W], [N, C, H, W] or [N, H, W, C]",
                         cn__dtype_name(t->dtype), cn__shape_text(text, t->dims, s));
    if (t->dims == 3)
        reshape(t, 4, (int64_t[]){s[0], 1, s[1], s[2]});
    return are_colours(s[3]) && !are_colours(s[1]) ? move_channels(tensor) : CN_OK;
}

/* ---- targets ---- */

static cn_target_kind kind_of(const cn_tensor *t) {
    bool floats = t->dtype == CN_DTYPE_FLOAT32;
    if (t->dims < 2 || (t->dims == 2 && t->shape[1] == 1))
        return floats ? CN_TARGET_VECTOR : CN_TARGET_CLASS;
    if (t->dims == 2)
        return CN_TARGET_VECTOR;
    return t->dims == 3 && !floats ? CN_TARGET_MASK : CN_TARGET_IMAGE;
}

/* To the dimensions of a kind: [N, 1] to [N] and back, [N, 1, H, W] and [N, H, W, 1] to [N, H, W]. */
static cn_status fit_dimensions(cn_target_kind kind, cn_tensor **tensor) {
    cn_tensor *t = *tensor;
    const int64_t *s = t->shape;
    if (kind == CN_TARGET_IMAGE)
        return fit_images(tensor);
    if (kind == CN_TARGET_CLASS && t->dims == 2 && s[1] == 1)
        t->dims = 1;
    if (kind == CN_TARGET_VECTOR && t->dims == 1)
        reshape(t, 2, (int64_t[]){s[0], 1});
    if (kind == CN_TARGET_MASK && t->dims == 4 && s[1] == 1)
        reshape(t, 3, (int64_t[]){s[0], s[2], s[3]});
    if (kind == CN_TARGET_MASK && t->dims == 4 && s[3] == 1)
        t->dims = 3;
    return CN_OK;
}

static double number_at(const cn_tensor *t, int64_t i) {
    return t->dtype == CN_DTYPE_UINT8   ? ((const uint8_t *)t->data)[i]
           : t->dtype == CN_DTYPE_INT64 ? (double)((const int64_t *)t->data)[i]
                                        : (double)((const float *)t->data)[i];
}

/* Bytes to integers for classes, integers to floats for vectors; the rest is told by cn_dataset_add_target. */
static cn_status fit_type(cn_target_kind kind, cn_tensor **tensor) {
    cn_tensor *t = *tensor, *made;
    bool widen = kind == CN_TARGET_CLASS && t->dtype == CN_DTYPE_UINT8;
    bool float_it = kind == CN_TARGET_VECTOR && t->dtype != CN_DTYPE_FLOAT32;
    if (!widen && !float_it)
        return CN_OK;
    CN__TRY(cn_tensor_new(t->ctx, widen ? CN_DTYPE_INT64 : CN_DTYPE_FLOAT32, t->dims, t->shape, &made));
    for (int64_t i = 0; i < t->count; i++)
        if (widen)
            ((int64_t *)made->data)[i] = ((const uint8_t *)t->data)[i];
        else
            ((float *)made->data)[i] = (float)number_at(t, i);
    cn_tensor_free(t);
    *tensor = made;
    return CN_OK;
}

/* At least as many classes as the largest needs; numbers that are no classes are told by cn_dataset_add_target. */
static void count_classes(const cn_tensor *t, int64_t ignore_index, int64_t *classes) {
    for (int64_t i = 0; i < t->count && t->dtype != CN_DTYPE_FLOAT32; i++) {
        int64_t value = t->dtype == CN_DTYPE_UINT8 ? ((const uint8_t *)t->data)[i] : ((const int64_t *)t->data)[i];
        if (value != ignore_index && value >= *classes)
            *classes = value < CN__MAX_SIDE ? value + 1 : CN__MAX_SIDE;
    }
}

enum { FREE_CLASSES = 1000 }; /* that need no targets */

/* Each class takes memory, and one stray number in a small file must not take all there is. */
static cn_status check_counted(int64_t classes, int64_t targets) {
    return classes <= targets + FREE_CLASSES
               ? CN_OK
               : cn__error(CN_ERR_DATA,
                           "its largest class is %lld, too large to count classes by %lld targets; "
                           "cn_target_options.classes can say how many there are",
                           (long long)(classes - 1), (long long)targets);
}

static bool counts_classes(const cn_target_options *o) {
    return (o->kind == CN_TARGET_CLASS || o->kind == CN_TARGET_MASK) && o->classes == 0;
}

static cn_status read_options(const cn_target_options *options, cn_target_options *known) {
    *known = (cn_target_options)CN_TARGET_OPTIONS_INIT;
    return CN__READ_OPTIONS(known, cn_target_options, options);
}

/* ---- the data set ---- */

static void *take_data(cn_tensor *tensor) {
    tensor->owned = false;
    return tensor->data;
}

/* The images' memory becomes the data set's. */
static cn_status make_images(cn_tensor *images, cn_dataset **dataset) {
    CN__TRY(cn_dataset_memory(images->ctx, images, NULL, 0, dataset));
    (*dataset)->images->owned_pixels = take_data(images);
    return CN_OK;
}

static cn_status add_targets(arrays *a, bool given, cn_dataset *dataset) {
    if (!given)
        a->options.kind = kind_of(a->targets);
    CN__TRY(fit_dimensions(a->options.kind, &a->targets));
    CN__TRY(fit_type(a->options.kind, &a->targets));
    if (counts_classes(&a->options)) {
        count_classes(a->targets, a->options.ignore_index, &a->options.classes);
        CN__TRY(check_counted(a->options.classes, a->targets->count));
    }
    CN__TRY(cn_dataset_add_target(dataset, a->targets, &a->options));
    dataset->images->owned_targets = take_data(a->targets);
    return CN_OK;
}

/* `given`: the options say the kind. `path` is of the images, `target_path` of the targets. */
static cn_status make(arrays *a, bool given, const char *path, const char *target_path, cn_dataset **dataset) {
    cn_dataset *made = NULL;
    cn_status status = blame(fit_images(&a->images), path);
    if (status == CN_OK)
        status = blame(make_images(a->images, &made), path);
    if (status == CN_OK && a->targets)
        status = blame(add_targets(a, given, made), target_path);
    if (status == CN_OK)
        *dataset = made;
    else
        cn_dataset_free(made);
    return status;
}

cn_status cn_dataset_npy(cn_context *context, const char *images, const char *targets, const cn_target_options *options,
                         cn_dataset **dataset) {
    CN__COMPUTES;
    arrays a = {0};
    CN__REQUIRE(dataset);
    *dataset = NULL;
    CN__REQUIRE(context);
    CN__REQUIRE(images);
    CN__TRY(read_options(options, &a.options));
    cn_status status = cn_tensor_load_npy(context, images, &a.images);
    if (status == CN_OK && targets)
        status = cn_tensor_load_npy(context, targets, &a.targets);
    if (status == CN_OK)
        status = make(&a, options != NULL, images, targets, dataset);
    drop(&a);
    return status;
}

/* ---- archives ---- */

static const char *const image_names[][4] = {
    [CN_SPLIT_TRAIN] = {"train_images", "x_train"},
    [CN_SPLIT_TEST] = {"test_images", "x_test"},
    [CN_SPLIT_ALL] = {"images", "x"},
    [CN_SPLIT_VALIDATION] = {"val_images", "x_val", "validation_images", "x_validation"},
};
static const char *const target_names[][4] = {
    [CN_SPLIT_TRAIN] = {"train_labels", "y_train", "train_targets", "train_masks"},
    [CN_SPLIT_TEST] = {"test_labels", "y_test", "test_targets", "test_masks"},
    [CN_SPLIT_ALL] = {"labels", "y", "targets", "masks"},
    [CN_SPLIT_VALIDATION] = {"val_labels", "y_val", "validation_labels", "y_validation"},
};

/* The first array that is there; NULL and CN_OK: none is. */
static cn_status load_first(cn_context *ctx, const char *path, const char *const names[4], cn_tensor **tensor) {
    *tensor = NULL;
    for (int i = 0; i < 4 && names[i]; i++) {
        cn_status status = cn_tensor_load_npz(ctx, path, names[i], tensor);
        if (status != CN_ERR_NOT_FOUND)
            return status;
    }
    return CN_OK;
}

/* The classes of the other parts count, too. */
static cn_status count_all_classes(cn_context *ctx, const char *path, cn_split split, arrays *a, bool given) {
    static const cn_split parts[] = {CN_SPLIT_TRAIN, CN_SPLIT_TEST, CN_SPLIT_VALIDATION};
    if (!a->targets || split == CN_SPLIT_ALL)
        return CN_OK;
    cn_target_options o = a->options;
    if (!given)
        o.kind = kind_of(a->targets);
    if (!counts_classes(&o))
        return CN_OK;
    int64_t targets = a->targets->count;
    count_classes(a->targets, o.ignore_index, &a->options.classes);
    for (size_t i = 0; i < CN__COUNT(parts); i++) {
        cn_tensor *others = NULL;
        if (parts[i] != split)
            CN__TRY(load_first(ctx, path, target_names[parts[i]], &others));
        if (others) {
            count_classes(others, o.ignore_index, &a->options.classes);
            targets += others->count;
        }
        cn_tensor_free(others);
    }
    return check_counted(a->options.classes, targets);
}

/* All that is in the arrays of a split; NULL: they are not there. */
static cn_status open_part(cn_context *ctx, const char *path, cn_split split, const cn_target_options *options,
                           cn_dataset **dataset) {
    arrays a = {0};
    CN__TRY(read_options(options, &a.options));
    cn_status status = load_first(ctx, path, image_names[split], &a.images);
    if (status == CN_OK && a.images)
        status = load_first(ctx, path, target_names[split], &a.targets);
    if (status == CN_OK && a.images)
        status = count_all_classes(ctx, path, split, &a, options != NULL);
    if (status == CN_OK && a.images)
        status = make(&a, options != NULL, path, path, dataset);
    drop(&a);
    return status;
}

static cn_status divide(cn_dataset *all, cn_split split, cn_dataset **dataset) {
    cn_dataset *part, *rest;
    cn_status status = cn_dataset_split(all, TEST_FRACTION, TEST_SEED, &part, &rest);
    cn_dataset_free(all);
    CN__TRY(status);
    *dataset = split == CN_SPLIT_TEST ? part : rest;
    cn_dataset_free(split == CN_SPLIT_TEST ? rest : part);
    return CN_OK;
}

cn_status cn_dataset_npz(cn_context *context, const char *path, cn_split split, const cn_target_options *options,
                         cn_dataset **dataset) {
    CN__COMPUTES;
    cn_dataset *all = NULL;
    CN__REQUIRE(dataset);
    *dataset = NULL;
    CN__REQUIRE(context);
    CN__REQUIRE(path);
    if (split < CN_SPLIT_TRAIN || split > CN_SPLIT_VALIDATION)
        return cn__error(CN_ERR_ARGUMENT,
                         "cn_dataset_npz: split is %d, wanted CN_SPLIT_TRAIN, _TEST, _VALIDATION or _ALL", (int)split);
    CN__TRY(open_part(context, path, split, options, dataset));
    if (*dataset)
        return CN_OK;
    if (split == CN_SPLIT_TRAIN || split == CN_SPLIT_TEST)
        CN__TRY(open_part(context, path, CN_SPLIT_ALL, options, &all));
    if (all)
        return divide(all, split, dataset);
    cn_tensor *missing;
    return cn_tensor_load_npz(context, path, image_names[split][0], &missing); /* which says what there is */
}
