/* SPDX-License-Identifier: MIT */
/* predictions.c: what tests of predictors share. */
#include "predictions.h"
#include <math.h>

cn_tensor *float_tensor(cn_context *ctx, int dims, const int64_t *shape) {
    cn_tensor *tensor;
    ck_ok(cn_tensor_new(ctx, CN_DTYPE_FLOAT32, dims, shape, &tensor));
    return tensor;
}

void predictions_forward(predictions *f) {
    ck_ok(cn_model_forward(f->model, 0, f->images, f->wanted));
}

predictions predictions_begin(int threads) {
    predictions f = {.ctx = test_context(threads)};
    int64_t indices[PREDICTIONS];
    cn_trainer *trainer;
    for (int i = 0; i < PREDICTIONS; i++)
        indices[i] = i;
    f.model = toy_model(f.ctx, CN_NORM_BATCH, 0.1f);
    f.data = toy_data_new(f.ctx, PREDICTIONS, 1);
    f.images = float_tensor(f.ctx, 4, (int64_t[]){PREDICTIONS, 1, TOY_SIDE, TOY_SIDE});
    f.wanted = float_tensor(f.ctx, 2, (int64_t[]){PREDICTIONS, TOY_CLASSES});
    f.output = float_tensor(f.ctx, 2, (int64_t[]){PREDICTIONS, TOY_CLASSES});
    ck_ok(cn_trainer_new(f.model, f.data.set, NULL, NULL, &trainer));
    ck_ok(cn_trainer_fit(trainer, 1, NULL, NULL));
    cn_trainer_free(trainer);
    ck_ok(cn_dataset_batch(f.data.set, PREDICTIONS, indices, 0, 0, 0, f.images, NULL));
    predictions_forward(&f);
    return f;
}

void predictions_end(predictions *f) {
    cn_tensor_free(f->images);
    cn_tensor_free(f->wanted);
    cn_tensor_free(f->output);
    toy_data_free(&f->data);
    cn_model_free(f->model);
    cn_context_free(f->ctx);
}

cn_predictor *predictor_for(const cn_model *model, int max_batch_size) {
    cn_predictor *predictor;
    cn_predictor_options options = CN_PREDICTOR_OPTIONS_INIT;
    if (max_batch_size > 0)
        options.max_batch_size = max_batch_size;
    ck_ok(cn_predictor_new(model, &options, &predictor));
    return predictor;
}

void expect_predictions(const float *got, const float *wanted, int64_t count) {
    for (int64_t i = 0; i < count; i++)
        ck_assert_msg(fabsf(got[i] - wanted[i]) <= 1e-5f * fmaxf(1.0f, fabsf(wanted[i])), "value %d: %.9g, wanted %.9g",
                      (int)i, (double)got[i], (double)wanted[i]);
}
