/* SPDX-License-Identifier: MIT */
/* train_arguments.h: what convnet-train is asked for on its command line. */
#ifndef EXAMPLES_TRAIN_ARGUMENTS_H
#define EXAMPLES_TRAIN_ARGUMENTS_H

#include "common.h"
#include "outputs.h"

typedef struct train_arguments {
    data_spec data;
    network_spec network;
    transfer going_on;
    int loss_choice;   /* of task_loss_name */
    double validation; /* share of the training images that epochs are tested on instead; 0: none */
    bool keep_best;    /* the epoch of the best test metric, not the last */

    int recipe_kind; /* recipe_name */
    recipe recipe;   /* that one, changed as options say */
    int augment;     /* the recipe's changes to images: 1 yes, 0 no, -1 as the data has it */
    int balanced;    /* each class is drawn equally often */
    int64_t patience_stop;

    const char *out_path, *log_path, *report_path, *checkpoint_path; /* NULL: none */
    const char *rates_path; /* where a search for a rate is drawn, instead of a training; NULL: train */
    int64_t every;          /* batches between checkpoints, beside those after each epoch; 0: no others */
    int resume;

    int64_t misclassified; /* test images to list in the end */
    int64_t threads, seed;
    int algorithm; /* cn_conv_algorithm */
    int pin, profiling;
    int alone, local_batch_norm;
} train_arguments;

/* Reads the command line, as arguments_read does, and ends with a usage message where options do not go together. */
train_arguments train_arguments_read(int argc, char **argv);

/* Takes the network for such targets unless one is asked for; ends with a usage message if options do not suit it. */
void train_arguments_choose_network(train_arguments *a, cn_target_kind kind);

/* Has the training images changed as it is asked for. Complains on failure. */
cn_status train_arguments_augment(const train_arguments *a, cn_dataset *train);

/* Adds options of which no other setting tells, as they were given: runs are told apart by their settings. */
void train_arguments_describe(setting_list *s);

#endif
