/* SPDX-License-Identifier: MIT */
/* mpi.c: one network, trained by as many processes as mpirun has started, on one machine or on many.
 *
 *     cc mpi.c $(pkg-config --cflags --libs convnet-mpi) -o mpi
 *     mpirun -n 4 ./mpi [EPOCHS]
 *
 * The model that rank 0 saves has the same bytes whatever their number; 1, 2 or 4 divide the batch's blocks of 16 images.
 */
#include <convnet-mpi.h>
#include <convnet.h>
#include <stdio.h>
#include <stdlib.h>

static cn_communicator ranks = CN_COMMUNICATOR_INIT;

/* Where one process gives up, all do: the others would wait for it. */
static void check(cn_status status) {
    if (status != CN_OK)
        ranks.abort(ranks.user, status, cn_last_error());
}

/* Every rank is told the same; one says it. */
static int on_epoch(void *user, const cn_epoch_info *epoch) {
    (void)user;
    if (ranks.rank == 0)
        printf("epoch %lld: loss %.4f, test accuracy %.2f %%, %.0f images/s\n", (long long)epoch->epoch,
               epoch->train_loss, 100.0 * epoch->test_accuracy, epoch->images_per_second);
    return 0;
}

int main(int argc, char **argv) {
    cn_context *context;
    cn_dataset *train, *test;
    cn_model *model;
    cn_trainer *trainer;
    if (cn_mpi_new(NULL, &ranks) != CN_OK) {
        fprintf(stderr, "mpi: %s\n", cn_mpi_last_error());
        return EXIT_FAILURE;
    }

    /* Each its share of the machine; the same data, model and options for all. */
    cn_context_options threads = CN_CONTEXT_OPTIONS_INIT;
    threads.threads = cn_mpi_threads(&ranks);
    check(cn_context_new(&threads, &context));
    check(cn_dataset_synthetic(context, CN_SPLIT_TRAIN, 640, 1, &train));
    check(cn_dataset_synthetic(context, CN_SPLIT_TEST, 160, 1, &test));
    check(cn_model_session8(context, NULL, &model));

    cn_trainer_options options = CN_TRAINER_OPTIONS_INIT;
    options.batch_size = 64; /* of all together */
    options.communicator = &ranks;
    check(cn_trainer_new(model, train, test, &options, &trainer));
    check(cn_trainer_fit(trainer, argc > 1 ? atoi(argv[1]) : 3, on_epoch, NULL));
    if (ranks.rank == 0)
        check(cn_model_save(model, "mpi.safetensors"));

    cn_trainer_free(trainer);
    cn_model_free(model);
    cn_dataset_free(test);
    cn_dataset_free(train);
    cn_context_free(context);
    cn_mpi_free(&ranks);
    return EXIT_SUCCESS;
}
