/* embed.c: the shortest program that trains a network and then uses it.
 *
 *   cc embed.c $(pkg-config --cflags --libs convnet) -o embed && ./embed
 * SPDX-License-Identifier: MIT */
#include <convnet.h>
#include <stdio.h>

static int show_epoch(void *user, const cn_epoch_info *epoch) {
    (void)user;
    printf("epoch %d: test accuracy %.1f %%\n", (int)epoch->epoch, 100.0 * epoch->test_accuracy);
    return 0; /* anything else stops the training */
}

static cn_status run(cn_context *ctx) {
    cn_dataset *train = NULL, *test = NULL;
    cn_model *net = NULL;
    cn_trainer *trainer = NULL;
    cn_predictor *predictor = NULL;
    cn_tensor *image = NULL, *scores = NULL;
    int64_t label, image_shape[4] = {1, 3, 32, 32}, scores_shape[2] = {1, 10};
    cn_status status;
    if ((status = cn_dataset_synthetic(ctx, CN_SPLIT_TRAIN, 4000, 1, &train)) == CN_OK &&
        (status = cn_dataset_synthetic(ctx, CN_SPLIT_TEST, 1000, 1, &test)) == CN_OK &&
        (status = cn_model_session8(ctx, NULL, &net)) == CN_OK &&
        (status = cn_trainer_new(net, train, test, NULL, &trainer)) == CN_OK &&
        (status = cn_trainer_fit(trainer, 3, show_epoch, NULL)) == CN_OK &&
        (status = cn_model_save(net, "embed.safetensors")) == CN_OK &&
        (status = cn_predictor_new(net, NULL, &predictor)) == CN_OK &&
        (status = cn_tensor_new(ctx, CN_DTYPE_UINT8, 4, image_shape, &image)) == CN_OK &&
        (status = cn_tensor_new(ctx, CN_DTYPE_FLOAT32, 2, scores_shape, &scores)) == CN_OK &&
        (status = cn_dataset_image(test, 0, image, &label)) == CN_OK &&
        (status = cn_predictor_run(predictor, image, scores)) == CN_OK)
        printf("test image 0 is a %s; the network says %s\n", cn_dataset_class_name(test, label),
               cn_dataset_class_name(test, cn_tensor_argmax(scores, 0)));
    cn_tensor_free(scores);
    cn_tensor_free(image);
    cn_predictor_free(predictor);
    cn_trainer_free(trainer);
    cn_model_free(net);
    cn_dataset_free(test);
    cn_dataset_free(train);
    return status;
}

int main(void) {
    cn_context *ctx;
    cn_status status = cn_context_new(NULL, &ctx); /* all cores, malloc, silent */
    if (status == CN_OK)
        status = run(ctx);
    if (status != CN_OK)
        fprintf(stderr, "embed: %s\n", cn_last_error());
    cn_context_free(ctx);
    return status == CN_OK ? 0 : 1;
}
