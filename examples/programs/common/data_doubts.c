/* SPDX-License-Identifier: MIT */
/* data_doubts.c: what is doubtful about a data set although all of it could be read: files that were left out, a class that
 * nearly all images have, or none, images that are all alike, values that no network learns well from; and values that are no labels. */
#include "common.h"
#include <math.h>
#include <string.h>

enum { SAMPLE = 64, SAMPLE_FLOATS = 4 * 1024 * 1024, NAMES_SHOWN = 5 };

static const char *const split_names[] = {"training images", "test images", "images", "validation images"};

/* ---- classes ---- */

/* "'cat', 'dog' and 3 more". */
static void list_empty(const cn_dataset *dataset, const int64_t *images, int64_t empty, char *text, size_t size) {
    int shown = 0;
    size_t used = 0;
    for (int64_t k = 0; k < cn_dataset_classes(dataset) && shown < NAMES_SHOWN && used < size; k++)
        if (images[k] == 0)
            used += (size_t)snprintf(text + used, size - used, "%s'%.40s'", shown++ ? ", " : "",
                                     cn_dataset_class_name(dataset, k));
    if (empty > shown && used < size)
        snprintf(text + used, size - used, " and %lld more", (long long)(empty - shown));
}

static void doubt_classes(const data_spec *spec, cn_split split, const cn_dataset *dataset, const int64_t *images) {
    char text[NAMES_SHOWN * 48 + 32];
    int64_t classes = cn_dataset_classes(dataset), count = cn_dataset_count(dataset), empty = 0, most = 0;
    for (int64_t k = 0; k < classes; k++) {
        empty += images[k] == 0;
        most = images[k] > images[most] ? k : most;
    }
    if (empty > 0 && !spec->format->fitted) { /* the library says so of folders */
        list_empty(dataset, images, empty, text, sizeof text);
        warn("none of the %s of '%s' %s of class %s", split_names[split], spec->text, empty == 1 ? "is" : "are", text);
    }
    double share = (double)images[most] / (double)count;
    if (split == CN_SPLIT_TRAIN && classes > 1 && count >= 5 && share >= 0.8 && share < 1.0)
        warn("%.0f %% of the training images of '%s' are of class '%s', so that a model which always says so "
             "looks good; convnet-train --balanced draws each class equally often",
             100.0 * share, spec->text, cn_dataset_class_name(dataset, most));
}

static void count_classes(const data_spec *spec, cn_split split, const cn_dataset *dataset) {
    int64_t *images = calloc((size_t)cn_dataset_classes(dataset), sizeof *images), label;
    for (int64_t i = 0; images && i < cn_dataset_count(dataset); i++)
        if (cn_dataset_label(dataset, i, &label) == CN_OK && label >= 0 && label < cn_dataset_classes(dataset))
            images[label]++;
    if (images)
        doubt_classes(spec, split, dataset, images);
    free(images);
}

/* ---- values, as a network gets them ---- */

typedef struct values {
    double mean, deviation;
    bool finite, alike; /* alike: each image is as the first */
} values;

static values look_at(const float *pixels, int64_t images, int64_t each) {
    double sum = 0.0, squares = 0.0, count = (double)(images * each);
    values v = {.finite = true, .alike = images > 1};
    for (int64_t i = 0; i < images * each; i++) {
        sum += (double)pixels[i];
        squares += (double)pixels[i] * (double)pixels[i];
        v.finite = v.finite && isfinite(pixels[i]);
    }
    for (int64_t i = 1; i < images && v.alike; i++)
        v.alike = memcmp(pixels, pixels + i * each, (size_t)each * sizeof *pixels) == 0;
    v.mean = sum / count;
    v.deviation = sqrt(fmax(0.0, squares / count - v.mean * v.mean));
    return v;
}

static void doubt_values(const data_spec *spec, cn_split split, const values *v, int64_t images) {
    const char *of = split_names[split];
    if (!v->finite)
        warn("%s of '%s' hold values that are no finite numbers", of, spec->text);
    else if (v->alike)
        warn("the %lld %s of '%s' that were looked at are all alike", (long long)images, of, spec->text);
    else if (fabs(v->mean) > 4.0 || v->deviation > 8.0 || v->deviation < 0.02)
        warn("the %s of '%s' have a mean of %.3g and a deviation of %.3g as a network gets them, where about "
             "0 and 1 are usual; floats want to lie between 0 and 1, or bytes between 0 and 255",
             of, spec->text, v->mean, v->deviation);
}

/* Some of the images, evenly spread. */
static void sample(cn_context *context, const data_spec *spec, cn_split split, const cn_dataset *dataset) {
    int64_t shape[4] = {0}, index[SAMPLE], count = cn_dataset_count(dataset);
    cn_tensor *tensor = NULL;
    cn_dataset_shape(dataset, shape + 1);
    int64_t each = shape[1] * shape[2] * shape[3], most = SAMPLE_FLOATS / each;
    most = most < 2 ? 2 : most > SAMPLE ? SAMPLE : most;
    shape[0] = count < most ? count : most;
    for (int64_t i = 0; i < shape[0]; i++)
        index[i] = i * count / shape[0];
    if (shape[0] > 0 && cn_tensor_new(context, CN_DTYPE_FLOAT32, 4, shape, &tensor) == CN_OK &&
        cn_dataset_batch(dataset, shape[0], index, 0, 0, 0, tensor, NULL) == CN_OK) {
        values v = look_at(cn_tensor_data(tensor), shape[0], each);
        doubt_values(spec, split, &v, shape[0]);
    }
    cn_tensor_free(tensor);
}

void doubts_say(cn_context *context, const data_spec *spec, cn_split split, const cn_dataset *dataset) {
    int64_t skipped = cn_dataset_skipped_count(dataset);
    if (spec->format->drawn)
        return;
    if (skipped > 0)
        warn("%lld file%s of '%s' %s left out of the %s, of %lld", (long long)skipped, skipped == 1 ? "" : "s",
             spec->text, skipped == 1 ? "was" : "were", split_names[split],
             (long long)(cn_dataset_count(dataset) + skipped));
    if (task_of(dataset).kind == CN_TARGET_CLASS)
        count_classes(spec, split, dataset);
    sample(context, spec, split, dataset);
}

/* ---- labels ---- */

/* The first that lies elsewhere than from 0 to 1; `count`: there is none. */
static int64_t no_label(const float *targets, int64_t count) {
    int64_t i = 0;
    while (i < count && targets[i] >= 0.0f && targets[i] <= 1.0f)
        i++;
    return i;
}

static cn_status look_at_labels(cn_context *context, const data_spec *spec, cn_split split, const cn_dataset *dataset,
                                bool *good) {
    cn_target_options target = CN_TARGET_OPTIONS_INIT;
    int64_t shape[4] = {1}, count = cn_dataset_count(dataset), at = 0;
    cn_tensor *image = NULL, *values = NULL;
    cn_dataset_shape(dataset, shape + 1);
    cn_status status = cn_dataset_target(dataset, 0, &target);
    int64_t each[4] = {1, target.shape[0], target.shape[1], target.shape[2]};
    if (status == CN_OK)
        status = cn_tensor_new(context, CN_DTYPE_FLOAT32, 4, shape, &image);
    if (status == CN_OK)
        status = cn_tensor_new(context, CN_DTYPE_FLOAT32, target.kind == CN_TARGET_VECTOR ? 2 : 4, each, &values);
    for (int64_t i = 0; status == CN_OK && *good && i < count; i++) {
        if ((status = cn_dataset_batch(dataset, 1, &i, 0, 0, 0, image, values)) != CN_OK)
            break;
        const float *targets = cn_tensor_data(values);
        *good = (at = no_label(targets, cn_tensor_count(values))) == cn_tensor_count(values);
        if (!*good)
            complain(
                "number %lld of the %s of '%s' has a target of %g, and --loss bce-with-logits is of labels, from 0 "
                "to 1; --loss mse is of other values",
                (long long)i, split_names[split], spec->text, (double)targets[at]);
    }
    cn_tensor_free(values);
    cn_tensor_free(image);
    return status;
}

bool task_fits(cn_context *context, const task *t, const data_spec *spec, cn_split split, const cn_dataset *dataset) {
    bool good = true;
    if (!dataset || task_has_classes(t) || t->loss != CN_LOSS_BCE_WITH_LOGITS ||
        look_at_labels(context, spec, split, dataset, &good) == CN_OK)
        return good;
    complain("cannot read the %s of '%s': %s", split_names[split], spec->text, library_error());
    return false;
}
