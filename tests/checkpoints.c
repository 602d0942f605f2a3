/* SPDX-License-Identifier: MIT */
/* checkpoints.c: a small run and its checkpoint. */
#include "checkpoints.h"
#include <stdlib.h>

void run_prepare(run *r, cn_context *ctx) {
    *r = (run){.f = training_begin_with(ctx, CN_NORM_BATCH, 0.1f),
               .optimizer = CN_OPTIMIZER_OPTIONS_INIT,
               .schedule = CN_SCHEDULE_OPTIONS_INIT,
               .augmentation = CN_AUGMENTATION_INIT};
    r->f.options.optimizer = &r->optimizer;
    r->f.options.schedule = &r->schedule;
    r->f.options.ema_decay = 0.5f;
}

cn_status run_make(run *r) {
    cn_status status = cn_dataset_set_augmentation(r->f.train.set, &r->augmentation);
    return status == CN_OK ? cn_trainer_new(r->f.model, r->f.train.set, r->f.test.set, &r->f.options, &r->trainer)
                           : status;
}

void run_begin(run *r) {
    run_prepare(r, test_context(1));
    ck_ok(run_make(r));
}

void run_end(run *r) {
    cn_trainer_free(r->trainer);
    training_end(&r->f);
}

file file_of(const cn_checkpoint *checkpoint) {
    cn_tensor *tensor;
    ck_ok(cn_checkpoint_save_memory(checkpoint, &tensor));
    file f = {malloc((size_t)cn_tensor_count(tensor)), (size_t)cn_tensor_count(tensor)};
    memcpy(f.data, cn_tensor_data(tensor), f.count);
    cn_tensor_free(tensor);
    return f;
}

file saved_checkpoint(cn_trainer *trainer) {
    cn_checkpoint checkpoint = CN_CHECKPOINT_INIT;
    checkpoint.trainer = trainer;
    return file_of(&checkpoint);
}

cn_status load_checkpoint(cn_trainer *trainer, file f) {
    cn_checkpoint checkpoint = CN_CHECKPOINT_INIT;
    checkpoint.trainer = trainer;
    return cn_checkpoint_load_memory(&checkpoint, f.data, f.count);
}

void expect_unchanged(cn_trainer *trainer, file before) {
    file now = saved_checkpoint(trainer);
    ck_assert_uint_eq(now.count, before.count);
    ck_assert_mem_eq(now.data, before.data, now.count);
    free(now.data);
}

static int stop_in_second_epoch(void *user, const cn_batch_info *batch) {
    (void)user;
    return batch->epoch == 2 && batch->batch == 2;
}

file usual_file(void) {
    run r;
    run_prepare(&r, test_context(1));
    r.f.options.on_batch = stop_in_second_epoch;
    ck_ok(run_make(&r));
    ck_ok(cn_trainer_fit(r.trainer, 3, NULL, NULL));
    file f = saved_checkpoint(r.trainer);
    run_end(&r);
    return f;
}
