/* SPDX-License-Identifier: MIT */
/* run_options.c: the numbers among the options that say what a run computes. */
#include "train/run_options.h"

/* Members of the struct called O. */
#define INT_IN(member)                                                                                                 \
    { #member, false, offsetof(O, member) }
#define REAL_IN(member)                                                                                                \
    { #member, true, offsetof(O, member) }

#define O cn_trainer_options
const cn__run_option cn__run_trainer_options[] = {INT_IN(batch_size),
                                                  INT_IN(test_batch_size),
                                                  REAL_IN(l1),
                                                  REAL_IN(ema_decay),
                                                  INT_IN(ema_warmup),
                                                  INT_IN(accumulate),
                                                  REAL_IN(mixup_alpha),
                                                  REAL_IN(cutmix_alpha),
                                                  REAL_IN(clip_value),
                                                  REAL_IN(clip_norm),
                                                  {0}};
#undef O
#define O cn_loss_options
const cn__run_option cn__run_loss_options[] = {INT_IN(reduction), REAL_IN(weight), REAL_IN(label_smoothing),
                                               REAL_IN(beta),     REAL_IN(delta),  {0}};
#undef O
#define O cn_optimizer_options
const cn__run_option cn__run_optimizer_options[] = {
    REAL_IN(learning_rate), REAL_IN(momentum), REAL_IN(dampening), INT_IN(nesterov),           REAL_IN(weight_decay),
    REAL_IN(beta1),         REAL_IN(beta2),    REAL_IN(eps),       INT_IN(decay_weights_only), {0}};
#undef O
#define O cn_schedule_options
const cn__run_option cn__run_schedule_options[] = {REAL_IN(factor),
                                                   INT_IN(patience),
                                                   REAL_IN(threshold),
                                                   INT_IN(step_size),
                                                   REAL_IN(min_learning_rate),
                                                   REAL_IN(max_learning_rate),
                                                   REAL_IN(pct_start),
                                                   REAL_IN(div_factor),
                                                   REAL_IN(final_div_factor),
                                                   INT_IN(linear),
                                                   REAL_IN(power),
                                                   REAL_IN(warmup_start),
                                                   INT_IN(warmup_epochs),
                                                   INT_IN(warmup_steps),
                                                   {0}};
#undef O
#define O cn_augmentation
const cn__run_option cn__run_augmentation_options[] = {INT_IN(crop_padding),     INT_IN(crop_mode),
                                                       REAL_IN(horizontal_flip), REAL_IN(grayscale),
                                                       REAL_IN(rotation),        REAL_IN(perspective_distortion),
                                                       REAL_IN(perspective),     INT_IN(alternating_flip),
                                                       INT_IN(cutout),           {0}};
#undef O

/* A new member that changes what is computed needs a place above or in run_text.c; then its size goes here. So that checkpoints
 * of before it are still taken, it is written only where it is not the usual value. */
_Static_assert(sizeof(void *) != 8 || (sizeof(cn_trainer_options) == 144 && sizeof(cn_loss_options) == 80 &&
                                       sizeof(cn_optimizer_options) == 72 && sizeof(cn_schedule_options) == 88 &&
                                       sizeof(cn_augmentation) == 48),
               "options that are not compared");
