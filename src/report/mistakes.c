/* SPDX-License-Identifier: MIT */
/* mistakes.c: which of the misclassified images are shown, and what is said of each. */
#include "report/report.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

static cn_misclassified entry_of(const cn_evaluation *evaluation, int64_t index) {
    cn_misclassified entry = CN_MISCLASSIFIED_INIT;
    (void)cn_evaluation_misclassified(evaluation, index, &entry); /* the index is one of its own */
    return entry;
}

/* The entry that the model was surest of after entry `last` (-1: of all), or -1. Equal ones come in their order; those
 * without a prediction never. */
static int64_t next_surest(const cn_evaluation *evaluation, int64_t last) {
    int64_t best = -1, count = cn_evaluation_misclassified_count(evaluation);
    double below = last < 0 ? INFINITY : entry_of(evaluation, last).probability, most = -1.0;
    for (int64_t i = 0; i < count; i++) {
        double probability = entry_of(evaluation, i).probability;
        bool after = probability < below || (probability == below && i > last);
        if (after && probability > most) {
            best = i;
            most = probability;
        }
    }
    return best;
}

static cn_status put_misclassified(cn__gallery *gallery, int64_t i, const cn_misclassified *entry,
                                   const cn_dataset *dataset, bool surest) {
    cn__text title = {.ctx = gallery->ctx};
    int64_t truth;
    cn__append_title_class(&title, dataset, entry->predicted);
    cn__text_append(&title, "/");
    cn__append_title_class(&title, dataset, entry->truth);
    if (surest) {
        cn__text_append(&title, "\n");
        cn__append_number(&title, 100.0 * entry->probability, 1);
        cn__text_append(&title, " %% / ");
        cn__append_number(&title, 100.0 * entry->truth_probability, 1);
        cn__text_append(&title, " %%");
    }
    cn__text_append(&title, "\n");
    cn__append_title_image(&title, dataset, entry->index);
    CN__TRY(cn__gallery_title(gallery, i, &title));
    return cn__gallery_image(gallery, i, dataset, entry->index, &(cn__fetch){.augment = false}, &truth);
}

cn_status cn__gallery_misclassified(const cn_evaluation *evaluation, const cn_dataset *dataset, int64_t count,
                                    bool surest, cn__gallery *gallery) {
    int64_t shape[3], all = cn_evaluation_misclassified_count(evaluation), last = -1;
    cn_dataset_shape(dataset, shape);
    count = count < all ? count : all;
    CN__TRY(cn__gallery_new(cn__evaluation_context(evaluation), count, shape[0], shape[1], shape[2], gallery));
    for (int64_t i = 0; i < count; i++) {
        last = surest ? next_surest(evaluation, last) : i;
        if (last < 0) { /* of the others no class was predicted */
            gallery->count = i;
            break;
        }
        cn_misclassified entry = entry_of(evaluation, last);
        CN__TRY(put_misclassified(gallery, i, &entry, dataset, surest));
    }
    return CN_OK;
}

/* ---- the surest of each class ---- */

#define PER_CENT "\u00a0%%" /* in the line of its number */

static cn_status put_surest(cn__gallery *gallery, int64_t i, const cn_misclassified *entry, const cn_dataset *dataset) {
    char truth[CN__LABEL_TEXT], predicted[CN__LABEL_TEXT];
    cn__text title = {.ctx = gallery->ctx};
    int64_t label;
    cn__append_in_line(&title, cn__class_name(dataset, entry->truth, truth), CN__TITLE_NAME);
    cn__text_append(&title, "\ntaken for ");
    cn__append_in_line(&title, cn__class_name(dataset, entry->predicted, predicted), CN__TITLE_NAME);
    cn__text_append(&title, ": ");
    cn__append_number(&title, 100.0 * entry->probability, 1);
    cn__text_append(&title, PER_CENT "\n");
    cn__append_in_line(&title, cn__class_name(dataset, entry->truth, truth), CN__TITLE_NAME);
    cn__text_append(&title, ": ");
    cn__append_number(&title, 100.0 * entry->truth_probability, 1);
    cn__text_append(&title, PER_CENT "\n");
    cn__append_title_image(&title, dataset, entry->index);
    CN__TRY(cn__gallery_title(gallery, i, &title));
    return cn__gallery_image(gallery, i, dataset, entry->index, &(cn__fetch){.augment = false}, &label);
}

/* A mistake, by its place in the evaluation's list. */
typedef struct mistake {
    int64_t entry, truth;
    double probability;
} mistake;

static int surest_first(const void *a, const void *b) {
    const mistake *x = a, *y = b;
    if (x->probability != y->probability)
        return x->probability < y->probability ? 1 : -1;
    return x->entry < y->entry ? -1 : 1;
}

static int by_class(const void *a, const void *b) {
    const mistake *x = a, *y = b;
    return x->truth < y->truth ? -1 : 1;
}

/* All that have a prediction, surest first. Returns how many. */
static int64_t list_mistakes(const cn_evaluation *evaluation, mistake *all) {
    int64_t count = 0;
    for (int64_t i = 0; i < cn_evaluation_misclassified_count(evaluation); i++) {
        cn_misclassified entry = entry_of(evaluation, i);
        if (entry.probability >= 0.0)
            all[count++] = (mistake){i, entry.truth, entry.probability};
    }
    qsort(all, (size_t)count, sizeof *all, surest_first);
    return count;
}

/* Brings the first of each class to the front, at most `most` of them, in the order of the classes; the others stay in
 * theirs. Returns how many. */
static int64_t bring_to_front(mistake *all, int64_t count, int64_t most, unsigned char *seen, mistake *others) {
    int64_t firsts = 0, left = 0;
    for (int64_t i = 0; i < count; i++) {
        if (!seen[all[i].truth] && firsts < most) {
            seen[all[i].truth] = 1;
            all[firsts++] = all[i];
        } else {
            others[left++] = all[i];
        }
    }
    memcpy(all + firsts, others, (size_t)left * sizeof *others);
    qsort(all, (size_t)firsts, sizeof *all, by_class);
    return firsts;
}

static cn_status put_all(cn__gallery *gallery, const cn_evaluation *evaluation, const cn_dataset *dataset,
                         const mistake *all) {
    int64_t shape[3], count = gallery->count;
    cn_dataset_shape(dataset, shape);
    CN__TRY(cn__gallery_new(gallery->ctx, count, shape[0], shape[1], shape[2], gallery));
    for (int64_t i = 0; i < count; i++) {
        cn_misclassified entry = entry_of(evaluation, all[i].entry);
        CN__TRY(put_surest(gallery, i, &entry, dataset));
    }
    return CN_OK;
}

cn_status cn__gallery_surest(const cn_evaluation *evaluation, const cn_dataset *dataset, int64_t most, int64_t least,
                             cn__gallery *of_classes, cn__gallery *others) {
    cn_context *ctx = cn__evaluation_context(evaluation);
    size_t room = (size_t)cn_evaluation_misclassified_count(evaluation) + 1;
    *of_classes = *others = (cn__gallery){.ctx = ctx};
    mistake *all = cn__alloc(ctx, room, sizeof *all), *rest = cn__alloc(ctx, room, sizeof *rest);
    unsigned char *seen = cn__alloc(ctx, (size_t)cn_evaluation_classes(evaluation), 1);
    cn_status status = all && rest && seen ? CN_OK : cn__no_memory("mistakes");
    if (status == CN_OK) {
        int64_t count = list_mistakes(evaluation, all), firsts = bring_to_front(all, count, most, seen, rest);
        int64_t more = firsts < least ? least - firsts : 0;
        of_classes->count = firsts;
        others->count = more < count - firsts ? more : count - firsts;
        status = firsts > 0 ? put_all(of_classes, evaluation, dataset, all) : CN_OK;
        if (status == CN_OK && others->count > 0)
            status = put_all(others, evaluation, dataset, all + firsts);
    }
    cn__free(ctx, seen);
    cn__free(ctx, rest);
    cn__free(ctx, all);
    return status;
}
