/* SPDX-License-Identifier: MIT */
/* app.c: somebody else's C program: trains a little, saves the model to argv[1], and prints what it says of one image.
 * tests/test_install.sh builds it against the installed library. */
#include <convnet.h>
#include <stdio.h>
#include <stdlib.h>

static void check(cn_status status) {
    if (status == CN_OK)
        return;
    fprintf(stderr, "app: %s: %s\n", cn_status_string(status), cn_last_error());
    exit(1);
}

int main(int argc, char **argv) {
    cn_context *context;
    cn_dataset *images;
    cn_model *model;
    cn_trainer *trainer;
    cn_predictor *predictor;
    cn_tensor *image, *scores;
    int64_t image_shape[4] = {1, 3, 32, 32}, scores_shape[2] = {1, 10};
    if (argc != 2 || cn_version_number() != CN_VERSION_NUMBER)
        return 2;
    check(cn_context_new(NULL, &context));
    check(cn_dataset_synthetic(context, CN_SPLIT_TRAIN, 64, 1, &images));
    check(cn_model_session8(context, NULL, &model));
    check(cn_trainer_new(model, images, NULL, NULL, &trainer));
    check(cn_trainer_fit(trainer, 1, NULL, NULL));
    check(cn_model_save(model, argv[1]));
    check(cn_predictor_new(model, NULL, &predictor));
    check(cn_tensor_new(context, CN_DTYPE_UINT8, 4, image_shape, &image));
    check(cn_tensor_new(context, CN_DTYPE_FLOAT32, 2, scores_shape, &scores));
    check(cn_dataset_image(images, 0, image, NULL));
    check(cn_predictor_run(predictor, image, scores));
    for (int k = 0; k < 10; k++)
        printf("%.5f\n", ((const float *)cn_tensor_data(scores))[k]);
    cn_tensor_free(scores);
    cn_tensor_free(image);
    cn_predictor_free(predictor);
    cn_trainer_free(trainer);
    cn_model_free(model);
    cn_dataset_free(images);
    cn_context_free(context);
    return 0;
}
