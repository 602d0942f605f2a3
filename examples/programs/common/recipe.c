/* SPDX-License-Identifier: MIT */
/* recipe.c: ways to train, ready to be copied into a program: docs/recipes.md tells how they were found and what each
 * ingredient is worth. */
#include "common.h"

const char *const recipe_names[] = {"study", "fast", "best", NULL};

recipe recipe_make(recipe_name name) {
    recipe r = {.epochs = 20,
                .batch_size = 32,
                .dropout = 0.01f,
                .accumulate = 1,
                .optimizer = CN_OPTIMIZER_OPTIONS_INIT, /* SGD at 0.01 with momentum 0.9 */
                .schedule = CN_SCHEDULE_OPTIONS_INIT,   /* plateau: times 0.3 */
                .changes = CN_AUGMENTATION_CIFAR10};
    if (name == RECIPE_STUDY)
        return r;
    const cn_augmentation none = CN_AUGMENTATION_INIT;
    r.epochs = name == RECIPE_FAST ? 6 : 20;
    r.batch_size = 64;
    r.dropout = 0.0f;
    r.optimizer.kind = CN_OPTIMIZER_MUON;
    r.optimizer.momentum = 0.9f;
    r.optimizer.nesterov = 1;
    r.optimizer.weight_decay = 0.03f;
    r.optimizer.decay_weights_only = 1;
    r.schedule.kind = CN_SCHEDULE_ONE_CYCLE; /* up for a quarter of the run, then straight down to nearly nothing */
    r.schedule.max_learning_rate = 0.015f;
    r.schedule.pct_start = 0.25f;
    r.schedule.linear = 1;
    r.changes = none;
    r.changes.alternating_flip = 1;
    if (name == RECIPE_BEST) {
        r.ema_decay = 0.998f;
        r.ema_warmup = 1; /* small data sets have few steps */
        r.changes.crop_padding = 2;
        r.changes.crop_mode = CN_PADDING_REFLECT;
    }
    return r;
}

void recipe_fill(const recipe *from, cn_trainer_options *options) {
    options->batch_size = from->batch_size;
    options->label_smoothing = from->label_smoothing;
    options->l1 = from->l1;
    options->ema_decay = from->ema_decay;
    options->ema_warmup = from->ema_warmup;
    options->clip_norm = from->clip_norm;
    options->clip_value = from->clip_value;
    options->mixup_alpha = from->mixup_alpha;
    options->cutmix_alpha = from->cutmix_alpha;
    options->accumulate = from->accumulate;
    options->optimizer = &from->optimizer;
    options->schedule = &from->schedule;
}
