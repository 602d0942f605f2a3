/* SPDX-License-Identifier: MIT */
/* fuzz_checkpoint.c: checkpoints into a trainer, with their checksums made right: whole files, or (if the first byte is odd)
 * the trainer's own with single bytes changed. What is refused changes nothing; what is taken trains on. */
#include "checksums.h"
#include "fuzzing.h"

static void repair(uint8_t *data, size_t size) {
    if (size > 1)
        checkpoint_repair_checksums(data + 1, size - 1);
}
FUZZ_REPAIRS(repair);

static cn_trainer *trainer;
static cn_tensor *own; /* its checkpoint after an epoch and a batch */

static int stop(void *user, const cn_batch_info *batch) {
    (void)user;
    return batch->epoch == 2;
}

static cn_model *make_model(void) {
    cn_model *model;
    cn_layer *layer;
    FUZZ_EXPECT(cn_model_new(fuzz_context(), 1, 2, 2, &model) == CN_OK);
    FUZZ_EXPECT(cn_conv2d_new(fuzz_context(), 1, 2, 2, 2, NULL, &layer) == CN_OK);
    FUZZ_EXPECT(cn_model_append(model, "c", layer) == CN_OK);
    FUZZ_EXPECT(cn_flatten_new(fuzz_context(), &layer) == CN_OK);
    FUZZ_EXPECT(cn_model_append(model, "f", layer) == CN_OK);
    FUZZ_EXPECT(cn_model_init(model, 1) == CN_OK);
    return model;
}

static cn_dataset *make_data(void) {
    static const uint8_t pixels[4 * 4] = {1, 2, 3, 4, 5, 6, 7, 8, 200, 100, 50, 25};
    static const int64_t classes[4] = {0, 1, 1, 0};
    static cn_tensor *images, *labels; /* which the data set borrows */
    cn_dataset *dataset;
    FUZZ_EXPECT(cn_tensor_borrow_const(fuzz_context(), CN_DTYPE_UINT8, 4, (int64_t[]){4, 1, 2, 2}, pixels, &images) ==
                CN_OK);
    FUZZ_EXPECT(cn_tensor_borrow_const(fuzz_context(), CN_DTYPE_INT64, 1, (int64_t[]){4}, classes, &labels) == CN_OK);
    FUZZ_EXPECT(cn_dataset_memory(fuzz_context(), images, labels, 2, &dataset) == CN_OK);
    return dataset;
}

static void begin(void) {
    cn_trainer_options options = CN_TRAINER_OPTIONS_INIT;
    cn_optimizer_options optimizer = CN_OPTIMIZER_OPTIONS_INIT;
    cn_checkpoint checkpoint = CN_CHECKPOINT_INIT;
    optimizer.kind = CN_OPTIMIZER_MUON;
    options.optimizer = &optimizer;
    options.batch_size = options.test_batch_size = 2;
    options.loss = CN_LOSS_CROSS_ENTROPY;
    options.ema_decay = 0.5f;
    options.on_batch = stop;
    FUZZ_EXPECT(cn_trainer_new(make_model(), make_data(), NULL, &options, &trainer) == CN_OK);
    FUZZ_EXPECT(cn_trainer_fit(trainer, 2, NULL, NULL) == CN_OK);
    checkpoint.trainer = trainer;
    FUZZ_EXPECT(cn_checkpoint_save_memory(&checkpoint, &own) == CN_OK);
}

/* The trainer's own file with bytes changed: three bytes say where, one what it becomes. */
static uint8_t *change(fuzz_bytes rest) {
    size_t count = (size_t)cn_tensor_count(own);
    uint8_t *file = malloc(count);
    FUZZ_EXPECT(file);
    memcpy(file, cn_tensor_data(own), count);
    while (rest.count >= 4) {
        size_t at = (size_t)(fuzz_number(&rest, 3) & 0xFFFFFF) % count;
        file[at] = fuzz_byte(&rest);
    }
    checkpoint_repair_checksums(file, count);
    return file;
}

static void expect_unchanged(void) {
    cn_checkpoint checkpoint = CN_CHECKPOINT_INIT;
    cn_tensor *now;
    checkpoint.trainer = trainer;
    FUZZ_EXPECT(cn_checkpoint_save_memory(&checkpoint, &now) == CN_OK);
    FUZZ_EXPECT(cn_tensor_count(now) == cn_tensor_count(own));
    FUZZ_EXPECT(memcmp(cn_tensor_data(now), cn_tensor_data(own), (size_t)cn_tensor_count(own)) == 0);
    cn_tensor_free(now);
}

static void try_file(const uint8_t *data, size_t size) {
    cn_checkpoint checkpoint = CN_CHECKPOINT_INIT;
    checkpoint.trainer = trainer;
    fuzz_begin();
    cn_status status = cn_checkpoint_load_memory(&checkpoint, data, size);
    FUZZ_EXPECT(status == CN_OK || (status != CN_ERR_MEMORY && strlen(cn_last_error()) > 0));
    fuzz_at_most(size, 0);
    if (status != CN_OK) {
        fuzz_end();
        expect_unchanged();
        return;
    }
    (void)cn_trainer_fit(trainer, 1, NULL, NULL);
    FUZZ_EXPECT(cn_checkpoint_load_memory(&checkpoint, cn_tensor_data(own), (size_t)cn_tensor_count(own)) == CN_OK);
    expect_unchanged();
}

FUZZ(checkpoint) {
    fuzz_bytes rest = {data, size};
    if (!trainer)
        begin();
    if (fuzz_byte(&rest) % 2) {
        uint8_t *file = change(rest);
        try_file(file, (size_t)cn_tensor_count(own));
        free(file);
    } else {
        try_file(rest.at, rest.count);
    }
    return 0;
}
