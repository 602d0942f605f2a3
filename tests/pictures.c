/* SPDX-License-Identifier: MIT */
/* pictures.c: grey pictures and targets for them, and batches of both. */
#include "pictures.h"
#include "testing.h"

cn_tensor *new_tensor(cn_context *ctx, cn_dtype dtype, int dims, const int64_t *shape) {
    cn_tensor *tensor;
    ck_ok(cn_tensor_new(ctx, dtype, dims, shape, &tensor));
    return tensor;
}

uint8_t picture_value(int at) {
    return (uint8_t)(1 + (uint32_t)(at + 1) * 2654435761u % 199);
}

pictures pictures_begin(void) {
    const int64_t shape[4] = {PICTURES, 1, PICTURE_SIDE, PICTURE_SIDE},
                  maps[3] = {PICTURES, PICTURE_SIDE, PICTURE_SIDE};
    pictures f = {.ctx = test_context(2)};
    f.bytes = new_tensor(f.ctx, CN_DTYPE_UINT8, 4, shape);
    f.floats = new_tensor(f.ctx, CN_DTYPE_FLOAT32, 4, shape);
    f.masks = new_tensor(f.ctx, CN_DTYPE_UINT8, 3, maps);
    f.wide_masks = new_tensor(f.ctx, CN_DTYPE_INT64, 3, maps);
    for (int i = 0; i < PICTURES * PICTURE_PIXELS; i++) {
        uint8_t value = picture_value(i);
        ((uint8_t *)cn_tensor_data(f.bytes))[i] = ((uint8_t *)cn_tensor_data(f.masks))[i] = value;
        ((float *)cn_tensor_data(f.floats))[i] = (float)value / 255.0f;
        ((int64_t *)cn_tensor_data(f.wide_masks))[i] = value;
    }
    ck_ok(cn_dataset_memory(f.ctx, f.bytes, NULL, 0, &f.set));
    return f;
}

void pictures_end(pictures *f) {
    cn_dataset_free(f->set);
    cn_tensor_free(f->bytes);
    cn_tensor_free(f->floats);
    cn_tensor_free(f->masks);
    cn_tensor_free(f->wide_masks);
    cn_context_free(f->ctx);
}

cn_target_options target_of(cn_target_kind kind) {
    cn_target_options options = CN_TARGET_OPTIONS_INIT;
    options.kind = kind;
    return options;
}

cn_target_options target_mask(void) {
    cn_target_options options = target_of(CN_TARGET_MASK);
    options.classes = PICTURE_CLASSES;
    options.ignore_index = PICTURE_IGNORED;
    return options;
}

cn_tensor *target_tensor(const cn_dataset *set, cn_context *ctx, int target, int64_t count) {
    cn_target_options o = CN_TARGET_OPTIONS_INIT;
    ck_ok(cn_dataset_target(set, target, &o));
    const int64_t shapes[4][4] = {
        {count}, {count, o.shape[0]}, {count, o.shape[1], o.shape[2]}, {count, o.shape[0], o.shape[1], o.shape[2]}};
    bool classes = o.kind == CN_TARGET_CLASS || o.kind == CN_TARGET_MASK;
    return new_tensor(ctx, classes ? CN_DTYPE_INT64 : CN_DTYPE_FLOAT32, (int)o.kind + 1, shapes[o.kind]);
}

drawn drawn_new(const cn_dataset *set, cn_context *ctx, int augment, int64_t epoch) {
    int64_t count = cn_dataset_count(set), shape[4] = {count}, indices[64];
    drawn d = {.count = cn_dataset_target_count(set)};
    cn_dataset_shape(set, shape + 1);
    d.images = new_tensor(ctx, CN_DTYPE_FLOAT32, 4, shape);
    for (int t = 0; t < d.count; t++)
        d.targets[t] = target_tensor(set, ctx, t, count);
    for (int64_t i = 0; i < count; i++)
        indices[i] = i;
    ck_ok(cn_dataset_batch_targets(set, count, indices, augment, 3, epoch, d.images, d.count, d.targets));
    return d;
}

void drawn_free(drawn *d) {
    cn_tensor_free(d->images);
    for (int t = 0; t < d->count; t++)
        cn_tensor_free(d->targets[t]);
}

const float *floats_of(const cn_tensor *tensor) {
    return cn_tensor_data_const(tensor);
}

const int64_t *integers_of(const cn_tensor *tensor) {
    return cn_tensor_data_const(tensor);
}

cn_augmentation pictures_moves(cn_padding_mode mode) {
    cn_augmentation a = CN_AUGMENTATION_INIT;
    a.crop_padding = 5;
    a.crop_mode = mode;
    a.horizontal_flip = 0.5f;
    a.rotation = 40.0f;
    return a;
}
