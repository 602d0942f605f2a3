/* finetune.c: a network that has seen ten classes of photographs learns three of drawings, from 60 of each: its output
 * layer is replaced, all else is frozen. Trained from nothing, the same network tells fewer of them apart, and takes
 * three times as long.
 *
 *   cc finetune.c $(pkg-config --cflags --libs convnet) -o finetune && ./finetune
 * SPDX-License-Identifier: MIT */
#include <convnet.h>
#include <stdio.h>

enum { CLASSES = 3, OF = 10, EPOCHS = 8 };
static const int chosen[CLASSES] = {2, 4, 5}; /* of the library's ten kinds of drawings, which come in turns */

typedef struct drawings {
    cn_context *ctx;
    cn_dataset *all;
} drawings;

static int fetch(void *user, int64_t index, uint8_t *pixels, int64_t *label) {
    const drawings *d = user;
    cn_tensor *image;
    cn_status status = cn_tensor_borrow(d->ctx, CN_DTYPE_UINT8, 4, (int64_t[]){1, 3, 32, 32}, pixels, &image);
    if (status == CN_OK)
        status = cn_dataset_image(d->all, index / CLASSES * OF + chosen[index % CLASSES], image, NULL);
    cn_tensor_free(image);
    *label = index % CLASSES;
    return status != CN_OK;
}

static cn_status open_drawings(drawings *d, cn_split split, int64_t each, cn_dataset **dataset) {
    cn_dataset_source source = CN_DATASET_SOURCE_INIT;
    const char *names[CLASSES];
    cn_status status = cn_dataset_synthetic(d->ctx, split, each * OF, 1, &d->all);
    source.count = each * CLASSES;
    source.classes = CLASSES;
    source.channels = 3;
    source.height = source.width = 32;
    source.fetch = fetch;
    source.user = d;
    if (status != CN_OK || (status = cn_dataset_callback(d->ctx, &source, dataset)) != CN_OK)
        return status;
    for (int k = 0; k < CLASSES; k++)
        names[k] = cn_dataset_class_name(d->all, chosen[k]);
    return cn_dataset_set_class_names(*dataset, CLASSES, names);
}

/* Only its new output layer will be trained. */
static cn_status pretrained(cn_context *ctx, cn_model **net) {
    cn_status status;
    if ((status = cn_model_session8_pretrained(ctx, net)) == CN_OK &&
        (status = cn_model_freeze(*net, "*", 1)) == CN_OK && (status = cn_model_replace_output(*net, CLASSES)) == CN_OK)
        status = cn_model_init(*net, 1); /* draws what is new */
    return status;
}

static cn_status from_nothing(cn_context *ctx, cn_model **net) {
    cn_session8_options options = CN_SESSION8_OPTIONS_INIT;
    options.classes = CLASSES;
    return cn_model_session8(ctx, &options, net);
}

static cn_status train(cn_model *net, cn_dataset *const data[2], const char *title) {
    cn_epoch_info epoch = CN_EPOCH_INFO_INIT;
    cn_optimizer_options optimizer = CN_OPTIMIZER_OPTIONS_INIT;
    cn_trainer_options options = CN_TRAINER_OPTIONS_INIT;
    cn_trainer *trainer = NULL;
    cn_status status;
    optimizer.kind = CN_OPTIMIZER_ADAMW;
    optimizer.learning_rate = 0.01f;
    options.optimizer = &optimizer;
    if ((status = cn_trainer_new(net, data[0], data[1], &options, &trainer)) == CN_OK &&
        (status = cn_trainer_fit(trainer, EPOCHS, NULL, NULL)) == CN_OK &&
        (status = cn_trainer_epoch_info(trainer, EPOCHS - 1, &epoch)) == CN_OK)
        printf("%s: %.1f %% of the test images, %.0f training images a second\n", title, 100.0 * epoch.test_accuracy,
               epoch.images_per_second);
    cn_trainer_free(trainer);
    return status;
}

int main(void) {
    cn_context *ctx;
    cn_dataset *data[2] = {NULL};
    cn_model *net[2] = {NULL};
    cn_status status = cn_context_new(NULL, &ctx);
    drawings of[2] = {{ctx, NULL}, {ctx, NULL}};
    if (status == CN_OK && (status = open_drawings(&of[0], CN_SPLIT_TRAIN, 60, &data[0])) == CN_OK &&
        (status = open_drawings(&of[1], CN_SPLIT_TEST, 100, &data[1])) == CN_OK &&
        (status = pretrained(ctx, &net[0])) == CN_OK && (status = train(net[0], data, "pretrained")) == CN_OK &&
        (status = from_nothing(ctx, &net[1])) == CN_OK)
        status = train(net[1], data, "from nothing");
    if (status != CN_OK)
        fprintf(stderr, "finetune: %s\n", cn_last_error());
    for (int i = 0; i < 2; i++) {
        cn_model_free(net[i]);
        cn_dataset_free(data[i]);
        cn_dataset_free(of[i].all);
    }
    cn_context_free(ctx);
    return status == CN_OK ? 0 : 1;
}
