/* own_loop.c: a training loop of one's own, with gradients added up over batches, clipped, and a rate of its own, which
 * goes on after it was stopped or killed, with the same bits.
 * SPDX-License-Identifier: MIT
 *   cc own_loop.c $(pkg-config --cflags --libs convnet) -lm -o own_loop && ./own_loop run.safetensors --resume */
#include <convnet.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { IMAGES = 320, BATCH = 16, GROUP = 2, STEPS = IMAGES / (BATCH * GROUP), EPOCHS = 5, EVERY = 4 };

typedef struct loop {
    cn_dataset *data;
    cn_model *net;
    cn_optimizer *optimizer;
    cn_tensor *images, *labels, *output, *gradient;
    int64_t step; /* steps done: all that a checkpoint has to know beside model and optimizer */
} loop;

static void check(cn_status status) {
    if (status != CN_OK) {
        fprintf(stderr, "own_loop: %s\n", cn_last_error());
        exit(1);
    }
}

static double take_step(loop *l) {
    int64_t epoch = l->step / STEPS, indices[BATCH];
    double loss, mean = 0.0;
    cn_dataset *shuffled;
    cn_loss_options nll = CN_LOSS_OPTIONS_INIT;
    nll.kind = CN_LOSS_NLL;
    nll.weight = 1.0f / GROUP;
    check(cn_dataset_shuffled(l->data, (uint64_t)epoch, &shuffled)); /* another order in each epoch */
    for (int i = 0; i < GROUP; i++) {
        for (int64_t k = 0; k < BATCH; k++)
            indices[k] = (l->step % STEPS * GROUP + i) * BATCH + k;
        check(cn_dataset_batch(shuffled, BATCH, indices, 0, 0, epoch, l->images, l->labels));
        check(cn_model_forward(l->net, 1, l->images, l->output));
        check(cn_loss_compute(&nll, l->output, l->labels, &loss, l->gradient));
        check(cn_model_accumulate_gradients(l->net, i > 0)); /* the first replaces those of the last step */
        check(cn_model_backward(l->net, l->gradient, NULL));
        mean += loss;
    }
    cn_dataset_free(shuffled);
    check(cn_model_clip_gradients_norm(l->net, 1.0, NULL));
    check(cn_optimizer_set_learning_rate(l->optimizer, 0.01 * pow(0.97, (double)l->step)));
    check(cn_optimizer_step(l->optimizer));
    l->step++;
    return mean;
}

int main(int argc, char **argv) {
    const char *path = argc > 1 ? argv[1] : "run.safetensors", *names[] = {"step"};
    int resume = argc > 2; /* whatever it says */
    int64_t images[] = {BATCH, 3, 32, 32}, outputs[] = {BATCH, 10};
    cn_context *ctx;
    cn_tensor *step;
    loop l = {0};
    check(cn_context_new(NULL, &ctx));
    check(cn_dataset_synthetic(ctx, CN_SPLIT_TRAIN, IMAGES, 1, &l.data));
    check(cn_model_session8(ctx, NULL, &l.net));
    check(cn_optimizer_new(l.net, NULL, &l.optimizer));
    check(cn_tensor_new(ctx, CN_DTYPE_FLOAT32, 4, images, &l.images));
    check(cn_tensor_new(ctx, CN_DTYPE_INT64, 1, images, &l.labels));
    check(cn_tensor_new(ctx, CN_DTYPE_FLOAT32, 2, outputs, &l.output));
    check(cn_tensor_new(ctx, CN_DTYPE_FLOAT32, 2, outputs, &l.gradient));
    check(cn_tensor_borrow(ctx, CN_DTYPE_INT64, 0, NULL, &l.step, &step)); /* the variable itself */
    cn_checkpoint run = {.size = sizeof run,
                         .tensor_count = 1,
                         .model = l.net,
                         .optimizer = l.optimizer,
                         .names = names,
                         .tensors = &step};
    cn_status found = resume ? cn_checkpoint_load(&run, path) : CN_ERR_NOT_FOUND;
    check(found == CN_ERR_NOT_FOUND ? CN_OK : found); /* that is: there is none yet */
    while (l.step < STEPS * EPOCHS) {
        double loss = take_step(&l);
        if (l.step % EVERY == 0 || l.step == STEPS * EPOCHS)
            check(cn_checkpoint_save(&run, path));
        printf("step %d: loss %.4f\n", (int)l.step, loss);
    }
    cn_tensor *tensors[] = {l.images, l.labels, l.output, l.gradient, step};
    for (int i = 0; i < 5; i++)
        cn_tensor_free(tensors[i]);
    cn_optimizer_free(l.optimizer);
    cn_model_free(l.net);
    cn_dataset_free(l.data);
    cn_context_free(ctx);
    return 0;
}
